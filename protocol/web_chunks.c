/* The chunked coding (RFC 9112 §7.1); declared in web.h. Extensions and trailers are passed over.
 */
#include "protocol/web.h"

enum { BAD_REQUEST = 400, CONTENT_TOO_LARGE = 413, NO_ROOM = 503, DIGITS_MAX = 8 };

static int refuse(struct hgl_err *why)
{
  hgl_err_set(why, HGL_MALFORMED, "the chunks of the body are broken");
  return BAD_REQUEST;
}

static int hex_digit(uint8_t c)
{
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

static int copy(struct hgl_web_chunks *chunks, struct hgl_bytes *in, struct hgl_buf *out,
                struct hgl_err *why)
{
  size_t size = in->size < chunks->left ? in->size : (size_t)chunks->left;
  if (out->size + size > HGL_WEB_BODY_SIZE_MAX) {
    hgl_err_set(why, HGL_TOO_LARGE, "the body is longer than %d bytes", HGL_WEB_BODY_SIZE_MAX);
    return CONTENT_TOO_LARGE;
  }
  hgl_buf_append(out, in->data, size);
  if (hgl_buf_check(out, why)) return NO_ROOM;
  *in = hgl_bytes(in->data + size, in->size - size);
  chunks->left -= size;
  if (!chunks->left) chunks->stage = HGL_CHUNK_DATA_END;
  return 0;
}

/* A line is over. */
static int line_ends(struct hgl_web_chunks *chunks, struct hgl_err *why)
{
  switch (chunks->stage) {
  case HGL_CHUNK_SIZE:
  case HGL_CHUNK_EXTENSION:
    if (!chunks->digits) return refuse(why);
    chunks->stage = chunks->left ? HGL_CHUNK_DATA : HGL_CHUNK_TRAILER;
    break;
  case HGL_CHUNK_DATA_END:
    if (chunks->line) return refuse(why);
    chunks->stage = HGL_CHUNK_SIZE;
    break;
  default:
    if (!chunks->line) chunks->stage = HGL_CHUNKS_DONE;
  }
  chunks->digits = chunks->line = 0;
  return 0;
}

static int take_byte(struct hgl_web_chunks *chunks, uint8_t c, struct hgl_err *why)
{
  bool returned = chunks->returned;
  chunks->returned = c == '\r';
  if (returned) return c == '\n' ? line_ends(chunks, why) : refuse(why);
  if (c == '\r') return 0;
  if (c == '\n' || !c) return refuse(why);
  chunks->line++;
  if (chunks->stage == HGL_CHUNK_DATA_END) return refuse(why);
  if (chunks->stage != HGL_CHUNK_SIZE) return 0;
  int digit = hex_digit(c);
  if (digit < 0) {
    if (c != ';' && c != ' ' && c != '\t') return refuse(why);
    chunks->stage = HGL_CHUNK_EXTENSION;
    return 0;
  }
  if (++chunks->digits > DIGITS_MAX) return refuse(why);
  chunks->left = chunks->left << 4 | (unsigned)digit;
  return 0;
}

int hgl_web_chunks_read(struct hgl_web_chunks *chunks, struct hgl_bytes *in, struct hgl_buf *out,
                        struct hgl_err *why)
{
  int status = 0;
  while (!status && in->size && chunks->stage != HGL_CHUNKS_DONE) {
    if (chunks->stage == HGL_CHUNK_DATA) {
      status = copy(chunks, in, out, why);
      continue;
    }
    /* Tiny chunks: what frames a body may be about as long as the body. */
    if (++chunks->overhead > HGL_WEB_OVERHEAD_MAX + out->size) return refuse(why);
    status = take_byte(chunks, *in->data, why);
    *in = hgl_bytes(in->data + 1, in->size - 1);
  }
  return status;
}
