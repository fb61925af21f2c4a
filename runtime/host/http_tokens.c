#include "host/http_tokens.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "host/file.h"
#include "host/keys.h"
#include "protocol/crypto.h"
#include "protocol/value.h"

/* Files ---------------------------------------------------------------------------------------- */

static int find_path(const char *data, const char *name, char out[PATH_MAX], struct hgl_err *err)
{
  struct stat info;
  if (stat(data, &info) != 0)
    return hgl_fail(err, HGL_NOT_FOUND, "there is no data folder %s: start a host in it first",
                    data);
  int size = snprintf(out, PATH_MAX, "%s/tokens", data);
  if (size >= PATH_MAX - (int)sizeof "/" - HGL_NAME_SIZE_MAX)
    return hgl_fail(err, HGL_INVALID, "the path of the data folder is too long");
  if (mkdir(out, 0700) != 0 && errno != EEXIST)
    return hgl_fail(err, HGL_IO, "%s: %s", out, strerror(errno));
  snprintf(out + size, PATH_MAX - (size_t)size, "/%s", name);
  return 0;
}

static int make(const char *path, bool replace, const struct hgl_random *random,
                struct hgl_err *err)
{
  uint8_t bytes[32];
  struct hgl_buf text;
  hgl_buf_init(&text, HGL_TOKEN_TEXT_SIZE + 1);
  if (!hgl_buf_reserve(&text, HGL_TOKEN_TEXT_SIZE + 1))
    return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  hgl_random_fill(random, bytes, sizeof bytes);
  hgl_base64url_encode(hgl_bytes(bytes, sizeof bytes), &text);
  hgl_buf_append_byte(&text, '\n');
  int status = hgl_buf_check(&text, err);
  if (!status)
    status = replace ? hgl_file_replace(path, hgl_buf_bytes(&text), 0600, err)
                     : hgl_file_create(path, hgl_buf_bytes(&text), 0600, err);
  hgl_wipe(bytes, sizeof bytes);
  hgl_wipe(text.data, text.size);
  hgl_buf_deinit(&text);
  return status == -HGL_EXISTS ? 0 : status; /* another process was quicker */
}

static int read_token(const char *path, const char *renewal, struct hgl_buf *out,
                      struct hgl_err *err)
{
  size_t before = out->size;
  if (!hgl_buf_reserve(out, HGL_TOKEN_TEXT_SIZE + 2))
    return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  int status = hgl_file_read_secret(path, HGL_TOKEN_TEXT_SIZE + 1, out, err);
  if (status == -HGL_NOT_FOUND) return status;
  if (!status && out->size > before && out->data[out->size - 1] == '\n') out->size--;
  if (status == -HGL_TOO_LARGE || (!status && out->size - before != HGL_TOKEN_TEXT_SIZE))
    return hgl_fail(err, HGL_CORRUPT, "%s holds no token: make a new one with `%s`", path, renewal);
  return status;
}

static int get_token(const char *data, const char *name, const char *renewal, bool renew,
                     const struct hgl_random *random, struct hgl_buf *out, struct hgl_err *err)
{
  char path[PATH_MAX];
  int status = find_path(data, name, path, err);
  if (!status && renew) status = make(path, true, random, err);
  if (status) return status;
  status = read_token(path, renewal, out, err);
  if (status != -HGL_NOT_FOUND) return status;
  status = make(path, false, random, err);
  return status ? status : read_token(path, renewal, out, err);
}

int hgl_http_token(const char *data, const char *agent, bool renew, const struct hgl_random *random,
                   struct hgl_buf *out, struct hgl_err *err)
{
  int status = hgl_agent_name_check(hgl_text(agent), err);
  return status
             ? status
             : get_token(data, agent, "haggle agent token NAME --renew", renew, random, out, err);
}

const char *hgl_role_name(enum hgl_role role)
{
  static const char *const names[] = {"none", "viewer", "operator", "owner"};
  return names[role];
}

int hgl_role_token(const char *data, enum hgl_role role, bool renew,
                   const struct hgl_random *random, struct hgl_buf *out, struct hgl_err *err)
{
  bool operates = role == HGL_ROLE_OPERATOR;
  return get_token(data, operates ? "@operator" : "@viewer",
                   operates ? "haggle dashboard --renew operator"
                            : "haggle dashboard --renew viewer",
                   renew, random, out, err);
}

/* Checking ------------------------------------------------------------------------------------- */

/* The origin's place, or the one that is to be its own: free, or of whom nothing was heard for
 * longest. */
static struct hgl_wrong_tokens *place_of(struct hgl_http_guard *guard, uint64_t origin,
                                         int64_t now_ms)
{
  struct hgl_wrong_tokens *oldest = &guard->wrong[0];
  for (size_t i = 0; i < HGL_TOKEN_ORIGINS; i++) {
    struct hgl_wrong_tokens *at = &guard->wrong[i];
    if (at->since_ms && at->since_ms + HGL_TOKEN_WRONG_MS <= now_ms)
      *at = (struct hgl_wrong_tokens){0};
    if (at->since_ms && at->origin == origin) return at;
    if (at->since_ms < oldest->since_ms) oldest = at;
  }
  if (oldest->since_ms && oldest->origin != origin) *oldest = (struct hgl_wrong_tokens){0};
  oldest->origin = origin;
  return oldest;
}

/* By their hashes: neither time nor length tells anything of the token. */
static bool is_same(struct hgl_bytes a, struct hgl_bytes b)
{
  struct hgl_hash x, y;
  volatile uint8_t differ = 0;
  hgl_sha256(&a, 1, &x);
  hgl_sha256(&b, 1, &y);
  for (size_t i = 0; i < HGL_HASH_SIZE; i++) differ |= x.bytes[i] ^ y.bytes[i];
  return differ == 0;
}

/* Whoever shows none does not guess. */
static int count_wrong(struct hgl_http_guard *guard, struct hgl_bytes token, uint64_t origin,
                       int64_t now_ms, struct hgl_err *err)
{
  if (!token.size) return hgl_fail(err, HGL_DENIED, "no token");
  struct hgl_wrong_tokens *wrong = place_of(guard, origin, now_ms);
  if (wrong->since_ms && wrong->count >= HGL_TOKEN_WRONG_MAX)
    return hgl_fail(err, HGL_LIMIT, "too many wrong tokens");
  if (!wrong->since_ms) wrong->since_ms = now_ms > 0 ? now_ms : 1;
  wrong->count++;
  return hgl_fail(err, HGL_DENIED, "a wrong token");
}

static void forget(struct hgl_buf *token)
{
  if (token->data) hgl_wipe(token->data, token->size);
  hgl_buf_deinit(token);
}

/* A file that others may read proves nothing: that is no fault of whoever shows a token. */
static int is_ours(int status, struct hgl_err *err)
{
  char text[HGL_ERR_MESSAGE_SIZE];
  if (status != -HGL_DENIED) return status;
  memcpy(text, err->message, sizeof text);
  return hgl_fail(err, HGL_IO, "%s", text);
}

int hgl_http_token_check(struct hgl_http_guard *guard, const char *data, const char *agent,
                         struct hgl_bytes token, uint64_t origin, int64_t now_ms,
                         const struct hgl_random *random, struct hgl_err *err)
{
  struct hgl_buf right;
  hgl_buf_init(&right, HGL_TOKEN_TEXT_SIZE + 2);
  int status = is_ours(hgl_http_token(data, agent, false, random, &right, err), err);
  if (!status && !is_same(hgl_buf_bytes(&right), token))
    status = count_wrong(guard, token, origin, now_ms, err);
  forget(&right);
  return status;
}

int hgl_role_token_check(struct hgl_http_guard *guard, const char *data, struct hgl_bytes token,
                         uint64_t origin, int64_t now_ms, const struct hgl_random *random,
                         enum hgl_role *role, struct hgl_err *err)
{
  enum hgl_role found = HGL_ROLE_NONE;
  int status = 0;
  for (enum hgl_role of = HGL_ROLE_VIEWER; !status && of <= HGL_ROLE_OPERATOR; of++) {
    struct hgl_buf right;
    hgl_buf_init(&right, HGL_TOKEN_TEXT_SIZE + 2);
    status = is_ours(hgl_role_token(data, of, false, random, &right, err), err);
    if (!status && is_same(hgl_buf_bytes(&right), token)) found = of;
    forget(&right);
  }
  if (status) return status;
  if (found == HGL_ROLE_NONE) return count_wrong(guard, token, origin, now_ms, err);
  *role = found;
  return 0;
}
