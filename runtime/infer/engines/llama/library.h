/* library.h: llama.cpp's shared libraries, opened when the first model is.
 *
 * There is one llama.cpp in a process: its devices, its log and whether it is open are global
 * there. So it is opened once, by the first who needs it, and stays; a second model that names
 * another library is refused. */
#ifndef HGL_LLAMA_LIBRARY_H
#define HGL_LLAMA_LIBRARY_H

#include "infer/haggle_infer.h"

#include <gguf.h>
#include <llama.h>

#include <stdbool.h>

#define LIBRARY_FUNCTIONS(X)                                                                       \
  X(ggml_backend_dev_count)                                                                        \
  X(ggml_backend_dev_description)                                                                  \
  X(ggml_backend_dev_get)                                                                          \
  X(ggml_backend_dev_memory)                                                                       \
  X(ggml_backend_dev_name)                                                                         \
  X(ggml_backend_dev_type)                                                                         \
  X(ggml_backend_load_all_from_path)                                                               \
  X(ggml_set_abort_callback)                                                                       \
  X(gguf_find_key)                                                                                 \
  X(gguf_free)                                                                                     \
  X(gguf_get_arr_n)                                                                                \
  X(gguf_get_arr_str)                                                                              \
  X(gguf_get_arr_type)                                                                             \
  X(gguf_get_kv_type)                                                                              \
  X(gguf_init_from_file)                                                                           \
  X(llama_backend_init)                                                                            \
  X(llama_batch_free)                                                                              \
  X(llama_batch_init)                                                                              \
  X(llama_chat_apply_template)                                                                     \
  X(llama_context_default_params)                                                                  \
  X(llama_decode)                                                                                  \
  X(llama_free)                                                                                    \
  X(llama_get_embeddings_seq)                                                                      \
  X(llama_get_logits_ith)                                                                          \
  X(llama_get_memory)                                                                              \
  X(llama_init_from_model)                                                                         \
  X(llama_log_set)                                                                                 \
  X(llama_max_parallel_sequences)                                                                  \
  X(llama_memory_clear)                                                                            \
  X(llama_memory_seq_cp)                                                                           \
  X(llama_memory_seq_rm)                                                                           \
  X(llama_model_chat_template)                                                                     \
  X(llama_model_default_params)                                                                    \
  X(llama_model_desc)                                                                              \
  X(llama_model_free)                                                                              \
  X(llama_model_get_vocab)                                                                         \
  X(llama_model_has_decoder)                                                                       \
  X(llama_model_has_encoder)                                                                       \
  X(llama_model_is_diffusion)                                                                      \
  X(llama_model_is_hybrid)                                                                         \
  X(llama_model_is_recurrent)                                                                      \
  X(llama_model_load_from_file)                                                                    \
  X(llama_model_meta_val_str)                                                                      \
  X(llama_model_n_ctx_train)                                                                       \
  X(llama_model_n_embd)                                                                            \
  X(llama_model_n_embd_out)                                                                        \
  X(llama_model_n_head)                                                                            \
  X(llama_model_n_head_kv)                                                                         \
  X(llama_model_n_layer)                                                                           \
  X(llama_model_size)                                                                              \
  X(llama_n_batch)                                                                                 \
  X(llama_pooling_type)                                                                            \
  X(llama_sampler_accept)                                                                          \
  X(llama_sampler_apply)                                                                           \
  X(llama_sampler_free)                                                                            \
  X(llama_sampler_init_grammar)                                                                    \
  X(llama_token_to_piece)                                                                          \
  X(llama_tokenize)                                                                                \
  X(llama_version)                                                                                 \
  X(llama_vocab_bos)                                                                               \
  X(llama_vocab_eos)                                                                               \
  X(llama_vocab_eot)                                                                               \
  X(llama_vocab_get_add_bos)                                                                       \
  X(llama_vocab_get_add_eos)                                                                       \
  X(llama_vocab_get_add_sep)                                                                       \
  X(llama_vocab_get_attr)                                                                          \
  X(llama_vocab_get_text)                                                                          \
  X(llama_vocab_is_eog)                                                                            \
  X(llama_vocab_n_tokens)                                                                          \
  X(llama_vocab_sep)                                                                               \
  X(llama_vocab_type)

/* Their functions, by their own names. */
struct library {
#define LIBRARY_FIELD(name) __typeof__ (&(name))(name);
  LIBRARY_FUNCTIONS(LIBRARY_FIELD)
#undef LIBRARY_FIELD
  char folder[4096]; /* where it lies, and its backends */
};

/* `wish` (may be NULL): a file or folder. */
int32_t library_open(const struct haggle_host *host, const char *wish,
                     const struct library **library, struct haggle_error *error);

/* The one that is open, or NULL. */
const struct library *library_opened(void);

/* A graphics processor for device=auto, cuda or vulkan, with its name for the operator, or NULL
 * when the CPU it is. `note` (at least 256 bytes) tells why, unless that is what one expects. */
ggml_backend_dev_t library_device(const struct library *library, const char *wish, char *name,
                                  size_t name_size, char *note, size_t note_size);

/* "cuda:0" for what ggml calls CUDA0. */
void library_device_name(const struct library *library, ggml_backend_dev_t device, char *name,
                         size_t size);

/* What llama.cpp complained of on this thread since this was called before. */
const char *library_complaint(void);

#endif
