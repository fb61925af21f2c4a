#include "support/check.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <signal.h>
#include <unistd.h>

#include "base/mem.h"
#include "host/file.h"
#include "host/log_file.h"
#include "host/log_line.h"
#include "host/log_sink.h"
#include "support/json_of.h"

static char folder[64], path[96];

static int set_up(void **state)
{
  strcpy(folder, "/tmp/haggle-log-XXXXXX");
  if (!mkdtemp(folder)) return -1;
  snprintf(path, sizeof path, "%s/host.log", folder);
  return 0;
}

static int tear_down(void **state)
{
  char command[96];
  snprintf(command, sizeof command, "rm -rf %s", folder);
  return system(command);
}

static void read_path(const char *name, char out[4096])
{
  FILE *file = fopen(name, "rb");
  assert_non_null(file);
  out[fread(out, 1, 4095, file)] = 0;
  fclose(file);
}

static struct hgl_clock_virtual time_of_test = {.wall_ms = 1764234567089};

static struct hgl_log_config config_of(struct hgl_clock *clock)
{
  *clock = hgl_clock_from_virtual(&time_of_test);
  return (struct hgl_log_config){
      .format = HGL_LOG_FORMAT_JSON, .file = path, .level = HGL_LOG_INFO, .clock = clock};
}

static void json_lines_have_the_documented_fields(void **state)
{
  struct hgl_err err = {0};
  struct hgl_clock clock;
  struct hgl_log_config config = config_of(&clock);
  struct hgl_log_sink *sink;
  char text[4096];
  assert_ok(hgl_log_sink_create(&config, &sink, &err));
  const struct hgl_log *log = hgl_log_sink_log(sink);
  hgl_log(log, HGL_LOG_WARN, "net", "cannot reach \"%s\"\n", "x");
  hgl_log(log, HGL_LOG_DEBUG, "net", "not said");
  hgl_log_agent(log, HGL_LOG_INFO, "kiosk", hgl_text("sold\x1b"), hgl_text("{\"n\":1}"));
  hgl_log_sink_destroy(sink);
  read_path(path, text);
  assert_string_equal(text, "{\"time\":\"2025-11-27T09:09:27.089Z\",\"level\":\"warn\","
                            "\"module\":\"net\",\"text\":\"cannot reach \\\"x\\\"\\u000a\"}\n"
                            "{\"time\":\"2025-11-27T09:09:27.089Z\",\"level\":\"info\","
                            "\"agent\":\"kiosk\",\"text\":\"sold\\u001b\",\"fields\":{\"n\":1}}\n");
}

/* The largest text and fields that an agent can log, at their most hostile. */
static void the_largest_line_is_whole_json(void **state)
{
  struct hgl_log_entry entry = {.level = HGL_LOG_INFO, .agent = true, .who = "kiosk"};
  struct hgl_err err = {0};
  char *text = hgl_alloc(HGL_LOG_FIELDS_MAX), *fields = hgl_alloc(HGL_LOG_FIELDS_MAX);
  char *out = hgl_alloc(HGL_LOG_LINE_MAX);
  assert_true(text && fields && out);
  memset(text, 1, HGL_LOG_FIELDS_MAX);
  memset(fields, 0x7f, HGL_LOG_FIELDS_MAX);
  memcpy(fields, "{\"a\":\"", 6);
  memcpy(fields + HGL_LOG_FIELDS_MAX - 2, "\"}", 2);
  entry.text = hgl_bytes(text, HGL_LOG_FIELDS_MAX);
  entry.fields = hgl_bytes(fields, HGL_LOG_FIELDS_MAX);
  size_t size = hgl_log_line_json(&entry, out);
  json_t *line = json_of(out, size, 0);
  assert_int_equal(out[size - 1], '\n');
  assert_non_null(json_object_get(line, "fields"));
  json_decref(line);
  assert_true(hgl_log_line_journal(&entry, out) < HGL_LOG_LINE_MAX);
  assert_true(hgl_log_line_text(&entry, false, out) < HGL_LOG_LINE_MAX);
  hgl_free(text);
  hgl_free(fields);
  hgl_free(out);
  (void)err;
}

static bool is_logged(struct hgl_log_sink *sink, const char *agent, enum hgl_log_level level)
{
  struct stat before, after;
  assert_int_equal(stat(path, &before), 0);
  if (agent)
    hgl_log_agent(hgl_log_sink_log(sink), level, agent, hgl_text("x"), hgl_bytes(NULL, 0));
  else
    hgl_log(hgl_log_sink_log(sink), level, "host", "x");
  assert_int_equal(stat(path, &after), 0);
  return after.st_size > before.st_size;
}

static void one_agent_has_a_level_of_its_own(void **state)
{
  struct hgl_err err = {0};
  struct hgl_clock clock;
  struct hgl_log_config config = config_of(&clock);
  struct hgl_log_sink *sink;
  assert_ok(hgl_log_sink_create(&config, &sink, &err));
  assert_false(is_logged(sink, "kiosk", HGL_LOG_DEBUG));
  assert_ok(hgl_log_sink_set(sink, "kiosk", "debug", &err));
  assert_true(is_logged(sink, "kiosk", HGL_LOG_DEBUG));
  assert_true(is_logged(sink, "kiosk-17", HGL_LOG_DEBUG)); /* an instance */
  assert_false(is_logged(sink, "other", HGL_LOG_DEBUG));
  assert_false(is_logged(sink, NULL, HGL_LOG_DEBUG));
  assert_ok(hgl_log_sink_set(sink, "kiosk-17", "error", &err));
  assert_false(is_logged(sink, "kiosk-17", HGL_LOG_WARN));
  assert_ok(hgl_log_sink_set(sink, NULL, "warn", &err));
  assert_false(is_logged(sink, NULL, HGL_LOG_INFO));
  assert_false(is_logged(sink, "other", HGL_LOG_INFO));
  assert_true(is_logged(sink, "kiosk", HGL_LOG_DEBUG));
  assert_ok(hgl_log_sink_set(sink, "kiosk", NULL, &err));
  assert_false(is_logged(sink, "kiosk", HGL_LOG_INFO));
  assert_fails(HGL_INVALID, hgl_log_sink_set(sink, "kiosk", "loud", &err));
  assert_fails(HGL_INVALID, hgl_log_sink_set(sink, "../x", "debug", &err));
  json_t *levels = hgl_log_sink_levels(sink);
  assert_non_null(levels);
  assert_string_equal(json_string_value(json_object_get(levels, "level")), "warn");
  assert_int_equal(json_object_size(json_object_get(levels, "agents")), 1);
  json_decref(levels);
  hgl_log_sink_destroy(sink);
}

static void levels_are_replaced_all_or_none(void **state)
{
  struct hgl_err err = {0};
  struct hgl_clock clock;
  struct hgl_log_config config = config_of(&clock);
  struct hgl_log_sink *sink;
  json_t *good = json_pack("{s:s}", "b", "debug"),
         *bad = json_pack("{s:s, s:i}", "c", "debug", "d", 1);
  assert_true(good && bad);
  assert_ok(hgl_log_sink_create(&config, &sink, &err));
  assert_ok(hgl_log_sink_set(sink, "a", "debug", &err));
  assert_fails(HGL_INVALID, hgl_log_sink_set_all(sink, HGL_LOG_ERROR, bad, &err));
  assert_true(is_logged(sink, "a", HGL_LOG_DEBUG));
  assert_true(is_logged(sink, NULL, HGL_LOG_INFO));
  assert_ok(hgl_log_sink_set_all(sink, HGL_LOG_ERROR, good, &err));
  assert_false(is_logged(sink, "a", HGL_LOG_DEBUG));
  assert_true(is_logged(sink, "b", HGL_LOG_DEBUG));
  assert_false(is_logged(sink, NULL, HGL_LOG_INFO));
  json_decref(good);
  json_decref(bad);
  hgl_log_sink_destroy(sink);
}

static void write_number(struct hgl_log_file *file, int number)
{
  struct hgl_err err = {0};
  char line[16];
  snprintf(line, sizeof line, "line %04d\n", number);
  assert_ok(hgl_log_file_write(file, hgl_text(line), &err));
}

static void a_file_is_rotated_by_its_size(void **state)
{
  struct hgl_err err = {0};
  struct hgl_log_file *file;
  char name[128], text[4096];
  assert_ok(hgl_log_file_open(path, 100, 2, &file, &err));
  for (int i = 0; i < 45; i++) write_number(file, i);
  hgl_log_file_close(file);
  read_path(path, text);
  assert_true(strncmp(text, "line 0040\n", 10) == 0);
  assert_int_equal(strlen(text), 50);
  snprintf(name, sizeof name, "%s.1", path);
  read_path(name, text);
  assert_true(strncmp(text, "line 0030\n", 10) == 0);
  assert_int_equal(strlen(text), 100); /* at the limit */
  snprintf(name, sizeof name, "%s.2", path);
  read_path(name, text);
  assert_true(strncmp(text, "line 0020\n", 10) == 0);
  snprintf(name, sizeof name, "%s.3", path);
  assert_int_equal(access(name, F_OK), -1);
  snprintf(name, sizeof name, "%s.new", path);
  assert_int_equal(access(name, F_OK), -1);
  /* what is there counts after a start */
  assert_ok(hgl_log_file_open(path, 100, 0, &file, &err));
  for (int i = 45; i < 51; i++) write_number(file, i);
  hgl_log_file_close(file);
  read_path(path, text);
  assert_string_equal(text, "line 0050\n");
}

static void a_rotation_that_fails_loses_no_line(void **state)
{
  struct hgl_err err = {0};
  struct hgl_log_file *file;
  char name[128], text[4096];
  snprintf(name, sizeof name, "%s.new", path);
  assert_int_equal(mkdir(name, 0700), 0); /* the new file cannot be made */
  assert_ok(hgl_log_file_open(path, 100, 2, &file, &err));
  for (int i = 0; i < 15; i++) write_number(file, i);
  read_path(path, text);
  assert_int_equal(strlen(text), 150);
  assert_int_equal(rmdir(name), 0);
  for (int i = 15; i < 20; i++) write_number(file, i);
  hgl_log_file_close(file);
  read_path(path, text);
  assert_true(strlen(text) < 100);
}

static void a_file_that_was_moved_is_opened_again(void **state)
{
  struct hgl_err err = {0};
  struct hgl_log_file *file;
  char name[128], text[4096];
  assert_ok(hgl_log_file_open(path, 0, 0, &file, &err));
  write_number(file, 1);
  snprintf(name, sizeof name, "%s.moved", path);
  assert_int_equal(rename(path, name), 0);
  write_number(file, 2);
  assert_ok(hgl_log_file_reopen(file, &err));
  write_number(file, 3);
  read_path(name, text);
  assert_string_equal(text, "line 0001\nline 0002\n");
  read_path(path, text);
  assert_string_equal(text, "line 0003\n");
  /* where that is not possible, the old one is written on */
  assert_int_equal(unlink(path), 0);
  assert_int_equal(mkdir(path, 0700), 0);
  assert_fails(HGL_IO, hgl_log_file_reopen(file, &err));
  write_number(file, 4);
  hgl_log_file_close(file);
  assert_int_equal(mkfifo(name, 0600), -1);
  assert_int_equal(unlink(name), 0);
  assert_int_equal(mkfifo(name, 0600), 0);
  int reader = open(name, O_RDONLY | O_NONBLOCK);
  assert_true(reader >= 0);
  assert_fails(HGL_INVALID, hgl_log_file_open(name, 0, 0, &file, &err));
  close(reader);
}

/* A limit on the size of files stands in for a full disk: a write is cut short, then fails. */
static void a_full_disk_leaves_whole_lines(void **state)
{
  struct hgl_err err = {0};
  struct hgl_clock clock;
  struct hgl_log_config config = config_of(&clock);
  struct hgl_log_sink *sink;
  struct rlimit before, limit;
  char text[4096];
  assert_ok(hgl_log_sink_create(&config, &sink, &err));
  const struct hgl_log *log = hgl_log_sink_log(sink);
  hgl_log(log, HGL_LOG_INFO, "host", "first");
  assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
  limit = before;
  limit.rlim_cur = 100;
  void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
  int quiet = open("/dev/null", O_WRONLY), kept = dup(STDERR_FILENO);
  dup2(quiet, STDERR_FILENO);
  assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
  hgl_log(log, HGL_LOG_INFO, "host", "lost");
  hgl_log(log, HGL_LOG_INFO, "host", "lost, too");
  assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
  dup2(kept, STDERR_FILENO);
  close(quiet);
  close(kept);
  signal(SIGXFSZ, handler);
  hgl_log(log, HGL_LOG_INFO, "host", "last");
  hgl_log_sink_destroy(sink);
  read_path(path, text);
  int lines = 0;
  for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"), lines++) {
    json_t *object = json_of(line, strlen(line), 0);
    if (lines == 1) assert_non_null(strstr(line, "2 lines were lost"));
    json_decref(object);
  }
  assert_int_equal(lines, 3);
}

static void the_journal_gets_fields(void **state)
{
  struct hgl_err err = {0};
  struct hgl_clock clock;
  struct hgl_log_config config = config_of(&clock);
  struct hgl_log_sink *sink;
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  char got[4096];
  snprintf(address.sun_path, sizeof address.sun_path, "%s/journal", folder);
  config.format = HGL_LOG_FORMAT_JOURNAL;
  config.journal = address.sun_path;
  assert_fails(HGL_INVALID, hgl_log_sink_create(&config, &sink, &err)); /* and a file */
  config.file = NULL;
  assert_fails(HGL_NOT_FOUND, hgl_log_sink_create(&config, &sink, &err));
  int journal = socket(AF_UNIX, SOCK_DGRAM, 0);
  assert_int_equal(bind(journal, (struct sockaddr *)&address, sizeof address), 0);
  assert_ok(hgl_log_sink_create(&config, &sink, &err));
  hgl_log_agent(hgl_log_sink_log(sink), HGL_LOG_ERROR, "kiosk", hgl_text("a\nPRIORITY=0"),
                hgl_text("{\"n\":1}"));
  ssize_t size = recv(journal, got, sizeof got - 1, MSG_DONTWAIT);
  assert_true(size > 0);
  got[size] = 0;
  assert_string_equal(got, "PRIORITY=3\nSYSLOG_IDENTIFIER=haggle\nHAGGLE_AGENT=kiosk\n"
                           "HAGGLE_FIELDS={\"n\":1}\nMESSAGE=kiosk  a\\x0aPRIORITY=0  {\"n\":1}\n");
  hgl_log(hgl_log_sink_log(sink), HGL_LOG_WARN, "net", "x");
  size = recv(journal, got, sizeof got - 1, MSG_DONTWAIT);
  assert_true(size > 0);
  got[size] = 0;
  assert_string_equal(got,
                      "PRIORITY=4\nSYSLOG_IDENTIFIER=haggle\nHAGGLE_MODULE=net\nMESSAGE=net  x\n");
  hgl_log_sink_destroy(sink);
  close(journal);
}

static void a_stream_to_the_journal_is_recognised(void **state)
{
  struct stat here;
  char text[64];
  int fd = open("/dev/null", O_WRONLY);
  assert_int_equal(fstat(fd, &here), 0);
  snprintf(text, sizeof text, "%llu:%llu", (unsigned long long)here.st_dev,
           (unsigned long long)here.st_ino);
  assert_true(hgl_log_is_journal(text, fd));
  assert_false(hgl_log_is_journal("1:2", fd));
  assert_false(hgl_log_is_journal(NULL, fd));
  close(fd);
  char prefix[HGL_LOG_PRIORITY_SIZE];
  assert_int_equal(hgl_log_line_priority(HGL_LOG_DEBUG, prefix), HGL_LOG_PRIORITY_SIZE);
  assert_memory_equal(prefix, "<7>", 3);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(json_lines_have_the_documented_fields, set_up, tear_down),
      cmocka_unit_test(the_largest_line_is_whole_json),
      cmocka_unit_test_setup_teardown(one_agent_has_a_level_of_its_own, set_up, tear_down),
      cmocka_unit_test_setup_teardown(levels_are_replaced_all_or_none, set_up, tear_down),
      cmocka_unit_test_setup_teardown(a_file_is_rotated_by_its_size, set_up, tear_down),
      cmocka_unit_test_setup_teardown(a_rotation_that_fails_loses_no_line, set_up, tear_down),
      cmocka_unit_test_setup_teardown(a_file_that_was_moved_is_opened_again, set_up, tear_down),
      cmocka_unit_test_setup_teardown(a_full_disk_leaves_whole_lines, set_up, tear_down),
      cmocka_unit_test_setup_teardown(the_journal_gets_fields, set_up, tear_down),
      cmocka_unit_test(a_stream_to_the_journal_is_recognised),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
