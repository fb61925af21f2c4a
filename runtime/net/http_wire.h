/* libcurl on the host's loop: one HTTP request and its answer at a time, without redirects. Whether
 * an address may be connected to, and what becomes of the answer, is decided by the user. Loop
 * thread only. */
#ifndef HGL_NET_HTTP_WIRE_H
#define HGL_NET_HTTP_WIRE_H

#include "net/http_message.h"
#include "net/http_url.h"

struct hgl_http_wire;
struct hgl_http_exchange;

/* Those that return a status end the exchange with their error when it is not 0. `address`, `line`
 * and `body` are called from within libcurl and must not begin or abandon exchanges. */
struct hgl_http_wire_events {
  int (*address)(void *user, const char *address, struct hgl_err *err);
  int (*line)(void *user, struct hgl_bytes line, struct hgl_err *err); /* of the head */
  int (*body)(void *user, struct hgl_bytes piece, struct hgl_err *err);
  /* The last call; `why` is NULL when the answer is whole. `sent`: something may have reached the
   * server. */
  void (*ended)(void *user, const struct hgl_err *why, bool sent);
};

/* The config is borrowed; HGL_INVALID: its `trust` or `resolve` cannot be used. */
int hgl_http_wire_create(const struct hgl_http_config *config,
                         const struct hgl_http_wire_events *events, struct hgl_http_wire **out,
                         struct hgl_err *err) HGL_NODISCARD;
/* Every exchange must have ended or been abandoned. Runs the loop. NULL is allowed. */
void hgl_http_wire_destroy(struct hgl_http_wire *wire);

/* `message` and `url` are borrowed until the exchange ended or was abandoned. `ended` is never
 * called from within this. */
int hgl_http_wire_begin(struct hgl_http_wire *wire, const struct hgl_http_message *message,
                        const struct hgl_http_url *url, long left_ms, void *user,
                        struct hgl_http_exchange **out, struct hgl_err *err) HGL_NODISCARD;
/* Something may have reached the server. */
bool hgl_http_wire_sent(const struct hgl_http_exchange *exchange);
/* No event after it. */
void hgl_http_wire_abandon(struct hgl_http_exchange *exchange);
/* Exchanges that go on and that were abandoned while a thread still looks up their name. */
int hgl_http_wire_busy(const struct hgl_http_wire *wire);

#endif
