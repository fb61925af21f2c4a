#include "support/check.h"

#include <stdio.h>

#include "host/control_api.h"
#include "host/http_tokens.h"
#include "support/json_of.h"

static struct hgl_err err;
static char logged[256];
static int admitted;

static void write_line(void *user, enum hgl_log_level level, const char *who, const char *text)
{
  snprintf(logged, sizeof logged, "%s: %s", who, text);
}

static const struct hgl_log log_of_test = {.write = write_line, .least = HGL_LOG_DEBUG};

static int admit(void *user, struct hgl_control_client *client, struct hgl_bytes token,
                 struct hgl_err *why)
{
  admitted++;
  if (!hgl_bytes_is(token, "right")) return hgl_fail(why, HGL_DENIED, "a wrong token");
  client->role = HGL_ROLE_VIEWER;
  return 0;
}

static int links(void *user, enum hgl_role renewed, json_t **out, struct hgl_err *why)
{
  *out = json_pack("{s:s}", "renewed", hgl_role_name(renewed));
  return *out ? 0 : hgl_fail(why, HGL_NO_MEMORY, "out of memory");
}

static const struct hgl_control_gate gate = {
    .admit = admit, .links = links, .log = &log_of_test, .did = "did:key:z", .started_ms = 7};

static json_t *request(const char *text)
{
  return json_of(text, strlen(text), 0);
}

/* The list of calls that anybody with the viewer's link may make stands here a second time, so that
 * nothing gets among them by an oversight. */
static void every_call_has_a_role(void **state)
{
  static const char viewers[] =
      " subscribe unsubscribe describe agents peers find find.explain advert agent.protocols "
      "agent.timers agent.source agent.state trace deals proofs dead.list dead.show runs.list "
      "runs.show export message dialogue dialogues models complete ";
  static const char owners[] = " dashboard tail agent.add backup stop ";
  enum hgl_role role;
  const char *name;
  size_t count = 0;
  for (; (name = hgl_control_api_call(count, &role)); count++) {
    char word[64];
    snprintf(word, sizeof word, " %s ", name);
    enum hgl_role expected = strcmp(name, "hello") == 0 ? HGL_ROLE_NONE
                             : strstr(viewers, word)    ? HGL_ROLE_VIEWER
                             : strstr(owners, word)     ? HGL_ROLE_OWNER
                                                        : HGL_ROLE_OPERATOR;
    if (role != expected)
      fail_msg("%s is for each %s, not %s", name, hgl_role_name(role), hgl_role_name(expected));
  }
  assert_true(count > 40);
}

static void a_role_may_what_those_below_it_may(void **state)
{
  struct hgl_control_client client = {.who = "x"};
  for (enum hgl_role role = HGL_ROLE_NONE; role <= HGL_ROLE_OWNER; role++) {
    client.role = role;
    for (enum hgl_role least = HGL_ROLE_VIEWER; least <= HGL_ROLE_OWNER; least++) {
      if (role >= least)
        assert_ok(hgl_control_may(&client, "x", least, &err));
      else
        assert_fails(HGL_DENIED, hgl_control_may(&client, "x", least, &err));
    }
  }
  client.role = HGL_ROLE_OPERATOR; /* a call that somebody forgot is the owner's */
  assert_fails(HGL_DENIED, hgl_control_may(&client, "x", HGL_ROLE_NONE, &err));
}

static void hello_needs_a_token_once(void **state)
{
  struct hgl_control_client client = {.who = "x"};
  json_t *none = request("{}"), *wrong = request("{\"token\":\"wrong\"}"), *result = NULL;
  json_t *right = request("{\"token\":\"right\"}");
  const struct hgl_control_gate closed = {0};
  admitted = 0;
  assert_fails(HGL_INVALID, hgl_control_hello(&gate, &client, none, &result, &err));
  assert_fails(HGL_DENIED, hgl_control_hello(&gate, &client, wrong, &result, &err));
  assert_fails(HGL_DENIED, hgl_control_hello(&closed, &client, right, &result, &err));
  assert_int_equal(client.role, HGL_ROLE_NONE);
  assert_ok(hgl_control_hello(&gate, &client, right, &result, &err));
  assert_int_equal(admitted, 2);
  assert_string_equal(json_string_value(json_object_get(result, "role")), "viewer");
  assert_string_equal(json_string_value(json_object_get(result, "host")), "did:key:z");
  assert_int_equal(json_integer_value(json_object_get(result, "feed")), HGL_FEED_VERSION);
  assert_int_equal(json_integer_value(json_object_get(result, "started_ms")), 7);
  json_decref(result);
  assert_ok(hgl_control_hello(&gate, &client, none, &result, &err));
  assert_int_equal(admitted, 2);
  json_decref(result);
  client.role = HGL_ROLE_OWNER; /* on the control socket nobody needs to say who it is */
  assert_ok(hgl_control_hello(&closed, &client, none, &result, &err));
  assert_string_equal(json_string_value(json_object_get(result, "role")), "operator");
  json_decref(result);
  json_decref(none);
  json_decref(wrong);
  json_decref(right);
}

static void what_is_done_from_elsewhere_is_logged(void **state)
{
  static const struct {
    const char *request, *line;
  } cases[] = {
      {"{\"call\":\"agent.pause\",\"name\":\"kiosk\"}",
       "control: 10.0.0.1 (web): agent.pause name=\"kiosk\""},
      {"{\"call\":\"dead.drop\",\"row\":7}", "control: 10.0.0.1 (web): dead.drop row=7"},
      {"{\"call\":\"dead.resend\",\"all\":true}", "control: 10.0.0.1 (web): dead.resend all=true"},
      {"{\"call\":\"log\"}", "control: 10.0.0.1 (web): log"},
      {"{\"call\":\"ask\",\"to\":\"kiosk\",\"type\":\"echo/1.0/say\",\"body\":1}",
       "control: 10.0.0.1 (web): ask to=\"kiosk\" type=\"echo/1.0/say\""},
      /* what it does not take hides nothing of what it does */
      {"{\"call\":\"runs.drop\",\"row\":7,\"name\":\"other\"}",
       "control: 10.0.0.1 (web): runs.drop name=\"other\" row=7"},
  };
  struct hgl_control_client client = {.role = HGL_ROLE_OPERATOR, .who = "10.0.0.1 (web)"};
  const struct hgl_control_gate quiet = {0};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    json_t *object = request(cases[i].request);
    hgl_control_note(&gate, &client, object);
    assert_string_equal(logged, cases[i].line);
    hgl_control_note(&quiet, &client, object);
    json_decref(object);
  }
  json_t *longest = json_pack("{s:s, s:o}", "call", "send", "to", json_array());
  assert_non_null(longest);
  for (int i = 0; i < 1000; i++) json_array_append_new(json_object_get(longest, "to"), json_true());
  hgl_control_note(&gate, &client, longest);
  assert_string_equal(logged, "control: 10.0.0.1 (web): send to=…");
  *logged = 0;
  client.role = HGL_ROLE_OWNER;
  hgl_control_note(&gate, &client, longest);
  assert_string_equal(logged, "");
  json_decref(longest);
}

static void the_links_are_renewed_for_a_role_that_there_is(void **state)
{
  static const char *const cases[][2] = {{"{}", "none"},
                                         {"{\"renew\":\"viewer\"}", "viewer"},
                                         {"{\"renew\":\"operator\"}", "operator"},
                                         {"{\"renew\":\"owner\"}", NULL},
                                         {"{\"renew\":7}", NULL}};
  const struct hgl_control_gate closed = {0};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    json_t *object = request(cases[i][0]), *result = NULL;
    if (cases[i][1]) {
      assert_ok(hgl_control_dashboard(&gate, object, &result, &err));
      assert_string_equal(json_string_value(json_object_get(result, "renewed")), cases[i][1]);
      assert_fails(HGL_NOT_FOUND, hgl_control_dashboard(&closed, object, &result, &err));
      json_decref(result);
    } else {
      assert_fails(HGL_INVALID, hgl_control_dashboard(&gate, object, &result, &err));
    }
    json_decref(object);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_call_has_a_role),
      cmocka_unit_test(a_role_may_what_those_below_it_may),
      cmocka_unit_test(hello_needs_a_token_once),
      cmocka_unit_test(what_is_done_from_elsewhere_is_logged),
      cmocka_unit_test(the_links_are_renewed_for_a_role_that_there_is),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
