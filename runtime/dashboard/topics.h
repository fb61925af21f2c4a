/* The topics of this folder, each in a file of its name. */
#ifndef HGL_DASHBOARD_TOPICS_H
#define HGL_DASHBOARD_TOPICS_H

#include "dashboard/topic.h"

extern const struct hgl_topic hgl_topic_overview;

#endif
