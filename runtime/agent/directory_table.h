/* The directory's tables, shared by directory.c (records, quotas, expiry), directory_order.c (a
 * host's adverts in order, and their hash), directory_rows.c (what is stored, and read back),
 * directory_own.c (our own records), directory_gossip.c (what neighbours send and get),
 * directory_introducer.c (what they may cost) and directory_find.c (queries). Others use
 * agent/directory.h.
 *
 * Every host has a lease, except ours before the first renewal, and one that is leaving: it is not
 * known any more, and its adverts hold no more, but there may be too many to drop in one tick.
 * Every advert has a host. Every record is of one introducer, ours of none. Each record is in the
 * list of its introducer, newest first.
 *
 * There may be a million adverts: in memory is what finding, ordering, quotas and digests need. The
 * evidence of each is in its row, and read when it is shown to somebody. */
#ifndef HGL_AGENT_DIRECTORY_TABLE_H
#define HGL_AGENT_DIRECTORY_TABLE_H

#include "agent/directory.h"
#include "base/heap.h"
#include "base/map.h"
#include "base/table.h"

/* A member of a circular list; the list itself is one that is no member. */
struct hgl_dir_link {
  struct hgl_dir_link *previous, *next;
};
#define HGL_DIR_ENTRY(link, type, member) ((type *)((char *)(link)-offsetof(type, member)))

/* Where to go on with the adverts of a host: behind this agent. */
struct hgl_dir_place {
  struct hgl_key host, after;
};

enum {
  HGL_DIR_PLACES_MAX = 8, /* of one neighbour; other hosts are asked for from the first */
  /* A set of so many adverts is hashed in less time than the signatures of the one that changed are
   * checked; a larger one is hashed at most every 5 s. */
  HGL_DIR_SETTLES_AT_ONCE = 1000,
  HGL_DIR_DROPS_MAX = 1024, /* records in one tick */
};

/* A neighbour that brought records. */
struct hgl_dir_introducer {
  struct hgl_key key;
  size_t host_count, advert_weight;
  struct hgl_dir_link hosts, adverts;
  int64_t checks; /* signature checks left */
  int64_t refilled_ns;
  struct hgl_dir_place places[HGL_DIR_PLACES_MAX]; /* to be asked for with its next digest */
  size_t place_count;
};

struct hgl_dir_host {
  struct hgl_heap_entry expiry; /* at the lease's end; not ours */
  struct hgl_key key;
  struct hgl_dir_introducer *introducer; /* NULL: ours */
  struct hgl_dir_link of_introducer;     /* or of those that are leaving */
  bool is_leaving;
  uint8_t *lease; /* encoded; NULL: none yet */
  size_t lease_size;
  uint64_t version;
  int64_t until_ms;
  /* Its adverts, each at its `place`; NULL: one that is gone. The first `ordered` places ascend by
   * agent. */
  struct hgl_dir_advert **adverts;
  size_t advert_count, places, ordered, capacity;
  bool is_settled;            /* all is in order, without gaps, and under `hash` */
  int64_t settle_due_ns;      /* monotonic: a large set is not settled before */
  struct hgl_hash hash;       /* over its adverts */
  struct hgl_hash asked_hash; /* the digest for which its adverts were last wanted */
  int64_t asked_at_ms;
  uint64_t news_mark; /* of the payload that has its lease already */
};

struct hgl_dir_offer {
  struct hgl_dir_advert *advert;
  struct hgl_bytes value; /* an encoded map */
  struct hgl_dir_service *service;
  size_t place; /* in service->offers */
};

/* All offers of one service. */
struct hgl_dir_service {
  struct hgl_dir_offer **offers;
  size_t count, capacity;
};

/* In one piece of memory with the bytes that the slices point to. */
struct hgl_dir_offers {
  struct hgl_bytes name; /* of the agent; only shown with an offer */
  size_t count;
  struct hgl_dir_offer items[];
};

struct hgl_dir_advert {
  struct hgl_key agent;
  struct hgl_heap_entry expiry; /* due at the delegation's end, in ms */
  uint64_t version;
  uint64_t sequence; /* of the delegation */
  struct hgl_dir_host *host;
  struct hgl_dir_introducer *introducer; /* NULL: ours */
  /* In its introducer's list. Ours: in that of news, while it is still to be pushed; else alone. */
  struct hgl_dir_link listed;
  struct hgl_dir_offers *offers; /* NULL: none */
  uint32_t place;                /* in host->adverts */
  bool withdrawn;
  uint8_t weight; /* as how many it counts */
};
_Static_assert(sizeof(struct hgl_dir_advert) <= 120, "more would be the next size of malloc's");

struct hgl_directory {
  const struct hgl_signer *signer;
  const struct hgl_clock *clock;
  const struct hgl_directory_events *events;
  void *user;
  struct hgl_map hosts;     /* by key */
  struct hgl_table adverts; /* by agent */
  size_t advert_weight;     /* of others' */
  /* Of that HGL_DIRECTORY_ADVERTS_MAX, then HGL_DIR_SETTLES_AT_ONCE and HGL_DIR_DROPS_MAX, but in
   * tests. */
  size_t adverts_max, settles_at_once;
  int drops_max;
  struct hgl_map services;    /* by name */
  struct hgl_map introducers; /* by key */
  struct hgl_heap hosts_expiring, adverts_expiring;
  struct hgl_dir_link leaving; /* hosts */
  size_t leaving_count;
  uint64_t hashed; /* adverts, by all settling so far */
  struct hgl_dir_host *own;
  bool lease_is_news;
  bool is_pending; /* adverts of ours are not durable yet: nobody is told of any */
  struct hgl_dir_link news;
  uint64_t news_mark;
  uint64_t rejected;
};

void hgl_dir_link_init(struct hgl_dir_link *link);
void hgl_dir_link_remove(struct hgl_dir_link *link);
void hgl_dir_link_push(struct hgl_dir_link *list, struct hgl_dir_link *link);

/* What the delegation of an advert says, once verified. */
struct hgl_dir_terms {
  uint64_t sequence;
  int64_t expires_ms;
};

/* NULL also of one that is leaving. */
struct hgl_dir_host *hgl_dir_host_get(const struct hgl_directory *directory,
                                      const struct hgl_key *key);
struct hgl_dir_advert *hgl_dir_advert_get(const struct hgl_directory *directory,
                                          const struct hgl_key *agent);
/* Its host's lease and its delegation run, and it is not withdrawn. */
bool hgl_dir_advert_is_live(const struct hgl_directory *directory,
                            const struct hgl_dir_advert *advert);

/* Finds or makes the neighbour's record. */
int hgl_dir_introducer_get(struct hgl_directory *directory, const struct hgl_key *key,
                           struct hgl_dir_introducer **out, struct hgl_err *err) HGL_NODISCARD;
/* False: it has caused as much work as so many checks for now. */
bool hgl_dir_introducer_charge(const struct hgl_directory *directory,
                               struct hgl_dir_introducer *introducer, int checks) HGL_NODISCARD;
/* Of two places of one host, the first is kept. */
void hgl_dir_place_keep(const struct hgl_directory *directory,
                        struct hgl_dir_introducer *introducer, const struct hgl_key *host,
                        const struct hgl_key *after);
/* False: none is kept. */
bool hgl_dir_place_take(struct hgl_dir_introducer *introducer, const struct hgl_key *host,
                        struct hgl_key *after);

/* Adds or replaces a record that has been verified, and stores it. The introducer counts only for
 * new records. HGL_LIMIT when the table is full and no heavier introducer is there to evict from.
 */
int hgl_dir_lease_put(struct hgl_directory *directory, const struct hgl_lease *lease,
                      struct hgl_bytes bytes, struct hgl_dir_introducer *introducer,
                      struct hgl_err *err) HGL_NODISCARD;
/* As how many this one counts. */
uint8_t hgl_dir_advert_weight(const struct hgl_advert *advert, size_t evidence_size);
int hgl_dir_advert_put(struct hgl_directory *directory, const struct hgl_advert *advert,
                       const struct hgl_dir_terms *terms, struct hgl_bytes evidence,
                       struct hgl_dir_introducer *introducer, struct hgl_err *err) HGL_NODISCARD;
/* The same of a record that is stored already. */
int hgl_dir_lease_load(struct hgl_directory *directory, const struct hgl_lease *lease,
                       struct hgl_bytes bytes, struct hgl_dir_introducer *introducer,
                       struct hgl_err *err) HGL_NODISCARD;
int hgl_dir_advert_load(struct hgl_directory *directory, const struct hgl_advert *advert,
                        const struct hgl_dir_terms *terms, struct hgl_bytes evidence,
                        struct hgl_dir_introducer *introducer, struct hgl_err *err) HGL_NODISCARD;
/* Its adverts go in parts, with hgl_directory_expire; a host without any is freed. */
void hgl_dir_host_drop(struct hgl_directory *directory, struct hgl_dir_host *host);
void hgl_dir_advert_drop(struct hgl_directory *directory, struct hgl_dir_advert *advert);

/* directory_order.c. Room for one more; adding cannot fail then. */
int hgl_dir_order_reserve(struct hgl_dir_host *host, struct hgl_err *err) HGL_NODISCARD;
void hgl_dir_order_add(struct hgl_dir_host *host, struct hgl_dir_advert *advert);
void hgl_dir_order_remove(struct hgl_dir_advert *advert);
/* The same agent's, of the same host. */
void hgl_dir_order_replace(struct hgl_dir_advert *old, struct hgl_dir_advert *advert);
/* Puts all in order, closes the gaps, makes the hash; nothing to do if it is so. A large set that
 * was settled just before stays as it is, unless `now`: its first `ordered` places are in order all
 * the same. */
int hgl_dir_order_settle(struct hgl_directory *directory, struct hgl_dir_host *host, bool now,
                         struct hgl_err *err) HGL_NODISCARD;

/* directory_rows.c. */
enum hgl_dir_kind { /* first bytes of row keys: leases come before the adverts that need them */
                    HGL_DIR_LEASE = 1,
                    HGL_DIR_ADVERT = 2,
};
int hgl_dir_row_store(struct hgl_directory *directory, enum hgl_dir_kind kind,
                      const struct hgl_key *key, const struct hgl_dir_introducer *introducer,
                      struct hgl_bytes record, const struct hgl_dir_terms *terms,
                      struct hgl_err *err) HGL_NODISCARD;
void hgl_dir_row_forget(struct hgl_directory *directory, enum hgl_dir_kind kind,
                        const struct hgl_key *key);

/* An advert as it is stored; the slices point into `row`. */
struct hgl_dir_stored {
  struct hgl_buf row;
  struct hgl_bytes evidence;
  struct hgl_advert advert;
};
void hgl_dir_stored_init(struct hgl_dir_stored *stored);
void hgl_dir_stored_deinit(struct hgl_dir_stored *stored);
/* Reads it back, over what was read before. HGL_NO_MEMORY: another time. Whatever else fails: the
 * row is gone or damaged, and so the advert has been dropped. */
int hgl_dir_stored_read(struct hgl_directory *directory, struct hgl_dir_advert *advert,
                        struct hgl_dir_stored *stored, struct hgl_err *err) HGL_NODISCARD;

/* Appends the offer as it is found: with agent, host and name. */
int hgl_dir_put_found(const struct hgl_dir_offer *offer, struct hgl_buf *out,
                      struct hgl_err *err) HGL_NODISCARD;

/* The index by service: all of the advert's offers, or none after a failure. */
int hgl_dir_index_add(struct hgl_directory *directory, struct hgl_dir_advert *advert,
                      struct hgl_err *err) HGL_NODISCARD;
void hgl_dir_index_remove(struct hgl_directory *directory, struct hgl_dir_advert *advert);

#endif
