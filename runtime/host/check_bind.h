/* What `haggle check`, written in Lua (stdlib/haggle/tool), needs of this program: the module
 * "haggle.sandbox". */
#ifndef HGL_HOST_CHECK_BIND_H
#define HGL_HOST_CHECK_BIND_H

#include <lua.h>

#include "host/check_load.h"

struct hgl_check_context {
  struct hgl_check_loader loader;
  const char *stdlib_folder;
};

/* In a protected call. `context` is borrowed for the life of the state.
 *
 *   sandbox.stdlib                             the folder of the standard library
 *   sandbox.load { name =, path =, source =, config = (encoded), grants =, limits =, start =,
 *     ample = }                                what hgl_check_load notes; `limits` as pushed by
 *                                              hgl_check_push_limits; `ample`: time without want
 *   sandbox.encode(value)                      for config
 *   sandbox.read(path), sandbox.list(folder)   a file's text; the names in a folder, sorted
 *   sandbox.exists(path)                       whether it is a file
 *   sandbox.module(name, script_path)          where a module lies, and whether it is the stdlib's
 *   sandbox.duration(text)                     ms
 *   sandbox.type(text)                         protocol, version, performative
 *   sandbox.covers(grants, kind, value)        whether a grant covers it
 *   sandbox.grant(text)                        whether "kind=value" is one
 *   sandbox.name(path)                         what an agent of this script is called
 *   sandbox.nearest(word, candidates)          the one that was probably meant, or nil
 *
 * What can fail gives nil, why. */
void hgl_check_bind_open(lua_State *L, struct hgl_check_context *context);
/* A copy that a script can only hand back. */
void hgl_check_push_limits(lua_State *L, const struct hgl_agent_limits *limits);

#endif
