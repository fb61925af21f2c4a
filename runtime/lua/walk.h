/* Walking a Lua value from C without raising: where one is (for messages), how deep, and whether it
 * goes in circles. Keys are borrowed from the tables that are being walked. */
#ifndef HGL_LUA_WALK_H
#define HGL_LUA_WALK_H

#include <lua.h>

#include "base/bytes.h"
#include "base/err.h"

enum { HGL_WALK_DEPTH_MAX = 32 };

struct hgl_walk_step {
  bool is_int;
  int64_t integer;
  struct hgl_bytes text;
};

struct hgl_walk {
  lua_State *L;
  const char *what; /* the value's own name, e.g. "body" */
  const char *verb; /* "sent" or "stored" */
  struct hgl_err *err;
  int depth;                                      /* tables around the current value */
  const void *around[HGL_WALK_DEPTH_MAX];         /* … which */
  struct hgl_walk_step steps[HGL_WALK_DEPTH_MAX]; /* … and the key within each */
};

/* Fills err with "body.items[3].x: <text>". */
int hgl_walk_fail(const struct hgl_walk *walk, enum hgl_code code, const char *text);
/* Puts the path before a message that is there already. */
int hgl_walk_fail_in(const struct hgl_walk *walk);
/* "a function cannot be sent", of the value at `index`. */
int hgl_walk_fail_kind(const struct hgl_walk *walk, int index);
/* Into a table (identified by its address); fails at the depth limit, in a cycle, or without Lua
 * stack. Leave with hgl_walk_leave. */
int hgl_walk_enter(struct hgl_walk *walk, const void *table);
void hgl_walk_leave(struct hgl_walk *walk);
/* Notes the key at `index` (a string or an integer; otherwise fails) as the step taken. */
int hgl_walk_step_to(struct hgl_walk *walk, int index);

/* Pushes the table that holds the content of the one at `index`: itself, unless it is frozen. Does
 * not raise; needs three free stack slots. (freeze.c) */
void hgl_table_push_content(lua_State *L, int index);

#endif
