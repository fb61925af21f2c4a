#include "protocol/record.h"

#include <assert.h>

enum { FLAG_MORE = 0, FLAG_LAST = 1 };
enum { KEPT_FRAME_SIZE = 256 * 1024 }; /* more than this is given back after a large frame */

static size_t part_count(size_t frame_size)
{
  return frame_size == 0 ? 1
                         : (frame_size + HGL_RECORD_PART_SIZE_MAX - 1) / HGL_RECORD_PART_SIZE_MAX;
}

size_t hgl_record_size(size_t frame_size)
{
  return frame_size + part_count(frame_size) * HGL_RECORD_OVERHEAD;
}

void hgl_record_put(struct hgl_bytes content, struct hgl_buf *out)
{
  assert(content.size <= HGL_NOISE_MESSAGE_SIZE_MAX);
  uint8_t head[HGL_RECORD_HEAD_SIZE] = {(uint8_t)(content.size >> 8), (uint8_t)content.size};
  hgl_buf_append(out, head, sizeof head);
  hgl_buf_append_bytes(out, content);
}

int hgl_record_seal(struct hgl_noise_cipher *cipher, struct hgl_bytes frame, struct hgl_buf *out,
                    struct hgl_err *err)
{
  if (frame.size > HGL_FRAME_SIZE_MAX)
    return hgl_fail(err, HGL_TOO_LARGE, "a frame of %zu bytes, limit %d", frame.size,
                    HGL_FRAME_SIZE_MAX);
  size_t total = hgl_record_size(frame.size);
  uint8_t *at = hgl_buf_reserve(out, total);
  if (!at) return hgl_buf_check(out, err);
  for (size_t left = part_count(frame.size); left > 0; left--) {
    size_t part = left > 1 ? HGL_RECORD_PART_SIZE_MAX : frame.size;
    size_t sealed = part + 1 + HGL_AEAD_TAG_SIZE;
    uint8_t *plain = at + HGL_RECORD_HEAD_SIZE;
    at[0] = (uint8_t)(sealed >> 8);
    at[1] = (uint8_t)sealed;
    if (part) memcpy(plain, frame.data, part);
    plain[part] = left > 1 ? FLAG_MORE : FLAG_LAST;
    int status = hgl_noise_seal(cipher, hgl_bytes(plain, part + 1), plain, err);
    if (status != 0) return status;
    at = plain + sealed;
    frame.data += part;
    frame.size -= part;
  }
  hgl_buf_extend(out, total);
  return 0;
}

void hgl_record_reader_init(struct hgl_record_reader *reader)
{
  memset(reader, 0, sizeof *reader);
  hgl_buf_init(&reader->record, HGL_RECORD_HEAD_SIZE + HGL_NOISE_MESSAGE_SIZE_MAX);
  /* The last part is decrypted in place, with its flag, before its size is judged. */
  hgl_buf_init(&reader->frame, HGL_FRAME_SIZE_MAX + HGL_RECORD_PART_SIZE_MAX + 1);
}

void hgl_record_reader_set_cipher(struct hgl_record_reader *reader,
                                  const struct hgl_noise_cipher *cipher)
{
  reader->cipher = *cipher;
}

void hgl_record_reader_deinit(struct hgl_record_reader *reader)
{
  hgl_buf_deinit(&reader->record);
  hgl_buf_deinit(&reader->frame);
  hgl_wipe(&reader->cipher, sizeof reader->cipher);
}

/* Decrypts one record to the end of the frame. */
static int open_record(struct hgl_record_reader *reader, struct hgl_bytes sealed,
                       struct hgl_err *err)
{
  if (reader->complete) {
    if (reader->frame.capacity > KEPT_FRAME_SIZE) hgl_buf_deinit(&reader->frame);
    hgl_buf_clear(&reader->frame);
    reader->complete = false;
  }
  if (sealed.size < HGL_AEAD_TAG_SIZE + 1)
    return hgl_fail(err, HGL_BAD_RECORD, "a record of %zu bytes", sealed.size);
  size_t size = sealed.size - HGL_AEAD_TAG_SIZE - 1;
  uint8_t *end = hgl_buf_reserve(&reader->frame, size + 1);
  if (!end) return hgl_buf_check(&reader->frame, err);
  int status = hgl_noise_open(&reader->cipher, sealed, end, err);
  if (status != 0) return status;
  uint8_t flag = end[size];
  if (flag > FLAG_LAST || (flag == FLAG_MORE && size == 0))
    return hgl_fail(err, HGL_BAD_RECORD, "a record with flag %d and %zu bytes", flag, size);
  if (reader->frame.size + size > HGL_FRAME_SIZE_MAX)
    return hgl_fail(err, HGL_TOO_LARGE, "a frame of more than %d bytes", HGL_FRAME_SIZE_MAX);
  hgl_buf_extend(&reader->frame, size);
  reader->complete = flag == FLAG_LAST;
  return 0;
}

static size_t content_size(const uint8_t *head)
{
  return (size_t)head[0] << 8 | head[1];
}

static struct hgl_bytes take(struct hgl_bytes *input, size_t size)
{
  struct hgl_bytes taken = hgl_bytes(input->data, size < input->size ? size : input->size);
  input->data += taken.size;
  input->size -= taken.size;
  return taken;
}

int hgl_record_next(struct hgl_record_reader *reader, size_t size_max, struct hgl_bytes *input,
                    struct hgl_bytes *content, bool *whole, struct hgl_err *err)
{
  struct hgl_buf *part = &reader->record;
  *whole = false;
  if (reader->gathered) {
    hgl_buf_clear(part);
    reader->gathered = false;
  }
  if (part->size == 0 && input->size >= HGL_RECORD_HEAD_SIZE &&
      content_size(input->data) <= input->size - HGL_RECORD_HEAD_SIZE &&
      content_size(input->data) <= size_max) { /* here in one piece: no copy */
    size_t size = content_size(take(input, HGL_RECORD_HEAD_SIZE).data);
    *content = take(input, size);
    *whole = true;
    return 0;
  }
  if (part->size < HGL_RECORD_HEAD_SIZE)
    hgl_buf_append_bytes(part, take(input, HGL_RECORD_HEAD_SIZE - part->size));
  if (part->size >= HGL_RECORD_HEAD_SIZE) {
    size_t size = content_size(part->data);
    if (size > size_max)
      return hgl_fail(err, HGL_TOO_LARGE, "a record of %zu bytes, limit %zu", size, size_max);
    hgl_buf_append_bytes(part, take(input, HGL_RECORD_HEAD_SIZE + size - part->size));
    reader->gathered = *whole = part->size == HGL_RECORD_HEAD_SIZE + size;
    *content = hgl_bytes(part->data + HGL_RECORD_HEAD_SIZE, size);
  }
  return hgl_buf_check(part, err);
}

int hgl_record_next_frame(struct hgl_record_reader *reader, struct hgl_bytes *input,
                          struct hgl_bytes *frame, bool *whole, struct hgl_err *err)
{
  *whole = false;
  while (input->size > 0 && !*whole) {
    struct hgl_bytes sealed;
    bool gathered;
    int status = hgl_record_next(reader, HGL_NOISE_MESSAGE_SIZE_MAX, input, &sealed, &gathered,
                                 err);
    if (status == 0 && gathered) status = open_record(reader, sealed, err);
    if (status != 0) return status;
    if (gathered && reader->complete) {
      *frame = hgl_buf_bytes(&reader->frame);
      *whole = true;
    }
  }
  return 0;
}

int hgl_record_message_end(const struct hgl_record_reader *reader, struct hgl_err *err)
{
  if (reader->record.size > 0 && !reader->gathered)
    return hgl_fail(err, HGL_BAD_RECORD, "a message ends in the middle of a record");
  return 0;
}
