/* The control API's calls about what happened and why: dialogues, what the directory has, what an
 * agent is made of and what it is waiting for. */
#include "host/control_call.h"

/* {"agent", "peer"?, "protocol"?, "state"?, "text"?, "limit"?} */
int hgl_call_dialogues(const struct hgl_control_call *call, json_t **result, struct hgl_err *err)
{
  struct hgl_dialogues_wanted wanted = {0};
  const struct {
    const char *name, **out;
  } texts[] = {{"agent", &wanted.agent},
               {"peer", &wanted.peer},
               {"protocol", &wanted.protocol},
               {"state", &wanted.state},
               {"text", &wanted.text}};
  int64_t limit;
  int status = hgl_call_integer(call, "limit", 1, HGL_DIALOGUES_LISTED_MAX, HGL_DIALOGUES_LISTED,
                                &limit, err);
  for (size_t i = 0; i < sizeof texts / sizeof *texts && status == 0; i++)
    status = hgl_request_text_if_any(call->request, texts[i].name, texts[i].out, err);
  if (status) return status;
  wanted.limit = (size_t)limit;
  return hgl_host_dialogues(call->host, &wanted, result, err);
}

int hgl_call_dialogue(const struct hgl_control_call *call, json_t **result, struct hgl_err *err)
{
  struct hgl_dialogue_wanted wanted = {.deep = true};
  int status = hgl_request_text(call->request, "agent", &wanted.agent, err);
  if (status == 0) status = hgl_request_text_if_any(call->request, "peer", &wanted.peer, err);
  if (status == 0) status = hgl_request_text(call->request, "thid", &wanted.thid, err);
  if (status == 0) status = hgl_call_flag(call, "evidence", &wanted.evidence, err);
  return status ? status : hgl_host_dialogue(call->host, &wanted, result, err);
}

enum { EXPLAINED = 10, EXPLAINED_MAX = 100 };

int hgl_call_explain(const struct hgl_control_call *call, json_t **result, struct hgl_err *err)
{
  const char *query;
  int64_t limit;
  int status = hgl_request_text(call->request, "query", &query, err);
  if (status == 0)
    status = hgl_call_integer(call, "limit", 1, EXPLAINED_MAX, EXPLAINED, &limit, err);
  return status ? status : hgl_host_explain(call->host, query, (size_t)limit, result, err);
}

int hgl_call_advert(const struct hgl_control_call *call, json_t **result, struct hgl_err *err)
{
  const char *agent;
  int status = hgl_request_text(call->request, "agent", &agent, err);
  return status ? status : hgl_host_advert(call->host, agent, result, err);
}

int hgl_call_timers(const struct hgl_control_call *call, json_t **result, struct hgl_err *err)
{
  const char *name;
  int status = hgl_request_text(call->request, "name", &name, err);
  return status ? status : hgl_host_timers(call->host, name, result, err);
}

int hgl_call_source(const struct hgl_control_call *call, json_t **result, struct hgl_err *err)
{
  const char *name, *file;
  int status = hgl_request_text(call->request, "name", &name, err);
  if (status == 0) status = hgl_request_text_if_any(call->request, "file", &file, err);
  return status ? status : hgl_host_source(call->host, name, file, result, err);
}
