/* From an address as scripts write it ("kiosk", "did:key:…", "did:key:…@did:key:…") to the agent's
 * key and the host that speaks for it. */
#include "agent/supervise.h"
#include "agent/waits.h"

enum {
  ADDRESSES_MAX = 4096, /* remembered */
  UNREACHED_MAX = 256,  /* hosts that one agent has spoken to and that were never reached */
};

static bool reached(const struct hgl_host *host, const struct hgl_key *key)
{
  const struct peer *peer = hgl_map_get(&host->peers, hgl_key_bytes(key));
  return peer &&
         (peer == host->self || peer->link || peer->in_known || peer->out_acked || peer->url);
}

static void forget_reached(struct agent *agent)
{
  struct hgl_key done[UNREACHED_MAX];
  struct hgl_map_slot *slot;
  size_t count = 0;
  for (size_t i = 0; (slot = hgl_map_next(&agent->unreached, &i));) {
    memcpy(done[count].bytes, slot->key, HGL_KEY_SIZE);
    count += reached(agent->host, &done[count]);
    if (count == UNREACHED_MAX) break;
  }
  for (size_t i = 0; i < count; i++) hgl_map_remove(&agent->unreached, hgl_key_bytes(&done[i]));
}

/* A host can be made up by anyone who writes an address: each takes a place among our peers. */
static int check_unreached(struct agent *agent, const struct hgl_key *key, struct hgl_err *err)
{
  if (reached(agent->host, key) || hgl_map_get(&agent->unreached, hgl_key_bytes(key))) return 0;
  if (agent->unreached.count >= UNREACHED_MAX) forget_reached(agent);
  if (agent->unreached.count >= UNREACHED_MAX)
    return hgl_fail(err, HGL_LIMIT, "%s speaks to %d hosts that have not been reached", agent->name,
                    UNREACHED_MAX);
  return hgl_map_put(&agent->unreached, hgl_key_bytes(key), agent, err);
}

/* The agent that runs begins to speak, rather than that it answers what it is handling. */
static bool begins(const struct hgl_host *host, const struct hgl_key *agent)
{
  const struct stretch *stretch = &host->stretch;
  const struct message *handled = stretch->mail ? stretch->mail->message : NULL;
  return stretch->agent && !stretch->answers &&
         !(handled && hgl_key_equal(&handled->envelope.from, agent));
}

static int peer_of(struct hgl_host *host, const struct hgl_key *key, const struct hgl_key *agent,
                   struct peer **out, struct hgl_err *err)
{
  if (host->stretch.agent) {
    int status = check_unreached(host->stretch.agent, key, err);
    if (status) return status;
  }
  struct peer *peer = peer_get(host, key, err);
  if (!peer) return -(int)err->code;
  bool sought = begins(host, agent) && !peer->sought;
  if (sought) peer->sought = true;
  if (peer != host->self && !peer->link && (!peer->wanted || sought)) peer_want(host, peer, true);
  *out = peer;
  return 0;
}

/* A lower delegation than the one that is known would be refused; another one of the same sequence
 * is a conflict, to be noticed. */
static bool says_more(const struct hgl_directory_terms *terms, const struct seen_delegation *seen)
{
  if (!seen || terms->sequence > seen->claims.sequence) return true;
  bool differs = !hgl_key_equal(&terms->host, &seen->claims.host) ||
                 terms->expires_ms != seen->claims.expires_s * 1000;
  return differs && terms->sequence == seen->claims.sequence;
}

static int learn_advertised(struct hgl_host *host, const struct hgl_key *agent)
{
  struct hgl_buf delegation;
  struct hgl_err why;
  hgl_buf_init(&delegation, HGL_DELEGATION_SIZE_MAX);
  int status = hgl_directory_delegation(host->directory, agent, &delegation, &why);
  if (!status) status = delegation_learn(host, hgl_buf_bytes(&delegation), &why);
  hgl_buf_deinit(&delegation);
  return status;
}

/* The host that the agent's own key has authorised: as heard on a link, or by its advert. */
static int find_host(struct hgl_host *host, const struct hgl_key *agent, struct hgl_key *out,
                     struct hgl_err *err)
{
  struct hgl_directory_terms terms;
  const struct seen_delegation *seen = delegation_of(host, agent);
  if (hgl_directory_terms(host->directory, agent, &terms) && says_more(&terms, seen)) {
    if (learn_advertised(host, agent) == -HGL_NO_MEMORY)
      return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
    seen = delegation_of(host, agent);
  }
  if (!seen) return hgl_fail(err, HGL_UNDELIVERABLE, "no host is known that speaks for this agent");
  /* Delegations are judged at the time of the header that the message would go under. */
  int64_t time_ms = host->now_ms > host->header_time_ms ? host->now_ms : host->header_time_ms;
  struct hgl_err why;
  if (hgl_delegation_check(&seen->claims, &seen->claims.host, time_ms, &why))
    return hgl_fail(err, HGL_UNDELIVERABLE, "the agent's delegation to its host has ended");
  *out = seen->claims.host;
  return 0;
}

enum route_proof route_proof(struct hgl_host *host, const struct hgl_key *host_key,
                             const struct hgl_key *agent)
{
  struct hgl_key authorised = host->key;
  struct hgl_err unknown;
  if (!agent_by_key(host, agent) && find_host(host, agent, &authorised, &unknown))
    return ROUTE_UNKNOWN;
  return hgl_key_equal(&authorised, host_key) ? ROUTE_PROVED : ROUTE_ELSEWHERE;
}

int route_key(struct hgl_host *host, const struct hgl_key *agent, struct peer **peer,
              struct hgl_err *err)
{
  if (agent_by_key(host, agent)) {
    *peer = host->self;
    return 0;
  }
  struct hgl_key host_key;
  int status = find_host(host, agent, &host_key, err);
  if (status) return status;
  if (hgl_key_equal(&host_key, &host->key))
    return hgl_fail(err, HGL_NOT_HERE, "the agent is no longer on this host");
  return peer_of(host, &host_key, agent, peer, err);
}

/* A did:key takes a check of its curve point, 50 µs: what was once parsed is remembered. */
struct known_address {
  struct hgl_key agent, host;
  bool has_host;
};

static int parse_address(struct hgl_host *host, struct hgl_bytes to, struct known_address *out,
                         struct hgl_err *err)
{
  const uint8_t *at = to.size ? memchr(to.data, '@', to.size) : NULL;
  struct hgl_bytes agent_text = at ? hgl_bytes(to.data, (size_t)(at - to.data)) : to;
  if (hgl_did_parse(agent_text, &out->agent, err))
    return hgl_fail(err, HGL_UNDELIVERABLE,
                    "'%.*s' is neither an agent of this host nor a did:key address",
                    (int)(to.size < 80 ? to.size : 80), (const char *)to.data);
  out->has_host = at != NULL;
  if (!at) return 0;
  return hgl_did_parse(hgl_bytes(at + 1, to.size - agent_text.size - 1), &out->host, err);
}

void route_forget_addresses(struct hgl_host *host)
{
  struct hgl_map_slot *slot;
  uint64_t seed[2] = {host->addresses.seed[0], host->addresses.seed[1]};
  for (size_t i = 0; (slot = hgl_map_next(&host->addresses, &i));) hgl_free(slot->value);
  hgl_map_deinit(&host->addresses);
  hgl_map_init(&host->addresses, seed[0], seed[1]);
}

static int find_address(struct hgl_host *host, struct hgl_bytes to, struct known_address *out,
                        struct hgl_err *err)
{
  struct known_address *known = hgl_map_get(&host->addresses, to);
  if (known) {
    *out = *known;
    return 0;
  }
  int status = parse_address(host, to, out, err);
  if (status) return status;
  if (host->addresses.count >= ADDRESSES_MAX) route_forget_addresses(host);
  known = hgl_memdup(out, sizeof *out);
  if (!known) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  if ((status = hgl_map_put(&host->addresses, to, known, err))) hgl_free(known);
  return status;
}

/* The host that an address names is believed only if the agent's own key says the same: else it is
 * asked to show that before anything goes there. */
static int route_to_host(struct hgl_host *host, const struct known_address *known,
                         struct peer **peer, struct hgl_err *err)
{
  struct hgl_key authorised;
  struct hgl_err unknown;
  bool proved = find_host(host, &known->agent, &authorised, &unknown) == 0;
  if (proved && !hgl_key_equal(&authorised, &known->host)) {
    char through[HGL_DID_TEXT_SIZE], named[HGL_DID_TEXT_SIZE];
    hgl_did_format(&authorised, through);
    hgl_did_format(&known->host, named);
    return hgl_fail(err, HGL_UNDELIVERABLE, "the agent speaks through %s, not through %s", through,
                    named);
  }
  int status = peer_of(host, &known->host, &known->agent, peer, err);
  if (status || proved || *peer == host->self) return status;
  return wait_expect(host, *peer, &known->agent, err);
}

int route_address(struct hgl_host *host, struct hgl_bytes to, struct hgl_key *agent,
                  struct peer **peer, struct hgl_err *err)
{
  const struct agent *local = agent_by_name(host, to);
  if (local) {
    *agent = local->key;
    *peer = host->self;
    return 0;
  }
  struct known_address known;
  const struct child *stopped = child_by_name(host, to);
  if (stopped) return hgl_fail(err, HGL_NOT_HERE, "%s is stopped", stopped->name);
  int status = find_address(host, to, &known, err);
  if (status) return status;
  *agent = known.agent;
  if (!known.has_host || agent_by_key(host, agent)) return route_key(host, agent, peer, err);
  return route_to_host(host, &known, peer, err);
}
