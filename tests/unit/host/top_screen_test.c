/* What haggle top draws, on screens of several sizes. */
#include "host/top_screen.h"

#include <stdio.h>

#include "protocol/value.h"
#include "support/check.h"

static struct hgl_err err;
static const struct hgl_colours none = {"", "", "", "", "", "", ""};

static void take(struct hgl_top *top, const char *text)
{
  json_t *event;
  assert_ok(hgl_json_parse(hgl_text(text), 65536, &event, &err));
  assert_ok(hgl_top_take(top, event, &err));
  json_decref(event);
}

static const char overview[] =
    "{\"event\":\"overview\",\"whole\":true,\"samples\":[{\"time_ms\":1795838565589,\"handled\":10,"
    "\"sent\":5,\"commits\":3,\"latency_p99_ms\":1.5,\"mailbox\":2,\"mailbox_age_ms\":1200,"
    "\"agents\":2,\"awake\":1,\"rss_bytes\":52428800}],\"alarms\":[{\"what\":\"parked\",\"level\":"
    "\"error\",\"text\":\"evil\\u001b[2J\\u202e kept failing\",\"agent\":\"evil\"}],\"totals\":"
    "{\"did\":\"did:key:z6Mk\",\"held\":null}}";
static const char agents[] =
    "{\"event\":\"agents\",\"time_ms\":%d,\"agents\":[{\"name\":\"a-name-that-is-longer-than-its-"
    "column\",\"status\":\"running\",\"asleep\":true,\"cpu_ms\":%d,\"handled\":7,\"sent\":3,"
    "\"mailbox\":0,\"memory_bytes\":2048,\"last_ms\":1000},{\"name\":\"bob\",\"status\":\"parked\","
    "\"cpu_ms\":0,\"restarts\":5}],\"matched\":2,\"total\":2}";

static void take_agents(struct hgl_top *top, int time_ms, int cpu_ms)
{
  char text[1024];
  snprintf(text, sizeof text, agents, time_ms, cpu_ms);
  take(top, text);
}

static const char *draw(const struct hgl_top *top, size_t columns, size_t rows, struct hgl_buf *out)
{
  hgl_buf_init(out, 1 << 20);
  hgl_top_draw(top, columns, rows, &none, out);
  return text_of_buf(out);
}

static void assert_fits(const char *screen, size_t columns, size_t rows)
{
  size_t lines = 0;
  for (const char *at = screen;; lines++) {
    const char *end = strchrnul(at, '\n');
    assert_true(hgl_text_width(hgl_bytes(at, (size_t)(end - at))) <= columns);
    for (; at < end; at++) assert_true((unsigned char)*at >= ' ' && *at != 0x7f);
    if (!*end) break;
    at = end + 1;
  }
  assert_true(lines + 1 <= rows);
}

static void every_size_holds_what_fits(void **state)
{
  struct hgl_top top;
  hgl_top_init(&top);
  for (int told = 0; told < 2; told++) {
    static const size_t sizes[][2] = {{1, 1}, {20, 3}, {80, 24}, {113, 12}, {300, 100}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
      struct hgl_buf out;
      assert_fits(draw(&top, sizes[i][0], sizes[i][1], &out), sizes[i][0], sizes[i][1]);
      hgl_buf_deinit(&out);
    }
    take(&top, overview);
    take_agents(&top, 5000, 1000);
  }
  hgl_top_deinit(&top);
}

static void figures_alarms_and_agents_are_shown(void **state)
{
  struct hgl_top top;
  struct hgl_buf out;
  hgl_top_init(&top);
  take(&top, overview);
  take_agents(&top, 5000, 1000);
  take_agents(&top, 6000, 1250);
  const char *screen = draw(&top, 120, 30, &out);
  static const char *const parts[] = {"agents 2 (1 awake)",
                                      "10 handled",
                                      "p99 1.50 ms",
                                      "2 messages, the oldest for 1.2 s",
                                      "50 MiB",
                                      "ERROR  parked: evil\\x1b[2J\\u{202e} kept failing",
                                      "a-name-that-is-longer-t asleep      25.0     1.2s",
                                      "  2.0 KiB",
                                      "    5s",
                                      "bob                     parked       0.0"};
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
    if (!strstr(screen, parts[i])) fail_msg("'%s' is not in\n%s", parts[i], screen);
  hgl_buf_deinit(&out);
  hgl_top_deinit(&top);
}

static void only_the_latest_minutes_are_kept(void **state)
{
  struct hgl_top top;
  struct hgl_buf out;
  hgl_top_init(&top);
  take(&top, overview);
  for (int i = 0; i < 2 * HGL_TOP_HISTORY; i++)
    take(&top, "{\"event\":\"overview\",\"samples\":[{\"time_ms\":1,\"handled\":3}]}");
  assert_int_equal(json_array_size(top.samples), HGL_TOP_HISTORY);
  take(&top, "{\"event\":\"other\"}");
  take(&top, overview); /* whole: it takes the place of all */
  assert_int_equal(json_array_size(top.samples), 1);
  hgl_buf_init(&out, 65536);
  hgl_top_line(&top, &out);
  const char *line = text_of_buf(&out);
  assert_non_null(strstr(line, "handled 10  sent 5"));
  assert_non_null(strstr(line, "alarms 1\n"));
  hgl_buf_deinit(&out);
  hgl_top_deinit(&top);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_size_holds_what_fits),
      cmocka_unit_test(figures_alarms_and_agents_are_shown),
      cmocka_unit_test(only_the_latest_minutes_are_kept),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
