/* One spec: a Lua state of its own, with haggle.test in it, whose tests are told as they end. */
#ifndef HGL_HOST_TEST_SPEC_H
#define HGL_HOST_TEST_SPEC_H

#include "host/test_report.h"
#include "host/test_world.h"

struct hgl_spec_config {
  const char *filter; /* only tests whose names contain it; NULL: all */
  struct hgl_world_config worlds;
  struct hgl_test_limit *limit; /* of each test, and of what a spec does outside of its tests */
  struct hgl_test_report *report;
};

/* A spec that does not load, or raises outside of its tests, is a failure of "the file". */
void hgl_spec_run(const struct hgl_spec_config *config, const char *path);

#endif
