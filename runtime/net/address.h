/* What a resolved address is: names and ways of writing addresses are too many to be judged. */
#ifndef HGL_NET_ADDRESS_H
#define HGL_NET_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

/* This machine or a network that is not everybody's: loopback, unspecified, link-local, RFC 1918,
 * RFC 6598 (100.64/10), RFC 4193, also when an IPv6 address carries such an IPv4 one (mapped,
 * compatible, 6to4, NAT64). Whatever is neither IPv4 nor IPv6 counts as private. */
bool hgl_address_is_private(const struct sockaddr *address);
/* The same for all addresses that one stranger is likely to have: an IPv4 address, or the /64 of an
 * IPv6 one. */
uint64_t hgl_address_origin(const struct sockaddr *address);

#endif
