#include "base/zone.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/calendar.h"
#include "base/mem.h"
#include "base/zone_rule.h"

#define DEFAULT_FOLDER "/usr/share/zoneinfo"

enum { HEAD_SIZE = 44, TYPE_SIZE = 6, OFFSET_MAX_S = 26 * 3600, SHORT_NAMES_SIZE_MAX = 512 };

struct type {
  int32_t offset;
  bool daylight;
  uint8_t name; /* its place in `names` */
};

struct hgl_zone {
  size_t count;
  int64_t *times; /* growing: at times[i] begins what types[index[i]] says */
  uint8_t *index;
  size_t type_count;
  struct type types[256]; /* the first is that of the time before the first border */
  char names[SHORT_NAMES_SIZE_MAX + 1];
  bool has_rule; /* for what comes behind the last border */
  struct hgl_zone_rule rule;
};

/* Reading a file ------------------------------------------------------------------------------ */

struct head {
  char version;
  uint32_t isut, isstd, leap, time, type, names;
};

static int damaged(struct hgl_err *err, const char *what)
{
  return hgl_fail(err, HGL_CORRUPT, "a damaged time zone file: %s", what);
}

static uint32_t get_u32(const uint8_t *at)
{
  return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static int read_head(struct hgl_bytes *file, struct head *out, struct hgl_err *err)
{
  const uint8_t *at = file->data;
  if (file->size < HEAD_SIZE || memcmp(at, "TZif", 4) != 0) return damaged(err, "no TZif header");
  *out = (struct head){(char)at[4],      get_u32(at + 20), get_u32(at + 24), get_u32(at + 28),
                       get_u32(at + 32), get_u32(at + 36), get_u32(at + 40)};
  *file = hgl_bytes(at + HEAD_SIZE, file->size - HEAD_SIZE);
  /* Each is checked alone, so that their sum cannot overflow. */
  if (out->time > file->size || out->leap > file->size || out->names > file->size ||
      out->type > 256 || out->isut > 256 || out->isstd > 256)
    return damaged(err, "it counts more than it holds");
  return 0;
}

static size_t block_size(const struct head *head, size_t time_size)
{
  return head->time * (time_size + 1) + (size_t)head->type * TYPE_SIZE + head->names +
         head->leap * (time_size + 4) + head->isstd + head->isut;
}

static int read_types(struct hgl_zone *zone, const struct head *head, const uint8_t *types,
                      const uint8_t *names, struct hgl_err *err)
{
  if (head->type == 0) return damaged(err, "no local time types");
  if (head->names == 0 || head->names > SHORT_NAMES_SIZE_MAX || names[head->names - 1] != 0)
    return damaged(err, "its abbreviations do not end");
  memcpy(zone->names, names, head->names);
  zone->type_count = head->type;
  for (size_t i = 0; i < head->type; i++, types += TYPE_SIZE) {
    int32_t offset = (int32_t)get_u32(types);
    if (offset < -OFFSET_MAX_S || offset > OFFSET_MAX_S) return damaged(err, "an offset of days");
    if (types[4] > 1 || types[5] >= head->names) return damaged(err, "a local time type");
    zone->types[i] = (struct type){offset, types[4] == 1, types[5]};
  }
  return 0;
}

static int read_times(struct hgl_zone *zone, const struct head *head, const uint8_t *at,
                      size_t time_size, struct hgl_err *err)
{
  zone->times = hgl_array(head->time + 1, sizeof *zone->times);
  zone->index = hgl_array(head->time + 1, 1);
  if (!zone->times || !zone->index) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  for (size_t i = 0; i < head->time; i++, at += time_size) {
    zone->times[i] = time_size == 8 ? (int64_t)hgl_get_be64(at) : (int32_t)get_u32(at);
    if (i > 0 && zone->times[i] <= zone->times[i - 1]) return damaged(err, "its times do not grow");
  }
  for (size_t i = 0; i < head->time; i++) {
    zone->index[i] = at[i];
    if (at[i] >= zone->type_count) return damaged(err, "a local time type that is not there");
  }
  zone->count = head->time;
  return 0;
}

static int read_block(struct hgl_zone *zone, const struct head *head, const uint8_t *at,
                      size_t time_size, struct hgl_err *err)
{
  const uint8_t *types = at + head->time * (time_size + 1);
  if (head->leap > 0)
    return hgl_fail(err, HGL_CORRUPT,
                    "a time zone file that counts leap seconds, as those below "
                    "right/ do: Unix time does not");
  int status = read_types(zone, head, types, types + (size_t)head->type * TYPE_SIZE, err);
  return status ? status : read_times(zone, head, at, time_size, err);
}

/* NL, the rule (or nothing), NL */
static int read_footer(struct hgl_zone *zone, struct hgl_bytes footer, struct hgl_err *err)
{
  const uint8_t *end;
  if (footer.size < 2 || footer.data[0] != '\n' ||
      !(end = memchr(footer.data + 1, '\n', footer.size - 1)))
    return damaged(err, "no footer");
  struct hgl_bytes text = hgl_bytes(footer.data + 1, (size_t)(end - footer.data) - 1);
  if (text.size == 0) return 0;
  zone->has_rule = hgl_zone_rule_parse(text, &zone->rule);
  return zone->has_rule ? 0 : damaged(err, "the rule in its footer");
}

static int decode(struct hgl_zone *zone, struct hgl_bytes file, struct hgl_err *err)
{
  struct head head;
  size_t time_size = 4;
  int status = read_head(&file, &head, err);
  if (status) return status;
  if (head.version >= '2') { /* the same again, with 64 bits, comes behind */
    size_t size = block_size(&head, 4);
    if (size > file.size) return damaged(err, "it ends too early");
    file = hgl_bytes(file.data + size, file.size - size);
    if ((status = read_head(&file, &head, err))) return status;
    time_size = 8;
  }
  size_t size = block_size(&head, time_size);
  if (size > file.size) return damaged(err, "it ends too early");
  if ((status = read_block(zone, &head, file.data, time_size, err)) || time_size == 4)
    return status;
  return read_footer(zone, hgl_bytes(file.data + size, file.size - size), err);
}

int hgl_zone_decode(struct hgl_bytes file, struct hgl_zone **out, struct hgl_err *err)
{
  struct hgl_zone *zone = hgl_zalloc(sizeof *zone);
  if (!zone) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  int status = file.size > HGL_ZONE_FILE_SIZE_MAX
                   ? hgl_fail(err, HGL_CORRUPT, "a time zone file of %zu bytes", file.size)
                   : decode(zone, file, err);
  if (status)
    hgl_zone_destroy(zone);
  else
    *out = zone;
  return status;
}

void hgl_zone_destroy(struct hgl_zone *zone)
{
  if (!zone) return;
  hgl_free(zone->times);
  hgl_free(zone->index);
  hgl_free(zone);
}

/* Finding a file ------------------------------------------------------------------------------ */

/* Letters, digits and "+-_", in parts between slashes: no way out of the folder. */
static bool is_name(struct hgl_bytes name)
{
  if (name.size == 0 || name.size > HGL_ZONE_NAME_SIZE_MAX) return false;
  uint8_t last = '/';
  for (size_t i = 0; i < name.size; i++) {
    uint8_t c = name.data[i];
    if (c == '/' ? last == '/' : c >= 0x80 || !(isalnum(c) || c == '+' || c == '-' || c == '_'))
      return false;
    last = c;
  }
  return last != '/';
}

static int read_file(const char *path, struct hgl_buf *out, struct hgl_err *err)
{
  int file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  if (file < 0)
    return errno == ENOENT || errno == ENOTDIR
               ? hgl_fail(err, HGL_NOT_FOUND, "it is not there")
               : hgl_fail(err, HGL_IO, "%s: %s", path, strerror(errno));
  ssize_t got = 0;
  while (out->size <= HGL_ZONE_FILE_SIZE_MAX) {
    uint8_t *place = hgl_buf_reserve(out, 4096);
    if (!place || (got = read(file, place, 4096)) <= 0) break;
    hgl_buf_extend(out, (size_t)got);
  }
  int status = hgl_buf_check(out, err);
  if (!status && got < 0)
    status = errno == EISDIR ? hgl_fail(err, HGL_NOT_FOUND, "it is a folder")
                             : hgl_fail(err, HGL_IO, "%s: %s", path, strerror(errno));
  close(file);
  return status;
}

static int make_utc(struct hgl_zone **out, struct hgl_err *err)
{
  struct hgl_zone *zone = hgl_zalloc(sizeof *zone);
  if (!zone) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  zone->type_count = 1;
  memcpy(zone->names, "UTC", 4);
  *out = zone;
  return 0;
}

int hgl_zone_load(const char *folder, struct hgl_bytes name, struct hgl_zone **out,
                  struct hgl_err *err)
{
  char path[PATH_MAX];
  struct hgl_buf file;
  if (hgl_bytes_is(name, "UTC")) return make_utc(out, err);
  if (!is_name(name))
    return hgl_fail(err, HGL_INVALID,
                    "'%.*s' is no time zone: write its name in the tz database, as in "
                    "\"Europe/Vienna\", or \"UTC\"",
                    (int)(name.size < HGL_ZONE_NAME_SIZE_MAX ? name.size : HGL_ZONE_NAME_SIZE_MAX),
                    (const char *)name.data);
  if (!folder) folder = getenv("TZDIR");
  if (!folder || !*folder) folder = DEFAULT_FOLDER;
  if (snprintf(path, sizeof path, "%s/%.*s", folder, HGL_STR(name)) >= (int)sizeof path)
    return hgl_fail(err, HGL_INVALID, "the path of the time zones is too long");
  hgl_buf_init(&file, HGL_ZONE_FILE_SIZE_MAX + 8192);
  int status = read_file(path, &file, err);
  if (!status) status = hgl_zone_decode(hgl_buf_bytes(&file), out, err);
  hgl_buf_deinit(&file);
  if (status == -HGL_NOT_FOUND)
    return hgl_fail(err, HGL_INVALID,
                    "there is no time zone '%.*s' in %s: correct the name, as in "
                    "\"Europe/Vienna\", or install the package tzdata",
                    HGL_STR(name), folder);
  return status ? hgl_fail_in(err, "time zone %.*s", HGL_STR(name)) : 0;
}

/* Spans --------------------------------------------------------------------------------------- */

static void of_type(const struct hgl_zone *zone, const struct type *type, struct hgl_zone_span *out)
{
  out->offset = type->offset;
  out->daylight = type->daylight;
  snprintf(out->name, sizeof out->name, "%s", zone->names + type->name);
}

/* How many borders lie at or before this time. */
static size_t borders_before(const struct hgl_zone *zone, int64_t unix_s)
{
  size_t low = 0, high = zone->count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (zone->times[middle] <= unix_s)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

void hgl_zone_span(const struct hgl_zone *zone, int64_t unix_s, struct hgl_zone_span *out)
{
  if (!zone) {
    *out = (struct hgl_zone_span){.start = INT64_MIN, .end = INT64_MAX, .name = "UTC"};
    return;
  }
  size_t before = borders_before(zone, unix_s);
  out->start = before ? zone->times[before - 1] : INT64_MIN;
  out->end = before < zone->count ? zone->times[before] : INT64_MAX;
  if (before < zone->count || !zone->has_rule) {
    of_type(zone, &zone->types[before ? zone->index[before - 1] : 0], out);
    return;
  }
  int64_t last = out->start;
  hgl_zone_rule_span(&zone->rule, unix_s, out);
  if (out->start < last) out->start = last;
}

enum hgl_zone_times hgl_zone_unix(const struct hgl_zone *zone, int64_t local_s, int64_t *first,
                                  int64_t *second)
{
  struct hgl_zone_span span;
  enum hgl_zone_times times = HGL_ZONE_NEVER;
  /* No offset is larger: every span in which it could be this local time is looked at. */
  int64_t from = local_s - OFFSET_MAX_S, to = local_s + OFFSET_MAX_S, gap_end = to;
  for (hgl_zone_span(zone, from, &span);; hgl_zone_span(zone, span.end, &span)) {
    int64_t found = local_s - span.offset;
    bool begins = span.start == INT64_MIN || found >= span.start;
    if (begins && found < span.end) {
      *(times == HGL_ZONE_NEVER ? first : second) = found;
      if (times == HGL_ZONE_ONCE) return HGL_ZONE_TWICE;
      times = HGL_ZONE_ONCE;
    } else if (!begins && gap_end == to) {
      gap_end = span.start; /* the first span in which it is later already */
    }
    if (span.end > to) break;
  }
  if (times == HGL_ZONE_NEVER) *first = gap_end;
  return times;
}
