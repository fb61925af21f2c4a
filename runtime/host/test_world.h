/* A world for tests of agents: one host on a virtual clock, a memory store and seeded randomness,
 * without network and with files that only it has. What happens in it depends on the seed and on
 * the calls alone. Loop thread only. */
#ifndef HGL_HOST_TEST_WORLD_H
#define HGL_HOST_TEST_WORLD_H

#include "agent/host.h"

struct hgl_world;

struct hgl_trace;

struct hgl_world_config {
  uint64_t seed;
  int64_t start_ms;          /* Unix time when it begins; 0: 2026-01-01 */
  const char *stdlib_folder; /* holds haggle/market.lua …; copied */
  bool forget_lua;           /* agents' Lua states are given up at every suspension */
  struct hgl_trace *trace;   /* what happens is written there; borrowed; or NULL */
};
int hgl_world_create(const struct hgl_world_config *config, struct hgl_world **out,
                     struct hgl_err *err) HGL_NODISCARD;
void hgl_world_destroy(struct hgl_world *world); /* NULL is allowed */

struct hgl_world_agent {
  const char *name, *path;         /* path: as errors show it; modules are searched beside it */
  struct hgl_bytes source, config; /* source: empty for one without a script; config: encoded map */
  const char *const *grants;       /* NULL-terminated */
};
/* Everything is copied, so that a restart can add the agent again. */
int hgl_world_add(struct hgl_world *world, const struct hgl_world_agent *agent,
                  struct hgl_err *err) HGL_NODISCARD;

/* What host.read finds there; NULL data: nothing any more. */
int hgl_world_set_file(struct hgl_world *world, const char *path, struct hgl_bytes content,
                       struct hgl_err *err) HGL_NODISCARD;

/* Ticks until nothing is left to do at this moment. HGL_LIMIT when that never comes. */
int hgl_world_run(struct hgl_world *world, struct hgl_err *err) HGL_NODISCARD;
/* Lets time pass, from one moment at which something is due to the next. */
int hgl_world_advance(struct hgl_world *world, int64_t ms, struct hgl_err *err) HGL_NODISCARD;
/* The operator asks an agent; time passes only when the answer waits for it. *reply: a new
 * reference to the reply as JSON. HGL_TIMEOUT and what the agent's host says. */
int hgl_world_ask(struct hgl_world *world, const char *agent, const char *type,
                  struct hgl_bytes body, int64_t within_ms, json_t **reply,
                  struct hgl_err *err) HGL_NODISCARD;
/* The host dies without a word and comes back on what it had committed, with the same agents. */
int hgl_world_restart(struct hgl_world *world, struct hgl_err *err) HGL_NODISCARD;

struct hgl_host *hgl_world_host(struct hgl_world *world); /* NULL when a restart failed */
int64_t hgl_world_now_ms(const struct hgl_world *world);
/* Lines logged so far, borrowed: a list of { level, who, text }. */
json_t *hgl_world_log(struct hgl_world *world);

#endif
