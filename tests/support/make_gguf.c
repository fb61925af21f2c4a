/* make_gguf FILE [bytes|pieces [SEED]]: writes a small language model with random weights. */
#include "support/tiny_gguf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
  struct tiny_model model = {TINY_PIECES, .context = 512, .seed = 9};
  if (argc < 2) {
    fputs("make_gguf FILE [bytes|pieces [SEED]]\n", stderr);
    return 2;
  }
  if (argc > 2 && strcmp(argv[2], "bytes") == 0) model.vocabulary = TINY_BYTES;
  if (argc > 3) model.seed = (uint32_t)strtoul(argv[3], NULL, 10);
  if (tiny_gguf_write(argv[1], &model) == 0) return 0;
  perror(argv[1]);
  return 1;
}
