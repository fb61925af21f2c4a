#include "support/check.h"

#include <stdlib.h>

#include "base/mem.h"
#include "protocol/query.h"
#include "protocol/scalar.h"
#include "support/value_text.h"

static int from_value(const char *json, struct hgl_query **out, struct hgl_err *err)
{
  struct hgl_buf value;
  value_of(json, &value);
  int status = hgl_query_create(hgl_buf_bytes(&value), out, err);
  hgl_buf_deinit(&value);
  return status;
}

static bool matches(const struct hgl_query *query, const char *offer)
{
  struct hgl_buf value;
  value_of(offer, &value);
  bool match = hgl_query_match(query, hgl_buf_bytes(&value));
  hgl_buf_deinit(&value);
  return match;
}

static bool text_matches(const char *text, const char *offer)
{
  struct hgl_err err = {0};
  struct hgl_query *query = NULL;
  assert_ok(hgl_query_parse(hgl_text(text), &query, &err));
  bool match = matches(query, offer);
  hgl_query_destroy(query);
  return match;
}

#define OFFER                                                                                      \
  "{'service':'weather','protocol':'weather/1.0','price':4,'region':'at','fresh':true,"            \
  "'lat':47.07,'lon':15.44,'hw':{'cpu':'zen','cores':8},'none':null,"                              \
  "'place':{'lat':48.21,'lon':16.37},'tags':['x']}"

/* The same in both forms, and whether OFFER matches. */
static const struct {
  const char *text, *where;
  bool match;
} both_forms[] = {
    {"service=weather", "{'service':'weather'}", true},
    {"service=telemetry", "{'service':'telemetry'}", false},
    {"price=4", "{'price':4}", true},
    {"price=4.0", "{'price':4.0}", true},
    {"price=\"4\"", "{'price':'4'}", false},
    {"price!=4", "{'price':{'not_':4}}", false},
    {"price!=5", "{'price':{'not':5}}", true},
    {"cost!=5", "{'cost':{'not':5}}", true},
    {"price<=4", "{'price':{'at_most':4}}", true},
    {"price<=3.9", "{'price':{'at_most':3.9}}", false},
    {"price>=4", "{'price':{'at_least':4}}", true},
    {"price>=4.5", "{'price':{'at_least':4.5}}", false},
    {"price<4", "{'price':{'below':4}}", false},
    {"price<4.5", "{'price':{'below':4.5}}", true},
    {"price>4", "{'price':{'above':4}}", false},
    {"price>-4e0", "{'price':{'above':-4.0}}", true},
    {"price>=3 price<=5", "{'price':{'at_least':3,'at_most':5}}", true},
    {"price>=3 and price<4", "{'price':{'at_least':3,'below':4}}", false},
    {"price<z", "{'price':{'below':'z'}}", false},
    {"region<z", "{'region':{'below':'z'}}", true},
    {"region in (de,at)", "{'region':{'one_of':['de','at']}}", true},
    {"region in (de)", "{'region':{'one_of':['de']}}", false},
    {"price in (1,4.0)", "{'price':{'one_of':[1,4.0]}}", true},
    {"fresh=true", "{'fresh':true}", true},
    {"fresh='true'", "{'fresh':'true'}", false},
    {"has fresh", "{'fresh':{'has':true}}", true},
    {"has none", "{'none':{'has':true}}", true},
    {"not has gpu", "{'gpu':{'has':false}}", true},
    {"hw.cpu=zen hw.cores>4", "{'hw.cpu':'zen','hw.cores':{'above':4}}", true},
    {"hw.gpu=zen", "{'hw.gpu':'zen'}", false},
    {"region.cpu=zen", "{'region.cpu':'zen'}", false},
    {"tags=x", "{'tags':'x'}", false},
    {"not region=at", "{'none':[{'region':'at'}]}", false},
    {"not (region=de or price=5)", "{'none':[{'region':'de'},{'price':5}]}", true},
    {"(region=de or price=4)", "{'any':[{'region':'de'},{'price':4}]}", true},
    {"region=de or price=4 fresh=false", "{'any':[{'region':'de'},{'price':4,'fresh':false}]}",
     false},
    {"price=4 (region=de or (fresh=true has hw))",
     "{'price':4,'any':[{'region':'de'},{'all':[{'fresh':true},{'hw':{'has':true}}]}]}", true},
    {"near(47.0,15.4,30km)", "{'near':[47.0,15.4,30]}", true},
    {"near(47.0,15.4,1)", "{'near':[47.0,15.4,1]}", false},
    {"place near (48.2,16.4,5km)", "{'place':{'near':[48.2,16.4,5]}}", true},
    {"region near (48.2,16.4,5km)", "{'region':{'near':[48.2,16.4,5]}}", false},
    {"'region'='at'", "{'region':{'is':'at'}}", true},
};

static void query_means_the_same_as_text_and_as_a_value(void **state)
{
  struct hgl_err err = {0};
  for (size_t i = 0; i < sizeof both_forms / sizeof both_forms[0]; i++) {
    struct hgl_query *query = NULL;
    struct hgl_buf json;
    hgl_buf_init(&json, 4096);
    hgl_buf_printf(&json, "{'where':%s}", both_forms[i].where);
    assert_ok(from_value(text_of_buf(&json), &query, &err));
    if (matches(query, OFFER) != both_forms[i].match) fail_msg("value %s", both_forms[i].where);
    if (text_matches(both_forms[i].text, OFFER) != both_forms[i].match)
      fail_msg("text %s", both_forms[i].text);
    hgl_query_destroy(query);
    hgl_buf_deinit(&json);
  }
}

static void query_groups_that_are_empty_are_decided(void **state)
{
  struct hgl_err err = {0};
  static const struct {
    const char *value;
    bool match;
  } cases[] = {
      {"{}", true},
      {"[]", true},
      {"{'where':{}}", true},
      {"{'where':{'all':[]}}", true},
      {"{'where':{'any':{}}}", false},
      {"{'where':{'none':[]}}", true},
      {"{'where':{'any':[{}]}}", true},
      {"{'where':{'region':{'one_of':{}}}}", false},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct hgl_query *query = NULL;
    assert_ok(from_value(cases[i].value, &query, &err));
    if (matches(query, OFFER) != cases[i].match) fail_msg("%s", cases[i].value);
    hgl_query_destroy(query);
  }
  assert_true(text_matches("", OFFER));
}

static void query_compares_integers_and_doubles_exactly(void **state)
{
  const char *offer = "{'n':{'$int':'9007199254740993'}}";
  assert_false(text_matches("n=9007199254740992.0", offer));
  assert_true(text_matches("n>9007199254740992.0", offer));
  assert_true(text_matches("n=9007199254740993", offer));
  assert_true(text_matches("n<1e300 n>-1e300", offer));
  assert_true(text_matches("n>-0.5", "{'n':0}"));
  assert_true(text_matches("n<-0.5", "{'n':-1}"));
}

static void query_knows_distances_on_the_globe(void **state)
{
  /* Graz and Vienna: 145 km. Both sides of the date line: 222 km apart at the equator. */
  assert_true(text_matches("near(48.2082,16.3738,146km)", "{'lat':47.0707,'lon':15.4395}"));
  assert_false(text_matches("near(48.2082,16.3738,144km)", "{'lat':47.0707,'lon':15.4395}"));
  assert_true(text_matches("near(0,179,223km)", "{'lat':0,'lon':-179}"));
  assert_false(text_matches("near(0,179,221km)", "{'lat':0,'lon':-179}"));
  assert_true(text_matches("near(90,0,0.001km)", "{'lat':90,'lon':180}"));
  assert_true(text_matches("near(0,0,20038km)", "{'lat':0,'lon':180}"));
  assert_false(text_matches("near(0,0,20038km)", "{'lat':'0','lon':180}"));
  assert_false(text_matches("near(0,0,20038km)", "{'lat':0}"));
  assert_false(text_matches("near(0,0,20038km)", "{'lat':91,'lon':0}"));
}

static void query_quotes_hold_any_text(void **state)
{
  assert_true(text_matches("n=\"a \\\"b\\\\ (or)\\n\"", "{'n':'a \\\"b\\\\ (or)\\n'}"));
  assert_true(text_matches("\"order\"=1 order \"order\"", "{'order':1}"));
  assert_true(text_matches("n=did:key:z6Mk", "{'n':'did:key:z6Mk'}"));
  assert_true(text_matches("stra\xc3\x9f"
                           "e=gr\xc3\xbcn",
                           "{'stra\xc3\x9f"
                           "e':'gr\xc3\xbcn'}"));
}

static void query_orders_and_limits(void **state)
{
  struct hgl_err err = {0};
  static const char *const offers[] = {"{'p':3}", "{'p':2.5}", "{'p':'x'}", "{'p':[]}", "{}"};
  struct hgl_query *up = NULL, *down = NULL, *none = NULL;
  assert_ok(hgl_query_parse(hgl_text("order p limit 3"), &up, &err));
  assert_ok(hgl_query_parse(hgl_text("limit 1000 order -p"), &down, &err));
  assert_ok(hgl_query_parse(hgl_text("p=1"), &none, &err));
  assert_int_equal(hgl_query_limit(up), 3);
  assert_int_equal(hgl_query_limit(down), 1000);
  assert_int_equal(hgl_query_limit(none), HGL_QUERY_LIMIT_DEFAULT);
  assert_true(hgl_query_is_ordered(up) && !hgl_query_is_ordered(none));
  struct hgl_buf values[5];
  for (int i = 0; i < 5; i++) value_of(offers[i], &values[i]);
#define ORDER(query, a, b)                                                                         \
  hgl_query_compare(query, hgl_buf_bytes(&values[a]), hgl_buf_bytes(&values[b]))
  assert_true(ORDER(up, 0, 1) > 0 && ORDER(up, 1, 0) < 0);
  assert_true(ORDER(down, 0, 1) < 0 && ORDER(down, 1, 0) > 0);
  assert_true(ORDER(up, 1, 2) < 0 && ORDER(down, 1, 2) < 0);
  assert_true(ORDER(up, 2, 3) < 0 && ORDER(down, 2, 4) < 0 && ORDER(down, 4, 0) > 0);
  assert_true(ORDER(up, 3, 4) == 0 && ORDER(none, 0, 1) == 0);
  for (int i = 0; i < 5; i++) hgl_buf_deinit(&values[i]);
  hgl_query_destroy(up);
  hgl_query_destroy(down);
  hgl_query_destroy(none);
}

static void query_tells_the_service_that_every_match_has(void **state)
{
  struct hgl_err err = {0};
  static const struct {
    const char *text, *service;
  } cases[] = {
      {"service=weather price<4", "weather"}, {"price<4 (service=weather region=at)", "weather"},
      {"service=weather or price<4", ""},     {"not service=weather", ""},
      {"service in (weather)", ""},           {"service=4", ""},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct hgl_query *query = NULL;
    assert_ok(hgl_query_parse(hgl_text(cases[i].text), &query, &err));
    if (!hgl_bytes_is(hgl_query_service(query), cases[i].service)) fail_msg("%s", cases[i].text);
    hgl_query_destroy(query);
  }
  struct hgl_query *query = NULL;
  assert_ok(from_value("{'service':'w','protocol':'w/1.0','limit':2,'order':'p'}", &query, &err));
  assert_true(hgl_bytes_is(hgl_query_service(query), "w"));
  assert_true(matches(query, "{'service':'w','protocol':'w/1.0'}"));
  assert_false(matches(query, "{'service':'w','protocol':'w/1.1'}"));
  hgl_query_destroy(query);
}

static void query_text_errors_point_at_the_column(void **state)
{
  static const struct {
    const char *text, *message;
  } cases[] = {
      {"price <", "column 8: a value is expected, the query ends"},
      {"price", "column 6: = != < <= > >=, in or near is expected, the query ends"},
      {"price 4", "column 7: = != < <= > >=, in or near is expected, got '4'"},
      {"price=4 )", "column 9: order, limit or the end is expected, got ')'"},
      {"(price=4", "column 9: ')' is expected"},
      {"price=4 & x=1", "column 9: '&' means nothing here"},
      {"a=\"x", "column 3: this quote is never closed"},
      {"a=\"x\\\"", "column 3: this quote is never closed"},
      {"a in 4", "column 6: '(' after in is expected"},
      {"a in (4 5)", "column 9: ',' or ')' is expected"},
      {"a in ()", "column 7: a value is expected"},
      {"near(1,2)", "column 9: ',' is expected"},
      {"near(1,2,3miles)", "column 10: kilometres, like 30km, is expected"},
      {"near(x,2,3)", "column 6: a latitude is expected"},
      {"a=99999999999999999999", "column 3: the integer does not fit 64 bits"},
      {"a=1e999", "column 3: the number is too large"},
      {"order", "column 6: a field after order is expected"},
      {"limit x", "column 7: a number after limit is expected"},
      {"limit 1 limit 2", "column 9: limit is given twice"},
      {"or a=1", "column 1: a field is expected; put 'or' in quotes"},
      {"a=1 or", "column 7: a field is expected, the query ends"},
      {"a=1 order p b=2", "column 13: order, limit or the end is expected"},
      {"((((((((( a=1", "column 9: nested deeper than 8"},
      {"not not not not not not not not not a=1", "column 33: nested deeper than 8"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct hgl_err err = {0};
    struct hgl_query *query;
    assert_fails(HGL_MALFORMED, hgl_query_parse(hgl_text(cases[i].text), &query, &err));
    if (!strstr(err.message, cases[i].message))
      fail_msg("%s: '%s' is not in '%s'", cases[i].text, cases[i].message, err.message);
  }
}

static void query_value_errors_name_the_place(void **state)
{
  static const struct {
    const char *value, *message;
  } cases[] = {
      {"3", "query: a map is expected, got 3"},
      {"{'price':4}", "unknown key 'price'; a query has service"},
      {"{'where':{'price':{'atmost':4}}}", "price: unknown operator 'atmost'"},
      {"{'where':{'price':{}}}", "price: names neither a value nor an operator"},
      {"{'where':{'price':[1]}}", "price: cannot be compared with a list"},
      {"{'where':{'price':{'is':{'a':1}}}}", "price: cannot be compared with a map"},
      {"{'where':{'price':{'at_most':true}}}", "price: only numbers and texts have an order"},
      {"{'where':{'price':{'one_of':4}}}", "price: a list is expected, got 4"},
      {"{'where':{'price':{'one_of':[[1]]}}}", "price: cannot be compared with a list"},
      {"{'where':{'price':{'has':1}}}", "price: has takes true or false"},
      {"{'where':{'near':[1,2]}}", "near: near takes latitude, longitude and kilometres"},
      {"{'where':{'near':[91,2,3]}}", "near: near takes -90 to 90"},
      {"{'where':{'near':['1',2,3]}}", "near takes three numbers"},
      {"{'where':{'any':[4]}}", "any: a map is expected, got 4"},
      {"{'where':{'a..b':4}}", "a..b: a field is a path of names"},
      {"{'where':{'.a':4}}", "a field is a path of names"},
      {"{'where':{'':4}}", "a field is a path of names"},
      {"{'order':'-'}", "a field is a path of names"},
      {"{'order':4}", ""},
      {"{'limit':0}", "limit: 1 to 1000 is expected, got 0"},
      {"{'limit':1001}", "limit: 1 to 1000 is expected, got 1001"},
      {"{'limit':'1'}", ""},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct hgl_err err = {0};
    struct hgl_query *query;
    assert_fails(HGL_MALFORMED, from_value(cases[i].value, &query, &err));
    if (!strstr(err.message, cases[i].message))
      fail_msg("%s: '%s' is not in '%s'", cases[i].value, cases[i].message, err.message);
  }
}

static void query_limits_hold_at_and_one_past(void **state)
{
  struct hgl_err err = {0};
  struct hgl_query *query;
  for (int extra = 0; extra < 2; extra++) {
    struct hgl_buf text;
    hgl_buf_init(&text, 8192);
    /* One more stands for the group around them. */
    for (int i = 0; i < HGL_QUERY_CONDITIONS_MAX - 1 + extra; i++)
      hgl_buf_append_text(&text, "a=1 ");
    assert_fails(extra ? HGL_TOO_LARGE : HGL_OK,
                 hgl_query_parse(hgl_buf_bytes(&text), &query, &err));
    if (!extra) hgl_query_destroy(query);

    hgl_buf_clear(&text);
    hgl_buf_append_text(&text, "a=");
    for (int i = 0; i < HGL_QUERY_TEXT_SIZE_MAX - 2 + extra; i++) hgl_buf_append_byte(&text, 'x');
    assert_fails(extra ? HGL_TOO_LARGE : HGL_OK,
                 hgl_query_parse(hgl_buf_bytes(&text), &query, &err));
    if (!extra) hgl_query_destroy(query);

    hgl_buf_clear(&text);
    hgl_buf_append_text(&text, "{'where':");
    for (int i = 0; i < HGL_QUERY_DEPTH_MAX + extra; i++) hgl_buf_append_text(&text, "{'any':[");
    hgl_buf_append_text(&text, "{'a':1}");
    for (int i = 0; i < HGL_QUERY_DEPTH_MAX + extra; i++) hgl_buf_append_text(&text, "]}");
    hgl_buf_append_text(&text, "}");
    assert_fails(extra ? HGL_TOO_DEEP : HGL_OK, from_value(text_of_buf(&text), &query, &err));
    if (!extra) hgl_query_destroy(query);
    hgl_buf_deinit(&text);
  }
  assert_fails(HGL_MALFORMED, hgl_query_parse(hgl_text("a=\xff"), &query, &err));
}

/* What of OFFER the query's conditions find instead: "condition; condition". */
static size_t explained(const char *text, struct hgl_query_miss *misses, struct hgl_buf *shown,
                        const struct hgl_buf *offer)
{
  struct hgl_err err = {0};
  struct hgl_query *query = NULL;
  assert_ok(hgl_query_parse(hgl_text(text), &query, &err));
  size_t count = hgl_query_explain(query, hgl_buf_bytes(offer), misses, 8);
  for (size_t i = 0; i < count && i < 8; i++) {
    if (i) hgl_buf_append_text(shown, "; ");
    assert_ok(hgl_query_show(query, misses[i].condition, shown, &err));
  }
  assert_int_equal(count == 0, hgl_query_match(query, hgl_buf_bytes(offer)));
  hgl_query_destroy(query);
  return count;
}

static void query_explains_what_does_not_match(void **state)
{
  static const struct {
    const char *text, *shown;
    size_t count;
  } cases[] = {
      {"service=weather price<=5", "", 0},
      {"price <= 3 and service=weather and region=de", "price<=3; region=de", 2},
      {"(price<=3 (region=at and fresh!=true))", "price<=3; fresh!=true", 2},
      {"(region=de or price=5)", "(region=de or price=5)", 1},
      {"not (region=at or price=5) has gpu", "not (region=at or price=5); has gpu", 2},
      {"region in (de,\"b c\") price>4.5", "region in (de, \"b c\"); price>4.5", 2},
      {"near(48,16,30km) place near(1,2,3)",
       "near (48.0, 16.0, 30.0km); place near (1.0, 2.0, 3.0km)", 2},
      {"a=\"and\" b=\"4\" c=\"true\" d=\"\\\"\"", "a=\"and\"; b=\"4\"; c=\"true\"; d=\"\\\"\"", 4},
  };
  struct hgl_buf offer;
  value_of(OFFER, &offer);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct hgl_query_miss misses[8];
    struct hgl_buf shown;
    hgl_buf_init(&shown, 4096);
    if (explained(cases[i].text, misses, &shown, &offer) != cases[i].count ||
        strcmp(text_of_buf(&shown), cases[i].shown) != 0)
      fail_msg("%s: %s", cases[i].text, text_of_buf(&shown));
    hgl_buf_deinit(&shown);
  }
  hgl_buf_deinit(&offer);
}

static void query_explains_what_was_found_instead(void **state)
{
  struct hgl_query_miss misses[8];
  struct hgl_buf shown, offer;
  char text[HGL_SHOW_SIZE];
  value_of(OFFER, &offer);
  hgl_buf_init(&shown, 4096);
  assert_int_equal(
      explained("hw.cores<4 gpu=1 near(48.2082,16.3738,100km) tags=y", misses, &shown, &offer), 4);
  assert_true(misses[0].has_found);
  assert_string_equal(hgl_value_show(misses[0].found, text), "8");
  assert_false(misses[1].has_found);
  assert_true(misses[2].has_km && misses[2].km > 144 && misses[2].km < 146);
  assert_true(misses[3].has_found && !misses[3].has_km);
  hgl_buf_deinit(&shown);
  hgl_buf_deinit(&offer);
}

/* A condition shown is that condition: whoever copies it into a query asks for the same. */
static void query_shows_conditions_that_can_be_parsed(void **state)
{
  struct hgl_buf offer;
  value_of(OFFER, &offer);
  for (size_t i = 0; i < sizeof both_forms / sizeof both_forms[0]; i++) {
    struct hgl_query_miss misses[8];
    struct hgl_buf shown;
    hgl_buf_init(&shown, 4096);
    size_t count = explained(both_forms[i].text, misses, &shown, &offer);
    assert_int_equal(count == 0, both_forms[i].match);
    if (count == 1 && text_matches(text_of_buf(&shown), OFFER)) fail_msg("%s", both_forms[i].text);
    hgl_buf_deinit(&shown);
  }
  hgl_buf_deinit(&offer);
}

static void query_names_the_fields_of_a_condition(void **state)
{
  struct hgl_err err = {0};
  struct hgl_query *query = NULL;
  struct hgl_query_miss miss;
  struct hgl_bytes fields[8], found;
  struct hgl_buf offer;
  value_of(OFFER, &offer);
  assert_ok(
      hgl_query_parse(hgl_text("(hw.cpu=x or price=9 or price=8 or near(1,2,3))"), &query, &err));
  assert_int_equal(hgl_query_explain(query, hgl_buf_bytes(&offer), &miss, 1), 1);
  assert_int_equal(hgl_query_fields(query, miss.condition, fields, 8), 2);
  assert_true(hgl_bytes_is(fields[0], "hw.cpu") && hgl_bytes_is(fields[1], "price"));
  assert_true(hgl_query_field(hgl_buf_bytes(&offer), fields[0], &found));
  assert_int_equal(hgl_query_fields(query, miss.condition, fields, 1), 1);
  hgl_query_destroy(query);
  hgl_buf_deinit(&offer);
}

static void query_survives_every_failed_allocation(void **state)
{
  struct hgl_err err = {0};
  struct hgl_query *query = NULL;
  long failures = 0;
  for (int status = -1; status; failures++) {
    hgl_mem_fail_after(failures);
    status = hgl_query_parse(hgl_text("a=\"x\" (b=1 or not c in (1,2)) near(1,2,3) order -d"),
                             &query, &err);
    hgl_mem_fail_after(-1);
    if (status) assert_int_equal(status, -HGL_NO_MEMORY);
  }
  assert_true(failures > 8);
  hgl_query_destroy(query);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(query_means_the_same_as_text_and_as_a_value),
      cmocka_unit_test(query_groups_that_are_empty_are_decided),
      cmocka_unit_test(query_compares_integers_and_doubles_exactly),
      cmocka_unit_test(query_knows_distances_on_the_globe),
      cmocka_unit_test(query_quotes_hold_any_text),
      cmocka_unit_test(query_orders_and_limits),
      cmocka_unit_test(query_tells_the_service_that_every_match_has),
      cmocka_unit_test(query_text_errors_point_at_the_column),
      cmocka_unit_test(query_value_errors_name_the_place),
      cmocka_unit_test(query_limits_hold_at_and_one_past),
      cmocka_unit_test(query_explains_what_does_not_match),
      cmocka_unit_test(query_explains_what_was_found_instead),
      cmocka_unit_test(query_shows_conditions_that_can_be_parsed),
      cmocka_unit_test(query_names_the_fields_of_a_condition),
      cmocka_unit_test(query_survives_every_failed_allocation),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
