/* The text for Prometheus, held against the rules of its format. */
#include "feed_fixture.h"

#include <stdlib.h>

#include "agent/meter.h"
#include "base/map.h"
#include "dashboard/metrics.h"

/* What is read of one family of metrics. */
struct family {
  char name[80], type[16];
  bool has_help, has_samples;
  double last_bound, last_count; /* of a histogram's buckets */
  bool has_end, has_sum, has_count;
};

static bool is_name(const char *text, size_t size)
{
  bool is = size > 0 && !(text[0] >= '0' && text[0] <= '9');
  for (size_t i = 0; i < size; i++)
    is = is && (strchr("abcdefghijklmnopqrstuvwxyz_0123456789", text[i]) != NULL);
  return is;
}

static void end_family(const struct family *family)
{
  bool is_histogram = strcmp(family->type, "histogram") == 0;
  bool is_counter = strcmp(family->type, "counter") == 0;
  size_t size = strlen(family->name);
  bool total = size > 6 && strcmp(family->name + size - 6, "_total") == 0;
  if (!size) return;
  if (!family->has_help || !family->has_samples) fail_msg("%s lacks a part", family->name);
  if (is_counter != total) fail_msg("%s: a counter's name ends with _total", family->name);
  if (is_histogram && !(family->has_end && family->has_sum && family->has_count))
    fail_msg("%s is no whole histogram", family->name);
}

static double read_number(const char *text)
{
  char *end;
  double number = strtod(text, &end);
  if (!*text || *end) fail_msg("'%s' is no number", text);
  return number;
}

static void read_bucket(struct family *family, const char *bound, double count)
{
  double value = strcmp(bound, "+Inf") == 0 ? 1e300 : read_number(bound);
  if (value <= family->last_bound || count < family->last_count)
    fail_msg("%s: buckets do not grow", family->name);
  family->last_bound = value;
  family->last_count = count;
  family->has_end |= value == 1e300;
}

static void read_sample(struct family *family, char *line)
{
  char *space = strrchr(line, ' '), *label = strchr(line, '{');
  assert_non_null(space);
  double number = read_number(space + 1);
  *space = 0;
  if (label) {
    char *quote = strchr(label, '"'), *last = strrchr(label, '"');
    assert_non_null(quote);
    assert_true(last > quote && strcmp(last, "\"}") == 0 && quote[-1] == '=');
    assert_true(is_name(label + 1, (size_t)(quote - label - 2)));
    *label = *last = 0;
    label = quote + 1;
  }
  size_t size = strlen(family->name);
  if (strncmp(line, family->name, size) != 0) fail_msg("%s is not of %s", line, family->name);
  const char *rest = line + size;
  if (strcmp(family->type, "histogram") != 0) {
    if (*rest) fail_msg("%s is not of %s", line, family->name);
  } else if (strcmp(rest, "_bucket") == 0) {
    read_bucket(family, label ? label : "", number);
  } else if (strcmp(rest, "_count") == 0) {
    family->has_count = true;
    assert_true(number == family->last_count);
  } else {
    assert_string_equal(rest, "_sum");
    family->has_sum = true;
  }
  family->has_samples = true;
}

static void read_head(struct family *family, struct hgl_map *seen, const char *line)
{
  bool help = strncmp(line, "# HELP ", 7) == 0;
  const char *name = line + 7, *space = strchr(name, ' ');
  if ((!help && strncmp(line, "# TYPE ", 7) != 0) || !space) fail_msg("what is '%s'?", line);
  size_t size = (size_t)(space - name);
  assert_true(is_name(name, size) && size < sizeof family->name);
  if (!help) {
    assert_int_equal(strncmp(name, family->name, size), 0);
    snprintf(family->type, sizeof family->type, "%s", space + 1);
    return;
  }
  end_family(family);
  *family = (struct family){.has_help = true, .last_bound = -1};
  snprintf(family->name, sizeof family->name, "%.*s", (int)size, name);
  if (hgl_map_get(seen, hgl_bytes(name, size))) fail_msg("%s is there twice", family->name);
  assert_ok(hgl_map_put(seen, hgl_bytes(name, size), seen, &err));
}

static void read_all(char *at)
{
  struct family family = {.name = ""};
  struct hgl_map seen;
  hgl_map_init(&seen, 1, 2);
  while (*at) {
    char *end = strchr(at, '\n');
    assert_non_null(end);
    *end = 0;
    if (*at == '#')
      read_head(&family, &seen, at);
    else
      read_sample(&family, at);
    at = end + 1;
  }
  end_family(&family);
  assert_true(seen.count >= 35);
  hgl_map_deinit(&seen);
}

static void all_of_it_is_in_the_format(void **state)
{
  struct scene scene;
  struct hgl_buf out;
  scene_open(&scene);
  world_agent(scene.node, "operator", "", NULL);
  world_agent(scene.node, "ann", "agent.on('a/1.0/b', function() end)", NULL);
  for (int i = 0; i < 5; i++) world_say(scene.node, "ann", "a/1.0/b", NULL);
  pass(&scene, 3000);
  hgl_buf_init(&out, HGL_METRICS_SIZE_MAX);
  hgl_feed_metrics(scene.feed, &out);
  char *copy = strdup(text_of_buf(&out));
  assert_non_null(copy);
  assert_non_null(strstr(copy, "\nhaggle_messages_handled_total 5\n"));
  assert_non_null(strstr(copy, "\nhaggle_message_latency_seconds_count 5\n"));
  assert_non_null(strstr(copy, "\nhaggle_agents{state=\"awake\"} 1\n"));
  assert_null(strstr(copy, "ann"));
  read_all(copy);
  free(copy);
  hgl_buf_deinit(&out);
  scene_close(&scene);
}

static void labels_are_escaped(void **state)
{
  struct hgl_buf out;
  hgl_buf_init(&out, 1000);
  hgl_metric_put(&out, "x", "model", "a\"b\\c\nd", 0.5);
  assert_string_equal(text_of_buf(&out), "haggle_x{model=\"a\\\"b\\\\c\\nd\"} 0.5\n");
  hgl_buf_deinit(&out);
}

/* From when it is said until the stretch that ends its handling is durable. */
static void the_host_measures_what_messages_wait_for(void **state)
{
  struct scene scene;
  struct hgl_host_now now;
  scene_open(&scene);
  world_agent(scene.node, "operator", "", NULL);
  world_agent(scene.node, "ann", "agent.on('a/1.0/b', function() log.info 'takes 30 ms' end)",
              NULL);
  pass(&scene, 100);
  assert_ok(hgl_host_pause_agent(scene.node->host, "ann", &err));
  pass(&scene, 100);
  world_say(scene.node, "ann", "a/1.0/b", NULL);
  world_say(scene.node, "ann", "a/1.0/b", NULL);
  pass(&scene, 2000);
  hgl_host_now(scene.node->host, &now);
  assert_int_equal(now.mailbox, 2);
  assert_true(now.mailbox_age_ns >= 1900000000 && now.mailbox_age_ns <= 2100000000);
  assert_ok(hgl_host_resume_agent(scene.node->host, "ann", &err));
  pass(&scene, 100);
  hgl_host_now(scene.node->host, &now);
  assert_int_equal(now.mailbox, 0);
  assert_int_equal(now.mailbox_age_ns, 0);
  const struct hgl_meter *meter = hgl_host_meter(scene.node->host);
  assert_int_equal(meter->latency_ns.count, 2);
  int64_t least = hgl_histogram_at(&meter->latency_ns, 0.5);
  assert_true(least > 1900000000 && least < 2400000000);
  assert_true(meter->signed_messages >= 2);
  scene_close(&scene);
}

/* What a suspended handler was given waits no more. */
static void a_handler_that_waits_has_taken_its_message(void **state)
{
  struct scene scene;
  struct hgl_host_now now;
  scene_open(&scene);
  world_agent(scene.node, "operator", "", NULL);
  world_agent(scene.node, "ann", "agent.on('a/1.0/b', function() agent.sleep '1h' end)", NULL);
  pass(&scene, 100);
  world_say(scene.node, "ann", "a/1.0/b", NULL);
  pass(&scene, 100);
  hgl_host_now(scene.node->host, &now);
  assert_int_equal(now.mailbox, 0);
  assert_int_equal(now.runs, 1);
  scene_close(&scene);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(all_of_it_is_in_the_format),
      cmocka_unit_test(labels_are_escaped),
      cmocka_unit_test(a_handler_that_waits_has_taken_its_message),
      cmocka_unit_test(the_host_measures_what_messages_wait_for),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
