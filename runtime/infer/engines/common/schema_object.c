/* schema_object.c: objects: properties in their order, commas between those that are there. */
#include "common/schema_core.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct property {
  const char *name;
  const json_t *schema; /* NULL: any value */
  bool required;
  unsigned rule;
};

static int32_t properties_read(struct schema_converter *converter, const json_t *schema,
                               struct property *properties, size_t *count)
{
  const json_t *listed = json_object_get(schema, "properties");
  const json_t *required = json_object_get(schema, "required"), *value;
  const json_t *others = json_object_get(schema, "additionalProperties");
  const char *name;
  size_t index;
  *count = 0;
  json_object_foreach((json_t *)listed, name, value)
      properties[(*count)++] = (struct property){.name = name, .schema = value};
  json_array_foreach(required, index, value)
  {
    const char *wanted = json_string_value(value);
    if (!wanted)
      return hgl_schema_fail(converter, HAGGLE_INVALID, "required is not a list of names");
    size_t at = 0;
    while (at < *count && strcmp(properties[at].name, wanted) != 0) at++;
    if (at == *count) {
      if (json_is_false(others))
        return hgl_schema_fail(converter, HAGGLE_INVALID,
                               "it requires '%.60s' and forbids what is not among properties",
                               wanted);
      properties[(*count)++] = (struct property){.name = wanted, .schema = others};
    }
    properties[at].required = true;
  }
  return HAGGLE_OK;
}

static int32_t put_key(struct schema_converter *converter, const char *name, struct text *out)
{
  json_t *text = json_string(name);
  char *written = text ? json_dumps(text, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
  json_decref(text);
  struct text key;
  hgl_text_init(&key, SCHEMA_GRAMMAR_MAX);
  if (written) {
    hgl_text_put(&key, written);
    hgl_text_put(&key, ":");
  }
  free(written);
  if (!key.data || key.failed) {
    hgl_text_deinit(&key);
    return hgl_schema_fail(converter, HAGGLE_NO_MEMORY, "no memory");
  }
  hgl_grammar_literal(out, key.data, key.size);
  hgl_text_deinit(&key);
  return HAGGLE_OK;
}

/* From the last property to the first, two rules each: what follows when none was written yet, and
 * what follows when one was, so that commas stand between those that are there. */
static int32_t properties_write(struct schema_converter *converter,
                                const struct property *properties, size_t count, struct text *out)
{
  struct text *rules = &converter->grammar->rules;
  unsigned begun = 0, fresh = 0; /* of what follows; none yet after the last */
  for (size_t i = count; i-- > 0;) {
    char rest[32] = "", skipped[32] = "\"\"", untouched[32] = "\"\"";
    if (i + 1 < count) {
      snprintf(rest, sizeof rest, " r%u", begun);
      snprintf(skipped, sizeof skipped, "r%u", begun);
      snprintf(untouched, sizeof untouched, "r%u", fresh);
    }
    begun = converter->grammar->rule_count++;
    fresh = converter->grammar->rule_count++;
    for (int first = 0; first < 2; first++) {
      hgl_text_format(rules, "r%u ::= %s", first ? fresh : begun, first ? "" : "\",\" ");
      int32_t status = put_key(converter, properties[i].name, rules);
      if (status) return status;
      if (properties[i].schema)
        hgl_text_format(rules, " r%u%s", properties[i].rule, rest);
      else
        hgl_text_format(rules, " value%s", rest);
      if (!properties[i].required) hgl_text_format(rules, " | %s", first ? untouched : skipped);
      hgl_text_put(rules, "\n");
    }
  }
  hgl_text_format(out, "\"{\" r%u \"}\"", fresh);
  return HAGGLE_OK;
}

static int32_t properties_convert(struct schema_converter *converter, const json_t *schema,
                                  struct property *properties, struct text *out)
{
  size_t count;
  int32_t status = properties_read(converter, schema, properties, &count);
  for (size_t i = 0; !status && i < count; i++)
    if (properties[i].schema) {
      size_t before = hgl_schema_enter(converter, "properties");
      status = hgl_schema_child(converter, properties[i].schema, properties[i].name, true,
                                &properties[i].rule);
      if (!status) hgl_schema_leave(converter, before);
    }
  return status ? status : properties_write(converter, properties, count, out);
}

/* An object of which no property is known by name. */
static int32_t convert_map(struct schema_converter *converter, const json_t *others,
                           struct text *out)
{
  unsigned rule, more;
  if (!others || json_is_true(others)) {
    hgl_text_put(out, "object");
    return HAGGLE_OK;
  }
  if (json_is_false(others)) {
    hgl_text_put(out, "\"{}\"");
    return HAGGLE_OK;
  }
  int32_t status = hgl_schema_child(converter, others, "additionalProperties", true, &rule);
  if (status) return status;
  more = converter->grammar->rule_count++;
  hgl_text_format(&converter->grammar->rules, "r%u ::= string \":\" r%u\n", more, rule);
  hgl_text_format(out, "\"{\" (r%u (\",\" r%u)*)? \"}\"", more, more);
  return HAGGLE_OK;
}

int32_t hgl_schema_object(struct schema_converter *converter, const json_t *schema,
                          struct text *out)
{
  const json_t *listed = json_object_get(schema, "properties");
  const json_t *required = json_object_get(schema, "required");
  const json_t *others = json_object_get(schema, "additionalProperties");
  if (listed && !json_is_object(listed))
    return hgl_schema_fail(converter, HAGGLE_INVALID, "properties is not an object");
  if (required && !json_is_array(required))
    return hgl_schema_fail(converter, HAGGLE_INVALID, "required is not a list of names");
  if (others && !json_is_boolean(others) && !json_is_object(others))
    return hgl_schema_fail(converter, HAGGLE_INVALID, "additionalProperties is not a schema");
  size_t room = json_object_size(listed) + json_array_size(required);
  if (room == 0) return convert_map(converter, others, out);
  if (room > SCHEMA_PROPERTIES_MAX)
    return hgl_schema_fail(converter, HAGGLE_TOO_LARGE, "more than %d properties",
                           SCHEMA_PROPERTIES_MAX);
  struct property *properties = calloc(room, sizeof *properties);
  if (!properties) return hgl_schema_fail(converter, HAGGLE_NO_MEMORY, "no memory");
  int32_t status = properties_convert(converter, schema, properties, out);
  free(properties);
  return status;
}
