/* The bindings of a VM, one file per capability, and what they share. Context comes from
 * lua_getextraspace: hgl_vm_of. Only files of this folder include this header. */
#ifndef HGL_LUA_BIND_H
#define HGL_LUA_BIND_H

#include <lauxlib.h>
#include <lua.h>

#include "lua/convert.h"
#include "lua/vm.h"

struct hgl_vm *hgl_vm_of(lua_State *L);

/* state, cache: views of a tree (bind_state.c). Pushes the view of the tree's root. */
void hgl_bind_state_open(lua_State *L);
void hgl_bind_state_push(lua_State *L, struct hgl_state_node *node);
/* The node behind the view at `index`, or NULL when it is no view. */
struct hgl_state_node *hgl_bind_state_node(lua_State *L, int index);
/* Whether the script may hold a view of this node; neither raises nor allocates. */
bool hgl_bind_state_has_view(lua_State *L, struct hgl_state_node *node);
/* Pushes a table of views for one run (in hgl_vm_run.views_ref), which come before all others. */
void hgl_bind_state_new_views(lua_State *L);
/* Once the Lua state is closed: Lua loses a finalizer when it finds no memory to call it. */
void hgl_bind_state_release_views(struct hgl_vm *vm);
/* The view of `from`, if there is one, becomes that of `to` (NULL: of a table that was removed) in
 * the run's table on top of the stack. */
void hgl_bind_state_rebind(lua_State *L, struct hgl_state_node *from, struct hgl_state_node *to);
/* Replacements that understand views and are ordered. */
void hgl_bind_tables_open(lua_State *L); /* the globals pairs, ipairs, next */
int hgl_bind_table_push(lua_State *L);   /* the library `table`, constant */

/* library.c: whether fields of this table are made when they are asked for … */
bool hgl_lib_is_lazy(lua_State *L, int table);
/* … and makes all of them, if so. */
void hgl_lib_complete(lua_State *L, int table);

/* freeze.c: replaces the table on top of the stack, e.g. a library's, by a constant one of the same
 * content, which hgl_freeze then need not copy. The content must hold constants only. */
void hgl_freeze_wrap(lua_State *L);
/* Makes everything reachable from the script's functions and globals constant once the top
 * level has run. Raises (naming the variable) for what cannot be frozen, e.g. a coroutine.
 * roots: the stack index of a list of values to walk from (handlers, globals, loaded modules). */
void hgl_freeze(lua_State *L, int roots);
/* After each stretch: finds plain local variables (upvalues) that were assigned; puts the old
 * values back and pushes a message naming the first one and its function ("agent.lua:12: the script
 * variable 'count' was changed in a handler; keep it in state"), returning true; else pushes
 * nothing. */
bool hgl_freeze_check(lua_State *L);
/* Whether hgl_freeze_check would return false; neither raises nor allocates. */
bool hgl_freeze_intact(lua_State *L);

#endif
