#include "host/reload.h"

#include "base/mem.h"
#include "host/file.h"
#include "protocol/value.h"

struct one {
  struct one *next;
  struct reloading *reloading;
  const char *script;
  char name[]; /* the script's path behind it */
};

/* Some agents that are reloaded together. */
struct reloading {
  struct hgl_host *host;
  struct one *first, *last;
  size_t waiting; /* and 1 for whoever still asks for more */
  json_int_t reloaded, unchanged, failed, left_out;
  json_t *agents;
  hgl_reload_done done;
  void *user;
  struct hgl_buf source; /* of the file read last: many agents run one script */
  const char *source_path;
};

int hgl_reload_read(const char *path, struct hgl_buf *out, struct hgl_err *err)
{
  int status = hgl_file_read(path, HGL_SCRIPT_SIZE_MAX, out, err);
  return status || out->size ? status : hgl_fail(err, HGL_SCRIPT, "%s is empty", path);
}

/* ---- what became of each ---- */

static void finish(struct reloading *reloading)
{
  if (--reloading->waiting) return;
  struct hgl_err err;
  json_t *result = json_pack("{s:I, s:I, s:I, s:O, s:I}", "reloaded", reloading->reloaded,
                             "unchanged", reloading->unchanged, "failed", reloading->failed,
                             "agents", reloading->agents, "left_out", reloading->left_out);
  if (!result) hgl_fail(&err, HGL_NO_MEMORY, "out of memory");
  reloading->done(reloading->user, result, result ? NULL : &err);
  json_decref(result);
  json_decref(reloading->agents);
  hgl_buf_deinit(&reloading->source);
  for (struct one *one; (one = reloading->first);) {
    reloading->first = one->next;
    hgl_free(one);
  }
  hgl_free(reloading);
}

/* Steals the item. */
static void show(struct reloading *reloading, json_t *item)
{
  if (json_array_size(reloading->agents) < HGL_RELOAD_SHOWN_MAX && item &&
      json_array_append(reloading->agents, item) == 0) {
    json_decref(item);
    return;
  }
  json_decref(item);
  reloading->left_out++;
}

static void failed(struct one *one, const struct hgl_err *why)
{
  struct hgl_buf words;
  hgl_buf_init(&words, sizeof why->message);
  hgl_utf8_mend(hgl_text(why->message), &words); /* it may quote what is no text */
  one->reloading->failed++;
  show(one->reloading,
       json_pack("{s:s, s:s, s:s%}", "name", one->name, "code", hgl_code_name(why->code), "why",
                 words.size ? (const char *)words.data : "", words.size));
  hgl_buf_deinit(&words);
}

static void one_done(void *user, json_t *result, const struct hgl_err *why)
{
  struct one *one = user;
  struct reloading *reloading = one->reloading;
  if (why) {
    failed(one, why);
  } else {
    if (json_is_true(json_object_get(result, "changed")))
      reloading->reloaded++;
    else
      reloading->unchanged++;
    show(reloading, json_incref(result));
  }
  finish(reloading);
}

/* ---- asking for each ---- */

static int add(void *user, const char *name, const char *script, struct hgl_err *err)
{
  struct reloading *reloading = user;
  size_t name_size = strlen(name) + 1, script_size = strlen(script) + 1;
  struct one *one = hgl_zalloc(sizeof *one + name_size + script_size);
  if (!one) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  one->reloading = reloading;
  one->script = one->name + name_size;
  memcpy(one->name, name, name_size);
  memcpy(one->name + name_size, script, script_size);
  *(reloading->last ? &reloading->last->next : &reloading->first) = one;
  reloading->last = one;
  return 0;
}

static int read_source(struct reloading *reloading, const char *path, struct hgl_err *err)
{
  if (reloading->source_path && strcmp(reloading->source_path, path) == 0) return 0;
  reloading->source_path = NULL;
  hgl_buf_clear(&reloading->source);
  int status = hgl_reload_read(path, &reloading->source, err);
  if (!status) reloading->source_path = path;
  return status;
}

static void ask_for(struct reloading *reloading, struct one *one, bool if_changed)
{
  struct hgl_err err;
  int status = read_source(reloading, one->script, &err);
  if (!status)
    status = hgl_host_reload_agent(reloading->host, one->name, hgl_buf_bytes(&reloading->source),
                                   if_changed, one_done, one, &err);
  if (!status)
    reloading->waiting++;
  else
    failed(one, &err);
}

int hgl_reload(struct hgl_host *host, const struct hgl_selection *selection, bool if_changed,
               hgl_reload_done done, void *user, struct hgl_err *err)
{
  struct reloading *reloading = hgl_zalloc(sizeof *reloading);
  if (!reloading) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  *reloading = (struct reloading){
      .host = host, .waiting = 1, .agents = json_array(), .done = done, .user = user};
  hgl_buf_init(&reloading->source, HGL_SCRIPT_SIZE_MAX);
  int status = reloading->agents ? hgl_host_select(host, selection, add, reloading, err)
                                 : hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  if (status) {
    for (struct one *one; (one = reloading->first);) {
      reloading->first = one->next;
      hgl_free(one);
    }
    json_decref(reloading->agents);
    hgl_buf_deinit(&reloading->source);
    hgl_free(reloading);
    return status;
  }
  for (struct one *one = reloading->first; one; one = one->next)
    ask_for(reloading, one, if_changed);
  finish(reloading);
  return 0;
}
