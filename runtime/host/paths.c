#include "host/paths.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int program_folder(char out[PATH_MAX], struct hgl_err *err)
{
  ssize_t size = readlink("/proc/self/exe", out, PATH_MAX - 1);
  if (size <= 0) return hgl_fail(err, HGL_IO, "/proc/self/exe: %s", strerror(errno));
  out[size] = 0;
  *strrchr(out, '/') = 0;
  return 0;
}

int hgl_engines_folder(char out[PATH_MAX], struct hgl_err *err)
{
  char program[PATH_MAX], folder[PATH_MAX];
  int status = program_folder(program, err);
  if (status) return status;
  bool built = strcmp(program, HGL_BUILD_FOLDER) == 0;
  int made = snprintf(folder, sizeof folder, "%s%s", program,
                      built ? "/engines" : "/../lib/haggle/engines");
  if (made >= (int)sizeof folder)
    return hgl_fail(err, HGL_INVALID, "the program's path is too long");
  memcpy(out, folder, (size_t)made + 1);
  return 0;
}

int hgl_stdlib_folder(char out[PATH_MAX], struct hgl_err *err)
{
  char program[PATH_MAX], folder[PATH_MAX];
  int status = program_folder(program, err);
  if (status) return status;
  int made = strcmp(program, HGL_BUILD_FOLDER) == 0
                 ? snprintf(folder, sizeof folder, "%s", HGL_SOURCE_STDLIB)
                 : snprintf(folder, sizeof folder, "%s/../share/haggle/stdlib", program);
  if (made >= (int)sizeof folder || access(folder, R_OK | X_OK))
    return hgl_fail(err, HGL_NOT_FOUND,
                    "the standard library is not at %s; install it beside the program", folder);
  memcpy(out, folder, (size_t)made + 1);
  return 0;
}

int hgl_socket_path_open(struct hgl_socket_path *path, const char *data, struct hgl_err *err)
{
  path->folder_fd = open(data, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (path->folder_fd < 0)
    return hgl_fail(err, errno == ENOENT ? HGL_NOT_FOUND : HGL_IO, "data folder %s: %s", data,
                    strerror(errno));
  snprintf(path->text, sizeof path->text, "/proc/self/fd/%d/control.sock", path->folder_fd);
  return 0;
}

void hgl_socket_path_close(struct hgl_socket_path *path)
{
  if (path->folder_fd >= 0) close(path->folder_fd);
  path->folder_fd = -1;
}
