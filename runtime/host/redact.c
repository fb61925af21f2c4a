#include "host/redact.h"

#include <ctype.h>
#include <string.h>

static void put_folded(struct hgl_bytes text, struct hgl_buf *out)
{
  uint8_t *folded = hgl_buf_reserve(out, text.size);
  if (!folded) return;
  for (size_t i = 0; i < text.size; i++) folded[i] = (uint8_t)tolower(text.data[i]);
  hgl_buf_extend(out, text.size);
}

/* ---- what is looked for ---- */

void hgl_redact_deinit(struct hgl_redact *redact)
{
  for (size_t i = 0; i < redact->count; i++) {
    hgl_secret_wipe(&redact->secrets[i].value);
    hgl_secret_wipe(&redact->secrets[i].folded);
  }
  redact->count = 0;
}

int hgl_redact_add(struct hgl_redact *redact, const struct hgl_secrets *secrets,
                   struct hgl_bytes name, struct hgl_buf *out, struct hgl_err *err)
{
  if (redact->count == HGL_REDACT_SECRETS_MAX)
    return hgl_fail(err, HGL_INVALID, "more than %d secrets", HGL_REDACT_SECRETS_MAX);
  struct hgl_redact_secret *secret = &redact->secrets[redact->count++];
  *secret = (struct hgl_redact_secret){.name = name};
  hgl_buf_init(&secret->value, HGL_SECRET_VALUE_SIZE_MAX);
  hgl_buf_init(&secret->folded, HGL_SECRET_VALUE_SIZE_MAX);
  int status = hgl_secrets_get(secrets, name, &secret->value, err);
  if (status) return status;
  put_folded(hgl_buf_bytes(&secret->value), &secret->folded);
  hgl_buf_append_bytes(out, hgl_buf_bytes(&secret->value));
  return hgl_buf_check(&secret->folded, err);
}

/* ---- looking ---- */

/* Where each secret is found next; SIZE_MAX: not any more. */
struct places {
  struct hgl_bytes text; /* folded */
  size_t at[HGL_REDACT_SECRETS_MAX];
};

static size_t find(const struct hgl_redact_secret *secret, struct hgl_bytes text, size_t from)
{
  const struct hgl_buf *value = &secret->folded;
  if (value->size == 0) return SIZE_MAX; /* it could not be read */
  const uint8_t *found = memmem(text.data + from, text.size - from, value->data, value->size);
  return found ? (size_t)(found - text.data) : SIZE_MAX;
}

/* The one that is found first; NULL: none is. Each is looked for again only when the last find has
 * been passed: a body full of one of them is no trouble. */
static const struct hgl_redact_secret *find_first(const struct hgl_redact *redact,
                                                  struct places *places, size_t from, size_t *at)
{
  const struct hgl_redact_secret *first = NULL;
  for (size_t i = 0; i < redact->count; i++) {
    if (places->at[i] < from) places->at[i] = find(&redact->secrets[i], places->text, from);
    if (places->at[i] == SIZE_MAX || (first && places->at[i] >= *at)) continue;
    *at = places->at[i];
    first = &redact->secrets[i];
  }
  return first;
}

void hgl_redact_put(const struct hgl_redact *redact, struct hgl_bytes text, struct hgl_buf *out)
{
  struct hgl_buf folded;
  struct places places;
  size_t from = 0, at = 0;
  hgl_buf_init(&folded, text.size);
  if (redact->count && text.size) put_folded(text, &folded);
  if (folded.failed) out->failed = folded.failed;
  places.text = hgl_buf_bytes(&folded);
  for (size_t i = 0; i < redact->count && folded.size; i++)
    places.at[i] = find(&redact->secrets[i], places.text, 0);
  const struct hgl_redact_secret *found;
  while (folded.size && (found = find_first(redact, &places, from, &at))) {
    hgl_buf_append(out, text.data + from, at - from);
    hgl_buf_append_text(out, "[secret ");
    hgl_buf_append_bytes(out, found->name);
    hgl_buf_append_byte(out, ']');
    from = at + found->value.size;
  }
  if (text.size) hgl_buf_append(out, text.data + from, text.size - from);
  hgl_buf_deinit(&folded);
}

bool hgl_redact_finds(const struct hgl_redact *redact, struct hgl_bytes text)
{
  for (size_t i = 0; i < redact->count; i++)
    if (find(&redact->secrets[i], text, 0) != SIZE_MAX) return true;
  return false;
}
