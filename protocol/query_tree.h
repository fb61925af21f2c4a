/* The compiled form of a query: built by query.c, read by query_match.c and query_explain.c. Others
 * use protocol/query.h. */
#ifndef HGL_PROTOCOL_QUERY_TREE_H
#define HGL_PROTOCOL_QUERY_TREE_H

#include "protocol/query.h"
#include "protocol/scalar.h"

enum hgl_query_op {
  HGL_QUERY_ALL,
  HGL_QUERY_ANY,
  HGL_QUERY_NONE, /* up to here of groups; behind them of fields */
  HGL_QUERY_IS,
  HGL_QUERY_NOT,
  HGL_QUERY_AT_MOST,
  HGL_QUERY_AT_LEAST,
  HGL_QUERY_BELOW,
  HGL_QUERY_ABOVE,
  HGL_QUERY_ONE_OF,
  HGL_QUERY_HAS,
  HGL_QUERY_NEAR,
};

struct hgl_query_point {
  double lat, lon; /* degrees */
};

/* Nodes lie in one array; a group's members are a chain from `first` through `next`. */
struct hgl_query_node {
  enum hgl_query_op op;
  uint8_t first, next;           /* index + 1; 0: none */
  struct hgl_bytes path;         /* of the field; size 0 with HGL_QUERY_NEAR: the offer itself */
  struct hgl_bytes value;        /* the encoded literal, or list of literals */
  struct hgl_cbor_item item;     /* the literal, decoded */
  bool wanted;                   /* HGL_QUERY_HAS */
  struct hgl_query_point centre; /* HGL_QUERY_NEAR */
  double km;
};

struct hgl_query {
  uint8_t *source; /* what the slices point into */
  struct hgl_query_node nodes[HGL_QUERY_CONDITIONS_MAX];
  size_t node_count;
  uint8_t where; /* index + 1; 0: everything matches */
  struct hgl_bytes service;
  struct hgl_bytes order; /* path; size 0: none */
  bool descending;
  size_t limit;
};

bool hgl_query_item_number(const struct hgl_cbor_item *item, double *out);
/* What stands at a dotted path of an offer; false: nothing does. */
bool hgl_query_find_path(struct hgl_bytes offer, struct hgl_bytes path, struct hgl_bytes *out);
/* Without a look at its fellows. */
bool hgl_query_match_node(const struct hgl_query *query, const struct hgl_query_node *node,
                          struct hgl_bytes offer);
/* From the node's centre to a place, {lat, lon}; false: it is none. */
bool hgl_query_distance(const struct hgl_query_node *node, struct hgl_bytes place, double *km);

#endif
