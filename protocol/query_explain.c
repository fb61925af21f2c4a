/* Why an offer does not match a query: its conditions one by one, as text. */
#include <stdio.h>

#include "protocol/query_tree.h"

enum { SHOWN_SIZE_MAX = 1024 }; /* of one condition */

/* In the order in which they were written: chains are built from the front. */
static size_t members_of(const struct hgl_query *query, uint8_t first,
                         uint8_t out[HGL_QUERY_CONDITIONS_MAX])
{
  size_t count = 0;
  for (uint8_t at = first; at; at = query->nodes[at - 1].next) out[count++] = at;
  for (size_t i = 0; i < count / 2; i++) {
    uint8_t other = out[i];
    out[i] = out[count - 1 - i];
    out[count - 1 - i] = other;
  }
  return count;
}

/* What has to hold together counts one by one. */
static void explain(const struct hgl_query *query, uint8_t first, struct hgl_bytes offer,
                    struct hgl_query_miss *out, size_t max, size_t *count)
{
  uint8_t members[HGL_QUERY_CONDITIONS_MAX];
  size_t member_count = members_of(query, first, members);
  for (size_t i = 0; i < member_count; i++) {
    const struct hgl_query_node *node = &query->nodes[members[i] - 1];
    if (node->op == HGL_QUERY_ALL) {
      explain(query, node->first, offer, out, max, count);
    } else if (!hgl_query_match_node(query, node, offer)) {
      struct hgl_query_miss miss = {.condition = (size_t)members[i] - 1};
      bool field = node->op > HGL_QUERY_NONE && node->path.size;
      miss.has_found = field && hgl_query_find_path(offer, node->path, &miss.found);
      if (node->op == HGL_QUERY_NEAR)
        miss.has_km = hgl_query_distance(node, miss.has_found ? miss.found : offer, &miss.km);
      if (*count < max) out[*count] = miss;
      ++*count;
    }
  }
}

size_t hgl_query_explain(const struct hgl_query *query, struct hgl_bytes offer,
                         struct hgl_query_miss *out, size_t max)
{
  size_t count = 0;
  explain(query, query->where, offer, out, max, &count);
  return count;
}

/* Fields --------------------------------------------------------------------------------------- */

static void add_fields(const struct hgl_query *query, const struct hgl_query_node *node,
                       struct hgl_bytes *out, size_t max, size_t *count)
{
  if (node->op > HGL_QUERY_NONE) {
    size_t i = 0;
    while (i < *count && !hgl_bytes_equal(out[i], node->path)) i++;
    if (node->path.size && i == *count && *count < max) out[(*count)++] = node->path;
    return;
  }
  uint8_t members[HGL_QUERY_CONDITIONS_MAX];
  size_t member_count = members_of(query, node->first, members);
  for (size_t i = 0; i < member_count; i++)
    add_fields(query, &query->nodes[members[i] - 1], out, max, count);
}

size_t hgl_query_fields(const struct hgl_query *query, size_t condition, struct hgl_bytes *out,
                        size_t max)
{
  size_t count = 0;
  add_fields(query, &query->nodes[condition], out, max, &count);
  return count;
}

bool hgl_query_field(struct hgl_bytes offer, struct hgl_bytes path, struct hgl_bytes *out)
{
  return hgl_query_find_path(offer, path, out);
}

/* As text -------------------------------------------------------------------------------------- */

static bool is_plain(struct hgl_bytes text)
{
  static const char *const reserved[] = {"and",  "or",    "not",   "has",  "in",
                                         "near", "order", "limit", "true", "false"};
  for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
    if (hgl_bytes_is(text, reserved[i])) return false;
  for (size_t i = 0; i < text.size; i++) {
    uint8_t byte = text.data[i];
    bool letter = (byte | 0x20) >= 'a' && (byte | 0x20) <= 'z';
    bool other = (byte >= '0' && byte <= '9') || (byte && strchr("._/:+@%-", byte));
    if (!letter && (!other || !i)) return false;
  }
  return text.size > 0;
}

static void put_text(struct hgl_bytes text, struct hgl_buf *out)
{
  if (is_plain(text)) {
    hgl_buf_append_bytes(out, text);
    return;
  }
  hgl_buf_append_byte(out, '"');
  for (size_t i = 0; i < text.size; i++) {
    uint8_t byte = text.data[i];
    if (byte == '"' || byte == '\\' || byte == '\n' || byte == '\t') hgl_buf_append_byte(out, '\\');
    hgl_buf_append_byte(out, byte == '\n' ? 'n' : byte == '\t' ? 't' : byte);
  }
  hgl_buf_append_byte(out, '"');
}

static void put_item(const struct hgl_cbor_item *item, struct hgl_buf *out)
{
  switch (item->kind) {
  case HGL_CBOR_INT:
    hgl_buf_printf(out, "%lld", (long long)item->integer);
    break;
  case HGL_CBOR_DOUBLE:
    hgl_json_put_double(item->number, out);
    break;
  case HGL_CBOR_BOOL:
    hgl_buf_append_text(out, item->boolean ? "true" : "false");
    break;
  case HGL_CBOR_TEXT:
    put_text(item->bytes, out);
    break;
  case HGL_CBOR_BYTES: /* what the text form has no words for */
    hgl_buf_printf(out, "(%zu bytes)", item->bytes.size);
    break;
  default:
    hgl_buf_append_text(out, "(null)");
  }
}

static void put_options(struct hgl_bytes options, struct hgl_buf *out)
{
  struct hgl_cbor_reader in = hgl_cbor_reader(options);
  struct hgl_cbor_item head, option;
  hgl_buf_append_text(out, " in (");
  size_t count = hgl_cbor_next(&in, &head, NULL) ? 0 : head.count;
  for (size_t i = 0; i < count && !hgl_cbor_next(&in, &option, NULL); i++) {
    if (i) hgl_buf_append_text(out, ", ");
    put_item(&option, out);
  }
  hgl_buf_append_byte(out, ')');
}

static void put_near(const struct hgl_query_node *node, struct hgl_buf *out)
{
  hgl_buf_append_text(out, node->path.size ? " near (" : "near (");
  hgl_json_put_double(node->centre.lat, out);
  hgl_buf_append_text(out, ", ");
  hgl_json_put_double(node->centre.lon, out);
  hgl_buf_append_text(out, ", ");
  hgl_json_put_double(node->km, out);
  hgl_buf_append_text(out, "km)");
}

static void put_field(const struct hgl_query_node *node, struct hgl_buf *out)
{
  static const char *const signs[] = {
      [HGL_QUERY_IS] = "=",        [HGL_QUERY_NOT] = "!=",  [HGL_QUERY_AT_MOST] = "<=",
      [HGL_QUERY_AT_LEAST] = ">=", [HGL_QUERY_BELOW] = "<", [HGL_QUERY_ABOVE] = ">"};
  if (node->op == HGL_QUERY_HAS) hgl_buf_append_text(out, node->wanted ? "has " : "not has ");
  if (node->path.size) put_text(node->path, out);
  if (node->op == HGL_QUERY_NEAR) put_near(node, out);
  if (node->op == HGL_QUERY_ONE_OF) put_options(node->value, out);
  if (node->op > HGL_QUERY_ABOVE) return;
  hgl_buf_append_text(out, signs[node->op]);
  put_item(&node->item, out);
}

static void put_node(const struct hgl_query *query, const struct hgl_query_node *node,
                     struct hgl_buf *out)
{
  uint8_t members[HGL_QUERY_CONDITIONS_MAX];
  if (node->op > HGL_QUERY_NONE) {
    put_field(node, out);
    return;
  }
  size_t count = members_of(query, node->first, members);
  bool bare = node->op == HGL_QUERY_NONE && count == 1;
  if (node->op == HGL_QUERY_NONE) hgl_buf_append_text(out, "not ");
  if (!bare) hgl_buf_append_byte(out, '(');
  for (size_t i = 0; i < count; i++) {
    if (i) hgl_buf_append_text(out, node->op == HGL_QUERY_ALL ? " and " : " or ");
    put_node(query, &query->nodes[members[i] - 1], out);
  }
  if (!bare) hgl_buf_append_byte(out, ')');
}

/* Cut at a character's border. */
int hgl_query_show(const struct hgl_query *query, size_t condition, struct hgl_buf *out,
                   struct hgl_err *err)
{
  struct hgl_buf text;
  hgl_buf_init(&text, 8 * HGL_QUERY_SIZE_MAX);
  put_node(query, &query->nodes[condition], &text);
  int status = hgl_buf_check(&text, err);
  size_t size = text.size < SHOWN_SIZE_MAX ? text.size : SHOWN_SIZE_MAX;
  while (size < text.size && size && (text.data[size] & 0xc0) == 0x80) size--;
  if (!status) hgl_buf_append_bytes(out, hgl_bytes(text.data, size));
  if (!status && size < text.size) hgl_buf_append_text(out, "…");
  hgl_buf_deinit(&text);
  return status ? status : hgl_buf_check(out, err);
}
