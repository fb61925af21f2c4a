/* Handlers that are not finished. Part of agent/internal.h.
 *
 * A run is one call of a handler. Each of its stretches that ended in a suspension is a *record*:
 * what had resumed it, and the events of its journal (lua/journal.h). Records, what the handler was
 * called with and the digest of its script are rows of RUNS (run_rows.c); from them a handler whose
 * Lua state is gone, with the process or because its stretch raised, is run again to where it
 * waited (run_replay.c).
 *
 * Invariants
 * - A run with `stretches` == 0 has committed nothing: it is a mail that waits for its turn in its
 *   thread, or to be tried again; the mail stands in MAILBOX.
 * - `vm_run` may be NULL at any time between two stretches.
 * - What is in no row yet is in memory; a run that has such stands in host->unsaved_runs or in
 *   host->deferred_runs, until the end of the tick there, longer here.
 * - A run whose stretches since its last row were brought about by eager calls (calls.h), and did
 *   nothing but make the next, is *deferred* (run_deferred.c): no commit is made for it, and none
 *   of others' holds its records. They follow with the first stretch that does something, or whose
 *   answer took a second; when the agent's tables of state move or it begins again; after five
 *   seconds, or when all runs have deferred too much. A crash takes back decisions that nobody has
 *   seen. */
#ifndef HGL_AGENT_RUNS_H
#define HGL_AGENT_RUNS_H

#include "agent/mails.h"
#include "base/heap.h"
#include "base/map.h"
#include "lua/vm.h"
#include "protocol/crypto.h"
#include "protocol/envelope.h"

struct hgl_host;
struct agent;
struct agent_run;
struct kept_script;

/* A lock that a handler holds, so many times within itself. */
struct held_lock {
  char *key;
  size_t key_size;
  int depth;
};

struct held_locks {
  struct held_lock *items;
  size_t count, capacity;
};

/* Also of a call to the outside (calls.h), which has one: thid is its id, and no peer has it. */
struct ask {
  struct hgl_id thid; /* of zeros: it could not be sent */
  struct hgl_key peer;
  struct message *answer;
  struct hgl_buf value; /* what came of a call; or empty */
  enum hgl_code code;
  char *why;
  bool done;
  bool saved;          /* … and a row says so */
  int64_t deadline_ms; /* monotonic */
};

/* A stretch that is committed and not yet in a row. */
struct record {
  struct ask *asks; /* what had resumed it */
  size_t ask_count;
  struct hgl_buf events;
};

struct run_list {
  struct agent_run *first, *last;
};

struct agent_run {
  struct hgl_heap_entry due; /* in host->mono_heap, in ms; first member */
  struct agent_run *next, *previous, *next_ready;
  struct run_list *listed_in; /* host->unsaved_runs, or deferred_runs; NULL: all has its row */
  struct agent_run *next_listed, *previous_listed;
  struct agent *agent;
  struct mail *mail; /* what it handles */
  struct mail_queue held;
  bool threaded; /* stands in agent->threads under: */
  uint8_t thread[HGL_KEY_SIZE + HGL_ID_SIZE];
  bool ready; /* to be resumed, or to begin */

  /* what the handler was called with */
  enum hgl_vm_declaration kind;
  struct hgl_buf name, values;
  uint64_t seed;
  struct kept_script *script;
  struct timer *schedule; /* whose call this is, or NULL */

  /* where it is */
  struct hgl_vm *vm;         /* where vm_run is */
  struct hgl_vm_run *vm_run; /* NULL: in no Lua state */
  struct hgl_vm_views *views;
  size_t stretches; /* committed */
  size_t saved;     /* of them in rows; the others: */
  struct record *fresh;
  size_t fresh_count, fresh_capacity;
  size_t fresh_bytes; /* of them in memory; and as far as they count among the host's: */
  size_t deferred_bytes;
  int64_t save_ms;       /* DEFERRED: monotonic, when they come into rows */
  int attempt;           /* of the stretch to come, 1 for the first */
  bool retrying;         /* it raised, and is tried again when due */
  bool parked;           /* it cannot go on: the operator decides */
  char *why;             /* RETRYING, PARKED; or NULL */
  char *raise;           /* RETRYING: in which attempt, and what was rolled back; or NULL */
  uint64_t row;          /* in RUNS; 0: none */
  struct hgl_buf places; /* of its views, as in its row; empty: no row */
  struct hgl_buf away;   /* the same, while the agent has no state tree */
  bool lost_places;      /* some were too long to be kept, and the operator was told */

  /* what it waits for */
  enum hgl_vm_wait_kind waits;
  int64_t until_ms; /* SLEEP: Unix time */
  struct ask *asks;
  size_t ask_count, asks_open;
  struct outside_call *call; /* CALL, until it is over */
  bool eager;                /* … and the last one was */
  bool defers;               /* its last stretch may be deferred, if it did nothing */
  int64_t waits_since_ms;    /* monotonic */
  struct hgl_buf lock;       /* LOCK: the key */
  uint64_t ticket;           /* LOCK: the order of those who wait */
  bool granted;              /* LOCK */
  struct held_locks *locks;  /* what it holds, or NULL */
};

enum { RUN_VALUES_SIZE_MAX = HGL_BODY_SIZE_MAX + 64 * 1024 }; /* what a handler is called with */

/* run.c */
void run_due(struct hgl_host *host); /* sleeps, asks and retries whose time has come */
void run_wake(struct agent_run *run);
int run_wait_until(struct agent_run *run, int64_t mono_ms, struct hgl_err *err) HGL_NODISCARD;
int run_create(struct agent *agent, struct mail *mail, struct agent_run **out,
               struct hgl_err *err) HGL_NODISCARD;
void run_destroy(struct agent_run *run);
/* The mail is dealt with: the next one of its thread takes its place, or the thread is free. */
void run_finish(struct agent_run *run);
/* The stretch is over well. `run`: it goes on; NULL: its handler has ended. */
void run_accept_stretch(struct agent *agent, struct agent_run *run);

/* run_fail.c */
enum { MAIL_SUBJECT_SIZE = 320, RAISE_SIZE = 1024, UNDONE_SIZE = 512 };
/* A stretch that raised. */
struct raised {
  struct hgl_vm_failure failure;
  char undone[UNDONE_SIZE]; /* what was rolled back, in words; empty: nothing was to be */
};
/* What a mail calls, for people: "echo/1.0/say", "timer 'close'". */
void mail_subject(const struct mail *mail, char out[MAIL_SUBJECT_SIZE]);
/* The effects of the stretch that raised are dropped; says what they were. */
void run_roll_back(struct agent *agent, struct raised *raised);
/* The first stretch raised: nothing has happened yet, so it can be tried again. Takes the mail. */
void run_try_again(struct agent *agent, struct mail *mail, struct agent_run *run,
                   const struct raised *raised);
/* A later stretch raised: what was committed stays, and it goes on from where it waited. */
void run_go_on_again(struct agent_run *run, const struct raised *raised);
/* Nothing more is tried: its message is a dead letter, and the run is finished. */
void run_give_up(struct agent_run *run, enum hgl_code code, const char *why);
void run_park(struct agent_run *run, const char *why);
/* The same of a mail, which stays the caller's. */
void mail_give_up(struct agent *agent, struct mail *mail, enum hgl_code code, const char *why);
/* Of a mail that stood alone, or at the head of a thread. */
void mail_finish(struct mail *mail, struct agent_run *run);
/* That there is no memory to wake an agent is no fault of its handlers', and no attempt of theirs;
 * but the same is said of a top level that needs more than the agent may have. */
bool run_may_wait_for_memory(struct agent *agent, int status);
void run_wait_for_memory(struct agent_run *run);
/* The run that keeps a mail until its handler is tried again; NULL: the host has failed. */
struct agent_run *run_hold_back(struct agent *agent, struct mail *mail, struct agent_run *run);

/* run_call.c: what a mail calls. The call borrows the message, and `values` once they are whole. */
void run_call_of(const struct mail *mail, struct hgl_vm_message *message, struct hgl_vm_call *call,
                 struct hgl_buf *values);
int run_remember_call(struct agent_run *run, const struct hgl_vm_call *call,
                      struct hgl_err *err) HGL_NODISCARD;

/* run_asks.c */
/* Whether the message answers an ask of the agent's: its thread, from the one who was asked. */
bool run_expects(struct agent *agent, const struct hgl_envelope *envelope);
bool run_answer(struct agent *agent, struct message *message); /* true: it was an ask's answer */
/* An ask of this thread ends without an answer; true: there was one. */
bool run_fail_ask(struct agent *agent, const struct hgl_id *thid, enum hgl_code code,
                  const char *why);
/* Sends what the run asks, as part of the stretch that ends here, and waits for it. */
int run_open_asks(struct agent_run *run, const struct hgl_vm_wait *wait,
                  struct hgl_err *err) HGL_NODISCARD;
/* Lists the asks that are open, and waits for the first deadline. */
int run_await_asks(struct agent_run *run, struct hgl_err *err) HGL_NODISCARD;
void run_close_ask(struct agent_run *run, struct ask *ask); /* it has its answer, or the reason */
void run_asks_due(struct agent_run *run);
void run_forget_asks(struct agent_run *run);
void asks_destroy(struct ask *asks, size_t count);
/* Fills `answers` and `messages`, both of `count` elements. */
void asks_tell(const struct ask *asks, size_t count, struct hgl_vm_answer *answers,
               struct hgl_vm_message *messages);

/* run_rows.c */
int runs_persist(struct hgl_host *host, struct hgl_err *err) HGL_NODISCARD; /* the unsaved ones */
/* The stretch that is being committed: takes over the answers that resumed it. */
int run_add_record(struct agent_run *run, struct hgl_bytes events,
                   struct hgl_err *err) HGL_NODISCARD;
int run_load_record(struct agent_run *run, size_t index, struct record *out,
                    struct hgl_err *err) HGL_NODISCARD;
void record_destroy(struct record *record);
void run_erase(struct agent_run *run); /* all of its rows */
/* At start: the handlers that were suspended when the host stopped. */
int runs_load(struct agent *agent, struct hgl_err *err) HGL_NODISCARD;
/* Tables of state may have moved: the rows that say where they stand. At the end of the tick. */
int runs_follow_views(struct agent *agent, struct hgl_err *err) HGL_NODISCARD;

/* run_deferred.c */
void run_unsaved(struct agent_run *run); /* lists it, to be saved with this tick */
void run_defer(struct agent_run *run);   /* lists it, to be saved later, unless it is unsaved */
void run_unlist(struct agent_run *run);
/* Asked while the run still has the answers that brought the stretch about. */
bool run_may_defer(const struct agent_run *run);
void agent_undefer(struct agent *agent);   /* its deferred runs become unsaved */
void runs_save_due(struct hgl_host *host); /* so do those, of all agents, whose time has come */
int64_t runs_save_deadline_ms(const struct hgl_host *host);

/* run_replay.c */
/* Brings the run into a Lua state, to where it waits. HGL_DIVERGED; HGL_NO_MEMORY and HGL_LIMIT
 * may pass. */
int run_replay(struct agent_run *run, struct hgl_err *err) HGL_NODISCARD;
void run_leave_vm(struct agent_run *run); /* its Lua state is given up, all else stays */

/* http.c: agent.on_http */
/* Whoever waits, if anyone does, gets an error as its answer. */
void http_fail(struct hgl_http_wait *wait, int status, const char *code, const char *message);
void http_committed(struct hgl_host *host, uint64_t tick); /* answers of this tick leave */
void http_due(struct hgl_host *host);                      /* those who have waited long enough */
int64_t http_deadline_ms(const struct hgl_host *host);     /* monotonic; INT64_MAX: none */
void http_accept(struct hgl_host *host); /* the stretch's answer is true with this tick */
void http_stop(struct hgl_host *host);   /* no handler answers any more */
void http_deinit(struct hgl_host *host);

/* calls.c: host.call */
enum { HGL_CALL_REQUEST_SIZE_MAX = HGL_BODY_SIZE_MAX + 4096 };
int call_check(struct agent *agent, const struct hgl_vm_outside *outside,
               struct hgl_err *err) HGL_NODISCARD;
int call_open(struct agent_run *run, const struct hgl_vm_outside *outside,
              struct hgl_err *err) HGL_NODISCARD;
/* Those begin whose stretch is durable with this tick. */
void calls_begin(struct hgl_host *host, uint64_t tick);
/* Eager ones do, once the stretches of a tick are over. */
void calls_begin_eager(struct hgl_host *host);
void call_forget(struct agent_run *run); /* if it has one: nobody waits for it any more */
struct hgl_bytes call_service(const struct agent_run *run); /* its name; "": the call is over */
void call_put(const struct agent_run *run, struct hgl_buf *out);
int call_get(struct agent_run *run, struct hgl_cbor_reader *in, struct hgl_err *err) HGL_NODISCARD;
/* After a start: it begins again, or nobody knows what came of it. */
int call_resume(struct agent_run *run, struct hgl_err *err) HGL_NODISCARD;

/* run_locks.c: agent.exclusive */
int lock_take(struct agent *agent, struct hgl_bytes key, bool *granted,
              struct hgl_err *err) HGL_NODISCARD;
int lock_release(struct agent *agent, struct hgl_bytes key, struct hgl_err *err) HGL_NODISCARD;
/* The stretch's locks become those of `run` (NULL: its handler has ended: they are free). */
int locks_accept(struct agent *agent, struct agent_run *run, struct hgl_err *err) HGL_NODISCARD;
int locks_begin(struct hgl_host *host, const struct agent_run *run,
                struct hgl_err *err) HGL_NODISCARD;
void held_locks_clear(struct held_locks *locks);
int held_locks_add(struct held_locks *locks, struct hgl_bytes key, int depth,
                   struct hgl_err *err) HGL_NODISCARD;
int lock_wait(struct agent_run *run, struct hgl_err *err) HGL_NODISCARD; /* for run->lock */
void locks_forget(struct agent_run *run); /* what it holds is free, it waits for none */
int locks_load(struct agent *agent, struct hgl_err *err) HGL_NODISCARD;

/* scripts.c: what runs need of scripts that may change */
struct kept_script {
  int refs;
  struct hgl_hash digest;
  struct hgl_buf bundle; /* [path, source, config, [[module, path, source], …]] */
  bool stored;
};
int script_of_digest(struct hgl_host *host, const struct hgl_hash *digest, struct kept_script **out,
                     struct hgl_err *err) HGL_NODISCARD; /* HGL_NOT_FOUND */
struct kept_script *script_hold(struct kept_script *script);
void script_release(struct hgl_host *host, struct kept_script *script); /* NULL is allowed */
int script_store(struct hgl_host *host, struct kept_script *script,
                 struct hgl_err *err) HGL_NODISCARD;
/* Runs the script's top level for the first time: what it declares goes into the agent's manifest.
 * An agent that has a VM goes on with it meanwhile, and the new one shares its state. */
int script_load(struct agent *agent, struct hgl_bytes source, struct hgl_bytes config,
                struct hgl_vm **vm, struct kept_script **script, struct hgl_err *err) HGL_NODISCARD;
/* Such a one takes the place of the agent's own, which stays beside it; on failure nothing has
 * changed. Takes both. */
int script_replace(struct agent *agent, struct hgl_vm *vm, struct kept_script *script,
                   struct hgl_err *err) HGL_NODISCARD;
/* The one that was replaced last is the agent's own again, and the other one gone. */
void script_put_back(struct agent *agent);
/* The paths of the script and of the modules beside it. */
/* Visits its text and that of each module beside it, the script first. */
typedef int (*script_source)(void *user, struct hgl_bytes path, struct hgl_bytes source,
                             struct hgl_err *err);
int script_sources(const struct kept_script *script, script_source visit, void *user,
                   struct hgl_err *err) HGL_NODISCARD;
int script_files(const struct kept_script *script,
                 int (*file)(void *user, struct hgl_bytes path, struct hgl_err *err), void *user,
                 struct hgl_err *err) HGL_NODISCARD;
/* The VM of this script, beside or instead of the agent's own. */
int script_vm(struct agent *agent, struct kept_script *script, struct hgl_vm **out,
              struct hgl_err *err) HGL_NODISCARD;
/* The agent's own VM anew, from what is in memory. */
int script_restart(struct agent *agent, struct hgl_err *err) HGL_NODISCARD;
void script_drop_vms(struct agent *agent);           /* all of its VMs */
size_t script_vms_memory(const struct agent *agent); /* bytes in use by all of them */
void script_drop_idle_vms(struct agent *agent);
int script_module(struct agent *agent, struct hgl_bytes name, bool *found, struct hgl_buf *source,
                  struct hgl_buf *chunk_name, struct hgl_err *err) HGL_NODISCARD;
int script_loaded_module(struct agent *agent, struct hgl_bytes name, struct hgl_bytes chunk_name,
                         struct hgl_bytes source, struct hgl_err *err) HGL_NODISCARD;
bool script_declares(const struct agent *agent); /* what is declared now is new */
bool script_reloads(const struct agent *agent);  /* … and not in force yet */
/* Drops the rows of scripts that nothing needs any more. Once all agents are there. */
int scripts_sweep(struct hgl_host *host, struct hgl_err *err) HGL_NODISCARD;

#endif
