/* host.call("http", …): what stdlib/haggle/http.lua asks for. A request is a list:
 *
 *   [method, url, [[name, [part, …]], …], body, size_max, redirects_max, repeat_safe]
 *
 * where a part is text, or {secret = NAME}; the answer is a map:
 *
 *   {url, body, status, headers = {name = text, or a list of texts}}
 *
 * A secret's value is in nothing that an agent, the journal or the log gets to see: should a server
 * send it back, it is replaced by its name. */
#include "host/redact.h"
#include "host/secret_grant.h"
#include "host/services.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "net/http_url.h"
#include "net/net_grant.h"
#include "protocol/crypto.h"
#include "protocol/value.h"

enum {
  SIZE_MAX_MOST = HGL_BODY_SIZE_MAX - HGL_HTTP_HEADERS_SIZE_MAX - 4096,
  PARTS_MAX = 16,
  KEY_TEXT_SIZE = 2 * HGL_ID_SIZE + 3, /* an id in quotes */
};

struct parsed {
  struct hgl_bytes method, url, body;
  struct hgl_cbor_reader headers; /* at the first of: */
  size_t header_count;
  int64_t size_max, redirects_max;
  bool repeat_safe;
};

static int parse(struct hgl_bytes request, struct parsed *out, struct hgl_err *err)
{
  struct hgl_cbor_reader in = hgl_cbor_reader(request);
  struct hgl_bytes headers;
  size_t count;
  int status;
  if ((status = hgl_cbor_get_list(&in, "request", 7, &count, err)) ||
      (status = hgl_cbor_get_text(&in, "method", HGL_HTTP_METHOD_SIZE_MAX, &out->method, err)) ||
      (status = hgl_cbor_get_text(&in, "url", HGL_HTTP_URL_SIZE_MAX, &out->url, err)) ||
      (status = hgl_cbor_get_value(&in, "headers", &headers, err)) ||
      (status = hgl_cbor_get_bytes(&in, "body", HGL_BODY_SIZE_MAX, &out->body, err)) ||
      (status = hgl_cbor_get_int(&in, "max", &out->size_max, err)) ||
      (status = hgl_cbor_get_int(&in, "redirects", &out->redirects_max, err)) ||
      (status = hgl_cbor_get_bool(&in, "repeat_safe", &out->repeat_safe, err)) ||
      (status = hgl_cbor_end(&in, "request", err)))
    return status;
  out->headers = hgl_cbor_reader(headers);
  if ((status = hgl_cbor_get_list(&out->headers, "headers", HGL_HTTP_HEADERS_MAX,
                                  &out->header_count, err)))
    return status;
  if (out->size_max < 0 || out->size_max > SIZE_MAX_MOST)
    return hgl_fail(err, HGL_INVALID, "max is from 0 to %d bytes", SIZE_MAX_MOST);
  if (out->redirects_max < 0 || out->redirects_max > HGL_HTTP_REDIRECTS_MAX)
    return hgl_fail(err, HGL_INVALID, "redirects are from 0 to %d", HGL_HTTP_REDIRECTS_MAX);
  return 0;
}

/* The next part of a header's value: text, or the name of a secret. */
static int get_part(struct hgl_cbor_reader *in, struct hgl_bytes *text, bool *secret,
                    struct hgl_err *err)
{
  struct hgl_bytes value;
  bool found;
  int status = hgl_cbor_get_value(in, "a header's value", &value, err);
  if (status) return status;
  struct hgl_cbor_reader part = hgl_cbor_reader(value);
  *secret = value.size && value.data[0] >> 5 == 5; /* a map */
  if (!*secret) return hgl_cbor_get_text(&part, "a header's value", value.size, text, err);
  if ((status = hgl_value_field(value, "secret", &value, &found, err))) return status;
  if (!found) return hgl_fail(err, HGL_INVALID, "a header's value is text or a secret");
  part = hgl_cbor_reader(value);
  return hgl_cbor_get_text(&part, "a secret", HGL_SECRET_NAME_SIZE_MAX, text, err);
}

struct header {
  struct hgl_bytes name;
  struct hgl_cbor_reader parts;
  size_t part_count;
};

static int get_header(struct hgl_cbor_reader *in, struct header *out, struct hgl_err *err)
{
  struct hgl_bytes parts;
  size_t count;
  int status;
  if ((status = hgl_cbor_get_list(in, "header", 2, &count, err)) ||
      (status = hgl_cbor_get_text(in, "a header's name", 256, &out->name, err)) ||
      (status = hgl_cbor_get_value(in, "header", &parts, err)))
    return status;
  out->parts = hgl_cbor_reader(parts);
  return hgl_cbor_get_list(&out->parts, "a header's value", PARTS_MAX, &out->part_count, err);
}

/* ---- before it is made ---- */

/* Where a request goes first. What is no URL is left empty: it goes nowhere. */
static int read_url(const struct parsed *parsed, struct hgl_http_url *out, struct hgl_err *err)
{
  char *text = hgl_strndup((const char *)parsed->url.data, parsed->url.size);
  int status = text ? hgl_http_url_parse(text, NULL, out, err)
                    : hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  hgl_free(text);
  return status;
}

/* Redirects to another host lose it. */
static int check_secret(const struct hgl_services *services, const struct hgl_call *call,
                        const struct hgl_http_url *to, struct hgl_bytes name, struct hgl_err *err)
{
  if (!hgl_grants_name_secret(call->grants, name))
    return hgl_fail(err, HGL_DENIED, "%s may not use it: grant --allow %s:secret=%.*s", call->agent,
                    call->agent, HGL_STR(name));
  if (*to->host && !hgl_secret_grants_send(call->grants, name, to->host, to->port)) {
    bool v6 = strchr(to->host, ':') != NULL;
    return hgl_fail(err, HGL_DENIED,
                    "%s may not send it there: grant --allow %s:secret=%.*s@%s%s%s:%d", call->agent,
                    call->agent, HGL_STR(name), v6 ? "[" : "", to->host, v6 ? "]" : "", to->port);
  }
  if (!services->config.secrets || hgl_secrets_has(services->config.secrets, name)) return 0;
  return hgl_fail(err, HGL_NOT_FOUND,
                  "this host has no secret '%.*s': start it with --secret %.*s=file:PATH",
                  HGL_STR(name), HGL_STR(name));
}

static int check_header(const struct hgl_services *services, const struct hgl_call *call,
                        const struct hgl_http_url *to, struct header *header, size_t *secrets,
                        struct hgl_err *err)
{
  for (size_t i = 0; i < header->part_count; i++) {
    struct hgl_bytes text;
    bool secret;
    int status = get_part(&header->parts, &text, &secret, err);
    if (!status && secret) status = check_secret(services, call, to, text, err);
    if (status) return status;
    *secrets += secret;
  }
  if (*secrets > HGL_REDACT_SECRETS_MAX)
    return hgl_fail(err, HGL_INVALID, "more than %d secrets", HGL_REDACT_SECRETS_MAX);
  return 0;
}

static int check(void *user, const struct hgl_call *call, struct hgl_call_nature *nature,
                 struct hgl_err *err)
{
  struct parsed parsed;
  struct header header;
  struct hgl_http_url to = {0};
  size_t secrets = 0;
  int status = parse(call->request, &parsed, err);
  if (!status && read_url(&parsed, &to, err) == -HGL_NO_MEMORY) status = -HGL_NO_MEMORY;
  for (size_t i = 0; !status && i < parsed.header_count; i++) {
    status = get_header(&parsed.headers, &header, err);
    if (!status) status = check_header(user, call, &to, &header, &secrets, err);
  }
  hgl_http_url_deinit(&to);
  if (status)
    return err->code == HGL_DENIED || err->code == HGL_NOT_FOUND || err->code == HGL_INVALID
               ? status
               : hgl_fail(err, HGL_INVALID, "http: %s", err->message);
  nature->repeatable = parsed.repeat_safe;
  return 0;
}

/* ---- while it goes on ---- */

struct work {
  struct hgl_services *services;
  struct hgl_http_call *call;
  uint64_t ticket;
  char *agent;
  struct hgl_net_grant *grants;
  size_t grant_count;
  struct hgl_buf request; /* what the names of secrets point into */
  struct hgl_http_url to; /* empty where it is no URL */
  struct hgl_redact redact;
};

static void destroy(struct work *work)
{
  hgl_redact_deinit(&work->redact);
  hgl_buf_deinit(&work->request);
  hgl_http_url_deinit(&work->to);
  hgl_free(work->agent);
  hgl_free(work->grants);
  hgl_free(work);
}

/* "grant net=…": told with the agent's name in front of the grant. */
static int name_grant(const struct work *work, struct hgl_err *err)
{
  char text[HGL_ERR_MESSAGE_SIZE];
  const char *grant = strstr(err->message, "net=");
  if (err->code != HGL_DENIED || !grant) return -(int)err->code;
  memcpy(text, err->message, sizeof text);
  return hgl_fail(err, HGL_DENIED, "%.*s--allow %s:%.300s", (int)(grant - err->message), text,
                  work->agent, text + (grant - err->message));
}

static int allow_host(void *user, const char *host, int port, struct hgl_err *err)
{
  const struct work *work = user;
  int status = hgl_net_grants_allow_host(work->grants, work->grant_count, host, port, err);
  return status ? name_grant(work, err) : 0;
}

static int allow_address(void *user, const char *host, const char *address, int port,
                         struct hgl_err *err)
{
  const struct work *work = user;
  int status = hgl_net_grants_allow_address(work->grants, work->grant_count, host, address, port,
                                            err);
  return status ? name_grant(work, err) : 0;
}

/* Those that do not parse were refused when the agent was configured. */
static int read_grants(struct work *work, const char *const *grants, struct hgl_err *err)
{
  size_t count = 0;
  struct hgl_err ignored;
  while (grants && grants[count]) count++;
  work->grants = hgl_array(count + 1, sizeof *work->grants);
  if (!work->grants) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  for (size_t i = 0; i < count; i++) {
    if (strncmp(grants[i], "net=", 4) != 0) continue;
    struct hgl_net_grant *grant = &work->grants[work->grant_count];
    if (hgl_net_grant_parse(hgl_text(grants[i] + 4), grant, &ignored) == 0) work->grant_count++;
  }
  return 0;
}

int hgl_http_call_permitted(const struct hgl_call *call, struct hgl_err *err)
{
  struct work asking = {.agent = (char *)call->agent};
  struct hgl_http_url url = {0};
  struct parsed parsed;
  int status = parse(call->request, &parsed, err);
  if (status) return status;
  status = read_url(&parsed, &url, err);
  if (!status) status = read_grants(&asking, call->grants, err);
  if (!status) status = allow_host(&asking, url.host, url.port, err);
  hgl_http_url_deinit(&url);
  hgl_free(asking.grants);
  return status;
}

/* ---- the request ---- */

/* The grant is asked for again: a request that a crash has delayed may have outlived it. */
static int put_secret(struct work *work, const struct hgl_call *call, struct hgl_bytes name,
                      struct hgl_buf *out, struct hgl_err *err)
{
  int status = check_secret(work->services, call, &work->to, name, err);
  if (status) return status;
  return hgl_redact_add(&work->redact, work->services->config.secrets, name, out, err);
}

/* The values lie one behind the other in `values`, whose memory does not move. */
static int put_header(struct work *work, const struct hgl_call *call, struct header *header,
                      struct hgl_buf *values, struct hgl_http_header *out, struct hgl_err *err)
{
  size_t start = values->size;
  int status = 0;
  *out = (struct hgl_http_header){.name = header->name};
  for (size_t i = 0; i < header->part_count && !status; i++) {
    struct hgl_bytes text;
    bool secret;
    if ((status = get_part(&header->parts, &text, &secret, err))) return status;
    out->sensitive |= secret;
    if (secret)
      status = put_secret(work, call, text, values, err);
    else
      hgl_buf_append_bytes(values, text);
  }
  if (!status) status = hgl_buf_check(values, err);
  if (!status) out->value = hgl_bytes(values->data + start, values->size - start);
  return status;
}

/* The same key for as often as this call is made (draft-ietf-httpapi-idempotency-key-header). */
static void put_key(const struct hgl_call *call, const struct parsed *parsed,
                    char text[KEY_TEXT_SIZE], struct hgl_http_header *headers, size_t *count)
{
  static const char name[] = "Idempotency-Key";
  bool reads = hgl_bytes_is(parsed->method, "GET") || hgl_bytes_is(parsed->method, "HEAD") ||
               hgl_bytes_is(parsed->method, "OPTIONS");
  if (!parsed->repeat_safe || reads) return;
  for (size_t i = 0; i < *count; i++)
    if (headers[i].name.size == sizeof name - 1 &&
        strncasecmp((const char *)headers[i].name.data, name, sizeof name - 1) == 0)
      return;
  text[0] = '"';
  hgl_id_format(&call->id, text + 1);
  text[KEY_TEXT_SIZE - 2] = '"';
  text[KEY_TEXT_SIZE - 1] = 0;
  headers[(*count)++] = (struct hgl_http_header){hgl_text(name), hgl_text(text), false};
}

static void done(void *user, struct hgl_http_answer *answer,
                 const struct hgl_http_failure *failure);

static int send(struct work *work, const struct hgl_call *call, struct hgl_buf *values,
                struct hgl_http_header *headers, struct hgl_err *err)
{
  struct parsed parsed;
  struct header header;
  size_t count = 0;
  char key[KEY_TEXT_SIZE];
  int status = parse(hgl_buf_bytes(&work->request), &parsed, err);
  if (!status) status = read_url(&parsed, &work->to, err);
  for (; !status && count < parsed.header_count; count++) {
    status = get_header(&parsed.headers, &header, err);
    if (!status) status = put_header(work, call, &header, values, &headers[count], err);
  }
  if (status) return status;
  put_key(call, &parsed, key, headers, &count);
  char *method = hgl_strndup((const char *)parsed.method.data, parsed.method.size);
  char *url = hgl_strndup((const char *)parsed.url.data, parsed.url.size);
  const struct hgl_http_request request = {
      .method = method,
      .url = url,
      .headers = headers,
      .header_count = count,
      .body = parsed.body,
      .size_max = (size_t)parsed.size_max,
      .redirects_max = (int)parsed.redirects_max,
      .within_ms = call->within_ms,
      .repeat_safe = parsed.repeat_safe,
      .policy = {allow_host, allow_address, work},
  };
  status = method && url
               ? hgl_http_start(work->services->config.http, &request, done, work, &work->call, err)
               : hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  hgl_free(method);
  hgl_free(url);
  return status;
}

static int start(void *user, const struct hgl_call *call, uint64_t ticket, void **out,
                 struct hgl_err *err)
{
  struct work *work = hgl_zalloc(sizeof *work);
  struct hgl_http_header *headers = hgl_array(HGL_HTTP_HEADERS_MAX + 1, sizeof *headers);
  struct hgl_buf values;
  hgl_buf_init(&values, HGL_HTTP_HEADERS_SIZE_MAX);
  if (!work || !headers || !hgl_buf_reserve(&values, HGL_HTTP_HEADERS_SIZE_MAX)) {
    hgl_free(work);
    hgl_free(headers);
    hgl_buf_deinit(&values);
    return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  }
  work->services = user;
  work->ticket = ticket;
  work->agent = hgl_strndup(call->agent, strlen(call->agent));
  hgl_buf_init(&work->request, call->request.size);
  hgl_buf_append_bytes(&work->request, call->request);
  int status = work->agent ? hgl_buf_check(&work->request, err)
                           : hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  if (!status) status = read_grants(work, call->grants, err);
  if (!status) status = send(work, call, &values, headers, err);
  hgl_secret_wipe(&values);
  hgl_free(headers);
  if (status)
    destroy(work);
  else
    *out = work;
  return status;
}

static void cancel(void *user, void *work_of)
{
  struct work *work = work_of;
  hgl_http_cancel(work->call);
  destroy(work);
}

/* ---- the answer ---- */

/* Header values that are no UTF-8 are taken for Latin-1, as they used to be (RFC 9110, 5.5). */
static void put_utf8(struct hgl_bytes text, struct hgl_buf *out)
{
  if (hgl_utf8_valid(text)) {
    hgl_buf_append_bytes(out, text);
    return;
  }
  for (size_t i = 0; i < text.size; i++) {
    uint8_t c = text.data[i];
    if (c < 0x80) {
      hgl_buf_append_byte(out, c);
    } else {
      hgl_buf_append_byte(out, (uint8_t)(0xc0 | c >> 6));
      hgl_buf_append_byte(out, (uint8_t)(0x80 | (c & 0x3f)));
    }
  }
}

static void put_text(const struct work *work, struct hgl_bytes text, struct hgl_buf *out)
{
  struct hgl_buf clean, utf8;
  hgl_buf_init(&clean, HGL_BODY_SIZE_MAX);
  hgl_buf_init(&utf8, HGL_BODY_SIZE_MAX);
  hgl_redact_put(&work->redact, text, &clean);
  put_utf8(hgl_buf_bytes(&clean), &utf8);
  hgl_cbor_put_text(out, hgl_buf_bytes(&utf8));
  if (clean.failed || utf8.failed) out->failed = clean.failed ? clean.failed : utf8.failed;
  hgl_buf_deinit(&clean);
  hgl_buf_deinit(&utf8);
}

static int compare_names(struct hgl_bytes a, struct hgl_bytes b)
{
  if (a.size != b.size) return a.size < b.size ? -1 : 1;
  return memcmp(a.data, b.data, a.size);
}

/* As deterministic encoding orders keys; those of one name stay in their order. */
static void sort(struct hgl_http_header *headers, size_t count)
{
  for (size_t i = 1; i < count; i++) {
    struct hgl_http_header header = headers[i];
    size_t at = i;
    for (; at > 0 && compare_names(headers[at - 1].name, header.name) > 0; at--)
      headers[at] = headers[at - 1];
    headers[at] = header;
  }
}

static size_t count_same(const struct hgl_http_answer *answer, size_t first)
{
  size_t count = 1;
  while (first + count < answer->header_count &&
         hgl_bytes_equal(answer->headers[first].name, answer->headers[first + count].name))
    count++;
  return count;
}

static void put_headers(const struct work *work, struct hgl_http_answer *answer,
                        struct hgl_buf *out)
{
  size_t names = 0, kept = 0;
  for (size_t i = 0; i < answer->header_count; i++)
    if (!hgl_redact_finds(&work->redact, answer->headers[i].name))
      answer->headers[kept++] = answer->headers[i];
  answer->header_count = kept;
  sort(answer->headers, answer->header_count);
  for (size_t i = 0; i < answer->header_count; i += count_same(answer, i)) names++;
  hgl_cbor_put_map(out, names);
  for (size_t i = 0; i < answer->header_count;) {
    size_t same = count_same(answer, i);
    hgl_cbor_put_text(out, answer->headers[i].name);
    if (same > 1) hgl_cbor_put_list(out, same);
    for (size_t end = i + same; i < end; i++) put_text(work, answer->headers[i].value, out);
  }
}

/* Text, or bytes where it is none. */
static void put_body(const struct work *work, struct hgl_bytes body, struct hgl_buf *out)
{
  struct hgl_buf clean;
  hgl_buf_init(&clean, HGL_BODY_SIZE_MAX);
  hgl_redact_put(&work->redact, body, &clean);
  if (hgl_utf8_valid(hgl_buf_bytes(&clean)))
    hgl_cbor_put_text(out, hgl_buf_bytes(&clean));
  else
    hgl_cbor_put_bytes(out, hgl_buf_bytes(&clean));
  if (clean.failed) out->failed = clean.failed;
  hgl_buf_deinit(&clean);
}

static int put_answer(const struct work *work, struct hgl_http_answer *answer, struct hgl_buf *out,
                      struct hgl_err *err)
{
  hgl_cbor_put_map(out, 4);
  hgl_cbor_put_literal(out, "url");
  put_text(work, hgl_text(answer->url), out);
  hgl_cbor_put_literal(out, "body");
  put_body(work, hgl_buf_bytes(&answer->body), out);
  hgl_cbor_put_literal(out, "status");
  hgl_cbor_put_int(out, answer->status);
  hgl_cbor_put_literal(out, "headers");
  put_headers(work, answer, out);
  return hgl_buf_check(out, err) ? hgl_fail_in(err, "the answer") : 0;
}

/* What went wrong may name a host that the server has made up of what it was sent. */
static void redact_failure(const struct work *work, struct hgl_err *err)
{
  struct hgl_buf clean;
  hgl_buf_init(&clean, (size_t)HGL_REDACT_SECRETS_MAX * HGL_ERR_MESSAGE_SIZE);
  hgl_redact_put(&work->redact, hgl_text(err->message), &clean);
  if (clean.failed)
    snprintf(err->message, sizeof err->message, "%s", hgl_code_meaning(err->code));
  else
    snprintf(err->message, sizeof err->message, "%.*s", (int)clean.size, (const char *)clean.data);
  hgl_buf_deinit(&clean);
}

static void done(void *user, struct hgl_http_answer *answer, const struct hgl_http_failure *failure)
{
  struct work *work = user;
  struct hgl_host *host = work->services->host;
  struct hgl_buf result;
  struct hgl_err err;
  hgl_buf_init(&result, HGL_BODY_SIZE_MAX);
  int status = answer ? put_answer(work, answer, &result, &err) : 0;
  if (failure) {
    err = failure->err;
    redact_failure(work, &err);
  }
  uint64_t ticket = work->ticket;
  destroy(work);
  hgl_host_call_done(host, ticket, hgl_buf_bytes(&result), failure || status ? &err : NULL);
  hgl_buf_deinit(&result);
}

const struct hgl_service hgl_http_service = {"http", check, start, cancel, NULL, NULL};
