/* A socket that was accepted, in the clear or with TLS around it. Nothing here waits. Loop thread.
 */
#ifndef HGL_NET_STREAM_H
#define HGL_NET_STREAM_H

#include <sys/types.h>

#include "base/err.h"
#include "base/bytes.h"

struct ssl_ctx_st; /* OpenSSL's SSL_CTX */
struct ssl_st;     /* … and SSL */

/* What a listener shows to whoever connects with TLS. HGL_INVALID: the files cannot be used. */
int hgl_stream_context_create(const char *certificate, const char *key, struct ssl_ctx_st **out,
                              struct hgl_err *err) HGL_NODISCARD;
void hgl_stream_context_destroy(struct ssl_ctx_st *context); /* NULL is allowed */

struct hgl_stream {
  int fd;
  struct ssl_st *ssl;          /* NULL: in the clear */
  bool read_waits_for_writing; /* TLS has something to say before it can be read */
  bool write_waits_for_reading;
};

enum { HGL_STREAM_AGAIN = -1, HGL_STREAM_BROKEN = -2 };

/* `context` NULL: in the clear. The socket does not block, and `stream` does not move.
 * HGL_NO_MEMORY: it stays the caller's. */
int hgl_stream_init(struct hgl_stream *stream, int fd, struct ssl_ctx_st *context,
                    struct hgl_err *err) HGL_NODISCARD;
/* Closes the socket, if it has one. */
void hgl_stream_deinit(struct hgl_stream *stream);
/* Bytes read, 0 at the end; or one of the above. */
ssize_t hgl_stream_read(struct hgl_stream *stream, void *out, size_t size);
/* Bytes taken, at least one; or one of the above. */
ssize_t hgl_stream_write(struct hgl_stream *stream, struct hgl_bytes bytes);
/* Nothing more is written: the other end gets to know. */
void hgl_stream_shut(struct hgl_stream *stream);

#endif
