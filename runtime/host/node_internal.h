/* What the files node*.c share: a node from within. */
#ifndef HGL_HOST_NODE_INTERNAL_H
#define HGL_HOST_NODE_INTERNAL_H

#include "host/control_api.h"
#include "host/http_tokens.h"
#include "host/keys.h"
#include "host/node.h"
#include "host/script_watch.h"
#include "host/services.h"
#include "host/site.h"
#include "net/net.h"

enum {
  HGL_NODE_LOOK_MS = 20, /* how often who waits for the store looks whether it is done */
  HGL_NODE_URL_SIZE = HGL_URL_SIZE_MAX + HGL_DID_TEXT_SIZE + 2,
};

struct hgl_node {
  const struct hgl_log *log;
  struct hgl_notify *notify, nobody; /* notify: `nobody` where there is no service manager */
  void (*hangup)(void *user, struct hgl_node *node);
  void *hangup_user;
  struct hgl_random_buffered randomness;
  struct hgl_random random; /* the host's: ids and seeds, many a tick */
  /* built in this order, torn down in reverse */
  struct hgl_loop *loop;
  struct hgl_store *store; /* holds the lock of the data folder: nothing below is shared */
  struct hgl_keys keys;
  bool keys_open;
  struct hgl_signer *signer;
  struct hgl_net *net;
  struct hgl_site site;
  struct hgl_chunks *chunks;
  struct hgl_watchdog *watchdog;
  struct hgl_http_client *http;
  struct hgl_secrets *secrets;
  struct hgl_infer *infer;
  struct hgl_services *services;
  struct hgl_host *host;
  struct hgl_feed *feed;
  struct hgl_control_api *control;
  struct hgl_script_watch *watch;   /* or NULL */
  struct hgl_http_guard http_guard; /* against who guesses tokens */
  char data[PATH_MAX];              /* the data folder */
  /* running */
  char did[HGL_DID_TEXT_SIZE];
  char stdlib[PATH_MAX], engines[PATH_MAX];
  char url[HGL_URL_SIZE_MAX + 1], join_url[HGL_NODE_URL_SIZE]; /* empty: no listener */
  bool stopping, failed;
  struct hgl_err failure;
  int64_t grace_ms;
  int64_t stop_deadline; /* monotonic ns */
  int exit_status;
  int64_t address_warning_ns;                   /* monotonic: no other before this */
  char last_dial_failure[HGL_ERR_MESSAGE_SIZE]; /* said once, not at every attempt */
};

/* node_models.c */
int hgl_node_open_models(struct hgl_node *node, const struct hgl_node_config *config,
                         struct hgl_err *err) HGL_NODISCARD;

/* node_site.c */
extern const struct hgl_web_events hgl_node_web; /* of a node */
int hgl_node_check_token(void *user, const char *agent, struct hgl_bytes token, uint64_t origin,
                         struct hgl_err *err) HGL_NODISCARD;
/* The control API is open: viewers may come. */
void hgl_node_open_gate(struct hgl_node *node);

/* node_agents.c: all that the configuration describes, and the operator. */
int hgl_node_add_agents(struct hgl_node *node, const struct hgl_node_config *config,
                        struct hgl_err *err) HGL_NODISCARD;

#endif
