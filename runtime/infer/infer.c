/* The models of one host as a whole, and what comes back from their threads to the loop. */
#include <stdarg.h>
#include <stdio.h>

#include "base/mem.h"
#include "infer/infer_core.h"

int64_t infer_now_ns(void)
{
  return hgl_mono_ns(&hgl_clock_system);
}

int hgl_infer_create(const struct hgl_infer_config *config, struct hgl_infer **out,
                     struct hgl_err *err)
{
  struct hgl_infer *infer = hgl_zalloc(sizeof *infer);
  if (!infer) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  infer->config = *config;
  pthread_mutex_init(&infer->lock, NULL);
  *out = infer;
  return 0;
}

/* One line at a time, so that a sink that logs slowly holds up no engine. */
static void log_lines(struct hgl_infer *infer)
{
  struct infer_line line;
  for (size_t i = 0;; i++) {
    pthread_mutex_lock(&infer->lock);
    bool more = i < infer->line_count;
    size_t lost = more ? 0 : infer->lines_lost;
    if (more)
      line = infer->lines[i];
    else
      infer->line_count = infer->lines_lost = 0;
    pthread_mutex_unlock(&infer->lock);
    if (lost)
      hgl_log(infer->config.log, HGL_LOG_WARN, "infer", "%zu more lines of engines are left out",
              lost);
    if (!more) return;
    hgl_log(infer->config.log, line.level, "infer", "%s", line.text);
  }
}

/* What is over, and tells of nobody's waiting any more. */
static void drop_over(struct hgl_infer *infer)
{
  for (struct hgl_infer_call *call = infer->over_first, *next; call; call = next) {
    next = call->next;
    call->cancelled = true;
    infer_call_tell(call);
  }
  infer->over_first = infer->over_last = NULL;
}

void hgl_infer_destroy(struct hgl_infer *infer)
{
  if (!infer) return;
  pthread_mutex_lock(&infer->lock);
  infer->config.wake = NULL;
  pthread_mutex_unlock(&infer->lock);
  int64_t until = 0; /* for all of them together */
  for (struct hgl_infer_model *model = infer->models; model; model = model->next)
    until = infer_workers_end(model);
  for (struct hgl_infer_model *model = infer->models; model; model = model->next)
    if (!infer_workers_ended(model, until)) infer->abandoned = true;
  log_lines(infer); /* what engines said last */
  pthread_mutex_lock(&infer->lock);
  infer->config.log = NULL;
  pthread_mutex_unlock(&infer->lock);
  if (infer->abandoned) return; /* its threads still use it, and the process is about to end */
  drop_over(infer);
  while (infer->models) {
    struct hgl_infer_model *model = infer->models;
    infer->models = model->next;
    infer_queue_drop(model);
    infer_model_destroy(model);
  }
  infer_engines_close(infer);
  pthread_mutex_destroy(&infer->lock);
  hgl_free(infer);
}

/* Models by name ------------------------------------------------------------------------------- */

bool hgl_infer_name_valid(struct hgl_bytes name)
{
  if (!name.size || name.size > HGL_MODEL_NAME_SIZE_MAX) return false;
  for (size_t i = 0; i < name.size; i++) {
    uint8_t c = name.data[i];
    bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
    if (!letter && !(c >= '0' && c <= '9') && c != '-' && c != '_' && c != '.') return false;
  }
  return true;
}

struct hgl_infer_model *hgl_infer_find(const struct hgl_infer *infer, struct hgl_bytes name)
{
  struct hgl_infer_model *model = infer->models;
  while (model && !hgl_bytes_is(name, model->name)) model = model->next;
  return model;
}

size_t hgl_infer_count(const struct hgl_infer *infer)
{
  return infer->model_count;
}

void hgl_infer_names(const struct hgl_infer *infer, char *out, size_t room)
{
  size_t size = (size_t)snprintf(out, room, "%s", infer->models ? "" : "none");
  for (const struct hgl_infer_model *model = infer->models; model && size < room;
       model = model->next)
    size += (size_t)snprintf(out + size, room - size, "%s%s", size ? ", " : "", model->name);
}

bool hgl_infer_is_remote(const struct hgl_infer_model *model)
{
  return model->remote;
}

/* From the threads ----------------------------------------------------------------------------- */

/* With the lock held: who is woken is there until hgl_infer_destroy has taken the wake away. */
static void wake(const struct hgl_infer *infer)
{
  if (infer->config.wake) infer->config.wake(infer->config.wake_user);
}

void infer_say(struct hgl_infer *infer, enum hgl_log_level level, const char *format, ...)
{
  va_list args;
  va_start(args, format);
  pthread_mutex_lock(&infer->lock);
  bool heard = infer->config.log && level >= infer->config.log->least;
  bool first = heard && !infer->line_count;
  if (!heard) {
    /* Nobody wants it, or is there any more. */
  } else if (infer->line_count < INFER_LINES_MAX) {
    struct infer_line *line = &infer->lines[infer->line_count++];
    line->level = level;
    vsnprintf(line->text, sizeof line->text, format, args);
  } else {
    infer->lines_lost++;
  }
  if (first) wake(infer);
  pthread_mutex_unlock(&infer->lock);
  va_end(args);
}

void infer_hand_over(struct hgl_infer *infer, struct hgl_infer_call *first,
                     struct hgl_infer_call *last)
{
  pthread_mutex_lock(&infer->lock);
  bool none = !infer->over_first;
  if (none)
    infer->over_first = first;
  else
    infer->over_last->next = first;
  infer->over_last = last;
  if (none) wake(infer);
  pthread_mutex_unlock(&infer->lock);
}

void hgl_infer_poll(struct hgl_infer *infer)
{
  pthread_mutex_lock(&infer->lock);
  struct hgl_infer_call *call = infer->over_first;
  bool lines = infer->line_count > 0;
  infer->over_first = infer->over_last = NULL;
  pthread_mutex_unlock(&infer->lock);
  if (lines) log_lines(infer);
  for (struct hgl_infer_call *next; call; call = next) {
    next = call->next;
    infer_call_tell(call);
  }
}
