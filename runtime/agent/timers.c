/* Durable timers: `after` fires once, `every` again and again. They are due by Unix time, so that
 * they mean the same after a restart; what is late fires once. A timer's row goes (or moves on) in
 * the commit that holds its handler's first stretch. */
#include "agent/schedules.h"

#include <assert.h>

enum { CLOCK_SET_MS = 1000 }; /* less is a clock that is being put right slowly */

void timer_id(struct hgl_buf *out, struct hgl_bytes name, struct hgl_bytes key)
{
  hgl_buf_append_bytes(out, name);
  hgl_buf_append_byte(out, 0);
  hgl_buf_append_bytes(out, key);
}

static struct hgl_bytes id_of(const struct timer *timer)
{
  return hgl_bytes(timer->id, timer->id_size);
}

static void row_of(const struct timer *timer, struct hgl_buf *key)
{
  uint8_t number[8];
  hgl_buf_init(key, HGL_STORE_KEY_SIZE_MAX);
  hgl_buf_append_bytes(key, row_key(timer->agent->number, number));
  hgl_buf_append_bytes(key, id_of(timer));
}

/* [due ms, every ms, name size, value], and of a cron line from when it was reckoned, in ms. */
static int save(struct timer *timer, struct hgl_err *err)
{
  struct hgl_buf key, row;
  row_of(timer, &key);
  hgl_buf_init(&row, HGL_BODY_SIZE_MAX + 64);
  hgl_cbor_put_list(&row, timer->every_ms == TIMER_BY_CRON ? 5 : 4);
  hgl_cbor_put_int(&row, timer->due.due);
  hgl_cbor_put_int(&row, timer->every_ms);
  hgl_cbor_put_uint(&row, timer->name_size);
  hgl_cbor_put_bytes(&row, hgl_buf_bytes(&timer->value));
  if (timer->every_ms == TIMER_BY_CRON) hgl_cbor_put_int(&row, timer->cron.from_ms);
  int status = hgl_buf_check(&row, err);
  if (!status) status = hgl_buf_check(&key, err);
  if (!status)
    status = hgl_writeset_put(host_writes(timer->agent->host), HGL_DB_TIMERS, hgl_buf_bytes(&key),
                              hgl_buf_bytes(&row), err);
  hgl_buf_deinit(&key);
  hgl_buf_deinit(&row);
  return status;
}

static int erase(struct timer *timer, struct hgl_err *err)
{
  struct hgl_buf key;
  row_of(timer, &key);
  int status = hgl_buf_check(&key, err);
  if (!status)
    status = hgl_writeset_delete(host_writes(timer->agent->host), HGL_DB_TIMERS,
                                 hgl_buf_bytes(&key), err);
  hgl_buf_deinit(&key);
  return status;
}

void timer_destroy(struct timer *timer)
{
  if (!timer) return;
  if (timer->run) timer->run->schedule = NULL;
  timer->agent->timer_bytes -= timer->value.size;
  hgl_heap_remove(&timer->agent->host->wall_heap, &timer->due);
  hgl_buf_deinit(&timer->value);
  hgl_free(timer->cron.when);
  hgl_free(timer->id);
  hgl_free(timer);
}

/* Out of the agent's timers; one that is in the mailbox goes when its mail comes up. */
static void discard(struct timer *timer)
{
  hgl_map_remove(&timer->agent->timers, id_of(timer));
  if (timer->firing)
    timer->cancelled = true;
  else
    timer_destroy(timer);
}

static int create(struct agent *agent, const char *id, size_t name_size, size_t id_size,
                  struct hgl_bytes value, int64_t due_ms, int64_t every_ms, struct timer **out,
                  struct hgl_err *err)
{
  struct timer *timer = hgl_zalloc(sizeof *timer);
  if (!timer) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  *timer = (struct timer){
      .agent = agent, .name_size = name_size, .id_size = id_size, .every_ms = every_ms};
  hgl_buf_init(&timer->value, HGL_BODY_SIZE_MAX);
  hgl_buf_append_bytes(&timer->value, value);
  agent->timer_bytes += timer->value.size;
  timer->id = hgl_strndup(id, id_size);
  int status = timer->id ? hgl_buf_check(&timer->value, err)
                         : hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  if (!status) status = hgl_map_put(&agent->timers, id_of(timer), timer, err);
  if (!status && (status = hgl_heap_push(&agent->host->wall_heap, &timer->due, due_ms, err)))
    hgl_map_remove(&agent->timers, id_of(timer));
  if (status) {
    timer_destroy(timer);
    return status;
  }
  *out = timer;
  return 0;
}

int timer_apply(struct agent *agent, const struct timer_change *change, struct hgl_err *err)
{
  struct timer *old = hgl_map_get(&agent->timers, hgl_bytes(change->id, change->id_size));
  struct timer *timer;
  int status = 0;
  if (old) {
    status = erase(old, err);
    discard(old);
  }
  if (status || change->cancel) return status;
  status = create(agent, change->id, change->name_size, change->id_size,
                  hgl_buf_bytes(&change->value), change->due_ms, 0, &timer, err);
  return status ? status : save(timer, err);
}

struct timer *timer_scheduled(const struct agent *agent, struct hgl_bytes name)
{
  struct hgl_buf id;
  hgl_buf_init(&id, HGL_STORE_KEY_SIZE_MAX);
  timer_id(&id, name, hgl_bytes(NULL, 0));
  struct timer *timer = hgl_map_get(&agent->timers, hgl_buf_bytes(&id));
  hgl_buf_deinit(&id);
  return timer && timer->every_ms ? timer : NULL;
}

/* It goes on as it is, whether or not a call of it waits or goes on. */
static bool is_same(const struct timer *old, int64_t due_ms, int64_t every_ms,
                    struct hgl_bytes value, int64_t from_ms)
{
  bool read = every_ms != TIMER_BY_CRON || old->cron.when;
  return read && old->every_ms == every_ms && old->due.due == due_ms &&
         old->cron.from_ms == from_ms && hgl_bytes_equal(hgl_buf_bytes(&old->value), value);
}

int timer_schedule(struct agent *agent, struct hgl_bytes name, int64_t due_ms, int64_t every_ms,
                   struct hgl_bytes value, int64_t from_ms, struct hgl_err *err)
{
  struct hgl_buf id;
  struct timer *timer;
  struct agent_run *run = NULL;
  if (script_reloads(agent)) return 0; /* not in force yet */
  hgl_buf_init(&id, HGL_STORE_KEY_SIZE_MAX);
  timer_id(&id, name, hgl_bytes(NULL, 0));
  int status = hgl_buf_check(&id, err);
  if (!status) {
    struct timer *old = hgl_map_get(&agent->timers, hgl_buf_bytes(&id));
    if (old && is_same(old, due_ms, every_ms, value, from_ms)) {
      hgl_buf_deinit(&id);
      return 0;
    }
    run = old ? old->run : NULL;
    if (old) discard(old);
    status = create(agent, (const char *)id.data, name.size, id.size, value, due_ms, every_ms,
                    &timer, err);
  }
  hgl_buf_deinit(&id);
  if (status) return status;
  if (run) {
    run->schedule = timer;
    timer->run = run;
  }
  timer->cron.from_ms = from_ms;
  if (every_ms == TIMER_BY_CRON) status = schedule_load(timer, err);
  return status ? status : save(timer, err);
}

static bool is_declared(const struct timer *timer)
{
  return manifest_has(timer->agent->manifest, timer->every_ms ? HGL_VM_EVERY : HGL_VM_ON_TIMER,
                      hgl_bytes(timer->id, timer->name_size));
}

static void log_missing(const struct agent *agent)
{
  const struct timer *first = NULL;
  struct hgl_map_slot *slot;
  size_t count = 0;
  for (size_t i = 0; (slot = hgl_map_next(&agent->timers, &i));) {
    const struct timer *timer = slot->value;
    if (is_declared(timer)) continue;
    if (!count++) first = timer;
  }
  if (first)
    host_log(agent->host, HGL_LOG_WARN,
             "%s: %zu timers wait, '%.*s' for one, for which its script has no on_timer any more: "
             "they will do nothing",
             agent->name, count, (int)first->name_size, first->id);
}

int timers_follow_manifest(struct agent *agent, struct hgl_err *err)
{
  struct timer *ended[64];
  struct hgl_map_slot *slot;
  size_t count;
  int status = 0;
  do {
    count = 0;
    for (size_t i = 0; count < 64 && (slot = hgl_map_next(&agent->timers, &i));) {
      struct timer *timer = slot->value;
      if (timer->every_ms && !is_declared(timer)) ended[count++] = timer;
    }
    for (size_t i = 0; i < count && !status; i++) {
      status = erase(ended[i], err);
      discard(ended[i]);
    }
  } while (!status && count == 64);
  if (!status) log_missing(agent);
  return status;
}

int timer_move(struct timer *timer, int64_t due_ms, struct hgl_err *err)
{
  struct hgl_host *host = timer->agent->host;
  hgl_heap_remove(&host->wall_heap, &timer->due);
  int status = hgl_heap_push(&host->wall_heap, &timer->due, due_ms, err);
  return status ? status : save(timer, err);
}

void timer_fired(struct agent *agent, struct timer *timer)
{
  struct hgl_host *host = agent->host;
  struct hgl_err err;
  timer->firing = false;
  if (timer->cancelled) {
    timer_destroy(timer);
    return;
  }
  int status;
  if (timer->every_ms) {
    status = timer_move(timer, schedule_next_ms(timer), &err);
  } else {
    status = erase(timer, &err);
    discard(timer);
  }
  if (status) host_fatal(host, &err);
}

static int fire(struct timer *timer, struct hgl_err *err)
{
  struct agent *agent = timer->agent;
  if (timer->run) {
    timer->skipped++;
    host_log(agent->host, HGL_LOG_WARN, "%s: '%.*s' is skipped, its last run still goes on (%llu)",
             agent->name, (int)timer->name_size, timer->id, (unsigned long long)timer->skipped);
    return timer_move(timer, schedule_next_ms(timer), err);
  }
  struct mail *mail = hgl_zalloc(sizeof *mail);
  if (!mail) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  *mail = (struct mail){.kind = MAIL_TIMER, .timer = timer, .attempt = 1};
  timer->firing = true;
  mailbox_push(agent, mail);
  return 0;
}

/* A schedule does not wait for a clock that was set back to come round again. */
static int pull_back(struct agent *agent, struct hgl_err *err)
{
  struct hgl_map_slot *slot;
  int status = 0;
  for (size_t i = 0; !status && (slot = hgl_map_next(&agent->timers, &i));) {
    struct timer *timer = slot->value;
    if (!timer->every_ms || timer->firing) continue;
    int64_t due = schedule_set_back_ms(timer);
    if (due != timer->due.due) status = timer_move(timer, due, err);
  }
  return status;
}

static int follow_clock(struct hgl_host *host, struct hgl_err *err)
{
  bool set_back = host->now_ms < host->timers_ms - CLOCK_SET_MS;
  int status = 0;
  host->timers_ms = host->now_ms;
  for (size_t i = 0; set_back && !status && i < host->agent_count; i++)
    status = pull_back(host->agents[i], err);
  return status;
}

void timers_due(struct hgl_host *host)
{
  struct hgl_heap_entry *first;
  struct hgl_err err;
  if (follow_clock(host, &err)) {
    host_fatal(host, &err);
    return;
  }
  while ((first = hgl_heap_first(&host->wall_heap)) && first->due <= host->now_ms) {
    struct timer *timer = (struct timer *)first;
    hgl_heap_remove(&host->wall_heap, first); /* `due` stays: the grid of a schedule */
    if (!timer->agent->stopped && fire(timer, &err)) {
      host_fatal(host, &err);
      return;
    }
  }
}

static int load_timer(void *user, struct hgl_bytes key, struct hgl_bytes value, struct hgl_err *err)
{
  struct agent *agent = user;
  struct hgl_cbor_reader in = hgl_cbor_reader(value);
  struct hgl_bytes content;
  int64_t due, every, from = 0;
  uint64_t name_size;
  size_t count;
  struct timer *timer;
  int status;
  if ((status = hgl_cbor_get_list(&in, "timer", 5, &count, err)) ||
      (status = hgl_cbor_get_int(&in, "timer.due", &due, err)) ||
      (status = hgl_cbor_get_int(&in, "timer.every", &every, err)) ||
      (status = hgl_cbor_get_uint(&in, "timer.name", key.size, &name_size, err)) ||
      (status = hgl_cbor_get_bytes(&in, "timer.value", HGL_BODY_SIZE_MAX, &content, err)))
    return status;
  if (every == TIMER_BY_CRON && (status = hgl_cbor_get_int(&in, "timer.from", &from, err)))
    return status;
  if (key.size < 8 || name_size > key.size - 8)
    return hgl_fail(err, HGL_CORRUPT, "a stored timer has a bad key");
  status = create(agent, (const char *)key.data + 8, name_size, key.size - 8, content, due, every,
                  &timer, err);
  if (status) return status;
  timer->cron.from_ms = from;
  return every == TIMER_BY_CRON ? schedule_load(timer, err) : 0;
}

int timers_load(struct agent *agent, struct hgl_err *err)
{
  uint8_t prefix[8];
  return hgl_store_scan(agent->host->config.store, HGL_DB_TIMERS, row_key(agent->number, prefix),
                        hgl_bytes(NULL, 0), false, load_timer, agent, err);
}
