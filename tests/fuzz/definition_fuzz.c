// uses: hgl_protocol
/* A definition, then a body that is checked against each of its messages. The canonical form must
 * be a definition of the same digest. */
#include <assert.h>

#include "protocol/definition.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_bodies(const struct hgl_definition *definition, struct hgl_bytes body)
{
  struct hgl_err err;
  if (hgl_value_check(body, &err)) return;
  for (size_t i = 0; i < definition->message_count; i++) {
    struct hgl_dialogue dialogue = {0};
    struct hgl_bytes name = definition->messages[i].name;
    (void)!hgl_definition_check_body(definition, name, body, &err);
    if (hgl_dialogue_step(definition, &dialogue, name, true, 0, &err)) continue;
    for (size_t j = 0; j < definition->message_count; j++)
      (void)!hgl_dialogue_step(definition, &dialogue, definition->messages[j].name, j & 1, 1, &err);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  struct hgl_err err;
  struct hgl_cbor_reader in = hgl_cbor_reader(hgl_bytes(data, size));
  if (hgl_value_skip(&in, &err)) return 0;
  struct hgl_definition *definition, *again;
  if (hgl_definition_create(hgl_bytes(data, (size_t)(in.at - data)), &definition, &err)) return 0;
  int status = hgl_definition_create(hgl_definition_canonical(definition), &again, &err);
  /* Defaults take room: a definition at the limit may have a canonical form beyond it. */
  assert(status == 0 || status == -HGL_TOO_LARGE);
  if (!status) {
    assert(hgl_hash_equal(hgl_definition_digest(definition), hgl_definition_digest(again)));
    hgl_definition_destroy(again);
  }
  check_bodies(definition, hgl_bytes(in.at, (size_t)(in.end - in.at)));
  hgl_definition_destroy(definition);
  return 0;
}
