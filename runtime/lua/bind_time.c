/* The native half of haggle.time: ISO 8601 and the calendar, computed; time zones, asked of the
 * host, whose files may be others tomorrow: what it says is journaled. */
#include "lua/native.h"

#include "base/calendar.h"
#include "base/timestamp.h"
#include "protocol/cbor.h"

static int64_t check_range(lua_State *L, int64_t ms)
{
  if (ms < HGL_CALENDAR_MIN_S * 1000 || ms > HGL_CALENDAR_MAX_S * 1000 + 999)
    luaL_error(L, "a time outside the years %d to %d", HGL_YEAR_MIN, HGL_YEAR_MAX);
  return ms;
}

static int64_t check_ms(lua_State *L, int arg)
{
  return check_range(L, luaL_checkinteger(L, arg));
}

/* parse(text): what a clock there shows in ms, its offset in s or nil; or nil, why, code. */
static int time_parse(lua_State *L)
{
  struct hgl_timestamp at;
  struct hgl_err err;
  if (hgl_timestamp_parse(hgl_bind_text(L, 1), &at, &err)) return hgl_native_fails(L, &err);
  lua_pushinteger(L, at.local_ms);
  if (!at.has_offset) return 1;
  lua_pushinteger(L, at.offset_s);
  return 2;
}

/* format(local ms, offset in s) */
static int time_format(lua_State *L)
{
  char text[HGL_TIMESTAMP_SIZE];
  lua_Integer offset = luaL_checkinteger(L, 2);
  luaL_argcheck(L, offset > -100 * 3600 && offset < 100 * 3600, 2, "an offset of days");
  const struct hgl_timestamp at = {check_ms(L, 1), true, true, (int32_t)offset};
  hgl_timestamp_format(&at, text);
  lua_pushstring(L, text);
  return 1;
}

/* civil(local ms): year, month, day, hour, minute, second, ms, weekday (Monday is 1), day of the
 * year */
static int time_civil(lua_State *L)
{
  struct hgl_calendar at;
  int64_t ms = check_ms(L, 1), seconds = hgl_floor_div(ms, 1000);
  hgl_calendar_from(seconds, &at);
  const int64_t fields[] = {at.year,
                            at.month,
                            at.day,
                            at.hour,
                            at.minute,
                            at.second,
                            ms - 1000 * seconds,
                            at.weekday ? at.weekday : 7,
                            at.yearday};
  enum { FIELDS = sizeof fields / sizeof *fields };
  luaL_checkstack(L, FIELDS, "time");
  for (size_t i = 0; i < FIELDS; i++) lua_pushinteger(L, fields[i]);
  return FIELDS;
}

/* local_ms(year, month, day, hour, minute, second, ms): each is carried on into the next. */
static int time_local_ms(lua_State *L)
{
  enum { AMOUNT_MAX = 1000000000 }; /* of years: in seconds it fits 64 bits, in ms it does not */
  int64_t amounts[7];
  for (int i = 0; i < 7; i++) {
    amounts[i] = luaL_optinteger(L, i + 1, i < 3);
    luaL_argcheck(L, amounts[i] >= -AMOUNT_MAX && amounts[i] <= AMOUNT_MAX, i + 1, "out of range");
  }
  int64_t days = hgl_calendar_days(amounts[0], amounts[1], amounts[2]);
  int64_t seconds = days * HGL_DAY_S + amounts[3] * 3600 + amounts[4] * 60 + amounts[5];
  bool far = seconds > 2 * HGL_CALENDAR_MAX_S || seconds < -2 * HGL_CALENDAR_MAX_S;
  lua_pushinteger(L, check_range(L, far ? INT64_MAX : seconds * 1000 + amounts[6]));
  return 1;
}

/* month_days(year, month) */
static int time_month_days(lua_State *L)
{
  lua_Integer year = luaL_checkinteger(L, 1), month = luaL_checkinteger(L, 2);
  luaL_argcheck(L, year >= HGL_YEAR_MIN && year <= HGL_YEAR_MAX, 1, "no year");
  luaL_argcheck(L, month >= 1 && month <= 12, 2, "no month");
  lua_pushinteger(L, hgl_month_days((int)year, (int)month));
  return 1;
}

/* period(text): months, days, ms; or nil, why, code. */
static int time_period(lua_State *L)
{
  struct hgl_period period;
  struct hgl_err err;
  if (hgl_period_parse(hgl_bind_text(L, 1), &period, &err)) return hgl_native_fails(L, &err);
  int64_t sign = period.negative ? -1 : 1;
  lua_pushinteger(L, sign * period.months);
  lua_pushinteger(L, sign * period.days);
  lua_pushinteger(L, sign * period.ms);
  return 3;
}

static int ask_zone(lua_State *L, const char *call)
{
  struct hgl_buf *arguments = &hgl_vm_of(L)->scratch;
  struct hgl_bytes name = hgl_bind_text(L, 1);
  int64_t ms = check_ms(L, 2);
  luaL_argcheck(L, name.size <= 256 && hgl_utf8_valid(name), 1, "not a time zone's name");
  lua_settop(L, 2);
  hgl_buf_clear(arguments);
  hgl_cbor_put_list(arguments, 2);
  hgl_cbor_put_text(arguments, name);
  hgl_cbor_put_int(arguments, hgl_floor_div(ms, 1000));
  return hgl_bind_call(L, call, hgl_journal_hash(L, 1, 2));
}

/* zone_at(zone, Unix ms): { offset (s), name, daylight }, or nil, why, code. */
static int time_zone_at(lua_State *L)
{
  return ask_zone(L, "zone_at");
}

/* zone_unix(zone, local ms): { first, second or nil, gap } in s, or nil, why, code. */
static int time_zone_unix(lua_State *L)
{
  return ask_zone(L, "zone_unix");
}

int hgl_native_time_push(lua_State *L)
{
  static const struct hgl_lib_field fields[] = {{"parse", time_parse, false},
                                                {"format", time_format, false},
                                                {"civil", time_civil, false},
                                                {"local_ms", time_local_ms, false},
                                                {"month_days", time_month_days, false},
                                                {"period", time_period, false},
                                                {"zone_at", time_zone_at, false},
                                                {"zone_unix", time_zone_unix, false},
                                                {NULL, NULL, false}};
  hgl_lib_push(L, fields);
  return 1;
}
