#include "agent/declared.h"

#include <string.h>

enum { MODULE_NAME_SIZE_MAX = 128 };

static bool begins(struct hgl_bytes name, const char *with)
{
  size_t size = strlen(with);
  return name.size >= size && memcmp(name.data, with, size) == 0;
}

static bool is_module_name(struct hgl_bytes name)
{
  static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
  if (!name.size || name.size > MODULE_NAME_SIZE_MAX || name.data[0] == '.') return false;
  for (size_t i = 0; i < name.size; i++)
    if (!name.data[i] || !strchr(allowed, name.data[i])) return false;
  return !memmem(name.data, name.size, "..", 2);
}

int hgl_module_path(struct hgl_bytes name, const char *script_path, const char *stdlib_folder,
                    bool *is_ours, struct hgl_buf *out, struct hgl_err *err)
{
  if (!is_module_name(name))
    return hgl_fail(err, HGL_INVALID, "'%.*s' is no module's name", HGL_STR(name));
  if (begins(name, "haggle.tool."))
    return hgl_fail(err, HGL_NOT_FOUND, "module '%.*s' is not for agents", HGL_STR(name));
  *is_ours = begins(name, "haggle.");
  if (*is_ours) {
    hgl_buf_append_text(out, stdlib_folder);
    hgl_buf_append_byte(out, '/');
  } else {
    const char *slash = strrchr(script_path, '/');
    hgl_buf_append(out, script_path, slash ? (size_t)(slash - script_path) + 1 : 0);
  }
  for (size_t i = 0; i < name.size; i++)
    hgl_buf_append_byte(out, name.data[i] == '.' ? '/' : name.data[i]);
  hgl_buf_append_text(out, ".lua");
  return hgl_buf_check(out, err);
}

static size_t folder_of(struct hgl_bytes path)
{
  const uint8_t *slash = memrchr(path.data, '/', path.size);
  return slash ? (size_t)(slash - path.data) + 1 : 0;
}

bool hgl_grants_cover(const char *const *grants, const char *kind, struct hgl_bytes value,
                      size_t *folder_size)
{
  size_t kind_size = strlen(kind);
  for (; grants && *grants; grants++) {
    if (strncmp(*grants, kind, kind_size) != 0 || (*grants)[kind_size] != '=') continue;
    struct hgl_bytes allowed = hgl_text(*grants + kind_size + 1);
    bool prefix = allowed.size && allowed.data[allowed.size - 1] == '*';
    *folder_size = prefix ? folder_of(allowed) : 0;
    if (prefix ? value.size >= allowed.size - 1 &&
                     memcmp(value.data, allowed.data, allowed.size - 1) == 0 &&
                     !memmem(value.data, value.size, "/../", 4)
               : hgl_bytes_equal(allowed, value))
      return true;
  }
  return false;
}
