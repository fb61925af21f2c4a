#include "agent/internal.h"

enum {
  DECLARED_SIZE_MAX = 16 << 20,
  /* Of offers and names of protocols; the rest is the agent's name, the version and such. */
  ADVERTISED_SIZE_MAX = ADVERT_BODY_SIZE_MAX - 256,
};

int manifest_create(struct hgl_host *host, struct manifest **out, struct hgl_err *err)
{
  return manifest_create_apart(host->config.random, out, err);
}

int manifest_create_apart(const struct hgl_random *random, struct manifest **out,
                          struct hgl_err *err)
{
  struct manifest *manifest = hgl_zalloc(sizeof *manifest);
  if (!manifest) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  manifest->refs = 1;
  manifest->version = 1;
  hgl_buf_init(&manifest->declared, DECLARED_SIZE_MAX);
  hgl_buf_init(&manifest->offers, ADVERTISED_SIZE_MAX);
  hgl_buf_init(&manifest->schedules, DECLARED_SIZE_MAX);
  hgl_map_init(&manifest->protocols, hgl_random_u64(random), hgl_random_u64(random));
  hgl_map_init(&manifest->names, hgl_random_u64(random), hgl_random_u64(random));
  *out = manifest;
  return 0;
}

static void destroy(struct manifest *manifest)
{
  struct hgl_map_slot *slot;
  for (size_t i = 0; (slot = hgl_map_next(&manifest->protocols, &i));)
    hgl_definition_destroy(slot->value);
  hgl_map_deinit(&manifest->protocols);
  hgl_map_deinit(&manifest->names);
  routes_deinit(&manifest->routes);
  hgl_buf_deinit(&manifest->declared);
  hgl_buf_deinit(&manifest->offers);
  hgl_buf_deinit(&manifest->schedules);
  hgl_free(manifest->about);
  hgl_free(manifest);
}

static struct hgl_bytes digest_of(const struct manifest *manifest)
{
  return hgl_bytes(manifest->digest.bytes, HGL_HASH_SIZE);
}

void manifest_release(struct hgl_host *host, struct manifest *manifest)
{
  if (!manifest || --manifest->refs) return;
  if (manifest->shared) hgl_map_remove(&host->manifests, digest_of(manifest));
  destroy(manifest);
}

int manifest_share(struct hgl_host *host, struct manifest **manifest, struct hgl_err *err)
{
  struct manifest *mine = *manifest;
  struct hgl_bytes declared = hgl_buf_bytes(&mine->declared);
  int status = hgl_buf_check(&mine->declared, err);
  if (status) return status;
  hgl_sha256(&declared, 1, &mine->digest);
  struct manifest *shared = hgl_map_get(&host->manifests, digest_of(mine));
  if (shared) {
    shared->refs++;
    *manifest = shared;
    manifest_release(host, mine);
    return 0;
  }
  if ((status = hgl_map_put(&host->manifests, digest_of(mine), mine, err))) return status;
  mine->shared = true;
  hgl_buf_deinit(&mine->declared);
  return 0;
}

/* ---- declaring ---- */

static int describe(struct manifest *manifest, struct hgl_bytes value, struct hgl_err *err)
{
  struct hgl_bytes field;
  bool found;
  int status = hgl_value_field(value, "version", &field, &found, err);
  if (status) return status;
  if (found) {
    struct hgl_cbor_reader in = hgl_cbor_reader(field);
    if ((status = hgl_cbor_get_int(&in, "version", &manifest->version, err))) return status;
  }
  if ((status = hgl_value_field(value, "about", &field, &found, err)) || !found) return status;
  struct hgl_cbor_reader in = hgl_cbor_reader(field);
  struct hgl_bytes about;
  if ((status = hgl_cbor_get_text(&in, "about", 1024, &about, err))) return status;
  hgl_free(manifest->about);
  manifest->about = hgl_strndup((const char *)about.data, about.size);
  return manifest->about ? 0 : hgl_fail(err, HGL_NO_MEMORY, "out of memory");
}

/* All that is declared goes into one advert. */
static int advertise(struct manifest *manifest, size_t offers, size_t protocols, size_t size,
                     struct hgl_err *err)
{
  if (manifest->offer_count + offers > HGL_ADVERT_OFFERS_MAX)
    return hgl_fail(err, HGL_LIMIT, "more than %d offers", HGL_ADVERT_OFFERS_MAX);
  if (manifest->protocols.count + protocols > HGL_ADVERT_PROTOCOLS_MAX)
    return hgl_fail(err, HGL_LIMIT, "more than %d protocols", HGL_ADVERT_PROTOCOLS_MAX);
  if (manifest->advertised + size > ADVERTISED_SIZE_MAX)
    return hgl_fail(err, HGL_TOO_LARGE, "offers and protocols of %zu bytes, an advert takes %d",
                    manifest->advertised + size, ADVERTISED_SIZE_MAX);
  manifest->advertised += size;
  return 0;
}

static int add_offer(struct manifest *manifest, struct hgl_bytes value, struct hgl_err *err)
{
  int status = advertise(manifest, 1, 0, value.size, err);
  if (status) return status;
  hgl_buf_append_bytes(&manifest->offers, value);
  manifest->offer_count++;
  return hgl_buf_check(&manifest->offers, err);
}

static int add_protocol(struct manifest *manifest, struct hgl_bytes value, struct hgl_err *err)
{
  struct hgl_definition *definition;
  int status = hgl_definition_create(value, &definition, err);
  if (status) return status;
  struct hgl_bytes name = hgl_definition_name(definition);
  struct hgl_bytes version = hgl_definition_version(definition);
  struct hgl_buf key;
  hgl_buf_init(&key, 2 * HGL_NAME_SIZE_MAX + 2);
  hgl_buf_append_bytes(&key, name);
  hgl_buf_append_byte(&key, '/');
  hgl_buf_append_bytes(&key, version);
  status = hgl_buf_check(&key, err);
  if (!status && manifest_definition(manifest, name, version))
    status = hgl_fail(err, HGL_EXISTS, "%.*s is declared twice", HGL_STR(hgl_buf_bytes(&key)));
  if (!status) status = advertise(manifest, 0, 1, key.size + 2, err);
  if (!status) status = hgl_map_put(&manifest->protocols, hgl_buf_bytes(&key), definition, err);
  if (status) hgl_definition_destroy(definition);
  hgl_buf_deinit(&key);
  return status;
}

static int add_name(struct manifest *manifest, enum hgl_vm_declaration kind, struct hgl_bytes name,
                    struct hgl_err *err)
{
  struct hgl_buf key;
  hgl_buf_init(&key, 1 + HGL_VM_NAME_SIZE_MAX);
  hgl_buf_append_byte(&key, (uint8_t)kind);
  hgl_buf_append_bytes(&key, name);
  int status = hgl_buf_check(&key, err);
  if (!status) status = hgl_map_put(&manifest->names, hgl_buf_bytes(&key), manifest, err);
  hgl_buf_deinit(&key);
  return status;
}

static int add_schedule(struct manifest *manifest, struct hgl_bytes name, struct hgl_bytes value,
                        struct hgl_err *err)
{
  hgl_cbor_put_list(&manifest->schedules, 2);
  hgl_cbor_put_bytes(&manifest->schedules, name);
  hgl_cbor_put_bytes(&manifest->schedules, value);
  manifest->schedule_count++;
  int status = hgl_buf_check(&manifest->schedules, err);
  return status ? status : add_name(manifest, HGL_VM_EVERY, name, err);
}

static int add_route(struct manifest *manifest, struct hgl_bytes name, struct hgl_bytes value,
                     struct hgl_err *err)
{
  struct hgl_bytes field;
  bool found;
  int64_t within_ms;
  int status = hgl_value_field(value, "within_ms", &field, &found, err);
  if (status) return status;
  if (!found) return hgl_fail(err, HGL_INVALID, "a path needs the time that its answer has");
  struct hgl_cbor_reader in = hgl_cbor_reader(field);
  if ((status = hgl_cbor_get_int(&in, "within", &within_ms, err)) ||
      (status = routes_add(&manifest->routes, name, within_ms, err)))
    return status;
  return add_name(manifest, HGL_VM_ON_HTTP, name, err);
}

static int add(struct manifest *manifest, enum hgl_vm_declaration kind, struct hgl_bytes name,
               struct hgl_bytes value, struct hgl_err *err)
{
  struct hgl_bytes protocol, version, performative;
  int status;
  switch (kind) {
  case HGL_VM_DESCRIBE:
    return describe(manifest, value, err);
  case HGL_VM_PROTOCOL:
    return add_protocol(manifest, value, err);
  case HGL_VM_OFFER:
    return add_offer(manifest, value, err);
  case HGL_VM_ON_HTTP:
    return add_route(manifest, name, value, err);
  case HGL_VM_HANDLER:
    status = hgl_type_parse(name, &protocol, &version, &performative, err);
    return status ? status : add_name(manifest, kind, name, err);
  case HGL_VM_EVERY:
    return add_schedule(manifest, name, value, err);
  default:
    return add_name(manifest, kind, name, err);
  }
}

int manifest_declare(struct manifest *manifest, enum hgl_vm_declaration kind, struct hgl_bytes name,
                     struct hgl_bytes value, struct hgl_err *err)
{
  int status = add(manifest, kind, name, value, err);
  if (status) return status;
  hgl_cbor_put_list(&manifest->declared, 3);
  hgl_cbor_put_uint(&manifest->declared, kind);
  hgl_cbor_put_bytes(&manifest->declared, name);
  hgl_cbor_put_bytes(&manifest->declared, value);
  return hgl_buf_check(&manifest->declared, err);
}

/* ---- looking ---- */

bool manifest_has(const struct manifest *manifest, enum hgl_vm_declaration kind,
                  struct hgl_bytes name)
{
  uint8_t key[1 + HGL_VM_NAME_SIZE_MAX];
  if (name.size > HGL_VM_NAME_SIZE_MAX) return false;
  key[0] = (uint8_t)kind;
  if (name.size) memcpy(key + 1, name.data, name.size);
  return hgl_map_get(&manifest->names, hgl_bytes(key, 1 + name.size)) != NULL;
}

struct hgl_definition *manifest_definition(const struct manifest *manifest,
                                           struct hgl_bytes protocol, struct hgl_bytes version)
{
  char key[2 * HGL_NAME_SIZE_MAX + 2];
  if (!manifest->protocols.count || protocol.size + version.size + 1 > sizeof key) return NULL;
  memcpy(key, protocol.data, protocol.size);
  key[protocol.size] = '/';
  memcpy(key + protocol.size + 1, version.data, version.size);
  return hgl_map_get(&manifest->protocols, hgl_bytes(key, protocol.size + 1 + version.size));
}
