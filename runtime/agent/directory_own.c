/* What is ours in the directory: the adverts of our agents, and our lease. */
#include "agent/directory_table.h"
#include "base/mem.h"

int hgl_directory_publish(struct hgl_directory *directory, struct hgl_bytes evidence,
                          struct hgl_err *err)
{
  struct hgl_advert advert;
  struct hgl_delegation delegation;
  int status = hgl_advert_decode(evidence, &advert, err);
  if (!status) status = hgl_delegation_verify(advert.delegation, &delegation, err);
  if (status) return status;
  if (!hgl_key_equal(&advert.host, &directory->own->key))
    return hgl_fail(err, HGL_WRONG_HOST, "an advert of another host's agent");
  struct hgl_dir_advert *known = hgl_dir_advert_get(directory, &advert.agent);
  if (known && advert.version <= known->version)
    return hgl_fail(err, HGL_INVALID, "advert of version %llu, version %llu is known",
                    (unsigned long long)advert.version, (unsigned long long)known->version);
  const struct hgl_dir_terms terms = {delegation.sequence, delegation.expires_s * 1000};
  if ((status = hgl_dir_advert_put(directory, &advert, &terms, evidence, NULL, err))) return status;
  known = hgl_dir_advert_get(directory, &advert.agent);
  hgl_dir_link_push(&directory->news, &known->listed);
  directory->is_pending = true;
  return 0;
}

void hgl_directory_committed(struct hgl_directory *directory)
{
  directory->is_pending = false;
}

static bool urls_changed(const struct hgl_lease *lease, const struct hgl_bytes *urls, size_t count)
{
  if (lease->url_count != count) return true;
  for (size_t i = 0; i < count; i++)
    if (!hgl_bytes_equal(lease->urls[i], urls[i])) return true;
  return false;
}

static int renew(struct hgl_directory *directory, const struct hgl_bytes *urls, size_t url_count,
                 bool *renewed, struct hgl_err *err)
{
  const struct hgl_dir_host *own = directory->own;
  const int64_t now = hgl_wall_ms(directory->clock);
  struct hgl_lease lease = {.url_count = 0};
  int status = 0;
  if (own->lease) status = hgl_lease_decode(hgl_bytes(own->lease, own->lease_size), &lease, err);
  if (status) return status;
  int64_t left_ms = lease.until_ms - now;
  bool is_due = left_ms <= HGL_LEASE_LIFE_MAX_MS - HGL_LEASE_RENEW_MS ||
                left_ms > HGL_LEASE_LIFE_MAX_MS; /* the clock was set back */
  if (own->lease && !is_due && !urls_changed(&lease, urls, url_count)) return 0;
  if (url_count > HGL_LEASE_URLS_MAX)
    return hgl_fail(err, HGL_TOO_LARGE, "%zu urls, limit %d", url_count, HGL_LEASE_URLS_MAX);

  uint64_t at_least = now > 0 ? (uint64_t)now : 0;
  lease.host = own->key;
  lease.version = own->version + 1 > at_least ? own->version + 1 : at_least;
  lease.until_ms = now + HGL_LEASE_LIFE_MAX_MS;
  lease.url_count = url_count;
  for (size_t i = 0; i < url_count; i++) lease.urls[i] = urls[i];
  struct hgl_buf bytes;
  hgl_buf_init(&bytes, HGL_LEASE_SIZE_MAX);
  status = hgl_lease_sign(directory->signer, &lease, &bytes, err);
  if (!status) status = hgl_dir_lease_put(directory, &lease, hgl_buf_bytes(&bytes), NULL, err);
  hgl_buf_deinit(&bytes);
  if (status) return status;
  directory->lease_is_news = true;
  *renewed = true;
  return 0;
}

bool hgl_directory_renew(struct hgl_directory *directory, const struct hgl_bytes *urls,
                         size_t url_count, struct hgl_err *err)
{
  bool renewed = false;
  err->code = HGL_OK;
  (void)renew(directory, urls, url_count, &renewed, err);
  return renewed;
}

int hgl_directory_own(const struct hgl_directory *directory,
                      int (*visit)(void *user, const struct hgl_key *agent, struct hgl_err *err),
                      void *user, struct hgl_err *err)
{
  const struct hgl_dir_host *own = directory->own;
  int status = 0;
  for (size_t i = 0; i < own->places && !status; i++) {
    const struct hgl_dir_advert *advert = own->adverts[i];
    if (advert && !advert->withdrawn) status = visit(user, &advert->agent, err);
  }
  return status;
}
