/* The URLs under which hosts are dialled: "ws://HOST:PORT[/][#did:key:…]" or wss. */
#ifndef HGL_NET_URL_H
#define HGL_NET_URL_H

#include "protocol/crypto.h"
#include "protocol/limits.h"

struct hgl_url {
  bool secure;
  char host[HGL_URL_SIZE_MAX + 1]; /* an IPv6 address without its brackets */
  int port;                        /* 80 or 443 where none is named */
  bool has_key;
  struct hgl_key key;
  char text[HGL_URL_SIZE_MAX + 1]; /* without the key: what is shown, compared and passed on */
};

/* HGL_MALFORMED. */
int hgl_url_parse(const char *text, struct hgl_url *out, struct hgl_err *err) HGL_NODISCARD;

#endif
