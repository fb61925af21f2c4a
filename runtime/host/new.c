/* haggle new: a folder with a first agent, its spec, and settings for editor and linter. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

#include "host/file.h"
#include "host/keys.h"
#include "host/options.h"
#include "host/paths.h"

/* "@NAME@" and "@STDLIB@" are replaced. */
static const char agent_lua[] =
    "-- The top level only declares; it runs at every start.\n"
    "agent.describe { name = \"@NAME@\", version = 1, about = \"Says back what it is told\" }\n"
    "agent.offer { service = \"echo\", protocol = \"echo/1.0\" }\n"
    "\n"
    "-- Whoever speaks with this agent declares it likewise; what does not fit never comes here.\n"
    "agent.protocol { name = \"echo\", version = \"1.0\", messages = {\n"
    "  say = { body = { text = \"string\" }, replies = { \"said\" } },\n"
    "  said = { body = { text = \"string\", times = \"integer\" } },\n"
    "} }\n"
    "\n"
    "agent.on(\"echo/1.0/say\", function(message)\n"
    "  state.times = (state.times or 0) + 1 -- becomes true together with the reply, or not at "
    "all\n"
    "  message:reply(\"said\", { text = message.body.text, times = state.times })\n"
    "end)\n"
    "\n"
    "-- Goes on across restarts, as all timers do.\n"
    "agent.every(\"daily\", \"1d\", function() state.times = 0 end)\n";

static const char spec_lua[] =
    "-- Run with: haggle test @NAME@      again after each change: haggle test --watch @NAME@\n"
    "local test = require \"haggle.test\"\n"
    "local describe, it, expect = test.describe, test.it, test.expect\n"
    "\n"
    "describe(\"@NAME@\", function()\n"
    "  local world\n"
    "\n"
    "  test.before_each(function()\n"
    "    world = test.world()\n"
    "    world:agent { name = \"@NAME@\", script = \"agent.lua\" }\n"
    "  end)\n"
    "\n"
    "  it(\"says back what it is told\", function()\n"
    "    local reply = world:ask(\"@NAME@\", \"echo/1.0/say\", { text = \"hello\" })\n"
    "    expect(reply.body):equals { text = \"hello\", times = 1 }\n"
    "  end)\n"
    "\n"
    "  it(\"hears nothing that does not fit\", function()\n"
    "    local _, why, code = world:ask(\"@NAME@\", \"echo/1.0/say\", { text = 5 })\n"
    "    expect(code):equals \"protocol_violation\"\n"
    "    expect(why):contains \"text\"\n"
    "    expect(world:state(\"@NAME@\")):is_empty()\n"
    "  end)\n"
    "\n"
    "  it(\"counts on when its host was killed\", function()\n"
    "    world:ask(\"@NAME@\", \"echo/1.0/say\", { text = \"hello\" })\n"
    "    world:kill \"@NAME@\"\n"
    "    world:start \"@NAME@\"\n"
    "    local reply = world:ask(\"@NAME@\", \"echo/1.0/say\", { text = \"again\" })\n"
    "    expect(reply.body.times):equals(2)\n"
    "  end)\n"
    "\n"
    "  it(\"begins anew every day\", function()\n"
    "    world:ask(\"@NAME@\", \"echo/1.0/say\", { text = \"hello\" })\n"
    "    expect(world:timers \"@NAME@\"):contains { name = \"daily\", every = 24 * 3600 * 1000 }\n"
    "    world:advance \"1d\" -- takes no time: only the world's clock moves\n"
    "    expect(world:state(\"@NAME@\").times):equals(0)\n"
    "  end)\n"
    "end)\n";

static const char luarc_json[] = "{\n"
                                 "  \"runtime.version\": \"Lua 5.4\",\n"
                                 "  \"workspace.library\": [\"@STDLIB@/types\"],\n"
                                 "  \"workspace.checkThirdParty\": false\n"
                                 "}\n";

static const char luacheckrc[] = "std = \"lua54\"\n"
                                 "max_line_length = 100\n"
                                 "read_globals = { \"agent\", \"log\", \"host\" }\n"
                                 "globals = { \"state\", \"cache\" }\n";

static const struct {
  const char *name, *text;
} files[] = {
    {"agent.lua", agent_lua},
    {"agent_spec.lua", spec_lua},
    {".luarc.json", luarc_json},
    {".luacheckrc", luacheckrc},
};

static void fill_in(const char *text, const char *name, const char *stdlib, struct hgl_buf *out)
{
  for (const char *at; (at = strchr(text, '@'));) {
    bool is_name = strncmp(at, "@NAME@", 6) == 0;
    hgl_buf_append(out, text, (size_t)(at - text));
    hgl_buf_append_text(out, is_name ? name : stdlib);
    text = at + (is_name ? strlen("@NAME@") : strlen("@STDLIB@"));
  }
  hgl_buf_append_text(out, text);
}

static int write_files(const char *folder, const char *name, struct hgl_err *err)
{
  char path[PATH_MAX], stdlib[PATH_MAX];
  struct hgl_buf text;
  int status = hgl_stdlib_folder(stdlib, err);
  hgl_buf_init(&text, 64 * 1024);
  for (size_t i = 0; status == 0 && i < sizeof files / sizeof *files; i++) {
    hgl_buf_clear(&text);
    fill_in(files[i].text, name, stdlib, &text);
    status = hgl_buf_check(&text, err);
    if (status == 0 &&
        snprintf(path, sizeof path, "%s/%s", folder, files[i].name) >= (int)sizeof path)
      status = hgl_fail(err, HGL_INVALID, "the path is too long");
    if (status == 0) status = hgl_file_create(path, hgl_buf_bytes(&text), 0644, err);
  }
  hgl_buf_deinit(&text);
  return status;
}

static int make_agent(const char *folder, struct hgl_err *err)
{
  const char *slash = strrchr(folder, '/');
  const char *name = slash ? slash + 1 : folder;
  int status = hgl_agent_name_check(hgl_text(name), err);
  if (status) return status;
  if (mkdir(folder, 0777))
    return errno == EEXIST
               ? hgl_fail(err, HGL_EXISTS, "%s exists already; choose another name", folder)
               : hgl_fail(err, HGL_IO, "%s cannot be made: %s", folder, strerror(errno));
  if ((status = write_files(folder, name, err)) != 0) return status;
  printf("%s/agent.lua says back what it is told. Go on with:\n\n"
         "  haggle check %s\n"
         "  haggle test %s\n"
         "  haggle run --watch %s\n"
         "  haggle ask %s echo/1.0/say '{\"text\":\"hello\"}'     (in another terminal)\n",
         folder, folder, folder, folder, name);
  return 0;
}

static int new_main(const struct hgl_verb *verb, int argc, char **argv)
{
  struct hgl_texts words = {0};
  struct hgl_err err = {0};
  int status;
  if (hgl_options_parse(verb, NULL, 0, argc, argv, &words, &status)) {
    if (words.count != 1)
      status = hgl_usage_fail(verb, "give the new agent one name");
    else if (make_agent(words.items[0], &err))
      status = hgl_verb_fail(verb, &err);
  }
  hgl_texts_deinit(&words);
  return status;
}

const struct hgl_verb hgl_verb_new = {
    .name = "new",
    .usage = "NAME",
    .summary = "write a first agent, with a spec",
    .help =
        "Makes the folder NAME with agent.lua (ready to run), agent_spec.lua (ready to test), and\n"
        "settings for the Lua language server and luacheck.\n\n"
        "  haggle new kiosk\n"
        "  haggle check kiosk\n"
        "  haggle test kiosk\n"
        "  haggle run --watch kiosk",
    .main = new_main,
};
