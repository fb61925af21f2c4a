/* haggle completion and haggle man: what shells and man(1) read. For scripts; help lists neither.
 */
#include <stdio.h>
#include <string.h>

#include "host/client.h"
#include "host/complete.h"

enum { OUTPUT_SIZE_MAX = 1 << 20, NAMES_MAX = 1000, NAMES_TIMEOUT_MS = 1000 };

static int print(const struct hgl_verb *verb, void (*make)(struct hgl_buf *out))
{
  struct hgl_err err;
  struct hgl_buf out;
  hgl_buf_init(&out, OUTPUT_SIZE_MAX);
  make(&out);
  int status = hgl_buf_check(&out, &err);
  if (!status && (fwrite(out.data, 1, out.size, stdout) != out.size || fflush(stdout)))
    status = hgl_fail(&err, HGL_IO, "standard output cannot be written");
  hgl_buf_deinit(&out);
  return status ? hgl_verb_fail(verb, &err) : HGL_EXIT_OK;
}

/* Of the agents of a running host; nothing where there is none. */
static int print_names(const struct hgl_verb *verb, const char *data)
{
  struct hgl_err err;
  size_t index;
  json_t *agents = NULL, *agent;
  json_t *request = json_pack("{s:s, s:i}", "call", "agents", "limit", NAMES_MAX);
  if (hgl_client_once(data, request, NAMES_TIMEOUT_MS, &agents, &err)) return HGL_EXIT_FAILED;
  json_array_foreach(agents, index, agent)
  {
    const char *name = json_string_value(json_object_get(agent, "name"));
    if (name && strcmp(name, "operator") != 0) puts(name);
  }
  json_decref(agents);
  return HGL_EXIT_OK;
}

static int completion_main(const struct hgl_verb *verb, int argc, char **argv)
{
  const char *data = HGL_DATA_DEFAULT;
  const struct hgl_option options[] = {
      {"data", "DIR", HGL_OPTION_TEXT, &data, "names: of the host with this data folder"},
  };
  struct hgl_texts words = {0};
  int status;
  if (hgl_options_parse(verb, options, 1, argc, argv, &words, &status)) {
    const char *what = words.count == 1 ? words.items[0] : "";
    if (strcmp(what, "bash") == 0)
      status = print(verb, hgl_complete_bash);
    else if (strcmp(what, "zsh") == 0)
      status = print(verb, hgl_complete_zsh);
    else if (strcmp(what, "names") == 0)
      status = print_names(verb, data);
    else
      status = hgl_usage_fail(verb, "say bash, zsh or names");
  }
  hgl_texts_deinit(&words);
  return status;
}

const struct hgl_verb hgl_verb_completion = {
    .name = "completion",
    .usage = "bash|zsh|names",
    .summary = "what a shell needs to complete command lines",
    .help = "Prints a completion for bash or zsh, or the agents of a running host. An installed\n"
            "haggle has its completions where the shells look for them.\n\n"
            "  . <(haggle completion bash)",
    .main = completion_main,
    .hidden = true,
};

static int man_main(const struct hgl_verb *verb, int argc, char **argv)
{
  struct hgl_texts words = {0};
  int status;
  if (hgl_options_parse(verb, NULL, 0, argc, argv, &words, &status))
    status = print(verb, hgl_man_page);
  hgl_texts_deinit(&words);
  return status;
}

const struct hgl_verb hgl_verb_man = {
    .name = "man",
    .usage = "",
    .summary = "the page of the manual",
    .help = "Prints the page of the manual.\n\n  haggle man | man -l -",
    .main = man_main,
    .hidden = true,
};
