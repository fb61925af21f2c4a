/* HTTP requests to agents: /agents/NAME/… is for the agent of that name, if the operator grants it
 * ("http=open", or "http=token" to whoever shows its token), and a handler of agent.on_http takes
 * it from there.
 *
 * A request is a call of a handler like a message, in the agent's mailbox until its turn comes; but
 * a client waits for it, so that it is in no row before its handler has begun, and is dropped when
 * its time is over by then. What a handler answers leaves behind the commit of the stretch that
 * gave it. A handler that waits is as durable as any other: when the host dies the client loses its
 * connection, and the handler goes on to its end after the start.
 *
 * Loop thread only. */
#ifndef HGL_AGENT_HTTP_H
#define HGL_AGENT_HTTP_H

#include "protocol/web.h"

struct hgl_host;
struct hgl_http_wait;

/* Whether `token`, which may be empty, is the agent's. `origin`: whoever shows it. HGL_DENIED: it
 * is not; HGL_LIMIT: this origin has shown too many wrong ones. */
struct hgl_http_tokens {
  int (*check)(void *user, const char *agent, struct hgl_bytes token, uint64_t origin,
               struct hgl_err *err);
  void *user;
};

/* `answered` is called exactly once, from within this call or later, unless the wait is given up;
 * the answer is borrowed for that call. `wait`: set before it returns, if it comes later; else
 * NULL. The path begins with "/agents/". */
void hgl_host_http(struct hgl_host *host, const struct hgl_web_request *request, uint64_t origin,
                   void (*answered)(void *user, const struct hgl_web_answer *answer), void *user,
                   struct hgl_http_wait **wait);
/* Nobody waits any more. A handler that has begun goes on. */
void hgl_host_http_gone(struct hgl_http_wait *wait);
/* {"error":{"code":…,"message":…}} */
void hgl_http_put_error(struct hgl_buf *out, const char *code, const char *message);

#endif
