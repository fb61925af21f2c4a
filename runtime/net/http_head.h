/* The head of an HTTP answer, line by line: status and headers. */
#ifndef HGL_NET_HTTP_HEAD_H
#define HGL_NET_HTTP_HEAD_H

#include "net/http_client.h"

struct hgl_http_field {
  char *name; /* lower case */
  struct hgl_buf value;
};

struct hgl_http_head {
  int status;
  bool complete; /* its blank line has come; what follows are trailers, which nobody sees */
  size_t seen;   /* bytes of all lines, those of interim answers and trailers too */
  struct hgl_http_field *fields;
  size_t count, capacity;
};

/* A zeroed head is empty. */
void hgl_http_head_deinit(struct hgl_http_head *head);
/* Takes the next line. HGL_TOO_LARGE, HGL_NO_MEMORY. HGL_MALFORMED: a compression that was not
 * asked for: those other than gzip and deflate take too much memory of whoever decompresses. */
int hgl_http_head_line(struct hgl_http_head *head, struct hgl_bytes line,
                       struct hgl_err *err) HGL_NODISCARD;
/* The value of a header; false: it is not there. */
bool hgl_http_head_get(const struct hgl_http_head *head, const char *name, struct hgl_bytes *out);

#endif
