/* HTTP requests to agents: who may ask, which handler answers, when the answer leaves, and what
 * becomes of both when something fails. */
#include <stdio.h>

#include "support/world.h"

struct client {
  struct hgl_http_wait *wait;
  int answers, status;
  char body[4096], allow[64], type[64];
  uint64_t commits; /* of the host when the answer came */
};

struct fixture {
  struct world world;
  struct node *node;
  struct client client;
  struct client *as; /* who asks, if not that one */
};

static void keep(struct hgl_bytes text, char *out, size_t room)
{
  size_t size = text.size < room ? text.size : room - 1;
  if (size) memcpy(out, text.data, size);
  out[size] = 0;
}

static struct node *asked_node;

static void answered(void *user, const struct hgl_web_answer *answer)
{
  struct client *client = user;
  client->answers++;
  client->status = answer->status;
  client->wait = NULL;
  client->commits = hgl_host_counts(asked_node->host).commits;
  keep(answer->body, client->body, sizeof client->body);
  for (size_t i = 0; i < answer->header_count; i++) {
    const struct hgl_web_field *header = &answer->headers[i];
    if (hgl_bytes_is(header->name, "allow")) keep(header->value, client->allow, 64);
    if (hgl_bytes_is(header->name, "content-type")) keep(header->value, client->type, 64);
  }
}

static const char script[] =
    "agent.on_http('GET', '/forecast', function(request)\n"
    "  state.served = (state.served or 0) + 1\n"
    "  return { city = request.query.city, served = state.served }\n"
    "end)\n"
    "agent.on_http('GET', '/lots/:id', function(request)\n"
    "  return { lot = request.params.id, path = request.path }\n"
    "end)\n"
    "agent.on_http('GET', '/lots/new', function() return { new = true } end)\n"
    "agent.on_http('GET', '/files/*', function(request) return request.params['*'] end)\n"
    "agent.on_http('POST', '/lots', function(request)\n"
    "  if not request.json then return nil, 'no JSON', 'invalid' end\n"
    "  return request:answer(201, { sum = request.json.a + request.json.b },\n"
    "                        { location = '/lots/1' })\n"
    "end)\n"
    "agent.on_http('POST', '/fail', function()\n"
    "  state.failed = (state.failed or 0) + 1\n"
    "  error('secret words')\n"
    "end)\n"
    "agent.on_http('POST', '/slow', function(request)\n"
    "  state.begun = (state.begun or 0) + 1\n"
    "  agent.sleep '5s'\n"
    "  state.ended = (state.ended or 0) + 1\n"
    "  return { body = request.body, method = request.method }\n"
    "end)\n"
    "agent.on_http('POST', '/early', function(request)\n"
    "  request:answer(202, 'begun')\n"
    "  agent.sleep '5s'\n"
    "  state.ended = (state.ended or 0) + 1\n"
    "  local ok = pcall(request.answer, request, 200)\n"
    "  log.info('twice ' .. tostring(ok))\n"
    "end)\n"
    "agent.on_http('GET', '/late', function() agent.sleep '1m' end, { within = '2s' })\n"
    "agent.on_http('GET', '/odd', function() return { f = print } end)\n"
    "agent.on_http('GET', '/split', function(request)\n"
    "  return request:answer(200, 'x', { ['x-a'] = 'b\\r\\nx-c: d' })\n"
    "end)\n"
    "agent.on_http('GET', '/nothing', function() end)\n"
    "agent.on_http('GET', '/headers', function(request)\n"
    "  return { list = request.headers['x-a'], auth = request.headers.authorization or 'none',\n"
    "           tags = request.query.tag }\n"
    "end)\n"
    "agent.on('report/1.0/ask', function(m)\n"
    "  m:reply('told', { begun = state.begun or 0, ended = state.ended or 0,\n"
    "                    failed = state.failed or 0, served = state.served or 0 })\n"
    "end)\n";

static const char *const open_grant[] = {"http=open", NULL};
static const char *const token_grant[] = {"http=token", NULL};

static int check_token(void *user, const char *agent, struct hgl_bytes token, uint64_t origin,
                       struct hgl_err *err)
{
  if (hgl_bytes_is(token, "right")) return 0;
  return hgl_fail(err, origin == 7 ? HGL_LIMIT : HGL_DENIED, "no");
}

static void add_agents(struct fixture *f)
{
  world_agent(f->node, "operator", "", NULL);
  world_agent(f->node, "kiosk", script, open_grant);
  world_agent(f->node, "guarded", script, token_grant);
  world_agent(f->node, "closed", script, NULL);
}

static void set_up(struct fixture *f, uint64_t seed)
{
  memset(f, 0, sizeof *f);
  world_init(&f->world, seed);
  f->world.http_tokens.check = check_token;
  f->node = world_node(&f->world);
  asked_node = f->node;
  add_agents(f);
  world_run(&f->world);
}

static void restart(struct fixture *f)
{
  f->client.wait = NULL;
  world_crash(f->node);
  world_restart(f->node);
  add_agents(f);
}

/* Asks without running. */
static void begin(struct fixture *f, const char *method, const char *target, const char *body,
                  const char *content_type, const char *token, uint64_t origin)
{
  static struct hgl_web_head head;
  static char text[1024], bearer[128];
  struct hgl_err why;
  snprintf(text, sizeof text, "%s", target);
  memset(&head, 0, sizeof head);
  assert_int_equal(hgl_web_target_parse((uint8_t *)text, strlen(text), &head, &why), 0);
  struct hgl_web_field headers[4] = {{hgl_text("x-a"), hgl_text("1")},
                                     {hgl_text("x-a"), hgl_text("2")}};
  size_t count = 2;
  if (content_type)
    headers[count++] = (struct hgl_web_field){hgl_text("content-type"), hgl_text(content_type)};
  if (token) {
    snprintf(bearer, sizeof bearer, "Bearer %s", token);
    headers[count++] = (struct hgl_web_field){hgl_text("authorization"), hgl_text(bearer)};
  }
  head.request.method = hgl_text(method);
  head.request.headers = headers;
  head.request.header_count = count;
  head.request.body = hgl_text(body ? body : "");
  struct client *client = f->as ? f->as : &f->client;
  memset(client, 0, sizeof *client);
  hgl_host_http(f->node->host, &head.request, origin, answered, client, &client->wait);
  if (client->answers) client->wait = NULL;
}

static int ask(struct fixture *f, const char *method, const char *target, const char *body)
{
  begin(f, method, target, body, body && *body == '{' ? "application/json" : NULL, NULL, 1);
  world_run(&f->world);
  return f->client.answers ? f->client.status : 0;
}

static int64_t report(struct fixture *f, const char *field)
{
  return world_number(f->node, "kiosk", "report/1.0/ask", field);
}

static void a_handler_answers_and_its_answer_leaves_behind_the_commit(void **state)
{
  struct fixture f;
  set_up(&f, 1);
  uint64_t before = hgl_host_counts(f.node->host).commits;
  assert_int_equal(ask(&f, "GET", "/agents/kiosk/forecast?city=Graz%20Ost", NULL), 200);
  assert_string_equal(f.client.body, "{\"city\":\"Graz Ost\",\"served\":1}");
  assert_string_equal(f.client.type, "application/json");
  assert_true(f.client.commits > before);
  assert_int_equal(f.client.answers, 1);
  assert_int_equal(ask(&f, "HEAD", "/agents/kiosk/forecast", NULL), 200);
  assert_int_equal(report(&f, "served"), 2);
  assert_int_equal(ask(&f, "GET", "/agents/kiosk/nothing", NULL), 204);
  assert_string_equal(f.client.body, "");
  world_deinit(&f.world);
}

static void the_most_specific_path_is_taken(void **state)
{
  struct fixture f;
  set_up(&f, 2);
  assert_int_equal(ask(&f, "GET", "/agents/kiosk/lots/7", NULL), 200);
  assert_string_equal(f.client.body, "{\"lot\":\"7\",\"path\":\"/lots/7\"}");
  assert_int_equal(ask(&f, "GET", "/agents/kiosk/lots/new", NULL), 200);
  assert_string_equal(f.client.body, "{\"new\":true}");
  assert_int_equal(ask(&f, "GET", "/agents/kiosk/files/a/b.txt", NULL), 200);
  assert_string_equal(f.client.body, "\"a/b.txt\"");
  world_deinit(&f.world);
}

static void what_is_not_there_is_said_with_its_status(void **state)
{
  struct fixture f;
  set_up(&f, 3);
  assert_int_equal(ask(&f, "GET", "/agents/nobody/forecast", NULL), 404);
  assert_non_null(strstr(f.client.body, "\"code\":\"not_found\""));
  assert_int_equal(ask(&f, "GET", "/agents/operator/forecast", NULL), 404);
  assert_int_equal(ask(&f, "GET", "/agents/kiosk/else", NULL), 404);
  assert_int_equal(ask(&f, "GET", "/agents/kiosk", NULL), 404);
  assert_int_equal(ask(&f, "POST", "/agents/kiosk/forecast", NULL), 405);
  assert_string_equal(f.client.allow, "GET, HEAD");
  assert_int_equal(ask(&f, "OPTIONS", "/agents/kiosk/lots", NULL), 204);
  assert_string_equal(f.client.allow, "POST");
  assert_int_equal(ask(&f, "GET", "/agents/closed/forecast", NULL), 403);
  assert_non_null(strstr(f.client.body, "--allow closed:http=token"));
  world_deinit(&f.world);
}

static void a_token_is_asked_for_and_no_handler_sees_it(void **state)
{
  struct fixture f;
  set_up(&f, 4);
  assert_int_equal(ask(&f, "GET", "/agents/guarded/forecast", NULL), 401);
  begin(&f, "GET", "/agents/guarded/forecast", NULL, NULL, "wrong", 1);
  assert_int_equal(f.client.status, 401);
  begin(&f, "GET", "/agents/guarded/forecast", NULL, NULL, "wrong", 7);
  assert_int_equal(f.client.status, 429);
  begin(&f, "GET", "/agents/guarded/headers?tag=a&tag=b", NULL, NULL, "right", 1);
  world_run(&f.world);
  assert_int_equal(f.client.status, 200);
  assert_string_equal(f.client.body, "{\"auth\":\"none\",\"list\":[\"1\",\"2\"],\"tags\":[\"a\","
                                     "\"b\"]}");
  world_deinit(&f.world);
}

static void json_comes_decoded_and_broken_json_does_not_come(void **state)
{
  struct fixture f;
  set_up(&f, 5);
  assert_int_equal(ask(&f, "POST", "/agents/kiosk/lots", "{\"a\":1,\"b\":2}"), 201);
  assert_string_equal(f.client.body, "{\"sum\":3}");
  assert_int_equal(ask(&f, "POST", "/agents/kiosk/lots", "plain"), 400);
  assert_string_equal(f.client.body, "{\"error\":{\"code\":\"invalid\",\"message\":\"no JSON\"}}");
  assert_int_equal(ask(&f, "POST", "/agents/kiosk/lots", "{\"a\":"), 400);
  assert_non_null(strstr(f.client.body, "\"code\":\"malformed\""));
  world_deinit(&f.world);
}

static void a_handler_that_raises_is_tried_again_and_its_words_stay_here(void **state)
{
  struct fixture f;
  set_up(&f, 6);
  assert_int_equal(ask(&f, "POST", "/agents/kiosk/fail", NULL), 0);
  world_advance(&f.world, 2000);
  assert_int_equal(f.client.answers, 1);
  assert_int_equal(f.client.status, 500);
  assert_null(strstr(f.client.body, "secret"));
  assert_int_equal(world_count_logged(&f.world, "secret words"), 3);
  assert_int_equal(report(&f, "failed"), 0); /* nothing of it has happened */
  assert_int_equal(world_dead_count(f.node, NULL), 0);
  world_deinit(&f.world);
}

static void what_cannot_be_answered_raises(void **state)
{
  struct fixture f;
  set_up(&f, 16);
  static const char *const paths[] = {"/agents/kiosk/odd", "/agents/kiosk/split"};
  for (int i = 0; i < 2; i++) {
    assert_int_equal(ask(&f, "GET", paths[i], NULL), 0);
    world_advance(&f.world, 2000);
    assert_int_equal(f.client.status, 500);
  }
  assert_true(world_logged(&f.world, "answer.f: "));
  assert_true(world_logged(&f.world, "control character"));
  world_deinit(&f.world);
}

static void a_suspended_handler_answers_when_it_ends(void **state)
{
  struct fixture f;
  set_up(&f, 7);
  assert_int_equal(ask(&f, "POST", "/agents/kiosk/slow", "abc"), 0);
  world_advance(&f.world, 6000);
  assert_int_equal(f.client.status, 200);
  assert_string_equal(f.client.body, "{\"body\":\"abc\",\"method\":\"POST\"}");
  world_deinit(&f.world);
}

static void a_suspended_handler_outlives_its_host_and_its_answer_is_dropped(void **state)
{
  struct fixture f;
  set_up(&f, 8);
  assert_int_equal(ask(&f, "POST", "/agents/kiosk/slow", "abc"), 0);
  restart(&f);
  world_advance(&f.world, 6000);
  assert_int_equal(report(&f, "begun"), 1);
  assert_int_equal(report(&f, "ended"), 1);
  world_deinit(&f.world);
}

static void a_request_that_has_not_begun_is_not_kept(void **state)
{
  struct fixture f;
  set_up(&f, 9);
  begin(&f, "POST", "/agents/kiosk/slow", "abc", NULL, NULL, 1);
  restart(&f);
  world_advance(&f.world, 6000);
  assert_int_equal(report(&f, "begun"), 0);
  world_deinit(&f.world);
}

static void an_answer_may_come_before_the_end_and_only_once(void **state)
{
  struct fixture f;
  set_up(&f, 10);
  f.world.forget_lua = true;
  restart(&f);
  assert_int_equal(ask(&f, "POST", "/agents/kiosk/early", NULL), 202);
  assert_string_equal(f.client.body, "begun");
  assert_string_equal(f.client.type, "text/plain; charset=utf-8");
  world_advance(&f.world, 6000);
  assert_int_equal(report(&f, "ended"), 1);
  assert_true(world_logged(&f.world, "twice false"));
  assert_int_equal(f.client.answers, 1);
  world_deinit(&f.world);
}

static void who_does_not_answer_in_time_is_not_waited_for(void **state)
{
  struct fixture f;
  set_up(&f, 11);
  assert_int_equal(ask(&f, "GET", "/agents/kiosk/late", NULL), 0);
  world_advance(&f.world, 3000);
  assert_int_equal(f.client.status, 504);
  world_advance(&f.world, 120000);
  assert_int_equal(f.client.answers, 1);
  world_deinit(&f.world);
}

static void a_client_that_is_gone_is_told_nothing_and_its_handler_goes_on(void **state)
{
  struct fixture f;
  set_up(&f, 12);
  assert_int_equal(ask(&f, "POST", "/agents/kiosk/slow", NULL), 0);
  assert_non_null(f.client.wait);
  hgl_host_http_gone(f.client.wait);
  world_advance(&f.world, 6000);
  assert_int_equal(f.client.answers, 0);
  assert_int_equal(report(&f, "ended"), 1);
  begin(&f, "POST", "/agents/kiosk/slow", NULL, NULL, NULL, 1);
  assert_non_null(f.client.wait);
  hgl_host_http_gone(f.client.wait); /* before it began: it does not begin */
  world_advance(&f.world, 6000);
  assert_int_equal(report(&f, "begun"), 1);
  world_deinit(&f.world);
}

static void an_agent_that_does_not_run_says_so(void **state)
{
  struct fixture f;
  struct hgl_err err;
  set_up(&f, 13);
  assert_ok(hgl_host_pause_agent(f.node->host, "kiosk", &err));
  world_run(&f.world);
  assert_int_equal(ask(&f, "GET", "/agents/kiosk/forecast", NULL), 503);
  assert_ok(hgl_host_resume_agent(f.node->host, "kiosk", &err));
  world_run(&f.world);
  assert_int_equal(ask(&f, "GET", "/agents/kiosk/forecast", NULL), 200);
  begin(&f, "GET", "/agents/kiosk/forecast", NULL, NULL, NULL, 1);
  assert_ok(hgl_host_remove_agent(f.node->host, "kiosk", false, &err));
  world_run(&f.world);
  assert_int_equal(f.client.answers, 1);
  assert_int_equal(ask(&f, "GET", "/agents/kiosk/forecast", NULL), 404);
  world_deinit(&f.world);
}

static void requests_of_one_agent_are_limited(void **state)
{
  struct fixture f;
  struct client others[2];
  set_up(&f, 14);
  world_agent_with(f.node, "small", script,
                   (struct hgl_agent_config){.grants = open_grant, .limits.requests = 2});
  world_run(&f.world);
  for (int i = 0; i < 2; i++) {
    f.as = &others[i];
    begin(&f, "POST", "/agents/small/slow", NULL, NULL, NULL, 1);
    assert_non_null(others[i].wait);
  }
  f.as = NULL;
  assert_int_equal(ask(&f, "GET", "/agents/small/forecast", NULL), 503);
  assert_non_null(others[0].wait);
  hgl_host_http_gone(others[0].wait);
  assert_int_equal(ask(&f, "GET", "/agents/small/forecast", NULL), 200);
  assert_non_null(others[1].wait);
  hgl_host_http_gone(others[1].wait);
  world_deinit(&f.world);
}

static void a_path_that_cannot_be_told_apart_does_not_load(void **state)
{
  static const char *const wrong[] = {
      "agent.on_http('GET', '/a/:x', print) agent.on_http('GET', '/a/:y', print)",
      "agent.on_http('FETCH', '/a', print)",
      "agent.on_http('GET', 'a', print)",
      "agent.on_http('GET', '/a/*/b', print)",
      "agent.on_http('GET', '/:x/:x', print)",
      "agent.on_http('GET', '/a//b', print)",
      "agent.on_http('GET', '/a?b', print)",
      "agent.on_http('GET', '/:', print)",
      "agent.on_http('GET', '/a', print, { within = '0s' })",
      "agent.on_http('GET', '/a', print, { whitin = '1s' })",
      "agent.on_http('GET', '/a', 'print')",
  };
  struct fixture f;
  struct hgl_err err;
  set_up(&f, 15);
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    struct hgl_agent_config config = {
        .name = "wrong", .script_path = "wrong.lua", .source = hgl_text(wrong[i])};
    assert_fails(HGL_SCRIPT, hgl_host_add_agent(f.node->host, &config, &err));
  }
  world_deinit(&f.world);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_handler_answers_and_its_answer_leaves_behind_the_commit),
      cmocka_unit_test(the_most_specific_path_is_taken),
      cmocka_unit_test(what_is_not_there_is_said_with_its_status),
      cmocka_unit_test(a_token_is_asked_for_and_no_handler_sees_it),
      cmocka_unit_test(json_comes_decoded_and_broken_json_does_not_come),
      cmocka_unit_test(a_handler_that_raises_is_tried_again_and_its_words_stay_here),
      cmocka_unit_test(what_cannot_be_answered_raises),
      cmocka_unit_test(a_suspended_handler_answers_when_it_ends),
      cmocka_unit_test(a_suspended_handler_outlives_its_host_and_its_answer_is_dropped),
      cmocka_unit_test(a_request_that_has_not_begun_is_not_kept),
      cmocka_unit_test(an_answer_may_come_before_the_end_and_only_once),
      cmocka_unit_test(who_does_not_answer_in_time_is_not_waited_for),
      cmocka_unit_test(a_client_that_is_gone_is_told_nothing_and_its_handler_goes_on),
      cmocka_unit_test(an_agent_that_does_not_run_says_so),
      cmocka_unit_test(requests_of_one_agent_are_limited),
      cmocka_unit_test(a_path_that_cannot_be_told_apart_does_not_load),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
