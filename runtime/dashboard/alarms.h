/* What is wrong with a host, so that somebody should look: each with the time since when it is so.
 * Looked for once a second. Loop thread. */
#ifndef HGL_DASHBOARD_ALARMS_H
#define HGL_DASHBOARD_ALARMS_H

#include "agent/look.h"

enum {
  ALARMS_MAX = 64, /* further ones are only counted */
  ALARM_OF_SIZE = 65,
  ALARM_TEXT_SIZE = 240,
};

struct alarm {
  const char *what;       /* a literal: "parked", … */
  bool error;             /* else a warning */
  bool now;               /* it still is so */
  const char *kind;       /* a literal: of what `of` is the name, "agent", "peer", …; or NULL */
  char of[ALARM_OF_SIZE]; /* or empty */
  int64_t since_ms;       /* Unix time */
  char text[ALARM_TEXT_SIZE];
};

struct alarms {
  struct alarm items[ALARMS_MAX];
  size_t count, left_out;
  int64_t now_ms;
};

/* Between these two everything is said that is wrong now; what is not said again is over. */
void alarms_begin(struct alarms *alarms, int64_t now_ms);
void alarms_end(struct alarms *alarms);
/* What the host object shows. */
void alarms_look(struct alarms *alarms, struct hgl_host *host, const struct hgl_host_now *now);
void alarms_say(struct alarms *alarms, const char *what, bool error, const char *kind,
                const char *of, const char *format, ...) HGL_PRINTF(6, 7);
/* A new reference; NULL: no memory. */
json_t *alarms_json(const struct alarms *alarms);

#endif
