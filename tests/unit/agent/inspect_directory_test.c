/* Adverts as they are shown, and why a query finds what it does. */
#include <stdio.h>

#include "protocol/advert.h"
#include "support/world.h"

static void set_up(struct world *world, struct node **node)
{
  world_init(world, 1);
  *node = world_node(world);
  world_agent(*node, "operator", "", NULL);
  world_agent(*node, "near",
              "agent.offer { service = 'weather', protocol = 'weather/1.0', price = 4,\n"
              "  region = 'at', lat = 47.07, lon = 15.44 }",
              NULL);
  world_agent(*node, "dear",
              "agent.offer { service = 'weather', protocol = 'weather/1.0', price = 40,\n"
              "  region = 'de' }",
              NULL);
  world_agent(*node, "other",
              "agent.offer { service = 'telemetry', price = 1, about = '<img src=x>' }", NULL);
  world_run(world);
}

static json_t *explain(struct node *node, const char *query, size_t limit)
{
  struct hgl_err err;
  json_t *out = NULL;
  assert_ok(hgl_host_explain(node->host, query, limit, &out, &err));
  return out;
}

static const json_t *near_at(const json_t *explained, size_t index)
{
  const json_t *near = json_array_get(json_object_get(explained, "near"), index);
  assert_non_null(near);
  return near;
}

static const char *text(const json_t *object, const char *field)
{
  return present(json_string_value(json_object_get(object, field)));
}

static const json_t *failed(const json_t *near, size_t index)
{
  const json_t *miss = json_array_get(json_object_get(near, "failed"), index);
  assert_non_null(miss);
  return miss;
}

static void near_misses_say_which_condition_failed_and_what_was_found(void **state)
{
  struct world world;
  struct node *node;
  set_up(&world, &node);
  json_t *out = explain(node, "service=weather price<=3 region in (at,ch)", 10);
  assert_int_equal(json_array_size(json_object_get(out, "hits")), 0);
  assert_int_equal(json_array_size(json_object_get(out, "near")), 3);
  assert_int_equal(json_integer_value(json_object_get(out, "considered")), 3);
  const json_t *first = near_at(out, 0);
  assert_string_equal(text(json_object_get(first, "offer"), "name"), "near");
  assert_int_equal(json_array_size(json_object_get(first, "failed")), 1);
  assert_string_equal(text(failed(first, 0), "condition"), "price<=3");
  assert_int_equal(json_integer_value(json_object_get(failed(first, 0), "found")), 4);
  assert_true(json_is_false(json_object_get(failed(first, 0), "absent")));
  const json_t *second = near_at(out, 1);
  assert_string_equal(text(json_object_get(second, "offer"), "name"), "dear");
  assert_int_equal(json_array_size(json_object_get(second, "failed")), 2);
  assert_string_equal(text(failed(second, 1), "condition"), "region in (at, ch)");
  /* What is of another service comes behind, whatever else it fails. */
  const json_t *third = near_at(out, 2);
  assert_string_equal(text(failed(third, 0), "condition"), "service=weather");
  assert_string_equal(text(failed(third, 0), "found"), "telemetry");
  json_decref(out);
  world_deinit(&world);
}

static void a_misspelt_service_finds_what_it_may_have_meant(void **state)
{
  struct world world;
  struct node *node;
  set_up(&world, &node);
  json_t *out = explain(node, "service=wheather", 1);
  assert_int_equal(json_array_size(json_object_get(out, "near")), 1);
  assert_int_equal(json_array_size(json_object_get(near_at(out, 0), "failed")), 1);
  assert_int_equal(json_integer_value(json_object_get(out, "considered")), 3);
  json_decref(out);
  world_deinit(&world);
}

static void groups_and_distances_are_told_by_their_fields(void **state)
{
  struct world world;
  struct node *node;
  set_up(&world, &node);
  json_t *out = explain(node, "region=at (price=1 or gpu=2) near(48.2082,16.3738,100km)", 1);
  const json_t *first = near_at(out, 0);
  const json_t *group = json_object_get(failed(first, 0), "fields");
  assert_int_equal(json_integer_value(json_object_get(group, "price")), 4);
  assert_true(json_is_null(json_object_get(group, "gpu")));
  double km = json_real_value(json_object_get(failed(first, 1), "km"));
  assert_true(km > 144 && km < 146);
  json_decref(out);
  world_deinit(&world);
}

static void hits_tell_their_version_and_end(void **state)
{
  struct world world;
  struct node *node;
  set_up(&world, &node);
  json_t *out = explain(node, "service=weather order price", 1);
  const json_t *hit = json_array_get(json_object_get(out, "hits"), 0);
  assert_string_equal(text(hit, "name"), "near");
  assert_true(json_integer_value(json_object_get(hit, "version")) > 0);
  assert_true(json_integer_value(json_object_get(hit, "expires_ms")) > hgl_wall_ms(&world.clock));
  assert_true(json_is_true(json_object_get(out, "more")));
  json_decref(out);
  world_deinit(&world);
}

static void a_query_that_is_none_is_refused(void **state)
{
  struct world world;
  struct node *node;
  struct hgl_err err;
  json_t *out = NULL;
  set_up(&world, &node);
  assert_fails(HGL_MALFORMED, hgl_host_explain(node->host, "price<", 10, &out, &err));
  world_deinit(&world);
}

static void a_large_directory_is_not_gone_through(void **state)
{
  struct world world;
  struct node *node;
  char name[16];
  set_up(&world, &node);
  for (int i = 0; i < 150; i++) {
    snprintf(name, sizeof name, "many-%d", i);
    struct hgl_buf script;
    hgl_buf_init(&script, 4096);
    for (int k = 0; k < 30; k++)
      hgl_buf_printf(&script, "agent.offer { service = 's', n = %d }\n", k);
    world_agent(node, name, text_of_buf(&script), NULL);
    hgl_buf_deinit(&script);
  }
  world_run(&world);
  json_t *out = explain(node, "service=s n>100 ", 3);
  assert_in_range(json_integer_value(json_object_get(out, "considered")), 4096, 4096 + 32);
  assert_int_equal(json_array_size(json_object_get(out, "near")), 3);
  json_decref(out);
  world_deinit(&world);
}

static void an_advert_is_shown_with_its_end_and_its_proof(void **state)
{
  struct world world;
  struct node *node;
  struct hgl_err err;
  struct hgl_buf evidence;
  struct hgl_advert advert;
  struct hgl_proof proof;
  json_t *out = NULL;
  set_up(&world, &node);
  assert_ok(hgl_host_advert(node->host, "other", &out, &err));
  assert_string_equal(text(out, "agent"), world_did(node, "other"));
  assert_string_equal(text(out, "agent_name"), "other");
  const json_t *offer = json_array_get(json_object_get(out, "offers"), 0);
  assert_string_equal(text(offer, "about"), "<img src=x>");
  assert_true(json_integer_value(json_object_get(out, "lease_ms")) >=
              json_integer_value(json_object_get(out, "expires_ms")));
  hgl_buf_init(&evidence, HGL_EVIDENCE_SIZE_MAX);
  assert_ok(hgl_base64url_decode(hgl_text(text(out, "evidence")), &evidence, &err));
  assert_ok(hgl_advert_verify(hgl_buf_bytes(&evidence), &advert, &proof, &err));
  hgl_buf_deinit(&evidence);
  json_decref(out);
  assert_ok(hgl_host_advert(node->host, world_did(node, "near"), &out, &err));
  json_decref(out);
  assert_ok(hgl_host_stop_agent(node->host, "near", &err));
  world_run(&world);
  assert_fails(HGL_NOT_FOUND, hgl_host_advert(node->host, world_did(node, "near"), &out, &err));
  assert_fails(HGL_NOT_FOUND, hgl_host_advert(node->host, "nobody", &out, &err));
  world_deinit(&world);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(near_misses_say_which_condition_failed_and_what_was_found),
      cmocka_unit_test(a_misspelt_service_finds_what_it_may_have_meant),
      cmocka_unit_test(groups_and_distances_are_told_by_their_fields),
      cmocka_unit_test(hits_tell_their_version_and_end),
      cmocka_unit_test(a_query_that_is_none_is_refused),
      cmocka_unit_test(a_large_directory_is_not_gone_through),
      cmocka_unit_test(an_advert_is_shown_with_its_end_and_its_proof),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
