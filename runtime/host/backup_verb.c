/* haggle backup: a copy of the data folder of a running host. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "host/client.h"
#include "host/text.h"

enum { WITHIN_DEFAULT_MS = 600 * 1000, ANSWER_MS = 30000, WITHIN_MAX_MS = 24 * 3600 * 1000 };

/* The host may run elsewhere. */
static int make_absolute(const char *to, char out[PATH_MAX], struct hgl_err *err)
{
  char here[PATH_MAX];
  int size;
  if (*to == '/') {
    size = snprintf(out, PATH_MAX, "%s", to);
  } else {
    if (!getcwd(here, sizeof here))
      return hgl_fail(err, HGL_IO, "the working folder: %s", strerror(errno));
    size = snprintf(out, PATH_MAX, "%s/%s", here, to);
  }
  return size < PATH_MAX ? 0 : hgl_fail(err, HGL_INVALID, "the path is too long");
}

static int back_up(const char *data, bool json, const char *to, int64_t within_ms,
                   struct hgl_err *err)
{
  char absolute[PATH_MAX];
  json_t *report = NULL;
  int status = make_absolute(to, absolute, err);
  if (status) return status;
  json_t *request = json_pack("{s:s, s:s, s:I}", "call", "backup", "to", absolute, "within_ms",
                              (json_int_t)within_ms);
  if (!request) return hgl_fail(err, HGL_INVALID, "the path is no UTF-8 text");
  status = hgl_client_once(data, request, (int)within_ms + ANSWER_MS, &report, err);
  if (status == 0 && json) {
    status = hgl_print_json(report, err);
  } else if (status == 0) {
    double megabytes = (double)json_integer_value(json_object_get(report, "bytes")) / (1 << 20);
    printf("%.1f MB in ", megabytes);
    hgl_print_escaped(stdout, hgl_text(json_string_value(json_object_get(report, "folder"))));
    printf(" after %" PRId64 " ms; it holds keys: keep it as you keep the data folder\n",
           (int64_t)json_integer_value(json_object_get(report, "ms")));
  }
  json_decref(report);
  return status;
}

static int backup_main(const struct hgl_verb *verb, int argc, char **argv)
{
  const char *data = HGL_DATA_DEFAULT;
  bool json = false;
  int64_t within_ms = WITHIN_DEFAULT_MS;
  const struct hgl_option options[] = {
      HGL_CLIENT_OPTIONS(&data, &json),
      {"within", "TIME", HGL_OPTION_DURATION, &within_ms,
       "give up after this long (default 10m, at most 1d): the\ndata file grows while a copy is "
       "made"},
  };
  struct hgl_texts words = {0};
  struct hgl_err err = {0};
  int status;
  if (!hgl_options_parse(verb, options, 3, argc, argv, &words, &status)) goto done;
  if (words.count != 1)
    status = hgl_usage_fail(verb, "name one folder, new or empty, to make the backup in");
  else if (within_ms < 1 || within_ms > WITHIN_MAX_MS)
    status = hgl_usage_fail(verb, "--within is more than nothing and at most 1d");
  else
    status = back_up(data, json, words.items[0], within_ms, &err) ? hgl_verb_fail(verb, &err)
                                                                  : HGL_EXIT_OK;
done:
  hgl_texts_deinit(&words);
  return status;
}

const struct hgl_verb hgl_verb_backup = {
    .name = "backup",
    .usage = "[--data DIR] [--within TIME] [--json] TO",
    .summary = "copy the data folder of a running host",
    .help =
        "Copies what is durable at one moment into the folder TO while the host goes on: state,\n"
        "mailboxes, journal, deals, and the identities' keys (sealed ones stay sealed). TO\n"
        "appears once the copy is whole; files are of mode 0600.\n\n"
        "  haggle backup /mnt/backups/monday\n"
        "  haggle run kiosk/agent.lua --data /mnt/backups/monday    # in the original's place\n\n"
        "A host that is started on a backup begins a new incarnation: its peers are told, give\n"
        "again what they still have of what it had acknowledged since, and never hear two things\n"
        "under one number. Do not run it beside the original: the older of the two stops.",
    .main = backup_main,
};
