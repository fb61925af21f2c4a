/* Results of tests as JUnit XML, the form that build servers read: a suite for each spec file. What
 * XML 1.0 cannot hold (most control characters, bytes that are not UTF-8) is shown as \xNN. */
#ifndef HGL_HOST_TEST_JUNIT_H
#define HGL_HOST_TEST_JUNIT_H

#include "base/buf.h"
#include "host/test_report.h"

struct hgl_junit;

int hgl_junit_create(struct hgl_junit **out, struct hgl_err *err) HGL_NODISCARD;
void hgl_junit_destroy(struct hgl_junit *junit); /* NULL is allowed */
void hgl_junit_add(struct hgl_junit *junit, const char *spec, const struct hgl_test_result *result);
void hgl_junit_end_suite(struct hgl_junit *junit, const char *spec,
                         const struct hgl_test_counts *counts, int64_t ns);
/* Takes the place of a file that is there. HGL_IO; HGL_NO_MEMORY, HGL_TOO_LARGE of anything before.
 */
int hgl_junit_write(struct hgl_junit *junit, const char *path, const struct hgl_test_counts *counts,
                    struct hgl_err *err) HGL_NODISCARD;
/* Appends the text so that it can stand in XML, in an attribute too. */
void hgl_xml_escape(struct hgl_bytes text, struct hgl_buf *out);

#endif
