/* One thread for each model, asleep unless something computes. Most computations are done long
 * before it would look at them, so it is not woken for each: it looks every ONNX_WATCH_MS while
 * there are any and goes to sleep when it finds none. */
#include "onnx.h"

#include <errno.h>
#include <signal.h>
#include <time.h>

static bool all_over(const struct onnx_watched *watched)
{
  for (size_t i = 0; i < watched->count; i++) {
    if (!hgl_engine_is_over(watched->batch, watched->requests[i])) return false;
  }
  return true;
}

static void look(struct onnx_watch *watch)
{
  for (struct onnx_watched *at = watch->first; at; at = at->next) {
    if (at->ended || !all_over(at)) continue;
    at->ended = true;
    OrtStatus *status = watch->api->RunOptionsSetTerminate(at->options);
    if (status) watch->api->ReleaseStatus(status);
  }
}

static void *watch_thread(void *argument)
{
  struct onnx_watch *watch = argument;
  pthread_mutex_lock(&watch->mutex);
  while (!watch->stop) {
    if (!watch->first) {
      watch->asleep = true;
      pthread_cond_wait(&watch->changed, &watch->mutex);
      watch->asleep = false;
      continue;
    }
    int64_t until = hgl_engine_now_ns() + ONNX_WATCH_MS * INT64_C(1000000);
    struct timespec at = {.tv_sec = until / 1000000000, .tv_nsec = until % 1000000000};
    if (pthread_cond_timedwait(&watch->changed, &watch->mutex, &at) == ETIMEDOUT) look(watch);
  }
  pthread_mutex_unlock(&watch->mutex);
  return NULL;
}

bool onnx_watch_start(struct onnx_watch *watch, const OrtApi *api)
{
  pthread_condattr_t attributes;
  watch->api = api;
  pthread_mutex_init(&watch->mutex, NULL);
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_cond_init(&watch->changed, &attributes);
  pthread_condattr_destroy(&attributes);
  /* Signals are the host's. */
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  watch->started = pthread_create(&watch->thread, NULL, watch_thread, watch) == 0;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return watch->started;
}

void onnx_watch_stop(struct onnx_watch *watch)
{
  if (!watch->started) return;
  pthread_mutex_lock(&watch->mutex);
  watch->stop = true;
  pthread_cond_signal(&watch->changed);
  pthread_mutex_unlock(&watch->mutex);
  pthread_join(watch->thread, NULL);
  pthread_cond_destroy(&watch->changed);
  pthread_mutex_destroy(&watch->mutex);
}

void onnx_watch_begin(struct onnx_watch *watch, struct onnx_watched *watched)
{
  pthread_mutex_lock(&watch->mutex);
  watched->ended = false;
  watched->next = watch->first;
  watch->first = watched;
  if (watch->asleep) pthread_cond_signal(&watch->changed);
  pthread_mutex_unlock(&watch->mutex);
}

void onnx_watch_end(struct onnx_watch *watch, struct onnx_watched *watched)
{
  pthread_mutex_lock(&watch->mutex);
  struct onnx_watched **at = &watch->first;
  while (*at != watched) at = &(*at)->next;
  *at = watched->next;
  pthread_mutex_unlock(&watch->mutex);
}
