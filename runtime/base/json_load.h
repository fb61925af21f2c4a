/* json_load.h: jansson's reader, for where requests for memory may be refused.
 *
 * jansson 2.14 does not stand a refusal everywhere in its lexer: it runs into assertions, or writes
 * where it must not. Any thread may call this; nothing else of this tree reads JSON with jansson
 * outside the tests. */
#ifndef HGL_BASE_JSON_LOAD_H
#define HGL_BASE_JSON_LOAD_H

#include <jansson.h>
#include <stdbool.h>

/* As json_loadb of jansson, with its flags: a new reference, or NULL and the reason in `error` (may
 * be NULL). `*refused`: memory was short, so that nothing is known of the text. */
json_t *hgl_json_load(const char *text, size_t size, size_t flags, bool *refused,
                      json_error_t *error);

#endif
