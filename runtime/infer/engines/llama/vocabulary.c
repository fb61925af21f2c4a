#include "vocabulary.h"

#include "common/text.h"

#include <stdlib.h>
#include <string.h>

static int compare_texts(const void *left, const void *right)
{
  return strcmp(*(const char *const *)left, *(const char *const *)right);
}

/* A text that is there twice, or NULL; empty ones may be. */
static const char *repeated(const char **texts, size_t count)
{
  qsort((void *)texts, count, sizeof *texts, compare_texts);
  for (size_t i = 1; i < count; i++)
    if (texts[i][0] && strcmp(texts[i - 1], texts[i]) == 0) return texts[i];
  return NULL;
}

static int32_t check_texts(const struct library *library, const struct gguf_context *gguf,
                           int64_t key, struct haggle_error *error)
{
  size_t count = library->gguf_get_arr_n(gguf, key);
  const char **texts = calloc(count + 1, sizeof *texts);
  if (!texts) return hgl_engine_fail(error, HAGGLE_NO_MEMORY, "no memory for %zu tokens", count);
  for (size_t i = 0; i < count; i++) texts[i] = library->gguf_get_arr_str(gguf, key, i);
  const char *text = repeated(texts, count);
  free((void *)texts);
  if (!text) return HAGGLE_OK;
  return hgl_engine_fail(error, HAGGLE_INVALID, "its vocabulary has the token '%.60s' twice", text);
}

int32_t vocabulary_check_file(const struct library *library, const char *file,
                              struct haggle_error *error)
{
  struct gguf_context *gguf = library->gguf_init_from_file(
      file, (struct gguf_init_params){.no_alloc = true});
  if (!gguf) return HAGGLE_OK; /* llama.cpp says why when it opens it */
  int64_t key = library->gguf_find_key(gguf, "tokenizer.ggml.tokens");
  int32_t status = HAGGLE_OK;
  if (key >= 0 && library->gguf_get_kv_type(gguf, key) == GGUF_TYPE_ARRAY &&
      library->gguf_get_arr_type(gguf, key) == GGUF_TYPE_STRING)
    status = check_texts(library, gguf, key, error);
  library->gguf_free(gguf);
  return status;
}

/* A token that is to be added to every text has to be there: llama.cpp asserts it. */
static bool has_what_it_adds(const struct library *library, const struct llama_vocab *vocab,
                             int32_t count)
{
  llama_token begin = library->llama_vocab_bos(vocab), end = library->llama_vocab_eos(vocab);
  llama_token between = library->llama_vocab_sep(vocab);
  return (!library->llama_vocab_get_add_bos(vocab) || (begin >= 0 && begin < count)) &&
         (!library->llama_vocab_get_add_eos(vocab) || (end >= 0 && end < count)) &&
         (!library->llama_vocab_get_add_sep(vocab) || (between >= 0 && between < count));
}

/* "<0x41>": llama.cpp reads the digits without looking. */
static bool is_byte_name(const char *name)
{
  return strlen(name) == 6 && memcmp(name, "<0x", 3) == 0 && name[5] == '>' &&
         strspn(name + 3, "0123456789ABCDEFabcdef") == 2;
}

/* Tokenizers of this kind fall back on a token for each byte, and throw where there is none. */
static bool has_all_bytes(const struct library *library, const struct llama_vocab *vocab,
                          int32_t count)
{
  bool seen[256] = {false};
  unsigned found = 0;
  for (llama_token token = 0; token < count; token++) {
    const char *name = library->llama_vocab_get_text(vocab, token);
    unsigned byte = 256;
    if (is_byte_name(name) && strcspn(name + 3, "abcdef") >= 2)
      byte = (unsigned)strtoul(name + 3, NULL, 16);
    else if (name[0] && !name[1])
      byte = (unsigned char)name[0];
    if (byte < 256 && !seen[byte]) {
      seen[byte] = true;
      found++;
    }
  }
  return found == 256;
}

static int32_t check(const struct library *library, const struct llama_vocab *vocab, int32_t count,
                     struct haggle_error *error)
{
  enum llama_vocab_type type = library->llama_vocab_type(vocab);
  if (type == LLAMA_VOCAB_TYPE_NONE || count <= 0)
    return hgl_engine_fail(error, HAGGLE_UNSUPPORTED,
                           "it has no vocabulary, so it is no language model");
  if (!has_what_it_adds(library, vocab, count))
    return hgl_engine_fail(
        error, HAGGLE_INVALID,
        "its vocabulary is to begin or end texts with a token that it does not have");
  for (llama_token token = 0; token < count; token++)
    if ((library->llama_vocab_get_attr(vocab, token) & LLAMA_TOKEN_ATTR_BYTE) &&
        !is_byte_name(library->llama_vocab_get_text(vocab, token)))
      return hgl_engine_fail(error, HAGGLE_INVALID, "token %d of its vocabulary is no byte <0x00>",
                             token);
  if ((type == LLAMA_VOCAB_TYPE_SPM || type == LLAMA_VOCAB_TYPE_UGM) &&
      !has_all_bytes(library, vocab, count))
    return hgl_engine_fail(error, HAGGLE_INVALID, "its vocabulary lacks tokens for some bytes");
  return HAGGLE_OK;
}

/* Appends the bytes of one token to `bytes`. */
static bool add_piece(struct vocabulary *vocabulary, llama_token token, struct text *bytes)
{
  char small[256], *piece = small;
  int32_t size = vocabulary->library->llama_token_to_piece(vocabulary->vocab, token, small,
                                                           sizeof small, 0, false);
  if (size < 0) {
    int32_t room = -size;
    piece = malloc((size_t)room);
    if (!piece) return false;
    size = vocabulary->library->llama_token_to_piece(vocabulary->vocab, token, piece, room, 0,
                                                     false);
  }
  if (size > 0) hgl_text_add(bytes, piece, (size_t)size);
  if (piece != small) free(piece);
  if (size > 0 && (size_t)size > vocabulary->longest) vocabulary->longest = (size_t)size;
  return size >= 0 && !bytes->failed;
}

static int32_t read_all(struct vocabulary *vocabulary, struct haggle_error *error)
{
  const struct library *library = vocabulary->library;
  size_t count = (size_t)vocabulary->count;
  struct text bytes;
  hgl_text_init(&bytes, UINT32_MAX - 1);
  hgl_text_put(&bytes, "");
  vocabulary->flags = calloc(count, sizeof *vocabulary->flags);
  vocabulary->offsets = calloc(count + 1, sizeof *vocabulary->offsets);
  bool good = vocabulary->flags && vocabulary->offsets;
  for (llama_token token = 0; good && token < vocabulary->count; token++) {
    good = add_piece(vocabulary, token, &bytes);
    vocabulary->offsets[token + 1] = (uint32_t)bytes.size;
    if (library->llama_vocab_is_eog(vocabulary->vocab, token)) {
      vocabulary->flags[token] |= TOKEN_ENDS;
      if (vocabulary->end < 0) vocabulary->end = token;
    }
    if (vocabulary->offsets[token + 1] == vocabulary->offsets[token])
      vocabulary->flags[token] |= TOKEN_HIDDEN;
  }
  vocabulary->bytes = bytes.data;
  if (!good || !bytes.data)
    return hgl_engine_fail(error, HAGGLE_NO_MEMORY, "no memory for its vocabulary of %zu tokens",
                           count);
  return HAGGLE_OK;
}

int32_t vocabulary_init(struct vocabulary *vocabulary, const struct library *library,
                        const struct llama_model *model, struct haggle_error *error)
{
  const struct llama_vocab *vocab = library->llama_model_get_vocab(model);
  *vocabulary = (struct vocabulary){.library = library, .vocab = vocab, .end = LLAMA_TOKEN_NULL};
  vocabulary->count = library->llama_vocab_n_tokens(vocab);
  int32_t status = check(library, vocab, vocabulary->count, error);
  if (!status) status = read_all(vocabulary, error);
  /* Control tokens have no text here, but names; unigram and word tokenizers drop and replace. */
  enum llama_vocab_type type = library->llama_vocab_type(vocab);
  if (vocabulary->longest < 64) vocabulary->longest = 64;
  if (type != LLAMA_VOCAB_TYPE_SPM && type != LLAMA_VOCAB_TYPE_BPE) vocabulary->longest = 0;
  if (status) vocabulary_deinit(vocabulary);
  return status;
}

void vocabulary_deinit(struct vocabulary *vocabulary)
{
  free(vocabulary->flags);
  free(vocabulary->offsets);
  free(vocabulary->bytes);
  *vocabulary = (struct vocabulary){0};
}

int32_t vocabulary_tokenize(const struct vocabulary *vocabulary, const char *text, size_t size,
                            bool first, bool special, size_t max, struct tokens *tokens,
                            struct haggle_error *error)
{
  if (size > INT32_MAX / 4 || (vocabulary->longest > 0 && size / vocabulary->longest > max))
    return hgl_engine_fail(error, HAGGLE_TOO_LARGE,
                           "a text of %zu bytes does not fit into %zu tokens", size, max);
  /* No text has more tokens than bytes, but for what is put around it. */
  size_t room = size + 8;
  llama_token *items = realloc(tokens->items, (tokens->count + room) * sizeof *items);
  if (!items) return hgl_engine_fail(error, HAGGLE_NO_MEMORY, "no memory for %zu tokens", room);
  tokens->items = items;
  int32_t count = vocabulary->library->llama_tokenize(
      vocabulary->vocab, text, (int32_t)size, items + tokens->count, (int32_t)room, first, special);
  if (count < 0)
    return hgl_engine_fail(error, HAGGLE_FAILED, "llama.cpp could not tokenize the text");
  tokens->count += (size_t)count;
  return HAGGLE_OK;
}
