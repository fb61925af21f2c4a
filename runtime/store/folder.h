/* The data folder of a host: made, locked for this process, and its data file looked at before
 * anything maps it (reading a mapped file beyond its end kills the process). */
#ifndef HGL_STORE_FOLDER_H
#define HGL_STORE_FOLDER_H

#include <limits.h>

#include "base/buf.h"

struct hgl_folder {
  int lock_fd;              /* -1: not open */
  char data_path[PATH_MAX]; /* of the data file */
  char new_path[PATH_MAX];  /* where it is made, before it gets its name */
};

/* Makes the folder with mode 0700 when missing. HGL_IN_USE names the process that holds it. */
int hgl_folder_open(struct hgl_folder *folder, const char *path, struct hgl_err *err) HGL_NODISCARD;
void hgl_folder_close(struct hgl_folder *folder); /* gives up the lock */
/* HGL_NOT_FOUND: there is none yet. HGL_CORRUPT: it is damaged, see pages.h. */
int hgl_folder_check_data(const struct hgl_folder *folder, struct hgl_err *err) HGL_NODISCARD;
/* Removes what a start that was cut short left of a new data file. */
void hgl_folder_discard_new(const struct hgl_folder *folder);
/* Gives the new data file its name, durably. */
int hgl_folder_adopt_new(const struct hgl_folder *folder, struct hgl_err *err) HGL_NODISCARD;
/* Appends machine id, device, inode and, where it is known, time of birth of the data file. */
int hgl_folder_identity(const struct hgl_folder *folder, struct hgl_buf *out,
                        struct hgl_err *err) HGL_NODISCARD;

#endif
