/* What a person may say to an agent, by the definitions of its protocols, and how it is written:
 *
 *   request city=Graz days=3             fields as NAME=VALUE; text with spaces in quotes
 *   request {"city": "Graz", "days": 3}  or the body as JSON
 *
 * Pure. */
#ifndef HGL_HOST_CHAT_WORDS_H
#define HGL_HOST_CHAT_WORDS_H

#include <jansson.h>
#include <stdbool.h>

#include "base/buf.h"

/* Where a dialogue stands. */
struct hgl_chat_state {
  const json_t
      *definition;  /* canonical; NULL: its protocol is not declared, anything may be said */
  const char *last; /* the last performative; NULL: none yet */
  bool last_was_ours;
};

/* A list of the performatives (texts, new) that we may say now; of an opening those that begin a
 * dialogue. NULL: no memory, or anything. */
json_t *hgl_chat_sayable(const struct hgl_chat_state *state);
/* The dialogue is over: neither side may say anything but a refusal. */
bool hgl_chat_is_over(const struct hgl_chat_state *state);

/* "city: string, days: integer?"; "anything" without a definition. */
void hgl_chat_describe(const json_t *definition, const char *performative, struct hgl_buf *out);

/* What a person is asked for a field with: "  city (string, or nothing): ". */
void hgl_chat_prompt(const char *field, const json_t *rule, struct hgl_buf *out);

/* Splits a line into its first word and a body. HGL_INVALID says what is wrong and of which field.
 */
int hgl_chat_parse(const json_t *definition, const char *line, struct hgl_buf *performative,
                   json_t **body, struct hgl_err *err) HGL_NODISCARD;
/* One field of the body from a text, as its rule says; rule NULL: JSON, or else text. */
int hgl_chat_value(const json_t *rule, const char *field, struct hgl_bytes text, json_t **out,
                   struct hgl_err *err) HGL_NODISCARD;
/* The rules of the fields of a performative (borrowed), or NULL: anything. */
const json_t *hgl_chat_fields(const json_t *definition, const char *performative);

#endif
