/* What ten viewers cost a thousand agents that trade: moments with and without them, in turn, on
 * one host. The host runs in a process of its own, the viewers in another, over WebSockets as
 * browsers do.
 *
 * The loop's thread is what limits trading: it is never idle here. So its time on a processor for a
 * message says how much slower they trade; but where caches and memory are shared with other
 * programs, that varies by far more than viewers cost. All that it does for them comes beside
 * ticks, or is telling them of a message within one: how large a part of its time this is hardly
 * varies, and so it decides. It leaves out that agents may have less of the caches. */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/seam.h"
#include "host/bench.h"

enum {
  VIEWERS = 10,
  PAIRS = 500,
  COME_MS = 500, /* that viewers look before it counts: until all have had the whole picture */
  LEAVE_MS = 250,
  MOMENT_MS = 500, /* two with viewers, one on either side without */
  ROUND_MS = COME_MS + LEAVE_MS + 4 * MOMENT_MS,
  WARM_UP_MS = 2000,
  TIMEOUT_MS = 30000,
  ROUNDS_MIN = 2,
  ROUNDS_MAX = 1000,
  TOKEN_SIZE_MAX = 128,
};

/* A deal of five messages, and at once the next. Pairs begin one after the other, and differ in
 * what they say: in step, they would all collect garbage in the same moment, and a moment with more
 * of that would drown what viewers cost. */
static const char buyer[] =
    "local number = tonumber(agent.name:match('%d+$') or 0)\n"
    "local seller = agent.name:gsub('buyer', 'seller')\n"
    "local function bid() agent.send(seller, 'trade/1.0/bid', { price = 3, service = 'x' }) end\n"
    "agent.on('trade/1.0/counter', function(m) m:reply('accept', { price = m.body.price }) end)\n"
    "agent.on('trade/1.0/deliver', function(m)\n"
    "  state.bought = (state.bought or 0) + 1\n"
    "  agent.deal { id = m.thid, status = 'delivered', role = 'buyer', service = 'x',\n"
    "    price = m.body.price, counterparty = m.from }\n"
    "  m:reply('received', {})\n"
    "  bid()\n"
    "end)\n"
    "agent.on_timer('begin', bid)\n"
    "agent.on_start(function() agent.after('begin', number * 7 % 500 * 2 .. 'ms') end)\n";
static const char seller[] =
    "local number = tonumber(agent.name:match('%d+$') or 0)\n"
    "agent.on('trade/1.0/bid', function(m) m:reply('counter', { price = m.body.price + 2 }) end)\n"
    "agent.on('trade/1.0/accept', function(m)\n"
    "  m:reply('deliver', { price = m.body.price, result = ('x'):rep(number * 11 % 400) })\n"
    "end)\n"
    "agent.on('trade/1.0/received', function() state.sold = (state.sold or 0) + 1 end)\n";

/* ---- the process of the viewers ---- */

struct viewers {
  const char *address;
  int port;
  char token[TOKEN_SIZE_MAX];
  int sockets[VIEWERS]; /* -1: none */
  uint64_t bytes[VIEWERS];
};

static bool send_all(int socket, const void *data, size_t size)
{
  const char *at = data;
  while (size) {
    ssize_t sent = send(socket, at, size, MSG_NOSIGNAL);
    if (sent <= 0) return false;
    at += sent;
    size -= (size_t)sent;
  }
  return true;
}

/* A text as a frame of a client, masked with zeros. */
static bool say(int socket, const char *text)
{
  size_t size = strlen(text);
  const uint8_t head[] = {0x81, 0x80 | 126, (uint8_t)(size >> 8), (uint8_t)size, 0, 0, 0, 0};
  return send_all(socket, head, sizeof head) && send_all(socket, text, size);
}

/* Up to the end of the head; what comes after it is read with the events. */
static bool shake_hands(const struct viewers *viewers, int socket)
{
  char text[512], last[5] = "";
  snprintf(text, sizeof text,
           "GET /api/feed HTTP/1.1\r\nHost: %s:%d\r\nUpgrade: websocket\r\n"
           "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
           "Sec-WebSocket-Protocol: haggle.feed.v1\r\n"
           "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
           viewers->address, viewers->port);
  if (!send_all(socket, text, strlen(text))) return false;
  while (strcmp(last, "\r\n\r\n") != 0) {
    char byte;
    if (recv(socket, &byte, 1, 0) != 1) return false;
    size_t size = strlen(last);
    if (size == 4) memmove(last, last + 1, 4), size = 3;
    last[size] = byte ? byte : ' ';
    last[size + 1] = 0;
  }
  return true;
}

static int look(const struct viewers *viewers)
{
  static const char *const topics[] = {"overview", "network", "agents", "messages"};
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)viewers->port)};
  char text[256];
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  inet_pton(AF_INET, viewers->address, &address.sin_addr);
  bool open = fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
              shake_hands(viewers, fd);
  snprintf(text, sizeof text, "{\"call\":\"hello\",\"token\":\"%s\"}", viewers->token);
  open = open && say(fd, text);
  for (size_t i = 0; open && i < sizeof topics / sizeof *topics; i++) {
    snprintf(text, sizeof text, "{\"call\":\"subscribe\",\"topic\":\"%s\",\"as\":\"%s\"}",
             topics[i], topics[i]);
    open = say(fd, text);
  }
  if (open) return fd;
  if (fd >= 0) close(fd);
  return -1;
}

static void leave(struct viewers *viewers)
{
  for (size_t i = 0; i < VIEWERS; i++) {
    if (viewers->sockets[i] >= 0) close(viewers->sockets[i]);
    viewers->sockets[i] = -1;
  }
}

/* Answers with how many bytes the viewer that got the least has read since the last time. */
static bool obey(struct viewers *viewers, char command, int out)
{
  uint64_t least = UINT64_MAX;
  for (size_t i = 0; i < VIEWERS; i++) {
    if (viewers->bytes[i] < least) least = viewers->bytes[i];
    viewers->bytes[i] = 0;
  }
  leave(viewers);
  for (size_t i = 0; command == '+' && i < VIEWERS; i++) viewers->sockets[i] = look(viewers);
  return write(out, &least, sizeof least) == sizeof least;
}

static _Noreturn void be_viewers(struct viewers *viewers, int in, int out)
{
  static char scratch[1 << 18];
  for (;;) {
    struct pollfd waits[VIEWERS + 1] = {{.fd = in, .events = POLLIN}};
    for (size_t i = 0; i < VIEWERS; i++)
      waits[i + 1] = (struct pollfd){.fd = viewers->sockets[i], .events = POLLIN};
    if (poll(waits, VIEWERS + 1, -1) < 0 && errno != EINTR) break;
    char command;
    if (waits[0].revents && (read(in, &command, 1) != 1 || !obey(viewers, command, out))) break;
    for (size_t i = 0; !waits[0].revents && i < VIEWERS; i++) {
      ssize_t got = waits[i + 1].revents ? recv(viewers->sockets[i], scratch, sizeof scratch, 0)
                                         : -1;
      if (got > 0) viewers->bytes[i] += (uint64_t)got;
      if (got == 0) close(viewers->sockets[i]), viewers->sockets[i] = -1;
    }
  }
  _exit(0);
}

/* ---- the measuring process ---- */

struct setting {
  struct hgl_child host;
  pid_t viewers;
  int to_viewers, from_viewers;
};

static int start_host(const struct hgl_bench *bench, struct setting *setting, struct hgl_err *err)
{
  char path[PATH_MAX], data[PATH_MAX], text[512];
  int status = hgl_bench_write(bench, "buyer.lua", buyer, path, err);
  if (!status) status = hgl_bench_write(bench, "seller.lua", seller, path, err);
  snprintf(text, sizeof text,
           "return { agents = { { name = 'seller', script = 'seller.lua', count = %d },\n"
           "  { name = 'buyer', script = 'buyer.lua', count = %d } } }\n",
           PAIRS, PAIRS);
  if (!status) status = hgl_bench_write(bench, "host.lua", text, path, err);
  if (status) return status;
  snprintf(data, sizeof data, "%s/host", bench->folder);
  const char *arguments[] = {"--config", path, "--listen", "127.0.0.1:0", NULL};
  status = hgl_child_start(&setting->host, data, arguments, err);
  return status ? status : hgl_child_wait_ready(&setting->host, TIMEOUT_MS, err);
}

static int start_viewers(struct setting *setting, struct hgl_err *err)
{
  struct viewers viewers = {.address = "127.0.0.1"};
  struct hgl_buf token;
  char path[PATH_MAX];
  int commands[2], answers[2];
  const char *port = setting->host.join_url ? strstr(setting->host.join_url, "127.0.0.1:") : NULL;
  if (!port) return hgl_fail(err, HGL_INTERNAL, "the host names no port");
  viewers.port = (int)strtol(port + strlen("127.0.0.1:"), NULL, 10);
  snprintf(path, sizeof path, "%s/tokens/@viewer", setting->host.data);
  hgl_buf_init(&token, TOKEN_SIZE_MAX - 1);
  int status = hgl_file_read_secret(path, TOKEN_SIZE_MAX, &token, err);
  snprintf(viewers.token, sizeof viewers.token, "%.*s", (int)token.size,
           token.size ? (const char *)token.data : "");
  viewers.token[strcspn(viewers.token, "\r\n")] = 0;
  hgl_buf_deinit(&token);
  if (status) return status;
  for (size_t i = 0; i < VIEWERS; i++) viewers.sockets[i] = -1;
  if (pipe(commands) || pipe(answers)) return hgl_fail(err, HGL_IO, "no pipes");
  setting->viewers = fork();
  if (setting->viewers == 0) {
    close(commands[1]);
    close(answers[0]);
    be_viewers(&viewers, commands[0], answers[1]);
  }
  close(commands[0]);
  close(answers[1]);
  setting->to_viewers = commands[1];
  setting->from_viewers = answers[0];
  return setting->viewers < 0 ? hgl_fail(err, HGL_IO, "no process for the viewers") : 0;
}

static int command(const struct setting *setting, char what, uint64_t *bytes, struct hgl_err *err)
{
  if (write(setting->to_viewers, &what, 1) == 1 &&
      read(setting->from_viewers, bytes, sizeof *bytes) == sizeof *bytes)
    return 0;
  return hgl_fail(err, HGL_IO, "the process of the viewers has ended");
}

static void wait_ms(int64_t ms)
{
  const struct timespec pause = {ms / 1000, ms % 1000 * 1000000};
  nanosleep(&pause, NULL);
}

/* For each message, ms: of the clock; of the loop's thread on a processor; of that in ticks; and of
 * that for whoever watches messages pass. */
struct moment {
  double wall, loop, tick, watching;
};

/* As the host says in one answer: read from outside, its clocks would be as much later as the loop
 * goes on until this process has its turn. */
struct reading {
  double handled, up_ms, loop_ms, tick_ms, watching_ms;
};

static int take_reading(struct setting *setting, struct reading *out, struct hgl_err *err)
{
  json_t *answer = NULL;
  int status = hgl_child_call(&setting->host, "{\"call\":\"describe\"}", TIMEOUT_MS, &answer, err);
  if (status) return status;
  out->handled = json_number_value(json_object_get(answer, "handled"));
  out->up_ms = json_number_value(json_object_get(answer, "up_ms"));
  out->loop_ms = json_number_value(json_object_get(answer, "loop_ms"));
  out->tick_ms = json_number_value(json_object_get(answer, "tick_ms"));
  out->watching_ms = json_number_value(json_object_get(answer, "watching_ms"));
  json_decref(answer);
  return 0;
}

static int measure(struct setting *setting, struct moment *out, struct hgl_err *err)
{
  struct reading before, after;
  int status = take_reading(setting, &before, err);
  wait_ms(MOMENT_MS);
  if (!status) status = take_reading(setting, &after, err);
  if (status) return status;
  double handled = after.handled - before.handled;
  if (handled <= 0) return hgl_fail(err, HGL_INTERNAL, "the agents do not trade");
  out->wall = (after.up_ms - before.up_ms) / handled;
  out->loop = (after.loop_ms - before.loop_ms) / handled;
  out->tick = (after.tick_ms - before.tick_ms) / handled;
  out->watching = (after.watching_ms - before.watching_ms) / handled;
  return 0;
}

struct round {
  struct moment alone, seen; /* means of two */
  uint64_t bytes;            /* to the viewer that got the least */
};

static struct moment mean_of(const struct moment *a, const struct moment *b)
{
  return (struct moment){(a->wall + b->wall) / 2, (a->loop + b->loop) / 2, (a->tick + b->tick) / 2,
                         (a->watching + b->watching) / 2};
}

/* Without, with, with, without: what drifts falls on both. */
static int measure_round(struct setting *setting, struct round *out, struct hgl_err *err)
{
  struct moment alone[2], seen[2];
  uint64_t before;
  int status = measure(setting, &alone[0], err);
  if (!status) status = command(setting, '+', &before, err);
  wait_ms(COME_MS);
  for (int i = 0; i < 2 && !status; i++) status = measure(setting, &seen[i], err);
  if (!status) status = command(setting, '-', &out->bytes, err);
  wait_ms(LEAVE_MS);
  if (!status) status = measure(setting, &alone[1], err);
  if (status) return status;
  if (!out->bytes) return hgl_fail(err, HGL_INTERNAL, "a viewer saw nothing");
  out->alone = mean_of(&alone[0], &alone[1]);
  out->seen = mean_of(&seen[0], &seen[1]);
  return 0;
}

/* ---- what the rounds say ---- */

/* Slower, %: by what the loop does for viewers; by its time for a message; and by the clock. */
struct rounds {
  size_t count;
  struct round *at;
  double *by_part, *by_loop, *by_clock;
};

static double slower(double seen, double alone)
{
  return (seen / alone - 1) * 100;
}

/* What is told within ticks is a part of the agents' work in them, which other programs slow down
 * alike. What comes beside ticks comes so often a second, however much of it the loop gets of a
 * processor: it is a part of that second, of which the loop would otherwise have the rest. */
static double part_of(const struct moment *seen, const struct moment *alone)
{
  double work = seen->tick - seen->watching;
  double beside = seen->loop - seen->tick - (alone->loop / alone->tick - 1) * work;
  return (seen->watching / work + beside / seen->wall) * 100;
}

static int measure_rounds(const struct hgl_bench *bench, struct setting *setting,
                          struct rounds *rounds, struct hgl_err *err)
{
  int status = 0;
  wait_ms(WARM_UP_MS);
  for (size_t i = 0; i < rounds->count && !status; i++) {
    struct round *round = &rounds->at[i];
    const struct moment *seen = &round->seen, *alone = &round->alone;
    if ((status = measure_round(setting, round, err))) break;
    rounds->by_part[i] = part_of(seen, alone);
    rounds->by_loop[i] = slower(seen->loop, alone->loop);
    rounds->by_clock[i] = slower(seen->wall, alone->wall);
    if (bench->verbose)
      fprintf(stderr,
              "%6.1f us of the loop for a message, %6.1f seen; slower by what it does for them: "
              "%5.2f %%, by that time: %5.1f %%, by the clock: %5.1f %%\n",
              alone->loop * 1e3, seen->loop * 1e3, rounds->by_part[i], rounds->by_loop[i],
              rounds->by_clock[i]);
  }
  return status;
}

static json_t *give_result(struct rounds *rounds)
{
  double n = (double)rounds->count, alone = 0, seen = 0, busy = 0, bytes = 0;
  for (size_t i = 0; i < rounds->count; i++) {
    const struct round *round = &rounds->at[i];
    alone += 1e3 / round->alone.wall / n;
    seen += 1e3 / round->seen.wall / n;
    busy += round->alone.loop / round->alone.wall / n;
    bytes += (double)round->bytes * 1000 / (COME_MS + 2 * MOMENT_MS) / n;
  }
  json_t *by_part = hgl_bench_estimate(rounds->by_part, rounds->count);
  json_t *by_loop = hgl_bench_estimate(rounds->by_loop, rounds->count);
  json_t *by_clock = hgl_bench_estimate(rounds->by_clock, rounds->count);
  return json_pack(
      "{s:s, s:f, s:s, s:o, s:o, s:o, s:o, s:s, s:f, s:f, s:f, s:f, s:i, s:i, s:s}", "name",
      "viewers", "value", json_number_value(json_object_get(by_part, "estimate")), "unit",
      "% slower", "by_part", by_part, "by_loop", by_loop, "by_clock", by_clock, "percentiles",
      hgl_bench_percentiles(rounds->by_part, rounds->count), "percentiles_of",
      "slower by what the loop does for viewers, of rounds, %", "loop_busy", busy, "messages_per_s",
      alone, "messages_per_s_seen", seen, "bytes_per_s_of_viewer", bytes, "viewers", VIEWERS,
      "agents", 2 * PAIRS, "note",
      "a thousand agents trade; ten viewers look at overview, network, agents and messages, and "
      "have had the whole picture");
}

static int measure_all(const struct hgl_bench *bench, struct setting *setting, json_t **out,
                       struct hgl_err *err)
{
  int64_t wanted = bench->seconds < ROUNDS_MAX ? bench->seconds * 1000 / ROUND_MS : ROUNDS_MAX;
  struct rounds rounds = {.count = wanted < ROUNDS_MIN ? ROUNDS_MIN : (size_t)wanted};
  rounds.at = hgl_array(rounds.count, sizeof *rounds.at);
  rounds.by_part = hgl_array(rounds.count, sizeof *rounds.by_part);
  rounds.by_loop = hgl_array(rounds.count, sizeof *rounds.by_loop);
  rounds.by_clock = hgl_array(rounds.count, sizeof *rounds.by_clock);
  bool whole = rounds.at && rounds.by_part && rounds.by_loop && rounds.by_clock;
  int status = whole ? measure_rounds(bench, setting, &rounds, err)
                     : hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  if (!status && !(*out = give_result(&rounds)))
    status = hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  hgl_free(rounds.at);
  hgl_free(rounds.by_part);
  hgl_free(rounds.by_loop);
  hgl_free(rounds.by_clock);
  return status;
}

int hgl_bench_viewers(const struct hgl_bench *bench, json_t **out, struct hgl_err *err)
{
  struct setting setting = {.to_viewers = -1, .from_viewers = -1};
  int status = start_host(bench, &setting, err);
  if (!status) status = start_viewers(&setting, err);
  if (!status) status = measure_all(bench, &setting, out, err);
  if (setting.to_viewers >= 0) close(setting.to_viewers); /* so it ends */
  if (setting.from_viewers >= 0) close(setting.from_viewers);
  if (setting.viewers > 0) waitpid(setting.viewers, NULL, 0);
  if (setting.host.data) hgl_child_stop(&setting.host, TIMEOUT_MS);
  return status;
}
