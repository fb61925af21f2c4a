/* What a script declares at its top level. Agents that declare the same share one manifest, so that
 * it costs each of them a pointer, and what one listens for is known while it sleeps. */
#ifndef HGL_AGENT_MANIFEST_H
#define HGL_AGENT_MANIFEST_H

#include "agent/routes.h"
#include "base/buf.h"
#include "base/map.h"
#include "base/seam.h"
#include "lua/vm.h"
#include "protocol/advert.h"
#include "protocol/dialogue.h"

struct hgl_host;

enum { ADVERT_BODY_SIZE_MAX = HGL_ADVERT_SIZE_MAX - 4096 }; /* the rest of an advert is proof */

struct manifest {
  int refs;
  bool shared;              /* in host->manifests, and not changed any more */
  struct hgl_hash digest;   /* of all that was declared, in its order */
  struct hgl_buf declared;  /* … which is [kind, name, value], …; empty once it is shared */
  int64_t version;          /* 1 unless it says otherwise */
  char *about;              /* or NULL */
  struct hgl_map protocols; /* "name/version" → struct hgl_definition */
  struct hgl_buf offers;    /* encoded maps, one after the other */
  size_t offer_count;
  size_t advertised;        /* bytes of offers and of names of protocols */
  struct hgl_buf schedules; /* [name, value], …: what `every` declared */
  size_t schedule_count;
  struct routes routes; /* of agent.on_http */
  struct hgl_map names; /* kind ‖ name → any: handlers, timers, schedules, on_start and its like */
};

/* An empty one, to be filled. */
int manifest_create(struct hgl_host *host, struct manifest **out,
                    struct hgl_err *err) HGL_NODISCARD;
/* One that no host has: it is not shared, and is released with NULL instead of a host. */
int manifest_create_apart(const struct hgl_random *random, struct manifest **out,
                          struct hgl_err *err) HGL_NODISCARD;
/* Errors are for the script. HGL_EXISTS, HGL_INVALID, HGL_LIMIT, HGL_TOO_LARGE. */
int manifest_declare(struct manifest *manifest, enum hgl_vm_declaration kind, struct hgl_bytes name,
                     struct hgl_bytes value, struct hgl_err *err) HGL_NODISCARD;
/* Nothing more is declared: *manifest becomes the one that all share who declared the same. */
int manifest_share(struct hgl_host *host, struct manifest **manifest,
                   struct hgl_err *err) HGL_NODISCARD;
void manifest_release(struct hgl_host *host, struct manifest *manifest); /* NULL is allowed */

bool manifest_has(const struct manifest *manifest, enum hgl_vm_declaration kind,
                  struct hgl_bytes name);
/* NULL: it does not declare this protocol. */
struct hgl_definition *manifest_definition(const struct manifest *manifest,
                                           struct hgl_bytes protocol, struct hgl_bytes version);

#endif
