#include "host/engines.h"

#include "infer/dense.h"
#include "infer/remote.h"

const struct hgl_infer_builtin hgl_engines[] = {
    {"dense", hgl_dense_engine},
    {"remote", hgl_remote_engine},
    {NULL, NULL},
};
