/* Which of an agent's HTTP handlers a path is for. Pure.
 *
 *   /forecast          this path
 *   /lots/:id          a segment that is not empty, as params.id
 *   /files/<star>      what follows the last slash, as params["<star>"]
 *
 * (<star> is an asterisk.) Of several patterns that fit, the most specific is taken: segment by
 * segment, a text before a parameter before a star. */
#ifndef HGL_AGENT_ROUTES_H
#define HGL_AGENT_ROUTES_H

#include "base/buf.h"

enum {
  HGL_ROUTES_MAX = 128, /* of one agent */
  HGL_ROUTE_PARAMS_MAX = 16,
};

struct route {
  char *name;        /* "GET /lots/:id": the handler's */
  int64_t within_ms; /* an answer is waited for */
};

struct routes {
  struct route *items;
  size_t count, capacity;
};

struct route_match {
  const struct route *route;
  struct {
    struct hgl_bytes name, value;
  } params[HGL_ROUTE_PARAMS_MAX];
  size_t param_count;
};

/* HGL_INVALID: no pattern; HGL_EXISTS: one that means the same is there; HGL_LIMIT. */
int routes_add(struct routes *routes, struct hgl_bytes name, int64_t within_ms,
               struct hgl_err *err) HGL_NODISCARD;
void routes_deinit(struct routes *routes);
/* False: there is none. HEAD is answered by GET's. */
bool routes_find(const struct routes *routes, struct hgl_bytes method, struct hgl_bytes path,
                 struct route_match *out);
/* Appends the methods that this path has ("GET, HEAD"); nothing: it has none. */
void routes_allow(const struct routes *routes, struct hgl_bytes path, struct hgl_buf *out);

#endif
