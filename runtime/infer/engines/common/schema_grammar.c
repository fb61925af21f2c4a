#include "common/schema_core.h"

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* No control characters but escaped ones, no surrogates: these are what other readers refuse. */
static const char common_rules[] =
    "char ::= [^\"\\\\\\x7F\\x00-\\x1F] | \"\\\\\" ([\"\\\\bfnrt/] | \"u00\" (\"0\" [1-9a-f] | "
    "\"1\" [0-9a-f]))\n"
    "string ::= \"\\\"\" char* \"\\\"\"\n"
    "integer ::= \"-\"? (\"0\" | [1-9] [0-9]{0,14})\n"
    "number ::= integer (\".\" [0-9]{1,15})? ([eE] [-+]? [0-9]{1,2})?\n"
    "object ::= \"{\" (string \":\" value (\",\" string \":\" value)*)? \"}\"\n"
    "array ::= \"[\" (value (\",\" value)*)? \"]\"\n"
    "value ::= object | array | string | number | \"true\" | \"false\" | \"null\"\n";

static int32_t convert(struct schema_converter *converter, const json_t *schema, unsigned rule);

void hgl_grammar_init(struct grammar *grammar)
{
  *grammar = (struct grammar){0};
  hgl_text_init(&grammar->rules, SCHEMA_GRAMMAR_MAX);
}

void hgl_grammar_deinit(struct grammar *grammar)
{
  hgl_text_deinit(&grammar->rules);
}

void hgl_grammar_literal(struct text *out, const char *data, size_t size)
{
  hgl_text_put(out, "\"");
  for (size_t i = 0; i < size; i++) {
    char c = data[i];
    if (c == '"' || c == '\\')
      hgl_text_format(out, "\\%c", c);
    else if ((unsigned char)c < 0x20 || c == 0x7f)
      hgl_text_format(out, "\\x%02X", (unsigned)c);
    else
      hgl_text_add(out, &c, 1);
  }
  hgl_text_put(out, "\"");
}

int32_t hgl_schema_fail(struct schema_converter *converter, int32_t status, const char *format, ...)
{
  char words[320];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(words, sizeof words, format, arguments);
  va_end(arguments);
  /* The end of a long place says more than its beginning. */
  const char *place = converter->place.failed ? "schema" : converter->place.data;
  size_t size = strlen(place), room = 160;
  if (size > room) {
    place += size - room;
    while ((*place & 0xc0) == 0x80) place++;
    return hgl_engine_fail(converter->error, status, "…%s: %s", place, words);
  }
  return hgl_engine_fail(converter->error, status, "%s: %s", place, words);
}

/* Keywords ------------------------------------------------------------------------------------- */

enum keyword_role {
  NOTE,  /* says nothing of values */
  WHOLE, /* decides by itself */
  PART,  /* of a type */
};

static const struct keyword {
  const char *name;
  enum keyword_role role;
  int types; /* that it speaks of */
} keywords[] = {
    {"title", NOTE, 0},
    {"description", NOTE, 0},
    {"default", NOTE, 0},
    {"examples", NOTE, 0},
    {"deprecated", NOTE, 0},
    {"readOnly", NOTE, 0},
    {"writeOnly", NOTE, 0},
    {"$comment", NOTE, 0},
    {"$schema", NOTE, 0},
    {"$defs", NOTE, 0},
    {"definitions", NOTE, 0},
    {"$ref", WHOLE, 0},
    {"anyOf", WHOLE, 0},
    {"oneOf", WHOLE, 0},
    {"allOf", WHOLE, 0},
    {"const", WHOLE, 0},
    {"enum", WHOLE, 0},
    {"type", PART, 0},
    {"properties", PART, SCHEMA_OBJECT},
    {"required", PART, SCHEMA_OBJECT},
    {"additionalProperties", PART, SCHEMA_OBJECT},
    {"items", PART, SCHEMA_ARRAY},
    {"minItems", PART, SCHEMA_ARRAY},
    {"maxItems", PART, SCHEMA_ARRAY},
    {"uniqueItems", PART, SCHEMA_ARRAY},
    {"minLength", PART, SCHEMA_STRING},
    {"maxLength", PART, SCHEMA_STRING},
    {"minimum", PART, SCHEMA_NUMBER},
    {"maximum", PART, SCHEMA_NUMBER},
    {"exclusiveMinimum", PART, SCHEMA_NUMBER},
    {"exclusiveMaximum", PART, SCHEMA_NUMBER},
};

static const struct keyword *keyword_find(const char *name)
{
  for (size_t i = 0; i < sizeof keywords / sizeof *keywords; i++)
    if (strcmp(keywords[i].name, name) == 0) return &keywords[i];
  return NULL;
}

static const struct {
  const char *name;
  int type;
} type_names[] = {
    {"null", SCHEMA_NULL},     {"boolean", SCHEMA_BOOLEAN}, {"integer", SCHEMA_INTEGER},
    {"number", SCHEMA_NUMBER}, {"string", SCHEMA_STRING},   {"array", SCHEMA_ARRAY},
    {"object", SCHEMA_OBJECT},
};

static int type_named(struct schema_converter *converter, const json_t *name)
{
  const char *text = json_string_value(name);
  for (size_t i = 0; text && i < sizeof type_names / sizeof *type_names; i++)
    if (strcmp(type_names[i].name, text) == 0) return type_names[i].type;
  hgl_schema_fail(
      converter, HAGGLE_INVALID,
      "type is null, boolean, integer, number, string, array or object, or a list of these");
  return -1;
}

int hgl_schema_types(struct schema_converter *converter, const json_t *schema)
{
  const json_t *type = json_object_get(schema, "type"), *value;
  int types = 0;
  if (json_is_array(type) && json_array_size(type) > 0) {
    size_t index;
    json_array_foreach(type, index, value)
    {
      int one = type_named(converter, value);
      if (one < 0) return one;
      types |= one;
    }
    return types;
  }
  if (type) return type_named(converter, type);
  const char *name;
  json_object_foreach((json_t *)schema, name, value)
  {
    const struct keyword *keyword = keyword_find(name);
    if (keyword) types |= keyword->types;
  }
  return types;
}

bool hgl_schema_value_is(const json_t *value, int types)
{
  switch (json_typeof(value)) {
  case JSON_NULL:
    return types & SCHEMA_NULL;
  case JSON_TRUE:
  case JSON_FALSE:
    return types & SCHEMA_BOOLEAN;
  case JSON_INTEGER:
    return types & (SCHEMA_INTEGER | SCHEMA_NUMBER);
  case JSON_REAL:
    return types & SCHEMA_NUMBER;
  case JSON_STRING:
    return types & SCHEMA_STRING;
  case JSON_ARRAY:
    return types & SCHEMA_ARRAY;
  case JSON_OBJECT:
    return types & SCHEMA_OBJECT;
  }
  return false;
}

/* Each keyword is known, and the one that decides by itself (`*whole`) has no other beside it. */
static int32_t keywords_check(struct schema_converter *converter, const json_t *schema,
                              const char **whole)
{
  const char *name, *part = NULL;
  json_t *value;
  *whole = NULL;
  json_object_foreach((json_t *)schema, name, value)
  {
    const struct keyword *keyword = keyword_find(name);
    /* The base of references, which are all within the schema here. */
    if (strcmp(name, "$id") == 0 && schema == converter->root) continue;
    if (!keyword)
      return hgl_schema_fail(converter, HAGGLE_UNSUPPORTED, "the keyword '%.60s' is not supported",
                             name);
    if (keyword->role == WHOLE) {
      if (*whole)
        return hgl_schema_fail(converter, HAGGLE_UNSUPPORTED, "%s beside %s is not supported", name,
                               *whole);
      *whole = keyword->name;
    } else if (keyword->role == PART) {
      part = keyword->name;
    }
  }
  bool lists = *whole && (strcmp(*whole, "enum") == 0 || strcmp(*whole, "const") == 0);
  if (lists && part && (strcmp(part, "type") != 0 || hgl_schema_types(converter, schema) < 0))
    return hgl_schema_fail(converter, HAGGLE_UNSUPPORTED, "%s beside %s is not supported", part,
                           *whole);
  if (*whole && part && !lists)
    return hgl_schema_fail(converter, HAGGLE_UNSUPPORTED, "%s beside %s is not supported", part,
                           *whole);
  return HAGGLE_OK;
}

/* Places ----------------------------------------------------------------------------------------
 */

size_t hgl_schema_enter(struct schema_converter *converter, const char *name)
{
  size_t before = converter->place.size;
  hgl_text_put(&converter->place, ".");
  hgl_text_put(&converter->place, name);
  return before;
}

void hgl_schema_leave(struct schema_converter *converter, size_t before)
{
  hgl_text_cut(&converter->place, before);
}

static int32_t rule_write(struct schema_converter *converter, unsigned rule, struct text *right)
{
  struct text *rules = &converter->grammar->rules;
  hgl_text_format(rules, "r%u ::= ", rule);
  if (right->failed) rules->failed = true;
  if (right->data) hgl_text_add(rules, right->data, right->size);
  hgl_text_put(rules, "\n");
  hgl_text_deinit(right);
  if (rules->failed)
    return hgl_schema_fail(converter, HAGGLE_TOO_LARGE,
                           "the schema is too large (its grammar exceeds %d KiB)",
                           SCHEMA_GRAMMAR_MAX / 1024);
  return HAGGLE_OK;
}

int32_t hgl_schema_child(struct schema_converter *converter, const json_t *schema, const char *name,
                         bool deeper, unsigned *rule)
{
  size_t before = hgl_schema_enter(converter, name);
  *rule = converter->grammar->rule_count++;
  unsigned ways = converter->ways;
  converter->level += deeper;
  int32_t status = convert(converter, schema, *rule);
  converter->level -= deeper;
  if (converter->ways < ways) converter->ways = ways; /* of those beside it, one is written */
  if (!status) hgl_schema_leave(converter, before);
  return status;
}

/* Whole schemas ---------------------------------------------------------------------------------
 */

/* Names of JSON pointers (RFC 6901, section 3): ~1 is a slash, ~0 a tilde. */
static bool pointer_name(const char **pointer, char *name, size_t room)
{
  size_t size = 0;
  const char *at = *pointer + 1;
  for (; *at && *at != '/'; at++) {
    char c = *at;
    if (c == '~') {
      at++;
      if (*at != '0' && *at != '1') return false;
      c = *at == '0' ? '~' : '/';
    }
    if (size + 1 >= room) return false;
    name[size++] = c;
  }
  name[size] = '\0';
  *pointer = at;
  return true;
}

static const json_t *pointed(const json_t *from, const char *name)
{
  if (json_is_object(from)) return json_object_get(from, name);
  if (!json_is_array(from) || !isdigit((unsigned char)*name) || strlen(name) > 6) return NULL;
  return json_array_get(from, strtoul(name, NULL, 10));
}

const json_t *hgl_schema_resolve(struct schema_converter *converter, const char *pointer)
{
  const json_t *at = converter->root;
  const char *rest = pointer + 1;
  char name[256];
  if (*pointer != '#' || (*rest && *rest != '/')) {
    hgl_schema_fail(converter, HAGGLE_UNSUPPORTED,
                    "$ref '%.80s' is not supported: only what begins with #/ is", pointer);
    return NULL;
  }
  while (at && *rest) at = pointer_name(&rest, name, sizeof name) ? pointed(at, name) : NULL;
  if (!at) hgl_schema_fail(converter, HAGGLE_INVALID, "$ref '%.80s' points to nothing", pointer);
  return at;
}

static void lead_back(struct schema_converter *converter, const struct schema_target *target)
{
  unsigned to = target->open ? (unsigned)(target - converter->targets) : target->leads_to;
  if (to < converter->leads_to && converter->targets[to].open) converter->leads_to = to;
}

static int32_t convert_reference(struct schema_converter *converter, const json_t *schema,
                                 struct text *out)
{
  const char *pointer = json_string_value(json_object_get(schema, "$ref"));
  if (!pointer) return hgl_schema_fail(converter, HAGGLE_INVALID, "$ref is not a text");
  const json_t *target = hgl_schema_resolve(converter, pointer);
  if (!target) return converter->error->status;
  struct schema_target *known = NULL;
  for (unsigned i = 0; i < converter->target_count; i++)
    if (converter->targets[i].schema == target) known = &converter->targets[i];
  if (known && known->open && known->level == converter->level)
    return hgl_schema_fail(converter, HAGGLE_INVALID, "$ref '%.80s' leads back to itself", pointer);
  if (!known) {
    if (converter->target_count == SCHEMA_REFS_MAX)
      return hgl_schema_fail(converter, HAGGLE_TOO_LARGE, "more than %d different $ref",
                             SCHEMA_REFS_MAX);
    known = &converter->targets[converter->target_count++];
    *known = (struct schema_target){
        target, converter->grammar->rule_count++, converter->level, true, 1, UINT_MAX};
    unsigned leads_to = converter->leads_to;
    converter->leads_to = UINT_MAX;
    int32_t status = convert(converter, target, known->rule);
    if (status) return status;
    known->open = false;
    known->ways = converter->ways;
    if (converter->leads_to < (unsigned)(known - converter->targets))
      known->leads_to = converter->leads_to;
    converter->leads_to = leads_to;
  }
  converter->ways = known->ways;
  lead_back(converter, known);
  hgl_text_format(out, "r%u", known->rule);
  return HAGGLE_OK;
}

/* llama.cpp follows each alternative that text may belong to, and reaches each on every way that
 * leads to it; alternatives within alternatives multiply. */
static int32_t ways_add(struct schema_converter *converter, unsigned *ways)
{
  *ways += converter->ways;
  if (*ways <= SCHEMA_WAYS_MAX) return HAGGLE_OK;
  return hgl_schema_fail(converter, HAGGLE_TOO_LARGE,
                         "alternatives within alternatives: more than %d at once", SCHEMA_WAYS_MAX);
}

static int32_t convert_alternatives(struct schema_converter *converter, const json_t *schema,
                                    const char *keyword, struct text *out)
{
  const json_t *list = json_object_get(schema, keyword), *value;
  size_t index;
  if (!json_is_array(list) || json_array_size(list) == 0)
    return hgl_schema_fail(converter, HAGGLE_INVALID, "%s is not a list of schemas", keyword);
  if (strcmp(keyword, "allOf") == 0 && json_array_size(list) > 1)
    return hgl_schema_fail(converter, HAGGLE_UNSUPPORTED,
                           "allOf of several schemas is not supported");
  unsigned ways = 0, leads_to = converter->leads_to;
  int32_t status;
  converter->leads_to = UINT_MAX;
  json_array_foreach(list, index, value)
  {
    char name[48];
    unsigned rule;
    snprintf(name, sizeof name, "%s[%zu]", keyword, index + 1);
    converter->ways = 1;
    if ((status = hgl_schema_child(converter, value, name, false, &rule))) return status;
    hgl_text_format(out, "%sr%u", index > 0 ? " | " : "", rule);
    if ((status = ways_add(converter, &ways))) return status;
  }
  /* Otherwise there were more of them with each bracket that opens. */
  if (converter->leads_to != UINT_MAX && (status = hgl_schema_begin_apart(converter, list)))
    return status;
  if (leads_to < converter->leads_to) converter->leads_to = leads_to;
  converter->ways = ways;
  return strcmp(keyword, "oneOf") == 0 ? hgl_schema_disjoint(converter, list) : HAGGLE_OK;
}

static int32_t put_value(struct schema_converter *converter, const json_t *value, struct text *out)
{
  char *written = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
  if (!written) return hgl_schema_fail(converter, HAGGLE_NO_MEMORY, "no memory");
  hgl_grammar_literal(out, written, strlen(written));
  free(written);
  return HAGGLE_OK;
}

static int32_t convert_values(struct schema_converter *converter, const json_t *schema,
                              struct text *out)
{
  int types = hgl_schema_types(converter, schema);
  const json_t *single = json_object_get(schema, "const"), *list = json_object_get(schema, "enum");
  size_t count = single ? 1 : json_array_size(list), put = 0;
  if (!single && count == 0)
    return hgl_schema_fail(converter, HAGGLE_INVALID, "enum is not a list of values");
  for (size_t i = 0; i < count; i++) {
    const json_t *value = single ? single : json_array_get(list, i);
    if (types > 0 && !hgl_schema_value_is(value, types)) continue;
    if (put++ > 0) hgl_text_put(out, " | ");
    int32_t status = put_value(converter, value, out);
    if (status) return status;
  }
  converter->ways = (unsigned)put; /* bounded by the grammar's size */
  if (put == 0)
    return hgl_schema_fail(converter, HAGGLE_INVALID, "none of its values is of its type");
  return HAGGLE_OK;
}

/* Types -----------------------------------------------------------------------------------------
 */

/* `*low` and `*high` (-1: none) of a repetition. */
static int32_t counts(struct schema_converter *converter, const json_t *schema, const char *least,
                      const char *most, int *low, int *high)
{
  const char *names[2] = {least, most};
  int *limits[2] = {low, high};
  *low = 0;
  *high = -1;
  for (int i = 0; i < 2; i++) {
    const json_t *value = json_object_get(schema, names[i]);
    if (!value) continue;
    double number = json_number_value(value);
    if (!json_is_number(value) || number < 0 || number != floor(number))
      return hgl_schema_fail(converter, HAGGLE_INVALID, "%s is not a whole number from 0",
                             names[i]);
    if (number > SCHEMA_REPEAT_MAX)
      return hgl_schema_fail(converter, HAGGLE_UNSUPPORTED, "%s above %d is not supported",
                             names[i], SCHEMA_REPEAT_MAX);
    *limits[i] = (int)number;
  }
  if (*high >= 0 && *low > *high)
    return hgl_schema_fail(converter, HAGGLE_INVALID, "%s exceeds %s", least, most);
  converter->grammar->repeats += (unsigned)(*high > *low ? *high : *low);
  if (converter->grammar->repeats > SCHEMA_REPEATS_MAX)
    return hgl_schema_fail(converter, HAGGLE_TOO_LARGE,
                           "the lengths of all texts and lists together exceed %d",
                           SCHEMA_REPEATS_MAX);
  return HAGGLE_OK;
}

static void put_repeat(struct text *out, int low, int high)
{
  if (high < 0)
    hgl_text_format(out, "{%d,}", low);
  else
    hgl_text_format(out, "{%d,%d}", low, high);
}

static int32_t convert_string(struct schema_converter *converter, const json_t *schema,
                              struct text *out)
{
  int low, high;
  int32_t status = counts(converter, schema, "minLength", "maxLength", &low, &high);
  if (status) return status;
  hgl_text_put(out, "\"\\\"\"");
  if (high != 0) {
    hgl_text_put(out, " char");
    put_repeat(out, low, high);
  }
  hgl_text_put(out, " \"\\\"\"");
  return HAGGLE_OK;
}

static int32_t convert_array(struct schema_converter *converter, const json_t *schema,
                             struct text *out)
{
  int low, high;
  int32_t status = counts(converter, schema, "minItems", "maxItems", &low, &high);
  if (status) return status;
  const json_t *unique = json_object_get(schema, "uniqueItems");
  if (unique && !json_is_false(unique))
    return hgl_schema_fail(converter, HAGGLE_UNSUPPORTED, "uniqueItems is not supported");
  const json_t *items = json_object_get(schema, "items");
  if (json_is_false(items) && low > 0)
    return hgl_schema_fail(converter, HAGGLE_INVALID, "minItems where items are forbidden");
  if (high == 0 || json_is_false(items)) {
    hgl_text_put(out, "\"[]\"");
    return HAGGLE_OK;
  }
  char item[32] = "value";
  if (items) {
    unsigned rule;
    if ((status = hgl_schema_child(converter, items, "items", true, &rule))) return status;
    snprintf(item, sizeof item, "r%u", rule);
  }
  /* A rule of its own, since llama.cpp counts what a repeated group is made of. */
  unsigned more = converter->grammar->rule_count++;
  hgl_text_format(&converter->grammar->rules, "r%u ::= \",\" %s\n", more, item);
  hgl_text_format(out, "\"[\" %s%s", low == 0 ? "(" : "", item);
  if (high != 1) {
    hgl_text_format(out, " r%u", more);
    put_repeat(out, low > 0 ? low - 1 : 0, high < 0 ? -1 : high - 1);
  }
  hgl_text_put(out, low == 0 ? ")? \"]\"" : " \"]\"");
  return HAGGLE_OK;
}

/* All of it -------------------------------------------------------------------------------------
 */

static int32_t convert_type(struct schema_converter *converter, const json_t *schema, int type,
                            struct text *out)
{
  switch (type) {
  case SCHEMA_NULL:
    hgl_text_put(out, "\"null\"");
    return HAGGLE_OK;
  case SCHEMA_BOOLEAN:
    hgl_text_put(out, "\"true\" | \"false\"");
    return HAGGLE_OK;
  case SCHEMA_INTEGER:
    return hgl_schema_number(converter, schema, true, out);
  case SCHEMA_NUMBER:
    return hgl_schema_number(converter, schema, false, out);
  case SCHEMA_STRING:
    return convert_string(converter, schema, out);
  case SCHEMA_ARRAY:
    return convert_array(converter, schema, out);
  default:
    return hgl_schema_object(converter, schema, out);
  }
}

static int32_t convert_types(struct schema_converter *converter, const json_t *schema,
                             struct text *out)
{
  int types = hgl_schema_types(converter, schema);
  if (types < 0) return converter->error->status;
  if (types == 0) hgl_text_put(out, "value");
  if (types & SCHEMA_NUMBER) types &= ~SCHEMA_INTEGER;
  size_t begin = out->size;
  for (int type = SCHEMA_NULL; type <= SCHEMA_OBJECT; type <<= 1) {
    if (!(types & type)) continue;
    if (out->size > begin) hgl_text_put(out, " | ");
    int32_t status = convert_type(converter, schema, type, out);
    if (status) return status;
  }
  return HAGGLE_OK;
}

static int32_t convert_body(struct schema_converter *converter, const json_t *schema,
                            struct text *out)
{
  const char *whole;
  if (json_is_true(schema)) {
    hgl_text_put(out, "value");
    return HAGGLE_OK;
  }
  if (json_is_false(schema))
    return hgl_schema_fail(converter, HAGGLE_INVALID, "nothing satisfies false");
  if (!json_is_object(schema)) return hgl_schema_fail(converter, HAGGLE_INVALID, "not a schema");
  int32_t status = keywords_check(converter, schema, &whole);
  if (status) return status;
  if (!whole) return convert_types(converter, schema, out);
  if (strcmp(whole, "$ref") == 0) return convert_reference(converter, schema, out);
  if (strcmp(whole, "const") == 0 || strcmp(whole, "enum") == 0)
    return convert_values(converter, schema, out);
  return convert_alternatives(converter, schema, whole, out);
}

/* Writes the rule of this number. */
static int32_t convert(struct schema_converter *converter, const json_t *schema, unsigned rule)
{
  if (converter->depth == SCHEMA_DEPTH_MAX)
    return hgl_schema_fail(converter, HAGGLE_TOO_LARGE,
                           "schemas lie more than %d deep in each other", SCHEMA_DEPTH_MAX);
  struct text right;
  hgl_text_init(&right, SCHEMA_GRAMMAR_MAX);
  converter->depth++;
  converter->ways = 1;
  int32_t status = convert_body(converter, schema, &right);
  converter->depth--;
  if (status)
    hgl_text_deinit(&right);
  else
    status = rule_write(converter, rule, &right);
  return status;
}

int32_t hgl_grammar_add_schema(struct grammar *grammar, const json_t *schema, const char *where,
                               unsigned *rule, struct haggle_error *error)
{
  struct schema_converter *converter = calloc(1, sizeof *converter);
  if (!converter)
    return hgl_engine_fail(error, HAGGLE_NO_MEMORY, "no memory for the grammar of a schema");
  converter->grammar = grammar;
  converter->root = schema;
  converter->error = error;
  converter->leads_to = UINT_MAX;
  hgl_text_init(&converter->place, 64 * 1024);
  hgl_text_put(&converter->place, where);
  unsigned begin = grammar->rule_count++;
  int32_t status = convert(converter, schema, begin);
  if (!status) *rule = begin;
  hgl_text_deinit(&converter->place);
  free(converter);
  return status;
}

int32_t hgl_grammar_end(struct grammar *grammar, struct haggle_error *error)
{
  hgl_text_put(&grammar->rules, common_rules);
  if (!grammar->rules.failed) return HAGGLE_OK;
  return hgl_engine_fail(error, HAGGLE_TOO_LARGE,
                         "schema: it is too large (its grammar exceeds %d KiB)",
                         SCHEMA_GRAMMAR_MAX / 1024);
}
