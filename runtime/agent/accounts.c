/* What each agent has said to other hosts and is not acknowledged: its groups on their way, what a
 * full mailbox holds back, what waits for a delegation. Kept by the author's key, because what was
 * stored is loaded before its agents are. */
#include "agent/accounts.h"

struct account {
  size_t bytes;
};

static struct account *find(const struct hgl_host *host, const struct hgl_key *author)
{
  return hgl_map_get(&host->accounts, hgl_key_bytes(author));
}

int account_charge(struct hgl_host *host, const struct hgl_key *author, size_t bytes,
                   struct hgl_err *err)
{
  struct account *account = find(host, author);
  if (!account) {
    account = hgl_zalloc(sizeof *account);
    if (!account) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
    int status = hgl_map_put(&host->accounts, hgl_key_bytes(author), account, err);
    if (status) {
      hgl_free(account);
      return status;
    }
  }
  account->bytes += bytes;
  return 0;
}

void account_discharge(struct hgl_host *host, const struct hgl_key *author, size_t bytes)
{
  struct account *account = find(host, author);
  if (!account) return; /* the charge failed, and the host with it */
  account->bytes -= bytes;
  if (!account->bytes) hgl_free(hgl_map_remove(&host->accounts, hgl_key_bytes(author)));
}

int account_admit(const struct agent *agent, size_t more, struct hgl_err *err)
{
  const struct hgl_host *host = agent->host;
  const struct account *account = find(host, &agent->key);
  size_t unsealed = agent->said_tick == host->tick ? agent->said_bytes : 0;
  size_t waiting = (account ? account->bytes : 0) + unsealed + more;
  if (waiting <= (size_t)agent->limits->outbox_bytes) return 0;
  return hgl_fail(err, HGL_LIMIT,
                  "%zu bytes of this agent are not acknowledged yet, of at most %lld", waiting,
                  (long long)agent->limits->outbox_bytes);
}

void account_said(struct agent *agent, size_t bytes)
{
  if (agent->said_tick != agent->host->tick) agent->said_bytes = 0;
  agent->said_tick = agent->host->tick;
  agent->said_bytes += bytes;
}

void accounts_deinit(struct hgl_host *host)
{
  struct hgl_map_slot *slot;
  for (size_t i = 0; (slot = hgl_map_next(&host->accounts, &i));) hgl_free(slot->value);
  hgl_map_deinit(&host->accounts);
}
