/* What the files of this folder share. Nothing outside includes it.
 *
 * Ownership: struct hgl_host owns agents, peers and the timer heaps; an agent owns its VM, its
 * mails, its runs and its timers; messages and batches are counted, because a message stands at
 * once in what a tick says, in a mailbox, in a run and in what is kept as evidence. */
#ifndef HGL_AGENT_INTERNAL_H
#define HGL_AGENT_INTERNAL_H

#include "agent/host.h"
#include "agent/journal_age.h"
#include "agent/lately.h"
#include "agent/mails.h"
#include "agent/manifest.h"
#include "agent/metering.h"
#include "agent/runs.h"
#include "base/cron.h"
#include "base/heap.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/table.h"
#include "protocol/dialogue.h"
#include "protocol/did.h"
#include "protocol/evidence.h"
#include "protocol/frame.h"

struct agent;
struct group;
struct peer;

/* ---- messages and the batches that prove them (message.c) ---- */

/* One group as it was signed: all that a message of it needs to become evidence. */
struct batch {
  int refs;
  uint8_t *memory; /* what the slices below point into */
  struct hgl_bytes header, group_leaf;
  struct hgl_path group_path;
  int64_t time_ms; /* of the header */
  uint64_t row;    /* in JOURNAL; 0: not known, or none yet */
  size_t count;
  struct hgl_hash *leaves; /* of the envelopes, in order */
  struct hgl_hash *tree;   /* over them, made when the first path is wanted; NULL until then */
};

struct message {
  int refs;
  struct hgl_envelope envelope; /* slices into bytes */
  struct hgl_bytes bytes;       /* encoded; own memory, or the batch's */
  uint8_t *memory;              /* NULL when the batch's */
  struct batch *batch;          /* NULL: not signed yet, or evidence is set */
  uint32_t index;               /* in the batch */
  struct hgl_buf evidence;      /* read back from a row; empty otherwise */
  bool asked;                   /* an ask of ours: its own timeout tells when it expires */
  uint64_t said, heard;         /* events of the trace that want its place in the journal, or 0 */
};

int batch_create(const struct hgl_frame_batch *frame, int64_t time_ms,
                 const struct hgl_hash *leaves, struct batch **out,
                 struct hgl_err *err) HGL_NODISCARD;
void batch_release(struct batch *batch);
/* Takes over `memory` (of `size` bytes, an encoded envelope) also on failure. */
int message_create(uint8_t *memory, size_t size, struct message **out,
                   struct hgl_err *err) HGL_NODISCARD;
/* A message whose bytes are copied. */
int message_copy(struct hgl_bytes bytes, struct message **out, struct hgl_err *err) HGL_NODISCARD;
/* From a row: the evidence is kept beside the envelope. */
int message_from_evidence(struct hgl_bytes evidence, struct message **out,
                          struct hgl_err *err) HGL_NODISCARD;
struct message *message_hold(struct message *message);
void message_release(struct message *message); /* NULL is allowed */
void message_set_batch(struct message *message, struct batch *batch, uint32_t index);
/* Appends the evidence. HGL_NOT_FOUND while it is unsigned. */
int message_evidence(struct hgl_host *host, const struct message *message, struct hgl_buf *out,
                     struct hgl_err *err) HGL_NODISCARD;

/* ---- timers (timers.c) ---- */

enum { TIMER_BY_CRON = -1 };

struct cron_line {
  struct hgl_cron *when; /* NULL: could not be read when the host started */
  const struct hgl_zone *zone;
  int64_t from_ms; /* `due` is its next time after this */
};

struct timer {
  struct hgl_heap_entry due; /* in host->wall_heap, in ms; first member */
  struct agent *agent;
  char *id; /* name, NUL, key: also the row's key behind the agent's number */
  size_t name_size, id_size;
  struct hgl_buf value;
  int64_t every_ms;      /* of a schedule, or TIMER_BY_CRON; 0: fires once */
  struct cron_line cron; /* then value holds it as text; see schedules.c */
  bool firing;           /* stands in the mailbox */
  bool cancelled;        /* while firing: it goes when its mail comes up */
  struct agent_run *run; /* a schedule's handler that is suspended: the next call is skipped */
  uint64_t skipped;
};

/* ---- agents (agent.c) ---- */

struct hold_pair; /* holds.c */
struct wait;      /* waits.c */

/* Agents that have something to do, in turn. */
struct ready_agents {
  struct agent *first, *last;
};

struct agent {
  struct hgl_host *host;
  struct child *child; /* what it was made from */
  size_t place;        /* in host->agents */
  struct agent *next_ready, *previous_ready;
  struct ready_agents *ready_in; /* NULL: it is not */
  unsigned row_left;             /* turns among those who decide, before the next has one */
  const char *name;              /* the child's */
  uint64_t number;
  struct hgl_key key;
  bool has_key;     /* host->config.keys has its key; else it is delegated from elsewhere */
  bool advert_lost; /* to be said again, whatever it said */
  struct hgl_delegation delegation; /* its bytes are in its row */
  int64_t warned_ms; /* monotonic: the next warning that the delegation ends not before this */
  struct manifest *manifest;
  int64_t stored_version;
  bool created;                   /* on_start(created) has been committed */
  struct hgl_vm *vm;              /* NULL: it sleeps (hibernate.c), or has no script */
  struct kept_script *script;     /* what vm runs; NULL: the operator */
  struct script_loading *loading; /* while a script's top level runs */
  struct old_vm *old_vms;         /* of scripts that only runs still need */
  uint64_t moves;                 /* of state, when the places of runs' views were last looked at */
  const struct hgl_agent_limits *limits; /* the child's */
  struct mail_queue mailbox;
  size_t waiting_count, waiting_bytes; /* messages not consumed, held ones included; notices too */
  uint64_t notices_dropped;            /* of undelivered messages, for want of room */
  struct hgl_map unreached;            /* host key → any: spoken to and never reached so far */
  struct hgl_map senders;              /* agent key → struct sender: how many of them by sender */
  struct hgl_map threads;              /* peer ‖ thid → struct agent_run */
  struct hgl_map asks;      /* thid → struct agent_run; of the operator, struct operator_ask */
  struct hgl_map locks;     /* key → struct lock */
  struct hgl_map timers;    /* id → struct timer */
  size_t timer_bytes;       /* of their values */
  struct hgl_map dialogues; /* peer ‖ thid → struct dialogue */
  struct hgl_map dialogue_peers;                  /* peer → how many of them */
  struct agent_run *runs;                         /* list */
  struct agent_run *runs_ready, *runs_ready_last; /* to be resumed or retried, in order */
  size_t run_count, waiting_runs;                 /* of them suspended */
  struct agent_run *starting; /* on_upgrade or on_start is to be tried again: nothing else runs */
  bool dirty;                 /* its VM has state to flush at the end of the tick */
  struct agent *next_dirty;
  struct operator_asks *operator_asks; /* NULL: it has asked nothing; see operator.c */
  struct operator_talk *operator_talks;
  uint64_t author_of; /* the row of the last group that holds a message of its */
  size_t author_at;   /* its place among that group's authors */
  uint64_t said_tick; /* see accounts.c */
  size_t said_bytes;
  size_t calls_open;
  struct hgl_call_nature call_nature; /* of the call that is being made */
  size_t http_count;                  /* requests that wait for an answer of its handlers */
  struct hgl_bucket said, called, logged, logged_bytes; /* of this second */
  bool log_full;         /* the surplus of its log is left out, which has been said */
  uint64_t log_left_out; /* lines, since then; and in all: */
  uint64_t log_left_out_total;
  uint64_t handled, sent, raised, refused;
  struct lately raised_lately;
  char *last_error, *last_raise, *last_traceback; /* of the same raise; or NULL */
  struct agent *awake_next, *awake_previous;      /* in host->awake_first … while it has a VM */
  int64_t unwakeable_ms; /* monotonic: since when there is no memory to wake it; 0: there is */
  int64_t active_ms;     /* monotonic; when it last did something */
  int64_t cpu_ns;        /* of its stretches */
  size_t lua_bytes;      /* of its VM, as far as the host's sum knows */
  bool is_awake;
  bool stopped;
  bool held; /* paused, parked or waiting for its restart: no stretch begins */
};

/* ---- the stretch that runs now (stretch.c) ---- */

struct spoken {
  struct message *message;
  struct peer *peer;
};

struct timer_change {
  char *id;
  size_t name_size, id_size;
  bool cancel;
  int64_t due_ms;
  struct hgl_buf value;
};

struct dialogue_undo {
  uint8_t key[HGL_KEY_SIZE + HGL_ID_SIZE];
  bool existed;
  struct hgl_dialogue was;
};

/* What the running stretch did and is not true yet. Accepting moves it into the tick, dropping
 * undoes it; either leaves it empty. */
struct stretch {
  struct agent *agent; /* NULL: none runs */
  bool answers;        /* what it is sending answers a message, whose author is known */
  struct mail *mail;   /* what it handles, if a message */
  struct agent_run *run;
  struct spoken *spoken;
  size_t spoken_count, spoken_capacity, spoken_bytes;
  struct timer_change *timers;
  size_t timer_count, timer_capacity, timer_bytes;
  struct dialogue_undo *undo;
  size_t undo_count, undo_capacity;
  struct hgl_writeset *writes; /* deals and the like */
  struct message **keeps;
  size_t keep_count, keep_capacity;
  struct held_locks locks;    /* of its handler, as they will be */
  struct mail *next;          /* agent.continue: what follows; or NULL */
  struct hgl_buf http_answer; /* to the request that is handled, encoded; or empty */
  json_t *deals;              /* list of deal records, to be shown once they are true; or NULL */
};

/* ---- peers: the other hosts (peers.c, inbox.c, outbox.c) ---- */

/* How much of batch frames a host has under way on one link, and how much one takes in before it
 * stops reading. The first stays below the second, so that a host never stops reading one that
 * keeps to it: it could be waiting for the settle frame behind those batches. */
enum {
  LINK_WINDOW_BYTES = 12 << 20,  /* sent and not acknowledged */
  LINK_INBOUND_BYTES = 16 << 20, /* heard and not yet routed */
};

struct exception {
  uint64_t number;
  enum hgl_code code;
};

/* Two agents of whom a message found no room here: so that nothing overtakes it, everything between
 * them is refused alike until the sender's host has settled, and below the number it then names. */
struct full_pair {
  uint64_t last;  /* number of the last one refused */
  uint64_t until; /* first number that passes; 0: not settled yet */
};

struct peer {
  struct hgl_key key;
  char did[HGL_DID_TEXT_SIZE];
  /* the link */
  void *link;   /* NULL: none */
  bool dialled; /* by us */
  bool ready;   /* hellos are exchanged */
  bool refused; /* an error was sent, the link is about to end: nothing is heard any more */
  bool paused;
  struct hgl_map announced; /* agents whose delegation this link has carried */
  char *url;                /* last verified address, or NULL */
  char *software;
  int64_t skew_ms;
  struct inbound *inbound_first, *inbound_last; /* batches taken in and not yet routed */
  size_t inbound_bytes;
  struct peer *next_inbound; /* in host->inbound, while there are any and they may be routed */
  bool in_inbound;
  /* out: numbering towards this host, under our incarnation */
  uint64_t out_next;        /* number of the next envelope, from 1 */
  struct hgl_hash out_leaf; /* Merkle leaf hash of the last group leaf */
  uint64_t out_acked;
  uint64_t out_last_row;  /* in JOURNAL: the last group said; 0: none, or one without a link back */
  bool out_outdated;      /* these numbers are of an older incarnation; only while it loads */
  int rewinds;            /* since: */
  int64_t rewound_ms;     /* monotonic */
  uint64_t out_first_row; /* where loading begins: the oldest unacknowledged group's row, or 0 */
  uint64_t out_exceptions_done; /* exceptions up to here have been dealt with */
  uint64_t out_settle_tick;     /* the tick whose commit lets the settle frame go; 0: none due */
  uint64_t out_settle_next;     /* the number that it names */
  struct group *groups, *groups_last; /* not acknowledged, by number */
  struct group *cursor;               /* next to be sent on this link */
  size_t out_bytes;
  size_t under_way;        /* of the groups */
  struct message **spoken; /* this tick's, towards this host */
  size_t spoken_count, spoken_capacity, spoken_bytes;
  struct peer *next_speaking;
  bool is_speaking;
  struct hold_pair *holds; /* pairs of agents held back because a mailbox was full */
  struct hgl_map waits; /* agent key → struct wait: no delegation of it to this host is known */
  struct wait *waits_first;
  size_t held_bytes; /* of holds and waits */
  /* in: numbering from this host */
  bool in_known;
  struct hgl_incarnation in_incarnation;
  struct hgl_incarnation in_superseded[8]; /* a ring of older ones */
  size_t in_superseded_count;
  uint64_t in_next;        /* the only number that is accepted next */
  bool in_lost;            /* our store was restored: what lies before the next may be lost */
  struct hgl_hash in_leaf; /* of the last group leaf accepted */
  uint64_t in_sequence;    /* of the last header accepted */
  int64_t in_time_ms;
  struct hgl_buf in_header;
  struct exception *exceptions; /* not settled */
  size_t exception_count, exception_capacity;
  bool exceptions_dirty, pairs_dirty;
  uint64_t in_committed;     /* acknowledged up to here, of this incarnation */
  bool ack_due;              /* with this tick */
  struct hgl_map full_pairs; /* from ‖ to → struct full_pair */
  bool restored;             /* it went on behind what it had told us */
  uint64_t in_bad;           /* counted violations */
  int64_t active_ms;         /* monotonic; last linked, or its address seen to answer */
  enum hgl_code refused_for; /* since it was last linked; HGL_OK: nothing. So that one reason, */
  enum hgl_code refuses_for; /* met again at every attempt, is a warning once; theirs likewise */
  bool wanted;               /* a link to it */
  bool sought;               /* an agent here speaks to it of its own accord */
  struct peer *next_dirty;
  bool is_dirty;
  size_t records; /* of struct tick_record that name it */
};

struct inbound {
  struct inbound *next;
  int64_t arrived_ns; /* monotonic */
  size_t size;
  uint8_t frame[];
};

struct tick_peer {
  struct peer *peer;
  struct hgl_incarnation in_incarnation; /* that `in_last` is a number of */
  uint64_t in_last;                      /* acknowledged with this tick */
  bool ack_due;
};

/* What waits for the commit of one tick: the peers it touched. */
struct tick_record {
  struct tick_record *next;
  uint64_t tick;
  int64_t sealed_ns; /* monotonic */
  struct arrivals ended;
  size_t count;
  struct tick_peer peers[];
};

/* ---- the host ---- */

struct children { /* a list; see supervise.h */
  struct child *first, *last;
};

enum proof_kind { PROOF_FORK, PROOF_DELEGATION_CONFLICT, PROOF_KINDS }; /* proofs.c */

struct hgl_host {
  struct hgl_host_config config;
  struct hgl_key key;
  char did[HGL_DID_TEXT_SIZE];
  int64_t now_ms, mono_ms; /* taken at the beginning of the tick */

  struct hgl_table agents_by_key, agents_by_number; /* by name: children_by_name */
  struct agent **agents;
  size_t agent_count, agent_capacity;
  uint64_t next_agent_number;
  struct ready_agents ready, deciding; /* deciding: a model has answered them, and nothing else */
  struct agent *dirty_agents;
  struct agent *awake_first, *awake_last; /* with a Lua state; the longest at rest comes first */
  size_t awake_count, lua_bytes;          /* of their Lua states */
  size_t freed_bytes;                     /* of such, since pages went back to the system */
  bool more_sleep;                        /* the next tick puts more of them to sleep */
  struct run_list unsaved_runs;           /* with something that is in no row yet; */
  struct run_list deferred_runs;          /* the same, and it need not be for some time */
  size_t deferred_bytes, deferred_bytes_max;
  struct hgl_map kept_scripts;       /* digest → struct kept_script */
  struct hgl_map manifests;          /* digest → struct manifest */
  struct hgl_map zones;              /* name → struct hgl_zone */
  struct mail *new_first, *new_last; /* to be given rows at the end of the tick, if still there */
  bool stopping;
  bool complete; /* the agents of its start are all there: it has ticked */

  struct hgl_map addresses; /* text → what it says; see route.c */
  struct hgl_map peers;     /* host key → struct peer */
  struct peer *self;        /* the peer that is this host */
  bool peers_loaded;
  int searches; /* of the journal, for what peers claim; since: */
  int64_t searches_since_ms;
  int64_t turned_away_ms; /* monotonic: no other warning before this */
  struct peer *dirty_peers;
  size_t dirty_peer_count;
  struct peer *speaking;                     /* peers with something said in this tick */
  struct peer *inbound_first, *inbound_last; /* with batches to be routed, each in its turn */

  struct hgl_heap wall_heap; /* durable timers, by Unix time */
  int64_t timers_ms;         /* Unix time when they were looked at last */
  struct hgl_heap mono_heap; /* runs, by monotonic time */

  struct outside_call *calls_waiting; /* for the commit of their stretch; see calls.c */
  struct outside_call *calls_eager;   /* for the end of this tick's stretches */
  struct hgl_map calls;               /* ticket → struct agent_run: begun */
  uint64_t last_ticket;

  struct hgl_http_wait *http_waits; /* see http.c */

  /* the header chain */
  struct hgl_incarnation incarnation;
  uint64_t sequence; /* of the last header signed; 0: none in this incarnation */
  struct hgl_hash header_hash;
  int64_t header_time_ms;
  int64_t incarnation_ms; /* when this incarnation began */
  bool fresh;             /* the store was empty */
  bool continues;         /* the next header is the first of an incarnation that follows another */
  struct hgl_incarnation continues_incarnation;
  struct hgl_incarnation ancestors[8]; /* before that one, as far as this process knows: a ring */
  size_t ancestor_count;
  uint64_t continues_sequence;
  struct hgl_hash continues_hash;

  uint64_t next_row;             /* of all databases with growing keys */
  size_t dead_count, dead_bytes; /* rows of dead letters */
  size_t proof_counts[PROOF_KINDS];
  bool dead_dropped;          /* some went for want of room */
  uint64_t journal_first_row; /* what is kept before it is not acknowledged yet */
  int64_t journal_bytes;
  struct journal_age age;
  uint64_t unacked_from; /* what is not acknowledged before this row stands in UNACKED */

  uint64_t tick, committed_tick;
  bool changed;        /* this tick has something to commit */
  bool intake_stopped; /* the disk is full */
  bool store_stalled;  /* the store has taken no commit for long */
  bool space_low;      /* or nearly so */
  uint64_t space;      /* when it was looked at last */
  int64_t space_due_ms;
  struct tick_record *records_first, *records_last;
  struct stretch stretch;

  struct message **kept; /* signed in this tick, evidence to be stored */
  size_t kept_count, kept_capacity;

  struct hgl_directory *directory;
  struct hgl_map delegations;       /* agent key → struct seen_delegation */
  struct hgl_map delegation_shares; /* host key → how many of them name it */
  struct hgl_heap delegation_ends;
  struct hgl_map accounts; /* agent key → what it said and is not acknowledged */
  size_t frames_bytes;     /* of unacknowledged groups, in memory */
  uint8_t delegation_cursor[HGL_KEY_SIZE + 8]; /* where the next sweep begins */
  size_t delegation_cursor_size;
  char **urls;
  int64_t gossip_due_ms, upkeep_due_ms; /* monotonic */
  size_t upkeep_left;                   /* of the agents, from the first on; 0: it is done */
  int64_t advert_version;               /* of the latest advert of ours */
  uint64_t advert_tick;                 /* in which it was signed */
  bool reviews_adverts;                 /* with the next upkeep */
  bool reviewing;                       /* … with the upkeep that goes on */
  struct hgl_key *absent;               /* see absent_find */
  size_t absent_count, absent_capacity;
  int64_t holds_due_ms;  /* monotonic; what is held back is looked at again */
  int64_t expiry_due_ms; /* Unix time; an unacknowledged message expires */
  bool failed;
  /* supervise.h, as what follows. In lists of their own: WITH_ERRAND, AS_PARKED */
  struct children children, errands, parked;
  size_t parked_count;
  uint64_t children_added;
  struct child *page_end; /* the last page of agents ended with it, or behind it; NULL: nowhere */
  struct hgl_map children_by_name, groups, scripts, limits;
  struct hgl_heap restarts; /* children, by monotonic time in ms */
  struct settle_waiter *waiters;
  struct line *lines; /* of consoles, in the order in which they came */
  struct reload *reloads_first, *reloads_last;
  uint64_t *erasing; /* numbers of agents */
  size_t erasing_count, erasing_capacity;

  struct hgl_agent_walk *walks;
  struct metering metering;
  size_t linked_count; /* of the peers */
  struct trace *trace; /* trace.h; or NULL */
  struct hgl_watcher *watchers;
  struct hgl_message_watcher *message_watchers; /* look.h */
  struct hgl_host_counts counts;
};

/* host.c */
void host_fatal(struct hgl_host *host, const struct hgl_err *why);
uint64_t host_row(struct hgl_host *host);                /* the next growing key */
struct hgl_writeset *host_writes(struct hgl_host *host); /* the tick's; marks the tick as changed */
void host_request_tick(struct hgl_host *host);
struct hgl_bytes row_key(uint64_t row, uint8_t out[8]);
void host_log(struct hgl_host *host, enum hgl_log_level level, const char *format, ...)
    HGL_PRINTF(3, 4);

/* watch.c */
void watch_message(struct hgl_host *host, const struct message *message, const char *what);
void watch_event(struct hgl_host *host, const char *kind, json_t *object); /* steals */
json_t *json_did(const struct hgl_key *key);

/* agent.c */
struct agent *agent_by_key(struct hgl_host *host, const struct hgl_key *key);
struct agent *agent_by_number(const struct hgl_host *host, uint64_t number);
struct agent *agent_by_name(const struct hgl_host *host, struct hgl_bytes name);
int agent_store_row(struct agent *agent, struct hgl_err *err) HGL_NODISCARD;
/* Under which its rows stand. HGL_NOT_FOUND: nothing is stored of one of this name. */
int agent_stored_number(const struct agent *agent, uint64_t *out,
                        struct hgl_err *err) HGL_NODISCARD;
/* Appends its delegation, as it is signed. */
int agent_put_delegation(const struct agent *agent, struct hgl_buf *out,
                         struct hgl_err *err) HGL_NODISCARD;
/* Signs text of its script (protocol/signed_text.h). HGL_DENIED: its key is elsewhere. */
int agent_sign(const struct agent *agent, struct hgl_bytes text, uint8_t out[HGL_SIGNATURE_SIZE],
               struct hgl_err *err) HGL_NODISCARD;
/* *folder_size: of the value, what names the folder that the grant is about; 0: it is about this
 * value alone. */
bool agent_granted(const struct agent *agent, const char *kind, struct hgl_bytes value,
                   size_t *folder_size);
void agent_destroy(struct agent *agent);
int agent_renew(struct agent *agent, struct hgl_err *err) HGL_NODISCARD;

/* adverts.c */
int agent_advertise(struct agent *agent, struct hgl_err *err) HGL_NODISCARD;
/* The directory has what it would say, under its delegation, said in this incarnation. */
bool agent_is_advertised(struct agent *agent);
/* Some agents may not be advertised any more: in the next tick those say it anew. */
void agents_review_adverts(struct hgl_host *host);
/* Takes back what this agent offered, unless it is here. */
int agent_withdraw(struct hgl_host *host, const struct hgl_key *key,
                   struct hgl_err *err) HGL_NODISCARD;
/* When the agents of a start are all there: whose adverts are to be taken back, because they were
 * here once and are not now; and for some of them in each tick, that. Those that a crash leaves are
 * found by the next start. */
int absent_find(struct hgl_host *host, struct hgl_err *err) HGL_NODISCARD;
int absent_withdraw(struct hgl_host *host, struct hgl_err *err) HGL_NODISCARD;

/* ops.c: what the VM calls */
extern const struct hgl_vm_ops agent_ops;
extern const struct hgl_state_rows agent_state_rows;
/* The schedules that its manifest names are in force. */
int agent_schedule(struct agent *agent, struct hgl_err *err) HGL_NODISCARD;

/* agent_log.c: a line of the agent's, within its limits */
void agent_log(struct agent *agent, enum hgl_log_level level, struct hgl_bytes text,
               struct hgl_bytes fields);
/* Appends a script's text as UTF-8, whatever the script made of it: what is none is replaced by
 * U+FFFD, and after 8 KB it is cut. */
void put_clean(struct hgl_buf *out, struct hgl_bytes text);
/* What a script says or names, or a path is, cleaned as above: JSON knows no other text. NULL: no
 * memory. */
json_t *json_words(struct hgl_bytes text);

/* mailbox.c: see mails.h */
/* Local routing of an accepted message: into a mailbox, an ask, or back as undelivered. */
void route_local(struct hgl_host *host, struct message *message);
/* The check before a message enters: agent here, handler, dialogue, expiry, place. */
int route_check(struct hgl_host *host, const struct message *message, struct agent **agent,
                struct hgl_err *err) HGL_NODISCARD;

/* hibernate.c */
/* Its Lua state, if it has given that up. As hgl_vm_create. */
int agent_wake(struct agent *agent, struct hgl_err *err) HGL_NODISCARD;
void agent_active(
    struct agent *agent); /* it does something: it rests from now on at the earliest */
void agent_unlist_awake(struct agent *agent); /* before its VM goes */
/* Gives up an agent's Lua state and state tree, and makes both anew from its rows: as when it
 * sleeps and wakes. Between two stretches. */
int agent_forget_lua(struct agent *agent, struct hgl_err *err) HGL_NODISCARD;
/* After the commit of a tick: a bounded number of agents go to sleep. */
void hibernate_some(struct hgl_host *host);
int64_t hibernate_deadline_ms(const struct hgl_host *host); /* monotonic; INT64_MAX: none */

/* turns.c */
void agent_ready(struct agent *agent);
void agent_ready_to_decide(struct agent *agent); /* it goes on with an eager answer */
void agent_unready(struct agent *agent);         /* its turn has come, or it goes */
void run_agents(struct hgl_host *host);          /* phase 4 */

/* run.c and the other files of handlers that wait: see runs.h */
bool run_has_step(const struct agent *agent);
/* That it has: a run that is ready goes on, or a mail is handled. */
void run_step(struct agent *agent);
/* Handles it now, whatever waits before it. Takes it. */
void run_mail(struct agent *agent, struct mail *mail);

/* console.c */
void console_run(struct hgl_host *host);  /* begins with the lines that have come */
void console_tell(struct hgl_host *host); /* whoever gave a line that is over, once it is durable */
void console_deinit(struct hgl_host *host);
void console_done(struct agent *agent, struct mail *mail); /* its last stretch was accepted */
void console_raised(struct agent *agent, struct mail *mail, const struct raised *raised);
void console_waits(struct mail *mail, struct agent_run *run);
void console_parked(struct mail *mail, const char *why); /* it cannot go on */
void console_lost(struct line *line);                    /* its mail goes */

/* stretch.c */
void stretch_begin(struct hgl_host *host, struct agent *agent, struct mail *mail,
                   struct agent_run *run);
/* Of all that has consequences; writes to state are the VM's to know. */
bool stretch_does_nothing(const struct hgl_host *host);
int stretch_accept(struct hgl_host *host, struct hgl_err *err) HGL_NODISCARD;
void stretch_drop(struct hgl_host *host);
/* What dropping it takes back, in words, with what the VM has taken back; empty: nothing. */
void stretch_undone(struct hgl_host *host, const struct hgl_vm_failure *failure,
                    char out[UNDONE_SIZE]);
int stretch_send(struct hgl_host *host, const struct hgl_vm_send *send, struct hgl_id *id,
                 struct hgl_key *to, struct hgl_err *err) HGL_NODISCARD;
int stretch_keep(struct hgl_host *host, const struct hgl_id *id, struct hgl_err *err) HGL_NODISCARD;
/* http.c: to the request that is handled, encoded. */
int stretch_answer(struct hgl_host *host, struct hgl_bytes answer,
                   struct hgl_err *err) HGL_NODISCARD;
int stretch_timer(struct hgl_host *host, struct timer_change *change,
                  struct hgl_err *err) HGL_NODISCARD;
void stretch_deinit(struct stretch *stretch);
struct message *stretch_last_said(struct hgl_host *host);

/* timers.c */
void timers_due(struct hgl_host *host);
int timer_apply(struct agent *agent, const struct timer_change *change,
                struct hgl_err *err) HGL_NODISCARD;
/* Puts a schedule in the place of the one of this name. `value` is a cron line's (schedules.c),
 * which every_ms says. */
int timer_schedule(struct agent *agent, struct hgl_bytes name, int64_t due_ms, int64_t every_ms,
                   struct hgl_bytes value, int64_t from_ms, struct hgl_err *err) HGL_NODISCARD;
struct timer *timer_scheduled(const struct agent *agent, struct hgl_bytes name);
int timer_move(struct timer *timer, int64_t due_ms, struct hgl_err *err) HGL_NODISCARD;
void timer_fired(struct agent *agent, struct timer *timer); /* its handler's stretch is accepted */
/* Schedules that the agent's manifest does not name any more end; timers whose handler is missing
 * are logged. */
int timers_follow_manifest(struct agent *agent, struct hgl_err *err) HGL_NODISCARD;
int timers_load(struct agent *agent, struct hgl_err *err) HGL_NODISCARD;
void timer_destroy(struct timer *timer);
void timer_id(struct hgl_buf *out, struct hgl_bytes name, struct hgl_bytes key);

/* secret_hmac.c: [hash, key, data]; likewise. HGL_DENIED, and as hgl_host_secrets has it. */
int secret_call_hmac(struct agent *agent, struct hgl_cbor_reader *in, struct hgl_buf *result,
                     struct hgl_err *err) HGL_NODISCARD;

/* dialogues.c: `agent` said (ours) or heard this; steps the dialogue on, durably with the tick. */
int dialogue_step(struct agent *agent, const struct hgl_envelope *envelope, bool ours,
                  struct hgl_err *err) HGL_NODISCARD;
int dialogues_load(struct agent *agent, struct hgl_err *err) HGL_NODISCARD;
/* Forgets those whose deadline has passed. */
int dialogues_expire(struct agent *agent, struct hgl_err *err) HGL_NODISCARD;
/* Where an open one stands; NULL: it is not open. */
const struct hgl_dialogue *dialogue_find(const struct agent *agent, const struct hgl_key *peer,
                                         const struct hgl_id *thid);
/* The open ones in no order, as hgl_map_next. */
bool dialogue_next(const struct agent *agent, size_t *at, struct hgl_key *peer, struct hgl_id *thid,
                   int64_t *active_ms);
void dialogues_deinit(struct agent *agent);
void dialogue_restore(struct agent *agent, const struct dialogue_undo *undo);

/* delegations.c */
struct seen_delegation {
  struct hgl_heap_entry end; /* in host->delegation_ends, in s; first member */
  struct hgl_delegation claims;
  size_t archived; /* older ones of the agent, as far as this process knows */
  struct hgl_buf bytes;
};
/* Verifies and remembers the highest. HGL_DELEGATION_REVOKED, HGL_DELEGATION_CONFLICT, HGL_LIMIT.
 */
int delegation_learn(struct hgl_host *host, struct hgl_bytes bytes,
                     struct hgl_err *err) HGL_NODISCARD;
/* The same of what this peer said on its link: it may show delegations to itself only, and no more
 * than its share. HGL_WRONG_HOST. */
int delegation_heard(struct hgl_host *host, const struct peer *peer, struct hgl_bytes bytes,
                     struct hgl_err *err) HGL_NODISCARD;
/* Forgets what ended long ago; a bounded number of rows each time. */
int delegations_sweep(struct hgl_host *host, struct hgl_err *err) HGL_NODISCARD;
/* The highest seen, or NULL. */
const struct seen_delegation *delegation_of(struct hgl_host *host, const struct hgl_key *agent);
void delegations_deinit(struct hgl_host *host);
/* Keeps a delegation that gives way to a newer one, for the evidence of what was said under it. */
int delegation_archive(struct hgl_host *host, const struct hgl_delegation *claims,
                       struct hgl_bytes bytes, struct hgl_err *err) HGL_NODISCARD;
/* Appends the agent's delegation that was in force at this time. HGL_NO_DELEGATION. */
int delegation_at(struct hgl_host *host, const struct hgl_key *agent, int64_t time_ms,
                  struct hgl_buf *out, struct hgl_err *err) HGL_NODISCARD;

/* proofs.c */
/* Two signed objects of `subject` that contradict each other; one proof of a kind is kept of each,
 * the first. Failing is logged: what they prove is refused either way. */
void proof_keep(struct hgl_host *host, enum proof_kind kind, const struct hgl_key *subject,
                struct hgl_bytes a, struct hgl_bytes b);
bool proof_kept(struct hgl_host *host, enum proof_kind kind, const struct hgl_key *subject);
/* Appends a conflict, or a list of two. HGL_NOT_FOUND. */
int proofs_export(struct hgl_host *host, const struct hgl_key *subject, struct hgl_buf *out,
                  struct hgl_err *err) HGL_NODISCARD;
int proofs_load(struct hgl_host *host, struct hgl_err *err) HGL_NODISCARD;

/* seal.c */
int outbox_say(struct hgl_host *host, struct peer *peer, struct message *message,
               struct hgl_err *err) HGL_NODISCARD; /* holds the message */
/* The same for one that is not to wait behind what is held back. */
int outbox_say_now(struct hgl_host *host, struct peer *peer, struct message *message,
                   struct hgl_err *err) HGL_NODISCARD;
int outbox_seal(struct hgl_host *host, struct hgl_err *err) HGL_NODISCARD; /* phase 5 */

/* unacked.c: rows of the journal that wait for long */
int unacked_add(struct hgl_host *host, struct group *group, struct hgl_err *err) HGL_NODISCARD;
int unacked_remove(struct hgl_host *host, const struct group *group,
                   struct hgl_err *err) HGL_NODISCARD;
bool unacked_due(const struct hgl_host *host); /* enough rows have come since the last update */
int unacked_update(struct hgl_host *host, struct hgl_err *err) HGL_NODISCARD;
/* Calls `group(host, key, value)` for the journal rows that the index names; the rest is to be
 * looked for from host->unacked_from on. */
int unacked_load(struct hgl_host *host, hgl_store_visit group, struct hgl_err *err) HGL_NODISCARD;

/* outbox.c */
void outbox_pump(struct hgl_host *host, struct peer *peer); /* phase 7 */
void outbox_acked(struct hgl_host *host, struct peer *peer, const struct hgl_frame_ack *ack);
void outbox_rewind(struct peer *peer); /* a new link: all that is not acknowledged is to be sent */
void outbox_unannounce(struct hgl_host *host, const struct hgl_key *agent); /* renewed: say anew */

/* resume.c */
/* HGL_OLD_INCARNATION: a newer incarnation of ours has spoken; HGL_GAP: the peer claims what it
 * cannot show. */
int outbox_resume(struct hgl_host *host, struct peer *peer, const struct hgl_frame_hello *hello,
                  struct hgl_err *err) HGL_NODISCARD;
void outbox_renumber(struct hgl_host *host); /* a new incarnation: everything waiting, anew */

/* route.c: which host to send to */
/* An address as scripts write it: a local name, did:key, did@did. HGL_UNDELIVERABLE, HGL_NOT_HERE.
 */
int route_address(struct hgl_host *host, struct hgl_bytes to, struct hgl_key *agent,
                  struct peer **peer, struct hgl_err *err) HGL_NODISCARD;
int route_key(struct hgl_host *host, const struct hgl_key *agent, struct peer **peer,
              struct hgl_err *err) HGL_NODISCARD;
enum route_proof { ROUTE_UNKNOWN, ROUTE_PROVED, ROUTE_ELSEWHERE };
/* Whether, as far as is known here, the agent's own key lets this host speak for it now. */
enum route_proof route_proof(struct hgl_host *host, const struct hgl_key *host_key,
                             const struct hgl_key *agent);
void route_forget_addresses(struct hgl_host *host);

/* inbox.c */
int inbox_take(struct hgl_host *host, struct peer *peer, struct hgl_bytes frame,
               struct hgl_err *err) HGL_NODISCARD;
void inbox_process(struct hgl_host *host); /* phases 1 to 3 */
void inbox_drop(struct hgl_host *host, struct peer *peer);
void inbox_settle(struct hgl_host *host, struct peer *peer, const struct hgl_frame_settle *settle);
void inbox_deinit(struct peer *peer);
int inbox_save_pairs(const struct peer *peer, struct hgl_buf *row,
                     struct hgl_err *err) HGL_NODISCARD;
int inbox_load_pairs(struct peer *peer, struct hgl_bytes row, struct hgl_err *err) HGL_NODISCARD;
void inbox_ack_due(struct hgl_host *host, struct peer *peer); /* with this tick's commit */
void inbox_ack(struct hgl_host *host, struct peer *peer);     /* what is committed, now */

/* peer_memory.c */
/* The peer, from memory or its rows, or a new one; NULL: HGL_LIMIT, HGL_NO_MEMORY. */
struct peer *peer_get(struct hgl_host *host, const struct hgl_key *key, struct hgl_err *err);
void peer_dirty(struct hgl_host *host, struct peer *peer);
/* Rows of the peers that this tick touched; *record says what to do once they are durable. */
int peers_persist(struct hgl_host *host, struct tick_record **record,
                  struct hgl_err *err) HGL_NODISCARD;
int peers_load(struct hgl_host *host, struct hgl_err *err) HGL_NODISCARD;
void peer_destroy(struct hgl_host *host, struct peer *peer);
/* Something waits for it that may still arrive. */
bool peer_is_owed(const struct hgl_host *host, const struct peer *peer);
void peer_want(struct hgl_host *host, struct peer *peer, bool wanted); /* a link */
void peer_settle(struct hgl_host *host, struct peer *peer); /* no link, if nothing is owed */
/* It may be dialled there; a private address only if that is allowed or it has answered there. */
void peer_address(struct hgl_host *host, const struct hgl_key *key, struct hgl_bytes url,
                  enum hgl_url_source source);
void peer_forget_blank(struct hgl_host *host, struct peer *peer);
void peer_restart_numbers(struct peer *peer); /* of what is said to it: a new incarnation */
/* A group that was given up for it is acknowledged. */
int peer_unshelve(struct hgl_host *host, const struct peer *peer, const struct group *group,
                  struct hgl_err *err) HGL_NODISCARD;

/* peers.c */
void peer_refuse(struct hgl_host *host, struct peer *peer, const struct hgl_err *why);
int peer_send(struct peer *peer, struct hgl_host *host, const struct hgl_frame *frame,
              struct hgl_err *err) HGL_NODISCARD;
void peers_gossip(struct hgl_host *host); /* when due: digests, and news of ours */

/* space.c */
bool space_is_low(struct hgl_host *host); /* looks at the disk now and then */
/* The store takes nothing now; says so, once, when that lasts. */
bool store_is_busy(struct hgl_host *host);
int64_t store_waits_ms(const struct hgl_host *host); /* since the oldest tick that is not durable */

/* tick.c */
void tick_now(struct hgl_host *host); /* takes the time */

/* chain.c */
int chain_load(struct hgl_host *host, struct hgl_err *err) HGL_NODISCARD;
/* Once peers and what waits for them are there: a new incarnation, if the store was moved. */
int chain_begin(struct hgl_host *host, struct hgl_err *err) HGL_NODISCARD;
int chain_persist(struct hgl_host *host, struct hgl_err *err) HGL_NODISCARD;
void chain_renew(struct hgl_host *host, const char *why); /* a new incarnation */

/* keep.c: evidence kept for good */
/* Puts it in the set, unless the same message is kept already. */
int evidence_keep(struct hgl_host *host, struct hgl_writeset *set, const struct hgl_id *id,
                  struct hgl_bytes evidence, struct hgl_err *err) HGL_NODISCARD;
struct evidence_thread {
  struct hgl_id thid;
  struct hgl_key peer;
  const struct hgl_key *agent; /* NULL: any */
};
/* Whether the message was said in this thread, by either side; NULL: any thread. */
bool evidence_is_of(struct hgl_bytes evidence, const struct evidence_thread *thread);
/* Appends what is kept of this id in the thread: what was kept first and, with `twins`, different
 * messages of the same id behind it. HGL_NOT_FOUND fills no message. */
int evidence_kept(struct hgl_host *host, const struct hgl_id *id, bool twins,
                  const struct evidence_thread *thread, struct hgl_buf *out, size_t *count,
                  struct hgl_err *err) HGL_NODISCARD;

/* dead.c */
int dead_load(struct hgl_host *host, struct hgl_err *err) HGL_NODISCARD;
void dead_letter(struct agent *agent, struct mail *mail, enum hgl_code code, const char *why);
/* A text of ours in a row: what a cut-off error message may end with is left out. */
void put_words(struct hgl_buf *out, const char *text);

/* deals.c */
int deal_put(struct agent *agent, struct hgl_bytes deal, struct hgl_err *err) HGL_NODISCARD;
/* The row of the agent's deal of this id, and its record in it. HGL_NOT_FOUND fills no message. */
int deal_decode(struct hgl_bytes row, int64_t *time_ms, struct hgl_bytes *deal,
                struct hgl_err *err) HGL_NODISCARD;
int deal_get(struct agent *agent, struct hgl_bytes id, struct hgl_buf *row,
             struct hgl_bytes *record, struct hgl_err *err) HGL_NODISCARD;

#endif
