/* The native halves of modules of the library: pure functions, of which a replay computes the same
 * again, so that they need no journal. `require "haggle.native.json"` finds hgl_native_json_push;
 * what agents require is stdlib/haggle/json.lua and its like.
 *
 * Hooks do not interrupt C: each function bounds the size of what it is given. */
#ifndef HGL_LUA_NATIVE_H
#define HGL_LUA_NATIVE_H

#include "lua/vm_core.h"

enum { HGL_NATIVE_SIZE_MAX = 1 << 20 };

int hgl_native_json_push(lua_State *L);
int hgl_native_base64_push(lua_State *L);
int hgl_native_crypto_push(lua_State *L);
int hgl_native_time_push(lua_State *L);

/* Pushes the module of this name, or returns false. */
bool hgl_native_push(lua_State *L, struct hgl_bytes name);

/* Text or haggle.bytes, of at most HGL_NATIVE_SIZE_MAX bytes; raises. */
struct hgl_bytes hgl_native_data(lua_State *L, int arg);
/* nil, why, code. */
int hgl_native_fails(lua_State *L, const struct hgl_err *err);

#endif
