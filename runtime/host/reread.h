/* Taking over what has changed in a host file while its host runs. */
#ifndef HGL_HOST_REREAD_H
#define HGL_HOST_REREAD_H

#include "host/config.h"

/* Brings the node from what `now` describes to what `next` does, as far as that can be done without
 * a restart of the host: agents come, go and change, hosts to stay linked with come, levels of the
 * log and the grace time change. Each difference, and whether it was taken over, is in the log; one
 * agent that cannot be taken over keeps no other from it. */
void hgl_reread(struct hgl_node *node, const struct hgl_config *now, const struct hgl_config *next,
                const struct hgl_log *log);

#endif
