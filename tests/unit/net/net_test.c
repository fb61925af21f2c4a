#include "support/wait.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "net/net.h"
#include "net/tls.h"
#include "protocol/did.h"
#include "protocol/limits.h"

/* Hosts live on one loop in this process and talk over loopback. Their clock runs with the
 * system's, and can be put forward. */

/* libwebsockets 4.1 keeps one client context of OpenSSL for each TLS listener that was used. */
__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
  return "leak:libssl.so\nleak:libcrypto.so\nleak:lws_create_vhost\n";
}

enum { HOSTS = 3 };

static int64_t clock_ahead_ns;

static int64_t test_wall_ms(void *user)
{
  return hgl_wall_ms(&hgl_clock_system);
}

static int64_t test_mono_ns(void *user)
{
  return hgl_mono_ns(&hgl_clock_system) + clock_ahead_ns;
}

static const struct hgl_clock test_clock = {test_wall_ms, test_mono_ns, NULL};

struct host {
  struct hgl_net *net;
  struct hgl_signer *signer;
  struct hgl_session *session; /* the last that came up */
  int ups, downs, verified, failures;
  bool pinned;
  struct hgl_err down_why, failure;
  struct hgl_buf last_frame;
  size_t frames;
};

struct fixture {
  struct hgl_loop *loop;
  struct host hosts[HOSTS];
};

static void session_up(void *user, struct hgl_session *session)
{
  struct host *host = user;
  host->session = session;
  host->ups++;
}

static void frame(void *user, struct hgl_session *session, struct hgl_bytes bytes)
{
  struct host *host = user;
  host->frames++;
  hgl_buf_clear(&host->last_frame);
  hgl_buf_append_bytes(&host->last_frame, bytes);
}

static void session_down(void *user, struct hgl_session *session, const struct hgl_err *why)
{
  struct host *host = user;
  if (host->session == session) host->session = NULL;
  host->downs++;
  host->down_why = *why;
}

static void address_verified(void *user, const struct hgl_key *peer, const char *url, bool pinned)
{
  struct host *host = user;
  host->verified++;
  host->pinned = pinned;
}

static void dial_failed(void *user, const struct hgl_key *peer, const char *url,
                        const struct hgl_err *why)
{
  struct host *host = user;
  host->failures++;
  host->failure = *why;
}

static struct hgl_net_config config_of(struct fixture *f, int i, int port)
{
  return (struct hgl_net_config){
      .loop = f->loop,
      .clock = &test_clock,
      .random = &hgl_random_system,
      .log = &hgl_log_none,
      .host = f->hosts[i].signer,
      .listen_address = "127.0.0.1",
      .listen_port = port,
      .allow_private = true,
      .events = {session_up, frame, session_down, address_verified, dial_failed},
      .user = &f->hosts[i]};
}

static void start(struct fixture *f, int i, int port)
{
  struct hgl_err err = {0};
  struct hgl_net_config config = config_of(f, i, port);
  assert_ok(hgl_net_create(&config, &f->hosts[i].net, &err));
}

static int setup(void **state)
{
  struct fixture *f = calloc(1, sizeof *f);
  struct hgl_err err = {0};
  assert_ok(hgl_loop_create(&test_clock, &f->loop, &err));
  for (int i = 0; i < HOSTS; i++) {
    uint8_t seed[HGL_SEED_SIZE] = {(uint8_t)i, 1};
    assert_ok(hgl_signer_create(seed, &f->hosts[i].signer, &err));
    hgl_buf_init(&f->hosts[i].last_frame, HGL_FRAME_SIZE_MAX);
  }
  *state = f;
  return 0;
}

static int teardown(void **state)
{
  struct fixture *f = *state;
  for (int i = 0; i < HOSTS; i++) hgl_net_destroy(f->hosts[i].net);
  hgl_loop_destroy(f->loop);
  for (int i = 0; i < HOSTS; i++) {
    hgl_signer_destroy(f->hosts[i].signer);
    hgl_buf_deinit(&f->hosts[i].last_frame);
  }
  free(f);
  return 0;
}

static void run_for(struct fixture *f, int ms)
{
  int64_t until = hgl_wall_ms(&hgl_clock_system) + ms;
  while (hgl_wall_ms(&hgl_clock_system) < until) hgl_loop_run_once(f->loop, 5);
}

/* Host `from` dials host `to`, expecting host `expected` (or, below 0, anyone). */
static void join(struct fixture *f, int from, int to, int expected)
{
  struct hgl_err err = {0};
  char url[128], did[HGL_DID_TEXT_SIZE] = "";
  if (expected >= 0) hgl_did_format(hgl_signer_key(f->hosts[expected].signer), did);
  snprintf(url, sizeof url, "ws://127.0.0.1:%d%s%s", hgl_net_port(f->hosts[to].net),
           expected >= 0 ? "#" : "", did);
  assert_ok(hgl_net_join(f->hosts[from].net, url, &err));
}

static void connect_two(struct fixture *f)
{
  start(f, 0, 0);
  start(f, 1, 0);
  join(f, 0, 1, 1);
  run_until(f, f->hosts[0].session && f->hosts[1].session);
}

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
  assert_ok(hgl_net_add_address(f->hosts[0].net, peer, "ws://127.0.0.1:1", &err));
  assert_ok(hgl_net_add_address(f->hosts[0].net, peer, url, &err));
  run_for(f, 100);
  assert_int_equal(f->hosts[0].failures + f->hosts[0].ups, 0); /* not wanted yet */
  assert_ok(hgl_net_want(f->hosts[0].net, peer, true, &err));
  run_until(f, f->hosts[0].session);
  assert_int_equal(f->hosts[0].failures, 1); /* the dead address came first */
  assert_ptr_equal(hgl_net_session(f->hosts[0].net, peer), f->hosts[0].session);
  hgl_session_close(f->hosts[0].session, HGL_REFUSED, "enough");
  run_until(f, f->hosts[0].downs == 1);
  assert_int_equal(f->hosts[0].down_why.code, HGL_REFUSED);
  run_until(f, f->hosts[0].session); /* still wanted */
  assert_ok(hgl_net_want(f->hosts[0].net, peer, false, &err));
  hgl_session_close(f->hosts[0].session, HGL_REFUSED, "enough");
  run_until(f, f->hosts[0].downs == 2);
  run_for(f, 600);
  assert_int_equal(f->hosts[0].ups, 2);
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
  assert_ok(hgl_net_add_address(f->hosts[0].net, peer, url, &err));
  for (long fail_at = 0; fail_at < 30; fail_at++) {
    hgl_mem_fail_after(fail_at);
    int status = hgl_net_want(f->hosts[0].net, peer, true, &err);
    run_for(f, 15);
    if (status == 0 && f->hosts[0].session)
      status = hgl_session_send(f->hosts[0].session, hgl_text("hello"), &err);
    run_for(f, 5);
    hgl_mem_fail_after(-1);
    assert_true(status == 0 || status == -HGL_NO_MEMORY);
    assert_ok(hgl_net_want(f->hosts[0].net, peer, false, &err));
    if (f->hosts[0].session) hgl_session_close(f->hosts[0].session, HGL_CLOSED, "next");
    run_until(f, !f->hosts[0].session && !f->hosts[1].session);
  }
  assert_ok(hgl_net_want(f->hosts[0].net, peer, true, &err));
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

/* A raw TCP client that is not one of us ------------------------------------------------------ */

/* `from`: the last byte of our own address on the loopback network. */
static int raw_connect_from(int from, int port)
{
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in own = {.sin_family = AF_INET,
                            .sin_addr.s_addr = htonl((INADDR_LOOPBACK & ~0xffu) | (unsigned)from)};
  assert_int_equal(bind(fd, (struct sockaddr *)&own, sizeof own), 0);
  struct sockaddr_in to = {.sin_family = AF_INET,
                           .sin_port = htons((uint16_t)port),
                           .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
  fcntl(fd, F_SETFL, O_NONBLOCK);
  return fd;
}

static int raw_connect(int port)
{
  return raw_connect_from(1, port);
}

static void raw_send(int fd, const void *data, size_t size)
{
  assert_int_equal(send(fd, data, size, MSG_NOSIGNAL), size);
}

/* Reads until the other side closes (true) or `enough` bytes are there. */
static bool raw_read(struct fixture *f, int fd, char *out, size_t room, const char *enough)
{
  size_t size = 0;
  int64_t until = hgl_wall_ms(&hgl_clock_system) + WAIT_MS;
  out[0] = '\0';
  for (;;) {
    ssize_t got = recv(fd, out + size, room - 1 - size, 0);
    if (got == 0 || (got < 0 && errno != EAGAIN)) return true;
    if (got > 0) size += (size_t)got;
    out[size] = '\0';
    if (enough && strstr(out, enough)) return false;
    if (hgl_wall_ms(&hgl_clock_system) > until) fail_msg("nothing more came after: %s", out);
    hgl_loop_run_once(f->loop, 5);
  }
}

static void upgrade(int fd, const char *protocol)
{
  char text[512];
  int size = snprintf(text, sizeof text,
                      "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                      "Sec-WebSocket-Version: 13\r\n%s%s%s\r\n",
                      protocol ? "Sec-WebSocket-Protocol: " : "", protocol ? protocol : "",
                      protocol ? "\r\n" : "");
  raw_send(fd, text, (size_t)size);
}

static void net_refuses_other_subprotocols(void **state)
{
  struct fixture *f = *state;
  static const char *const names[] = {"chat", "haggle.v2", "http", NULL};
  start(f, 0, 0);
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    char answer[2048];
    int fd = raw_connect(hgl_net_port(f->hosts[0].net));
    upgrade(fd, names[i]);
    assert_true(raw_read(f, fd, answer, sizeof answer, NULL));
    assert_null(strstr(answer, "101"));
    close(fd);
  }
  run_until(f, f->hosts[0].failures == 4);
}

static void net_answers_http_with_not_found(void **state)
{
  struct fixture *f = *state;
  start(f, 0, 0);
  char answer[2048];
  int fd = raw_connect(hgl_net_port(f->hosts[0].net));
  static const char request[] = "GET /index.html HTTP/1.1\r\nHost: x\r\n\r\n";
  raw_send(fd, request, sizeof request - 1);
  assert_true(raw_read(f, fd, answer, sizeof answer, NULL));
  assert_non_null(strstr(answer, "404"));
  close(fd);
}

/* One masked WebSocket frame. */
static void raw_frame(int fd, uint8_t opcode, const void *data, size_t size)
{
  uint8_t frame[2048] = {(uint8_t)(0x80 | opcode), (uint8_t)(0x80 | size)};
  size_t head = 6;
  if (size > 125) {
    frame[1] = 0x80 | 126;
    frame[2] = (uint8_t)(size >> 8);
    frame[3] = (uint8_t)size;
    head = 8;
  }
  memcpy(frame + head, data, size); /* the mask is zero */
  raw_send(fd, frame, head + size);
}

static void net_survives_garbage_after_the_upgrade(void **state)
{
  struct fixture *f = *state;
  start(f, 0, 0);
  uint8_t junk[600];
  memset(junk, 0xa5, sizeof junk);
  uint8_t record[34] = {0, 32, 9};   /* a proper first message … */
  uint8_t huge[4] = {0xff, 0xff, 1}; /* a record that is too long for a handshake */
  struct {
    uint8_t opcode;
    const void *data;
    size_t size;
  } cases[] = {{2, junk, sizeof junk}, {1, "text", 4}, {2, huge, 4}, {2, record, 20}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char answer[4096];
    int fd = raw_connect(hgl_net_port(f->hosts[0].net));
    upgrade(fd, "haggle.v1");
    raw_read(f, fd, answer, sizeof answer, "\r\n\r\n");
    assert_non_null(strstr(answer, "101"));
    raw_frame(fd, cases[i].opcode, cases[i].data, cases[i].size);
    assert_true(raw_read(f, fd, answer, sizeof answer, NULL));
    close(fd);
    run_until(f, f->hosts[0].failures == (int)i + 1);
  }
  /* … whose answer is answered with junk. */
  char answer[4096];
  int fd = raw_connect(hgl_net_port(f->hosts[0].net));
  upgrade(fd, "haggle.v1");
  raw_read(f, fd, answer, sizeof answer, "\r\n\r\n");
  raw_frame(fd, 2, record, sizeof record);
  run_for(f, 100);
  uint8_t third[169] = {0, 167};
  raw_frame(fd, 2, third, sizeof third);
  run_until(f, f->hosts[0].failures == 5);
  assert_int_equal(f->hosts[0].failure.code, HGL_HANDSHAKE);
  close(fd);
  assert_int_equal(f->hosts[0].ups, 0);
}

static void net_survives_connections_that_say_nothing_or_nonsense(void **state)
{
  struct fixture *f = *state;
  start(f, 0, 0);
  int port = hgl_net_port(f->hosts[0].net);
  close(raw_connect(port));
  int nonsense = raw_connect(port);
  raw_send(nonsense, "\x16\x03\x01 nonsense \r\n\r\n", 16);
  int silent = raw_connect(port);
  run_until(f, f->hosts[0].failures >= 2);
  clock_ahead_ns += (int64_t)(HGL_NET_HANDSHAKE_TIMEOUT_MS + 1000) * 1000000;
  run_until(f, f->hosts[0].failures == 3);
  close(nonsense);
  close(silent);
}

static void net_limits_unauthenticated_connections(void **state)
{
  struct fixture *f = *state;
  start(f, 0, 0);
  start(f, 1, 0);
  int port = hgl_net_port(f->hosts[0].net);
  int fds[HGL_NET_HANDSHAKES_MAX + 1];
  for (int i = 0; i <= HGL_NET_HANDSHAKES_MAX; i++) fds[i] = raw_connect(port);
  run_until(f, f->hosts[0].failures == 1);
  run_for(f, 50);
  assert_int_equal(f->hosts[0].failures, 1);
  assert_int_equal(f->hosts[0].failure.code, HGL_LIMIT);
  char answer[16]; /* the oldest gave way, not the newcomer */
  assert_true(raw_read(f, fds[0], answer, sizeof answer, NULL));
  for (int i = 0; i <= HGL_NET_HANDSHAKES_MAX; i++) close(fds[i]);
  run_until(f, f->hosts[0].failures == 1 + HGL_NET_HANDSHAKES_MAX);
  join(f, 1, 0, 0); /* and there is room again */
  run_until(f, f->hosts[1].session);
}

enum { FLOOD = 120, LINK_WITHIN_MS = 5000 };

static void net_links_an_honest_host_through_a_flood(struct fixture *f, bool upgraded)
{
  start(f, 0, 0);
  start(f, 1, 0);
  int port = hgl_net_port(f->hosts[0].net), fds[FLOOD];
  int neighbour = raw_connect_from(2, port); /* a slow one elsewhere is not pushed out */
  run_for(f, 20);
  for (int i = 0; i < FLOOD; i++) {
    fds[i] = raw_connect(port);
    if (upgraded) upgrade(fds[i], "haggle.v1");
    if (i % 8 == 0) hgl_loop_run_once(f->loop, 1);
  }
  int64_t began = hgl_wall_ms(&hgl_clock_system);
  join(f, 1, 0, 0);
  run_until(f, f->hosts[0].session && f->hosts[1].session);
  assert_true(hgl_wall_ms(&hgl_clock_system) - began < LINK_WITHIN_MS);
  run_until(f, f->hosts[0].failures == FLOOD + 1 - HGL_NET_HANDSHAKES_MAX ||
                   f->hosts[0].failures == FLOOD + 2 - HGL_NET_HANDSHAKES_MAX);
  char byte;
  assert_int_equal(recv(neighbour, &byte, 1, 0), -1);
  assert_int_equal(errno, EAGAIN);
  for (int i = 0; i < FLOOD; i++) close(fds[i]);
  close(neighbour);
  run_until(f, f->hosts[0].failures == FLOOD + 1); /* each is reported once */
  assert_int_equal(f->hosts[0].downs + f->hosts[1].downs, 0);
  struct hgl_err err = {0};
  assert_ok(hgl_session_send(f->hosts[1].session, hgl_text("still here"), &err));
  run_until(f, f->hosts[0].frames == 1);
}

static void net_links_through_a_flood_of_silent_connections(void **state)
{
  net_links_an_honest_host_through_a_flood(*state, false);
}

static void net_links_through_a_flood_of_unfinished_handshakes(void **state)
{
  net_links_an_honest_host_through_a_flood(*state, true);
}

/* A listener of the test's own; `port` is where. */
static int raw_listen(int *port)
{
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof at;
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  assert_int_equal(bind(listener, (struct sockaddr *)&at, sizeof at), 0);
  assert_int_equal(listen(listener, 4), 0);
  getsockname(listener, (struct sockaddr *)&at, &size);
  *port = ntohs(at.sin_port);
  return listener;
}

static void net_does_not_dial_private_addresses_that_others_name(void **state)
{
  struct fixture *f = *state;
  struct hgl_err err = {0};
  struct hgl_net_config config = config_of(f, 0, 0);
  config.allow_private = false;
  assert_ok(hgl_net_create(&config, &f->hosts[0].net, &err));
  int port, listener = raw_listen(&port);
  static const char *const hosts[] = {"127.0.0.1", "localhost", "127.1", "[::ffff:127.0.0.1]"};
  for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
    const struct hgl_key *peer = hgl_signer_key(f->hosts[1 + i % 2].signer);
    char url[64];
    snprintf(url, sizeof url, "ws://%s:%d", hosts[i], port);
    f->hosts[0].failures = 0;
    assert_ok(hgl_net_add_address(f->hosts[0].net, peer, url, &err));
    assert_ok(hgl_net_want(f->hosts[0].net, peer, true, &err));
    run_until(f, f->hosts[0].failures >= 2); /* the newest address is among the next two */
    assert_int_equal(f->hosts[0].failure.code, HGL_DENIED);
    assert_ok(hgl_net_want(f->hosts[0].net, peer, false, &err));
  }
  run_for(f, 50);
  assert_int_equal(accept(listener, NULL, NULL), -1);
  close(listener);
  start(f, 1, 0); /* what the operator names is dialled */
  join(f, 0, 1, 1);
  run_until(f, f->hosts[0].session);
}

static void net_does_not_follow_redirects(void **state)
{
  struct fixture *f = *state;
  struct hgl_err err = {0};
  start(f, 0, 0);
  int port, elsewhere_port, fd = -1;
  int listener = raw_listen(&port), elsewhere = raw_listen(&elsewhere_port);
  char text[160], asked[2048];
  snprintf(text, sizeof text, "ws://127.0.0.1:%d", port);
  assert_ok(hgl_net_join(f->hosts[0].net, text, &err));
  run_until(f, (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0);
  raw_read(f, fd, asked, sizeof asked, "\r\n\r\n");
  int size = snprintf(text, sizeof text,
                      "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:%d/\r\n"
                      "Content-Length: 0\r\n\r\n",
                      elsewhere_port);
  raw_send(fd, text, (size_t)size);
  run_until(f, f->hosts[0].failures == 1);
  run_for(f, 50);
  assert_int_equal(accept(elsewhere, NULL, NULL), -1);
  close(fd);
  close(listener);
  close(elsewhere);
}

/* A proxy that alters one byte ---------------------------------------------------------------- */

static void pump(int from, int to, bool alter)
{
  uint8_t bytes[65536];
  ssize_t got = recv(from, bytes, sizeof bytes, MSG_DONTWAIT);
  if (got <= 0) return;
  if (alter) bytes[got - 1] ^= 1;
  send(to, bytes, (size_t)got, MSG_NOSIGNAL);
}

static void net_notices_an_altered_record(void **state)
{
  struct fixture *f = *state;
  struct hgl_err err = {0};
  start(f, 0, 0);
  start(f, 1, 0);
  int port, listener = raw_listen(&port);
  char url[64];
  snprintf(url, sizeof url, "ws://127.0.0.1:%d", port);
  assert_ok(hgl_net_join(f->hosts[0].net, url, &err));
  int near = -1, far = -1;
  bool sent = false;
  int64_t until = hgl_wall_ms(&hgl_clock_system) + WAIT_MS;
  while (f->hosts[1].downs == 0) {
    if (hgl_wall_ms(&hgl_clock_system) > until) fail_msg("the altered record went through");
    if (near < 0 && (near = accept(listener, NULL, NULL)) >= 0)
      far = raw_connect(hgl_net_port(f->hosts[1].net));
    if (near >= 0) {
      pump(near, far, sent);
      pump(far, near, false);
    }
    hgl_loop_run_once(f->loop, 1);
    if (f->hosts[0].session && f->hosts[1].session && !sent) {
      assert_ok(hgl_session_send(f->hosts[0].session, hgl_text("pay 10"), &err));
      sent = true;
    }
  }
  assert_int_equal(f->hosts[1].frames, 0);
  assert_int_equal(f->hosts[1].down_why.code, HGL_BAD_RECORD);
  close(near);
  close(far);
  close(listener);
}

/* wss ---------------------------------------------------------------------------------------- */

static void count_lines(void *user, enum hgl_log_level level, const char *who, const char *text)
{
  int *lines = user;
  lines[level]++;
}

static void net_speaks_wss_with_a_self_signed_pair(void **state)
{
  struct fixture *f = *state;
  struct hgl_err err = {0};
  char folder[] = "/tmp/haggle-net-XXXXXX", certificate[64], key[64], other[64], other_key[64];
  assert_non_null(mkdtemp(folder));
  snprintf(certificate, sizeof certificate, "%s/cert.pem", folder);
  snprintf(key, sizeof key, "%s/key.pem", folder);
  snprintf(other, sizeof other, "%s/other.pem", folder);
  snprintf(other_key, sizeof other_key, "%s/other-key.pem", folder);
  assert_ok(hgl_tls_self_signed(certificate, key, &err));
  assert_ok(hgl_tls_self_signed(other, other_key, &err));
  assert_fails(HGL_EXISTS, hgl_tls_self_signed(certificate, key, &err));
  struct hgl_net_config config = config_of(f, 1, 0);
  config.certificate = certificate;
  config.certificate_key = key;
  assert_ok(hgl_net_create(&config, &f->hosts[1].net, &err));
  start(f, 0, 0);
  config = config_of(f, 2, 0);
  int lines[HGL_LOG_ERROR + 1] = {0};
  struct hgl_log log = {count_lines, lines, HGL_LOG_DEBUG};
  config.log = &log;
  config.trust = other; /* so that no system store is read */
  assert_ok(hgl_net_create(&config, &f->hosts[2].net, &err));
  char did[HGL_DID_TEXT_SIZE], url[256];
  hgl_did_format(hgl_signer_key(f->hosts[1].signer), did);
  snprintf(url, sizeof url, "wss://127.0.0.1:%d#%s", hgl_net_port(f->hosts[1].net), did);
  assert_ok(hgl_net_join(f->hosts[0].net, url, &err));
  run_until(f, f->hosts[0].session && f->hosts[1].session);
  uint8_t *data = calloc(1, 4 << 20);
  assert_ok(hgl_session_send(f->hosts[0].session, hgl_bytes(data, 4 << 20), &err));
  assert_ok(hgl_session_send(f->hosts[1].session, hgl_bytes(data, 4 << 20), &err));
  run_until(f, f->hosts[0].frames == 1 && f->hosts[1].frames == 1);
  free(data);
  /* Without its key, a certificate that no authority of ours vouches for does not do. */
  snprintf(url, sizeof url, "wss://127.0.0.1:%d", hgl_net_port(f->hosts[1].net));
  assert_ok(hgl_net_join(f->hosts[2].net, url, &err));
  run_until(f, f->hosts[2].failures > 0);
  assert_int_equal(f->hosts[2].ups, 0);
  /* Nor does plain text on a TLS port. */
  int fd = raw_connect(hgl_net_port(f->hosts[1].net));
  char answer[2048];
  raw_send(fd, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 27);
  assert_true(raw_read(f, fd, answer, sizeof answer, NULL));
  close(fd);
  /* Which strangers may do as often as they like: that is not worth a line of the log. */
  assert_true(lines[HGL_LOG_DEBUG] > 0);
  assert_int_equal(lines[HGL_LOG_INFO] + lines[HGL_LOG_WARN] + lines[HGL_LOG_ERROR], 0);
  hgl_net_destroy(f->hosts[2].net); /* before its log goes */
  f->hosts[2].net = NULL;
  unlink(certificate);
  unlink(key);
  unlink(other);
  unlink(other_key);
  rmdir(folder);
}

static void net_says_that_a_certificate_cannot_be_used(void **state)
{
  struct fixture *f = *state;
  struct hgl_err err = {0};
  struct hgl_net_config config = config_of(f, 0, 0);
  config.certificate = "/nowhere/cert.pem";
  config.certificate_key = "/nowhere/key.pem";
  assert_fails(HGL_INVALID, hgl_net_create(&config, &f->hosts[0].net, &err));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
  struct hgl_err err = {0};
  if (hgl_crypto_init(&err) != 0) return 1;
  const struct CMUnitTest tests[] = {
      TEST(net_carries_frames_of_every_size_both_ways),
      TEST(net_carries_many_frames_in_order),
      TEST(net_pins_whoever_answers_where_no_key_is_named),
      TEST(net_refuses_a_peer_with_the_wrong_key),
      TEST(net_refuses_to_talk_to_itself),
      TEST(net_keeps_one_session_of_two_that_cross),
      TEST(net_dials_a_wanted_peer_at_its_addresses),
      TEST(net_resolves_names),
      TEST(net_is_destroyed_while_a_name_is_looked_up),
      TEST(net_dials_again_when_the_listener_comes_back),
      TEST(net_drops_a_peer_that_does_not_read),
      TEST(net_lets_short_queues_grow_when_all_together_are_full),
      TEST(net_goes_on_after_a_pause),
      TEST(net_survives_failed_allocations),
      TEST(net_says_which_port_is_in_use),
      TEST(net_refuses_urls_that_are_none),
      TEST(net_refuses_other_subprotocols),
      TEST(net_answers_http_with_not_found),
      TEST(net_survives_garbage_after_the_upgrade),
      TEST(net_survives_connections_that_say_nothing_or_nonsense),
      TEST(net_limits_unauthenticated_connections),
      TEST(net_links_through_a_flood_of_silent_connections),
      TEST(net_links_through_a_flood_of_unfinished_handshakes),
      TEST(net_does_not_dial_private_addresses_that_others_name),
      TEST(net_does_not_follow_redirects),
      TEST(net_notices_an_altered_record),
      TEST(net_speaks_wss_with_a_self_signed_pair),
      TEST(net_says_that_a_certificate_cannot_be_used),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
