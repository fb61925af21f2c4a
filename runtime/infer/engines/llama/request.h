/* request.h: what a request asks for, read from its JSON (PLUGINS.md, "Language models"). */
#ifndef HGL_LLAMA_REQUEST_H
#define HGL_LLAMA_REQUEST_H

#include "sample.h"
#include "common/text.h"

#include <jansson.h>

enum {
  STOPS_MAX = 16,
  STOP_SIZE_MAX = 256,
  INPUTS_MAX = 1024,
  MESSAGES_MAX = 4096,
  TOOLS_MAX = 64
};

/* A text that ends the answer. */
struct stop {
  const char *data;
  size_t size;
};

struct ask {
  json_t *root;                                    /* holds all that follows */
  int32_t task;                                    /* enum haggle_task */
  const json_t *messages, *tools, *schema, *input; /* NULL: none */
  const char *prompt;
  size_t prompt_size;
  struct sampling sampling;
  uint64_t seed;
  bool seeded;
  uint32_t max_tokens;
  struct stop stops[STOPS_MAX + 2]; /* room for those of a template */
  size_t stop_count;
};

/* Every member is checked; what is within schemas is not. `ask` needs ask_deinit only on success.
 */
int32_t ask_read(struct ask *ask, const char *text, size_t size, struct haggle_error *error);
void ask_deinit(struct ask *ask);

#endif
