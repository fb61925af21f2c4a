/* HTTP towards the outside, on the host's loop: libcurl moves the bytes, this module decides where
 * they may go. http and https only, TLS verified, no proxies, cookies, .netrc or other state of the
 * user's account. Names are resolved on threads of libcurl's. Loop thread only.
 *
 * Where a request may go is asked of its policy: the host at the start and at every redirect, each
 * address after it was resolved and before it is connected to, and again when a connection of an
 * earlier request is used anew. The same parser reads URLs for the policy and for the connection.
 *
 * A request that is not `repeat_safe` is never sent twice: it does not use connections of earlier
 * requests, which may turn out to be dead only after it was written. */
#ifndef HGL_NET_HTTP_CLIENT_H
#define HGL_NET_HTTP_CLIENT_H

#include "base/buf.h"
#include "base/bytes.h"
#include "base/log.h"
#include "net/loop.h"

struct hgl_http_client;
struct hgl_http_call;

enum {
  HGL_HTTP_URL_SIZE_MAX = 8 << 10,
  HGL_HTTP_HEADERS_MAX = 100,           /* of a request, and of an answer */
  HGL_HTTP_HEADERS_SIZE_MAX = 64 << 10, /* all of them, of a request or an answer */
  HGL_HTTP_METHOD_SIZE_MAX = 16,
  HGL_HTTP_REDIRECTS_MAX = 20,
  HGL_HTTP_WITHIN_MS_MAX = 24 * 3600 * 1000,
  HGL_HTTP_CALLS_MAX = 256,           /* under way at once */
  HGL_HTTP_MEMORY_MAX = 256 << 20,    /* bodies of all calls together, as sent and as received */
  HGL_HTTP_IDLE_CONNECTIONS_MAX = 32, /* kept for later calls */
};

struct hgl_http_header {
  struct hgl_bytes name, value;
  bool sensitive; /* of a request: not passed on to another origin by a redirect, and our copies are
                     wiped after use. Authorization, Cookie and the like always are */
};

/* Both: 0, or a negative code and *err, which the caller of the request gets to see. They are
 * called from within libcurl and must not call the client. */
struct hgl_http_policy {
  /* `host` in lower case, without a trailing dot; an IPv6 address without brackets, an IPv4 address
   * in its usual form however the URL wrote it. */
  int (*allow_host)(void *user, const char *host, int port, struct hgl_err *err);
  /* `address` as inet_ntop writes it. */
  int (*allow_address)(void *user, const char *host, const char *address, int port,
                       struct hgl_err *err);
  void *user; /* borrowed until the call is done or cancelled */
};

/* All of it is copied. */
struct hgl_http_request {
  const char *method;                    /* upper case; not CONNECT or TRACE */
  const char *url;                       /* ASCII; no user or password in it */
  const struct hgl_http_header *headers; /* not Host, Content-Length, Accept-Encoding and others
                                            that belong to the connection */
  size_t header_count;
  struct hgl_bytes body;
  size_t size_max;   /* of the answer's body, decompressed */
  int redirects_max; /* 0: a redirect is an answer */
  int64_t within_ms; /* for everything, redirects and resolving included */
  bool repeat_safe;  /* may be sent twice; GET, HEAD and OPTIONS always are */
  struct hgl_http_policy policy;
};

struct hgl_http_answer {
  int status;                      /* 200…599 */
  char *url;                       /* where the answer is from, without a fragment */
  struct hgl_http_header *headers; /* names in lower case; values of repeated names are joined by
                                      ", ", but each Set-Cookie stands for itself */
  size_t header_count;
  struct hgl_buf body; /* decompressed, whatever the headers say; may be taken: hgl_buf_take */
};

struct hgl_http_failure {
  /* HGL_DENIED: by the policy, or from https to http. HGL_UNREACHABLE: no such name, or nobody
   * answers there. HGL_UNTRUSTED: TLS. HGL_TIMEOUT: within_ms is over. HGL_TOO_LARGE: size_max, or
   * the headers. HGL_LIMIT: redirects_max, memory of all calls. HGL_MALFORMED: not HTTP, or a
   * redirect to no URL. HGL_CLOSED: the connection ended before the answer did. HGL_NO_MEMORY. */
  struct hgl_err err;
  bool sent; /* at least a part of a request may have reached a server: perhaps it was handled */
};

/* The call has ended with one of both; the other is NULL. Both are the client's and end with this
 * call. May start and cancel calls. Never called from within hgl_http_start. */
typedef void (*hgl_http_done)(void *user, struct hgl_http_answer *answer,
                              const struct hgl_http_failure *failure);

struct hgl_http_limits { /* 0: those above */
  int calls_max;
  size_t memory_max;
  int idle_connections_max;
};

struct hgl_http_config {
  struct hgl_loop *loop;
  const struct hgl_clock *clock;
  const struct hgl_log *log; /* debug lines: method, host and outcome; no paths, headers, bodies,
                                and no hosts that servers name */
  const char *trust;         /* PEM file of authorities besides the system's, or NULL */
  const char *user_agent;    /* "haggle/1.2.3" */
  const char *const
      *resolve; /* names that are not looked up, each "HOST:PORT:ADDRESS[,ADDRESS]…",
                   ended by NULL; or NULL. Their addresses are checked as others are */
  struct hgl_http_limits limits;
};

/* HGL_INVALID: `trust` cannot be read or holds no certificate. The loop, clock, log and
 * user_agent are borrowed until hgl_http_destroy. */
int hgl_http_create(const struct hgl_http_config *config, struct hgl_http_client **out,
                    struct hgl_err *err) HGL_NODISCARD;
/* Cancels what is under way and runs the loop until its handles are closed. Not from within a
 * callback of the client. NULL is allowed. */
void hgl_http_destroy(struct hgl_http_client *client);

/* The call lives until it is done or cancelled. HGL_INVALID: the request is wrong (says how).
 * HGL_DENIED: allow_host. HGL_LIMIT: too many under way. HGL_NO_MEMORY. */
int hgl_http_start(struct hgl_http_client *client, const struct hgl_http_request *request,
                   hgl_http_done done, void *user, struct hgl_http_call **out,
                   struct hgl_err *err) HGL_NODISCARD;
/* No done after it. Whether the request arrived is not known. Not for a call that is done. */
void hgl_http_cancel(struct hgl_http_call *call);

#endif
