/* One line for each topic of this folder. */
#include "dashboard/topics.h"

const struct hgl_topic *const hgl_topics[] = {
    &hgl_topic_overview, &hgl_topic_agents,
    &hgl_topic_agent,    &hgl_topic_messages,
    &hgl_topic_deals,    &hgl_topic_peers,
    &hgl_topic_network,  &hgl_topic_dialogues,
    &hgl_topic_dialogue, NULL,
};
