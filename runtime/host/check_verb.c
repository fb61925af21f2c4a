/* haggle check: what is wrong with scripts, found without running them as agents. The rules are
 * Lua (stdlib/haggle/tool/check.lua); here they are given their work, and their findings shown. */
#include <lauxlib.h>
#include <lualib.h>
#include <string.h>

#include "host/check_bind.h"
#include "host/config.h"
#include "host/options.h"
#include "host/paths.h"
#include "host/text.h"
#include "protocol/crypto.h"

struct checking {
  struct hgl_check_context context;
  struct hgl_config config; /* of --config */
  struct hgl_texts paths, allows;
  const char *config_path;
  bool json, strict;
  size_t errors, warnings, notes; /* that were shown */
};

/* ---- what is to be checked ---- */

static void push_texts(lua_State *L, const struct hgl_texts *texts)
{
  lua_createtable(L, (int)texts->count, 0);
  for (size_t i = 0; i < texts->count; i++) {
    lua_pushstring(L, texts->items[i]);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
}

/* The agents of the host file: { name =, path =, config =, grants =, limits = }. */
static void push_agents(lua_State *L, const struct hgl_config *config)
{
  lua_newtable(L);
  for (size_t i = 0; i < config->node.agent_count; i++) {
    const struct hgl_node_agent *agent = &config->agents[i];
    lua_newtable(L);
    lua_pushstring(L, agent->name);
    lua_setfield(L, -2, "name");
    lua_pushstring(L, agent->script);
    lua_setfield(L, -2, "path");
    lua_pushlstring(L, (const char *)agent->config.data, agent->config.size);
    lua_setfield(L, -2, "config");
    push_texts(L, &agent->grants);
    lua_setfield(L, -2, "grants");
    hgl_check_push_limits(L, &agent->limits);
    lua_setfield(L, -2, "limits");
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
}

static void push_work(lua_State *L, const struct checking *checking)
{
  lua_newtable(L);
  push_texts(L, &checking->paths);
  lua_setfield(L, -2, "paths");
  push_texts(L, &checking->allows);
  lua_setfield(L, -2, "allow");
  if (!checking->config_path) return;
  push_agents(L, &checking->config);
  lua_setfield(L, -2, "agents");
}

/* ---- what was found: the fields of the table on top ---- */

static const char *text_field(lua_State *L, const char *name)
{
  lua_getfield(L, -1, name);
  const char *text = lua_tostring(L, -1);
  lua_pop(L, 1); /* the table holds it */
  return text;
}

static int number_field(lua_State *L, const char *name)
{
  lua_getfield(L, -1, name);
  int number = (int)lua_tointeger(L, -1);
  lua_pop(L, 1);
  return number;
}

static const char *colour_of(const char *severity, const struct hgl_colours *colours)
{
  if (strcmp(severity, "error") == 0) return colours->red;
  return strcmp(severity, "warning") == 0 ? colours->yellow : colours->cyan;
}

static void show_text(lua_State *L, const char *severity)
{
  const struct hgl_colours *colours = hgl_colours(stdout);
  const char *advice = text_field(L, "advice");
  hgl_print_escaped(stdout, hgl_text(text_field(L, "file")));
  printf(":%d:%d: %s%s%s ", number_field(L, "line"), number_field(L, "column"),
         colour_of(severity, colours), severity, colours->plain);
  hgl_print_escaped(stdout, hgl_text(text_field(L, "message")));
  printf(" %s[%s]%s\n", colours->dim, text_field(L, "code"), colours->plain);
  if (!advice) return;
  fputs("    ", stdout);
  hgl_print_escaped(stdout, hgl_text(advice));
  putchar('\n');
}

/* Script text in a message need not be UTF-8: it is escaped as for people. */
static const char *escaped(struct hgl_buf *buf, const char *text)
{
  hgl_buf_clear(buf);
  if (!text) return NULL;
  hgl_escape(hgl_text(text), buf);
  hgl_buf_append_byte(buf, 0);
  return buf->failed ? NULL : (const char *)buf->data;
}

static int show_json(lua_State *L, const char *severity, struct hgl_err *err)
{
  static const char *const texts[] = {"file", "code", "message", "advice"};
  struct hgl_buf buf;
  int status = 0;
  json_t *line = json_pack("{s:s, s:i, s:i}", "severity", severity, "line", number_field(L, "line"),
                           "column", number_field(L, "column"));
  hgl_buf_init(&buf, 64 * 1024);
  for (size_t i = 0; line && !status && i < sizeof texts / sizeof *texts; i++) {
    const char *text = text_field(L, texts[i]);
    if (text) status = json_object_set_new(line, texts[i], json_string(escaped(&buf, text)));
  }
  status = line && !status ? hgl_print_json(line, err)
                           : hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  hgl_buf_deinit(&buf);
  json_decref(line);
  return status;
}

static int show(lua_State *L, struct checking *checking, struct hgl_err *err)
{
  const char *severity = text_field(L, "severity");
  if (strcmp(severity, "error") == 0)
    checking->errors++;
  else if (strcmp(severity, "warning") == 0)
    checking->warnings++;
  else
    checking->notes++;
  if (checking->json) return show_json(L, severity, err);
  show_text(L, severity);
  return 0;
}

static void show_sum(const struct checking *checking, int files)
{
  if (checking->json)
    printf("{\"files\":%d,\"errors\":%zu,\"warnings\":%zu,\"notes\":%zu}\n", files,
           checking->errors, checking->warnings, checking->notes);
  else
    printf("%d %s: %zu %s, %zu %s, %zu %s\n", files, files == 1 ? "file" : "files",
           checking->errors, checking->errors == 1 ? "error" : "errors", checking->warnings,
           checking->warnings == 1 ? "warning" : "warnings", checking->notes,
           checking->notes == 1 ? "note" : "notes");
}

/* The report on top: { files = how many, findings = { … } }, or an error in words. */
static int show_report(lua_State *L, struct checking *checking, struct hgl_err *err)
{
  int status = 0, files = number_field(L, "files");
  lua_getfield(L, -1, "findings");
  lua_Integer count = luaL_len(L, -1);
  for (lua_Integer i = 1; i <= count && !status; i++) {
    lua_geti(L, -1, i);
    status = show(L, checking, err);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  if (!status) show_sum(checking, files);
  return status;
}

/* ---- the Lua side ---- */

struct call {
  struct checking *checking;
  struct hgl_err err;
};

static int with_traceback(lua_State *L)
{
  luaL_traceback(L, L, luaL_tolstring(L, 1, NULL), 1);
  return 1;
}

static int check_all(lua_State *L)
{
  struct call *call = lua_touserdata(L, 1);
  const char *stdlib = call->checking->context.stdlib_folder;
  luaL_openlibs(L);
  lua_getglobal(L, LUA_LOADLIBNAME);
  lua_pushfstring(L, "%s/?.lua", stdlib);
  lua_setfield(L, -2, "path");
  lua_pushliteral(L, "");
  lua_setfield(L, -2, "cpath");
  hgl_check_bind_open(L, &call->checking->context);
  lua_getglobal(L, "require");
  lua_pushliteral(L, "haggle.tool.check");
  lua_call(L, 1, 1);
  lua_getfield(L, -1, "run");
  push_work(L, call->checking);
  lua_call(L, 1, 2);
  if (lua_isnil(L, -2)) {
    hgl_fail(&call->err, HGL_INVALID, "%s", luaL_tolstring(L, -1, NULL));
    return 0;
  }
  lua_pop(L, 1);
  /* Its failure is told by call->err.code. */
  (void)!show_report(L, call->checking, &call->err);
  return 0;
}

static int run_checks(struct checking *checking, struct hgl_err *err)
{
  struct call call = {.checking = checking};
  lua_State *L = luaL_newstate();
  if (!L) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  lua_pushcfunction(L, with_traceback);
  lua_pushcfunction(L, check_all);
  lua_pushlightuserdata(L, &call);
  if (lua_pcall(L, 1, 0, 1) != LUA_OK) {
    const char *why = lua_tostring(L, -1);
    hgl_fail(&call.err, HGL_INTERNAL, "%s", why ? why : "the checks failed");
  }
  lua_close(L);
  *err = call.err;
  return -(int)err->code;
}

static int prepare(struct checking *checking, char stdlib[PATH_MAX], struct hgl_err *err)
{
  int status = hgl_stdlib_folder(stdlib, err);
  checking->context.stdlib_folder = stdlib;
  if (!status) status = hgl_crypto_init(err);
  if (!status && checking->config_path)
    status = hgl_config_read(&checking->config, checking->config_path, err);
  for (size_t i = 0; checking->config_path && i < checking->allows.count && !status; i++)
    status = hgl_config_allow(&checking->config, checking->allows.items[i], err);
  return status ? status : hgl_check_loader_init(&checking->context.loader, err);
}

static int exit_status(const struct checking *checking)
{
  return checking->errors || (checking->strict && checking->warnings) ? HGL_EXIT_FAILED
                                                                      : HGL_EXIT_OK;
}

static int check_main(const struct hgl_verb *verb, int argc, char **argv)
{
  struct checking checking = {0};
  struct hgl_err err = {0};
  char stdlib[PATH_MAX];
  int status;
  const struct hgl_option options[] = {
      {"config", "HOST.lua", HGL_OPTION_TEXT, &checking.config_path,
       "a host file: all of its agents, with their grants"},
      {"allow", "[NAME:]KIND=VALUE", HGL_OPTION_LIST, &checking.allows,
       "as for haggle run; without any, what the scripts need is\nlisted"},
      {"strict", NULL, HGL_OPTION_FLAG, &checking.strict, "warnings fail as errors do"},
      {"json", NULL, HGL_OPTION_FLAG, &checking.json,
       "one object a line for each finding, then the sum"},
  };
  hgl_config_init(&checking.config);
  if (!hgl_options_parse(verb, options, sizeof options / sizeof *options, argc, argv,
                         &checking.paths, &status))
    goto done;
  if (!checking.paths.count && !checking.config_path)
    status = hgl_usage_fail(verb, "name a script, a folder, or a host file with --config");
  else if (prepare(&checking, stdlib, &err) || run_checks(&checking, &err))
    status = hgl_verb_fail(verb, &err);
  else
    status = exit_status(&checking);
done:
  hgl_check_loader_deinit(&checking.context.loader);
  hgl_config_deinit(&checking.config);
  hgl_texts_deinit(&checking.paths);
  hgl_texts_deinit(&checking.allows);
  return status;
}

const struct hgl_verb hgl_verb_check = {
    .name = "check",
    .usage = "[OPTION…] PATH…",
    .summary = "find what is wrong with scripts, without running them",
    .help =
        "Reads scripts and their modules, and runs their top level once in the sandbox, where it\n"
        "declares and does nothing else. A folder stands for its agent.lua and the Lua files\n"
        "beside it.\n\n"
        "  haggle check kiosk                               what is wrong, what it needs\n"
        "  haggle check kiosk --allow read=/proc/loadavg    also what it is not granted\n"
        "  haggle check --config host.lua                   each agent with its grants\n\n"
        "Each finding is FILE:LINE:COLUMN, its weight, what is wrong and a code; below it, what\n"
        "to do. Errors would raise, be refused or not start; warnings are probably not meant;\n"
        "notes are good to know. The exit status is 1 when there is an error. The codes are\n"
        "listed in stdlib/README.md.",
    .main = check_main,
};
