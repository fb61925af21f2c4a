/* The state of an agent as it is committed, in JSON: read from its rows, so that an agent that
 * sleeps or is stopped stays as it is. Bounded: what is left out is said in its place. */
#include <stdlib.h>

#include "agent/supervise.h"
#include "lua/state_name.h"
#include "protocol/value.h"

enum {
  MEMORY_MAX = 64 << 20,     /* of the part that is read */
  RESULT_SIZE_MAX = 2 << 20, /* of JSON; the entry that goes beyond is the last */
  ENTRY_SIZE = 16,           /* about: quotes, commas, a number */
};

struct looking {
  size_t depth_max, entries_max;
  size_t size, left_out;
};

static int describe(struct looking *looking, const struct hgl_state_value *value, size_t depth,
                    json_t **out, struct hgl_err *err);

/* Of a text, as JSON writes it. */
static size_t written_size(struct hgl_bytes text)
{
  size_t size = text.size;
  for (size_t i = 0; i < text.size; i++) {
    uint8_t c = text.data[i];
    size += c < 0x20 ? 5 : c == '"' || c == '\\';
  }
  return size;
}

/* ---- scalars: as the JSON projection has them ---- */

static int describe_scalar(const struct hgl_state_value *value, json_t **out, struct hgl_err *err)
{
  struct hgl_buf encoded;
  hgl_buf_init(&encoded, HGL_STATE_VALUE_SIZE_MAX + 16);
  switch (value->kind) {
  case HGL_STATE_BOOL:
    hgl_cbor_put_bool(&encoded, value->boolean);
    break;
  case HGL_STATE_INT:
    hgl_cbor_put_int(&encoded, value->integer);
    break;
  case HGL_STATE_DOUBLE:
    hgl_cbor_put_double(&encoded, value->number);
    break;
  case HGL_STATE_TEXT:
    hgl_cbor_put_text(&encoded, value->bytes);
    break;
  case HGL_STATE_BYTES:
    hgl_cbor_put_bytes(&encoded, value->bytes);
    break;
  default:
    hgl_cbor_put_null(&encoded);
  }
  int status = hgl_buf_check(&encoded, err);
  if (!status) status = hgl_value_to_json(hgl_buf_bytes(&encoded), out, err);
  hgl_buf_deinit(&encoded);
  return status;
}

/* ---- tables ---- */

/* A text that begins with '$' gets another one; an integer is "$3". */
static int put_key(json_t *object, const struct hgl_state_key *key, json_t *value,
                   struct hgl_err *err)
{
  struct hgl_buf name;
  hgl_buf_init(&name, HGL_STATE_KEY_SIZE_MAX + 32);
  if (key->is_int)
    hgl_buf_printf(&name, "$%lld", (long long)key->integer);
  else if (key->text.size && key->text.data[0] == '$')
    hgl_buf_append_byte(&name, '$');
  if (!key->is_int) hgl_buf_append_bytes(&name, key->text);
  int status = hgl_buf_check(&name, err);
  if (!status && json_object_setn_new_nocheck(object, name.data ? (const char *)name.data : "",
                                              name.size, json_incref(value)))
    status = hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  json_decref(value);
  hgl_buf_deinit(&name);
  return status;
}

static bool is_full(const struct looking *looking)
{
  return looking->size > RESULT_SIZE_MAX;
}

/* {"$more": 3} */
static json_t *more_of(struct looking *looking, size_t count)
{
  looking->left_out += count;
  return json_pack("{s:I}", "$more", (json_int_t)count);
}

static int append(json_t *list, json_t *item, struct hgl_err *err)
{
  return json_array_append_new(list, item) ? hgl_fail(err, HGL_NO_MEMORY, "out of memory") : 0;
}

/* A list: its keys are 1 … n, n not 0, or it is empty and marked as one. */
static int is_list(struct hgl_state_node *node, size_t *count, bool *list, struct hgl_err *err)
{
  struct hgl_state_key key, last;
  struct hgl_state_value value;
  bool more;
  int status = hgl_state_next(node, NULL, &key, &value, &more, err);
  *list = !status && !more && hgl_state_is_list(node);
  *count = 0;
  bool straight = true;
  while (!status && more) {
    straight = straight && key.is_int && key.integer == (int64_t)*count + 1;
    ++*count;
    last = key;
    status = hgl_state_next(node, &last, &key, &value, &more, err);
  }
  if (*count) *list = straight;
  return status;
}

static int add_entry(struct looking *looking, json_t *to, const struct hgl_state_key *key,
                     const struct hgl_state_value *value, size_t depth, struct hgl_err *err)
{
  json_t *item = NULL;
  if (!key->is_int) looking->size += written_size(key->text);
  int status = describe(looking, value, depth + 1, &item, err);
  if (status) return status;
  return json_is_array(to) ? append(to, item, err) : put_key(to, key, item, err);
}

static int add_more(struct looking *looking, json_t *to, size_t count, struct hgl_err *err)
{
  if (json_is_array(to)) return append(to, more_of(looking, count), err);
  looking->left_out += count;
  return json_object_set_new(to, "$more", json_integer((json_int_t)count))
             ? hgl_fail(err, HGL_NO_MEMORY, "out of memory")
             : 0;
}

static int describe_table(struct looking *looking, struct hgl_state_node *node, size_t depth,
                          json_t **out, struct hgl_err *err)
{
  struct hgl_state_key key, last;
  struct hgl_state_value value;
  size_t count, shown = 0;
  bool list, more;
  int status = is_list(node, &count, &list, err);
  if (status) return status;
  if (depth >= looking->depth_max && count) {
    *out = more_of(looking, count);
    return *out ? 0 : hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  }
  json_t *table = list ? json_array() : json_object();
  if (!table) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  status = hgl_state_next(node, NULL, &key, &value, &more, err);
  while (!status && more && shown < looking->entries_max && !is_full(looking)) {
    if ((status = add_entry(looking, table, &key, &value, depth, err))) break;
    shown++;
    last = key;
    status = hgl_state_next(node, &last, &key, &value, &more, err);
  }
  if (!status && shown < count) status = add_more(looking, table, count - shown, err);
  if (status)
    json_decref(table);
  else
    *out = table;
  return status;
}

static int describe(struct looking *looking, const struct hgl_state_value *value, size_t depth,
                    json_t **out, struct hgl_err *err)
{
  looking->size += ENTRY_SIZE;
  if (value->kind == HGL_STATE_TABLE) return describe_table(looking, value->node, depth, out, err);
  if (value->kind == HGL_STATE_TEXT) looking->size += written_size(value->bytes);
  if (value->kind == HGL_STATE_BYTES) looking->size += value->bytes.size / 3 * 4;
  return describe_scalar(value, out, err);
}

/* ---- the place ---- */

/* A place that is written badly is that, whatever is there. */
static int check_place(struct hgl_bytes place, struct hgl_err *err)
{
  struct hgl_state_name name = {.text = place};
  struct hgl_state_key key;
  bool more = true;
  int status = 0;
  while (!status && more) status = hgl_state_name_next(&name, &key, &more, err);
  return status;
}

static int find(struct hgl_state *state, struct hgl_bytes place, struct hgl_state_value *out,
                struct hgl_err *err)
{
  struct hgl_state_name name = {.text = place};
  struct hgl_state_value value = {.kind = HGL_STATE_TABLE, .node = hgl_state_root(state)};
  struct hgl_state_key key;
  for (;;) {
    size_t before = name.at;
    bool more;
    int status = hgl_state_name_next(&name, &key, &more, err);
    if (status) return status;
    if (!more) break;
    if (value.kind != HGL_STATE_TABLE)
      return hgl_fail(err, HGL_NOT_FOUND, "state.%.*s is no table", (int)before, place.data);
    if ((status = hgl_state_get(value.node, &key, &value, err))) return status;
    if (value.kind == HGL_STATE_NIL)
      return hgl_fail(err, HGL_NOT_FOUND, "there is nothing at %.*s in the state", (int)name.at,
                      place.data);
  }
  *out = value;
  return 0;
}

/* The rows of one that is stopped are found by its number. */
static int reader_of(const struct child *child, struct agent *out, struct hgl_err *err)
{
  *out = (struct agent){.host = child->host, .child = (struct child *)child, .name = child->name};
  if (child->agent) {
    out->number = child->agent->number;
    return 0;
  }
  return agent_stored_number(out, &out->number, err);
}

static int look_at(const struct child *child, struct hgl_bytes place, struct looking *looking,
                   json_t **out, struct hgl_err *err)
{
  struct agent reader;
  struct hgl_memory memory = {.max = MEMORY_MAX};
  struct hgl_state_rows rows = agent_state_rows;
  struct hgl_state_value value;
  struct hgl_state *state;
  int status = reader_of(child, &reader, err);
  rows.user = &reader;
  if (!status) status = hgl_state_create(&rows, (size_t)child->limits->state_bytes, &state, err);
  if (status) return status;
  hgl_state_share_memory(state, &memory);
  if (!(status = find(state, place, &value, err))) status = describe(looking, &value, 0, out, err);
  if (status == -HGL_NO_MEMORY && memory.used > MEMORY_MAX / 2)
    hgl_fail(err, HGL_NO_MEMORY, "this part of the state takes more than %d bytes: name a smaller",
             MEMORY_MAX);
  hgl_state_destroy(state);
  return status;
}

int hgl_host_state(struct hgl_host *host, const char *name, struct hgl_bytes place, size_t depth,
                   size_t entries, json_t **out, struct hgl_err *err)
{
  const struct child *child = child_by_name(host, hgl_text(name));
  struct looking looking = {.depth_max = depth, .entries_max = entries};
  json_t *value = NULL;
  if (!child) return hgl_fail(err, HGL_NOT_FOUND, "there is no agent named %.80s here", name);
  int status = check_place(place, err);
  if (!status) status = look_at(child, place, &looking, &value, err);
  if (status) return status;
  *out = json_pack("{s:o, s:I}", "value", value, "left_out", (json_int_t)looking.left_out);
  return *out ? 0 : hgl_fail(err, HGL_NO_MEMORY, "out of memory");
}
