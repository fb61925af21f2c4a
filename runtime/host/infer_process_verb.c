/* The process of one inference engine (infer/process.h), which hosts begin. */
#include "host/engines.h"
#include "host/verb.h"
#include "infer/process.h"

static const struct haggle_engine *find(const char *engine, const struct haggle_host *host,
                                        struct haggle_error *error)
{
  return hgl_infer_engine_load(hgl_engines, engine, host, error);
}

static int infer_process_main(const struct hgl_verb *verb, int argc, char **argv)
{
  return hgl_process_child_main(find);
}

const struct hgl_verb hgl_verb_infer_process = {
    .name = "infer-process",
    .usage = "",
    .summary = "the process of an inference engine",
    .help = "Begun by a host for a model with process=own; nothing for people.",
    .main = infer_process_main,
    .hidden = true,
};
