// waits
#include "net_fixture.h"

/* An address of this machine at which nobody listens. */
static void dead_url(char out[64])
{
  struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof own;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  assert_int_equal(bind(fd, (struct sockaddr *)&own, sizeof own), 0);
  assert_int_equal(getsockname(fd, (struct sockaddr *)&own, &size), 0);
  close(fd);
  snprintf(out, 64, "ws://127.0.0.1:%d", ntohs(own.sin_port));
}

static void live_url(struct fixture *f, int i, char out[64])
{
  snprintf(out, 64, "ws://127.0.0.1:%d", hgl_net_port(f->hosts[i].net));
}

static const struct hgl_key *key_of(struct fixture *f, int i)
{
  return hgl_signer_key(f->hosts[i].signer);
}

static void add(struct fixture *f, const char *url)
{
  struct hgl_err err = {0};
  assert_ok(hgl_net_add_address(f->hosts[0].net, key_of(f, 1), url, HGL_URL_HEARSAY, &err));
}

static void want(struct fixture *f, bool wanted)
{
  hgl_net_want(f->hosts[0].net, key_of(f, 1), wanted ? HGL_LINK_OWED : HGL_LINK_UNWANTED);
}

/* The next attempt and what comes of it; the clock does not jump while one is under way. */
static void attempt(struct fixture *f)
{
  int before = f->hosts[0].failures;
  clock_ahead_ns += (int64_t)HGL_NET_BACKOFF_MAX_MS * 1000000;
  run_until(f, f->hosts[0].failures > before || f->hosts[0].session);
}

static void the_pause_before_another_attempt_has_its_limit(void **state)
{
  struct fixture *f = *state;
  struct hgl_err err = {0};
  char url[64];
  start(f, 0, 0);
  dead_url(url);
  assert_ok(hgl_net_join(f->hosts[0].net, url, &err));
  for (int i = 0; i < 15; i++) attempt(f); /* beyond the eighth it is the longest */
}

static void a_peer_is_dialled_only_while_it_is_wanted(void **state)
{
  struct fixture *f = *state;
  char url[64];
  start(f, 0, 0);
  dead_url(url);
  add(f, url);
  run_for(f, 100);
  assert_int_equal(f->hosts[0].failures, 0);
  want(f, true);
  run_until(f, f->hosts[0].failures >= 1);
  want(f, false);
  run_for(f, 50); /* an attempt that is under way may end */
  int before = f->hosts[0].failures;
  clock_ahead_ns += INT64_C(10) * HGL_NET_BACKOFF_MAX_MS * 1000000;
  run_for(f, 200);
  assert_int_equal(f->hosts[0].failures, before);
}

static void each_of_its_addresses_is_tried(void **state)
{
  struct fixture *f = *state;
  char dead[64], live[64];
  start(f, 0, 0);
  start(f, 1, 0);
  for (int i = 0; i < 3; i++) {
    dead_url(dead);
    add(f, dead);
  }
  live_url(f, 1, live);
  add(f, live);
  want(f, true);
  for (int i = 0; i < 5 && !f->hosts[0].session; i++) attempt(f);
  assert_non_null(f->hosts[0].session);
}

static void older_addresses_give_way_to_newer(void **state)
{
  struct fixture *f = *state;
  char dead[64], live[64];
  start(f, 0, 0);
  start(f, 1, 0);
  live_url(f, 1, live);
  add(f, live);
  for (int i = 0; i < 4; i++) {
    dead_url(dead);
    add(f, dead);
  }
  want(f, true);
  for (int i = 0; i < 8; i++) attempt(f); /* each of the four twice, and never the fifth */
  assert_null(f->hosts[0].session);
  add(f, live); /* known again, it is found again */
  for (int i = 0; i < 5 && !f->hosts[0].session; i++) attempt(f);
  assert_non_null(f->hosts[0].session);
}

static void several_ways_to_one_host_make_one_session(void **state)
{
  struct fixture *f = *state;
  char live[64];
  start(f, 0, 0);
  start(f, 1, 0);
  live_url(f, 1, live);
  join(f, 0, 1, 1);
  add(f, live);
  want(f, true);
  run_until(f, f->hosts[0].session && f->hosts[1].session);
  clock_ahead_ns += (int64_t)HGL_NET_BACKOFF_MAX_MS * 1000000;
  run_for(f, 300);
  assert_int_equal(f->hosts[0].ups - f->hosts[0].downs, 1);
  assert_ptr_equal(hgl_net_session(f->hosts[0].net, key_of(f, 1)), f->hosts[0].session);
}

static void a_closed_session_of_a_wanted_peer_is_dialled_again(void **state)
{
  struct fixture *f = *state;
  connect_two(f);
  hgl_session_close(f->hosts[0].session, HGL_FLOOD, "for the test");
  run_until(f, f->hosts[0].downs == 1);
  assert_int_equal(f->hosts[0].down_why.code, HGL_FLOOD);
  clock_ahead_ns += (int64_t)HGL_NET_BACKOFF_MAX_MS * 1000000;
  run_until(f, f->hosts[0].ups == 2 && f->hosts[1].session);
}

static void tls_with_who_speaks_none_is_explained(void **state)
{
  struct fixture *f = *state;
  struct hgl_err err = {0};
  char url[64];
  start(f, 0, 0);
  start(f, 1, 0);
  snprintf(url, sizeof url, "wss://127.0.0.1:%d", hgl_net_port(f->hosts[1].net));
  assert_ok(hgl_net_join(f->hosts[0].net, url, &err));
  run_until(f, f->hosts[0].failures > 0);
  assert_non_null(strstr(f->hosts[0].failure.message, "try ws://"));
}

int main(void)
{
  struct hgl_err err = {0};
  const struct CMUnitTest tests[] = {
      NET_TEST(the_pause_before_another_attempt_has_its_limit),
      NET_TEST(a_peer_is_dialled_only_while_it_is_wanted),
      NET_TEST(each_of_its_addresses_is_tried),
      NET_TEST(older_addresses_give_way_to_newer),
      NET_TEST(several_ways_to_one_host_make_one_session),
      NET_TEST(a_closed_session_of_a_wanted_peer_is_dialled_again),
      NET_TEST(tls_with_who_speaks_none_is_explained),
  };
  if (hgl_crypto_init(&err) != 0) return 1;
  return cmocka_run_group_tests(tests, NULL, NULL);
}
