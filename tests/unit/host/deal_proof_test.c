#include "support/check.h"

#include <stdio.h>
#include <stdlib.h>

#include "host/deal_proof.h"
#include "protocol/did.h"

/* The pieces of one deal as they come out of their verification, and ways to spoil them. */

enum { PIECES_MAX = 8, BUYER = 0xb0, SELLER = 0x5e, OTHER = 0x07 };
static const int64_t begin_ms = INT64_C(1790000000000);

struct scene {
  struct hgl_key buyer, seller, other;
  char buyer_did[HGL_DID_TEXT_SIZE], seller_did[HGL_DID_TEXT_SIZE], other_did[HGL_DID_TEXT_SIZE];
  char deal[33];
  struct hgl_proof pieces[PIECES_MAX];
  struct hgl_buf bodies[PIECES_MAX];
  size_t count;
};

static struct hgl_err err;

static void make_key(uint8_t seed_byte, struct hgl_key *key, char did[HGL_DID_TEXT_SIZE])
{
  uint8_t seed[HGL_SEED_SIZE] = {seed_byte};
  struct hgl_signer *signer;
  assert_ok(hgl_signer_create(seed, &signer, &err));
  *key = *hgl_signer_key(signer);
  hgl_did_format(key, did);
  hgl_signer_destroy(signer);
}

static int setup(void **state)
{
  struct scene *scene = calloc(1, sizeof *scene);
  make_key(BUYER, &scene->buyer, scene->buyer_did);
  make_key(SELLER, &scene->seller, scene->seller_did);
  make_key(OTHER, &scene->other, scene->other_did);
  memset(scene->deal, 'd', 32);
  *state = scene;
  return 0;
}

static int teardown(void **state)
{
  struct scene *scene = *state;
  for (size_t i = 0; i < scene->count; i++) hgl_buf_deinit(&scene->bodies[i]);
  free(scene);
  return 0;
}

static void set_body(struct scene *scene, struct hgl_proof *piece, const char *json)
{
  size_t index = (size_t)(piece - scene->pieces);
  json_t *value;
  hgl_buf_clear(&scene->bodies[index]);
  assert_ok(hgl_json_parse(hgl_text(json), 4096, &value, &err));
  assert_ok(hgl_value_from_json(value, &scene->bodies[index], &err));
  json_decref(value);
  piece->envelope.body = hgl_buf_bytes(&scene->bodies[index]);
}

/* One more piece, said `index` seconds after the first, in the deal's thread. */
static struct hgl_proof *add(struct scene *scene, const char *type, bool by_buyer, const char *body)
{
  assert_true(scene->count < PIECES_MAX);
  struct hgl_proof *piece = &scene->pieces[scene->count];
  struct hgl_envelope *envelope = &piece->envelope;
  *piece = (struct hgl_proof){0};
  memset(envelope->id.bytes, (int)scene->count + 1, HGL_ID_SIZE);
  memset(envelope->thid.bytes, 0xdd, HGL_ID_SIZE);
  envelope->type = hgl_text(type);
  assert_ok(hgl_type_parse(envelope->type, &envelope->protocol, &envelope->version,
                           &envelope->performative, &err));
  envelope->from = by_buyer ? scene->buyer : scene->seller;
  envelope->to = by_buyer ? scene->seller : scene->buyer;
  envelope->created_time_ms = begin_ms + (int64_t)scene->count * 1000;
  hgl_buf_init(&scene->bodies[scene->count], 4096);
  scene->count++;
  set_body(scene, piece, body);
  return piece;
}

struct terms {
  const char *service, *buyer, *seller, *deal;
  int64_t price, within;
};

static const char *terms_text(const struct terms *terms, bool accepting, char out[1024])
{
  char last[64] = "";
  if (accepting) snprintf(last, sizeof last, ",\"confirm_by\":%lld", (long long)begin_ms + 30000);
  snprintf(out, 1024,
           "{\"deal\":\"%s\",\"service\":\"%s\",\"price\":%lld,\"within\":%lld,\"buyer\":\"%s\","
           "\"seller\":\"%s\"%s}",
           terms->deal, terms->service, (long long)terms->price, (long long)terms->within,
           terms->buyer, terms->seller, last);
  return out;
}

static struct terms terms_of(const struct scene *scene)
{
  return (struct terms){"load", scene->buyer_did, scene->seller_did, scene->deal, 4, 60000};
}

static void add_accept(struct scene *scene, const struct terms *terms)
{
  char text[1024];
  add(scene, "market/1.0/accept", true, terms_text(terms, true, text));
}

static void add_confirm(struct scene *scene, const struct terms *terms)
{
  char text[1024];
  add(scene, "market/1.0/confirm", false, terms_text(terms, false, text));
}

static void add_deliver(struct scene *scene)
{
  char text[100];
  snprintf(text, sizeof text, "{\"deal\":\"%s\",\"attempt\":1,\"result\":{}}", scene->deal);
  add(scene, "market/1.0/deliver", false, text);
}

static void add_received(struct scene *scene)
{
  char text[100];
  snprintf(text, sizeof text, "{\"deal\":\"%s\"}", scene->deal);
  add(scene, "market/1.0/received", true, text);
}

/* The signatures of both sides, and the evidence of its delivery. */
static void add_all(struct scene *scene)
{
  struct terms terms = terms_of(scene);
  add_accept(scene, &terms);
  add_confirm(scene, &terms);
  add_deliver(scene);
  add_received(scene);
}

static int judge(const struct scene *scene, struct hgl_deal_proof *out)
{
  return hgl_deal_judge(scene->pieces, scene->count, out, &err);
}

static void assert_says(const char *text)
{
  if (!strstr(err.message, text)) fail_msg("\"%s\" does not say \"%s\"", err.message, text);
}

static void a_whole_deal_is_proved(void **state)
{
  struct scene *scene = *state;
  struct hgl_deal_proof deal;
  add_all(scene);
  assert_true(hgl_deal_is_one(scene->pieces, scene->count));
  assert_ok(judge(scene, &deal));
  assert_true(hgl_bytes_is(deal.service, "load"));
  assert_int_equal(deal.price, 4);
  assert_int_equal(deal.within_ms, 60000);
  assert_true(hgl_key_equal(&deal.buyer, &scene->buyer));
  assert_true(hgl_key_equal(&deal.seller, &scene->seller));
  assert_ptr_equal(deal.accept, &scene->pieces[0]);
  assert_ptr_equal(deal.confirm, &scene->pieces[1]);
  assert_ptr_equal(deal.deliver, &scene->pieces[2]);
  assert_ptr_equal(deal.received, &scene->pieces[3]);
  assert_null(deal.decline);
}

static void the_order_in_the_file_does_not_matter(void **state)
{
  struct scene *scene = *state;
  struct hgl_deal_proof deal;
  add_all(scene);
  struct hgl_proof first = scene->pieces[0];
  scene->pieces[0] = scene->pieces[3];
  scene->pieces[3] = first;
  assert_ok(judge(scene, &deal));
  assert_ptr_equal(deal.accept, &scene->pieces[3]);
  assert_ptr_equal(deal.received, &scene->pieces[0]);
}

static void without_delivery_it_is_a_deal_all_the_same(void **state)
{
  struct scene *scene = *state;
  struct hgl_deal_proof deal;
  struct terms terms = terms_of(scene);
  add_accept(scene, &terms);
  add_confirm(scene, &terms);
  assert_ok(judge(scene, &deal));
  assert_null(deal.deliver);
  assert_null(deal.received);
  add(scene, "market/1.0/decline", false, "{\"why\":\"broken\",\"code\":\"undelivered\"}");
  assert_ok(judge(scene, &deal));
  assert_ptr_equal(deal.decline, &scene->pieces[2]);
}

static void of_several_deliveries_the_first_counts(void **state)
{
  struct scene *scene = *state;
  struct hgl_deal_proof deal;
  add_all(scene);
  add_deliver(scene);
  scene->pieces[4].envelope.created_time_ms = begin_ms + 1500;
  assert_ok(judge(scene, &deal));
  assert_ptr_equal(deal.deliver, &scene->pieces[4]);
}

static void one_side_alone_proves_nothing(void **state)
{
  struct scene *scene = *state;
  struct hgl_deal_proof deal = {.price = 77};
  struct terms terms = terms_of(scene);
  add_accept(scene, &terms);
  assert_fails(HGL_NOT_FOUND, judge(scene, &deal));
  assert_says("one side's signature is missing");
  add_deliver(scene);
  add_received(scene);
  assert_fails(HGL_NOT_FOUND, judge(scene, &deal));
  assert_int_equal(deal.price, 77); /* written only on success */
}

static void a_confirmation_without_an_acceptance_proves_nothing(void **state)
{
  struct scene *scene = *state;
  struct hgl_deal_proof deal;
  struct terms terms = terms_of(scene);
  add_confirm(scene, &terms);
  assert_fails(HGL_NOT_FOUND, judge(scene, &deal));
  assert_says("nobody accepted");
}

static void terms_that_differ_are_named(void **state)
{
  struct scene *scene = *state;
  struct terms good = terms_of(scene);
  struct {
    struct terms terms;
    const char *says;
  } cases[] = {{good, "price 4 was accepted, 5 confirmed"},
               {good, "different terms: service"},
               {good, "different terms: within"},
               {good, "different terms: buyer"},
               {good, "different terms: seller"}};
  cases[0].terms.price = 5;
  cases[1].terms.service = "loads";
  cases[2].terms.within = 60001;
  cases[3].terms.buyer = scene->other_did;
  cases[4].terms.seller = scene->other_did;
  add_accept(scene, &good);
  add_confirm(scene, &good);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct hgl_deal_proof deal;
    char text[1024];
    set_body(scene, &scene->pieces[1], terms_text(&cases[i].terms, false, text));
    assert_fails(HGL_INVALID, judge(scene, &deal));
    assert_says(cases[i].says);
  }
}

static void a_piece_of_another_deal_is_refused(void **state)
{
  struct scene *scene = *state;
  struct hgl_deal_proof deal;
  add_all(scene);
  struct hgl_proof good = scene->pieces[2];
  memset(scene->pieces[2].envelope.thid.bytes, 0xde, HGL_ID_SIZE); /* another thread */
  assert_fails(HGL_INVALID, judge(scene, &deal));
  assert_says("evidence 3 of 4 is of another deal");
  scene->pieces[2] = good;
  scene->pieces[2].envelope.from = scene->other; /* the same id between others */
  assert_fails(HGL_INVALID, judge(scene, &deal));
  assert_says("evidence 3 of 4 is of another deal");
  scene->pieces[2] = good;
  scene->pieces[2].envelope.protocol = hgl_text("echo");
  assert_fails(HGL_INVALID, judge(scene, &deal));
  assert_says("no part of a deal");
}

static void what_speaks_of_another_deal_in_its_body_is_refused(void **state)
{
  struct scene *scene = *state;
  struct hgl_deal_proof deal;
  struct terms terms = terms_of(scene);
  char text[1024], other[33];
  add_all(scene);
  set_body(scene, &scene->pieces[3], "{\"deal\":\"0123\"}");
  assert_fails(HGL_INVALID, judge(scene, &deal));
  assert_says("the received speaks of another deal");
  snprintf(text, sizeof text, "{\"deal\":\"%s\"}", scene->deal);
  set_body(scene, &scene->pieces[3], text);
  memset(other, 'e', 32);
  other[32] = 0;
  terms.deal = other;
  set_body(scene, &scene->pieces[0], terms_text(&terms, true, text));
  assert_fails(HGL_INVALID, judge(scene, &deal));
  assert_says("the accept speaks of another deal");
}

static void terms_bind_only_those_who_signed_them(void **state)
{
  struct scene *scene = *state;
  struct hgl_deal_proof deal;
  struct terms terms = terms_of(scene);
  terms.seller = scene->other_did;
  add_accept(scene, &terms);
  add_confirm(scene, &terms);
  assert_fails(HGL_INVALID, judge(scene, &deal));
  assert_says("others than the two who signed");
}

static void nobody_confirms_its_own_acceptance(void **state)
{
  struct scene *scene = *state;
  struct hgl_deal_proof deal;
  struct terms terms = terms_of(scene);
  add_accept(scene, &terms);
  add_confirm(scene, &terms);
  scene->pieces[1].envelope.from = scene->buyer;
  scene->pieces[1].envelope.to = scene->seller;
  assert_fails(HGL_PROTOCOL_VIOLATION, judge(scene, &deal));
}

static void each_side_says_what_is_its_own(void **state)
{
  for (int i = 2; i < 4; i++) {
    struct scene *scene = *state;
    struct hgl_deal_proof deal;
    if (!scene->count) add_all(scene);
    struct hgl_envelope *envelope = &scene->pieces[i].envelope;
    struct hgl_key from = envelope->from;
    envelope->from = envelope->to;
    envelope->to = from;
    assert_fails(HGL_PROTOCOL_VIOLATION, judge(scene, &deal));
    assert_says(i == 2 ? "not said by the seller" : "not said by the buyer");
    envelope->to = envelope->from;
    envelope->from = from;
  }
}

static void a_late_confirmation_binds_nobody(void **state)
{
  struct scene *scene = *state;
  struct hgl_deal_proof deal;
  struct terms terms = terms_of(scene);
  add_accept(scene, &terms);
  add_confirm(scene, &terms);
  int64_t last_ms = begin_ms + 30000 + HGL_CLOCK_SKEW_MAX_MS;
  scene->pieces[1].envelope.created_time_ms = last_ms;
  assert_ok(judge(scene, &deal));
  scene->pieces[1].envelope.created_time_ms = last_ms + 1;
  assert_fails(HGL_EXPIRED, judge(scene, &deal));
}

static void the_same_message_twice_is_one_and_a_different_one_is_refused(void **state)
{
  struct scene *scene = *state;
  struct hgl_deal_proof deal;
  struct terms terms = terms_of(scene);
  char text[1024];
  add_accept(scene, &terms);
  add_confirm(scene, &terms);
  add_confirm(scene, &terms);
  scene->pieces[2].envelope.id = scene->pieces[1].envelope.id;
  scene->pieces[2].envelope.created_time_ms = scene->pieces[1].envelope.created_time_ms;
  assert_ok(judge(scene, &deal));
  terms.price = 5;
  set_body(scene, &scene->pieces[2], terms_text(&terms, false, text));
  assert_fails(HGL_INVALID, judge(scene, &deal));
  assert_says("two different messages 'confirm'");
}

static void bodies_that_are_no_terms_are_refused(void **state)
{
  static const char *const bodies[] = {
      "null",
      "7",
      "[]",
      "{}",
      "\"deal\"",
      "{\"deal\":7}",
      /* all but the last, and values of a wrong kind or size */
      "{\"deal\":\"D\",\"service\":\"s\",\"price\":4,\"within\":1,\"buyer\":\"B\"}",
      "{\"deal\":\"D\",\"service\":\"\",\"price\":4,\"within\":1,\"buyer\":\"B\",\"seller\":\"S\"}",
      "{\"deal\":\"D\",\"service\":\"s\",\"price\":-1,\"within\":1,\"buyer\":\"B\",\"seller\":"
      "\"S\"}",
      "{\"deal\":\"D\",\"service\":\"s\",\"price\":4.0,\"within\":1,\"buyer\":\"B\",\"seller\":"
      "\"S\"}",
      "{\"deal\":\"D\",\"service\":\"s\",\"price\":1000000000000001,\"within\":1,\"buyer\":\"B\","
      "\"seller\":\"S\"}",
      "{\"deal\":\"D\",\"service\":\"s\",\"price\":4,\"within\":0,\"buyer\":\"B\",\"seller\":"
      "\"S\"}",
      "{\"deal\":\"D\",\"service\":\"s\",\"price\":4,\"within\":1,\"buyer\":\"me\",\"seller\":"
      "\"S\"}",
  };
  struct scene *scene = *state;
  struct terms terms = terms_of(scene);
  add_accept(scene, &terms);
  add_confirm(scene, &terms);
  for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
    struct hgl_deal_proof deal;
    char text[1024] = "";
    for (const char *at = bodies[i]; *at; at++) {
      bool named = at[0] == '"' && at[1] &&
                   at[2] == '"'; /* "D", "B", "S" stand for the real ones */
      const char *full = !named         ? NULL
                         : at[1] == 'D' ? scene->deal
                         : at[1] == 'B' ? scene->buyer_did
                         : at[1] == 'S' ? scene->seller_did
                                        : NULL;
      size_t size = strlen(text);
      snprintf(text + size, sizeof text - size, full ? "\"%s\"" : "%.1s", full ? full : at);
      if (full) at += 2;
    }
    set_body(scene, &scene->pieces[1], text);
    assert_fails(HGL_MALFORMED, judge(scene, &deal));
  }
}

static void what_holds_no_market_message_is_no_deal(void **state)
{
  struct scene *scene = *state;
  add(scene, "echo/1.0/say", true, "{}");
  add(scene, "market/2.0/accept", true, "{}");
  assert_false(hgl_deal_is_one(scene->pieces, scene->count));
  assert_false(hgl_deal_is_one(scene->pieces, 0));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
  const struct CMUnitTest tests[] = {
      TEST(a_whole_deal_is_proved),
      TEST(the_order_in_the_file_does_not_matter),
      TEST(without_delivery_it_is_a_deal_all_the_same),
      TEST(of_several_deliveries_the_first_counts),
      TEST(one_side_alone_proves_nothing),
      TEST(a_confirmation_without_an_acceptance_proves_nothing),
      TEST(terms_that_differ_are_named),
      TEST(a_piece_of_another_deal_is_refused),
      TEST(what_speaks_of_another_deal_in_its_body_is_refused),
      TEST(terms_bind_only_those_who_signed_them),
      TEST(nobody_confirms_its_own_acceptance),
      TEST(each_side_says_what_is_its_own),
      TEST(a_late_confirmation_binds_nobody),
      TEST(the_same_message_twice_is_one_and_a_different_one_is_refused),
      TEST(bodies_that_are_no_terms_are_refused),
      TEST(what_holds_no_market_message_is_no_deal),
  };
  if (hgl_crypto_init(&err) != 0) return 1;
  return cmocka_run_group_tests(tests, NULL, NULL);
}
