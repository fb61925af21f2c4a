#include "host/secret_grant.h"

#include <string.h>

#include "host/secrets.h"
#include "net/net_grant.h"

static const char kind[] = "secret=";

/* What follows the "@", NULL where there is none. */
static const char *place_of(const char *value)
{
  const char *at = strchr(value, '@');
  return at ? at + 1 : NULL;
}

static struct hgl_bytes name_of(const char *value)
{
  return hgl_bytes(value, strcspn(value, "@"));
}

int hgl_secret_grant_check(const char *value, struct hgl_err *err)
{
  struct hgl_net_grant parsed;
  struct hgl_bytes name = name_of(value);
  const char *place = place_of(value);
  if (!name.size || name.size > HGL_SECRET_NAME_SIZE_MAX || memchr(name.data, '*', name.size))
    return hgl_fail(err, HGL_INVALID, "expected the name of one secret, or NAME@HOST:PORT");
  return place ? hgl_net_grant_parse(hgl_text(place), &parsed, err) : 0;
}

/* What one of the grants says of the secret: its value; NULL: it is about another thing. */
static const char *about(const char *grant, struct hgl_bytes name)
{
  if (strncmp(grant, kind, strlen(kind)) != 0) return NULL;
  return hgl_bytes_equal(name_of(grant + strlen(kind)), name) ? grant + strlen(kind) : NULL;
}

bool hgl_secret_grants_send(const char *const *grants, struct hgl_bytes name, const char *host,
                            int port)
{
  for (; grants && *grants; grants++) {
    struct hgl_net_grant parsed;
    struct hgl_err ignored;
    const char *value = about(*grants, name), *place = value ? place_of(value) : NULL;
    if (value && !place) return true;
    if (place && hgl_net_grant_parse(hgl_text(place), &parsed, &ignored) == 0 &&
        hgl_net_grants_allow_host(&parsed, 1, host, port, &ignored) == 0)
      return true;
  }
  return false;
}
