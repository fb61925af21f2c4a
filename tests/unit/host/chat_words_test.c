#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "host/chat_words.h"
#include "protocol/dialogue.h"
#include "protocol/value.h"
#include "support/check.h"

static struct hgl_err err;

/* As a host gives it: the canonical form. */
static json_t *definition_of(const char *text)
{
  struct hgl_buf value;
  struct hgl_definition *definition = NULL;
  json_t *json = NULL;
  hgl_buf_init(&value, HGL_BODY_SIZE_MAX);
  assert_ok(hgl_json_parse(hgl_text(text), HGL_BODY_SIZE_MAX, &json, &err));
  assert_ok(hgl_value_from_json(json, &value, &err));
  json_decref(json);
  assert_ok(hgl_definition_create(hgl_buf_bytes(&value), &definition, &err));
  json = NULL;
  assert_ok(hgl_value_to_json(hgl_definition_canonical(definition), &json, &err));
  hgl_definition_destroy(definition);
  hgl_buf_deinit(&value);
  return json;
}

static const char auction[] =
    "{\"name\":\"auction\",\"version\":\"1.0\",\"roles\":[\"bidder\",\"house\"],\"messages\":{"
    "\"bid\":{\"from\":\"bidder\",\"body\":{\"lot\":\"string\",\"price\":\"integer\","
    "\"note\":\"string?\"},\"replies\":[\"leading\",\"rejected\"]},"
    "\"leading\":{\"from\":\"house\",\"replies\":[\"withdraw\"],\"follows\":[\"outbid\"]},"
    "\"withdraw\":{\"from\":\"bidder\"},\"outbid\":{\"from\":\"house\"},"
    "\"rejected\":{\"from\":\"house\"}}}";

static void assert_sayable(const json_t *definition, const char *last, bool ours,
                           const char *wanted)
{
  const struct hgl_chat_state state = {definition, last, ours};
  json_t *list = hgl_chat_sayable(&state);
  char *text = json_dumps(list, JSON_COMPACT);
  assert_string_equal(text, wanted);
  free(text);
  json_decref(list);
}

static void what_may_be_said_follows_the_dialogue(void **state)
{
  json_t *definition = definition_of(auction);
  assert_sayable(definition, NULL, false, "[\"bid\"]");
  assert_sayable(definition, "bid", true, "[]");
  assert_sayable(definition, "leading", false, "[\"withdraw\"]");
  assert_sayable(definition, "rejected", false, "[]");
  const struct hgl_chat_state leading = {definition, "leading", false};
  const struct hgl_chat_state rejected = {definition, "rejected", false};
  const struct hgl_chat_state unknown = {NULL, "leading", false};
  assert_false(hgl_chat_is_over(&leading));
  assert_true(hgl_chat_is_over(&rejected));
  assert_false(hgl_chat_is_over(&unknown));
  assert_null(hgl_chat_sayable(&unknown));
  json_decref(definition);
}

static void fields_are_described(void **state)
{
  json_t *definition = definition_of(auction);
  struct hgl_buf out;
  hgl_buf_init(&out, 1000);
  hgl_chat_describe(definition, "bid", &out);
  const char *text = text_of_buf(&out);
  assert_non_null(strstr(text, "price: integer"));
  assert_non_null(strstr(text, "note: string?"));
  hgl_buf_deinit(&out);
  hgl_chat_describe(definition, "leading", &out);
  assert_string_equal(text_of_buf(&out), "anything");
  hgl_buf_deinit(&out);
  json_decref(definition);
}

static int parse(const json_t *definition, const char *line, char said[100], char body[200])
{
  struct hgl_buf word;
  json_t *json = NULL;
  hgl_buf_init(&word, 1000);
  int status = hgl_chat_parse(definition, line, &word, &json, &err);
  if (!status) {
    char *text = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);
    snprintf(said, 100, "%s", (const char *)word.data);
    snprintf(body, 200, "%s", present(text));
    free(text);
  }
  json_decref(json);
  hgl_buf_deinit(&word);
  return status;
}

static void assert_parsed(const json_t *definition, const char *line, const char *wanted_said,
                          const char *wanted_body)
{
  char said[100], body[200];
  assert_ok(parse(definition, line, said, body));
  assert_string_equal(said, wanted_said);
  assert_string_equal(body, wanted_body);
}

static void a_line_becomes_a_message(void **state)
{
  json_t *definition = definition_of(auction);
  assert_parsed(definition, "bid lot=vase price=12", "bid", "{\"lot\":\"vase\",\"price\":12}");
  assert_parsed(definition, "  bid  price=-1   lot=\"a \\\"b\\\" c\\\\\" ", "bid",
                "{\"lot\":\"a \\\"b\\\" c\\\\\",\"price\":-1}");
  assert_parsed(definition, "bid lot=12 price=3", "bid", "{\"lot\":\"12\",\"price\":3}");
  assert_parsed(definition, "bid {\"lot\":\"x\",\"more\":[1]}", "bid",
                "{\"lot\":\"x\",\"more\":[1]}");
  assert_parsed(definition, "bid", "bid", "{}");
  assert_parsed(NULL, "say n=3 text=hello list=[1,2] empty=", "say",
                "{\"empty\":\"\",\"list\":[1,2],\"n\":3,\"text\":\"hello\"}");
  json_decref(definition);
}

static void what_is_not_understood_says_where(void **state)
{
  static const struct {
    const char *line, *words;
  } cases[] = {{"bid price=x", "price: expected an integer"},
               {"bid price=1.5", "price: expected an integer"},
               {"bid price=", "price"},
               {"bid colour=red", "there is no field 'colour'; there are: lot, note, price"},
               {"bid lot", "expected NAME=VALUE"},
               {"bid =1", "expected NAME=VALUE"},
               {"bid lot=\"open", "a quote is not closed"},
               {"bid {\"lot\":", "the body"}};
  json_t *definition = definition_of(auction);
  char said[100], body[200];
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    assert_int_not_equal(parse(definition, cases[i].line, said, body), 0);
    if (!strstr(err.message, cases[i].words)) fail_msg("%s: %s", cases[i].line, err.message);
  }
  json_decref(definition);
}

static void values_are_of_the_type_that_the_rule_says(void **state)
{
  json_t *rules = definition_of(
      "{\"name\":\"x\",\"version\":\"1.0\",\"messages\":{\"m\":{\"body\":{"
      "\"b\":\"boolean\",\"n\":\"number\",\"l\":\"list\",\"a\":\"any\"}}}}");
  assert_parsed(rules, "m b=yes n=1.5 l=[1] a=word", "m",
                "{\"a\":\"word\",\"b\":true,\"l\":[1],\"n\":1.5}");
  assert_parsed(rules, "m b=false n=2 a=7", "m", "{\"a\":7,\"b\":false,\"n\":2}");
  char said[100], body[200];
  assert_int_not_equal(parse(rules, "m b=perhaps", said, body), 0);
  assert_int_not_equal(parse(rules, "m l=word", said, body), 0);
  json_decref(rules);
}

static void prompts_are_safe_to_print(void **state)
{
  struct hgl_buf out;
  json_t *rules = json_pack("{s:{s:s, s:b}, s:{s:s}}", "city", "type", "string", "optional", 1,
                            "\x1b[2J", "type", "integer");
  hgl_buf_init(&out, 100);
  hgl_chat_prompt("city", json_object_get(rules, "city"), &out);
  hgl_chat_prompt("\x1b[2J", json_object_get(rules, "\x1b[2J"), &out);
  hgl_buf_append_byte(&out, 0);
  assert_string_equal((const char *)out.data,
                      "  city (string, or nothing):   \\x1b[2J (integer): ");
  hgl_buf_deinit(&out);
  json_decref(rules);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_may_be_said_follows_the_dialogue),
      cmocka_unit_test(fields_are_described),
      cmocka_unit_test(a_line_becomes_a_message),
      cmocka_unit_test(what_is_not_understood_says_where),
      cmocka_unit_test(values_are_of_the_type_that_the_rule_says),
      cmocka_unit_test(prompts_are_safe_to_print),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
