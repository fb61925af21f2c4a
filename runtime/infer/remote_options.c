#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/duration.h"
#include "base/mem.h"
#include "base/nearest.h"
#include "base/secret.h"
#include "infer/remote_internal.h"

enum { TIMEOUT_MS = 120000, RETRIES = 2, CONNECTIONS = 32, UNITS_MAX = 1000000 };

static const int64_t UNIT = 100000000; /* microcents */

static int32_t wrong(struct haggle_error *error, const char *name, const char *expected,
                     const char *value)
{
  return hgl_infer_fail(error, HAGGLE_INVALID, "option %s: expected %s, not \"%.60s\"", name,
                        expected, value);
}

static int32_t copy(char **out, const char *text, struct haggle_error *error)
{
  hgl_free(*out);
  *out = hgl_strndup(text, strlen(text));
  return *out ? HAGGLE_OK : hgl_infer_fail(error, HAGGLE_NO_MEMORY, "out of memory");
}

/* Values ----------------------------------------------------------------------------------------
 */

static int32_t read_number(const char *name, const char *value, unsigned least, unsigned most,
                           unsigned *out, struct haggle_error *error)
{
  char *end, expected[64];
  unsigned long number = *value >= '0' && *value <= '9' ? strtoul(value, &end, 10) : 0;
  snprintf(expected, sizeof expected, "a number from %u to %u", least, most);
  if (*value < '0' || *value > '9' || *end || number < least || number > most)
    return wrong(error, name, expected, value);
  *out = (unsigned)number;
  return HAGGLE_OK;
}

/* "0.15": up to eight digits behind the point, which are microcents. */
static int32_t read_money(const char *name, const char *value, int64_t *out,
                          struct haggle_error *error)
{
  int64_t whole = 0, part = 0;
  const char *at = value;
  for (; *at >= '0' && *at <= '9' && whole <= UNITS_MAX; at++) whole = whole * 10 + (*at - '0');
  bool good = at > value && whole <= UNITS_MAX;
  if (good && *at == '.') {
    int64_t place = UNIT / 10;
    for (at++; *at >= '0' && *at <= '9' && place; at++, place /= 10) part += (*at - '0') * place;
  }
  if (!good || *at) return wrong(error, name, "an amount of money as 0.15", value);
  *out = whole * UNIT + part;
  return HAGGLE_OK;
}

static int32_t read_switch(const char *name, const char *value, bool *out,
                           struct haggle_error *error)
{
  if (strcmp(value, "on") != 0 && strcmp(value, "off") != 0)
    return wrong(error, name, "on or off", value);
  *out = strcmp(value, "on") == 0;
  return HAGGLE_OK;
}

static int32_t read_schema(const char *value, enum remote_schema *out, struct haggle_error *error)
{
  static const char *const words[] = {"openai", "llama", "none"};
  for (int i = 0; i < 3; i++) {
    if (strcmp(value, words[i]) != 0) continue;
    *out = (enum remote_schema)i;
    return HAGGLE_OK;
  }
  return wrong(error, "schema", "openai, llama or none", value);
}

static int32_t read_limit(const char *value, bool *newer, struct haggle_error *error)
{
  *newer = strcmp(value, "max_completion_tokens") == 0;
  if (*newer || strcmp(value, "max_tokens") == 0) return HAGGLE_OK;
  return wrong(error, "limit", "max_tokens or max_completion_tokens", value);
}

static int32_t read_timeout(const char *value, int64_t *out_ns, struct haggle_error *error)
{
  struct hgl_err err = {0};
  int64_t ms;
  if (hgl_duration_parse(hgl_text(value), &ms, &err) != 0)
    return hgl_infer_fail(error, HAGGLE_INVALID, "option timeout: %s", err.message);
  if (ms < 1 || ms > 24 * 3600 * 1000) return wrong(error, "timeout", "from 1ms to 24h", value);
  *out_ns = ms * 1000000;
  return HAGGLE_OK;
}

/* What stands in it is never repeated: it might be the key itself. */
static int32_t read_key(const char *value, struct hgl_buf *out, struct haggle_error *error)
{
  struct hgl_err err = {0};
  if (hgl_secret_check_source(value, &err) != 0)
    return hgl_infer_fail(error, HAGGLE_INVALID,
                          "option key: say where it lies, as file:PATH, env:VARIABLE or "
                          "credential:NAME, and never the key itself");
  if (hgl_secret_read(value, out, &err) != 0) {
    hgl_fail_in(&err, "option key");
    return hgl_infer_fail_err(error, &err);
  }
  for (size_t i = 0; i < out->size; i++)
    if (out->data[i] <= 0x20 || out->data[i] >= 0x7f)
      return hgl_infer_fail(error, HAGGLE_INVALID,
                            "option key: what lies there has blanks or line breaks in it, which no "
                            "key has");
  return HAGGLE_OK;
}

/* The address -----------------------------------------------------------------------------------
 */

static int32_t no_url(struct haggle_error *error, const char *why)
{
  return hgl_infer_fail(error, HAGGLE_INVALID,
                        "%s; an address is as https://api.example.org/v1, without what an endpoint "
                        "adds (/chat/completions)",
                        why);
}

static bool is_loopback(const char *host)
{
  uint8_t address[4];
  if (strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0) return true;
  return inet_pton(AF_INET, host, address) == 1 && address[0] == 127;
}

static int32_t take_part(CURLU *url, CURLUPart part, char *out, size_t size)
{
  char *text = NULL;
  if (curl_url_get(url, part, &text, 0) != CURLUE_OK) return -1;
  snprintf(out, size, "%s", text);
  curl_free(text);
  return 0;
}

/* The same parser that will connect says what the address is. */
static int32_t read_url(const char *file, struct remote_options *out, bool *secure,
                        struct haggle_error *error)
{
  char part[REMOTE_HOST_SIZE] = "";
  CURLU *url = curl_url();
  if (!url) return hgl_infer_fail(error, HAGGLE_NO_MEMORY, "out of memory");
  CURLUcode code = curl_url_set(url, CURLUPART_URL, file, CURLU_DISALLOW_USER);
  int32_t status = HAGGLE_OK;
  if (code == CURLUE_USER_NOT_ALLOWED)
    status = no_url(error,
                    "a user or password stands in the address: give a key with the option key");
  else if (code != CURLUE_OK)
    status = no_url(error, curl_url_strerror(code));
  else if (take_part(url, CURLUPART_QUERY, part, sizeof part) == 0 ||
           take_part(url, CURLUPART_FRAGMENT, part, sizeof part) == 0)
    status = no_url(error, "something with ? or # stands in the address");
  else if (take_part(url, CURLUPART_SCHEME, part, sizeof part) != 0 ||
           (strcmp(part, "https") != 0 && strcmp(part, "http") != 0))
    status = no_url(error, "only http and https are spoken");
  else if (take_part(url, CURLUPART_HOST, out->host, sizeof out->host) != 0)
    status = no_url(error, "no host stands in the address");
  *secure = strcmp(part, "https") == 0;
  curl_url_cleanup(url);
  if (status == HAGGLE_OK) status = copy(&out->url, file, error);
  if (status == HAGGLE_OK && strstr(file, "/chat/completions"))
    status = no_url(error, "the path of an endpoint stands in the address");
  for (size_t size = out->url ? strlen(out->url) : 0; size && out->url[size - 1] == '/';)
    out->url[--size] = 0;
  return status;
}

/* All of them -----------------------------------------------------------------------------------
 */

static const char *const names[] = {
    "model",   "key",      "plain_key",   "trust",  "proxy",      "timeout",
    "retries", "rate",     "connections", "schema", "stream",     "sampling",
    "limit",   "price_in", "price_out",   "budget", "budget_day", NULL};

static int32_t unknown(const char *name, struct haggle_error *error)
{
  const char *nearest = hgl_nearest(hgl_text(name), names);
  return hgl_infer_fail(error, HAGGLE_INVALID,
                        "option %.60s is not known%s%s%s; the engine has model, key, plain_key, "
                        "trust, proxy, timeout, retries, rate, connections, schema, stream, "
                        "sampling, limit, price_in, price_out, budget and budget_day",
                        name, nearest ? ": did you mean " : "", nearest ? nearest : "",
                        nearest ? "?" : "");
}

/* libcurl reads it for each connection, so that one which is not there would fail them all. */
static int32_t read_trust(const char *value, struct remote_options *out, struct haggle_error *error)
{
  if (access(value, R_OK) != 0)
    return hgl_infer_fail(error, HAGGLE_NOT_FOUND, "option trust: %.200s: %s", value,
                          strerror(errno));
  return copy(&out->trust, value, error);
}

static int32_t read_option(const struct haggle_option *option, struct remote_options *out,
                           bool *plain_key, struct haggle_error *error)
{
  const char *name = option->name, *value = option->value;
#define IS(word) (strcmp(name, word) == 0)
  if (IS("model")) return copy(&out->model, value, error);
  if (IS("key")) return read_key(value, &out->key, error);
  if (IS("plain_key")) return read_switch(name, value, plain_key, error);
  if (IS("trust")) return read_trust(value, out, error);
  if (IS("proxy")) return copy(&out->proxy, value, error);
  if (IS("timeout")) return read_timeout(value, &out->timeout_ns, error);
  if (IS("retries")) return read_number(name, value, 0, 20, &out->retries, error);
  if (IS("rate")) return read_number(name, value, 1, REMOTE_RATE_MAX, &out->rate, error);
  if (IS("connections"))
    return read_number(name, value, 1, REMOTE_CONNECTIONS_MAX, &out->connections, error);
  if (IS("schema")) return read_schema(value, &out->schema, error);
  if (IS("stream")) return read_switch(name, value, &out->stream, error);
  if (IS("sampling")) return read_switch(name, value, &out->sampling, error);
  if (IS("limit")) return read_limit(value, &out->newer_limit, error);
  if (IS("price_in")) return read_money(name, value, &out->price_in, error);
  if (IS("price_out")) return read_money(name, value, &out->price_out, error);
  if (IS("budget")) return read_money(name, value, &out->budget, error);
  if (IS("budget_day")) return read_money(name, value, &out->budget_day, error);
#undef IS
  return unknown(name, error);
}

static int32_t check(const struct remote_options *options, bool secure, bool plain_key,
                     struct haggle_error *error)
{
  if (options->key.size && !secure && !plain_key && !is_loopback(options->host))
    return hgl_infer_fail(error, HAGGLE_INVALID,
                          "the key would go to %s where everybody on the way can read it: use "
                          "https://, or say plain_key=on",
                          options->host);
  if ((options->budget >= 0 || options->budget_day >= 0) && !remote_has_prices(options))
    return hgl_infer_fail(error, HAGGLE_INVALID,
                          "a budget needs prices: price_in and price_out, of a million tokens");
  return HAGGLE_OK;
}

int32_t remote_options_read(const struct haggle_source *source, struct remote_options *out,
                            struct haggle_error *error)
{
  bool secure = false, plain_key = false;
  *out = (struct remote_options){.timeout_ns = (int64_t)TIMEOUT_MS * 1000000,
                                 .retries = RETRIES,
                                 .connections = CONNECTIONS,
                                 .stream = true,
                                 .sampling = true,
                                 .price_in = -1,
                                 .price_out = -1,
                                 .budget = -1,
                                 .budget_day = -1};
  hgl_buf_init(&out->key, HGL_SECRET_VALUE_SIZE_MAX);
  int32_t status = read_url(source->file, out, &secure, error);
  if (status == HAGGLE_OK) status = copy(&out->model, source->name, error);
  for (size_t i = 0; status == HAGGLE_OK && i < source->option_count; i++)
    status = read_option(&source->options[i], out, &plain_key, error);
  if (status == HAGGLE_OK) status = check(out, secure, plain_key, error);
  if (status != HAGGLE_OK) remote_options_deinit(out);
  return status;
}

void remote_options_deinit(struct remote_options *options)
{
  hgl_secret_wipe(&options->key);
  hgl_free(options->url);
  hgl_free(options->model);
  hgl_free(options->trust);
  hgl_free(options->proxy);
  options->url = options->model = options->trust = options->proxy = NULL;
}
