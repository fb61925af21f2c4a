/* A Lua table as JSON: the host file is data, not a program. The chunk is evaluated in a state of
 * its own, without any global, within limits of memory and instructions, and gives one table. */
#ifndef HGL_HOST_CONFIG_LUA_H
#define HGL_HOST_CONFIG_LUA_H

#include <jansson.h>

#include "base/bytes.h"
#include "base/err.h"

enum {
  HGL_CONFIG_LUA_MEMORY_MAX = 16 << 20,
  HGL_CONFIG_LUA_INSTRUCTIONS_MAX = 10000000,
  HGL_CONFIG_LUA_DEPTH_MAX = 16,
};

/* Tables with the keys 1…n become lists, empty ones and those with text keys become objects.
 * HGL_SCRIPT with "name:line: message"; HGL_BAD_VALUE, naming the path, for functions, mixed keys
 * and the like; HGL_LIMIT. The caller owns the tree. */
int hgl_config_lua(struct hgl_bytes source, const char *name, json_t **out,
                   struct hgl_err *err) HGL_NODISCARD;

#endif
