/* The state of one agent as its host's store holds it, read without the agent: it may be parked,
 * busy, or its host dead. Loop thread only. */
#ifndef HGL_HOST_TEST_STATE_H
#define HGL_HOST_TEST_STATE_H

#include "lua/state.h"
#include "store/store.h"

struct hgl_stored_state;

/* `row` is the agent's, of HGL_DB_AGENTS. The store is borrowed. */
int hgl_stored_state_open(struct hgl_store *store, struct hgl_bytes row,
                          struct hgl_stored_state **out, struct hgl_err *err) HGL_NODISCARD;
void hgl_stored_state_close(struct hgl_stored_state *stored); /* NULL is allowed */
struct hgl_state_node *hgl_stored_state_root(struct hgl_stored_state *stored);

#endif
