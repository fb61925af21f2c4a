#include "host/service_status.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/text.h"

enum { SHOWN_SIZE_MAX = 64 << 10, VALUE_SIZE = 512, NOT_THERE = 127 };

/* Explaining ---------------------------------------------------------------------------------- */

/* The value of "KEY=value" among the lines, empty where there is none. */
static const char *value_of(const char *shown, const char *key, char out[VALUE_SIZE])
{
  size_t size = strlen(key);
  out[0] = 0;
  for (const char *line = shown; *line; line += strcspn(line, "\n"), line += *line == '\n') {
    if (strncmp(line, key, size) != 0 || line[size] != '=') continue;
    int length = (int)strcspn(line + size + 1, "\n");
    snprintf(out, VALUE_SIZE, "%.*s", length, line + size + 1);
    break;
  }
  return out;
}

static const char *reason_of(const char *result)
{
  static const char *const reasons[][2] = {
      {"exit-code", "it ended with an error"},
      {"signal", "it was killed by a signal"},
      {"core-dump", "it crashed"},
      {"timeout", "it took too long to start or stop"},
      {"watchdog", "it was stuck and gave no sign of life"},
      {"start-limit-hit", "it failed too often in a row; systemd has given up"},
      {"oom-kill", "the machine had no memory left"},
      {"resources", "systemd could not set it up"},
  };
  for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
    if (strcmp(reasons[i][0], result) == 0) return reasons[i][1];
  return result;
}

static void explain_state(const char *shown, const char *state, struct hgl_buf *out)
{
  char a[VALUE_SIZE], b[VALUE_SIZE];
  if (strcmp(state, "active") == 0 || strcmp(state, "reloading") == 0) {
    hgl_buf_printf(out, "%s since %s, as process %s\n",
                   strcmp(state, "active") == 0 ? "runs" : "rereads its host file; runs",
                   value_of(shown, "ActiveEnterTimestamp", a), value_of(shown, "MainPID", b));
  } else if (strcmp(state, "activating") == 0) {
    hgl_buf_append_text(out, strcmp(value_of(shown, "SubState", a), "auto-restart") == 0
                                 ? "failed, and is soon tried again\n"
                                 : "starts\n");
  } else if (strcmp(state, "deactivating") == 0) {
    hgl_buf_append_text(out, "stops\n");
  } else if (strcmp(state, "failed") == 0) {
    hgl_buf_append_text(out, "failed\n");
  } else {
    hgl_buf_append_text(out, "does not run\n");
  }
}

static void explain_rest(const char *unit, const char *shown, struct hgl_buf *out)
{
  char value[VALUE_SIZE], status[VALUE_SIZE];
  if (*value_of(shown, "StatusText", value)) {
    hgl_buf_append_text(out, "  it says: ");
    hgl_escape(hgl_text(value), out);
    hgl_buf_append_text(out, "\n");
  }
  value_of(shown, "Result", value);
  if (*value && strcmp(value, "success") != 0) {
    hgl_buf_printf(out, "  the last time %s", reason_of(value));
    if (strcmp(value, "exit-code") == 0)
      hgl_buf_printf(out, " (exit status %s)", value_of(shown, "ExecMainStatus", status));
    hgl_buf_printf(out, "; see: journalctl -u %s\n", unit);
  }
  value_of(shown, "NRestarts", value);
  if (*value && strcmp(value, "0") != 0)
    hgl_buf_printf(out, "  restarted by systemd %s times\n", value);
  value_of(shown, "UnitFileState", value);
  if (*value)
    hgl_buf_printf(out, "  %s\n",
                   strcmp(value, "enabled") == 0 ? "starts with the machine"
                                                 : "does not start by itself (systemctl enable)");
  if (strcmp(value_of(shown, "NeedDaemonReload", value), "yes") == 0)
    hgl_buf_append_text(out, "  its unit has changed: systemctl daemon-reload\n");
}

enum hgl_service_state hgl_service_explain(const char *unit, const char *shown, struct hgl_buf *out)
{
  char state[VALUE_SIZE], load[VALUE_SIZE];
  value_of(shown, "ActiveState", state);
  value_of(shown, "LoadState", load);
  bool runs = strcmp(state, "active") == 0 || strcmp(state, "reloading") == 0;
  hgl_buf_printf(out, "%s ", unit);
  if (strcmp(load, "not-found") == 0 && !runs) {
    hgl_buf_append_text(out, "is not installed; see `haggle service install`\n");
    return HGL_SERVICE_ABSENT;
  }
  explain_state(shown, state, out);
  explain_rest(unit, shown, out);
  return runs ? HGL_SERVICE_RUNS : HGL_SERVICE_IDLE;
}

/* Asking -------------------------------------------------------------------------------------- */

static int spawn(const char *unit, bool user, int output, pid_t *pid)
{
  char *arguments[] = {
      (char *)"systemctl",
      (char *)(user ? "--user" : "--system"),
      (char *)"--no-pager",
      (char *)"show",
      (char *)"--property=LoadState,ActiveState,SubState,Result,MainPID,StatusText,"
              "ExecMainStatus,NRestarts,ActiveEnterTimestamp,UnitFileState,"
              "NeedDaemonReload",
      (char *)"--",
      (char *)unit,
      NULL};
  posix_spawn_file_actions_t actions;
  if (posix_spawn_file_actions_init(&actions)) return ENOMEM;
  int problem = posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
  if (!problem) problem = posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO);
  if (!problem) problem = posix_spawnp(pid, "systemctl", &actions, NULL, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  return problem;
}

static void read_all(int fd, struct hgl_buf *out)
{
  char piece[4096];
  for (ssize_t got; (got = read(fd, piece, sizeof piece)) != 0;) {
    if (got > 0)
      hgl_buf_append(out, piece, (size_t)got);
    else if (errno != EINTR)
      return;
  }
}

static int fail_absent(struct hgl_err *err)
{
  return hgl_fail(err, HGL_NOT_FOUND,
                  "there is no systemd here to ask; a host that runs is seen with: haggle agents "
                  "--data DIR");
}

static int ask(const char *unit, bool user, struct hgl_buf *shown, struct hgl_err *err)
{
  int ends[2], result;
  pid_t pid;
  if (pipe2(ends, O_CLOEXEC)) return hgl_fail(err, HGL_IO, "pipe: %s", strerror(errno));
  int problem = spawn(unit, user, ends[1], &pid);
  close(ends[1]);
  if (!problem) read_all(ends[0], shown);
  close(ends[0]);
  if (problem == ENOENT) return fail_absent(err);
  if (problem) return hgl_fail(err, HGL_IO, "systemctl: %s", strerror(problem));
  while (waitpid(pid, &result, 0) < 0 && errno == EINTR) {
  }
  hgl_buf_append_byte(shown, 0);
  int status = hgl_buf_check(shown, err);
  if (status || (WIFEXITED(result) && WEXITSTATUS(result) == 0)) return status;
  const char *said = (const char *)shown->data;
  if ((WIFEXITED(result) && WEXITSTATUS(result) == NOT_THERE) || strstr(said, "not been booted") ||
      strstr(said, "Failed to connect to bus"))
    return fail_absent(err);
  return hgl_fail(err, HGL_IO, "systemctl: %.*s", (int)strcspn(said, "\n"), said);
}

int hgl_service_status(const char *unit, bool user, struct hgl_buf *out,
                       enum hgl_service_state *state, struct hgl_err *err)
{
  struct hgl_buf shown;
  hgl_buf_init(&shown, SHOWN_SIZE_MAX);
  int status = ask(unit, user, &shown, err);
  if (!status) *state = hgl_service_explain(unit, (const char *)shown.data, out);
  hgl_buf_deinit(&shown);
  return status ? status : hgl_buf_check(out, err);
}
