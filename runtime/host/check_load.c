#include "host/check_load.h"

#include <stdio.h>

#include "agent/calls.h"
#include "agent/declared.h"
#include "agent/manifest.h"
#include "base/seam.h"
#include "host/file.h"
#include "protocol/crypto.h"

enum {
  NOTES_SIZE_MAX = 16 << 20, /* of one kind */
  PATH_SIZE_MAX = 8192,
  MODULE_SIZE_MAX = 1 << 20,
};

/* Encoded items, and how many. */
struct notes {
  struct hgl_buf items;
  size_t count;
};

struct loading {
  const struct hgl_check_script *script;
  struct manifest *manifest; /* judges declarations as a host does */
  struct notes declared, modules, asked, logged;
  int chunks; /* that were given names */
};

static void put_value(struct hgl_buf *out, struct hgl_bytes value)
{
  if (value.size)
    hgl_buf_append_bytes(out, value);
  else
    hgl_cbor_put_null(out);
}

/* ---- declarations ---- */

static const char *kind_name(enum hgl_vm_declaration kind)
{
  switch (kind) {
  case HGL_VM_DESCRIBE:
    return "describe";
  case HGL_VM_PROTOCOL:
    return "protocol";
  case HGL_VM_OFFER:
    return "offer";
  case HGL_VM_HANDLER:
    return "handler";
  case HGL_VM_ON_START:
    return "on_start";
  case HGL_VM_ON_UPGRADE:
    return "on_upgrade";
  case HGL_VM_ON_STOP:
    return "on_stop";
  case HGL_VM_ON_UNDELIVERED:
    return "on_undelivered";
  case HGL_VM_ON_TIMER:
    return "on_timer";
  case HGL_VM_EVERY:
    return "every";
  default:
    return "other";
  }
}

static int note_declared(struct loading *loading, enum hgl_vm_declaration kind,
                         struct hgl_bytes name, struct hgl_bytes value)
{
  struct notes *notes = &loading->declared;
  struct hgl_err ignored;
  struct hgl_definition *definition = NULL;
  /* It has been read before: a failure here could only be want of memory, which the check of the
   * buffer at the end does not miss. */
  if (kind == HGL_VM_PROTOCOL && hgl_definition_create(value, &definition, &ignored) == 0)
    value = hgl_definition_canonical(definition);
  hgl_cbor_put_list(&notes->items, 3);
  hgl_cbor_put_text(&notes->items, hgl_text(kind_name(kind)));
  hgl_cbor_put_text(&notes->items, name);
  put_value(&notes->items, value);
  notes->count++;
  hgl_definition_destroy(definition);
  return 0;
}

static int declare(void *user, enum hgl_vm_declaration kind, struct hgl_bytes name,
                   struct hgl_bytes value, struct hgl_err *err)
{
  struct loading *loading = user;
  int status = manifest_declare(loading->manifest, kind, name, value, err);
  if (!status && kind == HGL_VM_EVERY) status = hgl_schedule_check(value, err);
  return status ? status : note_declared(loading, kind, name, value);
}

/* ---- modules ---- */

static int module(void *user, struct hgl_bytes name, struct hgl_buf *source,
                  struct hgl_buf *chunk_name, struct hgl_err *err)
{
  struct loading *loading = user;
  struct notes *notes = &loading->modules;
  struct hgl_buf path;
  bool is_ours;
  hgl_buf_init(&path, PATH_SIZE_MAX);
  int status = hgl_module_path(name, loading->script->path, loading->script->stdlib_folder,
                               &is_ours, &path, err);
  if (status) goto done;
  struct hgl_bytes shown = hgl_buf_bytes(&path);
  hgl_buf_append_byte(&path, 0);
  if ((status = hgl_buf_check(&path, err))) goto done;
  shown.data = path.data;
  status = hgl_file_read((const char *)path.data, MODULE_SIZE_MAX, source, err);
  if (status == -HGL_NOT_FOUND || status == -HGL_IO)
    status = hgl_fail(err, HGL_NOT_FOUND, "module '%.*s' not found at %s", HGL_STR(name),
                      (const char *)path.data);
  if (status) goto done;
  hgl_buf_printf(chunk_name, "#%d", ++loading->chunks);
  hgl_cbor_put_list(&notes->items, 3);
  hgl_cbor_put_text(&notes->items, name);
  hgl_cbor_put_text(&notes->items, shown);
  hgl_cbor_put_bool(&notes->items, is_ours);
  notes->count++;
  status = hgl_buf_check(chunk_name, err);
done:
  hgl_buf_deinit(&path);
  return status;
}

/* ---- what does nothing ---- */

static int refuse(struct hgl_err *err)
{
  return hgl_fail(err, HGL_UNDELIVERABLE, "nothing is done while a script is checked");
}

static int send(void *user, const struct hgl_vm_send *said, struct hgl_id *id, struct hgl_err *err)
{
  return refuse(err);
}

static int timer_set(void *user, struct hgl_bytes name, struct hgl_bytes key, int64_t after_ms,
                     struct hgl_bytes value, struct hgl_err *err)
{
  return refuse(err);
}

static int timer_cancel(void *user, struct hgl_bytes name, struct hgl_bytes key,
                        struct hgl_err *err)
{
  return refuse(err);
}

static int lock(void *user, struct hgl_bytes key, bool *granted, struct hgl_err *err)
{
  *granted = true;
  return 0;
}

static int unlock(void *user, struct hgl_bytes key, struct hgl_err *err)
{
  return 0;
}

static int outside(void *user, const struct hgl_vm_outside *call, struct hgl_err *err)
{
  return refuse(err);
}

static int go_on(void *user, struct hgl_bytes name, struct hgl_bytes value, struct hgl_err *err)
{
  return refuse(err);
}

/* ---- what is asked ---- */

static int granted(struct loading *loading, struct hgl_bytes arguments, struct hgl_buf *result,
                   struct hgl_err *err)
{
  struct hgl_cbor_reader in = hgl_cbor_reader(arguments);
  struct hgl_bytes kind, value;
  char name[HGL_NAME_SIZE_MAX + 1];
  size_t count, folder_size;
  int status;
  if ((status = hgl_cbor_get_list(&in, "arguments", 2, &count, err)) ||
      (status = hgl_cbor_get_text(&in, "kind", HGL_NAME_SIZE_MAX, &kind, err)) ||
      (status = hgl_cbor_get_text(&in, "value", 4096, &value, err)))
    return status;
  memcpy(name, kind.data, kind.size);
  name[kind.size] = 0;
  struct notes *notes = &loading->asked;
  hgl_cbor_put_list(&notes->items, 2);
  hgl_cbor_put_text(&notes->items, kind);
  hgl_cbor_put_text(&notes->items, value);
  notes->count++;
  hgl_cbor_put_bool(result,
                    !loading->script->grants ||
                        hgl_grants_cover(loading->script->grants, name, value, &folder_size));
  return 0;
}

static int call(void *user, const char *name, struct hgl_bytes arguments, struct hgl_buf *result,
                struct hgl_err *err)
{
  if (strcmp(name, "granted") != 0) return refuse(err);
  return granted(user, arguments, result, err);
}

static void log_line(void *user, enum hgl_log_level level, struct hgl_bytes text,
                     struct hgl_bytes fields)
{
  struct loading *loading = user;
  struct notes *notes = &loading->logged;
  if (notes->items.failed) return;
  hgl_cbor_put_list(&notes->items, 2);
  hgl_cbor_put_text(&notes->items, text);
  put_value(&notes->items, fields);
  notes->count++;
}

static int64_t now_ms(void *user)
{
  return hgl_wall_ms(&hgl_clock_system);
}

/* ---- state, which is empty ---- */

static int state_get(void *user, struct hgl_bytes key, struct hgl_buf *out, struct hgl_err *err)
{
  return hgl_fail(err, HGL_NOT_FOUND, "a script that is checked has no state");
}

static int state_scan(void *user, struct hgl_bytes prefix,
                      int (*visit)(void *, struct hgl_bytes, struct hgl_bytes, struct hgl_err *),
                      void *visit_user, struct hgl_err *err)
{
  return 0;
}

/* ---- loading ---- */

int hgl_check_loader_init(struct hgl_check_loader *loader, struct hgl_err *err)
{
  *loader = (struct hgl_check_loader){0};
  int status = hgl_chunks_create(&loader->chunks, err);
  return status ? status : hgl_watchdog_create(&loader->watchdog, err);
}

void hgl_check_loader_deinit(struct hgl_check_loader *loader)
{
  if (loader->watchdog) hgl_watchdog_destroy(loader->watchdog);
  if (loader->chunks) hgl_chunks_destroy(loader->chunks);
  *loader = (struct hgl_check_loader){0};
}

/* Calls on_start; what it waits for never comes. */
static int start(struct hgl_vm *vm, struct hgl_err *err)
{
  const struct hgl_vm_call started = {.kind = HGL_VM_ON_START};
  struct hgl_vm_run *run;
  struct hgl_vm_wait wait;
  struct hgl_vm_failure failure;
  if (!hgl_vm_has(vm, HGL_VM_ON_START, hgl_bytes(NULL, 0))) return 0;
  if (hgl_vm_start(vm, &started, &run, &wait, &failure) != HGL_VM_RAISED) return 0;
  *err = failure.error;
  return -(int)err->code;
}

static int run(const struct hgl_check_loader *loader, struct loading *loading, struct hgl_err *err)
{
  const struct hgl_check_script *script = loading->script;
  struct hgl_agent_limits limits = script->limits;
  struct hgl_vm *vm = NULL;
  struct hgl_hash key;
  struct hgl_bytes name = hgl_text(script->name);
  hgl_limits_complete(&limits);
  hgl_sha256(&name, 1, &key);
  struct hgl_vm_config config = {
      .agent_name = script->name,
      .source = script->source,
      .chunk_name = "#1",
      .config = script->config,
      .limits = {.memory_bytes = (size_t)limits.memory_bytes,
                 .stretch_ms = limits.stretch_ms * HGL_SLOWNESS,
                 .top_level_ms = HGL_TOP_LEVEL_MS_LEAST * HGL_SLOWNESS,
                 .instructions = (uint64_t)limits.instructions,
                 .state_bytes = (size_t)limits.state_bytes,
                 .runs_max = (size_t)limits.runs_max},
      .ops = {.declare = declare,
              .send = send,
              .timer_set = timer_set,
              .timer_cancel = timer_cancel,
              .lock = lock,
              .unlock = unlock,
              .outside = outside,
              .go_on = go_on,
              .call = call,
              .log = log_line,
              .module = module,
              .now_ms = now_ms,
              .user = loading},
      .state_rows = {.get = state_get, .scan = state_scan},
      .chunks = loader->chunks,
      .watchdog = loader->watchdog,
  };
  memcpy(config.agent_key.bytes, key.bytes, sizeof config.agent_key.bytes);
  int status = hgl_vm_create(&config, &vm, err);
  if (!status && script->start) status = start(vm, err);
  hgl_vm_destroy(vm);
  return status;
}

static void put_notes(struct hgl_buf *out, const char *name, const struct notes *notes)
{
  hgl_cbor_put_text(out, hgl_text(name));
  hgl_cbor_put_list(out, notes->count);
  hgl_buf_append_bytes(out, hgl_buf_bytes(&notes->items));
}

int hgl_check_load(const struct hgl_check_loader *loader, const struct hgl_check_script *script,
                   struct hgl_buf *out, struct hgl_err *err)
{
  struct loading loading = {.script = script, .chunks = 1};
  struct notes *const all[] = {&loading.declared, &loading.modules, &loading.asked,
                               &loading.logged};
  struct hgl_err raised = {0};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++)
    hgl_buf_init(&all[i]->items, NOTES_SIZE_MAX);
  int status = manifest_create_apart(&hgl_random_system, &loading.manifest, err);
  if (status) goto done;
  bool failed = run(loader, &loading, &raised) != 0;
  for (size_t i = 0; i < sizeof all / sizeof *all && !status; i++)
    status = hgl_buf_check(&all[i]->items, err);
  if (status) goto done;
  hgl_cbor_put_map(out, failed ? 6 : 4); /* keys in the order of deterministic CBOR */
  if (failed) {
    hgl_cbor_put_literal(out, "code");
    hgl_cbor_put_text(out, hgl_text(hgl_code_name(raised.code)));
  }
  put_notes(out, "asked", &loading.asked);
  if (failed) {
    hgl_cbor_put_literal(out, "error");
    hgl_cbor_put_text(out, hgl_text(raised.message));
  }
  put_notes(out, "logged", &loading.logged);
  put_notes(out, "modules", &loading.modules);
  put_notes(out, "declared", &loading.declared);
  status = hgl_buf_check(out, err);
done:
  manifest_release(NULL, loading.manifest);
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) hgl_buf_deinit(&all[i]->items);
  return status;
}
