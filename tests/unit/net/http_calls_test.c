/* Many calls of net/http_client.h, and how they end before their time. */
#include "http_fixture.h"

#define OK_HEAD "HTTP/1.1 200 OK\r\n"

static const struct http_page pages[] = {
    {.path = "/", .text = OK_HEAD "Content-Length: 5\r\n\r\nhello"},
    {.path = "/echo", .manner = HTTP_ECHO},
    {.path = "/endless",
     .manner = HTTP_ENDLESS,
     .text = OK_HEAD "\r\n",
     .more = "0123456789abcdef"},
    {.path = "/once", .manner = HTTP_ONCE},
    {.path = "/silent", .manner = HTTP_HANG, .text = ""},
    {.path = "/slow", .manner = HTTP_SLOW, .text = OK_HEAD "\r\n", .more = "a"},
    {.path = "/slow-head", .manner = HTTP_SLOW, .text = OK_HEAD "X-A: ", .more = "a"},
    {.path = NULL,
     .manner = HTTP_KEEP,
     .text = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"},
};

static struct fixture *begin(void)
{
  struct fixture *f = set_up(pages);
  grant(f, "127.0.0.1:*");
  grant(f, "*.test:*");
  set_up_client(f, (struct hgl_http_config){0});
  return f;
}

/* Connections ------------------------------------------------------------------------------------
 */

static void connections_are_used_again_where_a_request_may_be_repeated(void **state)
{
  struct fixture *f = begin();
  struct outcome o = {0};
  for (int i = 0; i < 3; i++) get_page(f, "/", &o);
  assert_int_equal(http_connections(f->server), 1);
  struct hgl_http_request request = get(f, at(f->server, "127.0.0.1", "/echo"));
  request.method = "POST";
  call(f, &request, &o);
  assert_answered(&o, 200);
  assert_int_equal(http_connections(f->server), 2);
  request.repeat_safe = true;
  call(f, &request, &o);
  assert_int_equal(http_connections(f->server), 2);
  forget(&o);
  tear_down(f);
}

/* The server ends a connection upon its second request: a client that then sends it anew cannot
 * know whether it was handled. */
static void only_what_may_be_repeated_is_sent_again(void **state)
{
  struct fixture *f = begin();
  struct outcome o = {0};
  get_page(f, "/once", &o);
  get_page(f, "/once", &o);
  assert_answered(&o, 200);
  assert_int_equal(atomic_load(&f->server->requests), 3);
  struct hgl_http_request request = get(f, at(f->server, "127.0.0.1", "/once"));
  request.method = "POST";
  call(f, &request, &o);
  assert_answered(&o, 200);
  call(f, &request, &o);
  assert_answered(&o, 200);
  assert_int_equal(atomic_load(&f->server->requests), 5);
  forget(&o);
  tear_down(f);
}

enum { MANY = 200 };

static void many_requests_go_on_at_once(void **state)
{
  struct fixture *f = begin();
  static struct outcome o[MANY];
  int ended = 0;
  struct hgl_http_request request = get(f, at(f->server, "127.0.0.1", "/echo"));
  for (int i = 0; i < MANY; i++) start(f, &request, &o[i]);
  run_until(f, ({
              ended = 0;
              for (int i = 0; i < MANY; i++) ended += o[i].count;
              ended == MANY;
            }));
  for (int i = 0; i < MANY; i++) {
    assert_answered(&o[i], 200);
    forget(&o[i]);
  }
  tear_down(f);
}

/* Cancelling -------------------------------------------------------------------------------------
 */

static void a_call_can_be_cancelled_at_any_moment(void **state)
{
  static const char *const paths[] = {"/silent", "/slow-head", "/slow", "/endless", "/"};
  struct fixture *f = begin();
  for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
    for (int rounds = 0; rounds < 12; rounds++) {
      struct outcome o = {0};
      struct hgl_http_request request = get(f, at(f->server, "127.0.0.1", paths[i]));
      request.size_max = 1 << 30;
      start(f, &request, &o);
      for (int k = 0; k < rounds && o.call; k++) hgl_loop_run_once(f->loop, k % 3 ? 0 : 5);
      if (o.call) hgl_http_cancel(o.call);
      int count = o.count;
      for (int k = 0; k < 3; k++) hgl_loop_run_once(f->loop, 0);
      assert_int_equal(o.count, count);
      forget(&o);
    }
  tear_down(f);
}

static void a_call_whose_name_is_looked_up_ends_without_the_resolver(void **state)
{
  struct fixture *f = set_up(pages);
  grant(f, "*:*");
  grant(f, "127.0.0.1:*");
  set_up_client(f, (struct hgl_http_config){.limits = {.calls_max = 1}});
  struct outcome o = {0}, other = {0};
  struct hgl_http_request request = get(f, at(f->server, "slow.test", "/"));
  request.within_ms = 100;
  call(f, &request, &o);
  assert_failed(&o, HGL_TIMEOUT, "slow.test");
  assert_false(o.sent);
  /* Its thread still counts, so that there are never more of them than calls. */
  struct hgl_http_request second = get(f, at(f->server, "127.0.0.1", "/"));
  assert_fails(HGL_LIMIT, hgl_http_start(f->client, &second, done, &other, &other.call, &err));
  sem_post(&slow_names);
  run_until(f, hgl_http_start(f->client, &second, done, &other, &other.call, &err) == 0);
  run_until(f, other.count);
  assert_answered(&other, 200);
  assert_int_equal(o.count, 1);
  assert_int_equal(http_connections(f->server), 1); /* none for what was given up */
  forget(&o);
  forget(&other);
  tear_down(f);
}

static void a_client_ends_with_calls_in_every_state(void **state)
{
  static const char *const paths[] = {"/silent", "/slow", "/endless", "/slow-head"};
  struct fixture *f = begin();
  static struct outcome o[6];
  for (int i = 0; i < 4; i++) {
    struct hgl_http_request request = get(f, at(f->server, "127.0.0.1", paths[i]));
    request.size_max = 1 << 30;
    start(f, &request, &o[i]);
  }
  struct hgl_http_request slow = get(f, at(f->server, "slow.test", "/"));
  start(f, &slow, &o[4]);
  run_until(f, atomic_load(&looked_up) == 1);
  run_until(f, atomic_load(&f->server->requests) == 4);
  start(f, &slow, &o[5]);
  hgl_http_destroy(f->client);
  f->client = NULL;
  for (int i = 0; i < 6; i++) assert_int_equal(o[i].count, 0);
  memset(o, 0, sizeof o);
  tear_down(f);
}

struct chain {
  struct fixture *f;
  struct outcome victim, next, first;
};

static void cancel_and_start(void *user)
{
  struct chain *chain = user;
  assert_non_null(chain->victim.call);
  hgl_http_cancel(chain->victim.call);
  chain->victim.call = NULL;
  struct hgl_http_request request = get(chain->f, at(chain->f->server, "127.0.0.1", "/"));
  start(chain->f, &request, &chain->next);
}

static void a_call_that_is_done_may_cancel_and_start_others(void **state)
{
  struct chain chain = {.f = begin()};
  struct hgl_http_request request = get(chain.f, at(chain.f->server, "127.0.0.1", "/silent"));
  start(chain.f, &request, &chain.victim);
  request.within_ms = 50; /* once out of a time that is over, once out of an answer */
  chain.first.then = cancel_and_start;
  chain.first.user = &chain;
  start(chain.f, &request, &chain.first);
  run_until(chain.f, chain.next.count);
  assert_answered(&chain.next, 200);
  forget(&chain.next);
  forget(&chain.first);
  request = get(chain.f, at(chain.f->server, "127.0.0.1", "/silent"));
  start(chain.f, &request, &chain.victim);
  request.url = at(chain.f->server, "127.0.0.1", "/");
  chain.first.then = cancel_and_start;
  chain.first.user = &chain;
  start(chain.f, &request, &chain.first);
  run_until(chain.f, chain.next.count);
  assert_answered(&chain.next, 200);
  assert_int_equal(chain.victim.count, 0);
  forget(&chain.next);
  forget(&chain.first);
  tear_down(chain.f);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(connections_are_used_again_where_a_request_may_be_repeated),
      cmocka_unit_test(only_what_may_be_repeated_is_sent_again),
      cmocka_unit_test(many_requests_go_on_at_once),
      cmocka_unit_test(a_call_can_be_cancelled_at_any_moment),
      cmocka_unit_test(a_call_whose_name_is_looked_up_ends_without_the_resolver),
      cmocka_unit_test(a_client_ends_with_calls_in_every_state),
      cmocka_unit_test(a_call_that_is_done_may_cancel_and_start_others),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
