/* haggle log: what a running host logs. */
#include <stdio.h>

#include "base/log.h"
#include "host/client.h"
#include "host/text.h"

static void print_levels(const json_t *levels)
{
  const char *name;
  json_t *level;
  printf("%-20s %s\n", "(all)", json_string_value(json_object_get(levels, "level")));
  json_object_foreach(json_object_get(levels, "agents"), name, level)
  {
    hgl_print_escaped(stdout, hgl_text(name));
    printf("%*s %s\n", strlen(name) < 20 ? 20 - (int)strlen(name) : 0, "",
           json_string_value(level));
  }
}

static bool is_level(const char *text)
{
  enum hgl_log_level level;
  return hgl_log_level_parse(text, &level);
}

/* NAME LEVEL, NAME default, LEVEL, or nothing. */
static json_t *request_of(const struct hgl_texts *words)
{
  const char *last = words->count ? words->items[words->count - 1] : NULL;
  const char *agent = words->count == 2 ? words->items[0] : NULL;
  return json_pack("{s:s, s:s*, s:s*}", "call", "log", "agent", agent, "level",
                   last && strcmp(last, "default") != 0 ? last : NULL);
}

static int check(const struct hgl_verb *verb, const struct hgl_texts *words)
{
  const char *last = words->count ? words->items[words->count - 1] : NULL;
  if (words->count > 2) return hgl_usage_fail(verb, "give at most a name and a level");
  if (last && !is_level(last) && !(words->count == 2 && strcmp(last, "default") == 0))
    return hgl_usage_fail(verb, "a level is debug, info, warn or error%s, not \"%s\"",
                          words->count == 2 ? ", or default" : "", last);
  return 0;
}

static int ask(const struct hgl_verb *verb, const char *data, bool json,
               const struct hgl_texts *words)
{
  struct hgl_err err = {0};
  json_t *levels = NULL;
  int status = check(verb, words);
  if (status) return status;
  json_t *request = request_of(words);
  if (!request) return hgl_usage_fail(verb, "the name is no UTF-8 text");
  status = hgl_client_once(data, request, HGL_CLIENT_TIMEOUT_MS, &levels, &err);
  if (status == 0 && json) status = hgl_print_json(levels, &err);
  if (status == 0 && !json) print_levels(levels);
  json_decref(levels);
  return status ? hgl_verb_fail(verb, &err) : HGL_EXIT_OK;
}

static int log_main(const struct hgl_verb *verb, int argc, char **argv)
{
  const char *data = HGL_DATA_DEFAULT;
  bool json = false;
  const struct hgl_option options[] = {HGL_CLIENT_OPTIONS(&data, &json)};
  struct hgl_texts words = {0};
  int status;
  if (hgl_options_parse(verb, options, 2, argc, argv, &words, &status))
    status = ask(verb, data, json, &words);
  hgl_texts_deinit(&words);
  return status;
}

const struct hgl_verb hgl_verb_log = {
    .name = "log",
    .usage = "[--data DIR] [--json] [[NAME] LEVEL]",
    .summary = "what a running host logs: levels, also of one agent",
    .help =
        "Shows the levels of a running host's log, or changes them until it stops: of one agent\n"
        "(or of all instances of one), or of all that has none of its own. `haggle tail` shows\n"
        "what is logged.\n\n"
        "  haggle log\n"
        "  haggle log warn\n"
        "  haggle log kiosk debug\n"
        "  haggle log kiosk default",
    .main = log_main,
};
