#include "host/deal_proof.h"

#include "protocol/did.h"

/* The limits of market.definition. */
#define PRICE_MAX     INT64_C(1000000000000000)
#define WITHIN_MAX_MS (INT64_C(366) * 24 * 3600 * 1000)
enum { SERVICE_SIZE_MAX = 200 };

struct terms {
  struct hgl_bytes service;
  int64_t price, within_ms;
  struct hgl_key buyer, seller;
};

static bool is_market(const struct hgl_proof *proof)
{
  return hgl_bytes_is(proof->envelope.protocol, "market") &&
         hgl_bytes_is(proof->envelope.version, "1.0");
}

static bool performs(const struct hgl_proof *proof, const char *performative)
{
  return hgl_bytes_is(proof->envelope.performative, performative);
}

bool hgl_deal_is_one(const struct hgl_proof *proofs, size_t count)
{
  for (size_t i = 0; i < count; i++)
    if (is_market(&proofs[i])) return true;
  return false;
}

/* One thread: the same id between the same two agents, whichever speaks. */
static bool same_thread(const struct hgl_envelope *a, const struct hgl_envelope *b)
{
  bool along = hgl_key_equal(&a->from, &b->from) && hgl_key_equal(&a->to, &b->to);
  bool against = hgl_key_equal(&a->from, &b->to) && hgl_key_equal(&a->to, &b->from);
  return hgl_id_equal(&a->thid, &b->thid) && (along || against);
}

static int check_threads(const struct hgl_proof *proofs, size_t count, struct hgl_err *err)
{
  for (size_t i = 0; i < count; i++) {
    if (!is_market(&proofs[i]))
      return hgl_fail(err, HGL_INVALID, "evidence %zu of %zu, %.*s, is no part of a deal", i + 1,
                      count, HGL_STR(proofs[i].envelope.type));
    if (!same_thread(&proofs[0].envelope, &proofs[i].envelope))
      return hgl_fail(err, HGL_INVALID, "evidence %zu of %zu is of another deal than the first",
                      i + 1, count);
  }
  return 0;
}

/* Fields of a body --------------------------------------------------------------------------- */

static int get_field(const struct hgl_proof *proof, const char *name, struct hgl_bytes *out,
                     struct hgl_err *err)
{
  bool found = false;
  int status = 0;
  enum { MAP_HEAD = 0xa0, MAJOR_TYPE = 0xe0 };
  struct hgl_bytes body = proof->envelope.body;
  if ((body.data[0] & MAJOR_TYPE) == MAP_HEAD)
    status = hgl_value_field(body, name, out, &found, err);
  if (status || found) return status;
  return hgl_fail(err, HGL_MALFORMED, "the %.*s has no %s", HGL_STR(proof->envelope.performative),
                  name);
}

static int get_text(const struct hgl_proof *proof, const char *name, size_t size_max,
                    struct hgl_bytes *out, struct hgl_err *err)
{
  struct hgl_bytes field = {0};
  int status = get_field(proof, name, &field, err);
  struct hgl_cbor_reader in = hgl_cbor_reader(field);
  if (status) return status;
  if (hgl_cbor_get_text(&in, name, size_max, out, err) || out->size == 0)
    return hgl_fail(err, HGL_MALFORMED, "the %.*s names no %s",
                    HGL_STR(proof->envelope.performative), name);
  return 0;
}

static int get_number(const struct hgl_proof *proof, const char *name, int64_t least, int64_t most,
                      int64_t *out, struct hgl_err *err)
{
  struct hgl_bytes field = {0};
  int64_t number;
  int status = get_field(proof, name, &field, err);
  struct hgl_cbor_reader in = hgl_cbor_reader(field);
  if (status) return status;
  if (hgl_cbor_get_int(&in, name, &number, err) || number < least || number > most)
    return hgl_fail(err, HGL_MALFORMED, "the %s of the %.*s is no integer from %lld to %lld", name,
                    HGL_STR(proof->envelope.performative), (long long)least, (long long)most);
  *out = number;
  return 0;
}

static int get_did(const struct hgl_proof *proof, const char *name, struct hgl_key *out,
                   struct hgl_err *err)
{
  struct hgl_bytes text;
  int status = get_text(proof, name, HGL_DID_TEXT_SIZE, &text, err);
  if (!status && (status = hgl_did_parse(text, out, err)))
    hgl_fail_in(err, "the %s of the %.*s", name, HGL_STR(proof->envelope.performative));
  return status;
}

/* The body says of which deal it is: of the one whose thread it is in. */
static int check_deal_id(const struct hgl_proof *proof, struct hgl_err *err)
{
  struct hgl_bytes text;
  char id[2 * HGL_ID_SIZE + 1];
  int status = get_text(proof, "deal", 2 * HGL_ID_SIZE, &text, err);
  if (status) return status;
  hgl_id_format(&proof->envelope.thid, id);
  return hgl_bytes_is(text, id) ? 0
                                : hgl_fail(err, HGL_INVALID, "the %.*s speaks of another deal",
                                           HGL_STR(proof->envelope.performative));
}

/* The terms ---------------------------------------------------------------------------------- */

static int get_terms(const struct hgl_proof *proof, struct terms *out, struct hgl_err *err)
{
  int status;
  if ((status = check_deal_id(proof, err)) ||
      (status = get_text(proof, "service", SERVICE_SIZE_MAX, &out->service, err)) ||
      (status = get_number(proof, "price", 0, PRICE_MAX, &out->price, err)) ||
      (status = get_number(proof, "within", 1, WITHIN_MAX_MS, &out->within_ms, err)) ||
      (status = get_did(proof, "buyer", &out->buyer, err)))
    return status;
  return get_did(proof, "seller", &out->seller, err);
}

static int check_same(const struct terms *a, const struct terms *b, struct hgl_err *err)
{
  if (a->price != b->price)
    return hgl_fail(err, HGL_INVALID,
                    "the two sides signed different terms: price %lld was accepted, %lld confirmed",
                    (long long)a->price, (long long)b->price);
  const char *differs = !hgl_bytes_equal(a->service, b->service) ? "service"
                        : a->within_ms != b->within_ms           ? "within"
                        : !hgl_key_equal(&a->buyer, &b->buyer)   ? "buyer"
                        : !hgl_key_equal(&a->seller, &b->seller) ? "seller"
                                                                 : NULL;
  if (!differs) return 0;
  return hgl_fail(err, HGL_INVALID, "the two sides signed different terms: %s", differs);
}

/* The one message of this kind; the same one twice is one. */
static int find_only(const struct hgl_proof *proofs, size_t count, const char *performative,
                     const char *missing, const struct hgl_proof **out, struct hgl_err *err)
{
  const struct hgl_proof *found = NULL;
  for (size_t i = 0; i < count; i++) {
    const struct hgl_envelope *envelope = &proofs[i].envelope;
    if (!performs(&proofs[i], performative)) continue;
    if (found && (!hgl_id_equal(&envelope->id, &found->envelope.id) ||
                  !hgl_key_equal(&envelope->from, &found->envelope.from) ||
                  envelope->created_time_ms != found->envelope.created_time_ms ||
                  !hgl_bytes_equal(envelope->body, found->envelope.body)))
      return hgl_fail(err, HGL_INVALID, "there are two different messages '%s' of one deal",
                      performative);
    found = &proofs[i];
  }
  if (!found) return hgl_fail(err, HGL_NOT_FOUND, "one side's signature is missing: %s", missing);
  *out = found;
  return 0;
}

static bool is_between(const struct hgl_deal_proof *deal, const struct hgl_envelope *envelope)
{
  bool sold = hgl_key_equal(&envelope->from, &deal->seller) &&
              hgl_key_equal(&envelope->to, &deal->buyer);
  bool bought = hgl_key_equal(&envelope->from, &deal->buyer) &&
                hgl_key_equal(&envelope->to, &deal->seller);
  return sold || bought;
}

static int check_terms(struct hgl_deal_proof *deal, struct hgl_err *err)
{
  struct terms accepted, confirmed;
  int64_t confirm_by_ms;
  int status;
  if (hgl_key_equal(&deal->accept->envelope.from, &deal->confirm->envelope.from))
    return hgl_fail(err, HGL_PROTOCOL_VIOLATION, "one side accepted and confirmed by itself");
  if ((status = get_terms(deal->accept, &accepted, err)) ||
      (status = get_terms(deal->confirm, &confirmed, err)) ||
      (status = check_same(&accepted, &confirmed, err)) ||
      (status = get_number(deal->accept, "confirm_by", 0, (int64_t)HGL_COUNTER_MAX, &confirm_by_ms,
                           err)))
    return status;
  deal->id = deal->accept->envelope.thid;
  deal->service = accepted.service;
  deal->price = accepted.price;
  deal->within_ms = accepted.within_ms;
  deal->buyer = accepted.buyer;
  deal->seller = accepted.seller;
  if (!is_between(deal, &deal->accept->envelope))
    return hgl_fail(err, HGL_INVALID, "the terms name others than the two who signed them");
  /* When it was said, not the header's time: a message that found no room is signed again later,
   * unchanged. */
  if (deal->confirm->envelope.created_time_ms > confirm_by_ms + HGL_CLOCK_SKEW_MAX_MS)
    return hgl_fail(err, HGL_EXPIRED, "it was confirmed after the acceptance had ended");
  return 0;
}

/* What came of it ---------------------------------------------------------------------------- */

static void earliest(const struct hgl_proof **held, const struct hgl_proof *proof)
{
  if (!*held || proof->envelope.created_time_ms < (*held)->envelope.created_time_ms) *held = proof;
}

static int check_author(const struct hgl_proof *proof, const struct hgl_key *side, const char *name,
                        struct hgl_err *err)
{
  if (hgl_key_equal(&proof->envelope.from, side)) return 0;
  return hgl_fail(err, HGL_PROTOCOL_VIOLATION, "the %.*s was not said by the %s",
                  HGL_STR(proof->envelope.performative), name);
}

static int take_piece(const struct hgl_proof *proof, struct hgl_deal_proof *deal,
                      struct hgl_err *err)
{
  int status = 0;
  if (performs(proof, "deliver")) {
    if ((status = check_author(proof, &deal->seller, "seller", err)) ||
        (status = check_deal_id(proof, err)))
      return status;
    earliest(&deal->deliver, proof);
  } else if (performs(proof, "received")) {
    if ((status = check_author(proof, &deal->buyer, "buyer", err)) ||
        (status = check_deal_id(proof, err)))
      return status;
    earliest(&deal->received, proof);
  } else if (performs(proof, "decline")) {
    earliest(&deal->decline, proof);
  } else if (performs(proof, "bid")) {
    status = check_author(proof, &deal->buyer, "buyer", err);
  } else if (performs(proof, "counter")) {
    status = check_author(proof, &deal->seller, "seller", err);
  }
  return status;
}

int hgl_deal_judge(const struct hgl_proof *proofs, size_t count, struct hgl_deal_proof *out,
                   struct hgl_err *err)
{
  struct hgl_deal_proof deal = {0};
  int status;
  if ((status = check_threads(proofs, count, err)) ||
      (status = find_only(proofs, count, "accept", "nobody accepted", &deal.accept, err)) ||
      (status = find_only(proofs, count, "confirm", "the acceptance was not confirmed",
                          &deal.confirm, err)) ||
      (status = check_terms(&deal, err)))
    return status;
  for (size_t i = 0; i < count && !status; i++) status = take_piece(&proofs[i], &deal, err);
  if (!status) *out = deal;
  return status;
}
