#include "agent/internal.h"

enum { INTERVAL_LEAST_MS = 1000 };

static const char marks_key[] = "journal-marks";

static int64_t clock_ms(const struct hgl_host *host)
{
  return host->age.clock_ms + (host->mono_ms - host->age.mono_ms);
}

static void add(struct journal_age *age, uint64_t row, int64_t at_ms)
{
  if (age->count == JOURNAL_MARKS_MAX)
    memmove(age->marks, age->marks + 1, --age->count * sizeof *age->marks);
  age->marks[age->count++] = (struct journal_mark){row, at_ms};
}

/* [Unix time ms, clock ms, (row, clock ms)…] */
static int save(struct hgl_host *host, struct hgl_err *err)
{
  const struct journal_age *age = &host->age;
  struct hgl_buf row;
  hgl_buf_init(&row, 64 + (size_t)JOURNAL_MARKS_MAX * 20);
  hgl_cbor_put_list(&row, 2 + 2 * age->count);
  hgl_cbor_put_int(&row, host->now_ms);
  hgl_cbor_put_int(&row, clock_ms(host));
  for (size_t i = 0; i < age->count; i++) {
    hgl_cbor_put_uint(&row, age->marks[i].row);
    hgl_cbor_put_int(&row, age->marks[i].clock_ms);
  }
  int status = hgl_buf_check(&row, err);
  if (!status)
    status = hgl_writeset_put(host_writes(host), HGL_DB_META, hgl_text(marks_key),
                              hgl_buf_bytes(&row), err);
  hgl_buf_deinit(&row);
  return status;
}

static int decode(struct hgl_host *host, struct hgl_bytes row, struct hgl_err *err)
{
  struct hgl_cbor_reader in = hgl_cbor_reader(row);
  struct journal_age *age = &host->age;
  int64_t stored_ms, at_ms;
  uint64_t first;
  size_t count;
  int status;
  if ((status = hgl_cbor_get_list(&in, marks_key, 2 + 2 * JOURNAL_MARKS_MAX, &count, err)) ||
      (status = hgl_cbor_get_int(&in, marks_key, &stored_ms, err)) ||
      (status = hgl_cbor_get_int(&in, marks_key, &age->clock_ms, err)))
    return status;
  for (; count >= 4; count -= 2) {
    if ((status = hgl_cbor_get_uint(&in, marks_key, INT64_MAX, &first, err)) ||
        (status = hgl_cbor_get_int(&in, marks_key, &at_ms, err)))
      return status;
    add(age, first, at_ms);
  }
  if (host->now_ms > stored_ms) age->clock_ms += host->now_ms - stored_ms;
  return 0;
}

int journal_age_load(struct hgl_host *host, struct hgl_err *err)
{
  struct hgl_buf row;
  host->age = (struct journal_age){.mono_ms = host->mono_ms};
  if (!host->config.journal_age_ms) return 0;
  hgl_buf_init(&row, 64 + (size_t)JOURNAL_MARKS_MAX * 20);
  int status = hgl_store_get(host->config.store, HGL_DB_META, hgl_text(marks_key), &row, err);
  if (!status) status = decode(host, hgl_buf_bytes(&row), err);
  hgl_buf_deinit(&row);
  return status == -HGL_NOT_FOUND ? 0 : status;
}

bool journal_age_due(const struct hgl_host *host)
{
  const struct journal_age *age = &host->age;
  const struct journal_mark *last = age->count ? &age->marks[age->count - 1] : NULL;
  int64_t interval_ms = host->config.journal_age_ms / JOURNAL_MARKS_WANTED;
  if (!host->config.journal_age_ms) return false;
  if (interval_ms < INTERVAL_LEAST_MS) interval_ms = INTERVAL_LEAST_MS;
  return !last || (last->row < host->next_row && clock_ms(host) - last->clock_ms >= interval_ms);
}

int journal_age_mark(struct hgl_host *host, struct hgl_err *err)
{
  struct journal_age *age = &host->age;
  if (!journal_age_due(host)) return 0;
  /* The oldest that is passed has been dealt with once the next one is. */
  while (age->count > 1 && age->marks[1].row <= host->journal_first_row)
    memmove(age->marks, age->marks + 1, --age->count * sizeof *age->marks);
  add(age, host->next_row, clock_ms(host));
  return save(host, err);
}

uint64_t journal_age_cut(const struct hgl_host *host)
{
  const struct journal_age *age = &host->age;
  uint64_t cut = 0;
  if (!host->config.journal_age_ms) return 0;
  int64_t limit_ms = clock_ms(host) - host->config.journal_age_ms;
  for (size_t i = 0; i < age->count && age->marks[i].clock_ms <= limit_ms; i++)
    cut = age->marks[i].row;
  return cut;
}
