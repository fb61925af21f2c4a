// uses: hgl_net
/* "GRANT\nHOST\nADDRESS\nPORT": a grant that is accepted is accepted again as it is written, and
 * permits no private address that it does not name. */
#include <stdlib.h>

#include "net/net_grant.h"
#include "protocol/address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_back(const struct hgl_net_grant *grant)
{
  struct hgl_buf text, again_text;
  struct hgl_net_grant again;
  struct hgl_err err;
  hgl_buf_init(&text, 1024);
  hgl_buf_init(&again_text, 1024);
  hgl_net_grant_write(grant, &text);
  if (hgl_buf_check(&text, &err) != 0) abort();
  if (hgl_net_grant_parse(hgl_buf_bytes(&text), &again, &err) != 0) __builtin_trap();
  hgl_net_grant_write(&again, &again_text);
  if (!hgl_bytes_equal(hgl_buf_bytes(&text), hgl_buf_bytes(&again_text))) __builtin_trap();
  hgl_buf_deinit(&text);
  hgl_buf_deinit(&again_text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  char text[1024], *parts[4] = {text};
  struct hgl_net_grant grant;
  struct hgl_err err;
  if (size >= sizeof text) return 0;
  if (size) memcpy(text, data, size);
  text[size] = '\0';
  for (int i = 1; i < 4; i++) {
    char *end = strchr(parts[i - 1], '\n');
    if (end) *end = '\0';
    parts[i] = end ? end + 1 : text + size;
  }
  int port = (int)strtol(parts[3], NULL, 10);
  if (hgl_net_grant_parse(hgl_text(parts[0]), &grant, &err) != 0) return 0;
  write_back(&grant);
  bool named = hgl_net_grants_allow_host(&grant, 1, parts[1], port, &err) == 0;
  if (named && grant.port && grant.port != port) __builtin_trap();
  bool passes = hgl_net_grants_allow_address(&grant, 1, parts[1], parts[2], port, &err) == 0;
  if (passes && grant.port && grant.port != port && hgl_address_host_is_private(parts[2]))
    __builtin_trap();
  if (passes && hgl_address_host_is_private(parts[2]) && grant.kind != HGL_GRANT_RANGE &&
      strcmp(grant.name, "localhost") != 0)
    __builtin_trap();
  return 0;
}
