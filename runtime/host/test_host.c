/* One host of a world: what it is given, who lives there, and how it ends and comes back. */
#include <string.h>

#include "base/mem.h"
#include "host/test_world_core.h"
#include "protocol/did.h"

enum {
  LOG_LINES_MAX = 10000, /* kept; later ones are dropped */
  MESSAGES_MAX = 20000,  /* kept; half of them go when there are more, the oldest */
  SCRIPT_SIZE_MAX = 1 << 20,
  STRETCH_INSTRUCTIONS = 20000000, /* counted, not timed: the same on every machine */
  DRAIN_MS = 1000,
};

/* ---- what it tells ---- */

static void write_log(void *user, enum hgl_log_level level, const char *who, const char *text)
{
  const struct world_host *at = user;
  struct hgl_world *world = at->world;
  if (json_array_size(world->lines) >= LOG_LINES_MAX) return;
  /* A line that is no UTF-8 or does not fit into memory is only missing from a test's log. */
  json_array_append_new(world->lines,
                        json_pack("{s:s, s:s, s:s, s:s, s:I}", "level", hgl_log_level_name(level),
                                  "who", who ? who : "", "text", text, "host", at->name, "at",
                                  (json_int_t)world->time.wall_ms));
}

static void want_tick(void *user)
{
  struct world_host *at = user;
  at->tick_wanted = true;
}

static void fail_world(void *user, const struct hgl_err *why)
{
  const struct world_host *at = user;
  struct hgl_err *failure = &at->world->failure;
  if (failure->code) return;
  hgl_err_set(failure, why->code, "the host '%s' has stopped: %s", at->name, why->message);
}

static json_t *field(const json_t *object, const char *name)
{
  return json_incref(json_object_get(object, name));
}

static json_t *name_or_did(const struct hgl_world *world, const json_t *did)
{
  const char *text = json_string_value(did);
  json_t *name = text ? json_object_get(world->names, text) : NULL;
  return json_incref(name ? name : (json_t *)did);
}

static void forget_some(json_t *messages)
{
  const char *id;
  json_t *ignored;
  void *next;
  size_t left = MESSAGES_MAX / 2;
  json_object_foreach_safe(messages, next, id, ignored)
  {
    if (!left--) return;
    json_object_del(messages, id);
  }
}

/* One that cannot be kept for want of memory is missing from what the spec is shown. */
static void keep_message(const struct world_host *at, const json_t *event)
{
  struct hgl_world *world = at->world;
  const char *id = json_string_value(json_object_get(event, "id"));
  const char *what = json_string_value(json_object_get(event, "what"));
  const char *type = json_string_value(json_object_get(event, "type"));
  if (!id || !what || !type || strncmp(type, "spec/1.0/", 9) == 0) return;
  json_t *known = json_object_get(world->messages, id);
  if (known && strcmp(what, "handled") == 0) json_object_set_new(known, "handled", json_true());
  if (known || strcmp(what, "sent") != 0) return;
  if (json_object_size(world->messages) >= MESSAGES_MAX) forget_some(world->messages);
  const json_t *from = json_object_get(event, "from"), *to = json_object_get(event, "to");
  json_object_set_new(world->messages, id,
                      json_pack("{s:o, s:o, s:o, s:o*, s:o, s:o, s:o, s:o, s:o, s:s, s:I, s:b}",
                                "id", field(event, "id"), "type", field(event, "type"), "thid",
                                field(event, "thid"), "pthid", field(event, "pthid"), "from",
                                name_or_did(world, from), "to", name_or_did(world, to), "from_id",
                                field(event, "from"), "to_id", field(event, "to"), "body",
                                field(event, "body"), "host", at->name, "at",
                                (json_int_t)world->time.wall_ms, "handled", 0));
}

static void watch(void *user, const char *kind, json_t *object)
{
  const struct world_host *at = user;
  hgl_trace_event(&at->world->traced, kind, object);
  if (strcmp(kind, "message") == 0) keep_message(at, object);
}

/* ---- what it is given ---- */

/* An agent's key follows from its name, so that it is the same wherever it lives; each host has an
 * operator of its own. */
static int agent_signer(void *user, const char *agent, struct hgl_signer **out, struct hgl_err *err)
{
  const struct world_host *at = user;
  const struct hgl_bytes pieces[] = {hgl_bytes(at->world->agents_seed, HGL_SEED_SIZE),
                                     hgl_text(agent), hgl_text(at->name)};
  struct hgl_hash seed;
  hgl_sha256(pieces, strcmp(agent, "operator") == 0 ? 3 : 2, &seed);
  return hgl_signer_create(seed.bytes, out, err);
}

static int enter(const struct world_host *at, const struct resident *resident, struct hgl_err *err)
{
  const struct hgl_agent_config config = {
      .name = resident->name,
      .script_path = resident->path,
      .source = hgl_buf_bytes(&resident->source),
      .config = hgl_buf_bytes(&resident->config),
      .grants = (const char *const *)resident->grants,
      .limits.instructions = STRETCH_INSTRUCTIONS,
  };
  return hgl_host_add_agent(at->host, &config, err);
}

int world_host_start(struct world_host *at, struct hgl_err *err)
{
  struct hgl_world *world = at->world;
  struct hgl_host_config config = {
      .signer = at->signer,
      .store = at->store,
      .clock = &world->clock,
      .random = &world->random,
      .log = &at->log,
      .transport = world_transport(at),
      .keys = {.signer = agent_signer, .user = at},
      .stdlib_folder = world->config.stdlib_folder,
      .chunks = world->config.chunks,
      .forget_lua = !world->config.keep_lua,
      .request_tick = want_tick,
      .fatal = fail_world,
      .user = at,
  };
  hgl_fakes_fill(&world->fakes, &config);
  hgl_fake_outside_init(&at->outside, &world->fakes);
  config.services = at->outside.services;
  int status = hgl_host_create(&config, &at->host, err);
  at->outside.host = at->host;
  if (!status) hgl_host_watch(at->host, &at->watcher);
  for (struct resident *resident = at->residents; resident && !status; resident = resident->next)
    status = enter(at, resident, err);
  return status;
}

/* ---- life ---- */

int world_host_add(struct hgl_world *world, const char *name, struct world_host **out,
                   struct hgl_err *err)
{
  uint8_t seed[HGL_SEED_SIZE];
  struct world_host *at = hgl_zalloc(sizeof *at);
  if (!at) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  at->world = world;
  at->residents_end = &at->residents;
  at->log = (struct hgl_log){.write = write_log, .user = at, .least = HGL_LOG_DEBUG};
  at->watcher = (struct hgl_watcher){.event = watch, .user = at, .messages = true};
  at->name = hgl_strndup(name, strlen(name));
  hgl_random_fill(&world->random, seed, sizeof seed);
  const struct hgl_store_config store = {
      .clock = &world->clock, .log = &at->log, .wake = want_tick, .wake_user = at};
  int status = at->name ? hgl_signer_create(seed, &at->signer, err)
                        : hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  if (!status) status = hgl_store_open(&store, &at->store, err);
  if (status) {
    world_host_destroy(at);
    return status;
  }
  *world->hosts_end = at;
  world->hosts_end = &at->next;
  *out = at;
  if ((status = world_pairs_add(at, err)) || (status = world_host_start(at, err))) return status;
  return hgl_world_add(world, &(struct hgl_world_agent){.name = "operator", .host = name}, err);
}

/* What was sealed is durable, though nobody was told; what no commit holds is lost. */
void world_host_kill(struct world_host *at)
{
  struct hgl_err ignored;
  struct hgl_host *host = at->host;
  if (!host) return;
  at->host = NULL; /* only the others are told */
  world_links_drop(at);
  if (hgl_store_drain(at->store, DRAIN_MS, &ignored)) at->tick_wanted = false;
  hgl_host_destroy(host);
  hgl_writeset_clear(hgl_store_open_set(at->store));
}

static void resident_destroy(struct resident *resident)
{
  if (!resident) return;
  for (char **grant = resident->grants; grant && *grant; grant++) hgl_free(*grant);
  hgl_free(resident->grants);
  hgl_free(resident->name);
  hgl_free(resident->path);
  hgl_buf_deinit(&resident->source);
  hgl_buf_deinit(&resident->config);
  hgl_free(resident);
}

void world_host_destroy(struct world_host *at)
{
  struct hgl_err ignored;
  if (!at) return;
  if (at->store && hgl_store_drain(at->store, DRAIN_MS, &ignored)) at->tick_wanted = false;
  hgl_host_destroy(at->host);
  if (at->store) hgl_trace_end(&at->world->traced, at->store);
  hgl_store_close(at->store);
  hgl_signer_destroy(at->signer);
  while (at->residents) {
    struct resident *next = at->residents->next;
    resident_destroy(at->residents);
    at->residents = next;
  }
  hgl_free(at->name);
  hgl_free(at);
}

/* ---- agents ---- */

static int copy_grants(struct resident *resident, const char *const *grants, struct hgl_err *err)
{
  size_t count = 0;
  while (grants && grants[count]) count++;
  resident->grants = hgl_array(count + 1, sizeof *resident->grants);
  for (size_t i = 0; resident->grants && i < count; i++)
    if (!(resident->grants[i] = hgl_strndup(grants[i], strlen(grants[i]))))
      return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  return resident->grants ? 0 : hgl_fail(err, HGL_NO_MEMORY, "out of memory");
}

/* NULL when there is no memory, or too much text. */
static struct resident *resident_create(const struct hgl_world_agent *agent, struct hgl_err *err)
{
  const char *path = agent->path ? agent->path : "";
  struct resident *resident = hgl_zalloc(sizeof *resident);
  if (!resident) {
    hgl_fail(err, HGL_NO_MEMORY, "out of memory");
    return NULL;
  }
  hgl_buf_init(&resident->source, SCRIPT_SIZE_MAX);
  hgl_buf_init(&resident->config, HGL_BODY_SIZE_MAX);
  hgl_buf_append_bytes(&resident->source, agent->source);
  hgl_buf_append_bytes(&resident->config, agent->config);
  resident->name = hgl_strndup(agent->name, strlen(agent->name));
  resident->path = hgl_strndup(path, strlen(path));
  int status = resident->name && resident->path ? copy_grants(resident, agent->grants, err)
                                                : hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  if (!status) status = hgl_buf_check(&resident->source, err);
  if (!status) status = hgl_buf_check(&resident->config, err);
  if (!status) return resident;
  resident_destroy(resident);
  return NULL;
}

static int note_key(struct world_host *at, struct resident *resident, struct hgl_err *err)
{
  char did[HGL_DID_TEXT_SIZE];
  struct hgl_signer *signer;
  int status = agent_signer(at, resident->name, &signer, err);
  if (status) return status;
  resident->key = *hgl_signer_key(signer);
  hgl_signer_destroy(signer);
  hgl_did_format(&resident->key, did);
  return json_object_set_new(at->world->names, did, json_string(resident->name))
             ? hgl_fail(err, HGL_NO_MEMORY, "out of memory")
             : 0;
}

int hgl_world_add(struct hgl_world *world, const struct hgl_world_agent *agent, struct hgl_err *err)
{
  struct world_host *at, *taken;
  int status = hgl_world_running(world, agent->host ? agent->host : world->hosts->name, &at, err);
  if (status) return status;
  bool is_operator = !at->residents; /* each host has one, under the same name */
  if (!is_operator && world_resident(world, agent->name, &taken))
    return hgl_fail(err, HGL_EXISTS, "this world has an agent '%s' already, on the host '%s'",
                    agent->name, taken->name);
  struct resident *resident = resident_create(agent, err);
  if (!resident) return -(int)err->code;
  if ((status = enter(at, resident, err)) || (status = note_key(at, resident, err))) {
    resident_destroy(resident);
    return status;
  }
  *at->residents_end = resident;
  at->residents_end = &resident->next;
  return 0;
}

/* ---- finding ---- */

struct world_host *world_host_named(const struct hgl_world *world, const char *name)
{
  struct world_host *at = world->hosts;
  while (at && strcmp(at->name, name) != 0) at = at->next;
  return at;
}

struct resident *world_resident(const struct hgl_world *world, const char *name,
                                struct world_host **at)
{
  for (struct world_host *host = world->hosts; host; host = host->next)
    for (struct resident *resident = host->residents; resident; resident = resident->next)
      if (strcmp(resident->name, name) == 0) {
        *at = host;
        return resident;
      }
  return NULL;
}
