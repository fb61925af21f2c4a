#include "net/http_message.h"

#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "protocol/crypto.h"

static bool names(const struct hgl_http_header *header, const char *name)
{
  return header->name.size == strlen(name) &&
         strncasecmp((const char *)header->name.data, name, header->name.size) == 0;
}

static bool begins(const struct hgl_http_header *header, const char *prefix)
{
  size_t size = strlen(prefix);
  return header->name.size >= size &&
         strncasecmp((const char *)header->name.data, prefix, size) == 0;
}

static bool names_one_of(const struct hgl_http_header *header, const char *const *list)
{
  for (; *list; list++)
    if (names(header, *list)) return true;
  return false;
}

/* Checks -----------------------------------------------------------------------------------------
 */

/* What frames the message or belongs to the connection: whoever sets it could make one request look
 * like two. */
static const char *const not_theirs[] = {"host",           "content-length",  "transfer-encoding",
                                         "connection",     "keep-alive",      "te",
                                         "trailer",        "upgrade",         "expect",
                                         "http2-settings", "accept-encoding", NULL};
static const char *const of_one_origin[] = {"authorization", "cookie", NULL};
static const char *const of_a_body[] = {"content-type", "content-encoding", "content-language",
                                        "content-location", NULL};

static bool is_token_byte(uint8_t c) /* RFC 9110 §5.6.2 */
{
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_value_byte(uint8_t c)
{
  return c == '\t' || (c >= 0x20 && c != 0x7f);
}

static int check_header(const struct hgl_http_header *header, struct hgl_err *err)
{
  struct hgl_bytes name = header->name, value = header->value;
  if (name.size == 0) return hgl_fail(err, HGL_INVALID, "a header without a name");
  for (size_t i = 0; i < name.size; i++)
    if (!is_token_byte(name.data[i]))
      return hgl_fail(err, HGL_INVALID,
                      "the name of a header has letters, digits and \"-\"; byte %zu is another",
                      i + 1);
  int shown = name.size < 60 ? (int)name.size : 60;
  for (size_t i = 0; i < value.size; i++)
    if (!is_value_byte(value.data[i]))
      return hgl_fail(
          err, HGL_INVALID,
          "header %.*s: a value is one line without control characters; byte %zu is one", shown,
          (const char *)name.data, i + 1);
  if (names_one_of(header, not_theirs) || begins(header, "proxy-"))
    return hgl_fail(err, HGL_INVALID, "header %.*s is set by the host, not by the request", shown,
                    (const char *)name.data);
  return 0;
}

static int check_method(const char *method, struct hgl_err *err)
{
  size_t size = strlen(method);
  bool good = size > 0 && size <= HGL_HTTP_METHOD_SIZE_MAX;
  for (size_t i = 0; good && i < size; i++) good = method[i] >= 'A' && method[i] <= 'Z';
  if (!good)
    return hgl_fail(err, HGL_INVALID, "a method is a word in upper case, such as GET or POST");
  if (strcmp(method, "CONNECT") == 0 || strcmp(method, "TRACE") == 0)
    return hgl_fail(err, HGL_INVALID, "the method %s is not for requests like this", method);
  return 0;
}

static int check(const struct hgl_http_request *request, struct hgl_err *err)
{
  size_t size = 0;
  int status = check_method(request->method, err);
  if (status != 0) return status;
  if (request->header_count > HGL_HTTP_HEADERS_MAX)
    return hgl_fail(err, HGL_INVALID, "%zu headers; a request has at most %d",
                    request->header_count, HGL_HTTP_HEADERS_MAX);
  for (size_t i = 0; i < request->header_count; i++) {
    if ((status = check_header(&request->headers[i], err)) != 0) return status;
    size += request->headers[i].name.size + request->headers[i].value.size;
    if (size > HGL_HTTP_HEADERS_SIZE_MAX)
      return hgl_fail(err, HGL_INVALID, "the headers of a request have at most %d bytes",
                      HGL_HTTP_HEADERS_SIZE_MAX);
  }
  bool no_body = strcmp(request->method, "GET") == 0 || strcmp(request->method, "HEAD") == 0;
  if (no_body && request->body.size)
    return hgl_fail(err, HGL_INVALID, "a %s request has no body", request->method);
  return 0;
}

/* Copies -----------------------------------------------------------------------------------------
 */

static void drop(struct hgl_http_header *header)
{
  void *memory = (void *)header->name.data;
  if (header->sensitive) hgl_wipe(memory, header->name.size + header->value.size);
  hgl_free(memory);
}

static bool copy(const struct hgl_http_header *header, struct hgl_http_header *out)
{
  size_t name = header->name.size, value = header->value.size;
  uint8_t *memory = hgl_alloc(name + value);
  if (!memory) return false;
  memcpy(memory, header->name.data, name);
  if (value) memcpy(memory + name, header->value.data, value);
  *out = (struct hgl_http_header){hgl_bytes(memory, name), hgl_bytes(memory + name, value),
                                  header->sensitive || names_one_of(header, of_one_origin)};
  return true;
}

int hgl_http_message_init(struct hgl_http_message *message, const struct hgl_http_request *request,
                          struct hgl_err *err)
{
  static const char *const safe[] = {"GET", "HEAD", "OPTIONS"};
  struct hgl_http_message made = {.repeat_safe = request->repeat_safe};
  int status = check(request, err);
  if (status != 0) return status;
  memcpy(made.method, request->method, strlen(request->method) + 1);
  for (size_t i = 0; i < sizeof safe / sizeof *safe; i++)
    if (strcmp(made.method, safe[i]) == 0) made.repeat_safe = true;
  made.headers = hgl_array(request->header_count, sizeof *made.headers);
  bool good = made.headers != NULL;
  for (; good && made.header_count < request->header_count; made.header_count += good)
    good = copy(&request->headers[made.header_count], &made.headers[made.header_count]);
  if (good && request->body.size) {
    made.body = hgl_memdup(request->body.data, request->body.size);
    made.body_size = request->body.size;
    good = made.body != NULL;
  }
  if (!good) {
    hgl_http_message_deinit(&made);
    return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  }
  *message = made;
  return 0;
}

static void drop_body(struct hgl_http_message *message)
{
  hgl_free(message->body);
  message->body = NULL;
  message->body_size = 0;
}

void hgl_http_message_deinit(struct hgl_http_message *message)
{
  for (size_t i = 0; i < message->header_count; i++) drop(&message->headers[i]);
  hgl_free(message->headers);
  drop_body(message);
  *message = (struct hgl_http_message){0};
}

/* Redirects --------------------------------------------------------------------------------------
 */

void hgl_http_message_redirect(struct hgl_http_message *message, int status, bool same_origin)
{
  bool is_head = strcmp(message->method, "HEAD") == 0;
  bool becomes_get = (status == 303 && !is_head) ||
                     ((status == 301 || status == 302) && strcmp(message->method, "POST") == 0);
  if (becomes_get) {
    memcpy(message->method, "GET", sizeof "GET");
    message->repeat_safe = true;
    drop_body(message);
  }
  size_t kept = 0;
  for (size_t i = 0; i < message->header_count; i++) {
    struct hgl_http_header *header = &message->headers[i];
    if ((header->sensitive && !same_origin) || (becomes_get && names_one_of(header, of_a_body)))
      drop(header);
    else
      message->headers[kept++] = *header;
  }
  message->header_count = kept;
}

bool hgl_http_message_has(const struct hgl_http_message *message, const char *name)
{
  for (size_t i = 0; i < message->header_count; i++)
    if (names(&message->headers[i], name)) return true;
  return false;
}
