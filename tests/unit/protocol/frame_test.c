#include "support/check.h"

#include "base/mem.h"
#include "protocol/cbor.h"
#include "protocol/frame.h"

struct fixture {
  struct hgl_buf out, items, more;
};

static int setup(void **state)
{
  static struct fixture fixture;
  hgl_buf_init(&fixture.out, HGL_FRAME_SIZE_MAX + 4096);
  hgl_buf_init(&fixture.items, 16 << 20);
  hgl_buf_init(&fixture.more, 16 << 20);
  *state = &fixture;
  return 0;
}

static int teardown(void **state)
{
  struct fixture *fixture = *state;
  hgl_buf_deinit(&fixture->out);
  hgl_buf_deinit(&fixture->items);
  hgl_buf_deinit(&fixture->more);
  return 0;
}

static const struct hgl_incarnation incarnation = {{1, 2, 3, 4, 5, 6, 7, 8}};

static void frame_hello_comes_back_as_it_went(void **state)
{
  struct fixture *f = *state;
  struct hgl_err err = {0};
  hgl_run_put_url(&f->items, hgl_text("ws://127.0.0.1:7700"));
  hgl_run_put_url(&f->items, hgl_text("wss://host.example"));
  struct hgl_frame frame = {.kind = HGL_FRAME_HELLO,
                            .hello = {.time_ms = 1234567890123,
                                      .incarnation = incarnation,
                                      .has_resume = true,
                                      .resume_incarnation = {{9}},
                                      .resume_number = 77,
                                      .resume_leaf = {{5}},
                                      .resume_header = hgl_text("header"),
                                      .urls = hgl_run(&f->items, 2),
                                      .software = hgl_text("haggle 0.1"),
                                      .sequence = 12}};
  assert_ok(hgl_frame_encode(&frame, &f->out, &err));
  struct hgl_frame back;
  assert_ok(hgl_frame_decode(hgl_buf_bytes(&f->out), &back, &err));
  assert_true(back.known);
  assert_int_equal(back.kind, HGL_FRAME_HELLO);
  assert_int_equal(back.hello.time_ms, 1234567890123);
  assert_true(hgl_incarnation_equal(&back.hello.incarnation, &incarnation));
  assert_true(back.hello.has_resume);
  assert_int_equal(back.hello.resume_incarnation.bytes[0], 9);
  assert_int_equal(back.hello.resume_number, 77);
  assert_int_equal(back.hello.resume_leaf.bytes[0], 5);
  assert_true(hgl_bytes_is(back.hello.resume_header, "header"));
  assert_true(hgl_bytes_is(back.hello.software, "haggle 0.1"));
  assert_int_equal(back.hello.sequence, 12);
  struct hgl_bytes url;
  assert_true(hgl_run_take_url(&back.hello.urls, &url) && hgl_bytes_is(url, "ws://127.0.0.1:7700"));
  assert_true(hgl_run_take_url(&back.hello.urls, &url) && hgl_bytes_is(url, "wss://host.example"));
  assert_false(hgl_run_take_url(&back.hello.urls, &url));
}

static void frame_hello_may_have_nothing_to_resume(void **state)
{
  struct fixture *f = *state;
  struct hgl_err err = {0};
  struct hgl_frame frame = {.kind = HGL_FRAME_HELLO, .hello = {.software = hgl_text("x")}}, back;
  assert_ok(hgl_frame_encode(&frame, &f->out, &err));
  assert_ok(hgl_frame_decode(hgl_buf_bytes(&f->out), &back, &err));
  assert_false(back.hello.has_resume);
  assert_int_equal(back.hello.urls.count, 0);
}

static struct hgl_frame a_batch(struct fixture *f)
{
  hgl_run_put_delegation(&f->more, hgl_text("delegation"));
  hgl_run_put_envelope(&f->items, hgl_text("first"));
  hgl_run_put_expired(&f->items, &(struct hgl_hash){{42}});
  hgl_run_put_envelope(&f->items, hgl_text("third"));
  return (struct hgl_frame){
      .kind = HGL_FRAME_BATCH,
      .batch = {.header = hgl_text("header"),
                .group_leaf = hgl_text("leaf"),
                .group_path = {.index = 2, .count = 2, .hashes = {{{1}}, {{2}}}},
                .delegations = hgl_run(&f->more, 1),
                .envelopes = hgl_run(&f->items, 3)}};
}

static void frame_batch_comes_back_as_it_went(void **state)
{
  struct fixture *f = *state;
  struct hgl_err err = {0};
  struct hgl_frame frame = a_batch(f), back;
  assert_ok(hgl_frame_encode(&frame, &f->out, &err));
  assert_ok(hgl_frame_decode(hgl_buf_bytes(&f->out), &back, &err));
  assert_true(hgl_bytes_is(back.batch.header, "header"));
  assert_true(hgl_bytes_is(back.batch.group_leaf, "leaf"));
  assert_int_equal(back.batch.group_path.index, 2);
  assert_int_equal(back.batch.group_path.count, 2);
  assert_int_equal(back.batch.group_path.hashes[1].bytes[0], 2);
  struct hgl_bytes delegation;
  assert_true(hgl_run_take_delegation(&back.batch.delegations, &delegation));
  assert_true(hgl_bytes_is(delegation, "delegation"));
  assert_false(hgl_run_take_delegation(&back.batch.delegations, &delegation));
  struct hgl_frame_envelope envelope;
  assert_true(hgl_run_take_envelope(&back.batch.envelopes, &envelope));
  assert_true(!envelope.expired && hgl_bytes_is(envelope.bytes, "first"));
  assert_true(hgl_run_take_envelope(&back.batch.envelopes, &envelope));
  assert_true(envelope.expired && envelope.leaf.bytes[0] == 42);
  assert_true(hgl_run_take_envelope(&back.batch.envelopes, &envelope));
  assert_true(!envelope.expired && hgl_bytes_is(envelope.bytes, "third"));
  assert_false(hgl_run_take_envelope(&back.batch.envelopes, &envelope));
}

static void frame_small_kinds_come_back_as_they_went(void **state)
{
  struct fixture *f = *state;
  struct hgl_err err = {0};
  hgl_run_put_exception(&f->items, 8, "not_here");
  hgl_run_put_key(&f->more, &(struct hgl_key){{3}});
  struct hgl_buf delegations;
  hgl_buf_init(&delegations, 100);
  hgl_run_put_delegation(&delegations, hgl_text("d"));
  struct hgl_frame frames[] = {
      {.kind = HGL_FRAME_ACK,
       .ack = {.incarnation = incarnation, .up_to = 9, .exceptions = hgl_run(&f->items, 1)}},
      {.kind = HGL_FRAME_SETTLE, .settle = {.incarnation = incarnation, .up_to = INT64_MAX}},
      {.kind = HGL_FRAME_GOSSIP, .gossip = hgl_text("\xa1\x01\x02")},
      {.kind = HGL_FRAME_PING, .time_ms = 5},
      {.kind = HGL_FRAME_PONG, .time_ms = -5},
      {.kind = HGL_FRAME_WANT, .want = hgl_run(&f->more, 1)},
      {.kind = HGL_FRAME_HAVE,
       .have = {.delegations = hgl_run(&delegations, 1), .absent = hgl_run(&f->more, 1)}},
      {.kind = HGL_FRAME_ERROR, .error = {hgl_text("clock_skew"), hgl_text("an hour off")}},
  };
  for (size_t i = 0; i < sizeof frames / sizeof frames[0]; i++) {
    struct hgl_frame back;
    hgl_buf_clear(&f->out);
    assert_ok(hgl_frame_encode(&frames[i], &f->out, &err));
    assert_ok(hgl_frame_decode(hgl_buf_bytes(&f->out), &back, &err));
    assert_true(back.known && back.kind == frames[i].kind);
    switch ((enum hgl_frame_kind)back.kind) {
    case HGL_FRAME_ACK: {
      struct hgl_frame_exception exception;
      assert_int_equal(back.ack.up_to, 9);
      assert_true(hgl_run_take_exception(&back.ack.exceptions, &exception));
      assert_true(exception.number == 8 && hgl_bytes_is(exception.code, "not_here"));
      assert_false(hgl_run_take_exception(&back.ack.exceptions, &exception));
      break;
    }
    case HGL_FRAME_SETTLE:
      assert_true(hgl_incarnation_equal(&back.settle.incarnation, &incarnation));
      assert_true(back.settle.up_to == INT64_MAX);
      break;
    case HGL_FRAME_GOSSIP:
      assert_true(hgl_bytes_is(back.gossip, "\xa1\x01\x02"));
      break;
    case HGL_FRAME_PING:
    case HGL_FRAME_PONG:
      assert_int_equal(back.time_ms, frames[i].time_ms);
      break;
    case HGL_FRAME_WANT: {
      struct hgl_key key;
      assert_true(hgl_run_take_key(&back.want, &key) && key.bytes[0] == 3);
      break;
    }
    case HGL_FRAME_HAVE:
      assert_int_equal(back.have.delegations.count, 1);
      assert_int_equal(back.have.absent.count, 1);
      break;
    default:
      assert_true(hgl_bytes_is(back.error.code, "clock_skew"));
      assert_true(hgl_bytes_is(back.error.message, "an hour off"));
    }
  }
  hgl_buf_deinit(&delegations);
}

static void frame_of_unknown_kind_is_told_apart(void **state)
{
  struct hgl_err err = {0};
  struct hgl_frame frame;
  assert_ok(hgl_frame_decode(hgl_text("\x82\x18\x63\xa0"), &frame, &err));
  assert_false(frame.known);
  assert_int_equal(frame.kind, 99);
}

static void frame_passes_over_unknown_keys_but_checks_them(void **state)
{
  struct hgl_err err = {0};
  struct hgl_frame frame;
  /* ping {1: 5, 9: "x"} */
  assert_ok(hgl_frame_decode(hgl_text("\x82\x06\xa2\x01\x05\x09\x61x"), &frame, &err));
  assert_int_equal(frame.time_ms, 5);
  /* the unknown value is not in its shortest form */
  assert_fails(HGL_NOT_DETERMINISTIC,
               hgl_frame_decode(hgl_text("\x82\x06\xa2\x01\x05\x09\x18\x05"), &frame, &err));
}

static void frame_decode_rejects_wrong_shapes(void **state)
{
  static const struct {
    const char *bytes;
    enum hgl_code code;
  } cases[] = {
      {"\x81\x06", HGL_MALFORMED},                 /* one item */
      {"\x83\x06\xa1\x01\x05\x01", HGL_MALFORMED}, /* three */
      {"\xa1\x06\x01", HGL_MALFORMED},             /* not a list */
      {"\x82\x20\xa1\x01\x05", HGL_MALFORMED},     /* a negative kind */
      {"\x82\x06\xa0", HGL_MALFORMED},             /* ping without its time */
      {"\x82\x06\xa1\x01\x05\x05", HGL_TRAILING},  /* more behind it */
      {"\x82\x06\xa2\x01\x05\x01\x05", HGL_DUPLICATE_KEY},
      {"\x82\x06\xa2\x02\x05\x01\x05", HGL_NOT_DETERMINISTIC}, /* keys out of order */
      {"\x82\x06\xa1\x01\x61x", HGL_MALFORMED},                /* text for a time */
      {"\x82\x05\x01", HGL_MALFORMED},                         /* gossip without a map */
      {"\x82\x08\xa1\x01\x81\x41x", HGL_MALFORMED},            /* a key of one byte */
      {"\x82\x06", HGL_TRUNCATED},
      {"\x82", HGL_TRUNCATED},
  };
  struct hgl_err err = {0};
  struct hgl_frame frame;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
    assert_fails(cases[i].code, hgl_frame_decode(hgl_text(cases[i].bytes), &frame, &err));
  assert_fails(HGL_TRUNCATED, hgl_frame_decode(hgl_bytes(NULL, 0), &frame, &err));
}

static void frame_decode_rejects_a_batch_without_envelopes(void **state)
{
  struct fixture *f = *state;
  struct hgl_err err = {0};
  struct hgl_frame frame = a_batch(f), back;
  frame.batch.envelopes = (struct hgl_run){{NULL, 0}, 0};
  assert_ok(hgl_frame_encode(&frame, &f->out, &err));
  assert_fails(HGL_MALFORMED, hgl_frame_decode(hgl_buf_bytes(&f->out), &back, &err));
}

static void frame_decode_survives_every_truncation_and_altered_byte(void **state)
{
  struct fixture *f = *state;
  struct hgl_err err = {0};
  struct hgl_frame frame = a_batch(f), back;
  assert_ok(hgl_frame_encode(&frame, &f->out, &err));
  for (size_t size = 0; size < f->out.size; size++) {
    uint8_t *copy = hgl_memdup(f->out.data, size); /* exact, so that ASan sees an overrun */
    assert_non_null(copy);
    assert_true(hgl_frame_decode(hgl_bytes(copy, size), &back, &err) < 0);
    hgl_free(copy);
  }
  for (size_t at = 0; at < f->out.size; at++)
    for (int bit = 0; bit < 8; bit++) {
      f->out.data[at] ^= (uint8_t)(1 << bit);
      if (hgl_frame_decode(hgl_buf_bytes(&f->out), &back, &err) == 0 && back.known &&
          back.kind == HGL_FRAME_BATCH) {
        struct hgl_frame_envelope envelope;
        while (hgl_run_take_envelope(&back.batch.envelopes, &envelope)) continue;
      }
      f->out.data[at] ^= (uint8_t)(1 << bit);
    }
}

static void frame_lists_end_at_their_limits(void **state)
{
  struct fixture *f = *state;
  struct hgl_err err = {0};
  struct hgl_frame back;
  for (int i = 0; i < HGL_FRAME_KEYS_MAX; i++) hgl_run_put_key(&f->items, &(struct hgl_key){{0}});
  struct hgl_frame frame = {.kind = HGL_FRAME_WANT, .want = hgl_run(&f->items, HGL_FRAME_KEYS_MAX)};
  assert_ok(hgl_frame_encode(&frame, &f->out, &err));
  assert_ok(hgl_frame_decode(hgl_buf_bytes(&f->out), &back, &err));
  hgl_run_put_key(&f->items, &(struct hgl_key){{0}});
  frame.want = hgl_run(&f->items, HGL_FRAME_KEYS_MAX + 1);
  assert_fails(HGL_TOO_LARGE, hgl_frame_encode(&frame, &f->out, &err));
  /* The same list by hand, for the decoder. */
  hgl_buf_clear(&f->out);
  hgl_cbor_put_list(&f->out, 2);
  hgl_cbor_put_uint(&f->out, HGL_FRAME_WANT);
  hgl_cbor_put_map(&f->out, 1);
  hgl_cbor_put_uint(&f->out, 1);
  hgl_cbor_put_list(&f->out, HGL_FRAME_KEYS_MAX + 1);
  hgl_buf_append_bytes(&f->out, hgl_buf_bytes(&f->items));
  assert_fails(HGL_TOO_LARGE, hgl_frame_decode(hgl_buf_bytes(&f->out), &back, &err));
}

static void frame_items_end_at_their_limits(void **state)
{
  struct fixture *f = *state;
  struct hgl_err err = {0};
  struct hgl_frame back, frame;
  static uint8_t zeros[HGL_ENVELOPE_SIZE_MAX + 1];
  for (int past = 0; past < 2; past++) {
    hgl_buf_clear(&f->items);
    hgl_buf_clear(&f->more);
    hgl_buf_clear(&f->out);
    frame = a_batch(f);
    hgl_buf_clear(&f->items);
    hgl_run_put_envelope(&f->items, hgl_bytes(zeros, HGL_ENVELOPE_SIZE_MAX + (size_t)past));
    frame.batch.envelopes = hgl_run(&f->items, 1);
    frame.batch.header = hgl_bytes(zeros, HGL_HEADER_SIZE_MAX);
    assert_ok(hgl_frame_encode(&frame, &f->out, &err));
    assert_int_equal(hgl_frame_decode(hgl_buf_bytes(&f->out), &back, &err),
                     past ? -HGL_TOO_LARGE : 0);
  }
}

static void frame_encode_refuses_more_than_the_frame_limit(void **state)
{
  struct fixture *f = *state;
  struct hgl_err err = {0};
  static uint8_t zeros[HGL_ENVELOPE_SIZE_MAX];
  struct hgl_frame frame = a_batch(f);
  hgl_buf_clear(&f->items);
  for (int i = 0; i < 5; i++) hgl_run_put_envelope(&f->items, hgl_bytes(zeros, sizeof zeros));
  frame.batch.envelopes = hgl_run(&f->items, 5);
  assert_fails(HGL_TOO_LARGE, hgl_frame_encode(&frame, &f->out, &err));
}

static void frame_encode_survives_failed_allocations(void **state)
{
  struct fixture *f = *state;
  struct hgl_err err = {0};
  struct hgl_frame frame = a_batch(f);
  for (long fail_at = 0; fail_at < 4; fail_at++) {
    hgl_buf_deinit(&f->out);
    hgl_mem_fail_after(fail_at);
    int status = hgl_frame_encode(&frame, &f->out, &err);
    hgl_mem_fail_after(-1);
    assert_true(status == 0 || status == -HGL_NO_MEMORY);
    assert_true(fail_at > 0 || status == -HGL_NO_MEMORY);
  }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
  const struct CMUnitTest tests[] = {
      TEST(frame_hello_comes_back_as_it_went),
      TEST(frame_hello_may_have_nothing_to_resume),
      TEST(frame_batch_comes_back_as_it_went),
      TEST(frame_small_kinds_come_back_as_they_went),
      TEST(frame_of_unknown_kind_is_told_apart),
      TEST(frame_passes_over_unknown_keys_but_checks_them),
      TEST(frame_decode_rejects_wrong_shapes),
      TEST(frame_decode_rejects_a_batch_without_envelopes),
      TEST(frame_decode_survives_every_truncation_and_altered_byte),
      TEST(frame_lists_end_at_their_limits),
      TEST(frame_items_end_at_their_limits),
      TEST(frame_encode_refuses_more_than_the_frame_limit),
      TEST(frame_encode_survives_failed_allocations),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
