/* pairs, next, ipairs and table.*: ordered, stable, and for views of state as well as for tables;
 * every loop looks at the stretch's limits, because Lua's own functions, given a length or a range
 * that is made up, would run for as long as they like.
 *
 * Order of pairs: numbers ascending, text bytewise, false, true; keys of other kinds come last, in
 * no order that means anything. */
#include <limits.h>
#include <lualib.h>
#include <stdlib.h>

#include "lua/views.h"
#include "lua/vm_core.h"
#include "lua/walk.h"

/* Order of keys ----------------------------------------------------------------------------- */

struct sortable {
  int rank;          /* number, text, boolean, other */
  lua_Integer index; /* where it was found */
  lua_Integer integer;
  lua_Number number; /* rounded, when the key is an integer */
  bool is_int;
  struct hgl_bytes text;
};

static struct sortable sortable_of(lua_State *L, int key)
{
  struct sortable out = {.rank = 3};
  size_t size;
  switch (lua_type(L, key)) {
  case LUA_TNUMBER:
    out.rank = 0;
    out.is_int = lua_isinteger(L, key);
    out.number = lua_tonumber(L, key);
    if (out.is_int) out.integer = lua_tointeger(L, key);
    break;
  case LUA_TSTRING: {
    const char *text = lua_tolstring(L, key, &size);
    out.rank = 1;
    out.text = hgl_bytes(text, size);
    break;
  }
  case LUA_TBOOLEAN:
    out.rank = 2;
    out.integer = lua_toboolean(L, key);
    break;
  }
  return out;
}

static int compare(const void *a, const void *b)
{
  const struct sortable *x = a, *y = b;
  if (x->rank != y->rank) return x->rank - y->rank;
  if (x->rank == 1) return hgl_bytes_compare(x->text, y->text);
  if (x->rank == 0 && !(x->is_int && y->is_int) && x->number != y->number)
    return x->number < y->number ? -1 : 1;
  if (x->rank < 3 && x->integer != y->integer) return x->integer < y->integer ? -1 : 1;
  return x->index < y->index ? -1 : x->index > y->index;
}

/* Keys of other kinds stand in no order that a replay would give again: having gone through two of
 * them, a handler can no longer be suspended. */
static void note_unordered(lua_State *L, lua_Integer others)
{
  struct hgl_vm_run *run = hgl_vm_of(L)->run;
  if (run && others > 1) run->unordered = true;
}

/* Pushes the list of the table's keys in order, or nil when they are just 1 to *count. */
static void push_keys(lua_State *L, int table, lua_Integer *count)
{
  lua_Integer n = 0, length = (lua_Integer)lua_rawlen(L, table);
  bool sequence = true;
  hgl_stretch_look(L);
  for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1), n++)
    if (sequence)
      sequence = lua_isinteger(L, -2) && lua_tointeger(L, -2) >= 1 &&
                 lua_tointeger(L, -2) <= length;
  *count = n;
  if (sequence && n == length) {
    lua_pushnil(L);
    return;
  }
  lua_createtable(L, (int)n, 0);
  struct sortable *keys = lua_newuserdatauv(L, (size_t)n * sizeof *keys, 0);
  lua_createtable(L, (int)n, 0);
  int sorted = lua_gettop(L) - 2, found = lua_gettop(L);
  lua_Integer i = 0, others = 0;
  for (lua_pushnil(L); i < n && lua_next(L, table); lua_pop(L, 1)) {
    keys[i] = sortable_of(L, -2);
    others += keys[i].rank == 3;
    keys[i].index = i + 1;
    i++;
    lua_pushvalue(L, -2);
    lua_rawseti(L, found, i);
  }
  note_unordered(L, others);
  *count = n = i; /* a weak table may have shrunk meanwhile */
  qsort(keys, (size_t)n, sizeof *keys, compare);
  for (i = 0; i < n; i++) {
    lua_rawgeti(L, found, keys[i].index);
    lua_rawseti(L, sorted, i + 1);
  }
  lua_settop(L, sorted);
}

/* pairs ------------------------------------------------------------------------------------- */

struct traversal {
  lua_Integer position, count;
};

/* Upvalues: content, keys or nil, struct traversal. */
static int pairs_step(lua_State *L)
{
  struct traversal *at = lua_touserdata(L, lua_upvalueindex(3));
  bool sequence = lua_isnil(L, lua_upvalueindex(2));
  while (at->position < at->count) {
    at->position++;
    lua_settop(L, 0);
    if (sequence)
      lua_pushinteger(L, at->position);
    else
      lua_rawgeti(L, lua_upvalueindex(2), at->position);
    lua_pushvalue(L, 1);
    if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL) return 2;
  }
  lua_pushnil(L);
  return 1;
}

static int base_pairs(lua_State *L)
{
  luaL_checkany(L, 1);
  if (luaL_getmetafield(L, 1, "__pairs") != LUA_TNIL) {
    lua_pushvalue(L, 1);
    lua_call(L, 1, 3);
    return 3;
  }
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  lua_Integer count = 0;
  hgl_table_push_content(L, 1);
  hgl_lib_complete(L, 2);
  push_keys(L, 2, &count);
  struct traversal *at = lua_newuserdatauv(L, sizeof *at, 0);
  *at = (struct traversal){0, count};
  lua_pushcclosure(L, pairs_step, 3);
  lua_pushvalue(L, 1);
  lua_pushnil(L);
  return 3;
}

/* next -------------------------------------------------------------------------------------- */

/* Of the content at index 3. */
static int first_entry(lua_State *L)
{
  struct sortable least = {.rank = 4};
  lua_Integer i = 0, others = 0;
  hgl_stretch_look(L);
  lua_settop(L, 3);
  lua_pushnil(L); /* 4: the least key */
  for (lua_pushnil(L); lua_next(L, 3); lua_pop(L, 1)) {
    struct sortable key = sortable_of(L, -2);
    key.index = i++;
    others += key.rank == 3;
    if (compare(&key, &least) >= 0) continue;
    least = key;
    lua_pushvalue(L, -2);
    lua_replace(L, 4);
  }
  note_unordered(L, others);
  if (lua_isnil(L, 4)) return 1;
  lua_pushvalue(L, 4);
  lua_rawget(L, 3);
  return 2;
}

/* Where the key at index 2 stands in the keys at index 4; -1: nowhere. */
static lua_Integer position_of(lua_State *L, lua_Integer count)
{
  for (lua_Integer i = 1; i <= count; i++) {
    lua_rawgeti(L, 4, i);
    bool same = lua_rawequal(L, -1, 2);
    lua_pop(L, 1);
    if (same) return i;
  }
  return -1;
}

/* Upvalues: the table and the keys of the traversal that goes on, and the position in it. So a loop
 * with next costs what one with pairs does. */
static int base_next(lua_State *L)
{
  lua_settop(L, 2);
  if (hgl_bind_state_node(L, 1)) return hgl_view_next(L);
  luaL_checktype(L, 1, LUA_TTABLE);
  hgl_table_push_content(L, 1);
  hgl_lib_complete(L, 3);
  if (lua_isnil(L, 2)) {
    lua_pushnil(L);
    lua_replace(L, lua_upvalueindex(1));
    return first_entry(L);
  }
  lua_Integer position = lua_tointeger(L, lua_upvalueindex(3));
  lua_pushvalue(L, lua_upvalueindex(2)); /* 4: keys */
  bool known = lua_rawequal(L, 1, lua_upvalueindex(1));
  if (known) {
    lua_rawgeti(L, 4, position);
    known = lua_rawequal(L, -1, 2);
  }
  lua_settop(L, 4);
  if (!known) {
    lua_Integer count = 0;
    lua_settop(L, 3);
    push_keys(L, 3, &count);
    if (lua_isnil(L, 4)) {
      lua_createtable(L, (int)count, 0);
      lua_replace(L, 4);
      for (lua_Integer i = 1; i <= count; i++) {
        lua_pushinteger(L, i);
        lua_rawseti(L, 4, i);
      }
    }
    position = position_of(L, count);
    if (position < 0) return luaL_error(L, "invalid key to 'next'");
    lua_pushvalue(L, 1);
    lua_replace(L, lua_upvalueindex(1));
    lua_pushvalue(L, 4);
    lua_replace(L, lua_upvalueindex(2));
  }
  for (;;) {
    lua_settop(L, 4);
    if (lua_rawgeti(L, 4, ++position) == LUA_TNIL) break;
    lua_pushvalue(L, 5);
    if (lua_rawget(L, 3) != LUA_TNIL) break;
  }
  lua_pushinteger(L, position);
  lua_replace(L, lua_upvalueindex(3));
  if (!lua_isnil(L, 5)) return 2;
  for (int i = 1; i <= 2; i++) {
    lua_pushnil(L);
    lua_replace(L, lua_upvalueindex(i));
  }
  lua_settop(L, 5);
  return 1;
}

static int ipairs_step(lua_State *L)
{
  lua_Integer i = luaL_intop(+, luaL_checkinteger(L, 2), 1);
  lua_pushinteger(L, i);
  return lua_geti(L, 1, i) == LUA_TNIL ? 1 : 2;
}

static int base_ipairs(lua_State *L)
{
  luaL_argexpected(L, !lua_isnoneornil(L, 1), 1, "table");
  lua_pushcfunction(L, ipairs_step);
  lua_pushvalue(L, 1);
  lua_pushinteger(L, 0);
  return 3;
}

/* table.insert, table.remove ------------------------------------------------------------------- */

/* A table, or what behaves like one. */
static void check_table(lua_State *L, int arg)
{
  if (lua_type(L, arg) == LUA_TTABLE) return;
  if (luaL_getmetafield(L, arg, "__index") == LUA_TNIL) luaL_checktype(L, arg, LUA_TTABLE);
  lua_pop(L, 1);
}

/* The element at place `from` of one table goes to place `to` of another. */
static void copy_element(lua_State *L, int source, lua_Integer from, int target, lua_Integer to)
{
  hgl_stretch_look(L);
  lua_geti(L, source, from);
  lua_seti(L, target, to);
}

static int insert_into_table(lua_State *L)
{
  int value = lua_gettop(L);
  check_table(L, 1);
  lua_Integer end = luaL_intop(+, luaL_len(L, 1), 1), position = end;
  if (value == 3) {
    position = luaL_checkinteger(L, 2);
    luaL_argcheck(L, (lua_Unsigned)position - 1 < (lua_Unsigned)end, 2, "position out of bounds");
  } else if (value != 2) {
    return luaL_error(L, "wrong number of arguments to 'insert'");
  }
  for (lua_Integer i = end; i > position; i--) copy_element(L, 1, i - 1, 1, i);
  lua_seti(L, 1, position);
  return 0;
}

static int remove_from_table(lua_State *L)
{
  check_table(L, 1);
  lua_Integer end = luaL_len(L, 1), position = luaL_optinteger(L, 2, end);
  if (position != end)
    luaL_argcheck(L, (lua_Unsigned)position - 1 <= (lua_Unsigned)end, 2, "position out of bounds");
  lua_settop(L, 2);
  lua_geti(L, 1, position);
  for (; position < end; position++) copy_element(L, 1, position + 1, 1, position);
  lua_pushnil(L);
  lua_seti(L, 1, position);
  return 1;
}

/* On the Lua stack, where a raise cannot leak it. */
static size_t *new_order(lua_State *L, size_t count)
{
  return lua_newuserdatauv(L, count * sizeof(size_t), 0);
}

static int table_insert(lua_State *L)
{
  struct hgl_state_node *node = hgl_bind_state_node(L, 1);
  if (!node) return insert_into_table(L);
  int value = lua_gettop(L);
  int64_t end = hgl_view_length(L, node) + 1, position = end;
  if (value == 3)
    position = luaL_checkinteger(L, 2);
  else if (value != 2)
    return luaL_error(L, "wrong number of arguments to 'insert'");
  luaL_argcheck(L, position >= 1 && position <= end, 2, "position out of bounds");
  if (lua_isnil(L, value)) return luaL_error(L, "nil cannot be inserted");
  size_t count = (size_t)(end - position + 1);
  size_t *order = new_order(L, count);
  for (size_t i = 0; i < count; i++) order[i] = i ? i - 1 : count - 1;
  struct hgl_state_key key = {.is_int = true, .integer = end};
  hgl_view_set(L, node, &key, value);
  hgl_view_reorder(L, node, position, order, count);
  return 0;
}

static int table_remove(lua_State *L)
{
  struct hgl_state_node *node = hgl_bind_state_node(L, 1);
  if (!node) return remove_from_table(L);
  int64_t end = hgl_view_length(L, node);
  int64_t position = luaL_optinteger(L, 2, end);
  if (lua_gettop(L) >= 2 && !(end == 0 && position == 0))
    luaL_argcheck(L, position >= 1 && position <= end + 1, 2, "position out of bounds");
  struct hgl_state_key key = {.is_int = true, .integer = position};
  hgl_view_get(L, node, &key);
  int result = lua_gettop(L);
  if (position >= 1 && position <= end) {
    size_t count = (size_t)(end - position + 1);
    size_t *order = new_order(L, count);
    for (size_t i = 0; i < count; i++) order[i] = i + 1 < count ? i + 1 : 0;
    hgl_view_reorder(L, node, position, order, count);
    key.integer = end;
  }
  lua_pushnil(L);
  hgl_view_set(L, node, &key, -1);
  lua_settop(L, result);
  return 1;
}

/* table.sort: a merge sort, stable and indifferent to nonsensical comparisons ---------------------
 */

/* The stack of table_sort. */
enum { SORTED = 1, COMPARATOR = 2, ITEMS = 3 };

static bool less(lua_State *L, size_t a, size_t b)
{
  bool custom = !lua_isnil(L, COMPARATOR);
  hgl_stretch_look(L);
  if (custom) lua_pushvalue(L, COMPARATOR);
  lua_rawgeti(L, ITEMS, (lua_Integer)a + 1);
  lua_rawgeti(L, ITEMS, (lua_Integer)b + 1);
  bool result;
  if (custom) {
    lua_call(L, 2, 1);
    result = lua_toboolean(L, -1);
    lua_pop(L, 1);
  } else {
    result = lua_compare(L, -2, -1, LUA_OPLT);
    lua_pop(L, 2);
  }
  return result;
}

static void merge(lua_State *L, const size_t *from, size_t *to, size_t start, size_t middle,
                  size_t end)
{
  size_t left = start, right = middle;
  for (size_t i = start; i < end; i++) {
    bool take_right = left == middle || (right < end && less(L, from[right], from[left]));
    to[i] = from[take_right ? right++ : left++];
  }
}

static const size_t *sorted_order(lua_State *L, size_t count)
{
  size_t *from = new_order(L, count), *to = new_order(L, count);
  for (size_t i = 0; i < count; i++) from[i] = i;
  for (size_t width = 1; width < count; width *= 2) {
    for (size_t start = 0; start < count; start += 2 * width) {
      size_t middle = start + width < count ? start + width : count;
      size_t end = middle + width < count ? middle + width : count;
      merge(L, from, to, start, middle, end);
    }
    size_t *swapped = from;
    from = to;
    to = swapped;
  }
  return from;
}

static int table_sort(lua_State *L)
{
  struct hgl_state_node *node = hgl_bind_state_node(L, SORTED);
  if (!node) luaL_checktype(L, SORTED, LUA_TTABLE);
  if (!lua_isnoneornil(L, COMPARATOR)) luaL_checktype(L, COMPARATOR, LUA_TFUNCTION);
  lua_settop(L, COMPARATOR);
  luaL_checkstack(L, 16, "sort");
  lua_Integer count = luaL_len(L, SORTED);
  luaL_argcheck(L, count < INT_MAX, 1, "array too big");
  if (count < 2) return 0;
  lua_createtable(L, (int)count, 0);
  for (lua_Integer i = 1; i <= count; i++) {
    hgl_stretch_look(L);
    lua_geti(L, SORTED, i);
    lua_rawseti(L, ITEMS, i);
  }
  const size_t *order = sorted_order(L, (size_t)count);
  if (node) {
    hgl_view_reorder(L, node, 1, order, (size_t)count);
    return 0;
  }
  for (lua_Integer i = 1; i <= count; i++) {
    lua_rawgeti(L, ITEMS, (lua_Integer)order[i - 1] + 1);
    lua_seti(L, SORTED, i);
  }
  return 0;
}

/* table.concat, table.move, table.unpack ------------------------------------------------------- */

static int table_concat(lua_State *L)
{
  size_t separator_size;
  check_table(L, 1);
  const char *separator = luaL_optlstring(L, 2, "", &separator_size);
  lua_Integer first = luaL_optinteger(L, 3, 1);
  lua_Integer last = lua_isnoneornil(L, 4) ? luaL_len(L, 1) : luaL_checkinteger(L, 4);
  luaL_Buffer out;
  luaL_buffinit(L, &out);
  for (lua_Integer i = first; i <= last; i++) {
    hgl_stretch_look(L);
    lua_geti(L, 1, i);
    if (!lua_isstring(L, -1))
      return luaL_error(L, "invalid value (at index %I) in table for 'concat'", (LUAI_UACINT)i);
    luaL_addvalue(&out);
    if (i == last) break; /* it may be the last integer there is */
    luaL_addlstring(&out, separator, separator_size);
  }
  luaL_pushresult(&out);
  return 1;
}

/* From its end where that is what the target covers. */
static int table_move(lua_State *L)
{
  int target = lua_isnoneornil(L, 5) ? 1 : 5;
  lua_Integer first = luaL_checkinteger(L, 2), last = luaL_checkinteger(L, 3);
  lua_Integer to = luaL_checkinteger(L, 4);
  check_table(L, 1);
  check_table(L, target);
  if (first <= last) {
    luaL_argcheck(L, first > 0 || last < LUA_MAXINTEGER + first, 3, "too many elements to move");
    lua_Integer count = last - first + 1;
    luaL_argcheck(L, to <= LUA_MAXINTEGER - count + 1, 4, "destination wrap around");
    bool covered = to > first && to <= last && lua_compare(L, 1, target, LUA_OPEQ);
    for (lua_Integer n = 0; n < count; n++) {
      lua_Integer i = covered ? count - 1 - n : n;
      copy_element(L, 1, first + i, target, to + i);
    }
  }
  lua_pushvalue(L, target);
  return 1;
}

static int table_unpack(lua_State *L)
{
  lua_Integer first = luaL_optinteger(L, 2, 1);
  lua_Integer last = lua_isnoneornil(L, 3) ? luaL_len(L, 1) : luaL_checkinteger(L, 3);
  if (first > last) return 0;
  lua_Unsigned count = (lua_Unsigned)last - (lua_Unsigned)first;
  if (count >= INT_MAX || !lua_checkstack(L, (int)count + 1))
    return luaL_error(L, "too many results to unpack");
  for (lua_Unsigned i = 0; i <= count; i++) {
    hgl_stretch_look(L);
    lua_geti(L, 1, luaL_intop(+, first, i));
  }
  return (int)count + 1;
}

/* Opening ----------------------------------------------------------------------------------- */

int hgl_bind_table_push(lua_State *L)
{
  static const luaL_Reg ours[] = {
      {"insert", table_insert},
      {"remove", table_remove},
      {"sort", table_sort},
      {"concat", table_concat},
      {"move", table_move},
      {"unpack", table_unpack},
      {NULL, NULL},
  };
  lua_pushcfunction(L, luaopen_table); /* what stays is pack */
  lua_call(L, 0, 1);
  luaL_setfuncs(L, ours, 0);
  hgl_freeze_wrap(L);
  return 1;
}

void hgl_bind_tables_open(lua_State *L)
{
  lua_pushcfunction(L, base_pairs);
  lua_setglobal(L, "pairs");
  lua_pushcfunction(L, base_ipairs);
  lua_setglobal(L, "ipairs");
  lua_pushnil(L);
  lua_pushnil(L);
  lua_pushinteger(L, 0);
  lua_pushcclosure(L, base_next, 3);
  lua_setglobal(L, "next");
}
