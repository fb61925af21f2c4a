#include <sys/socket.h>

#include "base/mem.h"
#include "net/web_conn.h"

enum {
  KEPT_QUEUE_SIZE = 1 << 20, /* a longer queue's memory is given back once it is empty */
};
#define MS ((int64_t)1000000)

struct hgl_session *hgl_session_create(struct hgl_net *net, bool dialled, const char *address)
{
  struct hgl_session *session = hgl_zalloc(sizeof *session);
  if (!session) return NULL;
  session->net = net;
  session->dialled = dialled;
  session->stage = HGL_SESSION_CONNECTING;
  memcpy(session->address, address, strnlen(address, sizeof session->address - 1));
  hgl_record_reader_init(&session->reader);
  /* Bytes that are sent stay until they are more than those that are not. */
  hgl_buf_init(&session->queue, 2 * (HGL_NET_QUEUE_SIZE_MAX + HGL_HANDSHAKE_SIZE_MAX + LWS_PRE));
  session->due_ns = hgl_net_now(net) + HGL_NET_HANDSHAKE_TIMEOUT_MS * MS;
  session->next = net->sessions;
  session->link = &net->sessions;
  if (session->next) session->next->link = &session->next;
  net->sessions = session;
  hgl_net_schedule(net, session->due_ns);
  return session;
}

void hgl_session_handshake_begins(struct hgl_session *session, uint64_t origin)
{
  session->handshaking = true;
  session->origin = origin;
  session->net->handshakes++;
}

static void handshake_ends(struct hgl_session *session)
{
  if (session->handshaking) session->net->handshakes--;
  session->handshaking = false;
}

void hgl_session_give_way(struct hgl_session *session)
{
  hgl_fail(&session->why, HGL_LIMIT, "%d handshakes are under way", session->net->handshakes);
  handshake_ends(session);
  session->stage = HGL_SESSION_CLOSING;
  session->due_ns = hgl_net_now(session->net);
  hgl_net_schedule(session->net, session->due_ns);
}

static void announce_down(struct hgl_session *session)
{
  struct hgl_net *net = session->net;
  if (!session->announced) return;
  session->announced = false;
  hgl_map_remove(&net->by_peer, hgl_key_bytes(&session->peer));
  net->up_count--;
  net->config.events.session_down(net->config.user, session, &session->why);
}

static void unlink_session(struct hgl_session *session)
{
  *session->link = session->next;
  if (session->next) session->next->link = session->link;
  handshake_ends(session);
}

static void release(struct hgl_session *session)
{
  hgl_handshake_deinit(&session->handshake);
  hgl_record_reader_deinit(&session->reader);
  hgl_wipe(&session->cipher, sizeof session->cipher);
  hgl_buf_deinit(&session->queue);
  hgl_free(session);
}

void hgl_session_forget(struct hgl_session *session)
{
  unlink_session(session);
  release(session);
}

void hgl_session_ended(struct hgl_session *session)
{
  struct hgl_net *net = session->net;
  session->wsi = NULL;
  if (session->connecting) {
    session->lost = true;
    return;
  }
  if (session->why.code == HGL_OK)
    hgl_fail(&session->why, HGL_CLOSED, "the peer closed the connection");
  unlink_session(session);
  bool was_up = session->authenticated;
  net->queued -= session->counted;
  announce_down(session);
  if (!was_up && net->config.events.dial_failed && !net->destroying)
    net->config.events.dial_failed(
        net->config.user, session->dial && session->dial->has_key ? &session->dial->key : NULL,
        session->address, &session->why);
  hgl_dial_session_ended(net, session, was_up);
  release(session);
}

/* Sending ------------------------------------------------------------------------------------ */

static size_t waiting(const struct hgl_session *session)
{
  return session->queue.size - session->head;
}

size_t hgl_session_queued(const struct hgl_session *session)
{
  return waiting(session) + session->in_flight;
}

static void count_queued(struct hgl_session *session)
{
  size_t queued = hgl_session_queued(session);
  session->net->queued += queued - session->counted;
  session->counted = queued;
}

/* Once all queues together are too long only those that are short may grow: peers that do not read
 * cost the host no more memory than twice the limit, and the others little. */
static int check_room(const struct hgl_session *session, size_t size, struct hgl_err *err)
{
  const struct hgl_net *net = session->net;
  size_t queued = hgl_session_queued(session), most = net->config.queues_size_max;
  if (queued + size > HGL_NET_QUEUE_SIZE_MAX)
    return hgl_fail(err, HGL_LIMIT, "%zu bytes wait for a peer that does not read", queued);
  if (net->queued + size > most && queued + size > most / (size_t)net->up_count)
    return hgl_fail(err, HGL_LIMIT, "%zu bytes wait for peers that do not read, %zu for this one",
                    net->queued, queued);
  return 0;
}

/* Room in front of the queue for what libwebsockets writes before a message. */
static void prepare_queue(struct hgl_session *session)
{
  struct hgl_buf *queue = &session->queue;
  if (waiting(session) == 0) {
    static const uint8_t room[LWS_PRE];
    if (queue->capacity > KEPT_QUEUE_SIZE) hgl_buf_deinit(queue);
    hgl_buf_clear(queue);
    hgl_buf_append(queue, room, sizeof room);
    session->head = queue->size;
  } else if (session->head - LWS_PRE > waiting(session)) {
    hgl_buf_remove_front(queue, session->head - LWS_PRE);
    session->head = LWS_PRE;
  }
}

/* Something was queued: it is written when the loop comes round, with all that is queued by then.
 */
static void ask_to_write(struct hgl_session *session, bool was_empty)
{
  if (was_empty) {
    session->progress_ns = hgl_net_now(session->net);
    if (session->stage == HGL_SESSION_UP) {
      session->due_ns = session->progress_ns + HGL_NET_STALL_TIMEOUT_MS * MS;
      hgl_net_schedule(session->net, session->due_ns);
    }
  }
  lws_callback_on_writable(session->wsi);
}

int hgl_session_send(struct hgl_session *session, struct hgl_bytes frame, struct hgl_err *err)
{
  if (session->stage != HGL_SESSION_UP || !session->wsi)
    return hgl_fail(err, HGL_CLOSED, "the session is closed");
  size_t queued = hgl_session_queued(session);
  if (frame.size > HGL_FRAME_SIZE_MAX)
    return hgl_fail(err, HGL_TOO_LARGE, "a frame of %zu bytes", frame.size);
  int status = check_room(session, hgl_record_size(frame.size), err);
  if (status != 0) return status;
  prepare_queue(session);
  status = hgl_record_seal(&session->cipher, frame, &session->queue, err);
  session->queue.failed = HGL_OK; /* nothing was queued: the session goes on */
  count_queued(session);
  if (status == 0) ask_to_write(session, queued == 0);
  return status;
}

/* As many whole records as fit one message; at least one. */
static size_t next_message(const struct hgl_session *session)
{
  const uint8_t *at = session->queue.data + session->head;
  size_t left = waiting(session), size = 0;
  while (size < left) {
    size_t record = HGL_RECORD_HEAD_SIZE + ((size_t)at[size] << 8 | at[size + 1]);
    if (size > 0 && size + record > HGL_LINK_MESSAGE_SIZE_MAX) break;
    size += record;
  }
  return size;
}

static int write_queue(struct hgl_session *session)
{
  session->in_flight = 0;
  session->progress_ns = hgl_net_now(session->net);
  while (waiting(session) > 0) {
    size_t size = next_message(session);
    if (lws_write(session->wsi, session->queue.data + session->head, size, LWS_WRITE_BINARY) < 0)
      return hgl_fail(&session->why, HGL_CLOSED, "the connection broke while writing");
    session->head += size;
    if (lws_partial_buffered(session->wsi)) {
      session->in_flight = size;
      lws_callback_on_writable(session->wsi);
      return 0;
    }
    if (waiting(session) > 0 && lws_send_pipe_choked(session->wsi)) {
      lws_callback_on_writable(session->wsi);
      return 0;
    }
  }
  prepare_queue(session);
  if (session->stage == HGL_SESSION_CLOSING) return -1;
  if (session->stage == HGL_SESSION_UP) session->due_ns = INT64_MAX;
  return 0;
}

int hgl_session_writable(struct hgl_session *session)
{
  int status = write_queue(session);
  count_queued(session);
  return status;
}

/* Receiving ---------------------------------------------------------------------------------- */

static int queue_handshake(struct hgl_session *session, struct hgl_buf *message)
{
  if (message->size > 0) {
    prepare_queue(session);
    hgl_record_put(hgl_buf_bytes(message), &session->queue);
  }
  int status = hgl_buf_check(&session->queue, &session->why);
  hgl_buf_deinit(message);
  if (status == 0 && waiting(session) > 0) ask_to_write(session, true);
  return status;
}

int hgl_session_opened(struct hgl_session *session)
{
  struct hgl_net *net = session->net;
  if (session->stage == HGL_SESSION_CLOSING) return -1;
  session->stage = HGL_SESSION_HANDSHAKE;
  bool expected = session->dial && session->dial->has_key;
  hgl_handshake_init(&session->handshake, session->dialled, net->config.host,
                     expected ? &session->dial->key : NULL, net->config.random);
  if (!session->dialled) return 0;
  struct hgl_buf message;
  hgl_buf_init(&message, HGL_HANDSHAKE_SIZE_MAX);
  int status = hgl_handshake_start(&session->handshake, &message, &session->why);
  int queued = queue_handshake(session, &message);
  return status ? status : queued;
}

/* Of two sessions of one pair: the one dialled by the smaller key; by the same, the newer. */
static bool replaces(const struct hgl_session *newer, const struct hgl_session *older)
{
  if (newer->dialled == older->dialled) return true;
  const struct hgl_key *host = hgl_signer_key(newer->net->config.host);
  bool host_is_smaller = memcmp(host->bytes, newer->peer.bytes, HGL_KEY_SIZE) < 0;
  return newer->dialled == host_is_smaller;
}

static int go_live(struct hgl_session *session)
{
  struct hgl_net *net = session->net;
  struct hgl_bytes key = hgl_key_bytes(&session->peer);
  struct hgl_session *other = hgl_map_get(&net->by_peer, key);
  if (other && !replaces(session, other))
    return hgl_fail(&session->why, HGL_EXISTS, "another session with this peer stays");
  if (!other && net->up_count >= HGL_NET_SESSIONS_MAX)
    return hgl_fail(&session->why, HGL_LIMIT, "%d sessions are live", net->up_count);
  if (other) {
    hgl_session_close(other, HGL_EXISTS, "a newer session with this peer replaces it");
    announce_down(other);
  }
  int status = hgl_map_put(&net->by_peer, key, session, &session->why);
  if (status != 0) return status;
  net->up_count++;
  session->stage = HGL_SESSION_UP;
  session->announced = true;
  session->due_ns = waiting(session) ? session->up_ns + HGL_NET_STALL_TIMEOUT_MS * MS : INT64_MAX;
  hgl_net_schedule(net, session->due_ns);
  net->config.events.session_up(net->config.user, session);
  return 0;
}

static int authenticated(struct hgl_session *session)
{
  struct hgl_noise_cipher receive;
  hgl_noise_split(&session->handshake.noise, &session->cipher, &receive);
  hgl_record_reader_set_cipher(&session->reader, &receive);
  hgl_wipe(&receive, sizeof receive);
  session->peer = session->handshake.peer;
  hgl_handshake_deinit(&session->handshake);
  session->authenticated = true;
  session->up_ns = hgl_net_now(session->net);
  handshake_ends(session);
  if (session->dial) hgl_dial_verified(session->dial, session);
  return go_live(session);
}

static int handshake_came(struct hgl_session *session, struct hgl_bytes content)
{
  struct hgl_buf answer;
  hgl_buf_init(&answer, HGL_HANDSHAKE_SIZE_MAX);
  int status = hgl_handshake_receive(&session->handshake, content, &answer, &session->why);
  int queued = queue_handshake(session, &answer);
  if (status == 0) status = queued;
  if (status == 0 && hgl_handshake_is_done(&session->handshake)) status = authenticated(session);
  return status;
}

/* Takes one handshake message or frame off the piece. */
static int take_one(struct hgl_session *session, struct hgl_bytes *piece)
{
  struct hgl_net *net = session->net;
  struct hgl_bytes content;
  bool whole;
  int status;
  if (session->stage == HGL_SESSION_HANDSHAKE) {
    status = hgl_record_next(&session->reader, HGL_HANDSHAKE_SIZE_MAX, piece, &content, &whole,
                             &session->why);
    if (status != 0) session->why.code = HGL_HANDSHAKE;
    return status == 0 && whole ? handshake_came(session, content) : status;
  }
  status = hgl_record_next_frame(&session->reader, piece, &content, &whole, &session->why);
  if (status == 0 && whole) net->config.events.frame(net->config.user, session, content);
  return status;
}

int hgl_session_received(struct hgl_session *session, struct hgl_bytes piece, bool message_ends)
{
  while (piece.size > 0) {
    if (session->stage == HGL_SESSION_CLOSING) return 0;
    int status = take_one(session, &piece);
    if (status != 0) return status;
  }
  if (message_ends && session->stage != HGL_SESSION_CLOSING)
    return hgl_record_message_end(&session->reader, &session->why);
  return 0;
}

/* Ending ------------------------------------------------------------------------------------- */

void hgl_session_end_now(struct hgl_session *session)
{
  session->stage = HGL_SESSION_CLOSING;
  session->due_ns = INT64_MAX;
  if (session->opening) {
    hgl_web_conn_drop(session->opening);
    hgl_session_ended(session);
    return;
  }
  if (!session->wsi) return;
  /* libwebsockets would wait until what it holds is sent; on a dead socket it does not. */
  shutdown(lws_get_socket_fd(session->wsi), SHUT_RDWR);
  lws_set_timeout(session->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_SYNC);
}

void hgl_session_due(struct hgl_session *session)
{
  int64_t now = hgl_net_now(session->net);
  if (session->stage == HGL_SESSION_UP) {
    if (hgl_session_queued(session) == 0) {
      session->due_ns = INT64_MAX;
      return;
    }
    session->due_ns = session->progress_ns + HGL_NET_STALL_TIMEOUT_MS * MS;
    if (session->due_ns > now) return;
    hgl_fail(&session->why, HGL_TIMEOUT, "the peer took nothing for %d s",
             HGL_NET_STALL_TIMEOUT_MS / 1000);
  } else if (session->why.code == HGL_OK) {
    hgl_fail(&session->why, HGL_TIMEOUT, "no handshake within %d s",
             HGL_NET_HANDSHAKE_TIMEOUT_MS / 1000);
  }
  hgl_session_end_now(session);
}

void hgl_session_close(struct hgl_session *session, enum hgl_code code, const char *why)
{
  if (session->stage == HGL_SESSION_CLOSING || !session->wsi) return;
  hgl_fail(&session->why, code, "%s", why);
  session->stage = HGL_SESSION_CLOSING;
  session->due_ns = hgl_net_now(session->net) + HGL_SESSION_FLUSH_MS * MS;
  hgl_net_schedule(session->net, session->due_ns);
  lws_callback_on_writable(session->wsi);
}

void hgl_session_pause(struct hgl_session *session, bool paused)
{
  if (session->paused == paused || !session->wsi) return;
  session->paused = paused;
  lws_rx_flow_control(session->wsi, !paused);
}

/* Asking ------------------------------------------------------------------------------------- */

const struct hgl_key *hgl_session_peer(const struct hgl_session *session)
{
  return &session->peer;
}

bool hgl_session_dialled(const struct hgl_session *session)
{
  return session->dialled;
}

const char *hgl_session_address(const struct hgl_session *session)
{
  return session->address;
}

void hgl_session_set_user(struct hgl_session *session, void *user)
{
  session->user = user;
}

void *hgl_session_user(const struct hgl_session *session)
{
  return session->user;
}
