/* The journal of a run: what its handler was told from outside (values of `state`, the clock, the
 * results of calls, the errors of all of these) and a hash of what it asked for, call by call. With
 * it a handler can be run again from its start, by itself, up to the place where it waits.
 *
 * An event is: operation (1), hash of the arguments (4), then what came of it: a tag and what
 * belongs to it. Tables of `state` stand in it by the name that the run has given them
 * (run_views.c): 0 and 1 are the roots of state and cache, the others count in the order in which
 * the run first saw them. A hash does not depend on the order of keys in tables.
 *
 * Every binding that is told anything by the outside goes through here, in this form:
 *
 *   uint32_t hash = hgl_journal_hash(L, 1, 3);
 *   if (hgl_journal_replaying(vm)) return hgl_journal_replay(L, OP, hash);
 *   … do it, and note with hgl_journal_note_… what is returned.
 *
 * Only a stretch that ends in a suspension needs what was noted; the buffer belongs to the VM and
 * is used again by the next stretch. */
#ifndef HGL_LUA_JOURNAL_H
#define HGL_LUA_JOURNAL_H

#include <lua.h>

#include "base/buf.h"
#include "lua/state.h"

struct hgl_vm;

enum hgl_journal_op {
  HGL_JOURNAL_READ = 'r',
  HGL_JOURNAL_NEXT = 'n',
  HGL_JOURNAL_LENGTH = 'l',
  HGL_JOURNAL_WRITE = 'w',
  HGL_JOURNAL_REORDER = 'o',
  HGL_JOURNAL_ENCODE = 'e', /* only when it failed */
  HGL_JOURNAL_NOW = 't',
  HGL_JOURNAL_SEND = 's',
  HGL_JOURNAL_TIMER = 'a',
  HGL_JOURNAL_CANCEL = 'c',
  HGL_JOURNAL_CALL = 'x',
  HGL_JOURNAL_LOCK = 'k',
  HGL_JOURNAL_UNLOCK = 'u',
  HGL_JOURNAL_CONTINUE = 'g',
  HGL_JOURNAL_ANSWER = 'h',
  HGL_JOURNAL_WAIT = 'z', /* ends a stretch, unless it failed */
};

enum hgl_journal_mode {
  HGL_JOURNAL_OFF, /* no handler runs, or one of a script that does not wait */
  HGL_JOURNAL_RECORD,
  HGL_JOURNAL_REPLAY,
};

struct hgl_journal {
  enum hgl_journal_mode mode;
  struct hgl_buf events; /* RECORD: of this stretch */
  bool full;             /* … and more than is kept */
  struct hgl_bytes past; /* REPLAY */
  size_t at, calls;
  char difference[256]; /* how the handler diverged */
};

struct hgl_journal_event {
  uint8_t op, tag;
  uint32_t hash;
  struct hgl_state_value value; /* scalars; TABLE: `table` names it */
  uint32_t table;
  struct hgl_state_key key;    /* of NEXT; `more` is false at the end */
  struct hgl_bytes text, code; /* of failures and results */
  bool more;
};

bool hgl_journal_replaying(const struct hgl_vm *vm);
/* Whether hashes are of any use now. */
bool hgl_journal_on(const struct hgl_vm *vm);
/* Whether a script's text names any call that suspends: the handlers of others need no journal. One
 * that comes by such a call in another way is tried again, with a journal (hgl_run_suspend). */
bool hgl_journal_source_waits(struct hgl_bytes source);

/* ---- hashes ---- */

uint64_t hgl_journal_mix(uint64_t hash, uint64_t value);
uint64_t hgl_journal_hash_bytes(uint64_t hash, struct hgl_bytes bytes);
uint64_t hgl_journal_hash_key(struct hgl_state_node *node, const struct hgl_state_key *key);
/* Of the value at `index`, by content; views by their name. Does not raise. */
uint64_t hgl_journal_hash_value(lua_State *L, int index);
/* Of the arguments first … last. */
uint32_t hgl_journal_hash(lua_State *L, int first, int last);
static inline uint32_t hgl_journal_fold(uint64_t hash)
{
  return (uint32_t)(hash ^ hash >> 32);
}

/* ---- noting; nothing here raises ---- */

void hgl_journal_note_value(struct hgl_vm *vm, enum hgl_journal_op op, uint32_t hash,
                            const struct hgl_state_value *value);
void hgl_journal_note_next(struct hgl_vm *vm, uint32_t hash, const struct hgl_state_key *key,
                           const struct hgl_state_value *value); /* NULL, NULL: the end */
void hgl_journal_note_int(struct hgl_vm *vm, enum hgl_journal_op op, uint32_t hash, int64_t value);
void hgl_journal_note_bool(struct hgl_vm *vm, enum hgl_journal_op op, uint32_t hash, bool value);
void hgl_journal_note_text(struct hgl_vm *vm, enum hgl_journal_op op, uint32_t hash,
                           struct hgl_bytes text);
/* An encoded value. */
void hgl_journal_note_encoded(struct hgl_vm *vm, enum hgl_journal_op op, uint32_t hash,
                              struct hgl_bytes value);
void hgl_journal_note_raise(struct hgl_vm *vm, enum hgl_journal_op op, uint32_t hash,
                            const char *message);
/* nil, why, code */
void hgl_journal_note_failure(struct hgl_vm *vm, enum hgl_journal_op op, uint32_t hash,
                              const char *why, const char *code);

/* ---- telling again ---- */

/* The next event, which must be this one, else the run has diverged. Raises what was raised. */
void hgl_journal_expect(lua_State *L, enum hgl_journal_op op, uint32_t hash,
                        struct hgl_journal_event *out);
/* The same, and pushes what was returned; its number. */
int hgl_journal_replay(lua_State *L, enum hgl_journal_op op, uint32_t hash);
/* Whether the next event is of this kind. */
bool hgl_journal_next_is(const struct hgl_vm *vm, enum hgl_journal_op op);
/* Ends the stretch: it did something else than the journal says. */
_Noreturn void hgl_journal_diverge(lua_State *L, const char *format, ...) HGL_PRINTF(2, 3);
/* "a write to state": for people. */
const char *hgl_journal_op_name(int op);

#endif
