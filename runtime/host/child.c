#include "host/child.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/seam.h"
#include "host/file.h"
#include "host/paths.h"
#include "protocol/value.h"

enum { ARGUMENTS_MAX = 32, POLL_MS = 5, LOG_TAIL_SIZE = 400 };

int hgl_folder_make(const char *folder, struct hgl_err *err)
{
  char path[PATH_MAX];
  size_t size = strlen(folder);
  if (!size || size >= sizeof path)
    return hgl_fail(err, HGL_INVALID, "not the path of a folder: %.200s", folder);
  memcpy(path, folder, size + 1);
  for (char *at = path + 1;; at++) {
    if (*at && *at != '/') continue;
    char kept = *at;
    *at = 0;
    if (mkdir(path, 0700) && errno != EEXIST)
      return hgl_fail(err, HGL_IO, "cannot make the folder %.200s: %s", path, strerror(errno));
    *at = kept;
    if (!kept) return 0;
  }
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *walk)
{
  return remove(path);
}

void hgl_folder_remove(const char *folder)
{
  nftw(folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

/* ---- starting ---- */

/* Between fork and exec: only what is safe there. */
static void become_host(const char *const *argv, const char *log_path, pid_t parent)
{
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != parent) _exit(1);
  int log = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (log < 0 || null < 0) _exit(1);
  dup2(null, 0);
  dup2(log, 1);
  dup2(log, 2);
  char *const *words; /* execv changes none of them */
  memcpy(&words, &argv, sizeof words);
  execv("/proc/self/exe", words);
  _exit(127);
}

static int connect_once(struct hgl_child *child, struct hgl_err *err)
{
  struct hgl_socket_path path = {.folder_fd = -1};
  int status = hgl_socket_path_open(&path, child->data, err);
  if (status == 0) status = hgl_control_connect(path.text, &child->caller, err);
  hgl_socket_path_close(&path);
  return status;
}

int hgl_child_start(struct hgl_child *child, const char *data, const char *const *arguments,
                    struct hgl_err *err)
{
  const char *argv[ARGUMENTS_MAX + 5] = {"haggle", "run", "--data", data};
  size_t count = 0;
  for (; arguments[count]; count++) {
    if (count == ARGUMENTS_MAX) return hgl_fail(err, HGL_LIMIT, "too many arguments for a host");
    argv[4 + count] = arguments[count];
  }
  int status = hgl_folder_make(data, err);
  if (status) return status;
  char log_path[PATH_MAX];
  snprintf(log_path, sizeof log_path, "%s/host.log", data);
  *child = (struct hgl_child){.data = hgl_strndup(data, strlen(data)),
                              .log_path = hgl_strndup(log_path, strlen(log_path))};
  if (!child->data || !child->log_path) {
    hgl_child_stop(child, 0);
    return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  }
  if (connect_once(child, err) == 0) { /* another's host, which must not be taken for this one */
    hgl_child_stop(child, 0);
    return hgl_fail(err, HGL_IN_USE, "a host runs on the data folder %.200s already", data);
  }
  pid_t parent = getpid(), pid = fork();
  if (pid < 0) {
    hgl_child_stop(child, 0);
    return hgl_fail(err, HGL_IO, "cannot start a process: %s", strerror(errno));
  }
  if (pid == 0) become_host(argv, log_path, parent);
  child->pid = pid;
  return 0;
}

bool hgl_child_alive(struct hgl_child *child)
{
  int status;
  if (child->pid && waitpid(child->pid, &status, WNOHANG) == child->pid) child->pid = 0;
  return child->pid != 0;
}

/* The end of its log: most often the reason is in the last line. */
static int ended(struct hgl_child *child, struct hgl_err *err)
{
  char tail[LOG_TAIL_SIZE + 1] = "";
  FILE *log = fopen(child->log_path, "rb");
  if (log) {
    if (fseek(log, -LOG_TAIL_SIZE, SEEK_END)) rewind(log);
    size_t size = fread(tail, 1, LOG_TAIL_SIZE, log);
    tail[size] = 0;
    fclose(log);
  }
  size_t size = strlen(tail);
  while (size && tail[size - 1] == '\n') tail[--size] = 0;
  return hgl_fail(err, HGL_CLOSED, "the host on %.100s ended; its log says: %.300s", child->data,
                  tail);
}

/* The address with which others join it. */
static int read_join_url(struct hgl_child *child, struct hgl_err *err)
{
  json_t *host = NULL;
  int status = hgl_child_call(child, "{\"call\":\"describe\"}", 5000, &host, err);
  if (status) return status;
  const char *url = json_string_value(json_array_get(json_object_get(host, "urls"), 0));
  const char *did = json_string_value(json_object_get(host, "did"));
  char join[1024];
  snprintf(join, sizeof join, "%s#%s", url ? url : "", did ? did : "");
  json_decref(host);
  child->join_url = hgl_strndup(join, strlen(join));
  return child->join_url ? 0 : hgl_fail(err, HGL_NO_MEMORY, "out of memory");
}

int hgl_child_wait_ready(struct hgl_child *child, int timeout_ms, struct hgl_err *err)
{
  const struct timespec pause = {0, POLL_MS * 1000000};
  int64_t until = hgl_mono_ns(&hgl_clock_system) + (int64_t)timeout_ms * 1000000;
  while (connect_once(child, err)) {
    if (!hgl_child_alive(child)) return ended(child, err);
    if (hgl_mono_ns(&hgl_clock_system) > until)
      return hgl_fail(err, HGL_TIMEOUT, "the host on %.200s does not answer after %d ms",
                      child->data, timeout_ms);
    nanosleep(&pause, NULL);
  }
  int status = read_join_url(child, err);
  return status || hgl_child_alive(child) ? status : ended(child, err);
}

/* ---- talking ---- */

int hgl_child_call(struct hgl_child *child, const char *request, int timeout_ms, json_t **result,
                   struct hgl_err *err)
{
  struct hgl_bytes line;
  json_t *answer = NULL;
  int status = hgl_control_call(child->caller, hgl_text(request), err);
  if (!status) status = hgl_control_next(child->caller, timeout_ms, &line, err);
  if (!status) status = hgl_json_parse(line, HGL_CONTROL_LINE_SIZE_MAX, &answer, err);
  if (status) return status;
  if (json_is_true(json_object_get(answer, "ok"))) {
    *result = json_incref(json_object_get(answer, "result"));
  } else {
    const json_t *why = json_object_get(answer, "error");
    const char *code = json_string_value(json_object_get(why, "code"));
    const char *message = json_string_value(json_object_get(why, "message"));
    enum hgl_code number = code ? hgl_code_from_name(code, strlen(code)) : HGL_OK;
    status = hgl_fail(err, number ? number : HGL_INTERNAL, "%s", message ? message : "no reason");
  }
  json_decref(answer);
  return status;
}

void hgl_child_stop(struct hgl_child *child, int timeout_ms)
{
  const struct timespec pause = {0, POLL_MS * 1000000};
  hgl_control_hang_up(child->caller);
  if (child->pid) kill(child->pid, SIGTERM);
  int64_t until = hgl_mono_ns(&hgl_clock_system) + (int64_t)timeout_ms * 1000000;
  while (hgl_child_alive(child)) {
    if (hgl_mono_ns(&hgl_clock_system) > until) {
      kill(child->pid, SIGKILL);
      waitpid(child->pid, NULL, 0);
      break;
    }
    nanosleep(&pause, NULL);
  }
  hgl_free(child->data);
  hgl_free(child->log_path);
  hgl_free(child->join_url);
  *child = (struct hgl_child){0};
}
