#include "host/node_internal.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/mem.h"
#include "dashboard/topics.h"
#include "host/file.h"
#include "host/paths.h"
#include "host/usage.h"
#include "net/tls.h"
#include "protocol/address.h"
#include "protocol/did.h"
#include "store/damage.h"

enum { STOP_SPARE_MS = 10000 }; /* beyond the grace time: closing the store */
#define WARN_EVERY_NS (INT64_C(60) * 1000000000)

struct hgl_host *hgl_node_host(struct hgl_node *node)
{
  return node->host;
}

struct hgl_loop *hgl_node_loop(struct hgl_node *node)
{
  return node->loop;
}

struct hgl_store *hgl_node_store(struct hgl_node *node)
{
  return node->store;
}

struct hgl_infer *hgl_node_infer(struct hgl_node *node)
{
  return node->infer;
}

const char *hgl_node_did(const struct hgl_node *node)
{
  return node->did;
}

const char *hgl_node_join_url(const struct hgl_node *node)
{
  return *node->join_url ? node->join_url : NULL;
}

/* Net to host -------------------------------------------------------------------------------- */

static void session_up(void *user, struct hgl_session *session)
{
  struct hgl_node *node = user;
  struct hgl_err err = {0};
  const struct hgl_key *peer = hgl_session_peer(session);
  char did[HGL_DID_TEXT_SIZE];
  if (!node->host) { /* being torn down */
    hgl_session_close(session, HGL_CLOSED, "the host is stopping");
    return;
  }
  hgl_did_format(peer, did);
  if (hgl_host_link_up(node->host, session, peer, hgl_session_dialled(session), &err)) {
    hgl_session_close(session, err.code, err.message);
    return;
  }
  hgl_session_set_user(session, node); /* the host knows it */
  node->last_dial_failure[0] = 0;
  hgl_log(node->log, HGL_LOG_DEBUG, "net", "linked with %s (%s)", did,
          hgl_session_address(session));
}

static void session_frame(void *user, struct hgl_session *session, struct hgl_bytes frame)
{
  struct hgl_node *node = user;
  if (node->host && hgl_session_user(session))
    hgl_host_link_frame(node->host, session, hgl_session_peer(session), frame);
}

static void session_down(void *user, struct hgl_session *session, const struct hgl_err *why)
{
  struct hgl_node *node = user;
  char did[HGL_DID_TEXT_SIZE];
  if (!node->host) return; /* being torn down */
  hgl_did_format(hgl_session_peer(session), did);
  hgl_log(node->log, HGL_LOG_DEBUG, "net", "link with %s is down: %s", did, why->message);
  if (hgl_session_user(session)) hgl_host_link_down(node->host, session, hgl_session_peer(session));
}

static void address_verified(void *user, const struct hgl_key *peer, const char *url, bool pinned)
{
  struct hgl_node *node = user;
  char did[HGL_DID_TEXT_SIZE];
  hgl_did_format(peer, did);
  if (pinned)
    hgl_log(node->log, HGL_LOG_WARN, "net",
            "%s answered as %s and is expected there from now on; name it: --join %s#%s", url, did,
            url, did);
  if (node->host) hgl_host_address_verified(node->host, peer, url);
}

static void dial_failed(void *user, const struct hgl_key *peer, const char *url,
                        const struct hgl_err *why)
{
  struct hgl_node *node = user;
  char text[HGL_ERR_MESSAGE_SIZE];
  if (!strstr(url, "://")) { /* somebody came: a browser that changed its mind, or worse */
    hgl_log(node->log, HGL_LOG_DEBUG, "net", "%s came and did not link: %s (%s)", url, why->message,
            hgl_code_name(why->code));
    return;
  }
  snprintf(text, sizeof text, "%.200s: %.200s", url, why->message);
  bool again = strcmp(text, node->last_dial_failure) == 0;
  memcpy(node->last_dial_failure, text, sizeof text);
  hgl_log(node->log, again ? HGL_LOG_DEBUG : HGL_LOG_WARN, "net", "cannot reach %s (%s)", text,
          hgl_code_name(why->code));
}

/* Host to net -------------------------------------------------------------------------------- */

static int transport_send(void *link, struct hgl_bytes frame, struct hgl_err *err)
{
  return hgl_session_send(link, frame, err);
}

static size_t transport_queued(void *link)
{
  return hgl_session_queued(link);
}

static void transport_pause(void *link, bool paused)
{
  hgl_session_pause(link, paused);
}

static void transport_close(void *link, enum hgl_code code, const char *why)
{
  hgl_session_close(link, code, why);
}

static void transport_want(void *user, const struct hgl_key *peer, enum hgl_link_want wanted)
{
  hgl_net_want(((struct hgl_node *)user)->net, peer, wanted);
}

/* That there is no room is a warning once a minute: there may be thousands of addresses. */
static void transport_address(void *user, const struct hgl_key *peer, const char *url,
                              enum hgl_url_source source)
{
  struct hgl_node *node = user;
  struct hgl_err err = {0};
  int64_t now = hgl_mono_ns(&hgl_clock_system);
  if (hgl_net_add_address(node->net, peer, url, source, &err) == 0) return;
  bool warn = err.code == HGL_LIMIT && now >= node->address_warning_ns;
  if (warn) node->address_warning_ns = now + WARN_EVERY_NS;
  hgl_log(node->log, warn ? HGL_LOG_WARN : HGL_LOG_DEBUG, "net", "%s is passed over: %s", url,
          err.message);
}

static int read_file(void *user, const char *path, size_t folder_size, size_t size_max,
                     struct hgl_buf *out, struct hgl_err *err)
{
  return hgl_file_read_confined(path, folder_size, size_max, out, err);
}

static int get_secret(void *user, struct hgl_bytes name, struct hgl_buf *out, struct hgl_err *err)
{
  return hgl_secrets_get(((struct hgl_node *)user)->secrets, name, out, err);
}

static int agent_signer(void *user, const char *agent, struct hgl_signer **out, struct hgl_err *err)
{
  struct hgl_node *node = user;
  return hgl_keys_agent(&node->keys, agent, out, err);
}

/* The tick ------------------------------------------------------------------------------------ */

static void request_tick(void *user)
{
  hgl_loop_request_tick(((struct hgl_node *)user)->loop);
}

/* All is done, or the time for it is over. */
static bool may_end(struct hgl_node *node)
{
  struct hgl_err err;
  if (hgl_mono_ns(&hgl_clock_system) >= node->stop_deadline) {
    hgl_log(node->log, HGL_LOG_WARN, "host",
            "the grace time is over; what is not done goes on at the next start");
    return true;
  }
  /* A relaxed commit does not wait for others any more; its trouble, if any, is the next tick's. */
  if (hgl_store_drain(node->store, HGL_NODE_LOOK_MS, &err)) return false;
  return hgl_host_idle(node->host) && hgl_host_calls(node->host) == 0 &&
         hgl_net_queued(node->net) == 0;
}

static void tick(void *user)
{
  struct hgl_node *node = user;
  if (!node->host) return; /* being torn down */
  hgl_control_api_poll(node->control);
  hgl_infer_poll(node->infer);
  int64_t began_ns = hgl_usage_of_thread();
  hgl_host_tick(node->host);
  hgl_control_api_ticked(node->control, hgl_usage_of_thread() - began_ns);
  if (node->failed) return;
  hgl_feed_turn(node->feed);
  int64_t deadline = hgl_host_deadline(node->host), feed_due = hgl_feed_deadline(node->feed);
  if (feed_due < deadline) deadline = feed_due;
  int64_t lookups_due = hgl_control_api_deadline(node->control);
  if (lookups_due < deadline) deadline = lookups_due;
  int64_t beat = hgl_notify_beat(node->notify, hgl_mono_ns(&hgl_clock_system));
  if (beat < deadline) deadline = beat;
  if (node->stopping) {
    if (may_end(node)) {
      hgl_loop_stop(node->loop);
      return;
    }
    int64_t look = hgl_mono_ns(&hgl_clock_system) + INT64_C(1000000) * HGL_NODE_LOOK_MS;
    if (look < deadline) deadline = look;
  }
  hgl_loop_set_deadline(node->loop, deadline);
}

static void fatal(void *user, const struct hgl_err *why)
{
  struct hgl_node *node = user;
  bool unknown = why->code == HGL_IO || why->code == HGL_CORRUPT;
  hgl_log(node->log, HGL_LOG_ERROR, "host", "cannot go on: %s (%s)%s", why->message,
          hgl_code_name(why->code), unknown ? "; start it again" : "");
  node->failed = true;
  node->failure = *why;
  node->exit_status = unknown ? HGL_EXIT_STORE : HGL_EXIT_FAILED;
  hgl_loop_stop(node->loop);
}

void hgl_node_stop(struct hgl_node *node)
{
  if (node->stopping) return;
  node->stopping = true;
  node->stop_deadline = hgl_mono_ns(&hgl_clock_system) + INT64_C(1000000) * node->grace_ms;
  hgl_notify_say(node->notify, "STOPPING=1\nSTATUS=Stopping\nEXTEND_TIMEOUT_USEC=%" PRId64,
                 (node->grace_ms + STOP_SPARE_MS) * 1000);
  hgl_host_stop_agents(node->host);
  hgl_loop_request_tick(node->loop);
}

static void stop(void *user)
{
  hgl_node_stop(user);
}

static void say_ready(struct hgl_node *node)
{
  const char *url = hgl_node_join_url(node);
  hgl_notify_say(node->notify, "READY=1\nSTATUS=Serving as %s", url ? url : node->did);
}

/* A terminal that closes does not end a host. */
static void hang_up(struct hgl_node *node)
{
  if (!node->hangup || node->stopping) return;
  hgl_notify_reloading(node->notify, hgl_mono_ns(&hgl_clock_system));
  node->hangup(node->hangup_user, node);
  say_ready(node);
  hgl_loop_request_tick(node->loop);
}

static void signalled(void *user, int number)
{
  struct hgl_node *node = user;
  if (number == SIGHUP) {
    hang_up(node);
    return;
  }
  if (node->stopping) _exit(128 + number);
  hgl_log(node->log, HGL_LOG_INFO, "host", "stopping; once more ends it at once");
  hgl_node_stop(node);
}

int hgl_node_run(struct hgl_node *node)
{
  struct hgl_err err = {0};
  int status = hgl_loop_on_signal(node->loop, signalled, node, &err);
  if (status == 0 && !node->failed) {
    say_ready(node);
    hgl_loop_request_tick(node->loop);
    hgl_loop_run(node->loop);
  }
  if (status == 0 && !node->failed) status = hgl_store_drain(node->store, HGL_NODE_LOOK_MS, &err);
  if (status) {
    hgl_log(node->log, HGL_LOG_ERROR, "host", "%s", err.message);
    node->exit_status = err.code == HGL_IO || err.code == HGL_CORRUPT ? HGL_EXIT_STORE
                                                                      : HGL_EXIT_FAILED;
  }
  /* Waiting for the writer could take for ever; it has told nobody of what it has not written. */
  if (status == -HGL_TIMEOUT) _exit(node->exit_status);
  return node->exit_status;
}

/* Building ------------------------------------------------------------------------------------ */

static int open_store(struct hgl_node *node, const struct hgl_node_config *config,
                      struct hgl_err *err)
{
  struct hgl_store_config store = {.folder = config->data,
                                   .commit_every_ms = config->commit_every_ms,
                                   .clock = &hgl_clock_system,
                                   .log = config->log,
                                   .wake = hgl_loop_wake,
                                   .wake_user = node->loop};
  hgl_damage_guard();
  int status = hgl_store_open(&store, &node->store, err);
  if (status == -HGL_IN_USE)
    return hgl_fail(err, HGL_IN_USE,
                    "a host runs on the data folder %s already; give this one a folder of its own "
                    "with --data",
                    config->data);
  return status;
}

static int open_keys(struct hgl_node *node, const struct hgl_node_config *config,
                     struct hgl_err *err)
{
  int status = hgl_keys_open(&node->keys, config->data, true, config->passphrase,
                             &hgl_random_system, err);
  if (status) return status;
  node->keys_open = true;
  bool created;
  if ((status = hgl_keys_host(&node->keys, &node->signer, &created, err)) != 0) return status;
  hgl_did_format(hgl_signer_key(node->signer), node->did);
  return 0;
}

bool hgl_listens_everywhere(const char *address)
{
  return strcmp(address, "0.0.0.0") == 0 || strcmp(address, "::") == 0;
}

/* Whoever listens on a private address means to talk to its neighbours. */
static bool allows_private(const struct hgl_node_config *config)
{
  const char *address = config->listen_address;
  return config->allow_private ||
         (address && !hgl_listens_everywhere(address) && hgl_address_host_is_private(address));
}

struct certificate {
  const char *certificate, *key;
  char certificate_path[PATH_MAX], key_path[PATH_MAX];
};

static int find_certificate(const struct hgl_node_config *config, struct certificate *out,
                            struct hgl_err *err)
{
  out->certificate = config->certificate;
  out->key = config->certificate_key;
  if (!config->self_signed) return 0;
  int a = snprintf(out->certificate_path, PATH_MAX, "%s/tls-certificate.pem", config->data);
  int b = snprintf(out->key_path, PATH_MAX, "%s/tls-key.pem", config->data);
  if (a >= PATH_MAX || b >= PATH_MAX)
    return hgl_fail(err, HGL_INVALID, "the path of the data folder is too long");
  out->certificate = out->certificate_path;
  out->key = out->key_path;
  int status = hgl_tls_self_signed(out->certificate, out->key, err);
  return status == -HGL_EXISTS ? 0 : status;
}

/* Of a listener on every address, what this machine itself can dial. */
static void note_urls(struct hgl_node *node, const struct hgl_node_config *config, bool secure)
{
  const char *address = config->listen_address;
  if (hgl_listens_everywhere(address)) address = strchr(address, ':') ? "::1" : "127.0.0.1";
  bool ipv6 = strchr(address, ':') != NULL;
  snprintf(node->url, sizeof node->url, "%s://%s%.200s%s:%d", secure ? "wss" : "ws",
           ipv6 ? "[" : "", address, ipv6 ? "]" : "", hgl_net_port(node->net));
  snprintf(node->join_url, sizeof node->join_url, "%s#%s",
           config->urls.count ? config->urls.items[0] : node->url, node->did);
}

static int open_net(struct hgl_node *node, const struct hgl_node_config *config,
                    struct hgl_err *err)
{
  struct certificate certificate;
  int status = find_certificate(config, &certificate, err);
  if (status) return status;
  struct hgl_net_config net = {
      .loop = node->loop,
      .clock = &hgl_clock_system,
      .random = &hgl_random_system,
      .log = config->log,
      .host = node->signer,
      .listen_address = config->listen_address,
      .listen_port = config->listen_port,
      .certificate = certificate.certificate,
      .certificate_key = certificate.key,
      .trust = config->trust,
      .allow_private = allows_private(config),
      .events = {session_up, session_frame, session_down, address_verified, dial_failed},
      .web = hgl_node_web,
      .user = node,
  };
  status = hgl_net_create(&net, &node->net, err);
  if (status == -HGL_IN_USE)
    return hgl_fail(err, HGL_IN_USE,
                    "port %d of %s is in use; stop the other process, or choose another port with "
                    "--listen",
                    config->listen_port, config->listen_address);
  if (status) return status;
  if (config->listen_address) note_urls(node, config, certificate.certificate != NULL);
  return hgl_site_init(&node->site, *node->url ? node->url : NULL, config->urls.items, err);
}

static int open_services(struct hgl_node *node, const struct hgl_node_config *config,
                         struct hgl_err *err)
{
  const struct hgl_http_config http = {.loop = node->loop,
                                       .clock = &hgl_clock_system,
                                       .log = config->log,
                                       .trust = config->trust,
                                       .user_agent = "haggle/" HGL_VERSION};
  int status = hgl_http_create(&http, &node->http, err);
  if (status == 0) status = hgl_secrets_create(&node->secrets, err);
  for (size_t i = 0; status == 0 && i < config->secrets.count; i++)
    status = hgl_secrets_add(node->secrets, config->secrets.items[i], err);
  if (status) return status;
  const struct hgl_services_config services = {node->loop, node->http, node->secrets, node->infer};
  return hgl_services_create(&services, &node->services, err);
}

static int open_host(struct hgl_node *node, const struct hgl_node_config *config,
                     struct hgl_err *err)
{
  int status = hgl_chunks_create(&node->chunks, err);
  if (status == 0) status = hgl_watchdog_create(&node->watchdog, err);
  if (status) return status;
  struct hgl_host_config host = {
      .signer = node->signer,
      .store = node->store,
      .clock = &hgl_clock_system,
      .random = &node->random,
      .log = config->log,
      .transport = {transport_send, transport_queued, transport_pause, transport_close,
                    transport_want, transport_address, node},
      .files = {read_file, NULL},
      .keys = {agent_signer, node},
      .services = hgl_services_list(node->services),
      .secrets = {get_secret, node},
      .http_tokens = {hgl_node_check_token, node},
      .stdlib_folder = node->stdlib,
      .watchdog = node->watchdog,
      .chunks = node->chunks,
      .journal_bytes = config->journal_bytes,
      .journal_age_ms = config->journal_age_ms,
      .disk_reserve = config->disk_reserve,
      .hibernate_ms = config->hibernate_ms,
      .lua_bytes = config->lua_bytes,
      .allow_private = allows_private(config),
      .request_tick = request_tick,
      .fatal = fatal,
      .user = node,
  };
  status = hgl_host_create(&host, &node->host, err);
  if (status) return status;
  hgl_services_set_host(node->services, node->host);
  node->site.host = node->host;
  return 0;
}

static int open_links(struct hgl_node *node, const struct hgl_node_config *config,
                      struct hgl_err *err)
{
  const char *own[] = {node->url, NULL};
  int status = 0;
  if (config->urls.count)
    status = hgl_host_set_urls(node->host, config->urls.items, err);
  else if (config->listen_address && !hgl_listens_everywhere(config->listen_address))
    status = hgl_host_set_urls(node->host, own, err);
  for (size_t i = 0; status == 0 && i < config->joins.count; i++)
    status = hgl_net_join(node->net, config->joins.items[i], err);
  return status;
}

int hgl_node_join(struct hgl_node *node, const char *url, struct hgl_err *err)
{
  return hgl_net_join(node->net, url, err);
}

void hgl_node_set_grace(struct hgl_node *node, int64_t grace_ms)
{
  node->grace_ms = grace_ms ? grace_ms : HGL_GRACE_MS_DEFAULT;
}

void hgl_node_beat(struct hgl_node *node)
{
  hgl_notify_beat(node->notify, hgl_mono_ns(&hgl_clock_system));
}

static int add(void *user, const struct hgl_node_agent *agent, struct hgl_err *err)
{
  return hgl_node_add_agent(user, agent, err);
}

static int restart(void *user, const char *name, struct hgl_err *err)
{
  return hgl_node_restart_agent(user, name, err);
}

static void say_troubles(void *user, hgl_feed_trouble say, void *to)
{
  hgl_models_troubles(((struct hgl_node *)user)->infer, say, to);
}

static int open_feed(struct hgl_node *node, const struct hgl_node_config *config,
                     struct hgl_err *err)
{
  const struct hgl_feed_config feed = {.host = node->host,
                                       .clock = &hgl_clock_system,
                                       .random = &node->random,
                                       .usage = hgl_usage_of_process,
                                       .troubles = say_troubles,
                                       .wake = request_tick,
                                       .user = node};
  int status = hgl_feed_create(&feed, &node->feed, err);
  node->site.feed = node->feed;
  node->site.infer = node->infer;
  if (status == 0) status = hgl_feed_add_topic(node->feed, &hgl_topic_models, node->infer, err);
  if (status == 0 && config->log_sink)
    status = hgl_feed_add_topic(node->feed, &hgl_topic_logs,
                                (void *)hgl_log_sink_ring(config->log_sink), err);
  return status;
}

static int open_control(struct hgl_node *node, const struct hgl_node_config *config,
                        struct hgl_err *err)
{
  const struct hgl_control_actions actions = {stop, add, restart, node};
  if (config->no_control) return 0;
  int status = hgl_control_api_open(node->loop, node->host, config->data, &actions, &node->control,
                                    err);
  if (status) return status;
  hgl_node_open_gate(node);
  hgl_control_api_allow_log(node->control, config->log_sink);
  hgl_control_api_allow_models(node->control, node->infer);
  hgl_control_api_allow_feed(node->control, node->feed);
  return hgl_control_api_allow_backup(node->control, node->store, config->data, hgl_loop_wake,
                                      node->loop, err);
}

static int open_watch(struct hgl_node *node, const struct hgl_node_config *config,
                      struct hgl_err *err)
{
  if (!config->watch) return 0;
  return hgl_script_watch_create(node->loop, node->host, config->log, &node->watch, err);
}

int hgl_node_create(const struct hgl_node_config *config, struct hgl_node **out,
                    struct hgl_err *err)
{
  static int (*const steps[])(struct hgl_node *, const struct hgl_node_config *,
                              struct hgl_err *) = {
      open_store,    open_keys,    hgl_node_open_models, open_net,
      open_services, open_host,    hgl_node_add_agents,  open_links,
      open_feed,     open_control, open_watch,
  };
  struct hgl_node *node = hgl_zalloc(sizeof *node);
  if (!node) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  node->log = config->log;
  node->nobody = (struct hgl_notify){.fd = -1};
  node->notify = config->notify ? config->notify : &node->nobody;
  node->hangup = config->hangup;
  node->hangup_user = config->hangup_user;
  hgl_node_set_grace(node, config->grace_ms);
  snprintf(node->data, sizeof node->data, "%s", config->data);
  node->site = (struct hgl_site){.clock = &hgl_clock_system,
                                 .random = &hgl_random_system,
                                 .log = config->log,
                                 .data = node->data};
  node->random = hgl_random_from_source(&node->randomness, &hgl_random_system);
  int status = hgl_loop_create(&hgl_clock_system, &node->loop, err);
  for (size_t i = 0; status == 0 && i < sizeof steps / sizeof *steps; i++)
    status = steps[i](node, config, err);
  if (status) {
    hgl_node_destroy(node);
    return status;
  }
  hgl_loop_on_tick(node->loop, tick, node);
  *out = node;
  return 0;
}

void hgl_node_destroy(struct hgl_node *node)
{
  if (!node) return;
  hgl_site_close(&node->site);
  hgl_control_api_close(node->control);
  node->site.feed = NULL;
  hgl_feed_destroy(node->feed);
  if (node->host) {
    struct hgl_host *host = node->host;
    node->host = NULL; /* what the net still says is for nobody */
    node->site.host = NULL;
    hgl_host_destroy(host);
  }
  /* First of all that lets the loop turn while it ends: nothing comes in any more. */
  if (node->net) hgl_net_destroy(node->net);
  hgl_site_deinit(&node->site);
  hgl_script_watch_destroy(node->watch);
  hgl_control_api_destroy(node->control);
  hgl_watchdog_destroy(node->watchdog);
  hgl_chunks_destroy(node->chunks);
  hgl_services_destroy(node->services);
  hgl_secrets_destroy(node->secrets);
  hgl_http_destroy(node->http);
  hgl_infer_destroy(node->infer);
  hgl_signer_destroy(node->signer);
  if (node->keys_open) hgl_keys_close(&node->keys);
  hgl_store_close(node->store);
  hgl_loop_destroy(node->loop);
  hgl_free(node);
}
