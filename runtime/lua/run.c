/* Runs: a handler's call as a coroutine, its stretches, its suspensions and how it ends. */
#include "lua/vm_core.h"

#include <assert.h>

#include "base/mem.h"
#include "lua/show.h"
#include "protocol/cbor.h"

enum {
  IDLE_BUFFER_SIZE_MAX = 64 << 10,
  IDLE_EVENTS_SIZE_MAX = 4 << 10,
  TRACEBACK_LEVELS_MAX = 24,
  ANSWER_SIZE = 256, /* counted for the rest of an answer, beside its body */
};

/* ---- handlers ---- */

/* Key of a handler: its kind as one character, then its name. */
static void push_key(lua_State *L, enum hgl_vm_declaration kind, struct hgl_bytes name)
{
  char key[1 + HGL_VM_NAME_SIZE_MAX];
  if (name.size > HGL_VM_NAME_SIZE_MAX) name.size = HGL_VM_NAME_SIZE_MAX;
  key[0] = (char)('A' + kind);
  if (name.size > 0) memcpy(key + 1, name.data, name.size);
  lua_pushlstring(L, key, 1 + name.size);
}

void hgl_run_push_handler(lua_State *L, enum hgl_vm_declaration kind, struct hgl_bytes name)
{
  lua_rawgeti(L, LUA_REGISTRYINDEX, hgl_vm_of(L)->handlers_ref);
  push_key(L, kind, name);
  lua_rawget(L, -2);
  lua_remove(L, -2);
}

void hgl_run_set_handler(lua_State *L, enum hgl_vm_declaration kind, struct hgl_bytes name, int fn)
{
  lua_rawgeti(L, LUA_REGISTRYINDEX, hgl_vm_of(L)->handlers_ref);
  push_key(L, kind, name);
  lua_pushvalue(L, fn);
  lua_rawset(L, -3);
  lua_pop(L, 1);
}

struct lookup {
  enum hgl_vm_declaration kind;
  struct hgl_bytes name;
  bool found;
};

static int look_up(lua_State *L)
{
  struct lookup *lookup = lua_touserdata(L, 1);
  hgl_run_push_handler(L, lookup->kind, lookup->name);
  lookup->found = !lua_isnil(L, -1);
  return 0;
}

bool hgl_vm_has(const struct hgl_vm *vm, enum hgl_vm_declaration kind, struct hgl_bytes name)
{
  struct lookup lookup = {kind, name, false};
  int top = lua_gettop(vm->L);
  hgl_run_protected((struct hgl_vm *)vm, look_up, &lookup);
  lua_settop(vm->L, top);
  return lookup.found;
}

int hgl_run_protected(struct hgl_vm *vm, lua_CFunction body, void *argument)
{
  lua_pushcfunction(vm->L, body);
  lua_pushlightuserdata(vm->L, argument);
  return lua_pcall(vm->L, 1, 0, 0);
}

/* ---- suspension, from a binding ---- */

void hgl_run_check_suspendable(lua_State *L, const char *what)
{
  if (lua_isyieldable(L) && hgl_vm_of(L)->chain_yieldable) return;
  lua_Debug frame;
  for (int level = 1; lua_getstack(L, level, &frame); level++) {
    lua_getinfo(L, "Sn", &frame);
    /* pcall and xpcall can be suspended; sort, gsub and other C functions cannot. */
    if (*frame.what != 'C' || !frame.name || strstr(frame.name, "pcall")) continue;
    luaL_error(L, "%s cannot wait inside a function that '%s' calls", what, frame.name);
  }
  luaL_error(L, "%s cannot wait here: a function below cannot be suspended", what);
}

static void refuse_to_wait(lua_State *L, uint32_t hash, const char *message)
{
  hgl_journal_note_raise(hgl_vm_of(L), HGL_JOURNAL_WAIT, hash, message);
  luaL_error(L, "%s", message);
}

/* What cannot be run again must not be suspended. */
static void check_journal(lua_State *L, uint32_t hash)
{
  struct hgl_vm *vm = hgl_vm_of(L);
  struct hgl_vm_run *run = vm->run;
  size_t bytes = run->journal_bytes + vm->journal.events.size;
  if (run->continued) refuse_to_wait(L, hash, "a handler cannot wait after agent.continue");
  if (run->unordered)
    refuse_to_wait(L, hash,
                   "a handler cannot wait after going through a table whose keys are tables, "
                   "functions or userdata: they have no order");
  char text[160];
  run->journal_full = true;
  if (run->suspensions >= HGL_VM_SUSPENSIONS_MAX) {
    snprintf(text, sizeof text,
             "journal_full: this handler has waited %d times; see agent.continue",
             HGL_VM_SUSPENSIONS_MAX);
    refuse_to_wait(L, hash, text);
  }
  if (vm->journal.full || bytes > HGL_VM_JOURNAL_SIZE_MAX) {
    snprintf(text, sizeof text,
             "journal_full: this handler has read more than %d KB; see agent.continue",
             HGL_VM_JOURNAL_SIZE_MAX >> 10);
    refuse_to_wait(L, hash, text);
  }
  run->journal_full = false;
}

/* Views that are garbage count as held until they have been collected. */
static void check_views(lua_State *L, uint32_t hash)
{
  char text[160];
  size_t count, size = hgl_run_views_held(L, &count);
  if (size <= HGL_VM_PLACES_SIZE_MAX) return;
  lua_gc(L, LUA_GCCOLLECT);
  size = hgl_run_views_held(L, &count);
  if (size <= HGL_VM_PLACES_SIZE_MAX) return;
  snprintf(text, sizeof text,
           "limit: this handler holds %zu tables of state across a suspension, whose places take "
           "%zu bytes; limit %d",
           count, size, HGL_VM_PLACES_SIZE_MAX);
  refuse_to_wait(L, hash, text);
}

int hgl_run_suspend(lua_State *L, uint32_t hash, lua_KFunction resumed)
{
  struct hgl_vm *vm = hgl_vm_of(L);
  struct hgl_journal_event event;
  if (hgl_journal_replaying(vm)) {
    hgl_journal_expect(L, HGL_JOURNAL_WAIT, hash, &event);
    vm->suspending = true;
    return lua_yieldk(L, 0, 0, resumed);
  }
  if (vm->journal.mode == HGL_JOURNAL_OFF) {
    vm->may_wait = true;
    luaL_error(L, "this handler had not been expected to wait: it is tried again");
  }
  check_journal(L, hash);
  check_views(L, hash);
  hgl_journal_note_bool(vm, HGL_JOURNAL_WAIT, hash, true);
  if (vm->journal.full) check_journal(L, hash);
  size_t waiting = vm->run->waiting > vm->run_count ? vm->run->waiting : vm->run_count;
  if (!vm->run->link && waiting >= vm->limits.runs_max) {
    vm->doomed = HGL_LIMIT;
    vm->too_many_runs = true;
    lua_pushliteral(L, "too many handlers are waiting");
    hgl_stretch_caught(L, LUA_ERRRUN);
  }
  struct hgl_vm_run *run = vm->run;
  run->charged = run->ask_data.size;
  vm->memory.used += run->charged;
  if (vm->memory.used > vm->memory.max) hgl_sandbox_no_memory(L);
  vm->suspending = true;
  return lua_yieldk(L, 0, 0, resumed);
}

void hgl_run_forget_asks(struct hgl_vm *vm, struct hgl_vm_run *run)
{
  vm->memory.used -= run->charged;
  run->charged = 0;
  hgl_free(run->asks);
  run->asks = NULL;
  hgl_buf_clear(&run->ask_data);
}

/* ---- why it failed ---- */

/* The frames of the script: those of C say nothing to its author. Returns the first one's place. */
static void describe_stack(struct hgl_vm *vm, lua_State *co, char *place, size_t size)
{
  lua_Debug frame;
  hgl_buf_append_text(&vm->traceback, "stack traceback:");
  int shown = 0;
  for (int level = 0; lua_getstack(co, level, &frame) && shown < TRACEBACK_LEVELS_MAX; level++) {
    lua_getinfo(co, "Slnt", &frame);
    if (*frame.what == 'C') continue;
    if (shown++ == 0) snprintf(place, size, "%s:%d: ", frame.short_src, frame.currentline);
    hgl_buf_printf(&vm->traceback, "\n  %s:%d: in ", frame.short_src, frame.currentline);
    if (*frame.what == 'm')
      hgl_buf_append_text(&vm->traceback, "the top level");
    else if (frame.name)
      hgl_buf_printf(&vm->traceback, "%s '%s'", *frame.namewhat ? frame.namewhat : "function",
                     frame.name);
    else
      hgl_buf_printf(&vm->traceback, "the function of line %d", frame.linedefined);
    if (frame.istailcall) hgl_buf_append_text(&vm->traceback, " (tail call)");
  }
  hgl_buf_append_byte(&vm->traceback, 0);
}

/* ---- one stretch ---- */

struct stretch {
  struct hgl_vm *vm;
  struct hgl_vm_run *run;
  const struct hgl_vm_call *call; /* NULL: go on after a suspension */
  const struct hgl_bytes *past;   /* a replay of these events; NULL: for the first time */
  enum hgl_vm_outcome outcome;
  bool error_left; /* the error object is on top of the main state */
  char place[96];  /* "file:line: " of what raised */
  struct hgl_err error;
};

static void take_coroutine(lua_State *L, struct hgl_vm_run *run)
{
  struct hgl_vm *vm = hgl_vm_of(L);
  if (vm->idle) {
    run->co = vm->idle;
    run->ref = vm->idle_ref;
    vm->idle = NULL;
    return;
  }
  lua_State *co = lua_newthread(L);
  run->ref = luaL_ref(L, LUA_REGISTRYINDEX);
  run->co = co;
}

/* A coroutine that ended well starts afresh with the next function; others are left to the
 * collector. Neither raises nor allocates. */
static void give_coroutine_back(struct hgl_vm *vm, struct hgl_vm_run *run, bool ended_well)
{
  if (!run->co) return;
  if (ended_well && !vm->idle) {
    vm->idle = run->co;
    vm->idle_ref = run->ref;
    lua_settop(run->co, 0);
  } else {
    luaL_unref(vm->L, LUA_REGISTRYINDEX, run->ref);
  }
  run->co = NULL;
}

static int push_values(lua_State *L, struct hgl_bytes values)
{
  struct hgl_cbor_reader in = hgl_cbor_reader(values);
  struct hgl_err err;
  size_t count = 0;
  if (values.size == 0) return 0;
  if (hgl_cbor_get_list(&in, "arguments", 16, &count, &err) != 0) luaL_error(L, "%s", err.message);
  for (size_t i = 0; i < count; i++) {
    struct hgl_bytes value;
    if (hgl_cbor_get_value(&in, "argument", &value, &err) != 0) luaL_error(L, "%s", err.message);
    hgl_lua_push_value(L, value);
  }
  return (int)count;
}

/* Returns the number of arguments that now lie on the run's coroutine, above the function; -1
 * without a handler. */
static int push_line(lua_State *L, struct stretch *stretch)
{
  size_t size;
  if (push_values(L, stretch->call->values) != 1 || !lua_isstring(L, -1))
    luaL_error(L, "a console's line is a text");
  const char *line = lua_tolstring(L, -1, &size);
  hgl_console_push(L, hgl_bytes(line, size));
  lua_xmove(L, stretch->run->co, 1);
  return 0;
}

static int push_call(lua_State *L, struct stretch *stretch)
{
  const struct hgl_vm_call *call = stretch->call;
  struct hgl_vm_run *run = stretch->run;
  if (run->console) return push_line(L, stretch);
  hgl_run_push_handler(L, call->kind, call->name);
  if (lua_isnil(L, -1)) return -1;
  int count = 0;
  luaL_checkstack(L, 20, NULL);
  if (call->message) {
    hgl_bind_message_push(L, call->message);
    count++;
  }
  if (call->kind == HGL_VM_ON_HTTP) {
    hgl_bind_request_push(L, call->values);
    count++;
  } else {
    count += push_values(L, call->values);
  }
  if (!lua_checkstack(run->co, count + 1)) luaL_error(L, "not enough memory");
  lua_xmove(L, run->co, count + 1);
  return count;
}

/* What it returned lies on its coroutine. */
static void answer_with_results(lua_State *L, lua_State *co, int results)
{
  luaL_checkstack(L, 24, NULL);
  int first = lua_gettop(L) + 1, more = results > 3 ? results - 3 : 0;
  lua_pop(co, more);
  lua_xmove(co, L, results - more);
  hgl_bind_request_returned(L, first);
}

static int run_stretch(lua_State *L)
{
  struct stretch *stretch = lua_touserdata(L, 1);
  struct hgl_vm *vm = stretch->vm;
  struct hgl_vm_run *run = stretch->run;
  int count = 0, results;
  if (stretch->call) {
    take_coroutine(L, run);
    count = push_call(L, stretch);
    if (count < 0) {
      hgl_fail(&stretch->error, HGL_NO_HANDLER, "no handler for '%.*s'",
               HGL_STR(stretch->call->name));
      return 0;
    }
  }
  hgl_stretch_enter(vm, run->co);
  int status = lua_resume(run->co, L, count, &results);
  hgl_stretch_leave(vm, L);
  if (status == LUA_ERRMEM && !vm->doomed) vm->doomed = HGL_NO_MEMORY;
  if (status == LUA_OK && !vm->doomed && run->answers_http)
    answer_with_results(L, run->co, results);
  if (status == LUA_OK && !vm->doomed) stretch->outcome = HGL_VM_DONE;
  if (status == LUA_YIELD && vm->suspending && !vm->doomed) stretch->outcome = HGL_VM_SUSPENDED;
  if (stretch->outcome == HGL_VM_DONE && run->console)
    hgl_show_values(L, run->co, results, &vm->shown);
  if (stretch->outcome != HGL_VM_RAISED) return 0;
  describe_stack(vm, run->co, stretch->place, sizeof stretch->place);
  if (vm->doomed || status == LUA_OK || status == LUA_YIELD) return 0;
  lua_xmove(run->co, L, 1);
  return lua_error(L);
}

/* ---- after the stretch, protected again and with some memory to spare ---- */

static int check_variables(lua_State *L)
{
  struct stretch *stretch = lua_touserdata(L, 1);
  if (!hgl_freeze_check(L)) return 0;
  if (stretch->outcome == HGL_VM_RAISED) return 0;
  stretch->outcome = HGL_VM_RAISED;
  hgl_fail(&stretch->error, HGL_SCRIPT, "%s", lua_tostring(L, -1));
  return 0;
}

/* "file:42: …" */
static bool has_place(const char *message)
{
  const char *colon = strchr(message, ':');
  size_t digits = colon ? strspn(colon + 1, "0123456789") : 0;
  return digits > 0 && colon[1 + digits] == ':';
}

/* What C functions raise, and error with level 0 or with an object, comes without a place. */
static int describe_error(lua_State *L)
{
  struct stretch *stretch = lua_touserdata(L, 1);
  bool text = lua_isstring(L, 2) || luaL_getmetafield(L, 2, "__tostring") != LUA_TNIL;
  lua_settop(L, 2);
  hgl_sandbox_tostring(L, 2);
  const char *message = lua_tostring(L, -1);
  hgl_err_set(&stretch->error, HGL_SCRIPT, "%s%s%s", has_place(message) ? "" : stretch->place,
              text ? "" : "error called with a value that is no text: ", message);
  hgl_lib_suggest(L, &stretch->error);
  return 0;
}

/* The error object, or nothing, lies on the main state. Its __tostring may raise or run for ever:
 * that is the error then. */
static void explain(struct hgl_vm *vm, struct stretch *stretch, int status)
{
  lua_State *L = vm->L;
  if (status != LUA_OK && !vm->doomed) {
    lua_pushcfunction(L, describe_error);
    lua_insert(L, 1);
    lua_pushlightuserdata(L, stretch);
    lua_insert(L, 2);
    if (lua_pcall(L, 2, 0, 0) != LUA_OK && !vm->doomed)
      hgl_fail(&stretch->error, HGL_SCRIPT, "%san error object that cannot be shown",
               stretch->place);
  }
  if (vm->doomed) {
    char text[128];
    hgl_stretch_doom_text(vm, text, sizeof text);
    hgl_fail(&stretch->error, vm->doomed, "%s%s", *vm->struck ? vm->struck : stretch->place, text);
  }
  if (!stretch->error.code) hgl_fail(&stretch->error, HGL_INTERNAL, "the handler stopped");
  lua_settop(L, 0);
}

static void link_run(struct hgl_vm *vm, struct hgl_vm_run *run)
{
  if (run->link) return;
  run->next = vm->runs;
  if (run->next) run->next->link = &run->next;
  run->link = &vm->runs;
  vm->runs = run;
  vm->run_count++;
}

static void free_run(struct hgl_vm *vm, struct hgl_vm_run *run)
{
  if (run->link) {
    *run->link = run->next;
    if (run->next) run->next->link = run->link;
    vm->run_count--;
  }
  hgl_run_forget_asks(vm, run);
  hgl_run_views_forget(vm, run);
  hgl_buf_deinit(&run->ask_data);
  if (vm->spare_run)
    hgl_free(run);
  else
    vm->spare_run = run;
}

static struct hgl_vm_run *new_run(struct hgl_vm *vm)
{
  struct hgl_vm_run *run = vm->spare_run;
  vm->spare_run = NULL;
  if (run) *run = (struct hgl_vm_run){0};
  return run ? run : hgl_zalloc(sizeof *run);
}

static void trim(struct hgl_buf *buf)
{
  if (buf->capacity > IDLE_BUFFER_SIZE_MAX) hgl_buf_deinit(buf);
}

static void begin_journal(struct stretch *stretch)
{
  struct hgl_vm *vm = stretch->vm;
  struct hgl_journal *journal = &vm->journal;
  hgl_buf_clear(&journal->events);
  journal->full = false;
  journal->mode = stretch->past                           ? HGL_JOURNAL_REPLAY
                  : vm->may_wait || stretch->run->console ? HGL_JOURNAL_RECORD
                                                          : HGL_JOURNAL_OFF;
  journal->past = stretch->past ? *stretch->past : hgl_bytes(NULL, 0);
  journal->at = journal->calls = 0;
  stretch->run->journal_full = stretch->run->continued = false;
  if (journal->mode != HGL_JOURNAL_OFF) hgl_run_views_begin(vm);
}

/* A stretch that was replayed has to come to the same end. */
static void check_replay(struct stretch *stretch)
{
  struct hgl_journal *journal = &stretch->vm->journal;
  if (stretch->outcome == HGL_VM_SUSPENDED && journal->at == journal->past.size) return;
  bool limit = stretch->outcome == HGL_VM_RAISED && stretch->error.code != HGL_SCRIPT;
  if (limit) return;
  struct hgl_err was = stretch->error;
  if (stretch->outcome == HGL_VM_RAISED)
    hgl_fail(&stretch->error, HGL_DIVERGED, "call %zu: the handler now raises: %.300s",
             journal->calls + 1, was.message);
  else
    hgl_fail(&stretch->error, HGL_DIVERGED, "call %zu: the handler now %s before %s",
             journal->calls + 1, stretch->outcome == HGL_VM_DONE ? "ends" : "waits",
             journal->at < journal->past.size ? hgl_journal_op_name(journal->past.data[journal->at])
                                              : "it waits");
  stretch->outcome = HGL_VM_RAISED;
}

static void end_journal(struct stretch *stretch)
{
  struct hgl_vm *vm = stretch->vm;
  struct hgl_vm_run *run = stretch->run;
  bool suspended = stretch->outcome == HGL_VM_SUSPENDED;
  size_t size = stretch->past ? stretch->past->size : vm->journal.events.size;
  if (vm->journal.mode != HGL_JOURNAL_OFF) hgl_run_views_end(vm, suspended);
  vm->journal.mode = HGL_JOURNAL_OFF;
  if (suspended) {
    run->suspensions++;
    run->journal_bytes += size;
  } else if (run->journal_full && stretch->outcome == HGL_VM_RAISED &&
             stretch->error.code == HGL_SCRIPT) {
    stretch->error.code = HGL_JOURNAL_FULL;
  }
}

static enum hgl_vm_outcome do_stretch(struct stretch *stretch, struct hgl_vm_wait *wait,
                                      struct hgl_vm_failure *failure)
{
  struct hgl_vm *vm = stretch->vm;
  struct hgl_vm_run *run = stretch->run;
  stretch->outcome = HGL_VM_RAISED;
  vm->run = run;
  hgl_buf_clear(&vm->traceback);
  if (vm->shown.data) hgl_buf_deinit(&vm->shown);
  hgl_state_begin(vm->state);
  hgl_state_begin(vm->cache);
  begin_journal(stretch);
  hgl_stretch_begin(vm, vm->L);

  int status = hgl_run_protected(vm, run_stretch, stretch);
  vm->last_words = true;
  if (status != LUA_OK) stretch->outcome = HGL_VM_RAISED;
  if (stretch->outcome == HGL_VM_RAISED && !stretch->error.code) explain(vm, stretch, status);
  if (!hgl_freeze_intact(vm->L) && hgl_run_protected(vm, check_variables, stretch) != LUA_OK) {
    stretch->outcome = HGL_VM_RAISED;
    hgl_fail(&stretch->error, vm->doomed ? vm->doomed : HGL_SCRIPT, "%s",
             lua_isstring(vm->L, -1) ? lua_tostring(vm->L, -1) : "cannot check script variables");
  }
  if (stretch->past) check_replay(stretch);
  if (stretch->outcome != HGL_VM_SUSPENDED)
    give_coroutine_back(vm, run, stretch->outcome == HGL_VM_DONE);
  end_journal(stretch);
  lua_settop(vm->L, 0);
  hgl_stretch_end(vm);
  vm->last_words = false;
  vm->run = NULL;
  trim(&vm->scratch);
  trim(&vm->result);
  if (stretch->outcome != HGL_VM_SUSPENDED && vm->journal.events.capacity > IDLE_EVENTS_SIZE_MAX)
    hgl_buf_deinit(&vm->journal.events);
  if (stretch->past) hgl_vm_roll_back(vm);

  if (stretch->outcome == HGL_VM_SUSPENDED) {
    link_run(vm, run);
    *wait = run->wait;
    return HGL_VM_SUSPENDED;
  }
  free_run(vm, run);
  if (stretch->outcome == HGL_VM_RAISED) {
    failure->state_writes = hgl_state_writes(vm->state);
    failure->cache_writes = hgl_state_writes(vm->cache);
    if (!stretch->past) hgl_vm_roll_back(vm);
    failure->error = stretch->error;
    failure->exhausted = vm->doomed && !vm->too_many_runs;
    struct hgl_err ignored;
    bool whole = vm->traceback.size > 0 && hgl_buf_check(&vm->traceback, &ignored) == 0;
    failure->traceback = whole ? (const char *)vm->traceback.data : "";
  }
  return stretch->outcome;
}

static enum hgl_vm_outcome start(struct hgl_vm *vm, const struct hgl_vm_call *call,
                                 const struct hgl_bytes *past, struct hgl_vm_run **run,
                                 struct hgl_vm_wait *wait, struct hgl_vm_failure *failure)
{
  struct stretch stretch = {.vm = vm, .call = call, .past = past, .run = new_run(vm)};
  if (!stretch.run) {
    hgl_fail(&failure->error, HGL_NO_MEMORY, "no memory for a handler's run");
    failure->traceback = "";
    failure->exhausted = false;
    failure->state_writes = failure->cache_writes = 0;
    return HGL_VM_RAISED;
  }
  hgl_buf_init(&stretch.run->ask_data, HGL_VM_ASKS_SIZE_MAX);
  stretch.run->random.state = call->seed;
  stretch.run->waiting = call->waiting;
  stretch.run->console = call->kind == HGL_VM_CONSOLE;
  stretch.run->answers_http = call->kind == HGL_VM_ON_HTTP;
  enum hgl_vm_outcome outcome = do_stretch(&stretch, wait, failure);
  if (outcome == HGL_VM_SUSPENDED) *run = stretch.run;
  return outcome;
}

static enum hgl_vm_outcome resume(struct hgl_vm *vm, struct hgl_vm_run *run,
                                  const struct hgl_vm_answer *answers, size_t count,
                                  const struct hgl_bytes *past, struct hgl_vm_wait *wait,
                                  struct hgl_vm_failure *failure)
{
  struct stretch stretch = {.vm = vm, .run = run, .past = past};
  assert(count == run->wait.ask_count);
  vm->answers = answers;
  vm->answer_count = count;
  for (size_t i = 0; i < count; i++)
    run->journal_bytes += ANSWER_SIZE + answers[i].value.size +
                          (answers[i].message ? answers[i].message->envelope.body.size : 0);
  hgl_run_forget_asks(vm, run);
  enum hgl_vm_outcome outcome = do_stretch(&stretch, wait, failure);
  vm->answers = NULL;
  vm->answer_count = 0;
  return outcome;
}

enum hgl_vm_outcome hgl_vm_start(struct hgl_vm *vm, const struct hgl_vm_call *call,
                                 struct hgl_vm_run **run, struct hgl_vm_wait *wait,
                                 struct hgl_vm_failure *failure)
{
  return start(vm, call, NULL, run, wait, failure);
}

enum hgl_vm_outcome hgl_vm_resume(struct hgl_vm *vm, struct hgl_vm_run *run,
                                  const struct hgl_vm_answer *answers, size_t count,
                                  struct hgl_vm_wait *wait, struct hgl_vm_failure *failure)
{
  return resume(vm, run, answers, count, NULL, wait, failure);
}

struct hgl_bytes hgl_vm_shown(const struct hgl_vm *vm)
{
  return hgl_buf_bytes(&vm->shown);
}

struct hgl_bytes hgl_vm_events(const struct hgl_vm *vm)
{
  return hgl_buf_bytes(&vm->journal.events);
}

enum hgl_vm_outcome hgl_vm_replay_start(struct hgl_vm *vm, const struct hgl_vm_call *call,
                                        struct hgl_bytes events, struct hgl_vm_run **run,
                                        struct hgl_vm_failure *failure)
{
  struct hgl_vm_wait wait;
  return start(vm, call, &events, run, &wait, failure);
}

enum hgl_vm_outcome hgl_vm_replay_resume(struct hgl_vm *vm, struct hgl_vm_run *run,
                                         const struct hgl_vm_answer *answers, size_t count,
                                         struct hgl_bytes events, struct hgl_vm_failure *failure)
{
  struct hgl_vm_wait wait;
  return resume(vm, run, answers, count, &events, &wait, failure);
}

void hgl_vm_abandon(struct hgl_vm *vm, struct hgl_vm_run *run)
{
  give_coroutine_back(vm, run, false);
  free_run(vm, run);
}

void hgl_vm_accept(struct hgl_vm *vm)
{
  hgl_state_accept(vm->state);
  hgl_state_accept(vm->cache);
}

void hgl_vm_roll_back(struct hgl_vm *vm)
{
  hgl_state_roll_back(vm->state);
  hgl_state_roll_back(vm->cache);
}

bool hgl_vm_wrote(const struct hgl_vm *vm)
{
  return hgl_state_writes(vm->state) > 0;
}

bool hgl_vm_dirty(const struct hgl_vm *vm)
{
  return hgl_state_dirty(vm->state);
}

int hgl_vm_flush(struct hgl_vm *vm, struct hgl_err *err)
{
  return hgl_state_flush(vm->state, err);
}
