/* The topics of this folder, each in a file of its name. */
#ifndef HGL_DASHBOARD_TOPICS_H
#define HGL_DASHBOARD_TOPICS_H

#include "dashboard/topic.h"

extern const struct hgl_topic hgl_topic_overview, hgl_topic_agents, hgl_topic_agent,
    hgl_topic_messages, hgl_topic_deals, hgl_topic_peers, hgl_topic_network, hgl_topic_dialogues,
    hgl_topic_dialogue;
/* Of a log that is kept in a ring: `user` is that (log_ring.h). */
extern const struct hgl_topic hgl_topic_logs;

#endif
