/* WebSockets of whoever is no link: browsers that look at the host. A request for an upgrade is
 * accepted (net/web.h offers it), and then both sides send whole texts. They have places of their
 * own, so that they take none from links, nor from other requests. Loop thread only.
 *
 * Who was accepted is a stranger until it is let in. A stranger has little time, and gives way to
 * others; who was let in stays until one of the two hangs up, does not answer pings, or does not
 * read what it was sent. */
#ifndef HGL_NET_WEB_SOCKET_H
#define HGL_NET_WEB_SOCKET_H

#include "net/web.h"

#define HGL_WEB_SOCKET_PROTOCOL "haggle.feed.v1" /* the subprotocol */

enum {
  HGL_WEB_SOCKET_STRANGERS_MAX =
      16, /* for one more, the oldest of whoever has the most gives way */
  HGL_WEB_SOCKET_STRANGER_TIMEOUT_MS = 5000,
  HGL_WEB_SOCKET_MESSAGE_SIZE_MAX = 64 << 10, /* of what comes */
  HGL_WEB_SOCKET_QUEUE_SIZE_MAX = 8 << 20,    /* of what it has not taken: then it is given up */
  HGL_WEB_SOCKET_QUEUES_SIZE_MAX = 64 << 20,  /* of all: then whoever has the longest is */
  HGL_WEB_SOCKET_REST_SIZE = 256 << 10,       /* with more in its queue it is not listened to */
  HGL_WEB_SOCKET_STALL_TIMEOUT_MS = 30000,    /* one that takes nothing for so long is given up */
  /* What it asks for is answered on the loop that all else runs on. Beyond so much of the loop's
   * time, one gets a 32nd of it: longer it is not listened to. */
  HGL_WEB_SOCKET_CREDIT_MS = 100,
  HGL_WEB_SOCKET_SHARE = 32,
  /* And of several that share: whoever comes, leaves and comes again has no more. */
  HGL_WEB_SOCKET_SHARED_CREDIT_MS = 400,
  HGL_WEB_SOCKET_SHARED_SHARE = 16,
};

/* RFC 6455, section 7.4; and ours, from 4000 on. */
enum hgl_web_socket_status {
  HGL_WEB_SOCKET_GOING_AWAY = 1001,
  HGL_WEB_SOCKET_NO_TEXT = 1003,
  HGL_WEB_SOCKET_NOT_UTF8 = 1007,
  HGL_WEB_SOCKET_TOO_LONG = 1009,
  HGL_WEB_SOCKET_TRY_LATER = 1013,
  HGL_WEB_SOCKET_DENIED = 4401,
};

struct hgl_web_socket;

/* What was used of the loop's time lately. Zeroed: nothing. */
struct hgl_web_use {
  int64_t used_ns, at_ns; /* it was so much at that time, and is forgotten by and by */
};

struct hgl_web_socket_events {
  /* A whole text, UTF-8, borrowed for the call. */
  void (*message)(void *user, struct hgl_web_socket *socket, struct hgl_bytes text);
  /* The kernel has taken all that was sent. */
  void (*drained)(void *user, struct hgl_web_socket *socket);
  /* The last call for this one. */
  void (*closed)(void *user, struct hgl_web_socket *socket);
};

/* Instead of hgl_web_answer, for a request with `upgrade`, which is over with that. `events` stays
 * good for as long as the socket. HGL_INVALID: no WebSocket of this subprotocol is asked for (says
 * what is wrong); HGL_NO_MEMORY. Then it is still to be answered. */
int hgl_web_accept(struct hgl_web_asked *asked, const struct hgl_web_socket_events *events,
                   void *user, struct hgl_web_socket **out, struct hgl_err *err) HGL_NODISCARD;
/* It is no stranger any more. HGL_LIMIT: `places` are taken, or `places_of_origin` of its origin.
 */
int hgl_web_socket_let_in(struct hgl_web_socket *socket, int places, int places_of_origin,
                          struct hgl_err *err) HGL_NODISCARD;
/* What it asks for counts as that of all that share `use`, which outlives it: beyond their part of
 * the loop's time their texts wait, and are heard in the order in which they came. */
void hgl_web_socket_share(struct hgl_web_socket *socket, struct hgl_web_use *use);
/* Queues a text, which is copied. HGL_CLOSED; HGL_LIMIT: it does not read, and is given up;
 * HGL_NO_MEMORY: nothing was queued. */
int hgl_web_socket_send(struct hgl_web_socket *socket, struct hgl_bytes text,
                        struct hgl_err *err) HGL_NODISCARD;
size_t hgl_web_socket_queued(const struct hgl_web_socket *socket); /* bytes; 0: it has drained */
/* Once what is queued is written, or a second is over; `closed` follows, never from inside this
 * call. Nothing that comes meanwhile is told. */
void hgl_web_socket_close(struct hgl_web_socket *socket, enum hgl_web_socket_status status,
                          const char *why);
const char *hgl_web_socket_address(const struct hgl_web_socket *socket);
uint64_t hgl_web_socket_origin(const struct hgl_web_socket *socket);

#endif
