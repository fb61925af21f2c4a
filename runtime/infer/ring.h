/* Bytes from one process to another through shared memory: a ring with one writer and one reader.
 * The other side is not trusted: each keeps its own position to itself, and the other's has to make
 * sense. Who waits for bytes or for room says so in the shared part, and is woken by whoever makes
 * them (process_channel.h). */
#ifndef HGL_INFER_RING_H
#define HGL_INFER_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { HGL_RING_SIZE = 1 << 22 };

struct hgl_ring_shared {
  _Alignas(64) _Atomic uint64_t written; /* in all */
  _Alignas(64) _Atomic uint64_t read;
  _Alignas(64) _Atomic uint32_t reader_waits;
  _Atomic uint32_t writer_waits;
  _Alignas(64) uint8_t bytes[HGL_RING_SIZE];
};

struct hgl_ring {
  struct hgl_ring_shared *shared;
  uint64_t position; /* ours: written or read in all */
};

/* How many bytes were written, or read; 0: no room, or none there. -1: the other side's position
 * cannot be. */
ssize_t hgl_ring_write(struct hgl_ring *ring, const void *data, size_t size);
ssize_t hgl_ring_read(struct hgl_ring *ring, void *out, size_t size);

/* Before sleeping: asks to be woken. True: there is something to do after all. */
bool hgl_ring_wait_to_read(struct hgl_ring *ring);
bool hgl_ring_wait_to_write(struct hgl_ring *ring);
/* Whether the other side is to be woken, once, after what was written or read. */
bool hgl_ring_reader_sleeps(struct hgl_ring *ring);
bool hgl_ring_writer_sleeps(struct hgl_ring *ring);

#endif
