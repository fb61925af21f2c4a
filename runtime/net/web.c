#include "net/web.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "net/address.h"
#include "net/web_conn.h"
#include "net/web_socket_core.h"

enum {
  READ_SIZE = 16 * 1024,
  READS_PER_TURN = 8,
  IN_SIZE_MAX = 64 * 1024, /* then reading rests: later requests of a connection, or a body */
  OUT_SIZE_MAX = HGL_WEB_BODY_SIZE_MAX * 2,
};
#define MS ((int64_t)1000000)

struct hgl_web_under_way {
  struct hgl_web_asked asked; /* first member */
  struct hgl_web_conn *conn;
  struct hgl_web_head head;
  struct hgl_web_chunks chunks;
  struct hgl_buf text, body; /* the head, which slices point into */
  size_t counted;            /* of net->web_bytes */
};

/* Counting ------------------------------------------------------------------------------------ */

static void count_bytes(struct hgl_web_under_way *request)
{
  struct hgl_net *net = request->conn->net;
  size_t size = request->body.capacity;
  net->web_bytes += size - request->counted;
  request->counted = size;
}

static void count_answer(struct hgl_web_conn *conn)
{
  size_t size = conn->stage == HGL_WEB_ANSWERING ? conn->out.capacity : 0;
  conn->net->web_answer_bytes += size - conn->out_counted;
  conn->out_counted = size;
}

static void forget_request(struct hgl_web_conn *conn)
{
  struct hgl_web_under_way *request = conn->under_way;
  if (!request) return;
  conn->under_way = NULL;
  conn->net->web_bytes -= request->counted;
  conn->net->web_requests--;
  hgl_buf_deinit(&request->text);
  hgl_buf_deinit(&request->body);
  hgl_free(request);
}

/* Ending -------------------------------------------------------------------------------------- */

static void handle_closed(uv_handle_t *handle)
{
  struct hgl_web_conn *conn = handle->data;
  conn->net->open_handles--;
  if (--conn->open_handles > 0) return;
  hgl_buf_deinit(&conn->in);
  hgl_buf_deinit(&conn->out);
  hgl_free(conn);
}

void hgl_web_conn_drop(struct hgl_web_conn *conn)
{
  struct hgl_net *net = conn->net;
  struct hgl_web_under_way *request = conn->under_way;
  *conn->link = conn->next;
  if (conn->next) conn->next->link = conn->link;
  if (conn->counted) net->web_count--;
  if (request && conn->stage == HGL_WEB_ASKED && net->config.web.gone)
    net->config.web.gone(net->config.user, &request->asked);
  forget_request(conn);
  if (conn->socket) hgl_web_socket_ended(conn->socket);
  net->web_answer_bytes -= conn->out_counted;
  uv_close((uv_handle_t *)&conn->poll, handle_closed);
  if (conn->inner >= 0) {
    uv_close((uv_handle_t *)&conn->inner_poll, handle_closed);
    close(conn->inner);
  }
  hgl_stream_deinit(&conn->stream);
}

/* It is over, and so is the session that it began with. */
static void lose(struct hgl_web_conn *conn, enum hgl_code code, const char *why)
{
  struct hgl_session *session = conn->session;
  conn->doomed = true;
  if (!session) return;
  conn->session = NULL;
  session->opening = NULL;
  if (session->why.code == HGL_OK) hgl_fail(&session->why, code, "%s", why);
  hgl_session_ended(session);
}

/* Answering ----------------------------------------------------------------------------------- */

static void set_due(struct hgl_web_conn *conn, int64_t wait_ms)
{
  conn->due_ns = hgl_net_now(conn->net) + wait_ms * MS;
  hgl_net_schedule(conn->net, conn->due_ns);
}

/* Until something moves, and until all of it has to be over. */
static void set_due_within(struct hgl_web_conn *conn, int64_t stall_ms, int64_t whole_ms)
{
  int64_t whole_ns = conn->began_ns + whole_ms * MS;
  set_due(conn, stall_ms);
  if (conn->due_ns <= whole_ns) return;
  conn->due_ns = whole_ns;
  hgl_net_schedule(conn->net, whole_ns);
}

static void put_date(struct hgl_web_conn *conn)
{
  static const char days[] = "SunMonTueWedThuFriSat", months[] = "JanFebMarAprMayJunJulAugSepOctNov"
                                                                 "Dec";
  time_t now = (time_t)(hgl_wall_ms(conn->net->config.clock) / 1000);
  struct tm tm;
  gmtime_r(&now, &tm);
  hgl_buf_printf(&conn->out, "Date: %.3s, %02d %.3s %d %02d:%02d:%02d GMT\r\n",
                 days + 3 * tm.tm_wday, tm.tm_mday, months + 3 * tm.tm_mon, tm.tm_year + 1900,
                 tm.tm_hour, tm.tm_min, tm.tm_sec);
}

static void put_answer(struct hgl_web_conn *conn, const struct hgl_web_answer *answer, bool head)
{
  bool bodiless = answer->status == 204 || answer->status == 304;
  hgl_buf_printf(&conn->out, "HTTP/1.1 %d %s\r\n", answer->status, hgl_web_reason(answer->status));
  put_date(conn);
  hgl_buf_append_text(&conn->out,
                      conn->closes ? "Connection: close\r\n" : "Connection: keep-alive\r\n");
  if (!bodiless) hgl_buf_printf(&conn->out, "Content-Length: %zu\r\n", answer->body.size);
  for (size_t i = 0; i < answer->header_count; i++) {
    hgl_buf_append_bytes(&conn->out, answer->headers[i].name);
    hgl_buf_append_text(&conn->out, ": ");
    hgl_buf_append_bytes(&conn->out, answer->headers[i].value);
    hgl_buf_append_text(&conn->out, "\r\n");
  }
  hgl_buf_append_text(&conn->out, "\r\n");
  if (!head && !bodiless) hgl_buf_append_bytes(&conn->out, answer->body);
  conn->stage = HGL_WEB_ANSWERING;
  conn->began_ns = hgl_net_now(conn->net);
  set_due(conn, HGL_WEB_ANSWER_STALL_MS);
  count_answer(conn);
}

/* What is wrong with the request itself, or with the time; the connection ends with it. */
static void refuse(struct hgl_web_conn *conn, int status, const char *code, const char *why)
{
  char text[HGL_ERR_MESSAGE_SIZE + 128], retry[16];
  struct hgl_web_field headers[2] = {{hgl_text("content-type"), hgl_text("application/json")}};
  int size = snprintf(text, sizeof text, "{\"error\":{\"code\":\"%s\",\"message\":\"%s\"}}", code,
                      why);
  struct hgl_web_answer answer = {status, headers, 1, hgl_bytes(text, (size_t)size)};
  if (status == 503) {
    snprintf(retry, sizeof retry, "%d", HGL_WEB_RETRY_AFTER_S);
    headers[answer.header_count++] = (struct hgl_web_field){hgl_text("retry-after"),
                                                            hgl_text(retry)};
  }
  conn->closes = true;
  put_answer(conn, &answer, false);
  forget_request(conn);
}

void hgl_web_answer(struct hgl_web_asked *asked, const struct hgl_web_answer *answer)
{
  struct hgl_web_under_way *request = (struct hgl_web_under_way *)asked;
  struct hgl_web_conn *conn = request->conn;
  conn->closes = !request->head.keep_alive;
  put_answer(conn, answer, hgl_bytes_is(asked->request.method, "HEAD"));
  forget_request(conn);
  hgl_web_conn_watch(conn, UV_READABLE | UV_WRITABLE);
  struct hgl_net *net = conn->net;
  struct hgl_web_conn *slow;
  while (net->web_answer_bytes > HGL_WEB_ANSWERS_SIZE_MAX &&
         (slow = hgl_web_slowest(net, true, conn)))
    hgl_web_conn_drop(slow);
}

/* WebSockets ---------------------------------------------------------------------------------- */

int hgl_web_accept(struct hgl_web_asked *asked, const struct hgl_web_socket_events *events,
                   void *user, struct hgl_web_socket **out, struct hgl_err *err)
{
  struct hgl_web_conn *conn = ((struct hgl_web_under_way *)asked)->conn;
  int status = hgl_web_socket_create(conn, asked, events, user, out, err);
  if (status) return status;
  conn->socket = *out;
  conn->stage = HGL_WEB_ACCEPTED;
  conn->net->web_count -= conn->counted; /* its place is of another kind */
  conn->counted = false;
  forget_request(conn);
  hgl_web_conn_watch(conn, UV_READABLE | UV_WRITABLE);
  return 0;
}

/* Requests ------------------------------------------------------------------------------------ */

static void ask(struct hgl_web_conn *conn)
{
  struct hgl_net *net = conn->net;
  struct hgl_web_under_way *request = conn->under_way;
  conn->stage = HGL_WEB_ASKED;
  conn->due_ns = INT64_MAX;
  request->asked.request = request->head.request;
  request->asked.request.body = hgl_buf_bytes(&request->body);
  request->asked.request.on_loopback = conn->on_loopback;
  request->asked.address = conn->address;
  request->asked.origin = conn->origin;
  request->asked.secure = conn->stream.ssl != NULL;
  request->asked.upgrade = request->head.upgrades;
  if (net->config.web.asked && !net->destroying) {
    net->config.web.asked(net->config.user, &request->asked);
    return;
  }
  refuse(conn, 404, "not_found", "there is nothing here");
}

static void begin_body(struct hgl_web_conn *conn)
{
  struct hgl_web_under_way *request = conn->under_way;
  conn->stage = HGL_WEB_BODY;
  conn->began_ns = hgl_net_now(conn->net);
  set_due(conn, HGL_WEB_BODY_STALL_MS);
  bool more = request->head.chunked || request->head.body_size > conn->in.size;
  if (request->head.expects_continue && more)
    hgl_buf_append_text(&conn->out, "HTTP/1.1 100 Continue\r\n\r\n");
}

static bool has_room(struct hgl_web_conn *conn)
{
  struct hgl_net *net = conn->net;
  if (hgl_web_requests_of(net, conn->origin) >= HGL_WEB_REQUESTS_PER_ORIGIN_MAX) return false;
  if (net->web_requests < HGL_WEB_REQUESTS_MAX) return true;
  struct hgl_web_conn *slow = hgl_web_slowest_body(net);
  if (!slow) return false;
  refuse(slow, 503, "limit", "too many requests are under way, and this one is slow");
  hgl_web_conn_watch(slow, UV_READABLE | UV_WRITABLE);
  return true;
}

/* It speaks HTTP: it is no peer, and needs no place of those for handshakes. False: there are too
 * many such. */
static bool leave_session(struct hgl_web_conn *conn)
{
  struct hgl_net *net = conn->net;
  struct hgl_session *session = conn->session;
  conn->session = NULL;
  session->opening = NULL;
  hgl_session_forget(session);
  conn->stage = HGL_WEB_HEAD;
  bool full = net->web_count >= HGL_WEB_CONNECTIONS_MAX;
  struct hgl_web_conn *other = full ? hgl_web_oldest_idle(net, conn->origin) : NULL;
  if (full && !other) other = hgl_web_slowest(net, false, NULL);
  if (other) hgl_web_conn_drop(other);
  conn->counted = true;
  net->web_count++;
  return !full || other;
}

/* From a head that has been read well; takes `request`. */
static void begin_request(struct hgl_web_conn *conn, struct hgl_web_under_way *request)
{
  bool came = !conn->session || leave_session(conn);
  if (!came || !has_room(conn)) {
    hgl_buf_deinit(&request->text);
    hgl_free(request);
    refuse(conn, 503, "limit", "too many requests are under way");
    return;
  }
  conn->under_way = request;
  conn->net->web_requests++;
  request->conn = conn;
  begin_body(conn);
}

static const char *code_of(int status)
{
  return status == 413 || status == 414 || status == 431 ? "too_large"
         : status == 503                                 ? "limit"
         : status == 501 || status == 505                ? "invalid"
                                                         : "malformed";
}

static void refuse_head(struct hgl_web_conn *conn, int status, const struct hgl_err *why)
{
  if (conn->session) leave_session(conn);
  refuse(conn, status, code_of(status), why->message);
}

static void read_head(struct hgl_web_conn *conn, size_t size)
{
  struct hgl_err why = {0};
  struct hgl_web_under_way *request = hgl_zalloc(sizeof *request);
  if (!request) {
    lose(conn, HGL_NO_MEMORY, "out of memory");
    return;
  }
  hgl_buf_init(&request->text, HGL_WEB_HEAD_SIZE_MAX);
  hgl_buf_init(&request->body, HGL_WEB_BODY_SIZE_MAX);
  hgl_buf_append(&request->text, conn->in.data, size);
  int status = hgl_buf_check(&request->text, &why)
                   ? 503
                   : hgl_web_head_parse(request->text.data, size, &request->head, &why);
  bool links = !status && request->head.upgrades && conn->session &&
               hgl_web_lists(&request->head.request, "sec-websocket-protocol", HGL_SUBPROTOCOL);
  if (status || links) {
    hgl_buf_deinit(&request->text);
    hgl_free(request);
    if (links)
      hgl_web_hand_over(conn);
    else
      refuse_head(conn, status, &why);
    return;
  }
  hgl_buf_remove_front(&conn->in, size);
  conn->looked = 0;
  begin_request(conn, request);
}

/* Some send an empty line behind a body. */
static void pass_over_blank_lines(struct hgl_web_conn *conn)
{
  size_t size = 0;
  while (size + 1 < conn->in.size && memcmp(conn->in.data + size, "\r\n", 2) == 0) size += 2;
  hgl_buf_remove_front(&conn->in, size);
}

static void look_for_head(struct hgl_web_conn *conn)
{
  pass_over_blank_lines(conn);
  struct hgl_err why = {0};
  if (conn->session && conn->in.size && (*conn->in.data < 'A' || *conn->in.data > 'Z')) {
    lose(conn, HGL_MALFORMED, "it does not speak HTTP; perhaps it speaks TLS"); /* answer nothing */
    return;
  }
  size_t size = hgl_web_head_end(hgl_buf_bytes(&conn->in), conn->looked);
  if (size && size <= HGL_WEB_HEAD_SIZE_MAX) {
    read_head(conn, size);
    return;
  }
  if (size || conn->in.size > HGL_WEB_HEAD_SIZE_MAX) {
    hgl_fail(&why, HGL_TOO_LARGE, "the head is longer than %d bytes", HGL_WEB_HEAD_SIZE_MAX);
    refuse_head(conn, 431, &why);
    return;
  }
  if (!conn->looked && conn->in.size && conn->stage == HGL_WEB_HEAD)
    set_due(conn, HGL_NET_HANDSHAKE_TIMEOUT_MS);
  conn->looked = conn->in.size;
  if (conn->read_ended) lose(conn, HGL_CLOSED, "the other end closed the connection");
}

static void read_body(struct hgl_web_conn *conn)
{
  struct hgl_web_under_way *request = conn->under_way;
  struct hgl_bytes in = hgl_buf_bytes(&conn->in);
  struct hgl_err why = {0};
  int status = 0;
  bool whole;
  if (request->head.chunked) {
    status = hgl_web_chunks_read(&request->chunks, &in, &request->body, &why);
    whole = request->chunks.stage == HGL_CHUNKS_DONE;
  } else {
    size_t left = (size_t)request->head.body_size - request->body.size;
    size_t size = left < in.size ? left : in.size;
    hgl_buf_append(&request->body, in.data, size);
    in.size -= size;
    if (hgl_buf_check(&request->body, &why)) status = 503;
    whole = request->body.size == request->head.body_size;
  }
  size_t used = conn->in.size - in.size;
  hgl_buf_remove_front(&conn->in, used);
  count_bytes(request);
  if (!status && conn->net->web_bytes > HGL_WEB_BODIES_SIZE_MAX) {
    status = 503;
    hgl_fail(&why, HGL_LIMIT, "too much is being sent at once");
  }
  if (status)
    refuse(conn, status, code_of(status), why.message);
  else if (whole)
    ask(conn);
  else if (conn->read_ended)
    conn->doomed = true;
  else if (used)
    set_due_within(conn, HGL_WEB_BODY_STALL_MS, HGL_WEB_BODY_TIMEOUT_MS);
}

/* Turns --------------------------------------------------------------------------------------- */

static void receive(struct hgl_web_conn *conn)
{
  for (int i = 0; i < READS_PER_TURN && !conn->read_ended && conn->in.size < IN_SIZE_MAX; i++) {
    uint8_t *room = hgl_buf_reserve(&conn->in, READ_SIZE);
    ssize_t got = room ? hgl_stream_read(&conn->stream, room, READ_SIZE) : HGL_STREAM_BROKEN;
    if (got == HGL_STREAM_AGAIN) return;
    if (got == HGL_STREAM_BROKEN) {
      lose(conn, room ? HGL_CLOSED : HGL_NO_MEMORY,
           room ? "the connection broke" : "out of memory");
      return;
    }
    if (got == 0)
      conn->read_ended = true;
    else if (conn->stage != HGL_WEB_ENDING)
      hgl_buf_extend(&conn->in, (size_t)got);
  }
}

static void flush(struct hgl_web_conn *conn)
{
  while (conn->out.size) {
    ssize_t sent = hgl_stream_write(&conn->stream, hgl_buf_bytes(&conn->out));
    if (sent == HGL_STREAM_AGAIN) return;
    if (sent == HGL_STREAM_BROKEN) {
      lose(conn, HGL_CLOSED, "the connection broke while writing");
      return;
    }
    hgl_buf_remove_front(&conn->out, (size_t)sent);
    if (conn->stage == HGL_WEB_ANSWERING)
      set_due_within(conn, HGL_WEB_ANSWER_STALL_MS, HGL_WEB_ANSWER_TIMEOUT_MS);
  }
  if (conn->out.failed) conn->doomed = true;
}

/* The answer has been sent. */
static void answered(struct hgl_web_conn *conn)
{
  if (conn->out.capacity > IN_SIZE_MAX) hgl_buf_deinit(&conn->out);
  conn->began_ns = hgl_net_now(conn->net);
  if (!conn->closes && !(conn->read_ended && !conn->in.size)) {
    conn->stage = HGL_WEB_HEAD;
    count_answer(conn);
    set_due(conn, HGL_WEB_IDLE_TIMEOUT_MS);
    return;
  }
  /* A reset, for what we have not read, could take the answer away from the client. */
  hgl_stream_shut(&conn->stream);
  conn->stage = HGL_WEB_ENDING;
  count_answer(conn);
  hgl_buf_deinit(&conn->in);
  if (conn->read_ended) conn->doomed = true;
  set_due(conn, HGL_WEB_LINGER_MS);
}

static void go_on(struct hgl_web_conn *conn)
{
  for (bool more = true; more && !conn->doomed;) {
    enum hgl_web_stage before = conn->stage;
    switch (conn->stage) {
    case HGL_WEB_OPENING:
    case HGL_WEB_HEAD:
      if (conn->in.size || conn->read_ended) look_for_head(conn);
      break;
    case HGL_WEB_BODY:
      read_body(conn);
      break;
    case HGL_WEB_ANSWERING:
      flush(conn);
      if (!conn->doomed && !conn->out.size) answered(conn);
      break;
    case HGL_WEB_ENDING:
      if (conn->read_ended) conn->doomed = true;
      break;
    case HGL_WEB_ACCEPTED:
      hgl_web_socket_hand_over(conn);
      break;
    default:
      break;
    }
    more = conn->stage != before;
  }
}

static int wanted_events(const struct hgl_web_conn *conn)
{
  bool reads = !conn->read_ended && conn->in.size < IN_SIZE_MAX;
  int events = reads ? UV_READABLE : 0;
  if (conn->out.size || (reads && conn->stream.read_waits_for_writing)) events |= UV_WRITABLE;
  if (conn->out.size && conn->stream.write_waits_for_reading) events |= UV_READABLE;
  return events;
}

static void came(uv_poll_t *poll, int status, int events)
{
  struct hgl_web_conn *conn = poll->data;
  if (conn->session && conn->session->stage == HGL_SESSION_CLOSING) return; /* it gives way */
  if (conn->stage == HGL_WEB_TUNNEL) {
    hgl_web_tunnel_turn(conn);
    return;
  }
  if (status < 0) lose(conn, HGL_CLOSED, "the connection broke");
  if (!conn->doomed) receive(conn);
  if (!conn->doomed) go_on(conn);
  if (!conn->doomed) flush(conn);
  if (conn->doomed)
    hgl_web_conn_drop(conn);
  else if (conn->stage == HGL_WEB_TUNNEL)
    hgl_web_tunnel_turn(conn);
  else
    hgl_web_conn_watch(conn, wanted_events(conn));
}

void hgl_web_conn_watch(struct hgl_web_conn *conn, int events)
{
  if (events == conn->watched) return;
  conn->watched = events;
  if (events)
    uv_poll_start(&conn->poll, events, came);
  else
    uv_poll_stop(&conn->poll);
}

void hgl_web_conn_due(struct hgl_web_conn *conn)
{
  int64_t now = hgl_net_now(conn->net);
  bool whole_body_late = conn->stage == HGL_WEB_BODY &&
                         now - conn->began_ns >= HGL_WEB_BODY_TIMEOUT_MS * MS;
  conn->due_ns = INT64_MAX;
  if (conn->stage == HGL_WEB_BODY || (conn->stage == HGL_WEB_HEAD && conn->in.size)) {
    refuse(conn, 408, "timeout",
           whole_body_late ? "the body takes too long" : "the request takes too long");
    hgl_web_conn_watch(conn, UV_READABLE | UV_WRITABLE);
  } else if (conn->stage != HGL_WEB_OPENING && conn->stage != HGL_WEB_ASKED) {
    hgl_web_conn_drop(conn);
  }
}

static bool is_on_loopback(int fd)
{
  struct sockaddr_storage own = {0};
  socklen_t size = sizeof own;
  return getsockname(fd, (struct sockaddr *)&own, &size) == 0 &&
         hgl_address_is_loopback((struct sockaddr *)&own);
}

void hgl_web_conn_open(struct hgl_session *session, int fd, uint64_t origin)
{
  struct hgl_net *net = session->net;
  struct hgl_web_conn *conn = hgl_zalloc(sizeof *conn);
  if (conn) {
    conn->inner = -1;
    if (hgl_stream_init(&conn->stream, fd, net->tls, &session->why) ||
        uv_poll_init(net->uv, &conn->poll, fd) < 0) {
      hgl_stream_deinit(&conn->stream);
      hgl_free(conn);
      conn = NULL;
    }
  } else {
    close(fd);
  }
  if (!conn) {
    if (session->why.code == HGL_OK) hgl_fail(&session->why, HGL_NO_MEMORY, "out of memory");
    hgl_session_ended(session);
    return;
  }
  conn->net = net;
  conn->poll.data = conn;
  conn->open_handles = 1;
  net->open_handles++;
  conn->session = session;
  conn->origin = origin;
  conn->on_loopback = is_on_loopback(fd);
  conn->due_ns = INT64_MAX;
  memcpy(conn->address, session->address, strnlen(session->address, sizeof conn->address - 1));
  hgl_buf_init(&conn->in, IN_SIZE_MAX + READ_SIZE);
  hgl_buf_init(&conn->out, OUT_SIZE_MAX);
  conn->next = net->web_conns;
  conn->link = &net->web_conns;
  if (conn->next) conn->next->link = &conn->next;
  net->web_conns = conn;
  session->opening = conn;
  hgl_web_conn_watch(conn, UV_READABLE);
}
