/* Remote models: what is asked, and what is made of the answers. */
#include "remote_fixture.h"

static void a_chat_is_answered(void **state)
{
  struct fixture *f = *state;
  struct haggle_model_info info = {.size = sizeof info};
  struct haggle_model_stats stats = {.size = sizeof stats};
  set(f, "model", "small");
  open_path(f, "good/");
  f->engine->describe(f->model, &info);
  assert_int_equal(info.kind, HAGGLE_LANGUAGE);
  assert_int_equal(info.tasks, HAGGLE_CHAT | HAGGLE_COMPLETE | HAGGLE_EMBED);
  ask(f, chat);
  assert_answer(f, "{\"text\":\"sell é\",\"finish\":\"stop\",\"tool_calls\":[],\"usage\":{"
                   "\"prompt\":20,\"reused\":5,\"completion\":7}}");
  assert_sent(f, "POST /good/chat/completions HTTP/1.1\r\n");
  assert_sent(f, "{\"model\":\"small\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],"
                 "\"max_tokens\":256,\"temperature\":0.8,\"top_p\":0.95}");
  assert_false(http_last_has(f->server, "Authorization"));
  f->engine->stats(f->model, &stats);
  assert_int_equal(stats.tokens_in, 20);
  assert_int_equal(stats.tokens_reused, 5);
  assert_int_equal(stats.tokens_out, 7);
  assert_int_equal(stats.cost_microcents, 0);
}

static void a_prompt_is_completed(void **state)
{
  struct fixture *f = *state;
  open_path(f, "good");
  ask(f,
      "{\"task\":\"complete\",\"prompt\":\"once\",\"max_tokens\":9,\"temperature\":0,\"top_k\":3,"
      "\"seed\":7,\"stop\":[\"end\"]}");
  assert_answer(f, "{\"text\":\"and so on\",\"finish\":\"length\",\"tool_calls\":[],\"usage\":{"
                   "\"prompt\":0,\"reused\":0,\"completion\":0}}");
  assert_sent(f, "{\"model\":\"talker\",\"prompt\":\"once\",\"max_tokens\":9,\"temperature\":0,"
                 "\"top_p\":0.95,\"top_k\":3,\"seed\":7,\"stop\":[\"end\"]}");
}

static void texts_are_embedded(void **state)
{
  struct fixture *f = *state;
  const char one[] = "{\"task\":\"embed\",\"input\":[\"a\"]}";
  f->streams = true;
  open_path(f, "good");
  ask(f, "{\"task\":\"embed\",\"input\":[\"a\",\"b\"]}");
  assert_answer(f, "{\"embeddings\":[[0.6,-0.8],[0.0,1.0]],\"usage\":{\"prompt\":4,\"reused\":0,"
                   "\"completion\":0}}");
  open_path(f, "zero");
  ask(f, one);
  assert_failure(f, HAGGLE_FAILED, "an embedding without a direction");
  open_path(f, "few");
  ask(f, one);
  assert_failure(f, HAGGLE_FAILED, "not as many embeddings as texts");
}

static void pieces_come_as_they_are_said(void **state)
{
  struct fixture *f = *state;
  f->streams = true;
  open_path(f, "events");
  ask(f, chat);
  assert_answer(f, "{\"text\":\"helö\",\"finish\":\"stop\",\"tool_calls\":[],\"usage\":{"
                   "\"prompt\":20,\"reused\":5,\"completion\":7}}");
  assert_string_equal(f->asked[0].pieces, "helö");
  assert_sent(f, "\"stream\":true,\"stream_options\":{\"include_usage\":true}}");
  /* A server that does not stream all the same. */
  open_path(f, "good");
  ask(f, chat);
  assert_string_equal(f->asked[0].pieces, "sell é");
  set(f, "stream", "off");
  open_path(f, "good");
  ask(f, chat);
  assert_false(http_last_has(f->server, "\"stream\""));
}

static void tools_go_both_ways(void **state)
{
  struct fixture *f = *state;
  open_path(f, "tools");
  ask(f, "{\"task\":\"chat\",\"messages\":[{\"role\":\"user\",\"content\":\"?\"},"
         "{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"x1\",\"name\":\"price\",\"arguments\":{"
         "\"of\":1}},{\"id\":\"x2\",\"name\":\"price\",\"arguments\":{}}]},"
         "{\"role\":\"tool\",\"name\":\"price\",\"content\":\"4\"},"
         "{\"role\":\"tool\",\"name\":\"price\",\"content\":\"5\"}],"
         "\"tools\":[{\"name\":\"price\",\"description\":\"of a thing\",\"parameters\":{\"type\":"
         "\"object\"}}]}");
  assert_answer(f,
                "{\"text\":\"\",\"finish\":\"tool_calls\",\"tool_calls\":[{\"id\":\"c7\",\"name\":"
                "\"price\",\"arguments\":{\"of\":\"tea\"}}],\"usage\":{\"prompt\":0,\"reused\":0,"
                "\"completion\":0}}");
  assert_sent(f,
              "{\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":[{\"id\":\"x1\",\"type\":"
              "\"function\",\"function\":{\"name\":\"price\",\"arguments\":\"{\\\"of\\\":1}\"}},");
  assert_sent(f, "{\"role\":\"tool\",\"content\":\"4\",\"tool_call_id\":\"x1\"},"
                 "{\"role\":\"tool\",\"content\":\"5\",\"tool_call_id\":\"x2\"}]");
  assert_sent(f,
              "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"price\",\"description\":"
              "\"of a thing\",\"parameters\":{\"type\":\"object\"}}}]");
  ask(f,
      "{\"task\":\"chat\",\"messages\":[{\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":["
      "{\"id\":\"x1\",\"name\":\"price\",\"arguments\":{}},"
      "{\"id\":\"x2\",\"name\":\"price\",\"arguments\":{}}]},"
      "{\"role\":\"tool\",\"id\":\"x2\",\"name\":\"price\",\"content\":\"5\"},"
      "{\"role\":\"tool\",\"name\":\"price\",\"content\":\"4\"}]}");
  assert_sent(f, "{\"role\":\"tool\",\"content\":\"5\",\"tool_call_id\":\"x2\"},"
                 "{\"role\":\"tool\",\"content\":\"4\",\"tool_call_id\":\"x1\"}]");
  open_path(f, "badtools");
  ask(f, chat);
  assert_failure(f, HAGGLE_FAILED, "called the tool price with arguments that are no JSON object");
  f->streams = true;
  open_path(f, "toolpieces");
  ask(f, chat);
  assert_says(f->asked[0].text,
              "\"tool_calls\":[{\"id\":\"a\",\"name\":\"price\",\"arguments\":{\"n\":4}}]");
}

static void a_schema_is_said_as_the_server_knows_it(void **state)
{
  struct fixture *f = *state;
  const char text[] = "{\"task\":\"chat\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],"
                      "\"schema\":{\"type\":\"object\"}}";
  open_path(f, "json");
  ask(f, text);
  assert_says(f->asked[0].text, "{\"text\":\"{\\\"n\\\":4}\"");
  assert_sent(f, "\"temperature\":0,");
  assert_sent(f,
              "\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"answer\","
              "\"strict\":true,\"schema\":{\"type\":\"object\"}}}");
  open_path(f, "good");
  ask(f, text);
  assert_failure(f, HAGGLE_FAILED, "the answer is no JSON, though a schema was given");
  set(f, "schema", "llama");
  open_path(f, "json");
  ask(f, text);
  assert_sent(f, "\"json_schema\":{\"type\":\"object\"}}");
  set(f, "schema", "none");
  open_path(f, "json");
  ask(f, text);
  assert_sent(f, "{\"role\":\"system\",\"content\":\"Answer with JSON alone");
  ask(f, "{\"task\":\"complete\",\"prompt\":\"x\",\"schema\":{}}");
  assert_failure(f, HAGGLE_UNSUPPORTED, "schema=none");
}

static void other_servers_want_other_words(void **state)
{
  struct fixture *f = *state;
  set(f, "limit", "max_completion_tokens");
  set(f, "sampling", "off");
  open_path(f, "good");
  ask(f, chat);
  assert_sent(f, "}],\"max_completion_tokens\":256}");
}

static void requests_that_are_wrong_never_leave(void **state)
{
  static const struct {
    const char *text, *why;
  } wrong[] = {
      {"{", "truncated"},
      {"[]", "a request is an object"},
      {"{}", "task is"},
      {"{\"task\":\"sing\"}", "task is"},
      {"{\"task\":\"chat\"}", "messages is a list"},
      {"{\"task\":\"chat\",\"messages\":[]}", "messages is a list"},
      {"{\"task\":\"chat\",\"messages\":[{\"role\":\"judge\",\"content\":\"\"}]}",
       "messages[1]: a message has a role"},
      {"{\"task\":\"chat\",\"messages\":[{\"role\":\"user\"}]}", "has content"},
      {"{\"task\":\"chat\",\"messages\":[{\"role\":\"user\",\"content\":\"\",\"mood\":1}]}",
       "unknown member \"mood\""},
      {"{\"task\":\"chat\",\"messages\":[{\"role\":\"tool\",\"content\":\"\",\"name\":\"x\"}]}",
       "x was not called before"},
      {"{\"task\":\"chat\",\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"a\","
       "\"name\":\"x\",\"arguments\":{}}]},{\"role\":\"tool\",\"content\":\"\",\"name\":\"x\","
       "\"id\":"
       "\"b\"}]}",
       "messages[2]: a tool's answer to no call: b was not called"},
      {"{\"task\":\"chat\",\"messages\":[{\"role\":\"tool\",\"content\":\"\",\"name\":\"x\",\"id\":"
       "1}]}",
       "the id of its call, a text"},
      {"{\"task\":\"chat\",\"messages\":[{\"role\":\"user\",\"content\":\"\",\"id\":\"b\"}]}",
       "unknown member \"id\""},
      {"{\"task\":\"complete\"}", "prompt is a text"},
      {"{\"task\":\"complete\",\"prompt\":\"\",\"heat\":1}", "unknown member \"heat\""},
      {"{\"task\":\"complete\",\"prompt\":\"\",\"temperature\":-1}", "temperature is a number"},
      {"{\"task\":\"complete\",\"prompt\":\"\",\"max_tokens\":0}", "max_tokens is a number"},
      {"{\"task\":\"complete\",\"prompt\":\"\",\"stop\":[\"\"]}", "stop is a list"},
      {"{\"task\":\"complete\",\"prompt\":\"\",\"schema\":1}", "schema is a JSON schema"},
      {"{\"task\":\"embed\",\"input\":[]}", "input is a list"},
      {"{\"task\":\"embed\",\"input\":[1]}", "input is a list"},
  };
  struct fixture *f = *state;
  open_path(f, "good");
  for (size_t i = 1; i < sizeof wrong / sizeof *wrong; i++) {
    ask(f, wrong[i].text);
    assert_failure(f, HAGGLE_INVALID, wrong[i].why);
  }
  assert_int_equal(atomic_load(&f->server->requests), 0);
}

static void what_a_server_refuses_says_why(void **state)
{
  static const struct {
    const char *path;
    int32_t status;
    const char *why;
  } refusals[] = {
      {"e400", HAGGLE_INVALID, "127.0.0.1 answers 400: temperature is odd"},
      {"long", HAGGLE_TOO_LARGE, "too long"},
      {"e401", HAGGLE_DENIED, "answers 401; the option key"},
      {"e404", HAGGLE_NOT_FOUND, "model tea not found, key was ***********"},
      {"tells", HAGGLE_UNREACHABLE, "while it answered: *********** is out of slots"},
      {"quota", HAGGLE_LIMIT, "answers 429: pay"},
      {"moved", HAGGLE_INVALID, "it redirects, which is not followed"},
      {"filtered", HAGGLE_DENIED, "filter withholds"},
      {"garbage", HAGGLE_FAILED, "the server's answer is none"},
      {"empty", HAGGLE_FAILED, "no choices"},
      {"nowhere", HAGGLE_NOT_FOUND, "answers 404"},
  };
  struct fixture *f = *state;
  setenv("HGL_TEST_KEY", "sk-abcdefgh", 1);
  set(f, "key", "env:HGL_TEST_KEY");
  set(f, "retries", "0");
  for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
    open_path(f, refusals[i].path);
    ask(f, chat);
    assert_failure(f, refusals[i].status, refusals[i].why);
    assert_null(strstr(f->asked[0].message, "sk-a"));
  }
  assert_int_equal(atomic_load(&f->server->requests), sizeof refusals / sizeof *refusals);
  assert_sent(f, "\r\nAuthorization: Bearer sk-abcdefgh\r\n");
}

static void answers_that_end_too_early_are_none(void **state)
{
  struct fixture *f = *state;
  f->streams = true;
  set(f, "retries", "0");
  open_path(f, "cut");
  ask(f, chat);
  assert_failure(f, HAGGLE_UNREACHABLE, "ended before the answer did");
  assert_string_equal(f->asked[0].pieces, "half an ans");
  open_path(f, "fails");
  ask(f, chat);
  assert_failure(f, HAGGLE_UNREACHABLE, "the server failed while it answered: out of slots");
  open_path(f, "dead");
  ask(f, chat);
  assert_failure(f, HAGGLE_UNREACHABLE, "127.0.0.1: ");
  open_path(f, "endless");
  ask(f, chat);
  assert_failure(f, HAGGLE_FAILED, "more than 32 MiB");
}

static void a_whole_answer_does_not_wait_for_the_connections_end(void **state)
{
  struct fixture *f = *state;
  f->streams = true;
  open_path(f, "lingers");
  ask_many(f, 1, 0, 300, chat);
  assert_says(f->asked[0].text, "\"text\":\"whole\"");
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      TEST(a_chat_is_answered),
      TEST(a_prompt_is_completed),
      TEST(texts_are_embedded),
      TEST(pieces_come_as_they_are_said),
      TEST(tools_go_both_ways),
      TEST(a_schema_is_said_as_the_server_knows_it),
      TEST(other_servers_want_other_words),
      TEST(requests_that_are_wrong_never_leave),
      TEST(what_a_server_refuses_says_why),
      TEST(answers_that_end_too_early_are_none),
      TEST(a_whole_answer_does_not_wait_for_the_connections_end),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
