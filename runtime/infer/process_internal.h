/* What the files of process.h share: process.c is called by the host's threads; process_serve.c is
 * the thread that a process of an engine has here, and process_calls.c what that says and hears;
 * process_spawn.c begins and ends the process itself. */
#ifndef HGL_INFER_PROCESS_INTERNAL_H
#define HGL_INFER_PROCESS_INTERNAL_H

#include <pthread.h>

#include "base/seam.h"
#include "infer/fail.h"
#include "infer/process.h"
#include "infer/process_channel.h"
#include "infer/process_wire.h"

enum process_state { PROCESS_ENDED, PROCESS_BEGINS, PROCESS_RUNS, PROCESS_ENDS };

/* One call of run, on the stack of its thread, which waits until it is done. */
struct process_run {
  struct process_run *next;
  const struct haggle_batch *batch;
  uint32_t number;
  bool done;
  bool armed;           /* its event is waited for: all that it told was looked after */
  uint64_t answered_at; /* of all that was said, where the answer to its last TAKE ends */
};

/* A request that the engine has and has not finished. */
struct process_flight {
  const struct haggle_request *request; /* NULL: free */
  struct process_run *run;
  uint32_t generation, next_free;
  bool told; /* that it is over */
  int64_t over_ns;
};

struct process {
  /* From open to close. */
  char *program, *name;
  const char *const *arguments;
  const struct haggle_host *host;
  struct hgl_buf opening; /* the message */
  int64_t hang_ns;
  struct hgl_process_about about;
  bool described;

  /* Under the lock. */
  pthread_mutex_t lock;
  pthread_cond_t changed;
  enum process_state state;
  bool has_thread, closing;
  pthread_t thread;
  int wake; /* an eventfd: something below is new */
  struct process_run *arrived;
  bool wants_stats, awaits_stats, wants_device, has_device;
  uint32_t device_number;
  int32_t device_status;
  struct haggle_device device;
  struct haggle_model_stats stats; /* the last that were told, and those of processes before */
  struct haggle_error why;         /* of its last end */
  unsigned failures;               /* ends in a row */
  int64_t again_ns;                /* not begun again before */
  pid_t pid;

  /* The thread's. */
  struct hgl_channel channel;
  int pid_fd;
  int64_t began_ns, looked_ns;
  struct hgl_buf outbox;
  size_t outbox_sent;
  uint64_t said;       /* bytes in all, those in the outbox among them */
  struct hgl_buf body; /* of a request that is being sent */
  struct process_run *runs;
  uint32_t next_run;
  struct process_flight *flights;
  size_t flight_count, flight_capacity, in_flight;
  uint32_t first_free; /* index + 1 */
  bool over, exited, said_close;
  int64_t close_ns;
  int64_t log_ns; /* of the lines of this second */
  int log_lines;
  struct haggle_error end;
  struct haggle_model_stats stats_before;
};

static inline int64_t process_now(void)
{
  return hgl_mono_ns(&hgl_clock_system);
}

void *process_serve(void *user);

/* Begins it; the channel is ours then. */
int process_spawn(struct process *process, struct hgl_err *err) HGL_NODISCARD;
/* Ends what is left of it, and says how it ended ("was ended by signal 11 (…)"). */
void process_reap(struct process *process, bool kill_first, char *out, size_t size);

/* The end of the process: `format` says why. Only the first counts. */
void process_fail(struct process *process, int32_t status, const char *format, ...)
    HGL_PRINTF(3, 4);
void process_say(struct process *process, uint32_t kind, uint32_t run, uint64_t id,
                 struct hgl_bytes body);
void process_flush(struct process *process);
void process_begin_run(struct process *process, struct process_run *run);
void process_heard(struct process *process); /* the message in the channel */
void process_look_for_over(struct process *process, struct process_run *run, int64_t now_ns);
void process_fail_all(struct process *process, int32_t status, const char *message);

#endif
