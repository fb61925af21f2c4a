/* The benchmarks that exchange messages. The measuring host runs in this process, the other one, if
 * any, in a child; both are ordinary hosts with ordinary agents. */
#include <stdio.h>

#include "base/mem.h"
#include "base/seam.h"
#include "host/bench.h"
#include "protocol/did.h"
#include "protocol/value.h"

enum {
  WINDOW = 16384, /* messages in flight */
  CREDIT = 512,   /* acknowledged by the receiving agent at a time */
  WARM_UP_MS = 1000,
  PAYLOAD = 387, /* makes an envelope of 600 bytes */
  RALLY = 6,     /* messages of one rally */
  SAMPLES_MAX = 1 << 16,
};

/* Sends WINDOW messages, then as many as the other side says it has handled. */
static const char source_script[] =
    "local payload = string.rep('x', agent.config.payload)\n"
    "local function send(count)\n"
    "  for i = 1, count do\n"
    "    local item = { n = i, text = payload }\n"
    "    local id, why = agent.send(agent.config.sink, 'bench/1.0/item', item)\n"
    "    if not id then error(why) end\n"
    "  end\n"
    "end\n"
    "agent.on('bench/1.0/go', function(message)\n"
    "  send(message.body.count)\n"
    "end)\n"
    "agent.on('bench/1.0/credit', function(message) send(message.body.count) end)\n";

/* Handles each: counts it, and notes the age of one in 64. */
static const char sink_script[] =
    "local haggle = require 'haggle'\n"
    "agent.on('bench/1.0/item', function(message)\n"
    "  local count = (state.count or 0) + 1\n"
    "  state.count = count\n"
    "  if count % 64 == 0 then\n"
    "    local age = haggle.now() - message.created\n"
    "    state.ages = state.ages or {}\n"
    "    state.ages[age] = (state.ages[age] or 0) + 1\n"
    "  end\n"
    "  if count % agent.config.credit == 0 then\n"
    "    agent.send(message.from, 'bench/1.0/credit', { count = agent.config.credit })\n"
    "  end\n"
    "end)\n"
    "agent.on('bench/1.0/report', function(message)\n"
    "  local ages = haggle.array {}\n"
    "  for age, count in pairs(state.ages or {}) do\n"
    "    ages[#ages + 1] = haggle.array { age, count }\n"
    "  end\n"
    "  state.ages = nil\n"
    "  message:reply('ages', { ages = ages })\n"
    "end)\n";

/* Plays RALLY messages, then tells who asked for it. */
static const char starter_script[] =
    "agent.on('bench/1.0/deal', function(message)\n"
    "  state.asked = message:ref()\n"
    "  agent.send(agent.config.peer, 'rally/1.0/ball', { n = 1, text = string.rep('x', "
    "agent.config.payload) })\n"
    "end)\n"
    "agent.on('rally/1.0/ball', function(message)\n"
    "  if message.body.n < agent.config.rally then\n"
    "    message:reply('ball', { n = message.body.n + 1, text = message.body.text })\n"
    "  else\n"
    "    agent.reply(state.asked, 'done', {})\n"
    "  end\n"
    "end)\n";
static const char returner_script[] =
    "agent.on('rally/1.0/ball', function(message)\n"
    "  message:reply('ball', { n = message.body.n + 1, text = message.body.text })\n"
    "end)\n";

/* ---- hosts ---- */

struct setting {
  struct hgl_child child; /* when there is one */
  struct hgl_node *node;
  char peer[2 * HGL_DID_TEXT_SIZE + 1]; /* the other agent's address */
};

static int start_child(const struct hgl_bench *bench, struct setting *setting, const char *name,
                       const char *script, struct hgl_err *err)
{
  char path[PATH_MAX], config[PATH_MAX], data[PATH_MAX], text[PATH_MAX + 256];
  snprintf(data, sizeof data, "%s/%s", bench->folder, name);
  snprintf(text, sizeof text, "%s.lua", name);
  int status = hgl_bench_write(bench, text, script, path, err);
  if (status) return status;
  snprintf(text, sizeof text,
           "return { agents = { { name = '%s', script = '%s', "
           "limits = { mailbox = 65536, messages = 10000000, stretch = '1s' }, "
           "config = { credit = %d, payload = %d, rally = %d } } } }\n",
           name, path, CREDIT, PAYLOAD, RALLY);
  if ((status = hgl_bench_write(bench, "host.lua", text, config, err))) return status;
  const char *arguments[] = {"--config", config, "--listen", "127.0.0.1:0", NULL};
  status = hgl_child_start(&setting->child, data, arguments, err);
  if (!status) status = hgl_child_wait_ready(&setting->child, 20000, err);
  json_t *agents = NULL;
  if (!status)
    status = hgl_child_call(&setting->child, "{\"call\":\"agents\"}", 5000, &agents, err);
  if (status) return status;
  size_t index;
  json_t *agent;
  json_array_foreach(agents, index, agent)
  {
    if (strcmp(json_string_value(json_object_get(agent, "name")), name) != 0) continue;
    snprintf(setting->peer, sizeof setting->peer, "%s@%s",
             json_string_value(json_object_get(agent, "did")),
             strchr(setting->child.join_url, '#') + 1);
  }
  json_decref(agents);
  return 0;
}

static int put_config(struct hgl_buf *out, const char *sink, struct hgl_err *err)
{
  json_t *json = json_pack("{s:s, s:s, s:i, s:i, s:i}", "sink", sink, "peer", sink, "payload",
                           PAYLOAD, "credit", CREDIT, "rally", RALLY);
  int status = hgl_value_from_json(json, out, err);
  json_decref(json);
  return status;
}

/* The measuring host, with one agent or two. */
#define LIMITS                                                                                     \
  (struct hgl_agent_limits)                                                                        \
  {                                                                                                \
    .mailbox_count = 65536, .messages = 10000000, .stretch_ms = 1000                               \
  }

static int start_node(const struct hgl_bench *bench, struct setting *setting, const char *name,
                      const char *script, const char *sink_name, const char *sink,
                      struct hgl_err *err)
{
  char data[PATH_MAX], paths[2][PATH_MAX], file[64];
  struct hgl_node_agent agents[2] = {{0}};
  struct hgl_texts joins = {0};
  struct hgl_buf config;
  snprintf(data, sizeof data, "%s/measuring", bench->folder);
  snprintf(file, sizeof file, "%s.lua", name);
  hgl_buf_init(&config, 65536);
  int status = hgl_bench_write(bench, file, script, paths[0], err);
  if (!status) status = put_config(&config, sink ? sink_name : setting->peer, err);
  agents[0] = (struct hgl_node_agent){
      .name = name, .script = paths[0], .config = hgl_buf_bytes(&config), .limits = LIMITS};
  if (!status && sink) {
    status = hgl_bench_write(bench, "second.lua", sink, paths[1], err);
    agents[1] = (struct hgl_node_agent){
        .name = sink_name, .script = paths[1], .config = hgl_buf_bytes(&config), .limits = LIMITS};
  }
  if (!status && setting->child.pid) status = hgl_texts_add(&joins, setting->child.join_url, err);
  struct hgl_node_config node = {.data = data,
                                 .joins = joins,
                                 .allow_private = true,
                                 .no_control = true,
                                 .agents = agents,
                                 .agent_count = sink ? 2 : 1,
                                 .log = bench->verbose ? &hgl_log_stderr : &hgl_log_none};
  if (!status) status = hgl_node_create(&node, &setting->node, err);
  hgl_texts_deinit(&joins);
  hgl_buf_deinit(&config);
  return status;
}

static void tear_down(struct setting *setting)
{
  hgl_node_destroy(setting->node);
  if (setting->child.data) hgl_child_stop(&setting->child, 10000);
}

/* ---- asking the agents, through the loop of this process ---- */

struct answer {
  bool done;
  json_t *reply;
  struct hgl_err why;
};

static void on_answer(void *user, json_t *reply, const struct hgl_err *why)
{
  struct answer *answer = user;
  answer->done = true;
  answer->reply = json_incref(reply);
  if (why) answer->why = *why;
}

static void turn(struct setting *setting, int timeout_ms)
{
  hgl_loop_run_once(hgl_node_loop(setting->node), timeout_ms);
}

static int encode_count(struct hgl_buf *body, int64_t count, struct hgl_err *err)
{
  hgl_buf_init(body, 64);
  hgl_cbor_put_map(body, 1);
  hgl_cbor_put_literal(body, "count");
  hgl_cbor_put_int(body, count);
  return hgl_buf_check(body, err);
}

/* Waits for the answer while the loop turns; the caller owns *reply. */
static int ask(struct setting *setting, const char *to, const char *type, int64_t count,
               int timeout_ms, json_t **reply, struct hgl_err *err)
{
  struct answer answer = {0};
  struct hgl_buf body;
  struct hgl_id id;
  int status = encode_count(&body, count, err);
  if (!status)
    status = hgl_host_send(hgl_node_host(setting->node), to, type, hgl_buf_bytes(&body), timeout_ms,
                           on_answer, &answer, &id, err);
  hgl_buf_deinit(&body);
  if (status) return status;
  while (!answer.done) turn(setting, 100);
  if (!answer.reply) {
    *err = answer.why;
    return -(int)err->code;
  }
  *reply = answer.reply;
  return 0;
}

static int tell(struct setting *setting, const char *to, const char *type, int64_t count,
                struct hgl_err *err)
{
  struct hgl_buf body;
  struct hgl_id id;
  int status = encode_count(&body, count, err);
  if (!status)
    status = hgl_host_send(hgl_node_host(setting->node), to, type, hgl_buf_bytes(&body), 0, NULL,
                           NULL, &id, err);
  hgl_buf_deinit(&body);
  return status;
}

static void turn_for(struct setting *setting, int64_t ms)
{
  int64_t until = hgl_mono_ns(&hgl_clock_system) + ms * 1000000;
  while (hgl_mono_ns(&hgl_clock_system) < until) turn(setting, 20);
}

/* ---- rates ---- */

/* From the histogram that the sink kept, in ms. */
static json_t *ages_of(const json_t *reply)
{
  double *samples = hgl_array(SAMPLES_MAX, sizeof *samples);
  size_t count = 0, index;
  json_t *pair;
  if (!samples) return NULL;
  json_array_foreach(json_object_get(json_object_get(reply, "body"), "ages"), index, pair)
  {
    json_int_t times = json_integer_value(json_array_get(pair, 1));
    for (json_int_t i = 0; i < times && count < SAMPLES_MAX; i++)
      samples[count++] = (double)json_integer_value(json_array_get(pair, 0));
  }
  json_t *percentiles = hgl_bench_percentiles(samples, count);
  hgl_free(samples);
  return percentiles;
}

static int64_t handled_by_child(struct setting *setting, const char *name, struct hgl_err *err)
{
  json_t *agents = NULL, *agent;
  int64_t handled = -1;
  size_t index;
  if (hgl_child_call(&setting->child, "{\"call\":\"agents\"}", 10000, &agents, err)) return -1;
  json_array_foreach(agents, index, agent)
  {
    if (strcmp(json_string_value(json_object_get(agent, "name")), name) == 0)
      handled = json_integer_value(json_object_get(agent, "handled"));
  }
  json_decref(agents);
  return handled;
}

static json_t *rate_result(const char *name, int64_t handled, int64_t ns, json_t *ages,
                           uint64_t stored, struct hgl_host_counts counts)
{
  double rate = (double)handled * 1e9 / (double)ns;
  return json_pack("{s:s, s:f, s:s, s:o, s:s, s:i, s:f, s:f, s:s}", "name", name, "value", rate,
                   "unit", "messages/s", "percentiles", ages, "percentiles_of",
                   "age when handled, ms", "bytes", 600, "stored_bytes_per_message",
                   handled ? (double)stored / (double)handled : 0.0, "messages_per_signature",
                   counts.signatures ? (double)counts.sent / (double)counts.signatures : 0.0,
                   "note", "signed, verified, durable and handled in Lua; counted at the receiver");
}

int hgl_bench_remote(const struct hgl_bench *bench, json_t **out, struct hgl_err *err)
{
  struct setting setting = {0};
  json_t *reply = NULL;
  int status = start_child(bench, &setting, "sink", sink_script, err);
  if (!status) status = start_node(bench, &setting, "source", source_script, NULL, NULL, err);
  if (!status) status = tell(&setting, "source", "bench/1.0/go", WINDOW, err);
  if (status) goto done;
  turn_for(&setting, WARM_UP_MS);
  if ((status = ask(&setting, setting.peer, "bench/1.0/report", 0, 10000, &reply, err))) goto done;
  json_decref(reply);
  struct hgl_store_stats before = hgl_store_stats(hgl_node_store(setting.node));
  int64_t first = handled_by_child(&setting, "sink", err);
  int64_t start = hgl_mono_ns(&hgl_clock_system);
  turn_for(&setting, bench->seconds * 1000);
  int64_t last = handled_by_child(&setting, "sink", err);
  int64_t end = hgl_mono_ns(&hgl_clock_system);
  struct hgl_store_stats after = hgl_store_stats(hgl_node_store(setting.node));
  if (first < 0 || last < 0) {
    status = hgl_fail_in(err, "the receiving host");
    goto done;
  }
  status = ask(&setting, setting.peer, "bench/1.0/report", 0, 20000, &reply, err);
  if (status) goto done;
  *out = rate_result("remote", last - first, end - start, ages_of(reply),
                     after.bytes_written - before.bytes_written,
                     hgl_host_counts(hgl_node_host(setting.node)));
  json_decref(reply);
  if (!*out) status = hgl_fail(err, HGL_NO_MEMORY, "out of memory");
done:
  tear_down(&setting);
  return status;
}

int hgl_bench_local(const struct hgl_bench *bench, json_t **out, struct hgl_err *err)
{
  struct setting setting = {0};
  json_t *reply = NULL;
  int status = start_node(bench, &setting, "source", source_script, "sink", sink_script, err);
  if (!status) status = tell(&setting, "source", "bench/1.0/go", WINDOW, err);
  if (status) goto done;
  turn_for(&setting, WARM_UP_MS);
  struct hgl_host *host = hgl_node_host(setting.node);
  struct hgl_store_stats before = hgl_store_stats(hgl_node_store(setting.node));
  uint64_t first = hgl_host_counts(host).handled;
  int64_t start = hgl_mono_ns(&hgl_clock_system);
  turn_for(&setting, bench->seconds * 1000);
  int64_t handled = (int64_t)(hgl_host_counts(host).handled - first);
  int64_t end = hgl_mono_ns(&hgl_clock_system);
  struct hgl_store_stats after = hgl_store_stats(hgl_node_store(setting.node));
  if ((status = ask(&setting, "sink", "bench/1.0/report", 0, 20000, &reply, err))) goto done;
  *out = rate_result("local", handled, end - start, ages_of(reply),
                     after.bytes_written - before.bytes_written, hgl_host_counts(host));
  json_decref(reply);
  if (!*out) status = hgl_fail(err, HGL_NO_MEMORY, "out of memory");
done:
  tear_down(&setting);
  return status;
}

/* ---- latency ---- */

int hgl_bench_latency(const struct hgl_bench *bench, json_t **out, struct hgl_err *err)
{
  struct setting setting = {0};
  size_t count = 0;
  double *samples = hgl_array(SAMPLES_MAX, sizeof *samples), total = 0;
  if (!samples) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  int status = start_child(bench, &setting, "returner", returner_script, err);
  if (!status) status = start_node(bench, &setting, "starter", starter_script, NULL, NULL, err);
  if (status) goto done;
  int64_t begin = hgl_mono_ns(&hgl_clock_system), until = begin + bench->seconds * 1000000000;
  for (int64_t now = begin; now < until && count < SAMPLES_MAX;) {
    json_t *reply;
    status = ask(&setting, "starter", "bench/1.0/deal", 0, 10000, &reply, err);
    if (status) goto done;
    json_decref(reply);
    int64_t end = hgl_mono_ns(&hgl_clock_system);
    /* The first ones also link the hosts and warm everything up. */
    if (now - begin > WARM_UP_MS * 500000LL) {
      samples[count] = (double)(end - now) / 1e6 * 5 / RALLY;
      total += samples[count++];
    }
    now = end;
  }
  *out = json_pack(
      "{s:s, s:f, s:s, s:o, s:s, s:i, s:s}", "name", "latency", "value",
      count ? total / (double)count : 0.0, "unit", "ms per deal of 5 messages", "percentiles",
      hgl_bench_percentiles(samples, count), "percentiles_of", "deal of 5 messages, ms", "bytes",
      600, "note",
      "five sixths of a rally of 6 messages, one in flight, each durable on both sides");
  if (!*out) status = hgl_fail(err, HGL_NO_MEMORY, "out of memory");
done:
  hgl_free(samples);
  tear_down(&setting);
  return status;
}
