/* haggle runs: handlers that are suspended. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "host/client.h"
#include "host/text.h"

static int list_all(const char *data, bool json, struct hgl_err *err)
{
  static const struct hgl_column columns[] = {
      {"row", "row", HGL_COLUMN_NUMBER},     {"agent", "agent", HGL_COLUMN_TEXT},
      {"kind", "kind", HGL_COLUMN_TEXT},     {"handler", "handler", HGL_COLUMN_TEXT},
      {"status", "status", HGL_COLUMN_TEXT}, {"stretches", "stretches", HGL_COLUMN_NUMBER},
      {"why", "why", HGL_COLUMN_TEXT},       {0}};
  json_t *rows = NULL;
  int status = hgl_client_list(data, json_pack("{s:s}", "call", "runs.list"), SIZE_MAX, &rows, err);
  if (status == 0) status = hgl_print_list(rows, json, columns, "no suspended handlers", err);
  json_decref(rows);
  return status;
}

/* show, retry, finish and drop: each on one row. */
static int on_row(const char *data, bool json, const char *what, json_int_t row,
                  struct hgl_err *err)
{
  json_t *result = NULL;
  json_t *request = json_pack("{s:o, s:I}", "call", json_sprintf("runs.%s", what), "row", row);
  int status = hgl_client_once(data, request, HGL_CLIENT_TIMEOUT_MS, &result, err);
  if (status == 0 && json)
    status = hgl_print_json(result, err);
  else if (status == 0 && strcmp(what, "show") == 0)
    hgl_print_fields(result, 0);
  else if (status == 0)
    printf("handler %lld %s\n", (long long)row,
           strcmp(what, "retry") == 0    ? "is tried again"
           : strcmp(what, "finish") == 0 ? "is finished"
                                         : "is dropped; its message is a dead letter");
  json_decref(result);
  return status;
}

static int runs_main(const struct hgl_verb *verb, int argc, char **argv)
{
  static const char *const actions[] = {"show", "retry", "finish", "drop", NULL};
  const char *data = HGL_DATA_DEFAULT;
  bool json = false, known = false;
  const struct hgl_option options[] = {HGL_CLIENT_OPTIONS(&data, &json)};
  struct hgl_texts words = {0};
  struct hgl_err err = {0};
  int status;
  char *end;
  if (!hgl_options_parse(verb, options, 2, argc, argv, &words, &status)) goto done;
  if (words.count == 0 || (words.count == 1 && strcmp(words.items[0], "list") == 0)) {
    status = list_all(data, json, &err) ? hgl_verb_fail(verb, &err) : HGL_EXIT_OK;
    goto done;
  }
  for (size_t i = 0; actions[i]; i++) known |= strcmp(words.items[0], actions[i]) == 0;
  errno = 0;
  long long row = words.count == 2 ? strtoll(words.items[1], &end, 10) : -1;
  if (!known || row < 0 || *end || errno || end == words.items[1])
    status = hgl_usage_fail(verb,
                            "say nothing (to list), or show, retry, finish or drop and a row");
  else if (on_row(data, json, words.items[0], row, &err))
    status = hgl_verb_fail(verb, &err);
done:
  hgl_texts_deinit(&words);
  return status;
}

const struct hgl_verb hgl_verb_runs = {
    .name = "runs",
    .usage = "[--data DIR] [--json] [show ROW | retry ROW | finish ROW | drop ROW]",
    .summary = "handlers that are suspended, and those that cannot go on",
    .help =
        "A handler that waits in agent.ask, agent.sleep or agent.exclusive goes on after a\n"
        "restart: the host runs it again up to there, by what it remembers. If the handler then\n"
        "does not do again what it had done (after an upgrade of the library, say), it is\n"
        "parked, and `show` says where the two differ. Go back to the older version and retry\n"
        "it; or finish it, as if it had returned, or drop it: then its message is a dead\n"
        "letter, which can be sent again from its start.\n\n"
        "  haggle runs\n"
        "  haggle runs show 17\n"
        "  haggle runs retry 17\n"
        "  haggle runs finish 17\n"
        "  haggle runs drop 17",
    .main = runs_main,
};
