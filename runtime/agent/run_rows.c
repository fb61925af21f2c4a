/* The rows of runs, all behind (agent's number, run's row):
 *
 *   (nothing)          [mail, kind, name, values, seed, digest of the script]
 *   1, index (4)       a record: [answers that resumed the stretch, events, what it then waited
 * for] 2, ask's index (4) an answer that has come and is not used yet 3                  where the
 * tables of state stand that it holds
 *
 * A suspension adds one row and changes none. All are put at the end of the tick, when what was
 * said in it is signed; a run that began and ended within the tick leaves no trace. */
#include "agent/internal.h"

enum {
  PART_RECORD = 1,
  PART_ANSWER = 2,
  PART_PLACES = 3,
  ROW_SIZE_MAX = HGL_STORE_VALUE_SIZE_MAX - 1024,
  KEY_SIZE = 16 + 1 + 4,
};

static struct hgl_bytes key_of(const struct agent_run *run, int part, size_t index,
                               uint8_t out[KEY_SIZE])
{
  hgl_put_be64(out, run->agent->number);
  hgl_put_be64(out + 8, run->row);
  out[16] = (uint8_t)part;
  for (int i = 0; i < 4; i++) out[17 + i] = (uint8_t)(index >> (24 - 8 * i));
  return hgl_bytes(out, !part ? 16 : part == PART_PLACES ? 17 : KEY_SIZE);
}

/* ---- records ---- */

void record_destroy(struct record *record)
{
  asks_destroy(record->asks, record->ask_count);
  hgl_buf_deinit(&record->events);
  *record = (struct record){0};
}

static int erase(struct agent_run *run, int part, size_t index, struct hgl_err *err)
{
  uint8_t key[KEY_SIZE];
  return hgl_writeset_delete(host_writes(run->agent->host), HGL_DB_RUNS,
                             key_of(run, part, index, key), err);
}

static size_t size_of(const struct record *record)
{
  size_t size = sizeof *record + record->events.capacity;
  for (size_t i = 0; i < record->ask_count; i++)
    size += sizeof record->asks[i] + record->asks[i].value.capacity;
  return size;
}

int run_add_record(struct agent_run *run, struct hgl_bytes events, struct hgl_err *err)
{
  if (!HGL_GROW(run->fresh, run->fresh_count, run->fresh_capacity))
    return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  struct record record = {0};
  hgl_buf_init(&record.events, HGL_VM_JOURNAL_SIZE_MAX);
  hgl_buf_append_bytes(&record.events, events);
  int status = hgl_buf_check(&record.events, err);
  for (size_t i = 0; i < run->ask_count && !status; i++)
    if (run->asks[i].saved) status = erase(run, PART_ANSWER, i, err);
  if (status) {
    hgl_buf_deinit(&record.events);
    return status;
  }
  record.asks = run->asks;
  record.ask_count = run->ask_count;
  run->asks = NULL;
  run->ask_count = run->asks_open = 0;
  run->fresh[run->fresh_count++] = record;
  run->fresh_bytes += size_of(&record);
  if (!run->stretches++) {
    run->agent->waiting_runs++;
    run->agent->host->metering.runs++;
  }
  return 0;
}

/* ---- out ---- */

/* [code, why, proved, message]; in place of the message [value], of a call to the outside. */
static void put_answer(struct hgl_host *host, const struct ask *ask, struct hgl_buf *out)
{
  struct hgl_buf evidence;
  struct hgl_err none;
  hgl_buf_init(&evidence, HGL_EVIDENCE_SIZE_MAX);
  bool proved = ask->answer && message_evidence(host, ask->answer, &evidence, &none) == 0;
  hgl_cbor_put_list(out, 4);
  hgl_cbor_put_literal(out, hgl_code_name(ask->code));
  if (ask->why)
    put_words(out, ask->why);
  else
    hgl_cbor_put_null(out);
  hgl_cbor_put_bool(out, proved);
  if (proved) {
    hgl_cbor_put_bytes(out, hgl_buf_bytes(&evidence));
  } else if (ask->answer) {
    hgl_cbor_put_bytes(out, ask->answer->bytes);
  } else if (ask->value.size) {
    hgl_cbor_put_list(out, 1);
    hgl_buf_append_bytes(out, hgl_buf_bytes(&ask->value));
  } else {
    hgl_cbor_put_null(out);
  }
  hgl_buf_deinit(&evidence);
}

/* [kind, until, lock, ticket, [held, times, …], [[thid, peer, deadline], …], call]: in Unix time. A
 * lock that was granted meanwhile is granted again; a call stands here only where one is waited
 * for.
 */
static void put_wait(const struct agent_run *run, struct hgl_buf *out)
{
  const struct hgl_host *host = run->agent->host;
  const struct held_locks none = {0}, *held = run->locks ? run->locks : &none;
  size_t count = held->count;
  bool granted = run->waits == HGL_VM_WAIT_LOCK && run->granted;
  hgl_cbor_put_list(out, run->call ? 7 : 6);
  hgl_cbor_put_uint(out, run->waits);
  hgl_cbor_put_int(out, run->until_ms);
  hgl_cbor_put_bytes(out, hgl_buf_bytes(&run->lock));
  hgl_cbor_put_uint(out, run->ticket);
  hgl_cbor_put_list(out, 2 * (count - granted));
  for (size_t i = 0; i < count; i++) {
    struct hgl_bytes key = hgl_bytes(held->items[i].key, held->items[i].key_size);
    if (granted && hgl_bytes_equal(key, hgl_buf_bytes(&run->lock))) continue;
    hgl_cbor_put_bytes(out, key);
    hgl_cbor_put_int(out, held->items[i].depth);
  }
  hgl_cbor_put_list(out, run->ask_count);
  for (size_t i = 0; i < run->ask_count; i++) {
    const struct ask *ask = &run->asks[i];
    hgl_cbor_put_list(out, 3);
    hgl_cbor_put_bytes(out, hgl_bytes(ask->thid.bytes, HGL_ID_SIZE));
    hgl_cbor_put_bytes(out, hgl_key_bytes(&ask->peer));
    hgl_cbor_put_int(out, host->now_ms + (ask->deadline_ms - host->mono_ms));
  }
  if (run->call) call_put(run, out);
}

static int put(struct agent_run *run, int part, size_t index, const struct hgl_buf *row, bool fresh,
               struct hgl_err *err)
{
  struct hgl_writeset *set = host_writes(run->agent->host);
  uint8_t bytes[KEY_SIZE];
  struct hgl_bytes key = key_of(run, part, index, bytes);
  int status = hgl_buf_check(row, err);
  if (status) return status;
  return fresh ? hgl_writeset_put_new(set, HGL_DB_RUNS, key, hgl_buf_bytes(row), err)
               : hgl_writeset_put(set, HGL_DB_RUNS, key, hgl_buf_bytes(row), err);
}

static int save_head(struct agent_run *run, struct hgl_buf *row, struct hgl_err *err)
{
  struct hgl_host *host = run->agent->host;
  struct hgl_buf mail;
  hgl_buf_init(&mail, HGL_EVIDENCE_SIZE_MAX + 8192);
  run->row = host_row(host);
  int status = mail_encode(host, run->mail, &mail, err);
  hgl_buf_clear(row);
  hgl_cbor_put_list(row, 7);
  hgl_cbor_put_bytes(row, hgl_buf_bytes(&mail));
  hgl_cbor_put_uint(row, run->kind);
  hgl_cbor_put_bytes(row, hgl_buf_bytes(&run->name));
  hgl_cbor_put_bytes(row, hgl_buf_bytes(&run->values));
  hgl_cbor_put_uint(row, run->seed >> 32);
  hgl_cbor_put_uint(row, run->seed & UINT32_MAX);
  hgl_cbor_put_bytes(row, hgl_bytes(run->script->digest.bytes, HGL_HASH_SIZE));
  hgl_buf_deinit(&mail);
  if (!status) status = put(run, 0, 0, row, true, err);
  return status ? status : script_store(host, run->script, err);
}

static int save_records(struct agent_run *run, struct hgl_buf *row, struct hgl_err *err)
{
  struct hgl_host *host = run->agent->host;
  int status = 0;
  for (size_t i = 0; i < run->fresh_count && !status; i++) {
    const struct record *record = &run->fresh[i];
    hgl_buf_clear(row);
    hgl_cbor_put_list(row, 3);
    hgl_cbor_put_list(row, record->ask_count);
    for (size_t k = 0; k < record->ask_count; k++) put_answer(host, &record->asks[k], row);
    hgl_cbor_put_bytes(row, hgl_buf_bytes(&record->events));
    if (i + 1 == run->fresh_count)
      put_wait(run, row);
    else
      hgl_cbor_put_null(row);
    status = put(run, PART_RECORD, run->saved + i, row, true, err);
  }
  if (status) return status;
  for (size_t i = 0; i < run->fresh_count; i++) record_destroy(&run->fresh[i]);
  run->saved += run->fresh_count;
  run->fresh_count = run->fresh_bytes = 0;
  return 0;
}

static int save_answers(struct agent_run *run, struct hgl_buf *row, struct hgl_err *err)
{
  for (size_t i = 0; i < run->ask_count; i++) {
    struct ask *ask = &run->asks[i];
    if (!ask->done || ask->saved) continue;
    hgl_buf_clear(row);
    put_answer(run->agent->host, ask, row);
    int status = put(run, PART_ANSWER, i, row, false, err);
    if (status) return status;
    ask->saved = true;
  }
  return 0;
}

_Static_assert(HGL_VM_PLACES_SIZE_MAX + 16 <= ROW_SIZE_MAX, "places that no row can hold");

/* Others moved them to longer places since the run was suspended: told once. */
static void tell_of_lost_places(struct agent_run *run)
{
  size_t count = run->lost_places ? 0 : hgl_vm_views_beyond(run->views);
  if (!count) return;
  run->lost_places = true;
  host_log(run->agent->host, HGL_LOG_WARN,
           "%s: %zu tables of state that a waiting handler holds were moved to places too long to "
           "be kept (%d bytes for all): to a handler that is brought back they are removed",
           run->agent->name, count, HGL_VM_PLACES_SIZE_MAX);
}

static int save_places(struct agent_run *run, struct hgl_buf *row, struct hgl_err *err)
{
  int status = 0;
  /* While the agent sleeps they stand still, as they were saved. */
  if (run->away.size || (!run->views && !run->places.size)) return 0;
  hgl_buf_clear(row);
  if (run->views) status = hgl_vm_views_places(run->agent->vm, run->views, row, err);
  if (status || hgl_bytes_equal(hgl_buf_bytes(row), hgl_buf_bytes(&run->places))) return status;
  tell_of_lost_places(run);
  hgl_buf_clear(&run->places);
  hgl_buf_append_bytes(&run->places, hgl_buf_bytes(row));
  if ((status = hgl_buf_check(&run->places, err))) return status;
  return row->size ? put(run, PART_PLACES, 0, row, false, err) : erase(run, PART_PLACES, 0, err);
}

int runs_persist(struct hgl_host *host, struct hgl_err *err)
{
  struct hgl_buf row;
  int status = 0;
  hgl_buf_init(&row, ROW_SIZE_MAX);
  for (struct agent_run *run; !status && (run = host->unsaved_runs.first);) {
    run_unlist(run);
    if (!run->row) status = save_head(run, &row, err);
    if (!status) status = save_records(run, &row, err);
    if (!status) status = save_answers(run, &row, err);
    if (!status) status = save_places(run, &row, err);
  }
  hgl_buf_deinit(&row);
  return status;
}

int runs_follow_views(struct agent *agent, struct hgl_err *err)
{
  struct hgl_buf row;
  uint64_t moves = hgl_vm_moves(agent->vm);
  int status = 0;
  if (moves == agent->moves) return 0;
  agent->moves = moves;
  agent_undefer(agent); /* their rows would know other tables than their places */
  hgl_buf_init(&row, ROW_SIZE_MAX);
  for (struct agent_run *run = agent->runs; run && !status; run = run->next) {
    if (run->row && run->views) status = save_places(run, &row, err);
  }
  hgl_buf_deinit(&row);
  return status;
}

void run_erase(struct agent_run *run)
{
  struct hgl_err err;
  int status = 0;
  run_unlist(run);
  for (size_t i = 0; i < run->fresh_count; i++) record_destroy(&run->fresh[i]);
  run->fresh_count = run->fresh_bytes = 0;
  if (!run->row) return;
  for (size_t i = 0; i < run->saved && !status; i++) status = erase(run, PART_RECORD, i, &err);
  for (size_t i = 0; i < run->ask_count && !status; i++)
    if (run->asks[i].saved) status = erase(run, PART_ANSWER, i, &err);
  if (!status && run->places.size) status = erase(run, PART_PLACES, 0, &err);
  if (!status) status = erase(run, 0, 0, &err);
  if (status) host_fatal(run->agent->host, &err);
  hgl_buf_clear(&run->places);
  run->row = run->saved = 0;
}

/* ---- in ---- */

static int get_value(struct hgl_cbor_reader *in, struct ask *out, struct hgl_err *err)
{
  struct hgl_bytes value;
  int status = hgl_cbor_get_value(in, "answer.value", &value, err);
  if (status) return status;
  hgl_buf_init(&out->value, HGL_BODY_SIZE_MAX);
  hgl_buf_append_bytes(&out->value, value);
  return hgl_buf_check(&out->value, err);
}

static int get_answer(struct hgl_cbor_reader *in, struct ask *out, struct hgl_err *err)
{
  struct hgl_bytes code, value;
  struct hgl_cbor_item item;
  bool proved;
  size_t count;
  int status;
  if ((status = hgl_cbor_get_list(in, "answer", 4, &count, err)) ||
      (status = hgl_cbor_get_text(in, "answer.code", 64, &code, err)) ||
      (status = hgl_cbor_next(in, &item, err)) ||
      (status = hgl_cbor_get_bool(in, "answer.proved", &proved, err)) ||
      (status = hgl_cbor_get_value(in, "answer.message", &value, err)))
    return status;
  out->done = true;
  out->code = hgl_code_from_name((const char *)code.data, code.size);
  if (item.kind == HGL_CBOR_TEXT &&
      !(out->why = hgl_strndup((const char *)item.bytes.data, item.bytes.size)))
    return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  struct hgl_cbor_reader content = hgl_cbor_reader(value);
  if ((status = hgl_cbor_next(&content, &item, err))) return status;
  if (item.kind == HGL_CBOR_LIST) return get_value(&content, out, err);
  if (item.kind != HGL_CBOR_BYTES) return 0;
  return proved ? message_from_evidence(item.bytes, &out->answer, err)
                : message_copy(item.bytes, &out->answer, err);
}

static int get_record(struct hgl_bytes row, struct record *out, struct hgl_cbor_reader *rest,
                      struct hgl_err *err)
{
  struct hgl_cbor_reader in = hgl_cbor_reader(row);
  struct hgl_bytes events;
  size_t count, answers;
  int status = hgl_cbor_get_list(&in, "record", 3, &count, err);
  if (!status) status = hgl_cbor_get_list(&in, "record.answers", 65536, &answers, err);
  if (status) return status;
  struct record record = {.asks = hgl_array(answers + 1, sizeof *record.asks)};
  hgl_buf_init(&record.events, HGL_VM_JOURNAL_SIZE_MAX);
  if (!record.asks) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  while (!status && record.ask_count < answers)
    status = get_answer(&in, &record.asks[record.ask_count++], err);
  if (!status)
    status = hgl_cbor_get_bytes(&in, "record.events", HGL_VM_JOURNAL_SIZE_MAX, &events, err);
  if (!status) {
    hgl_buf_append_bytes(&record.events, events);
    status = hgl_buf_check(&record.events, err);
  }
  if (status) {
    record_destroy(&record);
    return status;
  }
  *out = record;
  *rest = in;
  return 0;
}

int run_load_record(struct agent_run *run, size_t index, struct record *out, struct hgl_err *err)
{
  struct hgl_buf row;
  struct hgl_cbor_reader rest;
  uint8_t key[KEY_SIZE];
  hgl_buf_init(&row, HGL_STORE_VALUE_SIZE_MAX);
  int status = hgl_store_get(run->agent->host->config.store, HGL_DB_RUNS,
                             key_of(run, PART_RECORD, index, key), &row, err);
  if (status == -HGL_NOT_FOUND)
    status = hgl_fail(err, HGL_CORRUPT, "stretch %zu of a handler is missing", index + 1);
  if (!status) status = get_record(hgl_buf_bytes(&row), out, &rest, err);
  hgl_buf_deinit(&row);
  return status;
}

static int get_asks(struct agent_run *run, struct hgl_cbor_reader *in, struct hgl_err *err)
{
  const struct hgl_host *host = run->agent->host;
  size_t count, fields;
  int status = hgl_cbor_get_list(in, "wait.asks", 65536, &count, err);
  if (status) return status;
  asks_destroy(run->asks, run->ask_count);
  run->ask_count = 0;
  run->asks = hgl_array(count + 1, sizeof *run->asks);
  if (!run->asks) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  for (; run->ask_count < count; run->ask_count++) {
    struct ask *ask = &run->asks[run->ask_count];
    int64_t deadline;
    if ((status = hgl_cbor_get_list(in, "ask", 3, &fields, err)) ||
        (status = hgl_cbor_get_fixed(in, "ask.thid", ask->thid.bytes, HGL_ID_SIZE, err)) ||
        (status = hgl_cbor_get_fixed(in, "ask.peer", ask->peer.bytes, HGL_KEY_SIZE, err)) ||
        (status = hgl_cbor_get_int(in, "ask.deadline", &deadline, err)))
      return status;
    ask->deadline_ms = host->mono_ms + (deadline - host->now_ms);
  }
  return 0;
}

static int get_locks(struct agent_run *run, struct hgl_cbor_reader *in, struct hgl_err *err)
{
  size_t count;
  int status = hgl_cbor_get_list(in, "wait.held", 65536, &count, err);
  if (!status && !run->locks) run->locks = hgl_zalloc(sizeof *run->locks);
  if (!run->locks) return status ? status : hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  held_locks_clear(run->locks);
  for (; !status && count >= 2; count -= 2) {
    struct hgl_bytes key;
    int64_t depth;
    if (!(status = hgl_cbor_get_bytes(in, "held", 4096, &key, err)) &&
        !(status = hgl_cbor_get_int(in, "times", &depth, err)))
      status = held_locks_add(run->locks, key, (int)depth, err);
  }
  return status;
}

static int get_wait(struct agent_run *run, struct hgl_cbor_reader *in, struct hgl_err *err)
{
  struct hgl_bytes lock;
  uint64_t kind;
  size_t count;
  int status;
  if (in->at < in->end && *in->at == 0xf6) return 0; /* null: not the last of its tick */
  if ((status = hgl_cbor_get_list(in, "wait", 7, &count, err)) ||
      (status = hgl_cbor_get_uint(in, "wait.kind", HGL_VM_WAIT_CALL, &kind, err)) ||
      (status = hgl_cbor_get_int(in, "wait.until", &run->until_ms, err)) ||
      (status = hgl_cbor_get_bytes(in, "wait.lock", 4096, &lock, err)) ||
      (status = hgl_cbor_get_uint(in, "wait.ticket", UINT64_MAX, &run->ticket, err)) ||
      (status = get_locks(run, in, err)))
    return status;
  run->waits = (enum hgl_vm_wait_kind)kind;
  hgl_buf_clear(&run->lock);
  hgl_buf_append_bytes(&run->lock, lock);
  if ((status = hgl_buf_check(&run->lock, err))) return status;
  status = get_asks(run, in, err);
  return status || count < 7 ? status : call_get(run, in, err);
}

struct loading {
  struct agent *agent;
  struct agent_run *run;
  struct mail_queue lost; /* of a time when runs were not kept */
};

static int load_head(struct loading *loading, uint64_t row, struct hgl_bytes value,
                     struct hgl_err *err)
{
  struct agent *agent = loading->agent;
  struct hgl_cbor_reader in = hgl_cbor_reader(value);
  struct hgl_bytes bytes, name, values;
  uint64_t kind, high, low;
  struct hgl_hash hash;
  struct mail *mail;
  struct agent_run *run;
  size_t count;
  int status;
  if ((status = hgl_cbor_get_list(&in, "run", 7, &count, err)) ||
      (status = hgl_cbor_get_bytes(&in, "run.mail", HGL_EVIDENCE_SIZE_MAX + 8192, &bytes, err)) ||
      (status = hgl_cbor_get_uint(&in, "run.kind", HGL_VM_ON_HTTP, &kind, err)) ||
      (status = hgl_cbor_get_bytes(&in, "run.name", 4096, &name, err)) ||
      (status = hgl_cbor_get_bytes(&in, "run.values", RUN_VALUES_SIZE_MAX, &values, err)) ||
      (status = hgl_cbor_get_uint(&in, "run.seed", UINT32_MAX, &high, err)) ||
      (status = hgl_cbor_get_uint(&in, "run.seed", UINT32_MAX, &low, err)) ||
      (status = hgl_cbor_get_fixed(&in, "run.script", hash.bytes, HGL_HASH_SIZE, err)) ||
      (status = mail_decode(bytes, &mail, err)))
    return status;
  mail->agent = agent;
  if ((status = run_create(agent, mail, &run, err))) {
    mail_destroy(mail);
    return status;
  }
  run->row = row;
  run->kind = (enum hgl_vm_declaration)kind;
  run->seed = high << 32 | low;
  hgl_buf_append_bytes(&run->name, name);
  hgl_buf_append_bytes(&run->values, values);
  loading->run = run;
  status = script_of_digest(agent->host, &hash, &run->script, err);
  if (status == -HGL_NOT_FOUND)
    run_park(run, "the script that it began with is not there any more");
  return status == -HGL_NOT_FOUND ? 0 : status;
}

static int load_part(struct agent_run *run, struct hgl_bytes key, struct hgl_bytes value,
                     struct hgl_err *err)
{
  struct hgl_cbor_reader in = hgl_cbor_reader(value);
  struct record record;
  size_t index = 0;
  int status;
  for (size_t i = 17; i < key.size; i++) index = index << 8 | key.data[i];
  switch (key.data[16]) {
  case PART_RECORD:
    if ((status = get_record(value, &record, &in, err))) return status;
    record_destroy(&record);
    if (!run->saved) {
      run->agent->waiting_runs++;
      run->agent->host->metering.runs++;
    }
    run->stretches = ++run->saved;
    return get_wait(run, &in, err);
  case PART_ANSWER:
    if (index >= run->ask_count) return hgl_fail(err, HGL_CORRUPT, "an answer without its ask");
    run->asks[index].saved = true;
    return get_answer(&in, &run->asks[index], err);
  case PART_PLACES:
    hgl_buf_append_bytes(&run->places, value);
    return hgl_buf_check(&run->places, err);
  default:
    return hgl_fail(err, HGL_CORRUPT, "a run has a row of an unknown kind");
  }
}

static int load_row(void *user, struct hgl_bytes key, struct hgl_bytes value, struct hgl_err *err)
{
  struct loading *loading = user;
  uint64_t row = key.size >= 16 ? hgl_get_be64(key.data + 8) : 0;
  struct mail *mail;
  struct hgl_err ignored;
  if (key.size == 16 && mail_decode(value, &mail, &ignored) == 0) {
    mail->row = row;
    mail_queue_push(&loading->lost, mail);
    return 0;
  }
  if (key.size == 16) return load_head(loading, row, value, err);
  if (key.size < 17 || !loading->run || loading->run->row != row)
    return hgl_fail(err, HGL_CORRUPT, "a row of a run without its head");
  return load_part(loading->run, key, value, err);
}

/* A schedule whose call goes on skips the next ones. */
static void find_schedule(struct agent_run *run)
{
  struct hgl_buf id;
  if (run->kind != HGL_VM_EVERY) return;
  hgl_buf_init(&id, HGL_STORE_KEY_SIZE_MAX);
  timer_id(&id, hgl_buf_bytes(&run->name), hgl_bytes(NULL, 0));
  struct timer *timer = hgl_map_get(&run->agent->timers, hgl_buf_bytes(&id));
  hgl_buf_deinit(&id);
  if (!timer || !timer->every_ms || timer->run) return;
  timer->run = run;
  run->schedule = timer;
}

static int begin_to_wait(struct agent_run *run, struct hgl_err *err)
{
  struct hgl_host *host = run->agent->host;
  int status = 0;
  if (run->places.size)
    status = hgl_vm_views_load(run->agent->vm, hgl_buf_bytes(&run->places), &run->views, err);
  if (status) return status;
  find_schedule(run);
  switch (run->waits) {
  case HGL_VM_WAIT_SLEEP: {
    int64_t left = run->until_ms - host->now_ms;
    return run_wait_until(run, host->mono_ms + (left > 0 ? left : 0), err);
  }
  case HGL_VM_WAIT_LOCK:
    return 0;
  case HGL_VM_WAIT_CALL:
    return call_resume(run, err);
  default:
    return run_await_asks(run, err);
  }
}

int runs_load(struct agent *agent, struct hgl_err *err)
{
  struct loading loading = {.agent = agent};
  uint8_t key[16];
  if (!agent->script) return 0;
  int status = hgl_store_scan(agent->host->config.store, HGL_DB_RUNS, row_key(agent->number, key),
                              hgl_bytes(NULL, 0), false, load_row, &loading, err);
  for (struct mail *mail; (mail = mail_queue_pop(&loading.lost));) {
    struct agent_run *run;
    mail->agent = agent;
    uint64_t row = mail->row;
    mail->row = 0;
    if (status || (status = run_create(agent, mail, &run, err))) {
      mail_destroy(mail);
      continue;
    }
    run->row = row;
    run_give_up(run, HGL_INTERRUPTED, hgl_code_meaning(HGL_INTERRUPTED));
  }
  for (struct agent_run *run = agent->runs; run && !status; run = run->next)
    if (run->row) status = begin_to_wait(run, err);
  if (!status) status = locks_load(agent, err);
  agent->moves = hgl_vm_moves(agent->vm);
  return status ? hgl_fail_in(err, "the suspended handlers of %s", agent->name) : 0;
}
