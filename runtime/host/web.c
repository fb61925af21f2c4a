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

static void ask_agent(struct hgl_host *host, struct hgl_web_asked *asked)
{
  struct waiting *waiting = hgl_zalloc(sizeof *waiting);
  struct hgl_http_wait *wait;
  if (!waiting) {
    hgl_web_answer(asked, &(struct hgl_web_answer){.status = 503});
    return;
  }
  waiting->asked = asked;
  hgl_host_http(host, &asked->request, asked->origin, answered, waiting, &wait);
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

static void say_nothing_is_here(struct hgl_host *host, struct hgl_web_asked *asked)
{
  const struct hgl_web_field type = {hgl_text("content-type"), hgl_text("application/json")};
  struct hgl_buf body;
  hgl_buf_init(&body, 1024);
  hgl_http_put_error(&body, "not_found", "there is nothing here; agents are below /agents/NAME/");
  hgl_web_answer(asked, &(struct hgl_web_answer){404, &type, 1, hgl_buf_bytes(&body)});
  hgl_buf_deinit(&body);
}

void hgl_web_asked(struct hgl_host *host, struct hgl_web_asked *asked)
{
  static const struct {
    const char *prefix;
    void (*answer)(struct hgl_host *host, struct hgl_web_asked *asked);
  } places[] = {{"/agents/", ask_agent}, {"/", say_nothing_is_here}};
  struct hgl_bytes path = asked->request.path;
  if (!host) {
    hgl_web_answer(asked, &(struct hgl_web_answer){.status = 503});
    return;
  }
  for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
    size_t size = strlen(places[i].prefix);
    if (path.size < size || memcmp(path.data, places[i].prefix, size) != 0) continue;
    places[i].answer(host, asked);
    return;
  }
}
