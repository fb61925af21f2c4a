/* A request as PLUGINS.md has it becomes the body of one to a server. Whatever a server would not
 * understand is found here, and named. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "infer/remote_internal.h"
#include "protocol/value.h"

enum { MAX_TOKENS = 256, MAX_TOKENS_MOST = 10000000, TEXTS_MAX = 4096, STOPS_MAX = 16 };

struct asking {
  const struct remote_options *options;
  const json_t *request;
  struct remote_question *question;
  struct hgl_buf *out;
  struct hgl_err *err;
};

static int invalid(const struct asking *asking, const char *format, ...) HGL_PRINTF(2, 3);

static int invalid(const struct asking *asking, const char *format, ...)
{
  char words[200];
  va_list args;
  va_start(args, format);
  vsnprintf(words, sizeof words, format, args);
  va_end(args);
  return hgl_fail(asking->err, HGL_INVALID, "%s", words);
}

static struct hgl_bytes text_of(const json_t *json)
{
  return hgl_bytes(json_string_value(json), json_string_length(json));
}

static void put_key(struct hgl_buf *out, const char *key)
{
  if (out->size && out->data[out->size - 1] != '{' && out->data[out->size - 1] != '[')
    hgl_buf_append_byte(out, ',');
  hgl_buf_printf(out, "\"%s\":", key);
}

static void put_text(struct hgl_buf *out, const char *key, struct hgl_bytes text)
{
  put_key(out, key);
  hgl_json_put_text(text, out);
}

static int put_json(const struct asking *asking, const char *key, const json_t *json)
{
  put_key(asking->out, key);
  return hgl_json_print(json, asking->out, asking->err);
}

static int check_members(const struct asking *asking, const json_t *object, const char *where,
                         const char *const *known)
{
  const char *key;
  json_t *value;
  json_object_foreach((json_t *)object, key, value)
  {
    const char *const *at = known;
    while (*at && strcmp(*at, key) != 0) at++;
    if (!*at) return invalid(asking, "%s has an unknown member \"%.60s\"", where, key);
  }
  return 0;
}

/* Messages and tools ----------------------------------------------------------------------------
 */

enum { PENDING_MAX = REMOTE_TOOLS_MAX };

/* Calls of tools that the last assistant's message made. Servers want to know which one is
 * answered: what an answer without an id answers is the first of its tool that has no answer yet.
 */
struct pending {
  const json_t *calls;
  bool answered[PENDING_MAX];
};

static int put_call(const struct asking *asking, const json_t *call, size_t index)
{
  static const char *const known[] = {"id", "name", "arguments", NULL};
  const json_t *id = json_object_get(call, "id"), *name = json_object_get(call, "name");
  const json_t *arguments = json_object_get(call, "arguments");
  struct hgl_buf text, *out = asking->out;
  int status = json_is_object(call) ? check_members(asking, call, "a call of a tool", known)
                                    : invalid(asking, "a call of a tool is a table");
  if (status) return status;
  if (!json_is_string(id) || !json_is_string(name) || !json_is_object(arguments))
    return invalid(asking, "a call of a tool has id, name and arguments, a table");
  hgl_buf_append_text(out, index ? ",{" : "{");
  put_text(out, "id", text_of(id));
  put_text(out, "type", hgl_text("function"));
  put_key(out, "function");
  hgl_buf_append_byte(out, '{');
  put_text(out, "name", text_of(name));
  hgl_buf_init(&text, REMOTE_REQUEST_SIZE_MAX);
  status = hgl_json_print(arguments, &text, asking->err);
  if (!status) put_text(out, "arguments", hgl_buf_bytes(&text));
  hgl_buf_deinit(&text);
  hgl_buf_append_text(out, "}}");
  return status;
}

static int put_calls(const struct asking *asking, const json_t *calls, struct pending *pending)
{
  size_t count = json_array_size(calls);
  if (!json_is_array(calls) || count > PENDING_MAX)
    return invalid(asking, "tool_calls is a list of up to %d calls", PENDING_MAX);
  *pending = (struct pending){.calls = calls};
  if (count == 0) return 0;
  put_key(asking->out, "tool_calls");
  hgl_buf_append_byte(asking->out, '[');
  int status = 0;
  for (size_t i = 0; i < count && status == 0; i++)
    status = put_call(asking, json_array_get(calls, i), i);
  hgl_buf_append_byte(asking->out, ']');
  return status;
}

static bool is_answer_to(const json_t *call, const json_t *message)
{
  const char *member = json_object_get(message, "id") ? "id" : "name";
  return hgl_bytes_equal(text_of(json_object_get(call, member)),
                         text_of(json_object_get(message, member)));
}

static int put_call_id(const struct asking *asking, const json_t *message, struct pending *pending)
{
  const json_t *name = json_object_get(message, "name"), *id = json_object_get(message, "id");
  if (!json_is_string(name) || (id && !json_is_string(id)))
    return invalid(asking, "a tool's answer has the tool's name, and the id of its call, a text");
  for (size_t i = 0; i < json_array_size(pending->calls); i++) {
    const json_t *call = json_array_get(pending->calls, i);
    if (pending->answered[i] || !is_answer_to(call, message)) continue;
    pending->answered[i] = true;
    put_text(asking->out, "tool_call_id", text_of(json_object_get(call, "id")));
    return 0;
  }
  return invalid(asking, "a tool's answer to no call: %.60s was not called before",
                 json_string_value(id ? id : name));
}

static int put_message(const struct asking *asking, const json_t *message, struct pending *pending)
{
  static const char *const known[] = {"role", "content", "tool_calls", NULL};
  static const char *const of_tools[] = {"role", "content", "name", "id", NULL};
  const json_t *role = json_object_get(message, "role");
  const json_t *content = json_object_get(message, "content");
  const json_t *calls = json_object_get(message, "tool_calls");
  struct hgl_bytes word = text_of(role);
  bool assistant = hgl_bytes_is(word, "assistant"), tool = hgl_bytes_is(word, "tool");
  int status = check_members(asking, message, "a message", tool ? of_tools : known);
  if (status) return status;
  if (!assistant && !tool && !hgl_bytes_is(word, "system") && !hgl_bytes_is(word, "user"))
    return invalid(asking, "a message has a role: system, user, assistant or tool");
  if (!json_is_string(content) && !(assistant && calls && !content))
    return invalid(asking, "a message has content, a text");
  hgl_buf_append_byte(asking->out, '{');
  put_text(asking->out, "role", word);
  put_text(asking->out, "content", text_of(content));
  if (calls && !assistant) return invalid(asking, "tool_calls stand in an assistant's message");
  if (calls) status = put_calls(asking, calls, pending);
  if (tool) status = put_call_id(asking, message, pending);
  hgl_buf_append_byte(asking->out, '}');
  return status;
}

/* For servers that take no schema. */
static int put_schema_in_words(const struct asking *asking, const json_t *schema)
{
  struct hgl_buf words;
  hgl_buf_init(&words, REMOTE_REQUEST_SIZE_MAX);
  hgl_buf_append_text(&words, "Answer with JSON alone, without anything around it, that satisfies "
                              "this JSON schema: ");
  int status = hgl_json_print(schema, &words, asking->err);
  if (status == 0) {
    hgl_buf_append_byte(asking->out, '{');
    put_text(asking->out, "role", hgl_text("system"));
    put_text(asking->out, "content", hgl_buf_bytes(&words));
    hgl_buf_append_text(asking->out, "},");
  }
  hgl_buf_deinit(&words);
  return status;
}

static int put_messages(const struct asking *asking)
{
  const json_t *messages = json_object_get(asking->request, "messages");
  const json_t *schema = json_object_get(asking->request, "schema");
  size_t count = json_array_size(messages);
  struct pending pending = {0};
  if (count == 0) return invalid(asking, "messages is a list of at least one message");
  put_key(asking->out, "messages");
  hgl_buf_append_byte(asking->out, '[');
  int status = 0;
  if (json_is_object(schema) && asking->options->schema == REMOTE_SCHEMA_NONE)
    status = put_schema_in_words(asking, schema);
  for (size_t i = 0; i < count && status == 0; i++) {
    if (i) hgl_buf_append_byte(asking->out, ',');
    status = put_message(asking, json_array_get(messages, i), &pending);
    if (status) hgl_fail_in(asking->err, "messages[%zu]", i + 1);
  }
  hgl_buf_append_byte(asking->out, ']');
  return status;
}

static int put_tool(const struct asking *asking, const json_t *tool, size_t index)
{
  static const char *const known[] = {"name", "description", "parameters", NULL};
  const json_t *name = json_object_get(tool, "name");
  const json_t *about = json_object_get(tool, "description");
  const json_t *parameters = json_object_get(tool, "parameters");
  int status = check_members(asking, tool, "a tool", known);
  if (status) return status;
  if (!json_is_string(name) || (about && !json_is_string(about)) ||
      (parameters && !json_is_object(parameters)))
    return invalid(asking, "tools[%zu] has a name, a description and parameters, a JSON schema",
                   index + 1);
  hgl_buf_append_text(asking->out, index ? ",{" : "{");
  put_text(asking->out, "type", hgl_text("function"));
  put_key(asking->out, "function");
  hgl_buf_append_byte(asking->out, '{');
  put_text(asking->out, "name", text_of(name));
  if (about) put_text(asking->out, "description", text_of(about));
  if (parameters) status = put_json(asking, "parameters", parameters);
  hgl_buf_append_text(asking->out, "}}");
  return status;
}

static int put_tools(const struct asking *asking)
{
  const json_t *tools = json_object_get(asking->request, "tools");
  if (!tools) return 0;
  if (!json_is_array(tools)) return invalid(asking, "tools is a list");
  if (json_array_size(tools) == 0) return 0;
  put_key(asking->out, "tools");
  hgl_buf_append_byte(asking->out, '[');
  int status = 0;
  for (size_t i = 0; i < json_array_size(tools) && status == 0; i++)
    status = put_tool(asking, json_array_get(tools, i), i);
  hgl_buf_append_byte(asking->out, ']');
  return status;
}

/* The answer's shape ----------------------------------------------------------------------------
 */

static int put_schema(const struct asking *asking)
{
  const json_t *schema = json_object_get(asking->request, "schema");
  if (!schema) return 0;
  if (!json_is_object(schema)) return invalid(asking, "schema is a JSON schema, a table");
  asking->question->wants_json = true;
  switch (asking->options->schema) {
  case REMOTE_SCHEMA_LLAMA:
    return put_json(asking, "json_schema", schema);
  case REMOTE_SCHEMA_OPENAI: {
    put_key(asking->out, "response_format");
    hgl_buf_append_text(asking->out,
                        "{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"answer\","
                        "\"strict\":true");
    int status = put_json(asking, "schema", schema);
    hgl_buf_append_text(asking->out, "}}");
    return status;
  }
  default:
    if (asking->question->task == HAGGLE_CHAT) return 0; /* it was said in words */
    return hgl_fail(
        asking->err, HGL_REFUSED,
        "this endpoint takes no schema (option schema=none): ask it by chat, which says "
        "it in words");
  }
}

/* *out stays as it is where the request says nothing. */
static int read_number(const struct asking *asking, const char *key, double least, double most,
                       double *out, bool *given)
{
  const json_t *value = json_object_get(asking->request, key);
  *given = value != NULL;
  if (!value) return 0;
  double number = json_is_number(value) ? json_number_value(value) : NAN;
  if (!(number >= least && number <= most))
    return invalid(asking, "%s is a number from %g to %g", key, least, most);
  *out = number;
  return 0;
}

static void put_number(const struct asking *asking, const char *key, double number)
{
  put_key(asking->out, key);
  if (number == floor(number) && fabs(number) < 1e15)
    hgl_buf_printf(asking->out, "%.0f", number);
  else
    hgl_json_put_double(number, asking->out);
}

/* What OpenAI has is said always, as its default is not ours; what only some servers have is said
 * when it was asked for. */
static int put_sampling(const struct asking *asking)
{
  bool schema = json_object_get(asking->request, "schema") != NULL;
  const struct {
    const char *key, *called;
    double least, most, usual;
    bool always;
  } numbers[] = {
      {"temperature", "temperature", 0, 100, schema ? 0 : 0.8, true},
      {"top_p", "top_p", 0, 1, 0.95, true},
      {"top_k", "top_k", 0, 1e6, 0, false},
      {"min_p", "min_p", 0, 1, 0, false},
      {"repeat_penalty", "repeat_penalty", 0, 100, 0, false},
      {"seed", "seed", -9007199254740991, 9007199254740991, 0, false},
  };
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
    double number = numbers[i].usual;
    bool given;
    int status = read_number(asking, numbers[i].key, numbers[i].least, numbers[i].most, &number,
                             &given);
    if (status) return status;
    if (given || (numbers[i].always && asking->options->sampling))
      put_number(asking, numbers[i].called, number);
  }
  return 0;
}

static int put_limit(const struct asking *asking)
{
  double most = MAX_TOKENS;
  bool given;
  int status = read_number(asking, "max_tokens", 1, MAX_TOKENS_MOST, &most, &given);
  if (status) return status;
  asking->question->max_tokens = (int64_t)most;
  put_number(asking, asking->options->newer_limit ? "max_completion_tokens" : "max_tokens",
             floor(most));
  return 0;
}

static int put_stop(const struct asking *asking)
{
  const json_t *stop = json_object_get(asking->request, "stop");
  if (!stop) return 0;
  bool good = json_is_array(stop) && json_array_size(stop) <= STOPS_MAX;
  for (size_t i = 0; good && i < json_array_size(stop); i++)
    good = json_string_length(json_array_get(stop, i)) > 0;
  if (!good) return invalid(asking, "stop is a list of up to %d texts", STOPS_MAX);
  return json_array_size(stop) ? put_json(asking, "stop", stop) : 0;
}

/* Tasks -----------------------------------------------------------------------------------------
 */

static int put_text_task(const struct asking *asking)
{
  int status = put_limit(asking);
  if (!status) status = put_sampling(asking);
  if (!status) status = put_stop(asking);
  if (!status) status = put_schema(asking);
  if (status) return status;
  if (asking->question->streams)
    hgl_buf_append_text(asking->out,
                        ",\"stream\":true,\"stream_options\":{\"include_usage\":true}");
  return 0;
}

static int ask_chat(const struct asking *asking)
{
  static const char *const known[] = {
      "task",  "messages", "tools",          "schema", "max_tokens", "temperature", "top_p",
      "top_k", "min_p",    "repeat_penalty", "seed",   "stop",       NULL};
  int status = check_members(asking, asking->request, "the request", known);
  if (!status) status = put_messages(asking);
  if (!status) status = put_tools(asking);
  return status ? status : put_text_task(asking);
}

static int ask_complete(const struct asking *asking)
{
  static const char *const known[] = {"task",           "prompt", "schema", "max_tokens",
                                      "temperature",    "top_p",  "top_k",  "min_p",
                                      "repeat_penalty", "seed",   "stop",   NULL};
  const json_t *prompt = json_object_get(asking->request, "prompt");
  int status = check_members(asking, asking->request, "the request", known);
  if (status) return status;
  if (!json_is_string(prompt)) return invalid(asking, "prompt is a text");
  put_text(asking->out, "prompt", text_of(prompt));
  return put_text_task(asking);
}

static int ask_embed(const struct asking *asking)
{
  static const char *const known[] = {"task", "input", NULL};
  const json_t *input = json_object_get(asking->request, "input");
  size_t count = json_array_size(input);
  int status = check_members(asking, asking->request, "the request", known);
  if (status) return status;
  bool good = count > 0 && count <= TEXTS_MAX;
  for (size_t i = 0; good && i < count; i++) good = json_is_string(json_array_get(input, i));
  if (!good) return invalid(asking, "input is a list of 1 to %d texts", TEXTS_MAX);
  asking->question->texts = count;
  put_text(asking->out, "encoding_format", hgl_text("float"));
  return put_json(asking, "input", input);
}

static int ask(const struct asking *asking)
{
  struct hgl_bytes task = text_of(json_object_get(asking->request, "task"));
  hgl_buf_append_byte(asking->out, '{');
  put_text(asking->out, "model", hgl_text(asking->options->model));
  int status;
  if (hgl_bytes_is(task, "chat")) {
    asking->question->task = HAGGLE_CHAT;
    status = ask_chat(asking);
  } else if (hgl_bytes_is(task, "complete")) {
    asking->question->task = HAGGLE_COMPLETE;
    status = ask_complete(asking);
  } else if (hgl_bytes_is(task, "embed")) {
    asking->question->task = HAGGLE_EMBED;
    asking->question->streams = false;
    status = ask_embed(asking);
  } else
    status = invalid(asking, "task is \"chat\", \"complete\" or \"embed\"");
  hgl_buf_append_byte(asking->out, '}');
  return status ? status : hgl_buf_check(asking->out, asking->err);
}

int remote_ask(const struct remote_options *options, struct hgl_bytes text, bool stream,
               struct remote_question *out, struct hgl_err *err)
{
  json_t *request = NULL;
  *out = (struct remote_question){.streams = stream};
  hgl_buf_init(&out->body, REMOTE_REQUEST_SIZE_MAX);
  int status = hgl_json_parse(text, REMOTE_REQUEST_SIZE_MAX, &request, err);
  if (status == 0) {
    const struct asking asking = {options, request, out, &out->body, err};
    status = json_is_object(request) ? ask(&asking) : invalid(&asking, "a request is an object");
  }
  json_decref(request);
  if (status != 0) hgl_buf_deinit(&out->body);
  return status;
}
