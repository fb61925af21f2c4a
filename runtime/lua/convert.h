/* Values between Lua and CBOR (protocol/value.h), and the Lua-side value types: haggle.bytes,
 * haggle.array, haggle.null, and message objects' plain parts. Called inside a protected call. */
#ifndef HGL_LUA_CONVERT_H
#define HGL_LUA_CONVERT_H

#include <lua.h>

#include "base/buf.h"

/* Registers metatables in the state's registry. May raise (memory). */
void hgl_convert_open(lua_State *L);

/* Appends the encoding of the value at `index`. A table with array metatable, or with exactly the
 * keys 1..n (n ≥ 1), is a list; a table with text keys, or an empty one, is a map; views of `state`
 * are encoded by content. Holes, cycles, mixed keys, functions, NaN, oversize: HGL_BAD_VALUE (or
 * HGL_TOO_DEEP, HGL_TOO_LARGE) with the path from `what`: "body.items[3].x: a function cannot be
 * sent". Does not raise for these; `out` is left with partial data on failure. */
int hgl_lua_encode(lua_State *L, int index, const char *what, struct hgl_buf *out,
                   struct hgl_err *err) HGL_NODISCARD;
/* Pushes one value. The bytes have been checked. Raises on memory. Lists get the array metatable
 * only when empty (so that they go back as lists). */
void hgl_lua_push_value(lua_State *L, struct hgl_bytes value);
void hgl_lua_push_bytes(lua_State *L, struct hgl_bytes bytes); /* a haggle.bytes */
void hgl_lua_push_null(lua_State *L);
bool hgl_lua_is_null(lua_State *L, int index);
/* Whether the value has the metatable that the registry holds at this address. Allocates nothing.
 */
bool hgl_lua_has_metatable(lua_State *L, int index, const void *key);
/* haggle.array([table]), for scripts: marks the table as a list, also when it is empty. */
int hgl_lua_array(lua_State *L);
void hgl_lua_mark_array(lua_State *L, int index);
bool hgl_lua_is_array(lua_State *L, int index);   /* not of frozen tables: see walk.h */
bool hgl_lua_is_message(lua_State *L, int index); /* what a handler gets (bind_message.c) */
/* The content of a haggle.bytes, or data == NULL. */
struct hgl_bytes hgl_lua_to_bytes(lua_State *L, int index);

#endif
