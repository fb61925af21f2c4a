#include "host/key_file.h"

#include <jansson.h>
#include <stdio.h>

#include "host/file.h"
#include "protocol/value.h"

#define IDENTITY  "did"
#define INSTANCES "instances"

enum {
  FILE_SIZE_MAX = 4096,
  ID_SIZE = 16,
  ID_TEXT_SIZE = 2 * ID_SIZE + 1,
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

/* `name` is what the file says openly of the seed, and what it is checked against. */
static int seal_seed(struct hgl_seal *seal, const uint8_t seed[HGL_SEED_SIZE], const char *name,
                     uint8_t out[SEALED_SIZE], struct hgl_err *err)
{
  if (!seal->has_key) {
    uint8_t salt[16];
    hgl_random_fill(seal->random, salt, sizeof salt);
    int status = make_key(seal, salt, OPERATIONS, MEMORY, err);
    if (status) return status;
  }
  hgl_random_fill(seal->random, out, NONCE_SIZE);
  hgl_aead_seal(seal->key, out, hgl_text(name), hgl_bytes(seed, HGL_SEED_SIZE), out + NONCE_SIZE);
  return 0;
}

/* Of a secret to derive from, what may be known. */
static void id_of(const struct hgl_secret *secret, char out[ID_TEXT_SIZE])
{
  uint8_t id[HGL_SEED_SIZE];
  hgl_secret_derive(secret, 0, "identify", id);
  for (size_t i = 0; i < ID_SIZE; i++) snprintf(out + 2 * i, 3, "%02x", id[i]);
}

/* Writing ------------------------------------------------------------------------------------- */

/* `field` tells of which kind it is. */
static int write_file(const char *path, struct hgl_seal *seal, const char *field, const char *name,
                      const uint8_t seed[HGL_SEED_SIZE], struct hgl_err *err)
{
  uint8_t sealed[SEALED_SIZE];
  struct hgl_buf text;
  int status = 0;
  /* All of it at once: a buffer that grows would leave copies of the seed behind. */
  hgl_buf_init(&text, FILE_SIZE_MAX);
  if (!hgl_buf_reserve(&text, FILE_SIZE_MAX)) {
    status = hgl_buf_check(&text, err);
    goto done;
  }
  hgl_buf_printf(&text, "{\"%s\":\"%s\",", field, name);
  if (seal->passphrase.size == 0) {
    hgl_buf_append_text(&text, "\"seed\":\"");
    hgl_base64url_encode(hgl_bytes(seed, HGL_SEED_SIZE), &text);
  } else {
    if ((status = seal_seed(seal, seed, name, sealed, err)) != 0) goto done;
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
  if (text.data) hgl_wipe(text.data, text.capacity);
  hgl_buf_deinit(&text);
  return status;
}

int hgl_key_file_create(const char *path, struct hgl_seal *seal, struct hgl_signer **out,
                        struct hgl_err *err)
{
  uint8_t seed[HGL_SEED_SIZE];
  char did[HGL_DID_TEXT_SIZE];
  struct hgl_signer *signer = NULL;
  hgl_random_fill(seal->random, seed, sizeof seed);
  int status = hgl_signer_create(seed, &signer, err);
  if (status == 0) {
    hgl_did_format(hgl_signer_key(signer), did);
    status = write_file(path, seal, IDENTITY, did, seed, err);
  }
  hgl_wipe(seed, sizeof seed);
  if (status) {
    hgl_signer_destroy(signer);
    return status;
  }
  *out = signer;
  return 0;
}

int hgl_secret_file_create(const char *path, struct hgl_seal *seal, struct hgl_secret **out,
                           struct hgl_err *err)
{
  uint8_t seed[HGL_SEED_SIZE];
  char id[ID_TEXT_SIZE];
  struct hgl_secret *secret = NULL;
  hgl_random_fill(seal->random, seed, sizeof seed);
  int status = hgl_secret_create(seed, &secret, err);
  if (status == 0) {
    id_of(secret, id);
    status = write_file(path, seal, INSTANCES, id, seed, err);
  }
  hgl_wipe(seed, sizeof seed);
  if (status) {
    hgl_secret_destroy(secret);
    return status;
  }
  *out = secret;
  return 0;
}

/* Reading ------------------------------------------------------------------------------------- */

static int fail_shape(struct hgl_err *err, const char *path)
{
  return hgl_fail(err, HGL_CORRUPT, "%s is not a key file; restore it from a backup", path);
}

/* Of a whole file of the other kind. */
static int fail_kind(struct hgl_err *err, const char *path, const char *field)
{
  return hgl_fail(err, HGL_INVALID,
                  strcmp(field, IDENTITY) == 0
                      ? "%s is no identity: the keys of many agents are derived from it"
                      : "%s is the key of one agent: nothing can be derived from it",
                  path);
}

/* jansson keeps a copy of the seed; it goes with the tree. */
static void forget(json_t *tree)
{
  json_t *seed = json_object_get(tree, "seed");
  if (json_is_string(seed)) hgl_wipe((char *)json_string_value(seed), json_string_length(seed));
  json_decref(tree);
}

static int read_file(const char *path, const char *field, json_t **tree, struct hgl_err *err)
{
  struct hgl_buf text;
  json_t *read = NULL;
  const char *other = strcmp(field, IDENTITY) == 0 ? INSTANCES : IDENTITY;
  hgl_buf_init(&text, FILE_SIZE_MAX);
  int status = hgl_buf_reserve(&text, FILE_SIZE_MAX) ? 0 : hgl_buf_check(&text, err);
  if (status == 0) status = hgl_file_read_secret(path, FILE_SIZE_MAX, &text, err);
  if (status) goto done;
  if (hgl_json_parse(hgl_buf_bytes(&text), FILE_SIZE_MAX, &read, NULL))
    status = fail_shape(err, path);
  else if (!json_is_string(json_object_get(read, field)))
    status = json_is_string(json_object_get(read, other)) ? fail_kind(err, path, field)
                                                          : fail_shape(err, path);
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

static int unseal(const char *path, const json_t *tree, const char *name, struct hgl_seal *seal,
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
  uint8_t plain[HGL_SEED_SIZE];
  if (hgl_aead_open(seal->key, sealed, hgl_text(name),
                    hgl_bytes(sealed + NONCE_SIZE, SEALED_SIZE - NONCE_SIZE), plain, NULL))
    return hgl_fail(err, HGL_DENIED, "the passphrase does not open %s", path);
  memcpy(seed, plain, sizeof plain);
  hgl_wipe(plain, sizeof plain);
  return 0;
}

/* The caller wipes the seed. */
static int open_seed(const char *path, const json_t *tree, const char *field, struct hgl_seal *seal,
                     uint8_t seed[HGL_SEED_SIZE], struct hgl_err *err)
{
  const char *name = json_string_value(json_object_get(tree, field));
  if (json_object_get(tree, "sealed")) return unseal(path, tree, name, seal, seed, err);
  return get_bytes(tree, "seed", seed, HGL_SEED_SIZE) ? 0 : fail_shape(err, path);
}

static int get_key(const char *path, const json_t *tree, struct hgl_key *key, struct hgl_err *err)
{
  const char *did = json_string_value(json_object_get(tree, IDENTITY));
  return hgl_did_parse(hgl_text(did), key, NULL) ? fail_shape(err, path) : 0;
}

int hgl_key_file_load(const char *path, struct hgl_seal *seal, struct hgl_signer **out,
                      struct hgl_err *err)
{
  json_t *tree = NULL;
  struct hgl_key key;
  uint8_t seed[HGL_SEED_SIZE];
  struct hgl_signer *signer = NULL;
  int status = read_file(path, IDENTITY, &tree, err);
  if (status) return status;
  status = get_key(path, tree, &key, err);
  if (status == 0) status = open_seed(path, tree, IDENTITY, seal, seed, err);
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

int hgl_secret_file_load(const char *path, struct hgl_seal *seal, struct hgl_secret **out,
                         struct hgl_err *err)
{
  json_t *tree = NULL;
  uint8_t seed[HGL_SEED_SIZE];
  char id[ID_TEXT_SIZE];
  struct hgl_secret *secret = NULL;
  int status = read_file(path, INSTANCES, &tree, err);
  if (status) return status;
  status = open_seed(path, tree, INSTANCES, seal, seed, err);
  if (status == 0) status = hgl_secret_create(seed, &secret, err);
  hgl_wipe(seed, sizeof seed);
  if (status == 0) {
    id_of(secret, id);
    if (strcmp(id, json_string_value(json_object_get(tree, INSTANCES))) != 0)
      status = hgl_fail(err, HGL_CORRUPT,
                        "%s: the seed is not the one that was written there; restore it from a "
                        "backup",
                        path);
  }
  forget(tree);
  if (status) {
    hgl_secret_destroy(secret);
    return status;
  }
  *out = secret;
  return 0;
}

int hgl_key_file_peek(const char *path, struct hgl_key *key, bool *sealed, struct hgl_err *err)
{
  json_t *tree = NULL;
  int status = read_file(path, IDENTITY, &tree, err);
  if (status) return status;
  status = get_key(path, tree, key, err);
  if (status == 0) *sealed = json_object_get(tree, "sealed") != NULL;
  forget(tree);
  return status;
}

int hgl_secret_file_peek(const char *path, bool *sealed, struct hgl_err *err)
{
  json_t *tree = NULL;
  int status = read_file(path, INSTANCES, &tree, err);
  if (status) return status;
  *sealed = json_object_get(tree, "sealed") != NULL;
  forget(tree);
  return 0;
}
