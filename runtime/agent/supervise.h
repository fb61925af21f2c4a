/* Supervision: what the host knows of each agent beside its running form, and what is decided when
 * one fails.
 *
 * A *child* is an agent as it was described to the host: with it the agent can be made again. It
 * lives from hgl_host_add_agent until it is removed; struct agent is its running form, which a
 * restart replaces through the same steps as a start of the host: what was durable is read back.
 *
 *   RUNNING   has an agent; while it waits for a restart no stretch of it begins
 *   PAUSED    has an agent of which no stretch begins, by the operator's wish
 *   PARKED    the same, because it kept failing
 *   STOPPED   has no agent
 *
 * All but RUNNING are durable, with the reason. */
#ifndef HGL_AGENT_SUPERVISE_H
#define HGL_AGENT_SUPERVISE_H

#include "agent/internal.h"

/* The text of a script, one for all the children that run it. */
struct script {
  int refs;
  struct hgl_hash hash; /* under which it stands in host->scripts */
  size_t size;
  uint8_t text[];
};

/* The latest times of something, of which at most `max` are looked at. */
struct window {
  int64_t *times; /* a ring of `max`, monotonic ms; NULL until the first */
  size_t max, first, count;
};

/* The limits of all the children that have the same. */
struct shared_limits {
  struct hgl_agent_limits limits; /* first member */
  int refs;
};

enum standing { RUNNING, PAUSED, PARKED, STOPPED };

/* What is to be done with a child as soon as its agent has come to rest. */
enum errand { NO_ERRAND, RESTART, STOP, REMOVE, FORGET };

/* The lists that a child can be in: all of a host and those of its group, in the order in which
 * they were added; those with an errand, in the order in which they were sent; those that are
 * parked, in the order in which they became so. */
enum child_list { OF_HOST, OF_GROUP, WITH_ERRAND, AS_PARKED, CHILD_LISTS };

struct agent_group {
  enum hgl_strategy strategy;
  int64_t within_ms;
  struct window restarts; /* max 0: not limited */
  struct children children;
  char name[];
};

struct child {
  struct hgl_heap_entry due; /* in host->restarts, in ms: when it begins again; first member */
  struct hgl_host *host;
  struct {
    struct child *previous, *next;
  } in[CHILD_LISTS];
  uint64_t number;           /* from 1 on, in the order in which they were added; none twice */
  struct agent_group *group; /* or NULL */
  struct agent *agent;       /* NULL: stopped */
  /* as it was described */
  char *name, *script_path;
  struct script *script;     /* NULL: none, the operator */
  struct hgl_buf delegation; /* issued elsewhere, or empty */
  struct hgl_buf config;
  char **grants;
  const struct hgl_agent_limits *limits; /* complete; one for all the children with the same */
  struct hgl_restart restart;            /* without zeros */
  struct child *next; /* what it is described as from its next beginning on, in no list; or NULL */
  /* as it stands */
  enum standing standing;
  enum errand errand;
  bool broken;  /* its agent failed: it does not go on, only begin again */
  bool reloads; /* the script has changed since the agent was made */
  char *reason; /* of being parked or stopped, or of its last restart; or NULL */
  struct window restarts, dead_letters;
  uint64_t restarted; /* times since the host started */
};

/* ---- agent.c: the running form ---- */

/* Makes an agent of the child, which outlives it, and runs its script's top level. *found: it was
 * here before. Nobody knows of it yet. */
int agent_make(struct child *child, struct agent **out, bool *found,
               struct hgl_err *err) HGL_NODISCARD;
/* Messages find it. On failure it is as before. */
int agent_enlist(struct agent *agent, struct hgl_err *err) HGL_NODISCARD;
void agent_unlist(struct agent *agent);
/* It begins with what is stored for it. `reason`: of on_start, or NULL: created or restarted. After
 * a failure half of it stands. */
int agent_open(struct agent *agent, bool found, const char *reason,
               struct hgl_err *err) HGL_NODISCARD;
/* The version of its script has fallen: says so, and stores it. */
int agent_lower_version(struct agent *agent, struct hgl_err *err) HGL_NODISCARD;
/* Queues a call of on_start, on_upgrade or on_stop. */
int agent_notice(struct agent *agent, enum mail_kind kind, const char *why,
                 struct hgl_err *err) HGL_NODISCARD;
/* The same, before all that waits. */
int agent_notice_first(struct agent *agent, enum mail_kind kind, const char *why,
                       struct hgl_err *err) HGL_NODISCARD;

/* ---- children.c: what agents are made of; making, replacing and ending them ---- */

struct child *child_by_name(const struct hgl_host *host, struct hgl_bytes name);
void children_deinit(struct hgl_host *host);
/* A description of its own, in no list. */
int child_create(struct hgl_host *host, const struct hgl_agent_config *config, struct child **out,
                 struct hgl_err *err) HGL_NODISCARD;
void child_destroy(struct child *child); /* NULL is allowed */
/* NULL for the name: no group. */
int group_find(struct hgl_host *host, const char *name, struct agent_group **out,
               struct hgl_err *err) HGL_NODISCARD;
void child_set_group(struct child *child, struct agent_group *group); /* the last of it */
/* Makes another agent from what the child says, in place of the one it has, if any. On failure the
 * child is as it was. */
int child_begin(struct child *child, struct hgl_err *err) HGL_NODISCARD;
/* Its agent is no longer here; what waits for it stays stored. */
int child_end(struct child *child, struct hgl_err *err) HGL_NODISCARD;
/* Whether the script that it would begin with loads; nothing is changed by it. */
int child_try(struct child *child, struct hgl_err *err) HGL_NODISCARD;
/* Nothing of it runs, or it waits to begin again: another script can only begin anew. */
bool child_begins_anew(const struct child *child);
/* What it begins with the next time. */
const struct child *child_described(const struct child *child);
/* The text as all share it, held; *out is NULL for an empty one. */
int script_text_hold(struct hgl_host *host, struct hgl_bytes source, struct script **out,
                     struct hgl_err *err) HGL_NODISCARD;
void script_text_release(struct hgl_host *host, struct script *script); /* NULL is allowed */
/* Takes another text for its script; one that is held is the child's from here on. */
void child_take_script(struct child *child, struct script *script);
int child_set_script(struct child *child, struct hgl_bytes source,
                     struct hgl_err *err) HGL_NODISCARD;
/* Durably, with the tick. The reason is copied; NULL: none. */
int child_stand(struct child *child, enum standing standing, const char *reason,
                struct hgl_err *err) HGL_NODISCARD;
/* Calls on_stop, if the agent can, and then runs the errand. */
int child_send(struct child *child, enum errand errand, struct hgl_err *err) HGL_NODISCARD;
/* No stretch of its agent begins, or they may again. */
void child_hold(struct child *child, bool held);
/* After the commit of a tick: restarts that are due, errands, erasing. */
void children_settle(struct hgl_host *host);
int64_t children_deadline_ms(const struct hgl_host *host); /* monotonic; INT64_MAX: none */

/* ---- change.c: another description ---- */

/* What both were described as changes places; which agent, standing and name they have does not. */
void child_swap(struct child *child, struct child *other);

/* ---- supervise.c: failures ---- */

/* Nothing more is tried with a mail of this kind: whether that means that the agent failed. */
void supervise_failed(struct agent *agent, enum mail_kind kind,
                      const struct hgl_vm_failure *failure);
/* The window holds one time more; how many of them are younger than `within_ms`. */
int window_add(struct window *window, int64_t now_ms, struct hgl_err *err) HGL_NODISCARD;
size_t window_count(struct window *window, int64_t now_ms, int64_t within_ms);
void window_deinit(struct window *window);
/* Fills in the defaults. */
void restart_complete(struct hgl_restart *restart);
/* The agent's script does not load any more: as if its on_start had failed. */
void supervise_broken(struct child *child, const char *why);

/* ---- operate.c: the operator's wishes, and telling when they are done ---- */

void operate_tell(struct hgl_host *host);   /* after the commit of a tick */
void operate_deinit(struct hgl_host *host); /* whoever waits is told that the host ends */

/* ---- reload.c: another script in place of the one that runs ---- */

void reloads_run(struct hgl_host *host);    /* after the commit of a tick: a bounded number */
void reloads_tell(struct hgl_host *host);   /* those that are durable */
void reloads_deinit(struct hgl_host *host); /* whoever waits is told that the host ends */

/* ---- erase.c: what is stored of agents that are to be forgotten ---- */

int erase_load(struct hgl_host *host, struct hgl_err *err) HGL_NODISCARD;
/* The rows of this name go, a bounded number in each tick. */
int erase_agent(struct hgl_host *host, const char *name, struct hgl_err *err) HGL_NODISCARD;
int erase_some(struct hgl_host *host, struct hgl_err *err) HGL_NODISCARD;
void erase_deinit(struct hgl_host *host);

/* inspect.c */
const char *child_status(const struct child *child); /* "running", "paused"… */
json_t *describe_child(const struct child *child);
uint32_t agent_raised_lately(const struct agent *agent); /* within the latest minute */
json_t *describe_peer(struct hgl_host *host, const struct peer *peer);

#endif
