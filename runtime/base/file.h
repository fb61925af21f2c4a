/* Whole files, read. Any thread. */
#ifndef HGL_BASE_FILE_H
#define HGL_BASE_FILE_H

#include <fcntl.h>

#include "base/buf.h"

/* Not blocking: a path may name a pipe that nobody writes to. */
enum { HGL_FILE_READ_FLAGS = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY };

/* Appends the file; pseudo files of /proc included. HGL_NOT_FOUND, HGL_DENIED, HGL_TOO_LARGE,
 * HGL_IO; HGL_INVALID for what is no ordinary file. */
int hgl_file_read(const char *path, size_t size_max, struct hgl_buf *out,
                  struct hgl_err *err) HGL_NODISCARD;
/* The same of one that was opened with HGL_FILE_READ_FLAGS (or that open failed for: -1 and its
 * errno). Takes the descriptor. */
int hgl_file_read_open(int fd, const char *path, size_t size_max, struct hgl_buf *out,
                       struct hgl_err *err) HGL_NODISCARD;
/* The same, for secrets: HGL_DENIED, with advice, when group or others may read or write it and it
 * is no credential that systemd keeps. */
int hgl_file_read_secret(const char *path, size_t size_max, struct hgl_buf *out,
                         struct hgl_err *err) HGL_NODISCARD;
/* What errno says, of a path. */
int hgl_file_failed(const char *path, struct hgl_err *err);

#endif
