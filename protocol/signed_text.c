#include "protocol/signed_text.h"

static const char domain[] = "haggle-signed-text:";

/* What is signed: the domain and the text. */
static int put_together(struct hgl_bytes text, struct hgl_buf *out, struct hgl_err *err)
{
  hgl_buf_init(out, sizeof domain + HGL_SIGNED_TEXT_SIZE_MAX);
  if (text.size > HGL_SIGNED_TEXT_SIZE_MAX)
    return hgl_fail(err, HGL_TOO_LARGE, "%zu bytes to sign, limit %d: sign their hash", text.size,
                    HGL_SIGNED_TEXT_SIZE_MAX);
  hgl_buf_append_text(out, domain);
  hgl_buf_append_bytes(out, text);
  return hgl_buf_check(out, err);
}

int hgl_signed_text_sign(const struct hgl_signer *signer, struct hgl_bytes text,
                         uint8_t out[HGL_SIGNATURE_SIZE], struct hgl_err *err)
{
  struct hgl_buf message;
  int status = put_together(text, &message, err);
  if (!status) hgl_signer_sign(signer, hgl_buf_bytes(&message), out);
  hgl_buf_deinit(&message);
  return status;
}

int hgl_signed_text_verify(const struct hgl_key *key, struct hgl_bytes text,
                           const uint8_t signature[HGL_SIGNATURE_SIZE], struct hgl_err *err)
{
  struct hgl_buf message;
  int status = put_together(text, &message, err);
  if (!status) status = hgl_verify(key, hgl_buf_bytes(&message), signature, err);
  hgl_buf_deinit(&message);
  return status;
}
