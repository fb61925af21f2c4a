/* What net.c and the files web*.c share of the WebSockets behind net/web_socket.h. */
#ifndef HGL_NET_WEB_SOCKET_CORE_H
#define HGL_NET_WEB_SOCKET_CORE_H

#include "net/link.h"
#include "net/web_socket.h"

#define HGL_WEB_SOCKET_VHOST "web"

enum { HGL_WEB_SOCKET_WHY_SIZE = 124 }; /* a close frame has room for 123 bytes of it */

struct hgl_web_text; /* one that is queued */

struct hgl_web_socket {
  struct hgl_net *net;
  struct hgl_web_socket *next, **link; /* in net->web_sockets, the newest first */
  struct hgl_web_conn *conn;           /* until libwebsockets has taken it over */
  struct lws *wsi;                     /* NULL before it is open and once it is gone */
  const struct hgl_web_socket_events *events;
  void *user;
  uint64_t origin;
  char address[64];
  bool stranger;
  bool adopting; /* inside libwebsockets' call: not to be freed */
  bool lost;     /* ended inside that call */
  bool closing;
  bool said_close;
  bool deaf;     /* reading rests */
  bool draining; /* has been sent something since it last drained */
  struct hgl_buf in;
  struct hgl_web_text *first, **last;
  size_t queued;   /* bytes that libwebsockets has not got yet */
  int64_t due_ns;  /* a stranger's time, of taking something, or of closing; INT64_MAX: never */
  int64_t rest_ns; /* until then it is not listened to; INT64_MAX: it is */
  int64_t held_ns; /* since then `in` holds a text that waits; INT64_MAX: none */
  struct hgl_web_use own, *shared; /* of the loop's time; `shared` may be NULL */
  enum hgl_web_socket_status status;
  char why[HGL_WEB_SOCKET_WHY_SIZE];
};

extern const struct lws_protocols hgl_web_socket_protocols[];

/* Checks what is asked, and puts a head for libwebsockets before what the connection has read. As
 * hgl_web_accept. */
int hgl_web_socket_create(struct hgl_web_conn *conn, const struct hgl_web_asked *asked,
                          const struct hgl_web_socket_events *events, void *user,
                          struct hgl_web_socket **out, struct hgl_err *err);
/* The connection is gone, and now the socket too. */
void hgl_web_socket_ended(struct hgl_web_socket *socket);
/* Without waiting for anything. Not from within its own callbacks. */
void hgl_web_socket_end_now(struct hgl_web_socket *socket);
/* web_use.c: from `began_ns` to `now_ns` it was used once more. */
void hgl_web_use_add(struct hgl_web_use *use, int64_t began_ns, int64_t now_ns, int share);
/* For how long whoever has used so much, and may use `share` of the time, is to use nothing. */
int64_t hgl_web_use_wait(const struct hgl_web_use *use, int64_t now_ns, int64_t credit_ms,
                         int share);
void hgl_web_socket_due(struct hgl_web_socket *socket);
static inline int64_t hgl_web_socket_next_ns(const struct hgl_web_socket *socket)
{
  return socket->due_ns < socket->rest_ns ? socket->due_ns : socket->rest_ns;
}

#endif
