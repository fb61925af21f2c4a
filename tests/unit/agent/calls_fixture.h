/* For tests of calls to the outside: a host with a service that does nothing until it is told to.
 */
#ifndef HGL_TESTS_CALLS_FIXTURE_H
#define HGL_TESTS_CALLS_FIXTURE_H

#include <stdio.h>

#include "support/world.h"

/* A service that does nothing until it is told to. */
struct fake {
  struct world *world;
  struct node *node;
  size_t checked, started, cancelled;
  uint64_t ticket;           /* of the last one started */
  struct hgl_id id, ids[16]; /* of the last, of the first ones */
  bool repeated, repeatable, eager, fails;
  size_t begun; /* how often it was told that all have begun */
  char request[256];
  size_t request_size;
  uint64_t commits; /* of the host when it was started */
};

static inline int fake_check(void *user, const struct hgl_call *call,
                             struct hgl_call_nature *nature, struct hgl_err *err)
{
  struct fake *fake = user;
  size_t folder_size;
  fake->checked++;
  if (!hgl_grants_cover(call->grants, "use", hgl_text("it"), &folder_size))
    return hgl_fail(err, HGL_DENIED, "grant --allow %s:use=it", call->agent);
  if (call->request.size && call->request.data[0] == 0x61)
    return hgl_fail(err, HGL_INVALID, "a single letter is no request");
  nature->repeatable = fake->repeatable;
  bool counted = call->request.size && memmem(call->request.data, call->request.size, "counted", 7);
  nature->eager = fake->eager && !counted;
  return 0;
}

static inline int fake_start(void *user, const struct hgl_call *call, uint64_t ticket, void **work,
                             struct hgl_err *err)
{
  struct fake *fake = user;
  if (fake->fails) return hgl_fail(err, HGL_REFUSED, "not today");
  if (fake->started < sizeof fake->ids / sizeof *fake->ids) fake->ids[fake->started] = call->id;
  fake->started++;
  fake->ticket = ticket;
  fake->id = call->id;
  fake->repeated = call->repeated;
  fake->commits = fake->node->host ? hgl_host_counts(fake->node->host).commits : 0;
  fake->request_size = call->request.size < sizeof fake->request ? call->request.size : 0;
  if (fake->request_size) memcpy(fake->request, call->request.data, fake->request_size);
  *work = fake;
  return 0;
}

static inline void fake_cancel(void *user, void *work)
{
  struct fake *fake = user;
  assert_ptr_equal(work, fake);
  fake->cancelled++;
}

static inline void fake_begun(void *user)
{
  ((struct fake *)user)->begun++;
}

struct fixture {
  struct world world;
  struct node *node;
  struct fake fake;
  struct hgl_service services[2];
};

static const char caller[] =
    "local haggle = require 'haggle'\n"
    "agent.on('go/1.0/now', function(message)\n"
    "  state.begun = (state.begun or 0) + 1\n"
    "  local result, why, code = host.call('fake', message.body, { within = '10s' })\n"
    "  state.ended = (state.ended or 0) + 1\n"
    "  log.info('outcome ' .. (result and tostring(result.answer) or code) .. ' ' .. (why or ''))\n"
    "  if message.body.fail and message.attempt < 2 then\n"
    "    error('behind the call')\n"
    "  end\n"
    "  if message.body.sleep then agent.sleep '1s' end\n"
    "  log.info('done')\n"
    "end)\n"
    "agent.on('two/1.0/now', function(message)\n"
    "  local a = host.call('fake', { n = 1 })\n"
    "  local b = host.call('fake', { n = 2 })\n"
    "  log.info('both ' .. a.answer .. ' ' .. b.answer)\n"
    "end)\n"
    "agent.on('chain/1.0/now', function(message)\n"
    "  local sum = 0\n"
    "  for i = 1, 3 do sum = sum + host.call('fake', { n = i }).answer end\n"
    "  state.ended = sum\n"
    "  sum = sum + host.call('fake', { n = 4 }).answer\n"
    "  state.ended = sum\n"
    "end)\n"
    "agent.on('long/1.0/now', function(message)\n"
    "  for i = 1, 1000 do host.call('fake', { n = i }) end\n"
    "end)\n"
    "local function decide(n)\n"
    "  host.call('fake', { n = n })\n"
    "  log.info('takes 1 ms of ' .. agent.name)\n" /* more than they have of a tick */
    "end\n"
    "agent.on('once/1.0/now', function(message) decide(1) end)\n"
    "agent.on('busy/1.0/now', function(message) for i = 1, 100 do decide(i) end end)\n"
    "agent.on('lock/1.0/now', function(message)\n"
    "  agent.exclusive('till', function() host.call('fake', { n = 1 }) end)\n"
    "  host.call('fake', { n = 2 })\n"
    "end)\n"
    "agent.on('hold/1.0/now', function(message)\n"
    "  local first = state.list[1]\n"
    "  host.call('fake', { n = 1 })\n"
    "  local x = first.x\n"
    "  first = nil\n"
    "  for i = 1, 100000 do local _ = { i } end\n" /* it is collected */
    "  host.call('fake', { n = 2 })\n"
    "  log.info('held ' .. x)\n"
    "end)\n"
    "agent.on('list/1.0/make', function(message) state.list = { { x = 7 } } end)\n"
    "agent.on('list/1.0/move', function(message) table.insert(state.list, 1, { x = 0 }) end)\n"
    "agent.on('raw/1.0/now', function(message)\n"
    "  local ok, why = pcall(host.call, message.body.service, message.body.request)\n"
    "  log.info('raw ' .. tostring(ok) .. ' ' .. tostring(why))\n"
    "end)\n"
    "agent.on('report/1.0/ask', function(m)\n"
    "  m:reply('told', { begun = state.begun or 0, ended = state.ended or 0 })\n"
    "end)\n";

static const char *const use_it[] = {"use=it", NULL};

static inline void add_agents(struct fixture *f)
{
  world_agent(f->node, "operator", "", NULL);
  world_agent(f->node, "caller", caller, use_it);
  world_agent(f->node, "other", caller, NULL);
}

static inline void set_up(struct fixture *f, uint64_t seed)
{
  memset(f, 0, sizeof *f);
  world_init(&f->world, seed);
  f->fake.world = &f->world;
  f->services[0] = (struct hgl_service){"fake",      fake_check, fake_start,
                                        fake_cancel, &f->fake,   fake_begun};
  f->world.services = f->services;
  f->node = world_node(&f->world);
  f->fake.node = f->node;
  add_agents(f);
  world_run(&f->world);
}

static inline void restart(struct fixture *f)
{
  world_crash(f->node);
  world_restart(f->node);
  add_agents(f);
}

/* { answer = text }, for the next tick. */
static inline void give_answer(struct fixture *f, uint64_t ticket, const char *text)
{
  struct hgl_buf value;
  struct hgl_err err;
  hgl_buf_init(&value, 1024);
  hgl_cbor_put_map(&value, 1);
  hgl_cbor_put_literal(&value, "answer");
  hgl_cbor_put_literal(&value, text);
  assert_ok(hgl_buf_check(&value, &err));
  hgl_host_call_done(f->node->host, ticket, hgl_buf_bytes(&value), NULL);
  hgl_buf_deinit(&value);
}

static inline void answer(struct fixture *f, uint64_t ticket, const char *text)
{
  give_answer(f, ticket, text);
  world_run(&f->world);
}

static inline void answer_failure(struct fixture *f, uint64_t ticket, enum hgl_code code,
                                  const char *why)
{
  struct hgl_err err;
  hgl_fail(&err, code, "%s", why);
  hgl_host_call_done(f->node->host, ticket, hgl_bytes(NULL, 0), &err);
  world_run(&f->world);
}

#endif
