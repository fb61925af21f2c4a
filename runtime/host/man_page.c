/* The manual's page, of the texts that --help shows. */
#include <stdio.h>
#include <string.h>

#include "host/complete.h"

/* Escaping ------------------------------------------------------------------------------------ */

/* Backslashes and dashes as they are; a dot or quote at the beginning of a line is no request. */
static void put_roff(struct hgl_buf *out, const char *text, size_t size, bool line_begins)
{
  if (line_begins && size && (*text == '.' || *text == '\'')) hgl_buf_append_text(out, "\\&");
  for (size_t i = 0; i < size; i++) {
    if (text[i] == '\\')
      hgl_buf_append_text(out, "\\e");
    else if (text[i] == '-')
      hgl_buf_append_text(out, "\\-");
    else if (text[i] == '\'')
      hgl_buf_append_text(out, "\\(aq");
    else if (text[i] == '`')
      hgl_buf_append_text(out, "\\(ga");
    else if (text[i] == '^')
      hgl_buf_append_text(out, "\\(ha");
    else if (text[i] == '~')
      hgl_buf_append_text(out, "\\(ti");
    else if (text[i] == '\n')
      hgl_buf_append_text(out, " ");
    else
      hgl_buf_append(out, text + i, 1);
  }
}

/* Paragraphs are filled; lines that are indented, examples and tables, stay as they are. */
static void put_help(struct hgl_buf *out, const char *help)
{
  bool example = false;
  for (const char *line = help; *line;) {
    size_t size = strcspn(line, "\n");
    bool indented = strncmp(line, "  ", 2) == 0;
    if (example != indented) hgl_buf_append_text(out, indented ? ".PP\n.EX\n" : ".EE\n");
    example = indented;
    if (!size)
      hgl_buf_append_text(out, ".PP\n");
    else if (indented)
      put_roff(out, line, size, false); /* it begins with a blank */
    else
      put_roff(out, line, size, true);
    if (size) hgl_buf_append_text(out, "\n");
    line += size + (line[size] == '\n');
  }
  if (example) hgl_buf_append_text(out, ".EE\n");
}

/* Verbs --------------------------------------------------------------------------------------- */

static void put_options(void *user, const struct hgl_option *options, size_t count)
{
  struct hgl_buf *out = user;
  for (size_t i = 0; i < count; i++) {
    hgl_buf_append_text(out, ".TP\n\\fB\\-\\-");
    put_roff(out, options[i].name, strlen(options[i].name), false);
    hgl_buf_append_text(out, "\\fR");
    if (options[i].argument) {
      hgl_buf_append_text(out, " \\fI");
      put_roff(out, options[i].argument, strlen(options[i].argument), false);
      hgl_buf_append_text(out, "\\fR");
    }
    hgl_buf_append_text(out, "\n");
    put_roff(out, options[i].help, strlen(options[i].help), true);
    hgl_buf_append_text(out, "\n");
  }
}

static void put_verb(struct hgl_buf *out, const struct hgl_verb *verb)
{
  hgl_buf_printf(out, ".SS %s\n.B haggle %s\n", verb->name, verb->name);
  if (*verb->usage) {
    hgl_buf_append_text(out, ".RI \"");
    put_roff(out, verb->usage, strlen(verb->usage), false);
    hgl_buf_append_text(out, "\"\n");
  }
  hgl_buf_append_text(out, ".PP\n");
  put_help(out, verb->help);
  hgl_verb_describe(verb, put_options, out);
}

static const char head[] =
    ".SH NAME\n"
    "haggle \\- run autonomous agents, written in Lua, that trade with others\n"
    ".SH SYNOPSIS\n"
    ".B haggle\n"
    ".I VERB\n"
    ".RI [ OPTION \"\\&...] [\" WORD \"\\&...]\"\n"
    ".SH DESCRIPTION\n"
    "A host runs agents, each in a sandbox of its own, signs all that they say, keeps what must\n"
    "last, and speaks with other hosts. The verbs start a host, look at one that runs, and change\n"
    "it.\n"
    ".PP\n"
    "\\fB\\-\\-name value\\fR and \\fB\\-\\-name=value\\fR are the same; \\fB\\-\\-\\fR ends the "
    "options.\n"
    "Each verb takes \\fB\\-\\-help\\fR.\n"
    ".SH VERBS\n";

static const char tail[] =
    ".SH EXIT STATUS\n"
    ".TP\n.B 0\nIt is done.\n"
    ".TP\n.B 1\nIt failed; why stands on standard error.\n"
    ".TP\n.B 2\nIt was called the wrong way.\n"
    ".TP\n.B 70\nThe store cannot be gone on with: its file is damaged, or the outcome of a "
    "commit\n"
    "is unknown. Starting again is safe.\n"
    ".SH ENVIRONMENT\n"
    ".TP\n.B HAGGLE_PASSPHRASE\nOpens the keys of a host, where no \\fB\\-\\-passphrase\\-file\\fR "
    "is\n"
    "given.\n"
    ".TP\n.B NO_COLOR\nOutput without colours.\n"
    ".TP\n.BR NOTIFY_SOCKET \", \" WATCHDOG_USEC \", \" WATCHDOG_PID\nA service manager that\n"
    "\\fBhaggle run\\fR tells how it is (sd_notify).\n"
    ".TP\n.B JOURNAL_STREAM\nWhere standard error leads to systemd's journal, the log goes there.\n"
    ".TP\n.B CREDENTIALS_DIRECTORY\nSecrets that systemd hands over.\n"
    ".SH SIGNALS\n"
    ".TP\n.BR SIGINT \", \" SIGTERM\nStop a host; a second one ends it at once.\n"
    ".TP\n.B SIGHUP\nOpens the log again, and takes over what has changed in the host file and in\n"
    "the scripts that it names.\n"
    ".SH FILES\n"
    ".TP\n.I .haggle\nThe data folder, unless \\fB\\-\\-data\\fR or the host file names another.\n"
    ".TP\n.I /etc/haggle/NAME.lua\nThe host file of the service haggle@NAME.\n"
    ".SH SEE ALSO\n"
    ".BR lua (1),\n.BR systemd.service (5),\n.BR journalctl (1)\n";

void hgl_man_page(struct hgl_buf *out)
{
  hgl_buf_printf(out, ".TH HAGGLE 1 \"\" \"haggle %s\" \"User commands\"\n", HGL_VERSION);
  hgl_buf_append_text(out, head);
  for (const struct hgl_verb *const *verb = hgl_verbs; *verb; verb++)
    if (!(*verb)->hidden) put_verb(out, *verb);
  hgl_buf_append_text(out, tail);
}
