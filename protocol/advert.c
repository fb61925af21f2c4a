#include "protocol/advert.h"

static int decode_offers(struct hgl_cbor_reader *in, struct hgl_advert *out, struct hgl_err *err)
{
  size_t count;
  int status = hgl_cbor_get_list(in, "offers", HGL_ADVERT_OFFERS_MAX, &count, err);
  for (size_t i = 0; !status && i < count; i++) {
    struct hgl_bytes service;
    bool found;
    struct hgl_cbor_reader head = *in;
    size_t fields;
    if ((status = hgl_cbor_get_map(&head, "offer", HGL_VALUE_ITEMS_MAX, &fields, err)) ||
        (status = hgl_cbor_get_value(in, "offer", &out->offers[i], err)) ||
        (status = hgl_value_field(out->offers[i], "service", &service, &found, err)))
      break;
    out->offer_count = i + 1;
    if (!found) continue;
    struct hgl_cbor_reader content = hgl_cbor_reader(service);
    status = hgl_cbor_get_text(&content, "offer's service", HGL_NAME_SIZE_MAX, &service, err);
  }
  return status;
}

static int decode_protocols(struct hgl_cbor_reader *in, struct hgl_err *err)
{
  size_t count;
  struct hgl_bytes name;
  int status = hgl_cbor_get_list(in, "protocols", HGL_ADVERT_PROTOCOLS_MAX, &count, err);
  for (; !status && count; count--)
    status = hgl_cbor_get_text(in, "protocol", HGL_TYPE_SIZE_MAX, &name, err);
  return status;
}

static int decode_body(struct hgl_bytes body, struct hgl_advert *out, struct hgl_err *err)
{
  struct hgl_cbor_reader in = hgl_cbor_reader(body);
  bool has_version = false;
  size_t count;
  int status = hgl_cbor_get_map(&in, "advert", HGL_VALUE_ITEMS_MAX, &count, err);
  for (; !status && count; count--) {
    struct hgl_bytes key;
    if ((status = hgl_cbor_get_text(&in, "advert's key", HGL_BODY_SIZE_MAX, &key, err))) break;
    if (hgl_bytes_is(key, "version")) {
      has_version = true;
      status = hgl_cbor_get_uint(&in, "advert's version", HGL_COUNTER_MAX, &out->version, err);
    } else if (hgl_bytes_is(key, "withdrawn")) {
      status = hgl_cbor_get_bool(&in, "withdrawn", &out->withdrawn, err);
    } else if (hgl_bytes_is(key, "name")) {
      status = hgl_cbor_get_text(&in, "advert's name", HGL_NAME_SIZE_MAX, &out->name, err);
    } else if (hgl_bytes_is(key, "about")) {
      status = hgl_cbor_get_text(&in, "about", HGL_ADVERT_ABOUT_SIZE_MAX, &out->about, err);
    } else if (hgl_bytes_is(key, "offers")) {
      status = decode_offers(&in, out, err);
    } else if (hgl_bytes_is(key, "protocols")) {
      status = decode_protocols(&in, err);
    } else {
      status = hgl_value_skip(&in, err);
    }
  }
  if (status) return status;
  if (!has_version) return hgl_fail(err, HGL_MALFORMED, "an advert without a version");
  if (out->withdrawn && out->offer_count)
    return hgl_fail(err, HGL_MALFORMED, "a withdrawn advert that offers something");
  return 0;
}

static int decode_envelope(struct hgl_bytes bytes, struct hgl_advert *out, struct hgl_err *err)
{
  struct hgl_envelope envelope;
  int status = hgl_envelope_decode(bytes, &envelope, err);
  if (status) return status;
  if (!hgl_bytes_is(envelope.type, HGL_ADVERT_TYPE))
    return hgl_fail(err, HGL_BAD_TYPE, "an advert has the type " HGL_ADVERT_TYPE);
  if (!hgl_key_equal(&envelope.from, &envelope.to))
    return hgl_fail(err, HGL_MALFORMED, "an advert is addressed to its own agent");
  out->agent = envelope.from;
  out->body = envelope.body;
  return decode_body(envelope.body, out, err);
}

int hgl_advert_decode(struct hgl_bytes evidence, struct hgl_advert *out, struct hgl_err *err)
{
  if (evidence.size > HGL_ADVERT_SIZE_MAX)
    return hgl_fail(err, HGL_TOO_LARGE, "advert of %zu bytes, limit %d", evidence.size,
                    HGL_ADVERT_SIZE_MAX);
  struct hgl_evidence parts;
  struct hgl_header header;
  struct hgl_advert advert = {.offer_count = 0};
  int status;
  if ((status = hgl_evidence_decode(evidence, &parts, err)) ||
      (status = decode_envelope(parts.envelope, &advert, err)) ||
      (status = hgl_header_decode(parts.header, &header, err)))
    return status;
  advert.host = header.host;
  advert.incarnation = header.incarnation;
  advert.delegation = parts.delegation;
  *out = advert;
  return 0;
}

int hgl_advert_verify(struct hgl_bytes evidence, struct hgl_advert *out, struct hgl_proof *proof,
                      struct hgl_err *err)
{
  struct hgl_advert advert;
  int status = hgl_advert_decode(evidence, &advert, err);
  if (status) return status;
  const struct hgl_verify_options options = {.destination = &advert.host, .agent = &advert.agent};
  if ((status = hgl_evidence_verify(evidence, &options, proof, err))) return status;
  *out = advert;
  return 0;
}
