/* The verbs, and the two that are about them: help and version. */
#include <stdio.h>

#include "host/options.h"
#include "host/text.h"

/* clang-format off */
const struct hgl_verb *const hgl_verbs[] = {
    &hgl_verb_new,
    &hgl_verb_check,
    &hgl_verb_test,
    &hgl_verb_run,
    &hgl_verb_service,
    &hgl_verb_agents,
    &hgl_verb_agent,
    &hgl_verb_reload,
    &hgl_verb_log,
    &hgl_verb_backup,
    &hgl_verb_keys,
    &hgl_verb_dashboard,
    &hgl_verb_top,
    &hgl_verb_tail,
    &hgl_verb_trace,
    &hgl_verb_state,
    &hgl_verb_console,
    &hgl_verb_dead,
    &hgl_verb_runs,
    &hgl_verb_models,
    &hgl_verb_find,
    &hgl_verb_send,
    &hgl_verb_ask,
    &hgl_verb_chat,
    &hgl_verb_peers,
    &hgl_verb_deals,
    &hgl_verb_export,
    &hgl_verb_verify,
    &hgl_verb_proofs,
    &hgl_verb_demo,
    &hgl_verb_bench,
    &hgl_verb_version,
    &hgl_verb_help,
    &hgl_verb_completion,
    &hgl_verb_man,
    &hgl_verb_infer_process,
    NULL,
};

const struct hgl_verb_group hgl_verb_groups[] = {
    {"Writing agents", &hgl_verb_new},
    {"Running them", &hgl_verb_run},
    {"Looking inside", &hgl_verb_dashboard},
    {"Speaking with them", &hgl_verb_find},
    {"Other hosts, and what was agreed", &hgl_verb_peers},
    {"Haggle itself", &hgl_verb_demo},
    {NULL, NULL},
};
/* clang-format on */

int hgl_verb_fail(const struct hgl_verb *verb, const struct hgl_err *err)
{
  fflush(stdout);
  fprintf(stderr, "haggle %s: ", verb->name);
  hgl_print_escaped(stderr, hgl_text(err->message));
  fprintf(stderr, "\n");
  return HGL_EXIT_FAILED;
}

int hgl_verb_unknown(const char *name)
{
  struct hgl_texts names = {0};
  const char *nearest = NULL;
  bool whole = true;
  for (const struct hgl_verb *const *verb = hgl_verbs; *verb && whole; verb++)
    whole = hgl_texts_add(&names, (*verb)->name, NULL) == 0;
  if (whole) nearest = hgl_nearest(hgl_text(name), names.items);
  fprintf(stderr, "haggle: there is no verb \"%s\"%s%s%s\nSee `haggle help`.\n", name,
          nearest ? "; did you mean " : "", nearest ? nearest : "", nearest ? "?" : "");
  hgl_texts_deinit(&names);
  return HGL_EXIT_USAGE;
}

static void print_overview(void)
{
  const struct hgl_colours *colours = hgl_colours(stdout);
  printf("%shaggle%s runs autonomous agents, written in Lua, that trade with others.\n",
         colours->bold, colours->plain);
  const struct hgl_verb_group *group = hgl_verb_groups;
  for (const struct hgl_verb *const *verb = hgl_verbs; *verb; verb++) {
    if (group->title && group->first == *verb)
      printf("\n%s%s%s\n", colours->bold, (group++)->title, colours->plain);
    if (!(*verb)->hidden) printf("  %-10s %s\n", (*verb)->name, (*verb)->summary);
  }
  printf("\n"
         "  haggle new kiosk                 write a first agent\n"
         "  haggle run kiosk                 run it\n"
         "  haggle ask kiosk echo/1.0/say '{\"text\":\"hello\"}'\n\n"
         "`haggle VERB --help` explains each, with examples.\n");
}

static int help_main(const struct hgl_verb *verb, int argc, char **argv)
{
  struct hgl_texts words = {0};
  int status;
  if (!hgl_options_parse(verb, NULL, 0, argc, argv, &words, &status)) goto done;
  if (words.count == 0) {
    print_overview();
    goto done;
  }
  for (const struct hgl_verb *const *other = hgl_verbs; *other; other++) {
    if (strcmp((*other)->name, words.items[0]) != 0) continue;
    char name[32], help[] = "--help";
    snprintf(name, sizeof name, "%s", (*other)->name);
    status = (*other)->main(*other, 2, (char *[]){name, help, NULL});
    goto done;
  }
  status = hgl_verb_unknown(words.items[0]);
done:
  hgl_texts_deinit(&words);
  return status;
}

const struct hgl_verb hgl_verb_help = {
    .name = "help",
    .usage = "[VERB]",
    .summary = "this overview, or how one verb is used",
    .help = "Without a verb: all verbs in a line each.",
    .main = help_main,
};

static int version_main(const struct hgl_verb *verb, int argc, char **argv)
{
  bool json = false;
  const struct hgl_option options[] = {
      {"json", NULL, HGL_OPTION_FLAG, &json, "{\"version\":…, \"protocol\":…}"},
  };
  struct hgl_texts words = {0};
  int status;
  if (hgl_options_parse(verb, options, 1, argc, argv, &words, &status)) {
    if (json)
      printf("{\"version\":\"%s\",\"protocol\":\"haggle.v1\"}\n", HGL_VERSION);
    else
      printf("haggle %s (protocol haggle.v1)\n", HGL_VERSION);
  }
  hgl_texts_deinit(&words);
  return status;
}

const struct hgl_verb hgl_verb_version = {
    .name = "version",
    .usage = "[--json]",
    .summary = "the version of this program",
    .help = "Prints the version of the program and of the protocol between hosts.",
    .main = version_main,
};
