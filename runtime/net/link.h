/* What the files of links share: the structures behind net/net.h. */
#ifndef HGL_NET_LINK_H
#define HGL_NET_LINK_H

#include <libwebsockets.h>

#include "base/map.h"
#include "net/net.h"
#include "net/uv.h"
#include "protocol/handshake.h"
#include "protocol/record.h"
#include "protocol/url.h"

enum {
  HGL_DIAL_ADDRESSES_MAX = 4,             /* of one peer */
  HGL_NET_JOINS_MAX = 256,                /* persistent targets */
  HGL_SESSION_STEADY_MS = 10000,          /* one that lived for so long forgets earlier failures */
  HGL_LINK_MESSAGE_SIZE_MAX = 128 * 1024, /* bytes of records in one WebSocket message of ours */
  HGL_SESSION_FLUSH_MS = 1000,            /* what a closing session gets to send its last frames */
};

#define HGL_SUBPROTOCOL "haggle.v1"

enum hgl_session_stage {
  HGL_SESSION_CONNECTING, /* TCP, TLS, HTTP */
  HGL_SESSION_HANDSHAKE,
  HGL_SESSION_UP,
  HGL_SESSION_CLOSING, /* sends what it has, reads nothing more */
};

struct hgl_session {
  struct hgl_net *net;
  struct hgl_session *next, **link; /* in net->sessions */
  struct lws *wsi;                  /* NULL before it exists and once it is gone */
  enum hgl_session_stage stage;
  bool dialled;
  bool authenticated;
  bool announced;  /* session_up was called, session_down was not */
  bool connecting; /* inside libwebsockets' connect call: not to be freed */
  bool lost;       /* ended inside that call */
  bool paused;
  bool handshaking;             /* one of net->handshakes */
  struct hgl_web_conn *opening; /* while it is not known whether it is to be a link; or NULL */
  uint64_t origin;              /* whoever came in (net/address.h) */
  struct hgl_dial *dial;        /* that made it, or NULL */
  struct hgl_key peer;
  char address[HGL_URL_SIZE_MAX + 1];
  struct hgl_handshake handshake;
  struct hgl_noise_cipher cipher; /* of what we send */
  struct hgl_record_reader reader;
  struct hgl_buf queue; /* sealed records from `head` on; before it room for LWS_PRE bytes */
  size_t head;
  size_t in_flight;    /* size of the last write, while libwebsockets holds a part of it */
  size_t counted;      /* what of net->queued is this one's */
  int64_t due_ns;      /* when the stage has lasted too long; INT64_MAX: never */
  int64_t up_ns;       /* since when it is up */
  int64_t progress_ns; /* when the kernel last took something */
  struct hgl_err why;  /* what ends it */
  void *user;
};

/* One address of a host, as it is known now. */
struct hgl_dial_url {
  char text[HGL_URL_SIZE_MAX + 1];
  enum hgl_url_source source;
  unsigned turn; /* which of the addresses of its name is tried next */
};

/* Where to find one host: a persistent target, or a peer with what is known of it. */
struct hgl_dial {
  struct hgl_net *net;
  struct hgl_dial *next, **link; /* in net->dials */
  bool persistent;               /* from hgl_net_join */
  enum hgl_link_want wanted;
  bool has_key; /* always for a peer; a persistent target may be pinned later */
  bool pinned;  /* its key is what answered first */
  struct hgl_key key;
  struct hgl_dial_url urls[HGL_DIAL_ADDRESSES_MAX]; /* the best first, of equals the oldest */
  int url_count, url_next;
  uint64_t touched;            /* when it was last heard of: the oldest gives way */
  int failures;                /* in a row */
  int64_t due_ns;              /* of the next attempt; INT64_MAX: none is planned */
  struct hgl_session *session; /* the attempt, or the session that came of it */
  bool resolving;
  struct hgl_url url; /* of the attempt */
  uv_getaddrinfo_t lookup;
};

struct hgl_net {
  struct hgl_net_config config; /* only `trust`, a copy, is read of its texts later on */
  char *trust;                  /* or NULL */
  uv_loop_t *uv;
  struct lws_context *context; /* set to NULL by libwebsockets once it is all gone */
  struct lws_vhost *vhost;     /* takes links that come in, dials ws */
  struct lws_vhost *web_vhost; /* takes WebSockets that are no links */
  struct lws_vhost *certified_vhost, *uncertified_vhost; /* dial wss; NULL until that happens */
  bool destroying;
  int open_handles; /* of ours on the loop */
  int listen_fd, port;
  uv_poll_t listen_poll;
  int64_t accept_again_ns;        /* accepting rests until then; INT64_MAX: it does not rest */
  int handshakes;                 /* inbound, not yet authenticated, not giving way */
  struct ssl_ctx_st *tls;         /* of the listener; NULL: in the clear */
  void *adopting;                 /* while libwebsockets takes its connection over */
  bool adopting_reported;         /* … and has said something of it */
  struct hgl_web_conn *web_conns; /* see web_conn.h */
  int web_count, web_requests;    /* connections that speak HTTP; requests that they have made */
  size_t web_bytes;               /* of the bodies of these */
  size_t web_answer_bytes;        /* of answers that have not been taken yet */
  struct hgl_web_socket *web_sockets; /* see web_socket_core.h */
  size_t web_sockets_queued;          /* bytes towards all of them */
  size_t queued;                      /* bytes towards all peers */
  int up_count;
  struct hgl_session *sessions; /* all, in any stage */
  struct hgl_map by_peer;       /* the live ones */
  struct hgl_dial *dials;
  struct hgl_map dials_by_peer;
  int join_count;
  uint64_t touches;
  uv_timer_t timer;
  int64_t timer_ns; /* when it fires */
};

static inline int64_t hgl_net_now(const struct hgl_net *net)
{
  return hgl_mono_ns(net->config.clock);
}
/* Something is due then. */
void hgl_net_schedule(struct hgl_net *net, int64_t due_ns);
/* Lets libwebsockets have a connection that was accepted, with what was read of it; the socket is
 * its own, whatever comes of it. It may report on the connection, even its end, from within this.
 * NULL: it is closed, or is going to be. One that it closes at once it gives no pointer to; but
 * having reported on it (*reported), it will report its end. */
struct lws *hgl_net_adopt(struct hgl_net *net, struct lws_vhost *vhost, int fd,
                          struct hgl_bytes read, void *owner, bool *reported);
/* Whose connection libwebsockets reports on, or NULL. */
void *hgl_net_owner(struct lws *wsi);
/* Ends all sessions and WebSockets, and libwebsockets' context with them; the loop turns
 * meanwhile. */
void hgl_net_end_context(struct hgl_net *net);
/* The one to dial wss with, made when first asked for: every authority of the system is read for
 * `certified`, which costs tens of milliseconds. HGL_INVALID. */
int hgl_net_tls_vhost(struct hgl_net *net, bool certified, struct lws_vhost **out,
                      struct hgl_err *err);

/* An inbound or outbound connection that libwebsockets will report on. NULL: no memory. */
struct hgl_session *hgl_session_create(struct hgl_net *net, bool dialled, const char *address);
/* The WebSocket is open: the handshake begins. Negative: close it. */
int hgl_session_opened(struct hgl_session *session);
/* A piece of a message. Negative: close it. */
int hgl_session_received(struct hgl_session *session, struct hgl_bytes piece, bool message_ends);
/* The kernel takes more. Negative: close it. */
int hgl_session_writable(struct hgl_session *session);
/* An inbound one from there takes up one of the places for handshakes … */
void hgl_session_handshake_begins(struct hgl_session *session, uint64_t origin);
/* … and leaves it to another: it ends in the loop's next round, because inside the callback in
 * which a connection is taken over libwebsockets cannot end others. */
void hgl_session_give_way(struct hgl_session *session);
/* Its time is up. */
void hgl_session_due(struct hgl_session *session);
/* Without waiting for anything. Not from within the session's own callbacks. */
void hgl_session_end_now(struct hgl_session *session);
/* The connection is none of a peer's: the session was none, and nobody hears of it. */
void hgl_session_forget(struct hgl_session *session);
/* The connection is gone, and now the session too. */
void hgl_session_ended(struct hgl_session *session);

void hgl_dial_start(struct hgl_dial *dial);
/* Its session was authenticated. */
void hgl_dial_verified(struct hgl_dial *dial, struct hgl_session *session);
/* A session is gone: its dial, and others that lead to that peer, may have to act. */
void hgl_dial_session_ended(struct hgl_net *net, struct hgl_session *session, bool was_up);
void hgl_dial_destroy(struct hgl_dial *dial);

#endif
