/* A world for tests of agents: hosts on one virtual clock, with memory stores and seeded
 * randomness, joined with each other and with nothing else, and with files that only the world has.
 * What happens in it depends on the seed and on the calls alone. Loop thread only.
 *
 * A host has a name; the first is there from the start, and is meant where a name is NULL. Agents
 * have names that are theirs alone in the world. Calls that name a host or an agent answer
 * HGL_NOT_FOUND for one that is not there, HGL_CLOSED for what lives on a host that was killed, and
 * every call that lets something happen HGL_TIMEOUT when the test's time is over. */
#ifndef HGL_HOST_TEST_WORLD_H
#define HGL_HOST_TEST_WORLD_H

#include "agent/host.h"

struct hgl_world;
struct hgl_stored_state;
struct hgl_trace;
struct world_host;

#define HGL_WORLD_HOST "home" /* the name of the first host */

enum { HGL_WORLD_LATENCY_MS = 1 };

/* How long a test may work, by the real clock. */
struct hgl_test_limit {
  int64_t limit_ms;
  int64_t until_ns; /* of hgl_clock_system; INT64_MAX: no test is running */
};

struct hgl_world_config {
  uint64_t seed;
  int64_t start_ms;          /* Unix time when it begins; 0: 2026-01-01 */
  int64_t latency_ms;        /* of frames between hosts */
  const char *stdlib_folder; /* holds haggle/market.lua …; borrowed, as all of these */
  struct hgl_chunks *chunks; /* compiled scripts, for all worlds */
  bool keep_lua;             /* agents' Lua states are not given up between stretches */
  struct hgl_trace *trace;   /* what happens is written there, or NULL */
  const struct hgl_test_limit *limit;
};
int hgl_world_create(const struct hgl_world_config *config, struct hgl_world **out,
                     struct hgl_err *err) HGL_NODISCARD;
void hgl_world_destroy(struct hgl_world *world); /* NULL is allowed */
void hgl_world_set_latency(struct hgl_world *world, int64_t ms);
/* How requests to the outside are answered (test_outside.h). */
struct hgl_fake_answer;
void hgl_world_set_http(struct hgl_world *world, const struct hgl_fake_answer *http);
void hgl_world_set_models(struct hgl_world *world, const struct hgl_fake_answer *models);

/* ---- hosts ---- */

/* One more, joined with all others. HGL_EXISTS. */
int hgl_world_add_host(struct hgl_world *world, const char *name,
                       struct hgl_err *err) HGL_NODISCARD;
/* The host of that name, or where the agent of that name lives; dead or alive. */
int hgl_world_host(const struct hgl_world *world, const char *name, const struct world_host **out,
                   struct hgl_err *err) HGL_NODISCARD;
/* The same, and it runs. */
int hgl_world_running(const struct hgl_world *world, const char *name, struct world_host **out,
                      struct hgl_err *err) HGL_NODISCARD;
const struct world_host *hgl_world_next_host(const struct hgl_world *world,
                                             const struct world_host *before); /* NULL: first */
const char *hgl_world_host_name(const struct world_host *at);
struct hgl_host *hgl_world_host_of(const struct world_host *at); /* NULL: it was killed */

/* Each takes a host, or an agent for the host that it lives on.
 * kill: it dies at once. What its last tick did is durable, though nobody was told; frames that
 * were on their way are lost. stop: it calls on_stop of its agents, comes to rest and ends.
 * start: on what it has stored, with the agents that it had. HGL_EXISTS: it runs. */
int hgl_world_kill(struct hgl_world *world, const char *name, struct hgl_err *err) HGL_NODISCARD;
int hgl_world_stop(struct hgl_world *world, const char *name, struct hgl_err *err) HGL_NODISCARD;
int hgl_world_start(struct hgl_world *world, const char *name, struct hgl_err *err) HGL_NODISCARD;
/* Comes to rest, is killed and starts. NULL: all hosts. */
int hgl_world_restart(struct hgl_world *world, const char *name, struct hgl_err *err) HGL_NODISCARD;
/* Nothing passes between the two any more, or again. HGL_INVALID: a host and itself. */
int hgl_world_cut(struct hgl_world *world, const char *one, const char *other, bool cut,
                  struct hgl_err *err) HGL_NODISCARD;

/* ---- agents ---- */

struct hgl_world_agent {
  const char *name, *path;         /* path: as errors show it; modules are searched beside it */
  const char *host;                /* NULL: the first */
  struct hgl_bytes source, config; /* source: empty for one without a script; config: encoded map */
  const char *const *grants;       /* NULL-terminated */
};
/* Everything is copied. HGL_EXISTS, HGL_SCRIPT. */
int hgl_world_add(struct hgl_world *world, const struct hgl_world_agent *agent,
                  struct hgl_err *err) HGL_NODISCARD;
/* Its did, or "did@did of its host". */
int hgl_world_address(const struct hgl_world *world, const char *agent, bool with_host,
                      struct hgl_buf *out, struct hgl_err *err) HGL_NODISCARD;
/* Its state as the store has it, NULL when that has nothing of the agent yet; the host may be dead.
 * The caller closes it, before anything else happens in the world. */
int hgl_world_state(const struct hgl_world *world, const char *agent, struct hgl_stored_state **out,
                    struct hgl_err *err) HGL_NODISCARD;
int hgl_world_set_file(struct hgl_world *world, const char *path, struct hgl_bytes content,
                       struct hgl_err *err) HGL_NODISCARD;

/* ---- what happens ---- */

/* One tick of each host; *busy: there is more to do at this moment. */
int hgl_world_tick(struct hgl_world *world, bool *busy, struct hgl_err *err) HGL_NODISCARD;
/* Ticks until nothing is left to do at this moment. HGL_LIMIT when that never comes. */
int hgl_world_run(struct hgl_world *world, struct hgl_err *err) HGL_NODISCARD;
/* Lets time pass, from one moment at which something is due to the next. */
int hgl_world_advance(struct hgl_world *world, int64_t ms, struct hgl_err *err) HGL_NODISCARD;
/* To the next moment at which something is due, but no further than `ms`; *left: what remains. */
int hgl_world_step(struct hgl_world *world, int64_t ms, int64_t *left,
                   struct hgl_err *err) HGL_NODISCARD;
/* The operator of its host asks an agent; time passes only when the answer waits for it. *reply: a
 * new reference to the reply as JSON. HGL_TIMEOUT and what the agent's host says. */
int hgl_world_ask(struct hgl_world *world, const char *agent, const char *type,
                  struct hgl_bytes body, int64_t within_ms, json_t **reply,
                  struct hgl_err *err) HGL_NODISCARD;
/* The same without an answer; nothing happens yet. */
int hgl_world_send(struct hgl_world *world, const char *agent, const char *type,
                   struct hgl_bytes body, struct hgl_id *id, struct hgl_err *err) HGL_NODISCARD;

/* ---- looking ---- */

int64_t hgl_world_now_ms(const struct hgl_world *world);
/* Lines logged so far, borrowed: a list of { level, who, text, host, at }. */
json_t *hgl_world_log(struct hgl_world *world);
/* What agents said so far, borrowed, by id and in order: { id, type, thid, from, to (names, or dids
 * of strangers), from_id, to_id, body, host, at, handled }. */
json_t *hgl_world_messages(struct hgl_world *world);

#endif
