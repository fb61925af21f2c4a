#include "base/secret.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"

int hgl_secret_check_source(const char *source, struct hgl_err *err)
{
  static const char *const kinds[] = {"file:", "env:", "credential:"};
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    size_t size = strlen(kinds[i]);
    if (strncmp(source, kinds[i], size) != 0) continue;
    if (!source[size]) break;
    if (i == 2 && (strchr(source, '/') || source[size] == '.'))
      return hgl_fail(err, HGL_INVALID, "a credential is named without its path");
    return 0;
  }
  return hgl_fail(err, HGL_INVALID, "a secret is file:PATH, env:VARIABLE or credential:NAME");
}

static int read_variable(const char *name, struct hgl_buf *out, struct hgl_err *err)
{
  const char *value = getenv(name);
  if (!value) return hgl_fail(err, HGL_NOT_FOUND, "the environment has no %s", name);
  hgl_buf_append_text(out, value);
  return 0;
}

static int read_credential(const char *name, struct hgl_buf *out, struct hgl_err *err)
{
  char path[PATH_MAX];
  const char *folder = getenv("CREDENTIALS_DIRECTORY");
  if (!folder)
    return hgl_fail(err, HGL_NOT_FOUND,
                    "there are no credentials ($CREDENTIALS_DIRECTORY is not set): load %s with "
                    "LoadCredential= in the unit",
                    name);
  if (snprintf(path, sizeof path, "%s/%s", folder, name) >= PATH_MAX)
    return hgl_fail(err, HGL_INVALID, "the path of a credential is too long");
  return hgl_file_read_secret(path, HGL_SECRET_VALUE_SIZE_MAX, out, err);
}

int hgl_secret_read(const char *source, struct hgl_buf *out, struct hgl_err *err)
{
  int status = hgl_secret_check_source(source, err);
  if (status) return status;
  if (!hgl_buf_reserve(out, HGL_SECRET_VALUE_SIZE_MAX)) /* room for all of it at once */
    return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  if (strncmp(source, "file:", 5) == 0)
    status = hgl_file_read_secret(source + 5, HGL_SECRET_VALUE_SIZE_MAX, out, err);
  else if (strncmp(source, "env:", 4) == 0)
    status = read_variable(source + 4, out, err);
  else
    status = read_credential(source + 11, out, err);
  if (status) return status;
  if (out->size && out->data[out->size - 1] == '\n') out->size--;
  if (out->size && out->data[out->size - 1] == '\r') out->size--;
  if ((status = hgl_buf_check(out, err))) return status;
  if (out->size == 0) return hgl_fail(err, HGL_INVALID, "it is empty");
  if (out->size >= HGL_SECRET_VALUE_SIZE_LEAST) return 0;
  return hgl_fail(err, HGL_INVALID,
                  "it has fewer than %d bytes, so that it could not be told from other text that a "
                  "server sends back",
                  HGL_SECRET_VALUE_SIZE_LEAST);
}

void hgl_secret_wipe(struct hgl_buf *buf)
{
  if (buf->capacity) explicit_bzero(buf->data, buf->capacity);
  hgl_buf_deinit(buf);
}
