/* A connection that turned out to be a WebSocket: libwebsockets takes it over with what has been
 * read. Of TLS it gets one end of a pair of sockets, and we carry what comes out of the other. */
#include <errno.h>
#include <unistd.h>

#include "base/mem.h"
#include "net/web_conn.h"

enum {
  TUNNEL_SIZE_MAX = 64 * 1024, /* each way: then the faster side rests */
  PIECE_SIZE = 16 * 1024,
  ROUNDS_MAX = 16, /* of one turn */
  FLUSH_MS = 1000,
};

/* Handing over -------------------------------------------------------------------------------- */

static void adopt(struct hgl_session *session, int fd, struct hgl_bytes read)
{
  struct hgl_net *net = session->net;
  bool reported;
  session->connecting = true;
  struct lws *wsi = hgl_net_adopt(net, net->vhost, fd, read, session, &reported);
  session->connecting = false;
  if (wsi && !session->lost) {
    session->wsi = wsi;
    lws_set_opaque_user_data(wsi, session);
    return;
  }
  if (reported && !session->lost) return;
  if (session->why.code == HGL_OK)
    hgl_fail(&session->why, HGL_IO, "the connection could not be taken over");
  hgl_session_ended(session);
}

static void inner_came(uv_poll_t *poll, int status, int events)
{
  hgl_web_tunnel_turn(poll->data);
}

static bool open_pair(struct hgl_web_conn *conn, int *theirs)
{
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) != 0) return false;
  if (uv_poll_init(conn->net->uv, &conn->inner_poll, pair[0]) < 0) {
    close(pair[0]);
    close(pair[1]);
    return false;
  }
  conn->inner = pair[0];
  conn->inner_poll.data = conn;
  conn->open_handles++;
  conn->net->open_handles++;
  *theirs = pair[1];
  return true;
}

int hgl_web_release(struct hgl_web_conn *conn, int *fd, struct hgl_buf *read, struct hgl_err *err)
{
  if (conn->stream.ssl && !open_pair(conn, fd)) {
    conn->doomed = true;
    return hgl_fail(err, HGL_IO, "no pair of sockets: %s", strerror(errno));
  }
  *read = conn->in;
  hgl_buf_init(&conn->in, TUNNEL_SIZE_MAX + PIECE_SIZE);
  if (conn->stream.ssl) {
    conn->stage = HGL_WEB_TUNNEL;
    conn->due_ns = INT64_MAX;
    return 0;
  }
  hgl_web_conn_watch(conn, 0); /* before others watch the same socket */
  *fd = conn->stream.fd;
  conn->stream.fd = -1;
  conn->doomed = true;
  return 0;
}

void hgl_web_hand_over(struct hgl_web_conn *conn)
{
  struct hgl_session *session = conn->session;
  struct hgl_buf read;
  int fd = -1;
  conn->session = NULL;
  session->opening = NULL;
  if (hgl_web_release(conn, &fd, &read, &session->why)) {
    hgl_session_ended(session);
    return;
  }
  adopt(session, fd, hgl_buf_bytes(&read));
  hgl_buf_deinit(&read);
}

/* Carrying ------------------------------------------------------------------------------------ */

/* Each returns whether anything moved. */

static bool read_outer(struct hgl_web_conn *conn)
{
  if (conn->read_ended || conn->in.size >= TUNNEL_SIZE_MAX) return false;
  uint8_t *room = hgl_buf_reserve(&conn->in, PIECE_SIZE);
  ssize_t got = room ? hgl_stream_read(&conn->stream, room, PIECE_SIZE) : HGL_STREAM_BROKEN;
  if (got == HGL_STREAM_AGAIN) return false;
  if (got > 0)
    hgl_buf_extend(&conn->in, (size_t)got);
  else
    conn->read_ended = true;
  return true;
}

static bool write_inner(struct hgl_web_conn *conn)
{
  if (!conn->in.size || conn->inner_ended) return false;
  ssize_t sent = send(conn->inner, conn->in.data, conn->in.size, MSG_NOSIGNAL);
  if (sent > 0) hgl_buf_remove_front(&conn->in, (size_t)sent);
  if (sent < 0 && errno != EAGAIN && errno != EINTR) conn->inner_ended = true;
  return sent > 0;
}

static bool read_inner(struct hgl_web_conn *conn)
{
  if (conn->inner_ended || conn->out.size >= TUNNEL_SIZE_MAX) return false;
  uint8_t *room = hgl_buf_reserve(&conn->out, PIECE_SIZE);
  ssize_t got = room ? recv(conn->inner, room, PIECE_SIZE, 0) : 0;
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return false;
  if (got > 0)
    hgl_buf_extend(&conn->out, (size_t)got);
  else
    conn->inner_ended = true;
  return true;
}

static bool write_outer(struct hgl_web_conn *conn)
{
  if (!conn->out.size) return false;
  ssize_t sent = hgl_stream_write(&conn->stream, hgl_buf_bytes(&conn->out));
  if (sent > 0) hgl_buf_remove_front(&conn->out, (size_t)sent);
  if (sent == HGL_STREAM_BROKEN) {
    hgl_buf_clear(&conn->out);
    conn->read_ended = true;
    conn->inner_ended = true;
  }
  return sent > 0;
}

static void watch(struct hgl_web_conn *conn, bool more)
{
  bool reads = !conn->read_ended && conn->in.size < TUNNEL_SIZE_MAX;
  int outer = reads ? UV_READABLE : 0, inner = 0;
  if (conn->out.size || more || (reads && conn->stream.read_waits_for_writing))
    outer |= UV_WRITABLE;
  if (conn->out.size && conn->stream.write_waits_for_reading) outer |= UV_READABLE;
  if (!conn->inner_ended && conn->out.size < TUNNEL_SIZE_MAX) inner |= UV_READABLE;
  if (!conn->inner_ended && conn->in.size) inner |= UV_WRITABLE;
  hgl_web_conn_watch(conn, outer);
  if (inner == conn->inner_watched) return;
  conn->inner_watched = inner;
  if (inner)
    uv_poll_start(&conn->inner_poll, inner, inner_came);
  else
    uv_poll_stop(&conn->inner_poll);
}

void hgl_web_tunnel_turn(struct hgl_web_conn *conn)
{
  bool moved = true;
  for (int i = 0; moved && i < ROUNDS_MAX; i++) {
    moved = read_outer(conn);
    moved |= write_inner(conn);
    moved |= read_inner(conn);
    moved |= write_outer(conn);
  }
  bool nothing_in = conn->inner_ended || !conn->in.size, nothing_out = !conn->out.size;
  if ((conn->read_ended && nothing_in) || (conn->inner_ended && nothing_out)) {
    if (conn->inner_ended) hgl_stream_shut(&conn->stream);
    hgl_web_conn_drop(conn);
    return;
  }
  if ((conn->read_ended || conn->inner_ended) && conn->due_ns == INT64_MAX) {
    conn->due_ns = hgl_net_now(conn->net) + (int64_t)FLUSH_MS * 1000000;
    hgl_net_schedule(conn->net, conn->due_ns);
  }
  watch(conn, moved);
}
