#include "base/mem.h"
#include "infer/process_wire.h"
#include "support/check.h"

static const struct haggle_tensor_info infos[] = {
    {sizeof *infos, "x", HAGGLE_F32, 2, {-1, 2}},
    {sizeof *infos, "ok", HAGGLE_BOOL, 0, {0}},
    {sizeof *infos, "words", HAGGLE_TEXT, 1, {-1}},
};
static const float numbers[] = {1, 2, 3, 4};
static const uint8_t yes = 1;
static const struct haggle_text words[] = {{"buy", 3}, {"", 0}};
static const struct haggle_tensor tensors[] = {
    {sizeof *tensors, "x", HAGGLE_F32, 2, {2, 2}, numbers, sizeof numbers},
    {sizeof *tensors, "ok", HAGGLE_BOOL, 0, {0}, &yes, 1},
    {sizeof *tensors, "words", HAGGLE_TEXT, 1, {2}, words, sizeof words},
};

static struct hgl_err err;

static void write_all(struct hgl_buf *out)
{
  hgl_buf_init(out, 1 << 20);
  hgl_write_tensors(out, tensors, 3);
  assert_ok(hgl_buf_check(out, &err));
}

static int read_part(const uint8_t *data, size_t size, struct haggle_tensor **out)
{
  struct hgl_reader reader = hgl_reader_of(hgl_bytes(data, size));
  return hgl_read_tensors(&reader, infos, 3, out, &err);
}

static void tensors_come_out_as_they_went_in(void **state)
{
  struct hgl_buf message;
  struct haggle_tensor *read = NULL;
  write_all(&message);
  assert_ok(read_part(message.data, message.size, &read));
  assert_string_equal(read[0].name, "x");
  assert_int_equal(read[0].shape[0], 2);
  assert_memory_equal(read[0].data, numbers, sizeof numbers);
  assert_int_equal((uintptr_t)read[0].data % HGL_PROCESS_ALIGNMENT, 0);
  const struct haggle_text *texts = read[2].data;
  assert_int_equal(read[2].data_size, sizeof words);
  assert_memory_equal(texts[0].data, "buy", 3);
  hgl_process_tensors_free(read, 3);
  hgl_buf_deinit(&message);
}

/* In memory of its own size, so that a sanitizer sees each byte too far. */
static void a_part_of_a_message_is_none(void **state)
{
  struct hgl_buf message;
  struct haggle_tensor *read = NULL;
  write_all(&message);
  for (size_t size = 0; size < message.size; size++) {
    uint8_t *part = hgl_memdup(message.data, size);
    assert_non_null(part);
    assert_int_not_equal(read_part(part, size, &read), 0);
    hgl_free(part);
  }
  hgl_buf_deinit(&message);
}

static void any_byte_may_be_another(void **state)
{
  struct hgl_buf message;
  write_all(&message);
  for (size_t i = 0; i < message.size; i++)
    for (int bit = 0; bit < 8; bit++) {
      struct haggle_tensor *read = NULL;
      message.data[i] ^= (uint8_t)(1 << bit);
      if (read_part(message.data, message.size, &read) == 0) hgl_process_tensors_free(read, 3);
      message.data[i] ^= (uint8_t)(1 << bit);
    }
  hgl_buf_deinit(&message);
}

static void a_description_is_read_whole_or_not_at_all(void **state)
{
  const struct haggle_model_info info = {.size = sizeof info,
                                         .kind = HAGGLE_TENSORS,
                                         .device = "cpu",
                                         .parallel = 3,
                                         .inputs = infos,
                                         .input_count = 3,
                                         .outputs = infos,
                                         .output_count = 1};
  struct hgl_buf message, part;
  struct hgl_process_about about;
  hgl_buf_init(&message, 1 << 20);
  hgl_write_about(&message, &info);
  assert_ok(hgl_buf_check(&message, &err));
  for (size_t size = 0; size < message.size; size++) {
    hgl_buf_init(&part, 1 << 20);
    hgl_buf_append(&part, message.data, size);
    assert_int_not_equal(hgl_read_about(&part, 0, &about, &err), 0);
  }
  assert_ok(hgl_read_about(&message, 0, &about, &err));
  assert_int_equal(about.info.parallel, 3);
  assert_string_equal(about.inputs[2].name, "words");
  assert_true(hgl_process_about_same(&about, &about));
  hgl_process_about_deinit(&about);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(tensors_come_out_as_they_went_in),
      cmocka_unit_test(a_part_of_a_message_is_none),
      cmocka_unit_test(any_byte_may_be_another),
      cmocka_unit_test(a_description_is_read_whole_or_not_at_all),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
