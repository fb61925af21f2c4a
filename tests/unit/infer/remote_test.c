/* The engine of remote models against servers of support/http_server.h, which speak the API of
 * OpenAI well or badly. */
#include "support/http_server.h"

#include <sys/eventfd.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/seam.h"
#include "infer/remote.h"
#include "net/tls.h"

enum { REQUESTS_MAX = 200, TEXT_SIZE = 2000 };

#define HEAD(type)   "HTTP/1.1 200 OK\r\nContent-Type: " type "\r\nConnection: close\r\n\r\n"
#define JSON(text)   HEAD("application/json") text
#define EVENTS(text) HEAD("text/event-stream; charset=utf-8") text
#define REFUSAL(line, text)                                                                        \
  "HTTP/1.1 " line "\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n" text
#define USAGE                                                                                      \
  "\"usage\":{\"prompt_tokens\":20,\"completion_tokens\":7,\"prompt_tokens_details\":{"            \
  "\"cached_tokens\":5}}"
#define GOOD                                                                                       \
  JSON("{\"choices\":[{\"message\":{\"role\":\"assistant\",\"content\":\"sell \\u00e9\"},"         \
       "\"finish_reason\":\"stop\"}]," USAGE "}")
#define PIECE(text) "data: {\"choices\":[{\"delta\":{\"content\":\"" text "\"}}]}\n\n"
#define LAST        "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\r\n\r\n"

static const struct http_page pages[] = {
    {"/good/chat/completions", HTTP_CLOSE, GOOD, NULL, 0, 0},
    {"/good/completions", HTTP_CLOSE,
     JSON("{\"choices\":[{\"text\":\"and so on\",\"finish_reason\":\"length\"}]}"), NULL, 0, 0},
    {"/good/embeddings", HTTP_CLOSE,
     JSON("{\"data\":[{\"index\":1,\"embedding\":[0,2]},{\"index\":0,\"embedding\":[3,-4]}],"
          "\"usage\":{\"prompt_tokens\":4}}"),
     NULL, 0, 0},
    {"/zero/embeddings", HTTP_CLOSE, JSON("{\"data\":[{\"embedding\":[0,0]}]}"), NULL, 0, 0},
    {"/few/embeddings", HTTP_CLOSE, JSON("{\"data\":[]}"), NULL, 0, 0},
    {"/events/chat/completions", HTTP_CLOSE,
     EVENTS(": a comment\n\n" PIECE("he") PIECE(
         "l\\u00f6") "data:\n\n" LAST "data: {\"choices\":[]," USAGE "}\n\ndata: [DONE]\n\n"),
     NULL, 0, 0},
    {"/slow/chat/completions", HTTP_SLOW, EVENTS(PIECE("first")), PIECE("x"), 0, 0},
    {"/lingers/chat/completions", HTTP_HANG, EVENTS(PIECE("whole") LAST "data: [DONE]\n\n"), NULL,
     0, 0},
    {"/cut/chat/completions", HTTP_CLOSE, EVENTS(PIECE("half an ans")), NULL, 0, 0},
    {"/fails/chat/completions", HTTP_CLOSE,
     EVENTS(PIECE("half") "data: {\"error\":{\"message\":\"out of slots\"}}\n\n"), NULL, 0, 0},
    {"/hang/chat/completions", HTTP_HANG, NULL, NULL, 0, 0},
    {"/dead/chat/completions", HTTP_RESET, NULL, NULL, 0, 0},
    {"/garbage/chat/completions", HTTP_CLOSE, JSON("<html>welcome</html>"), NULL, 0, 0},
    {"/empty/chat/completions", HTTP_CLOSE, JSON("{}"), NULL, 0, 0},
    {"/tools/chat/completions", HTTP_CLOSE,
     JSON("{\"choices\":[{\"message\":{\"content\":null,\"tool_calls\":[{\"id\":\"c7\",\"type\":"
          "\"function\",\"function\":{\"name\":\"price\",\"arguments\":\"{\\\"of\\\":\\\"tea\\\"}"
          "\"}}"
          "]},\"finish_reason\":\"tool_calls\"}]}"),
     NULL, 0, 0},
    {"/badtools/chat/completions", HTTP_CLOSE,
     JSON("{\"choices\":[{\"message\":{\"tool_calls\":[{\"function\":{\"name\":\"price\","
          "\"arguments\":\"{of\"}}]},\"finish_reason\":\"tool_calls\"}]}"),
     NULL, 0, 0},
    {"/toolpieces/chat/completions", HTTP_CLOSE,
     EVENTS(
         "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"a\",\"function\":{"
         "\"name\":\"price\",\"arguments\":\"\"}}]}}]}\n\n"
         "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{"
         "\"arguments\":\"{\\\"n\\\":\"}}]}}]}\n\n"
         "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{"
         "\"arguments\":\"4}\"}}]},\"finish_reason\":\"tool_calls\"}]}\n\ndata: [DONE]\n\n"),
     NULL, 0, 0},
    {"/endless/chat/completions", HTTP_ENDLESS, JSON("{\"a\":\""),
     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
     "aaa"
     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
     "aaa",
     0, 0},
    {"/json/chat/completions", HTTP_CLOSE,
     JSON("{\"choices\":[{\"message\":{\"content\":\"{\\\"n\\\":4}\"},\"finish_reason\":\"stop\"}]"
          "}"),
     NULL, 0, 0},
    {"/filtered/chat/completions", HTTP_CLOSE,
     JSON("{\"choices\":[{\"message\":{\"content\":\"\"},\"finish_reason\":\"content_filter\"}]}"),
     NULL, 0, 0},
    {"/e400/chat/completions", HTTP_CLOSE,
     REFUSAL("400 Bad", "{\"error\":{\"message\":\"temperature\\nis odd\",\"code\":\"x\"}}"), NULL,
     0, 0},
    {"/long/chat/completions", HTTP_CLOSE,
     REFUSAL("400 Bad",
             "{\"error\":{\"message\":\"too long\",\"code\":\"context_length_exceeded\"}}"),
     NULL, 0, 0},
    {"/e401/chat/completions", HTTP_CLOSE,
     REFUSAL("401 No", "{\"error\":{\"message\":\"wrong key sk-abc...xyz\"}}"), NULL, 0, 0},
    {"/tells/chat/completions", HTTP_CLOSE,
     JSON("{\"error\":{\"message\":\"sk-abcdefgh is out of slots\"}}"), NULL, 0, 0},
    {"/e404/chat/completions", HTTP_CLOSE,
     REFUSAL("404 None", "{\"error\":\"model tea not found, key was sk-abcdefgh\"}"), NULL, 0, 0},
    {"/quota/chat/completions", HTTP_CLOSE,
     REFUSAL("429 Slow", "{\"error\":{\"message\":\"pay\",\"code\":\"insufficient_quota\"}}"), NULL,
     0, 0},
    {"/wait/chat/completions", HTTP_CLOSE,
     "HTTP/1.1 429 Slow\r\nRetry-After: 3600\r\nConnection: close\r\n\r\n", NULL, 0, 0},
    {"/busy/chat/completions", HTTP_THEN,
     "HTTP/1.1 429 Slow\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n",
     "HTTP/1.1 200 OK\r\nContent-Length: 70\r\n\r\n"
     "{\"choices\":[{\"message\":{\"content\":\"at last\"},\"finish_reason\":\"stop\"}]}",
     0, 0},
    {"/e500/chat/completions", HTTP_THEN, "HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n",
     "HTTP/1.1 200 OK\r\nContent-Length: 70\r\n\r\n"
     "{\"choices\":[{\"message\":{\"content\":\"at last\"},\"finish_reason\":\"stop\"}]}",
     0, 0},
    {"/moved/chat/completions", HTTP_CLOSE,
     "HTTP/1.1 307 There\r\nLocation: http://127.0.0.1:1/v1\r\nConnection: close\r\n\r\n", NULL, 0,
     0},
    {NULL, HTTP_CLOSE, REFUSAL("404 None", "{}"), NULL, 0, 0},
};

/* The host's side ------------------------------------------------------------------------------ */

struct asked {
  struct haggle_request request;
  int32_t status;
  int finished;
  char message[TEXT_SIZE], text[TEXT_SIZE], pieces[TEXT_SIZE];
};

struct fixture {
  const struct haggle_engine *engine;
  struct http_server *server;
  void *model;
  struct haggle_error error;
  struct haggle_option options[16];
  size_t option_count;
  struct asked asked[REQUESTS_MAX];
  const struct haggle_request *requests[REQUESTS_MAX];
  size_t given, limit;
  bool streams;
  int event, pieces_until_cancel;
  bool cancelled;
};

static void finish(void *user, const struct haggle_request *request,
                   const struct haggle_result *result)
{
  struct asked *asked = (struct asked *)request;
  asked->finished++;
  asked->status = result->status;
  snprintf(asked->message, TEXT_SIZE, "%.*s", (int)result->message_size, result->message);
  snprintf(asked->text, TEXT_SIZE, "%.*s", (int)result->text_size, result->text);
}

static void set_event(struct fixture *f)
{
  uint64_t one = 1;
  assert_int_equal(write(f->event, &one, sizeof one), sizeof one);
}

static void token(void *user, const struct haggle_request *request, const char *text, size_t size)
{
  struct fixture *f = user;
  struct asked *asked = (struct asked *)request;
  size_t used = strlen(asked->pieces);
  snprintf(asked->pieces + used, TEXT_SIZE - used, "%.*s", (int)size, text);
  if (f->pieces_until_cancel == 0 || --f->pieces_until_cancel > 0) return;
  f->cancelled = true;
  set_event(f);
}

static const struct haggle_request *take(void *user)
{
  struct fixture *f = user;
  uint64_t count;
  if (f->given < f->limit) return f->requests[f->given++];
  assert_true(read(f->event, &count, sizeof count) != 0);
  return NULL;
}

static int is_over(void *user, const struct haggle_request *request)
{
  return ((struct fixture *)user)->cancelled;
}

static int set_up(void **state)
{
  struct fixture *f = calloc(1, sizeof *f);
  if (!f) return 1;
  f->engine = hgl_remote_engine(HAGGLE_INFER_VERSION, NULL);
  f->server = http_server_at("127.0.0.1", 0, pages, NULL, NULL);
  f->error.size = sizeof f->error;
  f->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  *state = f;
  return f->event < 0;
}

static int tear_down(void **state)
{
  struct fixture *f = *state;
  if (f->model) f->engine->close(f->model);
  http_server_end(f->server);
  close(f->event);
  unsetenv("HGL_TEST_KEY");
  free(f);
  return 0;
}

static void set(struct fixture *f, const char *name, const char *value)
{
  f->options[f->option_count++] = (struct haggle_option){name, value};
}

static int32_t try_open_url(struct fixture *f, const char *url)
{
  const struct haggle_source source = {sizeof source, "talker", url, f->options, f->option_count};
  return f->engine->open(&source, &f->model, &f->error);
}

static void open_path(struct fixture *f, const char *path)
{
  char url[128];
  snprintf(url, sizeof url, "http://127.0.0.1:%d/%s", f->server->port, path);
  if (f->model) f->engine->close(f->model);
  f->model = NULL;
  if (try_open_url(f, url) != HAGGLE_OK) fail_msg("%s", f->error.message);
}

static void ask_many(struct fixture *f, size_t count, size_t more, int64_t within_ms,
                     const char *text)
{
  for (size_t i = 0; i < count + more; i++) {
    f->asked[i] = (struct asked){.status = -1};
    f->asked[i].request = (struct haggle_request){
        .size = sizeof f->asked[i].request, .id = i + 1, .text = text, .text_size = strlen(text)};
    if (within_ms)
      f->asked[i].request.deadline_ns = hgl_mono_ns(&hgl_clock_system) + within_ms * 1000000;
    f->requests[i] = &f->asked[i].request;
  }
  f->given = count;
  f->limit = count + more;
  if (more) set_event(f);
  const struct haggle_batch batch = {
      sizeof batch, f->requests, count, f, finish, take, f->streams ? token : NULL,
      is_over,      f->event};
  f->engine->run(f->model, &batch);
  for (size_t i = 0; i < count + more; i++) assert_int_equal(f->asked[i].finished, 1);
}

static const char chat[] =
    "{\"task\":\"chat\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}";

static void ask(struct fixture *f, const char *text)
{
  ask_many(f, 1, 0, 0, text);
}

static void assert_says(const char *text, const char *wanted)
{
  if (!text || !strstr(text, wanted)) fail_msg("expected \"%s\" in \"%s\"", wanted, text);
}

static void assert_answer(const struct fixture *f, const char *wanted)
{
  if (f->asked[0].status != HAGGLE_OK)
    fail_msg("status %d: %s", f->asked[0].status, f->asked[0].message);
  assert_string_equal(f->asked[0].text, wanted);
}

static void assert_failure(const struct fixture *f, int32_t status, const char *wanted)
{
  assert_says(f->asked[0].message, wanted);
  assert_int_equal(f->asked[0].status, status);
}

static void assert_sent(struct fixture *f, const char *text)
{
  if (!http_last_has(f->server, text))
    fail_msg("expected \"%s\" in what was sent: %s", text, f->server->last);
}

/* Tests ---------------------------------------------------------------------------------------- */

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

static void what_is_safe_is_repeated(void **state)
{
  struct fixture *f = *state;
  open_path(f, "busy");
  ask(f, chat);
  assert_says(f->asked[0].text, "at last");
  assert_int_equal(atomic_load(&f->server->requests), 2);
}

static void a_failure_is_repeated_when_it_costs_nothing(void **state)
{
  struct fixture *f = *state;
  struct haggle_model_stats stats = {.size = sizeof stats};
  set(f, "price_in", "100");
  set(f, "price_out", "100");
  open_path(f, "e500");
  ask(f, chat);
  assert_failure(f, HAGGLE_UNREACHABLE, "answers 500");
  assert_int_equal(atomic_load(&f->server->requests), 1);
  f->engine->stats(f->model, &stats);
  assert_true(stats.cost_microcents > 256 * 10000); /* the worst that it can have been */
  atomic_store(&f->server->requests, 0);
  f->option_count = 0;
  open_path(f, "e500");
  ask(f, chat);
  assert_says(f->asked[0].text, "at last");
}

static void a_server_that_wants_to_be_left_alone_is(void **state)
{
  struct fixture *f = *state;
  open_path(f, "wait");
  ask(f, chat);
  assert_failure(f, HAGGLE_LIMIT, "answers 429");
  assert_int_equal(atomic_load(&f->server->requests), 1);
}

static void time_has_an_end(void **state)
{
  struct fixture *f = *state;
  open_path(f, "hang");
  ask_many(f, 1, 0, 30, chat);
  assert_failure(f, HAGGLE_TIMEOUT, "has not answered in time");
  set(f, "timeout", "30ms");
  open_path(f, "hang");
  ask(f, chat);
  assert_failure(f, HAGGLE_TIMEOUT, "option timeout");
  ask_many(f, 1, 0, -5, chat);
  assert_failure(f, HAGGLE_TIMEOUT, "its deadline has passed");
}

static void what_nobody_waits_for_is_given_up(void **state)
{
  struct fixture *f = *state;
  f->streams = true;
  f->pieces_until_cancel = 3;
  open_path(f, "slow");
  ask(f, chat);
  assert_failure(f, HAGGLE_CANCELLED, "nobody waits");
  assert_says(f->asked[0].pieces, "first");
}

static void many_go_on_at_once(void **state)
{
  struct fixture *f = *state;
  set(f, "connections", "16");
  open_path(f, "good");
  ask_many(f, 4, 150, 20000, chat);
  for (size_t i = 0; i < 154; i++) assert_int_equal(f->asked[i].status, HAGGLE_OK);
  assert_int_equal(atomic_load(&f->server->requests), 154);
}

static void a_rate_is_kept(void **state)
{
  struct fixture *f = *state;
  set(f, "rate", "2");
  open_path(f, "good");
  ask_many(f, 3, 0, 5000, chat);
  assert_int_equal(f->asked[1].status, HAGGLE_OK);
  assert_int_equal(f->asked[2].status, HAGGLE_LIMIT);
  assert_says(f->asked[2].message, "the rate of 2 requests a minute");
  assert_int_equal(atomic_load(&f->server->requests), 2);
}

/* 20 tokens at 1, 7 at 3 a million: 41 millionths. */
static void a_budget_is_kept(void **state)
{
  struct fixture *f = *state;
  struct haggle_model_stats stats = {.size = sizeof stats};
  set(f, "price_in", "1");
  set(f, "price_out", "3");
  set(f, "budget", "0.0012");
  open_path(f, "good");
  ask(f, chat);
  f->engine->stats(f->model, &stats);
  assert_int_equal(stats.cost_microcents, 4100);
  ask_many(f, 5, 0, 0, chat); /* any of which may cost almost all of it */
  int good = 0;
  for (int i = 0; i < 5; i++) good += f->asked[i].status == HAGGLE_OK;
  assert_int_equal(good, 1);
  assert_int_equal(f->asked[4].status, HAGGLE_LIMIT);
  assert_says(f->asked[4].message, "the budget of 0.00 since the model was opened has");
  set(f, "budget_day", "0.0001");
  open_path(f, "good");
  ask(f, chat);
  assert_failure(f, HAGGLE_LIMIT, "a day has");
}

static void https_is_verified(void **state)
{
  struct fixture *f = *state;
  struct hgl_err err = {0};
  char folder[] = "remote-XXXXXX", certificate[64], key[64], url[128];
  assert_non_null(mkdtemp(folder));
  snprintf(certificate, sizeof certificate, "%s/c.pem", folder);
  snprintf(key, sizeof key, "%s/k.pem", folder);
  assert_ok(hgl_tls_self_signed(certificate, key, &err));
  http_server_end(f->server);
  f->server = http_server_at("127.0.0.1", 0, pages, certificate, key);
  snprintf(url, sizeof url, "https://localhost:%d/good", f->server->port);
  assert_int_equal(try_open_url(f, url), HAGGLE_OK);
  ask(f, chat);
  assert_failure(f, HAGGLE_UNREACHABLE, "self-signed certificate");
  f->engine->close(f->model);
  set(f, "trust", certificate);
  assert_int_equal(try_open_url(f, url), HAGGLE_OK);
  ask(f, chat);
  assert_int_equal(f->asked[0].status, HAGGLE_OK);
  unlink(certificate);
  unlink(key);
  rmdir(folder);
}

static void assert_no_option(struct fixture *f, const char *name, const char *value,
                             const char *why)
{
  f->option_count = 0;
  set(f, name, value);
  assert_int_equal(try_open_url(f, "http://127.0.0.1:1/v1"), HAGGLE_INVALID);
  assert_says(f->error.message, why);
}

static void options_that_are_wrong_say_so(void **state)
{
  struct fixture *f = *state;
  assert_no_option(f, "modell", "x", "did you mean model?");
  assert_no_option(f, "retries", "-1", "a number from 0 to 20");
  assert_no_option(f, "retries", "21", "a number from 0 to 20");
  assert_no_option(f, "rate", "0", "a number from 1");
  assert_no_option(f, "connections", "many", "a number from 1");
  assert_no_option(f, "timeout", "0s", "from 1ms to 24h");
  assert_no_option(f, "timeout", "soon", "not a duration");
  assert_no_option(f, "schema", "yes", "openai, llama or none");
  assert_no_option(f, "stream", "yes", "on or off");
  assert_no_option(f, "limit", "4", "max_completion_tokens");
  assert_no_option(f, "price_in", "free", "an amount of money");
  assert_no_option(f, "price_in", "0.000000001", "an amount of money");
  assert_no_option(f, "budget", "5", "a budget needs prices");
  assert_no_option(f, "key", "sk-abcdefgh", "never the key itself");
  assert_null(strstr(f->error.message, "sk-a"));
  f->option_count = 0;
  set(f, "trust", "/nowhere/ca.pem");
  assert_int_equal(try_open_url(f, "https://a.example/v1"), HAGGLE_NOT_FOUND);
  assert_says(f->error.message, "option trust: /nowhere/ca.pem: No such file");
}

static void keys_are_read_as_secrets_are(void **state)
{
  struct fixture *f = *state;
  char path[] = "remote-key-XXXXXX", source[64];
  int fd = mkstemp(path);
  assert_true(fd >= 0);
  assert_int_equal(write(fd, "sk-abcdefgh\n", 12), 12);
  assert_int_equal(fchmod(fd, 0644), 0);
  snprintf(source, sizeof source, "file:%s", path);
  set(f, "key", source);
  assert_int_equal(try_open_url(f, "http://127.0.0.1:1/v1"), HAGGLE_DENIED);
  assert_says(f->error.message, "chmod 600");
  assert_int_equal(fchmod(fd, 0600), 0);
  close(fd);
  open_path(f, "good");
  ask(f, chat);
  assert_sent(f, "Bearer sk-abcdefgh\r\n");
  unlink(path);
  f->engine->close(f->model);
  f->model = NULL;
  assert_int_equal(try_open_url(f, "http://127.0.0.1:1/v1"), HAGGLE_NOT_FOUND);
  /* In the clear only where nobody can listen, or where the operator says so. */
  setenv("HGL_TEST_KEY", "sk-abcdefgh", 1);
  f->option_count = 0;
  set(f, "key", "env:HGL_TEST_KEY");
  assert_int_equal(try_open_url(f, "http://192.0.2.1/v1"), HAGGLE_INVALID);
  assert_says(f->error.message, "plain_key=on");
  set(f, "plain_key", "on");
  assert_int_equal(try_open_url(f, "http://192.0.2.1/v1"), HAGGLE_OK);
  f->engine->close(f->model);
  f->model = NULL;
  setenv("HGL_TEST_KEY", "sk-abc\r\nX-Evil: 1", 1);
  assert_int_equal(try_open_url(f, "http://127.0.0.1:1/v1"), HAGGLE_INVALID);
  assert_says(f->error.message, "line breaks");
}

static void addresses_that_are_wrong_say_so(void **state)
{
  static const char *const wrong[] = {
      "http://",
      "ftp://127.0.0.1/v1",
      "http://user:secret@127.0.0.1/v1",
      "http://127.0.0.1/v1?key=secret",
      "http://127.0.0.1/v1#x",
      "http://127.0.0.1/v1/chat/completions",
      "http://127.0.0.1:99999/v1",
  };
  struct fixture *f = *state;
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    assert_int_equal(try_open_url(f, wrong[i]), HAGGLE_INVALID);
    assert_says(f->error.message, "https://api.example.org/v1");
    assert_null(strstr(f->error.message, "secret"));
  }
}

static void nobody_there_says_so(void **state)
{
  struct fixture *f = *state;
  char url[64];
  int port = f->server->port;
  http_server_end(f->server);
  f->server = NULL;
  set(f, "retries", "1");
  snprintf(url, sizeof url, "http://127.0.0.1:%d/v1", port);
  assert_int_equal(try_open_url(f, url), HAGGLE_OK);
  ask(f, chat);
  assert_failure(f, HAGGLE_UNREACHABLE, "Failed to connect");
}

int main(void)
{
  const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
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
      TEST(what_is_safe_is_repeated),
      TEST(a_failure_is_repeated_when_it_costs_nothing),
      TEST(a_server_that_wants_to_be_left_alone_is),
      TEST(time_has_an_end),
      TEST(what_nobody_waits_for_is_given_up),
      TEST(many_go_on_at_once),
      TEST(a_rate_is_kept),
      TEST(a_budget_is_kept),
      TEST(https_is_verified),
      TEST(options_that_are_wrong_say_so),
      TEST(keys_are_read_as_secrets_are),
      TEST(addresses_that_are_wrong_say_so),
      TEST(nobody_there_says_so),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
