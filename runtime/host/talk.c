/* The verbs that speak to agents: send and ask, both in the name of the host's operator. */
#include <stdio.h>

#include "base/duration.h"
#include "host/client.h"
#include "host/text.h"
#include "protocol/limits.h"
#include "protocol/value.h"

enum { ASK_WITHIN_MS = 10000, MARGIN_MS = 5000 };

/* {call, to, type, body}, or NULL and an exit status. */
static json_t *make_request(const struct hgl_verb *verb, const struct hgl_texts *words, int *status)
{
  struct hgl_err err = {0};
  json_t *body = NULL;
  if (words->count < 2 || words->count > 3) {
    *status = hgl_usage_fail(verb, "say to whom, of which type, and the body as JSON");
    return NULL;
  }
  const char *text = words->count == 3 ? words->items[2] : "{}";
  if (hgl_json_parse(hgl_text(text), HGL_BODY_SIZE_MAX, &body, &err)) {
    struct hgl_err why = err;
    hgl_fail(&err, why.code, "the body: %s; it is an object, as in '{\"text\":\"hello\"}'",
             why.message);
    *status = hgl_verb_fail(verb, &err);
    return NULL;
  }
  json_t *request = json_pack("{s:s, s:s, s:s, s:o}", "call", verb->name, "to", words->items[0],
                              "type", words->items[1], "body", body);
  if (!request) *status = hgl_usage_fail(verb, "the arguments are no UTF-8 text");
  return request;
}

static int send_main(const struct hgl_verb *verb, int argc, char **argv)
{
  const char *data = HGL_DATA_DEFAULT;
  bool json = false;
  const struct hgl_option options[] = {HGL_CLIENT_OPTIONS(&data, &json)};
  struct hgl_texts words = {0};
  struct hgl_err err = {0};
  json_t *request, *result = NULL;
  int status;
  if (hgl_options_parse(verb, options, 2, argc, argv, &words, &status) &&
      (request = make_request(verb, &words, &status))) {
    status = hgl_client_once(data, request, HGL_CLIENT_TIMEOUT_MS, &result, &err);
    if (status == 0 && json) status = hgl_print_json(result, &err);
    if (status == 0 && !json)
      printf("message %s is on its way\n", json_string_value(json_object_get(result, "message")));
    if (status) status = hgl_verb_fail(verb, &err);
  }
  json_decref(result);
  hgl_texts_deinit(&words);
  return status;
}

static const char *text_of(const json_t *object, const char *field, const char *otherwise)
{
  const char *text = json_string_value(json_object_get(object, field));
  return text ? text : otherwise;
}

static int fail_refused(const json_t *body, struct hgl_err *err)
{
  const char *code = text_of(body, "code", "no code");
  bool raised = strcmp(code, hgl_code_name(HGL_HANDLER_FAILED)) == 0;
  return hgl_fail(err, HGL_REFUSED, "refused: %s (%s)%s", text_of(body, "why", "without a reason"),
                  code, raised ? "; `haggle dead` of its host tells more" : "");
}

/* The reply's type and body; the whole envelope with --json. A refusal is an error. */
static int print_reply(const json_t *reply, bool json, struct hgl_err *err)
{
  struct hgl_buf text;
  const json_t *body = json_object_get(reply, "body");
  bool refused = strcmp(text_of(reply, "type", ""), "haggle/1.0/refuse") == 0;
  if (json) {
    int status = hgl_print_json(reply, err);
    if (status || !refused) return status;
  }
  if (refused) return fail_refused(body, err);
  hgl_buf_init(&text, 8 << 20);
  hgl_show_json(json_object_get(reply, "type"), &text);
  hgl_buf_append_text(&text, "  ");
  hgl_show_json(json_object_get(reply, "body"), &text);
  int status = hgl_buf_check(&text, err);
  if (status == 0) printf("%.*s\n", HGL_STR(hgl_buf_bytes(&text)));
  hgl_buf_deinit(&text);
  return status;
}

static int ask_main(const struct hgl_verb *verb, int argc, char **argv)
{
  const char *data = HGL_DATA_DEFAULT;
  bool json = false;
  int64_t within_ms = ASK_WITHIN_MS;
  const struct hgl_option options[] = {
      HGL_CLIENT_OPTIONS(&data, &json),
      {"within", "DURATION", HGL_OPTION_DURATION, &within_ms, "how long to wait (default 10s)"},
  };
  struct hgl_texts words = {0};
  struct hgl_err err = {0};
  json_t *request, *reply = NULL;
  int status;
  if (!hgl_options_parse(verb, options, 3, argc, argv, &words, &status)) goto done;
  if (within_ms < 1 || within_ms > 3600 * 1000) {
    status = hgl_usage_fail(verb, "--within is 1ms to 1h");
    goto done;
  }
  if (!(request = make_request(verb, &words, &status))) goto done;
  json_object_set_new(request, "within_ms", json_integer(within_ms));
  status = hgl_client_once(data, request, (int)within_ms + MARGIN_MS, &reply, &err);
  if (status == 0) status = print_reply(reply, json, &err);
  if (status) status = hgl_verb_fail(verb, &err);
done:
  json_decref(reply);
  hgl_texts_deinit(&words);
  return status;
}

#define TALK_HELP                                                                                  \
  "TO is the name of an agent on that host, a did:key:… of one anywhere, or AGENT@HOST (both\n"  \
  "did:key). TYPE is protocol/version/performative. BODY is JSON, {} without one. You speak as\n"  \
  "the agent \"operator\" of the host.\n\n"

const struct hgl_verb hgl_verb_send = {
    .name = "send",
    .usage = "[--data DIR] TO TYPE [BODY]",
    .summary = "send a message to an agent",
    .help = "Queues a message and returns at once.\n\n" TALK_HELP
            "  haggle send kiosk echo/1.0/say '{\"text\":\"hello\"}'",
    .main = send_main,
};

const struct hgl_verb hgl_verb_ask = {
    .name = "ask",
    .usage = "[--data DIR] [--within 10s] TO TYPE [BODY]",
    .summary = "send a message and wait for the reply",
    .help =
        "Prints the reply's type and body, or why there is none.\n\n" TALK_HELP
        "  haggle ask kiosk echo/1.0/say '{\"text\":\"hello\"}'\n"
        "  haggle ask did:key:z6Mk… weather/1.0/request '{\"city\":\"Graz\"}' --within 5s --json",
    .main = ask_main,
};
