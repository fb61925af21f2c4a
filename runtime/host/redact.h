/* The secrets that go out with a request, and how they are kept out of what comes back. */
#ifndef HGL_HOST_REDACT_H
#define HGL_HOST_REDACT_H

#include "host/secrets.h"

enum { HGL_REDACT_SECRETS_MAX = 32 };

struct hgl_redact {
  struct hgl_redact_secret {
    struct hgl_bytes name;        /* borrowed */
    struct hgl_buf value, folded; /* folded: in small letters */
  } secrets[HGL_REDACT_SECRETS_MAX];
  size_t count;
}; /* zeroed: none */

void hgl_redact_deinit(struct hgl_redact *redact);
/* Appends the value of one more secret. HGL_INVALID: there are too many; else as
 * hgl_secrets_get. */
int hgl_redact_add(struct hgl_redact *redact, const struct hgl_secrets *secrets,
                   struct hgl_bytes name, struct hgl_buf *out, struct hgl_err *err) HGL_NODISCARD;
/* Appends the text with "[secret NAME]" for each of them, in whatever case it is written: names of
 * hosts and headers come in small letters. The time is linear in the text, for each secret. */
void hgl_redact_put(const struct hgl_redact *redact, struct hgl_bytes text, struct hgl_buf *out);
bool hgl_redact_finds(const struct hgl_redact *redact, struct hgl_bytes text);

#endif
