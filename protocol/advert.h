/* Advert: what an agent offers. Evidence of an envelope of type "haggle/1.0/advert" that the agent
 * addressed to itself, on its own host (destination = the header's host). Its body is a map:
 *   version    integer, 0..HGL_COUNTER_MAX: of one agent, the higher one holds
 *   withdrawn  true: the agent offers nothing any more (and nothing else is needed)
 *   name, about                 text (optional)
 *   offers     list of maps     (optional) service, protocol and whatever attributes there are
 *   protocols  list of text     (optional) "weather/1.0"
 * Other keys are kept and ignored. Pure; any thread. */
#ifndef HGL_PROTOCOL_ADVERT_H
#define HGL_PROTOCOL_ADVERT_H

#include "protocol/evidence.h"

#define HGL_ADVERT_TYPE "haggle/1.0/advert"

enum {
  HGL_ADVERT_SIZE_MAX = 16 * 1024,
  HGL_ADVERT_ABOUT_SIZE_MAX = 1024,
  HGL_ADVERT_OFFERS_MAX = 32,
  HGL_ADVERT_PROTOCOLS_MAX = 64,
};

/* Slices point into the evidence; what is absent has size 0. */
struct hgl_advert {
  struct hgl_key agent, host;
  struct hgl_incarnation incarnation; /* of the host that said it */
  uint64_t version;
  bool withdrawn;
  struct hgl_bytes name, about;
  size_t offer_count;
  struct hgl_bytes offers[HGL_ADVERT_OFFERS_MAX]; /* encoded maps */
  struct hgl_bytes delegation, body;              /* encoded */
};

/* Shape only, without any signature: for cheap checks that come first. HGL_MALFORMED,
 * HGL_TOO_LARGE, HGL_BAD_TYPE and what evidence and envelope can be. */
int hgl_advert_decode(struct hgl_bytes evidence, struct hgl_advert *out,
                      struct hgl_err *err) HGL_NODISCARD;
/* Decodes and verifies everything that evidence proves. Says nothing of now. */
int hgl_advert_verify(struct hgl_bytes evidence, struct hgl_advert *out, struct hgl_proof *proof,
                      struct hgl_err *err) HGL_NODISCARD;

#endif
