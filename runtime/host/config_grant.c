/* Grants: what an agent may do beside computing. Checked here, when they are given. */
#include "host/config.h"
#include "host/secret_grant.h"
#include "infer/infer.h"
#include "net/net_grant.h"

static int check_path(const char *grant, const char *value, struct hgl_err *err)
{
  size_t size = strlen(value);
  if (*value != '/') return hgl_fail(err, HGL_INVALID, "%s: the path must begin with /", grant);
  if (value[size - 1] == '*' && value[size - 2] != '/')
    return hgl_fail(err, HGL_INVALID,
                    "%s: a star stands for all that is below a folder: PATH or FOLDER/*", grant);
  return 0;
}

static int check_net(const char *grant, const char *value, struct hgl_err *err)
{
  struct hgl_net_grant parsed;
  int status = hgl_net_grant_parse(hgl_text(value), &parsed, err);
  return status ? hgl_fail_in(err, "%s", grant) : 0;
}

static int check_secret(const char *grant, const char *value, struct hgl_err *err)
{
  int status = hgl_secret_grant_check(value, err);
  return status ? hgl_fail_in(err, "%s", grant) : 0;
}

static int check_http(const char *grant, const char *value, struct hgl_err *err)
{
  if (strcmp(value, "token") == 0 || strcmp(value, "open") == 0) return 0;
  return hgl_fail(err, HGL_INVALID,
                  "%s: expected http=token (to whoever shows the agent's token) or http=open (to "
                  "everyone)",
                  grant);
}

static int check_infer(const char *grant, const char *value, struct hgl_err *err)
{
  size_t size = strlen(value);
  bool prefix = size && value[size - 1] == '*';
  if (prefix && size == 1) return 0;
  if (hgl_infer_name_valid(hgl_bytes(value, size - prefix))) return 0;
  return hgl_fail(err, HGL_INVALID, "%s: expected infer=NAME of a model, or infer=* for all",
                  grant);
}

int hgl_config_grant(struct hgl_node_agent *agent, const char *grant, struct hgl_err *err)
{
  static const char *const names[] = {"read", "write", "net", "secret", "http", "infer", NULL};
  static int (*const checks[])(const char *, const char *, struct hgl_err *) = {
      check_path, check_path, check_net, check_secret, check_http, check_infer};
  const char *equals = strchr(grant, '=');
  if (!equals)
    return hgl_fail(err, HGL_INVALID,
                    "a grant is kind=value, as in read=/proc/loadavg; not \"%.200s\"", grant);
  struct hgl_bytes kind = hgl_bytes(grant, (size_t)(equals - grant));
  for (size_t i = 0; names[i]; i++) {
    if (!hgl_bytes_is(kind, names[i])) continue;
    int status = checks[i](grant, equals + 1, err);
    return status ? status : hgl_texts_add(&agent->grants, grant, err);
  }
  const char *nearest = hgl_nearest(kind, names);
  return hgl_fail(err, HGL_INVALID,
                  "there is no grant of kind \"%.*s\"%s%s%s; known: read=PATH, write=PATH, "
                  "net=HOST:PORT, secret=NAME, http=token, http=open, infer=NAME",
                  (int)(kind.size < 40 ? kind.size : 40), grant, nearest ? "; did you mean " : "",
                  nearest ? nearest : "", nearest ? "?" : "");
}
