#include "base/mem.h"

#include <stdatomic.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

/* The one piece of process-wide state: seams for tests, off unless a test turns them on. */
static atomic_long requests_left = -1;
static bool (*_Atomic asked)(void);

static bool refused(size_t size)
{
  if (size > HGL_MEM_REQUEST_MAX) return true;
  bool (*refuses)(void) = atomic_load_explicit(&asked, memory_order_relaxed);
  if (refuses && refuses()) return true;
  if (atomic_load_explicit(&requests_left, memory_order_relaxed) < 0) return false;
  long left = atomic_fetch_sub(&requests_left, 1);
  if (left > 0) return false;
  atomic_store(&requests_left, 0);
  return true;
}

void hgl_mem_fail_after(long count)
{
  atomic_store(&requests_left, count < 0 ? -1 : count);
}

void hgl_mem_ask(bool (*refuses)(void))
{
  atomic_store(&asked, refuses);
}

void *hgl_alloc(size_t size)
{
  return refused(size) ? NULL : malloc(size ? size : 1);
}

void *hgl_zalloc(size_t size)
{
  return refused(size) ? NULL : calloc(1, size ? size : 1);
}

void *hgl_realloc(void *old, size_t size)
{
  return refused(size) ? NULL : realloc(old, size ? size : 1);
}

void *hgl_array(size_t count, size_t size)
{
  size_t total;
  if (__builtin_mul_overflow(count, size, &total)) return NULL;
  return hgl_zalloc(total);
}

bool hgl_grow(void *array_pointer, size_t count, size_t *capacity, size_t size)
{
  if (count < *capacity) return true;
  void **array = array_pointer;
  size_t wanted = *capacity ? *capacity * 2 : 8;
  void *bigger = hgl_realloc(*array, wanted * size);
  if (!bigger) return false;
  *array = bigger;
  *capacity = wanted;
  return true;
}

char *hgl_strndup(const char *text, size_t size)
{
  char *copy = hgl_alloc(size + 1);
  if (!copy) return NULL;
  memcpy(copy, text, size);
  copy[size] = 0;
  return copy;
}

void *hgl_memdup(const void *data, size_t size)
{
  void *copy = hgl_alloc(size);
  if (copy && size) memcpy(copy, data, size);
  return copy;
}

void hgl_free(void *pointer)
{
  free(pointer);
}

void hgl_mem_trim(void)
{
  malloc_trim(0);
}
