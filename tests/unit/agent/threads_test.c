/* Dialogues as they are listed and shown: each way in which one can come to its end, or not. */
#include <stdio.h>

#include "protocol/did.h"
#include "support/world.h"

#define PROTOCOL(body)                                                                             \
  "agent.protocol { name = 'deal', version = '1.0', messages = {\n"                                \
  "  ask = { body = { " body " }, replies = { 'offer', 'no' }, within = '10s' },\n"                \
  "  offer = { body = { price = 'integer' }, replies = { 'take' } },\n"                            \
  "  no = { body = { why = 'string?' } }, take = {} } }\n"
#define DECLARED PROTOCOL("what = 'string'")

static const char buyer_format[] =
    "%s"
    "local other = '%s'\n"
    "agent.on('go/1.0/now', function(m) agent.send(other, 'deal/1.0/ask', m.body) end)\n"
    "agent.on('go/1.0/free', function(m) agent.send(other, m.body.type, m.body) end)\n"
    "agent.on('go/1.0/question', function(m)\n"
    "  agent.ask(other, 'q/1.0/' .. m.body.what, m.body, { within = '5s' })\n"
    "end)\n"
    "agent.on('deal/1.0/offer', function(m) m:reply('take', {}) end)\n"
    "agent.on('deal/1.0/no', function() end)\n"
    "agent.on('free/1.0/back', function() end)\n"
    "agent.on_undelivered(function() end)\n";

static const char seller_format[] =
    "%s"
    "agent.on('deal/1.0/ask', function(m)\n"
    "  local what = m.body.what\n"
    "  if what == 'raise' then error('no such luck') end\n"
    "  if what == 'once' and m.attempt == 1 then error('once') end\n"
    "  if what == 'refuse' then return m:refuse('we are closed') end\n"
    "  if what == 'no' then return m:reply('no', { why = 'sold out' }) end\n"
    "  if what == 'never' then return end\n"
    "  if what == 'sleep' then agent.sleep('1h') end\n"
    "  m:reply('offer', { price = 3 })\n"
    "end)\n"
    "agent.on('deal/1.0/take', function() end)\n"
    "agent.on('free/1.0/there', function(m) m:reply('back', m.body) end)\n"
    "agent.on('q/1.0/never', function() end)\n"
    "agent.on('q/1.0/known', function(m) m:reply('answer', { n = 1 }) end)\n";

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

static void begin_with(struct market *market, bool local, const char *ours, const char *theirs)
{
  world_init(&market->world, 1);
  market->a = world_node(&market->world);
  market->b = local ? market->a : world_node(&market->world);
  snprintf(market->buyer, sizeof market->buyer, buyer_format, ours, world_did(market->b, "seller"));
  snprintf(market->seller, sizeof market->seller, seller_format, theirs);
  add_buyer(market);
  world_agent(market->b, "seller", market->seller, NULL);
  if (!local) world_link(market->a, market->b);
  world_run(&market->world);
}

static void begin(struct market *market, bool local)
{
  begin_with(market, local, DECLARED, DECLARED);
}

static void go(struct market *market, const char *type, const char *body)
{
  world_say(market->a, "buyer", type, body);
  world_run(&market->world);
}

static void ask(struct market *market, const char *what)
{
  char body[64];
  snprintf(body, sizeof body, "{\"what\":\"%s\"}", what);
  go(market, "go/1.0/now", body);
}

static const char *text(const json_t *object, const char *field)
{
  const char *value = json_string_value(json_object_get(object, field));
  if (!value) fail_msg("there is no \"%s\"", field);
  return value;
}

static int64_t number(const json_t *object, const char *field)
{
  const json_t *value = json_object_get(object, field);
  if (!json_is_integer(value)) fail_msg("\"%s\" is no integer", field);
  return json_integer_value(value);
}

static json_t *list(struct node *node, struct hgl_dialogues_wanted wanted)
{
  struct hgl_err err;
  json_t *all = NULL;
  if (!wanted.limit) wanted.limit = 100;
  assert_ok(hgl_host_dialogues(node->host, &wanted, &all, &err));
  return all;
}

/* The latest dialogue of the two, a new reference. */
static json_t *latest(struct market *market, struct node *node)
{
  const char *buyer = world_did(market->a, "buyer"), *seller = world_did(market->b, "seller");
  bool ours = node == market->a;
  json_t *all = list(node, (struct hgl_dialogues_wanted){.agent = ours ? buyer : seller,
                                                         .peer = ours ? seller : buyer});
  json_t *dialogue = json_incref(json_array_get(json_object_get(all, "dialogues"), 0));
  json_decref(all);
  assert_non_null(dialogue);
  return dialogue;
}

/* On this node it has come to this; "" and NULL: not looked at. */
static void assert_state(struct market *market, struct node *node, const char *state,
                         const char *cause, const char *why)
{
  json_t *dialogue = latest(market, node);
  if (strcmp(text(dialogue, "state"), state) != 0)
    fail_msg("it is %s: %s", text(dialogue, "state"),
             json_string_value(json_object_get(dialogue, "why")));
  if (cause) assert_string_equal(text(dialogue, "cause"), cause);
  if (why && !strstr(text(dialogue, "why"), why))
    fail_msg("\"%s\" is not in: %s", why, text(dialogue, "why"));
  json_decref(dialogue);
}

/* All of the latest. */
static json_t *shown(struct market *market, struct node *node, bool deep)
{
  json_t *dialogue = latest(market, node), *out = NULL;
  struct hgl_err err;
  const struct hgl_dialogue_wanted wanted = {.agent = text(dialogue, "agent_did"),
                                             .peer = text(dialogue, "peer"),
                                             .thid = text(dialogue, "thid"),
                                             .deep = deep};
  assert_ok(hgl_host_dialogue(node->host, &wanted, &out, &err));
  json_decref(dialogue);
  return out;
}

static const json_t *message(const json_t *whole, size_t index)
{
  const json_t *found = json_array_get(json_object_get(whole, "messages"), index);
  assert_non_null(found);
  return found;
}

/* ---- what goes well ---- */

static void a_dialogue_that_ended_is_told_with_its_bodies(void **state)
{
  struct market market;
  begin(&market, false);
  ask(&market, "x");
  json_t *dialogue = latest(&market, market.a);
  assert_string_equal(text(dialogue, "agent"), "buyer");
  assert_string_equal(text(dialogue, "peer"), world_did(market.b, "seller"));
  assert_string_equal(text(dialogue, "protocol"), "deal/1.0");
  assert_string_equal(text(dialogue, "last"), "take");
  assert_string_equal(text(dialogue, "state"), "ended");
  assert_int_equal(number(dialogue, "messages"), 3);
  assert_true(json_is_true(json_object_get(dialogue, "whole")));
  assert_null(json_object_get(dialogue, "why"));
  json_decref(dialogue);
  json_t *whole = shown(&market, market.a, false);
  assert_int_equal(json_array_size(json_object_get(whole, "messages")), 3);
  const json_t *first = message(whole, 0);
  assert_string_equal(text(first, "direction"), "said");
  assert_string_equal(text(first, "performative"), "ask");
  assert_string_equal(text(first, "state"), "acknowledged");
  assert_string_equal(text(json_object_get(first, "body"), "what"), "x");
  assert_string_equal(text(message(whole, 1), "state"), "handled");
  assert_int_equal(number(json_object_get(message(whole, 1), "body"), "price"), 3);
  assert_string_equal(text(json_object_get(whole, "definition"), "name"), "deal");
  assert_true(json_array_size(json_object_get(whole, "events")) >= 4);
  assert_int_equal(number(whole, "more"), 0);
  json_decref(whole);
  world_deinit(&market.world);
}

static void two_agents_of_a_host_have_one_dialogue(void **state)
{
  struct market market;
  begin(&market, true);
  ask(&market, "x");
  json_t *all = list(market.a, (struct hgl_dialogues_wanted){.protocol = "deal"});
  assert_int_equal(json_array_size(json_object_get(all, "dialogues")), 1);
  const json_t *dialogue = json_array_get(json_object_get(all, "dialogues"), 0);
  assert_string_equal(text(dialogue, "agent"), "buyer");
  assert_string_equal(text(dialogue, "peer_name"), "seller");
  assert_int_equal(number(dialogue, "messages"), 3);
  json_decref(all);
  all = list(market.a, (struct hgl_dialogues_wanted){.protocol = "deal", .agent = "seller"});
  assert_string_equal(text(json_array_get(json_object_get(all, "dialogues"), 0), "agent"),
                      "seller");
  json_decref(all);
  json_t *whole = shown(&market, market.a, false);
  assert_int_equal(json_array_size(json_object_get(whole, "messages")), 3);
  for (size_t i = 0; i < 3; i++) assert_string_equal(text(message(whole, i), "state"), "handled");
  json_decref(whole);
  world_deinit(&market.world);
}

static void an_open_dialogue_says_who_may_say_what_next(void **state)
{
  struct market market;
  begin(&market, false);
  ask(&market, "never");
  json_t *dialogue = latest(&market, market.a);
  assert_string_equal(text(dialogue, "state"), "open");
  const json_t *waits = json_object_get(dialogue, "waits");
  assert_int_equal(json_array_size(json_object_get(waits, "agent")), 0);
  assert_int_equal(json_array_size(json_object_get(waits, "peer")), 2);
  assert_int_equal(number(waits, "until_ms") - number(dialogue, "opened_ms"), 10000);
  json_decref(dialogue);
  world_deinit(&market.world);
}

static void an_end_that_gives_a_reason_tells_it(void **state)
{
  struct market market;
  static const char script[] =
      "agent.protocol { name = 'market', version = '1.0', messages = {\n"
      "  bid = { body = { service = 'string', price = 'integer' }, replies = { 'decline' } },\n"
      "  decline = { body = { why = 'string', code = 'string' } } } }\n"
      "agent.on('market/1.0/bid', function(m)\n"
      "  m:reply('decline', { why = 'too little', code = 'price' })\n"
      "end)\n"
      "agent.on('market/1.0/decline', function() end)\n";
  begin(&market, true);
  world_agent(market.a, "keeper", script, NULL);
  world_run(&market.world);
  static const char to_keeper[] =
      "agent.on('go/1.0/now', function(m)\n"
      "  agent.send('keeper', 'market/1.0/bid', { service = 'data', price = 7 })\n"
      "end)\n"
      "agent.on('market/1.0/decline', function() end)\n";
  world_agent(market.a, "other", to_keeper, NULL);
  world_say(market.a, "other", "go/1.0/now", NULL);
  world_run(&market.world);
  json_t *all = list(market.a, (struct hgl_dialogues_wanted){.protocol = "market/1.0"});
  const json_t *dialogue = json_array_get(json_object_get(all, "dialogues"), 0);
  assert_string_equal(text(dialogue, "state"), "ended");
  assert_string_equal(text(dialogue, "cause"), "declined");
  assert_string_equal(text(dialogue, "why"), "declined by keeper: too little (price)");
  assert_string_equal(text(dialogue, "service"), "data");
  assert_int_equal(number(dialogue, "price"), 7);
  json_decref(all);
  world_deinit(&market.world);
}

/* ---- what does not ---- */

static void a_refusal_says_who_and_why(void **state)
{
  struct market market;
  begin(&market, false);
  ask(&market, "refuse");
  assert_state(&market, market.a, "failed", "refused", "we are closed");
  assert_state(&market, market.b, "failed", "refused", "refused by seller: we are closed");
  world_deinit(&market.world);
}

static void a_handler_that_raises_is_open_while_it_is_tried_again_then_failed(void **state)
{
  struct market market;
  begin(&market, false);
  ask(&market, "raise");
  assert_state(&market, market.b, "open", "raised", "no such luck");
  json_t *whole = shown(&market, market.b, false);
  const json_t *events = json_object_get(whole, "events");
  const json_t *retry = json_array_get(events, json_array_size(events) - 1);
  assert_string_equal(text(retry, "what"), "retry");
  assert_int_equal(number(retry, "attempt"), 2);
  assert_string_equal(text(message(whole, 0), "state"), "raised");
  json_decref(whole);
  world_advance(&market.world, 5000);
  assert_state(&market, market.b, "failed", "dead_letter", "no such luck");
  assert_state(&market, market.a, "failed", "refused", "handler");
  whole = shown(&market, market.b, false);
  assert_string_equal(text(message(whole, 0), "state"), "dead");
  assert_string_equal(text(message(whole, 0), "code"), "handler_failed");
  json_decref(whole);
  world_deinit(&market.world);
}

static void a_raise_that_was_made_good_is_forgotten(void **state)
{
  struct market market;
  begin(&market, false);
  ask(&market, "once");
  world_advance(&market.world, 5000);
  assert_state(&market, market.b, "ended", NULL, NULL);
  world_deinit(&market.world);
}

static void two_definitions_are_a_violation_on_both_sides(void **state)
{
  struct market market;
  begin_with(&market, false, DECLARED, PROTOCOL("what = 'any'"));
  ask(&market, "x");
  assert_state(&market, market.a, "failed", "violation", "different_definition");
  assert_state(&market, market.b, "failed", "violation", "was not let in");
  json_t *whole = shown(&market, market.b, false);
  assert_string_equal(text(message(whole, 0), "state"), "refused");
  assert_string_equal(text(json_object_get(message(whole, 0), "body"), "what"), "x");
  json_decref(whole);
  world_deinit(&market.world);
}

static void what_is_not_delivered_says_its_code(void **state)
{
  struct market market;
  begin(&market, false);
  go(&market, "go/1.0/free", "{\"type\":\"free/1.0/nowhere\"}");
  assert_state(&market, market.a, "failed", "undelivered", "no_handler");
  json_t *whole = shown(&market, market.a, false);
  assert_string_equal(text(message(whole, 0), "state"), "undelivered");
  assert_string_equal(text(message(whole, 0), "code"), "no_handler");
  json_decref(whole);
  world_deinit(&market.world);
}

static void a_local_message_that_finds_nobody_is_refused_once(void **state)
{
  struct market market;
  begin(&market, true);
  go(&market, "go/1.0/free", "{\"type\":\"free/1.0/nowhere\"}");
  assert_state(&market, market.a, "failed", NULL, "no_handler");
  json_t *whole = shown(&market, market.a, false);
  assert_int_equal(json_array_size(json_object_get(whole, "messages")), 1);
  assert_string_equal(text(message(whole, 0), "state"), "refused");
  json_decref(whole);
  world_deinit(&market.world);
}

static void a_question_without_an_answer_times_out(void **state)
{
  struct market market;
  begin(&market, false);
  go(&market, "go/1.0/question", "{\"what\":\"never\"}");
  assert_state(&market, market.a, "open", NULL, NULL);
  world_advance(&market.world, 6000);
  assert_state(&market, market.a, "failed", "timed_out", "did not answer in time");
  go(&market, "go/1.0/question", "{\"what\":\"known\"}");
  assert_state(&market, market.a, "ended", NULL, NULL);
  world_deinit(&market.world);
}

static void a_deadline_that_passes_fails_the_dialogue_also_when_it_is_forgotten(void **state)
{
  struct market market;
  begin(&market, false);
  ask(&market, "never");
  world_advance(&market.world, 11000);
  assert_state(&market, market.a, "failed", "timed_out", "before the deadline");
  world_advance(&market.world, 240000);
  assert_state(&market, market.a, "failed", "timed_out", "deadline");
  world_deinit(&market.world);
}

static void a_handler_that_waits_stands_among_the_events(void **state)
{
  struct market market;
  begin(&market, false);
  ask(&market, "sleep");
  json_t *whole = shown(&market, market.b, false);
  const json_t *events = json_object_get(whole, "events");
  const json_t *last = json_array_get(events, json_array_size(events) - 1);
  assert_string_equal(text(last, "what"), "suspended");
  assert_string_equal(text(json_object_get(last, "waits"), "for"), "sleep");
  assert_string_equal(text(last, "agent"), "seller");
  assert_string_equal(text(json_object_get(whole, "dialogue"), "state"), "open");
  assert_string_equal(text(message(whole, 0), "state"), "waits");
  json_decref(whole);
  world_deinit(&market.world);
}

static void a_full_mailbox_holds_the_dialogue_open(void **state)
{
  struct market market;
  world_init(&market.world, 1);
  market.a = world_node(&market.world);
  market.b = world_node(&market.world);
  snprintf(market.buyer, sizeof market.buyer, buyer_format, DECLARED,
           world_did(market.b, "seller"));
  snprintf(market.seller, sizeof market.seller, seller_format, DECLARED);
  add_buyer(&market);
  world_agent_with(market.b, "seller", market.seller,
                   (struct hgl_agent_config){.limits = {.mailbox_per_sender = 1}});
  world_link(market.a, market.b);
  world_run(&market.world);
  struct hgl_err err;
  assert_ok(hgl_host_pause_agent(market.b->host, "seller", &err));
  world_run(&market.world);
  ask(&market, "x");
  ask(&market, "y");
  assert_state(&market, market.a, "open", "held", "mailbox_full");
  json_t *whole = shown(&market, market.a, false);
  assert_string_equal(text(message(whole, 0), "state"), "held");
  json_decref(whole);
  assert_ok(hgl_host_resume_agent(market.b->host, "seller", &err));
  world_advance(&market.world, 60000);
  assert_state(&market, market.a, "ended", NULL, NULL);
  world_deinit(&market.world);
}

static void what_the_other_host_has_not_acknowledged_is_the_reason(void **state)
{
  struct market market;
  begin(&market, false);
  world_unlink(market.a, market.b);
  ask(&market, "x");
  json_t *whole = shown(&market, market.a, false);
  const json_t *dialogue = json_object_get(whole, "dialogue");
  assert_string_equal(text(dialogue, "state"), "open");
  assert_string_equal(text(dialogue, "cause"), "under_way");
  assert_non_null(strstr(text(dialogue, "why"), "which is not linked"));
  assert_string_equal(text(message(whole, 0), "state"), "said");
  json_decref(whole);
  world_link(market.a, market.b);
  world_run(&market.world);
  assert_state(&market, market.a, "ended", NULL, NULL);
  world_deinit(&market.world);
}

static void a_message_without_a_protocol_is_open_until_it_has_arrived(void **state)
{
  struct market market;
  begin(&market, false);
  go(&market, "go/1.0/free", "{\"type\": \"free/1.0/there\"}");
  assert_state(&market, market.a, "ended", NULL, NULL);
  world_unlink(market.a, market.b);
  go(&market, "go/1.0/free", "{\"type\": \"free/1.0/there\"}");
  assert_state(&market, market.a, "open", "under_way", "which is not linked");
  json_t *whole = shown(&market, market.a, false);
  const json_t *dialogue = json_object_get(whole, "dialogue");
  assert_string_equal(text(dialogue, "state"), "open");
  assert_string_equal(text(dialogue, "cause"), "under_way");
  json_decref(whole);
  world_link(market.a, market.b);
  world_run(&market.world);
  assert_state(&market, market.a, "ended", NULL, NULL);
  assert_state(&market, market.b, "ended", NULL, NULL);
  world_deinit(&market.world);
}

static void what_waits_for_the_recipient_s_host_to_be_known_is_open(void **state)
{
  struct market market;
  char did[HGL_DID_TEXT_SIZE], address[2 * HGL_DID_TEXT_SIZE + 1];
  world_init(&market.world, 1);
  market.a = world_node(&market.world);
  market.b = world_node(&market.world);
  hgl_did_format(&market.b->key, did);
  snprintf(address, sizeof address, "%s@%s", world_did(market.b, "seller"), did);
  snprintf(market.buyer, sizeof market.buyer, buyer_format, DECLARED, address);
  add_buyer(&market);
  world_run(&market.world);
  go(&market, "go/1.0/free", "{\"type\": \"free/1.0/there\"}");
  assert_state(&market, market.a, "open", "under_way", "has not left");
  world_deinit(&market.world);
}

/* ---- what the trace does not know any more ---- */

static void an_open_dialogue_is_listed_and_found_after_a_restart(void **state)
{
  struct market market;
  begin(&market, false);
  ask(&market, "never");
  world_crash(market.a);
  world_restart(market.a);
  add_buyer(&market);
  json_t *dialogue = latest(&market, market.a);
  assert_string_equal(text(dialogue, "state"), "open");
  assert_string_equal(text(dialogue, "protocol"), "deal/1.0");
  assert_string_equal(text(dialogue, "last"), "ask");
  json_decref(dialogue);
  json_t *whole = shown(&market, market.a, false);
  assert_int_equal(json_array_size(json_object_get(whole, "messages")), 0);
  json_decref(whole);
  whole = shown(&market, market.a, true);
  assert_string_equal(text(json_object_get(message(whole, 0), "body"), "what"), "never");
  assert_int_equal(number(json_object_get(whole, "dialogue"), "messages"), 1);
  json_decref(whole);
  world_deinit(&market.world);
}

static void an_ended_one_is_found_in_the_journal(void **state)
{
  struct market market;
  struct hgl_err err;
  char thid[33], agent[96], peer[96];
  begin(&market, false);
  ask(&market, "refuse");
  json_t *dialogue = latest(&market, market.b), *whole = NULL;
  snprintf(thid, sizeof thid, "%s", text(dialogue, "thid"));
  snprintf(peer, sizeof peer, "%s", text(dialogue, "peer"));
  snprintf(agent, sizeof agent, "%s", text(dialogue, "agent_did"));
  json_decref(dialogue);
  world_crash(market.b);
  world_restart(market.b);
  world_agent(market.b, "seller", market.seller, NULL);
  struct hgl_dialogue_wanted wanted = {
      .agent = "seller", .peer = peer, .thid = thid, .evidence = true, .deep = true};
  assert_ok(hgl_host_dialogue(market.b->host, &wanted, &whole, &err));
  assert_int_equal(json_array_size(json_object_get(whole, "messages")), 2);
  assert_string_equal(text(message(whole, 0), "performative"), "ask");
  text(message(whole, 0), "evidence");
  const json_t *shown_dialogue = json_object_get(whole, "dialogue");
  assert_string_equal(text(shown_dialogue, "state"), "failed");
  assert_string_equal(text(shown_dialogue, "why"), "we are closed (refused)");
  json_decref(whole);
  wanted.deep = false;
  assert_fails(HGL_NOT_FOUND, hgl_host_dialogue(market.b->host, &wanted, &whole, &err));
  world_deinit(&market.world);
}

/* What both kept proves the deal for good, and tells its dialogue without trace and journal. */
static void a_deal_s_dialogue_is_told_from_its_evidence(void **state)
{
  struct market market;
  static const char keeper[] =
      "agent.on('d/1.0/bid', function(m)\n"
      "  agent.keep(m)\n"
      "  agent.deal { id = m.thid, status = 'breached', why = 'it never came', price = 9,\n"
      "    service = 'data', role = 'seller', counterparty = m.from, messages = { m.id, 'x' } }\n"
      "  agent.send('sink', 'd/1.0/x', { id = m.thid })\n"
      "end)\n";
  static const char sink[] =
      "agent.on('d/1.0/x', function(m) log.info('thread ' .. m.body.id) end)\n"
      "agent.on('go/1.0/bid', function()\n"
      "  agent.send('keeper', 'd/1.0/bid', { service = 'data' })\n"
      "end)\n";
  begin(&market, true);
  world_agent(market.a, "keeper", keeper, NULL);
  world_agent(market.a, "sink", sink, NULL);
  world_run(&market.world);
  world_say(market.a, "sink", "go/1.0/bid", NULL);
  world_run(&market.world);
  char thid[33] = "";
  const char *at = strstr(market.world.logged, "thread ");
  assert_non_null(at);
  memcpy(thid, at + strlen("thread "), 32);
  world_crash(market.a);
  world_restart(market.a);
  world_agent(market.a, "operator", "", NULL);
  world_agent(market.a, "keeper", keeper, NULL);
  world_agent(market.a, "sink", sink, NULL);
  struct hgl_err err;
  json_t *whole = NULL;
  const struct hgl_dialogue_wanted wanted = {
      .agent = "keeper", .peer = "sink", .thid = thid, .evidence = true};
  assert_ok(hgl_host_dialogue(market.a->host, &wanted, &whole, &err));
  const json_t *dialogue = json_object_get(whole, "dialogue");
  assert_string_equal(text(dialogue, "state"), "failed");
  assert_string_equal(text(dialogue, "cause"), "breached");
  assert_string_equal(text(dialogue, "why"), "the deal was breached: it never came");
  assert_string_equal(text(dialogue, "deal"), thid);
  assert_int_equal(number(dialogue, "price"), 9);
  assert_int_equal(json_array_size(json_object_get(whole, "messages")), 1);
  assert_string_equal(text(json_object_get(message(whole, 0), "body"), "service"), "data");
  assert_non_null(json_object_get(message(whole, 0), "evidence"));
  json_decref(whole);
  world_deinit(&market.world);
}

static void bodies_that_were_trimmed_say_so(void **state)
{
  struct market market;
  begin(&market, false);
  market.world.journal_bytes = 6000;
  world_crash(market.a);
  world_restart(market.a);
  add_buyer(&market);
  world_link(market.a, market.b);
  world_run(&market.world);
  ask(&market, "never");
  json_t *dialogue = latest(&market, market.a), *whole = NULL;
  for (int i = 0; i < 20; i++) ask(&market, "x");
  struct hgl_err err;
  const struct hgl_dialogue_wanted wanted = {.agent = "buyer", .thid = text(dialogue, "thid")};
  assert_ok(hgl_host_dialogue(market.a->host, &wanted, &whole, &err));
  assert_true(json_is_null(json_object_get(message(whole, 0), "body")));
  assert_non_null(strstr(text(message(whole, 0), "missing"), "trimmed"));
  json_decref(whole);
  json_decref(dialogue);
  world_deinit(&market.world);
}

static void what_failed_outlasts_what_went_well(void **state)
{
  struct market market;
  world_init(&market.world, 1);
  market.world.trace_events = 64;
  market.a = market.b = world_node(&market.world);
  snprintf(market.buyer, sizeof market.buyer, buyer_format, DECLARED,
           world_did(market.b, "seller"));
  snprintf(market.seller, sizeof market.seller, seller_format, DECLARED);
  add_buyer(&market);
  world_agent(market.b, "seller", market.seller, NULL);
  world_run(&market.world);
  ask(&market, "raise");
  world_advance(&market.world, 5000);
  ask(&market, "refuse");
  for (int i = 0; i < 20; i++) ask(&market, "x");
  json_t *all = list(market.a, (struct hgl_dialogues_wanted){.state = "failed"});
  const json_t *dialogues = json_object_get(all, "dialogues");
  assert_int_equal(json_array_size(dialogues), 2);
  assert_string_equal(text(json_array_get(dialogues, 0), "cause"), "refused");
  assert_string_equal(text(json_array_get(dialogues, 1), "cause"), "dead_letter");
  struct hgl_err err;
  json_t *whole = NULL;
  const struct hgl_dialogue_wanted wanted = {
      .agent = "seller", .thid = text(json_array_get(dialogues, 1), "thid"), .deep = true};
  assert_ok(hgl_host_dialogue(market.a->host, &wanted, &whole, &err));
  assert_int_equal(json_array_size(json_object_get(whole, "messages")), 2);
  assert_string_equal(text(json_object_get(message(whole, 0), "body"), "what"), "raise");
  assert_true(json_array_size(json_object_get(whole, "events")) >= 1);
  json_decref(whole);
  json_decref(all);
  world_deinit(&market.world);
}

/* ---- bounds, filters, hostile content ---- */

static void a_long_dialogue_is_told_from_its_latest(void **state)
{
  struct market market;
  static const char pair[] = "agent.on('p/1.0/go', function(m)\n"
                             "  for i = 1, 600 do agent.reply(m, 'again', { n = i }) end\n"
                             "end)\n";
  static const char opener[] = "agent.on('go/1.0/now', function(m)\n"
                               "  agent.send('many', 'p/1.0/go', {})\n"
                               "end)\n"
                               "agent.on('p/1.0/again', function() end)\n";
  begin(&market, true);
  world_agent_with(market.a, "many", pair, (struct hgl_agent_config){.limits = {.messages = 2000}});
  world_agent_with(market.a, "opener", opener,
                   (struct hgl_agent_config){.limits = {.mailbox_per_sender = 1000}});
  world_run(&market.world);
  world_say(market.a, "opener", "go/1.0/now", NULL);
  world_run(&market.world);
  struct hgl_err err;
  json_t *all = list(market.a, (struct hgl_dialogues_wanted){.protocol = "p"}), *whole = NULL;
  const json_t *dialogue = json_array_get(json_object_get(all, "dialogues"), 0);
  assert_int_equal(number(dialogue, "messages"), 601);
  const struct hgl_dialogue_wanted wanted = {.agent = "opener", .thid = text(dialogue, "thid")};
  assert_ok(hgl_host_dialogue(market.a->host, &wanted, &whole, &err));
  assert_int_equal(json_array_size(json_object_get(whole, "messages")), 500);
  assert_int_equal(number(whole, "more"), 101);
  assert_int_equal(number(json_object_get(message(whole, 499), "body"), "n"), 600);
  json_decref(whole);
  json_decref(all);
  world_deinit(&market.world);
}

static void filters_choose_and_bad_ones_are_refused(void **state)
{
  struct market market;
  struct hgl_err err;
  json_t *out = NULL;
  begin(&market, false);
  ask(&market, "refuse");
  ask(&market, "x");
  ask(&market, "never");
  const struct {
    struct hgl_dialogues_wanted wanted;
    size_t count;
  } cases[] = {
      {{.protocol = "deal"}, 3},
      {{.protocol = "dea"}, 0},
      {{.protocol = "deal/1.0", .state = "open"}, 1},
      {{.state = "failed"}, 1},
      {{.text = "WE ARE CLOSED"}, 1},
      {{.agent = "buyer", .protocol = "deal", .limit = 2}, 2},
      {{.agent = "operator", .protocol = "deal"}, 0},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    json_t *all = list(market.a, cases[i].wanted);
    if (json_array_size(json_object_get(all, "dialogues")) != cases[i].count)
      fail_msg("case %zu: %zu", i, json_array_size(json_object_get(all, "dialogues")));
    json_decref(all);
  }
  struct hgl_dialogues_wanted bad = {.state = "happy", .limit = 1};
  assert_fails(HGL_INVALID, hgl_host_dialogues(market.a->host, &bad, &out, &err));
  bad = (struct hgl_dialogues_wanted){.agent = "nobody", .limit = 1};
  assert_fails(HGL_NOT_FOUND, hgl_host_dialogues(market.a->host, &bad, &out, &err));
  struct hgl_dialogue_wanted one = {.agent = "buyer", .thid = "no id"};
  assert_fails(HGL_INVALID, hgl_host_dialogue(market.a->host, &one, &out, &err));
  one.thid = "0123456789abcdef0123456789abcdef";
  assert_fails(HGL_NOT_FOUND, hgl_host_dialogue(market.a->host, &one, &out, &err));
  world_deinit(&market.world);
}

static void hostile_words_pass_as_data(void **state)
{
  struct market market;
  static const char hostile[] =
      "agent.on('x/1.0/y', function(m)\n"
      "  m:refuse('<img src=x onerror=alert(1)> \\226\\128\\174 \\0 end')\n"
      "end)\n";
  begin(&market, true);
  world_agent(market.a, "hostile", hostile, NULL);
  static const char opener[] = "agent.on('go/1.0/now', function(m)\n"
                               "  agent.send('hostile', 'x/1.0/y', { t = '</script>' })\n"
                               "end)\n";
  world_agent(market.a, "opener", opener, NULL);
  world_run(&market.world);
  world_say(market.a, "opener", "go/1.0/now", NULL);
  world_run(&market.world);
  json_t *all = list(market.a, (struct hgl_dialogues_wanted){.protocol = "x"});
  const json_t *dialogue = json_array_get(json_object_get(all, "dialogues"), 0);
  assert_non_null(strstr(text(dialogue, "why"), "refused by hostile: <img src=x"));
  json_decref(all);
  world_deinit(&market.world);
}

static void a_host_without_a_trace_still_lists_what_is_open(void **state)
{
  struct market market;
  begin(&market, false);
  market.world.trace_events = -1;
  ask(&market, "never");
  world_crash(market.a);
  world_restart(market.a);
  add_buyer(&market);
  json_t *all = list(market.a, (struct hgl_dialogues_wanted){.limit = 10});
  assert_int_equal(json_array_size(json_object_get(all, "dialogues")), 1);
  json_decref(all);
  world_deinit(&market.world);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_dialogue_that_ended_is_told_with_its_bodies),
      cmocka_unit_test(two_agents_of_a_host_have_one_dialogue),
      cmocka_unit_test(an_open_dialogue_says_who_may_say_what_next),
      cmocka_unit_test(an_end_that_gives_a_reason_tells_it),
      cmocka_unit_test(a_refusal_says_who_and_why),
      cmocka_unit_test(a_handler_that_raises_is_open_while_it_is_tried_again_then_failed),
      cmocka_unit_test(a_raise_that_was_made_good_is_forgotten),
      cmocka_unit_test(two_definitions_are_a_violation_on_both_sides),
      cmocka_unit_test(what_is_not_delivered_says_its_code),
      cmocka_unit_test(a_local_message_that_finds_nobody_is_refused_once),
      cmocka_unit_test(a_question_without_an_answer_times_out),
      cmocka_unit_test(a_deadline_that_passes_fails_the_dialogue_also_when_it_is_forgotten),
      cmocka_unit_test(a_handler_that_waits_stands_among_the_events),
      cmocka_unit_test(a_full_mailbox_holds_the_dialogue_open),
      cmocka_unit_test(what_the_other_host_has_not_acknowledged_is_the_reason),
      cmocka_unit_test(a_message_without_a_protocol_is_open_until_it_has_arrived),
      cmocka_unit_test(what_waits_for_the_recipient_s_host_to_be_known_is_open),
      cmocka_unit_test(an_open_dialogue_is_listed_and_found_after_a_restart),
      cmocka_unit_test(an_ended_one_is_found_in_the_journal),
      cmocka_unit_test(a_deal_s_dialogue_is_told_from_its_evidence),
      cmocka_unit_test(bodies_that_were_trimmed_say_so),
      cmocka_unit_test(what_failed_outlasts_what_went_well),
      cmocka_unit_test(a_long_dialogue_is_told_from_its_latest),
      cmocka_unit_test(filters_choose_and_bad_ones_are_refused),
      cmocka_unit_test(hostile_words_pass_as_data),
      cmocka_unit_test(a_host_without_a_trace_still_lists_what_is_open),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
