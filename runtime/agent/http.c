#include "agent/http.h"

#include <stdio.h>

#include "agent/supervise.h"

enum { RETRY_AFTER_S = 2 };

/* Whoever waits for the answer to one request. It stands in host->http_waits until it is told, or
 * gone. */
struct hgl_http_wait {
  struct hgl_host *host;
  struct hgl_http_wait *next, **link;
  struct mail *mail;    /* whose handler is to answer; NULL: it has, or is not to any more */
  struct agent *agent;  /* while there is a mail */
  int64_t due_ms;       /* monotonic: then it is too late */
  struct hgl_buf given; /* the answer, as handlers give it; or empty */
  uint64_t tick;        /* whose commit lets it leave */
  void (*answered)(void *user, const struct hgl_web_answer *answer);
  void *user;
};

/* Answers that are ours ------------------------------------------------------------------------ */

void hgl_http_put_error(struct hgl_buf *out, const char *code, const char *message)
{
  hgl_buf_append_text(out, "{\"error\":{\"code\":");
  hgl_json_put_text(hgl_text(code), out);
  hgl_buf_append_text(out, ",\"message\":");
  hgl_json_put_text(hgl_text(message), out);
  hgl_buf_append_text(out, "}}");
}

struct refusal {
  int status;
  const char *code;
  char message[HGL_ERR_MESSAGE_SIZE];
  char allow[64]; /* of 405 and OPTIONS */
};

#define refuse(refusal, number, name, ...)                                                         \
  ((refusal)->status = (number), (refusal)->code = (name),                                         \
   snprintf((refusal)->message, sizeof(refusal)->message, __VA_ARGS__), false)

static void tell_refusal(const struct refusal *refusal,
                         void (*answered)(void *, const struct hgl_web_answer *), void *user)
{
  struct hgl_web_field headers[2] = {{hgl_text("content-type"), hgl_text("application/json")}};
  struct hgl_web_answer answer = {.status = refusal->status, .headers = headers, .header_count = 1};
  struct hgl_buf body;
  char retry[16];
  hgl_buf_init(&body, 4096);
  if (refusal->status != 204) hgl_http_put_error(&body, refusal->code, refusal->message);
  answer.body = hgl_buf_bytes(&body);
  snprintf(retry, sizeof retry, "%d", RETRY_AFTER_S);
  struct hgl_web_field *more = &headers[1];
  if (refusal->status == 401)
    *more = (struct hgl_web_field){hgl_text("www-authenticate"), hgl_text("Bearer")};
  else if (refusal->status == 503 || refusal->status == 429)
    *more = (struct hgl_web_field){hgl_text("retry-after"), hgl_text(retry)};
  else if (*refusal->allow)
    *more = (struct hgl_web_field){hgl_text("allow"), hgl_text(refusal->allow)};
  if (more->name.size) answer.header_count++;
  answered(user, &answer);
  hgl_buf_deinit(&body);
}

/* Waits ---------------------------------------------------------------------------------------- */

/* No handler is to answer it any more. */
static void leave_mail(struct hgl_http_wait *wait)
{
  if (!wait->mail) return;
  wait->mail->http = NULL;
  wait->mail = NULL;
  wait->agent->http_count--;
  wait->agent = NULL;
}

void hgl_host_http_gone(struct hgl_http_wait *wait)
{
  leave_mail(wait);
  *wait->link = wait->next;
  if (wait->next) wait->next->link = wait->link;
  hgl_buf_deinit(&wait->given);
  hgl_free(wait);
}

/* It is over; whoever waits is told within `tell`. */
static void end(struct hgl_http_wait *wait, const struct refusal *refusal)
{
  void (*answered)(void *, const struct hgl_web_answer *) = wait->answered;
  void *user = wait->user;
  hgl_host_http_gone(wait);
  tell_refusal(refusal, answered, user);
}

void http_fail(struct hgl_http_wait *wait, int status, const char *code, const char *message)
{
  struct refusal refusal = {.status = status, .code = code};
  if (!wait) return;
  snprintf(refusal.message, sizeof refusal.message, "%s", message);
  end(wait, &refusal);
}

/* [status, [name, value, …], body] */
static int decode(struct hgl_bytes given, struct hgl_web_answer *out, struct hgl_web_field *headers,
                  struct hgl_err *err)
{
  struct hgl_cbor_reader in = hgl_cbor_reader(given);
  size_t count, fields;
  int64_t number;
  int status;
  if ((status = hgl_cbor_get_list(&in, "answer", 3, &count, err)) ||
      (status = hgl_cbor_get_int(&in, "status", &number, err)) ||
      (status = hgl_cbor_get_list(&in, "headers", 2 * HGL_WEB_HEADERS_MAX + 2, &fields, err)))
    return status;
  for (size_t i = 0; i < fields && !status; i++) {
    struct hgl_cbor_item item;
    status = hgl_cbor_next(&in, &item, err);
    if (status) return status;
    *(i % 2 ? &headers[i / 2].value : &headers[i / 2].name) = item.bytes;
  }
  *out = (struct hgl_web_answer){
      .status = (int)number, .headers = headers, .header_count = fields / 2};
  return hgl_cbor_get_bytes(&in, "body", HGL_WEB_BODY_SIZE_MAX, &out->body, err);
}

static void tell(struct hgl_http_wait *wait)
{
  struct hgl_web_field headers[HGL_WEB_HEADERS_MAX + 1];
  struct hgl_web_answer answer;
  struct hgl_err err;
  if (decode(hgl_buf_bytes(&wait->given), &answer, headers, &err)) {
    http_fail(wait, 500, "internal", "the answer cannot be read");
    return;
  }
  wait->answered(wait->user, &answer);
  hgl_host_http_gone(wait);
}

void http_committed(struct hgl_host *host, uint64_t tick)
{
  for (struct hgl_http_wait *wait = host->http_waits, *next; wait; wait = next) {
    next = wait->next;
    if (wait->given.size && wait->tick <= tick) tell(wait);
  }
}

void http_due(struct hgl_host *host)
{
  for (struct hgl_http_wait *wait = host->http_waits, *next; wait; wait = next) {
    next = wait->next;
    if (wait->given.size || wait->due_ms > host->mono_ms) continue;
    http_fail(wait, 504, "timeout", "the agent has not answered in time");
  }
}

int64_t http_deadline_ms(const struct hgl_host *host)
{
  int64_t due_ms = INT64_MAX;
  for (const struct hgl_http_wait *wait = host->http_waits; wait; wait = wait->next)
    if (!wait->given.size && wait->due_ms < due_ms) due_ms = wait->due_ms;
  return due_ms;
}

void http_stop(struct hgl_host *host)
{
  for (struct hgl_http_wait *wait = host->http_waits, *next; wait; wait = next) {
    next = wait->next;
    if (wait->given.size) continue;
    if (wait->mail->takes_place)
      http_fail(wait, 503, "closed", "the host stops");
    else
      http_fail(wait, 500, "unknown_outcome", "the host stops; the handler goes on at its start");
  }
}

void http_deinit(struct hgl_host *host)
{
  http_stop(host);
  while (host->http_waits)
    http_fail(host->http_waits, 500, "unknown_outcome", hgl_code_meaning(HGL_UNKNOWN_OUTCOME));
}

/* From handlers ---------------------------------------------------------------------------------
 */

int stretch_answer(struct hgl_host *host, struct hgl_bytes answer, struct hgl_err *err)
{
  struct stretch *stretch = &host->stretch;
  hgl_buf_clear(&stretch->http_answer);
  if (!stretch->mail || !stretch->mail->http) return 0; /* nobody waits */
  hgl_buf_append_bytes(&stretch->http_answer, answer);
  return hgl_buf_check(&stretch->http_answer, err);
}

void http_accept(struct hgl_host *host)
{
  struct stretch *stretch = &host->stretch;
  struct hgl_http_wait *wait = stretch->mail ? stretch->mail->http : NULL;
  if (!stretch->http_answer.size) return;
  if (wait) {
    wait->given = stretch->http_answer;
    wait->tick = host->tick;
    leave_mail(wait);
    hgl_buf_init(&stretch->http_answer, RUN_VALUES_SIZE_MAX);
  }
  hgl_buf_deinit(&stretch->http_answer);
}

/* Coming in -------------------------------------------------------------------------------------
 */

struct arrival {
  struct hgl_host *host;
  const struct hgl_web_request *request;
  uint64_t origin;
  struct hgl_bytes name, rest; /* "kiosk", "/forecast" */
  struct child *child;
  struct route_match match;
};

static bool find_child(struct arrival *arrival, struct refusal *why)
{
  static const char prefix[] = "/agents/";
  struct hgl_bytes path = arrival->request->path;
  size_t size = sizeof prefix - 1;
  if (path.size < size || memcmp(path.data, prefix, size) != 0)
    return refuse(why, 404, "not_found", "there is nothing here");
  const uint8_t *start = path.data + size, *end = path.data + path.size;
  const uint8_t *slash = start < end ? memchr(start, '/', (size_t)(end - start)) : NULL;
  if (!slash) slash = end;
  arrival->name = hgl_bytes(start, (size_t)(slash - start));
  arrival->rest = slash < end ? hgl_bytes(slash, (size_t)(end - slash)) : hgl_text("/");
  arrival->child = arrival->name.size ? child_by_name(arrival->host, arrival->name) : NULL;
  if (arrival->child && arrival->child->script) return true;
  return refuse(why, 404, "not_found", "there is no such agent here");
}

/* "Authorization: Bearer TOKEN" (RFC 6750 §2.1) */
static struct hgl_bytes token_of(const struct hgl_web_request *request)
{
  static const char scheme[] = "Bearer ";
  struct hgl_bytes value;
  size_t size = sizeof scheme - 1;
  if (!hgl_web_header(request, "authorization", &value) || value.size <= size ||
      strncasecmp((const char *)value.data, scheme, size) != 0)
    return hgl_text("");
  return hgl_bytes(value.data + size, value.size - size);
}

/* A page in a browser of this machine may have its own name lead here (DNS rebinding): then it is
 * to the browser as if we were the page's own server, and it reads what we answer. */
static bool is_asked_by_its_name(struct arrival *arrival, struct refusal *why)
{
  const struct hgl_web_request *request = arrival->request;
  struct hgl_bytes host;
  if (!request->on_loopback || !hgl_web_header(request, "host", &host) ||
      hgl_web_host_is_loopback(host))
    return true;
  return refuse(why, 403, "denied",
                "on a loopback address %s is open to whoever asks for localhost, not for another "
                "name: let a proxy say \"Host: localhost\", or grant --allow %s:http=token",
                arrival->child->name, arrival->child->name);
}

static bool may_ask(struct arrival *arrival, struct refusal *why)
{
  const struct child *child = arrival->child;
  const struct hgl_http_tokens *tokens = &arrival->host->config.http_tokens;
  const char *const *grants = (const char *const *)child->grants;
  size_t folder_size;
  struct hgl_err err;
  if (hgl_grants_cover(grants, "http", hgl_text("open"), &folder_size))
    return is_asked_by_its_name(arrival, why);
  if (!hgl_grants_cover(grants, "http", hgl_text("token"), &folder_size))
    return refuse(why, 403, "denied",
                  "%s is not served: the operator has to grant --allow %s:http=token, or http=open",
                  child->name, child->name);
  if (!tokens->check) return refuse(why, 403, "denied", "this host keeps no tokens");
  int status = tokens->check(tokens->user, child->name, token_of(arrival->request), arrival->origin,
                             &err);
  if (!status) return true;
  if (status == -HGL_LIMIT) return refuse(why, 429, "limit", "too many wrong tokens");
  if (status == -HGL_DENIED)
    return refuse(why, 401, "unauthorized", "it takes the agent's token: Authorization: Bearer …");
  host_log(arrival->host, HGL_LOG_ERROR, "the token of %s: %s", child->name, err.message);
  return refuse(why, 503, "unavailable", "the token cannot be checked now");
}

static bool is_there(struct arrival *arrival, struct refusal *why)
{
  const struct child *child = arrival->child;
  const struct agent *agent = child->agent;
  struct hgl_host *host = arrival->host;
  if (!agent || agent->stopped || agent->held || child->standing != RUNNING || child->due.index ||
      host->stopping || host->failed)
    return refuse(why, 503, "unavailable", "the agent does not run now");
  if (hgl_host_held(host)) return refuse(why, 503, "unavailable", "the host takes nothing in now");
  return true;
}

static bool find_route(struct arrival *arrival, struct refusal *why)
{
  const struct routes *routes = &arrival->child->agent->manifest->routes;
  const struct hgl_web_request *request = arrival->request;
  struct hgl_buf allow;
  if (routes_find(routes, request->method, arrival->rest, &arrival->match)) return true;
  hgl_buf_init(&allow, sizeof why->allow - 1);
  routes_allow(routes, arrival->rest, &allow);
  if (allow.size) memcpy(why->allow, allow.data, allow.size);
  bool found = allow.size != 0;
  hgl_buf_deinit(&allow);
  if (!found) return refuse(why, 404, "not_found", "the agent has no such path");
  if (hgl_bytes_is(request->method, "OPTIONS")) return refuse(why, 204, "", "%s", "");
  return refuse(why, 405, "invalid", "this path takes %s", why->allow);
}

static bool check_json(struct arrival *arrival, struct refusal *why)
{
  const struct hgl_web_request *request = arrival->request;
  struct hgl_bytes type;
  struct hgl_buf value;
  struct hgl_err err;
  if (!request->body.size || !hgl_web_header(request, "content-type", &type) ||
      !hgl_web_is_json(type))
    return true;
  hgl_buf_init(&value, 4 * HGL_WEB_BODY_SIZE_MAX);
  int status = hgl_json_plain_read(request->body, HGL_WEB_BODY_SIZE_MAX, HGL_WEB_JSON_ITEMS_MAX,
                                   &value, &err);
  hgl_buf_deinit(&value);
  if (status == -HGL_NO_MEMORY) return refuse(why, 503, "no_memory", "out of memory");
  return status ? refuse(why, 400, "malformed", "the body: %s", err.message) : true;
}

static bool has_room(struct arrival *arrival, size_t size, struct refusal *why)
{
  const struct agent *agent = arrival->child->agent;
  const struct hgl_agent_limits *limits = agent->limits;
  if (agent->http_count >= (size_t)limits->requests ||
      agent->waiting_count >= (size_t)limits->mailbox_count ||
      agent->waiting_bytes + size > (size_t)limits->mailbox_bytes)
    return refuse(why, 503, "limit", "the agent has too much to do");
  return true;
}

/* ---- the mail ---- */

static void put_text(struct hgl_buf *out, struct hgl_bytes text)
{
  struct hgl_buf mended;
  if (hgl_utf8_valid(text)) {
    hgl_cbor_put_text(out, text);
    return;
  }
  hgl_buf_init(&mended, 4 * text.size);
  hgl_utf8_mend(text, &mended);
  if (mended.failed) out->failed = mended.failed;
  hgl_cbor_put_text(out, hgl_buf_bytes(&mended));
  hgl_buf_deinit(&mended);
}

/* What handlers get; the token is none of their business. */
static void put_fields(const struct hgl_web_field *fields, size_t count, struct hgl_buf *out)
{
  size_t kept = 0;
  for (size_t i = 0; i < count; i++) kept += !hgl_bytes_is(fields[i].name, "authorization");
  hgl_cbor_put_list(out, 2 * kept);
  for (size_t i = 0; i < count; i++) {
    if (hgl_bytes_is(fields[i].name, "authorization")) continue;
    put_text(out, fields[i].name);
    put_text(out, fields[i].value);
  }
}

static void put_call(const struct arrival *arrival, struct hgl_buf *out)
{
  const struct hgl_web_request *request = arrival->request;
  hgl_cbor_put_list(out, 6);
  hgl_cbor_put_text(out, request->method);
  hgl_cbor_put_text(out, arrival->rest);
  hgl_cbor_put_list(out, 2 * arrival->match.param_count);
  for (size_t i = 0; i < arrival->match.param_count; i++) {
    hgl_cbor_put_text(out, arrival->match.params[i].name);
    hgl_cbor_put_text(out, arrival->match.params[i].value);
  }
  hgl_cbor_put_list(out, 2 * request->query_count);
  for (size_t i = 0; i < request->query_count; i++) {
    hgl_cbor_put_text(out, request->query[i].name);
    hgl_cbor_put_text(out, request->query[i].value);
  }
  put_fields(request->headers, request->header_count, out);
  hgl_cbor_put_bytes(out, request->body);
}

static struct mail *new_mail(const struct arrival *arrival)
{
  struct mail *mail = hgl_zalloc(sizeof *mail);
  struct hgl_err err;
  if (!mail) return NULL;
  const char *name = arrival->match.route->name;
  *mail = (struct mail){.kind = MAIL_HTTP, .attempt = 1, .why = hgl_strndup(name, strlen(name))};
  mail->value = hgl_zalloc(sizeof *mail->value);
  if (mail->value) {
    hgl_buf_init(mail->value, RUN_VALUES_SIZE_MAX);
    put_call(arrival, mail->value);
    if (mail->why && hgl_buf_check(mail->value, &err) == 0) return mail;
  }
  mail_destroy(mail);
  return NULL;
}

/* Takes the mail. */
static bool queue(struct arrival *arrival, struct mail *mail, struct hgl_http_wait **out)
{
  struct hgl_host *host = arrival->host;
  struct agent *agent = arrival->child->agent;
  struct hgl_http_wait *wait = hgl_zalloc(sizeof *wait);
  if (!wait) {
    mail_destroy(mail);
    return false;
  }
  tick_now(host);
  wait->host = host;
  wait->mail = mail;
  wait->agent = agent;
  wait->due_ms = host->mono_ms + arrival->match.route->within_ms;
  hgl_buf_init(&wait->given, RUN_VALUES_SIZE_MAX);
  wait->next = host->http_waits;
  wait->link = &host->http_waits;
  if (wait->next) wait->next->link = &wait->next;
  host->http_waits = wait;
  mail->http = wait;
  agent->http_count++;
  agent->waiting_count++;
  agent->waiting_bytes += mail->value->size;
  mail->place_size = mail->value->size;
  mail->takes_place = true;
  mailbox_push(agent, mail);
  *out = wait;
  return true;
}

static bool accept(struct arrival *arrival, struct hgl_http_wait **wait, struct refusal *why)
{
  if (!find_child(arrival, why) || !may_ask(arrival, why) || !is_there(arrival, why) ||
      !find_route(arrival, why) || !check_json(arrival, why) ||
      !has_room(arrival, arrival->request->body.size, why))
    return false;
  struct mail *mail = new_mail(arrival);
  if (mail && queue(arrival, mail, wait)) return true;
  return refuse(why, 503, "no_memory", "out of memory");
}

void hgl_host_http(struct hgl_host *host, const struct hgl_web_request *request, uint64_t origin,
                   void (*answered)(void *user, const struct hgl_web_answer *answer), void *user,
                   struct hgl_http_wait **wait)
{
  struct arrival arrival = {.host = host, .request = request, .origin = origin};
  struct refusal why = {0};
  *wait = NULL;
  if (!accept(&arrival, wait, &why)) {
    tell_refusal(&why, answered, user);
    return;
  }
  (*wait)->answered = answered;
  (*wait)->user = user;
}
