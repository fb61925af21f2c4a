/* The life of a call (calls.h): made by a stretch, begun behind its commit, over when the service
 * says so, when its time is over, or when nobody waits for it any more. */
#include "agent/calls.h"

#include "agent/supervise.h"

/* What a run waits for outside. Its one answer is run->asks[0], as of a question to a peer. */
struct outside_call {
  /* In host->calls_waiting or calls_eager until it begins; link NULL: begun. */
  struct outside_call *next, **link;
  struct agent_run *run;
  struct hgl_bytes service, request; /* in its own memory */
  struct hgl_call_nature nature;
  bool repeated;
  uint64_t tick;   /* whose commit lets it begin */
  uint64_t ticket; /* in host->calls; 0: not begun */
  const struct hgl_service *by;
  void *work;
  uint8_t text[];
};

/* ---- grants ---- */

static size_t folder_of(struct hgl_bytes path)
{
  const uint8_t *slash = memrchr(path.data, '/', path.size);
  return slash ? (size_t)(slash - path.data) + 1 : 0;
}

bool hgl_grants_cover(const char *const *grants, const char *kind, struct hgl_bytes value,
                      size_t *folder_size)
{
  size_t kind_size = strlen(kind);
  for (const char *const *grant = grants; grant && *grant; grant++) {
    if (strncmp(*grant, kind, kind_size) != 0 || (*grant)[kind_size] != '=') continue;
    struct hgl_bytes allowed = hgl_text(*grant + kind_size + 1);
    bool prefix = allowed.size && allowed.data[allowed.size - 1] == '*';
    *folder_size = prefix ? folder_of(allowed) : 0;
    if (prefix ? value.size >= allowed.size - 1 &&
                     memcmp(value.data, allowed.data, allowed.size - 1) == 0 &&
                     !memmem(value.data, value.size, "/../", 4)
               : hgl_bytes_equal(allowed, value))
      return true;
  }
  return false;
}

bool hgl_grants_name_secret(const char *const *grants, struct hgl_bytes name)
{
  static const char kind[] = "secret=";
  for (; grants && *grants; grants++) {
    if (strncmp(*grants, kind, strlen(kind)) != 0) continue;
    const char *value = *grants + strlen(kind);
    if (hgl_bytes_equal(hgl_bytes(value, strcspn(value, "@")), name)) return true;
  }
  return false;
}

/* ---- services ---- */

static const struct hgl_service *find_service(const struct hgl_host *host, struct hgl_bytes name)
{
  for (const struct hgl_service *service = host->config.services; service && service->name;
       service++)
    if (hgl_bytes_is(name, service->name)) return service;
  return NULL;
}

static struct hgl_call describe(const struct agent *agent, struct hgl_bytes request,
                                int64_t within_ms)
{
  return (struct hgl_call){.agent = agent->name,
                           .grants = (const char *const *)agent->child->grants,
                           .request = request,
                           .within_ms = within_ms};
}

static int check(struct agent *agent, const struct hgl_vm_outside *outside, struct hgl_err *err)
{
  const struct hgl_service *service = find_service(agent->host, outside->service);
  if (!service)
    return hgl_fail(err, HGL_INVALID, "host.call: there is no service '%.*s' on this host",
                    HGL_STR(outside->service));
  struct hgl_call call = describe(agent, outside->request, outside->within_ms);
  agent->call_nature = (struct hgl_call_nature){0};
  return service->check(service->user, &call, &agent->call_nature, err);
}

int call_check(struct agent *agent, const struct hgl_vm_outside *outside, struct hgl_err *err)
{
  if (agent->calls_open >= (size_t)agent->limits->calls)
    return hgl_fail(err, HGL_LIMIT, "%s waits for %zu calls already", agent->name,
                    agent->calls_open);
  int64_t now_ms = agent->host->mono_ms, rate = agent->limits->calls_per_second;
  int status = check(agent, outside, err);
  if (!status && !agent->call_nature.eager && hgl_bucket_left(&agent->called, rate, now_ms) < 1)
    return hgl_fail(err, HGL_LIMIT, "%s makes more than %lld calls a second", agent->name,
                    (long long)rate);
  return status;
}

/* ---- beginning ---- */

static void unlink_waiting(struct outside_call *call)
{
  if (!call->link) return;
  *call->link = call->next;
  if (call->next) call->next->link = call->link;
  call->link = NULL;
}

static void link_waiting(struct outside_call **list, struct outside_call *call, uint64_t tick)
{
  call->tick = tick;
  call->next = *list;
  if (call->next) call->next->link = &call->next;
  call->link = list;
  *list = call;
}

/* The same whenever the run comes to this call, and known to nobody: the seed is secret. That of an
 * eager one leaves this machine never and is wanted often, which SHA-256 is too slow for. */
static void short_id_of(const struct agent_run *run, struct hgl_id *out)
{
  const uint64_t seed[2] = {run->seed, run->stretches};
  uint8_t text[HGL_KEY_SIZE + 1];
  memcpy(text, run->agent->key.bytes, HGL_KEY_SIZE);
  for (uint8_t half = 0; half < 2; half++) {
    text[HGL_KEY_SIZE] = half;
    hgl_put_be64(out->bytes + (size_t)8 * half, hgl_siphash13(seed, text, sizeof text));
  }
}

static void id_of(const struct agent_run *run, struct hgl_id *out)
{
  static const char domain[] = "haggle call";
  uint8_t numbers[16];
  struct hgl_hash hash;
  hgl_put_be64(numbers, run->seed);
  hgl_put_be64(numbers + 8, run->stretches);
  const struct hgl_bytes parts[] = {hgl_bytes(domain, sizeof domain),
                                    hgl_key_bytes(&run->agent->key),
                                    hgl_bytes(numbers, sizeof numbers)};
  hgl_sha256(parts, 3, &hash);
  memcpy(out->bytes, hash.bytes, HGL_ID_SIZE);
}

static int create(struct agent_run *run, struct hgl_bytes service, struct hgl_bytes request,
                  struct hgl_err *err)
{
  if (service.size > HGL_NAME_SIZE_MAX || request.size > HGL_CALL_REQUEST_SIZE_MAX)
    return hgl_fail(err, HGL_TOO_LARGE, "the request of a call has %zu bytes; at most %d",
                    request.size, HGL_CALL_REQUEST_SIZE_MAX);
  struct outside_call *call = hgl_zalloc(sizeof *call + service.size + request.size);
  if (!call) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  if (service.size) memcpy(call->text, service.data, service.size);
  if (request.size) memcpy(call->text + service.size, request.data, request.size);
  call->run = run;
  call->service = hgl_bytes(call->text, service.size);
  call->request = hgl_bytes(call->text + service.size, request.size);
  run->call = call;
  run->agent->calls_open++;
  return 0;
}

int call_open(struct agent_run *run, const struct hgl_vm_outside *outside, struct hgl_err *err)
{
  struct agent *agent = run->agent;
  struct hgl_host *host = agent->host;
  run->asks = hgl_array(1, sizeof *run->asks);
  if (!run->asks) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  run->ask_count = run->asks_open = 1;
  (agent->call_nature.eager ? short_id_of : id_of)(run, &run->asks[0].thid);
  run->asks[0].deadline_ms = host->mono_ms + outside->within_ms;
  int status = create(run, outside->service, outside->request, err);
  if (status) return status;
  run->call->nature = agent->call_nature; /* call_check has just seen it */
  run->eager = run->call->nature.eager;
  if (!run->eager)
    hgl_bucket_take(&agent->called, agent->limits->calls_per_second, host->mono_ms, 1);
  link_waiting(run->eager ? &host->calls_eager : &host->calls_waiting, run->call, host->tick);
  return run_wait_until(run, run->asks[0].deadline_ms, err);
}

/* ---- being over ---- */

static struct hgl_bytes ticket_key(const struct outside_call *call)
{
  return hgl_bytes(&call->ticket, sizeof call->ticket);
}

void call_forget(struct agent_run *run)
{
  struct outside_call *call = run->call;
  if (!call) return;
  struct hgl_host *host = run->agent->host;
  unlink_waiting(call);
  if (call->ticket) {
    hgl_map_remove(&host->calls, ticket_key(call));
    call->by->cancel(call->by->user, call->work);
  }
  hgl_free(call);
  run->call = NULL;
  run->agent->calls_open--;
}

/* The service has ended its work. */
static void close_call(struct agent_run *run, const struct hgl_err *why)
{
  struct outside_call *call = run->call;
  struct ask *ask = &run->asks[0];
  if (call->ticket) hgl_map_remove(&run->agent->host->calls, ticket_key(call));
  call->ticket = 0;
  call_forget(run);
  if (why) {
    ask->code = why->code;
    ask->why = hgl_strndup(why->message, strlen(why->message));
  }
  run_close_ask(run, ask);
}

static int start(struct outside_call *call, struct hgl_err *err)
{
  struct agent_run *run = call->run;
  struct agent *agent = run->agent;
  struct hgl_host *host = agent->host;
  struct ask *ask = &run->asks[0];
  call->by = find_service(host, call->service);
  if (!call->by)
    return hgl_fail(err, HGL_INVALID, "there is no service '%.*s' on this host any more",
                    HGL_STR(call->service));
  struct hgl_call told = describe(agent, call->request, ask->deadline_ms - host->mono_ms);
  told.id = ask->thid;
  told.repeated = call->repeated;
  if (told.within_ms <= 0) return hgl_fail(err, HGL_TIMEOUT, "its time was over before it began");
  call->ticket = ++host->last_ticket;
  int status = hgl_map_put(&host->calls, ticket_key(call), run, err);
  if (!status) {
    status = call->by->start(call->by->user, &told, call->ticket, &call->work, err);
    if (status) hgl_map_remove(&host->calls, ticket_key(call));
  }
  if (status) call->ticket = 0;
  return status;
}

static void begin_listed(struct outside_call *first, uint64_t tick)
{
  struct hgl_err err;
  for (struct outside_call *call = first, *next; call; call = next) {
    next = call->next;
    if (call->tick > tick) continue;
    unlink_waiting(call);
    if (start(call, &err)) close_call(call->run, &err);
  }
}

static void tell_begun(const struct hgl_host *host)
{
  for (const struct hgl_service *service = host->config.services; service && service->name;
       service++)
    if (service->begun) service->begun(service->user);
}

void calls_begin(struct hgl_host *host, uint64_t tick)
{
  if (!host->calls_waiting) return;
  begin_listed(host->calls_waiting, tick);
  tell_begun(host);
}

void calls_begin_eager(struct hgl_host *host)
{
  if (!host->calls_eager) return;
  begin_listed(host->calls_eager, UINT64_MAX);
  tell_begun(host);
}

void hgl_host_call_done(struct hgl_host *host, uint64_t ticket, struct hgl_bytes result,
                        const struct hgl_err *why)
{
  struct hgl_err err;
  struct agent_run *run = hgl_map_get(&host->calls, hgl_bytes(&ticket, sizeof ticket));
  if (!run) return;
  struct ask *ask = &run->asks[0];
  if (!why) {
    hgl_buf_init(&ask->value, HGL_BODY_SIZE_MAX);
    hgl_buf_append_bytes(&ask->value, result);
    if (hgl_buf_check(&ask->value, &err)) {
      hgl_buf_deinit(&ask->value);
      why = &err;
    }
  }
  close_call(run, why);
  host_request_tick(host);
}

size_t hgl_host_calls(const struct hgl_host *host)
{
  return host->calls.count;
}

struct hgl_bytes call_service(const struct agent_run *run)
{
  return run->call ? run->call->service : hgl_text("");
}

/* ---- rows ---- */

void call_put(const struct agent_run *run, struct hgl_buf *out)
{
  const struct outside_call *call = run->call;
  hgl_cbor_put_list(out, 3);
  hgl_cbor_put_text(out, call->service);
  hgl_cbor_put_bytes(out, call->request);
  hgl_cbor_put_bool(out, call->nature.repeatable);
}

int call_get(struct agent_run *run, struct hgl_cbor_reader *in, struct hgl_err *err)
{
  struct hgl_bytes service, request;
  bool repeatable;
  size_t count;
  int status;
  call_forget(run);
  if ((status = hgl_cbor_get_list(in, "call", 3, &count, err)) ||
      (status = hgl_cbor_get_text(in, "call.service", HGL_NAME_SIZE_MAX, &service, err)) ||
      (status = hgl_cbor_get_bytes(in, "call.request", HGL_CALL_REQUEST_SIZE_MAX, &request, err)) ||
      (status = hgl_cbor_get_bool(in, "call.repeatable", &repeatable, err)) ||
      (status = create(run, service, request, err)))
    return status;
  run->call->nature.repeatable = repeatable;
  return 0;
}

int call_resume(struct agent_run *run, struct hgl_err *err)
{
  struct ask *ask = &run->asks[0];
  run->asks_open = ask->done ? 0 : 1;
  if (ask->done || !run->call) {
    call_forget(run);
    run_wake(run);
    return 0;
  }
  if (!run->call->nature.repeatable) {
    struct hgl_err why;
    hgl_fail(&why, HGL_UNKNOWN_OUTCOME, "%s", hgl_code_meaning(HGL_UNKNOWN_OUTCOME));
    close_call(run, &why);
    return 0;
  }
  run->call->repeated = true;
  link_waiting(&run->agent->host->calls_waiting, run->call, 0);
  return run_wait_until(run, ask->deadline_ms, err);
}
