#include "support/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "host/config.h"
#include "host/config_lua.h"
#include "protocol/value.h"

static char path[64];

static int read_text(struct hgl_config *config, const char *text, struct hgl_err *err)
{
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  fputs(text, file);
  fclose(file);
  hgl_config_init(config);
  return hgl_config_read(config, path, err);
}

static int set_up(void **state)
{
  strcpy(path, "/tmp/haggle-config-XXXXXX");
  int fd = mkstemp(path);
  if (fd < 0) return -1;
  close(fd);
  return 0;
}

static int tear_down(void **state)
{
  return unlink(path);
}

static void config_reads_every_setting(void **state)
{
  struct hgl_err err = {0};
  struct hgl_config config;
  assert_ok(
      read_text(&config,
                "return { listen = '127.0.0.1:7001', data = 'here', allow_private = true,\n"
                "  join = { 'ws://198.51.100.7:7001' }, url = { 'wss://example.org:443' },\n"
                "  tls = { certificate = '/c.pem', key = 'k.pem' }, trust = 't.pem',\n"
                "  durability = 'relaxed 50ms', disk_reserve = '32MB',\n"
                "  journal = { size = '1MB', age = '1m' },\n"
                "  agents = {\n"
                "    { name = 'kiosk', script = '/x/agent.lua', allow = { 'read=/proc/a' },\n"
                "      config = { region = 'at', n = 3, f = 1.0 }, delegation = 'd',\n"
                "      limits = { memory = '16MB', stretch = '2s', state = 1000, mailbox = 9,\n"
                "        messages = 1, log_bytes = '1KB' } },\n"
                "    { name = 'many', script = 'b.lua', count = 2, allow = {} },\n"
                "  } }",
                &err));
  const struct hgl_node_config *node = &config.node;
  assert_string_equal(node->listen_address, "127.0.0.1");
  assert_int_equal(node->listen_port, 7001);
  assert_string_equal(node->data, "/tmp/here");
  assert_true(node->allow_private);
  assert_string_equal(node->joins.items[0], "ws://198.51.100.7:7001");
  assert_string_equal(node->urls.items[0], "wss://example.org:443");
  assert_string_equal(node->certificate, "/c.pem");
  assert_string_equal(node->certificate_key, "/tmp/k.pem");
  assert_int_equal(node->commit_every_ms, 50);
  assert_int_equal(node->disk_reserve, 32 << 20);
  assert_int_equal(node->journal_bytes, 1 << 20);
  assert_int_equal(node->journal_age_ms, 60000);
  assert_int_equal(node->agent_count, 2);
  assert_int_equal(config.instances, 3);
  const struct hgl_node_agent *kiosk = &node->agents[0];
  assert_string_equal(kiosk->script, "/x/agent.lua");
  assert_string_equal(kiosk->grants.items[0], "read=/proc/a");
  assert_null(kiosk->grants.items[1]);
  assert_string_equal(kiosk->delegation, "/tmp/d");
  assert_int_equal(kiosk->limits.memory_bytes, 16 << 20);
  assert_int_equal(kiosk->limits.stretch_ms, 2000);
  assert_int_equal(kiosk->limits.state_bytes, 1000);
  assert_int_equal(kiosk->limits.mailbox_count, 9);
  assert_int_equal(kiosk->limits.messages, 1);
  assert_int_equal(kiosk->limits.log_bytes, 1024);
  assert_int_equal(kiosk->limits.timers, 0);
  struct hgl_bytes field;
  bool found;
  assert_ok(hgl_value_field(kiosk->config, "f", &field, &found, &err));
  assert_true(found);
  assert_int_equal(field.data[0], 0xf9); /* a double stays one */
  const struct hgl_node_agent *many = &node->agents[1];
  char name[HGL_NAME_SIZE_MAX + 1];
  assert_int_equal(hgl_node_agent_count(kiosk), 1);
  assert_int_equal(hgl_node_agent_count(many), 2);
  hgl_node_agent_name(kiosk, 0, name);
  assert_string_equal(name, "kiosk");
  hgl_node_agent_name(many, 1, name);
  assert_string_equal(name, "many-2");
  assert_string_equal(many->script, "/tmp/b.lua");
  hgl_config_deinit(&config);
}

static void config_reads_what_becomes_of_agents_that_fail(void **state)
{
  struct hgl_err err = {0};
  struct hgl_config config;
  assert_ok(read_text(&config,
                      "return { grace = '3s',\n"
                      "  groups = { shop = { strategy = 'rest_for_one', restarts = 7,\n"
                      "    within = '2m' }, plain = {} },\n"
                      "  agents = {\n"
                      "    { name = 'a', script = 'a.lua', group = 'shop',\n"
                      "      restart = { on_failure = 'park', restarts = 3, within = '1h',\n"
                      "        delay = 200, delay_max = '5s', dead_letters = 9 } },\n"
                      "    { name = 'b', script = 'b.lua', group = 'plain' } } }",
                      &err));
  const struct hgl_node_config *node = &config.node;
  const struct hgl_restart *restart = &node->agents[0].restart;
  assert_int_equal(node->grace_ms, 3000);
  assert_int_equal(node->group_count, 2);
  const struct hgl_group_config *shop = &node->groups[strcmp(node->groups[0].name, "shop") != 0];
  assert_string_equal(shop->name, "shop");
  assert_int_equal(shop->strategy, HGL_REST_FOR_ONE);
  assert_int_equal(shop->restarts_max, 7);
  assert_int_equal(shop->within_ms, 120000);
  assert_string_equal(node->agents[0].group, "shop");
  assert_int_equal(restart->on_failure, HGL_ON_FAILURE_PARK);
  assert_int_equal(restart->restarts_max, 3);
  assert_int_equal(restart->within_ms, 3600000);
  assert_int_equal(restart->delay_ms, 200);
  assert_int_equal(restart->delay_max_ms, 5000);
  assert_int_equal(restart->dead_letters_max, 9);
  assert_int_equal(node->agents[1].restart.restarts_max, 0); /* the default */
  hgl_config_deinit(&config);
}

static void config_names_what_is_wrong(void **state)
{
  static const struct {
    const char *text;
    enum hgl_code code;
    const char *says;
  } bad[] = {
      {"return { lisen = 'x' }", HGL_INVALID, "did you mean listen?"},
      {"return { gateways = {} }", HGL_INVALID, "unknown key gateways"},
      {"return { listen = 7001 }", HGL_INVALID, "listen: expected a text"},
      {"return { listen = '127.0.0.1' }", HGL_INVALID, "ADDRESS:PORT"},
      {"return { listen = '127.0.0.1:65536' }", HGL_INVALID, "ADDRESS:PORT"},
      {"return { join = 'x' }", HGL_INVALID, "join: expected a list"},
      {"return { durability = 'relaxed' }", HGL_INVALID, "durability"},
      {"return { durability = 'relaxed 11s' }", HGL_INVALID, "1ms to 10s"},
      {"return { journal = { size = '1023KB' } }", HGL_INVALID, "at least 1MB"},
      {"return { journal = { size = '1025GB' } }", HGL_INVALID, "at least 1MB"},
      {"return { journal = { age = '59s' } }", HGL_INVALID, "at least 1m"},
      {"return { journal = { days = 3 } }", HGL_INVALID, "unknown key days"},
      {"return { disk_reserve = '-1MB' }", HGL_INVALID, "reserve of the disk"},
      {"return { disk_reserve = 64 }", HGL_INVALID, "disk_reserve: expected a text"},
      {"return { tls = { key = 'k' } }", HGL_INVALID, "certificate and key"},
      {"return { agents = { { script = 'a' } } }", HGL_INVALID, "agents: [1]: name"},
      {"return { agents = { { name = '../a', script = 'a' } } }", HGL_INVALID, "cannot name"},
      {"return { agents = { { name = 'operator', script = 'a' } } }", HGL_INVALID, "operator"},
      {"return { agents = { { name = 'a', script = 'a' }, { name = 'a', script = 'b' } } }",
       HGL_EXISTS, "two agents are named a"},
      {"return { agents = { { name = 'a-2', script = 'a' }, { name = 'a', script = 'b', count = 2 "
       "} } "
       "}",
       HGL_EXISTS, "two agents are named a-2 (/tmp/a and /tmp/b)"},
      {"return { agents = { { name = 'a', script = 'a', count = 2 }, { name = 'a-2', script = 'b' "
       "} } "
       "}",
       HGL_EXISTS, "two agents are named a-2 (/tmp/a and /tmp/b)"},
      {"return { agents = { { name = 'a', script = 'a', count = 2 },"
       " { name = 'a', script = 'b', count = 9 } } }",
       HGL_EXISTS, "two agents are named a-1 (/tmp/a and /tmp/b)"},
      {"return { agents = { { name = 'a-1', script = 'a', count = 2 },"
       " { name = 'a', script = 'b', count = 9 }, { name = 'a-1-2', script = 'c' } } }",
       HGL_EXISTS, "two agents are named a-1-2 (/tmp/a and /tmp/c)"},
      {"return { agents = { { name = 'a', script = 'a', count = 0 } } }", HGL_INVALID, "count"},
      {"return { agents = { { name = 'a', script = 'a', count = 2000001 } } }", HGL_INVALID,
       "integer from 1 to 2000000"},
      {"return { agents = { { name = 'a', script = 'a', count = 2000000 },"
       " { name = 'b', script = 'a' } } }",
       HGL_LIMIT, "more than 2000000 agents"},
      {"return { agents = { { name = 'a', script = 'a', count = 3, group = 'g' } } }",
       HGL_NOT_FOUND, "agent a-1: there is no group named g"},
      {"return { agents = { { name = "
       "'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'," /* 62 characters */
       " script = 'a', count = 9 } } }",
       HGL_OK, ""},
      {"return { agents = { { name = "
       "'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx',"
       " script = 'a', count = 10 } } }",
       HGL_INVALID, "-10\" cannot name an agent"},
      {"return { agents = { { name = 'a', script = 'a', alow = {} } } }", HGL_INVALID,
       "did you mean allow?"},
      {"return { agents = { { name = 'a', script = 'a', allow = { 'reed=/x' } } } }", HGL_INVALID,
       "did you mean read"},
      {"return { agents = { { name = 'a', script = 'a', allow = { 'read=x' } } } }", HGL_INVALID,
       "must begin with /"},
      {"return { agents = { { name = 'a', script = 'a', allow = { 'read=/srv/x*' } } } }",
       HGL_INVALID, "FOLDER/*"},
      {"return { agents = { { name = 'a', script = 'a', limits = { memory = '5PB' } } } }",
       HGL_INVALID, "limits: memory: expected a size"},
      {"return { agents = { { name = 'a', script = 'a', limits = { stretch = '0s' } } } }",
       HGL_INVALID, "at least 1ms"},
      {"return { agents = { { name = 'a', script = 'a', restart = { restarst = 1 } } } }",
       HGL_INVALID, "did you mean restarts"},
      {"return { agents = { { name = 'a', script = 'a', restart = { restarts = 0 } } } }",
       HGL_INVALID, "restarts: expected an integer from 1 to 1000"},
      {"return { agents = { { name = 'a', script = 'a', restart = { restarts = 1001 } } } }",
       HGL_INVALID, "restarts: expected an integer from 1 to 1000"},
      {"return { agents = { { name = 'a', script = 'a', restart = { delay = '8d' } } } }",
       HGL_INVALID, "delay: expected a duration from 1ms to 7d"},
      {"return { agents = { { name = 'a', script = 'a', restart = { on_failure = 'die' } } } }",
       HGL_INVALID, "on_failure: expected \"restart\", \"park\" or \"stop\""},
      {"return { agents = { { name = 'a', script = 'a', group = 'g' } } }", HGL_NOT_FOUND,
       "no group named g"},
      {"return { groups = { g = { strategy = 'all' } } }", HGL_INVALID, "g: strategy: expected"},
      {"return { grace = '2h' }", HGL_INVALID, "1ms to 1h"},
      {"return { listen = os.getenv 'X' }", HGL_SCRIPT, ":1:"},
      {"return {\n  a b\n}", HGL_SCRIPT, ":2:"},
      {"return 5", HGL_SCRIPT, "one table"},
      {"return { a = function() end }", HGL_BAD_VALUE, "a: a function"},
      {"return { a = { 1, 2, x = 3 } }", HGL_BAD_VALUE, "a: keys"},
      {"return { a = 1/0 }", HGL_BAD_VALUE, "finite"},
      {"local t = {} t.t = t return t", HGL_TOO_DEEP, "too deep"},
      {"while true do end", HGL_SCRIPT, "too long"},
      {"local s = 'x' while true do s = s .. s end", HGL_LIMIT, "memory"},
      {"\x1bLua", HGL_SCRIPT, ""},
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    struct hgl_err err = {0};
    struct hgl_config config;
    assert_fails(bad[i].code, read_text(&config, bad[i].text, &err));
    if (!strstr(err.message, bad[i].says))
      fail_msg("%s: \"%s\" does not say \"%s\"", bad[i].text, err.message, bad[i].says);
    hgl_config_deinit(&config);
  }
}

static void a_bare_table_is_a_host_file_too(void **state)
{
  struct hgl_err err = {0};
  struct hgl_config config;
  assert_ok(read_text(&config, "{ listen = ':7001' }", &err));
  assert_string_equal(config.node.listen_address, "0.0.0.0");
  hgl_config_deinit(&config);
}

static void scripts_name_their_agents(void **state)
{
  struct hgl_err err = {0};
  struct hgl_config config;
  hgl_config_init(&config);
  assert_ok(hgl_config_add_script(&config, "some/kiosk/agent.lua", &err));
  assert_ok(hgl_config_add_script(&config, "seller.lua", &err));
  assert_fails(HGL_EXISTS, hgl_config_add_script(&config, "other/kiosk.lua", &err));
  assert_string_equal(config.node.agents[0].name, "kiosk");
  assert_string_equal(config.node.agents[1].name, "seller");
  hgl_config_deinit(&config);

  /* A folder stands for its agent.lua, whether there is one or not. */
  char folder[] = "/tmp/haggle-XXXXXX", script[64];
  assert_non_null(mkdtemp(folder));
  hgl_config_init(&config);
  assert_ok(hgl_config_add_script(&config, folder, &err));
  snprintf(script, sizeof script, "%s/agent.lua", folder);
  assert_string_equal(config.node.agents[0].script, script);
  assert_string_equal(config.node.agents[0].name, folder + strlen("/tmp/"));
  hgl_config_deinit(&config);
  assert_int_equal(rmdir(folder), 0);
}

/* "name: grants" of each agent, in order. */
static void assert_grants(const struct hgl_config *config, const char *const *expected)
{
  char name[HGL_NAME_SIZE_MAX + 1], text[200];
  for (size_t i = 0; i < config->node.agent_count; i++) {
    const struct hgl_node_agent *agent = &config->node.agents[i];
    for (size_t k = 0; k < hgl_node_agent_count(agent); k++) {
      hgl_node_agent_name(agent, k, name);
      int size = snprintf(text, sizeof text, "%s:", name);
      for (size_t g = 0; g < agent->grants.count; g++)
        size += snprintf(text + size, sizeof text - (size_t)size, " %s", agent->grants.items[g]);
      assert_non_null(*expected);
      assert_string_equal(text, *expected++);
    }
  }
  assert_null(*expected);
}

static void grants_go_to_one_agent_its_instances_or_all(void **state)
{
  struct hgl_err err = {0};
  struct hgl_config config;
  assert_ok(read_text(&config,
                      "return { agents = { { name = 'a', script = 'a', count = 4 },"
                      " { name = 'a-b', script = 'a' }, { name = 'b-7', script = 'a' } } }",
                      &err));
  assert_ok(hgl_config_allow(&config, "a:read=/one", &err));
  assert_ok(hgl_config_allow(&config, "a-3:read=/three", &err));
  assert_ok(hgl_config_allow(&config, "a-1:read=/first", &err));
  assert_ok(hgl_config_allow(&config, "a:read=/one:more", &err));
  assert_ok(hgl_config_allow(&config, "b:read=/b", &err));
  assert_ok(hgl_config_allow(&config, "read=/all:x", &err));
  assert_fails(HGL_NOT_FOUND, hgl_config_allow(&config, "a-5:read=/x", &err));
  assert_string_equal(err.message, "no agent is named a-5; did you mean a-1?");
  assert_fails(HGL_NOT_FOUND, hgl_config_allow(&config, "a-03:read=/x", &err));
  assert_fails(HGL_NOT_FOUND, hgl_config_allow(&config, "c:read=/x", &err));
  assert_fails(HGL_INVALID, hgl_config_allow(&config, "read", &err));
  assert_grants(&config, (const char *const[]){
                             "a-1: read=/one read=/first read=/one:more read=/all:x",
                             "a-2: read=/one read=/one:more read=/all:x",
                             "a-3: read=/one read=/three read=/one:more read=/all:x",
                             "a-4: read=/one read=/one:more read=/all:x",
                             "a-b: read=/all:x",
                             "b-7: read=/b read=/all:x",
                             NULL,
                         });
  hgl_config_deinit(&config);
}

static void one_instance_can_have_a_delegation(void **state)
{
  struct hgl_err err = {0};
  struct hgl_config config;
  assert_ok(read_text(&config,
                      "return { agents = { { name = 'a', script = 'a', count = 3,"
                      " config = { x = 1 } }, { name = 'b', script = 'b' } } }",
                      &err));
  assert_ok(hgl_config_delegate(&config, "a-3=file", &err));
  assert_ok(hgl_config_delegate(&config, "b=other", &err));
  assert_fails(HGL_NOT_FOUND, hgl_config_delegate(&config, "a=file", &err));
  assert_fails(HGL_NOT_FOUND, hgl_config_delegate(&config, "a-4=file", &err));
  const struct hgl_node_agent *agents = config.node.agents;
  assert_int_equal(config.node.agent_count, 3);
  assert_int_equal(agents[0].count, 2);
  assert_null(agents[0].delegation);
  assert_int_equal(agents[1].first, 3);
  assert_int_equal(agents[1].count, 1);
  assert_string_equal(agents[1].delegation, "file");
  assert_true(hgl_bytes_equal(agents[1].config, agents[0].config));
  assert_string_equal(agents[2].delegation, "other");
  hgl_config_deinit(&config);
}

static void instances_cost_nothing_each(void **state)
{
  struct hgl_err err = {0};
  struct hgl_config config;
  assert_ok(read_text(&config,
                      "return { agents = { { name = 'a', script = 'a', count = 1999999 },"
                      " { name = 'a-2000000', script = 'a' } } }",
                      &err));
  assert_int_equal(config.node.agent_count, 2);
  assert_int_equal(config.instances, HGL_AGENTS_MAX);
  hgl_config_deinit(&config);
}

static void reading_survives_every_failed_allocation(void **state)
{
  for (long fail_at = 0;; fail_at++) {
    struct hgl_err err = {0};
    struct hgl_config config;
    assert_true(fail_at < 100000);
    hgl_mem_fail_after(fail_at);
    int status = read_text(&config,
                           "return { listen = ':1', agents = { { name = 'a', script = 'a',"
                           " config = { x = 1 }, allow = { 'read=/x' }, count = 3 } } }",
                           &err);
    if (status == 0) status = hgl_config_allow(&config, "a-2:read=/y", &err);
    hgl_mem_fail_after(-1);
    hgl_config_deinit(&config);
    if (status == 0) break;
    assert_true(status == -HGL_NO_MEMORY || status == -HGL_LIMIT);
  }
}

static void config_describes_the_log(void **state)
{
  struct hgl_err err = {0};
  struct hgl_config config;
  assert_ok(read_text(&config,
                      "return { log = { format = 'json', level = 'warn', file = 'host.log',\n"
                      "  size = '2MB', keep = 0, agents = { kiosk = 'debug' } } }",
                      &err));
  assert_int_equal(config.log.format, HGL_LOG_FORMAT_JSON);
  assert_int_equal(config.log.level, HGL_LOG_WARN);
  assert_string_equal(config.log.file, "/tmp/host.log");
  assert_int_equal(config.log.size_max, 2 << 20);
  assert_true(config.log.keep < 0); /* none, which is not the default */
  /* options come after it */
  assert_ok(hgl_config_log_level(&config, "kiosk-2=error", &err));
  assert_ok(hgl_config_log_level(&config, "info", &err));
  assert_ok(hgl_config_log_format(&config, "text", &err));
  assert_int_equal(config.log.level, HGL_LOG_INFO);
  assert_int_equal(config.log.format, HGL_LOG_FORMAT_TEXT);
  assert_int_equal(json_object_size(config.log.agents), 2);
  hgl_config_deinit(&config);
}

static void config_names_what_is_wrong_of_the_log(void **state)
{
  static const char *const wrong[][2] = {
      {"return { log = 5 }", "log: expected a table"},
      {"return { log = { format = 'xml' } }", "log: format: a log is"},
      {"return { log = { level = 'loud' } }", "log: level: a level is"},
      {"return { log = { size = '1KB' } }", "log: size: expected a size of at least 64KB"},
      {"return { log = { size = 5 } }", "log: size: expected a size"},
      {"return { log = { keep = 1001 } }", "log: keep: expected an integer from 0 to 1000"},
      {"return { log = { file = '' } }", "log: file: expected a text"},
      {"return { log = { agents = { ['a/b'] = 'debug' } } }", "log: agents: a/b"},
      {"return { log = { agents = { a = 1 } } }", "log: agents: a: a level is"},
      {"return { log = { fromat = 'json' } }", "did you mean format"},
  };
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    struct hgl_err err = {0};
    struct hgl_config config;
    assert_fails(HGL_INVALID, read_text(&config, wrong[i][0], &err));
    if (!strstr(err.message, wrong[i][1]))
      fail_msg("\"%s\" does not say \"%s\"", err.message, wrong[i][1]);
    hgl_config_deinit(&config);
  }
}

static void expect_model_b(const struct hgl_node_model *model)
{
  static const struct haggle_option expected[] = {{"engine", "/tmp/./e.so"},
                                                  {"context", "4096"},
                                                  {"spin", "on"},
                                                  {"key", "file:/tmp/my.key"},
                                                  {"trust", "/tmp/ca.pem"},
                                                  {"library", "/opt/libx.so"},
                                                  {"join", "off"},
                                                  {"top", "0.5"},
                                                  {"batch", "8"}};
  const size_t count = sizeof expected / sizeof *expected;
  assert_int_equal(model->option_count, count);
  for (size_t i = 0; i < count; i++) {
    size_t at = 0;
    while (at < count && strcmp(model->options[at].name, expected[i].name) != 0) at++;
    assert_true(at < count);
    assert_string_equal(model->options[at].value, expected[i].value);
  }
}

static void config_reads_models(void **state)
{
  static const char *const files[] = {"/tmp/x.onnx", "/y.gguf", "std/p.safetensors",
                                      "https://example.org/v1", "z.onnx"};
  static const char *const wrong[] = {"m",     "m=",     "=f",      "m=,a=b",
                                      "m x=f", "m2=f,x", "m3=f,=x", "m4=f,"};
  struct hgl_err err = {0};
  struct hgl_config config;
  assert_ok(read_text(
      &config,
      "return { models = { a = 'x.onnx', c = 'std/p.safetensors',\n"
      "  b = { file = '/y.gguf', engine = './e.so', context = 4096, spin = true,\n"
      "    key = 'file:my.key', trust = 'ca.pem', library = '/opt/libx.so', join = false,\n"
      "    top = 0.5, batch = '8' }, d = 'https://example.org/v1' } }",
      &err));
  assert_ok(hgl_config_model(&config, "e=z.onnx,engine=onnx,batch=4", &err));
  assert_int_equal(config.node.model_count, 5);
  for (size_t i = 0; i < 5; i++) {
    const struct hgl_node_model *model = &config.node.models[i];
    assert_string_equal(model->file, files[*model->name - 'a']);
    if (*model->name == 'b') expect_model_b(model);
    if (*model->name == 'e') assert_int_equal(model->option_count, 2);
  }
  assert_int_equal(hgl_config_model(&config, "a=again", &err), -HGL_EXISTS);
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
    assert_int_equal(hgl_config_model(&config, wrong[i], &err), -HGL_INVALID);
  hgl_config_deinit(&config);
}

static void config_refuses_models_that_are_none(void **state)
{
  static const struct {
    const char *text, *says;
  } cases[] = {
      {"return { models = 'x' }", "models: expected a table"},
      {"return { models = { m = 5 } }", "models: m: expected the model's file"},
      {"return { models = { m = { engine = 'x' } } }",
       "models: m: file: expected the model's file"},
      {"return { models = { m = { file = 'x', a = {} } } }", "models: m: a: expected a text"},
      {"return { models = { ['a b'] = 'x' } }", "models: a b: a model's name"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct hgl_err err = {0};
    struct hgl_config config;
    assert_int_equal(read_text(&config, cases[i].text, &err), -HGL_INVALID);
    if (!strstr(err.message, cases[i].says)) fail_msg("%s", err.message);
    hgl_config_deinit(&config);
  }
}

static void config_judges_grants_of_models(void **state)
{
  static const char *const good[] = {"infer=policy", "infer=*", "infer=pol*", "infer=a.b-c_1"};
  static const char *const bad[] = {"infer=", "infer=a b", "infer=a/b", "infer=**"};
  struct hgl_err err = {0};
  struct hgl_node_agent agent = {0};
  for (size_t i = 0; i < 4; i++) assert_ok(hgl_config_grant(&agent, good[i], &err));
  for (size_t i = 0; i < 4; i++)
    assert_int_equal(hgl_config_grant(&agent, bad[i], &err), -HGL_INVALID);
  hgl_texts_deinit(&agent.grants);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(config_reads_models),
      cmocka_unit_test(config_refuses_models_that_are_none),
      cmocka_unit_test(config_judges_grants_of_models),
      cmocka_unit_test_setup_teardown(config_describes_the_log, set_up, tear_down),
      cmocka_unit_test_setup_teardown(config_names_what_is_wrong_of_the_log, set_up, tear_down),
      cmocka_unit_test(config_reads_every_setting),
      cmocka_unit_test(config_reads_what_becomes_of_agents_that_fail),
      cmocka_unit_test(config_names_what_is_wrong),
      cmocka_unit_test(a_bare_table_is_a_host_file_too),
      cmocka_unit_test(scripts_name_their_agents),
      cmocka_unit_test(grants_go_to_one_agent_its_instances_or_all),
      cmocka_unit_test(one_instance_can_have_a_delegation),
      cmocka_unit_test(instances_cost_nothing_each),
      cmocka_unit_test(reading_survives_every_failed_allocation),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
