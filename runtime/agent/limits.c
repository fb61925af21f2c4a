#include "agent/limits.h"

#include <assert.h>
#include <string.h>

#define FIELD(name) offsetof(struct hgl_agent_limits, name)

const struct hgl_limit hgl_limit_list[] = {
    {"memory", HGL_LIMIT_SIZE, FIELD(memory_bytes), HGL_MEMORY_DEFAULT, NULL},
    {"state", HGL_LIMIT_SIZE, FIELD(state_bytes), HGL_STATE_DEFAULT, NULL},
    {"stretch", HGL_LIMIT_DURATION, FIELD(stretch_ms), HGL_STRETCH_MS_DEFAULT, NULL},
    {"instructions", HGL_LIMIT_COUNT, FIELD(instructions), 0, NULL},
    {"handlers", HGL_LIMIT_COUNT, FIELD(runs_max), HGL_HANDLERS_DEFAULT, NULL},
    {"mailbox", HGL_LIMIT_COUNT, FIELD(mailbox_count), HGL_MAILBOX_COUNT_DEFAULT, NULL},
    {"mailbox_bytes", HGL_LIMIT_SIZE, FIELD(mailbox_bytes), HGL_MAILBOX_BYTES_DEFAULT, NULL},
    {"mailbox_per_sender", HGL_LIMIT_COUNT, FIELD(mailbox_per_sender), 0, "mailbox"},
    {"mailbox_bytes_per_sender", HGL_LIMIT_SIZE, FIELD(mailbox_bytes_per_sender), 0,
     "mailbox_bytes"},
    {"timers", HGL_LIMIT_COUNT, FIELD(timers), HGL_TIMERS_DEFAULT, NULL},
    {"timer_bytes", HGL_LIMIT_SIZE, FIELD(timer_bytes), HGL_TIMER_BYTES_DEFAULT, NULL},
    {"dialogues", HGL_LIMIT_COUNT, FIELD(dialogues), HGL_DIALOGUES_DEFAULT, NULL},
    {"dialogues_per_peer", HGL_LIMIT_COUNT, FIELD(dialogues_per_peer),
     HGL_DIALOGUES_PER_PEER_DEFAULT, NULL},
    {"messages", HGL_LIMIT_COUNT, FIELD(messages), HGL_MESSAGES_DEFAULT, NULL},
    {"outbox", HGL_LIMIT_SIZE, FIELD(outbox_bytes), HGL_OUTBOX_BYTES_DEFAULT, NULL},
    {"calls", HGL_LIMIT_COUNT, FIELD(calls), HGL_CALLS_DEFAULT, NULL},
    {"calls_per_second", HGL_LIMIT_COUNT, FIELD(calls_per_second), HGL_CALLS_PER_SECOND_DEFAULT,
     NULL},
    {"requests", HGL_LIMIT_COUNT, FIELD(requests), HGL_REQUESTS_DEFAULT, NULL},
    {"log_lines", HGL_LIMIT_COUNT, FIELD(log_lines), HGL_LOG_LINES_DEFAULT, NULL},
    {"log_bytes", HGL_LIMIT_SIZE, FIELD(log_bytes), HGL_LOG_BYTES_DEFAULT, NULL},
};
const size_t hgl_limit_count = sizeof hgl_limit_list / sizeof *hgl_limit_list;

int64_t *hgl_limit_field(struct hgl_agent_limits *limits, const struct hgl_limit *limit)
{
  return (int64_t *)((char *)limits + limit->offset);
}

static int64_t half_of(struct hgl_agent_limits *limits, const char *name)
{
  for (size_t i = 0; i < hgl_limit_count; i++)
    if (strcmp(hgl_limit_list[i].name, name) == 0)
      return (*hgl_limit_field(limits, &hgl_limit_list[i]) + 1) / 2;
  assert(false);
  return 0;
}

void hgl_limits_complete(struct hgl_agent_limits *limits)
{
  for (size_t i = 0; i < hgl_limit_count; i++) {
    const struct hgl_limit *limit = &hgl_limit_list[i];
    int64_t *field = hgl_limit_field(limits, limit);
    if (*field) continue;
    *field = limit->of ? half_of(limits, limit->of) : limit->usual;
    if (limit->kind == HGL_LIMIT_DURATION) *field *= HGL_SLOWNESS;
  }
}

int64_t hgl_bucket_left(struct hgl_bucket *bucket, int64_t rate, int64_t now_ms)
{
  int64_t passed = now_ms - bucket->at_ms;
  if (passed > 0) {
    bucket->at_ms = now_ms;
    bucket->taken = passed >= 1000 || bucket->taken <= passed * rate
                        ? 0
                        : bucket->taken - passed * rate;
  }
  return (rate * 1000 - bucket->taken) / 1000;
}

void hgl_bucket_take(struct hgl_bucket *bucket, int64_t rate, int64_t now_ms, int64_t count)
{
  int64_t left = hgl_bucket_left(bucket, rate, now_ms);
  bucket->taken += (count < left ? count : left) * 1000;
}
