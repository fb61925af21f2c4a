/* The models of a node: opened before anything else of it is reachable, because one that does not
 * open ends the start. */
#include <stdio.h>

#include "host/engines.h"
#include "host/node_internal.h"
#include "host/paths.h"

static const char *file_of(const struct hgl_node *node, const struct hgl_node_model *model,
                           char path[PATH_MAX], struct hgl_err *err)
{
  if (strncmp(model->file, "std/", 4) != 0) return model->file;
  if (snprintf(path, PATH_MAX, "%s/models/%s", node->stdlib, model->file + 4) < PATH_MAX)
    return path;
  hgl_fail(err, HGL_INVALID, "model %s: its path is too long", model->name);
  return NULL;
}

static int open_model(struct hgl_node *node, const struct hgl_node_model *model,
                      struct hgl_err *err)
{
  char path[PATH_MAX];
  const char *file = file_of(node, model, path, err);
  if (!file) return hgl_err_status(err->code);
  const struct haggle_source source = {.size = sizeof source,
                                       .name = model->name,
                                       .file = file,
                                       .options = model->options,
                                       .option_count = model->option_count};
  hgl_node_beat(node);
  return hgl_infer_open(node->infer, &source, err);
}

int hgl_node_open_models(struct hgl_node *node, const struct hgl_node_config *config,
                         struct hgl_err *err)
{
  int status = hgl_stdlib_folder(node->stdlib, err);
  if (!status) status = hgl_engines_folder(node->engines, err);
  const struct hgl_infer_config infer = {.random = &node->random,
                                         .log = config->log,
                                         .builtins = hgl_engines,
                                         .engines_folder = node->engines,
                                         .wake = hgl_loop_wake,
                                         .wake_user = node->loop};
  if (!status) status = hgl_infer_create(&infer, &node->infer, err);
  for (size_t i = 0; i < config->model_count && !status; i++)
    status = open_model(node, &config->models[i], err);
  return status;
}
