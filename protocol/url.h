/* The URLs under which hosts are dialled: "ws://HOST:PORT[/][#did:key:…]" or wss. */
#ifndef HGL_PROTOCOL_URL_H
#define HGL_PROTOCOL_URL_H

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
/* Whether its host is private as far as the text tells (protocol/address.h); what is no URL counts
 * as private. */
bool hgl_url_is_private(const char *text);

/* How it is known that a host can be dialled at an address: each is better than the one before. */
enum hgl_url_source {
  HGL_URL_HEARSAY,  /* others say so */
  HGL_URL_CLAIMED,  /* the host itself says so */
  HGL_URL_ANSWERED, /* it was dialled there and answered */
};

/* How much a link to a host is wanted. */
enum hgl_link_want {
  HGL_LINK_UNWANTED,
  HGL_LINK_OWED,   /* something waits for the host, which had spoken first */
  HGL_LINK_SOUGHT, /* an agent here speaks to it of its own accord */
};

#endif
