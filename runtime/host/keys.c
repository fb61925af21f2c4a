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

#define SUFFIX       ".key"
#define AGENT_PREFIX "agent-"

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
  int status = make ? make_folder(data, err) : 0;
  if (status == 0 && make) status = make_folder(keys->folder, err);
  if (status) return status;
  hgl_seal_init(&keys->seal, passphrase, random);
  return 0;
}

void hgl_keys_close(struct hgl_keys *keys)
{
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

int hgl_keys_agent(struct hgl_keys *keys, const char *name, struct hgl_signer **out,
                   struct hgl_err *err)
{
  char path[PATH_MAX];
  int status = hgl_agent_name_check(hgl_text(name), err);
  if (status) return status;
  path_of(keys, AGENT_PREFIX, name, path);
  return load_or_create(keys, path, out, NULL, err);
}

void hgl_keys_delegation_path(const struct hgl_keys *keys, const char *name, char out[PATH_MAX])
{
  if (snprintf(out, PATH_MAX, "%s/" AGENT_PREFIX "%s.delegation", keys->folder, name) >= PATH_MAX)
    out[0] = 0;
}

int hgl_keys_rotate(struct hgl_keys *keys, const char *name, int64_t now_ms, char kept[PATH_MAX],
                    struct hgl_signer **out, struct hgl_err *err)
{
  char path[PATH_MAX], delegation[PATH_MAX];
  int status = hgl_agent_name_check(hgl_text(name), err);
  if (status) return status;
  path_of(keys, AGENT_PREFIX, name, path);
  hgl_keys_delegation_path(keys, name, delegation);
  if (access(path, F_OK) && access(delegation, F_OK) == 0)
    return hgl_fail(err, HGL_NOT_FOUND,
                    "the key of agent %s is elsewhere; to give it one here, remove %s", name,
                    delegation);
  if (access(path, F_OK))
    return hgl_fail(err, HGL_NOT_FOUND, "agent %s has no key here (%s)", name, path);
  if (snprintf(kept, PATH_MAX, "%s.%" PRId64, path, now_ms) >= PATH_MAX)
    return hgl_fail(err, HGL_INVALID, "the path of the data folder is too long");
  if (rename(path, kept)) return hgl_fail(err, HGL_IO, "%s: %s", path, strerror(errno));
  struct hgl_signer *signer = NULL;
  status = hgl_key_file_create(path, &keys->seal, &signer, err);
  /* Without a new key the agent keeps the old one. */
  if (status && rename(kept, path)) return status;
  if (status == 0 && unlink(delegation) && errno != ENOENT)
    status = hgl_fail(err, HGL_IO, "%s: %s", delegation, strerror(errno));
  if (status)
    hgl_signer_destroy(signer);
  else
    *out = signer;
  return status;
}

/* Listing ------------------------------------------------------------------------------------- */

/* The name of the agent whose key stands in this file, or NULL; "host" for the host's. */
static bool name_of_file(const char *file, char name[HGL_NAME_SIZE_MAX + 1], bool *is_host)
{
  *is_host = strcmp(file, "host" SUFFIX) == 0;
  if (*is_host) {
    memcpy(name, "host", sizeof "host");
    return true;
  }
  size_t size = strlen(file), prefix = strlen(AGENT_PREFIX), suffix = strlen(SUFFIX);
  if (size <= prefix + suffix || size - prefix - suffix > HGL_NAME_SIZE_MAX ||
      strncmp(file, AGENT_PREFIX, prefix) != 0 || strcmp(file + size - suffix, SUFFIX) != 0)
    return false;
  memcpy(name, file + prefix, size - prefix - suffix);
  name[size - prefix - suffix] = 0;
  return hgl_agent_name_check(hgl_text(name), NULL) == 0;
}

static int list_one(const struct hgl_keys *keys, const char *file, json_t *list,
                    struct hgl_err *err)
{
  char name[HGL_NAME_SIZE_MAX + 1], path[PATH_MAX], did[HGL_DID_TEXT_SIZE];
  bool is_host, sealed;
  struct hgl_key key;
  if (!name_of_file(file, name, &is_host)) return 0;
  path_of(keys, is_host ? "" : AGENT_PREFIX, name, path);
  int status = hgl_key_file_peek(path, &key, &sealed, err);
  if (status) return status;
  hgl_did_format(&key, did);
  json_t *row = json_pack("{s:s, s:s, s:s, s:b, s:s}", "name", name, "kind",
                          is_host ? "host" : "agent", "did", did, "sealed", (int)sealed, "file",
                          path);
  int added = is_host ? json_array_insert_new(list, 0, row) : json_array_append_new(list, row);
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
