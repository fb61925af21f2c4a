/* The site: what a host shows of itself to browsers on its port. The page of the dashboard, the
 * feed that the page looks through (CONTROL.md and dashboard/FEED.md, over a WebSocket), /metrics
 * and /healthz. Loop thread.
 *
 * A browser on this machine also shows pages of strangers, whose scripts can reach the port. So who
 * asks for the page or the feed names this host (a name that was led here is none of ours), a page
 * of another origin is refused, and the feed says nothing before a token was shown, which lies
 * where only the host's owner reads it. */
#ifndef HGL_HOST_SITE_H
#define HGL_HOST_SITE_H

#include <jansson.h>

#include "base/log.h"
#include "host/control_client.h"
#include "host/http_tokens.h"
#include "net/web_socket.h"

enum {
  HGL_SITE_VIEWERS_MAX = 32,
  HGL_SITE_OPERATORS_ONLY = 8,         /* of these places */
  HGL_SITE_VIEWERS_OF_ORIGIN_MAX = 16, /* that are no operators */
  HGL_SITE_REFUSALS_LOGGED = 10,       /* in a minute */
};

struct hgl_control_api;
struct hgl_feed;
struct hgl_host;
struct hgl_infer;
struct hgl_site_viewer;

struct hgl_site {
  const struct hgl_clock *clock;
  const struct hgl_random *random;
  const struct hgl_log *log;
  const char *data;                /* the data folder */
  char *url;                       /* "http://127.0.0.1:7001/"; NULL: no listener */
  char **names;                    /* by which others know this host; ends with NULL; or NULL */
  char **others;                   /* and where a browser there finds it; likewise */
  struct hgl_host *host;           /* NULL: not yet, or no more */
  struct hgl_control_api *control; /* likewise */
  const struct hgl_feed *feed;     /* likewise */
  struct hgl_infer *infer;         /* or NULL: this host runs no models */
  struct hgl_http_guard guard;     /* against who guesses tokens */
  int64_t refusals_since_ms;       /* monotonic; and how many since then, a minute at most */
  int refusals;
  struct hgl_web_use looking; /* of the loop's time, by the calls of those who only look */
  struct hgl_site_viewer *viewers;
};

/* `url` is the listener's ("ws://…", "wss://…"), `urls` where others dial; NULL or ended by it. The
 * rest is borrowed for the site's life. */
int hgl_site_init(struct hgl_site *site, const char *url, const char *const *urls,
                  struct hgl_err *err) HGL_NODISCARD;
void hgl_site_deinit(struct hgl_site *site);
/* Hangs up on all viewers: before the control API and the host end. */
void hgl_site_close(struct hgl_site *site);

/* {"url", "urls", "viewer", "operator"}: where the page is, also for others; and links with the
 * tokens of both roles.
 * `renewed`: with a new token for that role, whose viewers are hung up on; or HGL_ROLE_NONE.
 * HGL_NOT_FOUND: there is no listener. */
int hgl_site_links(struct hgl_site *site, enum hgl_role renewed, json_t **out,
                   struct hgl_err *err) HGL_NODISCARD;
/* Whoever looks in this role is hung up on. */
void hgl_site_hang_up(struct hgl_site *site, enum hgl_role role);
/* One of our viewers says hello with this token, and has a role from here on. HGL_DENIED;
 * HGL_LIMIT: too many wrong ones, or too many viewers. */
int hgl_site_admit(struct hgl_site *site, struct hgl_control_client *client, struct hgl_bytes token,
                   struct hgl_err *err) HGL_NODISCARD;

/* site_guard.c. 0, or the status to answer with: the Host names another, or none (421), or the
 * Origin is not that Host (403). */
int hgl_site_check(const struct hgl_site *site, const struct hgl_web_request *request,
                   struct hgl_err *why);
/* Whether a program of this machine asks by itself: not led here by a name, nor through a proxy. */
bool hgl_site_is_local(const struct hgl_web_request *request);

/* What lies at each path. */
void hgl_site_page(struct hgl_site *site, struct hgl_web_asked *asked);    /* site_page.c */
void hgl_site_feed(struct hgl_site *site, struct hgl_web_asked *asked);    /* site_feed.c */
void hgl_site_health(struct hgl_site *site, struct hgl_web_asked *asked);  /* site_status.c */
void hgl_site_metrics(struct hgl_site *site, struct hgl_web_asked *asked); /* site_status.c */

/* {"error":{"code","message"}}, with the headers that belong to the status. */
void hgl_site_refuse(struct hgl_web_asked *asked, int status, const char *code, const char *why);
/* GET or HEAD; else it has been refused. */
bool hgl_site_is_get(struct hgl_web_asked *asked);

#endif
