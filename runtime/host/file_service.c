/* host.write and host.remove: the request is {path, content} or {path}, the answer true. Both may
 * be repeated: a process that died may have done them.
 *
 * What is done to one path is done in the order of the calls. A thread cannot be stopped: one whose
 * agent has gone on, because its time was over or it was restarted, would put an older content in
 * the place of a newer one, or write to the same file on the way to it. */
#include "host/file.h"
#include "host/services.h"

#include "base/mem.h"
#include "protocol/value.h"

enum { PATH_SIZE_MAX = 4096 };

struct hgl_file_work {
  struct hgl_services *services;      /* NULL: they are gone */
  struct hgl_file_work *next, **link; /* in services->files */
  struct hgl_file_work *follower;     /* begins when this is over */
  bool begun, cancelled;              /* cancelled: nobody waits for it any more */
  uint64_t ticket;
  char *path;
  size_t folder_size;
  bool removes, repeated;
  struct hgl_buf content;
  char mark[2 * HGL_ID_SIZE + 1];
  struct hgl_err err; /* what came of it; code HGL_OK: it is done */
};

/* The path, and what of it names the folder that the grant is about. */
static int get_path(const struct hgl_call *call, struct hgl_bytes *path, size_t *folder_size,
                    struct hgl_err *err)
{
  struct hgl_cbor_reader in;
  int status = hgl_call_field(call->request, "path", &in, err);
  if (!status) status = hgl_cbor_get_text(&in, "path", PATH_SIZE_MAX, path, err);
  if (status) return hgl_fail(err, HGL_INVALID, "write: %s", err->message);
  if (!hgl_grants_cover(call->grants, "write", *path, folder_size))
    return hgl_fail(err, HGL_DENIED, "%s may not write it: grant --allow %s:write=%.*s",
                    call->agent, call->agent, HGL_STR(*path));
  if (memchr(path->data, 0, path->size)) return hgl_fail(err, HGL_INVALID, "a path with a NUL");
  return 0;
}

static int check(void *user, const struct hgl_call *call, struct hgl_call_nature *nature,
                 struct hgl_err *err)
{
  struct hgl_bytes path;
  size_t folder_size;
  nature->repeatable = true;
  return get_path(call, &path, &folder_size, err);
}

static void destroy(struct hgl_file_work *work)
{
  if (work->link) {
    *work->link = work->next;
    if (work->next) work->next->link = work->link;
  }
  hgl_free(work->path);
  hgl_buf_deinit(&work->content);
  hgl_free(work);
}

/* On a thread of the pool. */
static void do_work(void *user)
{
  struct hgl_file_work *work = user;
  int status = work->removes
                   ? hgl_file_remove_confined(work->path, work->folder_size, &work->err)
                   : hgl_file_write_confined(work->path, work->folder_size,
                                             hgl_buf_bytes(&work->content), work->mark, &work->err);
  bool gone = work->removes && work->repeated && status == -HGL_NOT_FOUND;
  if (!status || gone) work->err.code = HGL_OK;
}

static void done(void *user);

static int begin(struct hgl_file_work *work, struct hgl_err *err)
{
  work->begun = true;
  return hgl_loop_work(work->services->config.loop, do_work, done, work, err);
}

static void tell(const struct hgl_file_work *work)
{
  static const uint8_t yes = 0xf5;
  if (!work->services || work->cancelled) return;
  hgl_host_call_done(work->services->host, work->ticket, hgl_bytes(&yes, 1),
                     work->err.code ? &work->err : NULL);
}

static void done(void *user)
{
  for (struct hgl_file_work *work = user, *next; work; work = next) {
    tell(work);
    next = work->follower;
    destroy(work);
    if (next && !next->cancelled && begin(next, &next->err) == 0) return;
  }
}

static struct hgl_file_work *last_of(const struct hgl_services *services, const char *path)
{
  struct hgl_file_work *work = services->files;
  while (work && strcmp(work->path, path) != 0) work = work->next;
  return work;
}

/* Takes the work unless it fails. */
static int begin_in_turn(struct hgl_file_work *work, struct hgl_err *err)
{
  struct hgl_services *services = work->services;
  struct hgl_file_work *before = last_of(services, work->path);
  int status = before ? 0 : begin(work, err);
  if (status) return status;
  if (before) before->follower = work;
  work->next = services->files;
  work->link = &services->files;
  if (work->next) work->next->link = &work->next;
  services->files = work;
  return 0;
}

void hgl_file_works_leave(struct hgl_services *services)
{
  for (struct hgl_file_work *work; (work = services->files);) {
    services->files = work->next;
    if (work->next) work->next->link = &services->files;
    work->link = NULL;
    work->services = NULL;
    work->follower = NULL;
    if (!work->begun) destroy(work);
  }
}

static int take_content(const struct hgl_call *call, struct hgl_file_work *work,
                        struct hgl_err *err)
{
  struct hgl_cbor_reader in;
  struct hgl_bytes content;
  int status = hgl_call_field(call->request, "content", &in, err);
  if (!status) status = hgl_cbor_get_bytes(&in, "content", HGL_BODY_SIZE_MAX, &content, err);
  if (status) return status;
  hgl_buf_append_bytes(&work->content, content);
  return hgl_buf_check(&work->content, err);
}

static int start(void *user, const struct hgl_call *call, bool removes, uint64_t ticket, void **out,
                 struct hgl_err *err)
{
  struct hgl_services *services = user;
  struct hgl_file_work *work = hgl_zalloc(sizeof *work);
  struct hgl_bytes path = {0};
  if (!work) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  *work = (struct hgl_file_work){
      .services = services, .ticket = ticket, .removes = removes, .repeated = call->repeated};
  hgl_buf_init(&work->content, HGL_BODY_SIZE_MAX);
  hgl_id_format(&call->id, work->mark);
  int status = get_path(call, &path, &work->folder_size, err);
  if (!status && !removes) status = take_content(call, work, err);
  if (!status && !(work->path = hgl_strndup((const char *)path.data, path.size)))
    status = hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  if (!status) status = begin_in_turn(work, err);
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

/* What has begun goes on: a thread is at it. */
static void cancel(void *user, void *work)
{
  ((struct hgl_file_work *)work)->cancelled = true;
}

const struct hgl_service hgl_write_service = {"write", check, start_write, cancel, NULL, NULL};
const struct hgl_service hgl_remove_service = {"remove", check, start_remove, cancel, NULL, NULL};
