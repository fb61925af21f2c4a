#include "host/test_trace.h"

#include <inttypes.h>
#include <string.h>

#include "host/test_state.h"

void hgl_trace_begin(struct hgl_traced *traced, struct hgl_trace *trace,
                     const struct hgl_clock *clock)
{
  *traced = (struct hgl_traced){.trace = trace, .clock = clock};
  if (trace) traced->number = ++trace->worlds;
}

void hgl_trace_event(const struct hgl_traced *traced, const char *kind, const json_t *object)
{
  if (!traced->trace) return;
  FILE *file = traced->trace->file;
  fprintf(file, "%06d %" PRId64 " %s ", traced->number, hgl_wall_ms(traced->clock), kind);
  json_dumpf(object, file, JSON_COMPACT | JSON_SORT_KEYS);
  fputc('\n', file);
}

/* ---- state ---- */

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
  struct hgl_stored_state *stored;
  int status = hgl_stored_state_open(ending->store, value, &stored, err);
  if (status) return status;
  fprintf(ending->traced->trace->file, "%06d state %.*s ", ending->traced->number, HGL_STR(key));
  status = write_table(ending->traced->trace->file, hgl_stored_state_root(stored), err);
  fputc('\n', ending->traced->trace->file);
  hgl_stored_state_close(stored);
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

void hgl_trace_end(const struct hgl_traced *traced, struct hgl_store *store)
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
