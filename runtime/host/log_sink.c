#include "host/log_sink.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/map.h"
#include "base/mem.h"
#include "host/keys.h"
#include "host/log_file.h"
#include "host/log_line.h"

#define JOURNAL_SOCKET "/run/systemd/journal/socket"

struct hgl_log_sink {
  struct hgl_log log; /* log.least: the least of all levels */
  struct hgl_log_ring *ring;
  const struct hgl_clock *clock;
  enum hgl_log_format format; /* never the default */
  bool prefixed;              /* standard error leads to the journal */
  struct hgl_log_file *file;  /* or NULL */
  int journal;                /* or -1 */
  enum hgl_log_level level;
  struct hgl_map levels; /* of agents */
  uint64_t lost;         /* lines since the last one that was written */
  struct hgl_err why;
  char line[HGL_LOG_PRIORITY_SIZE +
            HGL_LOG_LINE_MAX]; /* here, so that a line is written also where there is no memory */
};

/* Levels -------------------------------------------------------------------------------------- */

/* What the map points to. */
static const enum hgl_log_level all_levels[] = {HGL_LOG_DEBUG, HGL_LOG_INFO, HGL_LOG_WARN,
                                                HGL_LOG_ERROR};

static enum hgl_log_level unpack(const void *value)
{
  return *(const enum hgl_log_level *)value;
}

static enum hgl_log_level level_of(const struct hgl_log_sink *sink, const char *agent)
{
  size_t size;
  uint32_t number;
  if (!sink->levels.count) return sink->level;
  const void *value = hgl_map_get(&sink->levels, hgl_text(agent));
  if (!value && hgl_agent_name_is_instance(hgl_text(agent), &size, &number))
    value = hgl_map_get(&sink->levels, hgl_bytes(agent, size));
  return value ? unpack(value) : sink->level;
}

static void find_least(struct hgl_log_sink *sink)
{
  struct hgl_map_slot *slot;
  sink->log.least = sink->level;
  for (size_t i = 0; (slot = hgl_map_next(&sink->levels, &i));)
    if (unpack(slot->value) < sink->log.least) sink->log.least = unpack(slot->value);
}

static int parse_level(const char *text, enum hgl_log_level *out, struct hgl_err *err)
{
  if (text && hgl_log_level_parse(text, out)) return 0;
  return hgl_fail(err, HGL_INVALID, "a level is debug, info, warn or error, not \"%.40s\"",
                  text ? text : "");
}

static int put_level(struct hgl_map *levels, const char *agent, const char *text,
                     struct hgl_err *err)
{
  enum hgl_log_level level;
  int status = hgl_agent_name_check(hgl_text(agent), err);
  if (!status) status = parse_level(text, &level, err);
  if (!status && levels->count >= HGL_LOG_LEVELS_MAX && !hgl_map_get(levels, hgl_text(agent)))
    status = hgl_fail(err, HGL_LIMIT, "more than %d agents with a level of their own",
                      HGL_LOG_LEVELS_MAX);
  return status ? status : hgl_map_put(levels, hgl_text(agent), (void *)&all_levels[level], err);
}

int hgl_log_sink_set(struct hgl_log_sink *sink, const char *agent, const char *level,
                     struct hgl_err *err)
{
  int status = 0;
  if (!agent)
    status = parse_level(level, &sink->level, err);
  else if (level)
    status = put_level(&sink->levels, agent, level, err);
  else
    hgl_map_remove(&sink->levels, hgl_text(agent));
  find_least(sink);
  return status;
}

static void init_levels(struct hgl_map *levels)
{
  hgl_map_init(levels, hgl_random_u64(&hgl_random_system), hgl_random_u64(&hgl_random_system));
}

int hgl_log_sink_set_all(struct hgl_log_sink *sink, enum hgl_log_level level, const json_t *agents,
                         struct hgl_err *err)
{
  const char *name;
  json_t *value;
  struct hgl_map levels;
  int status = 0;
  init_levels(&levels);
  json_object_foreach((json_t *)agents, name, value)
  {
    status = put_level(&levels, name, json_string_value(value), err);
    if (status) break;
  }
  if (status) {
    hgl_map_deinit(&levels);
    return status;
  }
  hgl_map_deinit(&sink->levels);
  sink->levels = levels;
  sink->level = level;
  find_least(sink);
  return 0;
}

json_t *hgl_log_sink_levels(const struct hgl_log_sink *sink)
{
  struct hgl_map_slot *slot;
  json_t *agents = json_object();
  int failed = 0;
  for (size_t i = 0; (slot = hgl_map_next(&sink->levels, &i));) {
    char name[HGL_NAME_SIZE_MAX + 1];
    snprintf(name, sizeof name, "%.*s", (int)slot->key_size, (const char *)slot->key);
    failed |= json_object_set_new(agents, name,
                                  json_string(hgl_log_level_name(unpack(slot->value))));
  }
  if (failed) {
    json_decref(agents);
    return NULL;
  }
  return json_pack("{s:s, s:o}", "level", hgl_log_level_name(sink->level), "agents", agents);
}

/* Writing ------------------------------------------------------------------------------------- */

static size_t format_line(struct hgl_log_sink *sink, const struct hgl_log_entry *entry)
{
  size_t size = 0;
  if (sink->format == HGL_LOG_FORMAT_JOURNAL) return hgl_log_line_journal(entry, sink->line);
  if (sink->prefixed && !sink->file) size = hgl_log_line_priority(entry->level, sink->line);
  char *rest = sink->line + size;
  return size + (sink->format == HGL_LOG_FORMAT_JSON ? hgl_log_line_json(entry, rest)
                                                     : hgl_log_line_text(entry, !sink->file, rest));
}

/* Without waiting: a journal that is stuck must not hold the host. */
static int send_entry(struct hgl_log_sink *sink, struct hgl_bytes line, struct hgl_err *err)
{
  ssize_t sent;
  do sent = send(sink->journal, line.data, line.size, MSG_DONTWAIT | MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  return sent < 0 ? hgl_fail(err, HGL_IO, "the journal: %s", strerror(errno)) : 0;
}

static int write_line(struct hgl_log_sink *sink, const struct hgl_log_entry *entry,
                      struct hgl_err *err)
{
  struct hgl_bytes line = hgl_bytes(sink->line, format_line(sink, entry));
  if (sink->format == HGL_LOG_FORMAT_JOURNAL) return send_entry(sink, line, err);
  if (sink->file) return hgl_log_file_write(sink->file, line, err);
  fwrite(line.data, 1, line.size, stderr); /* there is nobody to be told of a failure */
  return 0;
}

/* That lines are lost is said where it can be, at once on standard error, later in the log. */
static void lose(struct hgl_log_sink *sink, const struct hgl_err *why)
{
  if (!sink->lost++)
    hgl_log(&hgl_log_stderr, HGL_LOG_ERROR, "log", "lines are lost: %s", why->message);
  sink->why = *why;
}

static bool write_lost(struct hgl_log_sink *sink, int64_t now_ms)
{
  char text[HGL_ERR_MESSAGE_SIZE + 64];
  struct hgl_err err;
  snprintf(text, sizeof text, "%llu lines were lost before this one: %s",
           (unsigned long long)sink->lost, sink->why.message);
  struct hgl_log_entry entry = {
      .unix_ms = now_ms, .level = HGL_LOG_WARN, .who = "log", .text = hgl_text(text)};
  if (write_line(sink, &entry, &err)) return false;
  sink->lost = 0;
  return true;
}

static void write_entry(struct hgl_log_sink *sink, struct hgl_log_entry *entry)
{
  struct hgl_err err = {0};
  entry->unix_ms = hgl_wall_ms(sink->clock);
  const struct hgl_log_ring_line line = {.time_ms = entry->unix_ms,
                                         .level = entry->level,
                                         .agent = entry->agent,
                                         .who = entry->who,
                                         .text = entry->text,
                                         .fields = entry->fields};
  hgl_log_ring_add(sink->ring, &line);
  if (sink->lost && !write_lost(sink, entry->unix_ms))
    sink->lost++;
  else if (write_line(sink, entry, &err))
    lose(sink, &err);
}

static void write_module(void *user, enum hgl_log_level level, const char *who, const char *text)
{
  struct hgl_log_sink *sink = user;
  struct hgl_log_entry entry = {.level = level, .who = who, .text = hgl_text(text)};
  if (level >= sink->level) write_entry(sink, &entry);
}

static void write_agent(void *user, enum hgl_log_level level, const char *agent,
                        struct hgl_bytes text, struct hgl_bytes fields)
{
  struct hgl_log_sink *sink = user;
  struct hgl_log_entry entry = {
      .level = level, .agent = true, .who = agent, .text = text, .fields = fields};
  if (level >= level_of(sink, agent)) write_entry(sink, &entry);
}

/* Life ---------------------------------------------------------------------------------------- */

bool hgl_log_is_journal(const char *journal_stream, int fd)
{
  struct stat stream;
  char here[64];
  if (!journal_stream || fstat(fd, &stream)) return false;
  snprintf(here, sizeof here, "%llu:%llu", (unsigned long long)stream.st_dev,
           (unsigned long long)stream.st_ino);
  return strcmp(here, journal_stream) == 0;
}

static int open_journal(struct hgl_log_sink *sink, const char *path, struct hgl_err *err)
{
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof address.sun_path)
    return hgl_fail(err, HGL_INVALID, "the path of the journal's socket is too long");
  memcpy(address.sun_path, path, strlen(path));
  sink->journal = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (sink->journal < 0 || connect(sink->journal, (struct sockaddr *)&address, sizeof address))
    return hgl_fail(err, errno == ENOENT ? HGL_NOT_FOUND : HGL_IO,
                    "there is no journal to log to (%s: %s); choose --log text or json", path,
                    strerror(errno));
  return 0;
}

static int open_output(struct hgl_log_sink *sink, const struct hgl_log_config *config,
                       struct hgl_err *err)
{
  const char *journal = config->journal ? config->journal : JOURNAL_SOCKET;
  struct hgl_err ignored;
  sink->prefixed = hgl_log_is_journal(getenv("JOURNAL_STREAM"), STDERR_FILENO);
  sink->format = config->format;
  if (config->file) {
    if (!sink->format) sink->format = HGL_LOG_FORMAT_TEXT;
    if (sink->format == HGL_LOG_FORMAT_JOURNAL)
      return hgl_fail(err, HGL_INVALID, "a log goes to a file or to the journal, not to both");
    return hgl_log_file_open(
        config->file, config->size_max ? config->size_max : HGL_LOG_SIZE_DEFAULT,
        config->keep ? (config->keep < 0 ? 0 : config->keep) : HGL_LOG_KEEP_DEFAULT, &sink->file,
        err);
  }
  if (sink->format == HGL_LOG_FORMAT_JOURNAL) return open_journal(sink, journal, err);
  if (sink->format) return 0;
  bool opened = sink->prefixed && open_journal(sink, journal, &ignored) == 0;
  sink->format = opened ? HGL_LOG_FORMAT_JOURNAL : HGL_LOG_FORMAT_TEXT;
  return 0;
}

int hgl_log_sink_create(const struct hgl_log_config *config, struct hgl_log_sink **out,
                        struct hgl_err *err)
{
  struct hgl_log_sink *sink = hgl_zalloc(sizeof *sink);
  if (!sink) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  sink->log = (struct hgl_log){.write = write_module, .user = sink, .write_agent = write_agent};
  sink->clock = config->clock;
  sink->journal = -1;
  init_levels(&sink->levels);
  int status = hgl_log_ring_create(&sink->ring, err);
  if (!status) status = hgl_log_sink_set_all(sink, config->level, config->agents, err);
  if (!status) status = open_output(sink, config, err);
  if (status)
    hgl_log_sink_destroy(sink);
  else
    *out = sink;
  return status;
}

void hgl_log_sink_destroy(struct hgl_log_sink *sink)
{
  if (!sink) return;
  hgl_log_ring_destroy(sink->ring);
  hgl_log_file_close(sink->file);
  if (sink->journal >= 0) close(sink->journal);
  hgl_map_deinit(&sink->levels);
  hgl_free(sink);
}

const struct hgl_log_ring *hgl_log_sink_ring(const struct hgl_log_sink *sink)
{
  return sink->ring;
}

const struct hgl_log *hgl_log_sink_log(const struct hgl_log_sink *sink)
{
  return &sink->log;
}

int hgl_log_sink_reopen(struct hgl_log_sink *sink, struct hgl_err *err)
{
  return sink->file ? hgl_log_file_reopen(sink->file, err) : 0;
}
