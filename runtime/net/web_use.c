/* How much of the loop's time WebSockets have used: a sum that is forgotten as quickly as their
 * part of the time goes by. */
#include "net/web_socket_core.h"

static int64_t left_of(const struct hgl_web_use *use, int64_t now_ns, int share)
{
  int64_t left_ns = use->used_ns - (now_ns - use->at_ns) / share;
  return left_ns > 0 ? left_ns : 0;
}

void hgl_web_use_add(struct hgl_web_use *use, int64_t began_ns, int64_t now_ns, int share)
{
  int64_t before_ns = left_of(use, began_ns, share);
  *use = (struct hgl_web_use){before_ns + now_ns - began_ns, now_ns};
}

int64_t hgl_web_use_wait(const struct hgl_web_use *use, int64_t now_ns, int64_t credit_ms,
                         int share)
{
  int64_t above_ns = left_of(use, now_ns, share) - credit_ms * 1000000;
  return above_ns > 0 ? above_ns * share : 0;
}
