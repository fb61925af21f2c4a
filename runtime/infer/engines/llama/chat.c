/* chat.c: messages as a prompt, by the model's own template.
 *
 * llama.cpp knows the usual templates by their marks, and does not run others. For those the prompt
 * is ChatML when the vocabulary has its tokens, else plain lines ("User: …").
 *
 * What stands in messages comes from anybody. A message that contains the name of a control token
 * is put in as text, so that it cannot end its turn and begin another's. */
#include "model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct lines {
  struct llama_chat_message *items;
  char **contents;
  size_t count;
};

static void lines_free(struct lines *lines)
{
  for (size_t i = 0; i < lines->count; i++) free(lines->contents[i]);
  free(lines->contents);
  free(lines->items);
}

/* Content of a message ------------------------------------------------------------------------- */

static void put_json(struct text *out, const json_t *value)
{
  char *written = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
  if (written)
    hgl_text_put(out, written);
  else
    out->failed = true;
  free(written);
}

/* As the grammar of tools has it (admit.c). */
static void put_call(struct text *out, const json_t *call)
{
  hgl_text_put(out, "{\"call\":");
  put_json(out, json_object_get(call, "name"));
  hgl_text_put(out, ",\"arguments\":");
  put_json(out, json_object_get(call, "arguments"));
  hgl_text_put(out, "}");
}

static void put_content(struct text *out, const json_t *message)
{
  const char *name = json_string_value(json_object_get(message, "name"));
  const json_t *calls = json_object_get(message, "tool_calls");
  if (name) {
    hgl_text_put(out, "[");
    hgl_text_put(out, name);
    hgl_text_put(out, " answered]\n");
  }
  hgl_text_put(out, json_string_value(json_object_get(message, "content")));
  size_t index;
  json_t *call;
  json_array_foreach(calls, index, call)
  {
    if (out->size > 0) hgl_text_put(out, "\n");
    put_call(out, call);
  }
}

static void put_tools(struct text *out, const json_t *tools)
{
  size_t index;
  json_t *tool;
  hgl_text_put(out, "You may call one of these tools. To call one, answer with nothing but\n"
                    "{\"call\":NAME,\"arguments\":{…}}\nand you are told what it answered.\n");
  json_array_foreach(tools, index, tool)
  {
    const char *about = json_string_value(json_object_get(tool, "description"));
    const json_t *parameters = json_object_get(tool, "parameters");
    hgl_text_put(out, "\n- ");
    hgl_text_put(out, json_string_value(json_object_get(tool, "name")));
    if (about) {
      hgl_text_put(out, ": ");
      hgl_text_put(out, about);
    }
    if (parameters) {
      hgl_text_put(out, "\n  arguments: ");
      put_json(out, parameters);
    }
  }
}

static bool lines_add(struct lines *lines, const char *role, struct text *content)
{
  bool good = !content->failed;
  if (!content->data) hgl_text_put(content, "");
  if (good && content->data) {
    lines->contents[lines->count] = content->data;
    lines->items[lines->count] = (struct llama_chat_message){role, content->data};
    lines->count++;
  } else {
    hgl_text_deinit(content);
  }
  return good;
}

/* The tools stand in the system's message, which is made when there is none. */
static int32_t lines_make(struct lines *lines, const struct ask *ask, struct haggle_error *error)
{
  size_t count = json_array_size(ask->messages), index;
  lines->items = calloc(count + 1, sizeof *lines->items);
  lines->contents = calloc(count + 1, sizeof *lines->contents);
  bool good = lines->items && lines->contents;
  const json_t *first = json_array_get(ask->messages, 0);
  bool has_system = strcmp(json_string_value(json_object_get(first, "role")), "system") == 0;
  struct text content;
  hgl_text_init(&content, TEMPLATE_MAX);
  if (good && ask->tools && !has_system) {
    put_tools(&content, ask->tools);
    good = lines_add(lines, "system", &content);
  }
  json_t *message;
  json_array_foreach(ask->messages, index, message)
  {
    if (!good) break;
    hgl_text_init(&content, TEMPLATE_MAX);
    put_content(&content, message);
    if (index == 0 && ask->tools && has_system) {
      hgl_text_put(&content, "\n\n");
      put_tools(&content, ask->tools);
    }
    const char *role = json_string_value(json_object_get(message, "role"));
    good = lines_add(lines, strcmp(role, "tool") == 0 ? "user" : role, &content);
  }
  if (good) return HAGGLE_OK;
  return hgl_engine_fail(error, HAGGLE_NO_MEMORY, "no memory for the messages");
}

/* The whole prompt ------------------------------------------------------------------------------
 */

static void put_plain(struct text *out, const struct lines *lines)
{
  for (size_t i = 0; i < lines->count; i++) {
    const char *role = lines->items[i].role;
    hgl_text_put(out, *role == 's' ? "System: " : *role == 'u' ? "User: " : "Assistant: ");
    hgl_text_put(out, lines->items[i].content);
    hgl_text_put(out, "\n\n");
  }
  hgl_text_put(out, "Assistant:");
}

static int32_t render(const struct model *model, const struct lines *lines, struct text *out,
                      struct haggle_error *error)
{
  hgl_text_init(out, TEMPLATE_MAX);
  if (model->format == CHAT_PLAIN) {
    put_plain(out, lines);
  } else {
    size_t room = 1024;
    for (size_t i = 0; i < lines->count; i++) room += strlen(lines->items[i].content) + 128;
    char *buffer = NULL;
    int32_t size = (int32_t)(room < TEMPLATE_MAX ? room : TEMPLATE_MAX);
    for (int tries = 0; tries < 2; tries++) {
      char *larger = realloc(buffer, (size_t)size + 1);
      if (!larger) break;
      buffer = larger;
      int32_t wanted = model->library->llama_chat_apply_template(model->template, lines->items,
                                                                 lines->count, true, buffer, size);
      if (wanted >= 0 && wanted <= size) {
        hgl_text_add(out, buffer, (size_t)wanted);
        break;
      }
      out->failed = wanted < 0 || wanted > TEMPLATE_MAX || tries == 1;
      if (out->failed) break;
      size = wanted;
    }
    free(buffer);
  }
  if (!out->failed && out->data) return HAGGLE_OK;
  hgl_text_deinit(out);
  return hgl_engine_fail(error, HAGGLE_FAILED,
                         "the model's chat template does not take the messages");
}

/* Whether a text contains the name of a control token. */
static int32_t names_control(const struct model *model, const char *text, bool *names,
                             struct haggle_error *error)
{
  struct tokens plain = {0}, special = {0};
  size_t size = strlen(text);
  int32_t status = vocabulary_tokenize(&model->vocabulary, text, size, false, false, model->length,
                                       &plain, error);
  if (!status)
    status = vocabulary_tokenize(&model->vocabulary, text, size, false, true, model->length,
                                 &special, error);
  *names = !status && (plain.count != special.count ||
                       memcmp(plain.items, special.items, plain.count * sizeof *plain.items) != 0);
  free(plain.items);
  free(special.items);
  return status;
}

/* Each message is rendered as a mark that no template changes; then the text between marks is the
 * template's, and the marks are the messages. */
static int32_t tokens_apart(const struct model *model, struct lines *lines, struct tokens *tokens,
                            struct haggle_error *error)
{
  enum { MARK_SIZE = 12 };
  struct lines marks = {calloc(lines->count, sizeof *marks.items),
                        calloc(lines->count, sizeof *marks.contents), 0};
  bool good = marks.items && marks.contents;
  for (size_t i = 0; good && i < lines->count; i++) {
    struct text mark;
    hgl_text_init(&mark, 64);
    hgl_text_format(&mark, "\x02%08zu\x02", i);
    good = lines_add(&marks, lines->items[i].role, &mark);
  }
  struct text prompt;
  int32_t status = good ? render(model, &marks, &prompt, error)
                        : hgl_engine_fail(error, HAGGLE_NO_MEMORY, "no memory for the messages");
  lines_free(&marks);
  if (status) return status;
  const char *at = prompt.data, *end = prompt.data + prompt.size;
  bool first = true;
  while (!status && at < end) {
    const char *mark = memchr(at, '\x02', (size_t)(end - at));
    size_t size = (size_t)((mark ? mark : end) - at);
    if (size > 0 || first)
      status = vocabulary_tokenize(&model->vocabulary, at, size, first, true, model->length, tokens,
                                   error);
    first = false;
    if (!mark || status) break;
    size_t index = strtoul(mark + 1, NULL, 10);
    const char *content = index < lines->count ? lines->items[index].content : "";
    status = vocabulary_tokenize(&model->vocabulary, content, strlen(content), false, false,
                                 model->length, tokens, error);
    at = mark + 10;
  }
  hgl_text_deinit(&prompt);
  return status;
}

/* Some templates write the token that vocabulary_tokenize puts first. */
static void drop_second_begin(const struct model *model, struct tokens *tokens)
{
  llama_token begin = model->library->llama_vocab_bos(model->vocabulary.vocab);
  if (tokens->count < 2 || tokens->items[0] != begin || tokens->items[1] != begin) return;
  tokens->count--;
  memmove(tokens->items, tokens->items + 1, tokens->count * sizeof *tokens->items);
}

int32_t chat_tokens(const struct model *model, struct ask *ask, struct tokens *tokens,
                    struct haggle_error *error)
{
  struct lines lines = {0};
  int32_t status = lines_make(&lines, ask, error);
  bool apart = false;
  for (size_t i = 0; !status && !apart && i < lines.count; i++)
    status = names_control(model, lines.items[i].content, &apart, error);
  if (!status && apart) {
    status = tokens_apart(model, &lines, tokens, error);
  } else if (!status) {
    struct text prompt;
    status = render(model, &lines, &prompt, error);
    if (!status)
      status = vocabulary_tokenize(&model->vocabulary, prompt.data, prompt.size, true, true,
                                   model->length, tokens, error);
    if (prompt.data) hgl_text_deinit(&prompt);
  }
  if (!status) drop_second_begin(model, tokens);
  if (model->format == CHAT_PLAIN && !ask->schema) {
    ask->stops[ask->stop_count++] = (struct stop){"\nUser:", 6};
    ask->stops[ask->stop_count++] = (struct stop){"\nSystem:", 8};
  }
  lines_free(&lines);
  return status;
}

/* Which template --------------------------------------------------------------------------------
 */

static bool applies(const struct model *model, const char *template)
{
  char buffer[1024];
  struct llama_chat_message line = {"user", "a"};
  return model->library->llama_chat_apply_template(template, &line, 1, true, buffer,
                                                   sizeof buffer) > 0;
}

static bool has_token(const struct model *model, const char *name)
{
  struct tokens tokens = {0};
  struct haggle_error error = {.size = sizeof error};
  bool one = vocabulary_tokenize(&model->vocabulary, name, strlen(name), false, true, 64, &tokens,
                                 &error) == HAGGLE_OK &&
             tokens.count == 1;
  free(tokens.items);
  return one;
}

int32_t chat_init(struct model *model, struct haggle_error *error)
{
  const char *own = model->library->llama_model_chat_template(model->llama, NULL);
  model->format = CHAT_TEMPLATE;
  model->template = model->template_named ? model->template_named : own;
  if (model->template && applies(model, model->template)) return HAGGLE_OK;
  if (model->template_named)
    return hgl_engine_fail(error, HAGGLE_INVALID,
                           "template=%.64s: llama.cpp has no template of this name",
                           model->template_named);
  bool chatml = has_token(model, "<|im_start|>");
  model->format = chatml ? CHAT_TEMPLATE : CHAT_PLAIN;
  model->template = "chatml";
  if (!own) return HAGGLE_OK; /* nobody expects a template of a model that has none */
  struct text note;
  hgl_text_init(&note, sizeof model->note - 1);
  hgl_text_put(&note, model->note);
  hgl_text_format(
      &note,
      "%sits chat template is not one that llama.cpp knows, so chats are %s (the option "
      "template= names another)",
      note.size > 0 ? "; " : "", chatml ? "ChatML" : "plain lines");
  if (!note.failed) snprintf(model->note, sizeof model->note, "%s", note.data);
  hgl_text_deinit(&note);
  return HAGGLE_OK;
}
