#include "net/http_url.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The parser alone; what it includes declares all of libcurl. */
#include <curl/urlapi.h>

#include "base/mem.h"
#include "net/http_client.h"

enum { LABEL_SIZE_MAX = 63 };

static int out_of_memory(struct hgl_err *err)
{
  return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
}

static int refuse(CURLUcode code, struct hgl_err *err)
{
  switch (code) {
  case CURLUE_OUT_OF_MEMORY:
    return out_of_memory(err);
  case CURLUE_USER_NOT_ALLOWED:
    return hgl_fail(err, HGL_INVALID,
                    "a URL with a user or password in it; give them as a header instead");
  case CURLUE_BAD_SCHEME:
    return hgl_fail(err, HGL_INVALID, "a URL begins with http:// or https://");
  default:
    return hgl_fail(err, HGL_INVALID, "not a URL: %s", curl_url_strerror(code));
  }
}

/* Names ------------------------------------------------------------------------------------------
 */

static bool is_name(const char *name)
{
  size_t label = 0;
  for (const char *at = name; *at; at++) {
    bool inside = (*at >= 'a' && *at <= 'z') || (*at >= '0' && *at <= '9') || *at == '-' ||
                  *at == '_';
    if (*at == '.' ? label == 0 : !inside) return false;
    label = *at == '.' ? 0 : label + 1;
    if (label > LABEL_SIZE_MAX) return false;
  }
  return label > 0;
}

/* libcurl turns "0x7f.1" and its like into the usual form; whatever is left that a resolver might
 * take for an address is refused. */
static bool is_odd_address(const char *name)
{
  uint8_t address[4];
  const char *dot = strrchr(name, '.'), *last = dot ? dot + 1 : name;
  return *last >= '0' && *last <= '9' && inet_pton(AF_INET, name, address) != 1;
}

static bool normalise_v6(char *host, size_t size)
{
  uint8_t address[16];
  char text[INET6_ADDRSTRLEN];
  host[size - 1] = '\0';
  if (inet_pton(AF_INET6, host + 1, address) != 1) return false;
  inet_ntop(AF_INET6, address, text, sizeof text);
  memcpy(host, text, strlen(text) + 1);
  return true;
}

/* In place; brackets of an IPv6 address are taken off. */
static int normalise(char *host, struct hgl_err *err)
{
  size_t size = strlen(host);
  for (size_t i = 0; i < size; i++) {
    if ((unsigned char)host[i] >= 0x80)
      return hgl_fail(err, HGL_INVALID,
                      "the host of a URL is written in ASCII, names of other letters in their xn-- "
                      "form");
    if (host[i] >= 'A' && host[i] <= 'Z') host[i] = (char)(host[i] - 'A' + 'a');
  }
  if (size > 2 && host[0] == '[' && host[size - 1] == ']') {
    if (normalise_v6(host, size)) return 0;
    return hgl_fail(err, HGL_INVALID, "what stands in brackets in a URL is an IPv6 address");
  }
  if (size && host[size - 1] == '.') host[--size] = '\0';
  if (!is_name(host) || is_odd_address(host))
    return hgl_fail(err, HGL_INVALID, "\"%.253s\" is neither a host's name nor an address", host);
  return 0;
}

/* Parsing ----------------------------------------------------------------------------------------
 */

/* libcurl's memory; NULL when the URL has no such part. */
static char *part(CURLU *handle, CURLUPart which, unsigned flags)
{
  char *text = NULL;
  return curl_url_get(handle, which, &text, flags) == CURLUE_OK ? text : NULL;
}

static int read_scheme(CURLU *handle, struct hgl_http_url *url, struct hgl_err *err)
{
  int status = 0;
  char *scheme = part(handle, CURLUPART_SCHEME, 0);
  if (!scheme) return out_of_memory(err);
  url->secure = strcmp(scheme, "https") == 0;
  if (!url->secure && strcmp(scheme, "http") != 0)
    status = hgl_fail(err, HGL_INVALID, "a URL of the scheme %.40s; only http and https are spoken",
                      scheme);
  curl_free(scheme);
  return status;
}

static int read_port(CURLU *handle, struct hgl_http_url *url, struct hgl_err *err)
{
  char *port = part(handle, CURLUPART_PORT, CURLU_DEFAULT_PORT);
  if (!port) return out_of_memory(err);
  url->port = (int)strtol(port, NULL, 10);
  curl_free(port);
  if (url->port >= 1 && url->port <= 65535) return 0;
  return hgl_fail(err, HGL_INVALID, "the port of a URL is a number from 1 to 65535");
}

static int read_host(CURLU *handle, struct hgl_http_url *url, struct hgl_err *err)
{
  char *zone = part(handle, CURLUPART_ZONEID, 0);
  curl_free(zone);
  if (zone) return hgl_fail(err, HGL_INVALID, "a URL whose address names a network interface");
  char *host = part(handle, CURLUPART_HOST, 0);
  if (!host) return hgl_fail(err, HGL_INVALID, "a URL without a host");
  size_t size = strlen(host);
  if (size < sizeof url->host) memcpy(url->host, host, size + 1);
  curl_free(host);
  if (size >= sizeof url->host)
    return hgl_fail(err, HGL_INVALID, "the host of a URL has more than %d bytes",
                    HGL_HTTP_HOST_SIZE_MAX);
  return normalise(url->host, err);
}

/* The host goes back in the form that the policy is asked about. */
static int write_text(CURLU *handle, struct hgl_http_url *url, struct hgl_err *err)
{
  char host[HGL_HTTP_HOST_SIZE_MAX + 3];
  bool v6 = strchr(url->host, ':') != NULL;
  snprintf(host, sizeof host, "%s%s%s", v6 ? "[" : "", url->host, v6 ? "]" : "");
  CURLUcode code = curl_url_set(handle, CURLUPART_HOST, host, 0);
  if (code == CURLUE_OK) code = curl_url_set(handle, CURLUPART_FRAGMENT, NULL, 0);
  if (code != CURLUE_OK) return refuse(code, err);
  char *text = NULL;
  code = curl_url_get(handle, CURLUPART_URL, &text, CURLU_NO_DEFAULT_PORT);
  if (code != CURLUE_OK) return refuse(code, err);
  size_t size = strlen(text);
  int status = 0;
  if (size > HGL_HTTP_URL_SIZE_MAX)
    status = hgl_fail(err, HGL_INVALID, "a URL of more than %d bytes", HGL_HTTP_URL_SIZE_MAX);
  else if (!(url->text = hgl_strndup(text, size)))
    status = out_of_memory(err);
  curl_free(text);
  return status;
}

static int check_text(const char *text, bool strict, struct hgl_err *err)
{
  size_t size = strlen(text);
  if (size > HGL_HTTP_URL_SIZE_MAX)
    return hgl_fail(err, HGL_INVALID, "a URL of more than %d bytes", HGL_HTTP_URL_SIZE_MAX);
  for (size_t i = 0; strict && i < size; i++)
    if ((unsigned char)text[i] <= 0x20 || (unsigned char)text[i] >= 0x7f)
      return hgl_fail(err, HGL_INVALID,
                      "a URL with a blank, a control character or letters beyond ASCII (byte %zu): "
                      "these are written as %%XX, in a host's name in the xn-- form",
                      i + 1);
  return 0;
}

int hgl_http_url_parse(const char *text, const struct hgl_http_url *base, struct hgl_http_url *out,
                       struct hgl_err *err)
{
  struct hgl_http_url url = {0};
  int status = check_text(text, !base, err);
  if (status != 0) return status;
  CURLU *handle = curl_url();
  if (!handle) return out_of_memory(err);
  unsigned flags = CURLU_DISALLOW_USER | CURLU_NON_SUPPORT_SCHEME;
  CURLUcode code = CURLUE_OK;
  if (base) {
    flags |= CURLU_URLENCODE | CURLU_ALLOW_SPACE;
    code = curl_url_set(handle, CURLUPART_URL, base->text, 0);
  }
  if (code == CURLUE_OK) code = curl_url_set(handle, CURLUPART_URL, text, flags);
  if (code != CURLUE_OK)
    status = refuse(code, err);
  else if ((status = read_scheme(handle, &url, err)) == 0 &&
           (status = read_port(handle, &url, err)) == 0 &&
           (status = read_host(handle, &url, err)) == 0)
    status = write_text(handle, &url, err);
  curl_url_cleanup(handle);
  if (status == 0) *out = url;
  return status;
}

void hgl_http_url_deinit(struct hgl_http_url *url)
{
  hgl_free(url->text);
  *url = (struct hgl_http_url){0};
}

bool hgl_http_url_same_origin(const struct hgl_http_url *a, const struct hgl_http_url *b)
{
  return a->secure == b->secure && a->port == b->port && strcmp(a->host, b->host) == 0;
}
