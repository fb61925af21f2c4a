#include "net/http_wire.h"

#include <assert.h>
#include <stdio.h>
#include <sys/socket.h>

#include <curl/curl.h>
#include <openssl/ssl.h>

#include "base/mem.h"
#include "net/address.h"
#include "net/tls.h"
#include "net/uv.h"
#include "protocol/crypto.h"

/* libcurl says which sockets it waits for and until when (socket_changed, timer_changed); the loop
 * says what came (poll_came, timer_came). Then `reap` looks for exchanges that have ended: events
 * that end an exchange are only ever sent from there, never from within libcurl.
 *
 * Threads that look up a name cannot be stopped. An exchange that is abandoned meanwhile is kept,
 * deaf, until its thread is back: so there are never more threads than exchanges, and nothing waits
 * for them. */

enum { CONNECT_GRACE_MS = 20 };

struct hgl_http_wire {
  const struct hgl_http_config *config;
  struct hgl_http_wire_events events;
  uv_loop_t *uv;
  uv_timer_t timer;
  CURLM *multi;
  X509_STORE *authorities;
  struct curl_slist *resolve;
  struct hgl_http_exchange *exchanges;
  int busy, open_handles;
  bool doomed; /* one of the exchanges is */
};

struct hgl_http_exchange {
  struct hgl_http_wire *wire;
  struct hgl_http_exchange *next, **link;
  void *user;
  const struct hgl_http_message *message;
  const struct hgl_http_url *url;
  CURL *easy;
  struct curl_slist *headers;
  struct hgl_err why;    /* code: what ended it before libcurl did */
  struct hgl_err denied; /* the first address that may not be connected to */
  int refused, tried;    /* addresses: not permitted, and connected to */
  bool resolving, sent, fresh, retry, abandoned, doomed;
  char words[CURL_ERROR_SIZE];
};

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

static void wipe_headers(struct hgl_http_exchange *exchange)
{
  for (struct curl_slist *at = exchange->headers; at; at = at->next)
    hgl_wipe(at->data, strlen(at->data));
  curl_slist_free_all(exchange->headers);
  exchange->headers = NULL;
}

static void release(struct hgl_http_exchange *exchange)
{
  struct hgl_http_wire *wire = exchange->wire;
  if (exchange->easy) {
    curl_multi_remove_handle(wire->multi, exchange->easy); /* an error when it was not added */
    curl_easy_cleanup(exchange->easy);
  }
  wipe_headers(exchange);
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
  wipe_headers(exchange); /* nobody will send them */
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

/* Why an exchange failed ------------------------------------------------------------------------
 */

static const char *words_of(const struct hgl_http_exchange *exchange, CURLcode code)
{
  return *exchange->words ? exchange->words : curl_easy_strerror(code);
}

static int unreachable(const struct hgl_http_exchange *exchange, struct hgl_err *err)
{
  const struct hgl_http_url *url = exchange->url;
  long number = 0;
  if (exchange->refused && !exchange->tried) {
    *err = exchange->denied;
    return hgl_err_status(err->code);
  }
  curl_easy_getinfo(exchange->easy, CURLINFO_OS_ERRNO, &number);
  const char *reason = number ? strerror((int)number) : "no connection came about";
  if (!exchange->refused)
    return hgl_fail(err, HGL_UNREACHABLE, "%s:%d: %s", url->host, url->port, reason);
  return hgl_fail(err, HGL_UNREACHABLE, "%s:%d: %s; another of its addresses is not permitted: %s",
                  url->host, url->port, reason, exchange->denied.message);
}

static int failed(const struct hgl_http_exchange *exchange, CURLcode code, struct hgl_err *err)
{
  const char *host = exchange->url->host;
  if (exchange->why.code != HGL_OK) {
    *err = exchange->why;
    return hgl_err_status(err->code);
  }
  switch (code) {
  case CURLE_OUT_OF_MEMORY: /* also what libcurl says of a line that does not end */
    if (!exchange->sent) return out_of_memory(err);
    return hgl_fail(err, HGL_TOO_LARGE,
                    "%s: a header of the answer is too long (or memory is exhausted)", host);
  case CURLE_COULDNT_RESOLVE_HOST:
    return hgl_fail(err, HGL_UNREACHABLE, "%s: the name does not resolve", host);
  case CURLE_COULDNT_CONNECT:
    return unreachable(exchange, err);
  case CURLE_OPERATION_TIMEDOUT:
    return hgl_fail(err, HGL_TIMEOUT, "%s: %s", host, words_of(exchange, code));
  case CURLE_SSL_CONNECT_ERROR:
  case CURLE_PEER_FAILED_VERIFICATION:
  case CURLE_SSL_CERTPROBLEM:
  case CURLE_SSL_CIPHER:
  case CURLE_SSL_ISSUER_ERROR:
  case CURLE_SSL_INVALIDCERTSTATUS:
    return hgl_fail(err, HGL_UNTRUSTED, "%s: %s", host, words_of(exchange, code));
  case CURLE_WEIRD_SERVER_REPLY:
  case CURLE_UNSUPPORTED_PROTOCOL: /* HTTP/0.9 */
  case CURLE_BAD_CONTENT_ENCODING:
    return hgl_fail(err, HGL_MALFORMED, "%s: the answer is not HTTP as it should be: %s", host,
                    words_of(exchange, code));
  default:
    return hgl_fail(err, HGL_CLOSED, "%s: the connection ended before the answer did: %s", host,
                    words_of(exchange, code));
  }
}

/* What libcurl asks ------------------------------------------------------------------------------
 */

/* Nonzero: the name is not looked up. */
static int resolve_begins(void *resolver, void *reserved, void *user)
{
  struct hgl_http_exchange *exchange = user;
  exchange->resolving = true;
  return exchange->abandoned;
}

/* false: it may not be used. */
static bool ask_address(struct hgl_http_exchange *exchange, const char *address)
{
  struct hgl_err err = {0};
  if (exchange->abandoned) return false;
  if (exchange->wire->events.address(exchange->user, address, &err) == 0) return true;
  if (!exchange->refused++) exchange->denied = err;
  return false;
}

static curl_socket_t open_socket(void *user, curlsocktype purpose, struct curl_sockaddr *address)
{
  struct hgl_http_exchange *exchange = user;
  char text[HGL_ADDRESS_TEXT_SIZE];
  exchange->resolving = false;
  exchange->fresh = true;
  if (!hgl_address_write(&address->addr, text) || !ask_address(exchange, text))
    return CURL_SOCKET_BAD;
  exchange->tried++;
  return socket(address->family, address->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK,
                address->protocol);
}

/* The connection stands, a new one or one of an earlier exchange that somebody else may have been
 * permitted; nothing of this request has been written to it. */
static int before_request(void *user, char *address, char *own, int port, int own_port)
{
  struct hgl_http_exchange *exchange = user;
  exchange->resolving = false;
  if (!ask_address(exchange, address)) {
    exchange->retry = !exchange->fresh && !exchange->abandoned;
    exchange->why = exchange->denied;
    return CURL_PREREQFUNC_ABORT;
  }
  if (exchange->sent && !exchange->message->repeat_safe) {
    hgl_fail(&exchange->why, HGL_CLOSED, "%s: the connection ended before the answer did",
             exchange->url->host);
    return CURL_PREREQFUNC_ABORT;
  }
  exchange->sent = true;
  return CURL_PREREQFUNC_OK;
}

/* 0 makes libcurl end the exchange. */
static size_t pass_on(struct hgl_http_exchange *exchange, const char *data, size_t size,
                      int (*to)(void *, struct hgl_bytes, struct hgl_err *))
{
  if (exchange->abandoned || exchange->why.code != HGL_OK) return 0;
  struct hgl_err err = {0};
  if (to(exchange->user, hgl_bytes(data, size), &err) == 0) return size;
  exchange->why = err;
  return 0;
}

static size_t line_came(char *data, size_t unit, size_t size, void *user)
{
  struct hgl_http_exchange *exchange = user;
  return pass_on(exchange, data, unit * size, exchange->wire->events.line);
}

static size_t body_came(char *data, size_t unit, size_t size, void *user)
{
  struct hgl_http_exchange *exchange = user;
  return pass_on(exchange, data, unit * size, exchange->wire->events.body);
}

static CURLcode tls_begins(CURL *easy, void *context, void *user)
{
  struct hgl_http_wire *wire = user;
  SSL_CTX_set1_cert_store(context, wire->authorities);
  return CURLE_OK;
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
    failed(exchange, code, &why);
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

/* One exchange -----------------------------------------------------------------------------------
 */

/* In libcurl's way of writing: a name with ";" has an empty value, one with ":" alone is not sent.
 */
static bool add_header(struct hgl_http_exchange *exchange, const struct hgl_http_header *header)
{
  size_t name = header->name.size, value = header->value.size, size = name + value + 3;
  char *line = hgl_alloc(size);
  if (!line) return false;
  memcpy(line, header->name.data, name);
  memcpy(line + name, value ? ": " : ";", value ? 2 : 1);
  if (value) memcpy(line + name + 2, header->value.data, value);
  line[name + (value ? 2 + value : 1)] = '\0';
  struct curl_slist *list = curl_slist_append(exchange->headers, line);
  if (header->sensitive) hgl_wipe(line, size);
  hgl_free(line);
  if (list) exchange->headers = list;
  return list != NULL;
}

static bool add_plain(struct hgl_http_exchange *exchange, const char *line)
{
  struct curl_slist *list = curl_slist_append(exchange->headers, line);
  if (list) exchange->headers = list;
  return list != NULL;
}

static bool add_headers(struct hgl_http_exchange *exchange)
{
  const struct hgl_http_message *message = exchange->message;
  /* What libcurl would say of its own accord: that it waits for leave to send a large body, and
   * that each body is a form. */
  bool good = add_plain(exchange, "Expect:");
  if (good && !hgl_http_message_has(message, "content-type"))
    good = add_plain(exchange, "Content-Type:");
  for (size_t i = 0; good && i < message->header_count; i++)
    good = add_header(exchange, &message->headers[i]);
  return good;
}

#define SET(option, value) (good = curl_easy_setopt(easy, (option), (value)) == CURLE_OK && good)

static bool set_where(struct hgl_http_exchange *exchange, long left_ms)
{
  CURL *easy = exchange->easy;
  bool good = true;
  SET(CURLOPT_URL, exchange->url->text);
  SET(CURLOPT_PROTOCOLS_STR, "http,https");
  SET(CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
  SET(CURLOPT_FOLLOWLOCATION, 0L);
  SET(CURLOPT_PROXY, "");
  SET(CURLOPT_NOPROXY, "*");
  SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
  SET(CURLOPT_NOSIGNAL, 1L);
  /* An address that does not answer leaves some of it for the next. The user's timer is first:
   * libcurl would give up a name without waiting for its thread. */
  SET(CURLOPT_CONNECTTIMEOUT_MS, left_ms + CONNECT_GRACE_MS);
  SET(CURLOPT_QUICK_EXIT, 1L); /* do not wait for threads that look up names */
  SET(CURLOPT_RESOLVE, exchange->wire->resolve);
  SET(CURLOPT_RESOLVER_START_FUNCTION, resolve_begins);
  SET(CURLOPT_RESOLVER_START_DATA, exchange);
  SET(CURLOPT_OPENSOCKETFUNCTION, open_socket);
  SET(CURLOPT_OPENSOCKETDATA, exchange);
  SET(CURLOPT_PREREQFUNCTION, before_request);
  SET(CURLOPT_PREREQDATA, exchange);
  SET(CURLOPT_FRESH_CONNECT, exchange->message->repeat_safe ? 0L : 1L);
  SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
  SET(CURLOPT_SSL_VERIFYPEER, 1L);
  SET(CURLOPT_SSL_VERIFYHOST, 2L);
  SET(CURLOPT_CAINFO, NULL); /* tls_begins puts ours in */
  SET(CURLOPT_CAPATH, NULL);
  SET(CURLOPT_SSL_CTX_FUNCTION, tls_begins);
  SET(CURLOPT_SSL_CTX_DATA, exchange->wire);
  return good;
}

static bool set_what(struct hgl_http_exchange *exchange)
{
  const struct hgl_http_message *message = exchange->message;
  CURL *easy = exchange->easy;
  bool good = true;
  bool is_get = strcmp(message->method, "GET") == 0;
  bool expects_body = strcmp(message->method, "POST") == 0 || strcmp(message->method, "PUT") == 0 ||
                      strcmp(message->method, "PATCH") == 0;
  if (strcmp(message->method, "HEAD") == 0)
    SET(CURLOPT_NOBODY, 1L);
  else if (message->body_size || expects_body) {
    SET(CURLOPT_POST, 1L);
    SET(CURLOPT_POSTFIELDS, message->body_size ? (const char *)message->body : "");
    SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)message->body_size);
  } else
    SET(CURLOPT_HTTPGET, 1L);
  if (!is_get) SET(CURLOPT_CUSTOMREQUEST, message->method);
  SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
  if (exchange->wire->config->user_agent)
    SET(CURLOPT_USERAGENT, exchange->wire->config->user_agent);
  /* A part of something compressed cannot be decompressed. */
  if (!hgl_http_message_has(message, "range")) SET(CURLOPT_ACCEPT_ENCODING, "gzip, deflate");
  SET(CURLOPT_HTTPHEADER, exchange->headers);
  SET(CURLOPT_HEADERFUNCTION, line_came);
  SET(CURLOPT_HEADERDATA, exchange);
  SET(CURLOPT_WRITEFUNCTION, body_came);
  SET(CURLOPT_WRITEDATA, exchange);
  SET(CURLOPT_ERRORBUFFER, exchange->words);
  SET(CURLOPT_PRIVATE, exchange);
  return good;
}

#undef SET

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
  exchange->easy = curl_easy_init();
  if (!exchange->easy || !add_headers(exchange) || !set_where(exchange, left_ms) ||
      !set_what(exchange) || curl_multi_add_handle(wire->multi, exchange->easy) != CURLM_OK) {
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
