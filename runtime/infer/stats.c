/* What the operator is shown of models. */
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "infer/infer_core.h"

enum { CALLERS_SHOWN = 20 };
#define TROUBLE_NS (INT64_C(60) * 1000000000)

static double milliseconds(int64_t ns)
{
  return (double)ns / 1e6;
}

static json_t *durations(const struct hgl_histogram *histogram)
{
  return json_pack("{s:f, s:f}", "p50_ms", milliseconds(hgl_histogram_at(histogram, 0.5)), "p99_ms",
                   milliseconds(hgl_histogram_at(histogram, 0.99)));
}

static json_t *tensors(const struct infer_tensor_spec *specs, size_t count)
{
  json_t *list = json_array();
  for (size_t i = 0; list && i < count; i++) {
    json_t *shape = json_array();
    for (int32_t axis = 0; shape && axis < specs[i].rank; axis++)
      json_array_append_new(shape, specs[i].shape[axis] < 0 ? json_null()
                                                            : json_integer(specs[i].shape[axis]));
    json_array_append_new(list, json_pack("{s:s, s:s, s:o}", "name", specs[i].name, "type",
                                          hgl_tensor_type_name(specs[i].type), "shape", shape));
  }
  return list;
}

static json_t *task_list(uint32_t tasks)
{
  json_t *list = json_array();
  if (tasks & HAGGLE_CHAT) json_array_append_new(list, json_string("chat"));
  if (tasks & HAGGLE_COMPLETE) json_array_append_new(list, json_string("complete"));
  if (tasks & HAGGLE_EMBED) json_array_append_new(list, json_string("embed"));
  return list;
}

/* Batches by size: { "1": n, "2": n, "4": n … }, each named by the most that it counts. */
static json_t *sizes(const struct infer_stats *stats)
{
  json_t *object = json_object();
  size_t count = sizeof stats->sizes / sizeof *stats->sizes;
  for (size_t i = 0; object && i < count; i++) {
    char name[24];
    if (!stats->sizes[i]) continue;
    snprintf(name, sizeof name, i + 1 < count ? "%zu" : "more", (size_t)1 << i);
    json_object_set_new(object, name, json_integer((json_int_t)stats->sizes[i]));
  }
  return object;
}

static int compare_callers(const void *a, const void *b)
{
  const struct infer_caller *x = *(struct infer_caller *const *)a;
  const struct infer_caller *y = *(struct infer_caller *const *)b;
  if (x->calls != y->calls) return x->calls < y->calls ? 1 : -1;
  return strcmp(x->name, y->name);
}

/* Those that called most. */
static json_t *callers(const struct hgl_infer_model *model)
{
  size_t count = 0;
  struct infer_caller **list = hgl_array(model->callers.count + 1, sizeof *list);
  json_t *out = list ? json_array() : NULL;
  struct hgl_map_slot *slot;
  for (size_t i = 0; list && (slot = hgl_map_next(&model->callers, &i));)
    list[count++] = slot->value;
  if (list) qsort(list, count, sizeof *list, compare_callers);
  for (size_t i = 0; out && i < count && i < CALLERS_SHOWN; i++)
    json_array_append_new(out,
                          json_pack("{s:s, s:I, s:I}", "agent", list[i]->name, "calls",
                                    (json_int_t)list[i]->calls, "open", (json_int_t)list[i]->open));
  hgl_free(list);
  return out;
}

static json_t *engine_stats(const struct hgl_infer_model *model)
{
  const struct haggle_engine *calls = model->engine->calls;
  struct haggle_model_stats stats = {.size = sizeof stats};
  if (HAGGLE_HAS(calls, stats) && calls->stats) calls->stats(model->handle, &stats);
  return json_pack("{s:I, s:I, s:f, s:I, s:I, s:I, s:I, s:f}", "host_memory",
                   (json_int_t)stats.host_memory, "device_memory", (json_int_t)stats.device_memory,
                   "busy_s", (double)stats.busy_ns / 1e9, "rows", (json_int_t)stats.rows,
                   "tokens_in", (json_int_t)stats.tokens_in, "tokens_reused",
                   (json_int_t)stats.tokens_reused, "tokens_out", (json_int_t)stats.tokens_out,
                   "cost", (double)stats.cost_microcents / 1e8);
}

static int64_t longest_run_ns(const struct hgl_infer_model *model)
{
  int64_t now = infer_now_ns(), longest = 0;
  for (size_t i = 0; i < model->worker_count; i++) {
    int64_t began = model->workers[i].run_began_ns;
    if (began && now - began > longest) longest = now - began;
  }
  return longest;
}

static json_t *counts(const struct infer_stats *stats)
{
  return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "calls", (json_int_t)stats->calls,
                   "done", (json_int_t)stats->done, "failed", (json_int_t)stats->failed, "invalid",
                   (json_int_t)stats->invalid, "timeouts", (json_int_t)stats->timeouts, "cancelled",
                   (json_int_t)stats->cancelled, "refused", (json_int_t)stats->refused, "garbage",
                   (json_int_t)stats->garbage);
}

static json_t *description(const struct hgl_infer_model *model)
{
  bool language = model->kind == HAGGLE_LANGUAGE;
  json_t *out = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s?}", "name", model->name, "file",
                          model->file, "engine", model->engine->name, "about", model->engine->about,
                          "kind", language ? "language" : "tensors", "device", model->device,
                          "note", *model->note ? model->note : NULL);
  if (!out) return NULL;
  if (language) {
    json_object_set_new(out, "tasks", task_list(model->tasks));
    json_object_set_new(out, "context", json_integer(model->context));
    return out;
  }
  json_object_set_new(out, "batched", json_boolean(model->spec.batched));
  json_object_set_new(out, "inputs", tensors(model->spec.inputs, model->spec.input_count));
  json_object_set_new(out, "outputs", tensors(model->spec.outputs, model->spec.output_count));
  return out;
}

json_t *infer_model_json(struct hgl_infer_model *model)
{
  json_t *out = description(model);
  struct infer_stats *stats = hgl_alloc(sizeof *stats);
  if (!out || !stats) {
    json_decref(out);
    hgl_free(stats);
    return NULL;
  }
  pthread_mutex_lock(&model->lock);
  *stats = model->stats;
  size_t queued = model->queued, running = model->running;
  int64_t longest = longest_run_ns(model);
  pthread_mutex_unlock(&model->lock);
  double mean = stats->batches ? (double)stats->batched_calls / (double)stats->batches : 0;
  json_object_update_new(out, counts(stats));
  json_object_set_new(out, "queue",
                      json_pack("{s:I, s:I, s:f}", "waiting", (json_int_t)queued, "running",
                                (json_int_t)running, "runs_for_ms", milliseconds(longest)));
  json_object_set_new(
      out, "batches",
      json_pack("{s:I, s:f, s:I, s:I, s:I, s:o}", "count", (json_int_t)stats->batches, "mean", mean,
                "most", (json_int_t)model->options.batch, "joined", (json_int_t)stats->taken,
                "on_loop", (json_int_t)stats->on_loop, "sizes", sizes(stats)));
  json_object_set_new(out, "wait", durations(&stats->wait));
  json_object_set_new(out, "run", durations(&stats->run));
  json_object_set_new(out, "told", durations(&model->told));
  if (model->kind == HAGGLE_LANGUAGE)
    json_object_set_new(out, "first_token", durations(&stats->first_token));
  json_object_update_new(out, engine_stats(model));
  json_object_set_new(out, "agents", callers(model));
  hgl_free(stats);
  return out;
}

int hgl_infer_describe(struct hgl_infer *infer, const char *name, json_t **out, struct hgl_err *err)
{
  json_t *list = json_array();
  bool found = false;
  for (struct hgl_infer_model *model = infer->models; model; model = model->next) {
    if (name && strcmp(name, model->name) != 0) continue;
    found = true;
    if (json_array_append_new(list, infer_model_json(model))) {
      json_decref(list);
      return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
    }
  }
  if (name && !found) {
    char names[200];
    json_decref(list);
    hgl_infer_names(infer, names, sizeof names);
    return hgl_fail(err, HGL_NOT_FOUND, "there is no model \"%.80s\" on this host; there are: %s",
                    name, names);
  }
  if (!list) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  *out = list;
  return 0;
}

void hgl_infer_troubles(struct hgl_infer *infer,
                        void (*trouble)(void *user, const char *model, const char *words),
                        void *user)
{
  int64_t now_ns = infer_now_ns();
  for (struct hgl_infer_model *model = infer->models; model; model = model->next) {
    char words[160];
    pthread_mutex_lock(&model->lock);
    uint64_t failed = model->stats.failed, late = model->stats.timeouts;
    pthread_mutex_unlock(&model->lock);
    if (failed + late > model->troubles_seen) model->trouble_ns = now_ns;
    model->troubles_seen = failed + late;
    if (!model->trouble_ns || now_ns - model->trouble_ns > TROUBLE_NS) continue;
    snprintf(words, sizeof words,
             "%llu calls failed and %llu took too long since the host started; the log says why",
             (unsigned long long)failed, (unsigned long long)late);
    trouble(user, model->name, words);
  }
}
