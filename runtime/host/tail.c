/* haggle tail: what happens on a running host, as it happens, a readable line each. */
#include <stdio.h>

#include "base/mem.h"
#include "host/client.h"
#include "host/text.h"

enum { LINE_SIZE_MAX = 8 << 20, DID_SHOWN = 8 };

static const char *text_of(const json_t *object, const char *field)
{
  const char *text = json_string_value(json_object_get(object, field));
  return text ? text : "";
}

/* A local agent's name, or the last letters of its did: they are what differs. */
static void put_agent(const json_t *event, const char *field, const char *name_field,
                      struct hgl_buf *out)
{
  const char *name = text_of(event, name_field), *did = text_of(event, field);
  size_t size = strlen(did);
  if (*name)
    hgl_escape(hgl_text(name), out);
  else if (size > DID_SHOWN)
    hgl_buf_printf(out, "…%s", did + size - DID_SHOWN);
}

static void put_field(const json_t *event, const char *field, struct hgl_buf *out)
{
  hgl_show_json(json_object_get(event, field), out);
}

static void put_message(const json_t *event, struct hgl_buf *out)
{
  put_agent(event, "from", "from_name", out);
  hgl_buf_append_text(out, " → ");
  put_agent(event, "to", "to_name", out);
  hgl_buf_append_text(out, "  ");
  put_field(event, "type", out);
  hgl_buf_append_text(out, "  ");
  put_field(event, "body", out);
  hgl_buf_append_text(out, "  ");
  put_field(event, "what", out);
}

static void put_log(const json_t *event, struct hgl_buf *out)
{
  put_field(event, "agent", out);
  hgl_buf_append_text(out, "  ");
  put_field(event, "text", out);
  if (!json_object_get(event, "fields")) return;
  hgl_buf_append_text(out, "  ");
  put_field(event, "fields", out);
}

static void put_deal(const json_t *event, struct hgl_buf *out)
{
  put_field(event, "agent", out);
  hgl_buf_append_text(out, " (");
  put_field(event, "role", out);
  hgl_buf_append_text(out, ")  ");
  put_field(event, "service", out);
  hgl_buf_append_text(out, "  at ");
  put_field(event, "price", out);
  hgl_buf_append_text(out, "  with ");
  put_agent(event, "counterparty", "", out);
  hgl_buf_append_text(out, "  ");
  put_field(event, "status", out);
}

/* Other kinds: their fields, as they come. */
static void put_fields(const json_t *event, struct hgl_buf *out)
{
  const char *key, *between = "";
  json_t *value;
  json_object_foreach((json_t *)event, key, value)
  {
    if (strcmp(key, "event") == 0 || strcmp(key, "time_ms") == 0) continue;
    hgl_buf_append_text(out, between);
    hgl_escape(hgl_text(key), out);
    hgl_buf_append_text(out, "=");
    hgl_show_json(value, out);
    between = "  ";
  }
}

static const struct {
  const char *kind;
  void (*put)(const json_t *event, struct hgl_buf *out);
} kinds[] = {{"message", put_message}, {"log", put_log}, {"deal", put_deal}};

static const char *colour_of(const struct hgl_colours *colours, const char *kind,
                             const json_t *event)
{
  const char *level = text_of(event, "level");
  if (strcmp(kind, "dead") == 0 || strcmp(level, "error") == 0) return colours->red;
  if (strcmp(level, "warn") == 0) return colours->yellow;
  if (strcmp(kind, "deal") == 0) return colours->green;
  return strcmp(kind, "message") == 0 ? colours->cyan : colours->plain;
}

static int print_event(const json_t *event, struct hgl_buf *line, struct hgl_err *err)
{
  const struct hgl_colours *colours = hgl_colours(stdout);
  const char *kind = text_of(event, "event");
  void (*put)(const json_t *, struct hgl_buf *) = put_fields;
  char time[HGL_TIME_TEXT_SIZE];
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
    if (strcmp(kinds[i].kind, kind) == 0) put = kinds[i].put;
  hgl_time_text(json_integer_value(json_object_get(event, "time_ms")), false, time);
  hgl_buf_clear(line);
  put(event, line);
  int status = hgl_buf_check(line, err);
  if (status) return status;
  /* The time without the day. */
  printf("%s%s%s %s", colours->dim, strlen(time) > 11 ? time + 11 : time, colours->plain,
         colour_of(colours, kind, event));
  printf("%-7s%s %.*s\n", kind, colours->plain, HGL_STR(hgl_buf_bytes(line)));
  return fflush(stdout) ? hgl_fail(err, HGL_CLOSED, "standard output is closed") : 0;
}

static json_t *make_request(const char *agent, const char *kinds_text)
{
  json_t *request = json_pack("{s:s}", "call", "tail");
  if (agent) json_object_set_new(request, "agent", json_string(agent));
  if (!kinds_text) return request;
  json_t *list = json_array();
  while (*kinds_text) {
    size_t size = strcspn(kinds_text, ",");
    json_array_append_new(list, json_stringn(kinds_text, size));
    kinds_text += size + (kinds_text[size] == ',');
  }
  json_object_set_new(request, "kinds", list);
  return request;
}

static int follow(const char *data, json_t *request, bool json, struct hgl_err *err)
{
  struct hgl_client *client = NULL;
  struct hgl_buf line;
  json_t *object = NULL;
  hgl_buf_init(&line, LINE_SIZE_MAX);
  int status = hgl_client_open(data, &client, err);
  if (status) {
    json_decref(request);
    goto done;
  }
  status = hgl_client_call(client, request, HGL_CLIENT_TIMEOUT_MS, &object, err);
  json_decref(object);
  while (status == 0 && (status = hgl_client_next(client, &object, err)) == 0) {
    status = json ? hgl_print_json(object, err) : print_event(object, &line, err);
    json_decref(object);
  }
done:
  hgl_buf_deinit(&line);
  hgl_client_close(client);
  return status;
}

static int tail_main(const struct hgl_verb *verb, int argc, char **argv)
{
  const char *data = HGL_DATA_DEFAULT, *agent = NULL, *kinds_text = NULL;
  bool json = false;
  const struct hgl_option options[] = {
      HGL_CLIENT_OPTIONS(&data, &json),
      {"agent", "NAME", HGL_OPTION_TEXT, &agent, "only what concerns this agent (name or did)"},
      {"kind", "KIND,…", HGL_OPTION_TEXT, &kinds_text,
       "only these: log, message, deal, agent, peer, dead"},
  };
  struct hgl_texts words = {0};
  struct hgl_err err = {0};
  int status;
  if (hgl_options_parse(verb, options, 4, argc, argv, &words, &status) &&
      follow(data, make_request(agent, kinds_text), json, &err) && !ferror(stdout))
    status = hgl_verb_fail(verb, &err); /* whoever read it may leave: that is no failure */
  hgl_texts_deinit(&words);
  return status;
}

const struct hgl_verb hgl_verb_tail = {
    .name = "tail",
    .usage = "[--data DIR] [--agent NAME] [--kind KIND,…] [--json]",
    .summary = "watch messages, logs and deals, live",
    .help = "Shows what happens on a running host until Ctrl-C. With --json: an object a line.\n\n"
            "  haggle tail\n"
            "  haggle tail --agent kiosk --kind message,log\n"
            "  haggle tail --json --kind deal | jq .price",
    .main = tail_main,
};
