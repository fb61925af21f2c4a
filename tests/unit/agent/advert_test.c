/* What agents advertise when they start again: only what nobody was told yet; and what becomes of
 * adverts of agents that are gone. */
#include "support/world.h"

#include <stdio.h>

#include "agent/directory_table.h"
#include "agent/internal.h"
#include "protocol/did.h"

static const char seller_format[] =
    "for _, name in ipairs { 'b', 'c', 'a' } do\n"
    "  agent.protocol { name = name, version = '1.0', messages = { ask = {} } }\n"
    "end\n"
    "agent.offer { service = 'weather', price = %d }\n";

static void add_seller(struct node *node, int price)
{
  char script[512];
  snprintf(script, sizeof script, seller_format, price);
  world_agent(node, "seller", script, NULL);
}

/* How often the host has signed since its start. */
static int signatures(const struct node *node)
{
  return (int)hgl_host_counts(node->host).signatures;
}

/* Of the only offer of weather that the node knows; 0: there is none. */
static int price_at(struct node *node)
{
  struct hgl_err err;
  json_t *found;
  assert_ok(hgl_host_find(node->host, "service=weather", &found, &err));
  assert_true(json_array_size(found) <= 1);
  int price = (int)json_integer_value(json_object_get(json_array_get(found, 0), "price"));
  json_decref(found);
  return price;
}

static void restart(struct node *node)
{
  world_crash(node);
  hgl_clock_advance(&node->world->time, 1000);
  world_restart(node);
}

static void an_agent_that_starts_again_does_not_repeat_its_advert(void **state)
{
  struct world world;
  world_init(&world, 1);
  struct node *a = world_node(&world), *b = world_node(&world);
  add_seller(a, 4);
  world_run(&world);
  assert_int_equal(signatures(a), 1);
  for (int i = 0; i < 5; i++) { /* whatever the order in which its protocols are found */
    restart(a);
    add_seller(a, 4);
    world_run(&world);
    assert_int_equal(signatures(a), 0);
  }
  world_link(a, b);
  world_run(&world);
  assert_int_equal(price_at(b), 4);
  world_deinit(&world);
}

static void an_agent_that_starts_with_something_else_advertises_it(void **state)
{
  struct world world;
  world_init(&world, 2);
  struct node *a = world_node(&world), *b = world_node(&world);
  add_seller(a, 4);
  world_link(a, b);
  world_run(&world);
  assert_int_equal(price_at(b), 4);
  restart(a);
  add_seller(a, 5);
  world_link(a, b);
  world_run(&world);
  assert_int_equal(signatures(a), 1);
  assert_int_equal(price_at(b), 5);
  world_deinit(&world);
}

static void an_advert_follows_the_one_before_it_though_the_clock_was_set_back(void **state)
{
  struct world world;
  world_init(&world, 9);
  struct node *a = world_node(&world), *b = world_node(&world);
  add_seller(a, 4);
  world_link(a, b);
  world_run(&world);
  world_crash(a);
  world.time.wall_ms -= 60000;
  world_restart(a);
  add_seller(a, 5);
  world_link(a, b);
  world_run(&world);
  assert_int_equal(price_at(b), 5);
  world_crash(a);
  world_restart(a);
  world_link(a, b);
  world_run(&world);
  assert_int_equal(price_at(b), 0);
  world_crash(a);
  world_restart(a);
  add_seller(a, 5);
  world_link(a, b);
  world_run(&world);
  assert_int_equal(price_at(b), 5);
  world_deinit(&world);
}

static void an_agent_that_was_withdrawn_meanwhile_advertises_again(void **state)
{
  struct world world;
  world_init(&world, 3);
  struct node *a = world_node(&world), *b = world_node(&world);
  add_seller(a, 4);
  world_link(a, b);
  world_run(&world);
  restart(a);
  world_link(a, b);
  world_run(&world);
  assert_int_equal(price_at(b), 0);
  restart(a);
  add_seller(a, 4);
  world_link(a, b);
  world_run(&world);
  assert_int_equal(price_at(b), 4);
  world_deinit(&world);
}

static void an_advert_is_said_again_with_the_delegation_that_follows(void **state)
{
  struct world world;
  world_init(&world, 4);
  struct node *a = world_node(&world);
  add_seller(a, 4);
  world_run(&world);
  world_crash(a);
  hgl_clock_advance(&world.time, INT64_C(6) * 24 * 3600 * 1000);
  world_restart(a);
  add_seller(a, 4);
  world_run(&world);
  assert_int_equal(signatures(a), 1);
  world_deinit(&world);
}

/* Others may have been told something newer by what this folder is a copy of. */
static void a_new_incarnation_advertises_anew(void **state)
{
  struct world world;
  struct hgl_err err;
  world_init(&world, 5);
  struct node *a = world_node(&world), *b = world_node(&world);
  add_seller(a, 4);
  world_run(&world);
  struct hgl_store *older = world_copy(a);
  restart(a);
  add_seller(a, 9);
  world_link(a, b);
  world_run(&world);
  assert_int_equal(price_at(b), 9);
  world_crash_to(a, older);
  assert_ok(hgl_writeset_put(hgl_store_open_set(a->store), HGL_DB_META, hgl_text("identity"),
                             hgl_text("another machine"), &err));
  hgl_clock_advance(&world.time, 1000);
  world_restart(a);
  add_seller(a, 4);
  world_link(a, b);
  world_run(&world);
  assert_int_equal(signatures(a), 1);
  assert_int_equal(price_at(b), 4);
  /* Once. */
  restart(a);
  add_seller(a, 4);
  world_run(&world);
  assert_int_equal(signatures(a), 0);
  world_deinit(&world);
}

static const char teller_format[] = "agent.on('go/1.0/now', function()\n"
                                    "  agent.send('%s', 'echo/1.0/say', {})\n"
                                    "end)\n";

static void add_agents(struct node *a, struct node *b, int price)
{
  char script[512];
  snprintf(script, sizeof script, teller_format, world_did(b, "listener"));
  world_agent(a, "operator", "", NULL);
  world_agent(a, "teller", script, NULL);
  add_seller(a, price);
}

/* The peer shows by what it heard that the store was restored: then the host runs already. */
static void an_incarnation_that_begins_while_the_host_runs_advertises_anew(void **state)
{
  struct world world;
  world_init(&world, 6);
  struct node *a = world_node(&world), *b = world_node(&world);
  world_agent(b, "listener", "agent.on('echo/1.0/say', function() end)", NULL);
  add_agents(a, b, 4);
  world_link(a, b);
  world_run(&world);
  struct hgl_store *older = world_copy(a);
  restart(a);
  add_agents(a, b, 9);
  world_link(a, b);
  world_say(a, "teller", "go/1.0/now", NULL);
  world_run(&world);
  assert_int_equal(price_at(b), 9);
  world_crash_to(a, older);
  hgl_clock_advance(&world.time, 1000);
  world_restart(a);
  add_agents(a, b, 4);
  world_run(&world);
  assert_int_equal(signatures(a), 0);
  world_link(a, b);
  world_advance(&world, 30000);
  assert_true(world_logged(&world, "a new incarnation begins: a peer has seen more of us"));
  world_unlink(a, b);
  world_link(a, b);
  world_advance(&world, 30000);
  assert_int_equal(price_at(b), 4);
  world_deinit(&world);
}

static void damage_row(struct node *node, const char *name, struct hgl_key *agent)
{
  struct hgl_err err;
  uint8_t key[1 + HGL_KEY_SIZE] = {2};
  assert_ok(hgl_did_parse(hgl_text(world_did(node, name)), agent, &err));
  memcpy(key + 1, agent->bytes, HGL_KEY_SIZE);
  assert_ok(hgl_writeset_put(hgl_store_open_set(node->store), HGL_DB_DIRECTORY,
                             hgl_bytes(key, sizeof key), hgl_text("not a row"), &err));
}

/* Damage behind the host's back, seen when the row is to be told. */
static void an_advert_that_cannot_be_read_back_is_said_again(void **state)
{
  struct world world;
  struct hgl_key agent;
  world_init(&world, 7);
  struct node *a = world_node(&world), *b = world_node(&world);
  add_seller(a, 4);
  world_run(&world);
  damage_row(a, "seller", &agent);
  world_link(a, b);
  world_advance(&world, 120000);
  assert_true(world_logged(&world, "the stored advert of did:key:"));
  assert_int_equal(world_count_logged(&world, "the stored advert of did:key:"), 1);
  assert_int_equal(price_at(a), 4);
  assert_int_equal(price_at(b), 4);
  assert_int_equal(signatures(a), 2);
  world_deinit(&world);
}

/* Else one damaged row would have them all read. */
static void the_others_do_not_look_for_theirs_when_an_advert_is_lost(void **state)
{
  struct world world;
  struct hgl_err err;
  struct hgl_key other, seller;
  struct hgl_buf bytes;
  world_init(&world, 9);
  struct node *a = world_node(&world);
  world_agent(a, "other", "agent.offer { service = 'other' }", NULL);
  add_seller(a, 4);
  world_advance(&world, 120000);
  int before = signatures(a);
  hgl_buf_init(&bytes, HGL_ADVERT_SIZE_MAX);
  damage_row(a, "other", &other);
  damage_row(a, "seller", &seller);
  assert_fails(HGL_NOT_FOUND, hgl_directory_advert(a->host->directory, &seller, &bytes, &err));
  world_advance(&world, 120000);
  assert_int_equal(world_count_logged(&world, "the stored advert of did:key:"), 1);
  assert_int_equal(signatures(a), before + 1);
  assert_ok(hgl_directory_advert(a->host->directory, &seller, &bytes, &err));
  hgl_buf_deinit(&bytes);
  world_deinit(&world);
}

static int requested;

static void request(void *user)
{
  requested++;
}

static void adverts_of_a_host_that_is_gone_are_dropped_in_one_tick_after_another(void **state)
{
  struct world world;
  world_init(&world, 10);
  struct node *a = world_node(&world), *b = world_node(&world);
  world_agent(a, "other", "agent.offer { service = 'other' }", NULL);
  add_seller(a, 4);
  world_link(a, b);
  world_advance(&world, 30000);
  struct hgl_directory *directory = b->host->directory;
  assert_int_equal(hgl_directory_counts(directory).adverts, 2);
  world_unlink(a, b);
  world_run(&world);
  directory->drops_max = 1;
  b->host->config.request_tick = request;
  hgl_clock_advance(&world.time, HGL_LEASE_LIFE_MAX_MS);
  requested = 0;
  hgl_host_tick(b->host);
  assert_int_equal(hgl_directory_counts(directory).hosts, 1);
  assert_int_equal(hgl_directory_counts(directory).adverts, 2);
  assert_true(requested > 0);
  world_run(&world);
  assert_int_equal(hgl_directory_counts(directory).adverts, 0);
  requested = 0;
  hgl_host_tick(b->host);
  assert_int_equal(requested, 0);
  world_deinit(&world);
}

/* What an advert is signed under is in a commit: before that is durable, a crash could make another
 * batch of the same number. */
static void an_advert_leaves_after_its_commit(void **state)
{
  struct world world;
  world_init(&world, 8);
  struct node *a = world_node(&world), *b = world_node(&world);
  world_link(a, b);
  world_run(&world);
  hgl_store_hold(a->store, true);
  add_seller(a, 4);
  for (int i = 0; i < 3; i++) {
    hgl_host_tick(a->host);
    world_pass_frames(&world);
    hgl_host_tick(b->host);
  }
  assert_int_equal(price_at(a), 4);
  assert_int_equal(price_at(b), 0);
  hgl_store_hold(a->store, false);
  world_run(&world);
  assert_int_equal(price_at(b), 4);
  world_deinit(&world);
}

/* ---- many ---- */

enum { CROWD = 150 };

static void add_one(struct node *node, int index)
{
  char name[16];
  snprintf(name, sizeof name, "n%d", index);
  world_agent(node, name, "agent.offer { service = 'weather', price = 4 }", NULL);
}

static int offers(struct node *node)
{
  struct hgl_err err;
  json_t *found;
  assert_ok(hgl_host_find(node->host, "service=weather limit 1000", &found, &err));
  int count = (int)json_array_size(found);
  json_decref(found);
  return count;
}

/* A host that has just started, without the agents that it had. */
static struct node *begin_deserted(struct world *world, uint64_t seed)
{
  world_init(world, seed);
  struct node *a = world_node(world);
  for (int i = 0; i < CROWD; i++) add_one(a, i);
  world_run(world);
  assert_int_equal(offers(a), CROWD);
  restart(a);
  return a;
}

/* One tick; how many adverts it has taken back. It asks for another one as long as some are left.
 */
static int withdrawn_by_a_tick(struct node *node)
{
  int before = offers(node);
  node->requests = 0;
  hgl_host_tick(node->host);
  int left = offers(node);
  assert_true(node->requests > 0 || !left);
  return before - left;
}

static void what_absent_agents_offered_is_withdrawn_in_parts(void **state)
{
  struct world world;
  struct node *a = begin_deserted(&world, 11);
  for (int left = CROWD; left > 0;) {
    int part = withdrawn_by_a_tick(a);
    assert_in_range(part, 1, CROWD / 2);
    left -= part;
  }
  int signed_once = signatures(a);
  world_run(&world);
  assert_int_equal(signatures(a), signed_once);
  world_deinit(&world);
}

static void what_a_crash_leaves_is_withdrawn_by_the_next_start(void **state)
{
  struct world world;
  struct node *a = begin_deserted(&world, 12);
  withdrawn_by_a_tick(a);
  assert_in_range(offers(a), 1, CROWD - 1);
  restart(a);
  assert_in_range(offers(a), 1, CROWD); /* the commit was on its way, or not */
  while (offers(a)) assert_true(withdrawn_by_a_tick(a) > 0);
  restart(a);
  world_run(&world);
  assert_int_equal(signatures(a), 0);
  world_deinit(&world);
}

static void an_agent_that_comes_meanwhile_keeps_its_advert(void **state)
{
  struct world world;
  struct hgl_err err;
  struct node *a = begin_deserted(&world, 13);
  withdrawn_by_a_tick(a);
  for (int i = 0; i < 50; i++) add_one(a, i * 3); /* of those withdrawn and of those left */
  assert_in_range(offers(a), 50, CROWD - 1);
  assert_ok(hgl_host_remove_agent(a->host, "n0", false, &err));
  while (a->host->absent_count && !a->failed) world_run(&world);
  assert_int_equal(offers(a), 49);
  restart(a);
  for (int i = 1; i < 50; i++) add_one(a, i * 3);
  world_run(&world);
  assert_int_equal(offers(a), 49);
  world_deinit(&world);
}

/* A host that is to stop does not go on: the next start does. */
static void a_host_that_stops_withdraws_no_more(void **state)
{
  struct world world;
  struct node *a = begin_deserted(&world, 14);
  withdrawn_by_a_tick(a);
  int left = offers(a);
  hgl_host_stop_agents(a->host);
  world_run(&world);
  assert_int_equal(offers(a), left);
  world_deinit(&world);
}

static int64_t slow_mono_ns(void *user)
{
  hgl_clock_advance(user, 1);
  return ((struct hgl_clock_virtual *)user)->mono_ns;
}

static void withdrawing_takes_a_bounded_time_of_each_tick(void **state)
{
  struct world world;
  struct node *a = begin_deserted(&world, 15);
  world.clock.mono_ns = slow_mono_ns; /* each look at it takes a millisecond */
  assert_in_range(withdrawn_by_a_tick(a), 1, 20);
  world_deinit(&world);
}

/* ---- renewing ---- */

static void delegations_that_were_issued_together_are_renewed_one_by_one(void **state)
{
  enum { AGENTS = 48, HOURS = 6 * 24 };
  struct world world;
  world_init(&world, 16);
  struct node *a = world_node(&world);
  uint64_t issued[AGENTS];
  int renewed = 0, most = 0;
  for (int i = 0; i < AGENTS; i++) add_one(a, i);
  for (int i = 0; i < AGENTS; i++) issued[i] = a->host->agents[i]->delegation.sequence;
  for (int hour = 1; hour <= HOURS; hour++) {
    int in_this_hour = -renewed;
    hgl_clock_advance(&world.time, 3600 * 1000);
    world_run(&world);
    renewed = 0;
    for (int i = 0; i < AGENTS; i++)
      renewed += a->host->agents[i]->delegation.sequence != issued[i];
    in_this_hour += renewed;
    if (in_this_hour > most) most = in_this_hour;
    if (hour < 5 * 24) assert_int_equal(renewed, 0);
  }
  assert_int_equal(renewed, AGENTS); /* a day before their end, all of them */
  assert_in_range(most, 1, AGENTS / 4);
  world_deinit(&world);
}

/* ---- how much one advert takes ---- */

/* An agent with so many protocols, of names of 60 bytes, and so many offers, of which the first has
 * so many bytes more than it needs. `why` NULL: it is advertised. */
static void check_declared(int protocols, int offers, int more, const char *why)
{
  struct world world;
  struct hgl_err err;
  char script[1024];
  snprintf(script, sizeof script,
           "for i = 1, %d do\n"
           "  pcall(agent.protocol, { name = 'p' .. i .. ('x'):rep(59 - #tostring(i)),\n"
           "                          version = '1.0', messages = { ask = {} } })\n"
           "end\n"
           "agent.offer { service = 'weather', more = ('x'):rep(%d) }\n"
           "for i = 2, %d do agent.offer { service = 's' } end\n",
           protocols - 1, more, offers);
  if (protocols)
    snprintf(script + strlen(script), sizeof script - strlen(script),
             "agent.protocol { name = 'last' .. ('x'):rep(56), version = '1.0',\n"
             "                 messages = { ask = {} } }\n");
  world_init(&world, 12);
  struct node *a = world_node(&world);
  struct hgl_agent_config config = {
      .name = "seller", .script_path = "seller.lua", .source = hgl_text(script)};
  int status = hgl_host_add_agent(a->host, &config, &err);
  assert_false(a->failed);
  if (why) {
    assert_int_not_equal(status, 0);
    if (!strstr(err.message, why)) fail_msg("not %s: %s", why, err.message);
  } else {
    json_t *found;
    assert_ok(status);
    world_run(&world);
    assert_ok(hgl_host_find(a->host, "service=weather", &found, &err));
    assert_int_equal(json_array_size(found), 1);
    json_decref(found);
  }
  world_deinit(&world);
}

static void what_one_advert_cannot_hold_is_an_error_where_it_is_declared(void **state)
{
  check_declared(0, 32, 0, NULL);
  check_declared(0, 33, 0, "seller.lua:6: more than 32 offers");
  check_declared(64, 1, 0, NULL);
  check_declared(65, 1, 0, "seller.lua:7: more than 64 protocols");
  /* An offer takes 25 bytes beside a long text, a protocol 66. */
  check_declared(0, 1, 12007, NULL);
  check_declared(0, 1, 12008, "seller.lua:5: offers and protocols of 12033 bytes");
  check_declared(64, 1, 12007 - 64 * 66, NULL);
  check_declared(64, 1, 12008 - 64 * 66, "seller.lua:7: offers and protocols of 12033 bytes");
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_agent_that_starts_again_does_not_repeat_its_advert),
      cmocka_unit_test(an_agent_that_starts_with_something_else_advertises_it),
      cmocka_unit_test(an_advert_follows_the_one_before_it_though_the_clock_was_set_back),
      cmocka_unit_test(an_agent_that_was_withdrawn_meanwhile_advertises_again),
      cmocka_unit_test(an_advert_is_said_again_with_the_delegation_that_follows),
      cmocka_unit_test(a_new_incarnation_advertises_anew),
      cmocka_unit_test(an_incarnation_that_begins_while_the_host_runs_advertises_anew),
      cmocka_unit_test(an_advert_that_cannot_be_read_back_is_said_again),
      cmocka_unit_test(adverts_of_a_host_that_is_gone_are_dropped_in_one_tick_after_another),
      cmocka_unit_test(the_others_do_not_look_for_theirs_when_an_advert_is_lost),
      cmocka_unit_test(an_advert_leaves_after_its_commit),
      cmocka_unit_test(what_absent_agents_offered_is_withdrawn_in_parts),
      cmocka_unit_test(what_a_crash_leaves_is_withdrawn_by_the_next_start),
      cmocka_unit_test(an_agent_that_comes_meanwhile_keeps_its_advert),
      cmocka_unit_test(a_host_that_stops_withdraws_no_more),
      cmocka_unit_test(withdrawing_takes_a_bounded_time_of_each_tick),
      cmocka_unit_test(delegations_that_were_issued_together_are_renewed_one_by_one),
      cmocka_unit_test(what_one_advert_cannot_hold_is_an_error_where_it_is_declared),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
