/* An agent's `state` (and `cache`): a tree of tables that lives in C, is seen from Lua through
 * views, is rolled back per stretch and written to rows per tick. No Lua in this file.
 *
 * - A table maps keys (text or int64) to scalars (text, bytes, int64, double, bool, null), to typed
 *   lists that are empty, or to tables. Iteration is ordered: integers ascending, then text
 *   bytewise. The length is the border of the run 1..n.
 * - A node is a table in memory. Views hold nodes by reference count, not by path: moving a table
 *   keeps its views. A node that was removed or replaced stays readable until the stretch ends,
 *   then is `gone` (reads and writes fail with HGL_CLOSED).
 * - A table is stored within its parent's record until its encoding exceeds HGL_STATE_INLINE_MAX;
 *   then it gets a table number of its own and each of its children a row:
 *   key = table number (8, big-endian) ‖ encoded child key; value = scalar, inline table (CBOR), or
 *   a reference to a table number. The root is table 0 and always has rows of its own.
 *   Children of such tables are read when first touched and may be dropped from memory when clean.
 * - First-touch undo: the first write of a stretch to a slot records its old value.
 *
 * One agent, loop thread. Memory is counted in a struct hgl_memory that trees may share. */
#ifndef HGL_LUA_STATE_H
#define HGL_LUA_STATE_H

#include "base/buf.h"

enum {
  HGL_STATE_INLINE_MAX = 1024, /* bytes of an encoded table that stays within its parent's record */
  HGL_STATE_KEY_SIZE_MAX = 400, /* bytes of a text key */
  HGL_STATE_DEPTH_MAX = 32,
  HGL_STATE_VALUE_SIZE_MAX = 1 << 20, /* bytes of one scalar */
  /* Bytes of memory above which a flush drops what rows can give back; and at the latest when a
   * quarter of the permitted memory is in use. */
  HGL_STATE_KEEP_MAX = 1 << 20,
};

/* Where rows come from and go to; keys are relative to the agent. `get` answers HGL_NOT_FOUND for a
 * row that is not there; `remove` of one is no failure. */
struct hgl_state_rows {
  int (*get)(void *user, struct hgl_bytes key, struct hgl_buf *out, struct hgl_err *err);
  int (*put)(void *user, struct hgl_bytes key, struct hgl_bytes value, struct hgl_err *err);
  int (*remove)(void *user, struct hgl_bytes key, struct hgl_err *err);
  /* Visits the rows of one table (8-byte prefix) in key order; stops at non-zero. */
  int (*scan)(void *user, struct hgl_bytes prefix,
              int (*visit)(void *visit_user, struct hgl_bytes key, struct hgl_bytes value,
                           struct hgl_err *err),
              void *visit_user, struct hgl_err *err);
  void *user;
};

/* Heap that a limit is about. */
struct hgl_memory {
  size_t used, max;
};

struct hgl_state;      /* the tree */
struct hgl_state_node; /* a table in it */

enum hgl_state_kind {
  HGL_STATE_NIL, /* absent */
  HGL_STATE_NULL,
  HGL_STATE_BOOL,
  HGL_STATE_INT,
  HGL_STATE_DOUBLE,
  HGL_STATE_TEXT,
  HGL_STATE_BYTES,
  HGL_STATE_TABLE,
};

struct hgl_state_value {
  enum hgl_state_kind kind;
  union {
    bool boolean;
    int64_t integer;
    double number;
    struct hgl_bytes bytes;      /* TEXT, BYTES: good until the next write to the tree */
    struct hgl_state_node *node; /* TABLE: borrowed; hgl_state_hold to keep */
  };
};

struct hgl_state_key {
  bool is_int;
  int64_t integer;
  struct hgl_bytes text;
};

/* size_max: bytes that the whole encoded state may reach (HGL_LIMIT at the write that passes it).
 * rows.get == NULL: nothing is ever stored (that is `cache`). */
int hgl_state_create(const struct hgl_state_rows *rows, size_t size_max, struct hgl_state **out,
                     struct hgl_err *err) HGL_NODISCARD;
void hgl_state_destroy(
    struct hgl_state *state); /* nodes still held are freed with their last hold */
struct hgl_state_node *hgl_state_root(struct hgl_state *state);

void hgl_state_hold(struct hgl_state_node *node);
void hgl_state_release(struct hgl_state_node *node);
struct hgl_state *hgl_state_of(struct hgl_state_node *node); /* NULL once the tree is destroyed */

/* HGL_CLOSED: the node is gone. HGL_CORRUPT, HGL_IO from rows. */
int hgl_state_get(struct hgl_state_node *node, const struct hgl_state_key *key,
                  struct hgl_state_value *out, struct hgl_err *err) HGL_NODISCARD;
/* Scalars are copied in; NIL removes. HGL_BAD_VALUE: not UTF-8, not finite; HGL_TOO_LARGE,
 * HGL_TOO_DEEP, HGL_LIMIT. A failed write changes nothing. TABLE:
 * - a node whose place this is already: nothing;
 * - a node that stands nowhere (new, or removed or replaced in this stretch): it moves here;
 * - any other (it stands elsewhere, contains this place, is the root or of another tree): a deep
 *   copy. Copy and original remember each other until one of them is changed or the copy is read.
 *   If the original's place is overwritten or removed before that, the original takes the copy's
 *   place. So `a, b = b, a` and "assign, then remove the old" move tables and keep their views,
 *   `a = b` copies, and in no case does what is read differ from what copying would have given. */
int hgl_state_set(struct hgl_state_node *node, const struct hgl_state_key *key,
                  const struct hgl_state_value *value, struct hgl_err *err) HGL_NODISCARD;
/* A new, detached, empty table of this tree, held once for the caller. */
int hgl_state_table(struct hgl_state *state, struct hgl_state_node **out,
                    struct hgl_err *err) HGL_NODISCARD;
/* The key after *key in order (from NULL: the first); *more is false at the end. Writing to
 * existing slots meanwhile is allowed. Key text is good until the next write. */
int hgl_state_next(struct hgl_state_node *node, const struct hgl_state_key *key,
                   struct hgl_state_key *next, struct hgl_state_value *value, bool *more,
                   struct hgl_err *err) HGL_NODISCARD;
int hgl_state_length(struct hgl_state_node *node, int64_t *out, struct hgl_err *err) HGL_NODISCARD;
/* Permutes the slots first … first + count - 1, all of which must be there: slot first + i gets
 * what slot first + order[i] held. Tables move, nothing is copied. `order` must be a permutation.
 */
int hgl_state_reorder(struct hgl_state_node *node, int64_t first, const size_t *order, size_t count,
                      struct hgl_err *err) HGL_NODISCARD;
/* Whether an empty table is a list rather than a map: given with the table, stored with it. */
void hgl_state_mark_list(struct hgl_state_node *node); /* only a node fresh from hgl_state_table */
bool hgl_state_is_list(const struct hgl_state_node *node);

/* A stretch: accept keeps its writes, roll_back undoes them; either ends it, and detached nodes are
 * gone. Without a stretch, writes fail with HGL_INVALID. */
void hgl_state_begin(struct hgl_state *state);
void hgl_state_accept(struct hgl_state *state);
void hgl_state_roll_back(struct hgl_state *state);

/* The slots that the stretch has written so far. */
size_t hgl_state_writes(const struct hgl_state *state);

bool hgl_state_dirty(const struct hgl_state *state);
/* Encodes what accepted stretches changed since the last flush and puts it to rows. Loop thread, at
 * the end of the tick. */
int hgl_state_flush(struct hgl_state *state, struct hgl_err *err) HGL_NODISCARD;
size_t hgl_state_size(const struct hgl_state *state);   /* bytes, encoded, about */
size_t hgl_state_memory(const struct hgl_state *state); /* bytes of heap in use */
/* Counts the tree's heap in `memory` (borrowed until the tree is destroyed, or counted elsewhere):
 * whatever would take more than memory->max fails with HGL_NO_MEMORY. Without a call: no limit.
 * Loads nothing. */
void hgl_state_share_memory(struct hgl_state *state, struct hgl_memory *memory);

/* ---- for the journal of runs (lua/run_views.c): naming tables, and finding them again ---- */

/* What a run calls a table, in the epoch in which the run's stretch goes on. */
struct hgl_state_mark {
  uint64_t epoch;
  uint32_t name;
};
struct hgl_state_mark *hgl_state_mark(struct hgl_state_node *node);
uint64_t hgl_state_next_epoch(struct hgl_state *state);
/* A table that stands nowhere and is in no stretch's books: it takes the place of one that is not
 * known yet. Held once for the caller. */
int hgl_state_placeholder(struct hgl_state *state, struct hgl_state_node **out,
                          struct hgl_err *err) HGL_NODISCARD;
void hgl_state_remove_placeholder(struct hgl_state_node *node); /* reads as one that was removed */
/* Appends the keys from the root to this table, as an encoded list. False: it stands nowhere. */
bool hgl_state_path(const struct hgl_state_node *node, struct hgl_buf *out);
/* The bytes that hgl_state_path appends; 0: it stands nowhere. */
size_t hgl_state_path_size(const struct hgl_state_node *node);
/* Where such a path leads now, borrowed; *out is NULL when there is no table. */
int hgl_state_follow(struct hgl_state *state, struct hgl_bytes path, struct hgl_state_node **out,
                     struct hgl_err *err) HGL_NODISCARD;
/* Grows whenever a table may have come to another place, or went. */
uint64_t hgl_state_moves(const struct hgl_state *state);

#endif
