#include "protocol/url.h"

#include <stdio.h>

#include "protocol/address.h"
#include "protocol/did.h"

static bool starts_with(struct hgl_bytes text, const char *prefix)
{
  size_t size = strlen(prefix);
  return text.size >= size && memcmp(text.data, prefix, size) == 0;
}

static void skip(struct hgl_bytes *text, size_t size)
{
  text->data += size;
  text->size -= size;
}

static bool is_host_byte(uint8_t c, bool bracketed)
{
  if (bracketed)
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || c == ':' ||
           c == '.';
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' ||
         c == '-' || c == '_';
}

static bool take_host(struct hgl_bytes *text, struct hgl_url *url)
{
  bool bracketed = starts_with(*text, "[");
  if (bracketed) skip(text, 1);
  size_t size = 0;
  while (size < text->size && is_host_byte(text->data[size], bracketed)) size++;
  if (size == 0) return false;
  memcpy(url->host, text->data, size);
  url->host[size] = '\0';
  skip(text, size);
  if (!bracketed) return true;
  if (!starts_with(*text, "]")) return false;
  skip(text, 1);
  return true;
}

static bool take_port(struct hgl_bytes *text, struct hgl_url *url)
{
  url->port = url->secure ? 443 : 80;
  if (!starts_with(*text, ":")) return true;
  skip(text, 1);
  int port = 0, digits = 0;
  for (; text->size && *text->data >= '0' && *text->data <= '9' && digits < 6; digits++) {
    port = port * 10 + (*text->data - '0');
    skip(text, 1);
  }
  url->port = port;
  return digits > 0 && port > 0 && port <= 65535;
}

int hgl_url_parse(const char *text, struct hgl_url *out, struct hgl_err *err)
{
  struct hgl_bytes rest = hgl_text(text);
  struct hgl_url url = {0};
  const char *fragment = strchr(text, '#');
  size_t size = fragment ? (size_t)(fragment - text) : rest.size;
  if (size > HGL_URL_SIZE_MAX)
    return hgl_fail(err, HGL_MALFORMED, "a URL of more than %d bytes", HGL_URL_SIZE_MAX);
  rest.size = size;
  url.secure = starts_with(rest, "wss://");
  bool known = url.secure || starts_with(rest, "ws://");
  if (known) skip(&rest, url.secure ? 6 : 5);
  if (!known || !take_host(&rest, &url) || !take_port(&rest, &url))
    return hgl_fail(err, HGL_MALFORMED, "\"%.*s\" is not ws://HOST:PORT or wss://HOST:PORT",
                    (int)size, text);
  if (starts_with(rest, "/")) skip(&rest, 1);
  if (rest.size)
    return hgl_fail(err, HGL_MALFORMED, "\"%.*s\": a host's URL has no path", (int)size, text);
  if (fragment) {
    if (hgl_did_parse(hgl_text(fragment + 1), &url.key, err) != 0)
      return hgl_fail(err, HGL_MALFORMED, "what follows \"#\" in a URL is the host's did:key");
    url.has_key = true;
  }
  bool v6 = strchr(url.host, ':') != NULL;
  int length = snprintf(url.text, sizeof url.text, "%s://%s%s%s:%d", url.secure ? "wss" : "ws",
                        v6 ? "[" : "", url.host, v6 ? "]" : "", url.port);
  if (length >= (int)sizeof url.text)
    return hgl_fail(err, HGL_MALFORMED, "a URL of more than %d bytes", HGL_URL_SIZE_MAX);
  *out = url;
  return 0;
}

bool hgl_url_is_private(const char *text)
{
  struct hgl_url url;
  struct hgl_err err;
  return hgl_url_parse(text, &url, &err) != 0 || hgl_address_host_is_private(url.host);
}
