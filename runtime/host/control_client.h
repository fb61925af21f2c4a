/* Whoever calls the control API, however it is reached: over the control socket, or over a
 * WebSocket of the host's port. Loop thread. */
#ifndef HGL_HOST_CONTROL_CLIENT_H
#define HGL_HOST_CONTROL_CLIENT_H

#include "base/bytes.h"
#include "base/err.h"

struct hgl_feed_viewer;

enum hgl_role {
  HGL_ROLE_NONE,     /* has not shown who it is */
  HGL_ROLE_VIEWER,   /* may look */
  HGL_ROLE_OPERATOR, /* may act, too */
  HGL_ROLE_OWNER,    /* on the control socket: whoever may read the host's keys may all */
};

/* How a client is reached; `link` is the way's own. */
struct hgl_control_way {
  /* One JSON object, without an end of line. HGL_CLOSED, HGL_LIMIT: the client is gone, or goes:
   * it is closed from within this call, or later. */
  int (*send)(void *link, struct hgl_bytes text, struct hgl_err *err);
  size_t (*queued)(void *link); /* bytes that it has not taken yet */
};

enum { HGL_CONTROL_WHO_SIZE = 96 };

struct hgl_control_client {
  const struct hgl_control_way *way;
  void *link;
  enum hgl_role role;
  struct hgl_feed_viewer *viewer; /* the API's; NULL: it subscribes to nothing yet */
  char who[HGL_CONTROL_WHO_SIZE]; /* for the log: "uid 1000", "127.0.0.1 (web)" */
};

#endif
