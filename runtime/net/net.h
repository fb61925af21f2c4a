/* Links to other hosts: a listener and a dialler on one port, WebSocket with subprotocol
 * "haggle.v1" over libwebsockets, inside it a Noise channel bound to the two hosts' identities.
 * This module moves authenticated frames and keeps sessions alive; what frames mean, what is acked,
 * resent or gossiped is decided by its user. Loop thread only.
 *
 * At most one live session per pair of hosts: of two, the one dialled by the smaller key stays; of
 * two by the same dialler, the newer. */
#ifndef HGL_NET_NET_H
#define HGL_NET_NET_H

#include "base/log.h"
#include "net/loop.h"
#include "net/web.h"
#include "protocol/url.h"

struct hgl_net;
struct hgl_session;

enum {
  HGL_NET_SESSIONS_MAX = 4096, /* live sessions of a host */
  HGL_NET_HANDSHAKES_MAX = 64, /* inbound ones that are not yet authenticated: for one more, the
                                  oldest of the address that has the most gives way */
  HGL_NET_HANDSHAKE_TIMEOUT_MS = 10000,
  HGL_NET_QUEUE_SIZE_MAX = 16 << 20,   /* bytes queued towards a peer that does not read */
  HGL_NET_QUEUES_SIZE_MAX = 256 << 20, /* of all sessions: beyond it those with more than their
                                          even share get no more */
  HGL_NET_STALL_TIMEOUT_MS = 30000,    /* a peer that takes nothing for so long is dropped */
  HGL_NET_BACKOFF_MIN_MS = 200,
  HGL_NET_BACKOFF_MAX_MS = 30000, /* doubling, with full jitter */
};

struct hgl_net_events {
  /* The peer is authenticated. `session` lives until session_down. */
  void (*session_up)(void *user, struct hgl_session *session);
  /* One whole decrypted frame, at most HGL_FRAME_SIZE_MAX bytes, borrowed for the call. */
  void (*frame)(void *user, struct hgl_session *session, struct hgl_bytes frame);
  /* The last call for this session. */
  void (*session_down)(void *user, struct hgl_session *session, const struct hgl_err *why);
  /* An address was dialled and the expected (or, with `pinned`, any) peer answered there. */
  void (*address_verified)(void *user, const struct hgl_key *peer, const char *url, bool pinned);
  /* A dial or handshake failed; for logs, counters and `haggle peers`. `peer` may be NULL. */
  void (*dial_failed)(void *user, const struct hgl_key *peer, const char *url,
                      const struct hgl_err *why);
};

struct hgl_net_config {
  struct hgl_loop *loop;
  const struct hgl_clock *clock;
  const struct hgl_random *random;
  const struct hgl_log *log;
  const struct hgl_signer *host;
  const char *listen_address;                /* "127.0.0.1"; NULL: no listener */
  int listen_port;                           /* 0: any free one */
  const char *certificate, *certificate_key; /* PEM files: the listener speaks wss; else NULL */
  const char *trust;  /* PEM file of further authorities for wss dials, or NULL. A wss peer is
                         authenticated by Noise; its certificate only has to get through
                         proxies, so a self-signed one is accepted when its host key is named */
  bool allow_private; /* dial private addresses that others named (hgl_net_add_address); what the
                         operator named (hgl_net_join) is always dialled */
  size_t queues_size_max; /* 0: HGL_NET_QUEUES_SIZE_MAX */
  struct hgl_net_events events;
  struct hgl_web_events web; /* what is asked by HTTP on the listener's port */
  void *user;
};

/* The configuration's texts are borrowed for the call, what its pointers lead to for the net's
 * life. HGL_IN_USE: the port is taken (says by which address). */
int hgl_net_create(const struct hgl_net_config *config, struct hgl_net **out,
                   struct hgl_err *err) HGL_NODISCARD;
/* Closes every session (session_down is called for each) and runs the loop until they are gone. */
void hgl_net_destroy(struct hgl_net *net);
int hgl_net_port(const struct hgl_net *net); /* 0 without a listener */

/* A persistent target (`--join`): "ws://HOST:PORT[/][#did:key:…]" or wss. Dialled until it answers
 * and again whenever it is lost. Without a key any host is accepted there and pinned.
 * HGL_MALFORMED for other URLs. */
int hgl_net_join(struct hgl_net *net, const char *url, struct hgl_err *err) HGL_NODISCARD;
/* An address where this peer may be: dialled when wanted, unless it turns out to be private and
 * that is not allowed (dial_failed: HGL_DENIED). Those of a better source are tried first. At most
 * HGL_NET_SESSIONS_MAX such peers with 4 addresses each: the oldest of the worst source gives way,
 * never to one of a worse source (which is passed over without an error); of the peers the one that
 * nobody wants and that was heard of longest ago, else one that is only owed something. HGL_LIMIT:
 * all are sought. HGL_MALFORMED. */
int hgl_net_add_address(struct hgl_net *net, const struct hgl_key *peer, const char *url,
                        enum hgl_url_source source, struct hgl_err *err) HGL_NODISCARD;
/* While wanted, a peer without a session is dialled with backoff at its known addresses, those of a
 * name one an attempt. A peer without an address is not remembered: want it again once it has one.
 */
void hgl_net_want(struct hgl_net *net, const struct hgl_key *peer, enum hgl_link_want wanted);
/* Bytes towards all peers that the kernel has not taken yet. */
size_t hgl_net_queued(const struct hgl_net *net);
/* The live session with this peer, or NULL. */
struct hgl_session *hgl_net_session(struct hgl_net *net, const struct hgl_key *peer);

const struct hgl_key *hgl_session_peer(const struct hgl_session *session);
bool hgl_session_dialled(const struct hgl_session *session);        /* by us */
const char *hgl_session_address(const struct hgl_session *session); /* URL dialled, or remote IP */
/* For the user's own per-session state. */
void hgl_session_set_user(struct hgl_session *session, void *user);
void *hgl_session_user(const struct hgl_session *session);

/* Encrypts and queues one frame (as many as come before the loop writes share WebSocket messages).
 * HGL_LIMIT when the queue is full, or all of them together are and this one has more than its
 * share: nothing was queued. HGL_CLOSED. */
int hgl_session_send(struct hgl_session *session, struct hgl_bytes frame,
                     struct hgl_err *err) HGL_NODISCARD;
size_t
hgl_session_queued(const struct hgl_session *session); /* bytes not yet taken by the kernel */
/* Stops (or resumes) reading from the peer: back-pressure through TCP. Frames that were read
 * already (some tens of KB) may still come. */
void hgl_session_pause(struct hgl_session *session, bool paused);
/* Closes soon; session_down follows, never from inside this call. */
void hgl_session_close(struct hgl_session *session, enum hgl_code code, const char *why);

#endif
