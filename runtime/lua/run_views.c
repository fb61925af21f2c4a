#include "lua/run_views.h"

#include <assert.h>

#include "base/mem.h"
#include "lua/vm_core.h"
#include "protocol/cbor.h"

enum { SPARE_MAX = 64, NAME_SIZE = 6 /* at most, and whether it is in cache */ };

static void release(struct hgl_run_views *views)
{
  for (size_t i = 0; i < views->count; i++)
    if (views->items[i].node) hgl_state_release(views->items[i].node);
  views->count = 0;
}

void hgl_run_views_begin(struct hgl_vm *vm)
{
  struct hgl_run_views *views = &vm->run->views;
  views->epoch = hgl_state_next_epoch(vm->state);
  if (!views->items) {
    views->items = vm->spare_views.items;
    views->capacity = vm->spare_views.capacity;
    vm->spare_views = (struct hgl_run_views){0};
    if (!views->next) views->next = HGL_VIEW_FIRST;
    return;
  }
  for (size_t i = 0; i < views->count; i++)
    *hgl_state_mark(views->items[i].node) = (struct hgl_state_mark){views->epoch,
                                                                    views->items[i].name};
}

/* Those whose view has been collected, the script cannot hold any more. */
static void keep_held(struct hgl_vm *vm, struct hgl_run_views *views)
{
  size_t kept = 0;
  for (size_t i = 0; i < views->count; i++) {
    struct hgl_run_view view = views->items[i];
    if (hgl_bind_state_has_view(vm->L, view.node))
      views->items[kept++] = view;
    else
      hgl_state_release(view.node);
  }
  views->count = kept;
}

void hgl_run_views_end(struct hgl_vm *vm, bool keep)
{
  struct hgl_run_views *views = &vm->run->views;
  if (keep)
    keep_held(vm, views);
  else
    release(views);
  if (views->count || !views->items) return;
  if (views->capacity <= SPARE_MAX && !vm->spare_views.items) {
    vm->spare_views.items = views->items;
    vm->spare_views.capacity = views->capacity;
  } else {
    hgl_free(views->items);
  }
  views->items = NULL;
  views->capacity = 0;
}

void hgl_run_views_forget(struct hgl_vm *vm, struct hgl_vm_run *run)
{
  release(&run->views);
  hgl_free(run->views.items);
  run->views = (struct hgl_run_views){0};
  if (run->views_ref) luaL_unref(vm->L, LUA_REGISTRYINDEX, run->views_ref);
  run->views_ref = 0;
}

uint32_t hgl_run_views_name(struct hgl_vm *vm, struct hgl_state_node *node)
{
  struct hgl_run_views *views = &vm->run->views;
  struct hgl_state_mark *mark = hgl_state_mark(node);
  if (mark->epoch == views->epoch) return mark->name;
  if (!HGL_GROW(views->items, views->count, views->capacity)) {
    vm->journal.full = true;
    return 0;
  }
  hgl_state_hold(node);
  views->items[views->count++] = (struct hgl_run_view){node, views->next};
  *mark = (struct hgl_state_mark){views->epoch, views->next};
  return views->next++;
}

/* What one table takes in hgl_vm_views_places, at most; 0: it stands nowhere. */
static size_t place_size(const struct hgl_run_view *view)
{
  size_t size = hgl_state_path_size(view->node);
  return size ? NAME_SIZE + size : 0;
}

size_t hgl_run_views_held(lua_State *L, size_t *count)
{
  const struct hgl_run_views *views = &hgl_vm_of(L)->run->views;
  size_t size = 0;
  *count = 0;
  luaL_checkstack(L, 4, "view");
  for (size_t i = 0; i < views->count; i++) {
    hgl_stretch_look(L);
    if (!hgl_bind_state_has_view(L, views->items[i].node)) continue;
    size += place_size(&views->items[i]);
    ++*count;
  }
  return size;
}

/* Replays ------------------------------------------------------------------------------------ */

/* The place of the name among the items, which stand in the order of their names. */
static size_t place_of(const struct hgl_run_views *views, uint32_t name)
{
  size_t low = 0, high = views->count;
  while (low < high) {
    size_t middle = (low + high) / 2;
    if (views->items[middle].name < name)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

void hgl_run_views_push(lua_State *L, uint32_t name)
{
  struct hgl_vm *vm = hgl_vm_of(L);
  struct hgl_run_views *views = &vm->run->views;
  size_t at = place_of(views, name);
  struct hgl_state_node *node = NULL;
  struct hgl_err err;
  if (at < views->count && views->items[at].name == name) {
    hgl_bind_state_push(L, views->items[at].node);
    return;
  }
  if (!HGL_GROW(views->items, views->count, views->capacity) ||
      hgl_state_placeholder(vm->state, &node, &err))
    hgl_sandbox_no_memory(L);
  memmove(&views->items[at + 1], &views->items[at], (views->count - at) * sizeof *views->items);
  views->items[at] = (struct hgl_run_view){node, name};
  views->count++;
  if (name >= views->next) views->next = name + 1;
  *hgl_state_mark(node) = (struct hgl_state_mark){views->epoch, name};
  hgl_bind_state_push(L, node);
}

/* Outside of a stretch --------------------------------------------------------------------------
 */

struct hgl_vm_views {
  size_t count;
  struct hgl_run_view items[];
};

static int create(size_t count, struct hgl_vm_views **out, struct hgl_err *err)
{
  struct hgl_vm_views *views = hgl_zalloc(sizeof *views + count * sizeof *views->items);
  if (!views) return hgl_fail(err, HGL_NO_MEMORY, "no memory for a run's views");
  *out = views;
  return 0;
}

int hgl_vm_views_copy(const struct hgl_vm_run *run, struct hgl_vm_views **out, struct hgl_err *err)
{
  struct hgl_vm_views *views = NULL;
  size_t count = run->views.count;
  int status = count ? create(count, &views, err) : 0;
  if (status) return status;
  for (size_t i = 0; i < count; i++) {
    views->items[views->count++] = run->views.items[i];
    hgl_state_hold(run->views.items[i].node);
  }
  *out = views;
  return 0;
}

void hgl_vm_views_destroy(struct hgl_vm_views *views)
{
  for (size_t i = 0; views && i < views->count; i++) hgl_state_release(views->items[i].node);
  hgl_free(views);
}

/* [name, whether it is in cache, path, …] */
int hgl_vm_views_places(const struct hgl_vm *vm, const struct hgl_vm_views *views,
                        struct hgl_buf *out, struct hgl_err *err)
{
  struct hgl_buf places;
  size_t count = 0, left = HGL_VM_PLACES_SIZE_MAX;
  hgl_buf_init(&places, HGL_VM_PLACES_SIZE_MAX);
  for (size_t i = 0; views && i < views->count; i++) {
    const struct hgl_run_view *view = &views->items[i];
    size_t size = place_size(view);
    if (!size || size > left) continue;
    size_t before = places.size;
    hgl_cbor_put_uint(&places, view->name);
    hgl_cbor_put_bool(&places, hgl_state_of(view->node) == vm->cache);
    bool stands = hgl_state_path(view->node, &places);
    assert(stands && places.size - before <= size);
    left -= size;
    count++;
  }
  hgl_cbor_put_list(out, 3 * count);
  hgl_buf_append_bytes(out, hgl_buf_bytes(&places));
  int status = hgl_buf_check(&places, err);
  hgl_buf_deinit(&places);
  return status ? status : hgl_buf_check(out, err);
}

size_t hgl_vm_views_beyond(const struct hgl_vm_views *views)
{
  size_t count = 0, left = HGL_VM_PLACES_SIZE_MAX;
  for (size_t i = 0; views && i < views->count; i++) {
    size_t size = place_size(&views->items[i]);
    if (size > left)
      count++;
    else
      left -= size;
  }
  return count;
}

static int load_view(struct hgl_vm *vm, struct hgl_cbor_reader *in, struct hgl_vm_views *views,
                     struct hgl_err *err)
{
  uint64_t name;
  bool cached;
  struct hgl_bytes path;
  struct hgl_state_node *node;
  int status;
  if ((status = hgl_cbor_get_uint(in, "name", UINT32_MAX, &name, err)) ||
      (status = hgl_cbor_get_bool(in, "cached", &cached, err)) ||
      (status = hgl_cbor_get_value(in, "path", &path, err)) ||
      (status = hgl_state_follow(cached ? vm->cache : vm->state, path, &node, err)))
    return status;
  if (!node) return 0;
  hgl_state_hold(node);
  views->items[views->count++] = (struct hgl_run_view){node, (uint32_t)name};
  return 0;
}

/* All of them were in memory at once, within its limit. If the script itself takes more by now, its
 * handlers fail, rather than the start of its host. */
int hgl_vm_views_load(struct hgl_vm *vm, struct hgl_bytes places, struct hgl_vm_views **out,
                      struct hgl_err *err)
{
  struct hgl_cbor_reader in = hgl_cbor_reader(places);
  struct hgl_vm_views *views = NULL;
  size_t count, memory_max = vm->memory.max;
  vm->memory.max = SIZE_MAX;
  int status = hgl_cbor_get_list(&in, "places", SIZE_MAX, &count, err);
  if (!status && count >= 3) status = create(count / 3, &views, err);
  for (; !status && count >= 3; count -= 3) status = load_view(vm, &in, views, err);
  vm->memory.max = memory_max;
  if (status)
    hgl_vm_views_destroy(views);
  else
    *out = views;
  return status;
}

uint64_t hgl_vm_moves(const struct hgl_vm *vm)
{
  return hgl_state_moves(vm->state) + hgl_state_moves(vm->cache);
}

/* From placeholders to tables --------------------------------------------------------------------
 */

struct binding {
  struct hgl_vm_run *run;
  const struct hgl_vm_views *views;
};

/* Both stand in the order of names. */
static struct hgl_state_node *find(const struct hgl_vm_views *views, uint32_t name)
{
  size_t low = 0, high = views ? views->count : 0;
  while (low < high) {
    size_t middle = (low + high) / 2;
    if (views->items[middle].name == name) return views->items[middle].node;
    if (views->items[middle].name < name)
      low = middle + 1;
    else
      high = middle;
  }
  return NULL;
}

static int bind_all(lua_State *L)
{
  struct binding *binding = lua_touserdata(L, 1);
  struct hgl_vm_run *run = binding->run;
  struct hgl_run_views *views = &run->views;
  size_t kept = 0, count = views->count;
  luaL_checkstack(L, 8, NULL);
  hgl_bind_state_new_views(L);
  lua_pushvalue(L, -1);
  run->views_ref = luaL_ref(L, LUA_REGISTRYINDEX);
  for (size_t i = 0; i < count; i++) {
    struct hgl_run_view view = views->items[i];
    struct hgl_state_node *node = find(binding->views, view.name);
    /* Raises, at the worst, for want of memory: then the run is thrown away as it is. */
    hgl_bind_state_rebind(L, view.node, node);
    if (node) hgl_state_hold(node);
    views->items[i].node = node;
    hgl_state_release(view.node);
  }
  for (size_t i = 0; i < count; i++)
    if (views->items[i].node) views->items[kept++] = views->items[i];
  views->count = kept;
  return 0;
}

int hgl_vm_replayed(struct hgl_vm *vm, struct hgl_vm_run *run, const struct hgl_vm_views *views,
                    struct hgl_err *err)
{
  struct binding binding = {.run = run, .views = views};
  if (!run->views.count) return 0;
  int top = lua_gettop(vm->L);
  int raised = hgl_run_protected(vm, bind_all, &binding);
  lua_settop(vm->L, top);
  if (raised == LUA_OK) return 0;
  return hgl_fail(err, HGL_NO_MEMORY, "no memory for a run's views");
}
