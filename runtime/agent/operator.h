/* The operator: the agent without a script, through which people speak (operator.c). */
#ifndef HGL_AGENT_OPERATOR_H
#define HGL_AGENT_OPERATOR_H

#include "agent/internal.h"

bool operator_expects(struct agent *agent, const struct hgl_envelope *envelope);
bool operator_answer(struct agent *agent, struct message *message);
bool operator_fail(struct agent *agent, const struct hgl_id *thid, enum hgl_code code,
                   const char *why);
void operator_due(struct hgl_host *host); /* tells what has been answered or is late */
int64_t operator_deadline_ms(const struct hgl_host *host);
void operator_deinit(struct agent *agent);

/* talk.c: dialogues that it holds; as the calls above */
bool talk_expects(const struct agent *agent, const struct hgl_envelope *envelope);
bool talk_answer(struct agent *agent, const struct message *message);
bool talk_fail(struct agent *agent, const struct hgl_id *thid, enum hgl_code code, const char *why);
void talks_due(struct agent *agent);
int64_t talks_deadline_ms(const struct agent *agent);
void talks_deinit(struct agent *agent);

#endif
