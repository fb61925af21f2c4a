/* Message authentication with a secret that the agent never sees, as signed requests and webhooks
 * want it: what comes of it tells nothing about the secret. */
#include "agent/internal.h"

enum { PARTS_MAX = 16, KEY_SIZE_MAX = 256 << 10 };

static int put_secret(const struct agent *agent, struct hgl_bytes name, struct hgl_buf *key,
                      struct hgl_err *err)
{
  const struct hgl_host_secrets *secrets = &agent->host->config.secrets;
  size_t folder_size;
  if (!agent_granted(agent, "secret", name, &folder_size))
    return hgl_fail(err, HGL_DENIED, "%s may not use it: grant --allow %s:secret=%.*s", agent->name,
                    agent->name, HGL_STR(name));
  if (!secrets->get) return hgl_fail(err, HGL_NOT_FOUND, "this host has no secrets");
  int status = secrets->get(secrets->user, name, key, err);
  if (status != -HGL_INVALID) return status;
  err->code = HGL_NOT_FOUND; /* what the operator did, not the script */
  return -HGL_NOT_FOUND;
}

/* A list of bytes, which stand for themselves, and names of secrets, which are text. */
static int put_key(const struct agent *agent, struct hgl_cbor_reader *in, struct hgl_buf *key,
                   struct hgl_err *err)
{
  size_t count;
  int status = hgl_cbor_get_list(in, "key", PARTS_MAX, &count, err);
  for (size_t i = 0; i < count && !status; i++) {
    struct hgl_cbor_item part;
    if ((status = hgl_cbor_next(in, &part, err))) break;
    if (part.kind == HGL_CBOR_TEXT)
      status = put_secret(agent, part.bytes, key, err);
    else if (part.kind == HGL_CBOR_BYTES)
      hgl_buf_append_bytes(key, part.bytes);
    else
      status = hgl_fail(err, HGL_INVALID, "a key of text and secrets");
  }
  return status ? status : hgl_buf_check(key, err);
}

static void put_hmac(struct hgl_bytes hash, struct hgl_bytes key, struct hgl_bytes data,
                     struct hgl_buf *result)
{
  uint8_t long_mac[HGL_SHA512_SIZE];
  struct hgl_hash mac;
  if (hgl_bytes_is(hash, "sha512")) {
    hgl_hmac_sha512(key, data, long_mac);
    hgl_cbor_put_bytes(result, hgl_bytes(long_mac, sizeof long_mac));
  } else {
    hgl_hmac_sha256(key, &data, 1, &mac);
    hgl_cbor_put_bytes(result, hgl_bytes(mac.bytes, sizeof mac.bytes));
  }
}

int secret_call_hmac(struct agent *agent, struct hgl_cbor_reader *in, struct hgl_buf *result,
                     struct hgl_err *err)
{
  struct hgl_bytes hash, data;
  struct hgl_buf key;
  int status = hgl_cbor_get_text(in, "hash", HGL_NAME_SIZE_MAX, &hash, err);
  if (status) return status;
  hgl_buf_init(&key, KEY_SIZE_MAX);
  if (!hgl_buf_reserve(&key, KEY_SIZE_MAX)) /* at once: growing would leave copies behind */
    return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  status = put_key(agent, in, &key, err);
  if (!status) status = hgl_cbor_get_bytes(in, "data", HGL_BODY_SIZE_MAX, &data, err);
  if (!status) put_hmac(hash, hgl_buf_bytes(&key), data, result);
  hgl_wipe(key.data, key.capacity);
  hgl_buf_deinit(&key);
  return status;
}
