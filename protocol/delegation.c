#include "protocol/delegation.h"

#include <assert.h>

#include "protocol/did.h"
#include "protocol/limits.h"

#define DELEGATION_TYPE "application/haggle-delegation+cwt"

enum {
  ISSUER = 1, /* RFC 8392 §4 */
  SUBJECT = 2,
  EXPIRES = 4,
  ISSUED = 6,
  SEQUENCE = -65537, /* from the range for private use */
};

/* The one order that deterministic encoding permits. */
static const int64_t claim_order[] = {ISSUER, SUBJECT, EXPIRES, ISSUED, SEQUENCE};
enum { CLAIM_COUNT = sizeof claim_order / sizeof claim_order[0] };

static int check_terms(const struct hgl_delegation *delegation, struct hgl_err *err)
{
  const int64_t time_max_s = (int64_t)(HGL_COUNTER_MAX / 1000);
  if (delegation->issued_s < 0 || delegation->expires_s > time_max_s)
    return hgl_fail(err, HGL_MALFORMED, "delegation's times are out of range");
  if (delegation->expires_s <= delegation->issued_s)
    return hgl_fail(err, HGL_MALFORMED, "delegation ends before it begins");
  if (delegation->expires_s - delegation->issued_s > HGL_DELEGATION_LIFE_MAX_S)
    return hgl_fail(err, HGL_TOO_LARGE, "delegation for %lld s, limit %d",
                    (long long)(delegation->expires_s - delegation->issued_s),
                    HGL_DELEGATION_LIFE_MAX_S);
  if (delegation->sequence > HGL_COUNTER_MAX)
    return hgl_fail(err, HGL_MALFORMED, "delegation's sequence is out of range");
  return 0;
}

static void put_did(struct hgl_buf *out, const struct hgl_key *key)
{
  char did[HGL_DID_TEXT_SIZE];
  hgl_did_format(key, did);
  hgl_cbor_put_literal(out, did);
}

int hgl_delegation_sign(const struct hgl_signer *agent, const struct hgl_delegation *delegation,
                        struct hgl_buf *out, struct hgl_err *err)
{
  assert(hgl_key_equal(hgl_signer_key(agent), &delegation->agent));
  int status = check_terms(delegation, err);
  if (status) return status;

  struct hgl_buf claims;
  hgl_buf_init(&claims, HGL_DELEGATION_SIZE_MAX);
  hgl_cbor_put_map(&claims, CLAIM_COUNT);
  hgl_cbor_put_int(&claims, ISSUER);
  put_did(&claims, &delegation->agent);
  hgl_cbor_put_int(&claims, SUBJECT);
  put_did(&claims, &delegation->host);
  hgl_cbor_put_int(&claims, EXPIRES);
  hgl_cbor_put_int(&claims, delegation->expires_s);
  hgl_cbor_put_int(&claims, ISSUED);
  hgl_cbor_put_int(&claims, delegation->issued_s);
  hgl_cbor_put_int(&claims, SEQUENCE);
  hgl_cbor_put_uint(&claims, delegation->sequence);
  status = hgl_buf_check(&claims, err);
  if (!status) status = hgl_cose_sign(agent, DELEGATION_TYPE, hgl_buf_bytes(&claims), out, err);
  hgl_buf_deinit(&claims);
  return status;
}

static int get_did(struct hgl_cbor_reader *in, const char *what, struct hgl_key *out,
                   struct hgl_err *err)
{
  struct hgl_bytes text;
  int status = hgl_cbor_get_text(in, what, HGL_DID_TEXT_SIZE - 1, &text, err);
  return status ? status : hgl_did_decode(text, out, err);
}

static int decode_claim(struct hgl_cbor_reader *in, int64_t claim, struct hgl_delegation *out,
                        struct hgl_err *err)
{
  switch (claim) {
  case ISSUER:
    return get_did(in, "iss", &out->agent, err);
  case SUBJECT:
    return get_did(in, "sub", &out->host, err);
  case EXPIRES:
    return hgl_cbor_get_int(in, "exp", &out->expires_s, err);
  case ISSUED:
    return hgl_cbor_get_int(in, "iat", &out->issued_s, err);
  default:
    return hgl_cbor_get_uint(in, "sequence", HGL_COUNTER_MAX, &out->sequence, err);
  }
}

static int decode_claims(struct hgl_bytes payload, struct hgl_delegation *out, struct hgl_err *err)
{
  struct hgl_cbor_reader in = hgl_cbor_reader(payload);
  size_t count;
  int status = hgl_cbor_get_map(&in, "claims", payload.size, &count, err);
  if (status) return status;
  if (count != CLAIM_COUNT)
    return hgl_fail(err, HGL_MALFORMED, "a delegation has %d claims, here are %zu", CLAIM_COUNT,
                    count);
  for (size_t i = 0; i < count; i++) {
    int64_t claim;
    if ((status = hgl_cbor_get_int(&in, "claim key", &claim, err))) return status;
    if (claim != claim_order[i])
      return hgl_fail(err, HGL_MALFORMED, "claim %lld where %lld belongs", (long long)claim,
                      (long long)claim_order[i]);
    if ((status = decode_claim(&in, claim, out, err))) return status;
  }
  if ((status = hgl_cbor_end(&in, "claims", err))) return status;
  return check_terms(out, err);
}

static int decode(struct hgl_bytes bytes, struct hgl_cose *cose, struct hgl_delegation *out,
                  struct hgl_err *err)
{
  if (bytes.size > HGL_DELEGATION_SIZE_MAX)
    return hgl_fail(err, HGL_TOO_LARGE, "delegation of %zu bytes, limit %d", bytes.size,
                    HGL_DELEGATION_SIZE_MAX);
  int status = hgl_cose_decode(bytes, DELEGATION_TYPE, cose, err);
  return status ? status : decode_claims(cose->payload, out, err);
}

int hgl_delegation_decode(struct hgl_bytes bytes, struct hgl_delegation *out, struct hgl_err *err)
{
  struct hgl_cose cose;
  struct hgl_delegation delegation = {0};
  int status = decode(bytes, &cose, &delegation, err);
  if (status)
    hgl_fail_in(err, "delegation");
  else
    *out = delegation;
  return status;
}

int hgl_delegation_verify(struct hgl_bytes bytes, struct hgl_delegation *out, struct hgl_err *err)
{
  struct hgl_cose cose;
  struct hgl_delegation delegation = {0};
  int status = decode(bytes, &cose, &delegation, err);
  if (!status) status = hgl_key_check(&delegation.agent, err);
  if (!status) status = hgl_key_check(&delegation.host, err);
  if (!status) status = hgl_cose_verify(&cose, &delegation.agent, err);
  if (status)
    hgl_fail_in(err, "delegation");
  else
    *out = delegation;
  return status;
}

int hgl_delegation_check(const struct hgl_delegation *delegation, const struct hgl_key *host,
                         int64_t time_ms, struct hgl_err *err)
{
  if (!hgl_key_equal(&delegation->host, host)) {
    char named[HGL_DID_TEXT_SIZE], actual[HGL_DID_TEXT_SIZE];
    hgl_did_format(&delegation->host, named);
    hgl_did_format(host, actual);
    return hgl_fail(err, HGL_WRONG_HOST, "delegated to %s, spoken for by %s", named, actual);
  }
  if (time_ms >= delegation->expires_s * 1000)
    return hgl_fail(err, HGL_DELEGATION_EXPIRED,
                    "delegation ended at %lld s, header's time %lld ms",
                    (long long)delegation->expires_s, (long long)time_ms);
  if (time_ms < delegation->issued_s * 1000 - HGL_CLOCK_SKEW_MAX_MS)
    return hgl_fail(err, HGL_DELEGATION_EXPIRED,
                    "delegation begins at %lld s, header's time %lld ms",
                    (long long)delegation->issued_s, (long long)time_ms);
  return 0;
}
