/* The host's numbers as text for Prometheus (exposition format 0.0.4): base units, and labels whose
 * values are few and the operator's own, never a name that an agent or a peer chose. Loop thread.
 */
#ifndef HGL_DASHBOARD_METRICS_H
#define HGL_DASHBOARD_METRICS_H

#include "dashboard/feed.h"

enum { HGL_METRICS_SIZE_MAX = 256 << 10 };

/* Appends the metrics of the host and of the feed. */
void hgl_feed_metrics(const struct hgl_feed *feed, struct hgl_buf *out);

/* For those of others: # HELP and # TYPE, once before the samples of a name. */
void hgl_metric_head(struct hgl_buf *out, const char *name, const char *type, const char *help);
/* One sample; `label` may be NULL. */
void hgl_metric_put(struct hgl_buf *out, const char *name, const char *label, const char *value,
                    double number);

#endif
