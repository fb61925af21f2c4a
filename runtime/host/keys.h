/* The identities of a host, in `<data>/keys/` (0700): host.key, and agent-NAME.key for each agent.
 * They are made on first use. The formats are key_file.h's. Loop thread. */
#ifndef HGL_HOST_KEYS_H
#define HGL_HOST_KEYS_H

#include <jansson.h>
#include <limits.h>

#include "host/key_file.h"
#include "protocol/limits.h"

struct hgl_keys {
  char folder[PATH_MAX];
  struct hgl_seal seal;
};

/* Makes the folder (and `data` above it) when `make` says so. `passphrase` is borrowed. */
int hgl_keys_open(struct hgl_keys *keys, const char *data, bool make, struct hgl_bytes passphrase,
                  const struct hgl_random *random, struct hgl_err *err) HGL_NODISCARD;
void hgl_keys_close(struct hgl_keys *keys);

/* The caller owns the signer. *created (NULL is allowed): it did not exist before. */
int hgl_keys_host(struct hgl_keys *keys, struct hgl_signer **out, bool *created,
                  struct hgl_err *err) HGL_NODISCARD;
int hgl_keys_agent(struct hgl_keys *keys, const char *name, struct hgl_signer **out,
                   struct hgl_err *err) HGL_NODISCARD;
/* Where the delegation of an agent whose key is elsewhere is kept: agent-NAME.delegation. */
void hgl_keys_delegation_path(const struct hgl_keys *keys, const char *name, char out[PATH_MAX]);
/* A new identity for an agent, whose key is here from now on; the old file stays beside it as
 * agent-NAME.key.TIME, whose path goes to `kept`. HGL_NOT_FOUND. */
int hgl_keys_rotate(struct hgl_keys *keys, const char *name, int64_t now_ms, char kept[PATH_MAX],
                    struct hgl_signer **out, struct hgl_err *err) HGL_NODISCARD;
/* A list of {name, kind ("host", "agent"), did, sealed, file}, by name, the host first. */
int hgl_keys_list(const struct hgl_keys *keys, json_t **out, struct hgl_err *err) HGL_NODISCARD;

/* 1 to 64 of [A-Za-z0-9._-], the first a letter or digit: it stands in file names. */
int hgl_agent_name_check(struct hgl_bytes name, struct hgl_err *err) HGL_NODISCARD;

#endif
