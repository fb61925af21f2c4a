#include <stdatomic.h>
#include <stdlib.h>

#include "infer/ring.h"
#include "support/check.h"

struct fixture {
  struct hgl_ring_shared *shared;
  struct hgl_ring writer, reader;
};

static int set_up(void **state)
{
  static struct fixture f;
  f = (struct fixture){.shared = aligned_alloc(64, sizeof *f.shared)};
  if (!f.shared) return 1;
  memset(f.shared, 0, sizeof *f.shared);
  f.writer.shared = f.reader.shared = f.shared;
  *state = &f;
  return 0;
}

static int tear_down(void **state)
{
  free(((struct fixture *)*state)->shared);
  return 0;
}

static void bytes_come_out_as_they_went_in(void **state)
{
  struct fixture *f = *state;
  static uint8_t in[1000], out[1000];
  uint8_t sent = 0, seen = 0;
  for (size_t total = 0; total < 3 * (size_t)HGL_RING_SIZE; total += sizeof in) {
    for (size_t i = 0; i < sizeof in; i++) in[i] = sent++;
    assert_int_equal(hgl_ring_write(&f->writer, in, sizeof in), sizeof in);
    assert_int_equal(hgl_ring_read(&f->reader, out, sizeof out), sizeof out);
    for (size_t i = 0; i < sizeof out; i++) assert_int_equal(out[i], seen++);
  }
  assert_int_equal(hgl_ring_read(&f->reader, out, sizeof out), 0);
}

static void a_full_ring_takes_no_more(void **state)
{
  struct fixture *f = *state;
  uint8_t *bytes = calloc(1, HGL_RING_SIZE + 5);
  assert_non_null(bytes);
  assert_int_equal(hgl_ring_write(&f->writer, bytes, HGL_RING_SIZE + 5), HGL_RING_SIZE);
  assert_int_equal(hgl_ring_write(&f->writer, bytes, 1), 0);
  assert_false(hgl_ring_wait_to_write(&f->writer));
  assert_int_equal(hgl_ring_read(&f->reader, bytes, 3), 3);
  assert_true(hgl_ring_wait_to_write(&f->writer));
  assert_int_equal(hgl_ring_write(&f->writer, bytes, 5), 3);
  free(bytes);
}

static void who_waits_is_woken_once(void **state)
{
  struct fixture *f = *state;
  assert_false(hgl_ring_reader_sleeps(&f->writer));
  assert_false(hgl_ring_wait_to_read(&f->reader));
  assert_int_equal(hgl_ring_write(&f->writer, "x", 1), 1);
  assert_true(hgl_ring_wait_to_read(&f->reader));
  assert_true(hgl_ring_reader_sleeps(&f->writer));
  assert_false(hgl_ring_reader_sleeps(&f->writer));
  assert_false(hgl_ring_writer_sleeps(&f->reader));
}

static void a_position_that_cannot_be_is_found(void **state)
{
  struct fixture *f = *state;
  uint8_t byte = 0;
  assert_int_equal(hgl_ring_write(&f->writer, "abc", 3), 3);
  atomic_store(&f->shared->read, 4); /* more than was written */
  assert_int_equal(hgl_ring_write(&f->writer, "x", 1), -1);
  atomic_store(&f->shared->written, HGL_RING_SIZE + 1); /* more than there is room for */
  assert_int_equal(hgl_ring_read(&f->reader, &byte, 1), -1);
  atomic_store(&f->shared->written, (uint64_t)-1); /* before what was read */
  assert_int_equal(hgl_ring_read(&f->reader, &byte, 1), -1);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(bytes_come_out_as_they_went_in, set_up, tear_down),
      cmocka_unit_test_setup_teardown(a_full_ring_takes_no_more, set_up, tear_down),
      cmocka_unit_test_setup_teardown(who_waits_is_woken_once, set_up, tear_down),
      cmocka_unit_test_setup_teardown(a_position_that_cannot_be_is_found, set_up, tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
