#include "dashboard/log_ring.h"

#include "base/mem.h"
#include "base/utf8.h"

struct kept {
  struct hgl_log_ring_line line; /* its texts point behind it */
  char bytes[];
};

struct hgl_log_ring {
  uint64_t count;
  struct kept *lines[HGL_LOG_RING_LINES]; /* NULL: left out */
};

int hgl_log_ring_create(struct hgl_log_ring **out, struct hgl_err *err)
{
  *out = hgl_zalloc(sizeof **out);
  return *out ? 0 : hgl_fail(err, HGL_NO_MEMORY, "out of memory");
}

void hgl_log_ring_destroy(struct hgl_log_ring *ring)
{
  if (!ring) return;
  for (size_t i = 0; i < HGL_LOG_RING_LINES; i++) hgl_free(ring->lines[i]);
  hgl_free(ring);
}

static struct hgl_bytes cut(struct hgl_bytes text)
{
  if (text.size <= HGL_LOG_RING_TEXT_SIZE) return text;
  struct hgl_bytes most = hgl_bytes(text.data, HGL_LOG_RING_TEXT_SIZE);
  size_t whole = hgl_utf8_size(most); /* not within a character */
  return hgl_bytes(text.data, most.size - whole < 4 ? whole : most.size);
}

static struct hgl_bytes put(char **at, struct hgl_bytes text)
{
  struct hgl_bytes copy = hgl_bytes(*at, text.size);
  if (text.size) memcpy(*at, text.data, text.size);
  *at += text.size;
  return copy;
}

void hgl_log_ring_add(struct hgl_log_ring *ring, const struct hgl_log_ring_line *line)
{
  struct hgl_bytes who = hgl_bytes(line->who, strlen(line->who) + 1), text = cut(line->text);
  bool fits = line->fields.size <= HGL_LOG_RING_TEXT_SIZE;
  struct hgl_bytes fields = fits ? line->fields : hgl_bytes(NULL, 0);
  struct kept *kept = hgl_alloc(sizeof *kept + who.size + text.size + fields.size);
  struct kept **place = &ring->lines[ring->count++ % HGL_LOG_RING_LINES];
  hgl_free(*place);
  *place = kept;
  if (!kept) return;
  char *at = kept->bytes;
  kept->line = *line;
  kept->line.order = ring->count;
  kept->line.who = (const char *)put(&at, who).data;
  kept->line.text = put(&at, text);
  kept->line.fields = put(&at, fields);
}

uint64_t hgl_log_ring_count(const struct hgl_log_ring *ring)
{
  return ring->count;
}

bool hgl_log_ring_get(const struct hgl_log_ring *ring, uint64_t order,
                      struct hgl_log_ring_line *out)
{
  bool there = order && order <= ring->count && ring->count - order < HGL_LOG_RING_LINES;
  const struct kept *kept = there ? ring->lines[(order - 1) % HGL_LOG_RING_LINES] : NULL;
  if (kept) *out = kept->line;
  return kept;
}
