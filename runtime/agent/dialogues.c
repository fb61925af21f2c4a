/* The dialogues of an agent: for each thread of a declared protocol, where it stands. */
#include "agent/trace.h"

#define IDLE_MAX_MS (INT64_C(7) * 24 * 3600 * 1000) /* of one without a deadline */

struct dialogue {
  struct hgl_dialogue state; /* first member */
  int64_t active_ms;         /* Unix time of its last step */
};

/* How many there are with one peer. */
struct partner {
  size_t count;
};

static struct partner *partner_of(const struct agent *agent, struct hgl_bytes key)
{
  return hgl_map_get(&agent->dialogue_peers, hgl_bytes(key.data, HGL_KEY_SIZE));
}

static void forget(struct agent *agent, struct hgl_bytes key)
{
  struct partner *partner = partner_of(agent, key);
  struct dialogue *held = hgl_map_remove(&agent->dialogues, key);
  if (!held) return;
  hgl_free(held);
  if (--partner->count == 0)
    hgl_free(hgl_map_remove(&agent->dialogue_peers, hgl_bytes(key.data, HGL_KEY_SIZE)));
}

static int remember(struct agent *agent, struct hgl_bytes key, const struct dialogue *dialogue,
                    struct hgl_err *err)
{
  struct partner *partner = partner_of(agent, key), *fresh = NULL;
  struct dialogue *held = hgl_zalloc(sizeof *held);
  if (!partner) partner = fresh = hgl_zalloc(sizeof *fresh);
  int status = held && partner ? 0 : hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  if (!status) status = hgl_map_put(&agent->dialogues, key, held, err);
  if (!status && fresh &&
      (status = hgl_map_put(&agent->dialogue_peers, hgl_bytes(key.data, HGL_KEY_SIZE), fresh, err)))
    hgl_map_remove(&agent->dialogues, key);
  if (status) {
    hgl_free(held);
    hgl_free(fresh);
    return status;
  }
  *held = *dialogue;
  partner->count++;
  return 0;
}

static struct hgl_bytes dialogue_key(const struct hgl_envelope *envelope, bool ours,
                                     uint8_t out[HGL_KEY_SIZE + HGL_ID_SIZE])
{
  memcpy(out, (ours ? envelope->to : envelope->from).bytes, HGL_KEY_SIZE);
  memcpy(out + HGL_KEY_SIZE, envelope->thid.bytes, HGL_ID_SIZE);
  return hgl_bytes(out, HGL_KEY_SIZE + HGL_ID_SIZE);
}

/* The row: the state, then the time of the last step (8): so that a dialogue grows old also at a
 * host that is started again and again. */
static int save(struct agent *agent, struct hgl_bytes key, const struct dialogue *dialogue,
                struct hgl_err *err)
{
  uint8_t active[8];
  uint8_t row[8 + HGL_KEY_SIZE + HGL_ID_SIZE] = {0};
  struct hgl_bytes row_bytes = hgl_bytes(row, sizeof row);
  hgl_put_be64(row, agent->number);
  memcpy(row + 8, key.data, key.size);
  if (!dialogue || dialogue->state.ended)
    return hgl_writeset_delete(host_writes(agent->host), HGL_DB_DIALOGUES, row_bytes, err);
  struct hgl_buf value;
  hgl_buf_init(&value, 256);
  hgl_dialogue_encode(&dialogue->state, &value);
  hgl_put_be64(active, (uint64_t)dialogue->active_ms);
  hgl_buf_append(&value, active, sizeof active);
  int status = hgl_buf_check(&value, err);
  if (!status)
    status = hgl_writeset_put(host_writes(agent->host), HGL_DB_DIALOGUES, row_bytes,
                              hgl_buf_bytes(&value), err);
  hgl_buf_deinit(&value);
  return status;
}

static int check_opening(const struct hgl_definition *definition,
                         const struct hgl_envelope *envelope, struct hgl_err *err)
{
  /* Who has declared nothing (a person, most often) is held to our definition, body by body. */
  if (!envelope->has_definition) return 0;
  if (!hgl_hash_equal(&envelope->definition, hgl_definition_digest(definition)))
    return hgl_fail(err, HGL_DIFFERENT_DEFINITION, "the two sides define %.*s/%.*s differently",
                    HGL_STR(envelope->protocol), HGL_STR(envelope->version));
  return 0;
}

static int check_room(const struct agent *agent, struct hgl_bytes key, struct hgl_err *err)
{
  const struct partner *partner = partner_of(agent, key);
  if (agent->dialogues.count >= (size_t)agent->limits->dialogues)
    return hgl_fail(err, HGL_LIMIT, "%s has %zu open dialogues", agent->name,
                    agent->dialogues.count);
  if (partner && partner->count >= (size_t)agent->limits->dialogues_per_peer)
    return hgl_fail(err, HGL_LIMIT, "%s has %zu open dialogues with this peer", agent->name,
                    partner->count);
  return 0;
}

/* An ended dialogue is forgotten: its thread can neither go on nor be opened again by accident,
 * because an opening always makes a new thread id. Fails for want of memory only: what a stretch
 * ended is open again after its raise, also where the operator permits fewer by now. */
static int set(struct agent *agent, struct hgl_bytes key, const struct dialogue *next,
               struct hgl_err *err)
{
  struct dialogue *held = hgl_map_get(&agent->dialogues, key);
  int status = save(agent, key, next, err);
  if (status) return status;
  if (!next || next->state.ended) {
    forget(agent, key);
    return 0;
  }
  if (!held) return remember(agent, key, next, err);
  *held = *next;
  return 0;
}

int dialogue_step(struct agent *agent, const struct hgl_envelope *envelope, bool ours,
                  struct hgl_err *err)
{
  uint8_t key_bytes[HGL_KEY_SIZE + HGL_ID_SIZE];
  struct hgl_bytes key = dialogue_key(envelope, ours, key_bytes);
  const struct dialogue *held = hgl_map_get(&agent->dialogues, key);
  struct dialogue next = {.active_ms = agent->host->now_ms};
  if (held) next.state = held->state;
  int status;
  if (hgl_bytes_is(envelope->type, "haggle/1.0/refuse")) {
    if (!held) return 0;
    if ((status = hgl_dialogue_refuse(&next.state, err))) return status;
    return set(agent, key, &next, err);
  }
  const struct hgl_definition *definition = manifest_definition(agent->manifest, envelope->protocol,
                                                                envelope->version);
  if (!definition) return 0;
  if (!held && !hgl_id_equal(&envelope->thid, &envelope->id))
    return hgl_fail(err, HGL_PROTOCOL_VIOLATION,
                    "%.*s continues a dialogue that is not open between these two",
                    HGL_STR(envelope->type));
  if (!held && !ours && (status = check_opening(definition, envelope, err))) return status;
  if (held && !ours && held->state.deadline_ms && held->state.deadline_ms < agent->host->now_ms)
    return hgl_fail(err, HGL_PROTOCOL_VIOLATION, "%.*s comes after the deadline of its dialogue",
                    HGL_STR(envelope->type));
  if ((status = hgl_definition_check_body(definition, envelope->performative, envelope->body, err)))
    return status;
  if ((status = hgl_dialogue_step(definition, &next.state, envelope->performative, ours,
                                  agent->host->now_ms, err)))
    return status;
  if (!held && next.state.ended) return 0;
  if (!held && (status = check_room(agent, key, err))) return status;
  return set(agent, key, &next, err);
}

void dialogue_restore(struct agent *agent, const struct dialogue_undo *undo)
{
  struct hgl_err err;
  struct dialogue was = {undo->was, agent->host->now_ms};
  if (set(agent, hgl_bytes(undo->key, sizeof undo->key), undo->existed ? &was : NULL, &err))
    host_fatal(agent->host, &err);
}

int dialogues_expire(struct agent *agent, struct hgl_err *err)
{
  uint8_t late[64][HGL_KEY_SIZE + HGL_ID_SIZE];
  struct hgl_map_slot *slot;
  int64_t until_ms = agent->host->now_ms - HGL_CLOCK_SKEW_MAX_MS;
  size_t count;
  int status = 0;
  do {
    count = 0;
    for (size_t i = 0; count < 64 && (slot = hgl_map_next(&agent->dialogues, &i));) {
      const struct dialogue *dialogue = slot->value;
      int64_t due_ms = dialogue->state.deadline_ms;
      if (due_ms ? due_ms < until_ms : dialogue->active_ms + IDLE_MAX_MS < agent->host->now_ms)
        memcpy(late[count++], slot->key, sizeof *late);
    }
    for (size_t i = 0; i < count && !status; i++) {
      struct hgl_key peer;
      struct hgl_id thid;
      memcpy(peer.bytes, late[i], HGL_KEY_SIZE);
      memcpy(thid.bytes, late[i] + HGL_KEY_SIZE, HGL_ID_SIZE);
      trace_expired(agent, &peer, &thid);
      status = set(agent, hgl_bytes(late[i], sizeof *late), NULL, err);
    }
  } while (!status && count == 64);
  return status;
}

const struct hgl_dialogue *dialogue_find(const struct agent *agent, const struct hgl_key *peer,
                                         const struct hgl_id *thid)
{
  uint8_t key[HGL_KEY_SIZE + HGL_ID_SIZE];
  memcpy(key, peer->bytes, HGL_KEY_SIZE);
  memcpy(key + HGL_KEY_SIZE, thid->bytes, HGL_ID_SIZE);
  const struct dialogue *dialogue = hgl_map_get(&agent->dialogues, hgl_bytes(key, sizeof key));
  return dialogue ? &dialogue->state : NULL;
}

bool dialogue_next(const struct agent *agent, size_t *at, struct hgl_key *peer, struct hgl_id *thid,
                   int64_t *active_ms)
{
  const struct hgl_map_slot *slot = hgl_map_next(&agent->dialogues, at);
  if (!slot) return false;
  memcpy(peer->bytes, slot->key, HGL_KEY_SIZE);
  memcpy(thid->bytes, slot->key + HGL_KEY_SIZE, HGL_ID_SIZE);
  *active_ms = ((const struct dialogue *)slot->value)->active_ms;
  return true;
}

static int load_dialogue(void *user, struct hgl_bytes key, struct hgl_bytes value,
                         struct hgl_err *err)
{
  struct agent *agent = user;
  if (key.size != 8 + HGL_KEY_SIZE + HGL_ID_SIZE)
    return hgl_fail(err, HGL_CORRUPT, "a stored dialogue has a bad key");
  struct dialogue dialogue;
  enum { TIME_SIZE = 8 };
  if (value.size < TIME_SIZE) return hgl_fail(err, HGL_CORRUPT, "a stored dialogue is cut off");
  struct hgl_bytes state = hgl_bytes(value.data, value.size - TIME_SIZE);
  int status = hgl_dialogue_decode(state, &dialogue.state, err);
  if (status) return status;
  dialogue.active_ms = (int64_t)hgl_get_be64(value.data + state.size);
  struct hgl_bytes name = hgl_bytes(key.data + 8, key.size - 8);
  if (dialogue.active_ms == 0) { /* of an older schema: from now on */
    dialogue.active_ms = hgl_wall_ms(agent->host->config.clock);
    if ((status = save(agent, name, &dialogue, err))) return status;
  }
  return remember(agent, name, &dialogue, err);
}

int dialogues_load(struct agent *agent, struct hgl_err *err)
{
  uint8_t prefix[8];
  return hgl_store_scan(agent->host->config.store, HGL_DB_DIALOGUES, row_key(agent->number, prefix),
                        hgl_bytes(NULL, 0), false, load_dialogue, agent, err);
}

void dialogues_deinit(struct agent *agent)
{
  struct hgl_map_slot *slot;
  for (size_t i = 0; (slot = hgl_map_next(&agent->dialogues, &i));) hgl_free(slot->value);
  for (size_t i = 0; (slot = hgl_map_next(&agent->dialogue_peers, &i));) hgl_free(slot->value);
  hgl_map_deinit(&agent->dialogues);
  hgl_map_deinit(&agent->dialogue_peers);
}
