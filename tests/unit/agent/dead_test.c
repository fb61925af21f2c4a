#include "support/world.h"

static const char fussy[] = "agent.on('x/1.0/y', function() if not state.well then error('unwell') "
                            "end log.info('done') end)\n"
                            "agent.on('x/1.0/heal', function() state.well = true end)\n";

static struct node *begin(struct world *world)
{
  world_init(world, 1);
  struct node *node = world_node(world);
  world_agent(node, "operator", "", NULL);
  world_agent(node, "fussy", fussy, NULL);
  world_say(node, "fussy", "x/1.0/y", NULL);
  world_advance(world, 3000);
  return node;
}

static uint64_t only_row(struct node *node)
{
  struct hgl_err err;
  json_t *list;
  assert_ok(hgl_host_list_dead(node->host, &list, &err));
  assert_int_equal(json_array_size(list), 1);
  json_t *dead = json_array_get(list, 0);
  assert_string_equal(json_string_value(json_object_get(dead, "agent")), "fussy");
  assert_string_equal(json_string_value(json_object_get(dead, "code")), "handler_failed");
  assert_non_null(strstr(present(json_string_value(json_object_get(dead, "why"))), "unwell"));
  assert_string_equal(json_string_value(json_object_get(json_object_get(dead, "message"), "type")),
                      "x/1.0/y");
  uint64_t row = (uint64_t)json_integer_value(json_object_get(dead, "row"));
  json_decref(list);
  return row;
}

static size_t count(struct node *node)
{
  struct hgl_err err;
  json_t *list;
  assert_ok(hgl_host_list_dead(node->host, &list, &err));
  size_t size = json_array_size(list);
  json_decref(list);
  return size;
}

static void a_dead_letter_is_sent_again_and_handled_once(void **state)
{
  struct world world;
  struct hgl_err err;
  struct node *a = begin(&world);
  uint64_t row = only_row(a);
  world_say(a, "fussy", "x/1.0/heal", NULL);
  world_run(&world);
  assert_ok(hgl_host_dead_resend(a->host, row, &err));
  assert_fails(HGL_NOT_FOUND, hgl_host_dead_resend(a->host, row, &err));
  world_run(&world);
  assert_int_equal(world_count_logged(&world, "fussy: done"), 1);
  assert_int_equal(count(a), 0);
  world_deinit(&world);
}

static void a_resent_letter_survives_a_crash_before_it_is_handled(void **state)
{
  struct world world;
  struct hgl_err err;
  struct node *a = begin(&world);
  uint64_t row = only_row(a);
  assert_ok(hgl_host_dead_resend(a->host, row, &err));
  world_run(&world); /* fails again, waits to be tried again */
  world_crash(a);
  world_restart(a);
  world_agent(a, "operator", "", NULL);
  world_agent(a, "fussy", fussy, NULL);
  world_advance(&world, 3000);
  assert_int_equal(count(a), 1);
  world_deinit(&world);
}

static void a_dead_letter_is_dropped_for_good(void **state)
{
  struct world world;
  struct hgl_err err;
  struct node *a = begin(&world);
  uint64_t row = only_row(a);
  assert_ok(hgl_host_dead_drop(a->host, row, &err));
  world_run(&world);
  assert_int_equal(count(a), 0);
  assert_fails(HGL_NOT_FOUND, hgl_host_dead_drop(a->host, row, &err));
  world_deinit(&world);
}

static void a_letter_of_an_agent_that_is_not_here_stays(void **state)
{
  struct world world;
  struct hgl_err err;
  struct node *a = begin(&world);
  uint64_t row = only_row(a);
  world_crash(a);
  world_restart(a);
  assert_fails(HGL_NOT_HERE, hgl_host_dead_resend(a->host, row, &err));
  assert_int_equal(count(a), 1);
  world_deinit(&world);
}

static void a_dead_letter_is_shown_with_its_traceback_and_attempts(void **state)
{
  struct world world;
  struct hgl_err err;
  json_t *dead;
  struct node *a = begin(&world);
  uint64_t row = only_row(a);
  assert_ok(hgl_host_show_dead(a->host, row, &dead, &err));
  const char *traceback = json_string_value(json_object_get(dead, "traceback"));
  assert_non_null(traceback);
  assert_non_null(strstr(traceback, "stack traceback"));
  assert_int_equal(json_integer_value(json_object_get(dead, "attempts")), HGL_ATTEMPTS_DEFAULT);
  json_decref(dead);
  assert_fails(HGL_NOT_FOUND, hgl_host_show_dead(a->host, row + 1, &dead, &err));
  world_deinit(&world);
}

static void all_letters_are_sent_again_or_dropped(void **state)
{
  struct world world;
  struct hgl_err err;
  size_t done = 9, left = 9;
  struct node *a = begin(&world);
  world_agent(a, "clock",
              "agent.on_start(function() agent.after('ring', '10ms') end)\n"
              "agent.on_timer('ring', function() error('no') end)\n",
              NULL);
  world_say(a, "fussy", "x/1.0/y", NULL);
  world_advance(&world, 5000);
  assert_int_equal(count(a), 3);
  world_say(a, "fussy", "x/1.0/heal", NULL);
  world_run(&world);
  assert_ok(hgl_host_dead_resend_all(a->host, &done, &left, &err));
  assert_int_equal(done, 2);
  assert_int_equal(left, 1); /* the timer's */
  world_run(&world);
  assert_int_equal(world_count_logged(&world, "fussy: done"), 2);
  assert_int_equal(count(a), 1);
  assert_ok(hgl_host_dead_drop_all(a->host, &done, &err));
  assert_int_equal(done, 1);
  world_run(&world);
  assert_int_equal(count(a), 0);
  assert_ok(hgl_host_dead_drop_all(a->host, &done, &err));
  assert_ok(hgl_host_dead_resend_all(a->host, &done, &left, &err));
  assert_int_equal(done + left, 0);
  world_deinit(&world);
}

static int copy_row(void *user, struct hgl_bytes key, struct hgl_bytes value, struct hgl_err *err)
{
  hgl_buf_append_bytes(user, value);
  return 1;
}

static int count_row(void *user, struct hgl_bytes key, struct hgl_bytes value, struct hgl_err *err)
{
  ++*(size_t *)user;
  return 0;
}

static size_t rows(struct node *node)
{
  struct hgl_err err;
  size_t rows = 0;
  assert_ok(hgl_store_scan(node->store, HGL_DB_DEAD, hgl_bytes(NULL, 0), hgl_bytes(NULL, 0), false,
                           count_row, &rows, &err));
  return rows;
}

static void the_oldest_letters_go_when_there_are_too_many(void **state)
{
  struct world world;
  struct hgl_err err;
  struct hgl_buf letter;
  struct node *a = begin(&world);
  uint64_t row = only_row(a);
  world_crash(a);
  hgl_buf_init(&letter, HGL_STORE_VALUE_SIZE_MAX);
  assert_int_equal(hgl_store_scan(a->store, HGL_DB_DEAD, hgl_bytes(NULL, 0), hgl_bytes(NULL, 0),
                                  false, copy_row, &letter, &err),
                   1);
  for (uint64_t i = 1; i < HGL_DEAD_MAX; i++) {
    uint8_t key[8];
    hgl_put_be64(key, (UINT64_C(1) << 40) + i);
    assert_ok(hgl_writeset_put(hgl_store_open_set(a->store), HGL_DB_DEAD, hgl_bytes(key, 8),
                               hgl_buf_bytes(&letter), &err));
  }
  hgl_buf_deinit(&letter);
  world_restart(a);
  world_agent(a, "operator", "", NULL);
  world_agent(a, "fussy", fussy, NULL);
  world_run(&world);
  assert_int_equal(rows(a), HGL_DEAD_MAX);
  assert_int_equal(count(a), HGL_DEAD_MAX);
  assert_false(world_logged(&world, "too many dead letters"));
  for (int i = 0; i < 2; i++) {
    world_say(a, "fussy", "x/1.0/y", NULL);
    world_advance(&world, 3000);
    assert_int_equal(rows(a), HGL_DEAD_MAX);
  }
  assert_int_equal(world_count_logged(&world, "too many dead letters"), 1);
  assert_fails(HGL_NOT_FOUND, hgl_host_dead_drop(a->host, row, &err));
  json_t *oldest; /* far behind those that are listed */
  assert_ok(hgl_host_show_dead(a->host, (UINT64_C(1) << 40) + 1, &oldest, &err));
  json_decref(oldest);
  assert_ok(hgl_host_dead_drop(a->host, (UINT64_C(1) << 40) + 1, &err)); /* makes room */
  world_say(a, "fussy", "x/1.0/y", NULL);
  world_advance(&world, 3000);
  assert_ok(hgl_host_dead_drop(a->host, (UINT64_C(1) << 40) + 2, &err));
  world_deinit(&world);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_dead_letter_is_sent_again_and_handled_once),
      cmocka_unit_test(a_resent_letter_survives_a_crash_before_it_is_handled),
      cmocka_unit_test(a_dead_letter_is_dropped_for_good),
      cmocka_unit_test(a_letter_of_an_agent_that_is_not_here_stays),
      cmocka_unit_test(a_dead_letter_is_shown_with_its_traceback_and_attempts),
      cmocka_unit_test(all_letters_are_sent_again_or_dropped),
      cmocka_unit_test(the_oldest_letters_go_when_there_are_too_many),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
