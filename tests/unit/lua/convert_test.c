#include "support/check.h"

#include <stdio.h>

#include "base/mem.h"
#include "lua_fixture.h"
#include "protocol/limits.h"
#include "protocol/value.h"

/* Encodes what the expression gives, as "body". */
static int encode(struct lua_fixture *f, const char *expression, struct hgl_buf *out,
                  struct hgl_err *err)
{
  char chunk[2000];
  snprintf(chunk, sizeof chunk, "return %s", expression);
  if (luaL_dostring(f->L, chunk)) fail_msg("%s", lua_tostring(f->L, -1));
  int top = lua_gettop(f->L);
  int status = hgl_lua_encode(f->L, -1, "body", out, err);
  assert_int_equal(lua_gettop(f->L), top);
  lua_settop(f->L, 0);
  return status;
}

static void assert_encodes(struct lua_fixture *f, const char *expression, const char *hex)
{
  struct hgl_err err = {0};
  struct hgl_buf out;
  char text[400] = "";
  hgl_buf_init(&out, HGL_BODY_SIZE_MAX);
  assert_ok(encode(f, expression, &out, &err));
  for (size_t i = 0; i < out.size; i++) snprintf(text + 2 * i, 3, "%02x", out.data[i]);
  assert_string_equal(text, hex);
  assert_ok(hgl_value_check(hgl_buf_bytes(&out), &err));
  hgl_buf_deinit(&out);
}

static void assert_refuses(struct lua_fixture *f, const char *expression, enum hgl_code code,
                           const char *message)
{
  struct hgl_err err = {0};
  struct hgl_buf out;
  hgl_buf_init(&out, HGL_BODY_SIZE_MAX);
  assert_fails(code, encode(f, expression, &out, &err));
  assert_string_equal(err.message, message);
  hgl_buf_deinit(&out);
}

static void encode_writes_every_kind_deterministically(void **arg)
{
  struct lua_fixture *f = *arg;
  assert_encodes(f, "1", "01");
  assert_encodes(f, "1.0", "f93c00");
  assert_encodes(f, "math.mininteger", "3b7fffffffffffffff");
  assert_encodes(f, "'a'", "6161");
  assert_encodes(f, "bytes", "4200ff");
  assert_encodes(f, "null", "f6");
  assert_encodes(f, "true", "f5");
  assert_encodes(f, "{}", "a0");
  assert_encodes(f, "array()", "80");
  assert_encodes(f, "array { 1 }", "8101");
  assert_encodes(f, "{ 1, { 2 }, 'x' }", "830181026178");
  assert_encodes(f, "{ [3] = 'c', [1] = 'a', [2] = 'b' }", "83616161626163");
  assert_encodes(f, "{ bb = 1, c = 2, a = 3, [''] = { z = 1, y = 2 } }",
                 "a460a2617902617a0161610361630262626201");
}

static void encode_takes_lists_of_numbers_as_any_other(void **arg)
{
  struct lua_fixture *f = *arg;
  struct hgl_err err = {0};
  struct hgl_buf out;
  assert_encodes(f, "{ 1, -2, 0.5, 100000.5, 0.1, 300 }",
                 "860121f93800fa47c35040fb3fb999999999999a19012c");
  assert_encodes(f, "{ 1, 2, '3' }", "8301026133");
  assert_encodes(f, "{ [2] = 2, [1] = 0.5 }", "82f9380002");
  assert_encodes(f, "{ x = { 1, 2 }, y = { 3, true } }",
                 "a261788201026179"
                 "8203f5");
  assert_refuses(f, "{ 1, 0/0 }", HGL_BAD_VALUE, "body[2]: a number that is not finite");
  assert_refuses(f, "{ 1, 2, x = 3 }", HGL_BAD_VALUE, "body: integer and text keys in one table");
  assert_refuses(f, "{ 1, 2, [4] = 4 }", HGL_BAD_VALUE,
                 "body: a list with holes: its keys are not 1 to its length");
  hgl_buf_init(&out, 5); /* as many bytes as it takes, and one less */
  assert_ok(encode(f, "{ 1, 2, 3, 4 }", &out, &err));
  hgl_buf_deinit(&out);
  hgl_buf_init(&out, 4);
  assert_fails(HGL_TOO_LARGE, encode(f, "{ 1, 2, 3, 4 }", &out, &err));
  hgl_buf_deinit(&out);
}

static void encode_reads_views_by_content(void **arg)
{
  struct lua_fixture *f = *arg;
  run_lua(f, "state.m = { bb = 1, c = 2, a = { x = null } }; state.l = { 1, bytes }\n"
             "state.e = array(); state.mixed = { 1, x = 2 }; state.holes = { [2] = 1 }");
  assert_encodes(f, "state.m",
                 "a36161a16178f6616302626262"
                 "01");
  assert_encodes(f, "{ state.l, state.e }", "8282014200ff80");
  assert_refuses(f, "state.mixed", HGL_BAD_VALUE, "body: integer and text keys in one table");
  assert_refuses(f, "{ x = state.holes }", HGL_BAD_VALUE,
                 "body.x: a list with holes: its keys are not 1 to its length");
}

static void encode_names_the_path_of_what_it_refuses(void **arg)
{
  struct lua_fixture *f = *arg;
  assert_refuses(f, "{ items = { 1, 2, { x = print } } }", HGL_BAD_VALUE,
                 "body.items[3].x: a function cannot be sent");
  assert_refuses(f, "{ ['a b'] = coroutine.create(print) }", HGL_BAD_VALUE,
                 "body[\"a b\"]: a thread cannot be sent");
  assert_refuses(f, "nil", HGL_BAD_VALUE, "body: a nil cannot be sent");
  assert_refuses(f, "io.stdout", HGL_BAD_VALUE, "body: a userdata cannot be sent");
  assert_refuses(f, "{ 1, x = 2 }", HGL_BAD_VALUE, "body: integer and text keys in one table");
  assert_refuses(f, "{ 1, nil, 3 }", HGL_BAD_VALUE,
                 "body: a list with holes: its keys are not 1 to its length");
  assert_refuses(f, "{ [0] = 1 }", HGL_BAD_VALUE,
                 "body: a list with holes: its keys are not 1 to its length");
  assert_refuses(f, "{ [true] = 1 }", HGL_BAD_VALUE,
                 "body: a key that is neither text nor an integer");
  assert_refuses(f, "array { x = 1 }", HGL_BAD_VALUE, "body: integer and text keys in one table");
  assert_refuses(f, "{ n = 1/0 }", HGL_BAD_VALUE, "body.n: a number that is not finite");
  assert_refuses(f, "{ t = '\\xc0' }", HGL_BAD_VALUE,
                 "body.t: text that is not UTF-8; use haggle.bytes");
  run_lua(f, "loop = { a = {} }; loop.a.b = loop");
  assert_refuses(f, "loop", HGL_BAD_VALUE, "body.a.b: a table that contains itself");
}

static void encode_stops_at_each_limit_and_not_before(void **arg)
{
  struct lua_fixture *f = *arg;
  struct hgl_err err = {0};
  struct hgl_buf out;
  hgl_buf_init(&out, HGL_BODY_SIZE_MAX);
  run_lua(f, "function nest(n) local t = 1; for _ = 1, n do t = { t } end return t end\n"
             "function fill(n) local t = {}; for i = 1, n do t[i] = 1 end return t end\n"
             "function names(n) local t = {}; for i = 1, n do t['k' .. i] = 1 end return t end");
  assert_ok(encode(f, "nest(32)", &out, &err));
  assert_ok(hgl_value_check(hgl_buf_bytes(&out), &err));
  assert_fails(HGL_TOO_DEEP, encode(f, "nest(33)", &out, &err));
  hgl_buf_clear(&out);
  assert_ok(encode(f, "fill(65535)", &out, &err));
  assert_ok(hgl_value_check(hgl_buf_bytes(&out), &err));
  hgl_buf_clear(&out);
  assert_fails(HGL_TOO_LARGE, encode(f, "fill(65536)", &out, &err));
  hgl_buf_clear(&out);
  assert_ok(encode(f, "names(65535)", &out, &err));
  assert_ok(hgl_value_check(hgl_buf_bytes(&out), &err));
  hgl_buf_clear(&out);
  assert_ok(encode(f, "string.rep('x', 1024 * 1024 - 5)", &out, &err));
  hgl_buf_clear(&out);
  assert_fails(HGL_TOO_LARGE, encode(f, "string.rep('x', 1024 * 1024 - 4)", &out, &err));
  hgl_buf_deinit(&out);
}

static void encode_handles_every_failed_allocation(void **arg)
{
  struct lua_fixture *f = *arg;
  struct hgl_err err = {0};
  run_lua(f, "value = { b = { 1, 2, { z = 'x', y = 'y' } }, a = 'text', c = { d = 1, a = 2 } }");
  lua_getglobal(f->L, "value");
  int status = -1;
  for (long n = 0; status; n++) {
    struct hgl_buf out;
    hgl_buf_init(&out, HGL_BODY_SIZE_MAX);
    hgl_mem_fail_after(n);
    status = hgl_lua_encode(f->L, -1, "body", &out, &err);
    hgl_mem_fail_after(-1);
    if (status) assert_int_equal(status, -HGL_NO_MEMORY);
    hgl_buf_deinit(&out);
  }
}

static void values_come_back_as_they_were(void **arg)
{
  struct lua_fixture *f = *arg;
  struct hgl_err err = {0};
  static const char *const values[] = {
      "1",    "1.5",     "'text'",   "bytes",
      "null", "array()", "{}",       "{ 1, 2, { x = array(), y = {} } }",
      "true", "-0.0",    "{ a = 1 }"};
  for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
    struct hgl_buf first, second;
    hgl_buf_init(&first, HGL_BODY_SIZE_MAX);
    hgl_buf_init(&second, HGL_BODY_SIZE_MAX);
    assert_ok(encode(f, values[i], &first, &err));
    hgl_lua_push_value(f->L, hgl_buf_bytes(&first));
    assert_ok(hgl_lua_encode(f->L, -1, "body", &second, &err));
    assert_true(hgl_bytes_equal(hgl_buf_bytes(&first), hgl_buf_bytes(&second)));
    hgl_buf_clear(&second); /* and through the state */
    hgl_lua_push_value(f->L, hgl_buf_bytes(&first));
    lua_setglobal(f->L, "value");
    run_lua(f, "state.v = value");
    assert_ok(encode(f, "state.v", &second, &err));
    assert_true(hgl_bytes_equal(hgl_buf_bytes(&first), hgl_buf_bytes(&second)));
    hgl_buf_deinit(&first);
    hgl_buf_deinit(&second);
    lua_settop(f->L, 0);
  }
}

static void value_types_behave_in_lua(void **arg)
{
  run_lua(
      *arg,
      "assert(#bytes == 2 and bytes:raw() == '\\0\\xff' and bytes == bytes)\n"
      "assert(tostring(null) == 'haggle.null' and tostring(bytes) == 'haggle.bytes (2)')\n"
      "assert(getmetatable(bytes) == 'haggle.bytes' and getmetatable(array()) == 'haggle.array')\n"
      "local t = { 1 }; assert(array(t) == t and array(t) == t and #array() == 0)\n"
      "assert(not pcall(array, setmetatable({}, {})) and not pcall(array, 1))");
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      LUA_TEST(encode_writes_every_kind_deterministically),
      LUA_TEST(encode_takes_lists_of_numbers_as_any_other),
      LUA_TEST(encode_reads_views_by_content),
      LUA_TEST(encode_names_the_path_of_what_it_refuses),
      LUA_TEST(encode_stops_at_each_limit_and_not_before),
      LUA_TEST(encode_handles_every_failed_allocation),
      LUA_TEST(values_come_back_as_they_were),
      LUA_TEST(value_types_behave_in_lua),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
