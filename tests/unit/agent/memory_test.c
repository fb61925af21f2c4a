/* Want of memory in a busy exchange between two hosts: one request is refused, wherever memory is
 * asked for. A host goes on or gives up; in the second case it is made anew from its store, at once
 * or after the other has gone on alone. In the end everything has happened exactly once. */
#include <stdio.h>
#include <stdlib.h>

#include "support/sweep.h"
#include "support/world.h"

enum { SENDS = 6 };

/* Each message moves 7 from one balance to the other; a timer moves 3 back. What raises for want of
 * memory is tried again and finds memory then. */
static const char trader_format[] =
    "agent.on_start(function(reason)\n"
    "  if reason == 'created' then\n"
    "    state.balance, state.got, state.seen, state.wrong = 1000, 0, {}, 0\n"
    "    state.sent, state.rung, state.lost = 0, 0, 0\n"
    "  end\n"
    "end)\n"
    "agent.on('trade/1.0/go', function(message)\n"
    "  state.balance, state.sent = state.balance - 7, state.sent + 1\n"
    "  agent.send('%s', 'trade/1.0/move', { n = state.sent, amount = 7 })\n"
    "end)\n"
    "agent.on('trade/1.0/move', function(message)\n"
    "  local key = 'n' .. message.body.n\n"
    "  if state.seen[key] then state.wrong = state.wrong + 1 end\n"
    "  state.seen[key] = true\n"
    "  state.balance, state.got = state.balance + message.body.amount, state.got + 1\n"
    "  agent.after('back', '40ms', message.body.n, { key = tostring(message.body.n) })\n"
    "end)\n"
    "agent.on_timer('back', function(n)\n"
    "  state.balance, state.rung = state.balance - 3, state.rung + 1\n"
    "  agent.send('%s', 'trade/1.0/back', { amount = 3 })\n"
    "end)\n"
    "agent.on('trade/1.0/back', function(message)\n"
    "  state.balance = state.balance + message.body.amount\n"
    "end)\n"
    "agent.on_undelivered(function(message)\n"
    "  state.balance = state.balance + message.body.amount\n"
    "  if message.performative == 'move' then state.lost = state.lost + 1 end\n"
    "end)\n"
    "agent.on('report/1.0/ask', function(m)\n"
    "  m:reply('told', { balance = state.balance, sent = state.sent, got = state.got,\n"
    "    rung = state.rung, wrong = state.wrong, lost = state.lost })\n"
    "end)\n";

static void add_trader(struct node *node, struct node *other)
{
  char script[4096];
  snprintf(script, sizeof script, trader_format, world_did(other, "trader"),
           world_did(other, "trader"));
  world_agent(node, "operator", "", NULL);
  world_agent(node, "trader", script, NULL);
}

/* Counts what the host took over: only that has to happen. */
static int try_say(struct node *node)
{
  static const uint8_t empty[] = {0xa0};
  struct hgl_err err;
  struct hgl_id id;
  if (node->failed) return 0;
  return hgl_host_send(node->host, "trader", "trade/1.0/go", hgl_bytes(empty, 1), 0, NULL, NULL,
                       &id, &err) == 0;
}

static void exchange(struct world *world, struct node *nodes[2], int said[2])
{
  for (int i = 0; i < SENDS; i++) {
    said[i % 2] += try_say(nodes[i % 2]);
    for (int k = 0; k < 2; k++)
      if (!nodes[k]->failed) hgl_host_tick(nodes[k]->host);
    world_pass_frames(world);
    hgl_clock_advance(&world->time, 20);
  }
}

static int64_t number(struct node *node, const char *field)
{
  return world_number(node, "trader", "report/1.0/ask", field);
}

static size_t dead_count(struct node *node)
{
  struct hgl_err err;
  json_t *list;
  assert_ok(hgl_host_list_dead(node->host, &list, &err));
  size_t count = json_array_size(list);
  json_decref(list);
  return count;
}

/* A message for which there was no memory is reported as undelivered, once. What was taken over and
 * not committed by a host that gave up is lost, and nobody was told of it. */
static void check(struct world *world, struct node *nodes[2], const int said[2], bool failed)
{
  int64_t balance = 0, all_sent = 0, all_said = said[0] + said[1];
  for (int i = 0; i < 2; i++) {
    int64_t sent = number(nodes[i], "sent"), got = number(nodes[!i], "got");
    assert_int_equal(got + number(nodes[i], "lost"), sent);
    assert_int_equal(number(nodes[!i], "rung"), got);
    assert_int_equal(number(nodes[i], "wrong"), 0);
    assert_int_equal(dead_count(nodes[i]), 0);
    assert_true(sent <= said[i]);
    balance += number(nodes[i], "balance");
    all_sent += sent;
  }
  assert_int_equal(balance, 2000);
  all_sent += (int64_t)world_count_logged(world, "operator: trade/1.0/go was not delivered");
  if (!failed) assert_int_equal(all_sent, all_said);
}

static bool once(uint64_t request, bool forever, bool late, int *gave_up)
{
  struct world world;
  int said[2] = {0};
  world_init(&world, 4);
  struct node *nodes[] = {world_node(&world), world_node(&world)};
  for (int i = 0; i < 2; i++) add_trader(nodes[i], nodes[!i]);
  world_link(nodes[0], nodes[1]);
  world_run(&world);
  sweep_refuse(request, forever);
  exchange(&world, nodes, said);
  sweep_stop();
  bool refused = sweep_refused(), failed = false;
  if (late) world_advance(&world, 200);
  for (int i = 0; i < 2; i++) {
    if (!nodes[i]->failed) continue;
    failed = true;
    world_crash(nodes[i]);
    world_restart(nodes[i]);
    add_trader(nodes[i], nodes[!i]);
  }
  *gave_up += failed;
  world_unlink(nodes[0], nodes[1]);
  world_link(nodes[0], nodes[1]);
  world_advance(&world, 3000);
  for (int i = 0; i < 2; i++) assert_false(nodes[i]->failed);
  check(&world, nodes, said, failed);
  world_deinit(&world);
  return refused;
}

/* HAGGLE_SWEEP_FULL: every request; else every so many, from one that its value chooses. */
static void sweep(bool forever)
{
  const char *full = getenv("HAGGLE_SWEEP_FULL"), *seed = getenv("SEED");
  uint64_t step = full ? 1 : 11, first = seed ? strtoull(seed, NULL, 10) % step : 0;
  int gave_up = 0;
  uint64_t request = first;
  for (; request < 1000000; request += step) {
    if (getenv("WORLD_LOG")) print_message("request %llu\n", (unsigned long long)request);
    if (!once(request, forever, request / step % 2, &gave_up)) break;
  }
  print_message("%llu requests, every %llu. refused; %d times a host gave up\n",
                (unsigned long long)request, (unsigned long long)step, gave_up);
  assert_true(request > 300);
  assert_true(gave_up > 0);
}

static void a_refused_request_loses_and_doubles_nothing(void **state)
{
  sweep(false);
}

static void memory_that_ends_for_a_while_loses_and_doubles_nothing(void **state)
{
  sweep(true);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_refused_request_loses_and_doubles_nothing),
      cmocka_unit_test(memory_that_ends_for_a_while_loses_and_doubles_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
