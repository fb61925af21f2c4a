/* All requests that go on with a server, on the thread that the host lends: they begin when their
 * turn comes, are repeated where that is safe, and new ones are taken meanwhile. */
#include <poll.h>

#include "base/mem.h"
#include "infer/remote_internal.h"

enum {
  TICK_MS = 50,
  WAIT_MS_MAX = 1000,
  BACKOFF_MS = 500,
  BACKOFF_MS_MAX = 30000,
};

static const int64_t MS = 1000000;

struct flight {
  struct flight *next;
  struct run *run;
  const struct haggle_request *request;
  struct remote_question question;
  int64_t deadline_ns; /* its own, or that of the option timeout */
  int64_t due_ns;      /* of the next attempt; while `exchange` is NULL */
  struct remote_exchange *exchange;
  unsigned attempts;
  bool spoke; /* pieces have been passed on: a second attempt would say them twice */
  int64_t worst, day;
  bool reserved, charged;
  struct remote_end last; /* of the last attempt */
};

struct run {
  struct remote *remote;
  const struct haggle_batch *batch;
  struct flight *flights;
  size_t count;
  bool event_tires; /* it was readable, and there was nothing that we could do */
};

static int64_t now_ns(void)
{
  return hgl_mono_ns(&hgl_clock_system);
}

/* Ending ----------------------------------------------------------------------------------------
 */

static void answer(const struct run *run, const struct haggle_request *request, int32_t status,
                   const char *message, const struct hgl_buf *text)
{
  struct haggle_result result = {.size = sizeof result, .status = status};
  if (text) {
    result.text = (const char *)text->data;
    result.text_size = text->size;
  } else {
    result.message = message;
    result.message_size = strlen(message);
  }
  run->batch->finish(run->batch->host, request, &result);
}

static void end_exchange(struct flight *flight)
{
  if (!flight->exchange) return;
  remote_exchange_deinit(flight->exchange);
  hgl_free(flight->exchange);
  flight->exchange = NULL;
}

/* What was sent and has no count of its own is taken for the most that it can have cost. */
static void settle(struct flight *flight, const struct remote_usage *usage)
{
  struct remote *remote = flight->run->remote;
  struct haggle_model_stats *stats = &remote->budget.stats;
  int64_t cost = flight->charged ? flight->worst : 0;
  if (usage && usage->told) {
    if (flight->reserved) cost = remote_cost(&remote->options, usage->prompt, usage->completion);
    pthread_mutex_lock(&remote->budget.lock);
    stats->tokens_in += (uint64_t)usage->prompt;
    stats->tokens_reused += (uint64_t)usage->reused;
    stats->tokens_out += (uint64_t)usage->completion;
    pthread_mutex_unlock(&remote->budget.lock);
  }
  if (flight->reserved) remote_budget_settle(&remote->budget, flight->worst, flight->day, cost);
  flight->reserved = false;
}

static void release(struct flight *flight)
{
  struct run *run = flight->run;
  struct flight **link = &run->flights;
  while (*link != flight) link = &(*link)->next;
  *link = flight->next;
  run->count--;
  end_exchange(flight);
  hgl_buf_deinit(&flight->question.body);
  hgl_free(flight);
}

static void fail(struct flight *flight, int32_t status, const char *message)
{
  settle(flight, NULL);
  answer(flight->run, flight->request, status, message, NULL);
  release(flight);
}

/* Nobody waits, or its time is over. An answer that is whole but for the end of the connection is
 * one. */
static void give_up(struct flight *flight, bool over)
{
  const struct remote_options *options = &flight->run->remote->options;
  char words[sizeof flight->last.message + 128];
  if (flight->exchange && flight->exchange->sent) flight->charged = true;
  bool late = flight->deadline_ns <= now_ns();
  if (over && !late) {
    fail(flight, HAGGLE_CANCELLED, "nobody waits for it any more");
    return;
  }
  if (flight->request->deadline_ns && flight->request->deadline_ns <= flight->deadline_ns)
    snprintf(words, sizeof words, "%s has not answered in time%s%s", options->host,
             flight->last.status ? "; before, " : "", flight->last.message);
  else
    snprintf(words, sizeof words, "%s has not answered within %lld s (option timeout)%s%s",
             options->host, (long long)(options->timeout_ns / 1000000000),
             flight->last.status ? "; before, " : "", flight->last.message);
  fail(flight, HAGGLE_TIMEOUT, words);
}

/* Attempts --------------------------------------------------------------------------------------
 */

static void piece_came(void *user, struct hgl_bytes text)
{
  struct flight *flight = user;
  const struct haggle_batch *batch = flight->run->batch;
  flight->spoke = true;
  batch->token(batch->host, flight->request, (const char *)text.data, text.size);
}

static bool wants_pieces(const struct haggle_batch *batch)
{
  return HAGGLE_HAS(batch, token) && batch->token;
}

static void attempt(struct flight *flight)
{
  struct run *run = flight->run;
  struct hgl_err err = {0};
  struct remote_exchange *exchange = hgl_zalloc(sizeof *exchange);
  if (!exchange) {
    fail(flight, HAGGLE_NO_MEMORY, "out of memory");
    return;
  }
  remote_answer_init(&exchange->answer);
  if (wants_pieces(run->batch)) {
    exchange->answer.piece = piece_came;
    exchange->answer.user = flight;
  }
  flight->exchange = exchange;
  flight->attempts++;
  if (remote_exchange_begin(exchange, run->remote, &flight->question, &err) != 0)
    fail(flight, HAGGLE_NO_MEMORY, err.message);
}

/* Half of it to all of it, so that many do not come back at once. */
static int64_t backoff_ns(unsigned attempts)
{
  int64_t most = BACKOFF_MS;
  for (unsigned i = 1; i < attempts && most < BACKOFF_MS_MAX; i++) most *= 2;
  if (most > BACKOFF_MS_MAX) most = BACKOFF_MS_MAX;
  most *= MS;
  return most / 2 + (int64_t)(hgl_random_u64(&hgl_random_system) % (uint64_t)(most / 2));
}

/* A second attempt costs a second time: with prices, only what surely cost nothing is repeated. */
static bool may_repeat(const struct flight *flight, const struct remote_end *end)
{
  const struct remote_options *options = &flight->run->remote->options;
  if (!end->again || flight->spoke || flight->attempts > options->retries) return false;
  return !end->charged || !remote_has_prices(options);
}

/* False: there is no time for it. */
static bool repeat_later(struct flight *flight, const struct remote_end *end)
{
  struct remote *remote = flight->run->remote;
  int64_t wait = backoff_ns(flight->attempts), now = now_ns();
  if (end->after_ns > wait) wait = end->after_ns;
  int64_t due = remote_rate_next(&remote->budget, &remote->options, now + wait,
                                 flight->deadline_ns);
  if (due < 0 || now + wait > flight->deadline_ns) return false;
  flight->due_ns = due;
  return true;
}

static void exchange_ended(struct flight *flight, CURLcode code)
{
  struct remote_end end;
  struct hgl_buf text;
  hgl_buf_init(&text, REMOTE_ANSWER_SIZE_MAX * 2);
  remote_exchange_end(flight->exchange, code, &text, &end);
  struct remote_usage usage = flight->exchange->answer.usage;
  flight->charged |= end.charged;
  end_exchange(flight);
  if (end.status == HAGGLE_OK) {
    settle(flight, &usage);
    answer(flight->run, flight->request, HAGGLE_OK, NULL, &text);
    release(flight);
  } else if (may_repeat(flight, &end) && repeat_later(flight, &end)) {
    flight->last = end;
  } else {
    settle(flight, &usage);
    answer(flight->run, flight->request, end.status, end.message, NULL);
    release(flight);
  }
  hgl_buf_deinit(&text);
}

/* Beginning -------------------------------------------------------------------------------------
 */

static int admit(struct flight *flight, struct hgl_err *err)
{
  struct remote *remote = flight->run->remote;
  const struct remote_options *options = &remote->options;
  int64_t now = now_ns();
  flight->deadline_ns = now + options->timeout_ns;
  if (flight->request->deadline_ns && flight->request->deadline_ns < flight->deadline_ns)
    flight->deadline_ns = flight->request->deadline_ns;
  if (flight->deadline_ns <= now) return hgl_fail(err, HGL_TIMEOUT, "its deadline has passed");
  bool stream = options->stream && wants_pieces(flight->run->batch);
  int status = remote_ask(options, hgl_bytes(flight->request->text, flight->request->text_size),
                          stream, &flight->question, err);
  if (status) return status;
  flight->worst = remote_worst_cost(options, &flight->question);
  if (flight->worst) {
    status = remote_budget_reserve(&remote->budget, options, flight->worst, &flight->day, err);
    flight->reserved = status == 0;
  }
  if (status) return status;
  flight->due_ns = remote_rate_next(&remote->budget, options, now, flight->deadline_ns);
  if (flight->due_ns < 0)
    return hgl_fail(err, HGL_LIMIT,
                    "the rate of %u requests a minute leaves no place for this one within its time",
                    options->rate);
  return 0;
}

static void begin(struct run *run, const struct haggle_request *request)
{
  struct hgl_err err = {0};
  struct flight *flight = hgl_zalloc(sizeof *flight);
  if (!flight) {
    answer(run, request, HAGGLE_NO_MEMORY, "out of memory", NULL);
    return;
  }
  flight->run = run;
  flight->request = request;
  flight->next = run->flights;
  run->flights = flight;
  run->count++;
  if (admit(flight, &err) == 0) return;
  struct haggle_error error = {.size = sizeof error};
  hgl_infer_fail_err(&error, &err);
  fail(flight, err.code == HGL_REFUSED ? HAGGLE_UNSUPPORTED : error.status, error.message);
}

static bool is_full(const struct run *run)
{
  return run->count >= run->remote->options.connections;
}

/* The turns -------------------------------------------------------------------------------------
 */

/* True: something was there. */
static bool take_more(struct run *run)
{
  const struct haggle_batch *batch = run->batch;
  bool took = false;
  while (HAGGLE_HAS(batch, take) && batch->take && !is_full(run)) {
    const struct haggle_request *request = batch->take(batch->host);
    if (!request) break;
    took = true;
    begin(run, request);
  }
  return took;
}

/* `cancelled`: those that nobody waits for, too, which takes asking the host. */
static bool give_up_those_over(struct run *run, bool cancelled)
{
  const struct haggle_batch *batch = run->batch;
  bool any = false;
  int64_t now = now_ns();
  cancelled = cancelled && HAGGLE_HAS(batch, is_over) && batch->is_over;
  for (struct flight *next, *at = run->flights; at; at = next) {
    next = at->next;
    bool over = cancelled && batch->is_over(batch->host, at->request);
    if (!over && at->deadline_ns > now) continue;
    if (at->exchange && at->exchange->answer.complete)
      exchange_ended(at, CURLE_OK);
    else
      give_up(at, over);
    any = true;
  }
  return any;
}

static void send_those_due(struct run *run)
{
  int64_t now = now_ns();
  for (struct flight *next, *at = run->flights; at; at = next) {
    next = at->next;
    if (!at->exchange && at->due_ns <= now) attempt(at);
  }
}

static void reap(struct run *run)
{
  int left;
  for (CURLMsg *message; (message = curl_multi_info_read(run->remote->multi, &left));) {
    CURLcode code = message->data.result;
    struct flight *at = run->flights;
    if (message->msg != CURLMSG_DONE) continue;
    while (at && (!at->exchange || at->exchange->easy != message->easy_handle)) at = at->next;
    if (at) exchange_ended(at, code);
  }
}

static int wait_ms(const struct run *run, bool listens)
{
  int64_t now = now_ns(), until = now + (listens ? WAIT_MS_MAX : TICK_MS) * MS;
  for (const struct flight *at = run->flights; at; at = at->next) {
    if (at->deadline_ns < until) until = at->deadline_ns;
    if (!at->exchange && at->due_ns < until) until = at->due_ns;
  }
  return until <= now ? 0 : (int)((until - now + MS - 1) / MS);
}

/* Where the event tells of what we cannot take, or of nothing, it is left alone for a moment. */
static void wait(struct run *run)
{
  int event = HAGGLE_HAS(run->batch, event) ? run->batch->event : -1;
  bool listens = event >= 0 && !is_full(run) && !run->event_tires;
  struct curl_waitfd extra = {.fd = event, .events = CURL_WAIT_POLLIN};
  run->event_tires = false;
  curl_multi_poll(run->remote->multi, &extra, listens, wait_ms(run, listens), NULL);
  bool told = listens && extra.revents;
  if (listens && !told) return;
  bool any = give_up_those_over(run, true);
  any |= take_more(run);
  run->event_tires = told && !any;
}

void remote_run(void *model, const struct haggle_batch *batch)
{
  struct remote *remote = model;
  struct run run = {.remote = remote, .batch = batch};
  int64_t began = now_ns();
  int running;
  for (size_t i = 0; i < batch->count; i++) begin(&run, batch->requests[i]);
  while (run.flights) {
    send_those_due(&run);
    curl_multi_perform(remote->multi, &running);
    reap(&run);
    give_up_those_over(&run, false);
    if (run.flights)
      wait(&run);
    else
      take_more(&run);
  }
  pthread_mutex_lock(&remote->budget.lock);
  remote->budget.stats.busy_ns += (uint64_t)(now_ns() - began);
  pthread_mutex_unlock(&remote->budget.lock);
}
