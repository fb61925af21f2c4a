/* HTTP on the port of a host, as clients of all kinds meet it. */
#include <sys/resource.h>

#include "net_fixture.h"

#include "net/web_conn.h"

enum { HELD_MAX = 600 };

/* Answers at once, or holds what it was asked. */
static struct {
  bool holds;
  struct hgl_web_asked *held[HELD_MAX];
  int asked, gone;
  char last[256];
  size_t body_size;
} server;

static void answer(struct hgl_web_asked *asked, const char *text)
{
  const struct hgl_web_field type = {hgl_text("content-type"), hgl_text("text/plain")};
  hgl_web_answer(asked, &(struct hgl_web_answer){200, &type, 1, hgl_text(text)});
}

static void asked(void *user, struct hgl_web_asked *asked)
{
  snprintf(server.last, sizeof server.last, "%.*s", HGL_STR(asked->request.path));
  server.body_size = asked->request.body.size;
  assert_true(server.asked < HELD_MAX);
  server.held[server.asked++] = asked;
  if (!server.holds) answer(asked, server.last);
}

static void gone(void *user, struct hgl_web_asked *asked)
{
  server.gone++;
}

static int serve(struct fixture *f)
{
  struct hgl_err err = {0};
  struct hgl_net_config config = config_of(f, 0, 0);
  memset(&server, 0, sizeof server);
  config.web = (struct hgl_web_events){asked, gone};
  assert_ok(hgl_net_create(&config, &f->hosts[0].net, &err));
  return hgl_net_port(f->hosts[0].net);
}

static void say(int fd, const char *text)
{
  raw_send(fd, text, strlen(text));
}

static void web_answers_one_after_the_other_on_one_connection(void **state)
{
  struct fixture *f = *state;
  char got[4096];
  int fd = raw_connect(serve(f));
  say(fd, "GET /one HTTP/1.1\r\nHost: x\r\n\r\n");
  assert_false(raw_read(f, fd, got, sizeof got, "/one"));
  assert_non_null(strstr(got, "HTTP/1.1 200 OK\r\n"));
  assert_non_null(strstr(got, "Content-Length: 4\r\n"));
  say(fd, "GET /two HTTP/1.1\r\nHost: x\r\n\r\nPOST /three HTTP/1.1\r\nHost: x\r\n"
          "Content-Length: 3\r\nConnection: close\r\n\r\nabc");
  assert_true(raw_read(f, fd, got, sizeof got, NULL));
  const char *two = strstr(got, "/two");
  assert_non_null(two);
  assert_non_null(strstr(two, "/three"));
  assert_int_equal(server.asked, 3);
  assert_int_equal(server.body_size, 3);
  assert_int_equal(f->hosts[0].failures, 0); /* no peer failed to link */
  close(fd);
}

static void web_gives_head_no_body(void **state)
{
  struct fixture *f = *state;
  char got[4096];
  int fd = raw_connect(serve(f));
  say(fd, "HEAD /one HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  assert_true(raw_read(f, fd, got, sizeof got, NULL));
  assert_non_null(strstr(got, "Content-Length: 4\r\n"));
  assert_string_equal(strstr(got, "\r\n\r\n"), "\r\n\r\n");
  close(fd);
}

static void web_hears_a_request_that_comes_byte_by_byte(void **state)
{
  struct fixture *f = *state;
  static const char text[] = "\r\nPOST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
                             "Connection: close\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
  char got[4096];
  int fd = raw_connect(serve(f));
  for (size_t i = 0; i < sizeof text - 1; i++) {
    raw_send(fd, text + i, 1);
    hgl_loop_run_once(f->loop, 1);
  }
  assert_true(raw_read(f, fd, got, sizeof got, NULL));
  assert_non_null(strstr(got, "200 OK"));
  assert_int_equal(server.body_size, 3);
  close(fd);
}

static void web_cuts_off_who_is_slow(void **state)
{
  struct fixture *f = *state;
  char got[4096];
  int port = serve(f), fds[4];
  static const char *const texts[] = {
      "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc",
      "GET /x HTTP/1.1\r\nHost: x\r\n\r\nGET /y HT",
      "GET /x HTTP/1.1\r\nHost: x\r\n\r\n",
      "GET /x HT",
  };
  for (int i = 0; i < 4; i++) {
    fds[i] = raw_connect(port);
    say(fds[i], texts[i]);
  }
  run_until(f, server.asked == 2);
  run_for(f, 50);
  clock_ahead_ns += (int64_t)(HGL_WEB_IDLE_TIMEOUT_MS + 1000) * 1000000;
  assert_true(raw_read(f, fds[0], got, sizeof got, NULL)); /* a body that does not come */
  assert_non_null(strstr(got, "408"));
  assert_true(raw_read(f, fds[1], got, sizeof got, NULL)); /* half a head */
  assert_non_null(strstr(got, "408"));
  assert_true(raw_read(f, fds[2], got, sizeof got, NULL)); /* idle */
  assert_null(strstr(got, "408"));
  assert_true(raw_read(f, fds[3], got, sizeof got, NULL)); /* a stranger */
  assert_int_equal(server.asked, 2);
  for (int i = 0; i < 4; i++) close(fds[i]);
}

static void web_does_not_wait_for_a_body_that_comes_by_drops(void **state)
{
  struct fixture *f = *state;
  char got[4096];
  int fd = raw_connect(serve(f));
  say(fd, "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n");
  run_for(f, 20);
  for (int ms = 0; ms < HGL_WEB_BODY_TIMEOUT_MS; ms += HGL_WEB_BODY_STALL_MS / 2) {
    clock_ahead_ns += (int64_t)HGL_WEB_BODY_STALL_MS / 2 * 1000000;
    say(fd, "a");
    run_for(f, 20);
  }
  assert_true(raw_read(f, fd, got, sizeof got, NULL));
  assert_non_null(strstr(got, "the body takes too long"));
  close(fd);
}

enum { LONG_SIZE = 2000000 };

/* Of which the kernel holds next to nothing. */
static void answer_long(struct fixture *f, struct hgl_web_asked *asked)
{
  static char text[LONG_SIZE];
  int size = 4096;
  setsockopt(f->hosts[0].net->web_conns->stream.fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
  hgl_web_answer(asked, &(struct hgl_web_answer){200, NULL, 0, hgl_bytes(text, sizeof text)});
}

static void web_does_not_wait_for_an_answer_that_is_taken_by_drops(void **state)
{
  struct fixture *f = *state;
  static char got[64 * 1024];
  int fd = raw_connect(serve(f));
  server.holds = true;
  say(fd, "GET /x HTTP/1.1\r\nHost: x\r\n\r\n");
  run_until(f, server.asked == 1);
  answer_long(f, server.held[0]);
  run_for(f, 20);
  const struct hgl_web_conn *conn = f->hosts[0].net->web_conns;
  for (int ms = 0; ms < HGL_WEB_ANSWER_TIMEOUT_MS; ms += HGL_WEB_ANSWER_STALL_MS / 2) {
    size_t left = conn->out.size;
    clock_ahead_ns += (int64_t)HGL_WEB_ANSWER_STALL_MS / 2 * 1000000;
    for (int i = 0; i < 100 && conn->out.size == left; i++) {
      assert_true(recv(fd, got, sizeof got, 0) != 0);
      run_for(f, 2);
    }
    assert_in_range(conn->out.size, 1, left - 1);
  }
  run_until(f, f->hosts[0].net->web_count == 0);
  close(fd);
}

static void web_holds_so_much_of_answers_that_nobody_takes_and_no_more(void **state)
{
  struct fixture *f = *state;
  enum { COUNT = 60 };
  int port = serve(f), fds[COUNT];
  server.holds = true;
  for (int i = 0; i < COUNT; i++) {
    fds[i] = raw_connect_from(2, port);
    say(fds[i], "GET /x HTTP/1.1\r\nHost: x\r\n\r\n");
    run_until(f, server.asked == i + 1);
    answer_long(f, server.held[i]);
    hgl_loop_run_once(f->loop, 1);
    assert_true(f->hosts[0].net->web_answer_bytes <= HGL_WEB_ANSWERS_SIZE_MAX);
  }
  assert_true(f->hosts[0].net->web_count < COUNT); /* the oldest gave way */
  for (int i = 0; i < COUNT; i++) close(fds[i]);
  run_until(f, f->hosts[0].net->web_count == 0);
  assert_int_equal(f->hosts[0].net->web_answer_bytes, 0);
}

static void web_lets_nobody_take_all_connections(void **state)
{
  struct fixture *f = *state;
  char got[4096];
  static int fds[HGL_WEB_CONNECTIONS_MAX];
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  if (files.rlim_cur < 2 * HGL_WEB_CONNECTIONS_MAX + 100) skip();
  int port = serve(f);
  for (int i = 0; i < HGL_WEB_CONNECTIONS_MAX; i++) {
    fds[i] = raw_connect_from(2, port);
    say(fds[i], "GET /x HTTP/1.1\r\nHost: x\r\n\r\nGET /y HT");
    run_until(f, server.asked == i + 1);
  }
  int fd = raw_connect(port);
  say(fd, "GET /quick HTTP/1.1\r\nHost: x\r\n\r\n");
  assert_false(raw_read(f, fd, got, sizeof got, "/quick"));
  close(fd);
  for (int i = 0; i < HGL_WEB_CONNECTIONS_MAX; i++) close(fds[i]);
}

static void web_limits_the_requests_of_one_address_and_not_those_of_others(void **state)
{
  struct fixture *f = *state;
  char got[4096];
  int port = serve(f), fds[HGL_WEB_REQUESTS_PER_ORIGIN_MAX + 1];
  server.holds = true;
  for (int i = 0; i < HGL_WEB_REQUESTS_PER_ORIGIN_MAX; i++) {
    fds[i] = raw_connect(port);
    say(fds[i], "GET /x HTTP/1.1\r\nHost: x\r\n\r\n");
    run_until(f, server.asked == i + 1);
  }
  int more = raw_connect(port), other = raw_connect_from(2, port);
  say(more, "GET /x HTTP/1.1\r\nHost: x\r\n\r\n");
  assert_true(raw_read(f, more, got, sizeof got, NULL));
  assert_non_null(strstr(got, "503"));
  assert_non_null(strstr(got, "retry-after: "));
  say(other, "GET /x HTTP/1.1\r\nHost: x\r\n\r\n");
  run_until(f, server.asked == HGL_WEB_REQUESTS_PER_ORIGIN_MAX + 1);
  start(f, 1, 0); /* and a peer links as ever */
  join(f, 1, 0, 0);
  run_until(f, f->hosts[0].session && f->hosts[1].session);
  for (int i = 0; i < server.asked; i++) answer(server.held[i], "done");
  assert_false(raw_read(f, other, got, sizeof got, "done"));
  for (int i = 0; i < HGL_WEB_REQUESTS_PER_ORIGIN_MAX; i++) {
    assert_false(raw_read(f, fds[i], got, sizeof got, "done"));
    close(fds[i]);
  }
  close(more);
  close(other);
}

static void web_lets_slow_bodies_give_way_when_there_is_no_room(void **state)
{
  struct fixture *f = *state;
  char got[4096];
  int port = serve(f), fds[HGL_WEB_REQUESTS_MAX], count = 0;
  for (int from = 2; count < HGL_WEB_REQUESTS_MAX; from++)
    for (int i = 0; i < HGL_WEB_REQUESTS_PER_ORIGIN_MAX; i++, count++) {
      fds[count] = raw_connect_from(from, port);
      say(fds[count], "POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n");
      hgl_loop_run_once(f->loop, 1);
    }
  run_for(f, 50);
  int fd = raw_connect(port);
  say(fd, "GET /quick HTTP/1.1\r\nHost: x\r\n\r\n");
  assert_false(raw_read(f, fd, got, sizeof got, "/quick"));
  assert_int_equal(server.asked, 1);
  close(fd);
  for (int i = 0; i < count; i++) close(fds[i]);
}

static void web_tells_that_a_client_is_gone(void **state)
{
  struct fixture *f = *state;
  int port = serve(f), fd = raw_connect(port);
  struct linger at_once = {1, 0};
  char got[4096];
  server.holds = true;
  say(fd, "GET /x HTTP/1.1\r\nHost: x\r\n\r\n");
  run_until(f, server.asked == 1);
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  close(fd);
  run_until(f, server.gone == 1);
  fd = raw_connect(port); /* one that only has nothing more to say still listens */
  say(fd, "GET /y HTTP/1.1\r\nHost: x\r\n\r\n");
  shutdown(fd, SHUT_WR);
  run_until(f, server.asked == 2);
  run_for(f, 20);
  answer(server.held[1], "late");
  assert_true(raw_read(f, fd, got, sizeof got, NULL));
  assert_non_null(strstr(got, "late"));
  assert_int_equal(server.gone, 1);
  close(fd);
}

static void web_refuses_a_body_that_is_too_long_so_that_the_client_hears_it(void **state)
{
  struct fixture *f = *state;
  static char junk[256 * 1024];
  char got[4096];
  int fd = raw_connect(serve(f));
  say(fd, "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n");
  send(fd, junk, sizeof junk, MSG_NOSIGNAL);
  assert_true(raw_read(f, fd, got, sizeof got, NULL));
  assert_non_null(strstr(got, "HTTP/1.1 413"));
  assert_int_equal(server.asked, 0);
  close(fd);
}

static void web_leaves_upgrades_to_links_whatever_their_path(void **state)
{
  struct fixture *f = *state;
  char got[4096];
  int fd = raw_connect(serve(f));
  say(fd, "GET /some/where HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
          "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
          "Sec-WebSocket-Protocol: haggle.v1\r\n\r\n");
  assert_false(raw_read(f, fd, got, sizeof got, "\r\n\r\n"));
  assert_non_null(strstr(got, "101"));
  assert_int_equal(server.asked, 0);
  close(fd);
  run_until(f, f->hosts[0].failures == 1);
}

static void web_ends_with_its_host_whatever_goes_on(void **state)
{
  struct fixture *f = *state;
  int port = serve(f), fds[4];
  server.holds = true;
  static const char *const texts[] = {"", "GET /x HT", "GET /x HTTP/1.1\r\nHost: x\r\n\r\n",
                                      "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"};
  for (int i = 0; i < 4; i++) {
    fds[i] = raw_connect(port);
    say(fds[i], texts[i]);
  }
  run_until(f, server.asked == 1);
  run_for(f, 20);
  hgl_net_destroy(f->hosts[0].net);
  f->hosts[0].net = NULL;
  assert_int_equal(server.gone, 1);
  for (int i = 0; i < 4; i++) close(fds[i]);
}

int main(void)
{
  if (hgl_crypto_init(NULL) != 0) return 1;
  const struct CMUnitTest tests[] = {
      NET_TEST(web_answers_one_after_the_other_on_one_connection),
      NET_TEST(web_gives_head_no_body),
      NET_TEST(web_hears_a_request_that_comes_byte_by_byte),
      NET_TEST(web_cuts_off_who_is_slow),
      NET_TEST(web_does_not_wait_for_a_body_that_comes_by_drops),
      NET_TEST(web_does_not_wait_for_an_answer_that_is_taken_by_drops),
      NET_TEST(web_holds_so_much_of_answers_that_nobody_takes_and_no_more),
      NET_TEST(web_lets_nobody_take_all_connections),
      NET_TEST(web_limits_the_requests_of_one_address_and_not_those_of_others),
      NET_TEST(web_lets_slow_bodies_give_way_when_there_is_no_room),
      NET_TEST(web_tells_that_a_client_is_gone),
      NET_TEST(web_refuses_a_body_that_is_too_long_so_that_the_client_hears_it),
      NET_TEST(web_leaves_upgrades_to_links_whatever_their_path),
      NET_TEST(web_ends_with_its_host_whatever_goes_on),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
