/* A state tree on rows in memory, and short words to fill and to read it. For tests. */
#ifndef HGL_TESTS_STATE_FIXTURE_H
#define HGL_TESTS_STATE_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "fake_rows.h"
#include "support/check.h"

static struct hgl_err err; /* of the last call that failed */

static inline struct hgl_state_key text_key(const char *text)
{
  return (struct hgl_state_key){.text = hgl_text(text)};
}

static inline struct hgl_state_key int_key(int64_t integer)
{
  return (struct hgl_state_key){.is_int = true, .integer = integer};
}

static inline struct hgl_state_value int_value(int64_t integer)
{
  return (struct hgl_state_value){.kind = HGL_STATE_INT, .integer = integer};
}

static inline struct hgl_state_value text_value(const char *text)
{
  return (struct hgl_state_value){.kind = HGL_STATE_TEXT, .bytes = hgl_text(text)};
}

static inline struct hgl_state_value table_value(struct hgl_state_node *node)
{
  return (struct hgl_state_value){.kind = HGL_STATE_TABLE, .node = node};
}

static inline int put(struct hgl_state_node *node, const char *key, struct hgl_state_value value)
{
  struct hgl_state_key k = text_key(key);
  return hgl_state_set(node, &k, &value, &err);
}

static inline int put_at(struct hgl_state_node *node, int64_t key, struct hgl_state_value value)
{
  struct hgl_state_key k = int_key(key);
  return hgl_state_set(node, &k, &value, &err);
}

static const struct hgl_state_value nil = {.kind = HGL_STATE_NIL};

static inline struct hgl_state_value at(struct hgl_state_node *node, const char *key)
{
  struct hgl_state_key k = text_key(key);
  struct hgl_state_value value = nil;
  assert_ok(hgl_state_get(node, &k, &value, &err));
  return value;
}

static inline struct hgl_state_value at_index(struct hgl_state_node *node, int64_t key)
{
  struct hgl_state_key k = int_key(key);
  struct hgl_state_value value = nil;
  assert_ok(hgl_state_get(node, &k, &value, &err));
  return value;
}

/* A new table under `key`, with field n = number. */
static inline struct hgl_state_node *add(struct hgl_state_node *parent, const char *key,
                                         int64_t number)
{
  struct hgl_state_node *node = NULL;
  assert_ok(hgl_state_table(hgl_state_of(parent), &node, &err));
  assert_ok(put(node, "n", int_value(number)));
  assert_ok(put(parent, key, table_value(node)));
  hgl_state_release(node); /* the tree keeps it */
  return node;
}

static inline int64_t number_in(struct hgl_state_node *parent, const char *key)
{
  struct hgl_state_value value = at(parent, key);
  assert_int_equal(value.kind, HGL_STATE_TABLE);
  return at(value.node, "n").integer;
}

struct fixture {
  struct fake_rows rows;
  struct hgl_state_rows handle;
  struct hgl_state *state;
  struct hgl_state_node *root;
};

static inline void open_state(struct fixture *f)
{
  f->state = NULL;
  assert_ok(hgl_state_create(&f->handle, 64 << 20, &f->state, &err));
  f->root = hgl_state_root(f->state);
}

static inline int setup(void **out)
{
  struct fixture *f = calloc(1, sizeof *f);
  f->handle = fake_rows_init(&f->rows);
  open_state(f);
  hgl_state_begin(f->state);
  *out = f;
  return 0;
}

static inline int teardown(void **out)
{
  struct fixture *f = *out;
  hgl_state_destroy(f->state);
  fake_rows_deinit(&f->rows);
  free(f);
  return 0;
}

static inline void reload(struct fixture *f)
{
  hgl_state_accept(f->state);
  assert_ok(hgl_state_flush(f->state, &err));
  hgl_state_destroy(f->state);
  open_state(f);
  hgl_state_begin(f->state);
}

/* Dump: a whole table as text, to compare. */
static inline void dump(struct hgl_state_node *node, struct hgl_buf *out)
{
  struct hgl_state_key key;
  struct hgl_state_value value;
  bool more = false;
  hgl_buf_append_text(out, hgl_state_is_list(node) ? "[" : "{");
  int status = hgl_state_next(node, NULL, &key, &value, &more, &err);
  while (status == 0 && more) {
    if (key.is_int)
      hgl_buf_printf(out, "%lld=", (long long)key.integer);
    else
      hgl_buf_printf(out, "%.*s=", HGL_STR(key.text));
    if (value.kind == HGL_STATE_TABLE)
      dump(value.node, out);
    else if (value.kind == HGL_STATE_INT)
      hgl_buf_printf(out, "%lld", (long long)value.integer);
    else if (value.kind == HGL_STATE_TEXT)
      hgl_buf_printf(out, "'%.*s'", HGL_STR(value.bytes));
    hgl_buf_append_text(out, ",");
    status = hgl_state_next(node, &key, &key, &value, &more, &err);
  }
  assert_int_equal(status, 0);
  hgl_buf_append_text(out, "}");
}

static inline char *text_of(struct hgl_state_node *node)
{
  struct hgl_buf out;
  hgl_buf_init(&out, 64 << 20);
  dump(node, &out);
  hgl_buf_append_byte(&out, 0);
  assert_ok(hgl_buf_check(&out, &err));
  size_t size;
  return (char *)hgl_buf_take(&out, &size);
}

static inline void assert_text(struct hgl_state_node *node, const char *expected)
{
  char *text = text_of(node);
  assert_string_equal(text, expected);
  hgl_free(text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
