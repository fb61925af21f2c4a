/* The compiled form of a dialogue definition: built by definition.c, read by dialogue.c. Others use
 * protocol/dialogue.h. All slices point into `source`. */
#ifndef HGL_PROTOCOL_DEFINITION_H
#define HGL_PROTOCOL_DEFINITION_H

#include "protocol/dialogue.h"

enum hgl_rule_type {
  HGL_RULE_ANY,
  HGL_RULE_BOOLEAN,
  HGL_RULE_BYTES,
  HGL_RULE_DID,
  HGL_RULE_INTEGER,
  HGL_RULE_LIST,
  HGL_RULE_MAP,
  HGL_RULE_NUMBER,
  HGL_RULE_STRING,
  HGL_RULE_COUNT,
};
const char *hgl_rule_name(enum hgl_rule_type type); /* "string" */

/* What one value must be. */
struct hgl_rule {
  enum hgl_rule_type type;
  bool optional;
  bool has_min, has_max;
  struct hgl_cbor_item min, max; /* numbers: of the value itself, or of its size */
  struct hgl_rule *of;           /* of the elements of a list, the values of a map; NULL: any */
  struct hgl_bytes *options;     /* one_of: encoded scalars, sorted, no two alike */
  size_t option_count;           /* 0: anything of the type */
};

/* Where in a definition or a body, for errors: "messages.request.body.city", "body.items[3]". */
struct hgl_place {
  const struct hgl_place *outer; /* NULL: the outermost */
  struct hgl_bytes name;
  size_t index; /* from 1, instead of a name */
};
int hgl_place_fail(const struct hgl_place *place, struct hgl_err *err, enum hgl_code code,
                   const char *format, ...) HGL_PRINTF(4, 5);

/* One key and value of a map in a definition. */
struct hgl_pair {
  struct hgl_bytes key, value;
};
int hgl_pair_next(struct hgl_cbor_reader *in, struct hgl_pair *out,
                  struct hgl_err *err) HGL_NODISCARD;
bool hgl_value_is_null(struct hgl_bytes value);
/* A reader over the elements of a list, or the pairs of a map; an empty one of the other kind does,
 * because Lua's {} is both. HGL_MALFORMED, naming the place. */
int hgl_definition_open(struct hgl_bytes value, enum hgl_cbor_kind kind, size_t count_max,
                        const struct hgl_place *place, struct hgl_cbor_reader *in, size_t *count,
                        struct hgl_err *err) HGL_NODISCARD;

/* Reads a field's type. What was made of *out is freed with hgl_rule_deinit, also after a failure.
 */
int hgl_rule_read(struct hgl_bytes value, const struct hgl_place *place, struct hgl_rule *out,
                  struct hgl_err *err) HGL_NODISCARD;
void hgl_rule_deinit(struct hgl_rule *rule);
/* Appends the canonical form. */
void hgl_rule_put(const struct hgl_rule *rule, struct hgl_buf *out);

/* Passes over one value, which must follow the rule: HGL_PROTOCOL_VIOLATION, naming the place. */
int hgl_rule_check(const struct hgl_rule *rule, struct hgl_cbor_reader *in,
                   const struct hgl_place *place, struct hgl_err *err) HGL_NODISCARD;

struct hgl_rule_field {
  struct hgl_bytes name;
  struct hgl_rule rule;
};

struct hgl_message_rule {
  struct hgl_bytes name;         /* the performative */
  bool has_body;                 /* false: anything */
  struct hgl_rule_field *fields; /* in the order of map keys */
  size_t field_count;
  uint64_t replies, follows; /* bit i: the message of index i */
  bool opening;
  uint8_t from;      /* 0: either role; 1, 2: roles[from - 1] */
  int64_t within_ms; /* 0: no deadline */
};

struct hgl_definition {
  uint8_t *source;
  struct hgl_bytes name, version;
  struct hgl_bytes roles[2];
  struct hgl_message_rule messages[HGL_DEFINITION_MESSAGES_MAX]; /* in the order of map keys */
  size_t message_count;
  struct hgl_buf canonical;
  struct hgl_hash digest;
};

#endif
