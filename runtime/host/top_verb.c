/* haggle top: a host in figures and its busiest agents, in a terminal, as long as one looks. */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/mem.h"
#include "host/client.h"
#include "host/top_screen.h"

enum {
  LOOK_MS = 100, /* how often keys and the terminal's size are looked at */
  AGENTS_MAX = 200,
  COLUMNS_DEFAULT = 80,
  ROWS_DEFAULT = 24,
};

/* ---- the terminal ---- */

static volatile sig_atomic_t ended; /* the signal that asks for it, or 0 */

static void end(int number)
{
  ended = number;
}

/* Keys come one by one and are not shown, and what was on the screen comes back afterwards. */
static void take_terminal(struct termios *before)
{
  const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGTSTP};
  struct sigaction action = {.sa_handler = end};
  struct termios raw;
  for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
    sigaction(signals[i], &action, NULL);
  tcgetattr(STDIN_FILENO, before);
  raw = *before;
  raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
  tcsetattr(STDIN_FILENO, TCSANOW, &raw);
  printf("\x1b[?1049h\x1b[?25l");
  fflush(stdout);
}

static void give_terminal(const struct termios *before)
{
  printf("\x1b[?25h\x1b[?1049l");
  fflush(stdout);
  tcsetattr(STDIN_FILENO, TCSANOW, before);
}

/* As a shell expects it: the terminal is as it was while somebody else has it. */
static void stand_aside(struct termios *before)
{
  give_terminal(before);
  raise(SIGSTOP);
  ended = 0;
  take_terminal(before);
}

static void get_size(size_t *columns, size_t *rows)
{
  struct winsize size = {0};
  ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
  *columns = size.ws_col ? size.ws_col : COLUMNS_DEFAULT;
  *rows = size.ws_row ? size.ws_row : ROWS_DEFAULT;
}

/* 0: none came. */
static char get_key(void)
{
  struct pollfd wait = {.fd = STDIN_FILENO, .events = POLLIN};
  char key;
  return poll(&wait, 1, 0) > 0 && read(STDIN_FILENO, &key, 1) == 1 ? key : 0;
}

/* Line after line in place, without wiping first: nothing flickers. */
static int show(const struct hgl_top *top, size_t columns, size_t rows, struct hgl_err *err)
{
  struct hgl_buf screen;
  hgl_buf_init(&screen, 1 << 20);
  hgl_top_draw(top, columns, rows, hgl_colours(stdout), &screen);
  int status = hgl_buf_check(&screen, err);
  printf("\x1b[H");
  for (size_t i = 0; !status && i < screen.size; i++) {
    if (screen.data[i] == '\n') printf("\x1b[K\r");
    putchar(screen.data[i]);
  }
  printf("\x1b[K\x1b[J");
  if (fflush(stdout)) status = hgl_fail(err, HGL_CLOSED, "standard output is closed");
  hgl_buf_deinit(&screen);
  return status;
}

/* ---- what it looks at ---- */

static int ask(struct hgl_client *client, json_t *request, struct hgl_err *err)
{
  if (!request) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  return hgl_client_send(client, request, err);
}

static int look_at_overview(struct hgl_client *client, struct hgl_err *err)
{
  return ask(client,
             json_pack("{s:s, s:s, s:s, s:i, s:s}", "call", "subscribe", "topic", "overview", "as",
                       "overview", "history", HGL_TOP_HISTORY, "id", "overview"),
             err);
}

static int look_at_agents(struct hgl_client *client, const char *sort, size_t room,
                          struct hgl_err *err)
{
  bool upwards = strcmp(sort, "name") == 0 || strcmp(sort, "status") == 0;
  int limit = (int)(room < 1 ? 1 : room > AGENTS_MAX ? AGENTS_MAX : room);
  return ask(client,
             json_pack("{s:s, s:s, s:s, s:s, s:b, s:i, s:s}", "call", "subscribe", "topic",
                       "agents", "as", "agents", "sort", sort, "descending", !upwards, "limit",
                       limit, "id", "agents"),
             err);
}

/* Answers to subscriptions come among the events; one that was refused ends it all. */
static int take(struct hgl_top *top, json_t *message, bool *news, struct hgl_err *err)
{
  json_t *result = NULL;
  if (json_object_get(message, "event")) {
    *news = true;
    int status = top->paused ? 0 : hgl_top_take(top, message, err);
    json_decref(message);
    return status;
  }
  int status = hgl_client_unpack(message, &result, err);
  json_decref(result);
  return status;
}

/* ---- keys ---- */

static const struct {
  char key;
  const char *sort;
} sorts[] = {{'c', "cpu"},    {'h', "handled"},  {'s', "sent"}, {'w', "mailbox"}, {'m', "memory"},
             {'r', "raised"}, {'R', "restarts"}, {'n', "name"}, {'t', "status"}};

/* True: something is to be shown anew. */
static bool obey(struct hgl_top *top, char key)
{
  if (key == 'q') ended = SIGINT;
  if (key == 'p' || key == ' ') top->paused = !top->paused;
  for (size_t i = 0; i < sizeof sorts / sizeof *sorts; i++)
    if (sorts[i].key == key) top->sort = sorts[i].sort;
  return key != 0;
}

/* ---- the verb ---- */

static int watch(struct hgl_client *client, struct hgl_top *top, struct termios *before,
                 struct hgl_err *err)
{
  size_t columns = 0, rows = 0;
  int status = look_at_overview(client, err);
  const char *sort = NULL;
  while (!status && !ended) {
    size_t columns_now, rows_now;
    json_t *message = NULL;
    bool news = false;
    get_size(&columns_now, &rows_now);
    news = columns_now != columns || rows_now != rows;
    if (!sort || news || strcmp(sort, top->sort) != 0) {
      sort = top->sort;
      status = look_at_agents(client, sort, hgl_top_room(top, rows_now), err);
    }
    columns = columns_now;
    rows = rows_now;
    if (!status) status = hgl_client_answer(client, LOOK_MS, &message, err);
    if (!status) status = take(top, message, &news, err);
    if (status == -HGL_TIMEOUT) status = 0;
    news |= obey(top, get_key());
    if (!status && news) status = show(top, columns, rows, err);
    if (ended == SIGTSTP) stand_aside(before), columns = 0;
  }
  return status;
}

/* A line for each second, or each event as it comes. */
static int print(struct hgl_client *client, struct hgl_top *top, bool json, struct hgl_err *err)
{
  struct hgl_buf line;
  int status = look_at_overview(client, err);
  if (!status && json) status = look_at_agents(client, top->sort, 20, err);
  hgl_buf_init(&line, 65536);
  while (!status) {
    json_t *message = NULL;
    bool news = false;
    if ((status = hgl_client_answer(client, -1, &message, err))) break;
    if (json && json_object_get(message, "event")) {
      status = hgl_print_json(message, err);
      json_decref(message);
      continue;
    }
    status = take(top, message, &news, err);
    if (status || !news || !json_array_size(top->samples)) continue;
    hgl_buf_clear(&line);
    hgl_top_line(top, &line);
    if (fwrite(line.data, 1, line.size, stdout) != line.size || fflush(stdout))
      status = hgl_fail(err, HGL_CLOSED, "standard output is closed");
  }
  hgl_buf_deinit(&line);
  return status;
}

static int look(const char *data, bool json, struct hgl_err *err)
{
  struct hgl_client *client;
  struct hgl_top top;
  struct termios before;
  int status = hgl_client_open(data, &client, err);
  if (status) return status;
  hgl_top_init(&top);
  if (json || !isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
    status = print(client, &top, json, err);
  } else {
    take_terminal(&before);
    status = watch(client, &top, &before, err);
    give_terminal(&before);
  }
  hgl_top_deinit(&top);
  hgl_client_close(client);
  return status;
}

static int top_main(const struct hgl_verb *verb, int argc, char **argv)
{
  const char *data = HGL_DATA_DEFAULT;
  bool json = false;
  const struct hgl_option options[] = {HGL_CLIENT_OPTIONS(&data, &json)};
  struct hgl_texts words = {0};
  struct hgl_err err = {0};
  int status;
  if (hgl_options_parse(verb, options, 2, argc, argv, &words, &status) && look(data, json, &err) &&
      !ferror(stdout))
    status = hgl_verb_fail(verb, &err); /* whoever read it may leave: that is no failure */
  hgl_texts_deinit(&words);
  return status;
}

const struct hgl_verb hgl_verb_top = {
    .name = "top",
    .usage = "[--data DIR] [--json]",
    .summary = "see a running host in figures, and its busiest agents",
    .help = "Shows what a running host does, second by second, what is wrong with it, and which of "
            "its\n"
            "agents are busiest, until q. Keys choose what they are sorted by. Where it is not a\n"
            "terminal that it writes to: a line a second. With --json: the events of the feed, as\n"
            "dashboard/FEED.md describes them, one a line.\n\n"
            "  haggle top\n"
            "  haggle top --data north\n"
            "  haggle top --json | jq -c 'select(.event == \"agents\") | .agents[0].name'",
    .main = top_main,
};
