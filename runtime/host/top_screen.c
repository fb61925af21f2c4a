#include "host/top_screen.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* ---- what was told ---- */

void hgl_top_init(struct hgl_top *top)
{
  *top = (struct hgl_top){.sort = "cpu"};
}

void hgl_top_deinit(struct hgl_top *top)
{
  json_decref(top->samples);
  json_decref(top->alarms);
  json_decref(top->totals);
  json_decref(top->agents);
  json_decref(top->before);
}

static void put_in(json_t **place, json_t *value)
{
  json_incref(value);
  json_decref(*place);
  *place = value;
}

static int take_overview(struct hgl_top *top, const json_t *event, struct hgl_err *err)
{
  size_t index;
  json_t *sample, *samples = json_object_get(event, "samples");
  put_in(&top->alarms, json_object_get(event, "alarms"));
  put_in(&top->totals, json_object_get(event, "totals"));
  if (json_object_get(event, "whole") || !top->samples) {
    json_decref(top->samples);
    top->samples = json_array();
  }
  json_array_foreach(samples, index, sample)
  {
    if (json_array_append(top->samples, sample))
      return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  }
  while (json_array_size(top->samples) > HGL_TOP_HISTORY) json_array_remove(top->samples, 0);
  return 0;
}

int hgl_top_take(struct hgl_top *top, const json_t *event, struct hgl_err *err)
{
  const char *kind = json_string_value(json_object_get(event, "event"));
  if (kind && strcmp(kind, "overview") == 0) return take_overview(top, event, err);
  if (!kind || strcmp(kind, "agents") != 0) return 0;
  json_decref(top->before);
  top->before = top->agents;
  top->agents = json_incref((json_t *)event);
  return 0;
}

/* ---- words ---- */

static double number(const json_t *object, const char *field)
{
  return json_number_value(json_object_get(object, field));
}

static const char *text_of(const json_t *object, const char *field)
{
  const char *text = json_string_value(json_object_get(object, field));
  return text ? text : "";
}

static void put_bytes(struct hgl_buf *out, double bytes)
{
  static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  size_t unit = 0;
  for (; bytes >= 1024 && unit < 4; unit++) bytes /= 1024;
  hgl_buf_printf(out, unit && bytes < 10 ? "%.1f %s" : "%.0f %s", bytes, units[unit]);
}

static void put_ms(struct hgl_buf *out, double ms)
{
  if (ms >= 1000)
    hgl_buf_printf(out, "%.1f s", ms / 1000);
  else
    hgl_buf_printf(out, ms < 10 ? "%.2f ms" : "%.0f ms", ms);
}

static void put_span(struct hgl_buf *out, double ms)
{
  double s = ms / 1000;
  if (s < 0) s = 0;
  if (s < 60)
    hgl_buf_printf(out, "%.0fs", s);
  else if (s < 3600)
    hgl_buf_printf(out, "%.0fm", s / 60);
  else if (s < 48 * 3600)
    hgl_buf_printf(out, "%.0fh", s / 3600);
  else
    hgl_buf_printf(out, "%.0fd", s / 86400);
}

/* ---- lines ---- */

struct screen {
  size_t columns, rows, used; /* used: lines */
  const struct hgl_colours *colours;
  struct hgl_buf line, *out;
};

/* What does not fit is cut, between characters. */
static size_t fit(struct hgl_bytes text, size_t columns)
{
  size_t at = 0;
  while (at < text.size) {
    size_t next = at + 1;
    while (next < text.size && (text.data[next] & 0xc0) == 0x80) next++;
    if (hgl_text_width(hgl_bytes(text.data, next)) > columns) break;
    at = next;
  }
  return at;
}

/* The line is over: it goes to the screen, in this colour. */
static void end_line(struct screen *screen, const char *colour)
{
  if (screen->used < screen->rows) {
    size_t size = fit(hgl_buf_bytes(&screen->line), screen->columns);
    hgl_buf_append_text(screen->out, screen->used++ ? "\n" : "");
    hgl_buf_append_text(screen->out, colour);
    hgl_buf_append(screen->out, screen->line.data, size);
    if (*colour) hgl_buf_append_text(screen->out, screen->colours->plain);
  }
  hgl_buf_clear(&screen->line);
}

static const json_t *last_sample(const struct hgl_top *top)
{
  size_t count = json_array_size(top->samples);
  return count ? json_array_get(top->samples, count - 1) : NULL;
}

static void draw_title(const struct hgl_top *top, struct screen *screen)
{
  const json_t *totals = top->totals, *sample = last_sample(top);
  const char *held = json_string_value(json_object_get(totals, "held"));
  hgl_buf_append_text(&screen->line, "haggle  ");
  hgl_escape(hgl_text(text_of(totals, "did")), &screen->line);
  hgl_buf_printf(&screen->line, "  agents %.0f (%.0f awake)  peers %.0f", number(sample, "agents"),
                 number(sample, "awake"), number(sample, "peers"));
  if (held) {
    hgl_buf_append_text(&screen->line, "  HELD: ");
    hgl_escape(hgl_text(held), &screen->line);
  }
  if (top->paused) hgl_buf_append_text(&screen->line, "  (paused)");
  end_line(screen, held ? screen->colours->red : screen->colours->bold);
}

static void draw_rates(const json_t *sample, struct screen *screen)
{
  struct hgl_buf *line = &screen->line;
  hgl_buf_printf(line,
                 "per second %.0f handled  %.0f sent  %.0f received  %.0f deals  %.0f refused  "
                 "%.0f raised  %.0f dead",
                 number(sample, "handled"), number(sample, "sent"), number(sample, "received"),
                 number(sample, "deals"), number(sample, "refused"), number(sample, "raised"),
                 number(sample, "dead"));
  end_line(screen, "");
  hgl_buf_printf(line, "commits    %.0f per second, %.0f messages each, p50 ",
                 number(sample, "commits"), number(sample, "commit_messages"));
  put_ms(line, number(sample, "commit_p50_ms"));
  hgl_buf_append_text(line, "  p99 ");
  put_ms(line, number(sample, "commit_p99_ms"));
  hgl_buf_printf(line, "   signatures %.0f", number(sample, "signatures"));
  end_line(screen, "");
  hgl_buf_append_text(line, "latency    p50 ");
  put_ms(line, number(sample, "latency_p50_ms"));
  hgl_buf_append_text(line, "  p99 ");
  put_ms(line, number(sample, "latency_p99_ms"));
  hgl_buf_append_text(line, "   tick p99 ");
  put_ms(line, number(sample, "tick_p99_ms"));
  hgl_buf_printf(line, "   cpu %.0f %%", 100 * number(sample, "cpu"));
  end_line(screen, "");
}

static void draw_sizes(const json_t *sample, struct screen *screen)
{
  struct hgl_buf *line = &screen->line;
  hgl_buf_printf(line, "waiting    %.0f messages", number(sample, "mailbox"));
  if (number(sample, "mailbox") > 0) {
    hgl_buf_append_text(line, ", the oldest for ");
    put_ms(line, number(sample, "mailbox_age_ms"));
  }
  hgl_buf_printf(line, "   %.0f handlers suspended   %.0f unacknowledged", number(sample, "runs"),
                 number(sample, "unacknowledged"));
  end_line(screen, "");
  hgl_buf_append_text(line, "memory     ");
  put_bytes(line, number(sample, "rss_bytes"));
  hgl_buf_append_text(line, ", Lua ");
  put_bytes(line, number(sample, "lua_bytes"));
  hgl_buf_append_text(line, "   store ");
  put_bytes(line, number(sample, "store_bytes"));
  hgl_buf_append_text(line, "   disk ");
  put_bytes(line, number(sample, "disk_free"));
  hgl_buf_append_text(line, " free");
  end_line(screen, "");
}

/* Handled in each of the latest seconds; the highest is as high as the line. */
static void draw_spark(const struct hgl_top *top, struct screen *screen)
{
  static const char *const bars[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  size_t count = json_array_size(top->samples), room = screen->columns;
  size_t first = count > room ? count - room : 0;
  double most = 0;
  for (size_t i = first; i < count; i++) {
    double handled = number(json_array_get(top->samples, i), "handled");
    if (handled > most) most = handled;
  }
  for (size_t i = first; i < count; i++) {
    double handled = number(json_array_get(top->samples, i), "handled");
    size_t bar = most > 0 ? (size_t)(handled / most * 8 + 0.5) : 0;
    hgl_buf_append_text(&screen->line, bars[bar || handled <= 0 ? bar : 1]);
  }
  end_line(screen, screen->colours->cyan);
}

static size_t alarm_rows(const struct hgl_top *top, size_t rows)
{
  size_t count = json_array_size(top->alarms), most = rows / 4;
  return count < most ? count : most;
}

static void draw_alarms(const struct hgl_top *top, struct screen *screen)
{
  size_t shown = alarm_rows(top, screen->rows);
  for (size_t i = 0; i < shown; i++) {
    const json_t *alarm = json_array_get(top->alarms, i);
    bool error = strcmp(text_of(alarm, "level"), "error") == 0;
    const char *of = text_of(alarm, "peer");
    hgl_buf_printf(&screen->line, "%s  %s: ", error ? "ERROR" : "WARN ", text_of(alarm, "what"));
    hgl_escape(hgl_text(text_of(alarm, "text")), &screen->line);
    if (*of) {
      hgl_buf_append_text(&screen->line, "  ");
      hgl_escape(hgl_text(of), &screen->line);
    }
    end_line(screen, error ? screen->colours->red : screen->colours->yellow);
  }
}

/* ---- the table ---- */

static const json_t *find(const json_t *event, const char *name)
{
  size_t index;
  json_t *agent;
  json_array_foreach(json_object_get(event, "agents"), index, agent)
  {
    if (strcmp(text_of(agent, "name"), name) == 0) return agent;
  }
  return NULL;
}

/* Of one core, between the last two events; negative: it is not known. */
static double cpu_share(const struct hgl_top *top, const json_t *agent)
{
  const json_t *before = find(top->before, text_of(agent, "name"));
  double ms = number(top->agents, "time_ms") - number(top->before, "time_ms");
  double used = number(agent, "cpu_ms") - number(before, "cpu_ms");
  return before && ms > 0 && used >= 0 ? used / ms : -1;
}

static void pad(struct hgl_buf *out, size_t start, size_t width)
{
  size_t used = hgl_text_width(hgl_bytes(out->data + start, out->size - start));
  for (; used < width; used++) hgl_buf_append_byte(out, ' ');
}

static void put_right(struct hgl_buf *out, size_t width, const struct hgl_buf *text)
{
  size_t used = hgl_text_width(hgl_buf_bytes(text));
  for (; used < width; used++) hgl_buf_append_byte(out, ' ');
  hgl_buf_append_bytes(out, hgl_buf_bytes(text));
}

enum { NAME_WIDTH = 24, STATUS_WIDTH = 10 };

static void draw_agent(const struct hgl_top *top, const json_t *agent, struct screen *screen)
{
  struct hgl_buf *line = &screen->line, cell;
  const char *status = text_of(agent, "status");
  bool asleep = json_is_true(json_object_get(agent, "asleep"));
  double share = cpu_share(top, agent), now_ms = number(top->agents, "time_ms");
  double last_ms = number(agent, "last_ms");
  hgl_buf_init(&cell, 256);
  hgl_escape(hgl_text(text_of(agent, "name")), &cell);
  hgl_buf_append(line, cell.data, fit(hgl_buf_bytes(&cell), NAME_WIDTH - 1));
  pad(line, 0, NAME_WIDTH);
  hgl_buf_append_text(line, asleep && strcmp(status, "running") == 0 ? "asleep" : status);
  pad(line, 0, NAME_WIDTH + STATUS_WIDTH);
  if (share < 0)
    hgl_buf_append_text(line, "     -");
  else
    hgl_buf_printf(line, "%6.1f", 100 * share);
  hgl_buf_clear(&cell);
  hgl_buf_printf(&cell, "%.1fs", number(agent, "cpu_ms") / 1000);
  put_right(line, 9, &cell);
  hgl_buf_printf(line, "%10.0f%10.0f%9.0f", number(agent, "handled"), number(agent, "sent"),
                 number(agent, "mailbox"));
  hgl_buf_clear(&cell);
  put_bytes(&cell, number(agent, "memory_bytes"));
  put_right(line, 10, &cell);
  hgl_buf_printf(line, "%8.0f%9.0f", number(agent, "raised"), number(agent, "restarts"));
  hgl_buf_clear(&cell);
  if (last_ms > 0) put_span(&cell, now_ms - last_ms);
  put_right(line, 6, &cell);
  hgl_buf_deinit(&cell);
  bool well = strcmp(status, "running") == 0 || strcmp(status, "starting") == 0;
  end_line(screen, well                            ? asleep ? screen->colours->dim : ""
                   : strcmp(status, "parked") == 0 ? screen->colours->red
                                                   : screen->colours->yellow);
}

static void draw_table(const struct hgl_top *top, struct screen *screen)
{
  size_t index, room = hgl_top_room(top, screen->rows);
  json_t *agent;
  end_line(screen, "");
  hgl_buf_printf(&screen->line, "%-24s%-10s%6s%9s%10s%10s%9s%10s%8s%9s%6s", "AGENT", "STATUS",
                 "CPU%", "CPU", "HANDLED", "SENT", "WAITING", "MEMORY", "RAISED", "RESTARTS",
                 "LAST");
  end_line(screen, screen->colours->bold);
  json_array_foreach(json_object_get(top->agents, "agents"), index, agent)
  {
    if (index < room) draw_agent(top, agent, screen);
  }
}

size_t hgl_top_room(const struct hgl_top *top, size_t rows)
{
  size_t taken = HGL_TOP_HEAD + 2 + 1 + alarm_rows(top, rows);
  return rows > taken ? rows - taken : 0;
}

void hgl_top_draw(const struct hgl_top *top, size_t columns, size_t rows,
                  const struct hgl_colours *colours, struct hgl_buf *out)
{
  struct screen screen = {.columns = columns, .rows = rows, .colours = colours, .out = out};
  const json_t *sample = last_sample(top);
  hgl_buf_init(&screen.line, 16384);
  if (sample) {
    draw_title(top, &screen);
    draw_rates(sample, &screen);
    draw_sizes(sample, &screen);
    draw_spark(top, &screen);
    draw_alarms(top, &screen);
  } else {
    hgl_buf_append_text(&screen.line, "waiting for the host's first second …");
    end_line(&screen, colours->dim);
  }
  if (top->agents) draw_table(top, &screen);
  while (screen.used + 1 < rows) end_line(&screen, "");
  hgl_buf_printf(
      &screen.line,
      "by %s   c cpu  h handled  s sent  w waiting  m memory  r raised  R restarts  n name  "
      "t status   p pause  q quit",
      top->sort);
  end_line(&screen, colours->dim);
  hgl_buf_deinit(&screen.line);
}

void hgl_top_line(const struct hgl_top *top, struct hgl_buf *out)
{
  const json_t *sample = last_sample(top);
  char time[HGL_TIME_TEXT_SIZE];
  hgl_time_text((int64_t)number(sample, "time_ms"), false, time);
  hgl_buf_printf(out, "%s  handled %.0f  sent %.0f  received %.0f  deals %.0f  commits %.0f  p99 ",
                 time, number(sample, "handled"), number(sample, "sent"),
                 number(sample, "received"), number(sample, "deals"), number(sample, "commits"));
  put_ms(out, number(sample, "commit_p99_ms"));
  hgl_buf_append_text(out, "  latency p99 ");
  put_ms(out, number(sample, "latency_p99_ms"));
  hgl_buf_printf(out, "  waiting %.0f  agents %.0f  awake %.0f  memory ", number(sample, "mailbox"),
                 number(sample, "agents"), number(sample, "awake"));
  put_bytes(out, number(sample, "rss_bytes"));
  if (json_array_size(top->alarms))
    hgl_buf_printf(out, "  alarms %zu", json_array_size(top->alarms));
  hgl_buf_append_byte(out, '\n');
}
