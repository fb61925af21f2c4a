/* Reloading: another script takes the place of the one that runs, in the same agent. Nothing that
 * the agent has is made anew: state, cache, mailbox, timers, dialogues and suspended handlers stay
 * where they are. What a reload writes (on_upgrade's effects, the version, schedules, the advert)
 * goes into the set of one tick, so that after a crash the agent is as before or as after it.
 *
 * The new script is loaded beside the old one (scripts.c) and shares its state. Until its
 * on_upgrade has ended well everything can be put back; what follows cannot fail but for the host.
 */
#include "agent/supervise.h"

enum { RELOAD_RUN_MS = 10 }; /* of one tick */

struct reload {
  struct reload *next;
  struct script *script; /* its text; NULL once it has been tried */
  bool if_changed;
  uint64_t tick;  /* whose commit makes it durable */
  json_t *result; /* or: */
  struct hgl_err why;
  hgl_reload_done done;
  void *user;
  char name[];
};

/* What the new script replaces, until that is certain. */
struct before {
  struct manifest *manifest;
  struct kept_script *script;
};

/* ---- the new script ---- */

/* State is counted for the script that owns it. */
static int check_room(const struct agent *agent, const struct hgl_vm *vm, struct hgl_err *err)
{
  size_t state = hgl_vm_state_memory(agent->vm), used = hgl_vm_memory(vm);
  if (used + state <= (size_t)agent->limits->memory_bytes) return 0;
  return hgl_fail(err, HGL_NO_MEMORY,
                  "%s: the new script and the state in memory take %zu bytes, limit %lld; "
                  "`haggle agent restart` begins with less of it",
                  agent->name, used + state, (long long)agent->limits->memory_bytes);
}

static int take_place(struct agent *agent, struct hgl_bytes source, struct hgl_err *err)
{
  struct kept_script *script = NULL;
  struct hgl_vm *vm = NULL;
  int status = script_load(agent, source, hgl_buf_bytes(&agent->child->config), &vm, &script, err);
  if (status) return status;
  if (!(status = check_room(agent, vm, err)) &&
      !(status = manifest_share(agent->host, &agent->manifest, err)))
    status = script_replace(agent, vm, script, err);
  if (status) {
    hgl_vm_destroy(vm);
    script_release(agent->host, script);
  }
  return status;
}

/* On failure the agent is as it was. */
static int load(struct agent *agent, struct hgl_bytes source, struct before *before,
                struct hgl_err *err)
{
  struct manifest *fresh;
  int status = agent_wake(agent, err);
  if (!status) status = manifest_create(agent->host, &fresh, err);
  if (status) return status;
  *before = (struct before){agent->manifest, agent->script};
  agent->manifest = fresh;
  if ((status = take_place(agent, source, err))) {
    manifest_release(agent->host, agent->manifest);
    agent->manifest = before->manifest;
  }
  return status;
}

static void put_back(struct agent *agent, const struct before *before)
{
  script_put_back(agent);
  manifest_release(agent->host, agent->manifest);
  agent->manifest = before->manifest;
}

/* ---- on_upgrade ---- */

static int fail_upgrade(struct agent *agent, const struct mail *mail, struct raised *raised,
                        struct hgl_err *err)
{
  run_roll_back(agent, raised);
  if (*raised->failure.traceback)
    host_log(agent->host, HGL_LOG_DEBUG, "%s: %s", agent->name, raised->failure.traceback);
  return hgl_fail(
      err, HGL_SCRIPT, "on_upgrade(%lld, %lld): %s [%s%s]", (long long)mail->from_version,
      (long long)mail->to_version, raised->failure.error.message,
      *raised->undone ? "rolled back: " : "nothing was to be rolled back", raised->undone);
}

/* Once it waits its first part would stand, and the rest might fail. */
static int refuse_to_wait(struct agent *agent, struct hgl_vm_run *run, struct hgl_err *err)
{
  hgl_vm_abandon(agent->vm, run);
  hgl_vm_roll_back(agent->vm);
  stretch_drop(agent->host);
  return hgl_fail(
      err, HGL_INVALID,
      "on_upgrade waits, which it cannot do in a reload; `haggle agent restart` lets it");
}

static int call_upgrade(struct agent *agent, struct mail *mail, struct hgl_err *err)
{
  struct hgl_vm_call call = {.seed = hgl_random_u64(agent->host->config.random),
                             .waiting = agent->waiting_runs};
  struct hgl_vm_message none;
  struct hgl_vm_run *run = NULL;
  struct hgl_vm_wait wait;
  struct raised raised = {.failure.traceback = ""};
  struct hgl_buf values;
  hgl_buf_init(&values, 64);
  run_call_of(mail, &none, &call, &values);
  call.values = hgl_buf_bytes(&values);
  int status = hgl_buf_check(&values, err);
  if (!status) {
    stretch_begin(agent->host, agent, mail, NULL);
    switch (hgl_vm_start(agent->vm, &call, &run, &wait, &raised.failure)) {
    case HGL_VM_DONE:
      run_accept_stretch(agent, NULL);
      agent->handled++;
      agent->host->counts.handled++;
      break;
    case HGL_VM_SUSPENDED:
      status = refuse_to_wait(agent, run, err);
      break;
    case HGL_VM_RAISED:
      status = fail_upgrade(agent, mail, &raised, err);
      break;
    }
  }
  hgl_buf_deinit(&values);
  return status;
}

/* As at a start: one that has not begun yet begins with this version. */
static int upgrade(struct agent *agent, bool *upgraded, struct hgl_err *err)
{
  int64_t from = agent->stored_version, to = agent->manifest->version;
  struct mail mail = {.kind = MAIL_UPGRADE, .from_version = from, .to_version = to, .attempt = 1};
  if (!agent->created || to <= from ||
      !manifest_has(agent->manifest, HGL_VM_ON_UPGRADE, hgl_bytes(NULL, 0)))
    return 0;
  int status = call_upgrade(agent, &mail, err);
  *upgraded = status == 0;
  return status;
}

/* ---- after it ---- */

static int settle_version(struct agent *agent, struct hgl_err *err)
{
  int status = agent_lower_version(agent, err);
  if (status || agent->manifest->version == agent->stored_version) return status;
  agent->stored_version = agent->manifest->version;
  return agent_store_row(agent, err);
}

/* What of on_start and on_upgrade was still to be tried belonged to the script before. */
static int begin(struct agent *agent, struct hgl_err *err)
{
  bool listens = manifest_has(agent->manifest, HGL_VM_ON_START, hgl_bytes(NULL, 0));
  bool created = agent->created;
  mailbox_drop_beginnings(agent);
  if (agent->starting) run_finish(agent->starting);
  if (listens) return agent_notice_first(agent, MAIL_START, created ? "reloaded" : "created", err);
  agent->created = true;
  return created ? 0 : agent_store_row(agent, err);
}

/* What it is described as from its next beginning on has this text, too, if it has this file. */
static int give_next(struct child *child, struct hgl_err *err)
{
  struct child *next = child->next;
  if (!next || strcmp(next->script_path, child->script_path) != 0) return 0;
  return child_set_script(next, hgl_bytes(child->script->text, child->script->size), err);
}

static int follow(struct agent *agent, struct hgl_err *err)
{
  struct hgl_host *host = agent->host;
  int status;
  host->changed = true;
  if ((status = timers_follow_manifest(agent, err)) || (status = agent_schedule(agent, err)) ||
      (status = settle_version(agent, err)) || (status = begin(agent, err)) ||
      (status = give_next(agent->child, err)))
    return status;
  script_drop_idle_vms(agent);
  agent_active(agent);
  agent_ready(agent);
  return agent_is_advertised(agent) ? 0 : agent_advertise(agent, err);
}

/* ---- one reload ---- */

static size_t count_old(const struct agent *agent)
{
  size_t count = 0;
  for (const struct agent_run *run = agent->runs; run; run = run->next)
    count += run->stretches && run->script != agent->script;
  return count;
}

static json_t *describe(const struct child *child, bool changed, int64_t from, bool upgraded)
{
  const struct agent *agent = child->agent;
  return json_pack("{s:s, s:b, s:I, s:I, s:b, s:I, s:b}", "name", child->name, "changed", changed,
                   "from", (json_int_t)from, "to", (json_int_t)agent->manifest->version, "upgraded",
                   upgraded, "old_handlers", (json_int_t)count_old(agent), "restarted", 0);
}

static void tell_reloaded(const struct child *child, enum hgl_log_level level, int64_t from)
{
  const struct agent *agent = child->agent;
  size_t old = count_old(agent);
  char more[96] = "";
  if (old)
    snprintf(more, sizeof more, "; %zu handler%s on under the script %s began with", old,
             old == 1 ? " goes" : "s go", old == 1 ? "it" : "they");
  if (agent->manifest->version == from)
    host_log(child->host, level, "%s is reloaded%s", child->name, more);
  else
    host_log(child->host, level, "%s is reloaded: version %lld to %lld%s", child->name,
             (long long)from, (long long)agent->manifest->version, more);
  watch_event(child->host, "agent",
              json_pack("{s:s, s:s}", "name", child->name, "what", "reloaded"));
}

static int replace(struct child *child, struct reload *reload, struct hgl_err *err)
{
  struct hgl_host *host = child->host;
  struct agent *agent = child->agent;
  struct before before;
  int64_t from = agent->stored_version;
  bool upgraded = false;
  int status = load(agent, hgl_bytes(reload->script->text, reload->script->size), &before, err);
  if (status) return status;
  bool changed = agent->script != before.script;
  if (!changed && reload->if_changed) {
    put_back(agent, &before);
    reload->result = describe(child, false, from, false);
    return 0;
  }
  if ((status = upgrade(agent, &upgraded, err))) {
    put_back(agent, &before);
    return status;
  }
  manifest_release(host, before.manifest);
  child_take_script(child, reload->script);
  reload->script = NULL;
  child->reloads = false;
  window_deinit(&child->restarts);
  window_deinit(&child->dead_letters);
  struct hgl_err fatal;
  if (follow(agent, &fatal)) host_fatal(host, &fatal);
  tell_reloaded(child, reload->if_changed ? HGL_LOG_DEBUG : HGL_LOG_INFO, from);
  reload->result = describe(child, changed, from, upgraded);
  return 0;
}

/* It has failed, perhaps before the host's last start, and nothing of it runs that could be kept.
 */
static int begin_again(struct child *child, struct reload *reload, struct hgl_err *err)
{
  struct hgl_bytes source = hgl_bytes(reload->script->text, reload->script->size);
  int status = hgl_host_restart_agent(child->host, child->name, source, err);
  if (!status)
    reload->result = json_pack("{s:s, s:b, s:b, s:I}", "name", child->name, "changed", 1,
                               "restarted", 1, "old_handlers", (json_int_t)0);
  return status;
}

static int reload_child(struct child *child, struct reload *reload, struct hgl_err *err)
{
  struct hgl_host *host = child->host;
  if (host->stopping || host->failed) return hgl_fail(err, HGL_CLOSED, "the host stops");
  if (child->errand)
    return hgl_fail(err, HGL_INVALID, "%s is just being %s", child->name,
                    child->errand == RESTART ? "restarted"
                    : child->errand == STOP  ? "stopped"
                                             : "removed");
  if (child->standing == STOPPED || !child->agent)
    return hgl_fail(err, HGL_INVALID, "%s is stopped: begin it with `haggle agent restart %s`",
                    child->name, child->name);
  if (child_begins_anew(child)) return begin_again(child, reload, err);
  return replace(child, reload, err);
}

static void try(struct hgl_host *host, struct reload *reload)
{
  struct child *child = child_by_name(host, hgl_text(reload->name));
  int status = child ? reload_child(child, reload, &reload->why)
                     : hgl_fail(&reload->why, HGL_NOT_FOUND, "there is no agent named %.80s here",
                                reload->name);
  if (status)
    host_log(host, reload->if_changed ? HGL_LOG_DEBUG : HGL_LOG_ERROR,
             "%s is not reloaded, and goes on as before: %s", reload->name, reload->why.message);
  else if (!reload->result)
    hgl_fail(&reload->why, HGL_NO_MEMORY, "out of memory");
  script_text_release(host, reload->script);
  reload->script = NULL;
  /* What is not made needs no commit. */
  bool made = reload->result &&
              (json_is_true(json_object_get(reload->result, "changed")) || !reload->if_changed);
  reload->tick = made ? host->tick : 0;
}

/* ---- those that wait ---- */

void reloads_run(struct hgl_host *host)
{
  if (!host->reloads_first) return;
  int64_t until = hgl_mono_ns(host->config.clock) + (int64_t)RELOAD_RUN_MS * 1000000;
  for (struct reload *reload = host->reloads_first; reload && !host->failed;
       reload = reload->next) {
    if (!reload->script) continue;
    try(host, reload);
    if (hgl_mono_ns(host->config.clock) > until) break;
  }
  host_request_tick(host);
}

static void tell(struct reload *reload)
{
  reload->done(reload->user, reload->result, reload->result ? NULL : &reload->why);
  json_decref(reload->result);
  hgl_free(reload);
}

/* In the order in which they were asked for. */
void reloads_tell(struct hgl_host *host)
{
  for (struct reload *reload; (reload = host->reloads_first);) {
    if (reload->script || host->committed_tick < reload->tick) return;
    host->reloads_first = reload->next;
    if (!host->reloads_first) host->reloads_last = NULL;
    tell(reload);
  }
}

void reloads_deinit(struct hgl_host *host)
{
  for (struct reload *reload; (reload = host->reloads_first);) {
    host->reloads_first = reload->next;
    script_text_release(host, reload->script);
    json_decref(reload->result);
    reload->result = NULL;
    hgl_fail(&reload->why, HGL_CLOSED, "the host stops");
    tell(reload);
  }
  host->reloads_last = NULL;
}

int hgl_host_reload_agent(struct hgl_host *host, const char *name, struct hgl_bytes source,
                          bool if_changed, hgl_reload_done done, void *user, struct hgl_err *err)
{
  struct child *child = child_by_name(host, hgl_text(name));
  size_t size = strlen(name) + 1;
  if (!child) return hgl_fail(err, HGL_NOT_FOUND, "there is no agent named %.80s here", name);
  if (!child->script)
    return hgl_fail(err, HGL_INVALID, "%s is the agent through which you speak", name);
  if (!source.size) return hgl_fail(err, HGL_SCRIPT, "%s: its script is empty", name);
  struct reload *reload = hgl_zalloc(sizeof *reload + size);
  if (!reload) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  int status = script_text_hold(host, source, &reload->script, err);
  if (status) {
    hgl_free(reload);
    return status;
  }
  reload->if_changed = if_changed;
  reload->done = done;
  reload->user = user;
  memcpy(reload->name, name, size);
  *(host->reloads_last ? &host->reloads_last->next : &host->reloads_first) = reload;
  host->reloads_last = reload;
  host_request_tick(host);
  return 0;
}

/* ---- which ---- */

/* "worker-12" is one of those that were described as "worker". */
static bool is_counted(const char *name, const char *of)
{
  size_t size = strlen(of);
  return strncmp(name, of, size) == 0 && name[size] == '-' && name[size + 1] &&
         strspn(name + size + 1, "0123456789") == strlen(name + size + 1);
}

static int compare_file(void *user, struct hgl_bytes path, struct hgl_err *err)
{
  return hgl_bytes_is(path, user);
}

static bool uses(const struct child *child, const char *file)
{
  struct hgl_err ignored;
  if (strcmp(child->script_path, file) == 0) return true;
  return child->agent && child->agent->script &&
         script_files(child->agent->script, compare_file, (void *)file, &ignored) == 1;
}

static bool fits(const struct child *child, const struct hgl_selection *selection, bool counted)
{
  const char *name = selection->name, *group = selection->group;
  if (!child->script) return false;
  if (name && strcmp(child->name, name) != 0 && !(counted && is_counted(child->name, name)))
    return false;
  if (group && (!child->group || strcmp(child->group->name, group) != 0)) return false;
  return !selection->file || uses(child, selection->file);
}

int hgl_host_select(struct hgl_host *host, const struct hgl_selection *selection,
                    int (*agent)(void *user, const char *name, const char *script,
                                 struct hgl_err *err),
                    void *user, struct hgl_err *err)
{
  bool counted = selection->name && !child_by_name(host, hgl_text(selection->name));
  bool found = false;
  for (struct child *child = host->children.first; child; child = child->in[OF_HOST].next) {
    if (!fits(child, selection, counted)) continue;
    const struct child *read = child_begins_anew(child) ? child_described(child) : child;
    int status = agent(user, child->name, read->script_path, err);
    if (status) return status;
    found = true;
  }
  if (found) return 0;
  if (selection->name)
    return hgl_fail(err, HGL_NOT_FOUND, "there is no agent named %.80s here", selection->name);
  if (selection->group)
    return hgl_fail(err, HGL_NOT_FOUND, "there is no agent in a group named %.80s here",
                    selection->group);
  return hgl_fail(err, HGL_NOT_FOUND, "there is no such agent here");
}

int hgl_host_agent_files(struct hgl_host *host, const char *name,
                         int (*file)(void *user, struct hgl_bytes path, struct hgl_err *err),
                         void *user, struct hgl_err *err)
{
  const struct child *child = child_by_name(host, hgl_text(name));
  if (!child) return hgl_fail(err, HGL_NOT_FOUND, "there is no agent named %.80s here", name);
  if (!child->agent || !child->agent->script) return file(user, hgl_text(child->script_path), err);
  return script_files(child->agent->script, file, user, err);
}
