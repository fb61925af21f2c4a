/* What machines ask: whether the host is well, and its numbers. */
#include "agent/host.h"
#include "dashboard/metrics.h"
#include "host/site.h"
#include "infer/infer.h"

/* For balancers and watchdogs of all kinds, so that nothing is asked of them. */
void hgl_site_health(struct hgl_site *site, struct hgl_web_asked *asked)
{
  const struct hgl_web_field headers[] = {
      {hgl_text("content-type"), hgl_text("text/plain; charset=utf-8")},
      {hgl_text("cache-control"), hgl_text("no-store")}};
  const char *held = site->host ? hgl_host_held(site->host) : "stopping";
  struct hgl_buf text;
  if (!hgl_site_is_get(asked)) return;
  hgl_buf_init(&text, 64);
  hgl_buf_printf(&text, "%s\n", held ? held : "ok");
  hgl_web_answer(asked,
                 &(struct hgl_web_answer){held ? 503 : 200, headers, 2, hgl_buf_bytes(&text)});
  hgl_buf_deinit(&text);
}

/* ---- metrics ---- */

static bool may_count(struct hgl_site *site, const struct hgl_web_asked *asked, struct hgl_err *why)
{
  static const char scheme[] = "Bearer ";
  struct hgl_bytes token = hgl_text("");
  enum hgl_role role;
  if (hgl_site_is_local(&asked->request)) return true;
  if (hgl_web_header(&asked->request, "authorization", &token)) {
    size_t size = sizeof scheme - 1;
    bool bearer = token.size > size && memcmp(token.data, scheme, size) == 0;
    token = bearer ? hgl_bytes(token.data + size, token.size - size) : hgl_text("");
  }
  return hgl_role_token_check(&site->guard, site->data, token, asked->origin,
                              hgl_mono_ns(site->clock) / 1000000, site->random, &role, why) == 0;
}

/* By model: their names are the operator's. */
static void put_models(struct hgl_infer *infer, struct hgl_buf *out)
{
  static const struct {
    const char *name, *help, *object, *field, *type;
  } metrics[] = {
      {"model_calls_total", "Calls that were queued.", NULL, "calls", "counter"},
      {"model_calls_done_total", "Calls that were answered.", NULL, "done", "counter"},
      {"model_calls_failed_total", "Calls that the engine failed.", NULL, "failed", "counter"},
      {"model_calls_refused_total", "Calls for which there was no room.", NULL, "refused",
       "counter"},
      {"model_timeouts_total", "Calls that took too long.", NULL, "timeouts", "counter"},
      {"model_calls_waiting", "Calls in the queue.", "queue", "waiting", "gauge"},
      {"model_calls_running", "Calls that are being computed.", "queue", "running", "gauge"},
      {"model_batches_total", "Batches.", "batches", "count", "counter"},
      {"model_device_memory_bytes", "Memory on its device.", NULL, "device_memory", "gauge"},
      {"model_host_memory_bytes", "Memory of the engine.", NULL, "host_memory", "gauge"},
      {"model_busy_seconds_total", "Time that the engine computed.", NULL, "busy_s", "counter"},
  };
  json_t *models = NULL, *model;
  struct hgl_err ignored;
  size_t index;
  if (!infer || hgl_infer_describe(infer, NULL, &models, &ignored)) return;
  for (size_t i = 0; i < sizeof metrics / sizeof *metrics; i++) {
    hgl_metric_head(out, metrics[i].name, metrics[i].type, metrics[i].help);
    json_array_foreach(models, index, model)
    {
      const json_t *object = metrics[i].object ? json_object_get(model, metrics[i].object) : model;
      hgl_metric_put(out, metrics[i].name, "model",
                     json_string_value(json_object_get(model, "name")),
                     json_number_value(json_object_get(object, metrics[i].field)));
    }
  }
  json_decref(models);
}

void hgl_site_metrics(struct hgl_site *site, struct hgl_web_asked *asked)
{
  const struct hgl_web_field headers[] = {
      {hgl_text("content-type"), hgl_text("text/plain; version=0.0.4; charset=utf-8")},
      {hgl_text("cache-control"), hgl_text("no-store")}};
  struct hgl_err why = {0};
  struct hgl_buf text;
  if (!hgl_site_is_get(asked)) return;
  if (!may_count(site, asked, &why)) {
    int status = why.code == HGL_LIMIT ? 429 : why.code == HGL_DENIED ? 401 : 500;
    hgl_site_refuse(asked, status, hgl_code_name(why.code),
                    status == 401 ? "ask on this machine, or show a token of `haggle dashboard`"
                                  : why.message);
    return;
  }
  if (!site->feed) {
    hgl_site_refuse(asked, 503, "closed", "this host is starting or stopping");
    return;
  }
  hgl_buf_init(&text, HGL_METRICS_SIZE_MAX);
  hgl_feed_metrics(site->feed, &text);
  put_models(site->infer, &text);
  if (hgl_buf_check(&text, &why))
    hgl_site_refuse(asked, 503, hgl_code_name(why.code), why.message);
  else
    hgl_web_answer(asked, &(struct hgl_web_answer){200, headers, 2, hgl_buf_bytes(&text)});
  hgl_buf_deinit(&text);
}
