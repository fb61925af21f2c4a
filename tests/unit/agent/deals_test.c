#include <stdio.h>

#include "protocol/evidence.h"
#include "support/fake_peer.h"
#include "support/world.h"

static const char keeper[] =
    "agent.on('x/1.0/y', function(message)\n"
    "  assert(agent.keep(message.id))\n"
    "  local reply = message:reply('z', { n = 1 })\n"
    "  log.info('heard ' .. message.id)\n"
    "  agent.deal { id = 'deal-' .. message.thid, status = 'agreed', role = 'seller',\n"
    "    messages = { message.id } }\n"
    "end)\n";

static const char opener_format[] = "agent.on('go/1.0/now', function()\n"
                                    "  local id = agent.send('%s', 'x/1.0/y', { n = 7 })\n"
                                    "  assert(agent.keep(id))\n"
                                    "  log.info('said ' .. id)\n"
                                    "end)\n"
                                    "agent.on('x/1.0/z', function() end)\n";

static int count_row(void *user, struct hgl_bytes key, struct hgl_bytes value, struct hgl_err *err)
{
  ++*(size_t *)user;
  return 0;
}

static size_t rows(struct node *node, enum hgl_db db)
{
  struct hgl_err err;
  size_t count = 0;
  const struct hgl_bytes none = {0};
  assert_ok(hgl_store_scan(node->store, db, none, none, false, count_row, &count, &err));
  return count;
}

struct scene {
  struct world world;
  struct node *a, *b;
  char id[33];
};

static void find_id(struct scene *scene, const char *word)
{
  const char *at = strstr(scene->world.logged, word);
  assert_non_null(at);
  memcpy(scene->id, at + strlen(word), 32);
  scene->id[32] = 0;
}

/* One message from a's opener to the keeper on `b`, which may be a itself. */
static void begin(struct scene *scene, bool local)
{
  char script[1024];
  memset(scene, 0, sizeof *scene);
  world_init(&scene->world, 1);
  scene->a = world_node(&scene->world);
  scene->b = local ? scene->a : world_node(&scene->world);
  snprintf(script, sizeof script, opener_format, world_did(scene->b, "keeper"));
  world_agent(scene->a, "operator", "", NULL);
  world_agent(scene->a, "opener", script, NULL);
  world_agent(scene->b, "keeper", keeper, NULL);
  if (!local) world_link(scene->a, scene->b);
  world_run(&scene->world);
  world_say(scene->a, "opener", "go/1.0/now", NULL);
  world_run(&scene->world);
  find_id(scene, "said ");
}

static void assert_proves(struct node *node, const char *id, struct node *to)
{
  struct hgl_buf out;
  struct hgl_err err;
  struct hgl_proof proof;
  struct hgl_id wanted;
  hgl_buf_init(&out, HGL_EVIDENCE_SIZE_MAX);
  assert_ok(hgl_host_export(node->host, id, &out, &err));
  struct hgl_verify_options options = {.destination = &to->key};
  assert_ok(hgl_evidence_verify(hgl_buf_bytes(&out), &options, &proof, &err));
  assert_ok(hgl_id_parse(hgl_text(id), &wanted, &err));
  assert_true(hgl_id_equal(&proof.envelope.id, &wanted));
  assert_true(hgl_bytes_is(proof.envelope.type, "x/1.0/y"));
  hgl_buf_deinit(&out);
}

static void both_sides_can_prove_a_message_they_kept(void **state)
{
  for (int local = 0; local < 2; local++) {
    struct scene scene;
    begin(&scene, local);
    assert_proves(scene.a, scene.id, scene.b);
    assert_proves(scene.b, scene.id, scene.b);
    world_deinit(&scene.world);
  }
}

static void delete_journal(struct node *node)
{
  struct hgl_err err;
  for (uint64_t row = 1; row < 200; row++) {
    uint8_t key[8];
    hgl_put_be64(key, row);
    assert_ok(hgl_writeset_delete(hgl_store_open_set(node->store), HGL_DB_JOURNAL,
                                  hgl_bytes(key, 8), &err));
  }
}

static void what_was_kept_is_there_without_the_journal_and_after_restarts(void **state)
{
  struct scene scene;
  begin(&scene, false);
  world_crash(scene.b);
  delete_journal(scene.b);
  world_restart(scene.b);
  assert_proves(scene.b, scene.id, scene.b);
  world_deinit(&scene.world);
}

static void a_message_can_be_proved_after_its_authors_delegation_was_renewed(void **state)
{
  struct scene scene;
  begin(&scene, false);
  for (int day = 0; day < 13; day++) {
    hgl_clock_advance(&scene.world.time, 24 * 3600 * 1000);
    world_advance(&scene.world, 50);
  }
  world_say(scene.a, "opener", "go/1.0/now", NULL); /* under the third delegation */
  world_run(&scene.world);
  assert_int_equal(world_count_logged(&scene.world, "keeper: heard "), 2);
  world_crash(scene.b);
  world_restart(scene.b);
  world_agent(scene.b, "keeper", keeper, NULL);
  assert_proves(scene.a, scene.id, scene.b);
  assert_proves(scene.b, scene.id, scene.b);
  world_deinit(&scene.world);
}

static void a_deal_is_listed_and_exported_by_the_beginning_of_its_id(void **state)
{
  struct scene scene;
  struct hgl_err err;
  struct hgl_buf out;
  json_t *deals;
  begin(&scene, false);
  assert_ok(hgl_host_list_deals(scene.b->host, 10, &deals, &err));
  assert_int_equal(json_array_size(deals), 1);
  char id[33];
  snprintf(id, sizeof id, "%s",
           present(json_string_value(json_object_get(json_array_get(deals, 0), "id"))));
  assert_string_equal(json_string_value(json_object_get(json_array_get(deals, 0), "agent")),
                      "keeper");
  json_decref(deals);
  hgl_buf_init(&out, HGL_STORE_VALUE_SIZE_MAX);
  id[9] = 0;
  assert_ok(hgl_host_export(scene.b->host, id, &out, &err));
  struct hgl_cbor_reader in = hgl_cbor_reader(hgl_buf_bytes(&out));
  struct hgl_bytes one;
  struct hgl_proof proof;
  size_t count;
  assert_ok(hgl_cbor_get_list(&in, "deal", 64, &count, &err));
  assert_int_equal(count, 1);
  one = hgl_bytes(in.at, (size_t)(in.end - in.at));
  assert_ok(hgl_evidence_verify(one, NULL, &proof, &err));
  hgl_buf_deinit(&out);
  hgl_buf_init(&out, HGL_STORE_VALUE_SIZE_MAX);
  assert_fails(HGL_NOT_FOUND, hgl_host_export(scene.b->host, "ffff0000", &out, &err));
  assert_fails(HGL_INVALID, hgl_host_export(scene.b->host, "ab", &out, &err));
  hgl_buf_deinit(&out);
  world_deinit(&scene.world);
}

static void assert_body_number(struct hgl_bytes evidence, int64_t wanted)
{
  struct hgl_proof proof;
  struct hgl_bytes field;
  struct hgl_err err;
  int64_t number;
  bool found;
  assert_ok(hgl_evidence_verify(evidence, NULL, &proof, &err));
  assert_ok(hgl_value_field(proof.envelope.body, "n", &field, &found, &err));
  struct hgl_cbor_reader in = hgl_cbor_reader(field);
  assert_ok(hgl_cbor_get_int(&in, "n", &number, &err));
  assert_int_equal(number, wanted);
}

static void a_message_kept_first_is_not_displaced_by_another_with_its_id(void **state)
{
  struct world world;
  struct fake fake;
  struct hgl_key to;
  struct hgl_buf out;
  struct hgl_err err;
  struct hgl_cbor_reader in;
  size_t count;
  world_init(&world, 5);
  struct node *node = world_node(&world), *stranger = world_stranger(&world);
  world_agent(node, "keeper", keeper, NULL);
  fake_init(&fake, stranger, node);
  fake_delegate(&fake, world.time.wall_ms / 1000 - 10, 3600, 1, NULL);
  assert_ok(hgl_did_parse(hgl_text(world_did(node, "keeper")), &to, &err));
  fake_link(&fake);
  for (int i = 0; i < 4; i++) { /* n = 1 to 4; the last is a third message of the same id */
    fake.next_id = 0;
    fake_say(&fake, &to, "x/1.0/y", &(struct lie){0});
    if (i != 1) world_run(&world); /* the second and third in one tick */
  }
  assert_int_equal(world_count_logged(&world, "keeper: heard "), 4);
  delete_journal(node);
  hgl_buf_init(&out, HGL_STORE_VALUE_SIZE_MAX);
  assert_ok(hgl_host_export(node->host, "01010101010101010101010101010101", &out, &err));
  assert_body_number(hgl_buf_bytes(&out), 1);
  hgl_buf_clear(&out);
  assert_ok(hgl_host_export(node->host, "deal-01", &out, &err));
  in = hgl_cbor_reader(hgl_buf_bytes(&out));
  assert_ok(hgl_cbor_get_list(&in, "deal", 64, &count, &err));
  assert_int_equal(count, 4);
  hgl_buf_deinit(&out);
  fake_deinit(&fake);
  world_deinit(&world);
}

/* Someone else says another message of the same id, in a thread of the same id: it is kept too, and
 * is no part of the deal. */
static void a_message_of_others_with_its_id_is_no_part_of_a_deal(void **state)
{
  static const char dealer[] =
      "agent.on('x/1.0/y', function(message)\n"
      "  assert(agent.keep(message.id))\n"
      "  if state.done then return end\n"
      "  state.done = true\n"
      "  agent.deal { id = message.thid, status = 'agreed', counterparty = message.from,\n"
      "    messages = { message.id } }\n"
      "end)\n";
  struct world world;
  struct fake fakes[2];
  struct hgl_key to;
  struct hgl_buf out;
  struct hgl_err err;
  struct hgl_proof proof;
  size_t count;
  world_init(&world, 6);
  struct node *node = world_node(&world);
  world_agent(node, "dealer", dealer, NULL);
  assert_ok(hgl_did_parse(hgl_text(world_did(node, "dealer")), &to, &err));
  for (int i = 0; i < 2; i++) {
    fake_init(&fakes[i], world_stranger(&world), node);
    fake_delegate(&fakes[i], world.time.wall_ms / 1000 - 10, 3600, 1, NULL);
    fake_link(&fakes[i]);
    fake_say(&fakes[i], &to, "x/1.0/y", &(struct lie){0});
    world_run(&world);
  }
  delete_journal(node);
  hgl_buf_init(&out, HGL_STORE_VALUE_SIZE_MAX);
  assert_int_equal(rows(node, HGL_DB_EVIDENCE), 2); /* both are kept */
  assert_ok(hgl_host_export(node->host, "0101", &out, &err));
  struct hgl_cbor_reader in = hgl_cbor_reader(hgl_buf_bytes(&out));
  assert_ok(hgl_cbor_get_list(&in, "deal", 64, &count, &err));
  assert_int_equal(count, 1);
  assert_ok(hgl_evidence_verify(hgl_bytes(in.at, (size_t)(in.end - in.at)), NULL, &proof, &err));
  assert_true(hgl_key_equal(&proof.envelope.from, hgl_signer_key(fakes[0].agent)));
  hgl_buf_deinit(&out);
  for (int i = 0; i < 2; i++) fake_deinit(&fakes[i]);
  world_deinit(&world);
}

/* In one pass, and in steps; the list is in the order of the record, and one is named twice. */
static void what_no_one_kept_is_exported_from_the_journal(void **state)
{
  static const char dealer[] =
      "agent.on('x/1.0/y', function(message)\n"
      "  state.ids = state.ids or {}\n"
      "  state.ids[#state.ids + 1] = message.id\n"
      "  if #state.ids == 20 then\n"
      "    agent.deal { id = 'many', status = 'agreed', messages = state.ids }\n"
      "  end\n"
      "  if #state.ids ~= 3 then return end\n"
      "  agent.deal { id = 'unkept', status = 'agreed',\n"
      "    messages = { state.ids[2], state.ids[1], state.ids[3], state.ids[1] } }\n"
      "end)\n";
  struct world world;
  struct hgl_err err;
  struct hgl_buf out;
  struct hgl_lookup *lookup;
  json_t *result = NULL;
  size_t count;
  int steps = 0, status;
  world_init(&world, 8);
  struct node *node = world_node(&world);
  world_agent(node, "operator", "", NULL);
  world_agent(node, "dealer", dealer, NULL);
  for (int i = 0; i < 22; i++) {
    world_say(node, "dealer", "x/1.0/y", "{}");
    world_run(&world);
  }
  assert_int_equal(rows(node, HGL_DB_EVIDENCE), 0);
  hgl_buf_init(&out, HGL_STORE_VALUE_SIZE_MAX);
  assert_ok(hgl_host_export(node->host, "unkept", &out, &err));
  struct hgl_cbor_reader in = hgl_cbor_reader(hgl_buf_bytes(&out));
  assert_ok(hgl_cbor_get_list(&in, "deal", 64, &count, &err));
  assert_int_equal(count, 4);
  hgl_buf_clear(&out);
  assert_ok(hgl_host_export(node->host, "many", &out, &err));
  in = hgl_cbor_reader(hgl_buf_bytes(&out));
  assert_ok(hgl_cbor_get_list(&in, "deal", 64, &count, &err));
  assert_int_equal(count, 20);
  hgl_buf_clear(&out);
  assert_ok(hgl_lookup_evidence(node->host, "unkept", &lookup, &err));
  while ((status = hgl_lookup_step(lookup, 1, &result, &err)) > 0) steps++;
  assert_ok(status);
  assert_true(steps > 3);
  assert_true(json_string_length(json_object_get(result, "evidence")) > 1000);
  json_decref(result);
  hgl_lookup_destroy(lookup);
  hgl_buf_deinit(&out);
  world_deinit(&world);
}

/* Nothing is gathered that cannot be told in the end. */
static void assert_too_large(const char *keep)
{
  static const char format[] =
      "agent.on('go/1.0/now', function()\n"
      "  agent.send('dealer', 'x/1.0/y', { text = ('x'):rep(900000) })\n"
      "end)\n"
      "agent.on('x/1.0/y', function(message)\n"
      "  local id = message.id\n"
      "  %s\n"
      "  agent.deal { id = 'large', status = 'agreed', messages = { id, id, id, id } }\n"
      "end)\n";
  struct world world;
  struct hgl_err err;
  struct hgl_lookup *lookup = NULL;
  json_t *result;
  char script[1024];
  world_init(&world, 9);
  struct node *node = world_node(&world);
  snprintf(script, sizeof script, format, keep);
  world_agent(node, "operator", "", NULL);
  world_agent(node, "dealer", script, NULL);
  world_say(node, "dealer", "go/1.0/now", "{}");
  world_run(&world);
  if (*keep) {
    assert_fails(HGL_TOO_LARGE, hgl_lookup_evidence(node->host, "large", &lookup, &err));
  } else {
    assert_ok(hgl_lookup_evidence(node->host, "large", &lookup, &err));
    assert_fails(HGL_TOO_LARGE, hgl_lookup_step(lookup, SIZE_MAX, &result, &err));
    hgl_lookup_destroy(lookup);
  }
  assert_non_null(strstr(err.message, "one by one"));
  world_deinit(&world);
}

static void evidence_of_a_deal_that_is_too_large_is_refused_at_once(void **state)
{
  assert_too_large("assert(agent.keep(id))");
  assert_too_large("");
}

static void what_was_agreed_cannot_be_recorded_otherwise(void **state)
{
  struct world world;
  world_init(&world, 31);
  struct node *a = world_node(&world);
  world_agent(a, "books",
              "local function put(price, status)\n"
              "  local _, why, code = agent.deal { id = 'one', service = 's', price = price,\n"
              "    role = 'seller', counterparty = 'x', status = status }\n"
              "  log.info(price .. ' ' .. status .. ': ' .. (code or 'recorded'))\n"
              "end\n"
              "agent.on_start(function()\n"
              "  put(5, 'agreed') put(4, 'agreed') put(5, 'delivered') put(5, 'delivered')\n"
              "  put(5, 'agreed') put(5, 'breached')\n"
              "end)\n"
              "agent.on_timer('later', function() end)\n",
              NULL);
  world_run(&world);
  assert_true(world_logged(&world, "5 agreed: recorded\nbooks: 4 agreed: exists\n"));
  assert_int_equal(world_count_logged(&world, "5 delivered: recorded"), 2);
  assert_int_equal(world_count_logged(&world, "5 agreed: exists"), 1);
  assert_int_equal(world_count_logged(&world, "5 breached: exists"), 1);
  /* Also against what an earlier process has stored. */
  world_crash(a);
  world_restart(a);
  world_agent(a, "books",
              "agent.on_start(function()\n"
              "  local _, why, code = agent.deal { id = 'one', service = 's', price = 9,\n"
              "    role = 'seller', counterparty = 'x', status = 'agreed' }\n"
              "  log.info('again: ' .. (code or 'recorded'))\n"
              "end)\n",
              NULL);
  world_run(&world);
  assert_true(world_logged(&world, "again: exists"));
  world_deinit(&world);
}

static void assert_with(struct node *node, size_t index, const char *expected)
{
  struct hgl_err err;
  json_t *deals;
  assert_ok(hgl_host_list_deals(node->host, 10, &deals, &err));
  assert_string_equal(
      present(json_string_value(json_object_get(json_array_get(deals, index), "with"))), expected);
  json_decref(deals);
}

static void a_counterparty_on_this_host_is_told_by_its_name(void **state)
{
  struct world world;
  char script[300];
  world_init(&world, 32);
  struct node *node = world_node(&world);
  world_agent(node, "friend", "agent.on('x/1.0/y', function() end)", NULL);
  snprintf(script, sizeof script,
           "agent.on_start(function()\n"
           "  agent.deal { id = 'one', status = 'agreed', counterparty = 'x' }\n"
           "  agent.deal { id = 'two', status = 'agreed', counterparty = '%s' }\n"
           "end)",
           world_did(node, "friend"));
  world_agent(node, "books", script, NULL);
  world_run(&world);
  assert_with(node, 0, "friend");
  assert_with(node, 1, "x");
  world_deinit(&world);
}

/* `expected` is NULL of what has none. */
static void assert_alias(struct node *node, size_t index, const char *expected)
{
  struct hgl_err err;
  json_t *deals;
  assert_ok(hgl_host_list_deals(node->host, 10, &deals, &err));
  const char *alias = json_string_value(
      json_object_get(json_array_get(deals, index), "with_alias"));
  if (expected)
    assert_string_equal(present(alias), expected);
  else
    assert_null(alias);
  json_decref(deals);
}

static void a_counterparty_elsewhere_is_told_by_what_its_advert_calls_it(void **state)
{
  struct world world;
  char script[400];
  world_init(&world, 33);
  struct node *here = world_node(&world), *there = world_node(&world);
  world_agent(there, "shop", "agent.offer { service = 'cut flowers' }", NULL);
  world_link(here, there);
  world_run(&world);
  snprintf(script, sizeof script,
           "agent.on_start(function()\n"
           "  agent.deal { id = 'one', status = 'agreed', counterparty = 'x',\n"
           "    with_alias = 'of the script' }\n"
           "  agent.deal { id = 'two', status = 'agreed', counterparty = '%s' }\n"
           "end)",
           world_did(there, "shop"));
  world_agent(here, "books", script, NULL);
  world_run(&world);
  assert_alias(here, 0, "shop");
  assert_with(here, 0, world_did(there, "shop"));
  assert_alias(here, 1, NULL);
  world_deinit(&world);
}

static const char *const ledger =
    "agent.on('note/1.0/deal', function(message)\n"
    "  agent.deal { id = message.body.id, status = message.body.status }\n"
    "end)\n";

static void note(struct node *node, const char *agent, const char *id, const char *status)
{
  char body[100];
  snprintf(body, sizeof body, "{\"id\":\"%s\",\"status\":\"%s\"}", id, status);
  world_say(node, agent, "note/1.0/deal", body);
  world_advance(node->world, 10);
}

static void assert_listed(struct node *node, size_t limit, const char *expected)
{
  struct hgl_err err;
  json_t *deals, *deal;
  size_t index;
  char listed[200] = "";
  assert_ok(hgl_host_list_deals(node->host, limit, &deals, &err));
  json_array_foreach(deals, index, deal)
  {
    size_t size = strlen(listed);
    snprintf(listed + size, sizeof listed - size, "%s/%s ",
             present(json_string_value(json_object_get(deal, "agent"))),
             present(json_string_value(json_object_get(deal, "id"))));
  }
  json_decref(deals);
  assert_string_equal(listed, expected);
}

static void deals_are_listed_by_their_last_change_newest_first(void **state)
{
  struct world world;
  world_init(&world, 41);
  struct node *a = world_node(&world);
  world_agent(a, "operator", "", NULL);
  world_agent(a, "one", ledger, NULL);
  world_agent(a, "two", ledger, NULL);
  world_run(&world);
  assert_listed(a, 10, "");
  note(a, "two", "z", "agreed");
  note(a, "one", "b", "agreed");
  note(a, "one", "a", "agreed");
  assert_listed(a, 10, "one/a one/b two/z ");
  assert_listed(a, 2, "one/a one/b ");
  assert_listed(a, 0, "one/a one/b two/z ");
  note(a, "two", "z", "delivered"); /* its place moves */
  assert_listed(a, 1, "two/z ");
  assert_listed(a, 10, "two/z one/a one/b ");
  assert_int_equal(rows(a, HGL_DB_DEAL_TIMES), 3);
  world_crash(a);
  world_restart(a);
  assert_listed(a, 1, "(not running)/z ");
  world_deinit(&world);
}

static void a_deal_recorded_twice_in_one_stretch_has_one_place(void **state)
{
  struct world world;
  world_init(&world, 42);
  struct node *a = world_node(&world);
  world_agent(a, "books",
              "agent.on_start(function()\n"
              "  agent.deal { id = 'one', status = 'agreed' }\n"
              "  agent.deal { id = 'one', status = 'delivered' }\n"
              "end)\n",
              NULL);
  world_run(&world);
  assert_listed(a, 10, "books/one ");
  assert_int_equal(rows(a, HGL_DB_DEAL_TIMES), 1);
  world_deinit(&world);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(both_sides_can_prove_a_message_they_kept),
      cmocka_unit_test(what_was_kept_is_there_without_the_journal_and_after_restarts),
      cmocka_unit_test(a_message_can_be_proved_after_its_authors_delegation_was_renewed),
      cmocka_unit_test(a_deal_is_listed_and_exported_by_the_beginning_of_its_id),
      cmocka_unit_test(a_message_kept_first_is_not_displaced_by_another_with_its_id),
      cmocka_unit_test(a_message_of_others_with_its_id_is_no_part_of_a_deal),
      cmocka_unit_test(what_no_one_kept_is_exported_from_the_journal),
      cmocka_unit_test(evidence_of_a_deal_that_is_too_large_is_refused_at_once),
      cmocka_unit_test(what_was_agreed_cannot_be_recorded_otherwise),
      cmocka_unit_test(a_counterparty_on_this_host_is_told_by_its_name),
      cmocka_unit_test(a_counterparty_elsewhere_is_told_by_what_its_advert_calls_it),
      cmocka_unit_test(deals_are_listed_by_their_last_change_newest_first),
      cmocka_unit_test(a_deal_recorded_twice_in_one_stretch_has_one_place),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
