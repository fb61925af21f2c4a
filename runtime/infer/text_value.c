/* Requests to language models and what they answer: JSON to the engine, values to the agent. */
#include <stdlib.h>

#include "base/mem.h"
#include "infer/infer_core.h"
#include "protocol/value.h"

static const struct {
  const char *name;
  uint32_t bit;
} tasks[] = {{"chat", HAGGLE_CHAT}, {"complete", HAGGLE_COMPLETE}, {"embed", HAGGLE_EMBED}};
enum { TASK_COUNT = sizeof tasks / sizeof *tasks };

static int fail_task(const struct hgl_infer_model *model, struct hgl_bytes task,
                     struct hgl_err *err)
{
  char can[64] = "";
  for (size_t i = 0; i < TASK_COUNT; i++) {
    if (!(model->tasks & tasks[i].bit)) continue;
    strncat(can, *can ? ", " : "", sizeof can - strlen(can) - 1);
    strncat(can, tasks[i].name, sizeof can - strlen(can) - 1);
  }
  return hgl_fail(err, HGL_INVALID, "the task '%.*s' is none of this model's: %s",
                  (int)(task.size < 40 ? task.size : 40), (const char *)task.data, can);
}

int infer_text_check(const struct hgl_infer_model *model, struct hgl_bytes input,
                     struct hgl_buf *text, struct hgl_err *err)
{
  struct hgl_bytes value, task;
  bool found = false;
  if (!input.size || input.data[0] >> 5 != 5)
    return hgl_fail(err, HGL_INVALID, "a request to a language model is a table with a task");
  int status = hgl_value_field(input, "task", &value, &found, err);
  struct hgl_cbor_reader in = hgl_cbor_reader(value);
  if (status) return status;
  if (!found || hgl_cbor_get_text(&in, "task", SIZE_MAX, &task, err))
    return hgl_fail(err, HGL_INVALID,
                    "the request has no task: \"chat\", \"complete\" or \"embed\"");
  size_t i = 0;
  while (i < TASK_COUNT && !(hgl_bytes_is(task, tasks[i].name) && model->tasks & tasks[i].bit)) i++;
  if (i == TASK_COUNT) return fail_task(model, task, err);
  if (!text) return 0;
  return hgl_json_plain_write(input, 0, text, err);
}

/* Answers -------------------------------------------------------------------------------------- */

static int put_json(const json_t *json, unsigned depth, struct hgl_buf *out, struct hgl_err *err);

struct member {
  struct hgl_bytes key;
  const json_t *value;
};

/* As encoded maps are ordered. */
static int compare_members(const void *a, const void *b)
{
  struct hgl_bytes x = ((const struct member *)a)->key, y = ((const struct member *)b)->key;
  if (x.size != y.size) return x.size < y.size ? -1 : 1;
  return hgl_bytes_compare(x, y);
}

static int put_object(const json_t *json, unsigned depth, struct hgl_buf *out, struct hgl_err *err)
{
  json_t *object = (json_t *)json;
  size_t count = json_object_size(json), i = 0;
  struct member *members = hgl_array(count + 1, sizeof *members);
  if (!members) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  for (void *it = json_object_iter(object); it; it = json_object_iter_next(object, it))
    members[i++] = (struct member){
        hgl_bytes(json_object_iter_key(it), json_object_iter_key_len(it)),
        json_object_iter_value(it)};
  qsort(members, count, sizeof *members, compare_members);
  hgl_cbor_put_map(out, count);
  int status = 0;
  for (i = 0; i < count && !status; i++) {
    hgl_cbor_put_text(out, members[i].key);
    status = put_json(members[i].value, depth + 1, out, err);
  }
  hgl_free(members);
  return status;
}

static int put_list(const json_t *json, unsigned depth, struct hgl_buf *out, struct hgl_err *err)
{
  int status = 0;
  hgl_cbor_put_list(out, json_array_size(json));
  for (size_t i = 0; i < json_array_size(json) && !status; i++)
    status = put_json(json_array_get(json, i), depth + 1, out, err);
  return status;
}

static int put_json(const json_t *json, unsigned depth, struct hgl_buf *out, struct hgl_err *err)
{
  if (depth > HGL_VALUE_DEPTH_MAX)
    return hgl_fail(err, HGL_MALFORMED, "JSON nested more than %d deep", HGL_VALUE_DEPTH_MAX);
  switch (json_typeof(json)) {
  case JSON_OBJECT:
    return put_object(json, depth, out, err);
  case JSON_ARRAY:
    return put_list(json, depth, out, err);
  case JSON_STRING:
    hgl_cbor_put_text(out, hgl_bytes(json_string_value(json), json_string_length(json)));
    return 0;
  case JSON_INTEGER:
    hgl_cbor_put_int(out, json_integer_value(json));
    return 0;
  case JSON_REAL:
    hgl_cbor_put_double(out, json_real_value(json));
    return 0;
  case JSON_TRUE:
  case JSON_FALSE:
    hgl_cbor_put_bool(out, json_is_true(json));
    return 0;
  case JSON_NULL:
    break;
  }
  hgl_cbor_put_null(out);
  return 0;
}

int infer_text_answer(struct hgl_bytes text, struct hgl_buf *out, struct hgl_err *err)
{
  json_t *json = NULL;
  int status = hgl_json_parse(text, HGL_BODY_SIZE_MAX, &json, err);
  if (status == -HGL_NO_MEMORY || status == -HGL_TOO_LARGE) return status;
  if (status)
    return hgl_fail(err, HGL_MALFORMED, "an answer that is no JSON: %.200s", err->message);
  status = json_is_object(json) ? put_json(json, 1, out, err)
                                : hgl_fail(err, HGL_MALFORMED, "an answer that is no JSON object");
  json_decref(json);
  if (!status) status = hgl_buf_check(out, err);
  struct hgl_err why;
  if (!status && hgl_value_check(hgl_buf_bytes(out), &why))
    status = hgl_fail(err, HGL_TOO_LARGE, "its answer: %.200s", why.message);
  return status;
}
