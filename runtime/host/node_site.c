/* What a node shows on its port, and whom it lets in. */
#include "host/node_internal.h"
#include "host/web.h"

static void http_asked(void *user, struct hgl_web_asked *asked)
{
  hgl_web_asked(&((struct hgl_node *)user)->site, asked);
}

static void http_gone(void *user, struct hgl_web_asked *asked)
{
  hgl_web_gone(asked);
}

const struct hgl_web_events hgl_node_web = {http_asked, http_gone};

int hgl_node_check_token(void *user, const char *agent, struct hgl_bytes token, uint64_t origin,
                         struct hgl_err *err)
{
  struct hgl_node *node = user;
  int64_t now_ms = hgl_mono_ns(&hgl_clock_system) / 1000000;
  return hgl_http_token_check(&node->http_guard, node->data, agent, token, origin, now_ms,
                              &hgl_random_system, err);
}

static int admit(void *user, struct hgl_control_client *client, struct hgl_bytes token,
                 struct hgl_err *err)
{
  return hgl_site_admit(user, client, token, err);
}

static int links(void *user, enum hgl_role renewed, json_t **out, struct hgl_err *err)
{
  return hgl_site_links(user, renewed, out, err);
}

int hgl_node_links(struct hgl_node *node, json_t **out, struct hgl_err *err)
{
  return hgl_site_links(&node->site, HGL_ROLE_NONE, out, err);
}

void hgl_node_open_gate(struct hgl_node *node)
{
  const struct hgl_control_gate gate = {.admit = admit,
                                        .links = links,
                                        .user = &node->site,
                                        .log = node->log,
                                        .clock = &hgl_clock_system,
                                        .did = node->did,
                                        .started_ms = hgl_wall_ms(&hgl_clock_system)};
  hgl_control_api_set_gate(node->control, &gate);
  node->site.control = node->control;
}
