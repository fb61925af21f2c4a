/* haggle service: a host under systemd. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "host/config.h"
#include "host/file.h"
#include "host/keys.h"
#include "host/service_status.h"
#include "host/service_unit.h"
#include "host/text.h"

struct given {
  const char *name, *config, *root, *program;
  struct hgl_texts credentials;
  bool user, print, force, templated;
};

/* Everything made on the way. */
struct install {
  const struct given *given;
  struct hgl_service_options service;
  char program[PATH_MAX], config[PATH_MAX], folder[PATH_MAX], path[PATH_MAX];
  char *secrets[64];
  size_t secret_count;
};

/* Gathering ----------------------------------------------------------------------------------- */

static int find_program(struct install *install, struct hgl_err *err)
{
  const char *path = install->given->program;
  install->service.program = path;
  if (path) return *path == '/' ? 0 : hgl_fail(err, HGL_INVALID, "--program must begin with /");
  if (!realpath("/proc/self/exe", install->program))
    return hgl_fail(err, HGL_IO, "/proc/self/exe: %s", strerror(errno));
  install->service.program = install->program;
  return 0;
}

static int find_config(struct install *install, struct hgl_err *err)
{
  const char *path = install->given->config;
  struct hgl_config config;
  if (!realpath(path, install->config))
    return hgl_fail(err, HGL_NOT_FOUND, "%s: %s", path, strerror(errno));
  hgl_config_init(&config);
  int status = hgl_config_read(&config, install->config, err);
  install->service.config = install->config;
  if (!status && config.node.grace_ms) install->service.grace_ms = config.node.grace_ms;
  if (!status && config.node.listen_address) install->service.listen_port = config.node.listen_port;
  hgl_config_deinit(&config);
  return status;
}

/* "NAME=FILE" with the file's whole path. */
static int add_secret(struct install *install, const char *text, struct hgl_err *err)
{
  char path[PATH_MAX];
  const char *equals = strchr(text, '=');
  if (!equals || equals == text || !equals[1])
    return hgl_fail(err, HGL_INVALID, "a credential is NAME=FILE, not \"%s\"", text);
  int status = hgl_agent_name_check(hgl_bytes(text, (size_t)(equals - text)), err);
  if (status) return status;
  if (!realpath(equals + 1, path))
    return hgl_fail(err, HGL_NOT_FOUND, "%s: %s", equals + 1, strerror(errno));
  if (install->secret_count == sizeof install->secrets / sizeof *install->secrets)
    return hgl_fail(err, HGL_LIMIT, "more than %zu credentials", install->secret_count);
  size_t size = (size_t)(equals - text) + 1 + strlen(path);
  char *secret = hgl_alloc(size + 1);
  if (!secret) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  snprintf(secret, size + 1, "%.*s=%s", (int)(equals - text), text, path);
  install->secrets[install->secret_count++] = secret;
  return hgl_texts_add(&install->service.secrets, secret, err);
}

static int find_folder(struct install *install, struct hgl_err *err)
{
  const char *root = install->given->root ? install->given->root : "", *home = getenv("HOME");
  const char *config_home = getenv("XDG_CONFIG_HOME");
  char unit[128];
  int size;
  if (!install->given->user)
    size = snprintf(install->folder, PATH_MAX, "%s/etc/systemd/system", root);
  else if (config_home && *config_home == '/')
    size = snprintf(install->folder, PATH_MAX, "%s%s/systemd/user", root, config_home);
  else if (home && *home == '/')
    size = snprintf(install->folder, PATH_MAX, "%s%s/.config/systemd/user", root, home);
  else
    return hgl_fail(err, HGL_INVALID, "--user needs $HOME");
  hgl_service_unit_name(&install->service, unit);
  int whole = snprintf(install->path, PATH_MAX, "%s/%s", install->folder, unit);
  return size >= PATH_MAX || whole >= PATH_MAX ? hgl_fail(err, HGL_INVALID, "the path is too long")
                                               : 0;
}

static int gather(struct install *install, struct hgl_err *err)
{
  const struct given *given = install->given;
  install->service = (struct hgl_service_options){.name = given->name,
                                                  .user = given->user,
                                                  .templated = given->templated,
                                                  .grace_ms = HGL_GRACE_MS_DEFAULT};
  int status = find_program(install, err);
  if (!status && !given->templated) status = find_config(install, err);
  for (size_t i = 0; !status && i < given->credentials.count; i++)
    status = add_secret(install, given->credentials.items[i], err);
  return status ? status : find_folder(install, err);
}

/* Writing ------------------------------------------------------------------------------------- */

static int make_folders(const char *path, struct hgl_err *err)
{
  char part[PATH_MAX];
  for (const char *at = path + 1;; at++) {
    if (*at && *at != '/') continue;
    snprintf(part, sizeof part, "%.*s", (int)(at - path), path);
    if (mkdir(part, 0755) && errno != EEXIST)
      return hgl_fail(err, errno == EACCES ? HGL_DENIED : HGL_IO, "%s: %s%s", part, strerror(errno),
                      errno == EACCES ? "; run it as root, or give --user" : "");
    if (!*at) return 0;
  }
}

/* *there: the file is so already. HGL_EXISTS: somebody has changed it by hand. */
static int check_old(const struct install *install, struct hgl_bytes unit, bool *there,
                     struct hgl_err *err)
{
  struct hgl_buf old;
  hgl_buf_init(&old, HGL_UNIT_SIZE_MAX);
  int status = hgl_file_read(install->path, HGL_UNIT_SIZE_MAX, &old, err);
  *there = !status && hgl_bytes_equal(hgl_buf_bytes(&old), unit);
  if (status == -HGL_NOT_FOUND)
    status = 0;
  else if (!status && !install->given->force && !hgl_service_unit_is_ours(hgl_buf_bytes(&old)))
    status = hgl_fail(err, HGL_EXISTS,
                      "%s was changed by hand, and stays as it is; --force writes over it, --print "
                      "shows what would be written",
                      install->path);
  hgl_buf_deinit(&old);
  return status;
}

/* What the service's user will not be able to read. */
static void warn_unreadable(const struct install *install)
{
  struct stat file;
  if (install->given->user || install->given->templated) return;
  if (stat(install->config, &file) == 0 && !(file.st_mode & S_IROTH))
    fprintf(stderr,
            "haggle service: %s can not be read by others; the service runs as a user of its own: "
            "chmod o+r\n",
            install->config);
  if (strncmp(install->config, "/root/", 6) == 0)
    fprintf(stderr,
            "haggle service: the service's user cannot enter /root; /etc/haggle is a better place "
            "for host files and scripts\n");
}

static void print_next(const struct install *install, bool there)
{
  const char *user = install->given->user ? " --user" : "", *unit = strrchr(install->path, '/') + 1;
  hgl_print_escaped(stdout, hgl_text(install->path));
  printf(there ? " is up to date.\n" : " is written. Next:\n\n");
  if (there) return;
  printf("  systemctl%s daemon-reload\n", user);
  if (install->given->templated)
    printf("  systemctl%s enable --now haggle@NAME.service    # runs /etc/haggle/NAME.lua\n", user);
  else
    printf("  systemctl%s enable --now %s\n", user, unit);
  if (install->given->user) printf("  loginctl enable-linger    # it goes on when you log out\n");
}

static int write_unit(const struct install *install, struct hgl_bytes unit, struct hgl_err *err)
{
  bool there = false;
  if (install->given->print) {
    fwrite(unit.data, 1, unit.size, stdout);
    return 0;
  }
  int status = check_old(install, unit, &there, err);
  if (!status && !there) status = make_folders(install->folder, err);
  if (!status && !there) status = hgl_file_replace(install->path, unit, 0644, err);
  if (status) return status;
  warn_unreadable(install);
  print_next(install, there);
  return 0;
}

static int install_unit(const struct hgl_verb *verb, const struct given *given)
{
  struct install *install = hgl_zalloc(sizeof *install);
  struct hgl_err err = {0};
  struct hgl_buf unit;
  hgl_buf_init(&unit, HGL_UNIT_SIZE_MAX);
  int status = install ? 0 : hgl_fail(&err, HGL_NO_MEMORY, "out of memory");
  if (install) {
    install->given = given;
    status = gather(install, &err);
    if (!status) status = hgl_service_unit(&install->service, &unit, &err);
    if (!status) status = write_unit(install, hgl_buf_bytes(&unit), &err);
    for (size_t i = 0; i < install->secret_count; i++) hgl_free(install->secrets[i]);
    hgl_texts_deinit(&install->service.secrets);
  }
  hgl_buf_deinit(&unit);
  hgl_free(install);
  return status ? hgl_verb_fail(verb, &err) : HGL_EXIT_OK;
}

/* Status -------------------------------------------------------------------------------------- */

/* A host of this name has a unit of its own, or one made of the template. */
static int ask(const struct given *given, struct hgl_buf *text, enum hgl_service_state *state,
               struct hgl_err *err)
{
  const struct hgl_service_options service = {.name = given->name};
  char unit[128];
  hgl_service_unit_name(&service, unit);
  int status = hgl_service_status(unit, given->user, text, state, err);
  if (status || *state != HGL_SERVICE_ABSENT || !given->name || given->user) return status;
  hgl_buf_clear(text);
  snprintf(unit, sizeof unit, "haggle@%s.service", given->name);
  return hgl_service_status(unit, given->user, text, state, err);
}

static int show_status(const struct hgl_verb *verb, const struct given *given)
{
  struct hgl_err err = {0};
  struct hgl_buf text;
  enum hgl_service_state state = HGL_SERVICE_ABSENT;
  hgl_buf_init(&text, 16 << 10);
  int status = ask(given, &text, &state, &err);
  if (!status) fwrite(text.data, 1, text.size, stdout);
  hgl_buf_deinit(&text);
  if (status) return hgl_verb_fail(verb, &err);
  return state == HGL_SERVICE_RUNS ? HGL_EXIT_OK : HGL_EXIT_FAILED;
}

/* The verb ------------------------------------------------------------------------------------ */

static int act(const struct hgl_verb *verb, const struct given *given,
               const struct hgl_texts *words)
{
  struct hgl_err err;
  const char *what = words->count == 1 ? words->items[0] : "";
  bool installs = strcmp(what, "install") == 0;
  if (given->name && hgl_agent_name_check(hgl_text(given->name), &err))
    return hgl_usage_fail(verb, "--name: %s", err.message);
  if (strcmp(what, "status") == 0) {
    if (given->config || given->root || given->print || given->force || given->templated ||
        given->program || given->credentials.count)
      return hgl_usage_fail(verb, "status takes --name and --user alone");
    return show_status(verb, given);
  }
  if (!installs) return hgl_usage_fail(verb, "say install or status");
  if (given->templated && (given->config || given->name || given->user))
    return hgl_usage_fail(verb, "--template goes without --config, --name and --user");
  if (!given->templated && !given->config)
    return hgl_usage_fail(verb, "name the host file with --config");
  return install_unit(verb, given);
}

static int service_main(const struct hgl_verb *verb, int argc, char **argv)
{
  struct given given = {0};
  const struct hgl_option options[] = {
      {"config", "HOST.lua", HGL_OPTION_TEXT, &given.config, "install: the host file"},
      {"name", "NAME", HGL_OPTION_TEXT, &given.name, "of the host, where a machine has several"},
      {"user", NULL, HGL_OPTION_FLAG, &given.user, "of your own systemd, without root"},
      {"credential", "NAME=FILE", HGL_OPTION_LIST, &given.credentials,
       "install: a secret that systemd hands over; \"passphrase\"\nopens the host's keys"},
      {"template", NULL, HGL_OPTION_FLAG, &given.templated,
       "install: one unit for many hosts, haggle@NAME.service,\neach with /etc/haggle/NAME.lua"},
      {"print", NULL, HGL_OPTION_FLAG, &given.print, "install: shows the unit, writes nothing"},
      {"force", NULL, HGL_OPTION_FLAG, &given.force,
       "install: writes over a unit that was changed by hand"},
      {"root", "DIR", HGL_OPTION_TEXT, &given.root,
       "install: below this folder, as for the image of a machine"},
      {"program", "PATH", HGL_OPTION_TEXT, &given.program,
       "install: what it starts (default: this program)"},
  };
  struct hgl_texts words = {0};
  int status;
  if (hgl_options_parse(verb, options, sizeof options / sizeof *options, argc, argv, &words,
                        &status))
    status = act(verb, &given, &words);
  hgl_texts_deinit(&words);
  hgl_texts_deinit(&given.credentials);
  return status;
}

const struct hgl_verb hgl_verb_service = {
    .name = "service",
    .usage = "[OPTION…] install|status",
    .summary = "run a host under systemd",
    .help =
        "  install  writes a systemd unit that runs a host file: as a user of its own, confined "
        "to\n"
        "           its data folder (/var/lib/haggle/NAME), watched, restarted when it fails,\n"
        "           stopped with its grace time; `systemctl reload` takes over the host file\n"
        "  status   what systemd says of it, in plain words; exit status 1: it does not run\n\n"
        "  haggle service install --config /etc/haggle/host.lua\n"
        "  haggle service install --config shop.lua --name shop --credential passphrase=shop.pass\n"
        "  haggle service install --user --config ~/haggle/host.lua\n"
        "  haggle service install --config host.lua --print\n"
        "  haggle service status --name shop",
    .main = service_main,
};
