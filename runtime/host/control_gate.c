#include "host/control_gate.h"

#include "base/buf.h"
#include "host/control_call.h"
#include "host/http_tokens.h"
#include "protocol/value.h"

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

/* What the call is about: the first of these that it names. */
static const json_t *find_object(const json_t *request, const char **name)
{
  static const char *const names[] = {"name", "to", "agent", "group", "row", "chat", "of", "all"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    const json_t *value = json_object_get(request, names[i]);
    *name = names[i];
    if (value) return value;
  }
  return NULL;
}

void hgl_control_note(const struct hgl_control_gate *gate, const struct hgl_control_client *client,
                      const json_t *request)
{
  const char *call = json_string_value(json_object_get(request, "call")), *name;
  const json_t *object = find_object(request, &name);
  struct hgl_buf text;
  if (!gate->log || client->role == HGL_ROLE_OWNER || !call) return;
  hgl_buf_init(&text, 200);
  if (object && hgl_json_print(object, &text, NULL)) hgl_buf_clear(&text);
  hgl_log(gate->log, HGL_LOG_INFO, "control", "%s: %s%s%s%s%.*s", client->who, call,
          text.size ? " " : "", text.size ? name : "", text.size ? "=" : "",
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
