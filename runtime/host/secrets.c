#include "host/secrets.h"

#include "base/mem.h"

struct secret {
  struct secret *next;
  char *name, *source; /* "file:PATH", … */
};

struct hgl_secrets {
  struct secret *first;
};

int hgl_secrets_create(struct hgl_secrets **out, struct hgl_err *err)
{
  struct hgl_secrets *secrets = hgl_zalloc(sizeof *secrets);
  if (!secrets) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  *out = secrets;
  return 0;
}

static void destroy_one(struct secret *secret)
{
  hgl_free(secret->name);
  hgl_free(secret->source);
  hgl_free(secret);
}

void hgl_secrets_destroy(struct hgl_secrets *secrets)
{
  if (!secrets) return;
  for (struct secret *secret; (secret = secrets->first);) {
    secrets->first = secret->next;
    destroy_one(secret);
  }
  hgl_free(secrets);
}

static const struct secret *find(const struct hgl_secrets *secrets, struct hgl_bytes name)
{
  const struct secret *secret = secrets->first;
  while (secret && !hgl_bytes_is(name, secret->name)) secret = secret->next;
  return secret;
}

bool hgl_secrets_has(const struct hgl_secrets *secrets, struct hgl_bytes name)
{
  return find(secrets, name) != NULL;
}

int hgl_secrets_get(const struct hgl_secrets *secrets, struct hgl_bytes name, struct hgl_buf *out,
                    struct hgl_err *err)
{
  const struct secret *secret = find(secrets, name);
  if (!secret)
    return hgl_fail(err, HGL_NOT_FOUND,
                    "this host has no secret '%.*s': start it with --secret %.*s=file:PATH",
                    HGL_STR(name), HGL_STR(name));
  int status = hgl_secret_read(secret->source, out, err);
  return status ? hgl_fail_in(err, "secret %s", secret->name) : 0;
}

/* ---- adding ---- */

static bool is_name(struct hgl_bytes name)
{
  if (!name.size || name.size > HGL_SECRET_NAME_SIZE_MAX) return false;
  for (size_t i = 0; i < name.size; i++) {
    uint8_t c = name.data[i];
    bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!letter && c != '_' && c != '-' && c != '.') return false;
  }
  return name.data[0] != '.';
}

int hgl_secrets_add(struct hgl_secrets *secrets, const char *text, struct hgl_err *err)
{
  const char *equals = strchr(text, '=');
  struct hgl_bytes name = hgl_bytes(text, equals ? (size_t)(equals - text) : 0);
  struct hgl_buf value;
  if (!is_name(name))
    return hgl_fail(err, HGL_INVALID,
                    "a secret is named by up to %d letters, digits, _, - and ., as in "
                    "NAME=file:PATH",
                    HGL_SECRET_NAME_SIZE_MAX);
  int status = hgl_secret_check_source(equals + 1, err);
  if (status) return hgl_fail_in(err, "secret %.*s", HGL_STR(name));
  if (hgl_secrets_has(secrets, name))
    return hgl_fail(err, HGL_EXISTS, "there is a secret '%.*s' already", HGL_STR(name));
  struct secret *secret = hgl_zalloc(sizeof *secret);
  if (!secret) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  secret->name = hgl_strndup((const char *)name.data, name.size);
  secret->source = hgl_strndup(equals + 1, strlen(equals + 1));
  if (!secret->name || !secret->source) status = hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  hgl_buf_init(&value, HGL_SECRET_VALUE_SIZE_MAX);
  if (!status) status = hgl_secret_read(secret->source, &value, err);
  hgl_secret_wipe(&value);
  if (status) {
    destroy_one(secret);
    return hgl_fail_in(err, "secret %.*s", HGL_STR(name));
  }
  secret->next = secrets->first;
  secrets->first = secret;
  return 0;
}
