/* haggle console: lines of Lua that run within an agent. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/host.h"
#include "base/mem.h"
#include "host/client.h"
#include "host/console_chunk.h"
#include "host/line_editor.h"
#include "host/text.h"

enum { LOOK_MS = 200 };

struct console {
  const struct hgl_verb *verb;
  const char *data, *name;
  struct hgl_texts expressions;
  bool json;
  struct hgl_client *client;
  struct hgl_client *log;         /* of the agent, while a line runs; NULL: it is not shown */
  struct hgl_line_editor *editor; /* NULL: standard input is no terminal */
  struct hgl_buf text;            /* the lines of one chunk so far */
  json_int_t lines;
  bool failed; /* a line raised */
};

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number)
{
  interrupted = 1;
}

/* ---- one chunk ---- */

/* Text of several lines, each of them escaped. */
static void print_lines(FILE *file, const char *text)
{
  for (const char *end; *text; text = end + (*end == '\n')) {
    end = text + strcspn(text, "\n");
    hgl_print_escaped(file, hgl_bytes(text, (size_t)(end - text)));
    fprintf(file, "\n");
  }
}

static const char *text_of(const json_t *object, const char *field)
{
  const char *text = json_string_value(json_object_get(object, field));
  return text ? text : "";
}

static void show(struct console *console, const json_t *result)
{
  const char *undone = text_of(result, "rolled_back");
  struct hgl_err ignored;
  if (json_object_get(result, "raised")) console->failed = true;
  if (console->json) {
    (void)!hgl_print_json(result, &ignored);
    return;
  }
  if (!json_object_get(result, "raised")) {
    print_lines(stdout, text_of(result, "shown"));
    fflush(stdout);
    return;
  }
  fflush(stdout);
  print_lines(stderr, text_of(result, "raised"));
  if (strstr(text_of(result, "traceback"), "\n")) print_lines(stderr, text_of(result, "traceback"));
  if (*undone) fprintf(stderr, "rolled back: %s\n", undone);
}

/* What the agent logs while a line runs is shown, like what a line prints. Without that a line runs
 * all the same. */
static void open_log(struct console *console)
{
  json_t *result = NULL;
  struct hgl_err ignored;
  if (console->json || hgl_client_open(console->data, &console->log, &ignored)) return;
  json_t *request = json_pack("{s:s, s:[s], s:s}", "call", "tail", "kinds", "log", "agent",
                              console->name);
  if (hgl_client_call(console->log, request, HGL_CLIENT_TIMEOUT_MS, &result, &ignored)) {
    hgl_client_close(console->log);
    console->log = NULL;
  }
  json_decref(result);
}

static void show_event(const struct console *console, const json_t *event)
{
  const struct hgl_colours *colours = hgl_colours(stderr);
  const json_t *fields = json_object_get(event, "fields");
  struct hgl_buf text;
  if (strcmp(text_of(event, "agent"), console->name) != 0) return; /* the host, of the agent */
  hgl_buf_init(&text, HGL_CONSOLE_LINE_SIZE_MAX);
  hgl_show_json(json_object_get(event, "text"), &text);
  if (json_is_object(fields)) {
    hgl_buf_append_text(&text, "  ");
    hgl_show_json(fields, &text);
  }
  fprintf(stderr, "%s%.*s%s\n", colours->dim, HGL_STR(hgl_buf_bytes(&text)), colours->plain);
  hgl_buf_deinit(&text);
}

static void show_log(const struct console *console)
{
  json_t *event;
  struct hgl_err ignored;
  while (console->log && hgl_client_answer(console->log, 0, &event, &ignored) == 0) {
    show_event(console, event);
    json_decref(event);
  }
}

/* Its answer, among others. Ctrl-C gives up a line that waits. */
static int await(struct console *console, json_t **result, struct hgl_err *err)
{
  json_t *answer;
  interrupted = 0;
  for (;;) {
    if (interrupted) {
      interrupted = 0;
      int status = hgl_client_send(
          console->client,
          json_pack("{s:s, s:I, s:s}", "call", "console.stop", "of", console->lines, "id", "stop"),
          err);
      if (status) return status;
    }
    int status = hgl_client_answer(console->client, LOOK_MS, &answer, err);
    show_log(console);
    if (status == -HGL_TIMEOUT) continue;
    if (status) return status;
    const json_t *id = json_object_get(answer, "id");
    if (json_is_integer(id) && json_integer_value(id) == console->lines)
      return hgl_client_unpack(answer, result, err);
    json_decref(answer);
  }
}

/* Negative: the console cannot go on. */
static int run(struct console *console, const char *text, struct hgl_err *err)
{
  json_t *result = NULL;
  json_t *request = json_pack("{s:s, s:s, s:s, s:I}", "call", "console", "name", console->name,
                              "line", text, "id", ++console->lines);
  if (!request) {
    fprintf(stderr, "a line is UTF-8 text\n");
    console->failed = true;
    return 0;
  }
  open_log(console);
  int status = hgl_client_send(console->client, request, err);
  if (!status) status = await(console, &result, err);
  hgl_client_close(console->log);
  console->log = NULL;
  if (!status) show(console, result);
  json_decref(result);
  if (status == 0) return 0;
  console->failed = true;
  if (status == -HGL_CLOSED || status == -HGL_IO || status == -HGL_NOT_FOUND) return status;
  fflush(stdout);
  print_lines(stderr, err->message);
  return 0;
}

/* ---- lines ---- */

static int add_line(struct console *console, struct hgl_bytes line, bool last, struct hgl_err *err)
{
  struct hgl_buf *text = &console->text;
  if (text->size) hgl_buf_append_byte(text, '\n');
  hgl_buf_append_bytes(text, line);
  if (hgl_buf_check(text, err)) {
    hgl_buf_deinit(text);
    return -(int)err->code;
  }
  if (!last && hgl_console_breaks_off(hgl_buf_bytes(text))) return 0;
  hgl_buf_append_byte(text, 0);
  int status = hgl_buf_check(text, err);
  const char *whole = (const char *)text->data;
  bool blank = !status && strspn(whole, " \t\r\n") == strlen(whole);
  if (!status && !blank) {
    if (console->editor) hgl_line_editor_remember(console->editor, whole);
    status = run(console, whole, err);
  }
  hgl_buf_clear(text);
  return status;
}

static int read_terminal(struct console *console, struct hgl_err *err)
{
  char prompt[HGL_NAME_SIZE_MAX + 8], more[HGL_NAME_SIZE_MAX + 8];
  struct hgl_bytes line;
  int status = 0;
  snprintf(prompt, sizeof prompt, "%s> ", console->name);
  snprintf(more, sizeof more, "%*s> ", (int)strlen(console->name), ">");
  while (!status) {
    switch (hgl_line_editor_read(console->editor, console->text.size ? more : prompt, &line)) {
    case HGL_LINE_READ:
      status = add_line(console, line, false, err);
      break;
    case HGL_LINE_CANCELLED:
      hgl_buf_clear(&console->text);
      break;
    case HGL_LINE_CLOSED:
      printf("\n");
      console->failed = false;
      return 0;
    }
  }
  return status;
}

static int take_input(void *user, struct hgl_bytes line, struct hgl_err *err)
{
  return add_line(user, line, false, err);
}

static int read_input(struct console *console, struct hgl_err *err)
{
  int status = hgl_input_lines(take_input, console, err);
  return !status && console->text.size ? add_line(console, hgl_bytes("", 0), true, err) : status;
}

/* ---- the terminal ---- */

static json_t *complete(void *user, struct hgl_bytes text)
{
  struct console *console = user;
  struct hgl_err ignored;
  struct hgl_buf all;
  json_t *names = NULL;
  hgl_buf_init(&all, HGL_CONSOLE_LINE_SIZE_MAX);
  hgl_buf_append_bytes(&all, hgl_buf_bytes(&console->text));
  if (all.size) hgl_buf_append_byte(&all, '\n');
  hgl_buf_append_bytes(&all, text);
  if (!all.failed &&
      hgl_client_call(console->client,
                      json_pack("{s:s, s:s, s:s%}", "call", "complete", "name", console->name,
                                "text", all.data ? (const char *)all.data : "", all.size),
                      HGL_CLIENT_TIMEOUT_MS, &names, &ignored))
    names = NULL;
  hgl_buf_deinit(&all);
  return names;
}

static bool make_folder(char *path)
{
  for (char *at = path + 1; *at; at++) {
    if (*at != '/') continue;
    *at = 0;
    bool made = mkdir(path, 0700) == 0 || errno == EEXIST;
    *at = '/';
    if (!made) return false;
  }
  return true;
}

/* $XDG_STATE_HOME/haggle/console_history; false: there is no place for one. */
static bool history_path(char out[PATH_MAX])
{
  const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
  int size = -1;
  if (state && *state == '/')
    size = snprintf(out, PATH_MAX, "%s/haggle/console_history", state);
  else if (home && *home == '/')
    size = snprintf(out, PATH_MAX, "%s/.local/state/haggle/console_history", home);
  return size > 0 && size < PATH_MAX && make_folder(out);
}

static int open_terminal(struct console *console, struct hgl_err *err)
{
  char path[PATH_MAX];
  bool kept = history_path(path);
  if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) return 0;
  printf("Lines of Lua run within %s, each as one transaction, with all that it may do. Ctrl-D "
         "ends.\n",
         console->name);
  return hgl_line_editor_create(kept ? path : NULL, complete, console, &console->editor, err);
}

/* ---- the verb ---- */

/* That the agent can be spoken with is said before the first line. */
static int greet(struct console *console, struct hgl_err *err)
{
  json_t *names = NULL;
  int status = hgl_client_call(
      console->client,
      json_pack("{s:s, s:s, s:s}", "call", "complete", "name", console->name, "text", "?"),
      HGL_CLIENT_TIMEOUT_MS, &names, err);
  json_decref(names);
  return status;
}

static int talk(struct console *console, struct hgl_err *err)
{
  int status = greet(console, err);
  for (size_t i = 0; i < console->expressions.count && !status; i++)
    status = run(console, console->expressions.items[i], err);
  if (status || console->expressions.count) return status;
  if ((status = open_terminal(console, err))) return status;
  return console->editor ? read_terminal(console, err) : read_input(console, err);
}

static int open_and_talk(struct console *console)
{
  struct sigaction action = {.sa_handler = on_interrupt}, before;
  struct hgl_err err = {0};
  int status = hgl_client_open(console->data, &console->client, &err);
  hgl_buf_init(&console->text, HGL_CONSOLE_LINE_SIZE_MAX + 1);
  sigaction(SIGINT, &action, &before);
  if (!status) status = talk(console, &err);
  sigaction(SIGINT, &before, NULL);
  hgl_line_editor_destroy(console->editor);
  hgl_client_close(console->client);
  hgl_buf_deinit(&console->text);
  if (status) return hgl_verb_fail(console->verb, &err);
  return console->failed ? HGL_EXIT_FAILED : HGL_EXIT_OK;
}

static int console_main(const struct hgl_verb *verb, int argc, char **argv)
{
  struct console console = {.verb = verb, .data = HGL_DATA_DEFAULT};
  const struct hgl_option options[] = {
      HGL_CLIENT_OPTIONS(&console.data, &console.json),
      {"eval", "LUA", HGL_OPTION_LIST, &console.expressions,
       "runs this instead of reading lines (may be given several\ntimes); also: -e"},
  };
  static char whole[] = "--eval";
  struct hgl_texts words = {0};
  int status;
  for (int i = 1; i < argc; i++)
    if (strcmp(argv[i], "-e") == 0) argv[i] = whole;
  if (!hgl_options_parse(verb, options, sizeof options / sizeof *options, argc, argv, &words,
                         &status))
    goto done;
  if (words.count != 1) {
    status = hgl_usage_fail(verb, "name one agent");
    goto done;
  }
  console.name = words.items[0];
  status = open_and_talk(&console);
done:
  hgl_texts_deinit(&words);
  hgl_texts_deinit(&console.expressions);
  return status;
}

const struct hgl_verb hgl_verb_console = {
    .name = "console",
    .usage = "[OPTION…] NAME [-e LUA]…",
    .summary = "run lines of Lua within an agent",
    .help =
        "Each line (or several, while the first is not whole) runs in the agent's sandbox, with\n"
        "its state, its grants and its limits, as one transaction: what it does happens as if a\n"
        "handler had done it, and when it raises, nothing has happened. What you can do here is\n"
        "all that the agent could do itself: send in its name, change its state, set its timers.\n"
        "Every line is in the host's log, with the user who gave it. What the agent logs\n"
        "meanwhile, and what a line prints, is shown here as well, on standard error.\n\n"
        "A line may wait (agent.ask, agent.sleep); Ctrl-C gives it up, what it did before it\n"
        "waited stays. When the host stops meanwhile the line goes on after its start.\n"
        "Globals of the script are there; its local variables are not, and a line's own locals\n"
        "end with it: what is to stay goes into `state`.\n\n"
        "Tab completes names, the arrow keys find earlier lines, which are kept in\n"
        "~/.local/state/haggle/console_history. Standard input may be a file; the exit status is "
        "1\n"
        "when a line raised.\n\n"
        "  haggle console kiosk\n"
        "  haggle console kiosk -e 'state.stock'\n"
        "  haggle console kiosk -e 'agent.ask(\"kiosk\", \"echo/1.0/say\", { text = \"hi\" })'\n"
        "  haggle console kiosk <repair.lua",
    .main = console_main,
};
