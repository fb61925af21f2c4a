/* URLs of the HTTP client, read by libcurl's parser: what the policy is asked about is what is
 * connected to. */
#ifndef HGL_NET_HTTP_URL_H
#define HGL_NET_HTTP_URL_H

#include <stdbool.h>

#include "base/err.h"

enum { HGL_HTTP_HOST_SIZE_MAX = 253 };

struct hgl_http_url {
  bool secure;
  char host[HGL_HTTP_HOST_SIZE_MAX + 1]; /* lower case, no trailing dot, IPv6 without brackets */
  int port;
  char *text; /* the whole, without a fragment */
};

/* `base`: what a Location is relative to, or NULL; the parser is then as lenient as browsers are.
 * HGL_INVALID: no URL, not http or https, with a user in it, or a host that is not ASCII. The owner
 * frees with hgl_http_url_deinit; a zeroed one is empty. */
int hgl_http_url_parse(const char *text, const struct hgl_http_url *base, struct hgl_http_url *out,
                       struct hgl_err *err) HGL_NODISCARD;
void hgl_http_url_deinit(struct hgl_http_url *url);
bool hgl_http_url_same_origin(const struct hgl_http_url *a, const struct hgl_http_url *b);

#endif
