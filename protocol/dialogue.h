/* Dialogue rules: what a protocol's definition permits, checked on both sides before a handler sees a
 * message. A definition is a value (a map, as written in agent.protocol):
 *
 *   name "weather"   version "1.0"   roles ["client","server"]? (who may open: the first)
 *   messages: map performative → {
 *     body:     map field → type, or absent: anything
 *     replies:  list of performatives the other side may answer with ([] or absent: an end state)
 *     opening:  boolean (default: true for messages that are no one's reply)
 *     from:     role (only where roles are given)
 *     within:   milliseconds the other side has to answer (deadline), absent: none }
 *   a field's type: "string" "integer" "number" "boolean" "bytes" "list" "map" "any" "did",
 *     with "?" at the end: optional; or a map {type=…, optional=…, min=…, max=…, of=type, one_of=[…]}
 *
 * Every dialogue allows the terminal haggle/1.0/refuse by either side at any point. The digest is
 * SHA-256 over SPEC's canonical form: all defaults expanded, as deterministic CBOR. Pure; any thread. */
#ifndef HGL_PROTOCOL_DIALOGUE_H
#define HGL_PROTOCOL_DIALOGUE_H

#include "protocol/envelope.h"

struct hgl_definition; /* compiled; immutable */

/* HGL_MALFORMED, naming the place: "messages.request.replies: 'forcast' is no message of weather/1.0" */
int hgl_definition_create(struct hgl_bytes value, struct hgl_definition **out, struct hgl_err *err)
    HGL_NODISCARD;
void hgl_definition_destroy(struct hgl_definition *definition);
struct hgl_bytes hgl_definition_name(const struct hgl_definition *definition);    /* "weather" */
struct hgl_bytes hgl_definition_version(const struct hgl_definition *definition); /* "1.0" */
const struct hgl_hash *hgl_definition_digest(const struct hgl_definition *definition);
/* The canonical form, as a value. */
struct hgl_bytes hgl_definition_canonical(const struct hgl_definition *definition);

/* HGL_PROTOCOL_VIOLATION with the path of the field: "body.city: a string is expected, got 3". */
int hgl_definition_check_body(const struct hgl_definition *definition,
                              struct hgl_bytes performative, struct hgl_bytes body,
                              struct hgl_err *err) HGL_NODISCARD;

/* The state of one dialogue (one thread between two agents), small enough for a row. */
struct hgl_dialogue {
  uint8_t last;         /* index of the last performative + 1; 0: nothing was said */
  bool last_was_ours;
  bool we_opened;
  bool ended;
  int64_t deadline_ms;  /* when the next message is due; 0: none */
};
/* Would this performative, said by us (`ours`) or the peer, be allowed next? Steps the dialogue on.
 * "refuse" with protocol "haggle" is passed as hgl_dialogue_refuse. HGL_PROTOCOL_VIOLATION says what
 * was expected instead. */
int hgl_dialogue_step(const struct hgl_definition *definition, struct hgl_dialogue *dialogue,
                      struct hgl_bytes performative, bool ours, int64_t now_ms,
                      struct hgl_err *err) HGL_NODISCARD;
int hgl_dialogue_refuse(struct hgl_dialogue *dialogue, struct hgl_err *err) HGL_NODISCARD;
void hgl_dialogue_encode(const struct hgl_dialogue *dialogue, struct hgl_buf *out);
int hgl_dialogue_decode(struct hgl_bytes bytes, struct hgl_dialogue *out, struct hgl_err *err)
    HGL_NODISCARD;

#endif
