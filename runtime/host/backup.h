/* A backup of a running host's data folder: the store as it is at one moment, the identities and
 * the certificate, in a new folder that appears once it is whole and synced. It holds keys: folder
 * 0700, files 0600, like the original. A host that is started on it begins a new incarnation.
 *
 * Loop thread; the copying is done by a thread of its own. */
#ifndef HGL_HOST_BACKUP_H
#define HGL_HOST_BACKUP_H

#include <jansson.h>

#include "store/store.h"

struct hgl_backup;

struct hgl_backup_config {
  struct hgl_store *store; /* borrowed until hgl_backup_finish */
  const char *data;        /* the data folder */
  const char *to;          /* absolute; not there yet, or an empty folder */
  int64_t limit_ms;
  void (*wake)(void *user); /* it is done; called on its thread */
  void *wake_user;
};

/* HGL_INVALID: `to` is not absolute, or within the data folder; HGL_EXISTS; HGL_NOT_FOUND: the
 * folder that is to hold it; HGL_DISK_FULL: there is less room than it needs. */
int hgl_backup_start(const struct hgl_backup_config *config, struct hgl_backup **out,
                     struct hgl_err *err) HGL_NODISCARD;
bool hgl_backup_done(struct hgl_backup *backup);
/* Gives up what is not done, waits for the thread and frees. *report: {folder, bytes, ms}, a new
 * reference. On failure nothing is left in `to` or beside it. */
int hgl_backup_finish(struct hgl_backup *backup, json_t **report,
                      struct hgl_err *err) HGL_NODISCARD;

#endif
