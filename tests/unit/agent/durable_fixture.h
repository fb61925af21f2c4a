/* For tests of suspended handlers: a host that dies again and again, and what waits on it. */
#ifndef HGL_TESTS_DURABLE_FIXTURE_H
#define HGL_TESTS_DURABLE_FIXTURE_H

#include <stdio.h>

#include "support/world.h"

static inline json_t *runs_of(struct node *node)
{
  struct hgl_err err;
  json_t *list;
  assert_ok(hgl_host_list_runs(node->host, &list, &err));
  return list;
}

static inline size_t run_count(struct node *node)
{
  json_t *list = runs_of(node);
  size_t count = json_array_size(list);
  json_decref(list);
  return count;
}

/* ---- a host that dies after each of its ticks in turn ---- */

struct cast {
  const char *name, *source;
};

static const char *const may_read[] = {"read=*", NULL};

static inline void enter(struct node *node, const struct cast *cast)
{
  world_agent(node, "operator", "", NULL);
  for (; cast->name; cast++) world_agent(node, cast->name, cast->source, may_read);
}

static inline void crash(struct node *node, const struct cast *cast)
{
  world_crash(node);
  world_restart(node);
  enter(node, cast);
}

/* Ticks for some seconds; dies after tick number `at` (0: never), and then after every `every` more
 * (0: only that once). Returns the number of ticks. */
static inline int live(struct world *world, struct node *node, const struct cast *cast, int at,
                       int every)
{
  int ticks = 0;
  for (int ms = 0; ms < 2400; ms += 40) {
    for (int i = 0; i < 5; i++) {
      hgl_host_tick(node->host);
      ticks++;
      if (node->failed) fail_msg("%s", node->failure.message);
      bool now = at && (ticks == at || (every && ticks > at && (ticks - at) % every == 0));
      if (now && ms < 2000)
        crash(node, cast);
      else if (hgl_host_idle(node->host))
        break;
    }
    hgl_clock_advance(&world->time, 40);
  }
  return ticks;
}

#endif
