/* None of the lexer's requests is refused: what the system does not give comes from a reserve that
 * was taken before, the rest of the text is withheld, and what has been read is thrown away.
 *
 * jansson's allocator is one for the process, so ours stays once it is there, and does what the one
 * before it did for threads that do not read here. Engines hold a copy of this file each: a copy
 * whose allocator is called by another's is there, too. */
#include "base/json_load.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
  RESERVE_LEAST = 256 << 10, /* what 1024 bytes of text can become, and more */
  RESERVE_PER_BYTE = 16,     /* twice what a table or text that doubles takes of it */
};

struct reading {
  const char *text;
  size_t left; /* of the text */
  uint8_t *reserve;
  size_t size, used;
  bool refused;
};

static _Thread_local struct reading *reading; /* NULL: this thread reads nothing */
static _Thread_local bool called;             /* since it was set to false */
static _Atomic(json_malloc_t) usual_allocate;
static _Atomic(json_free_t) usual_release;

static void *from_reserve(size_t size)
{
  uint8_t *memory = reading->reserve + reading->used;
  reading->refused = true;
  size = (size + 15) & ~(size_t)15;
  if (size > reading->size - reading->used) abort(); /* more than the text can need */
  reading->used += size;
  return memory;
}

static void *allocate(size_t size)
{
  called = true;
  void *memory = usual_allocate(size);
  return memory || !reading ? memory : from_reserve(size);
}

static void release(void *memory)
{
  const uint8_t *place = memory;
  if (reading && place >= reading->reserve && place < reading->reserve + reading->size) return;
  usual_release(memory);
}

/* Memory from jansson's allocator, which is ours afterwards or calls ours; NULL: refused. */
static void *take_reserve(size_t size)
{
  static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  json_malloc_t allocates;
  json_free_t releases;
  pthread_mutex_lock(&lock);
  json_get_alloc_funcs(&allocates, &releases);
  called = false;
  void *memory = allocates(size);
  if (!called) {
    usual_allocate = allocates;
    usual_release = releases;
    json_set_alloc_funcs(allocate, release);
  }
  pthread_mutex_unlock(&lock);
  return memory;
}

static void give_back_reserve(void *memory)
{
  json_malloc_t allocates;
  json_free_t releases;
  json_get_alloc_funcs(&allocates, &releases);
  releases(memory);
}

/* 0: the end. */
static size_t next_part(void *buffer, size_t size, void *user)
{
  struct reading *now = user;
  if (now->refused) return 0;
  if (size > now->left) size = now->left;
  if (size) memcpy(buffer, now->text, size);
  now->text += size;
  now->left -= size;
  return size;
}

json_t *hgl_json_load(const char *text, size_t size, size_t flags, bool *refused,
                      json_error_t *error)
{
  struct reading now = {
      .text = text ? text : "", .left = size, .size = RESERVE_LEAST + RESERVE_PER_BYTE * size};
  *refused = true;
  if (error) *error = (json_error_t){.text = "out of memory"};
  if (!(now.reserve = take_reserve(now.size))) return NULL;
  reading = &now;
  json_t *json = json_load_callback(next_part, &now, flags, error);
  if (now.refused) {
    json_decref(json);
    json = NULL;
  }
  reading = NULL;
  give_back_reserve(now.reserve);
  *refused = now.refused;
  return json;
}
