/* Views of a state tree, as bind_state.c and bind_tables.c share them. Everything here may raise.
 */
#ifndef HGL_LUA_VIEWS_H
#define HGL_LUA_VIEWS_H

#include <lua.h>

#include "lua/state.h"

/* The value at `index` as a key: text, an integer, or a float with an integer's value; raises else.
 */
struct hgl_state_key hgl_view_key(lua_State *L, int index);
void hgl_view_push_key(lua_State *L, const struct hgl_state_key *key);
void hgl_view_push_value(lua_State *L, const struct hgl_state_value *value);
/* Pushes node[key]. */
void hgl_view_get(lua_State *L, struct hgl_state_node *node, const struct hgl_state_key *key);
/* node[key] = the value at `index`. Tables become part of the tree, by content. */
void hgl_view_set(lua_State *L, struct hgl_state_node *node, const struct hgl_state_key *key,
                  int index);
int64_t hgl_view_length(lua_State *L, struct hgl_state_node *node);
/* hgl_state_reorder */
void hgl_view_reorder(lua_State *L, struct hgl_state_node *node, int64_t first, const size_t *order,
                      size_t count);
/* Raises the failure; at the memory limit the stretch is over. */
int hgl_view_fail(lua_State *L, const struct hgl_err *err);
/* The iterator for `pairs`: (view, key) → key, value, or nil. */
int hgl_view_next(lua_State *L);

#endif
