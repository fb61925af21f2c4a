/* Messages for agents of whom no delegation to their host is known: waits.c.
 *
 * A wait stands for one agent at one host. It is made when such an address is routed, takes in what
 * is said to it, and ends with all of that: said, or told to the authors as undelivered. Codes of
 * those: HGL_NOT_HERE (the host says so, or the agent speaks through another one), HGL_LIMIT (of
 * delegations to that host), HGL_UNDELIVERABLE (expired). Times are monotonic ms. */
#ifndef HGL_AGENT_WAITS_H
#define HGL_AGENT_WAITS_H

#include "agent/internal.h"

/* What is said to this agent from now on waits. HGL_LIMIT: too many agents of this host do. */
int wait_expect(struct hgl_host *host, struct peer *peer, const struct hgl_key *agent,
                struct hgl_err *err) HGL_NODISCARD;
/* *held: the recipient is waited for, and the message (held) with it. */
int wait_message(struct hgl_host *host, struct peer *peer, struct message *message, bool *held,
                 struct hgl_err *err) HGL_NODISCARD;
/* One that has a row already. */
int wait_load(struct hgl_host *host, struct peer *peer, struct message *message, uint64_t row,
              struct hgl_err *err) HGL_NODISCARD;
bool wait_is_for(const struct peer *peer, const struct hgl_key *agent);
/* Looks at what is due and asks the peer for what is missing; the next is due at *due_ms
 * (INT64_MAX: none). */
int waits_release(struct hgl_host *host, struct peer *peer, int64_t *due_ms,
                  struct hgl_err *err) HGL_NODISCARD;
void waits_rewind(struct hgl_host *host, struct peer *peer); /* a new link: ask anew */
/* This delegation has just become known. */
void wait_learned(struct hgl_host *host, const struct hgl_delegation *claims);
/* The peer was asked and does not show a delegation: what waits for the agent ends with this. */
int wait_refused(struct hgl_host *host, struct peer *peer, const struct hgl_key *agent,
                 enum hgl_code code, const char *why, struct hgl_err *err) HGL_NODISCARD;
void waits_deinit(struct hgl_host *host, struct peer *peer);

#endif
