/* Neighbours that bring records: what work they may cause, and how far their answers got. */
#include "agent/directory_table.h"
#include "base/mem.h"

enum { INTRODUCERS_MAX = 4096 /* those with records not counted */ };

/* Neighbours that left nothing behind are forgotten once there are many of them. */
static void sweep_introducers(struct hgl_directory *directory)
{
  struct hgl_map_slot *slot;
  struct hgl_dir_introducer *idle[64];
  size_t count;
  do {
    count = 0;
    for (size_t at = 0; count < 64 && (slot = hgl_map_next(&directory->introducers, &at));) {
      struct hgl_dir_introducer *introducer = slot->value;
      if (!introducer->host_count && !introducer->advert_weight) idle[count++] = introducer;
    }
    for (size_t i = 0; i < count; i++) {
      hgl_map_remove(&directory->introducers, hgl_key_bytes(&idle[i]->key));
      hgl_free(idle[i]);
    }
  } while (count == 64);
}

int hgl_dir_introducer_get(struct hgl_directory *directory, const struct hgl_key *key,
                           struct hgl_dir_introducer **out, struct hgl_err *err)
{
  struct hgl_dir_introducer *introducer = hgl_map_get(&directory->introducers, hgl_key_bytes(key));
  if (!introducer) {
    if (directory->introducers.count >= INTRODUCERS_MAX) sweep_introducers(directory);
    introducer = hgl_zalloc(sizeof *introducer);
    if (!introducer) return hgl_fail(err, HGL_NO_MEMORY, "no memory for a neighbour");
    introducer->key = *key;
    introducer->checks = HGL_DIRECTORY_CHECKS_BURST;
    introducer->refilled_ns = hgl_mono_ns(directory->clock);
    hgl_dir_link_init(&introducer->hosts);
    hgl_dir_link_init(&introducer->adverts);
    int status = hgl_map_put(&directory->introducers, hgl_key_bytes(key), introducer, err);
    if (status) {
      hgl_free(introducer);
      return status;
    }
  }
  *out = introducer;
  return 0;
}

bool hgl_dir_introducer_charge(const struct hgl_directory *directory,
                               struct hgl_dir_introducer *introducer, int checks)
{
  const int64_t check_ns = INT64_C(1000000000) / HGL_DIRECTORY_CHECKS_PER_S;
  int64_t gained = (hgl_mono_ns(directory->clock) - introducer->refilled_ns) / check_ns;
  introducer->refilled_ns += gained * check_ns;
  introducer->checks = gained < HGL_DIRECTORY_CHECKS_BURST - introducer->checks
                           ? introducer->checks + gained
                           : HGL_DIRECTORY_CHECKS_BURST;
  if (introducer->checks < checks) return false;
  introducer->checks -= checks;
  return true;
}

bool hgl_directory_charge(struct hgl_directory *directory, const struct hgl_key *neighbour)
{
  struct hgl_dir_introducer *introducer;
  struct hgl_err ignored;
  return hgl_dir_introducer_get(directory, neighbour, &introducer, &ignored) == 0 &&
         hgl_dir_introducer_charge(directory, introducer, 1);
}

/* Places ---------------------------------------------------------------------------------------
 */

static struct hgl_dir_place *find_place(struct hgl_dir_introducer *introducer,
                                        const struct hgl_key *host)
{
  for (size_t i = 0; i < introducer->place_count; i++)
    if (hgl_key_equal(&introducer->places[i].host, host)) return &introducer->places[i];
  return NULL;
}

static void forget_places(const struct hgl_directory *directory,
                          struct hgl_dir_introducer *introducer)
{
  for (size_t i = introducer->place_count; i-- > 0;)
    if (!hgl_dir_host_get(directory, &introducer->places[i].host))
      introducer->places[i] = introducer->places[--introducer->place_count];
}

void hgl_dir_place_keep(const struct hgl_directory *directory,
                        struct hgl_dir_introducer *introducer, const struct hgl_key *host,
                        const struct hgl_key *after)
{
  struct hgl_dir_place *place = find_place(introducer, host);
  if (place) {
    if (memcmp(after->bytes, place->after.bytes, HGL_KEY_SIZE) < 0) place->after = *after;
    return;
  }
  if (introducer->place_count == HGL_DIR_PLACES_MAX) forget_places(directory, introducer);
  if (introducer->place_count < HGL_DIR_PLACES_MAX)
    introducer->places[introducer->place_count++] = (struct hgl_dir_place){*host, *after};
}

bool hgl_dir_place_take(struct hgl_dir_introducer *introducer, const struct hgl_key *host,
                        struct hgl_key *after)
{
  struct hgl_dir_place *place = find_place(introducer, host);
  if (!place) return false;
  *after = place->after;
  *place = introducer->places[--introducer->place_count];
  return true;
}
