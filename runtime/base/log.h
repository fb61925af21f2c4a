/* Structured log: a level, an event in a few words, and fields as one JSON object text.
 * A log handle is borrowed by its users; the sink decides where lines go. One thread at a time
 * per handle unless the sink says otherwise (hgl_log_stderr's does: any thread). */
#ifndef HGL_BASE_LOG_H
#define HGL_BASE_LOG_H

#include "base/err.h"

enum hgl_log_level { HGL_LOG_DEBUG, HGL_LOG_INFO, HGL_LOG_WARN, HGL_LOG_ERROR };

struct hgl_log {
  /* `who`: module or agent name; `text`: one line. Both borrowed for the call. */
  void (*write)(void *user, enum hgl_log_level level, const char *who, const char *text);
  void *user;
  enum hgl_log_level least;
};

/* "HH:MM:SS.mmm level who  text" on standard error. Control characters are escaped. */
extern const struct hgl_log hgl_log_stderr;
/* Drops everything. */
extern const struct hgl_log hgl_log_none;

void hgl_log(const struct hgl_log *log, enum hgl_log_level level, const char *who,
             const char *format, ...) HGL_PRINTF(4, 5);
const char *hgl_log_level_name(enum hgl_log_level level);

#endif
