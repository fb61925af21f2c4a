/* The directory: which agents offer what, on which host, learned from adverts that hosts pass on.
 *
 * An advert is evidence of a message of type "haggle/1.0/advert" that an agent addressed to its own
 * host (to = from): body {version, name?, about?, offers = [map…], protocols = ["weather/1.0"…]}, or
 * {version, withdrawn = true}. It lives while its host's lease does: a lease is evidence-like: a
 * COSE_Sign1 by the host (type "application/haggle-lease+cbor") over {1 host, 2 version, 3 until_ms,
 * 4 urls [text…]}: one small record for all adverts of the host, renewed every HGL_LEASE_RENEW_MS.
 *
 * Anti-entropy by gossip frames (payload maps):
 *   {1: peers [[key, url]…]}            verified addresses worth passing on
 *   {2: digest [[host key, lease version, hash over its adverts]…]}  what I know
 *   {3: want [host key…]}               send me lease and adverts of these hosts
 *   {4: leases [bytes…], 5: adverts [evidence…]}   have / push of news
 * Quotas count per introducing neighbour (identities are free); a full table evicts from the heaviest
 * introducer. This module does no I/O: it decides, and hands out frames to send. Loop thread. */
#ifndef HGL_AGENT_DIRECTORY_H
#define HGL_AGENT_DIRECTORY_H

#include "base/buf.h"
#include "base/seam.h"
#include "protocol/evidence.h"
#include "protocol/query.h"

enum {
  HGL_DIRECTORY_ADVERTS_MAX = 100000,
  HGL_DIRECTORY_HOSTS_MAX = 10000,
  HGL_DIRECTORY_ADVERT_SIZE_MAX = 16 * 1024,
  HGL_LEASE_RENEW_MS = 20 * 60 * 1000,
};

struct hgl_directory;

/* What changed, to be made durable (or forgotten: row.size 0) by the owner under this key. */
struct hgl_directory_events {
  void (*store)(void *user, struct hgl_bytes key, struct hgl_bytes row);
  /* A host's addresses became known through its lease. */
  void (*address)(void *user, const struct hgl_key *host, struct hgl_bytes url);
};

int hgl_directory_create(const struct hgl_signer *host, const struct hgl_clock *clock,
                         const struct hgl_random *random,
                         const struct hgl_directory_events *events, void *user,
                         struct hgl_directory **out, struct hgl_err *err) HGL_NODISCARD;
void hgl_directory_destroy(struct hgl_directory *directory);
/* At start: rows as they were stored; expired ones are passed over. */
int hgl_directory_load(struct hgl_directory *directory, struct hgl_bytes key, struct hgl_bytes row,
                       struct hgl_err *err) HGL_NODISCARD;

/* Our own agents' adverts: evidence made in this tick. */
int hgl_directory_publish(struct hgl_directory *directory, struct hgl_bytes evidence,
                          struct hgl_err *err) HGL_NODISCARD;
/* Renews our lease when due (or when urls changed); true when there is news to push. */
bool hgl_directory_renew(struct hgl_directory *directory, const struct hgl_bytes *urls,
                         size_t url_count, struct hgl_err *err);
/* Drops what has expired; returns the wall time (ms) of the next expiry or renewal. */
int64_t hgl_directory_expire(struct hgl_directory *directory);

/* Gossip payloads to send: appended as complete frame payload maps to `out`. */
int hgl_directory_digest(struct hgl_directory *directory, struct hgl_buf *out, struct hgl_err *err)
    HGL_NODISCARD;
/* Takes one gossip payload from a neighbour; `answer` gets a payload to send back, if any (else stays
 * empty); `news` gets one to push to all other neighbours, if any. Invalid records are counted and
 * skipped; a malformed payload is HGL_MALFORMED. Cheap checks come before signatures. */
int hgl_directory_receive(struct hgl_directory *directory, const struct hgl_key *neighbour,
                          struct hgl_bytes payload, struct hgl_buf *answer, struct hgl_buf *news,
                          struct hgl_err *err) HGL_NODISCARD;
/* Everything of ours that changed since the last call, as one payload to push to all neighbours. */
int hgl_directory_news(struct hgl_directory *directory, struct hgl_buf *out, struct hgl_err *err)
    HGL_NODISCARD;

/* Appends a list value of {agent, host (did texts), name?, offer fields…} for the offers that match. */
int hgl_directory_find(struct hgl_directory *directory, const struct hgl_query *query,
                       struct hgl_buf *out, struct hgl_err *err) HGL_NODISCARD;
/* The host that speaks for this agent, by its advert. False: unknown. */
bool hgl_directory_host_of(const struct hgl_directory *directory, const struct hgl_key *agent,
                           struct hgl_key *host);
/* The agent's delegation as its advert carries it, or size 0. */
struct hgl_bytes hgl_directory_delegation(const struct hgl_directory *directory,
                                          const struct hgl_key *agent);

struct hgl_directory_counts {
  size_t hosts, adverts;
  uint64_t rejected;
};
struct hgl_directory_counts hgl_directory_counts(const struct hgl_directory *directory);

#endif
