#include "host/site_page.h"

#include "host/site.h"

/* Nothing is fetched from elsewhere, nothing runs that was not built with the host, no other page
 * frames it. Agents' answers are of the same origin, so that a script of theirs could be fetched:
 * hence no text becomes markup or the address of a script (trusted types). A browser asks each time
 * whether what it has still counts: after the next start of the host it may not. */
static const struct {
  const char *name, *value;
} headers_of_page[] = {
    {"content-security-policy",
     "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
     "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
     "require-trusted-types-for 'script'; trusted-types 'none'"},
    {"x-content-type-options", "nosniff"},
    {"referrer-policy", "no-referrer"},
    {"cross-origin-opener-policy", "same-origin"},
    {"cross-origin-resource-policy", "same-origin"},
    {"x-frame-options", "DENY"},
    {"cache-control", "no-cache"},
};
enum { HEADERS = sizeof headers_of_page / sizeof *headers_of_page };

static void answer(struct hgl_web_asked *asked, int status, const struct hgl_web_field *own,
                   size_t own_count, struct hgl_bytes body)
{
  struct hgl_web_field headers[HEADERS + 4];
  size_t count = 0;
  for (; count < HEADERS; count++)
    headers[count] = (struct hgl_web_field){hgl_text(headers_of_page[count].name),
                                            hgl_text(headers_of_page[count].value)};
  for (size_t i = 0; i < own_count; i++) headers[count++] = own[i];
  hgl_web_answer(asked, &(struct hgl_web_answer){status, headers, count, body});
}

static void say_it_is_not_built(struct hgl_web_asked *asked)
{
  static const char text[] =
      "This host was built without its dashboard, which is made with npm: install Node.js and npm "
      "(Debian: apt install npm), and build again (runtime/up --no-run).\n\n"
      "Agents, links and the feed work without it; so does `haggle top`.\n";
  const struct hgl_web_field type = {hgl_text("content-type"),
                                     hgl_text("text/plain; charset=utf-8")};
  answer(asked, 503, &type, 1, hgl_text(text));
}

/* ";q=0", ";q=0.000": not at any price. */
static bool is_excluded(struct hgl_bytes rest)
{
  static const char mark[] = ";q=0";
  size_t size = sizeof mark - 1;
  if (rest.size < size || memcmp(rest.data, mark, size) != 0) return false;
  while (size < rest.size && (rest.data[size] == '.' || rest.data[size] == '0')) size++;
  return size == rest.size || rest.data[size] == ',' || rest.data[size] == ' ';
}

/* "gzip", "br, gzip;q=0.5", "*"; who says nothing takes anything. */
static bool takes_gzip(const struct hgl_web_request *request)
{
  static const char *const words[] = {"gzip", "*"};
  bool says = false;
  for (size_t i = 0; i < request->header_count; i++) {
    struct hgl_bytes value = request->headers[i].value;
    if (!hgl_bytes_is(request->headers[i].name, "accept-encoding")) continue;
    says = true;
    for (size_t k = 0; k < sizeof words / sizeof *words; k++) {
      size_t size = strlen(words[k]);
      const uint8_t *at = value.size ? memmem(value.data, value.size, words[k], size) : NULL;
      if (!at) continue;
      if (!is_excluded(hgl_bytes(at + size, value.size - (size_t)(at - value.data) - size)))
        return true;
    }
  }
  return !says;
}

static bool has_it(const struct hgl_web_request *request, const char *tag)
{
  return hgl_web_lists(request, "if-none-match", tag) ||
         hgl_web_lists(request, "if-none-match", "*");
}

static void answer_file(struct hgl_web_asked *asked, const struct hgl_page_file *file)
{
  const struct hgl_web_field own[] = {{hgl_text("etag"), hgl_text(file->tag)},
                                      {hgl_text("vary"), hgl_text("accept-encoding")},
                                      {hgl_text("content-type"), hgl_text(file->type)},
                                      {hgl_text("content-encoding"), hgl_text("gzip")}};
  if (has_it(&asked->request, file->tag))
    answer(asked, 304, own, 2, hgl_text(""));
  else if (!takes_gzip(&asked->request))
    hgl_site_refuse(asked, 406, "invalid", "what is here is compressed with gzip");
  else
    answer(asked, 200, own, 4, hgl_bytes(file->data, file->size));
}

void hgl_site_page(struct hgl_site *site, struct hgl_web_asked *asked)
{
  struct hgl_bytes path = asked->request.path;
  struct hgl_err why = {0};
  int status = hgl_site_check(site, &asked->request, &why);
  if (status) {
    hgl_site_refuse(asked, status, hgl_code_name(why.code), why.message);
    return;
  }
  if (!hgl_site_is_get(asked)) return;
  for (const struct hgl_page_file *file = hgl_page_files; file->path; file++) {
    if (!hgl_bytes_is(path, file->path)) continue;
    answer_file(asked, file);
    return;
  }
  if (!hgl_page_files[0].path && hgl_bytes_is(path, "/"))
    say_it_is_not_built(asked);
  else
    hgl_site_refuse(asked, 404, "not_found", "there is no such part of the page");
}
