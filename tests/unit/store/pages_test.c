/* Healthy files pass, however they came about; damaged ones are told before LMDB reads them, and
 * what is not told ends in words. */
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "store/damage.h"
#include "store/pages.h"
#include "store_support.h"

enum { PAGE = 4096, ROUNDS = 60, DAMAGES = 240, WHOLE = 0, REFUSED = 3 /* exit statuses */ };

static int set_up(void **state)
{
  *state = fixture_new(false);
  return 0;
}

static int tear_down(void **state)
{
  fixture_free(*state);
  return 0;
}

static uint32_t dice(uint64_t *seed)
{
  *seed = *seed * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(*seed >> 33);
}

static void path_of(const struct fixture *f, char *path, size_t size)
{
  snprintf(path, size, "%s/data.mdb", f->folder);
}

static int check(const struct fixture *f, struct hgl_err *err)
{
  char path[128];
  path_of(f, path, sizeof path);
  int fd = open(path, O_RDONLY);
  assert_true(fd >= 0);
  int status = hgl_pages_check(fd, path, err);
  close(fd);
  return status;
}

/* Rows of all sizes come and go. */
static void put_some(struct fixture *f, uint64_t *seed, int count)
{
  static char value[20000];
  struct hgl_err err = {0};
  char key[200];
  memset(value, 'v', sizeof value);
  for (int i = 0; i < count; i++) {
    enum hgl_db db = (enum hgl_db)(dice(seed) % HGL_DB_COUNT);
    int size = snprintf(key, sizeof key, "%0*u", 1 + (int)(dice(seed) % 150), dice(seed) % 2000);
    size_t length = dice(seed) % 8 ? dice(seed) % 300 : dice(seed) % sizeof value;
    struct hgl_writeset *set = hgl_store_open_set(f->store);
    if (db == HGL_DB_META) continue; /* the schema's */
    if (dice(seed) % 3)
      assert_ok(
          hgl_writeset_put(set, db, hgl_bytes(key, (size_t)size), hgl_bytes(value, length), &err));
    else
      assert_ok(hgl_writeset_delete(set, db, hgl_bytes(key, (size_t)size), &err));
  }
  assert_ok(make_room(f->store, &err));
  commit(f);
  drain(f);
}

static void a_healthy_file_passes_after_every_commit(void **state)
{
  struct fixture *f = *state;
  struct hgl_err err = {0};
  for (uint64_t seed = 1; seed <= 3; seed++) {
    uint64_t chance = seed;
    open_store(f);
    for (int round = 0; round < ROUNDS; round++) {
      put_some(f, &chance, 1 + (int)(dice(&chance) % 400));
      if (check(f, &err)) fail_msg("seed %d, round %d: %s", (int)seed, round, err.message);
    }
    close_store(f);
    assert_ok(check(f, &err));
  }
}

static uint8_t *read_all(const struct fixture *f, size_t *pages)
{
  char path[128];
  path_of(f, path, sizeof path);
  int fd = open(path, O_RDONLY);
  uint64_t last[2], transaction[2];
  for (int i = 0; i < 2; i++) { /* of each meta page */
    assert_int_equal(pread(fd, &last[i], 8, i * PAGE + 16 + 120), 8);
    assert_int_equal(pread(fd, &transaction[i], 8, i * PAGE + 16 + 128), 8);
  }
  *pages = last[transaction[1] > transaction[0]] + 1;
  uint8_t *data = malloc(*pages * PAGE);
  assert_int_equal(pread(fd, data, *pages * PAGE, 0), (ssize_t)(*pages * PAGE));
  close(fd);
  return data;
}

static void write_page(const struct fixture *f, size_t page, const uint8_t *data)
{
  char path[128];
  path_of(f, path, sizeof path);
  int fd = open(path, O_WRONLY);
  assert_int_equal(pwrite(fd, data, PAGE, (off_t)(page * PAGE)), PAGE);
  close(fd);
}

static int ignore_row(void *user, struct hgl_bytes key, struct hgl_bytes value, struct hgl_err *err)
{
  return 0;
}

/* Everything is read, everything is written once: as much as LMDB can be led to do. */
static void use(struct fixture *f, uint64_t seed)
{
  struct hgl_err err = {0};
  if (hgl_store_open(&f->config, &f->store, &err)) _exit(err.code == HGL_CORRUPT ? REFUSED : 1);
  for (int db = 0; db < HGL_DB_COUNT; db++)
    if (hgl_store_scan(f->store, (enum hgl_db)db, hgl_bytes(NULL, 0), hgl_bytes(NULL, 0), false,
                       ignore_row, NULL, &err))
      _exit(err.code == HGL_CORRUPT ? REFUSED : 1);
  for (int i = 0; i < 20; i++) {
    char key[8];
    for (int k = 0; k < 40; k++) {
      enum hgl_db db = (enum hgl_db)(dice(&seed) % HGL_DB_COUNT);
      snprintf(key, sizeof key, "%u", dice(&seed) % 2000);
      if (db == HGL_DB_META) continue;
      if (hgl_writeset_put(hgl_store_open_set(f->store), db, hgl_text(key), hgl_text(key), &err))
        _exit(err.code == HGL_CORRUPT ? REFUSED : 1);
    }
    if (make_room(f->store, &err) || hgl_store_commit(f->store, NULL, NULL, &err) ||
        hgl_store_drain(f->store, 10000, &err))
      _exit(err.code == HGL_CORRUPT ? REFUSED : 1);
  }
  hgl_store_close(f->store);
  _exit(WHOLE);
}

static int use_in_child(struct fixture *f, uint64_t seed)
{
  int status;
  fflush(NULL);
  pid_t pid = fork();
  if (pid == 0) {
    int nowhere = open("/dev/null", O_WRONLY);
    dup2(nowhere, STDERR_FILENO);
    for (int number = 1; number < NSIG; number++)
      if (number != SIGKILL && number != SIGSTOP) signal(number, SIG_DFL);
    hgl_damage_guard();
    use(f, seed);
  }
  assert_int_equal(waitpid(pid, &status, 0), pid);
  return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static void damage(uint64_t *chance, uint8_t *page)
{
  switch (dice(chance) % 4) {
  case 0:
    for (int i = 0; i < PAGE; i++) page[i] = (uint8_t)dice(chance);
    break;
  case 1:
    memset(page, 0, PAGE);
    break;
  case 2: /* where a page says what it is */
    page[dice(chance) % 64] ^= (uint8_t)(1 << dice(chance) % 8);
    break;
  default:
    page[dice(chance) % PAGE] ^= (uint8_t)(1 << dice(chance) % 8);
  }
}

/* A branch or a leaf, of those in use or of the past. */
static size_t pick(uint64_t *chance, const uint8_t *whole, size_t pages)
{
  for (;;) {
    size_t at = 2 + dice(chance) % (pages - 2);
    uint64_t number;
    memcpy(&number, whole + at * PAGE, sizeof number);
    uint8_t flags = whole[at * PAGE + 10];
    if (number == at && (flags == 1 || flags == 2)) return at;
  }
}

static void a_damaged_page_never_ends_in_a_signal(void **state)
{
  struct fixture *f = *state;
  const char *given = getenv("SEED");
  uint64_t seed = given ? strtoull(given, NULL, 10) : 7, chance = seed;
  size_t pages;
  int told = 0, harmless = 0;
  struct hgl_err err = {0};
  open_store(f);
  for (int i = 0; i < 12; i++) put_some(f, &chance, 150);
  close_store(f);
  uint8_t *whole = read_all(f, &pages), page[PAGE];
  for (int i = 0; i < DAMAGES; i++) {
    size_t at = pick(&chance, whole, pages);
    memcpy(page, whole + at * PAGE, PAGE);
    damage(&chance, page);
    write_page(f, at, page);
    if (check(f, &err)) {
      assert_int_equal(err.code, HGL_CORRUPT);
      assert_non_null(strstr(err.message, "restore the data folder from a backup"));
      told++;
    } else {
      int status = use_in_child(f, chance);
      if (status != WHOLE && status != REFUSED && status != HGL_DAMAGE_EXIT)
        fail_msg("seed %d, damage %d of page %d: %d", (int)seed, i, (int)at, status);
      harmless += status == WHOLE;
    }
    for (size_t k = 0; k < pages; k++) write_page(f, k, whole + k * PAGE);
  }
  print_message("of %d damages %d were told at once, %d did no harm\n", DAMAGES, told, harmless);
  assert_true(told > DAMAGES / 6);
  assert_ok(check(f, &err));
  free(whole);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(a_healthy_file_passes_after_every_commit, set_up, tear_down),
      cmocka_unit_test_setup_teardown(a_damaged_page_never_ends_in_a_signal, set_up, tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
