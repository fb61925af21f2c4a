/* Queries over adverts. The same language in Lua tables, JSON and on the command line:
 *
 *   as a value: { service = "weather", protocol = "weather/1.0", where = CONDITION, order = "price"
 *                 (or "-price"), limit = 3 }
 *   CONDITION: { FIELD = literal,                        equal
 *                FIELD = { at_most=, at_least=, below=, above=, one_of = {…}, not_ = literal,
 *                          has = bool, near = { lat, lon, km } } ,
 *                all = { CONDITION… }, any = { CONDITION… }, none = { CONDITION… } }   (fields: and)
 *   as text:   service=weather price<=4 region in (at,de) not cpu=slow (a=1 or b=2)
 *              near(47.07,15.44,30km) order price limit 3
 *
 * FIELD is a dotted path into the advert's attributes. Unlike kinds never match and never order.
 * Pure; any thread. */
#ifndef HGL_PROTOCOL_QUERY_H
#define HGL_PROTOCOL_QUERY_H

#include "protocol/value.h"

enum {
  HGL_QUERY_CONDITIONS_MAX = 64,
  HGL_QUERY_LIMIT_MAX = 1000,
  HGL_QUERY_LIMIT_DEFAULT = 100,
  HGL_QUERY_TEXT_SIZE_MAX = 4096,
};

struct hgl_query; /* compiled */

/* HGL_MALFORMED, naming the place and what was expected. */
int hgl_query_create(struct hgl_bytes value, struct hgl_query **out, struct hgl_err *err)
    HGL_NODISCARD;
/* Text → the same compiled query. */
int hgl_query_parse(struct hgl_bytes text, struct hgl_query **out, struct hgl_err *err)
    HGL_NODISCARD;
void hgl_query_destroy(struct hgl_query *query);
size_t hgl_query_limit(const struct hgl_query *query);
/* `offer`: one offer of an advert (a checked map value: service, protocol, attributes…). */
bool hgl_query_match(const struct hgl_query *query, struct hgl_bytes offer);
/* Order of two matching offers: < 0, 0, > 0; those without the field come last. */
int hgl_query_compare(const struct hgl_query *query, struct hgl_bytes a, struct hgl_bytes b);

#endif
