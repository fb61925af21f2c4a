#include "host/keys.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/file.h"

#define SUFFIX           ".key"
#define AGENT_PREFIX     "agent-"
#define INSTANCES_PREFIX "instances-"

enum { INSTANCE_DIGITS_MAX = 9 };

int hgl_agent_name_check(struct hgl_bytes name, struct hgl_err *err)
{
  bool good = name.size >= 1 && name.size <= HGL_NAME_SIZE_MAX;
  for (size_t i = 0; good && i < name.size; i++) {
    uint8_t c = name.data[i];
    good = c < 0x80 && (isalnum(c) || (i > 0 && strchr("._-", c) && c));
  }
  if (good) return 0;
  return hgl_fail(err, HGL_INVALID,
                  "\"%.*s\" cannot name an agent: 1 to %d letters, digits, \".\", \"_\" or \"-\", "
                  "the first a letter or digit",
                  (int)(name.size < 80 ? name.size : 80), (const char *)name.data,
                  HGL_NAME_SIZE_MAX);
}

bool hgl_agent_name_is_instance(struct hgl_bytes name, size_t *base_size, uint32_t *number)
{
  size_t start = name.size;
  uint32_t value = 0;
  while (start && isdigit(name.data[start - 1])) start--;
  if (start < 2 || name.data[start - 1] != '-' || start == name.size ||
      name.size - start > INSTANCE_DIGITS_MAX || name.data[start] == '0')
    return false;
  for (size_t i = start; i < name.size; i++) value = value * 10 + (name.data[i] - '0');
  *base_size = start - 1;
  *number = value;
  return true;
}

/* One that was there may have been made by a start that came no further. */
static int make_folder(const char *path, struct hgl_err *err)
{
  bool made = mkdir(path, 0700) == 0;
  if (!made && errno != EEXIST)
    return hgl_fail(err, HGL_IO, "%s cannot be made: %s", path, strerror(errno));
  int status = hgl_file_sync_folder(path, err);
  return !made && status == -HGL_DENIED ? 0 : status;
}

int hgl_keys_open(struct hgl_keys *keys, const char *data, bool make, struct hgl_bytes passphrase,
                  const struct hgl_random *random, struct hgl_err *err)
{
  /* Room for a name behind it, so that paths within need no check. */
  if (snprintf(keys->folder, sizeof keys->folder, "%s/keys", data) > PATH_MAX - 160)
    return hgl_fail(err, HGL_INVALID, "the path of the data folder is too long");
  memset(keys->secrets, 0, sizeof keys->secrets);
  keys->secrets_next = 0;
  int status = make ? make_folder(data, err) : 0;
  if (status == 0 && make) status = make_folder(keys->folder, err);
  if (status) return status;
  hgl_seal_init(&keys->seal, passphrase, random);
  return 0;
}

void hgl_keys_close(struct hgl_keys *keys)
{
  for (size_t i = 0; i < HGL_KEYS_SECRETS_OPEN; i++) hgl_secret_destroy(keys->secrets[i].secret);
  hgl_seal_deinit(&keys->seal);
}

static void path_of(const struct hgl_keys *keys, const char *prefix, const char *name,
                    char out[PATH_MAX])
{
  int size = snprintf(out, PATH_MAX, "%s/%s%s" SUFFIX, keys->folder, prefix, name);
  if (size >= PATH_MAX) out[0] = 0;
}

static int load_or_create(struct hgl_keys *keys, const char *path, struct hgl_signer **out,
                          bool *created, struct hgl_err *err)
{
  int status = hgl_key_file_load(path, &keys->seal, out, err);
  if (created) *created = status == -HGL_NOT_FOUND;
  return status == -HGL_NOT_FOUND ? hgl_key_file_create(path, &keys->seal, out, err) : status;
}

int hgl_keys_host(struct hgl_keys *keys, struct hgl_signer **out, bool *created,
                  struct hgl_err *err)
{
  char path[PATH_MAX];
  path_of(keys, "", "host", path);
  return load_or_create(keys, path, out, created, err);
}

/* Instances ----------------------------------------------------------------------------------- */

static const struct hgl_secret *find_open(const struct hgl_keys *keys, const char *name)
{
  for (size_t i = 0; i < HGL_KEYS_SECRETS_OPEN; i++)
    if (keys->secrets[i].secret && strcmp(keys->secrets[i].name, name) == 0)
      return keys->secrets[i].secret;
  return NULL;
}

/* Takes the secret. The name is a good one. */
static void keep_open(struct hgl_keys *keys, const char *name, struct hgl_secret *secret)
{
  struct hgl_keys_secret *place = &keys->secrets[keys->secrets_next];
  keys->secrets_next = (keys->secrets_next + 1) % HGL_KEYS_SECRETS_OPEN;
  hgl_secret_destroy(place->secret);
  snprintf(place->name, sizeof place->name, "%s", name);
  place->secret = secret;
}

/* HGL_NOT_FOUND. */
static int open_secret(struct hgl_keys *keys, const char *name, const struct hgl_secret **out,
                       struct hgl_err *err)
{
  char path[PATH_MAX];
  struct hgl_secret *secret;
  if ((*out = find_open(keys, name))) return 0;
  path_of(keys, INSTANCES_PREFIX, name, path);
  int status = hgl_secret_file_load(path, &keys->seal, &secret, err);
  if (status) return status;
  keep_open(keys, name, secret);
  *out = secret;
  return 0;
}

int hgl_keys_count(struct hgl_keys *keys, const char *name, struct hgl_err *err)
{
  char path[PATH_MAX];
  const struct hgl_secret *found;
  struct hgl_secret *made;
  int status = hgl_agent_name_check(hgl_text(name), err);
  if (status == 0) status = open_secret(keys, name, &found, err);
  if (status != -HGL_NOT_FOUND) return status;
  path_of(keys, INSTANCES_PREFIX, name, path);
  status = hgl_secret_file_create(path, &keys->seal, &made, err);
  if (status == 0) keep_open(keys, name, made);
  return status;
}

static bool split(const char *name, char base[HGL_NAME_SIZE_MAX + 1], uint32_t *number)
{
  size_t size;
  if (!hgl_agent_name_is_instance(hgl_text(name), &size, number)) return false;
  memcpy(base, name, size);
  base[size] = 0;
  return true;
}

/* HGL_NOT_FOUND: there is no such secret, or the name is not that of an instance. */
static int derive(struct hgl_keys *keys, const char *name, struct hgl_signer **out,
                  struct hgl_err *err)
{
  char base[HGL_NAME_SIZE_MAX + 1];
  uint8_t seed[HGL_SEED_SIZE];
  const struct hgl_secret *secret;
  uint32_t number;
  if (!split(name, base, &number)) return hgl_fail(err, HGL_NOT_FOUND, "%s is no instance", name);
  int status = open_secret(keys, base, &secret, err);
  if (status) return status;
  hgl_secret_derive(secret, number, "instance", seed);
  status = hgl_signer_create(seed, out, err);
  hgl_wipe(seed, sizeof seed);
  return status;
}

/* Agents -------------------------------------------------------------------------------------- */

/* Its own file goes first, and is looked for each time: it may have come while the host runs. */
int hgl_keys_find_agent(struct hgl_keys *keys, const char *name, struct hgl_signer **out,
                        struct hgl_err *err)
{
  char path[PATH_MAX];
  int status = hgl_agent_name_check(hgl_text(name), err);
  if (status) return status;
  path_of(keys, AGENT_PREFIX, name, path);
  status = hgl_key_file_load(path, &keys->seal, out, err);
  if (status == -HGL_NOT_FOUND) status = derive(keys, name, out, err);
  return status == -HGL_NOT_FOUND
             ? hgl_fail(err, HGL_NOT_FOUND, "agent %s has no key here (%s)", name, path)
             : status;
}

int hgl_keys_agent(struct hgl_keys *keys, const char *name, struct hgl_signer **out,
                   struct hgl_err *err)
{
  char path[PATH_MAX];
  int status = hgl_keys_find_agent(keys, name, out, err);
  if (status != -HGL_NOT_FOUND) return status;
  path_of(keys, AGENT_PREFIX, name, path);
  return hgl_key_file_create(path, &keys->seal, out, err);
}

void hgl_keys_delegation_path(const struct hgl_keys *keys, const char *name, char out[PATH_MAX])
{
  if (snprintf(out, PATH_MAX, "%s/" AGENT_PREFIX "%s.delegation", keys->folder, name) >= PATH_MAX)
    out[0] = 0;
}

/* Rotating ------------------------------------------------------------------------------------ */

/* An agent without a file of its own: one whose key is derived gets one. `kept` is the file that
 * the old key is derived from. */
static int rotate_derived(struct hgl_keys *keys, const char *name, const char *path,
                          char kept[PATH_MAX], struct hgl_signer **out, struct hgl_err *err)
{
  char base[HGL_NAME_SIZE_MAX + 1], secret_path[PATH_MAX];
  struct hgl_signer *old;
  uint32_t number;
  int status = hgl_keys_find_agent(keys, name, &old, err);
  path_of(keys, INSTANCES_PREFIX, name, secret_path);
  if (status == -HGL_NOT_FOUND && access(secret_path, F_OK) == 0)
    return hgl_fail(
        err, HGL_NOT_FOUND,
        "%s has no key of its own: those of %s-1, %s-2, … are derived from %s; name one "
        "of them, or move that file away to give new ones to all",
        name, name, name, secret_path);
  if (status) return status;
  hgl_signer_destroy(old);
  if (!split(name, base, &number))
    return hgl_fail(err, HGL_EXISTS, "%s was made meanwhile; rotate it once more", path);
  path_of(keys, INSTANCES_PREFIX, base, kept);
  return hgl_key_file_create(path, &keys->seal, out, err);
}

static int rotate_own(struct hgl_keys *keys, const char *path, int64_t now_ms, char kept[PATH_MAX],
                      struct hgl_signer **out, struct hgl_err *err)
{
  if (snprintf(kept, PATH_MAX, "%s.%" PRId64, path, now_ms) >= PATH_MAX)
    return hgl_fail(err, HGL_INVALID, "the path of the data folder is too long");
  if (rename(path, kept)) return hgl_fail(err, HGL_IO, "%s: %s", path, strerror(errno));
  int status = hgl_key_file_create(path, &keys->seal, out, err);
  /* Without a new key the agent keeps the old one. */
  if (status && rename(kept, path)) return status;
  return status;
}

int hgl_keys_rotate(struct hgl_keys *keys, const char *name, int64_t now_ms, char kept[PATH_MAX],
                    struct hgl_signer **out, struct hgl_err *err)
{
  char path[PATH_MAX], delegation[PATH_MAX];
  struct hgl_signer *signer = NULL;
  int status = hgl_agent_name_check(hgl_text(name), err);
  if (status) return status;
  path_of(keys, AGENT_PREFIX, name, path);
  hgl_keys_delegation_path(keys, name, delegation);
  bool own = access(path, F_OK) == 0;
  if (!own && access(delegation, F_OK) == 0)
    return hgl_fail(err, HGL_NOT_FOUND,
                    "the key of agent %s is elsewhere; to give it one here, remove %s", name,
                    delegation);
  status = own ? rotate_own(keys, path, now_ms, kept, &signer, err)
               : rotate_derived(keys, name, path, kept, &signer, err);
  if (status == 0 && unlink(delegation) && errno != ENOENT)
    status = hgl_fail(err, HGL_IO, "%s: %s", delegation, strerror(errno));
  if (status)
    hgl_signer_destroy(signer);
  else
    *out = signer;
  return status;
}

/* Listing ------------------------------------------------------------------------------------- */

static json_t *row_of(const char *name, const char *kind, const struct hgl_key *key, bool sealed,
                      const char *file)
{
  char did[HGL_DID_TEXT_SIZE];
  if (key) hgl_did_format(key, did);
  return json_pack("{s:s, s:s, s:s?, s:b, s:s}", "name", name, "kind", kind, "did",
                   key ? did : NULL, "sealed", (int)sealed, "file", file);
}

/* The name that stands in a file's. */
static bool name_within(const char *file, const char *prefix, char name[HGL_NAME_SIZE_MAX + 1])
{
  size_t size = strlen(file), before = strlen(prefix), behind = strlen(SUFFIX);
  if (size <= before + behind || size - before - behind > HGL_NAME_SIZE_MAX ||
      strncmp(file, prefix, before) != 0 || strcmp(file + size - behind, SUFFIX) != 0)
    return false;
  memcpy(name, file + before, size - before - behind);
  name[size - before - behind] = 0;
  return hgl_agent_name_check(hgl_text(name), NULL) == 0;
}

static int list_one(const struct hgl_keys *keys, const char *file, json_t *list,
                    struct hgl_err *err)
{
  enum { HOST, AGENT, INSTANCES, KINDS };
  static const char *const kinds[] = {"host", "agent", "instances"};
  static const char *const prefixes[] = {"", AGENT_PREFIX, INSTANCES_PREFIX};
  char name[HGL_NAME_SIZE_MAX + 1] = "host", path[PATH_MAX];
  int kind = strcmp(file, "host" SUFFIX) == 0 ? HOST : AGENT;
  struct hgl_key key;
  bool sealed;
  while (kind != HOST && kind < KINDS && !name_within(file, prefixes[kind], name)) kind++;
  if (kind == KINDS) return 0;
  path_of(keys, prefixes[kind], name, path);
  int status = kind == INSTANCES ? hgl_secret_file_peek(path, &sealed, err)
                                 : hgl_key_file_peek(path, &key, &sealed, err);
  if (status) return status;
  json_t *row = row_of(name, kinds[kind], kind == INSTANCES ? NULL : &key, sealed, path);
  int added = kind == HOST ? json_array_insert_new(list, 0, row) : json_array_append_new(list, row);
  return added ? hgl_fail(err, HGL_NO_MEMORY, "out of memory") : 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
  return strcmp((*a)->d_name, (*b)->d_name);
}

int hgl_keys_list(const struct hgl_keys *keys, json_t **out, struct hgl_err *err)
{
  struct dirent **files;
  int count = scandir(keys->folder, &files, NULL, by_name), status = 0;
  if (count < 0)
    return hgl_fail(err, HGL_NOT_FOUND, "%s holds no keys: no host has run on that data folder",
                    keys->folder);
  json_t *list = json_array();
  if (!list) status = hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  for (int i = 0; i < count; i++) {
    if (status == 0) status = list_one(keys, files[i]->d_name, list, err);
    free(files[i]); /* scandir's own memory */
  }
  free(files);
  if (status)
    json_decref(list);
  else
    *out = list;
  return status;
}

static int show_derived(struct hgl_keys *keys, const char *name, json_t **out, struct hgl_err *err)
{
  char path[PATH_MAX], base[HGL_NAME_SIZE_MAX + 1];
  struct hgl_signer *signer;
  uint32_t number;
  bool sealed;
  int status = hgl_keys_find_agent(keys, name, &signer, err);
  if (status) return status;
  if (!split(name, base, &number)) base[0] = 0;
  path_of(keys, INSTANCES_PREFIX, base, path);
  status = hgl_secret_file_peek(path, &sealed, err);
  if (status == 0) *out = row_of(name, "instance", hgl_signer_key(signer), sealed, path);
  hgl_signer_destroy(signer);
  return status;
}

int hgl_keys_show(struct hgl_keys *keys, const char *name, json_t **out, struct hgl_err *err)
{
  char path[PATH_MAX];
  struct hgl_key key;
  json_t *row = NULL;
  bool sealed;
  int status = hgl_agent_name_check(hgl_text(name), err);
  if (status) return status;
  path_of(keys, AGENT_PREFIX, name, path);
  status = hgl_key_file_peek(path, &key, &sealed, err);
  if (status == 0)
    row = row_of(name, "agent", &key, sealed, path);
  else if (status == -HGL_NOT_FOUND)
    status = show_derived(keys, name, &row, err);
  if (status == 0 && !row) status = hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  if (status == 0) *out = row;
  return status;
}
