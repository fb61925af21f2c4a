/* The calls of the control API over a real socket, on a host without network. */
#include "support/wait.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "host/control_api.h"
#include "net/control.h"
#include "host/paths.h"
#include "protocol/value.h"

struct scene {
  char folder[64];
  struct hgl_loop *loop;
  struct hgl_store *store;
  struct hgl_signer *signer;
  struct hgl_chunks *chunks;
  struct hgl_host *host;
  struct hgl_control_api *api;
  struct hgl_control_caller *caller;
  int stops;
};

static struct hgl_err err;

static void stop(void *user)
{
  ((struct scene *)user)->stops++;
}

static int send_nowhere(void *link, struct hgl_bytes frame, struct hgl_err *why)
{
  return hgl_fail(why, HGL_CLOSED, "there is no network");
}

static void want_nobody(void *user, const struct hgl_key *peer, enum hgl_link_want wanted) {}

static void fatal(void *user, const struct hgl_err *why)
{
  fail_msg("fatal: %s", why->message);
}

static int agent_signer(void *user, const char *agent, struct hgl_signer **out, struct hgl_err *why)
{
  uint8_t seed[HGL_SEED_SIZE] = {2};
  memcpy(seed + 1, agent, strlen(agent));
  return hgl_signer_create(seed, out, why);
}

static void add_agent(struct scene *scene, const char *name, const char *source)
{
  struct hgl_agent_config config = {.name = name, .script_path = name, .source = hgl_text(source)};
  assert_ok(hgl_host_add_agent(scene->host, &config, &err));
}

static struct hgl_control_caller *connect_again(struct scene *scene)
{
  struct hgl_socket_path path = {.folder_fd = -1};
  struct hgl_control_caller *caller;
  assert_ok(hgl_socket_path_open(&path, scene->folder, &err));
  assert_ok(hgl_control_connect(path.text, &caller, &err));
  hgl_socket_path_close(&path);
  return caller;
}

static int set_up(void **state)
{
  struct scene *scene = calloc(1, sizeof *scene);
  uint8_t seed[HGL_SEED_SIZE] = {1};
  strcpy(scene->folder, "/tmp/haggle-api-XXXXXX");
  assert_non_null(mkdtemp(scene->folder));
  struct hgl_store_config store = {.clock = &hgl_clock_system, .log = &hgl_log_none};
  assert_ok(hgl_loop_create(&hgl_clock_system, &scene->loop, &err));
  assert_ok(hgl_store_open(&store, &scene->store, &err));
  assert_ok(hgl_signer_create(seed, &scene->signer, &err));
  assert_ok(hgl_chunks_create(&scene->chunks, &err));
  struct hgl_host_config config = {.signer = scene->signer,
                                   .store = scene->store,
                                   .clock = &hgl_clock_system,
                                   .random = &hgl_random_system,
                                   .log = &hgl_log_none,
                                   .transport = {.send = send_nowhere, .want = want_nobody},
                                   .stdlib_folder = HGL_SOURCE_DIR "/stdlib",
                                   .keys = {.signer = agent_signer},
                                   .chunks = scene->chunks,
                                   .fatal = fatal};
  assert_ok(hgl_host_create(&config, &scene->host, &err));
  add_agent(scene, "operator", "");
  add_agent(scene, "echo",
            "agent.on('echo/1.0/say', function(m) m:reply('said', m.body) end)\n"
            "agent.on('echo/1.0/never', function() end)\n"
            "agent.on('echo/1.0/raise', function() error 'no' end)\n"
            "agent.on('echo/1.0/deal', function(m)\n"
            "  agent.deal { id = m.body, status = 'delivered', role = 'buyer', note = "
            "('x'):rep(50000) }\n"
            "end)\n");
  const struct hgl_control_actions actions = {.stop = stop, .user = scene};
  assert_ok(
      hgl_control_api_open(scene->loop, scene->host, scene->folder, &actions, &scene->api, &err));
  scene->caller = connect_again(scene);
  *state = scene;
  return 0;
}

static int tear_down(void **state)
{
  struct scene *scene = *state;
  hgl_control_hang_up(scene->caller);
  hgl_control_api_close(scene->api);
  hgl_host_destroy(scene->host);
  hgl_control_api_destroy(scene->api);
  hgl_loop_destroy(scene->loop);
  hgl_store_close(scene->store);
  hgl_signer_destroy(scene->signer);
  hgl_chunks_destroy(scene->chunks);
  int status = rmdir(scene->folder);
  free(scene);
  return status;
}

static void turn(struct scene *scene)
{
  hgl_loop_run_once(scene->loop, 1);
  hgl_host_tick(scene->host);
}

/* The next line from the host, as JSON. */
static json_t *next(struct scene *scene, struct hgl_control_caller *caller)
{
  int64_t until = hgl_wall_ms(&hgl_clock_system) + WAIT_MS;
  struct hgl_bytes line;
  json_t *json;
  int status;
  do {
    turn(scene);
    status = hgl_control_next(caller, 1, &line, &err);
  } while (status == -HGL_TIMEOUT && hgl_wall_ms(&hgl_clock_system) < until);
  assert_ok(status);
  assert_ok(hgl_json_parse(line, HGL_CONTROL_LINE_SIZE_MAX, &json, &err));
  return json;
}

static json_t *call(struct scene *scene, const char *request)
{
  assert_ok(hgl_control_call(scene->caller, hgl_text(request), &err));
  return next(scene, scene->caller);
}

static void assert_refused(struct scene *scene, const char *request, const char *code)
{
  json_t *answer = call(scene, request);
  const json_t *why = json_object_get(answer, "error");
  assert_true(json_is_false(json_object_get(answer, "ok")));
  const char *given = json_string_value(json_object_get(why, "code"));
  if (!given || strcmp(given, code) != 0) fail_msg("%s: %s, not %s", request, given, code);
  assert_true(json_string_length(json_object_get(why, "message")) > 0);
  json_decref(answer);
}

static json_t *assert_answered(struct scene *scene, const char *request)
{
  json_t *answer = call(scene, request);
  if (!json_is_true(json_object_get(answer, "ok")))
    fail_msg("%s: %s", request,
             json_string_value(json_object_get(json_object_get(answer, "error"), "message")));
  json_t *result = json_incref(json_object_get(answer, "result"));
  json_decref(answer);
  return result;
}

static void what_is_no_request_is_refused_and_the_next_is_heard(void **state)
{
  static const struct {
    const char *request, *code;
  } cases[] = {
      {"", "truncated"},
      {"{", "truncated"},
      {"nonsense", "malformed"},
      {"[]", "invalid"},
      {"7", "invalid"},
      {"{}", "invalid"},
      {"{\"call\":7}", "invalid"},
      {"{\"call\":\"\"}", "invalid"},
      {"{\"call\":\"nothing\"}", "invalid"},
      {"{\"call\":\"agents\\u0000\"}", "invalid"},
      {"{\"call\":\"agents\",\"call\":\"peers\"}", "duplicate_key"},
      {"{\"call\":\"find\"}", "invalid"},
      {"{\"call\":\"find\",\"query\":\"price<\"}", "malformed"},
      {"{\"call\":\"send\",\"to\":\"echo\"}", "invalid"},
      {"{\"call\":\"send\",\"to\":\"nobody\",\"type\":\"a/1.0/b\"}", "undeliverable"},
      {"{\"call\":\"send\",\"to\":\"echo\",\"type\":\"nonsense\"}", "malformed"},
      {"{\"call\":\"send\",\"to\":\"echo\",\"type\":\"a/1.0/b\",\"body\":{\"$x\":1}}", "bad_value"},
      {"{\"call\":\"deals\",\"limit\":0}", "invalid"},
      {"{\"call\":\"deals\",\"limit\":10001}", "invalid"},
      {"{\"call\":\"deals\",\"limit\":1.5}", "invalid"},
      {"{\"call\":\"dead.show\"}", "invalid"},
      {"{\"call\":\"dead.show\",\"row\":7}", "not_found"},
      {"{\"call\":\"dead.drop\",\"row\":7}", "not_found"},
      {"{\"call\":\"dead.resend\",\"row\":-1}", "invalid"},
      {"{\"call\":\"export\",\"of\":\"ab\"}", "invalid"},
      {"{\"call\":\"export\",\"of\":\"abcdef\"}", "not_found"},
      {"{\"call\":\"tail\",\"kinds\":\"log\"}", "invalid"},
      {"{\"call\":\"tail\",\"kinds\":[\"nothing\"]}", "invalid"},
      {"{\"call\":\"tail\",\"kinds\":[7]}", "invalid"},
      {"{\"call\":\"tail\",\"agent\":7}", "invalid"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    assert_refused(*state, cases[i].request, cases[i].code);
  json_decref(assert_answered(*state, "{\"call\":\"agents\"}"));
}

static void lists_are_lists_also_when_there_is_nothing(void **state)
{
  static const char *const lists[] = {"peers", "deals", "proofs", "dead.list"};
  char request[64];
  for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
    snprintf(request, sizeof request, "{\"call\":\"%s\"}", lists[i]);
    json_t *list = assert_answered(*state, request);
    assert_true(json_is_array(list));
    assert_int_equal(json_array_size(list), 0);
    json_decref(list);
  }
  json_t *agents = assert_answered(*state, "{\"call\":\"agents\"}");
  assert_int_equal(json_array_size(agents), 2);
  json_decref(agents);
}

static void the_tag_of_a_request_comes_back_with_its_answer(void **state)
{
  static const char *const tags[] = {"7", "\"x\"", "{\"a\":[1,null]}", "null"};
  for (size_t i = 0; i < sizeof tags / sizeof *tags; i++)
    for (int good = 0; good < 2; good++) {
      char request[100];
      json_t *tag;
      snprintf(request, sizeof request, "{\"call\":\"%s\",\"id\":%s}", good ? "peers" : "none",
               tags[i]);
      json_t *answer = call(*state, request);
      assert_ok(hgl_json_parse(hgl_text(tags[i]), 100, &tag, &err));
      assert_true(json_equal(json_object_get(answer, "id"), tag));
      json_decref(tag);
      json_decref(answer);
    }
}

static void an_ask_is_answered_later_and_others_meanwhile(void **state)
{
  struct scene *scene = *state;
  assert_ok(
      hgl_control_call(scene->caller,
                       hgl_text("{\"call\":\"ask\",\"to\":\"echo\",\"type\":\"echo/1.0/never\","
                                "\"within_ms\":300,\"id\":1}"),
                       &err));
  json_t *answer = call(scene, "{\"call\":\"ask\",\"to\":\"echo\",\"type\":\"echo/1.0/say\","
                               "\"body\":{\"n\":{\"$int\":\"9007199254740993\"}},\"id\":2}");
  assert_int_equal(json_integer_value(json_object_get(answer, "id")), 2);
  const json_t *body = json_object_get(json_object_get(answer, "result"), "body");
  assert_string_equal(json_string_value(json_object_get(json_object_get(body, "n"), "$int")),
                      "9007199254740993");
  json_decref(answer);
  answer = next(scene, scene->caller);
  assert_int_equal(json_integer_value(json_object_get(answer, "id")), 1);
  assert_string_equal(json_string_value(json_object_get(json_object_get(answer, "error"), "code")),
                      "timeout");
  json_decref(answer);
}

static void who_hangs_up_before_the_answer_harms_nobody(void **state)
{
  struct scene *scene = *state;
  struct hgl_control_caller *other = connect_again(scene);
  static const char ask[] = "{\"call\":\"ask\",\"to\":\"echo\",\"type\":\"echo/1.0/never\","
                            "\"within_ms\":100}";
  for (int i = 0; i < 3; i++) assert_ok(hgl_control_call(other, hgl_text(ask), &err));
  for (int i = 0; i < 10; i++) turn(scene);
  hgl_control_hang_up(other);
  int64_t until = hgl_wall_ms(&hgl_clock_system) + 200;
  while (hgl_wall_ms(&hgl_clock_system) < until) turn(scene);
  json_decref(assert_answered(scene, "{\"call\":\"agents\"}"));
  /* Nor does the end of the host, with an ask still waiting (tear_down). */
  assert_ok(hgl_control_call(scene->caller,
                             hgl_text("{\"call\":\"ask\",\"to\":\"echo\",\"type\":"
                                      "\"echo/1.0/never\",\"within_ms\":100000}"),
                             &err));
  for (int i = 0; i < 10; i++) turn(scene);
}

static void a_tail_shows_what_it_was_asked_for(void **state)
{
  struct scene *scene = *state;
  struct hgl_control_caller *other = connect_again(scene);
  assert_ok(hgl_control_call(other, hgl_text("{\"call\":\"tail\",\"kinds\":[\"dead\"]}"), &err));
  json_t *answer = next(scene, other);
  assert_true(json_is_true(json_object_get(answer, "ok")));
  json_decref(answer);
  assert_ok(hgl_control_call(other, hgl_text("{\"call\":\"tail\"}"), &err));
  answer = next(scene, other); /* once a connection */
  assert_string_equal(json_string_value(json_object_get(json_object_get(answer, "error"), "code")),
                      "exists");
  json_decref(answer);
  json_decref(
      assert_answered(scene, "{\"call\":\"ask\",\"to\":\"echo\",\"type\":\"echo/1.0/say\"}"));
  json_decref(
      assert_answered(scene, "{\"call\":\"send\",\"to\":\"echo\",\"type\":\"echo/1.0/raise\"}"));
  answer = next(scene, other);
  assert_string_equal(json_string_value(json_object_get(answer, "event")), "dead");
  assert_string_equal(json_string_value(json_object_get(answer, "agent")), "echo");
  json_decref(answer);
  hgl_control_hang_up(other);
  json_t *dead = assert_answered(scene, "{\"call\":\"dead.list\"}");
  assert_int_equal(json_array_size(dead), 1);
  json_decref(dead);
}

/* Calls until no answer names a next page; counts those. */
static json_t *assert_paged(struct scene *scene, const char *call_name, int limit, size_t *pages)
{
  json_t *all = json_array();
  char cursor[256] = "", request[400];
  *pages = 0;
  for (bool more = true; more; ++*pages) {
    snprintf(request, sizeof request, "{\"call\":\"%s\",\"limit\":%d%s}", call_name, limit, cursor);
    json_t *answer = call(scene, request);
    if (!json_is_true(json_object_get(answer, "ok")))
      fail_msg("%s: %s", request,
               json_string_value(json_object_get(json_object_get(answer, "error"), "message")));
    assert_int_equal(json_array_extend(all, json_object_get(answer, "result")), 0);
    const char *next_page = json_string_value(json_object_get(answer, "next"));
    more = next_page != NULL;
    if (more) snprintf(cursor, sizeof cursor, ",\"cursor\":\"%s\"", next_page);
    json_decref(answer);
  }
  return all;
}

static void wait_for_count(struct scene *scene, uint64_t dead, uint64_t deals)
{
  int64_t until = hgl_wall_ms(&hgl_clock_system) + WAIT_MS;
  struct hgl_host_counts counts;
  do {
    turn(scene);
    counts = hgl_host_counts(scene->host);
  } while ((counts.dead < dead || counts.deals < deals) && hgl_wall_ms(&hgl_clock_system) < until);
  assert_int_equal(counts.dead, dead);
  assert_int_equal(counts.deals, deals);
}

enum { LETTERS = 90, LETTER_SIZE = 50000 };

static void dead_letters_of_any_size_are_listed_and_each_is_shown_whole(void **state)
{
  struct scene *scene = *state;
  char *request = malloc(LETTER_SIZE + 200);
  int head = sprintf(request, "{\"call\":\"send\",\"to\":\"echo\",\"type\":\"echo/1.0/raise\","
                              "\"body\":\"");
  memset(request + head, 'x', LETTER_SIZE);
  memcpy(request + head + LETTER_SIZE, "\"}", 3);
  for (int i = 0; i < LETTERS; i++) json_decref(assert_answered(scene, request));
  free(request);
  wait_for_count(scene, LETTERS, 0);
  for (int limit = 7; limit <= 10000; limit += 9993) {
    size_t pages;
    json_t *list = assert_paged(scene, "dead.list", limit, &pages);
    assert_int_equal(json_array_size(list), LETTERS);
    assert_int_equal(pages, limit == 7 ? 13 : 1);
    const json_t *first = json_array_get(list, 0);
    assert_null(json_object_get(json_object_get(first, "message"), "body"));
    char show[60];
    snprintf(show, sizeof show, "{\"call\":\"dead.show\",\"row\":%lld}",
             (long long)json_integer_value(json_object_get(first, "row")));
    json_t *letter = assert_answered(scene, show);
    assert_int_equal(
        json_string_length(json_object_get(json_object_get(letter, "message"), "body")),
        LETTER_SIZE);
    json_decref(letter);
    json_decref(list);
  }
}

static void deals_of_any_size_come_page_by_page_newest_first(void **state)
{
  struct scene *scene = *state;
  char request[200];
  size_t pages;
  for (int i = 0; i < LETTERS; i++) {
    snprintf(request, sizeof request,
             "{\"call\":\"send\",\"to\":\"echo\",\"type\":\"echo/1.0/deal\",\"body\":\"%03d\"}", i);
    json_decref(assert_answered(scene, request));
    wait_for_count(scene, 0, (uint64_t)i + 1);
  }
  json_t *list = assert_paged(scene, "deals", 10000, &pages);
  assert_int_equal(json_array_size(list), LETTERS);
  assert_true(pages > 1);
  for (int i = 0; i < LETTERS; i++) {
    char id[8];
    snprintf(id, sizeof id, "%03d", LETTERS - 1 - i);
    assert_string_equal(json_string_value(json_object_get(json_array_get(list, (size_t)i), "id")),
                        id);
  }
  json_decref(list);
}

static void a_cursor_that_is_none_is_refused(void **state)
{
  static const char *const lists[] = {"agents", "find"};
  char request[200];
  for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
    snprintf(request, sizeof request, "{\"call\":\"%s\",\"query\":\"\",\"cursor\":\"AAAA\"}",
             lists[i]);
    assert_refused(*state, request, "invalid");
  }
  assert_refused(*state, "{\"call\":\"peers\",\"cursor\":\"?\"}", "invalid");
  assert_refused(*state, "{\"call\":\"peers\",\"cursor\":7}", "invalid");
  assert_refused(*state, "{\"call\":\"agents\",\"limit\":0}", "invalid");
}

/* The message quotes 80 bytes of the name: most of the time, a euro sign is cut. */
static void an_error_that_quotes_half_a_character_still_says_why(void **state)
{
  struct scene *scene = *state;
  char request[400];
  for (int shift = 0; shift < 3; shift++) {
    int size = sprintf(request, "{\"call\":\"send\",\"type\":\"a/1.0/b\",\"to\":\"%.*s", shift,
                       "xx");
    for (int i = 0; i < 40; i++) size += sprintf(request + size, "\u20ac");
    memcpy(request + size, "\"}", 3);
    json_t *answer = call(scene, request);
    const json_t *error = json_object_get(answer, "error");
    assert_non_null(
        strstr(present(json_string_value(json_object_get(error, "message"))), "neither an agent"));
    json_decref(answer);
  }
}

static void stop_is_passed_on(void **state)
{
  struct scene *scene = *state;
  json_t *result = assert_answered(scene, "{\"call\":\"stop\"}");
  assert_true(json_is_null(result));
  json_decref(result);
  assert_int_equal(scene->stops, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
  const struct CMUnitTest tests[] = {
      TEST(what_is_no_request_is_refused_and_the_next_is_heard),
      TEST(lists_are_lists_also_when_there_is_nothing),
      TEST(the_tag_of_a_request_comes_back_with_its_answer),
      TEST(an_ask_is_answered_later_and_others_meanwhile),
      TEST(who_hangs_up_before_the_answer_harms_nobody),
      TEST(a_tail_shows_what_it_was_asked_for),
      TEST(dead_letters_of_any_size_are_listed_and_each_is_shown_whole),
      TEST(deals_of_any_size_come_page_by_page_newest_first),
      TEST(a_cursor_that_is_none_is_refused),
      TEST(an_error_that_quotes_half_a_character_still_says_why),
      TEST(stop_is_passed_on),
  };
  if (hgl_crypto_init(&err) != 0) return 1;
  return cmocka_run_group_tests(tests, NULL, NULL);
}
