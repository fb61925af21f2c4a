#include "host/passphrase.h"

#include <stdlib.h>

#include "host/file.h"
#include "protocol/crypto.h"

enum { SIZE_MAX_BYTES = 4096 };

static int take_environment(struct hgl_buf *out)
{
  char *text = getenv("HAGGLE_PASSPHRASE");
  if (!text) return 0;
  hgl_buf_append_text(out, text);
  /* Whoever can look at the process's environment need not see it. */
  hgl_wipe(text, strlen(text));
  return unsetenv("HAGGLE_PASSPHRASE");
}

int hgl_passphrase_get(struct hgl_passphrase *passphrase, const char *file, struct hgl_err *err)
{
  struct hgl_buf *memory = &passphrase->memory;
  hgl_buf_init(memory, SIZE_MAX_BYTES);
  int status = hgl_buf_reserve(memory, SIZE_MAX_BYTES) ? 0 : hgl_buf_check(memory, err);
  if (status == 0 && file) status = hgl_file_read_secret(file, SIZE_MAX_BYTES, memory, err);
  if (status == 0 && !file && take_environment(memory))
    status = hgl_fail(err, HGL_INTERNAL, "the environment cannot be changed");
  if (status == 0) status = hgl_buf_check(memory, err);
  if (status) return hgl_fail_in(err, "passphrase");
  const uint8_t *end = memory->size ? memchr(memory->data, '\n', memory->size) : NULL;
  passphrase->text = hgl_bytes(memory->data, end ? (size_t)(end - memory->data) : memory->size);
  if (file && passphrase->text.size == 0)
    return hgl_fail(err, HGL_INVALID, "the first line of %s is empty", file);
  return 0;
}

void hgl_passphrase_forget(struct hgl_passphrase *passphrase)
{
  if (!passphrase->memory.data) return;
  hgl_wipe(passphrase->memory.data, passphrase->memory.capacity);
  hgl_buf_deinit(&passphrase->memory);
  passphrase->text = hgl_bytes(NULL, 0);
}
