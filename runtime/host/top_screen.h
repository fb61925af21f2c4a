/* What `haggle top` shows: made from the events of the feed's topics overview and agents, for a
 * terminal of a given size, or as a line for whoever reads that. */
#ifndef HGL_HOST_TOP_SCREEN_H
#define HGL_HOST_TOP_SCREEN_H

#include <jansson.h>

#include "base/buf.h"
#include "host/text.h"

enum {
  HGL_TOP_HISTORY = 120,
  HGL_TOP_HEAD = 7
}; /* seconds; lines above the table, without alarms */

struct hgl_top {
  json_t *samples, *alarms, *totals; /* of overview; NULL: nothing was told yet */
  json_t *agents, *before;           /* of agents: its latest two events */
  const char *sort;                  /* of the agents, as the topic has it */
  bool paused;
};

void hgl_top_init(struct hgl_top *top);
void hgl_top_deinit(struct hgl_top *top);
/* One event of the feed; others are passed over. */
int hgl_top_take(struct hgl_top *top, const json_t *event, struct hgl_err *err) HGL_NODISCARD;
/* How many agents there is room for. */
size_t hgl_top_room(const struct hgl_top *top, size_t rows);
/* The whole screen, no line longer than it is wide. */
void hgl_top_draw(const struct hgl_top *top, size_t columns, size_t rows,
                  const struct hgl_colours *colours, struct hgl_buf *out);
/* The latest second, in a line. */
void hgl_top_line(const struct hgl_top *top, struct hgl_buf *out);

#endif
