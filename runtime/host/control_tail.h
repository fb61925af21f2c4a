/* The control API's call "tail": clients that are told what happens, as it happens. Loop thread. */
#ifndef HGL_HOST_CONTROL_TAIL_H
#define HGL_HOST_CONTROL_TAIL_H

#include "host/control_call.h"

struct hgl_tail;

struct hgl_tails {
  struct hgl_host *host;
  struct hgl_watcher watcher; /* at the host while there is a tail */
  struct hgl_tail *first;
};

/* It stays where it is. */
void hgl_tails_init(struct hgl_tails *tails, struct hgl_host *host);
/* The client is told from here on. One tail for each: HGL_EXISTS. */
int hgl_tail_begin(struct hgl_tails *tails, const struct hgl_control_call *call,
                   struct hgl_err *err) HGL_NODISCARD;
/* The client has hung up. */
void hgl_tails_leave(struct hgl_tails *tails, const struct hgl_control_client *client);

#endif
