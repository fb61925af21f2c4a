/* HTTP/1.1 on a host's port, beside the links of other hosts. Whoever connects is first a stranger
 * who has one of the places for handshakes; what it says first tells what it is. An upgrade to a
 * WebSocket of links goes to libwebsockets; everything else is a request, and answered here. Loop
 * thread only.
 *
 * No place is held for long by whoever is slow: a head has to be whole within
 * HGL_NET_HANDSHAKE_TIMEOUT_MS, a body within HGL_WEB_BODY_TIMEOUT_MS, and an answer has to be
 * taken within HGL_WEB_ANSWER_TIMEOUT_MS. */
#ifndef HGL_NET_WEB_H
#define HGL_NET_WEB_H

#include "protocol/web.h"

enum {
  HGL_WEB_CONNECTIONS_MAX = 512, /* for one more, the one that is idle for longest is closed, or
                                    the slowest of whoever has the most */
  HGL_WEB_REQUESTS_MAX = 256,    /* under way, from the end of the head until they are answered */
  HGL_WEB_REQUESTS_PER_ORIGIN_MAX = 64,
  HGL_WEB_BODIES_SIZE_MAX = 64 << 20,  /* of all of them */
  HGL_WEB_ANSWERS_SIZE_MAX = 64 << 20, /* that clients have not taken yet: beyond it who is slow is
                                          cut off */
  HGL_WEB_IDLE_TIMEOUT_MS = 30000,     /* between two requests of a connection */
  HGL_WEB_BODY_TIMEOUT_MS = 60000,
  HGL_WEB_BODY_STALL_MS = 10000,
  HGL_WEB_ANSWER_STALL_MS = 30000,
  HGL_WEB_ANSWER_TIMEOUT_MS = 120000,
  HGL_WEB_LINGER_MS = 1000, /* an end is heard once what was sent has been read */
  HGL_WEB_RETRY_AFTER_S = 2,
};

struct hgl_web_asked {
  struct hgl_web_request request; /* good until it is answered, or gone */
  const char *address;            /* of the client, as text; good likewise */
  uint64_t origin;                /* the same for all addresses that it is likely to have */
  bool secure;                    /* asked through TLS */
  bool upgrade;                   /* to a WebSocket: it may be accepted (net/web_socket.h) */
  void *user;                     /* for the user of this module */
};

struct hgl_web_events {
  /* A whole request. It is answered by hgl_web_answer, from within this call or later. NULL: all
   * are answered with 404. */
  void (*asked)(void *user, struct hgl_web_asked *asked);
  /* Nobody waits for the answer any more: there is none to be given. */
  void (*gone)(void *user, struct hgl_web_asked *asked);
};

/* Once for each request, which is over with that. The answer is copied; without memory for it the
 * connection ends. Date, Content-Length and Connection are set here; a HEAD gets no body. */
void hgl_web_answer(struct hgl_web_asked *asked, const struct hgl_web_answer *answer);

#endif
