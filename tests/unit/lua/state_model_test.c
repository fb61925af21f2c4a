/* The state tree against a model: random writes go to both, and both must stay the same. The model
   is a plain tree without views, undo or rows. */
#include "state_fixture.h"

struct model {
  int64_t number; /* of a leaf */
  bool is_table;
  size_t count;
  struct {
    int key;
    struct model *value;
  } entries[24];
};

static struct model *model_copy(const struct model *from)
{
  struct model *to = malloc(sizeof *to);
  *to = *from;
  for (size_t i = 0; i < to->count; i++) to->entries[i].value = model_copy(to->entries[i].value);
  return to;
}

static void model_free(struct model *model)
{
  if (!model) return;
  for (size_t i = 0; i < model->count; i++) model_free(model->entries[i].value);
  free(model);
}

static struct model *model_get(const struct model *table, int key)
{
  for (size_t i = 0; i < table->count; i++)
    if (table->entries[i].key == key) return table->entries[i].value;
  return NULL;
}

/* Takes `value` over; entries stay sorted; NULL removes. */
static void model_set(struct model *table, int key, struct model *value)
{
  size_t i = 0;
  while (i < table->count && table->entries[i].key < key) i++;
  bool there = i < table->count && table->entries[i].key == key;
  if (there) model_free(table->entries[i].value);
  if (there && !value) {
    memmove(&table->entries[i], &table->entries[i + 1],
            (--table->count - i) * sizeof table->entries[0]);
  } else if (value) {
    if (!there)
      memmove(&table->entries[i + 1], &table->entries[i],
              (table->count++ - i) * sizeof table->entries[0]);
    table->entries[i].key = key;
    table->entries[i].value = value;
  }
}

enum { KEYS = 20, TEXT_KEYS_FROM = 8, DEPTH = 4 };

/* Keys 1…7 are integers, the others text (long enough to make tables big). */
static struct hgl_state_key key_of(int key, char text[200])
{
  if (key < TEXT_KEYS_FROM) return int_key(key);
  memset(text, 'x', 150);
  snprintf(text, 200, "key%02d", key);
  if (key % 3 == 0) text[5] = 'x', text[150] = 0;
  return text_key(text);
}

static void model_dump(const struct model *model, struct hgl_buf *out)
{
  char text[200];
  hgl_buf_append_text(out, "{");
  for (size_t i = 0; i < model->count; i++) {
    struct hgl_state_key key = key_of(model->entries[i].key, text);
    const struct model *value = model->entries[i].value;
    if (key.is_int)
      hgl_buf_printf(out, "%lld=", (long long)key.integer);
    else
      hgl_buf_printf(out, "%.*s=", HGL_STR(key.text));
    if (value->is_table)
      model_dump(value, out);
    else
      hgl_buf_printf(out, "%lld", (long long)value->number);
    hgl_buf_append_text(out, ",");
  }
  hgl_buf_append_text(out, "}");
}

struct game {
  struct fixture *f;
  struct model *model, *accepted;
  uint64_t random;
  bool failing; /* allocations fail now and then */
};

static unsigned pick(struct game *g, unsigned below)
{
  g->random = g->random * 6364136223846793005u + 1442695040888963407u;
  return (unsigned)(g->random >> 33) % below;
}

static void assert_same(struct game *g)
{
  struct hgl_buf expected;
  hgl_buf_init(&expected, 64 << 20);
  model_dump(g->model, &expected);
  assert_text(g->f->root, text_of_buf(&expected));
  hgl_buf_deinit(&expected);
}

struct place {
  struct hgl_state_node *node;
  struct model *model;
  int key;
  int path[DEPTH + 1];
  size_t depth;
};

static struct place random_place(struct game *g)
{
  struct place place = {.node = g->f->root, .model = g->model};
  char text[200];
  for (;;) {
    place.key = 1 + (int)pick(g, KEYS - 1);
    place.path[place.depth] = place.key;
    struct model *child = model_get(place.model, place.key);
    if (!child || !child->is_table || place.depth + 1 >= DEPTH || pick(g, 4) == 0) return place;
    struct hgl_state_key key = key_of(place.key, text);
    struct hgl_state_value value = nil;
    assert_ok(hgl_state_get(place.node, &key, &value, &err));
    place.node = value.node;
    place.model = child;
    place.depth++;
  }
}

/* One of the two places lies in the other. */
static bool nested(const struct place *a, const struct place *b)
{
  size_t least = a->depth < b->depth ? a->depth : b->depth;
  return memcmp(a->path, b->path, (least + 1) * sizeof(int)) == 0;
}

static size_t model_height(const struct model *model)
{
  size_t most = 0;
  for (size_t i = 0; i < model->count; i++) {
    size_t height = model_height(model->entries[i].value);
    if (height > most) most = height;
  }
  return model->is_table ? most + 1 : 0;
}

/* A write that may be made to fail; true when it was done. */
static bool try_set(struct game *g, struct place *place, const struct hgl_state_value *value)
{
  char text[200];
  struct hgl_state_key key = key_of(place->key, text);
  if (g->failing) hgl_mem_fail_after((long)pick(g, 12));
  int status = hgl_state_set(place->node, &key, value, &err);
  hgl_mem_fail_after(-1);
  if (!g->failing) assert_int_equal(status, 0);
  if (status) assert_int_equal(status, -HGL_NO_MEMORY);
  return status == 0;
}

static struct hgl_state_value value_at(struct place *place)
{
  char text[200];
  struct hgl_state_key key = key_of(place->key, text);
  struct hgl_state_value value = nil;
  assert_ok(hgl_state_get(place->node, &key, &value, &err));
  return value;
}

static void set_scalar(struct game *g)
{
  struct place place = random_place(g);
  struct hgl_state_value value = int_value(pick(g, 1000));
  struct model *leaf = calloc(1, sizeof *leaf);
  leaf->number = value.integer;
  if (try_set(g, &place, &value))
    model_set(place.model, place.key, leaf);
  else
    free(leaf);
}

static void set_table(struct game *g)
{
  struct place place = random_place(g);
  struct hgl_state_node *node = NULL;
  assert_ok(hgl_state_table(g->f->state, &node, &err));
  struct hgl_state_value value = table_value(node);
  struct model *table = calloc(1, sizeof *table);
  table->is_table = true;
  if (try_set(g, &place, &value))
    model_set(place.model, place.key, table);
  else
    free(table);
  hgl_state_release(node);
}

static void remove_entry(struct game *g)
{
  struct place place = random_place(g);
  if (try_set(g, &place, &nil)) model_set(place.model, place.key, NULL);
}

/* to = from; sometimes from = nil afterwards. */
static void assign(struct game *g)
{
  struct place from = random_place(g), to = random_place(g);
  struct model *value = model_get(from.model, from.key);
  if (!value || nested(&from, &to) || to.depth + model_height(value) > DEPTH) return;
  struct model *copy = model_copy(value);
  struct hgl_state_value view = value_at(&from);
  if (!try_set(g, &to, &view)) {
    model_free(copy);
    return;
  }
  model_set(to.model, to.key, copy);
  if (pick(g, 2) && try_set(g, &from, &nil)) model_set(from.model, from.key, NULL);
}

/* a, b = b, a, with a write through one of the two views afterwards. */
static void swap(struct game *g)
{
  struct place a = random_place(g), b = random_place(g);
  struct model *x = model_get(a.model, a.key), *y = model_get(b.model, b.key);
  if (!x || !y || nested(&a, &b)) return;
  if (a.depth + model_height(y) > DEPTH || b.depth + model_height(x) > DEPTH) return;
  struct hgl_state_value in_a = value_at(&a), in_b = value_at(&b);
  if (in_a.kind == HGL_STATE_TABLE) hgl_state_hold(in_a.node);
  if (in_b.kind == HGL_STATE_TABLE) hgl_state_hold(in_b.node);
  x = model_copy(x), y = model_copy(y);
  if (try_set(g, &b, &in_a)) {
    model_set(b.model, b.key, x);
    if (try_set(g, &a, &in_b))
      model_set(a.model, a.key, y);
    else
      model_free(y);
  } else {
    model_free(x);
    model_free(y);
  }
  if (!g->failing && in_a.kind == HGL_STATE_TABLE) {
    assert_ok(put_at(in_a.node, 1, int_value(77)));
    struct model *leaf = calloc(1, sizeof *leaf);
    leaf->number = 77;
    model_set(model_get(b.model, b.key), 1, leaf);
  }
  if (in_a.kind == HGL_STATE_TABLE) hgl_state_release(in_a.node);
  if (in_b.kind == HGL_STATE_TABLE) hgl_state_release(in_b.node);
}

static void reorder(struct game *g)
{
  struct place place = random_place(g);
  int64_t length = 0;
  assert_ok(hgl_state_length(place.node, &length, &err));
  size_t order[16];
  for (size_t i = 0; i < (size_t)length; i++) order[i] = (i + 1) % (size_t)length;
  if (g->failing) hgl_mem_fail_after((long)pick(g, 6));
  int status = hgl_state_reorder(place.node, 1, order, (size_t)length, &err);
  hgl_mem_fail_after(-1);
  if (status || length == 0) return;
  struct model *first = place.model->entries[0].value;
  for (size_t i = 0; i + 1 < (size_t)length; i++)
    place.model->entries[i].value = place.model->entries[i + 1].value;
  place.model->entries[length - 1].value = first;
}

static void end_stretch(struct game *g)
{
  if (pick(g, 3) == 0) {
    hgl_state_roll_back(g->f->state);
    model_free(g->model);
    g->model = model_copy(g->accepted);
  } else {
    hgl_state_accept(g->f->state);
    model_free(g->accepted);
    g->accepted = model_copy(g->model);
  }
  if (pick(g, 2) == 0) {
    if (g->failing) hgl_mem_fail_after((long)pick(g, 60));
    int status = hgl_state_flush(g->f->state, &err);
    hgl_mem_fail_after(-1);
    if (!g->failing) assert_int_equal(status, 0);
  }
  if (pick(g, 3) == 0) {
    assert_ok(hgl_state_flush(g->f->state, &err));
    size_t size = hgl_state_size(g->f->state);
    hgl_state_destroy(g->f->state);
    open_state(g->f);
    assert_int_equal(hgl_state_size(g->f->state), size);
  }
  hgl_state_begin(g->f->state);
}

static void play(struct fixture *f, uint64_t seed, bool failing)
{
  struct game g = {.f = f, .random = seed, .failing = failing};
  static void (*const moves[])(struct game *) = {set_scalar, set_table,    set_table, assign,
                                                 swap,       remove_entry, reorder,   end_stretch};
  g.model = calloc(1, sizeof *g.model);
  g.model->is_table = true;
  g.accepted = model_copy(g.model);
  for (int step = 0; step < 400; step++) {
    moves[pick(&g, 8)](&g);
    assert_same(&g);
  }
  for (int key = 1; key < KEYS; key++) {
    struct place place = {.node = f->root, .key = key};
    g.failing = false;
    assert_true(try_set(&g, &place, &nil));
  }
  reload(f);
  assert_in_range(f->rows.map.count, 0, 1);
  assert_int_equal(hgl_state_size(f->state), 6);
  model_free(g.model);
  model_free(g.accepted);
}

static void state_equals_its_model_through_random_writes(void **arg)
{
  for (uint64_t seed = 1; seed <= 30; seed++) {
    print_message("seed %llu\n", (unsigned long long)seed);
    play(*arg, seed, false);
  }
}

static void state_equals_its_model_when_allocations_fail(void **arg)
{
  for (uint64_t seed = 1; seed <= 30; seed++) {
    print_message("seed %llu\n", (unsigned long long)seed);
    play(*arg, seed, true);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      TEST(state_equals_its_model_through_random_writes),
      TEST(state_equals_its_model_when_allocations_fail),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
