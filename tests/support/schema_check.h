/* schema_check.h: whether a JSON value satisfies a schema, for tests of what is made to: a judge of
 * its own, which shares nothing with the converter in runtime/infer/engines/common. It knows the
 * keywords that the converter does, and says no where it meets another. */
#ifndef HGL_TESTS_SCHEMA_CHECK_H
#define HGL_TESTS_SCHEMA_CHECK_H

#include <jansson.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static bool schema_check(const json_t *root, const json_t *schema, const json_t *value);

static inline bool schema_check_type(const char *type, const json_t *value)
{
  if (strcmp(type, "null") == 0) return json_is_null(value);
  if (strcmp(type, "boolean") == 0) return json_is_boolean(value);
  if (strcmp(type, "integer") == 0) return json_is_integer(value);
  if (strcmp(type, "number") == 0) return json_is_number(value);
  if (strcmp(type, "string") == 0) return json_is_string(value);
  if (strcmp(type, "array") == 0) return json_is_array(value);
  return strcmp(type, "object") == 0 && json_is_object(value);
}

static inline bool schema_check_types(const json_t *types, const json_t *value)
{
  if (json_is_string(types)) return schema_check_type(json_string_value(types), value);
  size_t index;
  json_t *type;
  json_array_foreach(types, index,
                     type) if (schema_check_type(json_string_value(type), value)) return true;
  return false;
}

static inline size_t schema_check_count(const json_t *root, const json_t *schemas,
                                        const json_t *value)
{
  size_t index, count = 0;
  json_t *schema;
  json_array_foreach(schemas, index, schema) count += schema_check(root, schema, value);
  return count;
}

static inline size_t schema_check_length(const json_t *value)
{
  size_t count = 0;
  for (const char *at = json_string_value(value); *at; at++) count += (*at & 0xc0) != 0x80;
  return count;
}

static inline const json_t *schema_check_target(const json_t *root, const char *pointer)
{
  char path[256];
  const json_t *at = root;
  snprintf(path, sizeof path, "%s", pointer + 1);
  for (char *name = strtok(path, "/"); name && at; name = strtok(NULL, "/"))
    at = json_is_array(at) ? json_array_get(at, (size_t)atoi(name)) : json_object_get(at, name);
  return at;
}

static inline bool schema_check_object(const json_t *root, const json_t *schema,
                                       const json_t *value)
{
  const json_t *properties = json_object_get(schema, "properties");
  const json_t *others = json_object_get(schema, "additionalProperties"), *one;
  const char *name;
  size_t index;
  json_array_foreach(json_object_get(schema, "required"), index,
                     one) if (!json_object_get(value, json_string_value(one))) return false;
  json_object_foreach((json_t *)value, name, one)
  {
    const json_t *wanted = json_object_get(properties, name);
    if (!wanted) wanted = others;
    if (wanted && !schema_check(root, wanted, one)) return false;
  }
  return true;
}

/* One keyword. */
static inline bool schema_check_keyword(const json_t *root, const json_t *schema,
                                        const char *keyword, const json_t *wanted,
                                        const json_t *value)
{
  static const char *const notes[] = {
      "title",    "description",          "$defs",      "default", "$schema", "properties",
      "required", "additionalProperties", "definitions"};
  double number = json_number_value(value), limit = json_number_value(wanted);
  size_t index;
  json_t *one;
  for (size_t i = 0; i < sizeof notes / sizeof *notes; i++)
    if (strcmp(keyword, notes[i]) == 0) return true;
  if (strcmp(keyword, "type") == 0) return schema_check_types(wanted, value);
  if (strcmp(keyword, "const") == 0) return json_equal(wanted, value);
  if (strcmp(keyword, "$ref") == 0)
    return schema_check(root, schema_check_target(root, json_string_value(wanted)), value);
  if (strcmp(keyword, "anyOf") == 0) return schema_check_count(root, wanted, value) > 0;
  if (strcmp(keyword, "oneOf") == 0) return schema_check_count(root, wanted, value) == 1;
  if (strcmp(keyword, "allOf") == 0)
    return schema_check_count(root, wanted, value) == json_array_size(wanted);
  if (strcmp(keyword, "enum") == 0) {
    json_array_foreach(wanted, index, one) if (json_equal(one, value)) return true;
    return false;
  }
  if (strcmp(keyword, "items") == 0) {
    json_array_foreach(value, index, one) if (!schema_check(root, wanted, one)) return false;
    return true;
  }
  if (strcmp(keyword, "minItems") == 0 || strcmp(keyword, "maxItems") == 0) {
    double size = (double)json_array_size(value);
    return !json_is_array(value) || (keyword[1] == 'i' ? size >= limit : size <= limit);
  }
  if (strcmp(keyword, "minLength") == 0 || strcmp(keyword, "maxLength") == 0) {
    if (!json_is_string(value)) return true;
    double size = (double)schema_check_length(value);
    return keyword[1] == 'i' ? size >= limit : size <= limit;
  }
  if (strcmp(keyword, "minimum") == 0) return !json_is_number(value) || number >= limit;
  if (strcmp(keyword, "maximum") == 0) return !json_is_number(value) || number <= limit;
  if (strcmp(keyword, "exclusiveMinimum") == 0) return !json_is_number(value) || number > limit;
  if (strcmp(keyword, "exclusiveMaximum") == 0) return !json_is_number(value) || number < limit;
  fprintf(stderr, "schema_check: no keyword %s\n", keyword);
  return false;
}

static bool schema_check(const json_t *root, const json_t *schema, const json_t *value)
{
  if (json_is_boolean(schema)) return json_is_true(schema);
  const char *keyword;
  json_t *wanted;
  json_object_foreach(
      (json_t *)schema, keyword,
      wanted) if (!schema_check_keyword(root, schema, keyword, wanted, value)) return false;
  return !json_is_object(value) || schema_check_object(root, schema, value);
}

#endif
