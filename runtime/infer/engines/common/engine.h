/* engine.h: what the engines share that are shared libraries of their own: words for errors,
 * options, and the search for a foreign library. They know nothing of the host but haggle_infer.h.
 *
 * Nothing here keeps state; every function may be called from any thread. */
#ifndef HGL_ENGINE_COMMON_H
#define HGL_ENGINE_COMMON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "infer/haggle_infer.h"

#define HGL_ENGINE_EXPORT __attribute__((visibility("default")))

enum { HGL_ENGINE_MESSAGE_MAX = sizeof((struct haggle_error *)0)->message };

/* Fills an error and returns its status. Foreign libraries quote whatever stands in a file: control
 * characters become spaces and bytes that are no UTF-8 question marks, and a message that is too
 * long ends after a whole character with "…". */
#define hgl_engine_fail(error, status, ...)                                                        \
  (hgl_engine_set_error((error), (status), __VA_ARGS__), hgl_engine_failure(status))
/* In the header, so that analysers see that a failure is not HAGGLE_OK. */
static inline int32_t hgl_engine_failure(enum haggle_status status)
{
  return status == HAGGLE_OK ? HAGGLE_FAILED : (int32_t)status;
}
__attribute__((format(printf, 3, 4))) void
hgl_engine_set_error(struct haggle_error *error, int32_t status, const char *format, ...);

/* Finishes a request with an error. */
__attribute__((format(printf, 4, 5))) void hgl_engine_refuse(const struct haggle_batch *batch,
                                                             const struct haggle_request *request,
                                                             int32_t status, const char *format,
                                                             ...);

/* Finishes a request that is_over: HAGGLE_TIMEOUT when its deadline has passed, else
 * HAGGLE_CANCELLED. */
void hgl_engine_refuse_over(const struct haggle_batch *batch, const struct haggle_request *request);

/* Whether a request is over: its deadline has passed, or the host says so. */
bool hgl_engine_is_over(const struct haggle_batch *batch, const struct haggle_request *request);

/* CLOCK_MONOTONIC. */
int64_t hgl_engine_now_ns(void);

/* An option: where its value goes, and what it may be. Exactly one of text, number and choice. Text
 * is borrowed from the source; what was not given is left as it is. */
struct hgl_engine_option {
  const char *name;
  const char **text;
  int64_t *number, least, most;
  int *choice;         /* the index among: */
  const char *choices; /* "none|basic|all" */
};

/* HAGGLE_INVALID for an option that is unknown or has a value that it cannot have: the message
 * names those that there are. */
int32_t hgl_engine_options(const struct haggle_source *source,
                           const struct hgl_engine_option *options, size_t count,
                           struct haggle_error *error);

/* The folder that the calling engine's library lies in: `inside` is a function of the engine's. */
bool hgl_engine_folder(const void *inside, char *out, size_t size);

/* Opens a shared library for good: the first of these paths that exists, or those without a slash
 * wherever the system has them. `path` (of at least PATH_MAX bytes) tells which. HAGGLE_NOT_FOUND
 * when there is none, HAGGLE_FAILED when one is there and cannot be loaded. */
int32_t hgl_engine_library(const char *const *paths, size_t count, void **out, char *path,
                           struct haggle_error *error);

#endif
