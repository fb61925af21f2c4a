/* The topics dialogues and dialogue. */
#include "feed_fixture.h"

static const char seller[] =
    "agent.protocol { name = 'deal', version = '1.0', messages = {\n"
    "  ask = { replies = { 'offer' } }, offer = { replies = { 'take' } }, take = {} } }\n"
    "agent.on('deal/1.0/ask', function(m)\n"
    "  if m.body.what == 'refuse' then return m:refuse('closed') end\n"
    "  state.ref = m:ref()\n"
    "  agent.after('later', '3s')\n"
    "end)\n"
    "agent.on_timer('later', function() agent.reply(state.ref, 'offer', {}) end)\n"
    "agent.on('deal/1.0/take', function() end)\n";
static const char buyer[] =
    "agent.protocol { name = 'deal', version = '1.0', messages = {\n"
    "  ask = { replies = { 'offer' } }, offer = { replies = { 'take' } }, take = {} } }\n"
    "agent.on('go/1.0/now', function(m) agent.send('seller', 'deal/1.0/ask', m.body) end)\n"
    "agent.on('deal/1.0/offer', function(m) m:reply('take', {}) end)\n";

static void begin(struct scene *scene)
{
  scene_open(scene);
  world_agent(scene->node, "operator", "", NULL);
  world_agent(scene->node, "seller", seller, NULL);
  world_agent(scene->node, "buyer", buyer, NULL);
  pass(scene, 100);
}

static const json_t *dialogue_at(const json_t *event, size_t index)
{
  const json_t *dialogue = json_array_get(json_object_get(event, "dialogues"), index);
  assert_non_null(dialogue);
  return dialogue;
}

static void the_list_follows_and_is_silent_while_nothing_happens(void **state)
{
  struct scene scene;
  begin(&scene);
  struct viewer *viewer = join(&scene, 0);
  subscribe(viewer, "{'topic':'dialogues','as':'d','protocol':'deal'}");
  pass(&scene, 100);
  assert_int_equal(json_array_size(json_object_get(latest(viewer), "dialogues")), 0);
  world_say(scene.node, "buyer", "go/1.0/now", NULL);
  pass(&scene, 1500);
  const json_t *event = latest(viewer);
  assert_true(is_whole(event));
  assert_string_equal(text(dialogue_at(event, 0), "state"), "open");
  pass(&scene, 4000);
  assert_string_equal(text(dialogue_at(latest(viewer), 0), "state"), "ended");
  assert_int_equal(integer(dialogue_at(latest(viewer), 0), "messages"), 3);
  forget_events(viewer);
  pass(&scene, 20000);
  assert_int_equal(events_of(viewer), 0);
  scene_close(&scene);
}

static void one_dialogue_is_followed_message_by_message(void **state)
{
  struct scene scene;
  char request[256];
  begin(&scene);
  struct viewer *viewer = join(&scene, 0);
  subscribe(viewer, "{'topic':'dialogues','as':'d','protocol':'deal'}");
  world_say(scene.node, "buyer", "go/1.0/now", NULL);
  pass(&scene, 1500);
  const json_t *dialogue = dialogue_at(latest(viewer), 0);
  snprintf(request, sizeof request,
           "{'topic':'dialogue','as':'one','agent':'buyer','peer':'seller','thid':'%s'}",
           text(dialogue, "thid"));
  assert_ok(try_unsubscribe(viewer, "{'as':'d'}"));
  subscribe(viewer, request);
  pass(&scene, 600);
  assert_int_equal(json_array_size(json_object_get(latest(viewer), "messages")), 1);
  pass(&scene, 4000);
  const json_t *event = latest(viewer);
  assert_int_equal(json_array_size(json_object_get(event, "messages")), 3);
  assert_string_equal(text(json_object_get(event, "dialogue"), "state"), "ended");
  size_t told = events_of(viewer);
  assert_in_range(told, 2, 8);
  pass(&scene, 20000);
  assert_int_equal(events_of(viewer), told);
  scene_close(&scene);
}

static void a_second_viewer_gets_the_whole_at_once(void **state)
{
  struct scene scene;
  begin(&scene);
  struct viewer *one = join(&scene, 0), *two = join(&scene, 1);
  subscribe(one, "{'topic':'dialogues','as':'d','state':'failed'}");
  world_say(scene.node, "buyer", "go/1.0/now", "{\"what\":\"refuse\"}");
  pass(&scene, 1500);
  assert_string_equal(text(dialogue_at(latest(one), 0), "why"),
                      "refused by seller: closed (refused)");
  subscribe(two, "{'topic':'dialogues','as':'x','state':'failed'}");
  pass(&scene, 1500);
  assert_string_equal(text(dialogue_at(latest(two), 0), "cause"), "refused");
  scene_close(&scene);
}

static void what_is_wrong_is_told(void **state)
{
  struct scene scene;
  begin(&scene);
  struct viewer *viewer = join(&scene, 0);
  assert_fails(HGL_INVALID, try_subscribe(viewer, "{'topic':'dialogue','as':'d','agent':'buyer'}"));
  assert_fails(HGL_INVALID, try_subscribe(viewer, "{'topic':'dialogues','as':'d','limit':0}"));
  subscribe(viewer, "{'topic':'dialogue','as':'d','agent':'buyer',"
                    "'thid':'0123456789abcdef0123456789abcdef'}");
  pass(&scene, 600);
  const json_t *error = json_object_get(latest(viewer), "error");
  assert_string_equal(text(error, "code"), "not_found");
  scene_close(&scene);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_list_follows_and_is_silent_while_nothing_happens),
      cmocka_unit_test(one_dialogue_is_followed_message_by_message),
      cmocka_unit_test(a_second_viewer_gets_the_whole_at_once),
      cmocka_unit_test(what_is_wrong_is_told),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
