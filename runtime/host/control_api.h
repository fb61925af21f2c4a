/* The control API: what the verbs (and later the dashboard) ask of a running host, over its control
 * socket. CONTROL.md documents every call. Loop thread. */
#ifndef HGL_HOST_CONTROL_API_H
#define HGL_HOST_CONTROL_API_H

#include "agent/host.h"
#include "net/control.h"

struct hgl_control_api;

/* Opens `<data>/control.sock`. `stop` ends the host. */
int hgl_control_api_open(struct hgl_loop *loop, struct hgl_host *host, const char *data,
                         void (*stop)(void *user), void *stop_user, struct hgl_control_api **out,
                         struct hgl_err *err) HGL_NODISCARD;
/* Hangs up on everyone. Before the host is destroyed; the memory stays, because answers to an ask
 * may still come until then. NULL is allowed. */
void hgl_control_api_close(struct hgl_control_api *api);
/* After the host is destroyed. NULL is allowed. */
void hgl_control_api_destroy(struct hgl_control_api *api);

#endif
