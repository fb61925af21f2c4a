/* The line between a host and the process of an engine: a ring each way in one piece of shared
 * memory, a pair of sockets that wakes and tells of the other's end, and messages over them.
 *
 * A message is a head and `size` bytes. Both sides are the same program, so numbers are as in
 * memory. */
#ifndef HGL_INFER_PROCESS_CHANNEL_H
#define HGL_INFER_PROCESS_CHANNEL_H

#include "base/buf.h"
#include "infer/ring.h"

enum hgl_process_kind {
  /* to the engine's process */
  HGL_PROCESS_OPEN = 1, /* engine, model, file, options */
  HGL_PROCESS_REQUEST,  /* run, id: one of those before a RUN, or the answer to a TAKE */
  HGL_PROCESS_RUN,      /* run; id: 1, pieces of text are wanted */
  HGL_PROCESS_NONE,     /* run: answers a TAKE, nothing waits; id: 1, ask again all the same */
  HGL_PROCESS_WAITS,    /* run: a request waits */
  HGL_PROCESS_OVER,     /* run, id: cancelled, or its deadline has passed */
  HGL_PROCESS_STATS,
  HGL_PROCESS_DEVICE, /* id: its number */
  HGL_PROCESS_CLOSE,
  /* to the host */
  HGL_PROCESS_OPENED, /* an error, or the model's description */
  HGL_PROCESS_FINISH, /* run, id, result */
  HGL_PROCESS_TOKEN,  /* run, id, text */
  HGL_PROCESS_TAKE,   /* run */
  HGL_PROCESS_DONE,   /* run */
  HGL_PROCESS_STATS_ARE,
  HGL_PROCESS_DEVICE_IS,
  HGL_PROCESS_LOG, /* id: level; text */
};

struct hgl_process_head {
  uint32_t kind, run;
  uint64_t id, size;
};

enum {
  HGL_PROCESS_MESSAGE_SIZE_MAX = 1 << 30, /* to the engine's process */
  HGL_PROCESS_ANSWER_SIZE_MAX = 64 << 20, /* to the host: no value holds so much */
  HGL_PROCESS_SOCKET = 3,                 /* descriptors of the engine's process */
  HGL_PROCESS_MEMORY = 4,
};

struct hgl_channel {
  int fd; /* non-blocking; -1: closed */
  void *memory;
  struct hgl_ring out, in;
  /* The message that is being read. */
  struct hgl_process_head head;
  size_t head_size;
  bool whole;
  struct hgl_buf body; /* may be taken: hgl_buf_take */
};

/* `out_fd` and `out_memory`: the other side's descriptors, for the caller to close. */
int hgl_channel_create(struct hgl_channel *channel, int *out_fd, int *out_memory,
                       struct hgl_err *err) HGL_NODISCARD;
/* The other side. Takes both. */
int hgl_channel_adopt(struct hgl_channel *channel, int fd, int memory,
                      struct hgl_err *err) HGL_NODISCARD;
void hgl_channel_deinit(struct hgl_channel *channel);

/* The next message, whole, in head and body, which stay until the next call: 1. 0: not yet there.
 * HGL_MALFORMED, HGL_TOO_LARGE, HGL_NO_MEMORY. */
int hgl_channel_next(struct hgl_channel *channel, struct hgl_err *err) HGL_NODISCARD;
/* As many bytes of these as there is room for, or -HGL_MALFORMED. */
ssize_t hgl_channel_put(struct hgl_channel *channel, const void *data, size_t size,
                        struct hgl_err *err) HGL_NODISCARD;
/* Takes what woke us. False: the other side has closed its socket. */
bool hgl_channel_woken(struct hgl_channel *channel);

#endif
