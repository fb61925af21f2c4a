// uses: hgl_host
/* A key file as somebody may have edited it: opened without a passphrase, and looked at. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/seam.h"
#include "host/key_file.h"
#include "protocol/crypto.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  static bool ready;
  char path[] = "/tmp/haggle-key-XXXXXX";
  struct hgl_seal seal;
  struct hgl_signer *signer = NULL;
  struct hgl_key key;
  struct hgl_err err = {0};
  bool sealed;
  if (!ready && hgl_crypto_init(&err)) abort();
  ready = true;
  int fd = mkstemp(path);
  if (fd < 0 || write(fd, data, size) != (ssize_t)size) abort();
  close(fd);
  hgl_seal_init(&seal, hgl_bytes(NULL, 0), &hgl_random_system);
  int peeked = hgl_key_file_peek(path, &key, &sealed, &err);
  if (hgl_key_file_load(path, &seal, &signer, &err) == 0) {
    /* What opens also shows itself, and as the same identity. */
    if (peeked || sealed || !hgl_key_equal(&key, hgl_signer_key(signer))) __builtin_trap();
    hgl_signer_destroy(signer);
  }
  hgl_seal_deinit(&seal);
  unlink(path);
  return 0;
}
