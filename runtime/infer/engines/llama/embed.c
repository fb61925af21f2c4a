/* embed.c: texts as vectors of length 1, pooled as the model says, or else as the mean of their
 * tokens'.
 *
 * A context of its own computes them, made when the first are wanted. A text is computed at once,
 * so it has at most as many tokens as a step (option step=). */
#include "model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int32_t embedder_make(struct model *model, struct haggle_error *error)
{
  if (model->embedder) return HAGGLE_OK;
  int32_t status = model_check_memory(model_cache_bytes(model, model->batch_tokens), "embeddings",
                                      error);
  if (status) return status;
  struct llama_context_params params = model_params(model);
  params.n_ctx = params.n_batch = params.n_ubatch = model->batch_tokens;
  params.n_outputs_max = 0;
  params.embeddings = true;
  struct llama_context *context = model->library->llama_init_from_model(model->llama, params);
  if (context && model->library->llama_pooling_type(context) == LLAMA_POOLING_TYPE_NONE) {
    model->library->llama_free(context);
    params.pooling_type = LLAMA_POOLING_TYPE_MEAN;
    context = model->library->llama_init_from_model(model->llama, params);
  }
  if (!context)
    return hgl_engine_fail(error, HAGGLE_NO_MEMORY, "no room for embeddings: %s",
                           library_complaint());
  if (model->library->llama_pooling_type(context) == LLAMA_POOLING_TYPE_RANK) {
    model->library->llama_free(context);
    return hgl_engine_fail(error, HAGGLE_UNSUPPORTED,
                           "the model ranks texts and gives no embeddings");
  }
  model->embedder = context;
  return HAGGLE_OK;
}

/* Adds the vector of a sequence to the answer. */
static int32_t put_vector(struct model *model, llama_seq_id id, struct text *out,
                          struct haggle_error *error)
{
  const float *vector = model->library->llama_get_embeddings_seq(model->embedder, id);
  int32_t size = model->library->llama_model_n_embd_out(model->llama);
  double sum = 0;
  for (int32_t i = 0; vector && i < size; i++) sum += (double)vector[i] * (double)vector[i];
  if (!vector || !isfinite(sum) || sum <= 0)
    return hgl_engine_fail(error, HAGGLE_FAILED,
                           "the model computes no numbers (is its file damaged?)");
  double scale = 1 / sqrt(sum);
  for (int32_t i = 0; i < size; i++)
    hgl_text_format(out, "%s%.8g", i > 0 ? "," : "[", (double)vector[i] * scale);
  hgl_text_put(out, "]");
  return HAGGLE_OK;
}

/* Computes what is in the batch: `count` texts. */
static int32_t compute(struct model *model, uint32_t count, bool first, struct text *out,
                       struct haggle_error *error)
{
  llama_memory_t memory = model->library->llama_get_memory(model->embedder);
  if (memory) model->library->llama_memory_clear(memory, false);
  int32_t status = model->library->llama_decode(model->embedder, model->batch);
  if (status != 0)
    return hgl_engine_fail(error, HAGGLE_FAILED, "llama.cpp could not compute it (%d): %.300s",
                           status, library_complaint());
  for (uint32_t i = 0; i < count && !status; i++) {
    if (i > 0 || !first) hgl_text_put(out, ",");
    status = put_vector(model, (llama_seq_id)i, out, error);
  }
  return status;
}

static void put(struct model *model, uint32_t sequence, const struct tokens *tokens)
{
  struct llama_batch *batch = &model->batch;
  for (size_t i = 0; i < tokens->count; i++) {
    int32_t at = batch->n_tokens++;
    batch->token[at] = tokens->items[i];
    batch->pos[at] = (llama_pos)i;
    batch->n_seq_id[at] = 1;
    batch->seq_id[at][0] = (llama_seq_id)sequence;
    batch->logits[at] = 1;
  }
}

static int32_t tokens_of(struct model *model, const json_t *input, size_t index,
                         struct tokens *tokens, struct haggle_error *error)
{
  const json_t *text = json_array_get(input, index);
  tokens->count = 0;
  int32_t status = vocabulary_tokenize(&model->vocabulary, json_string_value(text),
                                       json_string_length(text), true, false, model->batch_tokens,
                                       tokens, error);
  if (status) return status;
  if (tokens->count == 0)
    return hgl_engine_fail(error, HAGGLE_INVALID, "input[%zu]: no token stands for it", index + 1);
  if (tokens->count > model->batch_tokens)
    return hgl_engine_fail(error, HAGGLE_TOO_LARGE,
                           "input[%zu] has %zu tokens; an embedding is made of at most %u (option "
                           "step=)",
                           index + 1, tokens->count, model->batch_tokens);
  return HAGGLE_OK;
}

/* As many texts at once as fit. HAGGLE_CANCELLED, without a message, when the request is over. */
static int32_t embed_all(struct model *model, const struct haggle_batch *batch,
                         const struct haggle_request *request, const json_t *input,
                         struct text *out, uint64_t *total, struct haggle_error *error)
{
  struct tokens tokens = {0};
  size_t count = json_array_size(input), index = 0;
  int32_t status = embedder_make(model, error);
  uint32_t filled = 0;
  bool first = true;
  model->batch.n_tokens = 0;
  while (!status && index < count) {
    status = tokens_of(model, input, index, &tokens, error);
    if (status) break;
    bool full = filled == model->parallel ||
                (uint32_t)model->batch.n_tokens + tokens.count > model->batch_tokens;
    if (full) {
      if (hgl_engine_is_over(batch, request)) status = HAGGLE_CANCELLED;
      if (!status) status = compute(model, filled, first, out, error);
      if (status) break;
      first = false;
      filled = 0;
      model_step_between(model, batch);
      model->batch.n_tokens = 0;
    }
    put(model, filled++, &tokens);
    *total += tokens.count;
    index++;
  }
  if (!status) status = compute(model, filled, first, out, error);
  free(tokens.items);
  return status;
}

void embed(struct model *model, const struct haggle_batch *batch,
           const struct haggle_request *request, const struct ask *ask)
{
  struct haggle_error error = {.size = sizeof error};
  struct text out;
  uint64_t total = 0;
  hgl_text_init(&out, 256 << 20);
  hgl_text_put(&out, "{\"embeddings\":[");
  int32_t status = embed_all(model, batch, request, ask->input, &out, &total, &error);
  hgl_text_format(&out, "],\"usage\":{\"prompt\":%llu,\"reused\":0,\"completion\":0}}",
                  (unsigned long long)total);
  if (status == HAGGLE_CANCELLED) {
    hgl_engine_refuse_over(batch, request);
  } else if (status || out.failed) {
    hgl_engine_refuse(batch, request, status ? status : HAGGLE_NO_MEMORY, "%s",
                      status ? error.message : "no memory for the embeddings");
  } else {
    struct haggle_result result = {
        .size = sizeof result, .status = HAGGLE_OK, .text = out.data, .text_size = out.size};
    model->tokens_in += total;
    batch->finish(batch->host, request, &result);
  }
  hgl_text_deinit(&out);
}
