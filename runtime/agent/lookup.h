/* What may have to be looked for in the journal, step by step (host.h): message_show.c, export.c.
 */
#ifndef HGL_AGENT_LOOKUP_H
#define HGL_AGENT_LOOKUP_H

#include "agent/journal.h"

/* The first member of each. */
struct hgl_lookup {
  int (*step)(struct hgl_lookup *lookup, size_t bytes, json_t **out, struct hgl_err *err);
  void (*destroy)(struct hgl_lookup *lookup);
};

#endif
