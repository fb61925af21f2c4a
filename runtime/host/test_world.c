#include "host/test_world.h"

#include <stdarg.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"
#include "host/file.h"
#include "host/test_trace.h"

enum {
  TICKS_MAX = 100000,    /* at one moment: more is a loop of agents that never rest */
  LOG_LINES_MAX = 10000, /* kept; later ones are dropped */
  SCRIPT_SIZE_MAX = 1 << 20,
  STRETCH_INSTRUCTIONS = 20000000, /* counted, not timed: the same on every machine */
};
#define START_WALL_MS INT64_C(1767225600000) /* 2026-01-01T00:00:00Z */
#define START_MONO_NS INT64_C(1000000000)

struct resident {
  struct resident *next;
  char *name, *path;
  struct hgl_buf source, config;
  char **grants;
};

struct hgl_world {
  struct hgl_clock_virtual time;
  struct hgl_clock clock;
  struct hgl_random_seeded chance;
  struct hgl_random random;
  struct hgl_log log;
  json_t *lines;
  char *stdlib_folder;
  struct hgl_map files; /* path → struct hgl_buf */
  struct hgl_signer *signer;
  uint8_t agents_seed[HGL_SEED_SIZE]; /* what the agents' keys are made from */
  struct hgl_chunks *chunks;
  struct hgl_store *store;
  struct hgl_host *host;
  struct resident *residents, **residents_end;
  bool tick_wanted, forget_lua;
  struct hgl_traced traced;
  struct hgl_err failure; /* why the host cannot go on; code 0: it can */
};

/* ---- what a host is given ---- */

static void write_log(void *user, enum hgl_log_level level, const char *who, const char *text)
{
  struct hgl_world *world = user;
  if (json_array_size(world->lines) >= LOG_LINES_MAX) return;
  /* A line that is no UTF-8 or does not fit into memory is only missing from a test's log. */
  json_array_append_new(world->lines,
                        json_pack("{s:s, s:s, s:s}", "level", hgl_log_level_name(level), "who",
                                  who ? who : "", "text", text));
}

static void want_tick(void *user)
{
  struct hgl_world *world = user;
  world->tick_wanted = true;
}

static void fail_world(void *user, const struct hgl_err *why)
{
  struct hgl_world *world = user;
  if (!world->failure.code) world->failure = *why;
}

static bool ends_with(const char *text, const char *end)
{
  size_t size = strlen(text), end_size = strlen(end);
  return size >= end_size && strcmp(text + size - end_size, end) == 0;
}

/* Modules are real; any other file is one that the test has made. */
static int read_file(void *user, const char *path, size_t folder_size, size_t size_max,
                     struct hgl_buf *out, struct hgl_err *err)
{
  struct hgl_world *world = user;
  const struct hgl_buf *file = hgl_map_get(&world->files, hgl_text(path));
  if (!file && ends_with(path, ".lua")) return hgl_file_read(path, size_max, out, err);
  if (!file) return hgl_fail(err, HGL_NOT_FOUND, "%s: this world has no such file", path);
  if (file->size > size_max)
    return hgl_fail(err, HGL_TOO_LARGE, "%s: more than %zu bytes", path, size_max);
  hgl_buf_append_bytes(out, hgl_buf_bytes(file));
  return hgl_buf_check(out, err);
}

static int agent_signer(void *user, const char *agent, struct hgl_signer **out, struct hgl_err *err)
{
  const struct hgl_world *world = user;
  const struct hgl_bytes pieces[] = {hgl_bytes(world->agents_seed, HGL_SEED_SIZE), hgl_text(agent)};
  struct hgl_hash seed;
  hgl_sha256(pieces, 2, &seed);
  return hgl_signer_create(seed.bytes, out, err);
}

static int enter(struct hgl_world *world, const struct resident *resident, struct hgl_err *err)
{
  const struct hgl_agent_config config = {
      .name = resident->name,
      .script_path = resident->path,
      .source = hgl_buf_bytes(&resident->source),
      .config = hgl_buf_bytes(&resident->config),
      .grants = (const char *const *)resident->grants,
      .limits.instructions = STRETCH_INSTRUCTIONS,
  };
  return hgl_host_add_agent(world->host, &config, err);
}

static int open_host(struct hgl_world *world, struct hgl_err *err)
{
  const struct hgl_host_config config = {
      .signer = world->signer,
      .store = world->store,
      .clock = &world->clock,
      .random = &world->random,
      .log = &world->log,
      .transport = hgl_transport_none,
      .files = {.read = read_file, .user = world},
      .keys = {.signer = agent_signer, .user = world},
      .stdlib_folder = world->stdlib_folder,
      .chunks = world->chunks,
      .forget_lua = world->forget_lua,
      .request_tick = want_tick,
      .fatal = fail_world,
      .user = world,
  };
  int status = hgl_host_create(&config, &world->host, err);
  if (!status) hgl_trace_host(&world->traced, world->host);
  for (struct resident *at = world->residents; at && !status; at = at->next)
    status = enter(world, at, err);
  return status;
}

/* ---- life ---- */

int hgl_world_create(const struct hgl_world_config *config, struct hgl_world **out,
                     struct hgl_err *err)
{
  uint8_t seed[HGL_SEED_SIZE];
  struct hgl_world *world = hgl_zalloc(sizeof *world);
  if (!world) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  world->time = (struct hgl_clock_virtual){config->start_ms ? config->start_ms : START_WALL_MS,
                                           START_MONO_NS};
  world->clock = hgl_clock_from_virtual(&world->time);
  world->random = hgl_random_from_seed(&world->chance, config->seed);
  world->log = (struct hgl_log){.write = write_log, .user = world, .least = HGL_LOG_DEBUG};
  world->residents_end = &world->residents;
  world->forget_lua = config->forget_lua;
  hgl_trace_begin(&world->traced, config->trace, &world->clock);
  world->lines = json_array();
  hgl_map_init(&world->files, hgl_random_u64(&world->random), hgl_random_u64(&world->random));
  world->stdlib_folder = hgl_strndup(config->stdlib_folder, strlen(config->stdlib_folder));
  hgl_random_fill(&world->random, seed, sizeof seed);
  hgl_random_fill(&world->random, world->agents_seed, sizeof world->agents_seed);
  const struct hgl_store_config store = {
      .clock = &world->clock, .log = &world->log, .wake = want_tick, .wake_user = world};
  int status = world->lines && world->stdlib_folder ? hgl_signer_create(seed, &world->signer, err)
                                                    : hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  if (!status) status = hgl_chunks_create(&world->chunks, err);
  if (!status) status = hgl_store_open(&store, &world->store, err);
  if (!status) status = open_host(world, err);
  if (!status) status = hgl_world_add(world, &(struct hgl_world_agent){.name = "operator"}, err);
  if (status) {
    hgl_world_destroy(world);
    return status;
  }
  *out = world;
  return 0;
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

static void file_destroy(struct hgl_buf *file)
{
  if (!file) return;
  hgl_buf_deinit(file);
  hgl_free(file);
}

/* Lets the store finish, so that nothing is in flight when host or store go. */
static void settle_store(struct hgl_world *world)
{
  struct hgl_err ignored;
  if (world->store && hgl_store_drain(world->store, 1000, &ignored)) return;
}

void hgl_world_destroy(struct hgl_world *world)
{
  if (!world) return;
  settle_store(world);
  hgl_host_destroy(world->host);
  if (world->store) hgl_trace_end(&world->traced, world->store);
  hgl_store_close(world->store);
  hgl_chunks_destroy(world->chunks);
  hgl_signer_destroy(world->signer);
  while (world->residents) {
    struct resident *next = world->residents->next;
    resident_destroy(world->residents);
    world->residents = next;
  }
  struct hgl_map_slot *slot;
  for (size_t i = 0; (slot = hgl_map_next(&world->files, &i));) file_destroy(slot->value);
  hgl_map_deinit(&world->files);
  hgl_free(world->stdlib_folder);
  json_decref(world->lines);
  hgl_free(world);
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
static struct resident *resident_create(struct hgl_world *world,
                                        const struct hgl_world_agent *agent, struct hgl_err *err)
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

int hgl_world_add(struct hgl_world *world, const struct hgl_world_agent *agent, struct hgl_err *err)
{
  struct resident *resident = resident_create(world, agent, err);
  if (!resident) return -(int)err->code;
  int status = enter(world, resident, err);
  if (status) {
    resident_destroy(resident);
    return status;
  }
  *world->residents_end = resident;
  world->residents_end = &resident->next;
  return 0;
}

int hgl_world_restart(struct hgl_world *world, struct hgl_err *err)
{
  int status = hgl_world_run(world, err);
  settle_store(world);
  hgl_host_destroy(world->host);
  world->host = NULL;
  if (!status) status = open_host(world, err);
  if (status && !world->failure.code) world->failure = *err;
  return status;
}

int hgl_world_set_file(struct hgl_world *world, const char *path, struct hgl_bytes content,
                       struct hgl_err *err)
{
  file_destroy(hgl_map_remove(&world->files, hgl_text(path)));
  if (!content.data) return 0;
  struct hgl_buf *file = hgl_zalloc(sizeof *file);
  if (!file) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  hgl_buf_init(file, HGL_BODY_SIZE_MAX);
  hgl_buf_append_bytes(file, content);
  int status = hgl_buf_check(file, err);
  if (!status) status = hgl_map_put(&world->files, hgl_text(path), file, err);
  if (status) file_destroy(file);
  return status;
}

/* ---- time ---- */

static int check_alive(const struct hgl_world *world, struct hgl_err *err)
{
  if (!world->failure.code) return 0;
  return hgl_fail(err, world->failure.code, "the host has stopped: %s", world->failure.message);
}

int hgl_world_run(struct hgl_world *world, struct hgl_err *err)
{
  int status;
  for (int i = 0; i < TICKS_MAX; i++) {
    if ((status = check_alive(world, err))) return status;
    world->tick_wanted = false;
    hgl_host_tick(world->host);
    if (!world->tick_wanted && hgl_host_idle(world->host) &&
        hgl_host_deadline(world->host) > world->time.mono_ns)
      return check_alive(world, err);
  }
  return hgl_fail(err, HGL_LIMIT, "the world does not come to rest: %d ticks without time passing",
                  TICKS_MAX);
}

/* Until `until_ns`, or (with `once`) the next moment at which something is due. */
static int pass_time(struct hgl_world *world, int64_t until_ns, bool once, struct hgl_err *err)
{
  int status = hgl_world_run(world, err);
  while (!status && world->time.mono_ns < until_ns) {
    int64_t next_ns = hgl_host_deadline(world->host);
    if (next_ns > until_ns) next_ns = until_ns;
    int64_t ms = (next_ns - world->time.mono_ns + 999999) / 1000000;
    hgl_clock_advance(&world->time, ms > 0 ? ms : 1);
    status = hgl_world_run(world, err);
    if (once) break;
  }
  return status;
}

int hgl_world_advance(struct hgl_world *world, int64_t ms, struct hgl_err *err)
{
  return pass_time(world, world->time.mono_ns + ms * 1000000, false, err);
}

/* ---- the operator ---- */

struct question {
  bool answered;
  json_t *reply;
  struct hgl_err why;
};

static void take_answer(void *user, json_t *reply, const struct hgl_err *why)
{
  struct question *question = user;
  question->answered = true;
  if (reply) question->reply = json_incref(reply);
  if (why) question->why = *why;
}

int hgl_world_ask(struct hgl_world *world, const char *agent, const char *type,
                  struct hgl_bytes body, int64_t within_ms, json_t **reply, struct hgl_err *err)
{
  struct question question = {0};
  struct hgl_id id;
  int64_t until_ns = world->time.mono_ns + (within_ms + 1000) * 1000000;
  int status = check_alive(world, err);
  if (!status)
    status = hgl_host_send(world->host, agent, type, body, within_ms, take_answer, &question, &id,
                           err);
  if (!status) status = hgl_world_run(world, err);
  while (!status && !question.answered && world->time.mono_ns < until_ns)
    status = pass_time(world, until_ns, true, err);
  if (!status && !question.answered)
    return hgl_fail(&world->failure, HGL_INTERNAL, "an ask of the operator has no end");
  if (!status && !question.reply) {
    *err = question.why;
    return -(int)err->code;
  }
  if (status) {
    json_decref(question.reply);
    return status;
  }
  *reply = question.reply;
  return 0;
}

/* ---- looking ---- */

struct hgl_host *hgl_world_host(struct hgl_world *world)
{
  return world->host;
}

int64_t hgl_world_now_ms(const struct hgl_world *world)
{
  return world->time.wall_ms;
}

json_t *hgl_world_log(struct hgl_world *world)
{
  return world->lines;
}
