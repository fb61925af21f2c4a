/* What a resolved address is: names and ways of writing addresses are too many to be judged. */
#ifndef HGL_NET_ADDRESS_H
#define HGL_NET_ADDRESS_H

#include <netdb.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

/* As protocol/address.h says; whatever is neither IPv4 nor IPv6 counts as private. */
bool hgl_address_is_private(const struct sockaddr *address);
/* Which only programs of this machine reach. */
bool hgl_address_is_loopback(const struct sockaddr *address);
enum { HGL_ADDRESS_TEXT_SIZE = 46 };
/* As inet_ntop writes it, without a port or a zone; false: neither IPv4 nor IPv6. */
bool hgl_address_write(const struct sockaddr *address, char out[HGL_ADDRESS_TEXT_SIZE]);
/* The same for all addresses that one stranger is likely to have: an IPv4 address, or the /64 of an
 * IPv6 one. */
uint64_t hgl_address_origin(const struct sockaddr *address);
/* The address whose turn it is of those that a name has: they are gone through in their order, and
 * then again. Borrowed from `found`; NULL when that is empty. */
const struct sockaddr *hgl_address_pick(const struct addrinfo *found, unsigned turn);

#endif
