/* haggle models: what a host's models do. */
#include <stdio.h>

#include "base/mem.h"
#include "host/client.h"
#include "host/text.h"

/* The tables within each model, as fields of a row. */
static int flatten(json_t *models, struct hgl_err *err)
{
  static const struct {
    const char *title, *table, *field;
  } fields[] = {{"waiting", "queue", "waiting"},
                {"batch", "batches", "mean"},
                {"wait_p99", "wait", "p99_ms"},
                {"run_p50", "run", "p50_ms"},
                {"run_p99", "run", "p99_ms"}};
  size_t index;
  json_t *model;
  json_array_foreach(models, index, model)
  {
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
      const json_t *value = json_object_get(json_object_get(model, fields[i].table),
                                            fields[i].field);
      json_t *shown = json_is_real(value) ? json_sprintf("%.3g", json_real_value(value))
                                          : json_incref((json_t *)value);
      if (json_object_set_new(model, fields[i].title, shown))
        return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
    }
  }
  return 0;
}

static int print_all(json_t *models, bool json, struct hgl_err *err)
{
  static const struct hgl_column columns[] = {{"model", "name", HGL_COLUMN_TEXT},
                                              {"engine", "engine", HGL_COLUMN_TEXT},
                                              {"device", "device", HGL_COLUMN_TEXT},
                                              {"calls", "calls", HGL_COLUMN_NUMBER},
                                              {"waiting", "waiting", HGL_COLUMN_NUMBER},
                                              {"batch", "batch", HGL_COLUMN_NUMBER},
                                              {"wait p99 ms", "wait_p99", HGL_COLUMN_NUMBER},
                                              {"run p50 ms", "run_p50", HGL_COLUMN_NUMBER},
                                              {"run p99 ms", "run_p99", HGL_COLUMN_NUMBER},
                                              {"failed", "failed", HGL_COLUMN_NUMBER},
                                              {"note", "note", HGL_COLUMN_RARE},
                                              {0}};
  int status = json ? 0 : flatten(models, err);
  return status ? status : hgl_print_list(models, json, columns, "no models", err);
}

static int models_main(const struct hgl_verb *verb, int argc, char **argv)
{
  const char *data = HGL_DATA_DEFAULT;
  bool json = false;
  const struct hgl_option options[] = {HGL_CLIENT_OPTIONS(&data, &json)};
  struct hgl_texts words = {0};
  struct hgl_err err = {0};
  json_t *models = NULL;
  int status;
  if (!hgl_options_parse(verb, options, 2, argc, argv, &words, &status)) goto done;
  if (words.count > 1) {
    status = hgl_usage_fail(verb, "say one model, or none for all");
    goto done;
  }
  const char *name = words.count ? words.items[0] : NULL;
  json_t *request = json_pack("{s:s, s:s*}", "call", "models", "name", name);
  status = hgl_client_once(data, request, HGL_CLIENT_TIMEOUT_MS, &models, &err);
  if (status == 0 && name && !json)
    hgl_print_fields(json_array_get(models, 0), 0);
  else if (status == 0)
    status = print_all(models, json, &err);
  status = status ? hgl_verb_fail(verb, &err) : HGL_EXIT_OK;
  json_decref(models);
done:
  hgl_texts_deinit(&words);
  return status;
}

const struct hgl_verb hgl_verb_models = {
    .name = "models",
    .usage = "[--data DIR] [--json] [NAME]",
    .summary = "the models that agents decide with, and how busy they are",
    .help =
        "Of each model its engine, where it runs, how many calls it had and how many wait, how\n"
        "many of them run at once on average, and how long they wait and run. With a name:\n"
        "all there is to know of it, with its inputs and outputs, memory, errors and the\n"
        "agents that call it most.\n\n"
        "  haggle models\n"
        "  haggle models policy",
    .main = models_main,
};
