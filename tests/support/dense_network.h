/* Networks of dense layers for tests: made by chance, written as .safetensors files, and computed
 * in double precision as plainly as their definitions read, from numbers that the engine never saw.
 */
#ifndef HGL_TESTS_DENSE_NETWORK_H
#define HGL_TESTS_DENSE_NETWORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { NETWORK_LAYERS = 12, NETWORK_HEADS = 3, NETWORK_INPUTS = 3, NETWORK_TENSORS = 256 };

struct network_layer {
  const char *type;
  size_t in, out;
  float *weight, *bias, *mean, *variance;
  double number;
  struct network_list *body; /* of a residual */
};

struct network_list {
  struct network_layer layers[NETWORK_LAYERS];
  size_t count, in, out;
};

struct network_head {
  struct network_list list;
  const char *end;
};

struct network {
  size_t inputs[NETWORK_INPUTS], input_count, input_width;
  float *mean, *scale; /* of all inputs; NULL: they come as they are */
  struct network_list trunk;
  struct network_head heads[NETWORK_HEADS];
  size_t head_count;
  uint64_t chance;
  char *description, *header;
  size_t description_size, header_size;
  uint8_t *data;
  size_t data_size, tensors;
  void *owned[2 * NETWORK_TENSORS];
  size_t owned_count;
};

uint64_t network_chance(uint64_t *state);
float network_number(uint64_t *state); /* about -2 to 2, most of them small */

/* Any: every type comes up in a few of them. */
void network_random(struct network *network, uint64_t seed);
/* Linear layers of these widths (ending with 0), with this activation between them, and two heads:
 * softmax of the last width, and one number. */
void network_plain(struct network *network, const size_t *widths, const char *activation);
void network_free(struct network *network);
/* The whole file; the caller frees it. */
uint8_t *network_file(const struct network *network, size_t *size);
void network_write(const struct network *network, const char *path);

/* outputs[n]: of head n; what would become an index is left as it is. */
void network_compute(const struct network *network, const float *row, double *const *outputs);

#endif
