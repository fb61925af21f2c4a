/* Both ends of the line to an engine's process, in one. */
#include "infer/process_channel.h"
#include "support/check.h"

static void set_up(struct hgl_channel *host, struct hgl_channel *engine)
{
  struct hgl_err err = {0};
  int fd, memory;
  assert_ok(hgl_channel_create(host, &fd, &memory, &err));
  assert_ok(hgl_channel_adopt(engine, fd, memory, &err));
}

static int announce(struct hgl_channel *from, struct hgl_channel *to, uint64_t size,
                    struct hgl_err *err)
{
  const struct hgl_process_head head = {HGL_PROCESS_LOG, 0, 0, size};
  assert_int_equal(hgl_channel_put(from, &head, sizeof head, err), sizeof head);
  return hgl_channel_next(to, err);
}

/* The engine's process may say anything; it has to make sense of what we say. */
static void a_host_hears_no_message_that_no_answer_needs(void **state)
{
  struct hgl_channel host, engine;
  struct hgl_err err = {0};
  set_up(&host, &engine);
  assert_int_equal(announce(&engine, &host, HGL_PROCESS_ANSWER_SIZE_MAX, &err), 0);
  assert_int_equal(announce(&host, &engine, HGL_PROCESS_MESSAGE_SIZE_MAX, &err), 0);
  hgl_channel_deinit(&host);
  hgl_channel_deinit(&engine);
  set_up(&host, &engine);
  assert_int_equal(announce(&engine, &host, HGL_PROCESS_ANSWER_SIZE_MAX + 1, &err), -HGL_TOO_LARGE);
  assert_int_equal(announce(&host, &engine, HGL_PROCESS_MESSAGE_SIZE_MAX + (uint64_t)1, &err),
                   -HGL_TOO_LARGE);
  hgl_channel_deinit(&host);
  hgl_channel_deinit(&engine);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_host_hears_no_message_that_no_answer_needs),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
