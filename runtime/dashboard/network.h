/* What the topic network knows of: its nodes, which keep their ids as long as the channel is there,
 * and how they have changed since they were told of. Loop thread. */
#ifndef HGL_DASHBOARD_NETWORK_H
#define HGL_DASHBOARD_NETWORK_H

#include "agent/look.h"
#include "base/map.h"
#include "protocol/did.h"

enum {
  NETWORK_TEXT_SIZE = 160, /* kept of what an agent says about itself */
  /* Of all of these in an event, as JSON; and of what agents of other hosts say, who take none of
   * the room of those here. */
  NETWORK_WORDS_SIZE_MAX = 640 << 10,
  NETWORK_STRANGERS_WORDS_SIZE_MAX = 384 << 10,
  NETWORK_HOSTS_MAX = 500,
  NETWORK_STRANGERS_MAX = 5000, /* agents of other hosts */
};

struct node {
  struct node *next, **link;
  uint32_t id, host; /* host: the id of its host's node */
  bool is_host, here;
  bool marked;         /* it was seen in the pass that goes on */
  bool fresh, changed; /* to be told in full; to be told */
  uint64_t number;     /* of an agent here: struct hgl_agent_figures */
  struct hgl_key key;
  bool has_key;
  char did[HGL_DID_TEXT_SIZE]; /* of the key, which is slow to write; or empty */
  char name[HGL_NAME_SIZE_MAX + 1];
  char about[NETWORK_TEXT_SIZE]; /* text, as name is */
  const char *status;
  uint64_t handled;
  size_t mailbox;
  uint32_t raised_lately;
  uint64_t words;  /* of an agent: a hash of what it says about itself, and of its services */
  int64_t told_ms; /* its figures */
  int64_t seen_ms; /* a stranger's: when it last spoke or was spoken to, */
  uint32_t met;    /* and in which pass it was last looked up who it is */
};

struct link {
  uint32_t peer;
  bool up;
  int64_t skew_ms;
  uint64_t unacknowledged;
};

struct network {
  struct hgl_host *host;
  struct hgl_map by_key;    /* kind ‖ key → struct node */
  struct hgl_map by_number; /* of agents here → struct node */
  struct node *nodes;
  size_t stranger_count;
  uint32_t last_id, self, passes;
  uint32_t *gone; /* ids, not told yet */
  size_t gone_count, gone_capacity;
  struct link links[NETWORK_HOSTS_MAX];
  size_t link_count;
  bool links_changed;
};

int network_init(struct network *network, struct hgl_host *host, uint64_t seed,
                 struct hgl_err *err) HGL_NODISCARD;
void network_deinit(struct network *network);

/* Between these two each agent of this host that is to be shown is noted; others go. */
void network_begin(struct network *network);
int network_note(struct network *network, const struct hgl_agent_figures *agent, int64_t now_ms,
                 struct hgl_err *err) HGL_NODISCARD;
void network_end(struct network *network);
/* The other hosts, and the links to them. */
int network_note_hosts(struct network *network, struct hgl_err *err) HGL_NODISCARD;
/* The node of an agent that spoke or was spoken to; one of another host is made where there is
 * room. NULL: it is not shown. */
struct node *network_speaker(struct network *network, const struct hgl_key *key, int64_t now_ms);

/* ,"nodes":[…] of those that are to be told (all: of every one); they are told then. */
void network_put_nodes(struct network *network, bool all, int64_t now_ms, struct hgl_buf *out);
/* [id…] */
void network_put_gone(struct network *network, struct hgl_buf *out);
void network_put_links(const struct network *network, struct hgl_buf *out);

#endif
