/* The latest lines of the host's log, kept in memory always, so that whoever begins to look sees
 * what came before. Loop thread. */
#ifndef HGL_DASHBOARD_LOG_RING_H
#define HGL_DASHBOARD_LOG_RING_H

#include "base/log.h"

struct hgl_log_ring;

enum {
  HGL_LOG_RING_LINES = 1000,
  HGL_LOG_RING_TEXT_SIZE = 2048, /* kept of a line; and of its fields, or none of them */
};

struct hgl_log_ring_line {
  uint64_t order; /* counts the host's lines, from 1 */
  int64_t time_ms;
  enum hgl_log_level level;
  bool agent;              /* it is an agent's */
  const char *who;         /* the module, or the agent */
  struct hgl_bytes text;   /* may be cut; not always UTF-8 */
  struct hgl_bytes fields; /* one JSON object as text, or empty */
};

int hgl_log_ring_create(struct hgl_log_ring **out, struct hgl_err *err) HGL_NODISCARD;
void hgl_log_ring_destroy(struct hgl_log_ring *ring); /* NULL is allowed */
/* Copies; what memory is refused for is counted and left out. `order` is set. */
void hgl_log_ring_add(struct hgl_log_ring *ring, const struct hgl_log_ring_line *line);
uint64_t hgl_log_ring_count(const struct hgl_log_ring *ring); /* the order of the latest; 0: none */
/* The line of this order, borrowed until the next is added. False: it is not kept (any more). */
bool hgl_log_ring_get(const struct hgl_log_ring *ring, uint64_t order,
                      struct hgl_log_ring_line *out);

#endif
