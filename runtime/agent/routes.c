#include "agent/routes.h"

#include <ctype.h>

#include "base/mem.h"

static struct hgl_bytes method_of(const char *name)
{
  return hgl_bytes(name, strcspn(name, " "));
}

static struct hgl_bytes pattern_of(const char *name)
{
  return hgl_text(name + strcspn(name, " ") + 1);
}

/* The next segment of a path that begins with a slash; false: it has none. */
static bool take_segment(struct hgl_bytes *path, struct hgl_bytes *segment)
{
  if (!path->size) return false;
  const uint8_t *start = path->data + 1, *end = path->data + path->size;
  const uint8_t *slash = start < end ? memchr(start, '/', (size_t)(end - start)) : NULL;
  if (!slash) slash = end;
  *segment = hgl_bytes(start, (size_t)(slash - start));
  *path = hgl_bytes(slash, (size_t)(end - slash));
  return true;
}

enum segment_kind { TEXT, PARAMETER, STAR };

static enum segment_kind kind_of(struct hgl_bytes segment)
{
  if (hgl_bytes_is(segment, "*")) return STAR;
  return segment.size && *segment.data == ':' ? PARAMETER : TEXT;
}

/* Adding -------------------------------------------------------------------------------------- */

static bool is_name(struct hgl_bytes text)
{
  for (size_t i = 0; i < text.size; i++)
    if (!isalnum(text.data[i]) && text.data[i] != '_') return false;
  return text.size > 0 && !isdigit(text.data[0]);
}

static int check_segment(struct hgl_bytes segment, bool last, struct hgl_err *err)
{
  if (!segment.size && !last)
    return hgl_fail(err, HGL_INVALID, "a path with an empty segment (\"//\")");
  if (kind_of(segment) == PARAMETER && !is_name(hgl_bytes(segment.data + 1, segment.size - 1)))
    return hgl_fail(err, HGL_INVALID, "'%.*s' is no parameter: write it as :name",
                    HGL_STR(segment));
  if (segment.size && memchr(segment.data, '*', segment.size) &&
      !(kind_of(segment) == STAR && last))
    return hgl_fail(err, HGL_INVALID, "a star stands alone, at the end of a path");
  if (hgl_bytes_is(segment, ".") || hgl_bytes_is(segment, ".."))
    return hgl_fail(err, HGL_INVALID, "a path with \"%.*s\"", HGL_STR(segment));
  for (size_t i = 0; i < segment.size; i++)
    if (segment.data[i] < ' ' || strchr("?#\\\x7f", segment.data[i]))
      return hgl_fail(err, HGL_INVALID, "a character that no path holds");
  return 0;
}

static bool has_twice(struct hgl_bytes pattern, struct hgl_bytes parameter)
{
  struct hgl_bytes segment;
  int count = 0;
  while (take_segment(&pattern, &segment)) count += hgl_bytes_equal(segment, parameter);
  return count > 1;
}

static int check_pattern(struct hgl_bytes pattern, struct hgl_err *err)
{
  struct hgl_bytes rest = pattern, segment;
  size_t parameters = 0;
  if (!pattern.size || *pattern.data != '/')
    return hgl_fail(err, HGL_INVALID, "a path begins with a slash, as in \"/forecast\"");
  while (take_segment(&rest, &segment)) {
    int status = check_segment(segment, !rest.size, err);
    if (status) return status;
    if (kind_of(segment) == TEXT) continue;
    if (has_twice(pattern, segment))
      return hgl_fail(err, HGL_INVALID, "'%.*s' stands twice in one path", HGL_STR(segment));
    if (++parameters > HGL_ROUTE_PARAMS_MAX)
      return hgl_fail(err, HGL_LIMIT, "more than %d parameters", HGL_ROUTE_PARAMS_MAX);
  }
  return 0;
}

/* Whether they fit the same paths. */
static bool means_the_same(struct hgl_bytes a, struct hgl_bytes b)
{
  struct hgl_bytes x, y;
  while (a.size && b.size) {
    take_segment(&a, &x);
    take_segment(&b, &y);
    if (kind_of(x) != kind_of(y) || (kind_of(x) == TEXT && !hgl_bytes_equal(x, y))) return false;
  }
  return !a.size && !b.size;
}

static int check_method(struct hgl_bytes method, struct hgl_err *err)
{
  static const char *const known[] = {"GET", "POST", "PUT", "PATCH", "DELETE"};
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (hgl_bytes_is(method, known[i])) return 0;
  return hgl_fail(err, HGL_INVALID,
                  "'%.*s' is no method: GET (which answers HEAD too), POST, PUT, PATCH, DELETE",
                  (int)(method.size < 40 ? method.size : 40), (const char *)method.data);
}

int routes_add(struct routes *routes, struct hgl_bytes name, int64_t within_ms, struct hgl_err *err)
{
  char *copy = hgl_strndup((const char *)name.data, name.size);
  if (!copy) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  int status = check_method(method_of(copy), err);
  if (!status) status = check_pattern(pattern_of(copy), err);
  for (size_t i = 0; i < routes->count && !status; i++)
    if (hgl_bytes_equal(method_of(routes->items[i].name), method_of(copy)) &&
        means_the_same(pattern_of(routes->items[i].name), pattern_of(copy)))
      status = hgl_fail(err, HGL_EXISTS, "'%s' fits the same paths as '%s'", copy,
                        routes->items[i].name);
  if (!status && routes->count == HGL_ROUTES_MAX)
    status = hgl_fail(err, HGL_LIMIT, "more than %d paths", HGL_ROUTES_MAX);
  if (!status && !HGL_GROW(routes->items, routes->count, routes->capacity))
    status = hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  if (status) {
    hgl_free(copy);
    return status;
  }
  routes->items[routes->count++] = (struct route){copy, within_ms};
  return 0;
}

void routes_deinit(struct routes *routes)
{
  for (size_t i = 0; i < routes->count; i++) hgl_free(routes->items[i].name);
  hgl_free(routes->items);
  *routes = (struct routes){0};
}

/* Finding ------------------------------------------------------------------------------------- */

static bool fits(const struct route *route, struct hgl_bytes path, struct route_match *out)
{
  struct hgl_bytes pattern = pattern_of(route->name), part, segment;
  out->route = route;
  out->param_count = 0;
  while (take_segment(&pattern, &part)) {
    if (!path.size) return false;
    struct hgl_bytes rest = hgl_bytes(path.data + 1, path.size - 1);
    take_segment(&path, &segment);
    enum segment_kind kind = kind_of(part);
    if (kind == TEXT ? !hgl_bytes_equal(part, segment) : kind == PARAMETER && !segment.size)
      return false;
    if (kind == TEXT) continue;
    out->params[out->param_count].name = kind == STAR ? part
                                                      : hgl_bytes(part.data + 1, part.size - 1);
    out->params[out->param_count++].value = kind == STAR ? rest : segment;
    if (kind == STAR) return true;
  }
  return !path.size;
}

/* Of two patterns that fit one path. */
static bool is_more_specific(struct hgl_bytes a, struct hgl_bytes b)
{
  struct hgl_bytes x, y;
  while (a.size && b.size) {
    take_segment(&a, &x);
    take_segment(&b, &y);
    if (kind_of(x) != kind_of(y)) return kind_of(x) < kind_of(y);
  }
  return false;
}

bool routes_find(const struct routes *routes, struct hgl_bytes method, struct hgl_bytes path,
                 struct route_match *out)
{
  struct hgl_bytes answered = hgl_bytes_is(method, "HEAD") ? hgl_text("GET") : method;
  bool found = false;
  for (size_t i = 0; i < routes->count; i++) {
    struct route_match match;
    const struct route *route = &routes->items[i];
    if (!hgl_bytes_equal(method_of(route->name), answered) || !fits(route, path, &match)) continue;
    if (found && !is_more_specific(pattern_of(route->name), pattern_of(out->route->name))) continue;
    *out = match;
    found = true;
  }
  return found;
}

void routes_allow(const struct routes *routes, struct hgl_bytes path, struct hgl_buf *out)
{
  static const char *const methods[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"};
  struct route_match match;
  for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
    if (!routes_find(routes, hgl_text(methods[i]), path, &match)) continue;
    if (out->size) hgl_buf_append_text(out, ", ");
    hgl_buf_append_text(out, methods[i]);
  }
}
