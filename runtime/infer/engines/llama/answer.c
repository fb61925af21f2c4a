#include "model.h"

#include "base/json_load.h"

#include <stdlib.h>
#include <string.h>

/* What stands for bytes that are no character (Unicode, section 3.9). */
static const char replacement[] = "\xef\xbf\xbd";

/* Bytes ---------------------------------------------------------------------------------------- */

static void add_byte(struct sequence *sequence, unsigned char byte)
{
  struct utf8 before = sequence->utf8;
  /* No reader of JSON likes a NUL. */
  if (byte == 0 || !hgl_utf8_bytes_feed(&sequence->utf8, byte)) {
    hgl_text_put(&sequence->text, replacement);
    sequence->begun_size = 0;
    sequence->utf8 = (struct utf8){0};
    /* It may begin a character itself when it broke another. */
    if (before.left > 0) add_byte(sequence, byte);
    return;
  }
  sequence->begun[sequence->begun_size++] = (char)byte;
  if (sequence->utf8.left > 0) return;
  hgl_text_add(&sequence->text, sequence->begun, sequence->begun_size);
  sequence->begun_size = 0;
}

/* Ends ------------------------------------------------------------------------------------------
 */

/* A call of a tool is JSON, whatever texts end an answer. */
static bool calls_a_tool(const struct sequence *sequence)
{
  return sequence->ask.tools && sequence->text.size > 0 && sequence->text.data[0] == '{';
}

/* Where the first text that ends the answer begins, looking from `from` on; or the end. */
static size_t find_stop(const struct sequence *sequence, size_t from)
{
  const struct text *text = &sequence->text;
  size_t found = text->size;
  if (!text->data) return found;
  for (size_t i = 0; i < sequence->ask.stop_count; i++) {
    const struct stop *stop = &sequence->ask.stops[i];
    size_t begin = from > stop->size ? from - stop->size : 0;
    const char *at = memmem(text->data + begin, text->size - begin, stop->data, stop->size);
    if (at && (size_t)(at - text->data) < found) found = (size_t)(at - text->data);
  }
  return found;
}

/* How much of the text may be told: not what could become a text that ends it. */
static size_t tellable(const struct sequence *sequence)
{
  const struct text *text = &sequence->text;
  size_t kept = 0;
  for (size_t i = 0; i < sequence->ask.stop_count; i++) {
    const struct stop *stop = &sequence->ask.stops[i];
    size_t most = stop->size - 1 < text->size ? stop->size - 1 : text->size;
    for (size_t size = most; size > kept; size--)
      if (memcmp(text->data + text->size - size, stop->data, size) == 0) kept = size;
  }
  return text->size - kept;
}

static void tell(const struct haggle_batch *batch, struct sequence *sequence, size_t end)
{
  if (!batch->token || !sequence->text.data || calls_a_tool(sequence)) return;
  /* A stop may begin within a character of what it holds back. */
  while (end > sequence->told && end < sequence->text.size &&
         ((unsigned char)sequence->text.data[end] & 0xc0) == 0x80)
    end--;
  if (end <= sequence->told) return;
  batch->token(batch->host, sequence->request, sequence->text.data + sequence->told,
               end - sequence->told);
  sequence->told = end;
}

bool answer_add(struct model *model, const struct haggle_batch *batch, struct sequence *sequence,
                llama_token token)
{
  size_t size, before = sequence->text.size;
  const char *piece = vocabulary_piece(&model->vocabulary, token, &size);
  for (size_t i = 0; i < size; i++) add_byte(sequence, (unsigned char)piece[i]);
  if (!calls_a_tool(sequence)) {
    size_t stop = find_stop(sequence, before);
    if (stop < sequence->text.size) {
      hgl_text_cut(&sequence->text, stop);
      answer_finish(model, batch, sequence, "stop");
      return true;
    }
    tell(batch, sequence, tellable(sequence));
  }
  if (sequence->text.failed) {
    answer_refuse(model, batch, sequence, HAGGLE_NO_MEMORY, "no memory for the answer");
    return true;
  }
  return false;
}

/* Results ---------------------------------------------------------------------------------------
 */

static void sequence_end(struct model *model, struct sequence *sequence)
{
  constraint_deinit(&sequence->constraint);
  ask_deinit(&sequence->ask);
  hgl_text_deinit(&sequence->text);
  sequence->request = NULL;
  sequence->state = SEQUENCE_IDLE;
  sequence->touched = ++model->clock;
}

void answer_refuse(struct model *model, const struct haggle_batch *batch, struct sequence *sequence,
                   int32_t status, const char *message)
{
  hgl_engine_refuse(batch, sequence->request, status, "%s", message);
  sequence_end(model, sequence);
}

/* What the model has written; NULL: it is no JSON, or memory was refused. */
static json_t *written_value(const struct sequence *sequence, size_t flags, bool *refused)
{
  return hgl_json_load(sequence->text.data, sequence->text.size, flags, refused, NULL);
}

bool answer_is_whole(const struct sequence *sequence)
{
  if (!sequence->ask.schema && !calls_a_tool(sequence)) return false;
  bool refused;
  json_t *value = written_value(sequence, JSON_DECODE_ANY, &refused);
  json_decref(value);
  return value != NULL;
}

/* Finds a call of a tool in the text. New references. */
static json_t *tool_calls(const struct sequence *sequence, bool *refused)
{
  *refused = false;
  if (!calls_a_tool(sequence)) return NULL;
  json_t *value = written_value(sequence, 0, refused);
  json_t *name = json_object_get(value, "call"), *arguments = json_object_get(value, "arguments");
  json_t *calls = NULL, *tool;
  size_t index;
  if (json_object_size(value) == 2 && json_is_string(name) && json_is_object(arguments))
    json_array_foreach(sequence->ask.tools, index,
                       tool) if (json_equal(json_object_get(tool, "name"), name)) calls =
        json_pack("[{s:s, s:O, s:O}]", "id", "call_1", "name", name, "arguments", arguments);
  json_decref(value);
  return calls;
}

static char *result_text(const struct sequence *sequence, const char *finish)
{
  bool refused = false;
  json_t *calls = strcmp(finish, "stop") == 0 ? tool_calls(sequence, &refused) : NULL;
  if (refused) return NULL; /* or a call of a tool would be told as text */
  const char *text = calls || !sequence->text.data ? "" : sequence->text.data;
  size_t size = calls ? 0 : sequence->text.size;
  json_t *result = json_pack("{s:s%, s:s, s:o*, s:{s:i, s:i, s:i}}", "text", text, size, "finish",
                             calls ? "tool_calls" : finish, "tool_calls", calls, "usage", "prompt",
                             (int)sequence->prompt, "reused", (int)sequence->reused, "completion",
                             (int)sequence->written);
  char *written = result ? json_dumps(result, JSON_COMPACT) : NULL;
  json_decref(result);
  return written;
}

/* What a grammar cannot say is looked at here: NULL, or why this is no answer. */
static const char *broken(const struct sequence *sequence, const char *finish, bool *refused)
{
  *refused = false;
  if (!sequence->ask.schema || strcmp(finish, "stop") != 0) return NULL;
  json_t *value = written_value(sequence, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, refused);
  json_decref(value);
  if (value) return NULL;
  return *refused ? "no memory to read the answer"
                  : "the model's answer names a key twice; a schema that lists its properties "
                    "prevents that";
}

void answer_finish(struct model *model, const struct haggle_batch *batch, struct sequence *sequence,
                   const char *finish)
{
  bool refused;
  const char *why = broken(sequence, finish, &refused);
  if (why) {
    answer_refuse(model, batch, sequence, refused ? HAGGLE_NO_MEMORY : HAGGLE_FAILED, why);
    return;
  }
  tell(batch, sequence, sequence->text.size);
  char *text = sequence->text.failed ? NULL : result_text(sequence, finish);
  if (!text) {
    answer_refuse(model, batch, sequence, HAGGLE_NO_MEMORY, "no memory for the answer");
    return;
  }
  struct haggle_result result = {
      .size = sizeof result, .status = HAGGLE_OK, .text = text, .text_size = strlen(text)};
  batch->finish(batch->host, sequence->request, &result);
  free(text);
  sequence_end(model, sequence);
}
