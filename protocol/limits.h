/* Every limit that two hosts must agree on, with its unit. SPEC.md repeats them; tests stand at
 * each and one past it. */
#ifndef HGL_PROTOCOL_LIMITS_H
#define HGL_PROTOCOL_LIMITS_H

#include <stdint.h>

/* Sequences, envelope numbers and times in ms: what a JSON number holds exactly. */
#define HGL_COUNTER_MAX ((UINT64_C(1) << 53) - 1)

enum {
  HGL_VALUE_DEPTH_MAX = 32,        /* nested lists and maps in a body */
  HGL_VALUE_ITEMS_MAX = 65536,     /* values in one body, keys not counted */
  HGL_BODY_SIZE_MAX = 1024 * 1024, /* bytes of an encoded body */
  HGL_ENVELOPE_SIZE_MAX = 1024 * 1024 + 4096,
  HGL_ENVELOPE_FIELDS_MAX = 64, /* keys of one envelope, unknown ones included */
  HGL_TYPE_SIZE_MAX = 128,      /* bytes of protocol/version/performative */
  HGL_NAME_SIZE_MAX = 64,       /* bytes of one part of a type, of a field, of an agent */
  HGL_TRACEPARENT_SIZE_MAX = 64,
  HGL_URL_SIZE_MAX = 256,
  HGL_DELEGATION_SIZE_MAX = 1024,
  HGL_HEADER_SIZE_MAX = 1024,
  HGL_GROUP_LEAF_SIZE_MAX = 256,
  HGL_GROUP_COUNT_MAX = 65536,          /* groups of one header */
  HGL_GROUP_ENVELOPES_MAX = 4096,       /* envelopes of one group */
  HGL_GROUP_SIZE_MAX = 4 * 1024 * 1024, /* bytes of the envelopes of one group */
  HGL_PATH_MAX = 16,                    /* hashes of one inclusion path: 2^16 leaves */
  HGL_EVIDENCE_SIZE_MAX = HGL_ENVELOPE_SIZE_MAX + 8192,
  HGL_FRAME_SIZE_MAX = HGL_GROUP_SIZE_MAX + 256 * 1024,
  HGL_CLOCK_SKEW_MAX_MS = 2 * 60 * 1000,
  HGL_DELEGATION_LIFE_MAX_S = 7 * 24 * 3600,
  HGL_LEASE_LIFE_MAX_MS = 3600 * 1000,
};

#endif
