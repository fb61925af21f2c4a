/* Inside of state.h, for its own files only.
 *
 * A node holds its slots in a treap ordered by key. A slot is one allocation that never moves, so
 * that undo records, dirty lists and a child's way to its place are plain pointers. A slot without
 * content (NIL) is a trace of something removed; it goes when the stretch ends, or, where a row has
 * to be removed too, at the next flush.
 *
 * Invariants
 * - node->size counts the node and everything below it, also what is not in memory.
 * - node->table is HGL_TABLE_NONE, or the number of its rows; then `complete` says whether every
 *   row is in memory, and a slot in memory always overrules its row.
 * - Ending a stretch, either way, allocates nothing: what it needs is linked through the nodes. */
#ifndef HGL_LUA_STATE_TREE_H
#define HGL_LUA_STATE_TREE_H

#include "lua/state.h"

#define HGL_TABLE_NONE UINT64_MAX

/* What a slot holds, owned: `data` is allocated, `node` is held once. */
struct hgl_content {
  uint8_t kind;  /* enum hgl_state_kind */
  uint32_t size; /* bytes of TEXT and BYTES */
  union {
    bool boolean;
    int64_t integer;
    double number;
    uint8_t *data;
    struct hgl_state_node *node;
  };
};

struct hgl_slot {
  struct hgl_slot *left, *right;
  struct hgl_slot *dirty_next;
  struct hgl_content content;
  int64_t integer; /* the key, when is_int */
  uint32_t priority;
  uint16_t text_size;
  bool is_int : 1;
  bool live : 1;   /* this slot or one below it in the treap has content */
  bool logged : 1; /* the stretch has recorded the old content */
  bool dirty : 1;  /* differs from its row; linked in the node's dirty_slots */
  bool stored : 1; /* a row exists */
  uint8_t text[];
};

struct hgl_state_node_place {
  struct hgl_state_node *parent; /* NULL: the root, or not in the tree */
  struct hgl_slot *slot;         /* the parent's slot that holds the node */
  uint32_t size, length;
  uint8_t height; /* tables nested from here on, this one included; may be too large, never less */
};

struct hgl_state_node {
  struct hgl_state *state;
  struct hgl_state_node_place now, before; /* before: as the stretch found it, when touched */
  struct hgl_slot *slots;
  struct hgl_slot *dirty_slots;
  struct hgl_state_node *twin; /* see hgl_state_set: a copy made in this stretch, or its original */
  struct hgl_state_node *touched_next, *dirty_next;
  uint64_t table;
  struct hgl_state_mark mark;
  uint32_t refs;
  bool touched : 1;
  bool gone : 1;
  bool complete : 1;
  bool header_known : 1; /* size, length and height have been read */
  bool header_dirty : 1;
  bool in_dirty : 1;
  bool is_list : 1;
  bool is_copy : 1; /* of its twin */
};

struct hgl_undo {
  struct hgl_state_node *node;
  struct hgl_slot *slot;
  struct hgl_content old;
};

struct hgl_state {
  struct hgl_state_rows rows;
  size_t size_max;
  size_t memory;
  struct hgl_memory *shared; /* counts it too; or NULL */
  struct hgl_state_node *root;
  bool open; /* a stretch is */
  struct hgl_undo *undo;
  size_t undo_count, undo_capacity;
  struct hgl_state_node *touched;
  struct hgl_state_node *dirty;   /* nodes with rows to write */
  struct hgl_state_node *dropped; /* nodes gone whose rows remain to be removed */
  uint64_t next_table;
  uint64_t epoch, moves;
  uint32_t random;
};

/* state_slots.c: the treap */
struct hgl_state_key hgl_slot_key(const struct hgl_slot *slot);
struct hgl_slot *hgl_slots_find(struct hgl_slot *top, const struct hgl_state_key *key);
/* The first slot with content behind `key`, or at all (NULL). */
struct hgl_slot *hgl_slots_after(struct hgl_slot *top, const struct hgl_state_key *key);
void hgl_slots_insert(struct hgl_slot **top, struct hgl_slot *slot);
void hgl_slots_remove(struct hgl_slot **top, struct hgl_slot *slot);
/* To be called when the slot's content came or went. */
void hgl_slots_refresh(struct hgl_slot *top, const struct hgl_slot *slot);

/* state_node.c: memory of nodes, slots and contents */
void *hgl_state_alloc(struct hgl_state *state, size_t size);
void hgl_state_free(struct hgl_state *state, void *memory, size_t size);
bool hgl_state_has_room(const struct hgl_state *state, size_t size);
void hgl_state_count(struct hgl_state *state, size_t taken, size_t given_back);
int hgl_state_node_create(struct hgl_state *state, struct hgl_state_node **out,
                          struct hgl_err *err);
/* A new slot without content, in the treap. */
int hgl_slot_create(struct hgl_state_node *node, const struct hgl_state_key *key,
                    struct hgl_slot **out, struct hgl_err *err);
void hgl_slot_destroy(struct hgl_state_node *node, struct hgl_slot *slot);
void hgl_content_release(struct hgl_state *state, struct hgl_content *content);
/* Copies bytes in; a node is held. */
int hgl_content_create(struct hgl_state *state, const struct hgl_state_value *value,
                       struct hgl_content *out, struct hgl_err *err);
/* The same content once more: bytes are copied, a node is held. */
int hgl_content_duplicate(struct hgl_state *state, const struct hgl_content *content,
                          struct hgl_content *out, struct hgl_err *err);
/* Bytes that a slot adds to its table. */
uint32_t hgl_slot_size(const struct hgl_slot *slot, const struct hgl_content *content);
/* Frees what is in and below the node; it and all tables below are gone and leave the tree. */
void hgl_state_node_bury(struct hgl_state_node *node);
/* How many tables stand above. */
int hgl_state_node_depth(const struct hgl_state_node *node);
uint32_t hgl_size_of_empty_table(void);

/* state_stretch.c: what a stretch remembers so that it can be undone */
/* Before the first change to a node's place, size, length or height. */
void hgl_stretch_touch(struct hgl_state_node *node);
/* Room for `count` more calls of hgl_stretch_log. */
int hgl_stretch_reserve(struct hgl_state *state, size_t count, struct hgl_err *err);
/* Before a change to the slot's content. True: the log has taken the old content over; false: the
 * stretch had changed it before, and the caller still owns it. */
bool hgl_stretch_log(struct hgl_state_node *node, struct hgl_slot *slot);

/* state_rows.c: rows to memory */
/* The slot of a key, read from its row when need be; *out is NULL when there is none. */
int hgl_rows_slot(struct hgl_state_node *node, const struct hgl_state_key *key,
                  struct hgl_slot **out, struct hgl_err *err);
/* Reads every row of the table. */
int hgl_rows_complete(struct hgl_state_node *node, struct hgl_err *err);
/* Reads size, length and height. */
int hgl_rows_header(struct hgl_state_node *node, struct hgl_err *err);

/* state_flush.c: memory to rows */
/* The slot has changed: it, or the slot that contains its table's record, is to be written. */
void hgl_flush_mark(struct hgl_state_node *node, struct hgl_slot *slot);
void hgl_flush_mark_header(struct hgl_state_node *node);

/* state_code.c: the forms of keys and values in rows */
enum { HGL_ROW_KEY_SIZE_MAX = 8 + 1 + HGL_STATE_KEY_SIZE_MAX };
struct hgl_bytes hgl_row_key(uint8_t out[HGL_ROW_KEY_SIZE_MAX], uint64_t table,
                             const struct hgl_state_key *key); /* key NULL: the header */
int hgl_row_key_parse(struct hgl_bytes row_key, struct hgl_state_key *out, struct hgl_err *err);
void hgl_row_encode(const struct hgl_content *content, struct hgl_buf *out);
/* `depth`: of the table that the value stands in. */
int hgl_row_decode(struct hgl_state *state, struct hgl_bytes value, int depth,
                   struct hgl_content *out, struct hgl_err *err);
/* Whether a row's value refers to a table with rows of its own, and to which. */
int hgl_row_reference(struct hgl_bytes value, uint64_t *table, bool *found, struct hgl_err *err);
/* A table's header: size, length, height, whether it is a list; the root's: the next table number.
 */
void hgl_state_header_encode(const struct hgl_state_node *node, struct hgl_buf *out);
int hgl_state_header_decode(struct hgl_bytes value, struct hgl_state_node *node,
                            struct hgl_err *err);

#endif
