#include "host/test_outside.h"

#include "base/mem.h"
#include "host/services.h"
#include "host/test_fakes.h"
#include "protocol/value.h"

struct hgl_fake_call {
  struct hgl_fake_call *next;
  struct hgl_fake_outside *outside;
  const char *service;
  uint64_t ticket;
  char *agent;
  struct hgl_buf request;
  bool unanswered; /* the spec lets it hang */
};

static void destroy(struct hgl_fake_call *call)
{
  hgl_free(call->agent);
  hgl_buf_deinit(&call->request);
  hgl_free(call);
}

static int start(void *user, const char *service, const struct hgl_call *made, uint64_t ticket,
                 void **work, struct hgl_err *err)
{
  struct hgl_fake_outside *outside = user;
  struct hgl_fake_call *call = hgl_zalloc(sizeof *call), **end = &outside->calls;
  if (!call) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  *call = (struct hgl_fake_call){.outside = outside, .service = service, .ticket = ticket};
  call->agent = hgl_strndup(made->agent, strlen(made->agent));
  hgl_buf_init(&call->request, made->request.size);
  hgl_buf_append_bytes(&call->request, made->request);
  int status = call->agent ? hgl_buf_check(&call->request, err)
                           : hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  if (status) {
    destroy(call);
    return status;
  }
  while (*end) end = &(*end)->next;
  *end = call;
  *work = call;
  return 0;
}

static void cancel(void *user, void *work)
{
  struct hgl_fake_outside *outside = user;
  struct hgl_fake_call **at = &outside->calls;
  while (*at && *at != work) at = &(*at)->next;
  if (!*at) return;
  *at = (*at)->next;
  destroy(work);
}

/* ---- HTTP ---- */

static int check_http(void *user, const struct hgl_call *call, struct hgl_call_nature *nature,
                      struct hgl_err *err)
{
  static struct hgl_services real; /* has no list of secrets: every one is there */
  int status = hgl_http_service.check(&real, call, nature, err);
  return status ? status : hgl_http_call_permitted(call, err);
}

static int start_http(void *user, const struct hgl_call *call, uint64_t ticket, void **work,
                      struct hgl_err *err)
{
  return start(user, "http", call, ticket, work, err);
}

/* ---- models ---- */

static int check_infer(void *user, const struct hgl_call *call, struct hgl_call_nature *nature,
                       struct hgl_err *err)
{
  struct hgl_bytes name, input;
  nature->repeatable = nature->eager = true;
  return hgl_infer_call_permitted(call, &name, &input, err);
}

static int start_infer(void *user, const struct hgl_call *call, uint64_t ticket, void **work,
                       struct hgl_err *err)
{
  return start(user, "infer", call, ticket, work, err);
}

/* ---- files ---- */

static int check_file(void *user, const struct hgl_call *call, struct hgl_call_nature *nature,
                      struct hgl_err *err)
{
  return hgl_write_service.check(NULL, call, nature, err);
}

static int start_write(void *user, const struct hgl_call *call, uint64_t ticket, void **work,
                       struct hgl_err *err)
{
  return start(user, "write", call, ticket, work, err);
}

static int start_remove(void *user, const struct hgl_call *call, uint64_t ticket, void **work,
                        struct hgl_err *err)
{
  return start(user, "remove", call, ticket, work, err);
}

static int change_file(const struct hgl_fake_call *call, struct hgl_err *err)
{
  struct hgl_bytes request = hgl_buf_bytes(&call->request), path, content = {0};
  struct hgl_cbor_reader in;
  bool writes = strcmp(call->service, "write") == 0;
  int status = hgl_call_field(request, "path", &in, err);
  if (!status) status = hgl_cbor_get_text(&in, "path", HGL_BODY_SIZE_MAX, &path, err);
  if (!status && writes) status = hgl_call_field(request, "content", &in, err);
  if (!status && writes)
    status = hgl_cbor_get_bytes(&in, "content", HGL_BODY_SIZE_MAX, &content, err);
  if (status) return status;
  char *name = hgl_strndup((const char *)path.data, path.size);
  if (!name) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  if (!writes && !hgl_fakes_has_file(call->outside->fakes, name))
    status = hgl_fail(err, HGL_NOT_FOUND, "%s does not exist", name);
  if (!status) status = hgl_fakes_set_file(call->outside->fakes, name, content, err);
  hgl_free(name);
  return status;
}

/* ---- carrying out ---- */

void hgl_fake_outside_init(struct hgl_fake_outside *outside, struct hgl_fakes *fakes)
{
  *outside = (struct hgl_fake_outside){.fakes = fakes};
  outside->services[0] = (struct hgl_service){"http", check_http, start_http,
                                              cancel, outside,    NULL};
  outside->services[1] = (struct hgl_service){"write", check_file, start_write,
                                              cancel,  outside,    NULL};
  outside->services[2] = (struct hgl_service){"remove", check_file, start_remove,
                                              cancel,   outside,    NULL};
  outside->services[3] = (struct hgl_service){"infer", check_infer, start_infer,
                                              cancel,  outside,     NULL};
}

static int ask_spec(struct hgl_fake_call *call, const struct hgl_fake_answers *answers,
                    struct hgl_buf *result, struct hgl_err *err)
{
  bool model = strcmp(call->service, "infer") == 0;
  const struct hgl_fake_answer *by = model ? &answers->models : &answers->http;
  if (model && !by->answer)
    return hgl_fail(err, HGL_NOT_FOUND,
                    "this world has no models: world:model(name, function(request) … end) adds "
                    "one");
  if (!by->answer)
    return hgl_fail(err, HGL_UNREACHABLE,
                    "this world answers no requests: world:http(function(request) … end) does");
  int status = by->answer(by->user, call->agent, hgl_buf_bytes(&call->request), result,
                          &call->unanswered, err);
  return status ? status : hgl_buf_check(result, err);
}

int hgl_fake_outside_serve(struct hgl_fake_outside *outside, const struct hgl_fake_answers *answers,
                           bool *any, struct hgl_err *err)
{
  static const uint8_t yes = 0xf5;
  for (struct hgl_fake_call *call = outside->calls, *next; call; call = next) {
    struct hgl_buf result;
    next = call->next;
    if (call->unanswered) continue;
    *any = true;
    hgl_buf_init(&result, HGL_BODY_SIZE_MAX);
    bool asks = strcmp(call->service, "http") == 0 || strcmp(call->service, "infer") == 0;
    if (!asks) hgl_buf_append(&result, &yes, 1);
    int status = asks ? ask_spec(call, answers, &result, err) : change_file(call, err);
    bool spec_failed = status == -HGL_SCRIPT;
    uint64_t ticket = call->ticket;
    if (!call->unanswered) {
      cancel(outside, call);
      hgl_host_call_done(outside->host, ticket, hgl_buf_bytes(&result), status ? err : NULL);
    }
    hgl_buf_deinit(&result);
    if (spec_failed) return -HGL_SCRIPT;
  }
  return 0;
}
