/* A host of support/world.h with a feed, and viewers whose connections are texts in memory. */
#ifndef HGL_TESTS_FEED_FIXTURE_H
#define HGL_TESTS_FEED_FIXTURE_H

#include "dashboard/topic.h"
#include "protocol/value.h"
#include "support/world.h"

enum { VIEWERS_MAX = 8 };

struct viewer {
  struct hgl_feed_viewer *viewer;
  bool slow;        /* it has not taken what it was sent */
  bool hangs_up;    /* with the next text */
  json_t *events;   /* a list of all */
  size_t size_last; /* of the latest text */
};

struct scene {
  struct world world;
  struct node *node;
  struct hgl_feed *feed;
  struct viewer viewers[VIEWERS_MAX];
};

static struct hgl_err err;

static int viewer_send(void *link, struct hgl_bytes text, struct hgl_err *why)
{
  struct viewer *viewer = link;
  json_t *event;
  if (viewer->hangs_up) {
    hgl_feed_leave(viewer->viewer);
    viewer->viewer = NULL;
    return hgl_fail(why, HGL_CLOSED, "gone");
  }
  if (hgl_json_parse(text, HGL_FEED_EVENT_SIZE_MAX + 1024, &event, why)) return -HGL_NO_MEMORY;
  viewer->size_last = text.size;
  assert_int_equal(json_array_append_new(viewer->events, event), 0);
  return 0;
}

static size_t viewer_queued(void *link)
{
  return ((struct viewer *)link)->slow;
}

static const struct hgl_feed_way viewer_way = {viewer_send, viewer_queued};

static void scene_open(struct scene *scene)
{
  memset(scene, 0, sizeof *scene);
  world_init(&scene->world, 7);
  scene->node = world_node(&scene->world);
  const struct hgl_feed_config config = {
      .host = scene->node->host, .clock = &scene->world.clock, .random = &scene->world.random};
  assert_ok(hgl_feed_create(&config, &scene->feed, &err));
}

static void scene_close(struct scene *scene)
{
  hgl_feed_destroy(scene->feed);
  for (size_t i = 0; i < VIEWERS_MAX; i++) json_decref(scene->viewers[i].events);
  world_deinit(&scene->world);
}

static inline struct viewer *join(struct scene *scene, size_t index)
{
  struct viewer *viewer = &scene->viewers[index];
  viewer->events = json_array();
  assert_non_null(viewer->events);
  assert_ok(hgl_feed_join(scene->feed, &viewer_way, viewer, &viewer->viewer, &err));
  return viewer;
}

/* "{'topic':'x','as':'y'}", quotes as they are easier to read. */
static inline json_t *request_of(const char *text)
{
  json_t *request;
  char json[512];
  assert_true(strlen(text) < sizeof json);
  for (size_t i = 0; i <= strlen(text); i++) json[i] = text[i] == '\'' ? '"' : text[i];
  assert_ok(hgl_json_parse(hgl_text(json), sizeof json, &request, &err));
  return request;
}

static inline int try_subscribe(struct viewer *viewer, const char *text)
{
  json_t *request = request_of(text);
  int status = hgl_feed_subscribe(viewer->viewer, request, &err);
  json_decref(request);
  return status;
}

static inline void subscribe(struct viewer *viewer, const char *text)
{
  assert_ok(try_subscribe(viewer, text));
}

static inline int try_unsubscribe(struct viewer *viewer, const char *text)
{
  json_t *request = request_of(text);
  int status = hgl_feed_unsubscribe(viewer->viewer, request, &err);
  json_decref(request);
  return status;
}

/* Time passes, and the host and its feed do what is due in it. */
static void pass(struct scene *scene, int64_t ms)
{
  for (; ms > 0; ms -= 50) {
    world_advance(&scene->world, ms < 50 ? ms : 50);
    hgl_feed_turn(scene->feed);
  }
}

/* The viewer's latest event; fails where there is none. */
static inline json_t *latest(struct viewer *viewer)
{
  size_t count = json_array_size(viewer->events);
  json_t *event = count ? json_array_get(viewer->events, count - 1) : NULL;
  assert_non_null(event);
  return event;
}

static inline size_t events_of(const struct viewer *viewer)
{
  return json_array_size(viewer->events);
}

static inline void forget_events(struct viewer *viewer)
{
  json_array_clear(viewer->events);
}

static inline int64_t integer(const json_t *object, const char *name)
{
  const json_t *value = json_object_get(object, name);
  if (!json_is_integer(value)) fail_msg("%s is no integer", name);
  return json_integer_value(value);
}

static inline const char *text(const json_t *object, const char *name)
{
  return present(json_string_value(json_object_get(object, name)));
}

static inline bool is_whole(const json_t *event)
{
  return json_is_true(json_object_get(event, "whole"));
}

/* Of lists in an event. */

static inline json_t *item(const json_t *event, const char *list, size_t index)
{
  json_t *found = json_array_get(json_object_get(event, list), index);
  if (!found) fail_msg("%s has no item %zu", list, index);
  return found;
}

static inline size_t size_of(const json_t *event, const char *list)
{
  const json_t *found = json_object_get(event, list);
  if (!json_is_array(found)) fail_msg("%s is no list", list);
  return json_array_size(found);
}

static inline json_t *named(const json_t *event, const char *list, const char *name)
{
  for (size_t i = 0; i < size_of(event, list); i++)
    if (strcmp(text(item(event, list, i), "name"), name) == 0) return item(event, list, i);
  return NULL;
}

#endif
