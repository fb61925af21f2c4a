#include "net/net.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <unistd.h>

#include "base/mem.h"
#include "net/address.h"
#include "net/web_conn.h"
#include "net/web_socket_core.h"
#include "protocol/did.h"

enum {
  BACKLOG = 256,
  ACCEPTS_PER_ROUND = 64,
  ACCEPT_REST_MS = 200, /* when no file descriptor is left */
  READ_SIZE = 64 * 1024,
  MESSAGE_PIECE_SIZE = 32 * 1024, /* allocated for each open WebSocket */
  LOOK_AGAIN_MS = 1000,           /* the timer never sleeps longer: clocks may jump */
  PING_AFTER_S = 30,
  HANG_UP_AFTER_S = 45,
};

/* Time --------------------------------------------------------------------------------------- */

static void look_at_time(uv_timer_t *timer);

void hgl_net_schedule(struct hgl_net *net, int64_t due_ns)
{
  if (due_ns == INT64_MAX || net->destroying) return;
  int64_t now = hgl_net_now(net), latest = now + (int64_t)LOOK_AGAIN_MS * 1000000;
  if (due_ns > latest) due_ns = latest;
  if (uv_is_active((uv_handle_t *)&net->timer) && net->timer_ns <= due_ns) return;
  net->timer_ns = due_ns;
  uint64_t wait_ms = due_ns <= now ? 0 : (uint64_t)(due_ns - now) / 1000000 + 1;
  uv_timer_start(&net->timer, look_at_time, wait_ms, 0);
}

static void rest_from_accepting(struct hgl_net *net)
{
  uv_poll_stop(&net->listen_poll);
  net->accept_again_ns = hgl_net_now(net) + (int64_t)ACCEPT_REST_MS * 1000000;
  hgl_net_schedule(net, net->accept_again_ns);
}

static void connection_came(uv_poll_t *poll, int status, int events);

/* Thousands of entries take microseconds, so there is no queue of timers to keep in order. */
static void look_at_time(uv_timer_t *timer)
{
  struct hgl_net *net = timer->data;
  int64_t now = hgl_net_now(net), next = INT64_MAX;
  for (struct hgl_session *session = net->sessions, *after; session; session = after) {
    after = session->next;
    if (session->due_ns <= now) hgl_session_due(session);
  }
  for (struct hgl_dial *dial = net->dials; dial; dial = dial->next)
    if (dial->due_ns <= now) hgl_dial_start(dial);
  for (struct hgl_web_conn *conn = net->web_conns, *after; conn; conn = after) {
    after = conn->next;
    if (conn->due_ns <= now) hgl_web_conn_due(conn);
  }
  for (struct hgl_web_socket *socket = net->web_sockets, *after; socket; socket = after) {
    after = socket->next;
    if (hgl_web_socket_next_ns(socket) <= now) hgl_web_socket_due(socket);
  }
  if (net->accept_again_ns <= now) {
    net->accept_again_ns = INT64_MAX;
    uv_poll_start(&net->listen_poll, UV_READABLE, connection_came);
  }
  next = net->accept_again_ns;
  for (struct hgl_session *session = net->sessions; session; session = session->next)
    if (session->due_ns < next) next = session->due_ns;
  for (struct hgl_dial *dial = net->dials; dial; dial = dial->next)
    if (dial->due_ns < next) next = dial->due_ns;
  for (struct hgl_web_conn *conn = net->web_conns; conn; conn = conn->next)
    if (conn->due_ns < next) next = conn->due_ns;
  for (struct hgl_web_socket *socket = net->web_sockets; socket; socket = socket->next)
    if (hgl_web_socket_next_ns(socket) < next) next = hgl_web_socket_next_ns(socket);
  hgl_net_schedule(net, next);
}

/* What libwebsockets reports ----------------------------------------------------------------- */

static int answer_http(struct lws *wsi)
{
  lws_return_http_status(wsi, HTTP_STATUS_NOT_FOUND, NULL);
  return -1;
}

static bool speaks_haggle(struct lws *wsi)
{
  const struct lws_protocols *protocol = lws_get_protocol(wsi);
  return protocol && strcmp(protocol->name, HGL_SUBPROTOCOL) == 0;
}

/* What libwebsockets says where it knows no more, and what it means. */
static void keep_reason(struct hgl_session *session, const char *text, size_t size)
{
  static const char *const meanings[][2] = {
      {"connect SSL err", "the TLS handshake failed: perhaps it does not speak TLS; try ws://"},
      {"closed before established", "nobody listens there, or not for links of hosts"},
  };
  if (session->why.code != HGL_OK || !text) return;
  for (size_t i = 0; i < sizeof meanings / sizeof *meanings; i++)
    if (size >= strlen(meanings[i][0]) && memcmp(text, meanings[i][0], strlen(meanings[i][0])) == 0)
      hgl_fail(&session->why, HGL_CLOSED, "%s", meanings[i][1]);
  if (session->why.code == HGL_OK) hgl_fail(&session->why, HGL_CLOSED, "%.*s", (int)size, text);
}

static int message_came(struct lws *wsi, struct hgl_session *session, const void *data, size_t size)
{
  if (!lws_frame_is_binary(wsi))
    return hgl_fail(&session->why, HGL_MALFORMED, "a WebSocket message that is not binary");
  bool ends = lws_is_final_fragment(wsi) && lws_remaining_packet_payload(wsi) == 0;
  return hgl_session_received(session, hgl_bytes(data, size), ends);
}

struct lws *hgl_net_adopt(struct hgl_net *net, struct lws_vhost *vhost, int fd,
                          struct hgl_bytes read, void *owner, bool *reported)
{
  net->adopting = owner;
  struct lws *wsi = lws_adopt_socket_vhost_readbuf(vhost, fd, (const char *)read.data, read.size);
  *reported = net->adopting_reported;
  net->adopting = NULL;
  net->adopting_reported = false;
  return wsi;
}

/* Of a connection that is being taken over it is not set yet; and libwebsockets clears it once. */
void *hgl_net_owner(struct lws *wsi)
{
  void *owner = lws_get_opaque_user_data(wsi);
  struct lws_vhost *vhost = owner ? NULL : lws_get_vhost(wsi);
  struct hgl_net *net = vhost ? lws_get_vhost_user(vhost) : NULL;
  if (!net || !net->adopting) return owner;
  net->adopting_reported = true;
  lws_set_opaque_user_data(wsi, net->adopting);
  return net->adopting;
}

static int link_callback(struct lws *wsi, enum lws_callback_reasons reason, void *unused,
                         void *data, size_t size)
{
  struct hgl_session *session = hgl_net_owner(wsi);
  if (!session) return reason == LWS_CALLBACK_HTTP ? answer_http(wsi) : 0;
  int status = 0;
  switch (reason) {
  case LWS_CALLBACK_HTTP:
    return answer_http(wsi);
  case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION:
    if (!speaks_haggle(wsi))
      status = hgl_fail(&session->why, HGL_HANDSHAKE, "the peer does not ask for " HGL_SUBPROTOCOL);
    break;
  case LWS_CALLBACK_ESTABLISHED:
  case LWS_CALLBACK_CLIENT_ESTABLISHED:
    session->wsi = wsi;
    status = hgl_session_opened(session);
    break;
  case LWS_CALLBACK_RECEIVE:
  case LWS_CALLBACK_CLIENT_RECEIVE:
    status = message_came(wsi, session, data, size);
    break;
  case LWS_CALLBACK_SERVER_WRITEABLE:
  case LWS_CALLBACK_CLIENT_WRITEABLE:
    status = hgl_session_writable(session);
    break;
  case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
    keep_reason(session, data, size);
    lws_set_opaque_user_data(wsi, NULL);
    hgl_session_ended(session);
    return 0;
  case LWS_CALLBACK_CLOSED:
  case LWS_CALLBACK_CLIENT_CLOSED:
  case LWS_CALLBACK_WSI_DESTROY:
    lws_set_opaque_user_data(wsi, NULL);
    hgl_session_ended(session);
    return 0;
  default:
    break;
  }
  return status ? -1 : 0;
}

static const struct lws_protocols protocols[] = {
    /* The first one is what connections without a (known) subprotocol get. */
    {"http", link_callback, 0, 0, 0, NULL, 0},
    {HGL_SUBPROTOCOL, link_callback, 0, MESSAGE_PIECE_SIZE, 0, NULL, HGL_LINK_MESSAGE_SIZE_MAX},
    {NULL, NULL, 0, 0, 0, NULL, 0},
};

/* libwebsockets has one log for the whole process, and so does this. */
static const struct hgl_log *lws_log;

/* For whoever looks into a fault of a connection; strangers can cause as many lines as they like,
 * and what matters is reported by ourselves. */
static void log_line(int level, const char *text)
{
  size_t size = strlen(text);
  if (size && text[size - 1] == '\n') size--;
  if (lws_log) hgl_log(lws_log, HGL_LOG_DEBUG, "libwebsockets", "%.*s", (int)size, text);
}

/* Listening ---------------------------------------------------------------------------------- */

/* The oldest handshake of whoever has the most under way: one stranger's connections push out only
 * each other, and many strangers' cannot keep those away who come later and are quick. */
static struct hgl_session *first_to_give_way(struct hgl_net *net)
{
  struct hgl_session *found[HGL_NET_HANDSHAKES_MAX], *chosen = NULL;
  int count = 0, most = 0;
  for (struct hgl_session *session = net->sessions; session; session = session->next)
    if (session->handshaking) found[count++] = session; /* the newest first */
  for (int i = 0; i < count; i++) {
    int same = 0;
    for (int k = 0; k < count; k++) same += found[k]->origin == found[i]->origin;
    if (same < most) continue;
    most = same;
    chosen = found[i];
  }
  return chosen;
}

static void adopt(struct hgl_net *net, int fd, const struct sockaddr_storage *from, socklen_t size)
{
  char host[NI_MAXHOST] = "";
  getnameinfo((const struct sockaddr *)from, size, host, sizeof host, NULL, 0, NI_NUMERICHOST);
  int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  struct hgl_session *session = hgl_session_create(net, false, host);
  if (!session) {
    close(fd);
    return;
  }
  uint64_t origin = hgl_address_origin((const struct sockaddr *)from);
  if (net->handshakes == HGL_NET_HANDSHAKES_MAX) hgl_session_give_way(first_to_give_way(net));
  hgl_session_handshake_begins(session, origin);
  hgl_web_conn_open(session, fd, origin);
}

static void connection_came(uv_poll_t *poll, int status, int events)
{
  struct hgl_net *net = poll->data;
  for (int i = 0; i < ACCEPTS_PER_ROUND; i++) {
    struct sockaddr_storage from;
    socklen_t size = sizeof from;
    int fd = accept4(net->listen_fd, (struct sockaddr *)&from, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0)
      adopt(net, fd, &from, size);
    else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
      rest_from_accepting(net);
      return;
    } else if (errno != EINTR && errno != ECONNABORTED)
      return;
  }
}

static int bind_and_listen(const struct addrinfo *address, int *out)
{
  int on = 1;
  int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return errno;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(fd, address->ai_addr, address->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0) {
    int reason = errno;
    close(fd);
    return reason;
  }
  *out = fd;
  return 0;
}

static int port_of(int fd)
{
  union {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
  } address = {0};
  socklen_t size = sizeof address;
  if (getsockname(fd, &address.any, &size) != 0) return 0;
  return ntohs(address.any.sa_family == AF_INET6 ? address.v6.sin6_port : address.v4.sin_port);
}

static int start_listening(struct hgl_net *net, struct hgl_err *err)
{
  const char *host = net->config.listen_address;
  char port[16];
  snprintf(port, sizeof port, "%d", net->config.listen_port);
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found;
  int status = getaddrinfo(host, port, &hints, &found);
  if (status != 0)
    return hgl_fail(err, HGL_INVALID, "listen address %s: %s", host, gai_strerror(status));
  int reason = bind_and_listen(found, &net->listen_fd);
  freeaddrinfo(found);
  if (reason == EADDRINUSE)
    return hgl_fail(err, HGL_IN_USE,
                    "port %s of %s is in use: stop the other process or choose "
                    "another port",
                    port, host);
  if (reason) return hgl_fail(err, HGL_IO, "listening on %s:%s: %s", host, port, strerror(reason));
  net->port = port_of(net->listen_fd);
  status = uv_poll_init(net->uv, &net->listen_poll, net->listen_fd);
  if (status == 0) {
    net->listen_poll.data = net;
    net->open_handles++;
    status = uv_poll_start(&net->listen_poll, UV_READABLE, connection_came);
  }
  return status ? hgl_uv_fail(err, status, "listening") : 0;
}

/* Making and ending -------------------------------------------------------------------------- */

static const lws_retry_bo_t keep_alive = {.secs_since_valid_ping = PING_AFTER_S,
                                          .secs_since_valid_hangup = HANG_UP_AFTER_S};

static int create_context(struct hgl_net *net, struct hgl_err *err)
{
  void *loops[] = {net->uv};
  struct lws_context_creation_info info = {
      .port = CONTEXT_PORT_NO_LISTEN,
      .gid = -1,
      .uid = -1,
      .foreign_loops = loops,
      .pcontext = &net->context,
      .pt_serv_buf_size = READ_SIZE,
      .options = LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_EXPLICIT_VHOSTS |
                 LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT,
  };
  lws_log = net->config.log;
  lws_set_log_level(LLL_ERR | LLL_WARN, log_line);
  net->context = lws_create_context(&info);
  if (!net->context) return hgl_fail(err, HGL_IO, "libwebsockets did not start");
  return 0;
}

static struct lws_context_creation_info vhost_info(const char *name)
{
  return (struct lws_context_creation_info){
      .port = CONTEXT_PORT_NO_LISTEN,
      .vhost_name = name,
      .protocols = protocols,
      .timeout_secs = HGL_NET_HANDSHAKE_TIMEOUT_MS / 1000,
      .connect_timeout_secs = HGL_NET_HANDSHAKE_TIMEOUT_MS / 1000,
      .retry_and_idle_policy = &keep_alive,
      .alpn = "http/1.1",
  };
}

/* For links that come in, and for dialling without TLS; and for other WebSockets. */
static int create_vhosts(struct hgl_net *net, struct hgl_err *err)
{
  struct lws_context_creation_info info = vhost_info("plain");
  info.user = net;
  net->vhost = lws_create_vhost(net->context, &info);
  info = vhost_info(HGL_WEB_SOCKET_VHOST);
  info.user = net;
  info.protocols = hgl_web_socket_protocols;
  if (net->vhost) net->web_vhost = lws_create_vhost(net->context, &info);
  return net->web_vhost ? 0 : hgl_fail(err, HGL_IO, "libwebsockets did not start");
}

/* TLS ends here, not in libwebsockets (web.h). */
static int create_tls(struct hgl_net *net, struct hgl_err *err)
{
  const struct hgl_net_config *config = &net->config;
  if (!config->certificate || !config->listen_address) return 0;
  return hgl_stream_context_create(config->certificate, config->certificate_key, &net->tls, err);
}

int hgl_net_tls_vhost(struct hgl_net *net, bool certified, struct lws_vhost **out,
                      struct hgl_err *err)
{
  struct lws_vhost **vhost = certified ? &net->certified_vhost : &net->uncertified_vhost;
  if (!*vhost) {
    struct lws_context_creation_info info = vhost_info(certified ? "certified" : "uncertified");
    info.options = LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
    if (certified)
      info.client_ssl_ca_filepath = net->config.trust;
    else
      info.options |= LWS_SERVER_OPTION_DISABLE_OS_CA_CERTS;
    *vhost = lws_create_vhost(net->context, &info);
  }
  if (!*vhost)
    return hgl_fail(err, HGL_INVALID, "the authorities in %s cannot be used",
                    net->config.trust ? net->config.trust : "the system's store");
  *out = *vhost;
  return 0;
}

int hgl_net_create(const struct hgl_net_config *config, struct hgl_net **out, struct hgl_err *err)
{
  struct hgl_net *net = hgl_zalloc(sizeof *net);
  if (!net) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  net->config = *config;
  if (!net->config.queues_size_max) net->config.queues_size_max = HGL_NET_QUEUES_SIZE_MAX;
  net->uv = hgl_loop_uv(config->loop);
  net->listen_fd = -1;
  net->accept_again_ns = INT64_MAX;
  hgl_map_init(&net->by_peer, hgl_random_u64(config->random), hgl_random_u64(config->random));
  hgl_map_init(&net->dials_by_peer, hgl_random_u64(config->random), hgl_random_u64(config->random));
  uv_timer_init(net->uv, &net->timer);
  net->timer.data = net;
  net->open_handles = 1;
  int status = 0;
  if (config->trust && !(net->trust = hgl_strndup(config->trust, strlen(config->trust))))
    status = hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  net->config.trust = net->trust;
  /* First the port: the failure that happens. */
  if (status == 0 && config->listen_address) status = start_listening(net, err);
  if (status == 0) status = create_tls(net, err);
  if (status == 0) status = create_context(net, err);
  if (status == 0) status = create_vhosts(net, err);
  if (status != 0) {
    hgl_net_destroy(net);
    return status;
  }
  *out = net;
  return 0;
}

static void handle_closed(uv_handle_t *handle)
{
  ((struct hgl_net *)handle->data)->open_handles--;
}

void hgl_net_destroy(struct hgl_net *net)
{
  if (!net) return;
  net->destroying = true;
  for (struct hgl_session *session = net->sessions; session; session = session->next)
    if (session->why.code == HGL_OK)
      hgl_fail(&session->why, HGL_CLOSED, "this host closes its connections");
  uv_close((uv_handle_t *)&net->timer, handle_closed);
  if (net->listen_poll.data) uv_close((uv_handle_t *)&net->listen_poll, handle_closed);
  while (net->dials) hgl_dial_destroy(net->dials);
  hgl_net_end_context(net);
  while (net->sessions) hgl_session_ended(net->sessions);
  while (net->web_conns) hgl_web_conn_drop(net->web_conns);
  while (net->web_sockets) hgl_web_socket_ended(net->web_sockets);
  while (net->open_handles > 0) uv_run(net->uv, UV_RUN_ONCE);
  if (net->listen_fd >= 0) close(net->listen_fd);
  hgl_stream_context_destroy(net->tls);
  if (lws_log == net->config.log) lws_log = NULL;
  hgl_map_deinit(&net->by_peer);
  hgl_map_deinit(&net->dials_by_peer);
  hgl_free(net->trust);
  hgl_free(net);
}

size_t hgl_net_queued(const struct hgl_net *net)
{
  return net->queued;
}

int hgl_net_port(const struct hgl_net *net)
{
  return net->port;
}

struct hgl_session *hgl_net_session(struct hgl_net *net, const struct hgl_key *peer)
{
  return hgl_map_get(&net->by_peer, hgl_key_bytes(peer));
}
