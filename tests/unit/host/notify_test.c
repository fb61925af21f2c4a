#include "support/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "host/notify.h"

static int manager;

/* A service manager's socket, under an abstract name or a path. */
static void listen_as(const char *name)
{
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  size_t size = strlen(name);
  memcpy(address.sun_path, name, size);
  if (*name == '@') address.sun_path[0] = 0;
  manager = socket(AF_UNIX, SOCK_DGRAM, 0);
  assert_true(manager >= 0);
  assert_int_equal(bind(manager, (struct sockaddr *)&address,
                        (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size)),
                   0);
  setenv("NOTIFY_SOCKET", name, 1);
}

static const char *heard(void)
{
  static char text[1024];
  ssize_t size = recv(manager, text, sizeof text - 1, MSG_DONTWAIT);
  text[size > 0 ? size : 0] = 0;
  return text;
}

static void everything_is_said_to_an_abstract_socket(void **state)
{
  struct hgl_notify notify;
  char name[64];
  snprintf(name, sizeof name, "@haggle-test-%ld", (long)getpid());
  listen_as(name);
  setenv("WATCHDOG_USEC", "3000000", 1);
  hgl_notify_open(&notify);
  assert_null(getenv("NOTIFY_SOCKET"));
  assert_null(getenv("WATCHDOG_USEC"));
  hgl_notify_say(&notify, "READY=1\nSTATUS=%s", "here");
  assert_string_equal(heard(), "READY=1\nSTATUS=here");
  hgl_notify_reloading(&notify, 5000001000);
  assert_string_equal(heard(), "RELOADING=1\nMONOTONIC_USEC=5000001");
  hgl_notify_patience(&notify);
  assert_string_equal(heard(), "EXTEND_TIMEOUT_USEC=60000000");
  /* at half of what is asked for, and not more often */
  assert_int_equal(hgl_notify_beat(&notify, 1000), 1000 + INT64_C(1500000000));
  assert_string_equal(heard(), "WATCHDOG=1");
  assert_int_equal(hgl_notify_beat(&notify, 2000), 1000 + INT64_C(1500000000));
  assert_string_equal(heard(), "");
  hgl_notify_beat(&notify, 1000 + INT64_C(1500000000));
  assert_string_equal(heard(), "WATCHDOG=1");
  hgl_notify_close(&notify);
  close(manager);
}

static void a_path_is_a_socket_too(void **state)
{
  struct hgl_notify notify;
  char folder[] = "/tmp/haggle-notify-XXXXXX", name[64];
  assert_non_null(mkdtemp(folder));
  snprintf(name, sizeof name, "%s/s", folder);
  listen_as(name);
  hgl_notify_open(&notify);
  hgl_notify_say(&notify, "STOPPING=1");
  assert_string_equal(heard(), "STOPPING=1");
  assert_int_equal(hgl_notify_beat(&notify, 1), INT64_MAX); /* no watchdog */
  assert_string_equal(heard(), "");
  hgl_notify_close(&notify);
  close(manager);
  unlink(name);
  rmdir(folder);
}

static void nobody_to_tell_is_no_failure(void **state)
{
  static const char *const names[] = {NULL, "", "@", "relative", "/nowhere/at/all"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    struct hgl_notify notify;
    if (names[i]) setenv("NOTIFY_SOCKET", names[i], 1);
    setenv("WATCHDOG_USEC", "1000", 1);
    hgl_notify_open(&notify);
    assert_int_equal(notify.fd, -1);
    hgl_notify_say(&notify, "READY=1");
    assert_int_equal(hgl_notify_beat(&notify, 1), INT64_MAX);
    hgl_notify_close(&notify);
  }
}

static void the_watchdog_of_another_process_is_not_ours(void **state)
{
  static const char *const numbers[] = {"-5", "x", "99999999999999999999", "0", "5s"};
  struct hgl_notify notify;
  char name[64];
  snprintf(name, sizeof name, "@haggle-test-%ld-2", (long)getpid());
  listen_as(name);
  setenv("WATCHDOG_USEC", "3000000", 1);
  setenv("WATCHDOG_PID", "1", 1);
  hgl_notify_open(&notify);
  assert_true(notify.fd >= 0);
  assert_int_equal(notify.watchdog_ns, 0);
  hgl_notify_close(&notify);
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
    setenv("NOTIFY_SOCKET", name, 1);
    setenv("WATCHDOG_USEC", numbers[i], 1);
    hgl_notify_open(&notify);
    assert_int_equal(notify.watchdog_ns, 0);
    hgl_notify_close(&notify);
  }
  close(manager);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(everything_is_said_to_an_abstract_socket),
      cmocka_unit_test(a_path_is_a_socket_too),
      cmocka_unit_test(nobody_to_tell_is_no_failure),
      cmocka_unit_test(the_watchdog_of_another_process_is_not_ours),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
