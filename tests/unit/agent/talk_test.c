/* Dialogues that the operator holds. */
#include <stdio.h>

#include "support/world.h"

struct heard {
  size_t times, messages;
  char last[64]; /* the type, or the code of what was not delivered */
  enum hgl_code why;
};

static void take(void *user, json_t *messages, const struct hgl_err *why)
{
  struct heard *heard = user;
  size_t index;
  json_t *message;
  heard->times++;
  heard->why = why ? why->code : HGL_OK;
  if (why) return;
  json_array_foreach(messages, index, message)
  {
    const char *type = json_string_value(json_object_get(message, "type"));
    const char *code = json_string_value(json_object_get(message, "undelivered"));
    heard->messages++;
    snprintf(heard->last, sizeof heard->last, "%s", type ? type : present(code));
  }
}

static const char house[] =
    "agent.on('auction/1.0/bid', function(message)\n"
    "  message:reply('leading', {})\n"
    "  agent.after('outbid', '10s', message:ref())\n"
    "end)\n"
    "agent.on_timer('outbid', function(ref) agent.reply(ref, 'outbid', {}) end)\n"
    "agent.on('auction/1.0/withdraw', function(message) message:reply('gone', {}) end)\n";

static void set_up(struct world *world, struct node **node, uint64_t seed)
{
  world_init(world, seed);
  *node = world_node(world);
  world_agent(*node, "operator", "", NULL);
  world_agent(*node, "house", house, NULL);
}

static const uint8_t empty_map = 0xa0;

static uint64_t open_talk(struct node *node, const char *to, const char *type)
{
  struct hgl_err err;
  uint64_t talk = 0;
  assert_ok(hgl_host_talk(node->host, to, type, hgl_bytes(&empty_map, 1), &talk, &err));
  return talk;
}

static void listen(struct node *node, uint64_t talk, int64_t within_ms, struct heard *heard)
{
  struct hgl_err err;
  assert_ok(hgl_host_talk_hear(node->host, talk, within_ms, take, heard, &err));
}

static void the_operator_hears_what_comes_in_its_dialogue(void **state)
{
  struct world world;
  struct node *a;
  struct heard heard = {0};
  struct hgl_err err;
  set_up(&world, &a, 1);
  uint64_t talk = open_talk(a, "house", "auction/1.0/bid");
  listen(a, talk, 5000, &heard);
  world_run(&world);
  assert_int_equal(heard.messages, 1);
  assert_string_equal(heard.last, "auction/1.0/leading");
  listen(a, talk, 5000, &heard);
  world_advance(&world, 6000);
  assert_int_equal(heard.times, 2); /* in vain */
  assert_int_equal(heard.messages, 1);
  world_advance(&world, 6000); /* comes while nobody listens, and is kept */
  listen(a, talk, 1000, &heard);
  world_run(&world);
  assert_int_equal(heard.messages, 2);
  assert_string_equal(heard.last, "auction/1.0/outbid");
  assert_ok(hgl_host_talk_say(a->host, talk, "withdraw", hgl_bytes(&empty_map, 1), &err));
  listen(a, talk, 1000, &heard);
  world_run(&world);
  assert_string_equal(heard.last, "auction/1.0/gone");
  hgl_host_talk_end(a->host, talk);
  assert_fails(HGL_NOT_FOUND,
               hgl_host_talk_say(a->host, talk, "withdraw", hgl_bytes(&empty_map, 1), &err));
  world_deinit(&world);
}

static void what_does_not_arrive_is_told(void **state)
{
  struct world world;
  struct node *a;
  struct heard heard = {0};
  set_up(&world, &a, 2);
  uint64_t talk = open_talk(a, "house", "auction/1.0/none");
  listen(a, talk, 1000, &heard);
  world_run(&world);
  assert_int_equal(heard.messages, 1);
  assert_string_equal(heard.last, "no_handler");
  world_deinit(&world);
}

static void one_listens_at_a_time_and_is_told_of_the_end(void **state)
{
  struct world world;
  struct node *a;
  struct heard heard = {0}, other = {0};
  struct hgl_err err;
  set_up(&world, &a, 3);
  uint64_t talk = open_talk(a, "house", "auction/1.0/bid");
  listen(a, talk, 60000, &heard);
  assert_fails(HGL_EXISTS, hgl_host_talk_hear(a->host, talk, 1, take, &other, &err));
  hgl_host_talk_end(a->host, talk);
  assert_int_equal(heard.why, HGL_CLOSED);
  assert_int_equal(other.times, 0);
  talk = open_talk(a, "house", "auction/1.0/bid");
  world_run(&world);
  listen(a, talk, 60000, &heard); /* something is there already */
  listen(a, open_talk(a, "house", "auction/1.0/bid"), 60000, &other);
  world_deinit(&world); /* the host goes: whoever listens is told */
  assert_int_equal(other.why, HGL_CLOSED);
}

static void so_many_dialogues_and_no_more(void **state)
{
  struct world world;
  struct node *a;
  struct hgl_err err;
  uint64_t talk = 0;
  set_up(&world, &a, 4);
  for (int i = 0; i < 64; i++) talk = open_talk(a, "house", "auction/1.0/bid");
  assert_fails(HGL_LIMIT, hgl_host_talk(a->host, "house", "auction/1.0/bid",
                                        hgl_bytes(&empty_map, 1), &talk, &err));
  hgl_host_talk_end(a->host, talk);
  open_talk(a, "house", "auction/1.0/bid");
  world_deinit(&world);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_operator_hears_what_comes_in_its_dialogue),
      cmocka_unit_test(what_does_not_arrive_is_told),
      cmocka_unit_test(one_listens_at_a_time_and_is_told_of_the_end),
      cmocka_unit_test(so_many_dialogues_and_no_more),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
