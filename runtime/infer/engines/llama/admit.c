#include "model.h"
#include "common/schema_grammar.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* Prompt ----------------------------------------------------------------------------------------
 */

static int32_t prompt_tokens(const struct model *model, struct ask *ask, struct tokens *tokens,
                             struct haggle_error *error)
{
  int32_t status = ask->task == HAGGLE_CHAT
                       ? chat_tokens(model, ask, tokens, error)
                       : vocabulary_tokenize(&model->vocabulary, ask->prompt, ask->prompt_size,
                                             true, true, model->length, tokens, error);
  if (status) return status;
  if (tokens->count == 0) return hgl_engine_fail(error, HAGGLE_INVALID, "the prompt is empty");
  if (tokens->count >= model->length)
    return hgl_engine_fail(error, HAGGLE_TOO_LARGE,
                           "the prompt has %zu tokens, and the context holds %u with the answer "
                           "(option context=)",
                           tokens->count, model->length);
  return HAGGLE_OK;
}

/* Grammar ---------------------------------------------------------------------------------------
 */

/* {"call":"NAME","arguments":…}, one alternative a tool. */
static int32_t put_tool_rules(struct grammar *grammar, const json_t *tools, struct text *calls,
                              struct haggle_error *error)
{
  size_t index;
  json_t *tool;
  json_array_foreach(tools, index, tool)
  {
    const json_t *parameters = json_object_get(tool, "parameters");
    char where[48], rule_name[32] = "object";
    if (parameters) {
      unsigned rule;
      snprintf(where, sizeof where, "tools[%zu].parameters", index + 1);
      int32_t status = hgl_grammar_add_schema(grammar, parameters, where, &rule, error);
      if (status) return status;
      snprintf(rule_name, sizeof rule_name, "r%u", rule);
    }
    char *name = json_dumps(json_object_get(tool, "name"), JSON_COMPACT | JSON_ENCODE_ANY);
    struct text begin;
    hgl_text_init(&begin, 4096);
    hgl_text_put(&begin, "{\"call\":");
    hgl_text_put(&begin, name ? name : "");
    hgl_text_put(&begin, ",\"arguments\":");
    hgl_text_put(calls, index > 0 ? " | " : "");
    hgl_grammar_literal(calls, begin.data ? begin.data : "", begin.size);
    hgl_text_format(calls, " %s \"}\"", rule_name);
    if (!name || begin.failed) calls->failed = true;
    hgl_text_deinit(&begin);
    free(name);
  }
  return HAGGLE_OK;
}

static int32_t put_root(struct grammar *grammar, const struct ask *ask, struct haggle_error *error)
{
  unsigned rule = 0;
  int32_t status = HAGGLE_OK;
  if (ask->schema) status = hgl_grammar_add_schema(grammar, ask->schema, "schema", &rule, error);
  if (status) return status;
  struct text calls;
  hgl_text_init(&calls, SCHEMA_GRAMMAR_MAX);
  if (ask->tools) status = put_tool_rules(grammar, ask->tools, &calls, error);
  struct text *rules = &grammar->rules;
  hgl_text_put(rules, "root ::= ");
  if (calls.data) hgl_text_add(rules, calls.data, calls.size);
  if (calls.failed) rules->failed = true;
  if (ask->schema)
    hgl_text_format(rules, "%sr%u\n", ask->tools ? " | " : "", rule);
  else
    hgl_text_put(rules, " | ([^{] .*)?\n");
  hgl_text_deinit(&calls);
  return status ? status : hgl_grammar_end(grammar, error);
}

static int32_t constrain(const struct model *model, const struct ask *ask,
                         struct constraint *constraint, struct haggle_error *error)
{
  if (!ask->schema && !ask->tools) return HAGGLE_OK;
  struct grammar grammar;
  hgl_grammar_init(&grammar);
  int32_t status = put_root(&grammar, ask, error);
  if (!status) status = constraint_init(constraint, &model->vocabulary, grammar.rules.data, error);
  hgl_grammar_deinit(&grammar);
  return status;
}

/* Place in the cache ----------------------------------------------------------------------------
 */

void sequence_forget(struct model *model, struct sequence *sequence, uint32_t kept)
{
  if (kept >= sequence->held) return;
  llama_memory_t memory = model->library->llama_get_memory(model->context);
  if (kept > 0 && !(model->reuses &&
                    model->library->llama_memory_seq_rm(memory, sequence->id, (llama_pos)kept, -1)))
    kept = 0;
  if (kept == 0) model->library->llama_memory_seq_rm(memory, sequence->id, -1, -1);
  sequence->held = kept;
}

static uint32_t common(const struct sequence *sequence, const struct tokens *tokens)
{
  uint32_t most = (uint32_t)tokens->count - 1, at = 0; /* the last one's scores are wanted */
  if (most > sequence->held) most = sequence->held;
  while (at < most && sequence->tokens[at] == tokens->items[at]) at++;
  return at;
}

/* The idle sequence that was not used for longest, empty ones first. */
static struct sequence *oldest(struct model *model)
{
  struct sequence *found = NULL;
  for (uint32_t i = 0; i < model->parallel; i++) {
    struct sequence *one = &model->sequences[i];
    if (one->state != SEQUENCE_IDLE) continue;
    if (!found || (found->held > 0 && (one->held == 0 || one->touched < found->touched)))
      found = one;
  }
  return found;
}

/* A sequence for these tokens, which then holds as many of them as any did. */
static struct sequence *choose(struct model *model, const struct tokens *tokens)
{
  assert(model->sequences);
  struct sequence *donor = NULL;
  uint32_t best = 0;
  for (uint32_t i = 0; model->reuses && i < model->parallel; i++) {
    uint32_t count = common(&model->sequences[i], tokens);
    if (count > best || (donor && count == best && donor->state != SEQUENCE_IDLE)) {
      best = count;
      donor = count > 0 ? &model->sequences[i] : NULL;
    }
  }
  /* What an idle one holds beyond them is given up only when it is the lesser part. */
  if (donor && donor->state == SEQUENCE_IDLE && donor->held - best <= best) {
    sequence_forget(model, donor, best);
    return donor;
  }
  struct sequence *sequence = oldest(model);
  assert(sequence); /* requests are taken while there is an idle one */
  if (sequence == donor) {
    sequence_forget(model, sequence, best);
    return sequence;
  }
  sequence_forget(model, sequence, 0);
  if (donor && best > 0) {
    model->library->llama_memory_seq_cp(model->library->llama_get_memory(model->context), donor->id,
                                        sequence->id, 0, (llama_pos)best);
    sequence->held = best;
  }
  return sequence;
}

/* -----------------------------------------------------------------------------------------------
 */

static uint64_t fresh_seed(const struct model *model, const struct ask *ask)
{
  uint64_t seed = 0;
  if (ask->seeded) return ask->seed;
  if (model->seeded) return model->seed;
  if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) != sizeof seed)
    seed = (uint64_t)hgl_engine_now_ns();
  return seed;
}

static void begin(struct model *model, const struct haggle_request *request, struct ask *ask,
                  const struct tokens *tokens, struct constraint *constraint)
{
  struct sequence *sequence = choose(model, tokens);
  memcpy(sequence->tokens, tokens->items, tokens->count * sizeof *tokens->items);
  sequence->state = SEQUENCE_READS;
  sequence->request = request;
  sequence->ask = *ask;
  sequence->constraint = *constraint;
  sequence->count = sequence->prompt = (uint32_t)tokens->count;
  sequence->reused = sequence->held;
  sequence->written = 0;
  sequence->output = -1;
  sequence->touched = ++model->clock;
  sequence->random = fresh_seed(model, ask);
  hgl_text_init(&sequence->text, ANSWER_MAX);
  sequence->utf8 = (struct utf8){0};
  sequence->begun_size = 0;
  sequence->told = 0;
  model->tokens_in += sequence->prompt;
  model->tokens_reused += sequence->reused;
}

void admit(struct model *model, const struct haggle_batch *batch,
           const struct haggle_request *request)
{
  if (hgl_engine_is_over(batch, request)) {
    hgl_engine_refuse_over(batch, request);
    return;
  }
  struct haggle_error error = {.size = sizeof error};
  struct tokens tokens = {0};
  struct constraint constraint = {.vocabulary = &model->vocabulary};
  struct ask ask;
  int32_t status = ask_read(&ask, request->text, request->text_size, &error);
  if (status) {
    hgl_engine_refuse(batch, request, status, "%s", error.message);
    return;
  }
  if (!(model->tasks & (uint32_t)ask.task)) {
    status = hgl_engine_fail(&error, HAGGLE_UNSUPPORTED, "this model %s",
                             ask.task == HAGGLE_EMBED ? "gives no embeddings"
                                                      : "writes no text; it gives embeddings");
  } else if (ask.task == HAGGLE_EMBED) {
    embed(model, batch, request, &ask);
  } else {
    status = prompt_tokens(model, &ask, &tokens, &error);
    if (!status) status = constrain(model, &ask, &constraint, &error);
    if (!status) begin(model, request, &ask, &tokens, &constraint);
  }
  if (status) hgl_engine_refuse(batch, request, status, "%s", error.message);
  if (status || ask.task == HAGGLE_EMBED) ask_deinit(&ask);
  free(tokens.items);
}
