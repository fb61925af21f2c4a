/* What an agent's VM calls: declarations at the top level, effects within the running stretch. */
#include "agent/declared.h"
#include "agent/schedules.h"
#include "agent/supervise.h"

#include <assert.h>

#include "base/duration.h"
#include "protocol/signed_text.h"

enum { CHANGES_PER_TIMER = 4 }; /* of as many as there may be, by one stretch */

/* ---- declarations ---- */

int agent_schedule(struct agent *agent, struct hgl_err *err)
{
  struct hgl_cbor_reader in = hgl_cbor_reader(hgl_buf_bytes(&agent->manifest->schedules));
  struct hgl_bytes name, value;
  size_t count;
  int status = 0;
  for (size_t i = 0; i < agent->manifest->schedule_count && !status; i++) {
    if ((status = hgl_cbor_get_list(&in, "schedule", 2, &count, err)) ||
        (status = hgl_cbor_get_bytes(&in, "schedule.name", HGL_VM_NAME_SIZE_MAX, &name, err)) ||
        (status = hgl_cbor_get_bytes(&in, "schedule.value", HGL_BODY_SIZE_MAX, &value, err)))
      return status;
    status = schedule_declare(agent, name, value, err);
  }
  return status;
}

static int declare(void *user, enum hgl_vm_declaration what, struct hgl_bytes name,
                   struct hgl_bytes value, struct hgl_err *err)
{
  struct agent *agent = user;
  if (!script_declares(agent)) return 0; /* it is declared already */
  int status = manifest_declare(agent->manifest, what, name, value, err);
  return status || what != HGL_VM_EVERY ? status : schedule_declare(agent, name, value, err);
}

/* ---- effects ---- */

static int send_message(void *user, const struct hgl_vm_send *send, struct hgl_id *id,
                        struct hgl_err *err)
{
  struct agent *agent = user;
  return stretch_send(agent->host, send, id, NULL, err);
}

/* Each stays below its limit also if this stretch is accepted. */
static int check_timers(const struct agent *agent, const struct timer *old, bool cancel,
                        size_t size, struct hgl_err *err)
{
  const struct stretch *stretch = &agent->host->stretch;
  size_t timers_max = (size_t)agent->limits->timers;
  if (stretch->timer_count >= CHANGES_PER_TIMER * timers_max)
    return hgl_fail(err, HGL_LIMIT, "%s changes more than %zu timers at once", agent->name,
                    CHANGES_PER_TIMER * timers_max);
  if (cancel) return 0;
  if (!old && agent->timers.count + stretch->timer_count >= timers_max)
    return hgl_fail(err, HGL_LIMIT, "%s has %zu timers", agent->name, timers_max);
  size_t held = agent->timer_bytes + stretch->timer_bytes - (old ? old->value.size : 0);
  if (held + size > (size_t)agent->limits->timer_bytes)
    return hgl_fail(err, HGL_LIMIT, "the values of the timers of %s take %zu bytes, limit %lld",
                    agent->name, held + size, (long long)agent->limits->timer_bytes);
  return 0;
}

static int change_timer(struct agent *agent, struct hgl_bytes name, struct hgl_bytes key,
                        bool cancel, int64_t after_ms, struct hgl_bytes value, struct hgl_err *err)
{
  struct hgl_buf id;
  size_t size;
  hgl_buf_init(&id, HGL_STORE_KEY_SIZE_MAX - 8);
  timer_id(&id, name, key);
  int status = hgl_buf_check(&id, err);
  if (!status)
    status = check_timers(agent, hgl_map_get(&agent->timers, hgl_buf_bytes(&id)), cancel,
                          value.size, err);
  struct timer_change change = {
      .name_size = name.size, .cancel = cancel, .due_ms = agent->host->now_ms + after_ms};
  hgl_buf_init(&change.value, HGL_BODY_SIZE_MAX);
  hgl_buf_append_bytes(&change.value, value);
  if (!status) status = hgl_buf_check(&change.value, err);
  change.id = (char *)hgl_buf_take(&id, &size);
  change.id_size = size;
  if (!status) status = stretch_timer(agent->host, &change, err);
  if (status) {
    hgl_free(change.id);
    hgl_buf_deinit(&change.value);
  }
  return status;
}

static int timer_set(void *user, struct hgl_bytes name, struct hgl_bytes key, int64_t after_ms,
                     struct hgl_bytes value, struct hgl_err *err)
{
  return change_timer(user, name, key, false, after_ms, value, err);
}

static int timer_cancel(void *user, struct hgl_bytes name, struct hgl_bytes key,
                        struct hgl_err *err)
{
  return change_timer(user, name, key, true, 0, hgl_bytes(NULL, 0), err);
}

static int lock(void *user, struct hgl_bytes key, bool *granted, struct hgl_err *err)
{
  return lock_take(user, key, granted, err);
}

static int unlock(void *user, struct hgl_bytes key, struct hgl_err *err)
{
  return lock_release(user, key, err);
}

static int outside(void *user, const struct hgl_vm_outside *outside, struct hgl_err *err)
{
  return call_check(user, outside, err);
}

static int go_on(void *user, struct hgl_bytes name, struct hgl_bytes value, struct hgl_err *err)
{
  struct agent *agent = user;
  struct mail *mail = hgl_zalloc(sizeof *mail);
  if (!mail) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  *mail = (struct mail){.kind = MAIL_CONTINUE, .attempt = 1};
  mail->why = hgl_strndup((const char *)name.data, name.size);
  int status = mail->why ? mail_set_value(mail, value, err)
                         : hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  if (status)
    mail_destroy(mail);
  else
    agent->host->stretch.next = mail;
  return status;
}

static int answer(void *user, struct hgl_bytes answer, struct hgl_err *err)
{
  struct agent *agent = user;
  return stretch_answer(agent->host, answer, err);
}

/* ---- calls by name ---- */

static int call_find(struct agent *agent, struct hgl_cbor_reader *in, struct hgl_buf *result,
                     struct hgl_err *err)
{
  struct hgl_bytes value;
  struct hgl_query *query;
  int status = hgl_cbor_get_value(in, "query", &value, err);
  if (!status) status = hgl_query_create(value, &query, err);
  if (status) return hgl_fail(err, HGL_INVALID, "find: %s", err->message);
  status = hgl_directory_find(agent->host->directory, query, result, err);
  hgl_query_destroy(query);
  return status;
}

static int call_keep(struct agent *agent, struct hgl_cbor_reader *in, struct hgl_buf *result,
                     struct hgl_err *err)
{
  struct hgl_bytes text;
  struct hgl_id id;
  if (hgl_cbor_get_text(in, "message id", 2 * HGL_ID_SIZE, &text, err) ||
      hgl_id_parse(text, &id, err))
    return hgl_fail(err, HGL_INVALID, "keep: %s", err->message);
  hgl_cbor_put_null(result);
  return stretch_keep(agent->host, &id, err);
}

static int call_deal(struct agent *agent, struct hgl_cbor_reader *in, struct hgl_buf *result,
                     struct hgl_err *err)
{
  struct hgl_bytes deal;
  int status = hgl_cbor_get_value(in, "deal", &deal, err);
  hgl_cbor_put_null(result);
  return status ? status : deal_put(agent, deal, err);
}

static int call_read_file(struct agent *agent, struct hgl_cbor_reader *in, struct hgl_buf *result,
                          struct hgl_err *err)
{
  const struct hgl_files *files = &agent->host->config.files;
  struct hgl_bytes path;
  struct hgl_buf content;
  int status = hgl_cbor_get_text(in, "path", 4096, &path, err);
  if (status) return hgl_fail(err, HGL_INVALID, "read: %s", err->message);
  size_t folder_size;
  if (!agent_granted(agent, "read", path, &folder_size))
    return hgl_fail(err, HGL_DENIED, "%s may not read it: grant --allow %s:read=%.*s", agent->name,
                    agent->name, HGL_STR(path));
  if (memchr(path.data, 0, path.size)) return hgl_fail(err, HGL_INVALID, "a path with a NUL");
  char *text = hgl_strndup((const char *)path.data, path.size);
  if (!text) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  hgl_buf_init(&content, HGL_BODY_SIZE_MAX);
  status = files->read(files->user, text, folder_size, HGL_BODY_SIZE_MAX, &content, err);
  if (!status && hgl_utf8_valid(hgl_buf_bytes(&content)))
    hgl_cbor_put_text(result, hgl_buf_bytes(&content));
  else if (!status)
    hgl_cbor_put_bytes(result, hgl_buf_bytes(&content));
  hgl_buf_deinit(&content);
  hgl_free(text);
  return status;
}

static int call_granted(struct agent *agent, struct hgl_cbor_reader *in, struct hgl_buf *result,
                        struct hgl_err *err)
{
  struct hgl_bytes kind, value;
  int status;
  if ((status = hgl_cbor_get_text(in, "kind", HGL_NAME_SIZE_MAX, &kind, err)) ||
      (status = hgl_cbor_get_text(in, "value", 4096, &value, err)))
    return status;
  char name[HGL_NAME_SIZE_MAX + 1];
  memcpy(name, kind.data, kind.size);
  name[kind.size] = 0;
  size_t folder_size;
  bool granted = strcmp(name, "secret") == 0
                     ? hgl_grants_name_secret((const char *const *)agent->child->grants, value)
                     : agent_granted(agent, name, value, &folder_size);
  hgl_cbor_put_bool(result, granted);
  return 0;
}

static int call_sign(struct agent *agent, struct hgl_cbor_reader *in, struct hgl_buf *result,
                     struct hgl_err *err)
{
  uint8_t signature[HGL_SIGNATURE_SIZE];
  struct hgl_bytes text;
  int status = hgl_cbor_get_bytes(in, "text", HGL_SIGNED_TEXT_SIZE_MAX, &text, err);
  if (!status) status = agent_sign(agent, text, signature, err);
  hgl_cbor_put_bytes(result, hgl_bytes(signature, status ? 0 : sizeof signature));
  return status;
}

static int call_random(struct agent *agent, struct hgl_cbor_reader *in, struct hgl_buf *result,
                       struct hgl_err *err)
{
  uint8_t bytes[1024];
  uint64_t count;
  int status = hgl_cbor_get_uint(in, "count", sizeof bytes, &count, err);
  if (status) return status;
  hgl_random_fill(agent->host->config.random, bytes, (size_t)count);
  hgl_cbor_put_bytes(result, hgl_bytes(bytes, (size_t)count));
  hgl_wipe(bytes, sizeof bytes);
  return 0;
}

static int call(void *user, const char *name, struct hgl_bytes arguments, struct hgl_buf *result,
                struct hgl_err *err)
{
  static const struct {
    const char *name;
    size_t arguments;
    int (*call)(struct agent *, struct hgl_cbor_reader *, struct hgl_buf *, struct hgl_err *);
  } calls[] = {{"find", 1, call_find},           {"keep", 1, call_keep},
               {"deal", 1, call_deal},           {"read_file", 1, call_read_file},
               {"granted", 2, call_granted},     {"sign", 1, call_sign},
               {"random", 1, call_random},       {"zone_at", 2, zone_call_at},
               {"zone_unix", 2, zone_call_unix}, {"hmac", 3, secret_call_hmac}};
  struct hgl_cbor_reader in = hgl_cbor_reader(arguments);
  size_t count;
  int status = hgl_cbor_get_list(&in, "arguments", 16, &count, err);
  if (status) return status;
  for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
    if (strcmp(calls[i].name, name) != 0) continue;
    if (count != calls[i].arguments)
      return hgl_fail(err, HGL_INVALID, "%s takes %zu arguments", name, calls[i].arguments);
    return calls[i].call(user, &in, result, err);
  }
  return hgl_fail(err, HGL_INVALID, "there is no call named %s", name);
}

static void log_line(void *user, enum hgl_log_level level, struct hgl_bytes text,
                     struct hgl_bytes fields)
{
  agent_log(user, level, text, fields);
}

static int module(void *user, struct hgl_bytes name, struct hgl_buf *source,
                  struct hgl_buf *chunk_name, struct hgl_err *err)
{
  struct agent *agent = user;
  const struct hgl_files *files = &agent->host->config.files;
  struct hgl_buf path;
  bool found = false, is_ours = false;
  hgl_buf_init(&path, 8192);
  int status = script_module(agent, name, &found, source, chunk_name, err);
  if (status || found) goto done;
  status = hgl_module_path(name, agent->child->script_path, agent->host->config.stdlib_folder,
                           &is_ours, &path, err);
  if (status) goto done;
  hgl_buf_append_bytes(chunk_name, hgl_buf_bytes(&path));
  hgl_buf_append_byte(&path, 0);
  if ((status = hgl_buf_check(chunk_name, err)) || (status = hgl_buf_check(&path, err))) goto done;
  status = files->read(files->user, (const char *)path.data, 0, 1 << 20, source, err);
  if (status == -HGL_NOT_FOUND || status == -HGL_IO)
    status = hgl_fail(err, HGL_NOT_FOUND, "module '%.*s' not found at %s", HGL_STR(name),
                      (const char *)path.data);
  if (!status && !is_ours)
    status = script_loaded_module(agent, name, hgl_buf_bytes(chunk_name), hgl_buf_bytes(source),
                                  err);
done:
  hgl_buf_deinit(&path);
  return status;
}

static int64_t now_ms(void *user)
{
  const struct agent *agent = user;
  return agent->host->now_ms;
}

const struct hgl_vm_ops agent_ops = {.declare = declare,
                                     .send = send_message,
                                     .timer_set = timer_set,
                                     .timer_cancel = timer_cancel,
                                     .lock = lock,
                                     .unlock = unlock,
                                     .outside = outside,
                                     .go_on = go_on,
                                     .answer = answer,
                                     .call = call,
                                     .log = log_line,
                                     .module = module,
                                     .now_ms = now_ms};

/* ---- state rows: the agent's number in front ---- */

static int state_key(const struct agent *agent, struct hgl_bytes key, struct hgl_buf *out,
                     struct hgl_err *err)
{
  uint8_t number[8];
  hgl_buf_init(out, HGL_STORE_KEY_SIZE_MAX);
  hgl_buf_append_bytes(out, row_key(agent->number, number));
  hgl_buf_append_bytes(out, key);
  return hgl_buf_check(out, err);
}

static int state_get(void *user, struct hgl_bytes key, struct hgl_buf *out, struct hgl_err *err)
{
  struct agent *agent = user;
  struct hgl_buf full;
  int status = state_key(agent, key, &full, err);
  if (!status)
    status = hgl_store_get(agent->host->config.store, HGL_DB_STATE, hgl_buf_bytes(&full), out, err);
  hgl_buf_deinit(&full);
  return status;
}

static int state_put(void *user, struct hgl_bytes key, struct hgl_bytes value, struct hgl_err *err)
{
  struct agent *agent = user;
  struct hgl_buf full;
  int status = state_key(agent, key, &full, err);
  if (!status)
    status = hgl_writeset_put(host_writes(agent->host), HGL_DB_STATE, hgl_buf_bytes(&full), value,
                              err);
  hgl_buf_deinit(&full);
  return status;
}

static int state_remove(void *user, struct hgl_bytes key, struct hgl_err *err)
{
  struct agent *agent = user;
  struct hgl_buf full;
  int status = state_key(agent, key, &full, err);
  if (!status)
    status = hgl_writeset_delete(host_writes(agent->host), HGL_DB_STATE, hgl_buf_bytes(&full), err);
  hgl_buf_deinit(&full);
  return status;
}

struct state_scan {
  int (*visit)(void *, struct hgl_bytes, struct hgl_bytes, struct hgl_err *);
  void *user;
};

static int visit_state(void *user, struct hgl_bytes key, struct hgl_bytes value,
                       struct hgl_err *err)
{
  struct state_scan *scan = user;
  return scan->visit(scan->user, hgl_bytes(key.data + 8, key.size - 8), value, err);
}

static int state_scan(void *user, struct hgl_bytes prefix,
                      int (*visit)(void *, struct hgl_bytes, struct hgl_bytes, struct hgl_err *),
                      void *visit_user, struct hgl_err *err)
{
  struct agent *agent = user;
  struct state_scan scan = {visit, visit_user};
  struct hgl_buf full;
  int status = state_key(agent, prefix, &full, err);
  if (!status)
    status = hgl_store_scan(agent->host->config.store, HGL_DB_STATE, hgl_buf_bytes(&full),
                            hgl_bytes(NULL, 0), false, visit_state, &scan, err);
  hgl_buf_deinit(&full);
  return status;
}

const struct hgl_state_rows agent_state_rows = {
    .get = state_get, .put = state_put, .remove = state_remove, .scan = state_scan};
