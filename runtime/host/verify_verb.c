/* haggle verify: what a file of evidence proves, offline: piece by piece, and, where the pieces are
 * those of one deal, together. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "host/deal_proof.h"
#include "host/file.h"
#include "host/options.h"
#include "host/text.h"
#include "protocol/conflict.h"
#include "protocol/did.h"

enum { BUNDLE_MAX = 64, BUNDLE_SIZE_MAX = 64 << 20, FILE_DEPTH_MAX = HGL_VALUE_DEPTH_MAX + 4 };

/* The file's pieces -------------------------------------------------------------------------- */

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

struct piece {
  struct hgl_bytes bytes;
  bool is_conflict; /* else evidence */
  struct hgl_proof proof;
  struct hgl_conflict conflict;
};

struct bundle {
  struct piece pieces[BUNDLE_MAX];
  size_t count;
  bool is_list;
  bool is_deal;
  struct hgl_proof proofs[BUNDLE_MAX]; /* of the evidence, in order */
  size_t proof_count;
  struct hgl_deal_proof deal;
};

/* One evidence or conflict, or a list of them. */
static int split(struct hgl_bytes file, struct bundle *bundle, struct hgl_err *err)
{
  struct hgl_cbor_reader in = hgl_cbor_reader(file);
  enum { LIST_HEAD = 0x80, MAJOR_TYPE = 0xe0 };
  bundle->count = 1;
  bundle->pieces[0].bytes = file;
  if (file.size == 0) return hgl_fail(err, HGL_TRUNCATED, "the file is empty");
  if ((file.data[0] & MAJOR_TYPE) != LIST_HEAD) return 0;
  bundle->is_list = true;
  int status = hgl_cbor_get_list(&in, "the list of evidence", BUNDLE_MAX, &bundle->count, err);
  if (status == 0 && bundle->count == 0)
    status = hgl_fail(err, HGL_MALFORMED, "the list of evidence is empty");
  for (size_t i = 0; status == 0 && i < bundle->count; i++) {
    const uint8_t *start = in.at;
    status = skip_item(&in, 0, err);
    bundle->pieces[i].bytes = hgl_bytes(start, (size_t)(in.at - start));
  }
  return status ? status : hgl_cbor_end(&in, "the list of evidence", err);
}

/* Checking ------------------------------------------------------------------------------------ */

static int verify_conflict(struct piece *piece, const struct hgl_verify_options *checks,
                           struct hgl_err *err)
{
  int status = hgl_conflict_verify(piece->bytes, &piece->conflict, err);
  if (status) return status;
  if (checks->agent && !hgl_key_equal(checks->agent, &piece->conflict.subject))
    return hgl_fail(err, HGL_INVALID, "signed by another than the one expected");
  if (checks->destination || checks->revocation.size)
    return hgl_fail(err, HGL_INVALID,
                    "--destination and --revocation ask about messages, this is none");
  return 0;
}

static int verify_piece(struct bundle *bundle, size_t index,
                        const struct hgl_verify_options *checks, struct hgl_err *err)
{
  struct piece *piece = &bundle->pieces[index];
  piece->is_conflict = hgl_conflict_marked(piece->bytes);
  int status = piece->is_conflict ? verify_conflict(piece, checks, err)
                                  : hgl_evidence_verify(piece->bytes, checks, &piece->proof, err);
  if (status && bundle->count > 1)
    return hgl_fail_in(err, "evidence %zu of %zu", index + 1, bundle->count);
  if (!status && !piece->is_conflict) bundle->proofs[bundle->proof_count++] = piece->proof;
  return status;
}

/* NULL: any, or none. */
static int check_wanted_deal(const struct bundle *bundle, const char *wanted, struct hgl_err *err)
{
  char id[2 * HGL_ID_SIZE + 1];
  if (!wanted) return 0;
  if (!bundle->is_deal) return hgl_fail(err, HGL_NOT_FOUND, "this is no evidence of a deal");
  hgl_id_format(&bundle->deal.id, id);
  return strcmp(id, wanted) == 0 ? 0 : hgl_fail(err, HGL_INVALID, "this is the deal %s", id);
}

/* Nothing of a file is shown as proved unless all of it is. What is exported of a deal is a list,
 * however short; a single message stands for itself. */
static int verify_all(struct bundle *bundle, const struct hgl_verify_options *checks,
                      const char *wanted_deal, struct hgl_err *err)
{
  int status = 0;
  for (size_t i = 0; i < bundle->count && status == 0; i++)
    status = verify_piece(bundle, i, checks, err);
  if (status) return status;
  bundle->is_deal = bundle->is_list && hgl_deal_is_one(bundle->proofs, bundle->proof_count);
  if (bundle->is_deal && bundle->proof_count < bundle->count)
    return hgl_fail(err, HGL_INVALID, "a deal and something else in one file");
  if (bundle->is_deal)
    status = hgl_deal_judge(bundle->proofs, bundle->proof_count, &bundle->deal, err);
  return status ? status : check_wanted_deal(bundle, wanted_deal, err);
}

/* Showing ------------------------------------------------------------------------------------- */

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

/* A message of the deal, in a few words; null where there is none. */
static json_t *step_json(const struct hgl_deal_proof *deal, const struct hgl_proof *proof)
{
  char host[HGL_DID_TEXT_SIZE], id[2 * HGL_ID_SIZE + 1];
  if (!proof) return json_null();
  hgl_did_format(&proof->header.host, host);
  hgl_id_format(&proof->envelope.id, id);
  bool sold = hgl_key_equal(&proof->envelope.from, &deal->seller);
  return json_pack("{s:s, s:s, s:s, s:I}", "by", sold ? "seller" : "buyer", "message", id, "host",
                   host, "header_time", (json_int_t)proof->header.time_ms);
}

static json_t *deal_json(const struct hgl_deal_proof *deal, struct hgl_err *err)
{
  char id[2 * HGL_ID_SIZE + 1], buyer[HGL_DID_TEXT_SIZE], seller[HGL_DID_TEXT_SIZE];
  hgl_id_format(&deal->id, id);
  hgl_did_format(&deal->buyer, buyer);
  hgl_did_format(&deal->seller, seller);
  json_t *json = json_pack(
      "{s:{s:s, s:s%, s:I, s:I, s:s, s:s, s:o, s:o, s:o, s:o, s:o}}", "deal", "id", id, "service",
      (const char *)deal->service.data, deal->service.size, "price", (json_int_t)deal->price,
      "within_ms", (json_int_t)deal->within_ms, "buyer", buyer, "seller", seller, "accepted",
      step_json(deal, deal->accept), "confirmed", step_json(deal, deal->confirm), "delivered",
      step_json(deal, deal->deliver), "received", step_json(deal, deal->received), "declined",
      step_json(deal, deal->decline));
  if (!json) hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  return json;
}

static void print_step(const struct hgl_deal_proof *deal, const char *title,
                       const struct hgl_proof *proof, const char *none)
{
  char note[160], host[HGL_DID_TEXT_SIZE];
  if (!proof) {
    if (none) printf("  %-12s %s\n", title, none);
    return;
  }
  hgl_did_format(&proof->header.host, host);
  bool sold = hgl_key_equal(&proof->envelope.from, &deal->seller);
  snprintf(note, sizeof note, " by the %s (time claimed by the host %s)", sold ? "seller" : "buyer",
           host);
  print_time(title, proof->header.time_ms, note);
}

static void print_deal(const struct hgl_deal_proof *deal, const json_t *json)
{
  const json_t *fields = json_object_get(json, "deal");
  const struct hgl_colours *colours = hgl_colours(stdout);
  printf("%sdeal proved%s: both sides signed the same terms\n", colours->green, colours->plain);
  print_line("deal", fields, "id");
  print_line("service", fields, "service");
  print_line("price", fields, "price");
  print_line("buyer", fields, "buyer");
  print_line("seller", fields, "seller");
  printf("  %-12s %" PRId64 " ms from then on, to deliver\n", "within", deal->within_ms);
  print_step(deal, "accepted", deal->accept, NULL);
  print_step(deal, "confirmed", deal->confirm, NULL);
  print_step(deal, "delivered", deal->deliver, "no evidence of a delivery");
  print_step(deal, "received", deal->received, "no evidence that the buyer received it");
  print_step(deal, "declined", deal->decline, NULL);
}

static int show_deal(const struct hgl_deal_proof *deal, bool as_json, struct hgl_err *err)
{
  int status = 0;
  json_t *json = deal_json(deal, err);
  if (!json) return -(int)err->code;
  if (as_json)
    status = hgl_print_json(json, err);
  else
    print_deal(deal, json);
  json_decref(json);
  return status;
}

/* What the two objects of a conflict say, for people and programs. */
static void conflict_words(const struct hgl_conflict *conflict, char *out, size_t size)
{
  static const char *const formats[] = {
      [HGL_CONFLICT_FORK] = "host %s signed two different headers of sequence %" PRIu64,
      [HGL_CONFLICT_CHAIN] = "host %s signed, behind its header of sequence %" PRIu64
                             ", one that follows another header than that",
      [HGL_CONFLICT_DELEGATIONS] = "agent %s signed two different delegations of sequence %" PRIu64,
  };
  char did[HGL_DID_TEXT_SIZE];
  hgl_did_format(&conflict->subject, did);
  snprintf(out, size, formats[conflict->kind], did, conflict->sequence);
}

static json_t *conflict_json(const struct hgl_conflict *conflict, const char *words,
                             struct hgl_err *err)
{
  char did[HGL_DID_TEXT_SIZE];
  bool host = conflict->kind != HGL_CONFLICT_DELEGATIONS;
  hgl_did_format(&conflict->subject, did);
  json_t *json = json_pack("{s:s, s:s, s:s, s:I, s:s}", "conflict",
                           host ? "fork" : "delegation_conflict", "by", host ? "host" : "agent",
                           "subject", did, "sequence", (json_int_t)conflict->sequence, "proves",
                           words);
  if (!json) hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  return json;
}

static void print_delegation(const char *title, const struct hgl_delegation *delegation)
{
  char host[HGL_DID_TEXT_SIZE], until[HGL_TIME_TEXT_SIZE];
  hgl_did_format(&delegation->host, host);
  hgl_time_text(delegation->expires_s * 1000, true, until);
  printf("  %-12s to the host %s until %s\n", title, host, until);
}

static void print_conflict(const struct hgl_conflict *conflict, const char *words)
{
  const struct hgl_colours *colours = hgl_colours(stdout);
  const char *note = " (time claimed by the host)";
  printf("%sproved%s: %s\n", colours->green, colours->plain, words);
  if (conflict->kind == HGL_CONFLICT_DELEGATIONS) {
    print_delegation("the one", &conflict->delegation_a);
    print_delegation("the other", &conflict->delegation_b);
    return;
  }
  print_time("the one", conflict->a.time_ms, note);
  print_time("the other", conflict->b.time_ms, note);
}

static int show_conflict(const struct hgl_conflict *conflict, bool as_json, struct hgl_err *err)
{
  char words[256];
  int status = 0;
  conflict_words(conflict, words, sizeof words);
  json_t *json = conflict_json(conflict, words, err);
  if (!json) return -(int)err->code;
  if (as_json)
    status = hgl_print_json(json, err);
  else
    print_conflict(conflict, words);
  json_decref(json);
  return status;
}

static int show_proof(const struct hgl_proof *proof, bool as_json, struct hgl_err *err)
{
  int status = 0;
  json_t *json = proof_json(proof, err);
  if (!json) return -(int)err->code;
  if (as_json)
    status = hgl_print_json(json, err);
  else
    print_proof(proof, json);
  json_decref(json);
  return status;
}

/* The pieces, then what they prove together. */
static int show_all(const struct bundle *bundle, bool json, struct hgl_err *err)
{
  int status = 0;
  for (size_t i = 0; i < bundle->count && status == 0; i++) {
    const struct piece *piece = &bundle->pieces[i];
    if (i && !json) printf("\n");
    status = piece->is_conflict ? show_conflict(&piece->conflict, json, err)
                                : show_proof(&piece->proof, json, err);
  }
  if (status || !bundle->is_deal) return status;
  if (!json) printf("\n");
  return show_deal(&bundle->deal, json, err);
}

/* The verb ------------------------------------------------------------------------------------ */

static int verify_file(const char *path, const struct hgl_verify_options *checks,
                       const char *wanted_deal, bool json, struct hgl_err *err)
{
  struct hgl_buf file;
  struct bundle *bundle = hgl_zalloc(sizeof *bundle);
  if (!bundle) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  hgl_buf_init(&file, BUNDLE_SIZE_MAX);
  int status = hgl_file_read(path, BUNDLE_SIZE_MAX, &file, err);
  if (status == 0) status = split(hgl_buf_bytes(&file), bundle, err);
  if (status == 0) status = verify_all(bundle, checks, wanted_deal, err);
  if (status == 0) status = show_all(bundle, json, err);
  hgl_buf_deinit(&file);
  hgl_free(bundle);
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
  const char *agent = NULL, *destination = NULL, *revocation = NULL, *deal = NULL;
  bool json = false;
  const struct hgl_option options[] = {
      {"agent", "DID", HGL_OPTION_TEXT, &agent, "who must have said it"},
      {"destination", "DID", HGL_OPTION_TEXT, &destination, "the host to which it must have gone"},
      {"revocation", "FILE", HGL_OPTION_TEXT, &revocation,
       "a later delegation of the agent: refuses what the host\nsaid after that was issued"},
      {"deal", "ID", HGL_OPTION_TEXT, &deal, "the deal that the file must prove"},
      {"json", NULL, HGL_OPTION_FLAG, &json,
       "an object a line for each piece, and one for the deal"},
  };
  struct hgl_texts words = {0};
  struct hgl_err err = {0};
  struct hgl_key agent_key, destination_key;
  struct hgl_verify_options checks = {0};
  struct hgl_buf later;
  int status;
  hgl_buf_init(&later, HGL_DELEGATION_SIZE_MAX);
  if (!hgl_options_parse(verb, options, 5, argc, argv, &words, &status)) goto done;
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
  if (verify_file(words.items[0], &checks, deal, json, &err))
    status = fail_verification(verb, json, &err);
done:
  hgl_buf_deinit(&later);
  hgl_texts_deinit(&words);
  return status;
}

const struct hgl_verb hgl_verb_verify = {
    .name = "verify",
    .usage = "[--agent DID] [--destination DID] [--revocation FILE] [--deal ID] [--json] FILE",
    .summary = "check evidence, offline",
    .help =
        "Checks a file that `haggle export` wrote. Needs no host, no data folder and no network.\n"
        "Says what is proved, or the first thing that is wrong; the exit status is 0 or 1.\n\n"
        "The messages of a deal are judged together too: that both sides signed the same terms,\n"
        "who and when, and whether it was delivered. A deal of which one side's signature is\n"
        "missing, or into which a message of another got, is not proved.\n\n"
        "  haggle verify deal.evidence\n"
        "  haggle verify deal.evidence --deal 0f3a5b…\n"
        "  haggle verify message.evidence --agent did:key:z6Mk… --revocation later.delegation",
    .main = verify_main,
};
