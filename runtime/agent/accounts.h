/* How much of the outbox each agent takes: accounts.c. A bound in bytes, so that no agent takes the
 * host's memory and disk, nor its neighbours' room towards a host. */
#ifndef HGL_AGENT_ACCOUNTS_H
#define HGL_AGENT_ACCOUNTS_H

#include "agent/internal.h"

/* Whether `more` bytes may be said to other hosts. HGL_LIMIT. */
int account_admit(const struct agent *agent, size_t more, struct hgl_err *err) HGL_NODISCARD;
/* Said in this tick: counts until the end of the tick charges it, wherever it then waits. */
void account_said(struct agent *agent, size_t bytes);
int account_charge(struct hgl_host *host, const struct hgl_key *author, size_t bytes,
                   struct hgl_err *err) HGL_NODISCARD;
void account_discharge(struct hgl_host *host, const struct hgl_key *author, size_t bytes);
void accounts_deinit(struct hgl_host *host);

#endif
