#include "support/check.h"

#include "host/options.h"

static int nothing(const struct hgl_verb *verb, int argc, char **argv)
{
  return 0;
}

static const struct hgl_verb verb = {.name = "probe",
                                     .usage = "[OPTION…]",
                                     .summary = "a verb",
                                     .help = "Does nothing.",
                                     .main = nothing};

struct given {
  bool flag;
  const char *text;
  int64_t count, duration;
  struct hgl_texts list, words;
  int status;
  bool go_on;
};

static void parse(struct given *given, int argc, const char **words)
{
  const struct hgl_option options[] = {
      {"flag", NULL, HGL_OPTION_FLAG, &given->flag, "a flag"},
      {"text", "TEXT", HGL_OPTION_TEXT, &given->text, "a text"},
      {"list", "ITEM", HGL_OPTION_LIST, &given->list, "several"},
      {"count", "N", HGL_OPTION_COUNT, &given->count, "a number"},
      {"within", "DURATION", HGL_OPTION_DURATION, &given->duration, "a time"},
  };
  *given = (struct given){0};
  char **argv; /* none of them is changed */
  memcpy(&argv, &words, sizeof argv);
  given->go_on = hgl_options_parse(&verb, options, sizeof options / sizeof *options, argc, argv,
                                   &given->words, &given->status);
}

static void forget(struct given *given)
{
  hgl_texts_deinit(&given->list);
  hgl_texts_deinit(&given->words);
}

#define PARSE(given, ...)                                                                          \
  do {                                                                                             \
    const char *argv_[] = {"probe", __VA_ARGS__, NULL};                                            \
    parse(given, (int)(sizeof argv_ / sizeof *argv_) - 1, argv_);                                  \
  } while (0)

static void options_take_values_of_every_kind(void **state)
{
  struct given given;
  PARSE(&given, "--flag", "--text", "a b", "--list=x", "word", "--list", "y", "--count=7",
        "--within", "1.5s");
  assert_true(given.go_on);
  assert_true(given.flag);
  assert_string_equal(given.text, "a b");
  assert_int_equal(given.list.count, 2);
  assert_string_equal(given.list.items[0], "x");
  assert_string_equal(given.list.items[1], "y");
  assert_null(given.list.items[2]);
  assert_int_equal(given.count, 7);
  assert_int_equal(given.duration, 1500);
  assert_int_equal(given.words.count, 1);
  assert_string_equal(given.words.items[0], "word");
  forget(&given);
}

static void options_end_at_two_dashes_and_negative_numbers_are_words(void **state)
{
  struct given given;
  PARSE(&given, "-5", "--", "--flag", "-x");
  assert_true(given.go_on);
  assert_false(given.flag);
  assert_int_equal(given.words.count, 3);
  assert_string_equal(given.words.items[0], "-5");
  assert_string_equal(given.words.items[2], "-x");
  forget(&given);
}

static void options_refuse_what_is_wrong_with_the_usage_status(void **state)
{
  static const char *const bad[][3] = {
      {"--flags", NULL},    {"-f", NULL},
      {"--flag=yes", NULL}, {"--text", NULL},
      {"--count", "seven"}, {"--count", "-1"},
      {"--count=7x", NULL}, {"--count", "99999999999999999999"},
      {"--within", "5"},    {"--within=", NULL},
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    struct given given;
    const char *argv[] = {"probe", bad[i][0], bad[i][1], NULL};
    parse(&given, bad[i][1] ? 3 : 2, argv);
    assert_false(given.go_on);
    assert_int_equal(given.status, HGL_EXIT_USAGE);
    forget(&given);
  }
}

static void options_help_ends_with_success(void **state)
{
  struct given given;
  PARSE(&given, "--help", "--nonsense");
  assert_false(given.go_on);
  assert_int_equal(given.status, HGL_EXIT_OK);
  forget(&given);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(options_take_values_of_every_kind),
      cmocka_unit_test(options_end_at_two_dashes_and_negative_numbers_are_words),
      cmocka_unit_test(options_refuse_what_is_wrong_with_the_usage_status),
      cmocka_unit_test(options_help_ends_with_success),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
