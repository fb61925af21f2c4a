/* The two sources of nondeterminism that every module is handed from outside: time and randomness.
 * The production ones are hgl_clock_system and hgl_random_system; a simulation supplies its own.
 * The struct is borrowed and must outlive its users. */
#ifndef HGL_BASE_SEAM_H
#define HGL_BASE_SEAM_H

#include <stddef.h>
#include <stdint.h>

struct hgl_clock {
  int64_t (*wall_ms)(void *user); /* Unix time; may jump either way */
  int64_t (*mono_ns)(void *user); /* never runs back; only differences mean anything */
  void *user;
};

struct hgl_random {
  void (*fill)(void *user, void *out, size_t size); /* never fails */
  void *user;
};

extern const struct hgl_clock hgl_clock_system;
extern const struct hgl_random hgl_random_system; /* getrandom(2); aborts if the kernel has none */

static inline int64_t hgl_wall_ms(const struct hgl_clock *clock)
{
  return clock->wall_ms(clock->user);
}

static inline int64_t hgl_mono_ns(const struct hgl_clock *clock)
{
  return clock->mono_ns(clock->user);
}

static inline void hgl_random_fill(const struct hgl_random *random, void *out, size_t size)
{
  random->fill(random->user, out, size);
}

static inline uint64_t hgl_random_u64(const struct hgl_random *random)
{
  uint64_t value;
  random->fill(random->user, &value, sizeof value);
  return value;
}

/* The same bytes, taken from the source many at a time, because each taking is a system call. Bytes
 * are wiped as they are handed out. Not for several threads, nor for a process that forks and goes
 * on. */
struct hgl_random_buffered {
  const struct hgl_random *source;
  uint8_t bytes[4096];
  size_t left;
};
struct hgl_random hgl_random_from_source(struct hgl_random_buffered *state,
                                         const struct hgl_random *source);

/* A generator for tests and simulations: the same seed gives the same bytes (SplitMix64).
 * Not for keys. */
struct hgl_random_seeded {
  uint64_t state;
};
struct hgl_random hgl_random_from_seed(struct hgl_random_seeded *state, uint64_t seed);

/* A clock that stands still until it is told to move. */
struct hgl_clock_virtual {
  int64_t wall_ms;
  int64_t mono_ns;
};
struct hgl_clock hgl_clock_from_virtual(struct hgl_clock_virtual *state);
void hgl_clock_advance(struct hgl_clock_virtual *state, int64_t ms);

#endif
