/* math with the run's random numbers, os with the host's clock, utf8. */
#include "lua/vm_core.h"

#include <lualib.h>
#include <time.h>

/* ---- math ---- */

/* SplitMix64 (Steele, Lea, Flood 2014). */
lua_Integer hgl_lib_random(struct hgl_vm *vm)
{
  struct hgl_vm_random *random = vm->run ? &vm->run->random : &vm->random;
  uint64_t z = random->state += UINT64_C(0x9e3779b97f4a7c15);
  z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
  return (lua_Integer)(z ^ z >> 31);
}

/* Evenly from 0..max: draws until one is not above max. */
static uint64_t random_up_to(struct hgl_vm *vm, uint64_t max)
{
  uint64_t mask = max == 0 ? 0 : UINT64_MAX >> __builtin_clzll(max);
  uint64_t value;
  do value = (uint64_t)hgl_lib_random(vm) & mask;
  while (value > max);
  return value;
}

static int math_random(lua_State *L)
{
  struct hgl_vm *vm = hgl_vm_of(L);
  lua_Integer low = 1, high;
  switch (lua_gettop(L)) {
  case 0:
    lua_pushnumber(L, (lua_Number)((uint64_t)hgl_lib_random(vm) >> 11) * 0x1p-53);
    return 1;
  case 1:
    high = luaL_checkinteger(L, 1);
    if (high == 0) {
      lua_pushinteger(L, hgl_lib_random(vm));
      return 1;
    }
    break;
  case 2:
    low = luaL_checkinteger(L, 1);
    high = luaL_checkinteger(L, 2);
    break;
  default:
    return luaL_error(L, "wrong number of arguments");
  }
  luaL_argcheck(L, low <= high, lua_gettop(L), "interval is empty");
  uint64_t number = (uint64_t)low + random_up_to(vm, (uint64_t)high - (uint64_t)low);
  lua_pushinteger(L, (lua_Integer)number);
  return 1;
}

/* ---- os: time in UTC only, so that a script does not depend on where it runs ---- */

static lua_Integer now_s(lua_State *L)
{
  return hgl_bind_now(L) / 1000;
}

static int field(lua_State *L, const char *name, lua_Integer fallback, lua_Integer offset)
{
  lua_Integer value = fallback;
  if (lua_getfield(L, 1, name) != LUA_TNIL) {
    int is_integer;
    value = lua_tointegerx(L, -1, &is_integer);
    if (!is_integer) luaL_error(L, "field '%s' is not an integer", name);
  } else if (fallback < 0) {
    luaL_error(L, "field '%s' missing in date table", name);
  }
  lua_pop(L, 1);
  if (value < -1000000 || value > 1000000) luaL_error(L, "field '%s' is out-of-bound", name);
  return (int)(value - offset);
}

static int os_time(lua_State *L)
{
  if (lua_isnoneornil(L, 1)) {
    lua_pushinteger(L, now_s(L));
    return 1;
  }
  luaL_checktype(L, 1, LUA_TTABLE);
  struct tm date = {
      .tm_year = field(L, "year", -1, 1900),
      .tm_mon = field(L, "month", -1, 1),
      .tm_mday = field(L, "day", -1, 0),
      .tm_hour = field(L, "hour", 12, 0),
      .tm_min = field(L, "min", 0, 0),
      .tm_sec = field(L, "sec", 0, 0),
  };
  lua_pushinteger(L, timegm(&date));
  return 1;
}

static int push_date_table(lua_State *L, const struct tm *date)
{
  const struct {
    const char *name;
    int value;
  } fields[] = {{"year", date->tm_year + 1900}, {"month", date->tm_mon + 1}, {"day", date->tm_mday},
                {"hour", date->tm_hour},        {"min", date->tm_min},       {"sec", date->tm_sec},
                {"yday", date->tm_yday + 1},    {"wday", date->tm_wday + 1}};
  lua_createtable(L, 0, 9);
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
    lua_pushinteger(L, fields[i].value);
    lua_setfield(L, -2, fields[i].name);
  }
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "isdst");
  return 1;
}

static int os_date(lua_State *L)
{
  size_t size;
  const char *format = luaL_optlstring(L, 1, "!%Y-%m-%dT%H:%M:%SZ", &size);
  time_t time = (time_t)(lua_isnoneornil(L, 2) ? now_s(L) : luaL_checkinteger(L, 2));
  struct tm date;
  luaL_argcheck(L, *format == '!', 1, "dates are in UTC: the format begins with '!'");
  if (!gmtime_r(&time, &date)) return luaL_error(L, "the date cannot be represented");
  if (strcmp(format, "!*t") == 0) return push_date_table(L, &date);
  luaL_Buffer out;
  luaL_buffinit(L, &out);
  if (lua_isnone(L, 1)) size = strlen(format);
  for (const char *at = format + 1, *end = format + size; at < end; at++) {
    if (*at != '%') {
      luaL_addchar(&out, *at);
      continue;
    }
    char conversion[] = {'%', ++at < end ? *at : 0, 0};
    if (!conversion[1] || !strchr("aAbBcdDeFgGhHIjmMnprRStTuUVwWxXyYzZ%", conversion[1]))
      return luaL_argerror(L, 1, "invalid conversion specifier");
    char text[256];
    luaL_addlstring(&out, text, strftime(text, sizeof text, conversion, &date));
  }
  luaL_pushresult(&out);
  return 1;
}

/* ---- opening ---- */

int hgl_lib_math_push(lua_State *L)
{
  static const char *const kept[] = {
      "abs",  "acos", "asin", "atan", "ceil",       "cos",  "deg",        "exp",  "floor",
      "fmod", "huge", "log",  "max",  "maxinteger", "min",  "mininteger", "modf", "pi",
      "rad",  "sin",  "sqrt", "tan",  "tointeger",  "type", "ult",        NULL};
  lua_pushcfunction(L, luaopen_math);
  lua_call(L, 0, 1);
  hgl_lib_keep(L, kept);
  lua_pushcfunction(L, math_random);
  lua_setfield(L, -2, "random");
  hgl_freeze_wrap(L);
  return 1;
}

int hgl_lib_os_push(lua_State *L)
{
  static const struct hgl_lib_field fields[] = {
      {"time", os_time, false}, {"date", os_date, false}, {NULL, NULL, false}};
  hgl_lib_push(L, fields);
  return 1;
}

int hgl_lib_utf8_push(lua_State *L)
{
  static const char *const kept[] = {"char", "charpattern", "codepoint", "codes",
                                     "len",  "offset",      NULL};
  lua_pushcfunction(L, luaopen_utf8);
  lua_call(L, 0, 1);
  hgl_lib_keep(L, kept);
  hgl_freeze_wrap(L);
  return 1;
}
