/* Where things lie. */
#ifndef HGL_HOST_PATHS_H
#define HGL_HOST_PATHS_H

#include <limits.h>

#include "base/err.h"

#define HGL_DATA_DEFAULT ".haggle"

/* The folder that holds haggle/market.lua …: the source tree's for a program that stands in its
 * build folder, else `../share/haggle/stdlib` beside the program. HGL_NOT_FOUND. */
int hgl_stdlib_folder(char out[PATH_MAX], struct hgl_err *err) HGL_NODISCARD;

/* The folder of haggle-engine-NAME.so: `engines` of the build folder for a program that stands
 * there, else `../lib/haggle/engines` beside the program. It need not be there. */
int hgl_engines_folder(char out[PATH_MAX], struct hgl_err *err) HGL_NODISCARD;

/* The control socket of a data folder, under a name that is short whatever the folder's: a socket's
 * address holds little more than 100 bytes. The name is good while the descriptor is open. */
struct hgl_socket_path {
  int folder_fd;
  char text[64];
};
/* HGL_NOT_FOUND: there is no such folder. */
int hgl_socket_path_open(struct hgl_socket_path *path, const char *data,
                         struct hgl_err *err) HGL_NODISCARD;
void hgl_socket_path_close(struct hgl_socket_path *path);

#endif
