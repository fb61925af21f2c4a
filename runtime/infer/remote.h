/* The engine of models behind HTTP endpoints that speak OpenAI's API: chat completions, completions
 * and embeddings, as llama.cpp's server, vLLM, Ollama and hosted services offer them. Its page is
 * ENGINES.md, "remote". */
#ifndef HGL_INFER_REMOTE_H
#define HGL_INFER_REMOTE_H

#include "infer/haggle_infer.h"

/* As haggle_engine. */
const struct haggle_engine *hgl_remote_engine(uint32_t version, const struct haggle_host *host);

#endif
