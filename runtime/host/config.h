/* How a host is described: by a host file, by options, or by both. The result is a node's
 * configuration (node.h) and the memory that it borrows. */
#ifndef HGL_HOST_CONFIG_H
#define HGL_HOST_CONFIG_H

#include <jansson.h>

#include "base/map.h"
#include "host/log_sink.h"
#include "host/node.h"

struct hgl_config {
  struct hgl_node_config node;
  struct hgl_node_agent *agents; /* node.agents, growing */
  size_t agents_capacity;
  size_t instances;                /* all agents together */
  struct hgl_map families;         /* of names: see config_agents.c */
  struct hgl_group_config *groups; /* node.groups, growing */
  struct hgl_node_model *models;   /* node.models, growing */
  size_t models_capacity;
  struct hgl_log_config log; /* its texts are borrowed, too */
  json_t *log_agents;        /* log.agents */
  json_t *tree;              /* the host file */
  json_t *kept;              /* texts made on the way */
};

void hgl_config_init(struct hgl_config *config);
void hgl_config_deinit(struct hgl_config *config);

/* A host file: a Lua table of
 *   listen = "ADDRESS:PORT", join = { URL… }, url = { URL… }, data = FOLDER, allow_private =
 * BOOLEAN, tls = { certificate = FILE, key = FILE } or { self_signed = true }, trust = FILE,
 *   durability = "strict" | "relaxed 50ms", journal = { size = "256MB", age = "30d" },
 *   disk_reserve = "64MB",
 *   hibernate = { after = "60s", above = "1GB" },
 *   secrets = { NAME = "file:PATH" | "env:VARIABLE" | "credential:NAME" },
 *   models = { NAME = "FILE" or { file = "FILE", engine, option = value… } } (config_model.c),
 *   agents = { { name, script, count, config = {…}, allow = { "read=PATH"… }, delegation = FILE,
 *                limits = { memory = "16MB", stretch = "10ms", … } (those of agent/limits.h),
 *                group, restart = { on_failure = "restart", restarts = 5, within = "1m",
 *                delay = "1s", delay_max = "1m", dead_letters = 100 } }… },
 *   groups = { NAME = { strategy = "one_for_one", restarts, within } }, grace = "10s",
 *   log = { format = "text" | "json" | "journal", level = "info", file = FILE, size = "10MB",
 *           keep = 5, agents = { NAME = "debug" } } }
 * Paths are relative to the file's folder. Unknown keys are errors that suggest the nearest. */
int hgl_config_read(struct hgl_config *config, const char *path, struct hgl_err *err) HGL_NODISCARD;

/* An agent from a script alone; its name is that of the folder for agent.lua, else the file's. */
int hgl_config_add_script(struct hgl_config *config, const char *path,
                          struct hgl_err *err) HGL_NODISCARD;
/* "kind=value" for every agent, "NAME:kind=value" for one (one instance, or all instances of one).
 */
int hgl_config_allow(struct hgl_config *config, const char *text,
                     struct hgl_err *err) HGL_NODISCARD;
/* "NAME=FILE". */
int hgl_config_delegate(struct hgl_config *config, const char *text,
                        struct hgl_err *err) HGL_NODISCARD;
/* "ADDRESS:PORT", "[::1]:0", ":7001" (every address). */
int hgl_config_listen(struct hgl_config *config, const char *text,
                      struct hgl_err *err) HGL_NODISCARD;
/* "strict" or "relaxed 50ms". */
int hgl_config_durability(struct hgl_config *config, const char *text,
                          struct hgl_err *err) HGL_NODISCARD;

/* "10s": how long a host that stops may take. */
int hgl_config_grace(struct hgl_config *config, const char *text,
                     struct hgl_err *err) HGL_NODISCARD;
/* How long the journal keeps what was said and heard: "256MB" (at least 1MB), "30d" (at least 1m).
 */
int hgl_config_journal_size(struct hgl_config *config, const char *text,
                            struct hgl_err *err) HGL_NODISCARD;
int hgl_config_journal_age(struct hgl_config *config, const char *text,
                           struct hgl_err *err) HGL_NODISCARD;
/* When agents that are at rest give up their Lua states: a duration or "never"; a size or "never".
 */
int hgl_config_hibernate_after(struct hgl_config *config, const char *text,
                               struct hgl_err *err) HGL_NODISCARD;
int hgl_config_hibernate_above(struct hgl_config *config, const char *text,
                               struct hgl_err *err) HGL_NODISCARD;
/* "64MB"; "0": none. */
int hgl_config_disk_reserve(struct hgl_config *config, const char *text,
                            struct hgl_err *err) HGL_NODISCARD;
/* "16MB" (of 1024 × 1024), "512KB", "2GB"; false for anything else, and above 1024GB. */
bool hgl_config_size(const char *text, int64_t *bytes);

/* config_log.c: "text", "json" or "journal". */
int hgl_config_log_format(struct hgl_config *config, const char *text,
                          struct hgl_err *err) HGL_NODISCARD;
/* "LEVEL", or "NAME=LEVEL" of one agent (or all instances of one). */
int hgl_config_log_level(struct hgl_config *config, const char *text,
                         struct hgl_err *err) HGL_NODISCARD;
/* The host file's `log`. */
int hgl_config_log(struct hgl_config *config, const json_t *table, const char *folder,
                   struct hgl_err *err) HGL_NODISCARD;

/* config_model.c: "NAME=FILE[,OPTION=VALUE…]". */
int hgl_config_model(struct hgl_config *config, const char *text,
                     struct hgl_err *err) HGL_NODISCARD;
/* The host file's `models`. */
int hgl_config_models(struct hgl_config *config, const json_t *table, const char *folder,
                      struct hgl_err *err) HGL_NODISCARD;
void hgl_config_models_deinit(struct hgl_config *config);

/* config_file.c: what config.c reads a tree with. */
int hgl_config_apply(struct hgl_config *config, const json_t *tree, const char *folder,
                     struct hgl_err *err) HGL_NODISCARD;
/* HGL_INVALID: names the key, and the nearest of those that are known (ending with NULL), or all.
 */
int hgl_config_unknown_key(const char *key, const char *const *known,
                           struct hgl_err *err) HGL_NODISCARD;
/* config.c: a formatted text that lives as long as the configuration; NULL: no memory. */
const char *hgl_config_keep(struct hgl_config *config, const char *format, ...) HGL_PRINTF(2, 3);
/* With a count, its instances. What is new is zeroed but for its name and script, which the caller
 * keeps; the pointer is good until the next one comes. HGL_EXISTS. */
int hgl_config_add_agent(struct hgl_config *config, const char *name, uint32_t count,
                         const char *script, struct hgl_node_agent **out,
                         struct hgl_err *err) HGL_NODISCARD;
/* "NAME=file:PATH" and the like (secrets.h). */
int hgl_config_secret(struct hgl_config *config, const char *text,
                      struct hgl_err *err) HGL_NODISCARD;
/* config_grant.c: adds a checked grant "kind=value" to one agent. */
int hgl_config_grant(struct hgl_node_agent *agent, const char *grant,
                     struct hgl_err *err) HGL_NODISCARD;

#endif
