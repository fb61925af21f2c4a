/* haggle_infer.h: what a Haggle host asks of an inference engine.
 *
 * An engine is a shared library with one exported function:
 *
 *   const struct haggle_engine *haggle_engine(uint32_t version, const struct haggle_host *host);
 *
 * `version` is the host's HAGGLE_INFER_VERSION. An engine that cannot serve it returns NULL; what
 * it returns lives as long as the library. It may be called again, with another host. The page for
 * authors is runtime/infer/PLUGINS.md, and the smallest engine that is whole tests/plugin/scale.c.
 *
 * Rules
 *   - Each struct begins with its size, set by the side that fills it. A field is there when it
 * lies within that size (HAGGLE_HAS); fields are never changed, and new ones come at the end. An
 *     array of structs goes by the `size` of its first element.
 *   - Text is UTF-8 and carries its length; that of names ends with a NUL as well.
 *   - Pointers are borrowed: those that a function is given until it returns, those of a result
 * until `finish` returns, those of a description until the model is closed.
 *   - No exceptions, exits, signals or changes of the locale, the working folder or the
 * environment.
 *   - An engine is trusted code: it lives in the host's process unless the operator gives it one of
 *     its own (option process=own).
 *
 * Threads: open, describe, stats and close of one model never overlap, but stats may be called
 * while run runs. run is called on threads of the host's, at most `parallel` at once for one model.
 * Any callback of the host may be called from any thread. */
#ifndef HAGGLE_INFER_H
#define HAGGLE_INFER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HAGGLE_INFER_VERSION 1

/* Whether a struct of the other side has this field. */
#define HAGGLE_HAS(pointer, field)                                                                 \
  (offsetof(__typeof__(*(pointer)), field) + sizeof((pointer)->field) <= (pointer)->size)

enum haggle_status {
  HAGGLE_OK = 0,
  HAGGLE_INVALID = 1,     /* the file, an option or the request: shape, type, name, text, schema */
  HAGGLE_TOO_LARGE = 2,   /* it does not fit into the model: its context, its batch */
  HAGGLE_TIMEOUT = 3,     /* its deadline has passed */
  HAGGLE_CANCELLED = 4,   /* nobody waits for it any more */
  HAGGLE_NO_MEMORY = 5,   /* of the device or of the machine */
  HAGGLE_UNSUPPORTED = 6, /* this engine or model cannot do that */
  HAGGLE_NOT_FOUND = 7,   /* a file, library or device */
  HAGGLE_UNREACHABLE = 8, /* a server does not answer */
  HAGGLE_DENIED = 9,      /* a server refuses us */
  HAGGLE_LIMIT = 10,      /* a budget or rate was reached */
  HAGGLE_FAILED = 11,     /* anything else */
};

/* What went wrong, for the operator or the agent that asked: one line, naming the remedy. */
struct haggle_error {
  size_t size;
  int32_t status;
  char message[512]; /* ends with a NUL */
};

enum haggle_log_level { HAGGLE_LOG_WARNING = 1, HAGGLE_LOG_INFO = 2, HAGGLE_LOG_DEBUG = 3 };

/* Given to haggle_engine; lives as long as the library. */
struct haggle_host {
  size_t size;
  uint32_t version; /* HAGGLE_INFER_VERSION of the host */
  /* One line; no secrets, nothing of requests. */
  void (*log)(const struct haggle_host *host, int32_t level, const char *text, size_t text_size);
};

/* Tensors ------------------------------------------------------------------------------------- */

enum haggle_type {
  HAGGLE_F32 = 1,
  HAGGLE_F64 = 2,
  HAGGLE_F16 = 3,
  HAGGLE_BF16 = 4,
  HAGGLE_I8 = 5,
  HAGGLE_I16 = 6,
  HAGGLE_I32 = 7,
  HAGGLE_I64 = 8,
  HAGGLE_U8 = 9,
  HAGGLE_U16 = 10,
  HAGGLE_U32 = 11,
  HAGGLE_U64 = 12,
  HAGGLE_BOOL = 13, /* a byte, 0 or 1 */
  HAGGLE_TEXT = 14, /* data: an array of struct haggle_text */
};

enum { HAGGLE_RANK_MAX = 8 };

struct haggle_text {
  const char *data;
  size_t size;
};

/* Row-major, without gaps, in the byte order of the machine. */
struct haggle_tensor {
  size_t size;
  const char *name;
  int32_t type;
  int32_t rank; /* 0: a single value */
  int64_t shape[HAGGLE_RANK_MAX];
  const void *data;
  size_t data_size; /* bytes */
};

/* Of a model: what goes in or comes out. */
struct haggle_tensor_info {
  size_t size;
  const char *name;
  int32_t type;
  int32_t rank;
  int64_t shape[HAGGLE_RANK_MAX]; /* -1: any */
};

/* Devices and models -------------------------------------------------------------------------- */

struct haggle_device {
  size_t size;
  char name[64];                      /* as in the option device=…: "cpu", "cuda:0" */
  char about[128];                    /* "NVIDIA H100 80GB HBM3" */
  uint64_t memory_total, memory_free; /* bytes; 0: not known */
};

struct haggle_option {
  const char *name, *value;
};

/* What to open. The host keeps these options to itself: engine, batch, wait, loop, queue,
 * agent_queue, threads_run, process, hang. All others are the engine's; one that it does not know
 * is HAGGLE_INVALID, and its message names those that it does. */
struct haggle_source {
  size_t size;
  const char *name; /* of the model, on this host */
  const char *file; /* a path, or whatever else the engine opens: an URL */
  const struct haggle_option *options;
  size_t option_count;
};

enum haggle_kind {
  HAGGLE_TENSORS = 1,  /* named tensors in, named tensors out */
  HAGGLE_LANGUAGE = 2, /* JSON in, JSON out: PLUGINS.md, "Language models" */
};

enum haggle_task { HAGGLE_CHAT = 1, HAGGLE_COMPLETE = 2, HAGGLE_EMBED = 4 };

struct haggle_model_info {
  size_t size;
  int32_t kind;
  const char *device; /* where it runs: "cpu", "cuda:0 NVIDIA H100 80GB HBM3" */
  const char *note;   /* why not where one would expect it, for the operator, once; or NULL */
  uint32_t batch_max; /* requests that are worth running at once; 0: any number */
  uint32_t parallel;  /* calls of run at once; 0 is taken for 1 */
  /* HAGGLE_TENSORS */
  const struct haggle_tensor_info *inputs, *outputs;
  size_t input_count, output_count;
  int32_t batched; /* axis 0 of every input and output is the batch: a request has 1 or more rows */
  /* HAGGLE_LANGUAGE */
  uint32_t tasks;   /* of enum haggle_task, or-ed */
  uint32_t context; /* tokens; 0: not known */
  /* run computes on the thread that calls it and waits for nothing, so that the host may run
   * batches of some microseconds on its loop, where waking a thread would take longer. */
  int32_t quick;
};

/* Since it was opened. */
struct haggle_model_stats {
  size_t size;
  uint64_t host_memory, device_memory;           /* bytes now */
  uint64_t busy_ns;                              /* time spent computing */
  uint64_t rows;                                 /* of tensors */
  uint64_t tokens_in, tokens_reused, tokens_out; /* of texts; reused: of those in, not computed */
  uint64_t cost_microcents;                      /* of remote ones, where prices were given */
};

/* Requests ------------------------------------------------------------------------------------ */

/* Inputs have been compared with the model's description: names, types, ranks, fixed lengths of
 * axes, sizes of data, and, when it is batched, that all have as many rows. */
struct haggle_request {
  size_t size;
  uint64_t id;                        /* unique among those of the model */
  int64_t deadline_ns;                /* CLOCK_MONOTONIC; 0: none */
  const struct haggle_tensor *inputs; /* in the order of the description */
  size_t input_count;
  int64_t rows;     /* of a batched model */
  const char *text; /* of a language model: JSON */
  size_t text_size;
};

struct haggle_result {
  size_t size;
  int32_t status;
  const char *message; /* unless HAGGLE_OK */
  size_t message_size;
  const struct haggle_tensor *outputs; /* in the order of the description */
  size_t output_count;
  const char *text; /* JSON */
  size_t text_size;
};

/* Requests to run, and the way to answer them. An engine that decodes step by step takes more while
 * it goes on, so that new ones need not wait until all others are done. */
struct haggle_batch {
  size_t size;
  const struct haggle_request *const *requests;
  size_t count; /* at least 1 */
  void *host;   /* the first argument of what follows */
  /* Answers a request, once, before run returns; what has none by then is told that the engine
   * failed. The request is gone afterwards. */
  void (*finish)(void *host, const struct haggle_request *request,
                 const struct haggle_result *result);
  /* One more, which must be finished too; NULL: none waits. */
  const struct haggle_request *(*take)(void *host);
  /* A piece of the answer's text, as it comes; whole characters. May be left out. */
  void (*token)(void *host, const struct haggle_request *request, const char *text, size_t size);
  /* It was cancelled, or its deadline has passed: finish it, with whatever. */
  int (*is_over)(void *host, const struct haggle_request *request);
  /* Readable while a request waits or one that was taken may be over, for engines that wait for
   * something else meanwhile: to be polled, never read. -1: none. */
  int event;
};

struct haggle_engine {
  size_t size;
  uint32_t version;  /* HAGGLE_INFER_VERSION that it was written for */
  const char *name;  /* "onnx" */
  const char *about; /* "ONNX Runtime 1.32.0" */
  /* The device of this number, from 0. HAGGLE_NOT_FOUND: there are no more. */
  int32_t (*device)(uint32_t number, struct haggle_device *out);
  int32_t (*open)(const struct haggle_source *source, void **model, struct haggle_error *error);
  void (*describe)(void *model, struct haggle_model_info *out);
  void (*run)(void *model, const struct haggle_batch *batch);
  void (*stats)(void *model, struct haggle_model_stats *out);
  void (*close)(void *model);
};

typedef const struct haggle_engine *haggle_engine_function(uint32_t version,
                                                           const struct haggle_host *host);
#define HAGGLE_ENGINE_SYMBOL "haggle_engine"

#ifdef __cplusplus
}
#endif
#endif
