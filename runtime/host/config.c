#include "host/config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/duration.h"
#include "base/mem.h"
#include "host/config_lua.h"
#include "host/config_restart.h"
#include "host/file.h"

enum { FILE_SIZE_MAX = 1 << 20, JOURNAL_SIZE_LEAST = 1 << 20, JOURNAL_AGE_LEAST_MS = 60000 };

void hgl_config_init(struct hgl_config *config)
{
  *config = (struct hgl_config){.log = {.level = HGL_LOG_INFO, .clock = &hgl_clock_system}};
  hgl_map_init(&config->families, hgl_random_u64(&hgl_random_system),
               hgl_random_u64(&hgl_random_system));
}

void hgl_config_deinit(struct hgl_config *config)
{
  for (size_t i = 0; i < config->node.agent_count; i++) {
    hgl_texts_deinit(&config->agents[i].grants);
    hgl_free((void *)config->agents[i].config.data);
  }
  struct hgl_map_slot *slot;
  for (size_t i = 0; (slot = hgl_map_next(&config->families, &i));) hgl_free(slot->value);
  hgl_map_deinit(&config->families);
  hgl_free(config->agents);
  hgl_free(config->groups);
  hgl_config_models_deinit(config);
  hgl_texts_deinit(&config->node.urls);
  hgl_texts_deinit(&config->node.joins);
  json_decref(config->log_agents);
  hgl_texts_deinit(&config->node.secrets);
  json_decref(config->tree);
  json_decref(config->kept);
  hgl_config_init(config);
}

const char *hgl_config_keep(struct hgl_config *config, const char *format, ...)
{
  if (!config->kept) config->kept = json_array();
  va_list args;
  va_start(args, format);
  json_t *text = json_vsprintf(format, args);
  va_end(args);
  return json_array_append_new(config->kept, text) ? NULL : json_string_value(text);
}

/* Other settings ------------------------------------------------------------------------------ */

int hgl_config_listen(struct hgl_config *config, const char *text, struct hgl_err *err)
{
  const char *colon = strrchr(text, ':');
  char *end = NULL;
  long port = colon && colon[1] >= '0' && colon[1] <= '9' ? strtol(colon + 1, &end, 10) : -1;
  if (port < 0 || port > 65535 || *end)
    return hgl_fail(err, HGL_INVALID,
                    "an address to listen on is ADDRESS:PORT, as in 127.0.0.1:7001 (port 0: any "
                    "free one); not \"%s\"",
                    text);
  size_t size = (size_t)(colon - text);
  bool bracketed = size >= 2 && text[0] == '[' && text[size - 1] == ']';
  const char *address = size == 0 ? "0.0.0.0"
                                  : hgl_config_keep(config, "%.*s", (int)size - 2 * bracketed,
                                                    text + bracketed);
  if (!address) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  config->node.listen_address = address;
  config->node.listen_port = (int)port;
  return 0;
}

int hgl_config_durability(struct hgl_config *config, const char *text, struct hgl_err *err)
{
  static const char relaxed[] = "relaxed ";
  int64_t every_ms = 0;
  if (strncmp(text, relaxed, sizeof relaxed - 1) == 0) {
    int status = hgl_duration_parse(hgl_text(text + sizeof relaxed - 1), &every_ms, err);
    if (status) return hgl_fail_in(err, "durability");
    if (every_ms < 1 || every_ms > 10000)
      return hgl_fail(err, HGL_INVALID, "durability: relaxed commits every 1ms to 10s, not %s",
                      text + sizeof relaxed - 1);
  } else if (strcmp(text, "strict") != 0) {
    return hgl_fail(err, HGL_INVALID, "durability is \"strict\" or \"relaxed 50ms\", not \"%s\"",
                    text);
  }
  config->node.commit_every_ms = every_ms;
  return 0;
}

int hgl_config_grace(struct hgl_config *config, const char *text, struct hgl_err *err)
{
  int64_t ms;
  int status = hgl_duration_parse(hgl_text(text), &ms, err);
  if (status) return status;
  if (ms < 1 || ms > HGL_GRACE_MS_MAX)
    return hgl_fail(err, HGL_INVALID, "a grace time is 1ms to 1h, not \"%s\"", text);
  config->node.grace_ms = ms;
  return 0;
}

bool hgl_config_size(const char *text, int64_t *bytes)
{
  static const struct {
    const char *unit;
    int shift;
  } units[] = {{"KB", 10}, {"MB", 20}, {"GB", 30}};
  if (*text < '0' || *text > '9') return false;
  char *unit;
  long long number = strtoll(text, &unit, 10);
  for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
    if (strcmp(unit, units[i].unit) != 0 || number > (1 << 20)) continue;
    *bytes = number << units[i].shift;
    return *bytes <= INT64_C(1) << 40;
  }
  return false;
}

int hgl_config_journal_size(struct hgl_config *config, const char *text, struct hgl_err *err)
{
  int64_t bytes = 0;
  if (!hgl_config_size(text, &bytes) || bytes < JOURNAL_SIZE_LEAST)
    return hgl_fail(err, HGL_INVALID,
                    "the journal's size is at least 1MB, as in \"256MB\", not \"%.40s\"", text);
  config->node.journal_bytes = bytes;
  return 0;
}

int hgl_config_journal_age(struct hgl_config *config, const char *text, struct hgl_err *err)
{
  int64_t age_ms;
  int status = hgl_duration_parse(hgl_text(text), &age_ms, err);
  if (status) return hgl_fail_in(err, "the journal's age");
  if (age_ms < JOURNAL_AGE_LEAST_MS)
    return hgl_fail(err, HGL_INVALID, "the journal's age is at least 1m, not %.40s", text);
  config->node.journal_age_ms = age_ms;
  return 0;
}

int hgl_config_disk_reserve(struct hgl_config *config, const char *text, struct hgl_err *err)
{
  int64_t bytes = 0;
  if (strcmp(text, "0") != 0 && !hgl_config_size(text, &bytes))
    return hgl_fail(err, HGL_INVALID,
                    "the reserve of the disk is a size, as in \"64MB\", or \"0\", not \"%.40s\"",
                    text);
  config->node.disk_reserve = bytes ? bytes : -1;
  return 0;
}

int hgl_config_hibernate_after(struct hgl_config *config, const char *text, struct hgl_err *err)
{
  int64_t after_ms = -1;
  int status = strcmp(text, "never") == 0 ? 0 : hgl_duration_parse(hgl_text(text), &after_ms, err);
  if (status) return hgl_fail_in(err, "when agents hibernate (or \"never\")");
  if (!after_ms) return hgl_fail(err, HGL_INVALID, "agents hibernate after 1ms at the earliest");
  config->node.hibernate_ms = after_ms;
  return 0;
}

int hgl_config_hibernate_above(struct hgl_config *config, const char *text, struct hgl_err *err)
{
  int64_t bytes = -1;
  if (strcmp(text, "never") != 0 && !hgl_config_size(text, &bytes))
    return hgl_fail(err, HGL_INVALID,
                    "the memory above which agents hibernate is a size, as in \"1GB\", or "
                    "\"never\", not \"%.40s\"",
                    text);
  config->node.lua_bytes = bytes;
  return 0;
}

int hgl_config_secret(struct hgl_config *config, const char *text, struct hgl_err *err)
{
  return hgl_texts_add(&config->node.secrets, text, err);
}

int hgl_config_read(struct hgl_config *config, const char *path, struct hgl_err *err)
{
  struct hgl_buf source;
  hgl_buf_init(&source, FILE_SIZE_MAX);
  int status = hgl_file_read(path, FILE_SIZE_MAX, &source, err);
  if (status == 0) status = hgl_config_lua(hgl_buf_bytes(&source), path, &config->tree, err);
  hgl_buf_deinit(&source);
  if (status) return status;
  const char *slash = strrchr(path, '/');
  const char *folder = slash ? hgl_config_keep(config, "%.*s", (int)(slash - path) + 1, path) : "";
  if (!folder) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  status = hgl_config_apply(config, config->tree, folder, err);
  if (status == 0) status = hgl_config_check_groups(config, err);
  return status ? hgl_fail_in(err, "%s", path) : 0;
}
