/* What a host file and options say of the log. */
#include <string.h>

#include "base/mem.h"
#include "host/config.h"
#include "host/keys.h"

enum { SIZE_LEAST = 64 << 10 };

int hgl_config_log_format(struct hgl_config *config, const char *text, struct hgl_err *err)
{
  static const char *const formats[] = {"text", "json", "journal"};
  for (int i = 0; i < 3; i++) {
    if (strcmp(text, formats[i]) != 0) continue;
    config->log.format = (enum hgl_log_format)(HGL_LOG_FORMAT_TEXT + i);
    return 0;
  }
  return hgl_fail(err, HGL_INVALID, "a log is \"text\", \"json\" or \"journal\", not \"%.40s\"",
                  text);
}

static int parse_level(const char *text, enum hgl_log_level *out, struct hgl_err *err)
{
  if (text && hgl_log_level_parse(text, out)) return 0;
  return hgl_fail(err, HGL_INVALID, "a level is debug, info, warn or error, not \"%.40s\"",
                  text ? text : "");
}

static int set_agent(struct hgl_config *config, const char *name, size_t size, const char *text,
                     struct hgl_err *err)
{
  enum hgl_log_level level;
  char agent[HGL_NAME_SIZE_MAX + 1];
  int status = hgl_agent_name_check(hgl_bytes(name, size), err);
  if (!status) status = parse_level(text, &level, err);
  if (status) return status;
  memcpy(agent, name, size);
  agent[size] = 0;
  if (!config->log_agents) config->log_agents = json_object();
  if (json_object_set_new(config->log_agents, agent, json_string(text)))
    return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  config->log.agents = config->log_agents;
  return 0;
}

int hgl_config_log_level(struct hgl_config *config, const char *text, struct hgl_err *err)
{
  const char *equals = strchr(text, '=');
  if (!equals) return parse_level(text, &config->log.level, err);
  return set_agent(config, text, (size_t)(equals - text), equals + 1, err);
}

/* The host file's table ---------------------------------------------------------------------- */

struct reader {
  struct hgl_config *config;
  const char *folder; /* of the host file, ending in "/" or empty */
};

static int read_format(struct reader *reader, const json_t *value, struct hgl_err *err)
{
  const char *text = json_string_value(value);
  return hgl_config_log_format(reader->config, text ? text : "", err);
}

static int read_level(struct reader *reader, const json_t *value, struct hgl_err *err)
{
  return parse_level(json_string_value(value), &reader->config->log.level, err);
}

static int read_file(struct reader *reader, const json_t *value, struct hgl_err *err)
{
  const char *text = json_string_value(value);
  if (!text || !*text || strlen(text) != json_string_length(value))
    return hgl_fail(err, HGL_INVALID, "expected a text");
  if (*text != '/') text = hgl_config_keep(reader->config, "%s%s", reader->folder, text);
  if (!text) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  reader->config->log.file = text;
  return 0;
}

static int read_size(struct reader *reader, const json_t *value, struct hgl_err *err)
{
  const char *text = json_string_value(value);
  int64_t bytes = 0;
  if (!text || !hgl_config_size(text, &bytes) || bytes < SIZE_LEAST)
    return hgl_fail(err, HGL_INVALID, "expected a size of at least 64KB, as in \"10MB\"");
  reader->config->log.size_max = bytes;
  return 0;
}

static int read_keep(struct reader *reader, const json_t *value, struct hgl_err *err)
{
  json_int_t keep = json_integer_value(value);
  if (!json_is_integer(value) || keep < 0 || keep > HGL_LOG_KEEP_MAX)
    return hgl_fail(err, HGL_INVALID, "expected an integer from 0 to %d", HGL_LOG_KEEP_MAX);
  reader->config->log.keep = keep ? (int)keep : -1;
  return 0;
}

static int read_agents(struct reader *reader, const json_t *table, struct hgl_err *err)
{
  const char *name;
  json_t *value;
  if (!json_is_object(table))
    return hgl_fail(err, HGL_INVALID, "expected a table, as in { kiosk = \"debug\" }");
  json_object_foreach((json_t *)table, name, value)
  {
    if (set_agent(reader->config, name, strlen(name), json_string_value(value), err))
      return hgl_fail_in(err, "%.80s", name);
  }
  return 0;
}

int hgl_config_log(struct hgl_config *config, const json_t *table, const char *folder,
                   struct hgl_err *err)
{
  static const struct {
    const char *key;
    int (*read)(struct reader *reader, const json_t *value, struct hgl_err *err);
  } fields[] = {{"format", read_format}, {"level", read_level}, {"file", read_file},
                {"size", read_size},     {"keep", read_keep},   {"agents", read_agents}};
  enum { FIELDS = sizeof fields / sizeof *fields };
  const char *known[FIELDS + 1] = {0}, *key;
  json_t *value;
  struct reader reader = {config, folder};
  for (size_t i = 0; i < FIELDS; i++) known[i] = fields[i].key;
  if (!json_is_object(table)) return hgl_fail(err, HGL_INVALID, "expected a table with named keys");
  json_object_foreach((json_t *)table, key, value)
  {
    size_t i = 0;
    while (i < FIELDS && strcmp(fields[i].key, key) != 0) i++;
    if (i < FIELDS && fields[i].read(&reader, value, err) == 0) continue;
    if (i < FIELDS) return hgl_fail_in(err, "%s", key);
    const char *nearest = hgl_nearest(hgl_text(key), known);
    return hgl_fail(err, HGL_INVALID, "unknown key %.60s%s%s%s", key,
                    nearest ? "; did you mean " : "", nearest ? nearest : "", nearest ? "?" : "");
  }
  return 0;
}
