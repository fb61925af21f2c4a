/* Dialogue rules: what a protocol's definition permits, checked on both sides before a handler sees
 * a message. A definition is a value (a map, as written in agent.protocol):
 *
 *   name "weather"   version "1.0"   roles ["client","server"]? (who may open: the first)
 *   messages: map performative → {
 *     body:     map field → type (no other fields then), or absent: anything
 *     replies:  list of performatives the other side may answer with
 *     follows:  list of performatives the same side may say next, without waiting
 *               (neither replies nor follows: an end state)
 *     opening:  boolean (default: true for messages that nothing leads to)
 *     from:     role, absent: either
 *     within:   how long the other side has to answer: milliseconds or "500ms" "5s" "2m" "1h" "1d",
 *               absent: no deadline }
 *   a field's type: "string" "integer" "number" "boolean" "bytes" "list" "map" "any" "did",
 *     with "?" at the end: optional; or a map {type=…, optional=…, min=…, max=…, of=type,
 * one_of=[…]} min and max bound the number, or the size (bytes of strings and bytes, elements of
 * lists and maps); `of` is the type of a list's elements or a map's values Null stands for absent;
 * an empty list and an empty map for each other. Unknown keys are errors.
 *
 * Every dialogue allows the terminal haggle/1.0/refuse by either side at any point. The digest is
 * SHA-256 over SPEC's canonical form: all defaults expanded, as deterministic CBOR; the canonical
 * form is itself a definition with the same digest. Pure; any thread. */
#ifndef HGL_PROTOCOL_DIALOGUE_H
#define HGL_PROTOCOL_DIALOGUE_H

#include "protocol/envelope.h"

enum {
  HGL_DEFINITION_MESSAGES_MAX = 64,
  HGL_DEFINITION_FIELDS_MAX = 64,  /* of one message */
  HGL_DEFINITION_DEPTH_MAX = 8,    /* types nested by `of` */
  HGL_DEFINITION_OPTIONS_MAX = 64, /* of one one_of */
  HGL_DEFINITION_SIZE_MAX = 256 * 1024,
};
#define HGL_WITHIN_MAX_MS (INT64_C(366) * 24 * 3600 * 1000)

struct hgl_definition; /* compiled; immutable */

/* HGL_MALFORMED, naming the place: "messages.request.replies: 'forcast' is no message of
 * weather/1.0" */
int hgl_definition_create(struct hgl_bytes value, struct hgl_definition **out,
                          struct hgl_err *err) HGL_NODISCARD;
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
  uint8_t last; /* index of the last performative + 1; 0: nothing was said */
  bool last_was_ours;
  bool we_opened;
  bool ended;
  int64_t deadline_ms; /* when the next message is due; 0: none */
  uint64_t definition; /* which one it began under: 63 bits of its digest; 0: not known */
};
/* Would this performative, said by us (`ours`) or the peer, be allowed next? Steps the dialogue on;
 * after an error it stays as it was. HGL_PROTOCOL_VIOLATION says what was expected instead, or that
 * the dialogue began under another definition. Being late is none: the owner's timer ends the
 * dialogue at its deadline. */
int hgl_dialogue_step(const struct hgl_definition *definition, struct hgl_dialogue *dialogue,
                      struct hgl_bytes performative, bool ours, int64_t now_ms,
                      struct hgl_err *err) HGL_NODISCARD;
/* The performatives that may come next, from us (`ours`) or the peer: names of the definition;
 * gives how many. None where the dialogue began under another one. */
size_t hgl_dialogue_expected(const struct hgl_definition *definition,
                             const struct hgl_dialogue *dialogue, bool ours,
                             struct hgl_bytes out[HGL_DEFINITION_MESSAGES_MAX]);
/* Whether it began under this one, as far as is known; true, too, where nothing was said. */
bool hgl_dialogue_began_under(const struct hgl_definition *definition,
                              const struct hgl_dialogue *dialogue);
/* That of the last message; size 0: none was said, or it began under another definition. */
struct hgl_bytes hgl_dialogue_last(const struct hgl_definition *definition,
                                   const struct hgl_dialogue *dialogue);
/* haggle/1.0/refuse, by either side: ends the dialogue. HGL_PROTOCOL_VIOLATION when it has ended.
 */
int hgl_dialogue_refuse(struct hgl_dialogue *dialogue, struct hgl_err *err) HGL_NODISCARD;
void hgl_dialogue_encode(const struct hgl_dialogue *dialogue, struct hgl_buf *out);
int hgl_dialogue_decode(struct hgl_bytes bytes, struct hgl_dialogue *out,
                        struct hgl_err *err) HGL_NODISCARD;

#endif
