#include "host/log_line.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* A line that grows in what its caller has: HGL_LOG_LINE_MAX bytes, which hold the largest. */
struct line {
  char *out;
  size_t size;
};

static void put(struct line *line, const char *format, ...) HGL_PRINTF(2, 3);

static void put(struct line *line, const char *format, ...)
{
  size_t room = HGL_LOG_LINE_MAX - line->size;
  va_list args;
  va_start(args, format);
  int size = vsnprintf(line->out + line->size, room, format, args);
  va_end(args);
  if (size > 0) line->size += (size_t)size < room ? (size_t)size : room - 1;
}

static void put_text(struct line *line, struct hgl_bytes text)
{
  line->size += hgl_log_escape(text, line->out + line->size, HGL_LOG_TEXT_MAX);
}

static void put_json(struct line *line, struct hgl_bytes text)
{
  line->size += hgl_log_escape_json(text, false, line->out + line->size, HGL_LOG_TEXT_MAX);
}

/* Whole or not at all: half an object is none. */
static void put_fields(struct line *line, const char *before, struct hgl_bytes fields,
                       const char *after)
{
  if (!fields.size || fields.size > HGL_LOG_FIELDS_MAX) return;
  put(line, "%s", before);
  line->size += hgl_log_escape_json(fields, true, line->out + line->size,
                                    HGL_LOG_GROWTH_MAX * HGL_LOG_FIELDS_MAX);
  put(line, "%s", after);
}

size_t hgl_log_line_text(const struct hgl_log_entry *entry, bool brief, char *out)
{
  struct line line = {out, 0};
  time_t seconds = (time_t)(entry->unix_ms / 1000);
  struct tm parts = {0};
  localtime_r(&seconds, &parts);
  if (!brief) put(&line, "%04d-%02d-%02d ", parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday);
  put(&line, "%02d:%02d:%02d.%03d %-5s %.80s  ", parts.tm_hour, parts.tm_min, parts.tm_sec,
      (int)(entry->unix_ms % 1000), hgl_log_level_name(entry->level), entry->who);
  put_text(&line, entry->text);
  put_fields(&line, "  ", entry->fields, "");
  put(&line, "\n");
  return line.size;
}

size_t hgl_log_line_json(const struct hgl_log_entry *entry, char *out)
{
  struct line line = {out, 0};
  time_t seconds = (time_t)(entry->unix_ms / 1000);
  struct tm parts = {0};
  gmtime_r(&seconds, &parts);
  put(&line, "{\"time\":\"%04d-%02d-%02dT%02d:%02d:%02d.%03dZ\",\"level\":\"%s\",\"%s\":\"",
      parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min,
      parts.tm_sec, (int)(entry->unix_ms % 1000), hgl_log_level_name(entry->level),
      entry->agent ? "agent" : "module");
  put_json(&line, hgl_text(entry->who));
  put(&line, "\",\"text\":\"");
  put_json(&line, entry->text);
  put(&line, "\"");
  put_fields(&line, ",\"fields\":", entry->fields, "");
  put(&line, "}\n");
  return line.size;
}

/* Those of syslog. */
static int priority_of(enum hgl_log_level level)
{
  static const int priorities[] = {7, 6, 4, 3};
  return priorities[level];
}

size_t hgl_log_line_priority(enum hgl_log_level level, char *out)
{
  const char prefix[HGL_LOG_PRIORITY_SIZE] = {'<', (char)('0' + priority_of(level)), '>'};
  memcpy(out, prefix, sizeof prefix);
  return sizeof prefix;
}

size_t hgl_log_line_journal(const struct hgl_log_entry *entry, char *out)
{
  struct line line = {out, 0};
  put(&line, "PRIORITY=%d\nSYSLOG_IDENTIFIER=haggle\n%s=%.80s\n", priority_of(entry->level),
      entry->agent ? "HAGGLE_AGENT" : "HAGGLE_MODULE", entry->who);
  put_fields(&line, "HAGGLE_FIELDS=", entry->fields, "\n");
  /* What `journalctl` shows without being asked for more. No value holds an end of line: those are
   * escaped, so that none needs the protocol's other form. */
  put(&line, "MESSAGE=%.80s  ", entry->who);
  put_text(&line, entry->text);
  put_fields(&line, "  ", entry->fields, "");
  put(&line, "\n");
  return line.size;
}
