/* How people name a place in `state`: lots[3].price, users["a b"].age, [7]. No Lua. */
#ifndef HGL_LUA_STATE_NAME_H
#define HGL_LUA_STATE_NAME_H

#include "lua/state.h"

struct hgl_state_name {
  struct hgl_bytes text; /* the whole */
  size_t at;             /* what has been taken of it */
  char key[HGL_STATE_KEY_SIZE_MAX];
};

/* The next key; its text is good until the next call. *more is false at the end. HGL_INVALID, with
 * the column. */
int hgl_state_name_next(struct hgl_state_name *name, struct hgl_state_key *key, bool *more,
                        struct hgl_err *err) HGL_NODISCARD;

#endif
