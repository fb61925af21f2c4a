/* The options of a verb, declared as a table: parsed and explained from the same lines. */
#ifndef HGL_HOST_OPTIONS_H
#define HGL_HOST_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/nearest.h"
#include "host/verb.h"

enum hgl_option_kind {
  HGL_OPTION_FLAG,     /* bool */
  HGL_OPTION_TEXT,     /* const char *: borrowed from argv */
  HGL_OPTION_LIST,     /* struct hgl_texts: may be given several times */
  HGL_OPTION_COUNT,    /* int64_t, 0 or more */
  HGL_OPTION_DURATION, /* int64_t, milliseconds */
};

struct hgl_option {
  const char *name;     /* without the dashes */
  const char *argument; /* as help names it; NULL for a flag */
  enum hgl_option_kind kind;
  void *value; /* left alone when the option is not given */
  const char *help;
};

/* Borrowed texts in memory of its own. A zeroed struct is empty. */
struct hgl_texts {
  const char **items; /* NULL-terminated once there is one */
  size_t count;
};
int hgl_texts_add(struct hgl_texts *texts, const char *text, struct hgl_err *err) HGL_NODISCARD;
void hgl_texts_deinit(struct hgl_texts *texts);

/* Parses argv[1…]; what is no option is added to `words`. "--name value" and "--name=value" are the
 * same, "--" ends the options. False: `*status` is the exit status, and help or the error has been
 * printed. The caller frees lists and words either way. */
bool hgl_options_parse(const struct hgl_verb *verb, const struct hgl_option *options, size_t count,
                       int argc, char **argv, struct hgl_texts *words, int *status);

/* Prints "haggle NAME: message" and where help is found; HGL_EXIT_USAGE. */
int hgl_usage_fail(const struct hgl_verb *verb, const char *format, ...) HGL_PRINTF(2, 3);

#endif
