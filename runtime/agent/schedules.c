/* Schedules: what agent.every declares, and when it is due next. Each is a timer (timers.c), stored
 * with its interval or its cron line, so that it goes on as it was when the host comes back: what
 * was missed meanwhile is made up for once.
 *
 * A cron line goes by the clock on the wall. A clock that is put back a little does not bring back
 * what has been: only one that is put back by more than three hours, as cron has it, was wrong
 * before, and the line begins anew. */
#include "agent/declared.h"
#include "agent/schedules.h"
#include "base/calendar.h"

enum { CLOCK_WAS_WRONG_MS = 3 * 3600 * 1000, LOOK_AGAIN_MS = 3600 * 1000 };

struct declared {
  int64_t every_ms; /* or TIMER_BY_CRON, and then: */
  struct hgl_bytes line, zone;
  bool at_start;
};

static int read_text(struct hgl_bytes value, const char *key, size_t size_max,
                     struct hgl_bytes *out, struct hgl_err *err)
{
  struct hgl_bytes field;
  bool found;
  int status = hgl_value_field(value, key, &field, &found, err);
  if (status) return status;
  if (!found) return hgl_fail(err, HGL_INVALID, "a schedule needs its %s", key);
  struct hgl_cbor_reader in = hgl_cbor_reader(field);
  return hgl_cbor_get_text(&in, key, size_max, out, err);
}

static int read_declared(struct hgl_bytes value, struct declared *out, struct hgl_err *err)
{
  struct hgl_bytes field = {0};
  bool found;
  int status = hgl_value_field(value, "at_start", &field, &found, err);
  if (status) return status;
  struct hgl_cbor_reader in = hgl_cbor_reader(field);
  *out = (struct declared){0};
  if (found && (status = hgl_cbor_get_bool(&in, "at_start", &out->at_start, err))) return status;
  if ((status = hgl_value_field(value, "every_ms", &field, &found, err))) return status;
  if (found) {
    in = hgl_cbor_reader(field);
    if ((status = hgl_cbor_get_int(&in, "interval", &out->every_ms, err))) return status;
    return out->every_ms < 1 ? hgl_fail(err, HGL_INVALID, "an interval is at least 1 ms") : 0;
  }
  out->every_ms = TIMER_BY_CRON;
  status = read_text(value, "cron", HGL_CRON_SIZE_MAX, &out->line, err);
  return status ? status : read_text(value, "zone", HGL_ZONE_NAME_SIZE_MAX, &out->zone, err);
}

/* ---- cron lines ---- */

static int64_t reckon(const struct hgl_cron *cron, const struct hgl_zone *zone, int64_t from_ms)
{
  int64_t next = hgl_cron_next(cron, zone, hgl_floor_div(from_ms, 1000));
  return next == INT64_MAX ? INT64_MAX : next * 1000;
}

/* As two texts, one behind the other. */
static void put_line(struct hgl_buf *out, struct hgl_bytes line, struct hgl_bytes zone)
{
  hgl_buf_init(out, HGL_CRON_SIZE_MAX + HGL_ZONE_NAME_SIZE_MAX + 8);
  hgl_cbor_put_text(out, line);
  hgl_cbor_put_text(out, zone);
}

static int get_line(struct hgl_bytes value, struct hgl_bytes *line, struct hgl_bytes *zone,
                    struct hgl_err *err)
{
  struct hgl_cbor_reader in = hgl_cbor_reader(value);
  int status = hgl_cbor_get_text(&in, "cron", HGL_CRON_SIZE_MAX, line, err);
  return status ? status : hgl_cbor_get_text(&in, "zone", HGL_ZONE_NAME_SIZE_MAX, zone, err);
}

static int read_line(struct hgl_host *host, struct hgl_bytes value, struct hgl_cron *cron,
                     const struct hgl_zone **zone, struct hgl_err *err)
{
  struct hgl_bytes line, name;
  int status;
  if ((status = get_line(value, &line, &name, err)) || (status = hgl_cron_parse(line, cron, err)))
    return status;
  return zone_find(host, name, zone, err);
}

int schedule_line(const struct timer *timer, struct hgl_bytes *line, struct hgl_bytes *zone,
                  struct hgl_err *err)
{
  return get_line(hgl_buf_bytes(&timer->value), line, zone, err);
}

int hgl_schedule_check(struct hgl_bytes value, struct hgl_err *err)
{
  struct declared declared;
  struct hgl_zone *zone = NULL;
  struct hgl_cron cron;
  int status = read_declared(value, &declared, err);
  if (status || declared.every_ms != TIMER_BY_CRON) return status;
  status = hgl_cron_parse(declared.line, &cron, err);
  if (!status) status = hgl_zone_load(NULL, declared.zone, &zone, err);
  hgl_zone_destroy(zone);
  return status;
}

int schedule_load(struct timer *timer, struct hgl_err *err)
{
  struct agent *agent = timer->agent;
  struct hgl_cron cron;
  const struct hgl_zone *zone;
  int status = read_line(agent->host, hgl_buf_bytes(&timer->value), &cron, &zone, err);
  if (status == -HGL_NO_MEMORY) return status;
  if (status) {
    host_log(agent->host, HGL_LOG_WARN, "%s: the schedule '%.*s': %s", agent->name,
             (int)timer->name_size, timer->id, err->message);
    return 0;
  }
  if (!timer->cron.when && !(timer->cron.when = hgl_alloc(sizeof cron)))
    return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  *timer->cron.when = cron;
  timer->cron.zone = zone;
  return 0;
}

/* The same line goes on with the time that it has, also one that was missed. */
static bool goes_on(const struct timer *old, struct hgl_bytes value, int64_t now_ms)
{
  return old && old->every_ms == TIMER_BY_CRON &&
         hgl_bytes_equal(hgl_buf_bytes(&old->value), value) &&
         now_ms > old->cron.from_ms - CLOCK_WAS_WRONG_MS;
}

static int declare_cron(struct agent *agent, struct hgl_bytes name, const struct declared *declared,
                        struct hgl_err *err)
{
  const struct timer *old = timer_scheduled(agent, name);
  int64_t now_ms = hgl_wall_ms(agent->host->config.clock), from_ms = now_ms, due_ms;
  const struct hgl_zone *zone;
  struct hgl_cron cron;
  struct hgl_buf value;
  put_line(&value, declared->line, declared->zone);
  int status = hgl_buf_check(&value, err);
  if (!status) status = read_line(agent->host, hgl_buf_bytes(&value), &cron, &zone, err);
  if (!status) {
    due_ms = declared->at_start && !old ? now_ms : reckon(&cron, zone, now_ms);
    if (goes_on(old, hgl_buf_bytes(&value), now_ms)) {
      due_ms = old->due.due;
      from_ms = old->cron.from_ms;
    }
    status = timer_schedule(agent, name, due_ms, TIMER_BY_CRON, hgl_buf_bytes(&value), from_ms,
                            err);
  }
  hgl_buf_deinit(&value);
  return status;
}

/* ---- intervals ---- */

/* What is stored goes on with its old due time, unless the interval became shorter than what is
 * left. */
static int declare_interval(struct agent *agent, struct hgl_bytes name,
                            const struct declared *declared, struct hgl_err *err)
{
  const struct timer *old = timer_scheduled(agent, name);
  int64_t now_ms = hgl_wall_ms(agent->host->config.clock), due_ms = now_ms + declared->every_ms;
  if (declared->at_start && !old) due_ms = now_ms;
  if (old && old->every_ms != TIMER_BY_CRON && old->due.due < due_ms) due_ms = old->due.due;
  return timer_schedule(agent, name, due_ms, declared->every_ms, hgl_bytes(NULL, 0), 0, err);
}

int schedule_declare(struct agent *agent, struct hgl_bytes name, struct hgl_bytes value,
                     struct hgl_err *err)
{
  struct declared declared;
  int status = read_declared(value, &declared, err);
  if (status) return status;
  return declared.every_ms == TIMER_BY_CRON ? declare_cron(agent, name, &declared, err)
                                            : declare_interval(agent, name, &declared, err);
}

/* ---- going on ---- */

/* A line that could not be read at the start may be by now. */
static int64_t next_by_cron(struct timer *timer, int64_t now_ms)
{
  struct hgl_err err;
  timer->cron.from_ms = now_ms;
  if (!timer->cron.when && (schedule_load(timer, &err) || !timer->cron.when))
    return now_ms + LOOK_AGAIN_MS;
  return reckon(timer->cron.when, timer->cron.zone, now_ms);
}

/* Late ones once: the next is in the future, with an interval on the grid of the schedule. A clock
 * that was set back by much while the call waited had been wrong when it was due. */
int64_t schedule_next_ms(struct timer *timer)
{
  int64_t now_ms = timer->agent->host->now_ms, due_ms = timer->due.due, late = now_ms - due_ms;
  if (timer->every_ms == TIMER_BY_CRON)
    return next_by_cron(timer, late > 0 || late <= -CLOCK_WAS_WRONG_MS ? now_ms : due_ms);
  if (late <= -timer->every_ms) return now_ms + timer->every_ms;
  return due_ms + (late > 0 ? late / timer->every_ms + 1 : 1) * timer->every_ms;
}

int64_t schedule_set_back_ms(struct timer *timer)
{
  int64_t now_ms = timer->agent->host->now_ms, due_ms = timer->due.due;
  if (timer->every_ms == TIMER_BY_CRON)
    return now_ms > timer->cron.from_ms - CLOCK_WAS_WRONG_MS ? due_ms : next_by_cron(timer, now_ms);
  int64_t latest = now_ms + timer->every_ms;
  return due_ms > latest ? latest : due_ms;
}
