/* Reading a host file's tree: every key is known, of its kind, and within its bounds. */
#include <limits.h>
#include <stdlib.h>

#include "base/duration.h"
#include "base/mem.h"
#include "host/config.h"
#include "host/config_restart.h"
#include "protocol/value.h"

enum { INSTANCES_MAX = HGL_AGENTS_MAX, COUNT_MAX = 1000000000 };

struct reader {
  struct hgl_config *config;
  const char *folder;           /* of the host file, ending in "/" or empty */
  struct hgl_node_agent *agent; /* the one being described */
};

/* One key of a table. `read` gets its value. */
struct field {
  const char *key;
  int (*read)(struct reader *reader, const json_t *value, struct hgl_err *err);
};

enum { FIELDS_MAX = 24, LIMITS_MAX = 32 };

int hgl_config_unknown_key(const char *key, const char *const *known, struct hgl_err *err)
{
  const char *nearest = hgl_nearest(hgl_text(key), known);
  if (nearest)
    return hgl_fail(err, HGL_INVALID, "unknown key %.60s; did you mean %s?", key, nearest);
  char list[400] = "";
  for (size_t i = 0; known[i]; i++) {
    strncat(list, i ? ", " : "", sizeof list - strlen(list) - 1);
    strncat(list, known[i], sizeof list - strlen(list) - 1);
  }
  return hgl_fail(err, HGL_INVALID, "unknown key %.60s; known are %s", key, list);
}

static int fail_unknown_field(const char *key, const struct field *fields, struct hgl_err *err)
{
  const char *known[FIELDS_MAX + 1];
  size_t count = 0;
  for (; fields[count].key && count < FIELDS_MAX; count++) known[count] = fields[count].key;
  known[count] = NULL;
  return hgl_config_unknown_key(key, known, err);
}

static int read_table(struct reader *reader, const json_t *table, const struct field *fields,
                      struct hgl_err *err)
{
  const char *key;
  json_t *value;
  if (!json_is_object(table)) return hgl_fail(err, HGL_INVALID, "expected a table with named keys");
  json_object_foreach((json_t *)table, key, value)
  {
    const struct field *field = fields;
    while (field->key && strcmp(field->key, key) != 0) field++;
    if (!field->key) return fail_unknown_field(key, fields, err);
    if (field->read(reader, value, err)) return hgl_fail_in(err, "%s", key);
  }
  return 0;
}

/* Kinds --------------------------------------------------------------------------------------- */

static int get_text(const json_t *value, const char **out, struct hgl_err *err)
{
  const char *text = json_string_value(value);
  if (!text || !*text || strlen(text) != json_string_length(value))
    return hgl_fail(err, HGL_INVALID, "expected a text");
  *out = text;
  return 0;
}

static int get_path(struct reader *reader, const json_t *value, const char **out,
                    struct hgl_err *err)
{
  const char *text;
  int status = get_text(value, &text, err);
  if (status) return status;
  if (*text != '/') text = hgl_config_keep(reader->config, "%s%s", reader->folder, text);
  if (!text) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  *out = text;
  return 0;
}

static int get_count(const json_t *value, int64_t least, int64_t most, int64_t *out,
                     struct hgl_err *err)
{
  if (!json_is_integer(value) || json_integer_value(value) < least ||
      json_integer_value(value) > most)
    return hgl_fail(err, HGL_INVALID, "expected an integer from %lld to %lld", (long long)least,
                    (long long)most);
  *out = json_integer_value(value);
  return 0;
}

static int get_bool(const json_t *value, bool *out, struct hgl_err *err)
{
  if (!json_is_boolean(value)) return hgl_fail(err, HGL_INVALID, "expected true or false");
  *out = json_boolean_value(value);
  return 0;
}

/* "16MB" (of 1024 × 1024), "512KB", "2GB", or a number of bytes. */
static int get_size(const json_t *value, size_t *out, struct hgl_err *err)
{
  int64_t bytes = json_is_integer(value) ? json_integer_value(value) : 0;
  const char *text = json_string_value(value);
  if (text && !hgl_config_size(text, &bytes)) bytes = 0;
  if (bytes < 1 || bytes > INT64_C(1) << 40)
    return hgl_fail(err, HGL_INVALID, "expected a size, as in \"16MB\"");
  *out = (size_t)bytes;
  return 0;
}

static int each_text(struct reader *reader, const json_t *list,
                     int (*take)(struct reader *reader, const char *text, struct hgl_err *err),
                     struct hgl_err *err)
{
  size_t index;
  json_t *value;
  const char *text;
  if (json_is_object(list) && json_object_size(list) == 0) return 0;
  if (!json_is_array(list)) return hgl_fail(err, HGL_INVALID, "expected a list of texts");
  json_array_foreach(list, index, value)
  {
    int status = get_text(value, &text, err);
    if (status == 0) status = take(reader, text, err);
    if (status) return hgl_fail_in(err, "[%zu]", index + 1);
  }
  return 0;
}

/* Agents -------------------------------------------------------------------------------------- */

static int read_ignored(struct reader *reader, const json_t *value, struct hgl_err *err)
{
  return 0; /* read before the others: the agent is made of it */
}

static int take_grant(struct reader *reader, const char *text, struct hgl_err *err)
{
  return hgl_config_grant(reader->agent, text, err);
}

static int read_allow(struct reader *reader, const json_t *value, struct hgl_err *err)
{
  return each_text(reader, value, take_grant, err);
}

static int read_config(struct reader *reader, const json_t *value, struct hgl_err *err)
{
  struct hgl_buf buf;
  if (!json_is_object(value)) return hgl_fail(err, HGL_INVALID, "expected a table with named keys");
  hgl_buf_init(&buf, HGL_BODY_SIZE_MAX);
  int status = hgl_value_from_json(value, &buf, err);
  if (status == 0) {
    struct hgl_bytes *config = &reader->agent->config;
    config->data = hgl_buf_take(&buf, &config->size);
  }
  hgl_buf_deinit(&buf);
  return status;
}

static int read_delegation(struct reader *reader, const json_t *value, struct hgl_err *err)
{
  return get_path(reader, value, &reader->agent->delegation, err);
}

static int get_duration(const json_t *value, int64_t *out, struct hgl_err *err)
{
  const char *text;
  int64_t ms;
  int status = get_text(value, &text, err);
  if (status == 0) status = hgl_duration_parse(hgl_text(text), &ms, err);
  if (status) return status;
  if (ms < 1) return hgl_fail(err, HGL_INVALID, "at least 1ms");
  *out = ms;
  return 0;
}

static int get_limit(const json_t *value, enum hgl_limit_kind kind, int64_t *out,
                     struct hgl_err *err)
{
  size_t size;
  int status;
  switch (kind) {
  case HGL_LIMIT_DURATION:
    return get_duration(value, out, err);
  case HGL_LIMIT_SIZE:
    if ((status = get_size(value, &size, err))) return status;
    *out = (int64_t)size;
    return 0;
  default:
    return get_count(value, 1, COUNT_MAX, out, err);
  }
}

static int fail_unknown_limit(const char *key, struct hgl_err *err)
{
  const char *known[LIMITS_MAX + 1];
  size_t count = 0;
  for (; count < hgl_limit_count && count < LIMITS_MAX; count++)
    known[count] = hgl_limit_list[count].name;
  known[count] = NULL;
  return hgl_config_unknown_key(key, known, err);
}

static int read_limits(struct reader *reader, const json_t *table, struct hgl_err *err)
{
  const char *key;
  json_t *value;
  if (!json_is_object(table)) return hgl_fail(err, HGL_INVALID, "expected a table with named keys");
  json_object_foreach((json_t *)table, key, value)
  {
    size_t i = 0;
    while (i < hgl_limit_count && strcmp(hgl_limit_list[i].name, key) != 0) i++;
    if (i == hgl_limit_count) return fail_unknown_limit(key, err);
    const struct hgl_limit *limit = &hgl_limit_list[i];
    int64_t *field = hgl_limit_field(&reader->agent->limits, limit);
    if (get_limit(value, limit->kind, field, err)) return hgl_fail_in(err, "%s", key);
  }
  return 0;
}

static int read_restart(struct reader *reader, const json_t *value, struct hgl_err *err)
{
  return hgl_config_restart(value, &reader->agent->restart, err);
}

static int read_group(struct reader *reader, const json_t *value, struct hgl_err *err)
{
  return get_text(value, &reader->agent->group, err);
}

static int read_agent(struct reader *reader, const json_t *table, struct hgl_err *err)
{
  static const struct field fields[] = {{"name", read_ignored},          {"script", read_ignored},
                                        {"count", read_ignored},         {"config", read_config},
                                        {"allow", read_allow},           {"limits", read_limits},
                                        {"delegation", read_delegation}, {"group", read_group},
                                        {"restart", read_restart},       {0}};
  const char *name, *script;
  int64_t count = 0;
  const json_t *count_value = json_object_get(table, "count");
  if (!json_is_object(table)) return hgl_fail(err, HGL_INVALID, "expected a table with named keys");
  if (get_text(json_object_get(table, "name"), &name, err)) return hgl_fail_in(err, "name");
  if (get_path(reader, json_object_get(table, "script"), &script, err))
    return hgl_fail_in(err, "script");
  if (count_value && get_count(count_value, 1, INSTANCES_MAX, &count, err))
    return hgl_fail_in(err, "count");
  if (count && json_object_get(table, "delegation"))
    return hgl_fail(err, HGL_INVALID, "a delegation is for one agent: it cannot stand with count");
  int status = hgl_config_add_agent(reader->config, name, (uint32_t)count, script, &reader->agent,
                                    err);
  return status ? status : read_table(reader, table, fields, err);
}

static int read_agents(struct reader *reader, const json_t *list, struct hgl_err *err)
{
  size_t index;
  json_t *table;
  if (json_is_object(list) && json_object_size(list) == 0) return 0;
  if (!json_is_array(list)) return hgl_fail(err, HGL_INVALID, "expected a list of tables");
  json_array_foreach(list, index, table)
  {
    if (read_agent(reader, table, err)) return hgl_fail_in(err, "[%zu]", index + 1);
  }
  return 0;
}

/* The host ------------------------------------------------------------------------------------ */

static int read_listen(struct reader *reader, const json_t *value, struct hgl_err *err)
{
  const char *text;
  int status = get_text(value, &text, err);
  return status ? status : hgl_config_listen(reader->config, text, err);
}

static int take_join(struct reader *reader, const char *text, struct hgl_err *err)
{
  return hgl_texts_add(&reader->config->node.joins, text, err);
}

static int read_join(struct reader *reader, const json_t *value, struct hgl_err *err)
{
  return each_text(reader, value, take_join, err);
}

static int take_url(struct reader *reader, const char *text, struct hgl_err *err)
{
  return hgl_texts_add(&reader->config->node.urls, text, err);
}

static int read_url(struct reader *reader, const json_t *value, struct hgl_err *err)
{
  return each_text(reader, value, take_url, err);
}

static int read_data(struct reader *reader, const json_t *value, struct hgl_err *err)
{
  return get_path(reader, value, &reader->config->node.data, err);
}

static int read_certificate(struct reader *reader, const json_t *value, struct hgl_err *err)
{
  return get_path(reader, value, &reader->config->node.certificate, err);
}

static int read_key(struct reader *reader, const json_t *value, struct hgl_err *err)
{
  return get_path(reader, value, &reader->config->node.certificate_key, err);
}

static int read_self_signed(struct reader *reader, const json_t *value, struct hgl_err *err)
{
  return get_bool(value, &reader->config->node.self_signed, err);
}

static int read_tls(struct reader *reader, const json_t *value, struct hgl_err *err)
{
  static const struct field fields[] = {
      {"certificate", read_certificate}, {"key", read_key}, {"self_signed", read_self_signed}, {0}};
  const struct hgl_node_config *node = &reader->config->node;
  int status = read_table(reader, value, fields, err);
  if (status) return status;
  if (!node->certificate != !node->certificate_key || (node->self_signed && node->certificate))
    return hgl_fail(err, HGL_INVALID, "give certificate and key, or self_signed = true");
  return 0;
}

static int read_trust(struct reader *reader, const json_t *value, struct hgl_err *err)
{
  return get_path(reader, value, &reader->config->node.trust, err);
}

static int read_allow_private(struct reader *reader, const json_t *value, struct hgl_err *err)
{
  return get_bool(value, &reader->config->node.allow_private, err);
}

static int read_durability(struct reader *reader, const json_t *value, struct hgl_err *err)
{
  const char *text;
  int status = get_text(value, &text, err);
  return status ? status : hgl_config_durability(reader->config, text, err);
}

static int read_groups(struct reader *reader, const json_t *value, struct hgl_err *err)
{
  return hgl_config_groups(reader->config, value, err);
}

static int read_grace(struct reader *reader, const json_t *value, struct hgl_err *err)
{
  const char *text;
  int status = get_text(value, &text, err);
  return status ? status : hgl_config_grace(reader->config, text, err);
}

static int read_journal_size(struct reader *reader, const json_t *value, struct hgl_err *err)
{
  const char *text;
  int status = get_text(value, &text, err);
  return status ? status : hgl_config_journal_size(reader->config, text, err);
}

static int read_journal_age(struct reader *reader, const json_t *value, struct hgl_err *err)
{
  const char *text;
  int status = get_text(value, &text, err);
  return status ? status : hgl_config_journal_age(reader->config, text, err);
}

static int read_journal(struct reader *reader, const json_t *value, struct hgl_err *err)
{
  static const struct field fields[] = {
      {"size", read_journal_size}, {"age", read_journal_age}, {0}};
  return read_table(reader, value, fields, err);
}

static int read_disk_reserve(struct reader *reader, const json_t *value, struct hgl_err *err)
{
  const char *text;
  int status = get_text(value, &text, err);
  return status ? status : hgl_config_disk_reserve(reader->config, text, err);
}

static int read_hibernate_after(struct reader *reader, const json_t *value, struct hgl_err *err)
{
  const char *text;
  int status = get_text(value, &text, err);
  return status ? status : hgl_config_hibernate_after(reader->config, text, err);
}

static int read_hibernate_above(struct reader *reader, const json_t *value, struct hgl_err *err)
{
  const char *text;
  int status = get_text(value, &text, err);
  return status ? status : hgl_config_hibernate_above(reader->config, text, err);
}

static int read_hibernate(struct reader *reader, const json_t *value, struct hgl_err *err)
{
  static const struct field fields[] = {
      {"after", read_hibernate_after}, {"above", read_hibernate_above}, {0}};
  return read_table(reader, value, fields, err);
}

static int read_log(struct reader *reader, const json_t *value, struct hgl_err *err)
{
  return hgl_config_log(reader->config, value, reader->folder, err);
}

/* A file's path is relative to the host file's folder. */
static int read_secrets(struct reader *reader, const json_t *table, struct hgl_err *err)
{
  const char *name, *source;
  json_t *value;
  if (!json_is_object(table)) return hgl_fail(err, HGL_INVALID, "expected a table with named keys");
  json_object_foreach((json_t *)table, name, value)
  {
    if (get_text(value, &source, err)) return hgl_fail_in(err, "%s", name);
    bool relative = strncmp(source, "file:", 5) == 0 && source[5] != '/';
    const char *text = hgl_config_keep(reader->config, "%s=%s%s%s", name, relative ? "file:" : "",
                                       relative ? reader->folder : "",
                                       relative ? source + 5 : source);
    if (!text) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
    int status = hgl_config_secret(reader->config, text, err);
    if (status) return status;
  }
  return 0;
}

static int read_models(struct reader *reader, const json_t *table, struct hgl_err *err)
{
  return hgl_config_models(reader->config, table, reader->folder, err);
}

int hgl_config_apply(struct hgl_config *config, const json_t *tree, const char *folder,
                     struct hgl_err *err)
{
  static const struct field fields[] = {{"listen", read_listen},
                                        {"join", read_join},
                                        {"url", read_url},
                                        {"data", read_data},
                                        {"tls", read_tls},
                                        {"trust", read_trust},
                                        {"agents", read_agents},
                                        {"allow_private", read_allow_private},
                                        {"durability", read_durability},
                                        {"groups", read_groups},
                                        {"grace", read_grace},
                                        {"journal", read_journal},
                                        {"disk_reserve", read_disk_reserve},
                                        {"hibernate", read_hibernate},
                                        {"log", read_log},
                                        {"secrets", read_secrets},
                                        {"models", read_models},
                                        {0}};
  struct reader reader = {config, folder, NULL};
  return read_table(&reader, tree, fields, err);
}
