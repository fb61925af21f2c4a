#include "host/test_trace.h"

#include <inttypes.h>
#include <string.h>

#include "lua/state.h"
#include "protocol/cbor.h"

static void write_event(void *user, const char *kind, json_t *object)
{
  const struct hgl_traced *traced = user;
  FILE *file = traced->trace->file;
  fprintf(file, "%06d %" PRId64 " %s ", traced->number, hgl_wall_ms(traced->clock), kind);
  json_dumpf(object, file, JSON_COMPACT | JSON_SORT_KEYS);
  fputc('\n', file);
}

void hgl_trace_begin(struct hgl_traced *traced, struct hgl_trace *trace,
                     const struct hgl_clock *clock)
{
  *traced = (struct hgl_traced){.trace = trace, .clock = clock};
  if (trace) traced->number = ++trace->worlds;
  traced->watcher = (struct hgl_watcher){.event = write_event, .user = traced, .messages = true};
}

void hgl_trace_host(struct hgl_traced *traced, struct hgl_host *host)
{
  if (traced->trace) hgl_host_watch(host, &traced->watcher);
}

/* ---- state ---- */

struct agent_rows {
  struct hgl_store *store;
  uint8_t number[8];
};

static struct hgl_bytes full_key(const struct agent_rows *rows, struct hgl_bytes key,
                                 uint8_t out[HGL_STORE_KEY_SIZE_MAX])
{
  size_t size = key.size < HGL_STORE_KEY_SIZE_MAX - 8 ? key.size : HGL_STORE_KEY_SIZE_MAX - 8;
  memcpy(out, rows->number, 8);
  if (size) memcpy(out + 8, key.data, size);
  return hgl_bytes(out, 8 + size);
}

static int get_row(void *user, struct hgl_bytes key, struct hgl_buf *out, struct hgl_err *err)
{
  const struct agent_rows *rows = user;
  uint8_t full[HGL_STORE_KEY_SIZE_MAX];
  return hgl_store_get(rows->store, HGL_DB_STATE, full_key(rows, key, full), out, err);
}

struct scan {
  int (*visit)(void *user, struct hgl_bytes key, struct hgl_bytes value, struct hgl_err *err);
  void *user;
};

static int visit_row(void *user, struct hgl_bytes key, struct hgl_bytes value, struct hgl_err *err)
{
  const struct scan *scan = user;
  return scan->visit(scan->user, hgl_bytes(key.data + 8, key.size - 8), value, err);
}

static int scan_rows(void *user, struct hgl_bytes prefix,
                     int (*visit)(void *user, struct hgl_bytes key, struct hgl_bytes value,
                                  struct hgl_err *err),
                     void *visit_user, struct hgl_err *err)
{
  const struct agent_rows *rows = user;
  struct scan scan = {visit, visit_user};
  uint8_t full[HGL_STORE_KEY_SIZE_MAX];
  return hgl_store_scan(rows->store, HGL_DB_STATE, full_key(rows, prefix, full), hgl_bytes(NULL, 0),
                        false, visit_row, &scan, err);
}

static void write_bytes(FILE *file, struct hgl_bytes bytes)
{
  for (size_t i = 0; i < bytes.size; i++) {
    uint8_t c = bytes.data[i];
    fprintf(file, c >= 0x20 && c < 0x7f && c != '\\' ? "%c" : "\\%02x", c);
  }
}

static int write_table(FILE *file, struct hgl_state_node *node, struct hgl_err *err);

static int write_value(FILE *file, const struct hgl_state_value *value, struct hgl_err *err)
{
  switch (value->kind) {
  case HGL_STATE_BOOL:
    fputs(value->boolean ? "true" : "false", file);
    return 0;
  case HGL_STATE_INT:
    fprintf(file, "%" PRId64, value->integer);
    return 0;
  case HGL_STATE_DOUBLE:
    fprintf(file, "%.17g", value->number);
    return 0;
  case HGL_STATE_TEXT:
  case HGL_STATE_BYTES:
    fputc(value->kind == HGL_STATE_TEXT ? '"' : '<', file);
    write_bytes(file, value->bytes);
    fputc('"', file);
    return 0;
  case HGL_STATE_TABLE:
    return write_table(file, value->node, err);
  default:
    fputs("null", file);
    return 0;
  }
}

static int write_table(FILE *file, struct hgl_state_node *node, struct hgl_err *err)
{
  struct hgl_state_key key;
  struct hgl_state_value value;
  bool more = false;
  fputs(hgl_state_is_list(node) ? "[" : "{", file);
  int status = hgl_state_next(node, NULL, &key, &value, &more, err);
  while (!status && more) {
    if (key.is_int)
      fprintf(file, "%" PRId64 "=", key.integer);
    else
      write_bytes(file, key.text), fputc('=', file);
    status = write_value(file, &value, err);
    fputc(' ', file);
    if (!status) status = hgl_state_next(node, &key, &key, &value, &more, err);
  }
  fputs("}", file);
  return status;
}

struct ending {
  const struct hgl_traced *traced;
  struct hgl_store *store;
};

static int write_agent(void *user, struct hgl_bytes key, struct hgl_bytes value,
                       struct hgl_err *err)
{
  const struct ending *ending = user;
  struct agent_rows rows = {.store = ending->store};
  struct hgl_state_rows handle = {.get = get_row, .scan = scan_rows, .user = &rows};
  struct hgl_cbor_reader in = hgl_cbor_reader(value);
  struct hgl_state *state;
  uint64_t number;
  size_t count;
  int status;
  if ((status = hgl_cbor_get_list(&in, "agent", 4, &count, err)) ||
      (status = hgl_cbor_get_uint(&in, "agent.number", INT64_MAX, &number, err)))
    return status;
  hgl_put_be64(rows.number, number);
  if ((status = hgl_state_create(&handle, SIZE_MAX, &state, err))) return status;
  fprintf(ending->traced->trace->file, "%06d state %.*s ", ending->traced->number, HGL_STR(key));
  status = write_table(ending->traced->trace->file, hgl_state_root(state), err);
  fputc('\n', ending->traced->trace->file);
  hgl_state_destroy(state);
  return status;
}

static int write_timer(void *user, struct hgl_bytes key, struct hgl_bytes value,
                       struct hgl_err *err)
{
  const struct ending *ending = user;
  FILE *file = ending->traced->trace->file;
  fprintf(file, "%06d timer ", ending->traced->number);
  write_bytes(file, key);
  fputc(' ', file);
  write_bytes(file, value);
  fputc('\n', file);
  return 0;
}

void hgl_trace_end(struct hgl_traced *traced, struct hgl_store *store)
{
  struct ending ending = {traced, store};
  const struct hgl_bytes none = {0};
  struct hgl_err err;
  if (!traced->trace) return;
  if (hgl_store_scan(store, HGL_DB_AGENTS, none, none, false, write_agent, &ending, &err) ||
      hgl_store_scan(store, HGL_DB_TIMERS, none, none, false, write_timer, &ending, &err))
    fprintf(traced->trace->file, "%06d the store cannot be read: %s\n", traced->number,
            err.message);
}
