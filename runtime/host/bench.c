/* `haggle bench`: the verb, its output, and the ceilings that every figure stands beside. */
#include "host/bench.h"

#include <stdio.h>
#include <limits.h>
#include <linux/magic.h>
#include <math.h>
#include <stdlib.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/seam.h"
#include "host/text.h"
#include "protocol/crypto.h"

enum { SECONDS_DEFAULT = 5, ENTRIES_DEFAULT = 1000000, AGENTS_DEFAULT = 100000, CEILING_MS = 400 };

static const struct benchmark {
  const char *name, *what;
  int (*run)(const struct hgl_bench *bench, json_t **out, struct hgl_err *err);
} benchmarks[] = {
    {"remote",
     "600-byte messages from a host to a host in another process: signed, verified, "
     "durable on both sides, handled in Lua",
     hgl_bench_remote},
    {"local", "the same between two agents of one host", hgl_bench_local},
    {"latency", "one message in flight between two hosts: a deal of 5 messages", hgl_bench_latency},
    {"start", "from starting the process to the first message handled", hgl_bench_start},
    {"restart", "the same after kill -9, with a million entries in the journal", hgl_bench_restart},
    {"pause", "the longest wait of an agent beside one that tries to stop its host",
     hgl_bench_pause},
    {"density", "live and registered agents per GiB of memory", hgl_bench_density},
    {"wake", "waking an agent that sleeps", hgl_bench_wake},
    {"replay", "suspending a handler, and running it again, in one Lua state", hgl_bench_replay},
    {"infer", "decisions of a model, by one agent and by a thousand", hgl_bench_infer},
    {"viewers", "what ten viewers cost a thousand agents that trade", hgl_bench_viewers},
};
enum { BENCHMARK_COUNT = sizeof benchmarks / sizeof *benchmarks };

/* ---- ceilings ---- */

static double rate_of(uint64_t count, int64_t ns)
{
  return ns > 0 ? (double)count * 1e9 / (double)ns : 0;
}

static void nothing(void *user) {}

static int measure_commits(const struct hgl_bench *bench, double *out, struct hgl_err *err)
{
  char folder[PATH_MAX];
  snprintf(folder, sizeof folder, "%s/ceiling", bench->folder);
  struct hgl_store *store = NULL;
  struct hgl_store_config config = {
      .folder = folder, .clock = &hgl_clock_system, .log = &hgl_log_none};
  int status = hgl_store_open(&config, &store, err);
  uint64_t count = 0;
  int64_t start = hgl_mono_ns(&hgl_clock_system), now = start;
  while (!status && (now = hgl_mono_ns(&hgl_clock_system)) < start + CEILING_MS * 1000000LL) {
    uint8_t key[8];
    hgl_put_be64(key, count++);
    status = hgl_writeset_put_new(hgl_store_open_set(store), HGL_DB_JOURNAL, hgl_bytes(key, 8),
                                  hgl_text("one row"), err);
    if (!status) status = hgl_store_commit(store, nothing, NULL, err);
    if (!status) status = hgl_store_drain(store, 10000, err);
  }
  hgl_store_close(store);
  if (!status) *out = rate_of(count, now - start);
  return status;
}

int hgl_bench_ceilings(const struct hgl_bench *bench, struct hgl_ceilings *out, struct hgl_err *err)
{
  struct hgl_signer *signer;
  uint8_t seed[HGL_SEED_SIZE], signature[HGL_SIGNATURE_SIZE], message[256] = {0};
  hgl_random_fill(&hgl_random_system, seed, sizeof seed);
  int status = hgl_signer_create(seed, &signer, err);
  if (status) return status;
  struct hgl_bytes bytes = hgl_bytes(message, sizeof message);
  uint64_t count = 0;
  int64_t start = hgl_mono_ns(&hgl_clock_system), now;
  for (; (now = hgl_mono_ns(&hgl_clock_system)) < start + CEILING_MS * 1000000LL; count++)
    hgl_signer_sign(signer, bytes, signature);
  out->signatures = rate_of(count, now - start);
  start = now;
  for (count = 0;
       !status && (now = hgl_mono_ns(&hgl_clock_system)) < start + CEILING_MS * 1000000LL; count++)
    status = hgl_verify(hgl_signer_key(signer), bytes, signature, err);
  out->verifications = rate_of(count, now - start);
  hgl_signer_destroy(signer);
  return status ? status : measure_commits(bench, &out->commits, err);
}

/* ---- shared ---- */

static int by_size(const void *a, const void *b)
{
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

json_t *hgl_bench_percentiles(double *samples, size_t count)
{
  if (!count) return json_object();
  qsort(samples, count, sizeof *samples, by_size);
  return json_pack("{s:f, s:f, s:f, s:f, s:I}", "p50", samples[count / 2], "p90",
                   samples[count * 9 / 10], "p99", samples[count * 99 / 100], "max",
                   samples[count - 1], "samples", (json_int_t)count);
}

/* Hodges and Lehmann's estimate, and the interval of Wilcoxon's signed ranks: of the means of any
 * two samples (and of each with itself), in order, the middle one and two as far from the ends. A
 * sample that another program spoiled moves them little. */
json_t *hgl_bench_estimate(const double *samples, size_t count)
{
  size_t pairs = count * (count + 1) / 2, taken = 0;
  double n = (double)count, cut = n * (n + 1) / 4 - 1.96 * sqrt(n * (n + 1) * (2 * n + 1) / 24);
  size_t outside = cut > 0 ? (size_t)cut : 0;
  double *means = pairs ? hgl_array(pairs, sizeof *means) : NULL;
  if (!means) return NULL;
  for (size_t i = 0; i < count; i++)
    for (size_t k = i; k < count; k++) means[taken++] = (samples[i] + samples[k]) / 2;
  qsort(means, pairs, sizeof *means, by_size);
  json_t *out = json_pack("{s:f, s:f, s:f}", "estimate",
                          (means[(pairs - 1) / 2] + means[pairs / 2]) / 2, "low", means[outside],
                          "high", means[pairs - 1 - outside]);
  hgl_free(means);
  return out;
}

int hgl_bench_write(const struct hgl_bench *bench, const char *name, const char *text,
                    char path[PATH_MAX], struct hgl_err *err)
{
  snprintf(path, PATH_MAX, "%s/%s", bench->folder, name);
  FILE *file = fopen(path, "w");
  if (!file || fputs(text, file) < 0 || fclose(file))
    return hgl_fail(err, HGL_IO, "cannot write %.200s", path);
  return 0;
}

/* ---- the verb ---- */

static void show_percentiles(const char *of, const json_t *percentiles)
{
  if (json_object_size(percentiles))
    printf("         %s: p50 %.3f  p90 %.3f  p99 %.3f  max %.3f\n", of,
           json_number_value(json_object_get(percentiles, "p50")),
           json_number_value(json_object_get(percentiles, "p90")),
           json_number_value(json_object_get(percentiles, "p99")),
           json_number_value(json_object_get(percentiles, "max")));
}

/* Of infer: a row for so many agents. */
static void show_rows(const json_t *rows, const char *rate, const char *latency, const char *unit)
{
  size_t index;
  json_t *row;
  json_array_foreach(rows, index, row)
  {
    const json_t *others = json_object_get(row, "bystander_ms"),
                 *per_batch = json_object_get(row, "calls_per_batch");
    printf("         %5lld agents %10.0f %s",
           (long long)json_integer_value(json_object_get(row, "agents")),
           json_number_value(json_object_get(row, rate)), unit);
    printf("  p50 %.3f ms", json_number_value(json_object_get(row, latency)));
    if (json_object_get(row, "p99_ms"))
      printf("  p99 %.3f ms", json_number_value(json_object_get(row, "p99_ms")));
    if (per_batch)
      printf("  %.1f a batch, %.0f %% of them on the loop, which takes %.1f us a decision",
             json_number_value(per_batch), 100 * json_number_value(json_object_get(row, "on_loop")),
             json_number_value(json_object_get(row, "loop_us")));
    printf("  beside them p99 %.2f ms  on %s\n", json_number_value(json_object_get(others, "p99")),
           json_string_value(json_object_get(row, "device")));
  }
}

static void show_estimate(const char *of, const json_t *estimate)
{
  if (json_object_size(estimate))
    printf("         %s: %.2f %% slower (%.2f to %.2f, in 95 of 100 runs)\n", of,
           json_number_value(json_object_get(estimate, "estimate")),
           json_number_value(json_object_get(estimate, "low")),
           json_number_value(json_object_get(estimate, "high")));
}

static void show(const json_t *result)
{
  const json_t *ceilings = json_object_get(result, "ceilings");
  printf("%-8s %12.1f %s\n", json_string_value(json_object_get(result, "name")),
         json_number_value(json_object_get(result, "value")),
         json_string_value(json_object_get(result, "unit")));
  show_percentiles(json_string_value(json_object_get(result, "percentiles_of")),
                   json_object_get(result, "percentiles"));
  show_percentiles("with one old message waiting, ms",
                   json_object_get(result, "one_waiting_percentiles"));
  printf("         ceilings of this run: %.0f verifications/s, %.0f signatures/s, %.0f durable "
         "commits/s\n",
         json_number_value(json_object_get(ceilings, "verifications_per_s")),
         json_number_value(json_object_get(ceilings, "signatures_per_s")),
         json_number_value(json_object_get(ceilings, "commits_per_s")));
  show_rows(json_object_get(result, "agents"), "calls_per_s", "p50_ms", "calls/s");
  show_rows(json_object_get(result, "language"), "tokens_per_s", "first_token_p50_ms",
            "tokens/s, first token");
  const json_t *speedup = json_object_get(result, "speedup");
  if (speedup)
    printf("         speedup: %.1f over one call at a time, %.1f over batches of one\n",
           json_number_value(speedup),
           json_number_value(json_object_get(result, "speedup_over_batches_of_one")));
  show_estimate("by what the loop does for viewers", json_object_get(result, "by_part"));
  show_estimate("by the loop's processor time for a message", json_object_get(result, "by_loop"));
  show_estimate("by the clock", json_object_get(result, "by_clock"));
  show_percentiles("an agent beside them when they rest, ms",
                   json_object_get(result, "bystander_idle_ms"));
  const json_t *stored = json_object_get(result, "stored_bytes_per_message");
  if (stored)
    printf("         %lld bytes a message, %.0f stored for each by its sender\n",
           (long long)json_integer_value(json_object_get(result, "bytes")),
           json_number_value(stored));
  const char *note = json_string_value(json_object_get(result, "note"));
  if (note) printf("         %s\n", note);
}

/* A folder on a disk: /tmp is in memory on many machines, where nothing is durable. */
static int make_folder(char path[PATH_MAX], struct hgl_err *err)
{
  const char *given = getenv("TMPDIR");
  const char *base = given && *given ? given : "/var/tmp";
  struct statfs disk;
  if (snprintf(path, PATH_MAX, "%s/haggle-bench-XXXXXX", base) >= PATH_MAX || !mkdtemp(path))
    return hgl_fail(err, HGL_IO, "cannot make a folder in %.200s; name another with TMPDIR", base);
  if (statfs(path, &disk) == 0 && (disk.f_type == TMPFS_MAGIC || disk.f_type == RAMFS_MAGIC))
    fprintf(stderr, "haggle bench: %s is in memory, so that commits cost nothing; set TMPDIR\n",
            base);
  return 0;
}

static int run_one(const struct benchmark *benchmark, struct hgl_bench *bench, bool json,
                   struct hgl_err *err)
{
  char folder[PATH_MAX];
  struct hgl_ceilings ceilings;
  json_t *result = NULL;
  int status = make_folder(folder, err);
  if (status) return status;
  bench->folder = folder;
  status = hgl_bench_ceilings(bench, &ceilings, err);
  if (!status) status = benchmark->run(bench, &result, err);
  hgl_folder_remove(folder);
  bench->folder = NULL;
  if (status) return hgl_fail_in(err, "%s", benchmark->name);
  json_object_set_new(result, "ceilings",
                      json_pack("{s:f, s:f, s:f}", "verifications_per_s", ceilings.verifications,
                                "signatures_per_s", ceilings.signatures, "commits_per_s",
                                ceilings.commits));
  if (json)
    status = hgl_print_json(result, err);
  else
    show(result);
  fflush(stdout);
  json_decref(result);
  return status;
}

static const struct benchmark *find(const char *name)
{
  for (size_t i = 0; i < BENCHMARK_COUNT; i++)
    if (strcmp(benchmarks[i].name, name) == 0) return &benchmarks[i];
  return NULL;
}

static int bench_main(const struct hgl_verb *verb, int argc, char **argv)
{
  struct hgl_bench bench = {
      .seconds = SECONDS_DEFAULT, .entries = ENTRIES_DEFAULT, .agents = AGENTS_DEFAULT};
  struct hgl_texts words = {0};
  struct hgl_err err = {0};
  bool json = false;
  int status = 0, exit_status;
  const struct hgl_option options[] = {
      {"seconds", "N", HGL_OPTION_COUNT, &bench.seconds, "measure for N seconds (default 5)"},
      {"entries", "N", HGL_OPTION_COUNT, &bench.entries,
       "of the journal, for restart (default 1000000)"},
      {"agents", "N", HGL_OPTION_COUNT, &bench.agents, "registered, for density (default 100000)"},
      {"gguf", "FILE", HGL_OPTION_TEXT, &bench.gguf, "a language model, for infer (default none)"},
      {"device", "NAME", HGL_OPTION_TEXT, &bench.device,
       "where infer opens its models (default: as a host would)"},
      {"json", NULL, HGL_OPTION_FLAG, &json, "one JSON object a line"},
      {"verbose", NULL, HGL_OPTION_FLAG, &bench.verbose, "show the log of the measuring host"},
  };
  if (!hgl_options_parse(verb, options, sizeof options / sizeof *options, argc, argv, &words,
                         &exit_status))
    goto done;
  exit_status = HGL_EXIT_OK;
  for (size_t i = 0; i < words.count; i++)
    if (!find(words.items[i])) {
      exit_status = hgl_usage_fail(
          verb, "there is no benchmark '%.40s'; haggle bench --help names them", words.items[i]);
      goto done;
    }
  if (bench.seconds < 1) {
    exit_status = hgl_usage_fail(verb, "--seconds is at least 1");
    goto done;
  }
  for (size_t i = 0; i < BENCHMARK_COUNT && !status; i++) {
    bool wanted = words.count == 0;
    for (size_t k = 0; k < words.count; k++) wanted |= find(words.items[k]) == &benchmarks[i];
    if (wanted) status = run_one(&benchmarks[i], &bench, json, &err);
  }
  if (status) exit_status = hgl_verb_fail(verb, &err);
done:
  hgl_texts_deinit(&words);
  return exit_status;
}

const struct hgl_verb hgl_verb_bench = {
    .name = "bench",
    .usage = "[OPTION…] [BENCHMARK]…",
    .summary = "measure this machine: messages a second, latency, start, memory, pauses",
    .help =
        "Runs real hosts in scratch folders below $TMPDIR, or /var/tmp, and prints each figure "
        "beside "
        "the\n"
        "ceilings of the same run: signature verifications, signatures and durable commits a "
        "second "
        "on\n"
        "one core.\n"
        "\n"
        "  remote   600-byte messages between two processes: signed, verified, durable on both "
        "sides\n"
        "           and handled in Lua\n"
        "  local    the same between two agents of one host\n"
        "  latency  one message in flight between two hosts: a deal of 5 messages\n"
        "  start    from starting the process to the first message handled\n"
        "  restart  the same after kill -9, with a million entries in the journal (a gigabyte of "
        "disk)\n"
        "  pause    the longest wait of an agent beside one that tries to stop its host\n"
        "  density  how many live agents fit into a GiB, and how many that sleep\n"
        "  wake     how long it takes to wake an agent\n"
        "  replay   suspending a handler with its journal, and running it again, in one Lua state\n"
        "  infer    decisions of a model by 1, 10, 100 and 1000 agents, in batches and one at a "
        "time, and\n"
        "           what an agent beside them notices; with --gguf, tokens a second as well\n"
        "  viewers  how much slower a thousand agents trade when ten viewers look at them: by "
        "what the\n"
        "           loop does for those, by its processor time for a message, and by the clock, "
        "each "
        "with\n"
        "           an interval, which a minute makes narrow (--seconds 60)\n"
        "\n"
        "  haggle bench remote --seconds 10\n"
        "  haggle bench --json",
    .main = bench_main,
};
