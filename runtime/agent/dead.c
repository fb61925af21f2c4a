/* Dead letters: messages and timers whose handlers failed for good, kept until the operator
 * decides. */
#include "agent/page.h"
#include "agent/trace.h"

static void put_mended(struct hgl_buf *out, struct hgl_bytes text)
{
  struct hgl_buf mended;
  hgl_buf_init(&mended, text.size);
  hgl_utf8_mend(text, &mended);
  if (mended.failed) out->failed = mended.failed;
  hgl_cbor_put_text(out, hgl_buf_bytes(&mended));
  hgl_buf_deinit(&mended);
}

void put_words(struct hgl_buf *out, const char *text)
{
  put_mended(out, hgl_text(text));
}

enum { TRACEBACK_SIZE_MAX = 4096 };

/* ---- how many ---- */

static int count_row(void *user, struct hgl_bytes key, struct hgl_bytes value, struct hgl_err *err)
{
  struct hgl_host *host = user;
  host->dead_count++;
  host->dead_bytes += value.size;
  return 0;
}

int dead_load(struct hgl_host *host, struct hgl_err *err)
{
  return hgl_store_scan(host->config.store, HGL_DB_DEAD, hgl_bytes(NULL, 0), hgl_bytes(NULL, 0),
                        false, count_row, host, err);
}

static int erase(struct hgl_host *host, struct hgl_bytes key, size_t size, struct hgl_err *err)
{
  host->dead_count--;
  host->dead_bytes -= size;
  return hgl_writeset_delete(host_writes(host), HGL_DB_DEAD, key, err);
}

static int drop_row(void *user, struct hgl_bytes key, struct hgl_bytes value, struct hgl_err *err)
{
  struct hgl_host *host = user;
  if (host->dead_count <= HGL_DEAD_MAX && host->dead_bytes <= HGL_DEAD_BYTES_MAX) return 1;
  return erase(host, key, value.size, err);
}

static int trim(struct hgl_host *host, struct hgl_err *err)
{
  if (host->dead_count <= HGL_DEAD_MAX && host->dead_bytes <= HGL_DEAD_BYTES_MAX) return 0;
  if (!host->dead_dropped)
    host_log(host, HGL_LOG_ERROR, "there are too many dead letters: the oldest are dropped");
  host->dead_dropped = true;
  int status = hgl_store_scan(host->config.store, HGL_DB_DEAD, hgl_bytes(NULL, 0),
                              hgl_bytes(NULL, 0), false, drop_row, host, err);
  return status < 0 ? status : 0;
}

/* ---- one ---- */

/* What the handler's last failure left; the words of the dead letter that follows. */
static void put_traceback(struct agent *agent, enum hgl_code code, struct hgl_buf *row)
{
  const char *text = code == HGL_HANDLER_FAILED ? agent->last_traceback : NULL;
  put_mended(row, hgl_bytes(text, text ? strnlen(text, TRACEBACK_SIZE_MAX) : 0));
}

static json_t *describe_event(const struct agent *agent, uint64_t row, enum hgl_code code,
                              const char *why)
{
  struct hgl_buf words;
  hgl_buf_init(&words, strlen(why));
  hgl_utf8_mend(hgl_text(why), &words);
  json_t *event = json_pack("{s:I, s:s, s:s, s:s%}", "row", (json_int_t)row, "agent", agent->name,
                            "code", hgl_code_name(code), "why",
                            words.size ? (const char *)words.data : "", words.size);
  hgl_buf_deinit(&words);
  return event;
}

/* [agent, code, why, time ms, mail, traceback, raise]; those of older programs end earlier. */
void dead_letter(struct agent *agent, struct mail *mail, enum hgl_code code, const char *why)
{
  struct hgl_host *host = agent->host;
  struct hgl_buf encoded, row;
  struct hgl_err err;
  uint8_t key[8];
  hgl_buf_init(&encoded, HGL_EVIDENCE_SIZE_MAX + 8192);
  hgl_buf_init(&row, HGL_EVIDENCE_SIZE_MAX + 16384);
  uint64_t number = host_row(host);
  trace_dead(agent, mail, code, why, number);
  int status = mail_encode(host, mail, &encoded, &err);
  hgl_cbor_put_list(&row, 7);
  hgl_cbor_put_literal(&row, agent->name);
  hgl_cbor_put_literal(&row, hgl_code_name(code));
  put_words(&row, why);
  hgl_cbor_put_int(&row, hgl_wall_ms(host->config.clock));
  hgl_cbor_put_bytes(&row, hgl_buf_bytes(&encoded));
  put_traceback(agent, code, &row);
  put_words(&row, code == HGL_HANDLER_FAILED && agent->last_raise ? agent->last_raise : "");
  if (!status) status = hgl_buf_check(&row, &err);
  if (!status)
    status = hgl_writeset_put_new(host_writes(host), HGL_DB_DEAD, row_key(number, key),
                                  hgl_buf_bytes(&row), &err);
  host->dead_count++;
  host->dead_bytes += row.size;
  if (!status) status = trim(host, &err);
  if (status) host_fatal(host, &err);
  host->counts.dead++;
  host_log(host, HGL_LOG_ERROR, "%s: dead letter %llu (%s): %s", agent->name,
           (unsigned long long)number, hgl_code_name(code), why);
  watch_event(host, "dead", describe_event(agent, number, code, why));
  hgl_buf_deinit(&encoded);
  hgl_buf_deinit(&row);
}

struct dead {
  struct hgl_bytes agent, code, why, mail, traceback, raise;
  int64_t time_ms;
};

static int decode(struct hgl_bytes row, struct dead *out, struct hgl_err *err)
{
  struct hgl_cbor_reader in = hgl_cbor_reader(row);
  size_t count;
  int status;
  if ((status = hgl_cbor_get_list(&in, "dead letter", 7, &count, err)) ||
      (status = hgl_cbor_get_text(&in, "agent", HGL_NAME_SIZE_MAX, &out->agent, err)) ||
      (status = hgl_cbor_get_text(&in, "code", 64, &out->code, err)) ||
      (status = hgl_cbor_get_text(&in, "why", 8192, &out->why, err)) ||
      (status = hgl_cbor_get_int(&in, "time", &out->time_ms, err)) ||
      (status = hgl_cbor_get_bytes(&in, "mail", HGL_EVIDENCE_SIZE_MAX + 8192, &out->mail, err)))
    return status;
  out->traceback = out->raise = hgl_bytes(NULL, 0);
  if (count > 5 &&
      (status = hgl_cbor_get_text(&in, "traceback", TRACEBACK_SIZE_MAX, &out->traceback, err)))
    return status;
  return count > 6 ? hgl_cbor_get_text(&in, "raise", 4 * RAISE_SIZE, &out->raise, err) : 0;
}

/* ---- looking ---- */

/* The letter's message is in `mail`. */
static int describe(uint64_t number, const struct dead *dead, const struct mail *mail, bool whole,
                    json_t **out, struct hgl_err *err)
{
  static const char *const kinds[] = {"message", "undelivered", "timer",   "on_start", "on_upgrade",
                                      "on_stop", "continue",    "console", "http"};
  json_t *message = NULL;
  int status = mail->message ? hgl_envelope_to_json(&mail->message->envelope, &message, err) : 0;
  if (status) return status;
  if (!whole) json_object_del(message, "body");
  bool timer = mail->kind == MAIL_TIMER || mail->kind == MAIL_CONTINUE;
  bool named = timer && mail->why && *mail->why;
  json_t *object = json_pack("{s:I, s:s%, s:s%, s:s%, s:I, s:s, s:s*, s:i, s:o?}", "row",
                             (json_int_t)number, "agent", dead->agent.data, dead->agent.size,
                             "code", dead->code.data, dead->code.size, "why", dead->why.data,
                             dead->why.size, "time_ms", (json_int_t)dead->time_ms, "kind",
                             kinds[mail->kind], "timer", named ? mail->why : NULL, "attempts",
                             mail->attempt, "message", message);
  if (object && whole && dead->traceback.size)
    json_object_set_new(object, "traceback",
                        json_stringn((const char *)dead->traceback.data, dead->traceback.size));
  if (object && whole && dead->raise.size)
    json_object_set_new(object, "raise",
                        json_stringn((const char *)dead->raise.data, dead->raise.size));
  *out = object;
  return *out ? 0 : hgl_fail(err, HGL_NO_MEMORY, "out of memory");
}

static int describe_row(uint64_t number, struct hgl_bytes row, bool whole, json_t **out,
                        struct hgl_err *err)
{
  struct dead dead;
  struct mail *mail;
  int status = decode(row, &dead, err);
  if (!status) status = mail_decode(dead.mail, &mail, err);
  if (status) return status;
  status = describe(number, &dead, mail, whole, out, err);
  mail_destroy(mail);
  return status;
}

static int is_wanted(const struct paging *paging, struct hgl_bytes row, bool *out,
                     struct hgl_err *err)
{
  struct dead dead;
  int status = decode(row, &dead, err);
  if (!status) *out = page_wants(paging, dead.agent);
  return status;
}

struct dead_paging {
  struct paging paging;
  bool whole; /* with the bodies */
};

static int list_row(void *user, struct hgl_bytes key, struct hgl_bytes value, struct hgl_err *err)
{
  struct dead_paging *dead = user;
  json_t *object = NULL;
  bool wanted;
  int status = is_wanted(&dead->paging, value, &wanted, err);
  if (status || !wanted) return status;
  if (page_full(&dead->paging)) return 1;
  status = describe_row(hgl_get_be64(key.data), value, dead->whole, &object, err);
  return status ? status : page_add(&dead->paging, object, key, err);
}

static int list_dead(struct hgl_host *host, const struct hgl_page *page, bool whole, json_t **out,
                     struct hgl_err *err)
{
  struct dead_paging dead = {.whole = whole};
  int status = page_begin(&dead.paging, page, err);
  if (!status)
    status = page_scan(&dead.paging, host->config.store, HGL_DB_DEAD, list_row, &dead, err);
  return page_end(&dead.paging, status, out, err);
}

int page_of_dead(struct hgl_host *host, const struct hgl_page *page, json_t **out,
                 struct hgl_err *err)
{
  return list_dead(host, page, false, out, err);
}

int hgl_host_list_dead(struct hgl_host *host, json_t **out, struct hgl_err *err)
{
  return list_dead(host, NULL, true, out, err);
}

int hgl_host_show_dead(struct hgl_host *host, uint64_t row, json_t **out, struct hgl_err *err)
{
  struct hgl_buf value;
  uint8_t key[8];
  hgl_buf_init(&value, HGL_STORE_VALUE_SIZE_MAX);
  int status = hgl_store_get(host->config.store, HGL_DB_DEAD, row_key(row, key), &value, err);
  if (status == -HGL_NOT_FOUND)
    status = hgl_fail(err, HGL_NOT_FOUND, "there is no dead letter %llu", (unsigned long long)row);
  if (!status) status = describe_row(row, hgl_buf_bytes(&value), true, out, err);
  hgl_buf_deinit(&value);
  return status;
}

/* ---- deciding ---- */

int hgl_host_dead_drop(struct hgl_host *host, uint64_t row, struct hgl_err *err)
{
  struct hgl_buf value;
  uint8_t key[8];
  hgl_buf_init(&value, HGL_STORE_VALUE_SIZE_MAX);
  int status = hgl_store_get(host->config.store, HGL_DB_DEAD, row_key(row, key), &value, err);
  size_t size = value.size;
  hgl_buf_deinit(&value);
  if (status == -HGL_NOT_FOUND)
    return hgl_fail(err, HGL_NOT_FOUND, "there is no dead letter %llu", (unsigned long long)row);
  if (!status) status = erase(host, row_key(row, key), size, err);
  host_request_tick(host);
  return status;
}

/* Into the mailbox again, as if it had just come. */
int hgl_host_dead_resend(struct hgl_host *host, uint64_t row, struct hgl_err *err)
{
  struct hgl_buf value;
  struct dead dead;
  struct mail *mail = NULL;
  uint8_t key[8];
  hgl_buf_init(&value, HGL_STORE_VALUE_SIZE_MAX);
  int status = hgl_store_get(host->config.store, HGL_DB_DEAD, row_key(row, key), &value, err);
  if (status == -HGL_NOT_FOUND)
    status = hgl_fail(err, HGL_NOT_FOUND, "there is no dead letter %llu", (unsigned long long)row);
  if (!status) status = decode(hgl_buf_bytes(&value), &dead, err);
  if (!status) status = mail_decode(dead.mail, &mail, err);
  if (!status && mail->kind != MAIL_MESSAGE)
    status = hgl_fail(err, HGL_INVALID, "only messages can be sent again, this is a call of %s",
                      mail->kind == MAIL_TIMER         ? "a timer"
                      : mail->kind == MAIL_UNDELIVERED ? "on_undelivered"
                      : mail->kind == MAIL_HTTP        ? "an HTTP handler"
                                                       : "a life-cycle handler");
  struct agent *agent = status ? NULL : agent_by_name(host, dead.agent);
  if (!status && !agent)
    status = hgl_fail(err, HGL_NOT_HERE, "its agent does not run on this host now");
  if (!status) status = mailbox_deliver(agent, mail->message, err);
  if (!status) status = erase(host, row_key(row, key), value.size, err);
  mail_destroy(mail);
  hgl_buf_deinit(&value);
  return status;
}

struct all {
  struct hgl_host *host;
  int (*one)(struct hgl_host *host, uint64_t row, struct hgl_err *err);
  uint64_t *rows;
  size_t count;
};

static int collect_row(void *user, struct hgl_bytes key, struct hgl_bytes value,
                       struct hgl_err *err)
{
  struct all *all = user;
  if (all->count == all->host->dead_count) return 1;
  all->rows[all->count++] = hgl_get_be64(key.data);
  return 0;
}

static int on_all(struct all *all, size_t *done, size_t *left, struct hgl_err *err)
{
  struct hgl_host *host = all->host;
  struct hgl_err why;
  if (!host->dead_count) {
    *done = *left = 0;
    return 0;
  }
  all->rows = hgl_array(host->dead_count, sizeof *all->rows);
  if (!all->rows) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  int status = hgl_store_scan(host->config.store, HGL_DB_DEAD, hgl_bytes(NULL, 0),
                              hgl_bytes(NULL, 0), false, collect_row, all, err);
  size_t good = 0;
  for (size_t i = 0; status >= 0 && i < all->count; i++)
    good += all->one(host, all->rows[i], &why) == 0;
  hgl_free(all->rows);
  if (status < 0) return status;
  *done = good;
  *left = all->count - good;
  return 0;
}

int hgl_host_dead_resend_all(struct hgl_host *host, size_t *done, size_t *left, struct hgl_err *err)
{
  struct all all = {.host = host, .one = hgl_host_dead_resend};
  return on_all(&all, done, left, err);
}

int hgl_host_dead_drop_all(struct hgl_host *host, size_t *done, struct hgl_err *err)
{
  struct all all = {.host = host, .one = hgl_host_dead_drop};
  size_t left;
  return on_all(&all, done, &left, err);
}
