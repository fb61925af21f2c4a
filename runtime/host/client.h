/* The verbs' side of the control API: one request to the host that runs on a data folder. */
#ifndef HGL_HOST_CLIENT_H
#define HGL_HOST_CLIENT_H

#include <jansson.h>

#include "base/err.h"
#include "host/options.h"
#include "host/paths.h"

struct hgl_client;

/* HGL_NOT_FOUND, with advice: no host runs there. */
int hgl_client_open(const char *data, struct hgl_client **out, struct hgl_err *err) HGL_NODISCARD;
void hgl_client_close(struct hgl_client *client); /* NULL is allowed */

/* Steals the request; the result is the caller's. Errors are the host's own. timeout_ms < 0: for
 * ever. */
int hgl_client_call(struct hgl_client *client, json_t *request, int timeout_ms, json_t **result,
                    struct hgl_err *err) HGL_NODISCARD;
/* Without waiting: the answer, whole, as it came, comes with hgl_client_answer, among others; tell
 * them apart by their "id". HGL_TIMEOUT. */
int hgl_client_send(struct hgl_client *client, json_t *request, struct hgl_err *err) HGL_NODISCARD;
int hgl_client_answer(struct hgl_client *client, int timeout_ms, json_t **answer,
                      struct hgl_err *err) HGL_NODISCARD;
/* What an answer holds. Steals it. */
int hgl_client_unpack(json_t *answer, json_t **result, struct hgl_err *err) HGL_NODISCARD;
/* The next event after a "tail". HGL_CLOSED at the end. */
int hgl_client_next(struct hgl_client *client, json_t **event, struct hgl_err *err) HGL_NODISCARD;

/* Open, call, close. */
int hgl_client_once(const char *data, json_t *request, int timeout_ms, json_t **result,
                    struct hgl_err *err) HGL_NODISCARD;

enum { HGL_CLIENT_TIMEOUT_MS = 30000, HGL_CLIENT_PAGE_MAX = 10000 };
/* Open, call page by page until the list ends or has `limit` items, close. Steals the request. */
int hgl_client_list(const char *data, json_t *request, size_t limit, json_t **rows,
                    struct hgl_err *err) HGL_NODISCARD;

/* The options of every verb that asks a running host. */
#define HGL_CLIENT_OPTIONS(data, json)                                                             \
  {"data", "DIR", HGL_OPTION_TEXT, (data),                                                         \
   "the host's data folder (default " HGL_DATA_DEFAULT ")"},                                       \
  {                                                                                                \
    "json", NULL, HGL_OPTION_FLAG, (json),                                                         \
        "JSON instead of text: one object, or one a line for lists"                                \
  }

#endif
