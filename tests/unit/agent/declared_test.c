#include "support/check.h"

#include "agent/calls.h"
#include "agent/declared.h"

static int path_of(const char *name, bool *is_ours, struct hgl_buf *out)
{
  struct hgl_err err;
  hgl_buf_init(out, 4096);
  return hgl_module_path(hgl_text(name), "/agents/kiosk/agent.lua", "/stdlib", is_ours, out, &err);
}

static void expect_path(const char *name, const char *path, bool ours)
{
  struct hgl_err err = {0};
  struct hgl_buf out;
  bool is_ours = !ours;
  assert_ok(path_of(name, &is_ours, &out));
  assert_string_equal(text_of_buf(&out), path);
  assert_int_equal(is_ours, ours);
  hgl_buf_deinit(&out);
}

static void expect_none(const char *name, enum hgl_code code)
{
  struct hgl_buf out;
  bool is_ours;
  assert_fails(code, path_of(name, &is_ours, &out));
  hgl_buf_deinit(&out);
}

static void module_path_is_beside_the_script_or_in_the_stdlib(void **state)
{
  expect_path("haggle.market", "/stdlib/haggle/market.lua", true);
  expect_path("readings", "/agents/kiosk/readings.lua", false);
  expect_path("a.b.c-d_9", "/agents/kiosk/a/b/c-d_9.lua", false);
  expect_path("haggles", "/agents/kiosk/haggles.lua", false);
  expect_path("toolbox.haggle", "/agents/kiosk/toolbox/haggle.lua", false);
}

static void module_path_of_a_script_in_the_current_folder_is_bare(void **state)
{
  struct hgl_err err = {0};
  struct hgl_buf out;
  bool is_ours;
  hgl_buf_init(&out, 4096);
  assert_ok(hgl_module_path(hgl_text("m"), "agent.lua", "/stdlib", &is_ours, &out, &err));
  assert_string_equal(text_of_buf(&out), "m.lua");
  hgl_buf_deinit(&out);
}

static void module_path_refuses_what_leads_elsewhere(void **state)
{
  static const char *const names[] = {"",       ".",   ".x",  "..",        "a..b", "../x", "a/b",
                                      "/etc/x", "a b", "a\n", "m\xc3\xb6", "a\\b", "~"};
  char long_name[130];
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) expect_none(names[i], HGL_INVALID);
  memset(long_name, 'a', 129);
  long_name[129] = 0;
  expect_none(long_name, HGL_INVALID);
  long_name[128] = 0;
  struct hgl_buf out;
  struct hgl_err err = {0};
  bool is_ours;
  assert_ok(path_of(long_name, &is_ours, &out));
  hgl_buf_deinit(&out);
  hgl_buf_init(&out, 4096);
  assert_fails(HGL_INVALID, hgl_module_path(hgl_bytes("a\0b", 3), "x", "/s", &is_ours, &out, &err));
  hgl_buf_deinit(&out);
}

static void module_path_keeps_the_programs_own_tools_from_agents(void **state)
{
  expect_none("haggle.tool.check", HGL_NOT_FOUND);
  expect_path("haggle.toolbox", "/stdlib/haggle/toolbox.lua", true);
}

static bool covers(const char *const *grants, const char *kind, const char *value)
{
  size_t folder_size;
  return hgl_grants_cover(grants, kind, hgl_text(value), &folder_size);
}

static void grants_cover_what_they_name_or_what_begins_so(void **state)
{
  static const char *const grants[] = {"read=/proc/loadavg", "read=/srv/data/*", "net=a:1", NULL};
  assert_true(covers(grants, "read", "/proc/loadavg"));
  assert_false(covers(grants, "read", "/proc/loadavg2"));
  assert_false(covers(grants, "read", "/proc/loadav"));
  assert_true(covers(grants, "read", "/srv/data/x/y"));
  assert_false(covers(grants, "read", "/srv/dat"));
  assert_false(covers(grants, "read", "/srv/data/../secret"));
  assert_false(covers(grants, "rea", "/proc/loadavg"));
  assert_false(covers(grants, "write", "/proc/loadavg"));
  assert_true(covers(grants, "net", "a:1"));
  assert_false(covers(NULL, "read", "/x"));
}

static void grants_tell_the_folder_that_links_must_stay_in(void **state)
{
  static const char *const grants[] = {"read=/srv/data/a*", "read=/srv/x", NULL};
  size_t folder_size = 99;
  assert_true(hgl_grants_cover(grants, "read", hgl_text("/srv/data/abc"), &folder_size));
  assert_int_equal(folder_size, strlen("/srv/data/"));
  assert_true(hgl_grants_cover(grants, "read", hgl_text("/srv/x"), &folder_size));
  assert_int_equal(folder_size, 0);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(module_path_is_beside_the_script_or_in_the_stdlib),
      cmocka_unit_test(module_path_of_a_script_in_the_current_folder_is_bare),
      cmocka_unit_test(module_path_refuses_what_leads_elsewhere),
      cmocka_unit_test(module_path_keeps_the_programs_own_tools_from_agents),
      cmocka_unit_test(grants_cover_what_they_name_or_what_begins_so),
      cmocka_unit_test(grants_tell_the_folder_that_links_must_stay_in),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
