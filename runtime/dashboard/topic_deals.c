/* deals: the records of deals, the newest first. They are read once, in parts; then each change is
 * heard of. */
#include <string.h>

#include "agent/look.h"
#include "base/mem.h"
#include "dashboard/topics.h"

enum {
  SHOWN = 200,
  PART = 20,           /* records, between two looks at the clock */
  LOOKED_MAX = 4000,   /* of the newest, for those that the viewer asks for */
  PART_SIZE = 1 << 20, /* bytes */
  CURSOR_SIZE_MAX = 128,
  TEXT_SIZE_MAX = 256,
};

struct deals {
  struct hgl_host *host;
  const struct hgl_clock *clock;
  struct hgl_watcher watcher;
  char *agent, *service; /* or NULL */
  json_t *list;          /* newest first */
  json_t *changed;       /* since the last beat, newest last */
  uint64_t skipped;      /* as changed, for want of room or memory */
  struct hgl_buf cursor; /* where reading goes on */
  size_t looked;
  bool read;
  bool more; /* there are older ones than the list has */
};

static const char *field(const json_t *deal, const char *name)
{
  const char *text = json_string_value(json_object_get(deal, name));
  return text ? text : "";
}

static bool fits(const struct deals *deals, const json_t *deal)
{
  return (!deals->agent || strcmp(deals->agent, field(deal, "agent")) == 0) &&
         (!deals->service || strcmp(deals->service, field(deal, "service")) == 0);
}

/* The record that both are of; the list's size: none. */
static size_t find(const json_t *list, const json_t *deal)
{
  size_t count = json_array_size(list), i = 0;
  for (; i < count; i++) {
    const json_t *other = json_array_get(list, i);
    if (strcmp(field(other, "id"), field(deal, "id")) == 0 &&
        strcmp(field(other, "agent"), field(deal, "agent")) == 0)
      break;
  }
  return i;
}

static void cut(struct deals *deals)
{
  for (; json_array_size(deals->list) > SHOWN; json_array_remove(deals->list, SHOWN))
    deals->more = true;
}

/* ---- as they change ---- */

static void hear(void *user, const char *kind, json_t *deal)
{
  struct deals *deals = user;
  if (strcmp(kind, "deal") != 0 || !fits(deals, deal)) return;
  json_array_remove(deals->list, find(deals->list, deal));
  json_array_remove(deals->changed, find(deals->changed, deal));
  if (json_array_insert(deals->list, 0, deal) || json_array_append(deals->changed, deal))
    deals->skipped++;
  cut(deals);
  if (json_array_size(deals->changed) <= SHOWN) return;
  json_array_remove(deals->changed, 0);
  deals->skipped++;
}

/* ---- reading what is stored ---- */

static void take(struct deals *deals, json_t *part)
{
  size_t index;
  json_t *deal;
  json_array_foreach(part, index, deal)
  {
    deals->looked++;
    if (!fits(deals, deal) || find(deals->list, deal) < json_array_size(deals->list)) continue;
    if (json_array_append(deals->list, deal)) deals->skipped++;
  }
}

/* True: that was the last part. */
static bool read_part(struct deals *deals)
{
  struct hgl_buf next;
  struct hgl_err err;
  json_t *part;
  hgl_buf_init(&next, CURSOR_SIZE_MAX);
  const struct hgl_page page = {
      .after = hgl_buf_bytes(&deals->cursor), .limit = PART, .size_max = PART_SIZE, .next = &next};
  if (hgl_host_page(deals->host, HGL_LIST_DEALS, &page, &part, &err)) {
    hgl_buf_deinit(&next);
    return true;
  }
  take(deals, part);
  cut(deals);
  json_decref(part);
  hgl_buf_deinit(&deals->cursor);
  deals->cursor = next;
  return !next.size || json_array_size(deals->list) >= SHOWN || deals->looked >= LOOKED_MAX;
}

static bool work(void *state, int64_t until_ns)
{
  struct deals *deals = state;
  while (!deals->read && !(deals->read = read_part(deals)))
    if (hgl_mono_ns(deals->clock) > until_ns) return false;
  return true;
}

/* ---- told ---- */

static int whole(void *state, struct hgl_event *event, struct hgl_err *err)
{
  struct deals *deals = state;
  size_t left_out = hgl_event_put_some(event, "deals", deals->list, false);
  hgl_event_put(event, "more", json_boolean(left_out || deals->more || deals->cursor.size));
  return 0;
}

static int change(void *state, struct hgl_event *event, struct hgl_err *err)
{
  struct deals *deals = state;
  if (!json_array_size(deals->changed) && !deals->skipped) return 0;
  deals->skipped += hgl_event_put_some(event, "deals", deals->changed, true);
  hgl_event_put(event, "skipped", json_integer((json_int_t)deals->skipped));
  json_array_clear(deals->changed);
  deals->skipped = 0;
  return 0;
}

/* ---- life ---- */

static void close(void *state)
{
  struct deals *deals = state;
  hgl_host_unwatch(deals->host, &deals->watcher);
  json_decref(deals->list);
  json_decref(deals->changed);
  hgl_buf_deinit(&deals->cursor);
  hgl_free(deals->agent);
  hgl_free(deals->service);
  hgl_free(deals);
}

static int open(const struct hgl_topic_ask *ask, void **state, struct hgl_err *err)
{
  struct deals *deals = hgl_zalloc(sizeof *deals);
  if (!deals) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  deals->host = ask->host;
  deals->clock = ask->clock;
  deals->watcher = (struct hgl_watcher){.event = hear, .user = deals};
  deals->list = json_array();
  deals->changed = json_array();
  hgl_buf_init(&deals->cursor, CURSOR_SIZE_MAX);
  int status = deals->list && deals->changed
                   ? hgl_ask_copy(ask, "agent", TEXT_SIZE_MAX, &deals->agent, err)
                   : hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  if (!status) status = hgl_ask_copy(ask, "service", TEXT_SIZE_MAX, &deals->service, err);
  if (status) {
    close(deals);
    return status;
  }
  hgl_host_watch(ask->host, &deals->watcher);
  *state = deals;
  return 0;
}

static const char *const arguments[] = {"agent", "service", NULL};

const struct hgl_topic hgl_topic_deals = {.name = "deals",
                                          .every_ms = 500,
                                          .least_ms = 250,
                                          .arguments = arguments,
                                          .open = open,
                                          .work = work,
                                          .whole = whole,
                                          .change = change,
                                          .close = close};
