/* Many hosts: which of them stay in memory. */
#include "support/fake_peer.h"
#include "support/world.h"

enum { HOSTS = 20000, UNREACHED = 256 };

static const char sink[] = "agent.on('x/1.0/y', function() log.info('heard') end)\n";

static struct hgl_key made_up(unsigned number)
{
  struct hgl_key key = {{0}};
  hgl_put_be64(key.bytes, number);
  return key;
}

static size_t peers(struct node *node)
{
  json_t *list;
  struct hgl_err err;
  assert_ok(hgl_host_list_peers(node->host, &list, &err));
  size_t count = json_array_size(list);
  json_decref(list);
  return count;
}

static void a_host_that_left_memory_goes_on_where_it_was(void **state)
{
  struct world world;
  struct fake fake;
  struct hgl_key to, key;
  struct hgl_err err;
  world_init(&world, 1);
  struct node *node = world_node(&world), *stranger = world_stranger(&world);
  world_agent(node, "sink", sink, NULL);
  assert_ok(hgl_did_parse(hgl_text(world_did(node, "sink")), &to, &err));
  fake_init(&fake, stranger, node);
  fake_delegate(&fake, world.time.wall_ms / 1000, 3600, 1, NULL);
  fake_link(&fake);
  fake_say(&fake, &to, "x/1.0/y", &(struct lie){0});
  world_run(&world);
  world_unlink(node, stranger);
  hgl_clock_advance(&world.time, 1000);
  for (unsigned i = 0; i < HOSTS + 100; i++) {
    key = made_up(i);
    hgl_host_address_verified(node->host, &key, "wss://example.org");
  }
  world_run(&world);
  assert_true(peers(node) < HOSTS);
  fake_link(&fake);
  fake_say(&fake, &to, "x/1.0/y", &(struct lie){0});
  world_run(&world);
  assert_int_equal(world_count_logged(&world, "sink: heard"), 2);
  /* Also over a restart, which takes in all that is stored. */
  world_crash(node);
  world_restart(node);
  world_agent(node, "sink", sink, NULL);
  fake_link(&fake);
  fake_say(&fake, &to, "x/1.0/y", &(struct lie){0});
  world_run(&world);
  assert_int_equal(world_count_logged(&world, "sink: heard"), 3);
  fake_deinit(&fake);
  world_deinit(&world);
}

static void an_agent_speaks_to_a_bounded_number_of_hosts_that_nobody_reached(void **state)
{
  struct world world;
  struct hgl_agent_config config = {0};
  struct hgl_buf addresses;
  struct hgl_err err;
  char script[512], did[HGL_DID_TEXT_SIZE];
  world_init(&world, 2);
  struct node *node = world_node(&world), *other = world_node(&world);
  world_agent(other, "sink", sink, NULL);
  hgl_buf_init(&addresses, HGL_BODY_SIZE_MAX);
  hgl_cbor_put_map(&addresses, 1);
  hgl_cbor_put_literal(&addresses, "hosts");
  hgl_cbor_put_list(&addresses, UNREACHED + 1);
  for (unsigned i = 0; i <= UNREACHED; i++) {
    struct hgl_signer *signer;
    uint8_t seed[HGL_SEED_SIZE] = {9, (uint8_t)(i >> 8), (uint8_t)i};
    assert_ok(hgl_signer_create(seed, &signer, &err));
    hgl_did_format(hgl_signer_key(signer), did);
    hgl_cbor_put_literal(&addresses, did);
    hgl_signer_destroy(signer);
  }
  config.config = hgl_buf_bytes(&addresses);
  hgl_did_format(&other->key, did);
  snprintf(script, sizeof script,
           "agent.on_start(function()\n"
           "  local function say(to, host)\n"
           "    local ok, why, code = agent.send(to .. '@' .. host, 'x/1.0/y', {})\n"
           "    log.info(ok and 'said' or code)\n"
           "  end\n"
           "  local somebody = agent.config.hosts[1]\n"
           "  for _, host in ipairs(agent.config.hosts) do say(somebody, host) end\n"
           "  say(somebody, agent.config.hosts[1])\n"
           "  say('%s', '%s')\n"
           "end)\n",
           world_did(other, "sink"), did);
  world_link(node, other);
  world_run(&world);
  world_agent_with(node, "caller", script, config);
  world_run(&world);
  assert_int_equal(world_count_logged(&world, "caller: said"), UNREACHED + 2);
  assert_int_equal(world_count_logged(&world, "caller: limit"), 1);
  assert_int_equal(world_count_logged(&world, "sink: heard"), 1);
  hgl_buf_deinit(&addresses);
  world_deinit(&world);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_host_that_left_memory_goes_on_where_it_was),
      cmocka_unit_test(an_agent_speaks_to_a_bounded_number_of_hosts_that_nobody_reached),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
