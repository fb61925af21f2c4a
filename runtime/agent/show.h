/* What the files that describe the host in JSON share. Each json_… gives a new reference, or NULL
 * for want of memory. */
#ifndef HGL_AGENT_SHOW_H
#define HGL_AGENT_SHOW_H

#include "agent/internal.h"

json_t *json_id(const struct hgl_id *id);
json_t *json_base64(struct hgl_bytes bytes); /* base64url */
/* "from_name" and "to_name", of agents that are here. Not 0: no memory. */
int json_set_names(struct hgl_host *host, const struct hgl_envelope *envelope, json_t *out);

/* Of an agent that is here by its name, or of any by its did. HGL_NOT_FOUND, HGL_INVALID. */
int key_of_text(struct hgl_host *host, const char *text, struct hgl_key *out,
                struct hgl_err *err) HGL_NODISCARD;

/* How far a signed message has come. */
enum message_fate {
  MESSAGE_FATE_UNKNOWN, /* of an earlier incarnation of ours, or to a host that is forgotten */
  MESSAGE_UNDER_WAY,    /* not acknowledged */
  MESSAGE_ACKNOWLEDGED, /* … or refused, and the refusal is */
};
/* `to`: the host that it was said to; `number`: its own between the two hosts. */
enum message_fate message_fate(struct hgl_host *host, const struct hgl_header *header,
                               const struct hgl_key *to, uint64_t number);

/* run_operator.c: as runs.list tells it. */
json_t *run_show(const struct agent_run *run);

#endif
