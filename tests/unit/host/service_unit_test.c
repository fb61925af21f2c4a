#include "support/check.h"

#include "host/service_status.h"
#include "host/service_unit.h"

static const char *unit_of(const struct hgl_service_options *service, struct hgl_buf *out)
{
  struct hgl_err err;
  hgl_buf_init(out, HGL_UNIT_SIZE_MAX);
  assert_ok(hgl_service_unit(service, out, &err));
  assert_true(hgl_service_unit_is_ours(hgl_buf_bytes(out)));
  hgl_buf_append_byte(out, 0);
  assert_ok(hgl_buf_check(out, &err));
  return (const char *)out->data;
}

static void assert_has(const char *unit, const char *line)
{
  if (!strstr(unit, line)) fail_msg("\"%s\" is not in:\n%s", line, unit);
}

static void a_unit_runs_the_host_file_and_is_confined(void **state)
{
  const char *secrets[] = {"passphrase=/etc/x 100%", "api=/etc/y", NULL};
  const struct hgl_service_options service = {.name = "shop",
                                              .program = "/usr/bin/haggle",
                                              .config = "/etc/haggle/a \"b\" $c %d\\e.lua",
                                              .secrets = {secrets, 2},
                                              .grace_ms = 25001,
                                              .listen_port = 443};
  struct hgl_buf out;
  char name[128];
  hgl_service_unit_name(&service, name);
  assert_string_equal(name, "haggle-shop.service");
  const char *unit = unit_of(&service, &out);
  assert_has(unit, "ExecStart=\"/usr/bin/haggle\" run --config "
                   "\"/etc/haggle/a \\\"b\\\" $$c %%d\\\\e.lua\" --data %S/haggle/shop "
                   "--passphrase-file %d/passphrase\n");
  assert_has(unit, "\nLoadCredential=passphrase:/etc/x 100%%\nLoadCredential=api:/etc/y\n");
  assert_has(unit, "\nStateDirectory=haggle/shop\n");
  assert_has(unit, "\nTimeoutStopSec=36s\n");
  assert_has(unit, "\nDynamicUser=yes\n");
  assert_has(unit, "\nProtectSystem=strict\n");
  assert_has(unit, "\nProtectHome=yes\n");
  assert_has(unit, "\nAmbientCapabilities=CAP_NET_BIND_SERVICE\n");
  assert_has(unit, "\nRestartPreventExitStatus=2\n");
  assert_has(unit, "\nWatchdogSec=60s\n");
  hgl_buf_deinit(&out);
}

static void kinds_of_units_differ(void **state)
{
  struct hgl_service_options service = {.user = true, .program = "/h", .config = "/home/me/h.lua"};
  struct hgl_buf out;
  char name[128];
  const char *unit = unit_of(&service, &out);
  assert_null(strstr(unit, "DynamicUser"));
  assert_has(unit, "WantedBy=default.target\n");
  hgl_buf_deinit(&out);
  service.user = false;
  unit = unit_of(&service, &out);
  assert_has(unit, "\nProtectHome=read-only\n");
  assert_has(unit, "\nCapabilityBoundingSet=\n");
  hgl_buf_deinit(&out);
  service = (struct hgl_service_options){.templated = true, .program = "/h"};
  hgl_service_unit_name(&service, name);
  assert_string_equal(name, "haggle@.service");
  unit = unit_of(&service, &out);
  assert_has(unit, "run --config /etc/haggle/%i.lua --data %S/haggle/%i\n");
  hgl_buf_deinit(&out);
}

static void a_path_that_a_unit_cannot_hold_is_refused(void **state)
{
  const char *secrets[] = {"x=/a\nExecStart=/bin/sh", NULL};
  struct hgl_service_options service = {.program = "/h", .config = "/a\nExecStart=/bin/sh"};
  struct hgl_err err;
  struct hgl_buf out;
  hgl_buf_init(&out, HGL_UNIT_SIZE_MAX);
  assert_fails(HGL_INVALID, hgl_service_unit(&service, &out, &err));
  service = (struct hgl_service_options){.program = "/h", .config = "/a", .secrets = {secrets, 1}};
  assert_fails(HGL_INVALID, hgl_service_unit(&service, &out, &err));
  hgl_buf_deinit(&out);
}

static void a_change_by_hand_is_seen(void **state)
{
  const struct hgl_service_options service = {.program = "/h", .config = "/a"};
  struct hgl_err err;
  struct hgl_buf out;
  hgl_buf_init(&out, HGL_UNIT_SIZE_MAX);
  assert_ok(hgl_service_unit(&service, &out, &err));
  assert_true(hgl_service_unit_is_ours(hgl_buf_bytes(&out)));
  out.data[10] ^= 1;
  assert_false(hgl_service_unit_is_ours(hgl_buf_bytes(&out)));
  out.data[10] ^= 1;
  hgl_buf_append_text(&out, "\n");
  assert_false(hgl_service_unit_is_ours(hgl_buf_bytes(&out)));
  assert_false(hgl_service_unit_is_ours(hgl_text("[Unit]\n")));
  assert_false(hgl_service_unit_is_ours(hgl_text("")));
  hgl_buf_deinit(&out);
}

static void assert_explained(const char *shown, bool running, const char *first, const char *second)
{
  struct hgl_buf out;
  hgl_buf_init(&out, 4096);
  bool runs = hgl_service_explain("haggle.service", shown, &out) == HGL_SERVICE_RUNS;
  hgl_buf_append_byte(&out, 0);
  assert_int_equal(out.failed, 0);
  assert_int_equal(runs, running);
  assert_has((const char *)out.data, first);
  assert_has((const char *)out.data, second);
  hgl_buf_deinit(&out);
}

static void what_systemd_says_is_put_in_plain_words(void **state)
{
  assert_explained("LoadState=loaded\nActiveState=active\nSubState=running\nMainPID=71\n"
                   "ActiveEnterTimestamp=Fri 2026-11-27\nStatusText=Serving \x1b[2Jas x\n"
                   "Result=success\nNRestarts=2\nUnitFileState=enabled\nNeedDaemonReload=yes\n",
                   true, "haggle.service runs since Fri 2026-11-27, as process 71\n",
                   "  it says: Serving \\x1b[2Jas x\n  restarted by systemd 2 times\n"
                   "  starts with the machine\n  its unit has changed: systemctl daemon-reload\n");
  assert_explained("LoadState=not-found\nActiveState=inactive\n", false, "is not installed",
                   "haggle service install");
  assert_explained("LoadState=loaded\nActiveState=failed\nResult=watchdog\n", false, "failed\n",
                   "it was stuck");
  assert_explained("LoadState=loaded\nActiveState=failed\nResult=exit-code\nExecMainStatus=70\n",
                   false, "failed\n",
                   "it ended with an error (exit status 70); see: journalctl -u");
  assert_explained("ActiveState=activating\nSubState=auto-restart\n", false, "failed, and is soon",
                   "");
  assert_explained("", false, "does not run", "");
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_unit_runs_the_host_file_and_is_confined),
      cmocka_unit_test(kinds_of_units_differ),
      cmocka_unit_test(a_path_that_a_unit_cannot_hold_is_refused),
      cmocka_unit_test(a_change_by_hand_is_seen),
      cmocka_unit_test(what_systemd_says_is_put_in_plain_words),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
