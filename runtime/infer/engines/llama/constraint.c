#include "constraint.h"

#include <math.h>
#include <string.h>

/* Before all tokens are shown to the grammar, which takes long, the best ones are. */
enum { FIRST_LOOK = 64 };

int32_t constraint_init(struct constraint *constraint, const struct vocabulary *vocabulary,
                        const char *grammar, struct haggle_error *error)
{
  *constraint = (struct constraint){.vocabulary = vocabulary};
  constraint->grammar = vocabulary->library->llama_sampler_init_grammar(vocabulary->vocab, grammar,
                                                                        "root");
  if (constraint->grammar) return HAGGLE_OK;
  return hgl_engine_fail(error, HAGGLE_UNSUPPORTED, "schema: llama.cpp does not take its grammar");
}

void constraint_deinit(struct constraint *constraint)
{
  if (constraint->grammar) constraint->vocabulary->library->llama_sampler_free(constraint->grammar);
  *constraint = (struct constraint){0};
}

/* Whether it has text, well-formed after what came before. */
static bool is_text(const struct constraint *constraint, llama_token token)
{
  const struct vocabulary *vocabulary = constraint->vocabulary;
  struct utf8 utf8 = constraint->utf8;
  if (vocabulary->flags[token] & TOKEN_ENDS) return utf8.left == 0;
  if (vocabulary->flags[token] & TOKEN_HIDDEN) return false;
  size_t size;
  const char *piece = vocabulary_piece(vocabulary, token, &size);
  for (size_t i = 0; i < size; i++)
    if (piece[i] == '\0' || !hgl_utf8_bytes_feed(&utf8, (unsigned char)piece[i])) return false;
  return true;
}

/* Leaves those that the grammar admits with a finite score. */
static void filter(struct constraint *constraint, llama_token_data *data, size_t count)
{
  for (size_t i = 0; i < count; i++)
    if (!is_text(constraint, data[i].id)) data[i].logit = -INFINITY;
  llama_token_data_array all = {data, count, -1, false};
  constraint->vocabulary->library->llama_sampler_apply(constraint->grammar, &all);
}

bool constraint_admits(struct constraint *constraint, llama_token token)
{
  if (!constraint->grammar) return true;
  if (token < 0) return false;
  llama_token_data one = {token, 0, 0};
  filter(constraint, &one, 1);
  return isfinite(one.logit);
}

/* The best of the best ones that may follow. */
static llama_token first_look(struct constraint *constraint, const float *scores,
                              struct candidate *room, llama_token_data *data)
{
  int32_t count = constraint->vocabulary->count;
  int32_t found = sample_best(scores, count, count < FIRST_LOOK ? count : FIRST_LOOK, room);
  for (int32_t i = 0; i < found; i++) data[i] = (llama_token_data){room[i].token, room[i].score, 0};
  filter(constraint, data, (size_t)found);
  for (int32_t i = 0; i < found; i++)
    if (isfinite(data[i].logit)) return data[i].id;
  return -1;
}

llama_token constraint_pick(struct constraint *constraint, float *scores,
                            const struct sampling *sampling, uint64_t *random,
                            struct candidate *room, llama_token_data *data)
{
  int32_t count = constraint->vocabulary->count;
  if (!constraint->grammar) return sample_draw(scores, count, sampling, random, room);
  if (sampling->temperature <= 0) {
    llama_token best = first_look(constraint, scores, room, data);
    if (best >= 0) return best;
  } else {
    /* Most draws are admitted; another draw follows only when this one is not. */
    uint64_t before = *random;
    llama_token drawn = sample_draw(scores, count, sampling, random, room);
    if (drawn < 0 || constraint_admits(constraint, drawn)) return drawn;
    *random = before + 1;
  }
  for (int32_t token = 0; token < count; token++)
    data[token] = (llama_token_data){token, scores[token], 0};
  filter(constraint, data, (size_t)count);
  for (int32_t token = 0; token < count; token++) scores[token] = data[token].logit;
  return sample_draw(scores, count, sampling, random, room);
}

void constraint_accept(struct constraint *constraint, llama_token token)
{
  if (!constraint->grammar) return;
  constraint->vocabulary->library->llama_sampler_accept(constraint->grammar, token);
  size_t size;
  const char *piece = vocabulary_piece(constraint->vocabulary, token, &size);
  for (size_t i = 0; i < size; i++) hgl_utf8_bytes_feed(&constraint->utf8, (unsigned char)piece[i]);
}
