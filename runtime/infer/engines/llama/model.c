#include "model.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Options ---------------------------------------------------------------------------------------
 */

struct wishes {
  const char *device, *library, *template;
  int64_t threads, context, parallel, cache, step, gpu_layers, seed;
};

static int32_t read_options(const struct haggle_source *source, struct wishes *wishes,
                            struct haggle_error *error)
{
  *wishes = (struct wishes){
      .device = "auto", .threads = 1, .parallel = 16, .gpu_layers = -1, .seed = -1};
  const struct hgl_engine_option options[] = {
      {.name = "device", .text = &wishes->device},
      {.name = "threads", .number = &wishes->threads, .least = 1, .most = 512},
      {.name = "context", .number = &wishes->context, .least = 16, .most = CONTEXT_MAX},
      {.name = "parallel", .number = &wishes->parallel, .least = 1, .most = PARALLEL_MAX},
      {.name = "cache", .number = &wishes->cache, .least = 16, .most = CONTEXT_MAX},
      {.name = "step", .number = &wishes->step, .least = PARALLEL_MAX, .most = 65536},
      {.name = "gpu_layers", .number = &wishes->gpu_layers, .least = -1, .most = 100000},
      {.name = "seed", .number = &wishes->seed, .least = 0, .most = INT64_MAX},
      {.name = "template", .text = &wishes->template},
      {.name = "library", .text = &wishes->library},
  };
  int32_t status = hgl_engine_options(source, options, sizeof options / sizeof *options, error);
  if (status) return status;
  const char *device = wishes->device;
  if (strcmp(device, "auto") != 0 && strcmp(device, "cpu") != 0 &&
      strcspn(device, ":") != 4 + 2 * (size_t)(device[0] == 'v'))
    device = "";
  if (strcmp(device, "auto") == 0 || strcmp(device, "cpu") == 0 ||
      strncmp(device, "cuda", 4) == 0 || strncmp(device, "vulkan", 6) == 0)
    return HAGGLE_OK;
  return hgl_engine_fail(error, HAGGLE_INVALID,
                         "device=%.60s: auto, cpu, cuda, cuda:NUMBER, vulkan or vulkan:NUMBER",
                         wishes->device);
}

/* Memory ----------------------------------------------------------------------------------------
 */

/* Linux gives more than there is and ends processes later; so it is asked before. */
int32_t model_check_memory(uint64_t bytes, const char *what, struct haggle_error *error)
{
  FILE *file = fopen("/proc/meminfo", "re");
  if (!file) return HAGGLE_OK;
  char line[160];
  uint64_t free_kib = 0;
  while (fgets(line, sizeof line, file))
    if (strncmp(line, "MemAvailable:", 13) == 0) free_kib = strtoull(line + 13, NULL, 10);
  fclose(file);
  if (free_kib == 0 || bytes / 1024 <= free_kib) return HAGGLE_OK;
  return hgl_engine_fail(error, HAGGLE_NO_MEMORY,
                         "%s would take %" PRIu64 " MiB of memory, and %" PRIu64 " MiB are left",
                         what, bytes >> 20, free_kib >> 10);
}

/* A number in the model's description, such as llama.attention.key_length. */
static uint64_t described(const struct model *model, const char *key, uint64_t otherwise)
{
  char architecture[64], name[128], value[32];
  const struct library *library = model->library;
  if (library->llama_model_meta_val_str(model->llama, "general.architecture", architecture,
                                        sizeof architecture) < 0)
    return otherwise;
  snprintf(name, sizeof name, "%s.%s", architecture, key);
  if (library->llama_model_meta_val_str(model->llama, name, value, sizeof value) < 0)
    return otherwise;
  return strtoull(value, NULL, 10);
}

uint64_t model_cache_bytes(const struct model *model, uint64_t tokens)
{
  const struct library *library = model->library;
  uint64_t layers = (uint64_t)library->llama_model_n_layer(model->llama);
  uint64_t heads = (uint64_t)library->llama_model_n_head_kv(model->llama);
  int32_t all = library->llama_model_n_head(model->llama);
  uint64_t width = (uint64_t)library->llama_model_n_embd(model->llama) /
                   (uint64_t)(all > 0 ? all : 1);
  uint64_t each = described(model, "attention.key_length", width) +
                  described(model, "attention.value_length", width);
  return tokens * layers * heads * each * 2; /* f16 */
}

/* Opening ---------------------------------------------------------------------------------------
 */

struct llama_context_params model_params(const struct model *model)
{
  struct llama_context_params params = model->library->llama_context_default_params();
  params.n_ctx = model->cache;
  params.n_batch = params.n_ubatch = model->batch_tokens;
  params.n_seq_max = model->parallel;
  params.n_outputs_max = model->parallel;
  params.n_threads = params.n_threads_batch = (int32_t)model->threads;
  params.kv_unified = true;
  params.swa_full = true; /* what was forgotten could not be reused */
  params.offload_kqv = params.op_offload = model->gpu != NULL;
  return params;
}

static int32_t check_file(const char *file, uint64_t *size, struct haggle_error *error)
{
  struct stat about;
  if (stat(file, &about) != 0)
    return hgl_engine_fail(error, HAGGLE_NOT_FOUND, "%.300s cannot be opened: %m", file);
  if (!S_ISREG(about.st_mode))
    return hgl_engine_fail(error, HAGGLE_INVALID, "%.300s is not a file", file);
  FILE *stream = fopen(file, "rbe");
  if (!stream) return hgl_engine_fail(error, HAGGLE_DENIED, "%.300s cannot be opened: %m", file);
  char magic[4] = "";
  bool read = fread(magic, 1, sizeof magic, stream) == sizeof magic;
  fclose(stream);
  if (!read || memcmp(magic, "GGUF", 4) != 0)
    return hgl_engine_fail(error, HAGGLE_INVALID, "%.300s is not a GGUF file", file);
  *size = (uint64_t)about.st_size;
  return HAGGLE_OK;
}

static int32_t load(struct model *model, const char *file, uint64_t size,
                    struct haggle_error *error)
{
  const struct library *library = model->library;
  ggml_backend_dev_t devices[2] = {model->gpu, NULL};
  struct llama_model_params params = library->llama_model_default_params();
  params.devices = devices;
  params.n_gpu_layers = model->gpu ? model->gpu_layers : 0;
  params.split_mode = LLAMA_SPLIT_MODE_NONE;
  params.main_gpu = model->gpu ? 0 : -1;
  int32_t status = model->gpu ? HAGGLE_OK : model_check_memory(size, "the model", error);
  if (!status) status = vocabulary_check_file(library, file, error);
  if (status) return status;
  library_complaint();
  model->llama = library->llama_model_load_from_file(file, params);
  if (model->llama) return HAGGLE_OK;
  return hgl_engine_fail(error, HAGGLE_INVALID, "%.200s cannot be loaded: %.280s", file,
                         library_complaint());
}

static void size_up(struct model *model, const struct wishes *wishes)
{
  int32_t trained = model->library->llama_model_n_ctx_train(model->llama);
  uint32_t most = trained > 0 && trained <= CONTEXT_MAX ? (uint32_t)trained : CONTEXT_MAX;
  model->parallel = (uint32_t)wishes->parallel;
  uint32_t several = (uint32_t)model->library->llama_max_parallel_sequences();
  if (model->parallel > several) model->parallel = several;
  model->length = wishes->context > 0      ? (uint32_t)wishes->context
                  : most < CONTEXT_DEFAULT ? most
                                           : CONTEXT_DEFAULT;
  uint64_t all = (uint64_t)model->length * model->parallel;
  uint32_t usual = model->length > CACHE_DEFAULT ? model->length : CACHE_DEFAULT;
  model->cache = wishes->cache > 0 ? (uint32_t)wishes->cache : all < usual ? (uint32_t)all : usual;
  model->batch_tokens = wishes->step > 0 ? (uint32_t)wishes->step : BATCH_DEFAULT;
  if (model->batch_tokens > model->cache && wishes->step == 0)
    model->batch_tokens = model->cache > PARALLEL_MAX ? model->cache : PARALLEL_MAX;
}

static int32_t check_sizes(const struct model *model, const struct wishes *wishes,
                           struct haggle_error *error)
{
  int32_t trained = model->library->llama_model_n_ctx_train(model->llama);
  if (wishes->context > trained)
    return hgl_engine_fail(error, HAGGLE_INVALID,
                           "context=%" PRId64 ": the model was made for at most %d tokens",
                           wishes->context, trained);
  if (model->cache < model->length)
    return hgl_engine_fail(error, HAGGLE_INVALID,
                           "cache=%u is less than one sequence's context of %u tokens (context=)",
                           model->cache, model->length);
  if (model->gpu) return HAGGLE_OK;
  return model_check_memory(model->cache_bytes, "the cache (options cache=, context=, parallel=)",
                            error);
}

/* What run works with. */
static int32_t make_room(struct model *model, struct haggle_error *error)
{
  size_t tokens = (size_t)model->vocabulary.count;
  model->sequences = calloc(model->parallel, sizeof *model->sequences);
  model->room = calloc(tokens, sizeof *model->room);
  model->data = calloc(tokens, sizeof *model->data);
  bool good = model->sequences && model->room && model->data;
  for (uint32_t i = 0; good && i < model->parallel; i++) {
    struct sequence *sequence = &model->sequences[i];
    sequence->id = (llama_seq_id)i;
    sequence->output = -1;
    sequence->tokens = calloc(model->length + 1, sizeof *sequence->tokens);
    good = sequence->tokens != NULL;
  }
  if (!good) return hgl_engine_fail(error, HAGGLE_NO_MEMORY, "no memory for the model's sequences");
  model->batch = model->library->llama_batch_init((int32_t)model->batch_tokens, 0, 1);
  return HAGGLE_OK;
}

static int32_t make_context(struct model *model, struct haggle_error *error)
{
  const struct library *library = model->library;
  library_complaint();
  model->context = library->llama_init_from_model(model->llama, model_params(model));
  if (!model->context)
    return hgl_engine_fail(error, HAGGLE_NO_MEMORY,
                           "no room for a cache of %u tokens (options cache=, context=): %.300s",
                           model->cache, library_complaint());
  if (library->llama_model_has_encoder(model->llama) ||
      library->llama_model_is_diffusion(model->llama))
    return hgl_engine_fail(error, HAGGLE_UNSUPPORTED,
                           "models of this architecture do not continue a text (they have an "
                           "encoder, or diffuse)");
  model->step_tokens = library->llama_n_batch(model->context);
  /* Without a memory it looks at a whole text at once, as BERT does. */
  bool writes = library->llama_get_memory(model->context) != NULL;
  model->tasks = HAGGLE_EMBED | (writes ? HAGGLE_CHAT | HAGGLE_COMPLETE : 0);
  model->reuses = !library->llama_model_is_recurrent(model->llama) &&
                  !library->llama_model_is_hybrid(model->llama);
  return HAGGLE_OK;
}

static int32_t open_all(struct model *model, const struct haggle_source *source,
                        const struct wishes *wishes, struct haggle_error *error)
{
  uint64_t size = 0;
  int32_t status = check_file(source->file, &size, error);
  if (!status) status = load(model, source->file, size, error);
  if (!status) status = vocabulary_init(&model->vocabulary, model->library, model->llama, error);
  if (status) return status;
  size_up(model, wishes);
  model->cache_bytes = model_cache_bytes(model, model->cache);
  status = check_sizes(model, wishes, error);
  if (!status) status = make_context(model, error);
  if (!status) status = make_room(model, error);
  if (status) return status;
  if (model->tasks & HAGGLE_CHAT) status = chat_init(model, error);
  if (status) return status;
  uint64_t bytes = model->library->llama_model_size(model->llama) + model->cache_bytes;
  if (model->gpu)
    model->device_memory = bytes;
  else
    model->memory = bytes;
  return HAGGLE_OK;
}

int32_t model_open(const struct haggle_host *host, const struct haggle_source *source,
                   struct model **out, struct haggle_error *error)
{
  struct wishes wishes;
  const struct library *library;
  int32_t status = read_options(source, &wishes, error);
  if (!status) status = library_open(host, wishes.library, &library, error);
  if (status) return status;
  struct model *model = calloc(1, sizeof *model);
  if (!model) return hgl_engine_fail(error, HAGGLE_NO_MEMORY, "no memory for a model");
  model->library = library;
  model->threads = (uint32_t)wishes.threads;
  model->gpu_layers = (int32_t)wishes.gpu_layers;
  model->seeded = wishes.seed >= 0;
  model->seed = (uint64_t)wishes.seed;
  if (wishes.template) model->template_named = strdup(wishes.template);
  if (strcmp(wishes.device, "cpu") == 0)
    snprintf(model->device, sizeof model->device, "cpu");
  else
    model->gpu = library_device(library, wishes.device, model->device, sizeof model->device,
                                model->note, sizeof model->note);
  if (model->gpu) {
    size_t used = strlen(model->device);
    snprintf(model->device + used, sizeof model->device - used, " %s",
             library->ggml_backend_dev_description(model->gpu));
  }
  status = open_all(model, source, &wishes, error);
  if (status)
    model_close(model);
  else
    *out = model;
  return status;
}

void model_close(struct model *model)
{
  const struct library *library = model->library;
  for (uint32_t i = 0; model->sequences && i < model->parallel; i++)
    free(model->sequences[i].tokens);
  if (model->batch.token) library->llama_batch_free(model->batch);
  if (model->embedder) library->llama_free(model->embedder);
  if (model->context) library->llama_free(model->context);
  vocabulary_deinit(&model->vocabulary);
  if (model->llama) library->llama_model_free(model->llama);
  free(model->sequences);
  free(model->room);
  free(model->data);
  free(model->template_named);
  free(model);
}
