#include "net/control.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/seam.h"

enum { READ_SIZE = 64 * 1024 };

struct hgl_control_caller {
  int fd;
  struct hgl_buf input;
  size_t taken; /* bytes at the front of input that were handed out */
};

int hgl_control_connect(const char *path, struct hgl_control_caller **out, struct hgl_err *err)
{
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof address.sun_path)
    return hgl_fail(err, HGL_INVALID, "the path of the control socket is too long: %s", path);
  memcpy(address.sun_path, path, strlen(path) + 1);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return hgl_fail(err, HGL_IO, "socket: %s", strerror(errno));
  if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
    int reason = errno;
    close(fd);
    if (reason == ENOENT || reason == ECONNREFUSED)
      return hgl_fail(err, HGL_NOT_FOUND, "no host answers at %s", path);
    return hgl_fail(err, HGL_IO, "%s: %s", path, strerror(reason));
  }
  struct hgl_control_caller *caller = hgl_alloc(sizeof *caller);
  if (!caller) {
    close(fd);
    return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  }
  *caller = (struct hgl_control_caller){.fd = fd};
  hgl_buf_init(&caller->input, HGL_CONTROL_QUEUE_SIZE_MAX + READ_SIZE);
  *out = caller;
  return 0;
}

void hgl_control_hang_up(struct hgl_control_caller *caller)
{
  if (!caller) return;
  close(caller->fd);
  hgl_buf_deinit(&caller->input);
  hgl_free(caller);
}

static int send_all(int fd, const void *data, size_t size, struct hgl_err *err)
{
  const uint8_t *at = data;
  while (size > 0) {
    ssize_t sent = send(fd, at, size, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && (errno == EPIPE || errno == ECONNRESET))
      return hgl_fail(err, HGL_CLOSED, "the host closed the control socket");
    if (sent < 0) return hgl_fail(err, HGL_IO, "control socket: %s", strerror(errno));
    at += sent;
    size -= (size_t)sent;
  }
  return 0;
}

int hgl_control_call(struct hgl_control_caller *caller, struct hgl_bytes line, struct hgl_err *err)
{
  int status = send_all(caller->fd, line.data, line.size, err);
  return status ? status : send_all(caller->fd, "\n", 1, err);
}

/* Waits until there is something to read. */
static int wait_for_input(int fd, int64_t until_ns, struct hgl_err *err)
{
  for (;;) {
    int wait_ms = -1;
    if (until_ns != INT64_MAX) {
      int64_t left = until_ns - hgl_mono_ns(&hgl_clock_system);
      if (left < 0) left = 0;
      wait_ms = (int)((left + 999999) / 1000000);
    }
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    int ready = poll(&poll_fd, 1, wait_ms);
    if (ready > 0) return 0;
    if (ready == 0) return hgl_fail(err, HGL_TIMEOUT, "the host did not answer in time");
    if (errno != EINTR) return hgl_fail(err, HGL_IO, "poll: %s", strerror(errno));
  }
}

static int read_more(struct hgl_control_caller *caller, struct hgl_err *err)
{
  uint8_t *end = hgl_buf_reserve(&caller->input, READ_SIZE);
  if (!end) return hgl_buf_check(&caller->input, err);
  ssize_t got = recv(caller->fd, end, READ_SIZE, 0);
  if (got < 0 && errno == EINTR) return 0;
  if (got < 0 && errno != ECONNRESET)
    return hgl_fail(err, HGL_IO, "control socket: %s", strerror(errno));
  if (got <= 0) return hgl_fail(err, HGL_CLOSED, "the host closed the control socket");
  hgl_buf_extend(&caller->input, (size_t)got);
  return 0;
}

int hgl_control_next(struct hgl_control_caller *caller, int timeout_ms, struct hgl_bytes *out,
                     struct hgl_err *err)
{
  int64_t until_ns = timeout_ms < 0
                         ? INT64_MAX
                         : hgl_mono_ns(&hgl_clock_system) + (int64_t)timeout_ms * 1000000;
  struct hgl_buf *input = &caller->input;
  size_t searched = 0;
  hgl_buf_remove_front(input, caller->taken);
  caller->taken = 0;
  for (;;) {
    uint8_t *end = input->size > searched
                       ? memchr(input->data + searched, '\n', input->size - searched)
                       : NULL;
    if (end) {
      size_t size = (size_t)(end - input->data);
      caller->taken = size + 1;
      *out = hgl_bytes(input->data, size);
      return 0;
    }
    searched = input->size;
    int status = wait_for_input(caller->fd, until_ns, err);
    if (status == 0) status = read_more(caller, err);
    if (status != 0) return status;
  }
}
