/* What agents advertise when they start again: only what nobody was told yet. */
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
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
