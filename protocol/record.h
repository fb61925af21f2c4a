/* Records: a two-byte big-endian length and one Noise message. The first three of a link are its
 * handshake; after it they carry frames: the last byte of what a record decrypts to is a flag, 1
 * ends a frame, 0 says that its next part follows (and then the part before it is not empty). */
#ifndef HGL_PROTOCOL_RECORD_H
#define HGL_PROTOCOL_RECORD_H

#include "protocol/limits.h"
#include "protocol/noise.h"

enum {
  HGL_RECORD_HEAD_SIZE = 2,
  HGL_RECORD_OVERHEAD = HGL_RECORD_HEAD_SIZE + 1 + HGL_AEAD_TAG_SIZE,
  HGL_RECORD_PART_SIZE_MAX = HGL_NOISE_MESSAGE_SIZE_MAX - HGL_AEAD_TAG_SIZE - 1,
};

/* The bytes that a frame of this size takes on the wire. */
size_t hgl_record_size(size_t frame_size);
/* Appends a record with this content (a handshake message). */
void hgl_record_put(struct hgl_bytes content, struct hgl_buf *out);
/* Appends a frame as one or more records. On failure `out` is as it was, and the cipher must not be
 * used again after HGL_LIMIT. HGL_TOO_LARGE above HGL_FRAME_SIZE_MAX, HGL_NO_MEMORY, HGL_LIMIT. */
int hgl_record_seal(struct hgl_noise_cipher *cipher, struct hgl_bytes frame, struct hgl_buf *out,
                    struct hgl_err *err) HGL_NODISCARD;

/* Takes one direction apart, from bytes that arrive in pieces: first the records of the handshake,
 * as they are, then (once it has its cipher) whole frames. */
struct hgl_record_reader {
  struct hgl_noise_cipher cipher;
  struct hgl_buf record; /* a record that is not all here yet */
  bool gathered;         /* it was handed out: the next byte starts a new one */
  struct hgl_buf frame;  /* the parts of the frame so far */
  bool complete;         /* it was handed out: the next part starts a new one */
};

void hgl_record_reader_init(struct hgl_record_reader *reader);
void hgl_record_reader_deinit(struct hgl_record_reader *reader);
/* Both take bytes off the front of *input until something is whole (*whole is true, the slice is
 * good until the next call) or nothing is left. After a failure the session is lost. */
/* A record's content as it is. HGL_TOO_LARGE, HGL_NO_MEMORY. */
int hgl_record_next(struct hgl_record_reader *reader, size_t size_max, struct hgl_bytes *input,
                    struct hgl_bytes *content, bool *whole, struct hgl_err *err) HGL_NODISCARD;
void hgl_record_reader_set_cipher(struct hgl_record_reader *reader,
                                  const struct hgl_noise_cipher *cipher);
/* A frame. HGL_BAD_RECORD, HGL_TOO_LARGE, HGL_NO_MEMORY. */
int hgl_record_next_frame(struct hgl_record_reader *reader, struct hgl_bytes *input,
                          struct hgl_bytes *frame, bool *whole, struct hgl_err *err) HGL_NODISCARD;
/* A WebSocket message ends here. HGL_BAD_RECORD when a record does not end with it. */
int hgl_record_message_end(const struct hgl_record_reader *reader,
                           struct hgl_err *err) HGL_NODISCARD;

#endif
