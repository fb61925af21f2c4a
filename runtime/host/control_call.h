/* What the files of the control API (control_*.c) share: one call of a client, what it says, and
 * how it is answered. Loop thread. */
#ifndef HGL_HOST_CONTROL_CALL_H
#define HGL_HOST_CONTROL_CALL_H

#include "host/control_api.h"
#include "net/control.h"

enum { HGL_CONTROL_LIST_MAX = 10000 }; /* items of one page */

struct hgl_control_call {
  struct hgl_control_api *api;
  struct hgl_host *host;
  struct hgl_control_client *client;
  const json_t *request;
  json_t **next; /* a list may set it: the cursor of its next page */
};

/* ---- control_call.c ---- */

int hgl_request_text(const json_t *request, const char *name, const char **out,
                     struct hgl_err *err) HGL_NODISCARD;
/* Absent: NULL. */
int hgl_request_text_if_any(const json_t *request, const char *name, const char **out,
                            struct hgl_err *err) HGL_NODISCARD;
/* Absent: `otherwise`. */
int hgl_call_integer(const struct hgl_control_call *call, const char *name, int64_t least,
                     int64_t most, int64_t otherwise, int64_t *out,
                     struct hgl_err *err) HGL_NODISCARD;
/* Absent: false. */
int hgl_call_flag(const struct hgl_control_call *call, const char *name, bool *out,
                  struct hgl_err *err) HGL_NODISCARD;
/* Steals the line; what cannot be sent is for nobody. */
void hgl_control_tell(struct hgl_control_client *client, json_t *line);
/* Steals the result; the tag is what the request gave as "id", `next` the cursor of the next page,
 * or NULL. */
void hgl_control_answer(struct hgl_control_client *client, const json_t *tag, json_t *result,
                        json_t *next, const struct hgl_err *why);

/* ---- control_stored.c: the calls of these names ---- */

typedef int hgl_call_fn(const struct hgl_control_call *call, json_t **result,
                        struct hgl_err *err) HGL_NODISCARD;
hgl_call_fn hgl_call_agents, hgl_call_peers, hgl_call_find, hgl_call_deals, hgl_call_proofs;
hgl_call_fn hgl_call_dead_list, hgl_call_dead_show, hgl_call_dead_resend, hgl_call_dead_drop;
hgl_call_fn hgl_call_runs_list, hgl_call_runs_show;
hgl_call_fn hgl_call_run; /* runs.retry, runs.finish and runs.drop */

/* ---- control_story.c ---- */

hgl_call_fn hgl_call_dialogues, hgl_call_dialogue, hgl_call_explain, hgl_call_advert,
    hgl_call_timers, hgl_call_source;

#endif
