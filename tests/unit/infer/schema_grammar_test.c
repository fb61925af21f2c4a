/* JSON schemas as grammars: what is refused, where, and how. That answers satisfy their schemas is
 * tested on models, in llama_engine_test.c. */
#include "support/check.h"

#include "common/schema_grammar.h"
#include "support/json_of.h"

#include <stdio.h>
#include <stdlib.h>

static int32_t convert(const char *text, struct grammar *grammar, struct haggle_error *error)
{
  json_t *schema = json_of(text, strlen(text), JSON_DECODE_ANY);
  unsigned rule;
  *error = (struct haggle_error){.size = sizeof *error};
  hgl_grammar_init(grammar);
  int32_t status = hgl_grammar_add_schema(grammar, schema, "schema", &rule, error);
  if (!status) status = hgl_grammar_end(grammar, error);
  json_decref(schema);
  return status;
}

static void assert_refused(const char *text, int32_t expected, const char *words)
{
  struct grammar grammar;
  struct haggle_error error;
  int32_t status = convert(text, &grammar, &error);
  if (status != expected || !strstr(error.message, words))
    fail_msg("%.200s: %d %s", text, status, error.message);
  assert_int_equal(error.status, expected);
  hgl_grammar_deinit(&grammar);
}

static void assert_rule(const char *text, const char *rule)
{
  struct grammar grammar;
  struct haggle_error error;
  if (convert(text, &grammar, &error)) fail_msg("%s: %s", text, error.message);
  if (!strstr(grammar.rules.data, rule)) fail_msg("%s in\n%s", rule, grammar.rules.data);
  hgl_grammar_deinit(&grammar);
}

static void a_keyword_that_is_not_supported_is_named_with_its_place(void **state)
{
  static const char *const keywords[] = {"pattern",
                                         "format",
                                         "multipleOf",
                                         "not",
                                         "if",
                                         "prefixItems",
                                         "contains",
                                         "patternProperties",
                                         "minProperties",
                                         "propertyNames",
                                         "dependentRequired",
                                         "$dynamicRef",
                                         "$id",
                                         "unheardOf"};
  for (size_t i = 0; i < sizeof keywords / sizeof *keywords; i++) {
    char schema[256], words[128];
    snprintf(
        schema, sizeof schema,
        "{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{\"p\":{\"%s\":1}}}}",
        keywords[i]);
    snprintf(words, sizeof words, "schema.items.properties.p: the keyword '%s'", keywords[i]);
    assert_refused(schema, HAGGLE_UNSUPPORTED, words);
  }
}

static void what_cannot_be_done_beside_something_is_refused(void **state)
{
  assert_refused("{\"anyOf\":[true],\"type\":\"string\"}", HAGGLE_UNSUPPORTED, "type beside anyOf");
  assert_refused("{\"enum\":[1],\"minimum\":0}", HAGGLE_UNSUPPORTED, "minimum beside enum");
  assert_refused("{\"enum\":[1],\"const\":1}", HAGGLE_UNSUPPORTED, "const beside enum");
  assert_refused("{\"allOf\":[true,true]}", HAGGLE_UNSUPPORTED, "allOf");
  assert_refused("{\"type\":\"array\",\"uniqueItems\":true}", HAGGLE_UNSUPPORTED, "uniqueItems");
  assert_refused("{\"type\":\"number\",\"minimum\":0.5}", HAGGLE_UNSUPPORTED, "minimum of numbers");
  assert_refused("{\"type\":\"number\",\"exclusiveMaximum\":5}", HAGGLE_UNSUPPORTED,
                 "exclusiveMaximum");
  assert_refused("{\"type\":\"integer\",\"maximum\":1e15}", HAGGLE_UNSUPPORTED, "15 digits");
  assert_refused("{\"type\":\"string\",\"maxLength\":1001}", HAGGLE_UNSUPPORTED, "1000");
  assert_refused("{\"$ref\":\"http://a/b\"}", HAGGLE_UNSUPPORTED, "#/");
}

static void schemas_that_may_overlap_are_no_oneOf(void **state)
{
  assert_refused("{\"oneOf\":[{\"type\":\"integer\"},{\"type\":\"number\"}]}", HAGGLE_UNSUPPORTED,
                 "exclude each other");
  assert_refused("{\"oneOf\":[{\"const\":1},{\"enum\":[2,1]}]}", HAGGLE_UNSUPPORTED, "1 and 2");
  assert_refused("{\"oneOf\":[{\"type\":\"null\"},true]}", HAGGLE_UNSUPPORTED, "1 and 2");
  assert_refused("{\"oneOf\":[{\"properties\":{\"k\":{\"const\":1}}},"
                 "{\"properties\":{\"k\":{\"const\":2}},\"required\":[\"k\"]}]}",
                 HAGGLE_UNSUPPORTED, "1 and 2");
  assert_rule("{\"oneOf\":[{\"type\":\"integer\"},{\"type\":\"string\"}]}", "r0 ::= r1 | r2");
}

static void what_nothing_satisfies_is_invalid(void **state)
{
  assert_refused("false", HAGGLE_INVALID, "nothing satisfies");
  assert_refused("{\"type\":\"integer\",\"minimum\":2,\"maximum\":1}", HAGGLE_INVALID, "bounds");
  assert_refused("{\"type\":\"integer\",\"exclusiveMinimum\":1,\"exclusiveMaximum\":2}",
                 HAGGLE_INVALID, "bounds");
  assert_refused("{\"type\":\"string\",\"minLength\":2,\"maxLength\":1}", HAGGLE_INVALID,
                 "minLength exceeds");
  assert_refused("{\"enum\":[\"a\"],\"type\":\"integer\"}", HAGGLE_INVALID, "none of its values");
  assert_refused("{\"enum\":[]}", HAGGLE_INVALID, "enum");
  assert_refused("{\"type\":\"object\",\"required\":[\"a\"],\"additionalProperties\":false}",
                 HAGGLE_INVALID, "'a'");
  assert_refused("{\"type\":\"array\",\"items\":false,\"minItems\":1}", HAGGLE_INVALID, "minItems");
}

static void what_is_no_schema_is_invalid(void **state)
{
  assert_refused("7", HAGGLE_INVALID, "not a schema");
  assert_refused("{\"type\":\"text\"}", HAGGLE_INVALID, "type is");
  assert_refused("{\"type\":[\"null\",4]}", HAGGLE_INVALID, "type is");
  assert_refused("{\"properties\":[]}", HAGGLE_INVALID, "properties");
  assert_refused("{\"required\":\"a\"}", HAGGLE_INVALID, "required");
  assert_refused("{\"required\":[1]}", HAGGLE_INVALID, "required");
  assert_refused("{\"minItems\":-1}", HAGGLE_INVALID, "minItems");
  assert_refused("{\"maxLength\":1.5}", HAGGLE_INVALID, "maxLength");
  assert_refused("{\"minimum\":\"1\"}", HAGGLE_INVALID, "minimum");
  assert_refused("{\"anyOf\":{}}", HAGGLE_INVALID, "anyOf");
  assert_refused("{\"$ref\":1}", HAGGLE_INVALID, "$ref");
  assert_refused("{\"$ref\":\"#/$defs/a\"}", HAGGLE_INVALID, "points to nothing");
  assert_refused("{\"$ref\":\"#/~2\"}", HAGGLE_INVALID, "points to nothing");
  assert_refused("{\"additionalProperties\":1}", HAGGLE_INVALID, "additionalProperties");
}

static void a_reference_may_recur_but_not_stand_for_itself(void **state)
{
  assert_refused("{\"$ref\":\"#\"}", HAGGLE_INVALID, "itself");
  assert_refused("{\"$ref\":\"#/$defs/a\",\"$defs\":{\"a\":{\"anyOf\":[true,{\"$ref\":"
                 "\"#/$defs/b\"}]},\"b\":{\"$ref\":\"#/$defs/a\"}}}",
                 HAGGLE_INVALID, "itself");
  assert_rule("{\"type\":\"array\",\"items\":{\"$ref\":\"#\"}}", "::= \"[\" (r");
  /* Names of any kind. */
  assert_rule("{\"$ref\":\"#/$defs/a~1b~0\",\"$defs\":{\"a/b~\":{\"const\":5}}}", "r1 ::= \"5\"");
}

static void a_reference_is_converted_once(void **state)
{
  /* Each level names the next one twice: 2^30 paths. */
  struct text schema;
  hgl_text_init(&schema, 1 << 16);
  hgl_text_put(&schema, "{\"$ref\":\"#/$defs/d0\",\"$defs\":{");
  for (int i = 0; i < 28; i++)
    hgl_text_format(&schema,
                    "\"d%d\":{\"anyOf\":[{\"$ref\":\"#/$defs/d%d\"},{\"$ref\":"
                    "\"#/$defs/d%d\"}]},",
                    i, i + 1, i + 1);
  hgl_text_put(&schema, "\"d28\":{\"type\":\"null\"}}}");
  struct grammar grammar;
  struct haggle_error error;
  int32_t status = convert(schema.data, &grammar, &error);
  /* Deeper than permitted, or done; either way at once. */
  assert_true(status == HAGGLE_OK || status == HAGGLE_TOO_LARGE);
  assert_true(grammar.rules.size < 20000);
  hgl_grammar_deinit(&grammar);
  hgl_text_deinit(&schema);
}

static char *repeated(const char *begin, const char *part, int count, const char *end)
{
  struct text text;
  hgl_text_init(&text, 1 << 24);
  hgl_text_put(&text, begin);
  for (int i = 0; i < count; i++) hgl_text_put(&text, part);
  hgl_text_put(&text, end);
  assert_false(text.failed);
  return text.data;
}

static void what_is_too_large_is_said_to_be(void **state)
{
  char *deep = repeated("", "{\"items\":", SCHEMA_DEPTH_MAX, "true");
  char *whole = repeated(deep, "}", SCHEMA_DEPTH_MAX, "");
  assert_refused(whole, HAGGLE_TOO_LARGE, "deep");
  free(whole);
  /* One level less is not. */
  whole = repeated(strchr(deep + 1, '{'), "}", SCHEMA_DEPTH_MAX - 1, "");
  assert_rule(whole, "value");
  free(whole);
  free(deep);

  whole = repeated("{\"enum\":[\"first\"", ",\"another choice of many\"", 6000, "]}");
  assert_refused(whole, HAGGLE_TOO_LARGE, "128 KiB");
  free(whole);
  whole = repeated("{\"anyOf\":[{\"maxLength\":1000}", ",{\"maxLength\":1000}", 8, "]}");
  assert_refused(whole, HAGGLE_TOO_LARGE, "lengths");
  free(whole);
  whole = repeated("{\"anyOf\":[{\"maxLength\":1000}", ",{\"maxLength\":1000}", 7, "]}");
  assert_rule(whole, "char{0,1000}");
  free(whole);
  whole = repeated("{\"required\":[\"a\"", ",\"a\"", SCHEMA_PROPERTIES_MAX, "]}");
  assert_refused(whole, HAGGLE_TOO_LARGE, "properties");
  free(whole);
}

/* Each of `levels` is any of `width` of the next, put as `form` has it. */
static char *nested(int levels, int width, const char *form)
{
  struct text schema;
  char next[200];
  hgl_text_init(&schema, 1 << 20);
  hgl_text_put(&schema, "{\"$ref\":\"#/$defs/d0\",\"$defs\":{");
  for (int i = 0; i < levels; i++) {
    hgl_text_format(&schema, "\"d%d\":{\"anyOf\":[", i);
    for (int k = 0; k < width; k++) {
      snprintf(next, sizeof next, form, i + 1, k + 2);
      hgl_text_put(&schema, k > 0 ? "," : "");
      hgl_text_put(&schema, next);
    }
    hgl_text_put(&schema, "]},");
  }
  hgl_text_format(&schema, "\"d%d\":{\"type\":\"boolean\"}}}", levels);
  assert_false(schema.failed);
  return schema.data;
}

/* llama.cpp would follow them all, and not come back. */
static void alternatives_do_not_multiply_without_end(void **state)
{
  static const char *const forms[] = {
      "{\"$ref\":\"#/$defs/d%d\",\"title\":\"%d\"}",
      "{\"type\":\"array\",\"items\":{\"$ref\":\"#/$defs/d%d\"},\"maxItems\":%d}",
      "{\"properties\":{\"x\":{\"$ref\":\"#/$defs/d%d\"}},\"title\":\"%d\"}",
  };
  for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
    char *schema = nested(5, 4, forms[i]); /* 4^5 is the limit */
    assert_rule(schema, " | r");
    free(schema);
    schema = nested(6, 4, forms[i]);
    assert_refused(schema, HAGGLE_TOO_LARGE, "alternatives");
    free(schema);
  }
}

#define UNION(left, right)                                                                         \
  "{\"$ref\":\"#/$defs/e\",\"$defs\":{\"e\":{\"anyOf\":[" left "," right "]}}}"
#define SELF "{\"$ref\":\"#/$defs/e\"}"
#define NODE(kind)                                                                                 \
  "{\"properties\":{\"kind\":{\"const\":\"" kind "\"},\"of\":" SELF "},\"required\":[\"kind\"]}"
#define LATE(kind)                                                                                 \
  "{\"properties\":{\"of\":" SELF ",\"kind\":{\"const\":\"" kind "\"}},\"required\":[\"kind\"]}"

/* They double with each bracket, as deep as the text goes. */
static void alternatives_that_contain_themselves_begin_differently(void **state)
{
  assert_rule(UNION("{\"type\":\"null\"}", "{\"items\":" SELF "}"), " | r");
  assert_rule(UNION("{\"properties\":{\"a\":" SELF "}}", "{\"items\":" SELF "}"), " | r");
  assert_rule(UNION(NODE("a"), NODE("b")), " | r");
  assert_rule("{\"anyOf\":[{\"type\":\"null\"}," SELF
              "],\"$defs\":{\"e\":{\"anyOf\":[" NODE("a") "," NODE("b") "]}}}",
              " | r");
  static const char *const alike[] = {
      UNION("{\"items\":" SELF ",\"maxItems\":2}", "{\"items\":" SELF ",\"maxItems\":3}"),
      UNION("{\"items\":" SELF "}", "true"),
      UNION(NODE("a"), NODE("a")),
      UNION(LATE("a"), LATE("b")),
      UNION("{\"properties\":{\"a\":" SELF "}}", "{\"additionalProperties\":" SELF "}"),
      /* Around a corner, the second time through what is known already. */
      "{\"$ref\":\"#/$defs/e\",\"$defs\":{\"e\":{\"properties\":{\"x\":{\"$ref\":\"#/$defs/f\"},"
      "\"y\":{\"anyOf\":[{\"items\":{\"$ref\":\"#/$defs/f\"}},{\"type\":\"array\"}]}}},"
      "\"f\":{\"items\":" SELF "}}}",
  };
  for (size_t i = 0; i < sizeof alike / sizeof *alike; i++)
    assert_refused(alike[i], HAGGLE_UNSUPPORTED, "begin differently");
}

static void texts_in_grammars_are_quoted(void **state)
{
  assert_rule("{\"const\":\"a\\\"\\\\\\n\"}", "r0 ::= \"\\\"a\\\\\\\"\\\\\\\\\\\\n\\\"\"");
  assert_rule("{\"properties\":{\"x\\\"\":true},\"required\":[\"x\\\"\"]}",
              "\"\\\"x\\\\\\\"\\\":\" r1");
}

static void ranges_of_numbers_are_written_digit_by_digit(void **state)
{
  assert_rule("{\"type\":\"integer\",\"minimum\":0,\"maximum\":9}", "r0 ::= ( ([0-9]))");
  assert_rule("{\"type\":\"integer\",\"minimum\":7,\"maximum\":7}", "r0 ::= ( \"7\")");
  assert_rule("{\"type\":\"integer\",\"minimum\":-1,\"maximum\":-1}", "r0 ::= \"-\" ( \"1\")");
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_keyword_that_is_not_supported_is_named_with_its_place),
      cmocka_unit_test(what_cannot_be_done_beside_something_is_refused),
      cmocka_unit_test(schemas_that_may_overlap_are_no_oneOf),
      cmocka_unit_test(what_nothing_satisfies_is_invalid),
      cmocka_unit_test(what_is_no_schema_is_invalid),
      cmocka_unit_test(a_reference_may_recur_but_not_stand_for_itself),
      cmocka_unit_test(a_reference_is_converted_once),
      cmocka_unit_test(what_is_too_large_is_said_to_be),
      cmocka_unit_test(alternatives_do_not_multiply_without_end),
      cmocka_unit_test(alternatives_that_contain_themselves_begin_differently),
      cmocka_unit_test(texts_in_grammars_are_quoted),
      cmocka_unit_test(ranges_of_numbers_are_written_digit_by_digit),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
