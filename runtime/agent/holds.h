/* Pairs of agents held back because the recipient's mailbox was full: holds.c. */
#ifndef HGL_AGENT_HOLDS_H
#define HGL_AGENT_HOLDS_H

#include "agent/internal.h"

enum hold_kind { HOLD_BEHIND, HOLD_REFUSED, HOLD_UNPROVED /* see waits.c */ };
/* The row of a message that is not to be said now. */
int hold_save(struct hgl_host *host, struct peer *peer, const struct message *message,
              enum hold_kind kind, uint64_t *row, struct hgl_err *err) HGL_NODISCARD;
/* One that was refused for want of room, in the order of their numbers. */
int hold_back(struct hgl_host *host, struct peer *peer, struct message *message,
              struct hgl_err *err) HGL_NODISCARD;
/* The same for one that was not answered, if the pair is held back (*held). */
int hold_refused(struct hgl_host *host, struct peer *peer, struct message *message, bool *held,
                 struct hgl_err *err) HGL_NODISCARD;
/* *held: the pair is held back, the message waits behind what was refused. */
int hold_message(struct hgl_host *host, struct peer *peer, struct message *message, bool *held,
                 struct hgl_err *err) HGL_NODISCARD;
/* Says again what may be tried again; returns when the next is due (INT64_MAX: none) in *due_ms. */
int holds_release(struct hgl_host *host, struct peer *peer, int64_t *due_ms,
                  struct hgl_err *err) HGL_NODISCARD;
/* The host will not be waited for any longer: tells the authors of all that it was not delivered.
 */
int holds_give_up(struct hgl_host *host, struct peer *peer, struct hgl_err *err) HGL_NODISCARD;
int holds_load(struct hgl_host *host, struct hgl_err *err) HGL_NODISCARD;
void holds_renumber(struct peer *peer);
void holds_deinit(struct hgl_host *host, struct peer *peer);

#endif
