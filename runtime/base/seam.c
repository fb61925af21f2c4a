#include "base/seam.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

static int64_t system_wall_ms(void *user)
{
  struct timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int64_t system_mono_ns(void *user)
{
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void system_fill(void *user, void *out, size_t size)
{
  uint8_t *at = out;
  while (size) {
    ssize_t got = getrandom(at, size, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) abort();
    at += got;
    size -= (size_t)got;
  }
}

const struct hgl_clock hgl_clock_system = {system_wall_ms, system_mono_ns, NULL};
const struct hgl_random hgl_random_system = {system_fill, NULL};

static void buffered_fill(void *user, void *out, size_t size)
{
  struct hgl_random_buffered *buffered = user;
  if (size > sizeof buffered->bytes / 8) {
    hgl_random_fill(buffered->source, out, size);
    return;
  }
  if (size > buffered->left) {
    hgl_random_fill(buffered->source, buffered->bytes, sizeof buffered->bytes);
    buffered->left = sizeof buffered->bytes;
  }
  buffered->left -= size;
  memcpy(out, buffered->bytes + buffered->left, size);
  explicit_bzero(buffered->bytes + buffered->left, size);
}

struct hgl_random hgl_random_from_source(struct hgl_random_buffered *state,
                                         const struct hgl_random *source)
{
  state->source = source;
  state->left = 0;
  return (struct hgl_random){buffered_fill, state};
}

static void seeded_fill(void *user, void *out, size_t size)
{
  struct hgl_random_seeded *seeded = user;
  uint8_t *at = out;
  while (size) {
    uint64_t z = seeded->state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    size_t step = size < sizeof z ? size : sizeof z;
    memcpy(at, &z, step);
    at += step;
    size -= step;
  }
}

struct hgl_random hgl_random_from_seed(struct hgl_random_seeded *state, uint64_t seed)
{
  state->state = seed;
  return (struct hgl_random){seeded_fill, state};
}

static int64_t virtual_wall_ms(void *user)
{
  return ((struct hgl_clock_virtual *)user)->wall_ms;
}

static int64_t virtual_mono_ns(void *user)
{
  return ((struct hgl_clock_virtual *)user)->mono_ns;
}

struct hgl_clock hgl_clock_from_virtual(struct hgl_clock_virtual *state)
{
  return (struct hgl_clock){virtual_wall_ms, virtual_mono_ns, state};
}

void hgl_clock_advance(struct hgl_clock_virtual *state, int64_t ms)
{
  state->wall_ms += ms;
  state->mono_ns += ms * 1000000;
}
