#include <arpa/inet.h>
#include <strings.h>

#include "host/site.h"

/* "name:port", "name" or "[address]:port": its two parts; an address without brackets. */
struct authority {
  struct hgl_bytes name, port;
  bool bracketed;
};

static bool parse_authority(struct hgl_bytes text, struct authority *out)
{
  const uint8_t *end;
  *out = (struct authority){0};
  if (text.size && text.data[0] == '[') {
    end = memchr(text.data, ']', text.size);
    if (!end) return false;
    out->name = hgl_bytes(text.data + 1, (size_t)(end - text.data) - 1);
    out->bracketed = true;
    end++;
  } else {
    end = text.size ? memchr(text.data, ':', text.size) : NULL;
    if (!end) end = text.data + text.size;
    out->name = hgl_bytes(text.data, (size_t)(end - text.data));
  }
  size_t left = (size_t)(text.data + text.size - end);
  if (left && *end != ':') return false;
  if (left) out->port = hgl_bytes(end + 1, left - 1);
  for (size_t i = 0; i < out->port.size; i++)
    if (out->port.data[i] < '0' || out->port.data[i] > '9') return false;
  return out->name.size > 0;
}

static bool is_same(struct hgl_bytes text, const char *word)
{
  return text.size == strlen(word) && strncasecmp((const char *)text.data, word, text.size) == 0;
}

static bool is_address(const struct authority *authority)
{
  char text[INET6_ADDRSTRLEN];
  uint8_t address[16];
  if (authority->name.size >= sizeof text) return false;
  memcpy(text, authority->name.data, authority->name.size);
  text[authority->name.size] = 0;
  return inet_pton(authority->bracketed ? AF_INET6 : AF_INET, text, address) == 1;
}

/* No page of a stranger can be at an address, or at a name that only this machine or its operator
 * gives: names are what is led elsewhere. */
static bool is_ours(const struct hgl_site *site, struct hgl_bytes host)
{
  struct authority authority;
  if (!parse_authority(host, &authority)) return false;
  if (is_address(&authority) || hgl_web_host_is_loopback(host)) return true;
  for (char **name = site->names; name && *name; name++)
    if (is_same(authority.name, *name)) return true;
  return false;
}

/* "https://host:port", and Host: the same place. Proxies of our own may end TLS, so that only the
 * Origin tells what the scheme is. */
static bool is_same_place(struct hgl_bytes origin, struct hgl_bytes host)
{
  static const struct {
    const char *prefix, *port;
  } schemes[] = {{"http://", "80"}, {"https://", "443"}};
  struct authority a, b;
  for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
    size_t size = strlen(schemes[i].prefix);
    if (origin.size <= size || memcmp(origin.data, schemes[i].prefix, size) != 0) continue;
    if (!parse_authority(hgl_bytes(origin.data + size, origin.size - size), &a) ||
        !parse_authority(host, &b))
      return false;
    if (!a.port.size) a.port = hgl_text(schemes[i].port);
    if (!b.port.size) b.port = hgl_text(schemes[i].port);
    return a.bracketed == b.bracketed && hgl_bytes_equal(a.port, b.port) &&
           a.name.size == b.name.size &&
           strncasecmp((const char *)a.name.data, (const char *)b.name.data, a.name.size) == 0;
  }
  return false;
}

static bool has_header(const struct hgl_web_request *request, const char *name)
{
  for (size_t i = 0; i < request->header_count; i++)
    if (hgl_bytes_is(request->headers[i].name, name)) return true;
  return false;
}

int hgl_site_check(const struct hgl_site *site, const struct hgl_web_request *request,
                   struct hgl_err *why)
{
  struct hgl_bytes host, origin;
  if (!hgl_web_header(request, "host", &host) || !is_ours(site, host)) {
    hgl_fail(why, HGL_DENIED,
             "this host is not known by that name: open it by its address, or name it with --url");
    return 421;
  }
  if (has_header(request, "origin") &&
      (!hgl_web_header(request, "origin", &origin) || !is_same_place(origin, host))) {
    hgl_fail(why, HGL_DENIED, "a page of another origin has nothing to ask here");
    return 403;
  }
  return 0;
}

bool hgl_site_is_local(const struct hgl_web_request *request)
{
  static const char *const of_proxies[] = {"forwarded", "x-forwarded-for", "x-real-ip", "via"};
  struct authority authority;
  struct hgl_bytes host;
  if (!request->on_loopback || !hgl_web_header(request, "host", &host) ||
      !parse_authority(host, &authority))
    return false;
  for (size_t i = 0; i < sizeof of_proxies / sizeof *of_proxies; i++)
    if (has_header(request, of_proxies[i])) return false;
  return hgl_web_host_is_loopback(host);
}
