/* What this process takes of its machine. Any thread. */
#ifndef HGL_HOST_USAGE_H
#define HGL_HOST_USAGE_H

#include "dashboard/feed.h"

/* `user` is not looked at: for struct hgl_feed_config. What the system does not tell is 0. */
void hgl_usage_of_process(void *user, struct hgl_feed_usage *out);
/* Processor time of the thread that calls, ns. */
int64_t hgl_usage_of_thread(void);

#endif
