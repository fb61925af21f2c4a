#include "protocol/query_tree.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/mem.h"

enum { KM_MAX = 20038, PATH_SIZE_MAX = 256 };

static const struct {
  const char *name;
  enum hgl_query_op op;
} field_operators[] = {
    {"is", HGL_QUERY_IS},           {"not", HGL_QUERY_NOT},           {"not_", HGL_QUERY_NOT},
    {"at_most", HGL_QUERY_AT_MOST}, {"at_least", HGL_QUERY_AT_LEAST}, {"below", HGL_QUERY_BELOW},
    {"above", HGL_QUERY_ABOVE},     {"one_of", HGL_QUERY_ONE_OF},     {"has", HGL_QUERY_HAS},
    {"near", HGL_QUERY_NEAR}};

/* Compiling ------------------------------------------------------------------------------------ */

static int HGL_PRINTF(3, 4)
    fail_at(struct hgl_err *err, struct hgl_bytes place, const char *format, ...)
{
  char what[HGL_ERR_MESSAGE_SIZE], shown[HGL_SHOW_SIZE];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(what, sizeof what, format, arguments);
  va_end(arguments);
  return hgl_fail(err, HGL_MALFORMED, "%s: %s", hgl_text_show(place, shown), what);
}

static int node_add(struct hgl_query *query, enum hgl_query_op op, uint8_t *out,
                    struct hgl_err *err)
{
  if (query->node_count == HGL_QUERY_CONDITIONS_MAX)
    return hgl_fail(err, HGL_TOO_LARGE, "a query has at most %d conditions",
                    HGL_QUERY_CONDITIONS_MAX);
  query->nodes[query->node_count].op = op;
  *out = (uint8_t)++query->node_count;
  return 0;
}

/* The members of a list, or the pairs of a map. */
static int open_container(struct hgl_bytes value, enum hgl_cbor_kind kind, struct hgl_bytes place,
                          struct hgl_cbor_reader *in, size_t *count, struct hgl_err *err)
{
  struct hgl_cbor_reader reader = hgl_cbor_reader(value);
  struct hgl_cbor_item item;
  char shown[HGL_SHOW_SIZE];
  int status = hgl_cbor_next(&reader, &item, err);
  if (status) return status;
  if (!hgl_item_opens(&item, kind))
    return fail_at(err, place, "%s is expected, got %s", kind == HGL_CBOR_LIST ? "a list" : "a map",
                   hgl_value_show(value, shown));
  *in = reader;
  *count = item.count;
  return 0;
}

static int read_scalar(struct hgl_bytes value, struct hgl_bytes place, struct hgl_cbor_item *out,
                       struct hgl_err *err)
{
  struct hgl_cbor_reader in = hgl_cbor_reader(value);
  struct hgl_cbor_item item;
  char shown[HGL_SHOW_SIZE];
  int status = hgl_cbor_next(&in, &item, err);
  if (status) return status;
  if (hgl_item_is_container(&item))
    return fail_at(err, place, "cannot be compared with %s; for several values use one_of",
                   hgl_value_show(value, shown));
  *out = item;
  return 0;
}

static int read_near(struct hgl_bytes value, struct hgl_bytes place, struct hgl_query_node *node,
                     struct hgl_err *err)
{
  double numbers[3];
  struct hgl_cbor_reader in;
  size_t count = 0;
  int status = open_container(value, HGL_CBOR_LIST, place, &in, &count, err);
  if (status) return status;
  if (count != 3) return fail_at(err, place, "near takes latitude, longitude and kilometres");
  for (size_t i = 0; i < 3; i++) {
    struct hgl_cbor_item item;
    if ((status = hgl_cbor_next(&in, &item, err))) return status;
    if (!hgl_query_item_number(&item, &numbers[i]))
      return fail_at(err, place, "near takes three numbers: latitude, longitude, kilometres");
  }
  if (fabs(numbers[0]) > 90 || fabs(numbers[1]) > 180 || numbers[2] < 0 || numbers[2] > KM_MAX)
    return fail_at(err, place, "near takes -90 to 90, -180 to 180 and 0 to %d km", KM_MAX);
  node->centre = (struct hgl_query_point){numbers[0], numbers[1]};
  node->km = numbers[2];
  return 0;
}

static int read_options(struct hgl_bytes value, struct hgl_bytes place, struct hgl_err *err)
{
  struct hgl_cbor_reader in;
  size_t count = 0;
  int status = open_container(value, HGL_CBOR_LIST, place, &in, &count, err);
  if (status) return status;
  if (count > HGL_QUERY_OPTIONS_MAX)
    return fail_at(err, place, "one_of names at most %d values", HGL_QUERY_OPTIONS_MAX);
  for (; !status && count; count--) {
    struct hgl_bytes option;
    struct hgl_cbor_item item;
    if (!(status = hgl_cbor_get_value(&in, "option", &option, err)))
      status = read_scalar(option, place, &item, err);
  }
  return status;
}

static int read_operand(struct hgl_bytes value, struct hgl_bytes path, struct hgl_query_node *node,
                        struct hgl_err *err)
{
  int status;
  node->path = path;
  node->value = value;
  switch (node->op) {
  case HGL_QUERY_NEAR:
    return read_near(value, path, node, err);
  case HGL_QUERY_ONE_OF:
    return read_options(value, path, err);
  case HGL_QUERY_HAS:
    if ((status = read_scalar(value, path, &node->item, err))) return status;
    if (node->item.kind != HGL_CBOR_BOOL) return fail_at(err, path, "has takes true or false");
    node->wanted = node->item.boolean;
    return 0;
  case HGL_QUERY_IS:
  case HGL_QUERY_NOT:
    return read_scalar(value, path, &node->item, err);
  default:
    if ((status = read_scalar(value, path, &node->item, err))) return status;
    if (!hgl_item_is_number(&node->item) && node->item.kind != HGL_CBOR_TEXT)
      return fail_at(err, path, "only numbers and texts have an order");
    return 0;
  }
}

static int check_path(struct hgl_bytes path, struct hgl_err *err)
{
  bool empty_part = !path.size || path.data[path.size - 1] == '.';
  for (size_t i = 0; i < path.size; i++)
    if (path.data[i] == '.' && (!i || path.data[i - 1] == '.')) empty_part = true;
  if (empty_part || path.size > PATH_SIZE_MAX)
    return fail_at(err, path, "a field is a path of names with dots between, up to %d bytes",
                   PATH_SIZE_MAX);
  return 0;
}

/* Puts a new condition at the front of a chain. */
static int chain_add(struct hgl_query *query, enum hgl_query_op op, uint8_t *chain,
                     struct hgl_query_node **out, struct hgl_err *err)
{
  uint8_t added = 0;
  int status = node_add(query, op, &added, err);
  if (status) return status;
  *out = &query->nodes[added - 1];
  (*out)->next = *chain;
  *chain = added;
  return 0;
}

/* FIELD = scalar, or FIELD = { op = … }. */
static int read_field(struct hgl_query *query, struct hgl_bytes path, struct hgl_bytes value,
                      uint8_t *chain, struct hgl_err *err)
{
  struct hgl_cbor_reader in = hgl_cbor_reader(value);
  struct hgl_cbor_item head;
  struct hgl_query_node *node;
  int status;
  if ((status = check_path(path, err)) || (status = hgl_cbor_next(&in, &head, err))) return status;
  if (head.kind != HGL_CBOR_MAP) {
    if ((status = chain_add(query, HGL_QUERY_IS, chain, &node, err))) return status;
    return read_operand(value, path, node, err);
  }
  if (!head.count) return fail_at(err, path, "names neither a value nor an operator");
  for (size_t left = head.count; left; left--) {
    struct hgl_bytes name, operand;
    char shown[HGL_SHOW_SIZE];
    if ((status = hgl_cbor_get_text(&in, "operator", HGL_QUERY_SIZE_MAX, &name, err)) ||
        (status = hgl_cbor_get_value(&in, "operand", &operand, err)))
      return status;
    size_t i = 0, known = sizeof field_operators / sizeof field_operators[0];
    while (i < known && !hgl_bytes_is(name, field_operators[i].name)) i++;
    if (i == known)
      return fail_at(err, path,
                     "unknown operator '%s'; there are is, not_, at_most, at_least, below, above, "
                     "one_of, has, near",
                     hgl_text_show(name, shown));
    if ((status = chain_add(query, field_operators[i].op, chain, &node, err)) ||
        (status = read_operand(operand, path, node, err)))
      return status;
  }
  return 0;
}

static bool is_list(struct hgl_bytes value)
{
  struct hgl_cbor_reader in = hgl_cbor_reader(value);
  struct hgl_cbor_item item;
  return !hgl_cbor_next(&in, &item, NULL) && hgl_item_opens(&item, HGL_CBOR_LIST);
}

static int read_condition(struct hgl_query *query, struct hgl_bytes value, struct hgl_bytes place,
                          int depth, uint8_t *chain, struct hgl_err *err);

/* all, any or none: a node whose members are groups of conditions. */
static int read_group(struct hgl_query *query, enum hgl_query_op op, struct hgl_bytes value,
                      struct hgl_bytes place, int depth, uint8_t *chain, struct hgl_err *err)
{
  struct hgl_cbor_reader in;
  struct hgl_query_node *group;
  size_t count = 0;
  int status;
  if (depth == HGL_QUERY_DEPTH_MAX)
    return hgl_fail(err, HGL_TOO_DEEP, "conditions nested deeper than %d", HGL_QUERY_DEPTH_MAX);
  if ((status = open_container(value, HGL_CBOR_LIST, place, &in, &count, err)) ||
      (status = chain_add(query, op, chain, &group, err)))
    return status;
  for (; count; count--) {
    struct hgl_bytes member;
    uint8_t inner = 0;
    if ((status = hgl_cbor_get_value(&in, "condition", &member, err)) ||
        (status = read_condition(query, member, place, depth + 1, &inner, err)))
      return status;
    if (inner && !query->nodes[inner - 1].next) {
      query->nodes[inner - 1].next = group->first;
      group->first = inner;
    } else { /* none or several in one map: they hold together */
      struct hgl_query_node *all;
      if ((status = chain_add(query, HGL_QUERY_ALL, &group->first, &all, err))) return status;
      all->first = inner;
    }
  }
  return 0;
}

static int read_condition(struct hgl_query *query, struct hgl_bytes value, struct hgl_bytes place,
                          int depth, uint8_t *chain, struct hgl_err *err)
{
  struct hgl_cbor_reader in;
  size_t count = 0;
  int status = open_container(value, HGL_CBOR_MAP, place, &in, &count, err);
  for (; !status && count; count--) {
    struct hgl_bytes key, content;
    struct hgl_query_node *node;
    if ((status = hgl_cbor_get_text(&in, "field", HGL_QUERY_SIZE_MAX, &key, err)) ||
        (status = hgl_cbor_get_value(&in, "condition", &content, err)))
      break;
    bool listed = is_list(content);
    if (listed && hgl_bytes_is(key, "all")) {
      status = read_group(query, HGL_QUERY_ALL, content, key, depth, chain, err);
    } else if (listed && hgl_bytes_is(key, "any")) {
      status = read_group(query, HGL_QUERY_ANY, content, key, depth, chain, err);
    } else if (listed && hgl_bytes_is(key, "none")) {
      status = read_group(query, HGL_QUERY_NONE, content, key, depth, chain, err);
    } else if (listed && hgl_bytes_is(key, "near")) {
      if (!(status = chain_add(query, HGL_QUERY_NEAR, chain, &node, err)))
        status = read_near(content, key, node, err);
    } else {
      status = read_field(query, key, content, chain, err);
    }
  }
  return status;
}

static int read_order(struct hgl_query *query, struct hgl_bytes value, struct hgl_err *err)
{
  struct hgl_cbor_reader in = hgl_cbor_reader(value);
  struct hgl_bytes path;
  int status = hgl_cbor_get_text(&in, "order", PATH_SIZE_MAX, &path, err);
  if (status) return status;
  query->descending = path.size && path.data[0] == '-';
  query->order = hgl_bytes(path.data + query->descending, path.size - query->descending);
  return check_path(query->order, err);
}

static int read_limit(struct hgl_query *query, struct hgl_bytes value, struct hgl_err *err)
{
  struct hgl_cbor_reader in = hgl_cbor_reader(value);
  int64_t limit;
  int status = hgl_cbor_get_int(&in, "limit", &limit, err);
  if (status) return status;
  if (limit < 1 || limit > HGL_QUERY_LIMIT_MAX)
    return fail_at(err, hgl_text("limit"), "1 to %d is expected, got %lld", HGL_QUERY_LIMIT_MAX,
                   (long long)limit);
  query->limit = (size_t)limit;
  return 0;
}

static int read_query(struct hgl_query *query, struct hgl_bytes value, struct hgl_err *err)
{
  struct hgl_cbor_reader in;
  size_t count = 0;
  uint8_t chain = 0;
  int status = hgl_value_check(value, err);
  if (!status) status = open_container(value, HGL_CBOR_MAP, hgl_text("query"), &in, &count, err);
  if (status) return status;
  for (; !status && count; count--) {
    struct hgl_bytes key, content;
    char shown[HGL_SHOW_SIZE];
    if ((status = hgl_cbor_get_text(&in, "key", HGL_QUERY_SIZE_MAX, &key, err)) ||
        (status = hgl_cbor_get_value(&in, "part of a query", &content, err)))
      break;
    if (hgl_bytes_is(key, "service") || hgl_bytes_is(key, "protocol"))
      status = read_field(query, key, content, &chain, err);
    else if (hgl_bytes_is(key, "where"))
      status = read_condition(query, content, key, 0, &chain, err);
    else if (hgl_bytes_is(key, "order"))
      status = read_order(query, content, err);
    else if (hgl_bytes_is(key, "limit"))
      status = read_limit(query, content, err);
    else
      status = fail_at(err, hgl_text("query"),
                       "unknown key '%s'; a query has service, protocol, where, order, limit: "
                       "other fields go into where",
                       hgl_text_show(key, shown));
  }
  query->where = chain;
  return status;
}

/* A service that is asked for outside of any and none. */
static struct hgl_bytes find_service(const struct hgl_query *query, uint8_t chain)
{
  struct hgl_bytes service = {NULL, 0};
  for (uint8_t at = chain; at && !service.size; at = query->nodes[at - 1].next) {
    const struct hgl_query_node *node = &query->nodes[at - 1];
    if (node->op == HGL_QUERY_ALL) service = find_service(query, node->first);
    if (node->op == HGL_QUERY_IS && node->item.kind == HGL_CBOR_TEXT &&
        hgl_bytes_is(node->path, "service"))
      service = node->item.bytes;
  }
  return service;
}

int hgl_query_create(struct hgl_bytes value, struct hgl_query **out, struct hgl_err *err)
{
  if (value.size > HGL_QUERY_SIZE_MAX)
    return hgl_fail(err, HGL_TOO_LARGE, "query of %zu bytes, limit %d", value.size,
                    HGL_QUERY_SIZE_MAX);
  struct hgl_query *query = hgl_zalloc(sizeof *query);
  if (!query) return hgl_fail(err, HGL_NO_MEMORY, "no memory for a query");
  int status;
  query->limit = HGL_QUERY_LIMIT_DEFAULT;
  query->source = hgl_memdup(value.data, value.size);
  if (!query->source)
    status = hgl_fail(err, HGL_NO_MEMORY, "no memory for a query");
  else
    status = read_query(query, hgl_bytes(query->source, value.size), err);
  if (status) {
    hgl_query_destroy(query);
    return status;
  }
  query->service = find_service(query, query->where);
  *out = query;
  return 0;
}

void hgl_query_destroy(struct hgl_query *query)
{
  if (!query) return;
  hgl_free(query->source);
  hgl_free(query);
}

size_t hgl_query_limit(const struct hgl_query *query)
{
  return query->limit;
}

struct hgl_bytes hgl_query_service(const struct hgl_query *query)
{
  return query->service;
}

bool hgl_query_is_ordered(const struct hgl_query *query)
{
  return query->order.size > 0;
}
