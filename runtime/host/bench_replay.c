/* What it costs to suspend a handler with a journal, to read from state with one, and to run a
 * handler again: one VM on its own, without a host and its rows. */
#include <stdio.h>

#include "base/mem.h"
#include "base/seam.h"
#include "host/bench.h"

enum { WAITS = 900, READS = 5000, PASSES_MIN = 20 };

static const char script[] =
    "agent.on_timer('sleep', function() for i = 1, 900 do agent.sleep(1) end end)\n"
    "agent.on_timer('ask', function()\n"
    "  for i = 1, 900 do agent.ask('peer', 'bench/1.0/ask', { n = i }) end\n"
    "end)\n"
    "agent.on_timer('set', function() state.x = 1 state.text = ('x'):rep(100000) end)\n"
    "agent.on_timer('read', function() local s = state for i = 1, 5000 do local x = s.x end end)\n"
    "agent.on_timer('fill', function() local s = state for i = 1, 4 do local x = s.text end end)\n"
    "agent.on_timer('full', function() local s = state for i = 1, 4 do local x = s.text end\n"
    "  for i = 1, 5000 do local x = s.x end end)\n";

static int declare(void *user, enum hgl_vm_declaration what, struct hgl_bytes name,
                   struct hgl_bytes value, struct hgl_err *err)
{
  return 0;
}

static int64_t now_ms(void *user)
{
  return 0;
}

/* One VM, and what a handler's stretches left. */
struct rig {
  struct hgl_chunks *chunks;
  struct hgl_vm *vm;
  struct hgl_buf records[WAITS];
  struct hgl_vm_message message;
  struct hgl_vm_answer answer;
  struct hgl_err *err;
};

static int rig_open(struct rig *rig, struct hgl_err *err)
{
  struct hgl_vm_config config = {
      .agent_name = "bench",
      .source = hgl_text(script),
      .chunk_name = "bench.lua",
      .limits = {.memory_bytes = HGL_MEMORY_DEFAULT,
                 .state_bytes = HGL_STATE_DEFAULT,
                 .runs_max = HGL_HANDLERS_DEFAULT},
      .ops = {.declare = declare, .now_ms = now_ms},
  };
  for (int i = 0; i < WAITS; i++) hgl_buf_init(&rig->records[i], HGL_VM_JOURNAL_SIZE_MAX);
  rig->err = err;
  rig->message.attempt = 1;
  rig->message.envelope.type = hgl_text("bench/1.0/answer");
  rig->message.envelope.protocol = hgl_text("bench");
  rig->message.envelope.version = hgl_text("1.0");
  rig->message.envelope.performative = hgl_text("answer");
  rig->message.envelope.body = hgl_bytes("\xa0", 1);
  rig->answer.message = &rig->message;
  int status = hgl_chunks_create(&rig->chunks, err);
  config.chunks = rig->chunks;
  return status ? status : hgl_vm_create(&config, &rig->vm, err);
}

static void rig_close(struct rig *rig)
{
  for (int i = 0; i < WAITS; i++) hgl_buf_deinit(&rig->records[i]);
  hgl_vm_destroy(rig->vm);
  hgl_chunks_destroy(rig->chunks);
}

static struct hgl_vm_call call_of(const char *name)
{
  return (struct hgl_vm_call){.kind = HGL_VM_ON_TIMER, .name = hgl_text(name), .seed = 1};
}

static int failed(struct rig *rig, const struct hgl_vm_failure *failure)
{
  return hgl_fail(rig->err, failure->error.code, "%s", failure->error.message);
}

/* Runs a handler to its end, keeping the events of each stretch as a host does. */
static int suspend_all(struct rig *rig, const char *name, size_t answers)
{
  struct hgl_vm_call call = call_of(name);
  struct hgl_vm_failure failure;
  struct hgl_vm_run *run;
  struct hgl_vm_wait wait;
  enum hgl_vm_outcome outcome = hgl_vm_start(rig->vm, &call, &run, &wait, &failure);
  for (int i = 0; outcome == HGL_VM_SUSPENDED; i++) {
    hgl_vm_accept(rig->vm);
    hgl_buf_clear(&rig->records[i]);
    hgl_buf_append_bytes(&rig->records[i], hgl_vm_events(rig->vm));
    outcome = hgl_vm_resume(rig->vm, run, &rig->answer, answers, &wait, &failure);
  }
  if (outcome == HGL_VM_RAISED) return failed(rig, &failure);
  hgl_vm_accept(rig->vm);
  return 0;
}

static int replay_all(struct rig *rig, const char *name, size_t answers)
{
  struct hgl_vm_call call = call_of(name);
  struct hgl_vm_failure failure;
  struct hgl_vm_run *run;
  enum hgl_vm_outcome outcome = hgl_vm_replay_start(rig->vm, &call, hgl_buf_bytes(&rig->records[0]),
                                                    &run, &failure);
  for (int i = 1; i < WAITS && outcome == HGL_VM_SUSPENDED; i++)
    outcome = hgl_vm_replay_resume(rig->vm, run, &rig->answer, answers,
                                   hgl_buf_bytes(&rig->records[i]), &failure);
  if (outcome != HGL_VM_SUSPENDED) return failed(rig, &failure);
  hgl_vm_abandon(rig->vm, run);
  return 0;
}

/* The least of the passes, in ns: what others do on the machine only adds to it. */
static int measure(struct rig *rig, int (*pass)(struct rig *, const char *, size_t),
                   const char *name, size_t answers, int64_t until_ns, double *least)
{
  int64_t now = hgl_mono_ns(&hgl_clock_system);
  *least = 0;
  for (int i = 0; i < PASSES_MIN || now < until_ns; i++) {
    int64_t start = now;
    int status = pass(rig, name, answers);
    if (status) return status;
    now = hgl_mono_ns(&hgl_clock_system);
    if (!i || (double)(now - start) < *least) *least = (double)(now - start);
  }
  return 0;
}

int hgl_bench_replay(const struct hgl_bench *bench, json_t **out, struct hgl_err *err)
{
  static const struct {
    const char *name;
    int (*pass)(struct rig *, const char *, size_t);
    size_t answers;
  } steps[] = {{"set", suspend_all, 0},  {"sleep", suspend_all, 0}, {"sleep", replay_all, 0},
               {"ask", suspend_all, 1},  {"ask", replay_all, 1},    {"read", suspend_all, 0},
               {"full", suspend_all, 0}, {"fill", suspend_all, 0}};
  enum { STEPS = sizeof steps / sizeof *steps };
  double ns[STEPS];
  char note[256];
  struct rig *rig = hgl_zalloc(sizeof *rig);
  if (!rig) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  int status = rig_open(rig, err);
  for (int i = 0; i < STEPS && !status; i++) {
    int64_t until = hgl_mono_ns(&hgl_clock_system) + bench->seconds * 1000000000LL / STEPS;
    status = measure(rig, steps[i].pass, steps[i].name, steps[i].answers, i ? until : 0, &ns[i]);
  }
  rig_close(rig);
  hgl_free(rig);
  if (status) return status;
  double read = ns[5] / READS, unnoted = (ns[6] - ns[7]) / READS;
  snprintf(note, sizeof note,
           "a sleep %.2f us, replayed %.2f us; an ask %.2f us, replayed %.2f us; a read %.0f ns, "
           "%.0f ns of it for the journal",
           ns[1] / WAITS / 1e3, ns[2] / WAITS / 1e3, ns[3] / WAITS / 1e3, ns[4] / WAITS / 1e3, read,
           read - unnoted);
  *out = json_pack("{s:s, s:f, s:s, s:i, s:f, s:f, s:f, s:f, s:f, s:f, s:s}", "name", "replay",
                   "value", ns[2] / WAITS / 1e3, "unit", "us a replayed suspension", "bytes", 0,
                   "sleep_us", ns[1] / WAITS / 1e3, "replayed_sleep_us", ns[2] / WAITS / 1e3,
                   "ask_us", ns[3] / WAITS / 1e3, "replayed_ask_us", ns[4] / WAITS / 1e3, "read_ns",
                   read, "journal_of_read_ns", read - unnoted, "note", note);
  return *out ? 0 : hgl_fail(err, HGL_NO_MEMORY, "out of memory");
}
