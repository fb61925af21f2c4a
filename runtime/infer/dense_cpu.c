#include "infer/dense_cpu.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "base/mem.h"

enum {
  TILE_BYTES = 96 << 10, /* of activations; weights want room in the cache, too */
  TILE_ROWS_LEAST = 4,
  TILE_ROWS_MAX = 64,
  MULTIPLIES_TO_SHARE = 1 << 20, /* less is done before another thread is awake */
};

struct job {
  const float *inputs;
  float *const *outputs;
  size_t rows;
  atomic_size_t next; /* row that nobody took yet */
};

struct helper {
  struct hgl_dense_cpu *cpu;
  pthread_t thread;
  float *work;
  void *work_at;
};

struct hgl_dense_cpu {
  const struct hgl_dense_net *net;
  const struct hgl_dense_kernels *kernels;
  size_t tile; /* rows */
  struct job job;
  pthread_mutex_t mutex;
  pthread_cond_t begins, ends;
  uint64_t jobs; /* begun */
  unsigned busy; /* helpers that have not ended the present one */
  bool closes;
  unsigned threads; /* that of the caller is the first */
  unsigned started; /* of those threads, without the caller's */
  struct helper helpers[];
};

/* Tiles --------------------------------------------------------------------------------------- */

static void run_tile(const struct hgl_dense_cpu *cpu, const struct job *job, float *work,
                     size_t row, size_t rows)
{
  const struct hgl_dense_net *net = cpu->net;
  size_t padded = (size_t)dense_padded((int32_t)net->input_width);
  float *outputs[HGL_DENSE_OUTPUTS_MAX];
  for (size_t r = 0; r < rows; r++) {
    float *to = work + r * net->workspace;
    memcpy(to, job->inputs + (row + r) * net->input_width, net->input_width * sizeof(float));
    memset(to + net->input_width, 0, (padded - net->input_width) * sizeof(float));
  }
  for (size_t i = 0; i < net->output_count; i++)
    outputs[i] = job->outputs[i] + row * net->outputs[i].width;
  cpu->kernels->run(net->steps, net->step_count, net->parameters, work, net->workspace, rows,
                    outputs);
}

static void run_tiles(struct hgl_dense_cpu *cpu, float *work)
{
  struct job *job = &cpu->job;
  for (size_t row; (row = atomic_fetch_add(&job->next, cpu->tile)) < job->rows;) {
    size_t rows = job->rows - row < cpu->tile ? job->rows - row : cpu->tile;
    run_tile(cpu, job, work, row, rows);
  }
}

/* Threads ------------------------------------------------------------------------------------- */

static void *help(void *argument)
{
  struct helper *helper = argument;
  struct hgl_dense_cpu *cpu = helper->cpu;
  uint64_t seen = 0;
  pthread_mutex_lock(&cpu->mutex);
  for (;;) {
    while (cpu->jobs == seen && !cpu->closes) pthread_cond_wait(&cpu->begins, &cpu->mutex);
    if (cpu->closes) break;
    seen = cpu->jobs;
    pthread_mutex_unlock(&cpu->mutex);
    run_tiles(cpu, helper->work);
    pthread_mutex_lock(&cpu->mutex);
    if (--cpu->busy == 0) pthread_cond_signal(&cpu->ends);
  }
  pthread_mutex_unlock(&cpu->mutex);
  return NULL;
}

static int start_helpers(struct hgl_dense_cpu *cpu, struct hgl_err *err)
{
  sigset_t all, before;
  int failed = 0;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the host's */
  for (unsigned i = 1; i < cpu->threads && !failed; i++) {
    failed = pthread_create(&cpu->helpers[i].thread, NULL, help, &cpu->helpers[i]);
    if (!failed) cpu->started++;
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return failed ? hgl_fail(err, HGL_LIMIT, "no more threads: %s", strerror(failed)) : 0;
}

static void run_shared(struct hgl_dense_cpu *cpu)
{
  pthread_mutex_lock(&cpu->mutex);
  cpu->jobs++;
  cpu->busy = cpu->started;
  pthread_cond_broadcast(&cpu->begins);
  pthread_mutex_unlock(&cpu->mutex);
  run_tiles(cpu, cpu->helpers[0].work);
  pthread_mutex_lock(&cpu->mutex);
  while (cpu->busy) pthread_cond_wait(&cpu->ends, &cpu->mutex);
  pthread_mutex_unlock(&cpu->mutex);
}

void hgl_dense_cpu_run(struct hgl_dense_cpu *cpu, const float *inputs, size_t rows,
                       float *const *outputs)
{
  cpu->job.inputs = inputs;
  cpu->job.outputs = outputs;
  cpu->job.rows = rows;
  atomic_store(&cpu->job.next, 0);
  if (cpu->started && rows > cpu->tile && rows * cpu->net->multiplies > MULTIPLIES_TO_SHARE)
    run_shared(cpu);
  else
    run_tiles(cpu, cpu->helpers[0].work);
}

/* Making and ending --------------------------------------------------------------------------- */

static size_t tile_of(const struct hgl_dense_net *net)
{
  size_t rows = TILE_BYTES / (net->workspace * sizeof(float));
  if (rows < TILE_ROWS_LEAST) rows = TILE_ROWS_LEAST;
  if (rows > TILE_ROWS_MAX) rows = TILE_ROWS_MAX;
  return rows / TILE_ROWS_LEAST * TILE_ROWS_LEAST;
}

int hgl_dense_cpu_create(const struct hgl_dense_net *net, const struct hgl_dense_kernels *kernels,
                         unsigned threads, struct hgl_dense_cpu **out, struct hgl_err *err)
{
  struct hgl_dense_cpu *cpu = hgl_zalloc(sizeof *cpu + threads * sizeof *cpu->helpers);
  if (!cpu) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  cpu->net = net;
  cpu->kernels = kernels;
  cpu->threads = threads;
  cpu->tile = tile_of(net);
  pthread_mutex_init(&cpu->mutex, NULL);
  pthread_cond_init(&cpu->begins, NULL);
  pthread_cond_init(&cpu->ends, NULL);
  int status = 0;
  for (unsigned i = 0; i < threads && !status; i++) {
    cpu->helpers[i].cpu = cpu;
    cpu->helpers[i].work = hgl_dense_floats(cpu->tile * net->workspace, &cpu->helpers[i].work_at);
    if (!cpu->helpers[i].work) status = hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  }
  if (!status) status = start_helpers(cpu, err);
  if (status) {
    hgl_dense_cpu_destroy(cpu);
    return status;
  }
  *out = cpu;
  return 0;
}

void hgl_dense_cpu_destroy(struct hgl_dense_cpu *cpu)
{
  if (!cpu) return;
  pthread_mutex_lock(&cpu->mutex);
  cpu->closes = true;
  pthread_cond_broadcast(&cpu->begins);
  pthread_mutex_unlock(&cpu->mutex);
  for (unsigned i = 1; i <= cpu->started; i++) pthread_join(cpu->helpers[i].thread, NULL);
  for (unsigned i = 0; i < cpu->threads; i++) hgl_free(cpu->helpers[i].work_at);
  pthread_cond_destroy(&cpu->ends);
  pthread_cond_destroy(&cpu->begins);
  pthread_mutex_destroy(&cpu->mutex);
  hgl_free(cpu);
}

size_t hgl_dense_cpu_memory(const struct hgl_dense_cpu *cpu)
{
  return sizeof *cpu + cpu->threads * cpu->tile * cpu->net->workspace * sizeof(float);
}
