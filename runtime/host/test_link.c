/* Links between the hosts of a world. Frames take the world's latency, in order; a link that ends
 * loses what is on its way, which is then sent again over the next one, as over a real network. */
#include <string.h>

#include "base/mem.h"
#include "host/test_world_core.h"

enum { REDIAL_MS = 1000 }; /* after a host closed a link */

static struct link_end *other_end(const struct link_end *end)
{
  return &end->pair->ends[end == &end->pair->ends[0]];
}

/* ---- the transport of a host ---- */

/* Behind all that arrive no later. */
static void put_frame(struct hgl_world *world, struct frame *frame)
{
  struct frame **at = &world->frames;
  while (*at && (*at)->due_ns <= frame->due_ns) at = &(*at)->next;
  frame->next = *at;
  *at = frame;
}

static int link_send(void *link, struct hgl_bytes bytes, struct hgl_err *err)
{
  const struct link_end *end = link;
  struct hgl_world *world = end->host->world;
  struct link_end *to = other_end(end);
  if (!end->pair->up || end->pair->closing) return hgl_fail(err, HGL_CLOSED, "the link is gone");
  struct frame *frame = hgl_alloc(sizeof *frame + bytes.size);
  if (!frame) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  int64_t due_ns = world->time.mono_ns + world->config.latency_ms * 1000000;
  if (due_ns < to->last_due_ns) due_ns = to->last_due_ns;
  *frame = (struct frame){.to = to, .due_ns = due_ns, .size = bytes.size};
  if (bytes.size) memcpy(frame->data, bytes.data, bytes.size);
  to->last_due_ns = due_ns;
  put_frame(world, frame);
  return 0;
}

static size_t link_queued(void *link)
{
  return 0;
}

static void link_pause(void *link, bool paused)
{
  struct link_end *end = link;
  end->paused = paused;
}

static void link_close(void *link, enum hgl_code code, const char *why)
{
  struct link_end *end = link;
  end->pair->closing = end->pair->up;
}

/* All hosts are joined anyway. */
static void want(void *user, const struct hgl_key *peer, enum hgl_link_want wanted) {}

static void address(void *user, const struct hgl_key *peer, const char *url,
                    enum hgl_url_source source)
{
}

struct hgl_transport world_transport(struct world_host *at)
{
  return (struct hgl_transport){link_send, link_queued, link_pause, link_close, want, address, at};
}

/* ---- pairs ---- */

int world_pairs_add(struct world_host *at, struct hgl_err *err)
{
  for (struct world_host *other = at->world->hosts; other; other = other->next) {
    if (other == at) continue;
    struct pair *pair = hgl_zalloc(sizeof *pair);
    if (!pair) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
    pair->ends[0] = (struct link_end){.pair = pair, .host = other, .peer = at};
    pair->ends[1] = (struct link_end){.pair = pair, .host = at, .peer = other};
    pair->next = at->world->pairs;
    at->world->pairs = pair;
  }
  return 0;
}

static void lose_frames(struct hgl_world *world, const struct pair *pair)
{
  for (struct frame **at = &world->frames; *at;) {
    struct frame *frame = *at;
    if (frame->to->pair != pair) {
      at = &frame->next;
      continue;
    }
    *at = frame->next;
    hgl_free(frame);
  }
}

static void link_down(struct pair *pair, int64_t dial_ns)
{
  struct hgl_world *world = pair->ends[0].host->world;
  if (!pair->up) return;
  pair->up = pair->closing = false;
  pair->dial_ns = dial_ns;
  lose_frames(world, pair);
  for (int i = 0; i < 2; i++) {
    struct link_end *end = &pair->ends[i];
    end->paused = false;
    end->last_due_ns = 0;
    if (end->host->host)
      hgl_host_link_down(end->host->host, end, hgl_signer_key(end->peer->signer));
  }
}

static bool can_link(const struct pair *pair)
{
  return !pair->up && !pair->cut && pair->ends[0].host->host && pair->ends[1].host->host;
}

static void link_up(struct pair *pair)
{
  struct hgl_err ignored; /* the host has logged it and asked to close */
  pair->up = true;
  for (int i = 0; i < 2; i++) {
    struct link_end *end = &pair->ends[i];
    if (hgl_host_link_up(end->host->host, end, hgl_signer_key(end->peer->signer), i == 1, &ignored))
      pair->closing = true;
  }
}

void world_links_drop(struct world_host *at)
{
  for (struct pair *pair = at->world->pairs; pair; pair = pair->next)
    if (pair->ends[0].host == at || pair->ends[1].host == at)
      link_down(pair, at->world->time.mono_ns);
}

void world_links_deinit(struct hgl_world *world)
{
  while (world->frames) {
    struct frame *frame = world->frames;
    world->frames = frame->next;
    hgl_free(frame);
  }
  while (world->pairs) {
    struct pair *pair = world->pairs;
    world->pairs = pair->next;
    hgl_free(pair);
  }
}

int hgl_world_cut(struct hgl_world *world, const char *one, const char *other, bool cut,
                  struct hgl_err *err)
{
  const struct world_host *a, *b;
  int status;
  if ((status = hgl_world_host(world, one, &a, err)) ||
      (status = hgl_world_host(world, other, &b, err)))
    return status;
  if (a == b) return hgl_fail(err, HGL_INVALID, "'%s' cannot be cut off from itself", one);
  for (struct pair *pair = world->pairs; pair; pair = pair->next) {
    if ((pair->ends[0].host != a || pair->ends[1].host != b) &&
        (pair->ends[0].host != b || pair->ends[1].host != a))
      continue;
    pair->cut = cut;
    if (cut) link_down(pair, world->time.mono_ns);
  }
  return 0;
}

/* ---- as time passes ---- */

/* The next one whose receiver reads. */
static struct frame **next_frame(struct hgl_world *world)
{
  struct frame **at = &world->frames;
  while (*at && (*at)->to->paused) at = &(*at)->next;
  return at;
}

static bool deliver(struct hgl_world *world)
{
  struct frame **at = next_frame(world), *frame = *at;
  if (!frame || frame->due_ns > world->time.mono_ns) return false;
  struct link_end *to = frame->to;
  *at = frame->next;
  hgl_host_link_frame(to->host->host, to, hgl_signer_key(to->peer->signer),
                      hgl_bytes(frame->data, frame->size));
  hgl_free(frame);
  return true;
}

bool world_links_pass(struct hgl_world *world)
{
  int64_t now_ns = world->time.mono_ns;
  bool passed = false;
  while (deliver(world)) passed = true;
  for (struct pair *pair = world->pairs; pair; pair = pair->next) {
    if (pair->closing) {
      link_down(pair, now_ns + INT64_C(1000000) * REDIAL_MS);
      passed = true;
    } else if (can_link(pair) && pair->dial_ns <= now_ns) {
      link_up(pair);
      passed = true;
    }
  }
  return passed;
}

int64_t world_links_due(const struct hgl_world *world)
{
  const struct frame *frame = world->frames;
  while (frame && frame->to->paused) frame = frame->next;
  int64_t due_ns = frame ? frame->due_ns : INT64_MAX;
  for (const struct pair *pair = world->pairs; pair; pair = pair->next)
    if (can_link(pair) && pair->dial_ns < due_ns) due_ns = pair->dial_ns;
  return due_ns;
}
