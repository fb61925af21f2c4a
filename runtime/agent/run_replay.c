/* Running a handler again, from its start to where it waits: after a crash, after a stretch that
 * raised, when its agent's Lua state was given up. */
#include "agent/internal.h"

static int replay_one(struct agent_run *run, const struct hgl_vm_call *call,
                      const struct record *record, struct hgl_vm_failure *failure)
{
  struct hgl_bytes events = hgl_buf_bytes(&record->events);
  struct hgl_vm_answer *answers = hgl_array(record->ask_count + 1, sizeof *answers);
  struct hgl_vm_message *messages = hgl_array(record->ask_count + 1, sizeof *messages);
  enum hgl_vm_outcome outcome = HGL_VM_RAISED;
  hgl_fail(&failure->error, HGL_NO_MEMORY, "out of memory");
  if (answers && messages) {
    asks_tell(record->asks, record->ask_count, answers, messages);
    outcome = run->vm_run ? hgl_vm_replay_resume(run->vm, run->vm_run, answers, record->ask_count,
                                                 events, failure)
                          : hgl_vm_replay_start(run->vm, call, events, &run->vm_run, failure);
  }
  hgl_free(answers);
  hgl_free(messages);
  if (outcome == HGL_VM_SUSPENDED) return 0;
  if (answers && messages) run->vm_run = NULL; /* the VM has ended it */
  return -(int)failure->error.code;
}

static int replay_record(struct agent_run *run, const struct hgl_vm_call *call, size_t index,
                         struct hgl_err *err)
{
  struct hgl_vm_failure failure;
  struct record loaded = {0};
  const struct record *record = &loaded;
  int status = 0;
  if (index >= run->saved)
    record = &run->fresh[index - run->saved];
  else
    status = run_load_record(run, index, &loaded, err);
  if (status) return status;
  status = replay_one(run, call, record, &failure);
  record_destroy(&loaded);
  if (status)
    return hgl_fail(err, failure.error.code, "stretch %zu, %.420s", index + 1,
                    failure.error.message);
  return 0;
}

int run_replay(struct agent_run *run, struct hgl_err *err)
{
  struct agent *agent = run->agent;
  struct hgl_vm_message message;
  struct hgl_vm_call call = {.kind = run->kind,
                             .name = hgl_buf_bytes(&run->name),
                             .values = hgl_buf_bytes(&run->values),
                             .seed = run->seed};
  if (run->mail->message) {
    message = (struct hgl_vm_message){run->mail->message->envelope, run->mail->attempt};
    call.message = &message;
  }
  int status = script_vm(agent, run->script, &run->vm, err);
  for (size_t i = 0; i < run->stretches && !status; i++) status = replay_record(run, &call, i, err);
  if (!status) status = hgl_vm_replayed(run->vm, run->vm_run, run->views, err);
  if (status) run_leave_vm(run);
  return status;
}

void run_leave_vm(struct agent_run *run)
{
  if (run->vm_run) hgl_vm_abandon(run->vm, run->vm_run);
  run->vm_run = NULL;
  run->vm = NULL;
}
