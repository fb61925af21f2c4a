/* The module `haggle`: value types, durations, time, ids, hex. Built in, made when first required.
 */
#include "lua/vm_core.h"

#include "protocol/cbor.h"

static int haggle_bytes(lua_State *L)
{
  hgl_lua_push_bytes(L, hgl_bind_text(L, 1));
  return 1;
}

static int haggle_now(lua_State *L)
{
  lua_pushinteger(L, hgl_bind_now(L));
  return 1;
}

static int haggle_duration(lua_State *L)
{
  lua_pushinteger(L, hgl_bind_duration(L, 1, "haggle.duration"));
  return 1;
}

/* 32 hex digits from the run's random numbers. */
static int haggle_id(lua_State *L)
{
  struct hgl_vm *vm = hgl_vm_of(L);
  struct hgl_id id;
  hgl_put_be64(id.bytes, (uint64_t)hgl_lib_random(vm));
  hgl_put_be64(id.bytes + 8, (uint64_t)hgl_lib_random(vm));
  char text[2 * HGL_ID_SIZE + 1];
  hgl_id_format(&id, text);
  lua_pushlstring(L, text, 2 * HGL_ID_SIZE);
  return 1;
}

/* Of text or haggle.bytes. */
static int haggle_tohex(lua_State *L)
{
  static const char digits[] = "0123456789abcdef";
  struct hgl_bytes bytes = hgl_lua_to_bytes(L, 1);
  if (!bytes.data) bytes = hgl_bind_text(L, 1);
  luaL_Buffer out;
  char *at = luaL_buffinitsize(L, &out, 2 * bytes.size);
  for (size_t i = 0; i < bytes.size; i++) {
    *at++ = digits[bytes.data[i] >> 4];
    *at++ = digits[bytes.data[i] & 15];
  }
  luaL_pushresultsize(&out, 2 * bytes.size);
  return 1;
}

static int digit_value(uint8_t c)
{
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/* haggle.bytes, or nil, why, code. */
static int haggle_fromhex(lua_State *L)
{
  struct hgl_bytes text = hgl_bind_text(L, 1);
  bool good = text.size % 2 == 0;
  luaL_Buffer out;
  char *at = luaL_buffinitsize(L, &out, text.size / 2);
  for (size_t i = 0; good && i < text.size; i += 2) {
    int high = digit_value(text.data[i]), low = digit_value(text.data[i + 1]);
    good = high >= 0 && low >= 0;
    if (good) *at++ = (char)(high << 4 | low);
  }
  luaL_pushresultsize(&out, good ? text.size / 2 : 0);
  if (!good) {
    lua_pushnil(L);
    lua_pushliteral(L, "not an even number of hex digits");
    lua_pushstring(L, hgl_code_name(HGL_MALFORMED));
    return 3;
  }
  size_t size;
  const char *bytes = lua_tolstring(L, -1, &size);
  hgl_lua_push_bytes(L, hgl_bytes(bytes, size));
  return 1;
}

static int haggle_null(lua_State *L)
{
  hgl_lua_push_null(L);
  return 1;
}

int hgl_bind_haggle_push(lua_State *L)
{
  static const struct hgl_lib_field fields[] = {
      {"bytes", haggle_bytes, false},
      {"array", hgl_lua_array, false},
      {"now", haggle_now, false},
      {"id", haggle_id, false},
      {"duration", haggle_duration, false},
      {"tohex", haggle_tohex, false},
      {"fromhex", haggle_fromhex, false},
      {"secret", hgl_bind_secret, false},
      {"secret_parts", hgl_bind_secret_parts, false},
      {"null", haggle_null, true},
      {NULL, NULL, false},
  };
  hgl_lib_push(L, fields);
  return 1;
}
