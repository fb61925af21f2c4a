/* What happened, as it happens, as JSON: for tail, the demo and the dashboard's feed. */
#include "agent/internal.h"

json_t *json_did(const struct hgl_key *key)
{
  char did[HGL_DID_TEXT_SIZE];
  hgl_did_format(key, did);
  return json_string(did);
}

void watch_event(struct hgl_host *host, const char *kind, json_t *object)
{
  bool message = strcmp(kind, "message") == 0;
  if (host->watchers && object)
    json_object_set_new(object, "time_ms", json_integer(hgl_wall_ms(host->config.clock)));
  for (struct hgl_watcher *watcher = object ? host->watchers : NULL, *next; watcher;
       watcher = next) {
    next = watcher->next; /* it may leave */
    if (!message || watcher->messages) watcher->event(watcher->user, kind, object);
  }
  json_decref(object);
}

void watch_message(struct hgl_host *host, const struct message *message, const char *what)
{
  const struct hgl_watcher *watcher = host->watchers;
  while (watcher && !watcher->messages) watcher = watcher->next;
  if (!watcher) return;
  const struct hgl_envelope *envelope = &message->envelope;
  const struct agent *from = agent_by_key(host, &envelope->from);
  const struct agent *to = agent_by_key(host, &envelope->to);
  json_t *object = NULL;
  struct hgl_err err;
  if (hgl_envelope_to_json(envelope, &object, &err)) return;
  json_object_set_new(object, "what", json_string(what));
  if (from) json_object_set_new(object, "from_name", json_string(from->name));
  if (to) json_object_set_new(object, "to_name", json_string(to->name));
  watch_event(host, "message", object);
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
