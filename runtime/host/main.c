/* haggle: finds the verb and hands over. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/options.h"
#include "protocol/crypto.h"

int main(int argc, char **argv)
{
  struct hgl_err err = {0};
  const char *name = argc > 1 ? argv[1] : "help";
  char help[] = "help", *no_arguments[] = {help, NULL};
  if (hgl_crypto_init(&err)) {
    fprintf(stderr, "haggle: %s\n", err.message);
    return HGL_EXIT_FAILED;
  }
  /* A reader of our output, or a peer, that goes away is an error like others. */
  signal(SIGPIPE, SIG_IGN);
  /* Microsoft's builds of ONNX Runtime speak to a collector unless they find this before they
   * start; once there are threads, nobody may change the environment. */
  setenv("ORT_DISABLE_TELEMETRY", "1", 1);
  if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || argc < 2)
    return hgl_verb_help.main(&hgl_verb_help, 1, no_arguments);
  if (strcmp(name, "--version") == 0) name = "version";
  for (const struct hgl_verb *const *verb = hgl_verbs; *verb; verb++)
    if (strcmp((*verb)->name, name) == 0) return (*verb)->main(*verb, argc - 1, argv + 1);
  return hgl_verb_unknown(name);
}
