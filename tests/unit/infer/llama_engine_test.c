/* The llama.cpp engine through its interface, on small models with random weights. What those say
 * is nonsense, which makes it the better test: nothing but the grammar keeps an answer to its
 * schema. */
#include "base/mem.h"
#include "support/check.h"
#include "support/engine_host.h"
#include "support/json_of.h"
#include "support/schema_check.h"
#include "support/tiny_gguf.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct engine_host host;
static char folder[] = "/tmp/haggle-llama-XXXXXX";
static char plain[64], chatty[64]; /* the models' files */

static void write_model(char *path, const char *name, struct tiny_model model)
{
  snprintf(path, 64, "%s/%s", folder, name);
  assert_int_equal(tiny_gguf_write(path, &model), 0);
}

static int set_up(void **state)
{
  if (!engine_host_open(&host, HGL_BINARY_DIR "/engines/haggle-engine-llama.so")) return -1;
  if (!mkdtemp(folder)) return -1;
  write_model(plain, "plain.gguf", (struct tiny_model){TINY_BYTES, .context = 512, .seed = 7});
  write_model(chatty, "chatty.gguf", (struct tiny_model){TINY_PIECES, .context = 512, .seed = 9});
  return 0;
}

static int tear_down(void **state)
{
  char command[128];
  snprintf(command, sizeof command, "rm -r %s", folder);
  return system(command) == 0 ? 0 : -1;
}

static void *open_model(const char *file, const char *options)
{
  void *model = NULL;
  struct haggle_error error;
  int status = engine_model_open(&host, file, options, &model, &error);
  if (status) print_error("%s\n", error.message);
  assert_int_equal(status, HAGGLE_OK);
  return model;
}

static json_t *answer_of(const struct engine_call *call)
{
  if (call->status) print_error("%d: %s\n", call->status, call->answer);
  assert_int_equal(call->status, HAGGLE_OK);
  return json_of(call->answer, strlen(call->answer), 0);
}

static const char *text_of(const json_t *answer)
{
  return json_string_value(json_object_get(answer, "text"));
}

static int usage_of(const json_t *answer, const char *member)
{
  return (int)json_integer_value(json_object_get(json_object_get(answer, "usage"), member));
}

static void assert_text(const struct engine_call *call, const char *text)
{
  json_t *answer = answer_of(call);
  assert_string_equal(text_of(answer), text);
  json_decref(answer);
}

/* The answer's text to one request, from a model of its own. Free it. */
static char *alone(const char *file, const char *request)
{
  void *model = open_model(file, "parallel=1");
  struct engine_call call = engine_call("%s", request);
  engine_run(&host, model, &call, 1, 1);
  json_t *answer = answer_of(&call);
  char *text = strdup(text_of(answer));
  json_decref(answer);
  engine_call_free(&call);
  host.engine->close(model);
  return text;
}

static struct engine_call nth(int i, int max_tokens)
{
  static const char *const prompts[] = {"the", "and so on", "in there", "x"};
  return engine_call(
      "{\"task\":\"complete\",\"prompt\":\"%s\",\"max_tokens\":%d,\"temperature\":0}", prompts[i],
      max_tokens + i);
}

static void a_prompt_is_read_in_pieces(void **state)
{
  char prompt[400];
  memset(prompt, 'a', sizeof prompt);
  for (size_t i = 0; i < sizeof prompt; i += 7) prompt[i] = (char)('b' + i % 11);
  prompt[sizeof prompt - 1] = '\0';
  void *model = open_model(plain, "step=64");
  struct engine_call calls[2] = {
      nth(0, 30), engine_call("{\"task\":\"complete\",\"prompt\":\"%s\",\"temperature\":0,"
                              "\"max_tokens\":20}",
                              prompt)};
  engine_run(&host, model, calls, 2, 2);
  for (int i = 0; i < 2; i++) {
    char *text = alone(plain, calls[i].text);
    assert_text(&calls[i], text);
    free(text);
    engine_call_free(&calls[i]);
  }
  host.engine->close(model);
}

static void what_begins_alike_is_not_computed_again(void **state)
{
  void *model = open_model(plain, NULL);
  struct engine_call calls[3];
  for (int i = 0; i < 3; i++)
    calls[i] = engine_call("{\"task\":\"complete\",\"prompt\":\"you are a careful buyer and %s\","
                           "\"max_tokens\":12,\"temperature\":0}",
                           i == 0   ? "haggle"
                           : i == 1 ? "haggle on"
                                    : "pay");
  char *texts[3];
  for (int i = 0; i < 3; i++) texts[i] = alone(plain, calls[i].text);
  int reused[3];
  for (int i = 0; i < 3; i++) {
    engine_run(&host, model, &calls[i], 1, 1);
    json_t *answer = answer_of(&calls[i]);
    assert_string_equal(text_of(answer), texts[i]);
    reused[i] = usage_of(answer, "reused");
    json_decref(answer);
  }
  assert_int_equal(reused[0], 0);
  assert_true(reused[1] > reused[2] && reused[2] > 15);
  /* From one that is still active, too. */
  engine_run(&host, model, calls, 3, 3);
  for (int i = 0; i < 3; i++) assert_text(&calls[i], texts[i]);
  struct haggle_model_stats stats;
  host.engine->stats(model, &stats);
  assert_true(stats.tokens_reused > (uint64_t)(reused[1] + reused[2]));
  assert_true(stats.tokens_in > stats.tokens_reused && stats.tokens_out >= 36);
  assert_true(stats.busy_ns > 0 && stats.host_memory + stats.device_memory > 100000);
  assert_true(!stats.host_memory != !stats.device_memory);
  for (int i = 0; i < 3; i++) {
    free(texts[i]);
    engine_call_free(&calls[i]);
  }
  host.engine->close(model);
}

/* Ends ------------------------------------------------------------------------------------------
 */

static void an_answer_ends_before_a_stop_and_streams_none_of_it(void **state)
{
  const char *request = "{\"task\":\"complete\",\"prompt\":\"the\",\"max_tokens\":40,"
                        "\"temperature\":0}";
  char *whole = alone(plain, request);
  void *model = open_model(plain, NULL);
  size_t size = strlen(whole);
  unsigned tried = 0;
  for (size_t at = 1; at + 3 < size; at++) {
    char stop[4] = {whole[at], whole[at + 1], whole[at + 2], '\0'};
    bool simple = true;
    for (int i = 0; i < 3; i++)
      simple &= stop[i] > ' ' && stop[i] < 0x7f && stop[i] != '"' && stop[i] != '\\';
    if (!simple || strstr(whole, stop) != whole + at) continue;
    struct engine_call call = engine_call(
        "{\"task\":\"complete\",\"prompt\":\"the\",\"max_tokens\":40,"
        "\"temperature\":0,\"stop\":[\"nowhere\",\"%s\"]}",
        stop);
    engine_run(&host, model, &call, 1, 1);
    json_t *answer = answer_of(&call);
    assert_int_equal(strlen(text_of(answer)), at);
    assert_memory_equal(text_of(answer), whole, at);
    assert_string_equal(json_string_value(json_object_get(answer, "finish")), "stop");
    assert_string_equal(call.pieces ? call.pieces : "", text_of(answer));
    json_decref(answer);
    engine_call_free(&call);
    tried++;
  }
  assert_true(tried > 0);
  free(whole);
  host.engine->close(model);
}

static void an_answer_ends_with_its_tokens_or_the_context(void **state)
{
  void *model = open_model(plain, "context=64,parallel=2");
  struct engine_call calls[2] = {
      engine_call("{\"task\":\"complete\",\"prompt\":\"a\",\"max_tokens\":5,\"temperature\":0}"),
      engine_call("{\"task\":\"complete\",\"prompt\":\"a\",\"max_tokens\":9000,"
                  "\"temperature\":0,\"schema\":{\"type\":\"string\",\"minLength\":500}}")};
  engine_run(&host, model, calls, 2, 2);
  json_t *answer = answer_of(&calls[0]);
  assert_int_equal(usage_of(answer, "completion"), 5);
  assert_string_equal(json_string_value(json_object_get(answer, "finish")), "length");
  json_decref(answer);
  answer = answer_of(&calls[1]);
  assert_int_equal(usage_of(answer, "completion") + usage_of(answer, "prompt"), 64);
  assert_string_equal(json_string_value(json_object_get(answer, "finish")), "length");
  json_decref(answer);
  engine_call_free(&calls[0]);
  engine_call_free(&calls[1]);
  host.engine->close(model);
}

static void one_that_is_cancelled_or_late_ends_and_leaves_the_others(void **state)
{
  void *model = open_model(plain, NULL);
  struct engine_call calls[4] = {nth(0, 30), nth(1, 30), nth(2, 30), nth(3, 30)};
  char *expected = alone(plain, calls[0].text);
  calls[1].cancel_after = 2;
  calls[2].deadline_ns = 1;
  calls[3].over_at_once = true;
  engine_run(&host, model, calls, 4, 3);
  assert_text(&calls[0], expected);
  assert_int_equal(calls[1].status, HAGGLE_CANCELLED);
  assert_true(calls[1].piece_count < 10);
  assert_int_equal(calls[2].status, HAGGLE_TIMEOUT);
  assert_int_equal(calls[3].status, HAGGLE_CANCELLED);
  /* The place of the cancelled one serves again. */
  for (int i = 1; i < 4; i++) {
    calls[i].cancel_after = 0;
    calls[i].deadline_ns = 0;
    calls[i].over_at_once = false;
    engine_run(&host, model, &calls[i], 1, 1);
    char *text = alone(plain, calls[i].text);
    assert_text(&calls[i], text);
    free(text);
  }
  for (int i = 0; i < 4; i++) engine_call_free(&calls[i]);
  free(expected);
  host.engine->close(model);
}

static void a_deadline_that_passes_meanwhile_ends_an_answer(void **state)
{
  void *model = open_model(plain, NULL);
  struct engine_call call = nth(0, 60);
  call.late_after = 3;
  engine_run(&host, model, &call, 1, 1);
  assert_int_equal(call.status, HAGGLE_TIMEOUT);
  assert_int_equal(call.piece_count, 3);
  engine_call_free(&call);
  host.engine->close(model);
}

/* Computed in the same way, with nothing taken over: rounding draws otherwise, too. */
static void a_seed_repeats_an_answer(void **state)
{
  char *texts[3];
  for (int i = 0; i < 3; i++) {
    char request[200];
    snprintf(request, sizeof request,
             "{\"task\":\"complete\",\"prompt\":\"the\",\"max_tokens\":30,"
             "\"temperature\":1.5,\"top_k\":0,\"top_p\":1,\"min_p\":0,\"seed\":%d}",
             i / 2);
    texts[i] = alone(plain, request);
  }
  assert_string_equal(texts[0], texts[1]);
  assert_string_not_equal(texts[0], texts[2]);
  for (int i = 0; i < 3; i++) free(texts[i]);
}

static int repeats(const char *text)
{
  int count = 0;
  for (const char *at = text; *at; at++) count += strchr(text, *at) != at;
  return count;
}

static void a_penalty_makes_an_answer_repeat_itself_less(void **state)
{
  const char *form = "{\"task\":\"complete\",\"prompt\":\"a\",\"max_tokens\":60,"
                     "\"temperature\":0,\"repeat_penalty\":%s}";
  char request[2][160];
  char *text[2];
  for (int i = 0; i < 2; i++) {
    snprintf(request[i], sizeof request[i], "%.*s%s}", (int)(strlen(form) - 3), form,
             i ? "50" : "1");
    text[i] = alone(plain, request[i]);
  }
  assert_true(repeats(text[1]) < repeats(text[0]));
  free(text[0]);
  free(text[1]);
}

/* Schemas ---------------------------------------------------------------------------------------
 */

static const char *const schemas[] = {
    "{\"type\":\"object\",\"properties\":{\"action\":{\"enum\":[\"buy\",\"sell\",\"hold\"]},"
    "\"price\":{\"type\":\"integer\",\"minimum\":-17,\"maximum\":4203},"
    "\"why\":{\"type\":\"string\",\"maxLength\":12}},\"required\":[\"action\",\"why\"],"
    "\"additionalProperties\":false}",
    "{\"type\":\"array\",\"items\":{\"type\":\"integer\",\"exclusiveMinimum\":95,"
    "\"exclusiveMaximum\":1206},\"minItems\":2,\"maxItems\":5}",
    "{\"type\":\"number\",\"minimum\":-2,\"maximum\":13}",
    "{\"type\":\"number\",\"minimum\":0,\"maximum\":1}",
    "{\"type\":\"integer\",\"maximum\":-8}",
    "{\"type\":[\"string\",\"null\"],\"minLength\":3,\"maxLength\":6}",
    "{\"enum\":[\"yes\\n\\\"no\\\"\",1,-2.5,null,true,{\"a\":[1]},\"\\u00e4\"]}",
    "{\"enum\":[\"a\",7],\"type\":\"integer\"}",
    "{\"const\":{\"deep\":[{\"er\":\"\\\\\"}]}}",
    "{\"anyOf\":[{\"type\":\"boolean\"},{\"type\":\"string\",\"maxLength\":4},"
    "{\"$ref\":\"#/$defs/pair\"}],\"$defs\":{\"pair\":{\"type\":\"array\",\"minItems\":2,"
    "\"maxItems\":2,\"items\":{\"type\":\"boolean\"}}}}",
    "{\"oneOf\":[{\"type\":\"object\",\"properties\":{\"kind\":{\"const\":\"a\"},"
    "\"x\":{\"type\":\"boolean\"}},\"required\":[\"kind\",\"x\"]},"
    "{\"type\":\"object\",\"properties\":{\"kind\":{\"enum\":[\"b\",\"c\"]}},"
    "\"required\":[\"kind\"]}]}",
    "{\"$ref\":\"#/$defs/tree\",\"$defs\":{\"tree\":{\"type\":\"object\",\"properties\":{"
    "\"value\":{\"type\":\"integer\",\"minimum\":0,\"maximum\":9},\"left\":{\"anyOf\":["
    "{\"type\":\"null\"},{\"$ref\":\"#/$defs/tree\"}]}},\"required\":[\"value\",\"left\"]}}}",
    "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"boolean\"},\"b\":{\"type\":\"null\"},"
    "\"c\":{\"type\":\"integer\",\"minimum\":3,\"maximum\":3}}}",
    "{\"type\":\"object\",\"required\":[\"x\"],\"additionalProperties\":{\"type\":\"boolean\"}}",
    "{\"type\":\"string\",\"minLength\":5,\"maxLength\":5,\"title\":\"five\"}",
    "{\"allOf\":[{\"type\":\"boolean\"}]}",
    "{\"type\":\"array\",\"maxItems\":0}",
    "{\"type\":\"object\",\"additionalProperties\":false}",
};

enum { SCHEMAS = sizeof schemas / sizeof *schemas, SEEDS = 24 };

/* Each schema with many seeds; returns how many answers came to their end. */
static unsigned run_schemas(const char *file, double temperature)
{
  void *model = open_model(file, NULL);
  unsigned ended = 0;
  for (int i = 0; i < SCHEMAS; i++) {
    json_t *schema = json_of(schemas[i], strlen(schemas[i]), 0);
    struct engine_call calls[SEEDS];
    for (int seed = 0; seed < SEEDS; seed++)
      calls[seed] = engine_call("{\"task\":\"complete\",\"prompt\":\"p%d\",\"max_tokens\":150,"
                                "\"temperature\":%g,\"top_k\":0,\"min_p\":0,\"seed\":%d,"
                                "\"schema\":%s}",
                                seed, temperature, seed, schemas[i]);
    engine_run(&host, model, calls, SEEDS, 5);
    for (int seed = 0; seed < SEEDS; seed++) {
      json_t *answer = answer_of(&calls[seed]);
      if (strcmp(json_string_value(json_object_get(answer, "finish")), "stop") == 0) {
        json_t *value = json_of(text_of(answer), strlen(text_of(answer)),
                                JSON_DECODE_ANY | JSON_REJECT_DUPLICATES);
        if (!schema_check(schema, schema, value))
          fail_msg("seed %d: %s does not satisfy %s", seed, text_of(answer), schemas[i]);
        assert_string_equal(calls[seed].pieces, text_of(answer));
        json_decref(value);
        ended++;
      }
      json_decref(answer);
      engine_call_free(&calls[seed]);
    }
    json_decref(schema);
  }
  host.engine->close(model);
  return ended;
}

static void answers_satisfy_their_schemas(void **state)
{
  unsigned all = SCHEMAS * SEEDS;
  assert_in_range(run_schemas(plain, 1.5), all * 9 / 10, all);
  assert_in_range(run_schemas(chatty, 1.5), all * 9 / 10, all);
  assert_in_range(run_schemas(chatty, 0), all * 3 / 4, all);
}

static void answers_of_any_json_are_json(void **state)
{
  void *model = open_model(chatty, NULL);
  struct engine_call calls[SEEDS];
  for (int seed = 0; seed < SEEDS; seed++)
    calls[seed] = engine_call("{\"task\":\"complete\",\"prompt\":\"x\",\"max_tokens\":100,"
                              "\"temperature\":2,\"top_k\":0,\"seed\":%d,\"schema\":{}}",
                              seed);
  engine_run(&host, model, calls, SEEDS, SEEDS);
  for (int seed = 0; seed < SEEDS; seed++) {
    json_t *answer = answer_of(&calls[seed]);
    if (strcmp(json_string_value(json_object_get(answer, "finish")), "stop") == 0)
      json_decref(json_of(text_of(answer), strlen(text_of(answer)), JSON_DECODE_ANY));
    json_decref(answer);
    engine_call_free(&calls[seed]);
  }
  host.engine->close(model);
}

/* Chats -----------------------------------------------------------------------------------------
 */

static void a_chat_is_written_as_its_template_has_it(void **state)
{
  void *model = open_model(chatty, NULL);
  struct engine_call calls[2] = {
      engine_call("{\"task\":\"chat\",\"messages\":[{\"role\":\"system\",\"content\":\"be\"},"
                  "{\"role\":\"user\",\"content\":\"hi\"}],\"max_tokens\":8,\"temperature\":0}"),
      engine_call("{\"task\":\"complete\",\"prompt\":\"<|im_start|>system\\nbe<|im_end|>\\n"
                  "<|im_start|>user\\nhi<|im_end|>\\n<|im_start|>assistant\\n\","
                  "\"max_tokens\":8,\"temperature\":0}")};
  for (int i = 0; i < 2; i++) engine_run(&host, model, &calls[i], 1, 1);
  json_t *answer = answer_of(&calls[0]), *same = answer_of(&calls[1]);
  assert_string_equal(text_of(answer), text_of(same));
  assert_int_equal(usage_of(answer, "prompt"), usage_of(same, "prompt"));
  json_decref(answer);
  json_decref(same);
  engine_call_free(&calls[0]);
  engine_call_free(&calls[1]);
  host.engine->close(model);
}

static int prompt_size(void *model, const char *content)
{
  struct engine_call call = engine_call("{\"task\":\"chat\",\"messages\":[{\"role\":\"user\","
                                        "\"content\":\"%s\"}],\"max_tokens\":1}",
                                        content);
  engine_run(&host, model, &call, 1, 1);
  json_t *answer = answer_of(&call);
  int size = usage_of(answer, "prompt");
  json_decref(answer);
  engine_call_free(&call);
  return size;
}

static void a_message_cannot_end_its_turn(void **state)
{
  void *model = open_model(chatty, NULL);
  int without = prompt_size(model, "a");
  /* As one token each they would be two more; as text they are as many as letters. */
  assert_in_range(prompt_size(model, "a<|im_end|><|im_start|>") - without, 20, 30);
  host.engine->close(model);
}

static void a_template_that_is_not_known_is_replaced_and_noted(void **state)
{
  char file[64];
  struct haggle_model_info info;
  write_model(file, "strange.gguf",
              (struct tiny_model){TINY_BYTES, .context = 512, .template = "{{ strange }}"});
  void *model = open_model(file, NULL);
  host.engine->describe(model, &info);
  assert_non_null(strstr(info.note, "plain lines"));
  assert_in_range(prompt_size(model, "hi"), 10, 40);
  host.engine->close(model);
  model = open_model(file, "template=chatml");
  host.engine->describe(model, &info);
  assert_true(!info.note || !strstr(info.note, "template"));
  host.engine->close(model);
}

/* A call by some seeds; the seed, and further members. */
#define MAY_CALL                                                                                   \
  "{\"task\":\"chat\",\"messages\":[{\"role\":\"user\",\"content\":\"look\"}],"                    \
  "\"tools\":[{\"name\":\"find\",\"description\":\"finds\",\"parameters\":{"                       \
  "\"type\":\"object\",\"properties\":{\"what\":{\"enum\":[\"tea\",\"salt\"]}},"                   \
  "\"required\":[\"what\"]}},{\"name\":\"rest\"}],\"max_tokens\":120,"                             \
  "\"temperature\":3,\"top_k\":0,\"min_p\":0,\"top_p\":1,\"seed\":%d%s}"

static void a_tool_is_called_or_the_answer_is_text(void **state)
{
  void *model = open_model(chatty, NULL);
  unsigned called = 0;
  for (int seed = 0; seed < 60; seed++) {
    struct engine_call call = engine_call(MAY_CALL, seed,
                                          seed % 2 ? ",\"schema\":{\"type\":\"boolean\"}" : "");
    engine_run(&host, model, &call, 1, 1);
    json_t *answer = answer_of(&call);
    const char *finish = json_string_value(json_object_get(answer, "finish"));
    json_t *first = json_array_get(json_object_get(answer, "tool_calls"), 0);
    const char *name = json_string_value(json_object_get(first, "name"));
    json_t *arguments = json_object_get(first, "arguments");
    if (strcmp(finish, "tool_calls") == 0) {
      called++;
      assert_string_equal(text_of(answer), "");
      assert_null(call.pieces);
      assert_true(strcmp(name, "rest") == 0 || json_is_string(json_object_get(arguments, "what")));
      assert_true(json_is_object(arguments));
    } else if (seed % 2 && strcmp(finish, "stop") == 0) {
      assert_true(strcmp(text_of(answer), "true") == 0 || strcmp(text_of(answer), "false") == 0);
    }
    json_decref(answer);
    engine_call_free(&call);
  }
  assert_true(called > 0);
  host.engine->close(model);
}

/* Large requests of jansson, as each reading makes one first; this one is refused, from 1 on. */
static unsigned large_requests, large_refused;

static void *allocate_or_refuse(size_t size)
{
  bool large = size >= 64 << 10;
  return large && ++large_requests == large_refused ? NULL : hgl_alloc(size);
}

static struct engine_call ask_for_tool(void *model, int seed)
{
  struct engine_call call = engine_call(MAY_CALL, seed, "");
  large_requests = 0;
  engine_run(&host, model, &call, 1, 1);
  return call;
}

static void a_call_that_no_memory_is_left_to_read_is_no_text(void **state)
{
  void *model = open_model(chatty, NULL);
  bool called = false;
  json_set_alloc_funcs(allocate_or_refuse, hgl_free);
  large_refused = 0;
  for (int seed = 0; seed < 60 && !called; seed++) {
    struct engine_call call = ask_for_tool(model, seed);
    called = call.answer && strstr(call.answer, "\"tool_calls\":[");
    engine_call_free(&call);
    if (!called) continue;
    large_refused = large_requests; /* the last: what is read is the whole answer */
    call = ask_for_tool(model, seed);
    assert_int_equal(large_requests, large_refused);
    assert_int_equal(call.status, HAGGLE_NO_MEMORY);
    engine_call_free(&call);
  }
  json_set_alloc_funcs(hgl_alloc, hgl_free);
  assert_true(called);
  host.engine->close(model);
}

static void what_tools_answered_goes_into_the_prompt(void **state)
{
  void *model = open_model(chatty, NULL);
  struct engine_call call = engine_call(
      "{\"task\":\"chat\",\"messages\":[{\"role\":\"user\",\"content\":\"look\"},"
      "{\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":[{\"id\":\"call_1\","
      "\"name\":\"find\",\"arguments\":{\"what\":\"tea\"}}]},"
      "{\"role\":\"tool\",\"id\":\"call_1\",\"name\":\"find\",\"content\":\"4 "
      "boxes\"}],\"max_tokens\":4}");
  engine_run(&host, model, &call, 1, 1);
  json_decref(answer_of(&call));
  engine_call_free(&call);
  host.engine->close(model);
}

/* Embeddings ------------------------------------------------------------------------------------
 */

static void embeddings_have_length_1_and_do_not_depend_on_their_neighbours(void **state)
{
  void *model = open_model(chatty, "step=64,parallel=2");
  struct engine_call all = engine_call(
      "{\"task\":\"embed\",\"input\":[\"tea\",\"the price of salt\","
      "\"tea\",\"a longer text, the third one here\",\"x\"]}");
  engine_run(&host, model, &all, 1, 1);
  json_t *answer = answer_of(&all), *vectors = json_object_get(answer, "embeddings");
  assert_int_equal(json_array_size(vectors), 5);
  for (size_t i = 0; i < 5; i++) {
    double sum = 0;
    json_t *vector = json_array_get(vectors, i);
    assert_int_equal(json_array_size(vector), 32);
    for (size_t j = 0; j < 32; j++) {
      double number = json_number_value(json_array_get(vector, j));
      sum += number * number;
      double twin = json_number_value(json_array_get(json_array_get(vectors, 2), j));
      if (i == 0) assert_true(fabs(number - twin) < 1e-4);
    }
    assert_true(fabs(sum - 1) < 1e-5);
  }
  assert_true(usage_of(answer, "prompt") > 10);
  json_decref(answer);
  engine_call_free(&all);
  host.engine->close(model);
}

/* What is wrong ---------------------------------------------------------------------------------
 */

static void each_wrong_request_is_told_what_is_wrong(void **state)
{
  static const struct {
    const char *request, *words;
    int status;
  } cases[] = {
      {"", "not JSON", HAGGLE_INVALID},
      {"[]", "object", HAGGLE_INVALID},
      {"{\"task\":\"sing\"}", "task", HAGGLE_INVALID},
      {"{\"task\":\"complete\"}", "prompt: it is missing", HAGGLE_INVALID},
      {"{\"task\":\"complete\",\"prompt\":7}", "prompt: a text", HAGGLE_INVALID},
      {"{\"task\":\"complete\",\"prompt\":\"a\",\"promt\":\"b\"}", "promt", HAGGLE_INVALID},
      {"{\"task\":\"complete\",\"prompt\":\"a\",\"tools\":[]}", "tools", HAGGLE_INVALID},
      {"{\"task\":\"complete\",\"prompt\":\"a\",\"max_tokens\":0}", "max_tokens", HAGGLE_INVALID},
      {"{\"task\":\"complete\",\"prompt\":\"a\",\"max_tokens\":1.5}", "max_tokens", HAGGLE_INVALID},
      {"{\"task\":\"complete\",\"prompt\":\"a\",\"temperature\":-1}", "temperature",
       HAGGLE_INVALID},
      {"{\"task\":\"complete\",\"prompt\":\"a\",\"top_p\":2}", "top_p", HAGGLE_INVALID},
      {"{\"task\":\"complete\",\"prompt\":\"a\",\"seed\":\"x\"}", "seed", HAGGLE_INVALID},
      {"{\"task\":\"complete\",\"prompt\":\"a\",\"stop\":[\"\"]}", "stop[1]", HAGGLE_INVALID},
      {"{\"task\":\"complete\",\"prompt\":\"a\",\"stop\":[\"b\"],\"schema\":{}}", "stop",
       HAGGLE_INVALID},
      {"{\"task\":\"complete\",\"prompt\":\"a\",\"schema\":3}", "schema", HAGGLE_INVALID},
      {"{\"task\":\"complete\",\"prompt\":\"a\",\"schema\":{\"type\":\"object\",\"properties\":"
       "{\"b\":{\"type\":\"string\",\"pattern\":\"x\"}}}}",
       "schema.properties.b: the keyword 'pattern'", HAGGLE_UNSUPPORTED},
      {"{\"task\":\"chat\",\"messages\":[]}", "messages", HAGGLE_INVALID},
      {"{\"task\":\"chat\",\"messages\":[{\"role\":\"king\",\"content\":\"a\"}]}",
       "messages[1].role", HAGGLE_INVALID},
      {"{\"task\":\"chat\",\"messages\":[{\"role\":\"user\"}]}", "messages[1].content",
       HAGGLE_INVALID},
      {"{\"task\":\"chat\",\"messages\":[{\"role\":\"user\",\"content\":\"a\",\"x\":1}]}",
       "messages[1].x", HAGGLE_INVALID},
      {"{\"task\":\"chat\",\"messages\":[{\"role\":\"tool\",\"name\":\"a\",\"content\":\"\",\"id\":"
       "1}]}",
       "messages[1].id: a text", HAGGLE_INVALID},
      {"{\"task\":\"chat\",\"messages\":[{\"role\":\"tool\",\"id\":\"a\",\"content\":\"\"}]}",
       "messages[1].name: it is missing", HAGGLE_INVALID},
      {"{\"task\":\"chat\",\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],"
       "\"tools\":[{\"name\":\"a\",\"parameters\":{\"not\":{}}}]}",
       "tools[1].parameters: the keyword 'not'", HAGGLE_UNSUPPORTED},
      {"{\"task\":\"embed\",\"input\":\"a\"}", "input", HAGGLE_INVALID},
      {"{\"task\":\"embed\",\"input\":[\"a\",\"\"]}", "input[2]", HAGGLE_INVALID},
  };
  void *model = open_model(plain, NULL);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct engine_call call = engine_call("%s", cases[i].request);
    engine_run(&host, model, &call, 1, 1);
    if (call.status != cases[i].status || !strstr(call.answer, cases[i].words))
      fail_msg("%s: %d %s", cases[i].request, call.status, call.answer);
    engine_call_free(&call);
  }
  host.engine->close(model);
}

static void what_does_not_fit_is_too_large(void **state)
{
  char text[1024];
  memset(text, 'q', sizeof text);
  text[sizeof text - 1] = '\0';
  void *model = open_model(plain, "context=128,step=64");
  struct engine_call calls[4] = {
      engine_call("{\"task\":\"complete\",\"prompt\":\"%.128s\"}", text),
      engine_call("{\"task\":\"complete\",\"prompt\":\"%s\"}", text),
      engine_call("{\"task\":\"embed\",\"input\":[\"%.65s\"]}", text),
      engine_call("{\"task\":\"chat\",\"messages\":[{\"role\":\"user\",\"content\":\"%.125s\"}]}",
                  text)};
  engine_run(&host, model, calls, 4, 4);
  for (int i = 0; i < 4; i++) {
    if (calls[i].status != HAGGLE_TOO_LARGE) fail_msg("%d %s", calls[i].status, calls[i].answer);
    engine_call_free(&calls[i]);
  }
  /* One token less leaves room for one of the answer. */
  struct engine_call call = engine_call("{\"task\":\"complete\",\"prompt\":\"%.127s\"}", text);
  engine_run(&host, model, &call, 1, 1);
  json_t *answer = answer_of(&call);
  assert_int_equal(usage_of(answer, "completion"), 1);
  json_decref(answer);
  engine_call_free(&call);
  host.engine->close(model);
}

static void weights_that_are_no_numbers_are_an_error(void **state)
{
  char file[64];
  write_model(file, "nan.gguf",
              (struct tiny_model){TINY_BYTES, .context = 64, .seed = 1, .not_numbers = 1});
  void *model = open_model(file, NULL);
  struct engine_call calls[3] = {
      nth(0, 5), engine_call("{\"task\":\"complete\",\"prompt\":\"a\",\"schema\":{}}"),
      engine_call("{\"task\":\"embed\",\"input\":[\"a\"]}")};
  engine_run(&host, model, calls, 3, 3);
  for (int i = 0; i < 3; i++) {
    assert_int_equal(calls[i].status, HAGGLE_FAILED);
    engine_call_free(&calls[i]);
  }
  host.engine->close(model);
}

static void cut_to(const char *from, const char *to, size_t size)
{
  char *data = calloc(1, size);
  FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
  assert_true(data && in && out && fread(data, 1, size, in) == size);
  assert_int_equal(fwrite(data, 1, size, out), size);
  fclose(in);
  fclose(out);
  free(data);
}

static void a_file_that_is_no_model_is_refused(void **state)
{
  char cut[64], strange[64], lacking[64], doubled[64], text[64];
  snprintf(cut, sizeof cut, "%s/cut.gguf", folder);
  snprintf(text, sizeof text, "%s/text.gguf", folder);
  FILE *file = fopen(text, "w");
  assert_non_null(file);
  fputs("no model at all", file);
  fclose(file);
  write_model(strange, "other.gguf",
              (struct tiny_model){TINY_BYTES, .context = 64, .architecture = "strange"});
  write_model(lacking, "lacking.gguf",
              (struct tiny_model){TINY_PIECES, .context = 64, .no_byte_tokens = 1});
  write_model(doubled, "doubled.gguf",
              (struct tiny_model){TINY_BYTES, .context = 64, .same_tokens = 1});
  const struct {
    const char *file, *options, *words;
    int status;
  } cases[] = {
      {doubled, NULL, "twice", HAGGLE_INVALID},
      {"/nowhere/at/all.gguf", NULL, "No such file", HAGGLE_NOT_FOUND},
      {"/tmp", NULL, "not a file", HAGGLE_INVALID},
      {text, NULL, "not a GGUF file", HAGGLE_INVALID},
      {strange, NULL, "architecture", HAGGLE_INVALID},
      {lacking, NULL, "bytes", HAGGLE_INVALID},
      {plain, "threads=0", "threads", HAGGLE_INVALID},
      {plain, "speed=9", "there are device", HAGGLE_INVALID},
      {plain, "device=gpu", "cuda", HAGGLE_INVALID},
      {plain, "context=513", "512", HAGGLE_INVALID},
      {plain, "context=100,cache=99", "cache", HAGGLE_INVALID},
      {plain, "template=nope", "template=nope: llama.cpp has no", HAGGLE_INVALID},
      {plain, "library=/nowhere", "open already", HAGGLE_INVALID},
  };
  void *model = NULL;
  struct haggle_error error;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    int status = engine_model_open(&host, cases[i].file, cases[i].options, &model, &error);
    if (status != cases[i].status || !strstr(error.message, cases[i].words))
      fail_msg("%s %s: %d %s", cases[i].file, cases[i].options, status, error.message);
    assert_int_equal(error.status, status);
  }
  /* Wherever it was cut. */
  for (size_t size = 4; size < 150000; size = size * 3 / 2) {
    if (size > 147000) break;
    cut_to(plain, cut, size);
    assert_int_equal(engine_model_open(&host, cut, NULL, &model, &error), HAGGLE_INVALID);
    assert_true(error.message[0] != '\0');
  }
}

static void a_device_that_is_not_there_is_replaced_and_noted(void **state)
{
  void *model = open_model(plain, "device=cuda:7");
  struct haggle_model_info info;
  host.engine->describe(model, &info);
  assert_string_equal(info.device, "cpu");
  assert_non_null(info.note);
  assert_non_null(strstr(info.note, "CPU"));
  assert_int_equal(info.kind, HAGGLE_LANGUAGE);
  assert_int_equal(info.context, 512);
  assert_int_equal(info.batch_max, 16);
  assert_int_equal(info.tasks, HAGGLE_CHAT | HAGGLE_COMPLETE | HAGGLE_EMBED);
  host.engine->close(model);
}

static void the_devices_are_named(void **state)
{
  struct haggle_device device;
  uint32_t count = 0;
  while (host.engine->device(count, &device) == HAGGLE_OK) {
    assert_true(device.name[0] && device.about[0] && device.memory_total > 0);
    count++;
  }
  assert_true(count >= 1);
}

int main(void)
{
  if (access(HGL_BINARY_DIR "/engines/haggle-engine-llama.so", F_OK) != 0) {
    /* Built without llama.cpp's headers. */
    print_message("[==========] 0 test(s) run.\n");
    return 0;
  }
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_prompt_is_read_in_pieces),
      cmocka_unit_test(what_begins_alike_is_not_computed_again),
      cmocka_unit_test(an_answer_ends_before_a_stop_and_streams_none_of_it),
      cmocka_unit_test(an_answer_ends_with_its_tokens_or_the_context),
      cmocka_unit_test(one_that_is_cancelled_or_late_ends_and_leaves_the_others),
      cmocka_unit_test(a_deadline_that_passes_meanwhile_ends_an_answer),
      cmocka_unit_test(a_seed_repeats_an_answer),
      cmocka_unit_test(a_penalty_makes_an_answer_repeat_itself_less),
      cmocka_unit_test(answers_satisfy_their_schemas),
      cmocka_unit_test(answers_of_any_json_are_json),
      cmocka_unit_test(a_chat_is_written_as_its_template_has_it),
      cmocka_unit_test(a_message_cannot_end_its_turn),
      cmocka_unit_test(a_template_that_is_not_known_is_replaced_and_noted),
      cmocka_unit_test(a_tool_is_called_or_the_answer_is_text),
      cmocka_unit_test(a_call_that_no_memory_is_left_to_read_is_no_text),
      cmocka_unit_test(what_tools_answered_goes_into_the_prompt),
      cmocka_unit_test(embeddings_have_length_1_and_do_not_depend_on_their_neighbours),
      cmocka_unit_test(each_wrong_request_is_told_what_is_wrong),
      cmocka_unit_test(what_does_not_fit_is_too_large),
      cmocka_unit_test(weights_that_are_no_numbers_are_an_error),
      cmocka_unit_test(a_file_that_is_no_model_is_refused),
      cmocka_unit_test(a_device_that_is_not_there_is_replaced_and_noted),
      cmocka_unit_test(the_devices_are_named),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
