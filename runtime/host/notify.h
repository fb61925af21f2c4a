/* What the service manager that started us is told: that the host serves, reloads or stops, how it
 * is, and that its loop still turns. sd_notify's protocol, which is a datagram of lines to a socket
 * that the environment names; these few lines instead of libsystemd, so that the program runs, and
 * is the same, where there is no systemd. Nothing here fails: nobody may be listening. Loop thread.
 */
#ifndef HGL_HOST_NOTIFY_H
#define HGL_HOST_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct hgl_notify {
  int fd;              /* -1: nobody to tell */
  int64_t watchdog_ns; /* how often a sign of life is due; 0: never */
  int64_t beat_ns;     /* when the next is, monotonic */
};

/* From $NOTIFY_SOCKET (a path, or "@name" of an abstract socket), $WATCHDOG_USEC and $WATCHDOG_PID,
 * which are taken out of the environment: what we start is not the service. */
void hgl_notify_open(struct hgl_notify *notify);
void hgl_notify_close(struct hgl_notify *notify);

/* Lines as the protocol has them: "READY=1\nSTATUS=…". */
void hgl_notify_say(const struct hgl_notify *notify, const char *format, ...) HGL_PRINTF(2, 3);
/* RELOADING=1 with the time; READY=1 follows when it is over. */
void hgl_notify_reloading(const struct hgl_notify *notify, int64_t mono_ns);
/* A start, or stop, that takes long: it is not given up for a minute more. */
void hgl_notify_patience(const struct hgl_notify *notify);
/* WATCHDOG=1 where it is due: twice as often as it is asked for. Returns when it is due again,
 * INT64_MAX: never. */
int64_t hgl_notify_beat(struct hgl_notify *notify, int64_t mono_ns);

#endif
