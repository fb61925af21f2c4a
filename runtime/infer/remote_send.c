/* One exchange with a server: what libcurl is told, what it says, and what came of it. */
#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

#include "base/mem.h"
#include "infer/remote_internal.h"

enum { CONNECT_MS = 10000, REFUSAL_SIZE_MAX = 64 << 10, LIMIT_AFTER_S_MAX = 24 * 3600 };

/* What comes ------------------------------------------------------------------------------------
 */

static int hold(struct remote_exchange *exchange, size_t size)
{
  struct remote *remote = exchange->remote;
  if (size > REMOTE_HELD_MAX - remote->held)
    return hgl_fail(&exchange->why, HGL_LIMIT,
                    "the answers that are coming hold more than %d MiB together: ask less at once",
                    REMOTE_HELD_MAX >> 20);
  if (exchange->held + size > REMOTE_ANSWER_SIZE_MAX)
    return hgl_fail(&exchange->why, HGL_TOO_LARGE, "the answer has more than %d MiB",
                    REMOTE_ANSWER_SIZE_MAX >> 20);
  remote->held += size;
  exchange->held += size;
  return 0;
}

static void look_at_head(struct remote_exchange *exchange)
{
  const char *type = NULL;
  exchange->begun = true;
  curl_easy_getinfo(exchange->easy, CURLINFO_RESPONSE_CODE, &exchange->code);
  curl_easy_getinfo(exchange->easy, CURLINFO_CONTENT_TYPE, &type);
  exchange->answer.events = type && strncasecmp(type, "text/event-stream", 17) == 0;
}

/* 0 makes libcurl end the exchange. */
static size_t body_came(char *data, size_t unit, size_t size, void *user)
{
  struct remote_exchange *exchange = user;
  size *= unit;
  if (!exchange->begun) look_at_head(exchange);
  if (exchange->code != 200) { /* more of it than this is read by nobody */
    if (size <= REFUSAL_SIZE_MAX - exchange->refusal.size)
      hgl_buf_append(&exchange->refusal, data, size);
    return exchange->held += size, exchange->held <= REMOTE_ANSWER_SIZE_MAX ? size : 0;
  }
  if (hold(exchange, size) != 0) return 0;
  return remote_answer_add(&exchange->answer, hgl_bytes(data, size), &exchange->why) == 0 ? size
                                                                                          : 0;
}

/* The connection stands; nothing was written to it for this request, unless it is an old one that
 * turned out to be dead after it was: then it would be sent twice. */
static int before_request(void *user, char *address, char *own, int port, int own_port)
{
  struct remote_exchange *exchange = user;
  if (exchange->sent && remote_has_prices(&exchange->remote->options)) {
    hgl_fail(&exchange->why, HGL_CLOSED, "the connection ended before the answer did");
    return CURL_PREREQFUNC_ABORT;
  }
  exchange->sent = true;
  return CURL_PREREQFUNC_OK;
}

/* Beginning -------------------------------------------------------------------------------------
 */

static bool set_where(struct remote_exchange *exchange)
{
  const struct remote_options *options = &exchange->remote->options;
  CURL *easy = exchange->easy;
  bool good = true;
#define SET(option, value) (good = curl_easy_setopt(easy, (option), (value)) == CURLE_OK && good)
  SET(CURLOPT_PROTOCOLS_STR, "http,https");
  SET(CURLOPT_FOLLOWLOCATION, 0L);
  SET(CURLOPT_PROXY, options->proxy ? options->proxy : "");
  SET(CURLOPT_NOPROXY, options->proxy ? "" : "*");
  SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
  SET(CURLOPT_NOSIGNAL, 1L);
  SET(CURLOPT_QUICK_EXIT, 1L); /* do not wait for threads that look up names */
  SET(CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
  SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
  SET(CURLOPT_SSL_VERIFYPEER, 1L);
  SET(CURLOPT_SSL_VERIFYHOST, 2L);
  if (options->trust) SET(CURLOPT_CAINFO, options->trust);
  SET(CURLOPT_PREREQFUNCTION, before_request);
  SET(CURLOPT_PREREQDATA, exchange);
  return good;
}

static bool set_what(struct remote_exchange *exchange, const char *url)
{
  const struct hgl_buf *body = &exchange->question->body;
  CURL *easy = exchange->easy;
  bool good = true;
  SET(CURLOPT_URL, url);
  SET(CURLOPT_POST, 1L);
  SET(CURLOPT_POSTFIELDS, (const char *)body->data);
  SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body->size);
  SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
  SET(CURLOPT_ACCEPT_ENCODING, "gzip, deflate");
  SET(CURLOPT_HTTPHEADER, exchange->remote->headers);
  SET(CURLOPT_WRITEFUNCTION, body_came);
  SET(CURLOPT_WRITEDATA, exchange);
  SET(CURLOPT_ERRORBUFFER, exchange->words);
  SET(CURLOPT_PRIVATE, exchange);
#undef SET
  return good;
}

int remote_exchange_begin(struct remote_exchange *exchange, struct remote *remote,
                          const struct remote_question *question, struct hgl_err *err)
{
  static const char *const endpoints[] = {[HAGGLE_CHAT] = "/chat/completions",
                                          [HAGGLE_COMPLETE] = "/completions",
                                          [HAGGLE_EMBED] = "/embeddings"};
  struct hgl_buf url;
  exchange->remote = remote;
  exchange->question = question;
  hgl_buf_init(&exchange->refusal, REFUSAL_SIZE_MAX);
  hgl_buf_init(&url, 16 << 10);
  hgl_buf_printf(&url, "%s%s", remote->options.url, endpoints[question->task]);
  hgl_buf_append_byte(&url, 0);
  bool good = !url.failed && (exchange->easy = curl_easy_init()) && set_where(exchange) &&
              set_what(exchange, (const char *)url.data) &&
              curl_multi_add_handle(remote->multi, exchange->easy) == CURLM_OK;
  hgl_buf_deinit(&url);
  return good ? 0 : hgl_fail(err, HGL_NO_MEMORY, "out of memory");
}

void remote_exchange_deinit(struct remote_exchange *exchange)
{
  if (exchange->easy) {
    curl_multi_remove_handle(exchange->remote->multi, exchange->easy); /* an error if not added */
    curl_easy_cleanup(exchange->easy);
    exchange->easy = NULL;
  }
  if (exchange->remote && exchange->code == 200) exchange->remote->held -= exchange->held;
  exchange->held = 0;
  remote_answer_deinit(&exchange->answer);
  hgl_buf_deinit(&exchange->refusal);
}

/* Ending ----------------------------------------------------------------------------------------
 */

static void say(struct remote_end *end, int32_t status, const char *format, ...) HGL_PRINTF(3, 4);

static void say(struct remote_end *end, int32_t status, const char *format, ...)
{
  va_list args;
  va_start(args, format);
  end->status = status;
  vsnprintf(end->message, sizeof end->message, format, args);
  va_end(args);
}

/* What a server repeats of a key is not passed on. */
static void blot_out(const struct hgl_buf *key, char *text)
{
  size_t size = strlen(text);
  if (key->size == 0) return;
  for (char *at; (at = memmem(text, size, key->data, key->size));) memset(at, '*', key->size);
}

static void transport_failed(const struct remote_exchange *exchange, CURLcode code,
                             struct remote_end *end)
{
  const char *host = exchange->remote->options.host;
  const char *words = *exchange->words ? exchange->words : curl_easy_strerror(code);
  switch (code) {
  case CURLE_OUT_OF_MEMORY:
    say(end, HAGGLE_NO_MEMORY, "out of memory");
    return;
  case CURLE_COULDNT_RESOLVE_HOST:
    say(end, HAGGLE_UNREACHABLE, "%s: the name does not resolve", host);
    break;
  case CURLE_PEER_FAILED_VERIFICATION:
  case CURLE_SSL_ISSUER_ERROR:
  case CURLE_SSL_INVALIDCERTSTATUS:
  case CURLE_SSL_CACERT_BADFILE:
    say(end, HAGGLE_UNREACHABLE,
        "%s could not prove that it is that (%.200s); the option trust names a file with another "
        "authority",
        host, words);
    return;
  default:
    say(end, HAGGLE_UNREACHABLE, "%s: %.300s", host, words);
  }
  end->again = true;
}

/* An error of our own while the answer came. */
static void answer_failed(const struct remote_exchange *exchange, const struct hgl_err *why,
                          struct remote_end *end)
{
  struct haggle_error error = {.size = sizeof error};
  hgl_infer_fail_err(&error, why);
  int32_t status = error.status;
  if (why->code == HGL_MALFORMED || why->code == HGL_BAD_VALUE) status = HAGGLE_FAILED;
  if (why->code == HGL_CLOSED) status = HAGGLE_UNREACHABLE;
  if (why->code == HGL_TOO_LARGE) status = HAGGLE_FAILED;
  say(end, status, "%s: %s", exchange->remote->options.host, why->message);
  end->again = why->code == HGL_CLOSED;
}

struct refusal {
  long code; /* -1: the end; and a range */
  const char *advice;
  int32_t status;
  bool again;
};

static const struct refusal *refusal_of(long code)
{
  static const struct refusal known[] = {
      {400, "", HAGGLE_INVALID, false},
      {401, "; the option key says where the key lies", HAGGLE_DENIED, false},
      {402, "; it wants to be paid", HAGGLE_LIMIT, false},
      {403, "; the option key says where the key lies", HAGGLE_DENIED, false},
      {404, "; the option model names a model there, and addresses mostly end with /v1",
       HAGGLE_NOT_FOUND, false},
      {405, "; addresses mostly end with /v1", HAGGLE_NOT_FOUND, false},
      {408, "", HAGGLE_UNREACHABLE, true},
      {409, "", HAGGLE_UNREACHABLE, true},
      {413, "", HAGGLE_TOO_LARGE, false},
      {422, "", HAGGLE_INVALID, false},
      {425, "", HAGGLE_UNREACHABLE, true},
      {429, "; the option rate keeps to a number of requests a minute", HAGGLE_LIMIT, true},
      {501, "; it has no such endpoint", HAGGLE_UNSUPPORTED, false},
  };
  static const struct refusal redirect = {
      0, "; it redirects, which is not followed: give the address that it redirects to",
      HAGGLE_INVALID, false};
  static const struct refusal busy = {0, "", HAGGLE_UNREACHABLE, true};
  static const struct refusal other = {0, "", HAGGLE_FAILED, false};
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (known[i].code == code) return &known[i];
  return code >= 300 && code < 400 ? &redirect : code >= 500 ? &busy : &other;
}

static void refused(struct remote_exchange *exchange, struct remote_end *end)
{
  char words[256], kind[64];
  curl_off_t after_s = 0;
  const struct remote_options *options = &exchange->remote->options;
  const struct refusal *refusal = refusal_of(exchange->code);
  int32_t status = refusal->status;
  remote_answer_error(hgl_buf_bytes(&exchange->refusal), words, sizeof words, kind, sizeof kind);
  /* Of a key that is wrong, some repeat the beginning and the end. */
  if (status == HAGGLE_DENIED) *words = 0;
  if (status == HAGGLE_INVALID && strstr(kind, "context")) status = HAGGLE_TOO_LARGE;
  say(end, status, "%s answers %ld%s%s%s", options->host, exchange->code, *words ? ": " : "", words,
      refusal->advice);
  end->again = refusal->again && !strstr(kind, "quota");
  curl_easy_getinfo(exchange->easy, CURLINFO_RETRY_AFTER, &after_s);
  if (after_s > LIMIT_AFTER_S_MAX) after_s = LIMIT_AFTER_S_MAX;
  end->after_ns = (int64_t)after_s * 1000000000;
  /* It says that it did not do it; of other failures nobody knows. */
  end->charged = exchange->code >= 500 && exchange->code != 503 && exchange->code != 501;
}

static void end_exchange(struct remote_exchange *exchange, CURLcode code, struct hgl_buf *out,
                         struct remote_end *end)
{
  struct hgl_err err = {0};
  *end = (struct remote_end){.status = HAGGLE_OK};
  if (!exchange->begun) curl_easy_getinfo(exchange->easy, CURLINFO_RESPONSE_CODE, &exchange->code);
  bool cut_off = code != CURLE_OK && exchange->why.code == HGL_OK;
  if (exchange->code && exchange->code != 200) {
    refused(exchange, end);
    return;
  }
  end->charged = exchange->sent;
  if (exchange->why.code != HGL_OK)
    answer_failed(exchange, &exchange->why, end);
  else if (cut_off && !exchange->answer.complete)
    transport_failed(exchange, code, end);
  else if (remote_answer_end(&exchange->answer, exchange->question, out, &err) != 0)
    answer_failed(exchange, &err, end);
}

void remote_exchange_end(struct remote_exchange *exchange, CURLcode code, struct hgl_buf *out,
                         struct remote_end *end)
{
  end_exchange(exchange, code, out, end);
  blot_out(&exchange->remote->options.key, end->message);
}
