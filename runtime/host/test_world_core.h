/* What the files of a world share: test_world.c lets time pass and answers questions, test_host.c
 * has the hosts and their agents, test_link.c the links between them. */
#ifndef HGL_HOST_TEST_WORLD_CORE_H
#define HGL_HOST_TEST_WORLD_CORE_H

#include "host/test_fakes.h"
#include "host/test_outside.h"
#include "host/test_trace.h"
#include "host/test_world.h"

/* An agent as it was added, so that a host that starts can add it again. */
struct resident {
  struct resident *next;
  char *name, *path;
  struct hgl_buf source, config;
  char **grants;
  struct hgl_key key;
};

struct world_host {
  struct world_host *next;
  struct hgl_world *world;
  char *name;
  struct hgl_signer *signer;
  struct hgl_store *store;
  struct hgl_host *host; /* NULL: it was killed or stopped */
  struct hgl_log log;
  struct hgl_watcher watcher;
  struct hgl_fake_outside outside;
  struct resident *residents, **residents_end;
  bool tick_wanted;
};

/* One side of the link between two hosts; what its host knows the link by. */
struct link_end {
  struct pair *pair;
  struct world_host *host, *peer;
  bool paused;         /* the host takes nothing in for now */
  int64_t last_due_ns; /* of a frame to it: nothing overtakes */
};

/* Two hosts. Every one is joined to every other, as long as both run and nothing cuts them off. */
struct pair {
  struct pair *next;
  struct link_end ends[2];
  bool up, closing; /* closing: one side gave the link up */
  bool cut;
  int64_t dial_ns; /* the next link not before */
};

struct frame {
  struct frame *next;
  struct link_end *to;
  int64_t due_ns;
  size_t size;
  uint8_t data[];
};

struct hgl_world {
  struct hgl_world_config config;
  struct hgl_clock_virtual time;
  struct hgl_clock clock;
  struct hgl_random_seeded chance;
  struct hgl_random random;
  struct hgl_fakes fakes;
  struct hgl_fake_answers answers; /* how the spec answers requests */
  struct hgl_traced traced;
  uint8_t agents_seed[HGL_SEED_SIZE];    /* what the agents' keys are made from */
  json_t *lines, *messages;              /* logged; id → message */
  json_t *names;                         /* did → name of an agent */
  struct world_host *hosts, **hosts_end; /* the first is the one that needs no name */
  struct pair *pairs;
  struct frame *frames;   /* in flight, by when they arrive */
  struct hgl_err failure; /* why the world cannot go on; code 0: it can */
};

/* ---- test_host.c ---- */

int world_host_add(struct hgl_world *world, const char *name, struct world_host **out,
                   struct hgl_err *err) HGL_NODISCARD;
/* With everyone who lived there. */
int world_host_start(struct world_host *at, struct hgl_err *err) HGL_NODISCARD;
void world_host_kill(struct world_host *at);
void world_host_destroy(struct world_host *at);
struct world_host *world_host_named(const struct hgl_world *world, const char *name);
struct resident *world_resident(const struct hgl_world *world, const char *name,
                                struct world_host **at);

/* ---- test_link.c ---- */

struct hgl_transport world_transport(struct world_host *at);
/* Makes the pairs of a new host with all others. */
int world_pairs_add(struct world_host *at, struct hgl_err *err) HGL_NODISCARD;
/* Links that end or can begin, frames that arrive by now. True: something happened. */
bool world_links_pass(struct hgl_world *world);
/* When links have something to do at the latest; INT64_MAX: never. */
int64_t world_links_due(const struct hgl_world *world);
/* Its host is gone without a word: the others notice. */
void world_links_drop(struct world_host *at);
void world_links_deinit(struct hgl_world *world);

#endif
