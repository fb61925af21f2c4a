#include "infer/dense.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/sysinfo.h>

#include "base/mem.h"
#include "base/nearest.h"
#include "infer/dense_model.h"

enum {
  CHUNK_ROWS_MAX = 4096,
  CHUNK_BYTES = 16 << 20,
  /* What a CPU does in the time that a GPU needs to begin, some 20 microseconds. */
  MULTIPLIES_FOR_GPU = 1 << 20,
};

/* The interface has no place for it between haggle_engine and open. */
static _Atomic(const struct haggle_host *) the_host;

/* Options ------------------------------------------------------------------------------------- */

struct options {
  enum { AUTO, CPU, CUDA } device;
  int number; /* of the GPU */
  unsigned threads;
};

static bool read_count(const char *text, long least, long most, long *out)
{
  char *end;
  if (*text < '0' || *text > '9') return false;
  long value = strtol(text, &end, 10);
  if (*end || value < least || value > most) return false;
  *out = value;
  return true;
}

static bool read_device(const char *text, struct options *out)
{
  long number = 0;
  if (strcmp(text, "auto") == 0) return true;
  out->device = strcmp(text, "cpu") == 0 ? CPU : CUDA;
  if (out->device == CPU || strcmp(text, "cuda") == 0) return true;
  if (strncmp(text, "cuda:", 5) != 0 || !read_count(text + 5, 0, 1023, &number)) return false;
  out->number = (int)number;
  return true;
}

static int read_option(const struct haggle_option *option, struct options *out, struct hgl_err *err)
{
  static const char *const known[] = {"device", "threads", NULL};
  long threads;
  if (strcmp(option->name, "device") == 0) {
    if (read_device(option->value, out)) return 0;
    return hgl_fail(err, HGL_INVALID, "device=%.40s: it can be auto, cpu, cuda or cuda:N",
                    option->value);
  }
  if (strcmp(option->name, "threads") == 0) {
    if (!read_count(option->value, 1, HGL_DENSE_THREADS_MAX, &threads))
      return hgl_fail(err, HGL_INVALID, "threads=%.40s: it can be 1 to %d", option->value,
                      HGL_DENSE_THREADS_MAX);
    out->threads = (unsigned)threads;
    return 0;
  }
  const char *nearest = hgl_nearest(hgl_text(option->name), known);
  return hgl_fail(
      err, HGL_INVALID, "unknown option '%.40s'%s%s%s; the dense engine has device and threads",
      option->name, nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
}

/* Opening ------------------------------------------------------------------------------------- */

static int read_network(const char *path, struct hgl_dense_net **out, struct hgl_err *err)
{
  struct hgl_safetensors *file;
  int status = hgl_safetensors_load(path, &file, err);
  if (status) return status;
  status = hgl_dense_net_read(file, out, err);
  hgl_safetensors_destroy(file);
  return status ? hgl_fail_in(err, "%s", path) : 0;
}

static void describe_tensors(struct hgl_dense_model *model)
{
  const struct hgl_dense_net *net = model->net;
  for (size_t i = 0; i < net->input_count; i++)
    model->input_infos[i] = (struct haggle_tensor_info){
        .size = sizeof *model->input_infos,
        .name = net->inputs[i].name,
        .type = HAGGLE_F32,
        .rank = 2,
        .shape = {-1, (int64_t)net->inputs[i].width}};
  for (size_t i = 0; i < net->output_count; i++) {
    const struct hgl_dense_output *output = &net->outputs[i];
    model->output_infos[i] = (struct haggle_tensor_info){
        .size = sizeof *model->output_infos,
        .name = output->name,
        .type = output->is_index ? HAGGLE_I64 : HAGGLE_F32,
        .rank = output->is_index ? 1 : 2,
        .shape = {-1, output->is_index ? 0 : (int64_t)output->width}};
    model->index_count += output->is_index;
  }
}

static int make_room(struct hgl_dense_model *model, struct hgl_err *err)
{
  const struct hgl_dense_net *net = model->net;
  size_t width = net->input_width + net->output_width;
  model->chunk = CHUNK_BYTES / (width * sizeof(float));
  if (model->chunk > CHUNK_ROWS_MAX) model->chunk = CHUNK_ROWS_MAX;
  if (model->chunk < 1) model->chunk = 1;
  model->inputs = hgl_dense_floats(model->chunk * net->input_width, &model->inputs_at);
  model->outputs = hgl_dense_floats(model->chunk * net->output_width, &model->outputs_at);
  model->indices = hgl_array(model->chunk * model->index_count, sizeof *model->indices);
  if (model->inputs && model->outputs && model->indices) return 0;
  return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
}

/* With `auto`, a machine without a driver is the usual case and no news. */
static int choose_device(struct hgl_dense_model *model, const struct options *options,
                         struct hgl_err *err)
{
  struct hgl_err why = {0};
  snprintf(model->device, sizeof model->device, "cpu %s", model->kernels->name);
  if (options->device == CPU) return 0;
  int status = hgl_dense_cuda_create(model->net, options->number, model->chunk, &model->cuda, &why);
  if (status == 0) {
    /* Where the CPU would not give the same bits, it must not take some of the batches. */
    bool shares = options->device == AUTO && model->kernels->is_fused;
    model->cuda_multiplies_least = shares ? MULTIPLIES_FOR_GPU : 0;
    snprintf(model->device, sizeof model->device, "cuda:%d %s", options->number,
             hgl_dense_cuda_name(model->cuda));
  } else if (options->device == CUDA || status != -HGL_NOT_FOUND) {
    snprintf(model->note, sizeof model->note, "runs on the CPU: %.400s", why.message);
  }
  return 0;
}

static int make_model(const struct haggle_source *source, struct hgl_dense_model *model,
                      struct hgl_err *err)
{
  struct options options = {.threads = 1};
  int status = 0;
  for (size_t i = 0; i < source->option_count && !status; i++)
    status = read_option(&source->options[i], &options, err);
  if (status) return status;
  model->host = atomic_load(&the_host);
  model->kernels = hgl_dense_kernels_best();
  snprintf(model->name, sizeof model->name, "%s", source->name);
  model->threads = options.threads;
  if ((status = read_network(source->file, &model->net, err))) return status;
  describe_tensors(model);
  if ((status = hgl_dense_cpu_create(model->net, model->kernels, options.threads, &model->cpu,
                                     err)) ||
      (status = make_room(model, err)))
    return status;
  return choose_device(model, &options, err);
}

static void dense_close(void *opaque)
{
  struct hgl_dense_model *model = opaque;
  hgl_dense_cuda_destroy(model->cuda);
  hgl_dense_cpu_destroy(model->cpu);
  hgl_free(model->inputs_at);
  hgl_free(model->outputs_at);
  hgl_free(model->indices);
  hgl_dense_net_destroy(model->net);
  hgl_free(model);
}

static int32_t status_of(enum hgl_code code)
{
  switch (code) {
  case HGL_NOT_FOUND:
    return HAGGLE_NOT_FOUND;
  case HGL_NO_MEMORY:
    return HAGGLE_NO_MEMORY;
  case HGL_TOO_LARGE:
    return HAGGLE_TOO_LARGE;
  case HGL_LIMIT:
    return HAGGLE_LIMIT;
  case HGL_IO:
  case HGL_INTERNAL:
    return HAGGLE_FAILED;
  default:
    return HAGGLE_INVALID;
  }
}

static int32_t dense_open(const struct haggle_source *source, void **out,
                          struct haggle_error *error)
{
  struct hgl_err err = {0};
  struct hgl_dense_model *model = hgl_zalloc(sizeof *model);
  if (!model)
    hgl_err_set(&err, HGL_NO_MEMORY, "out of memory");
  else if (make_model(source, model, &err) == 0) {
    *out = model;
    return HAGGLE_OK;
  } else {
    dense_close(model);
  }
  error->status = status_of(err.code);
  snprintf(error->message, sizeof error->message, "%s", err.message);
  return error->status;
}

/* Describing ---------------------------------------------------------------------------------- */

static void dense_describe(void *opaque, struct haggle_model_info *out)
{
  struct hgl_dense_model *model = opaque;
  struct haggle_model_info info = {.size = sizeof info,
                                   .kind = HAGGLE_TENSORS,
                                   .device = model->device,
                                   .note = *model->note ? model->note : NULL,
                                   .parallel = 1,
                                   .inputs = model->input_infos,
                                   .outputs = model->output_infos,
                                   .input_count = model->net->input_count,
                                   .output_count = model->net->output_count,
                                   .batched = 1,
                                   .quick = !model->cuda && model->threads == 1};
  if (out->size && out->size < info.size) info.size = out->size;
  memcpy(out, &info, info.size);
}

static void dense_stats(void *opaque, struct haggle_model_stats *out)
{
  struct hgl_dense_model *model = opaque;
  const struct hgl_dense_net *net = model->net;
  struct haggle_model_stats stats = {.size = sizeof stats};
  stats.host_memory = sizeof *model + sizeof *net + net->parameter_count * sizeof(float) +
                      net->step_count * sizeof *net->steps + hgl_dense_cpu_memory(model->cpu) +
                      model->chunk * ((net->input_width + net->output_width) * sizeof(float) +
                                      model->index_count * sizeof(int64_t));
  stats.device_memory = model->cuda ? hgl_dense_cuda_memory(model->cuda) : 0;
  stats.busy_ns = atomic_load(&model->busy_ns);
  stats.rows = atomic_load(&model->rows);
  if (out->size && out->size < stats.size) stats.size = out->size;
  memcpy(out, &stats, stats.size);
}

static int32_t dense_device(uint32_t number, struct haggle_device *out)
{
  struct hgl_cuda cuda;
  CUdevice device;
  struct haggle_device found = {.size = sizeof found};
  struct sysinfo machine;
  if (number == 0) {
    snprintf(found.name, sizeof found.name, "cpu");
    snprintf(found.about, sizeof found.about, "%d processors, %s", get_nprocs(),
             hgl_dense_kernels_best()->name);
    if (sysinfo(&machine) == 0) {
      found.memory_total = (uint64_t)machine.totalram * machine.mem_unit;
      found.memory_free = (uint64_t)machine.freeram * machine.mem_unit;
    }
  } else {
    size_t total = 0;
    int wanted = (int)number - 1;
    if (!*hgl_dense_ptx || hgl_cuda_load(&cuda, NULL) || wanted >= cuda.devices ||
        cuda.device(&device, wanted) != CUDA_SUCCESS)
      return HAGGLE_NOT_FOUND;
    snprintf(found.name, sizeof found.name, "cuda:%d", wanted);
    if (cuda.device_name(found.about, sizeof found.about, device) != CUDA_SUCCESS) *found.about = 0;
    if (cuda.device_memory(&total, device) == CUDA_SUCCESS) found.memory_total = total;
  }
  if (out->size && out->size < found.size) found.size = out->size;
  memcpy(out, &found, found.size);
  return HAGGLE_OK;
}

const struct haggle_engine *hgl_dense_engine(uint32_t version, const struct haggle_host *host)
{
  static const struct haggle_engine engine = {
      .size = sizeof engine,
      .version = HAGGLE_INFER_VERSION,
      .name = "dense",
      .about = "dense networks, built in",
      .device = dense_device,
      .open = dense_open,
      .describe = dense_describe,
      .run = hgl_dense_run,
      .stats = dense_stats,
      .close = dense_close,
  };
  if (version < HAGGLE_INFER_VERSION) return NULL;
  atomic_store(&the_host, host);
  return &engine;
}
