#include "host/web.h"

#include "base/mem.h"

/* ---- agents ---- */

struct waiting {
  struct hgl_web_asked *asked;
  struct hgl_http_wait *wait; /* NULL: it is answered within the call */
};

/* What an agent sends is for whoever asked. All agents of a host are one origin to a browser: a
 * page of one gets an origin of its own instead, and reads nothing of the others; nor is it taken
 * for another type of content than it says. */
static const struct {
  const char *name, *value;
} guards[] = {
    {"x-content-type-options", "nosniff"},
    {"content-security-policy", "sandbox allow-downloads allow-forms allow-popups allow-scripts"}};

enum { GUARDS = sizeof guards / sizeof *guards };

static void answered(void *user, const struct hgl_web_answer *answer)
{
  struct waiting *waiting = user;
  struct hgl_web_field headers[HGL_WEB_HEADERS_MAX + 2 + GUARDS];
  struct hgl_web_answer guarded = *answer;
  size_t count = answer->header_count;
  if (count > HGL_WEB_HEADERS_MAX + 2) count = HGL_WEB_HEADERS_MAX + 2;
  if (count) memcpy(headers, answer->headers, count * sizeof *headers);
  for (size_t i = 0; i < GUARDS; i++)
    headers[count++] = (struct hgl_web_field){hgl_text(guards[i].name), hgl_text(guards[i].value)};
  guarded.headers = headers;
  guarded.header_count = count;
  waiting->asked->user = NULL;
  hgl_web_answer(waiting->asked, &guarded);
  hgl_free(waiting);
}

static void ask_agent(struct hgl_site *site, struct hgl_web_asked *asked)
{
  struct waiting *waiting = hgl_zalloc(sizeof *waiting);
  struct hgl_http_wait *wait;
  if (!waiting) {
    hgl_web_answer(asked, &(struct hgl_web_answer){.status = 503});
    return;
  }
  waiting->asked = asked;
  hgl_host_http(site->host, &asked->request, asked->origin, answered, waiting, &wait);
  if (!wait) return;
  waiting->wait = wait;
  asked->user = waiting;
}

void hgl_web_gone(struct hgl_web_asked *asked)
{
  struct waiting *waiting = asked->user;
  if (!waiting) return;
  hgl_host_http_gone(waiting->wait);
  hgl_free(waiting);
}

/* ---- the rest ---- */

static void say_nothing_is_here(struct hgl_site *site, struct hgl_web_asked *asked)
{
  hgl_site_refuse(asked, 404, "not_found",
                  "there is nothing here; agents are below /agents/NAME/, the dashboard at /");
}

void hgl_web_asked(struct hgl_site *site, struct hgl_web_asked *asked)
{
  static const struct {
    const char *path; /* or what it begins with */
    void (*answer)(struct hgl_site *site, struct hgl_web_asked *asked);
    bool whole;
  } places[] = {
      {"/agents/", ask_agent, false},      {"/", hgl_site_page, true},
      {"/assets/", hgl_site_page, false},  {"/api/feed", hgl_site_feed, true},
      {"/healthz", hgl_site_health, true}, {"/metrics", hgl_site_metrics, true},
      {"/", say_nothing_is_here, false},
  };
  struct hgl_bytes path = asked->request.path;
  bool health = hgl_bytes_is(path, "/healthz");
  if (!site->host && !health) {
    hgl_web_answer(asked, &(struct hgl_web_answer){.status = 503});
    return;
  }
  for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
    size_t size = strlen(places[i].path);
    if (path.size < size || (places[i].whole && path.size != size) ||
        memcmp(path.data, places[i].path, size) != 0)
      continue;
    places[i].answer(site, asked);
    return;
  }
}
