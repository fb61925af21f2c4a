/* Grants of the form net=HOST:PORT: which hosts an agent may speak to. Pure; any thread.
 *
 *   example.org:443       this name
 *   *.example.org:443     names below it, not itself
 *   *:443                 every name and every public address
 *   192.0.2.7:8080        this address
 *   [2001:db8::7]:8080
 *   10.1.0.0/16:*         addresses of a range; any port
 *   [fd00::/8]:443
 *
 * A private address (protocol/address.h) is reached only when a grant names it or a range over it,
 * whatever the name behind which it stands; loopback also as "localhost". */
#ifndef HGL_NET_NET_GRANT_H
#define HGL_NET_NET_GRANT_H

#include "base/buf.h"
#include "base/err.h"

enum { HGL_NET_GRANT_NAME_MAX = 253 };

enum hgl_net_grant_kind { HGL_GRANT_NAME, HGL_GRANT_BELOW, HGL_GRANT_ANY, HGL_GRANT_RANGE };

struct hgl_net_grant {
  enum hgl_net_grant_kind kind;
  char name[HGL_NET_GRANT_NAME_MAX + 1]; /* lower case, no trailing dot; BELOW: without "*." */
  uint8_t address[16];                   /* RANGE; IPv4 as an IPv6-mapped address */
  int bits;                              /* RANGE: of the 128 */
  int port;                              /* 0: any */
};

/* `text` is what follows "net=". HGL_INVALID says what is wrong and how it is written. */
int hgl_net_grant_parse(struct hgl_bytes text, struct hgl_net_grant *out,
                        struct hgl_err *err) HGL_NODISCARD;
/* In the one form that all ways to write it have in common. */
void hgl_net_grant_write(const struct hgl_net_grant *grant, struct hgl_buf *out);

/* Whether a URL may name this host: a name, or an address (of IPv6 without brackets). HGL_DENIED
 * names the grant that would permit it. */
int hgl_net_grants_allow_host(const struct hgl_net_grant *grants, size_t count, const char *host,
                              int port, struct hgl_err *err) HGL_NODISCARD;
/* Whether `host`, which may be named, may be spoken to at this address, to which it was resolved.
 * HGL_DENIED likewise. */
int hgl_net_grants_allow_address(const struct hgl_net_grant *grants, size_t count, const char *host,
                                 const char *address, int port, struct hgl_err *err) HGL_NODISCARD;

#endif
