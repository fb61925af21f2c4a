#include "lua/journal.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>

#include "lua/run_views.h"
#include "lua/vm_core.h"
#include "lua/walk.h"

enum { HEAD_SIZE = 6, DEPTH_MAX = 32, STEPS_MAX = 1 << 20 };

/* What came of a call. */
enum {
  TAG_NIL = 'n',
  TAG_NULL = 'u',
  TAG_FALSE = 'f',
  TAG_TRUE = 't',
  TAG_INT = 'i',
  TAG_DOUBLE = 'd',
  TAG_TEXT = 's',
  TAG_BYTES = 'b',
  TAG_TABLE = 'v',
  TAG_ENCODED = 'c',
  TAG_RAISE = 'e',
  TAG_FAILURE = 'x',
  TAG_END = 'z',     /* of a traversal */
  TAG_INT_KEY = 'k', /* of NEXT: the key, then the value's tag */
  TAG_TEXT_KEY = 'q',
};

bool hgl_journal_on(const struct hgl_vm *vm)
{
  return vm->journal.mode == HGL_JOURNAL_REPLAY ||
         (vm->journal.mode == HGL_JOURNAL_RECORD && !vm->journal.full);
}

bool hgl_journal_source_waits(struct hgl_bytes source)
{
  static const char *const words[] = {"ask",  "ask_all", "sleep", "exclusive",
                                      "call", "write",   "infer"};
  const uint8_t *end = source.data + source.size;
  for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
    size_t size = strlen(words[i]);
    for (const uint8_t *at = source.data; at && at < end;) {
      at = memmem(at, (size_t)(end - at), words[i], size);
      if (!at) break;
      bool begins = at == source.data || (!isalnum(at[-1]) && at[-1] != '_');
      if (begins && (at + size == end || (!isalnum(at[size]) && at[size] != '_'))) return true;
      at++;
    }
  }
  return false;
}

bool hgl_journal_replaying(const struct hgl_vm *vm)
{
  return vm->journal.mode == HGL_JOURNAL_REPLAY;
}

const char *hgl_journal_op_name(int op)
{
  switch (op) {
  case HGL_JOURNAL_READ:
    return "a read of state";
  case HGL_JOURNAL_NEXT:
    return "a step through a table of state";
  case HGL_JOURNAL_LENGTH:
    return "a length of state";
  case HGL_JOURNAL_WRITE:
    return "a write to state";
  case HGL_JOURNAL_REORDER:
    return "a new order of a list of state";
  case HGL_JOURNAL_ENCODE:
    return "a value that cannot be sent";
  case HGL_JOURNAL_NOW:
    return "a look at the clock";
  case HGL_JOURNAL_SEND:
    return "a message";
  case HGL_JOURNAL_TIMER:
    return "a timer";
  case HGL_JOURNAL_CANCEL:
    return "the end of a timer";
  case HGL_JOURNAL_CALL:
    return "a call of the host";
  case HGL_JOURNAL_LOCK:
  case HGL_JOURNAL_UNLOCK:
    return "agent.exclusive";
  case HGL_JOURNAL_ANSWER:
    return "an answer to an HTTP request";
  case HGL_JOURNAL_CONTINUE:
    return "agent.continue";
  case HGL_JOURNAL_WAIT:
    return "a suspension";
  default:
    return "something unknown";
  }
}

/* Hashes ------------------------------------------------------------------------------------- */

/* One round of multiplying and folding, as in SplitMix64. */
uint64_t hgl_journal_mix(uint64_t hash, uint64_t value)
{
  uint64_t z = (hash ^ value) * UINT64_C(0xbf58476d1ce4e5b9);
  return z ^ z >> 29;
}

/* Four lanes, because a multiplication takes its time. */
uint64_t hgl_journal_hash_bytes(uint64_t hash, struct hgl_bytes bytes)
{
  const uint64_t factor = UINT64_C(0xbf58476d1ce4e5b9);
  uint64_t word = 0, words[4], lanes[4] = {hash, 1, 2, 3};
  const uint8_t *at = bytes.data;
  size_t left = bytes.size;
  for (; left >= sizeof words; left -= sizeof words, at += sizeof words) {
    memcpy(words, at, sizeof words);
    for (int i = 0; i < 4; i++) lanes[i] = (lanes[i] ^ words[i]) * factor;
    lanes[0] ^= lanes[3] >> 31;
    lanes[2] ^= lanes[1] >> 31;
  }
  if (bytes.size >= sizeof words)
    hash = hgl_journal_mix(hgl_journal_mix(lanes[0], lanes[1]), lanes[2] ^ lanes[3] >> 7);
  for (; left >= 8; left -= 8, at += 8) {
    memcpy(&word, at, 8);
    hash = hgl_journal_mix(hash, word);
  }
  word = 0;
  if (left) memcpy(&word, at, left);
  return hgl_journal_mix(hash, word ^ (uint64_t)bytes.size << 56);
}

uint64_t hgl_journal_hash_key(struct hgl_state_node *node, const struct hgl_state_key *key)
{
  uint64_t hash = hgl_state_mark(node)->name;
  return key->is_int ? hgl_journal_mix(hash, (uint64_t)key->integer)
                     : hgl_journal_hash_bytes(hash + 1, key->text);
}

struct walk {
  lua_State *L;
  int steps, depth;
  const void *around[DEPTH_MAX];
};

static uint64_t hash_value(struct walk *walk, int index);

static inline uint64_t hash_number(struct walk *walk, int index)
{
  lua_State *L = walk->L;
  walk->steps++;
  if (lua_isinteger(L, index)) return hgl_journal_mix(10, (uint64_t)lua_tointeger(L, index));
  uint64_t bits;
  lua_Number number = lua_tonumber(L, index);
  memcpy(&bits, &number, sizeof bits);
  return hgl_journal_mix(11, bits);
}

/* A sum, so that the order in which Lua finds the keys does not matter. */
static uint64_t hash_table(struct walk *walk, int index)
{
  lua_State *L = walk->L;
  const void *address = lua_topointer(L, index);
  uint64_t sum = 3;
  for (int i = 0; i < walk->depth; i++)
    if (walk->around[i] == address) return sum;
  if (walk->depth == DEPTH_MAX || !lua_checkstack(L, 8)) return sum;
  walk->around[walk->depth++] = address;
  int top = lua_gettop(L);
  hgl_table_push_content(L, index);
  int table = top + 1, key = top + 2, value = top + 3;
  for (lua_pushnil(L); walk->steps < STEPS_MAX && lua_next(L, table); lua_settop(L, key)) {
    bool number = lua_type(L, value) == LUA_TNUMBER;
    uint64_t of_key = lua_isinteger(L, key) ? hash_number(walk, key) : hash_value(walk, key);
    sum += hgl_journal_mix(of_key, number ? hash_number(walk, value) : hash_value(walk, value));
  }
  lua_settop(L, top);
  walk->depth--;
  return sum;
}

static uint64_t hash_userdata(lua_State *L, int index)
{
  struct hgl_bytes bytes = hgl_lua_to_bytes(L, index);
  struct hgl_state_node *node = hgl_bind_state_node(L, index);
  if (bytes.data) return hgl_journal_hash_bytes(4, bytes);
  if (node) return hgl_journal_mix(5, hgl_state_mark(node)->name);
  return hgl_lua_is_null(L, index) ? 6 : 7;
}

static uint64_t hash_value(struct walk *walk, int index)
{
  lua_State *L = walk->L;
  size_t size;
  const char *text;
  int type = lua_type(L, index);
  if (type == LUA_TNUMBER) return hash_number(walk, index);
  walk->steps++;
  switch (type) {
  case LUA_TBOOLEAN:
    return UINT64_C(8) + (lua_toboolean(L, index) ? 1 : 0);
  case LUA_TSTRING:
    text = lua_tolstring(L, index, &size);
    return hgl_journal_hash_bytes(12, hgl_bytes(text, size));
  case LUA_TTABLE:
    return hash_table(walk, index);
  case LUA_TUSERDATA:
    return hash_userdata(L, index);
  default:
    return UINT64_C(16) + (uint64_t)type;
  }
}

uint64_t hgl_journal_hash_value(lua_State *L, int index)
{
  struct walk walk = {.L = L};
  return hash_value(&walk, lua_absindex(L, index));
}

uint32_t hgl_journal_hash(lua_State *L, int first, int last)
{
  struct walk walk = {.L = L};
  uint64_t hash = 0;
  if (!hgl_journal_on(hgl_vm_of(L))) return 0;
  for (int i = first; i <= last; i++) hash = hgl_journal_mix(hash, hash_value(&walk, i));
  return hgl_journal_fold(hash);
}

/* Noting ------------------------------------------------------------------------------------- */

/* Room for an event of `size` bytes behind its head, whose tag is written last; NULL: not noted. */
static uint8_t *begin(struct hgl_vm *vm, enum hgl_journal_op op, uint32_t hash, int tag,
                      size_t size)
{
  struct hgl_journal *journal = &vm->journal;
  if (journal->mode != HGL_JOURNAL_RECORD || journal->full) return NULL;
  struct hgl_buf *events = &journal->events;
  uint8_t *at = events->capacity - events->size >= HEAD_SIZE + size && !events->failed
                    ? events->data + events->size
                    : hgl_buf_reserve(events, HEAD_SIZE + size);
  if (!at) {
    journal->full = true;
    return NULL;
  }
  events->size += HEAD_SIZE + size;
  at[0] = (uint8_t)op;
  memcpy(at + 1, &hash, sizeof hash);
  at[5] = (uint8_t)tag;
  return at + HEAD_SIZE;
}

static void put_text(uint8_t *at, struct hgl_bytes text)
{
  uint32_t size = (uint32_t)text.size;
  memcpy(at, &size, sizeof size);
  if (size) memcpy(at + sizeof size, text.data, size);
}

static void note_text(struct hgl_vm *vm, enum hgl_journal_op op, uint32_t hash, int tag,
                      struct hgl_bytes text)
{
  uint8_t *at = begin(vm, op, hash, tag, 4 + text.size);
  if (at) put_text(at, text);
}

static int tag_of(const struct hgl_state_value *value)
{
  switch (value->kind) {
  case HGL_STATE_NIL:
    return TAG_NIL;
  case HGL_STATE_NULL:
    return TAG_NULL;
  case HGL_STATE_BOOL:
    return value->boolean ? TAG_TRUE : TAG_FALSE;
  case HGL_STATE_INT:
    return TAG_INT;
  case HGL_STATE_DOUBLE:
    return TAG_DOUBLE;
  case HGL_STATE_TEXT:
    return TAG_TEXT;
  case HGL_STATE_BYTES:
    return TAG_BYTES;
  case HGL_STATE_TABLE:
    return TAG_TABLE;
  }
  abort();
}

static size_t size_of(const struct hgl_state_value *value)
{
  switch (value->kind) {
  case HGL_STATE_INT:
  case HGL_STATE_DOUBLE:
    return 8;
  case HGL_STATE_TEXT:
  case HGL_STATE_BYTES:
    return 4 + value->bytes.size;
  case HGL_STATE_TABLE:
    return 4;
  default:
    return 0;
  }
}

static void put_value(struct hgl_vm *vm, uint8_t *at, const struct hgl_state_value *value)
{
  uint32_t name;
  switch (value->kind) {
  case HGL_STATE_INT:
    memcpy(at, &value->integer, 8);
    break;
  case HGL_STATE_DOUBLE:
    memcpy(at, &value->number, 8);
    break;
  case HGL_STATE_TEXT:
  case HGL_STATE_BYTES:
    put_text(at, value->bytes);
    break;
  case HGL_STATE_TABLE:
    name = hgl_run_views_name(vm, value->node);
    memcpy(at, &name, sizeof name);
    break;
  default:
    break;
  }
}

void hgl_journal_note_value(struct hgl_vm *vm, enum hgl_journal_op op, uint32_t hash,
                            const struct hgl_state_value *value)
{
  uint8_t *at = begin(vm, op, hash, tag_of(value), size_of(value));
  if (at) put_value(vm, at, value);
}

void hgl_journal_note_next(struct hgl_vm *vm, uint32_t hash, const struct hgl_state_key *key,
                           const struct hgl_state_value *value)
{
  if (!key) {
    begin(vm, HGL_JOURNAL_NEXT, hash, TAG_END, 0);
    return;
  }
  size_t key_size = key->is_int ? 8 : 4 + key->text.size;
  uint8_t *at = begin(vm, HGL_JOURNAL_NEXT, hash, key->is_int ? TAG_INT_KEY : TAG_TEXT_KEY,
                      key_size + 1 + size_of(value));
  if (!at) return;
  if (key->is_int)
    memcpy(at, &key->integer, 8);
  else
    put_text(at, key->text);
  at[key_size] = (uint8_t)tag_of(value);
  put_value(vm, at + key_size + 1, value);
}

void hgl_journal_note_int(struct hgl_vm *vm, enum hgl_journal_op op, uint32_t hash, int64_t value)
{
  uint8_t *at = begin(vm, op, hash, TAG_INT, 8);
  if (at) memcpy(at, &value, 8);
}

void hgl_journal_note_bool(struct hgl_vm *vm, enum hgl_journal_op op, uint32_t hash, bool value)
{
  begin(vm, op, hash, value ? TAG_TRUE : TAG_FALSE, 0);
}

void hgl_journal_note_text(struct hgl_vm *vm, enum hgl_journal_op op, uint32_t hash,
                           struct hgl_bytes text)
{
  note_text(vm, op, hash, TAG_TEXT, text);
}

void hgl_journal_note_encoded(struct hgl_vm *vm, enum hgl_journal_op op, uint32_t hash,
                              struct hgl_bytes value)
{
  note_text(vm, op, hash, TAG_ENCODED, value);
}

void hgl_journal_note_raise(struct hgl_vm *vm, enum hgl_journal_op op, uint32_t hash,
                            const char *message)
{
  note_text(vm, op, hash, TAG_RAISE, hgl_text(message));
}

void hgl_journal_note_failure(struct hgl_vm *vm, enum hgl_journal_op op, uint32_t hash,
                              const char *why, const char *code)
{
  struct hgl_bytes first = hgl_text(why), second = hgl_text(code);
  uint8_t *at = begin(vm, op, hash, TAG_FAILURE, 8 + first.size + second.size);
  if (!at) return;
  put_text(at, first);
  put_text(at + 4 + first.size, second);
}

/* Telling again ------------------------------------------------------------------------------ */

void hgl_journal_diverge(lua_State *L, const char *format, ...)
{
  struct hgl_vm *vm = hgl_vm_of(L);
  va_list args;
  va_start(args, format);
  if (!vm->doomed) vsnprintf(vm->journal.difference, sizeof vm->journal.difference, format, args);
  va_end(args);
  if (!vm->doomed) vm->doomed = HGL_DIVERGED;
  lua_pushliteral(L, "the handler diverged from its journal");
  hgl_stretch_caught(L, LUA_ERRRUN);
  abort(); /* the stretch is doomed: that raised */
}

struct cursor {
  const uint8_t *at, *end;
  bool failed;
};

static void take(struct cursor *in, void *out, size_t size)
{
  memset(out, 0, size);
  if (in->failed || (size_t)(in->end - in->at) < size) {
    in->failed = true;
    return;
  }
  memcpy(out, in->at, size);
  in->at += size;
}

static struct hgl_bytes take_text(struct cursor *in)
{
  uint32_t size;
  take(in, &size, sizeof size);
  if (in->failed || (size_t)(in->end - in->at) < size) {
    in->failed = true;
    return hgl_bytes(NULL, 0);
  }
  in->at += size;
  return hgl_bytes(in->at - size, size);
}

static void take_value(struct cursor *in, int tag, struct hgl_journal_event *out)
{
  struct hgl_state_value *value = &out->value;
  switch (tag) {
  case TAG_NULL:
    value->kind = HGL_STATE_NULL;
    return;
  case TAG_TRUE:
  case TAG_FALSE:
    value->kind = HGL_STATE_BOOL;
    value->boolean = tag == TAG_TRUE;
    return;
  case TAG_INT:
    value->kind = HGL_STATE_INT;
    take(in, &value->integer, 8);
    return;
  case TAG_DOUBLE:
    value->kind = HGL_STATE_DOUBLE;
    take(in, &value->number, 8);
    return;
  case TAG_TEXT:
  case TAG_BYTES:
    value->kind = tag == TAG_TEXT ? HGL_STATE_TEXT : HGL_STATE_BYTES;
    value->bytes = take_text(in);
    return;
  case TAG_TABLE:
    value->kind = HGL_STATE_TABLE;
    take(in, &out->table, sizeof out->table);
    return;
  case TAG_NIL:
    return;
  default:
    in->failed = true;
  }
}

/* False: the events are damaged. */
static bool read_event(struct cursor *in, struct hgl_journal_event *out)
{
  uint8_t tag;
  *out = (struct hgl_journal_event){0};
  take(in, &out->op, 1);
  take(in, &out->hash, sizeof out->hash);
  take(in, &out->tag, 1);
  switch (out->tag) {
  case TAG_ENCODED:
  case TAG_RAISE:
    out->text = take_text(in);
    break;
  case TAG_FAILURE:
    out->text = take_text(in);
    out->code = take_text(in);
    break;
  case TAG_END:
    break;
  case TAG_INT_KEY:
  case TAG_TEXT_KEY:
    out->more = true;
    out->key.is_int = out->tag == TAG_INT_KEY;
    if (out->key.is_int)
      take(in, &out->key.integer, 8);
    else
      out->key.text = take_text(in);
    take(in, &tag, 1);
    take_value(in, tag, out);
    break;
  default:
    take_value(in, out->tag, out);
  }
  return !in->failed;
}

bool hgl_journal_next_is(const struct hgl_vm *vm, enum hgl_journal_op op)
{
  const struct hgl_journal *journal = &vm->journal;
  return journal->at < journal->past.size && journal->past.data[journal->at] == (uint8_t)op;
}

void hgl_journal_expect(lua_State *L, enum hgl_journal_op op, uint32_t hash,
                        struct hgl_journal_event *out)
{
  struct hgl_vm *vm = hgl_vm_of(L);
  struct hgl_journal *journal = &vm->journal;
  size_t call = ++journal->calls;
  const uint8_t *start = journal->past.data;
  struct cursor in = {start ? start + journal->at : NULL, start ? start + journal->past.size : NULL,
                      false};
  if (journal->at >= journal->past.size)
    hgl_journal_diverge(L, "call %zu: the stretch had ended, the handler now makes %s", call,
                        hgl_journal_op_name(op));
  if (!read_event(&in, out)) hgl_journal_diverge(L, "call %zu: the journal is damaged", call);
  if (out->op != op)
    hgl_journal_diverge(L, "call %zu: it was %s, the handler now makes %s", call,
                        hgl_journal_op_name(out->op), hgl_journal_op_name(op));
  if (out->hash != hash)
    hgl_journal_diverge(L, "call %zu: %s, now with other arguments", call, hgl_journal_op_name(op));
  journal->at = (size_t)(in.at - start);
  if (out->tag != TAG_RAISE) return;
  lua_pushlstring(L, (const char *)out->text.data, out->text.size);
  luaL_error(L, "%s", lua_tostring(L, -1));
}

int hgl_journal_replay(lua_State *L, enum hgl_journal_op op, uint32_t hash)
{
  struct hgl_journal_event event;
  hgl_journal_expect(L, op, hash, &event);
  luaL_checkstack(L, 4, NULL);
  switch (event.tag) {
  case TAG_ENCODED:
    hgl_lua_push_value(L, event.text);
    return 1;
  case TAG_FAILURE:
    lua_pushnil(L);
    lua_pushlstring(L, (const char *)event.text.data, event.text.size);
    lua_pushlstring(L, (const char *)event.code.data, event.code.size);
    return 3;
  case TAG_END:
    lua_pushnil(L);
    return 1;
  case TAG_INT_KEY:
  case TAG_TEXT_KEY:
    hgl_view_push_key(L, &event.key);
    break;
  }
  if (event.value.kind == HGL_STATE_TABLE)
    hgl_run_views_push(L, event.table);
  else
    hgl_view_push_value(L, &event.value);
  return event.more ? 2 : 1;
}
