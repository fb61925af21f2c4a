/* What a VM is made of: shared by vm.c, run.c, sandbox.c, the library files (lib_*.c) and the
 * bindings.
 *
 * Invariants
 * - Lua runs only inside a *stretch* (hgl_stretch_begin … _end): the top level, or a run's
 *   handler up to its next suspension. `current` is then the lua_State that executes; whatever
 *   switches coroutines keeps it so, because the watchdog's signal hooks what stands there.
 * - `doomed` is set when a limit was hit. From then on nothing catches: pcall, xpcall and the
 *   coroutine functions raise again, and every lua_State that goes on running is hooked, until the
 *   stretch ends.
 * - Whatever may raise owns no C memory that a raise would leak: bindings build in `scratch`. */
#ifndef HGL_LUA_VM_CORE_H
#define HGL_LUA_VM_CORE_H

#include <signal.h>

#include "lua/bind.h"
#include "lua/journal.h"
#include "lua/run_views.h"
#include "lua/views.h"
#include "lua/watchdog.h"

enum {
  HGL_VM_ASKS_MAX = 256,            /* of one ask_all */
  HGL_VM_ASKS_SIZE_MAX = 4 << 20,   /* bytes of the bodies of one ask_all */
  HGL_VM_SOURCE_SIZE_MAX = 1 << 20, /* bytes of a script or module */
  HGL_VM_TRACEBACK_SIZE_MAX = 8192,
  HGL_VM_CLOSE_DEPTH_MAX = 50,       /* coroutine.close within one; Lua 5.4.4 crashes at 11,000 */
  HGL_VM_HOOK_COUNT = 1000,          /* instructions between two looks at the count */
  HGL_VM_LAST_WORDS_SIZE = 64 << 10, /* memory beyond the limit for reporting that it was reached */
  HGL_VM_LOCK_SIZE_MAX = 256,        /* bytes of the key of agent.exclusive */
};

/* Random numbers of one run (SplitMix64): the same seed gives the same ones. */
struct hgl_vm_random {
  uint64_t state;
};

/* A view's hold on its table of `state`. */
struct hgl_view_hold {
  struct hgl_state_node *node;
  struct hgl_view_hold *next, **link; /* in vm->view_holds */
};

struct hgl_vm_run {
  struct hgl_vm_run *next, **link; /* in vm->runs while suspended */
  lua_State *co;
  int ref; /* anchors co in the registry */
  struct hgl_vm_random random;
  struct hgl_vm_wait wait;
  struct hgl_vm_ask *asks;
  struct hgl_buf ask_data; /* what asks' slices point into */
  size_t charged;          /* its part of vm->memory while suspended */
  struct hgl_run_views views;
  int views_ref;        /* of a run that was replayed: its own views, in the registry; or 0 */
  size_t waiting;       /* suspended handlers of the agent when it began */
  size_t suspensions;   /* so far */
  size_t journal_bytes; /* of the stretches before, and of what resumed them */
  bool journal_full;    /* a suspension was refused for that */
  bool unordered;       /* it went through a table in an order that no replay gives again */
  bool continued;       /* agent.continue was called in this stretch */
  bool console;         /* a line of the operator's: journaled, and what it returns is shown */
  bool answers_http;    /* its call is of an HTTP request */
  bool answered;        /* … which it has answered */
};

struct hgl_vm {
  lua_State *L;
  lua_State *volatile current;
  volatile sig_atomic_t overrun; /* the watchdog has hooked `current` */
  enum hgl_code doomed;          /* HGL_OK, HGL_NO_MEMORY or HGL_LIMIT */
  bool too_many_runs;            /* … and then which limit */
  char struck[96];               /* "file:line: " where a time or instruction limit was met */
  bool loading;                  /* the top level runs */
  bool last_words;               /* the allocator grants HGL_VM_LAST_WORDS_SIZE more */
  bool refused;                  /* the last request for memory was refused */
  bool suspending;               /* a binding waits: coroutines pass the yield on */
  bool chain_yieldable;          /* every coroutine below `current` can yield */
  int close_depth;
  uint64_t instructions;
  struct hgl_memory memory; /* Lua's, the trees' and that of the questions of suspended runs */

  struct hgl_journal journal;
  bool may_wait;                    /* its script names a call that suspends */
  struct hgl_run_views spare_views; /* an array for the next run */
  struct hgl_vm_run *spare_run;     /* for the next handler */
  bool shares_state;                /* state and cache belong to another VM of the agent */

  struct hgl_vm_run *run; /* whose stretch it is; NULL at the top level */
  struct hgl_vm_run *runs;
  size_t run_count;
  lua_State *idle; /* a finished run's coroutine, for the next run */
  int idle_ref;
  const struct hgl_vm_answer *answers; /* during hgl_vm_resume */
  size_t answer_count;

  int handlers_ref, modules_ref; /* in the registry */
  lua_CFunction string_format;   /* Lua's own */
  struct hgl_vm_random random;   /* of the top level */
  struct hgl_state *state, *cache;
  struct hgl_view_hold *view_holds;
  struct hgl_buf scratch, result;
  struct hgl_buf traceback;
  struct hgl_buf shown; /* by the last line of a console */

  char *name;
  struct hgl_key key;
  struct hgl_vm_limits limits;
  struct hgl_vm_ops ops;
  struct hgl_state_rows rows;
  struct hgl_chunks *chunks;
  struct hgl_watchdog *watchdog;
};

/* ---- sandbox.c ---- */

void *hgl_sandbox_alloc(void *vm, void *old, size_t old_size, size_t size);
/* The libraries, into the global table. */
void hgl_sandbox_open(lua_State *L);
/* Begins and ends a stretch's limits; L is what runs first. */
void hgl_stretch_begin(struct hgl_vm *vm, lua_State *L);
void hgl_stretch_end(struct hgl_vm *vm);
/* Switches `current` for the time that `to` executes; call both in pairs. */
void hgl_stretch_enter(struct hgl_vm *vm, lua_State *to);
void hgl_stretch_leave(struct hgl_vm *vm, lua_State *back);
/* After anything was caught, with its status: raises again when the stretch is doomed. The error is
 * on top of L. */
void hgl_stretch_caught(lua_State *L, int status);
/* For every round of a loop in C that a script can make long: hooks do not fire there. Counts as
 * one instruction; raises when a limit was reached. */
void hgl_stretch_look(lua_State *L);
/* What a doomed stretch says, e.g. "the memory limit of 16777216 bytes was reached". */
void hgl_stretch_doom_text(const struct hgl_vm *vm, char *out, size_t size);
/* Ends the stretch for want of memory, whatever the script does. */
_Noreturn void hgl_sandbox_no_memory(lua_State *L);
/* Makes an error object one string, without addresses. */
void hgl_sandbox_tostring(lua_State *L, int index);

/* ---- libraries ---- */

struct hgl_lib_field {
  const char *name; /* NULL ends a list */
  lua_CFunction function;
  bool makes; /* the field is what the function returns, else the function itself */
};

/* library.c: lets the table on top of the stack, which has no metatable, find these fields too. */
void hgl_lib_extend(lua_State *L, const struct hgl_lib_field *fields);
/* Pushes a constant table of these fields. */
void hgl_lib_push(lua_State *L, const struct hgl_lib_field *fields);
/* Puts a table with these fields of the library on top of the stack (the list ends with NULL) in
 * its place: what another build or version of Lua has besides stays outside. */
void hgl_lib_keep(lua_State *L, const char *const *names);
/* Adds "; did you mean 'send'?" to what Lua says of a call of a field that is nil. */
void hgl_lib_suggest(lua_State *L, struct hgl_err *err);

void hgl_lib_base_open(lua_State *L);   /* into the global table */
void hgl_lib_string_open(lua_State *L); /* global `string`, and the string metatable */
int hgl_lib_coroutine_push(lua_State *L);
int hgl_lib_math_push(lua_State *L);
int hgl_lib_os_push(lua_State *L);
int hgl_lib_utf8_push(lua_State *L);
lua_Integer hgl_lib_random(struct hgl_vm *vm); /* 64 random bits of the run */
/* Pattern functions with bounded cost (pattern.c). */
int hgl_pattern_find(lua_State *L);
int hgl_pattern_match(lua_State *L);
int hgl_pattern_gmatch(lua_State *L);
int hgl_pattern_gsub(lua_State *L);

/* ---- chunks.c ---- */

/* Pushes the chunk as a function. HGL_SCRIPT with the line itself appended; HGL_TOO_LARGE;
 * HGL_NO_MEMORY. */
int hgl_chunks_load(struct hgl_chunks *chunks, lua_State *L, struct hgl_bytes source,
                    const char *chunk_name, struct hgl_err *err) HGL_NODISCARD;
/* Appends " | <the line>" to a message "chunk:N: …" that names a line of this source. */
void hgl_chunks_quote_line(struct hgl_err *err, struct hgl_bytes source, const char *chunk_name);

/* ---- console.c ---- */

/* Compiles a line and pushes it as a function; raises. */
void hgl_console_push(lua_State *L, struct hgl_bytes line);

/* ---- run.c ---- */

/* Finds the handler, or nil, and pushes it. */
void hgl_run_push_handler(lua_State *L, enum hgl_vm_declaration kind, struct hgl_bytes name);
void hgl_run_set_handler(lua_State *L, enum hgl_vm_declaration kind, struct hgl_bytes name, int fn);
/* Raises unless the running handler can be suspended here; `what` names the binding. */
void hgl_run_check_suspendable(lua_State *L, const char *what);
/* The one way to suspend: with run->wait; the continuation finds the answers in vm->answers. `hash`
 * is of what the binding was called with (hgl_journal_hash). The agent layer stores what is waited
 * for and what resumed the run, and gives it again when the handler is replayed. */
int hgl_run_suspend(lua_State *L, uint32_t hash, lua_KFunction resumed);
void hgl_run_forget_asks(struct hgl_vm *vm, struct hgl_vm_run *run);
/* Calls `body` with `argument` (a light userdata) protected on the main state; on failure the error
 * object is left there. */
int hgl_run_protected(struct hgl_vm *vm, lua_CFunction body, void *argument);

/* ---- bindings ---- */

void hgl_bind_agent_open(lua_State *L, struct hgl_bytes config);
int hgl_bind_log_push(lua_State *L);
int hgl_bind_print(lua_State *L);
int hgl_bind_cache_push(lua_State *L);
void hgl_bind_message_open(lua_State *L);
void hgl_bind_message_push(lua_State *L, const struct hgl_vm_message *message);
/* agent.reply and message:reply; agent.refuse and message:refuse. */
int hgl_bind_message_reply(lua_State *L);
int hgl_bind_message_refuse(lua_State *L);
/* bind_request.c: what a handler of agent.on_http gets, and what it returned, from `first` on to
 * the top of the stack. */
void hgl_bind_request_open(lua_State *L);
void hgl_bind_request_push(lua_State *L, struct hgl_bytes values);
void hgl_bind_request_returned(lua_State *L, int first);
int hgl_bind_haggle_push(lua_State *L); /* the module `haggle` */
int hgl_bind_require(lua_State *L);
/* bind_secret.c: haggle.secret, haggle.secret_parts */
int hgl_bind_secret(lua_State *L);
int hgl_bind_secret_parts(lua_State *L);
bool hgl_bind_is_secret(lua_State *L, int index);
/* Appends its parts for ops.call: a list of bytes, which stand for themselves, and of names. */
void hgl_bind_put_secret(lua_State *L, int index, struct hgl_buf *out);

/* What a binding returns for a failure: raises for bugs, else nil, why, code. Noted as the event of
 * this operation. */
int hgl_bind_failed(lua_State *L, enum hgl_journal_op op, uint32_t hash, const struct hgl_err *err);
/* Returns this id, or true, and notes it. */
int hgl_bind_id(lua_State *L, enum hgl_journal_op op, uint32_t hash, const struct hgl_id *id);
int hgl_bind_true(lua_State *L, enum hgl_journal_op op, uint32_t hash);
int64_t hgl_bind_now(lua_State *L); /* Unix time in ms, noted */
/* Raise "agent.send at the top level …", "agent.on in a handler …". */
void hgl_bind_in_handler(lua_State *L, const char *what);
void hgl_bind_at_top(lua_State *L, const char *what);
struct hgl_bytes hgl_bind_text(lua_State *L, int arg); /* a string, numbers are not */
int64_t hgl_bind_duration(lua_State *L, int index, const char *what);
/* Encodes the argument (absent or nil: an empty map) at the end of `out`; raises. In a replay it
 * raises when it did so before, and else leaves `out` alone: nothing is done with it. */
void hgl_bind_encode(lua_State *L, int index, const char *what, struct hgl_buf *out);
/* Raises for a key of the table at `index` that is not in the NULL-terminated list. */
void hgl_bind_options(lua_State *L, int index, const char *const *known);
/* ops.call with the encoded arguments in vm->scratch; pushes the result. `hash`: of them. */
int hgl_bind_call(lua_State *L, const char *name, uint32_t hash);
/* bind_flow.c: agent.exclusive, agent.continue */
int hgl_bind_exclusive(lua_State *L);
int hgl_bind_continue(lua_State *L);
/* bind_infer.c */
int hgl_bind_infer(lua_State *L);
/* bind_host.c: what the options at 3, { within = "30s" } or nil, say. */
int64_t hgl_bind_call_within(lua_State *L);
/* A call of this service, whose encoded request is in vm->scratch. */
int hgl_bind_call_outside(lua_State *L, struct hgl_bytes service, int64_t within_ms, uint32_t hash);
/* bind_host.c: what is outside */
int hgl_bind_host_push(lua_State *L);

#endif
