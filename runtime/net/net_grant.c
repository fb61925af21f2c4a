#include "net/net_grant.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "protocol/address.h"

enum {
  V4_BITS = 96, /* before an IPv4 address in its IPv6-mapped form */
  LABEL_SIZE_MAX = 63,
  ADDRESS_TEXT_SIZE = INET6_ADDRSTRLEN + 1,
};

/* Addresses --------------------------------------------------------------------------------------
 */

/* As 16 bytes whatever the family, so that ::ffff:10.1.2.3 and 10.1.2.3 are the same. */
static bool read_address(const char *text, uint8_t out[16])
{
  static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
  if (inet_pton(AF_INET6, text, out) == 1) return true;
  if (inet_pton(AF_INET, text, out + 12) != 1) return false;
  memcpy(out, mapped, sizeof mapped);
  return true;
}

static bool is_v4(const uint8_t address[16])
{
  static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
  return memcmp(address, mapped, sizeof mapped) == 0;
}

static void write_address(const uint8_t address[16], char out[ADDRESS_TEXT_SIZE])
{
  *out = '\0';
  if (is_v4(address))
    inet_ntop(AF_INET, address + 12, out, ADDRESS_TEXT_SIZE);
  else
    inet_ntop(AF_INET6, address, out, ADDRESS_TEXT_SIZE);
}

static bool is_loopback(const uint8_t address[16])
{
  static const uint8_t v6[16] = {[15] = 1};
  return is_v4(address) ? address[12] == 127 : memcmp(address, v6, sizeof v6) == 0;
}

static void mask(uint8_t address[16], int bits)
{
  for (int i = 0; i < 16; i++) {
    int kept = bits - 8 * i;
    if (kept <= 0)
      address[i] = 0;
    else if (kept < 8)
      address[i] &= (uint8_t)(0xff << (8 - kept));
  }
}

/* A range of IPv6, however wide, holds no IPv4 address. */
static bool is_in_range(const struct hgl_net_grant *grant, const uint8_t address[16])
{
  uint8_t masked[16];
  if (is_v4(address) && grant->bits < V4_BITS) return false;
  memcpy(masked, address, sizeof masked);
  mask(masked, grant->bits);
  return memcmp(masked, grant->address, sizeof masked) == 0;
}

/* Names ------------------------------------------------------------------------------------------
 */

static char lower(uint8_t c)
{
  return (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

static bool is_name_byte(char c)
{
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

static bool is_name(const char *name)
{
  size_t label = 0;
  for (const char *at = name; *at; at++) {
    if (*at == '.' ? label == 0 : !is_name_byte(*at)) return false;
    label = *at == '.' ? 0 : label + 1;
    if (label > LABEL_SIZE_MAX) return false;
  }
  return label > 0;
}

/* "127.1", "0x7f.0.0.1", "2130706433": resolvers take these for addresses. */
static bool looks_like_address(const char *name)
{
  const char *dot = strrchr(name, '.'), *last = dot ? dot + 1 : name;
  return *last >= '0' && *last <= '9';
}

/* In lower case, without a trailing dot; false: not a host's name. */
static bool read_name(struct hgl_bytes text, char out[HGL_NET_GRANT_NAME_MAX + 1])
{
  if (text.size && text.data[text.size - 1] == '.') text.size--;
  if (text.size == 0 || text.size > HGL_NET_GRANT_NAME_MAX) return false;
  for (size_t i = 0; i < text.size; i++) out[i] = lower(text.data[i]);
  out[text.size] = '\0';
  return strlen(out) == text.size && is_name(out) && !looks_like_address(out);
}

/* Parsing ----------------------------------------------------------------------------------------
 */

static int refuse(struct hgl_err *err, struct hgl_bytes text, const char *why)
{
  size_t shown = text.size < 300 ? text.size : 300;
  return hgl_fail(err, HGL_INVALID, "net=%.*s: %s", (int)shown, (const char *)text.data, why);
}

/* Up to three digits are enough for the bits, five for a port. */
static bool read_number(struct hgl_bytes text, int digits_max, int *out)
{
  int number = 0;
  if (text.size == 0 || text.size > (size_t)digits_max) return false;
  for (size_t i = 0; i < text.size; i++) {
    if (text.data[i] < '0' || text.data[i] > '9') return false;
    number = number * 10 + (text.data[i] - '0');
  }
  *out = number;
  return true;
}

static bool read_port(struct hgl_bytes text, int *out)
{
  if (hgl_bytes_is(text, "*")) {
    *out = 0;
    return true;
  }
  return read_number(text, 5, out) && *out >= 1 && *out <= 65535;
}

/* ADDRESS or ADDRESS/BITS */
static int parse_range(struct hgl_bytes whole, struct hgl_bytes host, struct hgl_net_grant *grant,
                       struct hgl_err *err)
{
  char text[ADDRESS_TEXT_SIZE];
  const uint8_t *slash = host.size ? memchr(host.data, '/', host.size) : NULL;
  size_t size = slash ? (size_t)(slash - host.data) : host.size;
  if (size >= sizeof text) return refuse(err, whole, "not an address");
  memcpy(text, host.data, size);
  text[size] = '\0';
  if (strlen(text) != size || !read_address(text, grant->address))
    return refuse(err, whole, "not an address");
  int bits_max = strchr(text, ':') ? 128 : 32, bits = bits_max;
  if (slash &&
      (!read_number(hgl_bytes(slash + 1, host.size - size - 1), 3, &bits) || bits > bits_max))
    return refuse(err, whole, "what follows \"/\" is how many bits of the address count");
  grant->kind = HGL_GRANT_RANGE;
  grant->bits = 128 - bits_max + bits;
  uint8_t masked[16];
  memcpy(masked, grant->address, sizeof masked);
  mask(masked, grant->bits);
  if (memcmp(masked, grant->address, sizeof masked) == 0) return 0;
  char begin[ADDRESS_TEXT_SIZE];
  write_address(masked, begin);
  return hgl_fail(err, HGL_INVALID, "net=%.*s: the range begins at %s; write that with /%d",
                  HGL_STR(whole), begin, bits);
}

static bool is_bare_v4(struct hgl_bytes host)
{
  char text[INET_ADDRSTRLEN + 1];
  uint8_t address[4];
  if (host.size >= sizeof text) return false;
  memcpy(text, host.data, host.size);
  text[host.size] = '\0';
  return strlen(text) == host.size && inet_pton(AF_INET, text, address) == 1;
}

static int parse_host(struct hgl_bytes whole, struct hgl_bytes host, struct hgl_net_grant *grant,
                      struct hgl_err *err)
{
  if (host.size == 0) return refuse(err, whole, "names no host; it is written net=HOST:PORT");
  if (*host.data == '[') {
    if (host.data[host.size - 1] != ']')
      return refuse(err, whole, "an IPv6 address ends with \"]\", then comes the port");
    return parse_range(whole, hgl_bytes(host.data + 1, host.size - 2), grant, err);
  }
  if (memchr(host.data, ':', host.size))
    return refuse(err, whole, "an IPv6 address stands in brackets: net=[fd00::1]:443");
  if (memchr(host.data, '/', host.size) || is_bare_v4(host))
    return parse_range(whole, host, grant, err);
  for (size_t i = 0; i < host.size; i++)
    if (host.data[i] >= 0x80)
      return refuse(err, whole, "a name of other letters is written in its xn-- form");
  grant->kind = HGL_GRANT_NAME;
  if (hgl_bytes_is(host, "*")) {
    grant->kind = HGL_GRANT_ANY;
    return 0;
  }
  if (host.size > 2 && memcmp(host.data, "*.", 2) == 0) {
    grant->kind = HGL_GRANT_BELOW;
    host = hgl_bytes(host.data + 2, host.size - 2);
  }
  if (read_name(host, grant->name)) return 0;
  return refuse(err, whole,
                "not a host: a name, *.NAME, an address such as 192.0.2.7 or [2001:db8::7], or a "
                "range such as 10.1.0.0/16");
}

int hgl_net_grant_parse(struct hgl_bytes text, struct hgl_net_grant *out, struct hgl_err *err)
{
  struct hgl_net_grant grant = {0};
  const uint8_t *colon = text.size ? memrchr(text.data, ':', text.size) : NULL;
  if (!colon || memchr(colon, ']', text.size - (size_t)(colon - text.data)))
    return refuse(err, text, "names no port; it is written net=HOST:PORT, or net=HOST:* for any");
  struct hgl_bytes host = hgl_bytes(text.data, (size_t)(colon - text.data));
  int status = parse_host(text, host, &grant, err);
  if (status != 0) return status;
  if (!read_port(hgl_bytes(colon + 1, text.size - host.size - 1), &grant.port))
    return refuse(err, text, "the port is a number from 1 to 65535, or * for any");
  *out = grant;
  return 0;
}

void hgl_net_grant_write(const struct hgl_net_grant *grant, struct hgl_buf *out)
{
  char address[ADDRESS_TEXT_SIZE];
  bool v6 = grant->kind == HGL_GRANT_RANGE && !(is_v4(grant->address) && grant->bits >= V4_BITS);
  int bits_max = v6 ? 128 : 32, bits = v6 ? grant->bits : grant->bits - V4_BITS;
  switch (grant->kind) {
  case HGL_GRANT_ANY:
    hgl_buf_append_text(out, "*");
    break;
  case HGL_GRANT_BELOW:
    hgl_buf_append_text(out, "*."); /* fall through */
  case HGL_GRANT_NAME:
    hgl_buf_append_text(out, grant->name);
    break;
  case HGL_GRANT_RANGE:
    write_address(grant->address, address);
    hgl_buf_printf(out, "%s%s", v6 ? "[" : "", address);
    if (bits < bits_max) hgl_buf_printf(out, "/%d", bits);
    if (v6) hgl_buf_append_text(out, "]");
    break;
  }
  if (grant->port)
    hgl_buf_printf(out, ":%d", grant->port);
  else
    hgl_buf_append_text(out, ":*");
}

/* Matching ---------------------------------------------------------------------------------------
 */

struct host {
  bool is_address;
  uint8_t address[16];
  char name[HGL_NET_GRANT_NAME_MAX + 1];
};

static bool read_host(const char *text, struct host *out)
{
  out->is_address = read_address(text, out->address);
  return out->is_address || read_name(hgl_text(text), out->name);
}

static bool address_is_private(const uint8_t address[16])
{
  return hgl_address_v6_is_private(address); /* which knows mapped ones */
}

static bool is_below(const char *name, const char *domain)
{
  size_t size = strlen(name), domain_size = strlen(domain);
  return size > domain_size + 1 && name[size - domain_size - 1] == '.' &&
         strcmp(name + size - domain_size, domain) == 0;
}

static bool names_host(const struct hgl_net_grant *grant, const struct host *host, int port)
{
  if (grant->port && grant->port != port) return false;
  switch (grant->kind) {
  case HGL_GRANT_ANY:
    return !host->is_address || !address_is_private(host->address);
  case HGL_GRANT_NAME:
    return !host->is_address && strcmp(host->name, grant->name) == 0;
  case HGL_GRANT_BELOW:
    return !host->is_address && is_below(host->name, grant->name);
  case HGL_GRANT_RANGE:
    return host->is_address && is_in_range(grant, host->address);
  }
  return false;
}

static bool names_address(const struct hgl_net_grant *grant, const char *host,
                          const uint8_t address[16], int port)
{
  if (grant->port && grant->port != port) return false;
  if (grant->kind == HGL_GRANT_RANGE) return is_in_range(grant, address);
  return grant->kind == HGL_GRANT_NAME && is_loopback(address) &&
         strcmp(grant->name, "localhost") == 0 && strcmp(host, "localhost") == 0;
}

/* Names a grant that would have done. */
static int deny(struct hgl_err *err, const char *what, const uint8_t *address, const char *name,
                int port)
{
  char text[ADDRESS_TEXT_SIZE] = "";
  if (address) write_address(address, text);
  bool v6 = strchr(text, ':') != NULL;
  return hgl_fail(err, HGL_DENIED, "%s: to permit it, grant net=%s%s%s:%d", what, v6 ? "[" : "",
                  address ? text : name, v6 ? "]" : "", port);
}

int hgl_net_grants_allow_host(const struct hgl_net_grant *grants, size_t count, const char *host,
                              int port, struct hgl_err *err)
{
  struct host read;
  if (!read_host(host, &read))
    return hgl_fail(err, HGL_DENIED,
                    "\"%.*s\" is neither a name nor an address as it is usually "
                    "written",
                    HGL_NET_GRANT_NAME_MAX, host);
  for (size_t i = 0; i < count; i++)
    if (names_host(&grants[i], &read, port)) return 0;
  return deny(err, "no grant names this host and port", read.is_address ? read.address : NULL,
              read.name, port);
}

int hgl_net_grants_allow_address(const struct hgl_net_grant *grants, size_t count, const char *host,
                                 const char *address, int port, struct hgl_err *err)
{
  struct host read;
  uint8_t bytes[16];
  char what[HGL_NET_GRANT_NAME_MAX + 2 * ADDRESS_TEXT_SIZE + 100];
  if (!read_address(address, bytes) || !read_host(host, &read))
    return hgl_fail(err, HGL_DENIED, "\"%.*s\" at \"%.*s\": not a host and its address",
                    HGL_NET_GRANT_NAME_MAX, host, ADDRESS_TEXT_SIZE, address);
  if (!address_is_private(bytes)) return 0;
  const char *name = read.is_address ? "" : read.name;
  for (size_t i = 0; i < count; i++)
    if (names_address(&grants[i], name, bytes, port)) return 0;
  if (read.is_address)
    snprintf(what, sizeof what, "%s is a private address", address);
  else
    snprintf(what, sizeof what, "%s is at %s, which is a private address", name, address);
  bool localhost = strcmp(name, "localhost") == 0 && is_loopback(bytes);
  return deny(err, what, localhost ? NULL : bytes, name, port);
}
