// uses: hgl_protocol
/* First byte: 0, the rest is a dialler's first message; 1, a listener's answer; 2, a dialler's
 * third message; 3, the payload of an answer that is otherwise as it should be. */
#include "protocol/handshake.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void answer_with(struct hgl_noise *listener, const struct hgl_random *random,
                        struct hgl_bytes payload, struct hgl_buf *wire)
{
  struct hgl_buf none;
  hgl_buf_init(&none, 64);
  if (hgl_noise_read(listener, hgl_buf_bytes(wire), &none, NULL) != 0) __builtin_trap();
  hgl_buf_clear(wire);
  (void)!hgl_noise_write(listener, random, payload, wire, NULL);
  hgl_buf_deinit(&none);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  struct hgl_err err;
  if (size < 1 || hgl_crypto_init(&err) != 0) return 0;
  struct hgl_bytes rest = hgl_bytes(data + 1, size - 1);
  struct hgl_random_seeded seeded;
  struct hgl_random random = hgl_random_from_seed(&seeded, 1);
  uint8_t seed[HGL_SEED_SIZE] = {1};
  struct hgl_signer *hosts[2];
  for (int i = 0; i < 2; i++, seed[0]++)
    if (hgl_signer_create(seed, &hosts[i], &err) != 0) __builtin_trap();
  struct hgl_handshake dialler, listener;
  hgl_handshake_init(&dialler, true, hosts[0], NULL, &random);
  hgl_handshake_init(&listener, false, hosts[1], NULL, &random);
  struct hgl_buf wire, answer;
  hgl_buf_init(&wire, 65535);
  hgl_buf_init(&answer, 65535);
  if (hgl_handshake_start(&dialler, &wire, &err) != 0) __builtin_trap();
  switch (data[0] % 4) {
  case 0:
    (void)!hgl_handshake_receive(&listener, rest, &answer, &err);
    break;
  case 1:
    (void)!hgl_handshake_receive(&dialler, rest, &answer, &err);
    break;
  case 2:
    if (hgl_handshake_receive(&listener, hgl_buf_bytes(&wire), &answer, &err)) __builtin_trap();
    if (hgl_handshake_receive(&listener, rest, &answer, &err) == 0) __builtin_trap();
    break;
  default:
    answer_with(&listener.noise, &random, rest, &wire);
    if (hgl_handshake_receive(&dialler, hgl_buf_bytes(&wire), &answer, &err) == 0) __builtin_trap();
  }
  hgl_handshake_deinit(&dialler);
  hgl_handshake_deinit(&listener);
  hgl_buf_deinit(&wire);
  hgl_buf_deinit(&answer);
  for (int i = 0; i < 2; i++) hgl_signer_destroy(hosts[i]);
  return 0;
}
