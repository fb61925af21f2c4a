/* The operator's console: lines that run within an agent, each one a handler's call like any other:
 * a transaction, with the agent's limits and grants, that may wait. It differs in two ways: a line
 * that raises is not tried again, and what it returns goes to whoever gave it.
 *
 * A line waits in host->lines until it begins, which is at the beginning of the next tick's
 * handlers: before what waits in the agent's mailbox, also while its on_start is still to be tried
 * again, and while it is paused. One that waits is a run with rows: after a restart of the host it
 * goes on, and since nobody is there to hear of its end, that is logged. */
#include "agent/supervise.h"
#include "agent/trace.h"

struct line {
  struct line *next;
  struct hgl_host *host;
  struct mail *mail;     /* until it is over; its back pointer is mail->line */
  struct agent_run *run; /* it waits; or NULL */
  bool begun, over;
  uint64_t tick; /* whose commit makes what it did durable */
  json_t *result;
  struct hgl_err why;
  char name[HGL_NAME_SIZE_MAX + 1];
  hgl_console_done done;
  void *user;
};

/* ---- ends ---- */

static void end(struct line *line)
{
  struct hgl_host *host = line->host;
  line->over = true;
  line->run = NULL;
  if (line->mail) line->mail->line = NULL;
  line->mail = NULL;
  line->tick = host->changed ? host->tick : 0;
  host_request_tick(host);
}

static void fail(struct line *line, enum hgl_code code, const char *why)
{
  hgl_fail(&line->why, code, "%s", why);
  end(line);
}

void console_done(struct agent *agent, struct mail *mail)
{
  struct hgl_bytes shown = hgl_vm_shown(agent->vm);
  struct hgl_buf words;
  hgl_buf_init(&words, 4 * shown.size + 8);
  hgl_utf8_mend(shown, &words);
  if (mail->line) {
    struct line *line = mail->line;
    line->result = json_pack("{s:s%}", "shown", words.size ? (const char *)words.data : "",
                             words.size);
    if (!line->result) hgl_fail(&line->why, HGL_NO_MEMORY, "out of memory");
    end(line);
  } else {
    host_log(agent->host, HGL_LOG_INFO, "%s: a line of the console has ended: %.*s", agent->name,
             (int)(words.size < 200 ? words.size : 200),
             words.size ? (const char *)words.data : "it returned nothing");
  }
  hgl_buf_deinit(&words);
}

void console_raised(struct agent *agent, struct mail *mail, const struct raised *raised)
{
  const struct hgl_vm_failure *failure = &raised->failure;
  struct line *line = mail->line;
  bool incomplete = strstr(failure->error.message, "near <eof>") != NULL;
  host_log(agent->host, HGL_LOG_WARN, "%s: a line of the console raised: %s [%s%s]", agent->name,
           failure->error.message,
           *raised->undone ? "rolled back: " : "nothing was to be rolled back", raised->undone);
  if (!line) return;
  struct hgl_buf why, traceback;
  hgl_buf_init(&why, sizeof failure->error.message * 4);
  hgl_buf_init(&traceback, 4 * strlen(failure->traceback) + 8);
  hgl_utf8_mend(hgl_text(failure->error.message), &why);
  hgl_utf8_mend(hgl_text(failure->traceback), &traceback);
  line->result = json_pack("{s:s%, s:s%, s:s, s:b}", "raised", why.size ? (char *)why.data : "",
                           why.size, "traceback",
                           traceback.size ? (const char *)traceback.data : "", traceback.size,
                           "rolled_back", raised->undone, "incomplete", incomplete);
  if (!line->result) hgl_fail(&line->why, HGL_NO_MEMORY, "out of memory");
  hgl_buf_deinit(&why);
  hgl_buf_deinit(&traceback);
  end(line);
}

void console_waits(struct mail *mail, struct agent_run *run)
{
  if (mail->line) mail->line->run = run;
}

void console_parked(struct mail *mail, const char *why)
{
  if (mail->line) fail(mail->line, HGL_DIVERGED, why);
}

void console_lost(struct line *line)
{
  line->mail = NULL;
  fail(line, HGL_INTERRUPTED,
       "the agent was ended, or begins again, before the line had ended; one that waits goes on "
       "with it");
}

/* ---- beginning ---- */

/* Whether lines run in it. */
static int find(struct hgl_host *host, const char *name, struct child **out, struct hgl_err *err)
{
  struct child *child = child_by_name(host, hgl_text(name));
  if (!child) return hgl_fail(err, HGL_NOT_FOUND, "there is no agent named %.80s here", name);
  if (!child->script)
    return hgl_fail(err, HGL_INVALID, "%s has no script: nothing can be run in it", name);
  if (child->standing == PARKED)
    return hgl_fail(err, HGL_INVALID,
                    "%s is parked, and nothing of it runs: %s; `haggle reload %s` begins with its "
                    "script anew, `haggle state %s` shows its state",
                    name, child->reason ? child->reason : "it failed", name, name);
  if (child->standing == STOPPED || !child->agent || child->agent->stopped)
    return hgl_fail(err, HGL_INVALID, "%s is stopped: nothing can be run in it", name);
  if (host->stopping || host->failed) return hgl_fail(err, HGL_CLOSED, "the host stops");
  *out = child;
  return 0;
}

static int make_mail(struct hgl_bytes text, struct mail **out, struct hgl_err *err)
{
  struct hgl_buf value;
  struct mail *mail = hgl_zalloc(sizeof *mail);
  if (!mail) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  *mail = (struct mail){.kind = MAIL_CONSOLE, .attempt = 1};
  hgl_buf_init(&value, HGL_CONSOLE_LINE_SIZE_MAX + 16);
  hgl_cbor_put_text(&value, text);
  int status = hgl_buf_check(&value, err);
  if (!status) status = mail_set_value(mail, hgl_buf_bytes(&value), err);
  hgl_buf_deinit(&value);
  if (status)
    mail_destroy(mail);
  else
    *out = mail;
  return status;
}

int hgl_host_console(struct hgl_host *host, const char *name, const char *who,
                     struct hgl_bytes text, hgl_console_done done, void *user, struct hgl_err *err)
{
  struct child *child;
  struct mail *mail = NULL;
  int status = find(host, name, &child, err);
  if (status) return status;
  if (text.size > HGL_CONSOLE_LINE_SIZE_MAX)
    return hgl_fail(err, HGL_TOO_LARGE, "a line of %zu bytes, limit %d", text.size,
                    HGL_CONSOLE_LINE_SIZE_MAX);
  if (!hgl_utf8_valid(text)) return hgl_fail(err, HGL_INVALID, "the line is no UTF-8 text");
  struct line *line = hgl_zalloc(sizeof *line);
  status = line ? make_mail(text, &mail, err) : hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  if (status) {
    hgl_free(line);
    return status;
  }
  line->host = host;
  line->done = done;
  line->user = user;
  line->mail = mail;
  mail->line = line;
  snprintf(line->name, sizeof line->name, "%s", name);
  struct line **last = &host->lines;
  while (*last) last = &(*last)->next;
  *last = line;
  host_log(host, HGL_LOG_INFO, "%s: console, %s: %.*s", name, who, HGL_STR(text));
  host_request_tick(host);
  return 0;
}

static void begin(struct line *line)
{
  struct child *child;
  struct mail *mail = line->mail;
  line->begun = true;
  if (find(line->host, line->name, &child, &line->why)) {
    line->mail = NULL;
    mail->line = NULL;
    end(line);
    mail_destroy(mail);
    return;
  }
  mail->agent = child->agent;
  run_mail(child->agent, mail);
}

void console_run(struct hgl_host *host)
{
  for (struct line *line = host->lines; line && !host->failed; line = line->next) {
    if (line->begun || line->over) continue;
    int64_t before = hgl_mono_ns(host->config.clock);
    begin(line);
    trace_took(host, hgl_mono_ns(host->config.clock) - before);
  }
}

/* ---- giving one up ---- */

int hgl_host_console_stop(struct hgl_host *host, const void *user, struct hgl_err *err)
{
  struct line *line = host->lines;
  while (line && (line->user != user || line->over)) line = line->next;
  if (!line) return hgl_fail(err, HGL_NOT_FOUND, "there is no such line, or it has ended");
  struct agent_run *run = line->run;
  struct mail *mail = line->mail;
  fail(line, HGL_INTERRUPTED,
       run ? "given up; what it did before it waited stays" : "given up before it began");
  if (run)
    run_finish(run);
  else
    mail_destroy(mail);
  line->tick = host->changed ? host->tick : 0;
  return 0;
}

/* ---- telling ---- */

static void tell(struct line *line)
{
  line->done(line->user, line->result, line->result ? NULL : &line->why);
  json_decref(line->result);
  hgl_free(line);
}

/* Whoever is told may give the next line at once: that stands behind. */
void console_tell(struct hgl_host *host)
{
  struct line *told = NULL, **last = &told;
  for (struct line **at = &host->lines, *line; (line = *at);) {
    if (!line->over || host->committed_tick < line->tick) {
      at = &line->next;
      continue;
    }
    *at = line->next;
    line->next = NULL;
    *last = line;
    last = &line->next;
  }
  for (struct line *line; (line = told);) {
    told = line->next;
    tell(line);
  }
}

void console_deinit(struct hgl_host *host)
{
  for (struct line *line; (line = host->lines);) {
    struct mail *mail = line->begun ? NULL : line->mail;
    host->lines = line->next;
    if (line->mail) line->mail->line = NULL;
    mail_destroy(mail);
    json_decref(line->result);
    line->result = NULL;
    hgl_fail(&line->why, HGL_CLOSED, "the host stops");
    tell(line);
  }
}

/* ---- completion ---- */

static int add_handlers(const struct manifest *manifest, struct hgl_bytes begin, json_t *names)
{
  const struct hgl_map_slot *slot;
  for (size_t i = 0; (slot = hgl_map_next(&manifest->names, &i));) {
    struct hgl_bytes key = hgl_bytes(slot->key, slot->key_size);
    struct hgl_bytes name = hgl_bytes(key.data + 1, key.size - 1);
    if (!name.size || name.size < begin.size || memcmp(name.data, begin.data, begin.size) != 0)
      continue;
    if (json_array_append_new(names, json_words(name))) return -1;
  }
  return 0;
}

/* Within quotes: what the script declares by name (messages, timers, schedules). */
static bool open_text(struct hgl_bytes text, struct hgl_bytes *begin)
{
  uint8_t quote = 0;
  for (size_t i = 0; i < text.size; i++) {
    uint8_t c = text.data[i];
    if (!quote && (c == '"' || c == '\'')) {
      quote = c;
      *begin = hgl_bytes(text.data + i + 1, text.size - i - 1);
    } else if (quote && c == '\\') {
      i++;
    } else if (c == quote) {
      quote = 0;
    }
  }
  return quote != 0;
}

static int add_names(struct agent *agent, struct hgl_bytes text, json_t *names, struct hgl_err *err)
{
  struct hgl_buf found;
  size_t count = 0;
  int status = agent_wake(agent, err);
  if (status) return status;
  hgl_buf_init(&found, 256 << 10);
  status = hgl_vm_complete(agent->vm, text, &found, &count, err);
  struct hgl_cbor_reader in = hgl_cbor_reader(hgl_buf_bytes(&found));
  for (size_t i = 0; i < count && !status; i++) {
    struct hgl_bytes name;
    status = hgl_cbor_get_text(&in, "name", HGL_STATE_KEY_SIZE_MAX, &name, err);
    if (!status && json_array_append_new(names, json_stringn((const char *)name.data, name.size)))
      status = hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  }
  hgl_buf_deinit(&found);
  return status;
}

static int compare_names(const void *a, const void *b)
{
  const json_t *const *one = a, *const *other = b;
  return strcmp(json_string_value(*one), json_string_value(*other));
}

/* In place: tables have their names in no order that people know. */
static int sort_names(json_t *names, struct hgl_err *err)
{
  size_t count = json_array_size(names);
  json_t **items = hgl_alloc((count + 1) * sizeof *items);
  if (!items) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  for (size_t i = 0; i < count; i++) items[i] = json_incref(json_array_get(names, i));
  qsort(items, count, sizeof *items, compare_names);
  for (size_t i = 0; i < count; i++) json_array_set_new(names, i, items[i]);
  hgl_free(items);
  return 0;
}

int hgl_host_complete(struct hgl_host *host, const char *name, struct hgl_bytes text, json_t **out,
                      struct hgl_err *err)
{
  struct child *child;
  struct hgl_bytes begin = {0};
  int status = find(host, name, &child, err);
  if (status) return status;
  json_t *names = json_array();
  if (!names) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  if (!open_text(text, &begin))
    status = add_names(child->agent, text, names, err);
  else if (add_handlers(child->agent->manifest, begin, names))
    status = hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  if (!status) status = sort_names(names, err);
  if (status)
    json_decref(names);
  else
    *out = names;
  return status;
}
