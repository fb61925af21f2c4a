#include <string.h>

#include "base/mem.h"
#include "host/test_state.h"
#include "host/test_world_core.h"
#include "protocol/did.h"

enum {
  TICKS_MAX = 100000, /* at one moment: more is a loop of agents that never rest */
  HOSTS_MAX = 100,
  HOST_NAME_SIZE_MAX = 64,
};
#define START_WALL_MS INT64_C(1767225600000) /* 2026-01-01T00:00:00Z */
#define START_MONO_NS INT64_C(1000000000)

/* ---- life ---- */

int hgl_world_create(const struct hgl_world_config *config, struct hgl_world **out,
                     struct hgl_err *err)
{
  struct world_host *home;
  struct hgl_world *world = hgl_zalloc(sizeof *world);
  if (!world) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  world->config = *config;
  world->time = (struct hgl_clock_virtual){config->start_ms ? config->start_ms : START_WALL_MS,
                                           START_MONO_NS};
  world->clock = hgl_clock_from_virtual(&world->time);
  world->random = hgl_random_from_seed(&world->chance, config->seed);
  world->hosts_end = &world->hosts;
  hgl_trace_begin(&world->traced, config->trace, &world->clock);
  hgl_fakes_init(&world->fakes, &world->random);
  hgl_random_fill(&world->random, world->agents_seed, sizeof world->agents_seed);
  world->lines = json_array();
  world->messages = json_object();
  world->names = json_object();
  int status = world->lines && world->messages && world->names
                   ? world_host_add(world, HGL_WORLD_HOST, &home, err)
                   : hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  if (status) {
    hgl_world_destroy(world);
    return status;
  }
  *out = world;
  return 0;
}

void hgl_world_destroy(struct hgl_world *world)
{
  if (!world) return;
  while (world->hosts) {
    struct world_host *next = world->hosts->next;
    world_host_destroy(world->hosts);
    world->hosts = next;
  }
  world_links_deinit(world);
  hgl_fakes_deinit(&world->fakes);
  json_decref(world->lines);
  json_decref(world->messages);
  json_decref(world->names);
  hgl_free(world);
}

void hgl_world_set_http(struct hgl_world *world, const struct hgl_fake_answer *http)
{
  world->answers.http = *http;
}

void hgl_world_set_models(struct hgl_world *world, const struct hgl_fake_answer *models)
{
  world->answers.models = *models;
}

void hgl_world_set_latency(struct hgl_world *world, int64_t ms)
{
  world->config.latency_ms = ms;
}

/* ---- hosts ---- */

int hgl_world_add_host(struct hgl_world *world, const char *name, struct hgl_err *err)
{
  struct world_host *at;
  size_t count = 0;
  if (!*name || strlen(name) > HOST_NAME_SIZE_MAX)
    return hgl_fail(err, HGL_INVALID, "a host's name has 1 to %d bytes", HOST_NAME_SIZE_MAX);
  if (world_host_named(world, name))
    return hgl_fail(err, HGL_EXISTS, "this world has a host '%s' already", name);
  for (at = world->hosts; at; at = at->next) count++;
  if (count >= HOSTS_MAX) return hgl_fail(err, HGL_LIMIT, "a world has up to %d hosts", HOSTS_MAX);
  return world_host_add(world, name, &at, err);
}

static void list_hosts(const struct hgl_world *world, struct hgl_buf *out)
{
  for (const struct world_host *at = world->hosts; at; at = at->next) {
    hgl_buf_append_text(out, at == world->hosts ? "" : ", ");
    hgl_buf_append_text(out, at->name);
  }
  hgl_buf_append_byte(out, 0);
}

static int find_host(const struct hgl_world *world, const char *name, struct world_host **out,
                     struct hgl_err *err)
{
  struct world_host *at = world_host_named(world, name);
  if (at || world_resident(world, name, &at)) {
    *out = at;
    return 0;
  }
  struct hgl_buf names;
  hgl_buf_init(&names, (size_t)HOSTS_MAX * (HOST_NAME_SIZE_MAX + 2));
  list_hosts(world, &names);
  int status = hgl_buf_check(&names, err);
  if (!status)
    status = hgl_fail(err, HGL_NOT_FOUND,
                      "this world has no host and no agent '%s'; its hosts are: %.300s", name,
                      (const char *)names.data);
  hgl_buf_deinit(&names);
  return status;
}

int hgl_world_host(const struct hgl_world *world, const char *name, const struct world_host **out,
                   struct hgl_err *err)
{
  struct world_host *at;
  int status = find_host(world, name, &at, err);
  if (!status) *out = at;
  return status;
}

int hgl_world_running(const struct hgl_world *world, const char *name, struct world_host **out,
                      struct hgl_err *err)
{
  struct world_host *at;
  int status = find_host(world, name, &at, err);
  if (status) return status;
  if (!at->host)
    return hgl_fail(err, HGL_CLOSED, "the host '%s' is down: world:start \"%s\" brings it back",
                    at->name, at->name);
  *out = at;
  return 0;
}

const struct world_host *hgl_world_next_host(const struct hgl_world *world,
                                             const struct world_host *before)
{
  return before ? before->next : world->hosts;
}

const char *hgl_world_host_name(const struct world_host *at)
{
  return at->name;
}

struct hgl_host *hgl_world_host_of(const struct world_host *at)
{
  return at->host;
}

int hgl_world_kill(struct hgl_world *world, const char *name, struct hgl_err *err)
{
  struct world_host *at;
  int status = hgl_world_running(world, name, &at, err);
  if (!status) world_host_kill(at);
  return status;
}

int hgl_world_stop(struct hgl_world *world, const char *name, struct hgl_err *err)
{
  struct world_host *at;
  int status = hgl_world_running(world, name, &at, err);
  if (status) return status;
  hgl_host_stop_agents(at->host);
  status = hgl_world_run(world, err);
  world_host_kill(at);
  return status;
}

static int start(struct world_host *at, struct hgl_err *err)
{
  int status = world_host_start(at, err);
  if (status && !at->world->failure.code) at->world->failure = *err;
  return status;
}

int hgl_world_start(struct hgl_world *world, const char *name, struct hgl_err *err)
{
  struct world_host *at;
  int status = find_host(world, name, &at, err);
  if (status) return status;
  if (at->host) return hgl_fail(err, HGL_EXISTS, "the host '%s' runs already", at->name);
  return start(at, err);
}

int hgl_world_restart(struct hgl_world *world, const char *name, struct hgl_err *err)
{
  struct world_host *one = NULL;
  int status = name ? hgl_world_running(world, name, &one, err) : 0;
  if (!status) status = hgl_world_run(world, err);
  if (status) return status;
  for (struct world_host *at = world->hosts; at; at = at->next)
    if (!one || at == one) world_host_kill(at);
  for (struct world_host *at = world->hosts; at && !status; at = at->next)
    if (!one || at == one) status = start(at, err);
  return status;
}

/* ---- agents ---- */

static int find_agent(const struct hgl_world *world, const char *name, struct world_host **at,
                      const struct resident **out, struct hgl_err *err)
{
  *out = world_resident(world, name, at);
  return *out ? 0 : hgl_fail(err, HGL_NOT_FOUND, "this world has no agent '%s'", name);
}

int hgl_world_address(const struct hgl_world *world, const char *agent, bool with_host,
                      struct hgl_buf *out, struct hgl_err *err)
{
  char did[HGL_DID_TEXT_SIZE];
  const struct resident *resident;
  struct world_host *at;
  int status = find_agent(world, agent, &at, &resident, err);
  if (status) return status;
  hgl_did_format(&resident->key, did);
  hgl_buf_append_text(out, did);
  if (with_host) {
    hgl_did_format(hgl_signer_key(at->signer), did);
    hgl_buf_append_byte(out, '@');
    hgl_buf_append_text(out, did);
  }
  return hgl_buf_check(out, err);
}

int hgl_world_state(const struct hgl_world *world, const char *agent, struct hgl_stored_state **out,
                    struct hgl_err *err)
{
  const struct resident *resident;
  struct world_host *at;
  struct hgl_buf row;
  int status = find_agent(world, agent, &at, &resident, err);
  if (status) return status;
  hgl_buf_init(&row, HGL_STORE_VALUE_SIZE_MAX);
  status = hgl_store_get(at->store, HGL_DB_AGENTS, hgl_text(agent), &row, err);
  if (!status)
    status = hgl_stored_state_open(at->store, hgl_buf_bytes(&row), out, err);
  else if (status == -HGL_NOT_FOUND)
    *out = NULL, status = 0;
  hgl_buf_deinit(&row);
  return status;
}

int hgl_world_set_file(struct hgl_world *world, const char *path, struct hgl_bytes content,
                       struct hgl_err *err)
{
  return hgl_fakes_set_file(&world->fakes, path, content, err);
}

/* ---- time ---- */

static int check_alive(const struct hgl_world *world, struct hgl_err *err)
{
  if (world->failure.code) {
    *err = world->failure;
    return -(int)err->code;
  }
  const struct hgl_test_limit *limit = world->config.limit;
  if (!limit || hgl_mono_ns(&hgl_clock_system) < limit->until_ns) return 0;
  return hgl_fail(err, HGL_TIMEOUT, "the test has taken longer than %.3g s",
                  (double)limit->limit_ms / 1000);
}

static bool is_busy(const struct world_host *at)
{
  return at->host && (at->tick_wanted || !hgl_host_idle(at->host) ||
                      hgl_host_deadline(at->host) <= at->world->time.mono_ns);
}

int hgl_world_tick(struct hgl_world *world, bool *busy, struct hgl_err *err)
{
  int status = check_alive(world, err);
  if (status) return status;
  for (struct world_host *at = world->hosts; at; at = at->next) {
    at->tick_wanted = false;
    if (at->host) hgl_host_tick(at->host);
  }
  *busy = world_links_pass(world);
  for (struct world_host *at = world->hosts; at && !status; at = at->next)
    if (at->host) status = hgl_fake_outside_serve(&at->outside, &world->answers, busy, err);
  if (status) return status;
  for (const struct world_host *at = world->hosts; at; at = at->next) *busy |= is_busy(at);
  return world->failure.code ? check_alive(world, err) : 0;
}

/* Whoever never rests takes most of the test's time at one moment. */
static int explain_timeout(const struct hgl_world *world, int64_t start_ns, struct hgl_err *err)
{
  const int64_t limit_ms = world->config.limit->limit_ms;
  if (hgl_mono_ns(&hgl_clock_system) - start_ns < limit_ms * 500000) return -HGL_TIMEOUT;
  return hgl_fail(
      err, HGL_LIMIT,
      "the test has taken longer than %.3g s, most of it at one moment of its world: do "
      "its agents ever rest?",
      (double)limit_ms / 1000);
}

int hgl_world_run(struct hgl_world *world, struct hgl_err *err)
{
  int64_t start_ns = hgl_mono_ns(&hgl_clock_system);
  bool busy = true;
  int status = 0;
  for (int i = 0; i < TICKS_MAX && busy && !status; i++) status = hgl_world_tick(world, &busy, err);
  if (status == -HGL_TIMEOUT) return explain_timeout(world, start_ns, err);
  if (status || !busy) return status;
  return hgl_fail(err, HGL_LIMIT, "the world does not come to rest: %d ticks without time passing",
                  TICKS_MAX);
}

static int64_t next_due(const struct hgl_world *world)
{
  int64_t due_ns = world_links_due(world);
  for (const struct world_host *at = world->hosts; at; at = at->next) {
    int64_t deadline = at->host ? hgl_host_deadline(at->host) : INT64_MAX;
    if (deadline < due_ns) due_ns = deadline;
  }
  return due_ns;
}

/* Until `until_ns`, or (with `once`) the next moment at which something is due. */
static int pass_time(struct hgl_world *world, int64_t until_ns, bool once, struct hgl_err *err)
{
  int status = hgl_world_run(world, err);
  while (!status && world->time.mono_ns < until_ns) {
    int64_t next_ns = next_due(world);
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
  int64_t start_ns = world->time.mono_ns;
  int status = pass_time(world, start_ns + ms * 1000000, false, err);
  if (status == -HGL_TIMEOUT && ms) {
    char why[HGL_ERR_MESSAGE_SIZE];
    memcpy(why, err->message, sizeof why);
    return hgl_fail(err, HGL_TIMEOUT,
                    "%s; %.3g s of the %.3g s of its world had passed: let less time pass, or give "
                    "the tests more with --limit",
                    why, (double)(world->time.mono_ns - start_ns) / 1e9, (double)ms / 1000);
  }
  return status;
}

int hgl_world_step(struct hgl_world *world, int64_t ms, int64_t *left, struct hgl_err *err)
{
  int64_t until_ns = world->time.mono_ns + ms * 1000000;
  int status = pass_time(world, until_ns, true, err);
  if (!status) *left = (until_ns - world->time.mono_ns) / 1000000;
  return status;
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

/* The first host's operator speaks to whom the world does not know. */
static int operators_host(const struct hgl_world *world, const char *agent, struct world_host **at,
                          struct hgl_err *err)
{
  struct world_host *home = world->hosts;
  if (!world_resident(world, agent, &home)) home = world->hosts;
  return hgl_world_running(world, home->name, at, err);
}

int hgl_world_send(struct hgl_world *world, const char *agent, const char *type,
                   struct hgl_bytes body, struct hgl_id *id, struct hgl_err *err)
{
  struct world_host *at;
  int status = check_alive(world, err);
  if (!status) status = operators_host(world, agent, &at, err);
  return status ? status : hgl_host_send(at->host, agent, type, body, 0, NULL, NULL, id, err);
}

int hgl_world_ask(struct hgl_world *world, const char *agent, const char *type,
                  struct hgl_bytes body, int64_t within_ms, json_t **reply, struct hgl_err *err)
{
  struct question question = {0};
  struct world_host *at;
  struct hgl_id id;
  int64_t until_ns = world->time.mono_ns + (within_ms + 1000) * 1000000;
  int status = check_alive(world, err);
  if (!status) status = operators_host(world, agent, &at, err);
  if (!status)
    status = hgl_host_send(at->host, agent, type, body, within_ms, take_answer, &question, &id,
                           err);
  if (status) return status;
  status = hgl_world_run(world, err);
  while (!status && !question.answered && world->time.mono_ns < until_ns)
    status = pass_time(world, until_ns, true, err);
  if (!question.answered) {
    /* The host would answer into a question that is gone: nothing happens there any more. */
    if (!status) status = hgl_fail(err, HGL_INTERNAL, "an ask of the operator has no end");
    if (!world->failure.code) world->failure = *err;
    world_host_kill(at);
    return status;
  }
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

int64_t hgl_world_now_ms(const struct hgl_world *world)
{
  return world->time.wall_ms;
}

json_t *hgl_world_log(struct hgl_world *world)
{
  return world->lines;
}

json_t *hgl_world_messages(struct hgl_world *world)
{
  return world->messages;
}
