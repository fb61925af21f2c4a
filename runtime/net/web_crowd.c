/* Who gives way where there is no room for all: of many, whoever is slow, or has the most. */
#include "net/web_conn.h"

int hgl_web_requests_of(const struct hgl_net *net, uint64_t origin)
{
  int count = 0;
  for (const struct hgl_web_conn *conn = net->web_conns; conn; conn = conn->next)
    count += conn->under_way && conn->origin == origin;
  return count;
}

struct hgl_web_conn *hgl_web_oldest_idle(const struct hgl_net *net, uint64_t origin)
{
  struct hgl_web_conn *any = NULL, *same = NULL;
  for (struct hgl_web_conn *conn = net->web_conns; conn; conn = conn->next) {
    if (!conn->counted || conn->stage != HGL_WEB_HEAD || conn->in.size || conn->out.size) continue;
    if (!any || conn->due_ns < any->due_ns) any = conn;
    if (conn->origin == origin && (!same || conn->due_ns < same->due_ns)) same = conn;
  }
  return same ? same : any;
}

struct hgl_web_conn *hgl_web_slowest_body(const struct hgl_net *net)
{
  struct hgl_web_conn *chosen = NULL;
  int most = 0;
  for (struct hgl_web_conn *conn = net->web_conns; conn; conn = conn->next) {
    if (conn->stage != HGL_WEB_BODY) continue;
    int count = hgl_web_requests_of(net, conn->origin);
    if (count < most || (chosen && count == most && conn->began_ns > chosen->began_ns)) continue;
    most = count;
    chosen = conn;
  }
  return chosen;
}

static int connections_of(const struct hgl_net *net, uint64_t origin)
{
  int count = 0;
  for (const struct hgl_web_conn *conn = net->web_conns; conn; conn = conn->next)
    count += conn->counted && conn->origin == origin;
  return count;
}

struct hgl_web_conn *hgl_web_slowest(const struct hgl_net *net, bool answers,
                                     const struct hgl_web_conn *spared)
{
  struct hgl_web_conn *chosen = NULL;
  int most = 0;
  for (struct hgl_web_conn *conn = net->web_conns; conn; conn = conn->next) {
    if (!conn->counted || conn == spared || conn->stage == HGL_WEB_ASKED) continue;
    if (answers && conn->stage != HGL_WEB_ANSWERING) continue;
    int count = connections_of(net, conn->origin);
    if (count < most || (chosen && count == most && conn->began_ns > chosen->began_ns)) continue;
    most = count;
    chosen = conn;
  }
  return chosen;
}
