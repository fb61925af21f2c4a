/* Models: "NAME=FILE[,OPTION=VALUE…]" of the command line, and `models` of a host file. Options are
 * the engine's, but for those that infer/model.c keeps; whether there are such is seen when the
 * model is opened. */
#include "base/mem.h"
#include "host/config.h"

static int add_model(struct hgl_config *config, const char *name, struct hgl_node_model **out,
                     struct hgl_err *err)
{
  struct hgl_node_config *node = &config->node;
  if (!hgl_infer_name_valid(hgl_text(name)))
    return hgl_fail(err, HGL_INVALID,
                    "a model's name is of letters, digits, \"-\", \"_\" and \".\", not \"%.80s\"",
                    name);
  for (size_t i = 0; i < node->model_count; i++)
    if (strcmp(config->models[i].name, name) == 0)
      return hgl_fail(err, HGL_EXISTS, "two models are named %s", name);
  if (!HGL_GROW(config->models, node->model_count, config->models_capacity))
    return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  *out = &config->models[node->model_count++];
  **out = (struct hgl_node_model){.name = name};
  node->models = config->models;
  return 0;
}

static int add_option(struct hgl_node_model *model, const char *name, const char *value,
                      struct hgl_err *err)
{
  if (model->option_count == HGL_MODEL_OPTIONS_MAX)
    return hgl_fail(err, HGL_INVALID, "more than %d options", HGL_MODEL_OPTIONS_MAX);
  struct haggle_option *options = hgl_realloc(model->options,
                                              (model->option_count + 1) * sizeof *options);
  if (!options) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  options[model->option_count++] = (struct haggle_option){name, value};
  model->options = options;
  return 0;
}

void hgl_config_models_deinit(struct hgl_config *config)
{
  for (size_t i = 0; i < config->node.model_count; i++) hgl_free(config->models[i].options);
  hgl_free(config->models);
}

/* The command line ---------------------------------------------------------------------------- */

/* The part of `text` up to `end`, or to its end. */
static const char *keep_part(struct hgl_config *config, const char *text, const char *end)
{
  return hgl_config_keep(config, "%.*s", (int)(end ? (size_t)(end - text) : strlen(text)), text);
}

int hgl_config_model(struct hgl_config *config, const char *text, struct hgl_err *err)
{
  const char *equals = strchr(text, '='), *comma = equals ? strchr(equals, ',') : NULL;
  struct hgl_node_model *model;
  if (!equals || equals == text || !equals[1] || comma == equals + 1)
    return hgl_fail(err, HGL_INVALID, "a model is NAME=FILE[,OPTION=VALUE…], not \"%.200s\"", text);
  const char *name = keep_part(config, text, equals), *file = keep_part(config, equals + 1, comma);
  if (!name || !file) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  int status = add_model(config, name, &model, err);
  if (!status) model->file = file;
  while (!status && comma) {
    const char *option = comma + 1;
    comma = strchr(option, ',');
    equals = strchr(option, '=');
    if (!equals || equals == option || (comma && comma < equals))
      return hgl_fail(err, HGL_INVALID, "an option is NAME=VALUE, not \"%.80s\"", option);
    const char *key = keep_part(config, option, equals);
    const char *value = keep_part(config, equals + 1, comma);
    status = key && value ? add_option(model, key, value, err)
                          : hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  }
  return status;
}

/* The host file -------------------------------------------------------------------------------- */

static bool is_path(const char *text)
{
  return *text != '/' && !strstr(text, "://") && strncmp(text, "std/", 4) != 0;
}

static int set_file(struct hgl_config *config, struct hgl_node_model *model, const json_t *value,
                    const char *folder, struct hgl_err *err)
{
  const char *text = json_string_value(value);
  if (!text || !*text || strlen(text) != json_string_length(value))
    return hgl_fail(err, HGL_INVALID, "expected the model's file, a text");
  if (is_path(text)) text = hgl_config_keep(config, "%s%s", folder, text);
  if (!text) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  model->file = text;
  return 0;
}

/* How much of an option's text stands before its path, relative to the folder; -1: it holds none.
 */
static int path_in(const char *key, const char *text)
{
  bool file = strncmp(text, "file:", 5) == 0; /* as of a secret */
  bool path = strcmp(key, "library") == 0 || strcmp(key, "trust") == 0 ||
              (strcmp(key, "engine") == 0 && strchr(text, '/'));
  int before = file ? 5 : 0;
  return (path || (file && strcmp(key, "key") == 0)) && text[before] != '/' ? before : -1;
}

/* Engines are given texts. */
static int set_option(struct hgl_config *config, struct hgl_node_model *model, const char *key,
                      const json_t *value, const char *folder, struct hgl_err *err)
{
  const char *text = json_string_value(value);
  if (text && strlen(text) != json_string_length(value)) text = NULL;
  int before = text ? path_in(key, text) : -1;
  if (before >= 0)
    text = hgl_config_keep(config, "%.*s%s%s", before, text, folder, text + before);
  else if (json_is_integer(value))
    text = hgl_config_keep(config, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
  else if (json_is_real(value))
    text = hgl_config_keep(config, "%.17g", json_real_value(value));
  else if (json_is_boolean(value))
    text = json_is_true(value) ? "on" : "off";
  else if (!text)
    return hgl_fail(err, HGL_INVALID, "expected a text, a number, true or false");
  if (!text) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  return add_option(model, key, text, err);
}

static int read_model(struct hgl_config *config, const char *name, const json_t *value,
                      const char *folder, struct hgl_err *err)
{
  struct hgl_node_model *model;
  const char *key;
  json_t *item;
  int status = add_model(config, name, &model, err);
  if (status) return status;
  if (!json_is_object(value)) return set_file(config, model, value, folder, err);
  if (set_file(config, model, json_object_get(value, "file"), folder, err))
    return hgl_fail_in(err, "file");
  json_object_foreach((json_t *)value, key, item)
  {
    if (strcmp(key, "file") == 0) continue;
    if (set_option(config, model, key, item, folder, err)) return hgl_fail_in(err, "%s", key);
  }
  return 0;
}

int hgl_config_models(struct hgl_config *config, const json_t *table, const char *folder,
                      struct hgl_err *err)
{
  const char *name;
  json_t *value;
  if (!json_is_object(table)) return hgl_fail(err, HGL_INVALID, "expected a table with named keys");
  json_object_foreach((json_t *)table, name, value)
  {
    if (read_model(config, name, value, folder, err)) return hgl_fail_in(err, "%s", name);
  }
  return 0;
}
