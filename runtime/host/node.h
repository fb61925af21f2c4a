/* A node: one host with everything around it that touches the world, wired together. What `haggle
 * run` runs; others that need whole hosts in their process (the benchmark) use it as well.
 *
 * Built in the order of the fields of struct hgl_node and torn down in reverse. Loop
 * thread. */
#ifndef HGL_HOST_NODE_H
#define HGL_HOST_NODE_H

#include "agent/host.h"
#include "host/log_sink.h"
#include "host/notify.h"
#include "host/options.h"
#include "infer/infer.h"

/* One agent, or so many alike: NAME-1, NAME-2, …, each with an identity and state of its own. */
struct hgl_node_agent {
  const char *name;
  uint32_t first, count;   /* NAME-first and what follows it; count 0: one agent, NAME itself */
  const char *script;      /* path */
  struct hgl_texts grants; /* "read=/proc/loadavg", … */
  struct hgl_bytes config; /* encoded map, or empty */
  const char *delegation;  /* path of one that was issued elsewhere: the key is not here; or NULL */
  struct hgl_agent_limits limits; /* zero fields: defaults */
  struct hgl_restart restart;
  const char *group; /* one of the node's, or NULL */
  bool resume;       /* also if it was paused, parked or stopped when it last ran */
};

/* A model, as `--model` names it. */
struct hgl_node_model {
  const char *name;
  const char *file; /* a path, an URL, or "std/NAME": of the standard library's models */
  struct haggle_option *options;
  size_t option_count;
};

/* How many agents it describes, and the name of one of them (from 0 on). */
size_t hgl_node_agent_count(const struct hgl_node_agent *agent);
void hgl_node_agent_name(const struct hgl_node_agent *agent, size_t index,
                         char out[HGL_NAME_SIZE_MAX + 1]);

struct hgl_node;

/* Everything is borrowed until hgl_node_create returns, log, log_sink and notify for the node's
 * life. */
struct hgl_node_config {
  const char *data;                          /* the data folder */
  struct hgl_bytes passphrase;               /* of its keys; may be empty */
  const char *listen_address;                /* NULL: no listener */
  int listen_port;                           /* 0: any free one */
  const char *certificate, *certificate_key; /* PEM files: the listener speaks wss */
  bool self_signed;                          /* makes such a pair in the data folder once */
  const char *trust;                         /* PEM file, or NULL */
  struct hgl_texts urls;                     /* where others dial; empty: the listener's address */
  struct hgl_texts joins;
  const struct hgl_node_model *models;
  size_t model_count;
  struct hgl_texts secrets; /* "NAME=file:PATH", … (secrets.h) */
  int64_t commit_every_ms;  /* 0: strict */
  /* as in struct hgl_host_config */
  int64_t journal_bytes, journal_age_ms, disk_reserve, hibernate_ms, lua_bytes;
  bool allow_private; /* dial private addresses that others name; on by itself where we listen on
                         one */
  bool no_control;    /* no control socket */
  bool watch;         /* agents are reloaded when their files change */
  const struct hgl_node_agent *agents;
  size_t agent_count;
  const struct hgl_group_config *groups;
  size_t group_count;
  int64_t grace_ms; /* of stopping; 0: HGL_GRACE_MS_DEFAULT */
  const struct hgl_log *log;
  struct hgl_log_sink *log_sink; /* whose levels the control API may change; or NULL */
  struct hgl_notify *notify;     /* the service manager; or NULL */
  /* SIGHUP; NULL: it is passed over. Borrowed for the node's life, too. */
  void (*hangup)(void *user, struct hgl_node *node);
  void *hangup_user;
};

enum { HGL_GRACE_MS_DEFAULT = 10000, HGL_GRACE_MS_MAX = 3600 * 1000 };

/* Errors say what could not be had: HGL_IN_USE (data folder, port), HGL_SCRIPT, HGL_DENIED… */
int hgl_node_create(const struct hgl_node_config *config, struct hgl_node **out,
                    struct hgl_err *err) HGL_NODISCARD;
/* What is not committed is lost: hgl_node_run first. NULL is allowed. */
void hgl_node_destroy(struct hgl_node *node);
/* Runs until stopped: by hgl_node_stop, SIGINT or SIGTERM (a second one ends the process at
 * once), or by a failure. The exit status. */
int hgl_node_run(struct hgl_node *node);
/* Nothing more is taken in, agents have their on_stop, what they did is made durable, what is
 * queued towards peers is sent; then, or when the grace time is over, hgl_node_run returns. A
 * commit that is not over by then ends the process: nothing is lost that anyone was told of. */
void hgl_node_stop(struct hgl_node *node);

/* "0.0.0.0" and "::" stand for every address of the machine, and are none to be dialled. */
bool hgl_listens_everywhere(const char *address);

/* While it runs; one agent. Everything is borrowed for the call. HGL_EXISTS, HGL_SCRIPT,
 * HGL_NOT_FOUND… */
int hgl_node_add_agent(struct hgl_node *node, const struct hgl_node_agent *agent,
                       struct hgl_err *err) HGL_NODISCARD;
/* Describes one that is there anew, with its script as the file is now: as hgl_host_change_agent.
 */
int hgl_node_change_agent(struct hgl_node *node, const struct hgl_node_agent *agent, bool *changed,
                          struct hgl_err *err) HGL_NODISCARD;
/* One more host to stay linked with, as `joins`. */
int hgl_node_join(struct hgl_node *node, const char *url, struct hgl_err *err) HGL_NODISCARD;
void hgl_node_set_grace(struct hgl_node *node, int64_t grace_ms);
/* In the midst of what takes long on the loop: the service manager is told that we are alive. */
void hgl_node_beat(struct hgl_node *node);
/* With its script as the file is now; as hgl_host_restart_agent. */
int hgl_node_restart_agent(struct hgl_node *node, const char *name,
                           struct hgl_err *err) HGL_NODISCARD;

struct hgl_host *hgl_node_host(struct hgl_node *node);
struct hgl_loop *hgl_node_loop(struct hgl_node *node);
struct hgl_store *hgl_node_store(struct hgl_node *node);
struct hgl_infer *hgl_node_infer(struct hgl_node *node);
const char *hgl_node_did(const struct hgl_node *node);
/* "ws://ADDRESS:PORT#did:key:…", or NULL without a listener. */
const char *hgl_node_join_url(const struct hgl_node *node);
/* Where its dashboard is, as hgl_site_links says. HGL_NOT_FOUND: there is no listener. */
int hgl_node_links(struct hgl_node *node, json_t **out, struct hgl_err *err) HGL_NODISCARD;

#endif
