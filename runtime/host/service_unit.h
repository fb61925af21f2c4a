/* The text of a systemd unit that runs a host. Pure. */
#ifndef HGL_HOST_SERVICE_UNIT_H
#define HGL_HOST_SERVICE_UNIT_H

#include "base/buf.h"
#include "host/options.h"

struct hgl_service_options {
  const char *name;    /* of the host; NULL: the only one of the machine */
  bool templated;      /* haggle@.service: the name and the host file come with each instance */
  bool user;           /* of a user's manager, which can confine less */
  const char *program; /* absolute path */
  const char *config;  /* absolute path of the host file; NULL with templated */
  struct hgl_texts secrets; /* "NAME=FILE", absolute: credentials; "passphrase" opens the keys */
  int64_t grace_ms;
  int listen_port; /* below 1024 it needs a capability */
};

enum { HGL_UNIT_SIZE_MAX = 64 << 10 };

/* "haggle.service", "haggle-NAME.service" or "haggle@.service". */
void hgl_service_unit_name(const struct hgl_service_options *service, char out[128]);
/* Appends the unit. HGL_INVALID: a path that a unit cannot hold. */
int hgl_service_unit(const struct hgl_service_options *service, struct hgl_buf *out,
                     struct hgl_err *err) HGL_NODISCARD;
/* Whether a unit's text is as it was once written by us: its last line holds the hash of the rest.
 */
bool hgl_service_unit_is_ours(struct hgl_bytes text);

#endif
