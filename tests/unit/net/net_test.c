#include <netdb.h>

#include "net_fixture.h"

#include "base/mem.h"

static void net_carries_frames_of_every_size_both_ways(void **state)
{
  struct fixture *f = *state;
  struct hgl_err err = {0};
  connect_two(f);
  assert_true(hgl_session_dialled(f->hosts[0].session));
  assert_false(hgl_session_dialled(f->hosts[1].session));
  assert_true(
      hgl_key_equal(hgl_session_peer(f->hosts[0].session), hgl_signer_key(f->hosts[1].signer)));
  assert_true(
      hgl_key_equal(hgl_session_peer(f->hosts[1].session), hgl_signer_key(f->hosts[0].signer)));
  assert_string_equal(hgl_session_address(f->hosts[1].session), "127.0.0.1");
  assert_int_equal(f->hosts[0].verified, 1);
  assert_false(f->hosts[0].pinned);
  static const size_t sizes[] = {1, 600, 65 * 1024, 4 << 20, HGL_FRAME_SIZE_MAX};
  uint8_t *data = malloc(HGL_FRAME_SIZE_MAX);
  for (size_t i = 0; i < HGL_FRAME_SIZE_MAX; i++) data[i] = (uint8_t)(i * 31 + i / 1000);
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
    for (int from = 0; from < 2; from++) {
      struct host *to = &f->hosts[1 - from];
      to->frames = 0;
      assert_ok(hgl_session_send(f->hosts[from].session, hgl_bytes(data, sizes[i]), &err));
      run_until(f, to->frames == 1);
      assert_int_equal(to->last_frame.size, sizes[i]);
      assert_memory_equal(to->last_frame.data, data, sizes[i]);
    }
  assert_fails(HGL_TOO_LARGE, hgl_session_send(f->hosts[0].session,
                                               hgl_bytes(data, HGL_FRAME_SIZE_MAX + 1), &err));
  run_until(f, hgl_session_queued(f->hosts[0].session) == 0);
  free(data);
}

static void net_carries_many_frames_in_order(void **state)
{
  struct fixture *f = *state;
  struct hgl_err err = {0};
  connect_two(f);
  uint8_t text[600] = {0};
  for (uint32_t i = 0; i < 5000; i++) {
    memcpy(text, &i, sizeof i);
    assert_ok(hgl_session_send(f->hosts[0].session, hgl_bytes(text, sizeof text), &err));
  }
  run_until(f, f->hosts[1].frames == 5000);
  uint32_t last;
  memcpy(&last, f->hosts[1].last_frame.data, sizeof last);
  assert_int_equal(last, 4999);
}

/* Among what a net closes as it ends is nothing that another has opened meanwhile. */
static void a_net_ends_beside_one_that_takes_connections(void **state)
{
  struct fixture *f = *state;
  int clients[4];
  start(f, 0, 0);
  start(f, 1, 0);
  hgl_loop_run_once(f->loop, 5);
  for (int i = 0; i < 4; i++) clients[i] = raw_connect(hgl_net_port(f->hosts[1].net));
  hgl_net_destroy(f->hosts[0].net);
  f->hosts[0].net = NULL;
  char text[256];
  for (int i = 0; i < 4; i++) {
    raw_send(clients[i], "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 27);
    raw_read(f, clients[i], text, sizeof text, "\r\n");
    assert_memory_equal(text, "HTTP/1.1 ", 9);
    close(clients[i]);
  }
}

static void net_pins_whoever_answers_where_no_key_is_named(void **state)
{
  struct fixture *f = *state;
  start(f, 0, 0);
  start(f, 1, 0);
  join(f, 0, 1, -1);
  run_until(f, f->hosts[0].session);
  assert_true(f->hosts[0].pinned);
  /* Another host at the same port is not accepted any more. */
  int port = hgl_net_port(f->hosts[1].net);
  run_until(f, f->hosts[1].session);
  hgl_net_destroy(f->hosts[1].net);
  f->hosts[1].net = NULL;
  start(f, 2, port);
  run_until(f, f->hosts[0].failure.code == HGL_WRONG_PEER);
  assert_int_equal(f->hosts[2].ups, 0);
}

static void net_refuses_a_peer_with_the_wrong_key(void **state)
{
  struct fixture *f = *state;
  start(f, 0, 0);
  start(f, 1, 0);
  join(f, 0, 1, 2);
  run_until(f, f->hosts[0].failures > 0);
  assert_int_equal(f->hosts[0].failure.code, HGL_WRONG_PEER);
  assert_int_equal(f->hosts[0].ups, 0);
  run_until(f, f->hosts[1].failures > 0); /* it hung up on us before telling who it is */
  assert_int_equal(f->hosts[1].ups, 0);
}

static void net_refuses_to_talk_to_itself(void **state)
{
  struct fixture *f = *state;
  start(f, 0, 0);
  join(f, 0, 0, -1);
  run_until(f, f->hosts[0].failures > 1);
  assert_int_equal(f->hosts[0].ups, 0);
}

static void net_keeps_one_session_of_two_that_cross(void **state)
{
  struct fixture *f = *state;
  start(f, 0, 0);
  start(f, 1, 0);
  join(f, 0, 1, 1);
  join(f, 1, 0, 0);
  run_until(f, f->hosts[0].session && f->hosts[1].session);
  run_for(f, 700);
  assert_int_equal(f->hosts[0].ups - f->hosts[0].downs, 1);
  assert_int_equal(f->hosts[1].ups - f->hosts[1].downs, 1);
  /* The same one on both sides, and it works. */
  bool by_first = hgl_session_dialled(f->hosts[0].session);
  assert_int_equal(hgl_session_dialled(f->hosts[1].session), !by_first);
  struct hgl_err err = {0};
  assert_ok(hgl_session_send(f->hosts[0].session, hgl_text("hello"), &err));
  run_until(f, f->hosts[1].frames == 1);
  int ups = f->hosts[0].ups;
  run_for(f, 700);
  assert_int_equal(f->hosts[0].ups, ups); /* and nobody goes on dialling */
}

static void net_dials_a_wanted_peer_at_its_addresses(void **state)
{
  struct fixture *f = *state;
  struct hgl_err err = {0};
  start(f, 0, 0);
  start(f, 1, 0);
  const struct hgl_key *peer = hgl_signer_key(f->hosts[1].signer);
  char url[64];
  snprintf(url, sizeof url, "ws://127.0.0.1:%d", hgl_net_port(f->hosts[1].net));
  assert_ok(hgl_net_add_address(f->hosts[0].net, peer, "ws://127.0.0.1:1", HGL_URL_HEARSAY, &err));
  assert_ok(hgl_net_add_address(f->hosts[0].net, peer, url, HGL_URL_HEARSAY, &err));
  run_for(f, 100);
  assert_int_equal(f->hosts[0].failures + f->hosts[0].ups, 0); /* not wanted yet */
  hgl_net_want(f->hosts[0].net, peer, HGL_LINK_OWED);
  run_until(f, f->hosts[0].session);
  assert_int_equal(f->hosts[0].failures, 1); /* the dead address came first */
  assert_ptr_equal(hgl_net_session(f->hosts[0].net, peer), f->hosts[0].session);
  hgl_session_close(f->hosts[0].session, HGL_REFUSED, "enough");
  run_until(f, f->hosts[0].downs == 1);
  assert_int_equal(f->hosts[0].down_why.code, HGL_REFUSED);
  run_until(f, f->hosts[0].session); /* still wanted */
  hgl_net_want(f->hosts[0].net, peer, HGL_LINK_UNWANTED);
  hgl_session_close(f->hosts[0].session, HGL_REFUSED, "enough");
  run_until(f, f->hosts[0].downs == 2);
  run_for(f, 600);
  assert_int_equal(f->hosts[0].ups, 2);
}

static void net_dials_first_where_a_peer_answered_whatever_others_say(void **state)
{
  struct fixture *f = *state;
  struct hgl_err err = {0};
  start(f, 0, 0);
  start(f, 1, 0);
  struct hgl_net *net = f->hosts[0].net;
  const struct hgl_key *peer = hgl_signer_key(f->hosts[1].signer);
  char url[64];
  snprintf(url, sizeof url, "ws://127.0.0.1:%d", hgl_net_port(f->hosts[1].net));
  assert_ok(hgl_net_add_address(net, peer, url, HGL_URL_CLAIMED, &err));
  for (int round = 0; round < 2; round++) {
    for (int i = 1; i <= 6; i++) {
      char other[64];
      snprintf(other, sizeof other, "ws://127.0.0.1:%d", i);
      assert_ok(hgl_net_add_address(net, peer, other, HGL_URL_HEARSAY, &err));
      /* Not even the peer itself can have it forgotten where it answered. */
      snprintf(other, sizeof other, "ws://127.0.0.1:%d", 10 * round + i + 10);
      if (round) assert_ok(hgl_net_add_address(net, peer, other, HGL_URL_CLAIMED, &err));
    }
    hgl_net_want(net, peer, HGL_LINK_OWED);
    run_until(f, f->hosts[0].session);
    assert_int_equal(f->hosts[0].failures, 0);
    hgl_net_want(net, peer, HGL_LINK_UNWANTED);
    hgl_session_close(f->hosts[0].session, HGL_REFUSED, "enough");
    run_until(f, !f->hosts[0].session && !f->hosts[1].session);
  }
}

static struct hgl_key made_up(int number)
{
  struct hgl_key key = {{0}};
  hgl_put_be64(key.bytes, (uint64_t)number);
  return key;
}

static void net_keeps_room_for_peers_that_are_sought(void **state)
{
  struct fixture *f = *state;
  struct hgl_err err = {0};
  struct hgl_net_config config = config_of(f, 0, 0);
  config.allow_private = false; /* nothing is really dialled */
  assert_ok(hgl_net_create(&config, &f->hosts[0].net, &err));
  struct hgl_net *net = f->hosts[0].net;
  struct hgl_key key;
  for (int i = 0; i < 2 * HGL_NET_SESSIONS_MAX; i++) {
    key = made_up(i);
    hgl_net_want(net, &key, HGL_LINK_OWED); /* without an address: it takes no place */
  }
  for (enum hgl_link_want want = HGL_LINK_OWED; want <= HGL_LINK_SOUGHT; want++)
    for (int i = 0; i < HGL_NET_SESSIONS_MAX; i++) {
      key = made_up(i + (int)want * HGL_NET_SESSIONS_MAX);
      assert_ok(hgl_net_add_address(net, &key, "ws://127.0.0.1:1", HGL_URL_CLAIMED, &err));
      hgl_net_want(net, &key, want);
    }
  key = made_up(-1);
  assert_fails(HGL_LIMIT,
               hgl_net_add_address(net, &key, "ws://127.0.0.1:1", HGL_URL_CLAIMED, &err));
  key = made_up(2 * HGL_NET_SESSIONS_MAX);
  hgl_net_want(net, &key, HGL_LINK_OWED);
  key = made_up(-1);
  assert_ok(hgl_net_add_address(net, &key, "ws://127.0.0.1:1", HGL_URL_CLAIMED, &err));
}

/* Only the last of the addresses of this name is listened on. */
static void net_goes_through_the_addresses_of_a_name(void **state)
{
  struct fixture *f = *state;
  struct hgl_err err = {0};
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found, *last;
  char address[INET6_ADDRSTRLEN], url[64];
  assert_int_equal(getaddrinfo("localhost", NULL, &hints, &found), 0);
  for (last = found; last->ai_next;) last = last->ai_next;
  assert_int_equal(getnameinfo(last->ai_addr, last->ai_addrlen, address, sizeof address, NULL, 0,
                               NI_NUMERICHOST),
                   0);
  freeaddrinfo(found);
  start(f, 0, 0);
  struct hgl_net_config config = config_of(f, 1, 0);
  config.listen_address = address;
  assert_ok(hgl_net_create(&config, &f->hosts[1].net, &err));
  snprintf(url, sizeof url, "ws://localhost:%d", hgl_net_port(f->hosts[1].net));
  assert_ok(hgl_net_join(f->hosts[0].net, url, &err));
  run_until(f, f->hosts[0].session);
}

static void net_resolves_names(void **state)
{
  struct fixture *f = *state;
  struct hgl_err err = {0};
  start(f, 0, 0);
  start(f, 1, 0);
  char url[64];
  snprintf(url, sizeof url, "ws://localhost:%d/", hgl_net_port(f->hosts[1].net));
  assert_ok(hgl_net_join(f->hosts[0].net, url, &err));
  run_until(f, f->hosts[0].session || f->hosts[0].failures);
}

static void net_is_destroyed_while_a_name_is_looked_up(void **state)
{
  struct fixture *f = *state;
  struct hgl_err err = {0};
  start(f, 0, 0);
  assert_ok(hgl_net_join(f->hosts[0].net, "ws://localhost:9", &err));
  hgl_loop_run_once(f->loop, 5);
}

static void net_dials_again_when_the_listener_comes_back(void **state)
{
  struct fixture *f = *state;
  connect_two(f);
  int port = hgl_net_port(f->hosts[1].net);
  hgl_net_destroy(f->hosts[1].net);
  f->hosts[1].net = NULL;
  assert_int_equal(f->hosts[1].downs, 1);
  run_until(f, f->hosts[0].downs == 1);
  run_until(f, f->hosts[0].failures >= 2);
  assert_true(f->hosts[0].failures < 50); /* it backs off */
  start(f, 1, port);
  run_until(f, f->hosts[0].session && f->hosts[1].session);
}

static void net_drops_a_peer_that_does_not_read(void **state)
{
  struct fixture *f = *state;
  struct hgl_err err = {0};
  connect_two(f);
  hgl_session_pause(f->hosts[1].session, true);
  uint8_t *data = calloc(1, 1 << 20);
  int status = 0;
  for (int i = 0; i < 1000 && status == 0; i++) {
    status = hgl_session_send(f->hosts[0].session, hgl_bytes(data, 1 << 20), &err);
    hgl_loop_run_once(f->loop, 1);
  }
  free(data);
  assert_int_equal(status, -HGL_LIMIT);
  assert_true(hgl_session_queued(f->hosts[0].session) <= HGL_NET_QUEUE_SIZE_MAX);
  assert_true(f->hosts[1].frames < 10); /* what was on the way when it paused */
  run_for(f, 500);                      /* until the kernel's buffers are full as well */
  assert_int_equal(f->hosts[0].downs, 0);
  clock_ahead_ns += (int64_t)(HGL_NET_STALL_TIMEOUT_MS + 1000) * 1000000;
  run_until(f, f->hosts[0].downs == 1);
  assert_int_equal(f->hosts[0].down_why.code, HGL_TIMEOUT);
}

/* One host that sends, with two peers that do not read. */
static void net_lets_short_queues_grow_when_all_together_are_full(void **state)
{
  enum { PIECE = 64 * 1024, MOST = 1 << 20 };
  struct fixture *f = *state;
  struct hgl_err err = {0};
  struct hgl_net_config config = config_of(f, 0, 0);
  config.queues_size_max = MOST;
  assert_ok(hgl_net_create(&config, &f->hosts[0].net, &err));
  struct hgl_session *to[2];
  for (int i = 0; i < 2; i++) {
    start(f, 1 + i, 0);
    f->hosts[0].session = NULL;
    join(f, 0, 1 + i, 1 + i);
    run_until(f, f->hosts[0].session && f->hosts[1 + i].session);
    to[i] = f->hosts[0].session;
  }
  static const uint8_t data[PIECE];
  size_t sent[2] = {0};
  for (int i = 0; i < 2; i++) {
    int status = 0;
    while ((status = hgl_session_send(to[i], hgl_bytes(data, PIECE), &err)) == 0) sent[i] += PIECE;
    assert_int_equal(status, -HGL_LIMIT);
  }
  assert_in_range(sent[0], MOST - 2 * PIECE, MOST); /* alone it may have everything */
  assert_in_range(sent[1], MOST / 2 - 2 * PIECE, MOST / 2);
  run_until(f, hgl_session_queued(to[0]) + hgl_session_queued(to[1]) == 0);
  assert_ok(hgl_session_send(to[0], hgl_bytes(data, PIECE), &err));
}

static void net_goes_on_after_a_pause(void **state)
{
  struct fixture *f = *state;
  struct hgl_err err = {0};
  connect_two(f);
  hgl_session_pause(f->hosts[1].session, true);
  uint8_t *data = calloc(1, 1 << 20);
  for (int i = 0; i < 12; i++) {
    assert_ok(hgl_session_send(f->hosts[0].session, hgl_bytes(data, 1 << 20), &err));
    hgl_loop_run_once(f->loop, 1);
  }
  free(data);
  size_t before = f->hosts[1].frames;
  assert_true(before < 12);
  hgl_session_pause(f->hosts[1].session, false);
  run_until(f, f->hosts[1].frames == 12);
}

static void net_survives_failed_allocations(void **state)
{
  struct fixture *f = *state;
  struct hgl_err err = {0};
  start(f, 0, 0);
  start(f, 1, 0);
  const struct hgl_key *peer = hgl_signer_key(f->hosts[1].signer);
  char url[64];
  snprintf(url, sizeof url, "ws://127.0.0.1:%d", hgl_net_port(f->hosts[1].net));
  assert_ok(hgl_net_add_address(f->hosts[0].net, peer, url, HGL_URL_HEARSAY, &err));
  for (long fail_at = 0; fail_at < 30; fail_at++) {
    hgl_mem_fail_after(fail_at);
    int status = 0;
    hgl_net_want(f->hosts[0].net, peer, HGL_LINK_OWED);
    run_for(f, 15);
    if (f->hosts[0].session)
      status = hgl_session_send(f->hosts[0].session, hgl_text("hello"), &err);
    run_for(f, 5);
    hgl_mem_fail_after(-1);
    assert_true(status == 0 || status == -HGL_NO_MEMORY);
    hgl_net_want(f->hosts[0].net, peer, HGL_LINK_UNWANTED);
    if (f->hosts[0].session) hgl_session_close(f->hosts[0].session, HGL_CLOSED, "next");
    run_until(f, !f->hosts[0].session && !f->hosts[1].session);
  }
  hgl_net_want(f->hosts[0].net, peer, HGL_LINK_OWED);
  run_until(f, f->hosts[0].session && f->hosts[1].session);
}

static void net_says_which_port_is_in_use(void **state)
{
  struct fixture *f = *state;
  struct hgl_err err = {0};
  start(f, 0, 0);
  int port = hgl_net_port(f->hosts[0].net);
  struct hgl_net_config config = config_of(f, 1, port);
  assert_fails(HGL_IN_USE, hgl_net_create(&config, &f->hosts[1].net, &err));
  char text[16];
  snprintf(text, sizeof text, "%d", port);
  assert_non_null(strstr(err.message, text));
  assert_non_null(strstr(err.message, "127.0.0.1"));
}

static void net_refuses_urls_that_are_none(void **state)
{
  static const char *const urls[] = {"",
                                     "http://a:1",
                                     "ws://",
                                     "ws://a:0",
                                     "ws://a:65536",
                                     "ws://a:1/path",
                                     "ws://a b:1",
                                     "ws://[::1:1",
                                     "ws://a:1x",
                                     "ws://a:1#did:key:zzz",
                                     "ws://a:1#"};
  struct fixture *f = *state;
  struct hgl_err err = {0};
  start(f, 0, 0);
  for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++)
    assert_fails(HGL_MALFORMED, hgl_net_join(f->hosts[0].net, urls[i], &err));
  char longest[HGL_URL_SIZE_MAX + 32] = "ws://";
  memset(longest + 5, 'a', HGL_URL_SIZE_MAX - 8);
  memcpy(longest + HGL_URL_SIZE_MAX - 3, ":99", 4);
  assert_ok(hgl_net_join(f->hosts[0].net, longest, &err));
  memcpy(longest + HGL_URL_SIZE_MAX - 3, ":999", 5);
  assert_fails(HGL_MALFORMED, hgl_net_join(f->hosts[0].net, longest, &err));
}

int main(void)
{
  struct hgl_err err = {0};
  if (hgl_crypto_init(&err) != 0) return 1;
  const struct CMUnitTest tests[] = {
      NET_TEST(a_net_ends_beside_one_that_takes_connections),
      NET_TEST(net_carries_frames_of_every_size_both_ways),
      NET_TEST(net_carries_many_frames_in_order),
      NET_TEST(net_pins_whoever_answers_where_no_key_is_named),
      NET_TEST(net_refuses_a_peer_with_the_wrong_key),
      NET_TEST(net_refuses_to_talk_to_itself),
      NET_TEST(net_keeps_one_session_of_two_that_cross),
      NET_TEST(net_dials_a_wanted_peer_at_its_addresses),
      NET_TEST(net_dials_first_where_a_peer_answered_whatever_others_say),
      NET_TEST(net_keeps_room_for_peers_that_are_sought),
      NET_TEST(net_goes_through_the_addresses_of_a_name),
      NET_TEST(net_resolves_names),
      NET_TEST(net_is_destroyed_while_a_name_is_looked_up),
      NET_TEST(net_dials_again_when_the_listener_comes_back),
      NET_TEST(net_drops_a_peer_that_does_not_read),
      NET_TEST(net_lets_short_queues_grow_when_all_together_are_full),
      NET_TEST(net_goes_on_after_a_pause),
      NET_TEST(net_survives_failed_allocations),
      NET_TEST(net_says_which_port_is_in_use),
      NET_TEST(net_refuses_urls_that_are_none),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
