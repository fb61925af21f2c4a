/* What a store keeps its rows in. Two of them: LMDB and memory. The front (store.c) adds the sets
 * that are not stored yet; the writer (writer.c) applies them.
 *
 * `apply` is called by one thread at a time, `pin` and `unpin` by any, everything else by the loop
 * thread; all at once. */
#ifndef HGL_STORE_BACKEND_H
#define HGL_STORE_BACKEND_H

#include "base/buf.h"
#include "store/rows.h"
#include "store/store.h"

struct hgl_backend;

/* A place in one database. Lives on the caller's stack; closed before the next hgl_backend call
 * that is not a read. Reads within reads are fine. */
struct hgl_cursor {
  struct hgl_backend *backend;
  enum hgl_db db;
  bool backwards;
  void *handle; /* LMDB */
  size_t index; /* memory */
};

struct hgl_entry {
  struct hgl_bytes key, value; /* good until the cursor is closed */
};

/* One state of an LMDB file held still: none of its pages is written again until it is let go. */
struct hgl_pin {
  int fd;
  size_t page_size;
  uint64_t length; /* bytes in use */
  uint8_t *metas;  /* its first two pages as they were */
  void *handle;
};

struct hgl_backend_calls {
  /* The one path by which anything becomes durable: all of the sorted rows or, on failure, none.
   * HGL_DISK_FULL, HGL_NO_MEMORY: may be tried again. Any other: the outcome is unknown. */
  int (*apply)(struct hgl_backend *backend, const struct hgl_row *const *rows, size_t count,
               struct hgl_err *err);
  int (*get)(struct hgl_backend *backend, enum hgl_db db, struct hgl_bytes key, struct hgl_buf *out,
             struct hgl_err *err);
  int (*open_cursor)(struct hgl_cursor *cursor, struct hgl_err *err);
  /* 1 and the entry, 0 at the end, or negative. First: at or after the bound; backwards: below it
   * (an empty one: past every key). */
  int (*first)(struct hgl_cursor *cursor, struct hgl_bytes bound, struct hgl_entry *out,
               struct hgl_err *err);
  int (*next)(struct hgl_cursor *cursor, struct hgl_entry *out, struct hgl_err *err);
  void (*close_cursor)(struct hgl_cursor *cursor);
  /* Reads from now on see what has been applied so far. */
  void (*refresh)(struct hgl_backend *backend);
  uint64_t (*file_bytes)(struct hgl_backend *backend);
  /* Any thread; the writer goes on meanwhile, and the file may grow. NULL: cannot be copied. */
  int (*pin)(struct hgl_backend *backend, struct hgl_pin *out, struct hgl_err *err);
  void (*unpin)(struct hgl_backend *backend, struct hgl_pin *pin);
  void (*close)(struct hgl_backend *backend);
};

struct hgl_backend {
  const struct hgl_backend_calls *calls;
};

/* `path` names the data file, which is made when missing. The map starts at `map_size` bytes and
 * doubles when full. */
int hgl_backend_lmdb_open(const char *path, size_t map_size, struct hgl_backend **out,
                          struct hgl_err *err) HGL_NODISCARD;
int hgl_backend_memory_open(struct hgl_backend **out, struct hgl_err *err) HGL_NODISCARD;
/* The next `count` times, apply fails with this code. */
void hgl_backend_memory_fault(struct hgl_backend *backend, enum hgl_code code, int count);

/* "state"; also the name within the file. */
const char *hgl_db_name(enum hgl_db db);

enum { HGL_CHECKSUM_SIZE = 8 };
/* Of a row where it is stored: behind its value. */
void hgl_row_checksum(enum hgl_db db, struct hgl_bytes key, struct hgl_bytes value,
                      uint8_t out[HGL_CHECKSUM_SIZE]);
/* Takes the checksum off a stored value, or HGL_CORRUPT. */
int hgl_row_check(enum hgl_db db, struct hgl_bytes key, struct hgl_bytes stored,
                  struct hgl_bytes *value, struct hgl_err *err) HGL_NODISCARD;

/* For tests: hgl_store_open with another size to start the map with. */
int hgl_store_open_sized(const struct hgl_store_config *config, size_t map_size,
                         struct hgl_store **out, struct hgl_err *err) HGL_NODISCARD;

#endif
