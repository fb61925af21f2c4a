/* What a script is kept as: source, config and modules, so that it can be run again. */
#include <stdlib.h>
#include <unistd.h>

#include "durable_fixture.h"

/* In a folder of its own, which is where the modules of scripts are looked for. */
static void enter_folder(char *folder, size_t size)
{
  snprintf(folder, size, "scripts-XXXXXX");
  assert_non_null(mkdtemp(folder));
  assert_int_equal(chdir(folder), 0);
}

static void leave_folder(const char *folder)
{
  char command[128];
  assert_int_equal(chdir(".."), 0);
  snprintf(command, sizeof command, "rm -r %s", folder);
  assert_int_equal(system(command), 0);
}

/* m1.lua, m2.lua, …, of about this size each. */
static void write_modules(int count, size_t size)
{
  for (int i = 1; i <= count; i++) {
    char path[32];
    snprintf(path, sizeof path, "m%d.lua", i);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file, "return %d --", i);
    for (size_t at = 0; at < size; at++) putc('x', file);
    fclose(file);
  }
}

static int add(struct node *node, const char *source, struct hgl_err *err)
{
  struct hgl_agent_config config = {
      .name = "x", .script_path = "x.lua", .source = hgl_text(source)};
  return hgl_host_add_agent(node->host, &config, err);
}

static void check_modules(int count, size_t size, const char *why)
{
  struct world world;
  struct hgl_err err;
  char folder[64], source[512];
  enter_folder(folder, sizeof folder);
  write_modules(count, size);
  snprintf(source, sizeof source,
           "local sum = 0\n"
           "for i = 1, %d do\n"
           "  local ok, value = pcall(require, 'm' .. i)\n"
           "  if ok then sum = sum + value end\n"
           "end\n"
           "agent.on('report/1.0/ask', function(m) m:reply('told', { sum = sum }) end)\n",
           count);
  world_init(&world, 310);
  world.hibernate_ms = 500;
  struct node *a = world_node(&world);
  world_agent(a, "operator", "", NULL);
  int status = add(a, source, &err);
  if (why) {
    assert_int_not_equal(status, 0);
    if (!strstr(err.message, why)) fail_msg("%s", err.message);
  } else {
    assert_ok(status);
    world_advance(&world, 3000); /* it falls asleep */
    assert_int_equal(world_number(a, "x", "report/1.0/ask", "sum"), count * (count + 1) / 2);
  }
  world_deinit(&world);
  leave_folder(folder);
}

static void a_script_has_as_many_modules_as_can_be_run_again(void **state)
{
  check_modules(1000, 1, NULL);
  check_modules(1001, 1, "more than 1000 modules");
}

static void a_script_whose_modules_are_too_large_to_be_kept_does_not_start(void **state)
{
  check_modules(11, 1000000, NULL);
  check_modules(13, 1000000, "the modules that the script requires: more than 12582912 bytes");
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_script_has_as_many_modules_as_can_be_run_again),
      cmocka_unit_test(a_script_whose_modules_are_too_large_to_be_kept_does_not_start),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
