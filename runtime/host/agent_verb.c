/* haggle agent: pause, resume, stop, restart, add and remove one agent of a running host. */
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "host/client.h"
#include "host/config.h"
#include "host/http_tokens.h"
#include "host/text.h"
#include "protocol/limits.h"
#include "protocol/value.h"

struct given {
  const char *data, *name, *config;
  struct hgl_texts allows;
  bool json, forget, renew;
};

static const char *text_of(const json_t *object, const char *field)
{
  const char *text = json_string_value(json_object_get(object, field));
  return text ? text : "";
}

static void print_state(const char *name, const json_t *agent)
{
  hgl_print_escaped(stdout, hgl_text(name));
  printf(" is %s", text_of(agent, "status"));
  if (json_object_get(agent, "reason")) {
    printf(": ");
    hgl_print_escaped(stdout, hgl_text(text_of(agent, "reason")));
  }
  printf("\n");
}

/* Steals the request. What became of the agent: null when it was removed. */
static int change(const struct hgl_verb *verb, const struct given *given, json_t *request,
                  const char *name, json_t **agent)
{
  struct hgl_err err = {0};
  int status = hgl_client_once(given->data, request, HGL_CLIENT_TIMEOUT_MS, agent, &err);
  if (status == 0 && given->json) status = hgl_print_json(*agent, &err);
  if (status) return hgl_verb_fail(verb, &err);
  if (!given->json && !json_is_null(*agent)) print_state(name, *agent);
  return strcmp(text_of(*agent, "status"), "parked") == 0 ? HGL_EXIT_FAILED : HGL_EXIT_OK;
}

static int change_one(const struct hgl_verb *verb, const struct given *given,
                      const struct hgl_texts *words)
{
  const char *what = words->items[0], *name = words->items[1];
  json_t *agent = NULL, *call = json_sprintf("agent.%s", what);
  json_t *request = json_pack("{s:o, s:s}", "call", call, "name", name);
  if (!request) return hgl_usage_fail(verb, "the name is no UTF-8 text");
  if (given->forget) json_object_set_new(request, "forget", json_true());
  int status = change(verb, given, request, name, &agent);
  if (status == HGL_EXIT_OK && !given->json && json_is_null(agent)) {
    hgl_print_escaped(stdout, hgl_text(name));
    printf(given->forget ? " is removed and what was stored of it is erased, but for its key\n"
                         : " is removed; what is stored of it waits for an agent of that name\n");
  }
  json_decref(agent);
  return status;
}

/* As an entry of a host file: the host reads it with the same code. */
static json_t *describe(const struct given *given, const char *script, json_t *config)
{
  char path[PATH_MAX];
  struct hgl_config named;
  struct hgl_err err;
  json_t *allow = json_array(), *agent;
  const char *name = given->name;
  hgl_config_init(&named);
  if (hgl_config_add_script(&named, script, &err) == 0) {
    script = named.agents[0].script;
    if (!name) name = named.agents[0].name;
  }
  for (size_t i = 0; i < given->allows.count; i++)
    json_array_append_new(allow, json_string(given->allows.items[i]));
  agent = json_pack("{s:s, s:s?, s:o}", "script", realpath(script, path) ? path : script, "name",
                    name, "allow", allow);
  if (agent && config) json_object_set(agent, "config", config);
  hgl_config_deinit(&named);
  return agent;
}

static int add(const struct hgl_verb *verb, const struct given *given,
               const struct hgl_texts *words)
{
  struct hgl_err err = {0};
  json_t *config = NULL, *result = NULL;
  if (given->config && hgl_json_parse(hgl_text(given->config), HGL_BODY_SIZE_MAX, &config, &err)) {
    hgl_fail_in(&err, "--config is not JSON");
    return hgl_verb_fail(verb, &err);
  }
  json_t *agent = describe(given, words->items[1], config);
  json_t *request = json_pack("{s:s, s:O}", "call", "agent.add", "agent", agent);
  int status = request ? change(verb, given, request, text_of(agent, "name"), &result)
                       : hgl_usage_fail(verb, "the arguments are no UTF-8 text");
  if (status == HGL_EXIT_OK && !given->json)
    printf("It is not there after a restart of the host unless the host is started with it.\n");
  json_decref(result);
  json_decref(agent);
  json_decref(config);
  return status;
}

/* Whether a host that runs has no such agent: a token for it would open nothing. */
static int check_there(const char *data, const char *name, struct hgl_err *err)
{
  struct hgl_client *client = NULL;
  struct hgl_err ignored;
  json_t *state = NULL;
  if (hgl_client_open(data, &client, &ignored)) return 0;
  json_t *request = json_pack("{s:s, s:s, s:i, s:i}", "call", "agent.state", "name", name, "depth",
                              1, "limit", 1);
  int status = hgl_client_call(client, request, HGL_CLIENT_TIMEOUT_MS, &state, err);
  json_decref(state);
  hgl_client_close(client);
  return status == -HGL_NOT_FOUND ? status : 0;
}

/* Of a host that runs or not: the file is all there is to it. */
static int show_token(const struct hgl_verb *verb, const struct given *given, const char *name)
{
  struct hgl_err err = {0};
  struct hgl_buf token;
  hgl_buf_init(&token, HGL_TOKEN_TEXT_SIZE + 2);
  int status = check_there(given->data, name, &err);
  if (status == 0)
    status = hgl_http_token(given->data, name, given->renew, &hgl_random_system, &token, &err);
  if (status == 0 && given->json)
    printf("{\"token\":\"%.*s\"}\n", HGL_STR(hgl_buf_bytes(&token)));
  else if (status == 0)
    printf("%.*s\n", HGL_STR(hgl_buf_bytes(&token)));
  if (token.data) hgl_wipe(token.data, token.size);
  hgl_buf_deinit(&token);
  return status ? hgl_verb_fail(verb, &err) : HGL_EXIT_OK;
}

static int act(const struct hgl_verb *verb, const struct given *given,
               const struct hgl_texts *words)
{
  static const char *const actions[] = {"pause",  "resume", "stop",  "restart",
                                        "remove", "add",    "token", NULL};
  const char *const *action = actions;
  if (words->count == 0) return hgl_usage_fail(verb, "say what is to become of which agent");
  while (*action && strcmp(*action, words->items[0]) != 0) action++;
  if (!*action) {
    const char *nearest = hgl_nearest(hgl_text(words->items[0]), actions);
    return hgl_usage_fail(verb, "it cannot \"%s\" an agent%s%s%s", words->items[0],
                          nearest ? "; did you mean " : "", nearest ? nearest : "",
                          nearest ? "?" : "");
  }
  bool adds = strcmp(*action, "add") == 0;
  if (words->count != 2)
    return hgl_usage_fail(verb, "%s needs %s", *action, adds ? "one script" : "one agent's name");
  if (!adds && (given->name || given->config || given->allows.count))
    return hgl_usage_fail(verb, "--name, --allow and --config are for add");
  if (given->forget && strcmp(*action, "remove") != 0)
    return hgl_usage_fail(verb, "--forget is for remove");
  bool shows_token = strcmp(*action, "token") == 0;
  if (given->renew && !shows_token) return hgl_usage_fail(verb, "--renew is for token");
  if (shows_token) return show_token(verb, given, words->items[1]);
  return adds ? add(verb, given, words) : change_one(verb, given, words);
}

static int agent_main(const struct hgl_verb *verb, int argc, char **argv)
{
  struct given given = {.data = HGL_DATA_DEFAULT};
  const struct hgl_option options[] = {
      HGL_CLIENT_OPTIONS(&given.data, &given.json),
      {"name", "NAME", HGL_OPTION_TEXT, &given.name,
       "add: its name (default: the folder's of agent.lua, else\nthe file's)"},
      {"allow", "KIND=VALUE", HGL_OPTION_LIST, &given.allows, "add: grants it something"},
      {"config", "JSON", HGL_OPTION_TEXT, &given.config, "add: what it finds in agent.config"},
      {"forget", NULL, HGL_OPTION_FLAG, &given.forget,
       "remove: erases its state, mailbox, timers, dialogues and\ndeals"},
      {"renew", NULL, HGL_OPTION_FLAG, &given.renew, "token: makes a new one; the old one is void"},
  };
  struct hgl_texts words = {0};
  int status;
  if (hgl_options_parse(verb, options, sizeof options / sizeof *options, argc, argv, &words,
                        &status))
    status = act(verb, &given, &words);
  hgl_texts_deinit(&words);
  hgl_texts_deinit(&given.allows);
  return status;
}

const struct hgl_verb hgl_verb_agent = {
    .name = "agent",
    .usage = "[OPTION…] pause|resume|stop|restart|remove|token NAME | add SCRIPT",
    .summary = "pause, resume, stop, restart, add or remove an agent",
    .help =
        "Changes one agent of a running host. What you decide lasts over restarts of the host.\n\n"
        "  pause    nothing of it runs; messages wait in its mailbox\n"
        "  resume   it goes on; one that was parked or stopped begins from the start\n"
        "  stop     its on_stop runs, then messages for it are refused (not_here)\n"
        "  restart  its on_stop runs, then its script, read anew, and its on_start\n"
        "  remove   stops it and withdraws what it offers; it comes back at the next start of the\n"
        "           host if the host is started with it\n"
        "  add      runs one more, until the host stops; one that was stopped or parked under "
        "that\n"
        "           name runs again\n"
        "  token    shows what clients of its HTTP paths have to send (grant http=token):\n"
        "           Authorization: Bearer TOKEN\n\n"
        "  haggle agent pause kiosk\n"
        "  haggle agent restart kiosk\n"
        "  haggle agent add bot.lua --name bot-2 --allow read=/proc/loadavg --config '{\"n\":2}'\n"
        "  haggle agent remove bot-2 --forget",
    .main = agent_main,
};
