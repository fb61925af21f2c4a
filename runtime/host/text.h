/* How the command line shows things to people. What comes from the network (or a script) is shown
 * with its control characters escaped, so that it can neither move the cursor nor reorder text. */
#ifndef HGL_HOST_TEXT_H
#define HGL_HOST_TEXT_H

#include <jansson.h>
#include <stdio.h>

#include "base/buf.h"

/* Appends: C0, DEL, C1 and the bidirectional controls as \xNN or \u{NNNN}, bytes that are not UTF-8
 * as \xNN. */
void hgl_escape(struct hgl_bytes text, struct hgl_buf *out);
void hgl_print_escaped(FILE *file, struct hgl_bytes text);

/* Places on a terminal, taking each code point for one. */
size_t hgl_text_width(struct hgl_bytes text);

/* A JSON value in a line: text escaped, lists and maps as JSON, null and absent as "-". */
void hgl_show_json(const json_t *value, struct hgl_buf *out);

enum hgl_column_kind {
  HGL_COLUMN_TEXT,
  HGL_COLUMN_NUMBER,
  HGL_COLUMN_TIME,
  HGL_COLUMN_RARE, /* a text; the column is left out where no row has one */
};

struct hgl_column {
  const char *title;
  const char *field; /* of each row */
  enum hgl_column_kind kind;
};

/* Prints rows (a list of objects) as an aligned table, or `none` when there are none. The list of
 * columns ends with a NULL title. */
int hgl_print_table(const json_t *rows, const struct hgl_column *columns, const char *none,
                    struct hgl_err *err) HGL_NODISCARD;
/* What every verb does with a list: a table, or with `json` one object a line. */
int hgl_print_list(const json_t *rows, bool json, const struct hgl_column *columns,
                   const char *none, struct hgl_err *err) HGL_NODISCARD;
/* The fields of an object, one a line; what stands in "message" and "waits" is indented. */
void hgl_print_fields(const json_t *object, int indent);
/* One line of JSON on standard output, flushed. */
int hgl_print_json(const json_t *value, struct hgl_err *err) HGL_NODISCARD;

/* "2026-11-23 16:44:05.123" in local time, or UTC with a "Z". */
enum { HGL_TIME_TEXT_SIZE = 32 };
void hgl_time_text(int64_t unix_ms, bool utc, char out[HGL_TIME_TEXT_SIZE]);

/* ANSI sequences, or empty when the file is no terminal (or NO_COLOR is set). */
struct hgl_colours {
  const char *bold, *dim, *red, *green, *yellow, *cyan, *plain;
};
const struct hgl_colours *hgl_colours(FILE *file);

#endif
