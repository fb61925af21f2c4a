/* A dense network on the CPU: rows in tiles that stay in the cache, tiles among threads. */
#ifndef HGL_INFER_DENSE_CPU_H
#define HGL_INFER_DENSE_CPU_H

#include "infer/dense_kernels.h"
#include "infer/dense_net.h"

enum { HGL_DENSE_THREADS_MAX = 64 };

struct hgl_dense_cpu;

/* `threads`: at least 1, that of the caller among them. The network is borrowed. */
int hgl_dense_cpu_create(const struct hgl_dense_net *net, const struct hgl_dense_kernels *kernels,
                         unsigned threads, struct hgl_dense_cpu **out,
                         struct hgl_err *err) HGL_NODISCARD;
void hgl_dense_cpu_destroy(struct hgl_dense_cpu *cpu); /* NULL is allowed */

/* `inputs`: [rows][input_width]; outputs[n]: [rows][width]. One call at a time. */
void hgl_dense_cpu_run(struct hgl_dense_cpu *cpu, const float *inputs, size_t rows,
                       float *const *outputs);
size_t hgl_dense_cpu_memory(const struct hgl_dense_cpu *cpu); /* bytes */

#endif
