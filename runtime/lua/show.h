/* Values for people: what a console's line gives. Bounded in depth, entries and size; nothing of
 * the script is called. */
#ifndef HGL_LUA_SHOW_H
#define HGL_LUA_SHOW_H

#include <lua.h>

#include "base/buf.h"

enum {
  HGL_SHOW_RESULT_SIZE_MAX = 64 << 10, /* bytes of what one line shows */
  HGL_SHOW_DEPTH_MAX = 6,              /* tables within each other */
  HGL_SHOW_ENTRIES_MAX = 100,          /* of one table */
  HGL_SHOW_TEXT_MAX = 2000,            /* bytes of one text */
};

/* Appends the `count` values on top of `from`, one a line. In a protected call of L, within a
 * stretch; may raise for want of memory or time. */
void hgl_show_values(lua_State *L, lua_State *from, int count, struct hgl_buf *out);

#endif
