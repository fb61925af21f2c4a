#include "host/http_tokens.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "host/file.h"
#include "host/keys.h"
#include "protocol/crypto.h"
#include "protocol/value.h"

/* Files ---------------------------------------------------------------------------------------- */

static int find_path(const char *data, const char *agent, char out[PATH_MAX], struct hgl_err *err)
{
  struct stat info;
  int status = hgl_agent_name_check(hgl_text(agent), err);
  if (status) return status;
  if (stat(data, &info) != 0)
    return hgl_fail(err, HGL_NOT_FOUND, "there is no data folder %s: start a host in it first",
                    data);
  int size = snprintf(out, PATH_MAX, "%s/tokens", data);
  if (size >= PATH_MAX - (int)sizeof "/" - HGL_NAME_SIZE_MAX)
    return hgl_fail(err, HGL_INVALID, "the path of the data folder is too long");
  if (mkdir(out, 0700) != 0 && errno != EEXIST)
    return hgl_fail(err, HGL_IO, "%s: %s", out, strerror(errno));
  snprintf(out + size, PATH_MAX - (size_t)size, "/%s", agent);
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

static int read_token(const char *path, struct hgl_buf *out, struct hgl_err *err)
{
  size_t before = out->size;
  if (!hgl_buf_reserve(out, HGL_TOKEN_TEXT_SIZE + 2))
    return hgl_fail(err, HGL_NO_MEMORY, "out of memory");
  int status = hgl_file_read_secret(path, HGL_TOKEN_TEXT_SIZE + 1, out, err);
  if (status == -HGL_NOT_FOUND) return status;
  if (!status && out->size > before && out->data[out->size - 1] == '\n') out->size--;
  if (status == -HGL_TOO_LARGE || (!status && out->size - before != HGL_TOKEN_TEXT_SIZE))
    return hgl_fail(err, HGL_CORRUPT,
                    "%s holds no token: make a new one with `haggle agent token NAME --renew`",
                    path);
  return status;
}

int hgl_http_token(const char *data, const char *agent, bool renew, const struct hgl_random *random,
                   struct hgl_buf *out, struct hgl_err *err)
{
  char path[PATH_MAX];
  int status = find_path(data, agent, path, err);
  if (!status && renew) status = make(path, true, random, err);
  if (status) return status;
  status = read_token(path, out, err);
  if (status != -HGL_NOT_FOUND) return status;
  status = make(path, false, random, err);
  return status ? status : read_token(path, out, err);
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

int hgl_http_token_check(struct hgl_http_guard *guard, const char *data, const char *agent,
                         struct hgl_bytes token, uint64_t origin, int64_t now_ms,
                         const struct hgl_random *random, struct hgl_err *err)
{
  struct hgl_buf right;
  hgl_buf_init(&right, HGL_TOKEN_TEXT_SIZE + 2);
  int status = hgl_http_token(data, agent, false, random, &right, err);
  if (status == -HGL_DENIED) { /* a file that others may read proves nothing */
    char text[HGL_ERR_MESSAGE_SIZE];
    memcpy(text, err->message, sizeof text);
    status = hgl_fail(err, HGL_IO, "%s", text);
  }
  if (!status && !is_same(hgl_buf_bytes(&right), token))
    status = count_wrong(guard, token, origin, now_ms, err);
  if (right.data) hgl_wipe(right.data, right.size);
  hgl_buf_deinit(&right);
  return status;
}
