// uses: hgl_host
/* A Host and, behind a line feed, an Origin: whoever is let in named an address or one of our
 * names, and a page of another place is none of ours, however either is written. */
#include "host/site.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  static char name[] = "east.example.org", *names[] = {name, NULL};
  static const struct hgl_site site = {.names = names};
  const uint8_t *end = size ? memchr(data, '\n', size) : NULL;
  size_t host_size = end ? (size_t)(end - data) : size;
  struct hgl_bytes origin = end ? hgl_bytes(end + 1, size - host_size - 1) : hgl_text("");
  const struct hgl_web_field headers[] = {{hgl_text("host"), hgl_bytes(data, host_size)},
                                          {hgl_text("origin"), origin}};
  struct hgl_web_request request = {
      .headers = headers, .header_count = end ? 2 : 1, .on_loopback = true};
  struct hgl_err why = {0};
  int status = hgl_site_check(&site, &request, &why);
  if (status != 0 && status != 421 && status != 403) __builtin_trap();
  if (status == 0 && !host_size) __builtin_trap();
  if (status == 0 && end && origin.size < sizeof "http://" + 1) __builtin_trap();
  request.header_count = 1; /* who may ask with an Origin may without */
  if (status != 421 && hgl_site_check(&site, &request, &why)) __builtin_trap();
  if (hgl_site_is_local(&request) && hgl_site_check(&site, &request, &why)) __builtin_trap();
  return 0;
}
