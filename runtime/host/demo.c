/* `haggle demo`: two hosts in two processes, sellers and buyers spread over them, deals as they
 * close. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/seam.h"
#include "host/child.h"
#include "host/options.h"
#include "host/paths.h"
#include "host/text.h"
#include "protocol/value.h"

enum { HOSTS = 2, READY_TIMEOUT_MS = 20000, STOP_TIMEOUT_MS = 15000, SUMMARY_EVERY_MS = 1000 };

static const char *const host_names[HOSTS] = {"north", "south"};

struct demo {
  bool json;
  int64_t seconds; /* 0: until interrupted */
  const char *data;
  struct hgl_child hosts[HOSTS];
  struct hgl_control_caller *tails[HOSTS];
  uint64_t deals, rounds, volume; /* closed since this start */
  uint64_t breaches;
  json_int_t messages, agents; /* as the hosts last told */
  json_t *names;               /* did → name of the agents of both hosts */
  bool tty;
  bool line_open; /* the summary stands on the current line */
  int64_t started_ns;
};

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
  interrupted = number;
}

/* ---- hosts ---- */

/* The agents of each host stand in its host file; data folder, port and peer are this program's. */
static int start_host(struct demo *demo, int index, const char *agents, struct hgl_err *err)
{
  char config[PATH_MAX], data[PATH_MAX];
  snprintf(config, sizeof config, "%s/market-demo/%s.lua", agents, host_names[index]);
  snprintf(data, sizeof data, "%s/%s", demo->data, host_names[index]);
  const char *arguments[10] = {"--config", config, "--listen", "127.0.0.1:0"};
  if (index > 0) {
    arguments[4] = "--join";
    arguments[5] = demo->hosts[0].join_url;
  }
  int status = hgl_child_start(&demo->hosts[index], data, arguments, err);
  return status ? status : hgl_child_wait_ready(&demo->hosts[index], READY_TIMEOUT_MS, err);
}

static int watch_deals(struct demo *demo, int index, struct hgl_err *err)
{
  static const char request[] = "{\"call\":\"tail\",\"kinds\":[\"deal\"]}";
  struct hgl_socket_path path = {.folder_fd = -1};
  int status = hgl_socket_path_open(&path, demo->hosts[index].data, err);
  if (!status) status = hgl_control_connect(path.text, &demo->tails[index], err);
  if (!status) status = hgl_control_call(demo->tails[index], hgl_text(request), err);
  hgl_socket_path_close(&path);
  return status;
}

static int learn_names(struct demo *demo, int index, struct hgl_err *err)
{
  json_t *agents = NULL, *agent;
  size_t i;
  int status = hgl_child_call(&demo->hosts[index], "{\"call\":\"agents\"}", 5000, &agents, err);
  json_array_foreach(agents, i, agent)
  {
    const char *did = json_string_value(json_object_get(agent, "did"));
    if (did) json_object_set(demo->names, did, json_object_get(agent, "name"));
  }
  json_decref(agents);
  return status;
}

/* Whoever plays with the demo may act in it. */
static int show_dashboard(struct demo *demo, int index, struct hgl_err *err)
{
  json_t *links = NULL;
  int status = hgl_child_call(&demo->hosts[index], "{\"call\":\"dashboard\"}", 5000, &links, err);
  const char *link = json_string_value(json_object_get(links, "operator"));
  if (link) printf("           dashboard %s\n", link);
  json_decref(links);
  return status;
}

static int agents_folder(char out[PATH_MAX], struct hgl_err *err)
{
  char stdlib[PATH_MAX];
  int status = hgl_stdlib_folder(stdlib, err);
  if (!status && snprintf(out, PATH_MAX, "%s/../agents", stdlib) >= PATH_MAX)
    status = hgl_fail(err, HGL_INVALID, "the path of the agents is too long");
  return status;
}

/* ---- showing ---- */

static void end_line(struct demo *demo)
{
  if (demo->line_open) fputs("\r\x1b[K", stdout);
  demo->line_open = false;
}

static int sum(struct demo *demo, const char *field, json_int_t *out, struct hgl_err *err)
{
  json_int_t total = 0;
  for (int i = 0; i < HOSTS; i++) {
    json_t *host = NULL;
    int status = hgl_child_call(&demo->hosts[i], "{\"call\":\"describe\"}", 5000, &host, err);
    if (status) return status;
    total += json_integer_value(json_object_get(host, field));
    json_decref(host);
  }
  *out = total;
  return 0;
}

static int ask_totals(struct demo *demo, struct hgl_err *err)
{
  int status = sum(demo, "handled", &demo->messages, err);
  if (!status) status = sum(demo, "agents", &demo->agents, err);
  return status;
}

static void print_summary(const struct demo *demo)
{
  int64_t seconds = (hgl_mono_ns(&hgl_clock_system) - demo->started_ns) / 1000000000;
  double deals = demo->deals ? (double)demo->deals : 1;
  printf("%" PRIu64 " deals, %.1f rounds and %.1f paid on average, %lld messages handled, %llds",
         demo->deals, (double)demo->rounds / deals, (double)demo->volume / deals,
         (long long)demo->messages, (long long)seconds);
}

static void show_summary(struct demo *demo)
{
  if (demo->json || !demo->tty) return;
  const struct hgl_colours *colours = hgl_colours(stdout);
  printf("\r\x1b[K%s", colours->dim);
  print_summary(demo);
  printf(" — Ctrl-C stops%s", colours->plain);
  fflush(stdout);
  demo->line_open = true;
}

/* Both sides record a deal; the buyer's word counts here. */
static void show_deal(struct demo *demo, int index, const json_t *deal)
{
  const char *role = json_string_value(json_object_get(deal, "role"));
  const char *state = json_string_value(json_object_get(deal, "status"));
  if (!role || !state || strcmp(role, "buyer") != 0) return;
  bool breach = strcmp(state, "breached") == 0;
  if (!breach && strcmp(state, "delivered") != 0) return;
  json_int_t price = json_integer_value(json_object_get(deal, "price"));
  json_int_t rounds = json_integer_value(json_object_get(deal, "rounds"));
  demo->breaches += breach;
  if (!breach) {
    demo->deals++;
    demo->rounds += (uint64_t)rounds;
    demo->volume += (uint64_t)price;
  }
  if (demo->json) return;
  const struct hgl_colours *colours = hgl_colours(stdout);
  char time[HGL_TIME_TEXT_SIZE];
  const char *buyer = json_string_value(json_object_get(deal, "agent"));
  const char *did = json_string_value(json_object_get(deal, "counterparty"));
  const char *seller = did ? json_string_value(json_object_get(demo->names, did)) : NULL;
  const char *service = json_string_value(json_object_get(deal, "service"));
  hgl_time_text(hgl_wall_ms(&hgl_clock_system), false, time);
  end_line(demo);
  printf("%.8s  %s%-4s%s bought %-17s from %-8s for %s%2lld%s after %lld round%s", time + 11,
         breach ? colours->red : colours->green, buyer ? buyer : "?", colours->plain,
         service ? service : "?", seller ? seller : "?", colours->bold, (long long)price,
         colours->plain, (long long)rounds, rounds == 1 ? "" : "s");
  if (breach) printf("  %sbreached%s", colours->red, colours->plain);
  printf("  (%s)\n", host_names[index]);
  fflush(stdout);
}

static int read_deals(struct demo *demo, int index, int timeout_ms, struct hgl_err *err)
{
  struct hgl_bytes line;
  int status = hgl_control_next(demo->tails[index], timeout_ms, &line, err);
  if (status == -HGL_TIMEOUT) return 0;
  if (status) return hgl_fail_in(err, "host %s", host_names[index]);
  json_t *event = NULL;
  if ((status = hgl_json_parse(line, HGL_CONTROL_LINE_SIZE_MAX, &event, err))) return status;
  show_deal(demo, index, event);
  json_decref(event);
  return 0;
}

/* ---- the whole ---- */

static int start(struct demo *demo, struct hgl_err *err)
{
  char agents[PATH_MAX];
  int status = agents_folder(agents, err);
  bool again = access(demo->data, F_OK) == 0;
  for (int i = 0; i < HOSTS && !status; i++) {
    status = start_host(demo, i, agents, err);
    if (!status) status = learn_names(demo, i, err);
    if (!status) status = watch_deals(demo, i, err);
    if (status || demo->json) continue;
    printf("host %s  %s\n           data %s\n", host_names[i], demo->hosts[i].join_url,
           demo->hosts[i].data);
    status = show_dashboard(demo, i, err);
  }
  if (!status && !demo->json && again) printf("\nGoing on where the last run stopped.\n");
  if (!status && !demo->json)
    printf("\nTry, in another terminal:\n  haggle agents --data %s\n  haggle tail --data %s\n\n",
           demo->hosts[0].data, demo->hosts[1].data);
  fflush(stdout);
  return status;
}

static int trade(struct demo *demo, struct hgl_err *err)
{
  int64_t until = demo->seconds ? demo->started_ns + demo->seconds * 1000000000 : INT64_MAX;
  int64_t summary = 0;
  int status = 0;
  while (!status && !interrupted && !ferror(stdout)) { /* until nobody reads it, too */
    int64_t now = hgl_mono_ns(&hgl_clock_system);
    if (now >= until) break;
    for (int i = 0; i < HOSTS && !status && !interrupted; i++)
      status = read_deals(demo, i, 50, err);
    if (!status && now >= summary) {
      if (!(status = ask_totals(demo, err))) show_summary(demo);
      summary = now + (int64_t)SUMMARY_EVERY_MS * 1000000;
    }
  }
  return interrupted ? 0 : status;
}

static int finish(struct demo *demo, struct hgl_err *err)
{
  /* Ctrl-C reaches the hosts as well: then what they told last counts. */
  int status = interrupted ? 0 : ask_totals(demo, err);
  if (status) return status;
  end_line(demo);
  if (!demo->json) {
    print_summary(demo);
    printf("\nstopping; a later start goes on from here\n");
    return 0;
  }
  /* Each host has an operator, who does not trade. */
  json_int_t agents = demo->agents > HOSTS ? demo->agents - HOSTS : 0;
  json_t *totals = json_pack("{s:i, s:I, s:I, s:I, s:I, s:I}", "hosts", HOSTS, "agents", agents,
                             "messages", demo->messages, "deals", (json_int_t)demo->deals,
                             "breaches", (json_int_t)demo->breaches, "rounds",
                             (json_int_t)demo->rounds);
  status = hgl_print_json(totals, err);
  json_decref(totals);
  return status;
}

static int run(struct demo *demo, struct hgl_err *err)
{
  struct sigaction action = {.sa_handler = on_signal};
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGTERM, &action, NULL);
  demo->tty = isatty(STDOUT_FILENO);
  demo->names = json_object();
  demo->started_ns = hgl_mono_ns(&hgl_clock_system);
  int status = start(demo, err);
  if (!status) status = trade(demo, err);
  if (!status) status = finish(demo, err);
  end_line(demo);
  for (int i = 0; i < HOSTS; i++) {
    hgl_control_hang_up(demo->tails[i]);
    hgl_child_stop(&demo->hosts[i], STOP_TIMEOUT_MS);
  }
  json_decref(demo->names);
  return interrupted ? 0 : status;
}

/* $XDG_STATE_HOME/haggle/demo, or ~/.local/state/haggle/demo. */
static int default_data(char out[PATH_MAX], struct hgl_err *err)
{
  const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
  int size = state && *state ? snprintf(out, PATH_MAX, "%s/haggle/demo", state)
             : home && *home ? snprintf(out, PATH_MAX, "%s/.local/state/haggle/demo", home)
                             : -1;
  if (size < 0 || size >= PATH_MAX)
    return hgl_fail(err, HGL_INVALID, "no HOME is set; name a folder with --data DIR");
  return 0;
}

static int demo_main(const struct hgl_verb *verb, int argc, char **argv)
{
  struct demo demo = {.seconds = -1};
  struct hgl_texts words = {0};
  struct hgl_err err = {0};
  char data[PATH_MAX];
  int exit_status;
  const struct hgl_option options[] = {
      {"seconds", "N", HGL_OPTION_COUNT, &demo.seconds, "stop by itself after N seconds"},
      {"data", "DIR", HGL_OPTION_TEXT, &demo.data,
       "where the two hosts keep their data (default: ~/.local/state/haggle/demo)"},
      {"json", NULL, HGL_OPTION_FLAG, &demo.json, "print only the totals, as one JSON object"},
  };
  if (!hgl_options_parse(verb, options, sizeof options / sizeof *options, argc, argv, &words,
                         &exit_status)) {
    hgl_texts_deinit(&words);
    return exit_status;
  }
  bool extra = words.count > 0;
  hgl_texts_deinit(&words);
  if (extra) return hgl_usage_fail(verb, "the demo takes options only");
  if (demo.seconds == 0) return hgl_usage_fail(verb, "--seconds is at least 1");
  if (demo.seconds < 0) demo.seconds = 0;
  int status = demo.data ? 0 : default_data(data, &err);
  if (!demo.data) demo.data = data;
  if (!status) status = run(&demo, &err);
  return status ? hgl_verb_fail(verb, &err) : HGL_EXIT_OK;
}

const struct hgl_verb hgl_verb_demo = {
    .name = "demo",
    .usage = "[OPTION…]",
    .summary = "a live market: two hosts, sellers and buyers, deals as they close",
    .help =
        "Starts two hosts as two processes on this machine, each with its own identity, data "
        "folder "
        "and\n"
        "port. Sellers offer live readings of this machine, read from /proc when they are "
        "delivered;\n"
        "buyers find them in the directory and haggle over the price, by a trained policy. Every\n"
        "line is a deal that was delivered. Ctrl-C stops both hosts; the next start goes on "
        "where\n"
        "this one stopped.\n"
        "\n"
        "  haggle demo\n"
        "  haggle demo --seconds 10 --json",
    .main = demo_main,
};
