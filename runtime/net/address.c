#include "net/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>

#include "protocol/address.h"

static const uint8_t *v4_bytes(const struct sockaddr *address)
{
  return (const uint8_t *)&((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr;
}

static const uint8_t *v6_bytes(const struct sockaddr *address)
{
  return ((const struct sockaddr_in6 *)(const void *)address)->sin6_addr.s6_addr;
}

static uint32_t number(const uint8_t *bytes)
{
  return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

bool hgl_address_is_private(const struct sockaddr *address)
{
  if (address->sa_family == AF_INET) return hgl_address_v4_is_private(v4_bytes(address));
  if (address->sa_family == AF_INET6) return hgl_address_v6_is_private(v6_bytes(address));
  return true;
}

bool hgl_address_is_loopback(const struct sockaddr *address)
{
  static const uint8_t v6_loopback[16] = {[15] = 1};
  uint8_t v4[4];
  if (address->sa_family == AF_INET) return v4_bytes(address)[0] == 127;
  if (address->sa_family != AF_INET6) return false;
  const uint8_t *v6 = v6_bytes(address);
  if (memcmp(v6, v6_loopback, sizeof v6_loopback) == 0) return true;
  return hgl_address_carries_v4(v6, v4) && v4[0] == 127;
}

bool hgl_address_write(const struct sockaddr *address, char out[HGL_ADDRESS_TEXT_SIZE])
{
  bool v4 = address->sa_family == AF_INET;
  if (!v4 && address->sa_family != AF_INET6) return false;
  const uint8_t *bytes = v4 ? v4_bytes(address) : v6_bytes(address);
  return inet_ntop(address->sa_family, bytes, out, HGL_ADDRESS_TEXT_SIZE) != NULL;
}

uint64_t hgl_address_origin(const struct sockaddr *address)
{
  if (address->sa_family == AF_INET) return number(v4_bytes(address));
  if (address->sa_family != AF_INET6) return 0;
  const uint8_t *v6 = v6_bytes(address);
  uint8_t v4[4];
  if (hgl_address_carries_v4(v6, v4)) return number(v4);
  return (uint64_t)number(v6) << 32 | number(v6 + 4);
}

const struct sockaddr *hgl_address_pick(const struct addrinfo *found, unsigned turn)
{
  unsigned count = 0;
  for (const struct addrinfo *at = found; at; at = at->ai_next) count++;
  if (!count) return NULL;
  const struct addrinfo *at = found;
  for (unsigned left = turn % count; left; left--) at = at->ai_next;
  return at->ai_addr;
}
