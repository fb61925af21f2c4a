/* schema_overlap.c: whether two schemas can be satisfied by one value, as far as that is easily
 * seen: by their types, by the values that they list, or by a property that both require. */
#include "common/schema_core.h"

#include <string.h>

enum {
  ALTERNATIVES_MAX = 64,
  COMPARED_MAX = 10000, /* pairs of values */
};

/* The schema that stands for this one, and whether there is one. */
static const json_t *followed(struct schema_converter *converter, const json_t *schema)
{
  for (unsigned hops = 0; hops < SCHEMA_DEPTH_MAX; hops++) {
    const char *pointer = json_string_value(json_object_get(schema, "$ref"));
    if (!pointer) return schema;
    schema = hgl_schema_resolve(converter, pointer);
    if (!schema) return NULL;
  }
  return NULL;
}

/* The values that a schema lists: `*count` of them, the first `single` or those of `list`. */
static const json_t *listed(const json_t *schema, size_t index, size_t *count)
{
  const json_t *single = json_object_get(schema, "const");
  const json_t *list = json_object_get(schema, "enum");
  *count = single ? 1 : json_array_size(list);
  return single ? single : json_array_get(list, index);
}

static bool lists_differ(const json_t *left, const json_t *right)
{
  size_t left_count, right_count;
  listed(left, 0, &left_count);
  listed(right, 0, &right_count);
  if (left_count == 0 || right_count == 0) return false;
  if (left_count > COMPARED_MAX / right_count) return false; /* not easily seen */
  for (size_t i = 0; i < left_count; i++)
    for (size_t j = 0; j < right_count; j++)
      if (json_equal(listed(left, i, &left_count), listed(right, j, &right_count))) return false;
  return true;
}

static int types_of(struct schema_converter *converter, const json_t *schema)
{
  size_t count;
  listed(schema, 0, &count);
  int types = 0;
  for (size_t i = 0; i < count; i++)
    for (int type = SCHEMA_NULL; type <= SCHEMA_OBJECT; type <<= 1)
      if (hgl_schema_value_is(listed(schema, i, &count), type)) types |= type;
  if (count == 0) types = hgl_schema_types(converter, schema);
  if (types & SCHEMA_INTEGER) types |= SCHEMA_NUMBER;
  return types;
}

static bool is_required(const json_t *schema, const char *name)
{
  size_t index;
  json_t *value;
  json_array_foreach(json_object_get(schema, "required"), index,
                     value) if (json_is_string(value) &&
                                strcmp(json_string_value(value), name) == 0) return true;
  return false;
}

/* A property that both have to have, with different values. */
static bool property_differs(struct schema_converter *converter, const json_t *left,
                             const json_t *right)
{
  const char *name;
  json_t *value;
  json_object_foreach((json_t *)json_object_get(left, "properties"), name, value)
  {
    const json_t *other = json_object_get(json_object_get(right, "properties"), name);
    if (!other || !is_required(left, name) || !is_required(right, name)) continue;
    const json_t *mine = followed(converter, value);
    other = followed(converter, other);
    if (mine && other && lists_differ(mine, other)) return true;
  }
  return false;
}

static bool are_disjoint(struct schema_converter *converter, const json_t *left,
                         const json_t *right)
{
  left = followed(converter, left);
  right = followed(converter, right);
  if (!left || !right || !json_is_object(left) || !json_is_object(right)) return false;
  int left_types = types_of(converter, left), right_types = types_of(converter, right);
  if (left_types > 0 && right_types > 0) {
    int common = left_types & right_types;
    if (!common) return true;
    if (common == SCHEMA_OBJECT && property_differs(converter, left, right)) return true;
  }
  return lists_differ(left, right);
}

/* The types of its values, of which there may be more than it has; -1: not easily seen. */
static int begin_types(struct schema_converter *converter, const json_t *schema, unsigned *budget)
{
  static const char *const alternatives[] = {"anyOf", "oneOf", "allOf"};
  if (*budget == 0) return -1;
  --*budget;
  schema = followed(converter, schema);
  if (!schema || !json_is_object(schema)) return -1;
  for (size_t i = 0; i < sizeof alternatives / sizeof *alternatives; i++) {
    const json_t *list = json_object_get(schema, alternatives[i]), *value;
    size_t index;
    int types = 0;
    if (!list) continue;
    json_array_foreach(list, index, value)
    {
      int more = begin_types(converter, value, budget);
      if (more < 0) return -1;
      types |= more;
    }
    return types;
  }
  int types = types_of(converter, schema);
  return types > 0 ? types : -1;
}

/* Whether both begin with the same key, and then with different values. */
static bool first_differs(struct schema_converter *converter, const json_t *left,
                          const json_t *right)
{
  json_t *mine = json_object_get(left, "properties"),
         *theirs = json_object_get(right, "properties");
  void *first = json_object_iter(mine), *other = json_object_iter(theirs);
  if (!first || !other) return false;
  const char *name = json_object_iter_key(first);
  if (strcmp(name, json_object_iter_key(other)) != 0) return false;
  const json_t *one = followed(converter, json_object_iter_value(first));
  const json_t *two = followed(converter, json_object_iter_value(other));
  return one && two && is_required(left, name) && is_required(right, name) &&
         lists_differ(one, two);
}

static bool begin_apart(struct schema_converter *converter, const json_t *left, const json_t *right)
{
  unsigned budget = ALTERNATIVES_MAX;
  int mine = begin_types(converter, left, &budget), theirs = begin_types(converter, right, &budget);
  int common = mine & theirs & (SCHEMA_ARRAY | SCHEMA_OBJECT);
  if (!common) return true;
  left = followed(converter, left);
  right = followed(converter, right);
  return common == SCHEMA_OBJECT && mine > 0 && theirs > 0 && left && right &&
         first_differs(converter, left, right);
}

int32_t hgl_schema_begin_apart(struct schema_converter *converter, const json_t *schemas)
{
  size_t count = json_array_size(schemas);
  bool apart = count <= ALTERNATIVES_MAX;
  for (size_t i = 0; i < count && apart; i++)
    for (size_t j = i + 1; j < count && apart; j++)
      apart = begin_apart(converter, json_array_get(schemas, i), json_array_get(schemas, j));
  if (apart) return HAGGLE_OK;
  return hgl_schema_fail(converter, HAGGLE_UNSUPPORTED,
                         "alternatives that contain themselves are only supported when they begin "
                         "differently: by type, or objects by a required first property with a "
                         "const of its own");
}

int32_t hgl_schema_disjoint(struct schema_converter *converter, const json_t *schemas)
{
  size_t count = json_array_size(schemas);
  if (count > ALTERNATIVES_MAX)
    return hgl_schema_fail(converter, HAGGLE_UNSUPPORTED, "oneOf of more than %d schemas",
                           ALTERNATIVES_MAX);
  for (size_t i = 0; i < count; i++)
    for (size_t j = i + 1; j < count; j++)
      if (!are_disjoint(converter, json_array_get(schemas, i), json_array_get(schemas, j)))
        return hgl_schema_fail(
            converter, HAGGLE_UNSUPPORTED,
            "oneOf is only supported when its schemas visibly exclude each other "
            "(%zu and %zu may not: by type, or by a required property with a const "
            "of its own); use anyOf",
            i + 1, j + 1);
  return HAGGLE_OK;
}
