// uses: hgl_protocol
/* The input as text and as a value; what compiles is put to offers. */
#include <stdlib.h>

#include "protocol/query.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* {lat: 47.5, lon: 15, price: 4, region: "at", hw: {cpu: "zen"}, service: "w"} and {} */
static const char offer[] = "\xa6\x62hw\xa1\x63"
                            "cpu\x63zen\x63lat\xf9\x51\xf0\x63lon\x0f\x65price\x04"
                            "\x66region\x62"
                            "at\x67service\x61w";
static const char nothing[] = "\xa0";

/* What is explained is what does not match, and each reason can be shown. */
static void explain(struct hgl_query *query, struct hgl_bytes value)
{
  struct hgl_query_miss misses[HGL_QUERY_CONDITIONS_MAX];
  struct hgl_bytes fields[4];
  struct hgl_buf text;
  struct hgl_err err;
  size_t count = hgl_query_explain(query, value, misses, HGL_QUERY_CONDITIONS_MAX);
  if ((count == 0) != hgl_query_match(query, value) || count > HGL_QUERY_CONDITIONS_MAX) abort();
  for (size_t i = 0; i < count; i++) {
    hgl_buf_init(&text, HGL_QUERY_SIZE_MAX);
    if (hgl_query_show(query, misses[i].condition, &text, &err)) abort();
    if (!hgl_utf8_valid(hgl_buf_bytes(&text))) abort();
    hgl_buf_deinit(&text);
    (void)hgl_query_fields(query, misses[i].condition, fields, 4);
  }
}

static void put(struct hgl_query *query)
{
  const struct hgl_bytes a = hgl_bytes(offer, sizeof offer - 1);
  const struct hgl_bytes b = hgl_bytes(nothing, sizeof nothing - 1);
  explain(query, a);
  explain(query, b);
  (void)hgl_query_compare(query, a, b);
  hgl_query_destroy(query);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  struct hgl_err err;
  struct hgl_query *query;
  if (hgl_query_parse(hgl_bytes(data, size), &query, &err) == 0) put(query);
  if (hgl_query_create(hgl_bytes(data, size), &query, &err) == 0) put(query);
  return 0;
}
