#include "support/check.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

#include "host/node.h"
#include "net/loop.h"

static char folder[64];
static struct hgl_err err;

static int set_up(void **state)
{
  strcpy(folder, "/tmp/haggle-node-XXXXXX");
  return mkdtemp(folder) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *at)
{
  return remove(path);
}

static int tear_down(void **state)
{
  return nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static struct hgl_node *start(const char *name, const char *join)
{
  char data[96];
  struct hgl_node *node = NULL;
  struct hgl_texts joins = {0};
  snprintf(data, sizeof data, "%s/%s", folder, name);
  if (join) assert_ok(hgl_texts_add(&joins, join, &err));
  const struct hgl_node_config config = {.data = data,
                                         .listen_address = "127.0.0.1",
                                         .joins = joins,
                                         .no_control = true,
                                         .log = &hgl_log_none};
  assert_ok(hgl_node_create(&config, &node, &err));
  hgl_texts_deinit(&joins);
  return node;
}

static void turn(struct hgl_node *node)
{
  hgl_loop_run_once(hgl_node_loop(node), 1);
}

/* What ends a node lets its loop turn: what a peer has said by then must not reach what is gone. */
static void a_node_ends_at_any_moment_of_a_handshake(void **state)
{
  enum { TURNS = 10 };
  for (int turns = 0; turns < 2 * TURNS; turns++) {
    struct hgl_node *listener = start("listener", NULL);
    struct hgl_node *dialler = start("dialler", hgl_node_join_url(listener));
    bool dialler_first = turns >= TURNS;
    struct hgl_node *first = dialler_first ? dialler : listener;
    struct hgl_node *second = dialler_first ? listener : dialler;
    for (int i = 0; i < turns % TURNS; i++) {
      turn(first);
      turn(second);
    }
    hgl_node_destroy(first); /* which has yet to read what the second has said last */
    hgl_node_destroy(second);
  }
}

int main(void)
{
  if (hgl_crypto_init(NULL) != 0) return 1;
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(a_node_ends_at_any_moment_of_a_handshake, set_up, tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
