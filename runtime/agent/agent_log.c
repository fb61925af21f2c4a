/* What agents write to the log: cut to a length, and bounded in lines and bytes a second. What is
 * beyond is left out, which is said once, and counted. */
#include "agent/internal.h"

enum { LINE_SIZE_MAX = 8192 };

void put_clean(struct hgl_buf *out, struct hgl_bytes text)
{
  size_t size = text.size < LINE_SIZE_MAX ? text.size : LINE_SIZE_MAX;
  for (size_t at = 0; at < size;) {
    uint8_t first = text.data[at];
    size_t length = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    bool good = length <= size - at && hgl_utf8_valid(hgl_bytes(text.data + at, length));
    if (good)
      hgl_buf_append(out, text.data + at, length);
    else
      hgl_buf_append_text(out, "\xef\xbf\xbd");
    at += good ? length : 1;
  }
  if (size < text.size) hgl_buf_append_text(out, " …");
}

json_t *json_words(struct hgl_bytes text)
{
  struct hgl_buf clean;
  hgl_buf_init(&clean, 4 * text.size + 8); /* each byte may need three for its replacement */
  put_clean(&clean, text);
  json_t *json = clean.failed
                     ? NULL
                     : json_stringn(clean.data ? (const char *)clean.data : "", clean.size);
  hgl_buf_deinit(&clean);
  return json;
}

/* Whether the line may be written. The surplus has an end only when there is room for half a
 * second's worth again: an agent at its limit does not make us say so with every line. */
static bool admit(struct agent *agent, size_t size)
{
  struct hgl_host *host = agent->host;
  const struct hgl_agent_limits *limits = agent->limits;
  int64_t now_ms = host->mono_ms, bytes = (int64_t)size;
  if (bytes > limits->log_bytes) bytes = limits->log_bytes;
  int64_t lines_left = hgl_bucket_left(&agent->logged, limits->log_lines, now_ms);
  int64_t bytes_left = hgl_bucket_left(&agent->logged_bytes, limits->log_bytes, now_ms);
  if (lines_left < 1 || bytes_left < bytes) {
    if (!agent->log_full)
      host_log(host, HGL_LOG_WARN,
               "%s logs more than %lld lines or %lld bytes a second: the surplus is left out",
               agent->name, (long long)limits->log_lines, (long long)limits->log_bytes);
    agent->log_full = true;
    agent->log_left_out++;
    agent->log_left_out_total++;
    return false;
  }
  if (agent->log_full && lines_left >= (limits->log_lines + 1) / 2 &&
      bytes_left >= limits->log_bytes / 2) {
    host_log(host, HGL_LOG_WARN, "%s: %llu lines of its log were left out", agent->name,
             (unsigned long long)agent->log_left_out);
    agent->log_full = false;
    agent->log_left_out = 0;
  }
  hgl_bucket_take(&agent->logged, limits->log_lines, now_ms, 1);
  hgl_bucket_take(&agent->logged_bytes, limits->log_bytes, now_ms, bytes);
  return true;
}

static void write_line(struct agent *agent, enum hgl_log_level level, struct hgl_bytes text,
                       struct hgl_bytes fields)
{
  struct hgl_host *host = agent->host;
  struct hgl_buf line;
  struct hgl_err err;
  json_t *json = NULL;
  hgl_buf_init(&line, LINE_SIZE_MAX);
  if (fields.size && hgl_value_to_json(fields, &json, &err) == 0 && json_object_size(json)) {
    if (hgl_json_print(json, &line, &err)) hgl_buf_clear(&line);
  }
  hgl_log_agent(host->config.log, level, agent->name, text, hgl_buf_bytes(&line));
  if (host->watchers) {
    json_t *event = json_pack("{s:s, s:s, s:s%}", "agent", agent->name, "level",
                              hgl_log_level_name(level), "text", (const char *)text.data,
                              text.size);
    if (event && json) json_object_set(event, "fields", json);
    watch_event(host, "log", event);
  }
  json_decref(json);
  hgl_buf_deinit(&line);
}

void agent_log(struct agent *agent, enum hgl_log_level level, struct hgl_bytes text,
               struct hgl_bytes fields)
{
  struct hgl_err err;
  struct hgl_buf clean;
  if (!admit(agent, text.size + fields.size)) return;
  hgl_buf_init(&clean, 3 * LINE_SIZE_MAX + 8);
  put_clean(&clean, text);
  hgl_buf_append_byte(&clean, 0); /* there are bytes to point to, also of an empty line */
  if (hgl_buf_check(&clean, &err) == 0)
    write_line(agent, level, hgl_bytes(clean.data, clean.size - 1), fields);
  hgl_buf_deinit(&clean);
}
