/* Streams: whoever was skipped ahead is told how much it has not seen. */
#include "feed_fixture.h"

#include "dashboard/log_ring.h"
#include "dashboard/topics.h"

static const char script[] = "agent.on('echo/1.0/say', function(m) end)\n"
                             "agent.on('echo/1.0/other', function(m) end)\n";

static struct scene *open_scene(void)
{
  static struct scene scene;
  scene_open(&scene);
  world_agent(scene.node, "operator", "", NULL);
  world_agent(scene.node, "ann", script, NULL);
  pass(&scene, 100);
  return &scene;
}

static void say(struct scene *scene, int count)
{
  for (int i = 0; i < count; i++) world_say(scene->node, "ann", "echo/1.0/say", "{}");
  pass(scene, 300);
}

static bool says_missed(struct viewer *viewer)
{
  return json_object_get(latest(viewer), "missed");
}

static void messages_that_came_meanwhile_are_counted(void **state)
{
  struct scene *scene = open_scene();
  struct viewer *slow = join(scene, 0), *quick = join(scene, 1);
  subscribe(slow, "{'topic':'messages','as':'m','what':'sent','type':'echo/1.0/say'}");
  subscribe(quick, "{'topic':'messages','as':'m','what':'sent','type':'echo/1.0/say'}");
  pass(scene, 300);
  assert_false(says_missed(slow)); /* it has just come */
  say(scene, 3);
  assert_false(says_missed(slow));
  slow->slow = true;
  for (int i = 0; i < 3; i++) say(scene, 70); /* of each 70, 50 are shown */
  world_say(scene->node, "ann", "echo/1.0/other", "{}");
  assert_false(says_missed(quick));
  slow->slow = false;
  pass(scene, 300);
  assert_true(is_whole(latest(slow)));
  assert_int_equal(size_of(latest(slow), "messages"), 50);
  assert_int_equal(integer(latest(slow), "missed"), 3 * 70 - 50);
  say(scene, 1);
  assert_false(is_whole(latest(slow)));
  assert_false(says_missed(slow));
  scene_close(scene);
}

static void who_has_missed_nothing_is_told_so(void **state)
{
  struct scene *scene = open_scene();
  struct viewer *slow = join(scene, 0);
  subscribe(slow, "{'topic':'messages','as':'m','what':'sent'}");
  pass(scene, 300);
  say(scene, 10);
  slow->slow = true;
  say(scene, 5);
  slow->slow = false;
  pass(scene, 300);
  assert_int_equal(size_of(latest(slow), "messages"), 15); /* of which ten are repeated */
  assert_int_equal(integer(latest(slow), "missed"), 0);
  scene_close(scene);
}

static void lines_that_came_meanwhile_are_counted(void **state)
{
  struct scene *scene = open_scene();
  struct viewer *slow = join(scene, 0);
  struct hgl_log_ring *ring;
  struct hgl_log_ring_line line = {.level = HGL_LOG_INFO, .text = hgl_text("a"), .who = "net"};
  assert_ok(hgl_log_ring_create(&ring, &err));
  assert_ok(hgl_feed_add_topic(scene->feed, &hgl_topic_logs, ring, &err));
  hgl_log_ring_add(ring, &line);
  subscribe(slow, "{'topic':'logs','as':'l','level':'info'}");
  pass(scene, 600);
  assert_int_equal(size_of(latest(slow), "lines"), 1);
  slow->slow = true;
  for (int i = 0; i < 4; i++) {
    for (int k = 0; k < 600; k++) {
      line.level = k % 2 ? HGL_LOG_WARN : HGL_LOG_DEBUG; /* half of them is looked for */
      hgl_log_ring_add(ring, &line);
    }
    pass(scene, 600);
  }
  slow->slow = false;
  pass(scene, 600);
  assert_true(is_whole(latest(slow)));
  size_t shown = size_of(latest(slow), "lines");
  assert_int_equal(shown, HGL_LOG_RING_LINES / 2);
  assert_int_equal(integer(latest(slow), "missed"), 4 * 300 - shown);
  scene_close(scene);
  hgl_log_ring_destroy(ring);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(messages_that_came_meanwhile_are_counted),
      cmocka_unit_test(who_has_missed_nothing_is_told_so),
      cmocka_unit_test(lines_that_came_meanwhile_are_counted),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
