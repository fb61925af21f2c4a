/* Lines that the operator runs within an agent. */
#include <stdio.h>

#include "supervise_fixture.h"

struct outcome {
  int told;
  json_t *result;
  struct hgl_err why;
};

static void done(void *user, json_t *result, const struct hgl_err *why)
{
  struct outcome *outcome = user;
  outcome->told++;
  outcome->result = json_incref(result);
  if (why) outcome->why = *why;
}

static void give(struct node *node, const char *name, const char *text, struct outcome *outcome)
{
  struct hgl_err err;
  *outcome = (struct outcome){0};
  assert_ok(hgl_host_console(node->host, name, "a test", hgl_text(text), done, outcome, &err));
}

static const char *text_of(const struct outcome *outcome, const char *field)
{
  return present(json_string_value(json_object_get(outcome->result, field)));
}

static void forget(struct outcome *outcome)
{
  json_decref(outcome->result);
  outcome->result = NULL;
}

static void assert_shows(struct node *node, const char *line, const char *shown)
{
  struct outcome outcome;
  give(node, "x", line, &outcome);
  world_run(node->world);
  assert_int_equal(outcome.told, 1);
  if (!json_object_get(outcome.result, "shown"))
    fail_msg("%s: %s", line, outcome.result ? text_of(&outcome, "raised") : outcome.why.message);
  assert_string_equal(text_of(&outcome, "shown"), shown);
  forget(&outcome);
}

static void assert_raises(struct node *node, const char *line, const char *why,
                          const char *rolled_back)
{
  struct outcome outcome;
  give(node, "x", line, &outcome);
  world_run(node->world);
  assert_int_equal(outcome.told, 1);
  if (!strstr(text_of(&outcome, "raised"), why)) fail_msg("%s", text_of(&outcome, "raised"));
  assert_string_equal(text_of(&outcome, "rolled_back"), rolled_back);
  forget(&outcome);
}

static const char script[] =
    "local haggle = require 'haggle'\n"
    "BYTES, NULL = haggle.bytes('\\1\\255'), haggle.null\n"
    "LIST, SET = { 1, 2, 'three' }, { b = 1, a = { deep = true } }\n"
    "function double(n) return n * 2 end\n"
    "agent.describe { version = 1 }\n"
    "agent.on('echo/1.0/say', function(m) m:reply('said', m.body) end)\n"
    "agent.on('x/1.0/write', function(m) state.n = (state.n or 0) + 1 end)\n"
    "agent.on('x/1.0/count', function(m) m:reply('is', { count = state.n or 0 }) end)\n"
    "agent.on_timer('bell', function() log.info('rang') end)\n";

static void values_are_shown(void **state)
{
  struct world world;
  struct node *a;
  begin(&world, &a);
  world_agent(a, "x", script, NULL);
  assert_shows(a, "1 + 1", "2");
  assert_shows(a, "", "");
  assert_shows(a, "local a = 3 return a, 1.0, nil, true", "3\n1.0\nnil\ntrue");
  assert_shows(a, "'a\"b\\n\\27[31m\\0'", "\"a\\\"b\\n\\027[31m\\000\"");
  assert_shows(a, "BYTES", "haggle.bytes (2) 01ff");
  assert_shows(a, "NULL, {}", "haggle.null\n{}");
  assert_shows(a, "LIST, SET", "{ 1, 2, \"three\" }\n{ a = { deep = true }, b = 1 }");
  assert_shows(a, "double", "function (x.lua:4)");
  assert_shows(a, "double(21)", "42");
  assert_shows(a, "{ [5] = 1, ['a b'] = 2, ['end'] = 3 }",
               "{ [5] = 1, [\"a b\"] = 2, [\"end\"] = 3 }");
  assert_shows(a, "local t = {} t.t = t return t",
               "{ t = { t = { t = { t = { t = { t = { … } } } } } } }");
  assert_shows(a, "{ string.rep('x', 40), string.rep('y', 40) }",
               "{\n  \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\",\n"
               "  \"yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\"\n}");
  assert_shows(a, "#string.rep('x', 5000)", "5000");
  world_deinit(&world);
}

static void state_is_shown_and_written(void **state)
{
  struct world world;
  struct node *a;
  begin(&world, &a);
  world_agent(a, "x", script, NULL);
  assert_shows(a, "state.lots = { { price = 3 }, { price = 4 } } state.n = 7 cache.hot = 'c'", "");
  assert_shows(a, "state", "{ lots = { { price = 3 }, { price = 4 } }, n = 7 }");
  assert_shows(a, "state.lots[2].price, cache", "4\n{ hot = \"c\" }");
  assert_shows(a, "local t = {} for i = 1, 150 do t[i] = i end state.many = t", "");
  struct outcome outcome;
  give(a, "x", "state.many", &outcome);
  world_run(&world);
  assert_non_null(strstr(text_of(&outcome, "shown"), "… 50 more"));
  forget(&outcome);
  begin_again(a); /* it is durable */
  world_agent(a, "x", script, NULL);
  assert_shows(a, "state.n", "7");
  world_deinit(&world);
}

static void effects_happen_once_and_a_raise_takes_them_back(void **state)
{
  struct world world;
  struct node *a;
  begin(&world, &a);
  world_agent(a, "x", script, NULL);
  assert_raises(
      a, "state.n = 1 agent.send('x', 'x/1.0/write', {}) agent.after('bell', '1s') error('no')",
      "console:1: no", "1 write to state, 1 message to x (x/1.0/write), 1 timer");
  assert_raises(a, "local = 3", "console:1: ", "");
  assert_raises(a, "\x1bLua", "binary chunk", "");
  assert_raises(a, "GLOBAL = 1", "the script variable 'GLOBAL' was changed", "");
  assert_raises(a, "agent.on('a/1.0/b', print)", "agent.on", "");
  assert_raises(a, "require 'haggle'", "require", "");
  world_advance(&world, 3000);
  assert_false(world_logged(&world, "rang"));
  assert_int_equal(written(a, "x"), 0);
  assert_int_equal(world_dead_count(a, NULL), 0);
  assert_shows(a, "agent.after('bell', '1s')", "true");
  world_advance(&world, 3000);
  assert_int_equal(world_count_logged(&world, "rang"), 1);
  assert_true(world_logged(&world, "x: console, a test: agent.after('bell', '1s')"));
  world_deinit(&world);
}

static void a_line_that_breaks_off_says_so(void **state)
{
  struct outcome outcome;
  struct world world;
  struct node *a;
  begin(&world, &a);
  world_agent(a, "x", script, NULL);
  give(a, "x", "for i = 1, 3 do", &outcome);
  world_run(&world);
  assert_true(json_is_true(json_object_get(outcome.result, "incomplete")));
  forget(&outcome);
  assert_shows(a, "local n = 0\nfor i = 1, 3 do\n  n = n + i\nend\nreturn n", "6");
  world_deinit(&world);
}

static void a_line_may_wait_over_a_restart_and_be_given_up(void **state)
{
  struct hgl_err err;
  struct outcome outcome;
  struct world world;
  struct node *a;
  begin(&world, &a);
  world_agent(a, "x", script, NULL);
  world_agent(a, "y", script, NULL);
  assert_shows(a, "agent.ask('y', 'echo/1.0/say', { n = 3 }).body.n", "3");
  assert_shows(a, "agent.ask('x', 'echo/1.0/say', { n = 4 }).type", "\"echo/1.0/said\"");
  give(a, "x", "state.n = 1 agent.sleep('10s') state.n = state.n + 1 return 'slept'", &outcome);
  world_advance(&world, 5000);
  assert_int_equal(outcome.told, 0);
  assert_int_equal(waiting(a), 1);
  begin_again(a);
  assert_int_equal(outcome.told, 1);
  assert_int_equal(outcome.why.code, HGL_CLOSED);
  world_agent(a, "x", script, NULL);
  world_advance(&world, 6000);
  assert_true(world_logged(&world, "x: a line of the console has ended: \"slept\""));
  assert_shows(a, "state.n", "2");
  give(a, "x", "state.n = 7 agent.sleep('1h') state.n = 8", &outcome);
  world_advance(&world, 1000);
  assert_ok(hgl_host_console_stop(a->host, &outcome, &err));
  assert_fails(HGL_NOT_FOUND, hgl_host_console_stop(a->host, &outcome, &err));
  world_run(&world);
  assert_int_equal(outcome.told, 1);
  assert_int_equal(outcome.why.code, HGL_INTERRUPTED);
  assert_int_equal(waiting(a), 0);
  assert_shows(a, "state.n", "7");
  give(a, "x", "state.n = 9", &outcome);
  assert_ok(hgl_host_console_stop(a->host, &outcome, &err)); /* it has not begun */
  world_run(&world);
  assert_int_equal(outcome.told, 1);
  assert_shows(a, "state.n", "7");
  world_deinit(&world);
}

static void a_later_part_that_raises_is_not_tried_again(void **state)
{
  struct outcome outcome;
  struct world world;
  struct node *a;
  begin(&world, &a);
  world_agent(a, "x", script, NULL);
  give(a, "x", "state.n = 1 agent.sleep('1s') state.n = 2 error('late')", &outcome);
  world_advance(&world, 2000);
  assert_int_equal(outcome.told, 1);
  assert_non_null(strstr(text_of(&outcome, "raised"), "late"));
  assert_non_null(strstr(text_of(&outcome, "traceback"), "console:1"));
  forget(&outcome);
  assert_shows(a, "state.n", "1");
  assert_int_equal(world_count_logged(&world, "late"), 2); /* the line, and its raise */
  assert_int_equal(waiting(a), 0);
  world_deinit(&world);
}

static void a_line_without_end_is_ended(void **state)
{
  struct hgl_agent_config config = {.limits = {.instructions = 1000000}};
  struct world world;
  struct node *a;
  begin(&world, &a);
  world_agent_with(a, "x", script, config);
  assert_raises(a, "state.n = 1 while true do end", "limit of 1000000 instructions",
                "1 write to state");
  assert_raises(a, "state.n = 1 pcall(function() while true do end end)", "limit of",
                "1 write to state");
  assert_raises(a, "local t = {} while true do t[#t + 1] = {} end", "limit", "");
  assert_shows(a, "state.n", "nil");
  assert_status(a, "x", "running");
  world_deinit(&world);
}

static void who_can_be_spoken_with(void **state)
{
  struct hgl_err err;
  struct outcome outcome = {0};
  struct world world;
  struct node *a;
  world_init(&world, 5);
  world.hibernate_ms = 500;
  a = world_node(&world);
  world_agent(a, "operator", "", NULL);
  world_agent(a, "x", script, NULL);
  world_advance(&world, 3000); /* it sleeps */
  assert_shows(a, "state.n = 1", "");
  assert_ok(hgl_host_pause_agent(a->host, "x", &err));
  world_run(&world);
  assert_shows(a, "state.n = state.n + 1 return state.n", "2");
  assert_status(a, "x", "paused");
  assert_ok(hgl_host_stop_agent(a->host, "x", &err));
  world_run(&world);
  assert_fails(HGL_INVALID,
               hgl_host_console(a->host, "x", "t", hgl_text("1"), done, &outcome, &err));
  assert_fails(HGL_NOT_FOUND,
               hgl_host_console(a->host, "z", "t", hgl_text("1"), done, &outcome, &err));
  assert_fails(HGL_INVALID,
               hgl_host_console(a->host, "operator", "t", hgl_text("1"), done, &outcome, &err));
  world_agent_with(a, "y",
                   "agent.on_start(function() if not state.ok then error('boom') end end)\n",
                   policy(1, 60000, 100, 1));
  world_run(&world); /* it is to be tried again: a line may mend it */
  give(a, "y", "state.ok = true", &outcome);
  world_advance(&world, 2000);
  assert_int_equal(outcome.told, 1);
  forget(&outcome);
  assert_status(a, "y", "running");
  world_agent_with(a, "w", "agent.on_start(function() error('boom') end)\n",
                   policy(1, 60000, 100, 1));
  world_advance(&world, 5000);
  assert_fails(HGL_INVALID,
               hgl_host_console(a->host, "w", "t", hgl_text("1"), done, &outcome, &err));
  assert_non_null(strstr(err.message, "w is parked"));
  world_deinit(&world);
}

static void assert_completes(struct node *node, const char *text, const char *names)
{
  struct hgl_err err;
  json_t *list, *name;
  size_t index;
  char all[2048] = " ";
  size_t used = 1;
  assert_ok(hgl_host_complete(node->host, "x", hgl_text(text), &list, &err));
  json_array_foreach(list, index, name)
  {
    used += (size_t)snprintf(all + used, sizeof all - used, "%s ", json_string_value(name));
    assert_true(used < sizeof all);
  }
  json_decref(list);
  if (*names ? !strstr(all, names) : strlen(all) > 1) fail_msg("%s: %s", text, all);
}

static void names_are_completed(void **state)
{
  struct world world;
  struct node *a;
  begin(&world, &a);
  world_agent(a, "x", script, NULL);
  assert_shows(a, "state.lots = { alpha = { one = 1 }, beta = 2 } state['a b'] = 1", "");
  assert_completes(a, "sta", " state ");
  assert_completes(a, "return dou", " double ");
  assert_completes(a, "state.", " lots ");
  assert_completes(a, "x = state.lots.al", " alpha ");
  assert_completes(a, "state.lots.alpha.", " one ");
  assert_completes(a, "state.lots.beta.", "");
  assert_completes(a, "state.none.", "");
  assert_completes(a, "agent.as", " ask_all ");
  assert_completes(a, "agent.on_",
                   " on_http on_start on_stop on_timer on_undelivered on_upgrade "); /* in order */
  assert_completes(a, "string.re", " rep ");
  assert_completes(a, "SET.a.", " deep ");
  assert_completes(a, "agent.after('be", " bell ");
  assert_completes(a, "agent.send('x', \"echo/", " echo/1.0/say ");
  assert_completes(a, "..", "");
  world_deinit(&world);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(values_are_shown),
      cmocka_unit_test(state_is_shown_and_written),
      cmocka_unit_test(effects_happen_once_and_a_raise_takes_them_back),
      cmocka_unit_test(a_line_that_breaks_off_says_so),
      cmocka_unit_test(a_line_may_wait_over_a_restart_and_be_given_up),
      cmocka_unit_test(a_later_part_that_raises_is_not_tried_again),
      cmocka_unit_test(a_line_without_end_is_ended),
      cmocka_unit_test(who_can_be_spoken_with),
      cmocka_unit_test(names_are_completed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
