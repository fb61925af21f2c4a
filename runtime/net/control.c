#include "net/control.h"

#include <assert.h>
#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "net/uv.h"

enum { READ_SIZE = 64 * 1024, BACKLOG = 16 };

struct hgl_control {
  struct hgl_loop *loop;
  uv_pipe_t listener;
  struct hgl_control_events events;
  void *user;
  struct hgl_control_conn *conns;
  int conn_count;
  int open_handles;
  char path[sizeof((struct sockaddr_un *)0)->sun_path];
  char scratch[READ_SIZE];
};

struct hgl_control_conn {
  uv_pipe_t pipe;
  struct hgl_control *control;
  struct hgl_control_conn *next, **link;
  struct hgl_buf input;
  size_t queued; /* bytes given to libuv and not written yet */
  void *user;
  bool known;     /* the user has seen a line of it */
  bool finishing; /* close once everything is written */
  bool closing;
};

struct write {
  uv_write_t request;
  size_t size;
  char text[];
};

static void conn_closed(uv_handle_t *handle)
{
  struct hgl_control_conn *conn = handle->data;
  conn->control->open_handles--;
  hgl_buf_deinit(&conn->input);
  hgl_free(conn);
}

static void drop(struct hgl_control_conn *conn)
{
  if (conn->closing) return;
  struct hgl_control *control = conn->control;
  conn->closing = true;
  *conn->link = conn->next;
  if (conn->next) conn->next->link = conn->link;
  control->conn_count--;
  uv_close((uv_handle_t *)&conn->pipe, conn_closed);
  if (conn->known) control->events.closed(control->user, conn);
}

static void hand_out_lines(struct hgl_control_conn *conn)
{
  struct hgl_control *control = conn->control;
  struct hgl_buf *input = &conn->input;
  size_t start = 0;
  while (!conn->closing && !conn->finishing) {
    uint8_t *line = input->data + start;
    uint8_t *end = input->size > start ? memchr(line, '\n', input->size - start) : NULL;
    if (!end) break;
    start += (size_t)(end - line) + 1;
    if (end - line > HGL_CONTROL_LINE_SIZE_MAX) {
      drop(conn);
      break;
    }
    conn->known = true;
    control->events.line(control->user, conn, hgl_bytes(line, (size_t)(end - line)));
  }
  hgl_buf_remove_front(input, start);
}

static void give_room(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
  struct hgl_control_conn *conn = handle->data;
  *out = uv_buf_init(conn->control->scratch, READ_SIZE);
}

static void data_came(uv_stream_t *stream, ssize_t size, const uv_buf_t *buf)
{
  struct hgl_control_conn *conn = stream->data;
  if (size < 0) {
    drop(conn);
    return;
  }
  hgl_buf_append(&conn->input, buf->base, (size_t)size);
  if (!conn->input.failed) hand_out_lines(conn);
  if (conn->input.failed || conn->input.size > HGL_CONTROL_LINE_SIZE_MAX) drop(conn);
}

static void conn_came(uv_stream_t *listener, int status)
{
  struct hgl_control *control = listener->data;
  if (status < 0) return;
  struct hgl_control_conn *conn = hgl_zalloc(sizeof *conn);
  if (!conn) return;
  conn->control = control;
  conn->pipe.data = conn;
  hgl_buf_init(&conn->input, HGL_CONTROL_LINE_SIZE_MAX + READ_SIZE);
  uv_pipe_init(hgl_loop_uv(control->loop), &conn->pipe, 0);
  control->open_handles++;
  conn->next = control->conns;
  conn->link = &control->conns;
  if (conn->next) conn->next->link = &conn->next;
  control->conns = conn;
  control->conn_count++;
  if (uv_accept(listener, (uv_stream_t *)&conn->pipe) < 0 ||
      control->conn_count > HGL_CONTROL_CLIENTS_MAX ||
      uv_read_start((uv_stream_t *)&conn->pipe, give_room, data_came) < 0)
    drop(conn);
}

long hgl_control_conn_uid(const struct hgl_control_conn *conn)
{
  struct ucred peer;
  socklen_t size = sizeof peer;
  uv_os_fd_t fd;
  if (uv_fileno((const uv_handle_t *)&conn->pipe, &fd) < 0 ||
      getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
    return -1;
  return (long)peer.uid;
}

void hgl_control_set_user(struct hgl_control_conn *conn, void *user)
{
  conn->user = user;
}

void *hgl_control_user(const struct hgl_control_conn *conn)
{
  return conn->user;
}

size_t hgl_control_queued(const struct hgl_control_conn *conn)
{
  return conn->queued;
}

static void written(uv_write_t *request, int status)
{
  struct write *write = (struct write *)request;
  struct hgl_control_conn *conn = request->data;
  conn->queued -= write->size;
  hgl_free(write);
  if (status < 0 || (conn->finishing && conn->queued == 0)) drop(conn);
}

int hgl_control_send(struct hgl_control_conn *conn, struct hgl_bytes line, struct hgl_err *err)
{
  if (conn->closing || conn->finishing)
    return hgl_fail(err, HGL_CLOSED, "the control client is gone");
  size_t size = line.size + 1;
  if (conn->queued + size > HGL_CONTROL_QUEUE_SIZE_MAX) {
    drop(conn);
    return hgl_fail(err, HGL_LIMIT, "the control client does not read");
  }
  struct write *write = hgl_alloc(sizeof *write + size);
  if (!write) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  if (line.size) memcpy(write->text, line.data, line.size);
  write->text[line.size] = '\n';
  write->size = size;
  write->request.data = conn;
  uv_buf_t buf = uv_buf_init(write->text, (unsigned)size);
  int status = uv_write(&write->request, (uv_stream_t *)&conn->pipe, &buf, 1, written);
  if (status < 0) {
    hgl_free(write);
    return hgl_uv_fail(err, status, "answering a control client");
  }
  conn->queued += size;
  return 0;
}

void hgl_control_finish(struct hgl_control_conn *conn)
{
  conn->finishing = true;
  if (conn->queued == 0) drop(conn);
}

/* Whether somebody listens on this socket; a file left behind by a killed host does not count. */
static bool answers(const char *path)
{
  struct hgl_control_caller *caller;
  if (hgl_control_connect(path, &caller, NULL) != 0) return false;
  hgl_control_hang_up(caller);
  return true;
}

static int listen_at(struct hgl_control *control, const char *path, struct hgl_err *err)
{
  if (answers(path)) return hgl_fail(err, HGL_IN_USE, "another host answers at %s", path);
  unlink(path);
  /* The folder may be open to others: the socket is never, not even for a moment. */
  mode_t before = umask(0177);
  int status = uv_pipe_bind(&control->listener, path);
  umask(before);
  if (status == 0) status = uv_listen((uv_stream_t *)&control->listener, BACKLOG, conn_came);
  if (status < 0) return hgl_fail(err, HGL_IO, "control socket %s: %s", path, uv_strerror(status));
  return 0;
}

static void listener_closed(uv_handle_t *handle)
{
  ((struct hgl_control *)handle->data)->open_handles--;
}

int hgl_control_create(struct hgl_loop *loop, const char *path,
                       const struct hgl_control_events *events, void *user,
                       struct hgl_control **out, struct hgl_err *err)
{
  struct hgl_control *control = hgl_zalloc(sizeof *control);
  if (!control) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  if (strlen(path) >= sizeof control->path) {
    hgl_free(control);
    return hgl_fail(err, HGL_INVALID, "the path of the control socket is too long: %s", path);
  }
  control->loop = loop;
  control->events = *events;
  control->user = user;
  uv_pipe_init(hgl_loop_uv(loop), &control->listener, 0);
  control->listener.data = control;
  control->open_handles = 1;
  int status = listen_at(control, path, err);
  if (status != 0) {
    hgl_control_destroy(control);
    return status;
  }
  memcpy(control->path, path, strlen(path) + 1);
  *out = control;
  return 0;
}

void hgl_control_destroy(struct hgl_control *control)
{
  if (!control) return;
  while (control->conns) drop(control->conns);
  uv_close((uv_handle_t *)&control->listener, listener_closed);
  while (control->open_handles > 0) uv_run(hgl_loop_uv(control->loop), UV_RUN_NOWAIT);
  if (control->path[0]) unlink(control->path);
  hgl_free(control);
}
