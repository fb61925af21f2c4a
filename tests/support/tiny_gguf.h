/* tiny_gguf.h: writes small language models with random weights, which llama.cpp takes for real
 * ones.
 *
 * What they say is nonsense, but it is decided by all that came before it, as with any model. */
#ifndef HGL_TESTS_TINY_GGUF_H
#define HGL_TESTS_TINY_GGUF_H

#include <stdint.h>

enum tiny_vocabulary {
  TINY_BYTES,  /* GPT-2's kind: bytes and a few merges; no chat template */
  TINY_PIECES, /* SentencePiece's kind: bytes and a few words; ChatML as its template */
};

struct tiny_model {
  enum tiny_vocabulary vocabulary;
  uint32_t context; /* as it says of itself */
  uint32_t seed;
  /* Damage */
  int not_numbers;          /* weights that are none */
  const char *architecture; /* instead of llama */
  const char *template;     /* instead of its own */
  int no_byte_tokens;       /* the vocabulary lacks some */
  int same_tokens;          /* it has one twice */
};

/* 0, or -1 when the file cannot be written. */
int tiny_gguf_write(const char *path, const struct tiny_model *model);

#endif
