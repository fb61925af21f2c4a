/* A write set: the rows that a stretch of a handler, or a tick, puts and deletes. The last word on
 * a key wins. Sets are cheap to fill, drop and merge; they own copies of keys and values (in an
 * arena). One thread at a time. */
#ifndef HGL_STORE_WRITESET_H
#define HGL_STORE_WRITESET_H

#include "base/bytes.h"
#include "base/err.h"

/* The databases. All but STATE are written with growing keys, so that a commit touches few pages.
 */
enum hgl_db {
  HGL_DB_META,        /* text → schema, identity, incarnation, header chain, counters */
  HGL_DB_STATE,       /* agent number (8) | table (8) | key → state records */
  HGL_DB_MAILBOX,     /* agent number (8) | arrival (8) → message waiting or retried */
  HGL_DB_OUTBOX,      /* row (8) → envelopes held back by a full mailbox */
  HGL_DB_JOURNAL,     /* row (8) → what was said and heard, kept a while for evidence */
  HGL_DB_RUNS,        /* agent number (8) | run (8) | part … → handlers that are suspended */
  HGL_DB_TIMERS,      /* agent number (8) | name → due time and payload */
  HGL_DB_DIALOGUES,   /* agent number (8) | peer (32) | thid (16) → state of the dialogue,
                         time of its last step (8) */
  HGL_DB_PEERS,       /* host key (32) | kind (1) … → numbers, leaves, addresses, exceptions */
  HGL_DB_DELEGATIONS, /* agent key (32) → highest delegation seen; | sequence (8) → older ones */
  HGL_DB_DIRECTORY,   /* kind (1) | key (32) → lease of a host, evidence of an agent's advert */
  HGL_DB_DEALS,       /* agent number (8) | deal id (16) → deal record */
  HGL_DB_EVIDENCE,    /* message id (16) → evidence kept for good; | leaf hash (32) → that of
                         another message with the same id */
  HGL_DB_DEAD,        /* row (8) → dead letter */
  HGL_DB_AGENTS,      /* agent name → number, key, versions */
  HGL_DB_PROOFS,      /* kind | key (32) → forks and delegation conflicts, both sides of each */
  HGL_DB_DEAL_TIMES, /* time in ms (8) | key in DEALS → nothing: deal records by their last change
                      */
  HGL_DB_UNACKED,    /* row (8) of the journal → that its messages wait for long */
  HGL_DB_SCRIPTS,    /* digest (32) → a script that suspended handlers need */
  HGL_DB_COUNT
};

struct hgl_writeset;

int hgl_writeset_create(struct hgl_writeset **out, struct hgl_err *err) HGL_NODISCARD;
void hgl_writeset_destroy(struct hgl_writeset *set); /* NULL is allowed */
void hgl_writeset_clear(struct hgl_writeset *set);   /* keeps its memory for the next use */

/* HGL_INVALID when key or value is longer than the store takes: raised where it is written, so that
 * a commit can only fail for the environment. HGL_NO_MEMORY leaves the set as it was. */
int hgl_writeset_put(struct hgl_writeset *set, enum hgl_db db, struct hgl_bytes key,
                     struct hgl_bytes value, struct hgl_err *err) HGL_NODISCARD;
/* The caller vouches that the store does not hold the key: a later delete leaves no trace at all.
 */
int hgl_writeset_put_new(struct hgl_writeset *set, enum hgl_db db, struct hgl_bytes key,
                         struct hgl_bytes value, struct hgl_err *err) HGL_NODISCARD;
int hgl_writeset_delete(struct hgl_writeset *set, enum hgl_db db, struct hgl_bytes key,
                        struct hgl_err *err) HGL_NODISCARD;
/* Moves every row of `from` over those of `into`; `from` is empty afterwards. HGL_NO_MEMORY leaves
 * both as they were. */
int hgl_writeset_merge(struct hgl_writeset *into, struct hgl_writeset *from,
                       struct hgl_err *err) HGL_NODISCARD;

enum hgl_writeset_found { HGL_WRITESET_UNKNOWN, HGL_WRITESET_PUT, HGL_WRITESET_DELETED };
/* *value is a slice of the set, good until it changes. */
enum hgl_writeset_found hgl_writeset_get(const struct hgl_writeset *set, enum hgl_db db,
                                         struct hgl_bytes key, struct hgl_bytes *value);
size_t hgl_writeset_count(const struct hgl_writeset *set); /* rows */
size_t hgl_writeset_size(const struct hgl_writeset *set);  /* bytes of keys and values */

#endif
