/* What matches a query, and in which order. */
#include <math.h>

#include "protocol/query_tree.h"

#define EARTH_RADIUS_KM 6371.0088 /* the mean radius R1 of GRS 80 */

bool hgl_query_item_number(const struct hgl_cbor_item *item, double *out)
{
  if (!hgl_item_is_number(item)) return false;
  *out = item->kind == HGL_CBOR_INT ? (double)item->integer : item->number;
  return true;
}

static bool find_key(struct hgl_bytes map, struct hgl_bytes key, struct hgl_bytes *out)
{
  struct hgl_cbor_reader in = hgl_cbor_reader(map);
  struct hgl_cbor_item head;
  if (hgl_cbor_next(&in, &head, NULL) || head.kind != HGL_CBOR_MAP) return false;
  for (size_t i = 0; i < head.count; i++) {
    struct hgl_bytes name;
    const uint8_t *start;
    if (hgl_cbor_get_text(&in, "key", SIZE_MAX, &name, NULL)) return false;
    start = in.at;
    if (hgl_value_skip(&in, NULL)) return false;
    if (!hgl_bytes_equal(name, key)) continue;
    *out = hgl_bytes(start, (size_t)(in.at - start));
    return true;
  }
  return false;
}

bool hgl_query_find_path(struct hgl_bytes offer, struct hgl_bytes path, struct hgl_bytes *out)
{
  struct hgl_bytes value = offer;
  while (path.size) {
    const uint8_t *dot = memchr(path.data, '.', path.size);
    size_t size = dot ? (size_t)(dot - path.data) : path.size;
    if (!find_key(value, hgl_bytes(path.data, size), &value)) return false;
    size_t used = dot ? size + 1 : size;
    path = hgl_bytes(path.data + used, path.size - used);
  }
  *out = value;
  return true;
}

static bool read_item(struct hgl_bytes value, struct hgl_cbor_item *out)
{
  struct hgl_cbor_reader in = hgl_cbor_reader(value);
  return hgl_cbor_next(&in, out, NULL) == 0;
}

static bool items_equal(const struct hgl_cbor_item *a, const struct hgl_cbor_item *b)
{
  if (hgl_item_is_number(a) && hgl_item_is_number(b)) return hgl_number_compare(a, b) == 0;
  if (a->kind != b->kind) return false;
  switch (a->kind) {
  case HGL_CBOR_TEXT:
  case HGL_CBOR_BYTES:
    return hgl_bytes_equal(a->bytes, b->bytes);
  case HGL_CBOR_BOOL:
    return a->boolean == b->boolean;
  default:
    return a->kind == HGL_CBOR_NULL;
  }
}

/* False where the two have no order. */
static bool items_order(const struct hgl_cbor_item *a, const struct hgl_cbor_item *b, int *out)
{
  if (hgl_item_is_number(a) && hgl_item_is_number(b))
    *out = hgl_number_compare(a, b);
  else if (a->kind == HGL_CBOR_TEXT && b->kind == HGL_CBOR_TEXT)
    *out = hgl_bytes_compare(a->bytes, b->bytes);
  else
    return false;
  return true;
}

static bool is_one_of(const struct hgl_cbor_item *item, struct hgl_bytes options)
{
  struct hgl_cbor_reader in = hgl_cbor_reader(options);
  struct hgl_cbor_item head, option;
  if (hgl_cbor_next(&in, &head, NULL)) return false;
  for (size_t i = 0; i < head.count; i++) {
    if (hgl_cbor_next(&in, &option, NULL)) return false;
    if (items_equal(item, &option)) return true;
  }
  return false;
}

static bool read_coordinate(struct hgl_bytes place, const char *name, double *out)
{
  struct hgl_bytes value;
  struct hgl_cbor_item item;
  return find_key(place, hgl_text(name), &value) && read_item(value, &item) &&
         hgl_query_item_number(&item, out);
}

/* The haversine formula. */
static double distance_km(struct hgl_query_point a, struct hgl_query_point b)
{
  const double radians = M_PI / 180;
  double lat = sin((b.lat - a.lat) * radians / 2), lon = sin((b.lon - a.lon) * radians / 2);
  double h = lat * lat + cos(a.lat * radians) * cos(b.lat * radians) * lon * lon;
  return 2 * EARTH_RADIUS_KM * asin(sqrt(fmin(1, h)));
}

bool hgl_query_distance(const struct hgl_query_node *node, struct hgl_bytes place, double *km)
{
  struct hgl_query_point at;
  if (!read_coordinate(place, "lat", &at.lat) || !read_coordinate(place, "lon", &at.lon))
    return false;
  if (fabs(at.lat) > 90 || fabs(at.lon) > 180) return false;
  *km = distance_km(node->centre, at);
  return true;
}

static bool is_near(const struct hgl_query_node *node, struct hgl_bytes place)
{
  double km;
  return hgl_query_distance(node, place, &km) && km <= node->km;
}

static bool match_field(const struct hgl_query_node *node, struct hgl_bytes offer)
{
  struct hgl_bytes value;
  struct hgl_cbor_item item;
  int order;
  bool found = hgl_query_find_path(offer, node->path, &value) && read_item(value, &item);
  if (node->op == HGL_QUERY_HAS) return found == node->wanted;
  if (node->op == HGL_QUERY_NOT) return !found || !items_equal(&item, &node->item);
  if (!found) return false;
  if (node->op == HGL_QUERY_IS) return items_equal(&item, &node->item);
  if (node->op == HGL_QUERY_ONE_OF) return is_one_of(&item, node->value);
  if (node->op == HGL_QUERY_NEAR) return is_near(node, value);
  if (!items_order(&item, &node->item, &order)) return false;
  switch (node->op) {
  case HGL_QUERY_AT_MOST:
    return order <= 0;
  case HGL_QUERY_AT_LEAST:
    return order >= 0;
  case HGL_QUERY_BELOW:
    return order < 0;
  default:
    return order > 0;
  }
}

bool hgl_query_match_node(const struct hgl_query *query, const struct hgl_query_node *node,
                          struct hgl_bytes offer)
{
  if (node->op > HGL_QUERY_NONE) return match_field(node, offer);
  /* all stops at the first miss; any and none at the first hit. */
  bool stop_at = node->op != HGL_QUERY_ALL;
  for (uint8_t at = node->first; at; at = query->nodes[at - 1].next)
    if (hgl_query_match_node(query, &query->nodes[at - 1], offer) == stop_at)
      return node->op == HGL_QUERY_ANY;
  return node->op != HGL_QUERY_ANY;
}

bool hgl_query_match(const struct hgl_query *query, struct hgl_bytes offer)
{
  for (uint8_t at = query->where; at; at = query->nodes[at - 1].next)
    if (!hgl_query_match_node(query, &query->nodes[at - 1], offer)) return false;
  return true;
}

/* Numbers before texts before what has no order. */
static int order_rank(const struct hgl_query *query, struct hgl_bytes offer,
                      struct hgl_cbor_item *item)
{
  struct hgl_bytes value;
  if (!hgl_query_find_path(offer, query->order, &value) || !read_item(value, item)) return 2;
  if (hgl_item_is_number(item)) return 0;
  return item->kind == HGL_CBOR_TEXT ? 1 : 2;
}

int hgl_query_compare(const struct hgl_query *query, struct hgl_bytes a, struct hgl_bytes b)
{
  if (!query->order.size) return 0;
  struct hgl_cbor_item a_item, b_item;
  int a_rank = order_rank(query, a, &a_item), b_rank = order_rank(query, b, &b_item), order = 0;
  if (a_rank != b_rank) return a_rank < b_rank ? -1 : 1;
  if (a_rank < 2) (void)items_order(&a_item, &b_item, &order);
  return query->descending ? -order : order;
}
