// uses: hgl_engine_common PkgConfig::jansson
/* Any JSON is a schema that becomes a grammar within its bounds, or is refused with words. */
#include "common/schema_grammar.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  json_t *schema = json_loadb((const char *)data, size, JSON_DECODE_ANY, NULL);
  if (!schema) return 0;
  struct grammar grammar;
  struct haggle_error error = {.size = sizeof error};
  unsigned rule;
  hgl_grammar_init(&grammar);
  int32_t status = hgl_grammar_add_schema(&grammar, schema, "schema", &rule, &error);
  if (status == HAGGLE_OK) status = hgl_grammar_end(&grammar, &error);
  if (status == HAGGLE_OK) {
    const char *rules = grammar.rules.data;
    if (rule >= grammar.rule_count || strlen(rules) != grammar.rules.size) __builtin_trap();
    if (grammar.rules.size > SCHEMA_GRAMMAR_MAX || grammar.repeats > SCHEMA_REPEATS_MAX)
      __builtin_trap();
    if (!strstr(rules, "r0 ::= ")) __builtin_trap();
  } else if (error.status != status || !error.message[0]) {
    __builtin_trap();
  }
  hgl_grammar_deinit(&grammar);
  json_decref(schema);
  return 0;
}
