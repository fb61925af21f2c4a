/* Delegation: an agent's key says "host H may speak for me until T, sequence n". CWT claims
 * (RFC 8392) in a COSE_Sign1 of type "application/haggle-delegation+cwt":
 *   1 iss (agent, did:key text)   2 sub (host, did:key text)   4 exp (s)   6 iat (s)
 *   -65537 sequence (a private claim)
 * (Encoded map order: 1, 2, 4, 6, -65537.) Times are Unix seconds. */
#ifndef HGL_PROTOCOL_DELEGATION_H
#define HGL_PROTOCOL_DELEGATION_H

#include "protocol/cose.h"

struct hgl_delegation {
  struct hgl_key agent, host;
  int64_t issued_s, expires_s; /* at most HGL_DELEGATION_LIFE_MAX_S apart */
  uint64_t sequence;
};

/* Signed by the agent's key; delegation->agent must be its public key. Appends. */
int hgl_delegation_sign(const struct hgl_signer *agent, const struct hgl_delegation *delegation,
                        struct hgl_buf *out, struct hgl_err *err) HGL_NODISCARD;
/* Decodes and verifies the signature (against the agent named inside). Says nothing of time. */
int hgl_delegation_verify(struct hgl_bytes bytes, struct hgl_delegation *out,
                          struct hgl_err *err) HGL_NODISCARD;
/* The claims alone, keys unchecked: of what was verified before, or to see whether verifying is
 * worth its cost. */
int hgl_delegation_decode(struct hgl_bytes bytes, struct hgl_delegation *out,
                          struct hgl_err *err) HGL_NODISCARD;
/* HGL_DELEGATION_EXPIRED when time_ms (a header's) is past the end or more than
 * HGL_CLOCK_SKEW_MAX_MS before the issue; HGL_WRONG_HOST when it names another host. */
int hgl_delegation_check(const struct hgl_delegation *delegation, const struct hgl_key *host,
                         int64_t time_ms, struct hgl_err *err) HGL_NODISCARD;

#endif
