/* Channels: who shares them, when they beat, what becomes of those who do not read. */
#include "feed_fixture.h"

/* A topic that counts: how often it was opened, asked for each kind of event, closed. */
struct counting {
  int opened, closed, wholes, changes, slices;
  int number;                     /* told */
  bool silent;                    /* it has no changes to tell */
  int fails;                      /* code of every event */
  size_t size;                    /* bytes of text in each event */
  int slices_left;                /* of the work for the next beat */
  struct hgl_clock_virtual *time; /* a slice takes 2 ms of it; or NULL */
};

static int count_open(const struct hgl_topic_ask *ask, void **state, struct hgl_err *why)
{
  struct counting *counting = ask->user;
  int64_t step;
  int status = hgl_ask_integer(ask, "step", 1, 9, 1, &step, why);
  if (!status) counting->opened++;
  if (!status) *state = counting;
  return status;
}

static bool count_work(void *state, int64_t until_ns)
{
  struct counting *counting = state;
  counting->slices++;
  if (counting->time) hgl_clock_advance(counting->time, 2);
  return counting->slices_left-- <= 0;
}

static int count_put(struct counting *counting, struct hgl_event *event, struct hgl_err *why)
{
  hgl_event_put(event, "number", json_integer(++counting->number));
  struct hgl_buf *out = hgl_event_begin(event, "text");
  hgl_buf_append_byte(out, '"');
  for (size_t i = 0; i < counting->size; i++) hgl_buf_append_byte(out, 'x');
  hgl_buf_append_byte(out, '"');
  return counting->fails ? hgl_fail(why, counting->fails, "it is gone") : 0;
}

static int count_whole(void *state, struct hgl_event *event, struct hgl_err *why)
{
  struct counting *counting = state;
  counting->wholes++;
  return count_put(counting, event, why);
}

static int count_change(void *state, struct hgl_event *event, struct hgl_err *why)
{
  struct counting *counting = state;
  counting->changes++;
  return counting->silent ? 0 : count_put(counting, event, why);
}

static void count_close(void *state)
{
  ((struct counting *)state)->closed++;
}

static const char *const count_arguments[] = {"step", "unit", NULL};
static const struct hgl_topic count_topic = {.name = "count",
                                             .every_ms = 1000,
                                             .arguments = count_arguments,
                                             .open = count_open,
                                             .work = count_work,
                                             .whole = count_whole,
                                             .change = count_change,
                                             .close = count_close};

static const struct hgl_topic costly_topic = {.name = "costly",
                                              .every_ms = 1000,
                                              .arguments = count_arguments,
                                              .channels_max = 2,
                                              .open = count_open,
                                              .work = count_work,
                                              .whole = count_whole,
                                              .change = count_change,
                                              .close = count_close};

static struct scene *open_counting(struct counting *counting)
{
  static struct scene scene;
  *counting = (struct counting){0};
  scene_open(&scene);
  assert_ok(hgl_feed_add_topic(scene.feed, &count_topic, counting, &err));
  assert_ok(hgl_feed_add_topic(scene.feed, &costly_topic, counting, &err));
  return &scene;
}

static void equal_subscriptions_share_a_channel(void **state)
{
  struct counting counting;
  struct scene *scene = open_counting(&counting);
  struct viewer *a = join(scene, 0), *b = join(scene, 1);
  subscribe(a, "{'topic':'count','as':'a','step':2,'unit':'m','id':1}");
  subscribe(b, "{'call':'subscribe','unit':'m','topic':'count','step':2,'as':'b'}");
  assert_int_equal(counting.opened, 1);
  pass(scene, 3050);
  assert_int_equal(counting.wholes, 1);
  assert_int_equal(events_of(a), 4);
  assert_int_equal(events_of(b), 4);
  assert_int_equal(counting.changes, 3);
  assert_string_equal(text(latest(a), "as"), "a");
  assert_string_equal(text(latest(b), "as"), "b");
  assert_int_equal(integer(latest(a), "number"), integer(latest(b), "number"));
  subscribe(b, "{'topic':'count','as':'other','step':3,'unit':'m'}");
  assert_int_equal(counting.opened, 2);
  subscribe(b, "{'topic':'count','as':'rate','step':2,'unit':'m','every_ms':5000}");
  assert_int_equal(counting.opened, 3);
  hgl_feed_leave(a->viewer);
  assert_int_equal(counting.closed, 0);
  hgl_feed_leave(b->viewer);
  assert_int_equal(counting.closed, 3);
  scene_close(scene);
}

static void the_first_event_is_whole_and_comes_at_once(void **state)
{
  struct counting counting;
  struct scene *scene = open_counting(&counting);
  struct viewer *a = join(scene, 0), *b = join(scene, 1);
  subscribe(a, "{'topic':'count','as':'a','every_ms':60000}");
  hgl_feed_turn(scene->feed);
  assert_int_equal(events_of(a), 1);
  assert_true(is_whole(latest(a)));
  assert_string_equal(text(latest(a), "event"), "count");
  assert_int_equal(integer(latest(a), "time_ms"), hgl_wall_ms(&scene->world.clock));
  /* Whoever comes later does not wait for the beat, and the others are told what has changed. */
  pass(scene, 1000);
  subscribe(b, "{'topic':'count','as':'b','every_ms':60000}");
  pass(scene, 100);
  assert_true(is_whole(latest(b)));
  assert_int_equal(events_of(a), 2);
  assert_false(is_whole(latest(a)));
  assert_true(integer(latest(b), "number") > integer(latest(a), "number"));
  scene_close(scene);
}

static void many_who_come_do_not_make_it_beat_faster_than_it_may(void **state)
{
  struct counting counting;
  struct scene *scene = open_counting(&counting);
  struct viewer *a = join(scene, 0);
  subscribe(a, "{'topic':'count','as':'a'}");
  hgl_feed_turn(scene->feed);
  for (int i = 0; i < 20; i++) {
    subscribe(a, "{'topic':'count','as':'a'}");
    hgl_feed_turn(scene->feed);
  }
  assert_int_equal(counting.wholes, 1);
  pass(scene, HGL_FEED_EVERY_MIN_MS);
  assert_int_equal(counting.wholes, 2);
  assert_int_equal(counting.opened, 1);
  scene_close(scene);
}

static void who_does_not_read_is_skipped_ahead(void **state)
{
  struct counting counting;
  struct scene *scene = open_counting(&counting);
  struct viewer *a = join(scene, 0), *b = join(scene, 1);
  subscribe(a, "{'topic':'count','as':'a'}");
  subscribe(b, "{'topic':'count','as':'b'}");
  pass(scene, 1050);
  forget_events(b);
  b->slow = true;
  pass(scene, 10000);
  assert_int_equal(events_of(b), 0);
  assert_int_equal(events_of(a), 12);
  assert_int_equal(counting.wholes, 1);
  b->slow = false;
  pass(scene, 1000);
  assert_int_equal(events_of(b), 1);
  assert_true(is_whole(latest(b)));
  pass(scene, 1000);
  assert_int_equal(events_of(b), 2);
  assert_false(is_whole(latest(b)));
  for (size_t i = 1; i < events_of(a); i++) assert_false(is_whole(json_array_get(a->events, i)));
  scene_close(scene);
}

static void who_has_caught_up_does_not_wait_for_the_beat(void **state)
{
  struct counting counting;
  struct scene *scene = open_counting(&counting);
  struct viewer *a = join(scene, 0);
  subscribe(a, "{'topic':'count','as':'a','every_ms':60000}");
  a->slow = true; /* another event of its is on its way */
  pass(scene, 200);
  assert_int_equal(events_of(a), 0);
  int64_t now = hgl_mono_ns(&scene->world.clock);
  assert_true(hgl_feed_deadline(scene->feed) <= now + 100000000);
  a->slow = false;
  pass(scene, 150);
  assert_int_equal(events_of(a), 1);
  assert_true(is_whole(latest(a)));
  pass(scene, 10000);
  assert_int_equal(events_of(a), 1);
  scene_close(scene);
}

static void who_is_slow_now_and_then_costs_no_more_beats(void **state)
{
  struct counting counting;
  struct scene *scene = open_counting(&counting);
  struct viewer *a = join(scene, 0);
  subscribe(a, "{'topic':'count','as':'a'}");
  pass(scene, 50);
  for (int i = 0; i < 5; i++) {
    a->slow = true;
    pass(scene, 1000);
    a->slow = false;
    pass(scene, 900);
  }
  assert_true(counting.wholes <= 6);
  assert_true(counting.changes <= 10);
  scene_close(scene);
}

static void a_change_without_fields_is_not_sent(void **state)
{
  struct counting counting;
  struct scene *scene = open_counting(&counting);
  struct viewer *a = join(scene, 0);
  counting.silent = true;
  subscribe(a, "{'topic':'count','as':'a'}");
  pass(scene, 5000);
  assert_int_equal(events_of(a), 1);
  assert_true(counting.changes >= 4);
  scene_close(scene);
}

static void work_is_done_in_slices_and_others_have_their_turn(void **state)
{
  struct counting counting;
  struct scene *scene = open_counting(&counting);
  struct viewer *a = join(scene, 0);
  counting.slices_left = 3;
  subscribe(a, "{'topic':'count','as':'a'}");
  subscribe(a, "{'topic':'overview','as':'o'}");
  for (int i = 0; i < 4; i++) {
    assert_int_equal(counting.wholes, 0);
    hgl_feed_turn(scene->feed);
  }
  assert_int_equal(counting.slices, 4);
  assert_int_equal(counting.wholes, 1);
  assert_int_equal(events_of(a), 2);
  scene_close(scene);
}

static void a_viewer_may_leave_while_it_is_sent_to(void **state)
{
  struct counting counting;
  struct scene *scene = open_counting(&counting);
  struct viewer *a = join(scene, 0), *b = join(scene, 1);
  subscribe(a, "{'topic':'count','as':'1'}");
  subscribe(a, "{'topic':'count','as':'2','step':2}");
  subscribe(b, "{'topic':'count','as':'3'}");
  a->hangs_up = true;
  hgl_feed_turn(scene->feed);
  assert_null(a->viewer);
  assert_int_equal(events_of(a), 0);
  assert_int_equal(events_of(b), 1);
  assert_int_equal(counting.closed, 1);
  scene_close(scene);
}

static void what_cannot_be_told_is_told_as_an_error(void **state)
{
  struct counting counting;
  struct scene *scene = open_counting(&counting);
  struct viewer *a = join(scene, 0);
  subscribe(a, "{'topic':'count','as':'a'}");
  pass(scene, 50);
  counting.fails = HGL_NOT_FOUND;
  pass(scene, 1000);
  const json_t *error = json_object_get(latest(a), "error");
  assert_string_equal(text(error, "code"), "not_found");
  assert_string_equal(text(error, "message"), "it is gone");
  assert_true(is_whole(latest(a)));
  assert_null(json_object_get(latest(a), "number"));
  /* So is one that is longer than an event may be; it does not take the place of what follows. */
  counting.fails = 0;
  counting.size = HGL_FEED_EVENT_SIZE_MAX;
  pass(scene, 1000);
  assert_string_equal(text(json_object_get(latest(a), "error"), "code"), "too_large");
  counting.size = 0;
  pass(scene, 1000);
  assert_null(json_object_get(latest(a), "error"));
  scene_close(scene);
}

/* It took the place of what a change would follow on. */
static void what_follows_an_error_is_the_whole(void **state)
{
  struct counting counting;
  struct scene *scene = open_counting(&counting);
  struct viewer *a = join(scene, 0);
  subscribe(a, "{'topic':'count','as':'a'}");
  pass(scene, 50);
  counting.fails = HGL_NOT_FOUND;
  pass(scene, 1000);
  assert_non_null(json_object_get(latest(a), "error"));
  counting.fails = 0;
  counting.silent = true; /* nothing is new: it stays at that */
  forget_events(a);
  pass(scene, 1000);
  assert_int_equal(events_of(a), 0);
  counting.silent = false;
  pass(scene, 1000);
  assert_int_equal(events_of(a), 1);
  assert_true(is_whole(latest(a)));
  assert_null(json_object_get(latest(a), "error"));
  pass(scene, 1000);
  assert_int_equal(events_of(a), 2);
  assert_false(is_whole(latest(a)));
  scene_close(scene);
}

/* Nobody is told; then all are told the whole. */
static void want_of_memory_leaves_an_event_out(void **state)
{
  struct counting counting;
  struct scene *scene = open_counting(&counting);
  struct viewer *a = join(scene, 0);
  subscribe(a, "{'topic':'count','as':'a'}");
  pass(scene, 50);
  size_t before = events_of(a);
  counting.fails = HGL_NO_MEMORY;
  pass(scene, 3000);
  assert_int_equal(events_of(a), before);
  counting.fails = 0;
  pass(scene, 1000);
  assert_int_equal(events_of(a), before + 1);
  assert_true(is_whole(latest(a)));
  scene_close(scene);
}

static void one_of_the_same_name_is_replaced(void **state)
{
  struct counting counting;
  struct scene *scene = open_counting(&counting);
  struct viewer *a = join(scene, 0);
  subscribe(a, "{'topic':'count','as':'a'}");
  subscribe(a, "{'topic':'count','as':'a','step':2}");
  assert_int_equal(counting.closed, 1);
  pass(scene, 50);
  assert_int_equal(events_of(a), 1);
  assert_int_equal(try_unsubscribe(a, "{'as':'a'}"), 0);
  assert_int_equal(counting.closed, 2);
  assert_fails(HGL_NOT_FOUND, try_unsubscribe(a, "{'as':'a'}"));
  scene_close(scene);
}

static void assert_refused(struct viewer *viewer, enum hgl_code code, const char *request,
                           const char *why)
{
  assert_fails(code, try_subscribe(viewer, request));
  if (!strstr(err.message, why)) fail_msg("'%s' does not say '%s'", err.message, why);
}

static void bad_requests_are_refused_with_words(void **state)
{
  struct counting counting;
  struct scene *scene = open_counting(&counting);
  struct viewer *a = join(scene, 0);
  assert_refused(a, HGL_INVALID, "{'as':'a'}", "\"topic\" must be a text");
  assert_refused(a, HGL_INVALID, "{'topic':'count'}", "\"as\" must be a text");
  assert_refused(a, HGL_INVALID, "{'topic':'count','as':''}", "1 to 32 characters");
  assert_refused(a, HGL_INVALID, "{'topic':'count','as':'123456789012345678901234567890123'}",
                 "1 to 32");
  assert_refused(a, HGL_NOT_FOUND, "{'topic':'none','as':'a'}", "known: overview");
  assert_refused(a, HGL_INVALID, "{'topic':'count','as':'a','stepp':1}", "it has step, unit");
  assert_refused(a, HGL_INVALID, "{'topic':'count','as':'a','step':10}", "from 1 to 9");
  assert_refused(a, HGL_INVALID, "{'topic':'count','as':'a','every_ms':99}", "from 100");
  assert_refused(a, HGL_INVALID, "{'topic':'count','as':'a','every_ms':60001}", "to 60000");
  assert_int_equal(counting.opened, 0);
  subscribe(a, "{'topic':'count','as':'\u00e412345678901234567890123456789\u00e4\u00e4'}");
  scene_close(scene);
}

static void numbers_of_viewers_and_subscriptions_are_bounded(void **state)
{
  struct counting counting;
  struct scene *scene = open_counting(&counting);
  struct viewer *a = join(scene, 0);
  char request[64];
  for (int i = 0; i < HGL_FEED_SUBSCRIPTIONS_MAX; i++) {
    snprintf(request, sizeof request, "{'topic':'count','as':'%d'}", i);
    subscribe(a, request);
  }
  assert_refused(a, HGL_LIMIT, "{'topic':'count','as':'one more'}", "16 subscriptions");
  subscribe(a, "{'topic':'count','as':'3','step':4}"); /* in the place of another */
  struct viewer others[HGL_FEED_VIEWERS_MAX] = {0};
  for (int i = 1; i < HGL_FEED_VIEWERS_MAX; i++)
    assert_ok(hgl_feed_join(scene->feed, &viewer_way, &others[i], &others[i].viewer, &err));
  struct hgl_feed_viewer *none = NULL;
  assert_fails(HGL_LIMIT, hgl_feed_join(scene->feed, &viewer_way, others, &none, &err));
  hgl_feed_leave(a->viewer);
  assert_ok(hgl_feed_join(scene->feed, &viewer_way, others, &none, &err));
  scene_close(scene);
}

static void of_what_takes_much_there_are_only_so_many_ways_to_look(void **state)
{
  struct counting counting;
  struct scene *scene = open_counting(&counting);
  struct viewer *a = join(scene, 0), *b = join(scene, 1);
  subscribe(a, "{'topic':'costly','as':'1','step':1}");
  subscribe(a, "{'topic':'costly','as':'2','step':2}");
  assert_fails(HGL_LIMIT, try_subscribe(b, "{'topic':'costly','as':'3','step':3}"));
  assert_non_null(strstr(err.message, "in 2 other ways"));
  assert_fails(HGL_LIMIT, try_subscribe(b, "{'topic':'costly','as':'3','every_ms':2000}"));
  subscribe(b, "{'topic':'costly','as':'2','step':2}"); /* as somebody looks already */
  subscribe(b, "{'topic':'costly','as':'usual'}");
  subscribe(a, "{'topic':'costly','as':'usual','every_ms':1000}"); /* the same */
  assert_int_equal(counting.opened, 3);
  assert_ok(try_unsubscribe(a, "{'as':'1'}"));
  subscribe(b, "{'topic':'costly','as':'3','step':3}");
  subscribe(b, "{'topic':'count','as':'4','step':3}"); /* another topic */
  scene_close(scene);
}

static void the_deadline_is_that_of_the_next_beat_or_sample(void **state)
{
  struct counting counting;
  struct scene *scene = open_counting(&counting);
  struct viewer *a = join(scene, 0);
  int64_t now = hgl_mono_ns(&scene->world.clock);
  assert_int_equal(hgl_feed_deadline(scene->feed), now + 1000000000);
  subscribe(a, "{'topic':'count','as':'a','every_ms':200}");
  assert_true(hgl_feed_deadline(scene->feed) <= now);
  hgl_feed_turn(scene->feed);
  assert_int_equal(hgl_feed_deadline(scene->feed), now + 200000000);
  scene_close(scene);
}

static void what_takes_time_is_followed_by_a_pause(void **state)
{
  struct counting counting;
  struct scene *scene = open_counting(&counting);
  struct viewer *a = join(scene, 0);
  pass(scene, 100);
  counting.time = &scene->world.time;
  counting.slices_left = 1000;
  subscribe(a, "{'topic':'count','as':'a'}");
  hgl_feed_turn(scene->feed);
  assert_int_equal(hgl_feed_deadline(scene->feed), hgl_mono_ns(&scene->world.clock) + 6000000);
  /* Beside agents that have something to do it is longer. */
  world_agent(scene->node, "ann", "agent.on_start(function() end)", NULL);
  hgl_store_hold(scene->node->store, true);
  hgl_clock_advance(&scene->world.time, 6);
  hgl_host_tick(scene->node->host);
  hgl_feed_turn(scene->feed);
  assert_int_equal(counting.slices, 2);
  assert_int_equal(hgl_feed_deadline(scene->feed), hgl_mono_ns(&scene->world.clock) + 64000000);
  hgl_feed_turn(scene->feed);
  assert_int_equal(counting.slices, 2);
  hgl_store_hold(scene->node->store, false);
  world_run(&scene->world);
  scene_close(scene);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(equal_subscriptions_share_a_channel),
      cmocka_unit_test(the_first_event_is_whole_and_comes_at_once),
      cmocka_unit_test(many_who_come_do_not_make_it_beat_faster_than_it_may),
      cmocka_unit_test(who_does_not_read_is_skipped_ahead),
      cmocka_unit_test(who_has_caught_up_does_not_wait_for_the_beat),
      cmocka_unit_test(who_is_slow_now_and_then_costs_no_more_beats),
      cmocka_unit_test(a_change_without_fields_is_not_sent),
      cmocka_unit_test(work_is_done_in_slices_and_others_have_their_turn),
      cmocka_unit_test(what_takes_time_is_followed_by_a_pause),
      cmocka_unit_test(a_viewer_may_leave_while_it_is_sent_to),
      cmocka_unit_test(what_cannot_be_told_is_told_as_an_error),
      cmocka_unit_test(what_follows_an_error_is_the_whole),
      cmocka_unit_test(want_of_memory_leaves_an_event_out),
      cmocka_unit_test(one_of_the_same_name_is_replaced),
      cmocka_unit_test(bad_requests_are_refused_with_words),
      cmocka_unit_test(numbers_of_viewers_and_subscriptions_are_bounded),
      cmocka_unit_test(of_what_takes_much_there_are_only_so_many_ways_to_look),
      cmocka_unit_test(the_deadline_is_that_of_the_next_beat_or_sample),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
