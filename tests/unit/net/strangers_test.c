/* What comes to a host's port or answers at an address and is no host of good will. */
#include "net_fixture.h"

#include "net/tls.h"

/* libwebsockets 4.1 keeps one client context of OpenSSL for each vhost that dials with TLS. */
__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
  return "leak:libssl.so\nleak:libcrypto.so\nleak:lws_create_vhost\n";
}

static void net_links_over_no_other_subprotocol(void **state)
{
  struct fixture *f = *state;
  static const char *const names[] = {"chat", "haggle.v2", "http", NULL};
  start(f, 0, 0);
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    char answer[2048];
    int fd = raw_connect(hgl_net_port(f->hosts[0].net));
    upgrade(fd, names[i]);
    assert_true(raw_read(f, fd, answer, sizeof answer, NULL));
    assert_non_null(strstr(answer, "404")); /* a request as others are */
    close(fd);
  }
  assert_int_equal(f->hosts[0].failures, 0);
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

static void link_through_a_flood(struct fixture *f, bool upgraded)
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
  link_through_a_flood(*state, false);
}

static void net_links_through_a_flood_of_unfinished_handshakes(void **state)
{
  link_through_a_flood(*state, true);
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
    assert_ok(hgl_net_add_address(f->hosts[0].net, peer, url, HGL_URL_HEARSAY, &err));
    hgl_net_want(f->hosts[0].net, peer, HGL_LINK_OWED);
    run_until(f, f->hosts[0].failures >= 2); /* the newest address is among the next two */
    assert_int_equal(f->hosts[0].failure.code, HGL_DENIED);
    hgl_net_want(f->hosts[0].net, peer, HGL_LINK_UNWANTED);
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
  struct hgl_log log = {.write = count_lines, .user = lines, .least = HGL_LOG_DEBUG};
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

int main(void)
{
  struct hgl_err err = {0};
  if (hgl_crypto_init(&err) != 0) return 1;
  const struct CMUnitTest tests[] = {
      NET_TEST(net_links_over_no_other_subprotocol),
      NET_TEST(net_answers_http_with_not_found),
      NET_TEST(net_survives_garbage_after_the_upgrade),
      NET_TEST(net_survives_connections_that_say_nothing_or_nonsense),
      NET_TEST(net_limits_unauthenticated_connections),
      NET_TEST(net_links_through_a_flood_of_silent_connections),
      NET_TEST(net_links_through_a_flood_of_unfinished_handshakes),
      NET_TEST(net_does_not_dial_private_addresses_that_others_name),
      NET_TEST(net_does_not_follow_redirects),
      NET_TEST(net_notices_an_altered_record),
      NET_TEST(net_speaks_wss_with_a_self_signed_pair),
      NET_TEST(net_says_that_a_certificate_cannot_be_used),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
