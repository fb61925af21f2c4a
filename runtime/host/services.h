/* The services that carry out agents' calls to the outside (agent/calls.h): "http", "write",
 * "remove" and "infer". Loop thread; files are written on threads of the loop's pool, models have
 * threads of their own. */
#ifndef HGL_HOST_SERVICES_H
#define HGL_HOST_SERVICES_H

#include "agent/host.h"
#include "host/secrets.h"
#include "infer/infer.h"
#include "net/http_client.h"
#include "net/loop.h"
#include "protocol/cbor.h"

struct hgl_services;

struct hgl_services_config {
  struct hgl_loop *loop;
  struct hgl_http_client *http;      /* borrowed */
  const struct hgl_secrets *secrets; /* borrowed; NULL: every secret is taken to be there */
  struct hgl_infer *infer;           /* borrowed */
};

int hgl_services_create(const struct hgl_services_config *config, struct hgl_services **out,
                        struct hgl_err *err) HGL_NODISCARD;
/* After the host, before the HTTP client and the loop. NULL is allowed. */
void hgl_services_destroy(struct hgl_services *services);
/* Whom the services tell what came of calls: once it has been made. */
void hgl_services_set_host(struct hgl_services *services, struct hgl_host *host);
/* For struct hgl_host_config. */
const struct hgl_service *hgl_services_list(const struct hgl_services *services);

/* http_service.c, file_service.c, infer_service.c */
struct hgl_services {
  struct hgl_services_config config;
  struct hgl_host *host;
  struct hgl_service list[5];
  struct hgl_file_work *files; /* file_service.c: what is not over yet, the newest first */
};
/* A field of a request that is a map. HGL_INVALID: it has none of this name. */
int hgl_call_field(struct hgl_bytes request, const char *name, struct hgl_cbor_reader *out,
                   struct hgl_err *err) HGL_NODISCARD;
/* What a thread is at goes on; nobody is told. */
void hgl_file_works_leave(struct hgl_services *services);
extern const struct hgl_service hgl_http_service, hgl_write_service, hgl_remove_service,
    hgl_infer_service;
/* Whether the agent's grants permit the host that the request's URL names: HGL_DENIED names the one
 * to add. When a request is sent this is asked of every address and redirect as well. */
int hgl_http_call_permitted(const struct hgl_call *call, struct hgl_err *err) HGL_NODISCARD;

/* Whether the agent's grants permit the model that the request names, which is taken apart:
 * HGL_DENIED names the one to add. */
int hgl_infer_call_permitted(const struct hgl_call *call, struct hgl_bytes *name,
                             struct hgl_bytes *input, struct hgl_err *err) HGL_NODISCARD;

#endif
