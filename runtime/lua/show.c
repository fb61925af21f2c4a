#include "lua/show.h"

#include <ctype.h>
#include <stdlib.h>

#include "lua/vm_core.h"
#include "lua/walk.h"

enum { WIDTH = 76, INDENT = 2, NAMES_MAX = 10000, BYTES_SHOWN = 32 };

struct show {
  lua_State *L;
  struct hgl_buf *out;
  size_t limit; /* of out: beyond it nothing is added */
  int indent;
  bool flat; /* in one line */
};

static void show_value(struct show *show, int index, int depth);
static void show_node(struct show *show, struct hgl_state_node *node, int depth);

static bool is_full(const struct show *show)
{
  return show->out->failed || show->out->size >= show->limit;
}

static void put(struct show *show, const char *text)
{
  if (!is_full(show)) hgl_buf_append_text(show->out, text);
}

/* ---- scalars ---- */

static void put_byte(struct show *show, uint8_t byte)
{
  char text[8];
  if (byte == '\n')
    put(show, "\\n");
  else if (byte == '"' || byte == '\\')
    put(show, byte == '"' ? "\\\"" : "\\\\");
  else if (byte < 32 || byte == 127) {
    snprintf(text, sizeof text, "\\%03d", byte);
    put(show, text);
  } else if (!is_full(show)) {
    hgl_buf_append_byte(show->out, byte);
  }
}

static void show_text(struct show *show, struct hgl_bytes text)
{
  char more[48];
  size_t size = text.size > HGL_SHOW_TEXT_MAX ? HGL_SHOW_TEXT_MAX : text.size;
  while (size < text.size && size && (text.data[size] & 0xc0) == 0x80)
    size--; /* whole characters */
  put(show, "\"");
  for (size_t i = 0; i < size; i++) put_byte(show, text.data[i]);
  put(show, "\"");
  if (size == text.size) return;
  snprintf(more, sizeof more, "… (%zu bytes)", text.size);
  put(show, more);
}

static void show_bytes(struct show *show, struct hgl_bytes bytes)
{
  char text[48];
  snprintf(text, sizeof text, "haggle.bytes (%zu)%s", bytes.size, bytes.size ? " " : "");
  put(show, text);
  for (size_t i = 0; i < bytes.size && i < BYTES_SHOWN; i++) {
    snprintf(text, sizeof text, "%02x", bytes.data[i]);
    put(show, text);
  }
  if (bytes.size > BYTES_SHOWN) put(show, "…");
}

static void show_number(struct show *show, int index)
{
  lua_pushvalue(show->L, index);
  put(show, lua_tostring(show->L, -1));
  lua_pop(show->L, 1);
}

/* ---- keys ---- */

static bool is_name(struct hgl_bytes text)
{
  static const char *const words[] = {"and",   "break", "do",       "else", "elseif", "end",
                                      "false", "for",   "function", "goto", "if",     "in",
                                      "local", "nil",   "not",      "or",   "repeat", "return",
                                      "then",  "true",  "until",    "while"};
  if (!text.size || isdigit(text.data[0])) return false;
  for (size_t i = 0; i < text.size; i++)
    if (!(isalnum(text.data[i]) || text.data[i] == '_') || text.data[i] > 127) return false;
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (hgl_bytes_is(text, words[i])) return false;
  return true;
}

static void show_key(struct show *show, const struct hgl_state_key *key)
{
  char text[32];
  if (key->is_int) {
    snprintf(text, sizeof text, "[%lld] = ", (long long)key->integer);
    put(show, text);
  } else if (is_name(key->text)) {
    for (size_t i = 0; i < key->text.size; i++) put_byte(show, key->text.data[i]);
    put(show, " = ");
  } else {
    put(show, "[");
    show_text(show, key->text);
    put(show, "] = ");
  }
}

/* ---- tables: "{ a, b }", or an entry a line ---- */

static void begin_entry(struct show *show, size_t index)
{
  hgl_stretch_look(show->L);
  if (show->flat) {
    put(show, index ? ", " : " ");
    return;
  }
  put(show, index ? ",\n" : "\n");
  for (int i = 0; i < show->indent; i++) put(show, " ");
}

static void put_more(struct show *show, size_t index, size_t more)
{
  char text[48];
  if (!more) return;
  begin_entry(show, index);
  snprintf(text, sizeof text, "… %zu more", more);
  put(show, text);
}

/* The next entry of a state's table; false: there is none. */
static bool next_entry(struct show *show, struct hgl_state_node *node,
                       const struct hgl_state_key *last, struct hgl_state_key *key,
                       struct hgl_state_value *value)
{
  struct hgl_err err;
  bool more;
  if (hgl_state_next(node, last, key, value, &more, &err)) {
    put(show, err.message);
    return false;
  }
  return more;
}

static void show_state_value(struct show *show, const struct hgl_state_value *value, int depth)
{
  switch (value->kind) {
  case HGL_STATE_TABLE:
    show_node(show, value->node, depth);
    return;
  case HGL_STATE_TEXT:
    show_text(show, value->bytes);
    return;
  case HGL_STATE_BYTES:
    show_bytes(show, value->bytes);
    return;
  default:
    hgl_view_push_value(show->L, value);
    show_value(show, lua_gettop(show->L), depth);
    lua_pop(show->L, 1);
  }
}

static void show_entries_of_node(struct show *show, struct hgl_state_node *node, int depth)
{
  struct hgl_state_key key, last;
  struct hgl_state_value value;
  int64_t place = 1;
  size_t count = 0, more = 0;
  bool any = next_entry(show, node, NULL, &key, &value);
  for (; any; last = key, any = next_entry(show, node, &last, &key, &value)) {
    if (count >= HGL_SHOW_ENTRIES_MAX || is_full(show)) {
      hgl_stretch_look(show->L);
      more++;
      continue;
    }
    begin_entry(show, count++);
    if (!key.is_int || key.integer != place++) show_key(show, &key);
    show_state_value(show, &value, depth + 1);
  }
  put_more(show, count, more);
}

static int compare_names(const void *a, const void *b)
{
  return hgl_bytes_compare(*(const struct hgl_bytes *)a, *(const struct hgl_bytes *)b);
}

/* Text keys of the table at `table`, in order; an array on the Lua stack, the texts stay there. */
static struct hgl_bytes *sort_names(lua_State *L, int table, size_t *count, size_t *left_out)
{
  size_t names = 0;
  *left_out = 0;
  for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
    hgl_stretch_look(L);
    names += lua_type(L, -2) == LUA_TSTRING;
  }
  if (names > NAMES_MAX) *left_out = names - NAMES_MAX, names = NAMES_MAX;
  struct hgl_bytes *sorted = lua_newuserdatauv(L, (names + 1) * sizeof *sorted, 0);
  size_t at = 0;
  for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
    if (lua_type(L, -2) != LUA_TSTRING || at == names) continue;
    size_t size;
    const char *text = lua_tolstring(L, -2, &size);
    sorted[at++] = hgl_bytes(text, size);
  }
  qsort(sorted, at, sizeof *sorted, compare_names);
  *count = at;
  return sorted;
}

static void show_named(struct show *show, int table, size_t shown, int depth)
{
  lua_State *L = show->L;
  size_t count, left_out;
  const struct hgl_bytes *names = sort_names(L, table, &count, &left_out);
  for (size_t i = 0; i < count; i++) {
    if (shown >= HGL_SHOW_ENTRIES_MAX || is_full(show)) {
      left_out += count - i;
      break;
    }
    const struct hgl_state_key key = {.text = names[i]};
    begin_entry(show, shown++);
    show_key(show, &key);
    lua_pushlstring(L, (const char *)names[i].data, names[i].size);
    lua_rawget(L, table);
    show_value(show, lua_gettop(L), depth + 1);
    lua_pop(L, 1);
  }
  put_more(show, shown, left_out);
  lua_pop(L, 1);
}

/* Integers first, then names; keys of other kinds are counted. */
static void show_entries(struct show *show, int table, int depth)
{
  lua_State *L = show->L;
  lua_Integer length = (lua_Integer)lua_rawlen(L, table);
  size_t shown = 0, others = 0;
  for (lua_Integer i = 1; i <= length && shown < HGL_SHOW_ENTRIES_MAX && !is_full(show); i++) {
    begin_entry(show, shown++);
    lua_rawgeti(L, table, i);
    show_value(show, lua_gettop(L), depth + 1);
    lua_pop(L, 1);
  }
  for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
    hgl_stretch_look(L);
    bool in_list = lua_isinteger(L, -2) && lua_tointeger(L, -2) >= 1 &&
                   lua_tointeger(L, -2) <= length;
    if (in_list || lua_type(L, -2) == LUA_TSTRING) continue;
    if (!lua_isinteger(L, -2) || shown >= HGL_SHOW_ENTRIES_MAX || is_full(show)) {
      others++;
      continue;
    }
    const struct hgl_state_key key = {.is_int = true, .integer = lua_tointeger(L, -2)};
    begin_entry(show, shown++);
    show_key(show, &key);
    show_value(show, lua_gettop(L), depth + 1);
  }
  if ((size_t)length > HGL_SHOW_ENTRIES_MAX) others += (size_t)length - HGL_SHOW_ENTRIES_MAX;
  show_named(show, table, shown, depth);
  put_more(show, shown, others);
}

struct table {
  int index;                   /* on the stack, or */
  struct hgl_state_node *node; /* of state */
};

static void show_all(struct show *show, const struct table *table, int depth)
{
  if (table->node)
    show_entries_of_node(show, table->node, depth);
  else
    show_entries(show, table->index, depth);
}

static bool is_empty(struct show *show, const struct table *table)
{
  struct hgl_state_key key;
  struct hgl_state_value value;
  if (table->node) return !next_entry(show, table->node, NULL, &key, &value);
  lua_pushnil(show->L);
  if (!lua_next(show->L, table->index)) return true;
  lua_pop(show->L, 2);
  return false;
}

/* In one line if it fits. */
static void show_table(struct show *show, const struct table *table, int depth)
{
  if (is_full(show)) return;
  if (is_empty(show, table)) {
    put(show, "{}");
    return;
  }
  if (depth >= HGL_SHOW_DEPTH_MAX) {
    put(show, "{ … }");
    return;
  }
  struct show line = *show;
  size_t begin = show->out->size,
         width = WIDTH > show->indent ? (size_t)(WIDTH - show->indent) : 20;
  if (!show->flat && begin + width < show->limit) line.limit = begin + width;
  line.flat = true;
  put(&line, "{");
  show_all(&line, table, depth);
  put(&line, " }");
  if (show->flat || !is_full(&line)) return;
  show->out->size = begin;
  put(show, "{");
  show->indent += INDENT;
  show_all(show, table, depth);
  show->indent -= INDENT;
  put(show, "\n");
  for (int i = 0; i < show->indent; i++) put(show, " ");
  put(show, "}");
}

static void show_node(struct show *show, struct hgl_state_node *node, int depth)
{
  const struct table table = {.node = node};
  show_table(show, &table, depth);
}

/* ---- the rest ---- */

static void show_message(struct show *show, int index, int depth)
{
  static const char *const fields[] = {"type", "from", "to", "thread", "id", "body"};
  lua_State *L = show->L;
  lua_createtable(L, 0, 6);
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
    lua_getfield(L, index, fields[i]); /* ours: no script is called */
    lua_setfield(L, -2, fields[i]);
  }
  const struct table table = {.index = lua_gettop(L)};
  put(show, "message ");
  show_table(show, &table, depth);
  lua_pop(L, 1);
}

static void show_function(struct show *show, int index)
{
  lua_Debug info;
  char text[LUA_IDSIZE + 32];
  lua_pushvalue(show->L, index);
  lua_getinfo(show->L, ">S", &info);
  if (*info.what == 'C')
    snprintf(text, sizeof text, "function (built in)");
  else
    snprintf(text, sizeof text, "function (%s:%d)", info.short_src, info.linedefined);
  put(show, text);
}

static void show_other(struct show *show, int index, int depth)
{
  lua_State *L = show->L;
  struct hgl_state_node *node = hgl_bind_state_node(L, index);
  struct hgl_bytes bytes = hgl_lua_to_bytes(L, index);
  if (node)
    show_node(show, node, depth);
  else if (hgl_lua_is_null(L, index))
    put(show, "haggle.null");
  else if (bytes.data)
    show_bytes(show, bytes);
  else if (hgl_lua_is_message(L, index))
    show_message(show, index, depth);
  else if (lua_isfunction(L, index))
    show_function(show, index);
  else
    put(show, luaL_typename(L, index));
}

static void show_value(struct show *show, int index, int depth)
{
  lua_State *L = show->L;
  size_t size;
  luaL_checkstack(L, 16, NULL);
  switch (lua_type(L, index)) {
  case LUA_TNIL:
    put(show, "nil");
    return;
  case LUA_TBOOLEAN:
    put(show, lua_toboolean(L, index) ? "true" : "false");
    return;
  case LUA_TNUMBER:
    show_number(show, index);
    return;
  case LUA_TSTRING: {
    const char *text = lua_tolstring(L, index, &size);
    show_text(show, hgl_bytes(text, size));
    return;
  }
  case LUA_TTABLE: {
    if (hgl_bind_state_node(L, index)) break;
    hgl_table_push_content(L, index);
    const struct table table = {.index = lua_gettop(L)};
    show_table(show, &table, depth);
    lua_pop(L, 1);
    return;
  }
  default:
    break;
  }
  show_other(show, index, depth);
}

void hgl_show_values(lua_State *L, lua_State *from, int count, struct hgl_buf *out)
{
  struct show show = {.L = L, .out = out, .limit = HGL_SHOW_RESULT_SIZE_MAX};
  luaL_checkstack(L, count + 16, NULL);
  int first = lua_gettop(L) + 1;
  if (from != L) lua_xmove(from, L, count);
  for (int i = 0; i < count; i++) {
    if (i) put(&show, "\n");
    show_value(&show, first + i, 0);
  }
  if (is_full(&show) && !out->failed) hgl_buf_append_text(out, "\n… (cut)");
  lua_settop(L, first - 1);
}
