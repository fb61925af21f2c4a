/* haggle trace: what an agent did lately, thread by thread. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/mem.h"
#include "host/client.h"
#include "host/text.h"

enum {
  EVENTS_DEFAULT = 200,
  EVENTS_MAX = 10000,
  FOLLOW_MS = 300,
  THREAD_SHOWN = 8, /* of the digits of a thread's id */
  DID_SHOWN = 8,
  DEPTH_MAX = 16,
  LINE_SIZE_MAX = 4096,
};

static const char *text_of(const json_t *event, const char *field)
{
  const char *text = json_string_value(json_object_get(event, field));
  return text ? text : "";
}

static long long number_of(const json_t *event, const char *field)
{
  return json_integer_value(json_object_get(event, field));
}

/* ---- a line ---- */

static void put_peer(const json_t *event, struct hgl_buf *out)
{
  const char *name = text_of(event, "peer_name"), *did = text_of(event, "peer");
  size_t size = strlen(did);
  if (*name)
    hgl_escape(hgl_text(name), out);
  else
    hgl_buf_printf(out, "…%s", size > DID_SHOWN ? did + size - DID_SHOWN : did);
}

static void put_time(long long us, struct hgl_buf *out)
{
  if (us < 1000)
    hgl_buf_printf(out, "%lld µs", us);
  else if (us < 1000000)
    hgl_buf_printf(out, "%.1f ms", (double)us / 1e3);
  else
    hgl_buf_printf(out, "%.1f s", (double)us / 1e6);
}

static void put_stretch(const json_t *event, struct hgl_buf *out)
{
  const char *end = text_of(event, "end");
  bool raised = strcmp(end, "raised") == 0;
  long long number = number_of(event, "number"), attempt = number_of(event, "attempt");
  hgl_buf_append_text(out, number > 1 ? "went on" : "ran");
  if (!*text_of(event, "thread")) {
    hgl_buf_append_byte(out, ' ');
    hgl_escape(hgl_text(text_of(event, "name")), out);
  }
  if (number_of(event, "took_us")) {
    hgl_buf_append_text(out, ", ");
    put_time(number_of(event, "took_us"), out);
  }
  if (attempt > 1 || raised) hgl_buf_printf(out, ", attempt %lld", attempt);
  hgl_buf_printf(out, ": %s", end);
  if (strcmp(end, "waits") == 0) hgl_buf_printf(out, " (%s)", text_of(event, "for"));
  if (raised) {
    hgl_buf_append_text(out, ": ");
    hgl_escape(hgl_text(text_of(event, "why")), out);
  }
}

static void put_due(const json_t *event, struct hgl_buf *out)
{
  long long in_ms = number_of(event, "due_ms") - number_of(event, "time_ms");
  if (in_ms <= 0) {
    hgl_buf_append_text(out, ", due now");
    return;
  }
  hgl_buf_append_text(out, ", due in ");
  put_time(in_ms * 1000, out);
}

static const struct {
  const char *what, *label, *peer; /* what stands before the name, and before the peer's */
} labels[] = {
    {"heard", "←", " from "},
    {"said", "→", " to "},
    {"timer", "timer", NULL},
    {"dead", "dead letter:", NULL},
    {"undelivered", "not delivered:", " to "},
    {"refused", "not let in:", " from "},
    {"held", "held back:", " to "},
    {"timeout", "no answer in time", " from "},
    {"expired", "the dialogue's deadline has passed", NULL},
    {"parked", "parked:", NULL},
    {"", "", NULL}, /* of a newer host */
};

/* What happened, without its time. */
static void put_event(const json_t *event, struct hgl_buf *out)
{
  const char *what = text_of(event, "what");
  if (strcmp(what, "stretch") == 0) {
    put_stretch(event, out);
    return;
  }
  size_t i = 0;
  while (i + 1 < sizeof labels / sizeof *labels && strcmp(labels[i].what, what) != 0) i++;
  hgl_buf_append_text(out, labels[i].label);
  if (*text_of(event, "name")) hgl_buf_append_byte(out, ' ');
  hgl_escape(hgl_text(text_of(event, "name")), out);
  if (labels[i].peer) {
    hgl_buf_append_text(out, labels[i].peer);
    put_peer(event, out);
  }
  if (strcmp(what, "timer") == 0) put_due(event, out);
  if (*text_of(event, "code")) hgl_buf_printf(out, " (%s)", text_of(event, "code"));
  if (*text_of(event, "why")) {
    hgl_buf_append_text(out, ": ");
    hgl_escape(hgl_text(text_of(event, "why")), out);
  }
}

static bool is_bad(const json_t *event)
{
  const char *what = text_of(event, "what");
  return strcmp(text_of(event, "end"), "raised") == 0 || strcmp(what, "dead") == 0 ||
         strcmp(what, "undelivered") == 0 || strcmp(what, "refused") == 0 ||
         strcmp(what, "timeout") == 0 || strcmp(what, "parked") == 0;
}

static void print_line(const json_t *event, int depth, const char *colour, struct hgl_buf *line)
{
  const struct hgl_colours *colours = hgl_colours(stdout);
  char time[HGL_TIME_TEXT_SIZE];
  hgl_time_text(number_of(event, "time_ms"), false, time);
  printf("%s%s%s  %*s%s%.*s%s\n", colours->dim, strlen(time) > 11 ? time + 11 : time,
         colours->plain, 2 * depth, "", colour, HGL_STR(hgl_buf_bytes(line)), colours->plain);
}

static void print_event(const json_t *event, int depth)
{
  const struct hgl_colours *colours = hgl_colours(stdout);
  struct hgl_buf line;
  hgl_buf_init(&line, LINE_SIZE_MAX);
  put_event(event, &line);
  print_line(event, depth, is_bad(event) ? colours->red : "", &line);
  hgl_buf_deinit(&line);
}

/* ---- threads ---- */

struct thread {
  const char *id, *parent; /* "": what belongs to no thread */
  const json_t **events;
  size_t count, capacity;
  bool shown;
};

struct threads {
  struct thread *items;
  size_t count, capacity;
};

static struct thread *find_thread(struct threads *threads, const char *id)
{
  for (size_t i = 0; i < threads->count; i++)
    if (strcmp(threads->items[i].id, id) == 0) return &threads->items[i];
  return NULL;
}

/* What belongs to no thread (a timer's handler, on_start) stands by itself, in its place. */
static int add_event(struct threads *threads, const json_t *event, struct hgl_err *err)
{
  const char *id = text_of(event, "thread");
  struct thread *thread = *id ? find_thread(threads, id) : NULL;
  if (!thread) {
    if (!HGL_GROW(threads->items, threads->count, threads->capacity))
      return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
    thread = &threads->items[threads->count++];
    *thread = (struct thread){.id = id, .parent = ""};
  }
  if (*text_of(event, "parent")) thread->parent = text_of(event, "parent");
  if (!HGL_GROW(thread->events, thread->count, thread->capacity))
    return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  thread->events[thread->count++] = event;
  return 0;
}

static void show_thread(struct threads *threads, struct thread *thread, int depth);

/* Those that this one caused, as far as they began before this event (NULL: all). */
static void show_children(struct threads *threads, const struct thread *parent,
                          const json_t *before, int depth)
{
  for (size_t i = 0; *parent->id && i < threads->count; i++) {
    struct thread *child = &threads->items[i];
    if (child->shown || strcmp(child->parent, parent->id) != 0) continue;
    if (before && number_of(child->events[0], "order") > number_of(before, "order")) continue;
    show_thread(threads, child, depth);
  }
}

/* "echo/1.0/say with ann (3f2a91c0)" */
static void print_head(const struct thread *thread, int depth)
{
  const json_t *first = thread->events[0];
  struct hgl_buf line;
  hgl_buf_init(&line, LINE_SIZE_MAX);
  hgl_escape(hgl_text(text_of(first, "name")), &line);
  hgl_buf_append_text(&line, " with ");
  put_peer(first, &line);
  hgl_buf_printf(&line, " (%.*s)", THREAD_SHOWN, thread->id);
  print_line(first, depth, hgl_colours(stdout)->bold, &line);
  hgl_buf_deinit(&line);
}

static void show_thread(struct threads *threads, struct thread *thread, int depth)
{
  bool threaded = *thread->id;
  thread->shown = true;
  if (threaded) print_head(thread, depth);
  for (size_t i = 0; i < thread->count; i++) {
    if (depth < DEPTH_MAX) show_children(threads, thread, thread->events[i], depth + 1);
    print_event(thread->events[i], depth + threaded);
  }
  if (depth < DEPTH_MAX) show_children(threads, thread, NULL, depth + 1);
}

static void show_threads(struct threads *threads)
{
  for (size_t i = 0; i < threads->count; i++) {
    struct thread *thread = &threads->items[i];
    bool caused = *thread->parent && find_thread(threads, thread->parent);
    if (!thread->shown && !caused) show_thread(threads, thread, 0);
  }
  for (size_t i = 0; i < threads->count; i++) /* what is below itself, as a hostile peer may say */
    if (!threads->items[i].shown) show_thread(threads, &threads->items[i], 0);
}

static bool is_wanted(const json_t *event, const char *thread)
{
  size_t size = thread ? strlen(thread) : 0;
  return !size || strncmp(text_of(event, "thread"), thread, size) == 0 ||
         strncmp(text_of(event, "parent"), thread, size) == 0;
}

/* `events`: the newest first. */
static int show_tree(const json_t *events, const char *thread, struct hgl_err *err)
{
  struct threads threads = {0};
  int status = 0;
  for (size_t i = json_array_size(events); i-- > 0 && !status;) {
    const json_t *event = json_array_get(events, i);
    if (is_wanted(event, thread)) status = add_event(&threads, event, err);
  }
  if (!status) show_threads(&threads);
  if (!status && !threads.count) printf("nothing is known of it\n");
  for (size_t i = 0; i < threads.count; i++) hgl_free(threads.items[i].events);
  hgl_free(threads.items);
  return status;
}

/* ---- the verb ---- */

struct given {
  const char *data, *thread;
  int64_t limit;
  bool follow, json;
};

static int fetch(struct hgl_client *client, const char *agent, long long after, int64_t limit,
                 json_t **events, struct hgl_err *err)
{
  json_t *request = json_pack("{s:s, s:s, s:I, s:I}", "call", "trace", "agent", agent, "after",
                              (json_int_t)after, "limit", (json_int_t)limit);
  if (!request) return hgl_fail(err, HGL_INVALID, "the agent's name is no UTF-8 text");
  return hgl_client_call(client, request, HGL_CLIENT_TIMEOUT_MS, events, err);
}

static int print_json(const json_t *events, const char *thread, struct hgl_err *err)
{
  int status = 0;
  for (size_t i = json_array_size(events); i-- > 0 && !status;)
    if (is_wanted(json_array_get(events, i), thread))
      status = hgl_print_json(json_array_get(events, i), err);
  return status;
}

static long long newest(const json_t *events, long long otherwise)
{
  return json_array_size(events) ? number_of(json_array_get(events, 0), "order") : otherwise;
}

/* Later ones come one by one, whatever thread they belong to. */
static int follow(struct hgl_client *client, const char *agent, const struct given *given,
                  long long after, struct hgl_err *err)
{
  static const struct timespec pause = {.tv_nsec = FOLLOW_MS * 1000000L};
  int status = 0;
  while (!status && !ferror(stdout)) {
    json_t *events = NULL;
    nanosleep(&pause, NULL);
    if ((status = fetch(client, agent, after, EVENTS_MAX, &events, err))) return status;
    after = newest(events, after);
    if (given->json) {
      status = print_json(events, given->thread, err);
    } else {
      for (size_t i = json_array_size(events); i-- > 0;)
        if (is_wanted(json_array_get(events, i), given->thread))
          print_event(json_array_get(events, i), 0);
      fflush(stdout);
    }
    json_decref(events);
  }
  return status;
}

static int show(const char *agent, const struct given *given, struct hgl_err *err)
{
  struct hgl_client *client = NULL;
  json_t *events = NULL;
  int status = hgl_client_open(given->data, &client, err);
  if (!status) status = fetch(client, agent, 0, given->limit, &events, err);
  if (!status)
    status = given->json ? print_json(events, given->thread, err)
                         : show_tree(events, given->thread, err);
  if (!status && given->follow) status = follow(client, agent, given, newest(events, 0), err);
  json_decref(events);
  hgl_client_close(client);
  return status;
}

static int trace_main(const struct hgl_verb *verb, int argc, char **argv)
{
  struct given given = {.data = HGL_DATA_DEFAULT, .limit = EVENTS_DEFAULT};
  const struct hgl_option options[] = {
      HGL_CLIENT_OPTIONS(&given.data, &given.json),
      {"limit", "N", HGL_OPTION_COUNT, &given.limit, "the latest N events (200)"},
      {"thread", "ID", HGL_OPTION_TEXT, &given.thread,
       "only this thread and what it caused: the beginning of its id"},
      {"follow", NULL, HGL_OPTION_FLAG, &given.follow, "go on with what happens, until Ctrl-C"},
  };
  struct hgl_texts words = {0};
  struct hgl_err err = {0};
  int status;
  if (!hgl_options_parse(verb, options, sizeof options / sizeof *options, argc, argv, &words,
                         &status))
    goto done;
  if (words.count != 1)
    status = hgl_usage_fail(verb, "say of which agent");
  else if (given.limit < 1 || given.limit > EVENTS_MAX)
    status = hgl_usage_fail(verb, "--limit is 1 to %d", EVENTS_MAX);
  else if (show(words.items[0], &given, &err) && !ferror(stdout))
    status = hgl_verb_fail(verb, &err);
done:
  hgl_texts_deinit(&words);
  return status;
}

const struct hgl_verb hgl_verb_trace = {
    .name = "trace",
    .usage = "[--data DIR] [--limit N] [--thread ID] [--follow] [--json] NAME",
    .summary = "show what an agent did lately, thread by thread",
    .help =
        "Messages in (←) and out (→), the stretches of handlers with how long each kept the host\n"
        "and how it ended, timers that were set, dead letters, and what was not delivered, not "
        "let\n"
        "in, held back or not answered in time; a thread that serves another stands below it. A "
        "host keeps its latest 8192 events of all agents in memory; what was\n"
        "said and heard longer ago is in the journal (haggle export).\n\n"
        "  haggle trace broker\n"
        "  haggle trace broker --thread 3f2a91c0\n"
        "  haggle trace broker --follow",
    .main = trace_main,
};
