/* Where a host's log goes, and what of it: text or JSON on standard error or in a file of its own,
 * or entries of systemd's journal. SERVICE.md describes the formats and their fields, which are
 * stable. Loop thread. */
#ifndef HGL_HOST_LOG_SINK_H
#define HGL_HOST_LOG_SINK_H

#include <jansson.h>

#include "base/log.h"
#include "base/seam.h"
#include "dashboard/log_ring.h"

enum hgl_log_format {
  HGL_LOG_FORMAT_DEFAULT, /* the journal where standard error leads there, else text */
  HGL_LOG_FORMAT_TEXT,
  HGL_LOG_FORMAT_JSON,
  HGL_LOG_FORMAT_JOURNAL, /* its native protocol: fields that journalctl can select by */
};

enum {
  HGL_LOG_SIZE_DEFAULT = 10 << 20,
  HGL_LOG_KEEP_DEFAULT = 5,
  HGL_LOG_KEEP_MAX = 1000,
  HGL_LOG_LEVELS_MAX = 10000, /* agents with a level of their own */
};

/* Borrowed for the call. */
struct hgl_log_config {
  enum hgl_log_format format;
  const char *file;         /* NULL: standard error */
  int64_t size_max;         /* of the file; 0: the default */
  int keep;                 /* files before it; negative: none; 0: the default */
  enum hgl_log_level level; /* of modules, and of agents without one of their own */
  const json_t *agents;     /* { NAME: "debug"… }, or NULL */
  const struct hgl_clock *clock;
  const char *journal; /* the journal's socket; NULL: where systemd has it */
};

struct hgl_log_sink;

/* HGL_IO, HGL_DISK_FULL, HGL_NOT_FOUND: the file cannot be opened, or there is no journal. */
int hgl_log_sink_create(const struct hgl_log_config *config, struct hgl_log_sink **out,
                        struct hgl_err *err) HGL_NODISCARD;
void hgl_log_sink_destroy(struct hgl_log_sink *sink); /* NULL is allowed */
/* For whoever logs; good until the sink is destroyed. */
const struct hgl_log *hgl_log_sink_log(const struct hgl_log_sink *sink);
/* Its latest lines, wherever they went; good until the sink is destroyed. */
const struct hgl_log_ring *hgl_log_sink_ring(const struct hgl_log_sink *sink);
/* After somebody has moved the file away. */
int hgl_log_sink_reopen(struct hgl_log_sink *sink, struct hgl_err *err) HGL_NODISCARD;

/* The level of an agent, or of all instances of one. NULL for the agent: of all that has none of
 * its own. NULL for the level: what the agent has not, but all have. HGL_INVALID, HGL_LIMIT. */
int hgl_log_sink_set(struct hgl_log_sink *sink, const char *agent, const char *level,
                     struct hgl_err *err) HGL_NODISCARD;
/* All levels at once, in place of those that were set before. On failure nothing has changed. */
int hgl_log_sink_set_all(struct hgl_log_sink *sink, enum hgl_log_level level, const json_t *agents,
                         struct hgl_err *err) HGL_NODISCARD;
/* { level, agents: { NAME: LEVEL… } }; a new reference, or NULL: no memory. */
json_t *hgl_log_sink_levels(const struct hgl_log_sink *sink);

/* Whether standard error is the stream that $JOURNAL_STREAM ("DEVICE:INODE") speaks of. */
bool hgl_log_is_journal(const char *journal_stream, int fd);

#endif
