/* What the files of runtime/infer share: models, their queues and workers. Where nothing else is
 * said, fields belong to the loop thread. */
#ifndef HGL_INFER_CORE_H
#define HGL_INFER_CORE_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/buf.h"
#include "base/map.h"
#include "base/histogram.h"
#include "infer/infer.h"
#include "infer/tensor_value.h"

/* Engines --------------------------------------------------------------------------------------
 */

struct infer_engine {
  struct infer_engine *next;
  struct haggle_host *host; /* what it was given */
  struct hgl_infer *infer;
  const struct haggle_engine *calls;
  void *library; /* NULL: it is built in */
  char *origin;  /* its name or path, as it was asked for */
  char *path;    /* of the library; NULL: it is built in */
  bool own;      /* it runs in a process of its own: hgl_process_engine stands for it */
  const char *name, *about;
};

/* The engine of this name or path ("/…", "./…"), or, where that is NULL, the one for such files. */
int infer_engine_find(struct hgl_infer *infer, const char *engine, const char *file, bool own,
                      struct infer_engine **out, struct hgl_err *err) HGL_NODISCARD;
void infer_engines_close(struct hgl_infer *infer);

/* Calls and their queue ------------------------------------------------------------------------ */

struct hgl_infer_call {
  struct haggle_request request; /* the engine's; first, so that one is the other */
  struct hgl_infer_model *model;
  struct infer_caller *caller;
  struct infer_worker *worker; /* who runs it */
  struct hgl_infer_call *next,
      *previous; /* of its caller, by age; then in a list of what is over */
  enum { CALL_QUEUED, CALL_RUNNING, CALL_OVER } stage; /* under the model's lock */
  atomic_bool cancelled;
  bool single; /* its inputs came without the axis of the batch: its outputs have none either */
  bool begun;  /* some of its text has come */
  size_t size; /* bytes in all */
  int64_t queued_ns, started_ns;
  void (*done)(void *user, uint64_t ticket, struct hgl_bytes result, const struct hgl_err *why);
  void *user;
  uint64_t ticket;
  /* once it is over */
  struct hgl_buf result;
  enum hgl_code code;
  char *why; /* NULL: the code's meaning */
  struct haggle_tensor inputs[];
};

static inline size_t infer_call_rows(const struct hgl_infer_call *call)
{
  return call->request.rows > 1 ? (size_t)call->request.rows : 1;
}

/* An agent that calls a model. */
struct infer_caller {
  struct infer_caller *next;            /* in turn; under the model's lock, as the queue is */
  struct hgl_infer_call *first, *last;  /* queued */
  bool in_turn;                         /* listed; it may have nothing queued any more */
  size_t open;                          /* calls that are not told of; the loop's */
  uint64_t calls;                       /* since the model was opened; the loop's */
  struct infer_caller *older, *younger; /* among those with nothing open */
  char name[];
};

/* Workers ------------------------------------------------------------------------------------- */

struct infer_worker {
  struct hgl_infer_model *model;
  pthread_t thread;
  bool started, ended;                    /* ended: under the model's lock */
  int event;                              /* of its batch */
  bool event_set;                         /* under the model's lock */
  const struct haggle_request **requests; /* what a batch begins with: `batch` of them */
  /* What the engine has of us. A place is NULL once it is finished; under the model's lock where
   * others look at it, which is `live` and `over`. */
  struct hgl_infer_call **running;
  size_t capacity, used, live, hint;
  size_t over;                                   /* of the live ones: cancelled */
  size_t rows;                                   /* that the batch began with */
  int64_t run_began_ns;                          /* 0: it does not run; under the model's lock */
  struct hgl_infer_call *told_first, *told_last; /* over, and not handed to the loop yet */
};

/* Models -------------------------------------------------------------------------------------- */

struct infer_options {
  size_t batch; /* calls at once */
  size_t queue, agent_queue;
  int64_t wait_ns;
  size_t threads;
  bool own_process;
  bool off_loop;
  bool hang_given;
};

struct infer_stats {
  uint64_t calls, done, failed, invalid, timeouts, cancelled, refused;
  uint64_t batches, batched_calls; /* the latter: those that batches began with */
  uint64_t taken;                  /* and those that joined one */
  uint64_t on_loop;                /* of the batches */
  uint64_t tokens;                 /* pieces of text */
  uint64_t garbage;                /* of failed: results that do not fit the description */
  uint64_t sizes[12];              /* batches of 1, 2, 3…4, 5…8, … calls */
  struct hgl_histogram wait, run, first_token; /* nanoseconds */
};

struct hgl_infer_model {
  struct hgl_infer_model *next; /* in the order of opening */
  struct hgl_infer *infer;
  char *name, *file;
  struct infer_engine *engine;
  void *handle; /* the engine's; NULL: not open */
  int kind;
  bool remote;
  bool quick; /* small batches may run on the loop */
  char device[128], note[512];
  uint32_t tasks, context;
  struct infer_spec spec; /* of a model of tensors */
  struct infer_options options;

  struct hgl_map callers; /* name → struct infer_caller */
  struct infer_caller *idle_oldest, *idle_youngest;
  size_t idle_callers;
  size_t open, open_bytes; /* calls that are not told of */
  bool submitted;          /* since the last flush */
  uint64_t last_id;

  pthread_mutex_t lock;
  pthread_cond_t changed; /* monotonic */
  /* under the lock */
  struct infer_caller *turn_first, *turn_last;
  size_t queued, queued_rows, running;
  int64_t row_ns; /* what a row takes about, its answer included; 0: not known yet */
  bool stopping;
  struct infer_stats stats;
  struct hgl_histogram told; /* nanoseconds from a call to its result; the loop's */
  uint64_t troubles_seen;    /* calls that failed or took too long; the loop's */
  int64_t trouble_ns;        /* when the last of them was seen; 0: none was */
  int64_t complained_ns;     /* of garbage */

  struct infer_worker *workers;
  size_t worker_count;
  struct infer_worker on_loop; /* has no thread, and is not among them */
};

enum { INFER_LINES_MAX = 64, INFER_LINE_SIZE = 600 };

struct infer_line {
  enum hgl_log_level level;
  char text[INFER_LINE_SIZE];
};

struct hgl_infer {
  struct hgl_infer_config config;
  struct infer_engine *engines;
  struct hgl_infer_model *models, *last_model;
  size_t model_count;
  bool abandoned; /* an engine has not come back */
  pthread_mutex_t lock;
  /* under the lock */
  struct hgl_infer_call *over_first, *over_last;
  struct infer_line lines[INFER_LINES_MAX]; /* for the log, which is the loop's */
  size_t line_count, lines_lost;
};

int64_t infer_now_ns(void); /* CLOCK_MONOTONIC, as the engines' deadlines */
/* Any thread. */
void infer_say(struct hgl_infer *infer, enum hgl_log_level level, const char *format, ...)
    HGL_PRINTF(3, 4);
/* A list of calls that are over, linked by `next`: the loop is woken if it does not know of any. */
void infer_hand_over(struct hgl_infer *infer, struct hgl_infer_call *first,
                     struct hgl_infer_call *last);

/* queue.c; with the lock held */
struct hgl_infer_call *infer_queue_take(struct hgl_infer_model *model);
int64_t infer_queue_oldest_ns(const struct hgl_infer_model *model);
/* The loop's: done, and gone. */
void infer_call_tell(struct hgl_infer_call *call);
/* All that still waits is gone, and nobody is told; no thread serves it any more. */
void infer_queue_drop(struct hgl_infer_model *model);

/* worker.c */
int infer_workers_start(struct hgl_infer_model *model, struct hgl_err *err) HGL_NODISCARD;
/* Tells them to end; until when one may wait for that. */
int64_t infer_workers_end(struct hgl_infer_model *model);
/* False: one has not come back by then, and still uses the model. */
bool infer_workers_ended(struct hgl_infer_model *model, int64_t until);
/* With the lock held, after something was queued or cancelled. */
void infer_events_update(struct hgl_infer_model *model);
/* Runs what is queued here and now, if that takes less than is left, of which it is taken; false:
 * it is for a thread. */
bool infer_run_on_loop(struct hgl_infer_model *model, int64_t *left_ns);

/* answer.c: what an engine answers becomes what the agent is told, or is found to be garbage. */
void infer_answer(struct hgl_infer_call *call, const struct haggle_result *result);
void infer_answer_failed(struct hgl_infer_call *call, enum hgl_code code, const char *why);
enum hgl_code infer_code_of(int32_t status);
/* An engine gave what its model does not describe: counted, and logged now and then. Any thread. */
void infer_complain(struct hgl_infer_model *model, const char *what);

/* model.c */
void infer_model_destroy(struct hgl_infer_model *model);

/* stats.c */
json_t *infer_model_json(struct hgl_infer_model *model);

/* text_value.c: requests to language models and their answers. */
int infer_text_check(const struct hgl_infer_model *model, struct hgl_bytes input,
                     struct hgl_buf *text, struct hgl_err *err) HGL_NODISCARD;
int infer_text_answer(struct hgl_bytes text, struct hgl_buf *out,
                      struct hgl_err *err) HGL_NODISCARD;

#endif
