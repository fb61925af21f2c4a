/* Lease: how long a host's adverts may be believed, in one small record for all of them. A
 * COSE_Sign1 by the host, of type "application/haggle-lease+cbor", over 1 host (key)   2 version
 * (of the same host, the higher one holds)   3 until (ms) 4 urls (list of text: where the host
 * listens, ws:// or wss://, the best first) A lease runs at most HGL_LEASE_LIFE_MAX_MS ahead of the
 * reader's clock. Pure; any thread. */
#ifndef HGL_PROTOCOL_LEASE_H
#define HGL_PROTOCOL_LEASE_H

#include "protocol/cose.h"
#include "protocol/limits.h"

enum {
  HGL_LEASE_URLS_MAX = 8,
  HGL_LEASE_SIZE_MAX = HGL_LEASE_URLS_MAX * (HGL_URL_SIZE_MAX + 3) + 256,
};

struct hgl_lease {
  struct hgl_key host;
  uint64_t version; /* at most HGL_COUNTER_MAX */
  int64_t until_ms;
  size_t url_count;
  struct hgl_bytes urls[HGL_LEASE_URLS_MAX];
};

/* ws://… or wss://…, printable ASCII without spaces, at most HGL_URL_SIZE_MAX bytes. HGL_MALFORMED,
 * HGL_TOO_LARGE. */
int hgl_url_check(struct hgl_bytes url, struct hgl_err *err) HGL_NODISCARD;

/* lease->host must be the signer's key. Appends. */
int hgl_lease_sign(const struct hgl_signer *host, const struct hgl_lease *lease,
                   struct hgl_buf *out, struct hgl_err *err) HGL_NODISCARD;
/* Without the signature, for cheap checks that come first; urls point into `bytes`. */
int hgl_lease_decode(struct hgl_bytes bytes, struct hgl_lease *out,
                     struct hgl_err *err) HGL_NODISCARD;
/* Decodes and verifies against the host named inside. Says nothing of time. */
int hgl_lease_verify(struct hgl_bytes bytes, struct hgl_lease *out,
                     struct hgl_err *err) HGL_NODISCARD;

#endif
