/* One line of a log in each of its formats. Pure: what goes in comes out, cut to what fits, with
 * nothing in it that could steer a terminal. */
#ifndef HGL_HOST_LOG_LINE_H
#define HGL_HOST_LOG_LINE_H

#include <stdint.h>

#include "base/log.h"

struct hgl_log_entry {
  int64_t unix_ms;
  enum hgl_log_level level;
  bool agent; /* else `who` is a module of the host */
  const char *who;
  struct hgl_bytes text;
  struct hgl_bytes fields; /* one JSON object, or empty */
};

enum {
  HGL_LOG_TEXT_MAX = 64 << 10,   /* bytes of a line's text, escaped; the rest is cut off */
  HGL_LOG_FIELDS_MAX = 10 << 10, /* bytes of the fields; larger ones are left out */
  HGL_LOG_GROWTH_MAX = 6,        /* of one byte that is escaped: \uNNNN */
  HGL_LOG_PRIORITY_SIZE = 3,     /* "<6>" */
  HGL_LOG_LINE_MAX = HGL_LOG_TEXT_MAX + 2 * HGL_LOG_GROWTH_MAX * HGL_LOG_FIELDS_MAX + 1024,
};

/* Each writes at most HGL_LOG_LINE_MAX bytes and returns how many. */

/* "2026-11-27 21:09:34.123 info  who  text  {fields}\n", local time; `brief`: without the date. */
size_t hgl_log_line_text(const struct hgl_log_entry *entry, bool brief, char *out);
/* {"time":"2026-11-27T21:09:34.123Z","level":"info","agent":"kiosk","text":"…","fields":{…}}\n, of
 * a module with "module" in place of "agent". */
size_t hgl_log_line_json(const struct hgl_log_entry *entry, char *out);
/* "<6>", which begins a line on a standard stream that leads to the journal: exactly
 * HGL_LOG_PRIORITY_SIZE bytes. */
size_t hgl_log_line_priority(enum hgl_log_level level, char *out);
/* The datagram that the journal takes: MESSAGE, PRIORITY, SYSLOG_IDENTIFIER, HAGGLE_AGENT or
 * HAGGLE_MODULE, HAGGLE_FIELDS. */
size_t hgl_log_line_journal(const struct hgl_log_entry *entry, char *out);

#endif
