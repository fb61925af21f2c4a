#include "host/chat_words.h"

#include <ctype.h>
#include <stdlib.h>

#include "host/text.h"
#include "protocol/limits.h"
#include "protocol/value.h"

/* ---- what may be said ---- */

static const json_t *message_of(const json_t *definition, const char *performative)
{
  const json_t *messages = json_object_get(definition, "messages");
  return performative ? json_object_get(messages, performative) : NULL;
}

json_t *hgl_chat_sayable(const struct hgl_chat_state *state)
{
  const char *performative;
  json_t *message, *list;
  if (!state->definition) return NULL;
  if (state->last) {
    const json_t *last = message_of(state->definition, state->last);
    list = json_object_get(last, state->last_was_ours ? "follows" : "replies");
    return list ? json_copy(list) : json_array();
  }
  list = json_array();
  json_object_foreach(json_object_get(state->definition, "messages"), performative, message)
  {
    if (json_is_true(json_object_get(message, "opening")))
      json_array_append_new(list, json_string(performative));
  }
  return list;
}

bool hgl_chat_is_over(const struct hgl_chat_state *state)
{
  const json_t *last = message_of(state->definition, state->last);
  return last && !json_array_size(json_object_get(last, "replies")) &&
         !json_array_size(json_object_get(last, "follows"));
}

const json_t *hgl_chat_fields(const json_t *definition, const char *performative)
{
  const json_t *body = json_object_get(message_of(definition, performative), "body");
  return json_is_object(body) ? body : NULL;
}

static bool is_optional(const json_t *rule)
{
  return json_is_true(json_object_get(rule, "optional"));
}

void hgl_chat_describe(const json_t *definition, const char *performative, struct hgl_buf *out)
{
  const json_t *fields = hgl_chat_fields(definition, performative);
  const char *name, *between = "";
  json_t *rule;
  if (!fields) hgl_buf_append_text(out, "anything");
  json_object_foreach((json_t *)fields, name, rule)
  {
    const char *type = json_string_value(json_object_get(rule, "type"));
    hgl_buf_printf(out, "%s%s: %s%s", between, name, type ? type : "any",
                   is_optional(rule) ? "?" : "");
    between = ", ";
  }
}

void hgl_chat_prompt(const char *field, const json_t *rule, struct hgl_buf *out)
{
  const char *type = json_string_value(json_object_get(rule, "type"));
  hgl_buf_append_text(out, "  ");
  hgl_escape(hgl_text(field), out); /* a script may name it as it likes */
  hgl_buf_printf(out, " (%s%s): ", type ? type : "any", is_optional(rule) ? ", or nothing" : "");
}

/* ---- values ---- */

static int parse_json(const char *field, struct hgl_bytes text, json_t **out, struct hgl_err *err)
{
  int status = hgl_json_parse(text, HGL_BODY_SIZE_MAX, out, err);
  return status ? hgl_fail_in(err, "%s", field) : 0;
}

static int parse_number(const char *field, struct hgl_bytes text, bool whole, json_t **out,
                        struct hgl_err *err)
{
  int status = parse_json(field, text, out, err);
  if (!status && (whole ? json_is_integer(*out) : json_is_number(*out))) return 0;
  if (!status) json_decref(*out);
  return hgl_fail(err, HGL_INVALID, "%s: expected %s, not %.*s", field,
                  whole ? "an integer" : "a number", HGL_STR(text));
}

static int parse_boolean(const char *field, struct hgl_bytes text, json_t **out,
                         struct hgl_err *err)
{
  bool yes = hgl_bytes_is(text, "true") || hgl_bytes_is(text, "yes");
  if (!yes && !hgl_bytes_is(text, "false") && !hgl_bytes_is(text, "no"))
    return hgl_fail(err, HGL_INVALID, "%s: expected true or false, not %.*s", field, HGL_STR(text));
  *out = json_boolean(yes);
  return 0;
}

static int make_text(const char *field, struct hgl_bytes text, json_t **out, struct hgl_err *err)
{
  *out = json_stringn((const char *)text.data, text.size);
  return *out ? 0 : hgl_fail(err, HGL_INVALID, "%s: not UTF-8", field);
}

int hgl_chat_value(const json_t *rule, const char *field, struct hgl_bytes text, json_t **out,
                   struct hgl_err *err)
{
  const char *type = json_string_value(json_object_get(rule, "type"));
  struct hgl_err ignored;
  if (type && (strcmp(type, "string") == 0 || strcmp(type, "did") == 0))
    return make_text(field, text, out, err);
  if (type && strcmp(type, "integer") == 0) return parse_number(field, text, true, out, err);
  if (type && strcmp(type, "number") == 0) return parse_number(field, text, false, out, err);
  if (type && strcmp(type, "boolean") == 0) return parse_boolean(field, text, out, err);
  if (type && strcmp(type, "any") != 0) return parse_json(field, text, out, err);
  return parse_json(field, text, out, &ignored) == 0 ? 0 : make_text(field, text, out, err);
}

/* ---- lines ---- */

static const char *skip_spaces(const char *at)
{
  while (isspace((unsigned char)*at)) at++;
  return at;
}

/* A word, or a text in quotes with \" and \\ in it. */
static int take_text(const char **at, struct hgl_buf *out, struct hgl_err *err)
{
  const char *text = *at;
  if (*text != '"') {
    size_t size = strcspn(text, " \t");
    hgl_buf_append(out, text, size);
    *at = text + size;
    return hgl_buf_check(out, err);
  }
  for (text++; *text && *text != '"'; text++) {
    if (*text == '\\' && (text[1] == '"' || text[1] == '\\')) text++;
    hgl_buf_append_byte(out, (uint8_t)*text);
  }
  if (!*text) return hgl_fail(err, HGL_INVALID, "a quote is not closed");
  *at = text + 1;
  return hgl_buf_check(out, err);
}

static int fail_field(const json_t *fields, const char *name, struct hgl_err *err)
{
  struct hgl_buf known;
  const char *there, *between = "";
  json_t *rule;
  hgl_buf_init(&known, sizeof err->message);
  json_object_foreach((json_t *)fields, there, rule)
  {
    hgl_buf_printf(&known, "%s%s", between, there);
    between = ", ";
  }
  int status = hgl_fail(err, HGL_INVALID, "there is no field '%s'; there are: %.*s", name,
                        HGL_STR(hgl_buf_bytes(&known)));
  hgl_buf_deinit(&known);
  return status;
}

/* NAME=VALUE. A field that the message has not is an error that names those that it has. */
static int take_field(const json_t *fields, const char **at, json_t *body, struct hgl_err *err)
{
  char name[HGL_NAME_SIZE_MAX + 1];
  size_t size = strcspn(*at, "= \t");
  if ((*at)[size] != '=' || !size || size >= sizeof name)
    return hgl_fail(err, HGL_INVALID, "expected NAME=VALUE, or the body as JSON, at: %.40s", *at);
  memcpy(name, *at, size);
  name[size] = 0;
  *at += size + 1;
  const json_t *rule = fields ? json_object_get(fields, name) : NULL;
  if (fields && !rule) return fail_field(fields, name, err);
  struct hgl_buf text;
  json_t *value = NULL;
  hgl_buf_init(&text, HGL_BODY_SIZE_MAX);
  int status = take_text(at, &text, err);
  if (!status) status = hgl_chat_value(rule, name, hgl_buf_bytes(&text), &value, err);
  hgl_buf_deinit(&text);
  if (!status && json_object_set_new(body, name, value))
    status = hgl_fail(err, HGL_INVALID, "the field's name is not UTF-8");
  return status;
}

int hgl_chat_parse(const json_t *definition, const char *line, struct hgl_buf *performative,
                   json_t **body, struct hgl_err *err)
{
  const char *at = skip_spaces(line);
  size_t size = strcspn(at, " \t");
  json_t *object = NULL;
  hgl_buf_append(performative, at, size);
  hgl_buf_append_byte(performative, 0);
  int status = hgl_buf_check(performative, err);
  if (status) return status;
  at = skip_spaces(at + size);
  if (*at == '{' || *at == '[') {
    status = hgl_json_parse(hgl_text(at), HGL_BODY_SIZE_MAX, &object, err);
    if (status) return hgl_fail_in(err, "the body");
    *body = object;
    return 0;
  }
  const json_t *fields = hgl_chat_fields(definition, (const char *)performative->data);
  object = json_object();
  if (!object) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  while (*at && !status) {
    status = take_field(fields, &at, object, err);
    at = skip_spaces(at);
  }
  if (status)
    json_decref(object);
  else
    *body = object;
  return status;
}
