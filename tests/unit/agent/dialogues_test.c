#include <stdio.h>

#include "support/world.h"

#define PROTOCOL(body)                                                                             \
  "agent.protocol { name = 'deal', version = '1.0', messages = {\n"                                \
  "  ask = { body = { " body " }, replies = { 'offer' }, within = '10s' },\n"                      \
  "  offer = { body = { price = 'integer' }, replies = { 'take' } },\n"                            \
  "  take = {} } }\n"

static const char buyer_format[] =
    "%s"
    "agent.on('go/1.0/now', function(message)\n"
    "  agent.send('%s', 'deal/1.0/ask', message.body)\n"
    "end)\n"
    "agent.on('deal/1.0/offer', function(message)\n"
    "  message:reply('take', {})\n"
    "  log.info('took')\n"
    "  local ok, why = pcall(message.reply, message, 'take', {})\n"
    "  log.info('again ' .. tostring(ok))\n"
    "end)\n"
    "agent.on_undelivered(function(message, why, code) log.info('undelivered ' .. code) end)\n";

static const char seller_format[] =
    "%s"
    "agent.on('deal/1.0/ask', function(message)\n"
    "  log.info('asked')\n"
    "  state.ref = message:ref()\n"
    "  if message.body.what == 'late' then return agent.after('late', '20s') end\n"
    "  message:reply('offer', { price = 3 })\n"
    "end)\n"
    "agent.on_timer('late', function() agent.reply(state.ref, 'offer', { price = 4 }) end)\n"
    "agent.on('deal/1.0/take', function() log.info('taken') end)\n"
    "agent.on_undelivered(function(message, why, code) log.info('unsold ' .. code) end)\n";

struct market {
  struct world world;
  struct node *a, *b;
  char buyer[2048], seller[2048];
};

static void add_buyer(struct market *market)
{
  world_agent(market->a, "operator", "", NULL);
  world_agent(market->a, "buyer", market->buyer, NULL);
}

static void add_seller(struct market *market)
{
  world_agent(market->b, "seller", market->seller, NULL);
}

static void begin(struct market *market, const char *ours, const char *theirs)
{
  world_init(&market->world, 1);
  market->a = world_node(&market->world);
  market->b = world_node(&market->world);
  snprintf(market->buyer, sizeof market->buyer, buyer_format, ours, world_did(market->b, "seller"));
  snprintf(market->seller, sizeof market->seller, seller_format, theirs);
  add_buyer(market);
  add_seller(market);
  world_link(market->a, market->b);
  world_run(&market->world);
}

static void go(struct market *market, const char *body)
{
  world_say(market->a, "buyer", "go/1.0/now", body);
  world_run(&market->world);
}

static void a_dialogue_goes_its_way_and_ends(void **state)
{
  struct market market;
  begin(&market, PROTOCOL("what = 'string'"), PROTOCOL("what = 'string'"));
  go(&market, "{\"what\":\"x\"}");
  assert_true(world_logged(&market.world, "seller: taken"));
  assert_true(world_logged(&market.world, "again false")); /* it had ended with the first */
  world_deinit(&market.world);
}

static void a_body_that_does_not_fit_is_a_bug_of_the_senders_own(void **state)
{
  struct market market;
  begin(&market, PROTOCOL("what = 'string'"), PROTOCOL("what = 'string'"));
  go(&market, "{\"what\":7}");
  assert_false(world_logged(&market.world, "seller: asked"));
  assert_true(world_logged(&market.world, "body.what"));
  world_deinit(&market.world);
}

static void two_definitions_find_out_at_the_first_message(void **state)
{
  struct market market;
  begin(&market, PROTOCOL("what = 'string'"), PROTOCOL("what = 'any'"));
  go(&market, "{\"what\":\"x\"}");
  assert_false(world_logged(&market.world, "seller: asked"));
  assert_true(world_logged(&market.world, "undelivered different_definition"));
  world_deinit(&market.world);
}

static void a_dialogue_goes_on_after_both_hosts_restart(void **state)
{
  struct market market;
  begin(&market, PROTOCOL("what = 'string'"), PROTOCOL("what = 'string'"));
  world_unlink(market.a, market.b);
  go(&market, "{\"what\":\"x\"}");
  world_crash(market.a);
  world_restart(market.a);
  add_buyer(&market);
  world_link(market.a, market.b);
  /* Up to the seller's offer, which does not get through. */
  hgl_host_tick(market.a->host);
  world_run(&market.world);
  world_crash(market.b);
  world_restart(market.b);
  add_seller(&market);
  world_link(market.a, market.b);
  world_run(&market.world);
  assert_int_equal(world_count_logged(&market.world, "seller: taken"), 1);
  world_deinit(&market.world);
}

static void an_answer_after_the_deadline_is_a_violation(void **state)
{
  struct market market;
  begin(&market, PROTOCOL("what = 'string'"), PROTOCOL("what = 'string'"));
  go(&market, "{\"what\":\"late\"}");
  world_advance(&market.world, 25000);
  assert_false(world_logged(&market.world, "buyer: took"));
  assert_true(world_logged(&market.world, "unsold protocol_violation"));
  world_deinit(&market.world);
}

static int count_row(void *user, struct hgl_bytes key, struct hgl_bytes value, struct hgl_err *err)
{
  ++*(size_t *)user;
  return 0;
}

static size_t open_dialogues(struct node *node)
{
  struct hgl_err err;
  size_t count = 0;
  const struct hgl_bytes none = {0};
  assert_ok(
      hgl_store_scan(node->store, HGL_DB_DIALOGUES, none, none, false, count_row, &count, &err));
  return count;
}

static void dialogues_are_forgotten_when_they_end_or_their_deadline_is_long_past(void **state)
{
  struct market market;
  begin(&market, PROTOCOL("what = 'string'"), PROTOCOL("what = 'string'"));
  go(&market, "{\"what\":\"x\"}");
  assert_int_equal(open_dialogues(market.a), 0);
  assert_int_equal(open_dialogues(market.b), 0);
  world_unlink(market.a, market.b);
  go(&market, "{\"what\":\"x\"}");
  assert_int_equal(open_dialogues(market.a), 1);
  hgl_clock_advance(&market.world.time, 10 * 60 * 1000);
  world_advance(&market.world, 100);
  assert_int_equal(open_dialogues(market.a), 0);
  world_deinit(&market.world);
}

static void a_refusal_ends_the_dialogue_on_both_sides(void **state)
{
  struct world world;
  world_init(&world, 2);
  struct node *a = world_node(&world);
  world_agent(a, "operator", "", NULL);
  world_agent(a, "seller",
              PROTOCOL("what = 'string'") "agent.on('deal/1.0/ask', function(message)\n"
                                          "  message:refuse('closed today')\n"
                                          "end)\n",
              NULL);
  world_agent(a, "buyer",
              PROTOCOL("what = 'string'") "agent.on('go/1.0/now', function()\n"
                                          "  agent.send('seller', 'deal/1.0/ask', { what = 'x' })\n"
                                          "end)\n",
              NULL);
  world_say(a, "buyer", "go/1.0/now", NULL);
  world_run(&world);
  assert_int_equal(open_dialogues(a), 0);
  world_deinit(&world);
}

static void a_stretch_that_raises_puts_its_dialogues_back(void **state)
{
  struct world world;
  world_init(&world, 3);
  struct node *a = world_node(&world);
  world_agent(a, "operator", "", NULL);
  world_agent(a, "seller",
              PROTOCOL("what = 'string'") "agent.on('deal/1.0/ask', function(message)\n"
                                          "  message:reply('offer', { price = 1 })\n"
                                          "  if message.attempt < 3 then error('oh') end\n"
                                          "end)\n"
                                          "agent.on('deal/1.0/take', function()\n"
                                          "  log.info('taken')\n"
                                          "end)\n",
              NULL);
  world_agent(a, "buyer",
              PROTOCOL("what = 'string'") "agent.on('go/1.0/now', function()\n"
                                          "  agent.send('seller', 'deal/1.0/ask', { what = 'x' })\n"
                                          "end)\n"
                                          "agent.on('deal/1.0/offer', function(message)\n"
                                          "  log.info('offered')\n"
                                          "  message:reply('take', {})\n"
                                          "end)\n",
              NULL);
  world_say(a, "buyer", "go/1.0/now", NULL);
  world_advance(&world, 3000);
  assert_int_equal(world_count_logged(&world, "offered"), 1);
  assert_int_equal(world_count_logged(&world, "taken"), 1);
  assert_int_equal(open_dialogues(a), 0);
  world_deinit(&world);
}

static void what_a_stretch_that_raises_had_ended_is_open_again_beyond_a_lower_limit(void **state)
{
  static const char server[] = "agent.protocol { name = 'idle', version = '1.0',\n"
                               "  messages = { open = { replies = { 'close' } }, close = {} } }\n"
                               "agent.on('idle/1.0/open', function(m) state.ref = m:ref() end)\n"
                               "agent.on('go/1.0/now', function()\n"
                               "  agent.reply(state.ref, 'close', {})\n"
                               "  log.info('closes')\n"
                               "  error('no')\n"
                               "end)\n";
  static const char client[] = "agent.on('go/1.0/now', function()\n"
                               "  for i = 1, 3 do agent.send('server', 'idle/1.0/open', {}) end\n"
                               "end)\n"
                               "agent.on('idle/1.0/close', function() end)\n";
  struct world world;
  world_init(&world, 11);
  struct node *a = world_node(&world);
  for (int start = 0; start < 3; start++) {
    const struct hgl_agent_limits fewer = {.dialogues = 1, .dialogues_per_peer = 1};
    struct hgl_agent_config config = {0};
    if (start) config.limits = fewer;
    world_agent(a, "operator", "", NULL);
    world_agent_with(a, "server", server, config);
    world_agent(a, "client", client, NULL);
    if (start < 2) world_say(a, start ? "server" : "client", "go/1.0/now", NULL);
    world_advance(&world, 3000);
    if (a->failed) fail_msg("%s", a->failure.message);
    assert_int_equal(open_dialogues(a), 3);
    world_crash(a);
    world_restart(a);
  }
  assert_int_equal(world_count_logged(&world, "server: closes"), 3);
  world_deinit(&world);
}

static void dialogues_with_one_peer_are_bounded_and_idle_ones_end(void **state)
{
  static const char idle[] = "agent.protocol { name = 'idle', version = '1.0',\n"
                             "  messages = { open = { replies = { 'close' } }, close = {} } }\n";
  char client[1024], server[1024];
  struct world world;
  world_init(&world, 9);
  struct node *a = world_node(&world);
  snprintf(server, sizeof server, "%sagent.on('idle/1.0/open', function() end)\n", idle);
  snprintf(client, sizeof client,
           "%sagent.on('idle/1.0/close', function() end)\n"
           "agent.on('go/1.0/now', function(message)\n"
           "  local codes = {}\n"
           "  for i = 1, 1002 do\n"
           "    local ok, why, code = agent.send('server', 'idle/1.0/open', {})\n"
           "    local word = ok and 'opened' or code\n"
           "    codes[word] = (codes[word] or 0) + 1\n"
           "  end\n"
           "  log.info('opened ' .. codes.opened .. ' limit ' .. (codes.limit or 0))\n"
           "end)\n",
           idle);
  world_agent(a, "operator", "", NULL);
  world_agent(a, "server", server, NULL);
  world_agent(a, "client", client, NULL);
  world_run(&world);
  for (int i = 1; i <= 2; i++) {
    world_say(a, "client", "go/1.0/now", NULL);
    world_run(&world);
    assert_int_equal(world_count_logged(&world, "client: opened 1000 limit 2"), i);
    hgl_clock_advance(&world.time, INT64_C(7) * 24 * 3600 * 1000 + 60000);
    world_run(&world); /* upkeep */
  }
  world_deinit(&world);
}

static void an_idle_dialogue_grows_old_over_restarts(void **state)
{
  static const char idle[] = "agent.protocol { name = 'idle', version = '1.0',\n"
                             "  messages = { open = { replies = { 'close' } }, close = {} } }\n"
                             "agent.on('idle/1.0/open', function() end)\n"
                             "agent.on('idle/1.0/close', function() end)\n"
                             "agent.on('go/1.0/now', function(message)\n"
                             "  agent.send('server', 'idle/1.0/open', {})\n"
                             "end)\n";
  struct world world;
  world_init(&world, 10);
  struct node *a = world_node(&world);
  for (int day = 0; day <= 8; day++) {
    world_agent(a, "operator", "", NULL);
    world_agent(a, "server", idle, NULL);
    world_agent(a, "client", idle, NULL);
    if (day == 0) world_say(a, "client", "go/1.0/now", NULL);
    world_run(&world); /* upkeep */
    assert_int_equal(open_dialogues(a), day < 8 ? 2 : 0);
    hgl_clock_advance(&world.time, INT64_C(24) * 3600 * 1000);
    world_crash(a);
    world_restart(a);
  }
  world_deinit(&world);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_dialogue_goes_its_way_and_ends),
      cmocka_unit_test(a_body_that_does_not_fit_is_a_bug_of_the_senders_own),
      cmocka_unit_test(two_definitions_find_out_at_the_first_message),
      cmocka_unit_test(a_dialogue_goes_on_after_both_hosts_restart),
      cmocka_unit_test(an_answer_after_the_deadline_is_a_violation),
      cmocka_unit_test(dialogues_are_forgotten_when_they_end_or_their_deadline_is_long_past),
      cmocka_unit_test(a_refusal_ends_the_dialogue_on_both_sides),
      cmocka_unit_test(a_stretch_that_raises_puts_its_dialogues_back),
      cmocka_unit_test(what_a_stretch_that_raises_had_ended_is_open_again_beyond_a_lower_limit),
      cmocka_unit_test(dialogues_with_one_peer_are_bounded_and_idle_ones_end),
      cmocka_unit_test(an_idle_dialogue_grows_old_over_restarts),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
