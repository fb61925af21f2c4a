/* The dense engine: small networks from .safetensors files (DENSE.md), on the CPU or, where there
 * is one and the program was built with nvcc, on an NVIDIA GPU. Options:
 *   device=auto|cpu|cuda|cuda:N   auto, the default: the first GPU for batches that are worth it
 *   threads=N                     of the CPU, for large batches; 1 by default
 * A row's outputs depend on its inputs alone, not on the batch that it is in. Back ends and
 * processors with fused multiplication give the same bits. */
#ifndef HGL_INFER_DENSE_H
#define HGL_INFER_DENSE_H

#include "infer/haggle_infer.h"

haggle_engine_function hgl_dense_engine;

#endif
