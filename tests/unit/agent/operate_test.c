#include "supervise_fixture.h"

/* ---- what the operator decides ---- */

static void a_paused_agent_does_nothing_and_goes_on_where_it_was(void **state)
{
  static const char script[] =
      "agent.every('tick', '1s', function() log.info('tick') end)\n"
      "agent.on('x/1.0/write', function(message) log.info('wrote ' .. message.body.text) end)\n"
      "agent.on('x/1.0/nap', function() agent.sleep('2s') log.info('woke') end)\n";
  struct hgl_err err;
  struct world world;
  struct node *a;
  begin(&world, &a);
  world_agent(a, "x", script, NULL);
  world_say(a, "x", "x/1.0/nap", NULL);
  world_advance(&world, 1000);
  assert_int_equal(world_count_logged(&world, "tick"), 1);
  assert_ok(hgl_host_pause_agent(a->host, "x", &err));
  assert_ok(hgl_host_pause_agent(a->host, "x", &err));
  write_text(a, "x", "one");
  world_advance(&world, 10000);
  assert_status(a, "x", "paused");
  assert_int_equal(world_count_logged(&world, "tick"), 1);
  assert_false(world_logged(&world, "woke"));
  assert_ok(hgl_host_resume_agent(a->host, "x", &err));
  world_run(&world);
  assert_int_equal(world_count_logged(&world, "woke"), 1);
  assert_int_equal(world_count_logged(&world, "wrote one"), 1);
  assert_int_equal(world_count_logged(&world, "tick"), 2); /* late ones once */
  assert_int_equal(restarts(a, "x"), 0);
  world_deinit(&world);
}

static void a_pause_lasts_over_a_restart_of_the_host(void **state)
{
  struct hgl_err err;
  struct world world;
  struct node *a;
  begin(&world, &a);
  world_agent(a, "x", writer, NULL);
  world_run(&world);
  assert_ok(hgl_host_pause_agent(a->host, "x", &err));
  write_text(a, "x", "one");
  world_run(&world);
  begin_again(a);
  world_agent(a, "x", writer, NULL);
  write_text(a, "x", "two");
  world_advance(&world, 5000);
  assert_status(a, "x", "paused");
  assert_false(world_logged(&world, "restarted"));
  assert_ok(hgl_host_resume_agent(a->host, "x", &err));
  world_run(&world);
  assert_true(world_logged(&world, "x: start restarted\nx: wrote one\nx: wrote two\n"));
  begin_again(a);
  world_agent(a, "x", writer, NULL);
  world_run(&world);
  assert_status(a, "x", "running");
  assert_int_equal(written(a, "x"), 2);
  world_deinit(&world);
}

static void one_that_waits_for_its_restart_can_be_paused_resumed_and_stopped(void **state)
{
  struct hgl_err err;
  struct world world;
  struct node *a;
  begin(&world, &a);
  add_three(a, HGL_ONE_FOR_ALL, 0);
  world_run(&world);
  write_text(a, "a", "boom");
  world_advance(&world, 600);
  assert_status(a, "a", "starting");
  assert_status(a, "c", "starting");
  assert_ok(hgl_host_pause_agent(a->host, "a", &err));
  assert_ok(hgl_host_stop_agent(a->host, "b", &err)); /* it had its on_stop */
  assert_ok(hgl_host_resume_agent(a->host, "c", &err));
  world_run(&world);
  assert_status(a, "c", "running");
  assert_status(a, "b", "stopped");
  world_advance(&world, 5000);
  assert_status(a, "a", "paused");
  assert_int_equal(world_count_logged(&world, "b: stop\n"), 1);
  assert_int_equal(world_count_logged(&world, "start restarted"), 1);
  assert_ok(hgl_host_resume_agent(a->host, "a", &err));
  assert_ok(hgl_host_resume_agent(a->host, "b", &err));
  world_run(&world);
  assert_int_equal(world_count_logged(&world, "start restarted"), 3);
  world_deinit(&world);
}

/* Its restart is due in the same tick as what the operator wants instead. */
static void who_is_stopped_or_restarted_as_its_restart_is_due_begins_at_most_once(void **state)
{
  for (int stopped = 0; stopped < 2; stopped++) {
    struct hgl_err err;
    struct world world;
    struct node *a;
    begin(&world, &a);
    world_agent_with(a, "x", writer, policy(5, 10000, 1000, 1));
    world_run(&world);
    write_text(a, "x", "boom");
    world_advance(&world, 600);
    assert_status(a, "x", "starting");
    write_text(a, "x", "one");
    hgl_clock_advance(&world.time, 2000);
    if (stopped)
      assert_ok(hgl_host_stop_agent(a->host, "x", &err));
    else
      assert_ok(hgl_host_restart_agent(a->host, "x", hgl_bytes(NULL, 0), &err));
    world_advance(&world, 5000);
    assert_status(a, "x", stopped ? "stopped" : "running");
    assert_int_equal(world_count_logged(&world, "start restarted"), !stopped);
    assert_int_equal(world_count_logged(&world, "x: stop\n"), 0); /* it failed: nothing of it ran */
    assert_int_equal(world_count_logged(&world, "wrote one"), !stopped);
    if (!stopped) assert_ok(hgl_host_pause_agent(a->host, "x", &err)); /* it is not busy any more */
    assert_ok(hgl_host_resume_agent(a->host, "x", &err));
    world_run(&world);
    assert_int_equal(world_count_logged(&world, "start restarted"), 1);
    assert_int_equal(written(a, "x"), 1);
    world_deinit(&world);
  }
}

static void want_of_memory_when_an_agent_is_added_leaves_nothing_behind(void **state)
{
  struct hgl_err err;
  struct world world;
  struct node *a;
  begin(&world, &a);
  const struct hgl_group_config group = {"g", HGL_ONE_FOR_ALL, 3, 1000};
  assert_ok(hgl_host_add_group(a->host, &group, &err));
  world_run(&world);
  static const char *const grants[] = {"read=/proc/loadavg", "read=/proc/stat", NULL};
  for (long k = 0; k < 12; k++) { /* as far as the script is not loaded yet */
    struct hgl_agent_config config = {.name = "x",
                                      .script_path = "x.lua",
                                      .source = hgl_text(writer),
                                      .grants = grants,
                                      .group = "g",
                                      .restart = {.restarts_max = 2}};
    hgl_mem_fail_after(k);
    int status = hgl_host_add_agent(a->host, &config, &err);
    hgl_mem_fail_after(-1);
    assert_true(status < 0);
    assert_false(a->failed);
    assert_null(describe(a, "x"));
  }
  world_agent(a, "x", writer, grants);
  write_text(a, "x", "one");
  world_run(&world);
  assert_int_equal(written(a, "x"), 1);
  world_deinit(&world);
}

static const char sender[] =
    "agent.on('send/1.0/many', function(message)\n"
    "  for i = 1, message.body.count do\n"
    "    agent.send(message.body.to, 'x/1.0/write', { text = tostring(i) })\n"
    "  end\n"
    "end)\n"
    "agent.on_undelivered(function(message, why, code) log.info('undelivered ' .. code) end)\n";

static void send_many(struct node *from, struct node *to, const char *name, int count)
{
  char body[256];
  char did[HGL_DID_TEXT_SIZE];
  hgl_did_format(&to->key, did);
  snprintf(body, sizeof body, "{\"to\":\"%s@%s\",\"count\":%d}", world_did(to, name), did, count);
  world_say(from, "s", "send/1.0/many", body);
}

static void a_full_mailbox_of_a_paused_agent_holds_the_sender_back_in_order(void **state)
{
  struct hgl_err err;
  struct world world;
  struct node *a, *b;
  begin(&world, &a);
  b = world_node(&world);
  world_agent(b, "operator", "", NULL);
  world_agent(b, "s", sender, NULL);
  world_agent_with(a, "x", writer, (struct hgl_agent_config){.limits = {.mailbox_count = 4}});
  world_link(a, b);
  world_run(&world);
  assert_ok(hgl_host_pause_agent(a->host, "x", &err));
  send_many(b, a, "x", 9);
  world_advance(&world, 5000);
  json_t *agent = describe(a, "x");
  assert_int_equal(json_integer_value(json_object_get(agent, "mailbox")), 2); /* of one sender */
  json_decref(agent);
  assert_ok(hgl_host_resume_agent(a->host, "x", &err));
  world_advance(&world, 60000);
  assert_true(world_logged(&world, "x: wrote 1\nx: wrote 2\n"));
  for (int i = 1; i <= 9; i++) {
    char text[32];
    snprintf(text, sizeof text, "x: wrote %d\n", i);
    assert_int_equal(world_count_logged(&world, text), 1);
  }
  assert_int_equal(written(a, "x"), 9);
  assert_false(world_logged(&world, "undelivered"));
  world_deinit(&world);
}

static size_t count_found(struct node *node, const char *query)
{
  struct hgl_err err;
  json_t *found;
  assert_ok(hgl_host_find(node->host, query, &found, &err));
  size_t count = json_array_size(found);
  json_decref(found);
  return count;
}

static void a_stopped_agent_is_not_here_until_it_is_resumed(void **state)
{
  struct hgl_err err;
  struct world world;
  struct node *a, *b;
  char script[2048];
  snprintf(script, sizeof script, "agent.offer { service = 'writing' }\n%s", writer);
  begin(&world, &a);
  b = world_node(&world);
  world_agent(b, "operator", "", NULL);
  world_agent(b, "s", sender, NULL);
  world_agent(a, "x", script, NULL);
  world_link(a, b);
  world_advance(&world, 5000);
  assert_int_equal(count_found(a, "service=writing"), 1);
  assert_int_equal(count_found(b, "service=writing"), 1);
  write_text(a, "x", "one");
  assert_ok(hgl_host_stop_agent(a->host, "x", &err));
  world_run(&world);
  assert_int_equal(world_count_logged(&world, "x: stop\n"), 1);
  assert_status(a, "x", "stopped");
  world_advance(&world, 5000);
  assert_int_equal(count_found(a, "service=writing"), 0);
  assert_int_equal(count_found(b, "service=writing"), 0);
  send_many(b, a, "x", 2);
  world_advance(&world, 2000);
  assert_int_equal(world_count_logged(&world, "undelivered not_here"), 2);
  assert_int_equal(-HGL_INVALID, hgl_host_pause_agent(a->host, "x", &err));
  struct hgl_id id;
  assert_int_equal(-HGL_NOT_HERE, hgl_host_send(a->host, "x", "x/1.0/write", hgl_bytes("\xa0", 1),
                                                0, NULL, NULL, &id, &err));
  begin_again(a);
  world_agent(a, "x", script, NULL);
  world_advance(&world, 1000);
  assert_status(a, "x", "stopped");
  assert_int_equal(count_found(a, "service=writing"), 0);
  assert_ok(hgl_host_resume_agent(a->host, "x", &err));
  world_run(&world);
  assert_status(a, "x", "running");
  assert_int_equal(count_found(a, "service=writing"), 1);
  assert_int_equal(world_count_logged(&world, "start restarted"), 1);
  assert_int_equal(written(a, "x"), 1); /* what waited when it was stopped */
  world_deinit(&world);
}

static void a_restart_reads_the_script_anew_and_keeps_what_is_durable(void **state)
{
  static const char newer[] =
      "agent.on_start(function(reason) log.info('newer ' .. reason) end)\n"
      "agent.on('x/1.0/write', function(message)\n"
      "  log.info('newer wrote ' .. message.body.text .. ' after ' .. #state.texts)\n"
      "end)\n";
  struct hgl_err err;
  struct world world;
  struct node *a;
  begin(&world, &a);
  world_agent(a, "x", writer, NULL);
  write_text(a, "x", "one");
  world_say(a, "x", "x/1.0/wait", NULL);
  world_run(&world);
  assert_ok(hgl_host_restart_agent(a->host, "x", hgl_text(writer), &err));
  write_text(a, "x", "two");
  world_run(&world);
  assert_true(world_logged(&world, "x: stop\n"));
  assert_true(world_logged(&world, "x: start restarted\nx: wrote two\n"));
  assert_int_equal(hgl_host_counts(a->host).dead, 0);
  assert_int_equal(waiting(a), 1); /* what was suspended goes on */
  /* A script that does not load changes nothing. */
  assert_int_equal(-HGL_SCRIPT,
                   hgl_host_restart_agent(a->host, "x", hgl_text("this is no Lua"), &err));
  write_text(a, "x", "three");
  world_run(&world);
  assert_true(world_logged(&world, "x: wrote three\n"));
  assert_int_equal(restarts(a, "x"), 1);
  assert_ok(hgl_host_restart_agent(a->host, "x", hgl_text(newer), &err));
  write_text(a, "x", "four");
  world_run(&world);
  assert_true(world_logged(&world, "x: newer reloaded\nx: newer wrote four after 3\n"));
  assert_ok(hgl_host_restart_agent(a->host, "x", hgl_bytes(NULL, 0), &err));
  world_run(&world);
  assert_true(world_logged(&world, "x: newer restarted\n"));
  world_deinit(&world);
}

static int count_row(void *user, struct hgl_bytes key, struct hgl_bytes value, struct hgl_err *err)
{
  (*(size_t *)user)++;
  return 0;
}

static size_t count_rows(struct node *node, enum hgl_db db)
{
  struct hgl_err err;
  const struct hgl_bytes none = {0};
  size_t rows = 0;
  assert_ok(hgl_store_scan(node->store, db, none, none, false, count_row, &rows, &err));
  return rows;
}

static int move_row(void *user, struct hgl_bytes key, struct hgl_bytes value, struct hgl_err *err)
{
  struct hgl_writeset *set = user;
  int status = hgl_writeset_put(set, HGL_DB_RUNS, key, value, err);
  return status ? status : hgl_writeset_delete(set, HGL_DB_MAILBOX, key, err);
}

/* A restart says something by itself only when it finds a handler that a host from before suspended
 * handlers were kept left behind: of that, the row of its mail stood among the runs. */
static void what_one_restart_says_to_another_agent_survives_the_restart_of_that_one(void **state)
{
  static const char client[] =
      "agent.on('go/1.0/ask', function()\n"
      "  local reply, why, code = agent.ask('x', 'x/1.0/write', { text = 'a' })\n"
      "  log.info('answered ' .. code)\n"
      "end)\n"
      "agent.on('go/1.0/send', function() agent.send('x', 'x/1.0/write', { text = 'b' }) end)\n"
      "agent.on('haggle/1.0/refuse', function(m) log.info('refused ' .. m.body.code) end)\n";
  const struct hgl_bytes none = {0};
  struct hgl_err err;
  struct world world;
  struct node *a;
  begin(&world, &a);
  world_agent(a, "x", writer, NULL);
  world_agent(a, "client", client, NULL);
  world_run(&world);
  assert_ok(hgl_host_pause_agent(a->host, "x", &err));
  world_say(a, "client", "go/1.0/ask", NULL);
  world_say(a, "client", "go/1.0/send", NULL);
  world_run(&world);
  assert_int_equal(count_rows(a, HGL_DB_MAILBOX), 2);
  assert_ok(hgl_store_scan(a->store, HGL_DB_MAILBOX, none, none, false, move_row,
                           hgl_store_open_set(a->store), &err));
  assert_ok(hgl_host_restart_agent(a->host, "x", none, &err));
  assert_ok(hgl_host_restart_agent(a->host, "client", none, &err));
  world_run(&world);
  assert_int_equal(restarts(a, "x"), 1);
  assert_int_equal(restarts(a, "client"), 1);
  assert_int_equal(hgl_host_counts(a->host).dead, 2);
  assert_int_equal(world_count_logged(&world, "answered handler_failed"), 1);
  assert_int_equal(world_count_logged(&world, "refused handler_failed"), 1);
  world_deinit(&world);
}

static void what_is_stored_of_a_removed_agent_waits_for_one_of_its_name(void **state)
{
  struct hgl_err err;
  struct world world;
  struct node *a;
  begin(&world, &a);
  world_agent(a, "x", writer, NULL);
  write_text(a, "x", "one");
  world_run(&world);
  assert_ok(hgl_host_remove_agent(a->host, "x", false, &err));
  world_run(&world);
  assert_null(describe(a, "x"));
  assert_int_equal(world_count_logged(&world, "x: stop\n"), 1);
  assert_int_equal(-HGL_NOT_FOUND, hgl_host_pause_agent(a->host, "x", &err));
  world_agent(a, "x", writer, NULL);
  world_run(&world);
  assert_int_equal(world_count_logged(&world, "start restarted"), 1);
  assert_int_equal(written(a, "x"), 1);
  world_deinit(&world);
}

static void a_forgotten_agent_is_erased_over_crashes_and_its_number_is_not_given_away(void **state)
{
  static const char large[] =
      "agent.on_start(function(reason) log.info(agent.name .. ' ' .. reason) end)\n"
      "agent.on('x/1.0/fill', function(message)\n"
      "  state.all = {}\n"
      "  for i = 1, 5000 do state.all[i] = { text = string.rep('x', 1500) } end\n"
      "end)\n"
      "agent.on('x/1.0/count', function(message)\n"
      "  message:reply('is', { count = state.all and #state.all or 0 })\n"
      "end)\n";
  struct hgl_err err;
  struct world world;
  struct node *a;
  begin(&world, &a);
  world_agent(a, "x", large, NULL);
  world_say(a, "x", "x/1.0/fill", NULL);
  world_run(&world);
  assert_int_equal(written(a, "x"), 5000);
  size_t before = count_rows(a, HGL_DB_STATE);
  assert_true(before >= 5000);
  assert_ok(hgl_host_remove_agent(a->host, "x", true, &err));
  for (int i = 0; i < 3; i++) hgl_host_tick(a->host);
  size_t left = count_rows(a, HGL_DB_STATE);
  assert_true(left > 0 && left < before); /* it takes some ticks */
  begin_again(a);
  world_agent(a, "y", large, NULL);
  world_say(a, "y", "x/1.0/fill", NULL);
  world_run(&world);
  assert_int_equal(count_rows(a, HGL_DB_STATE), before); /* those of y, and no others */
  assert_int_equal(written(a, "y"), 5000);
  world_agent(a, "x", large, NULL);
  world_run(&world);
  assert_int_equal(world_count_logged(&world, "x: x created"), 2);
  assert_int_equal(written(a, "x"), 0);
  begin_again(a);
  world_agent(a, "y", large, NULL);
  world_run(&world);
  assert_int_equal(written(a, "y"), 5000);
  world_deinit(&world);
}

static void the_operator_cannot_be_stopped_and_unknown_names_are_errors(void **state)
{
  struct hgl_err err;
  struct world world;
  struct node *a;
  begin(&world, &a);
  assert_int_equal(-HGL_INVALID, hgl_host_stop_agent(a->host, "operator", &err));
  assert_int_equal(-HGL_INVALID, hgl_host_remove_agent(a->host, "operator", true, &err));
  assert_int_equal(-HGL_NOT_FOUND, hgl_host_resume_agent(a->host, "nobody", &err));
  world_deinit(&world);
}

/* ---- told when it is durable ---- */

static void settled(void *user, json_t *agent, const struct hgl_err *why)
{
  char *text = user;
  snprintf(text, 32, "%s",
           why     ? hgl_code_name(why->code)
           : agent ? json_string_value(json_object_get(agent, "status"))
                   : "gone");
}

static void whoever_waits_is_told_when_it_is_durable(void **state)
{
  struct hgl_err err;
  struct world world;
  struct node *a;
  char text[32] = "";
  begin(&world, &a);
  world_agent(a, "x", writer, NULL);
  world_run(&world);
  hgl_store_hold(a->store, true);
  assert_ok(hgl_host_pause_agent(a->host, "x", &err));
  assert_ok(hgl_host_when_settled(a->host, "x", settled, text, &err));
  for (int i = 0; i < 5; i++) hgl_host_tick(a->host);
  assert_string_equal(text, ""); /* the commit is on its way */
  hgl_store_hold(a->store, false);
  world_run(&world);
  assert_string_equal(text, "paused");
  assert_ok(hgl_host_remove_agent(a->host, "x", false, &err));
  assert_ok(hgl_host_when_settled(a->host, "x", settled, text, &err));
  world_run(&world);
  assert_string_equal(text, "gone");
  assert_ok(hgl_host_when_settled(a->host, "x", settled, text, &err));
  begin_again(a);
  assert_string_equal(text, "closed");
  world_deinit(&world);
}

/* ---- all of it at once ---- */

static uint64_t draw(uint64_t *seed)
{
  *seed = *seed * 6364136223846793005u + 1442695040888963407u;
  return *seed >> 33;
}

static void disturb(struct world *world, struct node *a, struct node *b, uint64_t what,
                    struct hgl_agent_config config)
{
  struct hgl_err ignored;
  switch (what % 6) {
  case 0:
    (void)!hgl_host_pause_agent(a->host, "x", &ignored);
    break;
  case 1:
  case 2:
    (void)!hgl_host_resume_agent(a->host, "x", &ignored);
    break;
  case 3:
    (void)!hgl_host_restart_agent(a->host, "x", hgl_bytes(NULL, 0), &ignored);
    break;
  case 4:
    begin_again(a);
    world_agent_with(a, "x", writer, config);
    world_link(a, b);
    break;
  default:
    break;
  }
}

static void every_message_takes_effect_once_and_in_order_whatever_is_done(void **state)
{
  for (uint64_t first = 1; first <= 20; first++) {
    struct hgl_err ignored;
    struct world world;
    struct node *a, *b;
    uint64_t seed = first;
    struct hgl_agent_config config = policy(1000, 10000, 100, 1);
    config.limits.mailbox_count = 8;
    begin(&world, &a);
    b = world_node(&world);
    world_agent(b, "operator", "", NULL);
    world_agent(b, "s", sender, NULL);
    world_agent_with(a, "x", writer, config);
    world_link(a, b);
    world_run(&world);
    send_many(b, a, "x", 40);
    for (int i = 0; i < 30; i++) {
      if (draw(&seed) % 4 == 0) write_text(a, "x", "boom"); /* lost if it is stopped: no matter */
      for (uint64_t ticks = draw(&seed) % 4; ticks > 0; ticks--) {
        hgl_host_tick(a->host);
        hgl_host_tick(b->host);
        world_pass_frames(&world);
      }
      disturb(&world, a, b, draw(&seed), config);
      if (draw(&seed) % 3 == 0) world_advance(&world, (int64_t)(draw(&seed) % 1000));
    }
    (void)!hgl_host_resume_agent(a->host, "x", &ignored);
    world_advance(&world, 120000);
    if (written(a, "x") != 40) fail_msg("seed %d: %d of 40", (int)first, (int)written(a, "x"));
    const char *at = world.logged;
    for (int i = 1; i <= 40; i++) { /* what was rolled back and tried again is logged twice */
      char text[32];
      snprintf(text, sizeof text, "x: wrote %d\n", i);
      at = strstr(at, text);
      if (!at) fail_msg("seed %d: %d is out of order", (int)first, i);
    }
    world_deinit(&world);
  }
}

static size_t errands(const struct hgl_host *host)
{
  size_t count = 0;
  for (const struct child *child = host->errands.first; child; child = child->in[WITH_ERRAND].next)
    count++;
  return count;
}

/* One whose turn has not come yet is no reason to look at all the others in each tick. */
static void an_errand_that_waits_is_found_without_the_other_agents(void **state)
{
  struct hgl_err err;
  struct world world;
  struct node *a;
  begin(&world, &a);
  world_agent(a, "busy", "agent.on('x/1.0/write', function() log.info('takes 30 ms') end)", NULL);
  world_agent(a, "busy2", "agent.on('x/1.0/write', function() log.info('takes 30 ms') end)", NULL);
  world_agent(a, "x", writer, NULL);
  world_agent(a, "y", writer, NULL);
  world_run(&world);
  assert_ok(hgl_host_pause_agent(a->host, "y", &err));
  write_text(a, "busy", "one");
  write_text(a, "busy2", "one");
  hgl_host_tick(a->host);
  assert_ok(hgl_host_remove_agent(a->host, "x", false, &err));
  assert_ok(hgl_host_restart_agent(a->host, "y", hgl_bytes(NULL, 0), &err));
  assert_int_equal(errands(a->host), 2);
  hgl_host_tick(a->host);
  assert_int_equal(errands(a->host), 1); /* what came later did not have to wait */
  assert_status(a, "y", "running");
  struct children all = a->host->children;
  a->host->children = (struct children){0}; /* whoever looks there finds nobody */
  world_run(&world);
  a->host->children = all;
  assert_null(describe(a, "x"));
  assert_int_equal(errands(a->host), 0);
  assert_int_equal(a->host->agent_count, 4);
  world_deinit(&world);
}

static void assert_list(struct children list, enum child_list which, size_t count)
{
  const struct child *previous = NULL;
  for (const struct child *child = list.first; child; child = child->in[which].next) {
    assert_ptr_equal(child->in[which].previous, previous);
    previous = child;
    count--;
  }
  assert_ptr_equal(list.last, previous);
  assert_int_equal(count, 0);
}

static void assert_listed(const struct hgl_host *host, size_t children)
{
  const struct agent *previous = NULL;
  const struct agent_group *group = hgl_map_get(&host->groups, hgl_text("shop"));
  assert_list(host->children, OF_HOST, children);
  assert_list(group->children, OF_GROUP, children - 1); /* all but the operator */
  for (size_t i = 0; i < host->agent_count; i++) assert_int_equal(host->agents[i]->place, i);
  for (const struct agent *agent = host->ready.first; agent; agent = agent->next_ready) {
    assert_ptr_equal(agent->previous_ready, previous);
    previous = agent;
  }
  assert_ptr_equal(host->ready.last, previous);
}

static void agents_come_and_go_in_any_order(void **state)
{
  enum { AGENTS = 9 };
  const struct hgl_group_config group = {.name = "shop"};
  const struct hgl_agent_config config = {.group = "shop"};
  struct hgl_err err;
  for (int step = 1; step < AGENTS; step++) { /* with 1 in order, with 8 backwards */
    struct world world;
    struct node *a;
    char name[8];
    if (step % 3 == 0) continue;
    begin(&world, &a);
    assert_ok(hgl_host_add_group(a->host, &group, &err));
    for (int i = 0; i < AGENTS; i++) {
      snprintf(name, sizeof name, "n%d", i);
      world_agent_with(a, name, writer, config);
      if (i % 2) write_text(a, name, "one"); /* some have something to do */
    }
    assert_listed(a->host, AGENTS + 1);
    for (int i = 0; i < AGENTS; i++) {
      snprintf(name, sizeof name, "n%d", (i + 1) * step % AGENTS);
      struct agent *agent = agent_by_name(a->host, hgl_text(name));
      agent_ready(agent);
      assert_ok(child_end(agent->child, &err));
      assert_listed(a->host, (size_t)(AGENTS + 1 - i));
      assert_ok(hgl_host_remove_agent(a->host, name, false, &err));
      world_run(&world);
      assert_listed(a->host, (size_t)(AGENTS - i));
      assert_int_equal(a->host->agent_count, AGENTS - i);
    }
    world_deinit(&world);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_paused_agent_does_nothing_and_goes_on_where_it_was),
      cmocka_unit_test(a_pause_lasts_over_a_restart_of_the_host),
      cmocka_unit_test(one_that_waits_for_its_restart_can_be_paused_resumed_and_stopped),
      cmocka_unit_test(who_is_stopped_or_restarted_as_its_restart_is_due_begins_at_most_once),
      cmocka_unit_test(want_of_memory_when_an_agent_is_added_leaves_nothing_behind),
      cmocka_unit_test(a_full_mailbox_of_a_paused_agent_holds_the_sender_back_in_order),
      cmocka_unit_test(a_stopped_agent_is_not_here_until_it_is_resumed),
      cmocka_unit_test(a_restart_reads_the_script_anew_and_keeps_what_is_durable),
      cmocka_unit_test(what_one_restart_says_to_another_agent_survives_the_restart_of_that_one),
      cmocka_unit_test(what_is_stored_of_a_removed_agent_waits_for_one_of_its_name),
      cmocka_unit_test(a_forgotten_agent_is_erased_over_crashes_and_its_number_is_not_given_away),
      cmocka_unit_test(the_operator_cannot_be_stopped_and_unknown_names_are_errors),
      cmocka_unit_test(whoever_waits_is_told_when_it_is_durable),
      cmocka_unit_test(every_message_takes_effect_once_and_in_order_whatever_is_done),
      cmocka_unit_test(an_errand_that_waits_is_found_without_the_other_agents),
      cmocka_unit_test(agents_come_and_go_in_any_order),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
