/* WebSockets that are no links, as viewers of all kinds use them. */
#include "net_fixture.h"

#include <openssl/ssl.h>

#include "net/tls.h"
#include "net/web_conn.h"
#include "net/web_socket_core.h"

/* libwebsockets 4.1 keeps one client context of OpenSSL for each vhost that dials with TLS. */
__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
  return "leak:libssl.so\nleak:libcrypto.so\nleak:lws_create_vhost\n";
}

enum { SOCKETS_MAX = 64, PLACES = 32, PLACES_OF_ORIGIN = 4 };

/* Accepts all; says each text back, unless it holds. */
static struct {
  struct hgl_web_socket *sockets[SOCKETS_MAX];
  struct hgl_web_asked *held;
  bool holds, lets_in, quiet;
  int opened, closed, messages, drained, asked;
  struct hgl_err refused;
  int64_t takes_ms; /* of the clock, for each text */
  char last[256];
  size_t last_size;
} server;

static void message_came(void *user, struct hgl_web_socket *socket, struct hgl_bytes text)
{
  struct hgl_err err = {0};
  server.messages++;
  clock_ahead_ns += server.takes_ms * 1000000;
  server.last_size = text.size;
  snprintf(server.last, sizeof server.last, "%.*s", HGL_STR(text));
  if (!server.quiet) assert_ok(hgl_web_socket_send(socket, text, &err));
}

static void drained(void *user, struct hgl_web_socket *socket)
{
  assert_int_equal(hgl_web_socket_queued(socket), 0);
  server.drained++;
}

static void closed(void *user, struct hgl_web_socket *socket)
{
  struct hgl_err err = {0};
  assert_fails(HGL_CLOSED, hgl_web_socket_send(socket, hgl_text("late"), &err));
  for (int i = 0; i < SOCKETS_MAX; i++)
    if (server.sockets[i] == socket) server.sockets[i] = NULL;
  server.closed++;
}

static const struct hgl_web_socket_events events = {message_came, drained, closed};

static void accept_it(struct hgl_web_asked *asked)
{
  struct hgl_web_socket *socket;
  struct hgl_err err = {0};
  if (hgl_web_accept(asked, &events, NULL, &socket, &server.refused)) {
    hgl_web_answer(asked, &(struct hgl_web_answer){.status = 400});
    return;
  }
  assert_true(server.opened < SOCKETS_MAX);
  server.sockets[server.opened++] = socket;
  if (server.lets_in) assert_ok(hgl_web_socket_let_in(socket, PLACES, PLACES, &err));
}

static void asked(void *user, struct hgl_web_asked *asked)
{
  server.asked++;
  if (server.holds)
    server.held = asked;
  else
    accept_it(asked);
}

static void gone(void *user, struct hgl_web_asked *asked)
{
  server.held = NULL;
}

static int serve(struct fixture *f)
{
  struct hgl_err err = {0};
  struct hgl_net_config config = config_of(f, 0, 0);
  memset(&server, 0, sizeof server);
  server.lets_in = true;
  config.web = (struct hgl_web_events){asked, gone};
  assert_ok(hgl_net_create(&config, &f->hosts[0].net, &err));
  return hgl_net_port(f->hosts[0].net);
}

static int look_from(struct fixture *f, int from, int port)
{
  char got[1024];
  int fd = raw_connect_from(from, port);
  upgrade(fd, HGL_WEB_SOCKET_PROTOCOL);
  assert_false(raw_read(f, fd, got, sizeof got, "\r\n\r\n"));
  assert_non_null(strstr(got, "HTTP/1.1 101"));
  return fd;
}

static int look(struct fixture *f, int port)
{
  return look_from(f, 1, port);
}

/* Exactly so many bytes. */
static void take(struct fixture *f, int fd, void *out, size_t size)
{
  int64_t until = hgl_wall_ms(&hgl_clock_system) + WAIT_MS;
  for (size_t have = 0; have < size;) {
    ssize_t got = recv(fd, (char *)out + have, size - have, 0);
    if (got == 0 || hgl_wall_ms(&hgl_clock_system) > until) fail_msg("%zu bytes are missing", size);
    if (got > 0)
      have += (size_t)got;
    else
      hgl_loop_run_once(f->loop, 5);
  }
}

/* The next frame's payload: its size, its first byte in *first. */
static size_t take_frame(struct fixture *f, int fd, uint8_t *first, char *out, size_t room)
{
  uint8_t head[2], more[8] = {0};
  take(f, fd, head, sizeof head);
  size_t size = head[1];
  if (size > 125) {
    size_t bytes = size == 126 ? 2 : 8;
    take(f, fd, more, bytes);
    size = 0;
    for (size_t i = 0; i < bytes; i++) size = size << 8 | more[i];
  }
  assert_true(size < room);
  take(f, fd, out, size);
  out[size] = '\0';
  *first = head[0];
  return size;
}

static void assert_text(struct fixture *f, int fd, const char *expected)
{
  char got[1024];
  uint8_t first;
  take_frame(f, fd, &first, got, sizeof got);
  assert_int_equal(first, 0x81);
  assert_string_equal(got, expected);
}

/* One close frame, and then the end: a browser complains of a second one. */
static void assert_closed(struct fixture *f, int fd, int status)
{
  char got[1024];
  uint8_t first;
  assert_true(take_frame(f, fd, &first, got, sizeof got) >= 2);
  assert_int_equal(first, 0x88);
  assert_int_equal((uint8_t)got[0] << 8 | (uint8_t)got[1], status);
  raw_frame(fd, 8, got, 2);
  assert_true(raw_read(f, fd, got, sizeof got, NULL));
  assert_string_equal(got, "");
}

static void web_socket_carries_whole_texts_both_ways(void **state)
{
  struct fixture *f = *state;
  int fd = look(f, serve(f));
  raw_frame(fd, 1, "hello", 5);
  assert_text(f, fd, "hello");
  run_until(f, server.drained == 1);
  assert_int_equal(hgl_web_socket_queued(server.sockets[0]), 0);
  assert_string_equal(hgl_web_socket_address(server.sockets[0]), "127.0.0.1");
  raw_frame_of(fd, 0x01, "\xc3", 1); /* fragments, which divide a character; a ping among them */
  raw_frame(fd, 9, "p", 1);
  raw_frame_of(fd, 0x00, "\xa9t", 2);
  raw_frame_of(fd, 0x80, "e", 1);
  char got[64];
  uint8_t first;
  take_frame(f, fd, &first, got, sizeof got);
  assert_int_equal(first, 0x8a);
  assert_text(f, fd, "\xc3\xa9te");
  close(fd);
  run_until(f, server.closed == 1);
  assert_int_equal(f->hosts[0].failures, 0); /* it is none of a peer's */
}

static void web_socket_takes_what_came_with_the_head(void **state)
{
  struct fixture *f = *state;
  char got[1024];
  int fd = raw_connect(serve(f));
  static const char more[] = "\x81\x82\0\0\0\0hi";
  char text[1024];
  int size = snprintf(text, sizeof text,
                      "GET /api/feed?x=%%20y HTTP/1.1\r\nHost: plain:7\r\nUpgrade: WebSocket\r\n"
                      "Connection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                      "Sec-WebSocket-Protocol: other, " HGL_WEB_SOCKET_PROTOCOL "\r\n"
                      "Sec-WebSocket-Extensions: permessage-deflate\r\n"
                      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
  memcpy(text + size, more, sizeof more - 1);
  raw_send(fd, text, (size_t)size + sizeof more - 1);
  assert_false(raw_read(f, fd, got, sizeof got, "\r\n\r\n"));
  assert_non_null(strstr(got, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
  assert_non_null(strstr(got, HGL_WEB_SOCKET_PROTOCOL));
  assert_null(strstr(got, "deflate"));
  run_until(f, server.messages == 1);
  assert_string_equal(server.last, "hi");
  close(fd);
}

/* Browsers bring the cookies of everything that this machine has served. */
static void web_socket_stands_a_long_head(void **state)
{
  struct fixture *f = *state;
  static char cookie[12000], text[13000];
  char got[1024];
  int fd = raw_connect(serve(f));
  memset(cookie, 'c', sizeof cookie - 1);
  int size = snprintf(text, sizeof text,
                      "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: %s\r\nCookie: %s\r\n"
                      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                      HGL_WEB_SOCKET_PROTOCOL, cookie);
  raw_send(fd, text, (size_t)size);
  assert_false(raw_read(f, fd, got, sizeof got, "\r\n\r\n"));
  assert_non_null(strstr(got, "101"));
  close(fd);
}

static void web_socket_is_refused_when_it_is_asked_for_otherwise(void **state)
{
  struct fixture *f = *state;
  static const struct {
    const char *version, *protocol, *key, *why;
  } cases[] = {
      {"8", HGL_WEB_SOCKET_PROTOCOL, "dGhlIHNhbXBsZSBub25jZQ==", "the WebSocket's version is 13"},
      {"13", "chat",
       "dGhlIHNhbXBsZSBub25jZQ==", "the WebSocket's subprotocol is " HGL_WEB_SOCKET_PROTOCOL},
      {"13", HGL_WEB_SOCKET_PROTOCOL, "short", "the WebSocket has no key of 16 bytes"},
  };
  int port = serve(f);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char text[512], got[1024];
    int fd = raw_connect(port);
    int size = snprintf(text, sizeof text,
                        "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        "Sec-WebSocket-Version: %s\r\nSec-WebSocket-Protocol: %s\r\n"
                        "Sec-WebSocket-Key: %s\r\n\r\n",
                        cases[i].version, cases[i].protocol, cases[i].key);
    raw_send(fd, text, (size_t)size);
    raw_read(f, fd, got, sizeof got, "400");
    assert_int_equal(server.refused.code, HGL_INVALID);
    assert_string_equal(server.refused.message, cases[i].why);
    raw_send(fd, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 27); /* the connection goes on */
    run_until(f, server.asked == 2 * (int)i + 2);
    assert_string_equal(server.refused.message, "a WebSocket is spoken here");
    close(fd);
  }
  assert_int_equal(server.opened, 0);
}

static void web_socket_may_be_accepted_later(void **state)
{
  struct fixture *f = *state;
  char got[1024];
  int port = serve(f), fd = raw_connect(port), other = raw_connect(port);
  server.holds = true;
  upgrade(fd, HGL_WEB_SOCKET_PROTOCOL);
  run_until(f, server.held);
  accept_it(server.held);
  assert_false(raw_read(f, fd, got, sizeof got, "\r\n\r\n"));
  assert_non_null(strstr(got, "101"));
  upgrade(other, HGL_WEB_SOCKET_PROTOCOL); /* one that hangs up while it waits */
  run_until(f, server.asked == 2);
  struct linger at_once = {1, 0};
  setsockopt(other, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  close(other);
  run_until(f, !server.held);
  close(fd);
  run_until(f, server.closed == 1);
}

static void web_socket_closes_with_a_reason(void **state)
{
  struct fixture *f = *state;
  static char longest[HGL_WEB_SOCKET_MESSAGE_SIZE_MAX + 1];
  int port = serve(f), fd = look(f, port);
  memset(longest, 'x', sizeof longest);
  raw_frame(fd, 1, "\xff", 1);
  assert_closed(f, fd, HGL_WEB_SOCKET_NOT_UTF8);
  close(fd);
  fd = look(f, port);
  raw_frame(fd, 2, "\x01", 1);
  assert_closed(f, fd, HGL_WEB_SOCKET_NO_TEXT);
  close(fd);
  server.quiet = true;
  fd = look(f, port);
  raw_frame(fd, 1, longest, sizeof longest - 1);
  run_until(f, server.messages == 1);
  assert_int_equal(server.last_size, HGL_WEB_SOCKET_MESSAGE_SIZE_MAX);
  raw_frame(fd, 1, longest, sizeof longest);
  assert_closed(f, fd, HGL_WEB_SOCKET_TOO_LONG);
  close(fd);
  run_until(f, server.closed == 3);
  assert_int_equal(server.messages, 1);
}

static void web_socket_says_what_it_has_before_it_closes(void **state)
{
  struct fixture *f = *state;
  struct hgl_err err = {0};
  int port = serve(f), fd = look(f, port);
  assert_ok(hgl_web_socket_send(server.sockets[0], hgl_text("bye"), &err));
  hgl_web_socket_close(server.sockets[0], HGL_WEB_SOCKET_DENIED, "enough");
  assert_fails(HGL_CLOSED, hgl_web_socket_send(server.sockets[0], hgl_text("more"), &err));
  assert_text(f, fd, "bye");
  assert_closed(f, fd, HGL_WEB_SOCKET_DENIED);
  close(fd);
  run_until(f, server.closed == 1);
}

static void web_socket_gives_strangers_little_time_and_others_any(void **state)
{
  struct fixture *f = *state;
  struct hgl_err err = {0};
  int port = serve(f);
  server.lets_in = false;
  int stranger = look(f, port), guest = look(f, port);
  assert_ok(hgl_web_socket_let_in(server.sockets[1], PLACES, PLACES, &err));
  clock_ahead_ns += (int64_t)(HGL_WEB_SOCKET_STRANGER_TIMEOUT_MS + 100) * 1000000;
  assert_closed(f, stranger, HGL_WEB_SOCKET_DENIED);
  raw_frame(guest, 1, "here", 4);
  assert_text(f, guest, "here");
  close(stranger);
  close(guest);
}

static void web_socket_strangers_give_way_to_strangers_only(void **state)
{
  struct fixture *f = *state;
  struct hgl_err err = {0};
  int port = serve(f), fds[HGL_WEB_SOCKET_STRANGERS_MAX], guest = look(f, port);
  server.lets_in = false;
  int quiet = look_from(f, 3, port);
  for (int i = 1; i < HGL_WEB_SOCKET_STRANGERS_MAX; i++) fds[i] = look_from(f, 2, port);
  fds[0] = look_from(f, 2, port);
  assert_closed(f, fds[1], HGL_WEB_SOCKET_TRY_LATER); /* the oldest of who has the most */
  raw_frame(quiet, 1, "still", 5);
  assert_text(f, quiet, "still");
  raw_frame(guest, 1, "here", 4);
  assert_text(f, guest, "here");
  for (int i = 2; i < 2 + PLACES_OF_ORIGIN; i++)
    assert_ok(hgl_web_socket_let_in(server.sockets[1 + i], PLACES, PLACES_OF_ORIGIN, &err));
  assert_fails(HGL_LIMIT, hgl_web_socket_let_in(server.sockets[2 + 2 + PLACES_OF_ORIGIN], PLACES,
                                                PLACES_OF_ORIGIN, &err));
  assert_fails(HGL_LIMIT, hgl_web_socket_let_in(server.sockets[1], 1 + PLACES_OF_ORIGIN,
                                                PLACES_OF_ORIGIN, &err));
  assert_ok(hgl_web_socket_let_in(server.sockets[1], 2 + PLACES_OF_ORIGIN, PLACES_OF_ORIGIN, &err));
  for (int i = 0; i < HGL_WEB_SOCKET_STRANGERS_MAX; i++) close(fds[i]);
  close(quiet);
  close(guest);
}

/* However quickly they come, and however slowly they go. */
static void web_socket_strangers_that_leave_are_few(void **state)
{
  struct fixture *f = *state;
  enum { COUNT = SOCKETS_MAX - 1 };
  int port = serve(f), fds[COUNT], most = 0;
  server.lets_in = false;
  for (int i = 0; i < COUNT; i++) {
    fds[i] = look(f, port);
    int count = 0;
    for (const struct hgl_web_socket *s = f->hosts[0].net->web_sockets; s; s = s->next) count++;
    if (count > most) most = count;
  }
  assert_in_range(most, HGL_WEB_SOCKET_STRANGERS_MAX, 2 * HGL_WEB_SOCKET_STRANGERS_MAX + 4);
  for (int i = 0; i < COUNT; i++) close(fds[i]);
  run_until(f, server.closed == COUNT);
}

/* Of which the kernel holds next to nothing. */
static void narrow(const struct hgl_web_socket *socket)
{
  int size = 4096;
  setsockopt(lws_get_socket_fd(socket->wsi), SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
}

enum { LONG_SIZE = 1 << 20 };
static char long_text[LONG_SIZE];

static void web_socket_that_does_not_read_costs_so_much_and_no_more(void **state)
{
  struct fixture *f = *state;
  struct hgl_err err = {0};
  int port = serve(f), fd = look(f, port), other = look(f, port), status = 0;
  struct hgl_web_socket *slow = server.sockets[0];
  const struct hgl_net *net = f->hosts[0].net;
  memset(long_text, 'y', sizeof long_text);
  narrow(slow);
  for (int i = 0; i < 100 && !status; i++) {
    status = hgl_web_socket_send(slow, hgl_bytes(long_text, sizeof long_text), &err);
    assert_true(net->web_sockets_queued <= HGL_WEB_SOCKET_QUEUE_SIZE_MAX);
  }
  assert_int_equal(status, -HGL_LIMIT);
  assert_int_equal(net->web_sockets_queued, 0);
  run_until(f, server.closed == 1);
  raw_frame(other, 1, "here", 4);
  assert_text(f, other, "here");
  close(fd);
  close(other);
}

static void web_sockets_that_do_not_read_cost_so_much_together(void **state)
{
  struct fixture *f = *state;
  struct hgl_err err = {0};
  enum { COUNT = 10, EACH = HGL_WEB_SOCKET_QUEUE_SIZE_MAX / LONG_SIZE - 1 };
  int port = serve(f), fds[COUNT];
  for (int i = 0; i < COUNT; i++) {
    fds[i] = look(f, port);
    narrow(server.sockets[i]);
    for (int k = 0; k < EACH; k++)
      assert_ok(
          hgl_web_socket_send(server.sockets[i], hgl_bytes(long_text, sizeof long_text), &err));
    assert_true(f->hosts[0].net->web_sockets_queued <= HGL_WEB_SOCKET_QUEUES_SIZE_MAX);
  }
  run_until(f, server.closed >= 1);
  assert_non_null(server.sockets[COUNT - 1]);
  for (int i = 0; i < COUNT; i++) close(fds[i]);
  run_until(f, server.closed == COUNT);
  assert_int_equal(f->hosts[0].net->web_sockets_queued, 0);
}

/* What it asks for is not even read while it does not take the answers. */
static void web_socket_is_not_listened_to_while_it_does_not_read(void **state)
{
  struct fixture *f = *state;
  static char question[32 * 1024], got[64 * 1024];
  int fd = look(f, serve(f));
  uint8_t first;
  size_t read = 0;
  narrow(server.sockets[0]);
  memset(question, 'q', sizeof question);
  for (int i = 0; i < 8; i++) {
    int most = 3 * HGL_WEB_SOCKET_REST_SIZE / (int)sizeof question;
    for (int k = 0; k < 4 && server.messages < most; k++) {
      raw_frame(fd, 1, question, sizeof question);
      run_for(f, 5);
    }
  }
  run_for(f, 50);
  assert_in_range(server.messages, 1, 2 * HGL_WEB_SOCKET_REST_SIZE / (int)sizeof question);
  while (read < 24) { /* and is, once it does */
    assert_int_equal(take_frame(f, fd, &first, got, sizeof got), sizeof question);
    read++;
  }
  close(fd);
}

static void web_socket_gets_little_of_the_loops_time(void **state)
{
  struct fixture *f = *state;
  int port = serve(f), fd = look(f, port), other = look(f, port);
  server.takes_ms = HGL_WEB_SOCKET_CREDIT_MS / 4;
  for (int i = 0; i < 20; i++) raw_frame(fd, 1, "more", 4);
  run_until(f, server.messages >= 5); /* some at once, but not all */
  run_for(f, 50);
  assert_int_equal(server.messages, 5);
  server.takes_ms = 0;
  raw_frame(other, 1, "here", 4); /* others are heard */
  assert_text(f, other, "here");
  server.takes_ms = HGL_WEB_SOCKET_CREDIT_MS / 4;
  clock_ahead_ns += (int64_t)HGL_WEB_SOCKET_CREDIT_MS / 4 * HGL_WEB_SOCKET_SHARE * 1000000;
  run_until(f, server.messages >= 7); /* then by and by: each takes most of a second */
  run_for(f, 20);
  assert_in_range(server.messages, 7, 9);
  close(fd);
  close(other);
}

static int look_and_share(struct fixture *f, int port, struct hgl_web_use *use)
{
  int fd = look(f, port);
  hgl_web_socket_share(server.sockets[server.opened - 1], use);
  return fd;
}

static void web_sockets_that_share_get_little_of_the_loops_time_together(void **state)
{
  enum { COUNT = 5, TAKES_MS = HGL_WEB_SOCKET_SHARED_CREDIT_MS };
  struct fixture *f = *state;
  struct hgl_web_use use = {0};
  int port = serve(f), fds[COUNT], other = look(f, port);
  server.takes_ms = TAKES_MS;
  for (int i = 0; i < COUNT - 1; i++) fds[i] = look_and_share(f, port, &use);
  for (int i = 0; i < COUNT - 1; i++) {
    raw_frame(fds[i], 1, &"0123"[i], 1);
    raw_frame(fds[i], 1, "again", 5);
    run_for(f, 5);
  }
  run_for(f, 50);
  assert_int_equal(server.messages, 2);
  close(fds[1]); /* who comes again has used as much */
  fds[COUNT - 1] = look_and_share(f, port, &use);
  raw_frame(fds[COUNT - 1], 1, "4", 1);
  run_for(f, 50);
  assert_int_equal(server.messages, 2);
  server.takes_ms = 0;
  raw_frame(other, 1, "here", 4); /* who does not share is heard */
  assert_text(f, other, "here");
  server.takes_ms = TAKES_MS;
  for (int i = 2; i < COUNT; i++) { /* one at a time, in their order */
    clock_ahead_ns += (int64_t)TAKES_MS * HGL_WEB_SOCKET_SHARED_SHARE * 1000000;
    run_until(f, server.messages > 1 + i);
    run_for(f, 20);
    assert_int_equal(server.messages, 2 + i);
    assert_int_equal(server.last[0], '0' + i);
    if (i == 2) close(fds[i]);
  }
  for (int i = 0; i < COUNT; i++)
    if (i != 1 && i != 2) close(fds[i]);
  close(other);
}

static void web_socket_that_takes_nothing_is_given_up(void **state)
{
  struct fixture *f = *state;
  struct hgl_err err = {0};
  int fd = look(f, serve(f));
  narrow(server.sockets[0]);
  for (int i = 0; i < 6; i++)
    assert_ok(hgl_web_socket_send(server.sockets[0], hgl_bytes(long_text, sizeof long_text), &err));
  run_for(f, 50);
  assert_int_equal(server.closed, 0);
  for (int i = 0; i < 100 && !server.closed; i++) { /* the kernel may still take some of it */
    clock_ahead_ns += (int64_t)(HGL_WEB_SOCKET_STALL_TIMEOUT_MS + 1000) * 1000000;
    run_for(f, 20);
  }
  assert_int_equal(server.closed, 1);
  close(fd);
}

static void web_socket_sends_long_texts_in_pieces_that_make_one(void **state)
{
  struct fixture *f = *state;
  struct hgl_err err = {0};
  static char got[64 * 1024];
  int fd = look(f, serve(f));
  size_t size = 0;
  uint8_t first;
  for (size_t i = 0; i < LONG_SIZE; i++) long_text[i] = (char)('a' + i % 23);
  assert_ok(hgl_web_socket_send(server.sockets[0], hgl_bytes(long_text, LONG_SIZE - 7), &err));
  do {
    size_t piece = take_frame(f, fd, &first, got, sizeof got);
    assert_int_equal(first & 0x7f, size ? 0 : 1);
    assert_memory_equal(got, long_text + size, piece);
    size += piece;
  } while (!(first & 0x80));
  assert_int_equal(size, LONG_SIZE - 7);
  run_until(f, server.drained == 1);
  close(fd);
}

static void web_sockets_take_no_place_of_links_or_requests(void **state)
{
  struct fixture *f = *state;
  int port = serve(f), fds[PLACES];
  for (int i = 0; i < PLACES; i++) fds[i] = look(f, port);
  assert_int_equal(f->hosts[0].net->handshakes, 0);
  assert_int_equal(f->hosts[0].net->web_count, 0);
  assert_int_equal(f->hosts[0].net->web_requests, 0);
  start(f, 1, 0);
  join(f, 1, 0, 0);
  run_until(f, f->hosts[0].session && f->hosts[1].session);
  for (int i = 0; i < PLACES; i++) close(fds[i]);
}

static void web_sockets_end_with_their_host(void **state)
{
  struct fixture *f = *state;
  struct hgl_err err = {0};
  int port = serve(f), fds[3];
  for (int i = 0; i < 3; i++) fds[i] = look(f, port);
  narrow(server.sockets[1]);
  for (int i = 0; i < 4; i++)
    assert_ok(hgl_web_socket_send(server.sockets[1], hgl_bytes(long_text, sizeof long_text), &err));
  run_for(f, 10);
  hgl_net_destroy(f->hosts[0].net);
  f->hosts[0].net = NULL;
  assert_int_equal(server.closed, 3);
  for (int i = 0; i < 3; i++) close(fds[i]);
}

static int read_more(SSL *ssl, char *out, int room, int size)
{
  int more = SSL_read(ssl, out + size, room - size);
  return more > 0 ? size + more : size;
}

/* Over TLS: libwebsockets has one end of a pair of sockets. */
static void web_socket_goes_over_tls(void **state)
{
  struct fixture *f = *state;
  struct hgl_err err = {0};
  char folder[] = "/tmp/haggle-ws-XXXXXX", certificate[64], key[64], got[1024];
  assert_non_null(mkdtemp(folder));
  snprintf(certificate, sizeof certificate, "%s/c.pem", folder);
  snprintf(key, sizeof key, "%s/k.pem", folder);
  assert_ok(hgl_tls_self_signed(certificate, key, &err));
  struct hgl_net_config config = config_of(f, 0, 0);
  memset(&server, 0, sizeof server);
  server.lets_in = true;
  config.web = (struct hgl_web_events){asked, gone};
  config.certificate = certificate;
  config.certificate_key = key;
  assert_ok(hgl_net_create(&config, &f->hosts[0].net, &err));
  SSL_CTX *context = SSL_CTX_new(TLS_client_method());
  SSL *ssl = SSL_new(context);
  int fd = raw_connect(hgl_net_port(f->hosts[0].net));
  SSL_set_fd(ssl, fd);
  run_until(f, SSL_connect(ssl) == 1);
  static const char head[] = "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
                             "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                             "Sec-WebSocket-Protocol: " HGL_WEB_SOCKET_PROTOCOL "\r\n"
                             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
                             "\x81\x82\0\0\0\0hi";
  assert_int_equal(SSL_write(ssl, head, sizeof head - 1), sizeof head - 1);
  int size = 0;
  run_until(f, (size = read_more(ssl, got, (int)sizeof got, size)) >= 4 &&
                   memcmp(got + size - 4, "\x81\x02hi", 4) == 0);
  assert_int_equal(f->hosts[0].net->web_count, 0);
  SSL_free(ssl);
  SSL_CTX_free(context);
  close(fd);
  run_until(f, server.closed == 1 && !f->hosts[0].net->web_conns);
  unlink(certificate);
  unlink(key);
  rmdir(folder);
}

int main(void)
{
  if (hgl_crypto_init(NULL) != 0) return 1;
  const struct CMUnitTest tests[] = {
      NET_TEST(web_socket_carries_whole_texts_both_ways),
      NET_TEST(web_socket_takes_what_came_with_the_head),
      NET_TEST(web_socket_stands_a_long_head),
      NET_TEST(web_socket_is_refused_when_it_is_asked_for_otherwise),
      NET_TEST(web_socket_may_be_accepted_later),
      NET_TEST(web_socket_closes_with_a_reason),
      NET_TEST(web_socket_says_what_it_has_before_it_closes),
      NET_TEST(web_socket_gives_strangers_little_time_and_others_any),
      NET_TEST(web_socket_strangers_give_way_to_strangers_only),
      NET_TEST(web_socket_strangers_that_leave_are_few),
      NET_TEST(web_socket_that_does_not_read_costs_so_much_and_no_more),
      NET_TEST(web_sockets_that_do_not_read_cost_so_much_together),
      NET_TEST(web_socket_is_not_listened_to_while_it_does_not_read),
      NET_TEST(web_socket_gets_little_of_the_loops_time),
      NET_TEST(web_sockets_that_share_get_little_of_the_loops_time_together),
      NET_TEST(web_socket_that_takes_nothing_is_given_up),
      NET_TEST(web_socket_sends_long_texts_in_pieces_that_make_one),
      NET_TEST(web_sockets_take_no_place_of_links_or_requests),
      NET_TEST(web_sockets_end_with_their_host),
      NET_TEST(web_socket_goes_over_tls),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
