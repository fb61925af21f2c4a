#include "host/test_report.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "host/test_junit.h"
#include "host/text.h"

struct hgl_test_report {
  struct hgl_test_report_config config;
  const struct hgl_colours *colours;
  struct hgl_test_counts all, file; /* file: of the one that is being told */
  struct hgl_junit *junit;          /* NULL: none is wanted */
};

/* ---- texts ---- */

/* The lines of a text, escaped, each behind `indent`. */
static void print_lines(const char *text, const char *indent)
{
  for (const char *end; *text; text = *end ? end + 1 : end) {
    end = strchrnul(text, '\n');
    fputs(indent, stdout);
    hgl_print_escaped(stdout, hgl_bytes(text, (size_t)(end - text)));
    putchar('\n');
  }
}

static void print_text(const char *text)
{
  hgl_print_escaped(stdout, hgl_text(text));
}

/* As one word for a shell. */
static void print_word(const char *text)
{
  static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789./_-";
  if (*text && !text[strspn(text, plain)]) {
    fputs(text, stdout);
    return;
  }
  putchar('\'');
  for (const char *end; *text; text = end) {
    end = strchrnul(text, '\'');
    hgl_print_escaped(stdout, hgl_bytes(text, (size_t)(end - text)));
    for (; *end == '\''; end++) fputs("'\\''", stdout);
  }
  putchar('\'');
}

static void print_again(const struct hgl_test_report *report, const char *spec,
                        const struct hgl_test_result *result)
{
  printf("haggle test --seed %" PRId64 "%s ", report->config.seed, report->config.options);
  if (!result->whole) {
    fputs("--filter ", stdout);
    print_word(result->name);
    putchar(' ');
  }
  print_word(spec);
}

/* ---- to a person ---- */

static void say_failed(const struct hgl_test_report *report, const char *spec,
                       const struct hgl_test_result *result)
{
  const struct hgl_colours *colours = report->colours;
  printf("  %sFAILED%s  %s", colours->red, colours->plain, colours->bold);
  print_text(result->name);
  printf("%s\n    ", colours->plain);
  print_text(spec);
  if (result->line) printf(":%d", result->line);
  putchar('\n');
  print_lines(result->message ? result->message : "", "      ");
  if (result->log && *result->log) {
    puts("    logged:");
    print_lines(result->log, "      ");
  }
  printf("    %sagain:  ", colours->dim);
  print_again(report, spec, result);
  printf("%s\n", colours->plain);
}

static void say_pending(const struct hgl_test_report *report, const struct hgl_test_result *result)
{
  printf("  %spending%s  ", report->colours->yellow, report->colours->plain);
  print_text(result->name);
  if (result->message) printf("  ("), print_text(result->message), putchar(')');
  putchar('\n');
}

static void say_counts(const struct hgl_test_counts *counts)
{
  printf("%" PRIu64 " passed, %" PRIu64 " failed", counts->passed, counts->failed);
  if (counts->pending) printf(", %" PRIu64 " pending", counts->pending);
}

static void say_file(const struct hgl_test_report *report, const char *spec, int64_t ns)
{
  const struct hgl_colours *colours = report->colours;
  bool failed = report->file.failed;
  printf("%s%-6s%s  ", failed ? colours->red : colours->green, failed ? "FAILED" : "ok",
         colours->plain);
  print_text(spec);
  printf("  ");
  say_counts(&report->file);
  printf(", %.2f s\n", (double)ns / 1e9);
}

/* ---- TAP 14 ---- */

static void tap_block(const char *name, const char *text)
{
  printf("  %s: |2\n", name); /* the 2: what is indented stays so */
  print_lines(text, "    ");
}

static void tap_description(const char *text)
{
  struct hgl_buf escaped;
  struct hgl_err ignored;
  hgl_buf_init(&escaped, 1 << 20);
  hgl_escape(hgl_text(text), &escaped);
  bool whole = hgl_buf_check(&escaped, &ignored) == 0;
  for (size_t i = 0; whole && i < escaped.size; i++) {
    if (escaped.data[i] == '#' || escaped.data[i] == '\\') putchar('\\');
    putchar(escaped.data[i]);
  }
  hgl_buf_deinit(&escaped);
}

static void tap_result(const struct hgl_test_report *report, const char *spec,
                       const struct hgl_test_result *result)
{
  const struct hgl_test_counts *all = &report->all;
  bool failed = result->outcome == HGL_TEST_FAILED;
  printf("%s %" PRIu64 " - ", failed ? "not ok" : "ok", all->passed + all->failed + all->pending);
  tap_description(spec);
  printf(": ");
  tap_description(result->name);
  if (result->outcome == HGL_TEST_PENDING) {
    printf(" # SKIP ");
    tap_description(result->message ? result->message : "pending");
  }
  putchar('\n');
  if (!failed) return;
  puts("  ---");
  tap_block("message", result->message ? result->message : "");
  tap_block("file", spec);
  if (result->line) printf("  line: %d\n", result->line);
  if (result->log && *result->log) tap_block("logged", result->log);
  printf("  again: |2\n    ");
  print_again(report, spec, result);
  puts("\n  ...");
}

/* ---- JSON ---- */

static void json_result(const char *spec, const struct hgl_test_result *result)
{
  struct hgl_err err;
  json_t *line = json_pack("{s:s, s:s, s:b, s:s*}", "file", spec, "name", result->name, "ok",
                           result->outcome != HGL_TEST_FAILED, "message", result->message);
  if (line && result->line) json_object_set_new(line, "line", json_integer(result->line));
  if (line && result->outcome == HGL_TEST_PENDING)
    json_object_set_new(line, "pending", json_true());
  if (!line)
    fprintf(stderr, "%s: a result cannot be shown as JSON\n", spec);
  else if (hgl_print_json(line, &err))
    fprintf(stderr, "%s: %s\n", spec, err.message);
  json_decref(line);
}

static void json_sum(const struct hgl_test_report *report)
{
  const struct hgl_test_counts *all = &report->all;
  printf("{\"passed\":%" PRIu64 ",\"failed\":%" PRIu64 ",\"pending\":%" PRIu64 ",\"seed\":%" PRId64
         "}\n",
         all->passed, all->failed, all->pending, report->config.seed);
}

/* ---- all of them ---- */

int hgl_test_report_begin(const struct hgl_test_report_config *config, struct hgl_test_report **out,
                          struct hgl_err *err)
{
  struct hgl_test_report *report = hgl_zalloc(sizeof *report);
  if (!report) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  report->config = *config;
  report->colours = hgl_colours(stdout);
  if (config->junit_path && hgl_junit_create(&report->junit, err)) {
    hgl_free(report);
    return -(int)err->code;
  }
  if (config->format == HGL_TEST_HUMAN) printf("seed %" PRId64 "\n", config->seed);
  if (config->format == HGL_TEST_TAP) printf("TAP version 14\n# seed %" PRId64 "\n", config->seed);
  fflush(stdout);
  *out = report;
  return 0;
}

static void count(struct hgl_test_counts *counts, enum hgl_test_outcome outcome)
{
  counts->passed += outcome == HGL_TEST_PASSED;
  counts->failed += outcome == HGL_TEST_FAILED;
  counts->pending += outcome == HGL_TEST_PENDING;
}

void hgl_test_report_result(struct hgl_test_report *report, const char *spec,
                            const struct hgl_test_result *result)
{
  count(&report->all, result->outcome);
  count(&report->file, result->outcome);
  if (report->junit) hgl_junit_add(report->junit, spec, result);
  switch (report->config.format) {
  case HGL_TEST_HUMAN:
    if (result->outcome == HGL_TEST_FAILED) say_failed(report, spec, result);
    if (result->outcome == HGL_TEST_PENDING) say_pending(report, result);
    break;
  case HGL_TEST_TAP:
    tap_result(report, spec, result);
    break;
  case HGL_TEST_JSON:
    json_result(spec, result);
    break;
  }
  fflush(stdout);
}

void hgl_test_report_file(struct hgl_test_report *report, const char *spec, int64_t ns)
{
  if (report->junit) hgl_junit_end_suite(report->junit, spec, &report->file, ns);
  if (report->config.format == HGL_TEST_HUMAN) say_file(report, spec, ns);
  report->file = (struct hgl_test_counts){0};
  fflush(stdout);
}

int hgl_test_report_end(struct hgl_test_report *report, struct hgl_test_counts *counts,
                        struct hgl_err *err)
{
  const struct hgl_test_counts *all = &report->all;
  switch (report->config.format) {
  case HGL_TEST_HUMAN:
    say_counts(all);
    putchar('\n');
    break;
  case HGL_TEST_TAP:
    printf("1..%" PRIu64 "\n", all->passed + all->failed + all->pending);
    break;
  case HGL_TEST_JSON:
    json_sum(report);
    break;
  }
  *counts = *all;
  if (fflush(stdout) || ferror(stdout))
    return hgl_fail(err, HGL_IO, "the results cannot be printed");
  return report->junit ? hgl_junit_write(report->junit, report->config.junit_path, all, err) : 0;
}

void hgl_test_report_destroy(struct hgl_test_report *report)
{
  if (!report) return;
  hgl_junit_destroy(report->junit);
  hgl_free(report);
}
