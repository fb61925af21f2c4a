#include "infer/process_channel.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

enum { MEMORY_SIZE = 2 * sizeof(struct hgl_ring_shared), PIECE_SIZE = 1 << 18 };

static int map(struct hgl_channel *channel, int memory, bool parent, struct hgl_err *err)
{
  channel->memory = mmap(NULL, MEMORY_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
  if (channel->memory == MAP_FAILED) {
    channel->memory = NULL;
    return hgl_fail(err, HGL_NO_MEMORY, "memory cannot be shared: %s", strerror(errno));
  }
  struct hgl_ring_shared *rings = channel->memory;
  channel->out.shared = &rings[parent ? 0 : 1];
  channel->in.shared = &rings[parent ? 1 : 0];
  return 0;
}

/* Its size cannot change: who holds it could else end the other side by cutting it off. */
static int make_memory(struct hgl_err *err)
{
  int fd = memfd_create("haggle-engine", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd >= 0 && ftruncate(fd, MEMORY_SIZE) == 0 &&
      fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
    return fd;
  int status = hgl_fail(err, HGL_NO_MEMORY, "memory cannot be shared: %s", strerror(errno));
  if (fd >= 0) close(fd);
  return status;
}

int hgl_channel_create(struct hgl_channel *channel, int *out_fd, int *out_memory,
                       struct hgl_err *err)
{
  int ends[2];
  *channel = (struct hgl_channel){.fd = -1};
  hgl_buf_init(&channel->body, HGL_PROCESS_ANSWER_SIZE_MAX);
  int memory = make_memory(err);
  if (memory < 0) return memory;
  int status = map(channel, memory, true, err);
  if (status == 0 && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
    status = hgl_fail(err, HGL_IO, "no pair of sockets: %s", strerror(errno));
  if (status != 0) {
    close(memory);
    hgl_channel_deinit(channel);
    return status;
  }
  channel->fd = ends[0];
  *out_fd = ends[1];
  *out_memory = memory;
  return 0;
}

int hgl_channel_adopt(struct hgl_channel *channel, int fd, int memory, struct hgl_err *err)
{
  struct stat file;
  *channel = (struct hgl_channel){.fd = fd};
  hgl_buf_init(&channel->body, HGL_PROCESS_MESSAGE_SIZE_MAX);
  int status = fstat(memory, &file) == 0 && file.st_size == MEMORY_SIZE && fstat(fd, &file) == 0 &&
                       S_ISSOCK(file.st_mode)
                   ? map(channel, memory, false, err)
                   : hgl_fail(err, HGL_INVALID, "this is not an engine's process of a host");
  if (status == 0) {
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    close(memory);
  }
  return status;
}

void hgl_channel_deinit(struct hgl_channel *channel)
{
  if (channel->fd >= 0) close(channel->fd);
  if (channel->memory) munmap(channel->memory, MEMORY_SIZE);
  hgl_buf_deinit(&channel->body);
  *channel = (struct hgl_channel){.fd = -1};
}

static void wake(const struct hgl_channel *channel)
{
  ssize_t sent = send(channel->fd, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
  (void)sent; /* full: it will wake all the same; closed: poll says so */
}

bool hgl_channel_woken(struct hgl_channel *channel)
{
  uint8_t bytes[256];
  for (;;) {
    ssize_t got = recv(channel->fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (got == 0) return false;
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno == EAGAIN;
  }
}

static int broken(struct hgl_err *err)
{
  return hgl_fail(err, HGL_MALFORMED, "what is shared was overwritten");
}

static ssize_t get(struct hgl_channel *channel, void *out, size_t size, struct hgl_err *err)
{
  ssize_t got = hgl_ring_read(&channel->in, out, size);
  if (got < 0) return broken(err);
  if (got > 0 && hgl_ring_writer_sleeps(&channel->in)) wake(channel);
  return got;
}

/* Memory is taken as bytes come, not as they are announced. */
int hgl_channel_next(struct hgl_channel *channel, struct hgl_err *err)
{
  size_t head_size = sizeof channel->head;
  if (channel->whole) { /* that one is done with */
    channel->whole = false;
    channel->head_size = 0;
    hgl_buf_clear(&channel->body);
    if (channel->body.capacity > PIECE_SIZE) hgl_buf_deinit(&channel->body);
  }
  while (channel->head_size < head_size) {
    ssize_t got = get(channel, (uint8_t *)&channel->head + channel->head_size,
                      head_size - channel->head_size, err);
    if (got <= 0) return (int)got;
    channel->head_size += (size_t)got;
  }
  if (channel->head.size > channel->body.size_max)
    return hgl_fail(err, HGL_TOO_LARGE, "a message of %llu bytes",
                    (unsigned long long)channel->head.size);
  while (channel->body.size < channel->head.size) {
    size_t left = channel->head.size - channel->body.size;
    if (left > PIECE_SIZE) left = PIECE_SIZE;
    uint8_t *room = hgl_buf_reserve(&channel->body, left);
    if (!room) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
    ssize_t got = get(channel, room, left, err);
    if (got <= 0) return (int)got;
    hgl_buf_extend(&channel->body, (size_t)got);
  }
  channel->whole = true;
  return 1;
}

ssize_t hgl_channel_put(struct hgl_channel *channel, const void *data, size_t size,
                        struct hgl_err *err)
{
  ssize_t put = hgl_ring_write(&channel->out, data, size);
  if (put < 0) return broken(err);
  if (put > 0 && hgl_ring_reader_sleeps(&channel->out)) wake(channel);
  return put;
}
