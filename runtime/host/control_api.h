/* The control API: what the verbs and the dashboard ask of a running host, over its control socket
 * or, by whoever else brings their lines here, another way. CONTROL.md documents every call. Loop
 * thread. */
#ifndef HGL_HOST_CONTROL_API_H
#define HGL_HOST_CONTROL_API_H

#include "dashboard/topic.h"
#include "host/control_client.h"
#include "host/control_gate.h"
#include "host/node.h"

struct hgl_control_api;

/* What the host object cannot do by itself. */
struct hgl_control_actions {
  void (*stop)(void *user);
  int (*add)(void *user, const struct hgl_node_agent *agent, struct hgl_err *err);
  int (*restart)(void *user, const char *name, struct hgl_err *err);
  void *user;
};

/* Opens `<data>/control.sock`. */
int hgl_control_api_open(struct hgl_loop *loop, struct hgl_host *host, const char *data,
                         const struct hgl_control_actions *actions, struct hgl_control_api **out,
                         struct hgl_err *err) HGL_NODISCARD;
/* Lets clients make backups of this store and folder. Until then "backup" is refused. `wake` is
 * called on another thread when hgl_control_api_poll has something to do. */
int hgl_control_api_allow_backup(struct hgl_control_api *api, struct hgl_store *store,
                                 const char *data, void (*wake)(void *user), void *wake_user,
                                 struct hgl_err *err) HGL_NODISCARD;
/* Lets clients see and change the levels of the log. NULL: nobody can. */
void hgl_control_api_allow_log(struct hgl_control_api *api, struct hgl_log_sink *sink);
/* Lets clients subscribe to what happens; outlives the API's clients. */
void hgl_control_api_allow_feed(struct hgl_control_api *api, struct hgl_feed *feed);
/* Lets clients come another way than over the control socket. What the gate points to outlives the
 * API. */
void hgl_control_api_set_gate(struct hgl_control_api *api, const struct hgl_control_gate *gate);
/* The calls that there are, and the least role that may call each. NULL: no more. */
const char *hgl_control_api_call(size_t index, enum hgl_role *least);
/* Lets clients see the models. */
void hgl_control_api_allow_models(struct hgl_control_api *api, struct hgl_infer *infer);
/* A request of a client that came another way than over the control socket, whose struct its way
 * owns. It is answered through the client's way, now or later. */
void hgl_control_api_asked(struct hgl_control_api *api, struct hgl_control_client *client,
                           struct hgl_bytes request);
/* Such a client is gone: nothing is sent to it any more. */
void hgl_control_api_left(struct hgl_control_api *api, const struct hgl_control_client *client);
/* A tick took so much of the loop's time on a processor: for "describe". NULL is allowed. */
void hgl_control_api_ticked(struct hgl_control_api *api, int64_t took_ns);
/* Answers what other threads have finished, and goes on with what takes long. NULL is allowed. */
void hgl_control_api_poll(struct hgl_control_api *api);
int64_t hgl_control_api_deadline(const struct hgl_control_api *api); /* of it: monotonic ns */
/* Hangs up on everyone. Before the host is destroyed; the memory stays, because answers to an ask
 * may still come until then. NULL is allowed. */
void hgl_control_api_close(struct hgl_control_api *api);
/* After the host is destroyed. NULL is allowed. */
void hgl_control_api_destroy(struct hgl_control_api *api);

/* control_reload.c: "agent.reload". `done` is called once, from a tick or the host's end, unless it
 * fails at once. */
int hgl_control_reload(struct hgl_host *host, const json_t *request,
                       void (*done)(void *user, json_t *result, const struct hgl_err *why),
                       void *user, struct hgl_err *err) HGL_NODISCARD;

/* control_console.c: "console", which answers as hgl_host_console does; "complete"; "agent.state".
 */
int hgl_control_console(struct hgl_host *host, const json_t *request, const char *who,
                        hgl_console_done done, void *user, struct hgl_err *err) HGL_NODISCARD;
int hgl_control_complete(struct hgl_host *host, const json_t *request, json_t **result,
                         struct hgl_err *err) HGL_NODISCARD;
int hgl_control_state(struct hgl_host *host, const json_t *request, json_t **result,
                      struct hgl_err *err) HGL_NODISCARD;

/* control_agents.c: the calls "agent.…". Changes the agent that the request names, whose name is
 * appended to `name`; hgl_host_when_settled tells when it is done. */
int hgl_control_change_agent(struct hgl_host *host, const struct hgl_control_actions *actions,
                             const json_t *request, struct hgl_buf *name,
                             struct hgl_err *err) HGL_NODISCARD;

/* control_feed.c: "subscribe" and "unsubscribe". `feed` may be NULL: there is none. */
int hgl_control_subscribe(struct hgl_feed *feed, struct hgl_control_client *client,
                          const json_t *request, struct hgl_err *err) HGL_NODISCARD;
int hgl_control_unsubscribe(struct hgl_control_client *client, const json_t *request,
                            struct hgl_err *err) HGL_NODISCARD;

/* feed_models.c: a topic of the feed; `user` is the struct hgl_infer, or NULL. */
extern const struct hgl_topic hgl_topic_models;
/* For struct hgl_feed_config: models whose calls fail. NULL: there are none. */
void hgl_models_troubles(struct hgl_infer *infer, hgl_feed_trouble say, void *to);

/* control_log.c: the call "log". */
int hgl_control_log(struct hgl_log_sink *sink, const json_t *request, json_t **result,
                    struct hgl_err *err) HGL_NODISCARD;

/* control_models.c: the call "models". */
int hgl_control_models(struct hgl_infer *infer, const json_t *request, json_t **result,
                       struct hgl_err *err) HGL_NODISCARD;

#endif
