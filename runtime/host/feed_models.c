/* The feed's topic models: what this host runs, as the call of that name shows it. */
#include "host/control_api.h"

#include "base/mem.h"

struct models {
  struct hgl_infer *infer; /* or NULL: this host runs none */
};

static int open(const struct hgl_topic_ask *ask, void **state, struct hgl_err *err)
{
  struct models *models = hgl_zalloc(sizeof *models);
  if (!models) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  models->infer = ask->user;
  *state = models;
  return 0;
}

static int whole(void *state, struct hgl_event *event, struct hgl_err *err)
{
  const struct models *models = state;
  json_t *list = NULL;
  int status = models->infer ? hgl_infer_describe(models->infer, NULL, &list, err) : 0;
  if (!status) hgl_event_put(event, "models", models->infer ? list : json_array());
  return status;
}

static void close(void *state)
{
  hgl_free(state);
}

const struct hgl_topic hgl_topic_models = {.name = "models",
                                           .every_ms = 1000,
                                           .least_ms = 500,
                                           .open = open,
                                           .whole = whole,
                                           .close = close};

struct listener {
  hgl_feed_trouble say;
  void *to;
};

static void say_failed(void *user, const char *model, const char *words)
{
  const struct listener *listener = user;
  listener->say(listener->to, "model_failed", true, model, words);
}

void hgl_models_troubles(struct hgl_infer *infer, hgl_feed_trouble say, void *to)
{
  struct listener listener = {say, to};
  if (infer) hgl_infer_troubles(infer, say_failed, &listener);
}
