#include "protocol/frame.h"

#include <assert.h>

#include "protocol/value.h"

enum { PAIRS_MAX = 64 }; /* of a frame's map, unknown keys included */

/* Runs --------------------------------------------------------------------------------------- */

void hgl_run_put_url(struct hgl_buf *out, struct hgl_bytes url)
{
  hgl_cbor_put_text(out, url);
}

void hgl_run_put_delegation(struct hgl_buf *out, struct hgl_bytes delegation)
{
  hgl_cbor_put_bytes(out, delegation);
}

void hgl_run_put_envelope(struct hgl_buf *out, struct hgl_bytes envelope)
{
  hgl_cbor_put_bytes(out, envelope);
}

void hgl_run_put_key(struct hgl_buf *out, const struct hgl_key *key)
{
  hgl_cbor_put_bytes(out, hgl_key_bytes(key));
}

void hgl_run_put_expired(struct hgl_buf *out, const struct hgl_hash *leaf)
{
  hgl_cbor_put_list(out, 1);
  hgl_cbor_put_bytes(out, hgl_bytes(leaf->bytes, HGL_HASH_SIZE));
}

void hgl_run_put_exception(struct hgl_buf *out, uint64_t number, const char *code)
{
  hgl_cbor_put_list(out, 2);
  hgl_cbor_put_uint(out, number);
  hgl_cbor_put_literal(out, code);
}

static int get_url(struct hgl_cbor_reader *in, struct hgl_bytes *out, struct hgl_err *err)
{
  return hgl_cbor_get_text(in, "url", HGL_URL_SIZE_MAX, out, err);
}

static int get_delegation(struct hgl_cbor_reader *in, struct hgl_bytes *out, struct hgl_err *err)
{
  return hgl_cbor_get_bytes(in, "delegation", HGL_DELEGATION_SIZE_MAX, out, err);
}

static int get_key(struct hgl_cbor_reader *in, struct hgl_key *out, struct hgl_err *err)
{
  return hgl_cbor_get_fixed(in, "agent key", out->bytes, HGL_KEY_SIZE, err);
}

static int get_hash(struct hgl_cbor_reader *in, const char *what, struct hgl_hash *out,
                    struct hgl_err *err)
{
  return hgl_cbor_get_fixed(in, what, out->bytes, HGL_HASH_SIZE, err);
}

/* A list of exactly `count` items follows. */
static int get_tuple(struct hgl_cbor_reader *in, const char *what, size_t count,
                     struct hgl_err *err)
{
  size_t got;
  int status = hgl_cbor_get_list(in, what, SIZE_MAX, &got, err);
  if (status != 0) return status;
  if (got != count)
    return hgl_fail(err, HGL_MALFORMED, "%s: %zu items instead of %zu", what, got, count);
  return 0;
}

static int get_envelope(struct hgl_cbor_reader *in, struct hgl_frame_envelope *out,
                        struct hgl_err *err)
{
  struct hgl_cbor_reader ahead = *in;
  struct hgl_cbor_item item;
  int status = hgl_cbor_next(&ahead, &item, err);
  if (status != 0) return status;
  out->expired = item.kind == HGL_CBOR_LIST;
  if (!out->expired)
    return hgl_cbor_get_bytes(in, "envelope", HGL_ENVELOPE_SIZE_MAX, &out->bytes, err);
  status = get_tuple(in, "expired envelope", 1, err);
  return status ? status : get_hash(in, "leaf hash", &out->leaf, err);
}

static int get_exception(struct hgl_cbor_reader *in, struct hgl_frame_exception *out,
                         struct hgl_err *err)
{
  int status = get_tuple(in, "exception", 2, err);
  if (status == 0) status = hgl_cbor_get_uint(in, "number", INT64_MAX, &out->number, err);
  if (status == 0) status = hgl_cbor_get_text(in, "code", HGL_FRAME_CODE_SIZE_MAX, &out->code, err);
  return status;
}

/* The items were checked when the frame was decoded: failing here is our own error. */
#define TAKE(run, get, out)                                                                        \
  do {                                                                                             \
    if ((run)->count == 0) return false;                                                           \
    struct hgl_cbor_reader in_ = hgl_cbor_reader((run)->items);                                    \
    int status_ = get(&in_, out, NULL);                                                            \
    assert(status_ == 0);                                                                          \
    (void)status_;                                                                                 \
    (run)->items = hgl_bytes(in_.at, (size_t)(in_.end - in_.at));                                  \
    (run)->count--;                                                                                \
    return true;                                                                                   \
  } while (0)

bool hgl_run_take_delegation(struct hgl_run *run, struct hgl_bytes *out)
{
  TAKE(run, get_delegation, out);
}

bool hgl_run_take_url(struct hgl_run *run, struct hgl_bytes *out)
{
  TAKE(run, get_url, out);
}

bool hgl_run_take_key(struct hgl_run *run, struct hgl_key *out)
{
  TAKE(run, get_key, out);
}

bool hgl_run_take_envelope(struct hgl_run *run, struct hgl_frame_envelope *out)
{
  TAKE(run, get_envelope, out);
}

bool hgl_run_take_exception(struct hgl_run *run, struct hgl_frame_exception *out)
{
  TAKE(run, get_exception, out);
}

static int check_url(struct hgl_cbor_reader *in, struct hgl_err *err)
{
  struct hgl_bytes url;
  return get_url(in, &url, err);
}

static int check_delegation(struct hgl_cbor_reader *in, struct hgl_err *err)
{
  struct hgl_bytes delegation;
  return get_delegation(in, &delegation, err);
}

static int check_key(struct hgl_cbor_reader *in, struct hgl_err *err)
{
  struct hgl_key key;
  return get_key(in, &key, err);
}

static int check_envelope(struct hgl_cbor_reader *in, struct hgl_err *err)
{
  struct hgl_frame_envelope envelope;
  return get_envelope(in, &envelope, err);
}

static int check_exception(struct hgl_cbor_reader *in, struct hgl_err *err)
{
  struct hgl_frame_exception exception;
  return get_exception(in, &exception, err);
}

static int get_run(struct hgl_cbor_reader *in, const char *what, size_t count_max,
                   int (*check)(struct hgl_cbor_reader *in, struct hgl_err *err),
                   struct hgl_run *out, struct hgl_err *err)
{
  size_t count;
  int status = hgl_cbor_get_list(in, what, count_max, &count, err);
  if (status != 0) return status;
  const uint8_t *start = in->at;
  for (size_t i = 0; i < count; i++)
    if ((status = check(in, err)) != 0) return status;
  *out = (struct hgl_run){hgl_bytes(start, (size_t)(in->at - start)), count};
  return 0;
}

/* Decoding ----------------------------------------------------------------------------------- */

static int get_incarnation(struct hgl_cbor_reader *in, struct hgl_incarnation *out,
                           struct hgl_err *err)
{
  return hgl_cbor_get_fixed(in, "incarnation", out->bytes, HGL_INCARNATION_SIZE, err);
}

static int get_number(struct hgl_cbor_reader *in, uint64_t *out, struct hgl_err *err)
{
  return hgl_cbor_get_uint(in, "number", INT64_MAX, out, err);
}

static int pass_over(struct hgl_cbor_reader *in, struct hgl_err *err)
{
  struct hgl_bytes value;
  return hgl_cbor_get_value(in, "unknown field", &value, err);
}

static int get_resume(struct hgl_cbor_reader *in, struct hgl_frame_hello *out, struct hgl_err *err)
{
  int status = get_tuple(in, "resume", 4, err);
  if (status == 0) status = get_incarnation(in, &out->resume_incarnation, err);
  if (status == 0) status = get_number(in, &out->resume_number, err);
  if (status == 0) status = get_hash(in, "leaf hash", &out->resume_leaf, err);
  if (status == 0)
    status = hgl_cbor_get_bytes(in, "header", HGL_HEADER_SIZE_MAX, &out->resume_header, err);
  out->has_resume = true;
  return status;
}

static int hello_field(struct hgl_cbor_reader *in, int64_t key, struct hgl_frame *frame,
                       struct hgl_err *err)
{
  struct hgl_frame_hello *hello = &frame->hello;
  switch (key) {
  case 1:
    return hgl_cbor_get_int(in, "time", &hello->time_ms, err);
  case 2:
    return get_incarnation(in, &hello->incarnation, err);
  case 3:
    return get_resume(in, hello, err);
  case 4:
    return get_run(in, "urls", HGL_FRAME_URLS_MAX, check_url, &hello->urls, err);
  case 5:
    return hgl_cbor_get_text(in, "software", HGL_FRAME_SOFTWARE_SIZE_MAX, &hello->software, err);
  case 6:
    return get_number(in, &hello->sequence, err);
  default:
    return pass_over(in, err);
  }
}

static int batch_field(struct hgl_cbor_reader *in, int64_t key, struct hgl_frame *frame,
                       struct hgl_err *err)
{
  struct hgl_frame_batch *batch = &frame->batch;
  switch (key) {
  case 1:
    return hgl_cbor_get_bytes(in, "header", HGL_HEADER_SIZE_MAX, &batch->header, err);
  case 2:
    return hgl_cbor_get_bytes(in, "group leaf", HGL_GROUP_LEAF_SIZE_MAX, &batch->group_leaf, err);
  case 3:
    return hgl_path_decode(in, "group path", &batch->group_path, err);
  case 4:
    return get_run(in, "delegations", HGL_FRAME_DELEGATIONS_MAX, check_delegation,
                   &batch->delegations, err);
  case 5: {
    int status = get_run(in, "envelopes", HGL_GROUP_ENVELOPES_MAX, check_envelope,
                         &batch->envelopes, err);
    if (status == 0 && batch->envelopes.count == 0)
      return hgl_fail(err, HGL_MALFORMED, "a batch without envelopes");
    return status;
  }
  default:
    return pass_over(in, err);
  }
}

static int ack_field(struct hgl_cbor_reader *in, int64_t key, struct hgl_frame *frame,
                     struct hgl_err *err)
{
  switch (key) {
  case 1:
    return get_incarnation(in, &frame->ack.incarnation, err);
  case 2:
    return get_number(in, &frame->ack.up_to, err);
  case 3:
    return get_run(in, "exceptions", HGL_FRAME_EXCEPTIONS_MAX, check_exception,
                   &frame->ack.exceptions, err);
  default:
    return pass_over(in, err);
  }
}

static int settle_field(struct hgl_cbor_reader *in, int64_t key, struct hgl_frame *frame,
                        struct hgl_err *err)
{
  switch (key) {
  case 1:
    return get_incarnation(in, &frame->settle.incarnation, err);
  case 2:
    return get_number(in, &frame->settle.up_to, err);
  case 3:
    return get_number(in, &frame->settle.next, err);
  default:
    return pass_over(in, err);
  }
}

static int time_field(struct hgl_cbor_reader *in, int64_t key, struct hgl_frame *frame,
                      struct hgl_err *err)
{
  return key == 1 ? hgl_cbor_get_int(in, "time", &frame->time_ms, err) : pass_over(in, err);
}

static int want_field(struct hgl_cbor_reader *in, int64_t key, struct hgl_frame *frame,
                      struct hgl_err *err)
{
  return key == 1 ? get_run(in, "agents", HGL_FRAME_KEYS_MAX, check_key, &frame->want, err)
                  : pass_over(in, err);
}

static int have_field(struct hgl_cbor_reader *in, int64_t key, struct hgl_frame *frame,
                      struct hgl_err *err)
{
  switch (key) {
  case 1:
    return get_run(in, "delegations", HGL_FRAME_DELEGATIONS_MAX, check_delegation,
                   &frame->have.delegations, err);
  case 2:
    return get_run(in, "absent", HGL_FRAME_KEYS_MAX, check_key, &frame->have.absent, err);
  default:
    return pass_over(in, err);
  }
}

static int error_field(struct hgl_cbor_reader *in, int64_t key, struct hgl_frame *frame,
                       struct hgl_err *err)
{
  switch (key) {
  case 1:
    return hgl_cbor_get_text(in, "code", HGL_FRAME_CODE_SIZE_MAX, &frame->error.code, err);
  case 2:
    return hgl_cbor_get_text(in, "message", HGL_FRAME_MESSAGE_SIZE_MAX, &frame->error.message, err);
  default:
    return pass_over(in, err);
  }
}

#define KEY(n) (1u << (n))

static const struct frame_shape {
  const char *name;
  int (*field)(struct hgl_cbor_reader *in, int64_t key, struct hgl_frame *frame,
               struct hgl_err *err); /* NULL: the map is handed on as it is */
  unsigned required;                 /* keys that must be there */
} shapes[] = {
    [HGL_FRAME_HELLO] = {"hello", hello_field, KEY(1) | KEY(2) | KEY(4) | KEY(5) | KEY(6)},
    [HGL_FRAME_BATCH] = {"batch", batch_field, KEY(1) | KEY(2) | KEY(3) | KEY(4) | KEY(5)},
    [HGL_FRAME_ACK] = {"ack", ack_field, KEY(1) | KEY(2) | KEY(3)},
    [HGL_FRAME_SETTLE] = {"settle", settle_field, KEY(1) | KEY(2) | KEY(3)},
    [HGL_FRAME_GOSSIP] = {"gossip", NULL, 0},
    [HGL_FRAME_PING] = {"ping", time_field, KEY(1)},
    [HGL_FRAME_PONG] = {"pong", time_field, KEY(1)},
    [HGL_FRAME_WANT] = {"want", want_field, KEY(1)},
    [HGL_FRAME_HAVE] = {"have", have_field, KEY(1) | KEY(2)},
    [HGL_FRAME_ERROR] = {"error", error_field, KEY(1) | KEY(2)},
};
enum { KIND_COUNT = sizeof shapes / sizeof shapes[0] };

static int decode_fields(struct hgl_cbor_reader *in, const struct frame_shape *shape,
                         struct hgl_frame *out, struct hgl_err *err)
{
  size_t pairs;
  int64_t previous = INT64_MIN, key;
  unsigned seen = 0;
  int status = hgl_cbor_get_map(in, shape->name, PAIRS_MAX, &pairs, err);
  if (status != 0) return status;
  for (size_t i = 0; i < pairs; i++) {
    if ((status = hgl_cbor_get_key(in, shape->name, &previous, &key, err)) != 0) return status;
    if (shape->field(in, key, out, err) != 0) return hgl_fail_in(err, "%s", shape->name);
    if (key >= 0 && key < 32) seen |= KEY(key);
  }
  for (int i = 0; i < 32; i++)
    if ((shape->required & KEY(i)) && !(seen & KEY(i)))
      return hgl_fail(err, HGL_MALFORMED, "%s without field %d", shape->name, i);
  return hgl_cbor_end(in, shape->name, err);
}

static int decode_opaque(struct hgl_cbor_reader *in, struct hgl_frame *out, struct hgl_err *err)
{
  struct hgl_bytes rest = hgl_bytes(in->at, (size_t)(in->end - in->at));
  struct hgl_cbor_item item;
  int status = hgl_cbor_next(in, &item, err);
  if (status != 0) return status;
  if (item.kind != HGL_CBOR_MAP) return hgl_fail(err, HGL_MALFORMED, "gossip is not a map");
  out->gossip = rest;
  return 0;
}

int hgl_frame_decode(struct hgl_bytes bytes, struct hgl_frame *out, struct hgl_err *err)
{
  if (bytes.size > HGL_FRAME_SIZE_MAX)
    return hgl_fail(err, HGL_TOO_LARGE, "a frame of %zu bytes, limit %d", bytes.size,
                    HGL_FRAME_SIZE_MAX);
  struct hgl_cbor_reader in = hgl_cbor_reader(bytes);
  struct hgl_frame frame;
  memset(&frame, 0, sizeof frame);
  int status = get_tuple(&in, "frame", 2, err);
  if (status == 0) status = hgl_cbor_get_uint(&in, "frame kind", INT64_MAX, &frame.kind, err);
  if (status != 0) return status;
  frame.known = frame.kind > 0 && frame.kind < KIND_COUNT;
  if (frame.known) {
    const struct frame_shape *shape = &shapes[frame.kind];
    status = shape->field ? decode_fields(&in, shape, &frame, err)
                          : decode_opaque(&in, &frame, err);
  }
  if (status == 0) *out = frame;
  return status;
}

/* Encoding ----------------------------------------------------------------------------------- */

static void put_bytes(struct hgl_buf *out, uint64_t key, struct hgl_bytes bytes)
{
  hgl_cbor_put_uint(out, key);
  hgl_cbor_put_bytes(out, bytes);
}

static void put_text(struct hgl_buf *out, uint64_t key, struct hgl_bytes text)
{
  hgl_cbor_put_uint(out, key);
  hgl_cbor_put_text(out, text);
}

static void put_int(struct hgl_buf *out, uint64_t key, int64_t value)
{
  hgl_cbor_put_uint(out, key);
  hgl_cbor_put_int(out, value);
}

static void put_number(struct hgl_buf *out, uint64_t key, uint64_t value)
{
  hgl_cbor_put_uint(out, key);
  hgl_cbor_put_uint(out, value);
}

static void put_incarnation(struct hgl_buf *out, uint64_t key,
                            const struct hgl_incarnation *incarnation)
{
  put_bytes(out, key, hgl_bytes(incarnation->bytes, HGL_INCARNATION_SIZE));
}

static void put_run(struct hgl_buf *out, uint64_t key, const struct hgl_run *run)
{
  hgl_cbor_put_uint(out, key);
  hgl_cbor_put_list(out, run->count);
  hgl_buf_append_bytes(out, run->items);
}

static void put_hello(struct hgl_buf *out, const struct hgl_frame_hello *hello)
{
  hgl_cbor_put_map(out, hello->has_resume ? 6 : 5);
  put_int(out, 1, hello->time_ms);
  put_incarnation(out, 2, &hello->incarnation);
  if (hello->has_resume) {
    hgl_cbor_put_uint(out, 3);
    hgl_cbor_put_list(out, 4);
    hgl_cbor_put_bytes(out, hgl_bytes(hello->resume_incarnation.bytes, HGL_INCARNATION_SIZE));
    hgl_cbor_put_uint(out, hello->resume_number);
    hgl_cbor_put_bytes(out, hgl_bytes(hello->resume_leaf.bytes, HGL_HASH_SIZE));
    hgl_cbor_put_bytes(out, hello->resume_header);
  }
  put_run(out, 4, &hello->urls);
  put_text(out, 5, hello->software);
  put_number(out, 6, hello->sequence);
}

static void put_batch(struct hgl_buf *out, const struct hgl_frame_batch *batch)
{
  hgl_cbor_put_map(out, 5);
  put_bytes(out, 1, batch->header);
  put_bytes(out, 2, batch->group_leaf);
  hgl_cbor_put_uint(out, 3);
  hgl_path_encode(&batch->group_path, out);
  put_run(out, 4, &batch->delegations);
  put_run(out, 5, &batch->envelopes);
}

static void put_body(struct hgl_buf *out, const struct hgl_frame *frame)
{
  switch ((enum hgl_frame_kind)frame->kind) {
  case HGL_FRAME_HELLO:
    put_hello(out, &frame->hello);
    return;
  case HGL_FRAME_BATCH:
    put_batch(out, &frame->batch);
    return;
  case HGL_FRAME_ACK:
    hgl_cbor_put_map(out, 3);
    put_incarnation(out, 1, &frame->ack.incarnation);
    put_number(out, 2, frame->ack.up_to);
    put_run(out, 3, &frame->ack.exceptions);
    return;
  case HGL_FRAME_SETTLE:
    hgl_cbor_put_map(out, 3);
    put_incarnation(out, 1, &frame->settle.incarnation);
    put_number(out, 2, frame->settle.up_to);
    put_number(out, 3, frame->settle.next);
    return;
  case HGL_FRAME_GOSSIP:
    hgl_buf_append_bytes(out, frame->gossip);
    return;
  case HGL_FRAME_PING:
  case HGL_FRAME_PONG:
    hgl_cbor_put_map(out, 1);
    put_int(out, 1, frame->time_ms);
    return;
  case HGL_FRAME_WANT:
    hgl_cbor_put_map(out, 1);
    put_run(out, 1, &frame->want);
    return;
  case HGL_FRAME_HAVE:
    hgl_cbor_put_map(out, 2);
    put_run(out, 1, &frame->have.delegations);
    put_run(out, 2, &frame->have.absent);
    return;
  case HGL_FRAME_ERROR:
    hgl_cbor_put_map(out, 2);
    put_text(out, 1, frame->error.code);
    put_text(out, 2, frame->error.message);
    return;
  }
}

static bool within_limits(const struct hgl_frame *frame)
{
  switch ((enum hgl_frame_kind)frame->kind) {
  case HGL_FRAME_HELLO:
    return frame->hello.urls.count <= HGL_FRAME_URLS_MAX;
  case HGL_FRAME_BATCH:
    return frame->batch.delegations.count <= HGL_FRAME_DELEGATIONS_MAX &&
           frame->batch.envelopes.count <= HGL_GROUP_ENVELOPES_MAX;
  case HGL_FRAME_ACK:
    return frame->ack.exceptions.count <= HGL_FRAME_EXCEPTIONS_MAX;
  case HGL_FRAME_WANT:
    return frame->want.count <= HGL_FRAME_KEYS_MAX;
  case HGL_FRAME_HAVE:
    return frame->have.delegations.count <= HGL_FRAME_DELEGATIONS_MAX &&
           frame->have.absent.count <= HGL_FRAME_KEYS_MAX;
  default:
    return true;
  }
}

int hgl_frame_encode(const struct hgl_frame *frame, struct hgl_buf *out, struct hgl_err *err)
{
  assert(frame->kind > 0 && frame->kind < KIND_COUNT);
  const char *name = shapes[frame->kind].name;
  if (!within_limits(frame)) return hgl_fail(err, HGL_TOO_LARGE, "%s: a list is too long", name);
  size_t before = out->size;
  hgl_cbor_put_list(out, 2);
  hgl_cbor_put_uint(out, frame->kind);
  put_body(out, frame);
  if (hgl_buf_check(out, err) != 0) return hgl_fail_in(err, "%s", name);
  if (out->size - before > HGL_FRAME_SIZE_MAX)
    return hgl_fail(err, HGL_TOO_LARGE, "%s: a frame of %zu bytes", name, out->size - before);
  return 0;
}
