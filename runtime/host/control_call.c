#include "host/control_call.h"

#include "base/buf.h"
#include "protocol/value.h"

/* Answers ------------------------------------------------------------------------------------- */

/* Whoever waits for it knows it by its tag, unless that is what does not fit. */
static void put_too_large(json_t *tag, struct hgl_buf *line)
{
  json_t *why = json_pack("{s:b, s:{s:s, s:s}, s:O*}", "ok", 0, "error", "code",
                          hgl_code_name(HGL_TOO_LARGE), "message",
                          "the answer is longer than a line may be", "id", tag);
  hgl_buf_clear(line);
  if (why && hgl_json_print(why, line, NULL) && !json_object_del(why, "id")) {
    hgl_buf_clear(line);
    if (hgl_json_print(why, line, NULL)) hgl_buf_clear(line);
  }
  json_decref(why);
}

void hgl_control_tell(struct hgl_control_client *client, json_t *answer)
{
  struct hgl_buf line;
  hgl_buf_init(&line, HGL_CONTROL_LINE_SIZE_MAX);
  if (answer && hgl_json_print(answer, &line, NULL) != 0)
    put_too_large(json_object_get(answer, "id"), &line);
  if (line.size && client->way->send(client->link, hgl_buf_bytes(&line), NULL) != 0)
    hgl_buf_clear(&line); /* it hung up, or does not read: the connection is gone */
  hgl_buf_deinit(&line);
  json_decref(answer);
}

/* A message may quote what is no text, or be cut within a character. */
static json_t *error_json(const struct hgl_err *why)
{
  struct hgl_buf message;
  hgl_buf_init(&message, sizeof why->message);
  hgl_utf8_mend(hgl_text(why->message), &message);
  json_t *error = json_pack("{s:b, s:{s:s, s:s%}}", "ok", 0, "error", "code",
                            hgl_code_name(why->code), "message",
                            message.size ? (const char *)message.data : "", message.size);
  hgl_buf_deinit(&message);
  return error;
}

void hgl_control_answer(struct hgl_control_client *client, const json_t *tag, json_t *result,
                        json_t *next, const struct hgl_err *why)
{
  json_t *line = why ? error_json(why) : json_pack("{s:b, s:o?}", "ok", 1, "result", result);
  if (why) json_decref(result);
  if (line && next && !why) json_object_set(line, "next", next);
  if (line && tag) json_object_set(line, "id", (json_t *)tag);
  hgl_control_tell(client, line);
}

/* Arguments ----------------------------------------------------------------------------------- */

int hgl_request_text(const json_t *request, const char *name, const char **out, struct hgl_err *err)
{
  const json_t *value = json_object_get(request, name);
  const char *text = json_string_value(value);
  if (!text || strlen(text) != json_string_length(value))
    return hgl_fail(err, HGL_INVALID, "\"%s\" must be a text", name);
  *out = text;
  return 0;
}

int hgl_request_text_if_any(const json_t *request, const char *name, const char **out,
                            struct hgl_err *err)
{
  *out = NULL;
  return json_object_get(request, name) ? hgl_request_text(request, name, out, err) : 0;
}

int hgl_call_integer(const struct hgl_control_call *call, const char *name, int64_t least,
                     int64_t most, int64_t otherwise, int64_t *out, struct hgl_err *err)
{
  const json_t *value = json_object_get(call->request, name);
  int64_t number = value ? json_integer_value(value) : otherwise;
  if ((value && !json_is_integer(value)) || number < least || number > most)
    return hgl_fail(err, HGL_INVALID, "\"%s\" must be an integer from %lld to %lld", name,
                    (long long)least, (long long)most);
  *out = number;
  return 0;
}

int hgl_call_flag(const struct hgl_control_call *call, const char *name, bool *out,
                  struct hgl_err *err)
{
  const json_t *value = json_object_get(call->request, name);
  if (value && !json_is_boolean(value))
    return hgl_fail(err, HGL_INVALID, "\"%s\" must be true or false", name);
  *out = json_is_true(value);
  return 0;
}
