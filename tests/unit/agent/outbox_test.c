#include <stdio.h>
#include <stdlib.h>

#include "protocol/did.h"
#include "protocol/frame.h"
#include "support/world.h"

/* ---- a source that sends numbered items and a sink that counts them ---- */

static const char sink[] =
    "agent.on('work/1.0/item', function(message)\n"
    "  state.count = (state.count or 0) + 1\n"
    "  if message.body.n ~= state.count then state.wrong = (state.wrong or 0) + 1 end\n"
    "  message:reply('done', { n = message.body.n })\n"
    "end)\n"
    "agent.on('report/1.0/ask', function(message)\n"
    "  message:reply('told', { count = state.count or 0, wrong = state.wrong or 0 })\n"
    "end)\n";

static const char source_format[] =
    "agent.on('go/1.0/now', function(message)\n"
    "  for i = 1, message.body.count do\n"
    "    state.sent = (state.sent or 0) + 1\n"
    "    agent.send('%s', 'work/1.0/item', { n = state.sent }, { expires = '%s' })\n"
    "  end\n"
    "end)\n"
    "agent.on('work/1.0/done', function(message)\n"
    "  state.done = (state.done or 0) + 1\n"
    "  if message.body.n ~= state.done then state.wrong = (state.wrong or 0) + 1 end\n"
    "end)\n"
    "agent.on_undelivered(function(message, why, code)\n"
    "  state.lost = (state.lost or 0) + 1\n"
    "  log.info('undelivered ' .. code)\n"
    "end)\n"
    "agent.on('report/1.0/ask', function(message)\n"
    "  message:reply('told', { sent = state.sent or 0, done = state.done or 0,\n"
    "    wrong = state.wrong or 0, lost = state.lost or 0 })\n"
    "end)\n";

struct pair {
  struct world world;
  struct node *a, *b;
  char source[2048];
};

static void add_source(struct pair *pair)
{
  world_agent(pair->a, "operator", "", NULL);
  world_agent(pair->a, "source", pair->source, NULL);
}

static void add_sink(struct pair *pair)
{
  world_agent(pair->b, "operator", "", NULL);
  world_agent(pair->b, "sink", sink, NULL);
}

/* The peers know each other's agents from the adverts that the first link carries. */
static void pair_init(struct pair *pair, uint64_t seed, const char *expires)
{
  world_init(&pair->world, seed);
  pair->a = world_node(&pair->world);
  pair->b = world_node(&pair->world);
  snprintf(pair->source, sizeof pair->source, source_format, world_did(pair->b, "sink"), expires);
  add_source(pair);
  add_sink(pair);
  world_link(pair->a, pair->b);
  world_run(&pair->world);
}

static void pair_deinit(struct pair *pair)
{
  assert_false(pair->a->failed);
  assert_false(pair->b->failed);
  world_deinit(&pair->world);
}

static void relink(struct pair *pair)
{
  world_unlink(pair->a, pair->b);
  world_link(pair->a, pair->b);
  world_run(&pair->world);
}

static void go(struct pair *pair, int count)
{
  char body[32];
  snprintf(body, sizeof body, "{\"count\":%d}", count);
  world_say(pair->a, "source", "go/1.0/now", body);
}

static void assert_all_arrived(struct pair *pair, int64_t sent)
{
  assert_int_equal(world_number(pair->b, "sink", "report/1.0/ask", "count"), sent);
  assert_int_equal(world_number(pair->b, "sink", "report/1.0/ask", "wrong"), 0);
  assert_int_equal(world_number(pair->a, "source", "report/1.0/ask", "done"), sent);
  assert_int_equal(world_number(pair->a, "source", "report/1.0/ask", "wrong"), 0);
}

/* ---- nothing leaves before its commit ---- */

static void no_batch_and_no_acknowledgement_leave_before_the_commit(void **state)
{
  struct pair pair;
  pair_init(&pair, 1, "1h");
  hgl_store_hold(pair.a->store, true);
  go(&pair, 1);
  size_t before = pair.world.frames;
  for (int i = 0; i < 5; i++) hgl_host_tick(pair.a->host);
  assert_null(pair.world.first);
  hgl_store_hold(pair.a->store, false);
  hgl_store_hold(pair.b->store, true);
  for (int i = 0; i < 3; i++) hgl_host_tick(pair.a->host);
  assert_non_null(pair.world.first); /* the batch */
  struct link_frame *batch = pair.world.first;
  assert_null(batch->next);
  pair.world.first = pair.world.last = NULL;
  world_inject(pair.a, pair.b, hgl_bytes(batch->data, batch->size));
  free(batch);
  for (int i = 0; i < 5; i++) hgl_host_tick(pair.b->host);
  assert_null(pair.world.first);
  assert_int_equal(pair.world.frames, before);
  hgl_store_hold(pair.b->store, false);
  world_run(&pair.world);
  assert_all_arrived(&pair, 1);
  pair_deinit(&pair);
}

/* ---- exactly once ---- */

static void crash_a(struct pair *pair)
{
  world_crash(pair->a);
  world_restart(pair->a);
  add_source(pair);
}

static void crash_b(struct pair *pair)
{
  world_crash(pair->b);
  world_restart(pair->b);
  add_sink(pair);
}

struct dropping {
  int left; /* frames that pass; from then on the link is dead, until there is a new one */
};

static bool drop_one(void *user, struct link_frame *frame)
{
  struct dropping *dropping = user;
  return dropping->left-- > 0;
}

static void a_lost_frame_costs_nothing_whichever_it_is(void **state)
{
  for (int at = 0; at < 12; at++) {
    struct pair pair;
    struct dropping dropping = {at};
    pair_init(&pair, 2, "1h");
    pair.world.on_frame = drop_one;
    pair.world.on_frame_user = &dropping;
    go(&pair, 3);
    world_run(&pair.world);
    go(&pair, 2);
    for (int i = 0; i < 10 && dropping.left >= 0; i++) world_advance(&pair.world, 5000);
    pair.world.on_frame = NULL;
    relink(&pair);
    assert_all_arrived(&pair, 5);
    pair_deinit(&pair);
  }
}

static void a_crash_of_either_side_at_any_step_costs_nothing(void **state)
{
  for (int at = 0; at < 24; at++) {
    struct pair pair;
    pair_init(&pair, 3, "1h");
    go(&pair, 3);
    for (int i = 0; i < at / 2; i++) {
      hgl_host_tick(i % 2 ? pair.b->host : pair.a->host);
      struct link_frame *frame = pair.world.first;
      if (!frame) continue;
      pair.world.first = frame->next;
      if (!pair.world.first) pair.world.last = NULL;
      world_inject(&pair.world.nodes[frame->from], &pair.world.nodes[frame->to],
                   hgl_bytes(frame->data, frame->size));
      free(frame);
    }
    if (at % 2)
      crash_b(&pair);
    else
      crash_a(&pair);
    world_link(pair.a, pair.b);
    world_run(&pair.world);
    int64_t sent = world_number(pair.a, "source", "report/1.0/ask", "sent");
    assert_true(sent == 3 || (sent == 0 && at <= 2));
    assert_all_arrived(&pair, sent);
    pair_deinit(&pair);
  }
}

static void a_commit_in_flight_at_the_crash_counts_or_never_happened(void **state)
{
  for (int lost = 0; lost < 2; lost++) {
    struct pair pair;
    pair_init(&pair, 4, "1h");
    struct hgl_store *before = lost ? world_copy(pair.a) : NULL;
    hgl_store_hold(pair.a->store, true);
    go(&pair, 3);
    hgl_host_tick(pair.a->host);
    if (lost)
      world_crash_to(pair.a, before);
    else
      world_crash(pair.a);
    world_restart(pair.a);
    add_source(&pair);
    world_link(pair.a, pair.b);
    world_run(&pair.world);
    assert_all_arrived(&pair, lost ? 0 : 3);
    pair_deinit(&pair);
  }
}

static uint32_t dice(uint64_t *seed)
{
  *seed = *seed * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(*seed >> 33);
}

struct loss {
  uint64_t seed, dead_epoch;
};

/* A link that loses a frame carries no more: frames do not vanish from its middle. */
static bool lose_some(void *user, struct link_frame *frame)
{
  struct loss *loss = user;
  if (frame->epoch > loss->dead_epoch && dice(&loss->seed) % 40 == 0)
    loss->dead_epoch = frame->epoch;
  return frame->epoch > loss->dead_epoch;
}

static void chaos(uint64_t seed)
{
  struct pair pair;
  uint64_t state = seed;
  struct loss loss = {seed + 1, 0};
  pair_init(&pair, seed, "10h");
  pair.world.on_frame = lose_some;
  pair.world.on_frame_user = &loss;
  for (int i = 0; i < 150; i++) {
    switch (dice(&state) % 8) {
    case 0:
      crash_a(&pair);
      break;
    case 1:
      crash_b(&pair);
      break;
    case 2:
      world_unlink(pair.a, pair.b);
      break;
    case 3:
      world_unlink(pair.a, pair.b);
      world_link(pair.a, pair.b);
      break;
    case 4:
      hgl_store_hold(pair.b->store, true);
      for (int k = 0; k < 3; k++) hgl_host_tick(pair.b->host);
      if (dice(&state) % 2) crash_b(&pair);
      hgl_store_hold(pair.b->store, false);
      break;
    default:
      go(&pair, (int)(dice(&state) % 7));
    }
    if (dice(&state) % 3) world_advance(&pair.world, dice(&state) % 400);
  }
  pair.world.on_frame = NULL;
  relink(&pair);
  world_advance(&pair.world, 1000);
  int64_t sent = world_number(pair.a, "source", "report/1.0/ask", "sent");
  int64_t count = world_number(pair.b, "sink", "report/1.0/ask", "count");
  int64_t wrong = world_number(pair.b, "sink", "report/1.0/ask", "wrong");
  if (sent != count || wrong)
    fail_msg("seed %llu: %lld sent, %lld counted, %lld out of order", (unsigned long long)seed,
             (long long)sent, (long long)count, (long long)wrong);
  assert_all_arrived(&pair, sent);
  pair_deinit(&pair);
}

static void everything_happens_once_and_in_order_through_chaos(void **state)
{
  const char *given = getenv("CHAOS_SEED");
  if (given) {
    chaos(strtoull(given, NULL, 10));
    return;
  }
  for (uint64_t seed = 1; seed <= 6; seed++) chaos(seed);
}

/* ---- expiry ---- */

static void what_expired_on_the_way_is_unconfirmed_and_not_handled_later(void **state)
{
  struct pair pair;
  pair_init(&pair, 5, "2s");
  world_unlink(pair.a, pair.b);
  go(&pair, 2);
  world_advance(&pair.world, 5000);
  assert_int_equal(world_number(pair.a, "source", "report/1.0/ask", "lost"), 2);
  assert_int_equal(world_count_logged(&pair.world, "undelivered unconfirmed"), 2);
  crash_a(&pair);
  world_link(pair.a, pair.b);
  world_run(&pair.world);
  world_advance(&pair.world, 2000);
  assert_int_equal(world_number(pair.b, "sink", "report/1.0/ask", "count"), 0);
  /* The numbers are consumed: what follows arrives. Told once, not again after the restart. */
  struct hgl_host_counts counts = hgl_host_counts(pair.b->host);
  go(&pair, 1);
  world_run(&pair.world);
  assert_int_equal(hgl_host_counts(pair.b->host).received, counts.received + 1);
  assert_true(world_count_logged(&pair.world, "undelivered expired") == 0);
  pair_deinit(&pair);
}

static void messages_wait_for_a_host_that_restarts_and_a_link_is_wanted(void **state)
{
  struct pair pair;
  pair_init(&pair, 6, "10h");
  world_unlink(pair.a, pair.b);
  go(&pair, 4);
  world_run(&pair.world);
  pair.a->wants = 0;
  crash_a(&pair);
  assert_int_equal(pair.a->wants, 1);
  assert_memory_equal(&pair.a->last_wanted, &pair.b->key, sizeof pair.b->key);
  world_link(pair.a, pair.b);
  world_run(&pair.world);
  assert_all_arrived(&pair, 4);
  assert_int_equal(pair.a->wants, 0); /* nothing is left to say */
  pair_deinit(&pair);
}

static void a_link_that_was_down_for_a_day_goes_on(void **state)
{
  struct pair pair;
  pair_init(&pair, 7, "100h");
  go(&pair, 1);
  world_run(&pair.world);
  world_unlink(pair.a, pair.b);
  go(&pair, 3);
  world_run(&pair.world);
  hgl_clock_advance(&pair.world.time, 24 * 3600 * 1000);
  world_link(pair.a, pair.b);
  world_run(&pair.world);
  assert_all_arrived(&pair, 4);
  pair_deinit(&pair);
}

/* ---- restored stores ---- */

static void a_restored_host_begins_a_new_incarnation_and_loses_nothing_it_knows(void **state)
{
  struct pair pair;
  pair_init(&pair, 8, "10h");
  go(&pair, 2);
  world_run(&pair.world);
  world_unlink(pair.a, pair.b);
  go(&pair, 1); /* in the backup, not delivered yet */
  world_run(&pair.world);
  struct hgl_store *backup = world_copy(pair.a);
  world_link(pair.a, pair.b);
  world_run(&pair.world);
  go(&pair, 2); /* not in the backup */
  world_run(&pair.world);
  assert_all_arrived(&pair, 5);
  hgl_clock_advance(&pair.world.time, 1000);
  world_crash_to(pair.a, backup);
  world_restart(pair.a);
  add_source(&pair);
  world_link(pair.a, pair.b);
  world_run(&pair.world);
  assert_true(world_logged(&pair.world, "a new incarnation begins"));
  assert_true(world_logged(&pair.world, "begins a new incarnation: it was restored or copied"));
  assert_int_equal(world_number(pair.a, "source", "report/1.0/ask", "sent"), 3);
  go(&pair, 1);
  world_run(&pair.world);
  /* Exactly once does not span a restore: the third comes again; nothing is lost. */
  assert_int_equal(world_number(pair.b, "sink", "report/1.0/ask", "count"), 7);
  pair_deinit(&pair);
}

static void an_old_copy_that_meets_a_newer_incarnation_stops_and_says_why(void **state)
{
  struct pair pair;
  pair_init(&pair, 9, "10h");
  go(&pair, 1);
  world_run(&pair.world);
  struct hgl_store *copy = world_copy(pair.a);
  go(&pair, 1);
  world_run(&pair.world);
  struct hgl_store *original = world_copy(pair.a);
  hgl_clock_advance(&pair.world.time, 1000);
  world_crash_to(pair.a, copy);
  world_restart(pair.a);
  add_source(&pair);
  world_link(pair.a, pair.b);
  world_run(&pair.world);
  go(&pair, 1); /* the copy's own incarnation is known to b now */
  world_run(&pair.world);
  assert_false(pair.a->failed);
  hgl_clock_advance(&pair.world.time, 1000);
  world_crash_to(pair.a, original);
  world_restart(pair.a);
  add_source(&pair);
  world_link(pair.a, pair.b);
  world_run(&pair.world);
  assert_true(pair.a->failed);
  assert_int_equal(pair.a->failure.code, HGL_OLD_INCARNATION);
  world_deinit(&pair.world);
}

/* ---- back-pressure ---- */

static void a_full_mailbox_holds_one_pair_back_in_order_while_others_pass(void **state)
{
  for (int restart = 0; restart < 3; restart++) {
    struct world world;
    char script[2048];
    world_init(&world, 10);
    struct node *a = world_node(&world), *b = world_node(&world);
    /* The recipient takes three at a time: they wait for the tick that b does not make. */
    snprintf(script, sizeof script, source_format, world_did(b, "sink"), "10h");
    world_agent(a, "operator", "", NULL);
    world_agent(a, "source", script, NULL);
    world_agent_with(b, "sink", sink,
                     (struct hgl_agent_config){.limits = {.runs_max = 4, .mailbox_count = 3}});
    world_agent(b, "operator", "", NULL);
    world_agent(b, "other", sink, NULL);
    world_link(a, b);
    world_run(&world);
    for (int i = 0; i < 3; i++) {
      world_say(a, "source", "go/1.0/now", "{\"count\":10}");
      world_run(&world);
      world_say(a, world_did(b, "other"), "work/1.0/item", "{\"n\":1}");
      world_run(&world);
      assert_int_equal(world_number(b, "other", "report/1.0/ask", "count"), i + 1);
      world_advance(&world, 60);
      if (restart == 1 && i == 1) {
        world_crash(a);
        world_restart(a);
        world_agent(a, "operator", "", NULL);
        world_agent(a, "source", script, NULL);
        world_link(a, b);
      }
      if (restart == 2 && i == 1) {
        world_crash(b);
        world_restart(b);
        world_agent_with(b, "sink", sink,
                         (struct hgl_agent_config){.limits = {.runs_max = 4, .mailbox_count = 3}});
        world_agent(b, "operator", "", NULL);
        world_agent(b, "other", sink, NULL);
        world_link(a, b);
      }
    }
    assert_true(hgl_host_counts(b->host).refused > 0 || restart == 2);
    world_advance(&world, 200000);
    assert_int_equal(world_number(b, "sink", "report/1.0/ask", "count"), 30);
    assert_int_equal(world_number(b, "sink", "report/1.0/ask", "wrong"), 0);
    assert_false(a->failed || b->failed);
    world_deinit(&world);
  }
}

/* More than the window of a link, all of it refused: each refusal needs its settlement. */
static void tens_of_thousands_of_refused_messages_all_come_back(void **state)
{
  struct world world;
  char script[2048];
  world_init(&world, 11);
  struct node *a = world_node(&world), *b = world_node(&world);
  snprintf(script, sizeof script,
           "local filling = string.rep('x', 500)\n"
           "agent.on('go/1.0/now', function(message)\n"
           "  for i = 1, 1000 do agent.send('%s', 'work/1.0/nothing', { filling }) end\n"
           "end)\n"
           "agent.on_undelivered(function(message, why, code)\n"
           "  if code == 'no_handler' then state.back = (state.back or 0) + 1 end\n"
           "end)\n"
           "agent.on('report/1.0/ask', function(message)\n"
           "  message:reply('told', { back = state.back or 0 })\n"
           "end)\n",
           world_did(b, "sink"));
  world_agent(a, "operator", "", NULL);
  world_agent_with(
      a, "source", script,
      (struct hgl_agent_config){.limits = {.messages = 1000000, .outbox_bytes = 64 << 20}});
  world_agent(b, "sink", sink, NULL);
  world_link(a, b);
  world_run(&world);
  world_unlink(a, b);
  for (int i = 0; i < 60; i++) {
    world_say(a, "source", "go/1.0/now", NULL);
    world_run(&world);
  }
  world_link(a, b);
  world_run(&world);
  assert_int_equal(world_number(a, "source", "report/1.0/ask", "back"), 60000);
  assert_int_equal(hgl_host_counts(b->host).refused, 60000);
  assert_false(a->failed || b->failed);
  world_deinit(&world);
}

/* Far more than a mailbox holds, and more than the window of a link. */
static void a_full_mailbox_under_load_loses_nothing_and_keeps_the_order(void **state)
{
  struct world world;
  char script[2048];
  world_init(&world, 12);
  struct node *a = world_node(&world), *b = world_node(&world);
  snprintf(script, sizeof script,
           "local filling = string.rep('x', 1000)\n"
           "agent.on('go/1.0/now', function(message)\n"
           "  for i = 1, 1000 do\n"
           "    state.sent = (state.sent or 0) + 1\n"
           "    agent.send('%s', 'work/1.0/item', { n = state.sent, filling = filling })\n"
           "  end\n"
           "end)\n",
           world_did(b, "sink"));
  world_agent(a, "operator", "", NULL);
  world_agent(a, "source", script, NULL);
  world_agent(b, "operator", "", NULL);
  world_agent_with(b, "sink", sink, (struct hgl_agent_config){.limits = {.mailbox_count = 3000}});
  world_link(a, b);
  world_run(&world);
  world_unlink(a, b);
  for (int i = 0; i < 15; i++) {
    world_say(a, "source", "go/1.0/now", NULL);
    world_run(&world);
  }
  world_link(a, b);
  for (int i = 0; i < 60; i++) world_advance(&world, 2000);
  assert_true(hgl_host_counts(b->host).refused > HGL_FRAME_EXCEPTIONS_MAX);
  assert_int_equal(world_number(b, "sink", "report/1.0/ask", "count"), 15000);
  assert_int_equal(world_number(b, "sink", "report/1.0/ask", "wrong"), 0);
  assert_false(a->failed || b->failed);
  world_deinit(&world);
}

/* More pairs than are closed each for itself, and more messages than one tick takes in, so that
 * there is room again for what follows a message that found none. */
enum { CROWD = 36, CROWD_MESSAGES = 5 };

static void more_full_pairs_than_are_remembered_keep_their_order(void **state)
{
  static char script[CROWD * 100 + 500];
  struct world world;
  char name[32], did[HGL_DID_TEXT_SIZE];
  world_init(&world, 13);
  struct node *a = world_node(&world), *b = world_node(&world);
  size_t size = (size_t)snprintf(script, sizeof script, "local sinks = {");
  for (int i = 0; i < CROWD; i++) {
    snprintf(name, sizeof name, "sink%d", i);
    snprintf(did, sizeof did, "%s", world_did(b, name));
    size += (size_t)snprintf(script + size, sizeof script - size, "'%s',", did);
    world_agent_with(b, name,
                     "agent.on('work/1.0/item', function(message)\n"
                     "  state.count = (state.count or 0) + 1\n"
                     "  if message.body.n ~= (state[message.from] or 0) + 1 then\n"
                     "    log.error('overtaken')\n"
                     "  end\n"
                     "  state[message.from] = message.body.n\n"
                     "end)\n"
                     "agent.on('report/1.0/ask', function(message)\n"
                     "  message:reply('told', { count = state.count or 0 })\n"
                     "end)\n",
                     (struct hgl_agent_config){.limits = {.mailbox_count = 6}});
  }
  snprintf(script + size, sizeof script - size,
           "}\n"
           "agent.on('go/1.0/now', function()\n"
           "  state.n = (state.n or 0) + 1\n"
           "  for _, sink in ipairs(sinks) do\n"
           "    agent.send(sink, 'work/1.0/item', { n = state.n })\n"
           "  end\n"
           "end)\n");
  world_agent(a, "operator", "", NULL);
  world_agent(b, "operator", "", NULL);
  for (int i = 0; i < CROWD; i++) {
    snprintf(name, sizeof name, "source%d", i);
    world_agent(a, name, script, NULL);
  }
  world_link(a, b);
  world_advance(&world, 1000);
  world_unlink(a, b);
  for (int i = 0; i < CROWD * CROWD_MESSAGES; i++) {
    snprintf(name, sizeof name, "source%d", i % CROWD);
    world_say(a, name, "go/1.0/now", NULL);
    if (i % CROWD == CROWD - 1) world_run(&world);
  }
  world_link(a, b);
  for (int i = 0; i < 150; i++) world_advance(&world, 2000);
  for (int i = 0; i < CROWD; i++) {
    snprintf(name, sizeof name, "sink%d", i);
    assert_int_equal(world_number(b, name, "report/1.0/ask", "count"), CROWD * CROWD_MESSAGES);
  }
  assert_false(world_logged(&world, "overtaken"));
  assert_false(a->failed || b->failed);
  world_deinit(&world);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(no_batch_and_no_acknowledgement_leave_before_the_commit),
      cmocka_unit_test(a_lost_frame_costs_nothing_whichever_it_is),
      cmocka_unit_test(a_crash_of_either_side_at_any_step_costs_nothing),
      cmocka_unit_test(a_commit_in_flight_at_the_crash_counts_or_never_happened),
      cmocka_unit_test(everything_happens_once_and_in_order_through_chaos),
      cmocka_unit_test(what_expired_on_the_way_is_unconfirmed_and_not_handled_later),
      cmocka_unit_test(messages_wait_for_a_host_that_restarts_and_a_link_is_wanted),
      cmocka_unit_test(a_link_that_was_down_for_a_day_goes_on),
      cmocka_unit_test(a_restored_host_begins_a_new_incarnation_and_loses_nothing_it_knows),
      cmocka_unit_test(an_old_copy_that_meets_a_newer_incarnation_stops_and_says_why),
      cmocka_unit_test(a_full_mailbox_holds_one_pair_back_in_order_while_others_pass),
      cmocka_unit_test(tens_of_thousands_of_refused_messages_all_come_back),
      cmocka_unit_test(a_full_mailbox_under_load_loses_nothing_and_keeps_the_order),
      cmocka_unit_test(more_full_pairs_than_are_remembered_keep_their_order),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
