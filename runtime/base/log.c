#include "base/log.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/utf8.h"

const char *hgl_log_level_name(enum hgl_log_level level)
{
  static const char *const names[] = {"debug", "info", "warn", "error"};
  return names[level];
}

void hgl_log(const struct hgl_log *log, enum hgl_log_level level, const char *who,
             const char *format, ...)
{
  if (level < log->least) return;
  char text[2048];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  log->write(log->user, level, who, text);
}

void hgl_log_agent(const struct hgl_log *log, enum hgl_log_level level, const char *agent,
                   struct hgl_bytes text, struct hgl_bytes fields)
{
  if (level < log->least) return;
  if (log->write_agent)
    log->write_agent(log->user, level, agent, text, fields);
  else
    hgl_log(log, level, agent, "%.*s%s%.*s", HGL_STR(text), fields.size ? "  " : "",
            HGL_STR(fields));
}

bool hgl_log_level_parse(const char *text, enum hgl_log_level *out)
{
  for (enum hgl_log_level level = HGL_LOG_DEBUG; level <= HGL_LOG_ERROR; level++) {
    if (strcmp(text, hgl_log_level_name(level)) != 0) continue;
    *out = level;
    return true;
  }
  return false;
}

/* Escaping ------------------------------------------------------------------------------------ */

/* The length of the UTF-8 sequence that `text` begins with, 0 where there is none; *point: what it
 * stands for. */
static size_t decode(struct hgl_bytes text, uint32_t *point)
{
  const uint8_t *at = text.data;
  size_t size = at[0] < 0x80 ? 1 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;
  if (size > text.size || (size > 1 && !hgl_utf8_valid(hgl_bytes(at, size)))) return 0;
  *point = size == 1 ? at[0] : at[0] & (0x7fu >> size);
  for (size_t i = 1; i < size; i++) *point = *point << 6 | (at[i] & 0x3f);
  return size;
}

/* What moves the cursor, ends a line or turns the direction of the text around. */
static bool is_control(uint32_t point)
{
  return point < 0x20 || (point >= 0x7f && point < 0xa0) || point == 0x061c ||
         (point >= 0x200e && point <= 0x200f) || (point >= 0x2028 && point <= 0x202e) ||
         (point >= 0x2066 && point <= 0x2069) || point == 0xfeff;
}

enum { ESCAPED_SIZE_MAX = 16 }; /* of one character: four bytes as \xNN */

size_t hgl_log_escape(struct hgl_bytes text, char *out, size_t room)
{
  size_t size = 0, length;
  for (size_t at = 0; at < text.size; at += length ? length : 1) {
    char escaped[ESCAPED_SIZE_MAX + 1];
    size_t wide = 0;
    uint32_t point;
    length = decode(hgl_bytes(text.data + at, text.size - at), &point);
    if (length == 1 && point == '\t') {
      escaped[wide++] = ' ';
    } else if (length && !is_control(point)) {
      memcpy(escaped, text.data + at, wide = length);
    } else {
      for (size_t i = 0; i < (length ? length : 1); i++, wide += 4)
        snprintf(escaped + wide, 5, "\\x%02x", text.data[at + i]);
    }
    if (wide > room - size) break;
    memcpy(out + size, escaped, wide);
    size += wide;
  }
  return size;
}

size_t hgl_log_escape_json(struct hgl_bytes text, bool quoted, char *out, size_t room)
{
  size_t size = 0, length;
  for (size_t at = 0; at < text.size; at += length ? length : 1) {
    char escaped[ESCAPED_SIZE_MAX + 1];
    size_t wide;
    uint32_t point;
    length = decode(hgl_bytes(text.data + at, text.size - at), &point);
    if (!length)
      wide = (size_t)snprintf(escaped, sizeof escaped, "\xef\xbf\xbd");
    else if (is_control(point)) /* none of them takes more than four digits */
      wide = (size_t)snprintf(escaped, sizeof escaped, "\\u%04x", (unsigned)point);
    else if (!quoted && (point == '"' || point == '\\'))
      wide = (size_t)snprintf(escaped, sizeof escaped, "\\%c", (int)point);
    else
      memcpy(escaped, text.data + at, wide = length);
    if (wide > room - size) break;
    memcpy(out + size, escaped, wide);
    size += wide;
  }
  return size;
}

/* Standard error ------------------------------------------------------------------------------ */

static void write_stderr(void *user, enum hgl_log_level level, const char *who, const char *text)
{
  struct timespec now;
  struct tm parts;
  clock_gettime(CLOCK_REALTIME, &now);
  localtime_r(&now.tv_sec, &parts);
  char line[2400];
  int used = snprintf(line, sizeof line, "%02d:%02d:%02d.%03ld %-5s %s  ", parts.tm_hour,
                      parts.tm_min, parts.tm_sec, now.tv_nsec / 1000000, hgl_log_level_name(level),
                      who);
  size_t size = used < 0 ? 0 : (size_t)used < sizeof line ? (size_t)used : sizeof line - 1;
  size += hgl_log_escape(hgl_text(text), line + size, sizeof line - 1 - size);
  line[size++] = '\n';
  fwrite(line, 1, size, stderr);
}

static void write_none(void *user, enum hgl_log_level level, const char *who, const char *text) {}

const struct hgl_log hgl_log_stderr = {.write = write_stderr, .least = HGL_LOG_INFO};
const struct hgl_log hgl_log_none = {.write = write_none, .least = HGL_LOG_ERROR};
