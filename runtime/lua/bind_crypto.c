/* haggle.crypto: hashes, and signatures by the agent's own key. The key is the host's to keep:
 * signing is an operation of the host, as are chance and whatever takes a secret; these are
 * journaled. */
#include "lua/native.h"

#include "protocol/cbor.h"
#include "protocol/did.h"
#include "protocol/signed_text.h"

static int push_bytes(lua_State *L, const void *data, size_t size)
{
  hgl_lua_push_bytes(L, hgl_bytes(data, size));
  return 1;
}

static int crypto_sha256(lua_State *L)
{
  struct hgl_bytes data = hgl_native_data(L, 1);
  struct hgl_hash hash;
  hgl_sha256(&data, 1, &hash);
  return push_bytes(L, hash.bytes, sizeof hash.bytes);
}

static int crypto_sha512(lua_State *L)
{
  uint8_t hash[HGL_SHA512_SIZE];
  hgl_sha512(hgl_native_data(L, 1), hash);
  return push_bytes(L, hash, sizeof hash);
}

/* The value of the secret may be another when the handler is run again: what came of it counts. */
static int hmac_with_secret(lua_State *L, const char *hash)
{
  hgl_bind_in_handler(L, "haggle.crypto with a secret");
  struct hgl_bytes data = hgl_native_data(L, 2);
  struct hgl_buf *arguments = &hgl_vm_of(L)->scratch;
  struct hgl_err err;
  hgl_buf_clear(arguments);
  hgl_cbor_put_list(arguments, 3);
  hgl_cbor_put_text(arguments, hgl_text(hash));
  hgl_bind_put_secret(L, 1, arguments);
  hgl_cbor_put_bytes(arguments, data);
  int status = hgl_buf_check(arguments, &err);
  if (status == -HGL_NO_MEMORY) hgl_sandbox_no_memory(L);
  if (status) return luaL_error(L, "key and data: %s", err.message);
  uint32_t sum = hgl_journal_fold(hgl_journal_hash_bytes(0, hgl_buf_bytes(arguments)));
  return hgl_bind_call(L, "hmac", sum);
}

/* crypto.hmac_sha256(key, data): 32 bytes. With a secret also nil, why, code. */
static int crypto_hmac_sha256(lua_State *L)
{
  if (hgl_bind_is_secret(L, 1)) return hmac_with_secret(L, "sha256");
  struct hgl_bytes key = hgl_native_data(L, 1), data = hgl_native_data(L, 2);
  struct hgl_hash hash;
  hgl_hmac_sha256(key, &data, 1, &hash);
  return push_bytes(L, hash.bytes, sizeof hash.bytes);
}

static int crypto_hmac_sha512(lua_State *L)
{
  if (hgl_bind_is_secret(L, 1)) return hmac_with_secret(L, "sha512");
  uint8_t hash[HGL_SHA512_SIZE];
  hgl_hmac_sha512(hgl_native_data(L, 1), hgl_native_data(L, 2), hash);
  return push_bytes(L, hash, sizeof hash);
}

static int crypto_equal(lua_State *L)
{
  lua_pushboolean(L, hgl_equal_secretly(hgl_native_data(L, 1), hgl_native_data(L, 2)));
  return 1;
}

/* crypto.sign(data): 64 bytes, or nil, why, code. */
static int crypto_sign(lua_State *L)
{
  hgl_bind_in_handler(L, "crypto.sign");
  struct hgl_bytes data = hgl_native_data(L, 1);
  struct hgl_buf *arguments = &hgl_vm_of(L)->scratch;
  struct hgl_err err;
  hgl_buf_clear(arguments);
  hgl_cbor_put_list(arguments, 1);
  hgl_cbor_put_bytes(arguments, data);
  if (hgl_buf_check(arguments, &err)) hgl_sandbox_no_memory(L);
  return hgl_bind_call(L, "sign", hgl_journal_fold(hgl_journal_hash_bytes(0, data)));
}

/* crypto.verify(did, data, signature): true, or nil, why, code. */
static int crypto_verify(lua_State *L)
{
  struct hgl_err err;
  struct hgl_key key;
  struct hgl_bytes did = hgl_bind_text(L, 1), data = hgl_native_data(L, 2);
  struct hgl_bytes signature = hgl_native_data(L, 3);
  int status = hgl_did_parse(did, &key, &err);
  if (!status && signature.size != HGL_SIGNATURE_SIZE)
    status = hgl_fail(&err, HGL_BAD_SIGNATURE, "a signature of %zu bytes, not %d", signature.size,
                      HGL_SIGNATURE_SIZE);
  if (!status) status = hgl_signed_text_verify(&key, data, signature.data, &err);
  if (status) return hgl_native_fails(L, &err);
  lua_pushboolean(L, 1);
  return 1;
}

/* crypto.random(count): bytes that nobody can guess. */
static int crypto_random(lua_State *L)
{
  hgl_bind_in_handler(L, "crypto.random");
  lua_Integer count = luaL_checkinteger(L, 1);
  luaL_argcheck(L, count >= 1 && count <= 1024, 1, "1 to 1024 bytes");
  struct hgl_buf *arguments = &hgl_vm_of(L)->scratch;
  hgl_buf_clear(arguments);
  hgl_cbor_put_list(arguments, 1);
  hgl_cbor_put_int(arguments, count);
  return hgl_bind_call(L, "random", hgl_journal_hash(L, 1, 1));
}

int hgl_native_crypto_push(lua_State *L)
{
  static const struct hgl_lib_field fields[] = {{"sha256", crypto_sha256, false},
                                                {"sha512", crypto_sha512, false},
                                                {"hmac_sha256", crypto_hmac_sha256, false},
                                                {"hmac_sha512", crypto_hmac_sha512, false},
                                                {"equal", crypto_equal, false},
                                                {"sign", crypto_sign, false},
                                                {"verify", crypto_verify, false},
                                                {"random", crypto_random, false},
                                                {NULL, NULL, false}};
  hgl_lib_push(L, fields);
  return 1;
}
