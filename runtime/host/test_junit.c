#include "host/test_junit.h"

#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "host/file.h"

enum { DOCUMENT_SIZE_MAX = 256 << 20 };

struct hgl_junit {
  struct hgl_buf suites, cases; /* cases: of the suite that is being told */
  int64_t ns;
};

int hgl_junit_create(struct hgl_junit **out, struct hgl_err *err)
{
  struct hgl_junit *junit = hgl_zalloc(sizeof *junit);
  if (!junit) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  hgl_buf_init(&junit->suites, DOCUMENT_SIZE_MAX);
  hgl_buf_init(&junit->cases, DOCUMENT_SIZE_MAX);
  *out = junit;
  return 0;
}

void hgl_junit_destroy(struct hgl_junit *junit)
{
  if (!junit) return;
  hgl_buf_deinit(&junit->suites);
  hgl_buf_deinit(&junit->cases);
  hgl_free(junit);
}

/* ---- XML ---- */

static const char *entity(uint8_t c)
{
  switch (c) {
  case '&':
    return "&amp;";
  case '<':
    return "&lt;";
  case '>':
    return "&gt;";
  case '"':
    return "&quot;";
  case '\n': /* as they are, an attribute would make spaces of them */
    return "&#10;";
  case '\t':
    return "&#9;";
  default:
    return NULL;
  }
}

/* The bytes of the character at the start; 0: none that XML can hold. */
static size_t character(struct hgl_bytes text)
{
  uint8_t first = text.data[0];
  if (first < 0x20 || first == 0x7f) return 0;
  size_t size = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  if (size > text.size || !hgl_utf8_valid(hgl_bytes(text.data, size))) return 0;
  bool is_none = size == 3 && first == 0xef && text.data[1] == 0xbf && text.data[2] >= 0xbe;
  return is_none ? 0 : size; /* U+FFFE, U+FFFF */
}

void hgl_xml_escape(struct hgl_bytes text, struct hgl_buf *out)
{
  while (text.size) {
    const char *name = entity(text.data[0]);
    size_t size = name ? 1 : character(text);
    if (name)
      hgl_buf_append_text(out, name);
    else if (size)
      hgl_buf_append(out, text.data, size);
    else
      hgl_buf_printf(out, "\\x%02x", text.data[0]);
    size = size ? size : 1;
    text = hgl_bytes(text.data + size, text.size - size);
  }
}

static void put_attribute(struct hgl_buf *out, const char *name, const char *value)
{
  hgl_buf_printf(out, " %s=\"", name);
  hgl_xml_escape(hgl_text(value), out);
  hgl_buf_append_text(out, "\"");
}

static void put_counts(struct hgl_buf *out, const struct hgl_test_counts *counts, int64_t ns)
{
  hgl_buf_printf(out,
                 " tests=\"%" PRIu64 "\" failures=\"%" PRIu64 "\" errors=\"0\" skipped=\"%" PRIu64
                 "\" time=\"%.3f\"",
                 counts->passed + counts->failed + counts->pending, counts->failed, counts->pending,
                 (double)ns / 1e9);
}

/* ---- the document ---- */

static void put_failure(struct hgl_buf *out, const struct hgl_test_result *result)
{
  const char *message = result->message ? result->message : "";
  size_t line_size = (size_t)(strchrnul(message, '\n') - message);
  hgl_buf_append_text(out, "      <failure message=\"");
  hgl_xml_escape(hgl_bytes(message, line_size), out);
  hgl_buf_append_text(out, "\">");
  hgl_xml_escape(hgl_text(message), out);
  hgl_buf_append_text(out, "</failure>\n");
  if (!result->log || !*result->log) return;
  hgl_buf_append_text(out, "      <system-out>");
  hgl_xml_escape(hgl_text(result->log), out);
  hgl_buf_append_text(out, "</system-out>\n");
}

void hgl_junit_add(struct hgl_junit *junit, const char *spec, const struct hgl_test_result *result)
{
  struct hgl_buf *out = &junit->cases;
  hgl_buf_append_text(out, "    <testcase");
  put_attribute(out, "classname", spec);
  put_attribute(out, "name", result->name);
  put_attribute(out, "file", spec);
  if (result->line) hgl_buf_printf(out, " line=\"%d\"", result->line);
  hgl_buf_printf(out, " time=\"%.3f\"", (double)result->ns / 1e9);
  if (result->outcome == HGL_TEST_PASSED) {
    hgl_buf_append_text(out, "/>\n");
    return;
  }
  hgl_buf_append_text(out, ">\n");
  if (result->outcome == HGL_TEST_FAILED) {
    put_failure(out, result);
  } else {
    hgl_buf_append_text(out, "      <skipped");
    put_attribute(out, "message", result->message ? result->message : "pending");
    hgl_buf_append_text(out, "/>\n");
  }
  hgl_buf_append_text(out, "    </testcase>\n");
}

void hgl_junit_end_suite(struct hgl_junit *junit, const char *spec,
                         const struct hgl_test_counts *counts, int64_t ns)
{
  struct hgl_buf *out = &junit->suites;
  hgl_buf_append_text(out, "  <testsuite");
  put_attribute(out, "name", spec);
  put_counts(out, counts, ns);
  hgl_buf_append_text(out, ">\n");
  hgl_buf_append_bytes(out, hgl_buf_bytes(&junit->cases));
  hgl_buf_append_text(out, "  </testsuite>\n");
  hgl_buf_clear(&junit->cases);
  junit->ns += ns;
}

int hgl_junit_write(struct hgl_junit *junit, const char *path, const struct hgl_test_counts *counts,
                    struct hgl_err *err)
{
  struct hgl_buf document;
  hgl_buf_init(&document, DOCUMENT_SIZE_MAX);
  hgl_buf_append_text(&document, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites");
  put_attribute(&document, "name", "haggle test");
  put_counts(&document, counts, junit->ns);
  hgl_buf_append_text(&document, ">\n");
  hgl_buf_append_bytes(&document, hgl_buf_bytes(&junit->suites));
  hgl_buf_append_text(&document, "</testsuites>\n");
  int status = hgl_buf_check(&junit->cases, err);
  if (!status) status = hgl_buf_check(&junit->suites, err);
  if (!status) status = hgl_buf_check(&document, err);
  if (!status) status = hgl_file_replace(path, hgl_buf_bytes(&document), 0666, err);
  hgl_buf_deinit(&document);
  return status;
}
