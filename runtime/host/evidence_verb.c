/* haggle export and haggle verify: evidence of what was said, taken out and checked. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "host/client.h"
#include "host/file.h"
#include "host/text.h"
#include "protocol/did.h"
#include "protocol/evidence.h"

enum { BUNDLE_MAX = 64, BUNDLE_SIZE_MAX = 64 << 20, FILE_DEPTH_MAX = HGL_VALUE_DEPTH_MAX + 4 };

/* export -------------------------------------------------------------------------------------- */

static int export_to(const char *data, const char *id, const char *path, bool json,
                     struct hgl_err *err)
{
  json_t *result = NULL;
  struct hgl_buf evidence;
  hgl_buf_init(&evidence, BUNDLE_SIZE_MAX);
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
    status = hgl_usage_fail(verb, "name one message or deal by its id");
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
    .usage = "[--data DIR] [--out FILE] ID",
    .summary = "evidence of a message or a deal, to a file",
    .help =
        "Writes what proves a message (its id), or all signed messages of a deal (its id, or the\n"
        "beginning of it), to a file that anyone can check without this host.\n\n"
        "  haggle export 0f3a --out deal.evidence\n"
        "  haggle verify deal.evidence",
    .main = export_main,
};

/* verify -------------------------------------------------------------------------------------- */

/* Passes over one item, whatever it is. */
static int skip_item(struct hgl_cbor_reader *in, int depth, struct hgl_err *err)
{
  struct hgl_cbor_item item;
  if (depth > FILE_DEPTH_MAX) return hgl_fail(err, HGL_TOO_DEEP, "nested too deep");
  int status = hgl_cbor_next(in, &item, err);
  if (status) return status;
  size_t inner = item.kind == HGL_CBOR_LIST  ? item.count
                 : item.kind == HGL_CBOR_MAP ? 2 * item.count
                                             : 0;
  for (size_t i = 0; i < inner && status == 0; i++) status = skip_item(in, depth + 1, err);
  return status;
}

struct bundle {
  struct hgl_bytes items[BUNDLE_MAX];
  size_t count;
};

/* One evidence, or a list of them. */
static int split(struct hgl_bytes file, struct bundle *bundle, struct hgl_err *err)
{
  struct hgl_cbor_reader in = hgl_cbor_reader(file);
  enum { LIST_HEAD = 0x80, MAJOR_TYPE = 0xe0 };
  bundle->count = 1;
  bundle->items[0] = file;
  if (file.size == 0) return hgl_fail(err, HGL_TRUNCATED, "the file is empty");
  if ((file.data[0] & MAJOR_TYPE) != LIST_HEAD) return 0;
  int status = hgl_cbor_get_list(&in, "the list of evidence", BUNDLE_MAX, &bundle->count, err);
  if (status == 0 && bundle->count == 0)
    status = hgl_fail(err, HGL_MALFORMED, "the list of evidence is empty");
  for (size_t i = 0; status == 0 && i < bundle->count; i++) {
    const uint8_t *start = in.at;
    status = skip_item(&in, 0, err);
    bundle->items[i] = hgl_bytes(start, (size_t)(in.at - start));
  }
  return status ? status : hgl_cbor_end(&in, "the list of evidence", err);
}

static json_t *proof_json(const struct hgl_proof *proof, struct hgl_err *err)
{
  char host[HGL_DID_TEXT_SIZE], destination[HGL_DID_TEXT_SIZE];
  json_t *message = NULL;
  hgl_did_format(&proof->header.host, host);
  hgl_did_format(&proof->group.destination, destination);
  if (hgl_envelope_to_json(&proof->envelope, &message, err)) return NULL;
  json_t *json = json_pack("{s:o, s:s, s:s, s:I, s:I, s:I, s:I, s:I}", "message", message, "host",
                           host, "destination", destination, "number", (json_int_t)proof->number,
                           "sequence", (json_int_t)proof->header.sequence, "header_time",
                           (json_int_t)proof->header.time_ms, "delegation_sequence",
                           (json_int_t)proof->delegation.sequence, "delegation_expires",
                           (json_int_t)proof->delegation.expires_s);
  if (!json) hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  return json;
}

static void print_line(const char *title, const json_t *object, const char *field)
{
  struct hgl_buf text;
  hgl_buf_init(&text, 8 << 20);
  hgl_show_json(json_object_get(object, field), &text);
  printf("  %-12s %.*s\n", title, HGL_STR(hgl_buf_bytes(&text)));
  hgl_buf_deinit(&text);
}

static void print_time(const char *title, int64_t ms, const char *note)
{
  char time[HGL_TIME_TEXT_SIZE];
  hgl_time_text(ms, true, time);
  printf("  %-12s %s%s\n", title, time, note);
}

static void print_proof(const struct hgl_proof *proof, const json_t *json)
{
  const json_t *message = json_object_get(json, "message");
  const struct hgl_colours *colours = hgl_colours(stdout);
  printf("%sproved%s: the agent said this, and its host signed it\n", colours->green,
         colours->plain);
  print_line("from", message, "from");
  print_line("to", message, "to");
  print_line("type", message, "type");
  print_line("message", message, "id");
  print_line("thread", message, "thid");
  print_line("body", message, "body");
  print_time("time", proof->header.time_ms, " (time claimed by the host)");
  print_line("host", json, "host");
  print_line("sent to", json, "destination");
  printf("  %-12s %" PRIu64 " of all that the one host said to the other\n", "number",
         proof->number);
  print_time("delegated", proof->delegation.expires_s * 1000, " is when the host's leave ends");
}

static int show_one(struct hgl_bytes evidence, const struct hgl_verify_options *checks,
                    bool as_json, struct hgl_err *err)
{
  struct hgl_proof proof;
  int status = hgl_evidence_verify(evidence, checks, &proof, err);
  if (status) return status;
  json_t *json = proof_json(&proof, err);
  if (!json) return -(int)err->code;
  if (as_json)
    status = hgl_print_json(json, err);
  else
    print_proof(&proof, json);
  json_decref(json);
  return status;
}

/* Nothing of a file is shown as proved unless all of it is. */
static int verify_all(const struct bundle *bundle, const struct hgl_verify_options *checks,
                      struct hgl_err *err)
{
  struct hgl_proof proof;
  for (size_t i = 0; i < bundle->count; i++) {
    int status = hgl_evidence_verify(bundle->items[i], checks, &proof, err);
    if (status && bundle->count > 1)
      return hgl_fail_in(err, "evidence %zu of %zu", i + 1, bundle->count);
    if (status) return status;
  }
  return 0;
}

static int verify_file(const char *path, const struct hgl_verify_options *checks, bool json,
                       struct hgl_err *err)
{
  struct hgl_buf file;
  struct bundle bundle;
  hgl_buf_init(&file, BUNDLE_SIZE_MAX);
  int status = hgl_file_read(path, BUNDLE_SIZE_MAX, &file, err);
  if (status == 0) status = split(hgl_buf_bytes(&file), &bundle, err);
  if (status == 0) status = verify_all(&bundle, checks, err);
  for (size_t i = 0; status == 0 && i < bundle.count; i++) {
    if (i && !json) printf("\n");
    status = show_one(bundle.items[i], checks, json, err);
  }
  hgl_buf_deinit(&file);
  return status;
}

/* NULL is no key. */
static int parse_key(const char *option, const char *text, struct hgl_key *key,
                     const struct hgl_key **out, struct hgl_err *err)
{
  if (!text) return 0;
  if (hgl_did_parse(hgl_text(text), key, err)) return hgl_fail_in(err, "--%s", option);
  *out = key;
  return 0;
}

static int fail_verification(const struct hgl_verb *verb, bool json, const struct hgl_err *err)
{
  if (json) {
    json_t *object = json_pack("{s:{s:s, s:s}}", "error", "code", hgl_code_name(err->code),
                               "message", err->message);
    if (hgl_print_json(object, NULL)) fflush(stdout);
    json_decref(object);
    return HGL_EXIT_FAILED;
  }
  fflush(stdout);
  fprintf(stderr, "haggle %s: nothing is proved: ", verb->name);
  hgl_print_escaped(stderr, hgl_text(err->message));
  fprintf(stderr, " (%s)\n", hgl_code_name(err->code));
  return HGL_EXIT_FAILED;
}

static int verify_main(const struct hgl_verb *verb, int argc, char **argv)
{
  const char *agent = NULL, *destination = NULL, *revocation = NULL;
  bool json = false;
  const struct hgl_option options[] = {
      {"agent", "DID", HGL_OPTION_TEXT, &agent, "who must have said it"},
      {"destination", "DID", HGL_OPTION_TEXT, &destination, "the host to which it must have gone"},
      {"revocation", "FILE", HGL_OPTION_TEXT, &revocation,
       "a later delegation of the agent: refuses what the host\nsaid after that was issued"},
      {"json", NULL, HGL_OPTION_FLAG, &json, "an object a line for each evidence"},
  };
  struct hgl_texts words = {0};
  struct hgl_err err = {0};
  struct hgl_key agent_key, destination_key;
  struct hgl_verify_options checks = {0};
  struct hgl_buf later;
  int status;
  hgl_buf_init(&later, HGL_DELEGATION_SIZE_MAX);
  if (!hgl_options_parse(verb, options, 4, argc, argv, &words, &status)) goto done;
  if (words.count != 1) {
    status = hgl_usage_fail(verb, "name one file");
    goto done;
  }
  if (parse_key("agent", agent, &agent_key, &checks.agent, &err) ||
      parse_key("destination", destination, &destination_key, &checks.destination, &err) ||
      (revocation && hgl_file_read(revocation, HGL_DELEGATION_SIZE_MAX, &later, &err))) {
    status = hgl_verb_fail(verb, &err);
    goto done;
  }
  checks.revocation = hgl_buf_bytes(&later);
  if (verify_file(words.items[0], &checks, json, &err))
    status = fail_verification(verb, json, &err);
done:
  hgl_buf_deinit(&later);
  hgl_texts_deinit(&words);
  return status;
}

const struct hgl_verb hgl_verb_verify = {
    .name = "verify",
    .usage = "[--agent DID] [--destination DID] [--revocation FILE] [--json] FILE",
    .summary = "check evidence, offline",
    .help =
        "Checks a file that `haggle export` wrote. Needs no host, no data folder and no network.\n"
        "Says what is proved, or the first thing that is wrong; the exit status is 0 or 1.\n\n"
        "  haggle verify deal.evidence\n"
        "  haggle verify message.evidence --agent did:key:z6Mk… --revocation later.delegation",
    .main = verify_main,
};
