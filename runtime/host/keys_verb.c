/* haggle keys: identities shown, replaced, made, and lent to a host by delegation. None of it needs
 * a running host. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "host/file.h"
#include "host/keys.h"
#include "host/options.h"
#include "host/passphrase.h"
#include "host/paths.h"
#include "host/text.h"
#include "protocol/delegation.h"

struct keys_options {
  const char *data, *key, *agent, *host, *out, *passphrase_file;
  int64_t days;
  bool json;
  struct hgl_texts words;
  struct hgl_passphrase passphrase;
};

static int64_t now_ms(void)
{
  return hgl_wall_ms(&hgl_clock_system);
}

static int open_keys(const struct keys_options *given, struct hgl_keys *keys, struct hgl_err *err)
{
  return hgl_keys_open(keys, given->data, false, given->passphrase.text, &hgl_random_system, err);
}

static int show(const struct keys_options *given, struct hgl_err *err)
{
  static const struct hgl_column columns[] = {
      {"name", "name", HGL_COLUMN_TEXT},     {"kind", "kind", HGL_COLUMN_TEXT},
      {"sealed", "sealed", HGL_COLUMN_TEXT}, {"did", "did", HGL_COLUMN_TEXT},
      {"file", "file", HGL_COLUMN_TEXT},     {0}};
  struct hgl_keys keys;
  json_t *list = NULL, *row = NULL;
  int status = open_keys(given, &keys, err);
  if (status) return status;
  if (given->words.count < 2)
    status = hgl_keys_list(&keys, &list, err);
  else if ((status = hgl_keys_show(&keys, given->words.items[1], &row, err)) == 0 &&
           !(list = json_pack("[o]", row)))
    status = hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  hgl_keys_close(&keys);
  if (status == 0) status = hgl_print_list(list, given->json, columns, "no keys", err);
  json_decref(list);
  return status;
}

/* Prints what was made: fields and their texts, ending with NULL. */
static int report(bool json, const char *const *fields, const char *note, struct hgl_err *err)
{
  json_t *object = json_object();
  int status = 0;
  for (size_t i = 0; fields[i]; i += 2) {
    if (json)
      json_object_set_new(object, fields[i], json_string(fields[i + 1]));
    else
      printf("%-8s %s\n", fields[i], fields[i + 1]);
  }
  if (json)
    status = hgl_print_json(object, err);
  else if (note)
    printf("%s\n", note);
  json_decref(object);
  return status;
}

static int rotate(const struct keys_options *given, struct hgl_err *err)
{
  struct hgl_keys keys;
  struct hgl_signer *signer = NULL;
  char kept[PATH_MAX], did[HGL_DID_TEXT_SIZE];
  int status = open_keys(given, &keys, err);
  if (status) return status;
  status = hgl_keys_rotate(&keys, given->words.items[1], now_ms(), kept, &signer, err);
  hgl_keys_close(&keys);
  if (status) return status;
  hgl_did_format(hgl_signer_key(signer), did);
  hgl_signer_destroy(signer);
  const char *fields[] = {"name", given->words.items[1], "did", did, "old", kept, NULL};
  return report(given->json, fields,
                "It counts from the next start of the host. Delegations of the old key stay good "
                "until they end.",
                err);
}

static int make(const struct keys_options *given, struct hgl_err *err)
{
  struct hgl_seal seal;
  struct hgl_signer *signer = NULL;
  char did[HGL_DID_TEXT_SIZE];
  hgl_seal_init(&seal, given->passphrase.text, &hgl_random_system);
  int status = hgl_key_file_create(given->words.items[1], &seal, &signer, err);
  hgl_seal_deinit(&seal);
  if (status) return status;
  hgl_did_format(hgl_signer_key(signer), did);
  hgl_signer_destroy(signer);
  const char *fields[] = {"did", did, "file", given->words.items[1], NULL};
  return report(given->json, fields, NULL, err);
}

/* The sequence of the delegation that is about to be replaced, so that the new one stands above it.
 */
static int previous_sequence(const char *path, uint64_t *sequence, struct hgl_err *err)
{
  struct hgl_buf bytes;
  struct hgl_delegation claims;
  hgl_buf_init(&bytes, HGL_DELEGATION_SIZE_MAX);
  int status = hgl_file_read(path, HGL_DELEGATION_SIZE_MAX, &bytes, err);
  if (status == 0) status = hgl_delegation_verify(hgl_buf_bytes(&bytes), &claims, err);
  hgl_buf_deinit(&bytes);
  if (status == -HGL_NOT_FOUND) return 0;
  if (status)
    return hgl_fail(err, HGL_EXISTS, "%s is there and no delegation; name another file with --out",
                    path);
  *sequence = claims.sequence;
  return 0;
}

static int sign_delegation(const struct keys_options *given, const struct hgl_signer *signer,
                           const struct hgl_key *host, struct hgl_delegation *delegation,
                           struct hgl_err *err)
{
  uint64_t previous = 0;
  struct hgl_buf bytes;
  int status = previous_sequence(given->out, &previous, err);
  if (status) return status;
  int64_t now = now_ms();
  *delegation = (struct hgl_delegation){
      .agent = *hgl_signer_key(signer),
      .host = *host,
      .issued_s = now / 1000,
      .expires_s = now / 1000 + given->days * 24 * 3600,
      .sequence = (uint64_t)now > previous ? (uint64_t)now : previous + 1,
  };
  hgl_buf_init(&bytes, HGL_DELEGATION_SIZE_MAX);
  status = hgl_delegation_sign(signer, delegation, &bytes, err);
  if (status == 0) status = hgl_file_replace(given->out, hgl_buf_bytes(&bytes), 0644, err);
  hgl_buf_deinit(&bytes);
  return status;
}

/* Of the file that is named, or of an agent of the data folder. */
static int find_signer(const struct keys_options *given, struct hgl_signer **out,
                       struct hgl_err *err)
{
  struct hgl_keys keys;
  struct hgl_seal seal;
  int status;
  if (given->key) {
    hgl_seal_init(&seal, given->passphrase.text, &hgl_random_system);
    status = hgl_key_file_load(given->key, &seal, out, err);
    hgl_seal_deinit(&seal);
    return status;
  }
  if ((status = open_keys(given, &keys, err))) return status;
  status = hgl_keys_find_agent(&keys, given->agent, out, err);
  hgl_keys_close(&keys);
  return status;
}

static int delegate(const struct keys_options *given, struct hgl_err *err)
{
  struct hgl_key host;
  struct hgl_delegation delegation;
  struct hgl_signer *signer = NULL;
  char did[HGL_DID_TEXT_SIZE], until[HGL_TIME_TEXT_SIZE];
  if (hgl_did_parse(hgl_text(given->host), &host, err)) return hgl_fail_in(err, "--host");
  int status = find_signer(given, &signer, err);
  if (status == 0) status = sign_delegation(given, signer, &host, &delegation, err);
  hgl_signer_destroy(signer);
  if (status) return status;
  hgl_did_format(&delegation.agent, did);
  hgl_time_text(delegation.expires_s * 1000, true, until);
  const char *fields[] = {"agent", did,    "host",     given->host, "until",
                          until,   "file", given->out, NULL};
  return report(given->json, fields,
                "Take the file to the host: haggle run AGENT.lua --delegation NAME=FILE", err);
}

static const struct action {
  const char *name;
  size_t words_least, words;
  const char *needs;
  int (*act)(const struct keys_options *given, struct hgl_err *err);
} actions[] = {
    {"show", 1, 2, "nothing after it, or one agent's name", show},
    {"rotate", 2, 2, "an agent's name", rotate},
    {"new", 2, 2, "a file", make},
    {"delegate", 1, 1, "--key FILE or --agent NAME, and --host DID", delegate},
};

static int act(const struct hgl_verb *verb, const struct keys_options *given)
{
  struct hgl_err err = {0};
  const char *name = given->words.count ? given->words.items[0] : "show";
  size_t words = given->words.count ? given->words.count : 1;
  for (size_t i = 0; i < sizeof actions / sizeof *actions; i++) {
    const struct action *action = &actions[i];
    if (strcmp(action->name, name) != 0) continue;
    bool incomplete = action->act == delegate && (!given->key == !given->agent || !given->host);
    if (words < action->words_least || words > action->words || incomplete)
      return hgl_usage_fail(verb, "%s needs %s", name, action->needs);
    if (given->days < 1 || given->days > HGL_DELEGATION_LIFE_MAX_S / (24 * 3600))
      return hgl_usage_fail(verb, "--days is 1 to %d", HGL_DELEGATION_LIFE_MAX_S / (24 * 3600));
    return action->act(given, &err) ? hgl_verb_fail(verb, &err) : HGL_EXIT_OK;
  }
  return hgl_usage_fail(verb, "there is no \"keys %s\"; say show, rotate, new or delegate", name);
}

static int keys_main(const struct hgl_verb *verb, int argc, char **argv)
{
  struct keys_options given = {.data = HGL_DATA_DEFAULT, .out = "agent.delegation", .days = 7};
  const struct hgl_option options[] = {
      {"data", "DIR", HGL_OPTION_TEXT, &given.data,
       "the host's data folder (default " HGL_DATA_DEFAULT ")"},
      {"key", "FILE", HGL_OPTION_TEXT, &given.key, "delegate: the agent's key"},
      {"agent", "NAME", HGL_OPTION_TEXT, &given.agent,
       "delegate: or the agent of the data folder whose key it is"},
      {"host", "DID", HGL_OPTION_TEXT, &given.host, "delegate: the host that may speak for it"},
      {"days", "N", HGL_OPTION_COUNT, &given.days, "delegate: for how long, 1 to 7 (default 7)"},
      {"out", "FILE", HGL_OPTION_TEXT, &given.out,
       "delegate: where to (default agent.delegation); one that\nis there is replaced and revoked"},
      {"passphrase-file", "FILE", HGL_OPTION_TEXT, &given.passphrase_file,
       "seals new keys, opens sealed ones (also: HAGGLE_PASSPHRASE)"},
      {"json", NULL, HGL_OPTION_FLAG, &given.json,
       "JSON instead of text: one object, or one a line for lists"},
  };
  struct hgl_err err = {0};
  int status;
  if (hgl_options_parse(verb, options, sizeof options / sizeof *options, argc, argv, &given.words,
                        &status))
    status = hgl_passphrase_get(&given.passphrase, given.passphrase_file, &err)
                 ? hgl_verb_fail(verb, &err)
                 : act(verb, &given);
  hgl_passphrase_forget(&given.passphrase);
  hgl_texts_deinit(&given.words);
  return status;
}

const struct hgl_verb hgl_verb_keys = {
    .name = "keys",
    .usage = "[show [NAME] | rotate NAME | new FILE | delegate --key FILE --host DID] [OPTION…]",
    .summary = "identities: show, replace, make, delegate",
    .help =
        "Every host and agent has an Ed25519 identity, in the data folder, in files that only "
        "their\n"
        "owner may read. An agent's key can also stay elsewhere: it signs, for some days, that a\n"
        "host may speak for it.\n\n"
        "The keys of instances (`count` in a host file) are derived from one secret, shown as\n"
        "\"instances\"; one that is rotated has a file of its own from then on.\n\n"
        "  haggle keys show\n"
        "  haggle keys show worker-17\n"
        "  haggle keys rotate kiosk\n"
        "  haggle keys new kiosk.key                                  (on a machine of your own)\n"
        "  haggle keys delegate --key kiosk.key --host did:key:z6Mk… --days 7 --out "
        "kiosk.delegation\n"
        "  haggle run kiosk/agent.lua --delegation kiosk=kiosk.delegation          (on the host)"
        "\n\n"
        "The host keeps the delegation for later starts; give it a new one before it ends.",
    .main = keys_main,
};
