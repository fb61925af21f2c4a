#include "protocol/dialogue.h"

#include "protocol/definition.h"
#include "protocol/scalar.h"

static const struct hgl_message_rule *find_message(const struct hgl_definition *definition,
                                                   struct hgl_bytes name)
{
  for (size_t i = 0; i < definition->message_count; i++)
    if (hgl_bytes_equal(definition->messages[i].name, name)) return &definition->messages[i];
  return NULL;
}

static int fail_unknown(const struct hgl_definition *definition, struct hgl_bytes performative,
                        struct hgl_err *err)
{
  char shown[HGL_SHOW_SIZE];
  return hgl_fail(err, HGL_PROTOCOL_VIOLATION, "'%s' is no message of %.*s/%.*s",
                  hgl_text_show(performative, shown), HGL_STR(definition->name),
                  HGL_STR(definition->version));
}

/* Bodies --------------------------------------------------------------------------------------- */

static int fail_missing(const struct hgl_rule_field *field, const struct hgl_place *body,
                        struct hgl_err *err)
{
  struct hgl_place at = {body, field->name, 0};
  return hgl_place_fail(&at, err, HGL_PROTOCOL_VIOLATION, "a %s is expected, the field is missing",
                        hgl_rule_name(field->rule.type));
}

/* The order of map keys: shorter first. */
static int compare_keys(struct hgl_bytes a, struct hgl_bytes b)
{
  if (a.size != b.size) return a.size < b.size ? -1 : 1;
  return hgl_bytes_compare(a, b);
}

/* Fields and pairs come in one order, so both lists are walked side by side. */
static int check_fields(const struct hgl_message_rule *message, struct hgl_cbor_reader *in,
                        size_t count, const struct hgl_place *body, struct hgl_err *err)
{
  size_t at = 0;
  for (; count; count--) {
    struct hgl_place place = {body, {NULL, 0}, 0};
    int status = hgl_cbor_get_text(in, "key", HGL_BODY_SIZE_MAX, &place.name, err);
    if (status) return status;
    for (; at < message->field_count && compare_keys(message->fields[at].name, place.name) < 0;
         at++)
      if (!message->fields[at].rule.optional) return fail_missing(&message->fields[at], body, err);
    if (at == message->field_count || !hgl_bytes_equal(message->fields[at].name, place.name))
      return hgl_place_fail(&place, err, HGL_PROTOCOL_VIOLATION,
                            "the definition has no such field");
    if ((status = hgl_rule_check(&message->fields[at].rule, in, &place, err))) return status;
    at++;
  }
  for (; at < message->field_count; at++)
    if (!message->fields[at].rule.optional) return fail_missing(&message->fields[at], body, err);
  return 0;
}

int hgl_definition_check_body(const struct hgl_definition *definition,
                              struct hgl_bytes performative, struct hgl_bytes body,
                              struct hgl_err *err)
{
  const struct hgl_place place = {NULL, hgl_text("body"), 0};
  const struct hgl_message_rule *message = find_message(definition, performative);
  if (!message) return fail_unknown(definition, performative, err);
  if (!message->has_body) return 0;
  struct hgl_cbor_reader in = hgl_cbor_reader(body);
  struct hgl_cbor_item item;
  char shown[HGL_SHOW_SIZE];
  int status = hgl_cbor_next(&in, &item, err);
  if (status) return status;
  /* No body at all is one without fields. */
  size_t count = item.kind == HGL_CBOR_MAP ? item.count : 0;
  if (item.kind != HGL_CBOR_MAP && item.kind != HGL_CBOR_NULL)
    return hgl_place_fail(&place, err, HGL_PROTOCOL_VIOLATION, "a map is expected, got %s",
                          hgl_value_show(body, shown));
  return check_fields(message, &in, count, &place, err);
}

/* Steps ---------------------------------------------------------------------------------------- */

/* "forecast, haggle/1.0/refuse" */
static void show_expected(const struct hgl_definition *definition, uint64_t expected, char *out,
                          size_t size_max)
{
  struct hgl_buf text;
  hgl_buf_init(&text, size_max - 1);
  for (size_t i = 0; i < definition->message_count; i++)
    if (expected >> i & 1)
      hgl_buf_printf(&text, "%s%.*s", text.size ? ", " : "", HGL_STR(definition->messages[i].name));
  if (!text.size) hgl_buf_append_text(&text, "nothing");
  if (text.size) memcpy(out, text.data, text.size);
  out[text.size] = 0;
  hgl_buf_deinit(&text);
}

static uint64_t openings(const struct hgl_definition *definition)
{
  uint64_t set = 0;
  for (size_t i = 0; i < definition->message_count; i++)
    if (definition->messages[i].opening) set |= UINT64_C(1) << i;
  return set;
}

/* What may come next from that side, as a set of messages. */
static uint64_t expected_from(const struct hgl_definition *definition,
                              const struct hgl_dialogue *dialogue, bool ours)
{
  uint64_t set;
  if (dialogue->last) {
    const struct hgl_message_rule *last = &definition->messages[dialogue->last - 1];
    set = ours == dialogue->last_was_ours ? last->follows : last->replies;
  } else {
    set = openings(definition);
  }
  int role = !dialogue->last || ours == dialogue->we_opened ? 1 : 2;
  for (size_t i = 0; i < definition->message_count; i++)
    if (definition->messages[i].from && definition->messages[i].from != role)
      set &= ~(UINT64_C(1) << i);
  return set;
}

static uint64_t short_digest(const struct hgl_definition *definition)
{
  return hgl_get_be64(hgl_definition_digest(definition)->bytes) >> 1;
}

bool hgl_dialogue_began_under(const struct hgl_definition *definition,
                              const struct hgl_dialogue *dialogue)
{
  bool other = dialogue->definition && dialogue->definition != short_digest(definition);
  return !dialogue->last || (!other && dialogue->last <= definition->message_count);
}

size_t hgl_dialogue_expected(const struct hgl_definition *definition,
                             const struct hgl_dialogue *dialogue, bool ours,
                             struct hgl_bytes out[HGL_DEFINITION_MESSAGES_MAX])
{
  size_t count = 0;
  if (dialogue->ended || !hgl_dialogue_began_under(definition, dialogue)) return 0;
  uint64_t set = expected_from(definition, dialogue, ours);
  for (size_t i = 0; i < definition->message_count; i++)
    if (set >> i & 1) out[count++] = definition->messages[i].name;
  return count;
}

struct hgl_bytes hgl_dialogue_last(const struct hgl_definition *definition,
                                   const struct hgl_dialogue *dialogue)
{
  if (!dialogue->last || !hgl_dialogue_began_under(definition, dialogue)) return hgl_bytes(NULL, 0);
  return definition->messages[dialogue->last - 1].name;
}

int hgl_dialogue_step(const struct hgl_definition *definition, struct hgl_dialogue *dialogue,
                      struct hgl_bytes performative, bool ours, int64_t now_ms, struct hgl_err *err)
{
  char shown[HGL_SHOW_SIZE], expected[256];
  const struct hgl_message_rule *message = find_message(definition, performative);
  if (!message) return fail_unknown(definition, performative, err);
  if (dialogue->ended)
    return hgl_fail(err, HGL_PROTOCOL_VIOLATION, "'%s' after the dialogue has ended",
                    hgl_text_show(performative, shown));
  if (!hgl_dialogue_began_under(definition, dialogue))
    return hgl_fail(err, HGL_PROTOCOL_VIOLATION, "the dialogue began under another definition");
  size_t index = (size_t)(message - definition->messages);
  uint64_t set = expected_from(definition, dialogue, ours);
  if (!(set >> index & 1)) {
    show_expected(definition, set, expected, sizeof expected);
    return hgl_fail(err, HGL_PROTOCOL_VIOLATION,
                    "'%s' is not allowed here; from this side is expected: %s",
                    hgl_text_show(performative, shown), expected);
  }
  /* What follows without waiting leaves a running deadline as it is, unless it sets its own. */
  bool keeps_deadline = dialogue->last && ours == dialogue->last_was_ours && !message->within_ms;
  if (!dialogue->last) dialogue->we_opened = ours;
  dialogue->definition = short_digest(definition);
  dialogue->last = (uint8_t)(index + 1);
  dialogue->last_was_ours = ours;
  dialogue->ended = !message->replies && !message->follows;
  if (dialogue->ended)
    dialogue->deadline_ms = 0;
  else if (!keeps_deadline)
    dialogue->deadline_ms = message->within_ms ? now_ms + message->within_ms : 0;
  return 0;
}

int hgl_dialogue_refuse(struct hgl_dialogue *dialogue, struct hgl_err *err)
{
  if (dialogue->ended)
    return hgl_fail(err, HGL_PROTOCOL_VIOLATION, "'refuse' after the dialogue has ended");
  dialogue->ended = true;
  dialogue->deadline_ms = 0;
  return 0;
}

/* Rows ----------------------------------------------------------------------------------------- */

enum { ROW_PARTS = 6, OLD_ROW_PARTS = 5 }; /* rows of older programs end before `definition` */

void hgl_dialogue_encode(const struct hgl_dialogue *dialogue, struct hgl_buf *out)
{
  hgl_cbor_put_list(out, ROW_PARTS);
  hgl_cbor_put_uint(out, dialogue->last);
  hgl_cbor_put_bool(out, dialogue->last_was_ours);
  hgl_cbor_put_bool(out, dialogue->we_opened);
  hgl_cbor_put_bool(out, dialogue->ended);
  hgl_cbor_put_int(out, dialogue->deadline_ms);
  hgl_cbor_put_uint(out, dialogue->definition);
}

int hgl_dialogue_decode(struct hgl_bytes bytes, struct hgl_dialogue *out, struct hgl_err *err)
{
  struct hgl_cbor_reader in = hgl_cbor_reader(bytes);
  struct hgl_dialogue dialogue = {0};
  uint64_t last, definition = 0;
  size_t count;
  int status;
  if ((status = hgl_cbor_get_list(&in, "dialogue", ROW_PARTS, &count, err))) return status;
  if (count < OLD_ROW_PARTS)
    return hgl_fail(err, HGL_MALFORMED, "a dialogue has %d parts, here are %zu", ROW_PARTS, count);
  if ((status = hgl_cbor_get_uint(&in, "last message", HGL_DEFINITION_MESSAGES_MAX, &last, err)) ||
      (status = hgl_cbor_get_bool(&in, "last was ours", &dialogue.last_was_ours, err)) ||
      (status = hgl_cbor_get_bool(&in, "we opened", &dialogue.we_opened, err)) ||
      (status = hgl_cbor_get_bool(&in, "ended", &dialogue.ended, err)) ||
      (status = hgl_cbor_get_int(&in, "deadline", &dialogue.deadline_ms, err)) ||
      (count == ROW_PARTS &&
       (status = hgl_cbor_get_uint(&in, "definition", INT64_MAX, &definition, err))) ||
      (status = hgl_cbor_end(&in, "dialogue", err)))
    return status;
  dialogue.last = (uint8_t)last;
  dialogue.definition = definition;
  *out = dialogue;
  return 0;
}
