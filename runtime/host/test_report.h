/* What `haggle test` tells of its tests: to a person, or as TAP 14 or JSON on standard output, and
 * as JUnit XML into a file. Texts are escaped for where they go. Borrowed texts, loop thread only.
 */
#ifndef HGL_HOST_TEST_REPORT_H
#define HGL_HOST_TEST_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

enum hgl_test_outcome { HGL_TEST_PASSED, HGL_TEST_FAILED, HGL_TEST_PENDING };

struct hgl_test_result {
  enum hgl_test_outcome outcome;
  const char *name;
  const char *message; /* why it failed or is pending; or NULL */
  const char *log;     /* the last warnings and errors of its worlds; NULL or empty: none */
  int line;            /* in the spec; 0: unknown */
  bool whole;          /* no test, but the spec itself */
  int64_t ns;          /* that it took */
};

struct hgl_test_counts {
  uint64_t passed, failed, pending;
};

enum hgl_test_format { HGL_TEST_HUMAN, HGL_TEST_TAP, HGL_TEST_JSON };

struct hgl_test_report_config {
  enum hgl_test_format format;
  const char *junit_path; /* NULL: none is written */
  int64_t seed;
  const char *options; /* what else a run needs to do the same: " --keep-lua", or "" */
};

struct hgl_test_report;

/* Says the seed. */
int hgl_test_report_begin(const struct hgl_test_report_config *config, struct hgl_test_report **out,
                          struct hgl_err *err) HGL_NODISCARD;
/* In the order of files; all of one file stand together. */
void hgl_test_report_result(struct hgl_test_report *report, const char *spec,
                            const struct hgl_test_result *result);
/* All of this file has been told. */
void hgl_test_report_file(struct hgl_test_report *report, const char *spec, int64_t ns);
/* Says the sum and writes the file. HGL_IO, HGL_NO_MEMORY. */
int hgl_test_report_end(struct hgl_test_report *report, struct hgl_test_counts *counts,
                        struct hgl_err *err) HGL_NODISCARD;
void hgl_test_report_destroy(struct hgl_test_report *report); /* NULL is allowed */

#endif
