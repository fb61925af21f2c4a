/* The part of a host file that is about agents that fail (config_restart.c). */
#ifndef HGL_HOST_CONFIG_RESTART_H
#define HGL_HOST_CONFIG_RESTART_H

#include "host/config.h"
#include "host/keys.h"

/* Fills what the table says; the rest of `out` is left alone. */
int hgl_config_restart(const json_t *table, struct hgl_restart *out,
                       struct hgl_err *err) HGL_NODISCARD;
/* { NAME = { strategy, restarts, within } } */
int hgl_config_groups(struct hgl_config *config, const json_t *table,
                      struct hgl_err *err) HGL_NODISCARD;
/* Every agent's group is there. HGL_NOT_FOUND. */
int hgl_config_check_groups(const struct hgl_config *config, struct hgl_err *err) HGL_NODISCARD;

#endif
