#include "net/address.h"

#include <netinet/in.h>
#include <stddef.h>
#include <string.h>

/* In host byte order. */
static bool is_private_v4(uint32_t address)
{
  static const struct {
    uint32_t network;
    int bits;
  } ranges[] = {
      {0x00000000, 8},  /* 0/8: this host */
      {0x0a000000, 8},  /* 10/8 */
      {0x64400000, 10}, /* 100.64/10: shared by a provider's customers */
      {0x7f000000, 8},  /* 127/8 */
      {0xa9fe0000, 16}, /* 169.254/16 */
      {0xac100000, 12}, /* 172.16/12 */
      {0xc0a80000, 16}, /* 192.168/16 */
  };
  for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
    if ((address ^ ranges[i].network) >> (32 - ranges[i].bits) == 0) return true;
  return false;
}

static uint32_t v4_at(const uint8_t *bytes)
{
  return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

/* The IPv4 address inside an IPv6 one. */
static bool carries_v4(const uint8_t *v6, uint32_t *out)
{
  static const uint8_t compatible[12], mapped[12] = {[10] = 0xff, [11] = 0xff},
                                       nat64[12] = {0x00, 0x64, 0xff, 0x9b};
  const uint8_t *at = NULL;
  if (memcmp(v6, compatible, 12) == 0 || memcmp(v6, mapped, 12) == 0 || memcmp(v6, nat64, 12) == 0)
    at = v6 + 12;
  else if (v6[0] == 0x20 && v6[1] == 0x02) /* 6to4 */
    at = v6 + 2;
  if (!at) return false;
  *out = v4_at(at);
  return true;
}

static bool is_private_v6(const uint8_t *v6)
{
  uint32_t v4;
  if (carries_v4(v6, &v4)) return is_private_v4(v4); /* with :: and ::1, which are in ::0/104 */
  return (v6[0] & 0xfe) == 0xfc || (v6[0] == 0xfe && (v6[1] & 0x80) == 0x80); /* with fec0::/10 */
}

static const uint8_t *v6_bytes(const struct sockaddr *address)
{
  return ((const struct sockaddr_in6 *)(const void *)address)->sin6_addr.s6_addr;
}

static uint32_t v4_of(const struct sockaddr *address)
{
  return ntohl(((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr);
}

bool hgl_address_is_private(const struct sockaddr *address)
{
  if (address->sa_family == AF_INET) return is_private_v4(v4_of(address));
  if (address->sa_family == AF_INET6) return is_private_v6(v6_bytes(address));
  return true;
}

uint64_t hgl_address_origin(const struct sockaddr *address)
{
  if (address->sa_family == AF_INET) return v4_of(address);
  if (address->sa_family != AF_INET6) return 0;
  const uint8_t *v6 = v6_bytes(address);
  uint32_t v4;
  if (carries_v4(v6, &v4)) return v4;
  return (uint64_t)v4_at(v6) << 32 | v4_at(v6 + 4);
}
