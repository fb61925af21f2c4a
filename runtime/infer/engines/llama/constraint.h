/* constraint.h: the tokens that may follow, by a grammar.
 *
 * Beside what the grammar says, only tokens with text of their own may follow, and only well-formed
 * UTF-8: llama.cpp's grammars take two bytes for a character that are none. */
#ifndef HGL_LLAMA_CONSTRAINT_H
#define HGL_LLAMA_CONSTRAINT_H

#include "sample.h"
#include "common/text.h"
#include "vocabulary.h"

struct constraint {
  const struct vocabulary *vocabulary;
  struct llama_sampler *grammar; /* NULL: anything may follow */
  struct utf8 utf8;
};

int32_t constraint_init(struct constraint *constraint, const struct vocabulary *vocabulary,
                        const char *grammar, struct haggle_error *error);
void constraint_deinit(struct constraint *constraint);

bool constraint_admits(struct constraint *constraint, llama_token token);

/* Picks a token by these scores, of which it may change some; -1: none may follow. `room` holds as
 * many candidates as there are tokens, `data` as many of llama.cpp's. */
llama_token constraint_pick(struct constraint *constraint, float *scores,
                            const struct sampling *sampling, uint64_t *random,
                            struct candidate *room, llama_token_data *data);

/* The token was chosen; it has been admitted. */
void constraint_accept(struct constraint *constraint, llama_token token);

#endif
