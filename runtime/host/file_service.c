/* host.write and host.remove: the request is {path, content} or {path}, the answer true. Both may
 * be repeated: a process that died may have done them. */
#include "host/file.h"
#include "host/services.h"

#include "base/mem.h"
#include "protocol/value.h"

enum { PATH_SIZE_MAX = 4096 };

struct work {
  struct hgl_services *services; /* NULL: nobody waits for it any more */
  uint64_t ticket;
  char *path;
  size_t folder_size;
  bool removes, repeated;
  struct hgl_buf content;
  char mark[2 * HGL_ID_SIZE + 1];
  struct hgl_err err; /* what came of it; code HGL_OK: it is done */
};

static int get_field(struct hgl_bytes request, const char *name, struct hgl_cbor_reader *out,
                     struct hgl_err *err)
{
  struct hgl_bytes value;
  bool found;
  int status = hgl_value_field(request, name, &value, &found, err);
  if (!status && !found) status = hgl_fail(err, HGL_INVALID, "the request has no %s", name);
  if (!status) *out = hgl_cbor_reader(value);
  return status;
}

/* The path, and what of it names the folder that the grant is about. */
static int get_path(const struct hgl_call *call, struct hgl_bytes *path, size_t *folder_size,
                    struct hgl_err *err)
{
  struct hgl_cbor_reader in;
  int status = get_field(call->request, "path", &in, err);
  if (!status) status = hgl_cbor_get_text(&in, "path", PATH_SIZE_MAX, path, err);
  if (status) return hgl_fail(err, HGL_INVALID, "write: %s", err->message);
  if (!hgl_grants_cover(call->grants, "write", *path, folder_size))
    return hgl_fail(err, HGL_DENIED, "%s may not write it: grant --allow %s:write=%.*s",
                    call->agent, call->agent, HGL_STR(*path));
  if (memchr(path->data, 0, path->size)) return hgl_fail(err, HGL_INVALID, "a path with a NUL");
  return 0;
}

static int check(void *user, const struct hgl_call *call, bool *repeatable, struct hgl_err *err)
{
  struct hgl_bytes path;
  size_t folder_size;
  *repeatable = true;
  return get_path(call, &path, &folder_size, err);
}

static void destroy(struct work *work)
{
  hgl_free(work->path);
  hgl_buf_deinit(&work->content);
  hgl_free(work);
}

/* On a thread of the pool. */
static void do_work(void *user)
{
  struct work *work = user;
  int status = work->removes
                   ? hgl_file_remove_confined(work->path, work->folder_size, &work->err)
                   : hgl_file_write_confined(work->path, work->folder_size,
                                             hgl_buf_bytes(&work->content), work->mark, &work->err);
  bool gone = work->removes && work->repeated && status == -HGL_NOT_FOUND;
  if (!status || gone) work->err.code = HGL_OK;
}

static void done(void *user)
{
  static const uint8_t yes = 0xf5;
  struct work *work = user;
  if (work->services)
    hgl_host_call_done(work->services->host, work->ticket, hgl_bytes(&yes, 1),
                       work->err.code ? &work->err : NULL);
  destroy(work);
}

static int take_content(const struct hgl_call *call, struct work *work, struct hgl_err *err)
{
  struct hgl_cbor_reader in;
  struct hgl_bytes content;
  int status = get_field(call->request, "content", &in, err);
  if (!status) status = hgl_cbor_get_bytes(&in, "content", HGL_BODY_SIZE_MAX, &content, err);
  if (status) return status;
  hgl_buf_append_bytes(&work->content, content);
  return hgl_buf_check(&work->content, err);
}

static int start(void *user, const struct hgl_call *call, bool removes, uint64_t ticket, void **out,
                 struct hgl_err *err)
{
  struct hgl_services *services = user;
  struct work *work = hgl_zalloc(sizeof *work);
  struct hgl_bytes path = {0};
  if (!work) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  *work = (struct work){
      .services = services, .ticket = ticket, .removes = removes, .repeated = call->repeated};
  hgl_buf_init(&work->content, HGL_BODY_SIZE_MAX);
  hgl_id_format(&call->id, work->mark);
  int status = get_path(call, &path, &work->folder_size, err);
  if (!status && !removes) status = take_content(call, work, err);
  if (!status && !(work->path = hgl_strndup((const char *)path.data, path.size)))
    status = hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  if (!status) status = hgl_loop_work(services->config.loop, do_work, done, work, err);
  if (status)
    destroy(work);
  else
    *out = work;
  return status;
}

static int start_write(void *user, const struct hgl_call *call, uint64_t ticket, void **work,
                       struct hgl_err *err)
{
  return start(user, call, false, ticket, work, err);
}

static int start_remove(void *user, const struct hgl_call *call, uint64_t ticket, void **work,
                        struct hgl_err *err)
{
  return start(user, call, true, ticket, work, err);
}

/* It goes on: a thread is at it. */
static void cancel(void *user, void *work)
{
  ((struct work *)work)->services = NULL;
}

const struct hgl_service hgl_write_service = {"write", check, start_write, cancel, NULL};
const struct hgl_service hgl_remove_service = {"remove", check, start_remove, cancel, NULL};
