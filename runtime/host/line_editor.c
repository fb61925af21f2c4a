#include "host/line_editor.h"

#include <histedit.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "host/text.h"

enum { HISTORY_MAX = 1000, NAMES_SHOWN_MAX = 100 };

struct hgl_line_editor {
  EditLine *edit;
  History *history;
  char *path;
  const char *prompt;
  bool cancelled, closed;
  json_t *(*complete)(void *user, struct hgl_bytes text);
  void *user;
};

static struct hgl_line_editor *editor_of(EditLine *edit)
{
  struct hgl_line_editor *editor = NULL;
  el_get(edit, EL_CLIENTDATA, &editor);
  return editor;
}

static char *show_prompt(EditLine *edit)
{
  return (char *)editor_of(edit)->prompt; /* it is only read */
}

/* Ctrl-C while editing: the line is left. */
static unsigned char cancel(EditLine *edit, int key)
{
  editor_of(edit)->cancelled = true;
  return CC_NEWLINE;
}

/* Ctrl-D: on an empty line the end, else deletes the character at the cursor. Typed between two
 * prompts, while the terminal collects lines itself, it comes as a NUL. */
static unsigned char close_line(EditLine *edit, int key)
{
  const LineInfo *line = el_line(edit);
  if (line->buffer == line->lastchar) {
    editor_of(edit)->closed = true;
    return CC_NEWLINE;
  }
  if (line->cursor == line->lastchar) return CC_ERROR;
  el_cursor(edit, 1);
  el_deletestr(edit, 1);
  return CC_REFRESH;
}

/* ---- completion ---- */

/* How much of the name stands before the cursor already. */
static size_t typed(struct hgl_bytes text, const char *name)
{
  size_t size = strlen(name);
  if (size > text.size) size = text.size;
  while (size && memcmp(text.data + text.size - size, name, size) != 0) size--;
  return size;
}

/* What all of them go on with. */
static size_t common(const json_t *names, struct hgl_bytes text)
{
  const char *first = json_string_value(json_array_get(names, 0));
  size_t begin = typed(text, first), size = strlen(first);
  for (size_t i = 1; i < json_array_size(names); i++) {
    const char *other = json_string_value(json_array_get(names, i));
    size_t same = 0;
    while (same < size && other[same] == first[same]) same++;
    size = same;
  }
  return size > begin ? size - begin : 0;
}

static void show_names(const json_t *names)
{
  size_t count = json_array_size(names);
  printf("\n");
  for (size_t i = 0; i < count && i < NAMES_SHOWN_MAX; i++) {
    hgl_print_escaped(stdout, hgl_text(json_string_value(json_array_get(names, i))));
    printf("  ");
  }
  if (count > NAMES_SHOWN_MAX) printf("… %zu more", count - NAMES_SHOWN_MAX);
  printf("\n");
  fflush(stdout);
}

static unsigned char go_on_with(EditLine *edit, const json_t *names, struct hgl_bytes text)
{
  char more[512];
  if (json_array_size(names) == 0) return CC_ERROR;
  const char *first = json_string_value(json_array_get(names, 0));
  size_t size = common(names, text);
  if (size >= sizeof more) return CC_ERROR;
  memcpy(more, first + typed(text, first), size);
  more[size] = 0;
  if (size) return el_insertstr(edit, more) == 0 ? CC_REFRESH : CC_ERROR;
  if (json_array_size(names) == 1) return CC_NORM;
  show_names(names);
  return CC_REDISPLAY;
}

static unsigned char complete_line(EditLine *edit, int key)
{
  struct hgl_line_editor *editor = editor_of(edit);
  const LineInfo *line = el_line(edit);
  struct hgl_bytes text = hgl_bytes(line->buffer, (size_t)(line->cursor - line->buffer));
  json_t *names = editor->complete(editor->user, text);
  unsigned char result = names ? go_on_with(edit, names, text) : CC_ERROR;
  json_decref(names);
  return result;
}

/* ---- life ---- */

static int set_up(struct hgl_line_editor *editor, struct hgl_err *err)
{
  HistEvent event;
  EditLine *edit = editor->edit;
  el_set(edit, EL_CLIENTDATA, editor);
  el_set(edit, EL_PROMPT, show_prompt);
  el_set(edit, EL_EDITOR, "emacs");
  history(editor->history, &event, H_SETSIZE, HISTORY_MAX);
  history(editor->history, &event, H_SETUNIQUE, 1);
  el_set(edit, EL_HIST, history, editor->history);
  el_set(edit, EL_ADDFN, "complete", "what the line may go on with", complete_line);
  el_set(edit, EL_BIND, "^I", "complete", NULL);
  el_set(edit, EL_ADDFN, "cancel", "leaves the line", cancel);
  el_set(edit, EL_BIND, "^C", "cancel", NULL);
  el_set(edit, EL_ADDFN, "close", "ends, or deletes a character", close_line);
  el_set(edit, EL_BIND, "^D", "close", NULL);
  el_set(edit, EL_BIND, "^@", "close", NULL);
  el_set(edit, EL_BIND, "^R", "em-inc-search-prev", NULL);
  el_set(edit, EL_SETTY, "-d", "-isig", NULL);
  if (editor->path) history(editor->history, &event, H_LOAD, editor->path);
  return 0;
}

int hgl_line_editor_create(const char *path, json_t *(*complete)(void *user, struct hgl_bytes),
                           void *user, struct hgl_line_editor **out, struct hgl_err *err)
{
  struct hgl_line_editor *editor = hgl_zalloc(sizeof *editor);
  if (!editor) return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  setlocale(LC_CTYPE, ""); /* how wide a character is */
  editor->complete = complete;
  editor->user = user;
  editor->prompt = "";
  editor->path = path ? hgl_strndup(path, strlen(path)) : NULL;
  editor->history = history_init();
  editor->edit = editor->history ? el_init("haggle", stdin, stdout, stderr) : NULL;
  int status = editor->edit && (editor->path || !path)
                   ? set_up(editor, err)
                   : hgl_fail(err, HGL_NO_MEMORY, "there is no line to edit here");
  if (status) {
    hgl_line_editor_destroy(editor);
    return status;
  }
  *out = editor;
  return 0;
}

/* What was typed is nobody else's. */
static void save_history(struct hgl_line_editor *editor)
{
  HistEvent event;
  mode_t before = umask(077);
  if (editor->path && history(editor->history, &event, H_SAVE, editor->path) >= 0)
    (void)!chmod(editor->path, 0600);
  umask(before);
}

void hgl_line_editor_destroy(struct hgl_line_editor *editor)
{
  if (!editor) return;
  if (editor->edit) {
    save_history(editor);
    el_end(editor->edit);
  }
  if (editor->history) history_end(editor->history);
  hgl_free(editor->path);
  hgl_free(editor);
}

enum hgl_line_end hgl_line_editor_read(struct hgl_line_editor *editor, const char *prompt,
                                       struct hgl_bytes *out)
{
  int size = 0;
  editor->prompt = prompt;
  editor->cancelled = editor->closed = false;
  const char *line = el_gets(editor->edit, &size);
  if (editor->cancelled) {
    printf("\n");
    return HGL_LINE_CANCELLED;
  }
  if (editor->closed || !line || size <= 0) return HGL_LINE_CLOSED;
  *out = hgl_bytes(line, line[size - 1] == '\n' ? (size_t)size - 1 : (size_t)size);
  return HGL_LINE_READ;
}

void hgl_line_editor_remember(struct hgl_line_editor *editor, const char *text)
{
  HistEvent event;
  history(editor->history, &event, H_ENTER, text);
}

int hgl_input_lines(int (*take)(void *user, struct hgl_bytes line, struct hgl_err *err), void *user,
                    struct hgl_err *err)
{
  char *line = NULL;
  size_t capacity = 0;
  ssize_t size;
  int status = 0;
  while (!status && (size = getline(&line, &capacity, stdin)) >= 0) {
    if (size && line[size - 1] == '\n') size--;
    status = take(user, hgl_bytes(line, (size_t)size), err);
  }
  free(line); /* getline's */
  return status;
}
