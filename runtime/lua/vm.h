/* One agent's Lua state: sandbox, limits, handlers as coroutines, bindings. The agent layer loads a
 * script, starts and resumes runs, and serves the bindings through struct hgl_vm_ops.
 *
 * Life: hgl_vm_create runs the script's top level (declarations arrive through ops.declare), then
 * freezes script variables. A *run* is one call of a handler; it ends (DONE, RAISED) or is
 * SUSPENDED with what it waits for. Each stretch between is atomic: hgl_vm_start and hgl_vm_resume
 * begin it; when they return DONE or SUSPENDED the agent layer calls hgl_vm_accept (or
 * hgl_vm_roll_back, if its own part of the stretch failed); on RAISED the state has already been
 * rolled back and the run is over.
 *
 * What a script asked to be closed (`local x <close>`) is closed when its block ends, in whatever
 * way, while its handler runs. When a run ends otherwise, because it raised, hit a limit or was
 * abandoned, handlers that are still pending are not called: there is no stretch for them to act
 * in.
 *
 * Values cross this border as encoded CBOR values (protocol/value.h). Loop thread only; nothing
 * here is re-entrant: an op must not call back into its VM. */
#ifndef HGL_LUA_VM_H
#define HGL_LUA_VM_H

#include "base/buf.h"
#include "base/log.h"
#include "lua/state.h"
#include "protocol/envelope.h"

struct hgl_vm;
struct hgl_vm_run;

/* ---- scripts: compiled once per host, shared by all agents as (unstripped) bytecode ---- */

struct hgl_chunks; /* cache of compiled chunks; owned by the host */
int hgl_chunks_create(struct hgl_chunks **out, struct hgl_err *err) HGL_NODISCARD;
void hgl_chunks_destroy(struct hgl_chunks *chunks);

/* ---- what a script declares at its top level ---- */

enum hgl_vm_declaration {
  HGL_VM_DESCRIBE, /* value: map {name?, version?, about?} */
  HGL_VM_PROTOCOL, /* value: map, the definition as written (see protocol/dialogue.h) */
  HGL_VM_OFFER,    /* value: map {service, protocol?, attributes…} */
  HGL_VM_HANDLER,  /* name: message type "protocol/version/performative" */
  HGL_VM_ON_START,
  HGL_VM_ON_UPGRADE,
  HGL_VM_ON_STOP,
  HGL_VM_ON_UNDELIVERED,
  HGL_VM_ON_TIMER, /* name: the timer's */
  HGL_VM_EVERY,    /* name: the schedule's; value: map {every_ms, at_start?} or
                      {cron, zone, at_start?} */
  HGL_VM_CONSOLE,  /* of calls only: values [line], which is compiled and run */
  HGL_VM_ON_HTTP,  /* name: method and path, "GET /lots/:id"; value: map {within_ms} */
};

/* ---- a message as a handler sees it ---- */

struct hgl_vm_message {
  struct hgl_envelope envelope; /* slices good for the call */
  int attempt;                  /* 1 for the first */
};

/* ---- what a suspended run waits for ---- */

struct hgl_vm_ask {
  struct hgl_bytes to, type; /* text: "did:key:…", "did@did", or a local agent's name */
  struct hgl_bytes body;     /* encoded */
  int64_t within_ms;
};

enum hgl_vm_wait_kind {
  HGL_VM_WAIT_ASK,
  HGL_VM_WAIT_ASK_ALL,
  HGL_VM_WAIT_SLEEP,
  HGL_VM_WAIT_LOCK, /* agent.exclusive: until ops.lock's key is this run's */
  HGL_VM_WAIT_CALL, /* host.call */
};

/* What is to be done outside. */
struct hgl_vm_outside {
  struct hgl_bytes service; /* text */
  struct hgl_bytes request; /* encoded */
  int64_t within_ms;
};

struct hgl_vm_wait {
  enum hgl_vm_wait_kind kind;
  int64_t sleep_ms;
  struct hgl_bytes lock;         /* LOCK: the key; owned as asks are */
  struct hgl_vm_outside outside; /* CALL; owned likewise */
  const struct hgl_vm_ask *asks; /* owned by the run until it is resumed */
  size_t ask_count;              /* how many answers resume it; of a call: one */
};

/* One answer per ask, in order; one for a call; none for a sleep or a lock. */
struct hgl_vm_answer {
  const struct hgl_vm_message *message; /* the reply; or NULL: */
  struct hgl_bytes value;               /* what came of a call, encoded; or empty: */
  enum hgl_code code;                   /* nil, why, code */
  const char *why;
};

enum hgl_vm_outcome { HGL_VM_DONE, HGL_VM_SUSPENDED, HGL_VM_RAISED };

/* ---- what bindings need from outside ---- */

struct hgl_vm_send {
  const struct hgl_key *to_key; /* an answer: the agent it goes to, and `to` is empty; else NULL */
  struct hgl_bytes to, type, body; /* as in hgl_vm_ask */
  const struct hgl_id *thid;       /* NULL: opens a thread of its own */
  const struct hgl_id *pthid;      /* NULL: none */
  int64_t expires_ms;              /* from now; 0: the host's default */
};

struct hgl_vm_ops {
  /* Top level only. An error raises at the declaration, with script and line. `value`: or empty. */
  int (*declare)(void *user, enum hgl_vm_declaration what, struct hgl_bytes name,
                 struct hgl_bytes value, struct hgl_err *err);
  /* Sends within the current stretch. Errors that the world may cause (HGL_UNDELIVERABLE,
   * HGL_LIMIT, HGL_DENIED, HGL_PROTOCOL_VIOLATION is a bug) come back to the script: bugs raise,
   * others are nil, why, code. *id: the envelope's. */
  int (*send)(void *user, const struct hgl_vm_send *send, struct hgl_id *id, struct hgl_err *err);
  /* Timers: `name` declared with on_timer; `key`, or empty, tells several of one name apart. */
  int (*timer_set)(void *user, struct hgl_bytes name, struct hgl_bytes key, int64_t after_ms,
                   struct hgl_bytes value, struct hgl_err *err);
  int (*timer_cancel)(void *user, struct hgl_bytes name, struct hgl_bytes key, struct hgl_err *err);
  /* Durable locks between the agent's handlers. *granted: the running handler has it from here on
   * (also when it had it already: then it is unlocked once all the same); else it has to wait for
   * it (HGL_VM_WAIT_LOCK). Both belong to the stretch. */
  int (*lock)(void *user, struct hgl_bytes key, bool *granted, struct hgl_err *err);
  int (*unlock)(void *user, struct hgl_bytes key, struct hgl_err *err);
  /* Whether this call may be made: the same errors as those of `call` below. It is made when the
   * run waits for it (HGL_VM_WAIT_CALL). */
  int (*outside)(void *user, const struct hgl_vm_outside *outside, struct hgl_err *err);
  /* The answer to the HTTP request that is handled: a list [status, [name, value, …], body], names
   * and values as bytes. It leaves with the stretch; where nobody waits any more it is dropped. */
  int (*answer)(void *user, struct hgl_bytes answer, struct hgl_err *err);
  /* With the end of this handler the one of the timer `name` begins, with this value. Once. */
  int (*go_on)(void *user, struct hgl_bytes name, struct hgl_bytes value, struct hgl_err *err);
  /* Everything else, by name, with one CBOR list of arguments and one CBOR value as result:
   *   "find" [query map]                → list of adverts (maps)
   *   "keep" [message id hex]           → null; keeps that message's evidence for good
   *   "deal" [deal map with id, …]      → null; stores or updates a deal record
   *   "read_file" [path]                → text or bytes (grant read=)
   *   "granted" [kind, value]           → boolean
   *   "sign" [bytes]                    → bytes, the signature of protocol/signed_text.h
   *   "random" [count]                  → bytes
   *   "zone_at" [zone, Unix s]          → map {offset s, name, daylight}
   *   "zone_unix" [zone, local s]       → map {first s, second s?, gap}
   * Errors come back to the script as nil, why, code, except HGL_INVALID, which raises. */
  int (*call)(void *user, const char *name, struct hgl_bytes arguments, struct hgl_buf *result,
              struct hgl_err *err);
  /* A log line of the agent: `fields` is an encoded map or empty. Counted and limited outside. */
  void (*log)(void *user, enum hgl_log_level level, struct hgl_bytes text, struct hgl_bytes fields);
  /* Source of a module for `require`: "haggle.market" or a script's own neighbour "x.y".
   * *chunk_name is what errors show. HGL_NOT_FOUND. Appends the text. */
  int (*module)(void *user, struct hgl_bytes name, struct hgl_buf *source,
                struct hgl_buf *chunk_name, struct hgl_err *err);
  int64_t (*now_ms)(void *user); /* Unix time as handlers see it */
  void *user;
};

/* ---- the VM ---- */

struct hgl_vm_limits {
  size_t memory_bytes;   /* of the Lua state and its state tree in memory */
  int64_t stretch_ms;    /* processor time of one stretch; 0: none */
  int64_t top_level_ms;  /* of the script's top level, where stretch_ms is less */
  uint64_t instructions; /* of one stretch, counted (simulation); 0: not counted */
  size_t state_bytes;
  size_t runs_max; /* suspended handlers */
};

enum {
  HGL_VM_SUSPENSIONS_MAX = 1000,       /* of one run */
  HGL_VM_JOURNAL_SIZE_MAX = 256 << 10, /* bytes of one run's journal */
  /* Bytes of the places of the tables of state that one run holds while it is suspended. One place
   * takes up to HGL_STATE_DEPTH_MAX keys, some 13 KB. */
  HGL_VM_PLACES_SIZE_MAX = 64 << 10,
  HGL_VM_NAME_SIZE_MAX = 128, /* bytes of the name of a handler, timer or module */
};

/* The watchdog: one per host; a thread that interrupts the loop thread's Lua when a stretch
 * overruns. */
struct hgl_watchdog;
int hgl_watchdog_create(struct hgl_watchdog **out, struct hgl_err *err) HGL_NODISCARD;
void hgl_watchdog_destroy(struct hgl_watchdog *watchdog);

struct hgl_vm_config {
  const char *agent_name;
  struct hgl_key agent_key;
  struct hgl_bytes source; /* script text */
  const char *chunk_name;  /* path as errors show it */
  struct hgl_bytes config; /* encoded map: agent.config; empty: {} */
  struct hgl_vm_limits limits;
  struct hgl_vm_ops ops;
  struct hgl_state_rows state_rows;
  struct hgl_chunks *chunks;
  struct hgl_watchdog *watchdog; /* NULL when stretch_ms is 0 */
  /* Another VM of the same agent, with another script, that stays until this one is destroyed: they
   * share state and cache. NULL: none. */
  struct hgl_vm *shares;
};

/* HGL_SCRIPT with "file:line: message" and the line itself; HGL_NO_MEMORY at the memory limit. */
int hgl_vm_create(const struct hgl_vm_config *config, struct hgl_vm **out,
                  struct hgl_err *err) HGL_NODISCARD;
void hgl_vm_destroy(struct hgl_vm *vm);
size_t hgl_vm_memory(const struct hgl_vm *vm); /* bytes in use */
/* ... of them by state and cache: 0 where they are another VM's. */
size_t hgl_vm_state_memory(const struct hgl_vm *vm);
/* State and cache, and the memory that they take, become those of `to`, which was made to share
 * them; `from` shares them from here on and goes first. Between two stretches. */
void hgl_vm_take_state(struct hgl_vm *to, struct hgl_vm *from);

bool hgl_vm_has(const struct hgl_vm *vm, enum hgl_vm_declaration kind, struct hgl_bytes name);

/* Why a run raised: one line, and the traceback (both NUL-terminated, good until the next call). */
struct hgl_vm_failure {
  struct hgl_err
      error; /* code HGL_SCRIPT, HGL_NO_MEMORY (memory limit), HGL_LIMIT (time, runs), … */
  const char *traceback;
  bool exhausted;                    /* it ran into its memory, time or instructions */
  size_t state_writes, cache_writes; /* slots that were written, and rolled back */
};

/* Arguments of a handler call. */
struct hgl_vm_call {
  enum hgl_vm_declaration kind;         /* HANDLER, ON_START, …, EVERY */
  struct hgl_bytes name;                /* of the handler or timer */
  const struct hgl_vm_message *message; /* HANDLER, ON_UNDELIVERED */
  struct hgl_bytes values;              /* encoded list of further arguments, or empty:
                                           ON_START [reason], ON_UPGRADE [from, to], ON_TIMER [value],
                                           ON_UNDELIVERED [why, code], CONSOLE [line];
                                           ON_HTTP: what came, [method, path, params, query, headers,
                                           body], fields as lists of names and values in turn */
  uint64_t seed;                        /* of math.random and ids within this run */
  size_t waiting; /* handlers of the agent that are suspended, whether in this VM or not */
};

/* *run is set when SUSPENDED; *wait too. */
enum hgl_vm_outcome hgl_vm_start(struct hgl_vm *vm, const struct hgl_vm_call *call,
                                 struct hgl_vm_run **run, struct hgl_vm_wait *wait,
                                 struct hgl_vm_failure *failure);
enum hgl_vm_outcome hgl_vm_resume(struct hgl_vm *vm, struct hgl_vm_run *run,
                                  const struct hgl_vm_answer *answers, size_t count,
                                  struct hgl_vm_wait *wait, struct hgl_vm_failure *failure);
/* What the run of a console's line, which has just ended DONE, has returned: for people, without
 * control characters but newlines; good until the next stretch. */
struct hgl_bytes hgl_vm_shown(const struct hgl_vm *vm);
/* Appends, as encoded texts, the names that what stands at the end of a console's line could go on
 * with: globals, or fields of the table before the last dot. HGL_LIMIT. */
int hgl_vm_complete(struct hgl_vm *vm, struct hgl_bytes text, struct hgl_buf *names, size_t *count,
                    struct hgl_err *err) HGL_NODISCARD;
/* Instead of resuming: the run ends here (host stops, agent parked, or its stretch was rolled back
 * by the agent layer). */
void hgl_vm_abandon(struct hgl_vm *vm, struct hgl_vm_run *run);

/* ---- the journal of a run: how it is run again (lua/journal.h) ---- */

/* The events of the stretch that has just ended SUSPENDED; good until the next stretch. */
struct hgl_bytes hgl_vm_events(const struct hgl_vm *vm);
/* Runs a stretch again that once ended SUSPENDED: as hgl_vm_start and hgl_vm_resume, with the same
 * call or answers, but what the handler learns comes from the events and what it does is only
 * compared with them. SUSPENDED, or RAISED with HGL_DIVERGED (how, in the message), or
 * HGL_NO_MEMORY and the like: then the run is over. Neither accepts nor rolls back anything. */
enum hgl_vm_outcome hgl_vm_replay_start(struct hgl_vm *vm, const struct hgl_vm_call *call,
                                        struct hgl_bytes events, struct hgl_vm_run **run,
                                        struct hgl_vm_failure *failure);
enum hgl_vm_outcome hgl_vm_replay_resume(struct hgl_vm *vm, struct hgl_vm_run *run,
                                         const struct hgl_vm_answer *answers, size_t count,
                                         struct hgl_bytes events, struct hgl_vm_failure *failure);
/* The tables of state that a suspended run holds, by the names that its journal has for them. They
 * are followed wherever they go, whether or not the run is in a Lua state. NULL: none. */
struct hgl_vm_views;
int hgl_vm_views_copy(const struct hgl_vm_run *run, struct hgl_vm_views **out,
                      struct hgl_err *err) HGL_NODISCARD;
/* From their places; what stands there no more is left out. The VM's limit of memory does not count
 * here. HGL_CORRUPT, HGL_IO, HGL_NO_MEMORY. */
int hgl_vm_views_load(struct hgl_vm *vm, struct hgl_bytes places, struct hgl_vm_views **out,
                      struct hgl_err *err) HGL_NODISCARD;
/* Appends where they stand now: another place than before only when hgl_vm_moves has changed. At
 * most HGL_VM_PLACES_SIZE_MAX and the head of a list: a suspension that would hold more raises; but
 * others may move the tables below longer keys later. What is beyond then is left out, as if it had
 * been removed. */
int hgl_vm_views_places(const struct hgl_vm *vm, const struct hgl_vm_views *views,
                        struct hgl_buf *out, struct hgl_err *err) HGL_NODISCARD;
size_t hgl_vm_views_beyond(const struct hgl_vm_views *views); /* how many are left out */
void hgl_vm_views_destroy(struct hgl_vm_views *views);
/* After the last replayed stretch: gives the handler its tables. HGL_NO_MEMORY: the run is to be
 * abandoned. */
int hgl_vm_replayed(struct hgl_vm *vm, struct hgl_vm_run *run, const struct hgl_vm_views *views,
                    struct hgl_err *err) HGL_NODISCARD;
uint64_t hgl_vm_moves(const struct hgl_vm *vm);

void hgl_vm_accept(struct hgl_vm *vm);
void hgl_vm_roll_back(struct hgl_vm *vm);
bool hgl_vm_wrote(const struct hgl_vm *vm); /* to state, the stretch that is still to be accepted */
bool hgl_vm_dirty(const struct hgl_vm *vm);
/* Writes the changed state records to state_rows. At the end of the tick. */
int hgl_vm_flush(struct hgl_vm *vm, struct hgl_err *err) HGL_NODISCARD;

#endif
