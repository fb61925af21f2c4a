/* A line edited at the terminal, with history and completion. The only user of libedit. */
#ifndef HGL_HOST_LINE_EDITOR_H
#define HGL_HOST_LINE_EDITOR_H

#include <jansson.h>
#include <stdbool.h>

#include "base/bytes.h"
#include "base/err.h"

struct hgl_line_editor;

/* `complete` gives a list of texts (a new reference, or NULL) that what stands before the cursor
 * may go on with. `history`: a file of mode 0600, or NULL; its folder is there. */
int hgl_line_editor_create(const char *history, json_t *(*complete)(void *user, struct hgl_bytes),
                           void *user, struct hgl_line_editor **out,
                           struct hgl_err *err) HGL_NODISCARD;
/* Saves the history. NULL is allowed. */
void hgl_line_editor_destroy(struct hgl_line_editor *editor);

enum hgl_line_end {
  HGL_LINE_READ,
  HGL_LINE_CANCELLED, /* Ctrl-C */
  HGL_LINE_CLOSED,    /* Ctrl-D, or the terminal went */
};
/* Without its newline; good until the next call. */
enum hgl_line_end hgl_line_editor_read(struct hgl_line_editor *editor, const char *prompt,
                                       struct hgl_bytes *out);
/* Standard input where it is no terminal: each of its lines, until `take` fails. */
int hgl_input_lines(int (*take)(void *user, struct hgl_bytes line, struct hgl_err *err), void *user,
                    struct hgl_err *err) HGL_NODISCARD;
/* What was read, perhaps of several lines, is found again with the arrow keys. */
void hgl_line_editor_remember(struct hgl_line_editor *editor, const char *text);

#endif
