/* What the tests of net/http_client.h share: a client on a real loop, servers of
 * support/http_server.h, and names that resolve as the test says. */
#ifndef HGL_TESTS_HTTP_FIXTURE_H
#define HGL_TESTS_HTTP_FIXTURE_H

#include "support/http_server.h"
#include "support/wait.h"

#include <dlfcn.h>
#include <netdb.h>
#include <semaphore.h>

#include "base/mem.h"
#include "net/http_client.h"
#include "net/net_grant.h"

static struct hgl_err err;

/* Names ------------------------------------------------------------------------------------------
 */

/* libcurl's threads call this one: its resolver is the program's. */
static sem_t slow_names;     /* "slow.test" is looked up once this is posted */
static atomic_int looked_up; /* how often a name of ours was begun to be looked up */

static const struct {
  const char *name;
  const char *addresses[3];
} names[] = {
    {"one.test", {"127.0.0.1"}},
    {"other.test", {"127.0.0.1"}},
    {"two.test", {"127.0.0.2", "127.0.0.1"}},
    {"metadata.test", {"169.254.169.254"}},
    {"slow.test", {"127.0.0.1"}},
};

typedef int resolver(const char *, const char *, const struct addrinfo *, struct addrinfo **);

__attribute__((visibility("default"))) int getaddrinfo(const char *name, const char *service,
                                                       const struct addrinfo *hints,
                                                       struct addrinfo **out)
{
  resolver *system = (resolver *)dlsym(RTLD_NEXT, "getaddrinfo");
  size_t size = name ? strlen(name) : 0;
  if (size < 5 || strcmp(name + size - 5, ".test") != 0) return system(name, service, hints, out);
  atomic_fetch_add(&looked_up, 1);
  if (strcmp(name, "slow.test") == 0) sem_wait(&slow_names);
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    if (strcmp(names[i].name, name) != 0) continue;
    struct addrinfo *all = NULL, **end = &all;
    for (const char *const *at = names[i].addresses; *at; at++) {
      int status = system(*at, service, hints, end);
      if (status != 0) return status;
      while (*end) end = &(*end)->ai_next;
    }
    *out = all;
    return 0;
  }
  return EAI_NONAME;
}

/* The client ------------------------------------------------------------------------------------
 */

enum { GRANTS_MAX = 8 };

struct fixture {
  struct hgl_loop *loop;
  struct hgl_http_client *client;
  struct http_server *server, *second;
  struct hgl_net_grant grants[GRANTS_MAX];
  size_t grant_count;
  int hosts_asked, addresses_asked;
};

/* What became of a call. */
struct outcome {
  struct hgl_http_call *call; /* while it goes on */
  int count, status;
  bool sent;
  struct hgl_err err;
  char url[256], headers[2048];
  struct hgl_buf body;
  void (*then)(void *user); /* called when it is done */
  void *user;
};

static inline int allow_host(void *user, const char *host, int port, struct hgl_err *why)
{
  struct fixture *f = user;
  f->hosts_asked++;
  return hgl_net_grants_allow_host(f->grants, f->grant_count, host, port, why);
}

static inline int allow_address(void *user, const char *host, const char *address, int port,
                                struct hgl_err *why)
{
  struct fixture *f = user;
  f->addresses_asked++;
  return hgl_net_grants_allow_address(f->grants, f->grant_count, host, address, port, why);
}

static inline void grant(struct fixture *f, const char *text)
{
  assert_true(f->grant_count < GRANTS_MAX);
  assert_ok(hgl_net_grant_parse(hgl_text(text), &f->grants[f->grant_count++], &err));
}

static inline void keep_headers(struct outcome *outcome, const struct hgl_http_answer *answer)
{
  size_t size = 0;
  for (size_t i = 0; i < answer->header_count && size < sizeof outcome->headers; i++)
    size += (size_t)snprintf(outcome->headers + size, sizeof outcome->headers - size,
                             "%.*s: %.*s\n", HGL_STR(answer->headers[i].name),
                             HGL_STR(answer->headers[i].value));
}

static inline void done(void *user, struct hgl_http_answer *answer,
                        const struct hgl_http_failure *failure)
{
  struct outcome *outcome = user;
  assert_true((answer == NULL) != (failure == NULL));
  outcome->count++;
  outcome->call = NULL;
  if (answer) {
    outcome->status = answer->status;
    snprintf(outcome->url, sizeof outcome->url, "%s", answer->url);
    keep_headers(outcome, answer);
    outcome->body = answer->body;
    hgl_buf_init(&answer->body, 0);
  } else {
    outcome->err = failure->err;
    outcome->sent = failure->sent;
  }
  if (outcome->then) outcome->then(outcome->user);
}

static inline void forget(struct outcome *outcome)
{
  if (outcome->count) hgl_buf_deinit(&outcome->body);
  *outcome = (struct outcome){0};
}

static inline struct hgl_http_request get(struct fixture *f, const char *url)
{
  return (struct hgl_http_request){.method = "GET",
                                   .url = url,
                                   .size_max = 1 << 20,
                                   .redirects_max = 5,
                                   .within_ms = WAIT_MS,
                                   .policy = {allow_host, allow_address, f}};
}

static inline void start(struct fixture *f, const struct hgl_http_request *request,
                         struct outcome *outcome)
{
  assert_ok(hgl_http_start(f->client, request, done, outcome, &outcome->call, &err));
  assert_int_equal(outcome->count, 0);
}

/* Runs it to its end; what an earlier call left is forgotten. */
static inline void call(struct fixture *f, const struct hgl_http_request *request,
                        struct outcome *outcome)
{
  forget(outcome);
  start(f, request, outcome);
  run_until(f, outcome->count > 0);
  assert_int_equal(outcome->count, 1);
}

/* http://HOST:PORT/PATH of this server. */
static inline const char *at(const struct http_server *server, const char *host, const char *path)
{
  static char urls[4][256];
  static int turn;
  turn = (turn + 1) % 4;
  snprintf(urls[turn], sizeof urls[turn], "%s://%s:%d%s", server->tls ? "https" : "http", host,
           server->port, path);
  return urls[turn];
}

static inline void get_page(struct fixture *f, const char *path, struct outcome *outcome)
{
  struct hgl_http_request request = get(f, at(f->server, "127.0.0.1", path));
  call(f, &request, outcome);
}

/* The words of an outcome's failure hold these. */
#define assert_failed(outcome, expected, words)                                                    \
  do {                                                                                             \
    if ((outcome)->err.code != (expected) || !strstr((outcome)->err.message, words))               \
      fail_msg("expected %s with \"%s\", got %s: %s (status %d)", hgl_code_name(expected), words,  \
               hgl_code_name((outcome)->err.code), (outcome)->err.message, (outcome)->status);     \
  } while (0)

#define assert_answered(outcome, expected)                                                         \
  do {                                                                                             \
    if ((outcome)->status != (expected))                                                           \
      fail_msg("expected %d, got %d: %s: %s", (expected), (outcome)->status,                       \
               hgl_code_name((outcome)->err.code), (outcome)->err.message);                        \
  } while (0)

static inline bool body_has(const struct outcome *outcome, const char *text)
{
  return outcome->body.data &&
         memmem(outcome->body.data, outcome->body.size, text, strlen(text)) != NULL;
}

static inline void set_up_client(struct fixture *f, struct hgl_http_config config)
{
  config.loop = f->loop;
  config.clock = &hgl_clock_system;
  config.log = &hgl_log_none;
  config.user_agent = "haggle/test";
  assert_ok(hgl_http_create(&config, &f->client, &err));
}

static inline struct fixture *set_up(const struct http_page *pages)
{
  struct fixture *f = calloc(1, sizeof *f);
  assert_non_null(f);
  sem_init(&slow_names, 0, 0);
  atomic_store(&looked_up, 0);
  assert_ok(hgl_loop_create(&hgl_clock_system, &f->loop, &err));
  f->server = http_server_at("127.0.0.1", 0, pages, NULL, NULL);
  return f;
}

static inline void tear_down(struct fixture *f)
{
  for (int i = 0; i < 64; i++) sem_post(&slow_names); /* whoever still waits */
  hgl_http_destroy(f->client);
  hgl_loop_destroy(f->loop);
  http_server_end(f->server);
  http_server_end(f->second);
  free(f);
}

#endif
