/* How many decisions a host makes a second: agents that ask a model and go on when they have its
 * answer, one of them, ten, a hundred, a thousand. Each figure has a model of its own, from the
 * same file, whose statistics are of nothing else. Beside them stands an agent that asks no model;
 * what it takes to answer tells what the others cost it.
 *
 * `speedup` is the thousand against one call at a time: handed to the model's thread, and awaited,
 * before anything else is done, as by a program that asks a model in the midst of its work. What
 * the thousand save is the waking of threads, twice a call. `speedup_over_batches_of_one` is
 * against the same thousand, whose calls go to the thread each for itself while the others go on,
 * as on a host that gathers none: what it saves to compute them together. */
#include <stdio.h>
#include <time.h>

#include "base/mem.h"
#include "base/seam.h"
#include "host/bench.h"

enum {
  AGENTS_MAX = 1000,
  CALLS = 200, /* of one handler at most: its journal has room for more */
  WARM_UP_MS = 500,
  TIMEOUT_MS = 120000,
  BYSTANDER_EVERY_MS = 4,
  SAMPLES_MAX = 1 << 16,
  TOKENS = 64, /* of an answer */
};

static const char decider[] =
    "local calls, tokens = agent.config.calls, agent.config.tokens\n"
    "agent.on('bench/1.0/decide', function(message)\n"
    "  local features = {}\n"
    "  for i = 1, 18 do features[i] = math.sin(i) end\n"
    "  for _ = 1, math.random(calls) do\n" /* or all would end at once */
    "    local got, why = agent.infer(message.body.model, { features = features },\n"
    "      { within = '60s' })\n"
    "    if not got then error(why) end\n"
    "  end\n"
    "  message:reply('done', {})\n"
    "end)\n"
    "agent.on('bench/1.0/write', function(message)\n"
    "  local got, why = agent.infer(message.body.model, { task = 'complete', temperature = 0,\n"
    "    prompt = agent.name .. ' thinks that the price of tea will', max_tokens = tokens },\n"
    "    { within = '10m' })\n"
    "  if not got then error(why) end\n"
    "  message:reply('done', {})\n"
    "end)\n";
static const char bystander[] =
    "agent.on('bench/1.0/ask', function(message) message:reply('answer', {}) end)\n";

/* ---- the host ---- */

enum { ONE_BY_ONE, ONE, TEN, HUNDRED, THOUSAND, THOUSAND_SINGLE, FIGURE_COUNT };

/* What is measured; each is the name of a model, too. */
static const struct figure {
  const char *name;
  size_t agents;
  bool single; /* its batches are of one call, on a thread */
} figures[] = {
    [ONE_BY_ONE] = {"one-by-one", 1, true},
    [ONE] = {"one", 1, false},
    [TEN] = {"ten", 10, false},
    [HUNDRED] = {"hundred", 100, false},
    [THOUSAND] = {"thousand", 1000, false},
    [THOUSAND_SINGLE] = {"thousand-single", 1000, true},
};
static const size_t writers[] = {1, 4, 16};
enum { WRITERS_COUNT = sizeof writers / sizeof *writers };

struct rig {
  const struct hgl_bench *bench;
  struct hgl_node *node;
  struct hgl_node_model models[FIGURE_COUNT + 1];
  struct haggle_option options[FIGURE_COUNT + 1][3];
  size_t model_count;
  /* of what is measured now */
  const char *type, *model;
  bool over;   /* nothing more is begun */
  size_t open; /* handlers that are not over */
  bool asked;  /* the bystander is to answer */
  int64_t asked_ns, ask_again_ns;
  double *waits; /* of the bystander, ms */
  size_t wait_count;
  struct hgl_err failure;
};

struct asker {
  struct rig *rig;
  char agent[32];
};

static void add_model(struct rig *rig, const char *name, const char *file, bool single)
{
  struct hgl_node_model *model = &rig->models[rig->model_count];
  struct haggle_option *options = rig->options[rig->model_count++];
  *model = (struct hgl_node_model){.name = name, .file = file, .options = options};
  if (rig->bench->device)
    options[model->option_count++] = (struct haggle_option){"device", rig->bench->device};
  if (!single) return;
  options[model->option_count++] = (struct haggle_option){"batch", "1"};
  options[model->option_count++] = (struct haggle_option){"loop", "off"};
}

static int start(struct rig *rig, struct hgl_err *err)
{
  char data[PATH_MAX], paths[2][PATH_MAX];
  struct hgl_buf config;
  struct hgl_node_agent agents[2] = {
      {.name = "decider", .first = 1, .count = AGENTS_MAX, .script = paths[0]},
      {.name = "bystander", .script = paths[1]}};
  for (size_t i = 0; i < FIGURE_COUNT; i++)
    add_model(rig, figures[i].name, "std/market.safetensors", figures[i].single);
  if (rig->bench->gguf) add_model(rig, "language", rig->bench->gguf, false);
  snprintf(data, sizeof data, "%s/host", rig->bench->folder);
  hgl_buf_init(&config, 256);
  hgl_cbor_put_map(&config, 2);
  hgl_cbor_put_literal(&config, "calls");
  hgl_cbor_put_int(&config, CALLS);
  hgl_cbor_put_literal(&config, "tokens");
  hgl_cbor_put_int(&config, TOKENS);
  agents[0].config = hgl_buf_bytes(&config);
  int status = hgl_bench_write(rig->bench, "decider.lua", decider, paths[0], err);
  if (!status) status = hgl_bench_write(rig->bench, "bystander.lua", bystander, paths[1], err);
  if (!status) status = hgl_texts_add(&agents[0].grants, "infer=*", err);
  const struct hgl_node_config node = {.data = data,
                                       .no_control = true,
                                       .models = rig->models,
                                       .model_count = rig->model_count,
                                       .agents = agents,
                                       .agent_count = 2,
                                       .log = rig->bench->verbose ? &hgl_log_stderr
                                                                  : &hgl_log_none};
  if (!status) status = hgl_node_create(&node, &rig->node, err);
  hgl_texts_deinit(&agents[0].grants);
  hgl_buf_deinit(&config);
  return status;
}

/* ---- asking ---- */

static void fail(struct rig *rig, const struct hgl_err *why)
{
  if (!rig->failure.code) rig->failure = *why;
  rig->over = true;
}

static int tell(struct rig *rig, const char *to, const char *type, const char *model,
                void (*answered)(void *user, json_t *reply, const struct hgl_err *why), void *user,
                struct hgl_err *err)
{
  struct hgl_buf body;
  struct hgl_id id;
  hgl_buf_init(&body, 256);
  hgl_cbor_put_map(&body, 1);
  hgl_cbor_put_literal(&body, "model");
  hgl_cbor_put_text(&body, hgl_text(model));
  int status = hgl_host_send(hgl_node_host(rig->node), to, type, hgl_buf_bytes(&body), TIMEOUT_MS,
                             answered, user, &id, err);
  hgl_buf_deinit(&body);
  return status;
}

static void handler_over(void *user, json_t *reply, const struct hgl_err *why);

static void begin_handler(struct asker *asker)
{
  struct rig *rig = asker->rig;
  struct hgl_err err;
  if (tell(rig, asker->agent, rig->type, rig->model, handler_over, asker, &err))
    fail(rig, &err);
  else
    rig->open++;
}

static void handler_over(void *user, json_t *reply, const struct hgl_err *why)
{
  struct asker *asker = user;
  asker->rig->open--;
  if (!reply)
    fail(asker->rig, why);
  else if (!asker->rig->over)
    begin_handler(asker);
}

static void bystander_answered(void *user, json_t *reply, const struct hgl_err *why)
{
  struct rig *rig = user;
  int64_t now = hgl_mono_ns(&hgl_clock_system);
  rig->asked = false;
  rig->ask_again_ns = now + BYSTANDER_EVERY_MS * 1000000LL;
  if (!reply)
    fail(rig, why);
  else if (rig->wait_count < SAMPLES_MAX)
    rig->waits[rig->wait_count++] = (double)(now - rig->asked_ns) / 1e6;
}

static void ask_bystander(struct rig *rig)
{
  struct hgl_err err;
  int64_t now = hgl_mono_ns(&hgl_clock_system);
  if (rig->asked || rig->over || now < rig->ask_again_ns) return;
  rig->asked_ns = now;
  rig->asked = true;
  if (tell(rig, "bystander", "bench/1.0/ask", "", bystander_answered, rig, &err)) fail(rig, &err);
}

static void turn_for(struct rig *rig, int64_t ms)
{
  int64_t until = hgl_mono_ns(&hgl_clock_system) + ms * 1000000;
  while (hgl_mono_ns(&hgl_clock_system) < until && !rig->failure.code) {
    ask_bystander(rig);
    hgl_loop_run_once(hgl_node_loop(rig->node), 1);
  }
}

static void let_all_end(struct rig *rig)
{
  rig->over = true;
  while ((rig->open || rig->asked) && !rig->failure.code)
    hgl_loop_run_once(hgl_node_loop(rig->node), 20);
}

/* ---- measuring ---- */

struct stretch {
  double seconds, loop_seconds; /* of them the loop's thread was at work for */
  json_t *before, *after;       /* the model's statistics */
};

static int describe(struct rig *rig, json_t **out, struct hgl_err *err)
{
  json_t *list;
  int status = hgl_infer_describe(hgl_node_infer(rig->node), rig->model, &list, err);
  if (status) return status;
  *out = json_incref(json_array_get(list, 0));
  json_decref(list);
  return 0;
}

static double thread_seconds(void)
{
  struct timespec at;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &at);
  return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

/* `agents` of them, at work for the time that the benchmark has; 0: the bystander is alone. */
static int measure(struct rig *rig, size_t agents, struct stretch *out, struct hgl_err *err)
{
  static struct asker askers[AGENTS_MAX];
  int status = 0;
  rig->over = false;
  for (size_t i = 0; i < agents; i++) {
    askers[i].rig = rig;
    snprintf(askers[i].agent, sizeof askers[i].agent, "decider-%zu", i + 1);
    begin_handler(&askers[i]);
  }
  turn_for(rig, WARM_UP_MS);
  rig->wait_count = 0;
  if (agents) status = describe(rig, &out->before, err);
  int64_t start = hgl_mono_ns(&hgl_clock_system);
  double loop_start = thread_seconds();
  turn_for(rig, rig->bench->seconds * 1000);
  out->loop_seconds = thread_seconds() - loop_start;
  if (!status && agents) status = describe(rig, &out->after, err);
  out->seconds = (double)(hgl_mono_ns(&hgl_clock_system) - start) / 1e9;
  let_all_end(rig);
  if (!status && rig->failure.code) {
    *err = rig->failure;
    status = -(int)err->code;
  }
  return status;
}

static double number_at(const json_t *object, const char *table, const char *field)
{
  return json_number_value(json_object_get(table ? json_object_get(object, table) : object, field));
}

static double rate_of(const struct stretch *stretch, const char *field)
{
  return (number_at(stretch->after, NULL, field) - number_at(stretch->before, NULL, field)) /
         stretch->seconds;
}

/* Of the model's batches. */
static double share_on_loop(const struct stretch *stretch)
{
  double all = number_at(stretch->after, "batches", "count") -
               number_at(stretch->before, "batches", "count");
  double there = number_at(stretch->after, "batches", "on_loop") -
                 number_at(stretch->before, "batches", "on_loop");
  return all > 0 ? there / all : 0;
}

/* A decision's share of what the loop's thread has done, the benchmark's own part in it. */
static double loop_us(const struct stretch *stretch)
{
  double count = number_at(stretch->after, NULL, "done") - number_at(stretch->before, NULL, "done");
  return count > 0 ? stretch->loop_seconds * 1e6 / count : 0;
}

static void forget(struct stretch *stretch)
{
  json_decref(stretch->before);
  json_decref(stretch->after);
  *stretch = (struct stretch){0};
}

static int measure_figures(struct rig *rig, json_t *rows, double rates[FIGURE_COUNT],
                           struct hgl_err *err)
{
  rig->type = "bench/1.0/decide";
  for (size_t i = 0; i < FIGURE_COUNT; i++) {
    struct stretch stretch = {0};
    rig->model = figures[i].name;
    int status = measure(rig, figures[i].agents, &stretch, err);
    if (!status) {
      rates[i] = rate_of(&stretch, "done");
      json_array_append_new(
          rows,
          json_pack("{s:I, s:b, s:f, s:f, s:f, s:f, s:f, s:f, s:s, s:o}", "agents",
                    (json_int_t)figures[i].agents, "batched", !figures[i].single, "calls_per_s",
                    rates[i], "loop_us", loop_us(&stretch), "on_loop", share_on_loop(&stretch),
                    "p50_ms", number_at(stretch.after, "told", "p50_ms"), "p99_ms",
                    number_at(stretch.after, "told", "p99_ms"), "calls_per_batch",
                    number_at(stretch.after, "batches", "mean"), "device",
                    json_string_value(json_object_get(stretch.after, "device")), "bystander_ms",
                    hgl_bench_percentiles(rig->waits, rig->wait_count)));
    }
    forget(&stretch);
    if (status) return hgl_fail_in(err, "%s", figures[i].name);
  }
  return 0;
}

static int measure_language(struct rig *rig, json_t *rows, struct hgl_err *err)
{
  if (!rig->bench->gguf) return 0;
  rig->type = "bench/1.0/write";
  rig->model = "language";
  for (size_t i = 0; i < WRITERS_COUNT; i++) {
    struct stretch stretch = {0};
    int status = measure(rig, writers[i], &stretch, err);
    if (!status)
      json_array_append_new(
          rows, json_pack("{s:I, s:f, s:f, s:s, s:o}", "agents", (json_int_t)writers[i],
                          "tokens_per_s", rate_of(&stretch, "tokens_out"), "first_token_p50_ms",
                          number_at(stretch.after, "first_token", "p50_ms"), "device",
                          json_string_value(json_object_get(stretch.after, "device")),
                          "bystander_ms", hgl_bench_percentiles(rig->waits, rig->wait_count)));
    forget(&stretch);
    if (status) return hgl_fail_in(err, "%zu agents and %s", writers[i], rig->bench->gguf);
  }
  return 0;
}

int hgl_bench_infer(const struct hgl_bench *bench, json_t **out, struct hgl_err *err)
{
  struct rig rig = {.bench = bench};
  struct stretch idle = {0};
  double rates[FIGURE_COUNT] = {0};
  json_t *rows = json_array(), *languages = json_array(), *alone = NULL;
  rig.waits = hgl_array(SAMPLES_MAX, sizeof *rig.waits);
  int status = rows && languages && rig.waits ? start(&rig, err)
                                              : hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  if (!status) status = measure(&rig, 0, &idle, err);
  if (!status) alone = hgl_bench_percentiles(rig.waits, rig.wait_count);
  if (!status) status = measure_figures(&rig, rows, rates, err);
  if (!status) status = measure_language(&rig, languages, err);
  if (!status) {
    double batched = rates[THOUSAND], by_one = rates[ONE_BY_ONE], single = rates[THOUSAND_SINGLE];
    *out = json_pack("{s:s, s:f, s:s, s:f, s:f, s:O, s:O, s:O, s:s}", "name", "infer", "value",
                     batched, "unit", "decisions/s by 1000 agents", "speedup",
                     by_one > 0 ? batched / by_one : 0.0, "speedup_over_batches_of_one",
                     single > 0 ? batched / single : 0.0, "agents", rows, "language", languages,
                     "bystander_idle_ms", alone, "note",
                     "each decision a suspension of its agent's handler, journaled; one call at a "
                     "time: handed to the model's thread and awaited before the next is made");
    if (!*out) status = hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  }
  hgl_node_destroy(rig.node);
  hgl_free(rig.waits);
  json_decref(rows);
  json_decref(languages);
  json_decref(alone);
  return status;
}
