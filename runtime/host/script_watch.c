#include "host/script_watch.h"

#include "base/map.h"
#include "base/mem.h"
#include "host/reload.h"
#include "net/folder_watch.h"
#include "protocol/crypto.h"

struct file {
  struct hgl_script_watch *watch;
  struct hgl_hash hash; /* of its content, when it was read last */
  bool refused;         /* it was not reloaded: tried again when anything beside it changes */
  bool waiting;         /* its agents are being reloaded */
  bool missed;          /* something has changed meanwhile */
  bool again;           /* … with the same text that was refused before */
  char path[];
};

struct hgl_script_watch {
  struct hgl_host *host;
  const struct hgl_log *log;
  struct hgl_folder_watch *folders;
  struct hgl_map files; /* path → struct file */
};

/* ---- which files ---- */

/* False: it cannot be read now. While it is written it may be gone for a moment, or empty: the next
 * change tells. */
static bool hash_of(const char *path, struct hgl_hash *out)
{
  struct hgl_buf content;
  struct hgl_err ignored;
  hgl_buf_init(&content, HGL_SCRIPT_SIZE_MAX);
  bool read = hgl_reload_read(path, &content, &ignored) == 0;
  struct hgl_bytes bytes = hgl_buf_bytes(&content);
  if (read) hgl_sha256(&bytes, 1, out);
  hgl_buf_deinit(&content);
  return read;
}

static int watch_folder_of(struct hgl_script_watch *watch, const char *path, struct hgl_err *err)
{
  const char *slash = strrchr(path, '/');
  if (!slash) return hgl_folder_watch_add(watch->folders, ".", err);
  size_t size = slash == path ? 1 : (size_t)(slash - path);
  char *folder = hgl_strndup(path, size);
  if (!folder) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  int status = hgl_folder_watch_add(watch->folders, folder, err);
  hgl_free(folder);
  return status;
}

static int add_file(void *user, struct hgl_bytes path, struct hgl_err *err)
{
  struct hgl_script_watch *watch = user;
  if (!path.size || hgl_map_get(&watch->files, path)) return 0;
  struct file *file = hgl_zalloc(sizeof *file + path.size + 1);
  if (!file) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  file->watch = watch;
  memcpy(file->path, path.data, path.size);
  (void)hash_of(file->path, &file->hash);
  int status = hgl_map_put(&watch->files, path, file, err);
  if (status) {
    hgl_free(file);
    return status;
  }
  return watch_folder_of(watch, file->path, err);
}

static int add_agent(void *user, const char *name, const char *script, struct hgl_err *err)
{
  struct hgl_script_watch *watch = user;
  return hgl_host_agent_files(watch->host, name, add_file, watch, err);
}

static int collect(struct hgl_script_watch *watch, struct hgl_err *err)
{
  static const struct hgl_selection all = {0};
  int status = hgl_host_select(watch->host, &all, add_agent, watch, err);
  return status == -HGL_NOT_FOUND ? 0 : status;
}

/* ---- what came of it ---- */

static const char *text_of(const json_t *object, const char *field)
{
  const char *text = json_string_value(json_object_get(object, field));
  return text ? text : "";
}

static long long number_of(const json_t *object, const char *field)
{
  return json_integer_value(json_object_get(object, field));
}

/* The first agent of the result with, or without, such a field. */
static const json_t *first_agent(const json_t *result, const char *field, bool with)
{
  const json_t *agent;
  size_t index;
  json_array_foreach(json_object_get(result, "agents"), index, agent)
  {
    const json_t *value = json_object_get(agent, field);
    if ((value && !json_is_false(value)) == with) return agent;
  }
  return NULL;
}

static void others(long long count, char out[48])
{
  *out = 0;
  if (count > 1) snprintf(out, 48, " and %lld more", count - 1);
}

static void tell(const struct file *file, const json_t *result)
{
  const struct hgl_log *log = file->watch->log;
  const json_t *done = first_agent(result, "changed", true);
  const json_t *refused = first_agent(result, "why", true);
  char more[48], version[64] = "", old[64] = "";
  if (done) {
    others(number_of(result, "reloaded"), more);
    if (number_of(done, "from") != number_of(done, "to"))
      snprintf(version, sizeof version, ", version %lld to %lld", number_of(done, "from"),
               number_of(done, "to"));
    if (number_of(done, "old_handlers"))
      snprintf(old, sizeof old, "; handlers that wait go on under the old script");
    hgl_log(log, HGL_LOG_INFO, "watch", "%s: %s%s reloaded%s%s", file->path, text_of(done, "name"),
            more, version, old);
  }
  if (refused) {
    others(number_of(result, "failed"), more);
    hgl_log(log, file->again ? HGL_LOG_DEBUG : HGL_LOG_ERROR, "watch", "%s: %s%s not reloaded: %s",
            file->path, text_of(refused, "name"), more, text_of(refused, "why"));
  }
}

static void look(struct file *file);

static void reloaded(void *user, json_t *result, const struct hgl_err *why)
{
  struct file *file = user;
  struct hgl_script_watch *watch = file->watch;
  struct hgl_err err;
  file->waiting = false;
  if (why) {
    if (why->code != HGL_CLOSED)
      hgl_log(watch->log, HGL_LOG_ERROR, "watch", "%s: %s", file->path, why->message);
    return;
  }
  file->refused = number_of(result, "failed") > 0;
  tell(file, result);
  /* The host may be on its way out: then nothing more is looked at. */
  if (first_agent(result, "changed", true) && collect(watch, &err))
    hgl_log(watch->log, HGL_LOG_ERROR, "watch", "%s", err.message);
  if (file->missed) look(file);
}

/* ---- changes ---- */

static void look(struct file *file)
{
  struct hgl_script_watch *watch = file->watch;
  const struct hgl_selection selection = {.file = file->path};
  struct hgl_hash hash;
  struct hgl_err err;
  file->missed = file->waiting;
  if (file->waiting || !hash_of(file->path, &hash)) return;
  bool changed = !hgl_hash_equal(&hash, &file->hash);
  file->hash = hash;
  if (!changed && !file->refused) return;
  file->waiting = true;
  file->again = !changed;
  int status = hgl_reload(watch->host, &selection, true, reloaded, file, &err);
  if (!status) return;
  file->waiting = false;
  if (status != -HGL_NOT_FOUND) /* else nobody uses it any more */
    hgl_log(watch->log, HGL_LOG_ERROR, "watch", "%s: %s", file->path, err.message);
}

static void changed(void *user)
{
  struct hgl_script_watch *watch = user;
  struct hgl_map_slot *slot;
  struct hgl_err err;
  if (collect(watch, &err)) hgl_log(watch->log, HGL_LOG_ERROR, "watch", "%s", err.message);
  for (size_t i = 0; (slot = hgl_map_next(&watch->files, &i));) look(slot->value);
}

void hgl_script_watch_add(struct hgl_script_watch *watch, const char *name, const char *script)
{
  struct hgl_err err;
  if (!watch || !script) return;
  if (add_file(watch, hgl_text(script), &err) || add_agent(watch, name, script, &err))
    hgl_log(watch->log, HGL_LOG_ERROR, "watch", "%s", err.message);
}

int hgl_script_watch_create(struct hgl_loop *loop, struct hgl_host *host, const struct hgl_log *log,
                            struct hgl_script_watch **out, struct hgl_err *err)
{
  struct hgl_script_watch *watch = hgl_zalloc(sizeof *watch);
  if (!watch) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  watch->host = host;
  watch->log = log;
  hgl_map_init(&watch->files, 0, 0); /* keys are names of this host's own files */
  int status = hgl_folder_watch_create(loop, ".lua", changed, watch, &watch->folders, err);
  if (!status) status = collect(watch, err);
  if (status) {
    hgl_script_watch_destroy(watch);
    return status;
  }
  *out = watch;
  return 0;
}

void hgl_script_watch_destroy(struct hgl_script_watch *watch)
{
  struct hgl_map_slot *slot;
  if (!watch) return;
  hgl_folder_watch_destroy(watch->folders);
  for (size_t i = 0; (slot = hgl_map_next(&watch->files, &i));) hgl_free(slot->value);
  hgl_map_deinit(&watch->files);
  hgl_free(watch);
}
