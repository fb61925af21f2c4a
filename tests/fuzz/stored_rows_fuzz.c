// uses: test_world
/* What a store might return to a host that starts on it, and then is looked at and used: each row
 * gives an answer or a failure. The input is a list of rows, each: database (1), key size (1),
 * value size (2, big-endian), key, value. The state of agents has a target of its own. */
#include <stdlib.h>

#include "support/world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char script[] = "agent.on('x/1.0/y', function(m) m:reply('z') end)\n"
                             "agent.on_timer('t', function() end)\n";

static void put_rows(struct node *node, const uint8_t *data, size_t size)
{
  struct hgl_err err;
  while (size >= 4) {
    size_t key_size = data[1], value_size = (size_t)data[2] << 8 | data[3];
    enum hgl_db db = (enum hgl_db)(data[0] % HGL_DB_COUNT);
    data += 4, size -= 4;
    if (key_size > size) key_size = size;
    if (value_size > size - key_size) value_size = size - key_size;
    struct hgl_bytes key = hgl_bytes(data, key_size),
                     value = hgl_bytes(data + key_size, value_size);
    data += key_size + value_size, size -= key_size + value_size;
    if (key_size == 0) continue;
    if (hgl_writeset_put(hgl_store_open_set(node->store), db, key, value, &err)) abort();
  }
}

/* As world_agent, but an agent whose rows are damaged need not begin. */
static void add_agent(struct node *node, const char *name, const char *source)
{
  struct hgl_err err;
  struct hgl_agent_config config = {.name = name, .script_path = name, .source = hgl_text(source)};
  if (hgl_host_add_agent(node->host, &config, &err) && err.code == HGL_INTERNAL) abort();
}

static void look(struct node *node)
{
  struct hgl_err err = {0};
  struct hgl_buf next, evidence;
  hgl_buf_init(&next, 1000);
  hgl_buf_init(&evidence, 16 << 20);
  const struct hgl_page page = {.limit = 100, .size_max = 1 << 20, .next = &next};
  for (int list = 0; list <= HGL_LIST_DEAD; list++) {
    json_t *rows = NULL;
    if (hgl_host_page(node->host, (enum hgl_list)list, &page, &rows, &err) == 0) json_decref(rows);
    hgl_buf_clear(&next);
  }
  json_t *shown = NULL;
  if (hgl_host_show_dead(node->host, 1, &shown, &err) == 0) json_decref(shown);
  if (hgl_host_dead_resend(node->host, 1, &err)) hgl_buf_clear(&next);
  if (hgl_host_export(node->host, "00000000000000000000000000000001", &evidence, &err))
    hgl_buf_clear(&evidence);
  if (hgl_host_export(node->host, "deal", &evidence, &err)) hgl_buf_clear(&evidence);
  hgl_buf_deinit(&next);
  hgl_buf_deinit(&evidence);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  static bool ready;
  struct world world;
  struct hgl_err err = {0};
  if (!ready && hgl_crypto_init(&err)) abort();
  ready = true;
  world_init(&world, 1);
  struct node *node = world_node(&world);
  world_crash(node);
  put_rows(node, data, size);
  /* A host that cannot go on from its store says so and ends. */
  if (world_try_restart(node)) {
    add_agent(node, "operator", "");
    add_agent(node, "a", script);
    world_run(&world);
    hgl_clock_advance(&world.time, INT64_C(2) * 3600 * 1000);
    world_run(&world);
    look(node);
    world_run(&world);
  }
  world_deinit(&world);
  return 0;
}
