/* What the llama engine keeps in llama.cpp's cache, watched from between the two.
 *
 * Every score that a token is chosen by is compared with that of a context which computes the whole
 * sequence anew, alone and at once. The two add the same numbers in another order, and differ by no
 * more than that (seen: 1.2e-5, of scores up to 10), whatever was parked, taken over, cancelled or
 * failed in between; a single other token makes ten thousand times as much. That is so with a cache
 * of 32 bits and without flash attention. What the engine uses instead is less exact on a CPU: the
 * same scores are up to 0.06 off there, so that an answer may go on otherwise where two tokens are
 * as good as equally likely. */
#include "support/check.h"
#include "support/engine_host.h"
#include "support/tiny_gguf.h"

#include "infer/engines/llama/model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TOLERANCE 1e-3

enum { CONTEXT = 256, MANY = 8 };

/* A sequence as the cache has it, and as it has to go on. */
struct watched {
  llama_token held[CONTEXT + 1], wanted[CONTEXT + 1];
  uint32_t held_count, wanted_count;
  uint64_t begun; /* when its request did: sequence.touched */
};

static struct engine_host host;
static char file[] = "/tmp/haggle-cache-XXXXXX";
static struct model *model;
static struct library watching;
static const struct library *real;
static struct llama_context *judge;
static struct watched sequences[PARALLEL_MAX];
static double worst;
static unsigned compared, copied, parked, failing;
static bool embeds; /* there are steps of the other context */

extern haggle_engine_function haggle_engine;

/* Between ---------------------------------------------------------------------------------------
 */

static void forget(llama_memory_t memory, llama_seq_id id, llama_pos from, llama_pos to)
{
  assert_ptr_equal(memory, real->llama_get_memory(model->context));
  assert_true(id >= 0 && to == -1);
  if (from < 0) from = 0;
  if ((uint32_t)from < sequences[id].held_count) sequences[id].held_count = (uint32_t)from;
}

static bool on_remove(llama_memory_t memory, llama_seq_id id, llama_pos from, llama_pos to)
{
  forget(memory, id, from, to);
  return real->llama_memory_seq_rm(memory, id, from, to);
}

static void on_copy(llama_memory_t memory, llama_seq_id from, llama_seq_id to, llama_pos begin,
                    llama_pos end)
{
  assert_int_equal(begin, 0);
  assert_in_range(end, 1, sequences[from].held_count);
  assert_int_equal(sequences[to].held_count, 0);
  memcpy(sequences[to].held, sequences[from].held, (size_t)end * sizeof(llama_token));
  sequences[to].held_count = (uint32_t)end;
  copied++;
  real->llama_memory_seq_cp(memory, from, to, begin, end);
}

static void on_clear(llama_memory_t memory, bool data)
{
  for (int i = 0; i < PARALLEL_MAX && memory == real->llama_get_memory(model->context); i++)
    sequences[i].held_count = 0;
  real->llama_memory_clear(memory, data);
}

/* What goes into the cache continues what is there, and is what was wanted. */
static int32_t on_decode(struct llama_context *context, struct llama_batch batch)
{
  if (embeds && context == model->embedder) return real->llama_decode(context, batch);
  assert_ptr_equal(context, model->context);
  for (uint32_t i = 0; i < model->parallel; i++)
    parked += model->sequences[i].state == SEQUENCE_PARKED;
  if (failing > 0 && --failing == 0) {
    /* As one that fails half-way: what came before stays in the cache. */
    batch.n_tokens = (batch.n_tokens + 1) / 2;
    assert_int_equal(real->llama_decode(context, batch), 0);
    return -3;
  }
  int32_t status = real->llama_decode(context, batch);
  for (int32_t i = 0; !status && i < batch.n_tokens; i++) {
    llama_seq_id id = batch.seq_id[i][0];
    struct watched *one = &sequences[id];
    if (one->begun != model->sequences[id].touched) {
      one->begun = model->sequences[id].touched;
      one->wanted_count = model->sequences[id].prompt;
      memcpy(one->wanted, model->sequences[id].tokens, one->wanted_count * sizeof *one->wanted);
    }
    assert_int_equal(batch.pos[i], one->held_count);
    assert_in_range(one->held_count, 0, one->wanted_count - 1);
    assert_int_equal(batch.token[i], one->wanted[one->held_count]);
    one->held[one->held_count++] = batch.token[i];
    assert_memory_equal(one->held, one->wanted, one->held_count * sizeof *one->held);
  }
  return status;
}

/* The scores after a sequence. */
static const float *judged(const llama_token *tokens, uint32_t count)
{
  struct llama_batch batch = real->llama_batch_init((int32_t)count, 0, 1);
  real->llama_memory_clear(real->llama_get_memory(judge), true);
  for (uint32_t i = 0; i < count; i++) {
    batch.token[i] = tokens[i];
    batch.pos[i] = (llama_pos)i;
    batch.n_seq_id[i] = 1;
    batch.seq_id[i][0] = 0;
    batch.logits[i] = i + 1 == count;
  }
  batch.n_tokens = (int32_t)count;
  assert_int_equal(real->llama_decode(judge, batch), 0);
  real->llama_batch_free(batch);
  return real->llama_get_logits_ith(judge, -1);
}

static double difference(const float *left, const float *right)
{
  double most = 0;
  for (int32_t i = 0; i < model->vocabulary.count; i++)
    most = fmax(most, fabs((double)left[i] - (double)right[i]));
  return most;
}

static float *on_scores(struct llama_context *context, int32_t at)
{
  float *scores = real->llama_get_logits_ith(context, at);
  llama_seq_id id = model->batch.seq_id[at][0];
  struct watched *one = &sequences[id];
  assert_int_equal(one->held_count, one->wanted_count);
  worst = fmax(worst, difference(scores, judged(one->held, one->held_count)));
  compared++;
  /* None ends by itself. */
  llama_token best = 0;
  for (llama_token token = 0; token < model->vocabulary.count; token++) {
    if (model->vocabulary.flags[token] & TOKEN_ENDS) scores[token] = -INFINITY;
    if (scores[token] > scores[best]) best = token;
  }
  if (one->wanted_count <= CONTEXT) one->wanted[one->wanted_count++] = best;
  return scores;
}

/* -----------------------------------------------------------------------------------------------
 */

static void watch(const char *options)
{
  struct haggle_error error;
  void *opened;
  int status = engine_model_open(&host, file, options, &opened, &error);
  if (status) fail_msg("%s", error.message);
  model = opened;
  real = model->library;
  watching = *real;
  watching.llama_decode = on_decode;
  watching.llama_get_logits_ith = on_scores;
  watching.llama_memory_seq_rm = on_remove;
  watching.llama_memory_seq_cp = on_copy;
  watching.llama_memory_clear = on_clear;
  struct llama_context_params params = model_params(model);
  params.type_k = params.type_v = GGML_TYPE_F32;
  params.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
  real->llama_free(model->context);
  model->context = real->llama_init_from_model(model->llama, params);
  assert_non_null(model->context);
  params.n_ctx = params.n_batch = params.n_ubatch = 2 * CONTEXT;
  params.n_seq_max = params.n_outputs_max = 1;
  judge = real->llama_init_from_model(model->llama, params);
  assert_non_null(judge);
  model->library = &watching;
  memset(sequences, 0, sizeof sequences);
  worst = 0;
  compared = copied = parked = failing = 0;
  embeds = false;
}

static void watch_no_more(void)
{
  print_message("           %u scores, %u copies, %u parked; at most %.2g off\n", compared, copied,
                parked, worst);
  assert_true(compared > 0);
  assert_true(worst < TOLERANCE);
  model->library = real;
  real->llama_free(judge);
  host.engine->close(model);
}

static struct engine_call nth(int i, int max_tokens)
{
  static const char *const prompts[MANY] = {"the",
                                            "and so on",
                                            "the answer",
                                            "x",
                                            "Once upon a time there was",
                                            "Once upon a time there were",
                                            "12 + 30 =",
                                            "\\u00e4\\u00f6\\u00fc"};
  return engine_call(
      "{\"task\":\"complete\",\"prompt\":\"%s\",\"max_tokens\":%d,\"temperature\":0}", prompts[i],
      max_tokens + i);
}

/* Runs MANY twice. */
static void run_many(size_t at_once, int max_tokens)
{
  struct engine_call calls[MANY];
  for (int i = 0; i < MANY; i++) calls[i] = nth(i, max_tokens);
  for (int round = 0; round < 2; round++) {
    engine_run(&host, model, calls, MANY, at_once);
    for (int i = 0; i < MANY; i++) {
      char words[40];
      if (calls[i].status) fail_msg("%d: %s", i, calls[i].answer);
      snprintf(words, sizeof words, "\"completion\":%d}", max_tokens + i);
      assert_non_null(strstr(calls[i].answer, words));
    }
  }
  for (int i = 0; i < MANY; i++) engine_call_free(&calls[i]);
}

static void sequences_do_not_see_each_other(void **state)
{
  watch("parallel=8,context=128");
  run_many(MANY, 40);
  assert_int_equal(parked, 0);
  watch_no_more();
}

static void requests_that_come_later_join_those_under_way(void **state)
{
  watch("parallel=3,context=128");
  run_many(1, 40);
  assert_true(copied > 0);
  watch_no_more();
}

static void a_full_cache_parks_requests_and_resumes_them_where_they_were(void **state)
{
  /* Each wants some 100. */
  watch("parallel=8,context=128,cache=256");
  run_many(MANY, 80);
  assert_true(parked > 0);
  watch_no_more();
}

static void a_step_is_no_larger_than_the_cache(void **state)
{
  /* llama.cpp ends the process at a step that its cache could not hold. */
  char text[241];
  memset(text, 'q', sizeof text);
  text[sizeof text - 1] = '\0';
  watch("parallel=4,context=256,cache=256,step=512");
  struct engine_call calls[4];
  for (int i = 0; i < 4; i++) {
    text[0] = (char)('a' + i);
    calls[i] = engine_call(
        "{\"task\":\"complete\",\"prompt\":\"%s\",\"max_tokens\":5,\"temperature\":0}", text);
  }
  engine_run(&host, model, calls, 4, 4);
  for (int i = 0; i < 4; i++) {
    assert_int_equal(calls[i].status, HAGGLE_OK);
    engine_call_free(&calls[i]);
  }
  watch_no_more();
}

static void after_a_failed_step_nothing_of_it_is_left(void **state)
{
  watch("parallel=8,context=128");
  struct engine_call calls[MANY];
  for (int step = 1; step <= 12; step += 3) {
    for (int i = 0; i < MANY; i++) calls[i] = nth(i, 10);
    failing = (unsigned)step;
    engine_run(&host, model, calls, MANY, 3);
    int failed = 0;
    for (int i = 0; i < MANY; i++) {
      failed += calls[i].status == HAGGLE_FAILED;
      assert_true(calls[i].status == HAGGLE_FAILED || calls[i].status == HAGGLE_OK);
      engine_call_free(&calls[i]);
    }
    assert_in_range(failed, 1, MANY);
    run_many(MANY, 10);
  }
  watch_no_more();
}

/* Whichever piece is the last one wanted, the others go on as if it had never been there. */
static void one_may_be_cancelled_at_any_step(void **state)
{
  watch("parallel=8,context=128,cache=256");
  for (int piece = 1; piece < 12; piece++) {
    struct engine_call calls[MANY];
    for (int i = 0; i < MANY; i++) calls[i] = nth(i, 40);
    calls[piece % MANY].cancel_after = piece;
    calls[(piece + 3) % MANY].late_after = piece + 1;
    engine_run(&host, model, calls, MANY, 5);
    for (int i = 0; i < MANY; i++) {
      int expected = i == piece % MANY         ? HAGGLE_CANCELLED
                     : i == (piece + 3) % MANY ? HAGGLE_TIMEOUT
                                               : HAGGLE_OK;
      assert_int_equal(calls[i].status, expected);
      engine_call_free(&calls[i]);
    }
  }
  watch_no_more();
}

/* Others may ask for embeddings, or for what is refused, without end. */
static void what_takes_no_place_holds_nobody_up(void **state)
{
  enum { OTHERS = 60 };
  watch("parallel=2,context=128");
  struct engine_call calls[1 + OTHERS];
  calls[0] = nth(0, 10);
  for (int i = 1; i <= OTHERS; i++)
    calls[i] = engine_call(i % 2 ? "{\"task\":\"embed\",\"input\":[\"a\"]}" : "{}");
  embeds = true;
  engine_run(&host, model, calls, 1 + OTHERS, 1);
  assert_int_equal(calls[0].status, HAGGLE_OK);
  assert_in_range(calls[0].place, 1, 20);
  for (int i = 0; i <= OTHERS; i++) engine_call_free(&calls[i]);
  watch_no_more();
}

static void many_embeddings_hold_nobody_up(void **state)
{
  char texts[64 * 4 + 1] = "";
  watch("parallel=2,context=128");
  for (size_t i = 0; i < 64; i++) memcpy(texts + 4 * i, i < 63 ? "\"a\"," : "\"a\" ", 4);
  struct engine_call calls[2] = {nth(0, 10),
                                 engine_call("{\"task\":\"embed\",\"input\":[%s]}", texts)};
  embeds = true;
  engine_run(&host, model, calls, 2, 2);
  for (int i = 0; i < 2; i++) {
    assert_int_equal(calls[i].status, HAGGLE_OK);
    assert_int_equal(calls[i].place, i + 1);
    engine_call_free(&calls[i]);
  }
  watch_no_more();
}

/* The difference that a fault would make. */
static void one_other_token_makes_a_difference(void **state)
{
  watch("parallel=1,context=256");
  llama_token tokens[100];
  double least = INFINITY;
  float *scores = calloc((size_t)model->vocabulary.count, sizeof *scores);
  assert_non_null(scores);
  for (int i = 0; i < 100; i++) tokens[i] = 40 + i * 7 % 50;
  for (uint32_t at = 0; at < 99; at += 14) {
    memcpy(scores, judged(tokens, 100), (size_t)model->vocabulary.count * sizeof *scores);
    tokens[at]++;
    least = fmin(least, difference(scores, judged(tokens, 100)));
    tokens[at]--;
  }
  free(scores);
  print_message("           one other token of 100: at least %.2g\n", least);
  assert_true(least > 100 * TOLERANCE);
  compared = 1;
  watch_no_more();
}

static int set_up(void **state)
{
  int descriptor = mkstemp(file);
  struct tiny_model tiny = {TINY_BYTES, .context = 512, .seed = 7};
  if (descriptor < 0 || close(descriptor) || tiny_gguf_write(file, &tiny)) return -1;
  engine_host_use(&host, haggle_engine);
  return 0;
}

static int tear_down(void **state)
{
  return unlink(file);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(sequences_do_not_see_each_other),
      cmocka_unit_test(requests_that_come_later_join_those_under_way),
      cmocka_unit_test(a_full_cache_parks_requests_and_resumes_them_where_they_were),
      cmocka_unit_test(a_step_is_no_larger_than_the_cache),
      cmocka_unit_test(after_a_failed_step_nothing_of_it_is_left),
      cmocka_unit_test(one_may_be_cancelled_at_any_step),
      cmocka_unit_test(what_takes_no_place_holds_nobody_up),
      cmocka_unit_test(many_embeddings_hold_nobody_up),
      cmocka_unit_test(one_other_token_makes_a_difference),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
