/* A host played by hand: it signs its own headers and may lie in every place. Header-only, for the
 * tests of the agent layer. */
#ifndef HGL_TESTS_FAKE_PEER_H
#define HGL_TESTS_FAKE_PEER_H

#include <stdio.h>
#include <stdlib.h>

#include "protocol/delegation.h"
#include "protocol/did.h"
#include "protocol/frame.h"
#include "support/world.h"

struct fake {
  struct node *node; /* a stranger: its signer signs the headers */
  struct node *to;
  struct hgl_signer *agent;
  struct hgl_buf delegation;
  struct hgl_incarnation incarnation;
  uint64_t sequence, number; /* of the last header, the last envelope */
  struct hgl_hash header_hash, leaf;
  bool continues; /* the first header says from which one it goes on: */
  struct hgl_incarnation continues_incarnation;
  uint64_t continues_sequence;
  struct hgl_hash continues_hash;
  uint8_t next_id;
};

/* How the next batch differs from an honest one. */
struct lie {
  int64_t time_shift_ms;
  int number_shift, sequence_shift;
  bool bad_signature, wrong_path, wrong_destination, without_delegation, fork, wrong_previous;
  int64_t expires_shift_ms; /* 0: the message never expires */
  bool other_definition;    /* names a definition that nobody has */
};

static inline void fake_init(struct fake *fake, struct node *stranger, struct node *to)
{
  struct hgl_err err;
  uint8_t seed[HGL_SEED_SIZE] = {0xfa, (uint8_t)stranger->index};
  *fake = (struct fake){.node = stranger, .to = to, .incarnation = {{1, 2, 3}}};
  assert_ok(hgl_signer_create(seed, &fake->agent, &err));
  hgl_buf_init(&fake->delegation, HGL_DELEGATION_SIZE_MAX);
}

static inline void fake_deinit(struct fake *fake)
{
  hgl_signer_destroy(fake->agent);
  hgl_buf_deinit(&fake->delegation);
}

static inline void fake_delegate(struct fake *fake, int64_t from_s, int64_t life_s,
                                 uint64_t sequence, const struct hgl_key *host)
{
  struct hgl_err err;
  struct hgl_delegation delegation = {.agent = *hgl_signer_key(fake->agent),
                                      .host = host ? *host : fake->node->key,
                                      .issued_s = from_s,
                                      .expires_s = from_s + life_s,
                                      .sequence = sequence};
  hgl_buf_clear(&fake->delegation);
  assert_ok(hgl_delegation_sign(fake->agent, &delegation, &fake->delegation, &err));
}

static inline void fake_send(struct fake *fake, const struct hgl_frame *frame)
{
  struct hgl_err err;
  struct hgl_buf bytes;
  hgl_buf_init(&bytes, HGL_FRAME_SIZE_MAX);
  assert_ok(hgl_frame_encode(frame, &bytes, &err));
  world_inject(fake->node, fake->to, hgl_buf_bytes(&bytes));
  hgl_buf_deinit(&bytes);
}

static inline void fake_hello_at(struct fake *fake, int64_t time_ms)
{
  struct hgl_frame frame = {.kind = HGL_FRAME_HELLO,
                            .known = true,
                            .hello = {.time_ms = time_ms,
                                      .incarnation = fake->incarnation,
                                      .software = hgl_text("fake"),
                                      .sequence = fake->sequence}};
  fake_send(fake, &frame);
}

static inline void fake_link(struct fake *fake)
{
  world_link(fake->to, fake->node);
  fake_hello_at(fake, fake->node->world->time.wall_ms);
}

/* The delegation, in a have frame. */
static inline void fake_show(struct fake *fake)
{
  struct hgl_buf run;
  hgl_buf_init(&run, HGL_DELEGATION_SIZE_MAX + 16);
  hgl_run_put_delegation(&run, hgl_buf_bytes(&fake->delegation));
  struct hgl_frame frame = {
      .kind = HGL_FRAME_HAVE, .known = true, .have = {.delegations = hgl_run(&run, 1)}};
  fake_send(fake, &frame);
  hgl_buf_deinit(&run);
}

/* One envelope to an agent (by key), body {"n": number}, its own thread. */
static inline void fake_envelope(struct fake *fake, const struct hgl_key *to, const char *type,
                                 const struct lie *lie, struct hgl_buf *out)
{
  struct hgl_err err;
  struct hgl_buf body;
  int64_t now_ms = fake->node->world->time.wall_ms;
  hgl_buf_init(&body, 64);
  hgl_cbor_put_map(&body, 1);
  hgl_cbor_put_literal(&body, "n");
  hgl_cbor_put_uint(&body, fake->number + 1);
  struct hgl_envelope envelope = {.type = hgl_text(type),
                                  .from = *hgl_signer_key(fake->agent),
                                  .to = *to,
                                  .created_time_ms = now_ms - 3600000,
                                  .body = hgl_buf_bytes(&body)};
  memset(envelope.id.bytes, ++fake->next_id, HGL_ID_SIZE);
  envelope.thid = envelope.id;
  if (lie->expires_shift_ms) envelope.expires_time_ms = now_ms + lie->expires_shift_ms;
  envelope.has_definition = lie->other_definition;
  assert_ok(hgl_envelope_encode(&envelope, out, &err));
  hgl_buf_deinit(&body);
}

/* The batch frame of one envelope; the fake's own books go on as if it were accepted, unless it is
 * a fork. */
static inline void fake_batch_bytes(struct fake *fake, struct hgl_bytes envelope,
                                    const struct lie *lie, struct hgl_buf *out)
{
  struct hgl_err err;
  struct hgl_buf header, leaf, envelopes, delegations;
  struct hgl_hash leaf_hash;
  hgl_buf_init(&header, HGL_HEADER_SIZE_MAX);
  hgl_buf_init(&leaf, HGL_GROUP_LEAF_SIZE_MAX);
  hgl_buf_init(&envelopes, HGL_FRAME_SIZE_MAX);
  hgl_buf_init(&delegations, HGL_FRAME_SIZE_MAX);
  struct hgl_group_leaf group = {.destination = lie->wrong_destination ? fake->node->key
                                                                       : fake->to->key,
                                 .first_number = fake->number + 1 + (uint64_t)lie->number_shift,
                                 .count = 1,
                                 .previous = fake->leaf};
  if (group.first_number == 1)
    memset(&group.previous, 0, sizeof group.previous);
  else if (!fake->number)
    memset(&group.previous, 7, sizeof group.previous);
  hgl_merkle_leaf(envelope, &group.root);
  if (lie->wrong_path) group.root.bytes[3] ^= 1;
  assert_ok(hgl_group_leaf_encode(&group, &leaf, &err));
  hgl_merkle_leaf(hgl_buf_bytes(&leaf), &leaf_hash);
  struct hgl_header signed_header = {.host = fake->node->key,
                                     .incarnation = fake->incarnation,
                                     .sequence = fake->sequence + 1 + (uint64_t)lie->sequence_shift,
                                     .previous = fake->header_hash,
                                     .group_count = 1,
                                     .time_ms = fake->node->world->time.wall_ms +
                                                lie->time_shift_ms};
  if (lie->wrong_previous) signed_header.previous.bytes[3] ^= 1;
  if (signed_header.sequence == 1) {
    memset(&signed_header.previous, 0, sizeof signed_header.previous);
    signed_header.continues = fake->continues;
    signed_header.continues_incarnation = fake->continues_incarnation;
    signed_header.continues_sequence = fake->continues_sequence;
    signed_header.continues_hash = fake->continues_hash;
  }
  hgl_merkle_root(&leaf_hash, 1, &signed_header.root);
  assert_ok(hgl_header_sign(fake->node->signer, &signed_header, &header, &err));
  if (lie->bad_signature) header.data[header.size - 1] ^= 1;
  hgl_run_put_envelope(&envelopes, envelope);
  size_t delegation_count = !lie->without_delegation && fake->delegation.size;
  if (delegation_count) hgl_run_put_delegation(&delegations, hgl_buf_bytes(&fake->delegation));
  struct hgl_frame frame = {.kind = HGL_FRAME_BATCH,
                            .known = true,
                            .batch = {.header = hgl_buf_bytes(&header),
                                      .group_leaf = hgl_buf_bytes(&leaf),
                                      .delegations = hgl_run(&delegations, delegation_count),
                                      .envelopes = hgl_run(&envelopes, 1)}};
  hgl_merkle_path(&leaf_hash, 1, 0, &frame.batch.group_path);
  assert_ok(hgl_frame_encode(&frame, out, &err));
  if (!lie->fork) {
    fake->sequence = signed_header.sequence;
    fake->number = group.first_number;
    fake->leaf = leaf_hash;
    hgl_header_hash(hgl_buf_bytes(&header), &fake->header_hash);
  }
  hgl_buf_deinit(&header);
  hgl_buf_deinit(&leaf);
  hgl_buf_deinit(&envelopes);
  hgl_buf_deinit(&delegations);
}

static inline void fake_say(struct fake *fake, const struct hgl_key *to, const char *type,
                            const struct lie *lie)
{
  struct hgl_buf envelope, frame;
  hgl_buf_init(&envelope, HGL_ENVELOPE_SIZE_MAX);
  hgl_buf_init(&frame, HGL_FRAME_SIZE_MAX);
  fake_envelope(fake, to, type, lie, &envelope);
  fake_batch_bytes(fake, hgl_buf_bytes(&envelope), lie, &frame);
  world_inject(fake->node, fake->to, hgl_buf_bytes(&frame));
  hgl_buf_deinit(&envelope);
  hgl_buf_deinit(&frame);
}

/* The last thing of this kind that the host sent; false: nothing. Copies texts into `text`: the
 * error's code, or the exceptions of an ack as "number code, …". */
static inline bool fake_heard(struct fake *fake, enum hgl_frame_kind kind, struct hgl_frame *out,
                              char *text, size_t text_size)
{
  struct link_frame *got;
  struct hgl_err err;
  bool found = false;
  while ((got = world_got(fake->node))) {
    struct hgl_frame frame;
    if (hgl_frame_decode(hgl_bytes(got->data, got->size), &frame, &err) == 0 &&
        frame.kind == (uint64_t)kind) {
      found = true;
      if (out) *out = frame;
      if (kind == HGL_FRAME_ERROR) snprintf(text, text_size, "%.*s", HGL_STR(frame.error.code));
      if (kind == HGL_FRAME_ACK) {
        struct hgl_run run = frame.ack.exceptions;
        struct hgl_frame_exception exception;
        size_t size = 0;
        text[0] = 0;
        while (hgl_run_take_exception(&run, &exception) && size < text_size)
          size += (size_t)snprintf(text + size, text_size - size, "%s%llu %.*s", size ? ", " : "",
                                   (unsigned long long)exception.number, HGL_STR(exception.code));
      }
    }
    free(got);
  }
  return found;
}

#endif
