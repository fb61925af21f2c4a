#include "host/usage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static int64_t ns_of(struct timeval time)
{
  return (int64_t)time.tv_sec * 1000000000 + (int64_t)time.tv_usec * 1000;
}

/* Its second number is pages in memory; getrusage knows only the most there ever were. */
static int64_t rss_bytes(void)
{
  char line[128] = "";
  FILE *file = fopen("/proc/self/statm", "re");
  if (!file) return 0;
  if (!fgets(line, sizeof line, file)) *line = 0;
  fclose(file);
  return strtoll(line + strcspn(line, " "), NULL, 10) * sysconf(_SC_PAGESIZE);
}

void hgl_usage_of_process(void *user, struct hgl_feed_usage *out)
{
  struct rusage usage = {0};
  getrusage(RUSAGE_SELF, &usage);
  out->cpu_ns = ns_of(usage.ru_utime) + ns_of(usage.ru_stime);
  out->rss_bytes = rss_bytes();
}

int64_t hgl_usage_of_thread(void)
{
  struct timespec time = {0};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}
