#include "common/engine.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* The bytes of the character here, or 0 when they are none (RFC 3629). */
static size_t character_size(const char *at)
{
  unsigned char first = (unsigned char)at[0], second = first ? (unsigned char)at[1] : 0;
  size_t size = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  bool overlong = (first == 0xe0 && second < 0xa0) || (first == 0xf0 && second < 0x90);
  bool surrogate = first == 0xed && second > 0x9f;
  if (first > 0xf4 || (first == 0xf4 && second > 0x8f) || overlong || surrogate) return 0;
  for (size_t i = 1; i < size; i++) {
    if (((unsigned char)at[i] & 0xc0) != 0x80) return 0;
  }
  return size;
}

static void one_line(char *text, int written, size_t size)
{
  static const char more[] = "…";
  if (written < 0) {
    text[0] = 0;
    return;
  }
  if ((size_t)written >= size) {
    size_t length = size - sizeof more;
    while (length > 0 && ((unsigned char)text[length] & 0xc0) == 0x80) length--;
    memcpy(text + length, more, sizeof more);
  }
  for (char *at = text; *at;) {
    size_t bytes = character_size(at);
    if (!bytes)
      *at = '?';
    else if ((unsigned char)*at < 0x20 || *at == 0x7f)
      *at = ' ';
    at += bytes ? bytes : 1;
  }
  for (size_t length = strlen(text); length > 0 && text[length - 1] == ' '; length--)
    text[length - 1] = 0;
}

void hgl_engine_set_error(struct haggle_error *error, int32_t status, const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  int written = vsnprintf(error->message, sizeof error->message, format, arguments);
  va_end(arguments);
  one_line(error->message, written, sizeof error->message);
  error->status = status;
}

void hgl_engine_refuse(const struct haggle_batch *batch, const struct haggle_request *request,
                       int32_t status, const char *format, ...)
{
  char message[HGL_ENGINE_MESSAGE_MAX];
  va_list arguments;
  va_start(arguments, format);
  int written = vsnprintf(message, sizeof message, format, arguments);
  va_end(arguments);
  one_line(message, written, sizeof message);
  struct haggle_result result = {
      .size = sizeof result, .status = status, .message = message, .message_size = strlen(message)};
  batch->finish(batch->host, request, &result);
}

int64_t hgl_engine_now_ns(void)
{
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static bool deadline_has_passed(const struct haggle_request *request)
{
  return request->deadline_ns && hgl_engine_now_ns() >= request->deadline_ns;
}

bool hgl_engine_is_over(const struct haggle_batch *batch, const struct haggle_request *request)
{
  return deadline_has_passed(request) || batch->is_over(batch->host, request);
}

void hgl_engine_refuse_over(const struct haggle_batch *batch, const struct haggle_request *request)
{
  if (deadline_has_passed(request))
    hgl_engine_refuse(batch, request, HAGGLE_TIMEOUT, "its time is over");
  else
    hgl_engine_refuse(batch, request, HAGGLE_CANCELLED, "nobody waits for it any more");
}

/* Options ------------------------------------------------------------------------------------- */

static bool number_read(const char *text, int64_t least, int64_t most, int64_t *out)
{
  char *end;
  errno = 0;
  long long number = strtoll(text, &end, 10);
  if (errno || end == text || *end || number < least || number > most) return false;
  *out = number;
  return true;
}

static bool choice_read(const char *text, const char *choices, int *out)
{
  size_t length = strlen(text);
  for (int i = 0; *choices; i++) {
    size_t next = strcspn(choices, "|");
    if (next == length && memcmp(choices, text, length) == 0) {
      *out = i;
      return true;
    }
    choices += next + (choices[next] == '|');
  }
  return false;
}

static int32_t option_read(const struct hgl_engine_option *option, const char *value,
                           struct haggle_error *error)
{
  if (option->text) {
    *option->text = value;
    return HAGGLE_OK;
  }
  if (option->number) {
    if (number_read(value, option->least, option->most, option->number)) return HAGGLE_OK;
    return hgl_engine_fail(error, HAGGLE_INVALID,
                           "%s=%.64s: expected a whole number from %lld to %lld", option->name,
                           value, (long long)option->least, (long long)option->most);
  }
  if (choice_read(value, option->choices, option->choice)) return HAGGLE_OK;
  return hgl_engine_fail(error, HAGGLE_INVALID, "%s=%.64s: expected one of %s", option->name, value,
                         option->choices);
}

int32_t hgl_engine_options(const struct haggle_source *source,
                           const struct hgl_engine_option *options, size_t count,
                           struct haggle_error *error)
{
  for (size_t i = 0; i < source->option_count; i++) {
    const struct haggle_option *given = &source->options[i];
    size_t k = 0;
    while (k < count && strcmp(options[k].name, given->name) != 0) k++;
    if (k == count) {
      char names[256] = "";
      for (k = 0; k < count; k++) {
        size_t used = strlen(names);
        snprintf(names + used, sizeof names - used, "%s%s", k ? ", " : "", options[k].name);
      }
      return hgl_engine_fail(error, HAGGLE_INVALID, "no option '%.64s'; there are %s", given->name,
                             names);
    }
    int32_t status = option_read(&options[k], given->value, error);
    if (status != HAGGLE_OK) return status;
  }
  return HAGGLE_OK;
}

/* Libraries ----------------------------------------------------------------------------------- */

bool hgl_engine_folder(const void *inside, char *out, size_t size)
{
  Dl_info info;
  char path[PATH_MAX];
  if (!dladdr(inside, &info) || !info.dli_fname || !realpath(info.dli_fname, path)) return false;
  char *slash = strrchr(path, '/');
  if (!slash || (size_t)(slash - path) >= size) return false;
  *slash = 0;
  memcpy(out, path, (size_t)(slash - path) + 1);
  return true;
}

int32_t hgl_engine_library(const char *const *paths, size_t count, void **out, char *path,
                           struct haggle_error *error)
{
  for (size_t i = 0; i < count; i++) {
    bool named = strchr(paths[i], '/') != NULL;
    if (named && access(paths[i], F_OK) != 0) continue;
    void *library = dlopen(paths[i], RTLD_NOW | RTLD_LOCAL);
    if (library) {
      snprintf(path, PATH_MAX, "%s", paths[i]);
      *out = library;
      return HAGGLE_OK;
    }
    const char *why = dlerror();
    if (named)
      return hgl_engine_fail(error, HAGGLE_FAILED, "%s cannot be loaded: %s", paths[i],
                             why ? why : "for no reason that was told");
  }
  return hgl_engine_fail(error, HAGGLE_NOT_FOUND, "no such library");
}
