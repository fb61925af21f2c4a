#include "base/log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

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

/* The length of the UTF-8 sequence that `text` begins with, 0 where there is none; *point: what it
 * stands for. Ends before a NUL. */
static size_t decode(const unsigned char *text, uint32_t *point)
{
  size_t size = text[0] < 0x80 ? 1 : text[0] < 0xe0 ? 2 : text[0] < 0xf0 ? 3 : 4;
  *point = size == 1 ? text[0] : text[0] & (0x7fu >> size);
  if (size > 1 && (text[0] < 0xc2 || text[0] > 0xf4)) return 0;
  for (size_t i = 1; i < size; i++) {
    if ((text[i] & 0xc0) != 0x80) return 0;
    *point = *point << 6 | (text[i] & 0x3f);
  }
  return size;
}

/* What moves the cursor, ends a line or turns the direction of the text around. */
static bool is_control(uint32_t point)
{
  return point < 0x20 || (point >= 0x7f && point < 0xa0) || point == 0x061c ||
         (point >= 0x200e && point <= 0x200f) || (point >= 0x2028 && point <= 0x202e) ||
         (point >= 0x2066 && point <= 0x2069) || point == 0xfeff;
}

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
  /* What peers and scripts said must not move the cursor of the terminal it is shown on, nor look
   * like a line of its own. */
  for (const unsigned char *at = (const unsigned char *)text; *at && size < sizeof line - 18;) {
    uint32_t point;
    size_t length = decode(at, &point);
    if (*at == '\t') {
      line[size++] = ' ';
    } else if (length > 0 && !is_control(point)) {
      memcpy(line + size, at, length);
      size += length;
    } else {
      length = length ? length : 1;
      for (size_t i = 0; i < length; i++)
        size += (size_t)snprintf(line + size, 5, "\\x%02x", at[i]);
    }
    at += length;
  }
  line[size++] = '\n';
  fwrite(line, 1, size, stderr);
}

static void write_none(void *user, enum hgl_log_level level, const char *who, const char *text) {}

const struct hgl_log hgl_log_stderr = {write_stderr, NULL, HGL_LOG_INFO};
const struct hgl_log hgl_log_none = {write_none, NULL, HGL_LOG_ERROR};
