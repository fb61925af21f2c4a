/* Writes the golden vectors of headers, delegations and evidence, and the first inputs of their
 * fuzz targets. Everything follows from fixed seeds and times, so that running it again changes no
 * file.
 *
 *   make_vectors SOURCE_FOLDER
 *
 * protocol/vectors/valid/evidence-*.cbor verify, and the .json beside each says what they prove.
 * protocol/vectors/invalid/evidence-*.cbor are refused with the code in the .json beside each.
 * protocol/vectors/valid/{header,delegation}-*.json hold the bytes as hex and their fields. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <jansson.h>

#include "protocol/did.h"
#include "support/evidence_fixture.h"

#define HEADER_TYPE     "application/haggle-header+cbor"
#define DELEGATION_TYPE "application/haggle-delegation+cwt"

static struct hgl_err err;

static void must(int status)
{
  if (status == 0) return;
  fprintf(stderr, "make_vectors: %s: %s\n", hgl_code_name(err.code), err.message);
  exit(1);
}

/* Files */

static FILE *create_file(const char *root, const char *folder, const char *name, const char *end)
{
  char path[4096];
  snprintf(path, sizeof path, "%s/%s/%s%s", root, folder, name, end);
  FILE *file = fopen(path, "wb");
  if (!file) {
    perror(path);
    exit(1);
  }
  return file;
}

static void write_bytes(const char *root, const char *folder, const char *name, const char *end,
                        struct hgl_bytes bytes)
{
  FILE *file = create_file(root, folder, name, end);
  if (fwrite(bytes.data, 1, bytes.size, file) != bytes.size || fclose(file)) exit(1);
}

static void write_json(const char *root, const char *folder, const char *name, json_t *json)
{
  FILE *file = create_file(root, folder, name, ".json");
  if (!json || json_dumpf(json, file, JSON_INDENT(2)) || fputc('\n', file) == EOF || fclose(file))
    exit(1);
  json_decref(json);
}

static void write_corpus(const char *root, const char *decoder, const char *name,
                         struct hgl_bytes bytes)
{
  char folder[64];
  snprintf(folder, sizeof folder, "tests/fuzz/corpus/%s", decoder);
  write_bytes(root, folder, name, "", bytes);
}

static json_t *json_hex(struct hgl_bytes bytes)
{
  static char hex[4096];
  if (2 * bytes.size >= sizeof hex) exit(1);
  for (size_t i = 0; i < bytes.size; i++) sprintf(hex + 2 * i, "%02x", bytes.data[i]);
  return json_stringn(hex, 2 * bytes.size);
}

static json_t *json_did(const struct hgl_key *key)
{
  char did[HGL_DID_TEXT_SIZE];
  hgl_did_format(key, did);
  return json_string(did);
}

static json_t *json_hash(const struct hgl_hash *hash)
{
  return json_hex(hgl_bytes(hash->bytes, HGL_HASH_SIZE));
}

/* Evidence in pieces that can be changed */

struct parts {
  struct hgl_buf delegation, header, leaf, envelope;
  struct hgl_path group_path, envelope_path;
};

static void copy_part(struct hgl_buf *out, struct hgl_bytes bytes)
{
  hgl_buf_init(out, HGL_EVIDENCE_SIZE_MAX);
  hgl_buf_append_bytes(out, bytes);
}

static void parts_build(const struct plan *plan, struct parts *out)
{
  struct hgl_buf bytes;
  struct hgl_evidence evidence;
  hgl_buf_init(&bytes, HGL_EVIDENCE_SIZE_MAX);
  must(fixture_evidence(plan, &bytes, &err));
  must(hgl_evidence_decode(hgl_buf_bytes(&bytes), &evidence, &err));
  copy_part(&out->delegation, evidence.delegation);
  copy_part(&out->header, evidence.header);
  copy_part(&out->leaf, evidence.group_leaf);
  copy_part(&out->envelope, evidence.envelope);
  out->group_path = evidence.group_path;
  out->envelope_path = evidence.envelope_path;
  hgl_buf_deinit(&bytes);
}

static void parts_join(const struct parts *parts, struct hgl_buf *out)
{
  struct hgl_evidence evidence = {
      .delegation = hgl_buf_bytes(&parts->delegation),
      .header = hgl_buf_bytes(&parts->header),
      .group_leaf = hgl_buf_bytes(&parts->leaf),
      .envelope = hgl_buf_bytes(&parts->envelope),
      .group_path = parts->group_path,
      .envelope_path = parts->envelope_path,
  };
  must(hgl_evidence_encode(&evidence, out, &err));
}

static void parts_deinit(struct parts *parts)
{
  hgl_buf_deinit(&parts->delegation);
  hgl_buf_deinit(&parts->header);
  hgl_buf_deinit(&parts->leaf);
  hgl_buf_deinit(&parts->envelope);
}

/* Where `what` begins in `in`; it must be there. */
static size_t find(const struct hgl_buf *in, struct hgl_bytes what)
{
  const uint8_t *at = memmem(in->data, in->size, what.data, what.size);
  if (!at) {
    fprintf(stderr, "make_vectors: a place to change was not found\n");
    exit(1);
  }
  return (size_t)(at - in->data);
}

static void replace(struct hgl_buf *in, size_t at, size_t size, struct hgl_bytes with)
{
  struct hgl_buf out;
  hgl_buf_init(&out, HGL_EVIDENCE_SIZE_MAX);
  hgl_buf_append(&out, in->data, at);
  hgl_buf_append_bytes(&out, with);
  hgl_buf_append(&out, in->data + at + size, in->size - at - size);
  must(hgl_buf_check(&out, &err));
  hgl_buf_deinit(in);
  *in = out;
}

/* Signs the payload of a COSE object anew, as another type, by another key, or with more fields. */
static void sign_again(struct hgl_buf *object, const char *type, uint8_t seed, const char *new_type,
                       struct hgl_bytes more)
{
  struct hgl_signer *signer;
  struct hgl_cose cose;
  struct hgl_buf payload, out;
  must(hgl_cose_decode(hgl_buf_bytes(object), type, &cose, &err));
  copy_part(&payload, cose.payload);
  if (more.size) payload.data[0]++; /* one more pair in the map */
  hgl_buf_append_bytes(&payload, more);
  hgl_buf_init(&out, HGL_EVIDENCE_SIZE_MAX);
  must(fixture_signer(seed, &signer, &err));
  must(hgl_cose_sign(signer, new_type, hgl_buf_bytes(&payload), &out, &err));
  hgl_signer_destroy(signer);
  hgl_buf_deinit(&payload);
  hgl_buf_deinit(object);
  *object = out;
}

static void fill_unprotected(struct hgl_buf *object, const char *type)
{
  struct hgl_cose cose;
  must(hgl_cose_decode(hgl_buf_bytes(object), type, &cose, &err));
  size_t at = (size_t)(cose.protected_header.data - object->data) + cose.protected_header.size;
  replace(object, at, 1, hgl_bytes("\xa1\x04\x41\x00", 4)); /* a key identifier */
}

/* Changes */

static void change_body(struct parts *parts)
{
  parts->envelope.data[find(&parts->envelope, hgl_text("price")) + 5] = 4;
}

static void change_from(struct parts *parts)
{
  struct hgl_key from, other;
  must(fixture_key(FIXTURE_AGENT, &from, &err));
  must(fixture_key(FIXTURE_OTHER_HOST, &other, &err));
  replace(&parts->envelope, find(&parts->envelope, hgl_key_bytes(&from)), HGL_KEY_SIZE,
          hgl_key_bytes(&other));
}

static void change_envelope_path(struct parts *parts)
{
  parts->envelope_path.hashes[1].bytes[7] ^= 1;
}

static void change_group_path(struct parts *parts)
{
  parts->group_path.hashes[0].bytes[31] ^= 0x80;
}

static void change_envelope_index(struct parts *parts)
{
  parts->envelope_path.index++;
}

static void index_beyond_group(struct parts *parts)
{
  parts->envelope_path.index = 5;
}

static void shorten_path(struct parts *parts)
{
  parts->envelope_path.count--;
}

static void lengthen_path(struct parts *parts)
{
  parts->group_path.hashes[parts->group_path.count++] = parts->envelope_path.hashes[0];
}

static void change_header(struct parts *parts)
{
  const uint8_t time_key[] = {0x07, 0x1b};
  parts->header.data[find(&parts->header, hgl_bytes(time_key, 2)) + 9] ^= 1;
}

static void change_delegation(struct parts *parts)
{
  const uint8_t sequence_key[] = {0x3a, 0x00, 0x01, 0x00, 0x00, 0x1b};
  parts->delegation.data[find(&parts->delegation, hgl_bytes(sequence_key, 6)) + 13] ^= 1;
}

static void change_destination(struct parts *parts)
{
  parts->leaf.data[4] ^= 1;
}

static void take_delegation_of_other_agent(struct parts *parts)
{
  struct plan plan = plan_default();
  plan.agent = FIXTURE_OTHER_AGENT;
  hgl_buf_clear(&parts->delegation);
  must(fixture_delegation(&plan, &parts->delegation, &err));
}

static void take_header_as_delegation(struct parts *parts)
{
  hgl_buf_clear(&parts->delegation);
  hgl_buf_append_bytes(&parts->delegation, hgl_buf_bytes(&parts->header));
}

static void sign_header_by_other_host(struct parts *parts)
{
  sign_again(&parts->header, HEADER_TYPE, FIXTURE_OTHER_HOST, HEADER_TYPE, hgl_bytes(NULL, 0));
}

static void sign_header_as_delegation(struct parts *parts)
{
  sign_again(&parts->header, HEADER_TYPE, FIXTURE_HOST, DELEGATION_TYPE, hgl_bytes(NULL, 0));
}

static void sign_delegation_as_cwt(struct parts *parts)
{
  sign_again(&parts->delegation, DELEGATION_TYPE, FIXTURE_AGENT, "application/cwt",
             hgl_bytes(NULL, 0));
}

static void sign_delegation_by_host(struct parts *parts)
{
  sign_again(&parts->delegation, DELEGATION_TYPE, FIXTURE_HOST, DELEGATION_TYPE,
             hgl_bytes(NULL, 0));
}

static void add_header_key(struct parts *parts)
{
  sign_again(&parts->header, HEADER_TYPE, FIXTURE_HOST, HEADER_TYPE, hgl_bytes("\x09\xf6", 2));
}

static void add_claim(struct parts *parts)
{
  sign_again(&parts->delegation, DELEGATION_TYPE, FIXTURE_AGENT, DELEGATION_TYPE,
             hgl_bytes("\x3a\x00\x01\x00\x01\x00", 6));
}

static void add_leaf_key(struct parts *parts)
{
  parts->leaf.data[0]++;
  hgl_buf_append(&parts->leaf, "\x06\xf6", 2);
}

static void fill_header_unprotected(struct parts *parts)
{
  fill_unprotected(&parts->header, HEADER_TYPE);
}

static void fill_delegation_unprotected(struct parts *parts)
{
  fill_unprotected(&parts->delegation, DELEGATION_TYPE);
}

static void tag_header(struct parts *parts)
{
  replace(&parts->header, 0, 0, hgl_bytes("\xd2", 1));
}

static void add_critical_key(struct parts *parts)
{
  parts->envelope.data[0]++;
  hgl_buf_append(&parts->envelope, "\x18\x40\xf6", 3);
}

static void add_wrapper_key(struct hgl_buf *bytes)
{
  bytes->data[0]++;
  hgl_buf_append(bytes, "\x07\xf6", 2);
}

static void change_mark(struct hgl_buf *bytes)
{
  bytes->data[find(bytes, hgl_text("evidence/1")) + 9] = '2';
}

static void drop_mark(struct hgl_buf *bytes)
{
  bytes->data[0]--;
  replace(bytes, 1, 2 + strlen("haggle-evidence/1"), hgl_bytes(NULL, 0));
}

static void repeat_mark(struct hgl_buf *bytes)
{
  bytes->data[find(bytes, hgl_text("evidence/1")) + 10] = 0; /* where key 1 is */
}

static void use_long_form(struct hgl_buf *bytes)
{
  replace(bytes, 1, 1, hgl_bytes("\x18\x00", 2));
}

static void use_indefinite_map(struct hgl_buf *bytes)
{
  bytes->data[0] = 0xbf;
  hgl_buf_append_byte(bytes, 0xff);
}

static void add_byte(struct hgl_buf *bytes)
{
  hgl_buf_append_byte(bytes, 0);
}

static void cut_byte(struct hgl_buf *bytes)
{
  bytes->size--;
}

/* Cases */

static struct plan plan_small(void)
{
  return plan_default();
}

/* Paths on both levels, of a tree that is not full. */
static struct plan plan_many(void)
{
  struct plan plan = plan_default();
  plan.groups = 3;
  plan.group = 1;
  plan.envelopes = 5;
  plan.envelope = 2;
  plan.first_number = 700;
  plan.header.sequence = 42;
  memset(plan.header.previous.bytes, 0x99, HGL_HASH_SIZE);
  return plan;
}

/* The last leaf of a tree of five rises two levels before it has a neighbour. */
static struct plan plan_last(void)
{
  struct plan plan = plan_many();
  plan.group = 2;
  plan.envelope = 4;
  return plan;
}

static struct plan plan_thread(void)
{
  static const char body[] = "\xa3\x64list\x82\x01\xfb\x3f\xb9\x99\x99\x99\x99\x99\x9a"
                             "\x64text\x78\x1bGr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\xa4\x9d "
                             "\xd0\xb4\xd0\xb0 \xe6\x97\xa5\xe6\x9c\xac"
                             "\x65"
                             "bytes\x43\x00\x01\xff";
  struct plan plan = plan_many();
  plan.in_thread = true;
  plan.body = hgl_bytes(body, sizeof body - 1);
  return plan;
}

static struct plan plan_continues(void)
{
  struct plan plan = plan_default();
  plan.header.continues = true;
  memset(plan.header.continues_incarnation.bytes, 0x77, HGL_INCARNATION_SIZE);
  plan.header.continues_sequence = 1234;
  memset(plan.header.continues_hash.bytes, 0x88, HGL_HASH_SIZE);
  return plan;
}

/* The delegation has ended since, but not at the header's time. */
static struct plan plan_last_moment(void)
{
  struct plan plan = plan_default();
  plan.terms.expires_s = FIXTURE_TIME_MS / 1000 + 1;
  return plan;
}

static struct plan plan_expired(void)
{
  struct plan plan = plan_many();
  plan.terms.expires_s = FIXTURE_TIME_MS / 1000;
  return plan;
}

static struct plan plan_not_yet(void)
{
  struct plan plan = plan_many();
  plan.terms.issued_s = FIXTURE_TIME_MS / 1000 + 121;
  plan.terms.expires_s = plan.terms.issued_s + 3600;
  return plan;
}

static struct plan plan_wrong_host(void)
{
  struct plan plan = plan_many();
  plan.delegated_host = FIXTURE_OTHER_HOST;
  return plan;
}

static const struct {
  const char *name, *about;
  struct plan (*plan)(void);
} valid_cases[] = {
    {"evidence-single", "one envelope in one group: both paths are empty", plan_small},
    {"evidence-many", "the third of five envelopes, the second of three groups", plan_many},
    {"evidence-last", "the last of five envelopes, the last of three groups", plan_last},
    {"evidence-thread", "thread, parent thread, expiry, trace and Unicode", plan_thread},
    {"evidence-continues", "the first header of an incarnation that goes on from another",
     plan_continues},
    {"evidence-last-moment", "the delegation ends right after the header's time", plan_last_moment},
};

static const struct {
  const char *name, *about;
  enum hgl_code code;
  struct plan (*plan)(void); /* NULL: plan_many */
  void (*change)(struct parts *parts);
  void (*change_bytes)(struct hgl_buf *bytes);
} invalid_cases[] = {
    {"evidence-body", "a price changed in the body", HGL_BAD_PATH, .change = change_body},
    {"evidence-from", "another author put in", HGL_NO_DELEGATION, .change = change_from},
    {"evidence-envelope-path", "a hash changed in the envelope's path", HGL_BAD_PATH,
     .change = change_envelope_path},
    {"evidence-group-path", "a hash changed in the group's path", HGL_BAD_PATH,
     .change = change_group_path},
    {"evidence-index", "the index of the neighbour", HGL_BAD_PATH, .change = change_envelope_index},
    {"evidence-index-beyond", "an index beyond the group", HGL_BAD_PATH,
     .change = index_beyond_group},
    {"evidence-path-short", "the envelope's path lacks its last hash", HGL_BAD_PATH,
     .change = shorten_path},
    {"evidence-path-long", "the group's path has one hash more", HGL_BAD_PATH,
     .change = lengthen_path},
    {"evidence-destination", "another destination in the group leaf", HGL_BAD_PATH,
     .change = change_destination},
    {"evidence-header", "the header's time changed", HGL_BAD_SIGNATURE, .change = change_header},
    {"evidence-header-signer", "the header signed by another host", HGL_BAD_SIGNATURE,
     .change = sign_header_by_other_host},
    {"evidence-header-type", "the header signed as a delegation", HGL_BAD_TYPE,
     .change = sign_header_as_delegation},
    {"evidence-header-key", "an unknown key in a signed header", HGL_MALFORMED,
     .change = add_header_key},
    {"evidence-header-unprotected", "the header's unprotected map is not empty", HGL_MALFORMED,
     .change = fill_header_unprotected},
    {"evidence-header-tagged", "the header carries CBOR tag 18", HGL_MALFORMED,
     .change = tag_header},
    {"evidence-delegation", "the delegation's sequence changed", HGL_BAD_SIGNATURE,
     .change = change_delegation},
    {"evidence-delegation-signer", "the delegation signed by the host", HGL_BAD_SIGNATURE,
     .change = sign_delegation_by_host},
    {"evidence-delegation-agent", "the delegation of another agent", HGL_NO_DELEGATION,
     .change = take_delegation_of_other_agent},
    {"evidence-delegation-type", "the delegation signed as a plain CWT", HGL_BAD_TYPE,
     .change = sign_delegation_as_cwt},
    {"evidence-delegation-header", "the header in the place of the delegation", HGL_BAD_TYPE,
     .change = take_header_as_delegation},
    {"evidence-delegation-claim", "an unknown claim in a signed delegation", HGL_MALFORMED,
     .change = add_claim},
    {"evidence-delegation-unprotected", "the delegation's unprotected map is not empty",
     HGL_MALFORMED, .change = fill_delegation_unprotected},
    {"evidence-expired", "the delegation ended at the header's time", HGL_DELEGATION_EXPIRED,
     .plan = plan_expired},
    {"evidence-not-yet", "the delegation begins 121 s after the header's time",
     HGL_DELEGATION_EXPIRED, .plan = plan_not_yet},
    {"evidence-wrong-host", "the delegation names another host", HGL_WRONG_HOST,
     .plan = plan_wrong_host},
    {"evidence-leaf-key", "an unknown key in the group leaf", HGL_MALFORMED,
     .change = add_leaf_key},
    {"evidence-critical", "an unknown critical key in the envelope", HGL_CRITICAL,
     .change = add_critical_key},
    {"evidence-wrapper-key", "an unknown key in the wrapper", HGL_MALFORMED,
     .change_bytes = add_wrapper_key},
    {"evidence-mark", "marked as another version", HGL_BAD_TYPE, .change_bytes = change_mark},
    {"evidence-mark-missing", "the mark left out", HGL_MALFORMED, .change_bytes = drop_mark},
    {"evidence-duplicate", "the wrapper names a key twice", HGL_DUPLICATE_KEY,
     .change_bytes = repeat_mark},
    {"evidence-long-form", "a key in more bytes than it needs", HGL_NOT_DETERMINISTIC,
     .change_bytes = use_long_form},
    {"evidence-indefinite", "a wrapper of indefinite length", HGL_NOT_DETERMINISTIC,
     .change_bytes = use_indefinite_map},
    {"evidence-trailing", "a byte after the end", HGL_TRAILING, .change_bytes = add_byte},
    {"evidence-truncated", "the last byte is missing", HGL_TRUNCATED, .change_bytes = cut_byte},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void write_valid_evidence(const char *root, const char *name, const char *about,
                                 const struct plan *plan)
{
  struct hgl_buf bytes;
  struct hgl_proof proof;
  char id[2 * HGL_ID_SIZE + 1];
  hgl_buf_init(&bytes, HGL_EVIDENCE_SIZE_MAX);
  must(fixture_evidence(plan, &bytes, &err));
  must(hgl_evidence_verify(hgl_buf_bytes(&bytes), NULL, &proof, &err));
  hgl_id_format(&proof.envelope.id, id);
  write_bytes(root, "protocol/vectors/valid", name, ".cbor", hgl_buf_bytes(&bytes));
  write_json(root, "protocol/vectors/valid", name,
             json_pack("{ss, so, so, so, so, sI, sI, ss}", "about", about, "agent",
                       json_did(&proof.delegation.agent), "host", json_did(&proof.header.host),
                       "destination", json_did(&proof.group.destination), "to",
                       json_did(&proof.envelope.to), "number", (json_int_t)proof.number, "time",
                       (json_int_t)proof.header.time_ms, "id", id));
  write_corpus(root, "evidence", name, hgl_buf_bytes(&bytes));
  hgl_buf_deinit(&bytes);
}

static void write_header(const char *root, const char *name, const char *about,
                         struct hgl_bytes bytes)
{
  struct hgl_header header;
  struct hgl_hash hash;
  must(hgl_header_verify(bytes, &header, &err));
  hgl_header_hash(bytes, &hash);
  json_t *json = json_pack(
      "{ss, so, so, so, so, sI, so, so, sI, sI}", "about", about, "cose", json_hex(bytes), "hash",
      json_hash(&hash), "host", json_did(&header.host), "incarnation",
      json_hex(hgl_bytes(header.incarnation.bytes, HGL_INCARNATION_SIZE)), "sequence",
      (json_int_t)header.sequence, "previous", json_hash(&header.previous), "root",
      json_hash(&header.root), "group_count", (json_int_t)header.group_count, "time",
      (json_int_t)header.time_ms);
  if (header.continues)
    json_object_set_new(
        json, "continues",
        json_pack("[o, I, o]",
                  json_hex(hgl_bytes(header.continues_incarnation.bytes, HGL_INCARNATION_SIZE)),
                  (json_int_t)header.continues_sequence, json_hash(&header.continues_hash)));
  write_json(root, "protocol/vectors/valid", name, json);
  write_corpus(root, "header", name, bytes);
}

static void write_delegation(const char *root, const char *name, const char *about,
                             struct hgl_bytes bytes)
{
  struct hgl_delegation delegation;
  must(hgl_delegation_verify(bytes, &delegation, &err));
  write_json(root, "protocol/vectors/valid", name,
             json_pack("{ss, so, so, so, sI, sI, sI}", "about", about, "cose", json_hex(bytes),
                       "iss", json_did(&delegation.agent), "sub", json_did(&delegation.host), "exp",
                       (json_int_t)delegation.expires_s, "iat", (json_int_t)delegation.issued_s,
                       "sequence", (json_int_t)delegation.sequence));
  write_corpus(root, "delegation", name, bytes);
}

static void write_invalid_evidence(const char *root, size_t i)
{
  struct plan plan = invalid_cases[i].plan ? invalid_cases[i].plan() : plan_many();
  struct parts parts;
  struct hgl_buf bytes;
  hgl_buf_init(&bytes, HGL_EVIDENCE_SIZE_MAX);
  parts_build(&plan, &parts);
  if (invalid_cases[i].change) invalid_cases[i].change(&parts);
  parts_join(&parts, &bytes);
  if (invalid_cases[i].change_bytes) invalid_cases[i].change_bytes(&bytes);
  must(hgl_buf_check(&bytes, &err));

  const char *name = invalid_cases[i].name;
  write_bytes(root, "protocol/vectors/invalid", name, ".cbor", hgl_buf_bytes(&bytes));
  write_json(root, "protocol/vectors/invalid", name,
             json_pack("{ss, ss}", "about", invalid_cases[i].about, "code",
                       hgl_code_name(invalid_cases[i].code)));
  if (invalid_cases[i].change_bytes)
    write_corpus(root, "evidence", name, hgl_buf_bytes(&bytes));
  else if (strncmp(name, "evidence-header", 15) == 0)
    write_corpus(root, "header", name + 9, hgl_buf_bytes(&parts.header));
  else if (strncmp(name, "evidence-delegation", 19) == 0)
    write_corpus(root, "delegation", name + 9, hgl_buf_bytes(&parts.delegation));
  else if (strncmp(name, "evidence-leaf", 13) == 0)
    write_corpus(root, "group_leaf", name + 9, hgl_buf_bytes(&parts.leaf));
  parts_deinit(&parts);
  hgl_buf_deinit(&bytes);
}

static void write_pieces(const char *root)
{
  struct plan plans[] = {plan_small(), plan_many(), plan_continues()};
  const char *const names[] = {"first", "later", "continues"};
  const char *const abouts[] = {"the first header of an incarnation",
                                "a header that names its previous one",
                                "the first header of an incarnation that goes on from another"};
  struct parts parts;
  for (size_t i = 0; i < COUNT(plans); i++) {
    char name[64];
    snprintf(name, sizeof name, "header-%s", names[i]);
    parts_build(&plans[i], &parts);
    write_header(root, name, abouts[i], hgl_buf_bytes(&parts.header));
    write_corpus(root, "group_leaf", names[i], hgl_buf_bytes(&parts.leaf));
    parts_deinit(&parts);
  }
  struct plan plan = plan_small();
  parts_build(&plan, &parts);
  write_delegation(root, "delegation-day", "for a day", hgl_buf_bytes(&parts.delegation));
  parts_deinit(&parts);
  plan.terms.expires_s = plan.terms.issued_s + HGL_DELEGATION_LIFE_MAX_S;
  plan.terms.sequence = HGL_COUNTER_MAX;
  plan.header.time_ms = plan.terms.issued_s * 1000;
  parts_build(&plan, &parts);
  write_delegation(root, "delegation-longest", "as long and as high as it may be",
                   hgl_buf_bytes(&parts.delegation));
  parts_deinit(&parts);
}

int main(int argc, char **argv)
{
  if (argc != 2) {
    fprintf(stderr, "usage: make_vectors SOURCE_FOLDER\n");
    return 2;
  }
  must(hgl_crypto_init(&err));
  for (size_t i = 0; i < COUNT(valid_cases); i++) {
    struct plan plan = valid_cases[i].plan();
    write_valid_evidence(argv[1], valid_cases[i].name, valid_cases[i].about, &plan);
  }
  for (size_t i = 0; i < COUNT(invalid_cases); i++) write_invalid_evidence(argv[1], i);
  write_pieces(argv[1]);
  return 0;
}
