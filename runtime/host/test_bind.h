/* What `require "haggle.test"` stands on: the module haggle.world of the states that run specs. */
#ifndef HGL_HOST_TEST_BIND_H
#define HGL_HOST_TEST_BIND_H

#include <lua.h>

#include "host/test_world.h"

/* Makes the modules "haggle.world" and "haggle" (null, array, bytes) loadable in a state with the
 * full libraries. Inside a protected call; raises on memory. The configuration of every world is
 * borrowed for the life of the state; a spec may give another seed. */
void hgl_test_bind_open(lua_State *L, const struct hgl_world_config *config);

#endif
