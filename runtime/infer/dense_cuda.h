/* A dense network on an NVIDIA GPU: weights stay there, and a batch is one kernel
 * (dense_kernel.cu), with its copies ordered in one stream. */
#ifndef HGL_INFER_DENSE_CUDA_H
#define HGL_INFER_DENSE_CUDA_H

#include "infer/cuda_driver.h"
#include "infer/dense_net.h"

struct hgl_dense_cuda;

/* The kernel as PTX, ended by a NUL; "" when nvcc was not there when this program was built. */
extern const char hgl_dense_ptx[];

/* `rows`: of one run at most. The network is borrowed. HGL_NOT_FOUND: there is no driver; others
 * say why the device cannot be used. */
int hgl_dense_cuda_create(const struct hgl_dense_net *net, int device, size_t rows,
                          struct hgl_dense_cuda **out, struct hgl_err *err) HGL_NODISCARD;
void hgl_dense_cuda_destroy(struct hgl_dense_cuda *cuda); /* NULL is allowed */

/* As hgl_dense_cpu_run. After an error the device is not to be used again. */
int hgl_dense_cuda_run(struct hgl_dense_cuda *cuda, const float *inputs, size_t rows,
                       float *const *outputs, struct hgl_err *err) HGL_NODISCARD;
const char *hgl_dense_cuda_name(const struct hgl_dense_cuda *cuda); /* "NVIDIA H100 80GB HBM3" */
size_t hgl_dense_cuda_memory(const struct hgl_dense_cuda *cuda);    /* bytes of the device */

#endif
