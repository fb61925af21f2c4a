/* peers: the other hosts that this one knows; those first that are linked, then those for which
 * something waits. */
#include "agent/look.h"
#include "base/mem.h"
#include "dashboard/best.h"
#include "dashboard/topics.h"

enum { LIMIT_DEFAULT = 200, LIMIT_MAX = 1000 };

struct peers {
  struct hgl_host *host;
  struct best best;
  size_t total, linked;
  bool failed;
};

struct row {
  struct hgl_key key;
  bool linked;
  uint64_t unacknowledged;
  int64_t active_ms;
};

static int compare(const void *a, const void *b, const void *user)
{
  const struct row *left = a, *right = b;
  if (left->linked != right->linked) return left->linked ? -1 : 1;
  if (left->unacknowledged != right->unacknowledged)
    return left->unacknowledged > right->unacknowledged ? -1 : 1;
  if (left->active_ms != right->active_ms) return left->active_ms > right->active_ms ? -1 : 1;
  return memcmp(left->key.bytes, right->key.bytes, HGL_KEY_SIZE);
}

static bool offer(void *user, const struct hgl_peer_figures *peer)
{
  struct peers *peers = user;
  struct hgl_err ignored;
  const struct row row = {peer->key, peer->linked, peer->unacknowledged, peer->active_ms};
  peers->total++;
  peers->linked += peer->linked;
  if (best_offer(&peers->best, &row, &ignored)) peers->failed = true;
  return true;
}

static int whole(void *state, struct hgl_event *event, struct hgl_err *err)
{
  struct peers *peers = state;
  peers->total = peers->linked = 0;
  peers->failed = false;
  best_clear(&peers->best);
  hgl_host_visit_peers(peers->host, offer, peers);
  best_sort(&peers->best);
  json_t *list = json_array();
  int status = peers->failed || !list ? hgl_fail(err, HGL_NO_MEMORY, "out of memory") : 0;
  for (size_t i = 0; !status && i < peers->best.count; i++) {
    const struct row *row = best_at(&peers->best, i);
    json_t *peer = NULL;
    status = hgl_host_show_peer(peers->host, &row->key, &peer, err);
    if (!status && json_array_append_new(list, peer))
      status = hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  }
  if (status) {
    json_decref(list);
    return status;
  }
  hgl_event_put(event, "peers", list);
  hgl_event_put(event, "linked", json_integer((json_int_t)peers->linked));
  hgl_event_put(event, "total", json_integer((json_int_t)peers->total));
  return 0;
}

static int open(const struct hgl_topic_ask *ask, void **state, struct hgl_err *err)
{
  int64_t limit;
  int status = hgl_ask_integer(ask, "limit", 1, LIMIT_MAX, LIMIT_DEFAULT, &limit, err);
  if (status) return status;
  struct peers *peers = hgl_zalloc(sizeof *peers);
  if (!peers) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  peers->host = ask->host;
  best_init(&peers->best, sizeof(struct row), (size_t)limit, compare, peers);
  *state = peers;
  return 0;
}

static void close(void *state)
{
  struct peers *peers = state;
  best_deinit(&peers->best);
  hgl_free(peers);
}

static const char *const arguments[] = {"limit", NULL};

const struct hgl_topic hgl_topic_peers = {.name = "peers",
                                          .every_ms = 1000,
                                          .least_ms = 500,
                                          .arguments = arguments,
                                          .open = open,
                                          .whole = whole,
                                          .close = close};
