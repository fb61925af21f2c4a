#include "protocol/definition.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "protocol/did.h"
#include "protocol/scalar.h"

enum { PLACE_SHOWN_SIZE = 240 };

static const char *const rule_names[HGL_RULE_COUNT] = {
    [HGL_RULE_ANY] = "any", [HGL_RULE_BOOLEAN] = "boolean", [HGL_RULE_BYTES] = "bytes",
    [HGL_RULE_DID] = "did", [HGL_RULE_INTEGER] = "integer", [HGL_RULE_LIST] = "list",
    [HGL_RULE_MAP] = "map", [HGL_RULE_NUMBER] = "number",   [HGL_RULE_STRING] = "string",
};

const char *hgl_rule_name(enum hgl_rule_type type)
{
  return rule_names[type];
}

static bool is_number(enum hgl_rule_type type)
{
  return type == HGL_RULE_INTEGER || type == HGL_RULE_NUMBER;
}

static bool is_sized(enum hgl_rule_type type)
{
  return type == HGL_RULE_STRING || type == HGL_RULE_BYTES || type == HGL_RULE_LIST ||
         type == HGL_RULE_MAP;
}

static size_t place_show(const struct hgl_place *place, char *out, size_t size_max)
{
  char shown[HGL_SHOW_SIZE];
  size_t size = place->outer ? place_show(place->outer, out, size_max) : 0;
  int more = place->index ? snprintf(out + size, size_max - size, "[%zu]", place->index)
                          : snprintf(out + size, size_max - size, "%s%s", size ? "." : "",
                                     hgl_text_show(place->name, shown));
  size += (size_t)more;
  return size < size_max ? size : size_max - 1;
}

int hgl_place_fail(const struct hgl_place *place, struct hgl_err *err, enum hgl_code code,
                   const char *format, ...)
{
  char where[PLACE_SHOWN_SIZE], what[HGL_ERR_MESSAGE_SIZE];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(what, sizeof what, format, arguments);
  va_end(arguments);
  place_show(place, where, sizeof where);
  return hgl_fail(err, code, "%s: %s", where, what);
}

int hgl_pair_next(struct hgl_cbor_reader *in, struct hgl_pair *out, struct hgl_err *err)
{
  int status = hgl_cbor_get_text(in, "key", HGL_BODY_SIZE_MAX, &out->key, err);
  return status ? status : hgl_cbor_get_value(in, "value", &out->value, err);
}

bool hgl_value_is_null(struct hgl_bytes value)
{
  struct hgl_cbor_reader in = hgl_cbor_reader(value);
  struct hgl_cbor_item item;
  return hgl_cbor_next(&in, &item, NULL) == 0 && item.kind == HGL_CBOR_NULL;
}

int hgl_definition_open(struct hgl_bytes value, enum hgl_cbor_kind kind, size_t count_max,
                        const struct hgl_place *place, struct hgl_cbor_reader *in, size_t *count,
                        struct hgl_err *err)
{
  struct hgl_cbor_reader reader = hgl_cbor_reader(value);
  struct hgl_cbor_item item;
  char shown[HGL_SHOW_SIZE];
  int status = hgl_cbor_next(&reader, &item, err);
  if (status) return status;
  if (!hgl_item_opens(&item, kind))
    return hgl_place_fail(place, err, HGL_MALFORMED, "%s is expected, got %s",
                          kind == HGL_CBOR_LIST ? "a list" : "a map", hgl_value_show(value, shown));
  if (item.count > count_max)
    return hgl_place_fail(place, err, HGL_TOO_LARGE, "%zu entries, limit %zu", item.count,
                          count_max);
  *in = reader;
  *count = item.count;
  return 0;
}

/* Reading ------------------------------------------------------------------------------------- */

static int read_type(struct hgl_bytes value, const struct hgl_place *place, struct hgl_rule *out,
                     struct hgl_err *err)
{
  struct hgl_cbor_reader in = hgl_cbor_reader(value);
  struct hgl_cbor_item item;
  char shown[HGL_SHOW_SIZE];
  int status = hgl_cbor_next(&in, &item, err);
  if (status) return status;
  if (item.kind == HGL_CBOR_TEXT) {
    struct hgl_bytes name = item.bytes;
    bool optional = name.size && name.data[name.size - 1] == '?';
    if (optional) name.size--;
    for (int type = 0; type < HGL_RULE_COUNT; type++)
      if (hgl_bytes_is(name, rule_names[type])) {
        out->type = (enum hgl_rule_type)type;
        out->optional = optional;
        return 0;
      }
  }
  return hgl_place_fail(place, err, HGL_MALFORMED,
                        "%s is no type; types are any, boolean, bytes, did, integer, list, map, "
                        "number, string, with \"?\" at the end if optional",
                        hgl_value_show(value, shown));
}

/* 4.0 says the same as 4 where any number will do. */
static struct hgl_cbor_item normal_number(struct hgl_cbor_item item)
{
  if (item.kind == HGL_CBOR_DOUBLE && item.number >= -0x1p53 && item.number <= 0x1p53 &&
      (double)(int64_t)item.number == item.number)
    return (struct hgl_cbor_item){.kind = HGL_CBOR_INT, .integer = (int64_t)item.number};
  return item;
}

static int read_bound(struct hgl_bytes value, const struct hgl_place *place,
                      const struct hgl_rule *rule, bool *has, struct hgl_cbor_item *out,
                      struct hgl_err *err)
{
  struct hgl_cbor_reader in = hgl_cbor_reader(value);
  struct hgl_cbor_item item;
  char shown[HGL_SHOW_SIZE];
  int status = hgl_cbor_next(&in, &item, err);
  if (status) return status;
  if (item.kind == HGL_CBOR_NULL) return 0;
  if (!is_number(rule->type) && !is_sized(rule->type))
    return hgl_place_fail(place, err, HGL_MALFORMED, "min and max do not apply to type %s",
                          rule_names[rule->type]);
  item = normal_number(item);
  bool fits = rule->type == HGL_RULE_NUMBER ? hgl_item_is_number(&item) : item.kind == HGL_CBOR_INT;
  if (fits && is_sized(rule->type)) fits = item.integer >= 0;
  if (!fits)
    return hgl_place_fail(place, err, HGL_MALFORMED, "%s is no bound for type %s",
                          hgl_value_show(value, shown), rule_names[rule->type]);
  *has = true;
  *out = item;
  return 0;
}

static int compare_options(const void *a, const void *b)
{
  return hgl_bytes_compare(*(const struct hgl_bytes *)a, *(const struct hgl_bytes *)b);
}

static int read_options(struct hgl_bytes value, const struct hgl_place *place, struct hgl_rule *out,
                        struct hgl_err *err)
{
  struct hgl_cbor_reader in;
  size_t count = 0;
  char shown[HGL_SHOW_SIZE];
  if (hgl_value_is_null(value)) return 0;
  int status = hgl_definition_open(value, HGL_CBOR_LIST, HGL_DEFINITION_OPTIONS_MAX, place, &in,
                                   &count, err);
  if (status) return status;
  if (!count) return hgl_place_fail(place, err, HGL_MALFORMED, "names no option");
  if (out->type == HGL_RULE_LIST || out->type == HGL_RULE_MAP)
    return hgl_place_fail(place, err, HGL_MALFORMED, "does not apply to type %s",
                          rule_names[out->type]);
  out->options = hgl_array(count, sizeof *out->options);
  if (!out->options) return hgl_fail(err, HGL_NO_MEMORY, "no memory for a definition");
  struct hgl_rule bare = {.type = out->type};
  for (size_t i = 0; i < count; i++) {
    struct hgl_bytes option;
    if ((status = hgl_cbor_get_value(&in, "option", &option, err))) return status;
    struct hgl_cbor_reader content = hgl_cbor_reader(option), again = content;
    struct hgl_cbor_item item;
    if ((status = hgl_cbor_next(&again, &item, err))) return status;
    if (hgl_item_is_container(&item) || hgl_rule_check(&bare, &content, place, NULL))
      return hgl_place_fail(place, err, HGL_MALFORMED, "%s cannot be an option of type %s",
                            hgl_value_show(option, shown), rule_names[out->type]);
    if (out->type == HGL_RULE_NUMBER && normal_number(item).kind != item.kind)
      return hgl_place_fail(place, err, HGL_MALFORMED, "%s is an integer: write it as one",
                            hgl_value_show(option, shown));
    out->options[i] = option;
  }
  qsort(out->options, count, sizeof *out->options, compare_options);
  for (size_t i = 0; i < count; i++)
    if (!i || !hgl_bytes_equal(out->options[i], out->options[out->option_count - 1]))
      out->options[out->option_count++] = out->options[i];
  return 0;
}

static int read_of(struct hgl_bytes value, const struct hgl_place *place, struct hgl_rule *out,
                   int depth, struct hgl_err *err);

static int read_optional(struct hgl_bytes value, const struct hgl_place *place,
                         struct hgl_rule *out, struct hgl_err *err)
{
  struct hgl_cbor_reader in = hgl_cbor_reader(value);
  bool optional;
  if (hgl_value_is_null(value)) return 0;
  int status = hgl_cbor_get_bool(&in, "optional", &optional, err);
  if (status) return status;
  if (out->optional && !optional)
    return hgl_place_fail(place, err, HGL_MALFORMED, "false, but the type ends in \"?\"");
  out->optional = optional;
  return 0;
}

struct rule_parts {
  struct hgl_bytes type, optional, min, max, of, one_of; /* size 0: absent */
};

static int read_parts(struct hgl_bytes value, const struct hgl_place *place, struct rule_parts *out,
                      struct hgl_err *err)
{
  const struct {
    const char *key;
    struct hgl_bytes *part;
  } known[] = {{"type", &out->type}, {"optional", &out->optional},
               {"min", &out->min},   {"max", &out->max},
               {"of", &out->of},     {"one_of", &out->one_of}};
  struct hgl_cbor_reader in;
  size_t count = 0;
  int status = hgl_definition_open(value, HGL_CBOR_MAP, HGL_DEFINITION_FIELDS_MAX, place, &in,
                                   &count, err);
  for (; !status && count; count--) {
    struct hgl_pair pair;
    if ((status = hgl_pair_next(&in, &pair, err))) break;
    struct hgl_bytes *part = NULL;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
      if (hgl_bytes_is(pair.key, known[i].key)) part = known[i].part;
    char shown[HGL_SHOW_SIZE];
    if (!part)
      return hgl_place_fail(place, err, HGL_MALFORMED,
                            "unknown key '%s'; a type has type, optional, min, max, of, one_of",
                            hgl_text_show(pair.key, shown));
    *part = pair.value;
  }
  if (!status && !out->type.size) return hgl_place_fail(place, err, HGL_MALFORMED, "says no type");
  return status;
}

static int read_rule(struct hgl_bytes value, const struct hgl_place *place, int depth,
                     struct hgl_rule *out, struct hgl_err *err)
{
  struct hgl_cbor_reader in = hgl_cbor_reader(value);
  struct hgl_cbor_item item;
  int status = hgl_cbor_next(&in, &item, err);
  if (status) return status;
  if (item.kind != HGL_CBOR_MAP) return read_type(value, place, out, err);

  struct rule_parts parts = {0};
  struct hgl_place at;
  if ((status = read_parts(value, place, &parts, err))) return status;
  at = (struct hgl_place){place, hgl_text("type"), 0};
  if ((status = read_type(parts.type, &at, out, err))) return status;
  at = (struct hgl_place){place, hgl_text("optional"), 0};
  if (parts.optional.size && (status = read_optional(parts.optional, &at, out, err))) return status;
  at = (struct hgl_place){place, hgl_text("min"), 0};
  if (parts.min.size && (status = read_bound(parts.min, &at, out, &out->has_min, &out->min, err)))
    return status;
  at = (struct hgl_place){place, hgl_text("max"), 0};
  if (parts.max.size && (status = read_bound(parts.max, &at, out, &out->has_max, &out->max, err)))
    return status;
  if (out->has_min && out->has_max && hgl_number_compare(&out->min, &out->max) > 0)
    return hgl_place_fail(place, err, HGL_MALFORMED, "min is above max");
  at = (struct hgl_place){place, hgl_text("one_of"), 0};
  if (parts.one_of.size && (status = read_options(parts.one_of, &at, out, err))) return status;
  at = (struct hgl_place){place, hgl_text("of"), 0};
  return parts.of.size ? read_of(parts.of, &at, out, depth, err) : 0;
}

static int read_of(struct hgl_bytes value, const struct hgl_place *place, struct hgl_rule *out,
                   int depth, struct hgl_err *err)
{
  if (hgl_value_is_null(value)) return 0;
  if (out->type != HGL_RULE_LIST && out->type != HGL_RULE_MAP)
    return hgl_place_fail(place, err, HGL_MALFORMED, "only lists and maps have elements");
  if (depth == HGL_DEFINITION_DEPTH_MAX)
    return hgl_place_fail(place, err, HGL_TOO_DEEP, "types nested deeper than %d",
                          HGL_DEFINITION_DEPTH_MAX);
  out->of = hgl_zalloc(sizeof *out->of);
  if (!out->of) return hgl_fail(err, HGL_NO_MEMORY, "no memory for a definition");
  int status = read_rule(value, place, depth + 1, out->of, err);
  if (!status && out->of->optional)
    return hgl_place_fail(place, err, HGL_MALFORMED, "an element cannot be optional");
  return status;
}

int hgl_rule_read(struct hgl_bytes value, const struct hgl_place *place, struct hgl_rule *out,
                  struct hgl_err *err)
{
  return read_rule(value, place, 1, out, err);
}

void hgl_rule_deinit(struct hgl_rule *rule)
{
  hgl_free(rule->options);
  /* At most HGL_DEFINITION_DEPTH_MAX deep. */
  if (rule->of) hgl_rule_deinit(rule->of);
  hgl_free(rule->of);
}

/* Canonical form ------------------------------------------------------------------------------ */

static void put_bound(struct hgl_buf *out, bool has, const struct hgl_cbor_item *bound)
{
  if (!has)
    hgl_cbor_put_null(out);
  else if (bound->kind == HGL_CBOR_INT)
    hgl_cbor_put_int(out, bound->integer);
  else
    hgl_cbor_put_double(out, bound->number);
}

void hgl_rule_put(const struct hgl_rule *rule, struct hgl_buf *out)
{
  hgl_cbor_put_map(out, 6);
  hgl_cbor_put_literal(out, "of");
  if (rule->of)
    hgl_rule_put(rule->of, out);
  else
    hgl_cbor_put_null(out);
  hgl_cbor_put_literal(out, "max");
  put_bound(out, rule->has_max, &rule->max);
  hgl_cbor_put_literal(out, "min");
  put_bound(out, rule->has_min, &rule->min);
  hgl_cbor_put_literal(out, "type");
  hgl_cbor_put_literal(out, rule_names[rule->type]);
  hgl_cbor_put_literal(out, "one_of");
  if (rule->option_count)
    hgl_cbor_put_list(out, rule->option_count);
  else
    hgl_cbor_put_null(out);
  for (size_t i = 0; i < rule->option_count; i++) hgl_buf_append_bytes(out, rule->options[i]);
  hgl_cbor_put_literal(out, "optional");
  hgl_cbor_put_bool(out, rule->optional);
}

/* Checking ------------------------------------------------------------------------------------ */

static bool is_of_type(enum hgl_rule_type type, const struct hgl_cbor_item *item)
{
  struct hgl_key key;
  switch (type) {
  case HGL_RULE_BOOLEAN:
    return item->kind == HGL_CBOR_BOOL;
  case HGL_RULE_BYTES:
    return item->kind == HGL_CBOR_BYTES;
  case HGL_RULE_DID:
    return item->kind == HGL_CBOR_TEXT && hgl_did_parse(item->bytes, &key, NULL) == 0;
  case HGL_RULE_INTEGER:
    return item->kind == HGL_CBOR_INT;
  case HGL_RULE_LIST:
    return item->kind == HGL_CBOR_LIST;
  case HGL_RULE_MAP:
    return item->kind == HGL_CBOR_MAP;
  case HGL_RULE_NUMBER:
    return hgl_item_is_number(item);
  case HGL_RULE_STRING:
    return item->kind == HGL_CBOR_TEXT;
  default:
    return true;
  }
}

static int check_bounds(const struct hgl_rule *rule, const struct hgl_cbor_item *item,
                        struct hgl_bytes value, const struct hgl_place *place, struct hgl_err *err)
{
  struct hgl_cbor_item measure = *item;
  const char *what = "";
  char shown[HGL_SHOW_SIZE];
  if (is_sized(rule->type)) {
    size_t size = hgl_item_is_container(item) ? item->count : item->bytes.size;
    measure = (struct hgl_cbor_item){.kind = HGL_CBOR_INT, .integer = (int64_t)size};
    what = "the size of ";
  }
  if (rule->has_min && hgl_number_compare(&measure, &rule->min) < 0)
    return hgl_place_fail(place, err, HGL_PROTOCOL_VIOLATION, "%s%s is below the least permitted",
                          what, hgl_value_show(value, shown));
  if (rule->has_max && hgl_number_compare(&measure, &rule->max) > 0)
    return hgl_place_fail(place, err, HGL_PROTOCOL_VIOLATION, "%s%s is above the most permitted",
                          what, hgl_value_show(value, shown));
  return 0;
}

static bool is_option(const struct hgl_rule *rule, const struct hgl_cbor_item *item,
                      struct hgl_bytes value)
{
  for (size_t i = 0; i < rule->option_count; i++) {
    if (hgl_bytes_equal(rule->options[i], value)) return true;
    if (rule->type != HGL_RULE_NUMBER) continue;
    struct hgl_cbor_reader in = hgl_cbor_reader(rule->options[i]);
    struct hgl_cbor_item option;
    if (hgl_cbor_next(&in, &option, NULL) == 0 && hgl_item_is_number(&option) &&
        hgl_number_compare(&option, item) == 0)
      return true;
  }
  return false;
}

static int check_elements(const struct hgl_rule *rule, struct hgl_bytes value,
                          const struct hgl_place *place, struct hgl_err *err)
{
  struct hgl_cbor_reader in = hgl_cbor_reader(value);
  struct hgl_cbor_item head;
  int status = hgl_cbor_next(&in, &head, err);
  for (size_t i = 0; !status && i < head.count; i++) {
    struct hgl_place at = {place, {NULL, 0}, i + 1};
    if (head.kind == HGL_CBOR_MAP) {
      at.index = 0;
      if ((status = hgl_cbor_get_text(&in, "key", SIZE_MAX, &at.name, err))) break;
    }
    status = hgl_rule_check(rule->of, &in, &at, err);
  }
  return status;
}

int hgl_rule_check(const struct hgl_rule *rule, struct hgl_cbor_reader *in,
                   const struct hgl_place *place, struct hgl_err *err)
{
  struct hgl_bytes value;
  struct hgl_cbor_item item;
  char shown[HGL_SHOW_SIZE];
  struct hgl_cbor_reader head = *in;
  int status = hgl_cbor_next(&head, &item, err);
  if (!status) status = hgl_cbor_get_value(in, "value", &value, err);
  if (status) return status;
  if (!is_of_type(rule->type, &item))
    return hgl_place_fail(place, err, HGL_PROTOCOL_VIOLATION, "%s %s is expected, got %s",
                          rule->type == HGL_RULE_INTEGER ? "an" : "a", rule_names[rule->type],
                          hgl_value_show(value, shown));
  if ((status = check_bounds(rule, &item, value, place, err))) return status;
  if (rule->option_count && !is_option(rule, &item, value))
    return hgl_place_fail(place, err, HGL_PROTOCOL_VIOLATION, "%s is not one of those permitted",
                          hgl_value_show(value, shown));
  return rule->of ? check_elements(rule, value, place, err) : 0;
}
