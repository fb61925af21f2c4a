#include "protocol/definition.h"

#include "base/mem.h"
#include "protocol/scalar.h"

static const char *const default_roles[2] = {"initiator", "responder"};

/* Texts ---------------------------------------------------------------------------------------- */

static int read_text(struct hgl_bytes value, const struct hgl_place *place, struct hgl_bytes *out,
                     struct hgl_err *err)
{
  struct hgl_cbor_reader in = hgl_cbor_reader(value);
  struct hgl_cbor_item item;
  char shown[HGL_SHOW_SIZE];
  int status = hgl_cbor_next(&in, &item, err);
  if (status) return status;
  if (item.kind != HGL_CBOR_TEXT || !item.bytes.size || item.bytes.size > HGL_NAME_SIZE_MAX)
    return hgl_place_fail(place, err, HGL_MALFORMED, "text of 1 to %d bytes is expected, got %s",
                          HGL_NAME_SIZE_MAX, hgl_value_show(value, shown));
  *out = item.bytes;
  return 0;
}

/* That name, version and performative make a message type. */
static int check_type(const struct hgl_definition *definition, struct hgl_bytes performative,
                      const struct hgl_place *place, struct hgl_err *err)
{
  struct hgl_buf type;
  struct hgl_bytes parts[3];
  struct hgl_err why;
  hgl_buf_init(&type, 4 * HGL_NAME_SIZE_MAX);
  hgl_buf_append_bytes(&type, definition->name);
  hgl_buf_append_byte(&type, '/');
  hgl_buf_append_bytes(&type, definition->version);
  hgl_buf_append_byte(&type, '/');
  hgl_buf_append_bytes(&type, performative);
  int status = hgl_buf_check(&type, err);
  if (!status && hgl_type_parse(hgl_buf_bytes(&type), &parts[0], &parts[1], &parts[2], &why))
    status = hgl_place_fail(place, err, HGL_MALFORMED, "%s", why.message);
  hgl_buf_deinit(&type);
  return status;
}

static int read_roles(struct hgl_bytes value, const struct hgl_place *place,
                      struct hgl_definition *out, struct hgl_err *err)
{
  struct hgl_cbor_reader in;
  size_t count = 0;
  if (hgl_value_is_null(value)) return 0;
  int status = hgl_definition_open(value, HGL_CBOR_LIST, 2, place, &in, &count, err);
  if (status) return status;
  if (count != 2)
    return hgl_place_fail(place, err, HGL_MALFORMED,
                          "two roles are expected, the one that opens first");
  for (size_t i = 0; i < 2; i++) {
    struct hgl_bytes role;
    if ((status = hgl_cbor_get_value(&in, "role", &role, err)) ||
        (status = read_text(role, place, &out->roles[i], err)))
      return status;
  }
  if (hgl_bytes_equal(out->roles[0], out->roles[1]))
    return hgl_place_fail(place, err, HGL_MALFORMED, "the two roles have one name");
  return 0;
}

/* Messages ------------------------------------------------------------------------------------- */

static struct hgl_message_rule *find_message(const struct hgl_definition *definition,
                                             struct hgl_bytes name)
{
  for (size_t i = 0; i < definition->message_count; i++)
    if (hgl_bytes_equal(definition->messages[i].name, name))
      return (struct hgl_message_rule *)&definition->messages[i];
  return NULL;
}

static int read_field(struct hgl_cbor_reader *in, const struct hgl_place *place,
                      struct hgl_rule_field *out, struct hgl_err *err)
{
  struct hgl_pair pair;
  int status = hgl_pair_next(in, &pair, err);
  if (status) return status;
  if (!pair.key.size || pair.key.size > HGL_NAME_SIZE_MAX)
    return hgl_place_fail(place, err, HGL_MALFORMED, "a field's name has 1 to %d bytes",
                          HGL_NAME_SIZE_MAX);
  struct hgl_place at = {place, pair.key, 0};
  out->name = pair.key;
  return hgl_rule_read(pair.value, &at, &out->rule, err);
}

static int read_body(struct hgl_bytes value, const struct hgl_place *place,
                     struct hgl_message_rule *out, struct hgl_err *err)
{
  struct hgl_cbor_reader in;
  size_t count = 0;
  if (hgl_value_is_null(value)) return 0;
  int status = hgl_definition_open(value, HGL_CBOR_MAP, HGL_DEFINITION_FIELDS_MAX, place, &in,
                                   &count, err);
  if (status) return status;
  out->has_body = true;
  if (!count) return 0;
  out->fields = hgl_array(count, sizeof *out->fields);
  if (!out->fields) return hgl_fail(err, HGL_NO_MEMORY, "no memory for a definition");
  for (; !status && count; count--)
    status = read_field(&in, place, &out->fields[out->field_count++], err);
  return status;
}

static int read_performatives(struct hgl_bytes value, const struct hgl_place *place,
                              const struct hgl_definition *definition, uint64_t *out,
                              struct hgl_err *err)
{
  struct hgl_cbor_reader in;
  size_t count = 0;
  char shown[HGL_SHOW_SIZE];
  if (hgl_value_is_null(value)) return 0;
  int status = hgl_definition_open(value, HGL_CBOR_LIST, HGL_DEFINITION_MESSAGES_MAX, place, &in,
                                   &count, err);
  for (; !status && count; count--) {
    struct hgl_bytes entry, name = {0};
    if ((status = hgl_cbor_get_value(&in, "performative", &entry, err)) ||
        (status = read_text(entry, place, &name, err)))
      break;
    const struct hgl_message_rule *message = find_message(definition, name);
    if (!message)
      return hgl_place_fail(place, err, HGL_MALFORMED, "'%s' is no message of %.*s/%.*s",
                            hgl_text_show(name, shown), HGL_STR(definition->name),
                            HGL_STR(definition->version));
    *out |= UINT64_C(1) << (message - definition->messages);
  }
  return status;
}

static int read_from(struct hgl_bytes value, const struct hgl_place *place,
                     const struct hgl_definition *definition, uint8_t *out, struct hgl_err *err)
{
  struct hgl_bytes role = {0};
  if (hgl_value_is_null(value)) return 0;
  int status = read_text(value, place, &role, err);
  if (status) return status;
  for (uint8_t i = 0; i < 2; i++)
    if (hgl_bytes_equal(role, definition->roles[i])) {
      *out = i + 1;
      return 0;
    }
  char shown[HGL_SHOW_SIZE];
  return hgl_place_fail(place, err, HGL_MALFORMED, "'%s' is no role; the roles are %.*s and %.*s",
                        hgl_text_show(role, shown), HGL_STR(definition->roles[0]),
                        HGL_STR(definition->roles[1]));
}

static bool duration_from_text(struct hgl_bytes text, int64_t *out)
{
  static const struct {
    const char *unit;
    int64_t ms;
  } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
  int64_t count = 0;
  size_t at = 0;
  for (; at < text.size && text.data[at] >= '0' && text.data[at] <= '9'; at++) {
    if (count > HGL_WITHIN_MAX_MS) return false;
    count = 10 * count + (text.data[at] - '0');
  }
  struct hgl_bytes unit = hgl_bytes(text.data + at, text.size - at);
  for (size_t i = 0; at && i < sizeof units / sizeof units[0]; i++)
    if (hgl_bytes_is(unit, units[i].unit)) {
      if (count > HGL_WITHIN_MAX_MS / units[i].ms) return false;
      *out = count * units[i].ms;
      return true;
    }
  return false;
}

static int read_within(struct hgl_bytes value, const struct hgl_place *place, int64_t *out,
                       struct hgl_err *err)
{
  struct hgl_cbor_reader in = hgl_cbor_reader(value);
  struct hgl_cbor_item item;
  char shown[HGL_SHOW_SIZE];
  int64_t ms = 0;
  int status = hgl_cbor_next(&in, &item, err);
  if (status || item.kind == HGL_CBOR_NULL) return status;
  if (item.kind == HGL_CBOR_INT)
    ms = item.integer;
  else if (item.kind != HGL_CBOR_TEXT || !duration_from_text(item.bytes, &ms))
    ms = 0;
  if (ms < 1 || ms > HGL_WITHIN_MAX_MS)
    return hgl_place_fail(place, err, HGL_MALFORMED,
                          "%s is no duration: milliseconds or \"500ms\", \"5s\", \"2m\", \"1h\", "
                          "\"1d\" are, up to 366 days",
                          hgl_value_show(value, shown));
  *out = ms;
  return 0;
}

/* *opening stays as it was when the message does not say. */
static int read_message(struct hgl_bytes value, const struct hgl_place *place,
                        const struct hgl_definition *definition, struct hgl_message_rule *out,
                        int *opening, struct hgl_err *err)
{
  struct hgl_cbor_reader in;
  size_t count = 0;
  int status = hgl_definition_open(value, HGL_CBOR_MAP, HGL_DEFINITION_FIELDS_MAX, place, &in,
                                   &count, err);
  for (; !status && count; count--) {
    struct hgl_pair pair;
    if ((status = hgl_pair_next(&in, &pair, err))) break;
    struct hgl_place at = {place, pair.key, 0};
    char shown[HGL_SHOW_SIZE];
    if (hgl_bytes_is(pair.key, "body")) {
      status = read_body(pair.value, &at, out, err);
    } else if (hgl_bytes_is(pair.key, "replies")) {
      status = read_performatives(pair.value, &at, definition, &out->replies, err);
    } else if (hgl_bytes_is(pair.key, "follows")) {
      status = read_performatives(pair.value, &at, definition, &out->follows, err);
    } else if (hgl_bytes_is(pair.key, "from")) {
      status = read_from(pair.value, &at, definition, &out->from, err);
    } else if (hgl_bytes_is(pair.key, "within")) {
      status = read_within(pair.value, &at, &out->within_ms, err);
    } else if (hgl_bytes_is(pair.key, "opening")) {
      struct hgl_cbor_reader content = hgl_cbor_reader(pair.value);
      bool says = false;
      if (hgl_value_is_null(pair.value)) continue;
      status = hgl_cbor_get_bool(&content, "opening", &says, err);
      *opening = says;
    } else {
      return hgl_place_fail(place, err, HGL_MALFORMED,
                            "unknown key '%s'; a message has body, replies, follows, opening, "
                            "from, within",
                            hgl_text_show(pair.key, shown));
    }
  }
  return status;
}

/* Which messages open a dialogue, and that each can be said at all. */
static int settle_openings(struct hgl_definition *definition, const int *opening,
                           const struct hgl_place *place, struct hgl_err *err)
{
  uint64_t led_to = 0;
  bool any = false;
  for (size_t i = 0; i < definition->message_count; i++)
    led_to |= definition->messages[i].replies | definition->messages[i].follows;
  for (size_t i = 0; i < definition->message_count; i++) {
    struct hgl_message_rule *message = &definition->messages[i];
    struct hgl_place at = {place, message->name, 0};
    bool is_led_to = led_to >> i & 1;
    message->opening = opening[i] < 0 ? !is_led_to : opening[i];
    any = any || message->opening;
    if (!message->opening && !is_led_to)
      return hgl_place_fail(&at, err, HGL_MALFORMED,
                            "can never be said: it opens nothing and nothing leads to it");
    if (message->opening && message->from == 2)
      return hgl_place_fail(&at, err, HGL_MALFORMED, "opens, but %.*s opens the dialogue",
                            HGL_STR(definition->roles[0]));
    if (message->within_ms && !message->replies)
      return hgl_place_fail(&at, err, HGL_MALFORMED, "has within, but nothing answers it");
  }
  if (!any)
    return hgl_place_fail(place, err, HGL_MALFORMED, "no message opens: give one opening = true");
  return 0;
}

static int read_messages(struct hgl_bytes value, const struct hgl_place *place,
                         struct hgl_definition *out, struct hgl_err *err)
{
  struct hgl_bytes values[HGL_DEFINITION_MESSAGES_MAX];
  int opening[HGL_DEFINITION_MESSAGES_MAX];
  struct hgl_cbor_reader in;
  size_t count = 0;
  int status = hgl_definition_open(value, HGL_CBOR_MAP, HGL_DEFINITION_MESSAGES_MAX, place, &in,
                                   &count, err);
  for (size_t i = 0; i < HGL_DEFINITION_MESSAGES_MAX; i++) opening[i] = -1;
  /* All names first: replies may name messages further on. */
  for (size_t i = 0; !status && i < count; i++) {
    struct hgl_pair pair;
    if ((status = hgl_pair_next(&in, &pair, err))) break;
    struct hgl_place at = {place, pair.key, 0};
    if ((status = check_type(out, pair.key, &at, err))) break;
    out->messages[i].name = pair.key;
    out->message_count = i + 1;
    values[i] = pair.value;
  }
  for (size_t i = 0; !status && i < count; i++) {
    struct hgl_place at = {place, out->messages[i].name, 0};
    status = read_message(values[i], &at, out, &out->messages[i], &opening[i], err);
  }
  return status ? status : settle_openings(out, opening, place, err);
}

/* The canonical form --------------------------------------------------------------------------- */

static void put_performatives(const struct hgl_definition *definition, uint64_t set,
                              struct hgl_buf *out)
{
  hgl_cbor_put_list(out, (size_t)__builtin_popcountll(set));
  for (size_t i = 0; i < definition->message_count; i++)
    if (set >> i & 1) hgl_cbor_put_text(out, definition->messages[i].name);
}

static void put_message(const struct hgl_definition *definition,
                        const struct hgl_message_rule *message, struct hgl_buf *out)
{
  hgl_cbor_put_map(out, 6);
  hgl_cbor_put_literal(out, "body");
  if (message->has_body)
    hgl_cbor_put_map(out, message->field_count);
  else
    hgl_cbor_put_null(out);
  for (size_t i = 0; i < message->field_count; i++) {
    hgl_cbor_put_text(out, message->fields[i].name);
    hgl_rule_put(&message->fields[i].rule, out);
  }
  hgl_cbor_put_literal(out, "from");
  if (message->from)
    hgl_cbor_put_text(out, definition->roles[message->from - 1]);
  else
    hgl_cbor_put_null(out);
  hgl_cbor_put_literal(out, "within");
  if (message->within_ms)
    hgl_cbor_put_int(out, message->within_ms);
  else
    hgl_cbor_put_null(out);
  hgl_cbor_put_literal(out, "follows");
  put_performatives(definition, message->follows, out);
  hgl_cbor_put_literal(out, "opening");
  hgl_cbor_put_bool(out, message->opening);
  hgl_cbor_put_literal(out, "replies");
  put_performatives(definition, message->replies, out);
}

static int put_canonical(struct hgl_definition *definition, struct hgl_err *err)
{
  struct hgl_buf *out = &definition->canonical;
  hgl_cbor_put_map(out, 4);
  hgl_cbor_put_literal(out, "name");
  hgl_cbor_put_text(out, definition->name);
  hgl_cbor_put_literal(out, "roles");
  hgl_cbor_put_list(out, 2);
  for (size_t i = 0; i < 2; i++) hgl_cbor_put_text(out, definition->roles[i]);
  hgl_cbor_put_literal(out, "version");
  hgl_cbor_put_text(out, definition->version);
  hgl_cbor_put_literal(out, "messages");
  hgl_cbor_put_map(out, definition->message_count);
  for (size_t i = 0; i < definition->message_count; i++) {
    hgl_cbor_put_text(out, definition->messages[i].name);
    put_message(definition, &definition->messages[i], out);
  }
  int status = hgl_buf_check(out, err);
  if (status) return status;
  struct hgl_bytes canonical = hgl_buf_bytes(out);
  hgl_sha256(&canonical, 1, &definition->digest);
  return 0;
}

/* The whole ------------------------------------------------------------------------------------ */

struct definition_parts {
  struct hgl_bytes name, version, roles, messages; /* size 0: absent */
};

static int read_parts(struct hgl_bytes value, struct definition_parts *out, struct hgl_err *err)
{
  const struct {
    const char *key;
    struct hgl_bytes *part;
  } known[] = {{"name", &out->name},
               {"version", &out->version},
               {"roles", &out->roles},
               {"messages", &out->messages}};
  const struct hgl_place place = {NULL, hgl_text("protocol"), 0};
  struct hgl_cbor_reader in;
  size_t count = 0;
  int status = hgl_definition_open(value, HGL_CBOR_MAP, HGL_DEFINITION_FIELDS_MAX, &place, &in,
                                   &count, err);
  for (; !status && count; count--) {
    struct hgl_pair pair;
    if ((status = hgl_pair_next(&in, &pair, err))) break;
    struct hgl_bytes *part = NULL;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
      if (hgl_bytes_is(pair.key, known[i].key)) part = known[i].part;
    char shown[HGL_SHOW_SIZE];
    if (!part)
      return hgl_place_fail(&place, err, HGL_MALFORMED,
                            "unknown key '%s'; a definition has name, version, roles, messages",
                            hgl_text_show(pair.key, shown));
    *part = pair.value;
  }
  if (!status && (!out->name.size || !out->version.size || !out->messages.size))
    return hgl_place_fail(&place, err, HGL_MALFORMED, "name, version and messages are needed");
  return status;
}

static int read_definition(struct hgl_bytes value, struct hgl_definition *out, struct hgl_err *err)
{
  const struct hgl_place name = {NULL, hgl_text("name"), 0},
                         version = {NULL, hgl_text("version"), 0},
                         roles = {NULL, hgl_text("roles"), 0},
                         messages = {NULL, hgl_text("messages"), 0};
  struct definition_parts parts = {0};
  for (size_t i = 0; i < 2; i++) out->roles[i] = hgl_text(default_roles[i]);
  int status;
  if ((status = hgl_value_check(value, err)) || (status = read_parts(value, &parts, err)) ||
      (status = read_text(parts.name, &name, &out->name, err)) ||
      (status = read_text(parts.version, &version, &out->version, err)))
    return status;
  if (hgl_bytes_is(out->name, "haggle"))
    return hgl_place_fail(&name, err, HGL_MALFORMED, "'haggle' is reserved for the runtime");
  if (parts.roles.size && (status = read_roles(parts.roles, &roles, out, err))) return status;
  if ((status = read_messages(parts.messages, &messages, out, err))) return status;
  return put_canonical(out, err);
}

int hgl_definition_create(struct hgl_bytes value, struct hgl_definition **out, struct hgl_err *err)
{
  if (value.size > HGL_DEFINITION_SIZE_MAX)
    return hgl_fail(err, HGL_TOO_LARGE, "definition of %zu bytes, limit %d", value.size,
                    HGL_DEFINITION_SIZE_MAX);
  struct hgl_definition *definition = hgl_zalloc(sizeof *definition);
  if (!definition) return hgl_fail(err, HGL_NO_MEMORY, "no memory for a definition");
  hgl_buf_init(&definition->canonical, HGL_BODY_SIZE_MAX);
  int status;
  definition->source = hgl_memdup(value.data, value.size);
  if (!definition->source)
    status = hgl_fail(err, HGL_NO_MEMORY, "no memory for a definition");
  else
    status = read_definition(hgl_bytes(definition->source, value.size), definition, err);
  if (status)
    hgl_definition_destroy(definition);
  else
    *out = definition;
  return status;
}

void hgl_definition_destroy(struct hgl_definition *definition)
{
  if (!definition) return;
  for (size_t i = 0; i < definition->message_count; i++) {
    struct hgl_message_rule *message = &definition->messages[i];
    for (size_t j = 0; j < message->field_count; j++) hgl_rule_deinit(&message->fields[j].rule);
    hgl_free(message->fields);
  }
  hgl_buf_deinit(&definition->canonical);
  hgl_free(definition->source);
  hgl_free(definition);
}

struct hgl_bytes hgl_definition_name(const struct hgl_definition *definition)
{
  return definition->name;
}

struct hgl_bytes hgl_definition_version(const struct hgl_definition *definition)
{
  return definition->version;
}

const struct hgl_hash *hgl_definition_digest(const struct hgl_definition *definition)
{
  return &definition->digest;
}

struct hgl_bytes hgl_definition_canonical(const struct hgl_definition *definition)
{
  return hgl_buf_bytes(&definition->canonical);
}
