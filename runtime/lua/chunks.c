#include "lua/vm_core.h"

#include "base/map.h"
#include "base/mem.h"

/* Chunks by name, each with the text that it was compiled from: another text of the same name takes
 * its place. Bytecode is only ever what lua_dump wrote here: mutated bytecode crashes Lua, so
 * nothing else is loaded as such. */
struct hgl_chunks {
  struct hgl_map map; /* name → struct chunk */
  size_t size;
};

struct chunk {
  size_t source_size, code_size;
  uint8_t data[]; /* source, code */
};

enum { CODE_SIZE_MAX = 64 << 20, CHUNK_SIZE_MAX = 16 << 20 };

int hgl_chunks_create(struct hgl_chunks **out, struct hgl_err *err)
{
  struct hgl_chunks *chunks = hgl_zalloc(sizeof *chunks);
  if (!chunks) return hgl_fail(err, HGL_NO_MEMORY, "no memory for the cache of scripts");
  hgl_map_init(&chunks->map, 0, 0); /* keys are names of this host's own files */
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

static size_t size_of(const struct chunk *chunk)
{
  return sizeof *chunk + chunk->source_size + chunk->code_size;
}

static void forget(struct hgl_chunks *chunks, struct hgl_bytes name)
{
  struct chunk *chunk = hgl_map_remove(&chunks->map, name);
  if (chunk) chunks->size -= size_of(chunk);
  hgl_free(chunk);
}

/* Keeps the function on top of L. A cache may fail: the next load compiles again. */
static void remember(struct hgl_chunks *chunks, lua_State *L, struct hgl_bytes name,
                     struct hgl_bytes source)
{
  struct hgl_buf code;
  struct hgl_err ignored;
  struct chunk *chunk = NULL;
  forget(chunks, name);
  hgl_buf_init(&code, CHUNK_SIZE_MAX);
  lua_dump(L, write_chunk, &code, 0);
  if (hgl_buf_check(&code, &ignored) != 0) goto done;
  chunk = hgl_alloc(sizeof *chunk + source.size + code.size);
  if (!chunk) goto done;
  *chunk = (struct chunk){source.size, code.size};
  if (source.size > 0) memcpy(chunk->data, source.data, source.size);
  memcpy(chunk->data + source.size, code.data, code.size);
  if (chunks->size + size_of(chunk) > CODE_SIZE_MAX) forget_all(chunks);
  if (hgl_map_put(&chunks->map, name, chunk, &ignored) != 0) goto done;
  chunks->size += size_of(chunk);
  chunk = NULL;
done:
  hgl_free(chunk);
  hgl_buf_deinit(&code);
}

static const struct chunk *find(struct hgl_chunks *chunks, struct hgl_bytes name,
                                struct hgl_bytes source)
{
  const struct chunk *chunk = hgl_map_get(&chunks->map, name);
  if (!chunk || !hgl_bytes_equal(hgl_bytes(chunk->data, chunk->source_size), source)) return NULL;
  return chunk;
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
  struct hgl_bytes name = hgl_bytes(chunk_name, strlen(chunk_name));
  const struct chunk *chunk = find(chunks, name, source);
  if (chunk) {
    const char *code = (const char *)chunk->data + chunk->source_size;
    if (luaL_loadbufferx(L, code, chunk->code_size, chunk_name, "b") == LUA_OK) return 0;
    lua_pop(L, 1);
    return hgl_fail(err, HGL_NO_MEMORY, "%s: the memory limit was reached while loading",
                    chunk_name);
  }
  int status = compile(L, source, chunk_name, err);
  if (status == 0) remember(chunks, L, name, source);
  return status;
}
