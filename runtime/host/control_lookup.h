/* Calls that look through the journal: "message", "export". What is not found at once is looked for
 * in slices, with pauses between them, so that the host goes on with its work; the answer comes
 * when it is found. Loop thread. */
#ifndef HGL_HOST_CONTROL_LOOKUP_H
#define HGL_HOST_CONTROL_LOOKUP_H

#include "host/control_call.h"

enum { HGL_LOOKUPS_MAX = 64, HGL_LOOKUPS_OF_CLIENT_MAX = 8 };

struct hgl_lookup_call; /* control_lookup.c */

struct hgl_lookups {
  struct hgl_lookup_call *first; /* whose turn is next */
  size_t count;
  size_t step_bytes;     /* of the journal, between two looks at the clock */
  int64_t turn_ns;       /* of one turn's work, at the most one step longer */
  int64_t rest_until_ns; /* monotonic: no turn before this */
};

void hgl_lookups_init(struct hgl_lookups *lookups);

/* "message": {"of", "from"?}; "export": {"of"}. Answered by themselves, unless they fail at once.
 * HGL_LIMIT: too many wait. */
int hgl_lookups_call(struct hgl_lookups *lookups, const struct hgl_control_call *call,
                     struct hgl_err *err) HGL_NODISCARD;
/* Does what is due, for a bounded time. */
void hgl_lookups_turn(struct hgl_lookups *lookups, struct hgl_host *host, int64_t now_ns);
int64_t hgl_lookups_deadline(const struct hgl_lookups *lookups); /* INT64_MAX: none */
/* Whoever has gone is not answered. NULL: nobody is. */
void hgl_lookups_leave(struct hgl_lookups *lookups, const struct hgl_control_client *client);

#endif
