// uses: hgl_protocol
/* A head that is accepted names a path without a way up, and every slice lies within the text; a
 * chunked body is the same however it comes. */
#include <stdlib.h>

#include "base/utf8.h"
#include "protocol/web.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void within(struct hgl_bytes part, const uint8_t *text, size_t size)
{
  if (part.size && (part.data < text || part.data + part.size > text + size)) __builtin_trap();
}

static void read_head(const uint8_t *data, size_t size)
{
  static struct hgl_web_head head;
  struct hgl_err why;
  uint8_t *text = malloc(size + 1);
  memcpy(text, data, size);
  int status = hgl_web_head_parse(text, size, &head, &why);
  if (status && (status < 400 || status > 599)) __builtin_trap();
  const struct hgl_web_request *request = &head.request;
  if (!status) {
    if (!request->path.size || *request->path.data != '/' || !hgl_utf8_valid(request->path) ||
        memmem(request->path.data, request->path.size, "/../", 4) ||
        memchr(request->path.data, 0, request->path.size))
      __builtin_trap();
    if (head.body_size > HGL_WEB_BODY_SIZE_MAX || (head.chunked && head.body_size))
      __builtin_trap();
    within(request->method, text, size);
    within(request->path, text, size);
    for (size_t i = 0; i < request->query_count; i++) {
      within(request->query[i].name, text, size);
      if (!hgl_utf8_valid(request->query[i].value)) __builtin_trap();
    }
    for (size_t i = 0; i < request->header_count; i++) {
      within(request->headers[i].value, text, size);
      if (memchr(request->headers[i].value.data, '\n', request->headers[i].value.size))
        __builtin_trap();
    }
  }
  free(text);
}

static int read_chunks(struct hgl_bytes in, size_t step, struct hgl_buf *out)
{
  struct hgl_web_chunks chunks = {0};
  struct hgl_err why;
  int status = 0;
  while (in.size && !status && chunks.stage != HGL_CHUNKS_DONE) {
    struct hgl_bytes piece = hgl_bytes(in.data, in.size < step ? in.size : step);
    size_t before = piece.size;
    status = hgl_web_chunks_read(&chunks, &piece, out, &why);
    in = hgl_bytes(in.data + before - piece.size, in.size - before + piece.size);
  }
  return status ? status : chunks.stage == HGL_CHUNKS_DONE;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  struct hgl_buf whole, pieces;
  read_head(data, size);
  hgl_buf_init(&whole, HGL_WEB_BODY_SIZE_MAX);
  hgl_buf_init(&pieces, HGL_WEB_BODY_SIZE_MAX);
  int a = read_chunks(hgl_bytes(data, size), size ? size : 1, &whole);
  int b = read_chunks(hgl_bytes(data, size), 1, &pieces);
  if (a != b || (a == 1 && !hgl_bytes_equal(hgl_buf_bytes(&whole), hgl_buf_bytes(&pieces))))
    __builtin_trap();
  hgl_buf_deinit(&whole);
  hgl_buf_deinit(&pieces);
  return 0;
}
