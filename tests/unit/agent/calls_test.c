/* Calls to the outside: begun behind the commit, answered once, repeated or of unknown outcome
 * after a crash. */
#include <stdio.h>

#include "support/world.h"

/* A service that does nothing until it is told to. */
struct fake {
  struct world *world;
  struct node *node;
  size_t checked, started, cancelled;
  uint64_t ticket;           /* of the last one started */
  struct hgl_id id, ids[16]; /* of the last, of the first ones */
  bool repeated, repeatable, eager, fails;
  size_t begun; /* how often it was told that all have begun */
  char request[256];
  size_t request_size;
  uint64_t commits; /* of the host when it was started */
};

static int fake_check(void *user, const struct hgl_call *call, struct hgl_call_nature *nature,
                      struct hgl_err *err)
{
  struct fake *fake = user;
  size_t folder_size;
  fake->checked++;
  if (!hgl_grants_cover(call->grants, "use", hgl_text("it"), &folder_size))
    return hgl_fail(err, HGL_DENIED, "grant --allow %s:use=it", call->agent);
  if (call->request.size && call->request.data[0] == 0x61)
    return hgl_fail(err, HGL_INVALID, "a single letter is no request");
  nature->repeatable = fake->repeatable;
  bool counted = call->request.size && memmem(call->request.data, call->request.size, "counted", 7);
  nature->eager = fake->eager && !counted;
  return 0;
}

static int fake_start(void *user, const struct hgl_call *call, uint64_t ticket, void **work,
                      struct hgl_err *err)
{
  struct fake *fake = user;
  if (fake->fails) return hgl_fail(err, HGL_REFUSED, "not today");
  if (fake->started < sizeof fake->ids / sizeof *fake->ids) fake->ids[fake->started] = call->id;
  fake->started++;
  fake->ticket = ticket;
  fake->id = call->id;
  fake->repeated = call->repeated;
  fake->commits = fake->node->host ? hgl_host_counts(fake->node->host).commits : 0;
  fake->request_size = call->request.size < sizeof fake->request ? call->request.size : 0;
  if (fake->request_size) memcpy(fake->request, call->request.data, fake->request_size);
  *work = fake;
  return 0;
}

static void fake_cancel(void *user, void *work)
{
  struct fake *fake = user;
  assert_ptr_equal(work, fake);
  fake->cancelled++;
}

static void fake_begun(void *user)
{
  ((struct fake *)user)->begun++;
}

struct fixture {
  struct world world;
  struct node *node;
  struct fake fake;
  struct hgl_service services[2];
};

static const char caller[] =
    "local haggle = require 'haggle'\n"
    "agent.on('go/1.0/now', function(message)\n"
    "  state.begun = (state.begun or 0) + 1\n"
    "  local result, why, code = host.call('fake', message.body, { within = '10s' })\n"
    "  state.ended = (state.ended or 0) + 1\n"
    "  log.info('outcome ' .. (result and tostring(result.answer) or code) .. ' ' .. (why or ''))\n"
    "  if message.body.fail and message.attempt < 2 then\n"
    "    error('behind the call')\n"
    "  end\n"
    "  if message.body.sleep then agent.sleep '1s' end\n"
    "  log.info('done')\n"
    "end)\n"
    "agent.on('two/1.0/now', function(message)\n"
    "  local a = host.call('fake', { n = 1 })\n"
    "  local b = host.call('fake', { n = 2 })\n"
    "  log.info('both ' .. a.answer .. ' ' .. b.answer)\n"
    "end)\n"
    "agent.on('chain/1.0/now', function(message)\n"
    "  local sum = 0\n"
    "  for i = 1, 3 do sum = sum + host.call('fake', { n = i }).answer end\n"
    "  state.ended = sum\n"
    "  sum = sum + host.call('fake', { n = 4 }).answer\n"
    "  state.ended = sum\n"
    "end)\n"
    "agent.on('lock/1.0/now', function(message)\n"
    "  agent.exclusive('till', function() host.call('fake', { n = 1 }) end)\n"
    "  host.call('fake', { n = 2 })\n"
    "end)\n"
    "agent.on('hold/1.0/now', function(message)\n"
    "  local first = state.list[1]\n"
    "  host.call('fake', { n = 1 })\n"
    "  local x = first.x\n"
    "  first = nil\n"
    "  for i = 1, 100000 do local _ = { i } end\n" /* it is collected */
    "  host.call('fake', { n = 2 })\n"
    "  log.info('held ' .. x)\n"
    "end)\n"
    "agent.on('list/1.0/make', function(message) state.list = { { x = 7 } } end)\n"
    "agent.on('list/1.0/move', function(message) table.insert(state.list, 1, { x = 0 }) end)\n"
    "agent.on('raw/1.0/now', function(message)\n"
    "  local ok, why = pcall(host.call, message.body.service, message.body.request)\n"
    "  log.info('raw ' .. tostring(ok) .. ' ' .. tostring(why))\n"
    "end)\n"
    "agent.on('report/1.0/ask', function(m)\n"
    "  m:reply('told', { begun = state.begun or 0, ended = state.ended or 0 })\n"
    "end)\n";

static const char *const use_it[] = {"use=it", NULL};

static void add_agents(struct fixture *f)
{
  world_agent(f->node, "operator", "", NULL);
  world_agent(f->node, "caller", caller, use_it);
  world_agent(f->node, "other", caller, NULL);
}

static void set_up(struct fixture *f, uint64_t seed)
{
  memset(f, 0, sizeof *f);
  world_init(&f->world, seed);
  f->fake.world = &f->world;
  f->services[0] = (struct hgl_service){"fake",      fake_check, fake_start,
                                        fake_cancel, &f->fake,   fake_begun};
  f->world.services = f->services;
  f->node = world_node(&f->world);
  f->fake.node = f->node;
  add_agents(f);
  world_run(&f->world);
}

static void restart(struct fixture *f)
{
  world_crash(f->node);
  world_restart(f->node);
  add_agents(f);
}

/* { answer = text } */
static void answer(struct fixture *f, uint64_t ticket, const char *text)
{
  struct hgl_buf value;
  struct hgl_err err;
  hgl_buf_init(&value, 1024);
  hgl_cbor_put_map(&value, 1);
  hgl_cbor_put_literal(&value, "answer");
  hgl_cbor_put_literal(&value, text);
  assert_ok(hgl_buf_check(&value, &err));
  hgl_host_call_done(f->node->host, ticket, hgl_buf_bytes(&value), NULL);
  hgl_buf_deinit(&value);
  world_run(&f->world);
}

static void answer_failure(struct fixture *f, uint64_t ticket, enum hgl_code code, const char *why)
{
  struct hgl_err err;
  hgl_fail(&err, code, "%s", why);
  hgl_host_call_done(f->node->host, ticket, hgl_bytes(NULL, 0), &err);
  world_run(&f->world);
}

static void a_call_begins_behind_its_commit_and_its_answer_resumes_the_handler(void **state)
{
  struct fixture f;
  set_up(&f, 1);
  uint64_t before = hgl_host_counts(f.node->host).commits;
  world_say(f.node, "caller", "go/1.0/now", "{\"x\":1}");
  world_run(&f.world);
  assert_int_equal(f.fake.started, 1);
  assert_true(f.fake.commits > before);
  assert_false(f.fake.repeated);
  assert_int_equal(hgl_host_calls(f.node->host), 1);
  assert_int_equal(world_number(f.node, "caller", "report/1.0/ask", "begun"), 1);
  assert_int_equal(world_number(f.node, "caller", "report/1.0/ask", "ended"), 0);
  answer(&f, f.fake.ticket, "42");
  assert_true(world_logged(&f.world, "outcome 42"));
  assert_true(world_logged(&f.world, "done"));
  assert_int_equal(hgl_host_calls(f.node->host), 0);
  assert_int_equal(f.fake.cancelled, 0);
  answer(&f, f.fake.ticket, "43"); /* it is over */
  assert_int_equal(world_number(f.node, "caller", "report/1.0/ask", "ended"), 1);
  world_deinit(&f.world);
}

static void a_stretch_that_raises_calls_nobody(void **state)
{
  struct fixture f;
  set_up(&f, 2);
  world_agent(f.node, "raiser",
              "agent.on('x/1.0/y', function()\n"
              "  pcall(function() host.call('fake', {}) end)\n"
              "end)\n"
              "agent.on('x/1.0/z', function()\n"
              "  local ok = pcall(table.sort, { 2, 1 }, function() host.call('fake', {}) end)\n"
              "  error('no')\n"
              "end)\n",
              use_it);
  world_say(f.node, "raiser", "x/1.0/z", NULL);
  world_advance(&f.world, 5000);
  assert_int_equal(f.fake.started, 0);
  world_say(f.node, "raiser", "x/1.0/y", NULL); /* pcall lets it wait */
  world_run(&f.world);
  assert_int_equal(f.fake.started, 1);
  world_deinit(&f.world);
}

static void what_fails_comes_back_as_nil_why_code(void **state)
{
  struct fixture f;
  set_up(&f, 3);
  world_say(f.node, "caller", "go/1.0/now", NULL);
  world_run(&f.world);
  answer_failure(&f, f.fake.ticket, HGL_IO, "the wire is cut");
  assert_true(world_logged(&f.world, "outcome io the wire is cut"));
  f.fake.fails = true;
  world_say(f.node, "caller", "go/1.0/now", NULL);
  world_run(&f.world);
  assert_true(world_logged(&f.world, "outcome refused not today"));
  world_say(f.node, "other", "go/1.0/now", NULL);
  world_run(&f.world);
  assert_true(world_logged(&f.world, "outcome denied grant --allow other:use=it"));
  world_say(f.node, "caller", "raw/1.0/now", "{\"service\":\"none\",\"request\":{}}");
  world_say(f.node, "caller", "raw/1.0/now", "{\"service\":\"fake\",\"request\":\"a\"}");
  world_run(&f.world);
  assert_true(world_logged(&f.world, "there is no service 'none' on this host"));
  assert_true(world_logged(&f.world, "a single letter is no request"));
  world_deinit(&f.world);
}

static void a_call_whose_time_is_over_is_cancelled(void **state)
{
  struct fixture f;
  set_up(&f, 4);
  world_say(f.node, "caller", "go/1.0/now", NULL);
  world_run(&f.world);
  world_advance(&f.world, 9999);
  assert_int_equal(f.fake.cancelled, 0);
  world_advance(&f.world, 2);
  assert_int_equal(f.fake.cancelled, 1);
  assert_true(world_logged(&f.world, "outcome timeout"));
  answer(&f, f.fake.ticket, "late");
  assert_int_equal(world_number(f.node, "caller", "report/1.0/ask", "ended"), 1);
  world_deinit(&f.world);
}

static void after_a_crash_the_outcome_is_unknown(void **state)
{
  struct fixture f;
  set_up(&f, 5);
  world_say(f.node, "caller", "go/1.0/now", NULL);
  world_run(&f.world);
  restart(&f);
  world_run(&f.world);
  assert_int_equal(f.fake.started, 1);
  assert_true(world_logged(&f.world, "outcome unknown_outcome"));
  assert_int_equal(world_number(f.node, "caller", "report/1.0/ask", "ended"), 1);
  assert_int_equal(world_number(f.node, "caller", "report/1.0/ask", "begun"), 1);
  world_deinit(&f.world);
}

static void one_that_may_be_repeated_begins_again_with_its_id(void **state)
{
  struct fixture f;
  set_up(&f, 6);
  f.fake.repeatable = true;
  world_say(f.node, "caller", "go/1.0/now", "{\"x\":1}");
  world_run(&f.world);
  struct fake first = f.fake;
  restart(&f);
  world_run(&f.world);
  assert_int_equal(f.fake.started, 2);
  assert_true(f.fake.repeated);
  assert_true(hgl_id_equal(&f.fake.id, &first.id));
  assert_int_equal(f.fake.request_size, first.request_size);
  assert_memory_equal(f.fake.request, first.request, first.request_size);
  answer(&f, f.fake.ticket, "again");
  assert_true(world_logged(&f.world, "outcome again"));
  assert_int_equal(world_number(f.node, "caller", "report/1.0/ask", "begun"), 1);
  world_deinit(&f.world);
}

static void two_calls_of_one_handler_have_two_ids(void **state)
{
  struct fixture f;
  set_up(&f, 7);
  world_say(f.node, "caller", "two/1.0/now", NULL);
  world_run(&f.world);
  struct hgl_id first = f.fake.id;
  answer(&f, f.fake.ticket, "a");
  assert_int_equal(f.fake.started, 2);
  assert_false(hgl_id_equal(&f.fake.id, &first));
  answer(&f, f.fake.ticket, "b");
  assert_true(world_logged(&f.world, "both a b"));
  world_deinit(&f.world);
}

static void an_answer_is_durable_and_not_asked_for_again(void **state)
{
  struct fixture f;
  set_up(&f, 8);
  world_say(f.node, "caller", "go/1.0/now", "{\"sleep\":true}");
  world_run(&f.world);
  answer(&f, f.fake.ticket, "first");
  restart(&f); /* while it sleeps */
  world_advance(&f.world, 2000);
  assert_int_equal(f.fake.started, 1);
  assert_true(world_logged(&f.world, "done"));
  assert_int_equal(world_number(f.node, "caller", "report/1.0/ask", "ended"), 1);
  world_deinit(&f.world);
}

static void a_stretch_that_raises_behind_a_call_has_the_same_answer_again(void **state)
{
  struct fixture f;
  set_up(&f, 9);
  world_agent(f.node, "again",
              "agent.on('x/1.0/y', function()\n"
              "  local result = host.call('fake', {})\n"
              "  state.turns = (state.turns or 0) + 1\n"
              "  cache.turns = (cache.turns or 0) + 1\n"
              "  log.info('turn ' .. result.answer)\n"
              "  error('no')\n"
              "end)\n",
              use_it);
  world_say(f.node, "again", "x/1.0/y", NULL);
  world_run(&f.world);
  answer(&f, f.fake.ticket, "7");
  world_advance(&f.world, 5000);
  assert_int_equal(world_count_logged(&f.world, "turn 7"), 3);
  assert_int_equal(f.fake.started, 1);
  assert_int_equal(world_dead_count(f.node, "handler_failed"), 1);
  world_deinit(&f.world);
}

static void a_handler_whose_lua_state_is_gone_gets_its_answer(void **state)
{
  struct fixture f;
  set_up(&f, 10);
  f.world.forget_lua = true;
  restart(&f);
  world_say(f.node, "caller", "two/1.0/now", NULL);
  world_run(&f.world);
  answer(&f, f.fake.ticket, "a");
  answer(&f, f.fake.ticket, "b");
  assert_true(world_logged(&f.world, "both a b"));
  world_deinit(&f.world);
}

static void the_call_of_an_agent_that_goes_is_cancelled(void **state)
{
  struct fixture f;
  struct hgl_err err;
  set_up(&f, 11);
  world_say(f.node, "caller", "go/1.0/now", NULL);
  world_run(&f.world);
  assert_ok(hgl_host_restart_agent(f.node->host, "caller", hgl_bytes(NULL, 0), &err));
  world_run(&f.world);
  assert_int_equal(f.fake.cancelled, 1);
  assert_int_equal(hgl_host_calls(f.node->host), 0);
  answer_failure(&f, f.fake.ticket, HGL_IO, "late");
  world_deinit(&f.world);
}

static void reloaded(void *user, json_t *result, const struct hgl_err *why)
{
  if (!result) fail_msg("%s", why->message);
  *(bool *)user = true;
}

static void a_call_outlives_a_reload(void **state)
{
  struct fixture f;
  struct hgl_err err;
  bool done = false;
  set_up(&f, 14);
  world_say(f.node, "caller", "go/1.0/now", NULL);
  world_run(&f.world);
  assert_ok(hgl_host_reload_agent(f.node->host, "caller",
                                  hgl_text("agent.on('other/1.0/thing', function() end)"), false,
                                  reloaded, &done, &err));
  world_run(&f.world);
  assert_true(done);
  assert_int_equal(f.fake.cancelled, 0);
  answer(&f, f.fake.ticket, "42");
  assert_true(world_logged(&f.world, "outcome 42")); /* under the script that it began with */
  world_deinit(&f.world);
}

static void an_agent_makes_only_so_many_calls_at_once(void **state)
{
  struct fixture f;
  set_up(&f, 12);
  struct hgl_agent_config config = {.grants = use_it, .limits = {.calls = 2}};
  world_agent_with(f.node, "few", caller, config);
  world_run(&f.world);
  world_say(f.node, "few", "go/1.0/now", "{\"a\":1}");
  world_say(f.node, "few", "go/1.0/now", "{\"a\":2}");
  world_run(&f.world);
  assert_int_equal(f.fake.started, 2);
  assert_false(world_logged(&f.world, "outcome"));
  world_say(f.node, "few", "go/1.0/now", "{\"a\":3}");
  world_run(&f.world);
  assert_int_equal(f.fake.started, 2);
  assert_true(world_logged(&f.world, "outcome limit few waits for 2 calls already"));
  answer(&f, f.fake.ticket, "x");
  world_say(f.node, "few", "go/1.0/now", "{\"a\":4}");
  world_run(&f.world);
  assert_int_equal(f.fake.started, 3);
  world_deinit(&f.world);
}

static void an_agent_makes_only_so_many_calls_a_second(void **state)
{
  struct fixture f;
  set_up(&f, 13);
  struct hgl_agent_config config = {.grants = use_it, .limits = {.calls_per_second = 1}};
  world_agent_with(f.node, "slow", caller, config);
  world_run(&f.world);
  for (int i = 0; i < 2; i++) {
    world_say(f.node, "slow", "go/1.0/now", NULL);
    world_run(&f.world);
  }
  assert_int_equal(f.fake.started, 1);
  assert_true(world_logged(&f.world, "outcome limit slow makes more than 1 calls a second"));
  world_advance(&f.world, 1100);
  world_say(f.node, "slow", "go/1.0/now", NULL);
  world_run(&f.world);
  assert_int_equal(f.fake.started, 2);
  world_deinit(&f.world);
}

/* Ticks by hand: nothing is committed but by the tick itself. */
static void an_eager_call_begins_with_its_tick_and_not_behind_the_commit(void **state)
{
  struct fixture f;
  set_up(&f, 20);
  f.fake.eager = f.fake.repeatable = true;
  uint64_t before = hgl_host_counts(f.node->host).commits;
  world_say(f.node, "caller", "go/1.0/now", "{\"x\":1}");
  hgl_host_tick(f.node->host);
  assert_int_equal(f.fake.checked, 1); /* its inputs may be large */
  assert_int_equal(f.fake.started, 1);
  assert_int_equal(f.fake.begun, 1);
  assert_int_equal(f.fake.commits, before); /* the message itself is not durable yet */
  answer(&f, f.fake.ticket, "42");          /* even so */
  assert_true(world_logged(&f.world, "outcome 42"));
  assert_int_equal(world_number(f.node, "caller", "report/1.0/ask", "ended"), 1);
  restart(&f);
  world_run(&f.world);
  assert_int_equal(f.fake.started, 1);
  assert_int_equal(world_number(f.node, "caller", "report/1.0/ask", "ended"), 1);
  world_deinit(&f.world);
}

static void an_eager_call_that_a_crash_cut_off_is_made_again(void **state)
{
  struct fixture f;
  set_up(&f, 21);
  f.fake.eager = f.fake.repeatable = true;
  world_say(f.node, "caller", "go/1.0/now", NULL);
  world_run(&f.world);
  assert_int_equal(f.fake.started, 1);
  restart(&f);
  world_run(&f.world);
  assert_int_equal(f.fake.started, 2);
  assert_true(f.fake.repeated);
  answer(&f, f.fake.ticket, "late");
  assert_true(world_logged(&f.world, "outcome late"));
  assert_int_equal(world_number(f.node, "caller", "report/1.0/ask", "begun"), 1);
  world_deinit(&f.world);
}

static size_t commits(const struct fixture *f)
{
  return hgl_host_counts(f->node->host).commits;
}

/* A model is asked again and again, and nobody has seen what it said: no commit is made for that.
 */
static void what_eager_calls_decide_is_durable_with_the_first_consequence(void **state)
{
  struct fixture f;
  set_up(&f, 24);
  f.fake.eager = f.fake.repeatable = true;
  world_say(f.node, "caller", "chain/1.0/now", NULL);
  world_run(&f.world);
  struct hgl_id first = f.fake.id;
  size_t before = commits(&f);
  answer(&f, f.fake.ticket, "1");
  answer(&f, f.fake.ticket, "2");
  assert_int_equal(f.fake.started, 3);
  assert_int_equal(commits(&f), before);
  restart(&f); /* what it had decided was without consequence */
  world_run(&f.world);
  assert_int_equal(f.fake.started, 4);
  assert_true(hgl_id_equal(&f.fake.id, &first));
  for (int i = 1; i <= 3; i++) answer(&f, f.fake.ticket, i == 1 ? "10" : i == 2 ? "20" : "30");
  assert_int_equal(f.fake.started, 7);
  restart(&f); /* the write to state made the three answers durable with it */
  world_run(&f.world);
  assert_int_equal(f.fake.started, 8);
  assert_int_equal(world_number(f.node, "caller", "report/1.0/ask", "ended"), 60);
  answer(&f, f.fake.ticket, "40");
  assert_int_equal(f.fake.started, 8);
  restart(&f);
  assert_int_equal(world_number(f.node, "caller", "report/1.0/ask", "ended"), 100);
  world_deinit(&f.world);
}

/* What took long, or comes in numbers, is not asked for again. */
static void decisions_are_deferred_for_a_second_at_most(void **state)
{
  struct fixture f;
  set_up(&f, 25);
  f.fake.eager = f.fake.repeatable = true;
  world_say(f.node, "caller", "chain/1.0/now", NULL);
  world_run(&f.world);
  world_advance(&f.world, 1000);
  size_t before = commits(&f);
  answer(&f, f.fake.ticket, "1");
  assert_int_equal(commits(&f), before + 1);
  answer(&f, f.fake.ticket, "2");
  assert_int_equal(commits(&f), before + 1);
  assert_int_equal(f.fake.started, 3);
  restart(&f);
  world_run(&f.world);
  assert_int_equal(f.fake.started, 4);
  assert_true(hgl_id_equal(&f.fake.id, &f.fake.ids[1]));
  world_deinit(&f.world);
}

/* Whoever has it next may be seen to have it. */
static void a_lock_that_is_given_back_between_eager_calls_is_durably_so(void **state)
{
  struct fixture f;
  set_up(&f, 26);
  f.fake.eager = f.fake.repeatable = true;
  world_say(f.node, "caller", "lock/1.0/now", NULL);
  world_run(&f.world);
  world_say(f.node, "caller", "lock/1.0/now", NULL);
  world_run(&f.world);
  assert_int_equal(f.fake.started, 1); /* the second one waits for the lock */
  answer(&f, f.fake.ticket, "1");
  assert_int_equal(f.fake.started, 3);
  restart(&f);
  world_run(&f.world);
  assert_int_equal(f.fake.started, 5);
  for (size_t i = 3; i < 5; i++) /* the first one is not within it again */
    assert_false(hgl_id_equal(&f.fake.ids[i], &f.fake.ids[0]));
  world_deinit(&f.world);
}

/* Unlike a crash, it loses nothing. */
static void an_agent_that_begins_again_keeps_what_was_deferred(void **state)
{
  struct fixture f;
  struct hgl_err err;
  set_up(&f, 28);
  f.fake.eager = f.fake.repeatable = true;
  world_say(f.node, "caller", "chain/1.0/now", NULL);
  world_run(&f.world);
  answer(&f, f.fake.ticket, "1");
  assert_ok(hgl_host_restart_agent(f.node->host, "caller", hgl_bytes(NULL, 0), &err));
  world_run(&f.world);
  assert_int_equal(f.fake.cancelled, 1);
  assert_int_equal(f.fake.started, 3);
  assert_true(hgl_id_equal(&f.fake.ids[2], &f.fake.ids[1]));
  for (int i = 2; i <= 4; i++) answer(&f, f.fake.ticket, i == 2 ? "2" : i == 3 ? "3" : "4");
  assert_int_equal(world_number(f.node, "caller", "report/1.0/ask", "ended"), 10);
  world_deinit(&f.world);
}

static void tables_that_move_make_decisions_durable(void **state)
{
  struct fixture f;
  set_up(&f, 27);
  f.fake.eager = f.fake.repeatable = true;
  world_say(f.node, "caller", "list/1.0/make", NULL);
  world_run(&f.world);
  world_say(f.node, "caller", "hold/1.0/now", NULL);
  world_run(&f.world);
  answer(&f, f.fake.ticket, "1");
  world_say(f.node, "caller", "list/1.0/move", NULL);
  world_run(&f.world);
  restart(&f);
  world_run(&f.world);
  answer(&f, f.fake.ticket, "2");
  if (f.fake.started == 4) answer(&f, f.fake.ticket, "2");
  assert_true(world_logged(&f.world, "held 7"));
  world_deinit(&f.world);
}

static void an_eager_call_that_cannot_begin_comes_back(void **state)
{
  struct fixture f;
  set_up(&f, 22);
  f.fake.eager = f.fake.fails = true;
  world_say(f.node, "caller", "go/1.0/now", NULL);
  world_run(&f.world);
  assert_true(world_logged(&f.world, "outcome refused not today"));
  assert_int_equal(world_number(f.node, "caller", "report/1.0/ask", "ended"), 1);
  world_deinit(&f.world);
}

static void eager_calls_are_not_counted_by_the_second(void **state)
{
  struct fixture f;
  set_up(&f, 23);
  f.fake.eager = f.fake.fails = true; /* over at once */
  world_agent(f.node, "busy",
              "agent.on('x/1.0/y', function()\n"
              "  local codes = {}\n"
              "  for i = 1, 350 do\n"
              "    local request = { counted = i > 100 and i <= 250 or nil }\n"
              "    local _, _, code = host.call('fake', request)\n"
              "    codes[code] = (codes[code] or 0) + 1\n"
              "  end\n"
              "  log.info('refused ' .. codes.refused .. ' limit ' .. codes.limit)\n"
              "end)\n",
              use_it);
  world_say(f.node, "busy", "x/1.0/y", NULL);
  world_run(&f.world);
  assert_true(world_logged(&f.world, "refused 300 limit 50"));
  world_deinit(&f.world);
}

/* However many ask models as fast as these answer, others do not wait for them. */
static void who_goes_on_with_an_eager_answer_is_behind_all_others(void **state)
{
  struct fixture f;
  set_up(&f, 27);
  f.fake.eager = true;
  world_say(f.node, "caller", "go/1.0/now", NULL);
  world_run(&f.world);
  hgl_host_call_done(f.node->host, f.fake.ticket,
                     hgl_bytes("\xa1\x66"
                               "answer\x63now",
                               12),
                     NULL);
  world_say(f.node, "other", "raw/1.0/now", "{\"service\":\"none\",\"request\":1}");
  world_run(&f.world);
  const char *decided = strstr(f.world.logged, "outcome now");
  const char *handled = strstr(f.world.logged, "raw false");
  assert_non_null(decided);
  assert_non_null(handled);
  assert_true(handled < decided);
  world_deinit(&f.world);
}

static void the_eager_call_of_an_agent_that_goes_is_cancelled(void **state)
{
  struct fixture f;
  struct hgl_err err;
  set_up(&f, 24);
  f.fake.eager = true;
  world_say(f.node, "caller", "go/1.0/now", NULL);
  world_run(&f.world);
  assert_int_equal(f.fake.started, 1);
  assert_ok(hgl_host_stop_agent(f.node->host, "caller", &err));
  world_run(&f.world);
  assert_int_equal(f.fake.cancelled, 1);
  assert_int_equal(hgl_host_calls(f.node->host), 0);
  world_deinit(&f.world);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_eager_call_begins_with_its_tick_and_not_behind_the_commit),
      cmocka_unit_test(an_eager_call_that_a_crash_cut_off_is_made_again),
      cmocka_unit_test(what_eager_calls_decide_is_durable_with_the_first_consequence),
      cmocka_unit_test(decisions_are_deferred_for_a_second_at_most),
      cmocka_unit_test(a_lock_that_is_given_back_between_eager_calls_is_durably_so),
      cmocka_unit_test(an_agent_that_begins_again_keeps_what_was_deferred),
      cmocka_unit_test(tables_that_move_make_decisions_durable),
      cmocka_unit_test(an_eager_call_that_cannot_begin_comes_back),
      cmocka_unit_test(eager_calls_are_not_counted_by_the_second),
      cmocka_unit_test(who_goes_on_with_an_eager_answer_is_behind_all_others),
      cmocka_unit_test(the_eager_call_of_an_agent_that_goes_is_cancelled),
      cmocka_unit_test(a_call_begins_behind_its_commit_and_its_answer_resumes_the_handler),
      cmocka_unit_test(a_stretch_that_raises_calls_nobody),
      cmocka_unit_test(what_fails_comes_back_as_nil_why_code),
      cmocka_unit_test(a_call_whose_time_is_over_is_cancelled),
      cmocka_unit_test(after_a_crash_the_outcome_is_unknown),
      cmocka_unit_test(one_that_may_be_repeated_begins_again_with_its_id),
      cmocka_unit_test(two_calls_of_one_handler_have_two_ids),
      cmocka_unit_test(an_answer_is_durable_and_not_asked_for_again),
      cmocka_unit_test(a_stretch_that_raises_behind_a_call_has_the_same_answer_again),
      cmocka_unit_test(a_handler_whose_lua_state_is_gone_gets_its_answer),
      cmocka_unit_test(the_call_of_an_agent_that_goes_is_cancelled),
      cmocka_unit_test(a_call_outlives_a_reload),
      cmocka_unit_test(an_agent_makes_only_so_many_calls_at_once),
      cmocka_unit_test(an_agent_makes_only_so_many_calls_a_second),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
