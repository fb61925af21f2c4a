/* One line for each topic of this folder. */
#include "dashboard/topics.h"

const struct hgl_topic *const hgl_topics[] = {
    &hgl_topic_overview,
    NULL,
};
