/* What messages between a host and the process of an engine hold. Writers append to a buffer;
 * readers check all that they read, and point into what they are given. Any thread. */
#ifndef HGL_INFER_PROCESS_WIRE_H
#define HGL_INFER_PROCESS_WIRE_H

#include "base/buf.h"
#include "infer/haggle_infer.h"

enum {
  HGL_PROCESS_TENSORS_MAX = 1024, /* inputs of a model, or outputs */
  HGL_PROCESS_OPTIONS_MAX = 256,
  HGL_PROCESS_ALIGNMENT = 16, /* of tensors within a message, which begins so */
};

/* Reading -------------------------------------------------------------------------------------
 */

/* The first read past the end sets `failed`; what comes then is 0 and empty. */
struct hgl_reader {
  const uint8_t *start, *at, *end;
  bool failed;
};

struct hgl_reader hgl_reader_of(struct hgl_bytes bytes);
uint64_t hgl_read_u64(struct hgl_reader *reader);
struct hgl_bytes hgl_read_bytes(struct hgl_reader *reader);
/* A text that was written with its NUL; "" when it failed. */
const char *hgl_read_text(struct hgl_reader *reader);
/* Cut off at the size of `out`, and mended, should it be no UTF-8. */
void hgl_read_line(struct hgl_reader *reader, char *out, size_t size);
bool hgl_read_all(const struct hgl_reader *reader); /* nothing failed, nothing is left */

void hgl_write_u64(struct hgl_buf *out, uint64_t number);
void hgl_write_bytes(struct hgl_buf *out, const void *data, size_t size);
void hgl_write_text(struct hgl_buf *out, const char *text);

/* What goes over -------------------------------------------------------------------------------
 */

/* Of a model, as it was opened: all of it owned. */
struct hgl_process_about {
  struct haggle_model_info info;
  struct haggle_tensor_info *inputs, *outputs;
  struct hgl_buf text; /* what the names point into */
};

void hgl_write_about(struct hgl_buf *out, const struct haggle_model_info *info);
/* Takes the text. */
int hgl_read_about(struct hgl_buf *text, size_t skip, struct hgl_process_about *out,
                   struct hgl_err *err) HGL_NODISCARD;
void hgl_process_about_deinit(struct hgl_process_about *about);
/* Whether requests made for the one suit the other. */
bool hgl_process_about_same(const struct hgl_process_about *a, const struct hgl_process_about *b);

/* Tensors of a message, into which they point. HGL_MALFORMED says what is wrong
 * with them, measured by the description. */
int hgl_read_tensors(struct hgl_reader *reader, const struct haggle_tensor_info *infos,
                     size_t count, struct haggle_tensor **out, struct hgl_err *err) HGL_NODISCARD;
void hgl_process_tensors_free(struct haggle_tensor *tensors, size_t count); /* NULL is allowed */
void hgl_write_tensors(struct hgl_buf *out, const struct haggle_tensor *tensors, size_t count);

void hgl_write_stats(struct hgl_buf *out, const struct haggle_model_stats *stats);
void hgl_read_stats(struct hgl_reader *reader, struct haggle_model_stats *out);

/* The k-th of an array whose elements may be of another size than ours. */
#define HGL_AT(array, k)                                                                           \
  ((const __typeof__(*(array)) *)(const void *)((const char *)(array) + (k) * (array)->size))

#endif
