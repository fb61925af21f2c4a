/* Models of the engine of support/test_engine.h, asked from a thread that stands for the loop. */
#ifndef HGL_TESTS_INFER_FIXTURE_H
#define HGL_TESTS_INFER_FIXTURE_H

#include <time.h>

#include "base/buf.h"
#include "base/mem.h"
#include "infer/infer.h"
#include "support/check.h"
#include "support/test_engine.h"
#include "support/value_text.h"

enum { WAIT_S = 30, TEXT_SIZE = 600 };

struct fixture {
  struct hgl_infer *infer;
  struct hgl_random_seeded seeded;
  struct hgl_random random;
  struct hgl_log log;
  char logged[4000];
  size_t told;
};

/* One call and what came of it. */
struct asked {
  struct fixture *f;
  bool done;
  enum hgl_code code;
  char text[TEXT_SIZE]; /* JSON of the result, or why there is none */
  size_t order;         /* from 1 on */
  struct hgl_infer_call *call;
};

static void note_log(void *user, enum hgl_log_level level, const char *who, const char *text)
{
  struct fixture *f = user;
  strncat(f->logged, text, sizeof f->logged - strlen(f->logged) - 2);
  strcat(f->logged, "\n");
}

static void set_up(struct fixture *f)
{
  static const struct hgl_infer_builtin builtins[] = {{"test", test_engine}, {NULL, NULL}};
  struct hgl_err err = {0};
  *f = (struct fixture){.log = {.write = note_log, .user = f, .least = HGL_LOG_DEBUG}};
  f->random = hgl_random_from_seed(&f->seeded, 1);
  const struct hgl_infer_config config = {
      .random = &f->random, .log = &f->log, .builtins = builtins};
  assert_ok(hgl_infer_create(&config, &f->infer, &err));
}

static void tear_down(struct fixture *f)
{
  hgl_infer_destroy(f->infer);
  assert_int_equal(test_engine_open_models(), 0);
}

/* "NAME=VALUE" of options, ended by NULL, "engine=test" among them. */
static inline int open_with(struct fixture *f, const char *name, const char *file,
                            const struct haggle_option *options, size_t count, struct hgl_err *err)
{
  struct haggle_option all[8] = {{"engine", "test"}};
  for (size_t i = 0; i < count; i++) all[i + 1] = options[i];
  const struct haggle_source source = {
      .size = sizeof source, .name = name, .file = file, .options = all, .option_count = count + 1};
  return hgl_infer_open(f->infer, &source, err);
}

static inline struct hgl_infer_model *open_model(struct fixture *f, const char *file)
{
  struct hgl_err err = {0};
  assert_ok(open_with(f, "m", file, NULL, 0, &err));
  return hgl_infer_find(f->infer, hgl_text("m"));
}

static void asked_done(void *user, uint64_t ticket, struct hgl_bytes result,
                       const struct hgl_err *why)
{
  struct asked *asked = user;
  struct hgl_err err = {0};
  assert_false(asked->done);
  assert_int_equal(ticket, 7);
  asked->done = true;
  asked->order = ++asked->f->told;
  if (why) {
    asked->code = why->code;
    snprintf(asked->text, sizeof asked->text, "%s", why->message);
    return;
  }
  struct hgl_buf text;
  json_t *json = NULL;
  hgl_buf_init(&text, TEXT_SIZE - 1);
  assert_ok(hgl_value_check(result, &err));
  assert_ok(hgl_value_to_json(result, &json, &err));
  assert_ok(hgl_json_print(json, &text, &err));
  memcpy(asked->text, text.data, text.size);
  asked->text[text.size] = 0;
  json_decref(json);
  hgl_buf_deinit(&text);
}

/* `input`: JSON, with ' for ". */
static inline int try_submit(struct fixture *f, struct hgl_infer_model *model, const char *agent,
                             const char *input, int64_t within_ms, struct asked *out,
                             struct hgl_err *err)
{
  struct hgl_buf value;
  *out = (struct asked){.f = f};
  value_of(input, &value);
  const struct hgl_infer_asked told = {.agent = agent,
                                       .input = hgl_buf_bytes(&value),
                                       .within_ms = within_ms,
                                       .done = asked_done,
                                       .user = out,
                                       .ticket = 7};
  int status = hgl_infer_submit(model, &told, &out->call, err);
  hgl_buf_deinit(&value);
  return status;
}

static inline void submit(struct fixture *f, struct hgl_infer_model *model, const char *agent,
                          const char *input, struct asked *out)
{
  struct hgl_err err = {0};
  assert_ok(try_submit(f, model, agent, input, 0, out, &err));
}

static inline void pause_a_moment(void)
{
  static const struct timespec millisecond = {0, 1000000};
  nanosleep(&millisecond, NULL);
}

#define until(f, condition)                                                                        \
  do {                                                                                             \
    for (int left_ = WAIT_S * 1000; !(condition); left_--) {                                       \
      if (!left_) fail_msg("never came: %s", #condition);                                          \
      hgl_infer_poll((f)->infer);                                                                  \
      if (!(condition)) pause_a_moment();                                                          \
    }                                                                                              \
  } while (0)

/* Asks and waits. */
static inline void ask(struct fixture *f, struct hgl_infer_model *model, const char *input,
                       struct asked *out)
{
  submit(f, model, "anna", input, out);
  hgl_infer_flush(f->infer);
  until(f, out->done);
}

#endif
