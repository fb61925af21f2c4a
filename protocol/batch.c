#include "protocol/batch.h"

#include <assert.h>

#define HEADER_TYPE "application/haggle-header+cbor"

enum {
  LEAF_DESTINATION = 1,
  LEAF_FIRST_NUMBER,
  LEAF_COUNT,
  LEAF_PREVIOUS,
  LEAF_ROOT,
  LEAF_FIELDS = LEAF_ROOT,
};

enum {
  HEADER_HOST = 1,
  HEADER_INCARNATION,
  HEADER_SEQUENCE,
  HEADER_PREVIOUS,
  HEADER_ROOT,
  HEADER_GROUP_COUNT,
  HEADER_TIME,
  HEADER_CONTINUES,
  HEADER_FIELDS = HEADER_TIME, /* one more when it continues another incarnation */
};

static bool is_zero(const struct hgl_hash *hash)
{
  static const struct hgl_hash zero;
  return hgl_hash_equal(hash, &zero);
}

static void put_hash(struct hgl_buf *out, const struct hgl_hash *hash)
{
  hgl_cbor_put_bytes(out, hgl_bytes(hash->bytes, HGL_HASH_SIZE));
}

static int get_hash(struct hgl_cbor_reader *in, const char *what, struct hgl_hash *out,
                    struct hgl_err *err)
{
  return hgl_cbor_get_fixed(in, what, out->bytes, HGL_HASH_SIZE, err);
}

/* A map whose keys are 1, 2, … count and nothing else: the next one must be `expected`. */
static int get_field_key(struct hgl_cbor_reader *in, const char *what, int64_t *previous,
                         int64_t expected, struct hgl_err *err)
{
  int64_t key;
  int status = hgl_cbor_get_key(in, what, previous, &key, err);
  if (status) return status;
  if (key != expected)
    return hgl_fail(err, HGL_MALFORMED, "%s: key %lld where %lld belongs", what, (long long)key,
                    (long long)expected);
  return 0;
}

/* Group leaf */

static int check_leaf(const struct hgl_group_leaf *leaf, struct hgl_err *err)
{
  if (leaf->count < 1) return hgl_fail(err, HGL_MALFORMED, "group without envelopes");
  if (leaf->count > HGL_GROUP_ENVELOPES_MAX)
    return hgl_fail(err, HGL_TOO_LARGE, "group of %u envelopes, limit %d", leaf->count,
                    HGL_GROUP_ENVELOPES_MAX);
  if (leaf->first_number < 1 || leaf->first_number > HGL_COUNTER_MAX - (leaf->count - 1))
    return hgl_fail(err, HGL_MALFORMED, "group's first number is out of range");
  if ((leaf->first_number == 1) != is_zero(&leaf->previous))
    return hgl_fail(err, HGL_MALFORMED, "only the first group of a pair has no previous one");
  return 0;
}

int hgl_group_leaf_encode(const struct hgl_group_leaf *leaf, struct hgl_buf *out,
                          struct hgl_err *err)
{
  int status = check_leaf(leaf, err);
  if (status) return status;
  hgl_cbor_put_map(out, LEAF_FIELDS);
  hgl_cbor_put_uint(out, LEAF_DESTINATION);
  hgl_cbor_put_bytes(out, hgl_key_bytes(&leaf->destination));
  hgl_cbor_put_uint(out, LEAF_FIRST_NUMBER);
  hgl_cbor_put_uint(out, leaf->first_number);
  hgl_cbor_put_uint(out, LEAF_COUNT);
  hgl_cbor_put_uint(out, leaf->count);
  hgl_cbor_put_uint(out, LEAF_PREVIOUS);
  put_hash(out, &leaf->previous);
  hgl_cbor_put_uint(out, LEAF_ROOT);
  put_hash(out, &leaf->root);
  return hgl_buf_check(out, err);
}

static int decode_leaf_field(struct hgl_cbor_reader *in, int64_t key, struct hgl_group_leaf *out,
                             struct hgl_err *err)
{
  uint64_t count;
  int status;
  switch (key) {
  case LEAF_DESTINATION:
    return hgl_cbor_get_fixed(in, "destination", out->destination.bytes, HGL_KEY_SIZE, err);
  case LEAF_FIRST_NUMBER:
    return hgl_cbor_get_uint(in, "first number", HGL_COUNTER_MAX, &out->first_number, err);
  case LEAF_COUNT:
    if ((status = hgl_cbor_get_uint(in, "envelope count", UINT32_MAX, &count, err))) return status;
    out->count = (uint32_t)count;
    return 0;
  case LEAF_PREVIOUS:
    return get_hash(in, "previous group", &out->previous, err);
  default:
    return get_hash(in, "root", &out->root, err);
  }
}

int hgl_group_leaf_decode(struct hgl_bytes bytes, struct hgl_group_leaf *out, struct hgl_err *err)
{
  if (bytes.size > HGL_GROUP_LEAF_SIZE_MAX)
    return hgl_fail(err, HGL_TOO_LARGE, "group leaf of %zu bytes, limit %d", bytes.size,
                    HGL_GROUP_LEAF_SIZE_MAX);
  struct hgl_cbor_reader in = hgl_cbor_reader(bytes);
  struct hgl_group_leaf leaf = {0};
  size_t fields;
  int status = hgl_cbor_get_map(&in, "group leaf", bytes.size, &fields, err);
  if (status) return status;
  if (fields != LEAF_FIELDS)
    return hgl_fail(err, HGL_MALFORMED, "a group leaf has %d fields, here are %zu", LEAF_FIELDS,
                    fields);
  int64_t previous = INT64_MIN;
  for (int64_t key = 1; key <= LEAF_FIELDS; key++)
    if ((status = get_field_key(&in, "group leaf", &previous, key, err)) ||
        (status = decode_leaf_field(&in, key, &leaf, err)))
      return status;
  if ((status = hgl_cbor_end(&in, "group leaf", err)) || (status = check_leaf(&leaf, err)))
    return status;
  *out = leaf;
  return 0;
}

/* Header */

static int check_header(const struct hgl_header *header, struct hgl_err *err)
{
  if (header->group_count < 1) return hgl_fail(err, HGL_MALFORMED, "header without groups");
  if (header->group_count > HGL_GROUP_COUNT_MAX)
    return hgl_fail(err, HGL_TOO_LARGE, "header of %u groups, limit %d", header->group_count,
                    HGL_GROUP_COUNT_MAX);
  if (header->sequence < 1 || header->sequence > HGL_COUNTER_MAX)
    return hgl_fail(err, HGL_MALFORMED, "header's sequence is out of range");
  if (header->time_ms < 0 || header->time_ms > (int64_t)HGL_COUNTER_MAX)
    return hgl_fail(err, HGL_MALFORMED, "header's time is out of range");
  if ((header->sequence == 1) != is_zero(&header->previous))
    return hgl_fail(err, HGL_MALFORMED, "only the first header has no previous one");
  if (!header->continues) return 0;
  if (header->sequence != 1)
    return hgl_fail(err, HGL_MALFORMED, "only the first header continues another incarnation");
  if (hgl_incarnation_equal(&header->continues_incarnation, &header->incarnation))
    return hgl_fail(err, HGL_MALFORMED, "an incarnation cannot continue itself");
  if (header->continues_sequence < 1 || header->continues_sequence > HGL_COUNTER_MAX)
    return hgl_fail(err, HGL_MALFORMED, "continued header's sequence is out of range");
  return 0;
}

static void put_header(struct hgl_buf *out, const struct hgl_header *header)
{
  hgl_cbor_put_map(out, HEADER_FIELDS + (header->continues ? 1 : 0));
  hgl_cbor_put_uint(out, HEADER_HOST);
  hgl_cbor_put_bytes(out, hgl_key_bytes(&header->host));
  hgl_cbor_put_uint(out, HEADER_INCARNATION);
  hgl_cbor_put_bytes(out, hgl_bytes(header->incarnation.bytes, HGL_INCARNATION_SIZE));
  hgl_cbor_put_uint(out, HEADER_SEQUENCE);
  hgl_cbor_put_uint(out, header->sequence);
  hgl_cbor_put_uint(out, HEADER_PREVIOUS);
  put_hash(out, &header->previous);
  hgl_cbor_put_uint(out, HEADER_ROOT);
  put_hash(out, &header->root);
  hgl_cbor_put_uint(out, HEADER_GROUP_COUNT);
  hgl_cbor_put_uint(out, header->group_count);
  hgl_cbor_put_uint(out, HEADER_TIME);
  hgl_cbor_put_int(out, header->time_ms);
  if (!header->continues) return;
  hgl_cbor_put_uint(out, HEADER_CONTINUES);
  hgl_cbor_put_list(out, 3);
  hgl_cbor_put_bytes(out, hgl_bytes(header->continues_incarnation.bytes, HGL_INCARNATION_SIZE));
  hgl_cbor_put_uint(out, header->continues_sequence);
  put_hash(out, &header->continues_hash);
}

int hgl_header_sign(const struct hgl_signer *host, const struct hgl_header *header,
                    struct hgl_buf *out, struct hgl_err *err)
{
  assert(hgl_key_equal(hgl_signer_key(host), &header->host));
  int status = check_header(header, err);
  if (status) return status;
  struct hgl_buf payload;
  hgl_buf_init(&payload, HGL_HEADER_SIZE_MAX);
  put_header(&payload, header);
  status = hgl_buf_check(&payload, err);
  if (!status) status = hgl_cose_sign(host, HEADER_TYPE, hgl_buf_bytes(&payload), out, err);
  hgl_buf_deinit(&payload);
  return status;
}

static int decode_continues(struct hgl_cbor_reader *in, struct hgl_header *out, struct hgl_err *err)
{
  size_t parts;
  int status = hgl_cbor_get_list(in, "continues", 3, &parts, err);
  if (status) return status;
  if (parts != 3) return hgl_fail(err, HGL_MALFORMED, "continues has 3 parts, here are %zu", parts);
  if ((status = hgl_cbor_get_fixed(in, "continued incarnation", out->continues_incarnation.bytes,
                                   HGL_INCARNATION_SIZE, err)) ||
      (status = hgl_cbor_get_uint(in, "continued sequence", HGL_COUNTER_MAX,
                                  &out->continues_sequence, err)) ||
      (status = get_hash(in, "continued header", &out->continues_hash, err)))
    return status;
  out->continues = true;
  return 0;
}

static int decode_header_field(struct hgl_cbor_reader *in, int64_t key, struct hgl_header *out,
                               struct hgl_err *err)
{
  uint64_t count;
  int status;
  switch (key) {
  case HEADER_HOST:
    return hgl_cbor_get_fixed(in, "host", out->host.bytes, HGL_KEY_SIZE, err);
  case HEADER_INCARNATION:
    return hgl_cbor_get_fixed(in, "incarnation", out->incarnation.bytes, HGL_INCARNATION_SIZE, err);
  case HEADER_SEQUENCE:
    return hgl_cbor_get_uint(in, "sequence", HGL_COUNTER_MAX, &out->sequence, err);
  case HEADER_PREVIOUS:
    return get_hash(in, "previous header", &out->previous, err);
  case HEADER_ROOT:
    return get_hash(in, "root", &out->root, err);
  case HEADER_GROUP_COUNT:
    if ((status = hgl_cbor_get_uint(in, "group count", UINT32_MAX, &count, err))) return status;
    out->group_count = (uint32_t)count;
    return 0;
  case HEADER_TIME:
    return hgl_cbor_get_int(in, "time", &out->time_ms, err);
  default:
    return decode_continues(in, out, err);
  }
}

static int decode_payload(struct hgl_bytes payload, struct hgl_header *out, struct hgl_err *err)
{
  struct hgl_cbor_reader in = hgl_cbor_reader(payload);
  size_t fields;
  int status = hgl_cbor_get_map(&in, "header", payload.size, &fields, err);
  if (status) return status;
  if (fields != HEADER_FIELDS && fields != HEADER_FIELDS + 1)
    return hgl_fail(err, HGL_MALFORMED, "a header has %d or %d fields, here are %zu", HEADER_FIELDS,
                    HEADER_FIELDS + 1, fields);
  int64_t previous = INT64_MIN;
  for (int64_t key = 1; key <= (int64_t)fields; key++)
    if ((status = get_field_key(&in, "header", &previous, key, err)) ||
        (status = decode_header_field(&in, key, out, err)))
      return status;
  if ((status = hgl_cbor_end(&in, "header", err))) return status;
  return check_header(out, err);
}

static int decode_signed(struct hgl_bytes bytes, struct hgl_cose *cose, struct hgl_header *out,
                         struct hgl_err *err)
{
  if (bytes.size > HGL_HEADER_SIZE_MAX)
    return hgl_fail(err, HGL_TOO_LARGE, "header of %zu bytes, limit %d", bytes.size,
                    HGL_HEADER_SIZE_MAX);
  struct hgl_header header = {0};
  int status = hgl_cose_decode(bytes, HEADER_TYPE, cose, err);
  if (!status) status = decode_payload(cose->payload, &header, err);
  if (status)
    hgl_fail_in(err, "header");
  else
    *out = header;
  return status;
}

int hgl_header_decode(struct hgl_bytes bytes, struct hgl_header *out, struct hgl_err *err)
{
  struct hgl_cose cose;
  return decode_signed(bytes, &cose, out, err);
}

int hgl_header_verify(struct hgl_bytes bytes, struct hgl_header *out, struct hgl_err *err)
{
  struct hgl_cose cose;
  struct hgl_header header;
  int status = decode_signed(bytes, &cose, &header, err);
  if (status) return status;
  if ((status = hgl_cose_verify(&cose, &header.host, err)))
    hgl_fail_in(err, "header");
  else
    *out = header;
  return status;
}

void hgl_header_hash(struct hgl_bytes bytes, struct hgl_hash *out)
{
  hgl_sha256(&bytes, 1, out);
}

/* Path */

void hgl_path_encode(const struct hgl_path *path, struct hgl_buf *out)
{
  assert(path->count <= HGL_PATH_MAX);
  hgl_cbor_put_list(out, 2);
  hgl_cbor_put_uint(out, path->index);
  hgl_cbor_put_list(out, path->count);
  for (uint32_t i = 0; i < path->count; i++) put_hash(out, &path->hashes[i]);
}

int hgl_path_decode(struct hgl_cbor_reader *in, const char *what, struct hgl_path *out,
                    struct hgl_err *err)
{
  size_t parts, count;
  uint64_t index;
  int status;
  if ((status = hgl_cbor_get_list(in, what, 2, &parts, err))) return status;
  if (parts != 2) return hgl_fail(err, HGL_MALFORMED, "%s has 2 parts, here are %zu", what, parts);
  if ((status = hgl_cbor_get_uint(in, what, UINT32_MAX, &index, err)) ||
      (status = hgl_cbor_get_list(in, what, HGL_PATH_MAX, &count, err)))
    return status;
  struct hgl_path path = {.index = (uint32_t)index, .count = (uint32_t)count};
  for (size_t i = 0; i < count; i++)
    if ((status = get_hash(in, what, &path.hashes[i], err))) return status;
  *out = path;
  return 0;
}
