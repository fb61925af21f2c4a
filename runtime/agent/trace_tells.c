/* What a message tells of itself, noted with its event: so that a list of dialogues can say what is
 * haggled over, and why one ended, without reading a body. Only of types whose bodies are small and
 * known: market/1.0, as stdlib/haggle/market.lua declares it, and refusals. */
#include "agent/trace.h"

enum { FIELDS_MAX = 8, WORDS_SIZE_MAX = 1024 };

void trace_put_text(char *out, size_t size, struct hgl_bytes text)
{
  size_t length = text.size < size - 1 ? text.size : size - 1;
  if (length) memcpy(out, text.data, length);
  while (length < text.size && length > 0 && (text.data[length] & 0xc0) == 0x80) length--;
  out[length] = 0;
}

static bool tells_anything(const struct hgl_envelope *envelope)
{
  static const char *const performatives[] = {"bid", "counter", "accept", "confirm", "decline"};
  if (hgl_bytes_is(envelope->protocol, "haggle"))
    return hgl_bytes_is(envelope->performative, "refuse");
  if (!hgl_bytes_is(envelope->protocol, "market")) return false;
  for (size_t i = 0; i < sizeof performatives / sizeof *performatives; i++)
    if (hgl_bytes_is(envelope->performative, performatives[i])) return true;
  return false;
}

/* "the price is too low (price)" */
static void put_why(struct trace_event *event, struct hgl_bytes why, struct hgl_bytes code)
{
  size_t size = sizeof event->note;
  if (!why.size) why = code, code = hgl_bytes(NULL, 0);
  if (!why.size) return;
  event->tells |= TRACE_WHY;
  bool fits = code.size && code.size < TRACE_NAME_SIZE;
  trace_put_text(event->note, fits ? size - code.size - 3 : size, why);
  if (!fits) return;
  size_t at = strlen(event->note);
  memcpy(event->note + at, " (", 2);
  memcpy(event->note + at + 2, code.data, code.size);
  memcpy(event->note + at + 2 + code.size, ")", 2);
}

void trace_read_body(struct trace_event *event, const struct hgl_envelope *envelope)
{
  struct hgl_cbor_reader in = hgl_cbor_reader(envelope->body);
  struct hgl_bytes why = {0}, code = {0};
  struct hgl_cbor_item item;
  if (!tells_anything(envelope)) return;
  if (hgl_bytes_is(envelope->performative, "refuse")) event->tells |= TRACE_REFUSES;
  if (hgl_cbor_next(&in, &item, NULL) || item.kind != HGL_CBOR_MAP) return;
  size_t count = item.count < FIELDS_MAX ? item.count : FIELDS_MAX;
  for (; count; count--) {
    struct hgl_bytes key;
    struct hgl_cbor_reader value;
    if (hgl_cbor_get_text(&in, "key", SIZE_MAX, &key, NULL)) break;
    value = in;
    if (hgl_value_skip(&in, NULL) || hgl_cbor_next(&value, &item, NULL)) break;
    if (item.kind == HGL_CBOR_INT && hgl_bytes_is(key, "price")) {
      event->price = item.integer;
      event->tells |= TRACE_PRICE;
    }
    if (item.kind != HGL_CBOR_TEXT || item.bytes.size > WORDS_SIZE_MAX) continue;
    if (hgl_bytes_is(key, "service")) {
      trace_put_text(event->note, sizeof event->note, item.bytes);
      event->tells |= TRACE_SERVICE;
    }
    if (hgl_bytes_is(key, "why")) why = item.bytes;
    if (hgl_bytes_is(key, "code")) code = item.bytes;
  }
  if (!(event->tells & TRACE_SERVICE)) put_why(event, why, code);
}
