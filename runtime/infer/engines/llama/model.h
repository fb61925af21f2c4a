/* model.h: an open model, and the sequences that it writes on.
 *
 *   engine.c      what the host calls
 *   library.c     finds and opens llama.cpp; devices, its log
 *   model.c       opens a model: options, memory, device
 *   vocabulary.c  tokens and bytes
 *   request.c     a request's JSON
 *   chat.c        messages as a prompt
 *   admit.c       a request begins: its prompt, its grammar, what it can reuse
 *   decode.c      the loop: steps of all sequences together
 *   answer.c      the text of an answer as it grows; its end
 *   embed.c       embeddings
 *   sample.c      the next token; constraint.c: by a grammar; schema_*.c: the grammar of a schema
 *
 * A sequence is a place in the cache. It has tokens, of which the cache holds the first `held`;
 * when its request is over they stay, so that a later one that begins alike need not compute them.
 * Nothing but run touches sequences and contexts, and run is never called twice at once. */
#ifndef HGL_LLAMA_MODEL_H
#define HGL_LLAMA_MODEL_H

#include "constraint.h"
#include "request.h"
#include "vocabulary.h"

#include <stdatomic.h>

enum {
  PARALLEL_MAX = 64,
  CONTEXT_MAX = 1 << 20,
  CONTEXT_DEFAULT = 4096,
  CACHE_DEFAULT = 16384,
  BATCH_DEFAULT = 512,
  PENALTY_SPAN = 64,       /* tokens that repeat_penalty looks back */
  PROMPT_SHARE = 64,       /* tokens of prompts in a step in which others write */
  ANSWER_MAX = 16 << 20,   /* bytes */
  TEMPLATE_MAX = 64 << 20, /* bytes of a prompt */
};

enum sequence_state {
  SEQUENCE_IDLE,
  SEQUENCE_READS,  /* its tokens are not all in the cache */
  SEQUENCE_WRITES, /* all but the last one are */
  SEQUENCE_PARKED, /* as reads, but others have to make room first */
};

struct sequence {
  llama_seq_id id;
  enum sequence_state state;
  const struct haggle_request *request;
  struct ask ask;
  llama_token *tokens; /* room for the context */
  uint32_t count, held;
  uint32_t prompt, reused, written;
  uint32_t sent;    /* tokens of it in the step under way */
  int32_t output;   /* where its scores are, in the batch; -1: nowhere */
  uint64_t touched; /* when it was last used, for eviction; of an active one: when it began */
  struct constraint constraint;
  uint64_t random;
  /* The answer */
  struct text text;
  struct utf8 utf8;
  char begun[4]; /* of a character */
  uint8_t begun_size;
  size_t told; /* bytes that were streamed */
};

enum chat_format { CHAT_TEMPLATE, CHAT_PLAIN };

struct model {
  const struct library *library;
  struct llama_model *llama;
  struct vocabulary vocabulary;
  struct llama_context *context, *embedder; /* the latter once it is needed */
  ggml_backend_dev_t gpu;                   /* NULL: none */
  char device[192], note[512];
  enum chat_format format;
  const char *template;
  char *template_named; /* by the option */
  uint32_t tasks, length, cache, parallel, threads;
  uint32_t batch_tokens; /* of an embedding, and room in the batch */
  uint32_t step_tokens;  /* of a step of the sequences: no more than the cache takes */
  int32_t gpu_layers;
  uint64_t seed;
  bool seeded;
  bool reuses; /* a part of a sequence can be taken over: not with recurrent ones */
  struct sequence *sequences;
  struct llama_batch batch;
  struct candidate *room;
  llama_token_data *data;
  uint64_t clock; /* counts what touches sequences */
  uint64_t cache_bytes;
  _Atomic uint64_t memory, device_memory, busy_ns, tokens_in, tokens_reused, tokens_out;
};

/* model.c */
int32_t model_open(const struct haggle_host *host, const struct haggle_source *source,
                   struct model **model, struct haggle_error *error);
void model_close(struct model *model);
struct llama_context_params model_params(const struct model *model);
/* The bytes that so many tokens take in a cache. */
uint64_t model_cache_bytes(const struct model *model, uint64_t tokens);
/* Fails when the machine has not so much memory left. */
int32_t model_check_memory(uint64_t bytes, const char *what, struct haggle_error *error);

/* chat.c */
/* Finds out what the model's template is; may note what stands for it. */
int32_t chat_init(struct model *model, struct haggle_error *error);
/* The prompt of `ask`, a chat, as tokens; a format may add texts that end the answer. */
int32_t chat_tokens(const struct model *model, struct ask *ask, struct tokens *tokens,
                    struct haggle_error *error);

/* admit.c */
/* Begins a request on a sequence, or finishes it. One must be idle. */
void admit(struct model *model, const struct haggle_batch *batch,
           const struct haggle_request *request);
/* Takes what a sequence holds beyond `kept` tokens out of the cache. */
void sequence_forget(struct model *model, struct sequence *sequence, uint32_t kept);

/* decode.c */
void model_run(struct model *model, const struct haggle_batch *batch);
/* A step of the sequences there are, amid what takes longer than one. Uses model->batch. */
void model_step_between(struct model *model, const struct haggle_batch *batch);

/* answer.c */
/* Adds a token; true when the answer ends with it. */
bool answer_add(struct model *model, const struct haggle_batch *batch, struct sequence *sequence,
                llama_token token);
/* Ends the request of a sequence with its text; `finish`: "stop" or "length". */
void answer_finish(struct model *model, const struct haggle_batch *batch, struct sequence *sequence,
                   const char *finish);
/* Whether its text is a whole JSON value that its schema or a tool admits. */
bool answer_is_whole(const struct sequence *sequence);
void answer_refuse(struct model *model, const struct haggle_batch *batch, struct sequence *sequence,
                   int32_t status, const char *message);

/* embed.c */
void embed(struct model *model, const struct haggle_batch *batch,
           const struct haggle_request *request, const struct ask *ask);

#endif
