/* What the bindings of worlds share: test_bind.c lets things happen, test_bind_look.c looks. */
#ifndef HGL_HOST_TEST_BIND_CORE_H
#define HGL_HOST_TEST_BIND_CORE_H

#include <jansson.h>
#include <lauxlib.h>

#include "base/buf.h"
#include "host/test_world.h"

#define WORLD "haggle.world"

/* The userdata of a world. No C memory is held across a call that may raise but in here. */
struct world_box {
  struct hgl_world *world;
  lua_State *L;                     /* of the call that goes on */
  struct hgl_buf in, out;           /* encoded arguments and results */
  struct hgl_buf json, value;       /* of what stands within them */
  struct hgl_stored_state *looking; /* whose state is being pushed */
  json_t *told;                     /* a list that is being gathered */
};

/* Argument 1, ready for another call. Raises when the world has ended. */
struct world_box *world_check_box(lua_State *L);
/* Without a position: the runner shows the line of the spec. */
int world_raise(lua_State *L, const struct hgl_err *err);
/* Takes the reference. */
int world_push_json(lua_State *L, struct world_box *box, json_t *json);

/* Adds the methods of test_bind_look.c to the table on top. */
void world_open_look(lua_State *L);

#endif
