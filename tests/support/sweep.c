#include "support/sweep.h"

/* cmocka.h wants these before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <execinfo.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"

enum {
  DEPTH = 9,
  PLACES_MAX = 1 << 15,
  NOTICED = 77,
  HANGS_AFTER_S = 60,
  LOOKED_AT_MAX = 5000,
  REPORT_MAX = 6000
};

/* Refusing -------------------------------------------------------------------------------------
 */

static struct {
  atomic_ullong left;
  atomic_bool forever, refused;
} refusing;

static bool refuses(void)
{
  if (atomic_load(&refusing.refused)) return atomic_load(&refusing.forever);
  if (atomic_fetch_sub(&refusing.left, 1) != 0) return false;
  atomic_store(&refusing.refused, true);
  return true;
}

static void refuse(uint64_t skip, bool forever)
{
  atomic_store(&refusing.refused, false);
  atomic_store(&refusing.forever, forever);
  atomic_store(&refusing.left, skip);
  hgl_mem_ask(refuses);
}

void sweep_stop(void)
{
  hgl_mem_ask(NULL);
}

bool sweep_refused(void)
{
  return atomic_load(&refusing.refused);
}

/* Places ---------------------------------------------------------------------------------------
 */

struct place {
  uint64_t calls; /* a hash of the innermost ones; 0: a free slot */
  uint64_t first, other, count;
};

/* Shared with the process that looks. */
struct places {
  atomic_flag lock;
  uint64_t requests, count, chance;
  bool sweeps_itself;
  struct place slots[PLACES_MAX];
};

static struct places *places;

static uint64_t next_chance(uint64_t *state) /* xorshift64 */
{
  *state ^= *state << 13;
  *state ^= *state >> 7;
  *state ^= *state << 17;
  return *state;
}

static uint64_t hash_calls(void)
{
  void *calls[DEPTH + 3];
  int count = backtrace(calls, DEPTH + 3);
  uint64_t hash = 14695981039346656037U; /* FNV-1a */
  for (int i = 3; i < count; i++) hash = (hash ^ (uintptr_t)calls[i]) * 1099511628211U;
  return hash ? hash : 1;
}

static void note_place(uint64_t calls, uint64_t request)
{
  uint64_t at = calls % PLACES_MAX;
  while (places->slots[at].calls && places->slots[at].calls != calls) at = (at + 1) % PLACES_MAX;
  struct place *place = &places->slots[at];
  if (!place->calls) {
    if (places->count >= PLACES_MAX / 2) return;
    places->count++;
    *place = (struct place){calls, request, request, 0};
  }
  /* Each request of a place has the same chance to be the other one. */
  if (next_chance(&places->chance) % ++place->count == 0) place->other = request;
}

static _Thread_local bool looking;

static bool looks(void)
{
  if (looking) return false; /* backtrace may ask for memory the first time */
  looking = true;
  /* To look takes long: a test that asks very often has the rest of it taken for one place. */
  uint64_t calls = places->requests < LOOKED_AT_MAX ? hash_calls() : 1;
  while (atomic_flag_test_and_set(&places->lock)) continue;
  note_place(calls, places->requests++);
  atomic_flag_clear(&places->lock);
  looking = false;
  return false;
}

/* A test that has requests fail on its own looks for the point where they do no more, and would not
 * find it. */
void sweep_refuse(uint64_t skip, bool forever)
{
  if (places) places->sweeps_itself = true;
  refuse(skip, forever);
}

void __real_hgl_mem_fail_after(long count);
void __wrap_hgl_mem_fail_after(long count);

void __wrap_hgl_mem_fail_after(long count)
{
  if (places && count >= 0) places->sweeps_itself = true;
  __real_hgl_mem_fail_after(count);
}

/* One run --------------------------------------------------------------------------------------
 */

static bool passed;

/* cmocka ends the process of a test that failed; what that test still held is no leak of ours. */
static void at_end(void)
{
  if (passed) return;
  fflush(NULL);
  _exit(NOTICED);
}

#pragma weak json_set_alloc_funcs
void json_set_alloc_funcs(void *(*allocate)(size_t), void (*release)(void *));

static void *group_state;

static void run_body(const struct CMUnitTest *test)
{
  void *state = test->initial_state ? test->initial_state : group_state;
  atexit(at_end);
  if (test->setup_func && test->setup_func(&state)) exit(1);
  test->test_func(&state);
  sweep_stop(); /* Lua's finalizers need some memory to give theirs back */
  if (test->teardown_func && test->teardown_func(&state)) exit(1);
  passed = true;
  exit(0);
}

/* Runs the test in a process of its own, whose words go to the file; its status as of waitpid. */
static int run_once(const struct CMUnitTest *test, uint64_t skip, int mode, int words,
                    unsigned seconds)
{
  fflush(NULL);
  pid_t pid = fork();
  if (pid < 0) {
    perror("fork");
    exit(2);
  }
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    alarm(seconds);
    dup2(words, STDOUT_FILENO);
    dup2(words, STDERR_FILENO);
    if (json_set_alloc_funcs) json_set_alloc_funcs(hgl_alloc, hgl_free);
    if (mode < 0)
      hgl_mem_ask(looks);
    else
      refuse(skip, mode);
    run_body(test);
  }
  int status;
  while (waitpid(pid, &status, 0) < 0) continue;
  return status;
}

static bool is_good(int status)
{
  return WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == NOTICED);
}

/* One test -------------------------------------------------------------------------------------
 */

struct point {
  uint64_t request;
  int mode; /* 1: all that follow are refused, too */
};

static struct point *choose_points(size_t *count, uint64_t chance, bool every)
{
  struct point *points = calloc((every ? places->requests : places->count * 4) + 1, sizeof *points);
  if (!points) exit(2);
  *count = 0;
  for (uint64_t request = 0; every && request < places->requests; request++)
    points[(*count)++] = (struct point){request, 0};
  for (size_t i = 0; !every && i < PLACES_MAX; i++) {
    const struct place *place = &places->slots[i];
    for (int mode = 0; place->calls && mode < 2; mode++) {
      points[(*count)++] = (struct point){place->first, mode};
      if (place->other != place->first) points[(*count)++] = (struct point){place->other, mode};
    }
  }
  for (size_t i = *count; i > 1; i--) {
    size_t other = next_chance(&chance) % i;
    struct point kept = points[i - 1];
    points[i - 1] = points[other];
    points[other] = kept;
  }
  return points;
}

static void show(int words)
{
  char text[REPORT_MAX + 1];
  ssize_t size = pread(words, text, REPORT_MAX, 0);
  text[size > 0 ? size : 0] = 0;
  printf("%s\n", text);
}

static int open_words(void)
{
  int fd = memfd_create("words", MFD_CLOEXEC);
  if (fd < 0) exit(2);
  return fd;
}

static int64_t now_ms(void)
{
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static uint64_t hash_name(const char *name, uint64_t seed)
{
  uint64_t hash = seed ^ 14695981039346656037U;
  for (; *name; name++) hash = (hash ^ (uint8_t)*name) * 1099511628211U;
  return hash ? hash : 1;
}

struct sweep {
  uint64_t seed;
  bool every; /* request, alone */
  size_t points_max;
  int64_t until_ms; /* monotonic; 0: no bound */
};

static bool sweep_test(const struct sweep *sweep, const struct CMUnitTest *test)
{
  static const char *const modes[] = {"alone", "and all that follow"};
  int words = open_words();
  size_t count, done = 0, noticed = 0;
  memset(places, 0, sizeof *places);
  places->chance = hash_name(test->name, sweep->seed);
  int64_t began_ms = now_ms();
  int status = run_once(test, 0, -1, words, HANGS_AFTER_S);
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM) {
    printf("%s: takes too long to be run again and again\n", test->name);
    close(words);
    return true;
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == NOTICED) {
    printf("%s: needs the tests before it\n", test->name);
    close(words);
    return true;
  }
  unsigned hangs_after_s = HANGS_AFTER_S + (unsigned)(now_ms() - began_ms) / 100;
  bool good = WIFEXITED(status) && WEXITSTATUS(status) == 0;
  if (!good) show(words);
  struct point *points = choose_points(&count, places->chance, sweep->every);
  size_t wanted = sweep->points_max && sweep->points_max < count ? sweep->points_max : count;
  if (places->sweeps_itself) {
    printf("%s: sweeps itself\n", test->name);
    wanted = 0;
  }
  for (; good && done < wanted && !(sweep->until_ms && now_ms() >= sweep->until_ms); done++) {
    if (ftruncate(words, 0)) exit(2);
    lseek(words, 0, SEEK_SET);
    status = run_once(test, points[done].request, points[done].mode, words, hangs_after_s);
    good = is_good(status);
    noticed += good && WEXITSTATUS(status) == NOTICED;
    if (good) continue;
    printf("FAILED: %s: request %llu refused, %s: %s %d\n", test->name,
           (unsigned long long)points[done].request, modes[points[done].mode],
           WIFSIGNALED(status) ? "signal" : "status",
           WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    show(words);
  }
  printf("%s: %llu requests from %llu places, refused %zu times of %zu, noticed %zu times\n",
         test->name, (unsigned long long)places->requests, (unsigned long long)places->count, done,
         count, noticed);
  fflush(stdout);
  free(points);
  close(words);
  return good;
}

int __real__cmocka_run_group_tests(const char *name, const struct CMUnitTest *tests, size_t count,
                                   CMFixtureFunction setup, CMFixtureFunction teardown);
int __wrap__cmocka_run_group_tests(const char *name, const struct CMUnitTest *tests, size_t count,
                                   CMFixtureFunction setup, CMFixtureFunction teardown);

int __wrap__cmocka_run_group_tests(const char *name, const struct CMUnitTest *tests, size_t count,
                                   CMFixtureFunction setup, CMFixtureFunction teardown)
{
  char *wanted = getenv("HAGGLE_SWEEP"), *rest;
  const char *only = getenv("HAGGLE_SWEEP_TEST");
  if (!wanted) return __real__cmocka_run_group_tests(name, tests, count, setup, teardown);
  struct sweep sweep = {.seed = strtoull(wanted, &rest, 10)};
  if (strncmp(rest, ":every", 6) == 0)
    sweep.every = true, rest += 6;
  else if (*rest == ':')
    sweep.points_max = strtoull(rest + 1, &rest, 10);
  if (*rest == ':') sweep.until_ms = strtoll(rest + 1, NULL, 10);
  if (sweep.until_ms) sweep.until_ms += now_ms();
  void *warm[2];
  backtrace(warm, 2); /* loads what it needs */
  places = mmap(NULL, sizeof *places, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (places == MAP_FAILED) return 2;
  int good = 0, bad = 0;
  if (setup && setup(&group_state)) return 2;
  size_t first = sweep.until_ms && count ? hash_name(name, sweep.seed) % count : 0;
  for (size_t i = 0; i < count; i++) {
    const struct CMUnitTest *test = &tests[(first + i) % count];
    if (only && strcmp(only, test->name) != 0) continue;
    if (sweep.until_ms && now_ms() >= sweep.until_ms) break;
    *(sweep_test(&sweep, test) ? &good : &bad) += 1;
  }
  if (teardown && teardown(&group_state)) bad++;
  printf("%d passed, %d failed\n", good, bad);
  return bad != 0;
}
