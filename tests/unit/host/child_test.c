/* hgl_child_start runs this very program again as `haggle run --data DATA …`: then it is the host
 * whose conduct the last argument names. */
#include "support/check.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/seam.h"
#include "host/child.h"
#include "host/paths.h"

static struct hgl_err err;
static char folder[64], data[96];

/* The other process ------------------------------------------------------------------------- */

static void answer(void *user, struct hgl_control_conn *client, struct hgl_bytes line)
{
  struct hgl_err ignored;
  const char *text = "{\"ok\":false,\"error\":{\"code\":\"not_here\",\"message\":\"nobody\"}}";
  if (hgl_bytes_is(line, "{\"call\":\"describe\"}"))
    text = "{\"ok\":true,\"result\":{\"did\":\"did:key:x\",\"urls\":[\"ws://127.0.0.1:1\"]}}";
  if (hgl_bytes_is(line, "nonsense")) text = "{\"ok\":";
  if (hgl_control_send(client, hgl_text(text), &ignored)) _exit(3);
}

static void gone(void *user, struct hgl_control_conn *client) {}

static void serve(const char *folder_path)
{
  static const struct hgl_control_events events = {answer, gone};
  struct hgl_socket_path path = {.folder_fd = -1};
  struct hgl_loop *loop;
  struct hgl_control *control;
  if (hgl_loop_create(&hgl_clock_system, &loop, &err) ||
      hgl_socket_path_open(&path, folder_path, &err) ||
      hgl_control_create(loop, path.text, &events, NULL, &control, &err))
    _exit(4);
  for (;;) hgl_loop_run_once(loop, 100);
}

static int be_host(int argc, char **argv)
{
  const char *conduct = argv[argc - 1];
  printf("args");
  for (int i = 1; i < argc; i++) printf(" %s", argv[i]);
  printf("\n");
  fflush(stdout);
  if (strcmp(conduct, "fail") == 0) {
    fprintf(stderr, "the port is taken\n\n");
    return 1;
  }
  alarm(120); /* should the test itself be killed */
  if (strcmp(conduct, "stubborn") == 0) signal(SIGTERM, SIG_IGN);
  if (strcmp(conduct, "mute") == 0)
    for (;;) pause();
  serve(argv[3]);
  return 0;
}

/* The tests --------------------------------------------------------------------------------- */

static int set_up(void **state)
{
  strcpy(folder, "/tmp/haggle-child-XXXXXX");
  if (!mkdtemp(folder)) return -1;
  snprintf(data, sizeof data, "%s/deep/er/data", folder);
  return 0;
}

static int tear_down(void **state)
{
  hgl_folder_remove(folder);
  return access(folder, F_OK) == 0;
}

static void start(struct hgl_child *child, const char *conduct)
{
  const char *const arguments[] = {"--allow", "a b", conduct, NULL};
  assert_ok(hgl_child_start(child, data, arguments, &err));
}

static void a_host_is_started_asked_and_stopped(void **state)
{
  struct hgl_child child;
  json_t *result = NULL;
  char log[200] = "";
  start(&child, "serve");
  assert_ok(hgl_child_wait_ready(&child, 20000, &err));
  assert_string_equal(child.join_url, "ws://127.0.0.1:1#did:key:x");
  assert_true(hgl_child_alive(&child));
  assert_ok(hgl_child_call(&child, "{\"call\":\"describe\"}", 5000, &result, &err));
  assert_string_equal(json_string_value(json_object_get(result, "did")), "did:key:x");
  json_decref(result);
  /* The host's own error comes back as one; so does an answer that is none. */
  assert_fails(HGL_NOT_HERE, hgl_child_call(&child, "{}", 5000, &result, &err));
  assert_string_equal(err.message, "nobody");
  assert_true(hgl_child_call(&child, "nonsense", 5000, &result, &err) < 0);
  FILE *file = fopen(child.log_path, "r");
  assert_non_null(file);
  assert_non_null(fgets(log, sizeof log, file));
  fclose(file);
  assert_non_null(strstr(log, "args run --data "));
  assert_non_null(strstr(log, " --allow a b serve"));
  pid_t pid = child.pid;
  hgl_child_stop(&child, 20000);
  assert_int_equal(child.pid, 0);
  assert_int_not_equal(kill(pid, 0), 0);
}

static void a_host_that_ends_is_told_with_the_end_of_its_log(void **state)
{
  struct hgl_child child;
  start(&child, "fail");
  assert_fails(HGL_CLOSED, hgl_child_wait_ready(&child, 20000, &err));
  const char *end = strstr(err.message, "the port is taken");
  assert_non_null(end);
  assert_string_equal(end, "the port is taken"); /* no newline behind it */
  assert_false(hgl_child_alive(&child));
  hgl_child_stop(&child, 1000);
}

static void a_host_that_does_not_answer_is_waited_for_so_long(void **state)
{
  struct hgl_child child;
  start(&child, "mute");
  int64_t begin_ns = hgl_mono_ns(&hgl_clock_system);
  assert_fails(HGL_TIMEOUT, hgl_child_wait_ready(&child, 200, &err));
  assert_true(hgl_mono_ns(&hgl_clock_system) - begin_ns >= 200 * INT64_C(1000000));
  hgl_child_stop(&child, 20000);
}

static void a_host_that_does_not_stop_is_killed(void **state)
{
  struct hgl_child child;
  start(&child, "stubborn");
  assert_ok(hgl_child_wait_ready(&child, 20000, &err));
  pid_t pid = child.pid;
  hgl_child_stop(&child, 100);
  assert_int_not_equal(kill(pid, 0), 0);
}

static void a_folder_on_which_a_host_runs_is_not_taken(void **state)
{
  struct hgl_child child, second;
  const char *const none[] = {NULL};
  start(&child, "serve");
  assert_ok(hgl_child_wait_ready(&child, 20000, &err));
  assert_fails(HGL_IN_USE, hgl_child_start(&second, data, none, &err));
  assert_true(hgl_child_alive(&child));
  hgl_child_stop(&child, 20000);
}

static void more_arguments_than_there_is_room_for_are_refused(void **state)
{
  struct hgl_child child;
  const char *many[40];
  for (int i = 0; i < 39; i++) many[i] = "x";
  many[39] = NULL;
  assert_fails(HGL_LIMIT, hgl_child_start(&child, data, many, &err));
}

static void folders_are_made_private_with_all_above_them_and_removed(void **state)
{
  char path[PATH_MAX + 2], file[128];
  struct stat info;
  assert_ok(hgl_folder_make(data, &err));
  assert_ok(hgl_folder_make(data, &err)); /* again: nothing to do */
  assert_int_equal(stat(data, &info), 0);
  assert_int_equal(info.st_mode & 0777, 0700);
  snprintf(file, sizeof file, "%s/file", data);
  fclose(fopen(file, "w"));
  snprintf(path, sizeof path, "%s/deep", folder);
  assert_fails(HGL_IO, hgl_folder_make("/proc/none/of/this", &err));
  assert_fails(HGL_INVALID, hgl_folder_make("", &err));
  hgl_folder_remove(path);
  assert_int_not_equal(access(path, F_OK), 0);
  assert_int_equal(access(folder, F_OK), 0);
  memset(path, 'a', sizeof path);
  path[sizeof path - 1] = 0;
  assert_fails(HGL_INVALID, hgl_folder_make(path, &err));
}

static void a_removed_folder_takes_nothing_along_that_it_links_to(void **state)
{
  char kept[128], link[128];
  assert_ok(hgl_folder_make(data, &err));
  snprintf(kept, sizeof kept, "%s/kept", folder);
  snprintf(link, sizeof link, "%s/link", data);
  assert_ok(hgl_folder_make(kept, &err));
  assert_int_equal(symlink(kept, link), 0);
  hgl_folder_remove(data);
  assert_int_not_equal(access(data, F_OK), 0);
  assert_int_equal(access(kept, F_OK), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
      TEST(a_host_is_started_asked_and_stopped),
      TEST(a_host_that_ends_is_told_with_the_end_of_its_log),
      TEST(a_host_that_does_not_answer_is_waited_for_so_long),
      TEST(a_host_that_does_not_stop_is_killed),
      TEST(a_folder_on_which_a_host_runs_is_not_taken),
      TEST(more_arguments_than_there_is_room_for_are_refused),
      TEST(folders_are_made_private_with_all_above_them_and_removed),
      TEST(a_removed_folder_takes_nothing_along_that_it_links_to),
  };
  if (argc > 3 && strcmp(argv[1], "run") == 0) return be_host(argc, argv);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
