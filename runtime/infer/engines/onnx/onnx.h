/* onnx.h: the parts of the engine over ONNX Runtime.
 *
 *   engine.c    what the host calls
 *   runtime.c   finds and opens the foreign library; one environment for the process
 *   session.c   opens a model: options, device, fall back to the CPU
 *   describe.c  its inputs and outputs, and whether requests can be joined along axis 0
 *   run.c       a batch: groups of requests of equal shape, each joined, run and taken apart
 *   tensors.c   tensors of the host's from and to ONNX Runtime's
 *   watch.c     ends a computation for which nobody waits any more
 *   cuda.c      which GPUs the driver has
 *   words.c     what ONNX Runtime says, in one line */
#ifndef HGL_ENGINE_ONNX_H
#define HGL_ENGINE_ONNX_H

#include <pthread.h>
#include <stdatomic.h>
#include <limits.h>

#include <onnxruntime_c_api.h>

#include "common/engine.h"

enum {
  /* What we call came with 1.11, and the functions of ONNX Runtime keep their places for ever. */
  ONNX_API_LEAST = 11,
  ONNX_THREADS_MAX = 256,
  ONNX_TENSORS_MAX = 256, /* inputs, and outputs, of a model */
  ONNX_PARALLEL_MAX = 8,  /* calls of run at once */
  ONNX_GPUS_MAX = 16,
  ONNX_WATCH_MS = 10,             /* how long a computation may outlive those who wait for it */
  ONNX_JOIN_BYTES_MAX = 64 << 20, /* of the inputs of requests that run together */
};
#define ONNX_FILE_BYTES_MAX (INT64_C(2) << 30) /* what its format permits */

struct onnx_runtime {
  void *library;
  const OrtApi *api;
  uint32_t api_version;
  OrtEnv *env;
  bool has_cuda; /* it was built with the CUDA provider, which may still not load */
  char version[32];
  char path[PATH_MAX];
  struct onnx_runtime *next;
};

struct onnx_watched {
  const struct haggle_batch *batch;
  const struct haggle_request *const *requests;
  size_t count;
  OrtRunOptions *options;
  bool ended; /* by us */
  struct onnx_watched *next;
};

struct onnx_watch {
  const OrtApi *api;
  pthread_t thread;
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  bool started, asleep, stop;
  struct onnx_watched *first;
};

struct onnx_model {
  const struct onnx_runtime *runtime;
  OrtSession *session;
  OrtMemoryInfo *cpu_memory;
  struct haggle_tensor_info *inputs, *outputs;
  const char **input_names, **output_names;
  size_t input_count, output_count;
  bool batched;
  _Atomic bool joins; /* batched, and it has not been caught at changing the number of rows */
  bool on_cuda;
  uint32_t parallel;
  uint64_t file_bytes;
  char device[160];
  char note[HGL_ENGINE_MESSAGE_MAX];
  _Atomic uint64_t busy_ns, rows;
  struct onnx_watch watch;
};

/* engine.c */
void onnx_log(int32_t level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* runtime.c: `library` is NULL for the usual places; `cuda` prefers one that has the provider. What
 * is opened once stays. */
int32_t onnx_runtime_open(const char *library, bool cuda, const struct onnx_runtime **out,
                          struct haggle_error *error);

/* words.c: the error for what ONNX Runtime says, and its status; releases it. */
int32_t onnx_fail(const OrtApi *api, OrtStatus *status, struct haggle_error *error,
                  const char *doing);

/* session.c */
int32_t onnx_model_open(const struct haggle_source *source, struct onnx_model *model,
                        struct haggle_error *error);

/* describe.c: also when it fails, what stands in the model is freed by onnx_describe_free. */
int32_t onnx_describe(struct onnx_model *model, bool join, struct haggle_error *error);
void onnx_describe_free(struct onnx_model *model);
int32_t onnx_type_from(ONNXTensorElementDataType type); /* 0: none of ours */
ONNXTensorElementDataType onnx_type_to(int32_t type);
size_t onnx_type_bytes(int32_t type);

/* tensors.c */

/* The number of values, or -1 when they would not fit into memory. */
int64_t onnx_values(const int64_t *shape, int32_t rank);
/* What the host is to have checked already, and what it cannot. */
int32_t onnx_request_check(const struct onnx_model *model, const struct haggle_request *request,
                           struct haggle_error *error);
/* Input `index` of these requests, one above the other. *buffer is what it was copied to, to be
 * freed after the value; NULL when it is the request's own. */
int32_t onnx_input_make(const struct onnx_model *model,
                        const struct haggle_request *const *requests, size_t count, size_t index,
                        OrtValue **out, void **buffer, struct haggle_error *error);

struct onnx_output {
  struct haggle_tensor tensor; /* whole */
  size_t value_bytes;
  struct haggle_text *texts; /* of HAGGLE_TEXT */
  char *characters;
};
int32_t onnx_output_read(const struct onnx_model *model, size_t index, OrtValue *value,
                         struct onnx_output *out, struct haggle_error *error);
void onnx_output_free(struct onnx_output *output);
/* `rows` rows of it from `first` on. */
void onnx_output_slice(const struct onnx_output *output, int64_t first, int64_t rows,
                       struct haggle_tensor *out);

/* run.c */
void onnx_run(struct onnx_model *model, const struct haggle_batch *batch);

/* watch.c */
bool onnx_watch_start(struct onnx_watch *watch, const OrtApi *api);
void onnx_watch_stop(struct onnx_watch *watch);
/* From begin to end, `options` is ended when all its requests are over. */
void onnx_watch_begin(struct onnx_watch *watch, struct onnx_watched *watched);
void onnx_watch_end(struct onnx_watch *watch, struct onnx_watched *watched);

/* cuda.c: what the driver has; its library is opened at the first call. `why` says what is missing.
 */
struct onnx_gpu {
  char name[96];
  uint64_t memory_total;
};
int onnx_gpus(struct onnx_gpu *out, const char **why); /* room for ONNX_GPUS_MAX; why may be NULL */

#endif
