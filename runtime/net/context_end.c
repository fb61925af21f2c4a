#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/buf.h"
#include "net/link.h"
#include "net/web_socket_core.h"

enum { ROUNDS_MAX = 1000 };

static void collect_descriptor(uv_handle_t *handle, void *user)
{
  uv_os_fd_t fd;
  if (handle->type == UV_POLL && uv_fileno(handle, &fd) == 0) hgl_buf_append(user, &fd, sizeof fd);
}

/* libwebsockets closes the descriptor of its wake-up event twice: within lws_context_destroy(), and
 * again once libuv is done with the handle that watched it. By then its number may be that of
 * something opened in between, so it is taken at once, for libwebsockets to close. */
static void occupy_closed(struct hgl_bytes descriptors)
{
  uv_os_fd_t fd;
  for (size_t at = 0; at < descriptors.size; at += sizeof fd) {
    memcpy(&fd, descriptors.data + at, sizeof fd);
    if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF) continue;
    int other = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (other < 0 || other == fd) continue;
    int taken = fcntl(other, F_DUPFD_CLOEXEC, fd); /* never what another thread has opened by now */
    if (taken >= 0 && taken != fd) close(taken);
    close(other);
  }
}

/* On a foreign loop destruction begins with the first call, goes on in the loop, where the handles
 * are closed, and ends with a second call. It leaks what belongs to a vhost with connections, so
 * these go first. */
void hgl_net_end_context(struct hgl_net *net)
{
  struct hgl_buf descriptors;
  if (!net->context) return;
  for (struct hgl_session *session = net->sessions, *next; session; session = next) {
    next = session->next;
    hgl_session_end_now(session);
  }
  for (struct hgl_web_socket *socket = net->web_sockets, *next; socket; socket = next) {
    next = socket->next;
    hgl_web_socket_end_now(socket);
  }
  for (int i = 0; i < ROUNDS_MAX && (net->sessions || net->web_sockets); i++)
    uv_run(net->uv, UV_RUN_NOWAIT);
  hgl_buf_init(&descriptors, SIZE_MAX);
  uv_walk(net->uv, collect_descriptor, &descriptors);
  lws_context_destroy(net->context);
  occupy_closed(hgl_buf_bytes(&descriptors));
  hgl_buf_deinit(&descriptors);
  for (int i = 0; i < ROUNDS_MAX && net->context; i++) uv_run(net->uv, UV_RUN_NOWAIT);
  if (net->context) lws_context_destroy(net->context);
}
