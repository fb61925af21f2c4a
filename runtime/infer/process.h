/* process=own: an engine that stands for another, which runs in a process of its own. What crashes
 * there, writes where it should not or hangs costs the calls in flight, each of which is told why,
 * and the next call begins a new process: at once after the first end, later after a wait that
 * grows to half a minute.
 *
 * The process is this program (`haggle infer-process`), begun by posix_spawn with none of our
 * descriptors and little of our environment, and ends with us. Requests and results go through
 * shared memory, and all that comes back is checked.
 *
 * Two options are ours and not the engine's: hang=30s, how long after the end of its time a request
 * may go on before the process is ended. Opening a model may take twenty times as long. */
#ifndef HGL_INFER_PROCESS_H
#define HGL_INFER_PROCESS_H

#include <sys/types.h>

#include "infer/haggle_infer.h"

struct hgl_process_config {
  const char *program;            /* NULL: this one */
  const char *const *arguments;   /* what begins hgl_process_child_main; ends with NULL */
  const char *engine;             /* what hgl_process_find is asked for: a name or a path */
  const struct haggle_host *host; /* for what the engine logs; borrowed until the model is closed */
};

/* As an engine's open. The model is for hgl_process_engine. */
int32_t hgl_process_engine_open(const struct hgl_process_config *config,
                                const struct haggle_source *source, void **model,
                                struct haggle_error *error);
/* describe, run, stats and close; there is no open, and no device. */
extern const struct haggle_engine hgl_process_engine;
/* The devices that the other engine sees, where it runs: as an engine's device. */
int32_t hgl_process_device(void *model, uint32_t number, struct haggle_device *out);
/* 0: it has none just now. */
pid_t hgl_process_pid(void *model);

/* The other side --------------------------------------------------------------------------------
 */

/* Finds the engine, or NULL and why not. */
typedef const struct haggle_engine *
hgl_process_find(const char *engine, const struct haggle_host *host, struct haggle_error *error);
/* All that the program does then; the exit status. */
int hgl_process_child_main(hgl_process_find *find);

#endif
