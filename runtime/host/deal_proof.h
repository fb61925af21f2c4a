/* What the evidence of one deal of haggle.market (stdlib/haggle/market.lua, "market/1.0") proves
 * together, beyond what each piece proves by itself: that both sides signed the same terms, and how
 * far it was delivered. Everything is derived from what was signed; nothing else is known. Pure. */
#ifndef HGL_HOST_DEAL_PROOF_H
#define HGL_HOST_DEAL_PROOF_H

#include "protocol/evidence.h"

struct hgl_deal_proof {
  struct hgl_id id;         /* of the deal: its thread */
  struct hgl_bytes service; /* a slice of the evidence */
  int64_t price;            /* in the smallest unit of money */
  int64_t within_ms;        /* for the delivery, from the agreement on */
  struct hgl_key buyer, seller;
  const struct hgl_proof *accept, *confirm; /* the terms as one side signed them, and the other */
  /* The earliest of each, or NULL: there is no evidence of it. */
  const struct hgl_proof *deliver;  /* by the seller */
  const struct hgl_proof *received; /* by the buyer */
  const struct hgl_proof *decline;  /* by either: after both had signed that is a breach */
};

/* Whether any of them is a message of a market: then all of them together are judged as a deal. */
bool hgl_deal_is_one(const struct hgl_proof *proofs, size_t count);

/* `proofs` have been verified one by one; *out points into them. The error is the first thing that
 * is wrong: HGL_INVALID: a piece of something else, or terms that differ; HGL_NOT_FOUND: one side's
 * signature is missing; HGL_MALFORMED: terms that are none; HGL_PROTOCOL_VIOLATION: said by the
 * wrong side; HGL_EXPIRED: confirmed after the acceptance had ended. */
int hgl_deal_judge(const struct hgl_proof *proofs, size_t count, struct hgl_deal_proof *out,
                   struct hgl_err *err) HGL_NODISCARD;

#endif
