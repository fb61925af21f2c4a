#include "host/service_unit.h"

#include <stdio.h>
#include <string.h>

#include "host/verb.h"
#include "protocol/crypto.h"

enum {
  STOP_SPARE_S = 10,     /* beyond the grace time */
  WATCHDOG_S = 60,       /* the longest that a tick may take */
  PORT_PRIVILEGED = 1024 /* from here on anybody may listen */
};

static const char mark[] = "# as written by haggle service install: ";

void hgl_service_unit_name(const struct hgl_service_options *service, char out[128])
{
  if (service->templated)
    snprintf(out, 128, "haggle@.service");
  else
    snprintf(out, 128, "haggle%s%.64s.service", service->name ? "-" : "",
             service->name ? service->name : "");
}

/* A word of a command line, as systemd reads it: quotes, backslashes, specifiers (%) and variables
 * ($) mean themselves. */
static int put_word(struct hgl_buf *out, const char *text, bool command, struct hgl_err *err)
{
  hgl_buf_append_text(out, "\"");
  for (const char *at = text; *at; at++) {
    if ((unsigned char)*at < 0x20 || *at == 0x7f)
      return hgl_fail(err, HGL_INVALID, "a unit cannot name a path with control characters");
    if (*at == '"' || *at == '\\') hgl_buf_append_text(out, "\\");
    if (*at == '%' || (*at == '$' && command)) hgl_buf_append(out, at, 1);
    hgl_buf_append(out, at, 1);
  }
  hgl_buf_append_text(out, "\"");
  return 0;
}

/* What comes behind the name of a setting is no command line: it is taken as it stands. */
static int put_path(struct hgl_buf *out, const char *text, struct hgl_err *err)
{
  for (const char *at = text; *at; at++) {
    if ((unsigned char)*at < 0x20 || *at == 0x7f)
      return hgl_fail(err, HGL_INVALID, "a unit cannot name a path with control characters");
    hgl_buf_append_text(out, *at == '%' ? "%" : "");
    hgl_buf_append(out, at, 1);
  }
  return 0;
}

static bool has_passphrase(const struct hgl_service_options *service)
{
  for (size_t i = 0; i < service->secrets.count; i++)
    if (strncmp(service->secrets.items[i], "passphrase=", 11) == 0) return true;
  return false;
}

/* The folder below /var/lib and the like. */
static void put_folder(const struct hgl_service_options *service, struct hgl_buf *out)
{
  hgl_buf_printf(out, "haggle/%s",
                 service->templated ? "%i"
                 : service->name    ? service->name
                                    : "host");
}

static int put_command(const struct hgl_service_options *service, struct hgl_buf *out,
                       struct hgl_err *err)
{
  hgl_buf_append_text(out, "ExecStart=");
  int status = put_word(out, service->program, true, err);
  hgl_buf_append_text(out, " run --config ");
  if (service->templated)
    hgl_buf_append_text(out, "/etc/haggle/%i.lua");
  else if (!status)
    status = put_word(out, service->config, true, err);
  hgl_buf_append_text(out, " --data %S/");
  put_folder(service, out);
  if (has_passphrase(service)) hgl_buf_append_text(out, " --passphrase-file %d/passphrase");
  hgl_buf_append_text(out, "\n");
  return status;
}

static int put_secrets(const struct hgl_service_options *service, struct hgl_buf *out,
                       struct hgl_err *err)
{
  int status = 0;
  for (size_t i = 0; !status && i < service->secrets.count; i++) {
    const char *text = service->secrets.items[i], *equals = strchr(text, '=');
    hgl_buf_printf(out, "LoadCredential=%.*s:", (int)(equals - text), text);
    status = put_path(out, equals + 1, err);
    hgl_buf_append_text(out, "\n");
  }
  return status;
}

static void put_life(const struct hgl_service_options *service, struct hgl_buf *out)
{
  int64_t stop_s = (service->grace_ms + 999) / 1000 + STOP_SPARE_S;
  hgl_buf_printf(
      out,
      "\n# It says itself when it serves, and while a start takes long; a loop that is stuck\n"
      "# is noticed. What cannot get better by itself (%d: usage) is not tried again.\n"
      "Type=notify\n"
      "NotifyAccess=main\n"
      "ExecReload=/bin/kill -HUP $MAINPID\n"
      "Restart=on-failure\n"
      "RestartSec=2s\n"
      "RestartPreventExitStatus=%d\n"
      "WatchdogSec=%ds\n"
      "TimeoutStartSec=120s\n"
      "TimeoutStopSec=%llds\n"
      "LimitNOFILE=65536\n",
      HGL_EXIT_USAGE, HGL_EXIT_USAGE, WATCHDOG_S, (long long)stop_s);
}

/* What both kinds of manager can do. */
static const char confinement[] = "\n# A host needs its data folder, the network and to read; Lua "
                                  "here has no compiler to machine\n"
                                  "# code.\n"
                                  "UMask=0077\n"
                                  "NoNewPrivileges=yes\n"
                                  "LockPersonality=yes\n"
                                  "MemoryDenyWriteExecute=yes\n"
                                  "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX\n"
                                  "RestrictNamespaces=yes\n"
                                  "RestrictRealtime=yes\n"
                                  "RestrictSUIDSGID=yes\n"
                                  "SystemCallArchitectures=native\n"
                                  "SystemCallErrorNumber=EPERM\n"
                                  "SystemCallFilter=@system-service\n"
                                  "SystemCallFilter=~@privileged @resources\n";

/* What takes the rights of the system's manager. ProcSubset= stays: agents may be granted
 * /proc/loadavg and the like. */
static const char system_confinement[] = "DynamicUser=yes\n"
                                         "DevicePolicy=closed\n"
                                         "KeyringMode=private\n"
                                         "PrivateDevices=yes\n"
                                         "PrivateTmp=yes\n"
                                         "ProtectClock=yes\n"
                                         "ProtectControlGroups=yes\n"
                                         "ProtectHostname=yes\n"
                                         "ProtectKernelLogs=yes\n"
                                         "ProtectKernelModules=yes\n"
                                         "ProtectKernelTunables=yes\n"
                                         "ProtectProc=invisible\n"
                                         "ProtectSystem=strict\n"
                                         "RemoveIPC=yes\n";

/* Where ProtectHome= would hide it. */
static bool is_below_home(const char *path)
{
  return path && (strncmp(path, "/home/", 6) == 0 || strncmp(path, "/root/", 6) == 0);
}

static void put_confinement(const struct hgl_service_options *service, struct hgl_buf *out)
{
  hgl_buf_append_text(out, confinement);
  if (service->user) return;
  hgl_buf_append_text(out, system_confinement);
  hgl_buf_printf(out, "ProtectHome=%s\n",
                 is_below_home(service->config) || is_below_home(service->program) ? "read-only"
                                                                                   : "yes");
  if (service->listen_port > 0 && service->listen_port < PORT_PRIVILEGED)
    hgl_buf_append_text(out, "# for its port\nCapabilityBoundingSet=CAP_NET_BIND_SERVICE\n"
                             "AmbientCapabilities=CAP_NET_BIND_SERVICE\n");
  else
    hgl_buf_append_text(out, "CapabilityBoundingSet=\nAmbientCapabilities=\nPrivateUsers=yes\n");
}

static void put_head(const struct hgl_service_options *service, struct hgl_buf *out)
{
  hgl_buf_printf(out,
                 "[Unit]\n"
                 "Description=Haggle host%s%s\n"
                 "Documentation=man:haggle(1)\n"
                 "%s"
                 "StartLimitIntervalSec=300\n"
                 "StartLimitBurst=10\n"
                 "\n[Service]\n",
                 service->templated || service->name ? " " : "",
                 service->templated ? "%i"
                 : service->name    ? service->name
                                    : "",
                 service->user ? "" : "Wants=network-online.target\nAfter=network-online.target\n");
}

static void put_hash(struct hgl_buf *out)
{
  struct hgl_bytes text = hgl_buf_bytes(out);
  struct hgl_hash hash;
  if (out->failed) return;
  hgl_sha256(&text, 1, &hash);
  hgl_buf_append_text(out, mark);
  for (size_t i = 0; i < sizeof hash.bytes; i++) hgl_buf_printf(out, "%02x", hash.bytes[i]);
  hgl_buf_append_text(out, "\n");
}

int hgl_service_unit(const struct hgl_service_options *service, struct hgl_buf *out,
                     struct hgl_err *err)
{
  put_head(service, out);
  int status = put_command(service, out, err);
  if (!status) status = put_secrets(service, out, err);
  if (status) return status;
  hgl_buf_append_text(out, "StateDirectory=");
  put_folder(service, out);
  hgl_buf_append_text(out, "\nStateDirectoryMode=0700\nLogsDirectory=");
  put_folder(service, out);
  hgl_buf_append_text(out, "\n");
  put_life(service, out);
  put_confinement(service, out);
  hgl_buf_printf(out, "\n[Install]\nWantedBy=%s.target\n",
                 service->user ? "default" : "multi-user");
  put_hash(out);
  return hgl_buf_check(out, err);
}

bool hgl_service_unit_is_ours(struct hgl_bytes text)
{
  enum { HASH_TEXT_SIZE = 2 * HGL_HASH_SIZE };
  size_t tail = sizeof mark - 1 + HASH_TEXT_SIZE + 1;
  char hex[HASH_TEXT_SIZE + 1];
  struct hgl_hash hash;
  if (text.size < tail || memcmp(text.data + text.size - tail, mark, sizeof mark - 1) != 0)
    return false;
  struct hgl_bytes rest = hgl_bytes(text.data, text.size - tail);
  hgl_sha256(&rest, 1, &hash);
  for (size_t i = 0; i < sizeof hash.bytes; i++) snprintf(hex + 2 * i, 3, "%02x", hash.bytes[i]);
  return memcmp(text.data + text.size - HASH_TEXT_SIZE - 1, hex, HASH_TEXT_SIZE) == 0;
}
