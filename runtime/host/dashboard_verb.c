/* haggle dashboard: the links to the page of a running host. */
#include <stdio.h>
#include <string.h>

#include "host/client.h"
#include "host/http_tokens.h"
#include "host/text.h"
#include "protocol/crypto.h"

struct given {
  const char *data, *renew;
  bool json;
};

/* No host runs: a new token counts from its next start on. */
static int renew_file(const struct given *given, struct hgl_err *err)
{
  struct hgl_buf token;
  enum hgl_role role = strcmp(given->renew, "operator") == 0 ? HGL_ROLE_OPERATOR : HGL_ROLE_VIEWER;
  hgl_buf_init(&token, HGL_TOKEN_TEXT_SIZE + 2);
  int status = hgl_role_token(given->data, role, true, &hgl_random_system, &token, err);
  if (token.data) hgl_wipe(token.data, token.size);
  hgl_buf_deinit(&token);
  return status;
}

static void print_links(const json_t *links)
{
  const json_t *url;
  size_t index;
  printf("read only  %s\n", json_string_value(json_object_get(links, "viewer")));
  printf("may act    %s\n", json_string_value(json_object_get(links, "operator")));
  json_array_foreach(json_object_get(links, "urls"), index, url)
  {
    printf("%-10s %s  (with the same #token=…)\n", index ? "" : "elsewhere",
           json_string_value(url));
  }
}

static int show(const struct given *given, struct hgl_err *err)
{
  struct hgl_client *client = NULL;
  json_t *links = NULL;
  int status = hgl_client_open(given->data, &client, err);
  if (status == -HGL_NOT_FOUND && given->renew) {
    if ((status = renew_file(given, err)) == 0 && !given->json)
      printf("no host runs there; the new link is printed when it starts\n");
    return status;
  }
  if (status) return status;
  json_t *request = json_pack("{s:s, s:s*}", "call", "dashboard", "renew", given->renew);
  status = hgl_client_call(client, request, HGL_CLIENT_TIMEOUT_MS, &links, err);
  hgl_client_close(client);
  if (status) return status;
  if (given->json)
    status = hgl_print_json(links, err);
  else
    print_links(links);
  json_decref(links);
  return status;
}

static int dashboard_main(const struct hgl_verb *verb, int argc, char **argv)
{
  struct given given = {.data = HGL_DATA_DEFAULT};
  const struct hgl_option options[] = {
      HGL_CLIENT_OPTIONS(&given.data, &given.json),
      {"renew", "viewer|operator", HGL_OPTION_TEXT, &given.renew,
       "makes that link anew; the old one opens nothing more, and\nwho looks with it is hung up "
       "on"},
  };
  struct hgl_texts words = {0};
  struct hgl_err err = {0};
  int status;
  if (!hgl_options_parse(verb, options, sizeof options / sizeof *options, argc, argv, &words,
                         &status))
    goto done;
  if (words.count)
    status = hgl_usage_fail(verb, "\"%s\" is too much", words.items[0]);
  else if (given.renew && strcmp(given.renew, "viewer") != 0 &&
           strcmp(given.renew, "operator") != 0)
    status = hgl_usage_fail(verb, "--renew is viewer or operator, not \"%s\"", given.renew);
  else
    status = show(&given, &err) ? hgl_verb_fail(verb, &err) : HGL_EXIT_OK;
done:
  hgl_texts_deinit(&words);
  return status;
}

const struct hgl_verb hgl_verb_dashboard = {
    .name = "dashboard",
    .usage = "[OPTION…]",
    .summary = "the links under which a browser shows a running host",
    .help =
        "Prints two links to the page that a running host serves on its port: one for whoever may\n"
        "look (at all that agents say, keep and are made of), one for whoever may also act\n"
        "(pause, restart, ask agents). Each holds a token that stays the same until it is\n"
        "renewed; give it to nobody else.\n\n"
        "  haggle dashboard\n"
        "  haggle dashboard --data east-data --json\n"
        "  haggle dashboard --renew viewer",
    .main = dashboard_main,
};
