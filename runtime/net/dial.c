#include <netinet/in.h>

#include "base/mem.h"
#include "net/address.h"
#include "net/link.h"

#define MS ((int64_t)1000000)

/* Addresses of one host ---------------------------------------------------------------------- */

static struct hgl_dial_url *find_url(struct hgl_dial *dial, const char *text)
{
  for (int i = 0; i < dial->url_count; i++)
    if (strcmp(dial->urls[i].text, text) == 0) return &dial->urls[i];
  return NULL;
}

static void remove_url(struct hgl_dial *dial, int at)
{
  int behind = dial->url_count - at - 1;
  memmove(&dial->urls[at], &dial->urls[at + 1], (size_t)behind * sizeof *dial->urls);
  dial->url_count--;
}

/* Room for one of this source: the oldest of the worst gives way, unless all are better. */
static bool make_room(struct hgl_dial *dial, enum hgl_url_source source)
{
  int at = dial->url_count - 1;
  if (dial->url_count < HGL_DIAL_ADDRESSES_MAX) return true;
  if (dial->urls[at].source > source) return false;
  while (at > 0 && dial->urls[at - 1].source == dial->urls[at].source) at--;
  remove_url(dial, at);
  return true;
}

/* What is known already can only become better known. Where a host answers another time, the place
 * where it did before is one that it claimed. */
static void add_url(struct hgl_dial *dial, const char *text, enum hgl_url_source source)
{
  struct hgl_dial_url url = {.source = source};
  struct hgl_dial_url *known = find_url(dial, text);
  if (known && known->source >= source) return;
  if (known) {
    url.turn = known->turn;
    remove_url(dial, (int)(known - dial->urls));
  }
  if (source == HGL_URL_ANSWERED && dial->url_count && dial->urls[0].source == source)
    dial->urls[0].source = HGL_URL_CLAIMED;
  if (!make_room(dial, source)) return;
  memcpy(url.text, text, strlen(text) + 1);
  int at = 0;
  while (at < dial->url_count && dial->urls[at].source >= source) at++;
  memmove(&dial->urls[at + 1], &dial->urls[at],
          (size_t)(dial->url_count - at) * sizeof *dial->urls);
  dial->urls[at] = url;
  dial->url_count++;
}

/* When to dial ------------------------------------------------------------------------------- */

/* Another dial is at work on the same host. */
static bool is_tried_elsewhere(const struct hgl_dial *dial)
{
  if (!dial->has_key) return false;
  for (const struct hgl_dial *other = dial->net->dials; other; other = other->next)
    if (other != dial && other->session && other->has_key && hgl_key_equal(&other->key, &dial->key))
      return true;
  return false;
}

/* Whether it should be dialled at all. */
static bool is_needed(const struct hgl_dial *dial)
{
  if (!dial->wanted || dial->url_count == 0 || dial->net->destroying) return false;
  if (dial->session || dial->resolving) return false;
  if (dial->has_key && hgl_net_session(dial->net, &dial->key)) return false;
  return !is_tried_elsewhere(dial);
}

static void plan(struct hgl_dial *dial, int64_t wait_ns)
{
  if (!is_needed(dial) || dial->due_ns != INT64_MAX) return;
  dial->due_ns = hgl_net_now(dial->net) + wait_ns;
  hgl_net_schedule(dial->net, dial->due_ns);
}

/* Doubling, with full jitter: hosts that lost the same peer do not come back all at once. */
static void plan_again(struct hgl_dial *dial)
{
  int64_t most_ms = HGL_NET_BACKOFF_MIN_MS;
  for (int i = 1; i < dial->failures && most_ms < HGL_NET_BACKOFF_MAX_MS; i++) most_ms *= 2;
  if (most_ms > HGL_NET_BACKOFF_MAX_MS) most_ms = HGL_NET_BACKOFF_MAX_MS;
  plan(dial, (int64_t)(hgl_random_u64(dial->net->config.random) % (uint64_t)(most_ms * MS)));
}

/* The next attempt goes to the next address of this name. */
static void turn(struct hgl_dial *dial)
{
  struct hgl_dial_url *url = find_url(dial, dial->url.text);
  if (url) url->turn++;
}

static void attempt_failed(struct hgl_dial *dial, const struct hgl_err *why)
{
  struct hgl_net *net = dial->net;
  dial->failures++;
  turn(dial);
  if (net->config.events.dial_failed)
    net->config.events.dial_failed(net->config.user, dial->has_key ? &dial->key : NULL,
                                   dial->url.text, why);
  plan_again(dial);
}

/* Connecting --------------------------------------------------------------------------------- */

static int connect_flags(const struct hgl_dial *dial)
{
  /* Elsewhere is not where we meant to go. */
  if (!dial->url.secure) return LCCSCF_HTTP_NO_FOLLOW_REDIRECT;
  /* Where the host's key is known Noise tells who answers; else the certificate has to. */
  return LCCSCF_HTTP_NO_FOLLOW_REDIRECT | LCCSCF_USE_SSL |
         (dial->has_key ? LCCSCF_ALLOW_SELFSIGNED | LCCSCF_ALLOW_INSECURE | LCCSCF_ALLOW_EXPIRED |
                              LCCSCF_SKIP_SERVER_CERT_HOSTNAME_CHECK
                        : 0);
}

/* Others could have this host knock at the doors of its neighbours. */
static bool is_off_limits(const struct hgl_dial *dial, const struct sockaddr *address)
{
  return !dial->persistent && !dial->net->config.allow_private && hgl_address_is_private(address);
}

static void connect_to(struct hgl_dial *dial, const struct sockaddr *to)
{
  struct hgl_net *net = dial->net;
  struct hgl_err why = {0};
  char address[INET6_ADDRSTRLEN];
  if (is_off_limits(dial, to)) {
    hgl_fail(&why, HGL_DENIED, "%s is a private address, named by others", dial->url.host);
    attempt_failed(dial, &why);
    return;
  }
  if (to->sa_family == AF_INET6)
    uv_ip6_name((const struct sockaddr_in6 *)to, address, sizeof address);
  else
    uv_ip4_name((const struct sockaddr_in *)to, address, sizeof address);
  struct lws_vhost *vhost = net->vhost;
  if (dial->url.secure && hgl_net_tls_vhost(net, !dial->has_key, &vhost, &why) != 0) {
    attempt_failed(dial, &why);
    return;
  }
  struct hgl_session *session = hgl_session_create(net, true, dial->url.text);
  if (!session) {
    hgl_fail(&why, HGL_NO_MEMORY, "out of memory");
    attempt_failed(dial, &why);
    return;
  }
  session->dial = dial;
  dial->session = session;
  session->connecting = true;
  struct lws_client_connect_info info = {
      .context = net->context,
      .vhost = vhost,
      .address = address,
      .port = dial->url.port,
      .ssl_connection = connect_flags(dial),
      .path = "/",
      .host = dial->url.host,
      .origin = dial->url.host,
      .protocol = HGL_SUBPROTOCOL,
      .local_protocol_name = HGL_SUBPROTOCOL,
      .alpn = "http/1.1",
      .opaque_user_data = session,
  };
  struct lws *wsi = lws_client_connect_via_info(&info);
  session->connecting = false;
  if (!wsi || session->lost) {
    hgl_fail(session->why.code ? NULL : &session->why, HGL_CLOSED, "the connection failed");
    hgl_session_ended(session);
    return;
  }
  session->wsi = wsi;
}

static void lookup_ended(uv_getaddrinfo_t *lookup, int status, struct addrinfo *found)
{
  struct hgl_dial *dial = lookup->data;
  struct hgl_net *net = dial->net;
  dial->resolving = false;
  net->open_handles--;
  if (net->destroying) {
    hgl_free(dial);
  } else if (status == 0 && found) {
    const struct hgl_dial_url *url = find_url(dial, dial->url.text);
    connect_to(dial, hgl_address_pick(found, url ? url->turn : 0));
  } else {
    struct hgl_err why = {0};
    hgl_fail(&why, HGL_IO, "%s: %s", dial->url.host,
             status ? uv_strerror(status) : "no address is known");
    attempt_failed(dial, &why);
  }
  if (found) uv_freeaddrinfo(found);
}

static bool is_numeric(const char *host, struct sockaddr_storage *out)
{
  return uv_ip4_addr(host, 0, (struct sockaddr_in *)out) == 0 ||
         uv_ip6_addr(host, 0, (struct sockaddr_in6 *)out) == 0;
}

void hgl_dial_start(struct hgl_dial *dial)
{
  struct hgl_net *net = dial->net;
  struct hgl_err why = {0};
  dial->due_ns = INT64_MAX;
  if (!is_needed(dial)) return;
  const struct hgl_dial_url *url = &dial->urls[dial->url_next++ % dial->url_count];
  dial->url_next %= dial->url_count;
  if (hgl_url_parse(url->text, &dial->url, &why) != 0) {
    attempt_failed(dial, &why);
    return;
  }
  struct sockaddr_storage numeric;
  if (is_numeric(dial->url.host, &numeric)) {
    connect_to(dial, (const struct sockaddr *)&numeric);
    return;
  }
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
  dial->lookup.data = dial;
  int status = uv_getaddrinfo(net->uv, &dial->lookup, lookup_ended, dial->url.host, NULL, &hints);
  if (status == 0) {
    dial->resolving = true;
    net->open_handles++;
  } else {
    hgl_uv_fail(&why, status, dial->url.host);
    attempt_failed(dial, &why);
  }
}

/* What becomes of sessions ------------------------------------------------------------------- */

void hgl_dial_verified(struct hgl_dial *dial, struct hgl_session *session)
{
  struct hgl_net *net = dial->net;
  add_url(dial, session->address, HGL_URL_ANSWERED);
  dial->url_next = 0; /* once it is lost, first where it answered */
  bool pinned = !dial->has_key || dial->pinned;
  if (!dial->has_key) {
    dial->key = session->peer;
    dial->has_key = dial->pinned = true;
  }
  if (net->config.events.address_verified)
    net->config.events.address_verified(net->config.user, &session->peer, session->address, pinned);
}

void hgl_dial_session_ended(struct hgl_net *net, struct hgl_session *session, bool was_up)
{
  struct hgl_dial *own = session->dial;
  if (own) {
    bool steady = was_up && hgl_net_now(net) - session->up_ns >= HGL_SESSION_STEADY_MS * MS;
    own->session = NULL;
    if (!was_up) turn(own);
    own->failures = steady ? 1 : own->failures + 1;
    plan_again(own);
  }
  const struct hgl_key *key = was_up ? &session->peer : own && own->has_key ? &own->key : NULL;
  for (struct hgl_dial *dial = net->dials; dial && key; dial = dial->next)
    if (dial != own && dial->has_key && hgl_key_equal(&dial->key, key)) plan_again(dial);
}

/* The address book --------------------------------------------------------------------------- */

static struct hgl_dial *create(struct hgl_net *net)
{
  struct hgl_dial *dial = hgl_zalloc(sizeof *dial);
  if (!dial) return NULL;
  dial->net = net;
  dial->due_ns = INT64_MAX;
  dial->touched = ++net->touches;
  dial->next = net->dials;
  dial->link = &net->dials;
  if (dial->next) dial->next->link = &dial->next;
  net->dials = dial;
  return dial;
}

void hgl_dial_destroy(struct hgl_dial *dial)
{
  struct hgl_net *net = dial->net;
  *dial->link = dial->next;
  if (dial->next) dial->next->link = dial->link;
  if (!dial->persistent) hgl_map_remove(&net->dials_by_peer, hgl_key_bytes(&dial->key));
  if (dial->session) dial->session->dial = NULL;
  if (dial->resolving)
    uv_cancel((uv_req_t *)&dial->lookup); /* its end frees the dial */
  else
    hgl_free(dial);
}

/* The peer that was heard of longest ago of those that are wanted so much, and with which nothing
 * is under way. */
static struct hgl_dial *oldest(struct hgl_net *net, enum hgl_link_want wanted)
{
  struct hgl_dial *oldest = NULL;
  for (struct hgl_dial *dial = net->dials; dial; dial = dial->next)
    if (!dial->persistent && dial->wanted == wanted && !dial->session && !dial->resolving &&
        (!oldest || dial->touched < oldest->touched))
      oldest = dial;
  return oldest;
}

static int peer_entry(struct hgl_net *net, const struct hgl_key *peer, struct hgl_dial **out,
                      struct hgl_err *err)
{
  struct hgl_dial *dial = hgl_map_get(&net->dials_by_peer, hgl_key_bytes(peer));
  if (dial) {
    *out = dial;
    return 0;
  }
  if (net->dials_by_peer.count >= HGL_NET_SESSIONS_MAX) {
    struct hgl_dial *least = oldest(net, HGL_LINK_UNWANTED);
    if (!least) least = oldest(net, HGL_LINK_OWED);
    if (!least)
      return hgl_fail(err, HGL_LIMIT, "addresses of %d peers that agents speak to are known",
                      HGL_NET_SESSIONS_MAX);
    hgl_dial_destroy(least);
  }
  dial = create(net);
  if (!dial) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  dial->key = *peer;
  dial->has_key = true;
  int status = hgl_map_put(&net->dials_by_peer, hgl_key_bytes(peer), dial, err);
  if (status != 0) {
    hgl_dial_destroy(dial);
    return status;
  }
  *out = dial;
  return 0;
}

int hgl_net_join(struct hgl_net *net, const char *url, struct hgl_err *err)
{
  struct hgl_url parsed;
  int status = hgl_url_parse(url, &parsed, err);
  if (status != 0) return status;
  if (net->join_count >= HGL_NET_JOINS_MAX)
    return hgl_fail(err, HGL_LIMIT, "%d hosts to join", net->join_count);
  struct hgl_dial *dial = create(net);
  if (!dial) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  net->join_count++;
  dial->persistent = true;
  dial->wanted = HGL_LINK_SOUGHT;
  dial->has_key = parsed.has_key;
  dial->key = parsed.key;
  add_url(dial, parsed.text, HGL_URL_CLAIMED);
  plan(dial, 0);
  return 0;
}

int hgl_net_add_address(struct hgl_net *net, const struct hgl_key *peer, const char *url,
                        enum hgl_url_source source, struct hgl_err *err)
{
  struct hgl_url parsed;
  struct hgl_dial *dial;
  int status = hgl_url_parse(url, &parsed, err);
  if (status == 0 && parsed.has_key && !hgl_key_equal(&parsed.key, peer))
    status = hgl_fail(err, HGL_MALFORMED, "the URL names another host");
  if (status == 0) status = peer_entry(net, peer, &dial, err);
  if (status != 0) return status;
  dial->touched = ++net->touches;
  add_url(dial, parsed.text, source);
  plan(dial, 0);
  return 0;
}

void hgl_net_want(struct hgl_net *net, const struct hgl_key *peer, enum hgl_link_want wanted)
{
  struct hgl_dial *dial = hgl_map_get(&net->dials_by_peer, hgl_key_bytes(peer));
  if (!dial) return;
  if (!dial->wanted) dial->url_next = 0; /* the best first */
  dial->wanted = wanted;
  if (!wanted) dial->due_ns = INT64_MAX;
  plan(dial, 0);
}
