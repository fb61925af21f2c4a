/* A log file that is rotated by its size: FILE is written, FILE.1 is the one before, up to
 * FILE.keep; what is older is gone. Names change by rename alone, so that no line is lost or stands
 * twice, whatever ends the process, and whoever follows a file goes on to its end. A line is
 * written whole or not at all. One process a file; one thread at a time. */
#ifndef HGL_HOST_LOG_FILE_H
#define HGL_HOST_LOG_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

struct hgl_log_file;

/* Appends to what is there, or makes it (mode 0640). size_max: bytes, 0: it is not rotated. keep:
 * 0: the one before is not kept. HGL_INVALID for what is neither a file nor a character device. */
int hgl_log_file_open(const char *path, int64_t size_max, int keep, struct hgl_log_file **out,
                      struct hgl_err *err) HGL_NODISCARD;
void hgl_log_file_close(struct hgl_log_file *file); /* NULL is allowed */
/* A line with its end. HGL_DISK_FULL, HGL_IO: nothing of it stands in the file. */
int hgl_log_file_write(struct hgl_log_file *file, struct hgl_bytes line,
                       struct hgl_err *err) HGL_NODISCARD;
/* Opens the path again, after somebody else has moved the file away. On failure the old one is
 * written on. */
int hgl_log_file_reopen(struct hgl_log_file *file, struct hgl_err *err) HGL_NODISCARD;

#endif
