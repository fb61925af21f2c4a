/* haggle.base64 (RFC 4648). */
#include "lua/native.h"

#include "protocol/base64.h"

static int encode(lua_State *L, enum hgl_base64 kind)
{
  struct hgl_vm *vm = hgl_vm_of(L);
  struct hgl_err err;
  struct hgl_bytes data = hgl_native_data(L, 1);
  hgl_buf_clear(&vm->result);
  hgl_base64_encode(kind, data, &vm->result);
  if (hgl_buf_check(&vm->result, &err)) hgl_sandbox_no_memory(L);
  lua_pushlstring(L, vm->result.size ? (const char *)vm->result.data : "", vm->result.size);
  return 1;
}

/* haggle.bytes, or nil, why, code. */
static int decode(lua_State *L, enum hgl_base64 kind)
{
  struct hgl_vm *vm = hgl_vm_of(L);
  struct hgl_err err;
  struct hgl_bytes text = hgl_native_data(L, 1);
  hgl_buf_clear(&vm->result);
  if (hgl_base64_decode(kind, text, &vm->result, &err)) return hgl_native_fails(L, &err);
  hgl_lua_push_bytes(L, hgl_buf_bytes(&vm->result));
  return 1;
}

static int base64_encode(lua_State *L)
{
  return encode(L, HGL_BASE64);
}

static int base64_decode(lua_State *L)
{
  return decode(L, HGL_BASE64);
}

static int base64_encode_url(lua_State *L)
{
  return encode(L, HGL_BASE64URL);
}

static int base64_decode_url(lua_State *L)
{
  return decode(L, HGL_BASE64URL);
}

int hgl_native_base64_push(lua_State *L)
{
  static const struct hgl_lib_field fields[] = {{"encode", base64_encode, false},
                                                {"decode", base64_decode, false},
                                                {"encode_url", base64_encode_url, false},
                                                {"decode_url", base64_decode_url, false},
                                                {NULL, NULL, false}};
  hgl_lib_push(L, fields);
  return 1;
}
