/* The envelope: one message from an agent to an agent. A deterministic CBOR map:
 *   1 id (16 bytes)   2 type (text protocol/version/performative)   3 from (key)   4 to (key)
 *   5 thid (16 bytes, absent: the id)   6 pthid (16 bytes)   7 created_time (ms)
 *   8 expires_time (ms)   9 body (a value)   10 definition (32 bytes: digest of the protocol's
 *   definition, in openings)   11 traceparent (text)
 * Other keys below 64 and from 128 on are kept and ignored; 64 to 127 are critical: an unknown one
 * is refused (HGL_CRITICAL). */
#ifndef HGL_PROTOCOL_ENVELOPE_H
#define HGL_PROTOCOL_ENVELOPE_H

#include "protocol/value.h"
#include "protocol/crypto.h"

enum { HGL_ID_SIZE = 16 };

struct hgl_id {
  uint8_t bytes[HGL_ID_SIZE];
};
static inline bool hgl_id_equal(const struct hgl_id *a, const struct hgl_id *b)
{
  return memcmp(a->bytes, b->bytes, HGL_ID_SIZE) == 0;
}

struct hgl_envelope {
  struct hgl_id id;
  struct hgl_bytes type;                            /* the whole text */
  struct hgl_bytes protocol, version, performative; /* slices of type */
  struct hgl_key from, to;
  struct hgl_id thid; /* equals id when the envelope opens its thread */
  struct hgl_id pthid;
  bool has_pthid;
  int64_t created_time_ms;
  int64_t expires_time_ms; /* 0: never */
  struct hgl_bytes body;   /* an encoded value */
  struct hgl_hash definition;
  bool has_definition;
  struct hgl_bytes traceparent; /* size 0: none */
};

/* Splits and checks a type: three parts, each 1..HGL_NAME_SIZE_MAX of [a-z0-9._-] (version:
 * digits and dots), separated by "/". HGL_MALFORMED. */
int hgl_type_parse(struct hgl_bytes type, struct hgl_bytes *protocol, struct hgl_bytes *version,
                   struct hgl_bytes *performative, struct hgl_err *err) HGL_NODISCARD;

/* Appends; protocol/version/performative are ignored, type is checked, body must be a value. */
int hgl_envelope_encode(const struct hgl_envelope *envelope, struct hgl_buf *out,
                        struct hgl_err *err) HGL_NODISCARD;
/* Slices point into `bytes`. Checks all that can be checked without keys or a clock. */
int hgl_envelope_decode(struct hgl_bytes bytes, struct hgl_envelope *out,
                        struct hgl_err *err) HGL_NODISCARD;
/* The JSON projection with DIDComm v2 names: id, type, from, to, thid, pthid, created_time,
 * expires_time, body, definition, traceparent; ids as 32 hex digits, keys as did:key. */
int hgl_envelope_to_json(const struct hgl_envelope *envelope, json_t **out,
                         struct hgl_err *err) HGL_NODISCARD;

void hgl_id_format(const struct hgl_id *id, char out[2 * HGL_ID_SIZE + 1]);
int hgl_id_parse(struct hgl_bytes text, struct hgl_id *out, struct hgl_err *err) HGL_NODISCARD;

#endif
