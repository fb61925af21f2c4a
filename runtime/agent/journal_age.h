/* How old the rows of the journal are. A row holds no time of ours; instead marks say, a few dozen
 * to the age that rows may reach, which row was the next one when.
 *
 * Their clock is not Unix time, which may jump: it advances with the monotonic clock, and over a
 * restart by the Unix time that has passed since the marks were stored, never backwards. So a jump
 * of the clock while the host runs changes nothing. */
#ifndef HGL_AGENT_JOURNAL_AGE_H
#define HGL_AGENT_JOURNAL_AGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct hgl_host;

enum { JOURNAL_MARKS_MAX = 80, JOURNAL_MARKS_WANTED = 64 };

struct journal_mark {
  uint64_t row; /* rows below it were written at this time or before */
  int64_t clock_ms;
};

struct journal_age {
  int64_t clock_ms, mono_ms; /* the one at the other */
  struct journal_mark marks[JOURNAL_MARKS_MAX];
  size_t count;
};

int journal_age_load(struct hgl_host *host, struct hgl_err *err) HGL_NODISCARD;
/* Rows have come since the last mark, and it is time for another. */
bool journal_age_due(const struct hgl_host *host);
/* With a tick's commit: a mark when one is due. */
int journal_age_mark(struct hgl_host *host, struct hgl_err *err) HGL_NODISCARD;
/* Rows below this one are too old; 0: none. */
uint64_t journal_age_cut(const struct hgl_host *host);

#endif
