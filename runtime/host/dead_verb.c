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
  int status = hgl_client_once(data, json_pack("{s:s}", "call", "dead.list"), HGL_CLIENT_TIMEOUT_MS,
                               &rows, err);
  if (status == 0)
    status = json ? hgl_print_json(rows, err)
                  : hgl_print_table(rows, columns, "no dead letters", err);
  json_decref(rows);
  return status;
}

static void print_fields(const json_t *object, int indent)
{
  const char *key;
  json_t *value;
  struct hgl_buf text;
  hgl_buf_init(&text, 8 << 20);
  json_object_foreach((json_t *)object, key, value)
  {
    printf("%*s", indent, "");
    hgl_print_escaped(stdout, hgl_text(key));
    if (json_is_object(value) && strcmp(key, "message") == 0) {
      printf("\n");
      print_fields(value, indent + 2);
      continue;
    }
    hgl_buf_clear(&text);
    hgl_show_json(value, &text);
    printf("%*s%.*s\n", (int)(strlen(key) < 16 ? 16 - strlen(key) : 1), "",
           HGL_STR(hgl_buf_bytes(&text)));
  }
  hgl_buf_deinit(&text);
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
    print_fields(result, 0);
  } else if (status == 0) {
    printf("dead letter %lld %s\n", (long long)row,
           strcmp(what, "resend") == 0 ? "is in its agent's mailbox again" : "is dropped");
  }
  json_decref(result);
  return status;
}

static int dead_main(const struct hgl_verb *verb, int argc, char **argv)
{
  static const char *const actions[] = {"show", "resend", "drop", NULL};
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
    status = hgl_usage_fail(verb, "say nothing (to list), or show, resend or drop and a row");
  else if (on_row(data, json, words.items[0], row, &err))
    status = hgl_verb_fail(verb, &err);
done:
  hgl_texts_deinit(&words);
  return status;
}

const struct hgl_verb hgl_verb_dead = {
    .name = "dead",
    .usage = "[--data DIR] [--json] [show ROW | resend ROW | drop ROW]",
    .summary = "messages whose handlers failed, kept for you",
    .help = "A message whose handler raised in every attempt is kept as a dead letter. Mend the\n"
            "script, run the host again and resend it, or drop it.\n\n"
            "  haggle dead\n"
            "  haggle dead show 17\n"
            "  haggle dead resend 17\n"
            "  haggle dead drop 17",
    .main = dead_main,
};
