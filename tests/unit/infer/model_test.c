/* Opening models: what is wrong with a file, an option, an engine or what it says is one line. */
#include "infer_fixture.h"

static void expect_refused(const char *file, const struct haggle_option *options, size_t count,
                           enum hgl_code code, const char *says)
{
  struct fixture f;
  struct hgl_err err = {0};
  set_up(&f);
  assert_int_equal(open_with(&f, "m", file, options, count, &err), -(int)code);
  if (!strstr(err.message, says)) fail_msg("%s", err.message);
  assert_non_null(strstr(err.message, "model m: "));
  assert_int_equal(hgl_infer_count(f.infer), 0);
  assert_null(hgl_infer_find(f.infer, hgl_text("m")));
  tear_down(&f);
}

static void a_model_that_does_not_open_says_why(void **state)
{
  expect_refused("nofile", NULL, 0, HGL_NOT_FOUND, "nofile: it is not to be opened");
  expect_refused("nomemory", NULL, 0, HGL_NO_MEMORY, "it is not to be opened");
  expect_refused("silent", NULL, 0, HGL_ENGINE_FAILED, "does not say why");
  expect_refused("badkind", NULL, 0, HGL_MALFORMED, "unknown kind 77");
  expect_refused("badspec", NULL, 0, HGL_INVALID, "has 99 axes");
}

static void options_are_judged(void **state)
{
  static const struct {
    const char *name, *value, *says;
  } wrong[] = {
      {"batch", "0", "batch: expected a number from 1"},
      {"batch", "many", "batch: expected a number"},
      {"queue", "1000001", "queue: expected a number from 1 to 1000000"},
      {"agent_queue", "-1", "agent_queue: expected"},
      {"threads_run", "65", "threads_run: expected"},
      {"wait", "2s", "wait: expected a time"},
      {"wait", "1001ms", "wait: expected a time"},
      {"wait", "99999999999999999999us", "wait: expected a time"},
      {"loop", "no", "loop: expected on or off"},
      {"process", "mine", "process: expected own or host"},
      {"hang", "3s", "hang: it is of engines in a process of their own"},
      {"colour", "red", "unknown option colour"},
  };
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    const struct haggle_option option = {wrong[i].name, wrong[i].value};
    expect_refused("good", &option, 1, HGL_INVALID, wrong[i].says);
  }
  const struct haggle_option twice[] = {{"batch", "2"}, {"batch", "3"}};
  expect_refused("good", twice, 2, HGL_INVALID, "batch is given twice");
}

static void names_are_judged(void **state)
{
  struct fixture f;
  struct hgl_err err = {0};
  char longest[HGL_MODEL_NAME_SIZE_MAX + 2];
  set_up(&f);
  memset(longest, 'a', sizeof longest);
  longest[sizeof longest - 1] = 0;
  assert_int_equal(open_with(&f, longest, "good", NULL, 0, &err), -HGL_INVALID);
  longest[sizeof longest - 2] = 0;
  assert_ok(open_with(&f, longest, "good", NULL, 0, &err));
  assert_int_equal(open_with(&f, "", "good", NULL, 0, &err), -HGL_INVALID);
  assert_int_equal(open_with(&f, "a b", "good", NULL, 0, &err), -HGL_INVALID);
  assert_ok(open_with(&f, "m-1_x.y", "good", NULL, 0, &err));
  assert_int_equal(open_with(&f, "m-1_x.y", "good", NULL, 0, &err), -HGL_EXISTS);
  char names[100];
  hgl_infer_names(f.infer, names, sizeof names);
  assert_non_null(strstr(names, "aaa, m-1_x.y"));
  tear_down(&f);
}

static void the_note_is_logged_once(void **state)
{
  struct fixture f;
  set_up(&f);
  open_model(&f, "noted");
  const char *first = strstr(f.logged, "no accelerator here");
  assert_non_null(first);
  assert_null(strstr(first + 1, "no accelerator here"));
  tear_down(&f);
}

/* ---- engines ---- */

static int open_of(struct fixture *f, const char *file, const char *engine, struct hgl_err *err)
{
  const struct haggle_option option = {"engine", engine};
  const struct haggle_source source = {.size = sizeof source,
                                       .name = "m",
                                       .file = file,
                                       .options = &option,
                                       .option_count = engine != NULL};
  return hgl_infer_open(f->infer, &source, err);
}

static void an_engine_that_cannot_be_had_is_named(void **state)
{
  static const struct {
    const char *file, *engine, *says;
  } wrong[] = {
      {"model.bin", NULL, "does not follow from its name"},
      {"model.onnx", NULL, "haggle-engine-onnx.so (runtime/engines onnx, then"},
      {"https://example.org", NULL, "there is no engine \"remote\""},
      {"a", "mine", "there is no engine \"mine\""},
      {"a", "/nowhere/x.so", "engine /nowhere/x.so: there is no such file"},
      {"a", HGL_SOURCE_DIR "/LICENSE", "LICENSE"},
  };
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    struct fixture f;
    struct hgl_err err = {0};
    set_up(&f);
    assert_true(open_of(&f, wrong[i].file, wrong[i].engine, &err) < 0);
    if (!strstr(err.message, wrong[i].says)) fail_msg("%s", err.message);
    tear_down(&f);
  }
}

static struct haggle_engine odd;
static const struct haggle_engine *odd_engine(uint32_t version, const struct haggle_host *host)
{
  return odd.size ? &odd : NULL;
}

static void an_engine_of_another_version_is_refused(void **state)
{
  static const struct hgl_infer_builtin builtins[] = {{"odd", odd_engine}, {NULL, NULL}};
  const struct haggle_engine good = *test_engine(HAGGLE_INFER_VERSION, NULL);
  const struct haggle_engine cases[] = {{0}, good, good, good};
  static const char *const says[] = {"does not serve version 1", "has a size of 16 bytes",
                                     "was written for version 9", "lacks a name or a function"};
  for (size_t i = 0; i < 4; i++) {
    struct hgl_random_seeded seeded;
    struct hgl_random random = hgl_random_from_seed(&seeded, 1);
    const struct hgl_infer_config config = {
        .random = &random, .log = &hgl_log_none, .builtins = builtins};
    struct fixture f = {0};
    struct hgl_err err = {0};
    odd = cases[i];
    if (i == 1) odd.size = 16;
    if (i == 2) odd.version = 9;
    if (i == 3) odd.run = NULL;
    assert_ok(hgl_infer_create(&config, &f.infer, &err));
    assert_int_equal(open_of(&f, "a", "odd", &err), -HGL_INVALID);
    if (!strstr(err.message, says[i])) fail_msg("%s", err.message);
    hgl_infer_destroy(f.infer);
  }
}

static void a_library_is_loaded_and_shared(void **state)
{
  struct fixture f;
  struct hgl_err err = {0};
  struct asked a;
  set_up(&f);
  assert_ok(open_of(&f, "good", HGL_BINARY_DIR "/tests/engines/haggle-engine-test.so", &err));
  ask(&f, hgl_infer_find(f.infer, hgl_text("m")), "{'x': [1, 2, 3]}", &a);
  assert_string_equal(a.text, "{\"sum\":6.0}");
  tear_down(&f);
}

static const struct haggle_host *given;

static const struct haggle_engine *remember_host(uint32_t version, const struct haggle_host *host)
{
  given = host;
  return test_engine(version, host);
}

/* What is part of the program, or loaded by others, too, is there longer than we are. */
static void an_engine_may_speak_when_its_models_are_gone(void **state)
{
  static const struct hgl_infer_builtin builtins[] = {{"test", remember_host}, {NULL, NULL}};
  struct fixture f;
  struct hgl_err err = {0};
  set_up(&f);
  hgl_infer_destroy(f.infer);
  const struct hgl_infer_config config = {.random = &f.random, .log = &f.log, .builtins = builtins};
  for (int i = 0; i < 2; i++) {
    assert_ok(hgl_infer_create(&config, &f.infer, &err));
    open_model(&f, "good");
    given->log(given, HAGGLE_LOG_WARNING, "hello", 5);
    hgl_infer_poll(f.infer);
    assert_non_null(strstr(f.logged, "test: hello"));
    *f.logged = 0;
    tear_down(&f);
    given->log(given, HAGGLE_LOG_WARNING, "goodbye", 7);
    assert_null(strstr(f.logged, "goodbye"));
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_model_that_does_not_open_says_why),
      cmocka_unit_test(options_are_judged),
      cmocka_unit_test(names_are_judged),
      cmocka_unit_test(the_note_is_logged_once),
      cmocka_unit_test(an_engine_that_cannot_be_had_is_named),
      cmocka_unit_test(an_engine_of_another_version_is_refused),
      cmocka_unit_test(a_library_is_loaded_and_shared),
      cmocka_unit_test(an_engine_may_speak_when_its_models_are_gone),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
