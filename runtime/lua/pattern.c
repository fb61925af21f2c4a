/* Lua's patterns (reference manual 6.4.1) with a bound on their cost: Lua's own matcher backtracks
 * for as long as it takes, in C, where nothing can interrupt it (19 s seen on 2 KB of text). */
#include "lua/vm_core.h"

#include <assert.h>
#include <ctype.h>

enum {
  CAPTURES_MAX = 32,
  DEPTH_MAX = 200,
  STEPS_MAX = 50 * 1000 * 1000, /* of one call, a fifth of a second or so */
  STEPS_PER_LOOK = 4096,
  SET_BYTES_PER_STEP = 4, /* of a [set] that is read through */
  COMPARED_BYTES_PER_STEP = 16,
  UNCLOSED = -1,
  POSITION = -2,
};

struct capture {
  const char *start;
  ptrdiff_t size; /* or UNCLOSED, POSITION */
};

struct matcher {
  lua_State *L;
  const char *text, *text_end;
  const char *pattern_end;
  int depth;
  size_t steps, next_look;
  int count; /* of captures, closed or not */
  struct capture captures[CAPTURES_MAX];
};

static const char *match_here(struct matcher *m, const char *s, const char *p);

/* The cost of `steps` comparisons. Lets the limits of the stretch through, which is no hook's
 * business here. */
static void spend(struct matcher *m, size_t steps)
{
  m->steps += steps;
  if (m->steps < m->next_look) return;
  m->next_look = m->steps + STEPS_PER_LOOK;
  hgl_stretch_look(m->L);
  if (m->steps > STEPS_MAX)
    luaL_error(m->L, "the pattern needs too many steps for this text (more than %d)", STEPS_MAX);
}

/* ---- one character against one item of the pattern ---- */

static bool in_class(unsigned char c, unsigned char letter)
{
  bool in;
  switch (tolower(letter)) {
  case 'a':
    in = isalpha(c);
    break;
  case 'c':
    in = iscntrl(c);
    break;
  case 'd':
    in = isdigit(c);
    break;
  case 'g':
    in = isgraph(c);
    break;
  case 'l':
    in = islower(c);
    break;
  case 'p':
    in = ispunct(c);
    break;
  case 's':
    in = isspace(c);
    break;
  case 'u':
    in = isupper(c);
    break;
  case 'w':
    in = isalnum(c);
    break;
  case 'x':
    in = isxdigit(c);
    break;
  default:
    return letter == c;
  }
  return isupper(letter) ? !in : in;
}

/* Behind the item that starts at p: a character, %x, or [set]. */
static const char *item_end(struct matcher *m, const char *p)
{
  const char *begin = p;
  char first = *p++;
  if (first == '%') {
    if (p == m->pattern_end) luaL_error(m->L, "malformed pattern (ends with '%%')");
    return p + 1;
  }
  if (first != '[') return p;
  if (p < m->pattern_end && *p == '^') p++;
  for (bool start = true;; start = false) {
    if (p == m->pattern_end) luaL_error(m->L, "malformed pattern (missing ']')");
    char c = *p++;
    if (c == ']' && !start) {
      spend(m, (size_t)(p - begin) / SET_BYTES_PER_STEP);
      return p;
    }
    if (c == '%') {
      if (p == m->pattern_end) luaL_error(m->L, "malformed pattern (missing ']')");
      p++;
    }
  }
}

/* p at '[', end behind ']'. */
static bool in_set(unsigned char c, const char *p, const char *end)
{
  const char *last = end - 1;
  p++;
  bool wanted = *p != '^';
  if (!wanted) p++;
  while (p < last) {
    if (*p == '%') {
      if (in_class(c, (unsigned char)p[1])) return wanted;
      p += 2;
    } else if (p + 2 < last && p[1] == '-') {
      if ((unsigned char)p[0] <= c && c <= (unsigned char)p[2]) return wanted;
      p += 3;
    } else {
      if ((unsigned char)*p == c) return wanted;
      p++;
    }
  }
  return !wanted;
}

static bool item_matches(struct matcher *m, const char *s, const char *p, const char *end)
{
  spend(m, 1);
  if (s >= m->text_end) return false;
  unsigned char c = (unsigned char)*s;
  switch (*p) {
  case '.':
    return true;
  case '%':
    return in_class(c, (unsigned char)p[1]);
  case '[':
    spend(m, (size_t)(end - p) / SET_BYTES_PER_STEP);
    return in_set(c, p, end);
  default:
    return (unsigned char)*p == c;
  }
}

/* ---- items of more than one character ---- */

static const char *match_balanced(struct matcher *m, const char *s, const char *p)
{
  if (m->pattern_end - p < 2) luaL_error(m->L, "malformed pattern (missing arguments to '%%b')");
  if (s >= m->text_end || *s != p[0]) return NULL;
  int level = 1;
  while (++s < m->text_end) {
    spend(m, 1);
    if (*s == p[1]) {
      if (--level == 0) return s + 1;
    } else if (*s == p[0]) {
      level++;
    }
  }
  return NULL;
}

/* The frontier %f[set]: the character before is outside the set and the one here inside; the ends
 * of the text count as NUL. */
static bool at_frontier(struct matcher *m, const char *s, const char *set, const char *end)
{
  spend(m, 2 * (size_t)(end - set) / SET_BYTES_PER_STEP);
  unsigned char before = s == m->text ? 0 : (unsigned char)s[-1];
  unsigned char here = s == m->text_end ? 0 : (unsigned char)*s;
  return !in_set(before, set, end) && in_set(here, set, end);
}

static const char *match_captured(struct matcher *m, const char *s, char digit)
{
  int i = digit - '1';
  if (i < 0 || i >= m->count || m->captures[i].size == UNCLOSED) {
    luaL_error(m->L, "invalid capture index %%%d", i + 1);
    return NULL;
  }
  ptrdiff_t size = m->captures[i].size;
  if (size == POSITION) return NULL; /* a place, not a text: as Lua's own */
  if (m->text_end - s < size) return NULL;
  spend(m, (size_t)size / COMPARED_BYTES_PER_STEP);
  return memcmp(m->captures[i].start, s, (size_t)size) == 0 ? s + size : NULL;
}

static const char *open_capture(struct matcher *m, const char *s, const char *p, ptrdiff_t size)
{
  if (m->count >= CAPTURES_MAX) luaL_error(m->L, "too many captures");
  m->captures[m->count++] = (struct capture){s, size};
  const char *end = match_here(m, s, p);
  if (!end) m->count--;
  return end;
}

static const char *close_capture(struct matcher *m, const char *s, const char *p)
{
  int i = m->count - 1;
  while (i >= 0 && m->captures[i].size != UNCLOSED) i--;
  if (i < 0) luaL_error(m->L, "invalid pattern capture");
  m->captures[i].size = s - m->captures[i].start;
  const char *end = match_here(m, s, p);
  if (!end) m->captures[i].size = UNCLOSED;
  return end;
}

/* ---- repetition: item p..end, then `rest` ---- */

static const char *match_longest(struct matcher *m, const char *s, const char *p, const char *end,
                                 const char *rest)
{
  ptrdiff_t i = 0;
  while (item_matches(m, s + i, p, end)) i++;
  for (; i >= 0; i--) {
    const char *found = match_here(m, s + i, rest);
    if (found) return found;
  }
  return NULL;
}

static const char *match_shortest(struct matcher *m, const char *s, const char *p, const char *end,
                                  const char *rest)
{
  for (;; s++) {
    const char *found = match_here(m, s, rest);
    if (found) return found;
    if (!item_matches(m, s, p, end)) return NULL;
  }
}

/* Consumes the items of one character each in a loop and recurses for everything else. */
static const char *match_items(struct matcher *m, const char *s, const char *p)
{
  while (p < m->pattern_end) {
    char next = p + 1 < m->pattern_end ? p[1] : 0;
    if (*p == '(') {
      return next == ')' ? open_capture(m, s, p + 2, POSITION)
                         : open_capture(m, s, p + 1, UNCLOSED);
    }
    if (*p == ')') return close_capture(m, s, p + 1);
    if (*p == '$' && p + 1 == m->pattern_end) return s == m->text_end ? s : NULL;
    if (*p == '%' && next == 'b') {
      s = match_balanced(m, s, p + 2);
      if (!s) return NULL;
      p += 4;
      continue;
    }
    if (*p == '%' && next == 'f') {
      const char *set = p + 2;
      if (set >= m->pattern_end || *set != '[')
        luaL_error(m->L, "missing '[' after '%%f' in pattern");
      p = item_end(m, set);
      if (!at_frontier(m, s, set, p)) return NULL;
      continue;
    }
    if (*p == '%' && isdigit((unsigned char)next)) {
      s = match_captured(m, s, next);
      if (!s) return NULL;
      p += 2;
      continue;
    }
    const char *end = item_end(m, p);
    char repeat = end < m->pattern_end ? *end : 0;
    if (repeat == '*') return match_longest(m, s, p, end, end + 1);
    if (repeat == '-') return match_shortest(m, s, p, end, end + 1);
    bool matches = item_matches(m, s, p, end);
    if (repeat == '+') return matches ? match_longest(m, s + 1, p, end, end + 1) : NULL;
    if (repeat == '?') {
      const char *found = matches ? match_here(m, s + 1, end + 1) : NULL;
      if (found) return found;
      p = end + 1;
      continue;
    }
    if (!matches) return NULL;
    s++;
    p = end;
  }
  return s;
}

static const char *match_here(struct matcher *m, const char *s, const char *p)
{
  spend(m, 1);
  if (++m->depth > DEPTH_MAX) luaL_error(m->L, "pattern too complex");
  const char *end = match_items(m, s, p);
  m->depth--;
  return end;
}

static const char *match_at(struct matcher *m, const char *s, const char *p)
{
  m->count = 0;
  m->depth = 0;
  return match_here(m, s, p);
}

/* ---- captures as values ---- */

/* Capture i of a match from s to end; without captures, number 0 is the whole match. */
static void push_capture(struct matcher *m, int i, const char *s, const char *end)
{
  if (i >= m->count) {
    if (i != 0) luaL_error(m->L, "invalid capture index %%%d", i + 1);
    lua_pushlstring(m->L, s, (size_t)(end - s));
    return;
  }
  struct capture *capture = &m->captures[i];
  if (capture->size == UNCLOSED) luaL_error(m->L, "unfinished capture");
  if (capture->size == POSITION)
    lua_pushinteger(m->L, capture->start - m->text + 1);
  else
    lua_pushlstring(m->L, capture->start, (size_t)capture->size);
}

static int push_captures(struct matcher *m, const char *s, const char *end, bool whole_if_none)
{
  int count = m->count == 0 && whole_if_none ? 1 : m->count;
  luaL_checkstack(m->L, count, "too many captures");
  for (int i = 0; i < count; i++) push_capture(m, i, s, end);
  return count;
}

static struct matcher start(lua_State *L, const char *text, size_t size, const char *pattern,
                            size_t pattern_size)
{
  return (struct matcher){
      .L = L, .text = text, .text_end = text + size, .pattern_end = pattern + pattern_size};
}

/* The 0-based place that argument `arg` names in a text of `size`; size + 1 when behind its end. */
static size_t first_place(lua_State *L, int arg, size_t size)
{
  lua_Integer at = luaL_optinteger(L, arg, 1);
  if (at > 0) return (lua_Unsigned)at - 1 > size ? size + 1 : (size_t)at - 1;
  if (at == 0 || at < -(lua_Integer)size) return 0;
  return size + (size_t)at;
}

/* ---- the functions ---- */

static int find_plain(lua_State *L, const char *text, size_t size, const char *part,
                      size_t part_size, size_t from)
{
  const char *at = part_size == 0 ? text + from : memmem(text + from, size - from, part, part_size);
  if (!at) {
    lua_pushnil(L);
    return 1;
  }
  lua_pushinteger(L, at - text + 1);
  lua_pushinteger(L, at - text + (lua_Integer)part_size);
  return 2;
}

static int find_or_match(lua_State *L, bool find)
{
  size_t size, pattern_size;
  const char *text = luaL_checklstring(L, 1, &size);
  const char *pattern = luaL_checklstring(L, 2, &pattern_size);
  size_t from = first_place(L, 3, size);
  if (from > size) {
    lua_pushnil(L);
    return 1;
  }
  static const char specials[] = "^$*+?.([%-";
  bool special = false;
  for (size_t i = 0; i < pattern_size && !special; i++)
    special = pattern[i] && strchr(specials, pattern[i]);
  if (find && (lua_toboolean(L, 4) || !special))
    return find_plain(L, text, size, pattern, pattern_size, from);
  struct matcher m = start(L, text, size, pattern, pattern_size);
  bool anchored = pattern_size > 0 && *pattern == '^';
  for (const char *s = text + from; s <= m.text_end; s++) {
    const char *end = match_at(&m, s, pattern + anchored);
    if (end && find) {
      lua_pushinteger(L, s - text + 1);
      lua_pushinteger(L, end - text);
      return push_captures(&m, s, end, false) + 2;
    }
    if (end) return push_captures(&m, s, end, true);
    if (anchored) break;
  }
  lua_pushnil(L);
  return 1;
}

int hgl_pattern_find(lua_State *L)
{
  return find_or_match(L, true);
}

int hgl_pattern_match(lua_State *L)
{
  return find_or_match(L, false);
}

/* Upvalues: text, pattern, where to go on, where the last match ended (or -1). */
static int next_match(lua_State *L)
{
  size_t size, pattern_size;
  const char *text = lua_tolstring(L, lua_upvalueindex(1), &size);
  const char *pattern = lua_tolstring(L, lua_upvalueindex(2), &pattern_size);
  size_t from = (size_t)lua_tointeger(L, lua_upvalueindex(3));
  lua_Integer last_end = lua_tointeger(L, lua_upvalueindex(4));
  assert(text && pattern);
  if (from > size) return 0;
  struct matcher m = start(L, text, size, pattern, pattern_size);
  for (const char *s = text + from; s <= m.text_end; s++) {
    const char *end = match_at(&m, s, pattern);
    if (!end || end - text == last_end) continue;
    lua_pushinteger(L, end - text);
    lua_copy(L, -1, lua_upvalueindex(3));
    lua_replace(L, lua_upvalueindex(4));
    return push_captures(&m, s, end, true);
  }
  lua_pushinteger(L, (lua_Integer)size + 1);
  lua_replace(L, lua_upvalueindex(3));
  return 0;
}

int hgl_pattern_gmatch(lua_State *L)
{
  size_t size;
  luaL_checklstring(L, 1, &size);
  luaL_checkstring(L, 2);
  size_t from = first_place(L, 3, size);
  lua_settop(L, 2);
  lua_pushinteger(L, (lua_Integer)from);
  lua_pushinteger(L, -1);
  lua_pushcclosure(L, next_match, 4);
  return 1;
}

static void add_expanded(struct matcher *m, luaL_Buffer *out, const char *s, const char *end)
{
  size_t size;
  const char *text = lua_tolstring(m->L, 3, &size);
  for (size_t i = 0; i < size; i++) {
    spend(m, 1);
    if (text[i] != '%') {
      luaL_addchar(out, text[i]);
      continue;
    }
    char c = ++i < size ? text[i] : 0;
    if (c == '%') {
      luaL_addchar(out, '%');
    } else if (c == '0') {
      luaL_addlstring(out, s, (size_t)(end - s));
    } else if (isdigit((unsigned char)c)) {
      push_capture(m, c - '1', s, end);
      luaL_tolstring(m->L, -1, NULL);
      lua_remove(m->L, -2);
      luaL_addvalue(out);
    } else {
      luaL_error(m->L, "invalid use of '%%' in replacement string");
    }
  }
}

static void add_replacement(struct matcher *m, luaL_Buffer *out, const char *s, const char *end)
{
  lua_State *L = m->L;
  switch (lua_type(L, 3)) {
  case LUA_TFUNCTION:
    lua_pushvalue(L, 3);
    lua_call(L, push_captures(m, s, end, true), 1);
    break;
  case LUA_TNUMBER:
  case LUA_TSTRING:
    add_expanded(m, out, s, end);
    return;
  default:
    push_capture(m, 0, s, end);
    lua_gettable(L, 3);
  }
  if (!lua_toboolean(L, -1)) {
    lua_pop(L, 1);
    lua_pushlstring(L, s, (size_t)(end - s));
  } else if (!lua_isstring(L, -1)) {
    luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
  }
  luaL_addvalue(out);
}

int hgl_pattern_gsub(lua_State *L)
{
  size_t size, pattern_size;
  const char *text = luaL_checklstring(L, 1, &size);
  const char *pattern = luaL_checklstring(L, 2, &pattern_size);
  int type = lua_type(L, 3);
  luaL_argexpected(L,
                   type == LUA_TNUMBER || type == LUA_TSTRING || type == LUA_TFUNCTION ||
                       type == LUA_TTABLE || type == LUA_TUSERDATA,
                   3, "string, function or table");
  lua_Integer count_max = luaL_optinteger(L, 4, (lua_Integer)size + 1);
  bool anchored = pattern_size > 0 && *pattern == '^';
  lua_settop(L, 3);
  struct matcher m = start(L, text, size, pattern, pattern_size);
  luaL_Buffer out;
  luaL_buffinit(L, &out);
  const char *s = text, *last_end = NULL;
  lua_Integer count = 0;
  assert(text);
  while (count < count_max) {
    const char *end = match_at(&m, s, pattern + anchored);
    if (end && end != last_end) {
      count++;
      add_replacement(&m, &out, s, end);
      s = last_end = end;
    } else if (s < m.text_end) {
      luaL_addchar(&out, *s++);
    } else {
      break;
    }
    if (anchored) break;
  }
  luaL_addlstring(&out, s, (size_t)(m.text_end - s));
  luaL_pushresult(&out);
  lua_pushinteger(L, count);
  return 2;
}
