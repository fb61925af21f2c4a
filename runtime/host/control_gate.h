/* Who may call what of the control API: whoever comes another way than over the control socket says
 * "hello" with a token first, and has a role from then on. Loop thread. */
#ifndef HGL_HOST_CONTROL_GATE_H
#define HGL_HOST_CONTROL_GATE_H

#include <jansson.h>

#include "base/log.h"
#include "base/seam.h"
#include "host/control_client.h"

enum { HGL_FEED_VERSION = 1 }; /* of the messages between a host and who looks at it */

/* What the process does at the gate. */
struct hgl_control_gate {
  /* Sets the client's role to that whose token this is. HGL_DENIED, HGL_LIMIT. */
  int (*admit)(void *user, struct hgl_control_client *client, struct hgl_bytes token,
               struct hgl_err *err);
  /* The links to the dashboard; `renewed`: with a new token for that role, or HGL_ROLE_NONE. */
  int (*links)(void *user, enum hgl_role renewed, json_t **out, struct hgl_err *err);
  void *user;
  const struct hgl_log *log;
  const struct hgl_clock *clock;
  const char *did;
  int64_t started_ms;
};

/* HGL_DENIED, in words that say what to do. `least` HGL_ROLE_NONE: as HGL_ROLE_OWNER. */
int hgl_control_may(const struct hgl_control_client *client, const char *call, enum hgl_role least,
                    struct hgl_err *err) HGL_NODISCARD;
/* What somebody does from elsewhere is logged. */
void hgl_control_note(const struct hgl_control_gate *gate, const struct hgl_control_client *client,
                      const json_t *request);

/* The calls "hello" and "dashboard". */
int hgl_control_hello(const struct hgl_control_gate *gate, struct hgl_control_client *client,
                      const json_t *request, json_t **result, struct hgl_err *err) HGL_NODISCARD;
int hgl_control_dashboard(const struct hgl_control_gate *gate, const json_t *request,
                          json_t **result, struct hgl_err *err) HGL_NODISCARD;

#endif
