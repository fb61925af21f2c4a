/* What the dashboard sees of a host: agents one after the other, without a list of them all; what
 * each is in figures; messages as they pass by. Loop thread. */
#ifndef HGL_AGENT_LOOK_H
#define HGL_AGENT_LOOK_H

#include "agent/host.h"
#include "agent/meter.h"
#include "base/map.h"
#include "protocol/envelope.h"

struct child;

/* ---- agents, in the order in which they were added, the operator's too ---- */

/* Borrowed, good until the host goes on. */
struct hgl_agent_figures {
  uint64_t number; /* none is there twice */
  const char *name;
  const char *status;              /* as hgl_host_list_agents has it */
  const char *group, *about;       /* or NULL */
  const struct hgl_map *protocols; /* "name/version" → any; NULL: not known while it is stopped */
  struct hgl_key key;
  bool has_key;  /* false: as protocols */
  bool operates; /* the operator's */
  bool asleep;
  size_t mailbox, runs;
  int64_t memory_bytes, cpu_ns;
  int64_t active_ms; /* Unix time, when it last did something; 0: not since the host started */
  uint64_t handled, sent, raised, restarts;
  uint32_t raised_lately; /* within the latest minute */
};

/* It runs, and its handlers have raised lately. */
bool hgl_agent_is_failing(const struct hgl_agent_figures *agent);

/* A walk over them that may take several turns: whoever comes meanwhile comes last, whoever goes is
 * passed over. It stays where it is until its end. */
struct hgl_agent_walk {
  struct hgl_host *host;
  const struct child *at; /* the next; NULL: none */
  struct hgl_agent_walk *next, **link;
};
void hgl_agent_walk_begin(struct hgl_agent_walk *walk, struct hgl_host *host);
bool hgl_agent_walk_next(struct hgl_agent_walk *walk, struct hgl_agent_figures *out);
/* A zeroed one is allowed. */
void hgl_agent_walk_end(struct hgl_agent_walk *walk);
/* Those that are parked, at most so many; and whom else. */
size_t hgl_host_parked(const struct hgl_host *host, struct hgl_agent_figures *out, size_t max);

/* False: it is not here. */
bool hgl_host_agent_figures(struct hgl_host *host, const char *name, struct hgl_agent_figures *out);
/* One, as hgl_host_list_agents tells of each. A new reference. HGL_NOT_FOUND. */
int hgl_host_show_agent(struct hgl_host *host, const char *name, json_t **out,
                        struct hgl_err *err) HGL_NODISCARD;
/* {"limits": {…}, "grants": […], "host"}: what it may. A new reference. HGL_NOT_FOUND. */
int hgl_host_show_terms(struct hgl_host *host, const char *name, json_t **out,
                        struct hgl_err *err) HGL_NODISCARD;

/* ---- who is who ---- */

const struct hgl_key *hgl_host_key(const struct hgl_host *host);
/* NULL: no agent of this key is here. */
const char *hgl_host_name_of(struct hgl_host *host, const struct hgl_key *agent);
/* The host that, as far as is known, speaks for it. False: none is known. */
bool hgl_host_of_agent(struct hgl_host *host, const struct hgl_key *agent, struct hgl_key *out);

/* As hgl_directory_services. */
size_t hgl_host_services(const struct hgl_host *host, const struct hgl_key *agent,
                         struct hgl_bytes *name, struct hgl_bytes *services, size_t max);

/* ---- other hosts ---- */

struct hgl_peer_figures {
  struct hgl_key key;
  bool linked;
  int64_t skew_ms;
  uint64_t unacknowledged;
  int64_t active_ms; /* Unix time: when it was linked, or its link ended; 0: not known */
  const char *url;   /* or NULL */
  bool wanted;       /* something waits for it, or an agent speaks to it */
};
/* Calls `peer` for each that is in memory, until it returns false. */
void hgl_host_visit_peers(const struct hgl_host *host,
                          bool (*peer)(void *user, const struct hgl_peer_figures *figures),
                          void *user);

/* One, as hgl_host_list_peers tells of each. A new reference. HGL_NOT_FOUND. */
int hgl_host_show_peer(struct hgl_host *host, const struct hgl_key *key, json_t **out,
                       struct hgl_err *err) HGL_NODISCARD;
/* Of how many a proof is kept that they contradicted themselves. */
void hgl_host_conflicts(const struct hgl_host *host, size_t *hosts, size_t *agents);

/* ---- messages ---- */

/* A message as it passes by; borrowed for the call. */
struct hgl_seen {
  const struct hgl_envelope *envelope;
  const char *what; /* "sent", "received", "handled" */
  size_t size;      /* of its encoding */
};

/* Whoever is told of every message, not as JSON: to count them, or to look at a few. `seen` may not
 * change the host. */
struct hgl_message_watcher {
  void (*seen)(void *user, const struct hgl_seen *seen);
  void *user;
  struct hgl_message_watcher *next, **link; /* the host's */
};
void hgl_host_watch_messages(struct hgl_host *host, struct hgl_message_watcher *watcher);
/* One that is not there is allowed. */
void hgl_host_unwatch_messages(struct hgl_message_watcher *watcher);

/* The envelope's JSON projection, with "what" became of it, and "from_name", "to_name" of those
 * that are here. A new reference. */
int hgl_host_show_message(struct hgl_host *host, const struct hgl_seen *seen, json_t **out,
                          struct hgl_err *err) HGL_NODISCARD;
/* Calls `passed` for each message of which the ring of events knows, the oldest first, once each.
 */
void hgl_host_recent_messages(struct hgl_host *host,
                              void (*passed)(void *user, int64_t time_ms,
                                             const struct hgl_key *from, const struct hgl_key *to,
                                             const char *type),
                              void *user);

#endif
