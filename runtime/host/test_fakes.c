#include "host/test_fakes.h"

#include <string.h>

#include "base/mem.h"
#include "host/file.h"

/* ---- files ---- */

static bool ends_with(const char *text, const char *end)
{
  size_t size = strlen(text), end_size = strlen(end);
  return size >= end_size && strcmp(text + size - end_size, end) == 0;
}

/* Modules are real; any other file is one that the test has made. */
static int read_file(void *user, const char *path, size_t folder_size, size_t size_max,
                     struct hgl_buf *out, struct hgl_err *err)
{
  const struct hgl_fakes *fakes = user;
  const struct hgl_buf *file = hgl_map_get(&fakes->files, hgl_text(path));
  if (!file && ends_with(path, ".lua")) return hgl_file_read(path, size_max, out, err);
  if (!file) return hgl_fail(err, HGL_NOT_FOUND, "%s: this world has no such file", path);
  if (file->size > size_max)
    return hgl_fail(err, HGL_TOO_LARGE, "%s: more than %zu bytes", path, size_max);
  hgl_buf_append_bytes(out, hgl_buf_bytes(file));
  return hgl_buf_check(out, err);
}

bool hgl_fakes_has_file(const struct hgl_fakes *fakes, const char *path)
{
  return hgl_map_get(&fakes->files, hgl_text(path)) != NULL;
}

static void file_destroy(struct hgl_buf *file)
{
  if (!file) return;
  hgl_buf_deinit(file);
  hgl_free(file);
}

int hgl_fakes_set_file(struct hgl_fakes *fakes, const char *path, struct hgl_bytes content,
                       struct hgl_err *err)
{
  file_destroy(hgl_map_remove(&fakes->files, hgl_text(path)));
  if (!content.data) return 0;
  struct hgl_buf *file = hgl_zalloc(sizeof *file);
  if (!file) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  hgl_buf_init(file, HGL_BODY_SIZE_MAX);
  hgl_buf_append_bytes(file, content);
  int status = hgl_buf_check(file, err);
  if (!status) status = hgl_map_put(&fakes->files, hgl_text(path), file, err);
  if (status) file_destroy(file);
  return status;
}

/* ---- secrets ---- */

/* The value that a request has in its place. */
static int get_secret(void *user, struct hgl_bytes name, struct hgl_buf *out, struct hgl_err *err)
{
  hgl_buf_append_text(out, "[secret ");
  hgl_buf_append_bytes(out, name);
  hgl_buf_append_byte(out, ']');
  return hgl_buf_check(out, err);
}

/* ---- all of them ---- */

void hgl_fakes_init(struct hgl_fakes *fakes, const struct hgl_random *random)
{
  hgl_map_init(&fakes->files, hgl_random_u64(random), hgl_random_u64(random));
}

void hgl_fakes_deinit(struct hgl_fakes *fakes)
{
  struct hgl_map_slot *slot;
  for (size_t i = 0; (slot = hgl_map_next(&fakes->files, &i));) file_destroy(slot->value);
  hgl_map_deinit(&fakes->files);
}

void hgl_fakes_fill(struct hgl_fakes *fakes, struct hgl_host_config *config)
{
  config->files = (struct hgl_files){.read = read_file, .user = fakes};
  config->secrets.get = get_secret;
}
