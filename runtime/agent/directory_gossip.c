/* What the directory tells neighbours and takes from them. */
#include "agent/directory_table.h"
#include "base/mem.h"

enum {
  PEERS = 1,
  DIGEST,
  WANT,
  LEASES,
  ADVERTS,
  MORE,
  RECORDS_SIZE_MAX = 1024 * 1024, /* of leases and adverts in one payload we make */
  LIST_SIZE_MAX = 1024 * 1024,    /* of the other lists: some 10,000 hosts of 75 bytes */
  DIGEST_HOSTS_MAX = HGL_DIRECTORY_HOSTS_MAX + 1,
  ASK_AGAIN_MS = 60 * 1000,
};

/* Payloads ------------------------------------------------------------------------------------- */

struct pack {
  struct hgl_buf items;
  size_t count;
};

/* A payload in the making. */
struct payload {
  struct pack want, leases, adverts, more;
  struct hgl_dir_stored stored; /* the latest advert of it */
  uint64_t mark;                /* of the hosts whose leases are in it */
};

static void payload_init(struct payload *payload, struct hgl_directory *directory)
{
  *payload = (struct payload){.mark = ++directory->news_mark};
  hgl_dir_stored_init(&payload->stored);
  hgl_buf_init(&payload->want.items, LIST_SIZE_MAX);
  hgl_buf_init(&payload->leases.items, RECORDS_SIZE_MAX + 2 * HGL_ADVERT_SIZE_MAX);
  hgl_buf_init(&payload->adverts.items, RECORDS_SIZE_MAX + 2 * HGL_ADVERT_SIZE_MAX);
  hgl_buf_init(&payload->more.items, LIST_SIZE_MAX);
}

static void payload_deinit(struct payload *payload)
{
  hgl_buf_deinit(&payload->more.items);
  hgl_buf_deinit(&payload->adverts.items);
  hgl_buf_deinit(&payload->leases.items);
  hgl_buf_deinit(&payload->want.items);
  hgl_dir_stored_deinit(&payload->stored);
}

static int payload_put(const struct payload *payload, struct hgl_buf *out, struct hgl_err *err)
{
  const struct {
    int key;
    const struct pack *pack;
  } parts[] = {{WANT, &payload->want},
               {LEASES, &payload->leases},
               {ADVERTS, &payload->adverts},
               {MORE, &payload->more}};
  size_t present = 0;
  for (size_t i = 0; i < 4; i++) {
    int status = hgl_buf_check(&parts[i].pack->items, err);
    if (status) return status;
    present += parts[i].pack->count > 0;
  }
  if (!present) return 0;
  hgl_cbor_put_map(out, present);
  for (size_t i = 0; i < 4; i++) {
    if (!parts[i].pack->count) continue;
    hgl_cbor_put_int(out, parts[i].key);
    hgl_cbor_put_list(out, parts[i].pack->count);
    hgl_buf_append_bytes(out, hgl_buf_bytes(&parts[i].pack->items));
  }
  return hgl_buf_check(out, err);
}

static bool payload_is_full(const struct payload *payload)
{
  return payload->leases.items.size + payload->adverts.items.size >= RECORDS_SIZE_MAX;
}

static void pack_record(struct pack *pack, struct hgl_bytes record)
{
  hgl_cbor_put_bytes(&pack->items, record);
  pack->count++;
}

static void pack_place(struct pack *pack, const struct hgl_key *host, struct hgl_bytes after)
{
  hgl_cbor_put_list(&pack->items, 2);
  hgl_cbor_put_bytes(&pack->items, hgl_key_bytes(host));
  hgl_cbor_put_bytes(&pack->items, after);
  pack->count++;
}

static void pack_lease(struct payload *payload, struct hgl_dir_host *host)
{
  if (host->news_mark == payload->mark) return;
  host->news_mark = payload->mark;
  pack_record(&payload->leases, hgl_bytes(host->lease, host->lease_size));
}

/* One that cannot be read back is dropped, and left out. */
static int pack_advert(struct payload *payload, struct hgl_directory *directory,
                       struct hgl_dir_advert *advert, struct hgl_err *err)
{
  struct hgl_dir_host *host = advert->host;
  int status = hgl_dir_stored_read(directory, advert, &payload->stored, err);
  if (status) return status == -HGL_NO_MEMORY ? status : 0;
  pack_lease(payload, host);
  pack_record(&payload->adverts, payload->stored.evidence);
  return 0;
}

static bool host_is_live(const struct hgl_directory *directory, const struct hgl_dir_host *host)
{
  return host->lease && host->until_ms > hgl_wall_ms(directory->clock);
}

/* What of it others may hear of by now. */
static bool host_is_told(const struct hgl_directory *directory, const struct hgl_dir_host *host)
{
  return host_is_live(directory, host) && !(host == directory->own && directory->is_pending);
}

/* What we tell --------------------------------------------------------------------------------- */

int hgl_directory_peers(const struct hgl_directory_peer *peers, size_t count, struct hgl_buf *out,
                        struct hgl_err *err)
{
  if (count > HGL_DIRECTORY_PEERS_MAX)
    return hgl_fail(err, HGL_LIMIT, "%zu peers in one payload, limit %d", count,
                    HGL_DIRECTORY_PEERS_MAX);
  hgl_cbor_put_map(out, 1);
  hgl_cbor_put_int(out, PEERS);
  hgl_cbor_put_list(out, count);
  for (size_t i = 0; i < count; i++) {
    hgl_cbor_put_list(out, 2);
    hgl_cbor_put_bytes(out, hgl_key_bytes(&peers[i].host));
    hgl_cbor_put_text(out, peers[i].url);
  }
  return hgl_buf_check(out, err);
}

static int put_digest(struct hgl_directory *directory, bool of_all, struct hgl_buf *out,
                      struct hgl_err *err)
{
  struct hgl_map_slot *slot;
  size_t count = 0;
  for (size_t at = 0; (slot = hgl_map_next(&directory->hosts, &at));) {
    struct hgl_dir_host *host = slot->value;
    if (!host_is_told(directory, host)) continue;
    int status = hgl_dir_order_settle(directory, host, of_all, err);
    if (status) return status;
    count += host->is_settled;
  }
  hgl_cbor_put_map(out, 1);
  hgl_cbor_put_int(out, DIGEST);
  hgl_cbor_put_list(out, count);
  for (size_t at = 0; (slot = hgl_map_next(&directory->hosts, &at));) {
    const struct hgl_dir_host *host = slot->value;
    if (!host_is_told(directory, host) || !host->is_settled) continue;
    hgl_cbor_put_list(out, 3);
    hgl_cbor_put_bytes(out, hgl_key_bytes(&host->key));
    hgl_cbor_put_uint(out, host->version);
    hgl_cbor_put_bytes(out, hgl_bytes(host->hash.bytes, HGL_HASH_SIZE));
  }
  return hgl_buf_check(out, err);
}

int hgl_directory_digest(struct hgl_directory *directory, struct hgl_buf *out, struct hgl_err *err)
{
  return put_digest(directory, true, out, err);
}

int hgl_directory_greeting(struct hgl_directory *directory, struct hgl_buf *out,
                           struct hgl_err *err)
{
  return put_digest(directory, false, out, err);
}

/* The oldest first. They count as told only once the payload is whole. */
static int pack_news(struct hgl_directory *directory, struct payload *payload,
                     struct hgl_dir_link **end, struct hgl_err *err)
{
  struct hgl_dir_link *const news = &directory->news, *at = news->previous;
  int status = 0;
  while (!status && at != news && !payload_is_full(payload)) {
    struct hgl_dir_link *next = at->previous;
    status = pack_advert(payload, directory, HGL_DIR_ENTRY(at, struct hgl_dir_advert, listed), err);
    at = next;
  }
  *end = at;
  return status;
}

int hgl_directory_news(struct hgl_directory *directory, struct hgl_buf *out, struct hgl_err *err)
{
  struct hgl_dir_link *const news = &directory->news, *end = news;
  struct payload payload;
  bool tells_adverts = news->previous != news && !directory->is_pending;
  if (!directory->own->lease || (!tells_adverts && !directory->lease_is_news)) return 0;
  payload_init(&payload, directory);
  pack_lease(&payload, directory->own);
  int status = tells_adverts ? pack_news(directory, &payload, &end, err) : 0;
  if (!status) status = payload_put(&payload, out, err);
  if (!status) {
    while (tells_adverts && news->previous != end) hgl_dir_link_remove(news->previous);
    directory->lease_is_news = false;
  }
  payload_deinit(&payload);
  return status;
}

/* What we take --------------------------------------------------------------------------------- */

/* One payload from one neighbour. */
struct intake {
  struct hgl_directory *directory;
  struct hgl_dir_introducer *introducer;
  struct payload answer, news;
  bool exhausted;  /* its signature checks are used up for now */
  size_t answered; /* adverts in it, new or not */
};

static bool take_checks(struct intake *intake, int count)
{
  intake->exhausted = !hgl_dir_introducer_charge(intake->directory, intake->introducer, count);
  return !intake->exhausted;
}

/* Our own lease comes back: after a restore it may be one that we do not remember. */
static int take_own_lease(struct intake *intake, const struct hgl_lease *lease,
                          struct hgl_bytes bytes, struct hgl_err *err)
{
  struct hgl_lease verified;
  if (lease->version <= intake->directory->own->version) return 0;
  if (!take_checks(intake, 1)) return hgl_fail(err, HGL_FLOOD, "too many records to verify");
  int status = hgl_lease_verify(bytes, &verified, err);
  if (status) return status;
  return hgl_dir_lease_put(intake->directory, &verified, bytes, NULL, err);
}

static int check_new_lease(const struct intake *intake, const struct hgl_lease *lease,
                           const struct hgl_dir_host *known, struct hgl_err *err)
{
  int64_t now = hgl_wall_ms(intake->directory->clock);
  if (lease->until_ms > now + HGL_LEASE_LIFE_MAX_MS + HGL_CLOCK_SKEW_MAX_MS)
    return hgl_fail(err, HGL_LIMIT, "a lease runs for an hour at most");
  if (!known && intake->introducer->host_count >= HGL_DIRECTORY_HOSTS_MAX / HGL_DIRECTORY_SHARE)
    return hgl_fail(err, HGL_FLOOD, "this neighbour has introduced too many hosts");
  return 0;
}

static int take_lease(struct intake *intake, struct hgl_bytes bytes, struct hgl_err *err)
{
  struct hgl_directory *directory = intake->directory;
  struct hgl_lease lease;
  int status = hgl_lease_decode(bytes, &lease, err);
  if (status) return status;
  struct hgl_dir_host *known = hgl_dir_host_get(directory, &lease.host);
  if (known == directory->own) return take_own_lease(intake, &lease, bytes, err);
  if (known && lease.version == known->version &&
      !hgl_bytes_equal(bytes, hgl_bytes(known->lease, known->lease_size)))
    return hgl_fail(err, HGL_INVALID, "two leases of one version");
  if ((known && lease.version <= known->version) || lease.until_ms <= hgl_wall_ms(directory->clock))
    return 0;
  if ((status = check_new_lease(intake, &lease, known, err))) return status;
  if (!take_checks(intake, 1)) return hgl_fail(err, HGL_FLOOD, "too many records to verify");
  if ((status = hgl_lease_verify(bytes, &lease, err)) ||
      (status = hgl_dir_lease_put(directory, &lease, bytes, intake->introducer, err)))
    return status;
  for (size_t i = 0; i < lease.url_count; i++)
    directory->events->address(directory->user, &lease.host, lease.urls[i], true);
  if (!payload_is_full(&intake->news))
    pack_lease(&intake->news, hgl_dir_host_get(directory, &lease.host));
  return 0;
}

/* An agent that moved shows it by a newer delegation; an older one was revoked by that. */
static int check_delegation(struct intake *intake, struct hgl_dir_advert *known,
                            const struct hgl_advert *advert,
                            const struct hgl_delegation *delegation, struct hgl_err *err)
{
  struct hgl_dir_stored *stored = &intake->news.stored;
  if (!known || delegation->sequence > known->sequence) return 0;
  if (delegation->sequence < known->sequence)
    return hgl_fail(err, HGL_DELEGATION_REVOKED, "an advert by a delegation that was replaced");
  int status = hgl_dir_stored_read(intake->directory, known, stored, err);
  if (status) return status == -HGL_NO_MEMORY ? status : 0;
  if (!hgl_bytes_equal(advert->delegation, stored->advert.delegation))
    return hgl_fail(err, HGL_DELEGATION_CONFLICT, "two delegations of one sequence");
  return 0;
}

/* Whoever introduced an agent answers for its later adverts, too. */
static int check_share(const struct intake *intake, const struct hgl_dir_advert *known,
                       const struct hgl_advert *advert, size_t size, struct hgl_err *err)
{
  bool is_counted = known && known->introducer;
  const struct hgl_dir_introducer *introducer = is_counted ? known->introducer : intake->introducer;
  size_t weight = hgl_dir_advert_weight(advert, size), was = is_counted ? known->weight : 0;
  size_t share = intake->directory->adverts_max / HGL_DIRECTORY_SHARE;
  if (weight > was && introducer->advert_weight + weight - was > share)
    return hgl_fail(err, HGL_FLOOD, "this neighbour has introduced too many adverts");
  return 0;
}

/* Later, from this one on: behind the key before its own. */
static int put_off(struct intake *intake, const struct hgl_advert *advert, struct hgl_err *err)
{
  struct hgl_key after = advert->agent;
  for (size_t i = HGL_KEY_SIZE; i-- > 0 && !after.bytes[i]--;) {
  }
  hgl_dir_place_keep(intake->directory, intake->introducer, &advert->host, &after);
  return hgl_fail(err, HGL_FLOOD, "too many records to verify");
}

static int take_advert(struct intake *intake, struct hgl_bytes bytes, struct hgl_err *err)
{
  struct hgl_directory *directory = intake->directory;
  const int64_t now = hgl_wall_ms(directory->clock);
  struct hgl_advert advert;
  struct hgl_proof proof;
  int status = hgl_advert_decode(bytes, &advert, err);
  if (status) return status;
  intake->answered++;
  struct hgl_dir_host *host = hgl_dir_host_get(directory, &advert.host);
  struct hgl_dir_advert *known = hgl_dir_advert_get(directory, &advert.agent);
  if (host == directory->own || (known && advert.version <= known->version)) return 0;
  if (!host || !host_is_live(directory, host))
    return hgl_fail(err, HGL_NOT_FOUND, "an advert without a lease of its host");
  if ((status = check_share(intake, known, &advert, bytes.size, err))) return status;
  if (!take_checks(intake, 2)) return put_off(intake, &advert, err);
  if ((status = hgl_advert_verify(bytes, &advert, &proof, err)) ||
      (status = check_delegation(intake, known, &advert, &proof.delegation, err)))
    return status;
  if (proof.header.time_ms > now + HGL_CLOCK_SKEW_MAX_MS)
    return hgl_fail(err, HGL_CLOCK_SKEW, "an advert from the future");
  const struct hgl_dir_terms terms = {proof.delegation.sequence, proof.delegation.expires_s * 1000};
  if (terms.expires_ms <= now)
    return hgl_fail(err, HGL_DELEGATION_EXPIRED, "an advert by a delegation that has ended");
  if ((status = hgl_dir_advert_put(directory, &advert, &terms, bytes, intake->introducer, err)))
    return status;
  if (payload_is_full(&intake->news)) return 0;
  pack_lease(&intake->news, host);
  pack_record(&intake->news.adverts, bytes);
  return 0;
}

/* A list of records: what is wrong with one is counted, and the next is looked at. */
static int take_records(struct intake *intake, struct hgl_cbor_reader *in,
                        int (*take)(struct intake *, struct hgl_bytes, struct hgl_err *),
                        struct hgl_err *err)
{
  size_t count;
  int status = hgl_cbor_get_list(in, "records", HGL_DIRECTORY_PAYLOAD_SIZE_MAX, &count, err);
  for (; !status && count; count--) {
    struct hgl_bytes record;
    if ((status = hgl_cbor_get_bytes(in, "record", HGL_DIRECTORY_PAYLOAD_SIZE_MAX, &record, err)))
      break;
    int taken = take(intake, record, err);
    if (taken == -HGL_NO_MEMORY) return taken;
    if (taken) intake->directory->rejected++;
  }
  return status;
}

static int get_parts(struct hgl_cbor_reader *in, const char *what, size_t expected,
                     struct hgl_err *err)
{
  size_t count;
  int status = hgl_cbor_get_list(in, what, expected, &count, err);
  if (!status && count != expected)
    return hgl_fail(err, HGL_MALFORMED, "%s has %zu parts, here are %zu", what, expected, count);
  return status;
}

static int take_peers(struct intake *intake, struct hgl_cbor_reader *in, struct hgl_err *err)
{
  struct hgl_directory *directory = intake->directory;
  size_t count;
  int status = hgl_cbor_get_list(in, "peers", HGL_DIRECTORY_PEERS_MAX, &count, err);
  for (; !status && count; count--) {
    struct hgl_key host;
    struct hgl_bytes url;
    if ((status = get_parts(in, "peer", 2, err)) ||
        (status = hgl_cbor_get_fixed(in, "peer's key", host.bytes, HGL_KEY_SIZE, err)) ||
        (status = hgl_cbor_get_text(in, "peer's url", HGL_URL_SIZE_MAX, &url, err)))
      break;
    if (hgl_url_check(url, NULL) || !take_checks(intake, 1))
      directory->rejected++;
    else if (!hgl_key_equal(&host, &directory->own->key))
      directory->events->address(directory->user, &host, url, false);
  }
  return status;
}

/* A host as the neighbour knows it: want what we lack of it. */
static int compare_host(struct intake *intake, const struct hgl_key *key, uint64_t version,
                        const struct hgl_hash *hash, struct hgl_err *err)
{
  struct hgl_directory *directory = intake->directory;
  struct pack *want = &intake->answer.want;
  struct hgl_dir_host *host = hgl_dir_host_get(directory, key);
  if (host == directory->own) return 0;
  if (!host) {
    if (intake->introducer->host_count < HGL_DIRECTORY_HOSTS_MAX / HGL_DIRECTORY_SHARE)
      pack_place(want, key, hgl_bytes(NULL, 0));
    return 0;
  }
  int status = hgl_dir_order_settle(directory, host, false, err);
  if (status) return status;
  struct hgl_key after;
  const int64_t now = hgl_wall_ms(directory->clock);
  bool differs = host->is_settled && !hgl_hash_equal(&host->hash, hash);
  bool goes_on = hgl_dir_place_take(intake->introducer, key, &after) &&
                 (differs || !host->is_settled);
  /* Sets may differ for good (quotas, our newer versions): ask for the same one now and then. */
  bool asked = hgl_hash_equal(&host->asked_hash, hash) && now >= host->asked_at_ms &&
               now - host->asked_at_ms < ASK_AGAIN_MS;
  if (goes_on || (differs && !asked)) {
    host->asked_hash = *hash;
    host->asked_at_ms = now;
    pack_place(want, key, goes_on ? hgl_key_bytes(&after) : hgl_bytes(NULL, 0));
  } else if (version > host->version) {
    memset(after.bytes, 0xff, sizeof after.bytes); /* behind all agents: the lease alone */
    pack_place(want, key, hgl_key_bytes(&after));
  }
  return 0;
}

static int take_digest(struct intake *intake, struct hgl_cbor_reader *in, struct hgl_err *err)
{
  size_t count;
  int status = hgl_cbor_get_list(in, "digest", DIGEST_HOSTS_MAX, &count, err);
  for (; !status && count; count--) {
    struct hgl_key host;
    struct hgl_hash hash;
    uint64_t version;
    if ((status = get_parts(in, "digest of a host", 3, err)) ||
        (status = hgl_cbor_get_fixed(in, "host", host.bytes, HGL_KEY_SIZE, err)) ||
        (status = hgl_cbor_get_uint(in, "lease's version", HGL_COUNTER_MAX, &version, err)) ||
        (status = hgl_cbor_get_fixed(in, "hash", hash.bytes, HGL_HASH_SIZE, err)))
      break;
    status = compare_host(intake, &host, version, &hash, err);
  }
  return status;
}

/* Among those in order; between them may be gaps. */
static size_t first_behind(const struct hgl_dir_host *host, struct hgl_bytes after)
{
  size_t low = 0, high = host->ordered;
  while (after.size && low < high) {
    size_t middle = low + (high - low) / 2, at = middle;
    while (at < high && !host->adverts[at]) at++;
    if (at < high && memcmp(host->adverts[at]->agent.bytes, after.data, HGL_KEY_SIZE) <= 0)
      low = at + 1;
    else
      high = middle;
  }
  return low;
}

/* As far as the neighbour's share of work permits; it asks again for the rest. What came since the
 * set was settled is not in order yet, and comes with another want. */
static int serve_host(struct intake *intake, const struct hgl_key *key, struct hgl_bytes after,
                      struct hgl_err *err)
{
  struct payload *answer = &intake->answer;
  struct hgl_dir_host *host = hgl_dir_host_get(intake->directory, key);
  if (!host || !host_is_told(intake->directory, host)) return 0;
  int status = hgl_dir_order_settle(intake->directory, host, false, err);
  if (status) return status;
  if (payload_is_full(answer) || !take_checks(intake, 1)) {
    pack_place(&answer->more, key, after);
    return 0;
  }
  pack_lease(answer, host);
  struct hgl_key last;
  for (size_t at = first_behind(host, after); at < host->ordered; at++) {
    struct hgl_dir_advert *advert = host->adverts[at];
    if (!advert) continue;
    if (payload_is_full(answer) || !take_checks(intake, 1)) {
      pack_place(&answer->more, key, after);
      return 0;
    }
    last = advert->agent;
    if ((status = pack_advert(answer, intake->directory, advert, err))) return status;
    after = hgl_key_bytes(&last);
  }
  return 0;
}

/* More of a host that we have the lease of. At once, if we can verify it and the neighbour has not
 * had enough of us, which it shows by an answer without adverts; else with its next digest. */
static int ask_on(struct intake *intake, const struct hgl_key *key, struct hgl_bytes after,
                  struct hgl_err *err)
{
  struct hgl_key place = {{0}};
  if (!hgl_dir_host_get(intake->directory, key)) return 0;
  if (intake->answered && !intake->exhausted) {
    pack_place(&intake->answer.want, key, after);
    return 0;
  }
  if (after.size) memcpy(place.bytes, after.data, HGL_KEY_SIZE);
  hgl_dir_place_keep(intake->directory, intake->introducer, key, &place);
  return 0;
}

static int take_places(struct intake *intake, struct hgl_cbor_reader *in,
                       int (*take)(struct intake *, const struct hgl_key *, struct hgl_bytes,
                                   struct hgl_err *),
                       struct hgl_err *err)
{
  size_t count;
  int status = hgl_cbor_get_list(in, "hosts", DIGEST_HOSTS_MAX, &count, err);
  for (; !status && count; count--) {
    struct hgl_key host;
    struct hgl_bytes after;
    if ((status = get_parts(in, "place", 2, err)) ||
        (status = hgl_cbor_get_fixed(in, "host", host.bytes, HGL_KEY_SIZE, err)) ||
        (status = hgl_cbor_get_bytes(in, "agent", HGL_KEY_SIZE, &after, err)))
      break;
    if (after.size && after.size != HGL_KEY_SIZE)
      return hgl_fail(err, HGL_MALFORMED, "a place is a key or empty");
    status = take(intake, &host, after, err);
  }
  return status;
}

static int take_part(struct intake *intake, int64_t key, struct hgl_cbor_reader *in,
                     struct hgl_err *err)
{
  switch (key) {
  case PEERS:
    return take_peers(intake, in, err);
  case DIGEST:
    return take_digest(intake, in, err);
  case WANT:
    return take_places(intake, in, serve_host, err);
  case LEASES:
    return take_records(intake, in, take_lease, err);
  case ADVERTS:
    return take_records(intake, in, take_advert, err);
  case MORE:
    return take_places(intake, in, ask_on, err);
  default:
    return hgl_value_skip(in, err);
  }
}

int hgl_directory_receive(struct hgl_directory *directory, const struct hgl_key *neighbour,
                          struct hgl_bytes payload, struct hgl_buf *answer, struct hgl_buf *news,
                          struct hgl_err *err)
{
  struct hgl_cbor_reader in = hgl_cbor_reader(payload);
  struct intake intake = {.directory = directory};
  int64_t previous = INT64_MIN;
  size_t count;
  if (payload.size > HGL_DIRECTORY_PAYLOAD_SIZE_MAX)
    return hgl_fail(err, HGL_TOO_LARGE, "gossip of %zu bytes, limit %d", payload.size,
                    HGL_DIRECTORY_PAYLOAD_SIZE_MAX);
  payload_init(&intake.answer, directory);
  payload_init(&intake.news, directory);
  int status = hgl_dir_introducer_get(directory, neighbour, &intake.introducer, err);
  if (!status) status = hgl_cbor_get_map(&in, "gossip", HGL_VALUE_ITEMS_MAX, &count, err);
  for (; !status && count; count--) {
    int64_t key;
    if (!(status = hgl_cbor_get_key(&in, "gossip", &previous, &key, err)))
      status = take_part(&intake, key, &in, err);
  }
  if (!status) status = hgl_cbor_end(&in, "gossip", err);
  /* What was taken before something malformed is passed on all the same. */
  struct hgl_err later = {.code = HGL_OK};
  int put = payload_put(&intake.news, news, &later);
  if (!put && !status) put = payload_put(&intake.answer, answer, &later);
  if (!status && put) {
    status = put;
    if (err) *err = later;
  }
  payload_deinit(&intake.news);
  payload_deinit(&intake.answer);
  return status;
}
