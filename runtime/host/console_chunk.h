/* Whether a line of Lua is whole: only compiled, never run. */
#ifndef HGL_HOST_CONSOLE_CHUNK_H
#define HGL_HOST_CONSOLE_CHUNK_H

#include <stdbool.h>

#include "base/bytes.h"

bool hgl_console_breaks_off(struct hgl_bytes text);

#endif
