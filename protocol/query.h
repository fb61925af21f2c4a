/* Queries over adverts. The same language in Lua tables, JSON and on the command line:
 *
 *   as a value: { service = "weather", protocol = "weather/1.0", where = CONDITION, order = "price"
 *                 (or "-price"), limit = 3 }
 *   CONDITION: { FIELD = scalar,                         equal
 *                FIELD = { at_most=, at_least=, below=, above=, one_of = {…}, is = scalar,
 *                          not_ = scalar (also "not"), has = bool, near = { lat, lon, km } },
 *                near = { lat, lon, km },                by the fields lat and lon
 *                all = { CONDITION… }, any = { CONDITION… }, none = { CONDITION… } }   (fields:
 * and) as text:   service=weather price<=4 region in (at,de) not cpu=slow (a=1 or b=2) has gpu
 *              place near (47.07,15.44,30km) near(47.07,15.44,30km) order -price limit 3
 *
 * FIELD is a dotted path into the offer. Unlike kinds never match and never order; an integer and a
 * double compare by their values (4 = 4.0). `not_` and != are the negation of equal: true also for
 * offers without the field. Text forms: words of letters, digits and . _ / : - + @ % stand for
 * themselves (numbers, true and false for what they say), anything else is "quoted" or 'quoted'
 * with
 * \\ \" \' \n \t; `and` may stand between terms. Pure; any thread. */
#ifndef HGL_PROTOCOL_QUERY_H
#define HGL_PROTOCOL_QUERY_H

#include "protocol/value.h"

enum {
  HGL_QUERY_CONDITIONS_MAX = 64,  /* all, any and none counted as well */
  HGL_QUERY_DEPTH_MAX = 8,        /* all, any and none within one another; parentheses and not */
  HGL_QUERY_OPTIONS_MAX = 256,    /* of one one_of */
  HGL_QUERY_SIZE_MAX = 16 * 1024, /* as a value */
  HGL_QUERY_LIMIT_MAX = 1000,
  HGL_QUERY_LIMIT_DEFAULT = 100,
  HGL_QUERY_TEXT_SIZE_MAX = 4096,
};

struct hgl_query; /* compiled */

/* HGL_MALFORMED, naming the place and what was expected; HGL_TOO_LARGE, HGL_TOO_DEEP. */
int hgl_query_create(struct hgl_bytes value, struct hgl_query **out,
                     struct hgl_err *err) HGL_NODISCARD;
/* Text → the same compiled query. Errors name the column, in bytes from 1. */
int hgl_query_parse(struct hgl_bytes text, struct hgl_query **out,
                    struct hgl_err *err) HGL_NODISCARD;
void hgl_query_destroy(struct hgl_query *query);
size_t hgl_query_limit(const struct hgl_query *query);
/* The service that every match has, so that an index can serve; size 0: any. */
struct hgl_bytes hgl_query_service(const struct hgl_query *query);
/* `offer`: one offer of an advert (a checked map value: service, protocol, attributes…). */
bool hgl_query_match(const struct hgl_query *query, struct hgl_bytes offer);
/* Why it does not match: one condition of those that have to hold together, as a rule of one field;
 * `any` and `none` are one condition each. */
struct hgl_query_miss {
  size_t condition;       /* for hgl_query_show */
  struct hgl_bytes found; /* what the offer has in the field, a slice of it; if it has the field: */
  double km;              /* of near: how far away it is; if that can be said: */
  bool has_found, has_km;
};
/* The conditions that fail, the first `max` of them in the order of the query; gives how many there
 * are. 0 exactly where the offer matches. */
size_t hgl_query_explain(const struct hgl_query *query, struct hgl_bytes offer,
                         struct hgl_query_miss *out, size_t max);
/* Appends a condition in the form of text; a long one is cut. */
int hgl_query_show(const struct hgl_query *query, size_t condition, struct hgl_buf *out,
                   struct hgl_err *err) HGL_NODISCARD;
/* The fields that a condition is about, at most `max`, none twice: slices of the query. */
size_t hgl_query_fields(const struct hgl_query *query, size_t condition, struct hgl_bytes *out,
                        size_t max);
/* What an offer has at such a path; false: nothing. */
bool hgl_query_field(struct hgl_bytes offer, struct hgl_bytes path, struct hgl_bytes *out);
/* Order of two matching offers: < 0, 0, > 0; those without the field come last. */
bool hgl_query_is_ordered(const struct hgl_query *query);
int hgl_query_compare(const struct hgl_query *query, struct hgl_bytes a, struct hgl_bytes b);

#endif
