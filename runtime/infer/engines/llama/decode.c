/* decode.c: all sequences that are active advance together, a step after the other.
 *
 * In a step each sequence that writes sends its last token, and those that read share what room is
 * left: little when others wait for it, so that a long prompt does not hold them up. New requests
 * begin between steps. When the cache is full, what idle sequences hold goes first, then the
 * youngest active one is parked: it gives up its place and is computed again later on. */
#include "model.h"

#include <stdlib.h>
#include <string.h>

static bool is_active(const struct sequence *sequence)
{
  return sequence->state != SEQUENCE_IDLE;
}

static uint32_t count_in(const struct model *model, enum sequence_state state)
{
  uint32_t count = 0;
  for (uint32_t i = 0; i < model->parallel; i++) count += model->sequences[i].state == state;
  return count;
}

/* A step ----------------------------------------------------------------------------------------
 */

static void put(struct model *model, struct sequence *sequence, uint32_t count)
{
  struct llama_batch *batch = &model->batch;
  sequence->sent = count;
  sequence->output = -1;
  for (uint32_t i = 0; i < count; i++) {
    int32_t at = batch->n_tokens++;
    uint32_t position = sequence->held + i;
    bool last = position + 1 == sequence->count;
    batch->token[at] = sequence->tokens[position];
    batch->pos[at] = (llama_pos)position;
    batch->n_seq_id[at] = 1;
    batch->seq_id[at][0] = sequence->id;
    batch->logits[at] = last;
    if (last) sequence->output = at;
  }
}

/* Fills the batch; returns how many tokens are in it. */
static int32_t fill(struct model *model)
{
  uint32_t writers = count_in(model, SEQUENCE_WRITES), readers = count_in(model, SEQUENCE_READS);
  model->batch.n_tokens = 0;
  for (uint32_t i = 0; i < model->parallel; i++) {
    struct sequence *sequence = &model->sequences[i];
    sequence->sent = 0;
    sequence->output = -1;
    if (sequence->state == SEQUENCE_WRITES) put(model, sequence, 1);
  }
  uint32_t room = model->step_tokens - writers;
  if (writers > 0 && room > PROMPT_SHARE) room = PROMPT_SHARE;
  for (uint32_t i = 0; i < model->parallel && readers > 0; i++) {
    struct sequence *sequence = &model->sequences[i];
    if (sequence->state != SEQUENCE_READS) continue;
    uint32_t share = room / readers, wanted = sequence->count - sequence->held;
    if (share == 0 && room > 0) share = 1;
    if (wanted < share) share = wanted;
    put(model, sequence, share);
    room -= share;
    readers--;
  }
  return model->batch.n_tokens;
}

static void park(struct model *model, struct sequence *sequence)
{
  sequence_forget(model, sequence, 0);
  sequence->state = SEQUENCE_PARKED;
}

/* Makes room in the cache; false when one sequence alone fills it. */
static bool make_room(struct model *model)
{
  struct sequence *idle = NULL, *youngest = NULL;
  uint32_t active = 0;
  for (uint32_t i = 0; i < model->parallel; i++) {
    struct sequence *one = &model->sequences[i];
    if (one->state == SEQUENCE_IDLE) {
      if (one->held > 0 && (!idle || one->touched < idle->touched)) idle = one;
    } else if (one->state != SEQUENCE_PARKED) {
      active++;
      if (!youngest || one->touched > youngest->touched) youngest = one;
    }
  }
  if (idle) {
    sequence_forget(model, idle, 0);
    return true;
  }
  if (active < 2) return false;
  park(model, youngest);
  return true;
}

/* Those that were parked go on when another has ended, or nobody else is there. */
static void unpark(struct model *model, bool any_ended)
{
  if (!any_ended && count_in(model, SEQUENCE_READS) + count_in(model, SEQUENCE_WRITES) > 0) return;
  struct sequence *first = NULL;
  for (uint32_t i = 0; i < model->parallel; i++) {
    struct sequence *one = &model->sequences[i];
    if (one->state == SEQUENCE_PARKED && (!first || one->touched < first->touched)) first = one;
  }
  if (first) first->state = SEQUENCE_READS;
}

/* Computes what is in the batch, after making room where needed. */
static int32_t compute(struct model *model)
{
  for (;;) {
    if (fill(model) == 0) return -1; /* an active sequence always has something to send */
    int32_t status = model->library->llama_decode(model->context, model->batch);
    if (status != 1) return status;
    if (!make_room(model)) return 1;
  }
}

/* What was computed before the failure may be in the cache; so all of it goes. */
static void give_up(struct model *model, const struct haggle_batch *batch, int32_t status)
{
  char message[400];
  const char *why = library_complaint();
  if (status == 1)
    snprintf(message, sizeof message,
             "the cache of %u tokens is full (option cache=, or fewer at once: parallel=)",
             model->cache);
  else
    snprintf(message, sizeof message, "llama.cpp could not compute it (%d): %.300s", status, why);
  model->library->llama_memory_clear(model->library->llama_get_memory(model->context), false);
  for (uint32_t i = 0; i < model->parallel; i++) {
    struct sequence *sequence = &model->sequences[i];
    sequence->held = 0;
    if (is_active(sequence) && sequence->state != SEQUENCE_PARKED)
      answer_refuse(model, batch, sequence, status == 1 ? HAGGLE_NO_MEMORY : HAGGLE_FAILED,
                    message);
  }
}

/* After a step ----------------------------------------------------------------------------------
 */

static llama_token next_token(struct model *model, struct sequence *sequence)
{
  float *scores = model->library->llama_get_logits_ith(model->context, sequence->output);
  if (!scores) return -1;
  uint32_t span = sequence->count < PENALTY_SPAN ? sequence->count : PENALTY_SPAN;
  sample_penalize(scores, model->vocabulary.count, sequence->tokens + sequence->count - span, span,
                  sequence->ask.sampling.repeat_penalty);
  return constraint_pick(&sequence->constraint, scores, &sequence->ask.sampling, &sequence->random,
                         model->room, model->data);
}

/* A value that has ended need not be followed by a token that says so; but a number may go on. */
static bool is_complete(const struct model *model, struct sequence *sequence)
{
  if (!sequence->constraint.grammar || sequence->text.size == 0) return false;
  char last = sequence->text.data[sequence->text.size - 1];
  return strchr("}]\"el", last) &&
         constraint_admits(&sequence->constraint, model->vocabulary.end) &&
         answer_is_whole(sequence);
}

static void write_token(struct model *model, const struct haggle_batch *batch,
                        struct sequence *sequence)
{
  llama_token token = next_token(model, sequence);
  if (token < 0) {
    if (sequence->constraint.grammar && answer_is_whole(sequence))
      answer_finish(model, batch, sequence, "stop");
    else
      answer_refuse(model, batch, sequence, HAGGLE_FAILED,
                    sequence->constraint.grammar
                        ? "no token of the model continues an answer as its schema wants it"
                        : "the model computes no numbers (is its file damaged?)");
    return;
  }
  sequence->state = SEQUENCE_WRITES;
  if (model->vocabulary.flags[token] & TOKEN_ENDS) {
    answer_finish(model, batch, sequence, "stop");
    return;
  }
  constraint_accept(&sequence->constraint, token);
  sequence->tokens[sequence->count++] = token;
  sequence->written++;
  model->tokens_out++;
  if (answer_add(model, batch, sequence, token)) return;
  if (is_complete(model, sequence))
    answer_finish(model, batch, sequence, "stop");
  else if (sequence->written >= sequence->ask.max_tokens || sequence->count >= model->length)
    answer_finish(model, batch, sequence, "length");
}

static void advance(struct model *model, const struct haggle_batch *batch)
{
  uint32_t before = count_in(model, SEQUENCE_IDLE);
  int32_t status = compute(model);
  if (status != 0) {
    give_up(model, batch, status);
    unpark(model, true);
    return;
  }
  for (uint32_t i = 0; i < model->parallel; i++)
    model->sequences[i].held += model->sequences[i].sent;
  for (uint32_t i = 0; i < model->parallel; i++) {
    struct sequence *sequence = &model->sequences[i];
    sequence->sent = 0;
    if (sequence->output >= 0) write_token(model, batch, sequence);
    sequence->output = -1;
  }
  unpark(model, count_in(model, SEQUENCE_IDLE) > before);
}

static void drop_active(struct model *model, const struct haggle_batch *batch)
{
  bool any = false;
  for (uint32_t i = 0; i < model->parallel; i++) {
    struct sequence *sequence = &model->sequences[i];
    if (!is_active(sequence) || !hgl_engine_is_over(batch, sequence->request)) continue;
    bool late = sequence->request->deadline_ns &&
                hgl_engine_now_ns() >= sequence->request->deadline_ns;
    answer_refuse(model, batch, sequence, late ? HAGGLE_TIMEOUT : HAGGLE_CANCELLED,
                  late ? "its time is over" : "nobody waits for it any more");
    any = true;
  }
  if (any) unpark(model, true);
}

void model_step_between(struct model *model, const struct haggle_batch *batch)
{
  drop_active(model, batch);
  if (count_in(model, SEQUENCE_IDLE) < model->parallel) advance(model, batch);
}

/* The loop --------------------------------------------------------------------------------------
 */

/* Requests of the call that have not begun. */
struct waiting {
  const struct haggle_request **items;
  size_t count;
};

static const struct haggle_request *next_request(struct waiting *waiting,
                                                 const struct haggle_batch *batch)
{
  if (waiting->count == 0) return batch->take ? batch->take(batch->host) : NULL;
  const struct haggle_request *first = waiting->items[0];
  waiting->count--;
  memmove(waiting->items, waiting->items + 1, waiting->count * sizeof *waiting->items);
  return first;
}

static void drop_waiting(const struct haggle_batch *batch, struct waiting *waiting)
{
  size_t kept = 0;
  for (size_t i = 0; i < waiting->count; i++) {
    const struct haggle_request *request = waiting->items[i];
    if (hgl_engine_is_over(batch, request))
      hgl_engine_refuse_over(batch, request);
    else
      waiting->items[kept++] = request;
  }
  waiting->count = kept;
}

static void admit_those_waiting(struct model *model, const struct haggle_batch *batch,
                                struct waiting *waiting)
{
  while (count_in(model, SEQUENCE_IDLE) > 0) {
    const struct haggle_request *request = next_request(waiting, batch);
    if (!request) return;
    uint32_t idle = count_in(model, SEQUENCE_IDLE);
    admit(model, batch, request);
    /* Those that take no place, embeddings above all, could come without end. */
    if (idle < model->parallel && count_in(model, SEQUENCE_IDLE) >= idle) return;
  }
}

void model_run(struct model *model, const struct haggle_batch *batch)
{
  int64_t began = hgl_engine_now_ns();
  struct waiting waiting = {malloc(batch->count * sizeof *waiting.items), batch->count};
  if (!waiting.items) {
    for (size_t i = 0; i < batch->count; i++)
      hgl_engine_refuse(batch, batch->requests[i], HAGGLE_NO_MEMORY, "no memory for the requests");
    return;
  }
  memcpy(waiting.items, batch->requests, batch->count * sizeof *waiting.items);
  for (;;) {
    drop_active(model, batch);
    drop_waiting(batch, &waiting);
    admit_those_waiting(model, batch, &waiting);
    if (count_in(model, SEQUENCE_IDLE) == model->parallel) break;
    advance(model, batch);
    int64_t now = hgl_engine_now_ns();
    model->busy_ns += (uint64_t)(now - began);
    began = now;
  }
  free(waiting.items);
  model->busy_ns += (uint64_t)(hgl_engine_now_ns() - began);
}
