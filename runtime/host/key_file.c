#include "host/key_file.h"

#include <jansson.h>

#include "host/file.h"
#include "protocol/value.h"

enum {
  FILE_SIZE_MAX = 4096,
  NONCE_SIZE = 12,
  SEALED_SIZE = NONCE_SIZE + HGL_SEED_SIZE + HGL_AEAD_TAG_SIZE,
  OPERATIONS = 3,
  OPERATIONS_MAX = 32,
  MEMORY_MIN = 8192,
  MEMORY = 256 << 20,
  MEMORY_MAX = 1 << 30,
};

/* Sealing ------------------------------------------------------------------------------------- */

void hgl_seal_init(struct hgl_seal *seal, struct hgl_bytes passphrase,
                   const struct hgl_random *random)
{
  *seal = (struct hgl_seal){.passphrase = passphrase, .random = random};
}

void hgl_seal_deinit(struct hgl_seal *seal)
{
  hgl_wipe(seal, sizeof *seal);
}

static int make_key(struct hgl_seal *seal, const uint8_t salt[16], uint64_t operations,
                    uint64_t memory, struct hgl_err *err)
{
  if (seal->has_key && memcmp(seal->salt, salt, 16) == 0 && seal->operations == operations &&
      seal->memory == memory)
    return 0;
  seal->has_key = false;
  int status = hgl_passphrase_key(seal->passphrase, salt, operations, (size_t)memory, seal->key,
                                  err);
  if (status) return status;
  memmove(seal->salt, salt, 16);
  seal->operations = operations;
  seal->memory = memory;
  seal->has_key = true;
  return 0;
}

static int seal_seed(struct hgl_seal *seal, const uint8_t seed[HGL_SEED_SIZE], const char *did,
                     uint8_t out[SEALED_SIZE], struct hgl_err *err)
{
  if (!seal->has_key) {
    uint8_t salt[16];
    hgl_random_fill(seal->random, salt, sizeof salt);
    int status = make_key(seal, salt, OPERATIONS, MEMORY, err);
    if (status) return status;
  }
  hgl_random_fill(seal->random, out, NONCE_SIZE);
  hgl_aead_seal(seal->key, out, hgl_text(did), hgl_bytes(seed, HGL_SEED_SIZE), out + NONCE_SIZE);
  return 0;
}

/* Writing ------------------------------------------------------------------------------------- */

static int write_file(const char *path, struct hgl_seal *seal, const struct hgl_signer *signer,
                      struct hgl_err *err)
{
  char did[HGL_DID_TEXT_SIZE];
  uint8_t seed[HGL_SEED_SIZE], sealed[SEALED_SIZE];
  struct hgl_buf text;
  int status = 0;
  hgl_did_format(hgl_signer_key(signer), did);
  hgl_signer_seed(signer, seed);
  /* All of it at once: a buffer that grows would leave copies of the seed behind. */
  hgl_buf_init(&text, FILE_SIZE_MAX);
  if (!hgl_buf_reserve(&text, FILE_SIZE_MAX)) {
    status = hgl_buf_check(&text, err);
    goto done;
  }
  hgl_buf_printf(&text, "{\"did\":\"%s\",", did);
  if (seal->passphrase.size == 0) {
    hgl_buf_append_text(&text, "\"seed\":\"");
    hgl_base64url_encode(hgl_bytes(seed, sizeof seed), &text);
  } else {
    if ((status = seal_seed(seal, seed, did, sealed, err)) != 0) goto done;
    hgl_buf_append_text(&text, "\"salt\":\"");
    hgl_base64url_encode(hgl_bytes(seal->salt, sizeof seal->salt), &text);
    hgl_buf_printf(&text, "\",\"operations\":%llu,\"memory\":%llu,\"sealed\":\"",
                   (unsigned long long)seal->operations, (unsigned long long)seal->memory);
    hgl_base64url_encode(hgl_bytes(sealed, sizeof sealed), &text);
  }
  hgl_buf_append_text(&text, "\"}\n");
  status = hgl_buf_check(&text, err);
  if (status == 0) status = hgl_file_create(path, hgl_buf_bytes(&text), 0600, err);
done:
  hgl_wipe(seed, sizeof seed);
  if (text.data) hgl_wipe(text.data, text.capacity);
  hgl_buf_deinit(&text);
  return status;
}

int hgl_key_file_create(const char *path, struct hgl_seal *seal, struct hgl_signer **out,
                        struct hgl_err *err)
{
  uint8_t seed[HGL_SEED_SIZE];
  struct hgl_signer *signer = NULL;
  hgl_random_fill(seal->random, seed, sizeof seed);
  int status = hgl_signer_create(seed, &signer, err);
  hgl_wipe(seed, sizeof seed);
  if (status == 0) status = write_file(path, seal, signer, err);
  if (status) {
    hgl_signer_destroy(signer);
    return status;
  }
  *out = signer;
  return 0;
}

/* Reading ------------------------------------------------------------------------------------- */

static int fail_shape(struct hgl_err *err, const char *path)
{
  return hgl_fail(err, HGL_CORRUPT, "%s is not a key file; restore it from a backup", path);
}

/* jansson keeps a copy of the seed; it goes with the tree. */
static void forget(json_t *tree)
{
  json_t *seed = json_object_get(tree, "seed");
  if (json_is_string(seed)) hgl_wipe((char *)json_string_value(seed), json_string_length(seed));
  json_decref(tree);
}

static int read_file(const char *path, json_t **tree, struct hgl_key *key, struct hgl_err *err)
{
  struct hgl_buf text;
  json_t *read = NULL;
  hgl_buf_init(&text, FILE_SIZE_MAX);
  int status = hgl_buf_reserve(&text, FILE_SIZE_MAX) ? 0 : hgl_buf_check(&text, err);
  if (status == 0) status = hgl_file_read_secret(path, FILE_SIZE_MAX, &text, err);
  if (status) goto done;
  if (hgl_json_parse(hgl_buf_bytes(&text), FILE_SIZE_MAX, &read, NULL)) {
    status = fail_shape(err, path);
    goto done;
  }
  const char *did = json_string_value(json_object_get(read, "did"));
  if (!did || hgl_did_parse(hgl_text(did), key, NULL)) status = fail_shape(err, path);
done:
  if (text.data) hgl_wipe(text.data, text.capacity);
  hgl_buf_deinit(&text);
  if (status)
    forget(read);
  else
    *tree = read;
  return status;
}

/* Exactly `size` bytes of a base64url field. */
static bool get_bytes(const json_t *tree, const char *field, uint8_t *out, size_t size)
{
  struct hgl_buf bytes;
  const char *text = json_string_value(json_object_get(tree, field));
  hgl_buf_init(&bytes, 4 * size + 4);
  bool good = text && hgl_buf_reserve(&bytes, 4 * size + 4) &&
              hgl_base64url_decode(hgl_text(text), &bytes, NULL) == 0 && bytes.size == size;
  if (good) memcpy(out, bytes.data, size);
  if (bytes.data) hgl_wipe(bytes.data, bytes.capacity);
  hgl_buf_deinit(&bytes);
  return good;
}

static int open_seed(const char *path, const json_t *tree, struct hgl_seal *seal,
                     uint8_t seed[HGL_SEED_SIZE], struct hgl_err *err)
{
  uint8_t salt[16], sealed[SEALED_SIZE];
  json_int_t operations = json_integer_value(json_object_get(tree, "operations"));
  json_int_t memory = json_integer_value(json_object_get(tree, "memory"));
  if (!get_bytes(tree, "salt", salt, sizeof salt) ||
      !get_bytes(tree, "sealed", sealed, sizeof sealed) || operations < 1 ||
      operations > OPERATIONS_MAX || memory < MEMORY_MIN || memory > MEMORY_MAX)
    return fail_shape(err, path);
  if (seal->passphrase.size == 0)
    return hgl_fail(err, HGL_DENIED,
                    "%s is sealed with a passphrase; set HAGGLE_PASSPHRASE or give "
                    "--passphrase-file",
                    path);
  int status = make_key(seal, salt, (uint64_t)operations, (uint64_t)memory, err);
  if (status) return status;
  const char *did = json_string_value(json_object_get(tree, "did"));
  uint8_t plain[HGL_SEED_SIZE];
  if (hgl_aead_open(seal->key, sealed, hgl_text(did),
                    hgl_bytes(sealed + NONCE_SIZE, SEALED_SIZE - NONCE_SIZE), plain, NULL))
    return hgl_fail(err, HGL_DENIED, "the passphrase does not open %s", path);
  memcpy(seed, plain, sizeof plain);
  hgl_wipe(plain, sizeof plain);
  return 0;
}

int hgl_key_file_load(const char *path, struct hgl_seal *seal, struct hgl_signer **out,
                      struct hgl_err *err)
{
  json_t *tree = NULL;
  struct hgl_key key;
  uint8_t seed[HGL_SEED_SIZE];
  struct hgl_signer *signer = NULL;
  int status = read_file(path, &tree, &key, err);
  if (status) return status;
  if (json_object_get(tree, "sealed"))
    status = open_seed(path, tree, seal, seed, err);
  else if (!get_bytes(tree, "seed", seed, sizeof seed))
    status = fail_shape(err, path);
  if (status == 0) status = hgl_signer_create(seed, &signer, err);
  hgl_wipe(seed, sizeof seed);
  if (status == 0 && !hgl_key_equal(hgl_signer_key(signer), &key))
    status = hgl_fail(err, HGL_CORRUPT, "%s: the seed is not that of the did beside it", path);
  forget(tree);
  if (status) {
    hgl_signer_destroy(signer);
    return status;
  }
  *out = signer;
  return 0;
}

int hgl_key_file_peek(const char *path, struct hgl_key *key, bool *sealed, struct hgl_err *err)
{
  json_t *tree = NULL;
  int status = read_file(path, &tree, key, err);
  if (status) return status;
  *sealed = json_object_get(tree, "sealed") != NULL;
  forget(tree);
  return 0;
}
