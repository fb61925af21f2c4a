/* Many hosts: which of them stay in memory. */
#include "support/fake_peer.h"
#include "support/world.h"

enum { HOSTS = 20000, UNREACHED = 256, FEW = 5, STRANGERS = 10 };

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

/* ---- strangers that speak, are answered, and go without an acknowledgement ---- */

static const char echo[] =
    "agent.on('x/1.0/y', function(m) log.info('heard') m:reply('z', {}) end)\n"
    "agent.on_undelivered(function(m, why, code) log.info(code) end)\n";

struct crowd {
  struct world world;
  struct node *node;
  struct fake fakes[STRANGERS];
  struct hgl_key echo;
};

static void add_agents(struct crowd *crowd)
{
  world_agent(crowd->node, "operator", "", NULL);
  world_agent(crowd->node, "echo", echo, NULL);
}

static void crowd_init(struct crowd *crowd, uint64_t seed)
{
  struct hgl_err err;
  memset(crowd, 0, sizeof *crowd);
  world_init(&crowd->world, seed);
  crowd->world.hosts_max = FEW; /* the node itself is one of them */
  crowd->node = world_node(&crowd->world);
  add_agents(crowd);
  assert_ok(hgl_did_parse(hgl_text(world_did(crowd->node, "echo")), &crowd->echo, &err));
  for (int i = 0; i < STRANGERS; i++) {
    struct fake *fake = &crowd->fakes[i];
    fake_init(fake, world_stranger(&crowd->world), crowd->node);
    fake_delegate(fake, crowd->world.time.wall_ms / 1000, 24 * 3600, 1, NULL);
  }
}

static void crowd_deinit(struct crowd *crowd)
{
  assert_false(crowd->node->failed);
  for (int i = 0; i < STRANGERS; i++) fake_deinit(&crowd->fakes[i]);
  world_deinit(&crowd->world);
}

static void restart(struct crowd *crowd)
{
  world_crash(crowd->node);
  world_restart(crowd->node);
  add_agents(crowd);
  world_run(&crowd->world);
}

static void come(struct fake *fake)
{
  struct hgl_err err;
  assert_ok(world_dial(fake->node, fake->to, &err));
  fake_hello_at(fake, fake->node->world->time.wall_ms);
  world_run(fake->node->world);
}

static void go(struct fake *fake)
{
  world_unlink(fake->to, fake->node);
  hgl_clock_advance(&fake->node->world->time, 1000);
  world_run(fake->node->world);
}

static void visit(struct crowd *crowd, int from, int to)
{
  for (int i = from; i < to; i++) {
    come(&crowd->fakes[i]);
    fake_say(&crowd->fakes[i], &crowd->echo, "x/1.0/y", &(struct lie){0});
    world_run(&crowd->world);
    go(&crowd->fakes[i]);
  }
}

/* Batches that the stranger was sent: numbers, how many are hashes alone, the incarnation. */
struct heard {
  size_t groups, hashes;
  uint64_t first, next;
  struct hgl_incarnation incarnation;
};

static struct heard heard(struct fake *fake)
{
  struct heard out = {0};
  struct link_frame *got;
  struct hgl_hash leaf = {{0}};
  struct hgl_err err;
  while ((got = world_got(fake->node))) {
    struct hgl_frame frame;
    struct hgl_frame_envelope item;
    struct hgl_header header;
    struct hgl_group_leaf group;
    assert_ok(hgl_frame_decode(hgl_bytes(got->data, got->size), &frame, &err));
    if (frame.kind == HGL_FRAME_BATCH) {
      assert_ok(hgl_header_verify(frame.batch.header, &header, &err));
      assert_ok(hgl_group_leaf_decode(frame.batch.group_leaf, &group, &err));
      if (!out.groups) out.first = out.next = group.first_number;
      if (out.groups) assert_memory_equal(&group.previous, &leaf, sizeof leaf);
      assert_int_equal(group.first_number, out.next);
      hgl_merkle_leaf(frame.batch.group_leaf, &leaf);
      out.next += group.count;
      out.groups++;
      out.incarnation = header.incarnation;
      while (hgl_run_take_envelope(&frame.batch.envelopes, &item)) out.hashes += item.expired;
    }
    free(got);
  }
  return out;
}

static void acknowledge(struct fake *fake, const struct heard *heard)
{
  struct hgl_frame frame = {.kind = HGL_FRAME_ACK,
                            .known = true,
                            .ack = {.incarnation = heard->incarnation, .up_to = heard->next - 1}};
  fake_send(fake, &frame);
  world_run(fake->node->world);
}

static int count_row(void *user, struct hgl_bytes key, struct hgl_bytes value, struct hgl_err *err)
{
  size_t *count = user;
  *count += key.data[HGL_KEY_SIZE] == 's';
  return 0;
}

/* Rows of what was given up: for this one, or for all. */
static size_t shelves(struct node *node, const struct hgl_key *of)
{
  size_t count = 0;
  struct hgl_err err;
  struct hgl_bytes prefix = of ? hgl_key_bytes(of) : hgl_bytes(NULL, 0);
  assert_ok(hgl_store_scan(node->store, HGL_DB_PEERS, prefix, hgl_bytes(NULL, 0), false, count_row,
                           &count, &err));
  return count;
}

static void answers_that_strangers_never_acknowledge_do_not_lock_others_out(void **state)
{
  struct crowd crowd;
  crowd_init(&crowd, 3);
  visit(&crowd, 0, STRANGERS - 1);
  assert_int_equal(world_count_logged(&crowd.world, "echo: heard"), STRANGERS - 1);
  assert_true(peers(crowd.node) < FEW);
  /* Whoever answered is told that it may have been in vain, once for each. */
  size_t given_up = shelves(crowd.node, NULL);
  assert_true(given_up >= STRANGERS - 1 - (FEW - 1));
  assert_int_equal(world_count_logged(&crowd.world, "echo: unconfirmed"), given_up);
  restart(&crowd);
  visit(&crowd, STRANGERS - 1, STRANGERS);
  assert_int_equal(world_count_logged(&crowd.world, "echo: heard"), STRANGERS);
  crowd_deinit(&crowd);
}

static void what_was_given_up_consumes_its_numbers_when_the_host_comes_back(void **state)
{
  for (int restarted = 0; restarted < 2; restarted++) {
    struct crowd crowd;
    crowd_init(&crowd, 4);
    struct fake *first = &crowd.fakes[0];
    visit(&crowd, 0, STRANGERS);
    heard(first);
    assert_int_equal(shelves(crowd.node, &first->node->key), 1);
    if (restarted) restart(&crowd);
    come(first);
    assert_int_equal(heard(first).hashes, 1);
    /* It is lost on the way, and comes again with what is said next. */
    go(first);
    come(first);
    fake_say(first, &crowd.echo, "x/1.0/y", &(struct lie){0});
    world_run(&crowd.world);
    struct heard all = heard(first);
    assert_int_equal(all.first, 1);
    assert_int_equal(all.groups, 2);
    assert_int_equal(all.hashes, 1);
    acknowledge(first, &all);
    assert_int_equal(shelves(crowd.node, &first->node->key), 0);
    crowd_deinit(&crowd);
  }
}

static void what_an_agent_began_to_say_is_not_given_up(void **state)
{
  struct crowd crowd;
  char did[HGL_DID_TEXT_SIZE];
  crowd_init(&crowd, 5);
  struct fake *first = &crowd.fakes[0];
  visit(&crowd, 0, 1);
  heard(first);
  come(first);
  struct heard all = heard(first);
  acknowledge(first, &all);
  go(first);
  hgl_did_format(hgl_signer_key(first->agent), did);
  world_say(crowd.node, did, "x/1.0/news", NULL);
  world_run(&crowd.world);
  visit(&crowd, 1, STRANGERS);
  assert_int_equal(world_count_logged(&crowd.world, "echo: heard"), STRANGERS);
  come(first);
  all = heard(first); /* it shows nothing to go on from: what it acknowledged comes again too */
  assert_int_equal(all.groups, 2);
  assert_int_equal(all.hashes, 0);
  crowd_deinit(&crowd);
}

static void a_host_that_was_away_while_an_incarnation_began_is_numbered_anew(void **state)
{
  struct crowd crowd;
  crowd_init(&crowd, 6);
  struct node *other = world_node(&crowd.world);
  world_agent(other, "sink", sink, NULL);
  world_link(crowd.node, other);
  world_run(&crowd.world);
  visit(&crowd, 0, 6);
  assert_int_equal(shelves(crowd.node, &crowd.fakes[0].node->key), 1);
  heard(&crowd.fakes[0]);
  struct hgl_store *copy = world_copy(crowd.node);
  char to[2 * HGL_DID_TEXT_SIZE + 2], did[HGL_DID_TEXT_SIZE];
  hgl_did_format(&other->key, did);
  snprintf(to, sizeof to, "%s@%s", world_did(other, "sink"), did);
  world_say(crowd.node, to, "x/1.0/y", NULL);
  world_run(&crowd.world);
  assert_int_equal(world_count_logged(&crowd.world, "sink: heard"), 1);
  world_crash_to(crowd.node, copy);
  world_restart(crowd.node);
  add_agents(&crowd);
  world_link(crowd.node, other);
  world_run(&crowd.world);
  assert_true(world_logged(&crowd.world, "a new incarnation begins"));
  come(&crowd.fakes[0]);
  fake_say(&crowd.fakes[0], &crowd.echo, "x/1.0/y", &(struct lie){0});
  world_run(&crowd.world);
  struct heard all = heard(&crowd.fakes[0]);
  assert_int_equal(all.groups, 1);
  assert_int_equal(all.first, 1);
  assert_int_equal(all.hashes, 0);
  acknowledge(&crowd.fakes[0], &all);
  crowd_deinit(&crowd);
}

static void a_newcomer_for_whom_there_is_no_room_hears_why(void **state)
{
  struct crowd crowd;
  struct hgl_err err;
  char code[64] = "";
  crowd_init(&crowd, 7);
  for (int i = 0; i < FEW - 1; i++) come(&crowd.fakes[i]);
  size_t warnings = crowd.world.warnings;
  for (int i = FEW - 1; i < FEW + 1; i++) {
    /* The link is closed only once what was said on it has arrived. */
    assert_fails(HGL_LIMIT, world_dial(crowd.fakes[i].node, crowd.node, &err));
    world_run(&crowd.world);
    assert_true(fake_heard(&crowd.fakes[i], HGL_FRAME_ERROR, NULL, code, sizeof code));
    assert_string_equal(code, "limit");
  }
  assert_int_equal(crowd.world.warnings, warnings + 1);
  crowd_deinit(&crowd);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_host_that_left_memory_goes_on_where_it_was),
      cmocka_unit_test(an_agent_speaks_to_a_bounded_number_of_hosts_that_nobody_reached),
      cmocka_unit_test(answers_that_strangers_never_acknowledge_do_not_lock_others_out),
      cmocka_unit_test(what_was_given_up_consumes_its_numbers_when_the_host_comes_back),
      cmocka_unit_test(what_an_agent_began_to_say_is_not_given_up),
      cmocka_unit_test(a_host_that_was_away_while_an_incarnation_began_is_numbered_anew),
      cmocka_unit_test(a_newcomer_for_whom_there_is_no_room_hears_why),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
