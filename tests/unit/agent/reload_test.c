/* Another script takes the place of the one that runs. */
#include <stdio.h>

#include "supervise_fixture.h"

struct outcome {
  json_t *result;
  struct hgl_err why;
  int told;
};

static void done(void *user, json_t *result, const struct hgl_err *why)
{
  struct outcome *outcome = user;
  outcome->told++;
  outcome->result = json_incref(result);
  if (why) outcome->why = *why;
}

static void forget(struct outcome *outcome)
{
  json_decref(outcome->result);
  *outcome = (struct outcome){0};
}

static struct outcome reload(struct node *node, const char *name, const char *source)
{
  struct outcome outcome = {0};
  struct hgl_err err;
  assert_ok(hgl_host_reload_agent(node->host, name, hgl_text(source), false, done, &outcome, &err));
  world_run(node->world);
  assert_int_equal(outcome.told, 1);
  return outcome;
}

static void assert_reloaded(struct node *node, const char *name, const char *source)
{
  struct outcome outcome = reload(node, name, source);
  if (!outcome.result) fail_msg("%s", outcome.why.message);
  forget(&outcome);
}

static void assert_refused(struct node *node, const char *name, const char *source,
                           enum hgl_code code, const char *why)
{
  struct outcome outcome = reload(node, name, source);
  assert_null(outcome.result);
  if (!strstr(outcome.why.message, why)) fail_msg("%s", outcome.why.message);
  assert_int_equal(outcome.why.code, code);
}

static int64_t field(const struct outcome *outcome, const char *name)
{
  const json_t *value = json_object_get(outcome->result, name);
  assert_non_null(value);
  return json_is_boolean(value) ? json_is_true(value) : json_integer_value(value);
}

#define COUNTER                                                                                    \
  "agent.on_start(function(reason) log.info('start ' .. reason) end)\n"                            \
  "agent.on_stop(function() log.info('stop') end)\n"                                               \
  "agent.on('x/1.0/write', function() state.n = (state.n or 0) + 1 cache.n = state.n end)\n"       \
  "agent.on('x/1.0/count', function(m) m:reply('is', { count = state.n or 0, cached = cache.n or " \
  "0, by = BY }) end)\n"

static const char one[] = "agent.describe { version = 1 } BY = 1\n" COUNTER;
static const char two[] = "agent.describe { version = 2 } BY = 2\n"
                          "agent.on_upgrade(function(from, to)\n"
                          "  state.n = state.n + 100 log.info('upgrade ' .. from .. ' ' .. to)\n"
                          "end)\n" COUNTER;
static const char raising[] =
    "agent.describe { version = 2 } BY = 2\n"
    "agent.offer { service = 'new' }\n"
    "agent.every('tick', '1s', function() log.info('new tick') end)\n"
    "agent.on_timer('t', function() log.info('fired') end)\n"
    "agent.on_upgrade(function(from, to)\n"
    "  state.n = 77 cache.n = 77 agent.send('x', 'x/1.0/write', {}) agent.after('t', '1s')\n"
    "  error('no way')\n"
    "end)\n" COUNTER;

static int64_t by(struct node *node)
{
  return world_number(node, "x", "x/1.0/count", "by");
}

static void it_keeps_state_and_cache_and_upgrades_first(void **state)
{
  struct world world;
  struct node *a;
  begin(&world, &a);
  world_agent(a, "x", one, NULL);
  world_say(a, "x", "x/1.0/write", NULL);
  world_run(&world);
  world_say(a, "x", "x/1.0/write", NULL); /* waits in the mailbox */
  struct outcome outcome = reload(a, "x", two);
  assert_int_equal(field(&outcome, "from"), 1);
  assert_int_equal(field(&outcome, "to"), 2);
  assert_true(field(&outcome, "upgraded") && field(&outcome, "changed"));
  forget(&outcome);
  assert_int_equal(written(a, "x"), 102);
  assert_int_equal(world_number(a, "x", "x/1.0/count", "cached"), 2);
  assert_int_equal(by(a), 2);
  assert_true(world_logged(&world, "x: upgrade 1 2\nhost: x is reloaded: version 1 to 2\n"
                                   "x: start reloaded\n"));
  assert_false(world_logged(&world, "x: stop"));
  assert_int_equal(restarts(a, "x"), 0);
  begin_again(a); /* the next start agrees */
  world_agent(a, "x", two, NULL);
  world_run(&world);
  assert_int_equal(world_count_logged(&world, "upgrade"), 1);
  assert_int_equal(written(a, "x"), 102);
  world_deinit(&world);
}

static void one_that_does_not_load_changes_nothing(void **state)
{
  struct world world;
  struct node *a;
  begin(&world, &a);
  world_agent(a, "x", one, NULL);
  world_say(a, "x", "x/1.0/write", NULL);
  world_run(&world);
  assert_refused(a, "x", "local a = = 1\n", HGL_SCRIPT, "x.lua:1:");
  assert_refused(a, "x", "agent.every('t', '1s', function() end)\nerror('top')\n", HGL_SCRIPT,
                 "x.lua:2: top");
  assert_refused(a, "x", "local t = {} for i = 1, 1e7 do t[i] = {} end\n", HGL_NO_MEMORY,
                 "memory limit");
  assert_refused(a, "x", "state.n = 3\n", HGL_SCRIPT, "x.lua:1:");
  assert_refused(a, "x", "\x1bLua", HGL_SCRIPT, "binary");
  assert_true(world_logged(&world, "x is not reloaded, and goes on as before: x.lua:2: top"));
  assert_int_equal(by(a), 1);
  assert_int_equal(written(a, "x"), 1);
  assert_int_equal(world_count_logged(&world, "start"), 1);
  world_advance(&world, 5000);
  begin_again(a);
  world_agent(a, "x", one, NULL);
  world_run(&world);
  assert_int_equal(written(a, "x"), 1);
  world_deinit(&world);
}

static void an_upgrade_that_raises_leaves_nothing_of_the_new_script(void **state)
{
  struct world world;
  struct node *a;
  begin(&world, &a);
  world_agent(a, "x", one, NULL);
  world_say(a, "x", "x/1.0/write", NULL);
  world_run(&world);
  assert_refused(a, "x", raising, HGL_SCRIPT, "on_upgrade(1, 2): x.lua:7: no way");
  assert_true(world_logged(&world, "rolled back: 1 write to state, 1 write to cache, "
                                   "1 message to x (x/1.0/write), 1 timer"));
  world_advance(&world, 5000);
  assert_false(world_logged(&world, "tick"));
  assert_false(world_logged(&world, "fired"));
  assert_false(world_logged(&world, "reloaded\n"));
  assert_int_equal(written(a, "x"), 1);
  assert_int_equal(world_number(a, "x", "x/1.0/count", "cached"), 1);
  assert_int_equal(by(a), 1);
  struct hgl_err err;
  json_t *found;
  assert_ok(hgl_host_find(a->host, "service = new", &found, &err));
  assert_int_equal(json_array_size(found), 0);
  json_decref(found);
  assert_reloaded(a, "x", two); /* mended: from 1, because nothing was stored */
  assert_true(world_logged(&world, "upgrade 1 2"));
  world_deinit(&world);
}

static void an_upgrade_that_waits_is_refused(void **state)
{
  struct world world;
  struct node *a;
  begin(&world, &a);
  world_agent(a, "x", one, NULL);
  world_run(&world);
  assert_refused(
      a, "x",
      "agent.describe { version = 2 } BY = 2\n"
      "agent.on_upgrade(function() state.n = 5 agent.sleep('1s') state.n = 6 end)\n" COUNTER,
      HGL_INVALID, "on_upgrade waits");
  assert_int_equal(waiting(a), 0);
  world_advance(&world, 2000);
  assert_int_equal(written(a, "x"), 0);
  assert_int_equal(by(a), 1);
  world_deinit(&world);
}

static void a_version_that_falls_is_told_and_kept(void **state)
{
  struct world world;
  struct node *a;
  begin(&world, &a);
  world_agent(a, "x", two, NULL);
  world_say(a, "x", "x/1.0/write", NULL);
  world_run(&world);
  assert_reloaded(a, "x", one);
  assert_true(world_logged(&world, "goes back from version 2 to 1: on_upgrade is not called"));
  begin_again(a);
  world_agent(a, "x", one, NULL);
  world_run(&world);
  assert_false(world_logged(&world, "upgrade 2"));
  assert_int_equal(world_count_logged(&world, "goes back"), 1);
  assert_reloaded(a, "x", two);
  assert_true(world_logged(&world, "upgrade 1 2"));
  begin_again(a); /* a start goes back likewise */
  world_agent(a, "x", one, NULL);
  world_run(&world);
  assert_int_equal(world_count_logged(&world, "goes back"), 2);
  assert_int_equal(world_count_logged(&world, "upgrade 1 2\n"), 1);
  world_deinit(&world);
}

#define SLEEPER(word)                                                                              \
  "agent.on('x/1.0/wait', function(m)\n"                                                           \
  "  local t = state.t or {} state.t = t state.t.at = '" word "'\n"                                \
  "  t = state.t agent.sleep('10s')\n"                                                             \
  "  log.info('" word " ends, ' .. t.at .. ' ' .. BY)\n"                                           \
  "end)\n"

static void handlers_that_wait_go_on_under_the_script_they_began_with(void **state)
{
  for (int crash = 0; crash < 3; crash++) {
    struct world world;
    struct node *a;
    begin(&world, &a);
    world_agent(a, "x", "BY = 1\n" SLEEPER("old"), NULL);
    world_say(a, "x", "x/1.0/wait", NULL);
    world_run(&world);
    struct outcome outcome = reload(a, "x", "BY = 2\n" SLEEPER("new"));
    assert_int_equal(field(&outcome, "old_handlers"), 1);
    forget(&outcome);
    world_say(a, "x", "x/1.0/wait", NULL);
    world_run(&world);
    assert_int_equal(waiting(a), 2);
    if (crash == 1) {
      begin_again(a);
      world_agent(a, "x", "BY = 2\n" SLEEPER("new"), NULL);
    }
    if (crash == 2) assert_reloaded(a, "x", "BY = 3\n");
    world_advance(&world, 11000);
    assert_int_equal(world_count_logged(&world, "x: old ends, new 1\n"), 1);
    assert_int_equal(world_count_logged(&world, "x: new ends, new 2\n"), 1);
    assert_int_equal(waiting(a), 0);
    world_deinit(&world);
  }
}

static void schedules_follow_the_script_and_timers_stay(void **state)
{
  struct world world;
  struct node *a;
  begin(&world, &a);
  world_agent(a, "x",
              "agent.every('gone', '1s', function() log.info('gone') end)\n"
              "agent.every('stays', '1s', function() log.info('old stays') end)\n"
              "agent.every('slower', '1s', function() log.info('slower') end)\n"
              "agent.on_timer('late', function(v) log.info('late ' .. v) end)\n"
              "agent.on_timer('lost', function() log.info('lost') end)\n"
              "agent.on('x/1.0/set', function()\n"
              "  agent.after('late', '5s', 'value') agent.after('lost', '5s')\n"
              "end)\n",
              NULL);
  world_say(a, "x", "x/1.0/set", NULL);
  world_run(&world);
  world_advance(&world, 500);
  assert_reloaded(a, "x",
                  "agent.every('stays', '1s', function() log.info('new stays') end)\n"
                  "agent.every('slower', '3s', function() log.info('slower') end)\n"
                  "agent.every('begins', '2s', function() log.info('begins') end)\n"
                  "agent.on_timer('late', function(v) log.info('new late ' .. v) end)\n");
  assert_true(world_logged(&world, "1 timers wait, 'lost' for one"));
  world_advance(&world, 6000); /* 6.5 s since it began */
  assert_int_equal(world_count_logged(&world, ": gone\n"), 0);
  assert_int_equal(world_count_logged(&world, ": new stays\n"), 6);
  assert_int_equal(world_count_logged(&world, ": slower\n"), 2); /* after 1 s and 4 s */
  assert_int_equal(world_count_logged(&world, ": begins\n"), 3); /* 2.5, 4.5, 6.5 */
  assert_int_equal(world_count_logged(&world, ": new late value\n"), 1);
  assert_int_equal(world_count_logged(&world, ": lost\n"), 0);
  world_deinit(&world);
}

static void a_schedule_whose_call_goes_on_skips_after_a_reload_too(void **state)
{
  static const char slow[] = "agent.every('t', '%ds', function() agent.sleep('10s') end) BY = %d\n";
  char before[128], after[128];
  struct world world;
  struct node *a;
  snprintf(before, sizeof before, slow, 1, 1);
  snprintf(after, sizeof after, slow, 2, 2);
  begin(&world, &a);
  world_agent(a, "x", before, NULL);
  world_advance(&world, 1100);
  assert_int_equal(waiting(a), 1);
  assert_reloaded(a, "x", after);
  world_advance(&world, 4000);
  assert_int_equal(waiting(a), 1);
  assert_true(world_logged(&world, "'t' is skipped"));
  world_deinit(&world);
}

static void one_that_cannot_begin_is_mended_by_a_reload(void **state)
{
  struct world world;
  struct node *a;
  begin(&world, &a);
  world_agent_with(a, "x", "agent.on_start(function() error('boom') end)\n",
                   policy(1, 60000, 100, 1));
  world_run(&world); /* it raised once, and is to be tried again */
  assert_reloaded(a, "x", one);
  assert_status(a, "x", "running");
  assert_int_equal(world_count_logged(&world, "start created"), 1);
  assert_int_equal(restarts(a, "x"), 0);
  world_agent_with(a, "y", "agent.on_start(function() error('boom') end)\n",
                   policy(1, 60000, 100, 1));
  world_advance(&world, 5000);
  assert_status(a, "y", "parked");
  struct outcome outcome = reload(a, "y", one);
  assert_true(field(&outcome, "restarted"));
  forget(&outcome);
  world_run(&world);
  assert_status(a, "y", "running");
  assert_true(world_logged(&world, "y: start created"));
  world_deinit(&world);
}

/* Whether it failed in this life of the host or in an earlier one. */
static void one_that_was_parked_before_a_start_begins_again(void **state)
{
  struct world world;
  struct node *a;
  begin(&world, &a);
  for (int life = 0; life < 2; life++) {
    if (life) begin_again(a);
    world_agent_with(a, "y", "agent.on_start(function() error('boom') end)\n",
                     policy(1, 60000, 100, 1));
    world_advance(&world, 5000);
    assert_status(a, "y", "parked");
  }
  struct outcome outcome = reload(a, "y", one);
  assert_true(field(&outcome, "restarted"));
  forget(&outcome);
  world_run(&world);
  assert_status(a, "y", "running");
  assert_true(world_logged(&world, "y: start created"));
  world_deinit(&world);
}

static void one_that_sleeps_or_is_paused_is_reloaded_and_one_that_is_stopped_is_not(void **state)
{
  struct hgl_err err;
  struct world world;
  struct node *a;
  world_init(&world, 5);
  world.hibernate_ms = 500;
  a = world_node(&world);
  world_agent(a, "operator", "", NULL);
  world_agent(a, "x", one, NULL);
  world_say(a, "x", "x/1.0/write", NULL);
  world_advance(&world, 3000);
  assert_reloaded(a, "x", two);
  assert_int_equal(written(a, "x"), 101);
  world_advance(&world, 3000);
  assert_int_equal(by(a), 2); /* asleep and awake again, it is the new one */
  assert_ok(hgl_host_pause_agent(a->host, "x", &err));
  world_run(&world);
  size_t starts = world_count_logged(&world, "start");
  assert_reloaded(a, "x", one);
  assert_int_equal(world_count_logged(&world, "start"), starts);
  assert_ok(hgl_host_resume_agent(a->host, "x", &err));
  world_run(&world);
  assert_int_equal(world_count_logged(&world, "start"), starts + 1);
  assert_ok(hgl_host_stop_agent(a->host, "x", &err));
  assert_refused(a, "x", two, HGL_INVALID, "x is"); /* being stopped, or stopped */
  world_run(&world);
  assert_refused(a, "x", two, HGL_INVALID, "x is stopped");
  struct outcome outcome = {0};
  assert_fails(HGL_NOT_FOUND, hgl_host_reload_agent(a->host, "nobody", hgl_text(one), false, done,
                                                    &outcome, &err));
  assert_fails(HGL_INVALID, hgl_host_reload_agent(a->host, "operator", hgl_text(one), false, done,
                                                  &outcome, &err));
  world_deinit(&world);
}

static void a_crash_leaves_the_agent_as_before_or_as_after(void **state)
{
  struct hgl_err err;
  struct world world;
  struct node *a;
  begin(&world, &a);
  world_agent(a, "x", one, NULL);
  world_say(a, "x", "x/1.0/write", NULL);
  world_run(&world);
  struct hgl_store *before = world_copy(a);
  struct outcome outcome = {0};
  assert_ok(hgl_host_reload_agent(a->host, "x", hgl_text(two), false, done, &outcome, &err));
  hgl_host_tick(a->host); /* made, and not committed */
  assert_int_equal(outcome.told, 0);
  assert_true(world_logged(&world, "upgrade 1 2"));
  world_crash_to(a, before);
  assert_int_equal(outcome.told, 1);
  assert_int_equal(outcome.why.code, HGL_CLOSED);
  world_restart(a);
  world_agent(a, "operator", "", NULL);
  world_agent(a, "x", two, NULL);
  world_run(&world);
  assert_int_equal(world_count_logged(&world, "upgrade 1 2"), 2); /* the start does it */
  assert_int_equal(written(a, "x"), 101);
  world_deinit(&world);
}

static void what_is_offered_follows_the_script(void **state)
{
  struct hgl_err err;
  json_t *found;
  struct world world;
  struct node *a;
  begin(&world, &a);
  world_agent(a, "x", "agent.offer { service = 'old' }\n", NULL);
  world_run(&world);
  assert_reloaded(a, "x", "agent.offer { service = 'new' }\n");
  assert_ok(hgl_host_find(a->host, "service = old", &found, &err));
  assert_int_equal(json_array_size(found), 0);
  json_decref(found);
  assert_ok(hgl_host_find(a->host, "service = new", &found, &err));
  assert_int_equal(json_array_size(found), 1);
  json_decref(found);
  world_deinit(&world);
}

static const char shop[] =
    "agent.protocol { name = 'shop', version = '1.0', messages = {\n"
    "  ask = { replies = { 'price' } }, price = { replies = { 'take'%s } }, take = {}%s } }\n"
    "agent.on('shop/1.0/ask', function(m) m:reply('price', {}) end)\n"
    "agent.on('shop/1.0/take', function() log.info('taken') end)\n";
static const char customer[] =
    "agent.on('go/1.0/now', function() state.id = agent.send('x', 'shop/1.0/ask', {}) end)\n"
    "agent.on('shop/1.0/price', function(m) state.price = m:ref() end)\n"
    "agent.on('take/1.0/now', function() agent.reply(state.price, 'take', {}) end)\n";

static void a_dialogue_keeps_the_definition_it_began_under(void **state)
{
  char before[640], after[640];
  snprintf(before, sizeof before, shop, "", "");
  snprintf(after, sizeof after, shop, ", 'leave'", ", leave = {}");
  for (int changed = 0; changed < 2; changed++) {
    struct world world;
    struct node *a;
    begin(&world, &a);
    world_agent(a, "x", before, NULL);
    world_agent(a, "y", customer, NULL);
    world_say(a, "y", "go/1.0/now", NULL);
    world_run(&world);
    assert_reloaded(a, "x", changed ? after : before);
    world_say(a, "y", "take/1.0/now", NULL);
    world_run(&world);
    assert_int_equal(world_logged(&world, "taken"), !changed);
    assert_int_equal(world_logged(&world, "the dialogue began under another definition"), changed);
    world_deinit(&world);
  }
}

static void many_are_reloaded_one_after_the_other(void **state)
{
  struct hgl_err err;
  struct world world;
  struct node *a;
  begin(&world, &a);
  struct outcome outcomes[20] = {0};
  for (int i = 0; i < 20; i++) {
    char name[16];
    snprintf(name, sizeof name, "w-%d", i);
    world_agent(a, name, one, NULL);
    assert_ok(hgl_host_reload_agent(a->host, name, hgl_text(i == 7 ? raising : two), false, done,
                                    &outcomes[i], &err));
  }
  world_run(&world);
  for (int i = 0; i < 20; i++) {
    assert_int_equal(outcomes[i].told, 1);
    forget(&outcomes[i]);
  }
  world_deinit(&world);
}

enum { SELECTED_SIZE = 256 };

static int note_name(void *user, const char *name, const char *script, struct hgl_err *err)
{
  size_t used = strlen(user);
  snprintf((char *)user + used, SELECTED_SIZE - used, "%s ", name);
  return 0;
}

static void assert_selected(struct node *node, struct hgl_selection selection, const char *names)
{
  char found[SELECTED_SIZE] = "";
  struct hgl_err err;
  int status = hgl_host_select(node->host, &selection, note_name, found, &err);
  assert_int_equal(status, *names ? 0 : -HGL_NOT_FOUND);
  assert_string_equal(found, names);
}

static void agents_are_selected_by_name_count_group_and_file(void **state)
{
  struct world world;
  struct node *a;
  begin(&world, &a);
  add_three(a, HGL_ONE_FOR_ONE, 0);
  world_agent(a, "worker-1", one, NULL);
  world_agent(a, "worker-22", one, NULL);
  world_agent(a, "worker-x", one, NULL);
  world_agent(a, "worker-", one, NULL);
  world_agent(a, "workers", one, NULL);
  assert_selected(a, (struct hgl_selection){.name = "worker"}, "worker-1 worker-22 ");
  assert_selected(a, (struct hgl_selection){.name = "worker-x"}, "worker-x ");
  assert_selected(a, (struct hgl_selection){.group = "shop"}, "a b c ");
  assert_selected(a, (struct hgl_selection){.file = "b.lua"}, "b ");
  assert_selected(a, (struct hgl_selection){0},
                  "a b c alone worker-1 worker-22 worker-x worker- workers ");
  assert_selected(a, (struct hgl_selection){.name = "work"}, "");
  assert_selected(a, (struct hgl_selection){.name = "operator"}, "");
  assert_selected(a, (struct hgl_selection){.group = "none"}, "");
  world_agent(a, "worker", one, NULL);
  assert_selected(a, (struct hgl_selection){.name = "worker"}, "worker ");
  world_deinit(&world);
}

static void an_unchanged_script_is_left_alone_if_that_is_wanted(void **state)
{
  struct hgl_err err;
  struct world world;
  struct node *a;
  begin(&world, &a);
  world_agent(a, "x", one, NULL);
  world_run(&world);
  struct outcome outcome = {0};
  assert_ok(hgl_host_reload_agent(a->host, "x", hgl_text(one), true, done, &outcome, &err));
  world_run(&world);
  assert_false(field(&outcome, "changed"));
  forget(&outcome);
  assert_int_equal(world_count_logged(&world, "start"), 1);
  assert_reloaded(a, "x", one);
  assert_int_equal(world_count_logged(&world, "start reloaded"), 1);
  world_deinit(&world);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(it_keeps_state_and_cache_and_upgrades_first),
      cmocka_unit_test(one_that_does_not_load_changes_nothing),
      cmocka_unit_test(an_upgrade_that_raises_leaves_nothing_of_the_new_script),
      cmocka_unit_test(an_upgrade_that_waits_is_refused),
      cmocka_unit_test(a_version_that_falls_is_told_and_kept),
      cmocka_unit_test(handlers_that_wait_go_on_under_the_script_they_began_with),
      cmocka_unit_test(schedules_follow_the_script_and_timers_stay),
      cmocka_unit_test(a_schedule_whose_call_goes_on_skips_after_a_reload_too),
      cmocka_unit_test(one_that_cannot_begin_is_mended_by_a_reload),
      cmocka_unit_test(one_that_was_parked_before_a_start_begins_again),
      cmocka_unit_test(one_that_sleeps_or_is_paused_is_reloaded_and_one_that_is_stopped_is_not),
      cmocka_unit_test(a_crash_leaves_the_agent_as_before_or_as_after),
      cmocka_unit_test(what_is_offered_follows_the_script),
      cmocka_unit_test(a_dialogue_keeps_the_definition_it_began_under),
      cmocka_unit_test(many_are_reloaded_one_after_the_other),
      cmocka_unit_test(agents_are_selected_by_name_count_group_and_file),
      cmocka_unit_test(an_unchanged_script_is_left_alone_if_that_is_wanted),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
