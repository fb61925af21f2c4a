/* A verb of the command line: `haggle NAME …`. Each is a constant in the file that implements it
 * and one line in the table of verbs.c. */
#ifndef HGL_HOST_VERB_H
#define HGL_HOST_VERB_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct hgl_option;

struct hgl_verb {
  const char *name;
  const char *usage;   /* what follows the name: "[OPTION…] NAME" */
  const char *summary; /* one line */
  const char *help;    /* what it does, with examples; options are added from their table */
  /* argv[0] is the verb's name. Returns the exit status. */
  int (*main)(const struct hgl_verb *verb, int argc, char **argv);
  bool hidden; /* for scripts: help does not list it */
  /* Of a copy that somebody calls to see the verb's options: hgl_options_parse gives them to this
   * and nothing else happens. NULL: it parses. */
  void (*describe)(void *user, const struct hgl_option *options, size_t count);
  void *describe_user;
};

enum {
  HGL_EXIT_OK = 0,
  HGL_EXIT_FAILED = 1,
  HGL_EXIT_USAGE = 2,
  HGL_EXIT_STORE = 70, /* the outcome of a commit is unknown: start again from the store; or its
                          file is damaged (HGL_DAMAGE_EXIT) */
};

extern const struct hgl_verb hgl_verb_run, hgl_verb_new, hgl_verb_check, hgl_verb_test,
    hgl_verb_agents, hgl_verb_agent, hgl_verb_reload, hgl_verb_console, hgl_verb_state,
    hgl_verb_peers, hgl_verb_find, hgl_verb_send, hgl_verb_ask, hgl_verb_chat, hgl_verb_tail,
    hgl_verb_top, hgl_verb_trace, hgl_verb_deals, hgl_verb_proofs, hgl_verb_dead, hgl_verb_runs,
    hgl_verb_models, hgl_verb_backup, hgl_verb_export, hgl_verb_verify, hgl_verb_keys,
    hgl_verb_demo, hgl_verb_bench, hgl_verb_version, hgl_verb_help, hgl_verb_log, hgl_verb_service,
    hgl_verb_completion, hgl_verb_man, hgl_verb_infer_process, hgl_verb_dashboard;

/* All of them, in the order in which help lists them; ends with NULL. */
extern const struct hgl_verb *const hgl_verbs[];

/* What the verbs from `first` on are for; ends with a NULL title. */
struct hgl_verb_group {
  const char *title;
  const struct hgl_verb *first;
};
extern const struct hgl_verb_group hgl_verb_groups[];

/* Says that there is no verb of that name, and which was probably meant; HGL_EXIT_USAGE. */
int hgl_verb_unknown(const char *name);

/* Prints "haggle NAME: message" on standard error (control characters escaped). The exit status. */
int hgl_verb_fail(const struct hgl_verb *verb, const struct hgl_err *err);

#endif
