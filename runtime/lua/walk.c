#include "lua/walk.h"

#include <ctype.h>
#include <stdio.h>

#include "lua/convert.h"

enum { PATH_SIZE_MAX = 256, KEY_SHOWN_MAX = 40 };

static bool is_name(struct hgl_bytes text)
{
  if (text.size == 0 || text.size > KEY_SHOWN_MAX || isdigit(text.data[0])) return false;
  for (size_t i = 0; i < text.size; i++)
    if (text.data[i] >= 0x80 || (!isalnum(text.data[i]) && text.data[i] != '_')) return false;
  return true;
}

static void append(char *out, size_t *used, const char *text, size_t size)
{
  size_t room = PATH_SIZE_MAX - 1 - *used;
  if (size > room) size = room;
  memcpy(out + *used, text, size);
  *used += size;
  out[*used] = 0;
}

static void append_step(char *out, size_t *used, const struct hgl_walk_step *step)
{
  char shown[KEY_SHOWN_MAX + 8];
  size_t size = 0;
  if (step->is_int) {
    size = (size_t)snprintf(shown, sizeof shown, "[%lld]", (long long)step->integer);
  } else if (is_name(step->text)) {
    size = (size_t)snprintf(shown, sizeof shown, ".%.*s", HGL_STR(step->text));
  } else {
    size_t least = step->text.size < KEY_SHOWN_MAX ? step->text.size : KEY_SHOWN_MAX;
    size = (size_t)snprintf(shown, sizeof shown, "[\"");
    for (size_t i = 0; i < least; i++) {
      uint8_t c = step->text.data[i];
      shown[size++] = c < 0x20 || c >= 0x7f ? '?' : (char)c;
    }
    size += (size_t)snprintf(shown + size, sizeof shown - size, "%s\"]",
                             least < step->text.size ? "…" : "");
  }
  append(out, used, shown, size);
}

static void path_of(const struct hgl_walk *walk, char out[PATH_SIZE_MAX])
{
  size_t used = 0;
  out[0] = 0;
  append(out, &used, walk->what, strlen(walk->what));
  for (int i = 0; i < walk->depth; i++)
    if (walk->steps[i].is_int || walk->steps[i].text.data) append_step(out, &used, &walk->steps[i]);
}

int hgl_walk_fail(const struct hgl_walk *walk, enum hgl_code code, const char *text)
{
  char path[PATH_SIZE_MAX];
  path_of(walk, path);
  return hgl_fail(walk->err, code, "%s: %s", path, text);
}

int hgl_walk_fail_in(const struct hgl_walk *walk)
{
  char path[PATH_SIZE_MAX];
  path_of(walk, path);
  return hgl_fail_in(walk->err, "%s", path);
}

int hgl_walk_fail_kind(const struct hgl_walk *walk, int index)
{
  char text[64];
  bool message = hgl_lua_is_message(walk->L, index);
  const char *kind = message ? "message" : lua_typename(walk->L, lua_type(walk->L, index));
  snprintf(text, sizeof text, "a %s cannot be %s%s", kind, walk->verb,
           message ? "; its ref() can" : "");
  return hgl_walk_fail(walk, HGL_BAD_VALUE, text);
}

int hgl_walk_enter(struct hgl_walk *walk, const void *table)
{
  for (int i = 0; i < walk->depth; i++)
    if (walk->around[i] == table)
      return hgl_walk_fail(walk, HGL_BAD_VALUE, "a table that contains itself");
  if (walk->depth == HGL_WALK_DEPTH_MAX)
    return hgl_walk_fail(walk, HGL_TOO_DEEP, "nested deeper than 32 tables");
  if (!lua_checkstack(walk->L, 8)) return hgl_walk_fail(walk, HGL_NO_MEMORY, "out of memory");
  walk->around[walk->depth] = table;
  walk->steps[walk->depth++] = (struct hgl_walk_step){0};
  return 0;
}

void hgl_walk_leave(struct hgl_walk *walk)
{
  walk->depth--;
}

int hgl_walk_step_to(struct hgl_walk *walk, int index)
{
  struct hgl_walk_step step = {0};
  if (lua_isinteger(walk->L, index)) {
    step.is_int = true;
    step.integer = lua_tointeger(walk->L, index);
  } else if (lua_type(walk->L, index) == LUA_TSTRING) {
    size_t size;
    const char *text = lua_tolstring(walk->L, index, &size);
    step.text = hgl_bytes(text, size);
  } else {
    return hgl_walk_fail(walk, HGL_BAD_VALUE, "a key that is neither text nor an integer");
  }
  walk->steps[walk->depth - 1] = step;
  return 0;
}
