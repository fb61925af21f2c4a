/* schema_core.h: what the parts of the converter of schemas share. */
#ifndef HGL_ENGINE_SCHEMA_CORE_H
#define HGL_ENGINE_SCHEMA_CORE_H

#include "common/schema_grammar.h"

#include <limits.h>
#include <stdint.h>

enum { SCHEMA_REFS_MAX = 256 };

/* A part of the schema that a $ref points to. */
struct schema_target {
  const json_t *schema;
  unsigned rule;
  unsigned level;          /* where its conversion goes on */
  bool open;               /* it goes on */
  unsigned ways, leads_to; /* as below */
};

struct schema_converter {
  struct grammar *grammar;
  const json_t *root;
  struct text place; /* of what is looked at: "schema.properties.price" */
  struct haggle_error *error;
  unsigned depth; /* of schemas in schemas */
  unsigned level; /* of objects and arrays: what lies deeper begins with a bracket */
  /* Of what was converted: the most alternatives that text may still belong to at once, and the
   * outermost target under way that it leads back to, or UINT_MAX. */
  unsigned ways, leads_to;
  struct schema_target targets[SCHEMA_REFS_MAX];
  unsigned target_count;
};

/* Fails with the place before the words. */
int32_t hgl_schema_fail(struct schema_converter *converter, int32_t status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* What a $ref of this text points to, or NULL with an error. */
const json_t *hgl_schema_resolve(struct schema_converter *converter, const char *pointer);

/* Enters a part of the schema in the place of messages, and leaves it again for what
 * hgl_schema_enter gave; not after an error, whose place it is. */
size_t hgl_schema_enter(struct schema_converter *converter, const char *name);
void hgl_schema_leave(struct schema_converter *converter, size_t before);

/* Writes the rule of a schema within this one, of the given name; `deeper`: within a bracket of its
 * own. `*rule` is its number. */
int32_t hgl_schema_child(struct schema_converter *converter, const json_t *schema, const char *name,
                         bool deeper, unsigned *rule);

/* A schema without alternatives of its own. */
enum schema_type {
  SCHEMA_NULL = 1,
  SCHEMA_BOOLEAN = 2,
  SCHEMA_INTEGER = 4,
  SCHEMA_NUMBER = 8,
  SCHEMA_STRING = 16,
  SCHEMA_ARRAY = 32,
  SCHEMA_OBJECT = 64,
};

/* The types that `schema` names, or those that its keywords speak of; 0: any. Negative: an error.
 */
int hgl_schema_types(struct schema_converter *converter, const json_t *schema);
bool hgl_schema_value_is(const json_t *value, int types);

/* Adds the alternatives for an integer or number within the bounds of `schema` to `out`. */
int32_t hgl_schema_number(struct schema_converter *converter, const json_t *schema, bool whole,
                          struct text *out);

/* Adds what an object that satisfies `schema` looks like to `out`. */
int32_t hgl_schema_object(struct schema_converter *converter, const json_t *schema,
                          struct text *out);

/* Fails unless no value can satisfy two of these schemas. */
int32_t hgl_schema_disjoint(struct schema_converter *converter, const json_t *schemas);

/* Fails unless the first key or character tells arrays and objects of these schemas apart. */
int32_t hgl_schema_begin_apart(struct schema_converter *converter, const json_t *schemas);

#endif
