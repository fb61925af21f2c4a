/* Calls to the outside: what goes on beyond the host for an agent, such as an HTTP request or a
 * file that is written. A *service*, handed in with the host's configuration, carries them out.
 *
 * A handler makes a call with host.call and waits for what comes of it. The call is part of the
 * stretch that ends there: it begins once that stretch is durable, so that what is rolled back has
 * not been done. What came of it is one of the run's answers: journaled with the run, and never
 * asked for again when the handler is replayed.
 *
 * An *eager* call changes nothing anywhere and costs nobody anything: a model of this machine is
 * asked. It begins with the end of the tick that its stretch belongs to, while that is being made
 * durable. A stretch that has ended well is not rolled back any more; only a crash loses it, and
 * then what it asked is lost with it, which nobody has noticed. The run goes on with the answer in
 * a later tick, which is durable after the first one. Eager calls do not count against the agent's
 * `calls_per_second`: who carries them out bounds them.
 *
 * A process that dies leaves open whether its calls were carried out. One that may be repeated
 * begins again after the start, with the same id; the others end with HGL_UNKNOWN_OUTCOME.
 *
 * Loop thread only. */
#ifndef HGL_AGENT_CALLS_H
#define HGL_AGENT_CALLS_H

#include "base/buf.h"
#include "protocol/envelope.h"

struct hgl_host;

struct hgl_call {
  const char *agent;         /* who makes it */
  const char *const *grants; /* of the agent, NULL-terminated; or NULL */
  struct hgl_bytes request;  /* an encoded value, as the script gave it */
  struct hgl_id id;          /* the same however often this call is carried out */
  int64_t within_ms;         /* then it is over */
  bool repeated;             /* a process that has died may have begun it */
};

struct hgl_call_nature {
  bool repeatable; /* it may be carried out twice */
  bool eager;      /* so often as one likes, and without waiting for the commit */
};

struct hgl_service {
  const char *name; /* as host.call names it */
  /* Looks at a request while the handler runs; pure. HGL_INVALID raises in the script, HGL_DENIED
   * and all else comes back to it. `call->id` is not set yet. */
  int (*check)(void *user, const struct hgl_call *call, struct hgl_call_nature *nature,
               struct hgl_err *err);
  /* Begins. hgl_host_call_done tells what came of it, later and once; failing here is that, too.
   * *work: what `cancel` is given. `call` is borrowed. */
  int (*start)(void *user, const struct hgl_call *call, uint64_t ticket, void **work,
               struct hgl_err *err);
  /* Nobody waits for it any more; it is not told what came of it. */
  void (*cancel)(void *user, void *work);
  void *user;
  /* All calls of a tick have begun, for services that had rather begin with many; or NULL. */
  void (*begun)(void *user);
};

/* `result`: an encoded value of at most HGL_BODY_SIZE_MAX bytes, borrowed; with `why` it is not
 * looked at. Calls that are over by now are passed over. */
void hgl_host_call_done(struct hgl_host *host, uint64_t ticket, struct hgl_bytes result,
                        const struct hgl_err *why);
/* How many go on now: a host that stops waits for them within its grace time. */
size_t hgl_host_calls(const struct hgl_host *host);

/* Whether a list of grants ("read=/proc/loadavg", …) covers a value. A grant that ends in a star
 * covers everything that begins so, without a way up ("/../"). *folder_size: of the value, what
 * names the folder that the grant is about; 0: it is about this value alone. */
bool hgl_grants_cover(const char *const *grants, const char *kind, struct hgl_bytes value,
                      size_t *folder_size);
/* Whether one of them is about this secret: "secret=NAME", or "secret=NAME@…", which says where it
 * may be sent. */
bool hgl_grants_name_secret(const char *const *grants, struct hgl_bytes name);

#endif
