/* A host: many agents, one tick. This is the heart of the runtime, without sockets, files or clocks
 * of its own: transport, store, time, randomness and files are handed in, so that the same code
 * runs in production and inside a test with a virtual clock.
 *
 * The tick (tick.c) has these phases, in this order:
 *   1 drain    take what arrived: frames, due timers                       (inbox.c, timers.c)
 *   2 verify   each batch: header signature once, paths, delegations       (inbox.c)
 *   3 route    envelopes into mailboxes, or a durable refusal              (inbox.c, mailbox.c)
 *   4 run      handlers, stretch by stretch, within a budget               (turns.c, run.c, ops.c)
 *   5 sign     all that was said: groups, one header, one signature        (seal.c)
 *   6 commit   one write set to the store                                  (tick.c)
 *   7 send     when the commit is durable: acknowledgements and batches    (outbox.c, peers.c)
 * Behind the commit, when all that waits has its row, agents are restarted, stopped and removed
 * (children.c); what that writes belongs to the next tick.
 *
 * Loop thread only. */
#ifndef HGL_AGENT_HOST_H
#define HGL_AGENT_HOST_H

#include <jansson.h>

#include "agent/calls.h"
#include "agent/directory.h"
#include "agent/http.h"
#include "agent/limits.h"
#include "base/log.h"
#include "base/seam.h"
#include "lua/vm.h"
#include "protocol/delegation.h"
#include "protocol/url.h"
#include "store/store.h"

struct hgl_host;

enum {
  HGL_AGENTS_MAX = 2000000,
  HGL_ATTEMPTS_DEFAULT = 3, /* runs of a handler before its message is dead */
  HGL_DEAD_MAX = 10000,     /* dead letters; the oldest go first */
  HGL_DEAD_BYTES_MAX = 256 << 20,
  HGL_TICK_ENVELOPES_MAX = 4096,         /* taken in by one tick */
  HGL_TICK_RUN_MS = 20,                  /* spent on handlers by one tick */
  HGL_OUTBOX_BYTES_MAX = 64 << 20,       /* unacknowledged towards one host */
  HGL_DEFERRED_BYTES_MAX = 64 << 20,     /* of what models said and no row holds yet (runs.h) */
  HGL_JOURNAL_BYTES_DEFAULT = 256 << 20, /* kept of what was said and heard */
  HGL_HOSTS_DEFAULT = 20000,             /* other hosts in memory */
  HGL_DISK_RESERVE_DEFAULT = 64 << 20,   /* left free: below it nothing is taken in */
  HGL_HIBERNATE_MS_DEFAULT = 60000,
  HGL_LUA_BYTES_DEFAULT = 1 << 30, /* of all Lua states, before agents at rest give theirs up */
  /* of a restart policy */
  HGL_RESTARTS_DEFAULT = 5,
  HGL_RESTARTS_MAX = 1000,
  HGL_RESTART_WITHIN_MS_DEFAULT = 60000,
  HGL_RESTART_DELAY_MS_DEFAULT = 1000,
  HGL_RESTART_DELAY_MAX_MS_DEFAULT = 60000,
  HGL_RESTART_DEAD_LETTERS_DEFAULT = 100,
  HGL_RESTART_DEAD_LETTERS_MAX = 10000,
  HGL_GROUPS_MAX = 10000,
};

/* How frames leave. `link` is the transport's own pointer, given in hgl_host_link_up. */
struct hgl_transport {
  int (*send)(void *link, struct hgl_bytes frame, struct hgl_err *err);
  size_t (*queued)(void *link);
  void (*pause)(void *link, bool paused);
  void (*close)(void *link, enum hgl_code code, const char *why);
  /* A peer whose address is not known is not remembered: it is wanted again with its address. */
  void (*want)(void *user, const struct hgl_key *peer, enum hgl_link_want wanted);
  void (*address)(void *user, const struct hgl_key *peer, const char *url,
                  enum hgl_url_source source);
  void *user;
};

/* Leads nowhere: of a host without a network. */
extern const struct hgl_transport hgl_transport_none;

/* Files that agents are granted, and scripts' modules. */
struct hgl_files {
  /* The whole file; HGL_TOO_LARGE above size_max. Pseudo files of /proc have no size: read to the
   * end. The first `folder_size` bytes of the path name a folder that no link may lead out of
   * (HGL_DENIED); 0: wherever it leads. */
  int (*read)(void *user, const char *path, size_t folder_size, size_t size_max,
              struct hgl_buf *out, struct hgl_err *err);
  void *user;
};

/* The signing keys of agents. One is asked for when the agent comes and when its delegation has to
 * be renewed, and given back at once: a host with many agents holds no key of theirs. */
struct hgl_agent_keys {
  /* The agent's, made when it has none yet. The caller destroys it. */
  int (*signer)(void *user, const char *agent, struct hgl_signer **out, struct hgl_err *err);
  void *user;
};

/* What agents may use and never see. Appends the value of one, which is wiped after use; the buffer
 * has room for it. HGL_NOT_FOUND, and whatever keeps it from being read. */
struct hgl_host_secrets {
  int (*get)(void *user, struct hgl_bytes name, struct hgl_buf *out, struct hgl_err *err);
  void *user;
};

/* For `tail`, `demo`, the dashboard's feed and tests: what happened, as it happens. The JSON object
 * is borrowed for the call, and the same for all who watch. Kinds: "log" "message" "deal" "agent"
 * "peer" "dead". */
struct hgl_watcher {
  void (*event)(void *user, const char *kind, json_t *object);
  void *user;
  bool messages;            /* "message" events are wanted: there are many */
  struct hgl_watcher *next; /* the host's */
};

struct hgl_host_config {
  const struct hgl_signer *signer; /* the host's identity; borrowed */
  struct hgl_store *store;         /* borrowed */
  const struct hgl_clock *clock;
  const struct hgl_random *random;
  const struct hgl_log *log;
  struct hgl_transport transport;
  struct hgl_files files;
  struct hgl_agent_keys keys;
  struct hgl_host_secrets secrets;    /* `get` may be NULL: there are none */
  struct hgl_http_tokens http_tokens; /* of agents that are served to whoever shows theirs */
  const struct hgl_service *services; /* ended by one without a name; or NULL; borrowed */
  const char *stdlib_folder;          /* holds haggle/market.lua … */
  struct hgl_watchdog *watchdog;      /* NULL: no time limit */
  struct hgl_chunks *chunks;          /* compiled scripts */
  int64_t journal_bytes;              /* 0: the default */
  int64_t journal_age_ms;             /* 0: rows stay as long as the size permits */
  int64_t disk_reserve;               /* bytes; 0: the default; negative: none */
  size_t hosts_max;                   /* 0: the default */
  /* An agent that was at rest for so long gives up its Lua state; and, from whoever was longest,
   * earlier when all Lua states together take more than this. 0: the defaults; negative: never. */
  int64_t hibernate_ms, lua_bytes;
  int64_t
      trace_events; /* what is kept in memory of what agents did; 0: the default; negative: none */
  bool allow_private; /* dial and pass on loopback and private addresses */
  bool forget_lua;    /* for tests: an agent's Lua state is given up after every stretch */
  void (*request_tick)(void *user);
  /* The host cannot go on: a fork of ourselves, a store whose state is unknown. Called once. */
  void (*fatal)(void *user, const struct hgl_err *why);
  void *user;
};

/* Loads what the store holds: chain, peers, timers, dead letters of interrupted runs, the
 * directory. */
int hgl_host_create(const struct hgl_host_config *config, struct hgl_host **out,
                    struct hgl_err *err) HGL_NODISCARD;
void hgl_host_destroy(struct hgl_host *host);

/* ---- agents ---- */

/* What becomes of an agent that fails (supervise.c says what that is). Zero fields: defaults. */
enum hgl_on_failure { HGL_ON_FAILURE_RESTART, HGL_ON_FAILURE_PARK, HGL_ON_FAILURE_STOP };

struct hgl_restart {
  enum hgl_on_failure on_failure;
  int restarts_max;     /* within the time below; the failure that follows them parks */
  int64_t within_ms;    /* also of dead letters */
  int64_t delay_ms;     /* before a restart, doubled by each one within the time */
  int64_t delay_max_ms; /* ... up to this */
  int dead_letters_max; /* so many within the time are a failure of the agent */
};

/* Whom else the failure of one agent of a group restarts: nobody, all others, or those that were
 * added after it. */
enum hgl_strategy { HGL_ONE_FOR_ONE, HGL_ONE_FOR_ALL, HGL_REST_FOR_ONE };

struct hgl_group_config {
  const char *name;
  enum hgl_strategy strategy;
  int restarts_max; /* of all its agents together, the failure that follows parks them all; 0: only
                       those of each are counted */
  int64_t within_ms;
};
/* Before the agents that name it. HGL_EXISTS, HGL_LIMIT. */
int hgl_host_add_group(struct hgl_host *host, const struct hgl_group_config *config,
                       struct hgl_err *err) HGL_NODISCARD;

struct hgl_agent_config {
  const char *name;        /* its identity follows the name */
  const char *script_path; /* as errors show it; modules are searched beside it */
  struct hgl_bytes source;
  struct hgl_bytes
      delegation;            /* issued elsewhere; empty: the host issues it with the agent's key */
  struct hgl_bytes config;   /* encoded map, or empty */
  const char *const *grants; /* "read=/proc/loadavg", … NULL-terminated, or NULL */
  struct hgl_agent_limits limits; /* zero fields: defaults */
  struct hgl_restart restart;
  const char *group; /* that was added, or NULL */
  bool resume;       /* also if it was paused, parked or stopped when it last ran */
};
/* Runs the script's top level now; on_start, if it has one, runs in the next tick. One that is
 * stopped is only remembered, one that is paused or parked does not begin. HGL_SCRIPT, HGL_EXISTS.
 */
int hgl_host_add_agent(struct hgl_host *host, const struct hgl_agent_config *config,
                       struct hgl_err *err) HGL_NODISCARD;
/* While the agents of a start are being added, before the first tick: commits what adding them made
 * (rows, adverts; phases 5 to 7), so that it does not pile up, and lets agents sleep where their
 * Lua states take more than they may. Nothing runs and nothing is taken in: a handler may speak to
 * an agent that comes later. Does nothing while the store is busy or the disk is full. */
void hgl_host_commit_added(struct hgl_host *host);
/* on_stop of every agent (each may still send), then no more handlers. Call ticks until idle. */
void hgl_host_stop_agents(struct hgl_host *host);

/* What the operator decides about one agent. Each takes effect between two stretches and lasts
 * over restarts of the host; hgl_host_when_settled tells when it is done and durable.
 * HGL_NOT_FOUND; HGL_INVALID for the operator's own agent and for what the agent's state does not
 * permit. */

/* Nothing of it runs; messages wait in its mailbox. */
int hgl_host_pause_agent(struct hgl_host *host, const char *name,
                         struct hgl_err *err) HGL_NODISCARD;
/* It goes on: one that was paused where it was, one that was parked or stopped from the start. */
int hgl_host_resume_agent(struct hgl_host *host, const char *name,
                          struct hgl_err *err) HGL_NODISCARD;
/* on_stop, then messages for it are refused with HGL_NOT_HERE; what waits in its mailbox stays. */
int hgl_host_stop_agent(struct hgl_host *host, const char *name, struct hgl_err *err) HGL_NODISCARD;
/* on_stop, then its script runs anew. `source`: its text as it is now, or empty: as it was. The
 * agent stays as it is when that does not load: HGL_SCRIPT. */
int hgl_host_restart_agent(struct hgl_host *host, const char *name, struct hgl_bytes source,
                           struct hgl_err *err) HGL_NODISCARD;
/* Describes it anew; *changed: it differs, by its description or by what its script and modules are
 * now. Then one that runs is restarted, another is made of the new description when it begins
 * again. It stays as it is when its script does not load: HGL_SCRIPT. HGL_NOT_FOUND. */
int hgl_host_change_agent(struct hgl_host *host, const struct hgl_agent_config *config,
                          bool *changed, struct hgl_err *err) HGL_NODISCARD;
/* Its script runs on as this text, between two stretches: without on_stop, and with all that the
 * agent has, suspended handlers too, which go on under the script they began with. If the version
 * that it describes is higher than the one before, its on_upgrade runs first, within this one step;
 * then its on_start("reloaded"). When the text does not load, or its on_upgrade raises or waits,
 * the agent goes on as if nothing had happened. One that was parked, or waits for its restart,
 * begins again with it.
 *
 * `done` is called once, from a tick or the host's end, when the change is durable, with {"name",
 * "changed", "from", "to" (versions), "upgraded", "old_handlers" (that go on under an older
 * script), "restarted"} (borrowed); or with why it was not made: HGL_SCRIPT, HGL_INVALID,
 * HGL_NO_MEMORY, HGL_CLOSED… `if_changed`: nothing happens when the script and its modules are
 * those that run, and whoever asks tells what came of it: it is not logged. */
typedef void (*hgl_reload_done)(void *user, json_t *result, const struct hgl_err *why);
int hgl_host_reload_agent(struct hgl_host *host, const char *name, struct hgl_bytes source,
                          bool if_changed, hgl_reload_done done, void *user,
                          struct hgl_err *err) HGL_NODISCARD;
/* Which agents: those for which all that is not NULL fits. */
struct hgl_selection {
  const char *name;  /* the agent's, or, if there is none of that name, that of counted ones */
  const char *group; /* its group's */
  const char *file;  /* of its script, or of a module beside it that it has required */
};
/* Calls `agent` for each, except the operator's, in the order in which they were added; it may not
 * change the host. HGL_NOT_FOUND: there is none. */
int hgl_host_select(struct hgl_host *host, const struct hgl_selection *selection,
                    int (*agent)(void *user, const char *name, const char *script,
                                 struct hgl_err *err),
                    void *user, struct hgl_err *err) HGL_NODISCARD;
/* The files of an agent's script: itself and the modules beside it that it has required. */
int hgl_host_agent_files(struct hgl_host *host, const char *name,
                         int (*file)(void *user, struct hgl_bytes path, struct hgl_err *err),
                         void *user, struct hgl_err *err) HGL_NODISCARD;
/* Stops it and forgets that it was here; what is stored of it waits for an agent of that name.
 * `forget`: is erased, but for what it said and heard (journal, evidence, dead letters). */
int hgl_host_remove_agent(struct hgl_host *host, const char *name, bool forget,
                          struct hgl_err *err) HGL_NODISCARD;
/* `settled` is called once, from a tick or the host's end: with what hgl_host_list_agents says of
 * the agent (borrowed), NULL when it was removed, or HGL_CLOSED. */
int hgl_host_when_settled(struct hgl_host *host, const char *name,
                          void (*settled)(void *user, json_t *agent, const struct hgl_err *why),
                          void *user, struct hgl_err *err) HGL_NODISCARD;
/* The path of an agent's script as it was given; good until the agent is removed. */
int hgl_host_agent_script(struct hgl_host *host, const char *name, const char **out,
                          struct hgl_err *err) HGL_NODISCARD;

/* ---- the tick ---- */

/* The first one says that all agents of the start are there: from then on what others offered
 * before is withdrawn, some of it in each tick, and handlers run. */
void hgl_host_tick(struct hgl_host *host);
/* When the next tick is due at the latest, monotonic ns; INT64_MAX: only when something arrives. */
int64_t hgl_host_deadline(const struct hgl_host *host);
/* Why ticks are held, and with them all that is taken in or run: "disk_full", "store_stalled" (a
 * commit takes five seconds longer than it may wait; the first that does may leave room for another
 * tick), "disk_low" (below the reserve); NULL: they are not. */
const char *hgl_host_held(const struct hgl_host *host);
/* Nothing is waiting to run and nothing is being committed (timers may be pending). */
bool hgl_host_idle(const struct hgl_host *host);

/* ---- links ---- */

/* Where this host can be dialled; told to peers. Copied. */
int hgl_host_set_urls(struct hgl_host *host, const char *const *urls,
                      struct hgl_err *err) HGL_NODISCARD;
int hgl_host_link_up(struct hgl_host *host, void *link, const struct hgl_key *peer, bool dialled,
                     struct hgl_err *err) HGL_NODISCARD;
/* A frame or the end of a link that is no longer the peer's current one is passed over. */
void hgl_host_link_frame(struct hgl_host *host, void *link, const struct hgl_key *peer,
                         struct hgl_bytes frame);
void hgl_host_link_down(struct hgl_host *host, void *link, const struct hgl_key *peer);
void hgl_host_address_verified(struct hgl_host *host, const struct hgl_key *peer, const char *url);

/* ---- looking and commanding (control API) ---- */

/* It is told what happens until it is taken away; not twice. Borrowed until then, or until the host
 * ends. Within its event a watcher may take away itself, and nobody else. */
void hgl_host_watch(struct hgl_host *host, struct hgl_watcher *watcher);
void hgl_host_unwatch(struct hgl_host *host, struct hgl_watcher *watcher); /* if it is there */
/* Each gives a new reference. */
int hgl_host_describe(struct hgl_host *host, json_t **out, struct hgl_err *err) HGL_NODISCARD;
int hgl_host_list_agents(struct hgl_host *host, json_t **out, struct hgl_err *err) HGL_NODISCARD;
int hgl_host_list_peers(struct hgl_host *host, json_t **out, struct hgl_err *err) HGL_NODISCARD;
/* Newest first; limit 0: all. */
int hgl_host_list_deals(struct hgl_host *host, size_t limit, json_t **out,
                        struct hgl_err *err) HGL_NODISCARD;
/* Of which hosts and agents a proof is kept that they contradicted themselves. */
int hgl_host_list_proofs(struct hgl_host *host, json_t **out, struct hgl_err *err) HGL_NODISCARD;
/* Oldest first, with their messages. */
int hgl_host_list_dead(struct hgl_host *host, json_t **out, struct hgl_err *err) HGL_NODISCARD;
/* One of them, with its traceback. HGL_NOT_FOUND. */
int hgl_host_show_dead(struct hgl_host *host, uint64_t row, json_t **out,
                       struct hgl_err *err) HGL_NODISCARD;
/* Of one agent, in no order: { name, key, due_ms (Unix time), every_ms (0: not by an interval), and
 * value, or cron and zone of a schedule by a line }. HGL_NOT_FOUND: no agent of that name runs. */
int hgl_host_list_timers(struct hgl_host *host, const char *agent, json_t **out,
                         struct hgl_err *err) HGL_NODISCARD;
/* The same for people: {"timers", "schedules", "left_out"}, the next ones first, at most 1000. */
int hgl_host_timers(struct hgl_host *host, const char *agent, json_t **out,
                    struct hgl_err *err) HGL_NODISCARD;
/* What an agent's script is made of, as the host runs it: {"files", "digest", "runs"}, and of one
 * file (NULL: the script itself) "file", "source", "left_out". HGL_NOT_FOUND; HGL_INVALID: it has
 * no script. */
int hgl_host_source(struct hgl_host *host, const char *agent, const char *file, json_t **out,
                    struct hgl_err *err) HGL_NODISCARD;
/* `query` is the text form of protocol/query.h. */
int hgl_host_find(struct hgl_host *host, const char *query, json_t **out,
                  struct hgl_err *err) HGL_NODISCARD;

/* Why a query finds what it does: {"hits", "more", "near", "considered"}, as CONTROL.md has it; at
 * most `limit` of each. */
int hgl_host_explain(struct hgl_host *host, const char *query, size_t limit, json_t **out,
                     struct hgl_err *err) HGL_NODISCARD;
/* What an agent (a name here, or any did) offers, until when, and the evidence of it.
 * HGL_NOT_FOUND. */
int hgl_host_advert(struct hgl_host *host, const char *agent, json_t **out,
                    struct hgl_err *err) HGL_NODISCARD;

/* A part of a list that may be too long for one answer. What comes or goes between two pages may be
 * missed; what stays is told once. */
struct hgl_page {
  struct hgl_bytes after; /* the cursor that the page before gave; empty: from the beginning */
  size_t limit;           /* items at most */
  size_t size_max;        /* bytes of JSON text: it ends with the item that reaches them */
  struct hgl_buf *next;   /* gets the cursor for the page after this one; nothing after the last */
  const char *agent;      /* DEAD, RUNS: only those of the agent of this name; NULL: all */
  bool newest;            /* DEAD: these come first, else the oldest */
};
/* Dead letters come without the bodies of their messages. */
enum hgl_list {
  HGL_LIST_AGENTS,
  HGL_LIST_PEERS,
  HGL_LIST_DEALS,
  HGL_LIST_PROOFS,
  HGL_LIST_DEAD,
  HGL_LIST_RUNS,
};
/* Like the calls above, a page at a time. HGL_INVALID: a cursor that is none of this list's. */
int hgl_host_page(struct hgl_host *host, enum hgl_list list, const struct hgl_page *page,
                  json_t **out, struct hgl_err *err) HGL_NODISCARD;
int hgl_host_find_page(struct hgl_host *host, const char *query, const struct hgl_page *page,
                       json_t **out, struct hgl_err *err) HGL_NODISCARD;
/* The operator speaks as the agent "operator", which exists on every host. `answer` is called once,
 * with the reply's JSON or an error; NULL: a send, which only queues. */
int hgl_host_send(struct hgl_host *host, const char *to, const char *type, struct hgl_bytes body,
                  int64_t within_ms,
                  void (*answer)(void *user, json_t *reply, const struct hgl_err *why),
                  void *answer_user, struct hgl_id *id, struct hgl_err *err) HGL_NODISCARD;
/* Dialogues that the operator holds, message by message. HGL_NOT_FOUND: there is none of this
 * number; and as hgl_host_send. */
int hgl_host_talk(struct hgl_host *host, const char *to, const char *type, struct hgl_bytes body,
                  uint64_t *talk, struct hgl_err *err) HGL_NODISCARD; /* opens one */
/* `performative` of the same protocol, or "refuse". */
int hgl_host_talk_say(struct hgl_host *host, uint64_t talk, const char *performative,
                      struct hgl_bytes body, struct hgl_err *err) HGL_NODISCARD;
/* `answer` is called once: with a list of what was heard since the last time, as soon as that is
 * something and durable, or an empty one after `within_ms`. Each is an envelope, or {"undelivered",
 * "why"}: what was said did not arrive. HGL_EXISTS: somebody listens already. */
int hgl_host_talk_hear(struct hgl_host *host, uint64_t talk, int64_t within_ms,
                       void (*answer)(void *user, json_t *messages, const struct hgl_err *why),
                       void *user, struct hgl_err *err) HGL_NODISCARD;
void hgl_host_talk_end(struct hgl_host *host, uint64_t talk); /* nothing more is heard of it */
/* What an agent declares: {"protocols": [definitions, in SPEC's canonical form], "handlers": [types
 * that it handles besides]}. HGL_NOT_FOUND. */
int hgl_host_protocols(struct hgl_host *host, const char *name, json_t **out,
                       struct hgl_err *err) HGL_NODISCARD;
/* What this agent did lately, the newest first: events after `after` (0: all), at most `limit`.
 * Each is an object with "order", "time_ms", "what" (heard, said, stretch, timer, dead), "name",
 * and what belongs to it (CONTROL.md). HGL_NOT_FOUND. */
int hgl_host_trace(struct hgl_host *host, const char *name, uint64_t after, size_t limit,
                   json_t **out, struct hgl_err *err) HGL_NODISCARD;
/* One message, said or heard by this host, by its id: {"envelope", "raw", "evidence", …}, as
 * CONTROL.md has it. `from`: the sender's name or did, or NULL: ids are chosen by senders, so two
 * messages may share one; then the latest is shown. HGL_NOT_FOUND; HGL_LIMIT: not among the latest
 * of the journal, and nothing knows its place. */
int hgl_host_message(struct hgl_host *host, const char *id, const char *from, json_t **out,
                     struct hgl_err *err) HGL_NODISCARD;
/* Dialogues, by what the trace tells of them, the one with the latest event first, and behind those
 * some that are open and of which it tells nothing any more: {"dialogues", "oldest_ms"}, as
 * CONTROL.md has it. HGL_NOT_FOUND, HGL_INVALID. */
enum { HGL_DIALOGUES_LISTED = 100, HGL_DIALOGUES_LISTED_MAX = 200 };
struct hgl_dialogues_wanted { /* NULL: any */
  const char *agent, *peer;   /* a name or a did */
  const char *protocol;       /* "market" or "market/1.0" */
  const char *state;
  const char *text; /* somewhere in it, in whatever case */
  size_t limit;
};
int hgl_host_dialogues(struct hgl_host *host, const struct hgl_dialogues_wanted *wanted,
                       json_t **out, struct hgl_err *err) HGL_NODISCARD;
/* One of them: {"dialogue", "messages", "events", "definition"?, "more"}. HGL_NOT_FOUND. */
struct hgl_dialogue_wanted {
  const char *agent, *peer; /* peer NULL: whomever the trace tells of */
  const char *thid;
  bool evidence; /* of each message */
  bool deep;     /* what the trace has no more is looked for in the journal, which takes long */
};
int hgl_host_dialogue(struct hgl_host *host, const struct hgl_dialogue_wanted *wanted, json_t **out,
                      struct hgl_err *err) HGL_NODISCARD;
/* For whoever follows them: a number that changes with every event of the trace and every tick. */
uint64_t hgl_host_mark(const struct hgl_host *host);
/* Whether something has happened in this thread since the last call; *seen is 0 at the first. */
bool hgl_host_thread_touched(const struct hgl_host *host, const char *thid, uint64_t *seen);
/* Of an agent's stored row: the number that its other rows begin with. HGL_MALFORMED. */
int hgl_agent_row_number(struct hgl_bytes row, uint64_t *out, struct hgl_err *err) HGL_NODISCARD;
int hgl_host_dead_resend(struct hgl_host *host, uint64_t row, struct hgl_err *err) HGL_NODISCARD;
int hgl_host_dead_drop(struct hgl_host *host, uint64_t row, struct hgl_err *err) HGL_NODISCARD;
/* All that can be, oldest first; what cannot (no message, its agent not here or full) is left. */
int hgl_host_dead_resend_all(struct hgl_host *host, size_t *done, size_t *left,
                             struct hgl_err *err) HGL_NODISCARD;
int hgl_host_dead_drop_all(struct hgl_host *host, size_t *done, struct hgl_err *err) HGL_NODISCARD;
/* Handlers that are suspended, the oldest first. */
int hgl_host_list_runs(struct hgl_host *host, json_t **out, struct hgl_err *err) HGL_NODISCARD;
int hgl_host_show_run(struct hgl_host *host, uint64_t row, json_t **out,
                      struct hgl_err *err) HGL_NODISCARD;
/* One that is parked, or waits to be tried again, is tried now. HGL_INVALID: it has not failed. */
int hgl_host_run_retry(struct hgl_host *host, uint64_t row, struct hgl_err *err) HGL_NODISCARD;
/* It ends here as if its handler had returned: what it has done stays done. */
int hgl_host_run_finish(struct hgl_host *host, uint64_t row, struct hgl_err *err) HGL_NODISCARD;
/* The same, and its message is a dead letter: its handler can begin again with `dead resend`. */
int hgl_host_run_drop(struct hgl_host *host, uint64_t row, struct hgl_err *err) HGL_NODISCARD;
/* Evidence of a message (32 hex digits), or all of a deal (its id, or a unique beginning), or what
 * proves that a host or agent (did:key) contradicted itself: appends one evidence or conflict, or a
 * list of them. HGL_NOT_FOUND. */
int hgl_host_export(struct hgl_host *host, const char *id, struct hgl_buf *out,
                    struct hgl_err *err) HGL_NODISCARD;

/* The same in steps: what is neither in memory nor kept is looked for in the journal, which may be
 * long. A lookup ends before its host does. */
struct hgl_lookup;
int hgl_lookup_message(struct hgl_host *host, const char *id, const char *from,
                       struct hgl_lookup **out, struct hgl_err *err) HGL_NODISCARD;
/* In the end {"evidence"}, in base64url. */
int hgl_lookup_evidence(struct hgl_host *host, const char *id, struct hgl_lookup **out,
                        struct hgl_err *err) HGL_NODISCARD;
/* Looks through about `bytes` of the journal; 0: through none of it yet. 1: there is more to look
 * through; 0: *out is what was looked for, a new reference; or how hgl_host_message or
 * hgl_host_export fails. */
int hgl_lookup_step(struct hgl_lookup *lookup, size_t bytes, json_t **out,
                    struct hgl_err *err) HGL_NODISCARD;
void hgl_lookup_destroy(struct hgl_lookup *lookup); /* NULL is allowed */

/* The agent's committed state, or the part at `place` (lua/state_name.h; empty: all): {"value",
 * "left_out"}, in the JSON projection. A list is one whose keys are 1 … n; else an integer key n is
 * "$n". Tables deeper than `depth` are {"$more": entries}, and what a table has beyond `entries`
 * stands in its "$more". Nothing is woken by it. HGL_NOT_FOUND, HGL_INVALID. */
int hgl_host_state(struct hgl_host *host, const char *name, struct hgl_bytes place, size_t depth,
                   size_t entries, json_t **out, struct hgl_err *err) HGL_NODISCARD;

/* ---- the console ---- */

enum { HGL_CONSOLE_LINE_SIZE_MAX = 64 << 10 };

/* Runs this line, or several, of Lua in the agent's sandbox as one transaction, with all that the
 * agent may do. It may wait, as a handler may; that the host restarts meanwhile does not end it,
 * but then nobody hears of its end. `who` stands in the log. `done` is called once, from a tick or
 * the host's end, when what it did is durable: with {"shown": what it returned, for people}, or
 * {"raised", "traceback", "rolled_back", "incomplete" (its text breaks off)} (borrowed), or with
 * why it was not run to its end. HGL_INVALID: the agent is parked or stopped. */
typedef void (*hgl_console_done)(void *user, json_t *result, const struct hgl_err *why);
int hgl_host_console(struct hgl_host *host, const char *name, const char *who,
                     struct hgl_bytes text, hgl_console_done done, void *user,
                     struct hgl_err *err) HGL_NODISCARD;
/* Gives up the line of this `user` that waits: what it did before stays. HGL_NOT_FOUND. */
int hgl_host_console_stop(struct hgl_host *host, const void *user,
                          struct hgl_err *err) HGL_NODISCARD;
/* A list of the names that what stands at the end of the text could go on with. A new reference. */
int hgl_host_complete(struct hgl_host *host, const char *name, struct hgl_bytes text, json_t **out,
                      struct hgl_err *err) HGL_NODISCARD;

struct hgl_host_counts {
  uint64_t ticks, commits, signatures, verifications;
  uint64_t sent, received, handled, refused, raised, dead, deals;
  uint64_t woken, waking_ns; /* agents that slept, and what that took in all */
};
struct hgl_host_counts hgl_host_counts(const struct hgl_host *host);

#endif
