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
  struct hgl_control_client *clients;
  int client_count;
  int open_handles;
  char path[sizeof((struct sockaddr_un *)0)->sun_path];
  char scratch[READ_SIZE];
};

struct hgl_control_client {
  uv_pipe_t pipe;
  struct hgl_control *control;
  struct hgl_control_client *next, **link;
  struct hgl_buf input;
  size_t queued;  /* bytes given to libuv and not written yet */
  bool known;     /* the user has seen a line of it */
  bool finishing; /* close once everything is written */
  bool closing;
};

struct write {
  uv_write_t request;
  size_t size;
  char text[];
};

static void client_closed(uv_handle_t *handle)
{
  struct hgl_control_client *client = handle->data;
  client->control->open_handles--;
  hgl_buf_deinit(&client->input);
  hgl_free(client);
}

static void drop(struct hgl_control_client *client)
{
  if (client->closing) return;
  struct hgl_control *control = client->control;
  client->closing = true;
  *client->link = client->next;
  if (client->next) client->next->link = client->link;
  control->client_count--;
  uv_close((uv_handle_t *)&client->pipe, client_closed);
  if (client->known) control->events.closed(control->user, client);
}

static void hand_out_lines(struct hgl_control_client *client)
{
  struct hgl_control *control = client->control;
  struct hgl_buf *input = &client->input;
  size_t start = 0;
  while (!client->closing && !client->finishing) {
    uint8_t *line = input->data + start;
    uint8_t *end = input->size > start ? memchr(line, '\n', input->size - start) : NULL;
    if (!end) break;
    start += (size_t)(end - line) + 1;
    if (end - line > HGL_CONTROL_LINE_SIZE_MAX) {
      drop(client);
      break;
    }
    client->known = true;
    control->events.line(control->user, client, hgl_bytes(line, (size_t)(end - line)));
  }
  hgl_buf_remove_front(input, start);
}

static void give_room(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
  struct hgl_control_client *client = handle->data;
  *out = uv_buf_init(client->control->scratch, READ_SIZE);
}

static void data_came(uv_stream_t *stream, ssize_t size, const uv_buf_t *buf)
{
  struct hgl_control_client *client = stream->data;
  if (size < 0) {
    drop(client);
    return;
  }
  hgl_buf_append(&client->input, buf->base, (size_t)size);
  if (!client->input.failed) hand_out_lines(client);
  if (client->input.failed || client->input.size > HGL_CONTROL_LINE_SIZE_MAX) drop(client);
}

static void client_came(uv_stream_t *listener, int status)
{
  struct hgl_control *control = listener->data;
  if (status < 0) return;
  struct hgl_control_client *client = hgl_zalloc(sizeof *client);
  if (!client) return;
  client->control = control;
  client->pipe.data = client;
  hgl_buf_init(&client->input, HGL_CONTROL_LINE_SIZE_MAX + READ_SIZE);
  uv_pipe_init(hgl_loop_uv(control->loop), &client->pipe, 0);
  control->open_handles++;
  client->next = control->clients;
  client->link = &control->clients;
  if (client->next) client->next->link = &client->next;
  control->clients = client;
  control->client_count++;
  if (uv_accept(listener, (uv_stream_t *)&client->pipe) < 0 ||
      control->client_count > HGL_CONTROL_CLIENTS_MAX ||
      uv_read_start((uv_stream_t *)&client->pipe, give_room, data_came) < 0)
    drop(client);
}

long hgl_control_client_uid(const struct hgl_control_client *client)
{
  struct ucred peer;
  socklen_t size = sizeof peer;
  uv_os_fd_t fd;
  if (uv_fileno((const uv_handle_t *)&client->pipe, &fd) < 0 ||
      getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
    return -1;
  return (long)peer.uid;
}

static void written(uv_write_t *request, int status)
{
  struct write *write = (struct write *)request;
  struct hgl_control_client *client = request->data;
  client->queued -= write->size;
  hgl_free(write);
  if (status < 0 || (client->finishing && client->queued == 0)) drop(client);
}

int hgl_control_send(struct hgl_control_client *client, struct hgl_bytes line, struct hgl_err *err)
{
  if (client->closing || client->finishing)
    return hgl_fail(err, HGL_CLOSED, "the control client is gone");
  size_t size = line.size + 1;
  if (client->queued + size > HGL_CONTROL_QUEUE_SIZE_MAX) {
    drop(client);
    return hgl_fail(err, HGL_LIMIT, "the control client does not read");
  }
  struct write *write = hgl_alloc(sizeof *write + size);
  if (!write) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  if (line.size) memcpy(write->text, line.data, line.size);
  write->text[line.size] = '\n';
  write->size = size;
  write->request.data = client;
  uv_buf_t buf = uv_buf_init(write->text, (unsigned)size);
  int status = uv_write(&write->request, (uv_stream_t *)&client->pipe, &buf, 1, written);
  if (status < 0) {
    hgl_free(write);
    return hgl_uv_fail(err, status, "answering a control client");
  }
  client->queued += size;
  return 0;
}

void hgl_control_finish(struct hgl_control_client *client)
{
  client->finishing = true;
  if (client->queued == 0) drop(client);
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
  if (status == 0) status = uv_listen((uv_stream_t *)&control->listener, BACKLOG, client_came);
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
  while (control->clients) drop(control->clients);
  uv_close((uv_handle_t *)&control->listener, listener_closed);
  while (control->open_handles > 0) uv_run(hgl_loop_uv(control->loop), UV_RUN_NOWAIT);
  if (control->path[0]) unlink(control->path);
  hgl_free(control);
}
