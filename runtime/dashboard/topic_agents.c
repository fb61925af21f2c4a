/* agents: a table of them, filtered, sorted and cut, and made anew for each beat by a walk over all
 * of them. agent: one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/look.h"
#include "base/mem.h"
#include "dashboard/best.h"
#include "dashboard/topics.h"

enum {
  LIMIT_DEFAULT = 50,
  LIMIT_MAX = 200,
  OFFSET_MAX = 10000,
  FILTER_SIZE_MAX = 100,
  LOOK_EVERY = 64, /* agents, between two looks at the clock */
};

enum sort {
  BY_NAME,
  BY_STATUS,
  BY_MAILBOX,
  BY_MEMORY,
  BY_CPU,
  BY_HANDLED,
  BY_SENT,
  BY_RAISED,
  BY_RESTARTS,
  BY_LAST,
  SORTS
};
static const char *const sorts[SORTS] = {"name",    "status", "mailbox", "memory",   "cpu",
                                         "handled", "sent",   "raised",  "restarts", "last"};

struct row {
  int64_t value;
  char name[HGL_NAME_SIZE_MAX + 1];
};

struct agents {
  struct hgl_host *host;
  const struct hgl_clock *clock;
  char *filter, *group; /* or NULL */
  const char *status;   /* likewise */
  enum sort sort;
  bool descending;
  size_t offset, limit;
  struct hgl_agent_walk walk;
  bool walking, failed;
  struct best best;
  size_t matched, total;
};

/* ---- the order ---- */

/* What is equal is in the order of names, and those as people count: ann-2 before ann-10. */
static int compare(const void *a, const void *b, const void *user)
{
  const struct row *left = a, *right = b;
  const struct agents *agents = user;
  int order = (left->value > right->value) - (left->value < right->value);
  if (!order && agents->sort != BY_NAME) return strverscmp(left->name, right->name);
  if (!order) order = strverscmp(left->name, right->name);
  return agents->descending ? -order : order;
}

/* Of states: those first that somebody should look at. */
static const char *const states[] = {"parked",   "failing", "stopped", "paused", "held",
                                     "starting", "running", "asleep",  NULL};

static int64_t rank_of_status(const struct hgl_agent_figures *agent)
{
  const char *status = hgl_agent_is_failing(agent) ? "failing" : agent->status;
  int64_t rank = 0;
  while (states[rank] && strcmp(states[rank], status) != 0) rank++;
  return rank;
}

static int64_t value_of(enum sort sort, const struct hgl_agent_figures *agent)
{
  switch (sort) {
  case BY_STATUS:
    return rank_of_status(agent);
  case BY_MAILBOX:
    return (int64_t)agent->mailbox;
  case BY_MEMORY:
    return agent->memory_bytes;
  case BY_CPU:
    return agent->cpu_ns;
  case BY_HANDLED:
    return (int64_t)agent->handled;
  case BY_SENT:
    return (int64_t)agent->sent;
  case BY_RAISED:
    return (int64_t)agent->raised;
  case BY_RESTARTS:
    return (int64_t)agent->restarts;
  case BY_LAST:
    return agent->active_ms;
  default:
    return 0;
  }
}

/* ---- which ---- */

static bool has_protocol(const struct hgl_map *protocols, const char *filter)
{
  struct hgl_map_slot *slot;
  size_t size = strlen(filter);
  for (size_t i = 0; protocols && (slot = hgl_map_next(protocols, &i));) {
    const char *text = (const char *)slot->key;
    for (size_t at = 0; at + size <= slot->key_size; at++)
      if (strncasecmp(text + at, filter, size) == 0) return true;
  }
  return false;
}

static bool has_status(const struct hgl_agent_figures *agent, const char *status)
{
  if (strcmp(status, "asleep") == 0) return agent->asleep;
  if (strcmp(status, "failing") == 0) return hgl_agent_is_failing(agent);
  return strcmp(status, agent->status) == 0;
}

static bool fits(const struct agents *agents, const struct hgl_agent_figures *agent)
{
  const char *filter = agents->filter;
  if (agents->status && !has_status(agent, agents->status)) return false;
  if (agents->group && (!agent->group || strcmp(agents->group, agent->group) != 0)) return false;
  return !filter || strcasestr(agent->name, filter) ||
         (agent->about && strcasestr(agent->about, filter)) ||
         has_protocol(agent->protocols, filter);
}

/* ---- the walk ---- */

static void offer(struct agents *agents, const struct hgl_agent_figures *agent)
{
  struct hgl_err ignored;
  struct row row = {.value = value_of(agents->sort, agent)};
  agents->total++;
  if (!fits(agents, agent)) return;
  agents->matched++;
  snprintf(row.name, sizeof row.name, "%s", agent->name);
  if (best_offer(&agents->best, &row, &ignored)) agents->failed = true;
}

static bool work(void *state, int64_t until_ns)
{
  struct agents *agents = state;
  struct hgl_agent_figures agent;
  if (!agents->walking) {
    hgl_agent_walk_begin(&agents->walk, agents->host);
    best_clear(&agents->best);
    agents->matched = agents->total = 0;
    agents->failed = false;
    agents->walking = true;
  }
  for (size_t i = 1; hgl_agent_walk_next(&agents->walk, &agent); i++) {
    offer(agents, &agent);
    if (i % LOOK_EVERY == 0 && hgl_mono_ns(agents->clock) > until_ns) return false;
  }
  hgl_agent_walk_end(&agents->walk);
  agents->walking = false;
  best_sort(&agents->best);
  return true;
}

/* Those that are gone meanwhile are left out. */
static int whole(void *state, struct hgl_event *event, struct hgl_err *err)
{
  struct agents *agents = state;
  json_t *list = json_array();
  int status = agents->failed || !list ? hgl_fail(err, HGL_NO_MEMORY, "out of memory") : 0;
  for (size_t i = agents->offset; !status && i < agents->best.count; i++) {
    const struct row *row = best_at(&agents->best, i);
    json_t *agent = NULL;
    status = hgl_host_show_agent(agents->host, row->name, &agent, err);
    if (!status && json_array_append_new(list, agent))
      status = hgl_fail(err, HGL_NO_MEMORY, "out of memory");
    if (status == -HGL_NOT_FOUND) status = 0;
  }
  if (status) {
    json_decref(list);
    return status;
  }
  hgl_event_put_some(event, "agents", list, false);
  json_decref(list);
  hgl_event_put(event, "matched", json_integer((json_int_t)agents->matched));
  hgl_event_put(event, "total", json_integer((json_int_t)agents->total));
  return 0;
}

/* ---- its arguments ---- */

static int get_sort(const struct hgl_topic_ask *ask, enum sort *out, struct hgl_err *err)
{
  const char *text;
  int status = hgl_ask_text_if_any(ask, "sort", &text, err);
  if (status || !text) return status;
  for (int i = 0; i < SORTS; i++) {
    if (strcmp(text, sorts[i]) != 0) continue;
    *out = (enum sort)i;
    return 0;
  }
  return hgl_fail(err, HGL_INVALID,
                  "agents are not sorted by \"%.40s\"; known: name, status, mailbox, memory, cpu, "
                  "handled, sent, raised, restarts, last",
                  text);
}

static void close(void *state)
{
  struct agents *agents = state;
  hgl_agent_walk_end(&agents->walk);
  best_deinit(&agents->best);
  hgl_free(agents->filter);
  hgl_free(agents->group);
  hgl_free(agents);
}

static int open(const struct hgl_topic_ask *ask, void **state, struct hgl_err *err)
{
  int64_t offset, limit;
  struct agents *agents = hgl_zalloc(sizeof *agents);
  if (!agents) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  agents->host = ask->host;
  agents->clock = ask->clock;
  int status = hgl_ask_copy(ask, "filter", FILTER_SIZE_MAX, &agents->filter, err);
  if (!status) status = hgl_ask_choice(ask, "status", states, &agents->status, err);
  if (!status) status = hgl_ask_copy(ask, "group", FILTER_SIZE_MAX, &agents->group, err);
  if (!status) status = get_sort(ask, &agents->sort, err);
  if (!status) status = hgl_ask_flag(ask, "descending", &agents->descending, err);
  if (!status) status = hgl_ask_integer(ask, "offset", 0, OFFSET_MAX, 0, &offset, err);
  if (!status) status = hgl_ask_integer(ask, "limit", 1, LIMIT_MAX, LIMIT_DEFAULT, &limit, err);
  if (status) {
    close(agents);
    return status;
  }
  agents->offset = (size_t)offset;
  agents->limit = (size_t)limit;
  best_init(&agents->best, sizeof(struct row), agents->offset + agents->limit, compare, agents);
  *state = agents;
  return 0;
}

static const char *const arguments[] = {"filter",     "status", "group", "sort",
                                        "descending", "offset", "limit", NULL};

const struct hgl_topic hgl_topic_agents = {.name = "agents",
                                           .every_ms = 1000,
                                           .least_ms = 500,
                                           .arguments = arguments,
                                           .open = open,
                                           .work = work,
                                           .whole = whole,
                                           .close = close};

/* ---- one agent ---- */

struct one {
  struct hgl_host *host;
  char name[HGL_NAME_SIZE_MAX + 1];
};

static int open_one(const struct hgl_topic_ask *ask, void **state, struct hgl_err *err)
{
  struct hgl_agent_figures figures;
  const char *name;
  int status = hgl_ask_text(ask, "name", &name, err);
  if (status) return status;
  if (!hgl_host_agent_figures(ask->host, name, &figures))
    return hgl_fail(err, HGL_NOT_FOUND, "there is no agent %.80s here", name);
  struct one *one = hgl_zalloc(sizeof *one);
  if (!one) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  one->host = ask->host;
  snprintf(one->name, sizeof one->name, "%s", name);
  *state = one;
  return 0;
}

static int whole_one(void *state, struct hgl_event *event, struct hgl_err *err)
{
  struct one *one = state;
  json_t *agent = NULL, *terms = NULL;
  int status = hgl_host_show_agent(one->host, one->name, &agent, err);
  if (!status) status = hgl_host_show_terms(one->host, one->name, &terms, err);
  if (!status && json_object_update(agent, terms))
    status = hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  json_decref(terms);
  if (status)
    json_decref(agent);
  else
    hgl_event_put(event, "agent", agent);
  return status;
}

static void close_one(void *state)
{
  hgl_free(state);
}

static const char *const arguments_of_one[] = {"name", NULL};

const struct hgl_topic hgl_topic_agent = {.name = "agent",
                                          .every_ms = 1000,
                                          .arguments = arguments_of_one,
                                          .open = open_one,
                                          .whole = whole_one,
                                          .close = close_one};
