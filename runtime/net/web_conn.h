/* What net.c, session.c and the files web_*.c share of the connections behind net/web.h. */
#ifndef HGL_NET_WEB_CONN_H
#define HGL_NET_WEB_CONN_H

#include "net/link.h"
#include "net/stream.h"

enum hgl_web_stage {
  HGL_WEB_OPENING, /* nothing is known of it: it has a session, and with that a place */
  HGL_WEB_HEAD,    /* of the next request */
  HGL_WEB_BODY,
  HGL_WEB_ASKED, /* the user has it */
  HGL_WEB_ANSWERING,
  HGL_WEB_ENDING,   /* what still comes is passed over */
  HGL_WEB_ACCEPTED, /* as a WebSocket, which libwebsockets takes over next */
  HGL_WEB_TUNNEL,   /* TLS on this side, libwebsockets in the clear on the other */
};

struct hgl_web_conn {
  struct hgl_net *net;
  struct hgl_web_conn *next, **link; /* in net->web_conns, the newest first */
  struct hgl_session *session;       /* OPENING */
  struct hgl_web_socket *socket;     /* ACCEPTED */
  struct hgl_stream stream;
  uv_poll_t poll, inner_poll;
  int open_handles;
  int watched, inner_watched; /* events */
  enum hgl_web_stage stage;
  int inner; /* TUNNEL: our end of the pair of sockets; or -1 */
  uint64_t origin;
  char address[64];
  struct hgl_buf in, out; /* read and not used yet; to be written */
  size_t out_counted;     /* of net->web_answer_bytes */
  size_t looked;          /* of `in`: holds no end of a head */
  bool on_loopback;       /* of this side's address */
  bool counted;           /* among net->web_count */
  bool read_ended;        /* nothing more comes */
  bool closes;            /* behind what is in `out` */
  bool inner_ended;
  bool doomed; /* it ends with this turn */
  struct hgl_web_under_way *under_way;
  int64_t due_ns;   /* INT64_MAX: never */
  int64_t began_ns; /* the body, the answer, or waiting for a head */
};

/* Takes the socket, whatever comes of it: the session is told. */
void hgl_web_conn_open(struct hgl_session *session, int fd, uint64_t origin);
/* It ends now, with its session left alone. Not from within its own turn. */
void hgl_web_conn_drop(struct hgl_web_conn *conn);
void hgl_web_conn_due(struct hgl_web_conn *conn);

/* What each file of them does when its sockets have something. */
void hgl_web_conn_watch(struct hgl_web_conn *conn, int events);
/* web_tunnel.c: the first head is of a link. The connection is doomed, or a tunnel. */
void hgl_web_hand_over(struct hgl_web_conn *conn);
/* What libwebsockets is to take over: the socket, or of TLS one end of a pair whose other end is
 * served here; and what was read of it. Both are the caller's. Likewise doomed, or a tunnel.
 * HGL_IO. */
int hgl_web_release(struct hgl_web_conn *conn, int *fd, struct hgl_buf *read, struct hgl_err *err);
void hgl_web_tunnel_turn(struct hgl_web_conn *conn);

/* web_socket.c: of a connection that was accepted; what it has read begins with a head for
 * libwebsockets. */
void hgl_web_socket_hand_over(struct hgl_web_conn *conn);

/* web_crowd.c: who gives way. */
int hgl_web_requests_of(const struct hgl_net *net, uint64_t origin);
/* The one that is idle for longest, of the same origin if there is one; or NULL. */
struct hgl_web_conn *hgl_web_oldest_idle(const struct hgl_net *net, uint64_t origin);
/* Of whoever has the most requests under way, the one that has been sending its body for longest.
 * NULL: all of them are being answered. */
struct hgl_web_conn *hgl_web_slowest_body(const struct hgl_net *net);
/* Of whoever has the most connections, the one that has taken longest for its head, its body or its
 * answer (`answers`: of those only), but for `spared`. NULL: all others are being answered by the
 * user. */
struct hgl_web_conn *hgl_web_slowest(const struct hgl_net *net, bool answers,
                                     const struct hgl_web_conn *spared);

#endif
