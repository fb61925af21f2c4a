/* Which addresses are not everybody's. */
#ifndef HGL_PROTOCOL_ADDRESS_H
#define HGL_PROTOCOL_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>

/* This machine or a network that is not everybody's, by the registries of special-purpose addresses
 * (RFC 6890): loopback, unspecified, link-local, RFC 1918, RFC 6598 (100.64/10), RFC 4193,
 * multicast, reserved, documentation, benchmarks, also when an IPv6 address carries such an IPv4
 * one (mapped, compatible, 6to4, NAT64). The address is in network byte order. */
bool hgl_address_v4_is_private(const uint8_t address[4]);
bool hgl_address_v6_is_private(const uint8_t address[16]);
/* The IPv4 address inside an IPv6 one; false: there is none. */
bool hgl_address_carries_v4(const uint8_t v6[16], uint8_t out[4]);
/* The same of a host as a URL names it: an address (of IPv6 without brackets) or a name. Private
 * names: without a dot, under "localhost" or "local", and those that only look like a name
 * ("127.1"): their last part begins with a digit. Where another name leads is known only once it is
 * resolved. */
bool hgl_address_host_is_private(const char *host);

#endif
