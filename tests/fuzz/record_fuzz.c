// uses: hgl_protocol
/* First byte: odd, the rest are plain texts (a length byte before each) that arrive properly
 * sealed; even, the rest arrives as it is. Its upper bits say in pieces of how many bytes. */
#include "protocol/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put_sealed(struct hgl_bytes plain, struct hgl_noise_cipher *cipher,
                       struct hgl_buf *wire)
{
  uint8_t sealed[255 + HGL_AEAD_TAG_SIZE];
  if (hgl_noise_seal(cipher, plain, sealed, NULL) != 0) __builtin_trap();
  hgl_record_put(hgl_bytes(sealed, plain.size + HGL_AEAD_TAG_SIZE), wire);
}

static void feed(struct hgl_record_reader *reader, struct hgl_bytes wire, size_t step)
{
  struct hgl_err err;
  for (size_t at = 0; at < wire.size; at += step) {
    struct hgl_bytes piece = hgl_bytes(wire.data + at,
                                       wire.size - at < step ? wire.size - at : step);
    struct hgl_bytes frame;
    bool whole = true;
    while (whole) {
      if (hgl_record_next_frame(reader, &piece, &frame, &whole, &err) != 0) return;
      if (whole && frame.size > HGL_FRAME_SIZE_MAX) __builtin_trap();
    }
    if (piece.size) __builtin_trap();
  }
  (void)!hgl_record_message_end(reader, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  if (size < 1) return 0;
  struct hgl_err err;
  if (hgl_crypto_init(&err) != 0) __builtin_trap();
  struct hgl_noise_cipher send = {.key = {1}};
  struct hgl_record_reader reader;
  struct hgl_buf wire;
  hgl_buf_init(&wire, 64 << 20);
  hgl_record_reader_init(&reader);
  hgl_record_reader_set_cipher(&reader, &send);
  size_t step = (size_t)(data[0] >> 1) * 4 + 1;
  struct hgl_bytes rest = hgl_bytes(data + 1, size - 1);
  if (!(data[0] & 1)) hgl_buf_append_bytes(&wire, rest);
  while ((data[0] & 1) && rest.size > 0) {
    size_t left = rest.size - 1, part = rest.data[0] < left ? rest.data[0] : left;
    put_sealed(hgl_bytes(rest.data + 1, part), &send, &wire);
    rest = hgl_bytes(rest.data + 1 + part, left - part);
  }
  feed(&reader, hgl_buf_bytes(&wire), step);
  hgl_record_reader_deinit(&reader);
  hgl_buf_deinit(&wire);
  return 0;
}
