#include "net/http_exchange.h"

#include <sys/socket.h>

#include "base/mem.h"
#include "net/address.h"
#include "protocol/crypto.h"

enum { CONNECT_GRACE_MS = 20 };

static int out_of_memory(struct hgl_err *err)
{
  return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
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

int hgl_http_exchange_why(const struct hgl_http_exchange *exchange, CURLcode code,
                          struct hgl_err *err)
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

/* One exchange -----------------------------------------------------------------------------------
 */

void hgl_http_exchange_wipe(struct hgl_http_exchange *exchange)
{
  for (struct curl_slist *at = exchange->headers; at; at = at->next)
    hgl_wipe(at->data, strlen(at->data));
  curl_slist_free_all(exchange->headers);
  exchange->headers = NULL;
}

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

bool hgl_http_exchange_fill(struct hgl_http_exchange *exchange, long left_ms)
{
  exchange->easy = curl_easy_init();
  return exchange->easy && add_headers(exchange) && set_where(exchange, left_ms) &&
         set_what(exchange);
}
