/* Grants of secrets. Pure; any thread.
 *
 *   secret=NAME            in headers of requests to wherever net=… allows, and in signatures
 *   secret=NAME@HOST:PORT  in headers of requests to there alone; HOST:PORT as in net/net_grant.h
 */
#ifndef HGL_HOST_SECRET_GRANT_H
#define HGL_HOST_SECRET_GRANT_H

#include "base/bytes.h"
#include "base/err.h"

/* `value`: what follows "secret=". HGL_INVALID. */
int hgl_secret_grant_check(const char *value, struct hgl_err *err) HGL_NODISCARD;
/* Whether the secret may be sent to this host, as struct hgl_http_url has it. */
bool hgl_secret_grants_send(const char *const *grants, struct hgl_bytes name, const char *host,
                            int port);

#endif
