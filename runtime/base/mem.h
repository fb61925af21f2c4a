/* Allocation: the only way our code takes memory from the heap, so that a test can let the n-th
 * request fail (hgl_mem_fail_after) and see that every failure is handled. Any thread.
 *
 * Requests above HGL_MEM_REQUEST_MAX fail: no length that a peer or a script named may reach
 * the allocator unchecked. */
#ifndef HGL_BASE_MEM_H
#define HGL_BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

#define HGL_MEM_REQUEST_MAX ((size_t)1 << 32)

void *hgl_alloc(size_t size) HGL_NODISCARD;  /* NULL when refused; size 0 gives a pointer */
void *hgl_zalloc(size_t size) HGL_NODISCARD; /* zeroed */
void *hgl_realloc(void *old, size_t size) HGL_NODISCARD;  /* old stays valid when NULL comes back */
void *hgl_array(size_t count, size_t size) HGL_NODISCARD; /* zeroed; NULL on overflow */
char *hgl_strndup(const char *text, size_t size) HGL_NODISCARD; /* adds a NUL */
void *hgl_memdup(const void *data, size_t size) HGL_NODISCARD;
void hgl_free(void *pointer); /* NULL is allowed */
/* After much was freed at once: free pages in the midst of the heap go back to the system. Takes
 * some milliseconds a gigabyte. */
void hgl_mem_trim(void);

/* Makes room for one more element behind the first `count` of a growing array; false: no memory,
 * and nothing has changed. */
#define HGL_GROW(array, count, capacity) hgl_grow(&(array), (count), &(capacity), sizeof *(array))
bool hgl_grow(void *array_pointer, size_t count, size_t *capacity, size_t size) HGL_NODISCARD;

/* For tests: the request after `count` more fails, and every later one; a negative count turns it
 * off. Counts requests on all threads. */
void hgl_mem_fail_after(long count);
/* For tests, too: this is asked at every request, on the thread that makes it, and refuses it by
 * returning true. NULL: nobody is asked. */
void hgl_mem_ask(bool (*refuses)(void));

#endif
