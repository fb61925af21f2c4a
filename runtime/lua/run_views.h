/* The tables of `state` and `cache` that a run has seen, by the names that its journal gives them.
 * Inside of runtime/lua only. */
#ifndef HGL_LUA_RUN_VIEWS_H
#define HGL_LUA_RUN_VIEWS_H

#include <lua.h>

#include "lua/state.h"

struct hgl_vm;
struct hgl_vm_run;

enum { HGL_VIEW_STATE = 0, HGL_VIEW_CACHE = 1, HGL_VIEW_FIRST = 2 };

/* A table and its name; holds the node. */
struct hgl_run_view {
  struct hgl_state_node *node;
  uint32_t name;
};

struct hgl_run_views {
  struct hgl_run_view *items;
  size_t count, capacity;
  uint64_t epoch; /* of the stretch: what node marks of this stretch have */
  uint32_t next;  /* the next name */
};

/* A stretch of vm->run begins: names are those of its earlier stretches. */
void hgl_run_views_begin(struct hgl_vm *vm);
/* It ends; when the run goes on (`keep`), it keeps those that the script may still hold. */
void hgl_run_views_end(struct hgl_vm *vm, bool keep);
/* The run's name for the table; a new one, when it has none. */
uint32_t hgl_run_views_name(struct hgl_vm *vm, struct hgl_state_node *node);
/* What the places of those take, at most, that the script may still hold. May raise. */
size_t hgl_run_views_held(lua_State *L, size_t *count);
/* Pushes the view of this name, in a replay: a placeholder. Raises for want of memory. */
void hgl_run_views_push(lua_State *L, uint32_t name);
void hgl_run_views_forget(struct hgl_vm *vm, struct hgl_vm_run *run);

#endif
