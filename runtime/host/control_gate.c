#include "host/control_gate.h"

#include "base/buf.h"
#include "host/control_call.h"
#include "host/http_tokens.h"
#include "protocol/value.h"

enum { NOTED_SIZE_MAX = 300 }; /* of one argument, in the log; of longer ones it has none */

int hgl_control_may(const struct hgl_control_client *client, const char *call, enum hgl_role least,
                    struct hgl_err *err)
{
  if (least == HGL_ROLE_NONE) least = HGL_ROLE_OWNER;
  if (client->role >= least) return 0;
  if (client->role == HGL_ROLE_NONE)
    return hgl_fail(err, HGL_DENIED, "say hello first, with a token of `haggle dashboard`");
  if (least == HGL_ROLE_OWNER)
    return hgl_fail(err, HGL_DENIED, "\"%s\" is for verbs on the host's own machine", call);
  return hgl_fail(err, HGL_DENIED,
                  "\"%s\" is for operators: `haggle dashboard` prints the operator's link", call);
}

/* What a call is about stands in these. All that are given are told: a call takes what it needs and
 * passes over the rest, so that one of them alone could say something else than what was done. */
static void put_objects(const json_t *request, struct hgl_buf *out)
{
  static const char *const names[] = {"name", "to",  "agent", "group",        "row",  "chat",
                                      "of",   "all", "type",  "performative", "level"};
  struct hgl_buf text;
  hgl_buf_init(&text, NOTED_SIZE_MAX);
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    const json_t *value = json_object_get(request, names[i]);
    if (!value) continue;
    hgl_buf_clear(&text);
    struct hgl_bytes shown = hgl_text("…");
    if (hgl_json_print(value, &text, NULL) == 0) shown = hgl_buf_bytes(&text);
    hgl_buf_printf(out, " %s=%.*s", names[i], HGL_STR(shown));
  }
  hgl_buf_deinit(&text);
}

void hgl_control_note(const struct hgl_control_gate *gate, const struct hgl_control_client *client,
                      const json_t *request)
{
  const char *call = json_string_value(json_object_get(request, "call"));
  struct hgl_buf text;
  if (!gate->log || client->role == HGL_ROLE_OWNER || !call) return;
  hgl_buf_init(&text, 11 * (NOTED_SIZE_MAX + 16));
  put_objects(request, &text);
  hgl_log(gate->log, HGL_LOG_INFO, "control", "%s: %s%.*s", client->who, call,
          HGL_STR(hgl_buf_bytes(&text)));
  hgl_buf_deinit(&text);
}

int hgl_control_hello(const struct hgl_control_gate *gate, struct hgl_control_client *client,
                      const json_t *request, json_t **result, struct hgl_err *err)
{
  if (client->role == HGL_ROLE_NONE) {
    const char *token;
    int status = hgl_request_text(request, "token", &token, err);
    if (!status && !gate->admit) status = hgl_fail(err, HGL_DENIED, "this host admits nobody");
    if (!status) status = gate->admit(gate->user, client, hgl_text(token), err);
    if (status) return status;
  }
  enum hgl_role role = client->role == HGL_ROLE_OWNER ? HGL_ROLE_OPERATOR : client->role;
  const struct hgl_clock *clock = gate->clock ? gate->clock : &hgl_clock_system;
  *result = json_pack("{s:s, s:s, s:s, s:i, s:I, s:I}", "role", hgl_role_name(role), "host",
                      gate->did ? gate->did : "", "version", HGL_VERSION, "feed", HGL_FEED_VERSION,
                      "now_ms", (json_int_t)hgl_wall_ms(clock), "started_ms",
                      (json_int_t)gate->started_ms);
  return *result ? 0 : hgl_fail(err, HGL_NO_MEMORY, "out of memory");
}

int hgl_control_dashboard(const struct hgl_control_gate *gate, const json_t *request,
                          json_t **result, struct hgl_err *err)
{
  const char *renew;
  enum hgl_role renewed = HGL_ROLE_NONE;
  int status = hgl_request_text_if_any(request, "renew", &renew, err);
  if (status) return status;
  for (enum hgl_role role = HGL_ROLE_VIEWER; renew && role <= HGL_ROLE_OPERATOR; role++)
    if (strcmp(renew, hgl_role_name(role)) == 0) renewed = role;
  if (renew && renewed == HGL_ROLE_NONE)
    return hgl_fail(err, HGL_INVALID, "\"renew\" is \"viewer\" or \"operator\"");
  if (!gate->links) return hgl_fail(err, HGL_NOT_FOUND, "this host has no dashboard");
  return gate->links(gate->user, renewed, result, err);
}
