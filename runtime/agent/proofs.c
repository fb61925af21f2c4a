/* Proofs that a host or an agent contradicted itself (protocol/conflict.h): kept when they are met,
 * one of a kind of each subject, listed and exported. */
#include "agent/page.h"
#include "protocol/conflict.h"

enum { PROOFS_MAX = 4096 }; /* of one kind: identities are free */

static const char *const kinds[PROOF_KINDS] = {
    [PROOF_FORK] = "fork", [PROOF_DELEGATION_CONFLICT] = "delegation_conflict"};

static int proof_key(enum proof_kind kind, const struct hgl_key *subject, struct hgl_buf *out,
                     struct hgl_err *err)
{
  hgl_buf_append_text(out, kinds[kind]);
  hgl_buf_append_bytes(out, hgl_key_bytes(subject));
  return hgl_buf_check(out, err);
}

/* HGL_NOT_FOUND fills no message. */
static int get(struct hgl_host *host, enum proof_kind kind, const struct hgl_key *subject,
               struct hgl_buf *row, struct hgl_err *err)
{
  struct hgl_buf key;
  hgl_buf_init(&key, HGL_STORE_KEY_SIZE_MAX);
  int status = proof_key(kind, subject, &key, err);
  if (!status)
    status = hgl_store_get(host->config.store, HGL_DB_PROOFS, hgl_buf_bytes(&key), row, err);
  hgl_buf_deinit(&key);
  return status;
}

bool proof_kept(struct hgl_host *host, enum proof_kind kind, const struct hgl_key *subject)
{
  struct hgl_buf row;
  struct hgl_err ignored;
  hgl_buf_init(&row, HGL_STORE_VALUE_SIZE_MAX);
  int status = get(host, kind, subject, &row, &ignored);
  hgl_buf_deinit(&row);
  return status != -HGL_NOT_FOUND;
}

/* [kind, a, b] under kind ‖ subject. */
static int put(struct hgl_host *host, enum proof_kind kind, const struct hgl_key *subject,
               struct hgl_bytes a, struct hgl_bytes b, struct hgl_err *err)
{
  struct hgl_buf row, key;
  hgl_buf_init(&row, HGL_CONFLICT_SIZE_MAX);
  hgl_buf_init(&key, HGL_STORE_KEY_SIZE_MAX);
  hgl_cbor_put_list(&row, 3);
  hgl_cbor_put_literal(&row, kinds[kind]);
  hgl_cbor_put_bytes(&row, a);
  hgl_cbor_put_bytes(&row, b);
  int status = hgl_buf_check(&row, err);
  if (!status) status = proof_key(kind, subject, &key, err);
  if (!status)
    status = hgl_writeset_put(host_writes(host), HGL_DB_PROOFS, hgl_buf_bytes(&key),
                              hgl_buf_bytes(&row), err);
  hgl_buf_deinit(&row);
  hgl_buf_deinit(&key);
  return status;
}

void proof_keep(struct hgl_host *host, enum proof_kind kind, const struct hgl_key *subject,
                struct hgl_bytes a, struct hgl_bytes b)
{
  struct hgl_err err;
  char did[HGL_DID_TEXT_SIZE];
  if (proof_kept(host, kind, subject)) return;
  hgl_did_format(subject, did);
  if (host->proof_counts[kind] >= PROOFS_MAX) {
    host_log(host, HGL_LOG_WARN, "%s by %s: no proof is kept, there are %d already", kinds[kind],
             did, PROOFS_MAX);
    return;
  }
  if (put(host, kind, subject, a, b, &err)) {
    host_log(host, HGL_LOG_ERROR, "a proof of %s by %s could not be kept: %s", kinds[kind], did,
             err.message);
    return;
  }
  host->proof_counts[kind]++;
  host_log(host, HGL_LOG_WARN, "%s by %s: the proof is kept", kinds[kind], did);
}

/* ---- reading ---- */

/* The row as a conflict that anyone can verify. */
static int to_conflict(struct hgl_bytes row, struct hgl_buf *out, struct hgl_err *err)
{
  struct hgl_cbor_reader in = hgl_cbor_reader(row);
  struct hgl_bytes kind, a, b;
  size_t count;
  int status;
  if ((status = hgl_cbor_get_list(&in, "proof", 3, &count, err)) ||
      (status = hgl_cbor_get_text(&in, "proof.kind", HGL_NAME_SIZE_MAX, &kind, err)) ||
      (status = hgl_cbor_get_bytes(&in, "proof.a", HGL_HEADER_SIZE_MAX, &a, err)) ||
      (status = hgl_cbor_get_bytes(&in, "proof.b", HGL_HEADER_SIZE_MAX, &b, err)))
    return status;
  return hgl_conflict_encode(a, b, out, err);
}

/* The kind stands before the subject in the key. */
static enum proof_kind kind_of(struct hgl_bytes key)
{
  const char *fork = kinds[PROOF_FORK];
  return key.size > strlen(fork) && memcmp(key.data, fork, strlen(fork)) == 0
             ? PROOF_FORK
             : PROOF_DELEGATION_CONFLICT;
}

static int list_proof(void *user, struct hgl_bytes key, struct hgl_bytes value, struct hgl_err *err)
{
  struct paging *paging = user;
  enum proof_kind kind = kind_of(key);
  struct hgl_buf bytes;
  struct hgl_conflict conflict;
  if (page_full(paging)) return 1;
  hgl_buf_init(&bytes, HGL_CONFLICT_SIZE_MAX);
  int status = to_conflict(value, &bytes, err);
  if (!status) status = hgl_conflict_verify(hgl_buf_bytes(&bytes), &conflict, err);
  hgl_buf_deinit(&bytes);
  if (status) return hgl_fail_in(err, "a stored proof of %s", kinds[kind]);
  json_t *json = json_pack("{s:s, s:o, s:s, s:I}", "kind", kinds[kind], "subject",
                           json_did(&conflict.subject), "by", kind == PROOF_FORK ? "host" : "agent",
                           "sequence", (json_int_t)conflict.sequence);
  return page_add(paging, json, key, err);
}

int page_of_proofs(struct hgl_host *host, const struct hgl_page *page, json_t **out,
                   struct hgl_err *err)
{
  struct paging paging;
  int status = page_begin(&paging, page, err);
  if (!status)
    status = page_scan(&paging, host->config.store, HGL_DB_PROOFS, list_proof, &paging, err);
  return page_end(&paging, status, out, err);
}

int hgl_host_list_proofs(struct hgl_host *host, json_t **out, struct hgl_err *err)
{
  return page_of_proofs(host, NULL, out, err);
}

int proofs_export(struct hgl_host *host, const struct hgl_key *subject, struct hgl_buf *out,
                  struct hgl_err *err)
{
  struct hgl_buf row, all;
  size_t count = 0;
  int status = 0;
  hgl_buf_init(&row, HGL_STORE_VALUE_SIZE_MAX);
  hgl_buf_init(&all, PROOF_KINDS * HGL_CONFLICT_SIZE_MAX);
  for (int kind = 0; kind < PROOF_KINDS && status == 0; kind++) {
    hgl_buf_clear(&row);
    status = get(host, (enum proof_kind)kind, subject, &row, err);
    if (status == -HGL_NOT_FOUND) {
      status = 0;
      continue;
    }
    if (!status) status = to_conflict(hgl_buf_bytes(&row), &all, err);
    count++;
  }
  if (!status && count == 0)
    status = hgl_fail(err, HGL_NOT_FOUND, "no proof against this host or agent is kept here");
  if (!status && count > 1) hgl_cbor_put_list(out, count);
  if (!status) hgl_buf_append_bytes(out, hgl_buf_bytes(&all));
  if (!status) status = hgl_buf_check(out, err);
  hgl_buf_deinit(&row);
  hgl_buf_deinit(&all);
  return status;
}

/* ---- at start ---- */

static int count_proof(void *user, struct hgl_bytes key, struct hgl_bytes value,
                       struct hgl_err *err)
{
  ++*(size_t *)user;
  return 0;
}

int proofs_load(struct hgl_host *host, struct hgl_err *err)
{
  int status = 0;
  for (int kind = 0; kind < PROOF_KINDS && status == 0; kind++)
    status = hgl_store_scan(host->config.store, HGL_DB_PROOFS, hgl_text(kinds[kind]),
                            hgl_bytes(NULL, 0), false, count_proof, &host->proof_counts[kind], err);
  return status;
}
