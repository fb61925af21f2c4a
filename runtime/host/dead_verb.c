/* haggle dead: the messages whose handlers failed for good. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "host/client.h"
#include "host/text.h"

static int list_all(const char *data, bool json, struct hgl_err *err)
{
  static const struct hgl_column columns[] = {{"row", "row", HGL_COLUMN_NUMBER},
                                              {"time", "time_ms", HGL_COLUMN_TIME},
                                              {"agent", "agent", HGL_COLUMN_TEXT},
                                              {"kind", "kind", HGL_COLUMN_TEXT},
                                              {"code", "code", HGL_COLUMN_TEXT},
                                              {"why", "why", HGL_COLUMN_TEXT},
                                              {0}};
  json_t *rows = NULL;
  int status = hgl_client_list(data, json_pack("{s:s}", "call", "dead.list"), SIZE_MAX, &rows, err);
  if (status == 0) status = hgl_print_list(rows, json, columns, "no dead letters", err);
  json_decref(rows);
  return status;
}

/* show, resend and drop: each on one row. */
static int on_row(const char *data, bool json, const char *what, json_int_t row,
                  struct hgl_err *err)
{
  json_t *result = NULL;
  json_t *request = json_pack("{s:o, s:I}", "call", json_sprintf("dead.%s", what), "row", row);
  int status = hgl_client_once(data, request, HGL_CLIENT_TIMEOUT_MS, &result, err);
  if (status == 0 && json) {
    status = hgl_print_json(result, err);
  } else if (status == 0 && strcmp(what, "show") == 0) {
    hgl_print_fields(result, 0);
  } else if (status == 0) {
    printf("dead letter %lld %s\n", (long long)row,
           strcmp(what, "resend") == 0 ? "is in its agent's mailbox again" : "is dropped");
  }
  json_decref(result);
  return status;
}

/* resend and drop: every row. */
static int on_all(const char *data, bool json, const char *what, struct hgl_err *err)
{
  json_t *result = NULL;
  json_t *request = json_pack("{s:o, s:b}", "call", json_sprintf("dead.%s", what), "all", 1);
  int status = hgl_client_once(data, request, HGL_CLIENT_TIMEOUT_MS, &result, err);
  long long left = json_integer_value(json_object_get(result, "left"));
  if (status == 0 && json) {
    status = hgl_print_json(result, err);
  } else if (status == 0 && strcmp(what, "drop") == 0) {
    printf("%lld dropped\n", (long long)json_integer_value(json_object_get(result, "dropped")));
  } else if (status == 0) {
    printf("%lld in their agents' mailboxes again",
           (long long)json_integer_value(json_object_get(result, "resent")));
    printf(left ? "; %lld cannot be: resend one to see why\n" : "\n", left);
  }
  json_decref(result);
  return status;
}

/* Digits only; -1 otherwise. */
static long long row_of(const char *word)
{
  char *end;
  errno = 0;
  long long row = strtoll(word, &end, 10);
  return *word < '0' || *word > '9' || *end || errno ? -1 : row;
}

static int dead_main(const struct hgl_verb *verb, int argc, char **argv)
{
  const char *data = HGL_DATA_DEFAULT;
  bool json = false;
  const struct hgl_option options[] = {HGL_CLIENT_OPTIONS(&data, &json)};
  struct hgl_texts words = {0};
  struct hgl_err err = {0};
  int status;
  if (!hgl_options_parse(verb, options, 2, argc, argv, &words, &status)) goto done;
  const char *what = words.count ? words.items[0] : "list";
  const char *which = words.count == 2 ? words.items[1] : "";
  bool show = strcmp(what, "show") == 0;
  bool change = strcmp(what, "resend") == 0 || strcmp(what, "drop") == 0;
  if (words.count < 2 && strcmp(what, "list") == 0)
    status = list_all(data, json, &err);
  else if (change && strcmp(which, "all") == 0)
    status = on_all(data, json, what, &err);
  else if ((show || change) && row_of(which) >= 0)
    status = on_row(data, json, what, row_of(which), &err);
  else {
    status = hgl_usage_fail(verb, "say list, show ROW, resend ROW|all or drop ROW|all");
    goto done;
  }
  status = status ? hgl_verb_fail(verb, &err) : HGL_EXIT_OK;
done:
  hgl_texts_deinit(&words);
  return status;
}

const struct hgl_verb hgl_verb_dead = {
    .name = "dead",
    .usage = "[--data DIR] [--json] [list | show ROW | resend ROW|all | drop ROW|all]",
    .summary = "messages whose handlers failed, kept for you",
    .help = "A message whose handler raised in every attempt is kept as a dead letter. Mend the\n"
            "script, run the host again and resend it, or drop it. `show` has the error with its\n"
            "traceback, how often it was tried, and the message.\n\n"
            "  haggle dead list\n"
            "  haggle dead show 17\n"
            "  haggle dead resend 17\n"
            "  haggle dead resend all\n"
            "  haggle dead drop 17",
    .main = dead_main,
};
