/* Pages of lists: filled item by item until one is full, each with the cursor to go on from. */
#include "agent/page.h"

enum { CURSOR_SIZE_MAX = HGL_STORE_KEY_SIZE_MAX };

int page_begin(struct paging *paging, const struct hgl_page *page, struct hgl_err *err)
{
  *paging = (struct paging){.page = page, .list = json_array()};
  hgl_buf_init(&paging->last, CURSOR_SIZE_MAX);
  return paging->list ? 0 : hgl_fail(err, HGL_NO_MEMORY, "out of memory");
}

bool page_full(struct paging *paging)
{
  const struct hgl_page *page = paging->page;
  if (!page || (json_array_size(paging->list) < page->limit && paging->size < page->size_max))
    return false;
  if (page->next) hgl_buf_append_bytes(page->next, hgl_buf_bytes(&paging->last));
  return true;
}

int page_add(struct paging *paging, json_t *item, struct hgl_bytes cursor, struct hgl_err *err)
{
  if (item && paging->page) paging->size += json_dumpb(item, NULL, 0, JSON_COMPACT) + 1;
  hgl_buf_clear(&paging->last);
  hgl_buf_append_bytes(&paging->last, cursor);
  if (json_array_append_new(paging->list, item))
    return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  return hgl_buf_check(&paging->last, err);
}

int page_end(struct paging *paging, int status, json_t **out, struct hgl_err *err)
{
  const struct hgl_page *page = paging->page;
  if (status >= 0) status = page && page->next ? hgl_buf_check(page->next, err) : 0;
  hgl_buf_deinit(&paging->last);
  if (status)
    json_decref(paging->list);
  else
    *out = paging->list;
  return status;
}

struct hgl_bytes page_after(const struct paging *paging)
{
  return paging->page ? paging->page->after : hgl_bytes(NULL, 0);
}

bool page_wants(const struct paging *paging, struct hgl_bytes agent)
{
  const char *wanted = paging->page ? paging->page->agent : NULL;
  return !wanted || hgl_bytes_is(agent, wanted);
}

int page_scan(struct paging *paging, struct hgl_store *store, enum hgl_db db, hgl_store_visit visit,
              void *user, struct hgl_err *err)
{
  struct hgl_bytes after = page_after(paging);
  bool backwards = paging->page && paging->page->newest;
  struct hgl_buf from;
  hgl_buf_init(&from, CURSOR_SIZE_MAX + 1);
  hgl_buf_append_bytes(&from, after);
  if (after.size && !backwards) hgl_buf_append_byte(&from, 0); /* the next key there can be */
  int status = hgl_buf_check(&from, err);
  if (!status)
    status = hgl_store_scan(store, db, hgl_bytes(NULL, 0), hgl_buf_bytes(&from), backwards, visit,
                            user, err);
  hgl_buf_deinit(&from);
  return status;
}
