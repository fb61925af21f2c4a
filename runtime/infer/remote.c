#include "infer/remote.h"

#include "base/mem.h"
#include "base/secret.h"
#include "infer/remote_internal.h"
#include "protocol/crypto.h"

static int32_t out_of_memory(struct haggle_error *error)
{
  return hgl_infer_fail(error, HAGGLE_NO_MEMORY, "out of memory");
}

static void wipe_headers(struct remote *remote)
{
  for (struct curl_slist *at = remote->headers; at; at = at->next)
    hgl_wipe(at->data, strlen(at->data));
  curl_slist_free_all(remote->headers);
  remote->headers = NULL;
}

static void close_model(void *model)
{
  struct remote *remote = model;
  if (remote->multi) curl_multi_cleanup(remote->multi);
  wipe_headers(remote);
  remote_options_deinit(&remote->options);
  hgl_free(remote->budget.sent_ns);
  pthread_mutex_destroy(&remote->budget.lock);
  hgl_free(remote);
}

static bool add_header(struct remote *remote, const char *line)
{
  struct curl_slist *list = curl_slist_append(remote->headers, line);
  if (list) remote->headers = list;
  return list != NULL;
}

static bool add_key(struct remote *remote)
{
  static const char begins[] = "Authorization: Bearer ";
  const struct hgl_buf *key = &remote->options.key;
  struct hgl_buf line;
  if (key->size == 0) return true;
  hgl_buf_init(&line, HGL_SECRET_VALUE_SIZE_MAX + sizeof begins);
  bool good = hgl_buf_reserve(&line, key->size + sizeof begins) != NULL;
  hgl_buf_append_text(&line, begins);
  hgl_buf_append(&line, key->data, key->size);
  hgl_buf_append_byte(&line, 0);
  good = good && add_header(remote, (const char *)line.data);
  hgl_secret_wipe(&line);
  return good;
}

static int32_t fill(struct remote *remote, struct haggle_error *error)
{
  const struct remote_options *options = &remote->options;
  if (options->rate &&
      !(remote->budget.sent_ns = hgl_array(options->rate, sizeof *remote->budget.sent_ns)))
    return out_of_memory(error);
  if (!add_header(remote, "Content-Type: application/json") ||
      !add_header(remote, "Accept: application/json, text/event-stream") ||
      !add_header(remote, "User-Agent: haggle") || !add_header(remote, "Expect:") ||
      !add_key(remote))
    return out_of_memory(error);
  if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK || !(remote->multi = curl_multi_init()))
    return out_of_memory(error);
  curl_multi_setopt(remote->multi, CURLMOPT_MAXCONNECTS, (long)options->connections);
  curl_multi_setopt(remote->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)options->connections);
  return HAGGLE_OK;
}

static int32_t open_model(const struct haggle_source *source, void **model,
                          struct haggle_error *error)
{
  struct remote *remote = hgl_zalloc(sizeof *remote);
  if (!remote) return out_of_memory(error);
  remote->budget.stats.size = sizeof remote->budget.stats;
  pthread_mutex_init(&remote->budget.lock, NULL);
  int32_t status = remote_options_read(source, &remote->options, error);
  if (status == HAGGLE_OK) status = fill(remote, error);
  if (status == HAGGLE_OK)
    *model = remote;
  else
    close_model(remote);
  return status;
}

static void describe(void *model, struct haggle_model_info *out)
{
  const struct remote *remote = model;
  size_t size = out->size;
  const struct haggle_model_info info = {
      .size = size,
      .kind = HAGGLE_LANGUAGE,
      .device = remote->options.host,
      .batch_max = remote->options.connections,
      .parallel = 1,
      .tasks = HAGGLE_CHAT | HAGGLE_COMPLETE | HAGGLE_EMBED,
  };
  memcpy(out, &info, size < sizeof info ? size : sizeof info);
}

static void stats(void *model, struct haggle_model_stats *out)
{
  struct remote *remote = model;
  size_t size = out->size;
  pthread_mutex_lock(&remote->budget.lock);
  struct haggle_model_stats now = remote->budget.stats;
  pthread_mutex_unlock(&remote->budget.lock);
  memcpy(out, &now, size < sizeof now ? size : sizeof now);
  out->size = size;
}

static int32_t device(uint32_t number, struct haggle_device *out)
{
  return HAGGLE_NOT_FOUND;
}

const struct haggle_engine *hgl_remote_engine(uint32_t version, const struct haggle_host *host)
{
  static const struct haggle_engine engine = {
      .size = sizeof engine,
      .version = HAGGLE_INFER_VERSION,
      .name = "remote",
      .about = "OpenAI's API over HTTP",
      .device = device,
      .open = open_model,
      .describe = describe,
      .run = remote_run,
      .stats = stats,
      .close = close_model,
  };
  return &engine;
}
