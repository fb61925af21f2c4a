#include "agent/internal.h"

#include <assert.h>

/* ---- batches ---- */

int batch_create(const struct hgl_frame_batch *frame, int64_t time_ms,
                 const struct hgl_hash *leaves, struct batch **out, struct hgl_err *err)
{
  struct batch *batch = hgl_zalloc(sizeof *batch);
  size_t count = frame->envelopes.count, hashes = count * sizeof *leaves;
  uint8_t *memory = hgl_alloc(hashes + frame->header.size + frame->group_leaf.size);
  if (!batch || !memory) {
    hgl_free(batch);
    hgl_free(memory);
    return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  }
  batch->refs = 1;
  batch->memory = memory;
  batch->leaves = memcpy(memory, leaves, hashes);
  batch->count = count;
  batch->time_ms = time_ms;
  batch->header = hgl_bytes(memcpy(memory + hashes, frame->header.data, frame->header.size),
                            frame->header.size);
  batch->group_leaf = hgl_bytes(
      memcpy(memory + hashes + frame->header.size, frame->group_leaf.data, frame->group_leaf.size),
      frame->group_leaf.size);
  batch->group_path = frame->group_path;
  *out = batch;
  return 0;
}

void batch_release(struct batch *batch)
{
  if (!batch || --batch->refs) return;
  hgl_free(batch->tree);
  hgl_free(batch->memory);
  hgl_free(batch);
}

static int batch_path(struct batch *batch, uint32_t index, struct hgl_path *out,
                      struct hgl_err *err)
{
  if (!batch->tree) {
    batch->tree = hgl_array(hgl_merkle_tree_size(batch->count), sizeof *batch->tree);
    if (!batch->tree) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
    hgl_merkle_tree_build(batch->leaves, batch->count, batch->tree);
  }
  hgl_merkle_tree_path(batch->tree, batch->count, index, out);
  return 0;
}

/* ---- messages ---- */

int message_create(uint8_t *memory, size_t size, struct message **out, struct hgl_err *err)
{
  struct message *message = hgl_zalloc(sizeof *message);
  int status = message ? hgl_envelope_decode(hgl_bytes(memory, size), &message->envelope, err)
                       : hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  if (status) {
    hgl_free(message);
    hgl_free(memory);
    return status;
  }
  message->refs = 1;
  message->memory = memory;
  message->bytes = hgl_bytes(memory, size);
  hgl_buf_init(&message->evidence, HGL_EVIDENCE_SIZE_MAX);
  *out = message;
  return 0;
}

int message_copy(struct hgl_bytes bytes, struct message **out, struct hgl_err *err)
{
  uint8_t *memory = hgl_memdup(bytes.data, bytes.size);
  if (!memory) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  return message_create(memory, bytes.size, out, err);
}

int message_from_evidence(struct hgl_bytes bytes, struct message **out, struct hgl_err *err)
{
  struct hgl_evidence evidence;
  int status = hgl_evidence_decode(bytes, &evidence, err);
  if (status) return status;
  struct message *message;
  if ((status = message_copy(evidence.envelope, &message, err))) return status;
  hgl_buf_append_bytes(&message->evidence, bytes);
  if ((status = hgl_buf_check(&message->evidence, err))) {
    message_release(message);
    return status;
  }
  *out = message;
  return 0;
}

struct message *message_hold(struct message *message)
{
  message->refs++;
  return message;
}

void message_release(struct message *message)
{
  if (!message || --message->refs) return;
  batch_release(message->batch);
  hgl_buf_deinit(&message->evidence);
  hgl_free(message->memory);
  hgl_free(message);
}

void message_set_batch(struct message *message, struct batch *batch, uint32_t index)
{
  assert(index < batch->count);
  batch->refs++;
  batch_release(message->batch);
  message->batch = batch;
  message->index = index;
}

int message_evidence(struct hgl_host *host, const struct message *message, struct hgl_buf *out,
                     struct hgl_err *err)
{
  if (message->evidence.size) {
    hgl_buf_append_bytes(out, hgl_buf_bytes(&message->evidence));
    return hgl_buf_check(out, err);
  }
  struct batch *batch = message->batch;
  if (!batch) return hgl_fail(err, HGL_NOT_FOUND, "the message has not been signed yet");
  struct hgl_buf delegation;
  hgl_buf_init(&delegation, HGL_DELEGATION_SIZE_MAX);
  int status = delegation_at(host, &message->envelope.from, batch->time_ms, &delegation, err);
  if (status) {
    hgl_buf_deinit(&delegation);
    return status;
  }
  struct hgl_evidence evidence = {
      .delegation = hgl_buf_bytes(&delegation),
      .header = batch->header,
      .group_leaf = batch->group_leaf,
      .envelope = message->bytes,
      .group_path = batch->group_path,
  };
  status = batch_path(batch, message->index, &evidence.envelope_path, err);
  if (!status) status = hgl_evidence_encode(&evidence, out, err);
  hgl_buf_deinit(&delegation);
  return status;
}
