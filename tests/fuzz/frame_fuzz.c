// uses: hgl_protocol
/* What decodes can be walked, and is encoded again as the same frame (unknown keys aside). */
#include "protocol/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk(struct hgl_frame frame)
{
  struct hgl_frame_envelope envelope;
  struct hgl_frame_exception exception;
  struct hgl_bytes bytes;
  struct hgl_key key;
  switch ((enum hgl_frame_kind)frame.kind) {
  case HGL_FRAME_HELLO:
    while (hgl_run_take_url(&frame.hello.urls, &bytes)) continue;
    return;
  case HGL_FRAME_BATCH:
    while (hgl_run_take_delegation(&frame.batch.delegations, &bytes)) continue;
    while (hgl_run_take_envelope(&frame.batch.envelopes, &envelope)) continue;
    return;
  case HGL_FRAME_ACK:
    while (hgl_run_take_exception(&frame.ack.exceptions, &exception)) continue;
    return;
  case HGL_FRAME_WANT:
    while (hgl_run_take_key(&frame.want, &key)) continue;
    return;
  case HGL_FRAME_HAVE:
    while (hgl_run_take_delegation(&frame.have.delegations, &bytes)) continue;
    while (hgl_run_take_key(&frame.have.absent, &key)) continue;
    return;
  default:
    return;
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  struct hgl_err err;
  struct hgl_frame frame, again;
  if (hgl_frame_decode(hgl_bytes(data, size), &frame, &err) != 0 || !frame.known) return 0;
  walk(frame);
  struct hgl_buf first, second;
  hgl_buf_init(&first, HGL_FRAME_SIZE_MAX);
  hgl_buf_init(&second, HGL_FRAME_SIZE_MAX);
  if (hgl_frame_encode(&frame, &first, &err) != 0) __builtin_trap();
  if (hgl_frame_decode(hgl_buf_bytes(&first), &again, &err) != 0) __builtin_trap();
  if (hgl_frame_encode(&again, &second, &err) != 0) __builtin_trap();
  if (!hgl_bytes_equal(hgl_buf_bytes(&first), hgl_buf_bytes(&second))) __builtin_trap();
  hgl_buf_deinit(&first);
  hgl_buf_deinit(&second);
  return 0;
}
