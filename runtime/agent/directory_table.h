/* The directory's tables, shared by directory.c (records, quotas, expiry), directory_gossip.c (what
 * neighbours send and get) and directory_find.c (queries). Others use agent/directory.h.
 *
 * Every host has a lease, except ours before the first renewal. Every advert has a host. Every
 * record is of one introducer, ours of none. Each record is in the list of its introducer, newest
 * first. */
#ifndef HGL_AGENT_DIRECTORY_TABLE_H
#define HGL_AGENT_DIRECTORY_TABLE_H

#include "agent/directory.h"
#include "base/heap.h"
#include "base/map.h"

/* A member of a circular list; the list itself is one that is no member. */
struct hgl_dir_link {
  struct hgl_dir_link *previous, *next;
};
#define HGL_DIR_ENTRY(link, type, member) ((type *)((char *)(link)-offsetof(type, member)))

/* A neighbour that brought records. */
struct hgl_dir_introducer {
  struct hgl_key key;
  size_t host_count, advert_count;
  struct hgl_dir_link hosts, adverts;
  int64_t checks; /* signature checks left */
  int64_t refilled_ns;
};

struct hgl_dir_host {
  struct hgl_heap_entry expiry; /* at the lease's end; not ours */
  struct hgl_key key;
  struct hgl_dir_introducer *introducer; /* NULL: ours */
  struct hgl_dir_link of_introducer;
  uint8_t *lease; /* encoded; NULL: none yet */
  size_t lease_size;
  uint64_t version;
  int64_t until_ms;
  struct hgl_dir_link adverts;
  size_t advert_count;
  struct hgl_dir_advert **sorted; /* its adverts by agent; NULL: to be made again */
  struct hgl_hash hash;           /* over `sorted` */
  struct hgl_hash asked_hash;     /* the digest for which its adverts were last wanted */
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

struct hgl_dir_advert {
  struct hgl_heap_entry expiry; /* at the delegation's end */
  struct hgl_key agent;
  uint64_t version;
  bool withdrawn;
  struct hgl_dir_host *host;
  struct hgl_dir_introducer *introducer; /* NULL: ours */
  struct hgl_dir_link of_introducer, of_host;
  struct hgl_dir_link of_news; /* ours that are still to be pushed; else alone */
  uint8_t *evidence;           /* what the slices point into */
  size_t evidence_size;
  struct hgl_bytes name, delegation;
  uint64_t sequence; /* of the delegation */
  int64_t expires_ms;
  size_t offer_count;
  struct hgl_dir_offer *offers;
};

struct hgl_directory {
  const struct hgl_signer *signer;
  const struct hgl_clock *clock;
  const struct hgl_directory_events *events;
  void *user;
  struct hgl_map hosts, adverts; /* by key */
  struct hgl_map services;       /* by name */
  struct hgl_map introducers;    /* by key */
  struct hgl_heap hosts_expiring, adverts_expiring;
  struct hgl_dir_host *own;
  bool lease_is_news;
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

/* Adds or replaces a record that has been verified, and stores it. The introducer counts only for
 * new records. HGL_LIMIT when the table is full and no heavier introducer is there to evict from.
 */
int hgl_dir_lease_put(struct hgl_directory *directory, const struct hgl_lease *lease,
                      struct hgl_bytes bytes, struct hgl_dir_introducer *introducer,
                      struct hgl_err *err) HGL_NODISCARD;
int hgl_dir_advert_put(struct hgl_directory *directory, const struct hgl_advert *advert,
                       const struct hgl_dir_terms *terms, struct hgl_bytes evidence,
                       struct hgl_dir_introducer *introducer, struct hgl_err *err) HGL_NODISCARD;
void hgl_dir_host_drop(struct hgl_directory *directory, struct hgl_dir_host *host);
void hgl_dir_advert_drop(struct hgl_directory *directory, struct hgl_dir_advert *advert);

/* The index by service: all of the advert's offers, or none after a failure. */
int hgl_dir_index_add(struct hgl_directory *directory, struct hgl_dir_advert *advert,
                      struct hgl_err *err) HGL_NODISCARD;
void hgl_dir_index_remove(struct hgl_directory *directory, struct hgl_dir_advert *advert);

#endif
