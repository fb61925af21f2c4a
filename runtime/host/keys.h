/* The identities of a host, in `<data>/keys/` (0700): host.key, and agent-NAME.key for each agent.
 * They are made on first use. The formats are key_file.h's. Loop thread.
 *
 * The instances NAME-1, NAME-2, … of an agent that is described with a count need no files: the
 * seed of the key of NAME-17 is derived, by the number 17, from the one secret in
 * instances-NAME.key. A file agent-NAME-17.key goes before it. That the secret is there is all that
 * makes NAME-17 an instance: who is described alone later, under that name, is still the same
 * agent. */
#ifndef HGL_HOST_KEYS_H
#define HGL_HOST_KEYS_H

#include <jansson.h>
#include <limits.h>

#include "host/key_file.h"
#include "protocol/limits.h"

/* Opened, of the instances of one name. */
struct hgl_keys_secret {
  char name[HGL_NAME_SIZE_MAX + 1];
  struct hgl_secret *secret; /* NULL: free */
};

/* Each that is kept open costs locked memory; agents come name by name. */
enum { HGL_KEYS_SECRETS_OPEN = 16 };

struct hgl_keys {
  char folder[PATH_MAX];
  struct hgl_seal seal;
  struct hgl_keys_secret secrets[HGL_KEYS_SECRETS_OPEN];
  size_t secrets_next; /* its place is taken next */
};

/* Makes the folder (and `data` above it) when `make` says so. `passphrase` is borrowed. */
int hgl_keys_open(struct hgl_keys *keys, const char *data, bool make, struct hgl_bytes passphrase,
                  const struct hgl_random *random, struct hgl_err *err) HGL_NODISCARD;
void hgl_keys_close(struct hgl_keys *keys);

/* The caller owns the signer. *created (NULL is allowed): it did not exist before. */
int hgl_keys_host(struct hgl_keys *keys, struct hgl_signer **out, bool *created,
                  struct hgl_err *err) HGL_NODISCARD;
/* Made when there is none and nothing to derive it from. */
int hgl_keys_agent(struct hgl_keys *keys, const char *name, struct hgl_signer **out,
                   struct hgl_err *err) HGL_NODISCARD;
/* The same, but none is made. HGL_NOT_FOUND. */
int hgl_keys_find_agent(struct hgl_keys *keys, const char *name, struct hgl_signer **out,
                        struct hgl_err *err) HGL_NODISCARD;
/* Makes the secret for the instances of this name, unless it is there. */
int hgl_keys_count(struct hgl_keys *keys, const char *name, struct hgl_err *err) HGL_NODISCARD;
/* Where the delegation of an agent whose key is elsewhere is kept: agent-NAME.delegation. */
void hgl_keys_delegation_path(const struct hgl_keys *keys, const char *name, char out[PATH_MAX]);
/* A new identity for an agent, whose key is here from now on. The old file stays beside it as
 * agent-NAME.key.TIME, whose path goes to `kept`; that of the secret, if the old key was derived.
 * HGL_NOT_FOUND. */
int hgl_keys_rotate(struct hgl_keys *keys, const char *name, int64_t now_ms, char kept[PATH_MAX],
                    struct hgl_signer **out, struct hgl_err *err) HGL_NODISCARD;
/* A list of {name, kind ("host", "agent", "instances"), did, sealed, file}, by name, the host first
 * and instances last; these have no did, since each has its own. */
int hgl_keys_list(const struct hgl_keys *keys, json_t **out, struct hgl_err *err) HGL_NODISCARD;
/* The row of one agent, by any name: an instance whose key is derived is of the kind "instance".
 * HGL_NOT_FOUND. */
int hgl_keys_show(struct hgl_keys *keys, const char *name, json_t **out,
                  struct hgl_err *err) HGL_NODISCARD;

/* 1 to 64 of [A-Za-z0-9._-], the first a letter or digit: it stands in file names. */
int hgl_agent_name_check(struct hgl_bytes name, struct hgl_err *err) HGL_NODISCARD;
/* "worker-17" could be instance 17 of worker: the size of what stands before the dash. False for
 * "worker-017", "worker-0" and "-1". */
bool hgl_agent_name_is_instance(struct hgl_bytes name, size_t *base_size, uint32_t *number);

#endif
