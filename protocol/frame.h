/* Frames: what two hosts say to each other on a link. A CBOR list [kind, map]; the map's keys are
 * integers. Unknown kinds are told apart and unknown keys passed over, so that newer hosts can say
 * more; both still have to be proper values.
 *
 *   1 hello   1 time (ms)  2 incarnation  3 resume: list [incarnation, number, leaf hash, header]
 *             (what was last accepted from the peer; absent: nothing)  4 urls: list of text (where
 *             the sender may be dialled)  5 software (text)  6 sequence of the sender's last header
 *   2 batch   1 header (COSE bytes)  2 group leaf (bytes)  3 path of the group [index, [hash…]]
 *             4 delegations: list of bytes  5 envelopes: list, each bytes, or a list [hash] where
 *             only the leaf hash is left of an expired one
 *   3 ack     1 incarnation  2 up to (number)  3 exceptions: list of [number, code (text)]
 *   4 settle  1 incarnation  2 up to (number)  3 next: the sender's next number; below it stays
 *             refused what follows a message that found no room
 *   5 gossip  any map, decoded elsewhere
 *   6 ping    1 time (ms)
 *   7 pong    1 time (ms, the ping's)
 *   8 want    1 agents: list of keys whose delegation is wanted
 *   9 have    1 delegations: list of bytes  2 absent: list of keys that are not here
 *  10 error   1 code (text)  2 message (text): the last frame before the sender closes */
#ifndef HGL_PROTOCOL_FRAME_H
#define HGL_PROTOCOL_FRAME_H

#include "protocol/batch.h"

enum hgl_frame_kind {
  HGL_FRAME_HELLO = 1,
  HGL_FRAME_BATCH,
  HGL_FRAME_ACK,
  HGL_FRAME_SETTLE,
  HGL_FRAME_GOSSIP,
  HGL_FRAME_PING,
  HGL_FRAME_PONG,
  HGL_FRAME_WANT,
  HGL_FRAME_HAVE,
  HGL_FRAME_ERROR,
};

enum {
  HGL_FRAME_URLS_MAX = 8,
  HGL_FRAME_SOFTWARE_SIZE_MAX = 64,
  HGL_FRAME_EXCEPTIONS_MAX = 4096, /* of one ack */
  HGL_FRAME_KEYS_MAX = 4096,       /* of one want or have */
  HGL_FRAME_DELEGATIONS_MAX = HGL_GROUP_ENVELOPES_MAX,
  HGL_FRAME_CODE_SIZE_MAX = 64,
  HGL_FRAME_MESSAGE_SIZE_MAX = 512,
};

/* The items of a list, still encoded, one after the other. Encoding: fill a buffer with the
 * hgl_run_put functions and count. Decoding: every item has been checked; take them off with the
 * hgl_run_take functions, which return false at the end and move the run itself. */
struct hgl_run {
  struct hgl_bytes items;
  size_t count;
};

struct hgl_frame_hello {
  int64_t time_ms;
  struct hgl_incarnation incarnation;
  bool has_resume;
  struct hgl_incarnation resume_incarnation;
  uint64_t resume_number;
  struct hgl_hash resume_leaf;
  struct hgl_bytes resume_header;
  struct hgl_run urls; /* text */
  struct hgl_bytes software;
  uint64_t sequence; /* 0: none yet */
};

struct hgl_frame_batch {
  struct hgl_bytes header, group_leaf;
  struct hgl_path group_path;
  struct hgl_run delegations; /* bytes */
  struct hgl_run envelopes;   /* struct hgl_frame_envelope; at least one */
};

/* One envelope of a batch: its bytes or, once expired, its leaf hash. */
struct hgl_frame_envelope {
  bool expired;
  struct hgl_bytes bytes;
  struct hgl_hash leaf;
};

struct hgl_frame_exception {
  uint64_t number;
  struct hgl_bytes code; /* the name of an enum hgl_code, perhaps one that is not known here */
};

struct hgl_frame_ack {
  struct hgl_incarnation incarnation;
  uint64_t up_to;
  struct hgl_run exceptions; /* struct hgl_frame_exception */
};

struct hgl_frame_settle {
  struct hgl_incarnation incarnation;
  uint64_t up_to, next;
};

struct hgl_frame_have {
  struct hgl_run delegations; /* bytes */
  struct hgl_run absent;      /* keys */
};

struct hgl_frame_error {
  struct hgl_bytes code, message;
};

struct hgl_frame {
  uint64_t kind; /* an enum hgl_frame_kind, or one that is not known here */
  bool known;    /* false: only `kind` is set; to be passed over */
  union {
    struct hgl_frame_hello hello;
    struct hgl_frame_batch batch;
    struct hgl_frame_ack ack;
    struct hgl_frame_settle settle;
    struct hgl_bytes gossip; /* the encoded map, unchecked but for its head */
    int64_t time_ms;         /* ping, pong */
    struct hgl_run want;     /* keys */
    struct hgl_frame_have have;
    struct hgl_frame_error error;
  };
};

/* Appends. `kind` is a known one. HGL_TOO_LARGE above HGL_FRAME_SIZE_MAX or a list's limit. */
int hgl_frame_encode(const struct hgl_frame *frame, struct hgl_buf *out,
                     struct hgl_err *err) HGL_NODISCARD;
/* Allocates nothing; slices point into `bytes`. Says nothing about signatures, hashes, times. */
int hgl_frame_decode(struct hgl_bytes bytes, struct hgl_frame *out,
                     struct hgl_err *err) HGL_NODISCARD;

/* Building a run: append to a buffer, then hgl_run(buffer, count). */
void hgl_run_put_url(struct hgl_buf *out, struct hgl_bytes url);
void hgl_run_put_delegation(struct hgl_buf *out, struct hgl_bytes delegation);
void hgl_run_put_envelope(struct hgl_buf *out, struct hgl_bytes envelope);
void hgl_run_put_key(struct hgl_buf *out, const struct hgl_key *key);
void hgl_run_put_expired(struct hgl_buf *out, const struct hgl_hash *leaf);
void hgl_run_put_exception(struct hgl_buf *out, uint64_t number, const char *code);
static inline struct hgl_run hgl_run(const struct hgl_buf *items, size_t count)
{
  return (struct hgl_run){hgl_buf_bytes(items), count};
}

bool hgl_run_take_delegation(struct hgl_run *run, struct hgl_bytes *out);
bool hgl_run_take_url(struct hgl_run *run, struct hgl_bytes *out);
bool hgl_run_take_key(struct hgl_run *run, struct hgl_key *out);
bool hgl_run_take_envelope(struct hgl_run *run, struct hgl_frame_envelope *out);
bool hgl_run_take_exception(struct hgl_run *run, struct hgl_frame_exception *out);

#endif
