/* For tests of the engine of remote models: servers of support/http_server.h that speak the API of
 * OpenAI well or badly, and the host's side of an engine. */
#ifndef HGL_TESTS_REMOTE_FIXTURE_H
#define HGL_TESTS_REMOTE_FIXTURE_H

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

static inline void finish(void *user, const struct haggle_request *request,
                          const struct haggle_result *result)
{
  struct asked *asked = (struct asked *)request;
  asked->finished++;
  asked->status = result->status;
  snprintf(asked->message, TEXT_SIZE, "%.*s", (int)result->message_size, result->message);
  snprintf(asked->text, TEXT_SIZE, "%.*s", (int)result->text_size, result->text);
}

static inline void set_event(struct fixture *f)
{
  uint64_t one = 1;
  assert_int_equal(write(f->event, &one, sizeof one), sizeof one);
}

static inline void token(void *user, const struct haggle_request *request, const char *text,
                         size_t size)
{
  struct fixture *f = user;
  struct asked *asked = (struct asked *)request;
  size_t used = strlen(asked->pieces);
  snprintf(asked->pieces + used, TEXT_SIZE - used, "%.*s", (int)size, text);
  if (f->pieces_until_cancel == 0 || --f->pieces_until_cancel > 0) return;
  f->cancelled = true;
  set_event(f);
}

static inline const struct haggle_request *take(void *user)
{
  struct fixture *f = user;
  uint64_t count;
  if (f->given < f->limit) return f->requests[f->given++];
  assert_true(read(f->event, &count, sizeof count) != 0);
  return NULL;
}

static inline int is_over(void *user, const struct haggle_request *request)
{
  return ((struct fixture *)user)->cancelled;
}

static inline int set_up(void **state)
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

static inline int tear_down(void **state)
{
  struct fixture *f = *state;
  if (f->model) f->engine->close(f->model);
  http_server_end(f->server);
  close(f->event);
  unsetenv("HGL_TEST_KEY");
  free(f);
  return 0;
}

static inline void set(struct fixture *f, const char *name, const char *value)
{
  f->options[f->option_count++] = (struct haggle_option){name, value};
}

static inline int32_t try_open_url(struct fixture *f, const char *url)
{
  const struct haggle_source source = {sizeof source, "talker", url, f->options, f->option_count};
  return f->engine->open(&source, &f->model, &f->error);
}

static inline void open_path(struct fixture *f, const char *path)
{
  char url[128];
  snprintf(url, sizeof url, "http://127.0.0.1:%d/%s", f->server->port, path);
  if (f->model) f->engine->close(f->model);
  f->model = NULL;
  if (try_open_url(f, url) != HAGGLE_OK) fail_msg("%s", f->error.message);
}

static inline void ask_many(struct fixture *f, size_t count, size_t more, int64_t within_ms,
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

static inline void ask(struct fixture *f, const char *text)
{
  ask_many(f, 1, 0, 0, text);
}

static inline void assert_says(const char *text, const char *wanted)
{
  if (!text || !strstr(text, wanted)) fail_msg("expected \"%s\" in \"%s\"", wanted, text);
}

static inline void assert_answer(const struct fixture *f, const char *wanted)
{
  if (f->asked[0].status != HAGGLE_OK)
    fail_msg("status %d: %s", f->asked[0].status, f->asked[0].message);
  assert_string_equal(f->asked[0].text, wanted);
}

static inline void assert_failure(const struct fixture *f, int32_t status, const char *wanted)
{
  assert_says(f->asked[0].message, wanted);
  assert_int_equal(f->asked[0].status, status);
}

static inline void assert_sent(struct fixture *f, const char *text)
{
  if (!http_last_has(f->server, text))
    fail_msg("expected \"%s\" in what was sent: %s", text, f->server->last);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
