/* What machines ask: whether the host is well, and its numbers. */
#include <inttypes.h>

#include "agent/host.h"
#include "host/site.h"

/* For balancers and watchdogs of all kinds, so that nothing is asked of them. */
void hgl_site_health(struct hgl_site *site, struct hgl_web_asked *asked)
{
  const struct hgl_web_field headers[] = {
      {hgl_text("content-type"), hgl_text("text/plain; charset=utf-8")},
      {hgl_text("cache-control"), hgl_text("no-store")}};
  const char *held = site->host ? hgl_host_held(site->host) : "stopping";
  struct hgl_buf text;
  if (!hgl_site_is_get(asked)) return;
  hgl_buf_init(&text, 64);
  hgl_buf_printf(&text, "%s\n", held ? held : "ok");
  hgl_web_answer(asked,
                 &(struct hgl_web_answer){held ? 503 : 200, headers, 2, hgl_buf_bytes(&text)});
  hgl_buf_deinit(&text);
}

/* ---- metrics ---- */

static bool may_count(struct hgl_site *site, const struct hgl_web_asked *asked, struct hgl_err *why)
{
  static const char scheme[] = "Bearer ";
  struct hgl_bytes token = hgl_text("");
  enum hgl_role role;
  if (hgl_site_is_local(&asked->request)) return true;
  if (hgl_web_header(&asked->request, "authorization", &token)) {
    size_t size = sizeof scheme - 1;
    bool bearer = token.size > size && memcmp(token.data, scheme, size) == 0;
    token = bearer ? hgl_bytes(token.data + size, token.size - size) : hgl_text("");
  }
  return hgl_role_token_check(&site->guard, site->data, token, asked->origin,
                              hgl_mono_ns(site->clock) / 1000000, site->random, &role, why) == 0;
}

static void put_metrics(const struct hgl_host *host, struct hgl_buf *out)
{
  const struct hgl_host_counts counts = hgl_host_counts(host);
  const struct {
    const char *name, *help;
    uint64_t value;
  } counters[] = {
      {"ticks", "Ticks of the host.", counts.ticks},
      {"commits", "Durable commits.", counts.commits},
      {"signatures", "Signatures made.", counts.signatures},
      {"verifications", "Signatures checked.", counts.verifications},
      {"messages_sent", "Messages that agents here said.", counts.sent},
      {"messages_received", "Messages that came.", counts.received},
      {"messages_handled", "Messages that a handler is done with.", counts.handled},
      {"messages_refused", "Messages that were refused.", counts.refused},
      {"raises", "Stretches of handlers that raised.", counts.raised},
      {"dead_letters", "Messages that became dead letters.", counts.dead},
      {"deals", "Records of deals.", counts.deals},
  };
  for (size_t i = 0; i < sizeof counters / sizeof *counters; i++)
    hgl_buf_printf(out,
                   "# HELP haggle_%s_total %s\n# TYPE haggle_%s_total counter\nhaggle_%s_total "
                   "%" PRIu64 "\n",
                   counters[i].name, counters[i].help, counters[i].name, counters[i].name,
                   counters[i].value);
}

void hgl_site_metrics(struct hgl_site *site, struct hgl_web_asked *asked)
{
  const struct hgl_web_field headers[] = {
      {hgl_text("content-type"), hgl_text("text/plain; version=0.0.4; charset=utf-8")},
      {hgl_text("cache-control"), hgl_text("no-store")}};
  struct hgl_err why = {0};
  struct hgl_buf text;
  if (!hgl_site_is_get(asked)) return;
  if (!may_count(site, asked, &why)) {
    int status = why.code == HGL_LIMIT ? 429 : why.code == HGL_DENIED ? 401 : 500;
    hgl_site_refuse(asked, status, hgl_code_name(why.code),
                    status == 401 ? "ask on this machine, or show a token of `haggle dashboard`"
                                  : why.message);
    return;
  }
  hgl_buf_init(&text, 256 << 10);
  put_metrics(site->host, &text);
  if (hgl_buf_check(&text, &why))
    hgl_site_refuse(asked, 503, hgl_code_name(why.code), why.message);
  else
    hgl_web_answer(asked, &(struct hgl_web_answer){200, headers, 2, hgl_buf_bytes(&text)});
  hgl_buf_deinit(&text);
}
