/* What is said to agent@host before that host has shown that it speaks for the agent. */
#include <stdio.h>
#include <stdlib.h>

#include "support/fake_peer.h"
#include "support/world.h"

enum { AGENTS = 4096, HOUR_S = 3600 };

static const char format[] =
    "agent.on('go/1.0/now', function(message)\n"
    "  for i = 1, message.body.count do\n"
    "    state.n = (state.n or 0) + 1\n"
    "    local ok, why, code = agent.send('%s', 'x/1.0/y', { n = state.n },\n"
    "      { expires = message.body.expires })\n"
    "    if not ok then log.info('failed ' .. code .. ': ' .. why) end\n"
    "  end\n"
    "end)\n"
    "agent.on('ask/1.0/now', function(message)\n"
    "  local answer, why, code = agent.ask('%s', 'x/1.0/y', { n = 0 }, { within = '2s' })\n"
    "  log.info('asked ' .. code)\n"
    "end)\n"
    "agent.on_undelivered(function(message, why, code)\n"
    "  log.info('undelivered ' .. message.body.n .. ' ' .. code)\n"
    "end)\n";

struct scene {
  struct world world;
  struct node *node, *stranger;
  struct fake fake;
  struct hgl_key agent;
  struct hgl_incarnation incarnation; /* of the node, by its last hello */
  char script[2048];
  /* what the stranger heard since it last listened */
  size_t wants, wanted; /* frames, keys in them */
  char said[1024];      /* the numbers in the bodies, in order */
};

static void add_agents(struct scene *scene)
{
  world_agent(scene->node, "operator", "", NULL);
  world_agent(scene->node, "source", scene->script, NULL);
}

static void begin(struct scene *scene, uint64_t seed)
{
  char did[HGL_DID_TEXT_SIZE], host[HGL_DID_TEXT_SIZE], address[2 * HGL_DID_TEXT_SIZE + 1];
  memset(scene, 0, sizeof *scene);
  world_init(&scene->world, seed);
  scene->node = world_node(&scene->world);
  scene->stranger = world_stranger(&scene->world);
  fake_init(&scene->fake, scene->stranger, scene->node);
  scene->agent = *hgl_signer_key(scene->fake.agent);
  hgl_did_format(&scene->agent, did);
  hgl_did_format(&scene->stranger->key, host);
  snprintf(address, sizeof address, "%s@%s", did, host);
  snprintf(scene->script, sizeof scene->script, format, address, address);
  add_agents(scene);
}

static void end(struct scene *scene)
{
  assert_false(scene->node->failed);
  fake_deinit(&scene->fake);
  world_deinit(&scene->world);
}

static void read_bodies(struct scene *scene, struct hgl_run run)
{
  struct hgl_frame_envelope item;
  struct hgl_envelope envelope;
  struct hgl_err err;
  json_t *body;
  while (hgl_run_take_envelope(&run, &item)) {
    if (item.expired) continue;
    assert_ok(hgl_envelope_decode(item.bytes, &envelope, &err));
    assert_true(hgl_key_equal(&envelope.to, &scene->agent));
    assert_ok(hgl_value_to_json(envelope.body, &body, &err));
    size_t size = strlen(scene->said);
    snprintf(scene->said + size, sizeof scene->said - size, "%s%lld", size ? " " : "",
             (long long)json_integer_value(json_object_get(body, "n")));
    json_decref(body);
  }
}

static void listen(struct scene *scene)
{
  struct link_frame *got;
  struct hgl_err err;
  world_run(&scene->world);
  scene->wants = scene->wanted = 0;
  scene->said[0] = 0;
  while ((got = world_got(scene->stranger))) {
    struct hgl_frame frame;
    assert_ok(hgl_frame_decode(hgl_bytes(got->data, got->size), &frame, &err));
    if (frame.kind == HGL_FRAME_HELLO) scene->incarnation = frame.hello.incarnation;
    if (frame.kind == HGL_FRAME_WANT) {
      scene->wants++;
      scene->wanted += frame.want.count;
    }
    if (frame.kind == HGL_FRAME_BATCH) read_bodies(scene, frame.batch.envelopes);
    free(got);
  }
}

static void assert_heard(struct scene *scene, size_t wants, const char *said)
{
  listen(scene);
  assert_int_equal(scene->wants, wants);
  assert_string_equal(scene->said, said);
}

static void link_up(struct scene *scene)
{
  fake_link(&scene->fake);
  world_run(&scene->world);
}

static void go(struct scene *scene, int count, const char *expires)
{
  char body[64];
  snprintf(body, sizeof body, "{\"count\":%d,\"expires\":\"%s\"}", count, expires);
  world_say(scene->node, "source", "go/1.0/now", body);
  world_run(&scene->world);
}

static void show(struct scene *scene, int64_t from_s, int64_t life_s, uint64_t sequence)
{
  fake_delegate(&scene->fake, scene->world.time.wall_ms / 1000 + from_s, life_s, sequence, NULL);
  fake_show(&scene->fake);
}

static void show_absent(struct scene *scene, const struct hgl_key *agent)
{
  struct hgl_buf run;
  hgl_buf_init(&run, HGL_FRAME_SIZE_MAX);
  hgl_run_put_key(&run, agent);
  fake_send(&scene->fake, &(struct hgl_frame){.kind = HGL_FRAME_HAVE,
                                              .known = true,
                                              .have = {.absent = hgl_run(&run, 1)}});
  hgl_buf_deinit(&run);
}

static bool logged(const struct scene *scene, const char *text)
{
  return world_logged(&scene->world, text);
}

static int count_row(void *user, struct hgl_bytes key, struct hgl_bytes value, struct hgl_err *err)
{
  ++*(size_t *)user;
  return 0;
}

static size_t rows(struct scene *scene)
{
  struct hgl_err err;
  size_t count = 0;
  world_run(&scene->world);
  assert_ok(hgl_store_scan(scene->node->store, HGL_DB_OUTBOX, hgl_bytes(NULL, 0),
                           hgl_bytes(NULL, 0), false, count_row, &count, &err));
  return count;
}

/* ---- asking ---- */

static void nothing_leaves_for_a_host_before_it_shows_the_agents_delegation(void **state)
{
  struct scene scene;
  begin(&scene, 1);
  link_up(&scene);
  go(&scene, 2, "1h");
  assert_heard(&scene, 1, "");
  assert_int_equal(scene.wanted, 1);
  go(&scene, 1, "1h"); /* asked for already */
  assert_heard(&scene, 0, "");
  assert_int_equal(rows(&scene), 3);
  show(&scene, 0, HOUR_S, 1);
  assert_heard(&scene, 0, "1 2 3");
  assert_int_equal(rows(&scene), 0);
  go(&scene, 2, "1h");
  assert_heard(&scene, 0, "4 5");
  end(&scene);
}

static void a_known_delegation_is_not_asked_for(void **state)
{
  struct scene scene;
  begin(&scene, 2);
  link_up(&scene);
  show(&scene, 0, HOUR_S, 1);
  go(&scene, 3, "1h");
  assert_heard(&scene, 0, "1 2 3");
  end(&scene);
}

static void a_new_link_is_asked_anew_and_an_old_one_after_a_while(void **state)
{
  struct scene scene;
  begin(&scene, 3);
  go(&scene, 1, "1h");
  assert_true(scene.node->wants > 0);
  assert_heard(&scene, 0, "");
  link_up(&scene);
  assert_heard(&scene, 1, "");
  world_unlink(scene.node, scene.stranger);
  link_up(&scene);
  assert_heard(&scene, 1, "");
  world_advance(&scene.world, 29000);
  assert_heard(&scene, 0, "");
  world_advance(&scene.world, 2000);
  assert_heard(&scene, 1, "");
  show(&scene, 0, HOUR_S, 1);
  assert_heard(&scene, 0, "1");
  end(&scene);
}

static void what_waits_is_durable_and_keeps_its_order(void **state)
{
  struct scene scene;
  begin(&scene, 4);
  link_up(&scene);
  go(&scene, 3, "1h");
  world_crash(scene.node);
  world_restart(scene.node);
  add_agents(&scene);
  go(&scene, 2, "1h");
  listen(&scene);
  link_up(&scene);
  assert_heard(&scene, 1, "");
  show(&scene, 0, HOUR_S, 1);
  assert_heard(&scene, 0, "1 2 3 4 5");
  assert_int_equal(rows(&scene), 0);
  end(&scene);
}

static void a_delegation_that_ended_lets_nothing_go(void **state)
{
  struct scene scene;
  begin(&scene, 5);
  link_up(&scene);
  go(&scene, 1, "10h");
  show(&scene, -2 * HOUR_S, HOUR_S, 1);
  assert_heard(&scene, 1, "");
  show(&scene, 0, HOUR_S, 2);
  assert_heard(&scene, 0, "1");
  world_advance(&scene.world, 1000);
  scene.world.time.wall_ms += 2 * HOUR_S * 1000; /* it ends: what is said from now on waits again */
  go(&scene, 1, "10h");
  assert_heard(&scene, 1, "");
  show(&scene, 0, HOUR_S, 3);
  assert_heard(&scene, 0, "2");
  end(&scene);
}

/* ---- ends ---- */

static void an_agent_that_is_not_there_ends_what_waits_for_it(void **state)
{
  struct scene scene;
  struct hgl_key other = {{7}};
  begin(&scene, 6);
  show_absent(&scene, &scene.agent); /* before any link */
  link_up(&scene);
  show_absent(&scene, &scene.agent); /* and before it is asked */
  go(&scene, 2, "1h");
  assert_heard(&scene, 1, "");
  show_absent(&scene, &other);
  world_run(&scene.world);
  assert_false(logged(&scene, "undelivered"));
  show_absent(&scene, &scene.agent);
  assert_heard(&scene, 0, "");
  assert_true(logged(&scene, "undelivered 1 not_here"));
  assert_true(logged(&scene, "undelivered 2 not_here"));
  assert_int_equal(rows(&scene), 0);
  go(&scene, 1, "1h"); /* it may have come: that is asked at once */
  assert_heard(&scene, 1, "");
  show(&scene, 0, HOUR_S, 1);
  show_absent(&scene, &scene.agent); /* its own signature counts more */
  assert_heard(&scene, 0, "3");
  assert_int_equal(world_count_logged(&scene.world, "undelivered"), 2);
  end(&scene);
}

static void an_agent_of_another_host_is_refused_with_its_name(void **state)
{
  struct scene scene;
  char did[HGL_DID_TEXT_SIZE];
  struct fake other;
  begin(&scene, 7);
  struct node *elsewhere = world_stranger(&scene.world);
  fake_init(&other, elsewhere, scene.node);
  hgl_signer_destroy(other.agent);
  uint8_t seed[HGL_SEED_SIZE] = {0xfa, (uint8_t)scene.stranger->index};
  struct hgl_err err;
  assert_ok(hgl_signer_create(seed, &other.agent, &err)); /* the same agent */
  link_up(&scene);
  go(&scene, 1, "1h");
  assert_heard(&scene, 1, "");
  fake_link(&other);
  fake_delegate(&other, scene.world.time.wall_ms / 1000, HOUR_S, 5, NULL);
  fake_show(&other);
  world_advance(&scene.world, 31000);
  assert_heard(&scene, 0, "");
  assert_true(logged(&scene, "undelivered 1 not_here"));
  go(&scene, 1, "1h");
  assert_heard(&scene, 0, "");
  hgl_did_format(&elsewhere->key, did);
  assert_true(logged(&scene, "failed undeliverable: "));
  assert_true(logged(&scene, did));
  assert_int_equal(rows(&scene), 0);
  fake_deinit(&other);
  end(&scene);
}

static void what_expires_while_it_waits_is_undeliverable(void **state)
{
  struct scene scene;
  begin(&scene, 8);
  link_up(&scene);
  go(&scene, 1, "2s");
  go(&scene, 1, "1h");
  world_advance(&scene.world, 1900);
  assert_false(logged(&scene, "undelivered"));
  world_advance(&scene.world, 200);
  assert_true(logged(&scene, "undelivered 1 undeliverable"));
  assert_int_equal(rows(&scene), 1);
  /* Over a restart, and without a link */
  go(&scene, 1, "2s");
  world_crash(scene.node);
  world_restart(scene.node);
  add_agents(&scene);
  world_advance(&scene.world, 2100);
  assert_true(logged(&scene, "undelivered 3 undeliverable"));
  listen(&scene);
  link_up(&scene);
  show(&scene, 0, HOUR_S, 1);
  assert_heard(&scene, 1, "2");
  end(&scene);
}

static void an_ask_that_waits_ends_by_its_own_timeout(void **state)
{
  struct scene scene;
  begin(&scene, 9);
  link_up(&scene);
  world_say(scene.node, "source", "ask/1.0/now", NULL);
  world_advance(&scene.world, 2500);
  assert_true(logged(&scene, "asked timeout"));
  assert_false(logged(&scene, "undelivered"));
  assert_int_equal(rows(&scene), 0);
  world_say(scene.node, "source", "ask/1.0/now", NULL);
  world_run(&scene.world);
  show_absent(&scene, &scene.agent);
  world_run(&scene.world);
  assert_true(logged(&scene, "asked not_here"));
  end(&scene);
}

static void a_link_is_not_wanted_for_nothing(void **state)
{
  struct scene scene;
  begin(&scene, 10);
  go(&scene, 1, "2s");
  assert_int_equal(scene.node->wants, 1);
  world_advance(&scene.world, 3000);
  assert_int_equal(scene.node->wants, 0);
  end(&scene);
}

/* ---- a pair that is held back as well ---- */

/* Acknowledges up to this number, all of it refused for want of room. */
static void refuse_all(struct scene *scene, uint64_t up_to)
{
  struct hgl_buf run;
  hgl_buf_init(&run, HGL_FRAME_SIZE_MAX);
  for (uint64_t number = 1; number <= up_to; number++)
    hgl_run_put_exception(&run, number, "mailbox_full");
  fake_send(&scene->fake,
            &(struct hgl_frame){.kind = HGL_FRAME_ACK,
                                .known = true,
                                .ack = {scene->incarnation, up_to, hgl_run(&run, up_to)}});
  hgl_buf_deinit(&run);
}

static void what_a_full_mailbox_refused_waits_in_its_order(void **state)
{
  struct scene scene;
  begin(&scene, 11);
  link_up(&scene);
  show(&scene, 0, 2, 1); /* for two seconds */
  go(&scene, 2, "1h");
  assert_heard(&scene, 0, "1 2");
  world_advance(&scene.world, 1900);
  refuse_all(&scene, 2);
  world_run(&scene.world);
  world_advance(&scene.world, 200); /* the delegation has ended, the pair is not yet tried again */
  go(&scene, 1, "1h");
  assert_heard(&scene, 0, "");
  world_advance(&scene.world, 1000);
  go(&scene, 1, "1h");
  assert_heard(&scene, 1, "");
  show(&scene, 0, HOUR_S, 2);
  world_advance(&scene.world, 1000);
  assert_heard(&scene, 0, "1 2 3 4");
  end(&scene);
}

static void what_was_refused_on_its_way_goes_before_what_waits(void **state)
{
  struct scene scene;
  begin(&scene, 16);
  link_up(&scene);
  show(&scene, 0, 2, 1);
  go(&scene, 2, "1h");
  assert_heard(&scene, 0, "1 2");
  world_advance(&scene.world, 2100);
  go(&scene, 1, "1h");
  assert_heard(&scene, 1, "");
  refuse_all(&scene, 2);
  world_advance(&scene.world,
                1000); /* they may be tried again: not before the delegation is known */
  assert_heard(&scene, 0, "");
  show(&scene, 0, HOUR_S, 2);
  world_advance(&scene.world, 1000);
  assert_heard(&scene, 0, "1 2 3");
  end(&scene);
}

/* ---- bounds ---- */

static void agents_of_one_host_that_are_waited_for_are_bounded(void **state)
{
  struct scene scene;
  struct hgl_buf config;
  struct hgl_err err;
  char did[HGL_DID_TEXT_SIZE], host[HGL_DID_TEXT_SIZE], script[1024];
  begin(&scene, 12);
  hgl_did_format(&scene.stranger->key, host);
  hgl_buf_init(&config, HGL_BODY_SIZE_MAX);
  hgl_cbor_put_map(&config, 1);
  hgl_cbor_put_literal(&config, "agents");
  hgl_cbor_put_list(&config, AGENTS + 1);
  for (unsigned i = 0; i <= AGENTS; i++) {
    struct hgl_signer *signer;
    uint8_t seed[HGL_SEED_SIZE] = {9, (uint8_t)(i >> 8), (uint8_t)i};
    assert_ok(hgl_signer_create(seed, &signer, &err));
    hgl_did_format(hgl_signer_key(signer), did);
    hgl_cbor_put_literal(&config, did);
    hgl_signer_destroy(signer);
  }
  snprintf(script, sizeof script,
           "agent.on('go/1.0/now', function()\n"
           "  local said, last = 0, nil\n"
           "  for _, to in ipairs(agent.config.agents) do\n"
           "    local ok, why, code = agent.send(to .. '@%s', 'x/1.0/y', {})\n"
           "    if ok then said = said + 1 else last = code end\n"
           "  end\n"
           "  log.info('said ' .. said .. ', then ' .. tostring(last))\n"
           "end)\n",
           host);
  world_agent_with(scene.node, "many", script,
                   (struct hgl_agent_config){.config = hgl_buf_bytes(&config)});
  link_up(&scene);
  world_say(scene.node, "many", "go/1.0/now", NULL);
  listen(&scene);
  assert_true(logged(&scene, "said 4096, then limit"));
  assert_int_equal(scene.wants, 1);
  assert_int_equal(scene.wanted, AGENTS);
  hgl_buf_deinit(&config);
  end(&scene);
}

static void bytes_of_one_author_that_wait_are_bounded(void **state)
{
  struct scene scene;
  char script[1024], host[HGL_DID_TEXT_SIZE], did[HGL_DID_TEXT_SIZE];
  begin(&scene, 13);
  hgl_did_format(&scene.stranger->key, host);
  hgl_did_format(&scene.agent, did);
  snprintf(script, sizeof script,
           "agent.on('go/1.0/now', function()\n"
           "  local text, said = string.rep('x', 1000000), 0\n"
           "  for i = 1, 12 do\n"
           "    local ok, why, code = agent.send('%s@%s', 'x/1.0/y', { n = i, text = text })\n"
           "    if ok then said = said + 1 else log.info('failed ' .. code) end\n"
           "  end\n"
           "  log.info('said ' .. said)\n"
           "end)\n",
           did, host);
  world_agent(scene.node, "loud", script, NULL);
  for (int i = 0; i < 3; i++) {
    world_say(scene.node, "loud", "go/1.0/now", NULL);
    world_run(&scene.world);
  }
  assert_int_equal(world_count_logged(&scene.world, "said 12"), 2);
  assert_int_equal(world_count_logged(&scene.world, "failed limit"), 2);
  assert_true(logged(&scene, "said 10"));
  go(&scene, 1, "1h"); /* another author still has its share */
  assert_false(logged(&scene, "source: failed"));
  end(&scene);
}

static void a_delegation_beyond_the_hosts_share_ends_what_waits(void **state)
{
  struct scene scene;
  struct hgl_buf run;
  struct hgl_err err;
  begin(&scene, 14);
  link_up(&scene);
  hgl_buf_init(&run, HGL_FRAME_SIZE_MAX);
  struct hgl_signer *agent = scene.fake.agent;
  for (unsigned i = 0; i < AGENTS; i++) {
    uint8_t seed[HGL_SEED_SIZE] = {9, (uint8_t)(i >> 8), (uint8_t)i};
    assert_ok(hgl_signer_create(seed, &scene.fake.agent, &err));
    fake_delegate(&scene.fake, scene.world.time.wall_ms / 1000, HOUR_S, 1, NULL);
    hgl_run_put_delegation(&run, hgl_buf_bytes(&scene.fake.delegation));
    hgl_signer_destroy(scene.fake.agent);
  }
  scene.fake.agent = agent;
  fake_send(&scene.fake, &(struct hgl_frame){.kind = HGL_FRAME_HAVE,
                                             .known = true,
                                             .have = {.delegations = hgl_run(&run, AGENTS)}});
  hgl_buf_deinit(&run);
  go(&scene, 1, "1h");
  assert_heard(&scene, 1, "");
  show(&scene, 0, HOUR_S, 1);
  assert_heard(&scene, 0, "");
  assert_true(logged(&scene, "undelivered 1 limit"));
  end(&scene);
}

static void nothing_is_lost_when_memory_runs_out(void **state)
{
  for (long allowed = 0; allowed < 120; allowed++) {
    struct scene scene;
    begin(&scene, 15);
    link_up(&scene);
    go(&scene, 2, "1h");
    show(&scene, 0, HOUR_S, 1);
    hgl_mem_fail_after(allowed);
    for (int i = 0; i < 3; i++) hgl_host_tick(scene.node->host);
    hgl_mem_fail_after(-1);
    if (scene.node->failed) {
      world_crash(scene.node);
      world_restart(scene.node);
      add_agents(&scene);
      listen(&scene);
      link_up(&scene);
      show(&scene, 0, HOUR_S, 1);
    }
    listen(&scene);
    assert_string_equal(scene.said, "1 2");
    end(&scene);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(nothing_leaves_for_a_host_before_it_shows_the_agents_delegation),
      cmocka_unit_test(a_known_delegation_is_not_asked_for),
      cmocka_unit_test(a_new_link_is_asked_anew_and_an_old_one_after_a_while),
      cmocka_unit_test(what_waits_is_durable_and_keeps_its_order),
      cmocka_unit_test(a_delegation_that_ended_lets_nothing_go),
      cmocka_unit_test(an_agent_that_is_not_there_ends_what_waits_for_it),
      cmocka_unit_test(an_agent_of_another_host_is_refused_with_its_name),
      cmocka_unit_test(what_expires_while_it_waits_is_undeliverable),
      cmocka_unit_test(an_ask_that_waits_ends_by_its_own_timeout),
      cmocka_unit_test(a_link_is_not_wanted_for_nothing),
      cmocka_unit_test(what_a_full_mailbox_refused_waits_in_its_order),
      cmocka_unit_test(what_was_refused_on_its_way_goes_before_what_waits),
      cmocka_unit_test(agents_of_one_host_that_are_waited_for_are_bounded),
      cmocka_unit_test(bytes_of_one_author_that_wait_are_bounded),
      cmocka_unit_test(a_delegation_beyond_the_hosts_share_ends_what_waits),
      cmocka_unit_test(nothing_is_lost_when_memory_runs_out),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
