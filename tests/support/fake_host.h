/* A host for one VM that records what a script does: what tests of runtime/lua include. */
#ifndef HGL_TESTS_FAKE_HOST_H
#define HGL_TESTS_FAKE_HOST_H

#include "support/check.h"

#include <stdio.h>
#include <stdlib.h>

#include "lua/vm.h"
#include "protocol/did.h"

enum { FAKE_LINES_MAX = 64 };

struct fake_host {
  struct hgl_chunks *chunks;
  struct hgl_watchdog *watchdog;
  struct hgl_vm_limits limits;
  struct hgl_vm *vm;
  char *lines[FAKE_LINES_MAX]; /* everything that happened, in words */
  size_t line_count;
  const char *module_name, *module_source;
  enum hgl_code send_fails, call_fails;
  struct hgl_bytes config;
  struct hgl_vm_failure failure;
  struct hgl_vm_run *run;
  struct hgl_vm_wait wait;
  int64_t now_ms;
  struct hgl_key key;
  bool lock_taken;
  bool quiet;  /* allocate nothing: for sweeps of failing allocations */
  size_t puts; /* rows written */
};

static inline void fake_note(struct fake_host *host, const char *format, ...) HGL_PRINTF(2, 3);
static inline void fake_note(struct fake_host *host, const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  char *line = NULL;
  if (vasprintf(&line, format, arguments) < 0) abort();
  va_end(arguments);
  if (host->line_count == FAKE_LINES_MAX) {
    free(line);
    return;
  }
  host->lines[host->line_count++] = line;
}

static inline void fake_forget(struct fake_host *host)
{
  for (size_t i = 0; i < host->line_count; i++) free(host->lines[i]);
  host->line_count = 0;
}

static inline bool fake_saw(const struct fake_host *host, const char *line)
{
  for (size_t i = 0; i < host->line_count; i++) {
    if (strcmp(host->lines[i], line) == 0) return true;
  }
  return false;
}

/* A value as JSON, for comparison. */
static inline char *fake_json(struct hgl_bytes value)
{
  struct hgl_err err = {0};
  json_t *json = NULL;
  struct hgl_buf text;
  if (value.size == 0) return strdup("-");
  hgl_buf_init(&text, 1 << 20);
  assert_ok(hgl_value_to_json(value, &json, &err));
  assert_ok(hgl_json_print(json, &text, &err));
  json_decref(json);
  char *copy = strdup(text_of_buf(&text));
  hgl_buf_deinit(&text);
  return copy;
}

static inline int fake_declare(void *user, enum hgl_vm_declaration what, struct hgl_bytes name,
                               struct hgl_bytes value, struct hgl_err *err)
{
  static const char *const kinds[] = {"describe", "protocol",   "offer",   "handler",
                                      "on_start", "on_upgrade", "on_stop", "on_undelivered",
                                      "on_timer", "every"};
  struct fake_host *host = user;
  if (host->quiet) return 0;
  if (hgl_bytes_is(name, "bad/1.0/type")) return hgl_fail(err, HGL_MALFORMED, "not a message type");
  char *json = fake_json(value);
  fake_note(host, "%s %.*s %s", kinds[what], HGL_STR(name), json);
  free(json);
  return 0;
}

static inline int fake_send(void *user, const struct hgl_vm_send *send, struct hgl_id *id,
                            struct hgl_err *err)
{
  struct fake_host *host = user;
  memset(id, 7, sizeof *id);
  if (host->quiet) return 0;
  if (host->send_fails) return hgl_fail(err, host->send_fails, "the fake refuses");
  char did[HGL_DID_TEXT_SIZE] = "";
  char thid[2 * HGL_ID_SIZE + 1] = "new";
  if (send->to_key) hgl_did_format(send->to_key, did);
  if (send->thid) hgl_id_format(send->thid, thid);
  char *json = fake_json(send->body);
  fake_note(host, "send %s%.*s %.*s %s %s %lld", did, HGL_STR(send->to), HGL_STR(send->type), json,
            thid, (long long)send->expires_ms);
  free(json);
  return 0;
}

static inline int fake_timer_set(void *user, struct hgl_bytes name, struct hgl_bytes key,
                                 int64_t after_ms, struct hgl_bytes value, struct hgl_err *err)
{
  char *json = fake_json(value);
  fake_note(user, "timer %.*s '%.*s' %lld %s", HGL_STR(name), HGL_STR(key), (long long)after_ms,
            json);
  free(json);
  return 0;
}

static inline int fake_timer_cancel(void *user, struct hgl_bytes name, struct hgl_bytes key,
                                    struct hgl_err *err)
{
  fake_note(user, "cancel %.*s '%.*s'", HGL_STR(name), HGL_STR(key));
  return 0;
}

static inline int fake_call(void *user, const char *name, struct hgl_bytes arguments,
                            struct hgl_buf *result, struct hgl_err *err)
{
  struct fake_host *host = user;
  if (host->call_fails) return hgl_fail(err, host->call_fails, "the fake refuses");
  char *json = fake_json(arguments);
  fake_note(host, "call %s %s", name, json);
  free(json);
  hgl_buf_append_byte(result, 0x65);
  hgl_buf_append_text(result, "hello");
  return 0;
}

static inline int fake_lock(void *user, struct hgl_bytes key, bool *granted, struct hgl_err *err)
{
  struct fake_host *host = user;
  fake_note(host, "lock %.*s", HGL_STR(key));
  *granted = !host->lock_taken;
  return 0;
}

static inline int fake_unlock(void *user, struct hgl_bytes key, struct hgl_err *err)
{
  fake_note(user, "unlock %.*s", HGL_STR(key));
  return 0;
}

static inline int fake_go_on(void *user, struct hgl_bytes name, struct hgl_bytes value,
                             struct hgl_err *err)
{
  char *json = fake_json(value);
  fake_note(user, "continue %.*s %s", HGL_STR(name), json);
  free(json);
  return 0;
}

static inline void fake_log(void *user, enum hgl_log_level level, struct hgl_bytes text,
                            struct hgl_bytes fields)
{
  char *json = fake_json(fields);
  fake_note(user, "%s %.*s%s%s", hgl_log_level_name(level), HGL_STR(text), fields.size ? " " : "",
            fields.size ? json : "");
  free(json);
}

static inline int fake_module(void *user, struct hgl_bytes name, struct hgl_buf *source,
                              struct hgl_buf *chunk_name, struct hgl_err *err)
{
  struct fake_host *host = user;
  if (!host->module_name || !hgl_bytes_is(name, host->module_name))
    return hgl_fail(err, HGL_NOT_FOUND, "no such module");
  fake_note(host, "module %.*s", HGL_STR(name));
  hgl_buf_append_text(source, host->module_source);
  hgl_buf_printf(chunk_name, "lib/%.*s.lua", HGL_STR(name));
  return 0;
}

static inline int64_t fake_now_ms(void *user)
{
  struct fake_host *host = user;
  return host->now_ms;
}

static inline struct hgl_key fake_key(uint8_t byte)
{
  struct hgl_err err = {0};
  struct hgl_signer *signer;
  uint8_t seed[HGL_SEED_SIZE];
  memset(seed, byte, sizeof seed);
  assert_ok(hgl_crypto_init(&err));
  assert_ok(hgl_signer_create(seed, &signer, &err));
  struct hgl_key key = *hgl_signer_key(signer);
  hgl_signer_destroy(signer);
  return key;
}

static inline void fake_init(struct fake_host *host)
{
  struct hgl_err err = {0};
  *host = (struct fake_host){.key = fake_key(1), .now_ms = 1767225600123};
  host->limits = (struct hgl_vm_limits){
      .memory_bytes = 4 << 20, .stretch_ms = 10000, .state_bytes = 1 << 20, .runs_max = 3};
  assert_ok(hgl_chunks_create(&host->chunks, &err));
  assert_ok(hgl_watchdog_create(&host->watchdog, &err));
}

static inline void fake_unload(struct fake_host *host)
{
  hgl_vm_destroy(host->vm);
  host->vm = NULL;
  fake_forget(host);
}

static inline void fake_deinit(struct fake_host *host)
{
  fake_unload(host);
  hgl_watchdog_destroy(host->watchdog);
  hgl_chunks_destroy(host->chunks);
}

static inline int fake_get(void *user, struct hgl_bytes key, struct hgl_buf *out,
                           struct hgl_err *err)
{
  return hgl_fail(err, HGL_NOT_FOUND, "no such row");
}

static inline int fake_put(void *user, struct hgl_bytes key, struct hgl_bytes value,
                           struct hgl_err *err)
{
  struct fake_host *host = user;
  host->puts++;
  return 0;
}

static inline int fake_remove(void *user, struct hgl_bytes key, struct hgl_err *err)
{
  return 0;
}

static inline int fake_scan(void *user, struct hgl_bytes prefix,
                            int (*visit)(void *visit_user, struct hgl_bytes key,
                                         struct hgl_bytes value, struct hgl_err *err),
                            void *visit_user, struct hgl_err *err)
{
  return 0;
}

static inline int fake_try_load(struct fake_host *host, const char *source, struct hgl_err *err)
{
  struct hgl_vm_config config = {
      .agent_name = "kiosk",
      .agent_key = host->key,
      .source = hgl_text(source),
      .chunk_name = "agents/x.lua",
      .config = host->config,
      .limits = host->limits,
      .ops = {.declare = fake_declare,
              .send = fake_send,
              .timer_set = fake_timer_set,
              .timer_cancel = fake_timer_cancel,
              .call = fake_call,
              .lock = fake_lock,
              .unlock = fake_unlock,
              .go_on = fake_go_on,
              .log = fake_log,
              .module = fake_module,
              .now_ms = fake_now_ms,
              .user = host},
      .state_rows = {.get = fake_get,
                     .put = fake_put,
                     .remove = fake_remove,
                     .scan = fake_scan,
                     .user = host},
      .chunks = host->chunks,
      .watchdog = host->watchdog,
  };
  fake_unload(host);
  return hgl_vm_create(&config, &host->vm, err);
}

static inline void fake_load(struct fake_host *host, const char *source)
{
  struct hgl_err err = {0};
  assert_ok(fake_try_load(host, source, &err));
}

static inline enum hgl_vm_outcome fake_finish(struct fake_host *host, enum hgl_vm_outcome outcome)
{
  if (outcome != HGL_VM_RAISED) hgl_vm_accept(host->vm);
  return outcome;
}

/* Calls on_start("created"). */
static inline enum hgl_vm_outcome fake_start(struct fake_host *host)
{
  static const uint8_t values[] = "\x81\x67"
                                  "created";
  struct hgl_vm_call call = {
      .kind = HGL_VM_ON_START, .values = hgl_bytes(values, sizeof values - 1), .seed = 42};
  return fake_finish(host, hgl_vm_start(host->vm, &call, &host->run, &host->wait, &host->failure));
}

static inline enum hgl_vm_outcome fake_resume(struct fake_host *host,
                                              const struct hgl_vm_answer *answers, size_t count)
{
  return fake_finish(
      host, hgl_vm_resume(host->vm, host->run, answers, count, &host->wait, &host->failure));
}

/* A message from key 2 to key 1 with this body; the slices are static. */
static inline struct hgl_vm_message fake_message(const char *type, struct hgl_bytes body)
{
  struct hgl_err err = {0};
  struct hgl_vm_message message = {.attempt = 1};
  struct hgl_envelope *envelope = &message.envelope;
  envelope->type = hgl_text(type);
  assert_ok(hgl_type_parse(envelope->type, &envelope->protocol, &envelope->version,
                           &envelope->performative, &err));
  envelope->from = fake_key(2);
  envelope->to = fake_key(1);
  memset(envelope->id.bytes, 0xaa, HGL_ID_SIZE);
  memset(envelope->thid.bytes, 0xbb, HGL_ID_SIZE);
  envelope->created_time_ms = 1000;
  envelope->body = body;
  return message;
}

static inline enum hgl_vm_outcome fake_deliver(struct fake_host *host,
                                               const struct hgl_vm_message *message)
{
  struct hgl_vm_call call = {
      .kind = HGL_VM_HANDLER, .name = message->envelope.type, .message = message, .seed = 42};
  return fake_finish(host, hgl_vm_start(host->vm, &call, &host->run, &host->wait, &host->failure));
}

/* Loads a script whose on_start has this body, and runs it. Line 1 is the body's first. */
static inline enum hgl_vm_outcome fake_run(struct fake_host *host, const char *body)
{
  char *source = NULL;
  if (asprintf(&source, "agent.on_start(function(reason) %s\nend)", body) < 0) abort();
  fake_load(host, source);
  free(source);
  return fake_start(host);
}

/* The fixture of a test that has one. */
static inline int fake_set_up(void **state)
{
  struct fake_host *host = malloc(sizeof *host);
  fake_init(host);
  *state = host;
  return 0;
}

static inline int fake_tear_down(void **state)
{
  fake_deinit(*state);
  free(*state);
  return 0;
}

#define assert_done(host, body)                                                                    \
  do {                                                                                             \
    struct fake_host *host_ = (host);                                                              \
    if (fake_run(host_, body) != HGL_VM_DONE)                                                      \
      fail_msg("%s: %s", body, host_->failure.error.message);                                      \
  } while (0)

/* Raises, and the error contains the text. */
#define assert_raises(host, body, expected_code, text)                                             \
  do {                                                                                             \
    struct fake_host *host_ = (host);                                                              \
    if (fake_run(host_, body) != HGL_VM_RAISED) fail_msg("%s: did not raise", body);               \
    if (host_->failure.error.code != (expected_code) ||                                            \
        !strstr(host_->failure.error.message, text))                                               \
      fail_msg("%s: %s '%s'", body, hgl_code_name(host_->failure.error.code),                      \
               host_->failure.error.message);                                                      \
  } while (0)

#define assert_saw(host, line)                                                                     \
  do {                                                                                             \
    struct fake_host *host_ = (host);                                                              \
    if (!fake_saw(host_, line)) {                                                                  \
      for (size_t i_ = 0; i_ < host_->line_count; i_++) print_error("%s\n", host_->lines[i_]);     \
      fail_msg("not seen: %s", line);                                                              \
    }                                                                                              \
  } while (0)

#endif
