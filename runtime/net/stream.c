#include "net/stream.h"

#include <errno.h>
#include <limits.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

/* Contexts ------------------------------------------------------------------------------------ */

/* Whoever also offers HTTP/2 is told that this is HTTP/1.1. */
static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_size,
                           const unsigned char *offered, unsigned int size, void *unused)
{
  static const unsigned char http[] = "\x08http/1.1";
  int found = SSL_select_next_proto((unsigned char **)out, out_size, http, sizeof http - 1, offered,
                                    size);
  return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

static int fd_of(BIO *bio)
{
  return ((const struct hgl_stream *)BIO_get_data(bio))->fd;
}

/* The socket's own BIO would end the process with SIGPIPE where that is not ignored. */
static int write_socket(BIO *bio, const char *data, int size)
{
  BIO_clear_retry_flags(bio);
  ssize_t sent = send(fd_of(bio), data, (size_t)size, MSG_NOSIGNAL);
  if (sent < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_write(bio);
  return (int)sent;
}

static int read_socket(BIO *bio, char *out, int size)
{
  BIO_clear_retry_flags(bio);
  ssize_t got = recv(fd_of(bio), out, (size_t)size, 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_read(bio);
  return (int)got;
}

static long control_socket(BIO *bio, int command, long number, void *pointer)
{
  return command == BIO_CTRL_FLUSH;
}

static BIO *new_bio(SSL_CTX *context, struct hgl_stream *stream)
{
  BIO *bio = BIO_new(SSL_CTX_get_app_data(context));
  if (!bio) return NULL;
  BIO_set_data(bio, stream);
  BIO_set_init(bio, 1);
  return bio;
}

static BIO_METHOD *new_method(void)
{
  BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket");
  if (method && BIO_meth_set_write(method, write_socket) &&
      BIO_meth_set_read(method, read_socket) && BIO_meth_set_ctrl(method, control_socket))
    return method;
  BIO_meth_free(method);
  return NULL;
}

int hgl_stream_context_create(const char *certificate, const char *key, SSL_CTX **out,
                              struct hgl_err *err)
{
  SSL_CTX *context = SSL_CTX_new(TLS_server_method());
  BIO_METHOD *method = context ? new_method() : NULL;
  if (!method) {
    SSL_CTX_free(context);
    return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  }
  SSL_CTX_set_app_data(context, method);
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                   SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_alpn_select_cb(context, choose_protocol, NULL);
  if (SSL_CTX_use_certificate_chain_file(context, certificate) != 1 ||
      SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1 ||
      SSL_CTX_check_private_key(context) != 1) {
    ERR_clear_error();
    hgl_stream_context_destroy(context);
    return hgl_fail(err, HGL_INVALID, "the certificate %s and key %s cannot be used", certificate,
                    key);
  }
  *out = context;
  return 0;
}

void hgl_stream_context_destroy(SSL_CTX *context)
{
  if (!context) return;
  BIO_METHOD *method = SSL_CTX_get_app_data(context);
  SSL_CTX_free(context);
  BIO_meth_free(method);
}

/* Streams ------------------------------------------------------------------------------------- */

int hgl_stream_init(struct hgl_stream *stream, int fd, SSL_CTX *context, struct hgl_err *err)
{
  *stream = (struct hgl_stream){.fd = fd};
  if (!context) return 0;
  SSL *ssl = SSL_new(context);
  BIO *bio = ssl ? new_bio(context, stream) : NULL;
  if (!bio) {
    SSL_free(ssl);
    return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  }
  SSL_set_bio(ssl, bio, bio);
  SSL_set_accept_state(ssl);
  stream->ssl = ssl;
  return 0;
}

void hgl_stream_deinit(struct hgl_stream *stream)
{
  SSL_free(stream->ssl);
  if (stream->fd >= 0) close(stream->fd);
  *stream = (struct hgl_stream){.fd = -1};
}

static ssize_t failed(struct hgl_stream *stream, int result, bool *waits_for_other, int other)
{
  int reason = SSL_get_error(stream->ssl, result);
  *waits_for_other = reason == other;
  if (reason == SSL_ERROR_ZERO_RETURN) return 0;
  return reason == SSL_ERROR_WANT_READ || reason == SSL_ERROR_WANT_WRITE ? HGL_STREAM_AGAIN
                                                                         : HGL_STREAM_BROKEN;
}

ssize_t hgl_stream_read(struct hgl_stream *stream, void *out, size_t size)
{
  if (stream->ssl) {
    ERR_clear_error();
    int got = SSL_read(stream->ssl, out, size > INT_MAX ? INT_MAX : (int)size);
    if (got <= 0) return failed(stream, got, &stream->read_waits_for_writing, SSL_ERROR_WANT_WRITE);
    stream->read_waits_for_writing = false;
    return got;
  }
  ssize_t got = recv(stream->fd, out, size, 0);
  if (got >= 0) return got;
  return errno == EAGAIN || errno == EINTR ? HGL_STREAM_AGAIN : HGL_STREAM_BROKEN;
}

ssize_t hgl_stream_write(struct hgl_stream *stream, struct hgl_bytes bytes)
{
  if (stream->ssl) {
    ERR_clear_error();
    int sent = SSL_write(stream->ssl, bytes.data, bytes.size > INT_MAX ? INT_MAX : (int)bytes.size);
    if (sent > 0) {
      stream->write_waits_for_reading = false;
      return sent;
    }
    ssize_t why = failed(stream, sent, &stream->write_waits_for_reading, SSL_ERROR_WANT_READ);
    return why == 0 ? HGL_STREAM_BROKEN : why;
  }
  ssize_t sent = send(stream->fd, bytes.data, bytes.size, MSG_NOSIGNAL);
  if (sent > 0) return sent;
  return errno == EAGAIN || errno == EINTR ? HGL_STREAM_AGAIN : HGL_STREAM_BROKEN;
}

void hgl_stream_shut(struct hgl_stream *stream)
{
  if (stream->ssl) {
    ERR_clear_error();
    if (SSL_is_init_finished(stream->ssl)) SSL_shutdown(stream->ssl);
  }
  shutdown(stream->fd, SHUT_WR);
}
