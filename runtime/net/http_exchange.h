/* One request and its answer within libcurl: what net/http_wire.c and net/http_exchange.c share.
 * Only these two know libcurl's transfers. */
#ifndef HGL_NET_HTTP_EXCHANGE_H
#define HGL_NET_HTTP_EXCHANGE_H

#include <curl/curl.h>
#include <openssl/ssl.h>

#include "net/http_wire.h"
#include "net/uv.h"

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

/* Makes the handle and says all there is to say; false: no memory. `left_ms`: for connecting. */
bool hgl_http_exchange_fill(struct hgl_http_exchange *exchange, long left_ms) HGL_NODISCARD;
/* The request's headers may hold secrets. */
void hgl_http_exchange_wipe(struct hgl_http_exchange *exchange);
/* Why it failed; libcurl ended it with this code. */
int hgl_http_exchange_why(const struct hgl_http_exchange *exchange, CURLcode code,
                          struct hgl_err *err);

#endif
