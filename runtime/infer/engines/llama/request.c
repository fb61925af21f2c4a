#include "request.h"

#include "base/json_load.h"

#include <math.h>
#include <string.h>

enum { TALK = HAGGLE_CHAT | HAGGLE_COMPLETE };

static int32_t wrong(struct haggle_error *error, const char *member, const char *what)
{
  return hgl_engine_fail(error, HAGGLE_INVALID, "%s: %s", member, what);
}

/* Numbers ---------------------------------------------------------------------------------------
 */

static int32_t read_number(const json_t *value, const char *member, double low, double high,
                           float *out, struct haggle_error *error)
{
  double number = json_number_value(value);
  if (!json_is_number(value) || !(number >= low && number <= high))
    return hgl_engine_fail(error, HAGGLE_INVALID, "%s: a number from %g to %g", member, low, high);
  *out = (float)number;
  return HAGGLE_OK;
}

static int32_t read_whole(const json_t *value, const char *member, int64_t low, int64_t high,
                          int64_t *out, struct haggle_error *error)
{
  double number = json_number_value(value);
  bool whole = json_is_integer(value) ||
               (json_is_real(value) && number == floor(number) && fabs(number) < 9e15);
  int64_t exact = json_is_integer(value) ? (int64_t)json_integer_value(value)
                  : whole                ? (int64_t)number
                                         : 0;
  if (!whole || exact < low || exact > high)
    return hgl_engine_fail(error, HAGGLE_INVALID, "%s: a whole number from %lld to %lld", member,
                           (long long)low, (long long)high);
  *out = exact;
  return HAGGLE_OK;
}

/* Members ---------------------------------------------------------------------------------------
 */

static int32_t check_messages(const json_t *list, struct haggle_error *error);
static int32_t check_tools(const json_t *list, struct haggle_error *error);

static int32_t read_stops(struct ask *ask, const json_t *list, struct haggle_error *error)
{
  size_t index;
  json_t *value;
  if (!json_is_array(list) || json_array_size(list) > STOPS_MAX)
    return hgl_engine_fail(error, HAGGLE_INVALID, "stop: a list of at most %d texts", STOPS_MAX);
  json_array_foreach(list, index, value)
  {
    size_t size = json_string_length(value);
    if (!json_is_string(value) || size == 0 || size > STOP_SIZE_MAX)
      return hgl_engine_fail(error, HAGGLE_INVALID, "stop[%zu]: a text of 1 to %d bytes", index + 1,
                             STOP_SIZE_MAX);
    ask->stops[ask->stop_count++] = (struct stop){json_string_value(value), size};
  }
  return HAGGLE_OK;
}

static int32_t read_input(struct ask *ask, const json_t *list, struct haggle_error *error)
{
  size_t index;
  json_t *value;
  if (!json_is_array(list) || json_array_size(list) == 0 || json_array_size(list) > INPUTS_MAX)
    return hgl_engine_fail(error, HAGGLE_INVALID, "input: a list of 1 to %d texts", INPUTS_MAX);
  json_array_foreach(
      list, index, value) if (!json_is_string(value) ||
                              json_string_length(value) ==
                                  0) return hgl_engine_fail(error, HAGGLE_INVALID,
                                                            "input[%zu]: a text that is not empty",
                                                            index + 1);
  ask->input = list;
  return HAGGLE_OK;
}

enum member {
  TASK,
  PROMPT,
  MESSAGES,
  TOOLS,
  INPUT,
  SCHEMA,
  MAX_TOKENS,
  TEMPERATURE,
  TOP_P,
  TOP_K,
  MIN_P,
  REPEAT_PENALTY,
  SEED,
  STOP,
};

static const struct {
  const char *name;
  enum member member;
  int tasks;
} members[] = {
    {"task", TASK, TALK | HAGGLE_EMBED},
    {"prompt", PROMPT, HAGGLE_COMPLETE},
    {"messages", MESSAGES, HAGGLE_CHAT},
    {"tools", TOOLS, HAGGLE_CHAT},
    {"input", INPUT, HAGGLE_EMBED},
    {"schema", SCHEMA, TALK},
    {"max_tokens", MAX_TOKENS, TALK},
    {"temperature", TEMPERATURE, TALK},
    {"top_p", TOP_P, TALK},
    {"top_k", TOP_K, TALK},
    {"min_p", MIN_P, TALK},
    {"repeat_penalty", REPEAT_PENALTY, TALK},
    {"seed", SEED, TALK},
    {"stop", STOP, TALK},
};

static int32_t read_member(struct ask *ask, enum member member, const char *name,
                           const json_t *value, struct haggle_error *error)
{
  int64_t whole = 0;
  int32_t status = HAGGLE_OK;
  switch (member) {
  case TASK:
    break;
  case PROMPT:
    if (!json_is_string(value)) return wrong(error, name, "a text");
    ask->prompt = json_string_value(value);
    ask->prompt_size = json_string_length(value);
    break;
  case MESSAGES:
    ask->messages = value;
    return check_messages(value, error);
  case TOOLS:
    ask->tools = value;
    return check_tools(value, error);
  case INPUT:
    return read_input(ask, value, error);
  case SCHEMA:
    if (!json_is_object(value) && !json_is_boolean(value))
      return wrong(error, name, "a JSON schema");
    ask->schema = value;
    break;
  case MAX_TOKENS:
    status = read_whole(value, name, 1, 1000000, &whole, error);
    ask->max_tokens = (uint32_t)whole;
    break;
  case TEMPERATURE:
    return read_number(value, name, 0, 100, &ask->sampling.temperature, error);
  case TOP_P:
    return read_number(value, name, 0, 1, &ask->sampling.top_p, error);
  case TOP_K:
    status = read_whole(value, name, 0, INT32_MAX, &whole, error);
    ask->sampling.top_k = (int32_t)whole;
    break;
  case MIN_P:
    return read_number(value, name, 0, 1, &ask->sampling.min_p, error);
  case REPEAT_PENALTY:
    return read_number(value, name, 0.01, 100, &ask->sampling.repeat_penalty, error);
  case SEED:
    status = read_whole(value, name, INT64_MIN, INT64_MAX, &whole, error);
    ask->seed = (uint64_t)whole;
    ask->seeded = true;
    break;
  case STOP:
    return read_stops(ask, value, error);
  }
  return status;
}

/* Messages and tools ----------------------------------------------------------------------------
 */

/* The text of a member, or NULL with an error. Places are counted from 1, as in the scripts that
 * they come from. */
static const char *text_of(const json_t *object, const char *place, size_t index,
                           const char *member, struct haggle_error *error)
{
  const json_t *value = json_object_get(object, member);
  if (json_is_string(value)) return json_string_value(value);
  hgl_engine_fail(error, HAGGLE_INVALID, "%s[%zu].%s: %s", place, index + 1, member,
                  value ? "a text" : "it is missing");
  return NULL;
}

static int32_t no_others(const json_t *object, const char *place, size_t index,
                         const char *const *known, struct haggle_error *error)
{
  const char *name;
  json_t *value;
  json_object_foreach((json_t *)object, name, value)
  {
    size_t i = 0;
    while (known[i] && strcmp(known[i], name) != 0) i++;
    if (!known[i])
      return hgl_engine_fail(error, HAGGLE_INVALID, "%s[%zu].%.60s: there is no such member", place,
                             index + 1, name);
  }
  return HAGGLE_OK;
}

static int32_t check_calls(const json_t *calls, size_t message, struct haggle_error *error)
{
  static const char *const known[] = {"id", "name", "arguments", NULL};
  size_t index;
  json_t *call;
  if (!json_is_array(calls))
    return hgl_engine_fail(error, HAGGLE_INVALID, "messages[%zu].tool_calls: a list", message + 1);
  json_array_foreach(calls, index, call)
  {
    if (!json_is_object(call) || !json_is_object(json_object_get(call, "arguments")) ||
        !json_is_string(json_object_get(call, "name")))
      return hgl_engine_fail(error, HAGGLE_INVALID,
                             "messages[%zu].tool_calls[%zu]: an object with id, name and arguments",
                             message + 1, index + 1);
    int32_t status = no_others(call, "tool_calls", index, known, error);
    if (status) return status;
  }
  return HAGGLE_OK;
}

static int32_t check_message(const json_t *message, size_t index, struct haggle_error *error)
{
  static const char *const known[] = {"role", "content", NULL};
  static const char *const of_tools[] = {"role", "content", "name", "id", NULL};
  static const char *const of_assistants[] = {"role", "content", "tool_calls", NULL};
  if (!json_is_object(message))
    return hgl_engine_fail(error, HAGGLE_INVALID, "messages[%zu]: an object with role and content",
                           index + 1);
  const char *role = text_of(message, "messages", index, "role", error);
  if (!role || !text_of(message, "messages", index, "content", error)) return HAGGLE_INVALID;
  if (strcmp(role, "system") == 0 || strcmp(role, "user") == 0)
    return no_others(message, "messages", index, known, error);
  if (strcmp(role, "assistant") == 0) {
    const json_t *calls = json_object_get(message, "tool_calls");
    int32_t status = no_others(message, "messages", index, of_assistants, error);
    return status || !calls ? status : check_calls(calls, index, error);
  }
  if (strcmp(role, "tool") != 0)
    return hgl_engine_fail(error, HAGGLE_INVALID,
                           "messages[%zu].role: system, user, assistant or tool", index + 1);
  bool has_id = json_object_get(message, "id") != NULL;
  if (!text_of(message, "messages", index, "name", error) ||
      (has_id && !text_of(message, "messages", index, "id", error)))
    return HAGGLE_INVALID;
  return no_others(message, "messages", index, of_tools, error);
}

static int32_t check_messages(const json_t *list, struct haggle_error *error)
{
  size_t index;
  json_t *message;
  if (!json_is_array(list) || json_array_size(list) == 0 || json_array_size(list) > MESSAGES_MAX)
    return hgl_engine_fail(error, HAGGLE_INVALID, "messages: a list of 1 to %d messages",
                           MESSAGES_MAX);
  json_array_foreach(list, index, message)
  {
    int32_t status = check_message(message, index, error);
    if (status) return status;
  }
  return HAGGLE_OK;
}

static int32_t check_tools(const json_t *list, struct haggle_error *error)
{
  static const char *const known[] = {"name", "description", "parameters", NULL};
  size_t index;
  json_t *tool;
  if (!json_is_array(list) || json_array_size(list) > TOOLS_MAX)
    return hgl_engine_fail(error, HAGGLE_INVALID, "tools: a list of at most %d tools", TOOLS_MAX);
  json_array_foreach(list, index, tool)
  {
    if (!json_is_object(tool))
      return hgl_engine_fail(error, HAGGLE_INVALID, "tools[%zu]: an object with a name", index + 1);
    const char *name = text_of(tool, "tools", index, "name", error);
    if (!name) return HAGGLE_INVALID;
    if (!*name || strlen(name) > 128)
      return hgl_engine_fail(error, HAGGLE_INVALID, "tools[%zu].name: a text of 1 to 128 bytes",
                             index + 1);
    const json_t *about = json_object_get(tool, "description");
    if (about && !json_is_string(about))
      return hgl_engine_fail(error, HAGGLE_INVALID, "tools[%zu].description: a text", index + 1);
    const json_t *parameters = json_object_get(tool, "parameters");
    if (parameters && !json_is_object(parameters))
      return hgl_engine_fail(error, HAGGLE_INVALID, "tools[%zu].parameters: a JSON schema",
                             index + 1);
    int32_t status = no_others(tool, "tools", index, known, error);
    if (status) return status;
  }
  return HAGGLE_OK;
}

/* All of it -------------------------------------------------------------------------------------
 */

static int32_t read_task(struct ask *ask, struct haggle_error *error)
{
  const char *task = json_string_value(json_object_get(ask->root, "task"));
  if (task && strcmp(task, "chat") == 0)
    ask->task = HAGGLE_CHAT;
  else if (task && strcmp(task, "complete") == 0)
    ask->task = HAGGLE_COMPLETE;
  else if (task && strcmp(task, "embed") == 0)
    ask->task = HAGGLE_EMBED;
  else
    return wrong(error, "task", "chat, complete or embed");
  return HAGGLE_OK;
}

static int32_t read_all(struct ask *ask, struct haggle_error *error)
{
  if (!json_is_object(ask->root))
    return hgl_engine_fail(error, HAGGLE_INVALID, "a request is an object");
  int32_t status = read_task(ask, error);
  if (status) return status;
  const char *name;
  json_t *value;
  json_object_foreach(ask->root, name, value)
  {
    size_t i = 0, count = sizeof members / sizeof *members;
    while (i < count && strcmp(members[i].name, name) != 0) i++;
    if (i == count || !(members[i].tasks & ask->task))
      return hgl_engine_fail(error, HAGGLE_INVALID, "%.60s: there is no such member%s", name,
                             i == count ? "" : " of this task");
    status = read_member(ask, members[i].member, name, value, error);
    if (status) return status;
  }
  if (ask->task == HAGGLE_COMPLETE && !ask->prompt) return wrong(error, "prompt", "it is missing");
  if (ask->task == HAGGLE_CHAT && !ask->messages)
    return wrong(error, "messages", "they are missing");
  if (ask->task == HAGGLE_EMBED && !ask->input) return wrong(error, "input", "it is missing");
  if (ask->schema && ask->stop_count > 0)
    return wrong(error, "stop", "it could end the answer before it satisfies the schema");
  if (ask->sampling.temperature < 0) ask->sampling.temperature = ask->schema ? 0 : 0.8F;
  if (json_array_size(ask->tools) == 0) ask->tools = NULL;
  return HAGGLE_OK;
}

int32_t ask_read(struct ask *ask, const char *text, size_t size, struct haggle_error *error)
{
  json_error_t where;
  bool refused;
  *ask = (struct ask){
      .max_tokens = 256,
      .sampling =
          {.temperature = -1, .top_p = 0.95F, .top_k = 40, .min_p = 0.05F, .repeat_penalty = 1},
  };
  ask->root = hgl_json_load(text, size, JSON_REJECT_DUPLICATES, &refused, &where);
  if (refused) return hgl_engine_fail(error, HAGGLE_NO_MEMORY, "no memory to read the request");
  if (!ask->root)
    return hgl_engine_fail(error, HAGGLE_INVALID, "the request is not JSON: %s (byte %d)",
                           where.text, where.position);
  int32_t status = read_all(ask, error);
  if (status) ask_deinit(ask);
  return status;
}

void ask_deinit(struct ask *ask)
{
  json_decref(ask->root);
  *ask = (struct ask){0};
}
