#include "host/options.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <errno.h>

#include "base/duration.h"
#include "base/mem.h"
#include "host/text.h"

/* Texts --------------------------------------------------------------------------------------- */

int hgl_texts_add(struct hgl_texts *texts, const char *text, struct hgl_err *err)
{
  const char **items = hgl_realloc(texts->items, (texts->count + 2) * sizeof *items);
  if (!items) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  items[texts->count++] = text;
  items[texts->count] = NULL;
  texts->items = items;
  return 0;
}

void hgl_texts_deinit(struct hgl_texts *texts)
{
  hgl_free(texts->items);
  *texts = (struct hgl_texts){0};
}

/* Help ---------------------------------------------------------------------------------------- */

int hgl_usage_fail(const struct hgl_verb *verb, const char *format, ...)
{
  char text[HGL_ERR_MESSAGE_SIZE];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  fprintf(stderr, "haggle %s: ", verb->name);
  hgl_print_escaped(stderr, hgl_text(text));
  fprintf(stderr, "\nSee `haggle %s --help`.\n", verb->name);
  return HGL_EXIT_USAGE;
}

enum { HELP_INDENT = 24 };

static void print_option(const char *name, const char *argument, const char *help)
{
  char left[80];
  snprintf(left, sizeof left, "--%s%s%s", name, argument ? " " : "", argument ? argument : "");
  size_t width = hgl_text_width(hgl_text(left));
  if (width > HELP_INDENT)
    printf("  %s\n  %-*s", left, HELP_INDENT, "");
  else
    printf("  %s%*s", left, (int)(HELP_INDENT - width), "");
  /* Continuation lines of a help text stand below its first one. */
  for (const char *at = help;;) {
    size_t size = strcspn(at, "\n");
    printf("  %.*s\n", (int)size, at);
    if (!at[size]) break;
    at += size + 1;
    printf("  %-*s", HELP_INDENT, "");
  }
}

static void print_help(const struct hgl_verb *verb, const struct hgl_option *options, size_t count)
{
  printf("haggle %s%s%s\n\n%s\n", verb->name, *verb->usage ? " " : "", verb->usage, verb->help);
  printf("\nOptions:\n");
  for (size_t i = 0; i < count; i++)
    print_option(options[i].name, options[i].argument, options[i].help);
  print_option("help", NULL, "this text");
}

/* Parsing ------------------------------------------------------------------------------------- */

static const struct hgl_option *find_option(const struct hgl_option *options, size_t count,
                                            struct hgl_bytes name)
{
  for (size_t i = 0; i < count; i++)
    if (hgl_bytes_is(name, options[i].name)) return &options[i];
  return NULL;
}

static int fail_unknown(const struct hgl_verb *verb, const struct hgl_option *options, size_t count,
                        const char *given, struct hgl_bytes name)
{
  struct hgl_texts names = {0};
  const char *nearest = NULL;
  bool whole = true;
  for (size_t i = 0; i < count && whole; i++)
    whole = hgl_texts_add(&names, options[i].name, NULL) == 0;
  if (whole && names.count) nearest = hgl_nearest(name, names.items);
  int status = nearest
                   ? hgl_usage_fail(verb, "unknown option %.*s; did you mean --%s?",
                                    (int)strcspn(given, "="), given, nearest)
                   : hgl_usage_fail(verb, "unknown option %.*s", (int)strcspn(given, "="), given);
  hgl_texts_deinit(&names);
  return status;
}

static int set_option(const struct hgl_option *option, const char *text, struct hgl_err *err)
{
  char *end;
  switch (option->kind) {
  case HGL_OPTION_FLAG:
    *(bool *)option->value = true;
    return 0;
  case HGL_OPTION_TEXT:
    *(const char **)option->value = text;
    return 0;
  case HGL_OPTION_LIST:
    return hgl_texts_add(option->value, text, err);
  case HGL_OPTION_COUNT:
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || errno)
      return hgl_fail(err, HGL_INVALID, "--%s needs a number, not \"%s\"", option->name, text);
    *(int64_t *)option->value = number;
    return 0;
  case HGL_OPTION_DURATION:
    if (hgl_duration_parse(hgl_text(text), option->value, err))
      return hgl_fail_in(err, "--%s", option->name);
    return 0;
  }
  return hgl_fail(err, HGL_INTERNAL, "option of unknown kind");
}

struct arguments {
  int count, next;
  char **items;
};

static int parse_one(const struct hgl_verb *verb, const struct hgl_option *options, size_t count,
                     struct arguments *arguments, const char *given)
{
  struct hgl_err err = {0};
  const char *equals = strchr(given, '=');
  struct hgl_bytes name = hgl_bytes(given + 2,
                                    equals ? (size_t)(equals - given) - 2 : strlen(given) - 2);
  const struct hgl_option *option = given[1] == '-' ? find_option(options, count, name) : NULL;
  if (!option) return fail_unknown(verb, options, count, given, name);
  const char *text = equals ? equals + 1 : NULL;
  if (option->kind == HGL_OPTION_FLAG && text)
    return hgl_usage_fail(verb, "--%s takes no value", option->name);
  if (option->kind != HGL_OPTION_FLAG && !text) {
    if (arguments->next == arguments->count)
      return hgl_usage_fail(verb, "--%s needs %s after it", option->name, option->argument);
    text = arguments->items[arguments->next++];
  }
  if (set_option(option, text, &err)) return hgl_usage_fail(verb, "%s", err.message);
  return 0;
}

/* "-5" is a word (a JSON body), "-x" is a mistaken option. */
static bool looks_like_option(const char *text)
{
  return text[0] == '-' && text[1] && !(text[1] >= '0' && text[1] <= '9');
}

bool hgl_options_parse(const struct hgl_verb *verb, const struct hgl_option *options, size_t count,
                       int argc, char **argv, struct hgl_texts *words, int *status)
{
  struct hgl_err err = {0};
  struct arguments arguments = {argc, 1, argv};
  bool only_words = false;
  *status = 0;
  if (verb->describe) {
    verb->describe(verb->describe_user, options, count);
    return false;
  }
  while (*status == 0 && arguments.next < argc) {
    const char *given = argv[arguments.next++];
    if (only_words || !looks_like_option(given)) {
      if (hgl_texts_add(words, given, &err)) *status = hgl_verb_fail(verb, &err);
    } else if (strcmp(given, "--") == 0) {
      only_words = true;
    } else if (strcmp(given, "--help") == 0 || strcmp(given, "-h") == 0) {
      print_help(verb, options, count);
      return false;
    } else {
      *status = parse_one(verb, options, count, &arguments, given);
    }
  }
  return *status == 0;
}
