#include "net/http_head.h"

#include <strings.h>

#include "base/mem.h"

static int out_of_memory(struct hgl_err *err)
{
  return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
}

static void clear(struct hgl_http_head *head)
{
  for (size_t i = 0; i < head->count; i++) {
    hgl_free(head->fields[i].name);
    hgl_buf_deinit(&head->fields[i].value);
  }
  head->count = 0;
  head->status = 0;
}

void hgl_http_head_deinit(struct hgl_http_head *head)
{
  clear(head);
  hgl_free(head->fields);
  *head = (struct hgl_http_head){0};
}

static bool is_blank(uint8_t c)
{
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct hgl_bytes trim(struct hgl_bytes text)
{
  while (text.size && is_blank(*text.data)) text.data++, text.size--;
  while (text.size && is_blank(text.data[text.size - 1])) text.size--;
  return text;
}

/* "HTTP/1.1 200 OK", "HTTP/2 200" */
static int read_status(struct hgl_bytes line)
{
  const uint8_t *blank = memchr(line.data, ' ', line.size);
  int status = 0;
  if (!blank) return 0;
  for (const uint8_t *at = blank + 1; at < line.data + line.size && at <= blank + 3; at++) {
    if (*at < '0' || *at > '9') return 0;
    status = status * 10 + (*at - '0');
  }
  return status;
}

static struct hgl_http_field *find(const struct hgl_http_head *head, const char *name)
{
  for (size_t i = 0; i < head->count; i++)
    if (strcmp(head->fields[i].name, name) == 0) return &head->fields[i];
  return NULL;
}

bool hgl_http_head_get(const struct hgl_http_head *head, const char *name, struct hgl_bytes *out)
{
  const struct hgl_http_field *field = find(head, name);
  if (field) *out = hgl_buf_bytes(&field->value);
  return field != NULL;
}

/* Takes the name. */
static struct hgl_http_field *add(struct hgl_http_head *head, char *name, struct hgl_err *err)
{
  if (head->count == HGL_HTTP_HEADERS_MAX)
    hgl_fail(err, HGL_TOO_LARGE, "the answer has more than %d headers", HGL_HTTP_HEADERS_MAX);
  else if (!HGL_GROW(head->fields, head->count, head->capacity))
    (void)out_of_memory(err);
  else {
    struct hgl_http_field *field = &head->fields[head->count++];
    field->name = name;
    hgl_buf_init(&field->value, HGL_HTTP_HEADERS_SIZE_MAX);
    return field;
  }
  hgl_free(name);
  return NULL;
}

static int check_encoding(struct hgl_bytes value, struct hgl_err *err)
{
  static const char *const known[] = {"", "gzip", "x-gzip", "deflate", "identity", "none"};
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (value.size == strlen(known[i]) &&
        strncasecmp((const char *)value.data, known[i], value.size) == 0)
      return 0;
  int shown = value.size < 40 ? (int)value.size : 40;
  return hgl_fail(err, HGL_MALFORMED,
                  "the answer is compressed as \"%.*s\"; gzip or deflate was asked for", shown,
                  (const char *)value.data);
}

static int add_line(struct hgl_http_head *head, struct hgl_bytes line, struct hgl_err *err)
{
  const uint8_t *colon = memchr(line.data, ':', line.size);
  if (!colon) return 0; /* libcurl lets such lines pass, and so do we */
  struct hgl_bytes name = trim(hgl_bytes(line.data, (size_t)(colon - line.data)));
  struct hgl_bytes value = trim(hgl_bytes(colon + 1, line.size - (size_t)(colon - line.data) - 1));
  char *lower = hgl_strndup((const char *)name.data, name.size);
  if (!lower) return out_of_memory(err);
  for (char *at = lower; *at; at++)
    if (*at >= 'A' && *at <= 'Z') *at = (char)(*at - 'A' + 'a');
  if (strcmp(lower, "content-encoding") == 0) {
    int status = check_encoding(value, err);
    if (status != 0) {
      hgl_free(lower);
      return status;
    }
  }
  /* A Set-Cookie may have commas of its own (RFC 6265 §3). */
  struct hgl_http_field *field = strcmp(lower, "set-cookie") == 0 ? NULL : find(head, lower);
  if (field) {
    hgl_free(lower);
    /* The first destination counts. */
    if (strcmp(field->name, "location") == 0) return 0;
    hgl_buf_append_text(&field->value, ", ");
  } else if (!(field = add(head, lower, err)))
    return hgl_err_status(err->code);
  hgl_buf_append_bytes(&field->value, value);
  return hgl_buf_check(&field->value, err);
}

/* A line that begins with a blank goes on with the value before it (RFC 9112 §5.2). */
static int continue_line(struct hgl_http_head *head, struct hgl_bytes line, struct hgl_err *err)
{
  if (head->count == 0) return 0;
  struct hgl_buf *value = &head->fields[head->count - 1].value;
  hgl_buf_append_byte(value, ' ');
  hgl_buf_append_bytes(value, trim(line));
  return hgl_buf_check(value, err);
}

int hgl_http_head_line(struct hgl_http_head *head, struct hgl_bytes line, struct hgl_err *err)
{
  head->seen += line.size;
  if (head->seen > HGL_HTTP_HEADERS_SIZE_MAX)
    return hgl_fail(err, HGL_TOO_LARGE, "the headers of the answer have more than %d bytes",
                    HGL_HTTP_HEADERS_SIZE_MAX);
  if (head->complete) return 0;
  if (line.size >= 5 && memcmp(line.data, "HTTP/", 5) == 0) {
    clear(head); /* of an interim answer, such as 103 */
    head->status = read_status(line);
    return 0;
  }
  if (trim(line).size == 0) {
    head->complete = head->status >= 200;
    return 0;
  }
  if (is_blank(*line.data)) return continue_line(head, line, err);
  return add_line(head, line, err);
}
