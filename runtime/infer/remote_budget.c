#include "infer/remote_internal.h"

static const int64_t MINUTE_NS = 60 * INT64_C(1000000000);

enum { TOKENS_BESIDE = 64, DAY_MS = 24 * 3600 * 1000 };

/* Rounded up: what is counted is never less than what it costs. */
int64_t remote_cost(const struct remote_options *options, int64_t tokens_in, int64_t tokens_out)
{
  __int128 cost = 999999;
  if (options->price_in > 0) cost += (__int128)tokens_in * options->price_in;
  if (options->price_out > 0) cost += (__int128)tokens_out * options->price_out;
  cost /= 1000000;
  return cost > INT64_MAX / 4 ? INT64_MAX / 4 : (int64_t)cost;
}

/* A token is a byte or more, and the template of a chat adds a few. */
int64_t remote_worst_cost(const struct remote_options *options,
                          const struct remote_question *question)
{
  if (!remote_has_prices(options)) return 0;
  int64_t in = (int64_t)question->body.size + TOKENS_BESIDE;
  return remote_cost(options, in, question->task == HAGGLE_EMBED ? 0 : question->max_tokens);
}

static int over(struct hgl_err *err, int64_t budget, int64_t spent, int64_t worst, const char *when)
{
  int64_t left = budget > spent ? budget - spent : 0;
  return hgl_fail(err, HGL_LIMIT,
                  "the budget of %.2f %s has %.6f left, and this request may cost up to %.6f",
                  (double)budget / 1e8, when, (double)left / 1e8, (double)worst / 1e8);
}

int remote_budget_reserve(struct remote_budget *budget, const struct remote_options *options,
                          int64_t worst, int64_t *out_day, struct hgl_err *err)
{
  int64_t day = hgl_wall_ms(&hgl_clock_system) / DAY_MS;
  int status = 0;
  pthread_mutex_lock(&budget->lock);
  if (day > budget->day) { /* a clock that was set back begins no new day */
    budget->day = day;
    budget->spent_day = 0;
  }
  if (options->budget >= 0 && worst > options->budget - budget->spent)
    status = over(err, options->budget, budget->spent, worst, "since the model was opened");
  else if (options->budget_day >= 0 && worst > options->budget_day - budget->spent_day)
    status = over(err, options->budget_day, budget->spent_day, worst, "a day");
  else {
    budget->spent += worst;
    budget->spent_day += worst;
    *out_day = budget->day;
  }
  pthread_mutex_unlock(&budget->lock);
  return status;
}

void remote_budget_settle(struct remote_budget *budget, int64_t worst, int64_t day, int64_t cost)
{
  pthread_mutex_lock(&budget->lock);
  budget->spent += cost - worst;
  if (day == budget->day) budget->spent_day += cost - worst;
  budget->stats.cost_microcents += (uint64_t)cost;
  pthread_mutex_unlock(&budget->lock);
}

/* No more than `rate` in any minute: each waits until the one so many before it is a minute old. */
int64_t remote_rate_next(struct remote_budget *budget, const struct remote_options *options,
                         int64_t now_ns, int64_t latest_ns)
{
  if (!options->rate) return now_ns;
  int64_t *slot = &budget->sent_ns[budget->sent_at];
  int64_t at = *slot && *slot + MINUTE_NS > now_ns ? *slot + MINUTE_NS : now_ns;
  if (at > latest_ns) return -1;
  budget->sent_at = (budget->sent_at + 1) % options->rate;
  *slot = at;
  return at;
}
