/* Timers and schedules of an agent, described for the control API. */
#include <stdlib.h>

#include "agent/schedules.h"

enum { TOLD_MAX = 1000, VALUES_SIZE_MAX = 384 << 10 /* encoded: JSON may be six times as long */ };

/* {"cron", "zone"} of a schedule by a cron line, {"value"} of what carries one, or {"left_out"},
 * how many bytes it has, where that is more than size_max. */
static json_t *describe_content(const struct timer *timer, size_t size_max)
{
  struct hgl_bytes content = hgl_buf_bytes(&timer->value), line, zone;
  struct hgl_err ignored;
  json_t *value = NULL;
  if (timer->every_ms == TIMER_BY_CRON)
    return schedule_line(timer, &line, &zone, &ignored)
               ? NULL
               : json_pack("{s:s%, s:s%}", "cron", line.data, line.size, "zone", zone.data,
                           zone.size);
  if (content.size > size_max) return json_pack("{s:I}", "left_out", (json_int_t)content.size);
  if (content.size && hgl_value_to_json(content, &value, &ignored)) return NULL;
  return json_pack("{s:o*}", "value", value);
}

static json_t *describe_timer(const struct timer *timer, size_t size_max)
{
  size_t key_at = timer->name_size + 1; /* a NUL stands between them */
  size_t key_size = timer->id_size > key_at ? timer->id_size - key_at : 0;
  json_t *out = describe_content(timer, size_max);
  json_t *rest = json_pack("{s:o, s:o, s:I, s:I}", "name",
                           json_words(hgl_bytes(timer->id, timer->name_size)), "key",
                           json_words(hgl_bytes(timer->id + (key_size ? key_at : 0), key_size)),
                           "due_ms", (json_int_t)timer->due.due, "every_ms",
                           (json_int_t)(timer->every_ms == TIMER_BY_CRON ? 0 : timer->every_ms));
  bool whole = out && rest && json_object_update(out, rest) == 0;
  json_decref(rest);
  if (whole) return out;
  json_decref(out);
  return NULL;
}

int hgl_host_list_timers(struct hgl_host *host, const char *name, json_t **out, struct hgl_err *err)
{
  const struct agent *agent = agent_by_name(host, hgl_text(name));
  struct hgl_map_slot *slot;
  if (!agent) return hgl_fail(err, HGL_NOT_FOUND, "no agent '%s' runs here", name);
  json_t *list = json_array();
  bool whole = list != NULL;
  for (size_t i = 0; (slot = hgl_map_next(&agent->timers, &i));)
    whole = whole && json_array_append_new(list, describe_timer(slot->value, SIZE_MAX)) == 0;
  if (whole) {
    *out = list;
    return 0;
  }
  json_decref(list);
  return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
}

static int by_due(const void *a, const void *b)
{
  const struct timer *const *x = a, *const *y = b;
  if ((*x)->due.due != (*y)->due.due) return (*x)->due.due < (*y)->due.due ? -1 : 1;
  size_t least = (*x)->id_size < (*y)->id_size ? (*x)->id_size : (*y)->id_size;
  int order = memcmp((*x)->id, (*y)->id, least);
  return order ? order : ((*x)->id_size > (*y)->id_size) - ((*x)->id_size < (*y)->id_size);
}

/* All of the agent's, the next one first. */
static int sort_timers(const struct agent *agent, struct timer ***out, struct hgl_err *err)
{
  struct hgl_map_slot *slot;
  size_t count = 0;
  struct timer **timers = hgl_array(agent->timers.count + 1, sizeof(struct timer *));
  if (!timers) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  for (size_t i = 0; (slot = hgl_map_next(&agent->timers, &i));) timers[count++] = slot->value;
  qsort((void *)timers, count, sizeof *timers, by_due);
  *out = timers;
  return 0;
}

int hgl_host_timers(struct hgl_host *host, const char *name, json_t **out, struct hgl_err *err)
{
  const struct agent *agent = agent_by_name(host, hgl_text(name));
  struct timer **timers = NULL;
  size_t values = VALUES_SIZE_MAX;
  if (!agent) return hgl_fail(err, HGL_NOT_FOUND, "no agent '%.80s' runs here", name);
  int status = sort_timers(agent, &timers, err);
  json_t *once = json_array(), *schedules = json_array();
  size_t count = agent->timers.count, told = count < TOLD_MAX ? count : TOLD_MAX;
  for (size_t i = 0; !status && i < told; i++) {
    json_t *list = timers[i]->every_ms ? schedules : once;
    size_t size = timers[i]->value.size;
    if (json_array_append_new(list, describe_timer(timers[i], values)))
      status = hgl_fail(err, HGL_NO_MEMORY, "out of memory");
    values -= size < values ? size : 0;
  }
  if (!status)
    *out = json_pack("{s:O, s:O, s:I}", "timers", once, "schedules", schedules, "left_out",
                     (json_int_t)(count - told));
  if (!status && !*out) status = hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  json_decref(once);
  json_decref(schedules);
  hgl_free((void *)timers);
  return status;
}
