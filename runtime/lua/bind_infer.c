/* agent.infer: a model of the host is asked, and the handler waits for its answer. It is a call to
 * the service "infer" (host/infer_service.c), as host.call makes them. */
#include "lua/vm_core.h"

#include "protocol/cbor.h"

enum { MODEL_NAME_SIZE_MAX = 64 };

/* agent.infer(model, inputs, { within = "5s" }) */
int hgl_bind_infer(lua_State *L)
{
  hgl_bind_in_handler(L, "agent.infer");
  lua_settop(L, 3);
  struct hgl_bytes model = hgl_bind_text(L, 1);
  luaL_argcheck(L, model.size > 0 && model.size <= MODEL_NAME_SIZE_MAX && hgl_utf8_valid(model), 1,
                "not a model's name");
  int64_t within_ms = hgl_bind_call_within(L);
  hgl_run_check_suspendable(L, "agent.infer");
  struct hgl_buf *request = &hgl_vm_of(L)->scratch;
  hgl_buf_clear(request);
  hgl_cbor_put_list(request, 2);
  hgl_cbor_put_text(request, model);
  hgl_bind_encode(L, 2, "inputs", request);
  return hgl_bind_call_outside(L, hgl_text("infer"), within_ms, hgl_journal_hash(L, 1, 3));
}
