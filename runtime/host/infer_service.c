/* agent.infer: what a model of this host makes of inputs. The request is the list [model, inputs],
 * where the inputs of a language model are its request (infer/PLUGINS.md). It may always be
 * repeated, and is eager (agent/calls.h) unless the model is remote: such calls leave the machine
 * and may cost money, so that they wait until their stretch is durable, and count as calls do. */
#include "host/services.h"
#include "infer/infer.h"

enum { NAMES_ROOM = 200 };

struct asked {
  struct hgl_bytes name, input;
  struct hgl_infer_model *model;
};

static int read_request(struct hgl_bytes request, struct asked *out, struct hgl_err *err)
{
  struct hgl_cbor_reader in = hgl_cbor_reader(request);
  size_t count;
  if (hgl_cbor_get_list(&in, "request", 2, &count, err) ||
      hgl_cbor_get_text(&in, "model", HGL_MODEL_NAME_SIZE_MAX, &out->name, err))
    return hgl_fail(err, HGL_INVALID, "infer: the request is [model, inputs]: %.300s",
                    err->message);
  out->input = hgl_cbor_rest(&in); /* a request is one value: the second of two is what is left */
  if (count != 2) return hgl_fail(err, HGL_INVALID, "infer: the request is [model, inputs]");
  return 0;
}

int hgl_infer_call_permitted(const struct hgl_call *call, struct hgl_bytes *name,
                             struct hgl_bytes *input, struct hgl_err *err)
{
  struct asked asked;
  size_t folder_size;
  int status = read_request(call->request, &asked, err);
  if (status) return status;
  if (!hgl_grants_cover(call->grants, "infer", asked.name, &folder_size))
    return hgl_fail(err, HGL_DENIED, "%s may not use that model: grant --allow %s:infer=%.*s",
                    call->agent, call->agent, HGL_STR(asked.name));
  *name = asked.name;
  *input = asked.input;
  return 0;
}

static int find_model(const struct hgl_services *services, const struct hgl_call *call,
                      struct asked *out, struct hgl_err *err)
{
  char names[NAMES_ROOM];
  int status = hgl_infer_call_permitted(call, &out->name, &out->input, err);
  if (status) return status;
  out->model = hgl_infer_find(services->config.infer, out->name);
  if (out->model) return 0;
  hgl_infer_names(services->config.infer, names, sizeof names);
  return hgl_fail(err, HGL_NOT_FOUND,
                  "there is no model '%.*s' on this host (there are: %s); it is started with "
                  "--model %.*s=FILE",
                  HGL_STR(out->name), names, HGL_STR(out->name));
}

static int check(void *user, const struct hgl_call *call, struct hgl_call_nature *nature,
                 struct hgl_err *err)
{
  struct asked asked;
  int status = find_model(user, call, &asked, err);
  if (status) return status;
  nature->repeatable = true;
  nature->eager = !hgl_infer_is_remote(asked.model);
  if (hgl_infer_check(asked.model, asked.input, err))
    return hgl_fail_in(err, "model %.*s", HGL_STR(asked.name));
  return 0;
}

static void done(void *user, uint64_t ticket, struct hgl_bytes result, const struct hgl_err *why)
{
  struct hgl_services *services = user;
  hgl_host_call_done(services->host, ticket, result, why);
}

static int start(void *user, const struct hgl_call *call, uint64_t ticket, void **work,
                 struct hgl_err *err)
{
  struct hgl_services *services = user;
  struct hgl_infer_call *begun;
  struct asked asked;
  int status = find_model(services, call, &asked, err);
  if (status) return status;
  const struct hgl_infer_asked told = {.agent = call->agent,
                                       .input = asked.input,
                                       .within_ms = call->within_ms,
                                       .done = done,
                                       .user = services,
                                       .ticket = ticket};
  status = hgl_infer_submit(asked.model, &told, &begun, err);
  if (!status) *work = begun;
  return status;
}

static void cancel(void *user, void *work)
{
  hgl_infer_cancel(work);
}

static void begun(void *user)
{
  hgl_infer_flush(((struct hgl_services *)user)->config.infer);
}

const struct hgl_service hgl_infer_service = {"infer", check, start, cancel, NULL, begun};
