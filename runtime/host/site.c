#include "host/site.h"

#include "agent/host.h"
#include "base/mem.h"
#include "protocol/url.h"

/* Life ---------------------------------------------------------------------------------------- */

/* "https://HOST/" of "wss://HOST:443"; NULL: no memory. */
static char *page_of(const struct hgl_url *url)
{
  struct hgl_buf text;
  size_t size;
  bool ipv6 = strchr(url->host, ':') != NULL;
  hgl_buf_init(&text, HGL_URL_SIZE_MAX + 32);
  hgl_buf_printf(&text, "%s://%s%s%s", url->secure ? "https" : "http", ipv6 ? "[" : "", url->host,
                 ipv6 ? "]" : "");
  if (url->port != (url->secure ? 443 : 80)) hgl_buf_printf(&text, ":%d", url->port);
  hgl_buf_append(&text, "/", 2);
  if (hgl_buf_check(&text, NULL)) hgl_buf_deinit(&text);
  return (char *)hgl_buf_take(&text, &size);
}

static int add_others(struct hgl_site *site, const char *const *urls, struct hgl_err *err)
{
  size_t count = 0;
  while (urls && urls[count]) count++;
  site->names = hgl_zalloc((count + 1) * sizeof *site->names);
  site->others = hgl_zalloc((count + 1) * sizeof *site->others);
  if (!site->names || !site->others) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  for (size_t i = 0, added = 0; i < count; i++) {
    struct hgl_url url;
    if (hgl_url_parse(urls[i], &url, NULL)) continue; /* whoever dials there says so */
    site->names[added] = hgl_strndup(url.host, strlen(url.host));
    site->others[added] = page_of(&url);
    if (!site->names[added] || !site->others[added])
      return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
    added++;
  }
  return 0;
}

int hgl_site_init(struct hgl_site *site, const char *url, const char *const *urls,
                  struct hgl_err *err)
{
  struct hgl_url own;
  int status = url ? hgl_url_parse(url, &own, err) : 0;
  if (status) return status;
  if (url && !(site->url = page_of(&own))) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  return add_others(site, urls, err);
}

static void forget_texts(char ***texts)
{
  for (char **text = *texts; text && *text; text++) hgl_free(*text);
  hgl_free(*texts);
  *texts = NULL;
}

void hgl_site_deinit(struct hgl_site *site)
{
  hgl_free(site->url);
  site->url = NULL;
  forget_texts(&site->names);
  forget_texts(&site->others);
}

/* Links --------------------------------------------------------------------------------------- */

static int add_link(const struct hgl_site *site, enum hgl_role role, bool renew, json_t *out,
                    struct hgl_err *err)
{
  struct hgl_buf text;
  hgl_buf_init(&text, 1024);
  hgl_buf_printf(&text, "%s#token=", site->url);
  int status = hgl_role_token(site->data, role, renew, site->random, &text, err);
  if (!status) status = hgl_buf_check(&text, err);
  if (!status && json_object_set_new(out, hgl_role_name(role),
                                     json_stringn((const char *)text.data, text.size)))
    status = hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  if (text.data) hgl_wipe(text.data, text.size);
  hgl_buf_deinit(&text);
  return status;
}

int hgl_site_links(struct hgl_site *site, enum hgl_role renewed, json_t **out, struct hgl_err *err)
{
  if (!site->url) return hgl_fail(err, HGL_NOT_FOUND, "this host has no listener");
  json_t *links = json_pack("{s:s, s:[]}", "url", site->url, "urls");
  int status = links ? 0 : hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  for (char **other = site->others; !status && other && *other; other++)
    if (json_array_append_new(json_object_get(links, "urls"), json_string(*other)))
      status = hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  for (enum hgl_role role = HGL_ROLE_VIEWER; !status && role <= HGL_ROLE_OPERATOR; role++)
    status = add_link(site, role, role == renewed, links, err);
  if (status) {
    json_decref(links);
    return status;
  }
  if (renewed != HGL_ROLE_NONE) hgl_site_hang_up(site, renewed);
  *out = links;
  return 0;
}

/* Answers ------------------------------------------------------------------------------------- */

void hgl_site_refuse(struct hgl_web_asked *asked, int status, const char *code, const char *why)
{
  struct hgl_web_field headers[3] = {{hgl_text("content-type"), hgl_text("application/json")},
                                     {hgl_text("cache-control"), hgl_text("no-store")}};
  size_t count = 2;
  if (status == 405) headers[count++] = (struct hgl_web_field){hgl_text("allow"), hgl_text("GET")};
  if (status == 401)
    headers[count++] = (struct hgl_web_field){hgl_text("www-authenticate"), hgl_text("Bearer")};
  if (status == 426)
    headers[count++] = (struct hgl_web_field){hgl_text("upgrade"), hgl_text("websocket")};
  struct hgl_buf body;
  hgl_buf_init(&body, 2048);
  hgl_http_put_error(&body, code, why);
  hgl_web_answer(asked, &(struct hgl_web_answer){status, headers, count, hgl_buf_bytes(&body)});
  hgl_buf_deinit(&body);
}

bool hgl_site_is_get(struct hgl_web_asked *asked)
{
  struct hgl_bytes method = asked->request.method;
  if (hgl_bytes_is(method, "GET") || hgl_bytes_is(method, "HEAD")) return true;
  hgl_site_refuse(asked, 405, "invalid", "here one only looks: GET");
  return false;
}
