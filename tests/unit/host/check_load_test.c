#include "support/check.h"

#include "host/check_load.h"
#include "protocol/crypto.h"
#include "protocol/value.h"

/* The notes about a script, as JSON. The caller owns them. */
static json_t *notes_of(const struct hgl_check_script *script)
{
  struct hgl_check_loader loader;
  struct hgl_err err = {0};
  struct hgl_buf out;
  json_t *notes = NULL;
  hgl_buf_init(&out, 1 << 20);
  assert_ok(hgl_crypto_init(&err));
  assert_ok(hgl_check_loader_init(&loader, &err));
  assert_ok(hgl_check_load(&loader, script, &out, &err));
  assert_ok(hgl_value_to_json(hgl_buf_bytes(&out), &notes, &err));
  hgl_check_loader_deinit(&loader);
  hgl_buf_deinit(&out);
  return notes;
}

static struct hgl_check_script script_of(const char *source)
{
  return (struct hgl_check_script){.name = "kiosk",
                                   .path = HGL_SOURCE_DIR "/agents/kiosk/agent.lua",
                                   .source = hgl_text(source),
                                   .stdlib_folder = HGL_SOURCE_DIR "/stdlib"};
}

static json_t *load(const char *source)
{
  const struct hgl_check_script script = script_of(source);
  return notes_of(&script);
}

static const char *text_at(const json_t *notes, const char *list, size_t row, size_t column)
{
  const json_t *rows = json_object_get(notes, list);
  return json_string_value(json_array_get(json_array_get(rows, row), column));
}

static size_t count_of(const json_t *notes, const char *list)
{
  return json_array_size(json_object_get(notes, list));
}

static void load_notes_what_is_declared_in_its_order(void **state)
{
  json_t *notes = load(
      "for _, name in ipairs { 'a', 'b' } do agent.on('x/1.0/' .. name, print) end\n"
      "agent.on_timer('t', print) agent.on_stop(print)\n"
      "agent.offer { service = 's', price = 3 }");
  assert_null(json_object_get(notes, "error"));
  assert_int_equal(count_of(notes, "declared"), 5);
  assert_string_equal(text_at(notes, "declared", 0, 0), "handler");
  assert_string_equal(text_at(notes, "declared", 0, 1), "x/1.0/a");
  assert_string_equal(text_at(notes, "declared", 1, 1), "x/1.0/b");
  assert_string_equal(text_at(notes, "declared", 2, 0), "on_timer");
  assert_string_equal(text_at(notes, "declared", 3, 0), "on_stop");
  const json_t *offer = json_array_get(json_array_get(json_object_get(notes, "declared"), 4), 2);
  assert_int_equal(json_integer_value(json_object_get(offer, "price")), 3);
  json_decref(notes);
}

static void load_gives_protocols_in_their_canonical_form(void **state)
{
  json_t *notes = load("agent.protocol { name = 'p', version = '1.0', messages = {\n"
                       "a = { replies = { 'b' } }, b = {} } }");
  const json_t *row = json_array_get(json_object_get(notes, "declared"), 0);
  const json_t *messages = json_object_get(json_array_get(row, 2), "messages");
  assert_true(json_is_true(json_object_get(json_object_get(messages, "a"), "opening")));
  assert_false(json_is_true(json_object_get(json_object_get(messages, "b"), "opening")));
  json_decref(notes);
}

static void load_tells_what_raised_and_where(void **state)
{
  static const struct {
    const char *source, *error, *code;
  } cases[] = {
      {"local a\nagent.nonsense()", "#1:2: ", "script"},
      {"x x", "#1:1: syntax error", "script"},
      {"agent.send('a', 'b/1.0/c')", "at the top level", "script"},
      {"agent.on('a/1.0/b', print) agent.on('a/1.0/b', print)", "already", "script"},
      {"agent.on('nonsense', print)", "#1:1: ", "script"},
      {"require 'nowhere'", "not found", "script"},
      {"require 'haggle.tool.check'", "not found", "script"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    json_t *notes = load(cases[i].source);
    const char *error = present(json_string_value(json_object_get(notes, "error")));
    if (!strstr(error, cases[i].error)) fail_msg("\"%s\": %s", cases[i].source, error);
    assert_string_equal(json_string_value(json_object_get(notes, "code")), cases[i].code);
    json_decref(notes);
  }
}

static void load_ends_a_script_that_does_not(void **state)
{
  struct hgl_check_script script = script_of("while true do end");
  script.limits.instructions = 100000;
  json_t *notes = notes_of(&script);
  assert_string_equal(json_string_value(json_object_get(notes, "code")), "limit");
  assert_non_null(strstr(present(json_string_value(json_object_get(notes, "error"))), "#1:1: "));
  json_decref(notes);
  script = script_of("local t = {} while true do t[#t + 1] = ('x'):rep(1000) .. #t end");
  script.limits.memory_bytes = 1 << 20;
  notes = notes_of(&script);
  assert_string_equal(json_string_value(json_object_get(notes, "code")), "no_memory");
  json_decref(notes);
}

static void load_notes_modules_whose_errors_have_their_number(void **state)
{
  json_t *notes = load("require 'haggle.retry' require 'readings'");
  assert_int_equal(count_of(notes, "modules"), 2);
  assert_string_equal(text_at(notes, "modules", 0, 1), HGL_SOURCE_DIR "/stdlib/haggle/retry.lua");
  assert_string_equal(text_at(notes, "modules", 1, 1), HGL_SOURCE_DIR "/agents/kiosk/readings.lua");
  const json_t *row = json_array_get(json_object_get(notes, "modules"), 0);
  assert_true(json_is_true(json_array_get(row, 2)));
  json_decref(notes);
}

static void load_grants_what_is_granted_or_everything(void **state)
{
  static const char source[] = "if agent.granted('read', '/x') then agent.on_stop(print) end";
  static const char *const none[] = {NULL};
  static const char *const some[] = {"read=/x", NULL};
  struct hgl_check_script script = script_of(source);
  json_t *notes = notes_of(&script);
  assert_int_equal(count_of(notes, "declared"), 1);
  assert_string_equal(text_at(notes, "asked", 0, 1), "/x");
  json_decref(notes);
  script.grants = none;
  notes = notes_of(&script);
  assert_int_equal(count_of(notes, "declared"), 0);
  json_decref(notes);
  script.grants = some;
  notes = notes_of(&script);
  assert_int_equal(count_of(notes, "declared"), 1);
  json_decref(notes);
}

static void load_starts_a_script_when_asked_to_and_does_nothing_for_it(void **state)
{
  struct hgl_check_script script = script_of(
      "agent.on_timer('t', print)\n"
      "agent.on_start(function()\n"
      "  log.info('said', { sent = select(3, agent.send('x', 'a/1.0/b')),\n"
      "    after = select(3, agent.after('t', '1s')), cancel = select(3, agent.cancel('t')),\n"
      "    read = select(3, host.read('/proc/version')),\n"
      "    locked = agent.exclusive('k', function() return state.x == nil end) })\n"
      "  state.x = 1 agent.sleep '1s' log.info 'never'\n"
      "end)");
  json_t *notes = notes_of(&script);
  assert_int_equal(count_of(notes, "logged"), 0);
  json_decref(notes);
  script.start = true;
  notes = notes_of(&script);
  assert_null(json_object_get(notes, "error"));
  assert_int_equal(count_of(notes, "logged"), 1);
  const json_t *row = json_array_get(json_object_get(notes, "logged"), 0);
  const json_t *fields = json_array_get(row, 1);
  assert_string_equal(json_string_value(json_object_get(fields, "sent")), "undeliverable");
  assert_string_equal(json_string_value(json_object_get(fields, "after")), "undeliverable");
  assert_string_equal(json_string_value(json_object_get(fields, "cancel")), "undeliverable");
  assert_string_equal(json_string_value(json_object_get(fields, "read")), "undeliverable");
  assert_true(json_is_true(json_object_get(fields, "locked")));
  json_decref(notes);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(load_notes_what_is_declared_in_its_order),
      cmocka_unit_test(load_gives_protocols_in_their_canonical_form),
      cmocka_unit_test(load_tells_what_raised_and_where),
      cmocka_unit_test(load_ends_a_script_that_does_not),
      cmocka_unit_test(load_notes_modules_whose_errors_have_their_number),
      cmocka_unit_test(load_grants_what_is_granted_or_everything),
      cmocka_unit_test(load_starts_a_script_when_asked_to_and_does_nothing_for_it),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
