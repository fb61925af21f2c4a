/* The models of one host: each opened by an engine (haggle_infer.h), with a queue that gathers the
 * calls of all agents and threads that run them in batches. What a quick model is done with before
 * a thread would have woken runs on the loop instead, within hgl_infer_flush.
 *
 * A call's input is an encoded value: of a model of tensors a map from the names of its inputs to
 * nested lists (tensor_value.h), of a language model the request of PLUGINS.md. Its result is an
 * encoded value as well.
 *
 *   submit → queue of the agent → (round robin over agents) → batch → engine → poll → done
 *
 * Calls of one agent keep their order into the batches, and no agent has more than its turn. A call
 * that comes while nothing runs starts at once; those that come meanwhile become the next batch.
 *
 * Everything here is for the loop thread, but for `wake`, which is called on any. */
#ifndef HGL_INFER_INFER_H
#define HGL_INFER_INFER_H

#include <jansson.h>

#include "base/bytes.h"
#include "base/log.h"
#include "base/seam.h"
#include "infer/haggle_infer.h"

struct hgl_infer;
struct hgl_infer_model;
struct hgl_infer_call;

enum {
  HGL_MODEL_NAME_SIZE_MAX = 64,
  HGL_MODELS_MAX = 256,
  HGL_MODEL_OPTIONS_MAX = 64,
};

/* An engine that is part of the program. */
struct hgl_infer_builtin {
  const char *name; /* NULL: the end of the list */
  haggle_engine_function *engine;
};

/* Borrowed for the life of what is made of it. */
struct hgl_infer_config {
  const struct hgl_random *random;
  const struct hgl_log *log;
  const struct hgl_infer_builtin *builtins; /* or NULL */
  const char *engines_folder;               /* of haggle-engine-NAME.so; or NULL */
  void (*wake)(void *user); /* hgl_infer_poll has something to do; calls nothing here; or NULL */
  void *wake_user;
};

/* An engine alone, by the name of one of these or a path: what the process of one begins with. NULL
 * and why not. It stays loaded. */
const struct haggle_engine *hgl_infer_engine_load(const struct hgl_infer_builtin *builtins,
                                                  const char *engine,
                                                  const struct haggle_host *host,
                                                  struct haggle_error *error);

int hgl_infer_create(const struct hgl_infer_config *config, struct hgl_infer **out,
                     struct hgl_err *err) HGL_NODISCARD;
/* Nobody is told any more of calls that are not over. An engine that does not come back within some
 * seconds is left to itself, with its model. NULL is allowed. */
void hgl_infer_destroy(struct hgl_infer *infer);

/* Letters, digits, "-", "_", "."; not empty. */
bool hgl_infer_name_valid(struct hgl_bytes name);

/* Opens a model. Of the options, `engine` and those of the queue are the host's (model.c). The
 * error is one line that names the model. */
int hgl_infer_open(struct hgl_infer *infer, const struct haggle_source *source,
                   struct hgl_err *err) HGL_NODISCARD;
/* NULL: there is none of this name. */
struct hgl_infer_model *hgl_infer_find(const struct hgl_infer *infer, struct hgl_bytes name);
size_t hgl_infer_count(const struct hgl_infer *infer);
/* "a, b, c", or "none"; cut off where the room ends. */
void hgl_infer_names(const struct hgl_infer *infer, char *out, size_t room);
/* Its calls leave this machine, and may cost money. */
bool hgl_infer_is_remote(const struct hgl_infer_model *model);

/* Whether the model can be asked this. HGL_INVALID and HGL_TOO_LARGE name input and place. */
int hgl_infer_check(const struct hgl_infer_model *model, struct hgl_bytes input,
                    struct hgl_err *err) HGL_NODISCARD;

struct hgl_infer_asked {
  const char *agent; /* whose turn it is */
  struct hgl_bytes input;
  int64_t within_ms; /* then it is over; 0: never */
  /* From hgl_infer_poll, once; then the call is gone. `result` is borrowed. */
  void (*done)(void *user, uint64_t ticket, struct hgl_bytes result, const struct hgl_err *why);
  void *user;
  uint64_t ticket; /* for `done` */
};

/* Queues a call; threads begin with it at the next flush, or when a batch is full. HGL_LIMIT: the
 * queue, or the agent's part of it, is full. */
int hgl_infer_submit(struct hgl_infer_model *model, const struct hgl_infer_asked *asked,
                     struct hgl_infer_call **out, struct hgl_err *err) HGL_NODISCARD;
/* After submitting: what a model was asked runs here and now, or one wake is for all of it. */
void hgl_infer_flush(struct hgl_infer *infer);
/* `done` is not called; one that runs is told to its engine. */
void hgl_infer_cancel(struct hgl_infer_call *call);
/* Tells of what is over, and logs what engines said. */
void hgl_infer_poll(struct hgl_infer *infer);

/* Calls `trouble` for each model whose calls failed or took too long, if that was seen within the
 * last minute. To be asked every second or so. */
void hgl_infer_troubles(struct hgl_infer *infer,
                        void (*trouble)(void *user, const char *model, const char *words),
                        void *user);
/* What there is to know of one model, or of all (NULL): as CONTROL.md has it under `models`. The
 * caller owns it. HGL_NOT_FOUND. */
int hgl_infer_describe(struct hgl_infer *infer, const char *name, json_t **out,
                       struct hgl_err *err) HGL_NODISCARD;

#endif
