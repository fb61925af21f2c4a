/* Lists for the control API, whole (`page` NULL) or a page at a time (struct hgl_page). */
#ifndef HGL_AGENT_PAGE_H
#define HGL_AGENT_PAGE_H

#include "agent/internal.h"

struct paging {
  const struct hgl_page *page; /* borrowed */
  json_t *list;
  size_t size; /* of its text, so far */
  struct hgl_buf last;
};
int page_begin(struct paging *paging, const struct hgl_page *page,
               struct hgl_err *err) HGL_NODISCARD;
/* Asked before each item: true, and there is a next page. */
bool page_full(struct paging *paging);
/* Steals the item (NULL: out of memory). The next page begins after `cursor`. */
int page_add(struct paging *paging, json_t *item, struct hgl_bytes cursor,
             struct hgl_err *err) HGL_NODISCARD;
/* Gives the list, or, with an error, frees it. Always after page_begin. */
int page_end(struct paging *paging, int status, json_t **out, struct hgl_err *err) HGL_NODISCARD;
struct hgl_bytes page_after(const struct paging *paging);
bool page_wants(const struct paging *paging, struct hgl_bytes agent);
/* Visits a database's rows behind the cursor, which is a key; the newest first if it says so. */
int page_scan(struct paging *paging, struct hgl_store *store, enum hgl_db db, hgl_store_visit visit,
              void *user, struct hgl_err *err) HGL_NODISCARD;
int page_of_deals(struct hgl_host *host, const struct hgl_page *page, json_t **out,
                  struct hgl_err *err) HGL_NODISCARD;
int page_of_proofs(struct hgl_host *host, const struct hgl_page *page, json_t **out,
                   struct hgl_err *err) HGL_NODISCARD;
int page_of_dead(struct hgl_host *host, const struct hgl_page *page, json_t **out,
                 struct hgl_err *err) HGL_NODISCARD;
int page_of_runs(struct hgl_host *host, const struct hgl_page *page, json_t **out,
                 struct hgl_err *err) HGL_NODISCARD;

#endif
