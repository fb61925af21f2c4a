/* Suspended handlers: through crashes at every tick, beside handlers that change what they have
 * read, with views, answers and old scripts. */
#include <stdlib.h>
#include <unistd.h>

#include "durable_fixture.h"

/* Everything that a handler can learn from outside, compared with what it wrote down itself before
 * it was suspended. A second handler changes state meanwhile. */
static const char curious[] =
    "local haggle = require 'haggle'\n"
    "agent.on('go/1.0/now', function(message)\n"
    "  state.mine = { list = { 3, 1, 2 }, text = 'a', deep = { x = { n = 1 } } }\n"
    "  state.started = (state.started or 0) + 1\n"
    "  cache.seen = 5\n"
    "  local now, dice, id, cached = haggle.now(), math.random(1, 1 << 40), haggle.id(), "
    "cache.seen\n"
    "  local clock, keys, length = os.time(), {}, #state.mine.list\n"
    "  for k in pairs(state.mine) do keys[#keys + 1] = k end\n"
    "  local sent = agent.send('other', 'o/1.0/note', { n = now })\n"
    "  local file = host.read('/proc/uptime')\n"
    "  local ok, why = pcall(function() state.bad = { a = print, b = print } end)\n"
    "  state.kept = { now = now, dice = dice, id = id, cached = cached, clock = clock,\n"
    "                 keys = table.concat(keys, ' '), length = length, sent = sent, file = file,\n"
    "                 why = why, noted = state.noted or 0 }\n"
    "  local noted = state.noted or 0\n"
    "  agent.sleep('300ms')\n"
    "  local reply = agent.ask('other', 'o/1.0/what', { id = id }, { within = '5s' })\n"
    "  state.reply = reply.body.text\n"
    "  local text = reply.body.text\n"
    "  agent.sleep('100ms')\n"
    "  local kept = state.kept\n"
    "  assert(kept.now == now and kept.dice == dice and kept.id == id, 'time or chance')\n"
    "  assert(kept.cached == cached and kept.clock == clock, 'cache or clock')\n"
    "  assert(kept.keys == table.concat(keys, ' ') and kept.length == length, 'keys')\n"
    "  assert(kept.sent == sent and kept.file == file and kept.why == why, 'results')\n"
    "  assert(kept.noted == noted, 'what another handler has changed')\n"
    "  assert(state.reply == text, 'answer')\n"
    "  assert(math.random(1, 1 << 40) ~= dice)\n"
    "  state.ended = (state.ended or 0) + 1\n"
    "  message:reply('done', {})\n"
    "end)\n"
    "agent.on('note/1.0/n', function() state.noted = (state.noted or 0) + 1\n"
    "  if state.mine then state.mine.list = { 9 } end end)\n"
    "agent.every('tick', '70ms', function() state.noted = (state.noted or 0) + 1 end)\n"
    "agent.on('report/1.0/ask', function(m)\n"
    "  m:reply('told', { started = state.started or 0, ended = state.ended or 0 })\n"
    "end)\n";

static const char other[] =
    "agent.on('o/1.0/note', function() state.notes = (state.notes or 0) + 1 end)\n"
    "agent.on('o/1.0/what', function(m) agent.sleep('150ms')\n"
    "  state.asked = (state.asked or 0) + 1 m:reply('this', { text = m.body.id }) end)\n"
    "agent.on('report/1.0/ask', function(m)\n"
    "  m:reply('told', { notes = state.notes or 0, asked = state.asked or 0 })\n"
    "end)\n";

static void check_curious(uint64_t seed, int at, int every, int *ticks)
{
  static const struct cast cast[] = {{"curious", curious}, {"other", other}, {NULL, NULL}};
  struct world world;
  world_init(&world, seed);
  struct node *a = world_node(&world);
  enter(a, cast);
  world_run(&world);
  world_say(a, "curious", "go/1.0/now", NULL);
  world_run(&world);
  *ticks = live(&world, a, cast, at, every);
  if (world_dead_count(a, NULL)) fail_msg("tick %d, every %d: %s", at, every, world.logged);
  assert_int_equal(world_number(a, "curious", "report/1.0/ask", "started"), 1);
  assert_int_equal(world_number(a, "curious", "report/1.0/ask", "ended"), 1);
  assert_int_equal(world_number(a, "other", "report/1.0/ask", "notes"), 1);
  assert_int_equal(world_number(a, "other", "report/1.0/ask", "asked"), 1);
  assert_int_equal(run_count(a), 0);
  world_deinit(&world);
}

static void what_a_handler_learned_is_the_same_when_the_host_dies_after_any_tick(void **state)
{
  int ticks, ignored;
  check_curious(1, 0, 0, &ticks);
  for (int at = 1; at < 40; at++) check_curious(1, at, 0, &ignored);
  check_curious(2, 1, 3, &ticks);
  check_curious(3, 1, 2, &ticks);
}

/* ---- views ---- */

static const char viewer[] =
    "agent.on('go/1.0/now', function()\n"
    "  state.list = { { n = 3 }, { n = 1 }, { n = 2 } }\n"
    "  state.gone = { n = 7 }\n"
    "  local three, gone, list = state.list[1], state.gone, state.list\n"
    "  local again = state.list[1]\n"
    "  assert(three == again)\n"
    "  local byview = { [three] = 'three' }\n"
    "  agent.sleep('200ms')\n" /* sorted and moved meanwhile */
    "  assert(three.n == 3 and list[3] == three, 'a view names the table, not the place')\n"
    "  assert(byview[list[3]] == 'three', 'one table, one view')\n"
    "  local ok, why = pcall(function() return gone.n end)\n"
    "  assert(not ok and why:find('removed'), 'a table that is gone')\n"
    "  state.why = why\n"
    "  three.n = 33\n"
    "  agent.sleep('200ms')\n"
    "  assert(state.why == why)\n"
    "  assert(three.n == 34 and state.moved.list[3].n == 34, 'moved with all that is around it')\n"
    "  local order = {}\n"
    "  table.sort(list, function(a, b) order[#order + 1] = a.n .. '/' .. b.n return a.n > b.n "
    "end)\n"
    "  local text = ('xyz'):gsub('.', function() return three.n end)\n"
    "  state.order, state.text = table.concat(order, ' '), text\n"
    "  agent.sleep('50ms')\n"
    "  assert(state.order == table.concat(order, ' ') and state.text == text, 'callbacks')\n"
    "  assert(list[1] == three and three.n == 34)\n"
    "  state.ended = (state.ended or 0) + 1\n"
    "end)\n"
    "agent.on_timer('move', function(step)\n"
    "  if step == 1 then\n"
    "    table.sort(state.list, function(a, b) return a.n < b.n end)\n"
    "    state.gone = nil\n"
    "  else\n"
    "    local list = state.list\n"
    "    state.moved = {}\n"
    "    state.list = nil\n"
    "    state.moved.list = list\n"
    "    list[3].n = list[3].n + 1\n"
    "  end\n"
    "end)\n"
    "agent.on('start/1.0/it', function()\n"
    "  agent.after('move', '100ms', 1, { key = 'a' }) agent.after('move', '300ms', 2, { key = 'b' "
    "})\n"
    "end)\n"
    "agent.on('report/1.0/ask', function(m) m:reply('told', { ended = state.ended or 0 }) end)\n";

static void a_view_names_its_table_through_crashes_wherever_others_move_it(void **state)
{
  static const struct cast cast[] = {{"viewer", viewer}, {NULL, NULL}};
  for (int at = 0; at < 30; at++) {
    struct world world;
    world_init(&world, 10);
    struct node *a = world_node(&world);
    enter(a, cast);
    world_run(&world);
    world_say(a, "viewer", "start/1.0/it", NULL);
    world_say(a, "viewer", "go/1.0/now", NULL);
    world_run(&world);
    live(&world, a, cast, at, at % 3);
    if (world_dead_count(a, NULL)) fail_msg("tick %d: %s", at, world.logged);
    assert_int_equal(world_number(a, "viewer", "report/1.0/ask", "ended"), 1);
    world_deinit(&world);
  }
}

/* ---- many runs, many deaths ---- */

static const char trader[] =
    "agent.on('t/1.0/open', function(message)\n"
    "  local n = message.body.n\n"
    "  state.open = (state.open or 0) + 1\n"
    "  local sum = 0\n"
    "  for i = 1, 4 do\n"
    "    local before = state.total or 0\n"
    "    state.total = before + n\n"
    "    sum = sum + n\n"
    "    state['step' .. n] = (state['step' .. n] or 0) + 1\n"
    "    agent.sleep(math.random(1, 200))\n"
    "    local reply = agent.ask('bank', 'b/1.0/pay', { n = n, i = i }, { within = '60s' })\n"
    "    assert(reply.body.n == n and reply.body.i == i)\n"
    "  end\n"
    "  assert(state['step' .. n] == 4)\n"
    "  state.closed = (state.closed or 0) + 1\n"
    "  state.sum = (state.sum or 0) + sum\n"
    "end)\n"
    "agent.on('report/1.0/ask', function(m)\n"
    "  m:reply('told', { total = state.total or 0, closed = state.closed or 0,\n"
    "                    sum = state.sum or 0, open = state.open or 0 })\n"
    "end)\n";

static const char bank[] =
    "agent.on('b/1.0/pay', function(m)\n"
    "  state.paid = (state.paid or 0) + m.body.n\n"
    "  if m.body.i % 2 == 0 then agent.sleep(m.body.n) end\n"
    "  m:reply('paid', m.body)\n"
    "end)\n"
    "agent.on('report/1.0/ask', function(m) m:reply('told', { paid = state.paid or 0 }) end)\n";

static void many_handlers_through_many_deaths_take_effect_once(void **state)
{
  static const struct cast cast[] = {{"trader", trader}, {"bank", bank}, {NULL, NULL}};
  enum { RUNS = 15, SUM = RUNS * (RUNS + 1) / 2 };
  for (uint64_t seed = 20; seed < 26; seed++) {
    struct world world;
    world_init(&world, seed);
    struct node *a = world_node(&world);
    enter(a, cast);
    world_run(&world);
    for (int n = 1; n <= RUNS; n++) {
      char body[32];
      snprintf(body, sizeof body, "{\"n\":%d}", n);
      world_say(a, "trader", "t/1.0/open", body);
    }
    world_run(&world);
    for (int ms = 0; ms < 6000;) {
      hgl_host_tick(a->host);
      if (hgl_random_u64(&world.random) % 12 == 0 && ms < 4000) crash(a, cast);
      if (hgl_random_u64(&world.random) % 2 == 0) {
        hgl_clock_advance(&world.time, 10);
        ms += 10;
      }
    }
    world_advance(&world, 3000);
    if (world_dead_count(a, NULL)) fail_msg("seed %d: %s", (int)seed, world.logged);
    assert_int_equal(world_number(a, "trader", "report/1.0/ask", "open"), RUNS);
    assert_int_equal(world_number(a, "trader", "report/1.0/ask", "closed"), RUNS);
    assert_int_equal(world_number(a, "trader", "report/1.0/ask", "total"), 4 * SUM);
    assert_int_equal(world_number(a, "trader", "report/1.0/ask", "sum"), 4 * SUM);
    assert_int_equal(world_number(a, "bank", "report/1.0/ask", "paid"), 4 * SUM);
    assert_int_equal(run_count(a), 0);
    world_deinit(&world);
  }
}

/* ---- answers ---- */

static const char collector[] =
    "agent.on('go/1.0/now', function()\n"
    "  local results = agent.ask_all({ { 'fast', 'f/1.0/q', {} }, { 'slow', 's/1.0/q', {} },\n"
    "    { 'nobody', 'n/1.0/q', {} } }, { within = '10s' })\n"
    "  state.text = results[1].message.body.text .. results[2].message.body.text\n"
    "    .. results[3].code\n"
    "end)\n"
    "agent.on('report/1.0/ask', function(m) log.info('text ' .. (state.text or '-'))\n"
    "  m:reply('told', {}) end)\n";

static void an_answer_that_has_come_is_kept_until_it_is_used(void **state)
{
  static const struct cast cast[] = {
      {"collector", collector},
      {"fast", "agent.on('f/1.0/q', function(m) m:reply('a', { text = 'fast' }) end)"},
      {"slow", "agent.on('s/1.0/q', function(m) agent.sleep('2s') m:reply('a', { text = 'slow' })"
               " end)"},
      {NULL, NULL}};
  struct world world;
  enum hgl_code code;
  world_init(&world, 50);
  struct node *a = world_node(&world);
  enter(a, cast);
  world_run(&world);
  world_say(a, "collector", "go/1.0/now", NULL);
  world_advance(&world, 500);
  for (int i = 0; i < 3; i++) {
    crash(a, cast);
    world_advance(&world, 100);
  }
  world_advance(&world, 5000);
  json_decref(world_ask(a, "collector", "report/1.0/ask", &code));
  assert_true(world_logged(&world, "text fastslowundeliverable"));
  world_deinit(&world);
}

static void an_ask_times_out_after_a_restart_as_it_would_have_before(void **state)
{
  static const struct cast cast[] = {
      {"asker", "agent.on('go/1.0/now', function()\n"
                "  local reply, why, code = agent.ask('mute', 'm/1.0/q', {}, { within = '3s' })\n"
                "  log.info('outcome ' .. code)\n"
                "end)"},
      {"mute", "agent.on('m/1.0/q', function() end)"},
      {NULL, NULL}};
  struct world world;
  world_init(&world, 51);
  struct node *a = world_node(&world);
  enter(a, cast);
  world_run(&world);
  world_say(a, "asker", "go/1.0/now", NULL);
  world_advance(&world, 1000);
  crash(a, cast);
  world_advance(&world, 1900);
  assert_false(world_logged(&world, "outcome"));
  world_advance(&world, 200);
  assert_true(world_logged(&world, "outcome timeout"));
  /* What was due while the host was down is due at once. */
  world_say(a, "asker", "go/1.0/now", NULL);
  world_advance(&world, 100);
  world_crash(a);
  hgl_clock_advance(&world.time, 60000);
  world_restart(a);
  enter(a, cast);
  world_run(&world);
  assert_int_equal(world_count_logged(&world, "outcome timeout"), 2);
  world_deinit(&world);
}

/* ---- retries ---- */

static void a_raise_after_a_suspension_goes_on_from_there_and_repeats_nothing(void **state)
{
  static const struct cast cast[] = {
      {"worker", "local haggle = require 'haggle'\n"
                 "agent.on('go/1.0/now', function(m)\n"
                 "  state.first = (state.first or 0) + 1\n"
                 "  local from = haggle.now()\n"
                 "  log.info('first')\n"
                 "  agent.sleep('1s')\n"
                 "  state.second = (state.second or 0) + 1\n"
                 "  agent.send('sink', 's/1.0/s', {})\n"
                 "  if haggle.now() - from < 1050 then error('too early') end\n"
                 "  agent.sleep('1s')\n"
                 "  state.third = (state.third or 0) + 1\n"
                 "end)\n"
                 "agent.on('report/1.0/ask', function(m)\n"
                 "  m:reply('told', { n = state.first * 100 + state.second * 10 + state.third })\n"
                 "end)\n"},
      {"sink", "agent.on('s/1.0/s', function() log.info('heard') end)"},
      {NULL, NULL}};
  struct world world;
  world_init(&world, 60);
  struct node *a = world_node(&world);
  enter(a, cast);
  world_run(&world);
  world_say(a, "worker", "go/1.0/now", NULL);
  world_advance(&world, 4000);
  assert_int_equal(world_number(a, "worker", "report/1.0/ask", "n"), 111);
  assert_int_equal(world_count_logged(&world, "worker: first"), 1);
  assert_int_equal(world_count_logged(&world, "heard"), 1);
  assert_int_equal(world_count_logged(&world, "too early"), 1);
  assert_int_equal(world_dead_count(a, NULL), 0);
  world_deinit(&world);
}

/* ---- scripts that change ---- */

static int count_row(void *user, struct hgl_bytes key, struct hgl_bytes value, struct hgl_err *err)
{
  ++*(size_t *)user;
  return 0;
}

static void a_handler_ends_under_the_script_it_began_with(void **state)
{
  static const char format[] = "agent.on('go/1.0/now', function(m)\n"
                               "  log.info('%s begins')\n"
                               "  %s agent.sleep('2s')\n"
                               "  state.ended = (state.ended or '') .. '%s'\n"
                               "  log.info('%s ends')\n"
                               "  if m.body.more then agent.sleep('2s') end\n"
                               "  log.info('all ' .. state.ended)\n"
                               "end)\n";
  char first[1024], second[1024];
  snprintf(first, sizeof first, format, "old", "", "o", "old");
  snprintf(second, sizeof second, format, "new", "agent.sleep('1ms')", "n", "new");
  struct cast one[] = {{"x", first}, {NULL, NULL}}, two[] = {{"x", second}, {NULL, NULL}};
  struct world world;
  world_init(&world, 70);
  struct node *a = world_node(&world);
  enter(a, one);
  world_run(&world);
  world_say(a, "x", "go/1.0/now", "{\"more\":true}");
  world_advance(&world, 500);
  crash(a, two);
  world_say(a, "x", "go/1.0/now", NULL);
  world_advance(&world, 1000);
  assert_true(world_logged(&world, "new begins"));
  world_advance(&world, 1000);
  assert_true(world_logged(&world, "old ends"));
  crash(a, two); /* suspended again, still under the old one */
  world_advance(&world, 5000);
  assert_int_equal(world_count_logged(&world, "old begins"), 1);
  assert_int_equal(world_count_logged(&world, "old ends"), 1);
  assert_int_equal(world_count_logged(&world, "new ends"), 1);
  assert_true(world_logged(&world, "all on"));
  assert_int_equal(world_dead_count(a, NULL), 0);
  /* Nobody needs the old script any more. */
  crash(a, two);
  world_run(&world);
  const struct hgl_bytes none = {0};
  struct hgl_err err;
  size_t scripts = 0;
  assert_ok(hgl_store_scan(a->store, HGL_DB_SCRIPTS, none, none, false, count_row, &scripts, &err));
  assert_int_equal(scripts, 1);
  world_deinit(&world);
}

/* ---- divergence ---- */

static void write_module(const char *folder, const char *text)
{
  char path[256];
  snprintf(path, sizeof path, "%s/haggle/flow.lua", folder);
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  fputs(text, file);
  fclose(file);
}

static const char flow_user[] = "local flow = require 'haggle.flow'\n"
                                "agent.on('go/1.0/now', function(m)\n"
                                "  flow(m) log.info('ended') m:reply('done', {}) end)\n"
                                "agent.on('other/1.0/x', function() log.info('well') end)\n";
static const char flow_one[] = "return function(m) state.a = 1 agent.sleep('1s') state.b = 2 end\n";
static const char flow_two[] = "return function(m) state.a = 2 agent.sleep('1s') state.b = 2 end\n";

struct flow {
  struct world world;
  struct node *node;
  char folder[64];
  json_int_t row;
};

static const struct cast flow_cast[] = {{"x", flow_user}, {NULL, NULL}};

/* A handler that has diverged, because the library was changed under it. */
static void diverge(struct flow *flow)
{
  char path[128];
  snprintf(flow->folder, sizeof flow->folder, "/tmp/haggle-flow-XXXXXX");
  assert_non_null(mkdtemp(flow->folder));
  snprintf(path, sizeof path, "mkdir %s/haggle", flow->folder);
  assert_int_equal(system(path), 0);
  write_module(flow->folder, flow_one);
  world_init(&flow->world, 80);
  flow->world.stdlib = flow->folder;
  struct node *a = flow->node = world_node(&flow->world);
  enter(a, flow_cast);
  world_run(&flow->world);
  world_say(a, "x", "go/1.0/now", NULL);
  world_advance(&flow->world, 500);
  write_module(flow->folder, flow_two);
  crash(a, flow_cast);
  world_advance(&flow->world, 5000);
  assert_false(world_logged(&flow->world, "ended"));
  json_t *list = runs_of(a), *run = json_array_get(list, 0);
  assert_int_equal(json_array_size(list), 1);
  assert_string_equal(json_string_value(json_object_get(run, "status")), "parked");
  const char *why = present(json_string_value(json_object_get(run, "why")));
  if (!strstr(why, "stretch 1, ") ||
      !strstr(why, "call 1: a write to state, now with other arguments"))
    fail_msg("%s", why);
  flow->row = json_integer_value(json_object_get(run, "row"));
  json_decref(list);
  world_say(a, "x", "other/1.0/x", NULL); /* all else goes on */
  world_run(&flow->world);
  assert_true(world_logged(&flow->world, "well"));
}

static void flow_end(struct flow *flow)
{
  char command[128];
  world_deinit(&flow->world);
  snprintf(command, sizeof command, "rm -r %s", flow->folder);
  assert_int_equal(system(command), 0);
}

static void a_handler_that_diverges_is_parked_and_goes_on_when_the_cause_is_gone(void **state)
{
  struct flow flow;
  struct hgl_err err;
  diverge(&flow);
  assert_int_equal(hgl_host_run_retry(flow.node->host, (uint64_t)flow.row, &err), 0);
  world_run(&flow.world); /* the same again */
  assert_false(world_logged(&flow.world, "ended"));
  write_module(flow.folder, flow_one);
  crash(flow.node, flow_cast);
  world_run(&flow.world);
  assert_true(world_logged(&flow.world, "ended"));
  assert_int_equal(run_count(flow.node), 0);
  flow_end(&flow);
}

static void a_parked_handler_can_be_dropped_to_the_dead_letters(void **state)
{
  struct flow flow;
  struct hgl_err err;
  diverge(&flow);
  assert_int_equal(hgl_host_run_drop(flow.node->host, (uint64_t)flow.row, &err), 0);
  world_run(&flow.world);
  assert_int_equal(world_dead_count(flow.node, "diverged"), 1);
  assert_int_equal(run_count(flow.node), 0);
  assert_int_equal(hgl_host_run_drop(flow.node->host, (uint64_t)flow.row, &err), -HGL_NOT_FOUND);
  crash(flow.node, flow_cast);
  world_advance(&flow.world, 3000);
  assert_int_equal(run_count(flow.node), 0);
  flow_end(&flow);
}

static void a_parked_handler_can_be_finished(void **state)
{
  struct flow flow;
  struct hgl_err err;
  diverge(&flow);
  assert_int_equal(hgl_host_run_finish(flow.node->host, (uint64_t)flow.row, &err), 0);
  world_run(&flow.world);
  assert_int_equal(world_dead_count(flow.node, NULL), 0);
  assert_int_equal(run_count(flow.node), 0);
  flow_end(&flow);
}

/* ---- the journal's limits ---- */

static void a_full_journal_raises_and_a_handler_can_begin_anew(void **state)
{
  static const struct cast cast[] = {
      {"loop", "agent.on('go/1.0/now', function()\n"
               "  for i = 1, 1001 do\n"
               "    local ok, why = pcall(agent.sleep, 1)\n"
               "    if not ok then log.info('at ' .. i .. ': ' .. why)\n"
               "      return agent.continue('again', { round = 2 }) end\n"
               "  end\n"
               "  log.info('never')\n"
               "end)\n"
               "agent.on_timer('again', function(value)\n"
               "  state.round = value.round\n"
               "  log.info('round ' .. value.round)\n"
               "  if value.round < 5 then\n"
               "    agent.sleep('10ms')\n"
               "    agent.continue('again', { round = value.round + 1 })\n"
               "    local ok, why = pcall(agent.sleep, 1)\n"
               "    assert(not ok and why:find('after agent.continue'), why)\n"
               "  end\n"
               "end)\n"
               "agent.on('read/1.0/much', function()\n"
               "  state.long = ('x'):rep(100000)\n"
               "  local all = {}\n"
               "  for i = 1, 4 do all[i] = #state.long end\n" /* 400 KB */
               "  log.info('read')\n"
               "  agent.sleep(1)\n"
               "  log.info('not reached')\n"
               "end)\n"},
      {NULL, NULL}};
  struct world world;
  world_init(&world, 90);
  struct node *a = world_node(&world);
  enter(a, cast);
  world_run(&world);
  world_say(a, "loop", "go/1.0/now", NULL);
  world_advance(&world, 500);
  for (int i = 0; i < 1200; i++) {
    hgl_clock_advance(&world.time, 1);
    world_run(&world);
    if (i % 400 == 0) crash(a, cast);
  }
  world_advance(&world, 1000);
  assert_true(world_logged(&world, "at 1001: journal_full: this handler has waited 1000 times"));
  for (int round = 2; round <= 5; round++) {
    char text[32];
    snprintf(text, sizeof text, "round %d", round);
    assert_int_equal(world_count_logged(&world, text), 1);
  }
  assert_int_equal(world_dead_count(a, NULL), 0);
  world_say(a, "loop", "read/1.0/much", NULL);
  world_advance(&world, 2000);
  assert_true(world_logged(&world, "loop: read"));
  assert_false(world_logged(&world, "not reached"));
  assert_int_equal(world_dead_count(a, "journal_full"), 1);
  world_deinit(&world);
}

static void what_goes_on_anew_is_in_the_commit_of_what_ended(void **state)
{
  static const struct cast cast[] = {
      {"loop", "agent.on('go/1.0/now', function() agent.continue('step', 1) end)\n"
               "agent.on_timer('step', function(n)\n"
               "  state.n = n\n"
               "  agent.sleep('20ms')\n"
               "  if n < 30 then return agent.continue('step', n + 1) end\n"
               "  state.ended = (state.ended or 0) + 1\n"
               "end)\n"
               "agent.on('report/1.0/ask', function(m)\n"
               "  m:reply('told', { n = state.n, ended = state.ended or 0 }) end)\n"},
      {NULL, NULL}};
  for (int every = 1; every < 6; every++) {
    struct world world;
    world_init(&world, 91);
    struct node *a = world_node(&world);
    enter(a, cast);
    world_run(&world);
    world_say(a, "loop", "go/1.0/now", NULL);
    live(&world, a, cast, 1, every);
    assert_int_equal(world_number(a, "loop", "report/1.0/ask", "n"), 30);
    assert_int_equal(world_number(a, "loop", "report/1.0/ask", "ended"), 1);
    world_deinit(&world);
  }
}

static void going_through_keys_without_order_forbids_to_wait(void **state)
{
  static const struct cast cast[] = {{"x", "agent.on('go/1.0/now', function()\n"
                                           "  local one = { [{}] = 1 }\n"
                                           "  for _ in pairs(one) do end\n"
                                           "  agent.sleep(1)\n"
                                           "  log.info('one is no matter')\n"
                                           "  local two = { [{}] = 1, [{}] = 2 }\n"
                                           "  for _ in pairs(two) do end\n"
                                           "  local ok, why = pcall(agent.sleep, 1)\n"
                                           "  log.info(why)\n"
                                           "end)\n"},
                                     {NULL, NULL}};
  struct world world;
  world_init(&world, 92);
  struct node *a = world_node(&world);
  enter(a, cast);
  world_run(&world);
  world_say(a, "x", "go/1.0/now", NULL);
  world_advance(&world, 100);
  assert_true(world_logged(&world, "one is no matter"));
  assert_true(world_logged(&world, "they have no order"));
  world_deinit(&world);
}

static void a_handler_that_waits_by_a_name_made_up_is_tried_again_with_a_journal(void **state)
{
  static const struct cast cast[] = {{"x", "agent.on('go/1.0/now', function()\n"
                                           "  state.n = (state.n or 0) + 1\n"
                                           "  local n = state.n\n"
                                           "  agent['sl' .. 'eep'](2000)\n"
                                           "  log.info('ended ' .. n .. ' ' .. state.n)\n"
                                           "end)\n"},
                                     {NULL, NULL}};
  struct world world;
  world_init(&world, 93);
  struct node *a = world_node(&world);
  enter(a, cast);
  world_run(&world);
  world_say(a, "x", "go/1.0/now", NULL);
  world_advance(&world, 1000);
  crash(a, cast);
  world_advance(&world, 3000);
  assert_true(world_logged(&world, "ended 1 1"));
  assert_int_equal(world_count_logged(&world, "it is tried again"), 1);
  assert_int_equal(world_dead_count(a, NULL), 0);
  world_deinit(&world);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_a_handler_learned_is_the_same_when_the_host_dies_after_any_tick),
      cmocka_unit_test(a_view_names_its_table_through_crashes_wherever_others_move_it),
      cmocka_unit_test(many_handlers_through_many_deaths_take_effect_once),
      cmocka_unit_test(an_answer_that_has_come_is_kept_until_it_is_used),
      cmocka_unit_test(an_ask_times_out_after_a_restart_as_it_would_have_before),
      cmocka_unit_test(a_raise_after_a_suspension_goes_on_from_there_and_repeats_nothing),
      cmocka_unit_test(a_handler_ends_under_the_script_it_began_with),
      cmocka_unit_test(a_handler_that_diverges_is_parked_and_goes_on_when_the_cause_is_gone),
      cmocka_unit_test(a_parked_handler_can_be_dropped_to_the_dead_letters),
      cmocka_unit_test(a_parked_handler_can_be_finished),
      cmocka_unit_test(a_full_journal_raises_and_a_handler_can_begin_anew),
      cmocka_unit_test(what_goes_on_anew_is_in_the_commit_of_what_ended),
      cmocka_unit_test(going_through_keys_without_order_forbids_to_wait),
      cmocka_unit_test(a_handler_that_waits_by_a_name_made_up_is_tried_again_with_a_journal),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
