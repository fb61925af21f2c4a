/* Whole files, read on behalf of agents and written. Any thread. */
#ifndef HGL_HOST_FILE_H
#define HGL_HOST_FILE_H

#include "base/file.h"

/* hgl_file_read on behalf of an agent: HGL_DENIED for a path through a link of /proc to a place
 * outside of it (/proc/self/root, /proc/self/cwd, /proc/self/fd/N), and through any link that leads
 * out of the folder that the first `folder_size` bytes of the path name (0: such links are
 * followed). */
int hgl_file_read_confined(const char *path, size_t folder_size, size_t size_max,
                           struct hgl_buf *out, struct hgl_err *err) HGL_NODISCARD;
/* Makes or replaces a file on behalf of an agent, whole and durable, with the mode that it has;
 * links are followed no more than by hgl_file_read_confined. `mark` tells the file that is made on
 * the way from others; one that was left by a crash is written again. Errors as above, and
 * HGL_DISK_FULL. */
int hgl_file_write_confined(const char *path, size_t folder_size, struct hgl_bytes bytes,
                            const char *mark, struct hgl_err *err) HGL_NODISCARD;
/* Removes a file, not a folder, likewise. */
int hgl_file_remove_confined(const char *path, size_t folder_size,
                             struct hgl_err *err) HGL_NODISCARD;
/* A new file, whole or not at all, durable on return. HGL_EXISTS. */
int hgl_file_create(const char *path, struct hgl_bytes bytes, int mode,
                    struct hgl_err *err) HGL_NODISCARD;
/* Likewise, but replaces a file that is there. */
int hgl_file_replace(const char *path, struct hgl_bytes bytes, int mode,
                     struct hgl_err *err) HGL_NODISCARD;
/* Makes what was renamed or made in this file's folder durable. */
int hgl_file_sync_folder(const char *path, struct hgl_err *err) HGL_NODISCARD;

#endif
