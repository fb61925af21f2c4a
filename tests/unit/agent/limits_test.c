/* What one agent may take: each limit at its value and one past it. Memory, time, instructions and
 * waiting handlers: tests/unit/lua/sandbox_test.c; places in a mailbox: mailbox_test.c. */
#include <stdio.h>

#include "agent/limits.h"
#include "support/world.h"

static struct node *begin(struct world *world, const char *script, struct hgl_agent_limits limits)
{
  world_init(world, 1);
  struct node *node = world_node(world);
  world_agent(node, "operator", "", NULL);
  world_agent(node, "sink",
              "agent.on('x/1.0/y', function() state.got = (state.got or 0) + 1 end)\n"
              "agent.on('open/1.0/begin', function() end)\n"
              "agent.on('report/1.0/ask', function(m) m:reply('is', { got = state.got or 0 }) end)",
              NULL);
  world_agent_with(node, "x", script, (struct hgl_agent_config){.limits = limits});
  world_run(world);
  return node;
}

static void go(struct node *node, int n)
{
  char body[32];
  snprintf(body, sizeof body, "{\"n\":%d}", n);
  world_say(node, "x", "go/1.0/now", body);
  world_run(node->world);
}

/* ---- the list ---- */

static void what_is_not_set_has_its_default_and_what_is_set_stays(void **state)
{
  struct hgl_agent_limits limits = {.mailbox_count = 9, .mailbox_bytes = 1000, .timers = 1};
  hgl_limits_complete(&limits);
  assert_int_equal(limits.memory_bytes, HGL_MEMORY_DEFAULT);
  assert_int_equal(limits.stretch_ms, HGL_STRETCH_MS_DEFAULT * HGL_SLOWNESS);
  assert_int_equal(limits.instructions, 0);
  assert_int_equal(limits.mailbox_count, 9);
  assert_int_equal(limits.mailbox_per_sender, 5);
  assert_int_equal(limits.mailbox_bytes_per_sender, 500);
  assert_int_equal(limits.timers, 1);
  assert_int_equal(limits.messages, HGL_MESSAGES_DEFAULT);
}

static void a_bucket_holds_one_second_and_fills_again(void **state)
{
  struct hgl_bucket bucket = {0};
  assert_int_equal(hgl_bucket_left(&bucket, 10, 5000), 10);
  hgl_bucket_take(&bucket, 10, 5000, 10);
  assert_int_equal(hgl_bucket_left(&bucket, 10, 5000), 0);
  assert_int_equal(hgl_bucket_left(&bucket, 10, 5099), 0);
  assert_int_equal(hgl_bucket_left(&bucket, 10, 5100), 1);
  hgl_bucket_take(&bucket, 10, 5100, 99); /* no debt */
  assert_int_equal(hgl_bucket_left(&bucket, 10, 5199), 0);
  assert_int_equal(hgl_bucket_left(&bucket, 10, 5200), 1);
  assert_int_equal(hgl_bucket_left(&bucket, 10, 4000),
                   1); /* a clock that goes back fills nothing */
  assert_int_equal(hgl_bucket_left(&bucket, 10, INT64_MAX / 2), 10);
  hgl_bucket_take(&bucket, INT64_C(1000000000), INT64_MAX / 2, 1000000000);
  assert_int_equal(hgl_bucket_left(&bucket, INT64_C(1000000000), INT64_MAX / 2), 0);
}

static void format_default(const struct hgl_limit *limit, char *out, size_t size)
{
  if (limit->of)
    snprintf(out, size, "half of `%s`", limit->of);
  else if (limit->kind == HGL_LIMIT_DURATION)
    snprintf(out, size, "%lldms", (long long)limit->usual);
  else if (limit->kind == HGL_LIMIT_SIZE && limit->usual % (1 << 20) == 0)
    snprintf(out, size, "%lldMB", (long long)limit->usual >> 20);
  else if (limit->kind == HGL_LIMIT_SIZE)
    snprintf(out, size, "%lldKB", (long long)limit->usual >> 10);
  else
    snprintf(out, size, limit->usual ? "%lld" : "none", (long long)limit->usual);
}

static void the_page_for_writers_names_every_limit_with_its_default(void **state)
{
  char page[65536], row[256];
  FILE *file = fopen(HGL_SOURCE_DIR "/stdlib/README.md", "rb");
  assert_non_null(file);
  size_t size = fread(page, 1, sizeof page - 1, file);
  fclose(file);
  page[size] = 0;
  const char *table = strstr(page, "| Limit | Default |"), *end = strstr(table, "\n\n");
  assert_non_null(end);
  size_t rows = 0;
  for (const char *at = table; at && at < end; at = strchr(at + 1, '\n')) rows++;
  assert_int_equal(rows, hgl_limit_count + 2);
  for (size_t i = 0; i < hgl_limit_count; i++) {
    char usual[64];
    format_default(&hgl_limit_list[i], usual, sizeof usual);
    snprintf(row, sizeof row, "\n| `%s` | %s | ", hgl_limit_list[i].name, usual);
    if (!strstr(table, row)) fail_msg("not in stdlib/README.md: %s", row);
  }
}

/* ---- messages a second ---- */

static const char talker[] =
    "agent.on('go/1.0/now', function(message)\n"
    "  local sent, last = 0, nil\n"
    "  for i = 1, message.body.n do\n"
    "    local id, why, code = agent.send('sink', 'x/1.0/y', {})\n"
    "    if id then sent = sent + 1 else last = code .. ': ' .. why end\n"
    "  end\n"
    "  log.info('sent ' .. sent .. ' ' .. tostring(last))\n"
    "end)\n"
    "agent.on('go/1.0/raise', function(message)\n"
    "  for i = 1, 5 do agent.send('sink', 'x/1.0/y', {}) end\n"
    "  error('all of it is taken back')\n"
    "end)\n"
    "agent.on('go/1.0/ask', function(message)\n"
    "  local reply, why, code = agent.ask('sink', 'report/1.0/ask', {})\n"
    "  log.info('asked ' .. tostring(reply and reply.body.got) .. ' ' .. tostring(code))\n"
    "end)\n";

static void an_agent_says_as_many_messages_a_second_as_it_may(void **state)
{
  struct world world;
  struct node *a = begin(&world, talker, (struct hgl_agent_limits){.messages = 5});
  go(a, 5);
  assert_true(world_logged(&world, "sent 5 nil"));
  go(a, 1);
  assert_true(world_logged(&world, "sent 0 limit: x says more than 5 messages a second"));
  world_advance(&world, 400);
  go(a, 3);
  assert_true(world_logged(&world, "sent 2 limit"));
  world_advance(&world, 10000);
  go(a, 6);
  assert_int_equal(world_count_logged(&world, "sent 5 limit"), 1);
  world_advance(&world, 1000);
  assert_int_equal(world_number(a, "sink", "report/1.0/ask", "got"), 12);
  world_deinit(&world);
}

static void what_a_raise_took_back_was_not_said(void **state)
{
  struct world world;
  struct node *a = begin(&world, talker, (struct hgl_agent_limits){.messages = 5});
  world_say(a, "x", "go/1.0/raise", NULL);
  world_run(&world);
  go(a, 5);
  assert_true(world_logged(&world, "sent 5 nil"));
  world_deinit(&world);
}

static void a_question_past_the_limit_is_answered_with_it(void **state)
{
  struct world world;
  struct node *a = begin(&world, talker, (struct hgl_agent_limits){.messages = 2});
  world_say(a, "x", "go/1.0/ask", NULL);
  world_run(&world);
  assert_true(world_logged(&world, "asked 0 nil"));
  go(a, 1);
  world_say(a, "x", "go/1.0/ask", NULL);
  world_run(&world);
  assert_true(world_logged(&world, "asked nil limit"));
  world_deinit(&world);
}

static void the_asker_is_told_of_a_failed_handler_whatever_the_agent_has_said(void **state)
{
  struct world world;
  struct node *a = begin(&world,
                         "agent.on('go/1.0/fail', function()\n"
                         "  agent.send('sink', 'x/1.0/y', {}) agent.sleep '1s' error('x')\n"
                         "end)",
                         (struct hgl_agent_limits){.messages = 1});
  enum hgl_code code = HGL_OK;
  json_t *answer = world_ask(a, "x", "go/1.0/fail", &code);
  const char *said = json_string_value(json_object_get(answer, "code"));
  assert_true(code == HGL_HANDLER_FAILED || (said && strcmp(said, "handler_failed") == 0));
  json_decref(answer);
  world_deinit(&world);
}

/* ---- the log ---- */

static const char writer[] = "agent.on('go/1.0/now', function(message)\n"
                             "  for i = 1, message.body.n do log.info('line of x') end\n"
                             "end)\n"
                             "agent.on('go/1.0/long', function(message)\n"
                             "  for i = 1, 3 do log.info('long' .. ('x'):rep(400)) end\n"
                             "end)\n";

static void an_agent_writes_as_many_lines_as_it_may_and_the_rest_is_said_once(void **state)
{
  struct world world;
  struct node *a = begin(&world, writer, (struct hgl_agent_limits){.log_lines = 10});
  go(a, 10);
  assert_int_equal(world_count_logged(&world, "line of x"), 10);
  assert_false(world_logged(&world, "left out"));
  go(a, 30);
  go(a, 30);
  assert_int_equal(world_count_logged(&world, "line of x"), 10);
  assert_int_equal(world_count_logged(&world, "x logs more than 10 lines"), 1);
  world_advance(&world, 200); /* room for two, but not for half a second's worth */
  go(a, 3);
  assert_int_equal(world_count_logged(&world, "line of x"), 12);
  assert_int_equal(world_count_logged(&world, "left out"), 1);
  world_advance(&world, 5000);
  go(a, 1);
  assert_int_equal(world_count_logged(&world, "line of x"), 13);
  assert_int_equal(world_count_logged(&world, "x: 61 lines of its log were left out"), 1);
  go(a, 20);
  assert_int_equal(world_count_logged(&world, "x logs more than 10 lines"), 2);
  world_deinit(&world);
}

static void the_log_is_bounded_in_bytes_too(void **state)
{
  struct world world;
  struct node *a = begin(&world, writer, (struct hgl_agent_limits){.log_bytes = 1000});
  world_say(a, "x", "go/1.0/long", NULL);
  world_run(&world);
  assert_int_equal(world_count_logged(&world, "longxxx"), 2);
  assert_int_equal(world_count_logged(&world, "1000 bytes a second"), 1);
  world_deinit(&world);
}

struct seen {
  char text[65536];
  int count;
};

static void see(void *user, const char *kind, json_t *object)
{
  struct seen *seen = user;
  const json_t *text = json_object_get(object, "text");
  if (strcmp(kind, "log") != 0 || !json_is_string(text)) return;
  seen->count++;
  snprintf(seen->text, sizeof seen->text, "%s", json_string_value(text));
}

static void a_line_is_shown_cut_and_as_text_whatever_it_was(void **state)
{
  struct world world;
  struct node *a = begin(&world,
                         "agent.on('go/1.0/now', function(message)\n"
                         "  if message.body.n == 1 then log.info('a\\xff\\xc3z') end\n"
                         "  if message.body.n == 2 then log.info(('x'):rep(8191) .. 'ä') end\n"
                         "  if message.body.n == 3 then log.info('') end\n"
                         "  if message.body.n == 4 then error('raised \\xff') end\n"
                         "end)",
                         (struct hgl_agent_limits){0});
  struct seen seen = {0};
  struct hgl_watcher watcher = {.event = see, .user = &seen};
  hgl_host_watch(a->host, &watcher);
  go(a, 1);
  assert_string_equal(seen.text, "a\xef\xbf\xbd\xef\xbf\xbdz");
  go(a, 2);
  assert_int_equal(strlen(seen.text), 8191 + 3 + 4);
  go(a, 3);
  assert_string_equal(seen.text, "");
  assert_int_equal(seen.count, 3);
  go(a, 4);
  assert_non_null(strstr(seen.text, "raised \xef\xbf\xbd"));
  json_t *agents, *agent;
  struct hgl_err err;
  size_t index, whole = 0;
  assert_ok(hgl_host_list_agents(a->host, &agents, &err));
  json_array_foreach(agents, index, agent) whole += json_is_object(agent);
  assert_int_equal(whole, 3);
  json_decref(agents);
  hgl_host_unwatch(a->host, &watcher);
  world_deinit(&world);
}

/* ---- timers ---- */

static const char clockmaker[] =
    "agent.on('go/1.0/now', function(message)\n"
    "  local set, last = 0, nil\n"
    "  for i = 1, message.body.n do\n"
    "    local ok, why, code = agent.after('ring', '1h', ('x'):rep(100), { key = 'k' .. i })\n"
    "    if code then last = code else set = set + 1 end\n"
    "  end\n"
    "  log.info('set ' .. set .. ' ' .. tostring(last))\n"
    "end)\n"
    "agent.on_timer('ring', function() end)\n";

static void an_agent_has_as_many_timers_as_it_may(void **state)
{
  struct world world;
  struct node *a = begin(&world, clockmaker, (struct hgl_agent_limits){.timers = 4});
  go(a, 4);
  assert_true(world_logged(&world, "set 4 nil"));
  go(a, 5); /* the same again, and one more */
  assert_true(world_logged(&world, "set 4 limit"));
  world_deinit(&world);
}

static void the_values_of_timers_are_bounded_in_bytes(void **state)
{
  struct world world;
  struct node *a = begin(&world, clockmaker, (struct hgl_agent_limits){.timer_bytes = 306});
  go(a, 3); /* each takes two bytes more than its text */
  assert_true(world_logged(&world, "set 3 nil"));
  world_deinit(&world);
  a = begin(&world, clockmaker, (struct hgl_agent_limits){.timer_bytes = 305});
  go(a, 3);
  assert_true(world_logged(&world, "set 2 limit"));
  world_deinit(&world);
}

/* ---- dialogues ---- */

#define OPENER                                                                                     \
  "agent.protocol { name = 'open', version = '1.0', messages = {\n"                                \
  "  begin = { replies = { 'next' } }, next = {} } }\n"                                            \
  "agent.on('go/1.0/now', function(message)\n"                                                     \
  "  local opened, last = 0, nil\n"                                                                \
  "  for i = 1, message.body.n do\n"                                                               \
  "    local id, why, code = agent.send('sink', 'open/1.0/begin', {})\n"                           \
  "    if id then opened = opened + 1 else last = code end\n"                                      \
  "  end\n"                                                                                        \
  "  log.info('opened ' .. opened .. ' ' .. tostring(last))\n"                                     \
  "end)\n"

static void an_agent_has_as_many_dialogues_as_it_may(void **state)
{
  static const struct hgl_agent_limits limits[] = {{.dialogues = 3}, {.dialogues_per_peer = 3}};
  for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
    struct world world;
    struct node *a = begin(&world, OPENER, limits[i]);
    go(a, 3);
    assert_true(world_logged(&world, "opened 3 nil"));
    go(a, 1);
    assert_true(world_logged(&world, "opened 0 limit"));
    world_deinit(&world);
  }
}

/* ---- mailbox bytes of one sender, state ---- */

static void one_sender_has_only_its_share_of_the_bytes(void **state)
{
  struct world world;
  world_init(&world, 1);
  struct node *a = world_node(&world);
  world_agent(a, "operator", "", NULL);
  world_agent_with(
      a, "busy", "agent.on('x/1.0/y', function() agent.sleep '1h' end)",
      (struct hgl_agent_config){.limits = {.runs_max = 1, .mailbox_bytes_per_sender = 4000}});
  static const char sender[] =
      "agent.on('go/1.0/now', function(message)\n"
      "  for i = 1, message.body.n do agent.send('busy', 'x/1.0/y', { ('x'):rep(1000) }) end\n"
      "end)\n"
      "agent.on_undelivered(function(m, why, code) log.info(agent.name .. ' ' .. code) end)\n";
  world_agent(a, "x", sender, NULL);
  world_agent(a, "other", sender, NULL);
  world_run(&world);
  go(a, 8);
  assert_int_equal(world_count_logged(&world, "x mailbox_full"), 5);
  world_say(a, "other", "go/1.0/now", "{\"n\":1}");
  world_run(&world);
  assert_false(world_logged(&world, "other mailbox_full"));
  world_deinit(&world);
}

static void the_state_of_an_agent_takes_as_much_as_it_may(void **state)
{
  struct world world;
  struct node *a = begin(&world,
                         "agent.on('go/1.0/now', function(message)\n"
                         "  state.text = ('x'):rep(message.body.n)\n"
                         "end)\n"
                         "agent.on('report/1.0/ask', function(m)\n"
                         "  m:reply('is', { size = #(state.text or '') })\n"
                         "end)",
                         (struct hgl_agent_limits){.state_bytes = 10000});
  go(a, 9000);
  assert_int_equal(world_number(a, "x", "report/1.0/ask", "size"), 9000);
  go(a, 10001);
  assert_true(world_logged(&world, "its limit is 10000"));
  assert_int_equal(world_number(a, "x", "report/1.0/ask", "size"), 9000);
  world_deinit(&world);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_is_not_set_has_its_default_and_what_is_set_stays),
      cmocka_unit_test(the_page_for_writers_names_every_limit_with_its_default),
      cmocka_unit_test(a_bucket_holds_one_second_and_fills_again),
      cmocka_unit_test(an_agent_says_as_many_messages_a_second_as_it_may),
      cmocka_unit_test(what_a_raise_took_back_was_not_said),
      cmocka_unit_test(a_question_past_the_limit_is_answered_with_it),
      cmocka_unit_test(the_asker_is_told_of_a_failed_handler_whatever_the_agent_has_said),
      cmocka_unit_test(an_agent_writes_as_many_lines_as_it_may_and_the_rest_is_said_once),
      cmocka_unit_test(the_log_is_bounded_in_bytes_too),
      cmocka_unit_test(a_line_is_shown_cut_and_as_text_whatever_it_was),
      cmocka_unit_test(an_agent_has_as_many_timers_as_it_may),
      cmocka_unit_test(the_values_of_timers_are_bounded_in_bytes),
      cmocka_unit_test(an_agent_has_as_many_dialogues_as_it_may),
      cmocka_unit_test(one_sender_has_only_its_share_of_the_bytes),
      cmocka_unit_test(the_state_of_an_agent_takes_as_much_as_it_may),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
