/* Tokens: 32 random bytes in base64url, each in a file below `<data>/tokens` (0600), made on first
 * use. NAME is that of an agent that is served by HTTP with the grant http=token; "@viewer" and
 * "@operator" are those of the roles in which the host's dashboard is opened. The file is read
 * whenever a token is checked, so that one that was renewed counts at once. Any process may make
 * and renew; checking is for the loop thread. */
#ifndef HGL_HOST_HTTP_TOKENS_H
#define HGL_HOST_HTTP_TOKENS_H

#include <limits.h>

#include "base/buf.h"
#include "base/seam.h"
#include "host/control_client.h"

enum {
  HGL_TOKEN_TEXT_SIZE = 43,
  HGL_TOKEN_ORIGINS = 256,  /* that are remembered for wrong tokens */
  HGL_TOKEN_WRONG_MAX = 10, /* of one origin within: */
  HGL_TOKEN_WRONG_MS = 60 * 1000,
};

/* Appends the agent's token, which is made if there is none, or anew with `renew`. `data`: the data
 * folder, which must be there. HGL_INVALID: no agent's name; HGL_DENIED: others may read the file;
 * HGL_CORRUPT; HGL_IO. */
int hgl_http_token(const char *data, const char *agent, bool renew, const struct hgl_random *random,
                   struct hgl_buf *out, struct hgl_err *err) HGL_NODISCARD;

const char *hgl_role_name(enum hgl_role role); /* "viewer" */
/* Likewise, of HGL_ROLE_VIEWER or HGL_ROLE_OPERATOR. */
int hgl_role_token(const char *data, enum hgl_role role, bool renew,
                   const struct hgl_random *random, struct hgl_buf *out,
                   struct hgl_err *err) HGL_NODISCARD;

struct hgl_wrong_tokens {
  uint64_t origin;
  int count;
  int64_t since_ms; /* monotonic; 0: free */
};

/* Who has shown wrong ones. Zeroed: nobody. */
struct hgl_http_guard {
  struct hgl_wrong_tokens wrong[HGL_TOKEN_ORIGINS];
};

/* HGL_DENIED: it is not the agent's; HGL_LIMIT: likewise, and this origin has shown too many such.
 * Who shows the right one is never refused for what others at the same address have shown, such as
 * that of a proxy. The comparison takes the same time whatever differs. */
int hgl_http_token_check(struct hgl_http_guard *guard, const char *data, const char *agent,
                         struct hgl_bytes token, uint64_t origin, int64_t now_ms,
                         const struct hgl_random *random, struct hgl_err *err) HGL_NODISCARD;
/* Likewise; *role is whose token it is. */
int hgl_role_token_check(struct hgl_http_guard *guard, const char *data, struct hgl_bytes token,
                         uint64_t origin, int64_t now_ms, const struct hgl_random *random,
                         enum hgl_role *role, struct hgl_err *err) HGL_NODISCARD;

#endif
