/* tiny_gguf.c: GGUF, version 3: a header, what is said of the model, what its tensors are, then
 * their data. All is little-endian, as the machines of the tests are. */
#include "support/tiny_gguf.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  ALIGNMENT = 32,
  WIDTH = 32, /* of the embedding */
  HEADS = 4,
  HEADS_KV = 2,
  LAYERS = 2,
  INNER = 64,
  TOKENS_MAX = 400,
};

enum {
  GGUF_UINT32 = 4,
  GGUF_INT32 = 5,
  GGUF_FLOAT32 = 6,
  GGUF_BOOL = 7,
  GGUF_STRING = 8,
  GGUF_ARRAY = 9
};

enum { KIND_NORMAL = 1, KIND_UNKNOWN = 2, KIND_CONTROL = 3, KIND_BYTE = 6 };

struct token {
  char text[32];
  float score;
  int32_t kind;
};

struct writer {
  FILE *file;
  const struct tiny_model *model;
  struct token tokens[TOKENS_MAX];
  uint32_t token_count;
  uint64_t pairs, tensors, offset;
  uint32_t random;
  bool counting; /* the first of two passes: nothing is written */
};

static void put(struct writer *writer, const void *data, size_t size)
{
  if (!writer->counting) fwrite(data, 1, size, writer->file);
}

static void put_u32(struct writer *writer, uint32_t value)
{
  put(writer, &value, sizeof value);
}

static void put_u64(struct writer *writer, uint64_t value)
{
  put(writer, &value, sizeof value);
}

static void put_text(struct writer *writer, const char *text)
{
  put_u64(writer, strlen(text));
  put(writer, text, strlen(text));
}

/* What is said of the model ----------------------------------------------------------------------
 */

static void key(struct writer *writer, const char *name, uint32_t type)
{
  writer->pairs++;
  put_text(writer, name);
  put_u32(writer, type);
}

static void say_text(struct writer *writer, const char *name, const char *value)
{
  key(writer, name, GGUF_STRING);
  put_text(writer, value);
}

static void say_number(struct writer *writer, const char *name, uint32_t value)
{
  key(writer, name, GGUF_UINT32);
  put_u32(writer, value);
}

static void say_list(struct writer *writer, const char *name, uint32_t type, uint64_t count)
{
  key(writer, name, GGUF_ARRAY);
  put_u32(writer, type);
  put_u64(writer, count);
}

/* Vocabulary --------------------------------------------------------------------------------------
 */

static void add_token(struct writer *writer, const char *text, float score, int32_t kind)
{
  struct token *token = &writer->tokens[writer->token_count++];
  snprintf(token->text, sizeof token->text, "%s", text);
  token->score = score;
  token->kind = kind;
}

/* GPT-2 writes bytes as letters; those that are none follow from 256 on. */
static void byte_letter(unsigned byte, char *out)
{
  bool plain = (byte >= '!' && byte <= '~') || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
  unsigned letter = byte;
  if (!plain) {
    letter = 256;
    for (unsigned other = 0; other < byte; other++)
      letter += !((other >= '!' && other <= '~') || (other >= 0xa1 && other <= 0xac) ||
                  other >= 0xae);
  }
  if (letter < 0x80) {
    snprintf(out, 8, "%c", (char)letter);
  } else {
    out[0] = (char)(0xc0 | (letter >> 6));
    out[1] = (char)(0x80 | (letter & 0x3f));
    out[2] = '\0';
  }
}

static const char *const merges[] = {"t h", "th e", "a n", "an d", "i n", "e r", "o n", "r e"};

enum { MERGES = sizeof merges / sizeof *merges };

static void make_bytes(struct writer *writer)
{
  for (unsigned byte = 0; byte < 256; byte++) {
    char letter[8];
    byte_letter(byte, letter);
    add_token(writer, letter, 0, KIND_NORMAL);
  }
  for (size_t i = 0; i < MERGES; i++) {
    char joint[32];
    const char *space = strchr(merges[i], ' ');
    snprintf(joint, sizeof joint, "%.*s%s", (int)(space - merges[i]), merges[i], space + 1);
    add_token(writer, joint, 0, KIND_NORMAL);
  }
  add_token(writer, "<|end|>", 0, KIND_CONTROL);
}

static const char *const words[] = {
    "\xe2\x96\x81", "\xe2\x96\x81the",   "the",      "buy",  "sell", "hold", "\":",
    "{\"",          "\xe2\x96\x81price", "\xc3\xa4", "true", "42"};

static void make_pieces(struct writer *writer)
{
  add_token(writer, "<unk>", 0, KIND_UNKNOWN);
  add_token(writer, "<s>", 0, KIND_CONTROL);
  add_token(writer, "</s>", 0, KIND_CONTROL);
  for (unsigned byte = 0; byte < 256; byte++) {
    char name[8];
    if (writer->model->no_byte_tokens && byte == 0x7f) continue;
    snprintf(name, sizeof name, "<0x%02X>", byte);
    add_token(writer, name, 0, KIND_BYTE);
  }
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    add_token(writer, words[i], -(float)i, KIND_NORMAL);
  for (char letter = ' ' + 1; letter < 0x7f; letter++) {
    char text[2] = {letter, '\0'};
    if (writer->model->no_byte_tokens && letter == '~') continue;
    add_token(writer, text, -100 - (float)letter, KIND_NORMAL);
  }
  add_token(writer, "<|im_start|>", 0, KIND_CONTROL);
  add_token(writer, "<|im_end|>", 0, KIND_CONTROL);
}

static const char chatml[] = "{% for message in messages %}{{'<|im_start|>' + message['role'] + "
                             "'\\n' + message['content'] + "
                             "'<|im_end|>' + '\\n'}}{% endfor %}";

static void say_vocabulary(struct writer *writer)
{
  struct token *last = &writer->tokens[writer->token_count - 1];
  if (writer->model->same_tokens) *last = last[-1];
  bool bytes = writer->model->vocabulary == TINY_BYTES;
  uint32_t count = writer->token_count;
  say_text(writer, "tokenizer.ggml.model", bytes ? "gpt2" : "llama");
  if (bytes) say_text(writer, "tokenizer.ggml.pre", "gpt-2");
  say_list(writer, "tokenizer.ggml.tokens", GGUF_STRING, count);
  for (uint32_t i = 0; i < count; i++) put_text(writer, writer->tokens[i].text);
  say_list(writer, "tokenizer.ggml.token_type", GGUF_INT32, count);
  for (uint32_t i = 0; i < count; i++) put(writer, &writer->tokens[i].kind, 4);
  if (bytes) {
    say_list(writer, "tokenizer.ggml.merges", GGUF_STRING, MERGES);
    for (size_t i = 0; i < MERGES; i++) put_text(writer, merges[i]);
    say_number(writer, "tokenizer.ggml.eos_token_id", count - 1);
    say_number(writer, "tokenizer.ggml.bos_token_id", count - 1);
  } else {
    say_list(writer, "tokenizer.ggml.scores", GGUF_FLOAT32, count);
    for (uint32_t i = 0; i < count; i++) put(writer, &writer->tokens[i].score, 4);
    say_number(writer, "tokenizer.ggml.bos_token_id", 1);
    say_number(writer, "tokenizer.ggml.eos_token_id", count - 1);
  }
  const char *template = writer->model->template;
  if (!template && !bytes) template = chatml;
  if (template) say_text(writer, "tokenizer.chat_template", template);
}

static void say_all(struct writer *writer)
{
  const char *architecture = writer->model->architecture ? writer->model->architecture : "llama";
  say_text(writer, "general.architecture", architecture);
  say_text(writer, "general.name", "tiny");
  say_number(writer, "general.alignment", ALIGNMENT);
  say_number(writer, "llama.context_length", writer->model->context);
  say_number(writer, "llama.embedding_length", WIDTH);
  say_number(writer, "llama.block_count", LAYERS);
  say_number(writer, "llama.feed_forward_length", INNER);
  say_number(writer, "llama.attention.head_count", HEADS);
  say_number(writer, "llama.attention.head_count_kv", HEADS_KV);
  say_number(writer, "llama.rope.dimension_count", WIDTH / HEADS);
  key(writer, "llama.attention.layer_norm_rms_epsilon", GGUF_FLOAT32);
  put(writer, &(float){1e-5F}, 4);
  say_vocabulary(writer);
}

/* Tensors -----------------------------------------------------------------------------------------
 */

/* Numerical Recipes' quick generator. */
static float weight(struct writer *writer)
{
  writer->random = writer->random * 1664525 + 1013904223;
  return ((float)(writer->random >> 8) / (float)(1 << 24)) * 2 - 1;
}

/* In the passes over what there is, and over the data. */
enum pass { INFO, DATA };

static void tensor(struct writer *writer, enum pass pass, const char *name, uint64_t columns,
                   uint64_t rows, float scale)
{
  uint64_t count = columns * (rows ? rows : 1);
  if (pass == INFO) {
    writer->tensors++;
    put_text(writer, name);
    put_u32(writer, rows ? 2 : 1);
    put_u64(writer, columns);
    if (rows) put_u64(writer, rows);
    put_u32(writer, 0); /* F32 */
    put_u64(writer, writer->offset);
    writer->offset += count * sizeof(float); /* a multiple of the alignment */
    return;
  }
  for (uint64_t i = 0; i < count; i++) {
    float value = rows ? weight(writer) * scale : 1;
    if (writer->model->not_numbers && rows) value = NAN;
    put(writer, &value, sizeof value);
  }
}

static void tensors(struct writer *writer, enum pass pass)
{
  static const struct {
    const char *name;
    uint64_t columns, rows;
  } layer[] = {
      {"attn_norm", WIDTH, 0},
      {"attn_q", WIDTH, WIDTH},
      {"attn_k", WIDTH, WIDTH / HEADS * HEADS_KV},
      {"attn_v", WIDTH, WIDTH / HEADS * HEADS_KV},
      {"attn_output", WIDTH, WIDTH},
      {"ffn_norm", WIDTH, 0},
      {"ffn_gate", WIDTH, INNER},
      {"ffn_up", WIDTH, INNER},
      {"ffn_down", INNER, WIDTH},
  };
  tensor(writer, pass, "token_embd.weight", WIDTH, writer->token_count, 1);
  for (int block = 0; block < LAYERS; block++)
    for (size_t i = 0; i < sizeof layer / sizeof *layer; i++) {
      char name[64];
      snprintf(name, sizeof name, "blk.%d.%s.weight", block, layer[i].name);
      tensor(writer, pass, name, layer[i].columns, layer[i].rows, 0.4F);
    }
  tensor(writer, pass, "output_norm.weight", WIDTH, 0, 1);
  tensor(writer, pass, "output.weight", WIDTH, writer->token_count, 1);
}

/* All of it ---------------------------------------------------------------------------------------
 */

static void head(struct writer *writer, uint64_t tensor_count, uint64_t pair_count)
{
  put(writer, "GGUF", 4);
  put_u32(writer, 3);
  put_u64(writer, tensor_count);
  put_u64(writer, pair_count);
  say_all(writer);
  tensors(writer, INFO);
}

int tiny_gguf_write(const char *path, const struct tiny_model *model)
{
  struct writer *writer = calloc(1, sizeof *writer);
  if (!writer) return -1;
  writer->model = model;
  writer->random = model->seed;
  writer->file = fopen(path, "wbe");
  int status = -1;
  if (!writer->file) goto done;
  if (model->vocabulary == TINY_BYTES)
    make_bytes(writer);
  else
    make_pieces(writer);
  writer->counting = true;
  head(writer, 0, 0);
  writer->counting = false;
  writer->offset = 0;
  head(writer, writer->tensors, writer->pairs);
  while (ftell(writer->file) % ALIGNMENT != 0) put(writer, "", 1);
  tensors(writer, DATA);
  status = ferror(writer->file) ? -1 : 0;
done:
  if (writer->file && fclose(writer->file) != 0) status = -1;
  free(writer);
  return status;
}
