/* What the files of remote.h share: remote_options.c reads what the operator gave, remote_ask.c
 * makes a request's body, remote_answer.c reads what a server answers, remote_budget.c counts money
 * and requests, remote_send.c is one exchange with the server, remote_run.c all that go on. */
#ifndef HGL_INFER_REMOTE_INTERNAL_H
#define HGL_INFER_REMOTE_INTERNAL_H

#include <curl/curl.h>
#include <pthread.h>

#include "base/buf.h"
#include "base/seam.h"
#include "infer/fail.h"

enum {
  REMOTE_HOST_SIZE = 256,
  REMOTE_REQUEST_SIZE_MAX = 16 << 20,
  REMOTE_ANSWER_SIZE_MAX = 32 << 20, /* as it comes */
  REMOTE_HELD_MAX = 256 << 20,       /* of all answers that are coming */
  REMOTE_TOOLS_MAX = 64,             /* calls of tools in an answer */
  REMOTE_CONNECTIONS_MAX = 1024,
  REMOTE_RATE_MAX = 100000,
};

/* Options ------------------------------------------------------------------------------------- */

enum remote_schema { REMOTE_SCHEMA_OPENAI, REMOTE_SCHEMA_LLAMA, REMOTE_SCHEMA_NONE };

/* Money is in microcents: a hundred millionth of the unit that the prices are in. -1: not given. */
struct remote_options {
  char *url;                   /* without a slash at its end */
  char host[REMOTE_HOST_SIZE]; /* of it, for messages */
  char *model, *trust, *proxy; /* the latter two may be NULL */
  int64_t timeout_ns;
  unsigned retries, rate, connections;
  enum remote_schema schema;
  bool stream, sampling, newer_limit;
  int64_t price_in, price_out; /* of a million tokens */
  int64_t budget, budget_day;
  struct hgl_buf key; /* empty: none */
};

int32_t remote_options_read(const struct haggle_source *source, struct remote_options *out,
                            struct haggle_error *error);
void remote_options_deinit(struct remote_options *options);

/* Asking -------------------------------------------------------------------------------------- */

struct remote_question {
  int task; /* enum haggle_task */
  bool wants_json, streams;
  int64_t max_tokens;
  size_t texts; /* of an EMBED */
  struct hgl_buf body;
};

/* `text` is the request of PLUGINS.md. HGL_INVALID, HGL_TOO_LARGE, HGL_NO_MEMORY; HGL_REFUSED: this
 * endpoint cannot do it. */
int remote_ask(const struct remote_options *options, struct hgl_bytes text, bool stream,
               struct remote_question *out, struct hgl_err *err) HGL_NODISCARD;

/* Answering ----------------------------------------------------------------------------------- */

struct remote_tool_call {
  struct hgl_buf id, name, arguments;
};

struct remote_usage {
  bool told;
  int64_t prompt, reused, completion;
};

struct remote_answer {
  bool events;          /* it comes as server-sent events */
  struct hgl_buf bytes; /* that were not understood yet: a line, or all */
  struct hgl_buf text;
  struct remote_tool_call *tools;
  size_t tool_count;
  char finish[24]; /* as the server says it */
  bool complete;   /* nothing more is needed */
  struct remote_usage usage;
  /* What comes as it comes; NULL: nobody wants it. */
  void (*piece)(void *user, struct hgl_bytes text);
  void *user;
};

void remote_answer_init(struct remote_answer *answer);
void remote_answer_deinit(struct remote_answer *answer);
/* HGL_MALFORMED, HGL_TOO_LARGE, HGL_NO_MEMORY; HGL_CLOSED: the server says that it failed. */
int remote_answer_add(struct remote_answer *answer, struct hgl_bytes bytes,
                      struct hgl_err *err) HGL_NODISCARD;
/* All has come: appends the answer of PLUGINS.md. As above; HGL_DENIED: the server withholds it. */
int remote_answer_end(struct remote_answer *answer, const struct remote_question *question,
                      struct hgl_buf *out, struct hgl_err *err) HGL_NODISCARD;
/* What a server says of an error, in one short line; empty when it says nothing that can be read.
 * `kind`: its code or type, in lower case. */
void remote_answer_error(struct hgl_bytes body, char *out, size_t size, char *kind,
                         size_t kind_size);

/* Money and requests --------------------------------------------------------------------------- */

struct remote_budget {
  pthread_mutex_t lock;
  int64_t spent, spent_day; /* with what may yet be spent by those under way */
  int64_t day;
  int64_t *sent_ns; /* the last `rate` times, a ring */
  size_t sent_at;
  struct haggle_model_stats stats;
};

/* The most that a question may cost; 0: no prices. */
int64_t remote_worst_cost(const struct remote_options *options,
                          const struct remote_question *question);
/* HGL_LIMIT: it would not fit. */
int remote_budget_reserve(struct remote_budget *budget, const struct remote_options *options,
                          int64_t worst, int64_t *out_day, struct hgl_err *err) HGL_NODISCARD;
/* What was reserved that day cost this. */
void remote_budget_settle(struct remote_budget *budget, int64_t worst, int64_t day, int64_t cost);
int64_t remote_cost(const struct remote_options *options, int64_t tokens_in, int64_t tokens_out);
/* When the next request may be sent; it counts as sent then. -1: not before the latest. */
int64_t remote_rate_next(struct remote_budget *budget, const struct remote_options *options,
                         int64_t now_ns, int64_t latest_ns);

/* Exchanges ------------------------------------------------------------------------------------ */

struct remote {
  struct remote_options options;
  CURLM *multi;
  struct curl_slist *headers;
  struct remote_budget budget;
  size_t held; /* bytes of answers that are coming */
};

/* What became of an exchange. */
struct remote_end {
  int32_t status;
  char message[512];
  bool again;       /* it may help to try again */
  bool charged;     /* it may have cost something */
  int64_t after_ns; /* how long the server wants to be left alone */
};

struct remote_exchange {
  struct remote *remote;
  const struct remote_question *question;
  struct remote_answer answer;
  CURL *easy;
  bool sent, begun; /* begun: something of the answer has come */
  long code;
  size_t held;
  struct hgl_buf refusal; /* the body of an answer that is none */
  struct hgl_err why;
  char words[CURL_ERROR_SIZE];
};

int remote_exchange_begin(struct remote_exchange *exchange, struct remote *remote,
                          const struct remote_question *question,
                          struct hgl_err *err) HGL_NODISCARD;
/* Gives up what still goes on. */
void remote_exchange_deinit(struct remote_exchange *exchange);
/* libcurl has ended it with this code: appends the answer, or says why there is none. */
void remote_exchange_end(struct remote_exchange *exchange, CURLcode code, struct hgl_buf *out,
                         struct remote_end *end);

void remote_run(void *model, const struct haggle_batch *batch);

static inline bool remote_has_prices(const struct remote_options *options)
{
  return options->price_in >= 0 || options->price_out >= 0;
}

#endif
