/* Queries as text, by recursive descent into the value form that query.c compiles: so the two forms
 * cannot mean different things.
 *
 *   query = [ any ] { "order" FIELD | "limit" N }
 *   any   = all { "or" all }
 *   all   = term { [ "and" ] term }
 *   term  = "not" term | "(" any ")" | "has" FIELD | "near" place
 *         | FIELD ( OPERATOR literal | "in" "(" literal { "," literal } ")" | "near" place )
 *   place = "(" number "," number "," number [ "km" ] ")" */
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "protocol/query.h"
#include "protocol/scalar.h"

enum token_kind { END, WORD, QUOTED, OPERATOR, OPEN, CLOSE, COMMA };

struct token {
  enum token_kind kind;
  size_t column;         /* bytes from 1 */
  struct hgl_bytes text; /* as written; of QUOTED without the quotes, escapes still in it */
};

struct parser {
  struct hgl_bytes text;
  size_t at;          /* behind `token` */
  struct token token; /* the one to look at */
  int depth;
};

/* One level of the grammar: its members so far, as encoded conditions. */
struct members {
  struct hgl_buf items;
  size_t count;
};

static int HGL_PRINTF(3, 4) fail_at(struct hgl_err *err, size_t column, const char *format, ...)
{
  char what[HGL_ERR_MESSAGE_SIZE];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(what, sizeof what, format, arguments);
  va_end(arguments);
  return hgl_fail(err, HGL_MALFORMED, "query, column %zu: %s", column, what);
}

static int fail_expected(const struct parser *parser, const char *expected, struct hgl_err *err)
{
  char shown[HGL_SHOW_SIZE];
  if (parser->token.kind == END)
    return fail_at(err, parser->token.column, "%s is expected, the query ends", expected);
  return fail_at(err, parser->token.column, "%s is expected, got '%s'", expected,
                 hgl_text_show(parser->token.text, shown));
}

/* Tokens --------------------------------------------------------------------------------------- */

static bool is_space(uint8_t byte)
{
  return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
}

static bool is_word(uint8_t byte)
{
  return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
         (byte >= '0' && byte <= '9') || byte >= 0x80 || (byte && strchr("._/:-+@%", byte));
}

static int scan_quoted(struct parser *parser, struct hgl_err *err)
{
  const struct hgl_bytes text = parser->text;
  size_t start = parser->at, at = start + 1;
  while (at < text.size && text.data[at] != text.data[start]) at += text.data[at] == '\\' ? 2 : 1;
  if (at >= text.size) return fail_at(err, start + 1, "this quote is never closed");
  parser->token = (struct token){QUOTED, start + 1,
                                 hgl_bytes(text.data + start + 1, at - start - 1)};
  parser->at = at + 1;
  return 0;
}

static int advance(struct parser *parser, struct hgl_err *err)
{
  const struct hgl_bytes text = parser->text;
  while (parser->at < text.size && is_space(text.data[parser->at])) parser->at++;
  size_t start = parser->at, at = start;
  enum token_kind kind = END;
  if (at < text.size) {
    uint8_t byte = text.data[at];
    bool equals_next = at + 1 < text.size && text.data[at + 1] == '=';
    if (byte == '"' || byte == '\'') return scan_quoted(parser, err);
    if (is_word(byte)) {
      kind = WORD;
      while (at < text.size && is_word(text.data[at])) at++;
    } else if (byte == '=' || byte == '<' || byte == '>' || (byte == '!' && equals_next)) {
      kind = OPERATOR;
      at += equals_next && byte != '=' ? 2 : 1;
    } else if (byte == '(' || byte == ')' || byte == ',') {
      kind = byte == '(' ? OPEN : byte == ')' ? CLOSE : COMMA;
      at++;
    } else {
      char shown[HGL_SHOW_SIZE];
      return fail_at(err, start + 1, "'%s' means nothing here; put text in \"quotes\"",
                     hgl_text_show(hgl_bytes(text.data + start, 1), shown));
    }
  }
  parser->token = (struct token){kind, start + 1, hgl_bytes(text.data + start, at - start)};
  parser->at = at;
  return 0;
}

static bool at_word(const struct parser *parser, const char *word)
{
  return parser->token.kind == WORD && hgl_bytes_is(parser->token.text, word);
}

static int expect(struct parser *parser, enum token_kind kind, const char *what,
                  struct hgl_err *err)
{
  if (parser->token.kind != kind) return fail_expected(parser, what, err);
  return advance(parser, err);
}

static bool is_reserved(struct hgl_bytes word)
{
  static const char *const words[] = {"and", "or", "not", "has", "in", "near", "order", "limit"};
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
    if (hgl_bytes_is(word, words[i])) return true;
  return false;
}

/* Literals ------------------------------------------------------------------------------------- */

static void put_unescaped(struct hgl_bytes text, struct hgl_buf *out)
{
  for (size_t i = 0; i < text.size; i++) {
    uint8_t byte = text.data[i];
    if (byte == '\\' && i + 1 < text.size) {
      byte = text.data[++i];
      byte = byte == 'n' ? '\n' : byte == 't' ? '\t' : byte;
    }
    hgl_buf_append_byte(out, byte);
  }
}

static int put_text(const struct token *token, struct hgl_buf *out, struct hgl_err *err)
{
  if (token->kind != QUOTED) {
    hgl_cbor_put_text(out, token->text);
    return 0;
  }
  struct hgl_buf plain;
  hgl_buf_init(&plain, HGL_QUERY_TEXT_SIZE_MAX);
  put_unescaped(token->text, &plain);
  int status = hgl_buf_check(&plain, err);
  if (!status) hgl_cbor_put_text(out, hgl_buf_bytes(&plain));
  hgl_buf_deinit(&plain);
  return status;
}

static size_t digits(struct hgl_bytes text, size_t at)
{
  size_t start = at;
  while (at < text.size && text.data[at] >= '0' && text.data[at] <= '9') at++;
  return at - start;
}

/* -?digits(.digits)?(e[+-]?digits)? ; *is_integer: neither of the two. */
static bool is_number(struct hgl_bytes word, bool *is_integer)
{
  size_t at = word.size && word.data[0] == '-', count = digits(word, at);
  if (!count) return false;
  at += count;
  *is_integer = at == word.size;
  if (at < word.size && word.data[at] == '.') {
    if (!(count = digits(word, at + 1))) return false;
    at += 1 + count;
  }
  if (at < word.size && (word.data[at] | 0x20) == 'e') {
    at++;
    if (at < word.size && (word.data[at] == '-' || word.data[at] == '+')) at++;
    if (!(count = digits(word, at))) return false;
    at += count;
  }
  return at == word.size;
}

static int put_number(struct hgl_bytes word, size_t column, bool is_integer, struct hgl_buf *out,
                      struct hgl_err *err)
{
  char text[64];
  if (word.size >= sizeof text) return fail_at(err, column, "the number is too long");
  memcpy(text, word.data, word.size);
  text[word.size] = 0;
  errno = 0;
  if (is_integer) {
    long long integer = strtoll(text, NULL, 10);
    if (errno) return fail_at(err, column, "the integer does not fit 64 bits");
    hgl_cbor_put_int(out, integer);
    return 0;
  }
  double number = strtod(text, NULL);
  if (!isfinite(number)) return fail_at(err, column, "the number is too large");
  hgl_cbor_put_double(out, number);
  return 0;
}

static int parse_literal(struct parser *parser, struct hgl_buf *out, struct hgl_err *err)
{
  const struct token token = parser->token;
  bool is_integer;
  int status = 0;
  if (token.kind != WORD && token.kind != QUOTED) return fail_expected(parser, "a value", err);
  bool is_word = token.kind == WORD;
  if (is_word && (hgl_bytes_is(token.text, "true") || hgl_bytes_is(token.text, "false")))
    hgl_cbor_put_bool(out, token.text.data[0] == 't');
  else if (is_word && is_number(token.text, &is_integer))
    status = put_number(token.text, token.column, is_integer, out, err);
  else
    status = put_text(&token, out, err);
  return status ? status : advance(parser, err);
}

/* Terms ---------------------------------------------------------------------------------------- */

/* {field: {operator: …}} up to the operand. */
static int put_condition(const struct token *field, const char *operator, struct hgl_buf * out,
                         struct hgl_err *err)
{
  hgl_cbor_put_map(out, 1);
  int status = put_text(field, out, err);
  hgl_cbor_put_map(out, 1);
  hgl_cbor_put_literal(out, operator);
  return status;
}

static int parse_field(struct parser *parser, struct token *out, struct hgl_err *err)
{
  struct token token = parser->token;
  char shown[HGL_SHOW_SIZE];
  if (token.kind != QUOTED && token.kind != WORD) return fail_expected(parser, "a field", err);
  if (token.kind == WORD && is_reserved(token.text))
    return fail_at(err, token.column, "a field is expected; put '%s' in quotes if it is one",
                   hgl_text_show(token.text, shown));
  *out = token;
  return advance(parser, err);
}

/* "(" number "," number "," number [ "km" ] ")" as a list. */
static int parse_place(struct parser *parser, struct hgl_buf *out, struct hgl_err *err)
{
  int status = expect(parser, OPEN, "'('", err);
  hgl_cbor_put_list(out, 3);
  for (int i = 0; !status && i < 3; i++) {
    bool is_integer;
    if (i && (status = expect(parser, COMMA, "','", err))) break;
    struct hgl_bytes word = parser->token.text;
    if (i == 2 && word.size > 2 && memcmp(word.data + word.size - 2, "km", 2) == 0) word.size -= 2;
    if (parser->token.kind != WORD || !is_number(word, &is_integer))
      return fail_expected(parser,
                           i == 2 ? "kilometres, like 30km,"
                           : i    ? "a longitude"
                                  : "a latitude",
                           err);
    if ((status = put_number(word, parser->token.column, is_integer, out, err)) ||
        (status = advance(parser, err)))
      break;
  }
  return status ? status : expect(parser, CLOSE, "')'", err);
}

/* "in" is passed: "(" literal { "," literal } ")" as a list. */
static int parse_options(struct parser *parser, struct hgl_buf *out, struct hgl_err *err)
{
  struct members options = {.count = 0};
  hgl_buf_init(&options.items, HGL_QUERY_SIZE_MAX);
  int status = expect(parser, OPEN, "'(' after in", err);
  while (!status && !(status = parse_literal(parser, &options.items, err))) {
    options.count++;
    if (parser->token.kind != COMMA) break;
    status = advance(parser, err);
  }
  if (!status) status = expect(parser, CLOSE, "',' or ')'", err);
  if (!status) status = hgl_buf_check(&options.items, err);
  if (!status) {
    hgl_cbor_put_list(out, options.count);
    hgl_buf_append_bytes(out, hgl_buf_bytes(&options.items));
  }
  hgl_buf_deinit(&options.items);
  return status;
}

static int parse_comparison(struct parser *parser, struct hgl_buf *out, struct hgl_err *err)
{
  static const struct {
    const char *sign, *operator;
  } signs[] = {{"=", "is"},        {"!=", "not"},  {"<=", "at_most"},
               {">=", "at_least"}, {"<", "below"}, {">", "above"}};
  struct token field = {0};
  int status = parse_field(parser, &field, err);
  if (status) return status;
  if (at_word(parser, "in")) {
    if ((status = advance(parser, err)) || (status = put_condition(&field, "one_of", out, err)))
      return status;
    return parse_options(parser, out, err);
  }
  if (at_word(parser, "near")) {
    if ((status = advance(parser, err)) || (status = put_condition(&field, "near", out, err)))
      return status;
    return parse_place(parser, out, err);
  }
  for (size_t i = 0; i < sizeof signs / sizeof signs[0]; i++)
    if (parser->token.kind == OPERATOR && hgl_bytes_is(parser->token.text, signs[i].sign)) {
      if ((status = advance(parser, err)) ||
          (status = put_condition(&field, signs[i].operator, out, err)))
        return status;
      return parse_literal(parser, out, err);
    }
  return fail_expected(parser, "= != < <= > >=, in or near", err);
}

static int parse_any(struct parser *parser, struct hgl_buf *out, struct hgl_err *err);
static int parse_term(struct parser *parser, struct hgl_buf *out, struct hgl_err *err);

static int parse_nested(struct parser *parser, struct hgl_buf *out, struct hgl_err *err)
{
  if (parser->depth == HGL_QUERY_DEPTH_MAX)
    return fail_at(err, parser->token.column, "nested deeper than %d", HGL_QUERY_DEPTH_MAX);
  bool is_not = parser->token.kind == WORD;
  parser->depth++;
  int status = advance(parser, err);
  if (!status && is_not) {
    hgl_cbor_put_map(out, 1);
    hgl_cbor_put_literal(out, "none");
    hgl_cbor_put_list(out, 1);
    status = parse_term(parser, out, err);
  } else if (!status) {
    status = parse_any(parser, out, err);
    if (!status) status = expect(parser, CLOSE, "')'", err);
  }
  parser->depth--;
  return status;
}

static int parse_term(struct parser *parser, struct hgl_buf *out, struct hgl_err *err)
{
  struct token field = {0};
  int status;
  if (parser->token.kind == OPEN || at_word(parser, "not")) return parse_nested(parser, out, err);
  if (at_word(parser, "has")) {
    if ((status = advance(parser, err)) || (status = parse_field(parser, &field, err)) ||
        (status = put_condition(&field, "has", out, err)))
      return status;
    hgl_cbor_put_bool(out, true);
    return 0;
  }
  if (at_word(parser, "near")) {
    hgl_cbor_put_map(out, 1);
    hgl_cbor_put_literal(out, "near");
    return (status = advance(parser, err)) ? status : parse_place(parser, out, err);
  }
  return parse_comparison(parser, out, err);
}

/* One member stands for itself, several go under `all` or `any`. */
static int put_members(struct members *members, const char *group, struct hgl_buf *out,
                       struct hgl_err *err)
{
  int status = hgl_buf_check(&members->items, err);
  if (status) return status;
  if (members->count > 1) {
    hgl_cbor_put_map(out, 1);
    hgl_cbor_put_literal(out, group);
    hgl_cbor_put_list(out, members->count);
  }
  hgl_buf_append_bytes(out, hgl_buf_bytes(&members->items));
  return 0;
}

static bool at_end_of_all(const struct parser *parser)
{
  return parser->token.kind == END || parser->token.kind == CLOSE || at_word(parser, "or") ||
         at_word(parser, "order") || at_word(parser, "limit");
}

static int parse_all(struct parser *parser, struct hgl_buf *out, struct hgl_err *err)
{
  struct members members = {.count = 0};
  int status = 0;
  hgl_buf_init(&members.items, HGL_QUERY_SIZE_MAX);
  do {
    if (members.count && at_word(parser, "and") && (status = advance(parser, err))) break;
    status = parse_term(parser, &members.items, err);
    members.count++;
  } while (!status && !at_end_of_all(parser));
  if (!status) status = put_members(&members, "all", out, err);
  hgl_buf_deinit(&members.items);
  return status;
}

static int parse_any(struct parser *parser, struct hgl_buf *out, struct hgl_err *err)
{
  struct members members = {.count = 0};
  int status;
  hgl_buf_init(&members.items, HGL_QUERY_SIZE_MAX);
  while (!(status = parse_all(parser, &members.items, err))) {
    members.count++;
    if (!at_word(parser, "or")) break;
    if ((status = advance(parser, err))) break;
  }
  if (!status) status = put_members(&members, "any", out, err);
  hgl_buf_deinit(&members.items);
  return status;
}

/* The whole ------------------------------------------------------------------------------------ */

struct clauses {
  struct token order, limit; /* column 0: not given */
};

static int parse_clauses(struct parser *parser, struct clauses *out, struct hgl_err *err)
{
  while (parser->token.kind != END) {
    bool is_order = at_word(parser, "order");
    struct token *clause = is_order ? &out->order : &out->limit;
    if (!is_order && !at_word(parser, "limit"))
      return fail_expected(parser, "order, limit or the end", err);
    if (clause->column)
      return fail_at(err, parser->token.column, "%s is given twice", is_order ? "order" : "limit");
    int status = advance(parser, err);
    if (status) return status;
    *clause = parser->token;
    bool is_integer = false;
    bool fits = is_order
                    ? clause->kind == WORD || clause->kind == QUOTED
                    : clause->kind == WORD && is_number(clause->text, &is_integer) && is_integer;
    if (!fits)
      return fail_expected(parser, is_order ? "a field after order" : "a number after limit", err);
    if ((status = advance(parser, err))) return status;
  }
  return 0;
}

/* The value form, its keys in their order. */
static int put_query(const struct clauses *clauses, struct hgl_bytes where, struct hgl_buf *out,
                     struct hgl_err *err)
{
  int status = 0;
  hgl_cbor_put_map(out, !!clauses->limit.column + !!clauses->order.column + !!where.size);
  if (clauses->limit.column) {
    hgl_cbor_put_literal(out, "limit");
    status = put_number(clauses->limit.text, clauses->limit.column, true, out, err);
  }
  if (!status && clauses->order.column) {
    hgl_cbor_put_literal(out, "order");
    status = put_text(&clauses->order, out, err);
  }
  if (!status && where.size) {
    hgl_cbor_put_literal(out, "where");
    hgl_buf_append_bytes(out, where);
  }
  return status ? status : hgl_buf_check(out, err);
}

int hgl_query_parse(struct hgl_bytes text, struct hgl_query **out, struct hgl_err *err)
{
  struct parser parser = {.text = text.size ? text : hgl_text("")};
  struct clauses clauses = {0};
  struct hgl_buf where, value;
  int status;
  if (text.size > HGL_QUERY_TEXT_SIZE_MAX)
    return hgl_fail(err, HGL_TOO_LARGE, "query of %zu bytes, limit %d", text.size,
                    HGL_QUERY_TEXT_SIZE_MAX);
  if (!hgl_utf8_valid(text)) return hgl_fail(err, HGL_MALFORMED, "the query is not valid UTF-8");
  hgl_buf_init(&where, HGL_QUERY_SIZE_MAX);
  hgl_buf_init(&value, HGL_QUERY_SIZE_MAX);
  if ((status = advance(&parser, err))) goto done;
  bool has_where = parser.token.kind != END && !at_word(&parser, "order") &&
                   !at_word(&parser, "limit");
  if (has_where && (status = parse_any(&parser, &where, err))) goto done;
  if ((status = hgl_buf_check(&where, err)) || (status = parse_clauses(&parser, &clauses, err)) ||
      (status = put_query(&clauses, hgl_buf_bytes(&where), &value, err)))
    goto done;
  status = hgl_query_create(hgl_buf_bytes(&value), out, err);
done:
  hgl_buf_deinit(&value);
  hgl_buf_deinit(&where);
  return status;
}
