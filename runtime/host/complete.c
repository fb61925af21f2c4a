#include "host/complete.h"

#include <stdio.h>
#include <string.h>

void hgl_verb_describe(const struct hgl_verb *verb,
                       void (*visit)(void *user, const struct hgl_option *options, size_t count),
                       void *user)
{
  struct hgl_verb copy = *verb;
  char name[32], *argv[] = {name, NULL};
  copy.describe = visit;
  copy.describe_user = user;
  snprintf(name, sizeof name, "%s", verb->name);
  copy.main(&copy, 1, argv);
}

/* Offers -------------------------------------------------------------------------------------- */

static const char letters[] = "abcdefghijklmnopqrstuvwxyz-";

static void add_choice(struct hgl_offer *offer, const char *word, size_t size)
{
  size_t used = strlen(offer->choices);
  if (used + size + 2 > sizeof offer->choices) return;
  snprintf(offer->choices + used, sizeof offer->choices - used, "%s%.*s", used ? " " : "",
           (int)size, word);
}

/* One word of a usage or an argument: capitals stand for something, small letters for themselves.
 */
static void add_word(struct hgl_offer *offer, const char *word, size_t size)
{
  static const char *const files[] = {"FILE", "DIR",    "HOST.lua", "SCRIPT", "PATH",
                                      "TO",   "AGENT…", "PATH…",    NULL};
  char text[64];
  snprintf(text, sizeof text, "%.*s", (int)size, word);
  for (const char *const *at = files; *at; at++) offer->files |= strcmp(text, *at) == 0;
  offer->files |= size > 5 && strcmp(text + strlen(text) - 5, "=FILE") == 0;
  offer->agents |= strcmp(text, "NAME") == 0 || strcmp(text, "TO") == 0 ||
                   strncmp(text, "NAME=", 5) == 0 || strncmp(text, "NAME:", 5) == 0;
  offer->verbs |= strcmp(text, "VERB") == 0;
  if (size && strspn(text, letters) == size && *text != '-') add_choice(offer, word, size);
}

static void add_words(struct hgl_offer *offer, const char *text)
{
  static const char ends[] = " |[],";
  while (*text) {
    size_t size = strcspn(text, ends);
    bool option = strncmp(text, "--", 2) == 0;
    add_word(offer, text, size);
    text += size;
    /* The value of an option is offered where the option is. */
    if (option && *text == ' ' && !strchr(ends, text[1])) text += 1 + strcspn(text + 1, ends);
    text += strspn(text, ends);
  }
}

struct hgl_offer hgl_offer_argument(const char *argument)
{
  struct hgl_offer offer = {0};
  if (argument) add_words(&offer, argument);
  return offer;
}

struct hgl_offer hgl_offer_usage(const char *usage)
{
  struct hgl_offer offer = {0};
  add_words(&offer, usage);
  return offer;
}

/* Bash ---------------------------------------------------------------------------------------- */

struct output {
  struct hgl_buf *out;
  const struct hgl_verb *verb;
};

static void put_offer(struct hgl_buf *out, const struct hgl_offer *offer)
{
  hgl_buf_append_text(out, offer->files ? " files" : "");
  hgl_buf_append_text(out, offer->agents ? " agents" : "");
  hgl_buf_append_text(out, offer->verbs ? " verbs" : "");
  for (const char *at = offer->choices; *at;) {
    size_t size = strcspn(at, " ");
    hgl_buf_printf(out, " =%.*s", (int)size, at);
    at += size + (at[size] == ' ');
  }
}

static void put_bash_options(void *user, const struct hgl_option *options, size_t count)
{
  const struct output *output = user;
  hgl_buf_printf(output->out, "  %s)\n    options='", output->verb->name);
  for (size_t i = 0; i < count; i++) hgl_buf_printf(output->out, "--%s ", options[i].name);
  hgl_buf_append_text(output->out, "--help'\n    case $before in\n");
  for (size_t i = 0; i < count; i++) {
    if (options[i].kind == HGL_OPTION_FLAG) continue;
    struct hgl_offer offer = hgl_offer_argument(options[i].argument);
    hgl_buf_printf(output->out, "    --%s) offers='value", options[i].name);
    put_offer(output->out, &offer);
    hgl_buf_append_text(output->out, "' ;;\n");
  }
  struct hgl_offer words = hgl_offer_usage(output->verb->usage);
  hgl_buf_append_text(output->out, "    *) offers='");
  put_offer(output->out, &words);
  hgl_buf_append_text(output->out, "' ;;\n    esac\n    ;;\n");
}

static void put_verbs(struct hgl_buf *out)
{
  for (const struct hgl_verb *const *verb = hgl_verbs; *verb; verb++)
    if (!(*verb)->hidden) hgl_buf_printf(out, "%s%s", verb == hgl_verbs ? "" : " ", (*verb)->name);
}

static void put_bash_cases(struct hgl_buf *out)
{
  for (const struct hgl_verb *const *verb = hgl_verbs; *verb; verb++) {
    struct output output = {out, *verb};
    if (!(*verb)->hidden) hgl_verb_describe(*verb, put_bash_options, &output);
  }
}

/* "--data=x" is three words for bash, which takes them apart at the "=". */
static const char bash_head[] =
    "# bash completion of haggle; made by `haggle completion bash`\n\n"
    "_haggle() {\n"
    "  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}\n"
    "  local data=.haggle options='' offers='' offer at\n"
    "  COMPREPLY=()\n"
    "  if [[ $word == '=' ]]; then\n"
    "    word=''\n"
    "  elif [[ $before == '=' ]]; then\n"
    "    before=${COMP_WORDS[COMP_CWORD - 2]}\n"
    "  fi\n"
    "  for ((at = 1; at < COMP_CWORD; at++)); do\n"
    "    if [[ ${COMP_WORDS[at]} == --data ]]; then\n"
    "      data=${COMP_WORDS[at + 1]}\n"
    "      if [[ $data == '=' ]]; then data=${COMP_WORDS[at + 2]}; fi\n"
    "    fi\n"
    "  done\n";

static const char bash_tail[] =
    "  esac\n"
    "  if [[ $word == -* && $offers != value* ]]; then\n"
    "    mapfile -t COMPREPLY < <(compgen -W \"$options\" -- \"$word\")\n"
    "    return\n"
    "  fi\n"
    "  for offer in $offers; do\n"
    "    case $offer in\n"
    "    files)\n"
    "      compopt -o filenames 2>/dev/null\n"
    "      mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -f -- \"$word\")\n"
    "      ;;\n"
    "    agents)\n"
    "      mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(\n"
    "        compgen -W \"$(\"${COMP_WORDS[0]}\" completion names --data \"$data\" 2>/dev/null)\" "
    "\\\n"
    "          -- \"$word\")\n"
    "      ;;\n"
    "    verbs) mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -W \"$verbs\" -- \"$word\") "
    ";;\n"
    "    =*)\n"
    "      mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -W \"${offer#=}\" -- \"$word\")\n"
    "      ;;\n"
    "    esac\n"
    "  done\n"
    "}\n"
    "complete -F _haggle haggle\n";

void hgl_complete_bash(struct hgl_buf *out)
{
  hgl_buf_append_text(out, bash_head);
  hgl_buf_append_text(out, "  local verbs='");
  put_verbs(out);
  hgl_buf_append_text(out, "'\n"
                           "  if ((COMP_CWORD == 1)); then\n"
                           "    mapfile -t COMPREPLY < <(compgen -W \"$verbs\" -- \"$word\")\n"
                           "    return\n"
                           "  fi\n"
                           "  case ${COMP_WORDS[1]} in\n");
  put_bash_cases(out);
  hgl_buf_append_text(out, bash_tail);
}

/* Zsh ----------------------------------------------------------------------------------------- */

/* Within single quotes, where `special` means something to _arguments or _describe. */
static void put_quoted(struct hgl_buf *out, const char *text, size_t size, const char *special)
{
  for (size_t i = 0; i < size; i++) {
    if (text[i] == '\'')
      hgl_buf_append_text(out, "'\\''");
    else if (text[i] == '\n')
      hgl_buf_append_text(out, " ");
    else if (strchr(special, text[i]))
      hgl_buf_printf(out, "\\%c", text[i]);
    else
      hgl_buf_append(out, text + i, 1);
  }
}

static void put_zsh_option(struct hgl_buf *out, const struct hgl_option *option)
{
  struct hgl_offer offer = hgl_offer_argument(option->argument);
  hgl_buf_printf(out, "      '%s--%s[", option->kind == HGL_OPTION_LIST ? "*" : "", option->name);
  put_quoted(out, option->help, strlen(option->help), "[]:\\");
  hgl_buf_append_text(out, "]");
  if (option->kind != HGL_OPTION_FLAG) {
    hgl_buf_append_text(out, ":");
    put_quoted(out, option->argument, strlen(option->argument), "[]:\\");
    hgl_buf_append_text(out, ":{_haggle_offer");
    put_offer(out, &offer);
    hgl_buf_append_text(out, "}");
  }
  hgl_buf_append_text(out, "' \\\n");
}

static void put_zsh_options(void *user, const struct hgl_option *options, size_t count)
{
  const struct output *output = user;
  struct hgl_offer words = hgl_offer_usage(output->verb->usage);
  hgl_buf_printf(output->out, "  %s)\n    _arguments \\\n", output->verb->name);
  for (size_t i = 0; i < count; i++) put_zsh_option(output->out, &options[i]);
  hgl_buf_append_text(output->out,
                      "      '--help[how it is used]' \\\n      '*:word:{_haggle_offer");
  put_offer(output->out, &words);
  hgl_buf_append_text(output->out, "}'\n    ;;\n");
}

static const char zsh_head[] = "#compdef haggle\n"
                               "# zsh completion of haggle; made by `haggle completion zsh`\n\n"
                               "_haggle_offer() {\n"
                               "  local offer\n"
                               "  local -a words_offered\n"
                               "  for offer in \"$@\"; do\n"
                               "    case $offer in\n"
                               "    files) _files ;;\n"
                               "    agents)\n"
                               "      words_offered=(${(f)\"$($haggle_program completion names \\\n"
                               "        --data ${opt_args[--data]:-.haggle} 2>/dev/null)\"})\n"
                               "      compadd -a words_offered\n"
                               "      ;;\n"
                               "    verbs) compadd ${haggle_verbs%%:*} ;;\n"
                               "    =*) compadd -- ${offer#=} ;;\n"
                               "    esac\n"
                               "  done\n"
                               "}\n\n"
                               "_haggle() {\n"
                               "  local haggle_program=$words[1]\n"
                               "  local -A opt_args\n"
                               "  local -a haggle_verbs\n"
                               "  haggle_verbs=(\n";

void hgl_complete_zsh(struct hgl_buf *out)
{
  hgl_buf_append_text(out, zsh_head);
  for (const struct hgl_verb *const *verb = hgl_verbs; *verb; verb++) {
    if ((*verb)->hidden) continue;
    hgl_buf_printf(out, "    '%s:", (*verb)->name);
    put_quoted(out, (*verb)->summary, strlen((*verb)->summary), ":\\");
    hgl_buf_append_text(out, "'\n");
  }
  hgl_buf_append_text(out, "  )\n"
                           "  if ((CURRENT == 2)); then\n"
                           "    _describe verb haggle_verbs\n"
                           "    return\n"
                           "  fi\n"
                           "  shift words\n"
                           "  ((CURRENT--))\n"
                           "  case $words[1] in\n");
  for (const struct hgl_verb *const *verb = hgl_verbs; *verb; verb++) {
    struct output output = {out, *verb};
    if (!(*verb)->hidden) hgl_verb_describe(*verb, put_zsh_options, &output);
  }
  hgl_buf_append_text(out, "  esac\n}\n\n_haggle \"$@\"\n");
}
