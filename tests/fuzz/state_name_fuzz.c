// uses: hgl_lua
/* A place in a state, as people name it: each key that comes of it, written again, is read as the
 * same key. */
#include <assert.h>
#include <stdio.h>

#include "lua/state_name.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_key(const struct hgl_state_key *key, struct hgl_buf *out)
{
  if (key->is_int) {
    hgl_buf_printf(out, "[%lld]", (long long)key->integer);
    return;
  }
  hgl_buf_append_text(out, "[\"");
  for (size_t i = 0; i < key->text.size; i++) {
    if (key->text.data[i] == '"' || key->text.data[i] == '\\') hgl_buf_append_byte(out, '\\');
    hgl_buf_append_byte(out, key->text.data[i]);
  }
  hgl_buf_append_text(out, "\"]");
}

static void check_key(const struct hgl_state_key *key)
{
  struct hgl_buf text;
  struct hgl_err err;
  struct hgl_state_key again;
  bool more;
  hgl_buf_init(&text, 2 * HGL_STATE_KEY_SIZE_MAX + 32);
  write_key(key, &text);
  struct hgl_state_name name = {.text = hgl_buf_bytes(&text)};
  assert(hgl_buf_check(&text, &err) == 0);
  assert(hgl_state_name_next(&name, &again, &more, &err) == 0 && more);
  assert(again.is_int == key->is_int);
  assert(key->is_int ? again.integer == key->integer : hgl_bytes_equal(again.text, key->text));
  assert(name.at == text.size);
  hgl_buf_deinit(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  struct hgl_state_name name = {.text = hgl_bytes(data, size)};
  struct hgl_state_key key;
  struct hgl_err err;
  bool more = true;
  while (more) {
    size_t before = name.at;
    if (hgl_state_name_next(&name, &key, &more, &err)) return 0;
    assert(!more || name.at > before);
    if (more) check_key(&key);
  }
  assert(name.at == size);
  return 0;
}
