/* What agents advertise, when they say it, and how it is taken back when they are not here any
 * more. */
#include "agent/internal.h"

enum {
  WITHDRAW_AGENTS_MAX = 32, /* of one tick, which has to sign, check and store each, */
  WITHDRAW_RUN_MS = 5,      /* or what this time permits */
};

/* ---- saying it ---- */

static struct hgl_bytes protocol_behind(const struct manifest *manifest, struct hgl_bytes name)
{
  struct hgl_bytes next = {0};
  const struct hgl_map_slot *slot;
  for (size_t i = 0; (slot = hgl_map_next(&manifest->protocols, &i));) {
    struct hgl_bytes key = hgl_bytes(slot->key, slot->key_size);
    if (hgl_bytes_compare(key, name) > 0 && (!next.size || hgl_bytes_compare(key, next) < 0))
      next = key;
  }
  return next;
}

/* They are few, and their order is the same at every start. */
static void put_protocols(const struct manifest *manifest, struct hgl_buf *out)
{
  struct hgl_bytes name = {0};
  hgl_cbor_put_literal(out, "protocols");
  hgl_cbor_put_list(out, manifest->protocols.count);
  while ((name = protocol_behind(manifest, name)).size) hgl_cbor_put_text(out, name);
}

/* The keys of the map stand in the order of deterministic encoding: name, offers, version,
 * protocols. */
static void put_advert(const struct agent *agent, uint64_t version, struct hgl_buf *out)
{
  hgl_cbor_put_map(out, 4);
  hgl_cbor_put_literal(out, "name");
  hgl_cbor_put_literal(out, agent->name);
  hgl_cbor_put_literal(out, "offers");
  hgl_cbor_put_list(out, agent->manifest->offer_count);
  hgl_buf_append_bytes(out, hgl_buf_bytes(&agent->manifest->offers));
  hgl_cbor_put_literal(out, "version");
  hgl_cbor_put_uint(out, version);
  put_protocols(agent->manifest, out);
}

/* An advert is a message of the agent to itself, on its own host. */
static int say_advert(struct hgl_host *host, const struct hgl_key *agent,
                      const struct hgl_buf *body, struct hgl_err *err)
{
  struct hgl_buf bytes;
  struct message *message = NULL;
  struct hgl_envelope envelope = {.type = hgl_text("haggle/1.0/advert"),
                                  .from = *agent,
                                  .to = *agent,
                                  .created_time_ms = hgl_wall_ms(host->config.clock),
                                  .body = hgl_buf_bytes(body)};
  hgl_random_fill(host->config.random, envelope.id.bytes, HGL_ID_SIZE);
  envelope.thid = envelope.id;
  hgl_buf_init(&bytes, HGL_ENVELOPE_SIZE_MAX);
  int status = hgl_buf_check(body, err);
  if (!status) status = hgl_envelope_encode(&envelope, &bytes, err);
  if (!status) {
    size_t size;
    uint8_t *memory = hgl_buf_take(&bytes, &size);
    status = message_create(memory, size, &message, err);
  }
  if (!status) status = outbox_say(host, host->self, message, err);
  message_release(message);
  hgl_buf_deinit(&bytes);
  return status;
}

/* Each is higher than the one before it, however soon it comes, and whatever the clock says. */
static uint64_t next_advert_version(struct hgl_host *host, const struct hgl_key *agent)
{
  uint64_t known = hgl_directory_version(host->directory, agent);
  int64_t version = hgl_wall_ms(host->config.clock);
  if (version <= host->advert_version) version = host->advert_version + 1;
  host->advert_version = version;
  return (uint64_t)version > known ? (uint64_t)version : known + 1;
}

int agent_advertise(struct agent *agent, struct hgl_err *err)
{
  struct hgl_buf body;
  hgl_buf_init(&body, ADVERT_BODY_SIZE_MAX);
  put_advert(agent, next_advert_version(agent->host, &agent->key), &body);
  int status = say_advert(agent->host, &agent->key, &body, err);
  hgl_buf_deinit(&body);
  if (status) return hgl_fail_in(err, "%s: its advert", agent->name);
  agent->advert_lost = false;
  return 0;
}

/* In another incarnation we may have said something newer that we do not remember. */
static bool says_the_same(const struct agent *agent, const struct hgl_advert *advert)
{
  struct hgl_buf body;
  struct hgl_err err;
  hgl_buf_init(&body, ADVERT_BODY_SIZE_MAX);
  put_advert(agent, advert->version, &body);
  bool same = hgl_buf_check(&body, &err) == 0 &&
              hgl_incarnation_equal(&advert->incarnation, &agent->host->incarnation) &&
              hgl_bytes_equal(hgl_buf_bytes(&body), advert->body);
  hgl_buf_deinit(&body);
  return same;
}

bool agent_is_advertised(struct agent *agent)
{
  struct hgl_host *host = agent->host;
  struct hgl_directory_terms terms;
  struct hgl_advert advert;
  struct hgl_buf evidence;
  struct hgl_err err;
  if (!hgl_directory_terms(host->directory, &agent->key, &terms) ||
      !hgl_key_equal(&terms.host, &host->key) || terms.sequence != agent->delegation.sequence)
    return false;
  hgl_buf_init(&evidence, HGL_ADVERT_SIZE_MAX);
  bool same = hgl_directory_advert(host->directory, &agent->key, &evidence, &err) == 0 &&
              hgl_advert_decode(hgl_buf_bytes(&evidence), &advert, &err) == 0 &&
              says_the_same(agent, &advert);
  hgl_buf_deinit(&evidence);
  return same;
}

void agents_review_adverts(struct hgl_host *host)
{
  host->reviews_adverts = true;
  host->upkeep_due_ms = host->mono_ms;
  host_request_tick(host);
}

/* ---- taking it back ---- */

/* The delegation of its advert still lets us speak for an agent that is not here any more; when it
 * has ended, so has the advert. It was verified when the advert was stored. */
static int withdraw(struct hgl_host *host, const struct hgl_key *key, struct hgl_err *err)
{
  struct hgl_delegation claims;
  struct hgl_buf body, delegation;
  hgl_buf_init(&delegation, HGL_DELEGATION_SIZE_MAX);
  int status = hgl_directory_delegation(host->directory, key, &delegation, err);
  if (!status) status = hgl_delegation_decode(hgl_buf_bytes(&delegation), &claims, err);
  bool ends = !status && hgl_delegation_check(&claims, &host->key, host->now_ms, err);
  if (!status && !ends) status = delegation_archive(host, &claims, hgl_buf_bytes(&delegation), err);
  hgl_buf_deinit(&delegation);
  if (status == -HGL_NOT_FOUND) return 0;
  if (status || ends) return status;
  hgl_buf_init(&body, 64);
  hgl_cbor_put_map(&body, 2);
  hgl_cbor_put_literal(&body, "version");
  hgl_cbor_put_uint(&body, next_advert_version(host, key));
  hgl_cbor_put_literal(&body, "withdrawn");
  hgl_cbor_put_bool(&body, true);
  status = say_advert(host, key, &body, err);
  hgl_buf_deinit(&body);
  return status;
}

int agent_withdraw(struct hgl_host *host, const struct hgl_key *key, struct hgl_err *err)
{
  struct hgl_directory_terms terms;
  bool ours = hgl_directory_terms(host->directory, key, &terms) &&
              hgl_key_equal(&terms.host, &host->key);
  return ours && !agent_by_key(host, key) ? withdraw(host, key, err) : 0;
}

static int note_absent(void *user, const struct hgl_key *key, struct hgl_err *err)
{
  struct hgl_host *host = user;
  if (agent_by_key(host, key)) return 0;
  if (!HGL_GROW(host->absent, host->absent_count, host->absent_capacity))
    return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  host->absent[host->absent_count++] = *key;
  return 0;
}

int absent_find(struct hgl_host *host, struct hgl_err *err)
{
  return hgl_directory_own(host->directory, note_absent, host, err);
}

int absent_withdraw(struct hgl_host *host, struct hgl_err *err)
{
  int64_t until = hgl_mono_ns(host->config.clock) + (int64_t)WITHDRAW_RUN_MS * 1000000;
  int status = 0;
  if (!host->absent_count || host->stopping) return 0;
  /* Others hear of none of ours before all that were said are durable (tick.c). */
  if (host->advert_tick > host->committed_tick) return 0;
  for (int i = 0; i < WITHDRAW_AGENTS_MAX && host->absent_count && !status; i++) {
    status = agent_withdraw(host, &host->absent[--host->absent_count], err);
    if (hgl_mono_ns(host->config.clock) > until) break;
  }
  if (host->absent_count) {
    host_request_tick(host);
  } else {
    hgl_free(host->absent);
    host->absent = NULL;
    host->absent_capacity = 0;
  }
  return status;
}
