/* The topics of a host in the in-process world: what each tells, and that it keeps telling it. */
#include "feed_fixture.h"

#include "agent/look.h"
#include "dashboard/log_ring.h"
#include "dashboard/topics.h"

static const char echo[] =
    "agent.describe { version = 1, about = 'Says it again' }\n"
    "agent.on('echo/1.0/say', function(m) m:reply('said', m.body) end)\n"
    "agent.on('echo/1.0/raise', function() error 'no' end)\n"
    "agent.on('echo/1.0/deal', function(m)\n"
    "  agent.deal { id = m.body.id, status = m.body.status, role = 'buyer',\n"
    "    service = m.body.service, price = 4 }\n"
    "end)\n"
    "agent.on('echo/1.0/big', function(m)\n"
    "  agent.send('bob', 'echo/1.0/say', { text = ('x'):rep(20000) })\n"
    "end)\n";

static void add(struct scene *scene, const char *name)
{
  world_agent(scene->node, name, echo, NULL);
}

static struct scene *open_scene(void)
{
  static struct scene scene;
  scene_open(&scene);
  world_agent(scene.node, "operator", "", NULL);
  add(&scene, "ann");
  add(&scene, "bob");
  pass(&scene, 100);
  return &scene;
}

/* ---- overview ---- */

static void overview_tells_each_second_what_happened_in_it(void **state)
{
  struct scene *scene = open_scene();
  struct viewer *a = join(scene, 0);
  pass(scene, 5000);
  subscribe(a, "{'topic':'overview','as':'o','history':3}");
  pass(scene, 50);
  assert_int_equal(size_of(latest(a), "samples"), 3);
  world_say(scene->node, "ann", "echo/1.0/say", "{}");
  pass(scene, 2000);
  int64_t handled = 0, sent = 0, deals = 0, seen = 0, time_ms = 0;
  for (size_t i = 1; i < events_of(a); i++) {
    const json_t *event = json_array_get(a->events, i);
    assert_false(is_whole(event));
    for (size_t k = 0; k < size_of(event, "samples"); k++, seen++) {
      const json_t *sample = item(event, "samples", k);
      assert_true(integer(sample, "time_ms") > time_ms);
      time_ms = integer(sample, "time_ms");
      handled += integer(sample, "handled");
      sent += integer(sample, "sent");
      deals += integer(sample, "deals");
      assert_int_equal(integer(sample, "agents"), 2);
    }
  }
  assert_int_equal(seen, 2);
  assert_int_equal(handled, 2); /* the question, and its answer by the operator */
  assert_int_equal(sent, 2);
  assert_int_equal(deals, 0);
  assert_int_equal(integer(json_object_get(latest(a), "totals"), "handled"), 2);
  assert_int_equal(size_of(latest(a), "alarms"), 0);
  scene_close(scene);
}

static const json_t *alarm(const json_t *event, const char *what)
{
  for (size_t i = 0; i < size_of(event, "alarms"); i++)
    if (strcmp(text(item(event, "alarms", i), "what"), what) == 0) return item(event, "alarms", i);
  return NULL;
}

static void alarms_come_stay_since_they_came_and_go(void **state)
{
  struct scene *scene = open_scene();
  struct viewer *a = join(scene, 0);
  subscribe(a, "{'topic':'overview','as':'o'}");
  world_agent_with(scene->node, "cyd", "agent.on_start(function() error 'no' end)",
                   (struct hgl_agent_config){.restart.on_failure = HGL_ON_FAILURE_PARK});
  pass(scene, 60000);
  const json_t *parked = alarm(latest(a), "parked");
  assert_non_null(parked);
  assert_string_equal(text(parked, "level"), "error");
  assert_string_equal(text(parked, "agent"), "cyd");
  int64_t since_ms = integer(parked, "since_ms");
  pass(scene, 3000);
  parked = alarm(latest(a), "parked");
  assert_non_null(parked);
  assert_int_equal(integer(parked, "since_ms"), since_ms);
  assert_ok(hgl_host_remove_agent(scene->node->host, "cyd", false, &err));
  pass(scene, 3000);
  assert_null(alarm(latest(a), "parked"));
  hgl_store_set_space(scene->node->store, 1 << 20);
  pass(scene, 5000);
  assert_non_null(alarm(latest(a), "disk_low"));
  scene_close(scene);
}

/* The world would wait for the store. */
static void pass_alone(struct scene *scene, int64_t ms)
{
  for (; ms > 0; ms -= 50) {
    hgl_clock_advance(&scene->world.time, 50);
    hgl_host_tick(scene->node->host);
    hgl_feed_turn(scene->feed);
  }
}

static void a_store_that_does_not_answer_is_an_alarm(void **state)
{
  struct scene *scene = open_scene();
  struct viewer *a = join(scene, 0), *b = join(scene, 1);
  subscribe(a, "{'topic':'overview','as':'o'}");
  hgl_store_hold(scene->node->store, true);
  for (int i = 0; i < 8; i++) {
    world_say(scene->node, "ann", "echo/1.0/say", "{}");
    pass_alone(scene, 1000);
  }
  const json_t *stalled = alarm(latest(a), "store_stalled");
  assert_non_null(stalled);
  assert_string_equal(text(stalled, "level"), "error");
  assert_string_equal(text(json_object_get(latest(a), "totals"), "held"), "store_stalled");
  subscribe(b, "{'topic':'agents','as':'a','status':'held'}");
  pass_alone(scene, 50);
  assert_int_equal(integer(latest(b), "matched"), 3);
  hgl_store_hold(scene->node->store, false);
  pass(scene, 3000);
  subscribe(a, "{'topic':'overview','as':'o'}");
  pass(scene, 1000);
  assert_null(alarm(latest(a), "store_stalled"));
  assert_ok(hgl_host_stop_agent(scene->node->host, "ann", &err));
  pass(scene, 2000);
  const json_t *sample = item(latest(a), "samples", 0);
  assert_int_equal(integer(sample, "stopped"), 1);
  assert_int_equal(integer(sample, "agents"), 1);
  scene_close(scene);
}

static void fail_model(void *user, hgl_feed_trouble say, void *to)
{
  if (*(bool *)user) say(to, "model_failed", true, "market", "2 calls failed");
}

static void what_the_host_object_does_not_know_is_asked_for(void **state)
{
  struct scene *scene = open_scene();
  bool fails = true;
  const struct hgl_feed_config config = {.host = scene->node->host,
                                         .clock = &scene->world.clock,
                                         .random = &scene->world.random,
                                         .troubles = fail_model,
                                         .user = &fails};
  hgl_feed_destroy(scene->feed);
  scene->feed = NULL;
  assert_ok(hgl_feed_create(&config, &scene->feed, &err));
  struct viewer *a = join(scene, 0);
  subscribe(a, "{'topic':'overview','as':'o'}");
  pass(scene, 2000);
  const json_t *failed = alarm(latest(a), "model_failed");
  assert_non_null(failed);
  assert_string_equal(text(failed, "model"), "market");
  assert_string_equal(text(failed, "text"), "2 calls failed");
  fails = false;
  pass(scene, 2000);
  assert_null(alarm(latest(a), "model_failed"));
  scene_close(scene);
}

/* ---- agents ---- */

static void agents_are_filtered_sorted_and_cut(void **state)
{
  struct scene *scene = open_scene();
  struct viewer *a = join(scene, 0);
  char name[16];
  for (int i = 1; i <= 12; i++) {
    snprintf(name, sizeof name, "cyd-%d", i);
    add(scene, name);
  }
  world_say(scene->node, "cyd-7", "echo/1.0/say", "{}");
  pass(scene, 100);
  subscribe(a, "{'topic':'agents','as':'a','filter':'CYD','limit':3,'offset':1}");
  pass(scene, 50);
  assert_int_equal(size_of(latest(a), "agents"), 3);
  assert_int_equal(integer(latest(a), "matched"), 12);
  assert_int_equal(integer(latest(a), "total"), 15); /* with the operator */
  assert_string_equal(text(item(latest(a), "agents", 0), "name"), "cyd-2");
  assert_string_equal(text(item(latest(a), "agents", 2), "name"), "cyd-4");
  subscribe(a, "{'topic':'agents','as':'a','sort':'handled','descending':true,'limit':1,"
               "'filter':'says it'}");
  pass(scene, 500);
  assert_string_equal(text(item(latest(a), "agents", 0), "name"), "cyd-7");
  assert_true(json_number_value(json_object_get(item(latest(a), "agents", 0), "cpu_ms")) >= 0);
  subscribe(a, "{'topic':'agents','as':'a','status':'paused'}");
  pass(scene, 500);
  assert_int_equal(size_of(latest(a), "agents"), 0);
  assert_ok(hgl_host_pause_agent(scene->node->host, "bob", &err));
  pass(scene, 1100);
  assert_int_equal(size_of(latest(a), "agents"), 1);
  assert_fails(HGL_INVALID, try_subscribe(a, "{'topic':'agents','as':'b','sort':'age'}"));
  assert_fails(HGL_INVALID, try_subscribe(a, "{'topic':'agents','as':'b','limit':201}"));
  scene_close(scene);
}

static void a_walk_stands_it_when_agents_go(void **state)
{
  struct scene *scene = open_scene();
  struct hgl_agent_walk walk;
  struct hgl_agent_figures agent;
  hgl_agent_walk_begin(&walk, scene->node->host);
  assert_true(hgl_agent_walk_next(&walk, &agent)); /* the operator */
  assert_string_equal(agent.name, "operator");
  assert_ok(hgl_host_remove_agent(scene->node->host, "ann", false, &err));
  pass(scene, 200);
  add(scene, "cyd");
  assert_true(hgl_agent_walk_next(&walk, &agent));
  assert_string_equal(agent.name, "bob");
  assert_true(hgl_agent_walk_next(&walk, &agent));
  assert_string_equal(agent.name, "cyd");
  assert_false(hgl_agent_walk_next(&walk, &agent));
  hgl_agent_walk_end(&walk);
  scene_close(scene);
}

static void one_agent_is_told_with_what_it_may_until_it_is_gone(void **state)
{
  struct scene *scene = open_scene();
  struct viewer *a = join(scene, 0);
  const char *const grants[] = {"read=/proc/loadavg", NULL};
  world_agent(scene->node, "cyd", echo, grants);
  assert_fails(HGL_NOT_FOUND, try_subscribe(a, "{'topic':'agent','as':'a','name':'dan'}"));
  subscribe(a, "{'topic':'agent','as':'a','name':'cyd'}");
  pass(scene, 100);
  const json_t *agent = json_object_get(latest(a), "agent");
  assert_string_equal(text(agent, "name"), "cyd");
  assert_string_equal(json_string_value(item(agent, "grants", 0)), grants[0]);
  assert_int_equal(integer(json_object_get(agent, "limits"), "timers"), 1000);
  assert_string_equal(text(agent, "status"), "running");
  assert_ok(hgl_host_remove_agent(scene->node->host, "cyd", false, &err));
  pass(scene, 1500);
  assert_string_equal(text(json_object_get(latest(a), "error"), "code"), "not_found");
  scene_close(scene);
}

/* ---- messages ---- */

static void messages_are_shown_as_they_pass(void **state)
{
  struct scene *scene = open_scene();
  struct viewer *a = join(scene, 0);
  subscribe(a, "{'topic':'messages','as':'m','agent':'ann'}");
  subscribe(a, "{'topic':'messages','as':'t','type':'echo/1.0/said','what':'sent'}");
  pass(scene, 50);
  forget_events(a);
  world_say(scene->node, "ann", "echo/1.0/say", "{\"text\":\"hello\"}");
  world_say(scene->node, "bob", "echo/1.0/say", "{}");
  pass(scene, 300);
  assert_int_equal(events_of(a), 2);
  for (size_t i = 0; i < 2; i++) {
    const json_t *event = json_array_get(a->events, i);
    bool of_ann = strcmp(text(event, "as"), "m") == 0;
    assert_int_equal(size_of(event, "messages"), of_ann ? 3 : 2);
    assert_int_equal(integer(event, "skipped"), 0);
    const json_t *message = item(event, "messages", 0);
    assert_string_equal(text(message, "type"), of_ann ? "echo/1.0/say" : "echo/1.0/said");
    assert_string_equal(text(message, "what"), "sent");
    if (of_ann) assert_string_equal(text(json_object_get(message, "body"), "text"), "hello");
    if (of_ann) assert_string_equal(text(message, "to_name"), "ann");
    assert_true(integer(message, "size") > 50);
  }
  scene_close(scene);
}

static void of_many_messages_the_surplus_is_counted(void **state)
{
  struct scene *scene = open_scene();
  struct viewer *a = join(scene, 0), *b = join(scene, 1);
  subscribe(a, "{'topic':'messages','as':'m','what':'sent'}");
  pass(scene, 300);
  forget_events(a);
  for (int i = 0; i < 70; i++) world_say(scene->node, "ann", "echo/1.0/say", "{}");
  pass(scene, 300);
  assert_int_equal(events_of(a), 1);
  assert_int_equal(size_of(latest(a), "messages"), 50);
  assert_int_equal(integer(latest(a), "skipped"), 90);
  subscribe(b, "{'topic':'messages','as':'m','what':'sent'}");
  pass(scene, 300);
  assert_int_equal(size_of(latest(b), "messages"), 50);
  scene_close(scene);
}

static void a_large_body_is_left_out(void **state)
{
  struct scene *scene = open_scene();
  struct viewer *a = join(scene, 0);
  subscribe(a, "{'topic':'messages','as':'m','agent':'ann','peer':'bob','what':'sent'}");
  world_say(scene->node, "ann", "echo/1.0/big", NULL);
  pass(scene, 300);
  const json_t *message = item(latest(a), "messages", 0);
  assert_true(json_is_null(json_object_get(message, "body")));
  assert_true(integer(message, "body_left_out") > 20000);
  assert_true(a->size_last < 4096 + 4 * 8192);
  scene_close(scene);
}

static void threads_and_strangers_can_be_asked_for(void **state)
{
  struct scene *scene = open_scene();
  struct viewer *a = join(scene, 0);
  char request[256];
  snprintf(request, sizeof request, "{'topic':'messages','as':'m','peer':'%s'}",
           world_did(scene->node, "bob"));
  subscribe(a, request);
  subscribe(a, "{'topic':'messages','as':'t','thread':'00112233445566778899aabbccddeeff'}");
  assert_fails(HGL_MALFORMED, try_subscribe(a, "{'topic':'messages','as':'x','thread':'00'}"));
  assert_fails(HGL_NOT_FOUND, try_subscribe(a, "{'topic':'messages','as':'x','agent':'dan'}"));
  pass(scene, 50);
  forget_events(a);
  world_say(scene->node, "ann", "echo/1.0/say", NULL);
  world_say(scene->node, "bob", "echo/1.0/say", NULL);
  pass(scene, 300);
  assert_int_equal(events_of(a), 1);
  assert_int_equal(size_of(latest(a), "messages"), 3);
  scene_close(scene);
}

static void what_no_message_and_no_agent_ever_is_is_refused(void **state)
{
  struct scene *scene = open_scene();
  struct viewer *a = join(scene, 0);
  assert_fails(HGL_INVALID, try_subscribe(a, "{'topic':'messages','as':'m','what':'send'}"));
  assert_string_equal(err.message, "\"what\" is never \"send\"; known: sent, received, handled");
  assert_fails(HGL_INVALID, try_subscribe(a, "{'topic':'agents','as':'a','status':'sleeping'}"));
  subscribe(a, "{'topic':'messages','as':'m','what':'handled'}");
  subscribe(a, "{'topic':'agents','as':'a','status':''}");
  scene_close(scene);
}

/* ---- deals ---- */

static void say_deal(struct scene *scene, const char *agent, const char *id, const char *status)
{
  char body[128];
  snprintf(body, sizeof body, "{\"id\":\"%s\",\"status\":\"%s\",\"service\":\"s-%s\"}", id, status,
           id);
  world_say(scene->node, agent, "echo/1.0/deal", body);
  pass(scene, 100);
}

static void deals_are_read_once_and_then_heard_of(void **state)
{
  struct scene *scene = open_scene();
  struct viewer *a = join(scene, 0), *b = join(scene, 1);
  char id[8];
  for (int i = 0; i < 50; i++) {
    snprintf(id, sizeof id, "d%d", i);
    say_deal(scene, "ann", id, "agreed");
  }
  subscribe(a, "{'topic':'deals','as':'d'}");
  subscribe(a, "{'topic':'deals','as':'s','service':'s-d7'}");
  pass(scene, 200);
  assert_int_equal(events_of(a), 2);
  for (size_t i = 0; i < 2; i++) {
    const json_t *event = json_array_get(a->events, i);
    bool all = strcmp(text(event, "as"), "d") == 0;
    assert_int_equal(size_of(event, "deals"), all ? 50 : 1);
    assert_string_equal(text(item(event, "deals", 0), "id"), all ? "d49" : "d7");
  }
  forget_events(a);
  say_deal(scene, "ann", "d7", "delivered");
  say_deal(scene, "bob", "new", "agreed");
  pass(scene, 600);
  assert_int_equal(events_of(a), 2);
  for (size_t i = 0; i < 2; i++) {
    const json_t *event = json_array_get(a->events, i);
    bool all = strcmp(text(event, "as"), "d") == 0;
    assert_int_equal(size_of(event, "deals"), all ? 2 : 1);
    assert_string_equal(text(item(event, "deals", 0), "status"), "delivered");
    assert_true(integer(item(event, "deals", 0), "time_ms") > 0);
  }
  /* Whoever comes now is told of all, each once and as it is. */
  subscribe(b, "{'topic':'deals','as':'d'}");
  pass(scene, 200);
  assert_int_equal(size_of(latest(b), "deals"), 51);
  assert_string_equal(text(item(latest(b), "deals", 0), "id"), "new");
  assert_string_equal(text(item(latest(b), "deals", 1), "id"), "d7");
  scene_close(scene);
}

static void of_many_deals_it_is_said_that_there_are_older_ones(void **state)
{
  struct scene *scene = open_scene();
  struct viewer *a = join(scene, 0), *b = join(scene, 1);
  char id[8];
  subscribe(a, "{'topic':'deals','as':'d'}");
  pass(scene, 100);
  assert_false(json_is_true(json_object_get(latest(a), "more")));
  for (int i = 0; i < 201; i++) {
    snprintf(id, sizeof id, "d%d", i);
    say_deal(scene, "ann", id, "agreed");
  }
  subscribe(b, "{'topic':'deals','as':'d'}");
  pass(scene, 200);
  assert_int_equal(size_of(latest(b), "deals"), 200);
  assert_true(json_is_true(json_object_get(latest(b), "more")));
  scene_close(scene);
}

static void lists_leave_out_items_that_do_not_fit(void **state)
{
  enum { ITEMS = 5, ITEM_SIZE = HGL_EVENT_LIST_SIZE_MAX / 3 + 1 };
  static char words[ITEM_SIZE + 1];
  struct hgl_event event = {0};
  json_t *list = json_array();
  memset(words, 'x', ITEM_SIZE);
  for (int i = 0; i < ITEMS; i++) {
    words[0] = (char)('0' + i);
    assert_int_equal(json_array_append_new(list, json_string(words)), 0);
  }
  for (int latest = 0; latest < 2; latest++) {
    hgl_buf_init(&event.text, HGL_FEED_EVENT_SIZE_MAX);
    assert_int_equal(hgl_event_put_some(&event, "l", list, latest), ITEMS - 2);
    assert_ok(hgl_buf_check(&event.text, &err));
    assert_memory_equal(event.text.data, latest ? ",\"l\":[\"3x" : ",\"l\":[\"0x", 9);
    hgl_buf_deinit(&event.text);
  }
  json_decref(list);
}

/* ---- network ---- */

static void the_network_shows_who_speaks_with_whom(void **state)
{
  struct scene *scene = open_scene();
  struct viewer *a = join(scene, 0), *b = join(scene, 1);
  world_say(scene->node, "ann", "echo/1.0/say", NULL);
  pass(scene, 100);
  subscribe(a, "{'topic':'network','as':'n'}");
  pass(scene, 50);
  json_t *whole = latest(a);
  const json_t *ann = named(whole, "nodes", "ann"), *bob = named(whole, "nodes", "bob");
  const json_t *host = named(whole, "nodes", "this host");
  const json_t *operator= named(whole, "nodes", "operator");
  assert_non_null(ann);
  assert_non_null(bob);
  assert_non_null(host);
  assert_non_null(operator);
  assert_int_equal(integer(ann, "host"), integer(host, "id"));
  assert_string_equal(text(ann, "about"), "Says it again");
  assert_string_equal(text(ann, "did"), world_did(scene->node, "ann"));
  assert_int_equal(integer(ann, "handled"), 1);
  assert_int_equal(size_of(whole, "recent"), 1);
  assert_int_equal(size_of(item(whole, "recent", 0), "edges"), 2);
  int64_t id_of_bob = integer(bob, "id"), id_of_operator = integer(operator, "id");
  for (int i = 0; i < 120; i++) world_say(scene->node, "bob", "echo/1.0/say", NULL);
  pass(scene, 500);
  assert_false(is_whole(latest(a)));
  assert_int_equal(size_of(latest(a), "edges"), 2);
  const json_t *edge = item(latest(a), "edges", 0);
  assert_int_equal(json_integer_value(json_array_get(edge, 0)), id_of_operator);
  assert_int_equal(json_integer_value(json_array_get(edge, 1)), id_of_bob);
  assert_int_equal(json_integer_value(json_array_get(edge, 2)), 120);
  assert_string_equal(json_string_value(json_array_get(edge, 3)), "say");
  /* Ids stay, and who goes is named. */
  assert_ok(hgl_host_remove_agent(scene->node->host, "bob", false, &err));
  pass(scene, 500);
  assert_int_equal(size_of(latest(a), "gone"), 1);
  assert_int_equal(json_integer_value(item(latest(a), "gone", 0)), id_of_bob);
  subscribe(b, "{'topic':'network','as':'n'}");
  pass(scene, 200);
  assert_null(named(latest(b), "nodes", "bob"));
  scene_close(scene);
}

static void the_network_names_states_as_they_turn(void **state)
{
  struct scene *scene = open_scene();
  struct viewer *a = join(scene, 0);
  subscribe(a, "{'topic':'network','as':'n'}");
  pass(scene, 1100);
  assert_int_equal(size_of(latest(a), "nodes"), 0);
  assert_ok(hgl_host_pause_agent(scene->node->host, "ann", &err));
  pass(scene, 1000);
  assert_string_equal(text(named(latest(a), "nodes", "ann"), "status"), "paused");
  assert_int_equal(size_of(latest(a), "nodes"), 1);
  scene_close(scene);
}

/* Who speaks is told twice a second; to look at all agents as often would cost as much again. */
static void the_network_looks_at_agents_once_a_second(void **state)
{
  struct scene *scene = open_scene();
  struct viewer *a = join(scene, 0);
  subscribe(a, "{'topic':'network','as':'n'}");
  pass(scene, 50);
  for (int second = 0; second < 3; second++) {
    const char *stands = second % 2 ? "running" : "paused";
    assert_ok((second % 2 ? hgl_host_resume_agent : hgl_host_pause_agent)(scene->node->host, "ann",
                                                                          &err));
    world_say(scene->node, "bob", "echo/1.0/say", NULL);
    pass(scene, 500);
    assert_int_equal(size_of(latest(a), "edges"), 2);
    assert_null(named(latest(a), "nodes", "ann"));
    pass(scene, 500);
    assert_string_equal(text(named(latest(a), "nodes", "ann"), "status"), stands);
  }
  scene_close(scene);
}

static void the_network_tells_when_an_agent_is_no_more_what_it_was(void **state)
{
  static const char offers[] = "agent.describe { version = 1, about = 'Sells' }\n"
                               "agent.offer { service = 'echo', protocol = 'echo/1.0' }\n";
  struct scene *scene = open_scene();
  struct viewer *a = join(scene, 0), *b = join(scene, 1);
  world_agent(scene->node, "shop", offers, NULL);
  subscribe(a, "{'topic':'network','as':'n'}");
  pass(scene, 2100);
  assert_string_equal(text(named(json_array_get(a->events, 0), "nodes", "shop"), "about"), "Sells");
  forget_events(a);
  assert_ok(hgl_host_stop_agent(scene->node->host, "shop", &err));
  pass(scene, 1000);
  const json_t *shop = named(latest(a), "nodes", "shop");
  assert_string_equal(text(shop, "status"), "stopped");
  assert_string_equal(text(shop, "about"), "");
  assert_int_equal(size_of(shop, "services"), 0);
  /* Whoever comes now is told the same, and what is not known is left out. */
  subscribe(b, "{'topic':'network','as':'n'}");
  pass(scene, 200);
  shop = named(latest(b), "nodes", "shop");
  assert_non_null(shop);
  assert_null(json_object_get(shop, "about"));
  scene_close(scene);
}

static void the_network_keeps_to_its_limit_and_to_the_busiest(void **state)
{
  struct scene *scene = open_scene();
  struct viewer *a = join(scene, 0);
  for (int i = 0; i < 3; i++) world_say(scene->node, "bob", "echo/1.0/say", NULL);
  pass(scene, 100);
  subscribe(a, "{'topic':'network','as':'n','limit':2}");
  pass(scene, 50);
  assert_null(named(latest(a), "nodes", "ann"));
  assert_non_null(named(latest(a), "nodes", "bob"));
  assert_int_equal(integer(latest(a), "more"), 1);
  world_say(scene->node, "ann", "echo/1.0/say", NULL);
  pass(scene, 1000);
  assert_int_equal(size_of(latest(a), "edges"), 0); /* of whom not both are shown */
  scene_close(scene);
}

static int64_t tick(void *user)
{
  return ++*(int64_t *)user;
}

/* Whom it looks at, and whom of those it shows: neither takes the loop for long. */
static void a_large_network_is_made_in_slices(void **state)
{
  struct scene *scene = open_scene();
  int64_t now = 0;
  const struct hgl_clock clock = {tick, tick, &now};
  char name[8];
  void *network;
  for (int i = 0; i < 200; i++) {
    snprintf(name, sizeof name, "a%d", i);
    add(scene, name);
  }
  const struct hgl_topic_ask ask = {.host = scene->node->host,
                                    .clock = &clock,
                                    .random = &scene->world.random,
                                    .arguments = json_object()};
  assert_ok(hgl_topic_network.open(&ask, &network, &err));
  size_t slices = 1;
  while (!hgl_topic_network.work(network, 0)) slices++;
  assert_int_equal(slices, 200 / 64 + 200 / 64 + 1);
  hgl_topic_network.close(network);
  json_decref((json_t *)ask.arguments);
  scene_close(scene);
}

/* Who says much of itself takes the view from nobody. */
static void the_network_leaves_out_words_before_nodes(void **state)
{
  enum { COUNT = 700 };
  static const char wordy[] = "agent.describe { version = 1, about = ('\\1'):rep(1000) }\n";
  struct scene *scene = open_scene();
  struct viewer *a = join(scene, 0);
  char name[32];
  for (int i = 0; i < COUNT; i++) {
    snprintf(name, sizeof name, "wordy%d", i);
    world_agent(scene->node, name, wordy, NULL);
  }
  subscribe(a, "{'topic':'network','as':'n'}");
  pass(scene, 500);
  const json_t *event = json_array_get(a->events, 0);
  int with = 0, without = 0;
  for (size_t i = 0; i < size_of(event, "nodes"); i++) {
    const json_t *node = item(event, "nodes", i);
    if (strncmp(text(node, "name"), "wordy", 5) != 0) continue;
    *(json_object_get(node, "about") ? &with : &without) += 1;
  }
  assert_int_equal(with + without, COUNT);
  assert_in_range(with, COUNT / 2, COUNT - 1);
  scene_close(scene);
}

static void other_hosts_and_their_agents_are_in_the_network(void **state)
{
  struct scene *scene = open_scene();
  struct node *other = world_node(&scene->world);
  struct viewer *a = join(scene, 0);
  char source[512];
  world_agent(other, "cyd", echo, NULL);
  world_link(scene->node, other);
  pass(scene, 1000);
  subscribe(a, "{'topic':'network','as':'n'}");
  subscribe(a, "{'topic':'peers','as':'p'}");
  pass(scene, 100);
  snprintf(source, sizeof source,
           "agent.on_start(function() agent.send('%s', 'echo/1.0/say', {}) end)\n"
           "agent.on('echo/1.0/said', function() end)\n",
           world_did(other, "cyd"));
  world_agent(scene->node, "dan", source, NULL);
  pass(scene, 1100);
  const json_t *stranger = NULL, *host = NULL;
  for (size_t i = 0; i < events_of(a); i++) {
    const json_t *event = json_array_get(a->events, i);
    if (strcmp(text(event, "as"), "n") != 0) continue;
    for (size_t k = 0; k < size_of(event, "nodes"); k++) {
      const json_t *node = item(event, "nodes", k);
      if (json_is_true(json_object_get(node, "here"))) continue;
      if (strcmp(text(node, "kind"), "host") == 0) host = node;
      if (strcmp(text(node, "kind"), "agent") == 0) stranger = node;
    }
  }
  assert_non_null(host);
  assert_non_null(stranger);
  assert_string_equal(text(host, "status"), "linked");
  assert_int_equal(integer(stranger, "host"), integer(host, "id"));
  assert_string_equal(text(stranger, "did"), world_did(other, "cyd"));
  scene_close(scene);
}

static void peers_are_told_those_first_that_are_linked(void **state)
{
  struct scene *scene = open_scene();
  struct node *linked = world_node(&scene->world), *away = world_node(&scene->world);
  struct viewer *a = join(scene, 0);
  world_link(scene->node, away);
  pass(scene, 200);
  world_unlink(scene->node, away);
  world_link(scene->node, linked);
  pass(scene, 200);
  subscribe(a, "{'topic':'peers','as':'p'}");
  pass(scene, 100);
  assert_true(size_of(latest(a), "peers") >= 1);
  assert_int_equal(integer(latest(a), "linked"), 1);
  assert_true(json_is_true(json_object_get(item(latest(a), "peers", 0), "linked")));
  scene_close(scene);
}

/* ---- logs ---- */

static void write_line(struct hgl_log_ring *ring, enum hgl_log_level level, const char *agent,
                       const char *words, const char *fields)
{
  const struct hgl_log_ring_line line = {.time_ms = 5,
                                         .level = level,
                                         .agent = agent != NULL,
                                         .who = agent ? agent : "net",
                                         .text = hgl_text(words),
                                         .fields = hgl_text(fields)};
  hgl_log_ring_add(ring, &line);
}

static void logs_come_with_what_was_before(void **state)
{
  struct scene *scene = open_scene();
  struct viewer *a = join(scene, 0);
  struct hgl_log_ring *ring;
  assert_ok(hgl_log_ring_create(&ring, &err));
  assert_ok(hgl_feed_add_topic(scene->feed, &hgl_topic_logs, ring, &err));
  write_line(ring, HGL_LOG_INFO, NULL, "linked", "");
  write_line(ring, HGL_LOG_WARN, "ann", "<img onerror=alert(1)>\xff\"", "{\"price\":4}");
  subscribe(a, "{'topic':'logs','as':'l'}");
  pass(scene, 50);
  assert_int_equal(size_of(latest(a), "lines"), 2);
  const json_t *line = item(latest(a), "lines", 1);
  assert_string_equal(text(line, "text"), "<img onerror=alert(1)>?\"");
  assert_string_equal(text(line, "agent"), "ann");
  assert_string_equal(text(line, "level"), "warn");
  assert_int_equal(integer(json_object_get(line, "fields"), "price"), 4);
  assert_int_equal(integer(line, "order"), 2);
  assert_string_equal(text(item(latest(a), "lines", 0), "module"), "net");
  forget_events(a);
  pass(scene, 2000);
  assert_int_equal(events_of(a), 0);
  for (int i = 0; i < 500; i++) write_line(ring, HGL_LOG_DEBUG, NULL, "again", "");
  pass(scene, 600);
  assert_int_equal(events_of(a), 1);
  assert_int_equal(size_of(latest(a), "lines"), 200);
  assert_int_equal(integer(latest(a), "skipped"), 300);
  assert_int_equal(integer(item(latest(a), "lines", 199), "order"), 502);
  subscribe(a, "{'topic':'logs','as':'l','level':'info','text':'IMG'}");
  pass(scene, 600);
  assert_int_equal(size_of(latest(a), "lines"), 1);
  assert_fails(HGL_INVALID, try_subscribe(a, "{'topic':'logs','as':'l','level':'loud'}"));
  scene_close(scene);
  hgl_log_ring_destroy(ring);
}

static void of_long_lines_there_are_as_many_as_an_event_has_room_for(void **state)
{
  struct scene *scene = open_scene();
  struct viewer *a = join(scene, 0);
  struct hgl_log_ring *ring;
  char words[HGL_LOG_RING_TEXT_SIZE];
  memset(words, 1, sizeof words - 1); /* each is \u0001 */
  words[sizeof words - 1] = 0;
  assert_ok(hgl_log_ring_create(&ring, &err));
  assert_ok(hgl_feed_add_topic(scene->feed, &hgl_topic_logs, ring, &err));
  for (int i = 0; i < HGL_LOG_RING_LINES; i++) write_line(ring, HGL_LOG_INFO, "ann", words, "");
  subscribe(a, "{'topic':'logs','as':'l'}");
  pass(scene, 50);
  assert_null(json_object_get(latest(a), "error"));
  size_t told = size_of(latest(a), "lines");
  assert_in_range(told, 300, HGL_LOG_RING_LINES - 1);
  assert_int_equal(integer(latest(a), "skipped"), HGL_LOG_RING_LINES - told);
  assert_int_equal(integer(item(latest(a), "lines", told - 1), "order"), HGL_LOG_RING_LINES);
  scene_close(scene);
  hgl_log_ring_destroy(ring);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(overview_tells_each_second_what_happened_in_it),
      cmocka_unit_test(alarms_come_stay_since_they_came_and_go),
      cmocka_unit_test(a_store_that_does_not_answer_is_an_alarm),
      cmocka_unit_test(what_the_host_object_does_not_know_is_asked_for),
      cmocka_unit_test(agents_are_filtered_sorted_and_cut),
      cmocka_unit_test(a_walk_stands_it_when_agents_go),
      cmocka_unit_test(one_agent_is_told_with_what_it_may_until_it_is_gone),
      cmocka_unit_test(messages_are_shown_as_they_pass),
      cmocka_unit_test(of_many_messages_the_surplus_is_counted),
      cmocka_unit_test(a_large_body_is_left_out),
      cmocka_unit_test(threads_and_strangers_can_be_asked_for),
      cmocka_unit_test(what_no_message_and_no_agent_ever_is_is_refused),
      cmocka_unit_test(deals_are_read_once_and_then_heard_of),
      cmocka_unit_test(of_many_deals_it_is_said_that_there_are_older_ones),
      cmocka_unit_test(lists_leave_out_items_that_do_not_fit),
      cmocka_unit_test(the_network_shows_who_speaks_with_whom),
      cmocka_unit_test(the_network_names_states_as_they_turn),
      cmocka_unit_test(the_network_looks_at_agents_once_a_second),
      cmocka_unit_test(the_network_tells_when_an_agent_is_no_more_what_it_was),
      cmocka_unit_test(the_network_keeps_to_its_limit_and_to_the_busiest),
      cmocka_unit_test(a_large_network_is_made_in_slices),
      cmocka_unit_test(the_network_leaves_out_words_before_nodes),
      cmocka_unit_test(other_hosts_and_their_agents_are_in_the_network),
      cmocka_unit_test(peers_are_told_those_first_that_are_linked),
      cmocka_unit_test(logs_come_with_what_was_before),
      cmocka_unit_test(of_long_lines_there_are_as_many_as_an_event_has_room_for),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
