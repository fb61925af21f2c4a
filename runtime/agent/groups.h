/* Groups that were said to a peer and are not acknowledged: groups.c. */
#ifndef HGL_AGENT_GROUPS_H
#define HGL_AGENT_GROUPS_H

#include "agent/internal.h"

struct group_author {
  struct hgl_key key;
  size_t bytes; /* of its envelopes */
};

/* A signed group on its way; its bytes stand in JOURNAL under `row`. */
struct group {
  struct group *next;
  uint64_t row;      /* 0: it was given up, `frame` holds its hashes */
  uint64_t previous; /* row of the group said before it to the same peer; 0: not known */
  uint64_t tick;
  uint64_t first_number, count;
  size_t size;          /* of the frame */
  size_t under_way;     /* bytes of it that were sent on this link; 0: it is yet to be sent */
  bool indexed;         /* it stands in UNACKED */
  struct hgl_buf frame; /* the encoded batch frame without delegations; empty: read the row */
  struct group_author *authors; /* agents whose delegation the link must have carried */
  size_t author_count;
  int64_t first_expiry_ms; /* of its messages */
  int64_t last_expiry_ms;  /* of the last of them; INT64_MAX: one never expires */
  int64_t expires_ms;      /* as the first, of those whose author is not told yet */
};

struct group *group_create(uint64_t row, uint64_t first, uint64_t count, size_t size);
void group_append(struct hgl_host *host, struct peer *peer, struct group *group);
int group_add_authors(struct hgl_host *host, struct group *group, struct message *const *messages,
                      size_t count, struct hgl_err *err) HGL_NODISCARD;
/* All its authors are there: what they said counts as theirs until the group is dropped. */
int group_charge(struct hgl_host *host, const struct group *group,
                 struct hgl_err *err) HGL_NODISCARD;
int group_load_authors(struct hgl_host *host, struct group *group, struct hgl_run envelopes,
                       struct hgl_err *err) HGL_NODISCARD;
/* The group's batch frame, from memory or from its row, which `row` then holds. */
int group_load(struct hgl_host *host, const struct group *group, struct hgl_buf *row,
               struct hgl_frame *frame, struct hgl_err *err) HGL_NODISCARD;
/* Tells the authors of what has expired: unconfirmed. */
int group_tell_expired(struct hgl_host *host, struct group *group,
                       struct hgl_err *err) HGL_NODISCARD;
/* Tells the authors of all that they have not been told of: unconfirmed. Appends the batch frame
 * with hashes in place of the envelopes. */
int group_give_up(struct hgl_host *host, const struct group *group, struct hgl_buf *out,
                  struct hgl_err *err) HGL_NODISCARD;
/* All of it has expired, and its authors know. */
bool group_is_spent(const struct group *group, int64_t now_ms);
/* The author knows already: `unconfirmed`, because it expired unacknowledged. */
bool group_told(const struct group *group, const struct message *message, int64_t now_ms);
/* Where in the journal what is not acknowledged begins; 0: nowhere. */
uint64_t group_first_row(const struct peer *peer);
void group_drop(struct hgl_host *host, struct peer *peer); /* the first: it is acknowledged */
int outbox_load(struct hgl_host *host, struct hgl_err *err) HGL_NODISCARD;
void outbox_due(struct hgl_host *host); /* held pairs, expired messages */
void outbox_deinit(struct hgl_host *host, struct peer *peer);

#endif
