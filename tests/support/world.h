/* Several hosts in one test process: memory stores, a virtual clock, seeded randomness, links that
 * are queues. Nothing of the agent layer is replaced. */
#ifndef HGL_TESTS_WORLD_H
#define HGL_TESTS_WORLD_H

#include "agent/host.h"
#include "base/mem.h"
#include "support/check.h"

enum { WORLD_NODES_MAX = 16, WORLD_LOG_SIZE = 1 << 16 };

struct world;

struct link_frame;

/* A node without a host is played by the test: what is sent to it is kept in `got`. */
struct node {
  struct world *world;
  int index;
  struct hgl_signer *signer;
  struct hgl_key key;
  struct hgl_store *store;
  struct hgl_host *host;
  bool failed;
  struct hgl_err failure;
  struct link_frame *got_first, *got_last;
  int wants;                  /* links asked for, less those given up */
  struct hgl_key last_wanted; /* peer of the last one asked for */
  size_t requests;            /* of its host, for another tick */
};

struct link_frame {
  struct link_frame *next;
  int from, to;
  uint64_t epoch; /* of the link it was sent on */
  size_t size;
  uint8_t data[];
};

struct world {
  struct hgl_clock_virtual time;
  struct hgl_clock clock;
  struct hgl_random_seeded seeded;
  struct hgl_random random;
  struct hgl_log log;
  struct hgl_chunks *chunks;
  struct node nodes[WORLD_NODES_MAX];
  int node_count;
  struct link_frame *first, *last;
  uint64_t links[WORLD_NODES_MAX][WORLD_NODES_MAX]; /* epoch, 0: no link */
  bool closing[WORLD_NODES_MAX][WORLD_NODES_MAX];   /* by this one: what it sent before arrives */
  bool paused[WORLD_NODES_MAX][WORLD_NODES_MAX];    /* the first does not read from the second */
  uint64_t next_epoch;
  int64_t journal_bytes;           /* of every host made from now on; 0: the default */
  int64_t journal_age_ms;          /* likewise */
  size_t hosts_max;                /* likewise */
  int64_t hibernate_ms, lua_bytes; /* likewise */
  size_t frames;                   /* delivered */
  bool forget_lua; /* likewise: agents' Lua states are given up at every suspension */
  const struct hgl_service *services; /* likewise */
  int64_t trace_events;               /* likewise */
  struct hgl_http_tokens http_tokens; /* likewise */
  const char *stdlib; /* likewise: another folder of the library; NULL: the tree's */
  /* A test may look at, change or drop (by returning false) each frame on its way. */
  bool (*on_frame)(void *user, struct link_frame *frame);
  void *on_frame_user;
  /* Every line of every agent and host. With "takes N ms" the clock moves so far: a handler that
   * logs it has used up as much of its tick. */
  char logged[WORLD_LOG_SIZE];
  size_t logged_size;
  size_t warnings, infos; /* lines of these levels */
};

void world_init(struct world *world, uint64_t seed);
void world_deinit(struct world *world);
struct node *world_node(struct world *world);
struct node *world_stranger(struct world *world); /* a node without a host */
/* A frame of the stranger's, delivered at once. */
void world_inject(struct node *from, struct node *to, struct hgl_bytes frame);
/* The oldest frame kept for the stranger; NULL: none. The caller frees it. */
struct link_frame *world_got(struct node *stranger);
/* Adds an agent with this script; fails the test when it does not load. */
void world_agent(struct node *node, const char *name, const char *source,
                 const char *const *grants);
/* The same with limits and whatever else `config` says; its name and source are set here.
 */
void world_agent_with(struct node *node, const char *name, const char *source,
                      struct hgl_agent_config config);
void world_link(struct node *a, struct node *b);
/* A stranger dials the node, which may turn it away. */
int world_dial(struct node *stranger, struct node *node, struct hgl_err *err) HGL_NODISCARD;
void world_unlink(struct node *a, struct node *b);
/* Ticks and delivers until nothing moves any more. */
void world_run(struct world *world);
/* Delivers what is under way, without ticks. */
void world_pass_frames(struct world *world);
/* Moves the clock in steps and runs. */
void world_advance(struct world *world, int64_t ms);
/* The host object is thrown away as a crash would, and made anew on the same store; agents have to
 * be added again. */
void world_crash(struct node *node);
/* A copy of what is durable on this node now. */
struct hgl_store *world_copy(struct node *node);
/* A crash after which the store is this one: as after a restored backup, or a commit that never
 * reached the disk. */
void world_crash_to(struct node *node, struct hgl_store *store);
void world_restart(struct node *node);
bool world_try_restart(struct node *node); /* false: the host could not be made */
/* The operator of this node (an agent named "operator", without a script) says something to an
 * agent; the body is JSON text, or NULL for an empty map. */
void world_say(struct node *node, const char *to, const char *type, const char *body);
/* Asks, runs and returns the body of the answer (a new reference), or NULL and the code. */
json_t *world_ask(struct node *node, const char *to, const char *type, enum hgl_code *code);
/* A number in the answer's body; -1: no answer, or it has none of this name. */
int64_t world_number(struct node *node, const char *to, const char *type, const char *field);
bool world_logged(const struct world *world, const char *text);
size_t world_count_logged(const struct world *world, const char *text);
/* Dead letters of this code; NULL: of any. */
size_t world_dead_count(struct node *node, const char *code);
/* The did of an agent of this node; static storage, four at once. */
const char *world_did(struct node *node, const char *agent);

#endif
