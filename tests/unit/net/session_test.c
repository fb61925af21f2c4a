#include "net_fixture.h"

#include "base/mem.h"

static struct hgl_err err;

/* The side that was dialled sends: once the dialler's session is down it dials anew, and what the
 * other side has not read of the old session by then goes with it (acknowledgements see to that).
 */
static void what_was_sent_before_a_close_arrives(void **state)
{
  struct fixture *f = *state;
  struct host *receiver = &f->hosts[0], *sender = &f->hosts[1];
  uint8_t data[3000];
  memset(data, 'x', sizeof data);
  connect_two(f);
  struct hgl_session *session = sender->session;
  for (int i = 0; i < 100; i++)
    assert_ok(hgl_session_send(session, hgl_bytes(data, sizeof data), &err));
  hgl_session_close(session, HGL_GAP, "that is all");
  assert_int_equal(sender->downs, 0); /* never from inside that call */
  assert_fails(HGL_CLOSED, hgl_session_send(session, hgl_bytes(data, 1), &err));
  hgl_session_close(session, HGL_FLOOD, "the first reason stays");
  run_until(f, sender->downs == 1 && receiver->downs == 1);
  assert_int_equal(receiver->frames, 100);
  assert_int_equal(sender->down_why.code, HGL_GAP);
  assert_string_equal(sender->down_why.message, "that is all");
}

static void a_session_that_closes_reads_nothing_more(void **state)
{
  struct fixture *f = *state;
  connect_two(f);
  assert_ok(hgl_session_send(f->hosts[1].session, hgl_text("too late"), &err));
  hgl_session_close(f->hosts[0].session, HGL_GAP, "enough");
  run_until(f, f->hosts[0].downs == 1);
  assert_int_equal(f->hosts[0].frames, 0);
}

/* Who does not read cannot keep a session open that is to end. */
static void a_close_does_not_wait_for_a_peer_that_does_not_read(void **state)
{
  struct fixture *f = *state;
  connect_two(f);
  hgl_session_pause(f->hosts[1].session, true);
  uint8_t *data = calloc(1, 1 << 20);
  for (int i = 0; i < 12; i++)
    assert_ok(hgl_session_send(f->hosts[0].session, hgl_bytes(data, 1 << 20), &err));
  free(data);
  run_for(f, 100);
  hgl_session_close(f->hosts[0].session, HGL_GAP, "enough");
  run_for(f, 50);
  clock_ahead_ns += INT64_C(2000) * 1000000;
  run_until(f, f->hosts[0].downs == 1);
}

static void a_user_s_own_pointer_stays_with_its_session(void **state)
{
  struct fixture *f = *state;
  connect_two(f);
  assert_null(hgl_session_user(f->hosts[0].session));
  hgl_session_set_user(f->hosts[0].session, f);
  assert_ptr_equal(hgl_session_user(f->hosts[0].session), f);
  assert_null(hgl_session_user(f->hosts[1].session));
}

static void want_of_memory_for_a_frame_queues_nothing(void **state)
{
  struct fixture *f = *state;
  static const char *const texts[] = {"first", "lost", "third"};
  connect_two(f);
  for (int i = 0; i < 3; i++) {
    if (i == 1) {
      uint8_t *large = calloc(1, 1 << 20);
      hgl_mem_fail_after(0);
      int status = hgl_session_send(f->hosts[0].session, hgl_bytes(large, 1 << 20), &err);
      hgl_mem_fail_after(-1);
      free(large);
      assert_int_equal(status, -HGL_NO_MEMORY);
      continue;
    }
    assert_ok(hgl_session_send(f->hosts[0].session, hgl_text(texts[i]), &err));
  }
  run_until(f, f->hosts[1].frames == 2); /* and the keys of both sides still agree */
  assert_true(hgl_bytes_is(hgl_buf_bytes(&f->hosts[1].last_frame), "third"));
  assert_int_equal(f->hosts[0].downs, 0);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      NET_TEST(what_was_sent_before_a_close_arrives),
      NET_TEST(a_session_that_closes_reads_nothing_more),
      NET_TEST(a_close_does_not_wait_for_a_peer_that_does_not_read),
      NET_TEST(a_user_s_own_pointer_stays_with_its_session),
      NET_TEST(want_of_memory_for_a_frame_queues_nothing),
  };
  if (hgl_crypto_init(&err) != 0) return 1;
  return cmocka_run_group_tests(tests, NULL, NULL);
}
