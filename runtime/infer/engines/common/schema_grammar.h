/* schema_grammar.h: a JSON schema as a grammar, in the notation of llama.cpp (GBNF), of texts that
 * satisfy it.
 *
 * The grammar never admits a text that does not satisfy the schema; it may admit fewer than there
 * are: no spaces between tokens, properties in the order of the schema and no others beside them,
 * numbers of at most 15 digits. A keyword that this does not do is HAGGLE_UNSUPPORTED, and the
 * message names it and its place; only notes (title, description, …) are passed over. Which
 * keywords there are stands in ENGINES.md.
 *
 * One thing no grammar can say: that an object whose properties are not listed has no key twice.
 *
 * Schemas come from strangers: depth, alternatives, repetitions and the size of the grammar are
 * bounded. */
#ifndef HGL_ENGINE_SCHEMA_GRAMMAR_H
#define HGL_ENGINE_SCHEMA_GRAMMAR_H

#include "common/text.h"

#include <jansson.h>

enum {
  SCHEMA_DEPTH_MAX = 32,
  SCHEMA_PROPERTIES_MAX = 1000,    /* of an object */
  SCHEMA_REPEAT_MAX = 1000,        /* of maxLength, minItems and the like */
  SCHEMA_REPEATS_MAX = 8000,       /* of all of them together */
  SCHEMA_GRAMMAR_MAX = 128 * 1024, /* bytes */
  SCHEMA_WAYS_MAX = 1024,          /* of anyOf within anyOf, open at once */
};

/* A grammar under construction; other rules may be written around those of schemas. */
struct grammar {
  struct text rules;
  unsigned rule_count;
  unsigned repeats;
};

void hgl_grammar_init(struct grammar *grammar);
void hgl_grammar_deinit(struct grammar *grammar);

/* Adds the rules of a schema; `*rule` is the number of the one to begin with (named r<number>).
 * `where` begins the places in messages ("schema"). */
int32_t hgl_grammar_add_schema(struct grammar *grammar, const json_t *schema, const char *where,
                               unsigned *rule, struct haggle_error *error);

/* Adds the rules that all share (any JSON, strings, numbers), and looks whether all of it fitted.
 */
int32_t hgl_grammar_end(struct grammar *grammar, struct haggle_error *error);

/* As a literal between quotes. */
void hgl_grammar_literal(struct text *out, const char *data, size_t size);

#endif
