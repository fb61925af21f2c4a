/* What topics are written with: arguments, and the text of events. */
#include "dashboard/topic.h"

#include <stdio.h>

#include "agent/look.h"
#include "base/mem.h"
#include "protocol/did.h"
#include "protocol/value.h"

int hgl_ask_text(const struct hgl_topic_ask *ask, const char *name, const char **out,
                 struct hgl_err *err)
{
  const json_t *value = json_object_get(ask->arguments, name);
  const char *text = json_string_value(value);
  if (!text || strlen(text) != json_string_length(value))
    return hgl_fail(err, HGL_INVALID, "\"%s\" must be a text", name);
  *out = text;
  return 0;
}

int hgl_ask_text_if_any(const struct hgl_topic_ask *ask, const char *name, const char **out,
                        struct hgl_err *err)
{
  *out = NULL;
  return json_object_get(ask->arguments, name) ? hgl_ask_text(ask, name, out, err) : 0;
}

int hgl_ask_choice(const struct hgl_topic_ask *ask, const char *name, const char *const *known,
                   const char **out, struct hgl_err *err)
{
  const char *text;
  char words[256] = "";
  int status = hgl_ask_text_if_any(ask, name, &text, err);
  *out = NULL;
  if (status || !text || !*text) return status;
  for (; *known; known++) {
    size_t used = strlen(words);
    snprintf(words + used, sizeof words - used, "%s%s", used ? ", " : "", *known);
    if (strcmp(text, *known) != 0) continue;
    *out = *known;
    return 0;
  }
  return hgl_fail(err, HGL_INVALID, "\"%s\" is never \"%.40s\"; known: %s", name, text, words);
}

int hgl_ask_copy(const struct hgl_topic_ask *ask, const char *name, size_t size_max, char **out,
                 struct hgl_err *err)
{
  const char *text;
  int status = hgl_ask_text_if_any(ask, name, &text, err);
  if (status || !text || !*text) return status;
  if (strlen(text) > size_max)
    return hgl_fail(err, HGL_INVALID, "\"%s\" has more than %zu bytes", name, size_max);
  *out = hgl_strndup(text, strlen(text));
  return *out ? 0 : hgl_fail(err, HGL_NO_MEMORY, "out of memory");
}

int hgl_ask_agent(const struct hgl_topic_ask *ask, const char *name, struct hgl_key *out, bool *has,
                  struct hgl_err *err)
{
  struct hgl_agent_figures figures;
  struct hgl_err ignored;
  const char *text;
  int status = hgl_ask_text_if_any(ask, name, &text, err);
  if (status || !text) return status;
  *has = true;
  if (hgl_did_decode(hgl_text(text), out, &ignored) == 0) return 0;
  if (!hgl_host_agent_figures(ask->host, text, &figures) || !figures.has_key)
    return hgl_fail(err, HGL_NOT_FOUND, "there is no agent %.80s here that runs", text);
  *out = figures.key;
  return 0;
}

int hgl_ask_integer(const struct hgl_topic_ask *ask, const char *name, int64_t least, int64_t most,
                    int64_t otherwise, int64_t *out, struct hgl_err *err)
{
  const json_t *value = json_object_get(ask->arguments, name);
  int64_t number = value ? json_integer_value(value) : otherwise;
  if ((value && !json_is_integer(value)) || number < least || number > most)
    return hgl_fail(err, HGL_INVALID, "\"%s\" must be an integer from %lld to %lld", name,
                    (long long)least, (long long)most);
  *out = number;
  return 0;
}

int hgl_ask_flag(const struct hgl_topic_ask *ask, const char *name, bool *out, struct hgl_err *err)
{
  const json_t *value = json_object_get(ask->arguments, name);
  if (value && !json_is_boolean(value))
    return hgl_fail(err, HGL_INVALID, "\"%s\" must be true or false", name);
  *out = json_is_true(value);
  return 0;
}

struct hgl_buf *hgl_event_begin(struct hgl_event *event, const char *name)
{
  event->fields++;
  hgl_buf_append_byte(&event->text, ',');
  hgl_json_put_text(hgl_text(name), &event->text);
  hgl_buf_append_byte(&event->text, ':');
  return &event->text;
}

static void put(struct hgl_event *event, const char *name, const json_t *value)
{
  struct hgl_err err = {0};
  if (!value) hgl_fail(&err, HGL_NO_MEMORY, "out of memory");
  if (value) (void)!hgl_json_print(value, hgl_event_begin(event, name), &err);
  if (err.code && !event->text.failed) event->text.failed = err.code;
}

void hgl_event_put(struct hgl_event *event, const char *name, json_t *value)
{
  put(event, name, value);
  json_decref(value);
}

size_t hgl_event_put_some(struct hgl_event *event, const char *name, const json_t *list,
                          bool latest)
{
  size_t count = json_array_size(list), taken = 0;
  for (size_t size = 0; taken < count; taken++) {
    const json_t *item = json_array_get(list, latest ? count - 1 - taken : taken);
    size += json_dumpb(item, NULL, 0, JSON_COMPACT | JSON_ENCODE_ANY) + 1;
    if (size > HGL_EVENT_LIST_SIZE_MAX) break;
  }
  json_t *some = json_array();
  for (size_t i = 0, first = latest ? count - taken : 0; some && i < taken; i++) {
    if (json_array_append(some, json_array_get(list, first + i)) == 0) continue;
    json_decref(some);
    some = NULL;
  }
  hgl_event_put(event, name, some);
  return count - taken;
}

void hgl_event_put_all(struct hgl_event *event, json_t *object)
{
  const char *name;
  json_t *value;
  if (!object) put(event, "", NULL);
  json_object_foreach(object, name, value) put(event, name, value);
  json_decref(object);
}
