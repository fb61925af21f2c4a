#include "net/http_client.h"

#include <assert.h>
#include <stdio.h>

#include "base/mem.h"
#include "net/http_head.h"
#include "net/http_wire.h"
#include "net/uv.h"

enum {
  LOOK_AGAIN_MS = 1000,              /* the timer never sleeps longer: clocks may jump */
  REDIRECT_BODY_SIZE_MAX = 64 << 10, /* read for the connection's sake; nobody sees it */
};

struct hgl_http_client {
  struct hgl_http_config config;
  uv_loop_t *uv;
  uv_timer_t timer; /* the calls' limits of time */
  int64_t timer_ns;
  struct hgl_http_wire *wire;
  struct hgl_http_call *calls;
  size_t held; /* bytes of bodies */
  int open_handles;
};

/* A call is one exchange after the other, until one is not followed by another. */
struct hgl_http_call {
  struct hgl_http_client *client;
  struct hgl_http_call *next, **link;
  struct hgl_http_message message;
  struct hgl_http_url url;
  struct hgl_http_policy policy;
  hgl_http_done done;
  void *user;
  int64_t within_ms, deadline_ns;
  int redirects_left, redirects_max;
  struct hgl_http_exchange *exchange;
  struct hgl_http_head head;
  struct hgl_buf body;
  size_t held, skipped; /* skipped: of the body of a redirect */
  bool sent;
};

static int out_of_memory(struct hgl_err *err)
{
  return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
}

/* Memory -----------------------------------------------------------------------------------------
 */

static int hold(struct hgl_http_call *call, size_t size, struct hgl_err *err)
{
  struct hgl_http_client *client = call->client;
  if (size > client->config.limits.memory_max - client->held)
    return hgl_fail(err, HGL_LIMIT,
                    "the requests under way hold %zu bytes together, the limit is %zu: try later",
                    client->held, client->config.limits.memory_max);
  client->held += size;
  call->held += size;
  return 0;
}

static void release(struct hgl_http_call *call)
{
  if (call->exchange) hgl_http_wire_abandon(call->exchange);
  if (call->link) {
    *call->link = call->next;
    if (call->next) call->next->link = call->link;
  }
  call->client->held -= call->held;
  hgl_http_message_deinit(&call->message);
  hgl_http_url_deinit(&call->url);
  hgl_http_head_deinit(&call->head);
  hgl_buf_deinit(&call->body);
  hgl_free(call);
}

/* Ending -----------------------------------------------------------------------------------------
 */

static bool is_redirect(const struct hgl_http_call *call)
{
  int status = call->head.status;
  struct hgl_bytes location;
  return call->redirects_max > 0 && call->head.complete &&
         (status == 301 || status == 302 || status == 303 || status == 307 || status == 308) &&
         hgl_http_head_get(&call->head, "location", &location);
}

/* Where a redirect leads to is the server's to say, who may say what it was sent: that is for
 * whoever made the request, not for the log. */
static void log_end(const struct hgl_http_call *call, const struct hgl_err *why)
{
  const struct hgl_log *log = call->client->config.log;
  const char *method = call->message.method;
  bool redirected = is_redirect(call) || call->redirects_left < call->redirects_max;
  const char *host = redirected ? "(redirected)" : call->url.host;
  if (why)
    hgl_log(log, HGL_LOG_DEBUG, "http", "%s %s:%d: %s%s%s", method, host, call->url.port,
            hgl_code_name(why->code), redirected ? "" : ": ", redirected ? "" : why->message);
  else
    hgl_log(log, HGL_LOG_DEBUG, "http", "%s %s:%d: %d, %zu bytes", method, host, call->url.port,
            call->head.status, call->body.size);
}

static void fail(struct hgl_http_call *call, const struct hgl_err *why)
{
  struct hgl_http_failure failure = {.err = *why, .sent = call->sent};
  hgl_http_done done = call->done;
  void *user = call->user;
  log_end(call, why);
  release(call);
  done(user, NULL, &failure);
}

static int make_answer(struct hgl_http_call *call, struct hgl_http_answer *answer,
                       struct hgl_err *err)
{
  const struct hgl_http_head *head = &call->head;
  answer->headers = hgl_array(head->count, sizeof *answer->headers);
  if (!answer->headers) return out_of_memory(err);
  for (size_t i = 0; i < head->count; i++)
    answer->headers[i] = (struct hgl_http_header){hgl_text(head->fields[i].name),
                                                  hgl_buf_bytes(&head->fields[i].value), false};
  answer->header_count = head->count;
  answer->status = head->status;
  answer->url = call->url.text;
  answer->body = call->body;
  hgl_buf_init(&call->body, 0);
  return 0;
}

static void answer(struct hgl_http_call *call)
{
  struct hgl_http_answer made = {0};
  struct hgl_err err = {0};
  if (make_answer(call, &made, &err) != 0) {
    fail(call, &err);
    return;
  }
  log_end(call, NULL);
  /* Out of sight before the user is called, who might take it for one that can be cancelled. */
  *call->link = call->next;
  if (call->next) call->next->link = call->link;
  call->link = NULL;
  call->done(call->user, &made, NULL);
  hgl_free(made.headers);
  hgl_buf_deinit(&made.body);
  release(call);
}

/* One exchange after the other -------------------------------------------------------------------
 */

static int ask_host(const struct hgl_http_call *call, const struct hgl_http_url *url,
                    struct hgl_err *err)
{
  if (call->policy.allow_host(call->policy.user, url->host, url->port, err) == 0) return 0;
  return hgl_fail_in(err, "%s:%d", url->host, url->port);
}

static int begin(struct hgl_http_call *call, struct hgl_err *err)
{
  int64_t left_ms = (call->deadline_ns - hgl_mono_ns(call->client->config.clock)) / 1000000;
  return hgl_http_wire_begin(call->client->wire, &call->message, &call->url,
                             left_ms < 1 ? 1 : (long)left_ms, call, &call->exchange, err);
}

/* Where the redirect leads to; the call's own URL stays. */
static int read_location(const struct hgl_http_call *call, struct hgl_http_url *out,
                         struct hgl_err *err)
{
  struct hgl_bytes location = {0};
  hgl_http_head_get(&call->head, "location", &location);
  char *text = hgl_strndup((const char *)location.data, location.size);
  if (!text) return out_of_memory(err);
  int status = hgl_http_url_parse(text, &call->url, out, err);
  hgl_free(text);
  if (status == 0 || err->code == HGL_NO_MEMORY) return status;
  err->code = HGL_MALFORMED;
  return hgl_fail_in(err, "%s redirects to what cannot be followed", call->url.host);
}

static int check_redirect(const struct hgl_http_call *call, const struct hgl_http_url *to,
                          struct hgl_err *err)
{
  if (call->redirects_left == 0)
    return hgl_fail(err, HGL_LIMIT, "%s: more than %d redirects", call->url.host,
                    call->redirects_max);
  if (call->url.secure && !to->secure)
    return hgl_fail(err, HGL_DENIED, "%s redirects from https to http (%s), which is not followed",
                    call->url.host, to->host);
  if (ask_host(call, to, err) == 0) return 0;
  return hgl_fail_in(err, "%s redirects to another host", call->url.host);
}

static int follow(struct hgl_http_call *call, struct hgl_err *err)
{
  struct hgl_http_url to;
  int status = read_location(call, &to, err);
  if (status != 0) return status;
  if ((status = check_redirect(call, &to, err)) != 0) {
    hgl_http_url_deinit(&to);
    return status;
  }
  hgl_http_message_redirect(&call->message, call->head.status,
                            hgl_http_url_same_origin(&call->url, &to));
  hgl_http_url_deinit(&call->url);
  call->url = to;
  call->redirects_left--;
  call->skipped = 0;
  hgl_http_head_deinit(&call->head);
  return begin(call, err);
}

static void exchange_ended(void *user, const struct hgl_err *why, bool sent)
{
  struct hgl_http_call *call = user;
  struct hgl_err err = {0};
  call->exchange = NULL;
  call->sent |= sent;
  if (is_redirect(call)) { /* whatever became of its body */
    if (follow(call, &err) != 0) fail(call, &err);
  } else if (why)
    fail(call, why);
  else if (!call->head.complete) {
    hgl_fail(&err, HGL_MALFORMED, "%s: an answer without a status", call->url.host);
    fail(call, &err);
  } else
    answer(call);
}

static int ask_address(void *user, const char *address, struct hgl_err *err)
{
  const struct hgl_http_call *call = user;
  return call->policy.allow_address(call->policy.user, call->url.host, address, call->url.port,
                                    err);
}

static int too_large(const struct hgl_http_call *call, struct hgl_err *err)
{
  return hgl_fail(err, HGL_TOO_LARGE, "%s: the answer has more than the %zu bytes asked for",
                  call->url.host, call->body.size_max);
}

/* What says of itself that it is too large need not be read. */
static int check_announced(const struct hgl_http_call *call, struct hgl_err *err)
{
  struct hgl_bytes text;
  bool no_body = strcmp(call->message.method, "HEAD") == 0 || call->head.status == 304;
  if (no_body || is_redirect(call) || !hgl_http_head_get(&call->head, "content-length", &text))
    return 0;
  size_t size = 0;
  for (size_t i = 0; i < text.size && text.data[i] >= '0' && text.data[i] <= '9'; i++) {
    size = size * 10 + (text.data[i] - '0');
    if (size > call->body.size_max) return too_large(call, err);
  }
  return 0;
}

static int line_came(void *user, struct hgl_bytes line, struct hgl_err *err)
{
  struct hgl_http_call *call = user;
  bool was_complete = call->head.complete;
  if (hgl_http_head_line(&call->head, line, err) != 0)
    return hgl_fail_in(err, "%s", call->url.host);
  return call->head.complete && !was_complete ? check_announced(call, err) : 0;
}

static int body_came(void *user, struct hgl_bytes piece, struct hgl_err *err)
{
  struct hgl_http_call *call = user;
  if (is_redirect(call)) {
    call->skipped += piece.size;
    return call->skipped <= REDIRECT_BODY_SIZE_MAX ? 0 : hgl_fail(err, HGL_TOO_LARGE, "skipped");
  }
  if (piece.size > call->body.size_max - call->body.size) return too_large(call, err);
  int status = hold(call, piece.size, err);
  if (status != 0) return status;
  hgl_buf_append_bytes(&call->body, piece);
  return hgl_buf_check(&call->body, err);
}

static const struct hgl_http_wire_events events = {ask_address, line_came, body_came,
                                                   exchange_ended};

/* Time -------------------------------------------------------------------------------------------
 */

static void timer_came(uv_timer_t *timer);

static void schedule(struct hgl_http_client *client, int64_t due_ns)
{
  int64_t now = hgl_mono_ns(client->config.clock);
  int64_t latest = now + (int64_t)LOOK_AGAIN_MS * 1000000;
  if (due_ns > latest) due_ns = latest;
  if (uv_is_active((uv_handle_t *)&client->timer) && client->timer_ns <= due_ns) return;
  client->timer_ns = due_ns;
  uv_update_time(client->uv);
  uv_timer_start(&client->timer, timer_came,
                 due_ns <= now ? 0 : (uint64_t)(due_ns - now) / 1000000 + 1, 0);
}

static struct hgl_http_call *first_late(const struct hgl_http_client *client, int64_t now)
{
  struct hgl_http_call *call = client->calls;
  while (call && call->deadline_ns > now) call = call->next;
  return call;
}

static void end_late(struct hgl_http_call *call)
{
  struct hgl_err why = {0};
  bool answered = call->head.status != 0;
  hgl_fail(&why, HGL_TIMEOUT, "%s: %s within %lld ms", call->url.host,
           answered ? "the answer did not end" : "no answer", (long long)call->within_ms);
  call->sent |= hgl_http_wire_sent(call->exchange);
  fail(call, &why);
}

static void timer_came(uv_timer_t *timer)
{
  struct hgl_http_client *client = timer->data;
  int64_t now = hgl_mono_ns(client->config.clock), next = INT64_MAX;
  for (struct hgl_http_call *call; (call = first_late(client, now));) end_late(call);
  for (const struct hgl_http_call *call = client->calls; call; call = call->next)
    if (call->deadline_ns < next) next = call->deadline_ns;
  if (next != INT64_MAX) schedule(client, next);
}

/* The calls --------------------------------------------------------------------------------------
 */

static int check(const struct hgl_http_client *client, const struct hgl_http_request *request,
                 struct hgl_err *err)
{
  if (request->within_ms < 1 || request->within_ms > HGL_HTTP_WITHIN_MS_MAX)
    return hgl_fail(err, HGL_INVALID, "the time of a request is from 1 ms to %d ms",
                    HGL_HTTP_WITHIN_MS_MAX);
  if (request->redirects_max < 0 || request->redirects_max > HGL_HTTP_REDIRECTS_MAX)
    return hgl_fail(err, HGL_INVALID, "a request follows from 0 to %d redirects",
                    HGL_HTTP_REDIRECTS_MAX);
  if (hgl_http_wire_busy(client->wire) >= client->config.limits.calls_max)
    return hgl_fail(err, HGL_LIMIT, "%d requests are under way, the limit: try later",
                    client->config.limits.calls_max);
  return 0;
}

static int fill(struct hgl_http_call *call, const struct hgl_http_request *request,
                struct hgl_err *err)
{
  int status = hgl_http_url_parse(request->url, NULL, &call->url, err);
  if (status == 0) status = hold(call, request->body.size, err);
  if (status == 0) status = hgl_http_message_init(&call->message, request, err);
  if (status == 0) status = ask_host(call, &call->url, err);
  return status ? status : begin(call, err);
}

int hgl_http_start(struct hgl_http_client *client, const struct hgl_http_request *request,
                   hgl_http_done done, void *user, struct hgl_http_call **out, struct hgl_err *err)
{
  int status = check(client, request, err);
  if (status != 0) return status;
  struct hgl_http_call *call = hgl_zalloc(sizeof *call);
  if (!call) return out_of_memory(err);
  call->client = client;
  call->policy = request->policy;
  call->done = done;
  call->user = user;
  call->within_ms = request->within_ms;
  call->deadline_ns = hgl_mono_ns(client->config.clock) + request->within_ms * 1000000;
  call->redirects_max = call->redirects_left = request->redirects_max;
  bool bounded = request->size_max < HGL_MEM_REQUEST_MAX; /* more can never be there */
  hgl_buf_init(&call->body, bounded ? request->size_max : HGL_MEM_REQUEST_MAX);
  if ((status = fill(call, request, err)) != 0) {
    release(call);
    return status;
  }
  call->link = &client->calls;
  call->next = client->calls;
  if (call->next) call->next->link = &call->next;
  client->calls = call;
  schedule(client, call->deadline_ns);
  *out = call;
  return 0;
}

void hgl_http_cancel(struct hgl_http_call *call)
{
  release(call);
}

/* The client -------------------------------------------------------------------------------------
 */

int hgl_http_create(const struct hgl_http_config *config, struct hgl_http_client **out,
                    struct hgl_err *err)
{
  struct hgl_http_client *client = hgl_zalloc(sizeof *client);
  if (!client) return out_of_memory(err);
  client->config = *config;
  struct hgl_http_limits *limits = &client->config.limits;
  if (!limits->calls_max) limits->calls_max = HGL_HTTP_CALLS_MAX;
  if (!limits->memory_max) limits->memory_max = HGL_HTTP_MEMORY_MAX;
  if (!limits->idle_connections_max) limits->idle_connections_max = HGL_HTTP_IDLE_CONNECTIONS_MAX;
  client->uv = hgl_loop_uv(config->loop);
  uv_timer_init(client->uv, &client->timer);
  client->timer.data = client;
  client->open_handles = 1;
  int status = hgl_http_wire_create(&client->config, &events, &client->wire, err);
  if (status != 0) {
    hgl_http_destroy(client);
    return status;
  }
  *out = client;
  return 0;
}

static void timer_closed(uv_handle_t *handle)
{
  ((struct hgl_http_client *)handle->data)->open_handles--;
}

void hgl_http_destroy(struct hgl_http_client *client)
{
  if (!client) return;
  while (client->calls) release(client->calls);
  hgl_http_wire_destroy(client->wire);
  uv_close((uv_handle_t *)&client->timer, timer_closed);
  while (client->open_handles > 0) uv_run(client->uv, UV_RUN_ONCE);
  hgl_free(client);
}
