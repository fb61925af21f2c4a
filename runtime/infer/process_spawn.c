#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "infer/process_internal.h"

enum { MOVED_TO = 10, ARGUMENTS_MAX = 14, DIES_WITHIN_MS = 5000 };

/* What libraries of engines need to find: themselves, their devices and their caches. Secrets of
 * the host may be in the rest. */
static bool is_passed_on(const char *variable)
{
  static const char *const beginnings[] = {
      "PATH=",
      "HOME=",
      "TMPDIR=",
      "LD_LIBRARY_PATH=",
      "XDG_CACHE_HOME=",
      "XDG_RUNTIME_DIR=",
      "CUDA_",
      "NVIDIA_",
      "VK_",
      "GGML_",
      "OMP_",
      "MESA_",
      "LIBGL_",
      "HIP_",
      "ROCR_",
      "ASAN_OPTIONS=",
      "UBSAN_OPTIONS=",
      "LSAN_OPTIONS=",
      "ORT_", /* its telemetry is off by a variable */
  };
  for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++)
    if (strncmp(variable, beginnings[i], strlen(beginnings[i])) == 0) return true;
  return false;
}

static char **make_environment(void)
{
  static char locale[] = "LC_ALL=C.UTF-8";
  size_t count = 0;
  while (environ && environ[count]) count++;
  char **made = hgl_array(count + 2, sizeof *made);
  if (!made) return NULL;
  size_t kept = 0;
  made[kept++] = locale;
  for (size_t i = 0; i < count; i++)
    if (is_passed_on(environ[i])) made[kept++] = environ[i];
  return made;
}

/* The file that this program was, as long as it is that; else the program as the kernel has it. */
static const char *own_program(char path[PATH_MAX])
{
  ssize_t size = readlink("/proc/self/exe", path, PATH_MAX - 1);
  if (size > 0) path[size] = 0;
  return size > 0 && access(path, X_OK) == 0 ? path : "/proc/self/exe";
}

static int fill_actions(posix_spawn_file_actions_t *actions, int fd, int memory)
{
  int problem = posix_spawn_file_actions_addopen(actions, 0, "/dev/null", O_RDONLY, 0);
  if (!problem) problem = posix_spawn_file_actions_adddup2(actions, 2, 1);
  if (!problem) problem = posix_spawn_file_actions_adddup2(actions, fd, HGL_PROCESS_SOCKET);
  if (!problem) problem = posix_spawn_file_actions_adddup2(actions, memory, HGL_PROCESS_MEMORY);
  if (!problem) problem = posix_spawn_file_actions_addclosefrom_np(actions, HGL_PROCESS_MEMORY + 1);
  return problem;
}

/* Signals as at first, and a group of its own: Ctrl-C is for the host, which ends it in order. */
static int fill_attributes(posix_spawnattr_t *attributes)
{
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  int problem = posix_spawnattr_setsigmask(attributes, &none);
  if (!problem) problem = posix_spawnattr_setsigdefault(attributes, &all);
  if (!problem) problem = posix_spawnattr_setpgroup(attributes, 0);
  if (!problem)
    problem = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                                       POSIX_SPAWN_SETPGROUP);
  return problem;
}

static int spawn(struct process *process, int fd, int memory, char **environment)
{
  char path[PATH_MAX], *arguments[ARGUMENTS_MAX + 2];
  const char *program = process->program ? process->program : own_program(path);
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  size_t count = 0;
  arguments[count++] = (char *)program;
  for (; process->arguments && process->arguments[count - 1] && count <= ARGUMENTS_MAX; count++)
    arguments[count] = (char *)process->arguments[count - 1];
  arguments[count] = NULL;
  int problem = posix_spawn_file_actions_init(&actions);
  if (problem) return problem;
  problem = posix_spawnattr_init(&attributes);
  if (!problem) {
    problem = fill_actions(&actions, fd, memory);
    if (!problem) problem = fill_attributes(&attributes);
    pid_t pid = 0;
    if (!problem)
      problem = posix_spawn(&pid, program, &actions, &attributes, arguments, environment);
    if (!problem) process->pid = pid;
    posix_spawnattr_destroy(&attributes);
  }
  posix_spawn_file_actions_destroy(&actions);
  return problem;
}

/* Out of the way of where it will be. */
static int move(int *fd)
{
  int moved = fcntl(*fd, F_DUPFD_CLOEXEC, MOVED_TO);
  if (moved < 0) return errno;
  close(*fd);
  *fd = moved;
  return 0;
}

int process_spawn(struct process *process, struct hgl_err *err)
{
  int fd, memory;
  int status = hgl_channel_create(&process->channel, &fd, &memory, err);
  if (status) return status;
  char **environment = make_environment();
  int problem = environment ? move(&fd) : ENOMEM;
  if (!problem) problem = move(&memory);
  pthread_mutex_lock(&process->lock);
  if (!problem) problem = spawn(process, fd, memory, environment);
  pthread_mutex_unlock(&process->lock);
  hgl_free(environment);
  close(fd);
  close(memory);
  if (problem) {
    hgl_channel_deinit(&process->channel);
    return hgl_fail(err, problem == ENOMEM ? HGL_NO_MEMORY : HGL_IO,
                    "a process for the engine cannot be begun: %s", strerror(problem));
  }
  process->pid_fd = pidfd_open(process->pid, 0); /* -1: an old kernel; the socket will do */
  return 0;
}

static void say_how(int status, char *out, size_t size)
{
  int number = WTERMSIG(status);
  const char *name = sigdescr_np(number);
  if (WIFEXITED(status))
    snprintf(out, size, "ended with status %d", WEXITSTATUS(status));
  else
    snprintf(out, size, "was ended by signal %d (%s)", number, name ? name : "?");
}

void process_reap(struct process *process, bool kill_first, char *out, size_t size)
{
  int status = 0;
  struct pollfd pid = {.fd = process->pid_fd, .events = POLLIN};
  /* What closes its socket is about to die, or pretends to. */
  if (!kill_first && (process->pid_fd < 0 || poll(&pid, 1, DIES_WITHIN_MS) <= 0)) kill_first = true;
  if (kill_first) kill(-process->pid, SIGKILL); /* and what it began */
  while (waitpid(process->pid, &status, 0) < 0 && errno == EINTR) continue;
  say_how(status, out, size);
  if (process->pid_fd >= 0) close(process->pid_fd);
  process->pid_fd = -1;
  hgl_channel_deinit(&process->channel);
  pthread_mutex_lock(&process->lock);
  process->pid = 0;
  pthread_mutex_unlock(&process->lock);
}
