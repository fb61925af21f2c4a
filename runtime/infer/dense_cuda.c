#include "infer/dense_cuda.h"

#include "base/mem.h"
#include "infer/dense_launch.h"

enum {
  THREADS = 256,
  TILE_MAX = 32,
  WIDE_TILE = 8, /* rows, where workspaces are too wide for shared memory */
  SHARED_ALWAYS = 48 << 10,
  CAPABILITY_LEAST = 75,
};
_Static_assert((int)DENSE_OUTPUTS >= (int)HGL_DENSE_OUTPUTS_MAX,
               "a launch holds the places of all outputs");

struct hgl_dense_cuda {
  struct hgl_cuda driver;
  const struct hgl_dense_net *net;
  CUdevice device;
  CUcontext context;
  CUmodule module;
  CUfunction kernel;
  CUstream stream;
  CUdeviceptr parameters, steps, inputs, outputs, work;
  float *pinned_inputs, *pinned_outputs;
  size_t rows_max, memory;
  int processors, tile_max;
  size_t row_shared; /* bytes of shared memory of a row */
  unsigned blocks_max;
  char name[100];
};

#define CHECK(call, what) hgl_cuda_check(d, (call), (what), err)

static void leave(const struct hgl_cuda *driver)
{
  CUcontext before;
  driver->pop(&before);
}

/* The device ---------------------------------------------------------------------------------- */

static int find_device(struct hgl_dense_cuda *cuda, int number, struct hgl_err *err)
{
  const struct hgl_cuda *d = &cuda->driver;
  int major = 0, minor = 0, status;
  if (number >= d->devices)
    return hgl_fail(err, HGL_INVALID, "there is no cuda:%d; the NVIDIA driver sees %d", number,
                    d->devices);
  if ((status = CHECK(d->device(&cuda->device, number), "cuDeviceGet")) ||
      (status = CHECK(d->device_name(cuda->name, sizeof cuda->name, cuda->device),
                      "cuDeviceGetName")) ||
      (status = CHECK(
           d->device_attribute(&major, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, cuda->device),
           "cuDeviceGetAttribute")) ||
      (status = CHECK(
           d->device_attribute(&minor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, cuda->device),
           "cuDeviceGetAttribute")) ||
      (status = CHECK(d->device_attribute(&cuda->processors,
                                          CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, cuda->device),
                      "cuDeviceGetAttribute")))
    return status;
  cuda->name[sizeof cuda->name - 1] = 0;
  if (major * 10 + minor < CAPABILITY_LEAST)
    return hgl_fail(err, HGL_INVALID, "%s has compute capability %d.%d; 7.5 is needed", cuda->name,
                    major, minor);
  return 0;
}

static int load_kernel(struct hgl_dense_cuda *cuda, struct hgl_err *err)
{
  const struct hgl_cuda *d = &cuda->driver;
  int status = CHECK(d->module_load(&cuda->module, hgl_dense_ptx), "cuModuleLoadData");
  if (status)
    return hgl_fail_in(err, "the NVIDIA driver (CUDA %d.%d) does not take this program's code",
                       d->version / 1000, d->version % 1000 / 10);
  return CHECK(d->module_function(&cuda->kernel, cuda->module, DENSE_KERNEL),
               "cuModuleGetFunction");
}

/* How many rows a block can take, and where their workspaces lie. */
static int choose_tile(struct hgl_dense_cuda *cuda, struct hgl_err *err)
{
  const struct hgl_cuda *d = &cuda->driver;
  int shared = SHARED_ALWAYS;
  size_t scratch = DENSE_SCRATCH * sizeof(float);
  size_t workspace = cuda->net->workspace * sizeof(float);
  if (d->device_attribute(&shared, CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN,
                          cuda->device) != CUDA_SUCCESS ||
      shared < SHARED_ALWAYS)
    shared = SHARED_ALWAYS;
  size_t rows = (size_t)shared / (workspace + scratch);
  cuda->tile_max = rows > TILE_MAX ? TILE_MAX : (int)rows;
  cuda->row_shared = workspace + scratch;
  cuda->blocks_max = (unsigned)cuda->rows_max;
  if (rows == 0) {
    cuda->tile_max = WIDE_TILE;
    cuda->row_shared = scratch;
    cuda->blocks_max = 2 * (unsigned)cuda->processors;
  }
  size_t most = cuda->row_shared * (size_t)cuda->tile_max;
  return most <= SHARED_ALWAYS
             ? 0
             : CHECK(d->function_set(cuda->kernel, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES,
                                     (int)most),
                     "cuFuncSetAttribute");
}

/* Memory -------------------------------------------------------------------------------------- */

static int allocate(struct hgl_dense_cuda *cuda, CUdeviceptr *at, size_t count, size_t size,
                    struct hgl_err *err)
{
  const struct hgl_cuda *d = &cuda->driver;
  int status = CHECK(d->alloc(at, count * size), "cuMemAlloc_v2");
  if (status) return hgl_fail_in(err, "%zu KiB of %s", (count * size + 1023) >> 10, cuda->name);
  cuda->memory += count * size;
  return 0;
}

static int allocate_all(struct hgl_dense_cuda *cuda, struct hgl_err *err)
{
  const struct hgl_cuda *d = &cuda->driver;
  const struct hgl_dense_net *net = cuda->net;
  size_t in = cuda->rows_max * net->input_width, out = cuda->rows_max * net->output_width;
  size_t work = (size_t)cuda->blocks_max * WIDE_TILE * net->workspace;
  bool is_wide = cuda->row_shared == DENSE_SCRATCH * sizeof(float);
  void *pinned_inputs = NULL, *pinned_outputs = NULL;
  int status = allocate(cuda, &cuda->parameters, net->parameter_count + 1, sizeof(float), err);
  if (!status) status = allocate(cuda, &cuda->steps, net->step_count, sizeof *net->steps, err);
  if (!status) status = allocate(cuda, &cuda->inputs, in, sizeof(float), err);
  if (!status) status = allocate(cuda, &cuda->outputs, out, sizeof(float), err);
  if (!status && is_wide) status = allocate(cuda, &cuda->work, work, sizeof(float), err);
  if (!status)
    status = CHECK(d->alloc_pinned(&pinned_inputs, in * sizeof(float)), "cuMemAllocHost_v2");
  cuda->pinned_inputs = pinned_inputs;
  if (!status)
    status = CHECK(d->alloc_pinned(&pinned_outputs, out * sizeof(float)), "cuMemAllocHost_v2");
  cuda->pinned_outputs = pinned_outputs;
  return status;
}

static int copy_network(struct hgl_dense_cuda *cuda, struct hgl_err *err)
{
  const struct hgl_cuda *d = &cuda->driver;
  const struct hgl_dense_net *net = cuda->net;
  int status = CHECK(d->stream_create(&cuda->stream, CU_STREAM_NON_BLOCKING), "cuStreamCreate");
  if (!status && net->parameter_count)
    status = CHECK(d->to_device(cuda->parameters, net->parameters,
                                net->parameter_count * sizeof(float), cuda->stream),
                   "cuMemcpyHtoDAsync_v2");
  if (!status)
    status = CHECK(
        d->to_device(cuda->steps, net->steps, net->step_count * sizeof *net->steps, cuda->stream),
        "cuMemcpyHtoDAsync_v2");
  return status ? status : CHECK(d->stream_wait(cuda->stream), "cuStreamSynchronize");
}

/* Making and ending --------------------------------------------------------------------------- */

static int prepare(struct hgl_dense_cuda *cuda, struct hgl_err *err)
{
  int status = load_kernel(cuda, err);
  if (!status) status = choose_tile(cuda, err);
  if (!status) status = allocate_all(cuda, err);
  if (!status) status = copy_network(cuda, err);
  return status;
}

static int enter(struct hgl_dense_cuda *cuda, struct hgl_err *err)
{
  const struct hgl_cuda *d = &cuda->driver;
  int status = CHECK(d->retain(&cuda->context, cuda->device), "cuDevicePrimaryCtxRetain");
  if (status) {
    cuda->context = NULL;
    return status;
  }
  if ((status = CHECK(d->push(cuda->context), "cuCtxPushCurrent_v2"))) return status;
  status = prepare(cuda, err);
  leave(d);
  return status;
}

int hgl_dense_cuda_create(const struct hgl_dense_net *net, int device, size_t rows,
                          struct hgl_dense_cuda **out, struct hgl_err *err)
{
  struct hgl_dense_cuda *cuda = hgl_zalloc(sizeof *cuda);
  if (!cuda) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  cuda->net = net;
  cuda->rows_max = rows;
  int status = hgl_cuda_load(&cuda->driver, err);
  if (!status && !*hgl_dense_ptx)
    status = hgl_fail(err, HGL_INVALID,
                      "this program was built without nvcc, so it has no code for GPUs");
  if (!status) status = find_device(cuda, device, err);
  if (!status) status = enter(cuda, err);
  if (status) {
    hgl_dense_cuda_destroy(cuda);
    return status;
  }
  *out = cuda;
  return 0;
}

static void release(struct hgl_dense_cuda *cuda)
{
  const struct hgl_cuda *d = &cuda->driver;
  const CUdeviceptr all[] = {cuda->parameters, cuda->steps, cuda->inputs, cuda->outputs,
                             cuda->work};
  if (cuda->stream) {
    d->stream_wait(cuda->stream);
    d->stream_destroy(cuda->stream);
  }
  for (size_t i = 0; i < sizeof all / sizeof *all; i++)
    if (all[i]) d->free(all[i]);
  if (cuda->pinned_inputs) d->free_pinned(cuda->pinned_inputs);
  if (cuda->pinned_outputs) d->free_pinned(cuda->pinned_outputs);
  if (cuda->module) d->module_unload(cuda->module);
}

void hgl_dense_cuda_destroy(struct hgl_dense_cuda *cuda)
{
  if (!cuda) return;
  if (cuda->context) {
    if (cuda->driver.push(cuda->context) == CUDA_SUCCESS) {
      release(cuda);
      leave(&cuda->driver);
    }
    cuda->driver.release(cuda->device);
  }
  hgl_free(cuda);
}

/* Running ------------------------------------------------------------------------------------- */

/* Small tiles for small batches, so that all multiprocessors have something to do. */
static int tile_of(const struct hgl_dense_cuda *cuda, size_t rows)
{
  size_t share = (rows + (size_t)cuda->processors - 1) / (size_t)cuda->processors;
  int tile = 1;
  while ((size_t)tile < share && tile * 2 <= cuda->tile_max) tile *= 2;
  return tile;
}

static void *on_device(CUdeviceptr at)
{
  return (void *)(uintptr_t)at; /* NOLINT(performance-no-int-to-ptr): nobody follows it here */
}

static int launch(struct hgl_dense_cuda *cuda, size_t rows, struct hgl_err *err)
{
  const struct hgl_cuda *d = &cuda->driver;
  const struct hgl_dense_net *net = cuda->net;
  int tile = tile_of(cuda, rows);
  unsigned blocks = (unsigned)((rows + (size_t)tile - 1) / (size_t)tile);
  struct dense_launch launch = {
      .inputs = on_device(cuda->inputs),
      .outputs = on_device(cuda->outputs),
      .parameters = on_device(cuda->parameters),
      .steps = on_device(cuda->steps),
      .work = on_device(cuda->work),
      .step_count = (int32_t)net->step_count,
      .rows = (int32_t)rows,
      .input_width = (int32_t)net->input_width,
      .tile = tile,
      .workspace = (int32_t)net->workspace,
  };
  size_t at = 0;
  for (size_t i = 0; i < net->output_count; at += net->outputs[i++].width)
    launch.output_at[i] = (int32_t)at;
  if (blocks > cuda->blocks_max) blocks = cuda->blocks_max;
  unsigned shared = (unsigned)(cuda->row_shared * (size_t)tile);
  return CHECK(d->launch(cuda->kernel, blocks, 1, 1, THREADS, 1, 1, shared, cuda->stream,
                         (void *[]){&launch}, NULL),
               "cuLaunchKernel");
}

static int run_on_device(struct hgl_dense_cuda *cuda, size_t rows, struct hgl_err *err)
{
  const struct hgl_cuda *d = &cuda->driver;
  const struct hgl_dense_net *net = cuda->net;
  int status = CHECK(d->to_device(cuda->inputs, cuda->pinned_inputs,
                                  rows * net->input_width * sizeof(float), cuda->stream),
                     "cuMemcpyHtoDAsync_v2");
  if (!status) status = launch(cuda, rows, err);
  if (!status)
    status = CHECK(d->from_device(cuda->pinned_outputs, cuda->outputs,
                                  rows * net->output_width * sizeof(float), cuda->stream),
                   "cuMemcpyDtoHAsync_v2");
  return status ? status : CHECK(d->stream_wait(cuda->stream), "cuStreamSynchronize");
}

int hgl_dense_cuda_run(struct hgl_dense_cuda *cuda, const float *inputs, size_t rows,
                       float *const *outputs, struct hgl_err *err)
{
  const struct hgl_cuda *d = &cuda->driver;
  const struct hgl_dense_net *net = cuda->net;
  const float *from = cuda->pinned_outputs;
  memcpy(cuda->pinned_inputs, inputs, rows * net->input_width * sizeof(float));
  int status = CHECK(d->push(cuda->context), "cuCtxPushCurrent_v2");
  if (status) return status;
  status = run_on_device(cuda, rows, err);
  leave(d);
  for (size_t i = 0; i < net->output_count && !status; i++) {
    size_t count = rows * net->outputs[i].width;
    memcpy(outputs[i], from, count * sizeof(float));
    from += count;
  }
  return status;
}

const char *hgl_dense_cuda_name(const struct hgl_dense_cuda *cuda)
{
  return cuda->name;
}

size_t hgl_dense_cuda_memory(const struct hgl_dense_cuda *cuda)
{
  return cuda->memory;
}
