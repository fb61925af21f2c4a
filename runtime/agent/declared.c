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
