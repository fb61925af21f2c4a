#include "infer/ring.h"

#include <stdatomic.h>
#include <string.h>

static size_t least(size_t a, size_t b)
{
  return a < b ? a : b;
}

ssize_t hgl_ring_write(struct hgl_ring *ring, const void *data, size_t size)
{
  struct hgl_ring_shared *shared = ring->shared;
  uint64_t held = ring->position - atomic_load(&shared->read);
  if (held > HGL_RING_SIZE) return -1;
  size = least(size, HGL_RING_SIZE - (size_t)held);
  if (size == 0) return 0;
  size_t at = ring->position % HGL_RING_SIZE, first = least(size, HGL_RING_SIZE - at);
  memcpy(shared->bytes + at, data, first);
  memcpy(shared->bytes, (const uint8_t *)data + first, size - first);
  ring->position += size;
  atomic_store(&shared->written, ring->position);
  return (ssize_t)size;
}

ssize_t hgl_ring_read(struct hgl_ring *ring, void *out, size_t size)
{
  struct hgl_ring_shared *shared = ring->shared;
  uint64_t held = atomic_load(&shared->written) - ring->position;
  if (held > HGL_RING_SIZE) return -1;
  size = least(size, (size_t)held);
  if (size == 0) return 0;
  size_t at = ring->position % HGL_RING_SIZE, first = least(size, HGL_RING_SIZE - at);
  memcpy(out, shared->bytes + at, first);
  memcpy((uint8_t *)out + first, shared->bytes, size - first);
  ring->position += size;
  atomic_store(&shared->read, ring->position);
  return (ssize_t)size;
}

/* The request to be woken is there before the last look, and each look of the other side comes
 * after what it made: one of both sees the other. */
bool hgl_ring_wait_to_read(struct hgl_ring *ring)
{
  atomic_store(&ring->shared->reader_waits, 1);
  return atomic_load(&ring->shared->written) != ring->position;
}

bool hgl_ring_wait_to_write(struct hgl_ring *ring)
{
  atomic_store(&ring->shared->writer_waits, 1);
  return ring->position - atomic_load(&ring->shared->read) != HGL_RING_SIZE;
}

bool hgl_ring_reader_sleeps(struct hgl_ring *ring)
{
  return atomic_load(&ring->shared->reader_waits) &&
         atomic_exchange(&ring->shared->reader_waits, 0);
}

bool hgl_ring_writer_sleeps(struct hgl_ring *ring)
{
  return atomic_load(&ring->shared->writer_waits) &&
         atomic_exchange(&ring->shared->writer_waits, 0);
}
