/* What shells may offer for a word of the command line: derived from the tables that --help is made
 * of, so that nothing has to be kept in step by hand. */
#ifndef HGL_HOST_COMPLETE_H
#define HGL_HOST_COMPLETE_H

#include "base/buf.h"
#include "host/options.h"

enum { HGL_CHOICES_SIZE = 256 };

/* Of an option's value, or of a verb's words. */
struct hgl_offer {
  bool files, agents, verbs;
  char choices[HGL_CHOICES_SIZE]; /* words that stand for themselves, between blanks */
};

/* From the argument as help names it: FILE, NAME, "text|json". */
struct hgl_offer hgl_offer_argument(const char *argument);
/* From "[OPTION…] pause|resume NAME | add SCRIPT". */
struct hgl_offer hgl_offer_usage(const char *usage);

/* Calls `visit` with the verb's options. */
void hgl_verb_describe(const struct hgl_verb *verb,
                       void (*visit)(void *user, const struct hgl_option *options, size_t count),
                       void *user);

/* The whole of a completion, and of the manual's page. */
void hgl_complete_bash(struct hgl_buf *out);
void hgl_complete_zsh(struct hgl_buf *out);
void hgl_man_page(struct hgl_buf *out);

#endif
