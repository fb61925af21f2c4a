/* haggle chat: a person talks to an agent, through the protocols that it declares. */
#include <stdio.h>
#include <unistd.h>

#include "base/mem.h"
#include "host/chat_words.h"
#include "host/client.h"
#include "host/line_editor.h"
#include "host/text.h"
#include "protocol/envelope.h"

enum {
  LINE_SIZE_MAX = 1 << 20,
  ANSWER_MS = 10000, /* how long a line waits for what it brings about */
  GLANCE_MS = 1,     /* … and the prompt for what came meanwhile */
  MARGIN_MS = 5000,
};

struct chat {
  const char *data, *name;
  int64_t within_ms;
  struct hgl_client *client;
  struct hgl_line_editor *editor;         /* NULL: standard input is no terminal */
  json_t *protocols, *handlers;           /* what the agent declares */
  json_int_t dialogue;                    /* 0: none */
  const json_t *definition;               /* of the dialogue, or NULL */
  char prefix[2 * HGL_NAME_SIZE_MAX + 4]; /* "weather/1.0/" */
  char last[HGL_NAME_SIZE_MAX + 1];
  bool last_was_ours;
  bool failed; /* something was refused, or not understood */
};

static const char *text_of(const json_t *object, const char *field)
{
  const char *text = json_string_value(json_object_get(object, field));
  return text ? text : "";
}

static void complain(struct chat *chat, const struct hgl_err *err)
{
  chat->failed = true;
  fflush(stdout);
  hgl_print_escaped(stderr, hgl_text(err->message));
  fprintf(stderr, "\n");
}

/* ---- what can be said ---- */

static struct hgl_chat_state state_of(const struct chat *chat)
{
  return (struct hgl_chat_state){chat->definition, *chat->last ? chat->last : NULL,
                                 chat->last_was_ours};
}

static void print_sayable(const json_t *definition, const char *prefix, const char *performative)
{
  struct hgl_buf fields;
  hgl_buf_init(&fields, LINE_SIZE_MAX);
  hgl_chat_describe(definition, performative, &fields);
  printf("  %s", prefix);
  hgl_print_escaped(stdout, hgl_text(performative));
  if (fields.size) {
    printf("  ");
    hgl_print_escaped(stdout, hgl_buf_bytes(&fields));
  }
  printf("\n");
  hgl_buf_deinit(&fields);
}

static void show_list(const json_t *definition, const char *prefix, json_t *list)
{
  size_t index;
  json_t *performative;
  json_array_foreach(list, index, performative)
  {
    print_sayable(definition, prefix, json_string_value(performative));
  }
  json_decref(list);
}

static void prefix_of(const json_t *definition, char out[2 * HGL_NAME_SIZE_MAX + 4])
{
  snprintf(out, 2 * HGL_NAME_SIZE_MAX + 4, "%.*s/%.*s/", HGL_NAME_SIZE_MAX,
           text_of(definition, "name"), HGL_NAME_SIZE_MAX, text_of(definition, "version"));
}

static void show_openings(const struct chat *chat)
{
  size_t index;
  json_t *item;
  json_array_foreach(chat->protocols, index, item)
  {
    char prefix[sizeof chat->prefix];
    prefix_of(item, prefix);
    const struct hgl_chat_state state = {item, NULL, false};
    show_list(item, prefix, hgl_chat_sayable(&state));
  }
  json_array_foreach(chat->handlers, index, item)
  {
    print_sayable(NULL, "", json_string_value(item));
  }
}

static void show_help(const struct chat *chat)
{
  if (!chat->dialogue) {
    printf("What %s listens for:\n", chat->name);
    show_openings(chat);
    printf("Write one with its fields: request city=Graz days=3, or request {\"city\": \"Graz\"}.\n"
           "Ctrl-D ends.\n");
    return;
  }
  const struct hgl_chat_state state = state_of(chat);
  json_t *list = hgl_chat_sayable(&state);
  printf(json_array_size(list) || !chat->definition ? "What you may say now:\n"
                                                    : "It is %s's turn. You may say:\n",
         chat->name);
  show_list(chat->definition, "", list);
  printf("  refuse  why: string, code: string\n  /new  leave this dialogue, and begin another\n");
}

/* ---- hearing ---- */

static void forget_dialogue(struct chat *chat)
{
  chat->dialogue = 0;
  chat->definition = NULL;
  *chat->last = *chat->prefix = 0;
}

static void show_message(const json_t *message)
{
  const struct hgl_colours *colours = hgl_colours(stdout);
  struct hgl_buf text;
  struct hgl_bytes protocol, version, performative;
  struct hgl_err err;
  hgl_buf_init(&text, LINE_SIZE_MAX);
  if (hgl_type_parse(hgl_text(text_of(message, "type")), &protocol, &version, &performative, &err))
    performative = hgl_text(text_of(message, "type"));
  hgl_show_json(json_object_get(message, "body"), &text);
  printf("%s← ", colours->cyan);
  hgl_print_escaped(stdout, performative);
  printf("%s  %.*s\n", colours->plain, HGL_STR(hgl_buf_bytes(&text)));
  hgl_buf_deinit(&text);
}

static void note_last(struct chat *chat, const char *performative, bool ours)
{
  snprintf(chat->last, sizeof chat->last, "%s", performative);
  chat->last_was_ours = ours;
}

/* False: the dialogue is over. */
static bool take(struct chat *chat, const json_t *message)
{
  const char *type = text_of(message, "type"), *code = text_of(message, "undelivered");
  size_t size = strlen(chat->prefix);
  if (*code) {
    struct hgl_err err;
    hgl_fail(&err, HGL_UNDELIVERABLE, "not delivered: %.300s (%s)", text_of(message, "why"), code);
    complain(chat, &err);
    return false;
  }
  show_message(message);
  if (strncmp(type, chat->prefix, size) != 0) {
    chat->failed = true; /* refused */
    return false;
  }
  note_last(chat, type + size, false);
  const struct hgl_chat_state state = state_of(chat);
  return !hgl_chat_is_over(&state);
}

static int end_dialogue(struct chat *chat, struct hgl_err *err)
{
  json_t *result = NULL;
  json_t *request = json_pack("{s:s, s:I}", "call", "chat.end", "chat", chat->dialogue);
  forget_dialogue(chat);
  int status = hgl_client_call(chat->client, request, HGL_CLIENT_TIMEOUT_MS, &result, err);
  json_decref(result);
  return status;
}

/* What comes within this time. */
static int hear(struct chat *chat, int64_t within_ms, struct hgl_err *err)
{
  json_t *messages = NULL, *message;
  size_t index;
  bool goes_on = true;
  int status = hgl_client_call(chat->client,
                               json_pack("{s:s, s:I, s:I}", "call", "chat.hear", "chat",
                                         chat->dialogue, "within_ms", (json_int_t)within_ms),
                               (int)within_ms + MARGIN_MS, &messages, err);
  if (status) return status;
  json_array_foreach(messages, index, message)
  {
    goes_on = take(chat, message) && goes_on;
  }
  if (within_ms > GLANCE_MS && !index)
    printf("(nothing came within %lld s)\n", (long long)within_ms / 1000);
  json_decref(messages);
  fflush(stdout);
  return goes_on ? 0 : end_dialogue(chat, err);
}

/* ---- saying ---- */

/* A type that the agent listens for without having declared its protocol, by its last part. */
static size_t find_handler(const struct chat *chat, const char *word, char type[], size_t size)
{
  size_t index, found = 0;
  json_t *item;
  json_array_foreach(chat->handlers, index, item)
  {
    const char *handled = json_string_value(item), *slash = handled ? strrchr(handled, '/') : NULL;
    if (!slash || strcmp(slash + 1, word) != 0) continue;
    found++;
    snprintf(type, size, "%s", handled);
  }
  return found;
}

/* "weather/1.0/request" by its whole name, or "request" where only one protocol begins so. */
static int find_opening(struct chat *chat, const char *word, char type[], size_t size,
                        struct hgl_err *err)
{
  size_t index, found = 0;
  json_t *item;
  json_array_foreach(chat->protocols, index, item)
  {
    char prefix[sizeof chat->prefix];
    prefix_of(item, prefix);
    bool whole = strncmp(word, prefix, strlen(prefix)) == 0;
    const char *performative = whole ? word + strlen(prefix) : word;
    const struct hgl_chat_state state = {item, NULL, false};
    json_t *list = hgl_chat_sayable(&state), *opening;
    size_t at;
    json_array_foreach(list, at, opening)
    {
      if (strcmp(json_string_value(opening), performative) != 0) continue;
      found++;
      chat->definition = item;
      snprintf(type, size, "%s%s", prefix, performative);
    }
    json_decref(list);
  }
  if (found == 1) return 0;
  chat->definition = NULL;
  if (!found) found = find_handler(chat, word, type, size);
  if (found == 1) return 0;
  if (found)
    return hgl_fail(err, HGL_INVALID, "several protocols begin with '%.80s': write its whole type",
                    word);
  snprintf(type, size, "%s", word);
  if (strchr(word, '/')) return 0; /* it may listen for it all the same */
  return hgl_fail(err, HGL_INVALID, "no dialogue begins with '%.80s'; /help shows which", word);
}

/* One that is not needed may be left out: an empty line. */
static int ask_for(struct chat *chat, const char *name, const json_t *rule, json_t *body,
                   struct hgl_err *err)
{
  struct hgl_buf prompt;
  struct hgl_bytes text;
  json_t *value;
  hgl_buf_init(&prompt, LINE_SIZE_MAX);
  hgl_chat_prompt(name, rule, &prompt);
  hgl_buf_append_byte(&prompt, 0);
  int status = hgl_buf_check(&prompt, err);
  if (!status &&
      hgl_line_editor_read(chat->editor, (const char *)prompt.data, &text) != HGL_LINE_READ)
    status = hgl_fail(err, HGL_INVALID, "it was not said");
  hgl_buf_deinit(&prompt);
  bool optional = json_is_true(json_object_get(rule, "optional"));
  if (status || (!text.size && optional)) return status;
  if ((status = hgl_chat_value(rule, name, text, &value, err))) return status;
  json_object_set_new(body, name, value);
  return 0;
}

/* Asks for the fields that are needed and not there. */
static int complete_body(struct chat *chat, const char *performative, json_t *body,
                         struct hgl_err *err)
{
  const json_t *fields = hgl_chat_fields(chat->definition, performative);
  const char *name;
  json_t *rule;
  if (!chat->editor || json_object_size(body)) return 0;
  json_object_foreach((json_t *)fields, name, rule)
  {
    int status = ask_for(chat, name, rule, body, err);
    if (status) return status;
  }
  return 0;
}

static int open_dialogue(struct chat *chat, const char *type, json_t *body, struct hgl_err *err)
{
  struct hgl_bytes protocol, version, performative;
  json_t *result = NULL;
  int status = hgl_type_parse(hgl_text(type), &protocol, &version, &performative, err);
  if (status) return status;
  status = hgl_client_call(chat->client,
                           json_pack("{s:s, s:s, s:s, s:O}", "call", "chat.open", "to", chat->name,
                                     "type", type, "body", body),
                           HGL_CLIENT_TIMEOUT_MS, &result, err);
  if (status) return status;
  chat->dialogue = json_integer_value(json_object_get(result, "chat"));
  json_decref(result);
  snprintf(chat->prefix, sizeof chat->prefix, "%.*s", (int)(strlen(type) - performative.size),
           type);
  note_last(chat, type + strlen(type) - performative.size, true);
  return 0;
}

static int say(struct chat *chat, const char *performative, json_t *body, struct hgl_err *err)
{
  json_t *result = NULL;
  int status = hgl_client_call(chat->client,
                               json_pack("{s:s, s:I, s:s, s:O}", "call", "chat.say", "chat",
                                         chat->dialogue, "performative", performative, "body",
                                         body),
                               HGL_CLIENT_TIMEOUT_MS, &result, err);
  json_decref(result);
  if (!status) note_last(chat, performative, true);
  return status;
}

/* The word that the line begins with, as the dialogue needs it: a performative, or a whole type. */
static int say_line(struct chat *chat, const char *line, struct hgl_err *err)
{
  char type[sizeof chat->prefix + HGL_NAME_SIZE_MAX + 1];
  struct hgl_buf word;
  json_t *body = NULL;
  const char *space = line + strcspn(line, " \t");
  bool opens = !chat->dialogue;
  hgl_buf_init(&word, LINE_SIZE_MAX);
  hgl_buf_append(&word, line, (size_t)(space - line));
  hgl_buf_append_byte(&word, 0);
  int status = hgl_buf_check(&word, err);
  if (!status && opens)
    status = find_opening(chat, (const char *)word.data, type, sizeof type, err);
  hgl_buf_clear(&word);
  /* The definition names performatives, not types. */
  const char *slash = opens ? strrchr(line, '/') : NULL;
  bool whole = slash && slash < space;
  if (!status)
    status = hgl_chat_parse(chat->definition, whole ? slash + 1 : line, &word, &body, err);
  const char *performative = (const char *)word.data;
  if (!status) status = complete_body(chat, performative, body, err);
  if (!status)
    status = opens ? open_dialogue(chat, type, body, err) : say(chat, performative, body, err);
  bool refuses = !status && !opens && strcmp(performative, "refuse") == 0;
  const struct hgl_chat_state state = state_of(chat);
  bool over = !status && (refuses || hgl_chat_is_over(&state));
  json_decref(body);
  hgl_buf_deinit(&word);
  if (status && opens) forget_dialogue(chat);
  if (status) return status;
  return over ? end_dialogue(chat, err) : hear(chat, chat->within_ms, err);
}

/* ---- lines ---- */

static bool is_final(int status)
{
  return status == -HGL_CLOSED || status == -HGL_IO;
}

/* Negative: the chat cannot go on. */
static int take_line(struct chat *chat, struct hgl_bytes line, struct hgl_err *err)
{
  int status = 0;
  char *text = hgl_strndup((const char *)line.data, line.size);
  if (!text) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  const char *start = text + strspn(text, " \t");
  if (strcmp(start, "/help") == 0 || strcmp(start, "?") == 0)
    show_help(chat);
  else if (strcmp(start, "/new") == 0)
    status = chat->dialogue ? end_dialogue(chat, err) : 0;
  else if (*start == '/')
    status = hgl_fail(err, HGL_INVALID, "%.40s: there are /help and /new", start);
  else if (*start)
    status = say_line(chat, start, err);
  hgl_free(text);
  if (!status || is_final(status)) return status;
  complain(chat, err);
  return 0;
}

static json_t *complete(void *user, struct hgl_bytes text)
{
  const struct chat *chat = user;
  if (memchr(text.data, ' ', text.size)) return NULL;
  if (chat->dialogue) {
    const struct hgl_chat_state state = state_of(chat);
    return hgl_chat_sayable(&state);
  }
  json_t *all = json_copy(chat->handlers), *item;
  size_t index;
  json_array_foreach(chat->protocols, index, item)
  {
    const struct hgl_chat_state state = {item, NULL, false};
    json_t *list = hgl_chat_sayable(&state);
    json_array_extend(all, list);
    json_decref(list);
  }
  return all;
}

static int read_terminal(struct chat *chat, struct hgl_err *err)
{
  char prompt[HGL_NAME_SIZE_MAX + 8];
  struct hgl_bytes line;
  int status = hgl_line_editor_create(NULL, complete, chat, &chat->editor, err);
  if (!status) show_help(chat);
  while (!status) {
    snprintf(prompt, sizeof prompt, "%s%s ", chat->name, chat->dialogue ? ":" : ">");
    switch (hgl_line_editor_read(chat->editor, prompt, &line)) {
    case HGL_LINE_READ:
      if (chat->dialogue) status = hear(chat, GLANCE_MS, err);
      if (!status) status = take_line(chat, line, err);
      break;
    case HGL_LINE_CANCELLED:
      break;
    case HGL_LINE_CLOSED:
      printf("\n");
      chat->failed = false;
      return 0;
    }
  }
  return status;
}

static int take_input(void *user, struct hgl_bytes line, struct hgl_err *err)
{
  return take_line(user, line, err);
}

/* ---- the verb ---- */

static int begin(struct chat *chat, struct hgl_err *err)
{
  json_t *declared = NULL;
  int status = hgl_client_open(chat->data, &chat->client, err);
  if (!status)
    status = hgl_client_call(chat->client,
                             json_pack("{s:s, s:s}", "call", "agent.protocols", "name", chat->name),
                             HGL_CLIENT_TIMEOUT_MS, &declared, err);
  if (status) return status;
  chat->protocols = json_incref(json_object_get(declared, "protocols"));
  chat->handlers = json_incref(json_object_get(declared, "handlers"));
  json_decref(declared);
  return 0;
}

static int chat_main(const struct hgl_verb *verb, int argc, char **argv)
{
  struct chat chat = {.data = HGL_DATA_DEFAULT, .within_ms = ANSWER_MS};
  const struct hgl_option options[] = {
      {"data", "DIR", HGL_OPTION_TEXT, &chat.data,
       "the host's data folder (default " HGL_DATA_DEFAULT ")"},
      {"within", "DURATION", HGL_OPTION_DURATION, &chat.within_ms,
       "how long to wait for what a line brings about (10s)"},
  };
  struct hgl_texts words = {0};
  struct hgl_err err = {0};
  int status;
  if (!hgl_options_parse(verb, options, sizeof options / sizeof *options, argc, argv, &words,
                         &status))
    goto done;
  if (words.count != 1 || chat.within_ms < 2 || chat.within_ms > 3600 * 1000) {
    status = hgl_usage_fail(verb,
                            words.count == 1 ? "--within is 2ms to 1h" : "say to which agent");
    goto done;
  }
  chat.name = words.items[0];
  int ended = begin(&chat, &err);
  if (!ended)
    ended = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO)
                ? read_terminal(&chat, &err)
                : hgl_input_lines(take_input, &chat, &err);
  status = ended ? hgl_verb_fail(verb, &err) : chat.failed ? HGL_EXIT_FAILED : HGL_EXIT_OK;
done:
  hgl_line_editor_destroy(chat.editor);
  hgl_client_close(chat.client);
  json_decref(chat.protocols);
  json_decref(chat.handlers);
  hgl_texts_deinit(&words);
  return status;
}

const struct hgl_verb hgl_verb_chat = {
    .name = "chat",
    .usage = "[--data DIR] [--within 10s] NAME",
    .summary = "talk to an agent, message by message",
    .help =
        "You speak as the agent \"operator\", through the protocols that the agent declares: "
        "/help\n"
        "shows what you may say, and Tab completes it. A message is its performative with fields,\n"
        "or with its body as JSON; in a terminal you are asked for the fields that you leave out.\n"
        "A dialogue goes on until it ends, you refuse, or you write /new. Ctrl-D ends.\n\n"
        "  $ haggle chat broker\n"
        "  broker> compare service=telemetry.load\n"
        "  ← sellers  {\"sellers\":[…]}\n\n"
        "Lines can come from a file or a pipe; the exit status is 1 when one was refused.",
    .main = chat_main,
};
