#include "net/web_socket.h"

#include <assert.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "net/web_conn.h"
#include "net/web_socket_core.h"

enum {
  PIECE_SIZE = 32 * 1024, /* of a text, in one frame: libwebsockets copies what the kernel leaves */
  PIECES_PER_TURN = 32,
  FLUSH_MS = 1000,
  KEY_TEXT_SIZE = 24,
  HEAD_SIZE_MAX = 1024, /* of ours, for libwebsockets */
};
#define MS ((int64_t)1000000)

struct hgl_web_text {
  struct hgl_web_text *next;
  size_t size, sent;
  uint8_t data[]; /* LWS_PRE bytes, and then the text */
};

/* Asking for one ------------------------------------------------------------------------------ */

static int check_upgrade(const struct hgl_web_asked *asked, struct hgl_bytes *key,
                         struct hgl_err *err)
{
  struct hgl_bytes version;
  if (!asked->upgrade) return hgl_fail(err, HGL_INVALID, "a WebSocket is spoken here");
  if (!hgl_web_header(&asked->request, "sec-websocket-version", &version) ||
      !hgl_bytes_is(version, "13"))
    return hgl_fail(err, HGL_INVALID, "the WebSocket's version is 13");
  if (!hgl_web_lists(&asked->request, "sec-websocket-protocol", HGL_WEB_SOCKET_PROTOCOL))
    return hgl_fail(err, HGL_INVALID, "the WebSocket's subprotocol is " HGL_WEB_SOCKET_PROTOCOL);
  if (!hgl_web_header(&asked->request, "sec-websocket-key", key) || key->size != KEY_TEXT_SIZE)
    return hgl_fail(err, HGL_INVALID, "the WebSocket has no key of 16 bytes");
  return 0;
}

/* libwebsockets gets a head of ours: it would see less room for it than we have, decode its path
 * anew, and choose among its vhosts by the Host. */
static int put_head(struct hgl_web_conn *conn, struct hgl_bytes key, struct hgl_err *err)
{
  struct hgl_buf in;
  hgl_buf_init(&in, conn->in.size_max + HEAD_SIZE_MAX);
  hgl_buf_printf(&in,
                 "GET / HTTP/1.1\r\nHost: " HGL_WEB_SOCKET_VHOST "\r\nUpgrade: websocket\r\n"
                 "Connection: Upgrade\r\nSec-WebSocket-Version: "
                 "13\r\nSec-WebSocket-Protocol: " HGL_WEB_SOCKET_PROTOCOL
                 "\r\nSec-WebSocket-Key: %.*s\r\n\r\n",
                 HGL_STR(key));
  hgl_buf_append_bytes(&in, hgl_buf_bytes(&conn->in));
  int status = hgl_buf_check(&in, err);
  if (status) {
    hgl_buf_deinit(&in);
    return status;
  }
  hgl_buf_deinit(&conn->in);
  conn->in = in;
  return 0;
}

/* Life ---------------------------------------------------------------------------------------- */

static void set_due(struct hgl_web_socket *socket, int64_t wait_ms)
{
  socket->due_ns = hgl_net_now(socket->net) + wait_ms * MS;
  hgl_net_schedule(socket->net, socket->due_ns);
}

static int strangers_of(const struct hgl_net *net, uint64_t origin)
{
  int count = 0;
  for (const struct hgl_web_socket *socket = net->web_sockets; socket; socket = socket->next)
    count += socket->stranger && !socket->closing && socket->origin == origin;
  return count;
}

/* One more has come: the oldest of the origin that has the most is told to go. So many may take
 * their time with that; the oldest of more is gone at once. */
static void make_room(struct hgl_net *net)
{
  struct hgl_web_socket *chosen = NULL, *going = NULL;
  int all = 0, leaving = 0, most = 0;
  for (struct hgl_web_socket *socket = net->web_sockets; socket; socket = socket->next) {
    if (!socket->stranger) continue;
    if (socket->closing) {
      leaving++;
      going = socket;
      continue;
    }
    int count = strangers_of(net, socket->origin);
    all++;
    if (count < most) continue;
    most = count;
    chosen = socket;
  }
  if (all > HGL_WEB_SOCKET_STRANGERS_MAX)
    hgl_web_socket_close(chosen, HGL_WEB_SOCKET_TRY_LATER, "too many say nothing");
  if (leaving >= HGL_WEB_SOCKET_STRANGERS_MAX) set_due(going, 0);
}

int hgl_web_socket_create(struct hgl_web_conn *conn, const struct hgl_web_asked *asked,
                          const struct hgl_web_socket_events *events, void *user,
                          struct hgl_web_socket **out, struct hgl_err *err)
{
  struct hgl_net *net = conn->net;
  struct hgl_bytes key;
  int status = check_upgrade(asked, &key, err);
  struct hgl_web_socket *socket = status ? NULL : hgl_zalloc(sizeof *socket);
  if (!status && !socket) status = hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  if (!status) status = put_head(conn, key, err);
  if (status) {
    hgl_free(socket);
    return status;
  }
  *socket = (struct hgl_web_socket){.net = net,
                                    .conn = conn,
                                    .events = events,
                                    .user = user,
                                    .origin = conn->origin,
                                    .stranger = true,
                                    .rest_ns = INT64_MAX,
                                    .held_ns = INT64_MAX,
                                    .next = net->web_sockets,
                                    .link = &net->web_sockets};
  memcpy(socket->address, conn->address, sizeof socket->address);
  socket->last = &socket->first;
  hgl_buf_init(&socket->in, HGL_WEB_SOCKET_MESSAGE_SIZE_MAX);
  if (socket->next) socket->next->link = &socket->next;
  net->web_sockets = socket;
  set_due(socket, HGL_WEB_SOCKET_STRANGER_TIMEOUT_MS);
  make_room(net);
  *out = socket;
  return 0;
}

static void forget_first(struct hgl_web_socket *socket)
{
  struct hgl_web_text *text = socket->first;
  size_t left = text->size - text->sent;
  socket->queued -= left;
  socket->net->web_sockets_queued -= left;
  socket->first = text->next;
  if (!socket->first) socket->last = &socket->first;
  hgl_free(text);
}

static void destroy(struct hgl_web_socket *socket)
{
  *socket->link = socket->next;
  if (socket->next) socket->next->link = socket->link;
  while (socket->first) forget_first(socket);
  hgl_buf_deinit(&socket->in);
  hgl_free(socket);
}

void hgl_web_socket_ended(struct hgl_web_socket *socket)
{
  socket->wsi = NULL;
  socket->closing = true; /* nothing can be sent from within what follows */
  if (socket->adopting) {
    socket->lost = true;
    return;
  }
  socket->events->closed(socket->user, socket);
  destroy(socket);
}

void hgl_web_socket_end_now(struct hgl_web_socket *socket)
{
  socket->closing = true;
  socket->due_ns = INT64_MAX;
  if (socket->conn) {
    hgl_web_conn_drop(socket->conn);
    return;
  }
  if (!socket->wsi) return;
  /* libwebsockets would wait until what it holds is sent; on a dead socket it does not. */
  shutdown(lws_get_socket_fd(socket->wsi), SHUT_RDWR);
  lws_set_timeout(socket->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_SYNC);
}

static void listen_or_rest(struct hgl_web_socket *socket)
{
  bool deaf = socket->queued > HGL_WEB_SOCKET_REST_SIZE || socket->rest_ns != INT64_MAX;
  if (deaf == socket->deaf || !socket->wsi) return;
  socket->deaf = deaf;
  lws_rx_flow_control(socket->wsi, !deaf);
}

int hgl_web_socket_let_in(struct hgl_web_socket *socket, int places, int places_of_origin,
                          struct hgl_err *err)
{
  int all = 0, same = 0;
  for (const struct hgl_web_socket *other = socket->net->web_sockets; other; other = other->next) {
    if (other->stranger || other->closing) continue;
    all++;
    same += other->origin == socket->origin;
  }
  if (socket->closing) return hgl_fail(err, HGL_CLOSED, "the WebSocket is closed");
  if (all >= places) return hgl_fail(err, HGL_LIMIT, "%d look already: close one of them", all);
  if (same >= places_of_origin)
    return hgl_fail(err, HGL_LIMIT, "%d look from this address already: close one of them", same);
  socket->stranger = false;
  socket->due_ns = INT64_MAX;
  if (socket->queued) set_due(socket, HGL_WEB_SOCKET_STALL_TIMEOUT_MS);
  return 0;
}

void hgl_web_socket_share(struct hgl_web_socket *socket, struct hgl_web_use *use)
{
  socket->shared = use;
}

void hgl_web_socket_close(struct hgl_web_socket *socket, enum hgl_web_socket_status status,
                          const char *why)
{
  if (socket->closing) return;
  socket->closing = true;
  socket->status = status;
  snprintf(socket->why, sizeof socket->why, "%s", why);
  set_due(socket, FLUSH_MS);
  if (socket->wsi) lws_callback_on_writable(socket->wsi);
}

/* It does not read: what waits for it is forgotten at once, and the rest in the loop's next round,
 * since this may be called from within one of its own callbacks. */
static void give_up(struct hgl_web_socket *socket)
{
  while (socket->first) forget_first(socket);
  socket->closing = true;
  set_due(socket, 0);
}

/* Sending ------------------------------------------------------------------------------------- */

static void limit_queues(struct hgl_net *net)
{
  while (net->web_sockets_queued > HGL_WEB_SOCKET_QUEUES_SIZE_MAX) {
    struct hgl_web_socket *longest = net->web_sockets;
    assert(longest);
    for (struct hgl_web_socket *other = longest; other; other = other->next)
      if (other->queued > longest->queued) longest = other;
    give_up(longest);
  }
}

int hgl_web_socket_send(struct hgl_web_socket *socket, struct hgl_bytes text, struct hgl_err *err)
{
  if (socket->closing) return hgl_fail(err, HGL_CLOSED, "the WebSocket is closed");
  if (socket->queued + text.size > HGL_WEB_SOCKET_QUEUE_SIZE_MAX) {
    hgl_fail(err, HGL_LIMIT, "%zu bytes wait for one that does not read", socket->queued);
    give_up(socket);
    return -HGL_LIMIT;
  }
  struct hgl_web_text *queued = hgl_alloc(sizeof *queued + LWS_PRE + text.size);
  if (!queued) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  *queued = (struct hgl_web_text){.size = text.size};
  memcpy(queued->data + LWS_PRE, text.data, text.size);
  if (!socket->queued && !socket->stranger) set_due(socket, HGL_WEB_SOCKET_STALL_TIMEOUT_MS);
  *socket->last = queued;
  socket->last = &queued->next;
  socket->queued += text.size;
  socket->net->web_sockets_queued += text.size;
  socket->draining = true;
  limit_queues(socket->net);
  if (socket->closing) return hgl_fail(err, HGL_LIMIT, "too much waits for those that do not read");
  listen_or_rest(socket);
  if (socket->wsi) lws_callback_on_writable(socket->wsi);
  return 0;
}

/* Of the first text. What precedes a piece has been sent, and is room for the frame's head. */
static int write_piece(struct hgl_web_socket *socket)
{
  struct hgl_web_text *text = socket->first;
  size_t left = text->size - text->sent, size = left < PIECE_SIZE ? left : PIECE_SIZE;
  int flags = lws_write_ws_flags(LWS_WRITE_TEXT, text->sent == 0, size == left);
  uint8_t *at = text->data + LWS_PRE + text->sent;
  if (lws_write(socket->wsi, at, size, (enum lws_write_protocol)flags) < 0) return -1;
  text->sent += size;
  socket->queued -= size;
  socket->net->web_sockets_queued -= size;
  if (text->sent == text->size) forget_first(socket);
  if (!socket->stranger && !socket->closing) set_due(socket, HGL_WEB_SOCKET_STALL_TIMEOUT_MS);
  return 0;
}

/* libwebsockets says it only within a callback for what came. Its queue is empty now, so that the
 * frame is not amidst another; a socket with no room for it ends without. */
static int say_close(struct hgl_web_socket *socket)
{
  uint8_t frame[4 + HGL_WEB_SOCKET_WHY_SIZE] = {0x88};
  size_t size = strlen(socket->why);
  if (socket->said_close) return 0;
  socket->said_close = true;
  frame[1] = (uint8_t)(2 + size);
  frame[2] = (uint8_t)(socket->status >> 8);
  frame[3] = (uint8_t)socket->status;
  memcpy(frame + 4, socket->why, size);
  ssize_t sent = send(lws_get_socket_fd(socket->wsi), frame, 4 + size, MSG_NOSIGNAL);
  return sent == (ssize_t)(4 + size) ? 0 : -1; /* the other end answers, or its time is over */
}

static int writable(struct hgl_web_socket *socket)
{
  bool choked = lws_partial_buffered(socket->wsi);
  for (int i = 0; i < PIECES_PER_TURN && socket->first && !choked; i++) {
    if (write_piece(socket)) return -1;
    choked = lws_partial_buffered(socket->wsi) || lws_send_pipe_choked(socket->wsi);
  }
  if (socket->first || lws_partial_buffered(socket->wsi)) {
    lws_callback_on_writable(socket->wsi);
    listen_or_rest(socket);
    return 0;
  }
  if (socket->closing) return socket->status ? say_close(socket) : -1;
  if (!socket->stranger) socket->due_ns = INT64_MAX;
  listen_or_rest(socket);
  if (socket->draining) {
    socket->draining = false;
    socket->events->drained(socket->user, socket);
  }
  return 0;
}

size_t hgl_web_socket_queued(const struct hgl_web_socket *socket)
{
  return socket->queued ? socket->queued : socket->draining;
}

/* Receiving ----------------------------------------------------------------------------------- */

static int refuse(struct hgl_web_socket *socket, enum hgl_web_socket_status status, const char *why)
{
  hgl_buf_deinit(&socket->in);
  hgl_web_socket_close(socket, status, why);
  return 0;
}

static void rest(struct hgl_web_socket *socket, int64_t until_ns)
{
  socket->rest_ns = until_ns;
  hgl_net_schedule(socket->net, until_ns);
  listen_or_rest(socket);
}

/* `in` is a whole text. */
static void hear(struct hgl_web_socket *socket)
{
  int64_t began_ns = hgl_net_now(socket->net);
  socket->held_ns = INT64_MAX;
  socket->events->message(socket->user, socket, hgl_buf_bytes(&socket->in));
  hgl_buf_clear(&socket->in);
  int64_t now_ns = hgl_net_now(socket->net);
  hgl_web_use_add(&socket->own, began_ns, now_ns, HGL_WEB_SOCKET_SHARE);
  if (socket->shared)
    hgl_web_use_add(socket->shared, began_ns, now_ns, HGL_WEB_SOCKET_SHARED_SHARE);
  int64_t wait_ns = hgl_web_use_wait(&socket->own, now_ns, HGL_WEB_SOCKET_CREDIT_MS,
                                     HGL_WEB_SOCKET_SHARE);
  if (wait_ns) rest(socket, now_ns + wait_ns);
}

/* Among those that share and whose texts wait, none has waited for longer. */
static bool is_first(const struct hgl_web_socket *socket)
{
  for (const struct hgl_web_socket *other = socket->net->web_sockets; other; other = other->next)
    if (other->shared == socket->shared && !other->closing && other->held_ns < socket->held_ns)
      return false;
  return true;
}

static void hear_or_hold(struct hgl_web_socket *socket)
{
  int64_t now_ns = hgl_net_now(socket->net), wait_ns = 0;
  if (socket->shared)
    wait_ns = hgl_web_use_wait(socket->shared, now_ns, HGL_WEB_SOCKET_SHARED_CREDIT_MS,
                               HGL_WEB_SOCKET_SHARED_SHARE);
  if (!socket->shared || (!wait_ns && is_first(socket))) {
    hear(socket);
    return;
  }
  if (socket->held_ns == INT64_MAX) socket->held_ns = now_ns;
  rest(socket, now_ns + (wait_ns > MS ? wait_ns : MS));
}

static int received(struct hgl_web_socket *socket, struct hgl_bytes piece)
{
  struct lws *wsi = socket->wsi;
  bool ends = lws_is_final_fragment(wsi) && lws_remaining_packet_payload(wsi) == 0;
  if (socket->closing) return 0;
  if (lws_frame_is_binary(wsi))
    return refuse(socket, HGL_WEB_SOCKET_NO_TEXT, "texts are spoken here");
  hgl_buf_append_bytes(&socket->in, piece);
  if (socket->in.failed == HGL_TOO_LARGE)
    return refuse(socket, HGL_WEB_SOCKET_TOO_LONG, "a request is at most 64 KiB");
  if (socket->in.failed) return refuse(socket, HGL_WEB_SOCKET_TRY_LATER, "out of memory");
  if (!ends) return 0;
  if (!hgl_utf8_valid(hgl_buf_bytes(&socket->in)))
    return refuse(socket, HGL_WEB_SOCKET_NOT_UTF8, "a text is UTF-8");
  hear_or_hold(socket);
  return 0;
}

static void rested(struct hgl_web_socket *socket)
{
  socket->rest_ns = INT64_MAX;
  if (socket->closing) socket->held_ns = INT64_MAX;
  if (socket->held_ns != INT64_MAX) hear_or_hold(socket);
  listen_or_rest(socket);
}

void hgl_web_socket_due(struct hgl_web_socket *socket)
{
  int64_t now = hgl_net_now(socket->net);
  if (socket->rest_ns <= now) rested(socket);
  if (socket->due_ns > now) return;
  if (socket->stranger && !socket->closing)
    hgl_web_socket_close(socket, HGL_WEB_SOCKET_DENIED, "it did not say who it is in time");
  else
    hgl_web_socket_end_now(socket);
}

/* What libwebsockets reports ------------------------------------------------------------------ */

static int opened(struct hgl_web_socket *socket, struct lws *wsi)
{
  socket->wsi = wsi;
  listen_or_rest(socket);
  if (socket->first || socket->closing) lws_callback_on_writable(wsi);
  return 0;
}

static int came(struct lws *wsi, enum lws_callback_reasons reason, void *unused, void *data,
                size_t size)
{
  struct hgl_web_socket *socket = hgl_net_owner(wsi);
  if (!socket) return reason == LWS_CALLBACK_HTTP ? -1 : 0;
  switch (reason) {
  case LWS_CALLBACK_ESTABLISHED:
    return opened(socket, wsi);
  case LWS_CALLBACK_RECEIVE:
    return received(socket, hgl_bytes(data, size));
  case LWS_CALLBACK_SERVER_WRITEABLE:
    return writable(socket);
  case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE: /* or it is the answer to what say_close said */
    return socket->said_close ? -1 : 0;
  case LWS_CALLBACK_CLOSED:
  case LWS_CALLBACK_WSI_DESTROY:
    lws_set_opaque_user_data(wsi, NULL);
    hgl_web_socket_ended(socket);
    return 0;
  case LWS_CALLBACK_HTTP:
    return -1;
  default:
    return 0;
  }
}

const struct lws_protocols hgl_web_socket_protocols[] = {
    {"http", came, 0, 0, 0, NULL, 0},
    {HGL_WEB_SOCKET_PROTOCOL, came, 0, PIECE_SIZE, 0, NULL, PIECE_SIZE + LWS_PRE},
    {NULL, NULL, 0, 0, 0, NULL, 0},
};

void hgl_web_socket_hand_over(struct hgl_web_conn *conn)
{
  struct hgl_web_socket *socket = conn->socket;
  struct hgl_err err = {0};
  struct hgl_buf read;
  int fd;
  bool reported;
  conn->socket = NULL;
  socket->conn = NULL;
  if (hgl_web_release(conn, &fd, &read, &err)) {
    hgl_web_socket_ended(socket);
    return;
  }
  socket->adopting = true;
  struct lws *wsi = hgl_net_adopt(conn->net, conn->net->web_vhost, fd, hgl_buf_bytes(&read), socket,
                                  &reported);
  socket->adopting = false;
  hgl_buf_deinit(&read);
  if (wsi && !socket->lost) {
    lws_set_opaque_user_data(wsi, socket);
    return;
  }
  if (!reported || socket->lost) hgl_web_socket_ended(socket);
}

const char *hgl_web_socket_address(const struct hgl_web_socket *socket)
{
  return socket->address;
}

uint64_t hgl_web_socket_origin(const struct hgl_web_socket *socket)
{
  return socket->origin;
}
