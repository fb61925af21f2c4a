#include "host/services.h"

#include "base/mem.h"
#include "protocol/value.h"

int hgl_services_create(const struct hgl_services_config *config, struct hgl_services **out,
                        struct hgl_err *err)
{
  const struct hgl_service *all[] = {&hgl_http_service, &hgl_write_service, &hgl_remove_service,
                                     &hgl_infer_service};
  struct hgl_services *services = hgl_zalloc(sizeof *services);
  if (!services) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  services->config = *config;
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    services->list[i] = *all[i];
    services->list[i].user = services;
  }
  *out = services;
  return 0;
}

void hgl_services_destroy(struct hgl_services *services)
{
  if (services) hgl_file_works_leave(services);
  hgl_free(services);
}

void hgl_services_set_host(struct hgl_services *services, struct hgl_host *host)
{
  services->host = host;
}

const struct hgl_service *hgl_services_list(const struct hgl_services *services)
{
  return services->list;
}

int hgl_call_field(struct hgl_bytes request, const char *name, struct hgl_cbor_reader *out,
                   struct hgl_err *err)
{
  struct hgl_bytes value;
  bool found;
  int status = hgl_value_field(request, name, &value, &found, err);
  if (!status && !found) status = hgl_fail(err, HGL_INVALID, "the request has no %s", name);
  if (!status) *out = hgl_cbor_reader(value);
  return status;
}
