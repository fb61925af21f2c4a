#include "lua/vm_core.h"

#include "base/map.h"
#include "base/mem.h"

/* Chunks by the digest of name and text. Bytecode is only ever what lua_dump wrote here: mutated
 * bytecode crashes Lua, so nothing else is loaded as such. */
struct hgl_chunks {
  struct hgl_map map; /* digest → struct chunk */
  size_t size;
};

struct chunk {
  size_t size;
  uint8_t data[];
};

enum { CODE_SIZE_MAX = 64 << 20, CHUNK_SIZE_MAX = 16 << 20 };

int hgl_chunks_create(struct hgl_chunks **out, struct hgl_err *err)
{
  struct hgl_chunks *chunks = hgl_zalloc(sizeof *chunks);
  if (!chunks) return hgl_fail(err, HGL_NO_MEMORY, "no memory for the cache of scripts");
  hgl_map_init(&chunks->map, 0, 0); /* keys are digests: nobody chooses them */
  *out = chunks;
  return 0;
}

static void forget_all(struct hgl_chunks *chunks)
{
  struct hgl_map_slot *slot;
  for (size_t i = 0; (slot = hgl_map_next(&chunks->map, &i));) hgl_free(slot->value);
  hgl_map_deinit(&chunks->map);
  hgl_map_init(&chunks->map, 0, 0);
  chunks->size = 0;
}

void hgl_chunks_destroy(struct hgl_chunks *chunks)
{
  if (!chunks) return;
  forget_all(chunks);
  hgl_free(chunks);
}

static int write_chunk(lua_State *L, const void *data, size_t size, void *out)
{
  hgl_buf_append(out, data, size);
  return 0;
}

/* Keeps the function on top of L. A cache may fail: the next load compiles again. */
static void remember(struct hgl_chunks *chunks, lua_State *L, struct hgl_bytes digest)
{
  struct hgl_buf dump;
  struct hgl_err ignored;
  struct chunk *chunk = NULL;
  hgl_buf_init(&dump, CHUNK_SIZE_MAX);
  lua_dump(L, write_chunk, &dump, 0);
  if (hgl_buf_check(&dump, &ignored) != 0) goto done;
  if (chunks->size + dump.size > CODE_SIZE_MAX) forget_all(chunks);
  chunk = hgl_alloc(sizeof *chunk + dump.size);
  if (!chunk) goto done;
  chunk->size = dump.size;
  memcpy(chunk->data, dump.data, dump.size);
  if (hgl_map_put(&chunks->map, digest, chunk, &ignored) != 0) goto done;
  chunks->size += chunk->size;
  chunk = NULL;
done:
  hgl_free(chunk);
  hgl_buf_deinit(&dump);
}

static struct hgl_bytes line_of(struct hgl_bytes source, long number)
{
  const uint8_t *at = source.data, *end = source.data + source.size;
  for (; number > 1; number--) {
    at = at < end ? memchr(at, '\n', (size_t)(end - at)) : NULL;
    if (!at++) return hgl_bytes(NULL, 0);
  }
  const uint8_t *stop = at < end ? memchr(at, '\n', (size_t)(end - at)) : NULL;
  if (!stop) stop = end;
  while (at < stop && (*at == ' ' || *at == '\t')) at++;
  while (at < stop && (stop[-1] == '\r' || stop[-1] == ' ')) stop--;
  return hgl_bytes(at, (size_t)(stop - at));
}

void hgl_chunks_quote_line(struct hgl_err *err, struct hgl_bytes source, const char *chunk_name)
{
  enum { QUOTED_SIZE_MAX = 120 };
  size_t name_size = strlen(chunk_name);
  const char *message = err->message;
  if (strncmp(message, chunk_name, name_size) != 0 || message[name_size] != ':') return;
  long number = strtol(message + name_size + 1, NULL, 10);
  struct hgl_bytes line = number > 0 ? line_of(source, number) : hgl_bytes(NULL, 0);
  if (line.size == 0 || strstr(message, " | ")) return;
  if (line.size > QUOTED_SIZE_MAX) line.size = QUOTED_SIZE_MAX;
  size_t used = strlen(message);
  snprintf(err->message + used, sizeof err->message - used, " | %.*s", HGL_STR(line));
}

static int compile(lua_State *L, struct hgl_bytes source, const char *chunk_name,
                   struct hgl_err *err)
{
  const char *named = lua_pushfstring(L, "@%s", chunk_name);
  int status = luaL_loadbufferx(L, (const char *)source.data, source.size, named, "t");
  lua_remove(L, -2);
  if (status == LUA_OK) return 0;
  hgl_fail(err, status == LUA_ERRMEM ? HGL_NO_MEMORY : HGL_SCRIPT, "%s", lua_tostring(L, -1));
  lua_pop(L, 1);
  hgl_chunks_quote_line(err, source, chunk_name);
  return -(int)err->code;
}

int hgl_chunks_load(struct hgl_chunks *chunks, lua_State *L, struct hgl_bytes source,
                    const char *chunk_name, struct hgl_err *err)
{
  if (source.size > HGL_VM_SOURCE_SIZE_MAX)
    return hgl_fail(err, HGL_TOO_LARGE, "%s: %zu bytes of source, limit %d", chunk_name,
                    source.size, HGL_VM_SOURCE_SIZE_MAX);
  struct hgl_hash hash;
  const struct hgl_bytes pieces[] = {hgl_bytes(chunk_name, strlen(chunk_name) + 1), source};
  hgl_sha256(pieces, 2, &hash);
  struct hgl_bytes digest = hgl_bytes(hash.bytes, sizeof hash.bytes);
  const struct chunk *chunk = hgl_map_get(&chunks->map, digest);
  if (chunk) {
    if (luaL_loadbufferx(L, (const char *)chunk->data, chunk->size, chunk_name, "b") == LUA_OK)
      return 0;
    lua_pop(L, 1);
    return hgl_fail(err, HGL_NO_MEMORY, "%s: the memory limit was reached while loading",
                    chunk_name);
  }
  int status = compile(L, source, chunk_name, err);
  if (status == 0) remember(chunks, L, digest);
  return status;
}
