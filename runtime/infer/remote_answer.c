/* What a server answers, whole or piece by piece, becomes an answer as PLUGINS.md has it. Servers
 * are strangers: everything has a bound, and what is missing is missed. */
#include <ctype.h>
#include <math.h>
#include <stdio.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "infer/remote_internal.h"
#include "protocol/value.h"

enum { TOKENS_MOST = 1 << 30, REFUSAL_SIZE_MAX = 64 << 10 };

void remote_answer_init(struct remote_answer *answer)
{
  *answer = (struct remote_answer){0};
  hgl_buf_init(&answer->bytes, REMOTE_ANSWER_SIZE_MAX);
  hgl_buf_init(&answer->text, REMOTE_ANSWER_SIZE_MAX);
}

void remote_answer_deinit(struct remote_answer *answer)
{
  hgl_buf_deinit(&answer->bytes);
  hgl_buf_deinit(&answer->text);
  for (size_t i = 0; i < answer->tool_count; i++) {
    hgl_buf_deinit(&answer->tools[i].id);
    hgl_buf_deinit(&answer->tools[i].name);
    hgl_buf_deinit(&answer->tools[i].arguments);
  }
  hgl_free(answer->tools);
  answer->tools = NULL;
  answer->tool_count = 0;
}

static int malformed(struct hgl_err *err, const char *what)
{
  return hgl_fail(err, HGL_MALFORMED, "the server's answer is none: %s", what);
}

static struct hgl_bytes text_of(const json_t *json)
{
  return hgl_bytes(json_string_value(json), json_string_length(json));
}

/* Parts -----------------------------------------------------------------------------------------
 */

static int64_t read_count(const json_t *usage, const char *key)
{
  json_int_t count = json_integer_value(json_object_get(usage, key));
  return count < 0 ? 0 : count > TOKENS_MOST ? TOKENS_MOST : count;
}

static void read_usage(struct remote_answer *answer, const json_t *usage)
{
  if (!json_is_object(usage)) return;
  struct remote_usage *to = &answer->usage;
  to->told = true;
  to->prompt = read_count(usage, "prompt_tokens");
  to->completion = read_count(usage, "completion_tokens");
  to->reused = read_count(json_object_get(usage, "prompt_tokens_details"), "cached_tokens");
  if (to->reused > to->prompt) to->reused = to->prompt;
}

static struct remote_tool_call *tool_at(struct remote_answer *answer, size_t index,
                                        struct hgl_err *err)
{
  if (index >= REMOTE_TOOLS_MAX) {
    (void)malformed(err, "it calls more tools at once than can be");
    return NULL;
  }
  if (!answer->tools) answer->tools = hgl_array(REMOTE_TOOLS_MAX, sizeof *answer->tools);
  if (!answer->tools) {
    (void)hgl_fail(err, HGL_NO_MEMORY, "out of memory");
    return NULL;
  }
  for (; answer->tool_count <= index; answer->tool_count++) {
    struct remote_tool_call *call = &answer->tools[answer->tool_count];
    hgl_buf_init(&call->id, 256);
    hgl_buf_init(&call->name, 256);
    hgl_buf_init(&call->arguments, REMOTE_REQUEST_SIZE_MAX);
  }
  return &answer->tools[index];
}

/* Whole calls and pieces of calls look alike; of the latter the name comes once, the rest is
 * appended. */
static int read_tool_calls(struct remote_answer *answer, const json_t *calls, struct hgl_err *err)
{
  for (size_t i = 0; i < json_array_size(calls); i++) {
    const json_t *call = json_array_get(calls, i), *function = json_object_get(call, "function");
    const json_t *index = json_object_get(call, "index");
    size_t at = json_is_integer(index) ? (size_t)json_integer_value(index) : i;
    struct remote_tool_call *to = tool_at(answer, at, err);
    if (!to) return -(int)err->code;
    if (to->id.size == 0) hgl_buf_append_bytes(&to->id, text_of(json_object_get(call, "id")));
    if (to->name.size == 0)
      hgl_buf_append_bytes(&to->name, text_of(json_object_get(function, "name")));
    const json_t *arguments = json_object_get(function, "arguments");
    if (json_is_object(arguments)) { /* some servers give the object itself */
      int status = hgl_json_print(arguments, &to->arguments, err);
      if (status) return status;
    } else
      hgl_buf_append_bytes(&to->arguments, text_of(arguments));
    if (hgl_buf_check(&to->id, err) || hgl_buf_check(&to->name, err) ||
        hgl_buf_check(&to->arguments, err))
      return -(int)err->code;
  }
  return 0;
}

static int add_text(struct remote_answer *answer, const json_t *content, struct hgl_err *err)
{
  struct hgl_bytes text = text_of(content);
  if (text.size == 0) return 0;
  hgl_buf_append_bytes(&answer->text, text);
  if (answer->piece) answer->piece(answer->user, text);
  return hgl_buf_check(&answer->text, err);
}

/* Of a whole answer (message, text) or of a piece (delta, text). */
static int read_choice(struct remote_answer *answer, const json_t *json, struct hgl_err *err)
{
  const json_t *choice = json_array_get(json_object_get(json, "choices"), 0);
  const json_t *said = json_object_get(choice, answer->events ? "delta" : "message");
  const json_t *finish = json_object_get(choice, "finish_reason");
  if (!choice) /* a piece may be the usage alone */
    return answer->events ? 0 : malformed(err, "it has no choices");
  int status = add_text(
      answer, said ? json_object_get(said, "content") : json_object_get(choice, "text"), err);
  if (status == 0) status = read_tool_calls(answer, json_object_get(said, "tool_calls"), err);
  if (json_is_string(finish)) {
    snprintf(answer->finish, sizeof answer->finish, "%s", json_string_value(finish));
    if (!answer->events) answer->complete = true;
  }
  return status;
}

/* Some begin to answer and then say that they failed. */
static int check_error(const json_t *json, struct hgl_bytes text, struct hgl_err *err)
{
  char words[256], kind[64];
  const json_t *error = json_object_get(json, "error");
  if (!error || json_is_null(error)) return 0;
  remote_answer_error(text, words, sizeof words, kind, sizeof kind);
  return hgl_fail(err, HGL_CLOSED, "the server failed while it answered: %s", words);
}

static int read_part(struct remote_answer *answer, struct hgl_bytes text, struct hgl_err *err)
{
  json_t *json = NULL;
  struct hgl_err why = {0};
  int status = hgl_json_parse(text, REMOTE_ANSWER_SIZE_MAX, &json, &why);
  if (status == -HGL_NO_MEMORY) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  if (status) return malformed(err, why.message);
  status = json_is_object(json) ? check_error(json, text, err) : malformed(err, "it is no object");
  if (status == 0) status = read_choice(answer, json, err);
  if (status == 0) read_usage(answer, json_object_get(json, "usage"));
  json_decref(json);
  return status;
}

/* Events ----------------------------------------------------------------------------------------
 */

/* A line of a stream: only "data:" says something. */
static int read_line(struct remote_answer *answer, struct hgl_bytes line, struct hgl_err *err)
{
  if (line.size && line.data[line.size - 1] == '\r') line.size--;
  if (line.size < 5 || memcmp(line.data, "data:", 5) != 0 || answer->complete) return 0;
  line = hgl_bytes(line.data + 5, line.size - 5);
  while (line.size && *line.data == ' ') line = hgl_bytes(line.data + 1, line.size - 1);
  if (line.size == 0) return 0;
  if (!hgl_bytes_is(line, "[DONE]")) return read_part(answer, line, err);
  answer->complete = true;
  return 0;
}

int remote_answer_add(struct remote_answer *answer, struct hgl_bytes bytes, struct hgl_err *err)
{
  int status = 0;
  while (answer->events && bytes.size && status == 0) {
    const uint8_t *end = memchr(bytes.data, '\n', bytes.size);
    if (!end) break;
    size_t size = (size_t)(end - bytes.data);
    hgl_buf_append(&answer->bytes, bytes.data, size);
    bytes = hgl_bytes(end + 1, bytes.size - size - 1);
    status = hgl_buf_check(&answer->bytes, err);
    if (status == 0) status = read_line(answer, hgl_buf_bytes(&answer->bytes), err);
    hgl_buf_clear(&answer->bytes);
  }
  if (status) return status;
  hgl_buf_append_bytes(&answer->bytes, bytes);
  return hgl_buf_check(&answer->bytes, err);
}

/* The answer ------------------------------------------------------------------------------------
 */

static void put_usage(const struct remote_answer *answer, struct hgl_buf *out)
{
  hgl_buf_printf(out, "\"usage\":{\"prompt\":%lld,\"reused\":%lld,\"completion\":%lld}",
                 (long long)answer->usage.prompt, (long long)answer->usage.reused,
                 (long long)answer->usage.completion);
}

static int put_tool_call(const struct remote_tool_call *call, size_t index, struct hgl_buf *out,
                         struct hgl_err *err)
{
  json_t *arguments = NULL;
  struct hgl_err why = {0};
  struct hgl_bytes text = hgl_buf_bytes(&call->arguments);
  if (text.size == 0) text = hgl_text("{}");
  if (call->name.size == 0) return malformed(err, "a call of a tool without its name");
  int status = hgl_json_parse(text, REMOTE_REQUEST_SIZE_MAX, &arguments, &why);
  bool good = status == 0 && json_is_object(arguments);
  json_decref(arguments);
  if (status == -HGL_NO_MEMORY) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  if (!good)
    return hgl_fail(err, HGL_MALFORMED,
                    "the model called the tool %.*s with arguments that are no JSON object",
                    HGL_STR(hgl_buf_bytes(&call->name)));
  hgl_buf_append_text(out, index ? ",{\"id\":" : "{\"id\":");
  if (call->id.size)
    hgl_json_put_text(hgl_buf_bytes(&call->id), out);
  else
    hgl_buf_printf(out, "\"call_%zu\"", index + 1);
  hgl_buf_append_text(out, ",\"name\":");
  hgl_json_put_text(hgl_buf_bytes(&call->name), out);
  hgl_buf_append_text(out, ",\"arguments\":");
  hgl_buf_append_bytes(out, text);
  hgl_buf_append_byte(out, '}');
  return 0;
}

static int check_finish(const struct remote_answer *answer, const struct remote_question *question,
                        struct hgl_err *err)
{
  json_t *json = NULL;
  struct hgl_err why = {0};
  if (strcmp(answer->finish, "content_filter") == 0)
    return hgl_fail(err, HGL_DENIED, "the server's filter withholds the answer");
  if (!answer->complete && !*answer->finish)
    return hgl_fail(err, HGL_CLOSED, "the connection ended before the answer did");
  if (!question->wants_json || answer->tool_count || strcmp(answer->finish, "length") == 0)
    return 0;
  int status = hgl_json_parse(hgl_buf_bytes(&answer->text), REMOTE_ANSWER_SIZE_MAX, &json, &why);
  json_decref(json);
  if (status == -HGL_NO_MEMORY) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  if (status)
    return hgl_fail(err, HGL_MALFORMED,
                    "the answer is no JSON, though a schema was given (%s): does the server know "
                    "the form of it? The option schema says openai, llama or none",
                    why.message);
  return 0;
}

static int end_text(struct remote_answer *answer, const struct remote_question *question,
                    struct hgl_buf *out, struct hgl_err *err)
{
  int status = check_finish(answer, question, err);
  if (status) return status;
  const char *finish = answer->tool_count                      ? "tool_calls"
                       : strcmp(answer->finish, "length") == 0 ? "length"
                                                               : "stop";
  hgl_buf_append_text(out, "{\"text\":");
  hgl_json_put_text(hgl_buf_bytes(&answer->text), out);
  hgl_buf_printf(out, ",\"finish\":\"%s\",\"tool_calls\":[", finish);
  for (size_t i = 0; i < answer->tool_count && status == 0; i++)
    status = put_tool_call(&answer->tools[i], i, out, err);
  hgl_buf_append_text(out, "],");
  put_usage(answer, out);
  hgl_buf_append_byte(out, '}');
  return status ? status : hgl_buf_check(out, err);
}

/* Of length 1, whatever the server makes. */
static int put_vector(const json_t *vector, struct hgl_buf *out, struct hgl_err *err)
{
  double sum = 0;
  size_t count = json_array_size(vector);
  for (size_t i = 0; i < count; i++) {
    const json_t *number = json_array_get(vector, i);
    if (!json_is_number(number)) return malformed(err, "an embedding holds what is no number");
    sum += json_number_value(number) * json_number_value(number);
  }
  if (count == 0 || !isfinite(sum) || sum <= 0)
    return malformed(err, "an embedding without a direction");
  hgl_buf_append_byte(out, '[');
  for (size_t i = 0; i < count; i++) {
    if (i) hgl_buf_append_byte(out, ',');
    hgl_json_put_double(json_number_value(json_array_get(vector, i)) / sqrt(sum), out);
  }
  hgl_buf_append_byte(out, ']');
  return hgl_buf_check(out, err);
}

static const json_t *vector_of(const json_t *data, size_t wanted)
{
  for (size_t i = 0; i < json_array_size(data); i++) {
    const json_t *item = json_array_get(data, i), *index = json_object_get(item, "index");
    if (index ? (size_t)json_integer_value(index) == wanted : i == wanted)
      return json_object_get(item, "embedding");
  }
  return NULL;
}

static int put_embeddings(struct remote_answer *answer, const struct remote_question *question,
                          const json_t *json, struct hgl_buf *out, struct hgl_err *err)
{
  const json_t *data = json_object_get(json, "data");
  if (json_array_size(data) != question->texts)
    return malformed(err, "not as many embeddings as texts");
  hgl_buf_append_text(out, "{\"embeddings\":[");
  int status = 0;
  for (size_t i = 0; i < question->texts && status == 0; i++) {
    const json_t *vector = vector_of(data, i);
    if (i) hgl_buf_append_byte(out, ',');
    status = vector ? put_vector(vector, out, err) : malformed(err, "an embedding is missing");
  }
  read_usage(answer, json_object_get(json, "usage"));
  hgl_buf_append_text(out, "],");
  put_usage(answer, out);
  hgl_buf_append_byte(out, '}');
  return status ? status : hgl_buf_check(out, err);
}

static int end_embed(struct remote_answer *answer, const struct remote_question *question,
                     struct hgl_buf *out, struct hgl_err *err)
{
  json_t *json = NULL;
  struct hgl_err why = {0};
  struct hgl_bytes text = hgl_buf_bytes(&answer->bytes);
  int status = hgl_json_parse(text, REMOTE_ANSWER_SIZE_MAX, &json, &why);
  if (status == -HGL_NO_MEMORY) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  if (status) return malformed(err, why.message);
  status = check_error(json, text, err);
  if (status == 0) status = put_embeddings(answer, question, json, out, err);
  json_decref(json);
  return status;
}

int remote_answer_end(struct remote_answer *answer, const struct remote_question *question,
                      struct hgl_buf *out, struct hgl_err *err)
{
  if (question->task == HAGGLE_EMBED) return end_embed(answer, question, out, err);
  struct hgl_bytes rest = hgl_buf_bytes(&answer->bytes);
  int status = 0;
  if (answer->events)
    status = read_line(answer, rest, err); /* the last may have no end */
  else
    status = read_part(answer, rest, err);
  if (status == 0 && !answer->events) answer->complete = true;
  return status ? status : end_text(answer, question, out, err);
}

/* Refusals --------------------------------------------------------------------------------------
 */

static void copy_line(struct hgl_bytes text, char *out, size_t size)
{
  size_t kept = hgl_utf8_size(hgl_bytes(text.data, text.size < size - 1 ? text.size : size - 1));
  for (size_t i = 0; i < kept; i++) {
    uint8_t c = text.data[i];
    out[i] = (char)(c < 0x20 || c == 0x7f ? ' ' : c);
  }
  out[kept] = 0;
}

/* {"error": {"message": …, "code" or "type": …}}, {"error": …}, {"message": …}, {"detail": …} */
void remote_answer_error(struct hgl_bytes body, char *out, size_t size, char *kind,
                         size_t kind_size)
{
  json_t *json = NULL;
  *out = *kind = 0;
  if (hgl_json_parse(body, REFUSAL_SIZE_MAX, &json, NULL) != 0) return;
  const json_t *error = json_object_get(json, "error");
  const json_t *from = json_is_object(error) ? error : json;
  const json_t *message = json_is_string(error) ? error : json_object_get(from, "message");
  if (!json_is_string(message)) message = json_object_get(json, "detail");
  const json_t *code = json_object_get(from, "code");
  if (!json_is_string(code)) code = json_object_get(from, "type");
  copy_line(text_of(message), out, size);
  copy_line(text_of(code), kind, kind_size);
  for (char *at = kind; *at; at++) *at = (char)tolower((unsigned char)*at);
  json_decref(json);
}
