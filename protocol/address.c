#include "protocol/address.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

static uint32_t v4_at(const uint8_t *bytes)
{
  return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

bool hgl_address_v4_is_private(const uint8_t address[4])
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
      {0xc0000000, 24}, /* 192.0.0/24: of protocols */
      {0xc0000200, 24}, /* 192.0.2/24: in documents */
      {0xc0586300, 24}, /* 192.88.99/24: 6to4 relays, given up */
      {0xc0a80000, 16}, /* 192.168/16 */
      {0xc6120000, 15}, /* 198.18/15: benchmarks */
      {0xc6336400, 24}, /* 198.51.100/24: in documents */
      {0xcb007100, 24}, /* 203.0.113/24: in documents */
      {0xe0000000, 3},  /* 224/4: multicast; 240/4: reserved, with broadcast */
  };
  for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
    if ((v4_at(address) ^ ranges[i].network) >> (32 - ranges[i].bits) == 0) return true;
  return false;
}

bool hgl_address_carries_v4(const uint8_t v6[16], uint8_t out[4])
{
  static const uint8_t compatible[12], mapped[12] = {[10] = 0xff, [11] = 0xff},
                                       nat64[12] = {0x00, 0x64, 0xff, 0x9b};
  const uint8_t *at = NULL;
  if (memcmp(v6, compatible, 12) == 0 || memcmp(v6, mapped, 12) == 0 || memcmp(v6, nat64, 12) == 0)
    at = v6 + 12;
  else if (v6[0] == 0x20 && v6[1] == 0x02) /* 6to4 */
    at = v6 + 2;
  if (!at) return false;
  memcpy(out, at, 4);
  return true;
}

/* Of IPv6, 2000::/3 is everybody's: unique local, link-local, site-local and multicast addresses,
 * NAT64 within a network (64:ff9b:1::/48) and what is not given out yet lie outside of it. */
bool hgl_address_v6_is_private(const uint8_t address[16])
{
  uint8_t v4[4];
  if (hgl_address_carries_v4(address, v4))
    return hgl_address_v4_is_private(v4); /* with :: and ::1, which are in ::0/104 */
  if ((address[0] & 0xe0) != 0x20) return true;
  uint32_t begin = v4_at(address);
  return begin >> 9 == 0x20010000 >> 9 || /* 2001::/23: of protocols, Teredo among them */
         begin == 0x20010db8 ||           /* 2001:db8::/32: in documents */
         begin >> 12 == 0x3fff0000 >> 12; /* 3fff::/20: in documents */
}

static bool is_label(const char *label, size_t size, const char *name)
{
  return size == strlen(name) && strncasecmp(label, name, size) == 0;
}

static bool name_is_private(const char *name)
{
  size_t size = strlen(name);
  if (size && name[size - 1] == '.') size--;
  const char *dot = size ? memrchr(name, '.', size) : NULL;
  if (!dot) return true;
  const char *last = dot + 1;
  size_t last_size = size - (size_t)(last - name);
  return last_size == 0 || (*last >= '0' && *last <= '9') ||
         is_label(last, last_size, "localhost") || is_label(last, last_size, "local");
}

bool hgl_address_host_is_private(const char *host)
{
  uint8_t address[16];
  if (inet_pton(AF_INET, host, address) == 1) return hgl_address_v4_is_private(address);
  if (inet_pton(AF_INET6, host, address) == 1) return hgl_address_v6_is_private(address);
  return name_is_private(host);
}
