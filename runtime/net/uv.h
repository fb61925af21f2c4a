/* What the files of this folder share about the libuv loop. */
#ifndef HGL_NET_UV_H
#define HGL_NET_UV_H

#include <uv.h>

#include "net/loop.h"

uv_loop_t *hgl_loop_uv(struct hgl_loop *loop);
/* HGL_IO with libuv's own words. */
int hgl_uv_fail(struct hgl_err *err, int uv_status, const char *doing);

#endif
