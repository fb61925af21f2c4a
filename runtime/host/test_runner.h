/* `haggle test`: runs Lua specs. */
#ifndef HGL_HOST_TEST_RUNNER_H
#define HGL_HOST_TEST_RUNNER_H

#include "host/verb.h"

extern const struct hgl_verb hgl_verb_test;

#endif
