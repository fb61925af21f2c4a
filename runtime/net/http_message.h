/* What an HTTP request says: checked, copied, and changed from redirect to redirect. */
#ifndef HGL_NET_HTTP_MESSAGE_H
#define HGL_NET_HTTP_MESSAGE_H

#include "net/http_client.h"

struct hgl_http_message {
  char method[HGL_HTTP_METHOD_SIZE_MAX + 1];
  struct hgl_http_header *headers; /* name and value are one piece of memory */
  size_t header_count;
  uint8_t *body;
  size_t body_size;
  bool repeat_safe;
};

/* HGL_INVALID: the method or a header is none, or one that is not the caller's to set.
 * HGL_NO_MEMORY. The owner ends it with hgl_http_message_deinit; a zeroed one is empty. */
int hgl_http_message_init(struct hgl_http_message *message, const struct hgl_http_request *request,
                          struct hgl_err *err) HGL_NODISCARD;
void hgl_http_message_deinit(struct hgl_http_message *message); /* wipes what is sensitive */
/* As RFC 9110 §15.4 and the WHATWG's fetch have it: what becomes of the method and the body after
 * this status; on another origin what is sensitive is dropped. */
void hgl_http_message_redirect(struct hgl_http_message *message, int status, bool same_origin);
bool hgl_http_message_has(const struct hgl_http_message *message, const char *name);

#endif
