/* The script of an agent and the modules beside it, as the host runs them: also where the files
 * have changed since, or the agent sleeps. */
#include "agent/show.h"
#include "agent/supervise.h"

/* One text is told up to here: as JSON it fits a line whatever it is made of. */
enum { SOURCE_SIZE_MAX = 640 << 10 };

struct telling {
  const char *wanted; /* a path; NULL: the script, which comes first */
  json_t *files, *file;
};

static json_t *json_hash(const struct hgl_hash *hash)
{
  char text[2 * HGL_HASH_SIZE + 1];
  for (size_t i = 0; i < 2 * (size_t)HGL_HASH_SIZE; i++)
    text[i] = "0123456789abcdef"[hash->bytes[i / 2] >> (i % 2 ? 0 : 4) & 15];
  text[2 * HGL_HASH_SIZE] = 0;
  return json_string(text);
}

static json_t *json_digest(struct hgl_bytes text)
{
  struct hgl_hash hash;
  hgl_sha256(&text, 1, &hash);
  return json_hash(&hash);
}

/* A file may hold what is no UTF-8. */
static json_t *json_source(struct hgl_bytes source, size_t *left_out)
{
  struct hgl_buf text;
  size_t size = source.size < SOURCE_SIZE_MAX ? source.size : SOURCE_SIZE_MAX;
  while (size < source.size && size && (source.data[size] & 0xc0) == 0x80) size--;
  *left_out = source.size - size;
  hgl_buf_init(&text, SOURCE_SIZE_MAX);
  hgl_utf8_mend(hgl_bytes(source.data, size), &text);
  json_t *json = text.failed ? NULL
                             : json_stringn(text.size ? (const char *)text.data : "", text.size);
  hgl_buf_deinit(&text);
  return json;
}

static int tell_file(void *user, struct hgl_bytes path, struct hgl_bytes source,
                     struct hgl_err *err)
{
  struct telling *telling = user;
  json_t *entry = json_pack("{s:o, s:I, s:o}", "path", json_words(path), "size",
                            (json_int_t)source.size, "digest", json_digest(source));
  if (json_array_append_new(telling->files, entry))
    return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  bool wanted = telling->wanted ? hgl_bytes_is(path, telling->wanted)
                                : json_array_size(telling->files) == 1;
  if (!wanted || telling->file) return 0;
  size_t left_out;
  json_t *text = json_source(source, &left_out);
  telling->file = json_pack("{s:o, s:o, s:I}", "file", json_words(path), "source", text, "left_out",
                            (json_int_t)left_out);
  return telling->file ? 0 : hgl_fail(err, HGL_NO_MEMORY, "out of memory");
}

/* What runs now or, of one that is stopped, what it would begin with: its modules are read then. */
static int tell_files(const struct child *child, struct telling *telling, struct hgl_err *err)
{
  const struct agent *agent = child->agent;
  if (agent && agent->script) return script_sources(agent->script, tell_file, telling, err);
  return tell_file(telling, hgl_text(child->script_path),
                   hgl_bytes(child->script->text, child->script->size), err);
}

static int give(const struct child *child, const struct telling *telling, json_t **out,
                struct hgl_err *err)
{
  const struct agent *agent = child->agent;
  const struct hgl_hash *digest = agent && agent->script ? &agent->script->digest
                                                         : &child->script->hash;
  json_t *whole = json_pack("{s:O, s:o, s:b}", "files", telling->files, "digest", json_hash(digest),
                            "runs", agent && agent->script);
  if (!whole || json_object_update(whole, telling->file)) {
    json_decref(whole);
    return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  }
  *out = whole;
  return 0;
}

int hgl_host_source(struct hgl_host *host, const char *name, const char *file, json_t **out,
                    struct hgl_err *err)
{
  const struct child *child = child_by_name(host, hgl_text(name));
  struct telling telling = {.wanted = file};
  if (!child) return hgl_fail(err, HGL_NOT_FOUND, "there is no agent named %.80s here", name);
  if (!child->script) return hgl_fail(err, HGL_INVALID, "%.80s has no script", name);
  telling.files = json_array();
  int status = telling.files ? tell_files(child, &telling, err)
                             : hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  if (!status && !telling.file)
    status = hgl_fail(err, HGL_NOT_FOUND, "%.80s is none of the files of %.80s", file, name);
  if (!status) status = give(child, &telling, out, err);
  json_decref(telling.files);
  json_decref(telling.file);
  return status;
}
