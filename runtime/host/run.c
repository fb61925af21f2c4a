/* haggle run: a host in the foreground. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "host/config.h"
#include "host/file.h"
#include "host/keys.h"
#include "host/passphrase.h"
#include "host/paths.h"
#include "host/reread.h"
#include "host/text.h"
#include "protocol/did.h"

struct run_options {
  const char *config, *data, *listen, *tls, *certificate, *key, *trust, *durability, *journal_size,
      *journal_age, *disk_reserve, *grace, *passphrase_file, *log, *log_file;
  struct hgl_texts joins, urls, allows, secrets, delegations, models, scripts, log_levels;
  bool allow_private, watch, json, verbose;
};

static int apply_log(struct hgl_config *config, const struct run_options *given,
                     struct hgl_err *err)
{
  int status = given->log ? hgl_config_log_format(config, given->log, err) : 0;
  if (status) return hgl_fail_in(err, "--log");
  if (given->verbose) config->log.level = HGL_LOG_DEBUG;
  for (size_t i = 0; status == 0 && i < given->log_levels.count; i++)
    status = hgl_config_log_level(config, given->log_levels.items[i], err);
  if (given->log_file) config->log.file = given->log_file;
  return status ? hgl_fail_in(err, "--log-level") : 0;
}

/* Options come after the host file: they override or add to what it says. */
static int apply(struct hgl_config *config, const struct run_options *given, struct hgl_err *err)
{
  struct hgl_node_config *node = &config->node;
  int status = given->config ? hgl_config_read(config, given->config, err) : 0;
  for (size_t i = 0; status == 0 && i < given->scripts.count; i++)
    status = hgl_config_add_script(config, given->scripts.items[i], err);
  for (size_t i = 0; status == 0 && i < given->allows.count; i++)
    if ((status = hgl_config_allow(config, given->allows.items[i], err)) != 0)
      status = hgl_fail_in(err, "--allow %s", given->allows.items[i]);
  for (size_t i = 0; status == 0 && i < given->secrets.count; i++)
    status = hgl_config_secret(config, given->secrets.items[i], err);
  for (size_t i = 0; status == 0 && i < given->models.count; i++)
    if ((status = hgl_config_model(config, given->models.items[i], err)) != 0)
      status = hgl_fail_in(err, "--model %s", given->models.items[i]);
  for (size_t i = 0; status == 0 && i < given->delegations.count; i++)
    if ((status = hgl_config_delegate(config, given->delegations.items[i], err)) != 0)
      status = hgl_fail_in(err, "--delegation %s", given->delegations.items[i]);
  for (size_t i = 0; status == 0 && i < given->joins.count; i++)
    status = hgl_texts_add(&node->joins, given->joins.items[i], err);
  for (size_t i = 0; status == 0 && i < given->urls.count; i++)
    status = hgl_texts_add(&node->urls, given->urls.items[i], err);
  if (status == 0 && given->durability)
    status = hgl_config_durability(config, given->durability, err);
  if (status == 0 && given->grace && (status = hgl_config_grace(config, given->grace, err)))
    status = hgl_fail_in(err, "--grace");
  if (status == 0 && given->journal_size)
    status = hgl_config_journal_size(config, given->journal_size, err);
  if (status == 0 && given->journal_age)
    status = hgl_config_journal_age(config, given->journal_age, err);
  if (status == 0 && given->disk_reserve)
    status = hgl_config_disk_reserve(config, given->disk_reserve, err);
  if (status == 0 && (given->listen || !node->listen_address))
    status = hgl_config_listen(config, given->listen ? given->listen : "127.0.0.1:0", err);
  if (given->data) node->data = given->data;
  if (!node->data) node->data = HGL_DATA_DEFAULT;
  if (given->trust) node->trust = given->trust;
  node->allow_private |= given->allow_private;
  node->watch = given->watch;
  return status ? status : apply_log(config, given, err);
}

static int apply_tls(struct hgl_config *config, const struct run_options *given,
                     struct hgl_err *err)
{
  struct hgl_node_config *node = &config->node;
  if (given->tls && strcmp(given->tls, "self-signed") != 0)
    return hgl_fail(err, HGL_INVALID,
                    "--tls is \"self-signed\"; a pair of your own is given with --certificate and "
                    "--key");
  if (!given->certificate != !given->key)
    return hgl_fail(err, HGL_INVALID, "--certificate and --key are given together");
  if (given->tls && given->certificate)
    return hgl_fail(err, HGL_INVALID, "give either --tls self-signed or a pair of your own");
  if (!given->tls && !given->certificate) return 0;
  node->self_signed = given->tls != NULL;
  node->certificate = given->certificate;
  node->certificate_key = given->key;
  return 0;
}

static void print_line(const char *title, const char *text)
{
  printf("%-9s ", title);
  hgl_print_escaped(stdout, hgl_text(text));
  printf("\n");
}

/* What the journal keeps is read by others than whoever started the host. */
static bool is_said_to_journal(const struct hgl_config *config)
{
  return config->log.format == HGL_LOG_FORMAT_JOURNAL ||
         hgl_log_is_journal(getenv("JOURNAL_STREAM"), STDOUT_FILENO);
}

/* *out: NULL without a listener. */
static int get_links(struct hgl_node *node, const struct hgl_config *config, json_t **out,
                     struct hgl_err *err)
{
  *out = NULL;
  int status = hgl_node_links(node, out, err);
  if (status == -HGL_NOT_FOUND) return 0;
  if (status == 0 && is_said_to_journal(config)) {
    json_object_del(*out, "viewer");
    json_object_del(*out, "operator");
  }
  return status;
}

static void print_links(const json_t *links)
{
  static const char *const names[][2] = {{"viewer", "read only"}, {"operator", "may act"}};
  const char *url = json_string_value(json_object_get(links, "url"));
  bool first = true;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    const char *link = json_string_value(json_object_get(links, names[i][0]));
    if (!link) continue;
    printf("%-9s %s  (%s)\n", first ? "dashboard" : "", link, names[i][1]);
    first = false;
  }
  if (first && url) printf("%-9s %s  (its links: haggle dashboard)\n", "dashboard", url);
}

enum { AGENTS_SHOWN = 20, AGENTS_LISTED = 1000, LIST_SIZE_MAX = 16 << 20 };

/* The first ones, the operator's own among them. *more: how many others there are. */
static int first_agents(struct hgl_node *node, const struct hgl_config *config, size_t limit,
                        json_t **out, size_t *more, struct hgl_err *err)
{
  const struct hgl_page page = {.limit = limit, .size_max = LIST_SIZE_MAX};
  int status = hgl_host_page(hgl_node_host(node), HGL_LIST_AGENTS, &page, out, err);
  if (status == 0) *more = config->instances + 1 - json_array_size(*out);
  return status;
}

static int announce_json(struct hgl_node *node, const struct hgl_config *config,
                         struct hgl_err *err)
{
  json_t *agents = NULL;
  size_t more;
  int status = first_agents(node, config, AGENTS_LISTED, &agents, &more, err);
  if (status) return status;
  json_t *links;
  if ((status = get_links(node, config, &links, err)) != 0) {
    json_decref(agents);
    return status;
  }
  json_t *line = json_pack("{s:s, s:s?, s:s, s:o*, s:o, s:I}", "host", hgl_node_did(node), "join",
                           hgl_node_join_url(node), "data", config->node.data, "dashboard", links,
                           "agents", agents, "more", (json_int_t)more);
  status = line ? hgl_print_json(line, err) : hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  json_decref(line);
  return status;
}

static int announce(struct hgl_node *node, const struct hgl_config *config, struct hgl_err *err)
{
  json_t *agents = NULL, *agent, *links;
  size_t more, index, shown = 0;
  int status = get_links(node, config, &links, err);
  if (status) return status;
  status = first_agents(node, config, AGENTS_SHOWN + 1, &agents, &more, err);
  if (status) {
    json_decref(links);
    return status;
  }
  print_line("host", hgl_node_did(node));
  print_line("join", hgl_node_join_url(node) ? hgl_node_join_url(node) : "no listener");
  if (config->node.listen_address && hgl_listens_everywhere(config->node.listen_address) &&
      !config->node.urls.count)
    print_line("",
               "from elsewhere with this machine's address there, which peers learn from --url");
  print_links(links);
  json_decref(links);
  print_line("data", config->node.data);
  json_array_foreach(agents, index, agent)
  {
    const char *name = json_string_value(json_object_get(agent, "name"));
    const char *did = json_string_value(json_object_get(agent, "did"));
    if (name && strcmp(name, "operator") != 0)
      printf("%-9s %-20s %s\n", shown++ ? "" : "agents", name, did ? did : "");
  }
  if (more) printf("%-9s and %zu more\n", "", more);
  fflush(stdout);
  json_decref(agents);
  return 0;
}

/* What runs, and what it was described with. */
struct serving {
  const struct run_options *given;
  struct hgl_config *config; /* as it was last taken over */
  struct hgl_log_sink *sink;
  struct hgl_notify notify;
};

static int describe(struct hgl_config *config, const struct run_options *given, struct hgl_err *err)
{
  int status = apply(config, given, err);
  return status ? status : apply_tls(config, given, err);
}

/* SIGHUP: log files are opened again, and the host file, if there is one, is taken over. One that
 * cannot be read leaves everything as it is. */
static void hang_up(void *user, struct hgl_node *node)
{
  struct serving *serving = user;
  const struct hgl_log *log = hgl_log_sink_log(serving->sink);
  struct hgl_err err;
  if (hgl_log_sink_reopen(serving->sink, &err))
    hgl_log(log, HGL_LOG_ERROR, "host", "%s; the old one is written on", err.message);
  if (!serving->given->config) return;
  struct hgl_config next;
  hgl_config_init(&next);
  if (describe(&next, serving->given, &err)) {
    hgl_log(log, HGL_LOG_ERROR, "host", "%s; everything stays as it is", err.message);
  } else {
    next.node.log_sink = serving->sink;
    hgl_reread(node, serving->config, &next, log);
    struct hgl_config before = *serving->config;
    *serving->config = next;
    next = before;
  }
  hgl_config_deinit(&next);
}

static int start(struct serving *serving, struct hgl_node **node, struct hgl_err *err)
{
  struct hgl_node_config *config = &serving->config->node;
  int status = hgl_log_sink_create(&serving->config->log, &serving->sink, err);
  if (status) return status;
  config->log = hgl_log_sink_log(serving->sink);
  config->log_sink = serving->sink;
  config->notify = &serving->notify;
  config->hangup = hang_up;
  config->hangup_user = serving;
  return hgl_node_create(config, node, err);
}

static int serve(const struct hgl_verb *verb, struct hgl_config *config,
                 const struct run_options *given)
{
  struct hgl_err err = {0};
  struct hgl_node *node = NULL;
  struct serving serving = {.given = given, .config = config};
  hgl_notify_open(&serving.notify);
  int status = start(&serving, &node, &err);
  if (status == 0)
    status = given->json ? announce_json(node, config, &err) : announce(node, config, &err);
  int exit_status = status ? hgl_verb_fail(verb, &err) : hgl_node_run(node);
  hgl_node_destroy(node);
  hgl_log_sink_destroy(serving.sink);
  hgl_notify_close(&serving.notify);
  return exit_status;
}

static int check(const struct hgl_verb *verb, const struct hgl_config *config)
{
  if (config->node.agent_count == 0 && config->node.joins.count == 0 && !config->tree)
    return hgl_usage_fail(verb, "name a script to run, or a host file with --config");
  return 0;
}

static int run_main(const struct hgl_verb *verb, int argc, char **argv)
{
  struct run_options given = {0};
  const struct hgl_option options[] = {
      {"config", "HOST.lua", HGL_OPTION_TEXT, &given.config, "the host file"},
      {"data", "DIR", HGL_OPTION_TEXT, &given.data,
       "identities, state, mailboxes: all that lasts (default " HGL_DATA_DEFAULT ")"},
      {"listen", "ADDR:PORT", HGL_OPTION_TEXT, &given.listen,
       "where peers reach this host (default 127.0.0.1:0, any\nfree port)"},
      {"join", "URL", HGL_OPTION_LIST, &given.joins,
       "a host to stay linked with: ws://ADDR:PORT#did:key:…\n(without the key, whoever answers)"},
      {"url", "URL", HGL_OPTION_LIST, &given.urls,
       "where others dial this host, if not at --listen"},
      {"allow", "[NAME:]KIND=VALUE", HGL_OPTION_LIST, &given.allows,
       "grants an agent (or all) something: read=PATH, write=PATH,\nnet=HOST:PORT, secret=NAME, "
       "http=token, http=open, infer=MODEL"},
      {"secret", "NAME=SOURCE", HGL_OPTION_LIST, &given.secrets,
       "a secret for agents that it is granted to, from file:PATH,\nenv:VARIABLE or "
       "credential:NAME (of systemd)"},
      {"model", "NAME=FILE[,OPTION=VALUE…]", HGL_OPTION_LIST, &given.models,
       "a model for agents that it is granted to: a file (std/NAME:\none of the standard "
       "library's) "
       "or an http(s) URL; engine=NAME\nwhere that does not follow from its name"},
      {"delegation", "NAME=FILE", HGL_OPTION_LIST, &given.delegations,
       "lets this host speak for an agent whose key is elsewhere\n(haggle keys delegate); kept for "
       "later starts"},
      {"tls", "self-signed", HGL_OPTION_TEXT, &given.tls,
       "listens on wss with a pair made in the data folder"},
      {"certificate", "FILE", HGL_OPTION_TEXT, &given.certificate,
       "listens on wss with this certificate (PEM)"},
      {"key", "FILE", HGL_OPTION_TEXT, &given.key, "and its key (PEM)"},
      {"trust", "FILE", HGL_OPTION_TEXT, &given.trust, "further authorities for wss (PEM)"},
      {"durability", "MODE", HGL_OPTION_TEXT, &given.durability,
       "strict (default), or \"relaxed 50ms\": fewer commits,\nlater acknowledgements"},
      {"grace", "DURATION", HGL_OPTION_TEXT, &given.grace,
       "how long stopping may take (default 10s)"},
      {"journal-size", "SIZE", HGL_OPTION_TEXT, &given.journal_size,
       "how much is kept of what was said and heard (default 256MB);\nevidence of deals is kept "
       "for "
       "good"},
      {"journal-age", "TIME", HGL_OPTION_TEXT, &given.journal_age,
       "and how long, as in 30d (default: as long as it fits)"},
      {"disk-reserve", "SIZE", HGL_OPTION_TEXT, &given.disk_reserve,
       "takes nothing in while the disk has less room than this\n(default 64MB; 0: until it is "
       "full)"},
      {"passphrase-file", "FILE", HGL_OPTION_TEXT, &given.passphrase_file,
       "seals new keys, opens sealed ones (also: HAGGLE_PASSPHRASE)"},
      {"allow-private", NULL, HGL_OPTION_FLAG, &given.allow_private,
       "dial private addresses that peers name"},
      {"watch", NULL, HGL_OPTION_FLAG, &given.watch,
       "reloads agents when their scripts, or modules beside\nthem, change (see haggle reload)"},
      {"json", NULL, HGL_OPTION_FLAG, &given.json,
       "what was started, as one JSON object; of its agents the\nfirst 1000"},
      {"log", "text|json|journal", HGL_OPTION_TEXT, &given.log,
       "JSON is one object a line, the journal systemd's"},
      {"log-level", "[NAME=]LEVEL", HGL_OPTION_LIST, &given.log_levels,
       "debug, info (default), warn or error; of one agent"},
      {"log-file", "FILE", HGL_OPTION_TEXT, &given.log_file,
       "instead of standard error; rotated at 10MB, five are kept"},
      {"verbose", NULL, HGL_OPTION_FLAG, &given.verbose, "as --log-level debug"},
  };
  struct hgl_err err = {0};
  struct hgl_config config;
  struct hgl_passphrase passphrase = {0};
  int status;
  hgl_config_init(&config);
  if (!hgl_options_parse(verb, options, sizeof options / sizeof *options, argc, argv,
                         &given.scripts, &status))
    goto done;
  if (describe(&config, &given, &err) ||
      hgl_passphrase_get(&passphrase, given.passphrase_file, &err)) {
    status = hgl_verb_fail(verb, &err);
    goto done;
  }
  if ((status = check(verb, &config)) != 0) goto done;
  config.node.passphrase = passphrase.text;
  status = serve(verb, &config, &given);
done:
  hgl_passphrase_forget(&passphrase);
  hgl_config_deinit(&config);
  hgl_texts_deinit(&given.joins);
  hgl_texts_deinit(&given.urls);
  hgl_texts_deinit(&given.allows);
  hgl_texts_deinit(&given.secrets);
  hgl_texts_deinit(&given.delegations);
  hgl_texts_deinit(&given.models);
  hgl_texts_deinit(&given.scripts);
  hgl_texts_deinit(&given.log_levels);
  return status;
}

const struct hgl_verb hgl_verb_run = {
    .name = "run",
    .usage = "[OPTION…] [AGENT…]",
    .summary = "run agents on a host",
    .help =
        "Runs a host with these agents until Ctrl-C. Everything that lasts stands in the data\n"
        "folder: start it again and it goes on where it stopped.\n\n"
        "  haggle run kiosk\n"
        "  haggle run seller.lua buyer.lua --allow seller:read=/proc/loadavg\n"
        "  haggle run a.lua --listen 127.0.0.1:7001 --data one\n"
        "  haggle run b.lua --data two --join ws://127.0.0.1:7001#did:key:z6Mk…\n"
        "  haggle run --config host.lua\n\n"
        "A host file is a Lua table:\n\n"
        "  return { listen = \"127.0.0.1:7001\", data = \"data\",\n"
        "    join = { \"ws://198.51.100.7:7001#did:key:z6Mk…\" },\n"
        "    agents = { { name = \"kiosk\", script = \"kiosk/agent.lua\",\n"
        "      allow = { \"read=/proc/loadavg\" }, config = { region = \"at\" },\n"
        "      limits = { memory = \"16MB\", stretch = \"20ms\", state = \"64MB\", mailbox = 1000 "
        "} "
        "} } }\n\n"
        "Every key of it, such as `count` for many instances, is in stdlib/README.md.\n\n"
        "Ctrl-C or SIGTERM stops it: nothing more is taken in, agents have their on_stop, all is\n"
        "committed and sent. A second one, or the end of the grace time, ends it at once, without\n"
        "loss.\n\n"
        "An agent is named after its folder (kiosk/agent.lua, for which kiosk is enough) or file\n"
        "(kiosk.lua); its identity follows the name.",
    .main = run_main,
};
