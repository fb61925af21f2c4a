/* What was said and heard, group by group: journal.c. */
#ifndef HGL_AGENT_JOURNAL_H
#define HGL_AGENT_JOURNAL_H

#include "agent/internal.h"

enum { JOURNAL_SAID = 1, JOURNAL_HEARD = 2 };
/* `row`: a number of host_row, higher than those of all groups before it. */
int journal_add(struct hgl_host *host, uint8_t direction, struct peer *peer, uint64_t first,
                uint64_t count, struct hgl_bytes frame, uint64_t row,
                struct hgl_err *err) HGL_NODISCARD;
/* One row as it stands in the store; slices into it. */
struct journal_row {
  uint8_t direction;
  struct hgl_key peer;
  uint64_t first, count;
  uint64_t previous; /* of what was said: the row of the group said before it to this peer, or 0 */
  struct hgl_bytes frame;
};
int journal_decode(struct hgl_bytes value, struct journal_row *out,
                   struct hgl_err *err) HGL_NODISCARD;
int journal_trim(struct hgl_host *host, struct hgl_err *err) HGL_NODISCARD;
bool journal_overdue(const struct hgl_host *host); /* its age wants a commit */
/* The row of a group that is acknowledged now; it goes if trimming has passed it over. */
int journal_release(struct hgl_host *host, uint64_t row, size_t frame_size,
                    struct hgl_err *err) HGL_NODISCARD;
/* *found: this header of ours is in the journal. HGL_LIMIT: not found among the latest rows, said
 * and heard. */
int journal_has_header(struct hgl_host *host, struct hgl_bytes header, int64_t time_ms, bool *found,
                       struct hgl_err *err) HGL_NODISCARD;

/* ---- journal_find.c ---- */

/* A message as it was found; slices into the row. */
struct journal_message {
  const struct journal_row *row;
  uint64_t number; /* of the row */
  const struct hgl_frame_batch *batch;
  struct hgl_bytes bytes;
  struct hgl_envelope envelope;
  uint32_t index; /* in the group */
};
/* Everything is good for the call. JOURNAL_ANOTHER: it is not the one, another is looked for. */
enum { JOURNAL_ANOTHER = 1 };
typedef int (*journal_visit)(void *user, const struct journal_message *message,
                             struct hgl_err *err);
/* The message at this place, if it has this id. HGL_NOT_FOUND: the row was trimmed, or holds its
 * hash only. */
int journal_visit_at(struct hgl_host *host, uint64_t row, uint32_t index, const struct hgl_id *id,
                     journal_visit visit, void *user, struct hgl_err *err) HGL_NODISCARD;
/* Looking through it, the newest group first, in steps: what comes or goes in between does no harm.
 * `visit` is called for each message that has one of the ids, until it returns something else than
 * JOURNAL_ANOTHER; it may take ids away, the last one in place of another. */
struct journal_search {
  struct hgl_id *ids;
  size_t id_count;
  bool of_threads;             /* they are those of threads, else of messages */
  const struct hgl_id *within; /* messages of this thread only; NULL: of any */
  size_t bytes_max;            /* 0: all is looked through */
  journal_visit visit;
  void *user;
  /* how far it has come */
  size_t bytes;
  uint64_t below; /* the row to go on below; 0: it has not begun */
};
/* Looks through about `bytes` more of it (SIZE_MAX: to the end). JOURNAL_MORE: there is more.
 * HGL_NOT_FOUND: `visit` has not ended it; HGL_LIMIT: nor within the latest `bytes_max` bytes. */
enum { JOURNAL_MORE = 1 };
int journal_search_step(struct hgl_host *host, struct journal_search *search, size_t bytes,
                        struct hgl_err *err) HGL_NODISCARD;
/* All of it in one go. */
int journal_visit_thread(struct hgl_host *host, const struct hgl_id *thid, size_t bytes_max,
                         journal_visit visit, void *user, struct hgl_err *err) HGL_NODISCARD;
/* Appends its evidence. HGL_NO_DELEGATION. */
int journal_evidence(struct hgl_host *host, const struct journal_message *message,
                     struct hgl_buf *out, struct hgl_err *err) HGL_NODISCARD;
/* The message with this id, newest first; evidence is appended. HGL_NOT_FOUND; HGL_LIMIT: not among
 * the latest `bytes_max` bytes of rows (0: all are looked through). */
int journal_find(struct hgl_host *host, const struct hgl_id *id, size_t bytes_max,
                 struct hgl_buf *evidence, struct hgl_err *err) HGL_NODISCARD;

#endif
