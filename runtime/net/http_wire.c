#include "net/http_wire.h"

#include <assert.h>

#include "base/mem.h"
#include "net/http_exchange.h"
#include "net/tls.h"

/* libcurl says which sockets it waits for and until when (socket_changed, timer_changed); the loop
 * says what came (poll_came, timer_came). Then `reap` looks for exchanges that have ended: events
 * that end an exchange are only ever sent from there, never from within libcurl.
 *
 * Threads that look up a name cannot be stopped. An exchange that is abandoned meanwhile is kept,
 * deaf, until its thread is back: so there are never more threads than exchanges, and nothing waits
 * for them.
 *
 * libcurl keeps its own allocator: 7.88 divides by zero where a request of its is refused. */

struct watch {
  struct hgl_http_wire *wire;
  uv_poll_t poll;
  curl_socket_t fd;
};

static int out_of_memory(struct hgl_err *err)
{
  return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
}

/* Ending -----------------------------------------------------------------------------------------
 */

static void release(struct hgl_http_exchange *exchange)
{
  struct hgl_http_wire *wire = exchange->wire;
  if (exchange->easy) {
    curl_multi_remove_handle(wire->multi, exchange->easy); /* an error when it was not added */
    curl_easy_cleanup(exchange->easy);
  }
  hgl_http_exchange_wipe(exchange);
  if (exchange->link) {
    *exchange->link = exchange->next;
    if (exchange->next) exchange->next->link = exchange->link;
    wire->busy--;
  }
  hgl_free(exchange);
}

static void end(struct hgl_http_exchange *exchange, const struct hgl_err *why)
{
  struct hgl_http_wire *wire = exchange->wire;
  struct hgl_err kept = {0};
  void *user = exchange->user;
  bool sent = exchange->sent;
  if (why) kept = *why;
  release(exchange);
  wire->events.ended(user, why ? &kept : NULL, sent);
}

void hgl_http_wire_abandon(struct hgl_http_exchange *exchange)
{
  exchange->abandoned = true;
  if (!exchange->resolving) {
    release(exchange);
    return;
  }
  hgl_http_exchange_wipe(exchange); /* nobody will send them */
  curl_easy_setopt(exchange->easy, CURLOPT_HTTPHEADER, NULL);
}

bool hgl_http_wire_sent(const struct hgl_http_exchange *exchange)
{
  return exchange->sent;
}

int hgl_http_wire_busy(const struct hgl_http_wire *wire)
{
  return wire->busy;
}

/* The loop ---------------------------------------------------------------------------------------
 */

static void timer_came(uv_timer_t *timer);

/* libuv counts in whole milliseconds from the beginning of the round, and so would be early. */
static void arm(struct hgl_http_wire *wire, long timeout_ms)
{
  uv_update_time(wire->uv);
  uv_timer_start(&wire->timer, timer_came, timeout_ms > 0 ? (uint64_t)timeout_ms + 1 : 0, 0);
}

static int timer_changed(CURLM *multi, long timeout_ms, void *user)
{
  struct hgl_http_wire *wire = user;
  if (wire->doomed) return 0;
  if (timeout_ms < 0)
    uv_timer_stop(&wire->timer);
  else
    arm(wire, timeout_ms);
  return 0;
}

static struct hgl_http_exchange *of_easy(CURL *easy)
{
  char *exchange = NULL;
  if (easy) curl_easy_getinfo(easy, CURLINFO_PRIVATE, &exchange);
  return (struct hgl_http_exchange *)(void *)exchange;
}

static void end_doomed(struct hgl_http_wire *wire)
{
  if (!wire->doomed) return;
  wire->doomed = false;
  struct hgl_http_exchange *exchange = wire->exchanges;
  while (exchange) {
    struct hgl_err why = exchange->why;
    if (!exchange->doomed) {
      exchange = exchange->next;
      continue;
    }
    if (exchange->abandoned)
      release(exchange);
    else
      end(exchange, &why);
    exchange = wire->exchanges; /* the user may have abandoned others */
  }
}

static void end_one(struct hgl_http_exchange *exchange, CURLcode code)
{
  struct hgl_http_wire *wire = exchange->wire;
  struct hgl_err why = {0};
  if (exchange->abandoned) { /* what it borrowed is gone */
    release(exchange);
    return;
  }
  if (exchange->retry) {
    exchange->retry = false;
    exchange->refused = 0;
    exchange->why = (struct hgl_err){0};
    curl_multi_remove_handle(wire->multi, exchange->easy);
    curl_easy_setopt(exchange->easy, CURLOPT_FRESH_CONNECT, 1L);
    if (curl_multi_add_handle(wire->multi, exchange->easy) == CURLM_OK) return;
    (void)out_of_memory(&exchange->why);
    code = CURLE_OUT_OF_MEMORY;
  }
  /* An error of ours that libcurl did not take for one is one all the same. */
  if (code == CURLE_OK && exchange->why.code == HGL_OK)
    end(exchange, NULL);
  else {
    (void)hgl_http_exchange_why(exchange, code, &why);
    end(exchange, &why);
  }
}

static void reap(struct hgl_http_wire *wire)
{
  int left;
  for (CURLMsg *message; (message = curl_multi_info_read(wire->multi, &left));)
    if (message->msg == CURLMSG_DONE) end_one(of_easy(message->easy_handle), message->data.result);
  end_doomed(wire);
}

static void timer_came(uv_timer_t *timer)
{
  struct hgl_http_wire *wire = timer->data;
  int running;
  long timeout_ms = -1;
  curl_multi_socket_action(wire->multi, CURL_SOCKET_TIMEOUT, 0, &running);
  reap(wire);
  /* Had the timer been early after all, libcurl would not ask for another. */
  if (uv_is_active((uv_handle_t *)&wire->timer)) return;
  if (curl_multi_timeout(wire->multi, &timeout_ms) == CURLM_OK && timeout_ms >= 0)
    arm(wire, timeout_ms);
}

static void poll_came(uv_poll_t *poll, int status, int events)
{
  struct watch *watch = poll->data;
  struct hgl_http_wire *wire = watch->wire;
  int what = status < 0 ? CURL_CSELECT_ERR : 0, running;
  if (events & UV_READABLE) what |= CURL_CSELECT_IN;
  if (events & UV_WRITABLE) what |= CURL_CSELECT_OUT;
  curl_multi_socket_action(wire->multi, watch->fd, what, &running);
  reap(wire);
}

static void watch_closed(uv_handle_t *handle)
{
  struct watch *watch = handle->data;
  watch->wire->open_handles--;
  hgl_free(watch);
}

static struct watch *watch_socket(struct hgl_http_wire *wire, curl_socket_t fd)
{
  struct watch *watch = hgl_zalloc(sizeof *watch);
  if (!watch) return NULL;
  if (uv_poll_init(wire->uv, &watch->poll, fd) < 0) {
    hgl_free(watch);
    return NULL;
  }
  watch->wire = wire;
  watch->fd = fd;
  watch->poll.data = watch;
  wire->open_handles++;
  return watch;
}

static void unwatch(struct watch *watch)
{
  uv_poll_stop(&watch->poll);
  uv_close((uv_handle_t *)&watch->poll, watch_closed);
}

/* Nothing would ever come for an exchange whose socket is not watched. Told to libcurl, that would
 * be the end of all of them. */
static void doom(struct hgl_http_wire *wire, CURL *easy)
{
  struct hgl_http_exchange *exchange = of_easy(easy);
  if (!exchange) return;
  exchange->doomed = true;
  (void)out_of_memory(&exchange->why);
  wire->doomed = true;
  arm(wire, 0);
}

static int socket_changed(CURL *easy, curl_socket_t fd, int what, void *user, void *known)
{
  struct hgl_http_wire *wire = user;
  struct watch *watch = known;
  if (what == CURL_POLL_REMOVE) {
    if (watch) unwatch(watch);
    curl_multi_assign(wire->multi, fd, NULL);
    return 0;
  }
  if (!watch) {
    watch = watch_socket(wire, fd);
    if (watch) curl_multi_assign(wire->multi, fd, watch);
  }
  int events = (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
  if (!watch || uv_poll_start(&watch->poll, events, poll_came) < 0) doom(wire, easy);
  return 0;
}

int hgl_http_wire_begin(struct hgl_http_wire *wire, const struct hgl_http_message *message,
                        const struct hgl_http_url *url, long left_ms, void *user,
                        struct hgl_http_exchange **out, struct hgl_err *err)
{
  struct hgl_http_exchange *exchange = hgl_zalloc(sizeof *exchange);
  if (!exchange) return out_of_memory(err);
  exchange->wire = wire;
  exchange->user = user;
  exchange->message = message;
  exchange->url = url;
  if (!hgl_http_exchange_fill(exchange, left_ms) ||
      curl_multi_add_handle(wire->multi, exchange->easy) != CURLM_OK) {
    release(exchange);
    return out_of_memory(err);
  }
  exchange->link = &wire->exchanges;
  exchange->next = wire->exchanges;
  if (exchange->next) exchange->next->link = &exchange->next;
  wire->exchanges = exchange;
  wire->busy++;
  *out = exchange;
  return 0;
}

/* Making and ending ------------------------------------------------------------------------------
 */

static int copy_resolve(struct hgl_http_wire *wire, struct hgl_err *err)
{
  for (const char *const *at = wire->config->resolve; at && *at; at++) {
    struct curl_slist *list = curl_slist_append(wire->resolve, *at);
    if (!list) return out_of_memory(err);
    wire->resolve = list;
  }
  return 0;
}

static int create_multi(struct hgl_http_wire *wire, struct hgl_err *err)
{
  const struct hgl_http_limits *limits = &wire->config->limits;
  long idle = limits->idle_connections_max ? limits->idle_connections_max
                                           : HGL_HTTP_IDLE_CONNECTIONS_MAX;
  if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK || !(wire->multi = curl_multi_init()))
    return out_of_memory(err);
  curl_multi_setopt(wire->multi, CURLMOPT_SOCKETFUNCTION, socket_changed);
  curl_multi_setopt(wire->multi, CURLMOPT_SOCKETDATA, wire);
  curl_multi_setopt(wire->multi, CURLMOPT_TIMERFUNCTION, timer_changed);
  curl_multi_setopt(wire->multi, CURLMOPT_TIMERDATA, wire);
  curl_multi_setopt(wire->multi, CURLMOPT_MAXCONNECTS, idle);
  return 0;
}

int hgl_http_wire_create(const struct hgl_http_config *config,
                         const struct hgl_http_wire_events *events, struct hgl_http_wire **out,
                         struct hgl_err *err)
{
  struct hgl_http_wire *wire = hgl_zalloc(sizeof *wire);
  if (!wire) return out_of_memory(err);
  wire->config = config;
  wire->events = *events;
  wire->uv = hgl_loop_uv(config->loop);
  uv_timer_init(wire->uv, &wire->timer);
  wire->timer.data = wire;
  wire->open_handles = 1;
  int status = hgl_tls_authorities(config->trust, &wire->authorities, err);
  if (status == 0) status = copy_resolve(wire, err);
  if (status == 0) status = create_multi(wire, err);
  if (status != 0) {
    hgl_http_wire_destroy(wire);
    return status;
  }
  *out = wire;
  return 0;
}

static void timer_closed(uv_handle_t *handle)
{
  ((struct hgl_http_wire *)handle->data)->open_handles--;
}

void hgl_http_wire_destroy(struct hgl_http_wire *wire)
{
  if (!wire) return;
  while (wire->exchanges) {
    assert(wire->exchanges->abandoned);
    release(wire->exchanges);
  }
  if (wire->multi) curl_multi_cleanup(wire->multi);
  uv_close((uv_handle_t *)&wire->timer, timer_closed);
  while (wire->open_handles > 0) uv_run(wire->uv, UV_RUN_ONCE);
  curl_slist_free_all(wire->resolve);
  X509_STORE_free(wire->authorities);
  hgl_free(wire);
}
