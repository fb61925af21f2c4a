/* Lua to CBOR. Nothing here raises, so that the buffers are freed on every way out: only calls that
 * neither allocate in Lua nor run metamethods are made. */
#include <math.h>
#include <stdlib.h>

#include "lua/bind.h"
#include "lua/walk.h"
#include "protocol/cbor.h"
#include "protocol/limits.h"

struct encoder {
  struct hgl_walk walk;
  struct hgl_buf *out;
  struct hgl_buf pairs;   /* a stack of struct pair, one run for each map around */
  struct hgl_buf scratch; /* a map while its pairs are put in order */
  size_t items;
};

/* Where a map's key and value stand in `out`. */
struct pair {
  size_t key, value, end;
};

static int encode(struct encoder *e, int index);
static int encode_node(struct encoder *e, struct hgl_state_node *node);

static int count_item(struct encoder *e)
{
  if (++e->items > HGL_VALUE_ITEMS_MAX)
    return hgl_walk_fail(&e->walk, HGL_TOO_LARGE, "too many values in one body");
  int status = hgl_buf_check(e->out, e->walk.err);
  if (status) hgl_walk_fail_in(&e->walk);
  return status;
}

static int put_text(struct encoder *e, struct hgl_bytes text, const char *what)
{
  if (!hgl_utf8_valid(text)) return hgl_walk_fail(&e->walk, HGL_BAD_VALUE, what);
  hgl_cbor_put_text(e->out, text);
  return 0;
}

static int put_double(struct encoder *e, double number)
{
  if (!isfinite(number))
    return hgl_walk_fail(&e->walk, HGL_BAD_VALUE, "a number that is not finite");
  hgl_cbor_put_double(e->out, number);
  return 0;
}

static const char bad_text[] = "text that is not UTF-8; use haggle.bytes";
static const char bad_key[] = "a key that is not UTF-8";
static const char mixed_keys[] = "integer and text keys in one table";
static const char holes[] = "a list with holes: its keys are not 1 to its length";

/* Order of maps ----------------------------------------------------------------------------- */

static int compare_pairs(const void *a, const void *b, void *data)
{
  const struct pair *x = a, *y = b;
  const uint8_t *bytes = data;
  return hgl_bytes_compare(hgl_bytes(bytes + x->key, x->value - x->key),
                           hgl_bytes(bytes + y->key, y->value - y->key));
}

/* Puts the last `count` pairs, which end `out`, in the order of their encoded keys. */
static int order_pairs(struct encoder *e, size_t count)
{
  struct hgl_buf *out = e->out;
  if (out->failed || count == 0) return hgl_buf_check(out, e->walk.err);
  size_t bottom = e->pairs.size - count * sizeof(struct pair);
  struct pair *pairs = (struct pair *)(void *)(e->pairs.data + bottom);
  size_t start = pairs[0].key;
  bool ordered = true;
  for (size_t i = 1; ordered && i < count; i++)
    ordered = compare_pairs(&pairs[i - 1], &pairs[i], out->data) < 0;
  if (!ordered) {
    qsort_r(pairs, count, sizeof *pairs, compare_pairs, out->data);
    hgl_buf_clear(&e->scratch);
    for (size_t i = 0; i < count; i++)
      hgl_buf_append(&e->scratch, out->data + pairs[i].key, pairs[i].end - pairs[i].key);
    int status = hgl_buf_check(&e->scratch, e->walk.err);
    if (status) return status;
    memcpy(out->data + start, e->scratch.data, e->scratch.size);
  }
  e->pairs.size = bottom;
  return 0;
}

static int add_pair(struct encoder *e, size_t key, size_t value)
{
  struct pair pair = {key, value, e->out->size};
  hgl_buf_append(&e->pairs, &pair, sizeof pair);
  return hgl_buf_check(&e->pairs, e->walk.err);
}

/* Lua tables -------------------------------------------------------------------------------- */

struct shape {
  size_t count, texts;
  lua_Integer least, most; /* integer keys */
};

static void note_key(struct shape *shape, bool is_int, lua_Integer integer)
{
  shape->count++;
  if (!is_int) shape->texts++;
  if (is_int && integer < shape->least) shape->least = integer;
  if (is_int && integer > shape->most) shape->most = integer;
}

static const struct shape no_shape = {.least = LUA_MAXINTEGER, .most = LUA_MININTEGER};

/* A list, a map, or neither. */
static int judge(struct encoder *e, const struct shape *shape, bool is_array, bool *list)
{
  if (shape->texts == shape->count && !(is_array && shape->count)) {
    *list = is_array;
    return 0;
  }
  if (shape->texts) return hgl_walk_fail(&e->walk, HGL_BAD_VALUE, mixed_keys);
  if (shape->least != 1 || shape->most != (lua_Integer)shape->count)
    return hgl_walk_fail(&e->walk, HGL_BAD_VALUE, holes);
  *list = true;
  return 0;
}

static int shape_of(struct encoder *e, int table, struct shape *out)
{
  lua_State *L = e->walk.L;
  *out = no_shape;
  lua_pushnil(L);
  while (lua_next(L, table)) {
    lua_pop(L, 1);
    bool is_int = lua_isinteger(L, -1);
    if (!is_int && lua_type(L, -1) != LUA_TSTRING)
      return hgl_walk_fail(&e->walk, HGL_BAD_VALUE, "a key that is neither text nor an integer");
    note_key(out, is_int, is_int ? lua_tointeger(L, -1) : 0);
  }
  return 0;
}

static int encode_list(struct encoder *e, int table, size_t count)
{
  lua_State *L = e->walk.L;
  int status = 0;
  hgl_cbor_put_list(e->out, count);
  for (lua_Integer i = 1; status == 0 && i <= (lua_Integer)count; i++) {
    e->walk.steps[e->walk.depth - 1] = (struct hgl_walk_step){.is_int = true, .integer = i};
    lua_rawgeti(L, table, i);
    status = encode(e, lua_gettop(L));
    lua_pop(L, 1);
  }
  return status;
}

static int encode_map(struct encoder *e, int table, size_t count)
{
  lua_State *L = e->walk.L;
  int status = 0;
  hgl_cbor_put_map(e->out, count);
  lua_pushnil(L);
  while (status == 0 && lua_next(L, table)) {
    size_t key = e->out->size;
    status = hgl_walk_step_to(&e->walk, -2);
    if (status == 0) status = put_text(e, e->walk.steps[e->walk.depth - 1].text, bad_key);
    size_t value = e->out->size;
    if (status == 0) status = encode(e, lua_gettop(L));
    if (status == 0) status = add_pair(e, key, value);
    lua_pop(L, 1);
  }
  return status ? status : order_pairs(e, count);
}

/* 0: it is no number that can be sent. */
static size_t write_number(lua_State *L, int index, uint8_t out[HGL_CBOR_NUMBER_SIZE_MAX])
{
  if (lua_isinteger(L, index)) return hgl_cbor_int(lua_tointeger(L, index), out);
  lua_Number number = lua_type(L, index) == LUA_TNUMBER ? lua_tonumber(L, index) : HUGE_VAL;
  return isfinite(number) ? hgl_cbor_double(number, out) : 0;
}

/* A list of numbers and of nothing else, which is most of what models are asked: each is looked at
 * once, as Lua tells the keys of most lists in their order. False: it is none, or something is
 * wrong with it, which is for the others to say; nothing has been written then. */
static bool encode_numbers(struct encoder *e, int table)
{
  lua_State *L = e->walk.L;
  size_t count = lua_rawlen(L, table), seen = 0, start = e->out->size;
  enum hgl_code failed = e->out->failed;
  if (count == 0 || count > HGL_VALUE_ITEMS_MAX - e->items) return false;
  hgl_cbor_put_list(e->out, count);
  uint8_t *first = hgl_buf_reserve(e->out, count * HGL_CBOR_NUMBER_SIZE_MAX), *at = first;
  bool numbers = first != NULL;
  if (numbers) lua_pushnil(L);
  while (numbers && lua_next(L, table)) {
    size_t size = ++seen <= count && lua_isinteger(L, -2) &&
                          lua_tointeger(L, -2) == (lua_Integer)seen
                      ? write_number(L, -1, at)
                      : 0;
    at += size;
    numbers = size > 0;
    lua_pop(L, 1);
  }
  if (numbers && seen == count) {
    hgl_buf_extend(e->out, (size_t)(at - first));
    e->items += count;
    return true;
  }
  lua_settop(L, table);
  e->out->size = start;
  e->out->failed = failed;
  return false;
}

static int encode_table(struct encoder *e, int index)
{
  lua_State *L = e->walk.L;
  struct shape shape;
  bool list = false;
  int status = hgl_walk_enter(&e->walk, lua_topointer(L, index));
  if (status) return status;
  int top = lua_gettop(L);
  hgl_table_push_content(L, index);
  if (!encode_numbers(e, top + 1)) {
    status = shape_of(e, top + 1, &shape);
    if (status == 0) status = judge(e, &shape, hgl_lua_is_array(L, top + 1), &list);
    if (status == 0)
      status = list ? encode_list(e, top + 1, shape.count) : encode_map(e, top + 1, shape.count);
  }
  lua_settop(L, top);
  hgl_walk_leave(&e->walk);
  return status;
}

/* Views ------------------------------------------------------------------------------------- */

static int encode_state_value(struct encoder *e, const struct hgl_state_value *value)
{
  int status = value->kind == HGL_STATE_TABLE ? 0 : count_item(e);
  if (status) return status;
  switch (value->kind) {
  case HGL_STATE_NIL:
  case HGL_STATE_NULL:
    hgl_cbor_put_null(e->out);
    return 0;
  case HGL_STATE_BOOL:
    hgl_cbor_put_bool(e->out, value->boolean);
    return 0;
  case HGL_STATE_INT:
    hgl_cbor_put_int(e->out, value->integer);
    return 0;
  case HGL_STATE_DOUBLE:
    return put_double(e, value->number);
  case HGL_STATE_TEXT:
    return put_text(e, value->bytes, bad_text);
  case HGL_STATE_BYTES:
    hgl_cbor_put_bytes(e->out, value->bytes);
    return 0;
  case HGL_STATE_TABLE:
    return encode_node(e, value->node);
  }
  return 0;
}

static int encode_entries(struct encoder *e, struct hgl_state_node *node, bool list)
{
  struct hgl_state_key key;
  struct hgl_state_value value;
  bool more = false;
  int status = hgl_state_next(node, NULL, &key, &value, &more, e->walk.err);
  while (status == 0 && more) {
    size_t start = e->out->size;
    e->walk.steps[e->walk.depth - 1] = (struct hgl_walk_step){key.is_int, key.integer, key.text};
    if (!list) status = put_text(e, key.text, bad_key);
    size_t middle = e->out->size;
    if (status == 0) status = encode_state_value(e, &value);
    if (status == 0 && !list) status = add_pair(e, start, middle);
    if (status == 0) status = hgl_state_next(node, &key, &key, &value, &more, e->walk.err);
  }
  return status;
}

static int node_shape(struct encoder *e, struct hgl_state_node *node, struct shape *out)
{
  struct hgl_state_key key;
  struct hgl_state_value value;
  bool more = false;
  *out = no_shape;
  int status = hgl_state_next(node, NULL, &key, &value, &more, e->walk.err);
  while (status == 0 && more) {
    note_key(out, key.is_int, key.integer);
    status = hgl_state_next(node, &key, &key, &value, &more, e->walk.err);
  }
  if (status) hgl_walk_fail_in(&e->walk);
  return status;
}

static int encode_node(struct encoder *e, struct hgl_state_node *node)
{
  struct shape shape;
  bool list = false;
  int status = count_item(e);
  if (status == 0) status = hgl_walk_enter(&e->walk, node);
  if (status) return status;
  status = node_shape(e, node, &shape);
  if (status == 0) status = judge(e, &shape, hgl_state_is_list(node), &list);
  if (status == 0 && list) hgl_cbor_put_list(e->out, shape.count);
  if (status == 0 && !list) hgl_cbor_put_map(e->out, shape.count);
  if (status == 0) status = encode_entries(e, node, list);
  if (status == 0 && !list) status = order_pairs(e, shape.count);
  hgl_walk_leave(&e->walk);
  return status;
}

/* Values ------------------------------------------------------------------------------------ */

static int encode_userdata(struct encoder *e, int index)
{
  lua_State *L = e->walk.L;
  struct hgl_bytes bytes = hgl_lua_to_bytes(L, index);
  struct hgl_state_node *node;
  if (bytes.data)
    hgl_cbor_put_bytes(e->out, bytes);
  else if (hgl_lua_is_null(L, index))
    hgl_cbor_put_null(e->out);
  else if ((node = hgl_bind_state_node(L, index)))
    return encode_node(e, node);
  else
    return hgl_walk_fail_kind(&e->walk, index);
  return count_item(e);
}

static int encode(struct encoder *e, int index)
{
  lua_State *L = e->walk.L;
  size_t size;
  const char *text;
  int type = lua_type(L, index);
  int status = type == LUA_TUSERDATA ? 0 : count_item(e);
  if (status) return status;
  switch (type) {
  case LUA_TSTRING:
    text = lua_tolstring(L, index, &size);
    return put_text(e, hgl_bytes(text, size), bad_text);
  case LUA_TNUMBER:
    if (!lua_isinteger(L, index)) return put_double(e, lua_tonumber(L, index));
    hgl_cbor_put_int(e->out, lua_tointeger(L, index));
    return 0;
  case LUA_TBOOLEAN:
    hgl_cbor_put_bool(e->out, lua_toboolean(L, index));
    return 0;
  case LUA_TTABLE:
    return encode_table(e, index);
  case LUA_TUSERDATA:
    return encode_userdata(e, index);
  default:
    return hgl_walk_fail_kind(&e->walk, index);
  }
}

int hgl_lua_encode(lua_State *L, int index, const char *what, struct hgl_buf *out,
                   struct hgl_err *err)
{
  struct hgl_err unused;
  struct encoder e = {.out = out};
  e.walk.L = L;
  e.walk.what = what;
  e.walk.verb = "sent";
  e.walk.err = err ? err : &unused;
  if (!lua_checkstack(L, 8)) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  hgl_buf_init(&e.pairs, HGL_VALUE_ITEMS_MAX * sizeof(struct pair));
  hgl_buf_init(&e.scratch, out->size_max);
  int status = encode(&e, lua_absindex(L, index));
  if (status == 0) status = hgl_buf_check(out, err);
  hgl_buf_deinit(&e.scratch);
  hgl_buf_deinit(&e.pairs);
  return status;
}
