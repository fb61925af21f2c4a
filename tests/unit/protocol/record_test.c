#include "support/check.h"

#include <stdlib.h>

#include "base/mem.h"
#include "protocol/record.h"

static const struct hgl_noise_cipher shared = {.key = {7}};

struct fixture {
  struct hgl_noise_cipher send;
  struct hgl_record_reader reader;
  struct hgl_buf wire;
  uint8_t *plain;
};

static int setup(void **state)
{
  struct fixture *f = calloc(1, sizeof *f);
  f->send = shared;
  hgl_record_reader_init(&f->reader);
  hgl_record_reader_set_cipher(&f->reader, &shared);
  hgl_buf_init(&f->wire, 32 << 20);
  f->plain = malloc(HGL_FRAME_SIZE_MAX + 1);
  for (size_t i = 0; i < HGL_FRAME_SIZE_MAX + 1; i++) f->plain[i] = (uint8_t)(i * 7 + i / 251);
  *state = f;
  return 0;
}

static int teardown(void **state)
{
  struct fixture *f = *state;
  hgl_record_reader_deinit(&f->reader);
  hgl_buf_deinit(&f->wire);
  free(f->plain);
  free(f);
  return 0;
}

/* Feeds the wire in pieces of `step` and expects exactly this frame. */
static void expect_frame(struct fixture *f, size_t step, size_t size)
{
  struct hgl_err err = {0};
  size_t frames = 0;
  for (size_t at = 0; at < f->wire.size; at += step) {
    size_t piece = f->wire.size - at < step ? f->wire.size - at : step;
    struct hgl_bytes input = hgl_bytes(f->wire.data + at, piece), frame;
    bool whole;
    do {
      assert_ok(hgl_record_next_frame(&f->reader, &input, &frame, &whole, &err));
      if (!whole) break;
      frames++;
      assert_int_equal(frame.size, size);
      if (size) assert_memory_equal(frame.data, f->plain, size);
    } while (input.size);
  }
  assert_int_equal(frames, 1);
  assert_ok(hgl_record_message_end(&f->reader, &err));
}

static void record_frames_of_every_size_come_back(void **state)
{
  struct fixture *f = *state;
  struct hgl_err err = {0};
  static const size_t sizes[] = {0,
                                 1,
                                 600,
                                 HGL_RECORD_PART_SIZE_MAX - 1,
                                 HGL_RECORD_PART_SIZE_MAX,
                                 HGL_RECORD_PART_SIZE_MAX + 1,
                                 2 * HGL_RECORD_PART_SIZE_MAX,
                                 HGL_FRAME_SIZE_MAX};
  static const size_t steps[] = {1, 13, 4096, 65537, 32 << 20};
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
    for (size_t j = sizes[i] > 200000 ? 2 : 0; j < sizeof steps / sizeof steps[0]; j++) {
      hgl_buf_clear(&f->wire);
      assert_ok(hgl_record_seal(&f->send, hgl_bytes(f->plain, sizes[i]), &f->wire, &err));
      assert_int_equal(f->wire.size, hgl_record_size(sizes[i]));
      expect_frame(f, steps[j], sizes[i]);
    }
}

static void record_many_frames_share_one_message(void **state)
{
  struct fixture *f = *state;
  struct hgl_err err = {0};
  for (size_t i = 0; i < 100; i++)
    assert_ok(hgl_record_seal(&f->send, hgl_bytes(f->plain + i, i), &f->wire, &err));
  struct hgl_bytes input = hgl_buf_bytes(&f->wire), frame;
  bool whole;
  for (size_t i = 0; i < 100; i++) {
    assert_ok(hgl_record_next_frame(&f->reader, &input, &frame, &whole, &err));
    assert_true(whole);
    assert_true(hgl_bytes_equal(frame, hgl_bytes(f->plain + i, i)));
  }
  assert_int_equal(input.size, 0);
}

static void record_contents_come_back_up_to_the_limit_named(void **state)
{
  struct fixture *f = *state;
  struct hgl_err err = {0};
  for (size_t step = 1; step < 4; step++) {
    hgl_buf_clear(&f->wire);
    hgl_record_put(hgl_text("hello"), &f->wire);
    hgl_record_put(hgl_text("hello!"), &f->wire);
    assert_ok(hgl_buf_check(&f->wire, &err));
    struct hgl_bytes content;
    bool whole = false;
    struct hgl_bytes input = hgl_bytes(f->wire.data, 7);
    while (input.size) {
      struct hgl_bytes piece = hgl_bytes(input.data, step < input.size ? step : input.size);
      input.data += piece.size;
      input.size -= piece.size;
      assert_ok(hgl_record_next(&f->reader, 5, &piece, &content, &whole, &err));
      assert_int_equal(whole, input.size == 0);
    }
    assert_true(hgl_bytes_is(content, "hello"));
    assert_ok(hgl_record_message_end(&f->reader, &err));
    input = hgl_bytes(f->wire.data + 7, 8);
    assert_fails(HGL_TOO_LARGE, hgl_record_next(&f->reader, 5, &input, &content, &whole, &err));
    hgl_record_reader_deinit(&f->reader);
    hgl_record_reader_init(&f->reader);
  }
}

static void record_seal_refuses_a_frame_past_the_limit(void **state)
{
  struct fixture *f = *state;
  struct hgl_err err = {0};
  assert_fails(HGL_TOO_LARGE, hgl_record_seal(&f->send, hgl_bytes(f->plain, HGL_FRAME_SIZE_MAX + 1),
                                              &f->wire, &err));
  assert_int_equal(f->wire.size, 0);
}

static int read_all(struct fixture *f, struct hgl_err *err)
{
  struct hgl_bytes input = hgl_buf_bytes(&f->wire), frame;
  bool whole = true;
  while (whole) {
    int status = hgl_record_next_frame(&f->reader, &input, &frame, &whole, err);
    if (status != 0) return status;
  }
  return hgl_record_message_end(&f->reader, err);
}

/* One record with any content, flag included. */
static void put_record(struct fixture *f, const void *plain, size_t size)
{
  struct hgl_err err = {0};
  uint8_t *end = hgl_buf_reserve(&f->wire, 2 + size + 16);
  assert_non_null(end);
  end[0] = (uint8_t)((size + 16) >> 8);
  end[1] = (uint8_t)(size + 16);
  assert_ok(hgl_noise_seal(&f->send, hgl_bytes(plain, size), end + 2, &err));
  hgl_buf_extend(&f->wire, 2 + size + 16);
}

static void record_reader_refuses_bad_flags(void **state)
{
  struct hgl_err err = {0};
  static const struct {
    const char *plain;
    size_t size;
  } cases[] = {{"x\x02", 2}, {"x\xff", 2}, {"\x00", 1}, {"", 0}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct fixture *f;
    setup((void **)&f);
    put_record(f, cases[i].plain, cases[i].size);
    assert_fails(HGL_BAD_RECORD, read_all(f, &err));
    teardown((void **)&f);
  }
}

static void record_reader_stops_at_the_frame_limit(void **state)
{
  struct fixture *f = *state;
  struct hgl_err err = {0};
  size_t size = 0, part = 60000;
  f->plain[part] = 0;
  while (size <= HGL_FRAME_SIZE_MAX) {
    put_record(f, f->plain, part + 1);
    size += part;
  }
  assert_fails(HGL_TOO_LARGE, read_all(f, &err));
  assert_true(f->reader.frame.capacity <= 2 * HGL_FRAME_SIZE_MAX);
}

static void record_reader_refuses_altered_replayed_and_cut_records(void **state)
{
  struct hgl_err err = {0};
  for (int what = 0; what < 24; what++) {
    struct fixture *f;
    setup((void **)&f);
    assert_ok(hgl_record_seal(&f->send, hgl_bytes(f->plain, 3), &f->wire, &err));
    if (what < 22)
      f->wire.data[what] ^= 1; /* the length as well */
    else if (what == 22)
      hgl_buf_append(&f->wire, f->wire.data, f->wire.size); /* again */
    else
      f->wire.size--;
    assert_fails(HGL_BAD_RECORD, read_all(f, &err));
    teardown((void **)&f);
  }
}

static void record_reader_survives_failed_allocations(void **state)
{
  struct hgl_err err = {0};
  for (long fail_at = 0; fail_at < 5; fail_at++) {
    struct fixture *f;
    setup((void **)&f);
    assert_ok(hgl_record_seal(&f->send, hgl_bytes(f->plain, 100000), &f->wire, &err));
    hgl_mem_fail_after(fail_at);
    int status = read_all(f, &err);
    hgl_mem_fail_after(-1);
    assert_true(status == 0 || status == -HGL_NO_MEMORY);
    assert_true(fail_at > 0 || status == -HGL_NO_MEMORY);
    teardown((void **)&f);
  }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
  struct hgl_err err = {0};
  if (hgl_crypto_init(&err) != 0) return 1;
  const struct CMUnitTest tests[] = {
      TEST(record_frames_of_every_size_come_back),
      TEST(record_many_frames_share_one_message),
      TEST(record_contents_come_back_up_to_the_limit_named),
      TEST(record_seal_refuses_a_frame_past_the_limit),
      cmocka_unit_test(record_reader_refuses_bad_flags),
      TEST(record_reader_stops_at_the_frame_limit),
      cmocka_unit_test(record_reader_refuses_altered_replayed_and_cut_records),
      cmocka_unit_test(record_reader_survives_failed_allocations),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
