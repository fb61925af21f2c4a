/* The control socket: a Unix-domain stream socket (mode 0600) in the data folder, one JSON object a
 * line each way. This module moves lines; host/ gives them meaning. Server: loop thread. */
#ifndef HGL_NET_CONTROL_H
#define HGL_NET_CONTROL_H

#include "base/bytes.h"
#include "net/loop.h"

enum {
  HGL_CONTROL_CLIENTS_MAX = 64,
  HGL_CONTROL_LINE_SIZE_MAX = 4 << 20,
  HGL_CONTROL_QUEUE_SIZE_MAX = 8 << 20, /* a client that does not read is dropped */
};

struct hgl_control;
struct hgl_control_conn;

struct hgl_control_events {
  /* One line without its newline, borrowed. Answer with hgl_control_send, now or later. */
  void (*line)(void *user, struct hgl_control_conn *conn, struct hgl_bytes line);
  /* It is gone; forget the pointer. Called once for each that sent a line. */
  void (*closed)(void *user, struct hgl_control_conn *conn);
};

int hgl_control_create(struct hgl_loop *loop, const char *path,
                       const struct hgl_control_events *events, void *user,
                       struct hgl_control **out, struct hgl_err *err) HGL_NODISCARD;
void hgl_control_destroy(struct hgl_control *control); /* removes the socket file */
/* For the user of this module; NULL at first. */
void hgl_control_set_user(struct hgl_control_conn *conn, void *user);
void *hgl_control_user(const struct hgl_control_conn *conn);
size_t
hgl_control_queued(const struct hgl_control_conn *conn); /* bytes that it has not taken yet */
/* Adds the newline. HGL_CLOSED, HGL_LIMIT (and the connection is dropped). */
int hgl_control_send(struct hgl_control_conn *conn, struct hgl_bytes line,
                     struct hgl_err *err) HGL_NODISCARD;
/* Whose process it is; -1: not known. */
long hgl_control_conn_uid(const struct hgl_control_conn *conn);
void hgl_control_finish(struct hgl_control_conn *conn); /* closes once everything is written */

/* The other end, blocking, for the command line. */
struct hgl_control_caller;
/* HGL_NOT_FOUND: no host runs on this data folder. */
int hgl_control_connect(const char *path, struct hgl_control_caller **out,
                        struct hgl_err *err) HGL_NODISCARD;
void hgl_control_hang_up(struct hgl_control_caller *caller);
int hgl_control_call(struct hgl_control_caller *caller, struct hgl_bytes line,
                     struct hgl_err *err) HGL_NODISCARD;
/* The next line; the slice is good until the next call. HGL_CLOSED at the end, HGL_TIMEOUT
 * (timeout_ms < 0: waits for ever). */
int hgl_control_next(struct hgl_control_caller *caller, int timeout_ms, struct hgl_bytes *out,
                     struct hgl_err *err) HGL_NODISCARD;

#endif
