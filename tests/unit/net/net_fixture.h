/* What the tests of net/net.h share: hosts, and clients that are none. */
#ifndef HGL_TESTS_NET_FIXTURE_H
#define HGL_TESTS_NET_FIXTURE_H

#include "support/wait.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "net/net.h"
#include "protocol/did.h"
#include "protocol/limits.h"

/* Hosts live on one loop in this process and talk over loopback. Their clock runs with the
 * system's, and can be put forward. */
enum { HOSTS = 3 };

static int64_t clock_ahead_ns;

static inline int64_t test_wall_ms(void *user)
{
  return hgl_wall_ms(&hgl_clock_system);
}

static inline int64_t test_mono_ns(void *user)
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

static inline void session_up(void *user, struct hgl_session *session)
{
  struct host *host = user;
  host->session = session;
  host->ups++;
}

static inline void frame(void *user, struct hgl_session *session, struct hgl_bytes bytes)
{
  struct host *host = user;
  host->frames++;
  hgl_buf_clear(&host->last_frame);
  hgl_buf_append_bytes(&host->last_frame, bytes);
}

static inline void session_down(void *user, struct hgl_session *session, const struct hgl_err *why)
{
  struct host *host = user;
  if (host->session == session) host->session = NULL;
  host->downs++;
  host->down_why = *why;
}

static inline void address_verified(void *user, const struct hgl_key *peer, const char *url,
                                    bool pinned)
{
  struct host *host = user;
  host->verified++;
  host->pinned = pinned;
}

static inline void dial_failed(void *user, const struct hgl_key *peer, const char *url,
                               const struct hgl_err *why)
{
  struct host *host = user;
  host->failures++;
  host->failure = *why;
}

static inline struct hgl_net_config config_of(struct fixture *f, int i, int port)
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

static inline void start(struct fixture *f, int i, int port)
{
  struct hgl_err err = {0};
  struct hgl_net_config config = config_of(f, i, port);
  assert_ok(hgl_net_create(&config, &f->hosts[i].net, &err));
}

static inline int setup(void **state)
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

static inline int teardown(void **state)
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

static inline void run_for(struct fixture *f, int ms)
{
  int64_t until = hgl_wall_ms(&hgl_clock_system) + ms;
  while (hgl_wall_ms(&hgl_clock_system) < until) hgl_loop_run_once(f->loop, 5);
}

/* Host `from` dials host `to`, expecting host `expected` (or, below 0, anyone). */
static inline void join(struct fixture *f, int from, int to, int expected)
{
  struct hgl_err err = {0};
  char url[128], did[HGL_DID_TEXT_SIZE] = "";
  if (expected >= 0) hgl_did_format(hgl_signer_key(f->hosts[expected].signer), did);
  snprintf(url, sizeof url, "ws://127.0.0.1:%d%s%s", hgl_net_port(f->hosts[to].net),
           expected >= 0 ? "#" : "", did);
  assert_ok(hgl_net_join(f->hosts[from].net, url, &err));
}

static inline void connect_two(struct fixture *f)
{
  start(f, 0, 0);
  start(f, 1, 0);
  join(f, 0, 1, 1);
  run_until(f, f->hosts[0].session && f->hosts[1].session);
}
/* A raw TCP client that is not one of us ------------------------------------------------------ */

/* `from`: the last byte of our own address on the loopback network. */
static inline int raw_connect_from(int from, int port)
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

static inline int raw_connect(int port)
{
  return raw_connect_from(1, port);
}

static inline void raw_send(int fd, const void *data, size_t size)
{
  assert_int_equal(send(fd, data, size, MSG_NOSIGNAL), size);
}

/* Reads until the other side closes (true) or `enough` bytes are there. */
static inline bool raw_read(struct fixture *f, int fd, char *out, size_t room, const char *enough)
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

static inline void upgrade(int fd, const char *protocol)
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

/* One masked WebSocket frame; `first`: its first byte. */
static inline void raw_frame_of(int fd, uint8_t first, const void *data, size_t size)
{
  uint8_t frame[14] = {first, (uint8_t)(0x80 | size)};
  size_t head = 6;
  if (size > 125) {
    frame[1] = 0x80 | 126;
    frame[2] = (uint8_t)(size >> 8);
    frame[3] = (uint8_t)size;
    head = 8;
  }
  if (size > 0xffff) {
    memset(frame, 0, sizeof frame);
    frame[0] = first;
    frame[1] = 0x80 | 127;
    for (int i = 0; i < 4; i++) frame[6 + i] = (uint8_t)(size >> (24 - 8 * i));
    head = 14;
  }
  raw_send(fd, frame, head); /* the mask is zero */
  if (size) raw_send(fd, data, size);
}

static inline void raw_frame(int fd, uint8_t opcode, const void *data, size_t size)
{
  raw_frame_of(fd, (uint8_t)(0x80 | opcode), data, size);
}

/* A listener of the test's own; `port` is where. */
static inline int raw_listen(int *port)
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
#define NET_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
