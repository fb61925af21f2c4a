/* LMDB's format, version 1, as far as it has to be known to walk it.
 *
 * Two meta pages, written in turn; the one of the later transaction counts. It names the roots of
 * two trees: the free pages, and the names of the databases, each with a root of its own. A page
 * begins with 16 bytes; behind them a table of two-byte places, growing up to `lower`, and from
 * `upper` to the page's end the nodes that it points to. A value that is too large for a node has
 * pages of its own, in a run. No page belongs to two trees, or to a tree and the free ones. */
#include "store/pages.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "store/damage.h"

struct database {
  uint32_t page_size; /* in the first one of a meta page; unused in the others */
  uint16_t flags, depth;
  uint64_t branch_pages, leaf_pages, overflow_pages, entries, root;
};

struct meta {
  uint32_t magic, version;
  uint64_t address, map_size;
  struct database databases[2]; /* free pages, names */
  uint64_t last_page, transaction;
};

struct page {
  uint64_t number;
  uint16_t unused, flags;
  union {
    struct {
      uint16_t lower, upper;
    };
    uint32_t run; /* of an overflow page: how many pages */
  };
};

struct node {
  struct hgl_bytes key;
  uint16_t flags;
  uint64_t number; /* branch: the child; leaf: the size of the value */
  const uint8_t *value;
  size_t size; /* of the node in its page */
};

enum {
  META_MAGIC = (int)0xBEEFC0DE,
  META_VERSION = 1,
  PAGE_SIZE_MIN = 512,
  PAGE_SIZE_MAX = 1 << 16,
  PAGE_HEAD = sizeof(struct page),
  PAGE_BRANCH = 0x01,
  PAGE_LEAF = 0x02,
  PAGE_OVERFLOW = 0x04,
  PAGE_HARMLESS = 0xC000, /* marks of a commit that mean nothing afterwards */
  NODE_HEAD = 8,
  NODE_RUN = 0x01,
  NODE_DATABASE = 0x02,
  DEPTH_MAX = 32,
};

enum tree { TREE_FREE, TREE_NAMES, TREE_ROWS };

struct walk {
  const uint8_t *map;
  uint64_t page_size, page_count;
  uint8_t *seen;      /* a bit for each page */
  size_t leaves_left; /* of rows, to be looked into */
  struct hgl_err *err;
};

static int fail_page(struct walk *walk, uint64_t number, const char *what)
{
  return hgl_fail(walk->err, HGL_CORRUPT, "page %llu: %s", (unsigned long long)number, what);
}

/* Takes the pages for whoever points to them. */
static int take(struct walk *walk, uint64_t first, uint64_t count)
{
  if (first < 2 || first >= walk->page_count || count > walk->page_count - first)
    return fail_page(walk, first, "there is no such page");
  for (uint64_t i = first; i < first + count; i++) {
    if (walk->seen[i / 8] & 1 << i % 8) return fail_page(walk, i, "it has two owners");
    walk->seen[i / 8] |= (uint8_t)(1 << i % 8);
  }
  return 0;
}

static const uint8_t *page_at(const struct walk *walk, uint64_t number, struct page *out)
{
  const uint8_t *page = walk->map + number * walk->page_size;
  memcpy(out, page, sizeof *out);
  return page;
}

/* ---- what nodes point to ---- */

static int check_run(struct walk *walk, uint64_t first, uint64_t size, const uint8_t **value)
{
  struct page head;
  uint64_t pages = (PAGE_HEAD + size - 1) / walk->page_size + 1;
  int status = take(walk, first, pages);
  if (status) return status;
  *value = page_at(walk, first, &head) + PAGE_HEAD;
  if (head.number != first || (head.flags & ~PAGE_HARMLESS) != PAGE_OVERFLOW || head.run != pages)
    return fail_page(walk, first, "it is not the value that it is taken for");
  return 0;
}

/* Free pages of one transaction: how many, then their numbers, descending. */
static int check_free(struct walk *walk, uint64_t page, const struct node *node,
                      const uint8_t *value)
{
  uint64_t count, number, last = UINT64_MAX;
  if (node->key.size != sizeof number || node->number < sizeof count)
    return fail_page(walk, page, "a list of free pages is cut short");
  memcpy(&count, value, sizeof count);
  if (count > node->number / sizeof number - 1)
    return fail_page(walk, page, "a list of free pages is longer than its value");
  for (uint64_t i = 1; i <= count; i++, last = number) {
    memcpy(&number, value + i * sizeof number, sizeof number);
    if (number >= last) return fail_page(walk, page, "a list of free pages is out of order");
    int status = take(walk, number, 1);
    if (status) return status;
  }
  return 0;
}

static int check_tree(struct walk *walk, const struct database *database, enum tree tree);

static int check_database(struct walk *walk, uint64_t page, const struct node *node)
{
  struct database database;
  if (node->number != sizeof database) return fail_page(walk, page, "a database is not described");
  memcpy(&database, node->value, sizeof database);
  if (database.flags) return fail_page(walk, page, "a database is of a kind that is not used");
  return check_tree(walk, &database, TREE_ROWS);
}

static int check_value(struct walk *walk, uint64_t page, const struct node *node, enum tree tree)
{
  const uint8_t *value = node->value;
  int status = 0;
  uint16_t other = tree == TREE_NAMES ? NODE_DATABASE : NODE_RUN;
  if (node->flags & ~other || (tree == TREE_NAMES && !node->flags))
    return fail_page(walk, page, "an entry is of a kind that is not used");
  if (node->flags == NODE_DATABASE) return check_database(walk, page, node);
  if (node->flags == NODE_RUN) {
    uint64_t first;
    memcpy(&first, node->value, sizeof first);
    status = check_run(walk, first, node->number, &value);
  }
  return !status && tree == TREE_FREE ? check_free(walk, page, node, value) : status;
}

/* ---- pages ---- */

/* false: it does not lie within its page. */
static bool read_node(const struct walk *walk, const uint8_t *page, const struct page *head,
                      size_t index, struct node *out)
{
  uint16_t place, words[4]; /* low and high half, flags, size of the key */
  memcpy(&place, page + PAGE_HEAD + index * sizeof place, sizeof place);
  if (place < head->upper || (size_t)place + NODE_HEAD > walk->page_size) return false;
  memcpy(words, page + place, sizeof words);
  size_t size = NODE_HEAD + (size_t)words[3];
  if (place + size > walk->page_size) return false;
  out->key = hgl_bytes(page + place + NODE_HEAD, words[3]);
  out->number = words[0] | (uint64_t)words[1] << 16;
  out->value = page + place + size;
  out->flags = words[2];
  if (head->flags & PAGE_BRANCH)
    out->number |= (uint64_t)words[2] << 32;
  else
    size += out->flags & NODE_RUN ? sizeof(uint64_t) : out->number;
  out->size = (size + 1) & ~(size_t)1;
  return place + size <= walk->page_size;
}

static bool in_order(struct hgl_bytes before, struct hgl_bytes key, enum tree tree)
{
  if (tree != TREE_FREE) return hgl_bytes_compare(before, key) < 0;
  uint64_t a, b;
  if (before.size != sizeof a || key.size != sizeof b) return false;
  memcpy(&a, before.data, sizeof a);
  memcpy(&b, key.data, sizeof b);
  return a < b;
}

static int check_page(struct walk *walk, uint64_t number, int level, int depth, enum tree tree)
{
  struct page head;
  int status = take(walk, number, 1);
  if (status) return status;
  bool leaf = level == depth;
  if (leaf && tree == TREE_ROWS && walk->leaves_left == 0) return 0;
  if (leaf && tree == TREE_ROWS) walk->leaves_left--;
  const uint8_t *page = page_at(walk, number, &head);
  if (head.number != number || (head.flags & ~PAGE_HARMLESS) != (leaf ? PAGE_LEAF : PAGE_BRANCH))
    return fail_page(walk, number, "it is not the page that it is taken for");
  if (head.lower < PAGE_HEAD || head.lower % 2 || head.upper < head.lower ||
      head.upper > walk->page_size || (!leaf && head.lower == PAGE_HEAD))
    return fail_page(walk, number, "its bounds are wrong");
  size_t count = (head.lower - PAGE_HEAD) / 2, used = 0;
  struct node node, before = {0};
  for (size_t i = 0; i < count && !status; i++, before = node) {
    if (!read_node(walk, page, &head, i, &node))
      return fail_page(walk, number, "an entry does not lie within it");
    used += node.size;
    /* The first key of a branch stands for all that is below the second. */
    if (i > (leaf ? 0 : 1) && !in_order(before.key, node.key, tree))
      return fail_page(walk, number, "its keys are out of order");
    status = leaf ? check_value(walk, number, &node, tree)
                  : check_page(walk, node.number, level + 1, depth, tree);
  }
  if (!status && used > walk->page_size - head.upper)
    return fail_page(walk, number, "its entries overlap");
  return status;
}

static int check_tree(struct walk *walk, const struct database *database, enum tree tree)
{
  if (database->root == UINT64_MAX) return 0;
  if (database->depth < 1 || database->depth > DEPTH_MAX)
    return hgl_fail(walk->err, HGL_CORRUPT, "a tree of %d levels", database->depth);
  return check_page(walk, database->root, 1, database->depth, tree);
}

/* ---- the file ---- */

static bool read_meta(int fd, uint64_t page_size, struct meta *meta)
{
  ssize_t got = pread(fd, meta, sizeof *meta, (off_t)(page_size + PAGE_HEAD));
  return got == (ssize_t)sizeof *meta && meta->magic == (uint32_t)META_MAGIC &&
         meta->version == META_VERSION;
}

/* The meta page that counts. */
static bool find_meta(int fd, uint64_t *page_size, struct meta *meta)
{
  struct meta first, second;
  if (!read_meta(fd, 0, &first)) return false;
  *page_size = first.databases[0].page_size;
  if (*page_size < PAGE_SIZE_MIN || *page_size > PAGE_SIZE_MAX || (*page_size & (*page_size - 1)))
    return false;
  if (!read_meta(fd, *page_size, &second)) return false;
  *meta = second.transaction > first.transaction ? second : first;
  return meta->last_page >= 1 && meta->last_page < INT64_MAX / PAGE_SIZE_MAX;
}

static int walk_file(struct walk *walk, int fd, const struct meta *meta, struct hgl_err *err)
{
  size_t size = walk->page_count * walk->page_size;
  walk->seen = hgl_zalloc(walk->page_count / 8 + 1);
  if (!walk->seen) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  void *map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
  int status = 0;
  if (map == MAP_FAILED) {
    status = hgl_fail(err, HGL_IO, "%s", strerror(errno));
  } else {
    walk->map = map;
    hgl_damage_enter(); /* a page that cannot be read is a fault */
    status = check_tree(walk, &meta->databases[0], TREE_FREE);
    if (!status) status = check_tree(walk, &meta->databases[1], TREE_NAMES);
    hgl_damage_leave();
    munmap(map, size);
  }
  hgl_free(walk->seen);
  return status;
}

int hgl_pages_check(int fd, const char *path, struct hgl_err *err)
{
  static const char advice[] =
      "restore the data folder from a backup, or start with another folder";
  struct walk walk = {.leaves_left = HGL_PAGES_LEAVES_MAX, .err = err};
  struct meta meta;
  struct stat stat;
  if (fstat(fd, &stat)) return hgl_fail(err, HGL_IO, "%s: %s", path, strerror(errno));
  if (!find_meta(fd, &walk.page_size, &meta))
    return hgl_fail(err, HGL_CORRUPT, "%s is damaged: it does not begin like a data file; %s", path,
                    advice);
  walk.page_count = meta.last_page + 1;
  if ((uint64_t)stat.st_size < walk.page_count * walk.page_size)
    return hgl_fail(
        err, HGL_CORRUPT, "%s is damaged: %lld bytes long, at least %llu are in use; %s", path,
        (long long)stat.st_size, (unsigned long long)(walk.page_count * walk.page_size), advice);
  int status = walk_file(&walk, fd, &meta, err);
  if (status != -HGL_CORRUPT) return status ? hgl_fail_in(err, "%s", path) : 0;
  struct hgl_err what = *err;
  return hgl_fail(err, HGL_CORRUPT, "%s is damaged: %s; %s", path, what.message, advice);
}
