#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
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
  /* What peers and scripts said must not move the cursor of the terminal it is shown on. */
  for (; *text && size < sizeof line - 6; text++) {
    unsigned char c = (unsigned char)*text;
    if (c == '\t')
      line[size++] = ' ';
    else if (c >= 0x20 && c != 0x7f)
      line[size++] = (char)c;
    else
      size += (size_t)snprintf(line + size, 5, "\\x%02x", c);
  }
  line[size++] = '\n';
  fwrite(line, 1, size, stderr);
}

static void write_none(void *user, enum hgl_log_level level, const char *who, const char *text) {}

const struct hgl_log hgl_log_stderr = {write_stderr, NULL, HGL_LOG_INFO};
const struct hgl_log hgl_log_none = {write_none, NULL, HGL_LOG_ERROR};
