/* A web server of the tests' own, on loopback, in threads of this process: what it answers is
 * scripted by path, and it counts what comes. With a certificate it speaks https. */
#ifndef HGL_TESTS_HTTP_SERVER_H
#define HGL_TESTS_HTTP_SERVER_H

#include "support/check.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/ssl.h>

enum http_manner {
  HTTP_KEEP,    /* the text, then the next request */
  HTTP_CLOSE,   /* the text, then the end */
  HTTP_ENDLESS, /* the text, then `more` again and again */
  HTTP_SLOW,    /* the text, then `more` every 20 ms */
  HTTP_HANG,    /* the text, then nothing */
  HTTP_ECHO,    /* an answer whose body is the request as it came */
  HTTP_RESET,   /* the text, then the connection is reset */
  HTTP_THEN,    /* the text to the server's first request, `more` to all that follow */
  HTTP_ONCE,    /* as HTTP_ECHO, but the second request of a connection ends it instead */
};

struct http_page {
  const char *path; /* without the query */
  enum http_manner manner;
  const char *text, *more;
  size_t text_size, more_size; /* 0: up to the NUL */
};

enum { HTTP_REQUEST_SIZE_MAX = 4 << 20, HTTP_CONNECTIONS_MAX = 1024 };

struct http_server {
  const struct http_page *pages; /* the last one's path is NULL; it answers what has no page */
  int fd, port;
  pthread_t thread;
  SSL_CTX *tls;
  pthread_mutex_t lock;
  pthread_t threads[HTTP_CONNECTIONS_MAX];
  int fds[HTTP_CONNECTIONS_MAX]; /* -1: closed */
  int connections;
  atomic_int requests;
  atomic_bool ends;
  char last[1 << 16]; /* the last request, cut off */
};

struct http_connection {
  struct http_server *server;
  int index, fd;
  SSL *tls;
};

static inline bool http_send(struct http_connection *c, const char *data, size_t size)
{
  while (size > 0) {
    ssize_t sent = c->tls ? SSL_write(c->tls, data, size > 1 << 20 ? 1 << 20 : (int)size)
                          : send(c->fd, data, size, MSG_NOSIGNAL);
    if (sent <= 0) return false;
    data += sent;
    size -= (size_t)sent;
  }
  return true;
}

static inline ssize_t http_receive(struct http_connection *c, char *data, size_t size)
{
  return c->tls ? SSL_read(c->tls, data, (int)size) : recv(c->fd, data, size, 0);
}

static inline size_t http_body_size(const char *request)
{
  const char *length = strcasestr(request, "\r\ncontent-length:");
  return length ? strtoul(length + 17, NULL, 10) : 0;
}

/* Its size; 0: the connection ended. */
static inline size_t http_next_request(struct http_connection *c, char *request)
{
  size_t size = 0, wanted = 0;
  while (wanted == 0 || size < wanted) {
    if (size >= HTTP_REQUEST_SIZE_MAX) return 0;
    ssize_t got = http_receive(c, request + size, wanted ? wanted - size : 1);
    if (got <= 0) return 0;
    size += (size_t)got;
    request[size] = '\0';
    if (wanted == 0 && size >= 4 && memcmp(request + size - 4, "\r\n\r\n", 4) == 0)
      wanted = size + http_body_size(request);
  }
  return size;
}

static inline const struct http_page *http_page_of(struct http_server *server, const char *request)
{
  const char *path = strchr(request, ' ');
  const struct http_page *page = server->pages;
  for (; path && page->path; page++) {
    size_t size = strlen(page->path);
    if (strncmp(path + 1, page->path, size) == 0 && strchr(" ?", path[1 + size])) break;
  }
  return page;
}

static inline bool http_echo(struct http_connection *c, const char *request, size_t size)
{
  char head[128];
  snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", size);
  return http_send(c, head, strlen(head)) &&
         (strncmp(request, "HEAD ", 5) == 0 || http_send(c, request, size));
}

/* false: the connection is over. */
static inline bool http_answer(struct http_connection *c, const struct http_page *page,
                               const char *request, size_t size, int count)
{
  struct http_server *server = c->server;
  if (page->manner == HTTP_ECHO) return http_echo(c, request, size);
  if (page->manner == HTTP_ONCE) return count == 1 && http_echo(c, request, size);
  if (page->manner == HTTP_THEN && atomic_load(&server->requests) > 1)
    return http_send(c, page->more, strlen(page->more));
  const char *text = page->text ? page->text : "";
  if (!http_send(c, text, page->text_size ? page->text_size : strlen(text))) return false;
  size_t more = page->more ? page->more_size ? page->more_size : strlen(page->more) : 0;
  switch (page->manner) {
  case HTTP_KEEP:
  case HTTP_THEN:
    return true;
  case HTTP_ENDLESS:
  case HTTP_SLOW:
    while (!atomic_load(&server->ends) && http_send(c, page->more, more))
      if (page->manner == HTTP_SLOW) usleep(20000);
    return false;
  case HTTP_HANG:
    http_receive(c, (char[1]){0}, 1);
    return false;
  case HTTP_RESET:
    setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger));
    return false;
  default:
    return false;
  }
}

static inline void *http_serve(void *user)
{
  struct http_connection *c = user;
  struct http_server *server = c->server;
  char *request = malloc(HTTP_REQUEST_SIZE_MAX + 1);
  bool goes_on = request != NULL;
  if (server->tls) {
    c->tls = SSL_new(server->tls);
    goes_on = goes_on && c->tls && SSL_set_fd(c->tls, c->fd) == 1 && SSL_accept(c->tls) == 1;
  }
  for (int count = 1; goes_on; count++) {
    size_t size = http_next_request(c, request);
    if (size == 0) break;
    pthread_mutex_lock(&server->lock);
    snprintf(server->last, sizeof server->last, "%s", request);
    pthread_mutex_unlock(&server->lock);
    atomic_fetch_add(&server->requests, 1);
    goes_on = http_answer(c, http_page_of(server, request), request, size, count);
  }
  if (c->tls && goes_on) SSL_shutdown(c->tls);
  SSL_free(c->tls);
  pthread_mutex_lock(&server->lock);
  server->fds[c->index] = -1;
  close(c->fd);
  pthread_mutex_unlock(&server->lock);
  free(request);
  free(c);
  return NULL;
}

static inline void *http_accept(void *user)
{
  struct http_server *server = user;
  while (!atomic_load(&server->ends)) {
    int fd = accept4(server->fd, NULL, NULL, SOCK_CLOEXEC);
    struct http_connection *c = fd < 0 ? NULL : malloc(sizeof *c);
    if (!c) continue;
    pthread_mutex_lock(&server->lock);
    bool room = server->connections < HTTP_CONNECTIONS_MAX && !atomic_load(&server->ends);
    *c = (struct http_connection){.server = server, .index = server->connections, .fd = fd};
    if (room) server->fds[c->index] = fd;
    if (room && pthread_create(&server->threads[c->index], NULL, http_serve, c) == 0)
      server->connections++;
    else {
      close(fd);
      free(c);
    }
    pthread_mutex_unlock(&server->lock);
  }
  return NULL;
}

static inline int http_listen(const char *address, int port, int *out_port)
{
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  socklen_t size = sizeof at;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
  assert_true(fd >= 0);
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  assert_int_equal(inet_pton(AF_INET, address, &at.sin_addr), 1);
  assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
  assert_int_equal(listen(fd, HTTP_CONNECTIONS_MAX), 0);
  assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &size), 0);
  *out_port = ntohs(at.sin_port);
  return fd;
}

/* `port` 0: any free one. `certificate` and `key`: PEM files, or NULL. */
static inline struct http_server *http_server_at(const char *address, int port,
                                                 const struct http_page *pages,
                                                 const char *certificate, const char *key)
{
  struct http_server *server = calloc(1, sizeof *server);
  assert_non_null(server);
  signal(SIGPIPE, SIG_IGN); /* SSL_write has no MSG_NOSIGNAL */
  server->pages = pages;
  server->fd = http_listen(address, port, &server->port);
  pthread_mutex_init(&server->lock, NULL);
  if (certificate) {
    server->tls = SSL_CTX_new(TLS_server_method());
    assert_non_null(server->tls);
    assert_int_equal(SSL_CTX_use_certificate_chain_file(server->tls, certificate), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey_file(server->tls, key, SSL_FILETYPE_PEM), 1);
  }
  assert_int_equal(pthread_create(&server->thread, NULL, http_accept, server), 0);
  return server;
}

static inline int http_connections(struct http_server *server)
{
  pthread_mutex_lock(&server->lock);
  int connections = server->connections;
  pthread_mutex_unlock(&server->lock);
  return connections;
}

/* Whether the last request holds this text. */
static inline bool http_last_has(struct http_server *server, const char *text)
{
  pthread_mutex_lock(&server->lock);
  bool has = strstr(server->last, text) != NULL;
  pthread_mutex_unlock(&server->lock);
  return has;
}

/* Ends every connection, as a server does that dies; the listener stays. */
static inline void http_server_drop(struct http_server *server)
{
  pthread_mutex_lock(&server->lock);
  for (int i = 0; i < server->connections; i++)
    if (server->fds[i] >= 0) shutdown(server->fds[i], SHUT_RDWR);
  pthread_mutex_unlock(&server->lock);
}

static inline void http_server_end(struct http_server *server)
{
  if (!server) return;
  atomic_store(&server->ends, true);
  shutdown(server->fd, SHUT_RDWR);
  pthread_join(server->thread, NULL);
  http_server_drop(server);
  for (int i = 0; i < server->connections; i++) pthread_join(server->threads[i], NULL);
  close(server->fd);
  SSL_CTX_free(server->tls);
  pthread_mutex_destroy(&server->lock);
  free(server);
}

#endif
