#include "support/world.h"

#include <stdio.h>
#include <stdlib.h>

#include "protocol/did.h"
#include "protocol/value.h"

/* ---- links ---- */

/* The link as one node's host sees it: node pair and epoch packed into a pointer-sized number. */
static void *link_of(int from, int to, uint64_t epoch)
{
  /* NOLINTNEXTLINE(performance-no-int-to-ptr) */
  return (void *)(uintptr_t)(epoch << 8 | (unsigned)from << 4 | (unsigned)to);
}

static struct world *the_world;

static int link_send(void *link, struct hgl_bytes bytes, struct hgl_err *err)
{
  uintptr_t packed = (uintptr_t)link;
  int from = packed >> 4 & 15, to = packed & 15;
  uint64_t epoch = packed >> 8;
  if (the_world->links[from][to] != epoch || the_world->closing[from][to])
    return hgl_fail(err, HGL_CLOSED, "the link is gone");
  struct link_frame *frame = malloc(sizeof *frame + bytes.size);
  frame->next = NULL;
  frame->from = from;
  frame->to = to;
  frame->epoch = epoch;
  frame->size = bytes.size;
  memcpy(frame->data, bytes.data, bytes.size);
  if (the_world->last)
    the_world->last->next = frame;
  else
    the_world->first = frame;
  the_world->last = frame;
  return 0;
}

static size_t link_queued(void *link)
{
  return 0;
}

static void link_pause(void *link, bool paused)
{
  uintptr_t packed = (uintptr_t)link;
  int from = packed >> 4 & 15, to = packed & 15;
  if (the_world->links[from][to] == packed >> 8) the_world->paused[from][to] = paused;
}

static void link_close(void *link, enum hgl_code code, const char *why)
{
  uintptr_t packed = (uintptr_t)link;
  int from = packed >> 4 & 15, to = packed & 15;
  if (the_world->links[from][to] == packed >> 8) the_world->closing[from][to] = true;
}

static void want(void *user, const struct hgl_key *peer, enum hgl_link_want wanted)
{
  struct node *node = user;
  node->wants += wanted ? 1 : -1;
  if (wanted) node->last_wanted = *peer;
}

static void no_address(void *user, const struct hgl_key *peer, const char *url,
                       enum hgl_url_source source)
{
}

static int read_file(void *user, const char *path, size_t folder_size, size_t size_max,
                     struct hgl_buf *out, struct hgl_err *err)
{
  FILE *file = fopen(path, "rb");
  if (!file) return hgl_fail(err, HGL_NOT_FOUND, "no file %s", path);
  char chunk[4096];
  for (size_t got; (got = fread(chunk, 1, sizeof chunk, file)) > 0;)
    hgl_buf_append(out, chunk, got);
  fclose(file);
  return hgl_buf_check(out, err);
}

static void down(struct world *world, int a, int b)
{
  world->links[a][b] = world->links[b][a] = 0;
  world->closing[a][b] = world->closing[b][a] = false;
  world->paused[a][b] = world->paused[b][a] = false;
}

/* ---- nodes ---- */

static void write_log(void *user, enum hgl_log_level level, const char *who, const char *text)
{
  struct world *world = user;
  if (getenv("WORLD_LOG")) fprintf(stderr, "%s %s: %s\n", hgl_log_level_name(level), who, text);
  size_t left = sizeof world->logged - world->logged_size;
  int size = snprintf(world->logged + world->logged_size, left, "%s: %s\n", who, text);
  world->warnings += level == HGL_LOG_WARN;
  world->infos += level == HGL_LOG_INFO;
  if (strncmp(text, "takes ", 6) == 0) hgl_clock_advance(&world->time, strtol(text + 6, NULL, 10));
  if (size > 0 && (size_t)size < left) world->logged_size += (size_t)size;
}

static void requested(void *user)
{
  struct node *node = user;
  node->requests++;
}

static void failed(void *user, const struct hgl_err *why)
{
  struct node *node = user;
  node->failed = true;
  node->failure = *why;
}

void world_init(struct world *world, uint64_t seed)
{
  struct hgl_err err;
  memset(world, 0, sizeof *world);
  the_world = world;
  world->forget_lua = getenv("WORLD_FORGET_LUA") != NULL;
  world->time = (struct hgl_clock_virtual){.wall_ms = 1700000000000, .mono_ns = 1000000000};
  world->clock = hgl_clock_from_virtual(&world->time);
  world->random = hgl_random_from_seed(&world->seeded, seed);
  world->log = (struct hgl_log){.write = write_log, .user = world, .least = HGL_LOG_DEBUG};
  assert_ok(hgl_crypto_init(&err));
  assert_ok(hgl_chunks_create(&world->chunks, &err));
}

static struct hgl_signer *signer_of(const struct node *node, const char *agent)
{
  struct hgl_err err;
  struct hgl_signer *signer;
  uint8_t seed[HGL_SEED_SIZE] = {(uint8_t)(node->index + 1)};
  memcpy(seed + 1, agent, strlen(agent) < 30 ? strlen(agent) : 30);
  assert_ok(hgl_signer_create(seed, &signer, &err));
  return signer;
}

static int agent_signer(void *user, const char *agent, struct hgl_signer **out, struct hgl_err *err)
{
  *out = signer_of(user, agent);
  return 0;
}

static int try_host(struct node *node, struct hgl_err *err)
{
  struct world *world = node->world;
  struct hgl_host_config config = {
      .signer = node->signer,
      .store = node->store,
      .clock = &world->clock,
      .random = &world->random,
      .log = &world->log,
      .transport = {link_send, link_queued, link_pause, link_close, want, no_address, node},
      .files = {read_file, NULL},
      .keys = {agent_signer, node},
      .stdlib_folder = world->stdlib ? world->stdlib : HGL_SOURCE_DIR "/stdlib",
      .chunks = world->chunks,
      .journal_bytes = world->journal_bytes,
      .journal_age_ms = world->journal_age_ms,
      .hosts_max = world->hosts_max,
      .hibernate_ms = world->hibernate_ms,
      .lua_bytes = world->lua_bytes,
      .allow_private = true,
      .forget_lua = world->forget_lua,
      .services = node->world->services,
      .trace_events = node->world->trace_events,
      .http_tokens = node->world->http_tokens,
      .request_tick = requested,
      .fatal = failed,
      .user = node,
  };
  return hgl_host_create(&config, &node->host, err);
}

static void create_host(struct node *node)
{
  struct hgl_err err;
  assert_ok(try_host(node, &err));
}

struct node *world_stranger(struct world *world)
{
  struct node *node = &world->nodes[world->node_count];
  struct hgl_err err;
  uint8_t seed[HGL_SEED_SIZE];
  memset(seed, 0x40 + world->node_count, sizeof seed);
  node->world = world;
  node->index = world->node_count++;
  assert_ok(hgl_signer_create(seed, &node->signer, &err));
  node->key = *hgl_signer_key(node->signer);
  return node;
}

struct node *world_node(struct world *world)
{
  struct node *node = world_stranger(world);
  struct hgl_err err;
  struct hgl_store_config store = {.clock = &world->clock, .log = &world->log};
  assert_ok(hgl_store_open(&store, &node->store, &err));
  create_host(node);
  return node;
}

void world_agent_with(struct node *node, const char *name, const char *source,
                      struct hgl_agent_config config)
{
  struct hgl_err err;
  char path[128];
  snprintf(path, sizeof path, "%s.lua", name);
  config.name = name;
  config.script_path = path;
  config.source = hgl_text(source);
  assert_ok(hgl_host_add_agent(node->host, &config, &err));
}

void world_agent(struct node *node, const char *name, const char *source, const char *const *grants)
{
  world_agent_with(node, name, source, (struct hgl_agent_config){.grants = grants});
}

const char *world_did(struct node *node, const char *agent)
{
  static char texts[4][HGL_DID_TEXT_SIZE];
  static int next;
  struct hgl_signer *signer = signer_of(node, agent);
  char *text = texts[next++ % 4];
  hgl_did_format(hgl_signer_key(signer), text);
  hgl_signer_destroy(signer);
  return text;
}

void world_link(struct node *a, struct node *b)
{
  struct world *world = a->world;
  struct hgl_err err;
  uint64_t epoch = ++world->next_epoch;
  world->links[a->index][b->index] = world->links[b->index][a->index] = epoch;
  assert_ok(hgl_host_link_up(a->host, link_of(a->index, b->index, epoch), &b->key, true, &err));
  if (b->host)
    assert_ok(hgl_host_link_up(b->host, link_of(b->index, a->index, epoch), &a->key, false, &err));
}

int world_dial(struct node *stranger, struct node *node, struct hgl_err *err)
{
  struct world *world = node->world;
  int from = node->index, to = stranger->index;
  uint64_t epoch = ++world->next_epoch;
  world->links[from][to] = world->links[to][from] = epoch;
  int status = hgl_host_link_up(node->host, link_of(from, to, epoch), &stranger->key, false, err);
  if (status) world->closing[from][to] = true;
  return status;
}

void world_inject(struct node *from, struct node *to, struct hgl_bytes frame)
{
  uint64_t epoch = from->world->links[from->index][to->index];
  /* Exactly as long as the frame, so that reading past its end is seen. */
  uint8_t *copy = malloc(frame.size ? frame.size : 1);
  if (frame.size) memcpy(copy, frame.data, frame.size);
  hgl_host_link_frame(to->host, link_of(to->index, from->index, epoch), &from->key,
                      hgl_bytes(copy, frame.size));
  free(copy);
}

struct link_frame *world_got(struct node *stranger)
{
  struct link_frame *frame = stranger->got_first;
  if (!frame) return NULL;
  stranger->got_first = frame->next;
  if (!stranger->got_first) stranger->got_last = NULL;
  return frame;
}

static void tell_down(struct node *node, struct node *peer, uint64_t epoch)
{
  if (node->host)
    hgl_host_link_down(node->host, link_of(node->index, peer->index, epoch), &peer->key);
}

void world_unlink(struct node *a, struct node *b)
{
  struct world *world = a->world;
  uint64_t epoch = world->links[a->index][b->index];
  if (!epoch) return;
  down(world, a->index, b->index);
  tell_down(a, b, epoch);
  tell_down(b, a, epoch);
}

/* Links that one side closed. */
static void drop_closed(struct world *world)
{
  for (int a = 0; a < world->node_count; a++)
    for (int b = 0; b < world->node_count; b++)
      if (world->closing[a][b]) world_unlink(&world->nodes[a], &world->nodes[b]);
}

/* The oldest frame whose receiver reads. */
static struct link_frame *take_frame(struct world *world)
{
  struct link_frame *before = NULL, *frame = world->first;
  for (; frame && world->paused[frame->to][frame->from]; frame = frame->next) before = frame;
  if (!frame) return NULL;
  *(before ? &before->next : &world->first) = frame->next;
  if (world->last == frame) world->last = before;
  return frame;
}

static bool deliver(struct world *world)
{
  struct link_frame *frame = take_frame(world);
  if (!frame) return false;
  bool pass = world->links[frame->from][frame->to] == frame->epoch;
  if (pass && world->on_frame) pass = world->on_frame(world->on_frame_user, frame);
  struct node *to = &world->nodes[frame->to], *from = &world->nodes[frame->from];
  world->frames += pass;
  if (pass && to->host) {
    world_inject(from, to, hgl_bytes(frame->data, frame->size));
  } else if (pass) {
    frame->next = NULL;
    if (to->got_last)
      to->got_last->next = frame;
    else
      to->got_first = frame;
    to->got_last = frame;
    return true;
  }
  free(frame);
  return true;
}

void world_pass_frames(struct world *world)
{
  while (deliver(world)) continue;
  drop_closed(world);
}

/* Below its reserve a host waits for others to make room; on a full disk it tries again. */
static bool at_rest(const struct hgl_host *host)
{
  const char *held = hgl_host_held(host);
  return hgl_host_idle(host) || (held && strcmp(held, "disk_low") == 0);
}

void world_run(struct world *world)
{
  for (int round = 0; round < 100000; round++) {
    bool busy = false;
    for (int i = 0; i < world->node_count; i++) {
      struct node *node = &world->nodes[i];
      if (!node->host || node->failed) continue;
      hgl_host_tick(node->host);
      busy = busy || !at_rest(node->host);
    }
    while (deliver(world)) busy = true;
    drop_closed(world);
    if (!busy) return;
  }
  fail_msg("the world does not come to rest");
}

void world_advance(struct world *world, int64_t ms)
{
  world_run(world);
  while (ms > 0) {
    int64_t step = ms < 50 ? ms : 50;
    hgl_clock_advance(&world->time, step);
    ms -= step;
    world_run(world);
  }
}

void world_crash(struct node *node)
{
  struct world *world = node->world;
  for (int i = 0; i < world->node_count; i++)
    if (i != node->index && world->links[node->index][i]) {
      uint64_t epoch = world->links[node->index][i];
      down(world, node->index, i);
      tell_down(&world->nodes[i], node, epoch);
    }
  /* A commit that was on its way is durable, but nobody here learns of it. */
  struct hgl_err err;
  hgl_store_hold(node->store, false);
  if (hgl_store_drain(node->store, 1000, &err)) fail_msg("%s", err.message);
  hgl_host_destroy(node->host);
  hgl_writeset_clear(hgl_store_open_set(node->store)); /* what no commit holds is lost */
  node->host = NULL;
}

struct copying {
  struct hgl_writeset *to;
  enum hgl_db db;
};

static int copy_row(void *user, struct hgl_bytes key, struct hgl_bytes value, struct hgl_err *err)
{
  struct copying *copying = user;
  return hgl_writeset_put(copying->to, copying->db, key, value, err);
}

struct hgl_store *world_copy(struct node *node)
{
  struct hgl_store_config config = {.clock = &node->world->clock, .log = &node->world->log};
  struct hgl_store *copy;
  struct hgl_err err;
  const struct hgl_bytes none = {0};
  assert_ok(hgl_store_open(&config, &copy, &err));
  struct copying copying = {.to = hgl_store_open_set(copy)};
  for (int db = 0; db < HGL_DB_COUNT; db++) {
    copying.db = (enum hgl_db)db;
    assert_ok(hgl_store_scan(node->store, copying.db, none, none, false, copy_row, &copying, &err));
  }
  assert_ok(hgl_store_commit(copy, NULL, NULL, &err));
  assert_ok(hgl_store_drain(copy, 1000, &err));
  return copy;
}

void world_crash_to(struct node *node, struct hgl_store *store)
{
  world_crash(node);
  hgl_store_close(node->store);
  node->store = store;
}

void world_restart(struct node *node)
{
  node->failed = false;
  create_host(node);
}

bool world_try_restart(struct node *node)
{
  struct hgl_err err;
  node->failed = false;
  return try_host(node, &err) == 0;
}

void world_deinit(struct world *world)
{
  for (int i = 0; i < world->node_count; i++) {
    struct node *node = &world->nodes[i];
    hgl_host_destroy(node->host);
    hgl_store_close(node->store);
    hgl_signer_destroy(node->signer);
  }
  for (int i = 0; i < world->node_count; i++)
    for (struct link_frame *frame; (frame = world_got(&world->nodes[i]));) free(frame);
  for (struct link_frame *frame; (frame = world->first);) {
    world->first = frame->next;
    free(frame);
  }
  hgl_chunks_destroy(world->chunks);
}

void world_say(struct node *node, const char *to, const char *type, const char *body)
{
  struct hgl_err err;
  struct hgl_buf value;
  struct hgl_id id;
  json_t *json = NULL;
  hgl_buf_init(&value, HGL_BODY_SIZE_MAX);
  assert_ok(hgl_json_parse(hgl_text(body ? body : "{}"), HGL_BODY_SIZE_MAX, &json, &err));
  assert_ok(hgl_value_from_json(json, &value, &err));
  assert_ok(hgl_host_send(node->host, to, type, hgl_buf_bytes(&value), 0, NULL, NULL, &id, &err));
  json_decref(json);
  hgl_buf_deinit(&value);
}

struct answer {
  json_t *body;
  enum hgl_code code;
  bool done;
};

static void answered(void *user, json_t *reply, const struct hgl_err *why)
{
  struct answer *answer = user;
  answer->body = json_incref(json_object_get(reply, "body"));
  answer->code = why ? why->code : HGL_OK;
  answer->done = true;
}

json_t *world_ask(struct node *node, const char *to, const char *type, enum hgl_code *code)
{
  static const uint8_t empty[] = {0xa0};
  struct answer answer = {0};
  struct hgl_err err;
  struct hgl_id id;
  int status = hgl_host_send(node->host, to, type, hgl_bytes(empty, 1), 10000, answered, &answer,
                             &id, &err);
  if (status) {
    *code = err.code;
    return NULL;
  }
  world_run(node->world);
  for (int i = 0; i < 300 && !answer.done; i++) world_advance(node->world, 50);
  assert_true(answer.done);
  *code = answer.code;
  return answer.body;
}

int64_t world_number(struct node *node, const char *to, const char *type, const char *field)
{
  enum hgl_code code;
  json_t *body = world_ask(node, to, type, &code);
  json_t *value = json_object_get(body, field);
  int64_t number = json_is_integer(value) ? json_integer_value(value) : -1;
  json_decref(body);
  return number;
}

bool world_logged(const struct world *world, const char *text)
{
  return strstr(world->logged, text) != NULL;
}

size_t world_count_logged(const struct world *world, const char *text)
{
  size_t count = 0;
  for (const char *at = world->logged; (at = strstr(at, text)); at += strlen(text)) count++;
  return count;
}

size_t world_dead_count(struct node *node, const char *code)
{
  struct hgl_err err;
  json_t *list, *item;
  size_t index, count = 0;
  assert_ok(hgl_host_list_dead(node->host, &list, &err));
  json_array_foreach(list, index, item)
      count += !code ||
               strcmp(present(json_string_value(json_object_get(item, "code"))), code) == 0;
  json_decref(list);
  return count;
}
