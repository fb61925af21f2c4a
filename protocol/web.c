#include "protocol/web.h"

#include <arpa/inet.h>
#include <strings.h>

#include "base/utf8.h"

enum { BAD_REQUEST = 400, EXPECTATION_FAILED = 417, TOO_MANY_FIELDS = 431, NOT_IMPLEMENTED = 501 };
enum { URI_TOO_LONG = 414, CONTENT_TOO_LARGE = 413, VERSION_NOT_SUPPORTED = 505 };

#define refuse(why, status, ...) (hgl_err_set((why), HGL_MALFORMED, __VA_ARGS__), (status))

/* Characters ---------------------------------------------------------------------------------- */

static bool is_token_char(uint8_t c)
{
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
         (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_token(struct hgl_bytes text)
{
  for (size_t i = 0; i < text.size; i++)
    if (!is_token_char(text.data[i])) return false;
  return text.size > 0;
}

static bool is_value(struct hgl_bytes text)
{
  for (size_t i = 0; i < text.size; i++)
    if ((text.data[i] < ' ' && text.data[i] != '\t') || text.data[i] == 0x7f) return false;
  return true;
}

static bool is_same(struct hgl_bytes text, const char *word)
{
  return text.size == strlen(word) && strncasecmp((const char *)text.data, word, text.size) == 0;
}

static int hex_digit(uint8_t c)
{
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

static struct hgl_bytes trim(struct hgl_bytes text)
{
  while (text.size && (text.data[0] == ' ' || text.data[0] == '\t')) text.data++, text.size--;
  while (text.size && (text.data[text.size - 1] == ' ' || text.data[text.size - 1] == '\t'))
    text.size--;
  return text;
}

/* Takes what stands before the next `mark`, or all; the mark goes too. */
static struct hgl_bytes take_until(struct hgl_bytes *text, char mark)
{
  const uint8_t *at = text->size ? memchr(text->data, mark, text->size) : NULL;
  size_t size = at ? (size_t)(at - text->data) : text->size;
  struct hgl_bytes taken = hgl_bytes(text->data, size);
  size += at != NULL;
  *text = hgl_bytes(text->data + size, text->size - size);
  return taken;
}

/* Targets ------------------------------------------------------------------------------------- */

/* Decodes within the memory of `text`; NULL data: it cannot be. */
static struct hgl_bytes decode(struct hgl_bytes text, bool is_query)
{
  uint8_t *out = (uint8_t *)text.data;
  size_t size = 0;
  for (size_t i = 0; i < text.size; i++) {
    uint8_t c = text.data[i];
    if (c == '%') {
      int high = i + 2 < text.size ? hex_digit(text.data[i + 1]) : -1;
      int low = i + 2 < text.size ? hex_digit(text.data[i + 2]) : -1;
      if (high < 0 || low < 0) return hgl_bytes(NULL, 0);
      c = (uint8_t)(high << 4 | low);
      i += 2;
      bool control = c < ' ' || c == 0x7f;
      if (!c || (!is_query && (control || c == '/' || c == '\\'))) return hgl_bytes(NULL, 0);
    } else if (c == '+' && is_query) {
      c = ' ';
    }
    out[size++] = c;
  }
  struct hgl_bytes decoded = hgl_bytes(out, size);
  return hgl_utf8_valid(decoded) ? decoded : hgl_bytes(NULL, 0);
}

static bool climbs(struct hgl_bytes path)
{
  while (path.size) {
    struct hgl_bytes segment = take_until(&path, '/');
    if (hgl_bytes_is(segment, ".") || hgl_bytes_is(segment, "..")) return true;
  }
  return false;
}

static int parse_query(struct hgl_bytes text, struct hgl_web_head *out, struct hgl_err *why)
{
  while (text.size) {
    struct hgl_bytes pair = take_until(&text, '&');
    if (!pair.size) continue;
    if (out->request.query_count == HGL_WEB_PARAMETERS_MAX)
      return refuse(why, BAD_REQUEST, "more than %d parameters", HGL_WEB_PARAMETERS_MAX);
    struct hgl_bytes name = decode(take_until(&pair, '='), true);
    struct hgl_bytes value = pair.size ? decode(pair, true) : hgl_text("");
    if (!name.data || !value.data) return refuse(why, BAD_REQUEST, "the query cannot be decoded");
    out->query[out->request.query_count++] = (struct hgl_web_field){name, value};
  }
  return 0;
}

int hgl_web_target_parse(uint8_t *text, size_t size, struct hgl_web_head *out, struct hgl_err *why)
{
  struct hgl_bytes rest = hgl_bytes(text, size);
  out->request.query = out->query;
  out->request.query_count = 0;
  if (size > HGL_WEB_TARGET_SIZE_MAX)
    return refuse(why, URI_TOO_LONG, "the target is longer than %d bytes", HGL_WEB_TARGET_SIZE_MAX);
  for (size_t i = 0; i < size; i++)
    if (text[i] <= ' ' || text[i] >= 0x7f || text[i] == '#' || text[i] == '\\')
      return refuse(why, BAD_REQUEST, "a character that no target holds");
  struct hgl_bytes path = take_until(&rest, '?');
  if (path.size && path.data[0] != '/') { /* "http://host/path", as said to proxies */
    const uint8_t *colon = memmem(path.data, path.size, "://", 3);
    const uint8_t *end = path.data + path.size;
    const uint8_t *slash = colon ? memchr(colon + 3, '/', (size_t)(end - colon - 3)) : NULL;
    path = slash ? hgl_bytes(slash, (size_t)(end - slash)) : hgl_bytes(NULL, 0);
  }
  if (!path.size) return refuse(why, BAD_REQUEST, "the target has no path");
  path = decode(path, false);
  if (!path.data || climbs(path)) return refuse(why, BAD_REQUEST, "the path cannot be decoded");
  out->request.path = path;
  return parse_query(rest, out, why);
}

/* Heads --------------------------------------------------------------------------------------- */

size_t hgl_web_head_end(struct hgl_bytes text, size_t from)
{
  size_t at = from > 3 ? from - 3 : 0;
  while (at < text.size) {
    const uint8_t *feed = memchr(text.data + at, '\n', text.size - at);
    if (!feed) return 0;
    at = (size_t)(feed - text.data) + 1;
    if (at < text.size && text.data[at] == '\n') return at + 1;
    if (at + 1 < text.size && text.data[at] == '\r' && text.data[at + 1] == '\n') return at + 2;
  }
  return 0;
}

/* The next line without its end; false: it does not end as it should. */
static bool take_line(struct hgl_bytes *text, struct hgl_bytes *line)
{
  *line = take_until(text, '\n');
  if (!line->size || line->data[line->size - 1] != '\r') return false;
  line->size--;
  return !line->size || !memchr(line->data, '\r', line->size);
}

static int parse_request_line(struct hgl_bytes line, struct hgl_web_head *out, bool *old,
                              struct hgl_err *why)
{
  static const char *const methods[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};
  bool known = false;
  struct hgl_bytes method = take_until(&line, ' '), target = take_until(&line, ' ');
  if (!is_token(method) || !target.size) return refuse(why, BAD_REQUEST, "no HTTP request");
  if (line.size != 8 || memcmp(line.data, "HTTP/", 5) != 0)
    return refuse(why, BAD_REQUEST, "no HTTP request");
  if (!hgl_bytes_is(line, "HTTP/1.1") && !hgl_bytes_is(line, "HTTP/1.0"))
    return refuse(why, VERSION_NOT_SUPPORTED, "HTTP/1.1 is spoken here");
  for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
    known |= hgl_bytes_is(method, methods[i]);
  if (!known) return refuse(why, NOT_IMPLEMENTED, "a method that is not known here");
  *old = hgl_bytes_is(line, "HTTP/1.0");
  out->request.method = method;
  return hgl_web_target_parse((uint8_t *)target.data, target.size, out, why);
}

static int parse_header(struct hgl_bytes line, struct hgl_web_head *out, struct hgl_err *why)
{
  if (!memchr(line.data, ':', line.size)) return refuse(why, BAD_REQUEST, "a header without colon");
  struct hgl_bytes name = take_until(&line, ':');
  if (!is_token(name)) return refuse(why, BAD_REQUEST, "no header's name");
  struct hgl_bytes value = trim(line);
  if (!is_value(value)) return refuse(why, BAD_REQUEST, "a control character in a header");
  if (out->request.header_count == HGL_WEB_HEADERS_MAX)
    return refuse(why, TOO_MANY_FIELDS, "more than %d headers", HGL_WEB_HEADERS_MAX);
  for (size_t i = 0; i < name.size; i++)
    if (name.data[i] >= 'A' && name.data[i] <= 'Z') ((uint8_t *)name.data)[i] |= 0x20;
  out->headers[out->request.header_count++] = (struct hgl_web_field){name, value};
  return 0;
}

static size_t count_headers(const struct hgl_web_request *request, const char *name,
                            struct hgl_bytes *value)
{
  size_t count = 0;
  for (size_t i = 0; i < request->header_count; i++) {
    if (!hgl_bytes_is(request->headers[i].name, name)) continue;
    *value = request->headers[i].value;
    count++;
  }
  return count;
}

bool hgl_web_header(const struct hgl_web_request *request, const char *name,
                    struct hgl_bytes *value)
{
  return count_headers(request, name, value) == 1;
}

static int parse_length(struct hgl_bytes text, uint64_t *out, struct hgl_err *why)
{
  uint64_t size = 0;
  if (!text.size || text.size > 18) return refuse(why, BAD_REQUEST, "no length");
  for (size_t i = 0; i < text.size; i++) {
    if (text.data[i] < '0' || text.data[i] > '9') return refuse(why, BAD_REQUEST, "no length");
    size = size * 10 + (text.data[i] - '0');
  }
  if (size > HGL_WEB_BODY_SIZE_MAX)
    return refuse(why, CONTENT_TOO_LARGE, "the body is longer than %d bytes",
                  HGL_WEB_BODY_SIZE_MAX);
  *out = size;
  return 0;
}

/* RFC 9112 §6: how long the body is must be beyond doubt. */
static int find_body(struct hgl_web_head *out, bool old, struct hgl_err *why)
{
  struct hgl_bytes length, coding;
  size_t lengths = count_headers(&out->request, "content-length", &length);
  size_t codings = count_headers(&out->request, "transfer-encoding", &coding);
  if (lengths + codings > 1 || (codings && old))
    return refuse(why, BAD_REQUEST, "the length of the body is said twice");
  if (lengths) return parse_length(length, &out->body_size, why);
  if (codings && !is_same(coding, "chunked"))
    return refuse(why, NOT_IMPLEMENTED, "a transfer coding that is not known here");
  out->chunked = codings != 0;
  return 0;
}

bool hgl_web_lists(const struct hgl_web_request *request, const char *name, const char *word)
{
  for (size_t i = 0; i < request->header_count; i++) {
    struct hgl_bytes list = request->headers[i].value;
    if (!hgl_bytes_is(request->headers[i].name, name)) continue;
    while (list.size)
      if (is_same(trim(take_until(&list, ',')), word)) return true;
  }
  return false;
}

static int find_connection(struct hgl_web_head *out, bool old, struct hgl_err *why)
{
  struct hgl_bytes value;
  size_t hosts = count_headers(&out->request, "host", &value);
  if (hosts > 1 || (!hosts && !old)) return refuse(why, BAD_REQUEST, "not one Host");
  out->keep_alive = !hgl_web_lists(&out->request, "connection", "close") &&
                    (!old || hgl_web_lists(&out->request, "connection", "keep-alive"));
  out->upgrades = !old && hgl_bytes_is(out->request.method, "GET") &&
                  hgl_web_lists(&out->request, "connection", "upgrade") &&
                  hgl_web_lists(&out->request, "upgrade", "websocket");
  if (!old && count_headers(&out->request, "expect", &value)) {
    if (!is_same(value, "100-continue"))
      return refuse(why, EXPECTATION_FAILED, "an expectation that is not known here");
    out->expects_continue = true;
  }
  return 0;
}

int hgl_web_head_parse(uint8_t *text, size_t size, struct hgl_web_head *out, struct hgl_err *why)
{
  struct hgl_bytes rest = hgl_bytes(text, size), line;
  bool old = false;
  memset(out, 0, sizeof *out);
  out->request.headers = out->headers;
  if (memchr(text, 0, size)) return refuse(why, BAD_REQUEST, "a NUL");
  if (!take_line(&rest, &line)) return refuse(why, BAD_REQUEST, "a line that does not end in CRLF");
  int status = parse_request_line(line, out, &old, why);
  while (!status) {
    if (!take_line(&rest, &line))
      return refuse(why, BAD_REQUEST, "a line that does not end in CRLF");
    if (!line.size) break;
    status = parse_header(line, out, why);
  }
  if (!status && rest.size) status = refuse(why, BAD_REQUEST, "more than a head");
  if (!status) status = find_connection(out, old, why);
  return status ? status : find_body(out, old, why);
}

/* Answers ------------------------------------------------------------------------------------- */

int hgl_web_header_check(struct hgl_bytes name, struct hgl_bytes value, struct hgl_err *err)
{
  static const char *const ours[] = {"connection", "content-length", "transfer-encoding", "date",
                                     "keep-alive", "upgrade", "trailer", "te",
                                     /* these would count for all agents, and for the dashboard */
                                     "set-cookie", "clear-site-data", "strict-transport-security",
                                     "alt-svc", "nel", "report-to", "reporting-endpoints"};
  if (!is_token(name))
    return hgl_fail(err, HGL_INVALID, "'%.*s' is no header's name", HGL_STR(name));
  for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
    if (is_same(name, ours[i]))
      return hgl_fail(err, HGL_INVALID, "the header %s is the host's to set", ours[i]);
  if (!is_value(value))
    return hgl_fail(err, HGL_INVALID, "the header %.*s holds a control character", HGL_STR(name));
  return 0;
}

static bool ends_with(struct hgl_bytes text, const char *end)
{
  size_t size = strlen(end);
  return text.size > size &&
         strncasecmp((const char *)text.data + text.size - size, end, size) == 0;
}

bool hgl_web_host_is_loopback(struct hgl_bytes host)
{
  char text[INET_ADDRSTRLEN];
  uint8_t address[4];
  size_t size = host.size;
  while (size && host.data[size - 1] >= '0' && host.data[size - 1] <= '9') size--;
  if (size && host.data[size - 1] == ':') host.size = size - 1; /* the port */
  if (is_same(host, "localhost") || is_same(host, "[::1]") || ends_with(host, ".localhost"))
    return true;
  if (!host.size || host.size >= sizeof text) return false;
  memcpy(text, host.data, host.size);
  text[host.size] = '\0';
  return strlen(text) == host.size && inet_pton(AF_INET, text, address) == 1 && address[0] == 127;
}

bool hgl_web_is_json(struct hgl_bytes content_type)
{
  if (!content_type.size) return false;
  struct hgl_bytes type = trim(take_until(&content_type, ';'));
  static const char prefix[] = "application/", suffix[] = "+json";
  size_t suffix_size = sizeof suffix - 1;
  if (is_same(type, "application/json")) return true;
  return type.size > sizeof prefix - 1 + suffix_size &&
         strncasecmp((const char *)type.data, prefix, sizeof prefix - 1) == 0 &&
         strncasecmp((const char *)type.data + type.size - suffix_size, suffix, suffix_size) == 0;
}

const char *hgl_web_reason(int status)
{
  static const struct {
    int status;
    const char *reason;
  } reasons[] = {
      {100, "Continue"},
      {200, "OK"},
      {201, "Created"},
      {202, "Accepted"},
      {204, "No Content"},
      {206, "Partial Content"},
      {301, "Moved Permanently"},
      {302, "Found"},
      {303, "See Other"},
      {304, "Not Modified"},
      {307, "Temporary Redirect"},
      {308, "Permanent Redirect"},
      {400, "Bad Request"},
      {401, "Unauthorized"},
      {402, "Payment Required"},
      {403, "Forbidden"},
      {404, "Not Found"},
      {405, "Method Not Allowed"},
      {406, "Not Acceptable"},
      {408, "Request Timeout"},
      {409, "Conflict"},
      {410, "Gone"},
      {411, "Length Required"},
      {412, "Precondition Failed"},
      {413, "Content Too Large"},
      {414, "URI Too Long"},
      {415, "Unsupported Media Type"},
      {417, "Expectation Failed"},
      {421, "Misdirected Request"},
      {422, "Unprocessable Content"},
      {426, "Upgrade Required"},
      {428, "Precondition Required"},
      {429, "Too Many Requests"},
      {431, "Request Header Fields Too Large"},
      {500, "Internal Server Error"},
      {501, "Not Implemented"},
      {502, "Bad Gateway"},
      {503, "Service Unavailable"},
      {504, "Gateway Timeout"},
      {505, "HTTP Version Not Supported"},
      {507, "Insufficient Storage"},
  };
  for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
    if (reasons[i].status == status) return reasons[i].reason;
  return "";
}
