/* What `require "haggle.test"` stands on: the module haggle.world of the states that run specs. */
#ifndef HGL_HOST_TEST_BIND_H
#define HGL_HOST_TEST_BIND_H

#include <lua.h>
#include <stdint.h>

/* Makes the modules "haggle.world" and "haggle" (null, array, bytes) loadable in a state with the
 * full libraries. Inside a protected call; raises on memory. stdlib_folder is borrowed for the life
 * of the state. */
void hgl_test_bind_open(lua_State *L, uint64_t seed, const char *stdlib_folder);

#endif
