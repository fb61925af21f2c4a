#include "host/control_lookup.h"

#include "base/mem.h"
#include "base/seam.h"

enum {
  STEP_BYTES = 1 << 20,
  TURN_NS = 2000000,
  PAUSE_TIMES = 32, /* as long as the work was: as the feed pauses */
  PAUSE_TIMES_IDLE = 3,
  PAUSE_MAX_NS = 300000000,
};

struct hgl_lookup_call {
  struct hgl_lookup_call *next;
  struct hgl_control_client *client;
  json_t *tag;
  struct hgl_lookup *lookup;
};

static void destroy(struct hgl_lookup_call *call)
{
  hgl_lookup_destroy(call->lookup);
  json_decref(call->tag);
  hgl_free(call);
}

void hgl_lookups_init(struct hgl_lookups *lookups)
{
  *lookups = (struct hgl_lookups){.step_bytes = STEP_BYTES, .turn_ns = TURN_NS};
}

/* True: it is over, and answered. */
static bool work(struct hgl_lookup_call *call, size_t step_bytes, int64_t until_ns)
{
  struct hgl_err err = {0};
  json_t *result = NULL;
  int status;
  do status = hgl_lookup_step(call->lookup, step_bytes, &result, &err);
  while (status > 0 && hgl_mono_ns(&hgl_clock_system) < until_ns);
  if (status > 0) return false;
  hgl_control_answer(call->client, call->tag, result, NULL, status ? &err : NULL);
  return true;
}

static int check_room(const struct hgl_lookups *lookups, const struct hgl_control_client *client,
                      struct hgl_err *err)
{
  size_t count = 0;
  for (const struct hgl_lookup_call *at = lookups->first; at; at = at->next)
    count += at->client == client;
  if (lookups->count < HGL_LOOKUPS_MAX && count < HGL_LOOKUPS_OF_CLIENT_MAX) return 0;
  return hgl_fail(
      err, HGL_LIMIT,
      "%zu calls that look through the journal wait already: ask when they are answered",
      lookups->count < HGL_LOOKUPS_MAX ? count : lookups->count);
}

static int begin(const struct hgl_control_call *call, struct hgl_lookup **out, struct hgl_err *err)
{
  const char *name, *of, *from;
  int status = hgl_request_text(call->request, "call", &name, err);
  if (!status) status = hgl_request_text(call->request, "of", &of, err);
  if (!status) status = hgl_request_text_if_any(call->request, "from", &from, err);
  if (status) return status;
  return strcmp(name, "message") == 0 ? hgl_lookup_message(call->host, of, from, out, err)
                                      : hgl_lookup_evidence(call->host, of, out, err);
}

int hgl_lookups_call(struct hgl_lookups *lookups, const struct hgl_control_call *call,
                     struct hgl_err *err)
{
  const json_t *tag = json_object_get(call->request, "id");
  int status = check_room(lookups, call->client, err);
  if (status) return status;
  struct hgl_lookup_call *made = hgl_zalloc(sizeof *made);
  if (!made) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  *made = (struct hgl_lookup_call){.client = call->client, .tag = json_incref((json_t *)tag)};
  status = begin(call, &made->lookup, err);
  /* What is in memory or kept is found at once. The journal is for the turns, or many calls would
   * be as many turns without a pause. */
  if (status || work(made, 0, INT64_MIN)) {
    destroy(made);
    return status;
  }
  struct hgl_lookup_call **end = &lookups->first;
  while (*end) end = &(*end)->next;
  *end = made;
  lookups->count++;
  return 0;
}

/* The one whose turn it was goes behind the others. */
void hgl_lookups_turn(struct hgl_lookups *lookups, struct hgl_host *host, int64_t now_ns)
{
  struct hgl_lookup_call *call = lookups->first;
  if (!call || now_ns < lookups->rest_until_ns) return;
  lookups->first = call->next;
  call->next = NULL;
  if (work(call, lookups->step_bytes, now_ns + lookups->turn_ns)) {
    lookups->count--;
    destroy(call);
  } else {
    struct hgl_lookup_call **end = &lookups->first;
    while (*end) end = &(*end)->next;
    *end = call;
  }
  int64_t end_ns = hgl_mono_ns(&hgl_clock_system);
  int64_t pause_ns = (end_ns - now_ns) * (hgl_host_idle(host) ? PAUSE_TIMES_IDLE : PAUSE_TIMES);
  lookups->rest_until_ns = end_ns + (pause_ns < PAUSE_MAX_NS ? pause_ns : PAUSE_MAX_NS);
}

int64_t hgl_lookups_deadline(const struct hgl_lookups *lookups)
{
  return lookups->first ? lookups->rest_until_ns : INT64_MAX;
}

void hgl_lookups_leave(struct hgl_lookups *lookups, const struct hgl_control_client *client)
{
  for (struct hgl_lookup_call **at = &lookups->first; *at;) {
    struct hgl_lookup_call *call = *at;
    if (client && call->client != client) {
      at = &call->next;
      continue;
    }
    *at = call->next;
    lookups->count--;
    destroy(call);
  }
}
