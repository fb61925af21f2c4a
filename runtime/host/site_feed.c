/* The feed: the control API over a WebSocket, for whoever shows a token. */
#include <stdio.h>

#include "base/mem.h"
#include "host/control_api.h"
#include "host/site.h"

struct hgl_site_viewer {
  struct hgl_control_client client; /* first member */
  struct hgl_site *site;
  struct hgl_web_socket *socket;
  struct hgl_site_viewer *next, **link; /* in site->viewers */
  bool left;                            /* the control API does not know it any more */
};

static int say(void *link, struct hgl_bytes text, struct hgl_err *err)
{
  struct hgl_site_viewer *viewer = link;
  return hgl_web_socket_send(viewer->socket, text, err);
}

static size_t queued(void *link)
{
  const struct hgl_site_viewer *viewer = link;
  return hgl_web_socket_queued(viewer->socket);
}

static void leave(struct hgl_site_viewer *viewer)
{
  if (!viewer->left) hgl_control_api_left(viewer->site->control, &viewer->client);
  viewer->left = true;
}

static void message_came(void *user, struct hgl_web_socket *socket, struct hgl_bytes text)
{
  struct hgl_site_viewer *viewer = user;
  if (viewer->left) return;
  hgl_control_api_asked(viewer->site->control, &viewer->client, text);
  /* The first that it says is who it is, or it has nothing to say. */
  if (viewer->client.role == HGL_ROLE_NONE)
    hgl_web_socket_close(socket, HGL_WEB_SOCKET_DENIED, "no token that counts");
}

/* The next event of a subscription comes with the feed's next turn. */
static void drained(void *user, struct hgl_web_socket *socket) {}

static void closed(void *user, struct hgl_web_socket *socket)
{
  struct hgl_site_viewer *viewer = user;
  leave(viewer);
  *viewer->link = viewer->next;
  if (viewer->next) viewer->next->link = viewer->link;
  hgl_free(viewer);
}

void hgl_site_feed(struct hgl_site *site, struct hgl_web_asked *asked)
{
  static const struct hgl_web_socket_events events = {message_came, drained, closed};
  static const struct hgl_control_way way = {say, queued};
  struct hgl_err err = {0};
  int refused = hgl_site_check(site, &asked->request, &err);
  if (refused) {
    hgl_site_refuse(asked, refused, hgl_code_name(err.code), err.message);
    return;
  }
  if (!site->control) {
    hgl_site_refuse(asked, 503, "closed", "this host takes no calls now");
    return;
  }
  struct hgl_site_viewer *viewer = hgl_zalloc(sizeof *viewer);
  if (!viewer) {
    hgl_site_refuse(asked, 503, "no_memory", "out of memory");
    return;
  }
  int status = hgl_web_accept(asked, &events, viewer, &viewer->socket, &err);
  if (status) {
    hgl_free(viewer);
    hgl_site_refuse(asked, status == -HGL_INVALID ? 426 : 503, hgl_code_name(err.code),
                    err.message);
    return;
  }
  viewer->client.way = &way;
  viewer->client.link = viewer;
  snprintf(viewer->client.who, sizeof viewer->client.who, "%s (web)",
           hgl_web_socket_address(viewer->socket));
  viewer->site = site;
  viewer->next = site->viewers;
  viewer->link = &site->viewers;
  if (viewer->next) viewer->next->link = &viewer->next;
  site->viewers = viewer;
}

/* Whoever reaches the port can be refused as often as it likes: the log is not theirs to fill. */
static void log_refusal(struct hgl_site *site, const struct hgl_control_client *client,
                        int64_t now_ms, const struct hgl_err *why)
{
  enum { MINUTE_MS = 60 * 1000 };
  if (!site->refusals || now_ms - site->refusals_since_ms >= MINUTE_MS) {
    site->refusals_since_ms = now_ms;
    site->refusals = 0;
  }
  if (site->refusals >= HGL_SITE_REFUSALS_LOGGED) return;
  bool last = ++site->refusals == HGL_SITE_REFUSALS_LOGGED;
  hgl_log(site->log, HGL_LOG_WARN, "web", "%s is refused: %s%s", client->who, why->message,
          last ? "; others within this minute are not logged" : "");
}

int hgl_site_admit(struct hgl_site *site, struct hgl_control_client *client, struct hgl_bytes token,
                   struct hgl_err *err)
{
  const struct hgl_site_viewer *viewer = (const struct hgl_site_viewer *)client;
  int64_t now_ms = hgl_mono_ns(site->clock) / 1000000;
  enum hgl_role role;
  int status = hgl_role_token_check(&site->guard, site->data, token,
                                    hgl_web_socket_origin(viewer->socket), now_ms, site->random,
                                    &role, err);
  bool operates = !status && role == HGL_ROLE_OPERATOR;
  if (!status)
    status = hgl_web_socket_let_in(
        viewer->socket, HGL_SITE_VIEWERS_MAX - (operates ? 0 : HGL_SITE_OPERATORS_ONLY),
        operates ? HGL_SITE_VIEWERS_MAX : HGL_SITE_VIEWERS_OF_ORIGIN_MAX, err);
  if (status) {
    log_refusal(site, client, now_ms, err);
    return status;
  }
  client->role = role;
  if (!operates) hgl_web_socket_share(viewer->socket, &site->looking);
  if (operates) hgl_log(site->log, HGL_LOG_INFO, "web", "%s is an operator", client->who);
  return 0;
}

static void hang_up(struct hgl_site_viewer *viewer, enum hgl_web_socket_status status,
                    const char *why)
{
  leave(viewer);
  hgl_web_socket_close(viewer->socket, status, why);
}

void hgl_site_hang_up(struct hgl_site *site, enum hgl_role role)
{
  for (struct hgl_site_viewer *viewer = site->viewers; viewer; viewer = viewer->next)
    if (viewer->client.role == role)
      hang_up(viewer, HGL_WEB_SOCKET_DENIED, "its token does not count any more");
}

void hgl_site_close(struct hgl_site *site)
{
  for (struct hgl_site_viewer *viewer = site->viewers; viewer; viewer = viewer->next)
    hang_up(viewer, HGL_WEB_SOCKET_GOING_AWAY, "the host stops");
  site->control = NULL;
}
