#include "lua/state_name.h"

#include "base/utf8.h"

static int fail(const struct hgl_state_name *name, const char *why, struct hgl_err *err)
{
  return hgl_fail(err, HGL_INVALID, "column %zu: %s, as in lots[3].price or users[\"a b\"].age",
                  name->at + 1, why);
}

static bool ends(const struct hgl_state_name *name)
{
  return name->at >= name->text.size;
}

static uint8_t look(const struct hgl_state_name *name)
{
  return ends(name) ? 0 : name->text.data[name->at];
}

static int give(struct hgl_state_name *name, size_t size, struct hgl_state_key *key,
                struct hgl_err *err)
{
  struct hgl_bytes text = hgl_bytes(name->key, size);
  if (!hgl_utf8_valid(text)) return fail(name, "a key is UTF-8 text", err);
  *key = (struct hgl_state_key){.text = text};
  return 0;
}

/* Up to the next '.' or '['. */
static int take_name(struct hgl_state_name *name, struct hgl_state_key *key, struct hgl_err *err)
{
  size_t size = 0;
  for (; !ends(name) && look(name) != '.' && look(name) != '['; name->at++) {
    uint8_t c = look(name);
    if (c <= ' ' || c == ']' || c == '"' || c == '\'' || c == 127)
      return fail(name, "a key of other characters is written [\"…\"]", err);
    if (size == sizeof name->key) return fail(name, "the key is too long", err);
    name->key[size++] = (char)c;
  }
  return size ? give(name, size, key, err) : fail(name, "a key is missing", err);
}

static int take_quoted(struct hgl_state_name *name, struct hgl_state_key *key, struct hgl_err *err)
{
  uint8_t quote = look(name);
  size_t size = 0;
  for (name->at++; look(name) != quote || ends(name); name->at++) {
    if (look(name) == '\\') name->at++;
    if (ends(name)) return fail(name, "the quotes do not end", err);
    if (size == sizeof name->key) return fail(name, "the key is too long", err);
    name->key[size++] = (char)look(name);
  }
  name->at++;
  return give(name, size, key, err);
}

static int take_integer(struct hgl_state_name *name, struct hgl_state_key *key, struct hgl_err *err)
{
  bool negative = look(name) == '-';
  uint64_t value = 0, most = (uint64_t)INT64_MAX + negative;
  size_t digits = 0;
  name->at += negative;
  for (; look(name) >= '0' && look(name) <= '9'; name->at++, digits++) {
    uint64_t digit = (uint64_t)look(name) - '0';
    if (value > (most - digit) / 10) return fail(name, "the number is too large", err);
    value = value * 10 + digit;
  }
  if (!digits) return fail(name, "a number or a quoted text is expected", err);
  *key = (struct hgl_state_key){.is_int = true,
                                .integer = negative ? (int64_t)(0 - value) : (int64_t)value};
  return 0;
}

int hgl_state_name_next(struct hgl_state_name *name, struct hgl_state_key *key, bool *more,
                        struct hgl_err *err)
{
  bool first = name->at == 0;
  int status;
  *more = !ends(name);
  if (!*more) return 0;
  if (look(name) == '[') {
    name->at++;
    status = look(name) == '"' || look(name) == '\'' ? take_quoted(name, key, err)
                                                     : take_integer(name, key, err);
    if (status) return status;
    if (look(name) != ']') return fail(name, "']' is expected", err);
    name->at++;
    return 0;
  }
  if (look(name) == '.' && !first)
    name->at++;
  else if (!first)
    return fail(name, "'.' or '[' is expected", err);
  return take_name(name, key, err);
}
