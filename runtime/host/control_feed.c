/* The control API's calls "subscribe" and "unsubscribe": its clients as viewers of the feed. */
#include "host/control_call.h"

static int tell(void *link, struct hgl_bytes text, struct hgl_err *err)
{
  struct hgl_control_client *client = link;
  return client->way->send(client->link, text, err);
}

static size_t queued(void *link)
{
  struct hgl_control_client *client = link;
  return client->way->queued(client->link);
}

int hgl_control_subscribe(struct hgl_feed *feed, struct hgl_control_client *client,
                          const json_t *request, struct hgl_err *err)
{
  static const struct hgl_feed_way way = {tell, queued};
  if (!feed) return hgl_fail(err, HGL_NOT_FOUND, "this host has no feed");
  int status = client->viewer ? 0 : hgl_feed_join(feed, &way, client, &client->viewer, err);
  return status ? status : hgl_feed_subscribe(client->viewer, request, err);
}

int hgl_control_unsubscribe(struct hgl_control_client *client, const json_t *request,
                            struct hgl_err *err)
{
  if (!client->viewer) return hgl_fail(err, HGL_NOT_FOUND, "this client has no subscription");
  return hgl_feed_unsubscribe(client->viewer, request, err);
}
