#include "host/site.h"

#include <stdio.h>

#include "agent/host.h"
#include "base/mem.h"
#include "protocol/url.h"

/* Life ---------------------------------------------------------------------------------------- */

static int add_names(struct hgl_site *site, const char *const *urls, struct hgl_err *err)
{
  size_t count = 0;
  while (urls && urls[count]) count++;
  if (!(site->names = hgl_zalloc((count + 1) * sizeof *site->names)))
    return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  for (size_t i = 0, names = 0; i < count; i++) {
    struct hgl_url url;
    if (hgl_url_parse(urls[i], &url, NULL)) continue; /* says so whoever dials there */
    if (!(site->names[names++] = hgl_strndup(url.host, strlen(url.host))))
      return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  }
  return 0;
}

int hgl_site_init(struct hgl_site *site, const char *url, const char *const *urls,
                  struct hgl_err *err)
{
  const char *rest = url ? strstr(url, "://") : NULL;
  if (rest)
    snprintf(site->url, sizeof site->url, "%s%s/", strncmp(url, "wss", 3) == 0 ? "https" : "http",
             rest);
  return add_names(site, urls, err);
}

void hgl_site_deinit(struct hgl_site *site)
{
  for (char **name = site->names; name && *name; name++) hgl_free(*name);
  hgl_free(site->names);
  site->names = NULL;
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
  if (!*site->url) return hgl_fail(err, HGL_NOT_FOUND, "this host has no listener");
  json_t *links = json_pack("{s:s}", "url", site->url);
  int status = links ? 0 : hgl_fail(err, HGL_NO_MEMORY, "out of memory");
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
