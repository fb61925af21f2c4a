/* The directory: which agents offer what, on which host, learned from adverts (protocol/advert.h)
 * that hosts pass on. An advert lives while its delegation and the lease of its host do
 * (protocol/lease.h: one small record for all adverts of a host, renewed every HGL_LEASE_RENEW_MS).
 * A withdrawn one stays as long, so that its predecessor cannot come back.
 *
 * Anti-entropy by gossip frames. A payload is a map with one or more of
 *   1: peers [[key, url]…]            addresses worth passing on, at most HGL_DIRECTORY_PEERS_MAX
 *   2: digest [[host key, lease version, hash over its adverts]…]   what I know
 *   3: want [[host key, after]…]      send me its lease, and its adverts of agents behind `after`
 *                                     (a key, or empty bytes: from the first)
 *   4: leases [bytes…]   5: adverts [evidence…]   have / push of news
 *   6: more [[host key, after]…]      what a want has not got yet: want it again, at once if there
 *                                     were adverts in the answer, else with the next digest
 * The hash is SHA-256 over (agent key ‖ version as 8 bytes, big-endian) of all adverts of the host,
 * ascending by key. Other keys are passed over.
 *
 * Identities are free, so quotas count per introducing neighbour: a quarter of each table for one;
 * a full table evicts the newest of the heaviest introducer. Adverts of our own agents count in no
 * quota. This module does no I/O: it decides, and hands out payloads to send; the evidence of
 * adverts is with the owner, who is asked for it. Loop thread. */
#ifndef HGL_AGENT_DIRECTORY_H
#define HGL_AGENT_DIRECTORY_H

#include "base/buf.h"
#include "base/seam.h"
#include "protocol/advert.h"
#include "protocol/lease.h"
#include "protocol/query.h"

enum {
  /* Of other hosts. In memory 160 bytes without offers; one that takes more than so many bytes of
   * offers in memory and evidence in the store counts once for each. */
  HGL_DIRECTORY_ADVERTS_MAX = 1000000,
  HGL_DIRECTORY_ADVERT_SIZE = 2048,
  HGL_DIRECTORY_HOSTS_MAX = 10000,
  HGL_DIRECTORY_SHARE = 4, /* one introducer has at most one part in so many */
  HGL_DIRECTORY_PEERS_MAX = 64,
  HGL_DIRECTORY_PAYLOAD_SIZE_MAX = 4 * 1024 * 1024, /* what a buffer for payloads must permit */
  /* Signature checks for one neighbour: a token bucket. An advert takes two, and an address one,
   * because following it costs as much; a row that is read for its wants takes one, too. */
  HGL_DIRECTORY_CHECKS_BURST = 2000,
  HGL_DIRECTORY_CHECKS_PER_S = 200,
  HGL_LEASE_RENEW_MS = 20 * 60 * 1000,
};

struct hgl_directory;

struct hgl_directory_events {
  /* What changed, to be made durable (or forgotten: row.size 0, which may not fail) by the owner
   * under this key. Keys of leases sort before those of adverts. */
  int (*store)(void *user, struct hgl_bytes key, struct hgl_bytes row, struct hgl_err *err);
  /* Appends what was stored last under this key, durable or not. HGL_NOT_FOUND, HGL_CORRUPT. */
  int (*read)(void *user, struct hgl_bytes key, struct hgl_buf *out, struct hgl_err *err);
  /* The advert of this agent could not be read back: it is not known any more. */
  void (*lost)(void *user, const struct hgl_key *agent, const struct hgl_err *why);
  /* An address became known: claimed by the host itself in its lease, or by some neighbour. Either
   * way unverified until dialled. Its shape is checked (hgl_url_check). */
  void (*address)(void *user, const struct hgl_key *host, struct hgl_bytes url, bool from_lease);
};

struct hgl_directory_peer {
  struct hgl_key host;
  struct hgl_bytes url;
};

/* `host`, `clock`, `random` and `events` are borrowed for the directory's life. */
int hgl_directory_create(const struct hgl_signer *host, const struct hgl_clock *clock,
                         const struct hgl_random *random, const struct hgl_directory_events *events,
                         void *user, struct hgl_directory **out, struct hgl_err *err) HGL_NODISCARD;
void hgl_directory_destroy(struct hgl_directory *directory);
/* At start: rows as they were stored, in the order of their keys. Expired ones are passed over and
 * forgotten (events.store). Signatures are not verified again. HGL_CORRUPT, HGL_NO_MEMORY. */
int hgl_directory_load(struct hgl_directory *directory, struct hgl_bytes key, struct hgl_bytes row,
                       struct hgl_err *err) HGL_NODISCARD;

/* Our own agents' adverts: evidence made in this tick. HGL_INVALID unless the version is higher
 * than the last one's; HGL_WRONG_HOST for another host's. Until hgl_directory_committed says that
 * what was published is durable, nobody is told of adverts of ours: what they are signed under
 * must not be signed differently after a crash. */
int hgl_directory_publish(struct hgl_directory *directory, struct hgl_bytes evidence,
                          struct hgl_err *err) HGL_NODISCARD;
void hgl_directory_committed(struct hgl_directory *directory);
/* Renews our lease when due (or when urls changed); true when there is news to push. False also
 * after a failure (`err` is filled then, and its code HGL_OK otherwise): the lease stays as it was.
 */
bool hgl_directory_renew(struct hgl_directory *directory, const struct hgl_bytes *urls,
                         size_t url_count, struct hgl_err *err);
/* Drops what has expired, a bounded part of it in one call; returns the wall time (ms) of the next
 * expiry or renewal. */
int64_t hgl_directory_expire(struct hgl_directory *directory);
/* There is more to drop already. */
bool hgl_directory_is_dropping(const struct hgl_directory *directory);

/* Gossip payloads to send: appended as complete frame payload maps to `out`. */
int hgl_directory_peers(const struct hgl_directory_peer *peers, size_t count, struct hgl_buf *out,
                        struct hgl_err *err) HGL_NODISCARD;
int hgl_directory_digest(struct hgl_directory *directory, struct hgl_buf *out,
                         struct hgl_err *err) HGL_NODISCARD;
/* The digest for a new link: without hosts whose many adverts have changed just now, because
 * hashing them for everybody who comes would take all time. */
int hgl_directory_greeting(struct hgl_directory *directory, struct hgl_buf *out,
                           struct hgl_err *err) HGL_NODISCARD;
/* A row is read for this neighbour: as much as a signature check. False: not now. */
bool hgl_directory_charge(struct hgl_directory *directory,
                          const struct hgl_key *neighbour) HGL_NODISCARD;
/* Takes one gossip payload from a neighbour; `answer` gets a payload to send back, if any (else
 * stays empty); `news` gets one to push to all other neighbours, if any. Invalid records are
 * counted and skipped; a malformed payload is HGL_MALFORMED. Cheap checks come before signatures.
 */
int hgl_directory_receive(struct hgl_directory *directory, const struct hgl_key *neighbour,
                          struct hgl_bytes payload, struct hgl_buf *answer, struct hgl_buf *news,
                          struct hgl_err *err) HGL_NODISCARD;
/* What of ours changed since the last call, as one payload to push to all neighbours. Nothing is
 * appended when there is no news, or no lease yet; what did not fit comes with the next call. */
int hgl_directory_news(struct hgl_directory *directory, struct hgl_buf *out,
                       struct hgl_err *err) HGL_NODISCARD;

/* Appends a list value of {agent, host (did texts), name? (of the agent, unless the offer has one),
 * offer fields…} for the offers that match: in the query's order, then by agent. */
int hgl_directory_find(struct hgl_directory *directory, const struct hgl_query *query,
                       struct hgl_buf *out, struct hgl_err *err) HGL_NODISCARD;
/* The same without the first `skip`, and only until the list has `size_max` bytes; *more: others
 * would follow. */
int hgl_directory_find_from(struct hgl_directory *directory, const struct hgl_query *query,
                            uint64_t skip, size_t size_max, struct hgl_buf *out, bool *more,
                            struct hgl_err *err) HGL_NODISCARD;
/* The offers that do not match and fail fewest conditions, at most `limit`: those of the service
 * and protocol that are asked for first. `found`: the offer as hgl_directory_find gives it, `value`
 * as the agent does, of which the misses are (some of them, where there are many). *considered: how
 * many offers were looked at, a bounded number. What `visit` returns other than 0 is returned. */
typedef int (*hgl_directory_near)(void *user, struct hgl_bytes found, struct hgl_bytes value,
                                  const struct hgl_key *agent, const struct hgl_query_miss *misses,
                                  size_t count, struct hgl_err *err);
int hgl_directory_explain(struct hgl_directory *directory, const struct hgl_query *query,
                          size_t limit, hgl_directory_near visit, void *user, size_t *considered,
                          struct hgl_err *err) HGL_NODISCARD;
/* How long the agent's advert holds: as long as both, Unix ms. False: it does not. */
struct hgl_directory_times {
  uint64_t version;
  int64_t lease_ms, delegation_ms;
};
bool hgl_directory_times(const struct hgl_directory *directory, const struct hgl_key *agent,
                         struct hgl_directory_times *out);
/* What the agent's advert says of who speaks for it, as long as it holds. */
struct hgl_directory_terms {
  struct hgl_key host;
  uint64_t sequence; /* of the delegation, and its end */
  int64_t expires_ms;
};
/* How the agent calls itself (it may be empty), and the services that it offers, at most `max`; how
 * many are given. Borrowed, good until the directory changes. */
size_t hgl_directory_services(const struct hgl_directory *directory, const struct hgl_key *agent,
                              struct hgl_bytes *name, struct hgl_bytes *services, size_t max);
/* From memory. False: unknown, withdrawn or ended. */
bool hgl_directory_terms(const struct hgl_directory *directory, const struct hgl_key *agent,
                         struct hgl_directory_terms *out);
/* Of the latest advert of the agent, also of one that holds no more; 0: there is none. */
uint64_t hgl_directory_version(const struct hgl_directory *directory, const struct hgl_key *agent);
/* Appends the evidence of the agent's advert, or the delegation in it, read back from the owner.
 * HGL_NOT_FOUND: there is none that holds. */
int hgl_directory_advert(struct hgl_directory *directory, const struct hgl_key *agent,
                         struct hgl_buf *out, struct hgl_err *err) HGL_NODISCARD;
int hgl_directory_delegation(struct hgl_directory *directory, const struct hgl_key *agent,
                             struct hgl_buf *out, struct hgl_err *err) HGL_NODISCARD;

/* Visits the agents that our own adverts offer something of, until `visit` returns not 0, which is
 * returned. `visit` publishes nothing. */
int hgl_directory_own(const struct hgl_directory *directory,
                      int (*visit)(void *user, const struct hgl_key *agent, struct hgl_err *err),
                      void *user, struct hgl_err *err) HGL_NODISCARD;

struct hgl_directory_counts {
  size_t hosts, adverts; /* ours included; adverts: withdrawn ones as well */
  uint64_t rejected;     /* records that neighbours sent and that were refused */
};
struct hgl_directory_counts hgl_directory_counts(const struct hgl_directory *directory);

#endif
