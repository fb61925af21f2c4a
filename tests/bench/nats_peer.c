/* One side of the JetStream exchange that tests/bench/compare measures.
 *
 *   nats_peer publish URL SECONDS   600-byte messages, thousands of acknowledgements in flight
 *   nats_peer consume URL SECONDS   until the publisher's last message, at most SECONDS
 *
 * Prints one JSON object: count, seconds, errors. A message counts for the publisher when the
 * server has acknowledged it (it is then in the stream's file), for the consumer when it has
 * acknowledged it. The server is a child of the script and listens on loopback only. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <nats/nats.h>

enum {
  PAYLOAD_BYTES = 600,
  IN_FLIGHT_MAX = 8192,
  FETCH_MAX = 2000,
  ACK_PENDING_MAX = 100000,
  WAIT_MS = 20000,
  CLOCK_EVERY = 256, /* messages between two looks at the clock */
};
static const int64_t STREAM_BYTES_MAX = INT64_C(8) << 30;
static const char *const STREAM = "EXCHANGE";
static const char *const SUBJECT = "exchange.messages";
static const char LAST = 'L', ORDINARY = 'm'; /* the payload's first byte */

struct tally {
  int64_t count;
  int64_t errors;
  double seconds;
};

static double now_s(void)
{
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void count_refused(jsCtx *js, jsPubAckErr *refused, void *closure)
{
  ++*(int64_t *)closure; /* libnats calls this from one thread; read after PublishAsyncComplete */
}

static natsStatus publish(jsCtx *js, double limit_s, struct tally *out)
{
  char payload[PAYLOAD_BYTES];
  memset(payload, ORDINARY, sizeof payload);
  jsPubOptions wait;
  jsPubOptions_Init(&wait);
  wait.MaxWait = WAIT_MS;

  double start = now_s();
  natsStatus status = NATS_OK;
  while (status == NATS_OK && payload[0] != LAST) {
    if (out->count % CLOCK_EVERY == 0 && now_s() - start >= limit_s) payload[0] = LAST;
    status = js_PublishAsync(js, SUBJECT, payload, sizeof payload, NULL);
    if (status == NATS_OK) out->count++;
  }
  if (status == NATS_OK) status = js_PublishAsyncComplete(js, &wait);
  out->seconds = now_s() - start;
  return status;
}

/* Acknowledges one fetched list; true when it held the publisher's last message. */
static bool acknowledge(natsMsgList *list, struct tally *out)
{
  bool last = false;
  for (int i = 0; i < list->Count; i++) {
    natsMsg *message = list->Msgs[i];
    if (natsMsg_GetDataLength(message) != PAYLOAD_BYTES)
      out->errors++;
    else if (natsMsg_GetData(message)[0] == LAST)
      last = true;
    if (natsMsg_Ack(message, NULL) == NATS_OK)
      out->count++;
    else
      out->errors++;
  }
  return last;
}

static natsStatus consume(natsConnection *connection, jsCtx *js, double limit_s, struct tally *out)
{
  natsSubscription *subscription = NULL;
  jsSubOptions options;
  jsSubOptions_Init(&options);
  options.Stream = STREAM;
  options.Config.AckPolicy = js_AckExplicit;
  options.Config.MaxAckPending = ACK_PENDING_MAX;
  natsStatus status = js_PullSubscribe(&subscription, js, SUBJECT, "exchange", NULL, &options,
                                       NULL);

  double start = 0, deadline = now_s() + limit_s;
  for (bool last = false; status == NATS_OK && !last && now_s() < deadline;) {
    natsMsgList list = {0};
    status = natsSubscription_Fetch(&list, subscription, FETCH_MAX, 1000, NULL);
    if (status == NATS_TIMEOUT) {
      status = NATS_OK;
      continue;
    }
    if (start == 0) start = now_s();
    if (status == NATS_OK) last = acknowledge(&list, out);
    natsMsgList_Destroy(&list);
  }
  if (status == NATS_OK) status = natsConnection_FlushTimeout(connection, WAIT_MS);
  out->seconds = start == 0 ? 0 : now_s() - start;
  natsSubscription_Destroy(subscription);
  return status;
}

static natsStatus create_stream(jsCtx *js)
{
  jsStreamConfig config;
  jsStreamConfig_Init(&config);
  const char *subjects[] = {SUBJECT};
  config.Name = STREAM;
  config.Subjects = subjects;
  config.SubjectsLen = 1;
  config.Storage = js_FileStorage;
  config.MaxBytes = STREAM_BYTES_MAX;
  return js_AddStream(NULL, js, &config, NULL, NULL);
}

int main(int argc, char **argv)
{
  if (argc != 4 || (strcmp(argv[1], "publish") && strcmp(argv[1], "consume"))) {
    fputs("usage: nats_peer publish|consume URL SECONDS\n", stderr);
    return 2;
  }
  double limit_s = strtod(argv[3], NULL);
  struct tally tally = {0};
  natsConnection *connection = NULL;
  jsCtx *js = NULL;
  jsOptions options;
  jsOptions_Init(&options);
  options.PublishAsync.MaxPending = IN_FLIGHT_MAX;
  options.PublishAsync.StallWait = WAIT_MS;
  options.PublishAsync.ErrHandler = count_refused;
  options.PublishAsync.ErrHandlerClosure = &tally.errors;

  natsStatus status = natsConnection_ConnectTo(&connection, argv[2]);
  if (status == NATS_OK) status = natsConnection_JetStream(&js, connection, &options);
  if (status == NATS_OK) status = create_stream(js);
  if (status == NATS_OK)
    status = argv[1][0] == 'p' ? publish(js, limit_s, &tally)
                               : consume(connection, js, limit_s, &tally);
  if (status != NATS_OK) {
    fprintf(stderr, "nats_peer %s: %s\n", argv[1], natsStatus_GetText(status));
    nats_PrintLastErrorStack(stderr);
  } else {
    printf("{\"count\": %lld, \"seconds\": %.6f, \"errors\": %lld}\n", (long long)tally.count,
           tally.seconds, (long long)tally.errors);
  }
  jsCtx_Destroy(js);
  natsConnection_Destroy(connection);
  nats_Close();
  return status == NATS_OK ? 0 : 1;
}
