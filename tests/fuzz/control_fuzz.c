// uses: hgl_host
/* Requests to the control API over its socket: the input is what a client sends, line by line. The
 * host answers each line, or waits for an agent, and answers the next client as before. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "host/control_api.h"
#include "net/control.h"
#include "host/paths.h"
#include "protocol/crypto.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_SIZE_MAX = 64 * 1024, TURNS_MAX = 10000 };

/* One host for all inputs: it is to stand whatever it was asked. */
struct scene {
  char folder[40];
  struct hgl_loop *loop;
  struct hgl_store *store;
  struct hgl_signer *signer;
  struct hgl_chunks *chunks;
  struct hgl_host *host;
  struct hgl_control_api *api;
};
static struct scene scene = {.folder = "/tmp/haggle-control-fuzz-XXXXXX"};

static void must(int status, const struct hgl_err *err)
{
  if (status == 0) return;
  fprintf(stderr, "%s\n", err->message);
  abort();
}

static void stop(void *user) {}

static int add(void *user, const struct hgl_node_agent *agent, struct hgl_err *err)
{
  return hgl_fail(err, HGL_DENIED, "this host is complete");
}

static int restart(void *user, const char *name, struct hgl_err *err)
{
  return hgl_fail(err, HGL_DENIED, "this host reads no scripts");
}

static int send_nowhere(void *link, struct hgl_bytes frame, struct hgl_err *err)
{
  return hgl_fail(err, HGL_CLOSED, "there is no network");
}

static void want_nobody(void *user, const struct hgl_key *peer, enum hgl_link_want wanted) {}

static void fatal(void *user, const struct hgl_err *why)
{
  must(-1, why);
}

static int agent_signer(void *user, const char *agent, struct hgl_signer **out, struct hgl_err *err)
{
  uint8_t seed[HGL_SEED_SIZE] = {(uint8_t)agent[0]};
  return hgl_signer_create(seed, out, err);
}

static void add_agent(const char *name, const char *source)
{
  struct hgl_err err;
  struct hgl_agent_config config = {.name = name, .script_path = name, .source = hgl_text(source)};
  must(hgl_host_add_agent(scene.host, &config, &err), &err);
}

static void end(void)
{
  hgl_control_api_close(scene.api);
  hgl_host_destroy(scene.host);
  hgl_control_api_destroy(scene.api);
  hgl_loop_destroy(scene.loop);
  hgl_store_close(scene.store);
  hgl_signer_destroy(scene.signer);
  hgl_chunks_destroy(scene.chunks);
  rmdir(scene.folder);
}

static void begin(void)
{
  uint8_t seed[HGL_SEED_SIZE] = {1};
  struct hgl_err err = {0};
  if (scene.host) return;
  struct hgl_store_config store = {.clock = &hgl_clock_system, .log = &hgl_log_none};
  must(hgl_crypto_init(&err), &err);
  if (!mkdtemp(scene.folder)) abort();
  must(hgl_loop_create(&hgl_clock_system, &scene.loop, &err), &err);
  must(hgl_store_open(&store, &scene.store, &err), &err);
  must(hgl_signer_create(seed, &scene.signer, &err), &err);
  must(hgl_chunks_create(&scene.chunks, &err), &err);
  struct hgl_host_config config = {.signer = scene.signer,
                                   .store = scene.store,
                                   .clock = &hgl_clock_system,
                                   .random = &hgl_random_system,
                                   .log = &hgl_log_none,
                                   .transport = {.send = send_nowhere, .want = want_nobody},
                                   .keys = {.signer = agent_signer},
                                   .chunks = scene.chunks,
                                   .fatal = fatal};
  must(hgl_host_create(&config, &scene.host, &err), &err);
  add_agent("operator", "");
  add_agent("echo", "agent.offer { service = 'echo' }\n"
                    "agent.on('echo/1.0/say', function(m) m:reply('said', m.body) end)");
  static const struct hgl_control_actions actions = {.stop = stop, .add = add, .restart = restart};
  must(hgl_control_api_open(scene.loop, scene.host, scene.folder, &actions, &scene.api, &err),
       &err);
  atexit(end);
}

static struct hgl_control_caller *connect_to(void)
{
  struct hgl_socket_path path = {.folder_fd = -1};
  struct hgl_control_caller *caller;
  struct hgl_err err;
  must(hgl_socket_path_open(&path, scene.folder, &err), &err);
  must(hgl_control_connect(path.text, &caller, &err), &err);
  hgl_socket_path_close(&path);
  return caller;
}

/* Until the answer to the last request came. */
static void wait_for_end(struct hgl_control_caller *caller)
{
  struct hgl_err err;
  struct hgl_bytes line;
  for (int i = 0; i < TURNS_MAX; i++) {
    hgl_loop_run_once(scene.loop, 0);
    hgl_host_tick(scene.host);
    while (hgl_control_next(caller, 0, &line, &err) == 0) {
      if (!line.size || line.data[0] != '{') __builtin_trap();
      if (memmem(line.data, line.size, "\"the end\"", strlen("\"the end\""))) return;
    }
  }
  __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  static const char last[] = "\n{\"call\":\"describe\",\"id\":\"the end\"}";
  struct hgl_err err;
  begin();
  if (size > INPUT_SIZE_MAX) return 0;
  struct hgl_control_caller *caller = connect_to();
  must(hgl_control_call(caller, hgl_bytes(data, size), &err), &err);
  must(hgl_control_call(caller, hgl_text(last), &err), &err);
  wait_for_end(caller);
  hgl_control_hang_up(caller);
  return 0;
}
