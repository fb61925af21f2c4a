/* Structured log: a level, an event in a few words, and fields as one JSON object text.
 * A log handle is borrowed by its users; the sink decides where lines go. One thread at a time
 * per handle unless the sink says otherwise (hgl_log_stderr's does: any thread). */
#ifndef HGL_BASE_LOG_H
#define HGL_BASE_LOG_H

#include <stdbool.h>

#include "base/bytes.h"
#include "base/err.h"

enum hgl_log_level { HGL_LOG_DEBUG, HGL_LOG_INFO, HGL_LOG_WARN, HGL_LOG_ERROR };

struct hgl_log {
  /* `who`: module or agent name; `text`: one line. Both borrowed for the call. */
  void (*write)(void *user, enum hgl_log_level level, const char *who, const char *text);
  void *user;
  enum hgl_log_level least;
  /* What an agent writes: its text (UTF-8) and its fields, one JSON object or empty. NULL: `write`
   * gets both as one text. */
  void (*write_agent)(void *user, enum hgl_log_level level, const char *agent,
                      struct hgl_bytes text, struct hgl_bytes fields);
};

/* "HH:MM:SS.mmm level who  text" on standard error. Control characters are escaped. */
extern const struct hgl_log hgl_log_stderr;
/* Drops everything. */
extern const struct hgl_log hgl_log_none;

void hgl_log(const struct hgl_log *log, enum hgl_log_level level, const char *who,
             const char *format, ...) HGL_PRINTF(4, 5);
void hgl_log_agent(const struct hgl_log *log, enum hgl_log_level level, const char *agent,
                   struct hgl_bytes text, struct hgl_bytes fields);
const char *hgl_log_level_name(enum hgl_log_level level);
/* "debug", "info", "warn" or "error"; false for anything else. */
bool hgl_log_level_parse(const char *text, enum hgl_log_level *out);

/* Lines are hostile: what peers and scripts said must neither move the cursor of the terminal that
 * it is shown on, nor turn the direction of its text, nor look like a line of its own. Both write
 * at most `room` bytes, whole characters only, and return how many; neither adds a NUL. */

/* Such characters, and bytes that are not UTF-8, as \xNN; a tab as a blank. */
size_t hgl_log_escape(struct hgl_bytes text, char *out, size_t room);
/* The inside of a JSON string: such characters as \uNNNN, bytes that are not UTF-8 as U+FFFD. With
 * `quoted` the text is JSON already, whose quotes and backslashes stay. */
size_t hgl_log_escape_json(struct hgl_bytes text, bool quoted, char *out, size_t room);

#endif
