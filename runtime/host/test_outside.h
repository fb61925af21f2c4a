/* Calls to the outside in a world of specs (agent/calls.h): files are written into the world, HTTP
 * and models are answered by the spec. What is called waits until the world has a moment for it; a
 * host that is killed meanwhile leaves it unanswered, as a crash does. Loop thread only. */
#ifndef HGL_HOST_TEST_OUTSIDE_H
#define HGL_HOST_TEST_OUTSIDE_H

#include "agent/host.h"

struct hgl_fakes;
struct hgl_fake_call;

/* Answers a request as http_service.c or infer_service.c has it. *never: no answer comes. Fails
 * with what the agent is told; HGL_SCRIPT: the spec itself has failed. */
struct hgl_fake_answer {
  int (*answer)(void *user, const char *agent, struct hgl_bytes request, struct hgl_buf *result,
                bool *never, struct hgl_err *err);
  void *user;
};
struct hgl_fake_answers {
  struct hgl_fake_answer http, models; /* without `answer`: the spec says nothing of it */
};

/* Of one host. */
struct hgl_fake_outside {
  struct hgl_fakes *fakes;
  struct hgl_host *host;
  struct hgl_service services[5];
  struct hgl_fake_call *calls; /* not carried out yet, the oldest first */
};

void hgl_fake_outside_init(struct hgl_fake_outside *outside, struct hgl_fakes *fakes);
/* Carries out what waits; *any: something did. Fails with what ends the test. */
int hgl_fake_outside_serve(struct hgl_fake_outside *outside, const struct hgl_fake_answers *answers,
                           bool *any, struct hgl_err *err) HGL_NODISCARD;

#endif
