/* haggle export: evidence of what was said, taken out of a running host. */
#include <stdio.h>
#include <string.h>

#include "host/client.h"
#include "host/file.h"
#include "host/text.h"
#include "protocol/value.h"

enum { EXPORT_SIZE_MAX = 64 << 20 };

static int export_to(const char *data, const char *id, const char *path, bool json,
                     struct hgl_err *err)
{
  json_t *result = NULL;
  struct hgl_buf evidence;
  hgl_buf_init(&evidence, EXPORT_SIZE_MAX);
  int status = hgl_client_once(data, json_pack("{s:s, s:s}", "call", "export", "of", id),
                               HGL_CLIENT_TIMEOUT_MS, &result, err);
  const json_t *text = json_object_get(result, "evidence");
  if (status == 0)
    status = hgl_base64url_decode(hgl_bytes(json_string_value(text), json_string_length(text)),
                                  &evidence, err);
  if (status == 0) status = hgl_file_replace(path, hgl_buf_bytes(&evidence), 0644, err);
  json_decref(result);
  result = json_pack("{s:s, s:I}", "file", path, "bytes", (json_int_t)evidence.size);
  if (status == 0 && json) status = hgl_print_json(result, err);
  if (status == 0 && !json)
    printf("%s: %zu bytes; check it with: haggle verify %s\n", path, evidence.size, path);
  json_decref(result);
  hgl_buf_deinit(&evidence);
  return status;
}

static int export_main(const struct hgl_verb *verb, int argc, char **argv)
{
  const char *data = HGL_DATA_DEFAULT, *out = NULL;
  bool json = false;
  const struct hgl_option options[] = {
      HGL_CLIENT_OPTIONS(&data, &json),
      {"out", "FILE", HGL_OPTION_TEXT, &out, "where to (default ID.evidence)"},
  };
  struct hgl_texts words = {0};
  struct hgl_err err = {0};
  char path[160];
  int status;
  if (!hgl_options_parse(verb, options, 3, argc, argv, &words, &status)) goto done;
  const char *id = words.count == 1 ? words.items[0] : "";
  if (words.count != 1 || strlen(id) > 100 || strchr(id, '/')) {
    status = hgl_usage_fail(verb,
                            "name one message or deal by its id, or a host or agent by its did");
    goto done;
  }
  snprintf(path, sizeof path, "%s.evidence", id);
  if (export_to(data, id, out ? out : path, json, &err)) status = hgl_verb_fail(verb, &err);
done:
  hgl_texts_deinit(&words);
  return status;
}

const struct hgl_verb hgl_verb_export = {
    .name = "export",
    .usage = "[--data DIR] [--out FILE] ID|DID",
    .summary = "evidence of a message, a deal or a fork, to a file",
    .help =
        "Writes what proves a message (its id), or all signed messages of a deal (its id, or the\n"
        "beginning of it), or that a host or agent contradicted itself (its did, as `haggle\n"
        "proofs` lists it), to a file that anyone can check without this host.\n\n"
        "  haggle export 0f3a --out deal.evidence\n"
        "  haggle verify deal.evidence",
    .main = export_main,
};
