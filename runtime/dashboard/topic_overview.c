/* overview: how the host is doing, second by second, and what is wrong with it. */
#include "dashboard/feed_core.h"

struct overview {
  struct hgl_feed *feed;
  struct hgl_host *host;
  int64_t history;
  uint64_t told; /* samples, up to this number */
};

static int open(const struct hgl_topic_ask *ask, void **state, struct hgl_err *err)
{
  int64_t history;
  int status = hgl_ask_integer(ask, "history", 1, SAMPLES_KEPT, 300, &history, err);
  if (status) return status;
  struct overview *overview = hgl_zalloc(sizeof *overview);
  if (!overview) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  *overview = (struct overview){.feed = ask->feed, .host = ask->host, .history = history};
  *state = overview;
  return 0;
}

static json_t *samples_from(const struct samples *samples, uint64_t first)
{
  const struct sample *sample;
  json_t *list = json_array();
  for (uint64_t at = first; list && (sample = samples_at(samples, at)); at++)
    if (json_array_append_new(list, sample_json(sample))) {
      json_decref(list);
      return NULL;
    }
  return list;
}

static int put(struct overview *overview, uint64_t first, struct hgl_event *event,
               struct hgl_err *err)
{
  const struct samples *samples = &overview->feed->samples;
  json_t *totals;
  uint64_t kept = samples->count > SAMPLES_KEPT ? samples->count - SAMPLES_KEPT : 0;
  int status = hgl_host_describe(overview->host, &totals, err);
  if (status) return status;
  hgl_event_put(event, "samples", samples_from(samples, first > kept ? first : kept));
  hgl_event_put(event, "alarms", alarms_json(&overview->feed->alarms));
  hgl_event_put(event, "totals", totals);
  overview->told = samples->count;
  return 0;
}

static int whole(void *state, struct hgl_event *event, struct hgl_err *err)
{
  struct overview *overview = state;
  uint64_t count = overview->feed->samples.count, history = (uint64_t)overview->history;
  return put(overview, count > history ? count - history : 0, event, err);
}

static int change(void *state, struct hgl_event *event, struct hgl_err *err)
{
  struct overview *overview = state;
  return put(overview, overview->told, event, err);
}

static void close(void *state)
{
  hgl_free(state);
}

static const char *const arguments[] = {"history", NULL};

const struct hgl_topic hgl_topic_overview = {.name = "overview",
                                             .every_ms = 1000,
                                             .least_ms = 500,
                                             .arguments = arguments,
                                             .open = open,
                                             .whole = whole,
                                             .change = change,
                                             .close = close};
