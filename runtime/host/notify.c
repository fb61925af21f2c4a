#include "host/notify.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

enum { LINES_SIZE = 1024, PATIENCE_S = 60, SEND_TIMEOUT_S = 5 };

/* An abstract socket's name begins with a NUL and is as long as the address says. */
static socklen_t address_of(const char *name, struct sockaddr_un *out)
{
  size_t size = strlen(name);
  *out = (struct sockaddr_un){.sun_family = AF_UNIX};
  if ((*name != '/' && *name != '@') || size < 2 || size >= sizeof out->sun_path) return 0;
  memcpy(out->sun_path, name, size);
  if (*name == '@') out->sun_path[0] = 0;
  return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size + (*name == '/'));
}

/* A number of the environment, 0 where there is none. */
static int64_t number_of(const char *name)
{
  const char *text = getenv(name);
  char *end;
  if (!text || *text < '0' || *text > '9') return 0;
  errno = 0;
  long long number = strtoll(text, &end, 10);
  return *end || errno ? 0 : number;
}

void hgl_notify_open(struct hgl_notify *notify)
{
  const char *name = getenv("NOTIFY_SOCKET");
  struct sockaddr_un address;
  socklen_t size = name ? address_of(name, &address) : 0;
  int64_t watchdog_us = number_of("WATCHDOG_USEC"), pid = number_of("WATCHDOG_PID");
  *notify = (struct hgl_notify){.fd = -1};
  if (size) notify->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  /* A manager that hears nothing for so long must not hold the host for good. */
  const struct timeval timeout = {.tv_sec = SEND_TIMEOUT_S};
  if (notify->fd >= 0 &&
      (setsockopt(notify->fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout) ||
       connect(notify->fd, (struct sockaddr *)&address, size)))
    hgl_notify_close(notify);
  if (notify->fd >= 0 && watchdog_us > 0 && watchdog_us < INT64_MAX / 1000 &&
      (!pid || pid == getpid()))
    notify->watchdog_ns = watchdog_us * 1000;
  unsetenv("NOTIFY_SOCKET");
  unsetenv("WATCHDOG_USEC");
  unsetenv("WATCHDOG_PID");
}

void hgl_notify_close(struct hgl_notify *notify)
{
  if (notify->fd >= 0) close(notify->fd);
  notify->fd = -1;
  notify->watchdog_ns = 0;
}

static void send_lines(const struct hgl_notify *notify, const char *lines, size_t size, int flags)
{
  while (send(notify->fd, lines, size, MSG_NOSIGNAL | flags) < 0 && errno == EINTR) {
  }
}

void hgl_notify_say(const struct hgl_notify *notify, const char *format, ...)
{
  char lines[LINES_SIZE];
  if (notify->fd < 0) return;
  va_list args;
  va_start(args, format);
  int size = vsnprintf(lines, sizeof lines, format, args);
  va_end(args);
  if (size < 0) return;
  if (size >= (int)sizeof lines) size = (int)sizeof lines - 1;
  send_lines(notify, lines, (size_t)size, 0);
}

void hgl_notify_reloading(const struct hgl_notify *notify, int64_t mono_ns)
{
  hgl_notify_say(notify, "RELOADING=1\nMONOTONIC_USEC=%" PRId64, mono_ns / 1000);
}

void hgl_notify_patience(const struct hgl_notify *notify)
{
  hgl_notify_say(notify, "EXTEND_TIMEOUT_USEC=%d000000", PATIENCE_S);
}

int64_t hgl_notify_beat(struct hgl_notify *notify, int64_t mono_ns)
{
  if (!notify->watchdog_ns) return INT64_MAX;
  if (mono_ns >= notify->beat_ns) {
    static const char lines[] = "WATCHDOG=1";
    send_lines(notify, lines, sizeof lines - 1, MSG_DONTWAIT); /* the next one is near */
    notify->beat_ns = mono_ns + notify->watchdog_ns / 2;
  }
  return notify->beat_ns;
}
