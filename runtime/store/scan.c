#include "store/scan.h"

#include <assert.h>

struct walk {
  const struct hgl_scan *scan;
  struct hgl_cursor cursor;
  struct hgl_entry stored;
  bool stored_left; /* `stored` is a row not passed yet */
  bool started;     /* `bound` is the key visited last */
  struct hgl_bytes bound;
  uint8_t key[HGL_STORE_KEY_SIZE_MAX]; /* holds the bound */
};

static bool begins_with(struct hgl_bytes key, struct hgl_bytes prefix)
{
  return key.size >= prefix.size &&
         (!prefix.size || memcmp(key.data, prefix.data, prefix.size) == 0);
}

/* The least key that is above all that begin with the prefix; empty when there is none. */
static struct hgl_bytes past_prefix(struct hgl_bytes prefix, uint8_t *out)
{
  size_t size = prefix.size;
  while (size && prefix.data[size - 1] == 0xff) size--;
  if (!size) return hgl_bytes(NULL, 0);
  memcpy(out, prefix.data, size);
  out[size - 1]++;
  return hgl_bytes(out, size);
}

static void set_first_bound(struct walk *walk)
{
  const struct hgl_scan *scan = walk->scan;
  walk->bound = scan->from;
  if (!scan->backwards) {
    if (hgl_bytes_compare(scan->from, scan->prefix) < 0) walk->bound = scan->prefix;
    return;
  }
  struct hgl_bytes end = past_prefix(scan->prefix, walk->key);
  if (!scan->from.size || (end.size && hgl_bytes_compare(end, scan->from) < 0)) walk->bound = end;
}

/* Does `a` come before `b` on this walk? */
static bool comes_first(const struct walk *walk, struct hgl_bytes a, struct hgl_bytes b)
{
  int order = hgl_bytes_compare(a, b);
  return walk->scan->backwards ? order > 0 : order < 0;
}

/* Past the stored rows that have been visited, or that a set hid. */
static int advance_stored(struct walk *walk, struct hgl_err *err)
{
  while (walk->started && walk->stored_left && !comes_first(walk, walk->bound, walk->stored.key)) {
    int found = walk->scan->backend->calls->next(&walk->cursor, &walk->stored, err);
    if (found < 0) return found;
    walk->stored_left = found > 0;
  }
  return 0;
}

static const struct hgl_row *next_unstored(struct walk *walk)
{
  const struct hgl_scan *scan = walk->scan;
  enum hgl_seek how = scan->backwards ? HGL_SEEK_BEFORE
                      : walk->started ? HGL_SEEK_AFTER
                                      : HGL_SEEK_FROM;
  const struct hgl_row *best = NULL;
  for (size_t i = 0; i < scan->set_count; i++) {
    const struct hgl_row *row = hgl_writeset_seek(scan->sets[i], scan->db, walk->bound, how);
    if (row && (!best || comes_first(walk, row->key, best->key))) best = row;
  }
  return best;
}

/* 1 and the next row, 0 at the end, or negative. */
static int step(struct walk *walk, struct hgl_entry *out, struct hgl_err *err)
{
  for (;;) {
    int status = advance_stored(walk, err);
    if (status) return status;
    const struct hgl_row *row = next_unstored(walk);
    if (!row && !walk->stored_left) return 0;
    bool stored_first = walk->stored_left &&
                        (!row || comes_first(walk, walk->stored.key, row->key));
    struct hgl_entry entry = walk->stored;
    if (!stored_first) entry = (struct hgl_entry){row->key, row->value};
    if (!begins_with(entry.key, walk->scan->prefix)) return 0;
    assert(entry.key.size <= sizeof walk->key);
    memcpy(walk->key, entry.key.data, entry.key.size);
    walk->bound = hgl_bytes(walk->key, entry.key.size);
    walk->started = true;
    if (!stored_first && row->kind == HGL_ROW_DELETE) continue;
    *out = entry;
    return 1;
  }
}

int hgl_scan_run(const struct hgl_scan *scan, hgl_store_visit visit, void *user,
                 struct hgl_err *err)
{
  const struct hgl_backend_calls *calls = scan->backend->calls;
  struct walk walk = {.scan = scan, .cursor = {.backend = scan->backend, .db = scan->db}};
  walk.cursor.backwards = scan->backwards;
  int status = calls->open_cursor(&walk.cursor, err);
  if (status) return status;
  set_first_bound(&walk);
  int found = calls->first(&walk.cursor, walk.bound, &walk.stored, err);
  walk.stored_left = found > 0;
  status = found < 0 ? found : 0;
  while (status == 0) {
    struct hgl_entry entry = {0};
    found = step(&walk, &entry, err);
    if (found <= 0) {
      status = found;
      break;
    }
    status = visit(user, entry.key, entry.value, err);
  }
  calls->close_cursor(&walk.cursor);
  return status;
}
