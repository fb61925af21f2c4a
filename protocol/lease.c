#include "protocol/lease.h"

#include <assert.h>

#define LEASE_TYPE "application/haggle-lease+cbor"

enum { HOST = 1, VERSION, UNTIL, URLS, KEY_END };

int hgl_url_check(struct hgl_bytes url, struct hgl_err *err)
{
  if (url.size > HGL_URL_SIZE_MAX)
    return hgl_fail(err, HGL_TOO_LARGE, "url of %zu bytes, limit %d", url.size, HGL_URL_SIZE_MAX);
  bool has_scheme = (url.size > 5 && memcmp(url.data, "ws://", 5) == 0) ||
                    (url.size > 6 && memcmp(url.data, "wss://", 6) == 0);
  if (!has_scheme) return hgl_fail(err, HGL_MALFORMED, "a url begins with ws:// or wss://");
  for (size_t i = 0; i < url.size; i++)
    if (url.data[i] <= ' ' || url.data[i] >= 0x7f)
      return hgl_fail(err, HGL_MALFORMED, "a url is printable ASCII without spaces");
  return 0;
}

static int check_terms(const struct hgl_lease *lease, struct hgl_err *err)
{
  if (lease->version > HGL_COUNTER_MAX || lease->until_ms < 0 ||
      lease->until_ms > (int64_t)HGL_COUNTER_MAX)
    return hgl_fail(err, HGL_MALFORMED, "lease's version or end is out of range");
  for (size_t i = 0; i < lease->url_count; i++) {
    int status = hgl_url_check(lease->urls[i], err);
    if (status) return status;
  }
  return 0;
}

int hgl_lease_sign(const struct hgl_signer *host, const struct hgl_lease *lease,
                   struct hgl_buf *out, struct hgl_err *err)
{
  assert(hgl_key_equal(hgl_signer_key(host), &lease->host));
  assert(lease->url_count <= HGL_LEASE_URLS_MAX);
  int status = check_terms(lease, err);
  if (status) return status;

  struct hgl_buf payload;
  hgl_buf_init(&payload, HGL_LEASE_SIZE_MAX);
  hgl_cbor_put_map(&payload, KEY_END - 1);
  hgl_cbor_put_uint(&payload, HOST);
  hgl_cbor_put_bytes(&payload, hgl_key_bytes(&lease->host));
  hgl_cbor_put_uint(&payload, VERSION);
  hgl_cbor_put_uint(&payload, lease->version);
  hgl_cbor_put_uint(&payload, UNTIL);
  hgl_cbor_put_int(&payload, lease->until_ms);
  hgl_cbor_put_uint(&payload, URLS);
  hgl_cbor_put_list(&payload, lease->url_count);
  for (size_t i = 0; i < lease->url_count; i++) hgl_cbor_put_text(&payload, lease->urls[i]);
  status = hgl_buf_check(&payload, err);
  if (!status) status = hgl_cose_sign(host, LEASE_TYPE, hgl_buf_bytes(&payload), out, err);
  hgl_buf_deinit(&payload);
  return status;
}

static int decode_urls(struct hgl_cbor_reader *in, struct hgl_lease *out, struct hgl_err *err)
{
  int status = hgl_cbor_get_list(in, "lease's urls", HGL_LEASE_URLS_MAX, &out->url_count, err);
  for (size_t i = 0; !status && i < out->url_count; i++)
    status = hgl_cbor_get_text(in, "lease's url", HGL_URL_SIZE_MAX, &out->urls[i], err);
  return status;
}

static int decode_field(struct hgl_cbor_reader *in, int key, struct hgl_lease *out,
                        struct hgl_err *err)
{
  switch (key) {
  case HOST:
    return hgl_cbor_get_fixed(in, "lease's host", out->host.bytes, HGL_KEY_SIZE, err);
  case VERSION:
    return hgl_cbor_get_uint(in, "lease's version", HGL_COUNTER_MAX, &out->version, err);
  case UNTIL:
    return hgl_cbor_get_int(in, "lease's end", &out->until_ms, err);
  default:
    return decode_urls(in, out, err);
  }
}

static int decode(struct hgl_bytes bytes, struct hgl_cose *cose, struct hgl_lease *out,
                  struct hgl_err *err)
{
  if (bytes.size > HGL_LEASE_SIZE_MAX)
    return hgl_fail(err, HGL_TOO_LARGE, "lease of %zu bytes, limit %d", bytes.size,
                    HGL_LEASE_SIZE_MAX);
  struct hgl_lease lease = {0};
  size_t count;
  int status = hgl_cose_decode(bytes, LEASE_TYPE, cose, err);
  if (status) return status;
  struct hgl_cbor_reader in = hgl_cbor_reader(cose->payload);
  if ((status = hgl_cbor_get_map(&in, "lease", KEY_END - 1, &count, err))) return status;
  int64_t previous = INT64_MIN;
  for (int expected = HOST; expected < KEY_END; expected++) {
    int64_t key;
    if (count != KEY_END - 1) return hgl_fail(err, HGL_MALFORMED, "a lease has four parts");
    if ((status = hgl_cbor_get_key(&in, "lease", &previous, &key, err))) return status;
    if (key != expected)
      return hgl_fail(err, HGL_MALFORMED, "lease's part %d is missing", expected);
    if ((status = decode_field(&in, expected, &lease, err))) return status;
  }
  if ((status = hgl_cbor_end(&in, "lease", err)) || (status = check_terms(&lease, err)))
    return status;
  *out = lease;
  return 0;
}

int hgl_lease_decode(struct hgl_bytes bytes, struct hgl_lease *out, struct hgl_err *err)
{
  struct hgl_cose cose;
  return decode(bytes, &cose, out, err);
}

int hgl_lease_verify(struct hgl_bytes bytes, struct hgl_lease *out, struct hgl_err *err)
{
  struct hgl_cose cose;
  struct hgl_lease lease;
  int status = decode(bytes, &cose, &lease, err);
  if (!status) status = hgl_cose_verify(&cose, &lease.host, err);
  if (!status) *out = lease;
  return status;
}
