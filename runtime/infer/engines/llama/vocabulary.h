/* vocabulary.h: the tokens of a model as bytes, and text as tokens. */
#ifndef HGL_LLAMA_VOCABULARY_H
#define HGL_LLAMA_VOCABULARY_H

#include "library.h"

enum token_flag {
  TOKEN_ENDS = 1,   /* the answer, or a turn of it */
  TOKEN_HIDDEN = 2, /* no text of its own: control tokens and the like */
};

struct vocabulary {
  const struct library *library;
  const struct llama_vocab *vocab;
  int32_t count;
  llama_token end; /* one that ends an answer, or LLAMA_TOKEN_NULL */
  uint8_t *flags;
  uint32_t *offsets; /* count + 1 of them, into bytes */
  char *bytes;
  size_t longest; /* text that one token may stand for; 0: any */
};

/* Looks through a file that is not open yet for what llama.cpp asserts of its vocabulary. */
int32_t vocabulary_check_file(const struct library *library, const char *file,
                              struct haggle_error *error);

/* Looks through the vocabulary for what would make llama.cpp end the process later on. */
int32_t vocabulary_init(struct vocabulary *vocabulary, const struct library *library,
                        const struct llama_model *model, struct haggle_error *error);
void vocabulary_deinit(struct vocabulary *vocabulary);

static inline const char *vocabulary_piece(const struct vocabulary *vocabulary, llama_token token,
                                           size_t *size)
{
  *size = vocabulary->offsets[token + 1] - vocabulary->offsets[token];
  return vocabulary->bytes + vocabulary->offsets[token];
}

struct tokens {
  llama_token *items;
  size_t count;
};

/* Adds a text to the tokens (items from malloc). `first`: with what stands at the beginning of all;
 * `special`: names of control tokens in the text are these tokens. HAGGLE_TOO_LARGE without
 * tokenizing when it cannot fit into `max` tokens. */
int32_t vocabulary_tokenize(const struct vocabulary *vocabulary, const char *text, size_t size,
                            bool first, bool special, size_t max, struct tokens *tokens,
                            struct haggle_error *error);

#endif
