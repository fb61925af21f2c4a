/* What stands in for the outside in a world of specs. Every way in which an agent reaches the
 * machine or the network is a seam of hgl_host_config; its fake has its memory in struct hgl_fakes,
 * its handle in hgl_fakes_fill, and its words for specs in test_bind.c and haggle/test/world.lua.
 * One set serves all hosts of a world; what an agent calls is carried out in test_outside.c. Loop
 * thread only. */
#ifndef HGL_HOST_TEST_FAKES_H
#define HGL_HOST_TEST_FAKES_H

#include "agent/host.h"
#include "base/map.h"

struct hgl_fakes {
  struct hgl_map files; /* path → struct hgl_buf */
};

void hgl_fakes_init(struct hgl_fakes *fakes, const struct hgl_random *random);
void hgl_fakes_deinit(struct hgl_fakes *fakes);
/* Sets the seams of a host that is about to be made; the fakes outlive it. */
void hgl_fakes_fill(struct hgl_fakes *fakes, struct hgl_host_config *config);

bool hgl_fakes_has_file(const struct hgl_fakes *fakes, const char *path);
/* What host.read finds there; NULL data: nothing any more. */
int hgl_fakes_set_file(struct hgl_fakes *fakes, const char *path, struct hgl_bytes content,
                       struct hgl_err *err) HGL_NODISCARD;

#endif
