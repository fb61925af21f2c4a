/* onnx_file.h: writes small ONNX models, field by field of its protobuf format (onnx.proto), so
 * that tests need no exporter.
 *
 *   struct onnx_file file = {0};
 *   onnx_file_input(&file, "x", ONNX_FLOAT, "n 3");       axes: a length, a name, or ? for neither
 *   onnx_file_floats(&file, "w", "3 2", 6, weights);
 *   onnx_file_node(&file, "MatMul", "x w", "y");
 *   onnx_file_output(&file, "y", ONNX_FLOAT, "n 2");
 *   onnx_file_write(&file, path); */
#ifndef HGL_TEST_ONNX_FILE_H
#define HGL_TEST_ONNX_FILE_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum onnx_file_type {
  ONNX_FLOAT = 1,
  ONNX_UINT8 = 2,
  ONNX_INT8 = 3,
  ONNX_UINT16 = 4,
  ONNX_INT16 = 5,
  ONNX_INT32 = 6,
  ONNX_INT64 = 7,
  ONNX_STRING = 8,
  ONNX_BOOL = 9,
  ONNX_FLOAT16 = 10,
  ONNX_DOUBLE = 11,
  ONNX_UINT32 = 12,
  ONNX_UINT64 = 13,
  ONNX_COMPLEX64 = 14,
  ONNX_BFLOAT16 = 16,
};

struct onnx_bytes {
  size_t size;
  uint8_t bytes[1 << 20];
};

struct onnx_file {
  struct onnx_bytes graph;
  int64_t opset, ir; /* 0: usual ones */
};

static inline void onnx_put(struct onnx_bytes *out, const void *bytes, size_t size)
{
  if (out->size + size > sizeof out->bytes) abort();
  memcpy(out->bytes + out->size, bytes, size);
  out->size += size;
}

static inline void onnx_put_varint(struct onnx_bytes *out, uint64_t number)
{
  do {
    uint8_t byte = (number & 0x7f) | (number > 0x7f ? 0x80 : 0);
    onnx_put(out, &byte, 1);
    number >>= 7;
  } while (number);
}

static inline void onnx_put_number(struct onnx_bytes *out, unsigned int field, int64_t number)
{
  onnx_put_varint(out, field << 3);
  onnx_put_varint(out, (uint64_t)number);
}

static inline void onnx_put_bytes(struct onnx_bytes *out, unsigned int field, const void *bytes,
                                  size_t size)
{
  onnx_put_varint(out, field << 3 | 2);
  onnx_put_varint(out, size);
  onnx_put(out, bytes, size);
}

static inline void onnx_put_text(struct onnx_bytes *out, unsigned int field, const char *text)
{
  onnx_put_bytes(out, field, text, strlen(text));
}

/* Calls one of the above, or a function of the same kind, for each word of a text. */
#define ONNX_FOR_WORDS(word, text)                                                                 \
  for (char copy_[256], *rest_ = (snprintf(copy_, sizeof copy_, "%s", text), copy_), *word;        \
       (word = strtok_r(NULL, " ", &rest_));)

/* TypeProto of a tensor. */
static inline void onnx_put_type(struct onnx_bytes *out, unsigned int field,
                                 enum onnx_file_type type, const char *axes)
{
  struct onnx_bytes *shape = calloc(3, sizeof *shape), *tensor = shape + 1, *whole = shape + 2;
  ONNX_FOR_WORDS(axis, axes)
  {
    struct onnx_bytes *dim = calloc(1, sizeof *dim);
    if (axis[0] >= '0' && axis[0] <= '9')
      onnx_put_number(dim, 1, atoll(axis));
    else if (axis[0] != '?')
      onnx_put_text(dim, 2, axis);
    onnx_put_bytes(shape, 1, dim->bytes, dim->size);
    free(dim);
  }
  onnx_put_number(tensor, 1, type);
  onnx_put_bytes(tensor, 2, shape->bytes, shape->size);
  onnx_put_bytes(whole, 1, tensor->bytes, tensor->size);
  onnx_put_bytes(out, field, whole->bytes, whole->size);
  free(shape);
}

static inline void onnx_file_value(struct onnx_file *file, unsigned int field, const char *name,
                                   enum onnx_file_type type, const char *axes)
{
  struct onnx_bytes *value = calloc(1, sizeof *value);
  onnx_put_text(value, 1, name);
  onnx_put_type(value, 2, type, axes);
  onnx_put_bytes(&file->graph, field, value->bytes, value->size);
  free(value);
}

static inline void onnx_file_input(struct onnx_file *file, const char *name,
                                   enum onnx_file_type type, const char *axes)
{
  onnx_file_value(file, 11, name, type, axes);
}

static inline void onnx_file_output(struct onnx_file *file, const char *name,
                                    enum onnx_file_type type, const char *axes)
{
  onnx_file_value(file, 12, name, type, axes);
}

/* A sequence of tensors, which is no tensor. */
static inline void onnx_file_sequence_input(struct onnx_file *file, const char *name)
{
  struct onnx_bytes *value = calloc(3, sizeof *value), *sequence = value + 1, *type = value + 2;
  onnx_put_text(value, 1, name);
  onnx_put_type(sequence, 1, ONNX_FLOAT, "n");
  onnx_put_bytes(type, 4, sequence->bytes, sequence->size);
  onnx_put_bytes(value, 2, type->bytes, type->size);
  onnx_put_bytes(&file->graph, 11, value->bytes, value->size);
  free(value);
}

/* An initialiser. */
static inline void onnx_file_tensor(struct onnx_file *file, const char *name,
                                    enum onnx_file_type type, const char *axes, const void *data,
                                    size_t size)
{
  struct onnx_bytes *tensor = calloc(1, sizeof *tensor);
  ONNX_FOR_WORDS(axis, axes) onnx_put_number(tensor, 1, atoll(axis));
  onnx_put_number(tensor, 2, type);
  onnx_put_text(tensor, 8, name);
  onnx_put_bytes(tensor, 9, data, size);
  onnx_put_bytes(&file->graph, 5, tensor->bytes, tensor->size);
  free(tensor);
}

static inline void onnx_file_floats(struct onnx_file *file, const char *name, const char *axes,
                                    size_t count, const float *values)
{
  onnx_file_tensor(file, name, ONNX_FLOAT, axes, values, count * sizeof *values);
}

static inline void onnx_file_integers(struct onnx_file *file, const char *name, const char *axes,
                                      size_t count, const int64_t *values)
{
  onnx_file_tensor(file, name, ONNX_INT64, axes, values, count * sizeof *values);
}

/* A node with one attribute, a whole number. */
static inline void onnx_file_node_with(struct onnx_file *file, const char *operator_name,
                                       const char *inputs, const char *outputs,
                                       const char *attribute, int64_t number)
{
  struct onnx_bytes *node = calloc(2, sizeof *node), *about = node + 1;
  ONNX_FOR_WORDS(input, inputs) onnx_put_text(node, 1, input);
  ONNX_FOR_WORDS(output, outputs) onnx_put_text(node, 2, output);
  onnx_put_text(node, 4, operator_name);
  if (attribute) {
    enum { INT = 2 };
    onnx_put_text(about, 1, attribute);
    onnx_put_number(about, 3, number);
    onnx_put_number(about, 20, INT);
    onnx_put_bytes(node, 5, about->bytes, about->size);
  }
  onnx_put_bytes(&file->graph, 1, node->bytes, node->size);
  free(node);
}

static inline void onnx_file_node(struct onnx_file *file, const char *operator_name,
                                  const char *inputs, const char *outputs)
{
  onnx_file_node_with(file, operator_name, inputs, outputs, NULL, 0);
}

/* The whole file, to be freed. */
static inline struct onnx_bytes *onnx_file_encode(const struct onnx_file *file)
{
  struct onnx_bytes *out = calloc(3, sizeof *out), *graph = out + 1, *opset = out + 2;
  onnx_put(graph, file->graph.bytes, file->graph.size);
  onnx_put_text(graph, 2, "test");
  onnx_put_number(opset, 2, file->opset ? file->opset : 14);
  onnx_put_number(out, 1, file->ir ? file->ir : 8);
  onnx_put_bytes(out, 7, graph->bytes, graph->size);
  onnx_put_bytes(out, 8, opset->bytes, opset->size);
  return out;
}

static inline void onnx_file_write(const struct onnx_file *file, const char *path)
{
  struct onnx_bytes *bytes = onnx_file_encode(file);
  FILE *out = fopen(path, "wb");
  if (!out || fwrite(bytes->bytes, 1, bytes->size, out) != bytes->size || fclose(out) != 0) abort();
  free(bytes);
}

#endif
