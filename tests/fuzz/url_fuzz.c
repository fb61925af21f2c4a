// uses: hgl_protocol
/* A URL that is accepted is short, and its own text is accepted as the same place. */
#include "protocol/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  char text[2 * HGL_URL_SIZE_MAX];
  struct hgl_err err;
  struct hgl_url url, again;
  if (size >= sizeof text) size = sizeof text - 1;
  if (size) memcpy(text, data, size);
  text[size] = 0;
  (void)hgl_url_is_private(text);
  if (hgl_url_parse(text, &url, &err) != 0) return 0;
  if (!*url.host || url.port < 1 || url.port > 65535) __builtin_trap();
  if (strlen(url.text) > HGL_URL_SIZE_MAX) __builtin_trap();
  if (hgl_url_parse(url.text, &again, &err) != 0 || again.has_key) __builtin_trap();
  if (strcmp(url.text, again.text) != 0 || strcmp(url.host, again.host) != 0 ||
      url.port != again.port || url.secure != again.secure)
    __builtin_trap();
  return 0;
}
