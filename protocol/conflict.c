#include "protocol/conflict.h"

#define CONFLICT_MARK "haggle-conflict/1"

enum { KEY_MARK, KEY_A, KEY_B, KEY_COUNT };

int hgl_conflict_encode(struct hgl_bytes a, struct hgl_bytes b, struct hgl_buf *out,
                        struct hgl_err *err)
{
  if (a.size > HGL_HEADER_SIZE_MAX || b.size > HGL_HEADER_SIZE_MAX)
    return hgl_fail(err, HGL_TOO_LARGE, "a signed object of more than %d bytes",
                    HGL_HEADER_SIZE_MAX);
  hgl_cbor_put_map(out, KEY_COUNT);
  hgl_cbor_put_uint(out, KEY_MARK);
  hgl_cbor_put_literal(out, CONFLICT_MARK);
  hgl_cbor_put_uint(out, KEY_A);
  hgl_cbor_put_bytes(out, a);
  hgl_cbor_put_uint(out, KEY_B);
  hgl_cbor_put_bytes(out, b);
  return hgl_buf_check(out, err);
}

bool hgl_conflict_marked(struct hgl_bytes bytes)
{
  static const char head[] = "\xa3\x00\x71" CONFLICT_MARK; /* map of 3, key 0, text of 17 */
  return bytes.size >= sizeof head - 1 && memcmp(bytes.data, head, sizeof head - 1) == 0;
}

static int decode_mark(struct hgl_cbor_reader *in, struct hgl_err *err)
{
  struct hgl_bytes mark;
  int status = hgl_cbor_get_text(in, "conflict's mark", HGL_NAME_SIZE_MAX, &mark, err);
  if (status || hgl_bytes_is(mark, CONFLICT_MARK)) return status;
  return hgl_fail(err, HGL_BAD_TYPE, "not marked as \"" CONFLICT_MARK "\"");
}

static int decode(struct hgl_bytes bytes, struct hgl_bytes *a, struct hgl_bytes *b,
                  struct hgl_err *err)
{
  struct hgl_cbor_reader in = hgl_cbor_reader(bytes);
  int64_t previous = INT64_MIN, key;
  size_t count;
  if (bytes.size > HGL_CONFLICT_SIZE_MAX)
    return hgl_fail(err, HGL_TOO_LARGE, "a conflict of %zu bytes, limit %d", bytes.size,
                    HGL_CONFLICT_SIZE_MAX);
  int status = hgl_cbor_get_map(&in, "conflict", bytes.size, &count, err);
  if (status) return status;
  if (count != KEY_COUNT)
    return hgl_fail(err, HGL_MALFORMED, "a conflict has %d parts, here are %zu", KEY_COUNT, count);
  for (int64_t expected = 0; expected < KEY_COUNT; expected++) {
    if ((status = hgl_cbor_get_key(&in, "conflict", &previous, &key, err))) return status;
    if (key != expected)
      return hgl_fail(err, HGL_MALFORMED, "conflict: key %lld where %lld belongs", (long long)key,
                      (long long)expected);
    if (key == KEY_MARK)
      status = decode_mark(&in, err);
    else
      status = hgl_cbor_get_bytes(&in, "signed object", HGL_HEADER_SIZE_MAX, key == KEY_A ? a : b,
                                  err);
    if (status) return status;
  }
  return hgl_cbor_end(&in, "conflict", err);
}

static int verify_headers(struct hgl_bytes a, struct hgl_bytes b, struct hgl_conflict *out,
                          struct hgl_err *err)
{
  struct hgl_hash hash;
  int status;
  if ((status = hgl_header_verify(a, &out->a, err)) ||
      (status = hgl_header_verify(b, &out->b, err)))
    return status;
  out->subject = out->a.host;
  out->sequence = out->a.sequence;
  if (!hgl_key_equal(&out->a.host, &out->b.host))
    return hgl_fail(err, HGL_INVALID, "the two headers are of different hosts");
  if (!hgl_incarnation_equal(&out->a.incarnation, &out->b.incarnation))
    return hgl_fail(err, HGL_INVALID, "the two headers are of different incarnations");
  if (out->a.sequence == out->b.sequence) {
    out->kind = HGL_CONFLICT_FORK;
    return hgl_bytes_equal(a, b) ? hgl_fail(err, HGL_INVALID, "the two headers are one") : 0;
  }
  out->kind = HGL_CONFLICT_CHAIN;
  hgl_header_hash(a, &hash);
  if (out->b.sequence != out->a.sequence + 1 || hgl_hash_equal(&out->b.previous, &hash))
    return hgl_fail(err, HGL_INVALID, "the two headers do not contradict each other");
  return 0;
}

static int verify_delegations(struct hgl_bytes a, struct hgl_bytes b, struct hgl_conflict *out,
                              struct hgl_err *err)
{
  int status;
  if ((status = hgl_delegation_verify(a, &out->delegation_a, err)) ||
      (status = hgl_delegation_verify(b, &out->delegation_b, err)))
    return status;
  out->kind = HGL_CONFLICT_DELEGATIONS;
  out->subject = out->delegation_a.agent;
  out->sequence = out->delegation_a.sequence;
  if (!hgl_key_equal(&out->delegation_a.agent, &out->delegation_b.agent))
    return hgl_fail(err, HGL_INVALID, "the two delegations are of different agents");
  if (out->delegation_a.sequence != out->delegation_b.sequence || hgl_bytes_equal(a, b))
    return hgl_fail(err, HGL_INVALID, "the two delegations do not contradict each other");
  return 0;
}

/* Which kind it is, the type that the first one's signature protects says. */
int hgl_conflict_verify(struct hgl_bytes bytes, struct hgl_conflict *out, struct hgl_err *err)
{
  struct hgl_conflict conflict = {0};
  struct hgl_delegation claims;
  struct hgl_bytes a = {0}, b = {0};
  struct hgl_err ignored;
  int status = decode(bytes, &a, &b, err);
  if (status) return status;
  status = hgl_delegation_decode(a, &claims, &ignored);
  if (status == -HGL_NO_MEMORY) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  status = status ? verify_headers(a, b, &conflict, err) : verify_delegations(a, b, &conflict, err);
  if (!status) *out = conflict;
  return status;
}
