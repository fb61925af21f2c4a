/* haggle state: what an agent has stored. */
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "host/client.h"
#include "host/text.h"
#include "protocol/value.h"

enum { INDENT = 2, WIDTH = 78, TEXT_SIZE_MAX = 8 << 20 };

struct given {
  const char *data;
  bool json;
  int64_t depth, limit;
};

static void show(const json_t *value, int indent);

static void put_indent(int indent)
{
  printf("\n%*s", indent, "");
}

static void show_scalar(const json_t *value)
{
  struct hgl_buf text;
  hgl_buf_init(&text, TEXT_SIZE_MAX);
  if (hgl_json_print(value, &text, NULL) == 0) hgl_print_escaped(stdout, hgl_buf_bytes(&text));
  hgl_buf_deinit(&text);
}

/* {"$more": n}: a table that was left out. */
static bool is_left_out(const json_t *value)
{
  return json_object_size(value) == 1 && json_is_integer(json_object_get(value, "$more"));
}

static void show_more(const json_t *count, const char *what)
{
  printf("… %lld %s", (long long)json_integer_value(count), what);
}

/* "$3" is the integer 3, and "$$a" the text "$a". */
static void show_key(const char *key)
{
  json_t *text = json_string(key + (key[0] == '$'));
  if (key[0] == '$' && key[1] != '$')
    printf("[%s]: ", key + 1);
  else if (text) {
    show_scalar(text);
    printf(": ");
  }
  json_decref(text);
}

/* In one line, if it has no tables and is short. */
static bool is_short(const json_t *value)
{
  char *text = json_dumps(value, JSON_ENCODE_ANY);
  bool fits = text && strlen(text) < WIDTH / 2;
  free(text);
  return fits;
}

static void show_list(const json_t *list, int indent)
{
  bool flat = is_short(list);
  const json_t *item;
  size_t index;
  printf("[");
  json_array_foreach(list, index, item)
  {
    if (index) printf(flat ? ", " : ",");
    if (!flat) put_indent(indent + INDENT);
    if (is_left_out(item) && index + 1 == json_array_size(list) && index)
      show_more(json_object_get(item, "$more"), "more");
    else
      show(item, indent + INDENT);
  }
  if (!flat) put_indent(indent);
  printf("]");
}

static void show_map(const json_t *map, int indent)
{
  bool flat = is_short(map);
  size_t index = 0;
  const char *key;
  json_t *value;
  printf("{");
  json_object_foreach((json_t *)map, key, value)
  {
    if (index++) printf(flat ? ", " : ",");
    if (!flat) put_indent(indent + INDENT);
    if (strcmp(key, "$more") == 0) {
      show_more(value, "more");
      continue;
    }
    show_key(key);
    show(value, indent + INDENT);
  }
  if (!flat) put_indent(indent);
  printf("}");
}

static bool is_special(const json_t *value)
{
  return json_object_size(value) == 1 &&
         (json_object_get(value, "$int") || json_object_get(value, "$bytes"));
}

static void show(const json_t *value, int indent)
{
  if (is_left_out(value)) {
    printf("{ ");
    show_more(json_object_get(value, "$more"), "deeper }");
  } else if (json_is_object(value) && !is_special(value)) {
    show_map(value, indent);
  } else if (json_is_array(value)) {
    show_list(value, indent);
  } else {
    show_scalar(value);
  }
}

static int look(const struct hgl_verb *verb, const struct given *given,
                const struct hgl_texts *words)
{
  struct hgl_err err = {0};
  json_t *result = NULL;
  json_t *request = json_pack("{s:s, s:s, s:s, s:I, s:I}", "call", "agent.state", "name",
                              words->items[0], "path", words->count > 1 ? words->items[1] : "",
                              "depth", (json_int_t)given->depth, "limit", (json_int_t)given->limit);
  if (!request) return hgl_usage_fail(verb, "the arguments are no UTF-8 text");
  int status = hgl_client_once(given->data, request, HGL_CLIENT_TIMEOUT_MS, &result, &err);
  const json_t *value = json_object_get(result, "value");
  long long left = json_integer_value(json_object_get(result, "left_out"));
  if (!status && given->json) {
    status = hgl_print_json(value, &err);
  } else if (!status) {
    show(value, 0);
    printf("\n");
  }
  fflush(stdout);
  if (!status && left)
    fprintf(stderr,
            "haggle state: %lld entries are left out; name a part, or give --depth or "
            "--limit\n",
            left);
  json_decref(result);
  return status ? hgl_verb_fail(verb, &err) : HGL_EXIT_OK;
}

static int state_main(const struct hgl_verb *verb, int argc, char **argv)
{
  struct given given = {.data = HGL_DATA_DEFAULT, .depth = 6, .limit = 100};
  const struct hgl_option options[] = {
      HGL_CLIENT_OPTIONS(&given.data, &given.json),
      {"depth", "N", HGL_OPTION_COUNT, &given.depth, "tables within each other (default 6)"},
      {"limit", "N", HGL_OPTION_COUNT, &given.limit, "entries of each table (default 100)"},
  };
  struct hgl_texts words = {0};
  int status;
  if (hgl_options_parse(verb, options, sizeof options / sizeof *options, argc, argv, &words,
                        &status))
    status = words.count == 1 || words.count == 2
                 ? look(verb, &given, &words)
                 : hgl_usage_fail(verb, "name an agent, and perhaps a part of its state");
  hgl_texts_deinit(&words);
  return status;
}

const struct hgl_verb hgl_verb_state = {
    .name = "state",
    .usage = "[OPTION…] NAME [PATH]",
    .summary = "show what an agent has stored",
    .help =
        "Shows an agent's committed state, or a part of it. The agent need not run, and one that\n"
        "sleeps is not woken. What is left out is said in its place.\n\n"
        "With --json: the JSON projection of values (integers beyond 2^53 as {\"$int\":…}, bytes\n"
        "as {\"$bytes\":…}); a table with the keys 1 … n is a list, else an integer key n is\n"
        "\"$n\"; {\"$more\": n} stands for n entries that are left out.\n\n"
        "  haggle state kiosk\n"
        "  haggle state kiosk 'lots[3].price'\n"
        "  haggle state kiosk 'users[\"a b\"]' --depth 2\n"
        "  haggle state kiosk --json --limit 100000",
    .main = state_main,
};
