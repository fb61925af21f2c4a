#include "support/check.h"

#include <stdio.h>

#include "base/mem.h"
#include "protocol/dialogue.h"
#include "support/value_text.h"

static int setup(void **state)
{
  struct hgl_err err = {0};
  assert_ok(hgl_crypto_init(&err));
  return 0;
}

static int create(const char *json, struct hgl_definition **out, struct hgl_err *err)
{
  struct hgl_buf value;
  value_of(json, &value);
  int status = hgl_definition_create(hgl_buf_bytes(&value), out, err);
  hgl_buf_deinit(&value);
  return status;
}

static struct hgl_definition *definition_of(const char *json)
{
  struct hgl_err err = {0};
  struct hgl_definition *definition = NULL;
  assert_ok(create(json, &definition, &err));
  return definition;
}

/* A definition around messages. */
static int create_messages(const char *messages, struct hgl_definition **out, struct hgl_err *err)
{
  struct hgl_buf json;
  hgl_buf_init(&json, 64 * 1024);
  hgl_buf_printf(&json, "{'name':'p','version':'1.0','messages':%s}", messages);
  int status = create(text_of_buf(&json), out, err);
  hgl_buf_deinit(&json);
  return status;
}

static struct hgl_hash digest_of(const char *json)
{
  struct hgl_definition *definition = definition_of(json);
  struct hgl_hash digest = *hgl_definition_digest(definition);
  hgl_definition_destroy(definition);
  return digest;
}

static void assert_refused(const char *messages, const char *message)
{
  struct hgl_definition *definition;
  struct hgl_err err = {0};
  assert_fails(HGL_MALFORMED, create_messages(messages, &definition, &err));
  if (!strstr(err.message, message)) fail_msg("'%s' is not in '%s'", message, err.message);
}

#define WEATHER                                                                                    \
  "{'name':'weather','version':'1.0','messages':{"                                                 \
  "'request':{'body':{'city':'string'},'replies':['forecast']},"                                   \
  "'forecast':{'body':{'celsius':'number'}}}}"

static void definition_digest_is_the_same_for_two_ways_of_writing_the_same(void **state)
{
  static const char *const ways[] = {
      "{'name':'weather','version':'1.0','roles':['initiator','responder'],'messages':{"
      "'forecast':{'body':{'celsius':{'type':'number','optional':false}},'replies':[],"
      "'opening':false},"
      "'request':{'opening':true,'body':{'city':{'type':'string'}},'replies':['forecast',"
      "'forecast'],'follows':{}}}}",
      "{'name':'weather','version':'1.0','roles':null,'messages':{"
      "'request':{'body':{'city':{'type':'string','min':null,'one_of':null}},"
      "'replies':['forecast'],'from':null,'within':null},"
      "'forecast':{'body':{'celsius':'number'},'replies':{}}}}",
  };
  struct hgl_hash expected = digest_of(WEATHER);
  for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
    struct hgl_hash digest = digest_of(ways[i]);
    assert_true(hgl_hash_equal(&digest, &expected));
  }
}

static void definition_digest_is_blind_to_units_signs_and_order(void **state)
{
  static const char *const pairs[][2] = {
      {"'a':{'replies':['b'],'within':'5s'},'b':{}", "'a':{'replies':['b'],'within':5000},'b':{}"},
      {"'a':{'body':{'x':'list?'}}", "'a':{'body':{'x':{'type':'list','optional':true}}}"},
      {"'a':{'body':{'x':{'type':'number','min':1.0}}}",
       "'a':{'body':{'x':{'type':'number','min':1}}}"},
      {"'a':{'body':{'x':{'type':'string','one_of':['u','v','u']}}}",
       "'a':{'body':{'x':{'type':'string','one_of':['v','u']}}}"},
      {"'a':{'replies':['b','c']},'b':{},'c':{}", "'a':{'replies':['c','b']},'b':{},'c':{}"},
  };
  for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
    char json[2][512];
    for (int j = 0; j < 2; j++)
      snprintf(json[j], sizeof json[j], "{'name':'p','version':'1.0','messages':{%s}}",
               pairs[i][j]);
    struct hgl_hash a = digest_of(json[0]), b = digest_of(json[1]);
    assert_true(hgl_hash_equal(&a, &b));
  }
}

static void definition_digest_changes_with_every_difference_in_meaning(void **state)
{
  static const char *const different[] = {
      "'a':{'replies':['b']},'b':{}",
      "'a':{'follows':['b']},'b':{}",
      "'a':{'replies':['b'],'follows':['b']},'b':{}",
      "'a':{'replies':['b'],'within':1},'b':{}",
      "'a':{'replies':['b'],'within':2},'b':{}",
      "'a':{'replies':['b'],'from':'initiator'},'b':{}",
      "'a':{'replies':['b']},'b':{'from':'responder'}",
      "'a':{'replies':['b']},'b':{'opening':true}",
      "'a':{'replies':['b']},'b':{'body':{}}",
      "'a':{'replies':['b']},'b':{'body':{'x':'any'}}",
      "'a':{'replies':['b']},'b':{'body':{'x':'any?'}}",
      "'a':{'replies':['b']},'b':{'body':{'y':'any'}}",
      "'a':{'replies':['b']},'b':{'body':{'x':'list'}}",
      "'a':{'replies':['b']},'b':{'body':{'x':{'type':'list','min':0}}}",
      "'a':{'replies':['b']},'b':{'body':{'x':{'type':'list','max':0}}}",
      "'a':{'replies':['b']},'b':{'body':{'x':{'type':'list','of':'any'}}}",
      "'a':{'replies':['b']},'b':{'body':{'x':{'type':'list','of':'did'}}}",
      "'a':{'replies':['b']},'b':{'body':{'x':{'type':'string','one_of':['u']}}}",
      "'a':{'replies':['b']},'b':{'body':{'x':{'type':'string','one_of':['v']}}}",
      "'a':{'replies':['c']},'c':{}",
  };
  enum { COUNT = sizeof different / sizeof different[0] };
  struct hgl_hash digests[COUNT + 3];
  char json[512];
  for (size_t i = 0; i < COUNT; i++) {
    snprintf(json, sizeof json, "{'name':'p','version':'1.0','messages':{%s}}", different[i]);
    digests[i] = digest_of(json);
  }
  digests[COUNT] = digest_of("{'name':'q','version':'1.0','messages':{'a':{}}}");
  digests[COUNT + 1] = digest_of("{'name':'q','version':'1.1','messages':{'a':{}}}");
  digests[COUNT + 2] = digest_of(
      "{'name':'q','version':'1.1','roles':['x','y'],'messages':{'a':{}}}");
  for (size_t i = 0; i < COUNT + 3; i++)
    for (size_t j = 0; j < i; j++)
      if (hgl_hash_equal(&digests[i], &digests[j])) fail_msg("%zu and %zu are the same", i, j);
}

static void definition_canonical_form_is_a_definition_with_the_same_digest(void **state)
{
  struct hgl_err err = {0};
  struct hgl_definition *first = definition_of(
      "{'name':'p','version':'1.0','roles':['x','y'],'messages':{'a':{'replies':['b'],"
      "'within':'2m','from':'x','body':{'n':{'type':'number?','min':0.5,'max':9},'l':{'type':"
      "'map','of':{'type':'list','of':'did','max':3}},'o':{'type':'any','one_of':[1,'u',null]}}},"
      "'b':{}}}");
  struct hgl_definition *second = NULL;
  assert_ok(hgl_value_check(hgl_definition_canonical(first), &err));
  assert_ok(hgl_definition_create(hgl_definition_canonical(first), &second, &err));
  assert_true(hgl_hash_equal(hgl_definition_digest(first), hgl_definition_digest(second)));
  assert_true(hgl_bytes_equal(hgl_definition_canonical(first), hgl_definition_canonical(second)));
  hgl_definition_destroy(second);
  hgl_definition_destroy(first);
}

static void definition_digest_is_the_one_of_the_specification(void **state)
{
  /* SPEC.md, section 9. */
  struct hgl_hash digest = digest_of(WEATHER);
  char hex[2 * HGL_HASH_SIZE + 1];
  for (size_t i = 0; i < HGL_HASH_SIZE; i++) sprintf(hex + 2 * i, "%02x", digest.bytes[i]);
  assert_string_equal(hex, "96e2b97799464f397562f166edeba0f4de8b11745287440e5af8d8df1734db3d");
}

static void definition_refuses_what_it_does_not_know_and_names_the_place(void **state)
{
  assert_refused("{'a':{'reply':['b']}}", "messages.a: unknown key 'reply'; a message has body");
  assert_refused("{'request':{'replies':['forcast']}}",
                 "messages.request.replies: 'forcast' is no message of p/1.0");
  assert_refused("{'a':{'body':{'x':'strin'}}}", "messages.a.body.x: \"strin\" is no type");
  assert_refused("{'a':{'body':{'x':{'type':'string','maxx':1}}}}",
                 "messages.a.body.x: unknown key 'maxx'");
  assert_refused("{'a':{'body':{'x':{'min':1}}}}", "messages.a.body.x: says no type");
  assert_refused("{'a':{'body':{'x':{'type':'boolean','min':1}}}}", "do not apply to type boolean");
  assert_refused("{'a':{'body':{'x':{'type':'string','min':-1}}}}", "-1 is no bound");
  assert_refused("{'a':{'body':{'x':{'type':'integer','min':1.5}}}}", "1.5 is no bound");
  assert_refused("{'a':{'body':{'x':{'type':'number','min':2,'max':1}}}}", "min is above max");
  assert_refused("{'a':{'body':{'x':{'type':'string','of':'any'}}}}", "only lists and maps");
  assert_refused("{'a':{'body':{'x':{'type':'list','of':'any?'}}}}", "cannot be optional");
  assert_refused("{'a':{'body':{'x':{'type':'any?','optional':false}}}}", "ends in \"?\"");
  assert_refused("{'a':{'body':{'x':{'type':'string','one_of':[1]}}}}", "cannot be an option");
  assert_refused("{'a':{'body':{'x':{'type':'number','one_of':[1.0]}}}}", "write it as one");
  assert_refused("{'a':{'body':{'x':{'type':'any','one_of':[]}}}}", "names no option");
  assert_refused("{'a':{'from':'buyer'}}", "'buyer' is no role");
  assert_refused("{'a':{'from':'responder'}}", "initiator opens the dialogue");
  assert_refused("{'a':{'opening':false}}", "can never be said");
  assert_refused("{'a':{'replies':['a']}}", "no message opens");
  assert_refused("{'a':{'within':'5s'}}", "nothing answers it");
  assert_refused("{'a':{'within':'5 s','replies':['b']},'b':{}}", "is no duration");
  assert_refused("{'a':{'within':0,'replies':['b']},'b':{}}", "is no duration");
  assert_refused("{'a b':{}}", "messages.a b: ");
  assert_refused("{}", "no message opens");
  assert_refused("[1]", "a map is expected, got a list");
}

static void definition_refuses_a_wrong_frame(void **state)
{
  struct hgl_definition *definition;
  struct hgl_err err = {0};
  static const char *const wrong[] = {
      "7",
      "[]",
      "{'name':'p','version':'1.0'}",
      "{'name':'p','messages':{'a':{}}}",
      "{'name':'p','version':'one','messages':{'a':{}}}",
      "{'name':'P!','version':'1.0','messages':{'a':{}}}",
      "{'name':'haggle','version':'1.0','messages':{'a':{}}}",
      "{'name':'p','version':'1.0','roles':['x'],'messages':{'a':{}}}",
      "{'name':'p','version':'1.0','roles':['x','x'],'messages':{'a':{}}}",
      "{'name':'p','version':'1.0','messages':{'a':{}},'extra':1}",
  };
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
    assert_fails(HGL_MALFORMED, create(wrong[i], &definition, &err));
}

static void definition_limits_hold_at_and_one_past(void **state)
{
  struct hgl_err err = {0};
  struct hgl_definition *definition;
  char json[8192];
  for (int extra = 0; extra < 2; extra++) {
    int expected = extra ? HGL_TOO_LARGE : HGL_OK;
    struct hgl_buf text;
    hgl_buf_init(&text, sizeof json - 1);
    for (int i = 0; i < HGL_DEFINITION_MESSAGES_MAX + extra; i++)
      hgl_buf_printf(&text, "%s'm%d':{}", i ? "," : "", i);
    snprintf(json, sizeof json, "{%.*s}", HGL_STR(text));
    assert_fails(expected, create_messages(json, &definition, &err));
    if (!extra) hgl_definition_destroy(definition);

    hgl_buf_clear(&text);
    for (int i = 0; i < HGL_DEFINITION_FIELDS_MAX + extra; i++)
      hgl_buf_printf(&text, "%s'f%d':'any'", i ? "," : "", i);
    snprintf(json, sizeof json, "{'a':{'body':{%.*s}}}", HGL_STR(text));
    assert_fails(expected, create_messages(json, &definition, &err));
    if (!extra) hgl_definition_destroy(definition);

    hgl_buf_clear(&text);
    int depth = HGL_DEFINITION_DEPTH_MAX + extra;
    for (int i = 1; i < depth; i++) hgl_buf_append_text(&text, "{'type':'list','of':");
    hgl_buf_append_text(&text, "'any'");
    for (int i = 1; i < depth; i++) hgl_buf_append_text(&text, "}");
    snprintf(json, sizeof json, "{'a':{'body':{'x':%.*s}}}", HGL_STR(text));
    assert_fails(extra ? HGL_TOO_DEEP : HGL_OK, create_messages(json, &definition, &err));
    if (!extra) hgl_definition_destroy(definition);
    hgl_buf_deinit(&text);
  }
}

/* Bodies --------------------------------------------------------------------------------------- */

static int check_body(const struct hgl_definition *definition, const char *body,
                      struct hgl_err *err)
{
  struct hgl_buf value;
  value_of(body, &value);
  int status = hgl_definition_check_body(definition, hgl_text("a"), hgl_buf_bytes(&value), err);
  hgl_buf_deinit(&value);
  return status;
}

#define DID "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"

static void body_types_accept_and_refuse(void **state)
{
  static const struct {
    const char *type, *value;
    bool fits;
  } cases[] = {
      {"'string'", "'u'", true},
      {"'string'", "3", false},
      {"'integer'", "3", true},
      {"'integer'", "3.0", false},
      {"'number'", "3.5", true},
      {"'number'", "3", true},
      {"'number'", "'3'", false},
      {"'boolean'", "false", true},
      {"'boolean'", "null", false},
      {"'bytes'", "{'$bytes':'AQID'}", true},
      {"'bytes'", "'AQID'", false},
      {"'list'", "[]", true},
      {"'list'", "{}", false},
      {"'map'", "{}", true},
      {"'map'", "[]", false},
      {"'any'", "null", true},
      {"'did'", "'" DID "'", true},
      {"'did'", "'did:key:z6Mk'", false},
      {"{'type':'string','min':2,'max':3}", "'u'", false},
      {"{'type':'string','min':2,'max':3}", "'uv'", true},
      {"{'type':'string','min':2,'max':3}", "'uvw'", true},
      {"{'type':'string','min':2,'max':3}", "'uvwx'", false},
      {"{'type':'integer','min':-1,'max':1}", "-2", false},
      {"{'type':'integer','min':-1,'max':1}", "-1", true},
      {"{'type':'number','min':0.5,'max':{'$int':'9007199254740993'}}",
       "{'$int':'9007199254740993'}", true},
      {"{'type':'number','min':0.5,'max':{'$int':'9007199254740993'}}",
       "{'$int':'9007199254740994'}", false},
      {"{'type':'number','min':0.5}", "0.25", false},
      {"{'type':'list','min':1,'max':2,'of':'integer'}", "[]", false},
      {"{'type':'list','min':1,'max':2,'of':'integer'}", "[1,2]", true},
      {"{'type':'list','min':1,'max':2,'of':'integer'}", "[1,2,3]", false},
      {"{'type':'list','of':'integer'}", "[1,'2']", false},
      {"{'type':'map','of':{'type':'list','of':'string'}}", "{'u':['v'],'w':[]}", true},
      {"{'type':'map','of':{'type':'list','of':'string'}}", "{'u':['v',1]}", false},
      {"{'type':'string','one_of':['u','v']}", "'v'", true},
      {"{'type':'string','one_of':['u','v']}", "'w'", false},
      {"{'type':'number','one_of':[1,2.5]}", "1.0", true},
      {"{'type':'number','one_of':[1,2.5]}", "2", false},
      {"{'type':'any','one_of':[1,null]}", "null", true},
      {"{'type':'any','one_of':[1,null]}", "1.0", false},
  };
  struct hgl_err err = {0};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char json[512];
    struct hgl_definition *definition = NULL;
    snprintf(json, sizeof json, "{'a':{'body':{'x':%s}}}", cases[i].type);
    assert_ok(create_messages(json, &definition, &err));
    snprintf(json, sizeof json, "{'x':%s}", cases[i].value);
    int status = check_body(definition, json, &err);
    if (status != (cases[i].fits ? 0 : -HGL_PROTOCOL_VIOLATION))
      fail_msg("%s with %s: %d", cases[i].type, cases[i].value, status);
    hgl_definition_destroy(definition);
  }
}

static void body_fields_are_all_there_and_no_others(void **state)
{
  struct hgl_err err = {0};
  struct hgl_definition *definition = NULL;
  assert_ok(create_messages("{'a':{'body':{'city':'string','z':'any?','days':'integer?'}},"
                            "'b':{},'c':{'body':{'x':'any?'}}}",
                            &definition, &err));
  assert_ok(check_body(definition, "{'city':'Graz'}", &err));
  assert_ok(check_body(definition, "{'city':'Graz','days':3,'z':1}", &err));
  assert_fails(HGL_PROTOCOL_VIOLATION, check_body(definition, "{'city':3}", &err));
  assert_string_equal(err.message, "body.city: a string is expected, got 3");
  assert_fails(HGL_PROTOCOL_VIOLATION, check_body(definition, "{'z':1}", &err));
  assert_string_equal(err.message, "body.city: a string is expected, the field is missing");
  assert_fails(HGL_PROTOCOL_VIOLATION, check_body(definition, "{'city':'Graz','town':1}", &err));
  assert_string_equal(err.message, "body.town: the definition has no such field");
  assert_fails(HGL_PROTOCOL_VIOLATION, check_body(definition, "{'city':'Graz','days':[1]}", &err));
  assert_fails(HGL_PROTOCOL_VIOLATION, check_body(definition, "null", &err));
  assert_fails(HGL_PROTOCOL_VIOLATION, check_body(definition, "['city']", &err));
  struct hgl_bytes null = hgl_bytes("\xf6", 1), three = hgl_bytes("\x03", 1);
  assert_ok(hgl_definition_check_body(definition, hgl_text("b"), three, &err));
  assert_ok(hgl_definition_check_body(definition, hgl_text("c"), null, &err));
  assert_fails(HGL_PROTOCOL_VIOLATION,
               hgl_definition_check_body(definition, hgl_text("d"), null, &err));
  hgl_definition_destroy(definition);
}

static void body_errors_name_the_element(void **state)
{
  struct hgl_err err = {0};
  struct hgl_definition *definition = NULL;
  assert_ok(
      create_messages("{'a':{'body':{'items':{'type':'list','of':{'type':'map','of':'integer'}}}}}",
                      &definition, &err));
  assert_fails(HGL_PROTOCOL_VIOLATION,
               check_body(definition, "{'items':[{'n':1},{'n':'\\u0007x'}]}", &err));
  assert_string_equal(err.message, "body.items[2].n: an integer is expected, got \"?x\"");
  hgl_definition_destroy(definition);
}

/* Steps ---------------------------------------------------------------------------------------- */

static int step(const struct hgl_definition *definition, struct hgl_dialogue *dialogue,
                const char *performative, bool ours, struct hgl_err *err)
{
  return hgl_dialogue_step(definition, dialogue, hgl_text(performative), ours, 1000, err);
}

#define MARKET                                                                                     \
  "{'name':'market','version':'1.0','roles':['buyer','seller'],'messages':{"                       \
  "'ask':{'replies':['offer'],'within':'5s'},"                                                     \
  "'offer':{'from':'seller','replies':['offer-back','accept'],'follows':['note'],'within':7000},"  \
  "'note':{'replies':['offer-back','accept'],'follows':['note']},"                                 \
  "'offer-back':{'from':'buyer','replies':['offer','accept']},"                                    \
  "'accept':{}}}"

static void dialogue_follows_its_definition_to_the_end(void **state)
{
  struct hgl_err err = {0};
  struct hgl_definition *market = definition_of(MARKET);
  struct hgl_dialogue dialogue = {0};
  assert_ok(step(market, &dialogue, "ask", true, &err));
  assert_true(dialogue.we_opened);
  assert_int_equal(dialogue.deadline_ms, 6000);
  assert_ok(step(market, &dialogue, "offer", false, &err));
  assert_int_equal(dialogue.deadline_ms, 8000);
  assert_ok(step(market, &dialogue, "note", false, &err));
  assert_int_equal(dialogue.deadline_ms, 8000);
  assert_ok(step(market, &dialogue, "offer-back", true, &err));
  assert_int_equal(dialogue.deadline_ms, 0);
  assert_ok(step(market, &dialogue, "accept", false, &err));
  assert_true(dialogue.ended);
  assert_fails(HGL_PROTOCOL_VIOLATION, step(market, &dialogue, "accept", true, &err));
  assert_fails(HGL_PROTOCOL_VIOLATION, hgl_dialogue_refuse(&dialogue, &err));
  hgl_definition_destroy(market);
}

static void dialogue_refuses_what_is_not_the_turn_and_stays_as_it_was(void **state)
{
  struct hgl_err err = {0};
  struct hgl_definition *market = definition_of(MARKET);
  struct hgl_dialogue dialogue = {0}, before;
  assert_fails(HGL_PROTOCOL_VIOLATION, step(market, &dialogue, "offer", true, &err));
  assert_string_equal(err.message, "'offer' is not allowed here; from this side is expected: ask");
  assert_ok(step(market, &dialogue, "ask", false, &err));
  before = dialogue;
  assert_fails(HGL_PROTOCOL_VIOLATION, step(market, &dialogue, "ask", false, &err));
  assert_fails(HGL_PROTOCOL_VIOLATION, step(market, &dialogue, "offer", false, &err));
  assert_fails(HGL_PROTOCOL_VIOLATION, step(market, &dialogue, "accept", true, &err));
  assert_fails(HGL_PROTOCOL_VIOLATION, step(market, &dialogue, "bid", true, &err));
  assert_string_equal(err.message, "'bid' is no message of market/1.0");
  assert_memory_equal(&dialogue, &before, sizeof dialogue);
  assert_ok(step(market, &dialogue, "offer", true, &err));
  assert_ok(hgl_dialogue_refuse(&dialogue, &err));
  assert_true(dialogue.ended);
  hgl_definition_destroy(market);
}

static void dialogue_holds_each_side_to_its_role(void **state)
{
  struct hgl_err err = {0};
  struct hgl_definition *definition = NULL;
  assert_ok(create_messages("{'open':{'replies':['talk']},'talk':{'replies':['talk','bill']},"
                            "'bill':{'from':'responder'}}",
                            &definition, &err));
  struct hgl_dialogue dialogue = {0};
  assert_ok(step(definition, &dialogue, "open", true, &err));
  assert_ok(step(definition, &dialogue, "talk", false, &err));
  assert_fails(HGL_PROTOCOL_VIOLATION, step(definition, &dialogue, "bill", true, &err));
  assert_ok(step(definition, &dialogue, "talk", true, &err));
  assert_ok(step(definition, &dialogue, "bill", false, &err));
  hgl_definition_destroy(definition);
}

/* Of a program that did not know under which definition a dialogue began. */
static void an_older_row_of_a_dialogue_is_read(void **state)
{
  static const uint8_t row[] = {0x85, 0x02, 0xf5, 0xf4, 0xf4, 0x18, 0x64};
  struct hgl_err err = {0};
  struct hgl_dialogue dialogue;
  assert_ok(hgl_dialogue_decode(hgl_bytes(row, sizeof row), &dialogue, &err));
  assert_int_equal(dialogue.last, 2);
  assert_int_equal(dialogue.deadline_ms, 100);
  assert_int_equal(dialogue.definition, 0);
}

static void dialogue_row_survives_and_refuses_other_bytes(void **state)
{
  struct hgl_err err = {0};
  const struct hgl_dialogue dialogue = {
      .last = 64, .last_was_ours = true, .ended = true, .deadline_ms = 1234567, .definition = 77};
  struct hgl_dialogue again;
  struct hgl_buf row;
  hgl_buf_init(&row, 64);
  hgl_dialogue_encode(&dialogue, &row);
  assert_ok(hgl_dialogue_decode(hgl_buf_bytes(&row), &again, &err));
  assert_int_equal(again.last, 64);
  assert_true(again.last_was_ours && again.ended && !again.we_opened);
  assert_int_equal(again.deadline_ms, 1234567);
  assert_int_equal(again.definition, 77);
  for (size_t size = 0; size < row.size; size++)
    assert_true(hgl_dialogue_decode(hgl_bytes(row.data, size), &again, &err) != 0);
  row.data[2]++; /* last: 65 */
  assert_true(hgl_dialogue_decode(hgl_buf_bytes(&row), &again, &err) != 0);
  hgl_buf_deinit(&row);

  struct hgl_definition *market = definition_of(MARKET);
  struct hgl_dialogue other = {.last = 6};
  assert_fails(HGL_PROTOCOL_VIOLATION, step(market, &other, "accept", true, &err));
  hgl_definition_destroy(market);
}

static void definition_survives_every_failed_allocation(void **state)
{
  struct hgl_err err = {0};
  struct hgl_buf value;
  value_of("{'name':'p','version':'1.0','messages':{'a':{'replies':['b'],'body':{'x':{'type':"
           "'list','of':{'type':'string','one_of':['u','v']}}}},'b':{'body':{'y':'any'}}}}",
           &value);
  struct hgl_definition *definition = NULL;
  long failures = 0;
  for (int status = -1; status; failures++) {
    hgl_mem_fail_after(failures);
    status = hgl_definition_create(hgl_buf_bytes(&value), &definition, &err);
    hgl_mem_fail_after(-1);
    if (status) assert_int_equal(status, -HGL_NO_MEMORY);
  }
  assert_true(failures > 5);
  hgl_definition_destroy(definition);
  hgl_buf_deinit(&value);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(definition_digest_is_the_same_for_two_ways_of_writing_the_same),
      cmocka_unit_test(definition_digest_is_blind_to_units_signs_and_order),
      cmocka_unit_test(definition_digest_changes_with_every_difference_in_meaning),
      cmocka_unit_test(definition_canonical_form_is_a_definition_with_the_same_digest),
      cmocka_unit_test(definition_digest_is_the_one_of_the_specification),
      cmocka_unit_test(definition_refuses_what_it_does_not_know_and_names_the_place),
      cmocka_unit_test(definition_refuses_a_wrong_frame),
      cmocka_unit_test(definition_limits_hold_at_and_one_past),
      cmocka_unit_test(body_types_accept_and_refuse),
      cmocka_unit_test(body_fields_are_all_there_and_no_others),
      cmocka_unit_test(body_errors_name_the_element),
      cmocka_unit_test(dialogue_follows_its_definition_to_the_end),
      cmocka_unit_test(dialogue_refuses_what_is_not_the_turn_and_stays_as_it_was),
      cmocka_unit_test(dialogue_holds_each_side_to_its_role),
      cmocka_unit_test(an_older_row_of_a_dialogue_is_read),
      cmocka_unit_test(dialogue_row_survives_and_refuses_other_bytes),
      cmocka_unit_test(definition_survives_every_failed_allocation),
  };
  return cmocka_run_group_tests(tests, setup, NULL);
}
