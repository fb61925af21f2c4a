/* logs: the lines of the host's log, its own and its agents'; the latest first of all, then as they
 * come. What does not fit into an event is left out, and counted. */
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "dashboard/log_ring.h"
#include "dashboard/topics.h"
#include "protocol/value.h"

enum {
  LINES_MAX = 200,                                      /* of one change */
  LINES_SIZE_MAX = HGL_FEED_EVENT_SIZE_MAX - 64 * 1024, /* of them as text, in one event */
  LINE_SIZE_MAX = 8 * HGL_LOG_RING_TEXT_SIZE,           /* of one, all of it escaped */
  TEXT_SIZE_MAX = 200,
};

struct logs {
  const struct hgl_log_ring *ring;
  enum hgl_log_level level;
  char *agent, *text; /* or NULL */
  uint64_t told;      /* up to this order */
  uint64_t passed;    /* of those that were looked for, since the channel began */
  uint64_t found;     /* by the latest event: the last ones */
};

static bool contains(struct hgl_bytes text, const char *part)
{
  size_t size = strlen(part);
  for (size_t i = 0; i + size <= text.size; i++)
    if (strncasecmp((const char *)text.data + i, part, size) == 0) return true;
  return false;
}

static bool fits(const struct logs *logs, const struct hgl_log_ring_line *line)
{
  if (line->level < logs->level) return false;
  if (logs->agent && (!line->agent || strcmp(logs->agent, line->who) != 0)) return false;
  return !logs->text || contains(line->text, logs->text) || contains(line->fields, logs->text) ||
         contains(hgl_text(line->who), logs->text);
}

static void put_line(struct hgl_buf *out, const struct hgl_log_ring_line *line)
{
  struct hgl_buf words;
  hgl_buf_init(&words, HGL_LOG_RING_TEXT_SIZE);
  hgl_utf8_mend(line->text, &words);
  hgl_buf_printf(out, "{\"order\":%llu,\"time_ms\":%lld,\"level\":\"%s\",\"module\":",
                 (unsigned long long)line->order, (long long)line->time_ms,
                 hgl_log_level_name(line->level));
  hgl_json_put_text(hgl_text(line->agent ? "agent" : line->who), out);
  if (line->agent) {
    hgl_buf_append_text(out, ",\"agent\":");
    hgl_json_put_text(hgl_text(line->who), out);
  }
  hgl_buf_append_text(out, ",\"text\":");
  hgl_json_put_text(hgl_buf_bytes(&words), out);
  if (line->fields.size) {
    hgl_buf_append_text(out, ",\"fields\":");
    hgl_buf_append_bytes(out, line->fields);
  }
  hgl_buf_append_byte(out, '}');
  hgl_buf_deinit(&words);
}

static size_t size_of(const struct hgl_log_ring_line *line, struct hgl_buf *scratch)
{
  hgl_buf_clear(scratch);
  put_line(scratch, line);
  return scratch->size + 1;
}

/* The last `most` of those behind `first` that fit, in the order in which they came, and no more
 * than an event has room for. */
static void put(struct logs *logs, uint64_t first, size_t most, uint64_t *skips,
                struct hgl_event *event)
{
  struct hgl_log_ring_line line;
  uint64_t count = hgl_log_ring_count(logs->ring), skipped = 0, from = count;
  uint64_t oldest = count > HGL_LOG_RING_LINES ? count - HGL_LOG_RING_LINES : 0;
  size_t found = 0, size = 0;
  struct hgl_buf scratch;
  hgl_buf_init(&scratch, LINE_SIZE_MAX);
  if (first < oldest) skipped = oldest - first, first = oldest;
  for (; from > first; from--) {
    if (!hgl_log_ring_get(logs->ring, from, &line) || !fits(logs, &line)) continue;
    size += size_of(&line, &scratch);
    if (found == most || size > LINES_SIZE_MAX) break;
    found++;
  }
  hgl_buf_deinit(&scratch);
  for (uint64_t at = from; at > first; at--)
    skipped += hgl_log_ring_get(logs->ring, at, &line) && fits(logs, &line);
  logs->found = found;
  *skips = skipped;
  if (!found && !skipped) return;
  struct hgl_buf *out = hgl_event_begin(event, "lines");
  hgl_buf_append_byte(out, '[');
  for (uint64_t at = from + 1, told = 0; at <= count; at++) {
    if (!hgl_log_ring_get(logs->ring, at, &line) || !fits(logs, &line)) continue;
    if (told++) hgl_buf_append_byte(out, ',');
    put_line(out, &line);
  }
  hgl_buf_append_byte(out, ']');
  hgl_event_put(event, "skipped", json_integer((json_int_t)skipped));
}

static int whole(void *state, struct hgl_event *event, struct hgl_err *err)
{
  struct logs *logs = state;
  uint64_t count = hgl_log_ring_count(logs->ring), skipped;
  put(logs, count > HGL_LOG_RING_LINES ? count - HGL_LOG_RING_LINES : 0, HGL_LOG_RING_LINES,
      &skipped, event);
  if (!event->fields) {
    hgl_event_put(event, "lines", json_array());
    hgl_event_put(event, "skipped", json_integer(0));
  }
  logs->told = count;
  return 0;
}

static int change(void *state, struct hgl_event *event, struct hgl_err *err)
{
  struct logs *logs = state;
  uint64_t skipped;
  put(logs, logs->told, LINES_MAX, &skipped, event);
  logs->told = hgl_log_ring_count(logs->ring);
  logs->passed += logs->found + skipped;
  return 0;
}

static uint64_t passed(const void *state)
{
  return ((const struct logs *)state)->passed;
}

static uint64_t missed(const void *state, uint64_t since)
{
  const struct logs *logs = state;
  uint64_t fresh = logs->passed - since;
  return fresh > logs->found ? fresh - logs->found : 0;
}

static int get_level(const struct hgl_topic_ask *ask, enum hgl_log_level *out, struct hgl_err *err)
{
  const char *text;
  int status = hgl_ask_text_if_any(ask, "level", &text, err);
  if (status || !text || hgl_log_level_parse(text, out)) return status;
  return hgl_fail(err, HGL_INVALID, "a level is debug, info, warn or error, not \"%.40s\"", text);
}

static void close(void *state)
{
  struct logs *logs = state;
  hgl_free(logs->agent);
  hgl_free(logs->text);
  hgl_free(logs);
}

static int open(const struct hgl_topic_ask *ask, void **state, struct hgl_err *err)
{
  struct logs *logs = hgl_zalloc(sizeof *logs);
  if (!logs) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  logs->ring = ask->user;
  logs->level = HGL_LOG_DEBUG;
  int status = hgl_ask_copy(ask, "agent", TEXT_SIZE_MAX, &logs->agent, err);
  if (!status) status = hgl_ask_copy(ask, "text", TEXT_SIZE_MAX, &logs->text, err);
  if (!status) status = get_level(ask, &logs->level, err);
  if (status)
    close(logs);
  else
    *state = logs;
  return status;
}

static const char *const arguments[] = {"agent", "level", "text", NULL};

const struct hgl_topic hgl_topic_logs = {.name = "logs",
                                         .every_ms = 500,
                                         .least_ms = 250,
                                         .arguments = arguments,
                                         .open = open,
                                         .whole = whole,
                                         .change = change,
                                         .passed = passed,
                                         .missed = missed,
                                         .close = close};
