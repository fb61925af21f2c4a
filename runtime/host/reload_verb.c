/* haggle reload: agents of a running host run on with their scripts as the files are now. */
#include <stdio.h>

#include "base/mem.h"
#include "host/client.h"
#include "host/text.h"

enum { RELOAD_TIMEOUT_MS = 600 * 1000, SHOWN_MAX = 20 };

struct given {
  const char *data, *group;
  bool json, all;
};

static const char *text_of(const json_t *object, const char *field)
{
  const char *text = json_string_value(json_object_get(object, field));
  return text ? text : "";
}

static long long number_of(const json_t *object, const char *field)
{
  return json_integer_value(json_object_get(object, field));
}

static void print_reloaded(const json_t *agent)
{
  long long from = number_of(agent, "from"), to = number_of(agent, "to");
  long long old = number_of(agent, "old_handlers");
  hgl_print_escaped(stdout, hgl_text(text_of(agent, "name")));
  if (json_is_true(json_object_get(agent, "restarted"))) {
    printf(" had failed, and begins again with its script as it is now\n");
    return;
  }
  printf(" is reloaded");
  if (from != to)
    printf(": version %lld to %lld%s", from, to,
           json_is_true(json_object_get(agent, "upgraded")) ? ", upgraded"
           : to < from                                      ? " (back: on_upgrade is not called)"
                                                            : "");
  if (!json_is_true(json_object_get(agent, "changed"))) printf("; its script is as it was");
  if (old)
    printf("; %lld handler%s on under the script %s began with", old, old == 1 ? " goes" : "s go",
           old == 1 ? "it" : "they");
  printf("\n");
}

static void print_failed(const struct hgl_verb *verb, const json_t *agent)
{
  fflush(stdout);
  fprintf(stderr, "haggle %s: ", verb->name);
  hgl_print_escaped(stderr, hgl_text(text_of(agent, "name")));
  fprintf(stderr, " goes on as before: ");
  hgl_print_escaped(stderr, hgl_text(text_of(agent, "why")));
  fprintf(stderr, "\n");
}

static void print_result(const struct hgl_verb *verb, const json_t *result)
{
  const json_t *agents = json_object_get(result, "agents"), *agent;
  size_t index, shown = 0, more = (size_t)number_of(result, "left_out");
  json_array_foreach(agents, index, agent)
  {
    if (++shown > SHOWN_MAX)
      more++;
    else if (json_object_get(agent, "why"))
      print_failed(verb, agent);
    else
      print_reloaded(agent);
  }
  if (more)
    printf("and %zu more: in all %lld reloaded, %lld not\n", more,
           number_of(result, "reloaded") + number_of(result, "unchanged"),
           number_of(result, "failed"));
}

/* Steals the request. */
static int reload(const struct hgl_verb *verb, const struct given *given, json_t *request)
{
  struct hgl_err err = {0};
  json_t *result = NULL;
  int status = hgl_client_once(given->data, request, RELOAD_TIMEOUT_MS, &result, &err);
  if (!status && given->json) status = hgl_print_json(result, &err);
  if (status) return hgl_verb_fail(verb, &err);
  if (!given->json) print_result(verb, result);
  bool failed = number_of(result, "failed") > 0;
  json_decref(result);
  return failed ? HGL_EXIT_FAILED : HGL_EXIT_OK;
}

static int reload_each(const struct hgl_verb *verb, const struct given *given,
                       const struct hgl_texts *names)
{
  int worst = HGL_EXIT_OK;
  for (size_t i = 0; i < names->count; i++) {
    json_t *request = json_pack("{s:s, s:s}", "call", "agent.reload", "name", names->items[i]);
    if (!request) return hgl_usage_fail(verb, "a name is no UTF-8 text");
    int status = reload(verb, given, request);
    if (status > worst) worst = status;
  }
  return worst;
}

static int reload_main(const struct hgl_verb *verb, int argc, char **argv)
{
  struct given given = {.data = HGL_DATA_DEFAULT};
  const struct hgl_option options[] = {
      HGL_CLIENT_OPTIONS(&given.data, &given.json),
      {"group", "GROUP", HGL_OPTION_TEXT, &given.group, "all agents of this group"},
      {"all", NULL, HGL_OPTION_FLAG, &given.all, "all agents of the host"},
  };
  struct hgl_texts names = {0};
  int status;
  if (!hgl_options_parse(verb, options, sizeof options / sizeof *options, argc, argv, &names,
                         &status))
    goto done;
  if (!!names.count + !!given.group + given.all != 1)
    status = hgl_usage_fail(verb, "say which agents: by their names, with --group, or --all");
  else if (names.count)
    status = reload_each(verb, &given, &names);
  else
    status = reload(verb, &given,
                    given.all
                        ? json_pack("{s:s, s:b}", "call", "agent.reload", "all", 1)
                        : json_pack("{s:s, s:s}", "call", "agent.reload", "group", given.group));
done:
  hgl_texts_deinit(&names);
  return status;
}

const struct hgl_verb hgl_verb_reload = {
    .name = "reload",
    .usage = "[OPTION…] NAME… | --group GROUP | --all",
    .summary = "let agents run on with their changed scripts",
    .help =
        "Reads the agents' scripts, and the modules beside them, again: each agent runs on with\n"
        "what they say now, between two stretches. It keeps its state, cache, mailbox, timers and\n"
        "dialogues; handlers that wait go on under the script they began with; on_stop is not\n"
        "called. If agent.describe's version is higher than before, on_upgrade(from, to) runs\n"
        "first, then on_start(\"reloaded\"). When a script does not load, or its on_upgrade "
        "raises\n"
        "or waits, the agent goes on as if nothing had happened, and the error is shown.\n\n"
        "An agent that was parked begins again with the new script. The name of a counted agent\n"
        "(`worker` of worker-1, worker-2, …) stands for all of them.\n\n"
        "  haggle reload kiosk\n"
        "  haggle reload --all\n\n"
        "`haggle run --watch` does it whenever a file changes. The host's next start reads the\n"
        "files too: mend one that was refused before that.",
    .main = reload_main,
};
