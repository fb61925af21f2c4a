/* What the tests of the store share: a folder that is removed again, a store in it or in memory,
 * and short words for putting and reading. */
#ifndef HGL_TESTS_STORE_SUPPORT_H
#define HGL_TESTS_STORE_SUPPORT_H

#include <ftw.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "store/backend.h"
#include "support/check.h"

struct fixture {
  bool in_memory;
  char folder[64];
  struct hgl_store_config config;
  struct hgl_store *store;
  atomic_int wakes;
};

static inline void count_wake(void *user)
{
  atomic_fetch_add((atomic_int *)user, 1);
}

static inline int remove_entry(const char *path, const struct stat *stat, int type, struct FTW *at)
{
  return remove(path);
}

static inline void remove_folder(const char *path)
{
  nftw(path, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static inline struct fixture *fixture_new(bool in_memory)
{
  struct fixture *f = calloc(1, sizeof *f);
  assert_non_null(f);
  f->in_memory = in_memory;
  strcpy(f->folder, "/tmp/haggle-store-XXXXXX");
  if (!in_memory) assert_non_null(mkdtemp(f->folder));
  f->config = (struct hgl_store_config){
      .folder = in_memory ? NULL : f->folder,
      .clock = &hgl_clock_system,
      .log = &hgl_log_none,
      .wake = count_wake,
      .wake_user = &f->wakes,
  };
  return f;
}

static inline void fixture_free(struct fixture *f)
{
  hgl_store_close(f->store);
  if (!f->in_memory) remove_folder(f->folder);
  free(f);
}

static inline void open_store(struct fixture *f)
{
  struct hgl_err err = {0};
  assert_ok(hgl_store_open(&f->config, &f->store, &err));
}

static inline void close_store(struct fixture *f)
{
  hgl_store_close(f->store);
  f->store = NULL;
}

static inline void put(struct fixture *f, enum hgl_db db, const char *key, const char *value)
{
  struct hgl_err err = {0};
  assert_ok(
      hgl_writeset_put(hgl_store_open_set(f->store), db, hgl_text(key), hgl_text(value), &err));
}

static inline void del(struct fixture *f, enum hgl_db db, const char *key)
{
  struct hgl_err err = {0};
  assert_ok(hgl_writeset_delete(hgl_store_open_set(f->store), db, hgl_text(key), &err));
}

static inline void commit(struct fixture *f)
{
  struct hgl_err err = {0};
  assert_ok(hgl_store_commit(f->store, NULL, NULL, &err));
}

static inline void drain(struct fixture *f)
{
  struct hgl_err err = {0};
  assert_ok(hgl_store_drain(f->store, 10000, &err));
}

/* Polls until another tick may be committed. It sleeps meanwhile: where threads take turns (under
 * valgrind), a loop that only polls may keep the writer from ever having its turn. */
static inline int make_room(struct hgl_store *store, struct hgl_err *err)
{
  int status = 0;
  while (status == 0 && hgl_store_busy(store)) {
    usleep(50);
    status = hgl_store_poll(store, err);
  }
  return status;
}

/* NULL: the key is to be absent. */
static inline void expect(struct fixture *f, enum hgl_db db, const char *key, const char *value)
{
  struct hgl_err err = {0};
  struct hgl_buf out;
  hgl_buf_init(&out, HGL_STORE_VALUE_SIZE_MAX);
  int status = hgl_store_get(f->store, db, hgl_text(key), &out, &err);
  if (value) {
    if (status) fail_msg("%s: %s", key, err.message);
    if (!hgl_bytes_is(hgl_buf_bytes(&out), value))
      fail_msg("%s: expected '%s', got '%.*s'", key, value, (int)out.size, (char *)out.data);
  } else if (status != -HGL_NOT_FOUND) {
    fail_msg("%s: expected to be absent: %d", key, status);
  }
  hgl_buf_deinit(&out);
}

/* What a scan visits, as "key=value key=value". */
struct listing {
  char text[4096];
};

static inline int list_row(void *user, struct hgl_bytes key, struct hgl_bytes value,
                           struct hgl_err *err)
{
  struct listing *listing = user;
  size_t used = strlen(listing->text);
  snprintf(listing->text + used, sizeof listing->text - used, "%s%.*s=%.*s", used ? " " : "",
           HGL_STR(key), HGL_STR(value));
  return 0;
}

static inline void expect_scan(struct fixture *f, enum hgl_db db, const char *prefix,
                               const char *from, bool backwards, const char *expected)
{
  struct hgl_err err = {0};
  struct listing listing = {{0}};
  assert_ok(hgl_store_scan(f->store, db, hgl_text(prefix), hgl_text(from), backwards, list_row,
                           &listing, &err));
  assert_string_equal(listing.text, expected);
}

#endif
