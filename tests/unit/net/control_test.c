#include "support/wait.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "net/control.h"

struct fixture {
  struct hgl_loop *loop;
  struct hgl_control *control;
  char folder[64], path[96];
  struct hgl_control_conn *client; /* the last that sent a line */
  int lines, closed;
  size_t last_size;
  bool finish;
};

/* Answers every line with the same line. */
static void line(void *user, struct hgl_control_conn *client, struct hgl_bytes text)
{
  struct fixture *f = user;
  struct hgl_err err = {0};
  f->client = client;
  f->lines++;
  f->last_size = text.size;
  if (text.size < 100) assert_ok(hgl_control_send(client, text, &err));
  if (f->finish) hgl_control_finish(client);
}

static void closed(void *user, struct hgl_control_conn *client)
{
  struct fixture *f = user;
  f->closed++;
  f->client = NULL;
}

static int setup(void **state)
{
  struct fixture *f = calloc(1, sizeof *f);
  struct hgl_err err = {0};
  strcpy(f->folder, "/tmp/haggle-control-XXXXXX");
  assert_non_null(mkdtemp(f->folder));
  snprintf(f->path, sizeof f->path, "%s/control", f->folder);
  assert_ok(hgl_loop_create(&hgl_clock_system, &f->loop, &err));
  struct hgl_control_events events = {line, closed};
  assert_ok(hgl_control_create(f->loop, f->path, &events, f, &f->control, &err));
  *state = f;
  return 0;
}

static int teardown(void **state)
{
  struct fixture *f = *state;
  hgl_control_destroy(f->control);
  hgl_loop_destroy(f->loop);
  assert_int_not_equal(access(f->path, F_OK), 0);
  rmdir(f->folder);
  free(f);
  return 0;
}

static void control_carries_lines_both_ways(void **state)
{
  struct fixture *f = *state;
  struct hgl_err err = {0};
  struct hgl_control_caller *caller;
  struct hgl_bytes answer;
  assert_ok(hgl_control_connect(f->path, &caller, &err));
  assert_ok(hgl_control_call(caller, hgl_text("{\"verb\":\"agents\"}"), &err));
  assert_ok(hgl_control_call(caller, hgl_text(""), &err));
  run_until(f, f->lines == 2);
  hgl_loop_run_once(f->loop, 20);
  assert_ok(hgl_control_next(caller, WAIT_MS, &answer, &err));
  assert_true(hgl_bytes_is(answer, "{\"verb\":\"agents\"}"));
  assert_ok(hgl_control_next(caller, WAIT_MS, &answer, &err));
  assert_int_equal(answer.size, 0);
  assert_fails(HGL_TIMEOUT, hgl_control_next(caller, 10, &answer, &err));
  hgl_control_hang_up(caller);
  run_until(f, f->closed == 1);
}

static void control_socket_is_for_its_owner_only(void **state)
{
  struct fixture *f = *state;
  struct stat about;
  assert_int_equal(stat(f->path, &about), 0);
  assert_int_equal(about.st_mode & 0777, 0600);
}

static void control_finishes_once_everything_is_written(void **state)
{
  struct fixture *f = *state;
  struct hgl_err err = {0};
  struct hgl_control_caller *caller;
  struct hgl_bytes answer;
  f->finish = true;
  assert_ok(hgl_control_connect(f->path, &caller, &err));
  assert_ok(hgl_control_call(caller, hgl_text("bye"), &err));
  run_until(f, f->closed == 1);
  assert_ok(hgl_control_next(caller, WAIT_MS, &answer, &err));
  assert_true(hgl_bytes_is(answer, "bye"));
  assert_fails(HGL_CLOSED, hgl_control_next(caller, WAIT_MS, &answer, &err));
  hgl_control_hang_up(caller);
}

static int raw_connect(const char *path)
{
  struct sockaddr_un to = {.sun_family = AF_UNIX};
  snprintf(to.sun_path, sizeof to.sun_path, "%s", path);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
  assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
  return fd;
}

/* Sends a line of `size` bytes while the loop reads; false when the other side hangs up, or does
 * not read. */
static bool send_line(struct fixture *f, int fd, size_t size)
{
  static char text[65536];
  int64_t until = hgl_wall_ms(&hgl_clock_system) + WAIT_MS;
  memset(text, 'x', sizeof text);
  while (size > 0) {
    if (hgl_wall_ms(&hgl_clock_system) > until) return false;
    ssize_t sent = send(fd, text, size < sizeof text ? size : sizeof text, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) return false;
    if (sent > 0) size -= (size_t)sent;
    hgl_loop_run_once(f->loop, 0);
  }
  return send(fd, "\n", 1, MSG_NOSIGNAL) == 1;
}

static void control_drops_a_client_at_the_line_limit(void **state)
{
  struct fixture *f = *state;
  int fd = raw_connect(f->path);
  assert_true(send_line(f, fd, HGL_CONTROL_LINE_SIZE_MAX));
  run_until(f, f->lines == 1);
  assert_int_equal(f->last_size, HGL_CONTROL_LINE_SIZE_MAX);
  send_line(f, fd, HGL_CONTROL_LINE_SIZE_MAX + 1);
  run_until(f, f->closed == 1);
  assert_int_equal(f->lines, 1);
  close(fd);
}

static void control_drops_a_client_that_does_not_read(void **state)
{
  struct fixture *f = *state;
  struct hgl_err err = {0};
  int fd = raw_connect(f->path);
  assert_true(send_line(f, fd, 1));
  run_until(f, f->lines == 1);
  char *text = calloc(1, 1 << 20);
  int status = 0, sent = 0;
  while (status == 0 && sent < 100) {
    status = hgl_control_send(f->client, hgl_bytes(text, 1 << 20), &err);
    sent++;
  }
  free(text);
  assert_int_equal(status, -HGL_LIMIT);
  assert_int_equal(f->closed, 1);
  close(fd);
}

static void control_limits_clients(void **state)
{
  struct fixture *f = *state;
  int fds[HGL_CONTROL_CLIENTS_MAX + 1];
  for (int i = 0; i <= HGL_CONTROL_CLIENTS_MAX; i++) {
    fds[i] = raw_connect(f->path);
    hgl_loop_run_once(f->loop, 1);
  }
  char byte;
  int64_t until = hgl_wall_ms(&hgl_clock_system) + WAIT_MS;
  while (recv(fds[HGL_CONTROL_CLIENTS_MAX], &byte, 1, 0) != 0) { /* the last is hung up on */
    if (hgl_wall_ms(&hgl_clock_system) > until) fail_msg("one client too many was let in");
    hgl_loop_run_once(f->loop, 5);
  }
  assert_true(recv(fds[0], &byte, 1, 0) < 0 && errno == EAGAIN);
  for (int i = 0; i <= HGL_CONTROL_CLIENTS_MAX; i++) close(fds[i]);
}

static void control_without_a_host_says_so(void **state)
{
  struct hgl_err err = {0};
  struct hgl_control_caller *caller;
  assert_fails(HGL_NOT_FOUND, hgl_control_connect("/tmp/no-such-haggle/control", &caller, &err));
}

static void *serve(void *user)
{
  struct fixture *f = user;
  hgl_loop_run(f->loop);
  return NULL;
}

static void stop(void *user)
{
  hgl_loop_stop(user);
}

static void control_refuses_a_path_where_another_host_answers(void **state)
{
  struct fixture *f = *state;
  struct hgl_err err = {0};
  struct hgl_loop *loop;
  struct hgl_control *control;
  struct hgl_control_events events = {line, closed};
  pthread_t thread;
  hgl_loop_on_tick(f->loop, stop, f->loop);
  pthread_create(&thread, NULL, serve, f);
  assert_ok(hgl_loop_create(&hgl_clock_system, &loop, &err));
  assert_fails(HGL_IN_USE, hgl_control_create(loop, f->path, &events, f, &control, &err));
  hgl_loop_destroy(loop);
  hgl_loop_wake(f->loop);
  pthread_join(thread, NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
  const struct CMUnitTest tests[] = {
      TEST(control_carries_lines_both_ways),
      TEST(control_socket_is_for_its_owner_only),
      TEST(control_finishes_once_everything_is_written),
      TEST(control_drops_a_client_at_the_line_limit),
      TEST(control_drops_a_client_that_does_not_read),
      TEST(control_limits_clients),
      TEST(control_without_a_host_says_so),
      TEST(control_refuses_a_path_where_another_host_answers),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
