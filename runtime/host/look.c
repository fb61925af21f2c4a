/* The verbs that show what a running host knows: agents, peers, find, deals, proofs. */
#include "base/mem.h"
#include "host/client.h"
#include "host/text.h"

enum { DEALS_LIMIT = 50 };

/* Steals the request. Prints the rows of its answers, `limit` at most. */
static int show(const struct hgl_verb *verb, const char *data, json_t *request, size_t limit,
                bool json, const struct hgl_column *columns, const char *none)
{
  struct hgl_err err = {0};
  json_t *rows = NULL;
  int status = hgl_client_list(data, request, limit, &rows, &err);
  if (status == 0) status = hgl_print_list(rows, json, columns, none, &err);
  json_decref(rows);
  return status ? hgl_verb_fail(verb, &err) : HGL_EXIT_OK;
}

/* A verb without words of its own. */
static int list_main(const struct hgl_verb *verb, int argc, char **argv, const char *call,
                     const struct hgl_column *columns, const char *none)
{
  const char *data = HGL_DATA_DEFAULT;
  bool json = false;
  const struct hgl_option options[] = {HGL_CLIENT_OPTIONS(&data, &json)};
  struct hgl_texts words = {0};
  int status;
  if (hgl_options_parse(verb, options, 2, argc, argv, &words, &status))
    status = words.count ? hgl_usage_fail(verb, "\"%s\" is too much", words.items[0])
                         : show(verb, data, json_pack("{s:s}", "call", call), SIZE_MAX, json,
                                columns, none);
  hgl_texts_deinit(&words);
  return status;
}

/* "GET /forecast, POST /lots"; NULL: no memory. */
static json_t *list_routes(const json_t *routes)
{
  size_t index;
  json_t *route, *text = NULL;
  json_array_foreach(routes, index, route)
  {
    json_t *longer = text
                         ? json_sprintf("%s, %s", json_string_value(text), json_string_value(route))
                         : json_incref(route);
    json_decref(text);
    text = longer;
    if (!text) return NULL;
  }
  return text;
}

/* For people: "starting in 4 s", "asleep", and why one does not run or what its last error was. */
static int explain_agents(json_t *rows, struct hgl_err *err)
{
  size_t index;
  json_t *row;
  json_array_foreach(rows, index, row)
  {
    const char *status = json_string_value(json_object_get(row, "status"));
    if (json_is_true(json_object_get(row, "asleep")) && strcmp(status, "running") == 0)
      status = "asleep";
    const json_t *left = json_object_get(row, "starts_in_ms");
    json_t *why = json_object_get(row, "reason");
    json_t *raise = why ? NULL : json_object_get(row, "last_raise");
    if (!why) why = json_object_get(row, "last_error");
    json_t *shown = json_is_integer(left)
                        ? json_sprintf("%s in %lld s", status ? status : "starting",
                                       (long long)(json_integer_value(left) + 999) / 1000)
                        : json_string(status ? status : "");
    why = json_is_string(why) && json_is_string(raise)
              ? json_sprintf("%s [%s]", json_string_value(why), json_string_value(raise))
              : json_incref(why);
    const json_t *bytes = json_object_get(row, "memory_bytes");
    json_t *memory = json_sprintf("%lld KB", (long long)(json_integer_value(bytes) + 1023) / 1024);
    if (json_object_set_new(row, "shown", shown) || json_object_set_new(row, "memory", memory) ||
        (why && json_object_set_new(row, "why", why)) ||
        (json_array_size(json_object_get(row, "routes")) &&
         json_object_set_new(row, "http", list_routes(json_object_get(row, "routes")))))
      return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  }
  return 0;
}

static int show_agents(const struct hgl_verb *verb, const char *data, bool json)
{
  static const struct hgl_column columns[] = {{"name", "name", HGL_COLUMN_TEXT},
                                              {"status", "shown", HGL_COLUMN_TEXT},
                                              {"restarts", "restarts", HGL_COLUMN_NUMBER},
                                              {"version", "version", HGL_COLUMN_NUMBER},
                                              {"waiting", "mailbox", HGL_COLUMN_NUMBER},
                                              {"handled", "handled", HGL_COLUMN_NUMBER},
                                              {"sent", "sent", HGL_COLUMN_NUMBER},
                                              {"raised", "raised", HGL_COLUMN_NUMBER},
                                              {"memory", "memory", HGL_COLUMN_NUMBER},
                                              {"did", "did", HGL_COLUMN_TEXT},
                                              {"http", "http", HGL_COLUMN_RARE},
                                              {"why", "why", HGL_COLUMN_RARE},
                                              {0}};
  struct hgl_err err = {0};
  json_t *rows = NULL;
  int status = hgl_client_list(data, json_pack("{s:s}", "call", "agents"), SIZE_MAX, &rows, &err);
  if (status == 0 && !json) status = explain_agents(rows, &err);
  if (status == 0) status = hgl_print_list(rows, json, columns, "no agents", &err);
  json_decref(rows);
  return status ? hgl_verb_fail(verb, &err) : HGL_EXIT_OK;
}

static int agents_main(const struct hgl_verb *verb, int argc, char **argv)
{
  const char *data = HGL_DATA_DEFAULT;
  bool json = false;
  const struct hgl_option options[] = {HGL_CLIENT_OPTIONS(&data, &json)};
  struct hgl_texts words = {0};
  int status;
  if (hgl_options_parse(verb, options, 2, argc, argv, &words, &status))
    status = words.count ? hgl_usage_fail(verb, "\"%s\" is too much; one agent: haggle agent",
                                          words.items[0])
                         : show_agents(verb, data, json);
  hgl_texts_deinit(&words);
  return status;
}

static int peers_main(const struct hgl_verb *verb, int argc, char **argv)
{
  static const struct hgl_column columns[] = {{"peer", "did", HGL_COLUMN_TEXT},
                                              {"linked", "linked", HGL_COLUMN_TEXT},
                                              {"waiting", "unacknowledged", HGL_COLUMN_NUMBER},
                                              {"skew ms", "skew_ms", HGL_COLUMN_NUMBER},
                                              {"forked", "forked", HGL_COLUMN_TEXT},
                                              {"address", "url", HGL_COLUMN_TEXT},
                                              {0}};
  return list_main(
      verb, argc, argv, "peers", columns,
      "no peers; join one with `haggle run --join URL`, whose log says what it cannot reach");
}

static int proofs_main(const struct hgl_verb *verb, int argc, char **argv)
{
  static const struct hgl_column columns[] = {{"kind", "kind", HGL_COLUMN_TEXT},
                                              {"by", "by", HGL_COLUMN_TEXT},
                                              {"sequence", "sequence", HGL_COLUMN_NUMBER},
                                              {"subject", "subject", HGL_COLUMN_TEXT},
                                              {0}};
  return list_main(verb, argc, argv, "proofs", columns, "nobody is proved to contradict itself");
}

static int deals_main(const struct hgl_verb *verb, int argc, char **argv)
{
  static const struct hgl_column columns[] = {{"id", "id", HGL_COLUMN_TEXT},
                                              {"agent", "agent", HGL_COLUMN_TEXT},
                                              {"role", "role", HGL_COLUMN_TEXT},
                                              {"service", "service", HGL_COLUMN_TEXT},
                                              {"price", "price", HGL_COLUMN_NUMBER},
                                              {"rounds", "rounds", HGL_COLUMN_NUMBER},
                                              {"status", "status", HGL_COLUMN_TEXT},
                                              {"with", "with", HGL_COLUMN_TEXT},
                                              {0}};
  const char *data = HGL_DATA_DEFAULT;
  bool json = false;
  int64_t limit = DEALS_LIMIT;
  const struct hgl_option options[] = {
      HGL_CLIENT_OPTIONS(&data, &json),
      {"limit", "N", HGL_OPTION_COUNT, &limit, "the last N (default 50)"},
  };
  struct hgl_texts words = {0};
  int status;
  if (hgl_options_parse(verb, options, 3, argc, argv, &words, &status))
    status = limit > 0 ? show(verb, data, json_pack("{s:s}", "call", "deals"), (size_t)limit, json,
                              columns, "no deals yet")
                       : hgl_usage_fail(verb, "--limit is at least 1");
  hgl_texts_deinit(&words);
  return status;
}

/* The words make one query, so that it need not be quoted as a whole. */
static int ask_find(const struct hgl_verb *verb, const char *data, bool json,
                    const struct hgl_texts *words)
{
  static const struct hgl_column columns[] = {{"name", "name", HGL_COLUMN_TEXT},
                                              {"service", "service", HGL_COLUMN_TEXT},
                                              {"price", "price", HGL_COLUMN_NUMBER},
                                              {"protocol", "protocol", HGL_COLUMN_TEXT},
                                              {"agent", "agent", HGL_COLUMN_TEXT},
                                              {"host", "host", HGL_COLUMN_TEXT},
                                              {0}};
  struct hgl_buf query;
  hgl_buf_init(&query, 64 * 1024);
  for (size_t i = 0; i < words->count; i++) {
    if (i) hgl_buf_append_text(&query, " ");
    hgl_buf_append_text(&query, words->items[i]);
  }
  json_t *request = json_pack("{s:s, s:s%}", "call", "find", "query",
                              query.size ? (const char *)query.data : "", query.size);
  int status = request ? show(verb, data, request, SIZE_MAX, json, columns, "nobody offers that")
                       : hgl_usage_fail(verb, "the query is no UTF-8 text");
  hgl_buf_deinit(&query);
  return status;
}

static int find_main(const struct hgl_verb *verb, int argc, char **argv)
{
  const char *data = HGL_DATA_DEFAULT;
  bool json = false;
  const struct hgl_option options[] = {HGL_CLIENT_OPTIONS(&data, &json)};
  struct hgl_texts words = {0};
  int status;
  if (hgl_options_parse(verb, options, 2, argc, argv, &words, &status))
    status = ask_find(verb, data, json, &words);
  hgl_texts_deinit(&words);
  return status;
}

const struct hgl_verb hgl_verb_agents = {
    .name = "agents",
    .usage = "[--data DIR] [--json]",
    .summary = "the agents of a running host",
    .help =
        "Lists agents: whether each runs, or why not (paused, parked, stopped, starting in N s),\n"
        "what waits for it, what it did, and its last error. `haggle agent` changes one.\n\n"
        "  haggle agents\n"
        "  haggle agents --json | jq .did",
    .main = agents_main,
};

const struct hgl_verb hgl_verb_peers = {
    .name = "peers",
    .usage = "[--data DIR] [--json]",
    .summary = "the other hosts it knows",
    .help =
        "Lists other hosts: whether a link is up, what waits to be acknowledged, how far their\n"
        "clock is off, and whether they are proved to have signed two histories (see\n"
        "`haggle proofs`).\n\n"
        "  haggle peers",
    .main = peers_main,
};

const struct hgl_verb hgl_verb_proofs = {
    .name = "proofs",
    .usage = "[--data DIR] [--json]",
    .summary = "who is proved to have contradicted itself",
    .help = "Lists hosts that signed two different histories (fork) and agents that signed two\n"
            "different delegations of one number (delegation_conflict). Each can be exported to a\n"
            "file that convinces anyone:\n\n"
            "  haggle proofs\n"
            "  haggle export did:key:z6Mk… --out fork.evidence && haggle verify fork.evidence",
    .main = proofs_main,
};

const struct hgl_verb hgl_verb_deals = {
    .name = "deals",
    .usage = "[--data DIR] [--json] [--limit N]",
    .summary = "the deals its agents have made",
    .help = "Lists deals, newest first. Both sides' signed words can be exported:\n\n"
            "  haggle deals --limit 10\n"
            "  haggle export ID --out deal.evidence && haggle verify deal.evidence",
    .main = deals_main,
};

const struct hgl_verb hgl_verb_find = {
    .name = "find",
    .usage = "[--data DIR] [--json] [QUERY]",
    .summary = "who offers what, here and on other hosts",
    .help = "Searches the directory. Without a query: every offer.\n\n"
            "  haggle find service=weather\n"
            "  haggle find 'service=weather price<=4 region in (at,de) order price limit 3'\n"
            "  haggle find 'service=gpu memory>=16 not region=us'\n"
            "  haggle find 'near(47.07,15.44,30km) and has parking'",
    .main = find_main,
};
