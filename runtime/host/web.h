/* What is asked by HTTP on the host's port: /agents/… goes to the agents, and the site (site.h) is
 * beside them. /api/… and /.well-known/… are reserved. Loop thread. */
#ifndef HGL_HOST_WEB_H
#define HGL_HOST_WEB_H

#include "agent/host.h"
#include "host/site.h"
#include "net/web.h"

/* For struct hgl_net_events: the site's host may be NULL, while there is none. */
void hgl_web_asked(struct hgl_site *site, struct hgl_web_asked *asked);
void hgl_web_gone(struct hgl_web_asked *asked);

#endif
