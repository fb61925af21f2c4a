#include "protocol/cose.h"

enum {
  ALGORITHM_LABEL = 1, /* RFC 9052 §3.1 */
  TYPE_LABEL = 16,     /* RFC 9596 */
  EDDSA = -8,          /* RFC 9053 §2.2 */
  PROTECTED_SIZE_MAX = 128,
  OVERHEAD_MAX = PROTECTED_SIZE_MAX + 64,
};

static void put_protected(struct hgl_buf *out, const char *type)
{
  hgl_cbor_put_map(out, 2);
  hgl_cbor_put_uint(out, ALGORITHM_LABEL);
  hgl_cbor_put_int(out, EDDSA);
  hgl_cbor_put_uint(out, TYPE_LABEL);
  hgl_cbor_put_literal(out, type);
}

/* The Sig_structure of RFC 9052 §4.4: what the signature is over. */
static void put_signed(struct hgl_buf *out, struct hgl_bytes protected_header,
                       struct hgl_bytes payload)
{
  hgl_cbor_put_list(out, 4);
  hgl_cbor_put_literal(out, "Signature1");
  hgl_cbor_put_bytes(out, protected_header);
  hgl_cbor_put_bytes(out, hgl_bytes(NULL, 0));
  hgl_cbor_put_bytes(out, payload);
}

int hgl_cose_sign(const struct hgl_signer *signer, const char *type, struct hgl_bytes payload,
                  struct hgl_buf *out, struct hgl_err *err)
{
  struct hgl_buf header, message;
  hgl_buf_init(&header, PROTECTED_SIZE_MAX);
  hgl_buf_init(&message, payload.size + OVERHEAD_MAX);

  put_protected(&header, type);
  int status = hgl_buf_check(&header, err);
  if (status) goto done;
  put_signed(&message, hgl_buf_bytes(&header), payload);
  status = hgl_buf_check(&message, err);
  if (status) goto done;

  uint8_t signature[HGL_SIGNATURE_SIZE];
  hgl_signer_sign(signer, hgl_buf_bytes(&message), signature);
  hgl_cbor_put_list(out, 4);
  hgl_cbor_put_bytes(out, hgl_buf_bytes(&header));
  hgl_cbor_put_map(out, 0);
  hgl_cbor_put_bytes(out, payload);
  hgl_cbor_put_bytes(out, hgl_bytes(signature, sizeof signature));
  status = hgl_buf_check(out, err);

done:
  hgl_buf_deinit(&message);
  hgl_buf_deinit(&header);
  return status;
}

static int check_protected(struct hgl_bytes header, const char *type, struct hgl_err *err)
{
  struct hgl_buf expected;
  hgl_buf_init(&expected, PROTECTED_SIZE_MAX);
  put_protected(&expected, type);
  int status = hgl_buf_check(&expected, err);
  if (!status && !hgl_bytes_equal(header, hgl_buf_bytes(&expected)))
    status = hgl_fail(err, HGL_BAD_TYPE, "protected header is not that of \"%s\"", type);
  hgl_buf_deinit(&expected);
  return status;
}

int hgl_cose_decode(struct hgl_bytes bytes, const char *type, struct hgl_cose *out,
                    struct hgl_err *err)
{
  struct hgl_cbor_reader in = hgl_cbor_reader(bytes);
  struct hgl_cose cose;
  struct hgl_bytes signature;
  size_t parts, unprotected;
  int status;
  if ((status = hgl_cbor_get_list(&in, "COSE_Sign1", 4, &parts, err))) return status;
  if (parts != 4)
    return hgl_fail(err, HGL_MALFORMED, "COSE_Sign1 has 4 parts, here are %zu", parts);
  if ((status = hgl_cbor_get_bytes(&in, "protected header", bytes.size, &cose.protected_header,
                                   err)) ||
      (status = check_protected(cose.protected_header, type, err)) ||
      (status = hgl_cbor_get_map(&in, "unprotected header", bytes.size, &unprotected, err)))
    return status;
  if (unprotected != 0) return hgl_fail(err, HGL_MALFORMED, "unprotected header is not empty");
  if ((status = hgl_cbor_get_bytes(&in, "payload", bytes.size, &cose.payload, err)) ||
      (status = hgl_cbor_get_bytes(&in, "signature", bytes.size, &signature, err)))
    return status;
  if (signature.size != HGL_SIGNATURE_SIZE)
    return hgl_fail(err, HGL_MALFORMED, "signature of %zu bytes, not %d", signature.size,
                    HGL_SIGNATURE_SIZE);
  if ((status = hgl_cbor_end(&in, "COSE_Sign1", err))) return status;
  cose.signature = signature.data;
  *out = cose;
  return 0;
}

int hgl_cose_verify(const struct hgl_cose *cose, const struct hgl_key *key, struct hgl_err *err)
{
  struct hgl_buf message;
  hgl_buf_init(&message, cose->payload.size + OVERHEAD_MAX);
  put_signed(&message, cose->protected_header, cose->payload);
  int status = hgl_buf_check(&message, err);
  if (!status) status = hgl_verify(key, hgl_buf_bytes(&message), cose->signature, err);
  hgl_buf_deinit(&message);
  return status;
}
