// uses: hgl_net
/* "URL\nLOCATION": a URL that is accepted is accepted again as it is written, as the same place,
 * and what follows a redirect likewise. */
#include "net/http_client.h"
#include "net/http_url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct hgl_http_url *url)
{
  struct hgl_http_url again;
  struct hgl_err err;
  if (!*url->host || url->port < 1 || url->port > 65535) __builtin_trap();
  if (strpbrk(url->host, "@/\\?# %[]\r\n")) __builtin_trap();
  if (strlen(url->text) > HGL_HTTP_URL_SIZE_MAX || strpbrk(url->text, " \r\n")) __builtin_trap();
  if (hgl_http_url_parse(url->text, NULL, &again, &err) != 0) __builtin_trap();
  if (strcmp(url->text, again.text) != 0 || !hgl_http_url_same_origin(url, &again))
    __builtin_trap();
  hgl_http_url_deinit(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  char text[4096];
  struct hgl_http_url base, url;
  struct hgl_err err;
  if (size >= sizeof text) return 0;
  if (size) memcpy(text, data, size);
  text[size] = '\0';
  char *end = strchr(text, '\n');
  if (end) *end = '\0';
  if (hgl_http_url_parse(text, NULL, &base, &err) != 0) return 0;
  check(&base);
  if (end && hgl_http_url_parse(end + 1, &base, &url, &err) == 0) {
    check(&url);
    hgl_http_url_deinit(&url);
  }
  hgl_http_url_deinit(&base);
  return 0;
}
