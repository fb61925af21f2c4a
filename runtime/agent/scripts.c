/* Scripts as runs need them: what an agent's VM was made of, by its digest. A run goes on under the
 * script it began with; when the agent has another one by now, in a VM of its own beside the
 * agent's. */
#include "agent/supervise.h"

enum { BUNDLE_SIZE_MAX = 12 << 20, MODULES_MAX = 1000 };

struct script_loading {
  const struct kept_script *from; /* NULL: from files, for the first time */
  struct hgl_buf modules;         /* [module, path, source], … */
  size_t count;
  bool reloads; /* beside the one that runs: what is declared is not in force yet */
};

struct old_vm {
  struct old_vm *next;
  struct kept_script *script;
  struct hgl_vm *vm;
};

/* ---- bundles ---- */

struct bundle {
  struct hgl_bytes path, source, config;
  struct hgl_cbor_reader modules;
  size_t count;
};

static int read_bundle(const struct kept_script *script, struct bundle *out, struct hgl_err *err)
{
  struct hgl_cbor_reader in = hgl_cbor_reader(hgl_buf_bytes(&script->bundle));
  size_t count;
  int status;
  if ((status = hgl_cbor_get_list(&in, "script", 4, &count, err)) ||
      (status = hgl_cbor_get_bytes(&in, "script.path", 8192, &out->path, err)) ||
      (status = hgl_cbor_get_bytes(&in, "script.source", BUNDLE_SIZE_MAX, &out->source, err)) ||
      (status = hgl_cbor_get_bytes(&in, "script.config", BUNDLE_SIZE_MAX, &out->config, err)) ||
      (status = hgl_cbor_get_list(&in, "script.modules", MODULES_MAX, &out->count, err)))
    return status;
  out->modules = in;
  return 0;
}

int script_module(struct agent *agent, struct hgl_bytes name, bool *found, struct hgl_buf *source,
                  struct hgl_buf *chunk_name, struct hgl_err *err)
{
  struct bundle bundle;
  *found = false;
  if (!agent->loading || !agent->loading->from) return 0;
  int status = read_bundle(agent->loading->from, &bundle, err);
  for (size_t count; !status && bundle.count; bundle.count--) {
    struct hgl_bytes other, path, text;
    if ((status = hgl_cbor_get_list(&bundle.modules, "module", 3, &count, err)) ||
        (status = hgl_cbor_get_bytes(&bundle.modules, "module.name", 8192, &other, err)) ||
        (status = hgl_cbor_get_bytes(&bundle.modules, "module.path", 8192, &path, err)) ||
        (status = hgl_cbor_get_bytes(&bundle.modules, "module.source", BUNDLE_SIZE_MAX, &text,
                                     err)))
      return status;
    if (!hgl_bytes_equal(other, name)) continue;
    hgl_buf_append_bytes(source, text);
    hgl_buf_append_bytes(chunk_name, path);
    *found = true;
    return hgl_buf_check(source, err);
  }
  return status;
}

/* A script may catch what `require` raises: its start fails all the same. */
static int check_modules(const struct script_loading *loading, struct hgl_err *err)
{
  if (loading->count > MODULES_MAX)
    return hgl_fail(err, HGL_LIMIT, "the script requires more than %d modules", MODULES_MAX);
  int status = hgl_buf_check(&loading->modules, err);
  return status ? hgl_fail_in(err, "the modules that the script requires") : 0;
}

int script_loaded_module(struct agent *agent, struct hgl_bytes name, struct hgl_bytes chunk_name,
                         struct hgl_bytes source, struct hgl_err *err)
{
  struct script_loading *loading = agent->loading;
  if (!loading || loading->from) return 0;
  hgl_cbor_put_list(&loading->modules, 3);
  hgl_cbor_put_bytes(&loading->modules, name);
  hgl_cbor_put_bytes(&loading->modules, chunk_name);
  hgl_cbor_put_bytes(&loading->modules, source);
  loading->count++;
  return check_modules(loading, err);
}

bool script_declares(const struct agent *agent)
{
  return agent->loading && !agent->loading->from;
}

bool script_reloads(const struct agent *agent)
{
  return agent->loading && agent->loading->reloads;
}

/* ---- scripts ---- */

struct kept_script *script_hold(struct kept_script *script)
{
  script->refs++;
  return script;
}

void script_release(struct hgl_host *host, struct kept_script *script)
{
  if (!script || --script->refs) return;
  hgl_map_remove(&host->kept_scripts, hgl_bytes(script->digest.bytes, HGL_HASH_SIZE));
  hgl_buf_deinit(&script->bundle);
  hgl_free(script);
}

/* The one with this bundle, held. */
static int intern(struct hgl_host *host, struct hgl_bytes bundle, struct kept_script **out,
                  struct hgl_err *err)
{
  struct hgl_hash digest;
  hgl_sha256(&bundle, 1, &digest);
  struct hgl_bytes key = hgl_bytes(digest.bytes, HGL_HASH_SIZE);
  struct kept_script *script = hgl_map_get(&host->kept_scripts, key);
  if (script) {
    *out = script_hold(script);
    return 0;
  }
  script = hgl_zalloc(sizeof *script);
  if (!script) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  script->refs = 1;
  script->digest = digest;
  hgl_buf_init(&script->bundle, BUNDLE_SIZE_MAX);
  hgl_buf_append_bytes(&script->bundle, bundle);
  int status = hgl_buf_check(&script->bundle, err);
  if (!status) status = hgl_map_put(&host->kept_scripts, key, script, err);
  if (status) {
    hgl_buf_deinit(&script->bundle);
    hgl_free(script);
    return status;
  }
  *out = script;
  return 0;
}

int script_of_digest(struct hgl_host *host, const struct hgl_hash *digest, struct kept_script **out,
                     struct hgl_err *err)
{
  struct hgl_bytes key = hgl_bytes(digest->bytes, HGL_HASH_SIZE);
  struct kept_script *script = hgl_map_get(&host->kept_scripts, key);
  struct hgl_buf bundle;
  if (script) {
    *out = script_hold(script);
    return 0;
  }
  hgl_buf_init(&bundle, BUNDLE_SIZE_MAX);
  int status = hgl_store_get(host->config.store, HGL_DB_SCRIPTS, key, &bundle, err);
  if (!status) status = intern(host, hgl_buf_bytes(&bundle), &script, err);
  if (!status) script->stored = true;
  hgl_buf_deinit(&bundle);
  if (!status) *out = script;
  return status;
}

int script_store(struct hgl_host *host, struct kept_script *script, struct hgl_err *err)
{
  struct hgl_bytes key = hgl_bytes(script->digest.bytes, HGL_HASH_SIZE);
  if (script->stored) return 0;
  script->stored = true;
  return hgl_writeset_put(host_writes(host), HGL_DB_SCRIPTS, key, hgl_buf_bytes(&script->bundle),
                          err);
}

/* ---- VMs ---- */

static int create_vm(struct agent *agent, struct hgl_bytes source, struct hgl_bytes config,
                     struct script_loading *loading, struct hgl_vm *shares, struct hgl_vm **out,
                     struct hgl_err *err)
{
  struct hgl_host *host = agent->host;
  const struct hgl_vm_limits limits = {
      .memory_bytes = (size_t)agent->limits->memory_bytes,
      .stretch_ms = host->config.watchdog ? agent->limits->stretch_ms : 0,
      .top_level_ms = HGL_TOP_LEVEL_MS_LEAST * HGL_SLOWNESS,
      .instructions = (uint64_t)agent->limits->instructions,
      .state_bytes = (size_t)agent->limits->state_bytes,
      .runs_max = (size_t)agent->limits->runs_max,
  };
  struct hgl_vm_config vm = {
      .agent_name = agent->name,
      .agent_key = agent->key,
      .source = source,
      .chunk_name = agent->child->script_path,
      .config = config,
      .limits = limits,
      .ops = agent_ops,
      .state_rows = agent_state_rows,
      .chunks = host->config.chunks,
      .watchdog = host->config.watchdog,
      .shares = shares,
  };
  vm.ops.user = agent;
  vm.state_rows.user = agent;
  agent->loading = loading;
  int status = hgl_vm_create(&vm, out, err);
  agent->loading = NULL;
  return status;
}

int script_load(struct agent *agent, struct hgl_bytes source, struct hgl_bytes config,
                struct hgl_vm **vm, struct kept_script **script, struct hgl_err *err)
{
  struct script_loading loading = {.reloads = agent->vm != NULL};
  struct hgl_vm *made = NULL;
  struct hgl_buf bundle;
  hgl_buf_init(&loading.modules, BUNDLE_SIZE_MAX);
  hgl_buf_init(&bundle, BUNDLE_SIZE_MAX);
  int status = create_vm(agent, source, config, &loading, agent->vm, &made, err);
  hgl_cbor_put_list(&bundle, 4);
  hgl_cbor_put_bytes(&bundle, hgl_text(agent->child->script_path));
  hgl_cbor_put_bytes(&bundle, source);
  hgl_cbor_put_bytes(&bundle, config);
  hgl_cbor_put_list(&bundle, loading.count);
  hgl_buf_append_bytes(&bundle, hgl_buf_bytes(&loading.modules));
  if (!status) status = check_modules(&loading, err);
  if (!status) status = hgl_buf_check(&bundle, err);
  if (!status) status = intern(agent->host, hgl_buf_bytes(&bundle), script, err);
  if (status)
    hgl_vm_destroy(made);
  else
    *vm = made;
  hgl_buf_deinit(&bundle);
  hgl_buf_deinit(&loading.modules);
  return status;
}

int script_sources(const struct kept_script *script, script_source visit, void *user,
                   struct hgl_err *err)
{
  struct bundle bundle;
  int status = read_bundle(script, &bundle, err);
  if (!status) status = visit(user, bundle.path, bundle.source, err);
  for (size_t count; !status && bundle.count; bundle.count--) {
    struct hgl_bytes name, path, text;
    if ((status = hgl_cbor_get_list(&bundle.modules, "module", 3, &count, err)) ||
        (status = hgl_cbor_get_bytes(&bundle.modules, "module.name", 8192, &name, err)) ||
        (status = hgl_cbor_get_bytes(&bundle.modules, "module.path", 8192, &path, err)) ||
        (status = hgl_cbor_get_bytes(&bundle.modules, "module.source", BUNDLE_SIZE_MAX, &text,
                                     err)))
      return status;
    status = visit(user, path, text, err);
  }
  return status;
}

struct naming {
  int (*file)(void *user, struct hgl_bytes path, struct hgl_err *err);
  void *user;
};

static int name_file(void *user, struct hgl_bytes path, struct hgl_bytes source,
                     struct hgl_err *err)
{
  const struct naming *naming = user;
  return naming->file(naming->user, path, err);
}

int script_files(const struct kept_script *script,
                 int (*file)(void *user, struct hgl_bytes path, struct hgl_err *err), void *user,
                 struct hgl_err *err)
{
  struct naming naming = {file, user};
  return script_sources(script, name_file, &naming, err);
}

static int vm_of_bundle(struct agent *agent, const struct kept_script *script,
                        struct hgl_vm *shares, struct hgl_vm **out, struct hgl_err *err)
{
  struct script_loading loading = {.from = script};
  struct bundle bundle;
  int status = read_bundle(script, &bundle, err);
  return status ? status
                : create_vm(agent, bundle.source, bundle.config, &loading, shares, out, err);
}

int script_restart(struct agent *agent, struct hgl_err *err)
{
  return vm_of_bundle(agent, agent->script, NULL, &agent->vm, err);
}

int script_vm(struct agent *agent, struct kept_script *script, struct hgl_vm **out,
              struct hgl_err *err)
{
  struct old_vm *old = agent->old_vms;
  if (script == agent->script) {
    *out = agent->vm;
    return 0;
  }
  while (old && old->script != script) old = old->next;
  if (!old) {
    old = hgl_zalloc(sizeof *old);
    if (!old) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
    int status = vm_of_bundle(agent, script, agent->vm, &old->vm, err);
    if (status) {
      hgl_free(old);
      return status;
    }
    old->script = script_hold(script);
    old->next = agent->old_vms;
    agent->old_vms = old;
  }
  *out = old->vm;
  return 0;
}

int script_replace(struct agent *agent, struct hgl_vm *vm, struct kept_script *script,
                   struct hgl_err *err)
{
  struct old_vm *old = hgl_zalloc(sizeof *old);
  if (!old) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  *old = (struct old_vm){.next = agent->old_vms, .script = agent->script, .vm = agent->vm};
  agent->old_vms = old;
  hgl_vm_take_state(vm, old->vm);
  agent->vm = vm;
  agent->script = script;
  return 0;
}

void script_put_back(struct agent *agent)
{
  struct old_vm *old = agent->old_vms;
  struct hgl_vm *vm = agent->vm;
  hgl_vm_take_state(old->vm, vm);
  hgl_vm_destroy(vm);
  script_release(agent->host, agent->script);
  agent->vm = old->vm;
  agent->script = old->script;
  agent->old_vms = old->next;
  hgl_free(old);
}

static void destroy_old(struct agent *agent, struct old_vm *old)
{
  hgl_vm_destroy(old->vm);
  script_release(agent->host, old->script);
  hgl_free(old);
}

void script_drop_vms(struct agent *agent)
{
  for (struct old_vm *old; (old = agent->old_vms);) {
    agent->old_vms = old->next;
    destroy_old(agent, old);
  }
  hgl_vm_destroy(agent->vm);
  agent->vm = NULL;
}

size_t script_vms_memory(const struct agent *agent)
{
  size_t size = agent->vm ? hgl_vm_memory(agent->vm) : 0;
  for (const struct old_vm *old = agent->old_vms; old; old = old->next)
    size += hgl_vm_memory(old->vm);
  return size;
}

void script_drop_idle_vms(struct agent *agent)
{
  for (struct old_vm **at = &agent->old_vms, *old; (old = *at);) {
    const struct agent_run *run = agent->runs;
    while (run && run->vm != old->vm) run = run->next;
    if (run) {
      at = &old->next;
      continue;
    }
    *at = old->next;
    destroy_old(agent, old);
  }
}

/* ---- rows ---- */

struct sweep {
  struct hgl_host *host;
  struct hgl_hash digest;
  bool needed;
};

static int look_for_run(void *user, struct hgl_bytes key, struct hgl_bytes value,
                        struct hgl_err *err)
{
  struct sweep *sweep = user;
  sweep->needed |= key.size == 16 &&
                   memmem(value.data, value.size, sweep->digest.bytes, HGL_HASH_SIZE) != NULL;
  return sweep->needed;
}

/* Runs of agents that are stored and not here may still need a script. */
static int sweep_script(void *user, struct hgl_bytes key, struct hgl_bytes value,
                        struct hgl_err *err)
{
  struct sweep *sweep = user;
  struct hgl_host *host = sweep->host;
  const struct hgl_bytes none = {0};
  if (key.size != HGL_HASH_SIZE || hgl_map_get(&host->kept_scripts, key)) return 0;
  memcpy(sweep->digest.bytes, key.data, HGL_HASH_SIZE);
  sweep->needed = false;
  int status = hgl_store_scan(host->config.store, HGL_DB_RUNS, none, none, false, look_for_run,
                              sweep, err);
  if (status < 0 || sweep->needed) return status < 0 ? status : 0;
  return hgl_writeset_delete(host_writes(host), HGL_DB_SCRIPTS, key, err);
}

int scripts_sweep(struct hgl_host *host, struct hgl_err *err)
{
  struct sweep sweep = {.host = host};
  const struct hgl_bytes none = {0};
  return hgl_store_scan(host->config.store, HGL_DB_SCRIPTS, none, none, false, sweep_script, &sweep,
                        err);
}
