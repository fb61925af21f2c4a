/* The tokens of agents that are served by HTTP with the grant http=token: 32 random bytes in
 * base64url, each in `<data>/tokens/NAME` (0600), made on first use. The file is read whenever a
 * token is checked, so that one that was renewed counts at once. Any process may make and renew;
 * checking is for the loop thread. */
#ifndef HGL_HOST_HTTP_TOKENS_H
#define HGL_HOST_HTTP_TOKENS_H

#include <limits.h>

#include "base/buf.h"
#include "base/seam.h"

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

#endif
