/* What happened, as it happens, as JSON: for tail, the demo and the dashboard's feed. */
#include "agent/internal.h"
#include "agent/look.h"

json_t *json_did(const struct hgl_key *key)
{
  char did[HGL_DID_TEXT_SIZE];
  hgl_did_format(key, did);
  return json_string(did);
}

void watch_event(struct hgl_host *host, const char *kind, json_t *object)
{
  bool message = strcmp(kind, "message") == 0;
  if (host->watchers && object && !json_object_get(object, "time_ms"))
    json_object_set_new(object, "time_ms", json_integer(hgl_wall_ms(host->config.clock)));
  for (struct hgl_watcher *watcher = object ? host->watchers : NULL, *next; watcher;
       watcher = next) {
    next = watcher->next; /* it may leave */
    if (!message || watcher->messages) watcher->event(watcher->user, kind, object);
  }
  json_decref(object);
}

static void tell_watchers(struct hgl_host *host, const struct hgl_seen *seen)
{
  struct hgl_meter *meter = &host->metering.meter;
  bool metered = host->message_watchers && ++meter->watched % METER_WATCHING == 0;
  /* Twice, because to read the clock takes part of what is measured. */
  int64_t before_ns = metered ? hgl_mono_ns(host->config.clock) : 0;
  int64_t start_ns = metered ? hgl_mono_ns(host->config.clock) : 0;
  for (struct hgl_message_watcher *at = host->message_watchers; at; at = at->next)
    at->seen(at->user, seen);
  if (!metered) return;
  int64_t took_ns = hgl_mono_ns(host->config.clock) - start_ns - (start_ns - before_ns);
  if (took_ns > 0 && took_ns <= METER_WATCHING_MOST_NS)
    meter->watching_ns += (uint64_t)took_ns * METER_WATCHING;
}

void watch_message(struct hgl_host *host, const struct message *message, const char *what)
{
  const struct hgl_watcher *watcher = host->watchers;
  if (!watcher && !host->message_watchers) return;
  const struct hgl_seen seen = {&message->envelope, what, message->bytes.size};
  tell_watchers(host, &seen);
  while (watcher && !watcher->messages) watcher = watcher->next;
  struct hgl_err ignored;
  json_t *object = NULL;
  if (watcher && !hgl_host_show_message(host, &seen, &object, &ignored))
    watch_event(host, "message", object);
}

void hgl_host_watch_messages(struct hgl_host *host, struct hgl_message_watcher *watcher)
{
  watcher->next = host->message_watchers;
  watcher->link = &host->message_watchers;
  if (watcher->next) watcher->next->link = &watcher->next;
  host->message_watchers = watcher;
}

void hgl_host_unwatch_messages(struct hgl_message_watcher *watcher)
{
  if (!watcher->link) return;
  *watcher->link = watcher->next;
  if (watcher->next) watcher->next->link = watcher->link;
  watcher->link = NULL;
}

void hgl_host_watch(struct hgl_host *host, struct hgl_watcher *watcher)
{
  struct hgl_watcher **at = &host->watchers;
  while (*at && *at != watcher) at = &(*at)->next;
  if (*at) return;
  watcher->next = NULL;
  *at = watcher;
}

void hgl_host_unwatch(struct hgl_host *host, struct hgl_watcher *watcher)
{
  struct hgl_watcher **at = &host->watchers;
  while (*at && *at != watcher) at = &(*at)->next;
  if (*at) *at = watcher->next;
}
